/*
 * The filter above a disk that is being mirrored.
 *
 * Writes go on to the disk, whose dirty bitmap notes them for the job. In the
 * mode write-blocking they also go to the target before they end: pieces that
 * the target had stay the same on both sides, so that the mirror does not fall
 * behind.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/internal.h"
#include "block/job/mirror-internal.h"
#include "util/error.h"

static BlockNode *below(BlockNode *node)
{
    return BLOCK_FILTER(node)->file.node;
}

static void wake_job(MirrorState *m)
{
    if (m && qatomic_read(&m->is_idle)) {
        job_wake(m->job);
    }
}

/* A write to both sides; @qiov NULL: zeroes. */
typedef struct BothWrite {
    int64_t offset;
    int64_t bytes;
    QEMUIOVector *qiov;
    size_t qiov_offset;
    BlkRequestFlags flags;
} BothWrite;

static int coroutine_fn write_one(BlockNode *to, const BothWrite *w)
{
    return w->qiov ? node_co_pwritev(to, w->offset, w->bytes, w->qiov,
                                     w->qiov_offset, w->flags)
                   : node_co_pwrite_zeroes(to, w->offset, w->bytes, w->flags);
}

/* May the target's copy of the pieces at [@start, @end) be called clean, once
 * both sides have the write? Those that the write covers whole, and those that
 * were clean before. */
typedef struct CleanRange {
    int64_t start;
    int64_t end;
} CleanRange;

static CleanRange clean_after(MirrorState *m, const BothWrite *w)
{
    int64_t step = m->dirty->granularity;
    int64_t end = w->offset + w->bytes;
    CleanRange r = { ROUND_DOWN(w->offset, step), ROUND_UP(end, step) };

    if (qatomic_mb_read(&m->plain) > 0) {
        /* One of them may make a piece dirty while this one is written. */
        return (CleanRange){ 0, 0 };
    }
    if (r.start < w->offset && dirty_bitmap_get(m->dirty, r.start)) {
        r.start += step;
    }
    if (r.end > end && end < m->dirty->size && r.end > r.start &&
        dirty_bitmap_get(m->dirty, end)) {
        r.end -= step;
    }
    r.end = MIN(r.end, m->dirty->size);
    return r;
}

static int coroutine_fn write_both(BlockNode *node, MirrorState *m,
                                   const BothWrite *w)
{
    int64_t step = m->dirty->granularity;
    RangeHold hold;
    CleanRange clean;
    int ret;

    range_lock(&m->busy, &hold, ROUND_DOWN(w->offset, step),
               ROUND_UP(w->offset + w->bytes, step));
    clean = clean_after(m, w);
    ret = write_one(below(node), w);
    /* A target that fails does not hurt the guest: the pieces stay dirty and
     * the job meets the error. */
    if (ret == 0 && clean.start < clean.end && write_one(m->target, w) == 0) {
        dirty_bitmap_reset(m->dirty, clean.start, clean.end - clean.start);
    }
    range_unlock(&m->busy, &hold);
    wake_job(m);
    return ret;
}

static int coroutine_fn top_write(BlockNode *node, const BothWrite *w)
{
    MirrorState *m = BLOCK_MIRROR_TOP(node)->state;
    int ret;

    if (!m) {
        return write_one(below(node), w);
    }
    qatomic_fetch_inc(&m->plain);
    if (qatomic_mb_read(&m->writes_both)) {
        qatomic_fetch_dec(&m->plain);
        return write_both(node, m, w);
    }
    ret = write_one(below(node), w);
    qatomic_fetch_dec(&m->plain);
    wake_job(m);
    return ret;
}

static int coroutine_fn top_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags)
{
    BothWrite w = { offset, bytes, qiov, qiov_offset, flags };

    return top_write(node, &w);
}

static int coroutine_fn top_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags)
{
    BothWrite w = { offset, bytes, NULL, 0, flags };

    return top_write(node, &w);
}

/* What a discarded piece reads as is not known: the job copies it. */
static int coroutine_fn top_co_pdiscard(BlockNode *node, int64_t offset,
                                        int64_t bytes)
{
    MirrorState *m = BLOCK_MIRROR_TOP(node)->state;
    int64_t step = m ? m->dirty->granularity : 1;
    RangeHold hold;
    int ret;

    if (!m) {
        return node_co_pdiscard(below(node), offset, bytes);
    }
    range_lock(&m->busy, &hold, ROUND_DOWN(offset, step),
               ROUND_UP(offset + bytes, step));
    ret = node_co_pdiscard(below(node), offset, bytes);
    range_unlock(&m->busy, &hold);
    wake_job(m);
    return ret;
}

static int coroutine_fn top_co_truncate(BlockNode *node, int64_t bytes,
                                        bool exact, PreallocMode prealloc,
                                        BlkRequestFlags flags, Error **errp)
{
    error_setg(errp, "Node '%s' cannot be resized while it is being mirrored",
               below(node)->name);
    return -ENOTSUP;
}

static bool top_open(BlockNode *node, Error **errp)
{
    BlockMirrorTop *top = BLOCK_MIRROR_TOP(node);

    return filter_base()->open(node, errp) &&
           block_node_open_child(node, &top->target, top->target_ref, "target",
                                 NODE_ROLE_DATA, errp);
}

static void target_perm(const MirrorState *m, unsigned *ret_perm,
                        unsigned *ret_shared)
{
    if (!m) {
        *ret_perm = 0;
        *ret_shared = NODE_PERM_ALL;
        return;
    }
    /* What is written into an image below changes nothing for those above. */
    *ret_perm = m->is_below ? NODE_PERM_WRITE_UNCHANGED : NODE_PERM_WRITE;
    *ret_shared = NODE_PERM_ALL & ~(unsigned)NODE_PERM_RESIZE;
}

static void top_child_perm(BlockNode *node, const NodeLink *link, unsigned perm,
                           unsigned shared, unsigned *ret_perm,
                           unsigned *ret_shared)
{
    BlockMirrorTop *top = BLOCK_MIRROR_TOP(node);

    if (link == &top->target) {
        target_perm(top->state, ret_perm, ret_shared);
        return;
    }
    *ret_perm = perm | NODE_PERM_CONSISTENT_READ;
    /* The bitmap sees every write, whoever makes it; a new size it cannot. */
    *ret_shared = shared & ~(unsigned)NODE_PERM_RESIZE;
}

static const Property top_props[] = {
    { "target", PROP_JSON, offsetof(BlockMirrorTop, target_ref),
      .qapi_type = "any", .flags = PROP_F_REQUIRED, .help = "node-name",
      .since = "0.2" },
    {},
};

static void top_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "mirror_top";
    nc->help = "above a disk that is being mirrored";
    nc->is_internal = true;
    nc->open = top_open;
    nc->child_perm = top_child_perm;
    nc->co_pwritev = top_co_pwritev;
    nc->co_pwrite_zeroes = top_co_pwrite_zeroes;
    nc->co_pdiscard = top_co_pdiscard;
    nc->co_truncate = top_co_truncate;
}

extern const TypeInfo block_type_mirror_top;
const TypeInfo block_type_mirror_top = {
    .name = TYPE_BLOCK_MIRROR_TOP,
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockMirrorTop),
    .class_init = top_class_init,
    .props = top_props,
};
