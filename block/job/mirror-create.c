/*
 * Job "mirror": how it begins: what may be mirrored to what, the filter above the
 * disk and the bitmap of what the target lacks, from which moment on every write
 * is noted. What the job does then stands in job/mirror.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/chain.h"
#include "block/job/mirror-internal.h"
#include "util/error.h"
#include "util/host-utils.h"

#define BUF_SIZE_DEFAULT (16 * 1024 * 1024)
#define WORKERS_MAX      64

static bool check(const MirrorOptions *o, Error **errp)
{
    int64_t source = block_node_length(o->source);
    int64_t target = block_node_length(o->target);

    if (o->source == o->target) {
        error_setg(errp, "Can't mirror node into itself");
        return false;
    }
    if (o->sync != MIRROR_SYNC_MODE_FULL && o->sync != MIRROR_SYNC_MODE_TOP &&
        o->sync != MIRROR_SYNC_MODE_NONE) {
        error_setg(errp, "Sync mode '%s' not supported",
                   MirrorSyncMode_str(o->sync));
        return false;
    }
    if (o->buf_size < 0) {
        error_setg(errp, "Invalid parameter 'buf-size': %" PRId64, o->buf_size);
        return false;
    }
    if (source != target) {
        error_setg(errp,
                   "Source and target image have different sizes: %" PRId64
                   " and %" PRId64 " bytes",
                   source, target);
        return false;
    }
    if (o->replaces && !g_str_equal(o->replaces, o->source->name)) {
        error_setg(errp,
                   "Node '%s' is not the mirrored one: only that can be "
                   "replaced",
                   o->replaces);
        return false;
    }
    if (g_str_equal(o->type, TYPE_MIRROR_JOB) &&
        node_chain_contains(o->source, o->target)) {
        error_setg(errp, "Node '%s' is part of what node '%s' shows",
                   o->target->name, o->source->name);
        return false;
    }
    if (o->granularity > COPIER_MAX_BYTES) {
        error_setg(errp, "Granularity %" PRIu32 " is more than %d bytes",
                   o->granularity, COPIER_MAX_BYTES);
        return false;
    }
    if (node_chain_contains(o->source, o->target) &&
        !chain_check_unshared(o->source, o->target, errp)) {
        return false;
    }
    return block_job_check_free(o->source, errp) &&
           block_job_check_free(o->target, errp);
}

static BlockNode *insert_filter(const MirrorOptions *o, Error **errp)
{
    g_autoptr(json_t) opts =
        json_pack("{s:s, s:s, s:s, s:b}", "driver", "mirror_top", "file",
                  o->source->name, "target", o->target->name, "read-only",
                  o->source->read_only);

    return block_job_insert_filter(o->source, opts, o->filter_node_name, errp);
}

/* The pieces of the bitmap: what the target writes without reading. */
static uint32_t granularity_of(const MirrorOptions *o)
{
    uint32_t pref = o->target->preferred_write;

    if (o->granularity) {
        return o->granularity;
    }
    return pref >= 4096 && pref <= COPIER_MAX_BYTES && is_power_of_2(pref)
               ? pref
               : 65536;
}

static void fill_job(MirrorJob *m, const MirrorOptions *o)
{
    int64_t buf_size = o->buf_size ? o->buf_size : BUF_SIZE_DEFAULT;

    m->sync = o->sync;
    if (o->sync == MIRROR_SYNC_MODE_TOP &&
        !node_backing(node_skip_filters(o->source))) {
        m->sync = MIRROR_SYNC_MODE_FULL;
    }
    m->target_is_zero = o->target_is_zero;
    m->on_source_error = o->on_source_error;
    m->on_target_error = o->on_target_error;
    m->workers = (unsigned)CLAMP(buf_size / COPIER_MAX_BYTES, 1, WORKERS_MAX);
    m->state.job = JOB(m);
    m->state.source = o->source;
    m->state.target = o->target;
    m->copy_mode = o->copy_mode;
    block_node_ref(o->source);
    block_node_ref(o->target);
    range_lock_init(&m->state.busy);
    copier_init(&m->copier, o->source, o->target);
    m->copier.zero_flags = o->unmap ? BLK_REQ_MAY_UNMAP : 0;
}

static bool make_bitmaps(MirrorJob *m, const MirrorOptions *o, Error **errp)
{
    uint32_t step = granularity_of(o);

    m->state.dirty = dirty_bitmap_new(o->source, NULL, step, errp);
    if (m->state.dirty) {
        m->left_out = dirty_bitmap_new(o->source, NULL, step, errp);
    }
    if (!m->left_out) {
        return false;
    }
    dirty_bitmap_disable(m->left_out);
    return true;
}

/* Drained: from here on every write is noted. */
static bool attach(MirrorJob *m, const MirrorOptions *o, Error **errp)
{
    BlockJob *bj = BLOCK_JOB(m);

    m->state.is_below = node_chain_contains(o->source, o->target);
    if (o->target->read_only) {
        if (!node_set_read_only(o->target, false, errp)) {
            return false;
        }
        m->target_was_read_only = true;
    }
    /* What is written into an image below changes nothing for those above. */
    if (!block_job_add_node(
            bj, "target", o->target,
            m->state.is_below ? NODE_PERM_WRITE_UNCHANGED : NODE_PERM_WRITE,
            NODE_PERM_ALL & ~(unsigned)NODE_PERM_RESIZE, errp) ||
        !block_job_add_node(bj, "source", o->source, NODE_PERM_CONSISTENT_READ,
                            NODE_PERM_ALL, errp) ||
        !make_bitmaps(m, o, errp)) {
        return false;
    }
    m->filter = insert_filter(o, errp);
    return m->filter && (mirror_set_filter_state(m, &m->state, errp) ||
                         (mirror_take_filter_out(m, o->source, NULL), false));
}

/* It never began. */
static void undo(MirrorJob *m)
{
    block_job_remove_nodes(BLOCK_JOB(m));
    if (m->left_out) {
        dirty_bitmap_release(m->left_out);
    }
    if (m->state.dirty) {
        dirty_bitmap_release(m->state.dirty);
    }
    if (m->target_was_read_only) {
        node_set_read_only(m->state.target, true, NULL);
    }
    g_clear_pointer(&m->filter, block_node_unref);
    mirror_free_state(m);
}

BlockJob *mirror_job_create(const MirrorOptions *o, Error **errp)
{
    BlockJob *bj;
    bool ok;

    if (!check(o, errp)) {
        return NULL;
    }
    bj = block_job_create(o->type, o->id, NULL, o->source, o->speed, o->flags,
                          errp);
    if (!bj) {
        return NULL;
    }
    fill_job(MIRROR_JOB(bj), o);
    node_drained_begin(o->source);
    ok = attach(MIRROR_JOB(bj), o, errp);
    node_drained_end(o->source);
    if (!ok) {
        undo(MIRROR_JOB(bj));
        job_drop(JOB(bj));
        return NULL;
    }
    return bj;
}
