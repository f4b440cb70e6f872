/*
 * The command line's form of a chardev: "KIND,id=ID,key=value,flag,...".
 *
 * Three steps. Bare words become key=on or key=off, which takes the class's
 * table to know what is a bool. keyval_parse() makes an object of it. Then
 * the class's ChardevCliOption table renames and nests ("host" is
 * addr.data.host, and makes addr an inet address), so that from here on there
 * is only QMP's form. QMP's own names work on the command line as well.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qom/property.h"
#include "util/error.h"
#include "util/id.h"
#include "util/keyval.h"
#include "util/option.h"

#include "char-internal.h"

static const ChardevCliOption *cli_find(ChardevClass *cc, const char *name,
                                        size_t len)
{
    for (const ChardevCliOption *o = cc->cli_options; o && o->name; o++) {
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0) {
            return o;
        }
    }
    return NULL;
}

static bool cli_is_bool(ChardevClass *cc, const char *name, size_t len)
{
    const ChardevCliOption *o = cli_find(cc, name, len);
    g_autoptr(GPtrArray) table = NULL;

    if (o) {
        return o->is_bool;
    }
    if (len == strlen("mux") && strncmp(name, "mux", len) == 0) {
        return true;
    }
    table = qom_property_table(OBJECT_CLASS(cc));
    for (guint i = 0; i < table->len; i++) {
        const Property *p = g_ptr_array_index(table, i);
        bool is_bool = p->kind == PROP_BOOL ||
                       (p->qapi_type && g_str_equal(p->qapi_type, "bool"));

        if (is_bool && strlen(p->name) == len &&
            strncmp(p->name, name, len) == 0) {
            return true;
        }
    }
    return false;
}

/* End of the pair that starts at @p: a comma that is not doubled, or NUL. */
static const char *pair_end(const char *p)
{
    while (*p && !(p[0] == ',' && p[1] != ',')) {
        p += p[0] == ',' ? 2 : 1;
    }
    return p;
}

/* "server" -> "server=on", "nowait" -> "wait=off", all else unchanged. */
static void expand_pair(ChardevClass *cc, const char *p, size_t len,
                        GString *out)
{
    if (memchr(p, '=', len)) {
        g_string_append_len(out, p, len);
    } else if (cli_is_bool(cc, p, len)) {
        g_string_append_len(out, p, len);
        g_string_append(out, "=on");
    } else if (len > 2 && p[0] == 'n' && p[1] == 'o' &&
               cli_is_bool(cc, p + 2, len - 2)) {
        g_string_append_len(out, p + 2, len - 2);
        g_string_append(out, "=off");
    } else {
        g_string_append_len(out, p, len);
    }
}

static char *expand_bare_words(ChardevClass *cc, const char *optarg)
{
    GString *out = g_string_new(NULL);
    const char *end = pair_end(optarg);

    /* The first pair may be the kind itself. */
    g_string_append_len(out, optarg, end - optarg);
    while (*end == ',') {
        const char *p = end + 1;

        end = pair_end(p);
        g_string_append_c(out, ',');
        expand_pair(cc, p, end - p, out);
    }
    return g_string_free(out, FALSE);
}

/* The kind, wherever it stands: first without key, or backend=KIND. */
static char *find_kind(const char *optarg)
{
    const char *p = optarg;
    bool first = true;

    for (;;) {
        const char *end = pair_end(p);
        g_autofree char *pair = g_strndup(p, end - p);

        if (g_str_has_prefix(pair, "backend=")) {
            return g_strdup(pair + strlen("backend="));
        }
        if (first && !strchr(pair, '=')) {
            return g_steal_pointer(&pair);
        }
        if (!*end) {
            return NULL;
        }
        first = false;
        p = end + 1;
    }
}

/* -- renaming ----------------------------------------------------------------- */

/* Sets @data.a.b.c; a member that is there already is a conflict. */
static bool set_path(json_t *data, const char *path, json_t *value,
                     const char *name, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(path, ".", -1);
    json_t *obj = data;
    json_t *old;
    int i = 0;

    for (; parts[i + 1]; i++) {
        json_t *next = json_object_get(obj, parts[i]);

        if (!next) {
            next = json_object();
            json_object_set_new(obj, parts[i], next);
        }
        if (!json_is_object(next)) {
            error_setg(errp, "'%s' conflicts with '%s'", name, parts[i]);
            return false;
        }
        obj = next;
    }
    old = json_object_get(obj, parts[i]);
    if (old && !json_equal(old, value)) {
        error_setg(errp, "'%s' conflicts with another option", name);
        return false;
    }
    json_object_set(obj, parts[i], value);
    return true;
}

/* "addr.type=inet" */
static bool set_selected(json_t *data, const ChardevCliOption *o, Error **errp)
{
    g_auto(GStrv) kv = NULL;
    g_autoptr(json_t) value = NULL;

    if (!o->select) {
        return true;
    }
    kv = g_strsplit(o->select, "=", 2);
    value = json_string(kv[1]);
    return set_path(data, kv[0], value, o->name, errp);
}

static json_t *negated(json_t *value)
{
    static const char *const pairs[][2] = {
        { "on", "off" }, { "yes", "no" }, { "true", "false" }, { "y", "n" }
    };

    if (json_is_boolean(value)) {
        return json_boolean(!json_is_true(value));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        for (int j = 0; j < 2; j++) {
            if (g_strcmp0(json_string_value(value), pairs[i][j]) == 0) {
                return json_string(pairs[i][!j]);
            }
        }
    }
    return json_incref(value); /* the visitor will refuse it */
}

/* Members of @flat, which have the command line's names, to QMP's. */
static json_t *rename_members(ChardevClass *cc, json_t *flat, Error **errp)
{
    g_autoptr(json_t) data = json_object();
    const char *key;
    json_t *value;

    json_object_foreach(flat, key, value)
    {
        const ChardevCliOption *o = cli_find(cc, key, strlen(key));
        g_autoptr(json_t) v = NULL;

        if (!o) {
            if (!set_path(data, key, value, key, errp)) {
                return NULL;
            }
            continue;
        }
        v = o->negate ? negated(value) : json_incref(value);
        if (!set_path(data, o->member, v, o->name, errp) ||
            !set_selected(data, o, errp)) {
            return NULL;
        }
    }
    if (cc->cli_complete && !cc->cli_complete(data, errp)) {
        return NULL;
    }
    return g_steal_pointer(&data);
}

/* -- text -> backend -------------------------------------------------------------- */

static bool take_mux(json_t *flat, bool *mux, Error **errp)
{
    json_t *v = json_object_get(flat, "mux");
    g_autoptr(json_t) off = NULL;
    const char *s;

    *mux = false;
    if (!v) {
        return true;
    }
    s = json_string_value(v);
    if (json_is_true(v) ||
        (s && (g_str_equal(s, "on") || g_str_equal(s, "yes") ||
               g_str_equal(s, "true")))) {
        *mux = true;
    } else if (!json_is_false(v) &&
               !(s && (g_str_equal(s, "off") || g_str_equal(s, "no") ||
                       g_str_equal(s, "false")))) {
        error_setg(errp, "parameter 'mux' expects 'on' or 'off'");
        return false;
    }
    json_object_del(flat, "mux");
    return true;
}

static bool take_id(json_t *flat, char **ret_id, Error **errp)
{
    json_t *v = json_object_get(flat, "id");

    if (!json_is_string(v)) {
        error_setg(errp, "a chardev needs an id");
        return false;
    }
    *ret_id = g_strdup(json_string_value(v));
    json_object_del(flat, "id");
    return true;
}

/* @flat loses what is not an option of the class. */
static json_t *backend_from_flat(json_t *flat, bool keyval, char **ret_id,
                                 Error **errp)
{
    g_autoptr(json_t) data = NULL;
    g_autofree char *id = NULL;
    g_autofree char *kind = NULL;
    ChardevClass *cc;
    bool mux;

    kind = g_strdup(json_string_value(json_object_get(flat, "backend")));
    if (!kind) {
        error_setg(errp, "a chardev needs a backend");
        return NULL;
    }
    json_object_del(flat, "backend");
    cc = chardev_class_by_kind(kind, errp);
    if (!cc || !take_id(flat, &id, errp) || !take_mux(flat, &mux, errp)) {
        return NULL;
    }
    data = rename_members(cc, flat, errp);
    if (!data) {
        return NULL;
    }
    *ret_id = g_steal_pointer(&id);
    return json_pack("{s:s, s:O, s:b, s:b}", "type", kind, "data", data,
                     "keyval", keyval, "mux", mux);
}

static json_t *parse_json(const char *text, char **ret_id, Error **errp)
{
    g_autoptr(json_t) obj = qobject_from_json(text, errp);
    json_t *backend = obj ? json_object_get(obj, "backend") : NULL;

    if (!obj) {
        return NULL;
    }
    if (!json_is_object(obj)) {
        error_setg(errp, "a chardev in JSON is an object");
        return NULL;
    }
    if (!json_is_object(backend)) {
        return backend_from_flat(obj, false, ret_id, errp);
    }
    if (!take_id(obj, ret_id, errp)) {
        return NULL;
    }
    return json_incref(backend);
}

json_t *qemu_chr_parse_cli(const char *optarg, char **ret_id, bool *help,
                           Error **errp)
{
    g_autofree char *kind = NULL;
    g_autofree char *text = NULL;
    g_autoptr(json_t) flat = NULL;
    ChardevClass *cc;

    *help = false;
    *ret_id = NULL;
    if (*optarg == '{') {
        return parse_json(optarg, ret_id, errp);
    }
    kind = find_kind(optarg);
    if (has_help_option(optarg)) {
        *help = true;
        return NULL;
    }
    if (!kind) {
        error_setg(errp, "a chardev needs a backend");
        return NULL;
    }
    cc = chardev_class_by_kind(kind, errp);
    if (!cc) {
        return NULL;
    }
    text = expand_bare_words(cc, optarg);
    flat = keyval_parse(text, "backend", NULL, errp);
    return flat ? backend_from_flat(flat, true, ret_id, errp) : NULL;
}

/* -- help -------------------------------------------------------------------------- */

static void help_kind(const char *kind, ChardevClass *cc, void *opaque)
{
    g_string_append_printf(opaque, "  %-10s %s\n", kind,
                           cc->help ? cc->help : "");
}

static void help_options(ChardevClass *cc, GString *out)
{
    g_autoptr(GPtrArray) table = qom_property_table(OBJECT_CLASS(cc));

    for (const ChardevCliOption *o = cc->cli_options; o && o->name; o++) {
        g_string_append_printf(out, "  %-18s %s (QMP: %s%s)\n", o->name,
                               o->help ? o->help : "", o->negate ? "not " : "",
                               o->member);
    }
    for (guint i = 0; i < table->len; i++) {
        const Property *p = g_ptr_array_index(table, i);
        g_autofree char *type = NULL;

        if (p->flags & PROP_F_HIDDEN) {
            continue;
        }
        type = property_type_name(p);
        g_string_append_printf(out, "  %-18s <%s> %s", p->name, type,
                               p->help ? p->help : "");
        if (p->def) {
            g_string_append_printf(out, " (default: %s)", p->def);
        }
        g_string_append(out, p->flags & PROP_F_DEPRECATED ? " [deprecated]\n"
                                                          : "\n");
    }
    g_string_append_printf(
        out, "  %-18s <bool> share it between several front ends\n", "mux");
}

char *qemu_chr_help(const char *kind, Error **errp)
{
    g_autoptr(GString) out = g_string_new(NULL);
    ChardevClass *cc;

    if (!kind) {
        g_string_append(out, "Character devices:\n");
        qemu_chr_foreach_kind(help_kind, out);
    } else {
        cc = chardev_class_by_kind(kind, errp);
        if (!cc) {
            return NULL;
        }
        g_string_append_printf(out, "%s options:\n", kind);
        help_options(cc, out);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

char *qemu_chr_help_for(const char *optarg)
{
    g_autofree char *kind = NULL;

    if (*optarg == '{' || !has_help_option(optarg)) {
        return NULL;
    }
    kind = find_kind(optarg);
    if (!kind || is_help_option(kind)) {
        return qemu_chr_help(NULL, NULL);
    }
    return qemu_chr_help(kind, NULL);
}
