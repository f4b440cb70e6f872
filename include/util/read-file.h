/*
 * Read a whole file that a user named, up to a limit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_READ_FILE_H
#define UTIL_READ_FILE_H

#include <stddef.h>

#include "util/typedefs.h"

/**
 * read_file_bounded:
 * @path: (in) regular file, pipe, device or /dev/fdset/N
 * @max: (in) most bytes that are acceptable
 * @len: (out) bytes read, without the NUL
 * @errp: (out)
 *
 * Memory that held a part of the contents is wiped before it is given back,
 * so this also serves key files; the caller wipes the result.
 *
 * Returns: the contents with a NUL behind them, for g_free(); NULL on
 *          failure.
 * Errors: cannot be opened or read; is a directory; more than @max bytes.
 */
char *read_file_bounded(const char *path, size_t max, size_t *len,
                        Error **errp);

#endif
