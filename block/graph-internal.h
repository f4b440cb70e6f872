/*
 * The graph, inside graph*.c and node*.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_GRAPH_INTERNAL_H
#define BLOCK_GRAPH_INTERNAL_H

#include "block/block-internal.h"

/** node_root_container: /block-nodes. */
Object *node_root_container(void);
/** node_link_init_child: @link of a node. */
void node_link_init_child(NodeLink *link, BlockNode *parent, const char *name,
                          unsigned role);
bool node_link_is_child(const NodeLink *link);
/** node_link_point: let @link stand at @node (referenced) or NULL, without a
 *  look at permissions; the reference of the old node is the caller's. */
void node_link_point(NodeLink *link, BlockNode *node);
/** node_below: the next node of a chain, filters too. */
BlockNode *node_below(BlockNode *node);
/* Nodes above each other that one description may open: two for each image of
 * the longest chain, and their file. */
#define NODE_DEPTH_MAX 401
/* Links on all ways down from a node. */
#define NODE_LINKS_MAX 4096

/** node_reaches: is @to @from, or anywhere below it? */
bool node_reaches(BlockNode *from, const BlockNode *to);
/** node_child_perm: what @link of @node needs and shares now. */
void node_child_perm(BlockNode *node, const NodeLink *link, unsigned *perm,
                     unsigned *shared);
/** node_detach_children: the node closes, or never was open. */
void node_detach_children(BlockNode *node);

/**
 * NodeOpening: how a node is opened.
 * @keyval: its options are text
 * @ctx: its home
 * @keys: (nullable) where its key is, if it is encrypted
 * @parent: (nullable) node that it is opened for, as a child of @role; it
 *          inherits from it
 * @flags: NodeOpenFlags
 */
typedef struct NodeOpening {
    bool keyval;
    AioContext *ctx;
    struct CryptKeys *keys;
    const BlockNode *parent;
    unsigned role;
    unsigned flags;
} NodeOpening;

/** node_opening_child: of a child of @parent. */
NodeOpening node_opening_child(const BlockNode *parent, bool keyval,
                               unsigned role);
/** node_create: Returns: (transfer full) the open node. */
BlockNode *node_create(const json_t *options, const NodeOpening *how,
                       Error **errp);
/** node_create_probed: the same for options without "driver": by what is in
 *  "file", or in "filename". */
BlockNode *node_create_probed(const json_t *options, const NodeOpening *how,
                              Error **errp);
/** node_class_by_driver: Errors: there is no such driver. */
BlockNodeClass *node_class_by_driver(const char *driver, Error **errp);
/** node_open_backing_named: (transfer full) the image @filename for the COW
 *  child of @parent. */
BlockNode *node_open_backing_named(const BlockNode *parent,
                                   const char *filename, const char *format,
                                   Error **errp);
/** block_node_read_cache: the property "cache" into its parts. */
bool block_node_read_cache(BlockNode *node, Error **errp);
/** node_identity: (transfer full, nullable) equal for nodes that are the same
 *  image. */
char *node_identity(BlockNode *node);
/** node_file_identity: (transfer full, nullable) that of the file @name. */
char *node_file_identity(const char *name);

/* One request more, or less, is in @node. */
static inline void node_enter(BlockNode *node)
{
    qatomic_fetch_inc(&node->in_flight);
}
static inline unsigned node_in_flight(BlockNode *node)
{
    return qatomic_mb_read(&node->in_flight) & ~NODE_WATCHED;
}
void node_leave(BlockNode *node);

#endif
