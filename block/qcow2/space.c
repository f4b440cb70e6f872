/*
 * Finding free clusters.
 *
 * The search goes upwards from free_hint, below which nothing is free, and
 * takes what it finds in one refcount block. A writer that goes on behind its
 * last cluster says so (goal), so that what is consecutive on the disk becomes
 * so in the file even when several writers take turns. Refcounts of what was
 * found are raised before anybody else looks.
 *
 * Compressed data are packed: each piece begins where the last one ended, if
 * the cluster's refcount bears one more and, when the piece goes beyond it,
 * the next cluster is free.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"
#include "block/qcow2/refcount.h"

/* Clusters behind the end of the file that may be in use, as far as refcounts
 * say: leaks of a power cut. More than that is no image that ever was good. */
#define BEHIND_END_MAX (UINT64_C(64) * 1024 * 1024)

/* Free clusters from @first on inside of one block, up to @count. */
static uint64_t free_run(const BlockQcow2 *s, const QcowTable *t,
                         uint64_t first, uint64_t count)
{
    uint64_t end = ((first >> s->refblock_bits) + 1) << s->refblock_bits;
    uint64_t n = 0;

    while (n < count && first + n < end &&
           qcow_block_get(s, t, first + n) == 0) {
        n++;
    }
    return n;
}

static int coroutine_fn check_behind_end(BlockQcow2 *s, uint64_t cluster)
{
    uint64_t length = (uint64_t)block_node_length(s->file.node);

    if (cluster <= qcow_clusters(s, length) + BEHIND_END_MAX) {
        return 0;
    }
    return qcow_corrupt(s, true, -1, -1,
                        "Refcounts of clusters behind the end of the file");
}

static int coroutine_fn find_free(BlockQcow2 *s, uint64_t count,
                                  uint64_t *ret_first, uint64_t *ret_count)
{
    uint64_t c = s->free_hint;

    for (;;) {
        uint64_t end = ((c >> s->refblock_bits) + 1) << s->refblock_bits;
        QcowTable *t;
        int ret = check_behind_end(s, c);

        if (ret == 0) {
            ret = qcow_refblock(s, c, true, &t);
        }
        if (ret < 0) {
            return ret;
        }
        while (c < end && qcow_block_get(s, t, c) != 0) {
            c++;
        }
        s->free_hint = c;
        if (c < end) {
            *ret_first = c;
            *ret_count = free_run(s, t, c, count);
            return 0;
        }
    }
}

/* They are free: raise the refcounts, see that the file is long enough. */
static int coroutine_fn take_run(BlockQcow2 *s, uint64_t first, uint64_t count,
                                 QcowSpace *ret_space)
{
    uint64_t offset = first << s->cluster_bits;
    uint64_t end = (first + count) << s->cluster_bits;
    int ret;

    if (end > QCOW_HOST_OFFSET_MAX) {
        return -EFBIG;
    }
    ret = qcow_overlap_refuse(s, 0, offset, end - offset);
    if (ret == 0) {
        qcow_event(s, BLKDBG_CLUSTER_ALLOC_SPACE);
        ret = qcow_file_reach(s, end);
    }
    if (ret == 0) {
        ret = qcow_ref_change_locked(s, first, count, 1);
    }
    if (ret == 0) {
        ret_space->offset = offset;
        ret_space->count = count;
        ret_space->fresh = offset >= s->fresh_start;
        s->fresh_start = MAX(s->fresh_start, end);
    }
    return ret;
}

int coroutine_fn qcow_space_alloc(BlockQcow2 *s, uint64_t goal, uint64_t count,
                                  QcowSpace *ret_space)
{
    uint64_t first = goal >> s->cluster_bits;
    uint64_t n = 0;
    int ret;

    qcow_event(s, BLKDBG_CLUSTER_ALLOC);
    ret = qcow_mark_dirty(s);
    if (ret < 0) {
        return ret;
    }
    QEMU_LOCK_GUARD(&s->ref_lock);
    if (first) {
        QcowTable *t;

        ret = qcow_refblock(s, first, false, &t);
        n = ret == 0 && t ? free_run(s, t, first, count) : 0;
    }
    if (ret == 0 && n == 0) {
        ret = find_free(s, count, &first, &n);
    }
    return ret == 0 ? take_run(s, first, n, ret_space) : ret;
}

int64_t coroutine_fn qcow_space_alloc_at(BlockQcow2 *s, uint64_t offset,
                                         uint64_t count)
{
    uint64_t first = offset >> s->cluster_bits;
    QcowSpace space = { .count = 0 };
    QcowTable *t;
    uint64_t n;
    int ret;

    QEMU_LOCK_GUARD(&s->ref_lock);
    ret = qcow_refblock(s, first, true, &t);
    if (ret < 0) {
        return ret;
    }
    n = free_run(s, t, first, count);
    ret = n ? take_run(s, first, n, &space) : 0;
    return ret < 0 ? ret : (int64_t)space.count;
}

/* -- runs of any length ----------------------------------------------------------- */

static uint64_t blocks_missing(const BlockQcow2 *s, uint64_t first,
                               uint64_t count)
{
    uint64_t n = 0;

    for (uint64_t i = first >> s->refblock_bits;
         i <= (first + count - 1) >> s->refblock_bits; i++) {
        n += !(s->reftable[i] & QCOW_REFTABLE_MASK);
    }
    return n;
}

/* A run of @count clusters, and of as many more as new blocks for it take. */
static int coroutine_fn find_exact(BlockQcow2 *s, uint64_t count,
                                   uint64_t *ret_first)
{
    uint64_t first = s->free_hint;
    uint64_t n = 0;

    for (;;) {
        QcowTable *t = NULL;
        uint64_t c = first + n;
        int ret = n == 0 ? check_behind_end(s, c) : 0;

        if (ret == 0 && c >> s->refblock_bits >= s->reftable_size) {
            ret = qcow_reftable_grow(s, c >> s->refblock_bits);
        }
        if (ret == 0) {
            ret = qcow_refblock(s, c, false, &t);
        }
        if (ret < 0) {
            return ret;
        }
        if (t && qcow_block_get(s, t, c) != 0) {
            first = c + 1;
            n = 0;
            continue;
        }
        n++;
        if (n >= count && n - blocks_missing(s, first, n) >= count) {
            *ret_first = first;
            return 0;
        }
    }
}

int coroutine_fn qcow_space_alloc_exact(BlockQcow2 *s, uint64_t count,
                                        uint64_t *ret_offset)
{
    QcowSpace space;
    uint64_t first;
    int ret = qcow_mark_dirty(s);

    if (ret < 0) {
        return ret;
    }
    QEMU_LOCK_GUARD(&s->ref_lock);
    ret = find_exact(s, count, &first);
    if (ret == 0) {
        ret = qcow_reftable_cover(s, first, count);
    }
    if (ret == 0) {
        ret = take_run(s, first, count, &space);
    }
    if (ret == 0) {
        *ret_offset = space.offset;
    }
    return ret;
}

/* -- compressed data ----------------------------------------------------------------- */

/* Behind the last piece, if it can be. Returns: 1, 0: no, -errno. */
static int coroutine_fn pack(BlockQcow2 *s, uint32_t bytes)
{
    uint64_t first = s->packed_offset >> s->cluster_bits;
    uint32_t room = s->cluster_bytes - qcow_in_cluster(s, s->packed_offset);
    QcowSpace next;
    QcowTable *t;
    int ret = qcow_refblock(s, first, false, &t);

    if (ret < 0 || !t ||
        qcow_block_get(s, t, first) ==
            qcow_refcount_max(s->header.refcount_order)) {
        return ret;
    }
    if (bytes > room) {
        ret = qcow_refblock(s, first + 1, false, &t);
        if (ret < 0 || !t || qcow_block_get(s, t, first + 1) != 0) {
            return ret;
        }
        ret = take_run(s, first + 1, 1, &next);
        if (ret < 0) {
            return ret;
        }
    }
    ret = qcow_ref_change_locked(s, first, 1, 1);
    return ret < 0 ? ret : 1;
}

int coroutine_fn qcow_space_alloc_bytes(BlockQcow2 *s, uint32_t bytes,
                                        uint64_t *ret_offset)
{
    uint64_t first, n;
    QcowSpace space;
    int ret;

    qcow_event(s, BLKDBG_CLUSTER_ALLOC_BYTES);
    ret = qcow_mark_dirty(s);
    if (ret < 0) {
        return ret;
    }
    QEMU_LOCK_GUARD(&s->ref_lock);
    ret = s->packed_offset ? pack(s, bytes) : 0;
    if (ret == 0) {
        ret = find_free(s, 1, &first, &n);
        if (ret == 0) {
            ret = take_run(s, first, 1, &space);
        }
        if (ret == 0) {
            s->packed_offset = space.offset;
        }
    }
    if (ret < 0) {
        return ret;
    }
    if (s->packed_offset + bytes >
        qcow_compressed_offset_max(s->cluster_bits)) {
        qcow_ref_change_locked(s, s->packed_offset >> s->cluster_bits, 1, -1);
        return -EFBIG;
    }
    *ret_offset = s->packed_offset;
    s->packed_offset += bytes;
    if (qcow_in_cluster(s, s->packed_offset) == 0) {
        s->packed_offset = 0;
    }
    return 0;
}

void coroutine_fn qcow_space_free(BlockQcow2 *s, uint64_t offset,
                                  uint64_t bytes)
{
    uint64_t first = offset >> s->cluster_bits;
    uint64_t end = qcow_clusters(s, offset + bytes);

    /* An error means a leak, no more. */
    qcow_ref_change(s, first, end - first, -1);
}
