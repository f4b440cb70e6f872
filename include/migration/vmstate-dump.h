/*
 * The tables of device states as JSON, for tools that compare what two
 * programs or two versions can send each other (-dump-vmstate).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_VMSTATE_DUMP_H
#define MIGRATION_VMSTATE_DUMP_H

#include "migration/register.h"

typedef struct VMStateDump VMStateDump;

/** vmstate_dump_new: (transfer full) for the machine type @machine. */
VMStateDump *vmstate_dump_new(const char *machine);
/** vmstate_dump_free: accepts NULL. */
void vmstate_dump_free(VMStateDump *d);

/**
 * vmstate_dump_add:
 * @name: (in) of the device's class
 * @vmsd: (in) its table
 *
 * A name that was added already is passed over.
 */
void vmstate_dump_add(VMStateDump *d, const char *name,
                      const VMStateDescription *vmsd);
/** vmstate_dump_add_registry: under their names, tables in @reg that were not
 *  added before. */
void vmstate_dump_add_registry(VMStateDump *d, SaveVMRegistry *reg);

/** vmstate_dump_text: (transfer full) the JSON text; once, at the end. */
char *vmstate_dump_text(VMStateDump *d);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VMStateDump, vmstate_dump_free)

#endif
