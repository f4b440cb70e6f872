/*
 * Memory that held a secret is wiped before it is given back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_SECRET_MEM_H
#define UTIL_SECRET_MEM_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/** secret_wipe: zero @len bytes in a way that no compiler removes. */
void secret_wipe(void *p, size_t len);
/** secret_free: wipe and g_free(); accepts NULL. */
void secret_free(void *p, size_t len);
/** secret_str_free: wipe a NUL-terminated string and g_free() it. */
void secret_str_free(char *str);
/** secret_gstring_free: wipe all that @s ever allocated last, and free. */
void secret_gstring_free(GString *s);
/** secret_bytes_new_take: GBytes that wipe themselves; owns @data. */
GBytes *secret_bytes_new_take(void *data, size_t len);
/** secret_equal: compare in time that depends on @len only. */
bool secret_equal(const void *a, const void *b, size_t len);

/* secret_str s = ...; wiped and freed at the end of the scope. */
typedef char *secret_str;
static inline void secret_str_auto_free(secret_str *s)
{
    secret_str_free(*s);
}
#define g_auto_secret_str                                                      \
    __attribute__((cleanup(secret_str_auto_free))) secret_str

#endif
