/*
 * -drive: from its keys to a place, and options of nodes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/stat.h>

#include "qapi/json.h"
#include "qapi/util.h"
#include "util/cutils.h"
#include "util/error.h"

#include "drive-internal.h"

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

/* Keys of the root node that are handed on as they are. */
static const char *const node_keys[] = { "discard", "detect-zeroes",
                                         "node-name", "force-share", NULL };
/* Keys of the file. */
static const char *const file_keys[] = { "aio", "locking", NULL };

/* What this drive takes; and what it refuses with a reason. */
static const char *const own_keys[] = {
    "if",           "index",          "bus",    "unit",     "media", "id",
    "file",         "format",         "driver", "readonly", "cache", "serial",
    "read-only",    "werror",         "rerror", "offset",   "size",  "snapshot",
    "copy-on-read", "auto-read-only", NULL,
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

static bool check_keys(const json_t *opts, Error **errp)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)opts, key, value)
    {
        bool nested = g_str_equal(key, "file") || g_str_equal(key, "cache");

        if (!g_strv_contains(own_keys, key) &&
            !g_strv_contains(node_keys, key) &&
            !g_strv_contains(file_keys, key)) {
            error_setg(errp, "-drive has no option '%s'", key);
            return false;
        }
        if (!json_is_string(value) && !(nested && json_is_object(value))) {
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

static bool refuse(const json_t *opts, Error **errp)
{
    static const char *const keys[] = { "snapshot", "copy-on-read" };

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        bool on = false;

        if (!get_bool(opts, keys[i], &on, errp)) {
            return false;
        }
        if (on) {
            error_setg(errp, "-drive %s=on is not available", keys[i]);
            return false;
        }
    }
    return true;
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

static bool has_unknown_protocol(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+-_");

    return n > 0 && name[n] == ':' && !g_str_has_prefix(name, "file:");
}

/* The node of a name: "disk.img", "json:{...}", "null-co://". */
static json_t *node_of_name(const char *name, Error **errp)
{
    struct stat st;
    const char *rest;

    if (strstart(name, "json:", &rest)) {
        json_t *node = qobject_from_json(rest, errp);

        if (node && !json_is_object(node)) {
            json_decref(node);
            error_setg(errp, "json: is not followed by an object");
            return NULL;
        }
        return node;
    }
    if (g_str_equal(name, "null-co://") || g_str_equal(name, "null-aio://")) {
        return json_pack("{s:s%}", "driver", name, strlen(name) - 3);
    }
    if (has_unknown_protocol(name)) {
        error_setg(errp, "Unknown protocol '%.*s'",
                   (int)(strchr(name, ':') - name), name);
        return NULL;
    }
    return json_pack("{s:s,s:s}", "driver",
                     stat(name, &st) == 0 && S_ISBLK(st.st_mode) ? "host_device"
                                                                 : "file",
                     "filename", name);
}

/* Formats that would be destroyed if they were taken for raw. */
static bool looks_formatted(const char *name)
{
    static const char magic[][5] = { "QFI\xfb", "LUKS", "KDMV", "QED" };
    char head[4];
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof(head), 0);

    fd_close(fd);
    for (size_t i = 0; n == sizeof(head) && i < G_N_ELEMENTS(magic); i++) {
        if (memcmp(head, magic[i], sizeof(head)) == 0) {
            return true;
        }
    }
    return false;
}

static bool choose_format(json_t *node, const json_t *opts, const json_t *file,
                          Error **errp)
{
    const char *format = text(opts, "format") ?: text(opts, "driver");
    const char *name = text(file, "filename");

    if (!format && name && looks_formatted(name)) {
        error_setg(errp, "'%s' is not a raw image", name);
        error_append_hint(errp, "With format=raw it is taken for one.\n");
        return false;
    }
    json_object_set_new(node, "driver", json_string(format ?: "raw"));
    return true;
}

static bool read_node(DriveOptions *o, const json_t *opts, Error **errp)
{
    json_t *named = json_object_get(opts, "file");
    g_autoptr(json_t) node = json_object();
    g_autoptr(json_t) file = NULL;

    if (!read_cache(o, opts, node, errp)) {
        return false;
    }
    if (!named || (json_is_string(named) && !*json_string_value(named))) {
        if (text(opts, "format") || text(opts, "driver")) {
            error_setg(errp, "A block device must be specified for \"file\"");
            return false;
        }
        return true; /* an empty drive */
    }
    file = json_is_object(named) ? json_copy(named)
                                 : node_of_name(json_string_value(named), errp);
    if (!file) {
        return false;
    }
    if (!text(file, "driver")) {
        json_object_set_new(file, "driver", json_string("file"));
    }
    copy_keys(file, opts, file_keys);
    copy_keys(node, opts, node_keys);
    copy_keys(node, opts,
              (const char *const[]){ "offset", "size", "auto-read-only",
                                     NULL });
    json_object_set_new(node, "read-only",
                        json_string(o->read_only ? "on" : "off"));
    if (!choose_format(node, opts, file, errp)) {
        return false;
    }
    json_object_set(node, "file", file);
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
    if (!check_keys(opts, errp) || !refuse(opts, errp) ||
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
