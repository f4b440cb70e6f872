/*
 * BlockBackend: life, names, medium and device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "block/types.h"
#include "util/aio-wait.h"
#include "util/error.h"

#include "backend-internal.h"

Object *block_backends_root(void)
{
    return container_get(object_get_root(), "/block-backends");
}

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
    blk_drain(blk);
    blk_remove(blk);
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
    if (blk->node) {
        error_setg(errp, "Device '%s' has a medium already", blk->name);
        return false;
    }
    blk->user.what = *blk->name ? blk->name : "a device";
    if (!blk_apply_perm(blk, node, errp)) {
        return false;
    }
    blk->node = node;
    if (blk->ops && blk->ops->change_media) {
        blk->ops->change_media(blk->ops_opaque, true);
    }
    return true;
}

void blk_remove(BlockBackend *blk)
{
    BlockNode *node = blk->node;

    if (!node) {
        return;
    }
    blk_drain(blk);
    if (blk->ops && blk->ops->change_media) {
        blk->ops->change_media(blk->ops_opaque, false);
    }
    blk->node = NULL;
    block_node_unuse(node, &blk->user);
}

BlockNode *blk_node(BlockBackend *blk)
{
    return blk->node;
}

void blk_eject(BlockBackend *blk, bool eject)
{
    /* The tray is the device's; a medium stays until it is removed. */
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
    if (blk->node) {
        block_node_set_user(blk->node, &blk->user, 0, NODE_PERM_ALL, NULL);
    }
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
    return blk->ctx;
}

/* -- what it is ------------------------------------------------------------------- */

bool blk_is_inserted(BlockBackend *blk)
{
    return blk->node != NULL;
}

bool blk_is_writable(BlockBackend *blk)
{
    return blk->node && !blk->node->read_only;
}

int64_t blk_getlength(BlockBackend *blk)
{
    return blk->node ? block_node_length(blk->node) : -ENOMEDIUM;
}

uint32_t blk_get_request_alignment(BlockBackend *blk)
{
    return blk->node ? blk->node->request_alignment : 1;
}

uint32_t blk_get_max_transfer(BlockBackend *blk)
{
    return blk->node ? MIN(blk->node->max_transfer, BLK_REQUEST_MAX_BYTES)
                     : BLK_REQUEST_MAX_BYTES;
}

uint32_t blk_get_physical_block_size(BlockBackend *blk)
{
    return blk->node ? blk->node->physical_block_size : BLK_SECTOR_SIZE;
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

static unsigned in_flight(BlockBackend *blk)
{
    return __atomic_load_n(&blk->in_flight, __ATOMIC_SEQ_CST);
}

void blk_dec_in_flight(BlockBackend *blk)
{
    __atomic_fetch_sub(&blk->in_flight, 1, __ATOMIC_SEQ_CST);
    aio_wait_kick();
}

void blk_drain(BlockBackend *blk)
{
    if (blk->ops && blk->ops->drained_begin) {
        blk->ops->drained_begin(blk->ops_opaque);
    }
    AIO_WAIT_WHILE_UNLOCKED(blk->ctx, in_flight(blk) > 0);
    if (blk->ops && blk->ops->drained_end) {
        blk->ops->drained_end(blk->ops_opaque);
    }
}

void blk_drain_all(void)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        blk_drain(blk);
    }
}

/* -- class ------------------------------------------------------------------------ */

static void backend_instance_init(Object *obj)
{
    BlockBackend *blk = BLOCK_BACKEND(obj);

    blk->refs = 1;
    blk->name = g_strdup("");
    blk->write_cache = true;
    blk->on_read_error = BLOCKDEV_ON_ERROR_REPORT;
    blk->on_write_error = BLOCKDEV_ON_ERROR_ENOSPC;
}

static void backend_instance_finalize(Object *obj)
{
    BlockBackend *blk = BLOCK_BACKEND(obj);

    if (blk->ctx) {
        aio_context_unref(blk->ctx);
    }
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
