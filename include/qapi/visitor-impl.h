/*
 * What a visitor implements. Only for files that define one; callers use
 * qapi/visitor.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_VISITOR_IMPL_H
#define QAPI_VISITOR_IMPL_H

#include "qapi/qapi-types-compat.h"
#include "qapi/visitor.h"

typedef enum VisitorType {
    VISITOR_INPUT = 1,
    VISITOR_OUTPUT = 2,
    VISITOR_CLONE = 3,
    VISITOR_DEALLOC = 4,
} VisitorType;

/*
 * Callbacks have the meaning, the returns and the errors of the function of
 * the same name in qapi/visitor.h. "optional" ones may be NULL: the walk
 * then goes on as if they had succeeded.
 */
struct Visitor {
    /* mandatory */
    bool (*start_struct)(Visitor *v, const char *name, void **obj, size_t size,
                         Error **errp);
    /* optional */
    bool (*check_struct)(Visitor *v, Error **errp);
    /* mandatory */
    void (*end_struct)(Visitor *v, void **obj);

    /* mandatory */
    bool (*start_list)(Visitor *v, const char *name, GenericList **list,
                       size_t size, Error **errp);
    /* mandatory */
    GenericList *(*next_list)(Visitor *v, GenericList *tail, size_t size);
    /* optional */
    bool (*check_list)(Visitor *v, Error **errp);
    /* mandatory */
    void (*end_list)(Visitor *v, void **list);

    /* mandatory for input and clone, optional else */
    bool (*start_alternate)(Visitor *v, const char *name,
                            GenericAlternate **obj, size_t size, Error **errp);
    /* optional */
    void (*end_alternate)(Visitor *v, void **obj);

    /* mandatory */
    bool (*type_int64)(Visitor *v, const char *name, int64_t *obj,
                       Error **errp);
    /* mandatory */
    bool (*type_uint64)(Visitor *v, const char *name, uint64_t *obj,
                        Error **errp);
    /* optional; default: type_uint64 */
    bool (*type_size)(Visitor *v, const char *name, uint64_t *obj,
                      Error **errp);
    /* mandatory */
    bool (*type_bool)(Visitor *v, const char *name, bool *obj, Error **errp);
    /* mandatory */
    bool (*type_str)(Visitor *v, const char *name, char **obj, Error **errp);
    /* mandatory */
    bool (*type_number)(Visitor *v, const char *name, double *obj,
                        Error **errp);
    /* mandatory */
    bool (*type_any)(Visitor *v, const char *name, json_t **obj, Error **errp);
    /* mandatory */
    bool (*type_null)(Visitor *v, const char *name, QNull **obj, Error **errp);
    /* mandatory */
    bool (*open_members)(Visitor *v, json_t **obj, Error **errp);

    /* optional; default: a message with @name alone */
    void (*type_mismatch)(Visitor *v, const char *name, const char *expected,
                          Error **errp);

    /* optional; input only */
    void (*optional)(Visitor *v, const char *name, bool *present);
    /* optional; input only */
    bool (*policy_reject)(Visitor *v, const char *name,
                          unsigned special_features, Error **errp);
    /* optional; output only */
    bool (*policy_skip)(Visitor *v, const char *name,
                        unsigned special_features);

    /* optional; output only */
    void (*complete)(Visitor *v, void *opaque);
    /* mandatory */
    void (*free)(Visitor *v);

    VisitorType type;
    CompatPolicy compat_policy;
};

#endif
