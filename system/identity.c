/*
 * Name and UUID of the guest; set once at start.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "identity.h"

#include "util/error.h"
#include "util/uuid.h"

static char *guest_name;
static char *guest_uuid;

bool identity_set(const char *name, const char *uuid, Error **errp)
{
    QemuUUID parsed = { 0 };

    if (uuid && qemu_uuid_parse(uuid, &parsed) < 0) {
        error_setg(errp, "-uuid: '%s' is not a UUID", uuid);
        return false;
    }
    g_free(guest_name);
    guest_name = g_strdup(name);
    g_free(guest_uuid);
    guest_uuid = qemu_uuid_unparse_strdup(&parsed);
    return true;
}

const char *identity_name(void)
{
    return guest_name;
}

const char *identity_uuid(void)
{
    return guest_uuid;
}
