/*
 * The graph: links between users and nodes, and silence in parts of it.
 *
 * To drain a node is to quiesce it, and everything above it, and to wait until
 * no request is left there. Each link from above is told once when its node
 * falls silent, and once when it may go on; a node above passes that on to its
 * own users, and a backend or job at the top stops sending. Requests that are
 * under way go on through the nodes below, which stay awake; but whatever
 * there waits for time (a limit of bandwidth, a lost server) is hurried.
 *
 * Both are counters, so drained sections nest and cross, and a link that is
 * attached or moved meanwhile gets what its new node has.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "block/graph-internal.h"
#include "util/aio-wait.h"
#include "util/error.h"
#include "util/main-loop.h"

/* -- silence --------------------------------------------------------------------- */

void node_hurry(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    NodeLink *link;

    if (node->hurried++ > 0) {
        return;
    }
    if (nc->drain_begin && node->is_open) {
        nc->drain_begin(node);
    }
    QLIST_FOREACH(link, &node->children, of_owner) {
        node_hurry(link->node);
    }
}

void node_unhurry(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    NodeLink *link;

    assert(node->hurried > 0);
    if (--node->hurried > 0) {
        return;
    }
    QLIST_FOREACH(link, &node->children, of_owner) {
        node_unhurry(link->node);
    }
    if (nc->drain_end && node->is_open) {
        nc->drain_end(node);
    }
}

static void link_drained_begin(NodeLink *link)
{
    if (link->ops->drained_begin) {
        link->ops->drained_begin(link);
    }
}

static void link_drained_end(NodeLink *link)
{
    if (link->ops->drained_end) {
        link->ops->drained_end(link);
    }
}

void node_quiesce(BlockNode *node)
{
    NodeLink *link;

    if (qatomic_fetch_inc(&node->quiesced) > 0) {
        return;
    }
    qatomic_fetch_or(&node->in_flight, NODE_WATCHED);
    node_hurry(node);
    QLIST_FOREACH(link, &node->users, of_node) {
        link_drained_begin(link);
    }
}

void node_unquiesce(BlockNode *node)
{
    NodeLink *link, *next;

    if (qatomic_fetch_dec(&node->quiesced) > 1) {
        return;
    }
    qatomic_fetch_and(&node->in_flight, ~NODE_WATCHED);
    node_unhurry(node);
    QLIST_FOREACH_SAFE(link, &node->users, of_node, next) {
        link_drained_end(link);
    }
}

bool node_is_busy(BlockNode *node)
{
    NodeLink *link;

    if (node_in_flight(node) > 0) {
        return true;
    }
    QLIST_FOREACH(link, &node->users, of_node) {
        if (link->ops->drained_busy && link->ops->drained_busy(link)) {
            return true;
        }
    }
    return false;
}

void node_drained_begin(BlockNode *node)
{
    assert(qemu_in_main_thread() && !qemu_in_coroutine());
    node_quiesce(node);
    AIO_WAIT_WHILE_UNLOCKED(NULL, node_is_busy(node));
}

void node_drained_end(BlockNode *node)
{
    node_unquiesce(node);
}

typedef struct ForEach {
    bool (*cb)(BlockNode *node, void *opaque);
    void *opaque;
} ForEach;

static int foreach_cb(Object *obj, void *opaque)
{
    ForEach *f = opaque;

    return BLOCK_NODE(obj)->is_open && !f->cb(BLOCK_NODE(obj), f->opaque);
}

void node_foreach(bool (*cb)(BlockNode *node, void *opaque), void *opaque)
{
    ForEach f = { cb, opaque };

    object_child_foreach(node_root_container(), foreach_cb, &f);
}

static bool quiesce_cb(BlockNode *node, void *opaque)
{
    node_quiesce(node);
    block_node_ref(node);
    g_ptr_array_add(opaque, node);
    return true;
}

static bool busy_cb(BlockNode *node, void *opaque)
{
    *(bool *)opaque = node_is_busy(node);
    return !*(bool *)opaque;
}

static bool any_busy(void)
{
    bool busy = false;

    node_foreach(busy_cb, &busy);
    return busy;
}

GPtrArray *node_drained_all_begin(void)
{
    GPtrArray *nodes = g_ptr_array_new();

    assert(qemu_in_main_thread() && !qemu_in_coroutine());
    node_foreach(quiesce_cb, nodes);
    AIO_WAIT_WHILE_UNLOCKED(NULL, any_busy());
    return nodes;
}

void node_drained_all_end(GPtrArray *nodes)
{
    for (guint i = 0; i < nodes->len; i++) {
        node_unquiesce(nodes->pdata[i]);
        block_node_unref(nodes->pdata[i]);
    }
    g_ptr_array_unref(nodes);
}

/* -- links ------------------------------------------------------------------------- */

static char *child_describe(const NodeLink *link)
{
    BlockNode *owner = link->owner;

    return g_strdup_printf("node '%s' (as '%s' child)", owner->name,
                           link->name);
}

static void child_drained_begin(NodeLink *link)
{
    node_quiesce(link->owner);
}

static bool child_drained_busy(NodeLink *link)
{
    return node_is_busy(link->owner);
}

static void child_drained_end(NodeLink *link)
{
    node_unquiesce(link->owner);
}

static void child_resized(NodeLink *link)
{
    BlockNode *owner = link->owner;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(owner);

    if (nc->child_resized && owner->is_open) {
        nc->child_resized(owner, link);
    }
}

static const NodeLinkOps child_ops = {
    .describe = child_describe,
    .drained_begin = child_drained_begin,
    .drained_busy = child_drained_busy,
    .drained_end = child_drained_end,
    .resized = child_resized,
};

void node_link_init(NodeLink *link, const NodeLinkOps *ops, void *owner,
                    const char *name)
{
    *link = (NodeLink){ .ops = ops, .owner = owner, .name = name };
}

void node_link_init_child(NodeLink *link, BlockNode *parent, const char *name,
                          unsigned role)
{
    node_link_init(link, &child_ops, parent, name);
    link->role = role;
}

bool node_link_is_child(const NodeLink *link)
{
    return link->ops == &child_ops;
}

static void link_enter(NodeLink *link, BlockNode *node)
{
    QLIST_INSERT_HEAD(&node->users, link, of_node);
    if (!node_link_is_child(link)) {
        return;
    }
    if (!QLIST_IS_INSERTED(link, of_owner)) {
        BlockNode *owner = link->owner;

        QLIST_INSERT_HEAD(&owner->children, link, of_owner);
    }
    if (((BlockNode *)link->owner)->hurried) {
        node_hurry(node);
    }
}

static void link_leave(NodeLink *link, BlockNode *node, bool for_good)
{
    QLIST_SAFE_REMOVE(link, of_node);
    if (!node_link_is_child(link)) {
        return;
    }
    if (for_good) {
        QLIST_SAFE_REMOVE(link, of_owner);
    }
    if (((BlockNode *)link->owner)->hurried) {
        node_unhurry(node);
    }
}

static void link_set_node(NodeLink *link, BlockNode *node)
{
    if (link->lock) {
        qemu_mutex_lock(link->lock);
    }
    qatomic_store_release(&link->node, node);
    if (link->lock) {
        qemu_mutex_unlock(link->lock);
    }
}

/*
 * The link's reference moves with it. Where both nodes are silent the user
 * never hears that it might go on.
 */
void node_link_point(NodeLink *link, BlockNode *node)
{
    BlockNode *old = link->node;

    if (node && qatomic_read(&node->quiesced)) {
        link_drained_begin(link);
    }
    if (old) {
        link_leave(link, old, !node);
    }
    if (node) {
        block_node_ref(node);
        link_enter(link, node);
    }
    link_set_node(link, node);
    if (old && qatomic_read(&old->quiesced)) {
        link_drained_end(link);
    }
}

/* -- walking --------------------------------------------------------------------------- */

NodeLink *node_link_of_role(BlockNode *node, unsigned role)
{
    NodeLink *link;

    QLIST_FOREACH(link, &node->children, of_owner) {
        if (link->role & role) {
            return link;
        }
    }
    return NULL;
}

BlockNode *node_child_of_role(BlockNode *node, unsigned role)
{
    NodeLink *link = node_link_of_role(node, role);

    return link ? link->node : NULL;
}

BlockNode *node_skip_filters(BlockNode *node)
{
    while (node && BLOCK_NODE_GET_CLASS(node)->is_filter) {
        BlockNode *below = node_child_of_role(node, NODE_ROLE_FILTERED);

        if (!below) {
            break;
        }
        node = below;
    }
    return node;
}

BlockNode *node_backing(BlockNode *node)
{
    node = node_skip_filters(node);
    return node ? node_skip_filters(node_child_of_role(node, NODE_ROLE_COW))
                : NULL;
}

/* The next node of a chain, filters too. */
BlockNode *node_below(BlockNode *node)
{
    return node_child_of_role(node, NODE_ROLE_COW | NODE_ROLE_FILTERED);
}

bool node_chain_contains(BlockNode *top, BlockNode *base)
{
    while (top && top != base) {
        top = node_below(top);
    }
    return top != NULL;
}

bool node_reaches(BlockNode *from, const BlockNode *to)
{
    NodeLink *link;

    if (from == to) {
        return true;
    }
    QLIST_FOREACH(link, &from->children, of_owner) {
        if (node_reaches(link->node, to)) {
            return true;
        }
    }
    return false;
}

/* -- length ------------------------------------------------------------------------------ */

static void tell_resized(void *opaque)
{
    BlockNode *node = opaque;
    NodeLink *link, *next;

    QLIST_FOREACH_SAFE(link, &node->users, of_node, next) {
        if (link->ops->resized) {
            link->ops->resized(link);
        }
    }
    qatomic_dec(&node->resizing);
    aio_wait_kick();
    object_unref(node);
}

void block_node_set_length(BlockNode *node, int64_t bytes)
{
    if (__atomic_exchange_n(&node->length, bytes, __ATOMIC_ACQ_REL) == bytes ||
        !node->is_open) {
        return;
    }
    if (dirty_bitmaps_any(node)) {
        dirty_bitmaps_resize(node, bytes);
    }
    object_ref(node);
    qatomic_inc(&node->resizing);
    if (qemu_in_main_thread() && !qemu_in_coroutine()) {
        tell_resized(node);
    } else {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), tell_resized, node);
    }
}
