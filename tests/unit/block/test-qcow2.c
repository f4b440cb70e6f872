/*
 * The qcow2 driver: many requests at the same time against a model, failing
 * storage, snapshots, sizes, repair, hostile tables.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"
#include "io/iothread.h"
#include "io/types.h"
#include "util/aio-wait.h"
#include "util/bswap.h"
#include "util/error.h"

#include "qcow2-bench.h"

#define DISK     (1024 * 1024)
#define THREADS  2
#define WORKERS  8 /* in each thread */
#define REQUESTS 150

/* -- many at a time ---------------------------------------------------------------- */

typedef struct Load {
    BlockNode *top;
    uint32_t piece;   /* bytes that belong to one worker, in turn */
    uint8_t *model;   /* each byte is its worker's */
    unsigned running; /* atomic */
    bool whole;       /* pieces are clusters: zeroes, discards, compressed */
} Load;

typedef struct Worker {
    Load *load;
    unsigned number;
    GRand *rnd;
} Worker;

static int64_t own_piece(Worker *w)
{
    uint32_t all = THREADS * WORKERS;
    uint32_t n = DISK / w->load->piece / all;
    uint32_t i = (uint32_t)g_rand_int_range(w->rnd, 0, (gint32)n);

    return (int64_t)(i * all + w->number) * w->load->piece;
}

static void coroutine_fn read_back(Worker *w, int64_t at)
{
    Load *l = w->load;
    g_autofree uint8_t *buf = g_malloc(l->piece);

    g_assert_cmpint(node_co_pread(l->top, at, l->piece, buf, 0), ==, 0);
    g_assert_cmpmem(buf, l->piece, l->model + at, l->piece);
}

static void coroutine_fn write_some(Worker *w, int64_t at)
{
    Load *l = w->load;
    uint32_t skip = (uint32_t)g_rand_int_range(w->rnd, 0, (gint32)l->piece);
    uint32_t n =
        (uint32_t)g_rand_int_range(w->rnd, 1, (gint32)(l->piece - skip) + 1);

    memset(l->model + at + skip, g_rand_int_range(w->rnd, 1, 256), n);
    g_assert_cmpint(
        node_co_pwrite(l->top, at + skip, n, l->model + at + skip, 0), ==, 0);
}

static void coroutine_fn change_whole(Worker *w, int64_t at)
{
    Load *l = w->load;
    QEMUIOVector qiov;

    switch (g_rand_int_range(w->rnd, 0, 3)) {
    case 0:
        memset(l->model + at, 0, l->piece);
        g_assert_cmpint(node_co_pwrite_zeroes(
                            l->top, at, l->piece,
                            g_rand_boolean(w->rnd) ? BLK_REQ_MAY_UNMAP : 0),
                        ==, 0);
        break;
    case 1:
        memset(l->model + at, 0, l->piece);
        g_assert_cmpint(node_co_pdiscard(l->top, at, l->piece), ==, 0);
        break;
    default:
        memset(l->model + at, g_rand_int_range(w->rnd, 1, 256), l->piece);
        qemu_iovec_init_buf(&qiov, l->model + at, l->piece);
        g_assert_cmpint(node_co_pwritev(l->top, at, l->piece, &qiov, 0,
                                        BLK_REQ_WRITE_COMPRESSED),
                        ==, 0);
        break;
    }
}

static void coroutine_fn worker_entry(void *opaque)
{
    Worker *w = opaque;

    for (int i = 0; i < REQUESTS; i++) {
        int64_t at = own_piece(w);
        int what = g_rand_int_range(w->rnd, 0, 10);

        if (what == 0) {
            g_assert_cmpint(node_co_flush(w->load->top), ==, 0);
        } else if (what < 4 && w->load->whole) {
            change_whole(w, at);
        } else if (what < 8) {
            write_some(w, at);
        }
        read_back(w, at);
    }
    qatomic_dec(&w->load->running);
    aio_wait_kick();
}

static void run_load(Load *l, IOThread **threads)
{
    Worker workers[THREADS * WORKERS];

    l->running = THREADS * WORKERS;
    for (unsigned i = 0; i < THREADS * WORKERS; i++) {
        workers[i] = (Worker){ l, i, g_rand_new_with_seed(i) };
        aio_co_enter(iothread_get_aio_context(threads[i % THREADS]),
                     qemu_coroutine_create(worker_entry, &workers[i]));
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_read(&l->running) > 0);
    for (unsigned i = 0; i < THREADS * WORKERS; i++) {
        g_rand_free(workers[i].rnd);
    }
}

static void compare_all(BlockNode *top, const uint8_t *model)
{
    g_autofree uint8_t *buf = g_malloc(DISK);

    g_assert_cmpint(node_pread(top, 0, DISK, buf), ==, 0);
    g_assert_cmpmem(buf, DISK, model, DISK);
}

typedef struct LoadConfig {
    const char *name;
    const char *create;
    const char *open;
    uint32_t piece;
    bool whole;
    bool snapshots;
} LoadConfig;

static IOThread *threads[THREADS];

static void test_load(gconstpointer data)
{
    const LoadConfig *cfg = data;
    MemNode *mem = mem_new("mem", "", 0);
    Load l = { .piece = cfg->piece,
               .model = g_malloc0(DISK),
               .whole = cfg->whole };
    g_autofree char *id = NULL;

    bench_create(DISK, cfg->create);
    mem->jitter = true;
    l.top = bench_open(cfg->open, 0, &error_abort);
    run_load(&l, threads);
    compare_all(l.top, l.model);
    bench_assert_clean(l.top);
    if (cfg->snapshots) {
        g_assert_cmpint(bench_snapshot(l.top, "s", &id), ==, 0);
        run_load(&l, threads);
        compare_all(l.top, l.model);
        bench_assert_clean(l.top);
        g_assert_cmpint(bench_snapshot_delete(l.top, id), ==, 0);
        run_load(&l, threads);
    }
    block_node_unref(l.top);
    l.top = bench_open("", 0, &error_abort);
    compare_all(l.top, l.model);
    bench_assert_clean(l.top);
    block_node_unref(l.top);
    mem_free(mem);
    g_free(l.model);
}

static const LoadConfig loads[] = {
    { "shared-clusters", "\"cluster-size\":8192", "\"discard\":\"unmap\"", 1024,
      false, true },
    { "whole-clusters", "\"cluster-size\":1024", "\"discard\":\"unmap\"", 1024,
      true, true },
    { "subclusters", "\"cluster-size\":16384,\"extended-l2\":true",
      "\"discard\":\"unmap\"", 512, false, true },
    { "small-caches", "\"cluster-size\":512",
      "\"discard\":\"unmap\",\"l2-cache-size\":2048,"
      "\"l2-cache-entry-size\":512",
      512, true, true },
    { "lazy", "\"cluster-size\":4096,\"lazy-refcounts\":true",
      "\"discard\":\"unmap\"", 4096, true, false },
    { "one-bit", "\"cluster-size\":4096,\"refcount-bits\":1",
      "\"discard\":\"unmap\"", 4096, true, false },
};

/* -- failing storage ------------------------------------------------------------------ */

/* Whatever fails, and whenever: no byte but those being written is lost, and
 * when it works again everything goes on. */
static void test_faults(void)
{
    g_autofree uint8_t *model = g_malloc0(DISK);
    g_autofree uint8_t *buf = g_malloc(DISK);
    GRand *rnd = g_rand_new_with_seed(3);

    for (int n = 0; n < 60; n++) {
        MemNode *mem = mem_new("mem", "", 0);
        BlockNode *top;
        ImageCheck r;

        bench_create(DISK, "\"cluster-size\":1024");
        top = bench_open("\"l2-cache-size\":4096", 0, &error_abort);
        memset(model, 0, DISK);
        for (int i = 0; i < 40; i++) {
            int64_t at = g_rand_int_range(rnd, 0, DISK - 9000);
            int64_t len = g_rand_int_range(rnd, 1, 9000);

            mem->fail_writes_after = i == 20 ? n / 3 : -1;
            mem->fail_reads_after = i == 20 && n % 3 ? n / 3 : -1;
            mem->error = n % 2 ? ENOSPC : EIO;
            memset(buf, i + 1, (size_t)len);
            if (bench_write(top, at, buf, len) < 0 ||
                (i == 20 && node_flush(top) < 0)) {
                mem->fail_writes_after = mem->fail_reads_after = -1;
                g_assert_cmpint(bench_write(top, at, buf, len), ==, 0);
            }
            mem->fail_writes_after = mem->fail_reads_after = -1;
            memset(model + at, i + 1, (size_t)len);
        }
        g_assert_cmpint(node_flush(top), ==, 0);
        compare_all(top, model);
        g_assert_cmpint(bench_check(top, &r, 0), ==, 0);
        g_assert_cmpint(r.corruptions, ==, 0);
        block_node_unref(top);
        mem_free(mem);
    }
    g_rand_free(rnd);
}

/* -- snapshots, sizes --------------------------------------------------------------------- */

static void fill(BlockNode *top, int value)
{
    g_autofree uint8_t *buf = g_malloc(DISK);
    int64_t len = MIN(block_node_length(top), DISK);

    memset(buf, value, DISK);
    g_assert_cmpint(bench_write(top, 0, buf, len), ==, 0);
}

static int first_byte(BlockNode *top, int64_t at)
{
    uint8_t byte;

    g_assert_cmpint(node_pread(top, at, 1, &byte), ==, 0);
    return byte;
}

static void test_snapshots(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    g_autofree char *one = NULL;
    g_autofree char *two = NULL;
    SnapshotInfoList *list;
    BlockNode *top;

    bench_create(DISK, "\"cluster-size\":4096");
    top = bench_open("", 0, &error_abort);
    fill(top, 1);
    g_assert_cmpint(bench_snapshot(top, "one", &one), ==, 0);
    fill(top, 2);
    g_assert_cmpint(
        bench_truncate(top, 2 * DISK, PREALLOC_MODE_OFF, &error_abort), ==, 0);
    g_assert_cmpint(bench_snapshot(top, "two", &two), ==, 0);
    fill(top, 3);
    bench_assert_clean(top);
    g_assert_cmpstr(one, ==, "1");
    g_assert_cmpstr(two, ==, "2");
    g_assert_cmpint(bench_snapshot_goto(top, "one"), ==, 0);
    g_assert_cmpint(block_node_length(top), ==, DISK);
    g_assert_cmpint(first_byte(top, DISK - 1), ==, 1);
    bench_assert_clean(top);
    g_assert_cmpint(bench_snapshot_goto(top, "2"), ==, 0);
    g_assert_cmpint(block_node_length(top), ==, 2 * DISK);
    g_assert_cmpint(first_byte(top, 0), ==, 2);
    g_assert_cmpint(first_byte(top, DISK), ==, 0);
    g_assert_cmpint(bench_snapshot_goto(top, "three"), ==, -ENOENT);
    block_node_unref(top);
    top = bench_open("", 0, &error_abort);
    list = BLOCK_NODE_GET_CLASS(top)->snapshot_list(top, &error_abort);
    g_assert_cmpstr(list->value->name, ==, "one");
    g_assert_cmpstr(list->next->value->name, ==, "two");
    qapi_free_SnapshotInfoList(list);
    g_assert_cmpint(bench_snapshot_delete(top, "1"), ==, 0);
    bench_assert_clean(top);
    g_assert_cmpint(bench_snapshot_delete(top, "1"), ==, -ENOENT);
    g_assert_cmpint(bench_snapshot_delete(top, "2"), ==, 0);
    g_assert_cmpint(first_byte(top, 77), ==, 2);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

/* A refcount of one bit cannot count a snapshot. */
static void test_snapshot_overflow(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    g_autofree char *id = NULL;
    BlockNode *top;

    bench_create(DISK, "\"refcount-bits\":1");
    top = bench_open("", 0, &error_abort);
    fill(top, 1);
    g_assert_cmpint(bench_snapshot(top, "s", &id), ==, -ERANGE);
    fill(top, 2);
    g_assert_cmpint(first_byte(top, 5), ==, 2);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

static void test_sizes(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    Error *err = NULL;
    BlockNode *top;

    bench_create(DISK + 512, "\"cluster-size\":512");
    top = bench_open("", 0, &error_abort);
    fill(top, 1);
    g_assert_cmpint(bench_truncate(top, DISK / 2 + 512, PREALLOC_MODE_OFF,
                                   &error_abort),
                    ==, 0);
    bench_assert_clean(top);
    /* What was cut off does not come back. */
    g_assert_cmpint(
        bench_truncate(top, 64 * DISK, PREALLOC_MODE_OFF, &error_abort), ==, 0);
    g_assert_cmpint(first_byte(top, DISK / 2 + 511), ==, 1);
    g_assert_cmpint(first_byte(top, DISK / 2 + 512), ==, 0);
    g_assert_cmpint(first_byte(top, 64 * DISK - 1), ==, 0);
    bench_assert_clean(top);
    g_assert_cmpint(bench_truncate(top, 65 * DISK, PREALLOC_MODE_METADATA,
                                   &error_abort),
                    ==, 0);
    bench_assert_clean(top);
    g_assert_cmpint(bench_truncate(top, DISK, PREALLOC_MODE_FULL, &err), <, 0);
    error_free_or_abort(&err);
    g_assert_cmpint(bench_truncate(top, 1000, PREALLOC_MODE_OFF, &err), <, 0);
    error_free_or_abort(&err);
    g_assert_cmpint(bench_truncate(top, 0, PREALLOC_MODE_OFF, &error_abort), ==,
                    0);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

/* -- repair ------------------------------------------------------------------------------ */

/* Refcounts that lie: in the file's third cluster, as created. */
static void spoil(MemNode *mem, int64_t refblock, unsigned cluster,
                  uint16_t value)
{
    stw_be_p(mem->bytes->data + refblock + cluster * 2, value);
}

static void test_repair(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    BlockNode *top;
    ImageCheck r;
    uint64_t table;

    bench_create(DISK, "\"cluster-size\":4096");
    top = bench_open("", 0, &error_abort);
    fill(top, 1);
    block_node_unref(top);
    table = ldq_be_p(mem->bytes->data + ldq_be_p(mem->bytes->data + 48));
    spoil(mem, (int64_t)table, 10, 7);  /* a leak */
    spoil(mem, (int64_t)table, 200, 1); /* fine: it is in use */
    spoil(mem, (int64_t)table, 20, 0);  /* a corruption */
    top = bench_open("", NODE_OPEN_CHECK, &error_abort);
    g_assert_cmpint(bench_check(top, &r, 0), ==, 0);
    g_assert_cmpint(r.leaks, ==, 1);
    g_assert_cmpint(r.corruptions, ==, 1);
    g_assert_cmpint(bench_check(top, &r, 1), ==, 0);
    g_assert_cmpint(r.leaks, ==, 0);
    g_assert_cmpint(r.leaks_fixed, ==, 1);
    g_assert_cmpint(r.corruptions, ==, 1);
    g_assert_cmpint(bench_check(top, &r, 3), ==, 0);
    g_assert_cmpint(r.corruptions, ==, 0);
    g_assert_cmpint(r.corruptions_fixed, ==, 1);
    bench_assert_clean(top);
    block_node_unref(top);
    /* The structure itself: a block that is not there. */
    stq_be_p(mem->bytes->data + ldq_be_p(mem->bytes->data + 48), UINT64_C(1)
                                                                     << 40);
    top = bench_open("", NODE_OPEN_CHECK, &error_abort);
    g_assert_cmpint(bench_check(top, &r, 3), ==, 0);
    g_assert_cmpint(r.corruptions, ==, 0);
    bench_assert_clean(top);
    block_node_unref(top);
    top = bench_open("", 0, &error_abort);
    g_assert_cmpint(first_byte(top, DISK - 1), ==, 1);
    fill(top, 2);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

/* An entry that leads into the tables: nothing is destroyed. */
static void test_overlap(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    g_autofree uint8_t *before = NULL;
    uint8_t byte = 1;
    Error *err = NULL;
    uint64_t l1, l2;
    BlockNode *top;

    bench_create(DISK, "\"cluster-size\":4096");
    top = bench_open("", 0, &error_abort);
    fill(top, 1);
    block_node_unref(top);
    l1 = ldq_be_p(mem->bytes->data + 40);
    l2 = ldq_be_p(mem->bytes->data + l1) & UINT64_C(0xfffffffffffe00);
    stq_be_p(mem->bytes->data + l2, l1 | UINT64_C(1) << 63);
    before = g_memdup2(mem->bytes->data + l1, 4096);
    top = bench_open("", 0, &error_abort);
    g_assert_cmpint(bench_write(top, 0, &byte, 1), ==, -EIO);
    g_assert_cmpmem(mem->bytes->data + l1, 4096, before, 4096);
    g_assert_cmpint(mem->bytes->data[79] & 2, ==, 2);
    /* Nothing is written any more; it still reads. */
    g_assert_cmpint(bench_write(top, 8192, &byte, 1), ==, -EIO);
    g_assert_cmpint(first_byte(top, 8192), ==, 1);
    block_node_unref(top);
    g_assert_null(bench_open("", 0, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "corrupt"));
    error_free(err);
    top = bench_open("\"read-only\":true", 0, &error_abort);
    block_node_unref(top);
    mem_free(mem);
}

/* -- tables that two refer to ----------------------------------------------------- */

#define TABLE_REACH (64 * 512) /* of one L2 table of 512 bytes */

static uint64_t l1_entry(MemNode *mem, unsigned i)
{
    return ldq_be_p(mem->bytes->data + ldq_be_p(mem->bytes->data + 40) + i * 8);
}

static void set_l1_entry(MemNode *mem, unsigned i, uint64_t entry)
{
    stq_be_p(mem->bytes->data + ldq_be_p(mem->bytes->data + 40) + i * 8, entry);
}

/* An image of small clusters with one L2 table. */
static MemNode *one_table(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    BlockNode *top;
    uint8_t buf[512] = { 1 };

    bench_create(DISK, "\"cluster-size\":512");
    top = bench_open("", 0, &error_abort);
    g_assert_cmpint(bench_write(top, 0, buf, sizeof(buf)), ==, 0);
    block_node_unref(top);
    return mem;
}

static void assert_marked_corrupt(MemNode *mem, BlockNode *top)
{
    uint8_t byte = 1;

    g_assert_cmpint(mem->bytes->data[79] & 2, ==, 2);
    g_assert_cmpint(bench_write(top, 0, &byte, 1), ==, -EIO);
    g_assert_cmpint(node_flush(top), ==, -EIO);
}

/* Two L1 entries name one L2 table, which has one reference: the copy that is
 * made for one of them frees it, and somebody else gets its cluster. */
static void test_table_twice(void)
{
    MemNode *mem = one_table();
    uint8_t buf[512] = { 2 };
    BlockNode *top;

    set_l1_entry(mem, 1, l1_entry(mem, 0) & ~(UINT64_C(1) << 63));
    top = bench_open("", 0, &error_abort);
    g_assert_cmpint(bench_write(top, TABLE_REACH + 512, buf, 512), ==, 0);
    g_assert_cmpint(node_flush(top), ==, 0);
    g_assert_cmpint(node_flush(top), ==, 0);
    /* Its cluster is free by now. */
    for (int i = 2; i < 6 && !(mem->bytes->data[79] & 2); i++) {
        int ret = bench_write(top, i * TABLE_REACH, buf, 512);

        g_assert_true(ret == 0 || ret == -EIO);
    }
    assert_marked_corrupt(mem, top);
    block_node_unref(top);
    mem_free(mem);
}

typedef struct TableRace {
    BlockNode *top;
    int64_t at;
    int64_t step;
    bool flush;
    unsigned *running;
} TableRace;

static void coroutine_fn race_entry(void *opaque)
{
    TableRace *r = opaque;
    uint8_t buf[512] = { 3 };

    for (int i = 0; i < 30; i++) {
        int ret = node_co_pwrite(r->top, r->at + i * r->step, 512, buf, 0);

        g_assert_true(ret == 0 || ret == -EIO);
        if (r->flush) {
            ret = node_co_flush(r->top);
            g_assert_true(ret == 0 || ret == -EIO);
        }
    }
    --*r->running;
}

/* A table whose cluster counts as free is read, written and given away, all
 * at the same time, with nothing that watches where tables are. */
static void test_table_free(void)
{
    for (uint32_t seed = 0; seed < 40; seed++) {
        MemNode *mem = one_table();
        uint64_t table = l1_entry(mem, 0) & UINT64_C(0xfffffffffffe00);
        uint64_t block =
            ldq_be_p(mem->bytes->data + ldq_be_p(mem->bytes->data + 48));
        unsigned running = 2;
        TableRace races[2];

        stw_be_p(mem->bytes->data + block + (table >> 9) * 2, 0);
        mem->jitter = true;
        mem->seed = seed;
        races[0].top = races[1].top =
            bench_open("\"overlap-check\":\"none\"", 0, &error_abort);
        races[0] = (TableRace){ races[0].top, 0, 1024, true, &running };
        races[1] = (TableRace){ races[0].top, TABLE_REACH, TABLE_REACH, false,
                                &running };
        for (int i = 0; i < 2; i++) {
            aio_co_enter(qemu_get_aio_context(),
                         qemu_coroutine_create(race_entry, &races[i]));
        }
        AIO_WAIT_WHILE_UNLOCKED(NULL, running > 0);
        block_node_unref(races[0].top);
        mem_free(mem);
    }
}

static int coroutine_fn unref_entry(void *opaque)
{
    /* What the blocks 1 and 2 count. */
    return qcow_ref_change(opaque, 64, 128, -1);
}

/* Two ranges of clusters are counted by one block: a count changes twice. */
static void test_refblock_twice(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    BlockNode *top;
    uint8_t *reftable;

    bench_create(DISK, "\"cluster-size\":512,\"refcount-bits\":64,"
                       "\"preallocation\":\"metadata\"");
    reftable = mem->bytes->data + ldq_be_p(mem->bytes->data + 48);
    memcpy(reftable + 16, reftable + 8, 8);
    top = bench_open("\"overlap-check\":\"none\"", 0, &error_abort);
    g_assert_cmpint(node_run_co(NULL, unref_entry, BLOCK_QCOW2(top)), ==, -EIO);
    assert_marked_corrupt(mem, top);
    block_node_unref(top);
    mem_free(mem);
}

/* To read-only everything is written out; back, it goes on. */
static void test_reopen(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    g_autofree void *copy = NULL;
    size_t len;
    BlockNode *top;

    bench_create(DISK, "\"lazy-refcounts\":true");
    top = bench_open("", 0, &error_abort);
    fill(top, 1);
    g_assert_true(node_set_read_only(top, true, &error_abort));
    g_assert_cmpint(bench_write(top, 0, &len, 1), <, 0);
    len = mem->bytes->len;
    copy = g_memdup2(mem->bytes->data, len);
    g_assert_true(node_set_read_only(top, false, &error_abort));
    fill(top, 2);
    block_node_unref(top);
    top = bench_open("", 0, &error_abort);
    g_assert_cmpint(first_byte(top, DISK - 1), ==, 2);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
    /* What it was while it was read-only. */
    mem = mem_new("mem", copy, len);
    top = bench_open("\"read-only\":true", 0, &error_abort);
    g_assert_cmpint(first_byte(top, DISK - 1), ==, 1);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

/* An activation that fails leaves nothing to read; the next one may work. */
static void test_failed_activation(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    BlockNode *top;
    Error *err = NULL;
    uint8_t byte;

    bench_create(DISK, "");
    top = bench_open("", 0, &error_abort);
    fill(top, 7);
    g_assert_true(node_inactivate_all(&error_abort));
    g_assert_cmpint(first_byte(top, 0), ==, 7);
    for (int reads = 0; reads < 5; reads++) {
        mem->fail_reads_after = reads;
        if (node_activate_all(&err)) {
            g_assert_cmpint(reads, >, 2);
            break;
        }
        error_free_or_abort(&err);
        g_assert_cmpint(node_pread(top, 0, 1, &byte), ==, -EIO);
        g_assert_cmpint(bench_write(top, 0, &byte, 1), <, 0);
    }
    mem->fail_reads_after = -1;
    g_assert_true(node_activate_all(&error_abort));
    g_assert_cmpint(first_byte(top, DISK - 1), ==, 7);
    fill(top, 8);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

/* Nor does one of an image that became another one meanwhile. */
static void test_other_image(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    BlockNode *top;
    Error *err = NULL;
    uint8_t byte;

    bench_create(DISK, "");
    top = bench_open("", 0, &error_abort);
    fill(top, 7);
    g_assert_true(node_inactivate_all(&error_abort));
    mem->bytes->data[23]--; /* cluster bits */
    for (int i = 0; i < 2; i++) {
        g_assert_false(node_activate_all(&err));
        error_free_or_abort(&err);
        g_assert_cmpint(node_pread(top, 0, 1, &byte), ==, -EIO);
    }
    mem->bytes->data[23]++;
    g_assert_true(node_activate_all(&error_abort));
    g_assert_cmpint(first_byte(top, DISK - 1), ==, 7);
    block_node_unref(top);
    mem_free(mem);
}

/* Tables of a snapshot are guarded while it is there, and not after it. */
static void test_overlap_snapshots(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    g_autofree char *id = NULL;
    BlockNode *top;

    bench_create(DISK, "\"cluster-size\":4096");
    top = bench_open("\"overlap-check\":\"all\"", 0, &error_abort);
    for (int i = 1; i < 4; i++) {
        fill(top, i);
        g_clear_pointer(&id, g_free);
        g_assert_cmpint(bench_snapshot(top, "s", &id), ==, 0);
        fill(top, i + 10);
        block_node_unref(top);
        top = bench_open("\"overlap-check\":\"all\"", 0, &error_abort);
        g_assert_cmpint(bench_snapshot_delete(top, id), ==, 0);
    }
    g_assert_cmpint(bench_truncate(top, 8 * DISK, PREALLOC_MODE_METADATA,
                                   &error_abort),
                    ==, 0);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

/* -- options --------------------------------------------------------------------------------- */

static void refuse(const char *options, const char *text)
{
    Error *err = NULL;

    g_assert_null(bench_open(options, 0, &err));
    if (!strstr(error_get_pretty(err), text)) {
        g_error("'%s' instead of '%s'", error_get_pretty(err), text);
    }
    error_free(err);
}

static void test_options(void)
{
    MemNode *mem = mem_new("mem", "", 0);
    BlockNode *top;

    bench_create(DISK, "");
    refuse("\"l2-cache-entry-size\":1000", "power of two");
    refuse("\"l2-cache-entry-size\":131072", "power of two");
    refuse("\"cache-size\":1000,\"l2-cache-size\":2000", "l2-cache-size");
    refuse("\"cache-size\":1000,\"l2-cache-size\":20,"
           "\"refcount-cache-size\":9",
           "same time");
    refuse("\"overlap-check\":\"some\"", "overlap-check");
    refuse("\"overlap-check\":{\"x\":true}", "overlap-check.x");
    refuse("\"encrypt\":{\"format\":\"luks\"}", "No encryption");
    refuse("\"data-file\":\"mem\"", "data-file");
    refuse("\"backing\":\"nobody\"", "nobody");
    top = bench_open("\"overlap-check\":{\"template\":\"all\","
                     "\"inactive-l2\":true},\"cache-size\":1048576,"
                     "\"backing\":null,\"cache-clean-interval\":1",
                     0, &error_abort);
    fill(top, 4);
    bench_assert_clean(top);
    block_node_unref(top);
    mem_free(mem);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    bench_init();
    io_register_types();
    for (unsigned i = 0; i < THREADS; i++) {
        g_autofree char *id = g_strdup_printf("t%u", i);

        threads[i] = iothread_create(id, &error_abort);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(loads); i++) {
        g_autofree char *path =
            g_strconcat("/qcow2/load/", loads[i].name, NULL);

        g_test_add_data_func(path, &loads[i], test_load);
    }
    g_test_add_func("/qcow2/faults", test_faults);
    g_test_add_func("/qcow2/snapshots", test_snapshots);
    g_test_add_func("/qcow2/snapshot-overflow", test_snapshot_overflow);
    g_test_add_func("/qcow2/sizes", test_sizes);
    g_test_add_func("/qcow2/repair", test_repair);
    g_test_add_func("/qcow2/overlap", test_overlap);
    g_test_add_func("/qcow2/table-twice", test_table_twice);
    g_test_add_func("/qcow2/table-free", test_table_free);
    g_test_add_func("/qcow2/refblock-twice", test_refblock_twice);
    g_test_add_func("/qcow2/overlap-snapshots", test_overlap_snapshots);
    g_test_add_func("/qcow2/reopen", test_reopen);
    g_test_add_func("/qcow2/failed-activation", test_failed_activation);
    g_test_add_func("/qcow2/other-image", test_other_image);
    g_test_add_func("/qcow2/options", test_options);
    ret = g_test_run();
    for (unsigned i = 0; i < THREADS; i++) {
        iothread_destroy(threads[i]);
    }
    return ret;
}
