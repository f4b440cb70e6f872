/*
 * Registration of this folder's types, and the pattern for others'.
 *
 * A class file exports `const TypeInfo <folder>_type_<noun>`. The folder's
 * meson.build writes <folder>-types.inc with a line TYPE_ENTRY(<noun>) each,
 * and <folder>/types.c is
 *
 *     #define TYPE_ENTRY(n) extern const TypeInfo <folder>_type_##n;
 *     #include "<folder>-types.inc"
 *     #undef TYPE_ENTRY
 *     #define TYPE_ENTRY(n) &<folder>_type_##n,
 *     static const TypeInfo *const types[] = {
 *     #include "<folder>-types.inc"
 *     };
 *     void <folder>_register_types(void)
 *     {
 *         static gsize once;
 *
 *         lower_register_types();
 *         qom_register_type_table(&once, types, G_N_ELEMENTS(types));
 *     }
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QOM_TYPES_H
#define QOM_TYPES_H

#include <glib.h>

#include "util/typedefs.h"

/**
 * qom_register_type_table:
 * @once: guard, zero at the start
 * @types: (in) @n pointers to static TypeInfo
 *
 * Register all of @types on the first call with this guard; later calls do
 * nothing. Thread: any; returns when the registration is done.
 */
void qom_register_type_table(gsize *once, const TypeInfo *const *types,
                             size_t n);

/** qom_register_types: container, user-creatable. Idempotent, any thread. */
void qom_register_types(void);

#endif
