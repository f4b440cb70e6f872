/*
 * Values of table properties: storage, ranges, reading and writing through
 * visitors.
 *
 * Writing goes: is it allowed now, visit into a temporary of the widest
 * type, range, the class's check, store; a failure leaves the old value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"
#include "qapi/visitor.h"
#include "util/error.h"
#include "util/secret-mem.h"

#include "object-internal.h"
#include "property-internal.h"

const KindInfo property_kinds[PROP__MAX] = {
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

static bool kind_is_unsigned(PropertyKind kind)
{
    return kind >= PROP_UINT8 && kind <= PROP_SIZE;
}

/* -- numbers in storage of their own width -------------------------------- */

static void store_number(void *ptr, PropertyKind kind, PropertyValue val)
{
    switch (property_kinds[kind].size) {
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
    switch (property_kinds[kind].size) {
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
    switch (property_kinds[kind].size) {
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
    *min = property_kinds[line->kind].min;
    *max = property_kinds[line->kind].max;
    if (line->min || line->max) {
        *min = MAX(*min, line->min);
        *max = line->max && line->max < *max ? line->max : *max;
    }
}

/* A signed range lies below zero as a whole when max is "negative". */
bool property_in_range(const Property *line, PropertyValue val)
{
    int64_t min;
    uint64_t max;

    range_of(line, &min, &max);
    if (property_kind_is_signed(line->kind)) {
        return val.i >= min && (val.i < 0 || (uint64_t)val.i <= max);
    }
    return val.u >= (uint64_t)min && val.u <= max;
}

static bool check_range(Object *obj, const Property *line, PropertyValue val,
                        Error **errp)
{
    int64_t min;
    uint64_t max;

    if (property_in_range(line, val)) {
        return true;
    }
    g_autofree char *what = object_describe(obj);

    range_of(line, &min, &max);
    if (property_kind_is_signed(line->kind)) {
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
void property_store(Object *obj, const Property *line, PropertyValue val)
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
        return property_kind_is_signed(line->kind)
                   ? visit_type_int64(v, name, &val->i, errp)
                   : visit_type_uint64(v, name, &val->u, errp);
    }
}

static bool check_value(Object *obj, const Property *line,
                        const PropertyValue *val, Error **errp)
{
    if ((property_kind_is_signed(line->kind) || kind_is_unsigned(line->kind)) &&
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
    property_store(obj, line, val);
    return true;
}

void property_table_set(Object *obj, Visitor *v, const char *name, void *opaque,
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
    property_store(obj, line, val);
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

    if (property_kind_is_signed(line->kind)) {
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

void property_table_get(Object *obj, Visitor *v, const char *name, void *opaque,
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

Object *property_table_resolve(Object *obj, void *opaque, const char *part)
{
    return *(Object **)property_ptr(obj, ((const TableEntry *)opaque)->line);
}
