/*
 * Telnet codec: golden transcripts both ways, and every transcript also byte
 * by byte.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/telnet-internal.h"

typedef struct Run {
    GByteArray *data;
    GByteArray *replies;
    GString *events; /* "B" break, "R" ready, "E" error */
} Run;

static void run_init(Run *r)
{
    r->data = g_byte_array_new();
    r->replies = g_byte_array_new();
    r->events = g_string_new(NULL);
}

static void run_clear(Run *r)
{
    g_byte_array_unref(r->data);
    g_byte_array_unref(r->replies);
    g_string_free(r->events, TRUE);
}

static void take_reply(TelnetCodec *t, Run *r)
{
    uint8_t buf[TELNET_REPLY_MAX];
    size_t n = telnet_take_reply(t, buf);

    g_byte_array_append(r->replies, buf, n);
}

static void feed(TelnetCodec *t, Run *r, const void *in, size_t len,
                 size_t step)
{
    const uint8_t *p = in;

    while (len > 0) {
        size_t n = MIN(step, len), out_len;
        g_autofree uint8_t *out = g_malloc(n + 1);
        TelnetEvent event;
        size_t used = telnet_decode(t, p, n, out, &out_len, &event);

        g_assert_cmpuint(used, <=, n);
        g_assert_cmpuint(out_len, <=, n + 1);
        g_byte_array_append(r->data, out, out_len);
        if (event != TELNET_EVENT_NONE) {
            g_string_append_c(r->events, " BRE"[event]);
        }
        g_assert_true(used > 0 || t->reply_len > 0);
        take_reply(t, r);
        p += used;
        len -= used;
    }
}

typedef struct Golden {
    const char *name;
    TelnetRole role;
    const char *in;
    size_t in_len;
    const char *data;
    size_t data_len;
    const char *replies; /* after the opening */
    size_t replies_len;
    const char *events;
} Golden;

#define S(s) s, sizeof(s) - 1

/* From RFC 854, 855, 856, 1091, 1143 and what Linux's telnet sends. */
static const Golden golden[] = {
    { "plain", TELNET_SERVER, S("hello\n"), S("hello\n"), S(""), "" },
    { "iac-doubled", TELNET_SERVER,
      S("a\xff\xff"
        "b"),
      S("a\xff"
        "b"),
      S(""), "" },
    { "nop-ignored", TELNET_SERVER,
      S("a\xff\xf1"
        "b\xff\xf2"),
      S("ab"), S(""), "" },
    { "break", TELNET_SERVER,
      S("a\xff\xf3"
        "b"),
      S("ab"), S(""), "B" },
    { "signals", TELNET_SERVER, S("\xff\xf4\xff\xf7\xff\xf8"),
      S("\x03\x7f\x15"), S(""), "" },
    { "are-you-there", TELNET_SERVER, S("\xff\xf6"), S(""), S("\r\n[yes]\r\n"),
      "" },
    { "cr-nul", TELNET_SERVER, S("a\r\0b\r\nc"), S("a\rb\r\nc"), S(""), "" },
    /* Linux telnet: agrees to echo, SGA and binary: no further replies. */
    { "agreement", TELNET_SERVER,
      S("\xff\xfd\x01\xff\xfd\x03\xff\xfd\x00\xff\xfb\x00"
        "x\r\0"),
      S("x\r\0"), S(""), "" },
    { "unknown-refused", TELNET_SERVER,
      S("\xff\xfd\x22\xff\xfb\x1f\xff\xfb\x22"), S(""),
      S("\xff\xfc\x22\xff\xfe\x1f\xff\xfe\x22"), "" },
    { "no-reply-to-refusal", TELNET_SERVER, S("\xff\xfe\x22\xff\xfc\x1f"),
      S(""), S(""), "" },
    { "client-refuses", TELNET_SERVER, S("\xff\xfe\x00\xff\xfc\x00"), S(""),
      S(""), "" },
    { "subnegotiation-skipped", TELNET_SERVER,
      S("a\xff\xfa\x1f\x00\x50\xff\xff\x18\xff\xf0"
        "b"),
      S("ab"), S(""), "" },
    { "client-follows", TELNET_CLIENT,
      S("\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00\xff\xfd\x00"
        "hi"),
      S("hi"), S("\xff\xfd\x01\xff\xfd\x03\xff\xfd\x00\xff\xfb\x00"), "" },
    { "client-ttype", TELNET_CLIENT, S("\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0"),
      S(""), S("\xff\xfb\x18\xff\xfa\x18\x00UNKNOWN\xff\xf0"), "" },
    { "no-loop", TELNET_CLIENT, S("\xff\xfb\x03\xff\xfb\x03\xff\xfb\x03"),
      S(""), S("\xff\xfd\x03"), "" },
    { "tn3270", TELNET_TN3270_SERVER,
      S("\xff\xfb\x18\xff\xfa\x18\x00IBM-3279-2-E\xff\xf0"
        "\xff\xfb\x19\xff\xfd\x19\xff\xfb\x00\xff\xfd\x00"
        "\x7d\xff\xff\xff\xef"),
      S("\x7d\xff\xff\xff\xef"),
      S("\xff\xfa\x18\x01\xff\xf0"
        "\xff\xfd\x19\xff\xfb\x19\xff\xfd\x00\xff\xfb\x00"),
      "R" },
    { "tn3270-refused", TELNET_TN3270_SERVER, S("\xff\xfc\x18"), S(""), S(""),
      "E" },
};

static void test_golden(gconstpointer opaque)
{
    const Golden *g = opaque;

    for (size_t step = 1; step <= g->in_len; step++) {
        TelnetCodec t;
        Run r;

        run_init(&r);
        telnet_init(&t, g->role);
        t.reply_len = 0;
        feed(&t, &r, g->in, g->in_len, step);
        g_assert_cmpmem(r.data->data, r.data->len, g->data, g->data_len);
        g_assert_cmpmem(r.replies->data, r.replies->len, g->replies,
                        g->replies_len);
        g_assert_cmpstr(r.events->str, ==, g->events);
        run_clear(&r);
    }
}

static void test_opening(void)
{
    TelnetCodec t;
    uint8_t buf[TELNET_REPLY_MAX];
    size_t n;

    telnet_init(&t, TELNET_SERVER);
    n = telnet_take_reply(&t, buf);
    g_assert_cmpmem(buf, n, "\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00\xff\xfd\x00",
                    12);
    telnet_init(&t, TELNET_TN3270_SERVER);
    g_assert_false(t.ready);
    n = telnet_take_reply(&t, buf);
    g_assert_cmpmem(buf, n, "\xff\xfd\x18", 3);
    telnet_init(&t, TELNET_CLIENT);
    g_assert_cmpuint(telnet_take_reply(&t, buf), ==, 0);
}

static char *encode(TelnetCodec *t, const char *in, size_t len, size_t room,
                    size_t *ret_len)
{
    GByteArray *all = g_byte_array_new();

    while (len > 0) {
        g_autofree uint8_t *out = g_malloc(room);
        size_t out_len;
        size_t used =
            telnet_encode(t, (const uint8_t *)in, len, out, room, &out_len);

        g_assert_cmpuint(used, >, 0);
        g_assert_cmpuint(out_len, <=, room);
        g_byte_array_append(all, out, out_len);
        in += used;
        len -= used;
    }
    *ret_len = all->len;
    return (char *)g_byte_array_free(all, FALSE);
}

static void test_encode(void)
{
    for (size_t room = 3; room < 12; room++) {
        g_autofree char *nvt = NULL, *bin = NULL;
        TelnetCodec t;
        size_t n;

        telnet_init(&t, TELNET_SERVER);
        t.us[TELNET_OPT_BINARY] = TELNET_OPT_NO; /* refused */
        nvt = encode(&t, S("a\xff\r\nb\rc"), room, &n);
        g_assert_cmpmem(nvt, n, "a\xff\xff\r\nb\r\0c", 9);

        t.us[TELNET_OPT_BINARY] = TELNET_OPT_YES;
        bin = encode(&t, S("a\xff\rc"), room, &n);
        g_assert_cmpmem(bin, n, "a\xff\xff\rc", 5);
    }
}

/* A peer that negotiates without end must not grow anything. */
static void test_reply_room(void)
{
    g_autofree char *flood = g_malloc(30000);
    TelnetCodec t;
    Run r;

    for (int i = 0; i < 30000; i += 3) {
        memcpy(flood + i, "\xff\xfd\x22", 3);
    }
    run_init(&r);
    telnet_init(&t, TELNET_SERVER);
    feed(&t, &r, flood, 30000, 4096);
    g_assert_cmpuint(r.replies->len, <, 3 * (TELNET_NEGOTIATION_MAX + 10));
    g_assert_cmpint(r.events->str[0], ==, 'E');
    run_clear(&r);
}

static void test_random(void)
{
    for (int round = 0; round < 2000; round++) {
        uint8_t in[256];
        TelnetCodec t;
        Run r;

        for (gsize i = 0; i < sizeof(in); i++) {
            int x = g_test_rand_int_range(0, 512);

            in[i] = x < 256 ? x : x < 384 ? 0xff : 239 + x % 17;
        }
        run_init(&r);
        telnet_init(&t, round % 3);
        feed(&t, &r, in, sizeof(in), 1 + round % 100);
        run_clear(&r);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(golden); i++) {
        g_autofree char *path =
            g_strconcat("/telnet/golden/", golden[i].name, NULL);

        g_test_add_data_func(path, &golden[i], test_golden);
    }
    g_test_add_func("/telnet/opening", test_opening);
    g_test_add_func("/telnet/encode", test_encode);
    g_test_add_func("/telnet/reply-room", test_reply_room);
    g_test_add_func("/telnet/random", test_random);
    return g_test_run();
}
