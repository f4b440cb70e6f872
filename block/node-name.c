/*
 * The name of a node: with it, and its driver as the format, the same contents
 * can be opened again; it is what images note about their backing files.
 *
 * A plain name, or a URI, says where the bytes are, and the format what they
 * are. Where more is needed, a part of a file, a key, another backing file than
 * the image notes, two formats above each other, the name is "json:" with the
 * options. Values of secrets are never in it: options have their ids.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/graph-internal.h"
#include "util/error.h"

/* The node below that has the same contents: of filters, and of raw images
 * that are all of their file. */
static BlockNode *below_format(BlockNode *node)
{
    return node_skip_filters(
        node_child_of_role(node, NODE_ROLE_PRIMARY | NODE_ROLE_FILTERED));
}

/* -- options that matter -------------------------------------------------------- */

static const Property *find_property(BlockNode *node, const char *name)
{
    ObjectProperty *p = object_property_find(OBJECT(node), name);

    return p ? p->table : NULL;
}

/* Adds what is not as it is by default. */
static void add_own(json_t *opts, BlockNode *node)
{
    const char *const *name = BLOCK_NODE_GET_CLASS(node)->name_props;

    for (; name && *name; name++) {
        const Property *p = find_property(node, *name);
        g_autoptr(json_t) value =
            object_property_get_qobject(OBJECT(node), *name, NULL);
        g_autoptr(json_t) def = p ? property_default_json(p) : NULL;
        bool is_zero = json_is_integer(value) && json_integer_value(value) == 0;
        bool is_empty =
            json_is_string(value) && *json_string_value(value) == '\0';

        if (!value || json_is_null(value) ||
            (def ? json_equal(value, def) : is_zero || is_empty)) {
            continue;
        }
        json_object_set(opts, *name, value);
    }
}

/* The child with the header of an image that has it elsewhere, or NULL. */
static NodeLink *header_link(BlockNode *node)
{
    NodeLink *link;

    QLIST_FOREACH(link, &node->children, of_owner) {
        if (link->role == NODE_ROLE_METADATA) {
            return link;
        }
    }
    return NULL;
}

static bool has_own(BlockNode *node)
{
    g_autoptr(json_t) opts = json_object();

    add_own(opts, node);
    return json_object_size(opts) > 0 || header_link(node);
}

static bool same_image(BlockNode *node, const char *name)
{
    g_autofree char *own = node_filename(node);
    g_autofree char *identity = NULL;
    g_autofree char *other = NULL;

    if (!name || g_str_equal(own, name)) {
        return name != NULL;
    }
    if (g_str_has_prefix(own, "json:")) {
        return false;
    }
    identity = node_identity(node);
    other = node_file_identity(name);
    return identity && other && g_str_equal(identity, other);
}

/* Has it another backing file than it says? */
static bool backing_is_other(BlockNode *node)
{
    BlockNode *backing = node_backing(node);
    g_autofree char *noted = NULL;

    if (!BLOCK_NODE_GET_CLASS(node)->supports_backing ||
        (node->open_flags & NODE_OPEN_NO_BACKING)) {
        return false;
    }
    if (!backing || !node->backing_file) {
        return !!backing != !!node->backing_file;
    }
    noted = node_backing_path(node);
    return !same_image(node_skip_filters(backing), noted);
}

/* -- as text ----------------------------------------------------------------------- */

/* (transfer full, nullable) where the bytes are, if that says all. */
static char *plain_name(BlockNode *node)
{
    BlockNodeClass *nc;

    node = node_skip_filters(node);
    nc = BLOCK_NODE_GET_CLASS(node);
    if (nc->is_format) {
        if (has_own(node) || backing_is_other(node)) {
            return NULL;
        }
        node = below_format(node);
        while (node && g_str_equal(BLOCK_NODE_GET_CLASS(node)->driver, "raw") &&
               !has_own(node)) {
            node = below_format(node);
        }
        nc = node ? BLOCK_NODE_GET_CLASS(node) : NULL;
    }
    return nc && !nc->is_format && nc->filename && !has_own(node)
               ? nc->filename(node)
               : NULL;
}

/* What is relative is so to the directory of whoever opens the name. */
static void make_absolute(json_t *opts)
{
    const char *name = json_string_value(json_object_get(opts, "filename"));

    if (name && *name != '/') {
        g_autofree char *path = g_canonicalize_filename(name, NULL);

        json_object_set_new(opts, "filename", json_string(path));
    }
}

/* (transfer full) options with which @node can be opened again. */
static json_t *name_options(BlockNode *node)
{
    json_t *opts = json_object();
    BlockNodeClass *nc;
    BlockNode *file;
    BlockNode *backing;
    NodeLink *header;

    node = node_skip_filters(node);
    nc = BLOCK_NODE_GET_CLASS(node);
    file = node_child_of_role(node, NODE_ROLE_PRIMARY);
    json_object_set_new(opts, "driver", json_string(nc->driver));
    add_own(opts, node);
    if (nc->name_options) {
        nc->name_options(node, opts);
    } else if (!file) {
        json_object_set_new(opts, "filename",
                            object_property_get_qobject(OBJECT(node),
                                                        "filename", NULL));
    }
    make_absolute(opts);
    if (file) {
        json_object_set_new(opts, "file", name_options(file));
    }
    header = header_link(node);
    if (header) {
        json_object_set_new(opts, header->name, name_options(header->node));
    }
    if (backing_is_other(node)) {
        backing = node_backing(node);
        json_object_set_new(opts, "backing",
                            backing ? name_options(backing) : json_null());
    }
    return opts;
}

char *node_filename(BlockNode *node)
{
    char *name = plain_name(node);
    g_autoptr(json_t) opts = NULL;
    g_autofree char *text = NULL;

    if (name) {
        return name;
    }
    opts = name_options(node);
    text = json_dumps(opts, JSON_COMPACT | JSON_ENCODE_ANY);
    return text ? g_strconcat("json:", text, NULL) : g_strdup("");
}

char *node_path(BlockNode *node)
{
    BlockNode *lowest = node_lowest(node_skip_filters(node));
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(lowest);

    return nc->filename ? nc->filename(lowest) : g_strdup("");
}

bool node_is_called(BlockNode *node, const char *name)
{
    g_autofree char *full = node_filename(node);
    g_autofree char *path = node_path(node);

    return g_str_equal(full, name) || g_str_equal(path, name);
}
