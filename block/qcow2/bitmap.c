/*
 * The bitmap directory: dirty bitmaps stored in an image.
 *
 * While the disk may be written the bitmaps on disk are not up to date: they
 * are marked as in use, and a process that finds that mark at the next opening
 * knows that their contents are worth nothing. What may be stored is limited
 * to what may be loaded.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "block/qcow2/internal.h"
#include "qapi/util.h"
#include "util/host-utils.h"

bool coroutine_fn qcow_bitmaps_load(BlockQcow2 *s, Error **errp)
{
    const QcowHeader *h = &s->header;
    g_autofree uint8_t *buf = NULL;
    bool lenient = BLOCK_NODE(s)->open_flags & NODE_OPEN_CHECK;
    int ret;

    s->bitmaps = NULL;
    if (!h->has_bitmaps) {
        return true;
    }
    buf = g_try_malloc(h->bitmap_dir_size);
    ret = buf ? qcow_file_read(s->file.node, h->bitmap_dir_offset, buf,
                               h->bitmap_dir_size)
              : -ENOMEM;
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read the bitmap directory");
        return false;
    }
    s->bitmaps =
        qcow_bitmaps_decode(buf, h->bitmap_dir_size, h->nb_bitmaps,
                            s->cluster_bits, h->size, lenient ? NULL : errp);
    return s->bitmaps || lenient;
}

/* Only flags change: the entries stay where they are. */
int coroutine_fn qcow_bitmaps_begin(BlockQcow2 *s, Error **errp)
{
    const QcowHeader *h = &s->header;
    g_autofree uint8_t *buf = NULL;
    bool changed = false;
    size_t len;
    int ret;

    for (uint32_t i = 0; s->bitmaps && i < h->nb_bitmaps; i++) {
        changed |= !(s->bitmaps[i].flags & QCOW_BITMAP_IN_USE);
        s->bitmaps[i].flags |= QCOW_BITMAP_IN_USE;
    }
    if (!changed) {
        return 0;
    }
    buf = qcow_bitmaps_encode(s->bitmaps, h->nb_bitmaps, &len, errp);
    if (!buf || len != h->bitmap_dir_size) {
        if (buf) {
            error_setg(errp, "Bitmap directory is not as it was read");
        }
        return -EINVAL;
    }
    ret = qcow_meta_write(s, QCOW_META_BITMAPS, h->bitmap_dir_offset, buf, len);
    if (ret == 0) {
        ret = qcow_flush_files(s);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write the bitmap directory");
    }
    return ret;
}

/* -- limits --------------------------------------------------------------------------- */

/* What those that are stored would take if the disk had @disk_size bytes. */
static uint64_t maps_at(BlockQcow2 *s, uint64_t disk_size, uint32_t *ret_count)
{
    uint64_t total = 0;
    DirtyBitmap *b;

    *ret_count = 0;
    QLIST_FOREACH(b, &BLOCK_NODE(s)->bitmaps, next) {
        if (b->name && b->persistent) {
            total += qcow_bitmap_map_bytes(disk_size, b->shift);
            ++*ret_count;
        }
    }
    return total;
}

bool qcow_bitmaps_may_resize(BlockQcow2 *s, int64_t bytes, Error **errp)
{
    uint32_t count;
    DirtyBitmap *b;

    if (maps_at(s, (uint64_t)bytes, &count) > QCOW_BITMAP_MAPS_MAX) {
        error_setg(errp,
                   "The %u bitmaps of '%s' would take more than %" PRIu64
                   " bytes of memory for a disk of %" PRId64 " bytes",
                   count, BLOCK_NODE(s)->name, QCOW_BITMAP_MAPS_MAX, bytes);
        return false;
    }
    QLIST_FOREACH(b, &BLOCK_NODE(s)->bitmaps, next) {
        if (b->persistent &&
            bytes / b->granularity / 8 > DIRTY_BITMAP_MAP_MAX) {
            error_setg(errp,
                       "The granularity of bitmap '%s' is too small for a disk "
                       "of %" PRId64 " bytes",
                       b->name, bytes);
            return false;
        }
    }
    return true;
}

bool coroutine_fn qcow_co_can_store_bitmap(BlockNode *node, const char *name,
                                           uint32_t granularity, Error **errp)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    uint32_t count;

    if (s->header.version < 3) {
        error_setg(errp, "Cannot store dirty bitmaps in a qcow2 image of "
                         "version 2");
        return false;
    }
    if (strlen(name) > QCOW_BITMAP_NAME_MAX) {
        error_setg(errp, "Name of the bitmap is longer than %d bytes",
                   QCOW_BITMAP_NAME_MAX);
        return false;
    }
    if (granularity < 1u << QCOW_BITMAP_GRANULARITY_BITS_MIN) {
        error_setg(errp, "Granularity of bitmap '%s' is under %u bytes", name,
                   1u << QCOW_BITMAP_GRANULARITY_BITS_MIN);
        return false;
    }
    /* One of that name that only the image has is stale: storing drops it. */
    if (maps_at(s, s->header.size, &count) +
                qcow_bitmap_map_bytes(s->header.size,
                                      (unsigned)ctz32(granularity)) >
            QCOW_BITMAP_MAPS_MAX ||
        count >= QCOW_BITMAPS_MAX) {
        error_setg(errp,
                   "Image '%s' may have at most %u bitmaps, of %" PRIu64
                   " bytes in memory, and has %u",
                   node->name, QCOW_BITMAPS_MAX, QCOW_BITMAP_MAPS_MAX, count);
        return false;
    }
    return true;
}

/* -- what people see ------------------------------------------------------------------ */

Qcow2BitmapInfoList *qcow_bitmap_info(BlockQcow2 *s)
{
    Qcow2BitmapInfoList *list = NULL;

    for (uint32_t i = s->header.nb_bitmaps; s->bitmaps && i-- > 0;) {
        const QcowBitmap *bm = &s->bitmaps[i];
        Qcow2BitmapInfo *info = g_new0(Qcow2BitmapInfo, 1);

        info->name = g_strdup(bm->name);
        info->granularity = 1u << bm->granularity_bits;
        if (bm->flags & QCOW_BITMAP_AUTO) {
            QAPI_LIST_PREPEND(info->flags, QCOW2_BITMAP_INFO_FLAGS_AUTO);
        }
        if (bm->flags & QCOW_BITMAP_IN_USE) {
            QAPI_LIST_PREPEND(info->flags, QCOW2_BITMAP_INFO_FLAGS_IN_USE);
        }
        QAPI_LIST_PREPEND(list, info);
    }
    return list;
}
