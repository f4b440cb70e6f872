/*
 * Properties as JSON, as C values, and as text. All go through a visitor, so
 * that there is one set of checks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/qobject-output-visitor.h"
#include "qapi/util.h"
#include "util/cutils.h"
#include "util/error.h"

#include "object-internal.h"

bool object_property_set_qobject(Object *obj, const char *name, json_t *value,
                                 Error **errp)
{
    g_autoptr(Visitor) v = qobject_input_visitor_new(value);

    return object_property_set(obj, name, v, errp);
}

json_t *object_property_get_qobject(Object *obj, const char *name, Error **errp)
{
    json_t *ret = NULL;
    g_autoptr(Visitor) v = qobject_output_visitor_new(&ret);

    if (!object_property_get(obj, name, v, errp)) {
        return NULL;
    }
    visit_complete(v, &ret);
    return ret;
}

static bool wrong_kind(Object *obj, const char *name, const char *expected,
                       Error **errp)
{
    g_autofree char *what = object_describe(obj);

    error_setg(errp, "%s: property '%s' is not of type %s", what, name,
               expected);
    return false;
}

bool object_property_set_str(Object *obj, const char *name, const char *value,
                             Error **errp)
{
    g_autoptr(json_t) j = json_string(value);

    if (!j) {
        g_autofree char *what = object_describe(obj);

        error_setg(errp, "%s: property '%s': text is not UTF-8", what, name);
        return false;
    }
    return object_property_set_qobject(obj, name, j, errp);
}

char *object_property_get_str(Object *obj, const char *name, Error **errp)
{
    g_autoptr(json_t) j = object_property_get_qobject(obj, name, errp);

    if (!j) {
        return NULL;
    }
    if (!json_is_string(j)) {
        wrong_kind(obj, name, "string", errp);
        return NULL;
    }
    return g_strdup(json_string_value(j));
}

bool object_property_set_bool(Object *obj, const char *name, bool value,
                              Error **errp)
{
    g_autoptr(json_t) j = json_boolean(value);

    return object_property_set_qobject(obj, name, j, errp);
}

bool object_property_get_bool(Object *obj, const char *name, Error **errp)
{
    g_autoptr(json_t) j = object_property_get_qobject(obj, name, errp);

    if (j && !json_is_boolean(j)) {
        return wrong_kind(obj, name, "boolean", errp);
    }
    return json_is_true(j);
}

bool object_property_set_int(Object *obj, const char *name, int64_t value,
                             Error **errp)
{
    g_autoptr(json_t) j = json_integer(value);

    return object_property_set_qobject(obj, name, j, errp);
}

int64_t object_property_get_int(Object *obj, const char *name, Error **errp)
{
    g_autoptr(json_t) j = object_property_get_qobject(obj, name, errp);

    if (j && !json_is_integer(j)) {
        wrong_kind(obj, name, "int", errp);
        return -1;
    }
    return j ? json_integer_value(j) : -1;
}

bool object_property_set_uint(Object *obj, const char *name, uint64_t value,
                              Error **errp)
{
    g_autoptr(json_t) j = json_uint64(value);

    return object_property_set_qobject(obj, name, j, errp);
}

uint64_t object_property_get_uint(Object *obj, const char *name, Error **errp)
{
    g_autoptr(json_t) j = object_property_get_qobject(obj, name, errp);
    uint64_t value = 0;

    if (j && !json_get_uint64(j, &value)) {
        wrong_kind(obj, name, "uint", errp);
    }
    return value;
}

/* -- text ----------------------------------------------------------------- */

bool object_property_parse(Object *obj, const char *name, const char *string,
                           Error **errp)
{
    ObjectProperty *prop = object_property_find_err(obj, name, errp);

    if (!prop) {
        return false;
    }
    if (prop->table && prop->table->kind == PROP_JSON) {
        g_autoptr(json_t) value = qobject_from_json(string, errp);

        return value && object_property_set_qobject(obj, name, value, errp);
    }
    g_autoptr(json_t) text = json_string(string);

    if (!text) {
        g_autofree char *what = object_describe(obj);

        error_setg(errp, "%s: property '%s': text is not UTF-8", what, name);
        return false;
    }
    g_autoptr(Visitor) v = qobject_input_visitor_new_keyval(text);

    return object_property_set(obj, name, v, errp);
}

static char *print_number(uint64_t u, bool is_size)
{
    if (is_size) {
        g_autofree char *rounded = size_to_str(u);

        return g_strdup_printf("%" PRIu64 " (%s)", u, rounded);
    }
    return g_strdup_printf("%" PRIu64 " (0x%" PRIx64 ")", u, u);
}

char *object_property_print(Object *obj, const char *name, bool human,
                            Error **errp)
{
    ObjectProperty *prop = object_property_find_err(obj, name, errp);
    g_autoptr(json_t) value =
        prop ? object_property_get_qobject(obj, name, errp) : NULL;
    uint64_t u;

    if (!value) {
        return NULL;
    }
    if (json_is_string(value) && !human && !json_is_uint64_big(value)) {
        return g_strdup(json_string_value(value));
    }
    if (human && json_get_uint64(value, &u)) {
        return print_number(u, g_str_equal(prop->type, "size"));
    }
    return g_string_free(qobject_to_json(value), FALSE);
}

int object_property_get_enum(Object *obj, const char *name,
                             const char *type_name, Error **errp)
{
    ObjectProperty *prop = object_property_find_err(obj, name, errp);
    const QEnumLookup *lookup;

    if (!prop) {
        return -1;
    }
    lookup = object_property_enum_lookup(prop);
    if (!lookup || !g_str_equal(prop->type, type_name)) {
        wrong_kind(obj, name, type_name, errp);
        return -1;
    }
    g_autofree char *text = object_property_get_str(obj, name, errp);

    return text ? qapi_enum_parse(lookup, text, -1, errp) : -1;
}

/* -- many at once --------------------------------------------------------- */

static bool set_members(Object *obj, const json_t *props, Visitor *v,
                        Error **errp)
{
    const char *key;
    json_t *value;

    if (!visit_start_struct(v, NULL, NULL, 0, errp)) {
        return false;
    }
    bool ok = true;

    json_object_foreach((json_t *)props, key, value)
    {
        ok = object_property_set(obj, key, v, errp);
        if (!ok) {
            break;
        }
    }
    ok = ok && visit_check_struct(v, errp);
    visit_end_struct(v, NULL);
    return ok;
}

bool object_set_properties_from_json(Object *obj, const json_t *props,
                                     Error **errp)
{
    g_autoptr(Visitor) v = qobject_input_visitor_new((json_t *)props);

    return set_members(obj, props, v, errp);
}

bool object_set_properties_from_keyval(Object *obj, const json_t *props,
                                       Error **errp)
{
    g_autoptr(Visitor) v = qobject_input_visitor_new_keyval((json_t *)props);

    return set_members(obj, props, v, errp);
}

bool object_set_propv(Object *obj, Error **errp, va_list vargs)
{
    const char *name;

    while ((name = va_arg(vargs, const char *))) {
        const char *value = va_arg(vargs, const char *);

        g_assert(value);
        if (!object_property_parse(obj, name, value, errp)) {
            return false;
        }
    }
    return true;
}

bool object_set_props(Object *obj, Error **errp, ...)
{
    va_list vargs;

    va_start(vargs, errp);
    bool ok = object_set_propv(obj, errp, vargs);
    va_end(vargs);
    return ok;
}
