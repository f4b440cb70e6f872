/*
 * The base class of nodes: properties, names, opening and closing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "block/graph-internal.h"
#include "qapi/util.h"
#include "trace/trace-block.h"
#include "util/aio-wait.h"
#include "util/error.h"

Object *node_root_container(void)
{
    return container_get(object_get_root(), "/block-nodes");
}

BlockNode *block_node_find(const char *name)
{
    Object *obj = object_resolve_path_component(node_root_container(), name);

    return (BlockNode *)object_dynamic_cast(obj, TYPE_BLOCK_NODE);
}

const char *block_node_name(const BlockNode *node)
{
    return node->name;
}

/* A name from a user begins with a letter, so these never meet one. */
static void generate_name(BlockNode *node)
{
    for (unsigned i = 0; !node->name; i++) {
        char name[BLOCK_NODE_NAME_MAX + 1];

        g_snprintf(name, sizeof(name), "#block%03u", i);
        if (!block_node_find(name)) {
            node->name = g_strdup(name);
        }
    }
}

static bool cache_member(const json_t *cache, const char *name, bool *ret,
                         Error **errp)
{
    const json_t *v = json_object_get(cache, name);

    if (json_is_boolean(v)) {
        *ret = json_boolean_value(v);
    } else if (json_is_string(v)) {
        return qapi_bool_parse(name, json_string_value(v), ret, errp);
    } else if (v) {
        error_setg(errp, "parameter 'cache.%s' must be a boolean", name);
        return false;
    }
    return true;
}

bool block_node_read_cache(BlockNode *node, Error **errp)
{
    const char *key;
    json_t *value;

    if (node->cache && !json_is_object(node->cache)) {
        error_setg(errp, "parameter 'cache' must be an object");
        return false;
    }
    json_object_foreach(node->cache, key, value)
    {
        if (!g_str_equal(key, "direct") && !g_str_equal(key, "no-flush")) {
            error_setg(errp, "parameter 'cache.%s' is unexpected", key);
            return false;
        }
    }
    return cache_member(node->cache, "direct", &node->direct, errp) &&
           cache_member(node->cache, "no-flush", &node->no_flush, errp);
}

bool block_node_open(BlockNode *node, Error **errp)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    if (!block_node_read_cache(node, errp) ||
        !object_check_required(OBJECT(node), errp)) {
        return false;
    }
    if (node->force_share && !node->read_only) {
        error_setg(errp, "force-share=on needs read-only=on");
        return false;
    }
    generate_name(node);
    /* The name is taken first: children get theirs inside open(). */
    if (!object_property_try_add_child(node_root_container(), node->name,
                                       OBJECT(node), errp) ||
        (nc->open && !nc->open(node, errp))) {
        return false;
    }
    node->is_open = true;
    if (node->hurried && nc->drain_begin) {
        nc->drain_begin(node);
    }
    object_set_completed(OBJECT(node), true);
    trace_block_node_open(node->name, nc->driver, node->length);
    /* open() may have found that the image cannot be written, or needs more of
     * its children. */
    return node_refresh_perm(node, errp);
}

void block_node_ref(BlockNode *node)
{
    node->refs++;
}

/* Nobody is left who could hear that this fails. */
static void write_out(BlockNode *node)
{
    int ret = node->read_only || node->inactive ? 0 : node_flush(node);

    if (ret < 0) {
        trace_block_node_close_failed(node->name, g_strerror(-ret));
    }
}

/* Nothing sends new ones: there is no user any more. */
static void wait_for_requests(BlockNode *node)
{
    if (node_in_flight(node) == 0) {
        return;
    }
    node_quiesce(node); /* so that the last one wakes us */
    AIO_WAIT_WHILE_UNLOCKED(NULL, node_in_flight(node) > 0);
    node_unquiesce(node);
}

static void node_close(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    node->refs = 1; /* for those who look at it meanwhile */
    assert(QLIST_EMPTY(&node->users));
    if (node->is_open) {
        trace_block_node_close(node->name);
        wait_for_requests(node);
        write_out(node);
        node->is_open = false;
        if (nc->close) {
            nc->close(node); /* may store bitmaps */
        }
        dirty_bitmaps_release_all(node);
    }
    node_detach_children(node);
    node->refs = 0;
}

void block_node_unref(BlockNode *node)
{
    if (!node || --node->refs > 0) {
        return;
    }
    node_close(node);
    if (OBJECT(node)->parent) {
        object_unparent(OBJECT(node));
    }
    object_unref(node);
}

unsigned block_node_io_in_flight(BlockNode *node)
{
    NodeLink *link;
    unsigned n = 0;

    if (QLIST_EMPTY(&node->children)) {
        return qatomic_read(&node->in_flight) & ~NODE_WATCHED;
    }
    QLIST_FOREACH(link, &node->children, of_owner) {
        n += block_node_io_in_flight(link->node);
    }
    return n;
}

/* -- class --------------------------------------------------------------------- */

static const Property node_props[] = {
    { "read-only", PROP_BOOL, offsetof(BlockNode, read_only), .def = "off",
      .help = "the image cannot be written", .since = "0.1" },
    { "auto-read-only", PROP_BOOL, offsetof(BlockNode, auto_read_only),
      .def = "off", .help = "read-only if it cannot be opened for writing",
      .since = "0.1" },
    { "force-share", PROP_BOOL, offsetof(BlockNode, force_share), .def = "off",
      .help = "open it whatever others do with it (needs read-only)",
      .since = "0.1" },
    { "discard", PROP_ENUM, offsetof(BlockNode, discard),
      .qapi_type = "BlockdevDiscardOptions",
      .lookup = &BlockdevDiscardOptions_lookup, .def = "ignore",
      .help = "what to do with discards", .since = "0.1" },
    { "detect-zeroes", PROP_ENUM, offsetof(BlockNode, detect_zeroes),
      .qapi_type = "BlockdevDetectZeroesOptions",
      .lookup = &BlockdevDetectZeroesOptions_lookup, .def = "off",
      .help = "what to do with written zeroes", .since = "0.1" },
    { "cache", PROP_JSON, offsetof(BlockNode, cache), .qapi_type = "any",
      .help = "cache.direct=on avoids the host's page cache, "
              "cache.no-flush=on ignores flushes",
      .since = "0.1" },
    {},
};

static void node_instance_init(Object *obj)
{
    BlockNode *node = BLOCK_NODE(obj);

    node->refs = 1;
    node->request_alignment = 1;
    node->memory_alignment = 1;
    node->physical_block_size = BLK_SECTOR_SIZE;
    node->max_transfer = BLK_REQUEST_MAX_BYTES;
    node->shared = NODE_PERM_ALL;
    qemu_mutex_init(&node->lock);
    qemu_mutex_init(&node->bitmap_lock);
    QLIST_INIT(&node->users);
    QLIST_INIT(&node->children);
    QLIST_INIT(&node->requests);
    QLIST_INIT(&node->bitmaps);
}

static void node_instance_finalize(Object *obj)
{
    BlockNode *node = BLOCK_NODE(obj);

    if (node->ctx) {
        aio_context_unref(node->ctx);
    }
    qemu_mutex_destroy(&node->lock);
    qemu_mutex_destroy(&node->bitmap_lock);
    g_free(node->backing_format);
    g_free(node->backing_file);
    g_free(node->name);
}

extern const TypeInfo block_type_node;
const TypeInfo block_type_node = {
    .name = TYPE_BLOCK_NODE,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(BlockNode),
    .instance_init = node_instance_init,
    .instance_finalize = node_instance_finalize,
    .class_size = sizeof(BlockNodeClass),
    .props = node_props,
};
