/*
 * Frees what it walks. A struct or list is freed when its walk ends, after
 * its members; NULL members are skipped, so that half-built trees work.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/dealloc-visitor.h"

#include "qapi/visitor-impl.h"

static bool dealloc_start_struct(Visitor *v, const char *name, void **obj,
                                 size_t size, Error **errp)
{
    return true;
}

static void dealloc_end_object(Visitor *v, void **obj)
{
    if (obj) {
        g_free(*obj);
    }
}

static bool dealloc_start_list(Visitor *v, const char *name, GenericList **list,
                               size_t size, Error **errp)
{
    return true;
}

static GenericList *dealloc_next_list(Visitor *v, GenericList *tail,
                                      size_t size)
{
    GenericList *next = tail->next;

    g_free(tail);
    return next;
}

static void dealloc_end_list(Visitor *v, void **list)
{
}

static bool dealloc_type_int64(Visitor *v, const char *name, int64_t *obj,
                               Error **errp)
{
    return true;
}

static bool dealloc_type_uint64(Visitor *v, const char *name, uint64_t *obj,
                                Error **errp)
{
    return true;
}

static bool dealloc_type_bool(Visitor *v, const char *name, bool *obj,
                              Error **errp)
{
    return true;
}

static bool dealloc_type_str(Visitor *v, const char *name, char **obj,
                             Error **errp)
{
    if (obj) {
        g_free(*obj);
    }
    return true;
}

static bool dealloc_type_number(Visitor *v, const char *name, double *obj,
                                Error **errp)
{
    return true;
}

static bool dealloc_type_any(Visitor *v, const char *name, json_t **obj,
                             Error **errp)
{
    if (obj) {
        json_decref(*obj);
    }
    return true;
}

static bool dealloc_open_members(Visitor *v, json_t **obj, Error **errp)
{
    json_decref(*obj);
    return true;
}

static void dealloc_free(Visitor *v)
{
    g_free(v);
}

Visitor *qapi_dealloc_visitor_new(void)
{
    Visitor *v = g_new0(Visitor, 1);

    *v = (Visitor){
        .type = VISITOR_DEALLOC,
        .start_struct = dealloc_start_struct,
        .end_struct = dealloc_end_object,
        .start_list = dealloc_start_list,
        .next_list = dealloc_next_list,
        .end_list = dealloc_end_list,
        .end_alternate = dealloc_end_object,
        .type_int64 = dealloc_type_int64,
        .type_uint64 = dealloc_type_uint64,
        .type_bool = dealloc_type_bool,
        .type_str = dealloc_type_str,
        .type_number = dealloc_type_number,
        .type_any = dealloc_type_any,
        .type_null = dealloc_type_any,
        .open_members = dealloc_open_members,
        .free = dealloc_free,
    };
    return v;
}
