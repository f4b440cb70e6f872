/*
 * Making nodes from options: blockdev-add, -blockdev, children of nodes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/format/crypt-keys.h"
#include "block/graph-internal.h"
#include "block/types.h"
#include "qapi/json.h"
#include "util/error.h"
#include "util/id.h"
#include "util/keyval.h"

#define TYPE_PREFIX TYPE_BLOCK_NODE "-"

BlockNodeClass *node_class_by_driver(const char *driver, Error **errp)
{
    g_autofree char *type = g_strconcat(TYPE_PREFIX, driver, NULL);
    ObjectClass *oc;

    block_register_types();
    oc = module_object_class_by_name(type);
    if (!oc || !object_class_dynamic_cast(oc, TYPE_BLOCK_NODE) ||
        object_class_is_abstract(oc)) {
        error_setg(errp, "Unknown driver '%s'", driver);
        return NULL;
    }
    return BLOCK_NODE_CLASS(oc);
}

static bool check_name(const char *name, Error **errp)
{
    if (!id_wellformed(name) || strlen(name) > BLOCK_NODE_NAME_MAX) {
        error_setg(errp, "Invalid node-name: '%s'", name);
        return false;
    }
    if (block_node_find(name)) {
        error_setg(errp, "Duplicate nodes with node-name='%s'", name);
        return false;
    }
    return true;
}

static bool take_string(json_t *opts, const char *key, char **ret, Error **errp)
{
    json_t *value = json_object_get(opts, key);

    if (value && !json_is_string(value)) {
        error_setg(errp, "parameter '%s' must be a string", key);
        return false;
    }
    *ret = g_strdup(json_string_value(value));
    json_object_del(opts, key);
    return true;
}

/* What a child does not say it has from its parent. */
static void inherit(BlockNode *node, const NodeOpening *how)
{
    const BlockNode *parent = how->parent;
    unsigned role = how->role;

    node->read_only = parent->read_only || (role & NODE_ROLE_COW);
    node->auto_read_only = parent->auto_read_only;
    node->force_share = parent->force_share;
    node->direct = parent->direct;
    node->no_flush = parent->no_flush;
    node->open_flags |= parent->open_flags & NODE_OPEN_NO_IO;
    node->opening_for = parent;
    node->chain_depth = parent->chain_depth + ((role & NODE_ROLE_COW) != 0);
    /* What a format lets through is its own business. */
    node->discard = BLOCKDEV_DISCARD_OPTIONS_UNMAP;
}

/* Descriptions nest, and images name others. */
static bool check_depth(const BlockNode *parent, Error **errp)
{
    unsigned depth = 1;

    for (; parent; parent = parent->opening_for) {
        depth++;
    }
    if (depth > NODE_DEPTH_MAX) {
        error_setg(errp, "more than %d nodes above each other", NODE_DEPTH_MAX);
        return false;
    }
    return true;
}

static BlockNode *node_alloc(BlockNodeClass *nc, AioContext *ctx)
{
    BlockNode *node = BLOCK_NODE(object_new_with_class(OBJECT_CLASS(nc)));

    node->ctx = ctx;
    node->inactive = blk_begins_inactive();
    aio_context_ref(ctx);
    return node;
}

/* Text cannot say what is a nested object's, so those go in as they are;
 * whoever reads them minds that their leaves are text. */
static bool set_properties(BlockNode *node, json_t *opts, bool keyval,
                           Error **errp)
{
    g_autoptr(json_t) nested = json_object();
    const char *key;
    json_t *value;
    void *tmp;

    if (!keyval) {
        return object_set_properties_from_json(OBJECT(node), opts, errp);
    }
    json_object_foreach_safe(opts, tmp, key, value)
    {
        ObjectProperty *p = object_property_find(OBJECT(node), key);

        if (p && p->table && p->table->kind == PROP_JSON) {
            json_object_set(nested, key, value);
            json_object_del(opts, key);
        }
    }
    return object_set_properties_from_json(OBJECT(node), nested, errp) &&
           object_set_properties_from_keyval(OBJECT(node), opts, errp);
}

/* Of a file whose driver is not given: what its name means. */
static bool complete_by_name(json_t *opts, bool keyval, Error **errp)
{
    const char *name = json_string_value(json_object_get(opts, "filename"));
    g_autoptr(json_t) meant = NULL;

    if (!name) {
        error_setg(errp, "Parameter 'driver' is missing");
        return false;
    }
    meant = block_filename_options(name, errp);
    if (!meant) {
        return false;
    }
    if (keyval) {
        json_t *text = block_json_to_text(meant);

        json_decref(meant);
        meant = text;
    }
    json_object_del(opts, "filename");
    json_object_update_missing(opts, meant);
    if (!json_object_get(opts, "driver")) {
        error_setg(errp, "Parameter 'driver' is missing");
        return false;
    }
    return true;
}

static BlockNode *create_of_driver(json_t *opts, const NodeOpening *how,
                                   Error **errp)
{
    g_autofree char *driver = NULL;
    g_autofree char *name = NULL;
    BlockNodeClass *nc;
    BlockNode *node;
    bool ok;

    if (!take_string(opts, "driver", &driver, errp) ||
        !take_string(opts, "node-name", &name, errp)) {
        return NULL;
    }
    nc = node_class_by_driver(driver, errp);
    if (nc && nc->is_internal && !(how->flags & NODE_OPEN_INTERNAL)) {
        error_setg(errp, "Nodes of driver '%s' are made by jobs alone", driver);
        return NULL;
    }
    if (!nc || (name && !check_name(name, errp)) ||
        !check_depth(how->parent, errp)) {
        return NULL;
    }
    node = node_alloc(nc, how->ctx);
    node->open_flags = how->flags;
    node->keys = how->keys;
    if (how->parent) {
        inherit(node, how);
    }
    node->named = name != NULL;
    node->name = g_steal_pointer(&name);
    node->options_are_text = how->keyval;
    ok = set_properties(node, opts, how->keyval, errp) &&
         block_node_open(node, errp);
    node->opening_for = NULL;
    node->keys = NULL;
    if (!ok) {
        block_node_unref(node);
        return NULL;
    }
    return node;
}

BlockNode *node_create(const json_t *options, const NodeOpening *how,
                       Error **errp)
{
    g_autoptr(json_t) opts = json_copy((json_t *)options);

    if (!json_object_get(opts, "driver")) {
        if ((how->role & NODE_ROLE_COW) || json_object_get(opts, "file")) {
            return node_create_probed(options, how, errp);
        }
        if (!how->parent) {
            error_setg(errp, "Parameter 'driver' is missing");
            return NULL;
        }
        if (!complete_by_name(opts, how->keyval, errp)) {
            return NULL;
        }
    }
    return create_of_driver(opts, how, errp);
}

BlockNode *block_node_new(const json_t *opts, bool keyval, AioContext *ctx,
                          Error **errp)
{
    return block_node_new_with_flags(opts, keyval, ctx, 0, errp);
}

BlockNode *block_node_new_with_flags(const json_t *opts, bool keyval,
                                     AioContext *ctx, unsigned open_flags,
                                     Error **errp)
{
    NodeOpening how = { .keyval = keyval, .ctx = ctx, .flags = open_flags };

    return node_create(opts, &how, errp);
}

/* -- children --------------------------------------------------------------------- */

NodeOpening node_opening_child(const BlockNode *parent, bool keyval,
                               unsigned role)
{
    return (NodeOpening){ .keyval = keyval,
                          .ctx = parent->ctx,
                          .keys = parent->keys,
                          .parent = parent,
                          .role = role };
}

static BlockNode *child_of_ref(BlockNode *parent, const json_t *ref,
                               const char *name, unsigned role, Error **errp)
{
    BlockNode *node;

    if (json_is_object(ref)) {
        NodeOpening how =
            node_opening_child(parent, parent->options_are_text, role);

        return node_create(ref, &how, errp);
    }
    if (!json_is_string(ref)) {
        error_setg(errp, "parameter '%s' must be a node-name or an object",
                   name);
        return NULL;
    }
    node = block_node_find(json_string_value(ref));
    if (!node || !node->is_open) {
        error_setg(errp, "Cannot find node '%s'", json_string_value(ref));
        return NULL;
    }
    block_node_ref(node);
    return node;
}

/* An image is read-only if what it is in is. */
static bool check_read_only(BlockNode *parent, const BlockNode *child,
                            unsigned role, Error **errp)
{
    if (!child->read_only || parent->read_only || (role & NODE_ROLE_COW)) {
        return true;
    }
    if (!parent->auto_read_only && !child->auto_read_only) {
        error_setg(errp, "Node '%s' is read-only", child->name);
        return false;
    }
    parent->read_only = true;
    return true;
}

/*
 * Links on all ways from @node down, counted as far as @max. Who walks the graph
 * goes all of them, as requests may, and ways that meet again double their
 * number each time.
 */
static unsigned count_links(const BlockNode *node, unsigned max)
{
    const NodeLink *link;
    unsigned n = 0;

    QLIST_FOREACH(link, &node->children, of_owner) {
        if (link->node && n < max) {
            n += 1 + count_links(link->node, max - n - 1);
        }
    }
    return n;
}

bool block_node_link_child(BlockNode *parent, NodeLink *link, BlockNode *child,
                           const char *name, unsigned role, Error **errp)
{
    unsigned perm, shared;

    node_link_init_child(link, parent, name, role);
    if (!check_read_only(parent, child, role, errp)) {
        return false;
    }
    if (node_reaches(child, parent)) {
        error_setg(errp,
                   "node '%s' cannot be below node '%s': it uses that "
                   "node",
                   child->name, parent->name);
        return false;
    }
    if (count_links(parent, NODE_LINKS_MAX) +
            count_links(child, NODE_LINKS_MAX) >=
        NODE_LINKS_MAX) {
        error_setg(errp, "more than %d ways down from node '%s'",
                   NODE_LINKS_MAX, parent->name);
        return false;
    }
    node_child_perm(parent, link, &perm, &shared);
    return node_link_attach(link, child, perm, shared, errp);
}

bool block_node_open_child(BlockNode *parent, NodeLink *link, const json_t *ref,
                           const char *name, unsigned role, Error **errp)
{
    BlockNode *child = child_of_ref(parent, ref, name, role, errp);
    bool ok;

    if (!child) {
        return false;
    }
    if (role & NODE_ROLE_COW) {
        parent->backing_link = link;
    }
    ok = block_node_link_child(parent, link, child, name, role, errp);
    block_node_unref(child); /* the link has its own reference */
    return ok;
}

/* -- blockdev-add ---------------------------------------------------------------- */

static bool add_node(const json_t *opts, const NodeOpening *how, Error **errp)
{
    BlockNode *node;

    if (!json_object_get(opts, "node-name")) {
        error_setg(errp, "'node-name' must be specified for the root node");
        return false;
    }
    node = node_create(opts, how, errp);
    if (!node) {
        return false;
    }
    node->by_user = true; /* takes over our reference */
    return true;
}

bool blockdev_add(const json_t *opts, bool keyval, AioContext *ctx,
                  Error **errp)
{
    NodeOpening how = { .keyval = keyval, .ctx = ctx };

    return add_node(opts, &how, errp);
}

bool blockdev_add_with_keys(const json_t *opts, AioContext *ctx,
                            CryptKeys *keys, Error **errp)
{
    NodeOpening how = { .ctx = ctx, .keys = keys };

    crypt_keys_begin_go(keys);
    return add_node(opts, &how, errp);
}

bool blockdev_add_str(const char *text, AioContext *ctx, Error **errp)
{
    bool keyval = text[0] != '{';
    g_autoptr(json_t) opts = keyval ? keyval_parse(text, "driver", NULL, errp)
                                    : qobject_from_json(text, errp);

    return opts && blockdev_add(opts, keyval, ctx, errp);
}

bool blockdev_del(const char *name, Error **errp)
{
    BlockNode *node = block_node_find(name);

    if (!node) {
        error_setg(errp, "Failed to find node with node-name='%s'", name);
        return false;
    }
    if (!node->by_user) {
        error_setg(errp, "Node %s is not owned by the monitor", name);
        return false;
    }
    if (node->refs > 1) {
        error_setg(errp, "Node %s is in use", name);
        return false;
    }
    node->by_user = false;
    block_node_unref(node);
    return true;
}

static int collect_by_user(Object *obj, void *opaque)
{
    if (BLOCK_NODE(obj)->by_user) {
        g_ptr_array_add(opaque, obj);
    }
    return 0;
}

void blockdevs_cleanup(void)
{
    Object *root = container_get(object_get_root(), "/block-nodes");
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    object_child_foreach(root, collect_by_user, list);
    for (guint i = 0; i < list->len; i++) {
        BlockNode *node = list->pdata[i];

        node->by_user = false;
        block_node_unref(node);
    }
}

/* -- help and schema ---------------------------------------------------------------- */

static bool is_hidden(const Property *p)
{
    return p->flags & (PROP_F_HIDDEN | PROP_F_READ_ONLY);
}

char *blockdev_help(const char *driver, Error **errp)
{
    GString *text;
    GSList *list;

    if (driver) {
        BlockNodeClass *nc = node_class_by_driver(driver, errp);
        g_autofree char *lines = NULL;

        if (!nc) {
            return NULL;
        }
        lines = object_class_help(OBJECT_CLASS(nc));
        return g_strdup_printf("Options of driver '%s' (%s):\n%s", driver,
                               nc->help, lines);
    }
    block_register_types();
    text = g_string_new("Block drivers:\n");
    list = object_class_get_list_sorted(TYPE_BLOCK_NODE, false);
    for (GSList *l = list; l; l = l->next) {
        BlockNodeClass *nc = BLOCK_NODE_CLASS(l->data);

        if (!nc->is_internal) {
            g_string_append_printf(text, "  %-12s %s\n", nc->driver, nc->help);
        }
    }
    g_slist_free(list);
    return g_string_free(text, FALSE);
}

void blockdev_fill_open_union(QapiOpenUnion *u)
{
    GSList *list;

    block_register_types();
    list = object_class_get_list_sorted(TYPE_BLOCK_NODE, false);
    for (GSList *l = list; l; l = l->next) {
        ObjectClass *oc = l->data;
        g_autoptr(GPtrArray) table = qom_property_table(oc);
        QapiOpenVariant *v;

        if (BLOCK_NODE_CLASS(oc)->is_internal) {
            continue;
        }
        v = qapi_open_union_add(u, BLOCK_NODE_CLASS(oc)->driver, NULL);
        for (guint i = 0; i < table->len; i++) {
            const Property *p = g_ptr_array_index(table, i);

            if (!is_hidden(p)) {
                qapi_open_variant_member(v, p->name, property_qapi_type(p),
                                         NULL, !(p->flags & PROP_F_REQUIRED),
                                         0);
            }
        }
    }
    g_slist_free(list);
}
