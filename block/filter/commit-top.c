/*
 * The filter above an image that is being committed, while the job is there:
 * for users who want to see a node of a name of theirs. It changes nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/internal.h"

static void top_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "commit_top";
    nc->help = "above an image that is being committed";
    nc->is_internal = true;
}

extern const TypeInfo block_type_commit_top;
const TypeInfo block_type_commit_top = {
    .name = TYPE_BLOCK_NODE "-commit_top",
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockFilter),
    .class_init = top_class_init,
};
