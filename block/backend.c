/*
 * BlockBackend: life, names, medium and device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/backend-internal.h"
#include "block/block-backend.h"
#include "block/types.h"
#include "util/aio-wait.h"
#include "util/error.h"

Object *block_backends_root(void)
{
    return container_get(object_get_root(), "/block-backends");
}

/* -- as a user of its node ------------------------------------------------------ */

static BlockBackend *blk_of_link(NodeLink *link)
{
    return link->owner;
}

static char *root_describe(const NodeLink *link)
{
    BlockBackend *blk = link->owner;

    return *blk->name ? g_strdup(blk->name) : g_strdup("a device");
}

static void root_drained_begin(NodeLink *link)
{
    blk_quiesce(blk_of_link(link));
}

static bool root_drained_busy(NodeLink *link)
{
    return blk_in_flight(blk_of_link(link)) > 0;
}

static void root_drained_end(NodeLink *link)
{
    blk_unquiesce(blk_of_link(link));
}

static void root_resized(NodeLink *link)
{
    BlockBackend *blk = blk_of_link(link);

    if (blk->ops && blk->ops->resize) {
        blk->ops->resize(blk->ops_opaque);
    }
}

static const NodeLinkOps root_ops = {
    .describe = root_describe,
    .drained_begin = root_drained_begin,
    .drained_busy = root_drained_busy,
    .drained_end = root_drained_end,
    .resized = root_resized,
};

/* -- life ------------------------------------------------------------------------ */

BlockBackend *blk_new(AioContext *ctx)
{
    BlockBackend *blk;

    block_register_types();
    blk = BLOCK_BACKEND(object_new(TYPE_BLOCK_BACKEND));
    blk->inactive = blk_begins_inactive();
    blk->ctx = ctx;
    aio_context_ref(ctx);
    object_property_add_child(block_backends_root(), "#anonymous[*]",
                              OBJECT(blk));
    return blk;
}

void blk_ref(BlockBackend *blk)
{
    blk->refs++;
}

void blk_unref(BlockBackend *blk)
{
    if (!blk || --blk->refs > 0) {
        return;
    }
    blk->refs = 1; /* for those who look at it meanwhile */
    blk_drain(blk);
    blk_remove(blk);
    blk->refs = 0;
    object_unparent(OBJECT(blk));
    object_unref(blk);
}

bool blk_set_name(BlockBackend *blk, const char *name, Error **errp)
{
    if (blk_by_name(name)) {
        error_setg(errp, "Device with id '%s' already exists", name);
        return false;
    }
    if (block_node_find(name)) {
        error_setg(errp, "there is a node named '%s' already", name);
        return false;
    }
    g_free(blk->name);
    blk->name = g_strdup(name);
    object_ref(blk);
    object_unparent(OBJECT(blk));
    object_property_add_child(block_backends_root(), name, OBJECT(blk));
    object_unref(blk);
    return true;
}

const char *blk_name(const BlockBackend *blk)
{
    return blk->name;
}

BlockBackend *blk_by_name(const char *name)
{
    Object *obj = object_resolve_path_component(block_backends_root(), name);

    if (!obj || g_str_has_prefix(name, "#")) {
        return NULL;
    }
    return (BlockBackend *)object_dynamic_cast(obj, TYPE_BLOCK_BACKEND);
}

typedef struct FindNext {
    BlockBackend *after;
    BlockBackend *found;
} FindNext;

static int find_next_cb(Object *obj, void *opaque)
{
    FindNext *find = opaque;

    if (find->after) {
        if (obj == OBJECT(find->after)) {
            find->after = NULL;
        }
        return 0;
    }
    find->found = BLOCK_BACKEND(obj);
    return 1;
}

BlockBackend *blk_next(BlockBackend *blk)
{
    FindNext find = { .after = blk };

    object_child_foreach(block_backends_root(), find_next_cb, &find);
    return find.found;
}

/* -- medium ---------------------------------------------------------------------- */

bool blk_insert(BlockBackend *blk, BlockNode *node, Error **errp)
{
    unsigned perm, shared;
    bool ok;

    if (blk->root.node) {
        error_setg(errp, "Device '%s' has a medium already", blk->name);
        return false;
    }
    blk_current_perm(blk, &perm, &shared);
    blk_drained_begin(blk);
    ok = node_link_attach(&blk->root, node, perm, shared, errp);
    blk_drained_end(blk);
    if (ok && blk->ops && blk->ops->change_media) {
        blk->ops->change_media(blk->ops_opaque, true);
    }
    return ok;
}

void blk_remove(BlockBackend *blk)
{
    if (!blk->root.node) {
        return;
    }
    blk_drained_begin(blk);
    if (blk->ops && blk->ops->change_media) {
        blk->ops->change_media(blk->ops_opaque, false);
    }
    node_link_detach(&blk->root);
    blk_drained_end(blk);
}

BlockNode *blk_node(BlockBackend *blk)
{
    return blk_medium(blk);
}

/* -- device ---------------------------------------------------------------------- */

bool blk_attach_dev(BlockBackend *blk, void *dev, Error **errp)
{
    if (blk->dev) {
        error_setg(errp, "Drive '%s' is already in use by another block device",
                   blk->name);
        return false;
    }
    blk->dev = dev;
    blk_ref(blk);
    return true;
}

void blk_detach_dev(BlockBackend *blk, void *dev)
{
    if (blk->dev != dev) {
        return;
    }
    blk->dev = NULL;
    blk->ops = NULL;
    blk->ops_opaque = NULL;
    blk->has_perm = false;
    blk_apply_perm(blk, NULL); /* less is always allowed */
    blk_unref(blk);
}

void *blk_get_attached_dev(BlockBackend *blk)
{
    return blk->dev;
}

void blk_set_dev_ops(BlockBackend *blk, const BlockDevOps *ops, void *opaque)
{
    blk->ops = ops;
    blk->ops_opaque = opaque;
}

AioContext *blk_get_aio_context(BlockBackend *blk)
{
    return qatomic_load_acquire(&blk->ctx);
}

/* -- what it is ------------------------------------------------------------------- */

bool blk_is_inserted(BlockBackend *blk)
{
    return blk_medium(blk) != NULL;
}

/* A guest's CPUs ask, too, while the main loop exchanges nodes: the lock keeps
 * the node where it is. */

bool blk_is_writable(BlockBackend *blk)
{
    QEMU_LOCK_GUARD(&blk->lock);

    return blk->root.node && !qatomic_read(&blk->root.node->read_only);
}

int64_t blk_getlength(BlockBackend *blk)
{
    QEMU_LOCK_GUARD(&blk->lock);

    return blk->root.node ? block_node_length(blk->root.node) : -ENOMEDIUM;
}

uint32_t blk_get_request_alignment(BlockBackend *blk)
{
    QEMU_LOCK_GUARD(&blk->lock);

    return blk->root.node ? blk->root.node->request_alignment : 1;
}

uint32_t blk_get_max_transfer(BlockBackend *blk)
{
    QEMU_LOCK_GUARD(&blk->lock);

    return blk->root.node
               ? MIN(blk->root.node->max_transfer, BLK_REQUEST_MAX_BYTES)
               : BLK_REQUEST_MAX_BYTES;
}

uint32_t blk_get_physical_block_size(BlockBackend *blk)
{
    QEMU_LOCK_GUARD(&blk->lock);

    return blk->root.node ? blk->root.node->physical_block_size
                          : BLK_SECTOR_SIZE;
}

char *blk_node_name(BlockBackend *blk)
{
    QEMU_LOCK_GUARD(&blk->lock);

    return blk->root.node ? g_strdup(block_node_name(blk->root.node)) : NULL;
}

bool blk_enable_write_cache(BlockBackend *blk)
{
    return __atomic_load_n(&blk->write_cache, __ATOMIC_RELAXED);
}

void blk_set_enable_write_cache(BlockBackend *blk, bool on)
{
    __atomic_store_n(&blk->write_cache, on, __ATOMIC_RELAXED);
}

const char *blk_get_serial(BlockBackend *blk)
{
    return blk->serial;
}

void blk_set_serial(BlockBackend *blk, const char *serial)
{
    g_free(blk->serial);
    blk->serial = g_strdup(serial);
}

/* -- waiting ---------------------------------------------------------------------- */

void blk_dec_in_flight(BlockBackend *blk)
{
    if (qatomic_fetch_dec(&blk->in_flight) == (NODE_WATCHED | 1)) {
        aio_wait_kick();
    }
}

void blk_quiesce(BlockBackend *blk)
{
    if (qatomic_fetch_inc(&blk->quiesced) > 0) {
        return;
    }
    qatomic_fetch_or(&blk->in_flight, NODE_WATCHED);
    if (blk->throttle.group) {
        throttle_group_let_through(&blk->throttle);
    }
    if (blk->ops && blk->ops->drained_begin) {
        blk->ops->drained_begin(blk->ops_opaque);
    }
}

void blk_unquiesce(BlockBackend *blk)
{
    if (qatomic_fetch_dec(&blk->quiesced) > 1) {
        return;
    }
    qatomic_fetch_and(&blk->in_flight, ~NODE_WATCHED);
    if (blk->throttle.group) {
        throttle_group_limit(&blk->throttle);
    }
    if (blk->ops && blk->ops->drained_end) {
        blk->ops->drained_end(blk->ops_opaque);
    }
    qemu_mutex_lock(&blk->lock);
    qemu_co_enter_all(&blk->held, &blk->lock);
    qemu_mutex_unlock(&blk->lock);
}

void blk_drained_begin(BlockBackend *blk)
{
    BlockNode *node = blk->root.node;

    blk_quiesce(blk);
    if (node) {
        node_hurry(node);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, blk_in_flight(blk) > 0);
    if (node) {
        node_unhurry(node);
    }
}

void blk_drained_end(BlockBackend *blk)
{
    blk_unquiesce(blk);
}

void blk_drain(BlockBackend *blk)
{
    blk_drained_begin(blk);
    blk_drained_end(blk);
}

void blk_drain_all(void)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        blk_drain(blk);
    }
}

bool blk_set_aio_context(BlockBackend *blk, AioContext *ctx, Error **errp)
{
    AioContext *old = blk->ctx;

    if (old == ctx) {
        return true;
    }
    aio_context_ref(ctx);
    blk_drained_begin(blk);
    qatomic_store_release(&blk->ctx, ctx);
    blk_drained_end(blk);
    aio_context_unref(old);
    return true;
}

void blk_set_disable_request_queuing(BlockBackend *blk, bool disable)
{
    blk->no_queuing = disable;
}

/* -- class ------------------------------------------------------------------------ */

static void backend_instance_init(Object *obj)
{
    BlockBackend *blk = BLOCK_BACKEND(obj);

    blk->refs = 1;
    blk->name = g_strdup("");
    blk->write_cache = true;
    blk->shared = NODE_PERM_ALL;
    node_link_init(&blk->root, &root_ops, blk, "root");
    qemu_mutex_init(&blk->lock);
    blk->root.lock = &blk->lock;
    qemu_co_queue_init(&blk->held);
    blk->on_read_error = BLOCKDEV_ON_ERROR_REPORT;
    blk->on_write_error = BLOCKDEV_ON_ERROR_ENOSPC;
}

static void backend_instance_finalize(Object *obj)
{
    BlockBackend *blk = BLOCK_BACKEND(obj);

    if (blk->ctx) {
        aio_context_unref(blk->ctx);
    }
    throttle_group_leave(&blk->throttle);
    qemu_mutex_destroy(&blk->lock);
    blk_stats_clear(&blk->stats);
    g_free(blk->name);
    g_free(blk->serial);
    drive_info_free(blk->drive);
}

extern const TypeInfo block_type_backend;
const TypeInfo block_type_backend = {
    .name = TYPE_BLOCK_BACKEND,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(BlockBackend),
    .instance_init = backend_instance_init,
    .instance_finalize = backend_instance_finalize,
    .class_size = sizeof(BlockBackendClass),
};
