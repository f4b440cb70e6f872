/*
 * The pair of 8259A interrupt controllers of a PC.
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_INTC_I8259_H
#define HW_INTC_I8259_H

#include <glib.h>

#include "hw/irq.h"
#include "hw/isa/isa.h"

#define TYPE_I8259 "isa-i8259"

typedef struct I8259Pair I8259Pair;

/**
 * i8259_pair_new:
 * @bus: where the ports are (20h, A0h, 4D0h)
 * @int_out: called with @opaque, 0 and the level of the INT output at every
 *           change of it
 *
 * Returns: (transfer full) both chips realized, the second on pin 2 of the
 *   first; NULL. Errors: a port is taken.
 */
I8259Pair *i8259_pair_new(ISABus *bus, qemu_irq_handler int_out, void *opaque,
                          Error **errp);
/** i8259_on_ack: @taken is called with @opaque and the pin (0 to 15) at the end
 *  of each acknowledge cycle of a request; it may set lines. */
void i8259_on_ack(I8259Pair *pair, void (*taken)(void *opaque, unsigned pin),
                  void *opaque);
/** i8259_pair_free: accepts NULL; the devices are the tree's. */
void i8259_pair_free(I8259Pair *pair);

/** i8259_set_irq: line 0 to 15; 2 is the second chip's. */
void i8259_set_irq(I8259Pair *pair, unsigned n, bool level);

/**
 * i8259_ack: interrupt acknowledge cycle.
 *
 * Returns: the vector; without a request that of pin 7 of the chip that was
 *   asked, as the chip does it.
 */
uint8_t i8259_ack(I8259Pair *pair);
/** i8259_output: level of INT. */
bool i8259_output(const I8259Pair *pair);

/** i8259_describe: a line for each chip, for `info pic`. */
void i8259_describe(const I8259Pair *pair, GString *out);

#endif
