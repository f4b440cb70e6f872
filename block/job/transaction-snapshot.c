/*
 * Snapshots of disks: another node above (external), inside the image
 * (internal); alone and in transactions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/create.h"
#include "block/job/backup.h"
#include "block/job/chain.h"
#include "block/job/transaction.h"
#include "block/node-snapshot.h"
#include "qapi/qapi-commands-transaction.h"
#include "qapi/qapi-visit-block.h"
#include "util/error.h"

/* -- external ------------------------------------------------------------------- */

typedef struct SnapshotAction {
    BlockAction common;
    BlockNode *node;    /* (owned) the disk before */
    BlockNode *overlay; /* (owned) */
} SnapshotAction;

static SnapshotAction *of(BlockAction *action)
{
    return container_of(action, SnapshotAction, common);
}

static bool check_overlay(const BlockNode *node, BlockNode *overlay,
                          Error **errp)
{
    const NodeLink *link;

    if (!BLOCK_NODE_GET_CLASS(overlay)->supports_backing) {
        error_setg(errp,
                   "Node '%s' has a format without backing files: nothing "
                   "can be below it",
                   overlay->name);
        return false;
    }
    if (node_backing(overlay)) {
        error_setg(errp, "Node '%s' has a backing file already", overlay->name);
        return false;
    }
    QLIST_FOREACH(link, &overlay->users, of_node) {
        if (link->perm) {
            error_setg(errp, "Node '%s' is in use", overlay->name);
            return false;
        }
    }
    if (block_node_length(overlay) < block_node_length((BlockNode *)node)) {
        error_setg(errp,
                   "Node '%s' has %" PRId64 " bytes, less than the %" PRId64
                   " of '%s'",
                   overlay->name, block_node_length(overlay),
                   block_node_length((BlockNode *)node), node->name);
        return false;
    }
    return true;
}

/* Drained: all users of the disk use the overlay from now on. */
static bool put_above(SnapshotAction *a, Error **errp)
{
    if (!check_overlay(a->node, a->overlay, errp) ||
        !node_set_backing(a->overlay, a->node, errp)) {
        return false;
    }
    if (!node_insert_above(a->node, a->overlay, errp)) {
        node_set_backing(a->overlay, NULL, &error_abort);
        return false;
    }
    return true;
}

static void external_abort(BlockAction *action)
{
    SnapshotAction *a = of(action);

    node_replace(a->overlay, a->node, &error_abort);
    node_set_backing(a->overlay, NULL, &error_abort);
}

static void external_clean(BlockAction *action)
{
    block_node_unref(of(action)->overlay);
    block_node_unref(of(action)->node);
}

static bool external_done(SnapshotAction *a, bool ok)
{
    if (!ok) {
        external_clean(&a->common);
    }
    return ok;
}

static bool snapshot_prepare(BlockAction *action, Error **errp)
{
    const BlockdevSnapshot *arg = action->arg;
    SnapshotAction *a = of(action);

    a->node = block_find_disk(arg->node, errp);
    if (!a->node) {
        return false;
    }
    a->overlay = block_node_find(arg->overlay);
    if (!a->overlay) {
        error_setg(errp, "Cannot find node '%s'", arg->overlay);
        return false;
    }
    if (!block_job_check_free(a->node, errp)) {
        return false;
    }
    block_node_ref(a->node);
    block_node_ref(a->overlay);
    return external_done(a, put_above(a, errp));
}

const BlockActionKind block_action_snapshot = {
    .size = sizeof(SnapshotAction),
    .prepare = snapshot_prepare,
    .abort = external_abort,
    .clean = external_clean,
};

/* -- external, with a file that is made -------------------------------------------- */

static BlockNode *disk_of(const BlockdevSnapshotSync *arg, Error **errp)
{
    if (!arg->device == !arg->node_name) {
        error_setg(errp, "Exactly one of 'device' and 'node-name' must be "
                         "given");
        return NULL;
    }
    return block_find_disk(arg->device ? arg->device : arg->node_name, errp);
}

static bool make_file(const BlockdevSnapshotSync *arg, BlockNode *node,
                      const char *format, Error **errp)
{
    BlockNode *image = node_skip_filters(node);
    g_autofree char *backing = node_filename(image);
    uint64_t size = (uint64_t)block_node_length(node);
    BlockCreateImage img = {
        .filename = arg->snapshot_file,
        .format = format,
        .size = &size,
        .backing_file = backing,
        .backing_format = BLOCK_NODE_GET_CLASS(image)->driver,
        .no_backing_check = true,
    };

    if (arg->has_mode && arg->mode == NEW_IMAGE_MODE_EXISTING) {
        return true;
    }
    return block_create_image(&img, node->ctx, NULL, NULL, errp);
}

static bool snapshot_sync_prepare(BlockAction *action, Error **errp)
{
    const BlockdevSnapshotSync *arg = action->arg;
    const char *format = arg->format ? arg->format : "qcow2";
    SnapshotAction *a = of(action);
    g_autoptr(json_t) opts = json_pack("{s:n}", "backing");

    a->node = disk_of(arg, errp);
    if (!a->node || !block_job_check_free(a->node, errp)) {
        return false;
    }
    block_node_ref(a->node);
    if (!make_file(arg, a->node, format, errp)) {
        return external_done(a, false);
    }
    if (arg->snapshot_node_name) {
        json_object_set_new(opts, "node-name",
                            json_string(arg->snapshot_node_name));
    }
    if (a->node->direct || a->node->no_flush) {
        json_object_set_new(opts, "cache",
                            json_pack("{s:b, s:b}", "direct", a->node->direct,
                                      "no-flush", a->node->no_flush));
    }
    a->overlay = block_open_filename(arg->snapshot_file, format, opts, false, 0,
                                     a->node->ctx, errp);
    return external_done(a, a->overlay && put_above(a, errp));
}

const BlockActionKind block_action_snapshot_sync = {
    .size = sizeof(SnapshotAction),
    .prepare = snapshot_sync_prepare,
    .abort = external_abort,
    .clean = external_clean,
};

/* -- internal ------------------------------------------------------------------------ */

typedef struct InternalAction {
    BlockAction common;
    BlockNode *node;
    SnapshotInfo *info;
} InternalAction;

static BlockNode *node_with_snapshots(const char *device, Error **errp)
{
    BlockNode *node = block_find_disk(device, errp);

    if (!node) {
        return NULL;
    }
    node = node_skip_filters(node);
    if (!BLOCK_NODE_GET_CLASS(node)->co_snapshot_create) {
        error_setg(errp,
                   "Block format '%s' used by device '%s' does not support "
                   "internal snapshots",
                   BLOCK_NODE_GET_CLASS(node)->driver, device);
        return NULL;
    }
    if (node->read_only) {
        error_setg(errp, "Device '%s' is read only", device);
        return NULL;
    }
    return node;
}

static bool internal_prepare(BlockAction *action, Error **errp)
{
    const BlockdevSnapshotInternal *arg = action->arg;
    InternalAction *a = container_of(action, InternalAction, common);
    BlockNode *node = node_with_snapshots(arg->device, errp);
    g_autoptr(SnapshotInfo) same = NULL;
    g_autoptr(SnapshotInfo) info = NULL;

    if (!node) {
        return false;
    }
    if (!*arg->name) {
        error_setg(errp, "Name is empty");
        return false;
    }
    if (!node_snapshot_find(node, NULL, arg->name, &same, errp)) {
        return false;
    }
    if (same) {
        error_setg(errp,
                   "Snapshot with name '%s' already exists on device "
                   "'%s'",
                   arg->name, arg->device);
        return false;
    }
    info = node_snapshot_info_new(arg->name, 0);
    if (!node_snapshot_create(node, info, errp)) {
        return false;
    }
    a->node = node;
    a->info = g_steal_pointer(&info);
    return true;
}

static void internal_abort(BlockAction *action)
{
    InternalAction *a = container_of(action, InternalAction, common);
    Error *err = NULL;

    if (!node_snapshot_delete(a->node, a->info->id, NULL, &err)) {
        error_report_err(err);
    }
}

static void internal_clean(BlockAction *action)
{
    InternalAction *a = container_of(action, InternalAction, common);

    qapi_free_SnapshotInfo(a->info);
}

const BlockActionKind block_action_snapshot_internal = {
    .size = sizeof(InternalAction),
    .prepare = internal_prepare,
    .abort = internal_abort,
    .clean = internal_clean,
};

/* -- backup ----------------------------------------------------------------------------- */

typedef struct BackupAction {
    BlockAction common;
    BlockJob *job;
} BackupAction;

static bool backup_prepare(BlockAction *action, Error **errp)
{
    BackupAction *a = container_of(action, BackupAction, common);

    a->job = backup_from_command(action->arg, action->txn, errp);
    return a->job != NULL;
}

static bool drive_backup_prepare(BlockAction *action, Error **errp)
{
    BackupAction *a = container_of(action, BackupAction, common);

    a->job = backup_from_drive_command(action->arg, action->txn, errp);
    return a->job != NULL;
}

static void backup_commit(BlockAction *action)
{
    job_start(JOB(container_of(action, BackupAction, common)->job));
}

static void backup_abort(BlockAction *action)
{
    job_discard(JOB(container_of(action, BackupAction, common)->job));
}

const BlockActionKind block_action_backup = {
    .size = sizeof(BackupAction),
    .prepare = backup_prepare,
    .commit = backup_commit,
    .abort = backup_abort,
};

const BlockActionKind block_action_drive_backup = {
    .size = sizeof(BackupAction),
    .prepare = drive_backup_prepare,
    .commit = backup_commit,
    .abort = backup_abort,
};

/* -- the commands --------------------------------------------------------------------------- */

void qmp_blockdev_snapshot(BlockdevSnapshot *arg, Error **errp)
{
    block_action_run(&block_action_snapshot, arg, errp);
}

void qmp_blockdev_snapshot_sync(BlockdevSnapshotSync *arg, Error **errp)
{
    block_action_run(&block_action_snapshot_sync, arg, errp);
}

void qmp_blockdev_snapshot_internal_sync(BlockdevSnapshotInternal *arg,
                                         Error **errp)
{
    block_action_run(&block_action_snapshot_internal, arg, errp);
}

SnapshotInfo *qmp_blockdev_snapshot_delete_internal_sync(const char *device,
                                                         const char *id,
                                                         const char *name,
                                                         Error **errp)
{
    BlockNode *node = node_with_snapshots(device, errp);
    g_autoptr(SnapshotInfo) info = NULL;
    bool ok;

    if (!node) {
        return NULL;
    }
    if (!id && !name) {
        error_setg(errp, "Name or id must be provided");
        return NULL;
    }
    if (!node_snapshot_find(node, id, name, &info, errp)) {
        return NULL;
    }
    if (!info) {
        error_setg(errp,
                   "Snapshot with id '%s' and name '%s' does not exist "
                   "on device '%s'",
                   id ? id : "", name ? name : "", device);
        return NULL;
    }
    node_drained_begin(node);
    ok = node_snapshot_delete(node, id, name, errp);
    node_drained_end(node);
    return ok ? g_steal_pointer(&info) : NULL;
}

void qmp_change_backing_file(const char *device, const char *image_node_name,
                             const char *backing_file, Error **errp)
{
    BlockNode *root = block_find_disk(device, errp);
    BlockNode *node = root ? block_node_find(image_node_name) : NULL;

    if (!root) {
        return;
    }
    if (!node || !node_chain_contains(root, node)) {
        error_setg(errp, "Node '%s' is not in the backing chain of '%s'",
                   image_node_name, device);
        return;
    }
    if (!node_backing(node)) {
        error_setg(errp, "Node '%s' has no backing file", image_node_name);
        return;
    }
    chain_name_backing(node, node_backing(node), backing_file, errp);
}
