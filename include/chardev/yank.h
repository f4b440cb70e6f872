/*
 * Yank for character devices.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_YANK_H
#define CHARDEV_YANK_H

#include "io/yank.h"

/* For YANK's callers: the instance of a chardev. The compound literal lives
 * as long as the block. */
#define CHARDEV_YANK_INSTANCE(the_id)                                          \
    (&(YankInstance){ .type = YANK_INSTANCE_TYPE_CHARDEV,                      \
                      .u.chardev.id = (char *)(the_id) })

#endif
