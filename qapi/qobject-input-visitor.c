/*
 * Input visitors: walk a JSON tree as the schema says and build the C type.
 *
 * The stack holds the objects and arrays that the walk is in. An object's
 * frame knows which members nobody has asked for yet, so that unknown ones
 * can be named at its end; an array's frame knows which element comes next.
 * Names of frames and the current index give the path in error messages.
 *
 * The keyval flavour (qobject-input-keyval.c) differs only in the leaves:
 * there they are strings, whatever the schema says.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qobject-input-visitor.h"

#include "qapi/compat-policy.h"

#include "qobject-input-internal.h"

InputVisitor *qobject_input_cast(Visitor *v)
{
    return container_of(v, InputVisitor, base);
}

static InputFrame *input_top(InputVisitor *iv)
{
    return iv->stack->len
               ? &g_array_index(iv->stack, InputFrame, iv->stack->len - 1)
               : NULL;
}

static void path_add_name(GString *path, const char *name)
{
    if (name) {
        if (path->len) {
            g_string_append_c(path, '.');
        }
        g_string_append(path, name);
    }
}

/* "a.b[0].c" for member @name of where the walk stands. */
char *qobject_input_full_name(InputVisitor *iv, const char *name)
{
    GString *path = g_string_new(NULL);

    for (guint i = 0; i < iv->stack->len; i++) {
        InputFrame *f = &g_array_index(iv->stack, InputFrame, i);

        path_add_name(path, f->name);
        if (json_is_array(f->obj)) {
            g_string_append_printf(path, "[%zu]", f->current);
        }
    }
    if (!input_top(iv) || json_is_object(input_top(iv)->obj)) {
        path_add_name(path, name);
    }
    if (!path->len) {
        g_string_append(path, name ? name : "null");
    }
    return g_string_free(path, false);
}

static void input_mismatch(Visitor *v, const char *name, const char *expected,
                           Error **errp)
{
    g_autofree char *path =
        qobject_input_full_name(qobject_input_cast(v), name);

    error_setg(errp, "invalid parameter type for '%s', expected: %s", path,
               expected);
}

static void input_missing(InputVisitor *iv, const char *name, Error **errp)
{
    g_autofree char *path = qobject_input_full_name(iv, name);

    error_setg(errp, "parameter '%s' is missing", path);
}

/*
 * The value at @name, borrowed, or NULL. @consume: it counts as visited, and
 * in an array the next call gives the next element.
 */
static json_t *input_try_get(InputVisitor *iv, const char *name, bool consume)
{
    InputFrame *top = input_top(iv);
    json_t *value;

    if (!top) {
        return iv->root;
    }
    if (json_is_array(top->obj)) {
        value = json_array_get(top->obj, top->next);
        top->current = top->next;
        if (value && consume) {
            top->next++;
        }
        return value;
    }
    assert(name);
    value = json_object_get(top->obj, name);
    if (value && consume) {
        g_hash_table_remove(top->unvisited, name);
    }
    return value;
}

json_t *qobject_input_get(InputVisitor *iv, const char *name, bool consume,
                          Error **errp)
{
    json_t *value = input_try_get(iv, name, consume);

    if (!value) {
        input_missing(iv, name, errp);
    }
    return value;
}

static bool input_push(InputVisitor *iv, const char *name, json_t *obj,
                       Error **errp)
{
    InputFrame f = { .obj = obj };
    const char *key;
    json_t *value;

    if (iv->stack->len >= JSON_TEXT_MAX_DEPTH) {
        error_setg(errp, "input is nested deeper than %d levels",
                   JSON_TEXT_MAX_DEPTH);
        return false;
    }
    if (!input_top(iv) || json_is_object(input_top(iv)->obj)) {
        f.name = g_strdup(name);
    }
    if (json_is_object(obj)) {
        f.unvisited = g_hash_table_new(g_str_hash, g_str_equal);
        json_object_foreach(obj, key, value)
        {
            g_hash_table_add(f.unvisited, (char *)key);
        }
    }
    g_array_append_val(iv->stack, f);
    return true;
}

static void input_frame_clear(void *data)
{
    InputFrame *f = data;

    g_free(f->name);
    g_clear_pointer(&f->unvisited, g_hash_table_unref);
}

static void input_pop(Visitor *v, void **obj)
{
    InputVisitor *iv = qobject_input_cast(v);

    assert(iv->stack->len);
    g_array_set_size(iv->stack, iv->stack->len - 1);
}

static bool input_start_struct(Visitor *v, const char *name, void **obj,
                               size_t size, Error **errp)
{
    InputVisitor *iv = qobject_input_cast(v);
    json_t *value = qobject_input_get(iv, name, true, errp);

    if (obj) {
        *obj = NULL;
    }
    if (!value) {
        return false;
    }
    if (!json_is_object(value)) {
        return visit_type_mismatch(v, name, "object", errp);
    }
    if (!input_push(iv, name, value, errp)) {
        return false;
    }
    if (obj) {
        *obj = g_malloc0(size);
    }
    return true;
}

static bool input_check_struct(Visitor *v, Error **errp)
{
    InputVisitor *iv = qobject_input_cast(v);
    InputFrame *top = input_top(iv);
    g_autofree char *path = NULL;
    const char *key;
    json_t *value;

    if (!g_hash_table_size(top->unvisited)) {
        return true;
    }
    /* In the order of the input, so that the message does not vary. */
    json_object_foreach(top->obj, key, value)
    {
        if (g_hash_table_contains(top->unvisited, key)) {
            break;
        }
    }
    path = qobject_input_full_name(iv, key);
    error_setg(errp, "parameter '%s' is unexpected", path);
    return false;
}

static bool input_start_list(Visitor *v, const char *name, GenericList **list,
                             size_t size, Error **errp)
{
    InputVisitor *iv = qobject_input_cast(v);
    json_t *value = qobject_input_get(iv, name, true, errp);

    if (list) {
        *list = NULL;
    }
    if (!value) {
        return false;
    }
    if (!json_is_array(value)) {
        return visit_type_mismatch(v, name, "array", errp);
    }
    if (!input_push(iv, name, value, errp)) {
        return false;
    }
    if (list && json_array_size(value)) {
        *list = g_malloc0(size);
    }
    return true;
}

static GenericList *input_next_list(Visitor *v, GenericList *tail, size_t size)
{
    InputFrame *top = input_top(qobject_input_cast(v));

    if (top->next >= json_array_size(top->obj)) {
        return NULL;
    }
    tail->next = g_malloc0(size);
    return tail->next;
}

static bool input_check_list(Visitor *v, Error **errp)
{
    InputVisitor *iv = qobject_input_cast(v);
    InputFrame *top = input_top(iv);
    g_autofree char *path = NULL;

    if (top->next >= json_array_size(top->obj)) {
        return true;
    }
    top->current = top->next;
    path = qobject_input_full_name(iv, NULL);
    error_setg(errp, "list element '%s' is unexpected", path);
    return false;
}

static bool input_start_alternate(Visitor *v, const char *name,
                                  GenericAlternate **obj, size_t size,
                                  Error **errp)
{
    json_t *value = qobject_input_get(qobject_input_cast(v), name, false, errp);

    *obj = NULL;
    if (!value) {
        return false;
    }
    *obj = g_malloc0(size);
    (*obj)->type = qobject_type(value);
    return true;
}

/* -- leaves of JSON ------------------------------------------------------- */

static bool input_type_int64(Visitor *v, const char *name, int64_t *obj,
                             Error **errp)
{
    json_t *value = qobject_input_get(qobject_input_cast(v), name, true, errp);

    if (!value) {
        return false;
    }
    if (!json_is_integer(value)) {
        return visit_type_mismatch(v, name, "integer", errp);
    }
    *obj = json_integer_value(value);
    return true;
}

static bool input_type_uint64(Visitor *v, const char *name, uint64_t *obj,
                              Error **errp)
{
    json_t *value = qobject_input_get(qobject_input_cast(v), name, true, errp);

    if (!value) {
        return false;
    }
    return json_get_uint64(value, obj) ||
           visit_type_mismatch(v, name, "uint64", errp);
}

static bool input_type_bool(Visitor *v, const char *name, bool *obj,
                            Error **errp)
{
    json_t *value = qobject_input_get(qobject_input_cast(v), name, true, errp);

    if (!value) {
        return false;
    }
    if (!json_is_boolean(value)) {
        return visit_type_mismatch(v, name, "boolean", errp);
    }
    *obj = json_is_true(value);
    return true;
}

/* Serves both flavours. */
static bool input_type_str(Visitor *v, const char *name, char **obj,
                           Error **errp)
{
    InputVisitor *iv = qobject_input_cast(v);
    json_t *value = qobject_input_get(iv, name, true, errp);

    *obj = NULL;
    if (!value) {
        return false;
    }
    if (qobject_type(value) != QTYPE_QSTRING) {
        return visit_type_mismatch(v, name, "string", errp);
    }
    if (json_string_has_nul(value)) {
        g_autofree char *path = qobject_input_full_name(iv, name);

        error_setg(errp, "parameter '%s' must not contain U+0000", path);
        return false;
    }
    *obj = g_strdup(json_string_value(value));
    return true;
}

static bool input_type_number(Visitor *v, const char *name, double *obj,
                              Error **errp)
{
    json_t *value = qobject_input_get(qobject_input_cast(v), name, true, errp);
    uint64_t big;

    if (!value) {
        return false;
    }
    if (json_is_number(value)) {
        *obj = json_number_value(value);
        return true;
    }
    if (json_get_uint64(value, &big)) {
        *obj = (double)big;
        return true;
    }
    return visit_type_mismatch(v, name, "number", errp);
}

static bool input_type_any(Visitor *v, const char *name, json_t **obj,
                           Error **errp)
{
    json_t *value = qobject_input_get(qobject_input_cast(v), name, true, errp);

    *obj = json_incref(value);
    return value != NULL;
}

static bool input_type_null(Visitor *v, const char *name, QNull **obj,
                            Error **errp)
{
    json_t *value = qobject_input_get(qobject_input_cast(v), name, true, errp);

    *obj = NULL;
    if (!value) {
        return false;
    }
    if (!json_is_null(value)) {
        return visit_type_mismatch(v, name, "null", errp);
    }
    *obj = json_null();
    return true;
}

/* -- the rest -------------------------------------------------------------- */

static bool input_open_members(Visitor *v, json_t **obj, Error **errp)
{
    InputFrame *top = input_top(qobject_input_cast(v));
    const char *key;
    json_t *value;

    *obj = json_object();
    json_object_foreach(top->obj, key, value)
    {
        if (g_hash_table_remove(top->unvisited, key)) {
            json_object_set_nocheck(*obj, key, value);
        }
    }
    return true;
}

static void input_optional(Visitor *v, const char *name, bool *present)
{
    *present = input_try_get(qobject_input_cast(v), name, false) != NULL;
}

static bool input_policy_reject(Visitor *v, const char *name,
                                unsigned special_features, Error **errp)
{
    g_autofree char *path =
        qobject_input_full_name(qobject_input_cast(v), name);

    return !compat_policy_input_ok(special_features, &v->compat_policy,
                                   ERROR_CLASS_GENERIC_ERROR, "parameter", path,
                                   errp);
}

static void input_free(Visitor *v)
{
    InputVisitor *iv = qobject_input_cast(v);

    g_array_free(iv->stack, true);
    json_decref(iv->root);
    g_free(iv);
}

InputVisitor *qobject_input_new(json_t *obj)
{
    InputVisitor *iv = g_new0(InputVisitor, 1);

    *iv = (InputVisitor){
        .base = {
            .type = VISITOR_INPUT,
            .start_struct = input_start_struct,
            .check_struct = input_check_struct,
            .end_struct = input_pop,
            .start_list = input_start_list,
            .next_list = input_next_list,
            .check_list = input_check_list,
            .end_list = input_pop,
            .start_alternate = input_start_alternate,
            .type_int64 = input_type_int64,
            .type_uint64 = input_type_uint64,
            .type_bool = input_type_bool,
            .type_str = input_type_str,
            .type_number = input_type_number,
            .type_any = input_type_any,
            .type_null = input_type_null,
            .type_mismatch = input_mismatch,
            .open_members = input_open_members,
            .optional = input_optional,
            .policy_reject = input_policy_reject,
            .free = input_free,
        },
        .root = json_incref(obj),
        .stack = g_array_new(false, false, sizeof(InputFrame)),
    };
    g_array_set_clear_func(iv->stack, input_frame_clear);
    return iv;
}

Visitor *qobject_input_visitor_new(json_t *obj)
{
    return &qobject_input_new(obj)->base;
}
