/*
 * An image from nothing but a file name: ferry-img create, and QMP commands
 * that make their target.
 *
 * First the protocol's file is made, empty, then the format in it. Options of
 * -o belong to the format if it has one of that name, else to the file.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <unistd.h>

#include "block/block-internal.h"
#include "block/create-internal.h"
#include "block/create.h"
#include "qapi/json.h"
#include "qom/property.h"
#include "util/error.h"

/* All that is known about one image in the making. */
typedef struct Making {
    const BlockCreateImage *img;
    AioContext *ctx;
    BlockCreateClass *format;
    json_t *options;      /* of the format, by the properties' names */
    json_t *file_options; /* of the file */
    json_t *file;         /* {"driver":, "filename":}, to open it */
    const char *protocol;
    const char *made; /* path of a file that was not there before */
} Making;

static bool split_options(Making *m, Error **errp)
{
    const BlockCreateImage *img = m->img;
    g_autoptr(json_t) empty = json_object();
    g_autoptr(json_t) rest = NULL;
    ObjectClass *oc =
        create_class(TYPE_BLOCK_CREATE, img->format, "image creation", errp);
    ObjectClass *poc;

    if (!oc) {
        return false;
    }
    m->format = BLOCK_CREATE_CLASS(oc);
    m->options =
        create_map_options(oc, m->format->aliases,
                           img->options ? img->options : empty, &rest, errp);
    if (!m->options) {
        return false;
    }
    poc = create_class(TYPE_BLOCK_CREATE, m->protocol, "image creation", NULL);
    if (poc) {
        m->file_options = create_map_options(
            poc, BLOCK_CREATE_CLASS(poc)->aliases, rest, NULL, errp);
    } else if (json_object_size(rest)) {
        error_setg(errp, "Invalid parameter '%s'",
                   json_object_iter_key(json_object_iter(rest)));
    } else {
        m->file_options = json_object();
    }
    return m->file_options != NULL;
}

/* -- backing file ------------------------------------------------------------ */

static bool take_option(Making *m, const char *key, const char *value,
                        Error **errp)
{
    if (!value) {
        return true;
    }
    if (!m->format->has_backing) {
        error_setg(errp, "Backing file not supported for file format '%s'",
                   m->img->format);
        return false;
    }
    if (json_object_get(m->options, key)) {
        error_setg(errp, "Option '%s' is given twice", key);
        return false;
    }
    json_object_set_new(m->options, key, json_string(value));
    return true;
}

static bool same_name(const char *a, const char *b)
{
    return a && b && g_str_equal(a, b);
}

/* Opens the backing file, to see that it is there, and for its size. */
static bool open_backing(Making *m, const char *file, const char *format,
                         int64_t *ret_size, Error **errp)
{
    g_autoptr(json_t) opts = json_object();
    g_autofree char *path = NULL;
    BlockNode *node;

    path = block_resolve_filename(m->img->filename, file, errp);
    if (!path) {
        return false;
    }
    json_object_set_new(opts, "read-only", json_true());
    json_object_set_new(opts, "force-share", json_true());
    node = block_open_filename(path, format, opts, false, 0, m->ctx, errp);
    if (!node) {
        error_prepend(errp, "Could not open backing image '%s': ", path);
        return false;
    }
    *ret_size = block_node_length(node);
    block_node_unref(node);
    return true;
}

static bool check_backing(Making *m, int64_t *ret_size, Error **errp)
{
    const BlockCreateImage *img = m->img;
    const char *file, *format;

    if (!take_option(m, "backing-file", img->backing_file, errp) ||
        !take_option(m, "backing-fmt", img->backing_format, errp)) {
        return false;
    }
    file = json_string_value(json_object_get(m->options, "backing-file"));
    format = json_string_value(json_object_get(m->options, "backing-fmt"));
    if (file && !*file) {
        json_object_del(m->options, "backing-file");
        return true;
    }
    if (same_name(file, img->filename)) {
        error_setg(errp, "Trying to create an image with the same filename as "
                         "the backing file");
        return false;
    }
    if (file && !format) {
        error_setg(errp, "Backing file '%s' specified without backing format",
                   file);
        error_append_hint(errp, "Say what it is with -F: guessing would let "
                                "its contents decide.\n");
        return false;
    }
    return !file || img->no_backing_check ||
           open_backing(m, file, format, ret_size, errp);
}

static bool choose_size(Making *m, int64_t backing_size, Error **errp)
{
    uint64_t size;

    if (json_object_get(m->options, "size")) {
        if (m->img->size) {
            error_setg(errp, "The image size must be specified only once");
            return false;
        }
        return true;
    }
    if (m->img->size) {
        size = *m->img->size;
    } else if (backing_size >= 0) {
        size = (uint64_t)backing_size;
    } else {
        error_setg(errp, "Image creation needs a size parameter");
        return false;
    }
    if (size > INT64_MAX) {
        error_setg(errp, "Image size must be less than 8 EiB!");
        return false;
    }
    /* Options are text. */
    json_object_set_new(m->options, "size", json_sprintf("%" PRIu64, size));
    return true;
}

/* -- the file ---------------------------------------------------------------- */

static bool make_file(Making *m, Error **errp)
{
    g_autoptr(json_t) opts = NULL;
    const char *path;

    if (!block_create_is_supported(m->protocol)) {
        return true; /* an export, a device: it has to be there */
    }
    opts = json_copy(m->file_options);
    path = json_string_value(json_object_get(m->file, "filename"));
    json_object_set_new(opts, "filename", json_string(path));
    json_object_set_new(opts, "size", json_string("0"));
    if (access(path, F_OK) < 0 && errno == ENOENT) {
        m->made = path;
    }
    return block_create(m->protocol, opts, true, m->ctx, NULL, errp);
}

/* A block device is opened as one. */
static void set_driver(Making *m)
{
    const char *path = json_string_value(json_object_get(m->file, "filename"));
    struct stat st;

    if (g_str_equal(m->protocol, "file") && stat(path, &st) == 0 &&
        S_ISBLK(st.st_mode)) {
        json_object_set_new(m->file, "driver", json_string("host_device"));
    }
}

static bool make_format(Making *m, BlockProgress *progress, Error **errp)
{
    g_autoptr(json_t) opts = json_copy(m->options);

    set_driver(m);
    json_object_set(opts, "file", m->file);
    return block_create(m->img->format, opts, true, m->ctx, progress, errp);
}

/* An external data file is named by -o data_file=NAME, and made. */
static bool make_data_file(Making *m, Error **errp)
{
    json_t *value = json_object_get(m->options, "data-file");
    g_autoptr(json_t) opts = NULL;
    const char *name = json_string_value(value);

    if (!name) {
        return true;
    }
    if (same_name(name, m->img->filename)) {
        error_setg(errp, "The data file cannot be the image itself: '%s'",
                   name);
        return false;
    }
    opts = json_pack("{s:s,s:s}", "filename", name, "size", "0");
    if (!block_create("file", opts, true, m->ctx, NULL, errp)) {
        return false;
    }
    json_object_set_new(m->options, "data-file",
                        json_pack("{s:s,s:s}", "driver", "file", "filename",
                                  name));
    return true;
}

/* -- what it was made from ----------------------------------------------------- */

static void append_option(GString *out, const char *name, const json_t *value)
{
    const char *key;
    json_t *v;

    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, v)
        {
            g_autofree char *deeper = g_strdup_printf("%s.%s", name, key);

            append_option(out, deeper, v);
        }
        return;
    }
    g_string_append_printf(out, " %s=", name);
    if (json_is_string(value) && !json_is_uint64_big(value)) {
        g_string_append(out, json_string_value(value));
    } else if (json_is_boolean(value)) {
        g_string_append(out, json_is_true(value) ? "on" : "off");
    } else {
        GString *text = qobject_to_json(value);

        g_string_append(out, text->str);
        g_string_free(text, TRUE);
    }
}

/* Options that were given, and the defaults of the others. */
static char *describe(const Making *m)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GPtrArray) table = qom_property_table(OBJECT_CLASS(m->format));

    for (guint i = 0; i < table->len; i++) {
        const Property *p = g_ptr_array_index(table, i);
        json_t *given = json_object_get(m->options, p->name);
        g_autoptr(json_t) def = given ? NULL : property_default_json(p);
        g_autofree char *name = g_strdup(p->name);

        if (!m->format->keeps_dashes) {
            g_strdelimit(name, "-", '_');
        }
        if (!g_str_equal(p->name, "file") && (given || def)) {
            append_option(out, name, given ?: def);
        }
    }
    return g_string_free(out, FALSE);
}

/* -- all of it -------------------------------------------------------------------- */

static bool make(Making *m, BlockProgress *progress, char **ret_options,
                 Error **errp)
{
    g_autofree char *text = NULL;
    int64_t backing_size = -1;

    m->file = block_filename_options(m->img->filename, errp);
    if (!m->file) {
        return false;
    }
    m->protocol = json_string_value(json_object_get(m->file, "driver"));
    if (!split_options(m, errp) || !check_backing(m, &backing_size, errp) ||
        !choose_size(m, backing_size, errp)) {
        return false;
    }
    text = describe(m);
    if (!make_data_file(m, errp) || !make_file(m, errp)) {
        return false;
    }
    if (!make_format(m, progress, errp)) {
        if (m->made) {
            unlink(m->made);
        }
        return false;
    }
    if (ret_options) {
        *ret_options = g_steal_pointer(&text);
    }
    return true;
}

bool block_create_image(const BlockCreateImage *img, AioContext *ctx,
                        BlockProgress *progress, char **ret_options,
                        Error **errp)
{
    Making m = { .img = img, .ctx = ctx };
    bool ok = make(&m, progress, ret_options, errp);

    if (!ok) {
        error_prepend(errp, "%s: ", img->filename);
    }
    json_decref(m.options);
    json_decref(m.file_options);
    json_decref(m.file);
    return ok;
}
