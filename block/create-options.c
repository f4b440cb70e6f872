/*
 * Options of image creation as people write them after -o.
 *
 * The properties of a creation class have the names of BlockdevCreateOptions
 * ("cluster-size"); -o spells them with underscores ("cluster_size"), and has
 * a few names and values of its own, which the class lists as aliases
 * ("compat=1.1" for version=v3). Both spellings are taken.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/create-internal.h"
#include "qapi/json.h"
#include "qom/property.h"
#include "util/error.h"

static const BlockCreateAlias *find_alias(const BlockCreateAlias *a,
                                          const char *key)
{
    for (; a && a->legacy; a++) {
        if (g_str_equal(a->legacy, key)) {
            return a;
        }
    }
    return NULL;
}

const char *create_find_option(ObjectClass *klass,
                               const BlockCreateAlias *aliases, const char *key)
{
    const BlockCreateAlias *alias = find_alias(aliases, key);
    g_autofree char *dashed = g_strdelimit(g_strdup(key), "_", '-');
    ObjectProperty *prop;

    if (alias) {
        return alias->name;
    }
    prop = object_class_property_find(klass, key);
    if (!prop) {
        prop = object_class_property_find(klass, dashed);
    }
    return prop && prop->set ? prop->name : NULL;
}

static json_t *map_value(const BlockCreateAlias *alias, json_t *value)
{
    const char *text = json_string_value(value);

    for (const char *const *v = alias ? alias->values : NULL; v && text && *v;
         v += 2) {
        if (g_str_equal(v[0], text)) {
            return json_string(v[1]);
        }
    }
    return json_incref(value);
}

json_t *create_map_options(ObjectClass *klass, const BlockCreateAlias *aliases,
                           const json_t *opts, json_t **ret_rest, Error **errp)
{
    g_autoptr(json_t) mapped = json_object();
    g_autoptr(json_t) rest = json_object();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)opts, key, value)
    {
        const char *name = create_find_option(klass, aliases, key);

        if (!name) {
            json_object_set(rest, key, value);
            continue;
        }
        if (json_object_get(mapped, name)) {
            error_setg(errp, "Option '%s' is given twice", name);
            return NULL;
        }
        json_object_set_new(mapped, name,
                            map_value(find_alias(aliases, key), value));
    }
    if (ret_rest) {
        *ret_rest = g_steal_pointer(&rest);
    } else if (json_object_size(rest)) {
        error_setg(errp, "Invalid parameter '%s'",
                   json_object_iter_key(json_object_iter(rest)));
        return NULL;
    }
    return g_steal_pointer(&mapped);
}

/* Text cannot say what is a nested object's, so those go in as they are. */
bool create_set_options(Object *obj, const json_t *opts, bool keyval,
                        Error **errp)
{
    g_autoptr(json_t) nested = json_object();
    g_autoptr(json_t) plain = json_object();
    const char *key;
    json_t *value;

    if (!keyval) {
        return object_set_properties_from_json(obj, opts, errp);
    }
    json_object_foreach((json_t *)opts, key, value)
    {
        ObjectProperty *p = object_property_find(obj, key);
        bool is_json = p && p->table && p->table->kind == PROP_JSON;

        json_object_set(is_json ? nested : plain, key, value);
    }
    return object_set_properties_from_json(obj, nested, errp) &&
           object_set_properties_from_keyval(obj, plain, errp);
}

/* -- help -------------------------------------------------------------------- */

char *create_options_help(ObjectClass *klass, bool keeps_dashes)
{
    g_autofree char *text = object_class_help(klass);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *out = g_string_new(NULL);

    for (char **line = lines; *line && **line; line++) {
        if (g_str_has_prefix(*line, "  file=")) {
            continue; /* comes from the file name */
        }
        if (!keeps_dashes) {
            for (char *c = *line; *c && *c != '='; c++) {
                *c = *c == '-' ? '_' : *c;
            }
        }
        g_string_append_printf(out, "%s\n", *line);
    }
    return g_string_free(out, FALSE);
}

char *block_create_help(const char *driver, const char *protocol, Error **errp)
{
    ObjectClass *oc =
        create_class(TYPE_BLOCK_CREATE, driver, "image creation", errp);
    ObjectClass *poc = protocol ? create_class(TYPE_BLOCK_CREATE, protocol,
                                               "image creation", NULL)
                                : NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    GString *out;

    if (!oc) {
        return NULL;
    }
    text = create_options_help(oc, BLOCK_CREATE_CLASS(oc)->keeps_dashes);
    out = g_string_new("Supported options:\n");
    g_string_append(out, text);
    if (!poc || poc == oc) {
        return g_string_free(out, FALSE);
    }
    g_free(text);
    text = create_options_help(poc, BLOCK_CREATE_CLASS(poc)->keeps_dashes);
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line && **line; line++) {
        g_autofree char *key = g_strndup(*line + 2, strcspn(*line + 2, "="));

        /* The format's own option of that name is the one that counts. */
        if (!g_str_equal(key, "filename") &&
            !create_find_option(oc, BLOCK_CREATE_CLASS(oc)->aliases, key)) {
            g_string_append_printf(out, "%s\n", *line);
        }
    }
    return g_string_free(out, FALSE);
}

char *block_amend_help(const char *driver, Error **errp)
{
    ObjectClass *oc = create_class(TYPE_BLOCK_AMEND, driver, "amendment", errp);
    g_autofree char *text = NULL;

    if (!oc) {
        return NULL;
    }
    text = create_options_help(oc, BLOCK_AMEND_CLASS(oc)->keeps_dashes);
    return g_strdup_printf("Amend options for '%s':\n%s", driver, text);
}

/* -- schema ------------------------------------------------------------------ */

static void fill_variant(QapiOpenVariant *v, ObjectClass *oc)
{
    g_autoptr(GPtrArray) table = qom_property_table(oc);

    for (guint i = 0; i < table->len; i++) {
        const Property *p = g_ptr_array_index(table, i);

        if (!(p->flags & (PROP_F_HIDDEN | PROP_F_READ_ONLY))) {
            qapi_open_variant_member(v, p->name, property_qapi_type(p), NULL,
                                     !(p->flags & PROP_F_REQUIRED), 0);
        }
    }
}

void block_create_fill_open_union(QapiOpenUnion *u)
{
    g_autoptr(GSList) list = NULL;

    create_class(TYPE_BLOCK_CREATE, "file", "", NULL); /* registers all */
    list = object_class_get_list_sorted(TYPE_BLOCK_CREATE, false);
    for (GSList *l = list; l; l = l->next) {
        fill_variant(qapi_open_union_add(u, BLOCK_CREATE_CLASS(l->data)->driver,
                                         NULL),
                     l->data);
    }
}

void block_amend_fill_open_union(QapiOpenUnion *u)
{
    g_autoptr(GSList) list = NULL;

    create_class(TYPE_BLOCK_CREATE, "file", "", NULL);
    list = object_class_get_list_sorted(TYPE_BLOCK_AMEND, false);
    for (GSList *l = list; l; l = l->next) {
        fill_variant(qapi_open_union_add(u, BLOCK_AMEND_CLASS(l->data)->driver,
                                         NULL),
                     l->data);
    }
}
