/*
 * The refcount table: new refcount blocks, and a larger table.
 *
 * A new block stands in the first cluster of the range that it describes,
 * which nobody can have used yet; for long runs of clusters, behind the run.
 * Entries of the table are written by qcow_commit() after the blocks are
 * stable. A larger table begins where the old one's reach ends, followed by
 * the blocks that describe it; the header is switched over to it when all of
 * that is stable.
 *
 * All functions are called with ref_lock held.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"
#include "block/qcow2/refcount.h"

static void mark_entry(BlockQcow2 *s, uint64_t index)
{
    uint32_t i = (uint32_t)index;

    if (s->reftable_dirty_from == s->reftable_dirty_to) {
        s->reftable_dirty_from = i;
        s->reftable_dirty_to = i + 1;
    } else {
        s->reftable_dirty_from = MIN(s->reftable_dirty_from, i);
        s->reftable_dirty_to = MAX(s->reftable_dirty_to, i + 1);
    }
}

int coroutine_fn qcow_reftable_write(BlockQcow2 *s)
{
    uint32_t from = ROUND_DOWN(s->reftable_dirty_from, 64u);
    uint32_t to = MIN(ROUND_UP(s->reftable_dirty_to, 64u), s->reftable_size);
    g_autofree uint64_t *buf = g_new(uint64_t, to - from);
    int ret;

    for (uint32_t i = from; i < to; i++) {
        buf[i - from] = cpu_to_be64(s->reftable[i]);
    }
    qcow_event(s, BLKDBG_REFTABLE_UPDATE);
    qcow_event(s, BLKDBG_REFBLOCK_ALLOC_HOOKUP);
    ret = qcow_meta_write(s, QCOW_META_REFTABLE,
                          s->header.reftable_offset + (uint64_t)from * 8, buf,
                          (uint64_t)(to - from) * 8);
    if (ret == 0) {
        s->reftable_dirty_from = s->reftable_dirty_to = 0;
    }
    return ret;
}

/* A block at @cluster for range @index. Its own refcount is the caller's. */
static int coroutine_fn new_block(BlockQcow2 *s, uint64_t index,
                                  uint64_t cluster, QcowTable **t)
{
    uint64_t offset = cluster << s->cluster_bits;
    int ret;

    if (cluster == 0) {
        return qcow_corrupt(s, true, 0, s->cluster_bytes,
                            "Preventing invalid allocation of refcount block "
                            "at offset 0");
    }
    if (offset > QCOW_HOST_OFFSET_MAX) {
        return -EFBIG;
    }
    ret = qcow_overlap_refuse(s, 0, offset, s->cluster_bytes);
    if (ret == 0) {
        ret = qcow_file_reach(s, offset + s->cluster_bytes);
    }
    if (ret == 0 && !qcow_cache_forget(&s->refs, offset, s->cluster_bytes)) {
        ret = qcow_corrupt(s, true, (int64_t)offset, s->cluster_bytes,
                           "Preventing use of cluster %#" PRIx64 " for "
                           "reftable index %#" PRIx64 ": another refcount "
                           "block is there",
                           offset, index);
    }
    if (ret == 0) {
        ret = qcow_refblock_take(s, offset, t);
    }
    if (ret < 0) {
        return ret;
    }
    memset((*t)->data, 0, s->cluster_bytes);
    qcow_cache_loaded(&s->refs, *t, true);
    qcow_cache_mark(&s->refs, *t, 0, s->cluster_bytes);
    s->fresh_start = MAX(s->fresh_start, offset + s->cluster_bytes);
    s->reftable[index] = offset;
    mark_entry(s, index);
    qcow_metadata_add(s, offset, QCOW_META_REFBLOCK);
    return 0;
}

int coroutine_fn qcow_refblock_create(BlockQcow2 *s, uint64_t index,
                                      QcowTable **t)
{
    uint64_t cluster = index << s->refblock_bits;
    int ret;

    qcow_event(s, BLKDBG_REFBLOCK_ALLOC);
    qcow_event(s, BLKDBG_REFBLOCK_ALLOC_WRITE);
    ret = new_block(s, index, cluster, t);
    if (ret == 0) {
        qcow_block_set(s, *t, cluster, 1);
    }
    return ret;
}

static uint64_t missing_blocks(const BlockQcow2 *s, uint64_t first,
                               uint64_t count)
{
    uint64_t n = 0;

    for (uint64_t i = first >> s->refblock_bits;
         i <= (first + count - 1) >> s->refblock_bits; i++) {
        n += i >= s->reftable_size || !(s->reftable[i] & QCOW_REFTABLE_MASK);
    }
    return n;
}

int coroutine_fn qcow_reftable_cover(BlockQcow2 *s, uint64_t first,
                                     uint64_t count)
{
    uint64_t next = first + count;
    uint64_t blocks = 0;
    int ret = 0;

    /* The blocks themselves need blocks. */
    while (missing_blocks(s, first, count + blocks) > blocks) {
        blocks = missing_blocks(s, first, count + blocks);
    }
    for (uint64_t i = first >> s->refblock_bits;
         ret == 0 && i <= (first + count + blocks - 1) >> s->refblock_bits;
         i++) {
        QcowTable *t;

        if (!(s->reftable[i] & QCOW_REFTABLE_MASK)) {
            ret = new_block(s, i, next++, &t);
        }
    }
    return ret == 0 && blocks > 0
               ? qcow_ref_change_locked(s, first + count, blocks, 1)
               : ret;
}

/* -- a larger table --------------------------------------------------------------- */

typedef struct Growth {
    uint64_t entries;
    uint64_t table_clusters;
    uint64_t blocks;
    uint64_t first; /* cluster where it begins */
} Growth;

static bool plan(const BlockQcow2 *s, uint64_t index, Growth *g)
{
    uint64_t per_cluster = s->cluster_bytes / 8;
    uint64_t refs = UINT64_C(1) << s->refblock_bits;
    uint64_t used;

    g->first = (uint64_t)s->reftable_size << s->refblock_bits;
    g->entries = MAX(index + 2, (uint64_t)s->reftable_size * 3 / 2 + 1);
    for (;;) {
        g->entries = ROUND_UP(g->entries, per_cluster);
        g->table_clusters = g->entries / per_cluster;
        g->blocks = 1;
        while ((used = g->table_clusters + g->blocks) > g->blocks * refs) {
            g->blocks++;
        }
        if (g->entries >= s->reftable_size + g->blocks) {
            break;
        }
        g->entries = s->reftable_size + g->blocks;
    }
    return g->entries * 8 <= MAX(QCOW_REFTABLE_MAX_BYTES, s->cluster_bytes) &&
           (g->first + used) <= QCOW_HOST_OFFSET_MAX >> s->cluster_bits;
}

static int coroutine_fn write_growth(BlockQcow2 *s, const Growth *g,
                                     uint64_t *table)
{
    g_autofree uint8_t *block = g_try_malloc(s->cluster_bytes);
    g_autofree uint64_t *be = g_try_new(uint64_t, g->entries);
    uint64_t used = g->table_clusters + g->blocks;
    uint64_t refs = UINT64_C(1) << s->refblock_bits;
    uint64_t at = (g->first + g->table_clusters) << s->cluster_bits;
    int ret = 0;

    if (!block || !be) {
        return -ENOMEM;
    }
    qcow_event(s, BLKDBG_REFBLOCK_ALLOC_WRITE_BLOCKS);
    for (uint64_t b = 0; ret == 0 && b < g->blocks; b++) {
        memset(block, 0, s->cluster_bytes);
        for (uint64_t i = 0; i < refs && b * refs + i < used; i++) {
            qcow_refcount_set(block, s->header.refcount_order, i, 1);
        }
        table[s->reftable_size + b] = at + (b << s->cluster_bits);
        ret = qcow_meta_write(s, 0, table[s->reftable_size + b], block,
                              s->cluster_bytes);
    }
    for (uint64_t i = 0; i < g->entries; i++) {
        be[i] = cpu_to_be64(table[i]);
    }
    qcow_event(s, BLKDBG_REFBLOCK_ALLOC_WRITE_TABLE);
    return ret == 0 ? qcow_meta_write(s, 0, g->first << s->cluster_bits, be,
                                      g->entries * 8)
                    : ret;
}

static int coroutine_fn switch_table(BlockQcow2 *s, const Growth *g,
                                     uint64_t *table)
{
    uint64_t old = s->header.reftable_offset;
    uint32_t old_clusters = s->header.reftable_clusters;
    uint64_t at = (g->first + g->table_clusters) << s->cluster_bits;
    int ret;

    qcow_event(s, BLKDBG_REFBLOCK_ALLOC_SWITCH_TABLE);
    ret = qcow_header_set_reftable(s, g->first << s->cluster_bits,
                                   (uint32_t)g->table_clusters);
    if (ret < 0) {
        g_free(table);
        return ret;
    }
    g_free(s->reftable);
    s->reftable = table;
    s->reftable_size = (uint32_t)g->entries;
    s->reftable_dirty_from = s->reftable_dirty_to = 0;
    for (uint64_t b = 0; b < g->blocks; b++) {
        qcow_metadata_add(s, at + (b << s->cluster_bits), QCOW_META_REFBLOCK);
        qcow_cache_forget(&s->refs, at + (b << s->cluster_bits),
                          s->cluster_bytes);
    }
    /* Nothing refers to the old one any more, and that is stable. */
    qcow_ref_change_locked(s, old >> s->cluster_bits, old_clusters, -1);
    return 0;
}

int coroutine_fn qcow_reftable_grow(BlockQcow2 *s, uint64_t index)
{
    g_autofree uint64_t *table = NULL;
    uint64_t end;
    Growth g;
    int ret;

    qcow_event(s, BLKDBG_REFTABLE_GROW);
    if (!plan(s, index, &g)) {
        return -EFBIG;
    }
    table = g_try_new0(uint64_t, g.entries);
    if (!table) {
        return -ENOMEM;
    }
    memcpy(table, s->reftable, (size_t)s->reftable_size * 8);
    /* The new table refers to all blocks, so they must be there. */
    end = (g.first + g.table_clusters + g.blocks) << s->cluster_bits;
    ret = qcow_refblocks_write(s);
    if (ret == 0) {
        ret = qcow_file_reach(s, end);
    }
    if (ret == 0) {
        s->fresh_start = MAX(s->fresh_start, end);
        ret = write_growth(s, &g, table);
    }
    return ret == 0 ? switch_table(s, &g, g_steal_pointer(&table)) : ret;
}
