/*
 * WireBuffer: the bytes of a protocol message, with bounds.
 *
 * A reader takes fields from borrowed memory; a writer appends fields to
 * memory that grows to a limit set at the start. The first access that does
 * not fit makes the buffer fail: it and all later ones do nothing, gets
 * return 0. So a parser reads all fields and checks wire_ok() once, before
 * it acts on any of them.
 *
 *   WireBuffer b = WIRE_READER(data, len);
 *   uint8_t version = wire_get_u8(&b);
 *   uint32_t n = wire_get_be32(&b);
 *   WireBuffer body = wire_get_child(&b, n);
 *   if (!wire_ok(&b)) { ... malformed ... }
 *
 * Thread: none; one owner.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_WIRE_BUFFER_H
#define UTIL_WIRE_BUFFER_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct WireBuffer {
    const uint8_t *data; /* reader: borrowed; writer: owned, same as wdata */
    uint8_t *wdata;      /* writer only */
    size_t pos;          /* reader: next byte to get */
    size_t len;          /* bytes of content */
    size_t alloc;        /* writer: bytes allocated */
    size_t limit;        /* writer: len never gets larger */
    bool writer;
    bool wipe; /* clear memory before giving it back */
    bool failed;
} WireBuffer;

#define WIRE_READER(bytes, nbytes)                                             \
    ((WireBuffer){ .data = (const uint8_t *)(bytes), .len = (nbytes) })

/**
 * wire_writer_init:
 * @limit: bytes that the message may have at most
 * @wipe: true if it will hold secrets
 */
void wire_writer_init(WireBuffer *b, size_t limit, bool wipe);
/** wire_free: of a writer; harmless for a reader. */
void wire_free(WireBuffer *b);
/** wire_reset: a writer becomes empty and good again, keeping its memory. */
void wire_reset(WireBuffer *b);
/**
 * wire_steal: hand over a writer's bytes.
 * @len: (out) their number
 *
 * Returns: memory for g_free(), or NULL when the buffer failed (*@len is 0).
 */
uint8_t *wire_steal(WireBuffer *b, size_t *len);

/** wire_ok: whether every access so far fitted. */
static inline bool wire_ok(const WireBuffer *b)
{
    return !b->failed;
}

/** wire_fail: for a parser that finds a value which is not allowed. */
static inline void wire_fail(WireBuffer *b)
{
    b->failed = true;
}

/** wire_left: bytes not yet read; 0 after a failure. */
static inline size_t wire_left(const WireBuffer *b)
{
    return b->failed || b->writer ? 0 : b->len - b->pos;
}

/** wire_at_end: all read and no failure: for "no trailing bytes" checks. */
static inline bool wire_at_end(const WireBuffer *b)
{
    return !b->failed && b->pos == b->len;
}

uint8_t wire_get_u8(WireBuffer *b);
uint16_t wire_get_be16(WireBuffer *b);
uint32_t wire_get_be32(WireBuffer *b);
uint64_t wire_get_be64(WireBuffer *b);
uint16_t wire_get_le16(WireBuffer *b);
uint32_t wire_get_le32(WireBuffer *b);
uint64_t wire_get_le64(WireBuffer *b);
/** wire_get_bytes: copy; on failure @dst is zeroed. Returns: success. */
bool wire_get_bytes(WireBuffer *b, void *dst, size_t n);
/** wire_get_ref: borrow @n bytes of the memory below, or NULL. */
const uint8_t *wire_get_ref(WireBuffer *b, size_t n);
/**
 * wire_get_child: a reader of the next @n bytes, which are skipped here.
 * If they do not fit both fail.
 */
WireBuffer wire_get_child(WireBuffer *b, size_t n);
/**
 * wire_get_str: @n bytes as text.
 *
 * Returns: memory for g_free(), NULL (and failure) if they do not fit, are
 * not UTF-8, contain a NUL, or are more than @max.
 */
char *wire_get_str(WireBuffer *b, size_t n, size_t max);
bool wire_skip(WireBuffer *b, size_t n);

void wire_put_u8(WireBuffer *b, uint8_t v);
void wire_put_be16(WireBuffer *b, uint16_t v);
void wire_put_be32(WireBuffer *b, uint32_t v);
void wire_put_be64(WireBuffer *b, uint64_t v);
void wire_put_le16(WireBuffer *b, uint16_t v);
void wire_put_le32(WireBuffer *b, uint32_t v);
void wire_put_le64(WireBuffer *b, uint64_t v);
void wire_put_bytes(WireBuffer *b, const void *src, size_t n);
/** wire_put_space: @n zero bytes to fill in; NULL on failure; see patch. */
uint8_t *wire_put_space(WireBuffer *b, size_t n);
/** wire_patch_be32: overwrite at @pos, which must have been put before. */
void wire_patch_be32(WireBuffer *b, size_t pos, uint32_t v);
void wire_patch_be16(WireBuffer *b, size_t pos, uint16_t v);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WireBuffer, wire_free)

#endif
