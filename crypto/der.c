/*
 * DER, decoded strictly: every value has one encoding only, so a key that
 * another program would read differently is refused.
 *
 * Source: ITU-T X.690 8.1.3 (lengths), 8.3 (integers), 10.1 (shortest form).
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "der.h"

#include "util/error.h"

/* Octets of a length in its long form, at most; see DER_LENGTH_MAX. */
#define DER_LENGTH_OCTETS_MAX 4

static bool der_take_byte(DerSpan *in, uint8_t *byte, Error **errp)
{
    if (in->len == 0) {
        error_setg(errp, "DER ends in the middle of an element");
        return false;
    }
    *byte = *in->data;
    in->data++;
    in->len--;
    return true;
}

static bool der_take_length(DerSpan *in, size_t *len, Error **errp)
{
    uint8_t first, octets, byte;
    size_t value = 0;

    if (!der_take_byte(in, &first, errp)) {
        return false;
    }
    if (first < 0x80) {
        *len = first;
        return true;
    }
    octets = first & 0x7f;
    if (octets == 0 || octets > DER_LENGTH_OCTETS_MAX) {
        error_setg(errp, "DER length with %d octets is not supported", octets);
        return false;
    }
    for (int i = 0; i < octets; i++) {
        if (!der_take_byte(in, &byte, errp)) {
            return false;
        }
        if (i == 0 && byte == 0) {
            error_setg(errp, "DER length has leading zeros");
            return false;
        }
        value = value << 8 | byte;
    }
    if (value < 0x80) {
        error_setg(errp, "DER length %zu is not in its shortest form", value);
        return false;
    }
    if (value > DER_LENGTH_MAX) {
        error_setg(errp, "DER length %zu is over the limit of %u", value,
                   DER_LENGTH_MAX);
        return false;
    }
    *len = value;
    return true;
}

bool der_take(DerSpan *in, uint8_t tag, DerSpan *content, Error **errp)
{
    DerSpan rest = *in;
    uint8_t found;
    size_t len;

    if (!der_take_byte(&rest, &found, errp)) {
        return false;
    }
    if (found != tag) {
        error_setg(errp, "DER element has tag 0x%02x instead of 0x%02x", found,
                   tag);
        return false;
    }
    if (!der_take_length(&rest, &len, errp)) {
        return false;
    }
    if (len > rest.len) {
        error_setg(errp, "DER element of %zu bytes ends after %zu", len,
                   rest.len);
        return false;
    }
    *content = (DerSpan){ .data = rest.data, .len = len };
    *in = (DerSpan){ .data = rest.data + len, .len = rest.len - len };
    return true;
}

bool der_take_uint(DerSpan *in, DerSpan *value, Error **errp)
{
    DerSpan rest = *in, num;

    if (!der_take(&rest, DER_TAG_INTEGER, &num, errp)) {
        return false;
    }
    if (num.len == 0) {
        error_setg(errp, "DER integer is empty");
        return false;
    }
    if (num.data[0] & 0x80) {
        error_setg(errp, "DER integer is negative");
        return false;
    }
    if (num.data[0] == 0) {
        if (num.len > 1 && !(num.data[1] & 0x80)) {
            error_setg(errp, "DER integer has leading zeros");
            return false;
        }
        num.data++;
        num.len--;
    }
    *value = num;
    *in = rest;
    return true;
}

bool der_end(const DerSpan *in, Error **errp)
{
    if (in->len) {
        error_setg(errp, "DER has %zu bytes behind its last element", in->len);
        return false;
    }
    return true;
}

static unsigned der_length_octets(size_t len)
{
    unsigned octets = 0;

    for (; len; len >>= 8) {
        octets++;
    }
    return octets;
}

size_t der_header_len(size_t len)
{
    return len < 0x80 ? 2 : 2 + der_length_octets(len);
}

uint8_t *der_put_header(uint8_t *out, uint8_t tag, size_t len)
{
    *out++ = tag;
    if (len < 0x80) {
        *out++ = len;
        return out;
    }

    unsigned octets = der_length_octets(len);

    *out++ = 0x80 | octets;
    while (octets--) {
        *out++ = len >> (octets * 8);
    }
    return out;
}
