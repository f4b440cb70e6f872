/*
 * Registration of this folder's classes, from the list in meson.build.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/types.h"

#include "crypto/types.h"
#include "io/types.h"
#include "qom/object.h"
#include "qom/types.h"
#include "util/module.h"

#define TYPE_ENTRY(n) extern const TypeInfo block_type_##n;
#include "block-types.inc"
#undef TYPE_ENTRY

#define TYPE_ENTRY(n) &block_type_##n,
static const TypeInfo *const types[] = {
#include "block-types.inc"
};
#undef TYPE_ENTRY

void block_register_types(void)
{
    static gsize once;

    crypto_register_types();
    io_register_types();
    qom_register_type_table(&once, types, G_N_ELEMENTS(types));
}

type_init(block_register_types)
