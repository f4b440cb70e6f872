/*
 * What all disks of a guest have in common.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/block/block-conf.h"

#include "block/block-node.h"
#include "block/drive.h"
#include "qapi/visitor.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/main-loop.h"

/* -- properties -------------------------------------------------------------------- */

static BlockBackend **drive_field(Object *obj, const char *name)
{
    const Property *prop = object_property_find(obj, name)->table;

    return (BlockBackend **)(void *)((char *)obj + prop->offset);
}

void block_conf_drive_get(Object *obj, Visitor *v, const char *name,
                          void *opaque, Error **errp)
{
    BlockBackend *blk = *drive_field(obj, name);
    g_autofree char *id = g_strdup("");

    if (blk) {
        BlockNode *node = blk_node(blk);

        g_free(id);
        id = g_strdup(*blk_name(blk) ? blk_name(blk)
                      : node         ? block_node_name(node)
                                     : "");
    }
    visit_type_str(v, name, &id, errp);
}

/* A backend of its own for a node that was made by blockdev-add. */
static BlockBackend *backend_of_node(const char *name, Error **errp)
{
    BlockNode *node = block_node_find(name);
    BlockBackend *blk = node ? blk_new(qemu_get_aio_context()) : NULL;

    if (blk && !blk_insert(blk, node, errp)) {
        blk_unref(blk);
        return NULL;
    }
    return blk;
}

void block_conf_drive_set(Object *obj, Visitor *v, const char *name,
                          void *opaque, Error **errp)
{
    BlockBackend **field = drive_field(obj, name);
    g_autoptr(BlockBackend) own = NULL;
    g_autofree char *id = NULL;
    BlockBackend *blk;
    DriveInfo *drive;
    Error *err = NULL;

    if (!visit_type_str(v, name, &id, errp)) {
        return;
    }
    if (*field) {
        error_setg(errp, "property '%s' is set already", name);
        return;
    }
    if (*id == '\0') {
        return;
    }
    blk = blk_by_name(id);
    if (!blk) {
        blk = own = backend_of_node(id, &err);
    }
    if (err) {
        error_propagate(errp, err);
        return;
    }
    if (!blk) {
        error_setg(errp, "Property '%s.%s' can't find value '%s'",
                   object_get_typename(obj), name, id);
        return;
    }
    if (blk_attach_dev(blk, obj, errp)) {
        *field = blk;
        drive = drive_of_blk(blk);
        if (drive) {
            drive->claimed = true;
        }
    }
}

bool block_conf_check_size(Object *obj, const Property *prop, const void *value,
                           Error **errp)
{
    uint64_t v = *(const uint64_t *)value;

    if (v && (v < BLOCK_SIZE_MIN || v > BLOCK_SIZE_MAX || !is_power_of_2(v))) {
        error_setg(errp,
                   "property '%s' must be a power of 2 from %u to %u, or 0",
                   prop->name, BLOCK_SIZE_MIN, BLOCK_SIZE_MAX);
        return false;
    }
    return true;
}

/* -- use ---------------------------------------------------------------------------------- */

static bool check_sizes(BlockConf *conf, Error **errp)
{
    if (!conf->logical_block_size) {
        conf->logical_block_size = BLK_SECTOR_SIZE;
    }
    if (!conf->physical_block_size) {
        conf->physical_block_size = MAX(conf->logical_block_size,
                                        blk_get_physical_block_size(conf->blk));
    }
    if (conf->logical_block_size > conf->physical_block_size) {
        error_setg(errp, "logical_block_size > physical_block_size not "
                         "supported");
        return false;
    }
    if (conf->min_io_size % conf->logical_block_size ||
        conf->opt_io_size % conf->logical_block_size ||
        (conf->discard_granularity != UINT32_MAX &&
         conf->discard_granularity % conf->logical_block_size)) {
        error_setg(errp, "min_io_size, opt_io_size and discard_granularity "
                         "must be multiples of logical_block_size");
        return false;
    }
    return true;
}

static bool apply_policies(BlockConf *conf, Error **errp)
{
    BlockdevOnError on_read = blk_get_on_error(conf->blk, true);
    BlockdevOnError on_write = blk_get_on_error(conf->blk, false);

    if (conf->rerror == BLOCKDEV_ON_ERROR_ENOSPC) {
        error_setg(errp, "rerror: a read does not end with 'enospc'");
        return false;
    }
    if (conf->rerror != BLOCKDEV_ON_ERROR_AUTO) {
        on_read = (BlockdevOnError)conf->rerror;
    }
    if (conf->werror != BLOCKDEV_ON_ERROR_AUTO) {
        on_write = (BlockdevOnError)conf->werror;
    }
    blk_set_on_error(conf->blk, on_read, on_write);
    if (conf->wce != ON_OFF_AUTO_AUTO) {
        blk_set_enable_write_cache(conf->blk, conf->wce == ON_OFF_AUTO_ON);
    }
    return true;
}

bool block_conf_realize(BlockConf *conf, DeviceState *dev, bool removable,
                        Error **errp)
{
    if (!conf->blk) {
        error_setg(errp, "drive property not set");
        return false;
    }
    if (!removable && !blk_is_inserted(conf->blk)) {
        error_setg(errp, "Device needs media, but drive is empty");
        return false;
    }
    return check_sizes(conf, errp) && apply_policies(conf, errp) &&
           blk_set_perm(conf->blk, blk_is_writable(conf->blk), conf->share_rw,
                        errp);
}

void block_conf_release(BlockConf *conf, DeviceState *dev)
{
    DriveInfo *drive;

    if (!conf->blk) {
        return;
    }
    drive = drive_of_blk(conf->blk);
    if (drive) {
        drive->claimed = false;
    }
    blk_detach_dev(conf->blk, dev);
    conf->blk = NULL;
}

BlockGeometry block_conf_geometry(int64_t bytes)
{
    uint64_t cylinders = (uint64_t)bytes / BLK_SECTOR_SIZE / (16 * 63);

    return (BlockGeometry){
        .cylinders = (uint32_t)CLAMP(cylinders, 2, 16383),
        .heads = 16,
        .sectors = 63,
    };
}
