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

#endif
