/*
 * The PCI transport of virtio with everything on, under a driver that does
 * anything.
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
    vd_new(&d, "virtio-rng-pci-transitional", "packed", "on", "page-per-vq",
           "on", "vectors", "4", NULL);
    vf_run(&d, data, size);
    vd_deinit(&d);
    return 0;
}
