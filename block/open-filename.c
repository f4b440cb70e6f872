/*
 * Images by name: what "disk.qcow2", "nbd://host/x" or "json:{...}" is, in
 * which format, and where the image below it is.
 *
 * A name becomes the options of a node. Where the format is not given, the file
 * is opened first and its first bytes decide; that file, and none that may have
 * its name later, becomes the child of the format.
 *
 * A raw image has no first bytes of its own: the guest could write the header
 * of another format, and at the next start be given whatever file that header
 * names. So a raw image that was only found to be raw does not take such a
 * header (format/raw.c), and the user is told.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/stat.h>

#include "block/graph-internal.h"
#include "block/types.h"
#include "qapi/json.h"
#include "util/cutils.h"
#include "util/error-report.h"
#include "util/error.h"

/* -- names ------------------------------------------------------------------------ */

/* Length of "nbd" in "nbd:...", or 0: a colon before any slash. */
static size_t scheme_len(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._");

    return n > 0 && name[n] == ':' ? n : 0;
}

static bool has_scheme(const BlockNodeClass *nc, const char *name, size_t len)
{
    const char *const *s = nc->uri_schemes;

    for (; s && *s; s++) {
        if (strlen(*s) == len && strncmp(*s, name, len) == 0) {
            return true;
        }
    }
    return false;
}

static BlockNodeClass *class_by_scheme(const char *name, size_t len)
{
    BlockNodeClass *found = NULL;
    GSList *list;

    block_register_types();
    list = object_class_get_list(TYPE_BLOCK_NODE, false);
    for (GSList *l = list; l && !found; l = l->next) {
        BlockNodeClass *nc = BLOCK_NODE_CLASS(l->data);

        if (has_scheme(nc, name, len)) {
            found = nc;
        }
    }
    g_slist_free(list);
    return found;
}

static json_t *options_of_json(const char *text, Error **errp)
{
    json_t *opts = qobject_from_json(text, errp);

    if (opts && !json_is_object(opts)) {
        json_decref(opts);
        error_setg(errp, "json: is not followed by an object");
        return NULL;
    }
    return opts;
}

static json_t *options_of_path(const char *name)
{
    struct stat st;
    bool device = stat(name, &st) == 0 && S_ISBLK(st.st_mode);

    return json_pack("{s:s,s:s}", "driver", device ? "host_device" : "file",
                     "filename", name);
}

json_t *block_filename_options(const char *filename, Error **errp)
{
    g_autoptr(json_t) opts = NULL;
    size_t len = scheme_len(filename);
    BlockNodeClass *nc;
    const char *rest;

    if (!g_utf8_validate(filename, -1, NULL)) {
        error_setg(errp, "the name of an image is not UTF-8");
        return NULL;
    }
    if (strstart(filename, "json:", &rest)) {
        return options_of_json(rest, errp);
    }
    if (*filename == '\0') {
        error_setg(errp, "A block device must be specified for \"file\"");
        return NULL;
    }
    if (len == 0) {
        return options_of_path(filename);
    }
    nc = class_by_scheme(filename, len);
    if (!nc) {
        error_setg(errp, "Unknown protocol '%.*s'", (int)len, filename);
        return NULL;
    }
    opts = json_pack("{s:s}", "driver", nc->driver);
    if (nc->parse_filename && !nc->parse_filename(filename, opts, errp)) {
        return NULL;
    }
    return g_steal_pointer(&opts);
}

json_t *block_json_to_text(const json_t *value)
{
    json_t *copy;
    const char *key;
    json_t *v;
    size_t i;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        copy = json_object();
        json_object_foreach((json_t *)value, key, v)
        {
            json_object_set_new(copy, key, block_json_to_text(v));
        }
        return copy;
    case JSON_ARRAY:
        copy = json_array();
        json_array_foreach((json_t *)value, i, v)
        {
            json_array_append_new(copy, block_json_to_text(v));
        }
        return copy;
    case JSON_TRUE:
    case JSON_FALSE:
        return json_string(json_is_true(value) ? "on" : "off");
    case JSON_INTEGER:
        return json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_REAL:
        return json_sprintf("%.17g", json_real_value(value));
    default:
        return json_incref((json_t *)value);
    }
}

char *block_resolve_filename(const char *image, const char *name, Error **errp)
{
    const char *rest = image;
    const char *slash;

    if (*name == '/' || scheme_len(name) > 0) {
        return g_strdup(name);
    }
    if (!strstart(image, "file:", &rest) && scheme_len(image) > 0) {
        error_setg(errp, "relative name '%s' cannot be resolved against '%s'",
                   name, image);
        return NULL;
    }
    slash = strrchr(rest, '/');
    return slash ? g_strdup_printf("%.*s/%s", (int)(slash - rest), rest, name)
                 : g_strdup(name);
}

/* -- format by content --------------------------------------------------------------- */

const char *block_probe_format(const uint8_t *buf, size_t len,
                               const char *filename)
{
    const char *best = "raw";
    int best_score = 0;
    GSList *list;

    block_register_types();
    list = object_class_get_list(TYPE_BLOCK_NODE, false);
    for (GSList *l = list; l; l = l->next) {
        BlockNodeClass *nc = BLOCK_NODE_CLASS(l->data);
        int score = nc->probe ? nc->probe(buf, len, filename) : 0;

        if (score > best_score) {
            best_score = score;
            best = nc->driver;
        }
    }
    g_slist_free(list);
    return best;
}

/* Formats that would be destroyed if they were taken for raw, and that no
 * driver here knows. */
static const char *foreign_format(const uint8_t *buf, size_t len)
{
    static const struct {
        size_t offset;
        const char *magic;
        const char *name;
    } table[] = {
        { 0, "QFI\xfb", "qcow2" },
        { 0, "LUKS\xba\xbe", "LUKS" },
        { 0, "KDMV", "VMDK" },
        { 0, "COWD", "VMDK" },
        { 0, "QED", "QED" },
        { 0, "conectix", "VPC" },
        { 0, "vhdxfile", "VHDX" },
        { 64, "\x7f\x10\xda\xbe", "VDI" },
        { 0, "WithoutFreeSpace", "Parallels" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        size_t n = strlen(table[i].magic);

        if (len >= table[i].offset + n &&
            memcmp(buf + table[i].offset, table[i].magic, n) == 0) {
            return table[i].name;
        }
    }
    return NULL;
}

static const char *probe_node(BlockNode *file, Error **errp)
{
    g_autofree uint8_t *buf = g_malloc0(NODE_PROBE_BYTES);
    g_autofree char *name = node_path(file);
    int64_t len = MIN(NODE_PROBE_BYTES, block_node_length(file));
    const char *format;
    const char *foreign;
    int ret = node_pread(file, 0, len, buf);

    if (ret < 0) {
        error_setg_errno(errp, -ret,
                         "Could not read image '%s' to determine its format",
                         name);
        return NULL;
    }
    format = block_probe_format(buf, (size_t)len, name);
    foreign =
        g_str_equal(format, "raw") ? foreign_format(buf, (size_t)len) : NULL;
    if (foreign) {
        error_setg(errp,
                   "'%s' is not a raw image: it has the format %s, which "
                   "is not supported",
                   name, foreign);
        error_append_hint(errp, "With format=raw it is taken for one.\n");
        return NULL;
    }
    return format;
}

static void warn_of_raw(const BlockNode *node)
{
    g_autofree char *name = NULL;

    if (node->read_only) {
        return;
    }
    name = node_path((BlockNode *)node);
    warn_report("image format was not specified for '%s' and probing guessed "
                "raw; this is dangerous, so writes to its first block are "
                "restricted; specify the format 'raw' to lift that",
                name);
}

/* What the file would have from its format, were that there already. */
static void pass_down(json_t *file, const json_t *top, const NodeOpening *how)
{
    static const char *const keys[] = { "read-only", "auto-read-only",
                                        "force-share", "cache" };
    static const char *const discard = "unmap";

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        json_t *v = json_object_get(top, keys[i]);

        if (v && !json_object_get(file, keys[i])) {
            json_object_set(file, keys[i], v);
        }
    }
    if (!how->parent && !json_object_get(file, "discard")) {
        json_object_set_new(file, "discard", json_string(discard));
    }
    if ((how->role & NODE_ROLE_COW) && !json_object_get(file, "read-only")) {
        json_object_set_new(file, "read-only",
                            how->keyval ? json_string("on") : json_true());
    }
}

/* The node of "file": (transfer full). */
static BlockNode *open_file(const json_t *top, const NodeOpening *how,
                            Error **errp)
{
    NodeOpening file_how = *how;
    json_t *ref = json_object_get(top, "file");
    const char *name = json_string_value(json_object_get(top, "filename"));
    g_autoptr(json_t) file = NULL;
    BlockNode *node;

    if (json_is_string(ref)) {
        node = block_node_find(json_string_value(ref));
        if (!node || !node->is_open) {
            error_setg(errp, "Cannot find node '%s'", json_string_value(ref));
            return NULL;
        }
        block_node_ref(node);
        return node;
    }
    if (ref) {
        file = json_copy(ref);
        name = json_string_value(json_object_get(file, "filename"));
    } else {
        file = json_object();
    }
    if (!json_is_object(file) || (!name && !json_object_get(file, "driver"))) {
        error_setg(errp, "A block device must be specified for \"file\"");
        return NULL;
    }
    if (!json_object_get(file, "driver")) {
        g_autoptr(json_t) meant = block_filename_options(name, errp);
        g_autoptr(json_t) text = NULL;

        if (!meant) {
            return NULL;
        }
        text = how->keyval ? block_json_to_text(meant) : json_incref(meant);
        json_object_del(file, "filename");
        json_object_update_missing(file, text);
    }
    pass_down(file, top, how);
    file_how.role &= ~(unsigned)NODE_ROLE_COW;
    file_how.flags = 0;
    return node_create(file, &file_how, errp);
}

BlockNode *node_create_probed(const json_t *options, const NodeOpening *how,
                              Error **errp)
{
    g_autoptr(json_t) opts = json_copy((json_t *)options);
    BlockNode *file = open_file(opts, how, errp);
    const char *driver = file ? probe_node(file, errp) : NULL;
    BlockNode *node = NULL;

    if (driver) {
        bool raw = g_str_equal(driver, "raw");
        NodeOpening known = *how;

        json_object_del(opts, "filename");
        json_object_set_new(opts, "driver", json_string(driver));
        json_object_set_new(opts, "file", json_string(block_node_name(file)));
        known.flags |= raw ? NODE_OPEN_PROBED : 0u;
        node = node_create(opts, &known, errp);
        if (node && raw) {
            warn_of_raw(node);
        }
    }
    block_node_unref(file); /* its format has its own reference */
    return node;
}

/* -- opening ------------------------------------------------------------------------------ */

static BlockNode *open_options(const json_t *opts, const NodeOpening *how,
                               Error **errp)
{
    return json_object_get(opts, "driver")
               ? node_create(opts, how, errp)
               : node_create_probed(opts, how, errp);
}

BlockNode *block_open_options(const json_t *opts, bool keyval,
                              unsigned open_flags, AioContext *ctx,
                              Error **errp)
{
    NodeOpening how = { .keyval = keyval, .ctx = ctx, .flags = open_flags };

    return open_options(opts, &how, errp);
}

/*
 * Options of the node of @file (options of a name) in @format. Changes @opts;
 * leaves without "driver" what is to be probed.
 */
static bool apply_format(json_t *opts, json_t *file, const char *format,
                         bool is_json, Error **errp)
{
    const char *driver = json_string_value(json_object_get(file, "driver"));
    BlockNodeClass *nc = NULL;

    if (is_json) {
        if (driver && format && !g_str_equal(driver, format)) {
            error_setg(errp, "Driver specified twice: '%s' and '%s'", driver,
                       format);
            return false;
        }
        json_object_update_missing(opts, file);
        if (format && !driver) {
            json_object_set_new(opts, "driver", json_string(format));
        }
        return true;
    }
    if (format) {
        nc = node_class_by_driver(format, errp);
        if (!nc) {
            return false;
        }
    }
    if (nc && !nc->is_format && !nc->is_filter) {
        json_object_update_missing(opts, file); /* "-f file": no format */
        json_object_set_new(opts, "driver", json_string(format));
        return true;
    }
    json_object_set(opts, "file", file);
    if (format) {
        json_object_set_new(opts, "driver", json_string(format));
    }
    return true;
}

static BlockNode *open_named(const char *filename, const char *format,
                             const json_t *extra, const NodeOpening *how,
                             Error **errp)
{
    g_autoptr(json_t) meant = block_filename_options(filename, errp);
    g_autoptr(json_t) file = NULL;
    g_autoptr(json_t) opts = NULL;

    if (!meant) {
        return NULL;
    }
    file = how->keyval ? block_json_to_text(meant) : json_incref(meant);
    opts = extra ? json_copy((json_t *)extra) : json_object();
    if (!apply_format(opts, file, format, g_str_has_prefix(filename, "json:"),
                      errp)) {
        return NULL;
    }
    return open_options(opts, how, errp);
}

BlockNode *block_open_filename(const char *filename, const char *format,
                               const json_t *opts, bool keyval,
                               unsigned open_flags, AioContext *ctx,
                               Error **errp)
{
    NodeOpening how = { .keyval = keyval, .ctx = ctx, .flags = open_flags };

    return open_named(filename, format, opts, &how, errp);
}

BlockNode *node_open_backing_named(const BlockNode *parent,
                                   const char *filename, const char *format,
                                   Error **errp)
{
    NodeOpening how = node_opening_child(parent, false, NODE_ROLE_COW);

    return open_named(filename, format, NULL, &how, errp);
}
