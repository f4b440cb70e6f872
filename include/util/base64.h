/*
 * Base64 with a strict decoder (g_base64_decode() ignores garbage).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_BASE64_H
#define UTIL_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "util/typedefs.h"

/**
 * qbase64_decode:
 * @input: (in) text; white space between groups is accepted
 * @in_len: its length, or (size_t)-1 if NUL-terminated
 * @out_len: (out) bytes returned
 *
 * Source: RFC 4648 4, standard alphabet with padding.
 * Returns: memory for g_free() (with a NUL after the data), or NULL.
 * Errors: a character outside the alphabet; wrong or missing padding; a NUL
 * inside @in_len.
 */
uint8_t *qbase64_decode(const char *input, size_t in_len, size_t *out_len,
                        Error **errp);

#endif
