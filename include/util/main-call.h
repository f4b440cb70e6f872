/*
 * A call in the main thread, from any other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_MAIN_CALL_H
#define UTIL_MAIN_CALL_H

#include <stdbool.h>

#include "util/error.h"

typedef bool MainCallFunc(void *opaque, Error **errp);

/**
 * main_call:
 * @func: (in) called once with @opaque
 *
 * Call @func in the main thread by a bottom half and wait until it has
 * returned; in the main thread itself, at once. Thread: any that holds no lock
 * that the main thread may want.
 * Returns: what @func returned.
 */
bool main_call(MainCallFunc *func, void *opaque, Error **errp);

#endif
