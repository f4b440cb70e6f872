/*
 * What this program is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_VERSION_H
#define SYSTEM_VERSION_H

#include <jansson.h>

/*
 * The release of QEMU whose command line and QMP this program has. It is
 * what QMP reports, because management tools decide by it what they may use.
 */
#define COMPAT_VERSION_MAJOR 7
#define COMPAT_VERSION_MINOR 2
#define COMPAT_VERSION_MICRO 22

/** version_print: name, version and built-in features, to stdout. */
void version_print(void);

/** version_json: (transfer full) the VersionInfo of QMP. */
json_t *version_json(void);

#endif
