/*
 * UART 16550A: the transmitter.
 *
 * Bytes that the guest writes collect in the FIFO and go to the chardev in
 * one piece, when the FIFO is full, when the guest looks at the line status,
 * or by a bottom half at the latest. While the chardev takes nothing the FIFO
 * stays full and the guest sees a transmitter that is not empty; nothing is
 * dropped, unless the chardev will never take anything again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/char/serial-internal.h"
#include "hw/machine-lock.h"
#include "trace/trace-hw.h"
#include "util/main-loop.h"

static gboolean watch_cb(void *unused, GIOCondition condition, void *opaque);

static void tx_done(SerialState *s)
{
    s->thr_pending = true;
    serial_update_irq(s);
}

/* Take what goes out in one piece out of the FIFO; no chardev call here, so
 * that a callback that comes back finds a consistent state. */
static unsigned tx_peek(const SerialState *s, uint8_t *buf)
{
    /* A load that failed may have left any numbers for the reset after it. */
    unsigned n = MIN(s->tx.count, UART_FIFO_BYTES);

    for (unsigned i = 0; i < n; i++) {
        buf[i] = s->tx.data[(s->tx.head + i) % UART_FIFO_BYTES];
    }
    return n;
}

static void tx_drop(SerialState *s, unsigned n)
{
    n = MIN(n, s->tx.count);
    s->tx.head = (s->tx.head + n) % UART_FIFO_BYTES;
    s->tx.count -= n;
}

static void tx_loopback(SerialState *s)
{
    while (s->tx.count) {
        uint8_t byte = serial_fifo_pop(&s->tx);
        serial_rx(s, &byte, 1);
    }
    tx_done(s);
}

void serial_tx_push(SerialState *s)
{
    uint8_t buf[UART_FIFO_BYTES];
    unsigned n = tx_peek(s, buf);
    bool is_refused;
    int taken;

    if (n == 0 || s->watch) {
        return;
    }
    if (s->mcr & MCR_LOOP) {
        tx_loopback(s);
        return;
    }
    taken = qemu_chr_fe_write(&s->chr, buf, (int)n);
    is_refused = taken < 0 && errno != EAGAIN;
    trace_serial_tx(s, n, taken);
    if (taken > 0) {
        tx_drop(s, (unsigned)taken);
    }
    if (s->tx.count && !is_refused) {
        s->watch =
            qemu_chr_fe_add_watch(&s->chr, G_IO_OUT | G_IO_HUP, watch_cb, s);
        if (s->watch) {
            trace_serial_tx_wait(s, s->tx.count);
            return;
        }
    }
    /* A back end that refuses for good (whoever read a pipe is gone), or that
     * never keeps anyone waiting yet refuses: the line behaves as one with
     * nothing at its end. */
    serial_fifo_clear(&s->tx);
    tx_done(s);
}

void serial_tx_flush(SerialState *s)
{
    if (s->run.running) {
        serial_tx_push(s);
    }
}

static gboolean watch_cb(void *unused, GIOCondition condition, void *opaque)
{
    SerialState *s = opaque;

    MACHINE_LOCK_GUARD();
    s->watch = 0;
    serial_tx_flush(s);
    return G_SOURCE_REMOVE;
}

void serial_tx_bh_cb(void *opaque)
{
    MACHINE_LOCK_GUARD();
    serial_tx_flush(opaque);
}

void serial_tx_write(SerialState *s, uint8_t byte)
{
    s->thr_pending = false;
    if (serial_fifo_room(s, &s->tx) == 0) {
        /* The guest did not wait for THRE: as in the chip, the byte that was
         * written last is lost with FIFOs, else it replaces the one before. */
        if (serial_fifos_on(s)) {
            serial_update_irq(s);
            return;
        }
        serial_fifo_clear(&s->tx);
    }
    serial_fifo_push(&s->tx, byte);
    serial_update_irq(s);
    if (serial_fifo_room(s, &s->tx) == 0 || (s->mcr & MCR_LOOP)) {
        serial_tx_flush(s);
    } else {
        qemu_bh_schedule(s->flush_bh);
    }
}

void serial_tx_stop_watch(SerialState *s)
{
    if (s->watch) {
        qemu_chr_fe_remove_watch(&s->chr, s->watch);
        s->watch = 0;
    }
}

void serial_tx_clear(SerialState *s)
{
    serial_tx_stop_watch(s);
    serial_fifo_clear(&s->tx);
    s->thr_pending = true;
}
