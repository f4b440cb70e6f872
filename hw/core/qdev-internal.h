/*
 * What device classes of this folder share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_QDEV_INTERNAL_H
#define HW_CORE_QDEV_INTERNAL_H

#include "hw/qdev-core.h"

/* Accessors of a property that connects a CharBackend, by the chardev's id. */
ObjectPropertyAccessor qdev_prop_chr_get;
ObjectPropertyAccessor qdev_prop_chr_set;

/* A property table line: `char chardev`, a CharBackend at @field. */
#define QDEV_PROP_CHR(name_, Type_, field_)                                    \
    {                                                                          \
        .name = name_, .kind = PROP_CUSTOM, .offset = offsetof(Type_, field_), \
        .qapi_type = "str", .get = qdev_prop_chr_get,                          \
        .set = qdev_prop_chr_set, .help = "id of the character device",        \
        .since = "0.1"                                                         \
    }

/** machine_peripherals: /machine/@name, made if missing; borrowed. */
Object *machine_container(const char *name);

/* machine-state.c: the table of @dev's class, from realize to unrealize. */
bool qdev_state_register(DeviceState *dev, Error **errp);
/* qdev_state_unregister: no-op if it is not registered. */
void qdev_state_unregister(DeviceState *dev);

#endif
