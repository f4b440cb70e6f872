/*
 * virtio-blk-pci on an image without contents, under a driver that does
 * anything.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-node.h"

#include "virtio-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VirtDriver d;

    vd_init(&d);
    blockdev_add_str("driver=null-co,node-name=disk,size=1M,read-zeroes=on,"
                     "discard=unmap",
                     qemu_get_aio_context(), &error_abort);
    vd_new(&d, "virtio-blk-pci", "drive", "disk", "packed", "on", "num-queues",
           "2", NULL);
    vf_run(&d, data, size);
    vd_deinit(&d);
    blockdevs_cleanup();
    return 0;
}
