/*
 * The human monitor's commands about virtio devices.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_HMP_H
#define HW_VIRTIO_VIRTIO_HMP_H

#include "qapi/hmp.h"

extern const HMPCommand virtio_hmp_commands[];
extern const HMPCommand virtio_hmp_info[];

#endif
