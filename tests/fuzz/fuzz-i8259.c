/*
 * Fuzz: what a guest does to the 8259s, the 8254 and the speaker port, and
 * what their lines do meanwhile.
 *
 * Input: records of three bytes: operation, address, value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/intc/i8259.h"
#include "hw/isa/isa.h"
#include "hw/machine-lock.h"
#include "hw/types.h"
#include "util/main-loop.h"
#include "util/timer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORD 3u

typedef struct World {
    IOSpace *ports;
    ISABus *bus;
    I8259Pair *pair;
    DeviceState *pit;
    DeviceState *speaker;
    bool out;
} World;

static void isa_line(void *opaque, int n, int level)
{
    World *w = opaque;

    if (w->pair) {
        i8259_set_irq(w->pair, (unsigned)n, level);
    }
}

static void int_out(void *opaque, int n, int level)
{
    World *w = opaque;

    g_assert(w->out != (bool)level); /* told of changes only */
    w->out = level;
}

static DeviceState *add(World *w, const char *type)
{
    DeviceState *dev = qdev_new(type);

    qdev_realize(dev, BUS(w->bus), &error_abort);
    return dev;
}

static void drop(DeviceState *dev)
{
    qdev_unrealize(dev);
    object_unref(OBJECT(dev));
}

static void world_init(World *w)
{
    *w = (World){ .ports = io_space_new("I/O ports", 0xffff) };
    w->bus = isa_bus_new(NULL, w->ports, isa_line, w, &error_abort);
    w->pair = i8259_pair_new(w->bus, int_out, w, &error_abort);
    w->pit = add(w, "isa-pit");
    w->speaker = add(w, "isa-pcspk");
    device_cold_reset(w->pit);
}

static void world_deinit(World *w)
{
    drop(w->speaker);
    drop(w->pit);
    i8259_pair_free(w->pair);
    drop(BUS(w->bus)->parent);
    io_space_free(w->ports);
}

static void step(World *w, uint8_t op, uint8_t where, uint8_t value)
{
    static const uint16_t ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1,
                                      0x40, 0x41, 0x42, 0x43, 0x61 };
    uint16_t port = ports[where % G_N_ELEMENTS(ports)];

    switch (op & 7) {
    case 0:
    case 1:
    case 2:
        io_space_write(w->ports, port, value, 1);
        break;
    case 3:
        io_space_read(w->ports, port, op & 8 ? 4 : 1);
        break;
    case 4:
        i8259_set_irq(w->pair, where, value & 1);
        break;
    case 5:
        g_assert(i8259_output(w->pair) == w->out);
        i8259_ack(w->pair);
        break;
    case 6:
        cpu_set_clock(cpu_get_clock() + ((int64_t)value << (where & 31)));
        break;
    default:
        cpu_enable_ticks();
        qemu_clock_run_timers(QEMU_CLOCK_VIRTUAL);
        cpu_disable_ticks();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    World w;

    qemu_init_main_loop(&error_abort);
    hw_register_types();
    cpu_disable_ticks();
    cpu_set_clock(0);
    machine_lock();
    world_init(&w);
    for (; size >= RECORD; data += RECORD, size -= RECORD) {
        step(&w, data[0], data[1], data[2]);
    }
    world_deinit(&w);
    machine_unlock();
    return 0;
}
