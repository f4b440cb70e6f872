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
 * A stored bitmap is there and right while the image is closed; otherwise it is
 * one of those that a closing stored, whole, or marked as in use: what differs
 * from the moment when it began is dirty.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "util/error.h"

#include "power-cut.h"

#define OPERATIONS 70
#define SNAPSHOTS  3
#define BITMAPS    2

#define BACKING "/a/base/at/some/place/whose/name/has/a/common/length.img"

typedef struct Snap {
    char *id;
    guint begin; /* of its creation */
    guint made;
    guint gone; /* its deletion began; G_MAXUINT */
    uint32_t sectors;
    uint32_t tags[MAX_SECTORS];
} Snap;

/* A bitmap of the image that runs. */
typedef struct Mark {
    char name[8];
    bool enabled;
    uint32_t tags[MAX_SECTORS]; /* the disk when it was empty */
} Mark;

/* What a closing stored of one, and which entries of the log that took. */
typedef struct Stored {
    Mark mark;
    guint closing, closed; /* it began, ended */
    guint opening, opened; /* the next opening; G_MAXUINT */
    uint8_t *bits;
    size_t bytes;
} Stored;

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
    bool bitmaps;
    bool backing; /* the header names a backing file, which is not opened */
} Config;

typedef struct Run {
    const Config *cfg;
    MemNode *mem;
    BlockNode *top;
    GRand *rnd;
    History disk;
    GArray *log;      /* that of the first @mem */
    GArray *sizes;    /* Stamp: tag is the number of sectors */
    GArray *names;    /* Stamp: tag is one of name_of_backing() */
    GPtrArray *snaps; /* that ever were */
    GPtrArray *marks;
    GPtrArray *stored;
    unsigned marked; /* names given */
    GByteArray *base;
    uint32_t sectors;
} Run;

/* -- operations ------------------------------------------------------------------- */

static void op_write(Run *r, uint32_t first, uint32_t count)
{
    uint32_t tag = r->disk.next_tag++;
    g_autofree uint8_t *data = tag_fill(tag, count);
    guint begin = r->log->len;

    g_assert_cmpint(bench_write(r->top, (int64_t)first * SECTOR, data,
                                (int64_t)count * SECTOR),
                    ==, 0);
    history_note(&r->disk, first, count, tag, begin);
}

static void op_compressed(Run *r, uint32_t first)
{
    uint32_t per = r->cfg->cluster / SECTOR;
    uint32_t tag = r->disk.next_tag++;
    uint32_t at = first / per * per;
    uint32_t count = MIN(per, r->sectors - at);
    g_autofree uint8_t *data = tag_fill(tag, count);
    guint begin = r->log->len;

    g_assert_cmpint(bench_compressed(r->top, (int64_t)at * SECTOR, data,
                                     (int64_t)count * SECTOR),
                    ==, 0);
    history_note(&r->disk, at, count, tag, begin);
}

static void op_zero(Run *r, uint32_t first, uint32_t count, bool unmap)
{
    guint begin = r->log->len;

    g_assert_cmpint(bench_zero(r->top, (int64_t)first * SECTOR,
                               (int64_t)count * SECTOR, unmap),
                    ==, 0);
    history_note(&r->disk, first, count, 0, begin);
}

/* Whole clusters become zero, others stay: read back what it did. */
static void op_discard(Run *r, uint32_t first, uint32_t count)
{
    guint begin = r->log->len;
    uint8_t buf[SECTOR];

    g_assert_cmpint(bench_discard(r->top, (int64_t)first * SECTOR,
                                  (int64_t)count * SECTOR),
                    ==, 0);
    for (uint32_t i = first; i < first + count; i++) {
        int64_t tag;

        g_assert_cmpint(node_pread(r->top, (int64_t)i * SECTOR, SECTOR, buf),
                        ==, 0);
        tag = tag_read(buf);
        g_assert_true(tag == 0 || tag == r->disk.now[i]);
        history_note(&r->disk, i, 1, (uint32_t)tag, begin);
    }
}

static void op_flush(Run *r)
{
    g_assert_cmpint(node_flush(r->top), ==, 0);
    history_flushed(&r->disk, r->log->len);
}

static void op_snapshot(Run *r)
{
    Snap *s = g_new0(Snap, 1);

    s->begin = r->log->len;
    g_assert_cmpint(bench_snapshot(r->top, "s", &s->id), ==, 0);
    s->made = r->log->len;
    s->gone = G_MAXUINT;
    s->sectors = r->sectors;
    memcpy(s->tags, r->disk.now, sizeof(s->tags));
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
    Stamp s = { sectors, begin, r->disk.operation };

    g_array_append_val(r->sizes, s);
    r->sectors = sectors;
}

static void op_snapshots(Run *r)
{
    unsigned count;
    Snap *s = any_snapshot(r, &count);
    guint begin = r->log->len;

    if (count < SNAPSHOTS && g_rand_int_range(r->rnd, 0, 2)) {
        op_snapshot(r);
    } else if (s && g_rand_boolean(r->rnd)) {
        s->gone = begin;
        g_assert_cmpint(bench_snapshot_delete(r->top, s->id), ==, 0);
    } else if (s && !r->cfg->bitmaps) {
        g_assert_cmpint(bench_snapshot_goto(r->top, s->id), ==, 0);
        for (uint32_t i = 0; i < r->cfg->sectors; i++) {
            history_note(&r->disk, i, 1, i < s->sectors ? s->tags[i] : 0,
                         begin);
        }
        note_size(r, s->sectors, begin);
    }
}

static void op_resize(Run *r)
{
    guint begin = r->log->len;
    uint32_t old = r->sectors;
    uint32_t sectors = (uint32_t)g_rand_int_range(
        r->rnd, (gint32)r->cfg->sectors / 2, (gint32)r->cfg->sectors + 1);

    g_assert_cmpint(bench_truncate(r->top, (int64_t)sectors * SECTOR,
                                   PREALLOC_MODE_OFF, &error_abort),
                    ==, 0);
    if (sectors < old) {
        history_note(&r->disk, sectors, old - sectors, 0, begin);
    }
    note_size(r, sectors, begin);
}

/* 0: as it was created. */
static char *name_of_backing(uint32_t tag)
{
    return tag ? g_strnfill(tag % 3 ? 1000 : 300, (char)('a' + tag % 26))
               : g_strdup(BACKING);
}

static void op_backing(Run *r)
{
    Stamp s = { r->names->len + 1, r->log->len, r->disk.operation };
    g_autofree char *name = name_of_backing(s.tag);

    g_assert_cmpint(bench_change_backing(r->top, name), ==, 0);
    g_array_append_val(r->names, s);
}

static void op_new_bitmap(Run *r)
{
    Mark *m = g_new0(Mark, 1);
    DirtyBitmap *b;

    snprintf(m->name, sizeof(m->name), "b%u", r->marked++);
    m->enabled = g_rand_int_range(r->rnd, 0, 4) > 0;
    memcpy(m->tags, r->disk.now, sizeof(m->tags));
    b = dirty_bitmap_new(r->top, m->name, SECTOR, &error_abort);
    g_assert_true(dirty_bitmap_can_store(b, &error_abort));
    b->persistent = true;
    if (!m->enabled) {
        dirty_bitmap_disable(b);
    }
    g_ptr_array_add(r->marks, m);
}

static void op_bitmaps(Run *r)
{
    guint n = (guint)g_rand_int_range(r->rnd, 0, BITMAPS);
    Mark *m = n < r->marks->len ? r->marks->pdata[n] : NULL;

    if (!m) {
        op_new_bitmap(r);
    } else if (g_rand_boolean(r->rnd)) {
        g_assert_cmpint(bench_remove_bitmap(r->top, m->name), ==, 0);
        dirty_bitmap_release(dirty_bitmap_find(r->top, m->name));
        g_ptr_array_remove(r->marks, m);
    } else {
        dirty_bitmap_clear(dirty_bitmap_find(r->top, m->name), NULL);
        memcpy(m->tags, r->disk.now, sizeof(m->tags));
    }
}

static bool is_equal(const Stored *s, DirtyBitmap *b)
{
    g_autofree uint8_t *bits = g_malloc(dirty_bitmap_bytes(b) + 1);

    dirty_bitmap_store(b, 0, dirty_bitmap_bytes(b), bits);
    return dirty_bitmap_bytes(b) == s->bytes &&
           !memcmp(bits, s->bits, s->bytes) && b->disabled == !s->mark.enabled;
}

/* What closing @node will store of @mark. */
static Stored *stored_new(BlockNode *node, const Mark *mark, guint now)
{
    DirtyBitmap *b = dirty_bitmap_find(node, mark->name);
    Stored *s = g_new0(Stored, 1);

    s->mark = *mark;
    s->closing = now;
    s->opening = s->opened = G_MAXUINT;
    s->bytes = dirty_bitmap_bytes(b);
    s->bits = g_malloc(s->bytes + 1);
    dirty_bitmap_store(b, 0, s->bytes, s->bits);
    return s;
}

static void stored_free(gpointer data)
{
    g_free(((Stored *)data)->bits);
    g_free(data);
}

static void op_close(Run *r)
{
    guint closing = r->log->len;
    guint first = r->stored->len;

    for (guint i = 0; i < r->marks->len; i++) {
        g_ptr_array_add(r->stored,
                        stored_new(r->top, r->marks->pdata[i], closing));
    }
    block_node_unref(r->top);
    for (guint i = first; i < r->stored->len; i++) {
        ((Stored *)r->stored->pdata[i])->closed = r->log->len;
    }
    history_flushed(&r->disk, r->log->len);
}

static void op_reopen(Run *r)
{
    guint first = r->stored->len;
    guint opening;

    op_write(r, 0, 1);
    op_close(r);
    opening = r->log->len;
    r->top = bench_open(r->cfg->open, 0, &error_abort);
    for (guint i = first; i < r->stored->len; i++) {
        Stored *s = r->stored->pdata[i];

        s->opening = opening;
        s->opened = r->log->len;
        g_assert_true(is_equal(s, dirty_bitmap_find(r->top, s->mark.name)));
    }
    /* In place, so that nothing else flushes before. */
    op_write(r, 0, 1);
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
    case 9:
        if (r->cfg->bitmaps) {
            op_bitmaps(r);
            break;
        }
        op_write(r, first, count);
        break;
    case 10:
        if (r->cfg->bitmaps) {
            op_reopen(r);
            break;
        }
        op_write(r, first, count);
        break;
    case 11:
        if (r->cfg->backing) {
            op_backing(r);
            break;
        }
        op_write(r, first, count);
        break;
    default:
        op_write(r, first, count);
        break;
    }
}

/* -- checking ------------------------------------------------------------------------ */

static BlockNode *open_read_only(const Run *r, unsigned flags)
{
    return bench_open(r->cfg->backing ? "\"read-only\":true,\"backing\":null"
                                      : "\"read-only\":true",
                      flags, &error_abort);
}

static void check_sectors(Run *r, BlockNode *node, guint cut)
{
    int64_t length = block_node_length(node);
    g_autofree uint8_t *buf = g_malloc((size_t)length + 1);
    guint durable = history_durable(&r->disk, cut);

    g_assert_true(history_may_be(r->sizes, durable, cut, length / SECTOR) ||
                  length == (int64_t)r->cfg->sectors * SECTOR);
    g_assert_cmpint(node_pread(node, 0, length, buf), ==, 0);
    history_check(&r->disk, cut, buf, length);
}

static void check_name(Run *r, BlockNode *node, guint cut)
{
    guint durable = history_durable(&r->disk, cut);
    bool ok = !r->cfg->backing;

    for (uint32_t tag = 0; !ok && tag <= r->names->len; tag++) {
        g_autofree char *name = name_of_backing(tag);

        ok = g_strcmp0(name, node->backing_file) == 0 &&
             history_may_be(r->names, durable, cut, tag);
    }
    if (!ok) {
        g_test_message("cut %u: backing file '%s'", cut, node->backing_file);
        g_test_fail();
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
            g_assert_cmpint(tag_read(buf + (size_t)i * SECTOR), ==, s->tags[i]);
        }
    }
}

static bool may_be_stored(const Run *r, guint cut, DirtyBitmap *b,
                          const Stored **ret)
{
    for (guint i = 0; i < r->stored->len; i++) {
        const Stored *s = r->stored->pdata[i];

        if (s->closing <= cut && cut <= s->opened && is_equal(s, b) &&
            g_str_equal(s->mark.name, b->name)) {
            *ret = s;
            return true;
        }
    }
    return false;
}

/* What is not as it was when @s began is dirty. */
static void check_bits(const Stored *s, DirtyBitmap *b, guint cut)
{
    BlockNode *node = b->node;
    uint8_t buf[SECTOR];

    for (uint32_t i = 0; i < block_node_length(node) / SECTOR; i++) {
        int64_t at = (int64_t)i * SECTOR;

        g_assert_cmpint(node_pread(node, at, SECTOR, buf), ==, 0);
        if (tag_read(buf) != s->mark.tags[i] && !dirty_bitmap_get(b, at)) {
            g_test_message("cut %u: sector %u differs and is not dirty in %s",
                           cut, i, b->name);
            g_test_fail();
        }
    }
}

static void check_bitmaps(Run *r, guint cut)
{
    BlockNode *node = open_read_only(r, 0);
    DirtyBitmap *b;

    QLIST_FOREACH(b, &node->bitmaps, next) {
        const Stored *s;

        if (b->inconsistent) {
            continue;
        }
        if (!may_be_stored(r, cut, b, &s)) {
            g_test_message("cut %u: bitmap %s is none that was stored", cut,
                           b->name);
            g_test_fail();
        } else if (s->mark.enabled) {
            check_bits(s, b, cut);
        }
    }
    for (guint i = 0; i < r->stored->len; i++) {
        const Stored *s = r->stored->pdata[i];

        if (s->closed <= cut && cut <= s->opening) {
            b = dirty_bitmap_find(node, s->mark.name);
            if (!b || b->inconsistent) {
                g_test_message("cut %u: bitmap %s is lost", cut, s->mark.name);
                g_test_fail();
            }
        }
    }
    block_node_unref(node);
}

/* What @node has of bitmaps that count. */
static GPtrArray *good_bitmaps(BlockNode *node)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(stored_free);
    DirtyBitmap *b;

    QLIST_FOREACH(b, &node->bitmaps, next) {
        Mark mark = { .enabled = !b->disabled };

        if (!b->inconsistent) {
            g_strlcpy(mark.name, b->name, sizeof(mark.name));
            g_ptr_array_add(list, stored_new(node, &mark, 0));
        }
    }
    return list;
}

static void check_image(Run *r, BlockNode *node, guint cut, bool repaired)
{
    ImageCheck c;

    g_assert_cmpint(bench_check(node, &c, 0), ==, 0);
    g_assert_cmpint(c.check_errors, ==, 0);
    if ((!r->cfg->repairs || repaired) && c.corruptions) {
        g_test_message("cut %u of %u: %" PRId64 " corruptions", cut,
                       r->log->len, c.corruptions);
        g_test_fail();
    }
}

/* It goes on as a good image. */
static void write_on(Run *r, guint cut)
{
    BlockNode *node = bench_open(r->cfg->open, 0, &error_abort);
    g_autoptr(GPtrArray) bitmaps = NULL;
    g_autofree uint8_t *data = tag_fill(0xffffffff, 8);
    int64_t length = block_node_length(node);

    check_sectors(r, node, cut);
    for (int i = 0; i < 6; i++) {
        int64_t at = g_rand_int_range(r->rnd, 0, (gint32)(length / SECTOR) - 8);

        g_assert_cmpint(bench_write(node, at * SECTOR, data, 8 * SECTOR), ==,
                        0);
    }
    g_assert_cmpint(node_flush(node), ==, 0);
    check_image(r, node, cut, true);
    bitmaps = good_bitmaps(node);
    block_node_unref(node);
    node = open_read_only(r, 0);
    for (guint i = 0; i < bitmaps->len; i++) {
        const Stored *s = bitmaps->pdata[i];

        g_assert_true(is_equal(s, dirty_bitmap_find(node, s->mark.name)));
    }
    block_node_unref(node);
}

static void cut_power(Run *r, guint cut)
{
    GByteArray *bytes = power_cut(r->log, 0, r->base, cut, r->rnd);
    MemNode *mem = mem_new("mem", bytes->data, bytes->len);
    BlockNode *node;

    g_byte_array_unref(bytes);
    node = open_read_only(r, NODE_OPEN_CHECK);
    check_image(r, node, cut, false);
    check_name(r, node, cut);
    check_sectors(r, node, cut);
    check_snapshots(r, node, cut);
    block_node_unref(node);
    if (r->cfg->bitmaps) {
        check_bitmaps(r, cut);
    }
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
    history_init(&r->disk);
    r->sizes = g_array_new(false, false, sizeof(Stamp));
    r->names = g_array_new(false, false, sizeof(Stamp));
    r->snaps = g_ptr_array_new();
    r->marks = g_ptr_array_new_with_free_func(g_free);
    r->stored = g_ptr_array_new_with_free_func(stored_free);
    return r;
}

static void run_free(Run *r)
{
    history_destroy(&r->disk);
    for (guint i = 0; i < r->snaps->len; i++) {
        Snap *s = r->snaps->pdata[i];

        g_free(s->id);
        g_free(s);
    }
    g_ptr_array_unref(r->snaps);
    g_ptr_array_unref(r->marks);
    g_ptr_array_unref(r->stored);
    g_array_unref(r->log);
    g_array_unref(r->sizes);
    g_array_unref(r->names);
    g_byte_array_unref(r->base);
    g_rand_free(r->rnd);
    g_free(r);
}

/* The operations; their log stays when the image's name is free again. */
static void record(Run *r)
{
    const Config *cfg = r->cfg;

    r->mem = mem_new("mem", "", 0);
    r->log = g_array_ref(r->mem->log);
    bench_create((uint64_t)cfg->sectors * SECTOR, cfg->create);
    r->base = g_byte_array_new();
    g_byte_array_append(r->base, r->mem->bytes->data, r->mem->bytes->len);
    mem_log_start(r->mem);
    r->top = bench_open(cfg->open, 0, &error_abort);
    for (r->disk.operation = 1; r->disk.operation <= OPERATIONS;
         r->disk.operation++) {
        one_operation(r);
    }
    op_close(r);
    mem_free(r->mem);
}

static void test_cuts(gconstpointer data)
{
    const Config *cfg = data;
    Run *r = run_new(cfg, 7);
    guint step;

    record(r);
    step = MAX(r->log->len * 4 / cfg->cuts, 1);
    for (guint n = 0; n < cfg->cuts && !g_test_failed(); n++) {
        cut_power(r, MIN((n / 4) * step +
                             (guint)g_rand_int_range(r->rnd, 0, (gint32)step),
                         r->log->len));
    }
    cut_power(r, r->log->len);
    g_test_message("%u entries, %u cuts, %u bitmaps stored", r->log->len,
                   cfg->cuts, r->stored->len);
    run_free(r);
}

#define UNMAP "\"discard\":\"unmap\""

static const Config configs[] = {
    { "v3", "\"cluster-size\":4096", UNMAP, 4096, 512, 500, .snapshots = true,
      .resize = true },
    { "small-clusters", "\"cluster-size\":512",
      UNMAP ",\"pass-discard-other\":true", 512, 512, 500, .snapshots = true,
      .resize = true },
    { "v2", "\"version\":\"v2\",\"cluster-size\":4096", UNMAP, 4096, 512, 400,
      .snapshots = true },
    { "subclusters", "\"extended-l2\":true,\"cluster-size\":16384", UNMAP,
      16384, 1024, 400, .snapshots = true, .resize = true },
    { "wide-refcounts", "\"refcount-bits\":64,\"cluster-size\":512", UNMAP, 512,
      512, 300, .snapshots = true },
    { "small-cache", "\"cluster-size\":1024",
      UNMAP ",\"l2-cache-size\":2048,\"l2-cache-entry-size\":512", 1024, 1024,
      300, .snapshots = true, .resize = true },
    { "lazy", "\"lazy-refcounts\":true,\"cluster-size\":1024", UNMAP, 1024, 512,
      200, .resize = true, .repairs = true },
    { "bitmaps", "\"cluster-size\":4096", UNMAP, 4096, 512, 600,
      .snapshots = true, .resize = true, .bitmaps = true },
    { "bitmaps-of-clusters", "\"cluster-size\":512",
      UNMAP ",\"pass-discard-other\":true", 512, MAX_SECTORS, 150,
      .snapshots = true, .bitmaps = true },
    { "bitmaps-backing",
      "\"cluster-size\":4096,\"backing-fmt\":\"raw\",\"backing-file\":"
      "\"" BACKING "\"",
      UNMAP ",\"backing\":null", 4096, 512, 300, .resize = true,
      .bitmaps = true, .backing = true },
    { "bitmaps-lazy", "\"lazy-refcounts\":true,\"cluster-size\":1024", UNMAP,
      1024, 512, 200, .resize = true, .repairs = true, .bitmaps = true },
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
