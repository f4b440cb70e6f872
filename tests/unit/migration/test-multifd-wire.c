/*
 * Multifd's codecs: golden bytes, round trips, and every field out of bounds.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/wire.h"
#include "util/bswap.h"

static const uint8_t golden_hello[MULTIFD_HELLO_SIZE] = {
    0x11, 0x22, 0x33, 0x44, 0,  0,  0,  1, /* magic, version */
    1,    2,    3,    4,    5,  6,  7,  8,
    9,    10,   11,   12,   13, 14, 15, 16, /* uuid */
    7,                                      /* id */
};

static void test_hello(void)
{
    MultiFDHello h = { .id = 7 }, back;
    uint8_t buf[MULTIFD_HELLO_SIZE];
    Error *err = NULL;

    for (int i = 0; i < 16; i++) {
        h.uuid[i] = i + 1;
    }
    memset(buf, 0xee, sizeof(buf));
    multifd_hello_encode(&h, buf);
    g_assert_cmpmem(buf, sizeof(buf), golden_hello, sizeof(golden_hello));
    g_assert_true(multifd_hello_decode(&back, buf, &error_abort));
    g_assert_cmpmem(&back, sizeof(back), &h, sizeof(h));

    buf[3]++;
    g_assert_false(multifd_hello_decode(&back, buf, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "magic is 0x11223345, not 0x11223344");
    error_free_or_abort(&err);
    buf[3]--;
    buf[7] = 2;
    g_assert_false(multifd_hello_decode(&back, buf, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "version is 2, not 1");
    error_free_or_abort(&err);
}

static MultiFDPacket *example(void)
{
    MultiFDPacket *p = g_new0(MultiFDPacket, 1);

    p->num = 0x0102030405060708;
    p->normal = 2;
    p->zero = 1;
    p->data_bytes = 2 * RAM_PAGE_SIZE;
    g_strlcpy(p->block, "pc.ram", sizeof(p->block));
    p->offset[0] = 0x1000;
    p->offset[1] = 0x123456000;
    p->offset[2] = 0;
    return p;
}

/* The layout of interface.md 4.5, written out once more. */
static void test_packet_golden(void)
{
    g_autofree MultiFDPacket *p = example();
    uint8_t buf[MULTIFD_HEADER_SIZE], want[MULTIFD_HEADER_SIZE] = { 0 };
    static const uint8_t head[] = {
        0x11, 0x22, 0x33, 0x44, 0, 0, 0,    1,   /* magic, version */
        0,    0,    0,    0,    0, 0, 0,    128, /* flags, pages_alloc */
        0,    0,    0,    2,    0, 0, 0x20, 0,   /* normal, next_packet_size */
        1,    2,    3,    4,    5, 6, 7,    8,   /* packet_num */
        0,    0,    0,    1,                     /* zero_pages */
    };

    memcpy(want, head, sizeof(head));
    memcpy(want + 64, "pc.ram", 6);
    want[320 + 6] = 0x10;
    memcpy(want + 328, (uint8_t[]){ 0, 0, 0, 1, 0x23, 0x45, 0x60, 0 }, 8);
    memset(buf, 0xee, sizeof(buf));
    multifd_packet_encode(p, buf);
    g_assert_cmpmem(buf, sizeof(buf), want, sizeof(want));

    p->method = MULTIFD_METHOD_ZSTD;
    p->sync = true;
    multifd_packet_encode(p, buf);
    g_assert_cmphex(ldl_be_p(buf + 8), ==, 2 << 1 | 1);
}

static void test_packet_round_trip(void)
{
    for (unsigned n = 0; n <= MULTIFD_PAGES_MAX; n++) {
        g_autofree MultiFDPacket *p = g_new0(MultiFDPacket, 1);
        g_autofree MultiFDPacket *back = g_new0(MultiFDPacket, 1);
        uint8_t buf[MULTIFD_HEADER_SIZE];

        p->num = n * 77;
        p->sync = n & 1;
        p->method = n % 3;
        p->normal = n / 3;
        p->zero = n - p->normal;
        p->data_bytes =
            p->method && p->normal ? 4711 + n : p->normal * RAM_PAGE_SIZE;
        for (unsigned i = 0; i < n; i++) {
            p->offset[i] = ((uint64_t)i * i * 977) << RAM_PAGE_BITS;
        }
        if (n > 0) {
            memset(p->block, 'x', 2 * n - 1);
        }
        multifd_packet_encode(p, buf);
        g_assert_true(multifd_packet_decode(back, buf, &error_abort));
        g_assert_cmpmem(back, sizeof(*back), p, sizeof(*p));
    }
}

static void test_packet_bounds(void)
{
    static const struct {
        unsigned pos;
        uint32_t value;
        const char *error;
    } bad[] = {
        { 0, 0x5145564d, "magic is 0x5145564d, not 0x11223344" },
        { 4, 2, "version is 2, not 1" },
        { 8, 0x100, "packet has unknown flags 0x100" },
        { 8, 3 << 1, "packet has unknown compression 3" },
        { 8, 4 << 1, "packet has unknown compression 4" },
        { 8, 31 << 1, "packet has unknown compression 31" },
        { 12, 129, "packet has room for 129 pages, more than 128" },
        { 16, 128, "packet has 128 pages and 1 zero pages, more than 128" },
        { 16, UINT32_MAX,
          "packet has 4294967295 pages and 1 zero pages, more than 128" },
        { 32, UINT32_MAX,
          "packet has 2 pages and 4294967295 zero pages, more than 128" },
        { 64, 0, "packet of 3 pages has a bad RAM block name" },
        { 324, 0x1001, "packet has page offset 0x1001 in 'pc.ram'" },
        { 340, 0x800, "packet has page offset 0x800 in 'pc.ram'" },
    };
    g_autofree MultiFDPacket *p = example();
    g_autofree MultiFDPacket *back = g_new0(MultiFDPacket, 1);
    uint8_t good[MULTIFD_HEADER_SIZE], buf[MULTIFD_HEADER_SIZE];
    Error *err = NULL;

    multifd_packet_encode(p, good);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        memcpy(buf, good, sizeof(buf));
        stl_be_p(buf + bad[i].pos, bad[i].value);
        g_assert_false(multifd_packet_decode(back, buf, &err));
        g_assert_cmpstr(error_get_pretty(err), ==, bad[i].error);
        error_free_or_abort(&err);
    }
    /* A name without end. */
    memcpy(buf, good, sizeof(buf));
    memset(buf + 64, 'a', 256);
    g_assert_false(multifd_packet_decode(back, buf, &err));
    error_free_or_abort(&err);
}

static void test_packet_blob_bounds(void)
{
    static const uint32_t bad[] = { 0, MULTIFD_BLOB_MAX + 1, UINT32_MAX };
    g_autofree MultiFDPacket *p = example();
    g_autofree MultiFDPacket *back = g_new0(MultiFDPacket, 1);
    uint8_t buf[MULTIFD_HEADER_SIZE];
    Error *err = NULL;

    p->method = MULTIFD_METHOD_ZLIB;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        p->data_bytes = bad[i];
        multifd_packet_encode(p, buf);
        g_assert_false(multifd_packet_decode(back, buf, &err));
        error_free_or_abort(&err);
    }
    p->data_bytes = MULTIFD_BLOB_MAX;
    multifd_packet_encode(p, buf);
    g_assert_true(multifd_packet_decode(back, buf, &error_abort));
    g_assert_cmpuint(back->data_bytes, ==, MULTIFD_BLOB_MAX);
    /* Without compression the number of pages tells. */
    p->method = MULTIFD_METHOD_NONE;
    p->data_bytes = UINT32_MAX;
    multifd_packet_encode(p, buf);
    g_assert_true(multifd_packet_decode(back, buf, &error_abort));
    g_assert_cmpuint(back->data_bytes, ==, 2 * RAM_PAGE_SIZE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/multifd-wire/hello", test_hello);
    g_test_add_func("/multifd-wire/packet/golden", test_packet_golden);
    g_test_add_func("/multifd-wire/packet/round-trip", test_packet_round_trip);
    g_test_add_func("/multifd-wire/packet/bounds", test_packet_bounds);
    g_test_add_func("/multifd-wire/packet/blob-bounds",
                    test_packet_blob_bounds);
    return g_test_run();
}
