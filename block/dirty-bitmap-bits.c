/*
 * Dirty bitmaps: the bits.
 *
 * The map is a flat array of words: a terabyte at 64 KiB a bit is 2 MiB, which
 * a search for the next bit passes in microseconds, so it needs no levels
 * above. `count` makes "nothing is dirty" and progress cheap.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "crypto/hash.h"
#include "util/bitmap.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/lockable.h"

static long first_bit(const DirtyBitmap *b, int64_t offset)
{
    return (long)(offset >> b->shift);
}

static long end_bit(const DirtyBitmap *b, int64_t end)
{
    return MIN((long)((end + b->granularity - 1) >> b->shift), b->bits);
}

/* The end of what bit @bit stands for. */
static int64_t end_of(const DirtyBitmap *b, long bit)
{
    return MIN(((int64_t)bit + 1) << b->shift, b->size);
}

static void change(DirtyBitmap *b, long first, long end, bool set)
{
    long n = end - first;
    long ones;

    if (n <= 0) {
        return;
    }
    ones = bitmap_count_one_with_offset(b->map, first, n);
    if (set && ones < n) {
        bitmap_set(b->map, first, n);
        b->count += n - ones;
    } else if (!set && ones) {
        bitmap_clear(b->map, first, n);
        b->count -= ones;
    }
}

static void set_locked(DirtyBitmap *b, int64_t offset, int64_t bytes)
{
    int64_t end = MIN(offset + bytes, b->size);

    if (offset < end) {
        change(b, first_bit(b, offset), end_bit(b, end), true);
    }
}

bool dirty_bitmap_get(DirtyBitmap *b, int64_t offset)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    return offset >= 0 && offset < b->size &&
           test_bit(first_bit(b, offset), b->map);
}

void dirty_bitmap_set(DirtyBitmap *b, int64_t offset, int64_t bytes)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    set_locked(b, offset, bytes);
}

void dirty_bitmap_reset(DirtyBitmap *b, int64_t offset, int64_t bytes)
{
    int64_t end = MIN(offset + bytes, b->size);

    QEMU_LOCK_GUARD(&b->node->bitmap_lock);
    assert(!(offset & (b->granularity - 1)) &&
           (end == b->size || !(end & (b->granularity - 1))));
    if (offset < end) {
        change(b, first_bit(b, offset), end_bit(b, end), false);
    }
}

int64_t dirty_bitmap_count(DirtyBitmap *b)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    /* The last bit may stand for less. */
    if (b->count && test_bit(b->bits - 1, b->map)) {
        return ((int64_t)(b->count - 1) << b->shift) +
               (b->size - ((int64_t)(b->bits - 1) << b->shift));
    }
    return (int64_t)b->count << b->shift;
}

/* The first bit in [@first, @end) that is @dirty, or @end. */
static long find(const DirtyBitmap *b, long first, long end, bool dirty)
{
    if (dirty && !b->count) {
        return end;
    }
    return (long)(dirty ? find_next_bit(b->map, (unsigned long)end,
                                        (unsigned long)first)
                        : find_next_zero_bit(b->map, (unsigned long)end,
                                             (unsigned long)first));
}

static int64_t next(DirtyBitmap *b, int64_t offset, int64_t bytes, bool dirty)
{
    int64_t end = MIN(offset + bytes, b->size);
    long last, found;

    if (offset >= end) {
        return -1;
    }
    last = end_bit(b, end);
    found = find(b, first_bit(b, offset), last, dirty);
    return found >= last ? -1 : MAX((int64_t)found << b->shift, offset);
}

int64_t dirty_bitmap_next_dirty(DirtyBitmap *b, int64_t offset, int64_t bytes)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    return next(b, offset, bytes, true);
}

int64_t dirty_bitmap_next_zero(DirtyBitmap *b, int64_t offset, int64_t bytes)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    return next(b, offset, bytes, false);
}

bool dirty_bitmap_next_area(DirtyBitmap *b, int64_t offset, int64_t end,
                            int64_t max, int64_t *ret_start, int64_t *ret_bytes)
{
    int64_t start, stop;
    long last;

    QEMU_LOCK_GUARD(&b->node->bitmap_lock);
    end = MIN(end, b->size);
    start = next(b, offset, end - offset, true);
    if (start < 0) {
        return false;
    }
    end = MIN(end, start + MIN(max, b->size - start));
    last = find(b, first_bit(b, start), end_bit(b, end), false);
    stop = MIN(end_of(b, last - 1), end);
    *ret_start = start;
    *ret_bytes = stop - start;
    return true;
}

/* -- all at once -------------------------------------------------------------- */

static unsigned long *copy_of(const DirtyBitmap *b)
{
    unsigned long *copy = bitmap_new(b->bits);

    bitmap_copy(copy, b->map, b->bits);
    return copy;
}

static void recount(DirtyBitmap *b)
{
    b->count = b->bits ? bitmap_count_one(b->map, b->bits) : 0;
}

void dirty_bitmap_clear(DirtyBitmap *b, unsigned long **backup)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    if (backup) {
        *backup = copy_of(b);
    }
    bitmap_zero(b->map, b->bits);
    b->count = 0;
}

void dirty_bitmap_restore(DirtyBitmap *b, unsigned long *backup)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    g_free(b->map);
    b->map = backup;
    recount(b);
}

/* Nodes are locked one after the other: @from's areas are taken out first. */
static void merge_bits(DirtyBitmap *dst, DirtyBitmap *src)
{
    int64_t at = 0;
    int64_t start, bytes;

    while (
        dirty_bitmap_next_area(src, at, src->size, INT64_MAX, &start, &bytes)) {
        dirty_bitmap_set(dst, start, bytes);
        at = start + bytes;
    }
}

bool dirty_bitmap_merge(DirtyBitmap *dst, DirtyBitmap *src,
                        unsigned long **backup, Error **errp)
{
    if (!dirty_bitmap_check(dst, DIRTY_BITMAP_ANY_CHANGE, errp) ||
        !dirty_bitmap_check(src, DIRTY_BITMAP_CONSISTENT, errp)) {
        return false;
    }
    if (dst->size != src->size) {
        error_setg(errp,
                   "Bitmaps '%s' and '%s' are of images of different sizes, "
                   "%" PRId64 " and %" PRId64 " bytes",
                   dst->name, src->name, dst->size, src->size);
        return false;
    }
    if (backup) {
        QEMU_LOCK_GUARD(&dst->node->bitmap_lock);

        *backup = copy_of(dst);
    }
    merge_bits(dst, src);
    return true;
}

/* -- writes of the node ----------------------------------------------------------- */

void dirty_bitmaps_written(BlockNode *node, int64_t offset, int64_t bytes)
{
    DirtyBitmap *b;

    QEMU_LOCK_GUARD(&node->bitmap_lock);
    QLIST_FOREACH(b, &node->bitmaps, next) {
        if (!b->disabled) {
            set_locked(b->successor ? b->successor : b, offset, bytes);
        }
    }
}

static void resize_locked(DirtyBitmap *b, int64_t length)
{
    int64_t old = b->size;
    long bits = (long)((length + b->granularity - 1) >> b->shift);

    if (length == old) {
        return;
    }
    if (bits < b->bits) {
        change(b, bits, b->bits, false);
    }
    b->map = bitmap_zero_extend(b->map, b->bits, MAX(bits, b->bits));
    b->bits = bits;
    b->size = length;
    if (length > old && !b->disabled) {
        set_locked(b, old, length - old);
    }
}

void dirty_bitmaps_resize(BlockNode *node, int64_t length)
{
    DirtyBitmap *b;

    QEMU_LOCK_GUARD(&node->bitmap_lock);
    QLIST_FOREACH(b, &node->bitmaps, next) {
        if (b->successor) {
            b->successor->disabled = b->disabled;
            resize_locked(b->successor, length);
        }
        resize_locked(b, length);
    }
}

/* -- as bytes ---------------------------------------------------------------------- */

size_t dirty_bitmap_bytes(const DirtyBitmap *b)
{
    return DIV_ROUND_UP((size_t)b->bits, 8);
}

/* Of what stands in word @n, the bits that stand for something. */
static uint64_t word_mask(const DirtyBitmap *b, size_t n)
{
    size_t left = (size_t)b->bits - n * BITS_PER_LONG;

    return left >= BITS_PER_LONG ? UINT64_MAX : (UINT64_C(1) << left) - 1;
}

/* Eight bytes of the map from byte 8 * @n, as a number; @n is inside it. */
static uint64_t get_word(const DirtyBitmap *b, size_t n)
{
    return b->map[n] & word_mask(b, n);
}

static void or_word(DirtyBitmap *b, size_t n, uint64_t word)
{
    uint64_t added = word & word_mask(b, n) & ~(uint64_t)b->map[n];

    b->map[n] |= added;
    b->count += ctpop64(added);
}

void dirty_bitmap_store(DirtyBitmap *b, size_t from, size_t len, uint8_t *buf)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    for (size_t i = 0; i < len;) {
        size_t at = from + i;
        size_t in_word = at % 8;
        size_t n = MIN(8 - in_word, len - i);
        uint8_t bytes[8] = { 0 };

        if (at < dirty_bitmap_bytes(b)) {
            stq_le_p(bytes, get_word(b, at / 8));
        }
        memcpy(buf + i, bytes + in_word, n);
        i += n;
    }
}

void dirty_bitmap_load(DirtyBitmap *b, size_t from, size_t len,
                       const uint8_t *buf)
{
    QEMU_LOCK_GUARD(&b->node->bitmap_lock);

    for (size_t i = 0; i < len && from + i < dirty_bitmap_bytes(b);) {
        size_t at = from + i;
        size_t in_word = at % 8;
        size_t n = MIN(8 - in_word, len - i);
        uint8_t bytes[8] = { 0 };

        memcpy(bytes + in_word, buf + i, n);
        or_word(b, at / 8, ldq_le_p(bytes));
        i += n;
    }
}

char *dirty_bitmap_sha256(DirtyBitmap *b, Error **errp)
{
    size_t len = dirty_bitmap_bytes(b);
    g_autofree uint8_t *bytes = g_malloc(len + 1);
    char *digest = NULL;

    dirty_bitmap_store(b, 0, len, bytes);
    qcrypto_hash_digest(QCRYPTO_HASH_ALG_SHA256, (const char *)bytes, len,
                        &digest, errp);
    return digest;
}
