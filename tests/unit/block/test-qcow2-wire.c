/*
 * The bytes of qcow2: header, entries, snapshot table, bitmap directory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

/* A header of version 3 as another program wrote it: 1 GiB, 64 KiB clusters,
 * a backing file with its format. */
static const uint8_t golden[] = {
    'Q',  'F', 'I', 0xfb, 0,   0,   0,   3,    0,    0,    0,    0, 0, 0,    0,
    0x88, 0,   0,   0,    8,   0,   0,   0,    16,   0,    0,    0, 0, 0x40, 0,
    0,    0,   0,   0,    0,   0,   0,   0,    0,    2,    0,    0, 0, 0,    0,
    3,    0,   0,   0,    0,   0,   0,   0,    1,    0,    0,    0, 0, 0,    1,
    0,    0,   0,   0,    0,   0,   0,   0,    0,    0,    0,    0, 0, 0,    0,
    0,    0,   0,   0,    0,   0,   0,   0,    0,    0,    0,    0, 1, 0,    0,
    0,    0,   0,   0,    0,   0,   0,   0,    0,    4,    0,    0, 0, 0x70, 0,
    0,    0,   0,   0,    0,   0,   0,   0xe2, 0x79, 0x2a, 0xca, 0, 0, 0,    3,
    'r',  'a', 'w', 0,    0,   0,   0,   0,    0,    0,    0,    0, 0, 0,    0,
    0,    'b', 'a', 's',  'e', '.', 'i', 'm',  'g',
};

static bool decode(QcowHeader *h, const uint8_t *buf, size_t len, Error **errp)
{
    return qcow_header_decode(h, buf, len, errp) &&
           qcow_header_decode_extensions(h, buf, len, errp);
}

static void test_header(void)
{
    g_autofree uint8_t *back = NULL;
    QcowHeader h, again;
    size_t len;

    g_assert_true(decode(&h, golden, sizeof(golden), &error_abort));
    g_assert_cmpuint(h.size, ==, UINT64_C(1) << 30);
    g_assert_cmpuint(h.cluster_bits, ==, 16);
    g_assert_cmpuint(h.l1_size, ==, 2);
    g_assert_cmpuint(h.l1_offset, ==, 0x30000);
    g_assert_cmpuint(h.reftable_offset, ==, 0x10000);
    g_assert_cmpuint(h.compatible, ==, QCOW_COMPAT_LAZY_REFCOUNTS);
    g_assert_cmpstr(h.backing_file, ==, "base.img");
    g_assert_cmpstr(h.backing_format, ==, "raw");
    back = qcow_header_encode(&h, &len, &error_abort);
    g_assert_true(decode(&again, back, len, &error_abort));
    g_assert_cmpstr(again.backing_file, ==, "base.img");
    g_assert_cmpmem(back, 8, golden, 8);
    g_assert_cmpmem(back + 20, 92, golden + 20, 92);
    qcow_header_clear(&h);
    qcow_header_clear(&again);
}

/* Everything that changes is in one sector, whatever the name's length: a long
 * one has two places in turn. */
static void test_header_sector(void)
{
    g_autofree char *name = g_strnfill(QCOW_BACKING_NAME_MAX, 'x');
    uint64_t last = 0;
    QcowHeader h;

    g_assert_true(decode(&h, golden, sizeof(golden), &error_abort));
    h.has_bitmaps = true;
    h.nb_bitmaps = 1;
    h.bitmap_dir_offset = 0x50000;
    h.bitmap_dir_size = 32;
    h.autoclear = QCOW_AUTOCLEAR_BITMAPS;
    for (size_t n = 1; n <= QCOW_BACKING_NAME_MAX; n++) {
        g_autofree uint8_t *cluster = g_malloc0(65536);
        g_autofree uint8_t *buf = NULL;
        QcowHeader again;
        size_t len;

        g_free(h.backing_file);
        h.backing_file = g_strndup(name, n);
        buf = qcow_header_encode(&h, &len, &error_abort);
        g_assert_cmpuint(len, <=, QCOW_HEADER_SECTOR);
        g_assert_cmpuint(h.backing_offset, !=,
                         h.backing_offset < len ? 0 : last);
        memcpy(cluster, buf, len);
        memcpy(cluster + h.backing_offset, h.backing_file, n);
        g_assert_true(decode(&again, cluster, 65536, &error_abort));
        g_assert_cmpstr(again.backing_file, ==, h.backing_file);
        g_assert_cmpuint(again.nb_bitmaps, ==, 1);
        qcow_header_clear(&again);
        last = h.backing_offset;
    }
    qcow_header_clear(&h);
}

/* A field of the header, and what is said about its value. */
static const struct {
    size_t offset;
    size_t bytes;
    uint64_t value;
    const char *text;
} wrong[] = {
    { 0, 4, 0x51464900, "not in qcow2" },
    { 4, 4, 1, "version 1" },
    { 4, 4, 4, "version 4" },
    { 8, 8, 0xffff, "Backing file name" },
    { 16, 4, 1024, "Backing file name" },
    { 20, 4, 8, "cluster size" },
    { 20, 4, 22, "cluster size" },
    { 20, 4, 0xffffffff, "cluster size" },
    { 24, 8, UINT64_MAX, "Disk size" },
    { 32, 4, 3, "encryption method" },
    { 32, 4, 2, "CRYPTO header" },
    { 36, 4, 0x400001, "Active L1" },
    { 40, 8, 0x30001, "L1 table" },
    { 48, 8, 0x1fff, "reference count table" },
    { 48, 8, UINT64_C(0xff) << 56, "reference count table" },
    { 56, 4, 0, "does not contain" },
    { 56, 4, 129, "too large" },
    { 60, 4, 65537, "Snapshot table" },
    { 72, 8, QCOW_INCOMPAT_COMPRESSION, "Compression type" },
    { 96, 4, 7, "entry width" },
    { 100, 4, 96, "header length" },
    { 100, 4, 108, "header length" },
    { 100, 4, 0x20000, "header length" },
    { 104, 1, 1, "Compression type" },
    { 116, 4, 100, "too large" },
    { 116, 4, 0xffffffff, "too large" },
};

static void test_wrong(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree uint8_t *buf = g_memdup2(golden, sizeof(golden));
        Error *err = NULL;
        QcowHeader h;

        stn_be_p(buf + wrong[i].offset, (int)wrong[i].bytes, wrong[i].value);
        g_assert_false(decode(&h, buf, sizeof(golden), &err));
        if (!strstr(error_get_pretty(err), wrong[i].text)) {
            g_error("line %zu: '%s'", i, error_get_pretty(err));
        }
        error_free(err);
        qcow_header_clear(&h);
    }
    for (size_t len = 0; len < sizeof(golden); len++) {
        g_autofree uint8_t *buf = g_memdup2(golden, len);
        QcowHeader h;

        /* The name ends with the last byte. */
        g_assert_false(decode(&h, buf, len, NULL));
        qcow_header_clear(&h);
    }
}

static void test_features(void)
{
    g_autofree uint8_t *buf = g_malloc0(1024);
    Error *err = NULL;
    QcowHeader h;

    memcpy(buf, golden, 112);
    memset(buf + 8, 0, 12);
    stq_be_p(buf + 72, UINT64_C(1) << 40);
    g_assert_true(decode(&h, buf, 1024, &error_abort));
    g_assert_false(qcow_header_check_features(&h, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "0x10000000000"));
    error_free(g_steal_pointer(&err));
    qcow_header_clear(&h);
    /* With a name for it. */
    stl_be_p(buf + 112, 0x6803f857);
    stl_be_p(buf + 116, 48);
    buf[121] = 40;
    strcat((char *)buf + 122, "warp drive");
    g_assert_true(decode(&h, buf, 1024, &error_abort));
    g_assert_false(qcow_header_check_features(&h, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "warp drive"));
    error_free(err);
    qcow_header_clear(&h);
}

static void test_unknown_extension(void)
{
    g_autofree uint8_t *buf = g_malloc0(1024);
    g_autofree uint8_t *back = NULL;
    QcowHeader h;
    size_t len;

    memcpy(buf, golden, 112);
    memset(buf + 8, 0, 12);
    stl_be_p(buf + 112, 0x12345678);
    stl_be_p(buf + 116, 5);
    memcpy(buf + 120, "hello", 5);
    g_assert_true(decode(&h, buf, 1024, &error_abort));
    g_assert_cmpuint(h.nb_unknown, ==, 1);
    back = qcow_header_encode(&h, &len, &error_abort);
    g_assert_cmpmem(back + 112, 16, buf + 112, 16);
    qcow_header_clear(&h);
}

static void test_refcounts(void)
{
    for (unsigned order = 0; order <= 6; order++) {
        uint8_t block[64] = { 0 };
        unsigned n = (64 * 8) >> order;

        for (unsigned i = 0; i < n; i++) {
            qcow_refcount_set(block, order, i,
                              i % 3 ? 0 : qcow_refcount_max(order));
        }
        for (unsigned i = 0; i < n; i++) {
            g_assert_cmpuint(qcow_refcount_get(block, order, i), ==,
                             i % 3 ? 0 : qcow_refcount_max(order));
        }
    }
    {
        /* Small ones fill a byte from its low bits; large ones are big-endian. */
        uint8_t block[8] = { 0 };

        qcow_refcount_set(block, 0, 3, 1);
        g_assert_cmpuint(block[0], ==, 8);
        qcow_refcount_set(block, 2, 3, 5);
        g_assert_cmpuint(block[1], ==, 0x50);
        qcow_refcount_set(block, 4, 2, 0x1234);
        g_assert_cmpuint(block[4], ==, 0x12);
    }
}

static void test_compressed(void)
{
    for (unsigned bits = 9; bits <= 21; bits++) {
        for (uint32_t bytes = 1; bytes < 1u << bits; bytes = bytes * 3 + 1) {
            uint64_t offset = 0x123457;
            uint64_t entry = qcow_compressed_encode(offset, bytes, bits);
            QcowCompressed c = qcow_compressed_decode(entry, bits);

            g_assert_cmpuint(c.offset, ==, offset);
            g_assert_cmpuint(c.bytes, >=, bytes);
            g_assert_cmpuint(c.bytes, <, bytes + 512);
            g_assert_cmpuint((c.offset + c.bytes) % 512, ==, 0);
        }
    }
}

static void test_snapshots(void)
{
    QcowSnapshot list[2] = {
        { .l1_offset = 0x50000,
          .l1_size = 7,
          .id = (char *)"1",
          .name = (char *)"first",
          .date_sec = 1700000000,
          .vm_state_size = UINT64_C(6) << 30,
          .disk_size = 1 << 20,
          .icount = UINT64_MAX },
        { .l1_offset = 0x60000,
          .l1_size = 7,
          .id = (char *)"2",
          .name = (char *)"",
          .disk_size = 1 << 21,
          .icount = 5 },
    };
    size_t len, used;
    g_autofree uint8_t *buf =
        qcow_snapshots_encode(list, 2, &len, &error_abort);
    QcowSnapshot *back;
    bool more;

    back = qcow_snapshots_decode(buf, len, 2, 1, &used, &more, &error_abort);
    g_assert_nonnull(back);
    g_assert_cmpuint(used, ==, len);
    g_assert_cmpuint(len % 8, ==, 0);
    g_assert_cmpstr(back[0].name, ==, "first");
    g_assert_cmpuint(back[0].vm_state_size, ==, UINT64_C(6) << 30);
    g_assert_cmpuint(back[1].disk_size, ==, 1 << 21);
    g_assert_cmpuint(back[1].icount, ==, 5);
    qcow_snapshots_free(back, 2);
    for (size_t n = 0; n < len - 7; n++) {
        g_autofree uint8_t *part = g_memdup2(buf, n);

        g_assert_null(qcow_snapshots_decode(part, n, 2, 1, &used, &more, NULL));
        g_assert_true(more);
    }
    stl_be_p(buf + 36, QCOW_SNAPSHOT_EXTRA_MAX + 1);
    g_assert_null(qcow_snapshots_decode(buf, len, 2, 1, &used, &more, NULL));
    g_assert_false(more);
}

static void test_bitmaps(void)
{
    QcowBitmap list[2] = {
        { .table_offset = 0x50000,
          .table_size = 1,
          .granularity_bits = 16,
          .flags = QCOW_BITMAP_AUTO,
          .name = (char *)"a" },
        { .table_offset = 0x60000,
          .table_size = 1,
          .granularity_bits = 16,
          .name = (char *)"a" },
    };
    size_t len;
    g_autofree uint8_t *buf = qcow_bitmaps_encode(list, 1, &len, &error_abort);
    g_autofree uint8_t *twice = NULL;
    QcowBitmap *back =
        qcow_bitmaps_decode(buf, len, 1, 16, 1 << 20, &error_abort);

    g_assert_cmpstr(back->name, ==, "a");
    g_assert_cmpuint(back->flags, ==, QCOW_BITMAP_AUTO);
    qcow_bitmaps_free(back, 1);
    /* A table that is too short for the disk; a count that is wrong. */
    g_assert_null(qcow_bitmaps_decode(buf, len, 1, 9, UINT64_C(1) << 40, NULL));
    g_assert_null(qcow_bitmaps_decode(buf, len, 2, 16, 1 << 20, NULL));
    g_assert_null(qcow_bitmaps_decode(buf, len, 0, 16, 1 << 20, NULL));
    twice = qcow_bitmaps_encode(list, 2, &len, &error_abort);
    g_assert_null(qcow_bitmaps_decode(twice, len, 2, 16, 1 << 20, NULL));
    buf[17] = 8;
    g_assert_null(qcow_bitmaps_decode(buf, len / 2, 1, 16, 1 << 20, NULL));
}

/* All of them together are limited, marked as in use or not. */
static void test_bitmap_memory(void)
{
    uint64_t disk = QCOW_BITMAP_MAPS_MAX << (16 + 3); /* for one of them */
    QcowBitmap list[2] = {
        { .table_offset = 0x400000,
          .table_size = 512,
          .granularity_bits = 16,
          .name = (char *)"a" },
        { .table_offset = 0x600000,
          .table_size = 1,
          .granularity_bits = 31,
          .flags = QCOW_BITMAP_IN_USE,
          .name = (char *)"b" },
    };
    g_autofree uint8_t *one = NULL;
    g_autofree uint8_t *two = NULL;
    Error *err = NULL;
    size_t len;

    one = qcow_bitmaps_encode(list, 1, &len, &error_abort);
    qcow_bitmaps_free(qcow_bitmaps_decode(one, len, 1, 21, disk, &error_abort),
                      1);
    two = qcow_bitmaps_encode(list, 2, &len, &error_abort);
    g_assert_null(qcow_bitmaps_decode(two, len, 2, 21, disk, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "'b' need"));
    error_free_or_abort(&err);
}

static void test_pack(gconstpointer data)
{
    QcowCompression type = (QcowCompression)GPOINTER_TO_INT(data);
    GRand *rnd = g_rand_new_with_seed(1);

    if (!qcow_can_compress(type)) {
        g_test_skip("not built in");
        g_rand_free(rnd);
        return;
    }
    for (size_t len = 512; len <= 2 * 1024 * 1024; len *= 8) {
        g_autofree uint8_t *src = g_malloc(len);
        g_autofree uint8_t *dst = g_malloc(len + 512);
        g_autofree uint8_t *back = g_malloc(len);
        ssize_t n;

        for (size_t i = 0; i < len; i++) {
            src[i] = i > 9000 && i % 5 ? src[i - 9000]
                                       : (uint8_t)g_rand_int_range(rnd, 0, 4);
        }
        n = qcow_pack(type, dst, len - 1, src, len);
        g_assert_cmpint(n, >, 0);
        memset(dst + n, 0xff, 512); /* the rest of its last sector */
        g_assert_cmpint(qcow_unpack(type, back, len, dst, (size_t)n + 511), ==,
                        0);
        g_assert_cmpmem(back, len, src, len);
        g_assert_cmpint(qcow_unpack(type, back, len, dst, (size_t)n / 2), <, 0);
        for (size_t i = 0; i < len; i++) {
            src[i] = (uint8_t)g_rand_int(rnd);
        }
        g_assert_cmpint(qcow_pack(type, dst, len - 1, src, len), ==, -ENOMEM);
    }
    g_rand_free(rnd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qcow2-wire/header", test_header);
    g_test_add_func("/qcow2-wire/header-sector", test_header_sector);
    g_test_add_func("/qcow2-wire/wrong", test_wrong);
    g_test_add_func("/qcow2-wire/features", test_features);
    g_test_add_func("/qcow2-wire/unknown-extension", test_unknown_extension);
    g_test_add_func("/qcow2-wire/refcounts", test_refcounts);
    g_test_add_func("/qcow2-wire/compressed", test_compressed);
    g_test_add_func("/qcow2-wire/snapshots", test_snapshots);
    g_test_add_func("/qcow2-wire/bitmaps", test_bitmaps);
    g_test_add_func("/qcow2-wire/bitmap-memory", test_bitmap_memory);
    g_test_add_data_func("/qcow2-wire/zlib",
                         GINT_TO_POINTER(QCOW_COMPRESSION_ZLIB), test_pack);
    g_test_add_data_func("/qcow2-wire/zstd",
                         GINT_TO_POINTER(QCOW_COMPRESSION_ZSTD), test_pack);
    return g_test_run();
}
