/*
 * virtio-serial-pci with a console and a port, under a driver that does
 * anything.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char.h"
#include "hw/virtio/virtio-serial.h"

#include "virtio-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VirtDriver d;

    DeviceState *ports[2];

    vd_init(&d);
    vd_new(&d, "virtio-serial-pci", "max_ports", "3", "packed", "on", NULL);
    qemu_chr_new_from_cli("ringbuf,id=c0,size=1024", NULL, &error_abort);
    for (int i = 0; i < 2; i++) {
        VirtIOSerial *s = container_of(d.vdev, VirtIOSerial, vdev);

        ports[i] = qdev_new(i ? "virtserialport" : "virtconsole");
        if (i) {
            object_property_parse(OBJECT(ports[i]), "chardev", "c0",
                                  &error_abort);
        }
        qdev_realize(ports[i], BUS(s->bus), &error_abort);
    }
    vf_run(&d, data, size);
    for (int i = 0; i < 2; i++) {
        qdev_unrealize(ports[i]);
        object_unref(OBJECT(ports[i]));
    }
    vd_deinit(&d);
    qemu_chr_cleanup();
    return 0;
}
