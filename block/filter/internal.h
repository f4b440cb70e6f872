/*
 * What filters need to go on to the class above them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_FILTER_INTERNAL_H
#define BLOCK_FILTER_INTERNAL_H

#include "block/block-internal.h"

/** filter_base: TYPE_BLOCK_FILTER's functions: filter_base()->open(). */
static inline BlockNodeClass *filter_base(void)
{
    return BLOCK_NODE_CLASS(object_class_by_name(TYPE_BLOCK_FILTER));
}

/** filter_child: the node below. */
static inline BlockNode *filter_child(BlockNode *node)
{
    return BLOCK_FILTER(node)->file.node;
}

#endif
