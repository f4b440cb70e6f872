/*
 * Nodes of the block layer as programs make and find them: blockdev-add.
 *
 * Thread: the main loop's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_BLOCK_NODE_H
#define BLOCK_BLOCK_NODE_H

#include <jansson.h>

#include "qapi/introspect.h"
#include "qom/object.h"
#include "util/aio.h"
#include "util/coroutine.h"

#define TYPE_BLOCK_NODE "blockdev"

OBJECT_DECLARE_TYPE(BlockNode, BlockNodeClass, BLOCK_NODE)

/* Longest node-name. */
#define BLOCK_NODE_NAME_MAX 31

/**
 * block_node_new:
 * @opts: (in) "driver", optional "node-name", and the driver's properties
 * @keyval: leaves are text, as from a command line
 * @ctx: where its requests run
 *
 * Open an image.
 *
 * Returns: (transfer full) the node; NULL.
 * Errors: no such driver; node-name; properties; whatever open says.
 */
BlockNode *block_node_new(const json_t *opts, bool keyval, AioContext *ctx,
                          Error **errp);

/** block_node_ref: another reference, for block_node_unref(). */
void block_node_ref(BlockNode *node);
/** block_node_unref: give back what block_node_new() gave; the last one
 *  closes the image. Accepts NULL. */
void block_node_unref(BlockNode *node);

/** block_node_find: (transfer none) the node named @name, or NULL. */
BlockNode *block_node_find(const char *name);
/** block_node_name: borrowed. */
const char *block_node_name(const BlockNode *node);

/** block_node_io_in_flight: requests that files, devices and servers below
 *  @node work at. The graph must not change. Thread: any. */
unsigned block_node_io_in_flight(BlockNode *node);

/** node_run_co: run @entry(@opaque) as a coroutine in @ctx and wait for its
 *  result. */
int node_run_co(AioContext *ctx, int coroutine_fn (*entry)(void *opaque),
                void *opaque);

/** blockdev_add: block_node_new() with a name, kept until blockdev_del(). */
bool blockdev_add(const json_t *opts, bool keyval, AioContext *ctx,
                  Error **errp);
/** blockdev_add_str: -blockdev's text: keyval or JSON. */
bool blockdev_add_str(const char *text, AioContext *ctx, Error **errp);
/** blockdev_reopen: @list: (in) array of options as for blockdev_add(), each of
 *  a node that there is. Errors: an option that cannot change. */
bool blockdev_reopen(const json_t *list, Error **errp);
/** node_reopen_options: (transfer full) what blockdev_reopen() takes to leave
 *  @node as it is. *@ret_file: (transfer none) the node that it is stored in,
 *  or NULL. */
json_t *node_reopen_options(BlockNode *node, BlockNode **ret_file);
/** blockdev_del: Errors: no such node; in use; not from blockdev-add. */
bool blockdev_del(const char *name, Error **errp);
/** blockdevs_cleanup: drop all that blockdev_add() made. */
void blockdevs_cleanup(void);

/** blockdev_help: (transfer full) text of -blockdev help, or of
 *  -blockdev driver=@driver,help. Errors: no such driver. */
char *blockdev_help(const char *driver, Error **errp);
/** blockdev_fill_open_union: branches of BlockdevOptions. */
void blockdev_fill_open_union(QapiOpenUnion *u);

#endif
