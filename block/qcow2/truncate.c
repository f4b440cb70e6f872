/*
 * Changing a disk's size, and allocating its clusters ahead.
 *
 * A disk that grows reads as zeroes in its new part: what the last cluster
 * holds behind the old end is overwritten, and a backing file that is longer
 * is hidden, before the new size is in the header. A disk that shrinks gets
 * its new size first and loses clusters then, so that a power cut in between
 * costs no byte that is still on the disk.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

/* Zeroes written at a time. */
#define ZERO_BYTES (1024 * 1024)

/* -- zeroes in the new part --------------------------------------------------------- */

static int coroutine_fn write_zero_bytes(BlockQcow2 *s, uint64_t from,
                                         uint64_t to)
{
    g_autofree void *zeroes = g_try_malloc0(ZERO_BYTES);
    int ret = zeroes ? 0 : -ENOMEM;

    while (ret == 0 && from < to) {
        uint64_t n = MIN(to - from, ZERO_BYTES);
        QEMUIOVector qiov;

        qemu_iovec_init_buf(&qiov, zeroes, n);
        ret = qcow_write(s, from, (int64_t)n, &qiov, 0);
        from += n;
    }
    return ret;
}

/* The rest of the last cluster. */
static int coroutine_fn zero_rest(BlockQcow2 *s, uint64_t from, uint64_t to)
{
    int ret = 0;

    while (ret == 0 && from < to) {
        QcowMap m;

        ret = qcow_map(s, from, (int64_t)(to - from), &m);
        if (ret < 0) {
            break;
        }
        if (m.kind == QCOW_NORMAL || m.kind == QCOW_COMPRESSED ||
            ((m.kind == QCOW_UNALLOCATED || m.kind == QCOW_UNALLOCATED_ALLOC) &&
             !qcow_backing_is_zero(s, from, m.bytes))) {
            ret = write_zero_bytes(s, from, from + (uint64_t)m.bytes);
        }
        from += (uint64_t)m.bytes;
    }
    return ret;
}

static int coroutine_fn zero_new_part(BlockQcow2 *s, uint64_t from, uint64_t to)
{
    uint64_t cluster = s->cluster_bytes;
    uint64_t whole = MIN(ROUND_UP(from, cluster), to);
    uint64_t hidden = to;
    int ret = zero_rest(s, from, whole);

    if (ret < 0 || !s->backing.node) {
        return ret;
    }
    hidden = MIN(to, (uint64_t)block_node_length(s->backing.node));
    if (hidden <= whole) {
        return 0;
    }
    return s->header.version >= 3
               ? qcow_remap(s, whole, ROUND_UP(hidden, cluster) - whole,
                            QCOW_REMAP_ZERO, QCOW_DISCARD_NEVER)
               : write_zero_bytes(s, whole, hidden);
}

/* -- preallocation ------------------------------------------------------------------------- */

static int coroutine_fn fill_space(BlockQcow2 *s, const QcowSpace *space,
                                   PreallocMode mode)
{
    int64_t bytes = (int64_t)(space->count << s->cluster_bits);
    int64_t offset = (int64_t)space->offset;
    int ret = 0;

    if (mode == PREALLOC_MODE_METADATA && !s->crypt) {
        return space->fresh ? 0
                            : node_co_pwrite_zeroes(s->file.node, offset, bytes,
                                                    BLK_REQ_MAY_UNMAP);
    }
    if (mode != PREALLOC_MODE_FULL) {
        return node_co_pwrite_zeroes(s->file.node, offset, bytes, 0);
    }
    for (int64_t done = 0; ret == 0 && done < bytes; done += ZERO_BYTES) {
        int64_t n = MIN(bytes - done, ZERO_BYTES);
        g_autofree void *zeroes = g_try_malloc0((size_t)n);

        ret = zeroes ? node_co_pwrite(s->file.node, offset + done, n, zeroes, 0)
                     : -ENOMEM;
    }
    return ret;
}

/* Enter clusters for a run in one slice. lock is held, and the range. */
static int coroutine_fn enter_run(BlockQcow2 *s, uint64_t guest,
                                  const QcowSpace *space)
{
    bool shows = s->backing.node || s->hides_backing;

    for (uint64_t i = 0; i < space->count; i++) {
        uint64_t host = space->offset + (i << s->cluster_bits);
        uint64_t entry = host | QCOW_COPIED;
        QcowTable *t;
        unsigned index;
        int ret =
            qcow_slice_writable(s, guest + (i << s->cluster_bits), &t, &index);

        if (ret < 0) {
            return ret;
        }
        if (!s->ext_l2 && (s->crypt || shows)) {
            entry |= QCOW_ZERO_BIT;
        }
        qcow_entry_set(s, t, index, entry,
                       shows      ? 0
                       : s->crypt ? (uint64_t)UINT32_MAX << 32
                                  : UINT32_MAX);
    }
    return 0;
}

/* *@bytes from @guest on have nothing yet: what could be had in a row. */
static int coroutine_fn preallocate_run(BlockQcow2 *s, uint64_t guest,
                                        uint64_t *bytes, uint64_t *goal,
                                        PreallocMode mode)
{
    uint64_t count = qcow_clusters(s, *bytes);
    QcowSpace space = { .offset = guest, .count = count };
    QcowRange range;
    int ret = 0;

    if (!qcow_has_data_file(s)) {
        ret = qcow_space_alloc(s, *goal, count, &space);
        if (ret == 0) {
            ret = fill_space(s, &space, mode);
        }
    }
    if (ret < 0) {
        return ret;
    }
    qemu_co_mutex_lock(&s->lock);
    qcow_range_lock(s, &range, guest >> s->cluster_bits,
                    (guest >> s->cluster_bits) + space.count);
    ret = enter_run(s, guest, &space);
    qcow_range_unlock(s, &range);
    qemu_co_mutex_unlock(&s->lock);
    *goal = space.offset + (space.count << s->cluster_bits);
    *bytes = space.count << s->cluster_bits;
    return ret;
}

int coroutine_fn qcow_preallocate(BlockQcow2 *s, uint64_t from, uint64_t to,
                                  PreallocMode mode, Error **errp)
{
    uint64_t at = qcow_cluster_start(s, from);
    uint64_t goal = 0;
    int ret = 0;

    while (ret == 0 && at < to) {
        uint64_t n;
        QcowMap m;

        ret = qcow_map(s, at,
                       (int64_t)(ROUND_UP(to, (uint64_t)s->cluster_bytes) - at),
                       &m);
        if (ret < 0) {
            break;
        }
        n = (uint64_t)m.bytes;
        if (m.kind == QCOW_UNALLOCATED) {
            ret = preallocate_run(s, at, &n, &goal, mode);
        }
        at += n;
    }
    if (ret == 0 && qcow_has_data_file(s)) {
        return node_co_truncate(
            s->data, (int64_t)to, false,
            mode == PREALLOC_MODE_METADATA ? PREALLOC_MODE_OFF : mode, 0, errp);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not preallocate space");
    }
    return ret;
}

/* -- resizing ------------------------------------------------------------------------------ */

static int coroutine_fn grow(BlockQcow2 *s, uint64_t from, uint64_t to,
                             PreallocMode mode, Error **errp)
{
    int ret = qcow_l1_grow(s, qcow_l1_entries(s, to), errp);

    if (ret < 0) {
        return ret;
    }
    if (s->data_file.node && block_node_length(s->data) < (int64_t)to) {
        ret = node_co_truncate(s->data, (int64_t)to, false, PREALLOC_MODE_OFF,
                               0, errp);
        if (ret < 0) {
            return ret;
        }
    }
    ret = zero_new_part(s, from, to);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not zero the new part");
        return ret;
    }
    if (mode != PREALLOC_MODE_OFF) {
        ret = qcow_preallocate(s, from, to, mode, errp);
        if (ret < 0) {
            return ret;
        }
    }
    ret = qcow_commit_all(s);
    if (ret == 0) {
        ret = qcow_header_set_size(s, to);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write the new size");
    }
    return ret;
}

static int coroutine_fn shrink(BlockQcow2 *s, uint64_t from, uint64_t to,
                               Error **errp)
{
    uint64_t start = ROUND_UP(to, (uint64_t)s->cluster_bytes);
    uint64_t end = ROUND_UP(from, (uint64_t)s->cluster_bytes);
    int ret = qcow_header_set_size(s, to);

    if (ret == 0 && start < end) {
        ret = qcow_remap(s, start, end - start, QCOW_REMAP_FORGET,
                         QCOW_DISCARD_REQUEST);
    }
    if (ret == 0) {
        ret = qcow_commit_all(s);
    }
    if (ret == 0 && s->raw_data) {
        ret = node_co_truncate(s->data, (int64_t)to, false, PREALLOC_MODE_OFF,
                               0, errp);
    }
    if (ret < 0 && !(errp && *errp)) {
        error_setg_errno(errp, -ret, "Could not shrink the image");
    }
    return ret;
}

static bool may_resize(BlockQcow2 *s, int64_t bytes, PreallocMode mode,
                       Error **errp)
{
    bool shrinks = bytes < (int64_t)s->header.size;

    if (bytes < 0 || bytes % BLK_SECTOR_SIZE ||
        (uint64_t)bytes > QCOW_SIZE_MAX) {
        error_setg(errp,
                   "New size %" PRId64 " must be a multiple of %d and at "
                   "most %" PRIu64,
                   bytes, BLK_SECTOR_SIZE, QCOW_SIZE_MAX);
        return false;
    }
    if (s->header.nb_snapshots && s->header.version < 3) {
        error_setg(errp, "Can't resize a version 2 image which has snapshots");
        return false;
    }
    if (shrinks && mode != PREALLOC_MODE_OFF) {
        error_setg(errp, "Preallocation can't be used for shrinking an image");
        return false;
    }
    if (mode != PREALLOC_MODE_OFF && s->backing.node && !s->ext_l2) {
        error_setg(errp, "Backing file and preallocation can only be used at "
                         "the same time if extended_l2 is enabled");
        return false;
    }
    if (!s->active) {
        error_setg(errp, "Image '%s' is read-only", BLOCK_NODE(s)->name);
        return false;
    }
    return shrinks || qcow_bitmaps_may_resize(s, bytes, errp);
}

int coroutine_fn qcow_co_truncate(BlockNode *node, int64_t bytes, bool exact,
                                  PreallocMode prealloc, BlkRequestFlags flags,
                                  Error **errp)
{
    ERRP_GUARD();
    BlockQcow2 *s = BLOCK_QCOW2(node);
    uint64_t old;
    int ret = 0;

    qcow_close_gate(s);
    old = s->header.size;
    if (!may_resize(s, bytes, prealloc, errp)) {
        ret = -EINVAL;
    } else if ((uint64_t)bytes > old) {
        ret = grow(s, old, (uint64_t)bytes, prealloc, errp);
    } else if ((uint64_t)bytes < old) {
        ret = shrink(s, old, (uint64_t)bytes, errp);
    }
    qcow_open_gate(s);
    if (s->header.size != old) {
        block_node_set_length(node, (int64_t)s->header.size);
    }
    return ret;
}
