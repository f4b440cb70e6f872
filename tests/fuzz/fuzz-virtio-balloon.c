/*
 * virtio-balloon-pci under a driver that does anything.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "virtio-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VirtDriver d;

    vd_init(&d);
    vd_new(&d, "virtio-balloon-pci", "packed", "on", "free-page-reporting",
           "on", "guest-stats-polling-interval", "1", NULL);
    vf_run(&d, data, size);
    vd_deinit(&d);
    return 0;
}
