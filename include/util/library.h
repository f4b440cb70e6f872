/*
 * Shared libraries that are loaded when they are first needed, so that a
 * program which does not use them pays neither start-up time nor memory.
 *
 *     static int (*start)(int);
 *     static const LibrarySymbol symbols[] = { { "foo_start", &start }, {} };
 *     static Library foo = { .soname = "libfoo.so.1", .symbols = symbols };
 *
 *     if (!library_load(&foo, errp)) ...
 *     start(1);
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_LIBRARY_H
#define UTIL_LIBRARY_H

#include <glib.h>
#include <stdbool.h>

#include "util/typedefs.h"

typedef struct LibrarySymbol {
    const char *name;
    void *where; /* address of the function pointer to set */
} LibrarySymbol;

typedef struct Library {
    const char *soname;
    const LibrarySymbol *symbols; /* ends with name NULL */
    int loaded;                   /* private; atomic */
} Library;

/**
 * library_load:
 * @lib: (inout) static description
 * @errp: (out) set when the return is false
 *
 * Load @lib and find its symbols, unless that was done before. It stays
 * loaded to the end of the program.
 *
 * Thread: any.
 * Returns: true when all symbols are set.
 * Errors: no such library; a symbol is missing (an older version).
 */
bool library_load(Library *lib, Error **errp);

#endif
