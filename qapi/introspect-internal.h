/*
 * What the two halves of query-qmp-schema share: open unions produce parts
 * of the schema, the rest numbers and collects them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_INTROSPECT_INTERNAL_H
#define QAPI_INTROSPECT_INTERNAL_H

#include "qapi/introspect.h"

/* The object type without members. */
#define QAPI_EMPTY_TYPE "q_empty"

/**
 * qapi_open_union_expand:
 * @entity: (inout) the union, in the form of the generated data
 * @fill: fills it, or NULL
 * @opaque: handed to @fill
 *
 * Give @entity its variants and its tag an enum of their names.
 *
 * Returns: the types that were made for it, an array; a new reference.
 */
json_t *qapi_open_union_expand(json_t *entity, QapiOpenFill *fill,
                               void *opaque);

#endif
