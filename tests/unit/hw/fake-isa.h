/*
 * An ISA bus without a machine, for tests of single devices.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_HW_FAKE_ISA_H
#define TESTS_HW_FAKE_ISA_H

#include "hw/isa/isa.h"
#include "util/error.h"

typedef struct FakeISA {
    IOSpace *ports;
    ISABus *bus;
    int level[ISA_IRQS];
    unsigned edges[ISA_IRQS]; /* rising ones */
} FakeISA;

static void fake_isa_irq(void *opaque, int n, int level)
{
    FakeISA *isa = opaque;

    if (level && !isa->level[n]) {
        isa->edges[n]++;
    }
    isa->level[n] = level;
}

static inline void fake_isa_init(FakeISA *isa)
{
    isa->ports = io_space_new("I/O ports", 0xffff);
    isa->bus = isa_bus_new(NULL, isa->ports, fake_isa_irq, isa, &error_abort);
}

static inline void fake_isa_deinit(FakeISA *isa)
{
    DeviceState *bridge = BUS(isa->bus)->parent;

    qdev_unrealize(bridge);
    object_unref(OBJECT(bridge));
    io_space_free(isa->ports);
}

static inline uint8_t fake_isa_in(FakeISA *isa, uint16_t port)
{
    return (uint8_t)io_space_read(isa->ports, port, 1);
}

static inline void fake_isa_out(FakeISA *isa, uint16_t port, uint8_t value)
{
    io_space_write(isa->ports, port, value, 1);
}

#endif
