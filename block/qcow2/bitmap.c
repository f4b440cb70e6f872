/*
 * The bitmap directory: dirty bitmaps stored in an image.
 *
 * While the disk may be written the bitmaps on disk are not up to date: they
 * are marked as in use, and a process that finds that mark at the next opening
 * knows that their contents are worth nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"
#include "qapi/util.h"

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
