/*
 * Codec of the return path: golden bytes both ways, every length that a type
 * cannot have, hostile names and texts, bitmaps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/return/wire.h"
#include "util/bitmap.h"

typedef struct Golden {
    const char *name;
    ReturnMessage msg;
    const uint8_t *wire;
    size_t len;
} Golden;

#define WIRE(bytes) (const uint8_t *)(bytes), sizeof(bytes) - 1

static const Golden golden[] = {
    { "shut-ok", { .type = RETURN_SHUT }, WIRE("\0\1\0\4\0\0\0\0") },
    { "shut-error",
      { .type = RETURN_SHUT, .value = 1 },
      WIRE("\0\1\0\4\0\0\0\1") },
    { "shut-text",
      { .type = RETURN_SHUT, .value = 0x102, .text = "no disk" },
      WIRE("\0\1\0\13\0\0\1\2no disk") },
    { "pong",
      { .type = RETURN_PONG, .value = 0x01020304 },
      WIRE("\0\2\0\4\1\2\3\4") },
    { "req-pages-id",
      { .type = RETURN_REQ_PAGES_ID,
        .start = 0x123456789000,
        .len = 0x200000,
        .name = "pc.ram" },
      WIRE("\0\3\0\23\0\0\x12\x34\x56\x78\x90\0\0\x20\0\0\6pc.ram") },
    { "req-pages",
      { .type = RETURN_REQ_PAGES, .start = 0x7000, .len = 0x1000 },
      WIRE("\0\4\0\14\0\0\0\0\0\0\x70\0\0\0\x10\0") },
    { "recv-bitmap",
      { .type = RETURN_RECV_BITMAP, .name = "0000:00:02.0/vga.vram" },
      WIRE("\0\5\0\26\25"
           "0000:00:02.0/vga.vram") },
    { "resume-ack",
      { .type = RETURN_RESUME_ACK_MSG, .value = 1 },
      WIRE("\0\6\0\4\0\0\0\1") },
    { "switchover-ack", { .type = RETURN_SWITCHOVER_ACK }, WIRE("\0\7\0\0") },
};

static bool decode(const uint8_t *wire, size_t len, ReturnMessage *ret,
                   Error **errp)
{
    ReturnType type;
    uint16_t payload;

    g_assert_cmpuint(len, >=, RETURN_HEADER_LEN);
    return return_header_decode(wire, &type, &payload, errp) &&
           payload == len - RETURN_HEADER_LEN &&
           return_payload_decode(type, wire + RETURN_HEADER_LEN, payload, ret,
                                 errp);
}

static void test_golden(gconstpointer data)
{
    const Golden *g = data;
    uint8_t buf[RETURN_MESSAGE_MAX];
    ReturnMessage msg;
    size_t len = return_encode(&g->msg, buf);

    g_assert_cmpmem(buf, len, g->wire, g->len);
    g_assert_true(decode(g->wire, g->len, &msg, &error_abort));
    g_assert_cmpint(msg.type, ==, g->msg.type);
    g_assert_cmpuint(msg.value, ==, g->msg.value);
    g_assert_cmpuint(msg.start, ==, g->msg.start);
    g_assert_cmpuint(msg.len, ==, g->msg.len);
    g_assert_cmpstr(msg.name, ==, g->msg.name);
    g_assert_cmpstr(msg.text, ==, g->msg.text);
}

static void test_longest(void)
{
    ReturnMessage msg = { .type = RETURN_SHUT, .value = 1 }, got;
    uint8_t buf[RETURN_MESSAGE_MAX];
    size_t len;

    memset(msg.text, 'x', RETURN_TEXT_MAX);
    len = return_encode(&msg, buf);
    g_assert_cmpuint(len, ==, RETURN_MESSAGE_MAX);
    g_assert_true(decode(buf, len, &got, &error_abort));
    g_assert_cmpstr(got.text, ==, msg.text);

    msg = (ReturnMessage){ .type = RETURN_REQ_PAGES_ID, .len = 4096 };
    memset(msg.name, 'n', RAM_BLOCK_NAME_MAX);
    len = return_encode(&msg, buf);
    g_assert_true(decode(buf, len, &got, &error_abort));
    g_assert_cmpstr(got.name, ==, msg.name);
}

/* Which payload lengths each type takes. */
static void test_lengths(void)
{
    static const struct {
        unsigned type, min, max;
    } types[] = {
        { 0, 1, 0 },   { 1, 4, 512 },    { 2, 4, 4 }, { 3, 14, 268 },
        { 4, 12, 12 }, { 5, 2, 256 },    { 6, 4, 4 }, { 7, 0, 0 },
        { 8, 1, 0 },   { 0xffff, 1, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        for (unsigned len = 0; len <= 0xffff; len += len < 600 ? 1 : 997) {
            uint8_t hdr[] = { types[i].type >> 8, types[i].type & 0xff,
                              len >> 8, len & 0xff };
            bool want = len >= types[i].min && len <= types[i].max;
            Error *err = NULL;
            ReturnType type;
            uint16_t got;

            g_assert_cmpint(return_header_decode(hdr, &type, &got, &err), ==,
                            want);
            g_assert_true(want == !err);
            error_free(err);
        }
    }
}

static void expect_bad(const char *bytes, size_t len)
{
    Error *err = NULL;
    ReturnMessage msg = { .type = RETURN_PONG, .value = 77 };

    g_assert_false(decode((const uint8_t *)bytes, len, &msg, &err));
    error_free_or_abort(&err);
    g_assert_cmpuint(msg.value, ==, 77);
}

static void test_bad_names(void)
{
    /* Name length beyond the message, short of it, 0; a NUL inside. */
    expect_bad("\0\5\0\4\4abc", 8);
    expect_bad("\0\5\0\4\2abc", 8);
    expect_bad("\0\5\0\4\0abc", 8);
    expect_bad("\0\5\0\4\3a\0c", 8);
    expect_bad("\0\3\0\17\0\0\0\0\0\0\0\0\0\0\x10\0\3ab", 19);
}

static void test_text_is_clean(void)
{
    ReturnMessage msg;

    g_assert_true(decode((const uint8_t *)"\0\1\0\12\0\0\0\1a\33[\0\xc3\n", 14,
                         &msg, &error_abort));
    g_assert_cmpstr(msg.text, ==, "a?[???");
}

static void test_bitmap(void)
{
    static const unsigned sizes[] = { 1, 8, 63, 64, 65, 127, 1000 };

    g_assert_cmpuint(return_bitmap_bytes(0), ==, 0);
    g_assert_cmpuint(return_bitmap_bytes(64), ==, 8);
    g_assert_cmpuint(return_bitmap_bytes(65), ==, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        unsigned pages = sizes[i];
        size_t bytes = return_bitmap_bytes(pages);
        g_autofree unsigned long *bitmap = bitmap_new(pages);
        g_autofree unsigned long *back = bitmap_new(pages);
        g_autofree uint8_t *wire = g_malloc(bytes);

        /* Bits beyond the pages must not go out. */
        memset(bitmap, 0xff, BITS_TO_LONGS(pages) * sizeof(long));
        for (unsigned p = 0; p < pages; p += 3) {
            clear_bit(p, bitmap);
        }
        return_bitmap_encode(bitmap, pages, wire);
        for (unsigned p = 0; p < bytes * 8; p++) {
            g_assert_cmpint((wire[p / 8] >> (p % 8)) & 1, ==,
                            p < pages && p % 3 != 0);
        }
        wire[bytes - 1] |= pages % 8 ? 0x80 : 0;
        return_bitmap_decode(wire, pages, back);
        for (unsigned p = 0; p < pages; p++) {
            g_assert_cmpint(test_bit(p, back), ==, p % 3 != 0);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(golden); i++) {
        g_autofree char *path =
            g_strconcat("/return-wire/golden/", golden[i].name, NULL);

        g_test_add_data_func(path, &golden[i], test_golden);
    }
    g_test_add_func("/return-wire/longest", test_longest);
    g_test_add_func("/return-wire/lengths", test_lengths);
    g_test_add_func("/return-wire/bad-names", test_bad_names);
    g_test_add_func("/return-wire/text-is-clean", test_text_is_clean);
    g_test_add_func("/return-wire/bitmap", test_bitmap);
    return g_test_run();
}
