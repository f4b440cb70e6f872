/*
 * Checks of values that came with a migration: for VMStateDescription's
 * post_load_errp.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_VMSTATE_CHECK_H
#define HW_CORE_VMSTATE_CHECK_H

#include <inttypes.h>

#include "migration/vmstate.h"
#include "util/error.h"

/** vmstate_check: @value of @what is @min to @max. Errors: it is not. */
static inline bool vmstate_check(const char *what, uint64_t value, uint64_t min,
                                 uint64_t max, Error **errp)
{
    if (value < min || value > max) {
        error_setg(errp, "%s is %" PRIu64 ", not from %" PRIu64 " to %" PRIu64,
                   what, value, min, max);
        return false;
    }
    return true;
}

#endif
