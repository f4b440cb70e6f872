/*
 * An object that only holds children: the root, "/objects" and their like.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qom/object.h"

extern const TypeInfo qom_type_container;

const TypeInfo qom_type_container = {
    .name = TYPE_CONTAINER,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(Object),
};
