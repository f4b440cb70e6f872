/*
 * -drive snapshot=on: what is written goes to a file of its own, and nothing to
 * the image.
 *
 * Thread: the main loop's, outside of coroutines.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_DRIVE_OVERLAY_H
#define BLOCK_DRIVE_OVERLAY_H

#include "block/block-internal.h"

/**
 * block_commit_down:
 * Write what the image @top has into the image below it, and empty @top. The
 * image below is opened for writing meanwhile. Waits until it is done, while
 * users of @top are held back.
 *
 * Errors: nothing is below; jobs; what reading and writing say: then @top has
 *   all that it had.
 */
bool block_commit_down(BlockNode *top, Error **errp);

#endif
