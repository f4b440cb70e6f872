/*
 * Changes of the header.
 *
 * What changes while the image is in use stands in its first sector and is
 * changed there alone, so that a power cut leaves the old value or the new
 * one. Whatever the new value refers to must be stable before; each function
 * flushes before and after. Features, names and extensions are written with
 * the whole header, which is one sector, too, unless an image of others has
 * more in it (qcow_header_encode()).
 *
 * After a change that failed the disk may have the one or the other, while the
 * caller gives up what the new one refers to. So the old bytes are written once
 * more; and if that fails, too, nothing is written into the image before it goes
 * well (qcow_may_write()).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

static int coroutine_fn write_stable(BlockQcow2 *s, uint64_t offset,
                                     const void *buf, size_t len)
{
    int ret = qcow_meta_write(s, QCOW_META_HEADER, offset, buf, len);

    return ret == 0 ? node_co_flush(s->file.node) : ret;
}

/* header_lock is held. */
static int coroutine_fn undo(BlockQcow2 *s)
{
    int ret = 0;

    if (s->undo) {
        ret = write_stable(s, s->undo_offset, s->undo, s->undo_len);
    }
    if (ret == 0) {
        g_free(s->undo);
        qatomic_set(&s->undo, NULL);
    }
    return ret;
}

int coroutine_fn qcow_may_write(BlockQcow2 *s)
{
    if (qatomic_read(&s->broken)) {
        return -EIO;
    }
    if (!qatomic_read(&s->undo)) {
        return 0;
    }
    QEMU_LOCK_GUARD(&s->header_lock);
    return undo(s);
}

static int coroutine_fn write_field(BlockQcow2 *s, uint64_t offset,
                                    const void *buf, size_t len)
{
    g_autofree uint8_t *old = g_try_malloc(len);
    int ret = old ? undo(s) : -ENOMEM;

    if (ret == 0) {
        ret = qcow_flush_files(s);
    }
    if (ret == 0) {
        ret =
            node_co_pread(s->file.node, (int64_t)offset, (int64_t)len, old, 0);
    }
    if (ret < 0) {
        return ret;
    }
    ret = write_stable(s, offset, buf, len);
    if (ret < 0) {
        s->undo_offset = offset;
        s->undo_len = len;
        qatomic_set(&s->undo, g_steal_pointer(&old));
        undo(s);
    }
    return ret;
}

int coroutine_fn qcow_header_set_l1(BlockQcow2 *s, uint64_t offset,
                                    uint32_t entries, uint64_t disk_size)
{
    uint8_t buf[QCOW_HEADER_OFS_REFTABLE - QCOW_HEADER_OFS_SIZE];
    int ret;

    QEMU_LOCK_GUARD(&s->header_lock);
    stq_be_p(buf, disk_size);
    stl_be_p(buf + 8, s->header.crypt_method);
    stl_be_p(buf + 12, entries);
    stq_be_p(buf + 16, offset);
    ret = write_field(s, QCOW_HEADER_OFS_SIZE, buf, sizeof(buf));
    if (ret == 0) {
        qemu_spin_lock(&s->spin);
        s->header.size = disk_size;
        s->header.l1_size = entries;
        s->header.l1_offset = offset;
        qemu_spin_unlock(&s->spin);
    }
    return ret;
}

int coroutine_fn qcow_header_set_reftable(BlockQcow2 *s, uint64_t offset,
                                          uint32_t clusters)
{
    uint8_t buf[12];
    int ret;

    QEMU_LOCK_GUARD(&s->header_lock);
    stq_be_p(buf, offset);
    stl_be_p(buf + 8, clusters);
    ret = write_field(s, QCOW_HEADER_OFS_REFTABLE, buf, sizeof(buf));
    if (ret == 0) {
        qemu_spin_lock(&s->spin);
        s->header.reftable_offset = offset;
        s->header.reftable_clusters = clusters;
        qemu_spin_unlock(&s->spin);
    }
    return ret;
}

int coroutine_fn qcow_header_set_snapshots(BlockQcow2 *s, uint64_t offset,
                                           uint32_t count)
{
    uint8_t buf[12];
    int ret;

    QEMU_LOCK_GUARD(&s->header_lock);
    stl_be_p(buf, count);
    stq_be_p(buf + 4, offset);
    ret = write_field(s, QCOW_HEADER_OFS_SNAPSHOTS, buf, sizeof(buf));
    if (ret == 0) {
        s->header.snapshots_offset = offset;
        s->header.nb_snapshots = count;
    }
    return ret;
}

int coroutine_fn qcow_header_set_size(BlockQcow2 *s, uint64_t disk_size)
{
    uint8_t buf[8];
    int ret;

    QEMU_LOCK_GUARD(&s->header_lock);
    stq_be_p(buf, disk_size);
    ret = write_field(s, QCOW_HEADER_OFS_SIZE, buf, sizeof(buf));
    if (ret == 0) {
        s->header.size = disk_size;
    }
    return ret;
}

int coroutine_fn qcow_header_set_incompatible(BlockQcow2 *s, uint64_t set,
                                              uint64_t clear)
{
    uint64_t value;
    uint8_t buf[8];
    int ret;

    QEMU_LOCK_GUARD(&s->header_lock);
    value = (s->header.incompatible | set) & ~clear;
    if (value == s->header.incompatible || s->header.version < 3) {
        return 0;
    }
    stq_be_p(buf, value);
    ret = write_field(s, QCOW_HEADER_OFS_INCOMPAT, buf, sizeof(buf));
    if (ret == 0) {
        qatomic_set(&s->header.incompatible, value);
    }
    return ret;
}

int coroutine_fn qcow_header_rewrite(BlockQcow2 *s, Error **errp)
{
    QcowHeader *h = &s->header;
    uint64_t old_offset = h->backing_offset;
    uint32_t old_len = h->backing_len;
    g_autofree uint8_t *buf = NULL;
    size_t len;
    int ret = 0;

    QEMU_LOCK_GUARD(&s->header_lock);
    buf = qcow_header_encode(h, &len, errp);
    if (!buf) {
        h->backing_offset = old_offset;
        h->backing_len = old_len;
        return -ENOSPC;
    }
    if (h->backing_offset >= len) {
        ret =
            write_field(s, h->backing_offset, h->backing_file, h->backing_len);
    }
    if (ret == 0) {
        ret = write_field(s, 0, buf, len);
    }
    if (ret < 0) {
        h->backing_offset = old_offset;
        h->backing_len = old_len;
        error_setg_errno(errp, -ret, "Could not write the image header of '%s'",
                         BLOCK_NODE(s)->name);
    }
    return ret;
}

int coroutine_fn qcow_mark_dirty(BlockQcow2 *s)
{
    if (!s->lazy ||
        (qatomic_read(&s->header.incompatible) & QCOW_INCOMPAT_DIRTY)) {
        return 0;
    }
    return qcow_header_set_incompatible(s, QCOW_INCOMPAT_DIRTY, 0);
}
