/*
 * The virtio console device: queues, control messages, bus of ports.
 *
 * Queues: port 0 in, out; control in, out; port 1 in, out; port 2 ... With
 * one port there is no control queue.
 *
 * Source: VIRTIO 1.2, 5.3.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/virtio/virtio-serial.h"

#include "trace/trace-hw.h"
#include "util/bswap.h"
#include "util/error.h"

#define PORT_QUEUE_SIZE    128
#define CONTROL_QUEUE_SIZE 32

enum {
    CONSOLE_F_MULTIPORT = 1,
    CONSOLE_F_EMERG_WRITE = 2,
};

enum {
    CFG_MAX_PORTS = 4,
    CFG_EMERG_WRITE = 8,
    CFG_BYTES = 12,
};

/* le32 id; le16 event; le16 value */
#define CONTROL_BYTES 8u
/* Requests in one run of a handler. */
#define BUDGET 256u

static VirtIOSerial *serial_of(VirtIODevice *vdev)
{
    return container_of(vdev, VirtIOSerial, vdev);
}

static bool has_control(const VirtIOSerial *s)
{
    return s->max_ports > 1;
}

static VirtIOSerialPort *port_by_nr(VirtIOSerial *s, uint32_t nr)
{
    return nr < s->max_ports ? s->ports[nr] : NULL;
}

/* -- to the guest ------------------------------------------------------------------- */

static void flush_control(VirtIOSerial *s)
{
    bool any = false;

    while (!g_queue_is_empty(s->pending)) {
        g_autofree VirtQueueElement *e =
            virtqueue_pop(s->control_in, sizeof(*e));
        GBytes *message;
        size_t len;

        if (!e) {
            break;
        }
        message = g_queue_pop_head(s->pending);
        len = virtio_element_write(e, 0, g_bytes_get_data(message, NULL),
                                   g_bytes_get_size(message));
        g_bytes_unref(message);
        virtqueue_push(s->control_in, e, len);
        any = true;
    }
    if (any) {
        virtio_notify(&s->vdev, s->control_in);
    }
}

void virtio_serial_tell(VirtIOSerial *s, uint32_t nr, uint16_t event,
                        uint16_t value, const void *extra, size_t len)
{
    g_autofree uint8_t *message = NULL;

    len = MIN(len, VIRTIO_SERIAL_MESSAGE_MAX - CONTROL_BYTES);
    if (!s->driver_ready || g_queue_get_length(s->pending) >=
                                VIRTIO_SERIAL_PENDING_PER_PORT * s->max_ports) {
        return;
    }
    trace_virtio_serial_tell(nr, event, value);
    message = g_malloc(CONTROL_BYTES + len);
    stl_le_p(message, nr);
    stw_le_p(message + 4, event);
    stw_le_p(message + 6, value);
    if (len) {
        memcpy(message + CONTROL_BYTES, extra, len);
    }
    g_queue_push_tail(s->pending, g_bytes_new(message, CONTROL_BYTES + len));
    flush_control(s);
}

static void control_in_ready(VirtIODevice *vdev, VirtQueue *vq)
{
    flush_control(serial_of(vdev));
}

/* -- from the guest ------------------------------------------------------------------ */

static void driver_ready(VirtIOSerial *s, bool ok)
{
    if (!ok) {
        return;
    }
    s->driver_ready = true;
    for (uint32_t i = 0; i < s->max_ports; i++) {
        if (s->ports[i]) {
            virtio_serial_tell(s, i, VIRTIO_CONSOLE_DEVICE_ADD, 1, NULL, 0);
        }
    }
}

static void port_ready(VirtIOSerialPort *port)
{
    VirtIOSerial *s = port->device;

    if (VIRTIO_SERIAL_PORT_GET_CLASS(port)->is_console) {
        virtio_serial_tell(s, port->nr, VIRTIO_CONSOLE_CONSOLE_PORT, 1, NULL,
                           0);
    }
    if (port->name) {
        virtio_serial_tell(s, port->nr, VIRTIO_CONSOLE_PORT_NAME, 1, port->name,
                           strlen(port->name) + 1);
    }
    port->told_open = false;
    virtio_serial_port_tell_open(port);
}

static void handle_control(VirtIOSerial *s, const uint8_t *message)
{
    uint32_t nr = ldl_le_p(message);
    uint16_t event = lduw_le_p(message + 4);
    uint16_t value = lduw_le_p(message + 6);
    VirtIOSerialPort *port = port_by_nr(s, nr);

    trace_virtio_serial_told(nr, event, value);
    if (event == VIRTIO_CONSOLE_DEVICE_READY) {
        driver_ready(s, value != 0);
    } else if (!port) {
        return; /* it may have gone meanwhile */
    } else if (event == VIRTIO_CONSOLE_PORT_READY && value) {
        port_ready(port);
    } else if (event == VIRTIO_CONSOLE_PORT_OPEN) {
        virtio_serial_port_set_guest_open(port, value != 0);
    }
}

static void control_out_ready(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSerial *s = serial_of(vdev);
    unsigned n = 0;
    VirtQueueElement *e;

    while (n < BUDGET && (e = virtqueue_pop(vq, sizeof(*e)))) {
        uint8_t message[CONTROL_BYTES];
        bool whole = virtio_element_read(e, 0, message, sizeof(message)) ==
                     sizeof(message);

        virtqueue_push(vq, e, 0);
        g_free(e);
        n++;
        if (whole) {
            handle_control(s, message);
        }
    }
    if (n) {
        virtio_notify(vdev, vq);
    }
    if (n == BUDGET) {
        virtio_queue_kick(vq);
    }
}

/* -- queues of ports -------------------------------------------------------------------- */

/* Port 0 has queues 0 and 1; 2 and 3 are control; port 1 has 4 and 5 ... */
static uint32_t port_of_queue(unsigned n)
{
    return n < 2 ? 0 : n / 2 - 1;
}

static void port_in_ready(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSerialPort *port =
        port_by_nr(serial_of(vdev), port_of_queue(virtio_queue_index(vq)));

    if (port) {
        virtio_serial_port_receive(port);
    }
}

static void drop(VirtIODevice *vdev, VirtQueue *vq)
{
    unsigned n = 0;
    VirtQueueElement *e;

    while (n < BUDGET && (e = virtqueue_pop(vq, sizeof(*e)))) {
        virtqueue_push(vq, e, 0);
        g_free(e);
        n++;
    }
    if (n) {
        virtio_notify(vdev, vq);
    }
    if (n == BUDGET) {
        virtio_queue_kick(vq);
    }
}

static void port_out_ready(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSerialPort *port =
        port_by_nr(serial_of(vdev), port_of_queue(virtio_queue_index(vq)));

    if (port) {
        virtio_serial_port_send(port);
    } else {
        drop(vdev, vq);
    }
}

/* -- device --------------------------------------------------------------------------------- */

static uint64_t get_features(VirtIODevice *vdev, uint64_t features)
{
    const VirtIOSerial *s = serial_of(vdev);

    features |= has_control(s) ? VIRTIO_FEATURE(CONSOLE_F_MULTIPORT) : 0;
    features |= s->emergency_write ? VIRTIO_FEATURE(CONSOLE_F_EMERG_WRITE) : 0;
    return features;
}

static void get_config(VirtIODevice *vdev, uint8_t *cfg)
{
    stl_le_p(cfg + CFG_MAX_PORTS, serial_of(vdev)->max_ports);
}

static void set_config(VirtIODevice *vdev, const uint8_t *cfg)
{
    VirtIOSerial *s = serial_of(vdev);
    uint32_t value = ldl_le_p(cfg + CFG_EMERG_WRITE);

    /* The register reads as zero, so this is a write to it; it needs no
     * negotiation. */
    if (value && s->emergency_write && s->ports[0]) {
        virtio_serial_port_emergency(s->ports[0], (uint8_t)value);
    }
}

static void set_status(VirtIODevice *vdev, uint8_t old)
{
    VirtIOSerial *s = serial_of(vdev);

    if ((vdev->status & VIRTIO_STATUS_DRIVER_OK) &&
        !(old & VIRTIO_STATUS_DRIVER_OK) && s->ports[0] &&
        !virtio_has_feature(vdev, CONSOLE_F_MULTIPORT)) {
        /* Without control messages the only port is always open. */
        virtio_serial_port_set_guest_open(s->ports[0], true);
    }
}

static void reset(VirtIODevice *vdev)
{
    VirtIOSerial *s = serial_of(vdev);

    s->driver_ready = false;
    g_queue_clear_full(s->pending, (GDestroyNotify)g_bytes_unref);
    for (uint32_t i = 0; i < s->max_ports; i++) {
        if (s->ports[i]) {
            virtio_serial_port_reset(s->ports[i]);
        }
    }
}

static void set_running(VirtIODevice *vdev, bool running)
{
    VirtIOSerial *s = serial_of(vdev);

    for (uint32_t i = 0; i < s->max_ports; i++) {
        if (s->ports[i] && running) {
            virtio_serial_port_tell_open(s->ports[i]);
        } else if (s->ports[i]) {
            virtio_serial_port_park(s->ports[i]);
        }
    }
}

static const VirtioDeviceClass virtio_serial_class = {
    .name = "virtio-serial",
    .device_id = VIRTIO_ID_CONSOLE,
    .config_len = CFG_BYTES,
    .get_features = get_features,
    .get_config = get_config,
    .set_config = set_config,
    .set_status = set_status,
    .reset = reset,
    .set_running = set_running,
};

bool virtio_serial_realize(VirtIOSerial *s, DeviceState *owner,
                           const char *bus_name, GuestMemory *memory,
                           AioContext *ctx, Error **errp)
{
    VirtIODevice *vdev = &s->vdev;

    if (s->max_ports == 0 || s->max_ports > VIRTIO_SERIAL_PORTS_MAX) {
        error_setg(errp, "max_ports must be from 1 to %d",
                   VIRTIO_SERIAL_PORTS_MAX);
        return false;
    }
    s->pending = g_queue_new();
    s->ports = g_new0(VirtIOSerialPort *, s->max_ports);
    s->saved = g_new0(VirtIOSerialSaved, s->max_ports);
    virtio_device_realize(vdev, &virtio_serial_class, owner, memory, ctx,
                          2 * s->max_ports + (has_control(s) ? 2 : 0));
    virtio_add_queue(vdev, PORT_QUEUE_SIZE, port_in_ready);
    virtio_add_queue(vdev, PORT_QUEUE_SIZE, port_out_ready);
    if (has_control(s)) {
        s->control_in =
            virtio_add_queue(vdev, CONTROL_QUEUE_SIZE, control_in_ready);
        s->control_out =
            virtio_add_queue(vdev, CONTROL_QUEUE_SIZE, control_out_ready);
    }
    for (uint32_t i = 1; i < s->max_ports; i++) {
        virtio_add_queue(vdev, PORT_QUEUE_SIZE, port_in_ready);
        virtio_add_queue(vdev, PORT_QUEUE_SIZE, port_out_ready);
    }
    s->bus =
        VIRTIO_SERIAL_BUS(qbus_new(TYPE_VIRTIO_SERIAL_BUS, owner, bus_name));
    s->bus->device = s;
    return true;
}

void virtio_serial_unrealize(VirtIOSerial *s)
{
    if (s->bus) {
        s->bus->device = NULL; /* the bus goes with its parent device */
        s->bus = NULL;
    }
    virtio_device_unrealize(&s->vdev);
    g_clear_pointer(&s->ports, g_free);
    g_clear_pointer(&s->saved, g_free);
    if (s->pending) {
        g_queue_free_full(s->pending, (GDestroyNotify)g_bytes_unref);
        s->pending = NULL;
    }
}

extern const TypeInfo hw_type_virtio_serial_bus;
const TypeInfo hw_type_virtio_serial_bus = {
    .name = TYPE_VIRTIO_SERIAL_BUS,
    .parent = TYPE_BUS,
    .instance_size = sizeof(VirtIOSerialBus),
};
