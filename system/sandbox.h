/*
 * -sandbox: a filter on system calls.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_SANDBOX_H
#define SYSTEM_SANDBOX_H

#include <jansson.h>
#include <stdbool.h>

#include "util/typedefs.h"

/**
 * sandbox_enable:
 * @opts: (in) keys of -sandbox; without "enable" nothing happens
 *
 * Put the filter on every thread. There is no way back.
 *
 * Errors: unknown key or value; the kernel refuses; not built in.
 */
bool sandbox_enable(json_t *opts, Error **errp);

#endif
