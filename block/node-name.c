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
#include "qapi/json.h"
#include "util/cutils.h"
#include "util/error.h"

/* What a node is called. */
typedef struct NodeNames {
    char *plain;     /* where the bytes are, if that says all; or NULL */
    json_t *options; /* with which the same can be opened again */
} NodeNames;

static void node_names_clear(NodeNames *names)
{
    g_free(names->plain);
    json_decref(names->options);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NodeNames, node_names_clear)

/* To be cleared. Each node below is looked at once: what it is called decides
 * what those above it are. */
static NodeNames names_of(BlockNode *node);

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

/* Is the image @node, called @names, what opens by the name @noted? */
static bool same_image(BlockNode *node, const NodeNames *names,
                       const char *noted)
{
    g_autofree char *identity = NULL;
    g_autofree char *other = NULL;
    g_autoptr(json_t) opts = NULL;
    const char *text;

    if (strstart(noted, "json:", &text)) {
        opts = qobject_from_json(text, NULL);
        return opts && json_equal(opts, names->options);
    }
    if (!names->plain || g_str_equal(names->plain, noted)) {
        return names->plain != NULL;
    }
    identity = node_identity(node);
    other = node_file_identity(noted);
    return identity && other && g_str_equal(identity, other);
}

/* Has it another backing file than it says? Then @opts say which. */
static bool add_other_backing(json_t *opts, BlockNode *node)
{
    BlockNode *backing = node_backing(node);
    g_auto(NodeNames) names = { 0 };
    g_autofree char *noted = NULL;

    if (!BLOCK_NODE_GET_CLASS(node)->supports_backing ||
        (node->open_flags & NODE_OPEN_NO_BACKING)) {
        return false;
    }
    if (!backing) {
        if (node->backing_file) {
            json_object_set_new(opts, "backing", json_null());
        }
        return node->backing_file != NULL;
    }
    names = names_of(backing);
    noted = node_backing_path(node);
    if (noted && same_image(backing, &names, noted)) {
        return false;
    }
    json_object_set(opts, "backing", names.options);
    return true;
}

/* -- names ----------------------------------------------------------------------- */

/* What is relative is so to the directory of whoever opens the name. */
static void make_absolute(json_t *opts)
{
    const char *name = json_string_value(json_object_get(opts, "filename"));

    if (name && *name != '/') {
        g_autofree char *path = g_canonicalize_filename(name, NULL);

        json_object_set_new(opts, "filename", json_string(path));
    }
}

/* What is in @node's child @name, as part of @opts. Returns: (transfer full,
 * nullable) its plain name, if it can stand for that of @node, too. */
static char *add_child(json_t *opts, const char *name, BlockNode *child)
{
    g_auto(NodeNames) names = names_of(child);
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node_skip_filters(child));

    json_object_set(opts, name, names.options);
    /* Two formats above each other are more than a name and a format. */
    return !nc->is_format || g_str_equal(nc->driver, "raw")
               ? g_steal_pointer(&names.plain)
               : NULL;
}

static char *own_name(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    return nc->filename && !has_own(node) ? nc->filename(node) : NULL;
}

static NodeNames names_of(BlockNode *node)
{
    json_t *opts = json_object();
    g_autofree char *of_file = NULL;
    BlockNodeClass *nc;
    BlockNode *file;
    NodeLink *header;
    bool is_other;

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
        of_file = add_child(opts, "file", file);
    }
    header = header_link(node);
    if (header) {
        g_free(add_child(opts, header->name, header->node));
    }
    is_other = add_other_backing(opts, node);
    if (nc->is_format && (is_other || has_own(node))) {
        g_clear_pointer(&of_file, g_free);
    }
    return (NodeNames){ nc->is_format ? g_steal_pointer(&of_file)
                                      : own_name(node),
                        opts };
}

char *node_filename(BlockNode *node)
{
    g_auto(NodeNames) names = names_of(node);
    g_autofree char *text = NULL;

    if (names.plain) {
        return g_steal_pointer(&names.plain);
    }
    text = json_dumps(names.options, JSON_COMPACT | JSON_ENCODE_ANY);
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
