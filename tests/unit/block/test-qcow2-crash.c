/*
 * Qcow2 and power cuts.
 *
 * A run of random operations on an image whose file keeps a log. Then the
 * power is cut after each entry of the log: what came before the last flush is
 * on the disk, of the rest any part, in pieces of 512 bytes. Each such image
 * must open, show at most leaks, hold every byte that was flushed, and show
 * elsewhere nothing that was not written there; and it must still be right
 * after it was opened for writing and written to.
 *
 * Each sector's contents are a number, so that it tells who wrote it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bswap.h"
#include "util/error.h"

#include "qcow2-bench.h"

#define SECTOR      512
#define OPERATIONS  70
#define MAX_SECTORS 1024
#define SNAPSHOTS   3

/* Who wrote a sector, after which entry of the log it began. */
typedef struct Stamp {
    uint32_t tag; /* 0: zeroes */
    guint begin;
    guint operation; /* its number */
} Stamp;

typedef struct Flushed {
    guint end; /* entry of the log */
    guint operation;
} Flushed;

typedef struct Snap {
    char *id;
    guint begin; /* of its creation */
    guint made;
    guint gone; /* its deletion began; G_MAXUINT */
    uint32_t sectors;
    uint32_t tags[MAX_SECTORS];
} Snap;

typedef struct Config {
    const char *name;
    const char *create;
    const char *open;
    uint32_t cluster;
    uint32_t sectors;
    unsigned cuts;
    bool snapshots;
    bool resize;
    bool repairs; /* refcounts are wrong until it is opened for writing */
} Config;

typedef struct Run {
    const Config *cfg;
    MemNode *mem;
    BlockNode *top;
    GRand *rnd;
    GArray *history[MAX_SECTORS]; /* of Stamp */
    GArray *flushes;
    GArray *sizes;    /* Stamp: tag is the number of sectors */
    GPtrArray *snaps; /* that ever were */
    GByteArray *base;
    uint32_t now[MAX_SECTORS];
    uint32_t sectors;
    uint32_t next_tag;
    guint operation;
} Run;

/* -- what is written ------------------------------------------------------------- */

static uint8_t *make_data(uint32_t tag, uint32_t sectors)
{
    uint32_t *buf = g_malloc((size_t)sectors * SECTOR);

    for (uint32_t i = 0; i < sectors * SECTOR / 4; i++) {
        buf[i] = tag;
    }
    return (uint8_t *)buf;
}

/* Returns: the number, or -1: these are not one writer's bytes. */
static int64_t read_tag(const uint8_t *sector)
{
    uint32_t first = (uint32_t)ldl_he_p(sector);

    for (unsigned i = 4; i < SECTOR; i += 4) {
        if ((uint32_t)ldl_he_p(sector + i) != first) {
            return -1;
        }
    }
    return first;
}

static void note(Run *r, uint32_t first, uint32_t count, uint32_t tag,
                 guint begin)
{
    Stamp s = { tag, begin, r->operation };

    for (uint32_t i = first; i < first + count; i++) {
        g_array_append_val(r->history[i], s);
        r->now[i] = tag;
    }
}

/* -- operations ------------------------------------------------------------------- */

static void op_write(Run *r, uint32_t first, uint32_t count)
{
    uint32_t tag = r->next_tag++;
    g_autofree uint8_t *data = make_data(tag, count);
    guint begin = r->mem->log->len;

    g_assert_cmpint(bench_write(r->top, (int64_t)first * SECTOR, data,
                                (int64_t)count * SECTOR),
                    ==, 0);
    note(r, first, count, tag, begin);
}

static void op_compressed(Run *r, uint32_t first)
{
    uint32_t per = r->cfg->cluster / SECTOR;
    uint32_t tag = r->next_tag++;
    uint32_t at = first / per * per;
    uint32_t count = MIN(per, r->sectors - at);
    g_autofree uint8_t *data = make_data(tag, count);
    guint begin = r->mem->log->len;

    g_assert_cmpint(bench_compressed(r->top, (int64_t)at * SECTOR, data,
                                     (int64_t)count * SECTOR),
                    ==, 0);
    note(r, at, count, tag, begin);
}

static void op_zero(Run *r, uint32_t first, uint32_t count, bool unmap)
{
    guint begin = r->mem->log->len;

    g_assert_cmpint(bench_zero(r->top, (int64_t)first * SECTOR,
                               (int64_t)count * SECTOR, unmap),
                    ==, 0);
    note(r, first, count, 0, begin);
}

/* Whole clusters become zero, others stay: read back what it did. */
static void op_discard(Run *r, uint32_t first, uint32_t count)
{
    guint begin = r->mem->log->len;
    uint8_t buf[SECTOR];

    g_assert_cmpint(bench_discard(r->top, (int64_t)first * SECTOR,
                                  (int64_t)count * SECTOR),
                    ==, 0);
    for (uint32_t i = first; i < first + count; i++) {
        int64_t tag;

        g_assert_cmpint(node_pread(r->top, (int64_t)i * SECTOR, SECTOR, buf),
                        ==, 0);
        tag = read_tag(buf);
        g_assert_true(tag == 0 || tag == r->now[i]);
        note(r, i, 1, (uint32_t)tag, begin);
    }
}

static void op_flush(Run *r)
{
    Flushed f = { .operation = r->operation };

    g_assert_cmpint(node_flush(r->top), ==, 0);
    f.end = r->mem->log->len;
    g_array_append_val(r->flushes, f);
}

static void op_snapshot(Run *r)
{
    Snap *s = g_new0(Snap, 1);

    s->begin = r->mem->log->len;
    g_assert_cmpint(bench_snapshot(r->top, "s", &s->id), ==, 0);
    s->made = r->mem->log->len;
    s->gone = G_MAXUINT;
    s->sectors = r->sectors;
    memcpy(s->tags, r->now, sizeof(s->tags));
    g_ptr_array_add(r->snaps, s);
}

static Snap *any_snapshot(Run *r, unsigned *ret_count)
{
    Snap *found = NULL;

    *ret_count = 0;
    for (guint i = 0; i < r->snaps->len; i++) {
        Snap *s = r->snaps->pdata[i];

        if (s->gone == G_MAXUINT) {
            (*ret_count)++;
            found = !found || g_rand_boolean(r->rnd) ? s : found;
        }
    }
    return found;
}

static void note_size(Run *r, uint32_t sectors, guint begin)
{
    Stamp s = { sectors, begin, r->operation };

    g_array_append_val(r->sizes, s);
    r->sectors = sectors;
}

static void op_snapshots(Run *r)
{
    unsigned count;
    Snap *s = any_snapshot(r, &count);
    guint begin = r->mem->log->len;

    if (count < SNAPSHOTS && g_rand_int_range(r->rnd, 0, 2)) {
        op_snapshot(r);
    } else if (s && g_rand_boolean(r->rnd)) {
        s->gone = begin;
        g_assert_cmpint(bench_snapshot_delete(r->top, s->id), ==, 0);
    } else if (s) {
        g_assert_cmpint(bench_snapshot_goto(r->top, s->id), ==, 0);
        for (uint32_t i = 0; i < r->cfg->sectors; i++) {
            note(r, i, 1, i < s->sectors ? s->tags[i] : 0, begin);
        }
        note_size(r, s->sectors, begin);
    }
}

static void op_resize(Run *r)
{
    guint begin = r->mem->log->len;
    uint32_t old = r->sectors;
    uint32_t sectors = (uint32_t)g_rand_int_range(
        r->rnd, (gint32)r->cfg->sectors / 2, (gint32)r->cfg->sectors + 1);

    g_assert_cmpint(bench_truncate(r->top, (int64_t)sectors * SECTOR,
                                   PREALLOC_MODE_OFF, &error_abort),
                    ==, 0);
    if (sectors < old) {
        note(r, sectors, old - sectors, 0, begin);
    }
    note_size(r, sectors, begin);
}

static void one_operation(Run *r)
{
    uint32_t first = (uint32_t)g_rand_int_range(r->rnd, 0, (gint32)r->sectors);
    uint32_t most = MIN(r->sectors - first, 4 * r->cfg->cluster / SECTOR + 3);
    uint32_t count = (uint32_t)g_rand_int_range(r->rnd, 1, (gint32)most + 1);

    switch (g_rand_int_range(r->rnd, 0, 14)) {
    case 0:
    case 1:
    case 2:
        op_flush(r);
        break;
    case 3:
        op_zero(r, first, count, g_rand_boolean(r->rnd));
        break;
    case 4:
        op_discard(r, first, count);
        break;
    case 5:
    case 6:
        op_compressed(r, first);
        break;
    case 7:
        if (r->cfg->snapshots) {
            op_snapshots(r);
        }
        break;
    case 8:
        if (r->cfg->resize) {
            op_resize(r);
        }
        break;
    default:
        op_write(r, first, count);
        break;
    }
}

/* -- cutting ------------------------------------------------------------------------ */

/* What may be on the disk when the power goes after entry @cut. */
static GByteArray *disk_after(Run *r, guint cut)
{
    GByteArray *bytes = g_byte_array_new();
    guint flushed = 0;

    g_byte_array_append(bytes, r->base->data, r->base->len);
    for (guint i = 0; i < cut; i++) {
        if (g_array_index(r->mem->log, MemEntry, i).what == MEM_FLUSH) {
            flushed = i;
        }
    }
    for (guint i = 0; i < cut; i++) {
        const MemEntry *e = &g_array_index(r->mem->log, MemEntry, i);
        g_autofree uint8_t *sectors = NULL;
        size_t n = (size_t)(e->bytes / SECTOR + 2);
        unsigned mode = (unsigned)g_rand_int_range(r->rnd, 0, 4);

        if (i < flushed || mode == 0 || e->what == MEM_TRUNCATE) {
            mem_apply(bytes, e, NULL);
            continue;
        }
        if (mode == 1) {
            continue;
        }
        sectors = g_malloc(n);
        for (size_t k = 0; k < n; k++) {
            sectors[k] = (uint8_t)g_rand_boolean(r->rnd);
        }
        mem_apply(bytes, e, sectors);
    }
    return bytes;
}

/* Operations before this one are on the disk. */
static guint durable_at(const Run *r, guint cut)
{
    guint operation = 0;

    for (guint i = 0; i < r->flushes->len; i++) {
        const Flushed *f = &g_array_index(r->flushes, Flushed, i);

        if (f->end <= cut) {
            operation = f->operation;
        }
    }
    return operation;
}

static bool may_be(const GArray *history, guint durable, guint cut, int64_t tag)
{
    bool is_durable = false; /* zeroes from the beginning are not it */
    bool ok = false;

    for (guint i = history->len; i-- > 0 && !is_durable;) {
        const Stamp *s = &g_array_index(history, Stamp, i);

        if (s->begin <= cut) {
            ok |= s->tag == tag;
            is_durable = s->operation < durable;
        }
    }
    return ok || (!is_durable && tag == 0);
}

static void check_sectors(Run *r, BlockNode *node, guint cut)
{
    int64_t length = block_node_length(node);
    g_autofree uint8_t *buf = g_malloc((size_t)length + 1);
    guint durable = durable_at(r, cut);

    g_assert_true(may_be(r->sizes, durable, cut, length / SECTOR) ||
                  length == (int64_t)r->cfg->sectors * SECTOR);
    g_assert_cmpint(node_pread(node, 0, length, buf), ==, 0);
    for (uint32_t i = 0; i < length / SECTOR; i++) {
        int64_t tag = read_tag(buf + (size_t)i * SECTOR);

        if (!may_be(r->history[i], durable, cut, tag)) {
            g_test_message("cut %u of %u: sector %u has %" PRId64
                           ", flushed before %u",
                           cut, r->mem->log->len, i, tag, durable);
            for (guint k = 0; k < r->history[i]->len; k++) {
                const Stamp *s = &g_array_index(r->history[i], Stamp, k);

                g_test_message("  written %u at %u by %u", s->tag, s->begin,
                               s->operation);
            }
            g_test_fail();
        }
    }
}

static void check_snapshots(Run *r, BlockNode *node, guint cut)
{
    for (guint k = 0; k < r->snaps->len; k++) {
        const Snap *s = r->snaps->pdata[k];
        g_autofree uint8_t *buf = NULL;

        if (s->made > cut || s->gone <= cut) {
            continue;
        }
        g_assert_cmpint(bench_snapshot_load(node, s->id), ==, 0);
        g_assert_cmpint(block_node_length(node), ==,
                        (int64_t)s->sectors * SECTOR);
        buf = g_malloc((size_t)s->sectors * SECTOR);
        g_assert_cmpint(node_pread(node, 0, (int64_t)s->sectors * SECTOR, buf),
                        ==, 0);
        for (uint32_t i = 0; i < s->sectors; i++) {
            g_assert_cmpint(read_tag(buf + (size_t)i * SECTOR), ==, s->tags[i]);
        }
    }
}

static void check_image(Run *r, BlockNode *node, guint cut, bool repaired)
{
    ImageCheck c;

    g_assert_cmpint(bench_check(node, &c, 0), ==, 0);
    g_assert_cmpint(c.check_errors, ==, 0);
    if ((!r->cfg->repairs || repaired) && c.corruptions) {
        g_test_message("cut %u of %u: %" PRId64 " corruptions", cut,
                       r->mem->log->len, c.corruptions);
        g_test_fail();
    }
}

/* It goes on as a good image. */
static void write_on(Run *r, guint cut)
{
    BlockNode *node = bench_open(r->cfg->open, 0, &error_abort);
    g_autofree uint8_t *data = make_data(0xffffffff, 8);
    int64_t length = block_node_length(node);

    check_sectors(r, node, cut);
    for (int i = 0; i < 6; i++) {
        int64_t at = g_rand_int_range(r->rnd, 0, (gint32)(length / SECTOR) - 8);

        g_assert_cmpint(bench_write(node, at * SECTOR, data, 8 * SECTOR), ==,
                        0);
    }
    g_assert_cmpint(node_flush(node), ==, 0);
    check_image(r, node, cut, true);
    block_node_unref(node);
}

static void cut_power(Run *r, guint cut)
{
    GByteArray *bytes = disk_after(r, cut);
    MemNode *mem = mem_new("mem", bytes->data, bytes->len);
    BlockNode *node;

    g_byte_array_unref(bytes);
    node = bench_open("\"read-only\":true", NODE_OPEN_CHECK, &error_abort);
    check_image(r, node, cut, false);
    check_sectors(r, node, cut);
    check_snapshots(r, node, cut);
    block_node_unref(node);
    if (cut % 4 == 0 || r->cfg->repairs) {
        write_on(r, cut);
    }
    mem_free(mem);
}

/* -- runs ------------------------------------------------------------------------------ */

static Run *run_new(const Config *cfg, uint32_t seed)
{
    Run *r = g_new0(Run, 1);

    r->cfg = cfg;
    r->rnd = g_rand_new_with_seed(seed);
    r->sectors = cfg->sectors;
    r->next_tag = 1;
    r->flushes = g_array_new(false, false, sizeof(Flushed));
    r->sizes = g_array_new(false, false, sizeof(Stamp));
    r->snaps = g_ptr_array_new();
    for (uint32_t i = 0; i < MAX_SECTORS; i++) {
        r->history[i] = g_array_new(false, false, sizeof(Stamp));
    }
    return r;
}

static void run_free(Run *r)
{
    for (uint32_t i = 0; i < MAX_SECTORS; i++) {
        g_array_unref(r->history[i]);
    }
    for (guint i = 0; i < r->snaps->len; i++) {
        Snap *s = r->snaps->pdata[i];

        g_free(s->id);
        g_free(s);
    }
    g_ptr_array_unref(r->snaps);
    g_array_unref(r->sizes);
    g_array_unref(r->flushes);
    g_byte_array_unref(r->base);
    g_rand_free(r->rnd);
    g_free(r);
}

static void test_cuts(gconstpointer data)
{
    const Config *cfg = data;
    Run *r = run_new(cfg, 7);
    g_autoptr(GArray) log = NULL;
    guint step;

    r->mem = mem_new("mem", "", 0);
    bench_create((uint64_t)cfg->sectors * SECTOR, cfg->create);
    r->base = g_byte_array_new();
    g_byte_array_append(r->base, r->mem->bytes->data, r->mem->bytes->len);
    mem_log_start(r->mem);
    r->top = bench_open(cfg->open, 0, &error_abort);
    for (r->operation = 1; r->operation <= OPERATIONS; r->operation++) {
        one_operation(r);
    }
    op_flush(r);
    block_node_unref(r->top);
    r->mem->logging = false;

    /* The name is free for the images to look at; the log stays. */
    log = g_steal_pointer(&r->mem->log);
    r->mem->log = g_array_new(false, false, sizeof(MemEntry));
    mem_free(r->mem);
    r->mem = g_new0(MemNode, 1);
    r->mem->log = log;

    step = MAX(log->len * 4 / cfg->cuts, 1);
    for (guint n = 0; n < cfg->cuts && !g_test_failed(); n++) {
        cut_power(r, MIN((n / 4) * step +
                             (guint)g_rand_int_range(r->rnd, 0, (gint32)step),
                         log->len));
    }
    cut_power(r, log->len);
    g_test_message("%u entries, %u cuts", log->len, cfg->cuts);
    for (guint i = 0; i < log->len; i++) {
        g_free(g_array_index(log, MemEntry, i).data);
    }
    g_free(r->mem);
    run_free(r);
}

static const Config configs[] = {
    { "v3", "\"cluster-size\":4096", "\"discard\":\"unmap\"", 4096, 512, 500,
      true, true, false },
    { "small-clusters", "\"cluster-size\":512",
      "\"discard\":\"unmap\",\"pass-discard-other\":true", 512, 512, 500, true,
      true, false },
    { "v2", "\"version\":\"v2\",\"cluster-size\":4096", "\"discard\":\"unmap\"",
      4096, 512, 400, true, false, false },
    { "subclusters", "\"extended-l2\":true,\"cluster-size\":16384",
      "\"discard\":\"unmap\"", 16384, 1024, 400, true, true, false },
    { "wide-refcounts", "\"refcount-bits\":64,\"cluster-size\":512",
      "\"discard\":\"unmap\"", 512, 512, 300, true, false, false },
    { "small-cache", "\"cluster-size\":1024",
      "\"discard\":\"unmap\",\"l2-cache-size\":2048,"
      "\"l2-cache-entry-size\":512",
      1024, 1024, 300, true, true, false },
    { "lazy", "\"lazy-refcounts\":true,\"cluster-size\":1024",
      "\"discard\":\"unmap\"", 1024, 512, 200, false, true, true },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    for (size_t i = 0; i < G_N_ELEMENTS(configs); i++) {
        g_autofree char *path =
            g_strconcat("/qcow2/crash/", configs[i].name, NULL);

        g_test_add_data_func(path, &configs[i], test_cuts);
    }
    return g_test_run();
}
