/*
 * Walking a tree of tables: an L1 table, its L2 tables, their clusters.
 *
 * For work that has the image for itself: the gate is closed and everything
 * was written out, so that tables are read from the file, not from the cache,
 * which is emptied where tables are changed behind its back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

/* -- L1 -------------------------------------------------------------------------- */

uint64_t *coroutine_fn qcow_read_l1(BlockQcow2 *s, uint64_t offset,
                                    uint32_t entries, Error **errp)
{
    uint64_t *l1 = g_try_new0(uint64_t, (size_t)entries + 1);
    int ret = l1 ? 0 : -ENOMEM;

    if (ret == 0 && qcow_in_cluster(s, offset)) {
        ret = -EINVAL;
    }
    if (ret == 0 && entries > 0) {
        ret = qcow_file_read(s->file.node, offset, l1, (uint64_t)entries * 8);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read L1 table at %#" PRIx64,
                         offset);
        g_free(l1);
        return NULL;
    }
    for (uint32_t i = 0; i < entries; i++) {
        l1[i] = be64_to_cpu(l1[i]);
    }
    return l1;
}

int coroutine_fn qcow_write_l1(BlockQcow2 *s, uint64_t offset,
                               const uint64_t *l1, uint32_t entries)
{
    uint64_t bytes = ROUND_UP((uint64_t)entries * 8, 512);
    g_autofree uint64_t *be = g_try_malloc0(MAX(bytes, 512));

    if (!be) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < entries; i++) {
        be[i] = cpu_to_be64(l1[i]);
    }
    return bytes
               ? qcow_meta_write(s, QCOW_META_ACTIVE_L1 | QCOW_META_INACTIVE_L1,
                                 offset, be, bytes)
               : 0;
}

static int coroutine_fn read_table(BlockQcow2 *s, uint64_t offset, void *buf)
{
    if (qcow_in_cluster(s, offset)) {
        return qcow_corrupt(s, true, -1, -1,
                            "L2 table offset %#" PRIx64 " unaligned", offset);
    }
    return qcow_file_read(s->file.node, offset, buf, s->cluster_bytes);
}

static uint64_t entry_of(const BlockQcow2 *s, const uint8_t *table, unsigned i)
{
    return ldq_be_p(table + (size_t)i * s->l2_entry_bytes);
}

/* -- references -------------------------------------------------------------------- */

/* Clusters that an entry refers to; false: none. */
static bool refers_to(const BlockQcow2 *s, uint64_t entry, uint64_t *first,
                      uint64_t *count)
{
    if (entry & QCOW_COMPRESSED_BIT) {
        QcowCompressed c = qcow_compressed_decode(entry, s->cluster_bits);

        *first = c.offset >> s->cluster_bits;
        *count = qcow_clusters(s, c.offset + c.bytes) - *first;
        return true;
    }
    *first = (entry & QCOW_OFFSET_MASK) >> s->cluster_bits;
    *count = 1;
    return qcow_entry_has_host(s, entry);
}

static int coroutine_fn check_in_file(BlockQcow2 *s, uint64_t first,
                                      uint64_t count)
{
    uint64_t length = (uint64_t)block_node_length(s->file.node);

    return first + count <= qcow_clusters(s, length)
               ? 0
               : qcow_corrupt(s, true, (int64_t)(first << s->cluster_bits),
                              (int64_t)(count << s->cluster_bits),
                              "Cluster behind the end of the file");
}

/* Raise the counts of entries from @from on. Returns: the first entry that
 * could not be done, with *@ret set. */
static unsigned coroutine_fn raise_entries(BlockQcow2 *s, const uint8_t *table,
                                           int addend, unsigned end, int *ret)
{
    unsigned i = 0;

    *ret = 0;
    while (i < end && *ret == 0) {
        uint64_t first, count, next, n;
        unsigned k = i + 1;

        if (!refers_to(s, entry_of(s, table, i), &first, &count)) {
            i++;
            continue;
        }
        /* Neighbours at once. */
        while (k < end && refers_to(s, entry_of(s, table, k), &next, &n) &&
               next == first + count) {
            count += n;
            k++;
        }
        *ret = check_in_file(s, first, count);
        if (*ret == 0) {
            *ret = qcow_ref_change(s, first, count, addend);
        }
        i = *ret == 0 ? k : i;
    }
    return i;
}

static int coroutine_fn raise_table(BlockQcow2 *s, uint64_t offset, int addend,
                                    uint8_t *buf)
{
    unsigned all = 1u << s->l2_bits;
    unsigned done;
    int undo;
    int ret = check_in_file(s, offset >> s->cluster_bits, 1);

    if (ret == 0) {
        ret = read_table(s, offset, buf);
    }
    if (ret < 0) {
        return ret;
    }
    done = raise_entries(s, buf, addend, all, &ret);
    if (ret == 0) {
        ret = qcow_ref_change(s, offset >> s->cluster_bits, 1, addend);
    }
    if (ret < 0) {
        raise_entries(s, buf, -addend, done, &undo);
    }
    return ret;
}

int coroutine_fn qcow_tree_refs(BlockQcow2 *s, const uint64_t *l1,
                                uint32_t entries, int addend, Error **errp)
{
    g_autofree uint8_t *buf = g_try_malloc(s->cluster_bytes);
    int ret = buf ? 0 : -ENOMEM;

    for (uint32_t i = 0; ret == 0 && i < entries; i++) {
        uint64_t offset = l1[i] & QCOW_OFFSET_MASK;

        if (!offset) {
            continue;
        }
        ret = raise_table(s, offset, addend, buf);
        while (ret < 0 && i-- > 0) {
            if (l1[i] & QCOW_OFFSET_MASK) {
                raise_table(s, l1[i] & QCOW_OFFSET_MASK, -addend, buf);
            }
        }
        if (ret < 0) {
            break;
        }
    }
    if (ret == -ERANGE) {
        error_setg(errp, "A refcount of %u bits would overflow",
                   1u << s->header.refcount_order);
    } else if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not update refcounts");
    }
    return ret;
}

int coroutine_fn qcow_tree_drop(BlockQcow2 *s, const uint64_t *l1,
                                uint32_t entries)
{
    g_autofree uint8_t *buf = g_try_malloc(s->cluster_bytes);
    int ret = buf ? 0 : -ENOMEM;

    for (uint32_t i = 0; ret == 0 && i < entries; i++) {
        uint64_t offset = l1[i] & QCOW_OFFSET_MASK;

        if (!offset) {
            continue;
        }
        ret = read_table(s, offset, buf);
        if (ret < 0) {
            break;
        }
        QEMU_LOCK_GUARD(&s->lock);
        for (unsigned k = 0; k < 1u << s->l2_bits; k++) {
            qcow_drop_entry(s, entry_of(s, buf, k), QCOW_DISCARD_SNAPSHOT);
        }
        qcow_drop(s, offset, s->cluster_bytes, QCOW_DISCARD_SNAPSHOT);
    }
    return ret;
}

/* -- "copied" flags --------------------------------------------------------------------- */

static int coroutine_fn is_single(BlockQcow2 *s, uint64_t offset, bool *ret_one)
{
    uint64_t count;
    int ret = qcow_ref_get(s, offset >> s->cluster_bits, &count);

    *ret_one = count == 1;
    return ret;
}

static int coroutine_fn mark_table(BlockQcow2 *s, uint8_t *buf, bool clear,
                                   bool *changed)
{
    int ret = 0;

    *changed = false;
    for (unsigned i = 0; ret == 0 && i < 1u << s->l2_bits; i++) {
        uint64_t entry = entry_of(s, buf, i);
        bool one = false;

        if (!qcow_entry_has_host(s, entry) || qcow_has_data_file(s)) {
            continue;
        }
        if (!clear) {
            ret = is_single(s, entry & QCOW_OFFSET_MASK, &one);
        }
        if (ret == 0 && one != !!(entry & QCOW_COPIED)) {
            stq_be_p(buf + (size_t)i * s->l2_entry_bytes, entry ^ QCOW_COPIED);
            *changed = true;
        }
    }
    return ret;
}

static int coroutine_fn mark_l1_entry(BlockQcow2 *s, uint32_t i, uint8_t *buf,
                                      bool clear, bool *l1_changed)
{
    uint64_t offset = s->l1[i] & QCOW_OFFSET_MASK;
    bool one = false;
    bool changed;
    int ret = clear ? 0 : is_single(s, offset, &one);

    if (ret == 0) {
        ret = read_table(s, offset, buf);
    }
    if (ret == 0) {
        ret = mark_table(s, buf, clear, &changed);
    }
    if (ret == 0 && changed) {
        ret = qcow_meta_write(s, QCOW_META_ACTIVE_L2 | QCOW_META_INACTIVE_L2,
                              offset, buf, s->cluster_bytes);
    }
    if (ret == 0 && one != !!(s->l1[i] & QCOW_COPIED)) {
        qemu_spin_lock(&s->spin);
        s->l1[i] ^= QCOW_COPIED;
        qemu_spin_unlock(&s->spin);
        *l1_changed = true;
    }
    return ret;
}

int coroutine_fn qcow_tree_copied(BlockQcow2 *s, bool clear, Error **errp)
{
    g_autofree uint8_t *buf = g_try_malloc(s->cluster_bytes);
    bool l1_changed = false;
    int ret = buf ? 0 : -ENOMEM;

    for (uint32_t i = 0; ret == 0 && i < s->l1_size; i++) {
        if (s->l1[i] & QCOW_OFFSET_MASK) {
            ret = mark_l1_entry(s, i, buf, clear, &l1_changed);
        }
    }
    if (ret == 0 && l1_changed) {
        ret = qcow_write_l1(s, s->l1_offset, s->l1, s->l1_size);
    }
    if (ret == 0) {
        ret = qcow_flush_files(s);
    }
    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        qcow_cache_forget_all(&s->l2);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not update L2 tables");
    }
    return ret;
}
