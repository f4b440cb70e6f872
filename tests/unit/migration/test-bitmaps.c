/*
 * Dirty bitmaps from a sender to a loader, and from peers that nobody wants:
 * the disks are a table of bitmaps in memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-buffer.h"
#include "migration/bitmap/bitmaps.h"
#include "migration/bitmap/wire.h"
#include "migration/stream/savevm.h"

#define DISK_BYTES (10 * 1024 * 1024 + 512)
#define MAP_BYTES  4096

/* -- disks -------------------------------------------------------------------------- */

typedef struct FakeBitmap {
    const char *device;
    char node[32];
    char name[BITMAP_NAME_MAX + 1];
    uint32_t granularity;
    bool enabled, persistent, read_only;
    bool held, incoming, began, finished, busy;
    int64_t size;
    uint8_t map[MAP_BYTES];
} FakeBitmap;

typedef struct FakeDisks {
    GPtrArray *bitmaps;
    int64_t size;
} FakeDisks;

static FakeBitmap *fake_add(FakeDisks *d, const char *node, const char *name,
                            uint32_t granularity)
{
    FakeBitmap *b = g_new0(FakeBitmap, 1);

    g_strlcpy(b->node, node, sizeof(b->node));
    g_strlcpy(b->name, name, sizeof(b->name));
    b->granularity = granularity;
    b->enabled = true;
    b->size = d->size;
    g_ptr_array_add(d->bitmaps, b);
    return b;
}

static FakeBitmap *fake_find(FakeDisks *d, const char *name)
{
    for (guint i = 0; i < d->bitmaps->len; i++) {
        FakeBitmap *b = g_ptr_array_index(d->bitmaps, i);

        if (g_str_equal(b->name, name)) {
            return b;
        }
    }
    return NULL;
}

static bool f_visit(void *opaque, MigrationBitmapVisitor *visitor, void *arg,
                    Error **errp)
{
    FakeDisks *d = opaque;

    for (guint i = 0; i < d->bitmaps->len; i++) {
        FakeBitmap *b = g_ptr_array_index(d->bitmaps, i);
        MigrationBitmapInfo info = {
            .device = b->device,
            .node = b->node,
            .name = b->name,
            .granularity = b->granularity,
            .enabled = b->enabled,
            .persistent = b->persistent,
            .read_only = b->read_only,
        };

        if (!visitor(arg, &info, b, errp)) {
            return false;
        }
    }
    return true;
}

static bool f_hold(void *opaque, void *bitmap, Error **errp)
{
    FakeBitmap *b = bitmap;

    g_assert_false(b->held);
    if (b->busy) {
        error_setg(errp, "bitmap '%s' is busy", b->name);
        return false;
    }
    b->held = true;
    return true;
}

static void f_unhold(void *opaque, void *bitmap)
{
    FakeBitmap *b = bitmap;

    g_assert_true(b->held);
    b->held = false;
}

static int64_t f_size(void *opaque, void *bitmap)
{
    return ((FakeBitmap *)bitmap)->size;
}

static void f_bits(void *opaque, void *bitmap, size_t from, size_t len,
                   uint8_t *buf)
{
    FakeBitmap *b = bitmap;

    for (size_t i = 0; i < len; i++) {
        buf[i] = from + i < MAP_BYTES ? b->map[from + i] : 0;
    }
}

static void *f_create(void *opaque, const MigrationBitmapInfo *info,
                      Error **errp)
{
    FakeDisks *d = opaque;
    FakeBitmap *b;

    if (!g_str_equal(info->node, "disk") || fake_find(d, info->name)) {
        error_setg(errp, "cannot make '%s' on '%s'", info->name, info->node);
        return NULL;
    }
    b = fake_add(d, info->node, info->name, info->granularity);
    b->enabled = info->enabled;
    b->persistent = info->persistent;
    b->incoming = true;
    return b;
}

static void f_merge(void *opaque, void *bitmap, size_t from, size_t len,
                    const uint8_t *bits)
{
    FakeBitmap *b = bitmap;
    size_t all =
        DIV_ROUND_UP(DIV_ROUND_UP((uint64_t)b->size, b->granularity), 8);

    g_assert_true(b->incoming && !b->finished);
    g_assert_cmpuint(from, <=, all);
    for (size_t i = 0; i < len && from + i < MIN(all, MAP_BYTES); i++) {
        b->map[from + i] |= bits[i];
    }
}

static void f_begin(void *opaque, void *bitmap)
{
    FakeBitmap *b = bitmap;

    g_assert_true(b->incoming && !b->began);
    b->began = true;
}

static void f_finish(void *opaque, void *bitmap)
{
    FakeBitmap *b = bitmap;

    g_assert_true(b->incoming && !b->finished);
    b->finished = true;
}

static void f_drop(void *opaque, void *bitmap)
{
    FakeDisks *d = opaque;

    g_assert_true(g_ptr_array_remove(d->bitmaps, bitmap));
}

static const MigrationBitmapOps ops = {
    .visit = f_visit,
    .hold = f_hold,
    .unhold = f_unhold,
    .size = f_size,
    .bits = f_bits,
    .create = f_create,
    .merge = f_merge,
    .begin = f_begin,
    .finish = f_finish,
    .drop = f_drop,
};

static void disks_init(FakeDisks *d, int64_t size)
{
    d->bitmaps = g_ptr_array_new_with_free_func(g_free);
    d->size = size;
}

/* -- both sides --------------------------------------------------------------------------- */

typedef struct Bench {
    FakeDisks here, there;
    BitmapStats sent, come;
    BitmapSender *sender;
    BitmapLoader *loader;
} Bench;

static void bench_init(Bench *t)
{
    memset(t, 0, sizeof(*t));
    disks_init(&t->here, DISK_BYTES);
    disks_init(&t->there, DISK_BYTES);
}

static void bench_start(Bench *t, const json_t *map)
{
    t->sender = bitmap_sender_new(&ops, &t->here, map, &t->sent, &error_abort);
    t->loader = bitmap_loader_new(&ops, &t->there, NULL, true, &t->come);
}

static void bench_end(Bench *t)
{
    bitmap_sender_free(t->sender);
    bitmap_loader_free(t->loader);
    for (guint i = 0; i < t->here.bitmaps->len; i++) {
        g_assert_false(((FakeBitmap *)t->here.bitmaps->pdata[i])->held);
    }
    bitmap_stats_clear(&t->sent);
    bitmap_stats_clear(&t->come);
    g_ptr_array_unref(t->here.bitmaps);
    g_ptr_array_unref(t->there.bitmaps);
}

static bool load_bytes(BitmapLoader *l, const uint8_t *data, size_t len,
                       Error **errp)
{
    QIOChannelBuffer *mem = qio_channel_buffer_new(len);
    QEMUFile *f;
    bool ok;

    memcpy(mem->data, data, len);
    mem->usage = len;
    f = qemu_file_new_input(QIO_CHANNEL(mem));
    object_unref(OBJECT(mem));
    ok = bitmap_loader_load(l, f, errp);
    g_assert_true(ok == !(errp && *errp));
    qemu_file_free(f);
    return ok;
}

typedef bool PutFunc(BitmapSender *s, QEMUFile *f, uint64_t most);

static bool put_start(BitmapSender *s, QEMUFile *f, uint64_t most)
{
    bitmap_sender_put_start(s, f);
    return true;
}

/* Returns: what @put did. */
static bool pass(Bench *t, PutFunc *put, uint64_t most)
{
    QEMUFile *f = qemu_file_new_memory_output();
    bool last = put(t->sender, f, most);
    size_t len;
    g_autofree uint8_t *data = qemu_file_memory_steal(f, &len, &error_abort);

    qemu_file_free(f);
    g_assert_true(load_bytes(t->loader, data, len, &error_abort));
    return last;
}

static void fill(FakeBitmap *b, uint32_t seed)
{
    g_autoptr(GRand) rnd = g_rand_new_with_seed(seed);
    uint64_t bits = DIV_ROUND_UP((uint64_t)b->size, b->granularity);

    for (int i = 0; i < 200; i++) {
        uint64_t bit = (uint64_t)g_rand_int(rnd) % bits;

        /* The middle stays clean: chunks without bytes. */
        if (bit < bits / 4 || bit > bits / 2) {
            b->map[bit / 8] |= (uint8_t)(1u << (bit % 8));
        }
    }
}

static void check_same(Bench *t, const char *name)
{
    const FakeBitmap *a = fake_find(&t->here, name);
    const FakeBitmap *b = fake_find(&t->there, name);

    g_assert_nonnull(b);
    g_assert_cmpmem(a->map, MAP_BYTES, b->map, MAP_BYTES);
    g_assert_cmpuint(a->granularity, ==, b->granularity);
    g_assert_true(a->enabled == b->enabled && a->persistent == b->persistent);
}

static void three_bitmaps(Bench *t)
{
    fill(fake_add(&t->here, "disk", "fine", 512), 1);
    fill(fake_add(&t->here, "disk", "off", 65536), 2);
    fill(fake_add(&t->here, "disk", "wide", 1u << 31), 3);
    fake_find(&t->here, "off")->enabled = false;
    fake_find(&t->here, "wide")->persistent = true;
}

static void test_precopy(void)
{
    Bench t;

    bench_init(&t);
    three_bitmaps(&t);
    bench_start(&t, NULL);
    g_assert_true(fake_find(&t.here, "fine")->held);
    pass(&t, put_start, 0);
    g_assert_false(bitmap_loader_check(t.loader, NULL));
    g_assert_cmpuint(bitmap_sender_pending(t.sender), ==, t.sent.bytes);
    g_assert_true(pass(&t, bitmap_sender_put_bits, UINT64_MAX));
    g_assert_cmpuint(bitmap_sender_pending(t.sender), ==, 0);
    g_assert_true(bitmap_loader_check(t.loader, &error_abort));
    g_assert_false(fake_find(&t.there, "fine")->finished);
    bitmap_loader_begin(t.loader);
    check_same(&t, "fine");
    check_same(&t, "off");
    check_same(&t, "wide");
    g_assert_true(fake_find(&t.there, "wide")->finished);
    g_assert_cmpuint(t.come.completed, ==, 3);
    g_assert_cmpuint(t.come.bytes, ==, t.sent.bytes);
    bench_end(&t);
}

/* The guest runs there, the connection breaks, all comes again. */
static void test_postcopy(void)
{
    Bench t;
    FakeBitmap *b;

    bench_init(&t);
    three_bitmaps(&t);
    bench_start(&t, NULL);
    pass(&t, put_start, 0);
    bitmap_loader_begin(t.loader);
    b = fake_find(&t.there, "fine");
    g_assert_true(b->began && !b->finished);
    g_assert_false(pass(&t, bitmap_sender_put_bits, 1));
    bitmap_sender_rewind(t.sender);
    while (!pass(&t, bitmap_sender_put_bits, 100)) {
    }
    g_assert_true(b->finished);
    check_same(&t, "fine");
    /* The user clears it; the source does not know that all was here. */
    memset(b->map, 0, sizeof(b->map));
    bitmap_sender_rewind(t.sender);
    while (!pass(&t, bitmap_sender_put_bits, 100)) {
    }
    g_assert_cmpint(b->map[0] | b->map[1] | b->map[MAP_BYTES / 2], ==, 0);
    bitmap_loader_end(t.loader);
    g_assert_null(t.come.error);
    bench_end(&t);
}

static void test_failed(void)
{
    Bench t;

    bench_init(&t);
    three_bitmaps(&t);
    bench_start(&t, NULL);
    pass(&t, put_start, 0);
    pass(&t, bitmap_sender_put_bits, UINT64_MAX);
    /* It does not come to run here: nothing is left. */
    g_clear_pointer(&t.loader, bitmap_loader_free);
    g_assert_cmpuint(t.there.bitmaps->len, ==, 0);
    bench_end(&t);

    bench_init(&t);
    three_bitmaps(&t);
    bench_start(&t, NULL);
    pass(&t, put_start, 0);
    bitmap_loader_begin(t.loader);
    pass(&t, bitmap_sender_put_bits, 1);
    bitmap_loader_end(t.loader);
    g_assert_nonnull(strstr(t.come.error, "'fine'"));
    g_assert_cmpuint(t.there.bitmaps->len, ==, 0);
    bench_end(&t);
}

static void test_cannot_go(void)
{
    FakeDisks d;
    BitmapStats stats = { 0 };
    FakeBitmap *b;
    Error *err = NULL;

    disks_init(&d, DISK_BYTES);
    g_assert_null(bitmap_sender_new(&ops, &d, NULL, &stats, &error_abort));
    fake_add(&d, "disk", "good", 4096);
    b = fake_add(&d, "#block123", "b", 4096);
    g_assert_null(bitmap_sender_new(&ops, &d, NULL, &stats, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "#block123"));
    error_free_or_abort(&err);
    b->device = "drive0";
    bitmap_sender_free(bitmap_sender_new(&ops, &d, NULL, &stats, &error_abort));
    b->busy = true;
    g_assert_null(bitmap_sender_new(&ops, &d, NULL, &stats, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "'b' is busy"));
    error_free_or_abort(&err);
    b->read_only = true; /* stays, so nobody asks */
    bitmap_sender_free(bitmap_sender_new(&ops, &d, NULL, &stats, &error_abort));
    g_assert_false(fake_find(&d, "good")->held);
    g_ptr_array_unref(d.bitmaps);
}

/* -- bad peers --------------------------------------------------------------------------- */

static size_t put(uint8_t *p, BitmapChunk c)
{
    return bitmap_chunk_encode(&c, p);
}

static size_t put_first(uint8_t *p, const char *node, const char *name)
{
    BitmapChunk c = {
        .flags = BITMAP_CHUNK_START | BITMAP_CHUNK_NODE | BITMAP_CHUNK_BITMAP,
        .granularity = 4096,
        .enabled = true,
    };

    g_strlcpy(c.node, node, sizeof(c.node));
    g_strlcpy(c.bitmap, name, sizeof(c.bitmap));
    return put(p, c);
}

static size_t put_bits(uint8_t *p, uint64_t first, uint32_t sectors,
                       uint32_t len)
{
    size_t n =
        put(p, (BitmapChunk){
                   .flags = BITMAP_CHUNK_BITS | (len ? 0 : BITMAP_CHUNK_ZEROES),
                   .first_sector = first,
                   .sectors = sectors,
                   .data_len = len,
               });

    memset(p + n, 0xff, len);
    return n + len;
}

/* After a good START: @chunk is refused; once the guest runs, only dropped. */
static void refuse(const uint8_t *chunk, size_t len, const char *word)
{
    uint8_t buf[16 * BITMAP_CHUNK_MAX];
    size_t n;

    for (int running = 0; running < 2; running++) {
        Error *err = NULL;
        Bench t;

        bench_init(&t);
        t.loader = bitmap_loader_new(&ops, &t.there, NULL, true, &t.come);
        n = put_first(buf, "disk", "b");
        n += put(buf + n, (BitmapChunk){ .flags = BITMAP_CHUNK_EOS });
        g_assert_true(load_bytes(t.loader, buf, n, &error_abort));
        if (running) {
            bitmap_loader_begin(t.loader);
        }
        memcpy(buf, chunk, len);
        n = len + put(buf + len, (BitmapChunk){ .flags = BITMAP_CHUNK_EOS });
        if (running) {
            g_assert_true(load_bytes(t.loader, buf, n, &error_abort));
            g_assert_nonnull(strstr(t.come.error, word));
            g_assert_cmpuint(t.there.bitmaps->len, ==, 0);
            /* What follows is read and forgotten. */
            g_assert_true(load_bytes(t.loader, buf, n, &error_abort));
        } else {
            g_assert_false(load_bytes(t.loader, buf, n, &err));
            g_assert_nonnull(strstr(error_get_pretty(err), word));
            error_free(err);
        }
        bench_end(&t);
    }
}

static void test_bad_chunks(void)
{
    uint8_t b[4 * BITMAP_CHUNK_MAX];
    uint32_t all = DISK_BYTES / 512;
    BitmapChunk other = { .flags = BITMAP_CHUNK_COMPLETE | BITMAP_CHUNK_BITMAP,
                          .bitmap = "other" };

    refuse(b, put_bits(b, 0, all + 1, 0), "sectors at 0");
    refuse(b, put_bits(b, all, 1, 0), "sectors at");
    refuse(b, put_bits(b, UINT64_C(1) << 54, 1, 0), "sectors at");
    refuse(b, put_bits(b, 8, 64, 0), "no multiple");
    refuse(b, put_bits(b, 0, 64, 64), "64 bytes of bits");
    refuse(b, put(b, (BitmapChunk){ .flags = BITMAP_CHUNK_COMPLETE }),
           "ends at sector 0");
    refuse(b, put(b, other), "'other'");
}

static void refuse_start(const uint8_t *buf, size_t len, bool enabled,
                         const char *word)
{
    Error *err = NULL;
    Bench t;

    bench_init(&t);
    t.loader = bitmap_loader_new(&ops, &t.there, NULL, enabled, &t.come);
    g_assert_false(load_bytes(t.loader, buf, len, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), word));
    error_free(err);
    g_clear_pointer(&t.loader, bitmap_loader_free);
    g_assert_cmpuint(t.there.bitmaps->len, ==, 0);
    bench_end(&t);
}

static void test_bad_starts(void)
{
    uint8_t b[4 * BITMAP_CHUNK_MAX];
    size_t n;

    refuse_start(b, put_first(b, "disk", "b"), false, "capability");
    refuse_start(b, put_first(b, "nowhere", "b"), true, "'nowhere'");
    n = put_first(b, "disk", "b");
    n += put_first(b + n, "disk", "b");
    refuse_start(b, n, true, "begins twice");
    n = put(b,
            (BitmapChunk){ .flags = BITMAP_CHUNK_START, .granularity = 4096 });
    refuse_start(b, n, true, "without a name");
    n = put_first(b, "disk", "b");
    refuse_start(b, n - 1, true, "");
    b[0] = 0x80;
    refuse_start(b, n, true, "flags 0x80");
}

/* The main loop may be waiting for the loader's lock: nothing is asked of it. */
static void test_start_in_postcopy(void)
{
    uint8_t b[4 * BITMAP_CHUNK_MAX];
    size_t n = put_first(b, "disk", "b");
    Error *err = NULL;
    Bench t;

    n += put(b + n, (BitmapChunk){ .flags = BITMAP_CHUNK_EOS });
    bench_init(&t);
    t.loader = bitmap_loader_new(&ops, &t.there, NULL, true, &t.come);
    g_assert_true(load_bytes(t.loader, b, n, &error_abort));
    bitmap_loader_listen(t.loader);
    n = put_first(b, "disk", "late");
    n += put(b + n, (BitmapChunk){ .flags = BITMAP_CHUNK_EOS });
    g_assert_false(load_bytes(t.loader, b, n, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "'late' begins in post"));
    error_free(err);
    g_assert_cmpuint(t.there.bitmaps->len, ==, 1);
    /* When the guest runs, that ends only the bitmaps. */
    bitmap_loader_begin(t.loader);
    g_assert_true(load_bytes(t.loader, b, n, &error_abort));
    g_assert_nonnull(strstr(t.come.error, "'late' begins"));
    g_assert_cmpuint(t.there.bitmaps->len, ==, 0);
    bench_end(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bitmaps/precopy", test_precopy);
    g_test_add_func("/bitmaps/postcopy", test_postcopy);
    g_test_add_func("/bitmaps/failed", test_failed);
    g_test_add_func("/bitmaps/cannot-go", test_cannot_go);
    g_test_add_func("/bitmaps/bad-chunks", test_bad_chunks);
    g_test_add_func("/bitmaps/bad-starts", test_bad_starts);
    g_test_add_func("/bitmaps/start-in-postcopy", test_start_in_postcopy);
    return g_test_run();
}
