/*
 * Refcounts: how many tables refer to a host cluster.
 *
 * They stand in refcount blocks of one cluster each, which the refcount table
 * lists; a range without a block has refcount 0 throughout. Blocks are cached.
 * A block that must leave the cache is written at once: to raise a refcount
 * early is never wrong, and one is lowered in memory only after whatever
 * referred to the cluster is off the disk for good (qcow2/frees.c).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/refcount.h"

#include "block/qcow2/internal.h"

/* -- blocks ---------------------------------------------------------------------- */

static int coroutine_fn write_block(BlockQcow2 *s, QcowTable *t)
{
    uint32_t from = ROUND_DOWN(t->dirty_from, 512u);
    uint32_t to = ROUND_UP(t->dirty_to, 512u);
    int ret;

    qcow_event(s, to - from == s->cluster_bytes ? BLKDBG_REFBLOCK_UPDATE
                                                : BLKDBG_REFBLOCK_UPDATE_PART);
    ret = qcow_meta_write(s, QCOW_META_REFBLOCK, t->offset + from,
                          t->data + from, to - from);

    if (ret == 0) {
        qcow_cache_clean(&s->refs, t);
    }
    return ret;
}

int coroutine_fn qcow_refblocks_write(BlockQcow2 *s)
{
    QcowTable *t;
    int ret = 0;

    while (ret == 0 && (t = QLIST_FIRST(&s->refs.dirty))) {
        ret = write_block(s, t);
    }
    return ret;
}

int coroutine_fn qcow_refblock_take(BlockQcow2 *s, uint64_t offset,
                                    QcowTable **t)
{
    while (!(*t = qcow_cache_take(&s->refs, offset))) {
        int ret = write_block(s, QLIST_FIRST(&s->refs.dirty));

        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static int coroutine_fn load_block(BlockQcow2 *s, uint64_t offset,
                                   QcowTable **t)
{
    int ret = qcow_refblock_take(s, offset, t);

    if (ret == 0) {
        qcow_event(s, BLKDBG_REFBLOCK_LOAD);
        ret =
            qcow_file_read(s->file.node, offset, (*t)->data, s->cluster_bytes);
        qcow_cache_loaded(&s->refs, *t, ret == 0);
    }
    return ret;
}

int coroutine_fn qcow_refblock(BlockQcow2 *s, uint64_t cluster, bool create,
                               QcowTable **t)
{
    uint64_t index = cluster >> s->refblock_bits;
    uint64_t offset;
    int ret;

    *t = NULL;
    if (index >= s->reftable_size) {
        ret = create ? qcow_reftable_grow(s, index) : 0;
        if (ret < 0 || !create) {
            return ret;
        }
    }
    offset = s->reftable[index] & QCOW_REFTABLE_MASK;
    if (offset == 0) {
        return create ? qcow_refblock_create(s, index, t) : 0;
    }
    if (qcow_in_cluster(s, offset)) {
        return qcow_corrupt(s, true, -1, -1,
                            "Refblock offset %#" PRIx64 " unaligned (reftable "
                            "index: %#" PRIx64 ")",
                            offset, index);
    }
    *t = qcow_cache_find(&s->refs, offset);
    if (*t) {
        (*t)->used = true;
        return 0;
    }
    return load_block(s, offset, t);
}

uint64_t qcow_block_get(const BlockQcow2 *s, const QcowTable *t,
                        uint64_t cluster)
{
    uint64_t mask = (UINT64_C(1) << s->refblock_bits) - 1;

    return qcow_refcount_get(t->data, s->header.refcount_order, cluster & mask);
}

void qcow_block_set(BlockQcow2 *s, QcowTable *t, uint64_t cluster,
                    uint64_t value)
{
    uint64_t i = cluster & ((UINT64_C(1) << s->refblock_bits) - 1);
    unsigned order = s->header.refcount_order;

    qcow_refcount_set(t->data, order, i, value);
    qcow_cache_mark(&s->refs, t, (uint32_t)((i << order) / 8),
                    MAX(1u, (1u << order) / 8));
}

/* -- counts ------------------------------------------------------------------------ */

static int coroutine_fn get_locked(BlockQcow2 *s, uint64_t cluster,
                                   uint64_t *ret_count)
{
    QcowTable *t;
    int ret = qcow_refblock(s, cluster, false, &t);

    if (ret == 0) {
        *ret_count = t ? qcow_block_get(s, t, cluster) : 0;
    }
    return ret;
}

int coroutine_fn qcow_ref_get(BlockQcow2 *s, uint64_t cluster, uint64_t *ret)
{
    QEMU_LOCK_GUARD(&s->ref_lock);
    return get_locked(s, cluster, ret);
}

static bool may_add(const BlockQcow2 *s, uint64_t count, int addend)
{
    return addend < 0 ? count >= (uint64_t)-addend
                      : count <= qcow_refcount_max(s->header.refcount_order) -
                                     (uint64_t)addend;
}

/* A cluster is free from now on. */
static void note_free(BlockQcow2 *s, uint64_t cluster)
{
    s->free_hint = MIN(s->free_hint, cluster);
    if (s->packed_offset >> s->cluster_bits == cluster) {
        s->packed_offset = 0;
    }
}

int coroutine_fn qcow_ref_change_locked(BlockQcow2 *s, uint64_t first,
                                        uint64_t count, int addend)
{
    uint64_t value;
    int ret = 0;

    for (uint64_t c = first; ret == 0 && c < first + count; c++) {
        ret = get_locked(s, c, &value);
        if (ret == 0 && !may_add(s, value, addend)) {
            ret = -ERANGE;
        }
    }
    for (uint64_t c = first; ret == 0 && c < first + count; c++) {
        QcowTable *t;

        ret = qcow_refblock(s, c, true, &t);
        if (ret == 0 && !may_add(s, qcow_block_get(s, t, c), addend)) {
            /* It was possible a moment ago. */
            return qcow_corrupt(s, true, (int64_t)t->offset, s->cluster_bytes,
                                "Refcount block at %#" PRIx64 " counts more "
                                "than one range of clusters",
                                t->offset);
        }
        if (ret == 0) {
            value = qcow_block_get(s, t, c) + (uint64_t)(int64_t)addend;
            qcow_block_set(s, t, c, value);
            if (value == 0) {
                note_free(s, c);
            }
        }
    }
    return ret;
}

int coroutine_fn qcow_ref_change(BlockQcow2 *s, uint64_t first, uint64_t count,
                                 int addend)
{
    QEMU_LOCK_GUARD(&s->ref_lock);
    return qcow_ref_change_locked(s, first, count, addend);
}

int coroutine_fn qcow_ref_set(BlockQcow2 *s, uint64_t cluster, uint64_t value)
{
    QcowTable *t;
    int ret;

    QEMU_LOCK_GUARD(&s->ref_lock);
    ret = qcow_refblock(s, cluster, value > 0, &t);
    if (ret == 0 && t) {
        qcow_block_set(s, t, cluster, value);
        if (value == 0) {
            note_free(s, cluster);
        }
    }
    return ret;
}
