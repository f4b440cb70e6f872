/*
 * Dirty bitmaps: which pieces of a node were written since some moment.
 *
 * A bit stands for `granularity` bytes. Every write, zeroing, discard and
 * growth of the node sets bits in all enabled bitmaps of the node; jobs
 * (mirror, backup) and users (incremental backup) read and clear them.
 * Bitmaps with a name are the user's and may be stored in the image.
 *
 * While a job reads a named bitmap, the bitmap has a successor: an anonymous
 * one that collects what is written meanwhile. At the end it takes the
 * bitmap's place (the job went well) or is merged back.
 *
 * Thread: any, unless a function says otherwise; the node's bitmap_lock
 * guards all bitmaps of a node.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_DIRTY_BITMAP_H
#define BLOCK_DIRTY_BITMAP_H

#include "block/block-internal.h"

#define DIRTY_BITMAP_NAME_MAX        1023
#define DIRTY_BITMAP_GRANULARITY_MIN 512u
#define DIRTY_BITMAP_GRANULARITY_MAX (1u << 31)
/* Bytes of the map of one bitmap: 2 TiB of disk at 512 bytes a bit. */
#define DIRTY_BITMAP_MAP_MAX (512 * 1024 * 1024)

typedef struct DirtyBitmap DirtyBitmap;

struct DirtyBitmap {
    BlockNode *node;
    char *name; /* NULL: of a job */
    uint32_t granularity;
    unsigned shift; /* granularity = 1 << shift */
    int64_t size;   /* bytes covered: the node's length */
    unsigned long *map;
    long bits;
    long count;        /* bits set */
    bool disabled;     /* writes do not set bits */
    bool read_only;    /* stored in an image that cannot be written */
    bool inconsistent; /* its image was not closed well: contents unknown */
    bool persistent;   /* stored in the image when it is closed */
    bool busy;         /* a job or an export uses it */
    bool moving;       /* to or from another process: not stored, and what the
                          image has of it does not count */
    bool enable_later; /* on arrival: not disabled once the guest runs here */
    DirtyBitmap *successor;
    QLIST_ENTRY(DirtyBitmap) next;
};

/* What an operation must be able to do to a bitmap. */
typedef enum DirtyBitmapUse {
    DIRTY_BITMAP_NOT_BUSY = 1 << 0,
    DIRTY_BITMAP_WRITABLE = 1 << 1,
    DIRTY_BITMAP_CONSISTENT = 1 << 2,
    DIRTY_BITMAP_ANY_CHANGE =
        DIRTY_BITMAP_NOT_BUSY | DIRTY_BITMAP_WRITABLE | DIRTY_BITMAP_CONSISTENT,
} DirtyBitmapUse;

/**
 * dirty_bitmap_new:
 * @name: (nullable) unique in @node
 * @granularity: bytes, power of two; 0: the node's cluster size, between 4 KiB
 *               and 64 KiB
 *
 * Returns: (transfer none) an enabled, empty bitmap that lives until
 *   dirty_bitmap_release() or the node's end; NULL.
 * Thread: main loop.
 */
DirtyBitmap *dirty_bitmap_new(BlockNode *node, const char *name,
                              uint32_t granularity, Error **errp);
/** dirty_bitmap_add: as dirty_bitmap_new(), of a name that @node does not have;
 *  its bitmaps are not searched. */
DirtyBitmap *dirty_bitmap_add(BlockNode *node, const char *name,
                              uint32_t granularity, Error **errp);
/** dirty_bitmap_release: and its successor. Thread: main loop. */
void dirty_bitmap_release(DirtyBitmap *b);
/** dirty_bitmaps_release_all: the node closes. */
void dirty_bitmaps_release_all(BlockNode *node);
/** dirty_bitmap_find: a named one, or NULL. */
DirtyBitmap *dirty_bitmap_find(BlockNode *node, const char *name);
/** dirty_bitmap_check: Errors: what @uses ask for and @b cannot. */
bool dirty_bitmap_check(const DirtyBitmap *b, unsigned uses, Error **errp);

/** dirty_bitmap_can_store: could @b be persistent? Thread: main loop. */
bool dirty_bitmap_can_store(DirtyBitmap *b, Error **errp);

void dirty_bitmap_enable(DirtyBitmap *b);
void dirty_bitmap_disable(DirtyBitmap *b);
void dirty_bitmap_set_busy(DirtyBitmap *b, bool busy);

/* -- bits; offsets are bytes ------------------------------------------------- */

bool dirty_bitmap_get(DirtyBitmap *b, int64_t offset);
/** dirty_bitmap_set, dirty_bitmap_reset: all bits that the range touches;
 *  reset: of a range that begins and ends at bits, or at the node's end. */
void dirty_bitmap_set(DirtyBitmap *b, int64_t offset, int64_t bytes);
void dirty_bitmap_reset(DirtyBitmap *b, int64_t offset, int64_t bytes);
/** dirty_bitmap_count: bytes that are dirty. */
int64_t dirty_bitmap_count(DirtyBitmap *b);
/** dirty_bitmap_next_dirty, _next_zero: offset of the first such byte in
 *  @bytes from @offset, or -1. */
int64_t dirty_bitmap_next_dirty(DirtyBitmap *b, int64_t offset, int64_t bytes);
int64_t dirty_bitmap_next_zero(DirtyBitmap *b, int64_t offset, int64_t bytes);
/**
 * dirty_bitmap_next_area:
 * @max: longest area to report
 * @ret_start, @ret_bytes: (out) the first dirty area in [@offset, @end)
 *
 * Returns: false if there is none.
 */
bool dirty_bitmap_next_area(DirtyBitmap *b, int64_t offset, int64_t end,
                            int64_t max, int64_t *ret_start,
                            int64_t *ret_bytes);

/**
 * dirty_bitmap_clear:
 * @backup: (out, nullable) the bits as they were, for dirty_bitmap_restore()
 */
void dirty_bitmap_clear(DirtyBitmap *b, unsigned long **backup);
/** dirty_bitmap_restore: undo; takes over @backup. */
void dirty_bitmap_restore(DirtyBitmap *b, unsigned long *backup);
/**
 * dirty_bitmap_merge: set in @dst what is set in @src; granularities may
 * differ, the nodes must have one length.
 * @backup: as for dirty_bitmap_clear()
 */
bool dirty_bitmap_merge(DirtyBitmap *dst, DirtyBitmap *src,
                        unsigned long **backup, Error **errp);

/* -- writes of the node (node-io.c) -------------------------------------------- */

/** dirty_bitmaps_written: set bits in all enabled bitmaps of @node. */
void dirty_bitmaps_written(BlockNode *node, int64_t offset, int64_t bytes);
/** dirty_bitmaps_resize: after a truncate; what is new is dirty. */
void dirty_bitmaps_resize(BlockNode *node, int64_t length);
static inline bool dirty_bitmaps_any(BlockNode *node)
{
    return qatomic_read(&node->n_bitmaps) > 0;
}

/* -- successors; thread: main loop -------------------------------------------------- */

/** dirty_bitmap_split: @b becomes busy and stands still; a successor collects
 *  (if @b was enabled). */
bool dirty_bitmap_split(DirtyBitmap *b, Error **errp);
/** dirty_bitmap_abdicate: the job went well: @b has the successor's bits. */
void dirty_bitmap_abdicate(DirtyBitmap *b);
/** dirty_bitmap_reclaim: the job failed: @b has its own bits and the
 *  successor's. */
void dirty_bitmap_reclaim(DirtyBitmap *b);

/* -- as bytes: qcow2, migration ------------------------------------------------------- */

/** dirty_bitmap_bytes: of the whole map as bytes: bit n of byte m stands for
 *  piece 8 m + n. */
size_t dirty_bitmap_bytes(const DirtyBitmap *b);
/** dirty_bitmap_store: bytes [@from, @from + @len) of the map to @buf. */
void dirty_bitmap_store(DirtyBitmap *b, size_t from, size_t len, uint8_t *buf);
/** dirty_bitmap_load: the other way; the bits are set, none is cleared. Bits
 *  beyond the end are ignored. */
void dirty_bitmap_load(DirtyBitmap *b, size_t from, size_t len,
                       const uint8_t *buf);
/** dirty_bitmap_sha256: (transfer full) hex digest of those bytes. */
char *dirty_bitmap_sha256(DirtyBitmap *b, Error **errp);

#endif
