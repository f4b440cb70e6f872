/*
 * Writing metadata out, in an order that a power cut cannot hurt.
 *
 * What is on disk must at any moment be such that every cluster that a table
 * refers to has a refcount at least as high, and every L2 entry leads to data
 * that are there. So a commit goes in this order:
 *
 *   1. take copies of all dirty slices and of the dirty part of L1 (their
 *      data were written before they were entered);
 *   2. write refcount blocks as they are now, with what those refer to; after
 *      a flush, entries of the refcount table for new blocks;
 *   3. flush: refcounts and data are stable;
 *   4. write the copies.
 *
 * The caller's flush makes 4 stable. A crash anywhere leaves refcounts that
 * are too high: leaks. The other direction, lowering refcounts, waits until
 * the slices without the references are stable (qcow2/frees.c). A new L2
 * table is written whole before it is entered in L1, so that old and new
 * contents of its slices may mix freely.
 *
 * With lazy refcounts step 2 is left out, and the image is marked as dirty.
 *
 * Requests look up and change tables meanwhile: only the copying takes locks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"
#include "block/qcow2/refcount.h"

/* Longest single write. */
#define PIECES_BYTES_MAX (1024 * 1024)

typedef struct Piece {
    uint64_t offset;
    uint32_t from; /* of the table */
    uint32_t bytes;
    uint8_t *copy;
    QcowTable *table; /* NULL: of L1 */
} Piece;

typedef struct Commit {
    GArray *pieces;
    uint32_t l1_from;
    uint32_t l1_to;
    GArray *dropped; /* their references go with this commit */
    GArray *older;   /* went with one before */
    bool flushed;
} Commit;

static void piece_clear(gpointer data)
{
    g_free(((Piece *)data)->copy);
}

static int by_offset(gconstpointer a, gconstpointer b)
{
    const Piece *x = a;
    const Piece *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* -- collecting; lock is held ----------------------------------------------------- */

static bool copy_slice(Commit *c, QcowTable *t)
{
    Piece p = { .table = t, .from = ROUND_DOWN(t->dirty_from, 512u) };

    p.bytes = ROUND_UP(t->dirty_to, 512u) - p.from;
    p.offset = t->offset + p.from;
    p.copy = g_try_malloc(p.bytes);
    if (!p.copy) {
        return false;
    }
    memcpy(p.copy, t->data + p.from, p.bytes);
    g_array_append_val(c->pieces, p);
    return true;
}

static bool copy_l1(BlockQcow2 *s, Commit *c)
{
    uint32_t from = ROUND_DOWN(s->l1_dirty_from, 64u);
    uint32_t to = MIN(ROUND_UP(s->l1_dirty_to, 64u), s->l1_size);
    Piece p = { .offset = s->l1_offset + (uint64_t)from * 8,
                .bytes = (to - from) * 8 };
    uint64_t *be;

    if (s->l1_dirty_from == s->l1_dirty_to) {
        return true;
    }
    be = g_try_new(uint64_t, to - from);
    if (!be) {
        return false;
    }
    for (uint32_t i = from; i < to; i++) {
        be[i - from] = cpu_to_be64(s->l1[i]);
    }
    p.copy = (uint8_t *)be;
    g_array_append_val(c->pieces, p);
    return true;
}

static int coroutine_fn collect(BlockQcow2 *s, Commit *c)
{
    QcowTable *t;

    QEMU_LOCK_GUARD(&s->lock);
    QLIST_FOREACH(t, &s->l2.dirty, dirty) {
        if (!copy_slice(c, t)) {
            return -ENOMEM;
        }
    }
    if (!copy_l1(s, c)) {
        return -ENOMEM;
    }
    for (guint i = 0; i < c->pieces->len; i++) {
        Piece *p = &g_array_index(c->pieces, Piece, i);

        if (p->table) {
            p->table->writing = true;
            qcow_cache_clean(&s->l2, p->table);
        }
    }
    c->l1_from = s->l1_dirty_from;
    c->l1_to = s->l1_dirty_to;
    s->l1_dirty_from = s->l1_dirty_to = 0;
    c->dropped = g_steal_pointer(&s->frees.dropped);
    s->frees.dropped = g_array_new(false, false, sizeof(QcowDrop));
    c->older = g_steal_pointer(&s->frees.written);
    s->frees.written = g_array_new(false, false, sizeof(QcowDrop));
    g_array_sort(c->pieces, by_offset);
    return 0;
}

/* -- writing ------------------------------------------------------------------------ */

static int coroutine_fn write_space(BlockQcow2 *s, bool even_lazy)
{
    int ret;

    if (s->lazy && !even_lazy) {
        return 0;
    }
    QEMU_LOCK_GUARD(&s->ref_lock);
    ret = qcow_refblocks_write(s);
    if (ret == 0 && s->reftable_dirty_from != s->reftable_dirty_to) {
        ret = node_co_flush(s->file.node);
        if (ret == 0) {
            ret = qcow_reftable_write(s);
        }
    }
    return ret;
}

/* Neighbours go out together. Returns: pieces written, -errno. */
static int coroutine_fn write_some(BlockQcow2 *s, const Commit *c, guint first)
{
    const Piece *p = &g_array_index(c->pieces, Piece, first);
    unsigned what = p->table ? QCOW_META_ACTIVE_L2 : QCOW_META_ACTIVE_L1;
    uint64_t end = p->offset;
    guint n = 0;
    QEMUIOVector qiov;
    int ret;

    qemu_iovec_init(&qiov, 16);
    while (first + n < c->pieces->len && p[n].offset == end &&
           !p[n].table == !p->table && qiov.size < PIECES_BYTES_MAX) {
        qemu_iovec_add(&qiov, p[n].copy, p[n].bytes);
        end += p[n++].bytes;
    }
    qcow_event(s, p->table ? BLKDBG_L2_UPDATE : BLKDBG_L1_UPDATE);
    ret = qcow_overlap_refuse(s, what, p->offset, qiov.size);
    if (ret == 0) {
        ret = node_co_pwritev(s->file.node, (int64_t)p->offset,
                              (int64_t)qiov.size, &qiov, 0, 0);
    }
    qemu_iovec_destroy(&qiov);
    return ret < 0 ? ret : (int)n;
}

static int coroutine_fn write_all(BlockQcow2 *s, Commit *c, bool durable,
                                  bool even_lazy)
{
    int ret = write_space(s, even_lazy);

    if (ret == 0 && c->pieces->len > 0) {
        ret = qcow_flush_files(s);
        c->flushed = ret == 0;
    }
    for (guint i = 0; ret >= 0 && i < c->pieces->len; i += (guint)ret) {
        ret = write_some(s, c, i);
    }
    if (ret >= 0 && durable) {
        ret = qcow_flush_files(s);
        c->flushed |= ret == 0;
    }
    return MIN(ret, 0);
}

/* -- the end ---------------------------------------------------------------------------- */

static void move_drops(GArray *to, GArray *from)
{
    g_array_append_vals(to, from->data, from->len);
    g_array_set_size(from, 0);
}

static void coroutine_fn finish(BlockQcow2 *s, Commit *c, bool durable, int ret)
{
    QcowFrees *f = &s->frees;

    QEMU_LOCK_GUARD(&s->lock);
    for (guint i = 0; i < c->pieces->len; i++) {
        Piece *p = &g_array_index(c->pieces, Piece, i);

        if (p->table) {
            p->table->writing = false;
            if (ret < 0) {
                qcow_cache_mark(&s->l2, p->table, p->from, p->bytes);
            }
        }
    }
    if (ret < 0 && c->l1_from != c->l1_to) {
        qcow_l1_mark(s, c->l1_from);
        qcow_l1_mark(s, c->l1_to - 1);
    }
    if (c->dropped) {
        move_drops(c->flushed ? f->stable : f->written, c->older);
        move_drops(ret < 0   ? f->dropped
                   : durable ? f->stable
                             : f->written,
                   c->dropped);
        g_array_unref(c->dropped);
        g_array_unref(c->older);
    }
    /* Who found no slice to give up waits for this. */
    qemu_co_queue_restart_all(&s->load_queue);
}

static int coroutine_fn commit(BlockQcow2 *s, bool durable, bool even_lazy)
{
    Commit c = { .pieces = g_array_new(false, false, sizeof(Piece)) };
    int ret;

    g_array_set_clear_func(c.pieces, piece_clear);
    qemu_co_mutex_lock(&s->commit_lock);
    ret = qcow_may_write(s);
    if (ret == 0) {
        ret = collect(s, &c);
    }
    if (ret == 0) {
        ret = write_all(s, &c, durable, even_lazy);
    }
    if (c.dropped) {
        finish(s, &c, durable, ret);
    }
    qemu_co_mutex_unlock(&s->commit_lock);
    g_array_unref(c.pieces);
    return ret;
}

int coroutine_fn qcow_commit(BlockQcow2 *s, bool durable)
{
    return commit(s, durable, false);
}

int coroutine_fn qcow_commit_all(BlockQcow2 *s)
{
    int ret;

    /* Freed clusters make refcount blocks dirty once more, and a discard of
     * the last one of them may free nothing else. */
    for (;;) {
        bool left;

        ret = commit(s, true, true);
        if (ret < 0) {
            return ret;
        }
        left = qatomic_read(&s->frees.pending) > 0;
        ret = qcow_reclaim(s);
        if (ret < 0 || !left) {
            return ret;
        }
    }
}
