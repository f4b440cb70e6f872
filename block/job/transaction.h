/*
 * Transactions: several changes of disks at one moment, all or none.
 *
 * Every kind of action is a table of steps. While a transaction runs all nodes
 * are drained, so nothing is written between its actions. A command that does
 * one such thing is a transaction of one action.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_TRANSACTION_H
#define BLOCK_TRANSACTION_H

#include "block/block-internal.h"
#include "block/job/job.h"
#include "qapi/qapi-types-transaction.h"

/* One action of a transaction that runs; a kind extends it. */
typedef struct BlockAction {
    const void *arg; /* the command's arguments; borrowed */
    JobTxn *txn;     /* for jobs; or NULL */
} BlockAction;

/**
 * BlockActionKind:
 * @size: bytes of the kind's struct, which begins with a BlockAction
 * @prepare: do it, so that @abort can undo it. On failure nothing is left to
 *        undo, and @clean is not called
 * @commit, @abort: (optional) it stays; or it is undone
 * @clean: (optional) after either
 */
typedef struct BlockActionKind {
    size_t size;
    bool (*prepare)(BlockAction *action, Error **errp);
    void (*commit)(BlockAction *action);
    void (*abort)(BlockAction *action);
    void (*clean)(BlockAction *action);
} BlockActionKind;

extern const BlockActionKind block_action_abort;
extern const BlockActionKind block_action_bitmap_add;
extern const BlockActionKind block_action_bitmap_remove;
extern const BlockActionKind block_action_bitmap_clear;
extern const BlockActionKind block_action_bitmap_enable;
extern const BlockActionKind block_action_bitmap_disable;
extern const BlockActionKind block_action_bitmap_merge;
extern const BlockActionKind block_action_backup;
extern const BlockActionKind block_action_drive_backup;
extern const BlockActionKind block_action_snapshot;
extern const BlockActionKind block_action_snapshot_sync;
extern const BlockActionKind block_action_snapshot_internal;

/** block_action_run: a transaction of one. Thread: main loop. */
bool block_action_run(const BlockActionKind *kind, const void *arg,
                      Error **errp);

/** block_find_disk: (transfer none) what the device @name has, or the node
 *  of that name. */
BlockNode *block_find_disk(const char *name, Error **errp);

#endif
