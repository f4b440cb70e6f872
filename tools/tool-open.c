/*
 * Opening images as the tools' command lines name them.
 *
 * An image is a file name, whose format is looked for unless it was given, or
 * with --image-opts the options of a node. On top come the cache mode and
 * whether it is written. Each gets a BlockBackend of its own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-image.h"
#include "block/node-open.h"
#include "qapi/json.h"
#include "util/error.h"
#include "util/keyval.h"

#include "tool-common.h"

typedef struct CacheMode {
    const char *name;
    ToolCacheMode mode;
} CacheMode;

static const CacheMode cache_modes[] = {
    { "writeback", { false, false, true } },
    { "none", { true, false, true } },
    { "off", { true, false, true } },
    { "unsafe", { false, true, true } },
    { "writethrough", { false, false, false } },
    { "directsync", { true, false, false } },
};

static const CacheMode *find_cache_mode(const char *name, Error **errp)
{
    if (!name) {
        return &cache_modes[0];
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cache_modes); i++) {
        if (g_str_equal(cache_modes[i].name, name)) {
            return &cache_modes[i];
        }
    }
    error_setg(errp, "Invalid cache option: %s", name);
    return NULL;
}

bool tool_cache_mode(const char *name, ToolCacheMode *ret, Error **errp)
{
    const CacheMode *mode = find_cache_mode(name, errp);

    if (mode) {
        *ret = mode->mode;
    }
    return mode != NULL;
}

/* Leaves are JSON values, or text. */
static void set_bool(json_t *opts, const char *key, bool value, bool keyval)
{
    if (!json_object_get(opts, key)) {
        json_object_set_new(opts, key,
                            keyval ? json_string(value ? "on" : "off")
                                   : json_boolean(value));
    }
}

static void add_options(json_t *opts, const ToolImage *image,
                        const CacheMode *mode, bool keyval)
{
    json_t *cache = json_object_get(opts, "cache");

    if (!cache) {
        cache = json_object();
        json_object_set_new(opts, "cache", cache);
    }
    if (json_is_object(cache)) {
        set_bool(cache, "direct", mode->mode.direct, keyval);
        set_bool(cache, "no-flush", mode->mode.no_flush, keyval);
    }
    set_bool(opts, "read-only", !image->writable || image->temporary, keyval);
    if (image->force_share) {
        set_bool(opts, "force-share", true, keyval);
    }
    if (image->discard && !json_object_get(opts, "discard")) {
        json_object_set_new(opts, "discard", json_string("unmap"));
    }
}

static BlockNode *open_image_opts(Tool *tool, const ToolImage *image,
                                  const CacheMode *mode, Error **errp)
{
    g_autoptr(json_t) opts = NULL;
    bool keyval = image->filename[0] != '{';

    if (image->format) {
        error_setg(errp, "--image-opts and --format are mutually exclusive");
        return NULL;
    }
    opts = keyval ? keyval_parse(image->filename, NULL, NULL, errp)
                  : qobject_from_json(image->filename, errp);
    if (!opts) {
        return NULL;
    }
    if (!json_is_object(opts)) {
        error_setg(errp, "--image-opts needs an object");
        return NULL;
    }
    if (image->more) {
        json_object_update(opts, (json_t *)image->more);
    }
    add_options(opts, image, mode, keyval);
    return block_open_options(opts, keyval, image->flags, tool->ctx, errp);
}

/* The option belongs to the file, not to the format. */
static BlockNode *open_with_aio(Tool *tool, const ToolImage *image,
                                json_t *opts, Error **errp)
{
    json_t *file = block_filename_options(image->filename, errp);

    if (!file) {
        return NULL;
    }
    json_object_set_new(file, "aio", json_string(image->aio));
    json_object_set_new(opts, "file", file);
    if (image->format) {
        json_object_set_new(opts, "driver", json_string(image->format));
    }
    return block_open_options(opts, false, image->flags, tool->ctx, errp);
}

static BlockNode *open_node(Tool *tool, const ToolImage *image,
                            const CacheMode *mode, Error **errp)
{
    g_autoptr(json_t) opts = NULL;

    if (image->image_opts) {
        return open_image_opts(tool, image, mode, errp);
    }
    opts = json_object();
    if (image->more) {
        json_object_update(opts, (json_t *)image->more);
    }
    add_options(opts, image, mode, false);
    if (image->aio) {
        return open_with_aio(tool, image, opts, errp);
    }
    return block_open_filename(image->filename, image->format, opts, false,
                               image->flags, tool->ctx, errp);
}

/* Takes over @base. */
static BlockNode *put_copy_on_read(Tool *tool, const ToolImage *image,
                                   BlockNode *base, Error **errp)
{
    g_autoptr(json_t) opts =
        json_pack("{s:s, s:s, s:b}", "driver", "copy-on-read", "file",
                  block_node_name(base), "read-only", !image->writable);
    BlockNode *node = block_open_options(opts, false, 0, tool->ctx, errp);

    block_node_unref(base);
    return node;
}

BlockBackend *tool_open(Tool *tool, const ToolImage *image, Error **errp)
{
    const CacheMode *mode = find_cache_mode(image->cache, errp);
    g_autoptr(BlockBackend) blk = NULL;
    BlockNode *node;
    bool ok;

    if (!mode) {
        return NULL;
    }
    node = open_node(tool, image, mode, errp);
    if (node && image->temporary) {
        BlockNode *base = node;

        node = block_temp_overlay(base, tool->ctx, errp);
        block_node_unref(base);
    }
    if (node && image->copy_on_read) {
        node = put_copy_on_read(tool, image, node, errp);
    }
    if (!node) {
        error_prepend(errp, "Could not open '%s': ", image->filename);
        return NULL;
    }
    blk = blk_new(tool->ctx);
    ok = blk_insert(blk, node, errp);
    block_node_unref(node);
    if (!ok || !blk_set_perm(blk, image->writable, false, errp)) {
        error_prepend(errp, "Could not open '%s': ", image->filename);
        return NULL;
    }
    blk_set_enable_write_cache(blk, mode->mode.write_cache);
    return g_steal_pointer(&blk);
}

const char *tool_format_name(BlockBackend *blk)
{
    return node_driver_name(node_skip_filters(blk_node(blk)));
}
