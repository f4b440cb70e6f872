/*
 * UART 16550A: the receiver. The chardev delivers only what fits into the
 * FIFO. Characters take no time on the line; only the receive timeout (four
 * characters without a new one) is measured, at the programmed speed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/char/serial-internal.h"
#include "hw/machine-lock.h"

unsigned serial_rx_trigger(const SerialState *s)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return serial_fifos_on(s) ? levels[s->fcr >> 6] : 1;
}

void serial_rx_arm_timeout(SerialState *s)
{
    if (serial_fifos_on(s) && s->rx.count > 0 &&
        s->rx.count < serial_rx_trigger(s)) {
        timer_mod(s->timeout_timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                                        TIMEOUT_CHARS * serial_char_ns(s));
    } else {
        timer_del(s->timeout_timer);
    }
}

void serial_rx_timeout_cb(void *opaque)
{
    SerialState *s = opaque;

    MACHINE_LOCK_GUARD();
    if (s->rx.count > 0) {
        s->timeout_pending = true;
        serial_update_irq(s);
    }
}

/* The break bit of LSR belongs to the byte at the top of the FIFO. */
static void update_break_bit(SerialState *s)
{
    if (s->rx.count && (s->rx_break & (1u << s->rx.head))) {
        s->lsr |= LSR_BI;
        s->rx_break &= (uint16_t) ~(1u << s->rx.head);
    }
}

void serial_rx_byte(SerialState *s, uint8_t byte, bool is_break)
{
    if (serial_fifo_room(s, &s->rx) == 0) {
        s->lsr |= LSR_OE;
        return;
    }
    if (is_break) {
        s->rx_break |=
            (uint16_t)(1u << ((s->rx.head + s->rx.count) % UART_FIFO_BYTES));
    }
    serial_fifo_push(&s->rx, byte);
    update_break_bit(s);
}

void serial_rx(SerialState *s, const uint8_t *buf, int size)
{
    for (int i = 0; i < size; i++) {
        serial_rx_byte(s, buf[i], false);
    }
    s->timeout_pending = false;
    serial_rx_arm_timeout(s);
    serial_update_irq(s);
}

int serial_rx_can_receive(void *opaque)
{
    SerialState *s = opaque;

    MACHINE_LOCK_GUARD();
    return (s->mcr & MCR_LOOP) || !s->run.running
               ? 0
               : (int)serial_fifo_room(s, &s->rx);
}

void serial_rx_receive(void *opaque, const uint8_t *buf, int size)
{
    MACHINE_LOCK_GUARD();
    serial_rx(opaque, buf, size);
}

uint8_t serial_rx_read(SerialState *s)
{
    if (s->rx.count) {
        s->rbr = serial_fifo_pop(&s->rx);
        update_break_bit(s);
        s->timeout_pending = false;
        serial_rx_arm_timeout(s);
        serial_update_irq(s);
        if (!(s->mcr & MCR_LOOP)) {
            qemu_chr_fe_accept_input(&s->chr);
        }
    }
    return s->rbr;
}

void serial_rx_clear(SerialState *s)
{
    serial_fifo_clear(&s->rx);
    s->rx_break = 0;
    s->timeout_pending = false;
    timer_del(s->timeout_timer);
    if (!(s->mcr & MCR_LOOP)) {
        qemu_chr_fe_accept_input(&s->chr);
    }
}
