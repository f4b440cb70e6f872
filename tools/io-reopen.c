/*
 * ferry-io reopen: other options for an image that is open.
 *
 * What the options do not name stays as it is: the nodes' properties are asked
 * for, changed, and given to blockdev-reopen, which changes all of them or
 * nothing. Cache and read-only go to what is below the format, too. Read-only
 * or not comes second; where that is refused the properties change back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "block/block-node.h"
#include "qapi/json.h"
#include "qapi/util.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/keyval.h"

#include "io.h"

typedef struct ReopenArgs {
    bool read_only;
    bool writable;
    const char *cache;
    GPtrArray *options;
} ReopenArgs;

#define T ReopenArgs
static const ToolOption reopen_options[] = {
    IO_FLAG(T, 'r', read_only, "for reading only"),
    IO_FLAG(T, 'w', writable, "for writing, too"),
    { 'c', NULL, TOOL_STRING, offsetof(T, cache), "MODE", "cache mode", 0, 0 },
    { 'o', NULL, TOOL_LIST, offsetof(T, options), "OPTIONS",
      "options of the node: cache.direct=on,discard=unmap...", 0, 0 },
    {},
};
#undef T

/* What shall be: JSON of the properties, leaves are text. */
typedef struct Wanted {
    json_t *options;
    bool has_read_only;
    bool read_only;
    bool sets_cache;
    ToolCacheMode cache;
} Wanted;

/* -- what the user says ------------------------------------------------------ */

static bool collect_options(const ReopenArgs *a, Wanted *w, Error **errp)
{
    w->options = json_object();
    for (guint i = 0; a->options && i < a->options->len; i++) {
        g_autoptr(json_t) more =
            keyval_parse(a->options->pdata[i], NULL, NULL, errp);

        if (!more) {
            return false;
        }
        json_object_update(w->options, more);
    }
    return true;
}

static bool collect(const ReopenArgs *a, Wanted *w, Error **errp)
{
    const char *read_only;

    if (a->read_only && a->writable) {
        error_setg(errp, "Only one -r/-w option may be given");
        return false;
    }
    if (!collect_options(a, w, errp) ||
        (a->cache && !tool_cache_mode(a->cache, &w->cache, errp))) {
        return false;
    }
    read_only = json_string_value(json_object_get(w->options, "read-only"));
    w->has_read_only = a->read_only || a->writable || read_only;
    w->read_only = a->read_only;
    w->sets_cache = a->cache;
    if (read_only && (a->read_only || a->writable)) {
        error_setg(errp, "Cannot set both -r/-w and 'read-only'");
        return false;
    }
    if (a->cache && json_object_get(w->options, "cache")) {
        error_setg(errp, "Cannot set both -c and the cache options");
        return false;
    }
    if (read_only &&
        !qapi_bool_parse("read-only", read_only, &w->read_only, errp)) {
        return false;
    }
    json_object_del(w->options, "read-only");
    return true;
}

/* -- what shall be ------------------------------------------------------------ */

/* -o; @below: it is not the node that the user knows. */
static bool apply_options(json_t *opts, const json_t *changes, bool below,
                          Error **errp)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)changes, key, value)
    {
        json_t *now = json_object_get(opts, key);

        if (below && !g_str_equal(key, "cache")) {
            continue;
        }
        if (json_is_object(value)) {
            if (!json_is_object(now)) {
                now = json_object();
                json_object_set_new(opts, key, now);
            }
            if (!apply_options(now, value, false, errp)) {
                return false;
            }
        } else if (json_is_boolean(now) || g_str_equal(key, "direct") ||
                   g_str_equal(key, "no-flush")) {
            bool on;

            if (!qapi_bool_parse(key, json_string_value(value), &on, errp)) {
                return false;
            }
            json_object_set_new(opts, key, json_boolean(on));
        } else {
            json_object_set(opts, key, value);
        }
    }
    return true;
}

/* All nodes from @node down, with the options they have now. */
static json_t *options_now(BlockNode *node)
{
    json_t *list = json_array();

    while (node) {
        json_array_append_new(list, node_reopen_options(node, &node));
    }
    return list;
}

static bool apply(json_t *list, const Wanted *w, Error **errp)
{
    json_t *opts;
    size_t i;

    json_array_foreach(list, i, opts)
    {
        if (w->sets_cache) {
            json_object_set_new(opts, "cache",
                                json_pack("{s:b, s:b}", "direct",
                                          w->cache.direct, "no-flush",
                                          w->cache.no_flush));
        }
        if (!apply_options(opts, w->options, i > 0, errp)) {
            return false;
        }
    }
    return true;
}

/* Permissions are given back before, or asked for after, the change. */
static bool set_writable(Io *io, bool writable, Error **errp)
{
    BlockNode *node = blk_node(io->blk);
    bool was = blk_is_writable(io->blk);

    if (writable) {
        if (!node_set_read_only(node, false, errp)) {
            return false;
        }
        if (!blk_set_perm(io->blk, true, false, errp)) {
            node_set_read_only(node, !was, NULL);
            return false;
        }
        return true;
    }
    if (!blk_set_perm(io->blk, false, false, errp)) {
        return false;
    }
    if (!node_set_read_only(node, true, errp)) {
        blk_set_perm(io->blk, was, false, NULL);
        return false;
    }
    return true;
}

/* All of it or nothing: what has changed before a refusal changes back. */
static bool reopen(Io *io, const Wanted *w, Error **errp)
{
    BlockNode *node = blk_node(io->blk);
    bool changes = w->sets_cache || json_object_size(w->options);
    g_autoptr(json_t) before = options_now(node);
    g_autoptr(json_t) after = json_deep_copy(before);

    if (changes && (!apply(after, w, errp) || !blockdev_reopen(after, errp))) {
        return false;
    }
    if (w->has_read_only && !set_writable(io, !w->read_only, errp)) {
        if (changes) {
            blockdev_reopen(before, NULL);
        }
        return false;
    }
    if (w->sets_cache) {
        blk_set_enable_write_cache(io->blk, w->cache.write_cache);
    }
    return true;
}

static bool run_reopen(Io *io, void *args, int npos, const char **pos)
{
    Wanted w = { 0 };
    Error *err = NULL;
    bool ok = collect(args, &w, &err);

    if (ok) {
        io_end_requests(io);
        ok = reopen(io, &w, &err);
    }
    if (!ok) {
        error_report_err(err);
    }
    json_decref(w.options);
    return ok;
}

const IoCommand io_commands_reopen[] = {
    { .name = "reopen",
      .args = "[(-r|-w)] [-c cache] [-o options]",
      .help = "reopens an image with new options",
      .options = reopen_options,
      .args_size = sizeof(ReopenArgs),
      .run = run_reopen },
    {},
};
