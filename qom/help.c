/*
 * Help on objects, from their property tables.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"
#include "qapi/util.h"
#include "qom/object_interfaces.h"
#include "qom/types.h"
#include "util/error.h"
#include "util/keyval.h"

#include "object-internal.h"

#define HELP_COLUMN 24 /* where descriptions begin */

static char *default_text(const json_t *defval)
{
    if (json_is_string(defval) && !json_is_uint64_big(defval)) {
        return g_strdup(json_string_value(defval));
    }
    return g_string_free(qobject_to_json(defval), FALSE);
}

char *object_property_help(const char *name, const char *type, json_t *defval,
                           const char *description)
{
    GString *out = g_string_new(NULL);

    g_string_append_printf(out, "  %s=<%s>", name, type);
    if (description || defval) {
        while (out->len < HELP_COLUMN) {
            g_string_append_c(out, ' ');
        }
        g_string_append(out, " - ");
    }
    if (description) {
        g_string_append(out, description);
    }
    if (defval) {
        g_autofree char *text = default_text(defval);

        g_string_append_printf(out, "%s(default: %s)", description ? " " : "",
                               text);
    }
    return g_string_free(out, FALSE);
}

/* "client|server" for a short list of names, else the type's name. */
static char *type_text(const ObjectProperty *prop)
{
    const QEnumLookup *lookup = object_property_enum_lookup(prop);
    GString *out = g_string_new(NULL);

    for (int i = 0; lookup && i < lookup->size; i++) {
        if (lookup->array[i]) {
            g_string_append_printf(out, "%s%s", out->len ? "|" : "",
                                   lookup->array[i]);
        }
    }
    if (!out->len) {
        g_string_assign(out, prop->type);
    }
    return g_string_free(out, FALSE);
}

static char *description_text(const ObjectProperty *prop)
{
    const Property *line = prop->table;
    GString *out = g_string_new(prop->description);

    if (line && line->unit) {
        g_string_append_printf(out, "%s[%s]", out->len ? " " : "", line->unit);
    }
    if (line && (line->flags & PROP_F_REQUIRED)) {
        g_string_append_printf(out, "%s(required)", out->len ? " " : "");
    }
    if (line && (line->flags & PROP_F_DEPRECATED)) {
        g_string_append_printf(out, "%s(deprecated)", out->len ? " " : "");
    }
    if (!out->len) {
        g_string_free(out, TRUE);
        return NULL;
    }
    return g_string_free(out, FALSE);
}

static gint strp_cmp(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *object_class_help(ObjectClass *klass)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    ObjectPropertyIterator iter;
    ObjectProperty *prop;

    object_class_property_iter_init(&iter, klass);
    while ((prop = object_property_iter_next(&iter))) {
        if (!prop->set ||
            (prop->table && (prop->table->flags & PROP_F_HIDDEN))) {
            continue;
        }
        g_autofree char *type = type_text(prop);
        g_autofree char *description = description_text(prop);

        g_ptr_array_add(lines, object_property_help(prop->name, type,
                                                    prop->defval, description));
    }
    g_ptr_array_sort(lines, strp_cmp);
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < lines->len; i++) {
        g_string_append_printf(out, "%s\n", (char *)lines->pdata[i]);
    }
    return g_string_free(out, FALSE);
}

static char *list_types(void)
{
    GString *out = g_string_new("Objects:\n");
    g_autoptr(GSList) list =
        object_class_get_list_sorted(TYPE_USER_CREATABLE, false);

    for (GSList *e = list; e; e = e->next) {
        g_string_append_printf(out, "  %s\n", object_class_get_name(e->data));
    }
    return g_string_free(out, FALSE);
}

char *user_creatable_help(const char *str, Error **errp)
{
    bool help = false;

    if (str[0] == '{') {
        return NULL;
    }
    g_autoptr(json_t) opts = keyval_parse(str, "qom-type", &help, NULL);

    if (!opts || !help) {
        return NULL;
    }
    qom_register_types();
    const char *type = json_string_value(json_object_get(opts, "qom-type"));

    if (!type) {
        return list_types();
    }
    ObjectClass *klass = user_creatable_class(type, errp);

    if (!klass) {
        return NULL;
    }
    g_autofree char *lines = object_class_help(klass);

    if (!*lines) {
        return g_strdup_printf("There are no options for %s.\n", type);
    }
    return g_strdup_printf("%s options:\n%s", type, lines);
}
