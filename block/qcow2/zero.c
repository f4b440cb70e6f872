/*
 * Zeroes and discards: changes of the mapping without data.
 *
 * Version 3 has a mark for clusters (and subclusters) that read as zeroes;
 * version 2 can only forget a cluster, which helps as long as no backing file
 * shows through. A raw data file must hold the zeroes as well, since others
 * read it without our tables.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

/* Part of a cluster: bits of subclusters. */
#define WHOLE_CLUSTER UINT32_MAX

typedef struct Remap {
    QcowRemap how;
    QcowDiscard why;
    uint64_t offset;
    uint64_t end;
} Remap;

/* -- one cluster; lock is held ------------------------------------------------------ */

static bool forgets(const BlockQcow2 *s, const Remap *r, uint64_t guest)
{
    return r->how == QCOW_REMAP_FORGET || s->header.version < 3;
}

static void put_zero(BlockQcow2 *s, QcowTable *t, unsigned index, bool keep)
{
    uint64_t entry = keep ? qcow_entry(s, t, index) : 0;

    if (s->ext_l2) {
        qcow_entry_set(s, t, index, entry, (uint64_t)UINT32_MAX << 32);
    } else {
        qcow_entry_set(s, t, index, entry | QCOW_ZERO_BIT, 0);
    }
}

static void remap_whole(BlockQcow2 *s, QcowTable *t, unsigned index,
                        const Remap *r, uint64_t guest)
{
    uint64_t entry = qcow_entry(s, t, index);
    bool has_host = qcow_entry_has_host(s, entry);
    bool is_empty = !has_host && !(entry & QCOW_COMPRESSED_BIT);
    bool keep;

    if (forgets(s, r, guest)) {
        /* Version 2: a backing file would show through. */
        if (r->how == QCOW_REMAP_DISCARD &&
            !qcow_backing_is_zero(s, guest, s->cluster_bytes)) {
            return;
        }
        if (entry || qcow_entry_bits(s, t, index)) {
            qcow_entry_set(s, t, index, 0, 0);
            qcow_drop_entry(s, entry, r->why);
        }
        return;
    }
    if (r->how == QCOW_REMAP_DISCARD && is_empty) {
        return;
    }
    keep = has_host && (s->raw_data ||
                        (r->how == QCOW_REMAP_ZERO && (entry & QCOW_COPIED)));
    put_zero(s, t, index, keep);
    if (!keep) {
        qcow_drop_entry(s, entry, r->why);
    }
}

/* Only the zero bits; whose the cluster is does not matter. */
static int remap_part(BlockQcow2 *s, QcowTable *t, unsigned index,
                      uint32_t mask)
{
    uint64_t entry = qcow_entry(s, t, index);
    uint64_t bits = qcow_entry_bits(s, t, index);

    if (entry & QCOW_COMPRESSED_BIT) {
        return -ENOTSUP;
    }
    qcow_entry_set(s, t, index, entry,
                   (bits & ~(uint64_t)mask) | (uint64_t)mask << 32);
    return 0;
}

static uint32_t sub_mask(const BlockQcow2 *s, uint64_t from, uint64_t to)
{
    uint64_t first = qcow_in_cluster(s, from) >> s->sub_bits;
    uint64_t n = (to - from) >> s->sub_bits;

    return n >= QCOW_SUBCLUSTERS || !s->ext_l2
               ? WHOLE_CLUSTER
               : (uint32_t)(((UINT64_C(1) << n) - 1) << first);
}

static int coroutine_fn remap_cluster(BlockQcow2 *s, const Remap *r,
                                      uint64_t guest)
{
    uint64_t from = MAX(guest, r->offset);
    uint64_t to = MIN(guest + s->cluster_bytes, r->end);
    uint32_t mask = sub_mask(s, from, to);
    QcowTable *t;
    unsigned index;
    int ret = qcow_slice_writable(s, guest, &t, &index);

    if (ret < 0) {
        return ret;
    }
    if (mask != WHOLE_CLUSTER) {
        return remap_part(s, t, index, mask);
    }
    remap_whole(s, t, index, r, guest);
    return 0;
}

/* -- ranges ------------------------------------------------------------------------------ */

/* Nothing is there, and that is all right: *@skip bytes. lock is held. */
static bool nothing_to_do(BlockQcow2 *s, const Remap *r, uint64_t offset,
                          uint64_t *skip)
{
    QcowMap m;

    if ((r->how == QCOW_REMAP_ZERO || r->how == QCOW_REMAP_ZERO_UNMAP) &&
        s->header.version >= 3) {
        return false;
    }
    if (!qcow_map_cached(s, offset, (int64_t)(r->end - offset), &m) ||
        m.kind != QCOW_UNALLOCATED ||
        (uint64_t)m.bytes < MIN(r->end - offset, s->cluster_bytes)) {
        return false;
    }
    *skip = (uint64_t)m.bytes;
    return true;
}

/* Their space is in the data file, at the same offset. */
static int coroutine_fn tell_data_file(BlockQcow2 *s, const Remap *r,
                                       uint64_t from, uint64_t to)
{
    int64_t bytes = (int64_t)(to - from);
    int64_t length = block_node_length(s->data);

    if (!qcow_has_data_file(s)) {
        return 0;
    }
    if (s->raw_data) {
        return node_co_pwrite_zeroes(
            s->data, (int64_t)from, bytes,
            r->how == QCOW_REMAP_ZERO ? 0 : BLK_REQ_MAY_UNMAP);
    }
    if (s->discard_passthrough[r->why] && r->how != QCOW_REMAP_ZERO &&
        (int64_t)from < length) {
        node_co_pdiscard(s->data, (int64_t)from,
                         MIN(bytes, length - (int64_t)from));
    }
    return 0;
}

/* In one slice. lock is held. */
static int coroutine_fn remap_range(BlockQcow2 *s, const Remap *r,
                                    uint64_t from, uint64_t to)
{
    QcowRange range;
    int ret;

    qcow_range_lock(s, &range, from >> s->cluster_bits, qcow_clusters(s, to));
    qemu_co_mutex_unlock(&s->lock);
    ret = tell_data_file(s, r, from, to);
    qemu_co_mutex_lock(&s->lock);
    for (uint64_t guest = qcow_cluster_start(s, from); ret == 0 && guest < to;
         guest += s->cluster_bytes) {
        ret = remap_cluster(s, r, guest);
    }
    qcow_range_unlock(s, &range);
    return ret;
}

int coroutine_fn qcow_remap(BlockQcow2 *s, uint64_t offset, uint64_t bytes,
                            QcowRemap how, QcowDiscard why)
{
    Remap r = { how, why, offset, offset + bytes };
    uint64_t per_slice = UINT64_C(1) << (s->cluster_bits + s->slice_bits);
    int ret = 0;

    QEMU_LOCK_GUARD(&s->lock);
    while (ret == 0 && offset < r.end) {
        uint64_t n =
            MIN(r.end - offset, per_slice - (offset & (per_slice - 1)));

        ret = qcow_may_write(s);
        if (ret < 0) {
            return ret;
        }
        if (!nothing_to_do(s, &r, offset, &n)) {
            ret = remap_range(s, &r, offset, offset + n);
        }
        offset += n;
    }
    return ret;
}

/* -- requests ------------------------------------------------------------------------------- */

static bool coroutine_fn reads_zero(BlockQcow2 *s, uint64_t from, uint64_t to)
{
    while (from < to) {
        QcowMap m;

        if (qcow_map(s, from, (int64_t)(to - from), &m) < 0) {
            return false;
        }
        if (m.kind != QCOW_ZERO && m.kind != QCOW_ZERO_ALLOC &&
            !((m.kind == QCOW_UNALLOCATED ||
               m.kind == QCOW_UNALLOCATED_ALLOC) &&
              qcow_backing_is_zero(s, from, m.bytes))) {
            return false;
        }
        from += (uint64_t)m.bytes;
    }
    return true;
}

/* Less than a cluster: bytes, unless it is zero already. */
static int coroutine_fn write_zeroes(BlockQcow2 *s, uint64_t from, uint64_t to,
                                     BlkRequestFlags flags)
{
    g_autofree void *zeroes = NULL;
    QEMUIOVector qiov;

    if (from >= to || (!s->raw_data && reads_zero(s, from, to))) {
        return 0;
    }
    if (flags & BLK_REQ_NO_FALLBACK) {
        return -ENOTSUP;
    }
    zeroes = g_try_malloc0(to - from);
    if (!zeroes) {
        return -ENOMEM;
    }
    qemu_iovec_init_buf(&qiov, zeroes, to - from);
    return qcow_write(s, from, (int64_t)(to - from), &qiov, 0);
}

static int coroutine_fn zero_range(BlockQcow2 *s, uint64_t from, uint64_t to,
                                   BlkRequestFlags flags)
{
    uint64_t unit = UINT64_C(1) << s->sub_bits;
    uint64_t start = ROUND_UP(from, unit);
    uint64_t end = to;
    int ret;

    if (s->header.version < 3 &&
        !qcow_backing_is_zero(s, from, (int64_t)(to - from))) {
        return -ENOTSUP;
    }
    if (to != (uint64_t)block_node_length(BLOCK_NODE(s))) {
        end = to & ~(unit - 1);
    }
    if (start >= end) {
        return write_zeroes(s, from, to, flags);
    }
    ret = write_zeroes(s, from, start, flags);
    if (ret == 0) {
        ret = qcow_remap(s, start, ROUND_UP(end, unit) - start,
                         flags & BLK_REQ_MAY_UNMAP ? QCOW_REMAP_ZERO_UNMAP
                                                   : QCOW_REMAP_ZERO,
                         QCOW_DISCARD_REQUEST);
    }
    return ret == 0 ? write_zeroes(s, end, to, flags) : ret;
}

int coroutine_fn qcow_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                       int64_t bytes, BlkRequestFlags flags)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    unsigned ticket = qcow_enter(s);
    int ret =
        zero_range(s, (uint64_t)offset, (uint64_t)(offset + bytes), flags);

    qcow_leave(s, ticket);
    return ret;
}

int coroutine_fn qcow_co_pdiscard(BlockNode *node, int64_t offset,
                                  int64_t bytes)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    uint64_t start = ROUND_UP((uint64_t)offset, (uint64_t)s->cluster_bytes);
    uint64_t end = (uint64_t)(offset + bytes);
    unsigned ticket;
    int ret = 0;

    end = offset + bytes == block_node_length(node)
              ? ROUND_UP(end, (uint64_t)s->cluster_bytes)
              : qcow_cluster_start(s, end);
    if (start >= end) {
        return 0;
    }
    ticket = qcow_enter(s);
    ret = qcow_remap(s, start, end - start, QCOW_REMAP_DISCARD,
                     QCOW_DISCARD_REQUEST);
    if (ret == 0 && qcow_frees_pressure(s)) {
        ret = qcow_commit(s, true);
    }
    qcow_leave(s, ticket);
    return ret == 0 ? qcow_reclaim(s) : ret;
}
