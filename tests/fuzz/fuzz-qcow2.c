/*
 * A hostile qcow2 image: opened to look at it, checked, repaired, opened for
 * writing, read, written, closed. Nothing may crash, hang or take memory
 * without limit; what was repaired must be good.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "../unit/block/qcow2-bench.h"
#include "block/qcow2/wire.h"
#include "util/error-report.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Longer files only cost time. */
#define IMAGE_MAX (256 * 1024)
#define BYTES     4096

static void touch(BlockNode *node, bool write)
{
    uint8_t buf[BYTES];
    int64_t length = block_node_length(node);
    int64_t places[] = { 0, 1000, length / 2, length - BYTES };
    SnapshotInfoList *list =
        BLOCK_NODE_GET_CLASS(node)->snapshot_list(node, NULL);

    qapi_free_SnapshotInfoList(list);
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        int64_t at = MAX(places[i], 0);
        int64_t n = MIN(length - at, BYTES);

        if (n <= 0) {
            continue;
        }
        node_pread(node, at, n, buf);
        if (write) {
            memset(buf, (int)i, sizeof(buf));
            bench_write(node, at, buf, n);
            bench_zero(node, at, n / 2, true);
            bench_discard(node, at, n);
        }
    }
    if (write) {
        node_flush(node);
    }
}

static void look(void)
{
    BlockNode *node = bench_open("\"read-only\":true",
                                 NODE_OPEN_NO_BACKING | NODE_OPEN_CHECK, NULL);
    ImageCheck r;

    if (node) {
        touch(node, false);
        bench_check(node, &r, 0);
        block_node_unref(node);
    }
}

static void repair(void)
{
    BlockNode *node =
        bench_open("", NODE_OPEN_NO_BACKING | NODE_OPEN_CHECK, NULL);
    ImageCheck r;

    if (!node) {
        return;
    }
    if (bench_check(node, &r, 3) == 0 && !r.corruptions && !r.check_errors) {
        if (bench_check(node, &r, 0) != 0 || r.corruptions || r.leaks) {
            abort();
        }
    }
    block_node_unref(node);
}

static void use(void)
{
    BlockNode *node =
        bench_open("\"discard\":\"unmap\"", NODE_OPEN_NO_BACKING, NULL);
    g_autofree char *id = NULL;

    if (node) {
        touch(node, true);
        if (bench_snapshot(node, "new", &id) == 0) {
            touch(node, true);
            bench_snapshot_delete(node, id);
        }
        block_node_unref(node);
    }
}

static void run(const uint8_t *data, size_t size, void (*what)(void))
{
    MemNode *mem = mem_new("mem", data, size);

    /* The data file's name would be opened. */
    if (size > 79) {
        mem->bytes->data[79] &= (uint8_t)~QCOW_INCOMPAT_DATA_FILE;
    }
    what();
    mem_free(mem);
}

static void quiet(const char *text, void *opaque)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;

    if (!ready) {
        bench_init();
        error_report_set_sink(quiet, NULL);
        ready = true;
    }
    if (size <= IMAGE_MAX) {
        run(data, size, look);
        run(data, size, repair);
        run(data, size, use);
    }
    return 0;
}
