/*
 * Disks from the command line.
 *
 * Options are only noted; images are opened with the back ends, and drives
 * with if=virtio or if=ide become devices when the machine is there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "drives.h"

#include "block/block-node.h"
#include "block/drive.h"
#include "block/export.h"
#include "block/job/job.h"
#include "hw/boards.h"
#include "hw/qdev-core.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "runstate.h"
#include "startup.h"

/* -- options ---------------------------------------------------------------------- */

static bool wants_help(const char *value)
{
    return g_str_equal(value, "help") || g_str_equal(value, "?");
}

static ParseResult note_drive(SystemConfig *c, const char *value, Error **errp)
{
    bool help = false;
    json_t *opts = drive_text_parse(value, &help, errp);

    if (!opts) {
        return PARSE_FAILED;
    }
    json_array_append_new(c->drives, opts);
    return PARSE_OK;
}

/* -hda FILE ... -hdd FILE, -cdrom FILE */
static ParseResult note_shorthand(SystemConfig *c, const char *name,
                                  const char *file)
{
    bool cd = g_str_equal(name, "cdrom");
    char index[2] = { cd ? '2' : (char)('0' + name[2] - 'a'), '\0' };

    json_array_append_new(c->drives,
                          json_pack("{s:s,s:s,s:s}", "file", file, "media",
                                    cd ? "cdrom" : "disk", "index", index));
    return PARSE_OK;
}

static ParseResult note_blockdev(SystemConfig *c, const char *value,
                                 Error **errp)
{
    g_autofree char *text = NULL;
    const char *comma = strchr(value, ',');
    const char *driver = value;

    if (g_str_has_prefix(value, "driver=")) {
        driver += strlen("driver=");
    }
    if (wants_help(value)) {
        text = blockdev_help(NULL, errp);
    } else if (comma && wants_help(comma + 1)) {
        g_autofree char *name = g_strndup(driver, (gsize)(comma - driver));

        text = blockdev_help(name, errp);
        if (!text) {
            return PARSE_FAILED;
        }
    }
    if (text) {
        fputs(text, stdout);
        return PARSE_DONE;
    }
    g_ptr_array_add(c->blockdevs, g_strdup(value));
    return PARSE_OK;
}

ParseResult drives_option(SystemConfig *config, const char *name,
                          const char *value, Error **errp)
{
    if (g_str_equal(name, "drive")) {
        return note_drive(config, value, errp);
    }
    if (g_str_equal(name, "blockdev")) {
        return note_blockdev(config, value, errp);
    }
    return note_shorthand(config, name, value);
}

/* -- images -------------------------------------------------------------------------- */

static void stop_machine(void *opaque)
{
    run_request_stop(RUN_STATE_IO_ERROR);
}

bool drives_open(System *s, Error **errp)
{
    SystemConfig *c = s->config;
    AioContext *ctx = qemu_get_aio_context();
    json_t *opts;
    size_t i;

    blk_set_stop_handler(stop_machine, NULL);
    for (guint n = 0; n < c->blockdevs->len; n++) {
        const char *text = g_ptr_array_index(c->blockdevs, n);
        Error *err = NULL;

        if (!blockdev_add_str(text, ctx, &err)) {
            error_propagate_prepend(errp, err, "-blockdev %s: ", text);
            return false;
        }
    }
    json_array_foreach(c->drives, i, opts)
    {
        const char *file = json_string_value(json_object_get(opts, "file"));
        Error *err = NULL;

        if (c->snapshot && !json_object_get(opts, "snapshot")) {
            json_object_set_new(opts, "snapshot", json_string("on"));
        }
        if (!drive_new(opts, IF_IDE, ctx, &err)) {
            error_propagate_prepend(errp, err,
                                    "-drive %s%s: ", file ? "file=" : "",
                                    file ? file : "");
            return false;
        }
    }
    return true;
}

void drives_close(void)
{
    block_exports_cleanup();
    job_cancel_sync_all();
    drives_cleanup();
    blockdevs_cleanup();
}

/* -- devices ------------------------------------------------------------------------- */

static bool plug_ide(const DriveInfo *d, json_t *opts, Error **errp)
{
    const char *driver = d->media_cd ? "ide-cd" : "ide-hd";
    g_autofree char *bus = g_strdup_printf("ide.%d", d->bus);
    g_autofree char *unit = g_strdup_printf("%d", d->unit);

    if (!object_class_by_name(driver)) {
        error_setg(errp, "this program has no '%s' devices", driver);
        return false;
    }
    json_object_set_new(opts, "driver", json_string(driver));
    json_object_set_new(opts, "bus", json_string(bus));
    json_object_set_new(opts, "unit", json_string(unit));
    return true;
}

static bool plug(const DriveInfo *d, Error **errp)
{
    g_autoptr(json_t) opts = json_pack("{s:s}", "drive", blk_name(d->blk));

    switch (d->type) {
    case IF_VIRTIO:
        json_object_set_new(opts, "driver", json_string("virtio-blk-pci"));
        break;
    case IF_IDE:
        if (!plug_ide(d, opts, errp)) {
            return false;
        }
        break;
    case IF_NONE:
    case IF_PFLASH:
        return true; /* a -device, or the board itself */
    default:
        error_setg(errp, "machine type does not support if=%s,bus=%d,unit=%d",
                   drive_if_name(d->type), d->bus, d->unit);
        return false;
    }
    return qdev_device_add_json(opts, errp) != NULL;
}

bool drives_plug(System *s, Error **errp)
{
    for (DriveInfo *d = drive_next(NULL); d; d = drive_next(d)) {
        Error *err = NULL;

        if (!d->claimed && machine_has_devices(s->machine) && !plug(d, &err)) {
            error_propagate_prepend(errp, err,
                                    "-drive id=%s: ", blk_name(d->blk));
            return false;
        }
    }
    return true;
}
