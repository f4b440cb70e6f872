/*
 * Looking up where the disk's bytes are.
 *
 * L1 is in memory; of L2 tables slices are cached. A look-up takes the spin
 * lock for as long as it reads some entries, and returns a run that is as long
 * as the slice, the request and what is consecutive in the file allow. A slice
 * that is not there is read with no lock held; whoever needs the same waits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"
#include "util/host-utils.h"

/* -- entries ---------------------------------------------------------------------- */

bool qcow_entry_has_host(const BlockQcow2 *s, uint64_t entry)
{
    if (entry & QCOW_COMPRESSED_BIT) {
        return false;
    }
    return (entry & QCOW_OFFSET_MASK) ||
           (qcow_has_data_file(s) && (entry & QCOW_COPIED));
}

QcowKind qcow_entry_kind(const BlockQcow2 *s, uint64_t entry)
{
    bool has_host;

    if (entry & QCOW_COMPRESSED_BIT) {
        return qcow_has_data_file(s) ? QCOW_INVALID : QCOW_COMPRESSED;
    }
    if (entry & QCOW_OFFSET_MASK & (s->cluster_bytes - 1)) {
        return QCOW_INVALID;
    }
    has_host = qcow_entry_has_host(s, entry);
    if (!s->ext_l2 && (entry & QCOW_ZERO_BIT)) {
        if (s->header.version < 3) {
            return QCOW_INVALID;
        }
        return has_host ? QCOW_ZERO_ALLOC : QCOW_ZERO;
    }
    return has_host ? QCOW_NORMAL : QCOW_UNALLOCATED;
}

/* Of subcluster @i in a cluster of kind @base (as if without subclusters). */
static QcowKind sub_kind(QcowKind base, uint64_t bits, unsigned i)
{
    bool allocated = bits >> i & 1;
    bool zero = bits >> (i + 32) & 1;

    if (base == QCOW_COMPRESSED || base == QCOW_INVALID) {
        return base;
    }
    if (allocated && (zero || base == QCOW_UNALLOCATED)) {
        return QCOW_INVALID;
    }
    if (base == QCOW_UNALLOCATED) {
        return zero ? QCOW_ZERO : QCOW_UNALLOCATED;
    }
    return zero        ? QCOW_ZERO_ALLOC
           : allocated ? QCOW_NORMAL
                       : QCOW_UNALLOCATED_ALLOC;
}

void qcow_entry_set(BlockQcow2 *s, QcowTable *t, unsigned index, uint64_t entry,
                    uint64_t bits)
{
    uint32_t at = index * s->l2_entry_bytes;

    qemu_spin_lock(&s->spin);
    stq_be_p(t->data + at, entry);
    if (s->ext_l2) {
        stq_be_p(t->data + at + 8, bits);
    }
    qemu_spin_unlock(&s->spin);
    qcow_cache_mark(&s->l2, t, at, s->l2_entry_bytes);
}

/* -- runs --------------------------------------------------------------------------- */

static bool kind_has_host(QcowKind kind)
{
    return kind == QCOW_NORMAL || kind == QCOW_ZERO_ALLOC ||
           kind == QCOW_UNALLOCATED_ALLOC;
}

/* What the piece at @offset is, to the end of its cluster at most. */
static void piece_at(const BlockQcow2 *s, const QcowTable *t, unsigned index,
                     uint32_t in_cluster, QcowMap *m)
{
    uint64_t entry = qcow_entry(s, t, index);

    m->kind = qcow_entry_kind(s, entry);
    m->bytes = s->cluster_bytes - in_cluster;
    m->copied = entry & QCOW_COPIED;
    m->entry = entry;
    if (s->ext_l2) {
        uint64_t bits = qcow_entry_bits(s, t, index);
        QcowKind base = m->kind;
        unsigned first = in_cluster >> s->sub_bits;
        unsigned i = first;

        m->kind = sub_kind(base, bits, i);
        if (m->kind != QCOW_COMPRESSED) {
            while (++i < QCOW_SUBCLUSTERS &&
                   sub_kind(base, bits, i) == m->kind) {
            }
            m->bytes = ((int64_t)i << s->sub_bits) - in_cluster;
        }
    }
    m->host =
        kind_has_host(m->kind) ? (entry & QCOW_OFFSET_MASK) + in_cluster : 0;
}

static bool continues(const QcowMap *run, const QcowMap *next)
{
    return run->kind == next->kind && run->kind != QCOW_COMPRESSED &&
           run->kind != QCOW_INVALID &&
           (!kind_has_host(run->kind) ||
            (run->copied == next->copied &&
             run->host + (uint64_t)run->bytes == next->host));
}

static void run_in_slice(const BlockQcow2 *s, const QcowTable *t,
                         uint64_t offset, int64_t bytes, QcowMap *m)
{
    unsigned entries = 1u << s->slice_bits;
    unsigned index = (unsigned)(offset >> s->cluster_bits) & (entries - 1);
    uint32_t in_cluster = qcow_in_cluster(s, offset);

    piece_at(s, t, index, in_cluster, m);
    while (m->bytes < bytes) {
        uint64_t at = qcow_in_cluster(s, offset) + (uint64_t)m->bytes;
        unsigned i = index + (unsigned)(at >> s->cluster_bits);
        QcowMap next;

        if (i >= entries) {
            break;
        }
        piece_at(s, t, i, qcow_in_cluster(s, at), &next);
        if (!continues(m, &next)) {
            break;
        }
        m->bytes += next.bytes;
    }
}

/* No L2 table: the same for all that the entry covers, and its neighbours. */
static void run_in_l1(const BlockQcow2 *s, uint64_t offset, int64_t bytes,
                      QcowMap *m)
{
    unsigned shift = s->cluster_bits + s->l2_bits;
    uint64_t i = offset >> shift;

    do {
        i++;
    } while (i < s->l1_size && !(s->l1[i] & QCOW_OFFSET_MASK) &&
             i << shift < offset + (uint64_t)bytes);
    m->kind = QCOW_UNALLOCATED;
    m->copied = false;
    m->entry = m->host = 0;
    m->bytes = i < s->l1_size ? (int64_t)((i << shift) - offset) : bytes;
}

static uint64_t slice_offset(const BlockQcow2 *s, uint64_t table,
                             uint64_t offset)
{
    uint64_t index =
        (offset >> s->cluster_bits) & ((UINT64_C(1) << s->l2_bits) - 1);

    return table + (index >> s->slice_bits) * s->slice_bytes;
}

/* The spin lock is held. */
static bool map_locked(BlockQcow2 *s, uint64_t offset, int64_t bytes,
                       QcowMap *m)
{
    uint64_t l1_index = offset >> (s->cluster_bits + s->l2_bits);
    uint64_t table =
        l1_index < s->l1_size ? s->l1[l1_index] & QCOW_OFFSET_MASK : 0;
    QcowTable *t;

    if (table == 0) {
        run_in_l1(s, offset, bytes, m);
    } else if (qcow_in_cluster(s, table)) {
        *m = (QcowMap){ .kind = QCOW_INVALID, .entry = table, .bytes = 1 };
    } else {
        t = qcow_cache_find(&s->l2, slice_offset(s, table, offset));
        if (!t || t->loading) {
            return false;
        }
        t->used = true;
        run_in_slice(s, t, offset, bytes, m);
    }
    m->bytes = MIN(m->bytes, bytes);
    return true;
}

bool qcow_map_cached(BlockQcow2 *s, uint64_t offset, int64_t bytes,
                     QcowMap *map)
{
    bool ok;

    qemu_spin_lock(&s->spin);
    ok = map_locked(s, offset, bytes, map);
    qemu_spin_unlock(&s->spin);
    return ok;
}

int coroutine_fn qcow_map(BlockQcow2 *s, uint64_t offset, int64_t bytes,
                          QcowMap *map)
{
    if (!qatomic_read(&s->loaded)) {
        return -EIO; /* and qcow_co_activate() said why */
    }
    while (!qcow_map_cached(s, offset, bytes, map)) {
        QcowTable *t;
        unsigned index;
        int ret;

        QEMU_LOCK_GUARD(&s->lock);
        ret = qcow_slice_get(s, offset, &t, &index);
        if (ret < 0) {
            return ret;
        }
    }
    if (map->kind == QCOW_INVALID) {
        return qcow_corrupt(s, false, -1, -1,
                            "Invalid table entry %#" PRIx64 " for guest offset "
                            "%#" PRIx64,
                            map->entry, offset);
    }
    return 0;
}

/* -- slices; lock is held -------------------------------------------------------------- */

/* Read it, with the lock given back meanwhile. Returns: 0, -errno. */
static int coroutine_fn load_slice(BlockQcow2 *s, uint64_t at)
{
    QcowTable *t = qcow_cache_take(&s->l2, at);
    int ret;

    if (!t) {
        bool dirty = !QLIST_EMPTY(&s->l2.dirty);

        if (!dirty) {
            qemu_co_queue_wait(&s->load_queue, &s->lock);
            return 0;
        }
        qemu_co_mutex_unlock(&s->lock);
        ret = qcow_commit(s, false);
        qemu_co_mutex_lock(&s->lock);
        return ret;
    }
    qemu_co_mutex_unlock(&s->lock);
    qcow_event(s, BLKDBG_L2_LOAD);
    ret = qcow_file_read(s->file.node, at, t->data, s->slice_bytes);
    qemu_co_mutex_lock(&s->lock);
    qcow_cache_loaded(&s->l2, t, ret == 0);
    qemu_co_queue_restart_all(&s->load_queue);
    return ret;
}

int coroutine_fn qcow_slice_get(BlockQcow2 *s, uint64_t offset, QcowTable **t,
                                unsigned *index)
{
    uint64_t l1_index = offset >> (s->cluster_bits + s->l2_bits);

    *index =
        (unsigned)(offset >> s->cluster_bits) & ((1u << s->slice_bits) - 1);
    for (;;) {
        uint64_t table =
            l1_index < s->l1_size ? s->l1[l1_index] & QCOW_OFFSET_MASK : 0;
        uint64_t at;
        int ret = 0;

        *t = NULL;
        if (table == 0) {
            return 0;
        }
        if (qcow_in_cluster(s, table)) {
            return qcow_corrupt(s, false, -1, -1,
                                "L2 table offset %#" PRIx64 " unaligned (L1 "
                                "index: %#" PRIx64 ")",
                                table, l1_index);
        }
        at = slice_offset(s, table, offset);
        *t = qcow_cache_find(&s->l2, at);
        if (!*t) {
            ret = load_slice(s, at);
        } else if ((*t)->loading) {
            qemu_co_queue_wait(&s->load_queue, &s->lock);
        } else {
            return 0;
        }
        if (ret < 0) {
            return ret;
        }
    }
}
