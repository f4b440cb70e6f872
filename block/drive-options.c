/*
 * -drive: from its keys to a place, and options of nodes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/drive-internal.h"
#include "block/graph-internal.h"
#include "qapi/util.h"
#include "util/cutils.h"
#include "util/error.h"

typedef struct CacheMode {
    const char *name;
    bool direct;
    bool no_flush;
    bool write_cache;
} CacheMode;

static const CacheMode cache_modes[] = {
    { "none", true, false, true },
    { "off", true, false, true },
    { "directsync", true, false, false },
    { "writeback", false, false, true },
    { "unsafe", false, true, true },
    { "writethrough", false, false, false },
};

/* Keys of the file, where it is one. */
static const char *const file_keys[] = { "aio", "locking", NULL };

/* What is the drive's; the rest are options of the node. */
static const char *const own_keys[] = {
    "if",
    "index",
    "bus",
    "unit",
    "media",
    "id",
    "file",
    "format",
    "driver",
    "cache",
    "serial",
    "readonly",
    "werror",
    "rerror",
    "copy-on-read",
    "snapshot",
    "aio",
    "locking",
    "read-only",
    "stats-account-invalid",
    "stats-account-failed",
    NULL,
};

static const char *const if_names[IF_COUNT] = {
    [IF_NONE] = "none",     [IF_IDE] = "ide",       [IF_VIRTIO] = "virtio",
    [IF_FLOPPY] = "floppy", [IF_PFLASH] = "pflash", [IF_SCSI] = "scsi",
    [IF_SD] = "sd",         [IF_MTD] = "mtd",
};

const char *drive_if_name(BlockInterfaceType type)
{
    return if_names[type];
}

int drive_max_devs(BlockInterfaceType type)
{
    return type == IF_IDE ? 2 : type == IF_SCSI ? 7 : 0;
}

/* -- reading leaves ----------------------------------------------------------------- */

static const char *text(const json_t *opts, const char *key)
{
    return json_string_value(json_object_get(opts, key));
}

static bool get_bool(const json_t *opts, const char *key, bool *ret,
                     Error **errp)
{
    const char *t = text(opts, key);

    return !t || qapi_bool_parse(key, t, ret, errp);
}

static bool get_number(const json_t *opts, const char *key, int *ret,
                       Error **errp)
{
    const char *t = text(opts, key);
    unsigned v;

    if (!t) {
        return true;
    }
    if (qemu_strtoui(t, NULL, 10, &v) < 0 || v > INT_MAX) {
        error_setg(errp, "Parameter '%s' expects a number", key);
        return false;
    }
    *ret = (int)v;
    return true;
}

/* Those of the node are checked where it is made. */
static bool check_keys(const json_t *opts, Error **errp)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)opts, key, value)
    {
        bool nested = g_str_equal(key, "file") || g_str_equal(key, "cache");

        if (g_strv_contains(own_keys, key) && !json_is_string(value) &&
            !(nested && json_is_object(value))) {
            error_setg(errp, "Parameter '%s' must be a string", key);
            return false;
        }
    }
    return true;
}

/* -- place ------------------------------------------------------------------------------ */

static bool read_type(DriveOptions *o, const json_t *opts,
                      BlockInterfaceType default_type, Error **errp)
{
    const char *name = text(opts, "if");

    o->type = default_type;
    if (!name) {
        return true;
    }
    for (int i = 0; i < IF_COUNT; i++) {
        if (g_str_equal(name, if_names[i])) {
            o->type = (BlockInterfaceType)i;
            return true;
        }
    }
    error_setg(errp, "unsupported bus type '%s'", name);
    return false;
}

static bool read_place(DriveOptions *o, const json_t *opts, Error **errp)
{
    int max = drive_max_devs(o->type);
    int index = -1;

    o->bus = 0;
    o->unit = -1;
    if (!get_number(opts, "index", &index, errp) ||
        !get_number(opts, "bus", &o->bus, errp) ||
        !get_number(opts, "unit", &o->unit, errp)) {
        return false;
    }
    if (index >= 0) {
        if (o->unit >= 0 || text(opts, "bus")) {
            error_setg(errp, "index cannot be used with bus and unit");
            return false;
        }
        o->bus = max ? index / max : 0;
        o->unit = max ? index % max : index;
    }
    if (max && o->unit >= max) {
        error_setg(errp, "unit %d too big (max is %d)", o->unit, max - 1);
        return false;
    }
    return true;
}

static bool read_media(DriveOptions *o, const json_t *opts, Error **errp)
{
    const char *media = text(opts, "media") ?: "disk";

    if (!g_str_equal(media, "disk") && !g_str_equal(media, "cdrom")) {
        error_setg(errp, "'%s' invalid media", media);
        return false;
    }
    o->media_cd = g_str_equal(media, "cdrom");
    o->read_only = o->media_cd;
    if (!get_bool(opts, "readonly", &o->read_only, errp) ||
        !get_bool(opts, "read-only", &o->read_only, errp)) {
        return false;
    }
    if (o->media_cd) {
        o->read_only = true;
    }
    return true;
}

/* -- behaviour ----------------------------------------------------------------------------- */

static bool read_error_policy(const json_t *opts, const char *key,
                              BlockdevOnError *ret, Error **errp)
{
    const char *t = text(opts, key);
    Error *err = NULL;
    int v;

    if (!t) {
        return true;
    }
    v = qapi_enum_parse(&BlockdevOnError_lookup, t, -1, &err);
    if (err || v == BLOCKDEV_ON_ERROR_AUTO ||
        (v == BLOCKDEV_ON_ERROR_ENOSPC && key[0] == 'r')) {
        error_free(err);
        error_setg(errp, "'%s' invalid %s error action", t,
                   key[0] == 'r' ? "read" : "write");
        return false;
    }
    *ret = (BlockdevOnError)v;
    return true;
}

static bool read_behaviour(DriveOptions *o, const json_t *opts, Error **errp)
{
    o->count_invalid = true;
    o->count_failed = true;
    return get_bool(opts, "copy-on-read", &o->copy_on_read, errp) &&
           get_bool(opts, "snapshot", &o->snapshot, errp) &&
           get_bool(opts, "stats-account-invalid", &o->count_invalid, errp) &&
           get_bool(opts, "stats-account-failed", &o->count_failed, errp);
}

static bool read_cache(DriveOptions *o, const json_t *opts, json_t *node,
                       Error **errp)
{
    json_t *cache = json_object_get(opts, "cache");

    o->write_cache = true;
    if (json_is_object(cache)) {
        json_t *own = json_copy(cache);
        bool ok = get_bool(cache, "writeback", &o->write_cache, errp);

        json_object_del(own, "writeback");
        json_object_set_new(node, "cache", own);
        return ok;
    }
    if (!cache) {
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cache_modes); i++) {
        const CacheMode *m = &cache_modes[i];

        if (g_str_equal(json_string_value(cache), m->name)) {
            o->write_cache = m->write_cache;
            json_object_set_new(node, "cache",
                                json_pack("{s:s,s:s}", "direct",
                                          m->direct ? "on" : "off", "no-flush",
                                          m->no_flush ? "on" : "off"));
            return true;
        }
    }
    error_setg(errp, "invalid cache option");
    return false;
}

/* -- the image --------------------------------------------------------------------------------- */

static void copy_keys(json_t *to, const json_t *from, const char *const *keys)
{
    for (; *keys; keys++) {
        json_t *v = json_object_get(from, *keys);

        if (v) {
            json_object_set(to, *keys, v);
        }
    }
}

static void copy_node_keys(json_t *node, const json_t *opts)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)opts, key, value)
    {
        if (!g_strv_contains(own_keys, key)) {
            json_object_set(node, key, value);
        }
    }
}

/* aio= and locking= go to the file that they are about. */
static void add_file_keys(json_t *node, const json_t *opts)
{
    const char *driver = text(node, "driver");
    json_t *file = json_object_get(node, "file");

    if (driver &&
        (g_str_equal(driver, "file") || g_str_equal(driver, "host_device"))) {
        copy_keys(node, opts, file_keys);
    } else if (json_is_object(file)) {
        driver = text(file, "driver");
        if (!driver || g_str_equal(driver, "file") ||
            g_str_equal(driver, "host_device")) {
            copy_keys(file, opts, file_keys);
        }
    }
}

/* file=NAME: options of the node, or of what it is in. */
static bool add_named(json_t *node, const char *name, const char *format,
                      Error **errp)
{
    g_autoptr(json_t) meant = block_filename_options(name, errp);
    g_autoptr(json_t) file = NULL;
    BlockNodeClass *nc = NULL;

    if (!meant) {
        return false;
    }
    file = block_json_to_text(meant);
    if (g_str_has_prefix(name, "json:")) {
        json_object_update_missing(node, file);
        return true;
    }
    if (format) {
        nc = node_class_by_driver(format, errp);
        if (!nc) {
            return false;
        }
    }
    if (nc && !nc->is_format && !nc->is_filter) {
        json_object_update_missing(node, file); /* format=file */
    } else {
        json_object_set(node, "file", file);
    }
    return true;
}

static bool read_node(DriveOptions *o, const json_t *opts, Error **errp)
{
    const char *format = text(opts, "format") ?: text(opts, "driver");
    json_t *named = json_object_get(opts, "file");
    g_autoptr(json_t) node = json_object();

    if (text(opts, "format") && text(opts, "driver") &&
        !g_str_equal(text(opts, "format"), text(opts, "driver"))) {
        error_setg(errp, "Cannot specify both 'driver' and 'format'");
        return false;
    }
    copy_node_keys(node, opts);
    if (!read_cache(o, opts, node, errp)) {
        return false;
    }
    if (json_is_object(named)) {
        json_object_set_new(node, "file", json_copy(named));
    } else if (named && *json_string_value(named) != '\0') {
        if (!add_named(node, json_string_value(named), format, errp)) {
            return false;
        }
    } else if (!format) {
        json_object_del(node, "cache");
        if (json_object_size(node) > 0) {
            error_setg(errp, "-drive has no option '%s' without a 'file'",
                       json_object_iter_key(json_object_iter(node)));
            return false;
        }
        return true; /* an empty drive */
    } else if (named) {
        error_setg(errp, "A block device must be specified for \"file\"");
        return false;
    }
    if (format) {
        json_object_set_new(node, "driver", json_string(format));
    }
    json_object_set_new(node, "read-only",
                        json_string(o->read_only ? "on" : "off"));
    add_file_keys(node, opts);
    o->node = g_steal_pointer(&node);
    return true;
}

bool drive_options_read(DriveOptions *o, const json_t *opts,
                        BlockInterfaceType default_type, Error **errp)
{
    *o = (DriveOptions){
        .on_read = BLOCKDEV_ON_ERROR_REPORT,
        .on_write = BLOCKDEV_ON_ERROR_ENOSPC,
    };
    if (!check_keys(opts, errp) || !read_behaviour(o, opts, errp) ||
        !read_type(o, opts, default_type, errp) || !read_place(o, opts, errp) ||
        !read_media(o, opts, errp) ||
        !read_error_policy(opts, "rerror", &o->on_read, errp) ||
        !read_error_policy(opts, "werror", &o->on_write, errp) ||
        !read_node(o, opts, errp)) {
        return false;
    }
    o->id = g_strdup(text(opts, "id"));
    o->serial = g_strdup(text(opts, "serial"));
    return true;
}

void drive_options_clear(DriveOptions *o)
{
    g_clear_pointer(&o->id, g_free);
    g_clear_pointer(&o->serial, g_free);
    g_clear_pointer(&o->node, json_decref);
}
