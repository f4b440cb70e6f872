/*
 * Drives: a BlockBackend, its image, and its place on the board.
 *
 * The DriveInfo hangs from its BlockBackend, so that the list of drives is
 * that of the backends.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/drive.h"

#include "block/backend-internal.h"
#include "block/drive-internal.h"
#include "block/drive-overlay.h"
#include "util/error.h"
#include "util/id.h"

DriveInfo *drive_of_blk(BlockBackend *blk)
{
    return blk->drive;
}

DriveInfo *drive_next(DriveInfo *d)
{
    BlockBackend *blk = blk_next(d ? d->blk : NULL);

    while (blk && !blk->drive) {
        blk = blk_next(blk);
    }
    return blk ? blk->drive : NULL;
}

DriveInfo *drive_get(BlockInterfaceType type, int bus, int unit)
{
    for (DriveInfo *d = drive_next(NULL); d; d = drive_next(d)) {
        if (d->type == type && d->bus == bus && d->unit == unit) {
            return d;
        }
    }
    return NULL;
}

DriveInfo *drive_get_by_index(BlockInterfaceType type, int index)
{
    int max = drive_max_devs(type);

    return max ? drive_get(type, index / max, index % max)
               : drive_get(type, 0, index);
}

void drive_info_free(DriveInfo *d)
{
    g_free(d);
}

/* -- making -------------------------------------------------------------------------- */

static bool find_place(DriveOptions *o, Error **errp)
{
    int max = drive_max_devs(o->type);

    if (o->unit < 0) {
        o->unit = 0;
        while (drive_get(o->type, o->bus, o->unit)) {
            o->unit++;
            if (max && o->unit >= max) {
                o->unit = 0;
                o->bus++;
            }
        }
    }
    if (drive_get(o->type, o->bus, o->unit)) {
        error_setg(errp, "drive with bus=%d, unit=%d (index=%d) exists", o->bus,
                   o->unit, max ? o->bus * max + o->unit : o->unit);
        return false;
    }
    return true;
}

static void choose_id(DriveOptions *o)
{
    const char *kind = drive_if_name(o->type);

    if (o->id) {
        return;
    }
    if (drive_max_devs(o->type)) {
        o->id = g_strdup_printf("%s%d-%s%d", kind, o->bus,
                                o->media_cd ? "cd" : "hd", o->unit);
    } else {
        o->id = g_strdup_printf("%s%d", kind, o->unit);
    }
}

/* snapshot=on; what is only read needs nothing. */
static BlockNode *open_snapshot(BlockBackend *blk, const DriveOptions *o,
                                Error **errp)
{
    g_autoptr(json_t) opts = json_copy(o->node);
    BlockNode *base, *overlay;

    json_object_set_new(opts, "read-only", json_string("on"));
    base = block_open_options(opts, true, 0, blk->ctx, errp);
    if (!base) {
        return NULL;
    }
    overlay = block_temp_overlay(base, blk->ctx, errp);
    block_node_unref(base);
    return overlay;
}

/* copy-on-read=on: (transfer full) a filter above the node that @file names, or
 * describes (transfer full). */
static BlockNode *open_filter(BlockBackend *blk, json_t *file, Error **errp)
{
    g_autoptr(json_t) opts =
        json_pack("{s:s,s:o}", "driver", "copy-on-read", "file", file);

    return block_open_options(opts, true, 0, blk->ctx, errp);
}

static BlockNode *open_node(BlockBackend *blk, const DriveOptions *o,
                            Error **errp)
{
    BlockNode *node;
    BlockNode *filter;

    if (!o->snapshot || o->read_only) {
        return o->copy_on_read && !o->read_only
                   ? open_filter(blk, json_incref(o->node), errp)
                   : block_open_options(o->node, true, 0, blk->ctx, errp);
    }
    node = open_snapshot(blk, o, errp);
    if (!node || !o->copy_on_read) {
        return node;
    }
    filter = open_filter(blk, json_string(block_node_name(node)), errp);
    block_node_unref(node);
    return filter;
}

static bool open_medium(BlockBackend *blk, const DriveOptions *o, Error **errp)
{
    BlockNode *node = open_node(blk, o, errp);
    bool ok;

    if (!node) {
        return false;
    }
    ok = blk_insert(blk, node, errp);
    block_node_unref(node);
    return ok;
}

DriveInfo *drive_new(json_t *opts, BlockInterfaceType default_type,
                     AioContext *ctx, Error **errp)
{
    g_auto(DriveOptions) o = { 0 };
    g_autoptr(BlockBackend) blk = NULL;
    g_autoptr(json_t) rest = json_deep_copy(opts);
    g_autofree char *group = NULL;
    ThrottleConfig limits;
    DriveInfo *d;

    if (!throttle_config_from_drive(rest, &limits, &group, errp) ||
        !drive_options_read(&o, rest, default_type, errp) ||
        !find_place(&o, errp)) {
        return NULL;
    }
    choose_id(&o);
    if (!id_wellformed(o.id)) {
        error_setg(errp, "Parameter 'id' expects an identifier");
        return NULL;
    }
    blk = blk_new(ctx);
    if (!blk_set_name(blk, o.id, errp) ||
        (o.node && !open_medium(blk, &o, errp)) ||
        !blk_set_io_limits(blk, &limits, group ? group : o.id, errp)) {
        return NULL;
    }
    blk_set_enable_write_cache(blk, o.write_cache);
    blk_set_on_error(blk, o.on_read, o.on_write);
    blk_set_serial(blk, o.serial);
    blk->stats.skip_invalid = !o.count_invalid;
    blk->stats.skip_failed = !o.count_failed;
    d = g_new0(DriveInfo, 1);
    d->type = o.type;
    d->bus = o.bus;
    d->unit = o.unit;
    d->media_cd = o.media_cd;
    d->blk = blk;
    blk->drive = d;
    g_steal_pointer(&blk); /* the drive's, until drives_cleanup() */
    return d;
}

DriveInfo *drive_new_str(const char *text, BlockInterfaceType default_type,
                         AioContext *ctx, Error **errp)
{
    g_autoptr(json_t) opts = drive_text_parse(text, NULL, errp);

    return opts ? drive_new(opts, default_type, ctx, errp) : NULL;
}

void drives_cleanup(void)
{
    DriveInfo *d;

    while ((d = drive_next(NULL))) {
        BlockBackend *blk = d->blk;

        blk->drive = NULL;
        drive_info_free(d);
        blk_unref(blk);
    }
}
