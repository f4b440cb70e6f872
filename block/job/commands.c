/*
 * The commands that start jobs on disks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/backup.h"
#include "block/job/chain.h"
#include "block/job/mirror.h"
#include "block/job/transaction.h"
#include "qapi/qapi-commands-block-job.h"
#include "util/error.h"

static BlockNode *find_node(const char *name, Error **errp)
{
    BlockNode *node = block_node_find(name);

    if (!node) {
        error_setg(errp, "Cannot find node '%s'", name);
    }
    return node;
}

/* -- backup --------------------------------------------------------------------- */

static DirtyBitmap *bitmap_of(const BlockdevBackup *a, BlockNode *source,
                              Error **errp)
{
    DirtyBitmap *b = dirty_bitmap_find(source, a->bitmap);

    if (!b) {
        error_setg(errp, "Bitmap '%s' could not be found", a->bitmap);
        return NULL;
    }
    return dirty_bitmap_check(b, DIRTY_BITMAP_ANY_CHANGE, errp) ? b : NULL;
}

/* The bitmap says what is copied (sync bitmap, incremental), or only notes what
 * the copy lacks at the end. */
static bool check_bitmap_mode(const BlockdevBackup *a, Error **errp)
{
    const char *sync = MirrorSyncMode_str(a->sync);

    if (!a->bitmap) {
        if (a->has_bitmap_mode) {
            error_setg(errp,
                       "Cannot specify bitmap sync mode without a bitmap");
        }
        return !a->has_bitmap_mode;
    }
    if (a->sync == MIRROR_SYNC_MODE_INCREMENTAL) {
        if (a->has_bitmap_mode &&
            a->bitmap_mode != BITMAP_SYNC_MODE_ON_SUCCESS) {
            error_setg(errp, "Bitmap sync mode must be 'on-success' when using "
                             "sync mode 'incremental'");
            return false;
        }
        return true;
    }
    if (!a->has_bitmap_mode) {
        error_setg(errp,
                   "Bitmap sync mode must be given when providing a bitmap");
        return false;
    }
    if (a->sync == MIRROR_SYNC_MODE_NONE) {
        error_setg(errp,
                   "sync mode 'none' has no end that a bitmap could note");
        return false;
    }
    if (a->bitmap_mode == BITMAP_SYNC_MODE_NEVER &&
        a->sync != MIRROR_SYNC_MODE_BITMAP) {
        error_setg(errp,
                   "Bitmap sync mode 'never' has no effect with sync mode "
                   "'%s'",
                   sync);
        return false;
    }
    return true;
}

BlockJob *backup_from_command(const BlockdevBackup *a, JobTxn *txn,
                              Error **errp)
{
    BackupOptions o = {
        .id = a->job_id,
        .sync = a->sync,
        .speed = a->has_speed ? a->speed : 0,
        .bitmap_mode =
            a->has_bitmap_mode ? a->bitmap_mode : BITMAP_SYNC_MODE_ON_SUCCESS,
        .compress = a->has_compress && a->compress,
        .on_source_error = a->has_on_source_error ? a->on_source_error
                                                  : BLOCKDEV_ON_ERROR_REPORT,
        .on_target_error = a->has_on_target_error ? a->on_target_error
                                                  : BLOCKDEV_ON_ERROR_REPORT,
        .filter_node_name = a->filter_node_name,
        .flags = block_job_flags(a->has_auto_finalize, a->auto_finalize,
                                 a->has_auto_dismiss, a->auto_dismiss),
    };

    o.source = block_find_disk(a->device, errp);
    o.target = o.source ? find_node(a->target, errp) : NULL;
    if (!o.target || !check_bitmap_mode(a, errp) ||
        (a->bitmap && !(o.bitmap = bitmap_of(a, o.source, errp)))) {
        return NULL;
    }
    if (a->x_perf && a->x_perf->has_max_workers) {
        if (a->x_perf->max_workers < 1 || a->x_perf->max_workers > INT_MAX) {
            error_setg(errp, "max-workers must be between 1 and %d", INT_MAX);
            return NULL;
        }
        o.workers = (unsigned)a->x_perf->max_workers;
    }
    return backup_job_create(&o, txn, errp);
}

void qmp_blockdev_backup(BlockdevBackup *arg, Error **errp)
{
    block_job_start(backup_from_command(arg, NULL, errp));
}

/* -- mirror ----------------------------------------------------------------------- */

MirrorOptions mirror_options_of(const MirrorArgumentsBase *a)
{
    return (MirrorOptions){
        .type = TYPE_MIRROR_JOB,
        .id = a->job_id,
        .replaces = a->replaces,
        .sync = a->sync,
        .speed = a->has_speed ? a->speed : 0,
        .granularity = a->has_granularity ? a->granularity : 0,
        .buf_size = a->has_buf_size ? a->buf_size : 0,
        .unmap = true,
        .copy_mode =
            a->has_copy_mode ? a->copy_mode : MIRROR_COPY_MODE_BACKGROUND,
        .on_source_error = a->has_on_source_error ? a->on_source_error
                                                  : BLOCKDEV_ON_ERROR_REPORT,
        .on_target_error = a->has_on_target_error ? a->on_target_error
                                                  : BLOCKDEV_ON_ERROR_REPORT,
        .flags = block_job_flags(a->has_auto_finalize, a->auto_finalize,
                                 a->has_auto_dismiss, a->auto_dismiss),
    };
}

void qmp_blockdev_mirror(BlockdevMirror *a, Error **errp)
{
    MirrorOptions o = mirror_options_of(qapi_BlockdevMirror_base(a));

    o.filter_node_name = a->filter_node_name;
    o.source = block_find_disk(a->device, errp);
    o.target = o.source ? find_node(a->target, errp) : NULL;
    if (o.target) {
        block_job_start(mirror_job_create(&o, errp));
    }
}

/* -- stream and commit ---------------------------------------------------------------- */

/* By node name or by the name of its file; NULL and no error: neither given. */
static bool find_in_chain(BlockNode *root, const char *node_name,
                          const char *file, BlockNode **ret, Error **errp)
{
    *ret = NULL;
    if (node_name && file) {
        error_setg(errp, "'%s' and '%s' cannot be specified at the same time",
                   node_name, file);
        return false;
    }
    if (node_name) {
        *ret = find_node(node_name, errp);
        if (*ret && !node_chain_contains(root, *ret)) {
            error_setg(errp, "Node '%s' is not a backing image of '%s'",
                       node_name, root->name);
            *ret = NULL;
        }
        return *ret != NULL;
    }
    if (!file) {
        return true;
    }
    for (BlockNode *node = node_skip_filters(root); node && !*ret;
         node = node_backing(node)) {
        if (node_is_called(node, file)) {
            *ret = node;
        }
    }
    if (!*ret) {
        error_setg(errp, "Can't find '%s' in the backing chain of '%s'", file,
                   root->name);
    }
    return *ret != NULL;
}

static ChainOptions chain_options_of(const ChainArgumentsBase *a, Error **errp)
{
    return (ChainOptions){
        .id = a->job_id,
        .root = block_find_disk(a->device, errp),
        .backing_file = a->backing_file,
        .speed = a->has_speed ? a->speed : 0,
        .on_error = a->has_on_error ? a->on_error : BLOCKDEV_ON_ERROR_REPORT,
        .filter_node_name = a->filter_node_name,
        .flags = block_job_flags(a->has_auto_finalize, a->auto_finalize,
                                 a->has_auto_dismiss, a->auto_dismiss),
    };
}

void qmp_block_stream(BlockStreamArguments *a, Error **errp)
{
    ChainOptions o = chain_options_of(qapi_BlockStreamArguments_base(a), errp);

    if (!o.root) {
        return;
    }
    o.top = node_skip_filters(o.root);
    if (a->bottom && (a->base || a->base_node)) {
        error_setg(errp, "'bottom' does not go with 'base' or 'base-node'");
        return;
    }
    if (!find_in_chain(o.top, a->bottom ? a->bottom : a->base_node, a->base,
                       &o.base, errp)) {
        return;
    }
    if (a->bottom) {
        o.base = node_backing(o.base);
    }
    if (o.base == o.top) {
        error_setg(errp, "Node '%s' cannot be streamed into itself",
                   o.top->name);
        return;
    }
    block_job_start(stream_job_create(&o, errp));
}

static void commit_active(const ChainOptions *c, Error **errp)
{
    MirrorOptions o = {
        .type = TYPE_ACTIVE_COMMIT_JOB,
        .id = c->id,
        .source = c->root,
        .target = c->base,
        .sync = MIRROR_SYNC_MODE_TOP,
        .speed = c->speed,
        .on_source_error = c->on_error,
        .on_target_error = c->on_error,
        .filter_node_name = c->filter_node_name,
        .flags = c->flags,
    };

    if (chain_check_unshared(c->root, c->base, errp) &&
        block_job_check_free(c->root, errp) &&
        block_job_check_free(c->base, errp) &&
        commit_grow_base(c->root, c->base, errp)) {
        block_job_start(mirror_job_create(&o, errp));
    }
}

static BlockNode *lowest(BlockNode *node)
{
    BlockNode *below;

    for (node = node_skip_filters(node); (below = node_backing(node));
         node = node_skip_filters(below)) {
    }
    return node;
}

void qmp_block_commit(BlockCommitArguments *a, Error **errp)
{
    ChainOptions o = chain_options_of(qapi_BlockCommitArguments_base(a), errp);

    if (!o.root || !find_in_chain(o.root, a->top_node, a->top, &o.top, errp)) {
        return;
    }
    if (!o.top) {
        o.top = node_skip_filters(o.root);
    }
    if (!find_in_chain(o.top, a->base_node, a->base, &o.base, errp)) {
        return;
    }
    if (!o.base) {
        o.base = lowest(o.top);
    }
    if (o.base == o.top) {
        error_setg(errp, "cannot commit an image into itself");
        return;
    }
    if (node_skip_filters(o.root) != o.top) {
        block_job_start(commit_job_create(&o, errp));
    } else if (a->backing_file) {
        error_setg(errp, "'backing-file' specified, but 'top' is the active "
                         "layer");
    } else {
        commit_active(&o, errp);
    }
}
