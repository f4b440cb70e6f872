/*
 * The virtio console device: ports on a bus of their own, and the control
 * queue that tells the guest about them.
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_SERIAL_H
#define HW_VIRTIO_VIRTIO_SERIAL_H

#include "chardev/char-fe.h"
#include "hw/virtio/virtio.h"

#define TYPE_VIRTIO_SERIAL_BUS  "virtio-serial-bus"
#define TYPE_VIRTIO_SERIAL_PORT "virtio-serial-port"

OBJECT_DECLARE_SIMPLE_TYPE(VirtIOSerialBus, VIRTIO_SERIAL_BUS)
OBJECT_DECLARE_TYPE(VirtIOSerialPort, VirtIOSerialPortClass, VIRTIO_SERIAL_PORT)

/* Two queues a port, two for control. */
#define VIRTIO_SERIAL_PORTS_MAX ((VIRTIO_QUEUE_MAX - 2) / 2)
/* `nr` not given: the first that is free. */
#define VIRTIO_SERIAL_NR_AUTO UINT32_MAX

/* What is carried of a port. */
typedef struct VirtIOSerialSaved {
    bool present;
    bool guest_open;
    bool told_open;
    uint64_t sent;
} VirtIOSerialSaved;

typedef struct VirtIOSerial {
    VirtIODevice vdev;

    uint32_t max_ports;
    bool emergency_write;

    VirtIOSerialBus *bus;
    VirtIOSerialPort **ports; /* by number; NULL where there is none */
    VirtQueue *control_in;    /* NULL with one port only */
    VirtQueue *control_out;
    GQueue *pending;   /* GBytes: messages that wait for a buffer */
    bool driver_ready; /* DEVICE_READY: it knows of ports */

    /* only while a state is saved or loaded */
    VirtIOSerialSaved *saved; /* max_ports of them */
} VirtIOSerial;

struct VirtIOSerialBus {
    BusState parent_obj;

    VirtIOSerial *device;
};

/**
 * VirtIOSerialPortClass:
 * @is_console: the guest makes a terminal of it; always open
 */
struct VirtIOSerialPortClass {
    DeviceClass parent_class;

    bool is_console;
};

struct VirtIOSerialPort {
    DeviceState parent_obj;

    uint32_t nr;
    char *name;
    CharBackend chr;

    VirtIOSerial *device; /* NULL while not realized */
    VirtQueue *in;        /* to the guest */
    VirtQueue *out;
    bool host_open;
    bool told_open; /* what the guest knows of @host_open */
    bool guest_open;
    VirtQueueElement *sending; /* taken off @out, not all written yet */
    uint64_t sent;             /* bytes of it that were written */
    guint watch;               /* the chardev takes no more now */
};

/** virtio_serial_realize: @bus_name of the bus of ports. */
bool virtio_serial_realize(VirtIOSerial *s, DeviceState *owner,
                           const char *bus_name, GuestMemory *memory,
                           AioContext *ctx, Error **errp);
void virtio_serial_unrealize(VirtIOSerial *s);

/* -- control messages, virtio-serial.c --------------------------------------- */

/* 5.3.6.2 */
enum {
    VIRTIO_CONSOLE_DEVICE_READY = 0,
    VIRTIO_CONSOLE_DEVICE_ADD = 1,
    VIRTIO_CONSOLE_DEVICE_REMOVE = 2,
    VIRTIO_CONSOLE_PORT_READY = 3,
    VIRTIO_CONSOLE_CONSOLE_PORT = 4,
    VIRTIO_CONSOLE_RESIZE = 5,
    VIRTIO_CONSOLE_PORT_OPEN = 6,
    VIRTIO_CONSOLE_PORT_NAME = 7,
};

/** virtio_serial_tell: send @event about port @nr; @extra bytes may follow. */
void virtio_serial_tell(VirtIOSerial *s, uint32_t nr, uint16_t event,
                        uint16_t value, const void *extra, size_t len);

/* -- migration, virtio-serial-vmstate.c ------------------------------------------ */

/* More bytes than this no control message has. */
#define VIRTIO_SERIAL_MESSAGE_MAX 4096u
/* Messages that wait for the guest to give buffers: enough for every port to
 * come, be named and go. */
#define VIRTIO_SERIAL_PENDING_PER_PORT 8u

extern const VMStateDescription vmstate_virtio_serial; /* of VirtIOSerial */

/* -- ports, virtio-serial-port.c ----------------------------------------------- */

/** virtio_serial_port_send: guest's output, to the chardev. */
void virtio_serial_port_send(VirtIOSerialPort *port);
/** virtio_serial_port_receive: the guest has new buffers for input. */
void virtio_serial_port_receive(VirtIOSerialPort *port);
/** virtio_serial_port_set_guest_open: a program there opens or closes it. */
void virtio_serial_port_set_guest_open(VirtIOSerialPort *port, bool open);
/** virtio_serial_port_reset: the driver is gone. */
void virtio_serial_port_reset(VirtIOSerialPort *port);
/** virtio_serial_port_park: the machine stops: the output that the chardev did
 *  not take goes back into its queue; how much of it was written stays. */
void virtio_serial_port_park(VirtIOSerialPort *port);
/** virtio_serial_port_tell_open: the guest learns of @host_open, if it does not
 *  know. */
void virtio_serial_port_tell_open(VirtIOSerialPort *port);
/** virtio_serial_port_emergency: one byte, past all queues. */
void virtio_serial_port_emergency(VirtIOSerialPort *port, uint8_t byte);

#endif
