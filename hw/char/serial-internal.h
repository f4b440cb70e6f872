/*
 * What the files of the UART share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CHAR_SERIAL_INTERNAL_H
#define HW_CHAR_SERIAL_INTERNAL_H

#include "hw/char/serial.h"

#define REG_DATA 0 /* and divisor, low byte */
#define REG_IER  1 /* and divisor, high byte */
#define REG_IIR  2 /* write: FCR */
#define REG_LCR  3
#define REG_MCR  4
#define REG_LSR  5
#define REG_MSR  6
#define REG_SCR  7

#define IER_RDI  0x01
#define IER_THRI 0x02
#define IER_RLSI 0x04
#define IER_MSI  0x08
#define IER_MASK 0x0f

#define IIR_NONE  0x01
#define IIR_MSI   0x00
#define IIR_THRI  0x02
#define IIR_RDI   0x04
#define IIR_RLSI  0x06
#define IIR_CTI   0x0c
#define IIR_FIFOS 0xc0
#define IIR_ID    0x0f

#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define FCR_CLEAR_TX 0x04
#define FCR_KEPT     0xc9

#define LCR_STOP2  0x04
#define LCR_PARITY 0x08
#define LCR_EVEN   0x10
#define LCR_BREAK  0x40
#define LCR_DLAB   0x80

#define MCR_DTR  0x01
#define MCR_RTS  0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_MASK 0x1f

#define LSR_DR     0x01
#define LSR_OE     0x02
#define LSR_PE     0x04
#define LSR_FE     0x08
#define LSR_BI     0x10
#define LSR_THRE   0x20
#define LSR_TEMT   0x40
#define LSR_ERRORS (LSR_OE | LSR_PE | LSR_FE | LSR_BI)

#define MSR_DCTS  0x01
#define MSR_DDSR  0x02
#define MSR_TERI  0x04
#define MSR_DDCD  0x08
#define MSR_CTS   0x10
#define MSR_DSR   0x20
#define MSR_RI    0x40
#define MSR_DCD   0x80
#define MSR_DELTA 0x0f
#define MSR_LINES 0xf0

#define DIVIDER_RESET 12 /* 9600 */
#define MODEM_POLL_MS 10
#define TIMEOUT_CHARS 4
#define NS_PER_S      1000000000ll

static inline void serial_fifo_clear(SerialFifo *f)
{
    f->head = 0;
    f->count = 0;
}

static inline bool serial_fifos_on(const SerialState *s)
{
    return s->fcr & FCR_ENABLE;
}

/* Bytes that @f, one of @s's FIFOs, takes now. */
static inline unsigned serial_fifo_room(const SerialState *s,
                                        const SerialFifo *f)
{
    unsigned size = serial_fifos_on(s) ? UART_FIFO_BYTES : 1;

    return size > f->count ? size - f->count : 0;
}

static inline void serial_fifo_push(SerialFifo *f, uint8_t byte)
{
    assert(f->count < UART_FIFO_BYTES);
    f->data[(f->head + f->count++) % UART_FIFO_BYTES] = byte;
}

static inline uint8_t serial_fifo_pop(SerialFifo *f)
{
    uint8_t byte = f->data[f->head];

    assert(f->count > 0);
    f->head = (f->head + 1) % UART_FIFO_BYTES;
    f->count--;
    return byte;
}

/* serial.c */
/* serial_interrupt_id: IIR's value without the FIFO bits. */
uint8_t serial_interrupt_id(const SerialState *s);
void serial_update_irq(SerialState *s);

/* serial-line.c: speed, format, modem lines */
int64_t serial_char_ns(const SerialState *s);
void serial_update_parameters(SerialState *s);
void serial_read_modem_inputs(SerialState *s);
void serial_write_modem_outputs(SerialState *s);
void serial_arm_modem_timer(SerialState *s);
void serial_modem_timer_cb(void *opaque);

/* serial-rx.c */
/* serial_rx_trigger: bytes in the FIFO that raise the interrupt. */
unsigned serial_rx_trigger(const SerialState *s);
void serial_rx(SerialState *s, const uint8_t *buf, int size);
void serial_rx_byte(SerialState *s, uint8_t byte, bool is_break);
uint8_t serial_rx_read(SerialState *s);
void serial_rx_clear(SerialState *s);
void serial_rx_arm_timeout(SerialState *s);
void serial_rx_timeout_cb(void *opaque);
int serial_rx_can_receive(void *opaque);
void serial_rx_receive(void *opaque, const uint8_t *buf, int size);

/* serial-tx.c */
void serial_tx_write(SerialState *s, uint8_t byte);
/* serial_tx_flush: hand the chardev what waits, as far as it takes it; not
 * while the guest stands still. */
void serial_tx_flush(SerialState *s);
/* serial_tx_push: also then. */
void serial_tx_push(SerialState *s);
void serial_tx_clear(SerialState *s);
void serial_tx_stop_watch(SerialState *s);
void serial_tx_bh_cb(void *opaque);

#endif
