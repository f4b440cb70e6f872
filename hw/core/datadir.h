/*
 * Where firmware files are found.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_DATADIR_H
#define HW_CORE_DATADIR_H

#include "hw/boards.h"

/**
 * datadir_find:
 * @machine: (nullable) its -L directories are searched first
 * @name: file name, or path
 *
 * The file itself, then in the -L directories, in Ferry's own data directory
 * and in those of the distribution's firmware packages.
 *
 * Returns: (transfer full) path of a file that can be read; NULL.
 */
char *datadir_find(MachineState *machine, const char *name);

/** datadir_list: (transfer full) the directories in order, one a line. */
char *datadir_list(MachineState *machine);

#endif
