/*
 * Compression of a multifd channel: what goes in comes out over many packets,
 * blobs that hold too little, too much or rubbish are refused, and what we
 * write, zlib reads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <zlib.h>

#include "migration/multifd/compress.h"

#define PACKETS 6

typedef struct Case {
    const char *name;
    MultiFDMethod method;
    int level;
} Case;

static const Case cases[] = {
    { "zlib/0", MULTIFD_METHOD_ZLIB, 0 },
    { "zlib/1", MULTIFD_METHOD_ZLIB, 1 },
    { "zlib/2", MULTIFD_METHOD_ZLIB, 2 },
    { "zlib/3", MULTIFD_METHOD_ZLIB, 3 },
    { "zlib/6", MULTIFD_METHOD_ZLIB, 6 },
    { "zlib/9", MULTIFD_METHOD_ZLIB, 9 },
#if CONFIG_ZSTD
    { "zstd/0", MULTIFD_METHOD_ZSTD, 0 },
    { "zstd/1", MULTIFD_METHOD_ZSTD, 1 },
    { "zstd/20", MULTIFD_METHOD_ZSTD, 20 },
#endif
};

/* Packet @k: text, noise, both, or one byte over and over. */
static void fill(uint8_t *buf, size_t len, unsigned k)
{
    static const char *words[] = { "ferry", "guest ", "page\n", "0123 ", "x" };
    GRand *r = g_rand_new_with_seed(k);

    for (size_t i = 0; i < len;) {
        const char *w = words[g_rand_int_range(r, 0, G_N_ELEMENTS(words))];
        size_t n = MIN(strlen(w), len - i);

        switch (k % 4) {
        case 0:
            memcpy(buf + i, w, n);
            i += n;
            break;
        case 1:
            buf[i++] = g_rand_int(r);
            break;
        case 2:
            buf[i] = i / 4096 % 2 ? g_rand_int(r) : 'a';
            i++;
            break;
        default:
            buf[i++] = k;
            break;
        }
    }
    g_rand_free(r);
}

/* The number of pages of packet @k. */
static unsigned packet_pages(unsigned k)
{
    static const unsigned n[] = { 128, 1, 128, 7, 64, 128 };

    return n[k % G_N_ELEMENTS(n)];
}

/* @len bytes as pieces of several pages. */
static unsigned pieces(uint8_t *buf, size_t len, struct iovec *iov)
{
    unsigned n = 0;

    for (size_t done = 0, k; done < len; done += k) {
        k = MIN(len - done, (1 + n % 5) * RAM_PAGE_SIZE);
        iov[n++] = (struct iovec){ buf + done, k };
    }
    return n;
}

static void test_stream(const void *data)
{
    const Case *c = data;
    const MultiFDCodec *codec = multifd_codec(c->method);
    g_autoptr(MultiFDStream) enc = codec->encoder(c->level, &error_abort);
    g_autoptr(MultiFDStream) dec = codec->decoder(&error_abort);
    g_autofree uint8_t *in = g_malloc(MULTIFD_PACKET_BYTES);
    g_autofree uint8_t *out = g_malloc(MULTIFD_PACKET_BYTES);
    g_autofree uint8_t *blob = g_malloc(MULTIFD_BLOB_MAX);
    struct iovec iov[MULTIFD_PAGES_MAX];
    size_t text = 0;

    for (unsigned k = 0; k < PACKETS; k++) {
        size_t len = packet_pages(k) * RAM_PAGE_SIZE, size;

        fill(in, len, k);
        size =
            codec->encode(enc, iov, pieces(in, len, iov), blob, &error_abort);
        g_assert_cmpuint(size, >, 0);
        g_assert_cmpuint(size, <=, MULTIFD_BLOB_MAX);
        if (k == 0) {
            text = size;
        }
        memset(out, 0xee, len);
        g_assert_true(codec->decode(dec, blob, size, iov, pieces(out, len, iov),
                                    &error_abort));
        g_assert_cmpmem(out, len, in, len);
    }
    if (!g_str_equal(c->name, "zlib/0")) {
        g_assert_cmpuint(text, <, MULTIFD_PACKET_BYTES / 3);
    }
}

/* One packet of @pages, decoded into room for others. */
static void test_size(const void *data)
{
    const Case *c = data;
    const MultiFDCodec *codec = multifd_codec(c->method);
    g_autofree uint8_t *in = g_malloc(MULTIFD_PACKET_BYTES);
    g_autofree uint8_t *blob = g_malloc(MULTIFD_BLOB_MAX);
    const unsigned room[] = { 1, 63, 65, 128 };
    Error *err = NULL;

    for (unsigned k = 0; k < 4; k++) {
        size_t len = 64 * RAM_PAGE_SIZE, size;
        struct iovec iov = { in, len };

        fill(in, len, k);
        for (unsigned i = 0; i < G_N_ELEMENTS(room); i++) {
            g_autoptr(MultiFDStream) enc =
                codec->encoder(c->level, &error_abort);
            g_autoptr(MultiFDStream) dec = codec->decoder(&error_abort);
            /* Exactly as large as promised: a byte more is seen. */
            g_autofree uint8_t *out = g_malloc(room[i] * RAM_PAGE_SIZE);
            struct iovec to = { out, room[i] * RAM_PAGE_SIZE };

            size = codec->encode(enc, &iov, 1, blob, &error_abort);
            g_assert_false(codec->decode(dec, blob, size, &to, 1, &err));
            g_assert_nonnull(strstr(error_get_pretty(err),
                                    room[i] < 64 ? "too many" : "too few"));
            error_free_or_abort(&err);
        }
    }
}

static void test_rubbish(const void *data)
{
    const Case *c = data;
    const MultiFDCodec *codec = multifd_codec(c->method);
    g_autofree uint8_t *in = g_malloc(MULTIFD_PACKET_BYTES);
    g_autofree uint8_t *out = g_malloc(MULTIFD_PACKET_BYTES);
    g_autofree uint8_t *blob = g_malloc(MULTIFD_BLOB_MAX);
    struct iovec iov = { in, MULTIFD_PACKET_BYTES };
    struct iovec to = { out, MULTIFD_PACKET_BYTES };
    unsigned refused = 0;

    fill(in, MULTIFD_PACKET_BYTES, 0);
    for (unsigned k = 0; k < 20; k++) {
        g_autoptr(MultiFDStream) enc = codec->encoder(c->level, &error_abort);
        g_autoptr(MultiFDStream) dec = codec->decoder(&error_abort);
        size_t size = codec->encode(enc, &iov, 1, blob, &error_abort);
        Error *err = NULL;

        blob[(size_t)k * k * 311 % size] ^= 1 << k % 8;
        if (!codec->decode(dec, blob, size, &to, 1, &err)) {
            error_free_or_abort(&err);
            refused++;
        } else {
            g_assert_null(err);
        }
    }
    /* A flipped bit of a stored or coded byte may only change a page. */
    g_assert_cmpuint(refused, >, 0);
}

/* An end of the stream inside. */
static void test_zlib_end(void)
{
    const MultiFDCodec *codec = &multifd_codec_zlib;
    g_autoptr(MultiFDStream) dec = codec->decoder(&error_abort);
    g_autofree uint8_t *in = g_malloc0(2 * RAM_PAGE_SIZE);
    g_autofree uint8_t *out = g_malloc(2 * RAM_PAGE_SIZE);
    uint8_t blob[1024];
    uLongf len = sizeof(blob);
    struct iovec to = { out, RAM_PAGE_SIZE };
    Error *err = NULL;

    g_assert_cmpint(compress(blob, &len, in, RAM_PAGE_SIZE), ==, Z_OK);
    g_assert_false(codec->decode(dec, blob, len, &to, 1, &err));
    error_free_or_abort(&err);
}

static void test_zlib_header(void)
{
    static const uint8_t bad[][2] = {
        { 0x79, 0x01 }, /* not deflate */
        { 0x88, 0x1c }, /* window too large */
        { 0x78, 0x20 }, /* dictionary, and a wrong check */
        { 0x78, 0x02 }, /* wrong check */
    };
    uint8_t out[RAM_PAGE_SIZE];
    struct iovec to = { out, sizeof(out) };
    Error *err = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(MultiFDStream) dec = multifd_codec_zlib.decoder(&error_abort);

        g_assert_false(multifd_codec_zlib.decode(dec, bad[i], 2, &to, 1, &err));
        g_assert_cmpstr(error_get_pretty(err), ==,
                        "zlib stream begins with a bad header");
        error_free_or_abort(&err);
    }
}

/* Our stream through zlib page by page, as 7.2 reads it. */
static void test_zlib_reads(const void *data)
{
    const Case *c = data;
    g_autoptr(MultiFDStream) enc =
        multifd_codec_zlib.encoder(c->level, &error_abort);
    g_autofree uint8_t *in = g_malloc(MULTIFD_PACKET_BYTES);
    g_autofree uint8_t *blob = g_malloc(MULTIFD_BLOB_MAX);
    uint8_t page[RAM_PAGE_SIZE];
    z_stream z = { 0 };

    g_assert_cmpint(inflateInit(&z), ==, Z_OK);
    for (unsigned k = 0; k < PACKETS; k++) {
        size_t len = packet_pages(k) * RAM_PAGE_SIZE;
        struct iovec iov = { in, len };

        fill(in, len, k);
        z.avail_in =
            multifd_codec_zlib.encode(enc, &iov, 1, blob, &error_abort);
        z.next_in = blob;
        for (size_t done = 0; done < len; done += RAM_PAGE_SIZE) {
            z.next_out = page;
            z.avail_out = RAM_PAGE_SIZE;
            g_assert_cmpint(inflate(&z, Z_SYNC_FLUSH), ==, Z_OK);
            g_assert_cmpuint(z.avail_out, ==, 0);
            g_assert_cmpmem(page, RAM_PAGE_SIZE, in + done, RAM_PAGE_SIZE);
        }
        g_assert_cmpuint(z.avail_in, ==, 0);
    }
    inflateEnd(&z);
}

/* What 7.2 writes, page by page with zlib, through ours. */
static void test_zlib_writes(void)
{
    g_autoptr(MultiFDStream) dec = multifd_codec_zlib.decoder(&error_abort);
    g_autofree uint8_t *in = g_malloc(MULTIFD_PACKET_BYTES);
    g_autofree uint8_t *out = g_malloc(MULTIFD_PACKET_BYTES);
    g_autofree uint8_t *blob = g_malloc(MULTIFD_BLOB_MAX);
    z_stream z = { 0 };

    g_assert_cmpint(deflateInit(&z, 1), ==, Z_OK);
    for (unsigned k = 0; k < PACKETS; k++) {
        size_t len = packet_pages(k) * RAM_PAGE_SIZE;
        struct iovec iov[MULTIFD_PAGES_MAX];

        fill(in, len, k);
        z.next_out = blob;
        z.avail_out = MULTIFD_BLOB_MAX;
        for (size_t done = 0; done < len; done += RAM_PAGE_SIZE) {
            bool last = done + RAM_PAGE_SIZE == len;

            z.next_in = in + done;
            z.avail_in = RAM_PAGE_SIZE;
            g_assert_cmpint(deflate(&z, last ? Z_SYNC_FLUSH : Z_NO_FLUSH), ==,
                            Z_OK);
        }
        g_assert_true(multifd_codec_zlib.decode(
            dec, blob, MULTIFD_BLOB_MAX - z.avail_out, iov,
            pieces(out, len, iov), &error_abort));
        g_assert_cmpmem(out, len, in, len);
    }
    deflateEnd(&z);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        g_autofree char *base =
            g_strdup_printf("/multifd-compress/%s", c->name);
        g_autofree char *stream = g_strdup_printf("%s/stream", base);
        g_autofree char *size = g_strdup_printf("%s/size", base);
        g_autofree char *rubbish = g_strdup_printf("%s/rubbish", base);
        g_autofree char *reads = g_strdup_printf("%s/zlib-reads", base);

        g_test_add_data_func(stream, c, test_stream);
        if (c->level <= 1) {
            g_test_add_data_func(size, c, test_size);
            g_test_add_data_func(rubbish, c, test_rubbish);
        }
        if (c->method == MULTIFD_METHOD_ZLIB) {
            g_test_add_data_func(reads, c, test_zlib_reads);
        }
    }
    g_test_add_func("/multifd-compress/zlib/end", test_zlib_end);
    g_test_add_func("/multifd-compress/zlib/header", test_zlib_header);
    g_test_add_func("/multifd-compress/zlib/writes", test_zlib_writes);
    return g_test_run();
}
