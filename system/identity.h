/*
 * Name and UUID of the guest.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_IDENTITY_H
#define SYSTEM_IDENTITY_H

#include <stdbool.h>

#include "util/typedefs.h"

/** identity_set: @name and @uuid may be NULL; @uuid is checked. */
bool identity_set(const char *name, const char *uuid, Error **errp);
/** identity_name: NULL when there is none. Thread: any after start. */
const char *identity_name(void);
/** identity_uuid: in lower case; all zero when there is none. */
const char *identity_uuid(void);

#endif
