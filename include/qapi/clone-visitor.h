/*
 * Deep copies of QAPI types.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_CLONE_VISITOR_H
#define QAPI_CLONE_VISITOR_H

#include "qapi/visitor.h"

/**
 * qapi_clone:
 * @src: (in) a value, borrowed; NULL gives NULL
 * @visit_type: visit_type_T() of its type
 *
 * Returns: a deep copy. Use the macros below, they check the type.
 */
void *qapi_clone(const void *src, bool (*visit_type)(Visitor *, const char *,
                                                     void **, Error **));

/**
 * qapi_clone_members:
 * @dst: (out) a struct of @size bytes, overwritten; its members are then
 *       owned by the caller
 * @src: (in) struct to copy, borrowed
 * @size: size of the struct
 * @visit_type_members: visit_type_T_members()
 */
void qapi_clone_members(void *dst, const void *src, size_t size,
                        bool (*visit_type_members)(Visitor *, void *,
                                                   Error **));

/* QAPI_CLONE(SocketAddress, addr): a deep copy of addr. */
#define QAPI_CLONE(type, src)                                                  \
    ((type *)qapi_clone((1 ? (src) : (type *)NULL),                            \
                        (bool (*)(Visitor *, const char *, void **,            \
                                  Error **))visit_type_##type))

/* QAPI_CLONE_MEMBERS(Foo, dst, src): *dst becomes a deep copy of *src. */
#define QAPI_CLONE_MEMBERS(type, dst, src)                                     \
    qapi_clone_members(                                                        \
        (1 ? (dst) : (type *)NULL), (1 ? (src) : (type *)NULL), sizeof(type),  \
        (bool (*)(Visitor *, void *, Error **))visit_type_##type##_members)

#endif
