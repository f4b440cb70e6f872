/*
 * virtio-serial: what a migration carries of the device and its ports, which
 * have to be the same on both sides.
 *
 * Output that a chardev did not take is still in its queue, and how much of
 * it was written is carried. Whether a port is open on the host's side is this
 * side's matter: the guest is told when the machine runs on, if it does not
 * know. Control messages for which the guest had no buffer go along:
 *
 *   be16 bytes; the message   each
 *   be16 0                    the end
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/vmstate-check.h"
#include "hw/virtio/virtio-serial.h"
#include "migration/constants.h"
#include "migration/qemu-file.h"

/* -- control messages ------------------------------------------------------------ */

static void put_message(gpointer data, gpointer opaque)
{
    gsize len;
    const uint8_t *bytes = g_bytes_get_data(data, &len);

    qemu_put_be16(opaque, (unsigned)len);
    qemu_put_buffer(opaque, bytes, len);
}

static int put_pending(QEMUFile *f, void *pv, size_t size,
                       const VMStateField *field, JSONWriter *vmdesc)
{
    g_queue_foreach(*(GQueue **)pv, put_message, f);
    qemu_put_be16(f, 0);
    return 0;
}

static bool get_message(QEMUFile *f, VirtIOSerial *s, unsigned len,
                        Error **errp)
{
    g_autofree uint8_t *bytes = NULL;

    if (!vmstate_check("bytes of a control message", len, 1,
                       VIRTIO_SERIAL_MESSAGE_MAX, errp) ||
        !vmstate_check(
            "control messages that wait", g_queue_get_length(s->pending), 0,
            VIRTIO_SERIAL_PENDING_PER_PORT * s->max_ports - 1u, errp)) {
        return false;
    }
    bytes = g_malloc0(len);
    qemu_get_buffer(f, bytes, len);
    g_queue_push_tail(s->pending, g_bytes_new(bytes, len));
    return true;
}

static int get_pending(QEMUFile *f, void *pv, size_t size,
                       const VMStateField *field)
{
    VirtIOSerial *s = container_of(pv, VirtIOSerial, pending);
    Error *err = NULL;
    unsigned len;

    g_queue_clear_full(s->pending, (GDestroyNotify)g_bytes_unref);
    while ((len = qemu_get_be16(f)) && !qemu_file_get_error(f)) {
        if (!get_message(f, s, len, &err)) {
            qemu_file_set_error_obj(f, -EINVAL, err);
            return -EINVAL;
        }
    }
    return qemu_file_get_error(f);
}

static const VMStateInfo vmstate_info_pending = {
    .name = "virtio-serial messages",
    .get = get_pending,
    .put = put_pending,
};

/* -- ports --------------------------------------------------------------------------- */

static const VMStateDescription vmstate_port = {
    .name = "virtio_serial_port",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){ VMSTATE_BOOL(present, VirtIOSerialSaved),
                                VMSTATE_BOOL(guest_open, VirtIOSerialSaved),
                                VMSTATE_BOOL(told_open, VirtIOSerialSaved),
                                VMSTATE_UINT64(sent, VirtIOSerialSaved),
                                VMSTATE_END_OF_LIST() },
};

static int serial_pre_save(void *opaque)
{
    VirtIOSerial *s = opaque;

    for (uint32_t i = 0; i < s->max_ports; i++) {
        const VirtIOSerialPort *port = s->ports[i];

        s->saved[i] = (VirtIOSerialSaved){ 0 };
        if (port) {
            s->saved[i] = (VirtIOSerialSaved){ true, port->guest_open,
                                               port->told_open, port->sent };
        }
    }
    return 0;
}

static bool same_ports(const VirtIOSerial *s, Error **errp)
{
    for (uint32_t i = 0; i < s->max_ports; i++) {
        if (s->saved[i].present != (s->ports[i] != NULL)) {
            error_setg(errp, "port %u is %s", i,
                       s->ports[i] ? "here, but not where the guest comes from"
                                   : "not here");
            return false;
        }
    }
    return true;
}

static bool serial_post_load(void *opaque, int version_id, Error **errp)
{
    VirtIOSerial *s = opaque;

    if (!same_ports(s, errp)) {
        return false;
    }
    for (uint32_t i = 0; i < s->max_ports; i++) {
        VirtIOSerialPort *port = s->ports[i];

        if (port) {
            port->told_open = s->saved[i].told_open;
            port->sent = s->saved[i].sent;
            virtio_serial_port_set_guest_open(port, s->saved[i].guest_open);
        }
    }
    return true;
}

static void serial_constants(void *opaque, VMStateConstants *c)
{
    const VirtIOSerial *s = opaque;

    for (uint32_t i = 0; i < s->max_ports; i++) {
        g_autofree char *name = g_strdup_printf("port %u (1: is there)", i);

        vmstate_constant(c, name, s->ports[i] != NULL);
    }
}

const VMStateDescription vmstate_virtio_serial = {
    .name = "virtio_console",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = serial_pre_save,
    .post_load_errp = serial_post_load,
    .constants = serial_constants,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT32_EQUAL(max_ports, VirtIOSerial, "property max_ports"),
            VMSTATE_BOOL(driver_ready, VirtIOSerial),
            VMSTATE_BUFFER_UNSAFE_INFO(pending, VirtIOSerial, 0,
                                       vmstate_info_pending, 0),
            VMSTATE_STRUCT_VARRAY_POINTER_UINT32(saved, VirtIOSerial, max_ports,
                                                 vmstate_port,
                                                 VirtIOSerialSaved),
            VMSTATE_END_OF_LIST() },
};
