/*
 * Codec of the section "dirty-bitmap"; see bitmap/wire.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/bitmap/wire.h"

#include "migration/stream/stream-wire.h"
#include "util/bswap.h"

#define KINDS                                                                  \
    (BITMAP_CHUNK_EOS | BITMAP_CHUNK_START | BITMAP_CHUNK_COMPLETE |           \
     BITMAP_CHUNK_BITS)
/* No disk has more; sums of two such do not overflow. */
#define SECTOR_MAX (UINT64_C(1) << 54)

/* -- encode ---------------------------------------------------------------------- */

static uint8_t *put_name(uint8_t *p, const char *name)
{
    size_t len = strlen(name);

    assert(len > 0 && len <= BITMAP_NAME_MAX);
    *p++ = (uint8_t)len;
    memcpy(p, name, len);
    return p + len;
}

static uint8_t *put_start(uint8_t *p, const BitmapChunk *c)
{
    stl_be_p(p, c->granularity);
    p[4] = (uint8_t)((c->enabled ? BITMAP_PROP_ENABLED : 0) |
                     (c->persistent ? BITMAP_PROP_PERSISTENT : 0));
    return p + 5;
}

static uint8_t *put_bits(uint8_t *p, const BitmapChunk *c)
{
    stq_be_p(p, c->first_sector);
    stl_be_p(p + 8, c->sectors);
    p += 12;
    if (!(c->flags & BITMAP_CHUNK_ZEROES)) {
        stq_be_p(p, c->data_len);
        p += 8;
    }
    return p;
}

size_t bitmap_chunk_encode(const BitmapChunk *c, uint8_t buf[BITMAP_CHUNK_MAX])
{
    uint8_t *p = buf;

    *p++ = (uint8_t)c->flags;
    if (c->flags & BITMAP_CHUNK_NODE) {
        p = put_name(p, c->node);
    }
    if (c->flags & BITMAP_CHUNK_BITMAP) {
        p = put_name(p, c->bitmap);
    }
    if (c->flags & BITMAP_CHUNK_START) {
        p = put_start(p, c);
    } else if (c->flags & BITMAP_CHUNK_BITS) {
        p = put_bits(p, c);
    }
    return (size_t)(p - buf);
}

/* -- decode ---------------------------------------------------------------------- */

/* What is left of the bytes. @short_of: they ended too early. */
typedef struct Reader {
    const uint8_t *p;
    size_t left;
    bool short_of;
} Reader;

static const uint8_t *take(Reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->left < n) {
        r->short_of = true;
        return NULL;
    }
    r->p += n;
    r->left -= n;
    return p;
}

static bool check_flags(unsigned flags, Error **errp)
{
    unsigned kind = flags & KINDS;
    bool one = kind && !(kind & (kind - 1));

    if (!one || (flags & 0x80) ||
        ((flags & BITMAP_CHUNK_ZEROES) && kind != BITMAP_CHUNK_BITS)) {
        error_setg(errp, "dirty bitmaps: chunk with flags 0x%02x", flags);
        return false;
    }
    return true;
}

static bool get_name(Reader *r, char ret[BITMAP_NAME_MAX + 1], const char *what,
                     Error **errp)
{
    const uint8_t *len = take(r, 1);
    const uint8_t *name = len ? take(r, *len) : NULL;

    if (!name) {
        return false;
    }
    if (*len == 0 || !stream_is_text(name, *len)) {
        error_setg(errp, "dirty bitmaps: the alias of a %s is not text", what);
        return false;
    }
    memcpy(ret, name, *len);
    ret[*len] = '\0';
    return true;
}

static bool get_start(Reader *r, BitmapChunk *c, Error **errp)
{
    const uint8_t *p = take(r, 5);

    if (!p) {
        return false;
    }
    c->granularity = ldl_be_p(p);
    c->enabled = p[4] & BITMAP_PROP_ENABLED;
    c->persistent = p[4] & BITMAP_PROP_PERSISTENT;
    if (c->granularity < BITMAP_GRANULARITY_MIN ||
        c->granularity > BITMAP_GRANULARITY_MAX ||
        (c->granularity & (c->granularity - 1))) {
        error_setg(errp,
                   "dirty bitmap '%s': granularity %" PRIu32
                   " is not a power of two from %" PRIu32 " to %" PRIu32,
                   c->bitmap, c->granularity, BITMAP_GRANULARITY_MIN,
                   BITMAP_GRANULARITY_MAX);
        return false;
    }
    if (p[4] & BITMAP_PROP_RESERVED) {
        error_setg(errp, "dirty bitmap '%s': unknown properties 0x%02x",
                   c->bitmap, p[4]);
        return false;
    }
    return true;
}

static bool get_bits(Reader *r, BitmapChunk *c, Error **errp)
{
    const uint8_t *p = take(r, 12);
    const uint8_t *len;
    uint64_t bytes;

    if (!p) {
        return false;
    }
    c->first_sector = ldq_be_p(p);
    c->sectors = ldl_be_p(p + 8);
    if (c->sectors == 0 || c->first_sector > SECTOR_MAX) {
        error_setg(errp, "dirty bitmap '%s': %" PRIu32 " sectors at %" PRIu64,
                   c->bitmap, c->sectors, c->first_sector);
        return false;
    }
    if (c->flags & BITMAP_CHUNK_ZEROES) {
        return true;
    }
    len = take(r, 8);
    if (!len) {
        return false;
    }
    bytes = ldq_be_p(len);
    if (bytes == 0 || bytes > BITMAP_DATA_MAX || bytes % BITMAP_DATA_ALIGN) {
        error_setg(errp, "dirty bitmap '%s': a chunk of %" PRIu64 " bytes",
                   c->bitmap, bytes);
        return false;
    }
    c->data_len = (uint32_t)bytes;
    return true;
}

static bool get_chunk(Reader *r, BitmapChunk *c, Error **errp)
{
    const uint8_t *flags = take(r, 1);

    if (!flags) {
        return false;
    }
    c->flags = *flags;
    return check_flags(c->flags, errp) &&
           (!(c->flags & BITMAP_CHUNK_NODE) ||
            get_name(r, c->node, "node", errp)) &&
           (!(c->flags & BITMAP_CHUNK_BITMAP) ||
            get_name(r, c->bitmap, "bitmap", errp)) &&
           (!(c->flags & BITMAP_CHUNK_START) || get_start(r, c, errp)) &&
           (!(c->flags & BITMAP_CHUNK_BITS) || get_bits(r, c, errp));
}

int bitmap_chunk_decode(const uint8_t *buf, size_t len, BitmapChunk *ret,
                        Error **errp)
{
    Reader r = { .p = buf, .left = len };
    BitmapChunk c = { 0 };

    if (!get_chunk(&r, &c, errp)) {
        return r.short_of ? 0 : -1;
    }
    *ret = c;
    return (int)(r.p - buf);
}

uint32_t bitmap_data_len(uint32_t sectors, uint32_t granularity)
{
    uint64_t bits = DIV_ROUND_UP((uint64_t)sectors << BITMAP_SECTOR_BITS,
                                 (uint64_t)granularity);
    uint64_t bytes = ROUND_UP(DIV_ROUND_UP(bits, 8), BITMAP_DATA_ALIGN);

    return bytes > BITMAP_DATA_MAX ? 0 : (uint32_t)bytes;
}
