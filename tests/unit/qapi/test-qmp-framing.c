/*
 * QMP framing: a transcript gives the same values and errors wherever it is
 * cut; limits hold; nothing inside a broken message becomes a message.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qmp-framing.h"
#include "util/error.h"

/* Feed @len bytes of @text; append what comes out to @log: values one a
 * line, errors as "!". */
static void feed(QmpDecoder *d, const char *text, size_t len, GString *log)
{
    const uint8_t *buf = (const uint8_t *)text;

    for (;;) {
        json_t *value = NULL;
        Error *err = NULL;
        QmpFrame frame = qmp_decoder_feed(d, &buf, &len, &value, &err);

        g_assert_true((frame == QMP_FRAME_VALUE) == (value != NULL));
        g_assert_true((frame == QMP_FRAME_ERROR) == (err != NULL));
        if (frame == QMP_FRAME_MORE) {
            g_assert_cmpuint(len, ==, 0);
            return;
        }
        if (value) {
            GString *json = qobject_to_json(value);

            g_string_append_printf(log, "%s\n", json->str);
            g_string_free(json, true);
            json_decref(value);
        } else {
            g_string_append(log, "!\n");
            error_free(err);
        }
    }
}

static void finish(QmpDecoder *d, GString *log)
{
    json_t *value = NULL;
    Error *err = NULL;

    switch (qmp_decoder_finish(d, &value, &err)) {
    case QMP_FRAME_MORE:
        break;
    case QMP_FRAME_VALUE: {
        GString *json = qobject_to_json(value);

        g_string_append_printf(log, "%s\n", json->str);
        g_string_free(json, true);
        json_decref(value);
        break;
    }
    case QMP_FRAME_ERROR:
        g_string_append(log, "!\n");
        error_free(err);
        break;
    }
}

typedef struct Case {
    const char *in;  /* may contain NUL if @len is given */
    const char *out; /* what feed() and finish() log */
    size_t len;      /* 0 = strlen(in) */
} Case;

static const Case cases[] = {
    { "", "" },
    { " \r\n\t", "" },
    { "{}", "{}\n" },
    { "{\"execute\": \"qmp_capabilities\"}\r\n",
      "{\"execute\": \"qmp_capabilities\"}\n" },
    { "{}{}[]{\"a\":[{}]}", "{}\n{}\n[]\n{\"a\": [{}]}\n" },
    { "{'a': 'b'}", "{\"a\": \"b\"}\n" },
    { "{'a': '\"', \"b\": \"'\"}", "{\"a\": \"\\\"\", \"b\": \"'\"}\n" },
    { "{'a': 'it\\'s', \"b\": \"it\\'s\"}",
      "{\"a\": \"it's\", \"b\": \"it's\"}\n" },
    { "{'a': '\\\"\\\\\\n\\u0041'}", "{\"a\": \"\\\"\\\\\\nA\"}\n" },
    { "{\"a\": \"}]{[\\\"\"}", "{\"a\": \"}]{[\\\"\"}\n" },
    { "{\"a\": \"\\u0000\"}", "{\"a\": \"\\u0000\"}\n" },
    { "{\"a\": 18446744073709551615}", "{\"a\": 18446744073709551615}\n" },
    { "{\"a\": \"\x7f\"}", "{\"a\": \"\\u007F\"}\n" }, /* RFC 8259, 7 */
    { "42 true null\n\"x\"-1.5", "42\ntrue\nnull\n\"x\"\n-1.5\n" },
    { "1[2]3", "1\n[2]\n3\n" },
    /* errors */
    { "{", "!\n" },
    { "{\"a\": \"", "!\n" },
    { "foo bar\n{}", "!\n{}\n" },
    { "HELO there {}\n", "!\n{}\n" },
    { "}}}]]\n{}", "!\n{}\n" },
    { ",:{}", "!\n{}\n" },
    { "@ garbage\n{}", "!\n{}\n" },
    { "{\"a\" 1}{}", "!\n{}\n" },
    { "[}{}", "!\n{}\n" },
    { "{\"a\": 1, \"a\": 2}{}", "!\n{}\n" },
    { "{\"a\": \"\x80\"}{}", "!\n{}\n" },
    { "{\"a\": 1e999}{}", "!\n{}\n" },
    { "{\"a\": \"b\n\"}\n{}", "!\n!\n{}\n" },
    { "{\"a\": \"b\\\n}\n{}", "!\n!\n{}\n" },
    /* inner objects of a broken message are no messages */
    { "{\"x\": @, \"arguments\": {\"execute\": \"quit\"}}{}", "!\n{}\n" },
    { "{\"x\": @\n{\"execute\": \"quit\"}\n}\n{}", "!\n{}\n" },
    { "[@ \"]\" ' ] ' ]{}", "!\n{}\n" },
    /* back in step by a byte that can be nowhere */
    { "{\"a\": \"b\x01{}", "!\n{}\n" },
    { "{\"a\": [[[\xff{}", "!\n{}\n" },
    { "{\"a\": \xff\xff\xff{}", "!\n{}\n" },
    { "{\"a\": @ \xff{}", "!\n!\n{}\n" },
    { "\x01\n{}", "!\n{}\n" },
    { "{}\0{}", "{}\n!\n{}\n", 5 },
};

static void check_log(const Case *c, const GString *log, size_t cut)
{
    if (strcmp(log->str, c->out) != 0) {
        g_error("input '%s' cut at %zu gives '%s', not '%s'", c->in, cut,
                log->str, c->out);
    }
}

/* In two pieces, cut at every place. */
static void test_two_pieces(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].in);

        for (size_t cut = 0; cut <= len; cut++) {
            g_autoptr(QmpDecoder) d = qmp_decoder_new(NULL);
            GString *log = g_string_new(NULL);

            feed(d, cases[i].in, cut, log);
            feed(d, cases[i].in + cut, len - cut, log);
            finish(d, log);
            check_log(&cases[i], log, cut);
            g_assert_cmpuint(qmp_decoder_pending(d), ==, 0);
            g_string_free(log, true);
        }
    }
}

/* Byte by byte, all cases through one decoder: nothing is left behind. */
static void test_single_bytes(void)
{
    g_autoptr(QmpDecoder) d = qmp_decoder_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].in);
        GString *log = g_string_new(NULL);

        for (size_t n = 0; n < len; n++) {
            feed(d, cases[i].in + n, 1, log);
        }
        finish(d, log);
        check_log(&cases[i], log, 1);
        g_string_free(log, true);
    }
}

static void check_limited(const QmpFramingLimits *limits, const char *in,
                          const char *out)
{
    g_autoptr(QmpDecoder) d = qmp_decoder_new(limits);
    GString *log = g_string_new(NULL);

    feed(d, in, strlen(in), log);
    finish(d, log);
    g_assert_cmpstr(log->str, ==, out);
    g_string_free(log, true);
}

static void test_limits(void)
{
    static const QmpFramingLimits limits = { .max_bytes = 12,
                                             .max_tokens = 7,
                                             .max_depth = 3 };

    check_limited(&limits, "[[[]]]{}", "[[[]]]\n{}\n");
    check_limited(&limits, "[[[[]]]]{}", "!\n{}\n");
    check_limited(&limits, "[1,2,3]{}", "[1, 2, 3]\n{}\n");
    check_limited(&limits, "[1,2,3,{}]{}", "!\n{}\n");
    check_limited(&limits, "\"0123456789\"{}", "\"0123456789\"\n{}\n");
    check_limited(&limits, "\"01234567890\"{}", "!\n{}\n");
    check_limited(&limits, "'\"\"\"\"\"'{}", "\"\\\"\\\"\\\"\\\"\\\"\"\n{}\n");
    check_limited(&limits, "'\"\"\"\"\"\"'{}", "!\n{}\n");
    check_limited(&limits, "['01234567890', {'execute': 'quit'}]{}", "!\n{}\n");
    check_limited(&limits, "1234567890123 {}", "!\n{}\n");
    check_limited(&limits, "[            ]{}", "!\n{}\n");
}

/* What is skipped is not stored, however long it is. */
static void test_skip_stores_nothing(void)
{
    static const QmpFramingLimits limits = { .max_bytes = 16,
                                             .max_tokens = 100,
                                             .max_depth = 8 };
    g_autoptr(QmpDecoder) d = qmp_decoder_new(&limits);
    GString *log = g_string_new(NULL);

    feed(d, "{\"a\": [", 7, log);
    for (int i = 0; i < 10000; i++) {
        feed(d, "{\"execute\": \"quit\"}, ", 21, log);
        g_assert_cmpuint(qmp_decoder_pending(d), <=, 16);
    }
    feed(d, "1]}{}", 5, log);
    g_assert_cmpstr(log->str, ==, "!\n{}\n");
    g_string_free(log, true);
}

/* A line of errors is answered by few errors. */
static void test_no_error_flood(void)
{
    g_autoptr(QmpDecoder) d = qmp_decoder_new(NULL);
    GString *log = g_string_new(NULL);
    char noise[1000];

    memset(noise, 0x80, sizeof(noise));
    feed(d, noise, sizeof(noise), log);
    memset(noise, 0xff, sizeof(noise));
    feed(d, noise, sizeof(noise), log);
    memset(noise, '}', sizeof(noise));
    feed(d, noise, sizeof(noise), log);
    g_assert_cmpstr(log->str, ==, "!\n!\n!\n");
    g_string_free(log, true);
}

static void test_big_message(void)
{
    g_autoptr(QmpDecoder) d = qmp_decoder_new(NULL);
    GString *text = g_string_new("{\"a\": \"");
    GString *log = g_string_new(NULL);

    while (text->len < 8 * 1024 * 1024) {
        g_string_append(text, "0123456789abcdef");
    }
    g_string_append(text, "\"}");
    for (size_t pos = 0; pos < text->len; pos += 65536) {
        feed(d, text->str + pos, MIN(text->len - pos, 65536), log);
    }
    g_assert_cmpuint(log->len, ==, text->len + 1);
    g_string_free(text, true);
    g_string_free(log, true);
}

static void test_reset(void)
{
    g_autoptr(QmpDecoder) d = qmp_decoder_new(NULL);
    GString *log = g_string_new(NULL);

    feed(d, "{\"a\": ", 6, log);
    g_assert_cmpuint(qmp_decoder_pending(d), ==, 6);
    qmp_decoder_reset(d);
    g_assert_cmpuint(qmp_decoder_pending(d), ==, 0);
    feed(d, "{}", 2, log);
    g_assert_cmpstr(log->str, ==, "{}\n");
    g_string_free(log, true);
}

static void test_encode(void)
{
    g_autoptr(json_t) obj = json_pack("{s:[]}", "return");
    GString *text = qmp_encode(obj, false);

    g_assert_cmpstr(text->str, ==, "{\"return\": []}\r\n");
    g_string_free(text, true);
    text = qmp_encode(obj, true);
    g_assert_cmpstr(text->str, ==, "{\n    \"return\": []\n}\r\n");
    g_string_free(text, true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/framing/two-pieces", test_two_pieces);
    g_test_add_func("/qapi/framing/single-bytes", test_single_bytes);
    g_test_add_func("/qapi/framing/limits", test_limits);
    g_test_add_func("/qapi/framing/skip-stores-nothing",
                    test_skip_stores_nothing);
    g_test_add_func("/qapi/framing/no-error-flood", test_no_error_flood);
    g_test_add_func("/qapi/framing/big-message", test_big_message);
    g_test_add_func("/qapi/framing/reset", test_reset);
    g_test_add_func("/qapi/framing/encode", test_encode);
    return g_test_run();
}
