/*
 * Whose turn it is to use images: while a guest moves, they belong to one of
 * two processes at a time.
 *
 * An inactive node keeps its image open, but holds no lock in it, has nothing
 * that is not on disk, and does not write. It becomes inactive from above to
 * below, as what is above still writes to what is below; and active from below
 * to above: locks first, and then drivers read again what the other process
 * may have changed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/graph-internal.h"
#include "trace/trace-block.h"
#include "util/error.h"

/* -- order ------------------------------------------------------------------------ */

typedef struct NodeOrder {
    GPtrArray *nodes; /* each above those that it uses */
    GHashTable *seen;
} NodeOrder;

static void order_add(NodeOrder *o, BlockNode *node)
{
    NodeLink *link;

    if (!g_hash_table_add(o->seen, node)) {
        return;
    }
    QLIST_FOREACH(link, &node->children, of_owner) {
        order_add(o, link->node);
    }
    g_ptr_array_insert(o->nodes, 0, node);
}

static bool order_cb(BlockNode *node, void *opaque)
{
    order_add(opaque, node);
    return true;
}

/* @node and what it uses; NULL: all there are. */
static GPtrArray *nodes_in_order(BlockNode *node)
{
    NodeOrder o = { g_ptr_array_new(), g_hash_table_new(NULL, NULL) };

    if (node) {
        order_add(&o, node);
    } else {
        node_foreach(order_cb, &o);
    }
    g_hash_table_destroy(o.seen);
    return o.nodes;
}

/* -- drivers --------------------------------------------------------------------------- */

typedef struct ActiveCall {
    BlockNode *node;
    Error **errp;
} ActiveCall;

static int coroutine_fn inactivate_entry(void *opaque)
{
    ActiveCall *c = opaque;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(c->node);
    int ret;

    if (nc->co_inactivate) {
        ret = nc->co_inactivate(c->node, c->errp);
        if (ret < 0) {
            return ret;
        }
    }
    ret = node_co_flush(c->node);
    if (ret < 0) {
        error_setg_errno(c->errp, -ret, "node '%s' could not be written out",
                         c->node->name);
    }
    return ret;
}

static int coroutine_fn activate_entry(void *opaque)
{
    ActiveCall *c = opaque;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(c->node);

    return nc->co_activate ? nc->co_activate(c->node, c->errp) : 0;
}

static void set_inactive(GPtrArray *list, bool inactive)
{
    for (guint i = 0; i < list->len; i++) {
        BlockNode *node = g_ptr_array_index(list, i);

        if (node->inactive != inactive) {
            trace_block_node_inactive(node->name, inactive);
            node->inactive = inactive;
        }
    }
}

static bool refresh(GPtrArray *list, Error **errp)
{
    for (guint i = 0; i < list->len; i++) {
        if (!node_refresh_perm(g_ptr_array_index(list, i), errp)) {
            return false;
        }
    }
    return true;
}

/* -- all, or one with what it uses --------------------------------------------------------- */

/* Those of @list that are (not) inactive. */
static GPtrArray *filter(GPtrArray *list, bool inactive)
{
    GPtrArray *some = g_ptr_array_new();

    for (guint i = 0; i < list->len; i++) {
        BlockNode *node = g_ptr_array_index(list, i);

        if (node->inactive == inactive) {
            g_ptr_array_add(some, node);
        }
    }
    return some;
}

/* @err is what happened then, after what @errp says. */
static void add_error(Error **errp, Error *err)
{
    error_prepend(errp, "%s; before that: ", error_get_pretty(err));
    error_free(err);
}

/*
 * Those of @list from @first on, which were activated, are given back. Where
 * that fails, this node and those below it stay ours, with their locks: what
 * the driver has in memory must not meet what another process wrote.
 */
static void give_back(GPtrArray *list, guint first, Error **errp)
{
    for (guint i = first; i < list->len; i++) {
        Error *err = NULL;
        ActiveCall c = { g_ptr_array_index(list, i), &err };

        if (node_run_co(NULL, inactivate_entry, &c) < 0) {
            ActiveCall again = { c.node, NULL };

            add_error(errp, err);
            /* Before a flush that failed the driver may have given it up. */
            node_run_co(NULL, activate_entry, &again);
            g_ptr_array_set_size(list, (gint)i);
        }
    }
    set_inactive(list, true);
    refresh(list, NULL); /* less is always allowed */
}

static bool activate_list(GPtrArray *list, Error **errp)
{
    ERRP_GUARD();

    set_inactive(list, false);
    if (!refresh(list, errp)) {
        give_back(list, list->len, errp);
        return false;
    }
    for (guint i = list->len; i-- > 0;) {
        ActiveCall c = { g_ptr_array_index(list, i), errp };

        if (node_run_co(NULL, activate_entry, &c) < 0) {
            give_back(list, i + 1, errp);
            return false;
        }
    }
    return true;
}

/* After a failure. If this fails as well, the nodes are inactive, consistently
 * so, and may be activated later. */
static void take_back(GPtrArray *list, Error **errp)
{
    Error *err = NULL;

    if (!activate_list(list, &err)) {
        add_error(errp, err);
    }
}

bool node_inactivate_all(Error **errp)
{
    ERRP_GUARD();
    g_autoptr(GPtrArray) all = nodes_in_order(NULL);
    g_autoptr(GPtrArray) list = filter(all, false);

    for (guint i = 0; i < list->len; i++) {
        ActiveCall c = { g_ptr_array_index(list, i), errp };

        if (node_run_co(NULL, inactivate_entry, &c) < 0) {
            /* This one, too: its driver may have given it up before the flush
             * failed. */
            g_ptr_array_set_size(list, (gint)i + 1);
            take_back(list, errp);
            return false;
        }
    }
    set_inactive(list, true);
    refresh(list, NULL);
    return true;
}

bool node_activate_all(Error **errp)
{
    g_autoptr(GPtrArray) all = nodes_in_order(NULL);
    g_autoptr(GPtrArray) list = filter(all, true);

    return activate_list(list, errp);
}

bool node_activate(BlockNode *node, Error **errp)
{
    g_autoptr(GPtrArray) all = nodes_in_order(node);
    g_autoptr(GPtrArray) list = filter(all, true);

    return activate_list(list, errp);
}
