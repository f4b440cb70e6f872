/*
 * What PS/2 keyboard and mouse have in common: queues, and commands with
 * their parameters.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/input/ps2.h"

#include "hw/core/vmstate-check.h"

static void queue_put(PS2Queue *q, uint8_t byte)
{
    if (q->count < q->size) {
        q->bytes[(q->head + q->count++) % q->size] = byte;
    }
}

static uint8_t queue_take(PS2Queue *q)
{
    uint8_t byte = q->bytes[q->head];

    q->head = (q->head + 1) % q->size;
    q->count--;
    return byte;
}

void ps2_device_init(PS2Device *dev, void (*filled)(void *opaque), void *opaque)
{
    dev->reply.size = PS2_REPLY_BYTES;
    dev->data.size = PS2_DATA_BYTES;
    dev->filled = filled;
    dev->opaque = opaque;
}

bool ps2_has_data(const PS2Device *dev)
{
    /* A device that waits for a parameter does not talk. */
    return dev->reply.count || (dev->data.count && !dev->pending);
}

uint8_t ps2_read(PS2Device *dev)
{
    if (!ps2_has_data(dev)) {
        return 0;
    }
    if (dev->reply.count) {
        dev->last = queue_take(&dev->reply);
        return dev->last;
    }
    dev->last = queue_take(&dev->data);
    if (!dev->data.count && dev->drained) {
        dev->drained(dev);
    }
    return dev->last;
}

void ps2_reply(PS2Device *dev, uint8_t byte)
{
    queue_put(&dev->reply, byte);
}

bool ps2_send(PS2Device *dev, const uint8_t *bytes, unsigned n, unsigned keep)
{
    if (dev->data.count + n + keep > dev->data.size) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        queue_put(&dev->data, bytes[i]);
    }
    dev->filled(dev->opaque);
    return true;
}

void ps2_forget(PS2Device *dev)
{
    dev->data.count = 0;
}

void ps2_write(PS2Device *dev, uint8_t byte)
{
    uint8_t command = dev->pending;

    /* A new byte makes what was not fetched of the last answer void. */
    dev->reply.count = 0;
    dev->pending = 0;
    if (command) {
        dev->parameter(dev, command, byte);
    } else {
        dev->command(dev, byte);
    }
    dev->filled(dev->opaque);
}

/* -- migration ---------------------------------------------------------------- */

static bool queue_post_load(void *opaque, int version_id, Error **errp)
{
    const PS2Queue *q = opaque;

    return vmstate_check("first byte of a queue", q->head, 0, q->size - 1,
                         errp) &&
           vmstate_check("bytes of a queue", q->count, 0, q->size, errp);
}

static const VMStateDescription vmstate_ps2_queue = {
    .name = "ps2_queue",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = queue_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT32_EQUAL(size, PS2Queue, "size of a queue"),
            VMSTATE_UINT8_ARRAY(bytes, PS2Queue, PS2_DATA_BYTES),
            VMSTATE_UINT32(head, PS2Queue), VMSTATE_UINT32(count, PS2Queue),
            VMSTATE_END_OF_LIST() },
};

const VMStateDescription vmstate_ps2_device = {
    .name = "ps2",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_STRUCT(reply, PS2Device, 0, vmstate_ps2_queue, PS2Queue),
            VMSTATE_STRUCT(data, PS2Device, 0, vmstate_ps2_queue, PS2Queue),
            VMSTATE_UINT8(last, PS2Device), VMSTATE_UINT8(pending, PS2Device),
            VMSTATE_END_OF_LIST() },
};
