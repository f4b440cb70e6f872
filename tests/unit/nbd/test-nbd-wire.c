/*
 * The NBD codec against bytes as the protocol document has them, both ways,
 * and against what it forbids.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "nbd/nbd-wire.h"

/* "00 01 ff" */
static GByteArray *hex(const char *text)
{
    GByteArray *a = g_byte_array_new();

    for (; *text; text++) {
        if (*text != ' ') {
            uint8_t b = (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 |
                                  g_ascii_xdigit_value(text[1]));

            g_byte_array_append(a, &b, 1);
            text++;
        }
    }
    return a;
}

static void assert_bytes(const void *got, size_t len, const char *want)
{
    g_autoptr(GByteArray) w = hex(want);

    g_assert_cmpmem(got, len, w->data, w->len);
}

/* -- requests -------------------------------------------------------------- */

/* Field by field: the structs have holes. */
static void assert_same_request(const NBDRequest *a, const NBDRequest *b)
{
    g_assert_cmpuint(a->flags, ==, b->flags);
    g_assert_cmpuint(a->type, ==, b->type);
    g_assert_cmpuint(a->cookie, ==, b->cookie);
    g_assert_cmpuint(a->offset, ==, b->offset);
    g_assert_cmpuint(a->length, ==, b->length);
}

static void assert_same_reply(const NBDReply *a, const NBDReply *b)
{
    g_assert_cmpint(a->simple, ==, b->simple);
    g_assert_cmpuint(a->error, ==, b->error);
    g_assert_cmpuint(a->flags, ==, b->flags);
    g_assert_cmpuint(a->type, ==, b->type);
    g_assert_cmpuint(a->cookie, ==, b->cookie);
    g_assert_cmpuint(a->offset, ==, b->offset);
    g_assert_cmpuint(a->length, ==, b->length);
}

static void test_request(void)
{
    static const char compact[] = "25609513 0001 0001 1122334455667788 "
                                  "0000000000001000 00000200";
    static const char extended[] = "21e41c71 0021 0001 1122334455667788 "
                                   "0000000000001000 0000000000000200";
    NBDRequest r = { NBD_CMD_FLAG_FUA, NBD_CMD_WRITE, 0x1122334455667788,
                     0x1000, 0x200 };
    uint8_t buf[NBD_REQUEST_EXT_SIZE];
    NBDRequest back = { 0 };

    g_assert_cmpuint(nbd_request_encode(NBD_MODE_SIMPLE, &r, buf), ==, 28);
    assert_bytes(buf, 28, compact);
    g_assert_true(nbd_request_decode(NBD_MODE_STRUCTURED, buf, &back));
    assert_same_request(&r, &back);
    g_assert_false(nbd_request_decode(NBD_MODE_EXTENDED, buf, &back));

    r.flags |= NBD_CMD_FLAG_PAYLOAD_LEN;
    g_assert_cmpuint(nbd_request_encode(NBD_MODE_EXTENDED, &r, buf), ==, 32);
    assert_bytes(buf, 32, extended);
    g_assert_true(nbd_request_decode(NBD_MODE_EXTENDED, buf, &back));
    assert_same_request(&r, &back);
    g_assert_false(nbd_request_decode(NBD_MODE_SIMPLE, buf, &back));
}

/* -- replies ----------------------------------------------------------------- */

typedef struct ReplyCase {
    NBDMode mode;
    const char *bytes;
    NBDReply reply;
} ReplyCase;

static const ReplyCase reply_cases[] = {
    { NBD_MODE_SIMPLE,
      "67446698 00000005 0102030405060708",
      { .simple = true, .error = 5, .cookie = 0x0102030405060708 } },
    { NBD_MODE_STRUCTURED,
      "668e33ef 0001 0001 0102030405060708 00000009",
      { .flags = 1, .type = 1, .cookie = 0x0102030405060708, .length = 9 } },
    { NBD_MODE_EXTENDED,
      "6e8a278c 0001 8001 0102030405060708 0000000000000200 0000000000000006",
      { .flags = 1,
        .type = NBD_REPLY_TYPE_ERROR,
        .cookie = 0x0102030405060708,
        .offset = 0x200,
        .length = 6 } },
};

static void test_reply(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(reply_cases); i++) {
        const ReplyCase *c = &reply_cases[i];
        g_autoptr(GByteArray) bytes = hex(c->bytes);
        uint8_t buf[NBD_REPLY_EXT_SIZE];
        NBDReply back;

        g_assert_cmpuint(nbd_reply_encode(c->mode, &c->reply, buf), ==,
                         bytes->len);
        assert_bytes(buf, bytes->len, c->bytes);
        for (guint n = 0; n < bytes->len; n++) {
            g_assert_cmpint(nbd_reply_decode(c->mode, buf, n, &back), ==, 0);
        }
        g_assert_cmpint(nbd_reply_decode(c->mode, buf, bytes->len, &back), ==,
                        (int)bytes->len);
        assert_same_reply(&back, &c->reply);
    }
}

/* A frame that was not agreed on is no reply. */
static void test_reply_of_another_mode(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(reply_cases); i++) {
        const ReplyCase *c = &reply_cases[i];
        g_autoptr(GByteArray) bytes = hex(c->bytes);

        for (NBDMode m = NBD_MODE_SIMPLE; m <= NBD_MODE_EXTENDED; m++) {
            bool both = c->reply.simple && m == NBD_MODE_STRUCTURED;
            NBDReply back;

            if (m != c->mode && !both) {
                g_assert_cmpint(nbd_reply_decode(m, bytes->data, bytes->len,
                                                 &back),
                                ==, -1);
            }
        }
    }
}

/* -- block status --------------------------------------------------------------- */

static void test_status(void)
{
    static const NBDExtent ext[] = { { 0x1000, 3 }, { 0x200, 0 } };
    NBDExtent back[2];
    uint8_t buf[64];
    uint32_t context = 0;

    g_assert_cmpuint(nbd_status_size(false, 2), ==, 20);
    nbd_status_encode(false, 7, ext, 2, buf);
    assert_bytes(buf, 20, "00000007 00001000 00000003 00000200 00000000");
    g_assert_cmpint(nbd_status_decode(false, buf, 20, &context, back, 2), ==,
                    2);
    g_assert_cmpuint(context, ==, 7);
    g_assert_cmpmem(back, sizeof(back), ext, sizeof(ext));

    g_assert_cmpuint(nbd_status_size(true, 2), ==, 40);
    nbd_status_encode(true, 7, ext, 2, buf);
    assert_bytes(buf, 40,
                 "00000007 00000002 0000000000001000 0000000000000003 "
                 "0000000000000200 0000000000000000");
    g_assert_cmpint(nbd_status_decode(true, buf, 40, &context, back, 1), ==, 1);
    buf[7] = 0; /* the count may be left out, but not wrong */
    g_assert_cmpint(nbd_status_decode(true, buf, 40, &context, back, 2), ==, 2);
    buf[7] = 3;
    g_assert_cmpint(nbd_status_decode(true, buf, 40, &context, back, 2), ==,
                    -1);
}

static void test_status_malformed(void)
{
    static const NBDExtent ext[] = { { 0, 0 } };
    NBDExtent back[2];
    uint8_t buf[64] = { 0 };
    uint32_t context;

    for (size_t len = 0; len < 12; len++) {
        g_assert_cmpint(nbd_status_decode(false, buf, len, &context, back, 2),
                        ==, -1);
    }
    g_assert_cmpint(nbd_status_decode(false, buf, 13, &context, back, 2), ==,
                    -1);
    nbd_status_encode(false, 1, ext, 1, buf); /* length 0 */
    g_assert_cmpint(nbd_status_decode(false, buf, 12, &context, back, 2), ==,
                    -1);
}

/* -- errors ------------------------------------------------------------------------ */

static void test_error_chunk(void)
{
    g_autoptr(GByteArray) b = hex("0000001c 0003 6e6f21 0000000000000200");
    NBDErrorChunk e;

    g_assert_true(
        nbd_error_decode(NBD_REPLY_TYPE_ERROR_OFFSET, b->data, b->len, &e));
    g_assert_cmpuint(e.error, ==, 28);
    g_assert_cmpstr(e.message, ==, "no!");
    g_assert_true(e.has_offset);
    g_assert_cmpuint(e.offset, ==, 0x200);
    g_free(e.message);
    g_assert_false(
        nbd_error_decode(NBD_REPLY_TYPE_ERROR_OFFSET, b->data, b->len - 1, &e));
    b->data[5] = 200; /* text longer than the chunk */
    g_assert_false(nbd_error_decode(NBD_REPLY_TYPE_ERROR, b->data, b->len, &e));
    b->data[3] = 0; /* success is no error */
    b->data[5] = 0;
    g_assert_false(nbd_error_decode(NBD_REPLY_TYPE_ERROR, b->data, b->len, &e));
}

static void test_errno(void)
{
    static const int there_and_back[] = {
        EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN
    };

    for (size_t i = 0; i < G_N_ELEMENTS(there_and_back); i++) {
        g_assert_cmpint(
            nbd_errno_from_wire(nbd_errno_to_wire(there_and_back[i])), ==,
            there_and_back[i]);
    }
    g_assert_cmpuint(nbd_errno_to_wire(EROFS), ==, 1);
    g_assert_cmpuint(nbd_errno_to_wire(EFBIG), ==, 28);
    g_assert_cmpuint(nbd_errno_to_wire(EDQUOT), ==, 28);
    g_assert_cmpuint(nbd_errno_to_wire(EHOSTDOWN), ==, 5);
    g_assert_cmpint(nbd_errno_from_wire(12345), ==, EINVAL);
}

/* -- options ----------------------------------------------------------------------- */

static void test_greeting(void)
{
    uint8_t buf[NBD_GREETING_NEW];
    g_autoptr(GByteArray) old = hex("4e42444d41474943 0000420281861253");

    nbd_greeting_encode(3, buf);
    assert_bytes(buf, sizeof(buf), "4e42444d41474943 49484156454f5054 0003");
    g_assert_cmpint(nbd_greeting_style(buf), ==, NBD_STYLE_NEW);
    g_assert_cmpint(nbd_greeting_style(old->data), ==, NBD_STYLE_OLD);
    buf[0]++;
    g_assert_cmpint(nbd_greeting_style(buf), ==, NBD_STYLE_BAD);
}

static void test_option_frames(void)
{
    NBDOptHeader h = { NBD_OPT_GO, 5 }, h2 = { 0 };
    NBDOptReply r = { NBD_OPT_GO, NBD_REP_ERR_TLS_REQD, 3 }, r2 = { 0 };
    uint8_t buf[NBD_OPT_REPLY_HEADER];

    nbd_opt_encode(&h, buf);
    assert_bytes(buf, NBD_OPT_HEADER, "49484156454f5054 00000007 00000005");
    g_assert_true(nbd_opt_decode(buf, &h2));
    g_assert_cmpmem(&h, sizeof(h), &h2, sizeof(h2));
    buf[7] = 0;
    g_assert_false(nbd_opt_decode(buf, &h2));

    nbd_opt_reply_encode(&r, buf);
    assert_bytes(buf, sizeof(buf),
                 "0003e889045565a9 00000007 80000005 00000003");
    g_assert_true(nbd_opt_reply_decode(buf, &r2));
    g_assert_cmpmem(&r, sizeof(r), &r2, sizeof(r2));
    buf[0] = 1;
    g_assert_false(nbd_opt_reply_decode(buf, &r2));
}

static void test_info(void)
{
    static const NBDInfo infos[] = { NBD_INFO_BLOCK_SIZE };
    g_auto(WireBuffer) b = { 0 };
    g_auto(NBDOptInfo) back = { NULL };

    wire_writer_init(&b, 100, false);
    nbd_opt_info_encode(&b, "hi", infos, 1);
    assert_bytes(b.data, b.len, "00000002 6869 0001 0003");
    g_assert_true(nbd_opt_info_decode(b.data, b.len, &back));
    g_assert_cmpstr(back.name, ==, "hi");
    g_assert_cmpuint(back.infos, ==, 1u << NBD_INFO_BLOCK_SIZE);
    for (size_t n = 0; n < b.len; n++) {
        NBDOptInfo none;

        g_assert_false(nbd_opt_info_decode(b.data, n, &none));
    }
}

static void test_info_malformed(void)
{
    static const char *const bad[] = {
        "00000002 6869 0001 0003 00", /* something behind */
        "00000002 6800 0000",         /* NUL in the name */
        "00000002 68ff 0000",         /* no UTF-8 */
        "ffffffff 6869 0000",         "00001001 6869 0000", "00000000 ffff",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) b = hex(bad[i]);
        NBDOptInfo info;

        g_assert_false(nbd_opt_info_decode(b->data, b->len, &info));
    }
}

static void test_meta(void)
{
    static const char *const queries[] = { "base:", "x", NULL };
    g_auto(WireBuffer) b = { 0 };
    g_auto(NBDOptMeta) back = { NULL };

    wire_writer_init(&b, 100, false);
    nbd_opt_meta_encode(&b, "e", queries);
    assert_bytes(b.data, b.len,
                 "00000001 65 00000002 00000005 626173653a 00000001 78");
    g_assert_true(nbd_opt_meta_decode(b.data, b.len, &back));
    g_assert_cmpstr(back.name, ==, "e");
    g_assert_cmpuint(g_strv_length(back.queries), ==, 2);
    g_assert_cmpstr(back.queries[0], ==, "base:");
    for (size_t n = 0; n < b.len; n++) {
        NBDOptMeta none;

        g_assert_false(nbd_opt_meta_decode(b.data, n, &none));
    }
    b.wdata[8] = 9; /* more queries than there are */
    nbd_opt_meta_clear(&back);
    g_assert_false(nbd_opt_meta_decode(b.data, b.len, &back));
}

static void test_info_replies(void)
{
    static const NBDInfoReply size = { NBD_INFO_EXPORT, .size = 1 << 20,
                                       .flags = 0x6d };
    static const NBDInfoReply block = { NBD_INFO_BLOCK_SIZE, .min_block = 1,
                                        .preferred_block = 4096,
                                        .max_block = 1 << 25 };
    g_auto(WireBuffer) b = { 0 };
    g_auto(NBDInfoReply) back = { 0 };

    wire_writer_init(&b, 100, false);
    nbd_info_reply_encode(&b, &size);
    assert_bytes(b.data, b.len, "0000 0000000000100000 006d");
    g_assert_true(nbd_info_reply_decode(b.data, b.len, &back));
    g_assert_cmpuint(back.size, ==, 1 << 20);
    g_assert_false(nbd_info_reply_decode(b.data, b.len - 1, &back));
    wire_reset(&b);
    nbd_info_reply_encode(&b, &block);
    assert_bytes(b.data, b.len, "0003 00000001 00001000 02000000");
    g_assert_true(nbd_info_reply_decode(b.data, b.len, &back));
    g_assert_cmpuint(back.preferred_block, ==, 4096);
}

static void test_names(void)
{
    g_assert_cmpstr(nbd_opt_name(NBD_OPT_GO), ==, "GO");
    g_assert_cmpstr(nbd_rep_name(NBD_REP_ERR_TLS_REQD), ==, "ERR_TLS_REQD");
    g_assert_cmpstr(nbd_cmd_name(NBD_CMD_WRITE_ZEROES), ==, "WRITE_ZEROES");
    g_assert_cmpstr(nbd_reply_type_name(5), ==, "BLOCK_STATUS");
    g_assert_cmpstr(nbd_error_name(108), ==, "ESHUTDOWN");
    g_assert_cmpstr(nbd_error_name(77), ==, "unknown");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd/wire/request", test_request);
    g_test_add_func("/nbd/wire/reply", test_reply);
    g_test_add_func("/nbd/wire/reply-of-another-mode",
                    test_reply_of_another_mode);
    g_test_add_func("/nbd/wire/status", test_status);
    g_test_add_func("/nbd/wire/status-malformed", test_status_malformed);
    g_test_add_func("/nbd/wire/error-chunk", test_error_chunk);
    g_test_add_func("/nbd/wire/errno", test_errno);
    g_test_add_func("/nbd/wire/greeting", test_greeting);
    g_test_add_func("/nbd/wire/option-frames", test_option_frames);
    g_test_add_func("/nbd/wire/info", test_info);
    g_test_add_func("/nbd/wire/info-malformed", test_info_malformed);
    g_test_add_func("/nbd/wire/meta", test_meta);
    g_test_add_func("/nbd/wire/info-replies", test_info_replies);
    g_test_add_func("/nbd/wire/names", test_names);
    return g_test_run();
}
