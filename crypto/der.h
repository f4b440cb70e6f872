/*
 * The part of DER (X.690 10) that keys are written in: definite lengths in
 * their shortest form, sequences, integers that are not negative, octet
 * strings, object identifiers and null. Decoding allocates nothing: what is
 * found points into the input, which must outlive it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_DER_H
#define CRYPTO_DER_H

#include "util/typedefs.h"

#define DER_TAG_INTEGER      0x02
#define DER_TAG_OCTET_STRING 0x04
#define DER_TAG_NULL         0x05
#define DER_TAG_OID          0x06
#define DER_TAG_SEQUENCE     0x30

/* No element is longer (bytes), whatever the input is. */
#define DER_LENGTH_MAX (1U << 24)

/* Bytes not yet decoded, or the content of an element; borrowed. */
typedef struct DerSpan {
    const uint8_t *data;
    size_t len;
} DerSpan;

/**
 * der_take:
 * @in: (inout) input; moved behind the element on success
 * @tag: identifier octet that must come
 * @content: (out) content octets; set on success
 * @errp: (out) set when the return is false
 *
 * Returns: true if the next element has @tag and is complete.
 * Errors: another tag; input too short; a length not in its shortest form
 * or over DER_LENGTH_MAX.
 */
bool der_take(DerSpan *in, uint8_t tag, DerSpan *content, Error **errp);

/**
 * der_take_uint:
 * @in: (inout) input; moved behind the element on success
 * @value: (out) big-endian bytes without leading zeros, none for 0
 * @errp: (out) set when the return is false
 *
 * Returns: true if the next element is an INTEGER of 0 or more.
 * Errors: those of der_take(); no content; a negative number; more leading
 * zeros than the sign needs.
 */
bool der_take_uint(DerSpan *in, DerSpan *value, Error **errp);

/**
 * der_end:
 * @in: (in) input
 * @errp: (out) set when the return is false
 *
 * Returns: true if nothing is left.
 * Errors: bytes behind the last element.
 */
bool der_end(const DerSpan *in, Error **errp);

/**
 * der_header_len:
 * @len: bytes of content, at most DER_LENGTH_MAX
 *
 * Returns: bytes that der_put_header() writes for it.
 */
size_t der_header_len(size_t len);

/**
 * der_put_header:
 * @out: (out) der_header_len() bytes
 * @tag: identifier octet
 * @len: bytes of content that will follow
 *
 * Returns: where the content goes.
 */
uint8_t *der_put_header(uint8_t *out, uint8_t tag, size_t len);

#endif
