/*
 * WebSocket frames: the transcripts of tests/wire/websock, and encoding.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/websock-codec.h"

/* What a transcript decodes to, in the words of its note. */
static GString *decode(const uint8_t *wire, size_t len, bool server,
                       size_t piece, size_t out_max)
{
    GString *log = g_string_new(NULL);
    g_autofree uint8_t *out = g_malloc(out_max);
    g_autoptr(GString) data = g_string_new(NULL);
    WebsockDecoder d;
    size_t pos = 0;

    websock_decoder_init(&d, server);
    while (pos < len) {
        size_t used, n;
        WebsockEvent ev = websock_decode(&d, wire + pos, MIN(piece, len - pos),
                                         &used, out, out_max, &n);

        pos += used;
        for (size_t i = 0; i < n; i++) {
            g_string_append_printf(data, "%02x", out[i]);
        }
        if (ev == WEBSOCK_PING) {
            g_string_append(log, "ping: ");
            for (size_t i = 0; i < d.control_len; i++) {
                g_string_append_printf(log, "%02x", d.control[i]);
            }
            g_string_append_c(log, '\n');
        }
        if (ev == WEBSOCK_CLOSE || ev == WEBSOCK_ERROR) {
            size_t again_used, again_n;

            g_assert_cmpint(websock_decode(&d, wire, len, &again_used, out,
                                           out_max, &again_n),
                            ==, ev);
            g_assert_cmpuint(again_used + again_n, ==, 0);
            if (data->len) {
                g_string_append_printf(log, "data: %s\n", data->str);
            }
            if (ev == WEBSOCK_ERROR) {
                g_string_append_printf(log, "end: error %u\n", d.close_code);
            } else {
                g_string_append_printf(
                    log, "end: close %u %.*s\n", d.close_code,
                    d.control_len > 2 ? (int)d.control_len - 2 : 0,
                    d.control + 2);
            }
            return log;
        }
    }
    g_assert_cmpuint(d.header_len, ==, 0);
    g_string_append_printf(log, "data: %s\nend: open\n", data->str);
    return log;
}

static char *note_expected(const char *note, bool *server)
{
    g_auto(GStrv) lines = g_strsplit(note, "\n", -1);
    GString *want = g_string_new(NULL);

    for (char **l = lines; *l; l++) {
        if (g_str_has_prefix(*l, "from: ")) {
            *server = strcmp(*l, "from: client") == 0;
        } else if (g_str_has_prefix(*l, "zeros: ")) {
            g_string_append(want, "data: ");
            for (unsigned long i = strtoul(*l + 7, NULL, 10); i > 0; i--) {
                g_string_append(want, "00");
            }
            g_string_append_c(want, '\n');
        } else if (**l && !g_str_has_prefix(*l, "source: ")) {
            g_string_append_printf(want, "%s\n", *l);
        }
    }
    return g_string_free(want, FALSE);
}

static void test_transcript(gconstpointer opaque)
{
    g_autofree char *bin = g_strconcat(opaque, ".bin", NULL);
    g_autofree char *txt = g_strconcat(opaque, ".txt", NULL);
    g_autofree char *wire = NULL;
    g_autofree char *note = NULL;
    g_autofree char *want = NULL;
    bool server = false;
    gsize len;

    g_assert_true(g_file_get_contents(bin, &wire, &len, NULL));
    g_assert_true(g_file_get_contents(txt, &note, NULL, NULL));
    want = note_expected(note, &server);
    for (size_t piece = 1; piece <= MIN(len, 300); piece++) {
        for (size_t out = 1; out <= 65536; out = out * 7 + 3) {
            g_autoptr(GString) got = NULL;

            if (len > 1000 && (piece < 100 || out < 100)) {
                continue; /* many calls and nothing new */
            }
            got = decode((uint8_t *)wire, len, server, piece, out);
            g_assert_cmpstr(got->str, ==, want);
        }
    }
}

static void test_roundtrip(void)
{
    static const size_t sizes[] = { 0,     1,     125,   126,    127,
                                    65535, 65536, 65537, 200000, 7 };
    static const uint8_t key[] = { 1, 2, 3, 250 };

    for (size_t i = 0; i < G_N_ELEMENTS(sizes) * 2; i++) {
        size_t len = sizes[i / 2];
        const uint8_t *mask = i & 1 ? key : NULL;
        g_autofree uint8_t *plain = g_malloc(len + 1);
        g_autofree uint8_t *wire = g_malloc(len + WEBSOCK_HEADER_MAX);
        g_autofree uint8_t *out = g_malloc(len + 1);
        WebsockDecoder d;
        size_t hlen, used, n;

        for (size_t k = 0; k < len; k++) {
            plain[k] = k * 7 + i;
        }
        hlen = websock_encode_header(wire, WEBSOCK_OP_BINARY, len, mask);
        g_assert_cmpuint(hlen, ==,
                         2 +
                             (len > 65535 ? 8
                              : len > 125 ? 2
                                          : 0) +
                             (mask ? 4 : 0));
        memcpy(wire + hlen, plain, len);
        if (mask) {
            websock_mask(wire + hlen, plain, len, mask, 0);
        }
        websock_decoder_init(&d, mask != NULL);
        g_assert_cmpint(websock_decode(&d, wire, hlen + len, &used, out,
                                       len + 1, &n),
                        ==, len ? WEBSOCK_DATA : WEBSOCK_NEED_MORE);
        g_assert_cmpuint(used, ==, hlen + len);
        g_assert_cmpmem(out, n, plain, len);
    }
}

/* Masking in pieces at odd places equals masking at once. */
static void test_mask_pieces(void)
{
    static const uint8_t key[] = { 0x37, 0xfa, 0x21, 0x3d };
    uint8_t src[257], whole[257], piece[257];
    unsigned pos = 0;

    for (size_t i = 0; i < sizeof(src); i++) {
        src[i] = i;
        whole[i] = src[i] ^ key[i % 4];
    }
    for (size_t off = 0, n = 1; off < sizeof(src); off += n, n = n * 2 + 1) {
        n = MIN(n, sizeof(src) - off);
        pos = websock_mask(piece + off, src + off, n, key, pos);
    }
    g_assert_cmpmem(piece, sizeof(piece), whole, sizeof(whole));
    g_assert_cmpuint(pos, ==, sizeof(src) % 4);
}

static void test_control(void)
{
    static const uint8_t key[] = { 9, 8, 7, 6 };
    uint8_t frame[WEBSOCK_HEADER_MAX + WEBSOCK_CONTROL_MAX];
    WebsockDecoder d;
    size_t len, used, n;

    len = websock_encode_control(frame, WEBSOCK_OP_PONG, (const uint8_t *)"abc",
                                 3, key);
    g_assert_cmpuint(len, ==, 9);
    websock_decoder_init(&d, true);
    g_assert_cmpint(websock_decode(&d, frame, len, &used, NULL, 0, &n), ==,
                    WEBSOCK_PONG);
    g_assert_cmpmem(d.control, d.control_len, "abc", 3);
}

/* Payload that the caller reads by itself, between two decoded parts. */
static void test_direct(void)
{
    static const uint8_t wire[] = { 0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                    0x7f, 0x9f, 0x4d, 0x51, 0x58 };
    uint8_t out[5];
    WebsockDecoder d;
    size_t used, n;

    websock_decoder_init(&d, true);
    g_assert_cmpint(websock_decode(&d, wire, 7, &used, out, 5, &n), ==,
                    WEBSOCK_DATA);
    g_assert_cmpuint(n, ==, 1);
    g_assert_cmpuint(websock_decode_direct_len(&d), ==, 4);
    memcpy(out + 1, wire + 7, 4);
    websock_decode_direct(&d, out + 1, 4);
    g_assert_cmpmem(out, 5, "Hello", 5);
    g_assert_cmpuint(websock_decode_direct_len(&d), ==, 0);
}

int main(int argc, char **argv)
{
    g_autoptr(GDir) dir = NULL;
    const char *name;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 2);
    dir = g_dir_open(argv[1], 0, NULL);
    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *stem = NULL;
        g_autofree char *path = NULL;

        if (!g_str_has_suffix(name, ".bin")) {
            continue;
        }
        stem = g_strndup(name, strlen(name) - 4);
        path = g_strdup_printf("/transcript/%s", stem);
        g_test_add_data_func_full(path, g_build_filename(argv[1], stem, NULL),
                                  test_transcript, g_free);
    }
    g_test_add_func("/roundtrip", test_roundtrip);
    g_test_add_func("/mask-pieces", test_mask_pieces);
    g_test_add_func("/control", test_control);
    g_test_add_func("/direct", test_direct);
    return g_test_run();
}
