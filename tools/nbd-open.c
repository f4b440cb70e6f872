/*
 * ferry-nbd: the image as the options want it.
 *
 *   [raw with an offset] -> [temporary overlay] -> image
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/create.h"
#include "block/node-image.h"
#include "block/node-open.h"
#include "util/error.h"

#include "nbd.h"

/* A node above @node (taken over): @opts has its driver, @key its child. */
static BlockNode *open_above(Tool *tool, BlockNode *node, json_t *opts,
                             const char *key, Error **errp)
{
    BlockNode *above = NULL;

    if (opts) {
        json_object_set_new(opts, key, json_string(block_node_name(node)));
        above = block_open_options(opts, false, 0, tool->ctx, errp);
        json_decref(opts);
    }
    block_node_unref(node);
    return above;
}

/* -s: an overlay in a file that has no name any more. @more: its options. */
static BlockNode *add_overlay(Tool *tool, BlockNode *node, json_t *more,
                              Error **errp)
{
    g_autofree char *path =
        g_build_filename(g_get_tmp_dir(), "ferry-nbd.XXXXXX", NULL);
    uint64_t size = (uint64_t)node_length(node);
    BlockCreateImage img = { .filename = path,
                             .format = "qcow2",
                             .size = &size,
                             .no_backing_check = true };
    int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        error_setg_errno(errp, errno, "cannot make a temporary file '%s'",
                         path);
        block_node_unref(node);
        return NULL;
    }
    fd_close(fd);
    if (!block_create_image(&img, tool->ctx, NULL, NULL, errp)) {
        block_node_unref(node);
        node = NULL;
    } else {
        json_t *opts = json_pack("{s:s,s:{s:s,s:s}}", "driver", "qcow2", "file",
                                 "driver", "file", "filename", path);

        json_object_update(opts, more);
        node = open_above(tool, node, opts, "backing", errp);
    }
    unlink(path);
    return node;
}

/* -o: the image from there on. What to do with discards is said below. */
static BlockNode *add_offset(Tool *tool, BlockNode *node, uint64_t offset,
                             bool writable, Error **errp)
{
    if (offset >= (uint64_t)node_length(node)) {
        error_setg(errp,
                   "Offset (%" PRIu64 ") has to be smaller than the image "
                   "size (%" PRId64 ")",
                   offset, node_length(node));
        block_node_unref(node);
        return NULL;
    }
    return open_above(tool, node,
                      json_pack("{s:s,s:I,s:b,s:s}", "driver", "raw", "offset",
                                (json_int_t)offset, "read-only", !writable,
                                "discard", "unmap"),
                      "file", errp);
}

/* -- the image ------------------------------------------------------------------------- */

static bool set_discard(const NbdArgs *a, bool *ret_unmap, Error **errp)
{
    const char *mode = a->discard ?: "unmap";

    *ret_unmap = g_str_equal(mode, "unmap") || g_str_equal(mode, "on");
    if (!*ret_unmap && !g_str_equal(mode, "ignore") &&
        !g_str_equal(mode, "off")) {
        error_setg(errp, "Invalid discard mode '%s'", mode);
        return false;
    }
    return true;
}

static BlockNode *open_layers(Tool *tool, const NbdArgs *a, BlockNode *node,
                              bool writable, json_t *more, Error **errp)
{
    if (a->load_snapshot && !tool_load_snapshot(node, a->load_snapshot, errp)) {
        block_node_unref(node);
        return NULL;
    }
    if (a->snapshot) {
        node = add_overlay(tool, node, more, errp);
    }
    if (node && a->offset.given && a->offset.value > 0) {
        node = add_offset(tool, node, a->offset.value, writable, errp);
    }
    return node;
}

BlockBackend *nbd_open(Tool *tool, const NbdArgs *a, Error **errp)
{
    bool writable = !a->read_only && !a->load_snapshot;
    ToolImage image = {
        .filename = a->filename,
        .format = a->format,
        .cache = a->nocache ? "none" : a->cache,
        .aio = a->aio,
        .image_opts = a->image_opts,
        .writable = writable && !a->snapshot,
    };
    g_autoptr(json_t) more = json_object();
    BlockBackend *blk;
    BlockNode *node;

    if (a->detect_zeroes) {
        json_object_set_new(more, "detect-zeroes",
                            json_string(a->detect_zeroes));
    }
    image.more = a->snapshot ? NULL : more; /* of the node that is written */
    if (!set_discard(a, &image.discard, errp)) {
        return NULL;
    }
    if (a->snapshot && image.discard) {
        json_object_set_new(more, "discard", json_string("unmap"));
    }
    blk = tool_open(tool, &image, errp);
    if (!blk) {
        return NULL;
    }
    node = blk_node(blk);
    if (a->load_snapshot || a->snapshot || a->offset.given) {
        block_node_ref(node);
        blk_remove(blk);
        node = open_layers(tool, a, node, writable, more, errp);
        if (!node || !blk_insert(blk, node, errp)) {
            block_node_unref(node);
            blk_unref(blk);
            return NULL;
        }
        block_node_unref(node);
    }
    return blk;
}
