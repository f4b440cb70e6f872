/*
 * The authorization classes, from the list in meson.build.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "authz/types.h"

#include "qom/object.h"
#include "qom/types.h"
#include "util/module.h"

#define TYPE_ENTRY(n) extern const TypeInfo authz_type_##n;
#include "authz-types.inc"
#undef TYPE_ENTRY

#define TYPE_ENTRY(n) &authz_type_##n,
static const TypeInfo *const types[] = {
#include "authz-types.inc"
};

void authz_register_types(void)
{
    static gsize once;

    qom_register_types();
    qom_register_type_table(&once, types, G_N_ELEMENTS(types));
}

type_init(authz_register_types)
