/*
 * The graphics card that a machine has without -device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_GRAPHICS_H
#define HW_GRAPHICS_H

#include "hw/boards.h"

/** graphics_known: is @name a value of -vga? */
bool graphics_known(const char *name);
/** graphics_help: (transfer full) text of `-vga help`. */
char *graphics_help(void);

/**
 * machine_add_graphics:
 * @name: value of -vga, "none" included
 *
 * Put the card into the first free slot, as a device of the board. Before any
 * -device; a machine without a PCI bus gets none.
 *
 * Errors: unknown name; what the device refuses.
 */
bool machine_add_graphics(MachineState *machine, const char *name,
                          Error **errp);

#endif
