/*
 * Property tables: from lines to class properties, defaults, the life of the
 * values, and what the tables tell about themselves.
 *
 * Each line becomes one class property. Its default is parsed when the class
 * is made, so that a new instance only copies.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"
#include "qapi/util.h"
#include "util/cutils.h"
#include "util/error.h"

#include "object-internal.h"
#include "property-internal.h"

#define REQUIRED_BITS 64 /* of Object.required_set */

/* -- making the class properties ------------------------------------------ */

static bool parse_number(const Property *line, PropertyValue *val)
{
    int ret;

    if (property_kind_is_signed(line->kind)) {
        ret = qemu_strtoi64(line->def, NULL, 0, &val->i);
    } else if (line->kind == PROP_SIZE) {
        ret = qemu_strtosz(line->def, NULL, &val->u);
    } else {
        ret = qemu_strtou64(line->def, NULL, 0, &val->u);
    }
    return ret == 0 && property_in_range(line, *val);
}

static bool parse_default(const Property *line, PropertyValue *val)
{
    switch (line->kind) {
    case PROP_BOOL:
        return qapi_bool_parse(line->name, line->def, &val->b, NULL);
    case PROP_STR:
        val->s = (char *)line->def;
        return true;
    case PROP_ENUM:
        val->e = qapi_enum_parse(line->lookup, line->def, -1, NULL);
        return val->e >= 0;
    case PROP_JSON:
        val->json = qobject_from_json(line->def, NULL);
        return val->json;
    case PROP_CUSTOM:
        return true;
    case PROP_LINK:
        return false;
    default:
        return parse_number(line, val);
    }
}

static int required_bit(ObjectClass *klass, const Property *line)
{
    ObjectProperty *inherited =
        object_class_property_find(object_class_get_parent(klass), line->name);

    if (inherited && inherited->required_bit >= 0) {
        return inherited->required_bit;
    }
    if (!(line->flags & PROP_F_REQUIRED)) {
        return -1;
    }
    g_assert(klass->type->n_required < REQUIRED_BITS);
    return klass->type->n_required++;
}

static void check_line(ObjectClass *klass, const Property *line)
{
    const char *bug = NULL;

    if (line->kind >= PROP__MAX) {
        bug = "unknown kind";
    } else if (line->kind == PROP_ENUM && !line->lookup) {
        bug = "an enum without lookup table";
    } else if (line->kind == PROP_LINK && !line->link_type) {
        bug = "a link without type";
    } else if (line->kind != PROP_CUSTOM &&
               (line->offset < sizeof(Object) ||
                line->offset + property_kinds[line->kind].size >
                    klass->type->instance_size)) {
        bug = "it does not lie in the instance";
    }
    if (bug) {
        g_error("type '%s', property '%s': %s", object_class_get_name(klass),
                line->name, bug);
    }
}

static void class_add_line(ObjectClass *klass, const Property *line)
{
    bool custom = line->kind == PROP_CUSTOM;
    bool can_get = !(line->flags & PROP_F_WRITE_ONLY) && (!custom || line->get);
    bool can_set = !(line->flags & PROP_F_READ_ONLY) && (!custom || line->set);
    g_autofree char *type = property_type_name(line);
    TableEntry *entry = g_new0(TableEntry, 1);

    check_line(klass, line);
    entry->line = line;
    if (line->def && !parse_default(line, &entry->def)) {
        g_error("type '%s', property '%s': bad default '%s'",
                object_class_get_name(klass), line->name, line->def);
    }
    ObjectProperty *prop = object_class_property_add(
        klass, line->name, type, can_get ? property_table_get : NULL,
        can_set ? property_table_set : NULL, NULL, entry);
    prop->table = line;
    prop->description = g_strdup(line->help);
    prop->defval = property_default_json(line);
    prop->required_bit = required_bit(klass, line);
    if (line->kind == PROP_LINK) {
        prop->resolve = property_table_resolve;
    }
}

void object_class_add_properties(ObjectClass *klass, const Property *props)
{
    for (const Property *line = props; line->name; line++) {
        class_add_line(klass, line);
    }
}

/* -- the life of the values ----------------------------------------------- */

static void store_default(Object *obj, const TableEntry *entry)
{
    const Property *line = entry->line;
    PropertyValue val = entry->def;

    if (!line->def) {
        return;
    }
    if (line->kind == PROP_STR) {
        val.s = g_strdup(val.s);
    } else if (line->kind == PROP_JSON) {
        val.json = json_deep_copy(val.json);
    }
    property_store(obj, line, val);
}

void property_table_init(Object *obj, ObjectClass *klass)
{
    const ObjectPropertySet *set = klass->properties;

    for (guint i = 0; set && i < set->order->len; i++) {
        ObjectProperty *prop = set->order->pdata[i];

        if (prop->table) {
            store_default(obj, prop->opaque);
        } else if (prop->init) {
            prop->init(obj, prop);
        }
    }
}

void property_table_release(Object *obj, ObjectClass *klass)
{
    const ObjectPropertySet *set = klass->properties;

    for (guint i = 0; set && i < set->order->len; i++) {
        const Property *line = ((ObjectProperty *)set->order->pdata[i])->table;

        if (line && (line->kind == PROP_STR || line->kind == PROP_LINK ||
                     line->kind == PROP_JSON)) {
            property_store(obj, line, (PropertyValue){ .u = 0 });
        }
    }
}

static bool is_given(Object *obj, const ObjectProperty *prop)
{
    const Property *line = prop->table;

    if (obj->required_set & (UINT64_C(1) << prop->required_bit)) {
        return true;
    }
    switch (line->kind) {
    case PROP_STR:
    case PROP_LINK:
    case PROP_JSON:
        return *(void **)property_ptr(obj, line) != NULL;
    default:
        return false;
    }
}

bool object_check_required(Object *obj, Error **errp)
{
    ObjectPropertyIterator iter;
    ObjectProperty *prop;

    object_class_property_iter_init(&iter, obj->class);
    while ((prop = object_property_iter_next(&iter))) {
        if (prop->table && (prop->table->flags & PROP_F_REQUIRED) &&
            !is_given(obj, prop)) {
            g_autofree char *what = object_describe(obj);

            error_setg(errp, "%s: property '%s' must be given", what,
                       prop->name);
            return false;
        }
    }
    return true;
}

bool property_only_true(Object *obj, const Property *prop, const void *value,
                        Error **errp)
{
    if (*(const bool *)value) {
        return true;
    }
    g_autofree char *what = object_describe(obj);

    error_setg(errp, "%s: property '%s' can only be true", what, prop->name);
    return false;
}

/* -- what the table says -------------------------------------------------- */

char *property_type_name(const Property *prop)
{
    if (prop->kind == PROP_LINK) {
        return g_strdup_printf("link<%s>", prop->link_type);
    }
    return g_strdup(property_qapi_type(prop));
}

const char *property_qapi_type(const Property *prop)
{
    return prop->qapi_type ? prop->qapi_type : property_kinds[prop->kind].name;
}

json_t *property_default_json(const Property *prop)
{
    PropertyValue val = { .u = 0 };

    if (!prop->def || !parse_default(prop, &val)) {
        return NULL;
    }
    switch (prop->kind) {
    case PROP_BOOL:
        return json_boolean(val.b);
    case PROP_STR:
    case PROP_ENUM:
    case PROP_CUSTOM:
        return json_string(prop->def);
    case PROP_JSON:
        return val.json;
    default:
        return property_kind_is_signed(prop->kind) ? json_integer(val.i)
                                                   : json_uint64(val.u);
    }
}

GPtrArray *qom_property_table(ObjectClass *klass)
{
    GPtrArray *table = g_ptr_array_new();
    g_autoptr(GPtrArray) chain = g_ptr_array_new();

    for (ObjectClass *k = klass; k; k = object_class_get_parent(k)) {
        g_ptr_array_add(chain, k);
    }
    for (guint c = chain->len; c-- > 0;) {
        const ObjectPropertySet *set =
            ((ObjectClass *)chain->pdata[c])->properties;

        for (guint i = 0; set && i < set->order->len; i++) {
            ObjectProperty *prop = set->order->pdata[i];
            ObjectProperty *leaf =
                object_class_property_find(klass, prop->name);
            guint at;

            if (prop->table && leaf->table &&
                !g_ptr_array_find(table, leaf->table, &at)) {
                g_ptr_array_add(table, (gpointer)leaf->table);
            }
        }
    }
    return table;
}
