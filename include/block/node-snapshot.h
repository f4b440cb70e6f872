/*
 * Snapshots inside of a node's image, one operation at a time.
 *
 * Thread: the main loop's, outside of coroutines. The node stands drained where
 * somebody else may write to it meanwhile; that is the caller's matter.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_NODE_SNAPSHOT_H
#define BLOCK_NODE_SNAPSHOT_H

#include "qapi/qapi-types-block.h"
#include "util/error.h"

typedef struct BlockNode BlockNode;

/** node_can_snapshot: can all but node_snapshot_load() be done with it? */
bool node_can_snapshot(BlockNode *node);

/** node_snapshot_list: (transfer full) in the image's order; NULL = none, or
 * an error. A driver without snapshots has none. */
SnapshotInfoList *node_snapshot_list(BlockNode *node, Error **errp);

/**
 * node_snapshot_find:
 * @id: (nullable) what the image numbered it
 * @name: (nullable) what its maker called it
 * @ret: (out) (transfer full) the first of which both are true; NULL: none
 *
 * Returns: false with an error where the image's list cannot be had.
 */
bool node_snapshot_find(BlockNode *node, const char *id, const char *name,
                        SnapshotInfo **ret, Error **errp);

/** node_snapshot_find_any: the same, the one whose id is @text, else whose name
 * is: what a user may have meant. */
bool node_snapshot_find_any(BlockNode *node, const char *text,
                            SnapshotInfo **ret, Error **errp);

/**
 * node_snapshot_info_new:
 * @name: of the new snapshot
 * @date_us: its date, microseconds of the epoch; 0 = now
 *
 * Returns: (transfer full) what node_snapshot_create() takes.
 */
SnapshotInfo *node_snapshot_info_new(const char *name, int64_t date_us);

/**
 * node_snapshot_create:
 * @info: (inout) gets the id that the image chose
 *
 * Everything written before is in the snapshot and on the disk.
 */
bool node_snapshot_create(BlockNode *node, SnapshotInfo *info, Error **errp);

/** node_snapshot_goto: the disk is what it was in snapshot @id. */
bool node_snapshot_goto(BlockNode *node, const char *id, Error **errp);

/** node_snapshot_delete: by @id or @name; NULL = any. */
bool node_snapshot_delete(BlockNode *node, const char *id, const char *name,
                          Error **errp);

/**
 * node_snapshot_load: what is read from now on is snapshot @id's.
 *
 * The image itself does not change. Errors: the driver cannot.
 */
bool node_snapshot_load(BlockNode *node, const char *id, Error **errp);

#endif
