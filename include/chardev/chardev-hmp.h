/*
 * The human monitor's commands about character devices.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_CHARDEV_HMP_H
#define CHARDEV_CHARDEV_HMP_H

#include "qapi/hmp.h"

/* chardev-add, chardev-change, chardev-remove, chardev-send-break,
 * ringbuf_read, ringbuf_write; ends with name NULL. */
extern const HMPCommand chardev_hmp_commands[];
/* info chardev */
extern const HMPCommand chardev_hmp_info[];

#endif
