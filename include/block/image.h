/*
 * What an image is, for tools and QMP.
 *
 * Thread: the main loop's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_IMAGE_H
#define BLOCK_IMAGE_H

#include "block/block-node.h"
#include "qapi/qapi-types-block.h"

/**
 * block_image_info:
 * @node: a format or protocol, filters below it are passed over
 * @chain: with backing files that are open, as backing-image
 *
 * Returns: (transfer full) qapi_free_ImageInfo().
 * Errors: the image's snapshots or format cannot be read.
 */
ImageInfo *block_image_info(BlockNode *node, bool chain, Error **errp);

#endif
