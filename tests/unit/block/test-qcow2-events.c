/*
 * The qcow2 driver with an error at each step that it takes: a request fails
 * after the first, second, third time that a step is met (blkdebug's events),
 * while the image is written, discarded, resized and has snapshots. After it
 * all goes on, nothing that was written is lost, and check finds leaks at most.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/blkdebug.h"
#include "qapi/json.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "qcow2-bench.h"

#define PIECE  4096
#define PIECES 560
#define DISK   ((int64_t)PIECE * PIECES)
#define TIMES  3

/* What a piece holds, once a write of it went well. */
typedef struct Model {
    BlockNode *top;
    int16_t value[PIECES]; /* -1: a request failed here */
    unsigned errors;
} Model;

/* -- requests ----------------------------------------------------------------- */

static void note(Model *m, int first, int count, int value, int ret)
{
    for (int i = first; i < first + count; i++) {
        m->value[i] = ret == 0 ? (int16_t)value : -1;
    }
    m->errors += ret < 0;
}

static void do_write(Model *m, int first, int count, int value)
{
    g_autofree uint8_t *buf = g_malloc((size_t)count * PIECE);

    memset(buf, value, (size_t)count * PIECE);
    note(m, first, count, value,
         bench_write(m->top, (int64_t)first * PIECE, buf,
                     (int64_t)count * PIECE));
}

static void do_compressed(Model *m, int first, int value)
{
    uint8_t buf[PIECE];

    memset(buf, value, sizeof(buf));
    note(m, first, 1, value,
         bench_compressed(m->top, (int64_t)first * PIECE, buf, PIECE));
}

static void do_discard(Model *m, int first, int count)
{
    note(m, first, count, 0,
         bench_discard(m->top, (int64_t)first * PIECE, (int64_t)count * PIECE));
}

/* What is around it in its clusters must be fetched. */
static void do_odd(Model *m, int piece)
{
    uint8_t buf[1000];

    memset(buf, MAX(m->value[piece], 0), sizeof(buf));
    m->errors +=
        bench_write(m->top, (int64_t)piece * PIECE + 700, buf, sizeof(buf)) < 0;
}

static void do_flush(Model *m)
{
    m->errors += node_flush(m->top) < 0;
}

static void do_read(Model *m, int piece)
{
    uint8_t buf[PIECE];

    m->errors += node_pread(m->top, (int64_t)piece * PIECE, PIECE, buf) < 0;
}

static void workload(Model *m)
{
    g_autofree char *one = NULL;
    g_autofree char *two = NULL;

    do_write(m, 0, 20, 1);
    do_write(m, 60, 30, 2);
    do_compressed(m, 30, 3);
    do_compressed(m, 31, 4);
    do_flush(m);
    m->errors += bench_snapshot(m->top, "one", &one) < 0;
    do_odd(m, 5);
    do_write(m, 10, 20, 5);
    do_compressed(m, 31, 6);
    do_discard(m, 60, 10);
    do_flush(m);
    do_read(m, 30);
    m->errors += bench_snapshot(m->top, "two", &two) < 0;
    do_write(m, 0, PIECES, 7);
    do_flush(m);
    m->errors += bench_truncate(m->top, 64 * DISK, PREALLOC_MODE_OFF, NULL) < 0;
    if (one) {
        m->errors += bench_snapshot_delete(m->top, one) < 0;
    }
    do_flush(m);
    do_discard(m, 100, 28);
    if (two) {
        m->errors += bench_snapshot_delete(m->top, two) < 0;
    }
    do_compressed(m, 110, 8);
    do_odd(m, 90);
    do_flush(m);
}

/* -- the image ---------------------------------------------------------------- */

/* The smallest clusters, so that tables are small and must grow; but then
 * nothing is a part of one. */
static void create(BlkdebugEvent event)
{
    bench_create((uint64_t)DISK,
                 event == BLKDBG_REFBLOCK_UPDATE_PART
                     ? "\"cluster-size\":4096"
                     : "\"cluster-size\":512,\"refcount-bits\":64");
}

static BlockNode *open_with_error(BlkdebugEvent event, int time)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(json_t) opts = NULL;

    g_string_printf(text,
                    "{\"driver\":\"qcow2\",\"node-name\":\"top\","
                    "\"l2-cache-size\":2048,\"l2-cache-entry-size\":512,"
                    "\"discard\":\"unmap\",\"file\":{"
                    "\"driver\":\"blkdebug\",\"image\":\"mem\","
                    "\"inject-error\":[{\"event\":\"%s\",\"state\":%d,"
                    "\"once\":true,\"immediately\":true}],\"set-state\":[",
                    BlkdebugEvent_str(event), time);
    for (int i = 1; i < time; i++) {
        g_string_append_printf(
            text, "%s{\"event\":\"%s\",\"state\":%d,\"new_state\":%d}",
            i > 1 ? "," : "", BlkdebugEvent_str(event), i, i + 1);
    }
    g_string_append(text, "]}}");
    opts = qobject_from_json(text->str, &error_abort);
    return block_node_new(opts, false, qemu_get_aio_context(), NULL);
}

static void compare(const Model *m)
{
    for (int i = 0; i < PIECES; i++) {
        uint8_t buf[PIECE];

        g_assert_cmpint(node_pread(m->top, (int64_t)i * PIECE, PIECE, buf), ==,
                        0);
        if (m->value[i] >= 0) {
            g_assert_cmpint(buf[0], ==, m->value[i]);
            g_assert_cmpmem(buf, PIECE - 1, buf + 1, PIECE - 1);
        }
    }
}

static void assert_no_corruption(BlockNode *top)
{
    ImageCheck r;

    g_assert_cmpint(bench_check(top, &r, 0), ==, 0);
    g_assert_cmpint(r.corruptions, ==, 0);
    g_assert_cmpint(r.check_errors, ==, 0);
}

/* Returns: what failed; -1: it could not be opened. */
static int try_event(BlkdebugEvent event, int time)
{
    MemNode *mem = mem_new("mem", "", 0);
    Model m = { 0 };

    create(event);
    m.top = open_with_error(event, time);
    if (!m.top) {
        mem_free(mem);
        return -1;
    }
    workload(&m);
    compare(&m);
    /* It works again: the rule acted once. */
    do_write(&m, 40, 8, 9);
    g_assert_cmpint(m.value[40], ==, 9);
    g_assert_cmpint(node_flush(m.top), ==, 0);
    compare(&m);
    assert_no_corruption(m.top);
    block_node_unref(m.top);
    m.top = bench_open("", 0, &error_abort);
    compare(&m);
    assert_no_corruption(m.top);
    block_node_unref(m.top);
    mem_free(mem);
    return (int)m.errors;
}

static void test_event(gconstpointer data)
{
    BlkdebugEvent event = GPOINTER_TO_UINT(data);
    int failed = 0;

    for (int time = 1; time <= TIMES; time++) {
        failed += try_event(event, time) != 0;
    }
    /* The step is met, and an error there is not hidden. */
    g_assert_cmpint(failed, >, 0);
}

static const BlkdebugEvent events[] = {
    BLKDBG_L1_UPDATE,
    BLKDBG_L1_GROW_ALLOC_TABLE,
    BLKDBG_L1_GROW_WRITE_TABLE,
    BLKDBG_L1_GROW_ACTIVATE_TABLE,
    BLKDBG_L2_LOAD,
    BLKDBG_L2_UPDATE,
    BLKDBG_L2_UPDATE_COMPRESSED,
    BLKDBG_L2_ALLOC_COW_READ,
    BLKDBG_L2_ALLOC_WRITE,
    BLKDBG_READ_COMPRESSED,
    BLKDBG_WRITE_COMPRESSED,
    BLKDBG_COW_READ,
    BLKDBG_COW_WRITE,
    BLKDBG_REFTABLE_LOAD,
    BLKDBG_REFTABLE_GROW,
    BLKDBG_REFTABLE_UPDATE,
    BLKDBG_REFBLOCK_LOAD,
    BLKDBG_REFBLOCK_UPDATE,
    BLKDBG_REFBLOCK_UPDATE_PART,
    BLKDBG_REFBLOCK_ALLOC,
    BLKDBG_REFBLOCK_ALLOC_HOOKUP,
    BLKDBG_REFBLOCK_ALLOC_WRITE,
    BLKDBG_REFBLOCK_ALLOC_WRITE_BLOCKS,
    BLKDBG_REFBLOCK_ALLOC_WRITE_TABLE,
    BLKDBG_REFBLOCK_ALLOC_SWITCH_TABLE,
    BLKDBG_CLUSTER_ALLOC,
    BLKDBG_CLUSTER_ALLOC_BYTES,
    BLKDBG_CLUSTER_ALLOC_SPACE,
    BLKDBG_CLUSTER_FREE,
    BLKDBG_FLUSH_TO_DISK,
    BLKDBG_PWRITEV,
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    for (size_t i = 0; i < G_N_ELEMENTS(events); i++) {
        g_autofree char *path =
            g_strconcat("/qcow2/events/", BlkdebugEvent_str(events[i]), NULL);

        g_test_add_data_func(path, GUINT_TO_POINTER(events[i]), test_event);
    }
    return g_test_run();
}
