/*
 * Job "mirror": keeps a copy of a disk up to date; and the commit of a disk's
 * active image, which is a mirror to the image below it.
 *
 * A dirty bitmap of the disk says what the target lacks. The job copies until
 * little is dirty and is ready then; it goes on copying what is written. When
 * it is to end it stops at such a moment, and the main loop does the rest with
 * the disk drained (mirror_prepare): that little, a flush, and the swap of disk
 * and target in the graph. So that the moment comes however fast the guest
 * writes, its writes go to both sides from when the end is asked for.
 *
 * Pieces with errors that the user ignores are left out: the target lacks them,
 * they are not dirty, and they are tried again now and then. The job is not
 * ready, and does not end well, before they are copied, too.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/chain.h"
#include "block/job/mirror-internal.h"
#include "util/error.h"

#define CLOSE_BYTES     (1024 * 1024)
#define RETRY_NS        (100 * 1000 * 1000)
#define IDLE_NS         (1000 * 1000 * 1000)
#define LEFT_OUT_NS     IDLE_NS /* from a failure until it is tried again */
#define LEFT_OUT_PIECES 16      /* that are tried again at a time */

typedef struct Piece {
    MirrorJob *job;
    int64_t offset;
    int64_t bytes;
    RangeHold hold;
} Piece;

/* -- what is to be copied -------------------------------------------------------- */

/* Whole, or what @base does not have. */
static int coroutine_fn mark_allocated(MirrorJob *m, BlockNode *base)
{
    BlockNode *source = m->state.source;
    int64_t length = block_node_length(source);
    int64_t offset = 0;

    while (offset < length) {
        int64_t n = length - offset;
        int ret = node_co_status_above(source, base, NODE_WANT_ALLOCATED,
                                       offset, n, &n, NULL, NULL, NULL);

        if (ret < 0) {
            return ret;
        }
        if (ret & NODE_STATUS_ALLOCATED) {
            dirty_bitmap_set(m->state.dirty, offset, n);
        }
        offset += n;
        job_pause_point(JOB(m));
        if (job_is_cancelled(JOB(m))) {
            return -ECANCELED;
        }
    }
    return 0;
}

static int coroutine_fn mark_first(MirrorJob *m)
{
    BlockNode *source = m->state.source;

    if (m->sync == MIRROR_SYNC_MODE_NONE) {
        return 0;
    }
    if (m->sync == MIRROR_SYNC_MODE_TOP) {
        /* A commit goes down to the target, through all that is between. */
        return mark_allocated(m, node_chain_contains(source, m->state.target)
                                     ? m->state.target
                                     : node_backing(node_skip_filters(source)));
    }
    if (!m->target_is_zero) {
        int ret =
            node_co_pwrite_zeroes(m->state.target, 0,
                                  block_node_length(m->state.target),
                                  BLK_REQ_MAY_UNMAP | BLK_REQ_NO_FALLBACK);

        if (ret < 0) {
            dirty_bitmap_set(m->state.dirty, 0, block_node_length(source));
            return 0;
        }
    }
    return mark_allocated(m, NULL);
}

/* -- copying ------------------------------------------------------------------------ */

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
}

static BlockdevOnError on_error_of(MirrorJob *m, bool is_read)
{
    BlockdevOnError on_error =
        is_read ? m->on_source_error : m->on_target_error;

    return m->is_last_try && on_error == BLOCKDEV_ON_ERROR_IGNORE
               ? BLOCKDEV_ON_ERROR_REPORT
               : on_error;
}

static int coroutine_fn copy_piece(MirrorJob *m, int64_t offset, int64_t bytes)
{
    bool is_read = true;
    int ret = copier_copy(&m->copier, offset, bytes, &is_read);
    BlockErrorAction action = BLOCK_ERROR_ACTION_REPORT;

    if (ret == 0) {
        block_progress_done(&JOB(m)->progress, (uint64_t)bytes);
        dirty_bitmap_reset(m->left_out, offset, bytes);
        return 0;
    }
    if (!job_is_cancelled(JOB(m))) {
        action = block_job_error_action(BLOCK_JOB(m), on_error_of(m, is_read),
                                        is_read, -ret);
    }
    if (action == BLOCK_ERROR_ACTION_IGNORE) {
        dirty_bitmap_set(m->left_out, offset, bytes);
        m->left_out_time = now_ns() + LEFT_OUT_NS;
        return 0;
    }
    dirty_bitmap_set(m->state.dirty, offset, bytes);
    m->again = action == BLOCK_ERROR_ACTION_STOP;
    return m->again ? 0 : ret;
}

static int coroutine_fn piece_task(void *opaque)
{
    g_autofree Piece *p = opaque;
    MirrorJob *m = p->job;
    int ret = copy_piece(m, p->offset, p->bytes);

    range_unlock(&m->state.busy, &p->hold);
    return ret;
}

static bool should_end(MirrorJob *m)
{
    return job_is_cancelled(JOB(m)) || task_pool_status(m->pool) < 0;
}

/* A piece whose area is free; NULL: there is none from @offset on. */
static Piece *take_piece(MirrorJob *m, int64_t offset)
{
    DirtyBitmap *dirty = m->state.dirty;
    int64_t start, bytes;

    while (dirty_bitmap_next_area(dirty, offset, dirty->size, COPIER_MAX_BYTES,
                                  &start, &bytes)) {
        Piece *p = g_new(Piece, 1);

        if (dirty_bitmap_get(m->left_out, start)) {
            /* It failed: now without those that it failed with. */
            bytes = MIN(bytes, dirty->granularity);
        }
        if (range_trylock(&m->state.busy, &p->hold, start, start + bytes)) {
            p->job = m;
            p->offset = start;
            p->bytes = bytes;
            /* What is written from now on makes it dirty again. */
            dirty_bitmap_reset(dirty, start, bytes);
            return p;
        }
        g_free(p);
        offset = start + bytes;
    }
    return NULL;
}

/* All that is dirty is being written at this moment: until a piece is not. */
static void coroutine_fn wait_for_piece(MirrorJob *m)
{
    DirtyBitmap *dirty = m->state.dirty;
    int64_t start, bytes;

    if (dirty_bitmap_next_area(dirty, 0, dirty->size, COPIER_MAX_BYTES, &start,
                               &bytes)) {
        range_wait(&m->state.busy, start, start + bytes);
    }
}

/* Once over the disk. */
static void coroutine_fn copy_pass(MirrorJob *m)
{
    int64_t offset = 0;
    Piece *p;

    m->again = false;
    for (;;) {
        int64_t bytes;

        task_pool_wait_slot(m->pool);
        p = should_end(m) ? NULL : take_piece(m, offset);
        if (!p) {
            if (offset == 0) {
                wait_for_piece(m);
            }
            break;
        }
        bytes = p->bytes;
        offset = p->offset + bytes;
        task_pool_start(m->pool, piece_task, p);
        block_job_throttle(BLOCK_JOB(m), bytes);
    }
    task_pool_wait_all(m->pool);
}

/* What the target lacks, or more: a piece that was left out, and that the guest
 * wrote since, counts twice. */
static int64_t missing(MirrorJob *m)
{
    return dirty_bitmap_count(m->state.dirty) + dirty_bitmap_count(m->left_out);
}

/* What is missing is to be done; it may have become more, or less. */
static void update_total(MirrorJob *m)
{
    uint64_t current, total;

    block_progress_get(&JOB(m)->progress, &current, &total);
    block_progress_add(&JOB(m)->progress,
                       current + (uint64_t)missing(m) - total);
}

static bool is_clean(MirrorJob *m)
{
    return dirty_bitmap_count(m->state.dirty) == 0;
}

/* Is what is left a matter of milliseconds? */
static bool is_close(MirrorJob *m)
{
    return missing(m) <=
           MAX(CLOSE_BYTES, 4 * (int64_t)m->state.dirty->granularity);
}

/* Up to @max bytes of what was left out are to be copied again. They stay left
 * out until they are: a write to both sides may take a piece out of what is
 * dirty, of which the target still lacks the rest. */
static void mark_left_out(MirrorJob *m, int64_t max)
{
    DirtyBitmap *b = m->left_out;
    int64_t at = m->left_out_at;
    int64_t n;

    while (max > 0 && dirty_bitmap_next_area(b, at, b->size, max, &at, &n)) {
        dirty_bitmap_set(m->state.dirty, at, n);
        at += n;
        max -= n;
    }
    m->left_out_at = max > 0 ? 0 : at;
}

static void retry_left_out(MirrorJob *m)
{
    if (dirty_bitmap_count(m->left_out) > 0 && now_ns() >= m->left_out_time) {
        mark_left_out(m, LEFT_OUT_PIECES * (int64_t)m->left_out->granularity);
    }
}

/* The job is to end, with all there is, while the guest still runs. Returns:
 * true: what is missing may be copied while it does not. */
static bool may_end(MirrorJob *m)
{
    bool lacks_some = dirty_bitmap_count(m->left_out) > 0;

    /* Even if it may: it may have to wait for others, or for job-finalize. */
    qatomic_set(&m->state.writes_both, true);
    if (!lacks_some && is_close(m) && !m->again) {
        return true;
    }
    if (lacks_some) {
        m->is_last_try = true;
        m->left_out_at = 0;
        mark_left_out(m, m->left_out->size);
    }
    return false;
}

/* Until the guest writes or somebody wants something. */
static void coroutine_fn idle(MirrorJob *m)
{
    qatomic_set(&m->state.is_idle, true);
    if (is_clean(m) && !qatomic_read(&m->complete)) {
        job_sleep_ns(JOB(m), IDLE_NS);
    }
    qatomic_set(&m->state.is_idle, false);
}

static bool wants_end(MirrorJob *m)
{
    return qatomic_read(&m->complete) || job_cancel_requested(JOB(m));
}

static int coroutine_fn copy_until_end(MirrorJob *m)
{
    bool is_ready = false;
    int ret;

    while (!should_end(m)) {
        update_total(m);
        if (is_close(m) && !is_ready) {
            ret = node_co_flush(m->state.target);
            if (ret < 0) {
                return ret;
            }
            is_ready = true;
            job_set_ready(JOB(m));
        }
        if (is_ready && wants_end(m)) {
            if (may_end(m)) {
                return 0;
            }
        } else {
            retry_left_out(m);
        }
        if (is_clean(m)) {
            m->again = false;
            idle(m);
            continue;
        }
        copy_pass(m);
        if (m->again) {
            job_sleep_ns(JOB(m), RETRY_NS);
        }
    }
    return job_is_cancelled(JOB(m)) ? -ECANCELED : task_pool_status(m->pool);
}

static int coroutine_fn mirror_run(Job *job, Error **errp)
{
    MirrorJob *m = MIRROR_JOB(job);
    int ret;

    m->pool = task_pool_new(m->workers);
    ret = mark_first(m);
    if (ret == 0) {
        /* Not before the bitmap says what the target lacks. */
        qatomic_set(&m->state.writes_both,
                    m->copy_mode == MIRROR_COPY_MODE_WRITE_BLOCKING);
        ret = copy_until_end(m);
    }
    task_pool_wait_all(m->pool);
    g_clear_pointer(&m->pool, task_pool_free);
    return ret;
}

static void coroutine_fn mirror_settle(Job *job)
{
    MirrorJob *m = MIRROR_JOB(job);

    if (m->pool) {
        task_pool_wait_all(m->pool);
    }
}

static bool mirror_complete(Job *job, Error **errp)
{
    qatomic_set(&MIRROR_JOB(job)->complete, true);
    return true;
}

/* A mirror that is ready may end as a copy of this moment. */
static bool mirror_cancel(Job *job, bool force)
{
    return force || !job_is_ready_status(job_status(job));
}

/* -- the end; the disk is drained ------------------------------------------------------ */

static int coroutine_fn copy_rest(void *opaque)
{
    MirrorJob *m = opaque;
    DirtyBitmap *dirty = m->state.dirty;
    int64_t at, n;

    while (dirty_bitmap_next_area(dirty, 0, dirty->size, COPIER_MAX_BYTES, &at,
                                  &n)) {
        bool is_read;
        int ret = copier_copy(&m->copier, at, n, &is_read);

        if (ret < 0) {
            return ret;
        }
        dirty_bitmap_reset(dirty, at, n);
        block_progress_done(&JOB(m)->progress, (uint64_t)n);
    }
    return node_co_flush(m->state.target);
}

/* The target of a mirror of the topmost image gets what is below the disk. */
static bool share_backing(MirrorJob *m, Error **errp)
{
    BlockNode *target = node_skip_filters(m->state.target);
    BlockNode *source = node_skip_filters(m->state.source);
    BlockNode *backing = m->sync == MIRROR_SYNC_MODE_NONE
                             ? m->state.source
                             : node_backing(source);

    if (m->sync == MIRROR_SYNC_MODE_FULL || !backing ||
        node_chain_contains(source, target) ||
        !BLOCK_NODE_GET_CLASS(target)->supports_backing ||
        node_backing(target)) {
        return true;
    }
    return node_set_backing(target, backing, errp);
}

bool mirror_set_filter_state(MirrorJob *m, MirrorState *state, Error **errp)
{
    BLOCK_MIRROR_TOP(m->filter)->state = state;
    return node_refresh_perm(m->filter, errp);
}

bool mirror_take_filter_out(MirrorJob *m, BlockNode *stays, Error **errp)
{
    mirror_set_filter_state(m, NULL, NULL); /* to need less is always allowed */
    if (!node_replace(m->filter, stays, errp)) {
        mirror_set_filter_state(m, &m->state, NULL);
        return false;
    }
    return true;
}

static int mirror_prepare(Job *job, Error **errp)
{
    MirrorJob *m = MIRROR_JOB(job);
    int ret;

    node_drained_begin(m->state.source);
    m->is_drained = true;
    update_total(m);
    ret = node_run_co(m->state.target->ctx, copy_rest, m);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Mirror to node '%s' could not be ended",
                         m->state.target->name);
        return ret;
    }
    if (!m->complete) {
        return 0;
    }
    /* From here on the disk is the target; nothing can fail after it. */
    block_job_remove_nodes(BLOCK_JOB(job));
    return share_backing(m, errp) &&
                   mirror_take_filter_out(m, m->state.target, errp)
               ? 0
               : -EPERM;
}

static void mirror_commit(Job *job)
{
    MirrorJob *m = MIRROR_JOB(job);

    block_job_remove_nodes(BLOCK_JOB(job));
    if (!m->complete) {
        mirror_take_filter_out(m, m->state.source, &error_abort);
    }
}

static void mirror_abort(Job *job)
{
    MirrorJob *m = MIRROR_JOB(job);

    if (!m->is_drained) {
        node_drained_begin(m->state.source);
        m->is_drained = true;
    }
    block_job_remove_nodes(BLOCK_JOB(job));
    mirror_take_filter_out(m, m->state.source, &error_abort);
}

void mirror_free_state(MirrorJob *m)
{
    copier_destroy(&m->copier);
    range_lock_destroy(&m->state.busy);
    block_node_unref(m->state.source);
    block_node_unref(m->state.target);
}

static void mirror_clean(Job *job)
{
    MirrorJob *m = MIRROR_JOB(job);

    dirty_bitmap_release(m->state.dirty);
    dirty_bitmap_release(m->left_out);
    if (m->target_was_read_only && (JOB(m)->ret < 0 || !m->complete)) {
        node_set_read_only(m->state.target, true, NULL);
    }
    node_drained_end(m->state.source);
    g_clear_pointer(&m->filter, block_node_unref);
    mirror_free_state(m);
}

/* -- classes ------------------------------------------------------------------------------- */

static void mirror_class_init(ObjectClass *oc, void *data)
{
    JobClass *jc = JOB_CLASS(oc);

    jc->type = JOB_TYPE_MIRROR;
    jc->run = mirror_run;
    jc->settle = mirror_settle;
    jc->complete = mirror_complete;
    jc->cancel = mirror_cancel;
    jc->prepare = mirror_prepare;
    jc->commit = mirror_commit;
    jc->abort = mirror_abort;
    jc->clean = mirror_clean;
}

static void active_commit_class_init(ObjectClass *oc, void *data)
{
    JOB_CLASS(oc)->type = JOB_TYPE_COMMIT;
}

extern const TypeInfo block_type_mirror_job;
const TypeInfo block_type_mirror_job = {
    .name = TYPE_MIRROR_JOB,
    .parent = TYPE_BLOCK_JOB,
    .instance_size = sizeof(MirrorJob),
    .class_init = mirror_class_init,
};

extern const TypeInfo block_type_active_commit_job;
const TypeInfo block_type_active_commit_job = {
    .name = TYPE_ACTIVE_COMMIT_JOB,
    .parent = TYPE_MIRROR_JOB,
    .class_init = active_commit_class_init,
};
