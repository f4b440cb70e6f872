/*
 * Transactions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/transaction.h"

#include "qapi/qapi-commands-transaction.h"
#include "util/error.h"

/* Longest transaction. */
#define ACTIONS_MAX 4096

typedef struct Step {
    const BlockActionKind *kind;
    BlockAction *action;
} Step;

static const BlockActionKind *const kinds[TRANSACTION_ACTION_KIND__MAX] = {
    [TRANSACTION_ACTION_KIND_ABORT] = &block_action_abort,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ADD] = &block_action_bitmap_add,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_REMOVE] =
        &block_action_bitmap_remove,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_CLEAR] =
        &block_action_bitmap_clear,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ENABLE] =
        &block_action_bitmap_enable,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_DISABLE] =
        &block_action_bitmap_disable,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_MERGE] =
        &block_action_bitmap_merge,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_BACKUP] = &block_action_backup,
    [TRANSACTION_ACTION_KIND_DRIVE_BACKUP] = &block_action_drive_backup,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT] = &block_action_snapshot,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_INTERNAL_SYNC] =
        &block_action_snapshot_internal,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_SYNC] =
        &block_action_snapshot_sync,
};

static const void *arg_of(const TransactionAction *a)
{
    switch (a->type) {
    case TRANSACTION_ACTION_KIND_ABORT:
        return a->u.abort.data;
    case TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ADD:
        return a->u.block_dirty_bitmap_add.data;
    case TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_REMOVE:
        return a->u.block_dirty_bitmap_remove.data;
    case TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_CLEAR:
        return a->u.block_dirty_bitmap_clear.data;
    case TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ENABLE:
        return a->u.block_dirty_bitmap_enable.data;
    case TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_DISABLE:
        return a->u.block_dirty_bitmap_disable.data;
    case TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_MERGE:
        return a->u.block_dirty_bitmap_merge.data;
    case TRANSACTION_ACTION_KIND_BLOCKDEV_BACKUP:
        return a->u.blockdev_backup.data;
    case TRANSACTION_ACTION_KIND_DRIVE_BACKUP:
        return a->u.drive_backup.data;
    case TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT:
        return a->u.blockdev_snapshot.data;
    case TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_INTERNAL_SYNC:
        return a->u.blockdev_snapshot_internal_sync.data;
    case TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_SYNC:
        return a->u.blockdev_snapshot_sync.data;
    case TRANSACTION_ACTION_KIND__MAX:
        break;
    }
    g_assert_not_reached();
}

/* -- running ------------------------------------------------------------------- */

static bool prepare_all(GArray *steps, guint *ret_prepared, Error **errp)
{
    for (guint i = 0; i < steps->len; i++) {
        Step *s = &g_array_index(steps, Step, i);

        if (!s->kind->prepare(s->action, errp)) {
            *ret_prepared = i;
            return false;
        }
    }
    *ret_prepared = steps->len;
    return true;
}

static void commit_all(GArray *steps)
{
    for (guint i = 0; i < steps->len; i++) {
        Step *s = &g_array_index(steps, Step, i);

        if (s->kind->commit) {
            s->kind->commit(s->action);
        }
    }
}

/* The last first: each finds things as it left them. */
static void abort_all(GArray *steps, guint prepared)
{
    for (guint i = prepared; i-- > 0;) {
        Step *s = &g_array_index(steps, Step, i);

        if (s->kind->abort) {
            s->kind->abort(s->action);
        }
    }
}

static bool run(GArray *steps, Error **errp)
{
    GPtrArray *drained;
    guint prepared;
    bool ok;

    drained = node_drained_all_begin();
    ok = prepare_all(steps, &prepared, errp);
    if (ok) {
        commit_all(steps);
    } else {
        abort_all(steps, prepared);
    }
    node_drained_all_end(drained);
    for (guint i = 0; i < prepared; i++) {
        Step *s = &g_array_index(steps, Step, i);

        if (s->kind->clean) {
            s->kind->clean(s->action);
        }
    }
    return ok;
}

static void add_step(GArray *steps, const BlockActionKind *kind,
                     const void *arg, JobTxn *txn)
{
    Step s = { kind, g_malloc0(kind->size) };

    s.action->arg = arg;
    s.action->txn = txn;
    g_array_append_val(steps, s);
}

static void free_step(gpointer p)
{
    g_free(((Step *)p)->action);
}

static GArray *new_steps(void)
{
    GArray *steps = g_array_new(FALSE, FALSE, sizeof(Step));

    g_array_set_clear_func(steps, free_step);
    return steps;
}

bool block_action_run(const BlockActionKind *kind, const void *arg,
                      Error **errp)
{
    g_autoptr(GArray) steps = new_steps();

    add_step(steps, kind, arg, NULL);
    return run(steps, errp);
}

void qmp_transaction(TransactionActionList *actions,
                     TransactionProperties *properties, Error **errp)
{
    g_autoptr(GArray) steps = new_steps();
    g_autoptr(JobTxn) txn = NULL;

    if (properties && properties->has_completion_mode &&
        properties->completion_mode == ACTION_COMPLETION_MODE_GROUPED) {
        txn = job_txn_new();
    }
    for (; actions; actions = actions->next) {
        if (steps->len == ACTIONS_MAX) {
            error_setg(errp, "A transaction has at most %d actions",
                       ACTIONS_MAX);
            return;
        }
        add_step(steps, kinds[actions->value->type], arg_of(actions->value),
                 txn);
    }
    run(steps, errp);
}

/* -- "abort" -------------------------------------------------------------------------- */

static bool abort_prepare(BlockAction *action, Error **errp)
{
    error_setg(errp, "Transaction aborted using Abort action");
    return false;
}

const BlockActionKind block_action_abort = {
    .size = sizeof(BlockAction),
    .prepare = abort_prepare,
};

/* -- what the actions share ------------------------------------------------------------ */

BlockNode *block_find_disk(const char *name, Error **errp)
{
    BlockBackend *blk = blk_by_name(name);

    if (!blk) {
        BlockNode *node = block_node_find(name);

        if (!node) {
            error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                      "Cannot find device='%s' nor node-name='%s'", name, name);
        }
        return node;
    }
    if (!blk_node(blk)) {
        error_setg(errp, "Device '%s' has no medium", name);
    }
    return blk_node(blk);
}
