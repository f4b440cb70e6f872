/*
 * States of the machine: they are behind the end of the disk, as far as its L1
 * table goes, until a snapshot takes them with it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

int coroutine_fn qcow_forget_vmstate(BlockQcow2 *s, uint64_t bytes)
{
    uint64_t from = qcow_vmstate_offset(s);

    return bytes ? qcow_remap(s, from,
                              ROUND_UP(bytes, (uint64_t)s->cluster_bytes),
                              QCOW_REMAP_FORGET, QCOW_DISCARD_NEVER)
                 : 0;
}

/* A state ends anywhere; what is encrypted is whole sectors. */
static int coroutine_fn vmstate_sectors(BlockQcow2 *s, uint64_t offset,
                                        QEMUIOVector *qiov, bool is_write)
{
    uint64_t start = ROUND_DOWN(offset, (uint64_t)BLK_SECTOR_SIZE);
    uint64_t end = ROUND_UP(offset + qiov->size, (uint64_t)BLK_SECTOR_SIZE);
    size_t bytes = (size_t)(end - start), skip = (size_t)(offset - start);
    g_autofree uint8_t *buf = g_try_malloc(bytes);
    QEMUIOVector whole;
    int ret;

    if (!buf) {
        return -ENOMEM;
    }
    qemu_iovec_init_buf(&whole, buf, bytes);
    ret = qcow_read(s, start, (int64_t)bytes, &whole, 0);
    if (ret == 0 && is_write) {
        qemu_iovec_to_buf(qiov, 0, buf + skip, qiov->size);
        ret = qcow_write(s, start, (int64_t)bytes, &whole, 0);
    } else if (ret == 0) {
        qemu_iovec_from_buf(qiov, 0, buf + skip, qiov->size);
    }
    return ret;
}

static bool needs_sectors(const BlockQcow2 *s, uint64_t offset,
                          const QEMUIOVector *qiov)
{
    return s->crypt && ((offset | qiov->size) & (BLK_SECTOR_SIZE - 1));
}

int coroutine_fn qcow_co_save_vmstate(BlockNode *node, QEMUIOVector *qiov,
                                      int64_t pos)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    uint64_t offset = qcow_vmstate_offset(s) + (uint64_t)pos;
    uint64_t entries = qcow_l1_entries(s, offset + qiov->size);
    unsigned ticket;
    int ret = 0;

    if (!s->active || qcow_has_data_file(s)) {
        return -ENOTSUP;
    }
    if (entries > s->l1_size) {
        qcow_close_gate(s);
        /* Room for what follows, too. */
        ret = qcow_l1_grow(
            s, MAX(entries, MIN(entries + entries / 8, QCOW_L1_MAX_BYTES / 8)),
            NULL);
        qcow_open_gate(s);
    }
    if (ret < 0) {
        return ret;
    }
    ticket = qcow_enter(s);
    ret = needs_sectors(s, offset, qiov)
              ? vmstate_sectors(s, offset, qiov, true)
              : qcow_write(s, offset, (int64_t)qiov->size, qiov, 0);
    qcow_leave(s, ticket);
    return ret;
}

int coroutine_fn qcow_co_load_vmstate(BlockNode *node, QEMUIOVector *qiov,
                                      int64_t pos)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    uint64_t offset = qcow_vmstate_offset(s) + (uint64_t)pos;
    unsigned ticket = qcow_enter(s);
    int ret = needs_sectors(s, offset, qiov)
                  ? vmstate_sectors(s, offset, qiov, false)
                  : qcow_read(s, offset, (int64_t)qiov->size, qiov, 0);

    qcow_leave(s, ticket);
    return ret;
}

int coroutine_fn qcow_co_forget_vmstate(BlockNode *node)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    uint64_t from = qcow_vmstate_offset(s);
    uint64_t end;
    int ret;

    if (!s->active || qcow_has_data_file(s)) {
        return -ENOTSUP;
    }
    qcow_close_gate(s);
    end = (uint64_t)s->l1_size << (s->cluster_bits + s->l2_bits);
    ret = qcow_forget_vmstate(s, end > from ? end - from : 0);
    if (ret == 0) {
        ret = qcow_commit_all(s);
    }
    qcow_open_gate(s);
    return ret;
}
