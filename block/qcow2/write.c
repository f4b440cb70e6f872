/*
 * Writing.
 *
 * Where a cluster is ours and holds data, a write goes to the file as it is.
 * Everything else gets space first, under a lock on the range of clusters:
 *
 *   1. lock the range, see that there is an L2 table of our own;
 *   2. allocate clusters, as many in a row as there are;
 *   3. fetch what the request does not overwrite in its first and last
 *      cluster (subcluster), and write all of it at once;
 *   4. enter the clusters in the L2 table, drop those that were there before.
 *
 * What is to be zero around the data costs nothing in clusters that the file
 * just grew by.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/crypt.h"
#include "block/qcow2/internal.h"

/* Zeroes around data that are worth a request of their own. */
#define ZERO_REQUEST_MIN_BYTES (128 * 1024)

/* A write to clusters that need work. */
typedef struct Alloc {
    QcowRange range;
    uint64_t offset; /* of the data, on the disk */
    int64_t bytes;
    QEMUIOVector *qiov;
    size_t qiov_offset;

    QcowMap old;     /* what all of it was */
    uint64_t goal;   /* where it would go best */
    bool reuse;      /* the clusters are there and ours */
    QcowSpace space; /* where it goes: host offset of the first cluster */
    bool whole;      /* clusters are copied whole, else subclusters */
    uint64_t start;  /* what is written, with what surrounds the data */
    uint64_t end;
    uint8_t *head; /* NULL: nothing, or zero already */
    uint8_t *tail;
} Alloc;

static int coroutine_fn write_host(BlockQcow2 *s, uint64_t guest, uint64_t host,
                                   int64_t bytes, QEMUIOVector *qiov,
                                   size_t qiov_offset)
{
    if (s->crypt) {
        return qcow_crypt_write(s, guest, host, bytes, qiov, qiov_offset);
    }
    return node_co_pwritev(s->data, (int64_t)host, bytes, qiov, qiov_offset, 0);
}

/* The table says that the data are there: is that possible? */
static int coroutine_fn check_place(BlockQcow2 *s, uint64_t host, int64_t bytes)
{
    uint64_t length;

    if (qcow_has_data_file(s)) {
        return 0;
    }
    length = (uint64_t)block_node_length(s->file.node);
    if (host + (uint64_t)bytes > ROUND_UP(length, (uint64_t)s->cluster_bytes)) {
        return qcow_corrupt(s, true, (int64_t)host, bytes,
                            "Preventing write behind the end of the file");
    }
    return qcow_overlap_refuse(s, 0, host, (uint64_t)bytes);
}

static int coroutine_fn write_in_place(BlockQcow2 *s, uint64_t offset,
                                       const QcowMap *m, QEMUIOVector *qiov,
                                       size_t qiov_offset)
{
    int ret = check_place(s, m->host, m->bytes);

    return ret < 0
               ? ret
               : write_host(s, offset, m->host, m->bytes, qiov, qiov_offset);
}

/* -- 1. the range --------------------------------------------------------------------- */

/* As many clusters as one slice has and nobody else works on. lock is held. */
static void coroutine_fn lock_range(BlockQcow2 *s, Alloc *a)
{
    uint64_t first = a->offset >> s->cluster_bits;
    uint64_t end = qcow_clusters(s, a->offset + (uint64_t)a->bytes);
    QcowRange *r;

    qcow_range_lock(s, &a->range, first, first + 1);
    end = MIN(end, ((first >> s->slice_bits) + 1) << s->slice_bits);
    QLIST_FOREACH(r, &s->ranges, next) {
        if (r->first > first) {
            end = MIN(end, r->first);
        }
    }
    a->range.end = end;
    a->bytes = MIN(a->bytes, (int64_t)((end << s->cluster_bits) - a->offset));
}

static void find_goal(BlockQcow2 *s, Alloc *a, const QcowTable *t,
                      unsigned index)
{
    uint64_t before = index ? qcow_entry(s, t, index - 1) : 0;

    a->goal = 0;
    if (qcow_entry_has_host(s, before)) {
        a->goal = (before & QCOW_OFFSET_MASK) + s->cluster_bytes;
    }
}

/* Returns: 1, 0: somebody else did it meanwhile, -errno. lock is held. */
static int coroutine_fn prepare(BlockQcow2 *s, Alloc *a)
{
    QcowTable *t;
    unsigned index;
    int ret = qcow_slice_writable(s, a->offset, &t, &index);

    if (ret < 0) {
        return ret;
    }
    find_goal(s, a, t, index);
    /* The slice is in memory. */
    qcow_map_cached(s, a->offset, a->bytes, &a->old);
    a->bytes = a->old.bytes;
    if (a->old.kind == QCOW_INVALID) {
        return qcow_corrupt(s, true, -1, -1,
                            "Invalid L2 entry %#" PRIx64 " for guest offset "
                            "%#" PRIx64,
                            a->old.entry, a->offset);
    }
    if (a->old.kind == QCOW_NORMAL && a->old.copied) {
        return 0;
    }
    a->reuse = a->old.copied && (a->old.kind == QCOW_ZERO_ALLOC ||
                                 a->old.kind == QCOW_UNALLOCATED_ALLOC);
    return 1;
}

/* -- 2. space ---------------------------------------------------------------------------- */

static int coroutine_fn get_space(BlockQcow2 *s, Alloc *a)
{
    uint64_t first = qcow_cluster_start(s, a->offset);
    uint64_t count = qcow_clusters(s, a->offset + (uint64_t)a->bytes - first);
    int ret;

    if (a->reuse) {
        a->space.offset = qcow_cluster_start(s, a->old.host);
        a->space.count = count;
        a->space.fresh = false;
        return check_place(s, a->old.host, a->bytes);
    }
    if (qcow_has_data_file(s)) {
        a->space = (QcowSpace){ .offset = first, .count = count };
        return 0;
    }
    ret = qcow_space_alloc(s, a->goal, count, &a->space);
    if (ret == 0 && a->space.count < count) {
        a->bytes =
            (int64_t)(first + (a->space.count << s->cluster_bits) - a->offset);
    }
    return ret;
}

/* -- 3. data ---------------------------------------------------------------------------------- */

static uint64_t host_of(const BlockQcow2 *s, const Alloc *a, uint64_t guest)
{
    return a->space.offset + (guest - qcow_cluster_start(s, a->offset));
}

static bool old_is_zero(BlockQcow2 *s, const Alloc *a)
{
    switch (a->old.kind) {
    case QCOW_ZERO:
    case QCOW_ZERO_ALLOC:
        return !a->whole;
    case QCOW_UNALLOCATED:
    case QCOW_UNALLOCATED_ALLOC:
        return !a->whole &&
               qcow_backing_is_zero(s, a->start, (int64_t)(a->end - a->start));
    default:
        return false;
    }
}

/* Make what is around the data zero without writing zeroes, if that works. */
static bool coroutine_fn zero_around(BlockQcow2 *s, const Alloc *a)
{
    uint64_t all = a->end - a->start;

    if (s->crypt) {
        return false;
    }
    return a->space.fresh ||
           (all - (uint64_t)a->bytes >= ZERO_REQUEST_MIN_BYTES &&
            node_co_pwrite_zeroes(s->data, (int64_t)host_of(s, a, a->start),
                                  (int64_t)all, BLK_REQ_NO_FALLBACK) == 0);
}

static int coroutine_fn fetch(BlockQcow2 *s, uint64_t from, uint64_t to,
                              bool zero, uint8_t **ret_buf)
{
    QEMUIOVector qiov;

    if (from == to) {
        return 0;
    }
    *ret_buf = g_try_malloc0(to - from);
    if (!*ret_buf) {
        return -ENOMEM;
    }
    if (zero) {
        return 0;
    }
    qcow_event(s, BLKDBG_COW_READ);
    qemu_iovec_init_buf(&qiov, *ret_buf, to - from);
    return qcow_read(s, from, (int64_t)(to - from), &qiov, 0);
}

static void find_extent(BlockQcow2 *s, Alloc *a)
{
    uint64_t unit;

    a->whole = !a->reuse &&
               (a->old.kind == QCOW_NORMAL || a->old.kind == QCOW_COMPRESSED ||
                a->old.kind == QCOW_ZERO_ALLOC ||
                a->old.kind == QCOW_UNALLOCATED_ALLOC);
    if (!s->ext_l2 && a->old.kind == QCOW_ZERO_ALLOC) {
        a->whole = false; /* reads as zeroes throughout anyway */
    }
    unit = UINT64_C(1) << (a->whole ? s->cluster_bits : s->sub_bits);
    a->start = a->offset & ~(unit - 1);
    a->end = ROUND_UP(a->offset + (uint64_t)a->bytes, unit);
}

static int coroutine_fn write_data(BlockQcow2 *s, Alloc *a)
{
    uint64_t data_end = a->offset + (uint64_t)a->bytes;
    QEMUIOVector qiov;
    bool zero;
    int ret = 0;

    find_extent(s, a);
    zero = old_is_zero(s, a);
    if (zero && zero_around(s, a)) {
        a->start = a->offset;
        a->end = data_end;
    }
    if (a->start == a->offset && a->end == data_end) {
        return write_host(s, a->offset, host_of(s, a, a->offset), a->bytes,
                          a->qiov, a->qiov_offset);
    }
    ret = fetch(s, a->start, a->offset, zero, &a->head);
    if (ret == 0) {
        ret = fetch(s, data_end, a->end, zero, &a->tail);
    }
    if (ret == 0) {
        ret =
            qemu_iovec_init_extended(&qiov, a->head, a->offset - a->start,
                                     a->qiov, a->qiov_offset, (size_t)a->bytes,
                                     a->tail, a->end - data_end);
        if (ret == 0) {
            qcow_event(s, BLKDBG_COW_WRITE);
            ret = write_host(s, a->start, host_of(s, a, a->start),
                             (int64_t)(a->end - a->start), &qiov, 0);
            qemu_iovec_destroy(&qiov);
        }
    }
    g_free(a->head);
    g_free(a->tail);
    return ret;
}

/* -- 4. the table ---------------------------------------------------------------------------------- */

/* Bits of subclusters of the cluster at @guest that hold data now. */
static uint64_t written_bits(const BlockQcow2 *s, const Alloc *a,
                             uint64_t guest)
{
    uint64_t sub = UINT64_C(1) << s->sub_bits;
    uint64_t from = MAX(a->offset & ~(sub - 1), guest);
    uint64_t to = MIN(ROUND_UP(a->offset + (uint64_t)a->bytes, sub),
                      guest + s->cluster_bytes);
    unsigned lo = (unsigned)((from - guest) >> s->sub_bits);
    unsigned n = (unsigned)((to - from) >> s->sub_bits);

    return a->whole ? UINT32_MAX : ((UINT64_C(1) << n) - 1) << lo;
}

static int coroutine_fn link_one(BlockQcow2 *s, Alloc *a, uint64_t guest)
{
    QcowTable *t;
    unsigned index;
    uint64_t entry, bits = 0;
    int ret = qcow_slice_get(s, guest, &t, &index);

    if (ret < 0 || !t) {
        return ret < 0 ? ret : -EIO;
    }
    entry = qcow_entry(s, t, index);
    if (s->ext_l2) {
        uint64_t mask = written_bits(s, a, guest);

        bits = a->whole ? 0 : qcow_entry_bits(s, t, index);
        bits = (bits & ~(mask << 32)) | mask;
    }
    qcow_entry_set(s, t, index, host_of(s, a, guest) | QCOW_COPIED, bits);
    if (!a->reuse) {
        qcow_drop_entry(s, entry, QCOW_DISCARD_OTHER);
    }
    return 0;
}

/* lock is held. */
static int coroutine_fn link_all(BlockQcow2 *s, Alloc *a)
{
    uint64_t guest = qcow_cluster_start(s, a->offset);
    uint64_t end = a->offset + (uint64_t)a->bytes;
    int ret = 0;

    for (; guest < end; guest += s->cluster_bytes) {
        ret = link_one(s, a, guest);
        if (ret < 0) {
            break;
        }
    }
    if (ret < 0 && !a->reuse && !qcow_has_data_file(s)) {
        uint64_t host = host_of(s, a, guest);

        qemu_co_mutex_unlock(&s->lock);
        qcow_space_free(s, host,
                        a->space.offset + (a->space.count << s->cluster_bits) -
                            host);
        qemu_co_mutex_lock(&s->lock);
    }
    return ret;
}

static int coroutine_fn put_data(BlockQcow2 *s, Alloc *a)
{
    int ret = get_space(s, a);

    if (ret < 0) {
        return ret;
    }
    ret = write_data(s, a);
    if (ret < 0 && !a->reuse && !qcow_has_data_file(s)) {
        qcow_space_free(s, a->space.offset, a->space.count << s->cluster_bits);
    }
    return ret;
}

/* *@done bytes were written; none: look again. */
static int coroutine_fn write_alloc(BlockQcow2 *s, Alloc *a, int64_t *done)
{
    int ret;

    qemu_co_mutex_lock(&s->lock);
    lock_range(s, a);
    ret = prepare(s, a);
    if (ret > 0) {
        qemu_co_mutex_unlock(&s->lock);
        ret = put_data(s, a);
        qemu_co_mutex_lock(&s->lock);
        if (ret == 0) {
            ret = link_all(s, a);
            *done = a->bytes;
        }
    }
    qcow_range_unlock(s, &a->range);
    qemu_co_mutex_unlock(&s->lock);
    return ret;
}

/* -- requests ------------------------------------------------------------------------------------------ */

int coroutine_fn qcow_write(BlockQcow2 *s, uint64_t offset, int64_t bytes,
                            QEMUIOVector *qiov, size_t qiov_offset)
{
    int ret = 0;

    while (bytes > 0 && ret == 0) {
        int64_t done = 0;
        QcowMap m;

        ret = qcow_may_write(s);
        if (ret < 0) {
            return ret;
        }
        ret = qcow_map(s, offset, bytes, &m);
        if (ret == 0 && m.kind == QCOW_NORMAL && m.copied) {
            ret = write_in_place(s, offset, &m, qiov, qiov_offset);
            done = m.bytes;
        } else if (ret == 0) {
            Alloc a = { .offset = offset,
                        .bytes = m.bytes,
                        .qiov = qiov,
                        .qiov_offset = qiov_offset };

            ret = write_alloc(s, &a, &done);
        }
        offset += (uint64_t)done;
        qiov_offset += (size_t)done;
        bytes -= done;
    }
    return ret;
}

int coroutine_fn qcow_co_pwritev(BlockNode *node, int64_t offset, int64_t bytes,
                                 QEMUIOVector *qiov, size_t qiov_offset,
                                 BlkRequestFlags flags)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    unsigned ticket = qcow_enter(s);
    int ret = qcow_write(s, (uint64_t)offset, bytes, qiov, qiov_offset);

    /* Too much may wait for a flush that the guest does not send. */
    if (ret == 0 && qcow_frees_pressure(s)) {
        ret = qcow_commit(s, true);
    }
    qcow_leave(s, ticket);
    return ret == 0 ? qcow_reclaim(s) : ret;
}

int coroutine_fn qcow_co_flush(BlockNode *node)
{
    BlockQcow2 *s = BLOCK_QCOW2(node);
    unsigned ticket;
    int ret;

    if (!s->active) {
        return 0;
    }
    ticket = qcow_enter(s);
    ret = qcow_commit(s, qatomic_read(&s->frees.pending) > 0);
    qcow_leave(s, ticket);
    return ret == 0 ? qcow_reclaim(s) : ret;
}
