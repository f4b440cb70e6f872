/*
 * QMP: trays and media of drives.
 *
 * A tray is the device's; it moves at a command, or when the guest wants it. A
 * tray that the guest has locked opens only by force, else the guest is asked.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/backend-internal.h"
#include "qapi/qapi-commands-block.h"
#include "qapi/qapi-events-block.h"
#include "util/error.h"

static const char *name_of(BlockBackend *blk, const char *id)
{
    return id ? id : blk->name;
}

static bool is_removable(BlockBackend *blk)
{
    return !blk->dev || (blk->ops && blk->ops->change_media);
}

static bool has_tray(BlockBackend *blk)
{
    return blk->dev && blk->ops && blk->ops->is_tray_open && blk->ops->set_tray;
}

static bool is_open(BlockBackend *blk)
{
    return has_tray(blk) && blk->ops->is_tray_open(blk->ops_opaque);
}

static void send_tray_moved(BlockBackend *blk, bool open)
{
    g_autofree char *id = blk_qdev_id(blk);

    qapi_event_send_device_tray_moved(blk->name, id ? id : "", open);
}

void blk_eject(BlockBackend *blk, bool eject)
{
    send_tray_moved(blk, eject);
}

static bool check_removable(BlockBackend *blk, const char *id, Error **errp)
{
    if (!is_removable(blk)) {
        error_setg(errp, "Device '%s' is not removable", name_of(blk, id));
        return false;
    }
    return true;
}

/* -- the tray ------------------------------------------------------------------------- */

/* Returns: 1 if the tray is open (or there is none), 0 if the guest was asked,
 * -1 on error. */
static int open_tray(BlockBackend *blk, const char *id, bool force,
                     Error **errp)
{
    bool locked = blk->ops && blk->ops->is_medium_locked &&
                  blk->ops->is_medium_locked(blk->ops_opaque);

    if (!check_removable(blk, id, errp)) {
        return -1;
    }
    if (!has_tray(blk) || is_open(blk)) {
        return 1;
    }
    if (locked && blk->ops->eject_request) {
        blk->ops->eject_request(blk->ops_opaque, force);
    }
    if (locked && !force) {
        return 0;
    }
    if (!is_open(blk)) {
        blk->ops->set_tray(blk->ops_opaque, true);
        send_tray_moved(blk, true);
    }
    return 1;
}

static bool must_open_tray(BlockBackend *blk, const char *id, bool force,
                           Error **errp)
{
    int ret = open_tray(blk, id, force, errp);

    if (ret == 0) {
        error_setg(errp,
                   "Device '%s' is locked and force was not specified, wait "
                   "for tray to open and try again",
                   name_of(blk, id));
    }
    return ret > 0;
}

static void close_tray(BlockBackend *blk)
{
    if (has_tray(blk) && is_open(blk)) {
        blk->ops->set_tray(blk->ops_opaque, false);
        send_tray_moved(blk, false);
    }
}

void qmp_blockdev_open_tray(const char *device, const char *id, bool has_force,
                            bool force, Error **errp)
{
    BlockBackend *blk = blk_find(device, id, errp);

    if (blk) {
        /* That the guest was asked is no error here. */
        open_tray(blk, device ? device : id, force, errp);
    }
}

void qmp_blockdev_close_tray(const char *device, const char *id, Error **errp)
{
    BlockBackend *blk = blk_find(device, id, errp);

    if (blk && check_removable(blk, device ? device : id, errp)) {
        close_tray(blk);
    }
}

/* -- media ----------------------------------------------------------------------------- */

static bool remove_medium(BlockBackend *blk, const char *id, Error **errp)
{
    if (!check_removable(blk, id, errp)) {
        return false;
    }
    if (has_tray(blk) && !is_open(blk)) {
        error_setg(errp, "Tray of device '%s' is not open", name_of(blk, id));
        return false;
    }
    if (blk->root.frozen) {
        error_setg(errp, "Device '%s' is used by a job", name_of(blk, id));
        return false;
    }
    blk_remove(blk);
    return true;
}

static bool insert_medium(BlockBackend *blk, BlockNode *node, const char *id,
                          Error **errp)
{
    if (!check_removable(blk, id, errp)) {
        return false;
    }
    if (has_tray(blk) && !is_open(blk)) {
        error_setg(errp, "Tray of device '%s' is not open", name_of(blk, id));
        return false;
    }
    if (blk->root.node) {
        error_setg(errp, "There already is a medium in device '%s'",
                   name_of(blk, id));
        return false;
    }
    return blk_insert(blk, node, errp);
}

void qmp_blockdev_remove_medium(const char *id, Error **errp)
{
    BlockBackend *blk = blk_find(NULL, id, errp);

    if (blk) {
        remove_medium(blk, id, errp);
    }
}

static bool is_used_by_device(const BlockNode *node)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (blk->root.node == node && (*blk->name || blk->dev)) {
            return true;
        }
    }
    return false;
}

void qmp_blockdev_insert_medium(const char *id, const char *node_name,
                                Error **errp)
{
    BlockBackend *blk = blk_find(NULL, id, errp);
    BlockNode *node = block_node_find(node_name);

    if (!blk) {
        return;
    }
    if (!node || !node->is_open) {
        error_setg(errp, "Node '%s' not found", node_name);
        return;
    }
    if (is_used_by_device(node)) {
        error_setg(errp, "Node '%s' is already in use", node_name);
        return;
    }
    insert_medium(blk, node, id, errp);
}

void qmp_eject(const char *device, const char *id, bool has_force, bool force,
               Error **errp)
{
    BlockBackend *blk = blk_find(device, id, errp);
    const char *name = device ? device : id;

    if (blk && must_open_tray(blk, name, force, errp)) {
        remove_medium(blk, name, errp);
    }
}

static BlockNode *open_medium(BlockBackend *blk, const char *filename,
                              const char *format,
                              BlockdevChangeReadOnlyMode mode, Error **errp)
{
    BlockNode *old = blk->root.node;
    bool read_only =
        mode == BLOCKDEV_CHANGE_READ_ONLY_MODE_READ_ONLY ||
        (mode == BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN &&
         (old ? old->read_only : blk->drive && blk->drive->media_cd));
    g_autoptr(json_t) opts = json_pack("{s:b}", "read-only", read_only);

    if (old) {
        json_object_set_new(opts, "cache",
                            json_pack("{s:b,s:b}", "direct", old->direct,
                                      "no-flush", old->no_flush));
        json_object_set_new(
            opts, "detect-zeroes",
            json_string(BlockdevDetectZeroesOptions_str(
                (BlockdevDetectZeroesOptions)old->detect_zeroes)));
        json_object_set_new(opts, "discard",
                            json_string(BlockdevDiscardOptions_str(
                                (BlockdevDiscardOptions)old->discard)));
    }
    return block_open_filename(filename, format, opts, false, 0, blk->ctx,
                               errp);
}

void qmp_blockdev_change_medium(const char *device, const char *id,
                                const char *filename, const char *format,
                                bool has_force, bool force,
                                bool has_read_only_mode,
                                BlockdevChangeReadOnlyMode read_only_mode,
                                Error **errp)
{
    BlockBackend *blk = blk_find(device, id, errp);
    const char *name = device ? device : id;
    BlockNode *node;

    if (!blk) {
        return;
    }
    node =
        open_medium(blk, filename, format,
                    has_read_only_mode ? read_only_mode
                                       : BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN,
                    errp);
    if (node && must_open_tray(blk, name, force, errp) &&
        remove_medium(blk, name, errp) &&
        insert_medium(blk, node, name, errp)) {
        close_tray(blk);
    }
    block_node_unref(node);
}
