/*
 * Modules for test-module.c; built several times with different macros:
 * a good one, one of another build, one under a wrong name, one whose init
 * fails.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/module.h"

#ifdef SAMPLE_ABI
#undef FERRY_MODULE_ABI
#define FERRY_MODULE_ABI SAMPLE_ABI
#endif

static bool sample_init(Error **errp)
{
    const char *calls = g_getenv("SAMPLE_CALLS");

    /* How the test sees that we ran. */
    g_setenv("SAMPLE_CALLS", calls ? "many" : "once", TRUE);
#ifdef SAMPLE_FAILS
    error_setg(errp, "no luck");
    return false;
#else
    return true;
#endif
}

FERRY_MODULE(SAMPLE_NAME, sample_init);
