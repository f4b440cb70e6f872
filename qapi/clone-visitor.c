/*
 * Deep copies. On entering a struct or a list element the memory is copied
 * as it is; every pointer member met after that still points to the source's
 * and is replaced by a copy. Scalars are then right already.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/clone-visitor.h"

#include "qapi/visitor-impl.h"

/* g_memdup2() with a check that nobody asks for a copy of nothing. */
static void *dup_struct(const void *src, size_t size)
{
    assert(src && size);
    return g_memdup2(src, size);
}

static bool clone_start_struct(Visitor *v, const char *name, void **obj,
                               size_t size, Error **errp)
{
    if (obj) {
        *obj = dup_struct(*obj, size);
    }
    return true;
}

static void clone_end(Visitor *v, void **obj)
{
}

static bool clone_start_list(Visitor *v, const char *name, GenericList **list,
                             size_t size, Error **errp)
{
    if (list && *list) {
        *list = dup_struct(*list, size);
    }
    return true;
}

static GenericList *clone_next_list(Visitor *v, GenericList *tail, size_t size)
{
    if (tail->next) {
        tail->next = dup_struct(tail->next, size);
    }
    return tail->next;
}

static bool clone_start_alternate(Visitor *v, const char *name,
                                  GenericAlternate **obj, size_t size,
                                  Error **errp)
{
    *obj = dup_struct(*obj, size);
    return true;
}

static bool clone_type_int64(Visitor *v, const char *name, int64_t *obj,
                             Error **errp)
{
    return true;
}

static bool clone_type_uint64(Visitor *v, const char *name, uint64_t *obj,
                              Error **errp)
{
    return true;
}

static bool clone_type_bool(Visitor *v, const char *name, bool *obj,
                            Error **errp)
{
    return true;
}

static bool clone_type_str(Visitor *v, const char *name, char **obj,
                           Error **errp)
{
    /* Input and output visitors agree that a missing string is "". */
    *obj = g_strdup(*obj ? *obj : "");
    return true;
}

static bool clone_type_number(Visitor *v, const char *name, double *obj,
                              Error **errp)
{
    return true;
}

static bool clone_type_any(Visitor *v, const char *name, json_t **obj,
                           Error **errp)
{
    *obj = json_deep_copy(*obj);
    return true;
}

static bool clone_type_null(Visitor *v, const char *name, QNull **obj,
                            Error **errp)
{
    *obj = json_null();
    return true;
}

static bool clone_open_members(Visitor *v, json_t **obj, Error **errp)
{
    *obj = json_deep_copy(*obj); /* NULL stays NULL */
    return true;
}

static void clone_free(Visitor *v)
{
    g_free(v);
}

static Visitor *clone_visitor_new(void)
{
    Visitor *v = g_new0(Visitor, 1);

    *v = (Visitor){
        .type = VISITOR_CLONE,
        .start_struct = clone_start_struct,
        .end_struct = clone_end,
        .start_list = clone_start_list,
        .next_list = clone_next_list,
        .end_list = clone_end,
        .start_alternate = clone_start_alternate,
        .end_alternate = clone_end,
        .type_int64 = clone_type_int64,
        .type_uint64 = clone_type_uint64,
        .type_bool = clone_type_bool,
        .type_str = clone_type_str,
        .type_number = clone_type_number,
        .type_any = clone_type_any,
        .type_null = clone_type_null,
        .open_members = clone_open_members,
        .free = clone_free,
    };
    return v;
}

void *qapi_clone(const void *src,
                 bool (*visit_type)(Visitor *, const char *, void **, Error **))
{
    g_autoptr(Visitor) v = NULL;
    void *dst = (void *)src;

    if (!src) {
        return NULL;
    }
    v = clone_visitor_new();
    visit_type(v, NULL, &dst, &error_abort);
    return dst;
}

void qapi_clone_members(void *dst, const void *src, size_t size,
                        bool (*visit_type_members)(Visitor *, void *, Error **))
{
    g_autoptr(Visitor) v = clone_visitor_new();

    memcpy(dst, src, size);
    visit_type_members(v, dst, &error_abort);
}
