/*
 * Other options for nodes that are open: blockdev-reopen, and read-only or not.
 *
 * The new options are set in a second object of the driver's class, which is
 * never opened, and compared with those of the node: what may change is a few
 * options that all nodes have, those that the driver names (reopen_props), and
 * which node a child is. Then, drained: every driver prepares, permissions
 * follow, all is committed; or all is as it was.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/graph-internal.h"
#include "util/error.h"

/* Options of every node. */
typedef struct NodeOptions {
    bool read_only;
    bool auto_read_only;
    int discard;
    int detect_zeroes;
    bool direct;
    bool no_flush;
} NodeOptions;

typedef struct Reopen {
    BlockNode *node;   /* referenced */
    BlockNode *wanted; /* as the options say; NULL: only read_only changes */
    json_t *opts;      /* for the driver */
    NodeOptions now;
    NodeOptions then;
    void *state; /* the driver's */
    bool prepared;
    NodeLink *link;       /* of a child that becomes another, or NULL */
    BlockNode *new_child; /* referenced; NULL: none */
    BlockNode *old_child; /* the same */
    bool linked;
} Reopen;

/* @parent: (nullable) whose options say @options about its child @node. */
static bool reopen_add(GPtrArray *set, BlockNode *node, const Reopen *parent,
                       const json_t *options, Error **errp);

static NodeOptions options_get(const BlockNode *node)
{
    return (NodeOptions){
        node->read_only,     node->auto_read_only, node->discard,
        node->detect_zeroes, node->direct,         node->no_flush,
    };
}

static void options_set(BlockNode *node, const NodeOptions *o)
{
    qatomic_set(&node->read_only, o->read_only); /* blk_is_writable() */
    node->auto_read_only = o->auto_read_only;
    node->discard = o->discard;
    node->detect_zeroes = o->detect_zeroes;
    node->direct = o->direct;
    node->no_flush = o->no_flush;
}

static void reopen_free(void *opaque)
{
    Reopen *r = opaque;

    if (r->wanted) {
        object_unref(r->wanted);
    }
    if (r->opts) {
        json_decref(r->opts);
    }
    block_node_unref(r->new_child);
    block_node_unref(r->old_child);
    block_node_unref(r->node);
    g_free(r);
}

/* -- what changes --------------------------------------------------------------------- */

static size_t value_size(PropertyKind kind)
{
    switch (kind) {
    case PROP_BOOL:
        return sizeof(bool);
    case PROP_INT8:
    case PROP_UINT8:
        return 1;
    case PROP_INT16:
    case PROP_UINT16:
        return 2;
    case PROP_INT32:
    case PROP_UINT32:
        return 4;
    case PROP_ENUM:
        return sizeof(int);
    default:
        return 8;
    }
}

static bool same_value(const Property *p, const BlockNode *a,
                       const BlockNode *b)
{
    const char *va = (const char *)a + p->offset;
    const char *vb = (const char *)b + p->offset;

    switch (p->kind) {
    case PROP_CUSTOM:
        return true; /* no storage that could be compared */
    case PROP_STR:
        return g_strcmp0(*(char *const *)va, *(char *const *)vb) == 0;
    case PROP_JSON:
        return *(json_t *const *)va == *(json_t *const *)vb ||
               json_equal(*(json_t *const *)va, *(json_t *const *)vb);
    case PROP_LINK:
        return *(Object *const *)va == *(Object *const *)vb;
    default:
        return memcmp(va, vb, value_size(p->kind)) == 0;
    }
}

static bool is_common(const Property *p)
{
    static const char *const names[] = { "read-only", "auto-read-only",
                                         "discard",   "detect-zeroes",
                                         "cache",     NULL };

    return g_strv_contains(names, p->name);
}

static bool may_change(const BlockNodeClass *nc, const Property *p)
{
    return nc->reopen_props && g_strv_contains(nc->reopen_props, p->name);
}

static NodeLink *child_by_name(BlockNode *node, const char *name)
{
    NodeLink *link;

    QLIST_FOREACH(link, &node->children, of_owner) {
        if (g_str_equal(link->name, name)) {
            return link;
        }
    }
    return NULL;
}

static bool cannot_change(const Reopen *r, const Property *p, Error **errp)
{
    error_setg(errp, "Cannot change the option '%s' of node '%s'", p->name,
               r->node->name);
    return false;
}

/* The options of @link's node as they stand in those of the node above. */
static bool check_inline(Reopen *r, const Property *p, NodeLink *link,
                         const json_t *ref, GPtrArray *set, Error **errp)
{
    const char *name = json_string_value(json_object_get(ref, "node-name"));
    const char *driver = json_string_value(json_object_get(ref, "driver"));

    if (!link || (name && !g_str_equal(name, link->node->name)) ||
        (driver &&
         !g_str_equal(driver, BLOCK_NODE_GET_CLASS(link->node)->driver))) {
        return cannot_change(r, p, errp);
    }
    return reopen_add(set, link->node, r, ref, errp);
}

/* @ref: what the options say about the child @p->name. */
static bool check_child(Reopen *r, const Property *p, const json_t *ref,
                        GPtrArray *set, Error **errp)
{
    const char *name = json_string_value(ref);
    NodeLink *link = child_by_name(r->node, p->name);
    BlockNode *now = link ? link->node : NULL;
    BlockNode *child = NULL;
    bool is_backing = g_str_equal(p->name, "backing") && r->node->backing_link;

    if (json_is_object(ref)) {
        return check_inline(r, p, link, ref, set, errp);
    }
    if (name && *name) {
        child = block_node_find(name);
        if (!child) {
            error_setg(errp, "Cannot find node '%s'", name);
            return false;
        }
    }
    if (now && !ref && (link->role & NODE_ROLE_COW)) {
        error_setg(errp, "backing is missing for '%s'", r->node->name);
        return false;
    }
    if (now == child) {
        return true;
    }
    if (r->link || (!is_backing && (!link || !child)) ||
        (link && link->frozen)) {
        return cannot_change(r, p, errp);
    }
    r->link = link ? link : r->node->backing_link;
    r->new_child = child;
    r->old_child = now;
    if (child) {
        block_node_ref(child);
    }
    if (now) {
        block_node_ref(now);
    }
    return true;
}

static bool check_property(Reopen *r, const Property *p, GPtrArray *set,
                           Error **errp)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(r->node);

    if (p->kind == PROP_JSON && !is_common(p)) {
        const json_t *now =
            *(json_t *const *)((const char *)r->node + p->offset);
        const json_t *then =
            *(json_t *const *)((const char *)r->wanted + p->offset);

        if (child_by_name(r->node, p->name) || (now && json_is_string(now)) ||
            (then && json_is_string(then)) ||
            (then && g_str_equal(p->name, "backing"))) {
            return check_child(r, p, then, set, errp);
        }
    }
    if (is_common(p) || may_change(nc, p) ||
        same_value(p, r->node, r->wanted)) {
        return true;
    }
    return cannot_change(r, p, errp);
}

static bool check_properties(Reopen *r, GPtrArray *set, Error **errp)
{
    g_autoptr(GPtrArray) table =
        qom_property_table(object_get_class(OBJECT(r->node)));

    for (guint i = 0; i < table->len; i++) {
        if (!check_property(r, g_ptr_array_index(table, i), set, errp)) {
            return false;
        }
    }
    return true;
}

/* -- steps -------------------------------------------------------------------------------- */

static bool prepare(Reopen *r, Error **errp)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(r->node);
    bool same = r->now.read_only == r->then.read_only &&
                r->now.direct == r->then.direct && !r->wanted;

    if (same) {
        return true;
    }
    if (!r->then.read_only && r->now.read_only) {
        NodeLink *file =
            node_link_of_role(r->node, NODE_ROLE_PRIMARY | NODE_ROLE_FILTERED);

        if (file && file->node->read_only) {
            error_setg(errp, "Node '%s' is read-only", file->node->name);
            return false;
        }
    }
    if (nc->reopen_prepare) {
        if (!nc->reopen_prepare(r->node, r->opts, &r->state, errp)) {
            return false;
        }
        r->prepared = true;
    } else if (r->now.read_only != r->then.read_only && !nc->is_filter) {
        error_setg(errp, "driver '%s' of node '%s' does not support reopening",
                   nc->driver, r->node->name);
        return false;
    }
    return true;
}

static void finish(Reopen *r, bool commit)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(r->node);

    if (!r->prepared) {
        return;
    }
    if (commit && nc->reopen_commit) {
        nc->reopen_commit(r->node, r->state);
    } else if (!commit && nc->reopen_abort) {
        nc->reopen_abort(r->node, r->state);
    }
}

/* Another child instead of the old one, each of which may be none. */
static bool put_child(Reopen *r, BlockNode *from, BlockNode *to, Error **errp)
{
    return from && to ? node_link_replace(r->link, to, errp)
                      : node_set_backing(r->node, to, errp);
}

/* Children come before those above them when @list goes to read-write. */
static bool reopen_all(GPtrArray *list, Error **errp)
{
    guint done = 0;
    bool ok = true;

    for (; ok && done < list->len; done++) {
        Reopen *r = g_ptr_array_index(list, done);
        int ret =
            r->then.read_only && !r->now.read_only ? node_flush(r->node) : 0;

        if (ret < 0) {
            error_setg_errno(errp, -ret, "node '%s' could not be written out",
                             r->node->name);
            ok = false;
            break;
        }
        ok = prepare(r, errp);
        options_set(r->node, &r->then);
    }
    for (guint i = 0; ok && i < list->len; i++) {
        Reopen *r = g_ptr_array_index(list, i);

        if (r->link) {
            r->linked = put_child(r, r->old_child, r->new_child, errp);
            ok = r->linked;
        }
        ok = ok && node_refresh_perm(r->node, errp);
    }
    for (guint i = list->len; !ok && i > 0; i--) {
        Reopen *r = g_ptr_array_index(list, i - 1);

        if (r->linked) {
            put_child(r, r->new_child, r->old_child, NULL);
        }
    }
    for (guint i = 0; i < list->len; i++) {
        Reopen *r = g_ptr_array_index(list, i);

        if (!ok) {
            options_set(r->node, &r->now);
        }
        finish(r, ok);
    }
    for (guint i = 0; !ok && i < done; i++) {
        /* Locks as before: they were held, and only fewer are left. */
        node_refresh_perm(((Reopen *)g_ptr_array_index(list, i))->node, NULL);
    }
    return ok;
}

static bool reopen_drained(GPtrArray *list, Error **errp)
{
    GPtrArray *drained;
    bool ok;

    drained = node_drained_all_begin();
    ok = reopen_all(list, errp);
    node_drained_all_end(drained);
    return ok;
}

/* -- read-only or not ---------------------------------------------------------------------- */

static void add_read_only(GPtrArray *list, BlockNode *node, bool read_only)
{
    NodeLink *link;
    Reopen *r;

    /* What it is in first, so that there is something to write to. */
    QLIST_FOREACH(link, &node->children, of_owner) {
        if (!(link->role & NODE_ROLE_COW) &&
            link->node->read_only != read_only && !read_only) {
            add_read_only(list, link->node, read_only);
        }
    }
    r = g_new0(Reopen, 1);
    r->node = node;
    block_node_ref(node);
    r->now = r->then = options_get(node);
    r->then.read_only = read_only;
    r->opts = json_pack("{s:b,s:{s:b,s:b}}", "read-only", read_only, "cache",
                        "direct", node->direct, "no-flush", node->no_flush);
    g_ptr_array_add(list, r);
    QLIST_FOREACH(link, &node->children, of_owner) {
        /* Only what nobody else writes to. */
        if (!(link->role & NODE_ROLE_COW) && read_only &&
            !link->node->read_only && !link->node->named) {
            add_read_only(list, link->node, read_only);
        }
    }
}

bool node_set_read_only(BlockNode *node, bool read_only, Error **errp)
{
    g_autoptr(GPtrArray) list = NULL;

    if (node->read_only == read_only) {
        return true;
    }
    list = g_ptr_array_new_with_free_func(reopen_free);
    add_read_only(list, node, read_only);
    return reopen_drained(list, errp);
}

/* -- blockdev-reopen -------------------------------------------------------------------------- */

/* What a child's options do not say is as it would be if it were opened now. */
static void inherit(BlockNode *wanted, const BlockNode *parent,
                    const NodeLink *link)
{
    wanted->read_only =
        parent->read_only || (link && (link->role & NODE_ROLE_COW));
    wanted->auto_read_only = parent->auto_read_only;
    wanted->force_share = parent->force_share;
    wanted->direct = parent->direct;
    wanted->no_flush = parent->no_flush;
    wanted->discard = BLOCKDEV_DISCARD_OPTIONS_UNMAP;
}

static NodeLink *link_to(const BlockNode *parent, const BlockNode *child)
{
    NodeLink *link;

    QLIST_FOREACH(link, &parent->children, of_owner) {
        if (link->node == child) {
            return link;
        }
    }
    return NULL;
}

/* What is not given is as by default again, and drivers see that, too. */
static void add_own(Reopen *r)
{
    const char *const *name = BLOCK_NODE_GET_CLASS(r->node)->reopen_props;

    for (; name && *name; name++) {
        json_object_set_new(r->opts, *name,
                            object_property_get_qobject(OBJECT(r->wanted),
                                                        *name, NULL));
    }
}

/* Reads @options into @r->wanted, and what comes of it for the driver. */
static bool read_options(Reopen *r, const Reopen *parent, const json_t *options,
                         Error **errp)
{
    g_autoptr(json_t) opts = json_copy((json_t *)options);

    json_object_del(opts, "driver");
    json_object_del(opts, "node-name");
    r->wanted =
        BLOCK_NODE(object_new_with_class(object_get_class(OBJECT(r->node))));
    if (parent) {
        inherit(r->wanted, parent->wanted, link_to(parent->node, r->node));
    }
    if (!object_set_properties_from_json(OBJECT(r->wanted), opts, errp) ||
        !block_node_read_cache(r->wanted, errp)) {
        return false;
    }
    r->then = options_get(r->wanted);
    r->opts = json_copy(opts);
    json_object_set_new(r->opts, "read-only", json_boolean(r->then.read_only));
    json_object_set_new(r->opts, "cache",
                        json_pack("{s:b,s:b}", "direct", r->then.direct,
                                  "no-flush", r->then.no_flush));
    add_own(r);
    return true;
}

static bool is_in(const GPtrArray *set, const BlockNode *node)
{
    for (guint i = 0; i < set->len; i++) {
        if (((Reopen *)set->pdata[i])->node == node) {
            return true;
        }
    }
    return false;
}

static bool reopen_add(GPtrArray *set, BlockNode *node, const Reopen *parent,
                       const json_t *options, Error **errp)
{
    Reopen *r;

    if (is_in(set, node)) {
        error_setg(errp, "node '%s' is named twice", node->name);
        return false;
    }
    r = g_new0(Reopen, 1);
    r->node = node;
    block_node_ref(node);
    r->now = options_get(node);
    if (!read_options(r, parent, options, errp)) {
        reopen_free(r);
        return false;
    }
    /* The options of a user name what is above first, mostly. */
    g_ptr_array_insert(set, r->then.read_only ? -1 : 0, r);
    return check_properties(r, set, errp);
}

static bool reopen_named(GPtrArray *set, const json_t *options, Error **errp)
{
    const char *driver = json_string_value(json_object_get(options, "driver"));
    const char *name = json_string_value(json_object_get(options, "node-name"));
    BlockNode *node = name ? block_node_find(name) : NULL;

    if (!name) {
        error_setg(errp, "node-name not specified");
        return false;
    }
    if (!node || !node->is_open) {
        error_setg(errp, "Failed to find node with node-name='%s'", name);
        return false;
    }
    if (!driver || !g_str_equal(driver, BLOCK_NODE_GET_CLASS(node)->driver)) {
        error_setg(errp, "Cannot change the option 'driver' of node '%s'",
                   name);
        return false;
    }
    return reopen_add(set, node, NULL, options, errp);
}

bool blockdev_reopen(const json_t *list, Error **errp)
{
    g_autoptr(GPtrArray) set = g_ptr_array_new_with_free_func(reopen_free);
    json_t *opts;
    size_t i;

    json_array_foreach((json_t *)list, i, opts)
    {
        if (!reopen_named(set, opts, errp)) {
            return false;
        }
    }
    return reopen_drained(set, errp);
}
