/*
 * Who may do what with a node.
 *
 * Each user of a node says what it does with it and what it lets others do at
 * the same time. The node sums up; a driver that keeps its data in a file
 * turns the sum into locks, so that other processes take part.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "block-internal.h"

static const char *perm_name(unsigned perm)
{
    if (perm & NODE_PERM_WRITE) {
        return "write";
    }
    if (perm & NODE_PERM_CONSISTENT_READ) {
        return "consistent read";
    }
    return perm & NODE_PERM_RESIZE ? "resize" : "write unchanged";
}

static bool check_others(BlockNode *node, const NodeUser *user, unsigned perm,
                         unsigned shared, Error **errp)
{
    const NodeUser *other;

    QLIST_FOREACH(other, &node->users, next) {
        unsigned clash = (perm & ~other->shared) | (other->perm & ~shared);

        if (other != user && clash) {
            error_setg(errp,
                       "node '%s' is used by %s, which does not go together "
                       "with '%s' by %s",
                       node->name, other->what, perm_name(clash), user->what);
            return false;
        }
    }
    return true;
}

static bool apply(BlockNode *node, const NodeUser *except, unsigned perm,
                  unsigned shared, Error **errp)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);
    const NodeUser *user;

    QLIST_FOREACH(user, &node->users, next) {
        if (user != except) {
            perm |= user->perm;
            shared &= user->shared;
        }
    }
    if (nc->set_perm && (perm != node->perm || shared != node->shared) &&
        !nc->set_perm(node, perm, shared, errp)) {
        return false;
    }
    node->perm = perm;
    node->shared = shared;
    return true;
}

bool block_node_set_user(BlockNode *node, NodeUser *user, unsigned perm,
                         unsigned shared, Error **errp)
{
    if ((perm & NODE_PERM_WRITE) && node->read_only) {
        error_setg(errp, "node '%s' is read-only", node->name);
        return false;
    }
    if (!check_others(node, user, perm, shared, errp) ||
        !apply(node, user, perm, shared, errp)) {
        return false;
    }
    user->perm = perm;
    user->shared = shared;
    return true;
}

bool block_node_use(BlockNode *node, NodeUser *user, unsigned perm,
                    unsigned shared, Error **errp)
{
    if (!block_node_set_user(node, user, perm, shared, errp)) {
        return false;
    }
    QLIST_INSERT_HEAD(&node->users, user, next);
    block_node_ref(node);
    return true;
}

void block_node_unuse(BlockNode *node, NodeUser *user)
{
    if (!QLIST_IS_INSERTED(user, next)) {
        return;
    }
    QLIST_SAFE_REMOVE(user, next);
    apply(node, NULL, 0, NODE_PERM_ALL, NULL); /* less is always allowed */
    block_node_unref(node);
}

bool block_node_is_used(const BlockNode *node)
{
    return !QLIST_EMPTY(&node->users);
}
