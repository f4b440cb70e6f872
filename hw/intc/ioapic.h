/*
 * I/O APIC: 24 pins, each with a message for the local APICs.
 *
 * Thread: any; it has a lock of its own, taken after the machine lock and
 * before the lock of an APIC.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_INTC_IOAPIC_H
#define HW_INTC_IOAPIC_H

#include "hw/core/io-space.h"
#include "hw/qdev-core.h"

#define TYPE_IOAPIC "ioapic"
OBJECT_DECLARE_SIMPLE_TYPE(IOAPICState, IOAPIC)

#define IOAPIC_PINS 24u

/**
 * IOAPICOps:
 * @send: the message of a pin, as a write of @data to @addr
 * @route: (optional) the message that @pin has now, at each change
 *
 * Both with the IOAPIC's lock held.
 */
typedef struct IOAPICOps {
    void (*send)(void *opaque, uint64_t addr, uint32_t data);
    void (*route)(void *opaque, unsigned pin, uint64_t addr, uint32_t data,
                  bool level, bool masked);
} IOAPICOps;

/** ioapic_new: (transfer full) realized, its registers at IOAPIC_ADDRESS of
 *  @space; @ops lives as long as it. */
IOAPICState *ioapic_new(IOSpace *space, const IOAPICOps *ops, void *opaque,
                        Error **errp);
/** ioapic_set_irq: "asserted", whatever the polarity of the wire. */
void ioapic_set_irq(IOAPICState *s, unsigned pin, bool level);
/** ioapic_eoi: a CPU ended level-triggered @vector. */
void ioapic_eoi(IOAPICState *s, uint8_t vector);
/** ioapic_describe: for `info pic`. */
void ioapic_describe(IOAPICState *s, GString *out);

#endif
