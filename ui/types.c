/*
 * The table of this folder's classes, from the list in meson.build.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "ui/types.h"

#include "qom/object.h"
#include "qom/types.h"
#include "util/module.h"

#define TYPE_ENTRY(n) extern const TypeInfo ui_type_##n;
#include "ui-types.inc"
#undef TYPE_ENTRY

#define TYPE_ENTRY(n) &ui_type_##n,
static const TypeInfo *const types[] = {
#include "ui-types.inc"
};

void ui_register_types(void)
{
    static gsize once;

    qom_register_types();
    qom_register_type_table(&once, types, G_N_ELEMENTS(types));
}

type_init(ui_register_types)
