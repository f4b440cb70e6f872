/*
 * Dirty bitmaps of images, for the commands of ferry-img.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_IMG_BITMAPS_H
#define TOOLS_IMG_BITMAPS_H

#include "tool-common.h"

/** img_bitmap_node: the node that has @blk's bitmaps. */
BlockNode *img_bitmap_node(BlockBackend *blk);
/** img_bitmap_merge: Errors: as of block-dirty-bitmap-merge. */
void img_bitmap_merge(BlockNode *node, const char *name, BlockNode *source,
                      const char *source_name, Error **errp);
/**
 * img_bitmaps_check: can the stored bitmaps of @source be copied to @target?
 * @skip_broken: leave those out whose contents are not known
 */
bool img_bitmaps_check(BlockBackend *source, BlockBackend *target,
                       bool skip_broken, Error **errp);
/** img_bitmaps_copy: those that img_bitmaps_check() found. */
bool img_bitmaps_copy(BlockBackend *source, BlockBackend *target, Error **errp);
/** img_bitmaps_measure: bytes that they take in an image with such clusters;
 *  false: @source's format keeps none. */
bool img_bitmaps_measure(BlockBackend *source, uint64_t cluster_bytes,
                         uint64_t *ret_bytes);

#endif
