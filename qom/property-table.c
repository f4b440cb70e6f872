/*
 * Property tables: storage, defaults, ranges, and the life of the values.
 *
 * Each line becomes one class property. Its default is parsed when the class
 * is made, so that a new instance only copies. Writing goes: is it allowed
 * now, visit into a temporary of the widest type, range, the class's check,
 * store; a failure leaves the old value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"
#include "qapi/visitor.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/secret-mem.h"

#include "object-internal.h"

#define REQUIRED_BITS 64 /* of Object.required_set */

/* A value of any kind, between visitor and storage. */
typedef union PropertyValue {
    bool b;
    int e;
    int64_t i;
    uint64_t u;
    char *s;
    Object *link;
    json_t *json;
} PropertyValue;

/* opaque of a table property: the line and its default, ready to copy. */
typedef struct TableEntry {
    const Property *line;
    PropertyValue def; /* s borrows the line's text; json is owned */
} TableEntry;

typedef struct KindInfo {
    const char *name;
    size_t size;
    int64_t min;
    uint64_t max;
} KindInfo;

static const KindInfo kinds[PROP__MAX] = {
    [PROP_BOOL] = { "bool", sizeof(bool), 0, 0 },
    [PROP_STR] = { "str", sizeof(char *), 0, 0 },
    [PROP_INT8] = { "int8", 1, INT8_MIN, INT8_MAX },
    [PROP_INT16] = { "int16", 2, INT16_MIN, INT16_MAX },
    [PROP_INT32] = { "int32", 4, INT32_MIN, INT32_MAX },
    [PROP_INT64] = { "int", 8, INT64_MIN, INT64_MAX },
    [PROP_UINT8] = { "uint8", 1, 0, UINT8_MAX },
    [PROP_UINT16] = { "uint16", 2, 0, UINT16_MAX },
    [PROP_UINT32] = { "uint32", 4, 0, UINT32_MAX },
    [PROP_UINT64] = { "uint64", 8, 0, UINT64_MAX },
    [PROP_SIZE] = { "size", 8, 0, UINT64_MAX },
    [PROP_ENUM] = { "str", sizeof(int), 0, 0 },
    [PROP_LINK] = { "str", sizeof(Object *), 0, 0 },
    [PROP_JSON] = { "any", sizeof(json_t *), 0, 0 },
    [PROP_CUSTOM] = { "any", 0, 0, 0 },
};

static bool kind_is_signed(PropertyKind kind)
{
    return kind >= PROP_INT8 && kind <= PROP_INT64;
}

static bool kind_is_unsigned(PropertyKind kind)
{
    return kind >= PROP_UINT8 && kind <= PROP_SIZE;
}

static void *property_ptr(Object *obj, const Property *line)
{
    return (char *)obj + line->offset;
}

/* -- numbers in storage of their own width -------------------------------- */

static void store_number(void *ptr, PropertyKind kind, PropertyValue val)
{
    switch (kinds[kind].size) {
    case 1:
        *(uint8_t *)ptr = (uint8_t)val.u;
        break;
    case 2:
        *(uint16_t *)ptr = (uint16_t)val.u;
        break;
    case 4:
        *(uint32_t *)ptr = (uint32_t)val.u;
        break;
    default:
        *(uint64_t *)ptr = val.u;
        break;
    }
}

static uint64_t load_unsigned(const void *ptr, PropertyKind kind)
{
    switch (kinds[kind].size) {
    case 1:
        return *(const uint8_t *)ptr;
    case 2:
        return *(const uint16_t *)ptr;
    case 4:
        return *(const uint32_t *)ptr;
    default:
        return *(const uint64_t *)ptr;
    }
}

static int64_t load_signed(const void *ptr, PropertyKind kind)
{
    switch (kinds[kind].size) {
    case 1:
        return *(const int8_t *)ptr;
    case 2:
        return *(const int16_t *)ptr;
    case 4:
        return *(const int32_t *)ptr;
    default:
        return *(const int64_t *)ptr;
    }
}

static void range_of(const Property *line, int64_t *min, uint64_t *max)
{
    *min = kinds[line->kind].min;
    *max = kinds[line->kind].max;
    if (line->min || line->max) {
        *min = MAX(*min, line->min);
        *max = line->max && line->max < *max ? line->max : *max;
    }
}

/* A signed range lies below zero as a whole when max is "negative". */
static bool in_range(const Property *line, PropertyValue val)
{
    int64_t min;
    uint64_t max;

    range_of(line, &min, &max);
    if (kind_is_signed(line->kind)) {
        return val.i >= min && (val.i < 0 || (uint64_t)val.i <= max);
    }
    return val.u >= (uint64_t)min && val.u <= max;
}

static bool check_range(Object *obj, const Property *line, PropertyValue val,
                        Error **errp)
{
    int64_t min;
    uint64_t max;

    if (in_range(line, val)) {
        return true;
    }
    g_autofree char *what = object_describe(obj);

    range_of(line, &min, &max);
    if (kind_is_signed(line->kind)) {
        error_setg(errp,
                   "%s: property '%s': value %" PRId64
                   " is out of range %" PRId64 " to %" PRIu64 "%s%s",
                   what, line->name, val.i, min, max, line->unit ? " " : "",
                   line->unit ? line->unit : "");
    } else {
        error_setg(errp,
                   "%s: property '%s': value %" PRIu64
                   " is out of range %" PRId64 " to %" PRIu64 "%s%s",
                   what, line->name, val.u, min, max, line->unit ? " " : "",
                   line->unit ? line->unit : "");
    }
    return false;
}

/* -- storing -------------------------------------------------------------- */

static void free_string(const Property *line, char *s)
{
    if (line->flags & PROP_F_WIPE) {
        secret_str_free(s);
    } else {
        g_free(s);
    }
}

/* Free the temporary of a write that failed. */
static void value_clear(const Property *line, PropertyValue *val)
{
    switch (line->kind) {
    case PROP_STR:
        free_string(line, val->s);
        break;
    case PROP_LINK:
        object_unref(val->link);
        break;
    case PROP_JSON:
        json_decref(val->json);
        break;
    default:
        break;
    }
}

/* Takes what @val owns; frees the old value. */
static void value_store(Object *obj, const Property *line, PropertyValue val)
{
    void *ptr = property_ptr(obj, line);

    switch (line->kind) {
    case PROP_BOOL:
        *(bool *)ptr = val.b;
        break;
    case PROP_ENUM:
        *(int *)ptr = val.e;
        break;
    case PROP_STR:
        free_string(line, *(char **)ptr);
        *(char **)ptr = val.s;
        break;
    case PROP_LINK:
        link_replace(ptr, val.link, true);
        object_unref(val.link);
        break;
    case PROP_JSON:
        json_decref(*(json_t **)ptr);
        *(json_t **)ptr = val.json;
        break;
    case PROP_CUSTOM:
        break;
    default:
        store_number(ptr, line->kind, val);
        break;
    }
}

/* @name is what the visitor knows the value by: an alias may differ. */
static bool visit_link(Object *obj, Visitor *v, const char *name,
                       const Property *line, Object **target, Error **errp)
{
    g_autofree char *path = NULL;

    if (!visit_type_str(v, name, &path, errp)) {
        return false;
    }
    if (path[0]) {
        *target =
            link_resolve_target(obj, line->name, line->link_type, path, errp);
    }
    return *target || !path[0];
}

static bool visit_value(Visitor *v, const char *name, const Property *line,
                        PropertyValue *val, Error **errp)
{
    switch (line->kind) {
    case PROP_BOOL:
        return visit_type_bool(v, name, &val->b, errp);
    case PROP_STR:
        return visit_type_str(v, name, &val->s, errp);
    case PROP_ENUM:
        return visit_type_enum(v, name, &val->e, line->lookup, errp);
    case PROP_SIZE:
        return visit_type_size(v, name, &val->u, errp);
    case PROP_JSON:
        return visit_type_any(v, name, &val->json, errp);
    default:
        return kind_is_signed(line->kind)
                   ? visit_type_int64(v, name, &val->i, errp)
                   : visit_type_uint64(v, name, &val->u, errp);
    }
}

static bool check_value(Object *obj, const Property *line,
                        const PropertyValue *val, Error **errp)
{
    if ((kind_is_signed(line->kind) || kind_is_unsigned(line->kind)) &&
        !check_range(obj, line, *val, errp)) {
        return false;
    }
    return !line->check || line->check(obj, line, val, errp);
}

static bool check_may_set(Object *obj, const Property *line, Error **errp)
{
    if ((line->flags & PROP_F_RUNTIME) || !object_is_completed(obj)) {
        return true;
    }
    g_autofree char *what = object_describe(obj);

    error_setg(errp, "%s: property '%s' cannot be changed any more", what,
               line->name);
    return false;
}

static void mark_given(Object *obj, const char *name)
{
    ObjectProperty *prop = object_property_find(obj, name);

    if (prop && prop->required_bit >= 0) {
        obj->required_set |= UINT64_C(1) << prop->required_bit;
    }
}

static bool set_custom(Object *obj, Visitor *v, const char *name,
                       const Property *line, Error **errp)
{
    Error *err = NULL;

    line->set(obj, v, name, (void *)line, &err);
    if (err) {
        error_propagate(errp, err);
        return false;
    }
    return true;
}

static bool set_stored(Object *obj, Visitor *v, const char *name,
                       const Property *line, Error **errp)
{
    ERRP_GUARD();
    PropertyValue val = { .u = 0 };

    if (line->kind == PROP_LINK) {
        if (!visit_link(obj, v, name, line, &val.link, errp)) {
            return false;
        }
    } else if (!visit_value(v, name, line, &val, errp)) {
        g_autofree char *what = object_describe(obj);

        error_prepend(errp, "%s: ", what);
        return false;
    }
    if (!check_value(obj, line, &val, errp)) {
        value_clear(line, &val);
        return false;
    }
    value_store(obj, line, val);
    return true;
}

static void table_set(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    const Property *line = ((const TableEntry *)opaque)->line;

    if (!check_may_set(obj, line, errp)) {
        return;
    }
    if (line->kind == PROP_CUSTOM ? set_custom(obj, v, name, line, errp)
                                  : set_stored(obj, v, name, line, errp)) {
        mark_given(obj, line->name);
    }
}

bool property_table_set_link(Object *obj, ObjectProperty *prop, Object *target,
                             Error **errp)
{
    const Property *line = prop->table;
    PropertyValue val = { .link = target };

    if (!check_may_set(obj, line, errp) ||
        !link_target_is_a(obj, line->name, line->link_type, target, errp) ||
        !check_value(obj, line, &val, errp)) {
        return false;
    }
    object_ref(target);
    value_store(obj, line, val);
    mark_given(obj, line->name);
    return true;
}

/* -- reading -------------------------------------------------------------- */

static void get_link(Object *obj, Visitor *v, const char *name,
                     const Property *line, Error **errp)
{
    qom_tree_lock();
    g_autoptr(Object) target = object_ref(*(Object **)property_ptr(obj, line));
    qom_tree_unlock();
    g_autofree char *path = target ? object_get_canonical_path(target) : NULL;

    if (!path) {
        path = g_strdup("");
    }
    visit_type_str(v, name, &path, errp);
}

static void get_number(Object *obj, Visitor *v, const char *name,
                       const Property *line, Error **errp)
{
    const void *ptr = property_ptr(obj, line);

    if (kind_is_signed(line->kind)) {
        int64_t i = load_signed(ptr, line->kind);

        visit_type_int64(v, name, &i, errp);
        return;
    }
    uint64_t u = load_unsigned(ptr, line->kind);

    if (line->kind == PROP_SIZE) {
        visit_type_size(v, name, &u, errp);
    } else {
        visit_type_uint64(v, name, &u, errp);
    }
}

static void get_json(Object *obj, Visitor *v, const char *name,
                     const Property *line, Error **errp)
{
    json_t *stored = *(json_t **)property_ptr(obj, line);
    g_autoptr(json_t) value = stored ? json_incref(stored) : json_null();

    visit_type_any(v, name, &value, errp);
}

static void table_get(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    const Property *line = ((const TableEntry *)opaque)->line;

    switch (line->kind) {
    case PROP_BOOL:
        visit_type_bool(v, name, property_ptr(obj, line), errp);
        break;
    case PROP_STR:
        visit_type_str(v, name, property_ptr(obj, line), errp);
        break;
    case PROP_ENUM:
        visit_type_enum(v, name, property_ptr(obj, line), line->lookup, errp);
        break;
    case PROP_LINK:
        get_link(obj, v, name, line, errp);
        break;
    case PROP_JSON:
        get_json(obj, v, name, line, errp);
        break;
    case PROP_CUSTOM:
        line->get(obj, v, name, (void *)line, errp);
        break;
    default:
        get_number(obj, v, name, line, errp);
        break;
    }
}

static Object *table_resolve_link(Object *obj, void *opaque, const char *part)
{
    return *(Object **)property_ptr(obj, ((const TableEntry *)opaque)->line);
}

/* -- making the class properties ------------------------------------------ */

static bool parse_number(const Property *line, PropertyValue *val)
{
    int ret;

    if (kind_is_signed(line->kind)) {
        ret = qemu_strtoi64(line->def, NULL, 0, &val->i);
    } else if (line->kind == PROP_SIZE) {
        ret = qemu_strtosz(line->def, NULL, &val->u);
    } else {
        ret = qemu_strtou64(line->def, NULL, 0, &val->u);
    }
    return ret == 0 && in_range(line, *val);
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
                line->offset + kinds[line->kind].size >
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
    ObjectProperty *prop =
        object_class_property_add(klass, line->name, type,
                                  can_get ? table_get : NULL,
                                  can_set ? table_set : NULL, NULL, entry);
    prop->table = line;
    prop->description = g_strdup(line->help);
    prop->defval = property_default_json(line);
    prop->required_bit = required_bit(klass, line);
    if (line->kind == PROP_LINK) {
        prop->resolve = table_resolve_link;
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
    value_store(obj, line, val);
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
            value_store(obj, line, (PropertyValue){ .u = 0 });
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
    return prop->qapi_type ? prop->qapi_type : kinds[prop->kind].name;
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
        return kind_is_signed(prop->kind) ? json_integer(val.i)
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
