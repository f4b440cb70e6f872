/*
 * -dump-vmstate.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_DUMP_VMSTATE_H
#define SYSTEM_DUMP_VMSTATE_H

#include "hw/boards.h"

/** system_dump_vmstate: what devices of all classes, and @machine with its
 *  CPUs, send when they migrate, as JSON into the file @path. */
bool system_dump_vmstate(MachineState *machine, const char *path, Error **errp);

#endif
