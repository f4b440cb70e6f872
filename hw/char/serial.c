/*
 * UART 16550A over a character device: registers, interrupts, connection.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/char/serial.h"

#include "chardev/char-serial.h"
#include "hw/char/serial-internal.h"
#include "hw/machine-lock.h"
#include "trace/trace-hw.h"
#include "util/main-loop.h"

uint8_t serial_interrupt_id(const SerialState *s)
{
    if ((s->ier & IER_RLSI) && (s->lsr & LSR_ERRORS)) {
        return IIR_RLSI;
    }
    if (s->ier & IER_RDI) {
        if (s->rx.count >= serial_rx_trigger(s)) {
            return IIR_RDI;
        }
        if (s->timeout_pending) {
            return IIR_CTI;
        }
    }
    if ((s->ier & IER_THRI) && s->thr_pending) {
        return IIR_THRI;
    }
    if ((s->ier & IER_MSI) && (s->msr & MSR_DELTA)) {
        return IIR_MSI;
    }
    return IIR_NONE;
}

void serial_update_irq(SerialState *s)
{
    bool level = serial_interrupt_id(s) != IIR_NONE;

    trace_serial_irq(s, level);
    qemu_set_irq(s->irq, level);
}

/* -- registers --------------------------------------------------------------- */

static uint8_t read_iir(SerialState *s)
{
    uint8_t id;

    serial_tx_flush(s);
    id = serial_interrupt_id(s);
    if (id == IIR_THRI) {
        s->thr_pending = false;
        serial_update_irq(s);
    }
    return id | (serial_fifos_on(s) ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(SerialState *s)
{
    uint8_t value;

    serial_tx_flush(s);
    value = s->lsr | (s->rx.count ? LSR_DR : 0) |
            (s->tx.count ? 0 : LSR_THRE | LSR_TEMT);
    if (s->lsr & LSR_ERRORS) {
        s->lsr &= (uint8_t)~LSR_ERRORS;
        serial_update_irq(s);
    }
    return value;
}

static uint8_t read_msr(SerialState *s)
{
    uint8_t value;

    serial_read_modem_inputs(s);
    value = s->msr;
    if (s->msr & MSR_DELTA) {
        s->msr &= (uint8_t)~MSR_DELTA;
        serial_update_irq(s);
    }
    return value;
}

static uint64_t serial_read(void *opaque, uint64_t offset, unsigned size)
{
    SerialState *s = opaque;

    switch (offset) {
    case REG_DATA:
        return (s->lcr & LCR_DLAB) ? s->divider & 0xff : serial_rx_read(s);
    case REG_IER:
        return (s->lcr & LCR_DLAB) ? s->divider >> 8 : s->ier;
    case REG_IIR:
        return read_iir(s);
    case REG_LCR:
        return s->lcr;
    case REG_MCR:
        return s->mcr;
    case REG_LSR:
        return read_lsr(s);
    case REG_MSR:
        return read_msr(s);
    default:
        return s->scr;
    }
}

static void write_ier(SerialState *s, uint8_t value)
{
    uint8_t switched_on = value & (uint8_t)~s->ier;

    s->ier = value & IER_MASK;
    if ((switched_on & IER_THRI) && s->tx.count == 0) {
        s->thr_pending = true;
    }
    if (switched_on & IER_MSI) {
        serial_read_modem_inputs(s);
    }
    serial_arm_modem_timer(s);
    serial_update_irq(s);
}

static void write_fcr(SerialState *s, uint8_t value)
{
    bool toggled = (value ^ s->fcr) & FCR_ENABLE;

    if (toggled || (value & FCR_CLEAR_TX)) {
        /* What the guest wrote before it asked for this has been sent: the
         * line is faster than the guest. */
        serial_tx_flush(s);
    }
    s->fcr = (value & FCR_ENABLE) ? value & FCR_KEPT : 0;
    if (toggled || (value & FCR_CLEAR_RX)) {
        serial_rx_clear(s);
    }
    if (toggled || (value & FCR_CLEAR_TX)) {
        serial_tx_clear(s);
    }
    serial_rx_arm_timeout(s);
    serial_update_irq(s);
}

static void write_lcr(SerialState *s, uint8_t value)
{
    uint8_t changed = value ^ s->lcr;
    int on = (value & LCR_BREAK) != 0;

    s->lcr = value;
    if (changed & (uint8_t) ~(LCR_BREAK | LCR_DLAB)) {
        serial_update_parameters(s);
    }
    if (on != s->break_sent) {
        serial_tx_flush(s);
        s->break_sent = on;
        qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_SERIAL_SET_BREAK, &on);
    }
}

static void write_mcr(SerialState *s, uint8_t value)
{
    uint8_t changed = (value ^ s->mcr) & MCR_MASK;

    if (changed & MCR_LOOP) {
        serial_tx_flush(s);
    }
    s->mcr = value & MCR_MASK;
    if (s->mcr & MCR_LOOP) {
        serial_read_modem_inputs(s);
    } else if (changed) {
        serial_write_modem_outputs(s);
        serial_read_modem_inputs(s);
        qemu_chr_fe_accept_input(&s->chr);
    }
    serial_update_irq(s);
}

static void serial_write(void *opaque, uint64_t offset, uint64_t value,
                         unsigned size)
{
    SerialState *s = opaque;
    uint8_t byte = (uint8_t)value;

    switch (offset) {
    case REG_DATA:
        if (s->lcr & LCR_DLAB) {
            s->divider = (uint16_t)((s->divider & 0xff00) | byte);
            serial_update_parameters(s);
        } else {
            serial_tx_write(s, byte);
        }
        break;
    case REG_IER:
        if (s->lcr & LCR_DLAB) {
            s->divider = (uint16_t)((s->divider & 0xff) | byte << 8);
            serial_update_parameters(s);
        } else {
            write_ier(s, byte);
        }
        break;
    case REG_IIR:
        write_fcr(s, byte);
        break;
    case REG_LCR:
        write_lcr(s, byte);
        break;
    case REG_MCR:
        write_mcr(s, byte);
        break;
    case REG_SCR:
        s->scr = byte;
        break;
    default: /* LSR and MSR are for factory tests only */
        break;
    }
}

const IORegionOps serial_io_ops = { serial_read, serial_write, 1 };

/* -- life -------------------------------------------------------------------- */

static void serial_event(void *opaque, QEMUChrEvent event)
{
    SerialState *s = opaque;

    if (event == CHR_EVENT_BREAK) {
        MACHINE_LOCK_GUARD();
        serial_rx_byte(s, 0, true);
        serial_rx_arm_timeout(s);
        serial_update_irq(s);
    }
}

static void connect_chr(SerialState *s);

/* Another back end stands behind the line now: tell it what it must know. */
static int serial_be_change(void *opaque)
{
    SerialState *s = opaque;
    int on;

    MACHINE_LOCK_GUARD();
    connect_chr(s);
    serial_update_parameters(s);
    on = s->break_sent;
    qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_SERIAL_SET_BREAK, &on);
    serial_write_modem_outputs(s);
    serial_tx_stop_watch(s);
    serial_tx_flush(s);
    return 0;
}

static void connect_chr(SerialState *s)
{
    qemu_chr_fe_set_handlers(&s->chr, serial_rx_can_receive, serial_rx_receive,
                             serial_event, serial_be_change, s, NULL, true);
}

void serial_reset(SerialState *s)
{
    serial_tx_flush(s);
    s->divider = DIVIDER_RESET;
    s->ier = 0;
    s->fcr = 0;
    s->lcr = 0;
    s->mcr = MCR_OUT2;
    s->lsr = 0;
    s->scr = 0;
    s->rbr = 0;
    serial_tx_clear(s);
    s->thr_pending = false;
    serial_rx_clear(s);
    if (s->break_sent) {
        int off = 0;
        s->break_sent = false;
        qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_SERIAL_SET_BREAK, &off);
    }
    serial_read_modem_inputs(s);
    s->msr &= MSR_LINES;
    serial_arm_modem_timer(s);
    serial_update_irq(s);
}

/*
 * At a stop the chardev gets what it takes now; the rest, and what comes in
 * later, waits for the guest to run on, here or in another process.
 */
static void serial_run_changed(void *opaque, bool running)
{
    SerialState *s = opaque;

    if (running) {
        serial_tx_flush(s);
        if (!(s->mcr & MCR_LOOP)) {
            qemu_chr_fe_accept_input(&s->chr);
        }
    } else {
        serial_tx_push(s);
        serial_tx_stop_watch(s);
    }
}

void serial_init(SerialState *s, MachineState *machine, qemu_irq irq)
{
    s->irq = irq;
    s->flush_bh = qemu_bh_new(serial_tx_bh_cb, s);
    s->timeout_timer =
        timer_new_ns(QEMU_CLOCK_VIRTUAL, serial_rx_timeout_cb, s);
    s->modem_timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, serial_modem_timer_cb, s);
    run_watch_init(&s->run, machine, serial_run_changed, s);
    connect_chr(s);
    serial_reset(s);
}

void serial_deinit(SerialState *s)
{
    run_watch_deinit(&s->run);
    if (s->flush_bh) {
        serial_tx_flush(s);
        serial_tx_stop_watch(s);
        qemu_bh_delete(s->flush_bh);
        s->flush_bh = NULL;
    }
    g_clear_pointer(&s->timeout_timer, timer_free);
    g_clear_pointer(&s->modem_timer, timer_free);
    qemu_chr_fe_deinit(&s->chr, false);
}
