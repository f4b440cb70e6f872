/*
 * The core of all visitors: checks that a walk is well formed, narrows
 * integers, converts enums, and leaves the rest to the implementation.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/visitor.h"

#include "qapi/compat-policy.h"
#include "qapi/visitor-impl.h"

void visit_complete(Visitor *v, void *opaque)
{
    if (v->complete) {
        v->complete(v, opaque);
    }
}

void visit_free(Visitor *v)
{
    if (v) {
        v->free(v);
    }
}

bool visit_start_struct(Visitor *v, const char *name, void **obj, size_t size,
                        Error **errp)
{
    bool ok;

    assert(!obj || size);
    ok = v->start_struct(v, name, obj, size, errp);
    assert(!ok || !obj || v->type == VISITOR_DEALLOC || *obj);
    return ok;
}

bool visit_check_struct(Visitor *v, Error **errp)
{
    return !v->check_struct || v->check_struct(v, errp);
}

void visit_end_struct(Visitor *v, void **obj)
{
    v->end_struct(v, obj);
}

bool visit_start_list(Visitor *v, const char *name, GenericList **list,
                      size_t size, Error **errp)
{
    assert(!list || size >= sizeof(GenericList));
    return v->start_list(v, name, list, size, errp);
}

GenericList *visit_next_list(Visitor *v, GenericList *tail, size_t size)
{
    assert(tail && size >= sizeof(GenericList));
    return v->next_list(v, tail, size);
}

bool visit_check_list(Visitor *v, Error **errp)
{
    return !v->check_list || v->check_list(v, errp);
}

void visit_end_list(Visitor *v, void **list)
{
    v->end_list(v, list);
}

bool visit_start_alternate(Visitor *v, const char *name, GenericAlternate **obj,
                           size_t size, Error **errp)
{
    assert(obj && size >= sizeof(GenericAlternate));
    return !v->start_alternate || v->start_alternate(v, name, obj, size, errp);
}

void visit_end_alternate(Visitor *v, void **obj)
{
    if (v->end_alternate) {
        v->end_alternate(v, obj);
    }
}

bool visit_type_mismatch(Visitor *v, const char *name, const char *expected,
                         Error **errp)
{
    if (v->type_mismatch) {
        v->type_mismatch(v, name, expected, errp);
    } else {
        error_setg(errp, "invalid parameter type for '%s', expected: %s",
                   name ? name : "null", expected);
    }
    return false;
}

bool visit_optional(Visitor *v, const char *name, bool *present)
{
    if (v->optional) {
        v->optional(v, name, present);
    }
    return *present;
}

bool visit_policy_reject(Visitor *v, const char *name,
                         unsigned special_features, Error **errp)
{
    return v->policy_reject &&
           v->policy_reject(v, name, special_features, errp);
}

bool visit_policy_skip(Visitor *v, const char *name, unsigned special_features)
{
    return v->policy_skip && v->policy_skip(v, name, special_features);
}

void visit_set_policy(Visitor *v, const CompatPolicy *policy)
{
    v->compat_policy = policy ? *policy : (CompatPolicy){ 0 };
}

bool visit_is_input(Visitor *v)
{
    return v->type == VISITOR_INPUT;
}

bool visit_is_dealloc(Visitor *v)
{
    return v->type == VISITOR_DEALLOC;
}

static bool output_enum(Visitor *v, const char *name, int value,
                        const QEnumLookup *lookup, Error **errp)
{
    char *str;

    /* What went wrong is in our own memory, not in anybody's input. */
    assert(value >= 0 && value < lookup->size && lookup->array[value]);
    str = (char *)lookup->array[value];
    return visit_type_str(v, name, &str, errp);
}

static bool input_enum(Visitor *v, const char *name, int *obj,
                       const QEnumLookup *lookup, Error **errp)
{
    g_autofree char *text = NULL;
    int value;

    if (!visit_type_str(v, name, &text, errp)) {
        return false;
    }
    value = qapi_enum_parse(lookup, text, -1, NULL);
    if (value < 0) {
        g_autofree char *expected =
            g_strdup_printf("one of its names, not '%s'", text);

        return visit_type_mismatch(v, name, expected, errp);
    }
    if (lookup->special_features &&
        !compat_policy_input_ok(lookup->special_features[value],
                                &v->compat_policy, ERROR_CLASS_GENERIC_ERROR,
                                "value", text, errp)) {
        return false;
    }
    *obj = value;
    return true;
}

bool visit_type_enum(Visitor *v, const char *name, int *obj,
                     const QEnumLookup *lookup, Error **errp)
{
    switch (v->type) {
    case VISITOR_INPUT:
        return input_enum(v, name, obj, lookup, errp);
    case VISITOR_OUTPUT:
        return output_enum(v, name, *obj, lookup, errp);
    case VISITOR_CLONE:
    case VISITOR_DEALLOC:
        return true;
    }
    g_assert_not_reached();
}

bool visit_type_int(Visitor *v, const char *name, int64_t *obj, Error **errp)
{
    return v->type_int64(v, name, obj, errp);
}

bool visit_type_int64(Visitor *v, const char *name, int64_t *obj, Error **errp)
{
    return v->type_int64(v, name, obj, errp);
}

bool visit_type_uint64(Visitor *v, const char *name, uint64_t *obj,
                       Error **errp)
{
    return v->type_uint64(v, name, obj, errp);
}

bool visit_type_size(Visitor *v, const char *name, uint64_t *obj, Error **errp)
{
    return v->type_size ? v->type_size(v, name, obj, errp)
                        : v->type_uint64(v, name, obj, errp);
}

static bool narrow_unsigned(Visitor *v, const char *name, uint64_t *value,
                            uint64_t max, const char *type, Error **errp)
{
    if (!v->type_uint64(v, name, value, errp)) {
        return false;
    }
    return *value <= max || visit_type_mismatch(v, name, type, errp);
}

static bool narrow_signed(Visitor *v, const char *name, int64_t *value,
                          int64_t min, int64_t max, const char *type,
                          Error **errp)
{
    if (!v->type_int64(v, name, value, errp)) {
        return false;
    }
    return (*value >= min && *value <= max) ||
           visit_type_mismatch(v, name, type, errp);
}

bool visit_type_uint8(Visitor *v, const char *name, uint8_t *obj, Error **errp)
{
    uint64_t value = *obj;

    if (!narrow_unsigned(v, name, &value, UINT8_MAX, "uint8_t", errp)) {
        return false;
    }
    *obj = (uint8_t)value;
    return true;
}

bool visit_type_uint16(Visitor *v, const char *name, uint16_t *obj,
                       Error **errp)
{
    uint64_t value = *obj;

    if (!narrow_unsigned(v, name, &value, UINT16_MAX, "uint16_t", errp)) {
        return false;
    }
    *obj = (uint16_t)value;
    return true;
}

bool visit_type_uint32(Visitor *v, const char *name, uint32_t *obj,
                       Error **errp)
{
    uint64_t value = *obj;

    if (!narrow_unsigned(v, name, &value, UINT32_MAX, "uint32_t", errp)) {
        return false;
    }
    *obj = (uint32_t)value;
    return true;
}

bool visit_type_int8(Visitor *v, const char *name, int8_t *obj, Error **errp)
{
    int64_t value = *obj;

    if (!narrow_signed(v, name, &value, INT8_MIN, INT8_MAX, "int8_t", errp)) {
        return false;
    }
    *obj = (int8_t)value;
    return true;
}

bool visit_type_int16(Visitor *v, const char *name, int16_t *obj, Error **errp)
{
    int64_t value = *obj;

    if (!narrow_signed(v, name, &value, INT16_MIN, INT16_MAX, "int16_t",
                       errp)) {
        return false;
    }
    *obj = (int16_t)value;
    return true;
}

bool visit_type_int32(Visitor *v, const char *name, int32_t *obj, Error **errp)
{
    int64_t value = *obj;

    if (!narrow_signed(v, name, &value, INT32_MIN, INT32_MAX, "int32_t",
                       errp)) {
        return false;
    }
    *obj = (int32_t)value;
    return true;
}

bool visit_type_bool(Visitor *v, const char *name, bool *obj, Error **errp)
{
    return v->type_bool(v, name, obj, errp);
}

bool visit_type_str(Visitor *v, const char *name, char **obj, Error **errp)
{
    return v->type_str(v, name, obj, errp);
}

bool visit_type_number(Visitor *v, const char *name, double *obj, Error **errp)
{
    return v->type_number(v, name, obj, errp);
}

bool visit_type_any(Visitor *v, const char *name, json_t **obj, Error **errp)
{
    return v->type_any(v, name, obj, errp);
}

bool visit_type_null(Visitor *v, const char *name, QNull **obj, Error **errp)
{
    return v->type_null(v, name, obj, errp);
}

bool visit_open_members(Visitor *v, json_t **obj, Error **errp)
{
    return v->open_members(v, obj, errp);
}
