/*
 * Check and repair of qcow2 images whose tables lead nowhere, or where nothing
 * can be: what they may have referred to is not freed, by no kind of repair.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"
#include "util/bswap.h"
#include "util/error.h"

#include "qcow2-bench.h"

#define DISK  (4 * 1024 * 1024)
#define REACH (2 * 1024 * 1024) /* of an L2 table of 4096 bytes */
#define FIX   (NODE_FIX_LEAKS | NODE_FIX_ERRORS)

/* A number on disk that says where a table is. */
typedef struct Spoil {
    const char *name;
    bool snapshot;
    unsigned depth; /* 0: of the L1 table; 1: its second entry; 2: the first
                     * of the table that this leads to */
    uint64_t value; /* added */
} Spoil;

static uint64_t get(MemNode *mem, uint64_t at)
{
    return ldq_be_p(mem->bytes->data + at);
}

static void add(MemNode *mem, uint64_t at, uint64_t value)
{
    stq_be_p(mem->bytes->data + at, get(mem, at) + value);
}

/* Two tables, and a snapshot that has all for itself. */
static MemNode *two_tables(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    g_autofree char *id = NULL;
    uint8_t buf[8192];
    BlockNode *top;

    bench_create(DISK, "\"cluster-size\":4096");
    top = bench_open("", 0, &error_abort);
    for (int value = 1; value <= 2; value++) {
        memset(buf, value, sizeof(buf));
        g_assert_cmpint(bench_write(top, 0, buf, sizeof(buf)), ==, 0);
        g_assert_cmpint(bench_write(top, REACH, buf, sizeof(buf)), ==, 0);
        if (value == 1) {
            g_assert_cmpint(bench_snapshot(top, "s", &id), ==, 0);
        }
    }
    block_node_unref(top);
    return mem;
}

static uint64_t place(MemNode *mem, const Spoil *t)
{
    uint64_t at = t->snapshot ? get(mem, 64) : 40;

    at = t->depth > 0 ? get(mem, at) + 8 : at;
    return t->depth > 1 ? get(mem, at) & QCOW_OFFSET_MASK : at;
}

static void assert_data(MemNode *mem)
{
    BlockNode *top = bench_open("", 0, &error_abort);
    uint8_t byte;

    bench_assert_clean(top);
    for (int value = 2; value >= 1; value--) {
        g_assert_cmpint(node_pread(top, REACH + 8191, 1, &byte), ==, 0);
        g_assert_cmpint(byte, ==, value);
        g_assert_cmpint(bench_snapshot_goto(top, "s"), ==, 0);
    }
    block_node_unref(top);
}

static void check_and_fix(unsigned fix, int want)
{
    BlockNode *top = bench_open("", NODE_OPEN_CHECK, &error_abort);
    ImageCheck r;

    g_assert_cmpint(bench_check(top, &r, fix), ==, want);
    if (want == 0) {
        g_assert_cmpint(r.corruptions, >, 0);
        g_assert_cmpint(r.leaks, >, 0);
        g_assert_cmpint(r.leaks_fixed, ==, 0);
    }
    block_node_unref(top);
}

static void test_missing(gconstpointer data)
{
    const Spoil *t = data;
    MemNode *mem = two_tables();
    uint64_t at = place(mem, t);
    g_autofree uint8_t *before = NULL;
    guint len = mem->bytes->len;
    uint64_t block = get(mem, 48);

    add(mem, at, t->value);
    before = g_memdup2(mem->bytes->data, len);
    check_and_fix(0, 0);
    check_and_fix(NODE_FIX_LEAKS, 0);
    check_and_fix(FIX, 0);
    g_assert_cmpmem(mem->bytes->data, mem->bytes->len, before, len);
    /* A disk that was not closed well is repaired when it is opened. */
    mem->bytes->data[79] |= QCOW_INCOMPAT_DIRTY;
    g_assert_null(bench_open("", 0, NULL));
    mem->bytes->data[79] = before[79];
    g_assert_cmpmem(mem->bytes->data, mem->bytes->len, before, len);
    /* New refcounts would forget them. */
    add(mem, block, UINT64_C(1) << 40);
    check_and_fix(FIX, -EIO);
    add(mem, block, -(UINT64_C(1) << 40));
    g_assert_cmpmem(mem->bytes->data, mem->bytes->len, before, len);
    add(mem, at, -t->value);
    assert_data(mem);
    mem_free(mem);
}

/* What loses nothing is repaired: a refcount that is too low. */
static void test_missing_low(void)
{
    MemNode *mem = two_tables();
    uint64_t l1 = get(mem, 40);
    uint64_t first = get(mem, l1) & QCOW_OFFSET_MASK;
    uint8_t *refs = mem->bytes->data + get(mem, get(mem, 48));
    BlockNode *top;
    ImageCheck r;

    add(mem, l1 + 8, 512);
    stw_be_p(refs + (first >> 12) * 2, 0);
    top = bench_open("", NODE_OPEN_CHECK, &error_abort);
    g_assert_cmpint(bench_check(top, &r, FIX), ==, 0);
    g_assert_cmpint(r.corruptions_fixed, ==, 1);
    g_assert_cmpint(r.leaks_fixed, ==, 0);
    block_node_unref(top);
    add(mem, l1 + 8, (uint64_t)-512);
    assert_data(mem);
    mem_free(mem);
}

static const Spoil spoils[] = {
    { "table-odd", false, 1, 512 },
    { "table-behind-end", false, 1, UINT64_C(1) << 40 },
    { "l1-behind-end", false, 0, UINT64_C(1) << 40 },
    { "cluster-odd", false, 2, 512 },
    { "snapshot/cluster-odd", true, 2, 512 },
    { "snapshot/table-odd", true, 1, 512 },
    { "snapshot/table-behind-end", true, 1, UINT64_C(1) << 40 },
    { "snapshot/l1-odd", true, 0, 512 },
    { "snapshot/l1-behind-end", true, 0, UINT64_C(1) << 40 },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    for (size_t i = 0; i < G_N_ELEMENTS(spoils); i++) {
        g_autofree char *path =
            g_strconcat("/qcow2-check/missing/", spoils[i].name, NULL);

        g_test_add_data_func(path, &spoils[i], test_missing);
    }
    g_test_add_func("/qcow2-check/missing-low", test_missing_low);
    return g_test_run();
}
