/*
 * The UART 16550A, whatever bus it sits on.
 *
 * Source: National Semiconductor PC16550D data sheet.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CHAR_SERIAL_H
#define HW_CHAR_SERIAL_H

#include "chardev/char-fe.h"
#include "hw/core/io-space.h"
#include "hw/core/run-watch.h"
#include "hw/irq.h"
#include "hw/qdev-core.h"
#include "util/timer.h"

#define UART_FIFO_BYTES 16
#define UART_REGISTERS  8

typedef struct SerialFifo {
    uint8_t data[UART_FIFO_BYTES];
    uint32_t head;
    uint32_t count;
} SerialFifo;

/* Guarded by the machine lock. */
typedef struct SerialState {
    CharBackend chr;
    qemu_irq irq;
    uint32_t baudbase; /* bits per second of divisor 1 */

    uint16_t divider;
    uint8_t ier;
    uint8_t fcr;
    uint8_t lcr;
    uint8_t mcr;
    uint8_t lsr; /* without THRE and TEMT, which follow from tx */
    uint8_t msr;
    uint8_t scr;
    uint8_t rbr; /* last byte received, for reads of an empty FIFO */

    SerialFifo rx;
    uint16_t rx_break; /* bit n: the byte at place n in rx is a break */
    SerialFifo tx;
    bool thr_pending;     /* transmitter-empty interrupt not read yet */
    bool timeout_pending; /* receive timeout */
    bool break_sent;      /* LCR break is on at the chardev */
    bool has_modem;       /* the chardev has real modem lines */

    RunWatch run; /* while the guest stands still nothing comes or goes */
    guint watch;  /* the chardev could not take more */
    QEMUBH *flush_bh;
    QEMUTimer *timeout_timer;
    QEMUTimer *modem_timer;
} SerialState;

extern const IORegionOps serial_io_ops;

extern const VMStateDescription vmstate_serial; /* of SerialState */

/** serial_init: @s->chr and @s->baudbase are set already; @irq is borrowed;
 *  @machine (nullable): whose stopping it follows. */
void serial_init(SerialState *s, MachineState *machine, qemu_irq irq);
/** serial_deinit: detaches from the chardev; accepts one that was never
 *  initialized. */
void serial_deinit(SerialState *s);
void serial_reset(SerialState *s);

#endif
