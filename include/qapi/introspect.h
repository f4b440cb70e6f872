/*
 * query-qmp-schema: the schema as this binary implements it.
 *
 * The generator leaves the whole schema as data, with real type names. The
 * answer is made from it at run time: it starts from the commands that are
 * registered and from all events, takes every type they reach, fills the
 * branches of 'x-open' unions from property tables, and puts numbers in
 * place of type names, because names of types are no part of the interface.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_INTROSPECT_H
#define QAPI_INTROSPECT_H

#include "qapi/json.h"
#include "qapi/qmp-dispatch.h"
#include "qapi/util.h"

/* A union under construction; only inside a QapiOpenFill callback. */
typedef struct QapiOpenUnion QapiOpenUnion;
/* One branch of it. */
typedef struct QapiOpenVariant QapiOpenVariant;

/**
 * qapi_open_union_tag:
 * Returns: the value of 'x-open' in the schema ("user-creatable", ...).
 */
const char *qapi_open_union_tag(const QapiOpenUnion *u);

/**
 * qapi_open_union_add:
 * @u: (inout) union
 * @name: (in) value of the discriminator that selects the branch, copied
 * @wrapper: (in) NULL, or the name of the single member that holds the
 *           branch's members ("data" for chardev backends)
 *
 * Returns: the branch, owned by @u.
 */
QapiOpenVariant *qapi_open_union_add(QapiOpenUnion *u, const char *name,
                                     const char *wrapper);

/**
 * qapi_open_variant_member:
 * @variant: (inout) branch
 * @name: (in) name of the member, copied
 * @type: (in) a QAPI type: "str", "int", "size", "uint16", "bool", "number",
 *        "any", the name of a type of the schema, or one of these in
 *        brackets for an array: "[str]"; unknown names are a programming
 *        error. Ignored if @lookup is given.
 * @lookup: (in) values of an enum that is not in the schema; NULL otherwise
 * @optional: the member need not be given
 * @special_features: set of 1u << QapiSpecialFeature
 */
void qapi_open_variant_member(QapiOpenVariant *variant, const char *name,
                              const char *type, const QEnumLookup *lookup,
                              bool optional, unsigned special_features);

/**
 * QapiOpenFill:
 * @u: (inout) union to fill with qapi_open_union_add()
 * @opaque: as given to qapi_introspect()
 */
typedef void QapiOpenFill(QapiOpenUnion *u, void *opaque);

/**
 * qapi_introspect:
 * @data: (in) the generated data, qapi_introspect_data
 * @cmds: (in) registered commands; NULL = all of the schema
 * @fill: fills 'x-open' unions, or NULL to leave them without branches
 * @opaque: handed to @fill
 *
 * Takes some milliseconds; keep the result.
 *
 * Returns: the array that query-qmp-schema returns, a new reference.
 */
json_t *qapi_introspect(const char *const *data, const QmpCommandList *cmds,
                        QapiOpenFill *fill, void *opaque);

#endif
