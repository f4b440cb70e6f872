/*
 * Disks from the command line: -drive, -blockdev, -hda, -cdrom ...
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_DRIVES_H
#define SYSTEM_DRIVES_H

#include "startup.h"

/** drives_option: note option @name (one of the above) with @value. */
ParseResult drives_option(SystemConfig *config, const char *name,
                          const char *value, Error **errp);
/** drives_open: open the images. */
bool drives_open(System *s, Error **errp);
/** drives_plug: make the devices that drives ask for by their `if`. */
bool drives_plug(System *s, Error **errp);
/** drives_close: when the machine is gone. */
void drives_close(void);

#endif
