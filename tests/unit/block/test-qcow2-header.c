/*
 * Changes of a qcow2 header that fail, and power cuts afterwards.
 *
 * One request of a change fails, or several in a row; then the image is changed
 * again, written to, and closed. At whatever moment the power is cut, the header
 * that is on the disk is a whole one, and nothing that it refers to was used
 * for something else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "power-cut.h"

#define DISK_BYTES (512 * 1024)
#define CLUSTER    4096
#define FAIL_MAX   14 /* of the requests of a change */
#define NAMES      4

typedef struct Change {
    const char *name;
    int (*change)(BlockNode *node, unsigned n);
} Change;

/* 0: as it was created; those after it go behind the first sector. */
static char *name_of(unsigned n)
{
    return n ? g_strnfill(900 + n, (char)('a' + n)) : g_strdup("/a/base.img");
}

static int change_name(BlockNode *node, unsigned n)
{
    g_autofree char *name = name_of(n);

    return bench_change_backing(node, name);
}

static int change_snapshots(BlockNode *node, unsigned n)
{
    g_autofree char *name = g_strdup_printf("s%u", n);
    g_autofree char *id = NULL;

    return bench_snapshot(node, name, &id);
}

static int change_l1(BlockNode *node, unsigned n)
{
    /* An L1 entry is of 2 MiB here. */
    return bench_truncate(node, DISK_BYTES + ((int64_t)n << 30),
                          PREALLOC_MODE_OFF, NULL);
}

static int change_tree(BlockNode *node, unsigned n)
{
    return n > 1 ? 0 : bench_snapshot_goto(node, "1");
}

static const Change changes[] = {
    { "backing-name", change_name },
    { "snapshots", change_snapshots },
    { "l1", change_l1 },
    { "goto", change_tree },
};

/* New data goes where there is room: into what should be free. */
static void write_data(BlockNode *node, uint32_t tag)
{
    g_autofree uint8_t *data = tag_fill(tag, CLUSTER / SECTOR);

    for (int64_t i = 0; i < 8; i++) {
        /* A disk that failed may refuse it. */
        bench_write(node, (i * 8 + tag) * CLUSTER, data, CLUSTER);
    }
    node_flush(node);
}

static bool is_name(const char *name)
{
    for (unsigned n = 0; n < NAMES; n++) {
        g_autofree char *one = name_of(n);

        if (g_strcmp0(name, one) == 0) {
            return true;
        }
    }
    return false;
}

static void check_cut(const GArray *log, const GByteArray *base, guint cut,
                      GRand *rnd)
{
    GByteArray *bytes = power_cut(log, 0, base, cut, rnd);
    MemNode *mem = mem_new("mem", bytes->data, bytes->len);
    BlockNode *node = bench_open("\"read-only\":true,\"backing\":null",
                                 NODE_OPEN_CHECK, &error_abort);
    ImageCheck c;

    if (!is_name(node->backing_file)) {
        g_test_message("cut %u: backing file '%s'", cut, node->backing_file);
        g_test_fail();
    }
    g_assert_cmpint(bench_check(node, &c, 0), ==, 0);
    if (c.check_errors || c.corruptions) {
        g_test_message("cut %u: %" PRId64 " errors, %" PRId64 " corruptions",
                       cut, c.check_errors, c.corruptions);
        g_test_fail();
    }
    block_node_unref(node);
    mem_free(mem);
    g_byte_array_unref(bytes);
}

/* The log of one change that fails at its request @fail_at, and @times in a
 * row. Returns: (transfer full) it. */
static GArray *record(const Change *change, int fail_at, int times,
                      GByteArray **base)
{
    MemNode *mem = mem_new("mem", "", 0);
    GArray *log = g_array_ref(mem->log);
    g_autofree char *id = NULL;
    BlockNode *node;

    bench_create(DISK_BYTES, "\"cluster-size\":4096,\"backing-fmt\":\"raw\","
                             "\"backing-file\":\"/a/base.img\"");
    node =
        bench_open("\"discard\":\"unmap\",\"backing\":null", 0, &error_abort);
    write_data(node, 1);
    g_assert_cmpint(bench_snapshot(node, "first", &id), ==, 0);
    write_data(node, 2);
    *base = g_byte_array_new();
    g_byte_array_append(*base, mem->bytes->data, mem->bytes->len);
    mem_log_start(mem);
    mem->error = EIO;
    mem->fail_writes_for = times;
    mem->fail_writes_after = fail_at;
    change->change(node, 1);
    mem->fail_writes_after = -1;
    write_data(node, 3);
    g_assert_cmpint(change->change(node, 2), ==, 0);
    write_data(node, 4);
    change->change(node, 3);
    block_node_unref(node);
    mem_free(mem);
    return log;
}

static void test_change(gconstpointer data)
{
    const Change *change = data;
    GRand *rnd = g_rand_new_with_seed(5);
    guint cuts = 0;

    for (int times = 1; times <= 7; times += 2) {
        for (int at = 0; at < FAIL_MAX && !g_test_failed(); at++) {
            GByteArray *base;
            GArray *log = record(change, at, times, &base);

            for (guint cut = 0; cut <= log->len && !g_test_failed(); cut++) {
                check_cut(log, base, cut, rnd);
                cuts++;
            }
            if (g_test_failed()) {
                g_test_message("%s: request %d failed, %d in a row",
                               change->name, at, times);
            }
            g_array_unref(log);
            g_byte_array_unref(base);
        }
    }
    g_test_message("%u cuts", cuts);
    g_rand_free(rnd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autofree char *path =
            g_strconcat("/qcow2/header-fails/", changes[i].name, NULL);

        g_test_add_data_func(path, &changes[i], test_change);
    }
    return g_test_run();
}
