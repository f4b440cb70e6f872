/*
 * Registration of type tables, and of this folder's own types.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qom/types.h"

#include "qom/object.h"

#define TYPE_ENTRY(n) extern const TypeInfo qom_type_##n;
#include "qom-types.inc"
#undef TYPE_ENTRY
#define TYPE_ENTRY(n) &qom_type_##n,
static const TypeInfo *const types[] = {
#include "qom-types.inc"
};
#undef TYPE_ENTRY

void qom_register_type_table(gsize *once, const TypeInfo *const *table,
                             size_t n)
{
    if (g_once_init_enter(once)) {
        for (size_t i = 0; i < n; i++) {
            type_register_static(table[i]);
        }
        g_once_init_leave(once, 1);
    }
}

void qom_register_types(void)
{
    static gsize once;

    qom_register_type_table(&once, types, G_N_ELEMENTS(types));
}
