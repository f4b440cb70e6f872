/*
 * Ports of the virtio console device: virtserialport and virtconsole.
 *
 * Output of the guest stays in its buffers until the chardev has taken all of
 * it. Input is only asked for as far as the guest has given buffers, so that
 * a reader that is slow in the guest slows down the peer and loses nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/qdev-internal.h"
#include "hw/machine-lock.h"
#include "hw/virtio/virtio-serial.h"
#include "qapi/qapi-events-char.h"
#include "qom/property.h"
#include "trace/trace-hw.h"
#include "util/error.h"

#define TYPE_VIRTSERIALPORT "virtserialport"
#define TYPE_VIRTCONSOLE    "virtconsole"

/* Most bytes that the chardev is asked for at once. */
#define RECEIVE_MAX 4096u
/* Requests in one run of a handler. */
#define BUDGET 256u

static bool is_console(VirtIOSerialPort *port)
{
    return VIRTIO_SERIAL_PORT_GET_CLASS(port)->is_console;
}

/* -- to the chardev ------------------------------------------------------------------- */

static gboolean writable_again(void *do_not_use, GIOCondition cond, void *data)
{
    VirtIOSerialPort *port = data;

    MACHINE_LOCK_GUARD();
    port->watch = 0;
    virtio_serial_port_send(port);
    return G_SOURCE_REMOVE;
}

/* Write on from where the last write stopped. Returns: all of it is gone. */
static bool write_rest(VirtIOSerialPort *port)
{
    VirtQueueElement *e = port->sending;
    uint64_t skip = port->sent;

    for (unsigned i = 0; i < e->out_num; i++) {
        const struct iovec *sg = &e->out_sg[i];

        while (skip < sg->iov_len) {
            size_t len = MIN(sg->iov_len - skip, (size_t)INT_MAX);
            int n = qemu_chr_fe_write(
                &port->chr, (const uint8_t *)sg->iov_base + skip, (int)len);

            if (n <= 0) {
                return n < 0 && errno != EAGAIN; /* an error drops the rest */
            }
            skip += (size_t)n;
            port->sent += (size_t)n;
        }
        skip -= sg->iov_len;
    }
    return true;
}

static void wait_for_chardev(VirtIOSerialPort *port)
{
    port->watch = qemu_chr_fe_add_watch(&port->chr, G_IO_OUT | G_IO_HUP,
                                        writable_again, port);
}

void virtio_serial_port_send(VirtIOSerialPort *port)
{
    VirtQueue *vq = port->out;
    unsigned n = 0;

    if (!virtio_is_live(&port->device->vdev)) {
        return; /* goes on when the machine does */
    }
    while (!port->watch && n < BUDGET) {
        if (!port->sending) {
            port->sending = virtqueue_pop(vq, sizeof(*port->sending));
            if (!port->sending) {
                break;
            }
        }
        if (port->host_open && !write_rest(port)) {
            wait_for_chardev(port);
            if (port->watch) {
                break;
            }
        }
        virtqueue_push(vq, port->sending, 0);
        g_clear_pointer(&port->sending, g_free);
        port->sent = 0;
        n++;
    }
    if (n) {
        virtio_notify(&port->device->vdev, vq);
    }
    if (n == BUDGET) {
        virtio_queue_kick(vq);
    }
}

void virtio_serial_port_park(VirtIOSerialPort *port)
{
    if (port->watch) {
        qemu_chr_fe_remove_watch(&port->chr, port->watch);
        port->watch = 0;
    }
    if (port->sending) {
        virtqueue_unpop(port->out, port->sending);
        g_clear_pointer(&port->sending, g_free);
    }
}

void virtio_serial_port_emergency(VirtIOSerialPort *port, uint8_t byte)
{
    qemu_chr_fe_write_all(&port->chr, &byte, 1);
}

/* -- from the chardev ------------------------------------------------------------------- */

static size_t guest_room(VirtIOSerialPort *port)
{
    size_t in, out;

    if (!port->device || !port->guest_open) {
        return 0;
    }
    virtqueue_get_avail_bytes(port->in, &in, &out, RECEIVE_MAX, 0);
    return MIN(in, RECEIVE_MAX);
}

static int chr_can_read(void *opaque)
{
    MACHINE_LOCK_GUARD();
    return (int)guest_room(opaque);
}

static void chr_read(void *opaque, const uint8_t *buf, int size)
{
    VirtIOSerialPort *port = opaque;
    size_t done = 0;

    MACHINE_LOCK_GUARD();
    if (!port->device) {
        return;
    }
    while (done < (size_t)size) {
        g_autofree VirtQueueElement *e = virtqueue_pop(port->in, sizeof(*e));
        size_t n;

        if (!e) {
            break; /* the guest took its buffers away since chr_can_read() */
        }
        n = virtio_element_write(e, 0, buf + done, (size_t)size - done);
        virtqueue_push(port->in, e, n);
        done += n;
    }
    virtio_notify(&port->device->vdev, port->in);
}

void virtio_serial_port_receive(VirtIOSerialPort *port)
{
    qemu_chr_fe_accept_input(&port->chr);
}

/* -- open and closed ------------------------------------------------------------------------ */

static void set_host_open(VirtIOSerialPort *port, bool open)
{
    if (port->host_open == open) {
        return;
    }
    port->host_open = open;
    if (!open && port->watch) {
        /* Nobody will take the rest. */
        qemu_chr_fe_remove_watch(&port->chr, port->watch);
        port->watch = 0;
    }
    if (port->device) {
        virtio_serial_port_tell_open(port);
        virtio_queue_kick(port->out);
    }
}

void virtio_serial_port_tell_open(VirtIOSerialPort *port)
{
    if (port->host_open == port->told_open || !port->device->vdev.vm_running) {
        return; /* later: control messages are carried by a migration */
    }
    port->told_open = port->host_open;
    virtio_serial_tell(port->device, port->nr, VIRTIO_CONSOLE_PORT_OPEN,
                       port->host_open, NULL, 0);
}

static void chr_event(void *opaque, QEMUChrEvent event)
{
    VirtIOSerialPort *port = opaque;

    MACHINE_LOCK_GUARD();
    if (event == CHR_EVENT_OPENED) {
        set_host_open(port, true);
    } else if (event == CHR_EVENT_CLOSED && !is_console(port)) {
        set_host_open(port, false);
    }
}

void virtio_serial_port_set_guest_open(VirtIOSerialPort *port, bool open)
{
    DeviceState *dev = DEVICE(port);

    if (port->guest_open == open) {
        return;
    }
    port->guest_open = open;
    trace_virtio_serial_guest_open(port->nr, open);
    if (!is_console(port)) {
        qemu_chr_fe_set_open(&port->chr, open);
        if (dev->id) {
            qapi_event_send_vserport_change(dev->id, open);
        }
    }
    if (open) {
        qemu_chr_fe_accept_input(&port->chr);
    }
}

void virtio_serial_port_reset(VirtIOSerialPort *port)
{
    if (port->watch) {
        qemu_chr_fe_remove_watch(&port->chr, port->watch);
        port->watch = 0;
    }
    if (port->sending) {
        virtqueue_detach_element(port->out, port->sending, 0);
        g_clear_pointer(&port->sending, g_free);
    }
    port->sent = 0;
    port->told_open = false;
    virtio_serial_port_set_guest_open(port, false);
}

/* -- device ------------------------------------------------------------------------------------ */

static int chr_change(void *opaque);

static void connect_chr(VirtIOSerialPort *port)
{
    qemu_chr_fe_set_handlers(&port->chr, chr_can_read, chr_read, chr_event,
                             chr_change, port, NULL, is_console(port));
    if (!is_console(port)) {
        qemu_chr_fe_set_open(&port->chr, port->guest_open);
    }
}

static int chr_change(void *opaque)
{
    VirtIOSerialPort *port = opaque;

    MACHINE_LOCK_GUARD();
    if (port->watch) {
        qemu_chr_fe_remove_watch(&port->chr, port->watch);
        port->watch = 0;
    }
    if (!is_console(port)) {
        set_host_open(port, qemu_chr_fe_backend_open(&port->chr));
    }
    connect_chr(port);
    if (port->device) {
        virtio_queue_kick(port->out);
    }
    return 0;
}

static bool find_number(VirtIOSerial *s, uint32_t from, uint32_t *ret,
                        Error **errp)
{
    for (uint32_t i = from; i < s->max_ports; i++) {
        if (!s->ports[i]) {
            *ret = i;
            return true;
        }
    }
    error_setg(errp, "virtio-serial-bus: Maximum port limit for this device "
                     "reached");
    return false;
}

static bool choose_number(VirtIOSerialPort *port, VirtIOSerial *s, Error **errp)
{
    bool console = is_console(port);

    if (port->nr == VIRTIO_SERIAL_NR_AUTO) {
        /* Port 0 is for a console: drivers without MULTIPORT know only it. */
        return find_number(s, console && !s->ports[0] ? 0 : 1, &port->nr, errp);
    }
    if (port->nr >= s->max_ports) {
        error_setg(errp,
                   "virtio-serial-bus: Out-of-range port id specified, max. "
                   "allowed: %u",
                   s->max_ports - 1);
        return false;
    }
    if (port->nr == 0 && !console) {
        error_setg(errp, "virtserialport: Port number 0 on virtio-serial "
                         "devices reserved for virtconsole devices for "
                         "backward compatibility.");
        return false;
    }
    if (s->ports[port->nr]) {
        error_setg(errp, "virtio-serial-bus: A port already exists at id %u",
                   port->nr);
        return false;
    }
    return true;
}

static bool name_is_taken(VirtIOSerial *s, const char *name)
{
    for (uint32_t i = 0; name && i < s->max_ports; i++) {
        if (s->ports[i] && g_strcmp0(s->ports[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool port_realize(DeviceState *dev, Error **errp)
{
    VirtIOSerialPort *port = VIRTIO_SERIAL_PORT(dev);
    VirtIOSerial *s = VIRTIO_SERIAL_BUS(dev->parent_bus)->device;
    unsigned queue;

    MACHINE_LOCK_GUARD();
    if (name_is_taken(s, port->name)) {
        error_setg(errp, "virtio-serial-bus: A port already exists by name %s",
                   port->name);
        return false;
    }
    if (!choose_number(port, s, errp)) {
        return false;
    }
    queue = port->nr ? 2 * port->nr + 2 : 0;
    port->in = virtio_get_queue(&s->vdev, queue);
    port->out = virtio_get_queue(&s->vdev, queue + 1);
    port->device = s;
    s->ports[port->nr] = port;
    /* A console is there whether or not somebody looks at it. */
    port->host_open = is_console(port);
    port->guest_open = !s->control_in && virtio_is_live(&s->vdev);
    connect_chr(port);
    virtio_serial_tell(s, port->nr, VIRTIO_CONSOLE_DEVICE_ADD, 1, NULL, 0);
    return true;
}

static void port_unrealize(DeviceState *dev)
{
    VirtIOSerialPort *port = VIRTIO_SERIAL_PORT(dev);
    VirtIOSerial *s = port->device;

    MACHINE_LOCK_GUARD();
    if (port->sending) {
        virtqueue_push(port->out, port->sending, 0);
        g_clear_pointer(&port->sending, g_free);
    }
    virtio_serial_port_reset(port);
    s->ports[port->nr] = NULL;
    port->device = NULL;
    qemu_chr_fe_deinit(&port->chr, false);
    virtio_serial_tell(s, port->nr, VIRTIO_CONSOLE_DEVICE_REMOVE, 1, NULL, 0);
    virtio_queue_kick(port->out);
}

static const Property port_props[] = {
    { "nr", PROP_UINT32, offsetof(VirtIOSerialPort, nr), .def = "4294967295",
      .help = "number of the port; else the first that is free",
      .since = "0.1" },
    QDEV_PROP_CHR("chardev", VirtIOSerialPort, chr),
    { "name", PROP_STR, offsetof(VirtIOSerialPort, name),
      .help = "name by which the guest finds it", .since = "0.1" },
    {},
};

static void port_instance_finalize(Object *obj)
{
    qemu_chr_fe_deinit(&VIRTIO_SERIAL_PORT(obj)->chr, false);
}

static void port_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->bus_type = TYPE_VIRTIO_SERIAL_BUS;
    dc->realize = port_realize;
    dc->unrealize = port_unrealize;
}

extern const TypeInfo hw_type_virtio_serial_port;
const TypeInfo hw_type_virtio_serial_port = {
    .name = TYPE_VIRTIO_SERIAL_PORT,
    .parent = TYPE_DEVICE,
    .abstract = true,
    .instance_size = sizeof(VirtIOSerialPort),
    .instance_finalize = port_instance_finalize,
    .class_size = sizeof(VirtIOSerialPortClass),
    .class_init = port_class_init,
    .props = port_props,
};

static void virtserialport_class_init(ObjectClass *oc, void *data)
{
    DEVICE_CLASS(oc)->desc = "port of virtio-serial-pci, on a chardev";
}

extern const TypeInfo hw_type_virtserialport;
const TypeInfo hw_type_virtserialport = {
    .name = TYPE_VIRTSERIALPORT,
    .parent = TYPE_VIRTIO_SERIAL_PORT,
    .class_init = virtserialport_class_init,
};

static void virtconsole_class_init(ObjectClass *oc, void *data)
{
    VIRTIO_SERIAL_PORT_CLASS(oc)->is_console = true;
    DEVICE_CLASS(oc)->desc = "terminal on virtio-serial-pci, on a chardev";
}

extern const TypeInfo hw_type_virtconsole;
const TypeInfo hw_type_virtconsole = {
    .name = TYPE_VIRTCONSOLE,
    .parent = TYPE_VIRTIO_SERIAL_PORT,
    .class_init = virtconsole_class_init,
};
