/*
 * The interval timer 8254 of a PC.
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_TIMER_I8254_H
#define HW_TIMER_I8254_H

#include "hw/isa/isa.h"

#define TYPE_I8254 "isa-pit"
#define I8254_HZ   1193182u

OBJECT_DECLARE_SIMPLE_TYPE(I8254State, I8254)

/** i8254_set_gate: GATE of counter 0 to 2; the first two are high always on a
 *  PC. */
void i8254_set_gate(I8254State *s, unsigned counter, bool level);
bool i8254_get_gate(I8254State *s, unsigned counter);
/** i8254_get_out: OUT of counter 0 to 2, now. */
bool i8254_get_out(I8254State *s, unsigned counter);

/** i8254_tick_taken: the CPU has taken the last interrupt of counter 0: if the
 *  next one is late already, here it is. */
void i8254_tick_taken(I8254State *s);

#endif
