/*
 * Registration of this folder's classes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "net/types.h"

#include "qom/object.h"
#include "qom/types.h"
#include "util/module.h"

#define TYPE_ENTRY(n) extern const TypeInfo net_type_##n;
#include "net-types.inc"
#undef TYPE_ENTRY

#define TYPE_ENTRY(n) &net_type_##n,
static const TypeInfo *const types[] = {
#include "net-types.inc"
};
#undef TYPE_ENTRY

void net_register_types(void)
{
    static gsize once;

    qom_register_type_table(&once, types, G_N_ELEMENTS(types));
}

type_init(net_register_types)
