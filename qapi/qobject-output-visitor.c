/*
 * Output visitor: builds a JSON tree. The stack holds the containers being
 * filled, the innermost one last; the root owns all of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qobject-output-visitor.h"

#include <float.h>
#include <math.h>

#include "qapi/compat-policy.h"
#include "qapi/visitor-impl.h"

typedef struct OutputVisitor {
    Visitor base;
    GPtrArray *stack; /* json_t *, borrowed from @root */
    json_t *root;
    json_t **result;
} OutputVisitor;

static OutputVisitor *to_output(Visitor *v)
{
    return container_of(v, OutputVisitor, base);
}

static json_t *output_top(OutputVisitor *ov)
{
    return ov->stack->len ? g_ptr_array_index(ov->stack, ov->stack->len - 1)
                          : NULL;
}

/* Put @value, whose reference is taken, where the walk stands. */
static void output_add(Visitor *v, const char *name, json_t *value)
{
    OutputVisitor *ov = to_output(v);
    json_t *top = output_top(ov);

    assert(value);
    if (!top) {
        assert(!ov->root);
        ov->root = value;
    } else if (json_is_object(top)) {
        assert(name);
        json_object_set_new(top, name, value);
    } else {
        json_array_append_new(top, value);
    }
}

static bool output_start_struct(Visitor *v, const char *name, void **obj,
                                size_t size, Error **errp)
{
    json_t *dict = json_object();

    output_add(v, name, dict);
    g_ptr_array_add(to_output(v)->stack, dict);
    return true;
}

static void output_end(Visitor *v, void **obj)
{
    OutputVisitor *ov = to_output(v);

    assert(ov->stack->len);
    g_ptr_array_set_size(ov->stack, (gint)ov->stack->len - 1);
}

static bool output_start_list(Visitor *v, const char *name, GenericList **list,
                              size_t size, Error **errp)
{
    json_t *array = json_array();

    output_add(v, name, array);
    g_ptr_array_add(to_output(v)->stack, array);
    return true;
}

static GenericList *output_next_list(Visitor *v, GenericList *tail, size_t size)
{
    return tail->next;
}

static bool output_type_int64(Visitor *v, const char *name, int64_t *obj,
                              Error **errp)
{
    output_add(v, name, json_integer(*obj));
    return true;
}

static bool output_type_uint64(Visitor *v, const char *name, uint64_t *obj,
                               Error **errp)
{
    output_add(v, name, json_uint64(*obj));
    return true;
}

static bool output_type_bool(Visitor *v, const char *name, bool *obj,
                             Error **errp)
{
    output_add(v, name, json_boolean(*obj));
    return true;
}

static bool output_type_str(Visitor *v, const char *name, char **obj,
                            Error **errp)
{
    const char *text = *obj ? *obj : "";
    json_t *value = json_string(text);

    if (!value) {
        /* A file name, say, that is not UTF-8: show what can be shown. */
        g_autofree char *valid = g_utf8_make_valid(text, -1);

        value = json_string(valid);
    }
    output_add(v, name, value);
    return true;
}

static bool output_type_number(Visitor *v, const char *name, double *obj,
                               Error **errp)
{
    double value = *obj;

    /* JSON has neither NaN nor infinity. */
    if (isnan(value)) {
        value = 0;
    } else if (isinf(value)) {
        value = value > 0 ? DBL_MAX : -DBL_MAX;
    }
    output_add(v, name, json_real(value));
    return true;
}

static bool output_type_any(Visitor *v, const char *name, json_t **obj,
                            Error **errp)
{
    output_add(v, name, json_incref(*obj));
    return true;
}

static bool output_type_null(Visitor *v, const char *name, QNull **obj,
                             Error **errp)
{
    output_add(v, name, json_null());
    return true;
}

static bool output_open_members(Visitor *v, json_t **obj, Error **errp)
{
    json_t *top = output_top(to_output(v));

    assert(json_is_object(top));
    if (*obj) {
        json_object_update_missing(top, *obj);
    }
    return true;
}

static bool output_policy_skip(Visitor *v, const char *name,
                               unsigned special_features)
{
    return compat_policy_output_hide(special_features, &v->compat_policy);
}

static void output_complete(Visitor *v, void *opaque)
{
    OutputVisitor *ov = to_output(v);

    assert(opaque == ov->result && ov->root && !ov->stack->len);
    *ov->result = g_steal_pointer(&ov->root);
}

static void output_free(Visitor *v)
{
    OutputVisitor *ov = to_output(v);

    g_ptr_array_free(ov->stack, true);
    json_decref(ov->root);
    g_free(ov);
}

Visitor *qobject_output_visitor_new(json_t **result)
{
    OutputVisitor *ov = g_new0(OutputVisitor, 1);

    *ov = (OutputVisitor){
        .base = {
            .type = VISITOR_OUTPUT,
            .start_struct = output_start_struct,
            .end_struct = output_end,
            .start_list = output_start_list,
            .next_list = output_next_list,
            .end_list = output_end,
            .type_int64 = output_type_int64,
            .type_uint64 = output_type_uint64,
            .type_bool = output_type_bool,
            .type_str = output_type_str,
            .type_number = output_type_number,
            .type_any = output_type_any,
            .type_null = output_type_null,
            .open_members = output_open_members,
            .policy_skip = output_policy_skip,
            .complete = output_complete,
            .free = output_free,
        },
        .stack = g_ptr_array_new(),
        .result = result,
    };
    return &ov->base;
}
