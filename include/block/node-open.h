/*
 * Opening images by name.
 *
 * Thread: the main loop's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_NODE_OPEN_H
#define BLOCK_NODE_OPEN_H

#include "block/block-node.h"

/* Longest chain of images, so that a hostile one ends. */
#define NODE_CHAIN_MAX 200
/* Longest name of an image, and of a format, that an image may hold. */
#define NODE_FILENAME_MAX    4095
#define NODE_FORMAT_NAME_MAX 31

typedef enum NodeOpenFlags {
    NODE_OPEN_NO_BACKING = 1 << 0, /* the format's backing file stays closed */
    NODE_OPEN_NO_IO = 1 << 1,      /* header only (info without a secret) */
    NODE_OPEN_CHECK = 1 << 2,      /* accept what check can repair */
    NODE_OPEN_PROBED = 1 << 3,     /* nobody said that it is raw */
    NODE_OPEN_INTERNAL = 1 << 4,   /* may be of a driver that is_internal */
} NodeOpenFlags;

/**
 * block_filename_options:
 * @filename: "disk.img", "file:disk.img", "nbd://host/export", "json:{...}"
 *
 * Returns: (transfer full) options of the node that the name means, with
 *   "driver" unless it is json: without one; NULL.
 */
json_t *block_filename_options(const char *filename, Error **errp);

/**
 * block_open_filename:
 * @format: (nullable) driver; NULL: by the first bytes
 * @opts: (nullable) further options of the node: "read-only", "cache" ...
 * @keyval: leaves of @opts are text
 * @open_flags: NodeOpenFlags
 *
 * Returns: (transfer full) the node; NULL.
 * Errors: no such file or driver; properties; whatever open says.
 */
BlockNode *block_open_filename(const char *filename, const char *format,
                               const json_t *opts, bool keyval,
                               unsigned open_flags, AioContext *ctx,
                               Error **errp);
/** block_open_options: the same with "file" in @opts; "driver" may be left
 *  out. */
BlockNode *block_open_options(const json_t *opts, bool keyval,
                              unsigned open_flags, AioContext *ctx,
                              Error **errp);

/**
 * block_resolve_filename:
 * @image: name of the image in which @name stands
 *
 * Returns: (transfer full) @name as it can be opened; NULL if it is relative to
 *   something that has no folder.
 */
char *block_resolve_filename(const char *image, const char *name, Error **errp);

/**
 * block_temp_overlay:
 * @base: (in) read-only; the overlay takes a reference
 *
 * A qcow2 image above @base, in a file in $TMPDIR (/var/tmp) that has no name
 * any more when it returns. Thread: outside of coroutines.
 *
 * Returns: (transfer full) the node; NULL.
 */
BlockNode *block_temp_overlay(BlockNode *base, AioContext *ctx, Error **errp);

#endif
