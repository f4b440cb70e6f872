/*
 * Who may do what with a node.
 *
 * Each link says what its user does with the node and what it lets others do
 * at the same time. A node sums up; what it needs from its own children
 * follows from that sum and from what each child is to it. At the bottom a
 * driver that keeps its data in a file turns the sum into locks, so that other
 * processes take part.
 *
 * A change is a transaction: links are moved and permissions set along the
 * graph, from above to below; then the whole is looked at, and drivers take
 * their locks; whatever fails, all is put back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/graph-internal.h"
#include "util/error.h"

const char *node_perm_name(unsigned perm)
{
    if (perm & NODE_PERM_WRITE) {
        return "write";
    }
    if (perm & NODE_PERM_CONSISTENT_READ) {
        return "consistent read";
    }
    return perm & NODE_PERM_RESIZE ? "resize" : "write unchanged";
}

/* -- what a child needs --------------------------------------------------------- */

/* Below a copy-on-write image: read, and not changed by anyone. */
static void cow_perm(unsigned *perm, unsigned *shared)
{
    unsigned may_change =
        *shared & NODE_PERM_WRITE ? NODE_PERM_WRITE | NODE_PERM_RESIZE : 0;

    *perm &= NODE_PERM_CONSISTENT_READ;
    *shared =
        NODE_PERM_CONSISTENT_READ | NODE_PERM_WRITE_UNCHANGED | may_change;
}

static void storage_perm(BlockNode *node, unsigned role, unsigned *perm,
                         unsigned *shared)
{
    if (!(role & NODE_ROLE_METADATA)) {
        /* Data alone: a write there may make the file longer. */
        if ((*perm & NODE_PERM_WRITE) &&
            BLOCK_NODE_GET_CLASS(node)->supports_backing) {
            *perm |= NODE_PERM_RESIZE;
        }
        return;
    }
    /* Tables are read and written whatever users do. */
    *perm |= NODE_PERM_CONSISTENT_READ;
    *shared &= ~(unsigned)(NODE_PERM_WRITE | NODE_PERM_RESIZE);
    if (!node->read_only) {
        *perm |= NODE_PERM_WRITE | NODE_PERM_RESIZE;
    }
    if (node->open_flags & NODE_OPEN_NO_IO) {
        *perm &= NODE_PERM_CONSISTENT_READ;
        *shared = NODE_PERM_ALL;
    }
}

void node_child_perm(BlockNode *node, const NodeLink *link, unsigned *perm,
                     unsigned *shared)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    *perm = node->perm;
    *shared = node->shared;
    if (nc->child_perm) {
        nc->child_perm(node, link, node->perm, node->shared, perm, shared);
    } else if (link->role & NODE_ROLE_COW) {
        cow_perm(perm, shared);
    } else if (!(link->role & NODE_ROLE_FILTERED)) {
        storage_perm(node, link->role, perm, shared);
    }
    if (node->force_share) {
        *shared = NODE_PERM_ALL;
    }
    if (node->inactive) {
        *perm = 0;
        *shared = NODE_PERM_ALL;
    }
}

/* -- transactions ------------------------------------------------------------------- */

/* One thing that was changed, as it was before. */
typedef struct GraphUndo {
    NodeLink *link; /* or NULL: of @node */
    BlockNode *node;
    unsigned perm;
    unsigned shared;
    bool moved;  /* @link was at @node */
    bool driver; /* the driver of @node knows of the change */
} GraphUndo;

typedef struct GraphTxn {
    GArray *undo;     /* of GraphUndo */
    GPtrArray *nodes; /* concerned, each above those that it uses */
    GHashTable *seen;
} GraphTxn;

static void txn_init(GraphTxn *t)
{
    t->undo = g_array_new(false, false, sizeof(GraphUndo));
    t->nodes = g_ptr_array_new();
    t->seen = g_hash_table_new(NULL, NULL);
}

static void txn_clear(GraphTxn *t)
{
    g_array_free(t->undo, true);
    g_ptr_array_free(t->nodes, true);
    g_hash_table_destroy(t->seen);
}

static void txn_set_link(GraphTxn *t, NodeLink *link, unsigned perm,
                         unsigned shared)
{
    GraphUndo u = { .link = link, .perm = link->perm, .shared = link->shared };

    g_array_append_val(t->undo, u);
    link->perm = perm;
    link->shared = shared;
}

/* The old node's reference is dropped, or put back, at the end. */
static void txn_move_link(GraphTxn *t, NodeLink *link, BlockNode *node)
{
    GraphUndo u = { .link = link, .node = link->node, .moved = true };

    g_array_append_val(t->undo, u);
    node_link_point(link, node);
}

static void txn_collect(GraphTxn *t, BlockNode *node)
{
    NodeLink *link;

    if (!node || !g_hash_table_add(t->seen, node)) {
        return;
    }
    QLIST_FOREACH(link, &node->children, of_owner) {
        txn_collect(t, link->node);
    }
    g_ptr_array_insert(t->nodes, 0, node);
}

static void refresh_node(GraphTxn *t, BlockNode *node)
{
    GraphUndo u = { .node = node, .perm = node->perm, .shared = node->shared };
    NodeLink *link;

    g_array_append_val(t->undo, u);
    node->perm = 0;
    node->shared = NODE_PERM_ALL;
    QLIST_FOREACH(link, &node->users, of_node) {
        node->perm |= link->perm;
        node->shared &= link->shared;
    }
    QLIST_FOREACH(link, &node->children, of_owner) {
        unsigned perm, shared;

        node_child_perm(node, link, &perm, &shared);
        txn_set_link(t, link, perm, shared);
    }
}

static bool check_pair(const BlockNode *node, const NodeLink *a,
                       const NodeLink *b, Error **errp)
{
    unsigned clash = a->perm & ~b->shared;
    g_autofree char *user = NULL;
    g_autofree char *other = NULL;

    if (!clash) {
        return true;
    }
    user = a->ops->describe(a);
    other = b->ops->describe(b);
    error_setg(errp,
               "node '%s' is used by %s, which does not go together with '%s' "
               "by %s",
               node->name, other, node_perm_name(clash), user);
    return false;
}

static bool check_node(const BlockNode *node, Error **errp)
{
    const NodeLink *a, *b;

    if ((node->perm & NODE_PERM_WRITE) && node->read_only) {
        error_setg(errp, "node '%s' is read-only", node->name);
        return false;
    }
    if (!(node->perm & ~node->shared)) {
        return true; /* nobody minds anybody */
    }
    QLIST_FOREACH(a, &node->users, of_node) {
        QLIST_FOREACH(b, &node->users, of_node) {
            if (a != b && !check_pair(node, a, b, errp)) {
                return false;
            }
        }
    }
    return true;
}

/* All that follows from the changes so far. */
static bool txn_apply(GraphTxn *t, Error **errp)
{
    guint first = t->undo->len;

    for (guint i = 0; i < t->nodes->len; i++) {
        refresh_node(t, g_ptr_array_index(t->nodes, i));
    }
    for (guint i = 0; i < t->nodes->len; i++) {
        if (!check_node(g_ptr_array_index(t->nodes, i), errp)) {
            return false;
        }
    }
    for (guint i = first; i < t->undo->len; i++) {
        GraphUndo *u = &g_array_index(t->undo, GraphUndo, i);
        BlockNode *node = u->node;
        BlockNodeClass *nc;

        if (u->link || (u->perm == node->perm && u->shared == node->shared)) {
            continue;
        }
        nc = BLOCK_NODE_GET_CLASS(node);
        if (nc->set_perm &&
            !nc->set_perm(node, node->perm, node->shared, errp)) {
            return false;
        }
        u->driver = nc->set_perm != NULL;
    }
    return true;
}

static void txn_rollback(GraphTxn *t)
{
    for (guint i = t->undo->len; i-- > 0;) {
        GraphUndo *u = &g_array_index(t->undo, GraphUndo, i);

        if (u->moved) {
            BlockNode *new_node = u->link->node;

            node_link_point(u->link, u->node);
            block_node_unref(u->node); /* the reference that we kept */
            block_node_unref(new_node);
        } else if (u->link) {
            u->link->perm = u->perm;
            u->link->shared = u->shared;
        } else {
            u->node->perm = u->perm;
            u->node->shared = u->shared;
            if (u->driver) {
                BLOCK_NODE_GET_CLASS(u->node)->set_perm(u->node, u->perm,
                                                        u->shared, NULL);
            }
        }
    }
}

static void txn_commit(GraphTxn *t)
{
    for (guint i = 0; i < t->undo->len; i++) {
        GraphUndo *u = &g_array_index(t->undo, GraphUndo, i);

        if (u->moved) {
            block_node_unref(u->node);
        }
    }
}

static bool txn_finish(GraphTxn *t, Error **errp)
{
    bool ok = txn_apply(t, errp);

    if (ok) {
        txn_commit(t);
    } else {
        txn_rollback(t);
    }
    txn_clear(t);
    return ok;
}

/* -- links ------------------------------------------------------------------------------ */

bool node_link_attach(NodeLink *link, BlockNode *node, unsigned perm,
                      unsigned shared, Error **errp)
{
    GraphTxn t;

    assert(!link->node);
    txn_init(&t);
    txn_move_link(&t, link, node);
    txn_set_link(&t, link, perm, shared);
    txn_collect(&t, node);
    return txn_finish(&t, errp);
}

void node_link_detach(NodeLink *link)
{
    BlockNode *node = link->node;
    GraphTxn t;

    if (!node) {
        return;
    }
    node_link_point(link, NULL);
    link->perm = 0;
    link->shared = NODE_PERM_ALL;
    txn_init(&t);
    txn_collect(&t, node);
    /* Less is always allowed. */
    txn_finish(&t, NULL);
    block_node_unref(node);
}

void node_detach_children(BlockNode *node)
{
    NodeLink *link;

    while ((link = QLIST_FIRST(&node->children))) {
        node_link_detach(link);
    }
}

bool node_link_set_perm(NodeLink *link, unsigned perm, unsigned shared,
                        Error **errp)
{
    GraphTxn t;

    if (!link->node || (link->perm == perm && link->shared == shared)) {
        link->perm = perm;
        link->shared = shared;
        return true;
    }
    txn_init(&t);
    txn_set_link(&t, link, perm, shared);
    txn_collect(&t, link->node);
    return txn_finish(&t, errp);
}

bool node_refresh_perm(BlockNode *node, Error **errp)
{
    GraphTxn t;

    txn_init(&t);
    txn_collect(&t, node);
    return txn_finish(&t, errp);
}

static bool check_move(const NodeLink *link, BlockNode *node, Error **errp)
{
    g_autofree char *user = link->ops->describe(link);

    if (link->frozen) {
        error_setg(errp, "a job relies on the link from %s to node '%s'", user,
                   link->node->name);
        return false;
    }
    if (node_link_is_child(link) && node_reaches(node, link->owner)) {
        error_setg(errp, "node '%s' cannot be below %s: it uses that node",
                   node->name, user);
        return false;
    }
    return true;
}

bool node_link_replace(NodeLink *link, BlockNode *node, Error **errp)
{
    GraphTxn t;

    if (link->node == node) {
        return true;
    }
    if (!check_move(link, node, errp)) {
        return false;
    }
    txn_init(&t);
    txn_collect(&t, link->node);
    txn_move_link(&t, link, node);
    if (node_link_is_child(link)) {
        /* What it needs follows from its owner. */
        txn_collect(&t, link->owner);
    }
    txn_collect(&t, node);
    return txn_finish(&t, errp);
}

/* Users of @node that do not lie below @other. */
static bool move_users(GraphTxn *t, BlockNode *node, BlockNode *other,
                       Error **errp)
{
    NodeLink *link, *next;

    QLIST_FOREACH_SAFE(link, &node->users, of_node, next) {
        if (node_link_is_child(link) && node_reaches(other, link->owner)) {
            continue;
        }
        if (!check_move(link, other, errp)) {
            return false;
        }
        txn_move_link(t, link, other);
    }
    return true;
}

bool node_replace(BlockNode *node, BlockNode *other, Error **errp)
{
    GraphTxn t;
    bool ok;

    if (node == other) {
        return true;
    }
    block_node_ref(node);
    block_node_ref(other);
    node_drained_begin(node);
    node_drained_begin(other);
    txn_init(&t);
    ok = move_users(&t, node, other, errp);
    txn_collect(&t, node);
    txn_collect(&t, other);
    if (ok) {
        ok = txn_finish(&t, errp);
    } else {
        txn_rollback(&t);
        txn_clear(&t);
    }
    node_drained_end(other);
    node_drained_end(node);
    block_node_unref(other);
    block_node_unref(node);
    return ok;
}

bool node_insert_above(BlockNode *node, BlockNode *filter, Error **errp)
{
    return node_replace(node, filter, errp);
}

bool node_set_backing(BlockNode *node, BlockNode *backing, Error **errp)
{
    NodeLink *link = node_link_of_role(node, NODE_ROLE_COW);

    if (!backing) {
        if (link && link->frozen) {
            error_setg(errp, "a job relies on the backing of node '%s'",
                       node->name);
            return false;
        }
        if (link) {
            node_link_detach(link);
        }
        return true;
    }
    if (link) {
        return node_link_replace(link, backing, errp);
    }
    if (!node->backing_link) {
        error_setg(errp, "driver '%s' of node '%s' has no backing files",
                   BLOCK_NODE_GET_CLASS(node)->driver, node->name);
        return false;
    }
    return block_node_link_child(node, node->backing_link, backing, "backing",
                                 NODE_ROLE_COW, errp);
}
