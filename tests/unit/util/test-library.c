/*
 * Loading libraries on demand: a library that every system has, one that
 * none has, and a symbol that is not there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/library.h"

static double (*library_cos)(double);
static void (*library_nothing)(void);

static void test_load(void)
{
    static const LibrarySymbol symbols[] = { { "cos", &library_cos }, {} };
    static Library lib = { .soname = "libm.so.6", .symbols = symbols };

    g_assert_true(library_load(&lib, &error_abort));
    g_assert_cmpfloat(library_cos(0), ==, 1);
    g_assert_true(library_load(&lib, &error_abort));
}

static void test_missing_library(void)
{
    static const LibrarySymbol symbols[] = { {} };
    static Library lib = { .soname = "libno-such.so.9", .symbols = symbols };
    Error *err = NULL;

    g_assert_false(library_load(&lib, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "libno-such.so.9"));
    error_free_or_abort(&err);
}

static void test_missing_symbol(void)
{
    static const LibrarySymbol symbols[] = {
        { "no_such_symbol", &library_nothing }, {}
    };
    static Library lib = { .soname = "libm.so.6", .symbols = symbols };
    Error *err = NULL;

    g_assert_false(library_load(&lib, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "no_such_symbol"));
    error_free_or_abort(&err);
    g_assert_null(library_nothing);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/library/load", test_load);
    g_test_add_func("/util/library/missing-library", test_missing_library);
    g_test_add_func("/util/library/missing-symbol", test_missing_symbol);
    return g_test_run();
}
