/*
 * The object types of crypto/, from the list in meson.build.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/types.h"

#include "authz/types.h"
#include "qom/object.h"
#include "qom/types.h"
#include "util/module.h"

#define TYPE_ENTRY(n) extern const TypeInfo crypto_type_##n;
#include "crypto-types.inc"
#undef TYPE_ENTRY

#define TYPE_ENTRY(n) &crypto_type_##n,
static const TypeInfo *const types[] = {
#include "crypto-types.inc"
};

void crypto_register_types(void)
{
    static gsize once; /* guard of the table */

    authz_register_types();
    qom_register_type_table(&once, types, G_N_ELEMENTS(types));
}

type_init(crypto_register_types)
