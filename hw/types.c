/*
 * The table of this folder's classes, from the list in meson.build.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/types.h"

#include "accel/types.h"
#include "chardev/types.h"
#include "qom/object.h"
#include "qom/types.h"
#include "ui/types.h"
#include "util/module.h"

#define TYPE_ENTRY(n) extern const TypeInfo hw_type_##n;
#include "hw-types.inc"
#undef TYPE_ENTRY

#define TYPE_ENTRY(n) &hw_type_##n,
static const TypeInfo *const types[] = {
#include "hw-types.inc"
};

void hw_register_types(void)
{
    static gsize once;

    accel_register_types();
    chardev_register_types();
    ui_register_types();
    qom_register_type_table(&once, types, G_N_ELEMENTS(types));
}

type_init(hw_register_types)
