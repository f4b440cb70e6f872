/*
 * A shared object that is no module.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

int module_none(void);

int module_none(void)
{
    return 0;
}
