/*
 * What the QMP schema says about objects that are made from property tables.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QOM_QOM_INTROSPECT_H
#define QOM_QOM_INTROSPECT_H

#include "qapi/introspect.h"

/**
 * qom_open_union_fill:
 * @u: (inout) union
 * @implements: type or interface: TYPE_USER_CREATABLE for 'user-creatable'
 *
 * Add a branch for each concrete type that is a kind of @implements, also
 * under its alias, with the properties of its table that can be set.
 */
void qom_open_union_fill(QapiOpenUnion *u, const char *implements);

/** qom_open_variant_fill: the members of one branch, from @klass's table. */
void qom_open_variant_fill(QapiOpenVariant *variant, ObjectClass *klass);

#endif
