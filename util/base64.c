/*
 * Strict base64 decoding, RFC 4648 section 4: a line break may stand
 * anywhere, any other foreign character is an error, and so are bits that
 * padding leaves over and that are not zero.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/base64.h"

#include "util/error.h"
#include "util/secret-mem.h"

/* Returns: the 6 bits that @c stands for, or -1. */
static int base64_value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

typedef struct Base64Decoder {
    uint8_t *out;
    size_t out_len;
    uint32_t bits;      /* collected, the lower nbits count */
    unsigned int nbits; /* 0, 2, 4 or 6 of them wait for more */
    unsigned int chars; /* of the alphabet and padding, in this group of 4 */
    unsigned int pads;
} Base64Decoder;

static bool base64_feed(Base64Decoder *d, unsigned char c)
{
    int value;

    if (c == '=') {
        d->pads++;
        d->chars++;
        /* Only at the end of a group that has begun with two characters. */
        return d->chars - d->pads >= 2 && d->chars <= 4;
    }
    value = base64_value(c);
    if (value < 0 || d->pads) {
        return false;
    }
    d->chars = d->chars % 4 + 1;
    d->bits = (d->bits << 6 | (uint32_t)value) & 0xfff;
    d->nbits += 6;
    if (d->nbits >= 8) {
        d->nbits -= 8;
        d->out[d->out_len++] = (uint8_t)(d->bits >> d->nbits);
    }
    return true;
}

uint8_t *qbase64_decode(const char *input, size_t in_len, size_t *out_len,
                        Error **errp)
{
    Base64Decoder d = { 0 };
    size_t alloc;
    bool ok = true;

    *out_len = 0;
    if (in_len == (size_t)-1) {
        in_len = strlen(input);
    }
    alloc = in_len / 4 * 3 + 4;
    d.out = g_malloc0(alloc);
    for (size_t i = 0; i < in_len && ok; i++) {
        ok = input[i] == '\n' || input[i] == '\r' ||
             base64_feed(&d, (unsigned char)input[i]);
    }
    /* A whole last group, and nothing in the bits that padding drops. */
    ok = ok && d.chars % 4 == 0 && !(d.bits & ((1u << d.nbits) - 1));
    if (!ok) {
        /* The input is as a rule a secret: neither shown nor left behind. */
        secret_free(d.out, alloc);
        error_setg(errp, "base64 data is not valid");
        return NULL;
    }
    *out_len = d.out_len;
    return d.out;
}
