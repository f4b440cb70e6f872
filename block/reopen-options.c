/*
 * The options that a node has now, as blockdev-reopen wants them: all of them,
 * with children by their names. Whoever wants to change one changes it there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "qapi/json.h"
#include "qom/property.h"

json_t *node_reopen_options(BlockNode *node, BlockNode **ret_file)
{
    NodeLink *file =
        node_link_of_role(node, NODE_ROLE_PRIMARY | NODE_ROLE_FILTERED);
    g_autoptr(GPtrArray) table =
        qom_property_table(object_get_class(OBJECT(node)));
    json_t *opts = json_pack("{s:s, s:s}", "driver", node_driver_name(node),
                             "node-name", block_node_name(node));
    NodeLink *link;

    for (guint i = 0; i < table->len; i++) {
        const Property *p = g_ptr_array_index(table, i);
        g_autoptr(json_t) value = NULL;

        if (!(p->flags & PROP_F_READ_ONLY) && !json_object_get(opts, p->name)) {
            value = object_property_get_qobject(OBJECT(node), p->name, NULL);
        }
        if (value && !json_is_null(value)) {
            json_object_set(opts, p->name, value);
        }
    }
    QLIST_FOREACH(link, &node->children, of_owner) {
        json_object_set_new(opts, link->name,
                            json_string(block_node_name(link->node)));
    }
    *ret_file = file ? file->node : NULL;
    return opts;
}
