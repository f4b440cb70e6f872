/*
 * The way of a cluster from "nobody needs it" to "free".
 *
 * A cluster that the mapping in memory has lost is
 *   dropped   as long as slices on disk may refer to it;
 *   written   when a commit has written those slices;
 *   stable    after the next flush: no power cut brings the reference back;
 *   waiting   for requests that looked it up before and still use it: those
 *             of the epoch before.
 * Then a discard is passed on to the file, if so configured and this was the
 * last reference, and the refcount is lowered. Nobody finds the cluster
 * before that, so that neither late writes nor the discard hit new data.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

void qcow_frees_init(QcowFrees *f)
{
    f->dropped = g_array_new(false, false, sizeof(QcowDrop));
    f->written = g_array_new(false, false, sizeof(QcowDrop));
    f->stable = g_array_new(false, false, sizeof(QcowDrop));
    f->waiting = g_array_new(false, false, sizeof(QcowDrop));
    f->pending = 0;
    f->reclaiming = false;
}

void qcow_frees_deinit(QcowFrees *f)
{
    g_clear_pointer(&f->dropped, g_array_unref);
    g_clear_pointer(&f->written, g_array_unref);
    g_clear_pointer(&f->stable, g_array_unref);
    g_clear_pointer(&f->waiting, g_array_unref);
}

void qcow_drop(BlockQcow2 *s, uint64_t offset, uint64_t bytes, QcowDiscard why)
{
    GArray *list = s->frees.dropped;
    QcowDrop d = { .first = offset >> s->cluster_bits, .why = why };
    QcowDrop *last =
        list->len ? &g_array_index(list, QcowDrop, list->len - 1) : NULL;

    d.count = qcow_clusters(s, offset + bytes) - d.first;
    qatomic_add(&s->frees.pending, d.count);
    if (last && last->why == why && last->first + last->count == d.first) {
        last->count += d.count;
    } else {
        g_array_append_val(list, d);
    }
}

void qcow_drop_entry(BlockQcow2 *s, uint64_t entry, QcowDiscard why)
{
    if (entry & QCOW_COMPRESSED_BIT) {
        QcowCompressed c = qcow_compressed_decode(entry, s->cluster_bits);

        qcow_drop(s, c.offset, c.bytes, why);
    } else if (qcow_entry_has_host(s, entry) && !qcow_has_data_file(s)) {
        qcow_drop(s, entry & QCOW_OFFSET_MASK, s->cluster_bytes, why);
    }
}

bool qcow_frees_pressure(BlockQcow2 *s)
{
    return qatomic_read(&s->frees.pending) << s->cluster_bits >
           QCOW_DROPPED_MAX_BYTES;
}

/* -- using them again ---------------------------------------------------------------- */

/* Clusters from @first on of which this is the last reference. */
static uint64_t coroutine_fn last_refs(BlockQcow2 *s, uint64_t first,
                                       uint64_t count)
{
    uint64_t n = 0;
    uint64_t refs;

    while (n < count && qcow_ref_get(s, first + n, &refs) == 0 && refs == 1) {
        n++;
    }
    return n;
}

static void coroutine_fn pass_discard(BlockQcow2 *s, const QcowDrop *d)
{
    uint64_t length = (uint64_t)block_node_length(s->file.node);
    uint64_t i = 0;

    while (i < d->count) {
        uint64_t n = last_refs(s, d->first + i, d->count - i);
        uint64_t offset = (d->first + i) << s->cluster_bits;

        if (n > 0 && offset < length) {
            /* Only a hint. */
            node_co_pdiscard(s->file.node, (int64_t)offset,
                             (int64_t)MIN(n << s->cluster_bits,
                                          length - offset));
        }
        i += MAX(n, 1);
    }
}

static int coroutine_fn release(BlockQcow2 *s, const QcowDrop *d)
{
    int ret;

    qcow_event(s, BLKDBG_CLUSTER_FREE);
    if (s->discard_passthrough[d->why]) {
        pass_discard(s, d);
    }
    ret = qcow_ref_change(s, d->first, d->count, -1);
    if (ret == -ERANGE) {
        for (uint64_t i = 0; i < d->count; i++) {
            ret = qcow_ref_change(s, d->first + i, 1, -1);
            if (ret == -ERANGE) {
                qcow_corrupt(s, false,
                             (int64_t)((d->first + i) << s->cluster_bits),
                             s->cluster_bytes,
                             "Refcount of a used cluster is 0");
                ret = 0;
            }
        }
    }
    return ret;
}

static int coroutine_fn release_all(BlockQcow2 *s, GArray *list)
{
    int ret = 0;

    /* An error makes a leak of it: nothing is used that may not be. */
    for (guint i = 0; i < list->len; i++) {
        const QcowDrop *d = &g_array_index(list, QcowDrop, i);
        int r = release(s, d);

        ret = ret < 0 ? ret : r;
        qatomic_sub(&s->frees.pending, d->count);
    }
    return ret;
}

/* Begin a new epoch if need be. Returns: nobody from before is left. */
static bool ready(BlockQcow2 *s)
{
    QcowFrees *f = &s->frees;

    if (f->waiting->len == 0) {
        GArray *empty = f->waiting;

        if (f->stable->len == 0) {
            return false;
        }
        f->waiting = f->stable;
        f->stable = empty;
        f->epoch = qatomic_fetch_xor(&s->epoch, 1) & 1;
    }
    return qatomic_mb_read(&s->in_flight[f->epoch]) == 0;
}

int coroutine_fn qcow_reclaim(BlockQcow2 *s)
{
    QcowFrees *f = &s->frees;
    int ret = 0;

    if (qatomic_read(&f->pending) == 0) {
        return 0;
    }
    QEMU_LOCK_GUARD(&s->lock);
    if (f->reclaiming) {
        return 0;
    }
    f->reclaiming = true;
    while (ret == 0 && ready(s)) {
        GArray *list = g_steal_pointer(&f->waiting);

        f->waiting = g_array_new(false, false, sizeof(QcowDrop));
        qemu_co_mutex_unlock(&s->lock);
        ret = release_all(s, list);
        g_array_unref(list);
        qemu_co_mutex_lock(&s->lock);
    }
    f->reclaiming = false;
    return ret;
}
