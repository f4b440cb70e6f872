/*
 * AML terms.
 *
 * The length of a term counts its own bytes, one to four of them, so it is
 * known only when the body is there: aml_end() inserts it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/acpi/aml.h"

#define OP_ZERO       0x00
#define OP_ONE        0x01
#define OP_NAME       0x08
#define OP_BYTE       0x0a
#define OP_WORD       0x0b
#define OP_DWORD      0x0c
#define OP_STRING     0x0d
#define OP_QWORD      0x0e
#define OP_SCOPE      0x10
#define OP_BUFFER     0x11
#define OP_PACKAGE    0x12
#define OP_METHOD     0x14
#define OP_DUAL_NAME  0x2e
#define OP_MULTI_NAME 0x2f
#define OP_EXT        0x5b
#define OP_LOCAL0     0x60
#define OP_ARG0       0x68
#define OP_STORE      0x70
#define OP_AND        0x7b
#define OP_OR         0x7d
#define OP_DWORD_FLD  0x8a
#define OP_IF         0xa0
#define OP_ELSE       0xa1
#define OP_RETURN     0xa4
#define EXT_OP_REGION 0x80
#define EXT_FIELD     0x81
#define EXT_DEVICE    0x82
#define NAME_BYTES    4u
#define NAME_PARTS    255u
#define DEPTH_MAX     16u
#define PKG_BYTE_MAX  0x3fu

struct Aml {
    GByteArray *code;
    unsigned depth;
    guint start[DEPTH_MAX]; /* where the length of an open term goes */
};

Aml *aml_new(void)
{
    Aml *a = g_new0(Aml, 1);

    a->code = g_byte_array_new();
    return a;
}

void aml_free(Aml *a)
{
    if (a) {
        g_byte_array_unref(a->code);
        g_free(a);
    }
}

GBytes *aml_bytes(Aml *a)
{
    assert(a->depth == 0);
    return g_bytes_new(a->code->data, a->code->len);
}

static void put(Aml *a, uint8_t byte)
{
    g_byte_array_append(a->code, &byte, 1);
}

static void put_le(Aml *a, uint64_t value, unsigned bytes)
{
    for (; bytes; bytes--, value >>= 8) {
        put(a, (uint8_t)value);
    }
}

/* -- lengths -------------------------------------------------------------------- */

/* PkgLength of @value (20.2.4). Returns: how many bytes. */
static unsigned encode_length(uint32_t value, uint8_t *out)
{
    unsigned more = value <= PKG_BYTE_MAX ? 0
                    : value < 1u << 12    ? 1
                    : value < 1u << 20    ? 2
                                          : 3;

    if (more == 0) {
        out[0] = (uint8_t)value;
        return 1;
    }
    assert(value < 1u << 28);
    out[0] = (uint8_t)(more << 6 | (value & 0xf));
    for (unsigned i = 0; i < more; i++) {
        out[1 + i] = (uint8_t)(value >> (4 + 8 * i));
    }
    return 1 + more;
}

/* The length of @body bytes and of itself. */
static unsigned encode_own_length(uint32_t body, uint8_t *out)
{
    unsigned n = 1;

    while (encode_length(body + n, out) != n) {
        n++;
    }
    return n;
}

static void open_term(Aml *a)
{
    assert(a->depth < DEPTH_MAX);
    a->start[a->depth++] = a->code->len;
}

void aml_end(Aml *a)
{
    uint8_t len[4];
    guint start, body;
    unsigned n;

    assert(a->depth > 0);
    start = a->start[--a->depth];
    body = a->code->len - start;
    n = encode_own_length(body, len);
    g_byte_array_set_size(a->code, a->code->len + n);
    memmove(a->code->data + start + n, a->code->data + start, body);
    memcpy(a->code->data + start, len, n);
}

/* -- names ----------------------------------------------------------------------- */

static void put_segment(Aml *a, const char *part, size_t len)
{
    assert(len >= 1 && len <= NAME_BYTES);
    for (unsigned i = 0; i < NAME_BYTES; i++) {
        put(a, i < len ? (uint8_t)part[i] : '_');
    }
}

static void put_name(Aml *a, const char *name)
{
    g_auto(GStrv) parts = NULL;
    guint n;

    for (; *name == '\\' || *name == '^'; name++) {
        put(a, (uint8_t)*name);
    }
    parts = g_strsplit(name, ".", -1);
    n = g_strv_length(parts);
    assert(n <= NAME_PARTS);
    if (n == 0) {
        put(a, OP_ZERO); /* the root itself */
    } else if (n == 2) {
        put(a, OP_DUAL_NAME);
    } else if (n > 2) {
        put(a, OP_MULTI_NAME);
        put(a, (uint8_t)n);
    }
    for (guint i = 0; i < n; i++) {
        put_segment(a, parts[i], strlen(parts[i]));
    }
}

void aml_path(Aml *a, const char *name)
{
    put_name(a, name);
}

/* -- terms with a body --------------------------------------------------------------- */

void aml_scope(Aml *a, const char *name)
{
    put(a, OP_SCOPE);
    open_term(a);
    put_name(a, name);
}

void aml_device(Aml *a, const char *name)
{
    put(a, OP_EXT);
    put(a, EXT_DEVICE);
    open_term(a);
    put_name(a, name);
}

void aml_method(Aml *a, const char *name, unsigned args, bool serialized)
{
    assert(args <= 7);
    put(a, OP_METHOD);
    open_term(a);
    put_name(a, name);
    put(a, (uint8_t)(args | (serialized ? 0x08 : 0)));
}

void aml_if(Aml *a)
{
    put(a, OP_IF);
    open_term(a);
}

void aml_else(Aml *a)
{
    put(a, OP_ELSE);
    open_term(a);
}

void aml_package(Aml *a, unsigned n)
{
    assert(n <= UINT8_MAX);
    put(a, OP_PACKAGE);
    open_term(a);
    put(a, (uint8_t)n);
}

void aml_field(Aml *a, const char *region, uint8_t flags)
{
    put(a, OP_EXT);
    put(a, EXT_FIELD);
    open_term(a);
    put_name(a, region);
    put(a, flags);
}

static void put_bits(Aml *a, unsigned bits)
{
    uint8_t len[4];
    unsigned n = encode_length(bits, len);

    g_byte_array_append(a->code, len, n);
}

void aml_field_unit(Aml *a, const char *name, unsigned bits)
{
    put_segment(a, name, strlen(name));
    put_bits(a, bits);
}

void aml_field_skip(Aml *a, unsigned bits)
{
    put(a, OP_ZERO);
    put_bits(a, bits);
}

void aml_op_region(Aml *a, const char *name, uint8_t space, uint64_t offset,
                   uint64_t len)
{
    put(a, OP_EXT);
    put(a, EXT_OP_REGION);
    put_name(a, name);
    put(a, space);
    aml_int(a, offset);
    aml_int(a, len);
}

/* -- values ----------------------------------------------------------------------------- */

void aml_name(Aml *a, const char *name)
{
    put(a, OP_NAME);
    put_name(a, name);
}

void aml_int(Aml *a, uint64_t value)
{
    if (value <= 1) {
        put(a, value ? OP_ONE : OP_ZERO);
    } else if (value <= UINT8_MAX) {
        put(a, OP_BYTE);
        put_le(a, value, 1);
    } else if (value <= UINT16_MAX) {
        put(a, OP_WORD);
        put_le(a, value, 2);
    } else if (value <= UINT32_MAX) {
        put(a, OP_DWORD);
        put_le(a, value, 4);
    } else {
        put(a, OP_QWORD);
        put_le(a, value, 8);
    }
}

void aml_string(Aml *a, const char *text)
{
    put(a, OP_STRING);
    g_byte_array_append(a->code, (const uint8_t *)text,
                        (guint)strlen(text) + 1);
}

/* Three letters of five bits, four hexadecimal digits; high byte first. */
void aml_eisaid(Aml *a, const char *id)
{
    uint32_t value;

    assert(strlen(id) == 7);
    value = (uint32_t)(id[0] - '@') << 26 | (uint32_t)(id[1] - '@') << 21 |
            (uint32_t)(id[2] - '@') << 16;
    for (unsigned i = 0; i < 4; i++) {
        value |= (uint32_t)g_ascii_xdigit_value(id[3 + i]) << (12 - 4 * i);
    }
    put(a, OP_DWORD);
    put_le(a, GUINT32_SWAP_LE_BE(value), 4);
}

void aml_buffer(Aml *a, const void *data, size_t len)
{
    put(a, OP_BUFFER);
    open_term(a);
    aml_int(a, len);
    g_byte_array_append(a->code, data, (guint)len);
    aml_end(a);
}

void aml_arg(Aml *a, unsigned n)
{
    assert(n < 7);
    put(a, (uint8_t)(OP_ARG0 + n));
}

void aml_local(Aml *a, unsigned n)
{
    assert(n < 8);
    put(a, (uint8_t)(OP_LOCAL0 + n));
}

void aml_return(Aml *a)
{
    put(a, OP_RETURN);
}

void aml_store(Aml *a)
{
    put(a, OP_STORE);
}

void aml_and(Aml *a)
{
    put(a, OP_AND);
}

void aml_or(Aml *a)
{
    put(a, OP_OR);
}

void aml_no_target(Aml *a)
{
    put(a, OP_ZERO);
}

void aml_create_dword_field(Aml *a, const char *source, uint64_t offset,
                            const char *name)
{
    put(a, OP_DWORD_FLD);
    if (source) {
        put_name(a, source);
    } else {
        aml_arg(a, 0);
    }
    aml_int(a, offset);
    put_name(a, name);
}
