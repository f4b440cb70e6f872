/*
 * WebSocket frame codec; see websock-codec.h for the picture.
 *
 * The decoder is a stream machine with two states: collecting a header (at
 * most 14 bytes, held in the decoder) and passing payload on. It checks each
 * rule as soon as the bytes that decide it are there, so that a hostile peer
 * is cut off at the second byte of a bad frame and not after its payload.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "websock-codec.h"

enum {
    HDR_FIN = 0x80,
    HDR_RSV = 0x70,
    HDR_OPCODE = 0x0f,
    HDR_MASK = 0x80,
    HDR_LEN = 0x7f,
    LEN_16 = 126,
    LEN_64 = 127,
};

static bool opcode_is_control(uint8_t opcode)
{
    return opcode & 0x8;
}

void websock_decoder_init(WebsockDecoder *d, bool server)
{
    memset(d, 0, sizeof(*d));
    d->want_mask = server;
}

static WebsockEvent decode_fail(WebsockDecoder *d, WebsockCloseCode code,
                                const char *why)
{
    d->finished = true;
    d->close_code = code;
    d->error = why;
    return WEBSOCK_ERROR;
}

unsigned websock_mask(uint8_t *dst, const uint8_t *src, size_t len,
                      const uint8_t mask[WEBSOCK_MASK_LEN], unsigned pos)
{
    uint8_t key[8];
    uint64_t wide, word;
    size_t i;

    for (i = 0; i < sizeof(key); i++) {
        key[i] = mask[(pos + i) % WEBSOCK_MASK_LEN];
    }
    memcpy(&wide, key, sizeof(wide));
    for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, src + i, sizeof(word));
        word ^= wide;
        memcpy(dst + i, &word, sizeof(word));
    }
    for (; i < len; i++) {
        dst[i] = src[i] ^ key[i % sizeof(key)];
    }
    return (pos + len) % WEBSOCK_MASK_LEN;
}

/* Rules that the first byte decides. NULL = all kept. */
static const char *check_first_byte(const WebsockDecoder *d, uint8_t b)
{
    uint8_t opcode = b & HDR_OPCODE;

    if (b & HDR_RSV) {
        return "reserved bit is set in a frame header";
    }
    switch (opcode) {
    case WEBSOCK_OP_CONTINUATION:
        return d->in_message ? NULL : "continuation frame without a message";
    case WEBSOCK_OP_TEXT:
    case WEBSOCK_OP_BINARY:
        return d->in_message ? "new message within a fragmented one" : NULL;
    case WEBSOCK_OP_CLOSE:
    case WEBSOCK_OP_PING:
    case WEBSOCK_OP_PONG:
        return b & HDR_FIN ? NULL : "fragmented control frame";
    default:
        return "reserved opcode";
    }
}

/* Rules that the second byte decides. NULL = all kept. */
static const char *check_second_byte(const WebsockDecoder *d, uint8_t b)
{
    if (!(b & HDR_MASK) != !d->want_mask) {
        return d->want_mask ? "unmasked frame from a client"
                            : "masked frame from a server";
    }
    if (opcode_is_control(d->header[0] & HDR_OPCODE) &&
        (b & HDR_LEN) > WEBSOCK_CONTROL_MAX) {
        return "control frame over 125 bytes";
    }
    return NULL;
}

static unsigned header_size(const WebsockDecoder *d)
{
    unsigned size = 2;

    if (d->header_len < 2) {
        return size;
    }
    if ((d->header[1] & HDR_LEN) == LEN_16) {
        size += 2;
    } else if ((d->header[1] & HDR_LEN) == LEN_64) {
        size += 8;
    }
    return d->header[1] & HDR_MASK ? size + WEBSOCK_MASK_LEN : size;
}

/* Take the length out of a complete header. NULL = fine. */
static const char *parse_length(WebsockDecoder *d)
{
    const uint8_t *p = d->header + 2;
    uint64_t len = d->header[1] & HDR_LEN;
    unsigned i, bytes = len == LEN_16 ? 2 : len == LEN_64 ? 8 : 0;

    if (bytes) {
        len = 0;
        for (i = 0; i < bytes; i++) {
            len = len << 8 | p[i];
        }
        if (len < (bytes == 2 ? LEN_16 : UINT64_C(1) << 16)) {
            return "frame length is not in its shortest form";
        }
        if (len >> 63) {
            return "frame length has its top bit set";
        }
    }
    d->payload_left = len;
    d->masked = d->header[1] & HDR_MASK;
    if (d->masked) {
        memcpy(d->mask, p + bytes, WEBSOCK_MASK_LEN);
    }
    return NULL;
}

static WebsockEvent header_complete(WebsockDecoder *d)
{
    const char *why = parse_length(d);

    if (why) {
        return decode_fail(d, WEBSOCK_CLOSE_PROTOCOL_ERROR, why);
    }
    d->opcode = d->header[0] & HDR_OPCODE;
    d->header_len = 0;
    d->mask_pos = 0;
    d->control_len = 0;
    d->in_payload = true;
    if (!opcode_is_control(d->opcode)) {
        d->in_message = !(d->header[0] & HDR_FIN);
    }
    return WEBSOCK_NEED_MORE;
}

/* Collect header bytes. WEBSOCK_NEED_MORE or WEBSOCK_ERROR. */
static WebsockEvent decode_header(WebsockDecoder *d, const uint8_t *in,
                                  size_t in_len, size_t *used)
{
    while (*used < in_len && d->header_len < header_size(d)) {
        uint8_t b = in[(*used)++];
        const char *why = NULL;

        d->header[d->header_len++] = b;
        if (d->header_len == 1) {
            why = check_first_byte(d, b);
            if (!why && (b & HDR_OPCODE) == WEBSOCK_OP_TEXT) {
                return decode_fail(d, WEBSOCK_CLOSE_UNSUPPORTED,
                                   "text message on a binary connection");
            }
        } else if (d->header_len == 2) {
            why = check_second_byte(d, b);
        }
        if (why) {
            return decode_fail(d, WEBSOCK_CLOSE_PROTOCOL_ERROR, why);
        }
    }
    if (d->header_len >= 2 && d->header_len == header_size(d)) {
        return header_complete(d);
    }
    return WEBSOCK_NEED_MORE;
}

/* Codes that may stand in a close frame: RFC 6455 7.4 and IANA's registry. */
static bool close_code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* UTF-8 in which U+0000 is allowed, unlike g_utf8_validate(). */
static bool utf8_is_valid(const uint8_t *s, size_t len)
{
    const char *p = (const char *)s, *end = p + len;

    while (!g_utf8_validate_len(p, end - p, &p)) {
        if (*p) {
            return false;
        }
        p++;
    }
    return true;
}

static WebsockEvent control_complete(WebsockDecoder *d)
{
    d->in_payload = false;
    if (d->opcode == WEBSOCK_OP_PING) {
        return WEBSOCK_PING;
    }
    if (d->opcode == WEBSOCK_OP_PONG) {
        return WEBSOCK_PONG;
    }
    if (d->control_len == 0) {
        d->close_code = WEBSOCK_CLOSE_NO_STATUS;
    } else if (d->control_len == 1) {
        return decode_fail(d, WEBSOCK_CLOSE_PROTOCOL_ERROR,
                           "close frame with half a status code");
    } else {
        d->close_code = d->control[0] << 8 | d->control[1];
        if (!close_code_is_valid(d->close_code)) {
            return decode_fail(d, WEBSOCK_CLOSE_PROTOCOL_ERROR,
                               "close frame with an invalid status code");
        }
        if (!utf8_is_valid(d->control + 2, d->control_len - 2)) {
            return decode_fail(d, WEBSOCK_CLOSE_BAD_DATA,
                               "close frame with a reason that is not UTF-8");
        }
    }
    d->finished = true;
    return WEBSOCK_CLOSE;
}

static void unmask(WebsockDecoder *d, uint8_t *dst, const uint8_t *src,
                   size_t len)
{
    if (d->masked) {
        d->mask_pos = websock_mask(dst, src, len, d->mask, d->mask_pos);
    } else if (dst != src) {
        memmove(dst, src, len);
    }
    d->payload_left -= len;
}

WebsockEvent websock_decode(WebsockDecoder *d, const uint8_t *in, size_t in_len,
                            size_t *in_used, uint8_t *out, size_t out_len,
                            size_t *out_used)
{
    size_t used = 0, n;

    *in_used = 0;
    *out_used = 0;
    if (d->finished) {
        return d->error ? WEBSOCK_ERROR : WEBSOCK_CLOSE;
    }
    for (;;) {
        if (!d->in_payload) {
            WebsockEvent ev = decode_header(d, in, in_len, &used);

            *in_used = used;
            if (ev == WEBSOCK_ERROR || !d->in_payload) {
                return ev;
            }
        }
        if (opcode_is_control(d->opcode)) {
            n = MIN(d->payload_left, in_len - used);
            unmask(d, d->control + d->control_len, in + used, n);
            d->control_len += n;
            used += n;
            *in_used = used;
            return d->payload_left ? WEBSOCK_NEED_MORE : control_complete(d);
        }
        n = MIN(MIN(d->payload_left, in_len - used), out_len);
        if (n > 0) {
            unmask(d, out, in + used, n);
            *in_used = used + n;
            *out_used = n;
        }
        if (d->payload_left == 0) {
            d->in_payload = false;
        }
        if (n > 0) {
            return WEBSOCK_DATA;
        }
        if (d->in_payload) {
            return WEBSOCK_NEED_MORE;
        }
    }
}

uint64_t websock_decode_direct_len(const WebsockDecoder *d)
{
    return d->in_payload && !opcode_is_control(d->opcode) && !d->finished
               ? d->payload_left
               : 0;
}

void websock_decode_direct(WebsockDecoder *d, uint8_t *buf, size_t len)
{
    assert(len <= websock_decode_direct_len(d));
    unmask(d, buf, buf, len);
    if (d->payload_left == 0) {
        d->in_payload = false;
    }
}

size_t websock_encode_header(uint8_t *hdr, WebsockOpcode opcode,
                             uint64_t payload_len, const uint8_t *mask)
{
    unsigned i, bytes = 0;
    size_t len = 2;

    hdr[0] = HDR_FIN | opcode;
    if (payload_len < LEN_16) {
        hdr[1] = payload_len;
    } else if (payload_len <= UINT16_MAX) {
        hdr[1] = LEN_16;
        bytes = 2;
    } else {
        hdr[1] = LEN_64;
        bytes = 8;
    }
    for (i = bytes; i > 0; i--) {
        hdr[len++] = payload_len >> (8 * (i - 1));
    }
    if (mask) {
        hdr[1] |= HDR_MASK;
        memcpy(hdr + len, mask, WEBSOCK_MASK_LEN);
        len += WEBSOCK_MASK_LEN;
    }
    return len;
}

size_t websock_encode_control(uint8_t *frame, WebsockOpcode opcode,
                              const uint8_t *payload, size_t len,
                              const uint8_t *mask)
{
    size_t hlen = websock_encode_header(frame, opcode, len, mask);

    assert(len <= WEBSOCK_CONTROL_MAX);
    if (mask) {
        websock_mask(frame + hlen, payload, len, mask, 0);
    } else if (len) {
        memcpy(frame + hlen, payload, len);
    }
    return hlen + len;
}
