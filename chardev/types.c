/*
 * Registration of this folder's classes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/types.h"

#include "crypto/types.h"
#include "io/types.h"
#include "qom/object.h"
#include "qom/types.h"
#include "util/module.h"

#define TYPE_ENTRY(n) extern const TypeInfo chardev_type_##n;
#include "chardev-types.inc"
#undef TYPE_ENTRY

#define TYPE_ENTRY(n) &chardev_type_##n,
static const TypeInfo *const types[] = {
#include "chardev-types.inc"
};
#undef TYPE_ENTRY

void chardev_register_types(void)
{
    static gsize once;

    crypto_register_types();
    io_register_types();
    qom_register_type_table(&once, types, G_N_ELEMENTS(types));
}

type_init(chardev_register_types)
