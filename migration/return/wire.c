/*
 * Codec of the return path; see return/wire.h for the picture.
 *
 * A table says which lengths each type can have, so a header is judged before
 * a byte of its payload is waited for. Texts of a SHUT come from the other
 * host: what is not printable ASCII becomes '?'.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/return/wire.h"

#include "migration/stream/stream-wire.h"
#include "util/bitmap.h"
#include "util/bswap.h"
#include "util/wire-buffer.h"

enum {
    REQ_LEN = 8 + 4, /* start, len */
    /* RFC 8446 5.1: the first bytes of a record */
    TLS_RECORD_ALERT = 21,
    TLS_MAJOR = 3,
};

static const struct {
    const char *name;
    uint16_t min;
    uint16_t max;
} return_types[RETURN_TYPE__MAX] = {
    [RETURN_SHUT] = { "SHUT", 4, RETURN_PAYLOAD_MAX },
    [RETURN_PONG] = { "PONG", 4, 4 },
    [RETURN_REQ_PAGES_ID] = { "REQ_PAGES_ID", REQ_LEN + 2,
                              REQ_LEN + 1 + RAM_BLOCK_NAME_MAX },
    [RETURN_REQ_PAGES] = { "REQ_PAGES", REQ_LEN, REQ_LEN },
    [RETURN_RECV_BITMAP] = { "RECV_BITMAP", 2, 1 + RAM_BLOCK_NAME_MAX },
    [RETURN_RESUME_ACK_MSG] = { "RESUME_ACK", 4, 4 },
    [RETURN_SWITCHOVER_ACK] = { "SWITCHOVER_ACK", 0, 0 },
};

const char *return_type_name(unsigned type)
{
    if (type >= RETURN_TYPE__MAX || !return_types[type].name) {
        return "unknown";
    }
    return return_types[type].name;
}

/* A record as a TLS server answers with to what is not TLS: ALERT, version. */
static bool is_tls(const uint8_t hdr[RETURN_HEADER_LEN])
{
    return hdr[0] == TLS_RECORD_ALERT && hdr[1] == TLS_MAJOR;
}

bool return_header_decode(const uint8_t hdr[RETURN_HEADER_LEN],
                          ReturnType *ret_type, uint16_t *ret_len, Error **errp)
{
    WireBuffer b = WIRE_READER(hdr, RETURN_HEADER_LEN);
    uint16_t type = wire_get_be16(&b);
    uint16_t len = wire_get_be16(&b);

    if (type >= RETURN_TYPE__MAX || !return_types[type].name) {
        error_setg(errp, "return path: message of unknown type 0x%04x%s", type,
                   is_tls(hdr) ? ": it seems that the destination expects TLS "
                                 "(parameter 'tls-creds')"
                               : "");
        return false;
    }
    if (len < return_types[type].min || len > return_types[type].max) {
        error_setg(errp, "return path: %s message of %u bytes, not %u to %u",
                   return_types[type].name, len, return_types[type].min,
                   return_types[type].max);
        return false;
    }
    *ret_type = (ReturnType)type;
    *ret_len = len;
    return true;
}

/* The rest of @b is a u8 length and a name, no more. */
static void name_decode(WireBuffer *b, char name[RAM_BLOCK_NAME_MAX + 1])
{
    uint8_t n = wire_get_u8(b);

    if (n == 0 || wire_left(b) != n || !wire_get_bytes(b, name, n) ||
        !stream_is_text(name, n)) {
        wire_fail(b);
    }
}

static void text_decode(WireBuffer *b, char text[RETURN_TEXT_MAX + 1])
{
    size_t n = wire_left(b);

    wire_get_bytes(b, text, n);
    for (size_t i = 0; i < n; i++) {
        if (!g_ascii_isprint(text[i])) {
            text[i] = '?';
        }
    }
}

bool return_payload_decode(ReturnType type, const uint8_t *payload, size_t len,
                           ReturnMessage *ret, Error **errp)
{
    WireBuffer b = WIRE_READER(payload, len);
    ReturnMessage m = { .type = type };

    switch (type) {
    case RETURN_SHUT:
        m.value = wire_get_be32(&b);
        text_decode(&b, m.text);
        break;
    case RETURN_PONG:
    case RETURN_RESUME_ACK_MSG:
        m.value = wire_get_be32(&b);
        break;
    case RETURN_REQ_PAGES_ID:
        m.start = wire_get_be64(&b);
        m.len = wire_get_be32(&b);
        name_decode(&b, m.name);
        break;
    case RETURN_REQ_PAGES:
        m.start = wire_get_be64(&b);
        m.len = wire_get_be32(&b);
        break;
    case RETURN_RECV_BITMAP:
        name_decode(&b, m.name);
        break;
    case RETURN_SWITCHOVER_ACK:
    case RETURN_TYPE__MAX:
        break;
    }
    if (!wire_at_end(&b)) {
        error_setg(errp, "return path: malformed %s message of %zu bytes",
                   return_type_name(type), len);
        return false;
    }
    *ret = m;
    return true;
}

/* Where the next byte goes; the callers' sums are below RETURN_MESSAGE_MAX. */
static uint8_t *put_be32(uint8_t *p, uint32_t v)
{
    stl_be_p(p, v);
    return p + 4;
}

static uint8_t *put_be64(uint8_t *p, uint64_t v)
{
    stq_be_p(p, v);
    return p + 8;
}

static uint8_t *put_name(uint8_t *p, const char *name)
{
    size_t n = strlen(name);

    assert(n > 0 && n <= RAM_BLOCK_NAME_MAX);
    *p++ = (uint8_t)n;
    memcpy(p, name, n);
    return p + n;
}

static uint8_t *put_text(uint8_t *p, const char *text)
{
    size_t n = strlen(text);

    assert(n <= RETURN_TEXT_MAX);
    memcpy(p, text, n);
    return p + n;
}

static uint8_t *put_payload(uint8_t *p, const ReturnMessage *msg)
{
    switch (msg->type) {
    case RETURN_SHUT:
        return put_text(put_be32(p, msg->value), msg->text);
    case RETURN_PONG:
    case RETURN_RESUME_ACK_MSG:
        return put_be32(p, msg->value);
    case RETURN_REQ_PAGES_ID:
        return put_name(put_be32(put_be64(p, msg->start), msg->len), msg->name);
    case RETURN_REQ_PAGES:
        return put_be32(put_be64(p, msg->start), msg->len);
    case RETURN_RECV_BITMAP:
        return put_name(p, msg->name);
    case RETURN_SWITCHOVER_ACK:
    case RETURN_TYPE__MAX:
        break;
    }
    return p;
}

size_t return_encode(const ReturnMessage *msg, uint8_t buf[RETURN_MESSAGE_MAX])
{
    uint8_t *end = put_payload(buf + RETURN_HEADER_LEN, msg);

    stw_be_p(buf, msg->type);
    stw_be_p(buf + 2, (uint16_t)(end - buf - RETURN_HEADER_LEN));
    return end - buf;
}

uint64_t return_bitmap_bytes(uint64_t pages)
{
    return DIV_ROUND_UP(pages, 64) * 8;
}

void return_bitmap_encode(const unsigned long *bitmap, uint64_t pages,
                          uint8_t *wire)
{
    size_t bytes = return_bitmap_bytes(pages);

    /* Bit n is bit n % 8 of byte n / 8, whatever the host's words are. */
    memset(wire, 0, bytes);
    for (uint64_t word = 0; word < BITS_TO_LONGS(pages); word++) {
        uint64_t left = pages - word * BITS_PER_LONG;
        unsigned long v = bitmap[word];

        if (left < BITS_PER_LONG) {
            v &= BITMAP_LAST_WORD_MASK(left);
        }
        for (size_t i = 0; i < sizeof(v); i++) {
            wire[word * sizeof(v) + i] = (uint8_t)(v >> (8 * i));
        }
    }
}

void return_bitmap_decode(const uint8_t *wire, uint64_t pages,
                          unsigned long *bitmap)
{
    for (uint64_t word = 0; word < BITS_TO_LONGS(pages); word++) {
        uint64_t left = pages - word * BITS_PER_LONG;
        unsigned long v = 0;

        for (size_t i = 0; i < sizeof(v); i++) {
            v |= (unsigned long)wire[word * sizeof(v) + i] << (8 * i);
        }
        if (left < BITS_PER_LONG) {
            v &= BITMAP_LAST_WORD_MASK(left);
        }
        bitmap[word] = v;
    }
}
