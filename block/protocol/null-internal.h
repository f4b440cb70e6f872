/*
 * The null drivers' struct.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_NULL_INTERNAL_H
#define BLOCK_NULL_INTERNAL_H

#include "block/block-internal.h"

#define TYPE_BLOCK_NULL TYPE_BLOCK_NODE "-null-co"

OBJECT_DECLARE_SIMPLE_TYPE(BlockNull, BLOCK_NULL)

struct BlockNull {
    BlockNode parent_obj;

    uint64_t size;
    uint64_t latency_ns;
    bool read_zeroes;
};

#endif
