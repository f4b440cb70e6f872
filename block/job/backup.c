/*
 * Job "backup": copies a disk as it is at this moment, while it is used.
 *
 * A copy-before-write filter above the disk saves what the guest is about to
 * overwrite; the job copies the rest through the same filter, several pieces
 * at a time. A bitmap may say what is copied; whether it does or not, pieces that
 * arrived are taken out of it as its mode says.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/backup.h"

#include "block/filter/copy-before-write.h"
#include "block/task-pool.h"
#include "util/error.h"

#define TYPE_BACKUP_JOB "job-backup"
#define MAX_WORKERS     64
#define PIECE_BYTES     COPIER_MAX_BYTES
#define RETRY_NS        (100 * 1000 * 1000)

OBJECT_DECLARE_SIMPLE_TYPE(BackupJob, BACKUP_JOB)

struct BackupJob {
    BlockJob parent_obj;

    BlockNode *filter; /* (owned) the BlockCbw */
    MirrorSyncMode sync;
    BlockdevOnError on_source_error;
    BlockdevOnError on_target_error;
    unsigned workers;
    TaskPool *pool;
    bool again;            /* a piece failed and is to be tried again */
    bool is_last_try;      /* an error ends the job now */
    DirtyBitmap *left_out; /* what is to be tried a last time at the end; NULL:
                              no error is ignored */

    bool has_begun;
    DirtyBitmap *bitmap; /* the user's, or NULL; split */
    BitmapSyncMode bitmap_mode;
};

typedef struct Piece {
    BackupJob *job;
    int64_t offset;
    int64_t bytes;
} Piece;

static BlockCbw *cbw_of(BackupJob *b)
{
    return BLOCK_CBW(b->filter);
}

/* -- copying ------------------------------------------------------------------- */

/* What fails and may be tried again stays in the bitmap. */
static int coroutine_fn copy_piece(BackupJob *b, const Piece *p)
{
    BlockdevOnError on_error = BLOCKDEV_ON_ERROR_REPORT;
    bool is_read = true;
    int ret = cbw_copy(cbw_of(b), p->offset, p->bytes, &is_read);

    if (ret == 0) {
        return 0;
    }
    if (!b->is_last_try) {
        on_error = is_read ? b->on_source_error : b->on_target_error;
    }
    switch (block_job_error_action(BLOCK_JOB(b), on_error, is_read, -ret)) {
    case BLOCK_ERROR_ACTION_STOP:
        b->again = true;
        return 0;
    case BLOCK_ERROR_ACTION_IGNORE:
        dirty_bitmap_set(b->left_out, p->offset, p->bytes);
        return 0;
    default:
        return ret;
    }
}

static int coroutine_fn piece_task(void *opaque)
{
    g_autofree Piece *p = opaque;

    return copy_piece(p->job, p);
}

/* Cut [@start, @start + *@bytes) to what is not left out. Returns: where it
 * begins, or -1: all of it is left out. */
static int64_t skip_left_out(BackupJob *b, int64_t start, int64_t *bytes)
{
    int64_t end = start + *bytes;
    int64_t next;

    if (!b->left_out || b->is_last_try) {
        return start;
    }
    start = dirty_bitmap_next_zero(b->left_out, start, *bytes);
    if (start < 0) {
        return -1;
    }
    next = dirty_bitmap_next_dirty(b->left_out, start, end - start);
    *bytes = (next < 0 ? end : next) - start;
    return start;
}

static int64_t next_piece(BackupJob *b, int64_t offset, int64_t *ret_bytes)
{
    BlockCbw *cbw = cbw_of(b);
    int64_t end = cbw->todo->size;
    int64_t start, found;

    while (dirty_bitmap_next_area(cbw->todo, offset, end, PIECE_BYTES, &start,
                                  ret_bytes)) {
        offset = start + *ret_bytes;
        found = skip_left_out(b, start, ret_bytes);
        if (found >= 0) {
            return found;
        }
    }
    return -1;
}

static bool should_end(BackupJob *b)
{
    return job_is_cancelled(JOB(b)) || task_pool_status(b->pool) < 0 ||
           qatomic_read(&cbw_of(b)->error);
}

/* Once over the disk. */
static void coroutine_fn copy_pass(BackupJob *b)
{
    int64_t offset = 0;
    int64_t bytes;

    b->again = false;
    while ((offset = next_piece(b, offset, &bytes)) >= 0) {
        Piece *p;

        block_job_throttle(BLOCK_JOB(b), bytes);
        if (should_end(b)) {
            break;
        }
        p = g_new(Piece, 1);
        *p = (Piece){ b, offset, bytes };
        task_pool_start(b->pool, piece_task, p);
        offset += bytes;
    }
    task_pool_wait_all(b->pool);
}

static int coroutine_fn copy_all(BackupJob *b)
{
    copy_pass(b);
    while (b->again && !should_end(b)) {
        job_sleep_ns(JOB(b), RETRY_NS);
        copy_pass(b);
    }
    if (b->left_out && dirty_bitmap_count(b->left_out) > 0 && !should_end(b)) {
        b->is_last_try = true;
        copy_pass(b);
    }
    return task_pool_status(b->pool);
}

/* Only what the topmost image has; the rest is below the target too. */
static int coroutine_fn leave_out_backing(BackupJob *b)
{
    BlockCbw *cbw = cbw_of(b);
    BlockNode *source = node_skip_filters(BLOCK_FILTER(cbw)->file.node);
    BlockNode *backing = node_backing(source);
    int64_t offset = 0;
    int64_t length = block_node_length(source);

    while (backing && offset < length) {
        int64_t n = length - offset;
        int ret = node_co_status_above(source, backing, NODE_WANT_ALLOCATED,
                                       offset, n, &n, NULL, NULL, NULL);

        if (ret < 0) {
            return ret;
        }
        if (!(ret & NODE_STATUS_ALLOCATED)) {
            int64_t start = ROUND_UP(offset, cbw->cluster);
            int64_t end = ROUND_DOWN(offset + n, cbw->cluster);

            if (start < end) {
                cbw_leave_out(cbw, start, end);
            }
        }
        offset += n;
        job_pause_point(JOB(b));
        if (job_is_cancelled(JOB(b))) {
            return -ECANCELED;
        }
    }
    return 0;
}

static int coroutine_fn backup_run(Job *job, Error **errp)
{
    BackupJob *b = BACKUP_JOB(job);
    int ret = 0;

    b->has_begun = true;
    b->pool = task_pool_new(b->workers);
    if (b->sync == MIRROR_SYNC_MODE_TOP) {
        ret = leave_out_backing(b);
    }
    if (ret == 0 && b->sync == MIRROR_SYNC_MODE_NONE) {
        /* The filter does it all, until somebody cancels. */
        while (!job_is_cancelled(job)) {
            job_sleep_ns(job, INT64_MAX / 4);
        }
    } else if (ret == 0) {
        ret = copy_all(b);
    }
    if (ret == 0 && qatomic_read(&cbw_of(b)->error)) {
        ret = qatomic_read(&cbw_of(b)->error);
    }
    if (ret == 0) {
        ret = node_co_flush(cbw_of(b)->target.node);
    }
    g_clear_pointer(&b->pool, task_pool_free);
    return ret;
}

static void coroutine_fn backup_settle(Job *job)
{
    BackupJob *b = BACKUP_JOB(job);

    if (b->pool) {
        task_pool_wait_all(b->pool);
    }
}

/* -- the end --------------------------------------------------------------------- */

/* The user's bitmap: what is left to do goes back into it. */
static void end_bitmap(BackupJob *b, bool ok)
{
    DirtyBitmap *bitmap = b->bitmap;

    if (!bitmap) {
        return;
    }
    if (b->bitmap_mode == BITMAP_SYNC_MODE_NEVER || !b->has_begun ||
        (!ok && b->bitmap_mode == BITMAP_SYNC_MODE_ON_SUCCESS)) {
        dirty_bitmap_reclaim(bitmap);
        return;
    }
    dirty_bitmap_abdicate(bitmap);
    if (!ok) {
        dirty_bitmap_merge(bitmap, cbw_of(b)->todo, NULL, NULL);
    }
}

static void backup_commit(Job *job)
{
    end_bitmap(BACKUP_JOB(job), true);
}

static void backup_abort(Job *job)
{
    end_bitmap(BACKUP_JOB(job), false);
}

static void backup_clean(Job *job)
{
    BackupJob *b = BACKUP_JOB(job);
    BlockNode *source = BLOCK_FILTER(b->filter)->file.node;

    block_job_remove_nodes(BLOCK_JOB(job));
    if (b->left_out) {
        dirty_bitmap_release(b->left_out);
    }
    node_drained_begin(source);
    cbw_of(b)->progress = NULL;
    node_replace(b->filter, source, &error_abort);
    node_drained_end(source);
    g_clear_pointer(&b->filter, block_node_unref);
}

/* -- the beginning ------------------------------------------------------------------ */

/* Does a bitmap say what is copied? */
static bool copies_bitmap(const BackupOptions *o)
{
    return o->sync == MIRROR_SYNC_MODE_BITMAP ||
           o->sync == MIRROR_SYNC_MODE_INCREMENTAL;
}

static BlockNode *insert_filter(const BackupOptions *o, Error **errp)
{
    g_autoptr(json_t) opts =
        json_pack("{s:s, s:s, s:s, s:b}", "driver", "copy-before-write", "file",
                  o->source->name, "target", o->target->name, "read-only",
                  o->source->read_only);

    if (copies_bitmap(o)) {
        json_object_set_new(opts, "bitmap",
                            json_pack("{s:s, s:s}", "node",
                                      o->bitmap->node->name, "name",
                                      o->bitmap->name));
    }
    return block_job_insert_filter(o->source, opts, o->filter_node_name, errp);
}

static bool check(const BackupOptions *o, Error **errp)
{
    if (o->source == o->target) {
        error_setg(errp, "Source and target cannot be the same");
        return false;
    }
    if (copies_bitmap(o) && !o->bitmap) {
        error_setg(errp, "sync mode '%s' needs a bitmap",
                   MirrorSyncMode_str(o->sync));
        return false;
    }
    if (o->compress &&
        !BLOCK_NODE_GET_CLASS(o->target)->co_pwritev_compressed) {
        error_setg(errp, "Compression is not supported for this drive %s",
                   o->target->name);
        return false;
    }
    if (block_node_length(o->source) != block_node_length(o->target)) {
        error_setg(errp, "Source has %" PRId64 " bytes, target '%s' %" PRId64,
                   block_node_length(o->source), o->target->name,
                   block_node_length(o->target));
        return false;
    }
    return block_job_check_free(o->source, errp) &&
           block_job_check_free(o->target, errp);
}

/* A bitmap of its own: what is left out is still to be saved before the guest
 * writes there. */
static bool make_left_out(BackupJob *b, BlockNode *source, Error **errp)
{
    if (b->on_source_error == BLOCKDEV_ON_ERROR_IGNORE ||
        b->on_target_error == BLOCKDEV_ON_ERROR_IGNORE) {
        b->left_out =
            dirty_bitmap_new(source, NULL, (uint32_t)cbw_of(b)->cluster, errp);
        if (!b->left_out) {
            return false;
        }
        dirty_bitmap_disable(b->left_out);
    }
    return true;
}

/* Drained: no write is between the filter's moment and the bitmap's. */
static bool attach(BackupJob *b, const BackupOptions *o, Error **errp)
{
    b->filter = insert_filter(o, errp);
    if (!b->filter) {
        return false;
    }
    if (!make_left_out(b, o->source, errp) ||
        (o->bitmap && !dirty_bitmap_split(o->bitmap, errp))) {
        backup_clean(JOB(b));
        return false;
    }
    b->bitmap = o->bitmap;
    cbw_of(b)->progress = &JOB(b)->progress;
    block_progress_add(&JOB(b)->progress,
                       (uint64_t)dirty_bitmap_count(cbw_of(b)->todo));
    return true;
}

BlockJob *backup_job_create(const BackupOptions *o, JobTxn *txn, Error **errp)
{
    BlockJob *bj;
    BackupJob *b;
    bool ok;

    if (!check(o, errp)) {
        return NULL;
    }
    bj = block_job_create(TYPE_BACKUP_JOB, o->id, txn, o->source, o->speed,
                          o->flags, errp);
    if (!bj) {
        return NULL;
    }
    b = BACKUP_JOB(bj);
    b->sync = o->sync;
    b->on_source_error = o->on_source_error;
    b->on_target_error = o->on_target_error;
    b->bitmap_mode = o->bitmap_mode;
    b->workers = o->workers ? o->workers : MAX_WORKERS;
    node_drained_begin(o->source);
    ok = attach(b, o, errp);
    node_drained_end(o->source);
    if (!ok) {
        job_drop(JOB(bj));
        return NULL;
    }
    if (o->compress) {
        cbw_of(b)->copier.write_flags |= BLK_REQ_WRITE_COMPRESSED;
    }
    if (o->sync == MIRROR_SYNC_MODE_NONE) {
        b->on_source_error = BLOCKDEV_ON_ERROR_REPORT;
    }
    block_job_add_node(bj, "filter", b->filter, 0, NODE_PERM_ALL, &error_abort);
    return bj;
}

static void backup_class_init(ObjectClass *oc, void *data)
{
    JobClass *jc = JOB_CLASS(oc);

    jc->type = JOB_TYPE_BACKUP;
    jc->run = backup_run;
    jc->settle = backup_settle;
    jc->commit = backup_commit;
    jc->abort = backup_abort;
    jc->clean = backup_clean;
}

extern const TypeInfo block_type_backup_job;
const TypeInfo block_type_backup_job = {
    .name = TYPE_BACKUP_JOB,
    .parent = TYPE_BLOCK_JOB,
    .instance_size = sizeof(BackupJob),
    .class_init = backup_class_init,
};
