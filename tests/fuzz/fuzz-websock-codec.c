/*
 * WebSocket decoder: the first byte chooses the role and the sizes of input
 * and output pieces; the rest is the wire. Checked beside memory safety: the
 * same bytes decode to the same payload however they are cut into pieces.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/websock-codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decode all of @data in pieces. Returns: payload; *last is the last event. */
static GByteArray *decode(const uint8_t *data, size_t size, bool server,
                          size_t in_piece, size_t out_piece, WebsockEvent *last)
{
    GByteArray *payload = g_byte_array_new();
    g_autofree uint8_t *out = g_malloc(out_piece);
    WebsockDecoder d;
    size_t pos = 0;

    *last = WEBSOCK_NEED_MORE;
    websock_decoder_init(&d, server);
    while (pos < size) {
        size_t piece = MIN(in_piece, size - pos), used, n;
        WebsockEvent ev =
            websock_decode(&d, data + pos, piece, &used, out, out_piece, &n);

        assert(used <= piece && n <= out_piece && n <= used);
        assert((n > 0) == (ev == WEBSOCK_DATA));
        assert(d.control_len <= WEBSOCK_CONTROL_MAX);
        g_byte_array_append(payload, out, n);
        pos += used;
        if (ev == WEBSOCK_CLOSE || ev == WEBSOCK_ERROR) {
            *last = ev;
            assert(d.close_code >= 1000);
            assert((d.error != NULL) == (ev == WEBSOCK_ERROR));
            break;
        }
        assert(ev != WEBSOCK_NEED_MORE || used == piece);
    }
    return payload;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GByteArray) whole = NULL;
    g_autoptr(GByteArray) pieces = NULL;
    WebsockEvent a, b;
    bool server;

    if (size < 1) {
        return 0;
    }
    server = data[0] & 1;
    whole = decode(data + 1, size - 1, server, size, size, &a);
    pieces = decode(data + 1, size - 1, server, 1 + (data[0] >> 1) % 7,
                    1 + (data[0] >> 4), &b);
    assert(a == b);
    assert(whole->len == pieces->len);
    assert(whole->len == 0 ||
           memcmp(whole->data, pieces->data, whole->len) == 0);
    return 0;
}
