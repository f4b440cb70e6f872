/*
 * What the option table shares inside this folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_OPTIONS_H
#define SYSTEM_OPTIONS_H

#include "config.h"

/** options_print_help: what -help prints. */
void options_print_help(void);

/** options_print_keys: what `-NAME help` prints for a key=value option. */
void options_print_keys(const char *name);

/**
 * options_read_config:
 * @path: (in) ini file with sections such as [chardev "id"]
 *
 * Handle each section as one option (-readconfig).
 */
ParseResult options_read_config(SystemConfig *config, const char *path,
                                Error **errp);

#endif
