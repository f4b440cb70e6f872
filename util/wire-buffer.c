/*
 * WireBuffer: bounds are checked in two places only, wire_take() for
 * readers and wire_room() for writers; everything else is built on them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/wire-buffer.h"

#include "util/bswap.h"
#include "util/secret-mem.h"

#define WIRE_ALLOC_MIN 64

void wire_writer_init(WireBuffer *b, size_t limit, bool wipe)
{
    *b = (WireBuffer){ .writer = true, .limit = limit, .wipe = wipe };
}

static void wire_release(WireBuffer *b, uint8_t *mem, size_t len)
{
    if (b->wipe) {
        secret_free(mem, len);
    } else {
        g_free(mem);
    }
}

void wire_free(WireBuffer *b)
{
    if (b->writer) {
        wire_release(b, b->wdata, b->alloc);
    }
    memset(b, 0, sizeof(*b));
}

void wire_reset(WireBuffer *b)
{
    assert(b->writer);
    if (b->wipe) {
        secret_wipe(b->wdata, b->len);
    }
    b->len = 0;
    b->failed = false;
}

uint8_t *wire_steal(WireBuffer *b, size_t *len)
{
    uint8_t *mem = NULL;

    assert(b->writer);
    *len = 0;
    if (!b->failed) {
        /* Never NULL for success, not even for an empty message. */
        mem = b->wdata ? g_steal_pointer(&b->wdata) : g_malloc0(1);
        *len = b->len;
    }
    wire_free(b);
    return mem;
}

/* -- reading --------------------------------------------------------------- */

/* Returns: the next @n bytes, now consumed; NULL after a failure. */
static const uint8_t *wire_take(WireBuffer *b, size_t n)
{
    const uint8_t *p;

    if (b->failed || b->writer || n > b->len - b->pos) {
        b->failed = true;
        return NULL;
    }
    p = b->data + b->pos;
    b->pos += n;
    return p;
}

uint8_t wire_get_u8(WireBuffer *b)
{
    const uint8_t *p = wire_take(b, 1);

    return p ? p[0] : 0;
}

uint16_t wire_get_be16(WireBuffer *b)
{
    const uint8_t *p = wire_take(b, 2);

    return p ? (uint16_t)lduw_be_p(p) : 0;
}

uint32_t wire_get_be32(WireBuffer *b)
{
    const uint8_t *p = wire_take(b, 4);

    return p ? (uint32_t)ldl_be_p(p) : 0;
}

uint64_t wire_get_be64(WireBuffer *b)
{
    const uint8_t *p = wire_take(b, 8);

    return p ? ldq_be_p(p) : 0;
}

uint16_t wire_get_le16(WireBuffer *b)
{
    const uint8_t *p = wire_take(b, 2);

    return p ? (uint16_t)lduw_le_p(p) : 0;
}

uint32_t wire_get_le32(WireBuffer *b)
{
    const uint8_t *p = wire_take(b, 4);

    return p ? (uint32_t)ldl_le_p(p) : 0;
}

uint64_t wire_get_le64(WireBuffer *b)
{
    const uint8_t *p = wire_take(b, 8);

    return p ? ldq_le_p(p) : 0;
}

bool wire_get_bytes(WireBuffer *b, void *dst, size_t n)
{
    const uint8_t *p;

    if (n == 0) {
        return !b->failed;
    }
    p = wire_take(b, n);
    if (!p) {
        memset(dst, 0, n);
        return false;
    }
    memcpy(dst, p, n);
    return true;
}

const uint8_t *wire_get_ref(WireBuffer *b, size_t n)
{
    return wire_take(b, n);
}

WireBuffer wire_get_child(WireBuffer *b, size_t n)
{
    const uint8_t *p = wire_take(b, n);
    WireBuffer child = WIRE_READER(p, n);

    if (b->failed) {
        child = (WireBuffer){ .failed = true };
    }
    return child;
}

char *wire_get_str(WireBuffer *b, size_t n, size_t max)
{
    const uint8_t *p;

    if (n > max) {
        b->failed = true;
    }
    p = wire_take(b, n);
    if (b->failed) {
        return NULL;
    }
    if (n == 0) {
        return g_strdup("");
    }
    if (!g_utf8_validate_len((const char *)p, n, NULL)) {
        b->failed = true;
        return NULL;
    }
    return g_strndup((const char *)p, n);
}

bool wire_skip(WireBuffer *b, size_t n)
{
    wire_take(b, n);
    return !b->failed;
}

/* -- writing --------------------------------------------------------------- */

static bool wire_grow(WireBuffer *b, size_t need)
{
    size_t alloc = MAX(b->alloc, WIRE_ALLOC_MIN);
    uint8_t *mem;

    while (alloc < need) {
        alloc = alloc > b->limit / 2 ? b->limit : alloc * 2;
    }
    /* The size may follow what a peer asked for: do not end the process. */
    mem = g_try_malloc(alloc);
    if (!mem) {
        return false;
    }
    if (b->len) {
        memcpy(mem, b->wdata, b->len);
    }
    wire_release(b, b->wdata, b->alloc);
    b->wdata = mem;
    b->data = mem;
    b->alloc = alloc;
    return true;
}

/* Returns: where @n bytes go, already counted; NULL after a failure. */
static uint8_t *wire_room(WireBuffer *b, size_t n)
{
    uint8_t *p;

    if (b->failed || !b->writer || n > b->limit - b->len) {
        b->failed = true;
        return NULL;
    }
    if ((n > b->alloc - b->len || !b->wdata) && !wire_grow(b, b->len + n)) {
        b->failed = true;
        return NULL;
    }
    p = b->wdata + b->len;
    b->len += n;
    return p;
}

void wire_put_u8(WireBuffer *b, uint8_t v)
{
    uint8_t *p = wire_room(b, 1);

    if (p) {
        *p = v;
    }
}

void wire_put_be16(WireBuffer *b, uint16_t v)
{
    uint8_t *p = wire_room(b, 2);

    if (p) {
        stw_be_p(p, v);
    }
}

void wire_put_be32(WireBuffer *b, uint32_t v)
{
    uint8_t *p = wire_room(b, 4);

    if (p) {
        stl_be_p(p, v);
    }
}

void wire_put_be64(WireBuffer *b, uint64_t v)
{
    uint8_t *p = wire_room(b, 8);

    if (p) {
        stq_be_p(p, v);
    }
}

void wire_put_le16(WireBuffer *b, uint16_t v)
{
    uint8_t *p = wire_room(b, 2);

    if (p) {
        stw_le_p(p, v);
    }
}

void wire_put_le32(WireBuffer *b, uint32_t v)
{
    uint8_t *p = wire_room(b, 4);

    if (p) {
        stl_le_p(p, v);
    }
}

void wire_put_le64(WireBuffer *b, uint64_t v)
{
    uint8_t *p = wire_room(b, 8);

    if (p) {
        stq_le_p(p, v);
    }
}

void wire_put_bytes(WireBuffer *b, const void *src, size_t n)
{
    uint8_t *p = wire_room(b, n);

    if (p && n) {
        memcpy(p, src, n);
    }
}

uint8_t *wire_put_space(WireBuffer *b, size_t n)
{
    uint8_t *p = wire_room(b, n);

    if (p) {
        memset(p, 0, n);
    }
    return p;
}

/* Returns: the @n bytes at @pos that were put before; NULL after failure. */
static uint8_t *wire_written(WireBuffer *b, size_t pos, size_t n)
{
    if (b->failed || !b->writer || pos > b->len || n > b->len - pos) {
        b->failed = true;
        return NULL;
    }
    return b->wdata + pos;
}

void wire_patch_be16(WireBuffer *b, size_t pos, uint16_t v)
{
    uint8_t *p = wire_written(b, pos, 2);

    if (p) {
        stw_be_p(p, v);
    }
}

void wire_patch_be32(WireBuffer *b, size_t pos, uint32_t v)
{
    uint8_t *p = wire_written(b, pos, 4);

    if (p) {
        stl_be_p(p, v);
    }
}
