/*
 * New L2 tables, and a larger L1 table.
 *
 * An L2 table that a snapshot shares, or that is not there, is replaced by a
 * new one of our own, which is written whole (copied, or zeroes) before L1
 * refers to it. One at a time, so that writers who all need the same table do
 * not make one each.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

void qcow_l1_mark(BlockQcow2 *s, uint32_t index)
{
    if (s->l1_dirty_from == s->l1_dirty_to) {
        s->l1_dirty_from = index;
        s->l1_dirty_to = index + 1;
    } else {
        s->l1_dirty_from = MIN(s->l1_dirty_from, index);
        s->l1_dirty_to = MAX(s->l1_dirty_to, index + 1);
    }
}

/* -- L2 ---------------------------------------------------------------------------- */

/* Old tables are shared with a snapshot: nobody changes them, and what is in
 * the cache of them is clean. */
static int coroutine_fn write_table(BlockQcow2 *s, uint64_t old,
                                    const QcowSpace *space)
{
    g_autofree uint8_t *buf = NULL;
    int ret = 0;

    if (!old && space->fresh) {
        return 0;
    }
    buf = g_try_malloc0(s->cluster_bytes);
    if (!buf) {
        return -ENOMEM;
    }
    if (old) {
        qcow_event(s, BLKDBG_L2_ALLOC_COW_READ);
        ret = qcow_file_read(s->file.node, old, buf, s->cluster_bytes);
    }
    qcow_event(s, BLKDBG_L2_ALLOC_WRITE);
    return ret == 0 ? node_co_pwrite(s->file.node, (int64_t)space->offset,
                                     s->cluster_bytes, buf, 0)
                    : ret;
}

/* lock is held. What was free may yet be a table in use, if refcounts lie or
 * two L1 entries name one table. */
static int coroutine_fn enter_table(BlockQcow2 *s, uint64_t l1_index,
                                    uint64_t offset)
{
    uint64_t old = s->l1[l1_index] & QCOW_OFFSET_MASK;

    if (!qcow_cache_forget(&s->l2, offset, s->cluster_bytes)) {
        return qcow_corrupt(s, true, (int64_t)offset, s->cluster_bytes,
                            "Preventing use of cluster %#" PRIx64 " for L1 "
                            "index %#" PRIx64 ": another L2 table is there",
                            offset, l1_index);
    }
    qemu_spin_lock(&s->spin);
    s->l1[l1_index] = offset | QCOW_COPIED;
    qemu_spin_unlock(&s->spin);
    qcow_l1_mark(s, (uint32_t)l1_index);
    qcow_metadata_add(s, offset, QCOW_META_ACTIVE_L2);
    if (old) {
        /* Still a snapshot's. */
        qcow_metadata_remove_table(s, old);
        qcow_drop(s, old, s->cluster_bytes, QCOW_DISCARD_OTHER);
    }
    return 0;
}

/* lock is not held; table_lock is. */
static int coroutine_fn new_table(BlockQcow2 *s, uint64_t l1_index)
{
    uint64_t old = s->l1[l1_index] & QCOW_OFFSET_MASK;
    QcowSpace space;
    int ret;

    if (qcow_in_cluster(s, old)) {
        return qcow_corrupt(s, true, -1, -1,
                            "L2 table offset %#" PRIx64 " unaligned (L1 index: "
                            "%#" PRIx64 ")",
                            old, l1_index);
    }
    ret = qcow_space_alloc(s, 0, 1, &space);
    if (ret < 0) {
        return ret;
    }
    ret = write_table(s, old, &space);
    if (ret < 0) {
        qcow_space_free(s, space.offset, s->cluster_bytes);
        return ret;
    }
    qemu_co_mutex_lock(&s->lock);
    ret = enter_table(s, l1_index, space.offset);
    qemu_co_mutex_unlock(&s->lock);
    return ret;
}

static bool is_ours(const BlockQcow2 *s, uint64_t l1_index)
{
    return (s->l1[l1_index] & QCOW_COPIED) &&
           (s->l1[l1_index] & QCOW_OFFSET_MASK);
}

int coroutine_fn qcow_slice_writable(BlockQcow2 *s, uint64_t offset,
                                     QcowTable **t, unsigned *index)
{
    uint64_t l1_index = offset >> (s->cluster_bits + s->l2_bits);

    if (l1_index >= s->l1_size) {
        return -EFBIG;
    }
    while (!is_ours(s, l1_index)) {
        int ret;

        qemu_co_mutex_unlock(&s->lock);
        qemu_co_mutex_lock(&s->table_lock);
        /* Only the holder of table_lock, or of the gate, changes it. */
        ret = is_ours(s, l1_index) ? 0 : new_table(s, l1_index);
        qemu_co_mutex_unlock(&s->table_lock);
        qemu_co_mutex_lock(&s->lock);
        if (ret < 0) {
            return ret;
        }
    }
    return qcow_slice_get(s, offset, t, index);
}

/* -- L1 ------------------------------------------------------------------------------- */

static int coroutine_fn move_l1(BlockQcow2 *s, uint64_t *l1, uint32_t entries)
{
    uint64_t bytes = (uint64_t)entries * 8;
    uint64_t old_offset = s->l1_offset;
    uint64_t old_bytes = (uint64_t)s->l1_size * 8;
    uint64_t *old = s->l1;
    uint64_t offset;
    int ret;

    qcow_event(s, BLKDBG_L1_GROW_ALLOC_TABLE);
    ret = qcow_space_alloc_exact(s, qcow_clusters(s, bytes), &offset);
    if (ret < 0) {
        return ret;
    }
    qcow_event(s, BLKDBG_L1_GROW_WRITE_TABLE);
    ret = qcow_write_l1(s, offset, l1, entries);
    if (ret == 0) {
        /* The refcounts of the new table are on disk before the header. */
        ret = qcow_commit(s, true);
    }
    if (ret == 0) {
        qcow_event(s, BLKDBG_L1_GROW_ACTIVATE_TABLE);
        ret = qcow_header_set_l1(s, offset, entries, s->header.size);
    }
    if (ret < 0) {
        qcow_space_free(s, offset, bytes);
        return ret;
    }
    qemu_co_mutex_lock(&s->lock);
    qemu_spin_lock(&s->spin);
    s->l1 = l1;
    s->l1_size = entries;
    s->l1_offset = offset;
    qemu_spin_unlock(&s->spin);
    if (old_bytes) {
        qcow_drop(s, old_offset, old_bytes, QCOW_DISCARD_OTHER);
    }
    qemu_co_mutex_unlock(&s->lock);
    g_free(old);
    return 0;
}

/* The gate is closed: entries do not change. */
int coroutine_fn qcow_l1_grow(BlockQcow2 *s, uint64_t entries, Error **errp)
{
    uint64_t *l1;
    int ret;

    if (entries <= s->l1_size) {
        return 0;
    }
    if (entries > QCOW_L1_MAX_BYTES / 8) {
        error_setg(errp,
                   "The image would need an L1 table of %" PRIu64
                   " entries, which is too many",
                   entries);
        return -EFBIG;
    }
    /* What is dirty of the old table must not come later. */
    ret = qcow_commit(s, true);
    l1 = ret == 0 ? g_try_new0(uint64_t, entries) : NULL;
    if (ret == 0 && !l1) {
        ret = -ENOMEM;
    }
    if (ret == 0) {
        memcpy(l1, s->l1, (size_t)s->l1_size * 8);
        ret = move_l1(s, l1, (uint32_t)entries);
    }
    if (ret < 0) {
        g_free(l1);
        error_setg_errno(errp, -ret, "Failed to grow the L1 table");
    }
    return ret;
}
