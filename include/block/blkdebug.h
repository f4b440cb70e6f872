/*
 * Fault injection: what a format tells a blkdebug node below it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_BLKDEBUG_H
#define BLOCK_BLKDEBUG_H

#include "block/block-node.h"
#include "qapi/qapi-types-block-filter.h"

/**
 * blkdebug_event:
 * @node: the format's file
 *
 * The format is about to do what @event says. Rules of the first blkdebug node
 * at or below @node act. Cheap without one. Thread: any.
 */
void blkdebug_event(BlockNode *node, BlkdebugEvent event);

/**
 * blkdebug_break:
 * @node: the first blkdebug node at or below it, along what a file name means,
 *        is meant; the same goes for the functions below
 * @tag: a name for the request
 *
 * The next request that meets @event stops there. Stopped requests are in
 * flight: drains wait for them, and so does the end of the node. Thread: any.
 *
 * Returns: 0; -ENOTSUP: there is no blkdebug node; -ENOSPC: too many breaks.
 */
int blkdebug_break(BlockNode *node, BlkdebugEvent event, const char *tag);
/** blkdebug_resume: the request that has been stopped longest under @tag goes
 *  on. Returns: 0; -ENOTSUP; -ENOENT: there is none. */
int blkdebug_resume(BlockNode *node, const char *tag);
/** blkdebug_remove_break: breaks of @tag (NULL: all) are gone, and requests
 *  that stopped there go on. Returns: 0; -ENOTSUP; -ENOENT: there is none. */
int blkdebug_remove_break(BlockNode *node, const char *tag);
/** blkdebug_is_suspended: is a request stopped under @tag? Tells of it by
 *  aio_wait_kick(). */
bool blkdebug_is_suspended(BlockNode *node, const char *tag);

#endif
