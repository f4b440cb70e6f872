/*
 * The keyval flavour of the input visitor: a tree of objects and arrays whose
 * leaves are strings, as keyval_parse() makes it. Only the leaves are read
 * differently; the walk is qobject-input-visitor.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qobject-input-visitor.h"
#include "util/cutils.h"
#include "util/keyval.h"

#include "qobject-input-internal.h"

/* The string at @name in keyval flavour; NULL with @errp set if there is
 * none. */
static const char *keyval_text(InputVisitor *iv, const char *name, Error **errp)
{
    json_t *value = qobject_input_get(iv, name, true, errp);
    const char *text;

    if (!value) {
        return NULL;
    }
    text =
        qobject_type(value) == QTYPE_QSTRING ? json_string_value(value) : NULL;
    if (!text) {
        g_autofree char *path = qobject_input_full_name(iv, name);

        error_setg(errp, "parameters '%s.*' are unexpected", path);
    }
    return text;
}

static bool keyval_type_int64(Visitor *v, const char *name, int64_t *obj,
                              Error **errp)
{
    const char *text = keyval_text(qobject_input_cast(v), name, errp);
    int64_t value;

    if (!text) {
        return false;
    }
    if (qemu_strtoi64(text, NULL, 0, &value) < 0) {
        return visit_type_mismatch(v, name, "integer", errp);
    }
    *obj = value;
    return true;
}

static bool keyval_type_uint64(Visitor *v, const char *name, uint64_t *obj,
                               Error **errp)
{
    const char *text = keyval_text(qobject_input_cast(v), name, errp);
    uint64_t value;

    if (!text) {
        return false;
    }
    /* The C library takes "-1" for 2^64 - 1. */
    if (strchr(text, '-') || qemu_strtou64(text, NULL, 0, &value) < 0) {
        return visit_type_mismatch(v, name, "uint64", errp);
    }
    *obj = value;
    return true;
}

static bool keyval_type_size(Visitor *v, const char *name, uint64_t *obj,
                             Error **errp)
{
    const char *text = keyval_text(qobject_input_cast(v), name, errp);
    uint64_t value;

    if (!text) {
        return false;
    }
    if (qemu_strtosz(text, NULL, &value) < 0) {
        return visit_type_mismatch(
            v, name, "a size, a number with an optional suffix B K M G T P E",
            errp);
    }
    *obj = value;
    return true;
}

static bool keyval_type_bool(Visitor *v, const char *name, bool *obj,
                             Error **errp)
{
    InputVisitor *iv = qobject_input_cast(v);
    const char *text = keyval_text(iv, name, errp);
    g_autofree char *path = NULL;

    if (!text) {
        return false;
    }
    path = qobject_input_full_name(iv, name);
    return qapi_bool_parse(path, text, obj, errp);
}

static bool keyval_type_number(Visitor *v, const char *name, double *obj,
                               Error **errp)
{
    const char *text = keyval_text(qobject_input_cast(v), name, errp);
    double value;

    if (!text) {
        return false;
    }
    if (qemu_strtod_finite(text, NULL, &value) < 0) {
        return visit_type_mismatch(v, name, "number", errp);
    }
    *obj = value;
    return true;
}

static bool keyval_type_any(Visitor *v, const char *name, json_t **obj,
                            Error **errp)
{
    g_autofree char *path =
        qobject_input_full_name(qobject_input_cast(v), name);

    *obj = NULL;
    error_setg(errp, "parameter '%s' can only be given as JSON", path);
    return false;
}

Visitor *qobject_input_visitor_new_keyval(json_t *obj)
{
    InputVisitor *iv = qobject_input_new(obj);

    iv->base.type_int64 = keyval_type_int64;
    iv->base.type_uint64 = keyval_type_uint64;
    iv->base.type_size = keyval_type_size;
    iv->base.type_bool = keyval_type_bool;
    iv->base.type_number = keyval_type_number;
    iv->base.type_any = keyval_type_any;
    iv->base.type_null = keyval_type_any;
    return &iv->base;
}

Visitor *qobject_input_visitor_new_str(const char *str, const char *implied_key,
                                       Error **errp)
{
    g_autoptr(json_t) args = NULL;

    if (str[0] == '{') {
        args = qobject_from_json(str, errp);
        return args ? qobject_input_visitor_new(args) : NULL;
    }
    args = keyval_parse(str, implied_key, NULL, errp);
    return args ? qobject_input_visitor_new_keyval(args) : NULL;
}
