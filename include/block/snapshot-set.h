/*
 * Snapshots of several disks at one moment, inside their images, with the
 * state of the machine in one of them.
 *
 * A SnapshotSet holds the images for as long as it is there: none is closed or
 * resized. Thread: the main loop's, outside of coroutines, unless it says
 * otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_SNAPSHOT_SET_H
#define BLOCK_SNAPSHOT_SET_H

#include "qapi/qapi-builtin-types.h"
#include "qapi/qapi-types-block.h"
#include "util/error.h"

typedef struct BlockNode BlockNode;
typedef struct QIOChannel QIOChannel;
typedef struct SnapshotSet SnapshotSet;

/* Longest state of a machine in an image. */
#define SNAPSHOT_STATE_MAX (INT64_C(1) << 44)

/**
 * snapshot_set_new:
 * @devices: (nullable) names of nodes or drives; NULL: all disks that are
 *           written
 * @vmstate: (nullable) the one of them that holds the machine's state; NULL:
 *           the first that can
 *
 * Errors: no such node; one that is written, or named, and cannot have
 *   snapshots; none can.
 */
SnapshotSet *snapshot_set_new(const strList *devices, const char *vmstate,
                              Error **errp);
/** snapshot_set_free: NULL is allowed. */
void snapshot_set_free(SnapshotSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SnapshotSet, snapshot_set_free)

/** snapshot_set_vmstate: borrowed; where the machine's state is. */
BlockNode *snapshot_set_vmstate(SnapshotSet *set);

/** snapshot_set_absent: Errors: one of the images has snapshot @tag. */
bool snapshot_set_absent(SnapshotSet *set, const char *tag, Error **errp);

/**
 * snapshot_set_loadable:
 * @ret_bytes: (out) length of the machine's state
 * @ret_clock_ns: (out) the guest's clock, as it was noted
 *
 * Can all images go back to @tag? Errors: one does not have it; it has no
 * machine's state; an image is used in a way that cannot go on after that.
 */
bool snapshot_set_loadable(SnapshotSet *set, const char *tag,
                           int64_t *ret_bytes, uint64_t *ret_clock_ns,
                           Error **errp);

/**
 * snapshot_set_create:
 * @state_bytes: length of what was written to vmstate_channel_new()
 * @clock_ns: the guest's clock
 * @replace: older snapshots of that name go when this one is there
 *
 * All images or none get snapshot @tag. The guest stands.
 */
bool snapshot_set_create(SnapshotSet *set, const char *tag, int64_t state_bytes,
                         uint64_t clock_ns, bool replace, Error **errp);

/**
 * snapshot_set_goto:
 * @ret_changed: (out) an image, at least, is no longer what it was
 *
 * After snapshot_set_loadable(). The guest stands.
 */
bool snapshot_set_goto(SnapshotSet *set, const char *tag, bool *ret_changed,
                       Error **errp);

/** snapshot_set_delete: from all images that have it. Errors: none has. */
bool snapshot_set_delete(SnapshotSet *set, const char *tag, Error **errp);

/** snapshot_set_forget: a machine's state that is in no snapshot (it was written,
 *  or is left of the one gone back to) takes no space any more. */
void snapshot_set_forget(SnapshotSet *set);

/** snapshot_set_describe: (transfer full) text of "info snapshots"; NULL. */
char *snapshot_set_describe(SnapshotSet *set, Error **errp);

/**
 * vmstate_channel_new:
 * @bytes: length of the state that is read; -1: one is written
 *
 * A blocking channel over the machine's state in @node, in large pieces: a
 * piece is written, or read ahead, while the caller is at the next.
 *
 * Thread: made anywhere, used by one thread, which is not the main loop's; the
 * main loop runs meanwhile. qio_channel_close() says whether all was written.
 */
QIOChannel *vmstate_channel_new(BlockNode *node, int64_t bytes);
/** vmstate_channel_length: bytes written so far. */
int64_t vmstate_channel_length(QIOChannel *ioc);

#endif
