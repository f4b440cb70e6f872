/*
 * UART 16550A over a character device.
 *
 * Transmit: bytes that the guest writes collect in the transmit FIFO and go
 * to the chardev in one piece, when the FIFO is full, when the guest looks at
 * the line status, or by a bottom half at the latest. While the chardev takes
 * nothing the FIFO stays full and the guest sees a transmitter that is not
 * empty; nothing is dropped.
 *
 * Receive: the chardev delivers only what fits into the FIFO.
 *
 * Time: characters take none on the line. Only the receive timeout (four
 * characters without a new one) is measured, at the programmed speed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/char/serial.h"

#include "chardev/char-serial.h"
#include "hw/machine-lock.h"
#include "trace/trace-hw.h"
#include "util/main-loop.h"

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

/* -- FIFOs ----------------------------------------------------------------------- */

static void fifo_clear(SerialFifo *f)
{
    f->head = 0;
    f->count = 0;
}

static void fifo_push(SerialFifo *f, uint8_t byte)
{
    assert(f->count < UART_FIFO_BYTES);
    f->data[(f->head + f->count++) % UART_FIFO_BYTES] = byte;
}

static uint8_t fifo_pop(SerialFifo *f)
{
    uint8_t byte = f->data[f->head];

    assert(f->count > 0);
    f->head = (f->head + 1) % UART_FIFO_BYTES;
    f->count--;
    return byte;
}

static bool fifos_on(const SerialState *s)
{
    return s->fcr & FCR_ENABLE;
}

static unsigned fifo_room(const SerialState *s, const SerialFifo *f)
{
    unsigned size = fifos_on(s) ? UART_FIFO_BYTES : 1;

    return size > f->count ? size - f->count : 0;
}

static unsigned rx_trigger(const SerialState *s)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return fifos_on(s) ? levels[s->fcr >> 6] : 1;
}

/* -- interrupts --------------------------------------------------------------------- */

static uint8_t interrupt_id(const SerialState *s)
{
    if ((s->ier & IER_RLSI) && (s->lsr & LSR_ERRORS)) {
        return IIR_RLSI;
    }
    if (s->ier & IER_RDI) {
        if (s->rx.count >= rx_trigger(s)) {
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

static void update_irq(SerialState *s)
{
    bool level = interrupt_id(s) != IIR_NONE;

    trace_serial_irq(s, level);
    qemu_set_irq(s->irq, level);
}

/* -- line parameters ------------------------------------------------------------------- */

static unsigned frame_bits(const SerialState *s)
{
    return 1 + 5 + (s->lcr & 3) + ((s->lcr & LCR_PARITY) ? 1 : 0) +
           ((s->lcr & LCR_STOP2) ? 2 : 1);
}

static unsigned line_speed(const SerialState *s)
{
    return s->divider ? s->baudbase / s->divider : 0;
}

static int64_t char_ns(const SerialState *s)
{
    unsigned speed = line_speed(s);

    return speed ? NS_PER_S * frame_bits(s) / speed : NS_PER_S / 1000;
}

static void update_parameters(SerialState *s)
{
    QEMUSerialSetParams p = {
        .speed = (int)line_speed(s),
        .parity = !(s->lcr & LCR_PARITY) ? 'N'
                  : (s->lcr & LCR_EVEN)  ? 'E'
                                         : 'O',
        .data_bits = 5 + (s->lcr & 3),
        .stop_bits = (s->lcr & LCR_STOP2) ? 2 : 1,
    };

    if (p.speed) {
        qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_SERIAL_SET_PARAMS, &p);
    }
}

/* -- modem lines ------------------------------------------------------------------------- */

/* New levels of the four inputs (MSR_LINES); sets the delta bits. */
static void set_modem_inputs(SerialState *s, uint8_t lines)
{
    uint8_t old = s->msr & MSR_LINES;
    uint8_t delta = 0;

    if ((old ^ lines) & MSR_CTS) {
        delta |= MSR_DCTS;
    }
    if ((old ^ lines) & MSR_DSR) {
        delta |= MSR_DDSR;
    }
    if ((old ^ lines) & MSR_DCD) {
        delta |= MSR_DDCD;
    }
    if ((old & MSR_RI) && !(lines & MSR_RI)) {
        delta |= MSR_TERI;
    }
    s->msr = (s->msr & MSR_DELTA) | delta | lines;
}

static uint8_t loopback_lines(const SerialState *s)
{
    return ((s->mcr & MCR_RTS) ? MSR_CTS : 0) |
           ((s->mcr & MCR_DTR) ? MSR_DSR : 0) |
           ((s->mcr & MCR_OUT1) ? MSR_RI : 0) |
           ((s->mcr & MCR_OUT2) ? MSR_DCD : 0);
}

/* A chardev without modem lines is a null modem to a peer that is ready. */
static void read_modem_inputs(SerialState *s)
{
    uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD;
    int tiocm = 0;

    if (s->mcr & MCR_LOOP) {
        set_modem_inputs(s, loopback_lines(s));
        return;
    }
    s->has_modem =
        qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_SERIAL_GET_TIOCM, &tiocm) == 0;
    if (s->has_modem) {
        lines = ((tiocm & CHR_TIOCM_CTS) ? MSR_CTS : 0) |
                ((tiocm & CHR_TIOCM_DSR) ? MSR_DSR : 0) |
                ((tiocm & CHR_TIOCM_RI) ? MSR_RI : 0) |
                ((tiocm & CHR_TIOCM_CAR) ? MSR_DCD : 0);
    }
    set_modem_inputs(s, lines);
}

static void write_modem_outputs(SerialState *s)
{
    int tiocm = 0;

    if ((s->mcr & MCR_LOOP) ||
        qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_SERIAL_GET_TIOCM, &tiocm) != 0) {
        return;
    }
    tiocm &= ~(CHR_TIOCM_RTS | CHR_TIOCM_DTR);
    tiocm |= (s->mcr & MCR_RTS) ? CHR_TIOCM_RTS : 0;
    tiocm |= (s->mcr & MCR_DTR) ? CHR_TIOCM_DTR : 0;
    qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_SERIAL_SET_TIOCM, &tiocm);
}

/* Real lines change by themselves; look while the guest wants to know. */
static void arm_modem_timer(SerialState *s)
{
    if ((s->ier & IER_MSI) && s->has_modem) {
        timer_mod(s->modem_timer,
                  qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + MODEM_POLL_MS);
    } else {
        timer_del(s->modem_timer);
    }
}

static void modem_timer_cb(void *opaque)
{
    SerialState *s = opaque;

    MACHINE_LOCK_GUARD();
    read_modem_inputs(s);
    update_irq(s);
    arm_modem_timer(s);
}

/* -- receive ------------------------------------------------------------------------------- */

static void arm_rx_timeout(SerialState *s)
{
    if (fifos_on(s) && s->rx.count > 0 && s->rx.count < rx_trigger(s)) {
        timer_mod(s->timeout_timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                                        TIMEOUT_CHARS * char_ns(s));
    } else {
        timer_del(s->timeout_timer);
    }
}

static void timeout_timer_cb(void *opaque)
{
    SerialState *s = opaque;

    MACHINE_LOCK_GUARD();
    if (s->rx.count > 0) {
        s->timeout_pending = true;
        update_irq(s);
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

static void receive_byte(SerialState *s, uint8_t byte, bool is_break)
{
    if (fifo_room(s, &s->rx) == 0) {
        s->lsr |= LSR_OE;
        return;
    }
    if (is_break) {
        s->rx_break |=
            (uint16_t)(1u << ((s->rx.head + s->rx.count) % UART_FIFO_BYTES));
    }
    fifo_push(&s->rx, byte);
    update_break_bit(s);
}

static void receive(SerialState *s, const uint8_t *buf, int size)
{
    for (int i = 0; i < size; i++) {
        receive_byte(s, buf[i], false);
    }
    s->timeout_pending = false;
    arm_rx_timeout(s);
    update_irq(s);
}

static int serial_can_receive(void *opaque)
{
    SerialState *s = opaque;

    MACHINE_LOCK_GUARD();
    return (s->mcr & MCR_LOOP) ? 0 : (int)fifo_room(s, &s->rx);
}

static void serial_receive(void *opaque, const uint8_t *buf, int size)
{
    MACHINE_LOCK_GUARD();
    receive(opaque, buf, size);
}

static uint8_t read_data(SerialState *s)
{
    if (s->rx.count) {
        s->rbr = fifo_pop(&s->rx);
        update_break_bit(s);
        s->timeout_pending = false;
        arm_rx_timeout(s);
        update_irq(s);
        if (!(s->mcr & MCR_LOOP)) {
            qemu_chr_fe_accept_input(&s->chr);
        }
    }
    return s->rbr;
}

static void clear_rx(SerialState *s)
{
    fifo_clear(&s->rx);
    s->rx_break = 0;
    s->timeout_pending = false;
    timer_del(s->timeout_timer);
    if (!(s->mcr & MCR_LOOP)) {
        qemu_chr_fe_accept_input(&s->chr);
    }
}

/* -- transmit -------------------------------------------------------------------------------- */

static gboolean watch_cb(void *unused, GIOCondition condition, void *opaque);

static void tx_done(SerialState *s)
{
    s->thr_pending = true;
    update_irq(s);
}

/* Take what goes out in one piece out of the FIFO; no chardev call here, so
 * that a callback that comes back finds a consistent state. */
static unsigned tx_peek(const SerialState *s, uint8_t *buf)
{
    for (unsigned i = 0; i < s->tx.count; i++) {
        buf[i] = s->tx.data[(s->tx.head + i) % UART_FIFO_BYTES];
    }
    return s->tx.count;
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
        uint8_t byte = fifo_pop(&s->tx);
        receive(s, &byte, 1);
    }
    tx_done(s);
}

static void tx_flush(SerialState *s)
{
    uint8_t buf[UART_FIFO_BYTES];
    unsigned n = tx_peek(s, buf);
    int taken;

    if (n == 0 || s->watch) {
        return;
    }
    if (s->mcr & MCR_LOOP) {
        tx_loopback(s);
        return;
    }
    taken = qemu_chr_fe_write(&s->chr, buf, (int)n);
    trace_serial_tx(s, n, taken);
    if (taken > 0) {
        tx_drop(s, (unsigned)taken);
    }
    if (s->tx.count) {
        s->watch =
            qemu_chr_fe_add_watch(&s->chr, G_IO_OUT | G_IO_HUP, watch_cb, s);
        if (s->watch) {
            trace_serial_tx_wait(s, s->tx.count);
            return;
        }
        /* A back end that never keeps anyone waiting yet refuses is broken:
         * the line behaves as one with nothing at its end. */
        fifo_clear(&s->tx);
    }
    tx_done(s);
}

static gboolean watch_cb(void *unused, GIOCondition condition, void *opaque)
{
    SerialState *s = opaque;

    MACHINE_LOCK_GUARD();
    s->watch = 0;
    tx_flush(s);
    return G_SOURCE_REMOVE;
}

static void flush_bh_cb(void *opaque)
{
    MACHINE_LOCK_GUARD();
    tx_flush(opaque);
}

static void write_data(SerialState *s, uint8_t byte)
{
    s->thr_pending = false;
    if (fifo_room(s, &s->tx) == 0) {
        /* The guest did not wait for THRE: as in the chip, the byte that was
         * written last is lost with FIFOs, else it replaces the one before. */
        if (fifos_on(s)) {
            update_irq(s);
            return;
        }
        fifo_clear(&s->tx);
    }
    fifo_push(&s->tx, byte);
    update_irq(s);
    if (fifo_room(s, &s->tx) == 0 || (s->mcr & MCR_LOOP)) {
        tx_flush(s);
    } else {
        qemu_bh_schedule(s->flush_bh);
    }
}

static void stop_watch(SerialState *s)
{
    if (s->watch) {
        qemu_chr_fe_remove_watch(&s->chr, s->watch);
        s->watch = 0;
    }
}

static void clear_tx(SerialState *s)
{
    stop_watch(s);
    fifo_clear(&s->tx);
    s->thr_pending = true;
}

/* -- registers --------------------------------------------------------------------------------- */

static uint8_t read_iir(SerialState *s)
{
    uint8_t id;

    tx_flush(s);
    id = interrupt_id(s);
    if (id == IIR_THRI) {
        s->thr_pending = false;
        update_irq(s);
    }
    return id | (fifos_on(s) ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(SerialState *s)
{
    uint8_t value;

    tx_flush(s);
    value = s->lsr | (s->rx.count ? LSR_DR : 0) |
            (s->tx.count ? 0 : LSR_THRE | LSR_TEMT);
    if (s->lsr & LSR_ERRORS) {
        s->lsr &= (uint8_t)~LSR_ERRORS;
        update_irq(s);
    }
    return value;
}

static uint8_t read_msr(SerialState *s)
{
    uint8_t value;

    read_modem_inputs(s);
    value = s->msr;
    if (s->msr & MSR_DELTA) {
        s->msr &= (uint8_t)~MSR_DELTA;
        update_irq(s);
    }
    return value;
}

static uint64_t serial_read(void *opaque, uint64_t offset, unsigned size)
{
    SerialState *s = opaque;

    switch (offset) {
    case REG_DATA:
        return (s->lcr & LCR_DLAB) ? s->divider & 0xff : read_data(s);
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
        read_modem_inputs(s);
    }
    arm_modem_timer(s);
    update_irq(s);
}

static void write_fcr(SerialState *s, uint8_t value)
{
    bool toggled = (value ^ s->fcr) & FCR_ENABLE;

    if (toggled || (value & FCR_CLEAR_TX)) {
        /* What the guest wrote before it asked for this has been sent: the
         * line is faster than the guest. */
        tx_flush(s);
    }
    s->fcr = (value & FCR_ENABLE) ? value & FCR_KEPT : 0;
    if (toggled || (value & FCR_CLEAR_RX)) {
        clear_rx(s);
    }
    if (toggled || (value & FCR_CLEAR_TX)) {
        clear_tx(s);
    }
    arm_rx_timeout(s);
    update_irq(s);
}

static void write_lcr(SerialState *s, uint8_t value)
{
    uint8_t changed = value ^ s->lcr;
    int on = (value & LCR_BREAK) != 0;

    s->lcr = value;
    if (changed & (uint8_t) ~(LCR_BREAK | LCR_DLAB)) {
        update_parameters(s);
    }
    if (on != s->break_sent) {
        tx_flush(s);
        s->break_sent = on;
        qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_SERIAL_SET_BREAK, &on);
    }
}

static void write_mcr(SerialState *s, uint8_t value)
{
    uint8_t changed = (value ^ s->mcr) & MCR_MASK;

    if (changed & MCR_LOOP) {
        tx_flush(s);
    }
    s->mcr = value & MCR_MASK;
    if (s->mcr & MCR_LOOP) {
        set_modem_inputs(s, loopback_lines(s));
    } else if (changed) {
        write_modem_outputs(s);
        read_modem_inputs(s);
        qemu_chr_fe_accept_input(&s->chr);
    }
    update_irq(s);
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
            update_parameters(s);
        } else {
            write_data(s, byte);
        }
        break;
    case REG_IER:
        if (s->lcr & LCR_DLAB) {
            s->divider = (uint16_t)((s->divider & 0xff) | byte << 8);
            update_parameters(s);
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

/* -- life ---------------------------------------------------------------------------------------- */

static void serial_event(void *opaque, QEMUChrEvent event)
{
    SerialState *s = opaque;

    if (event == CHR_EVENT_BREAK) {
        MACHINE_LOCK_GUARD();
        receive_byte(s, 0, true);
        arm_rx_timeout(s);
        update_irq(s);
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
    update_parameters(s);
    on = s->break_sent;
    qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_SERIAL_SET_BREAK, &on);
    write_modem_outputs(s);
    stop_watch(s);
    tx_flush(s);
    return 0;
}

static void connect_chr(SerialState *s)
{
    qemu_chr_fe_set_handlers(&s->chr, serial_can_receive, serial_receive,
                             serial_event, serial_be_change, s, NULL, true);
}

void serial_reset(SerialState *s)
{
    tx_flush(s);
    s->divider = DIVIDER_RESET;
    s->ier = 0;
    s->fcr = 0;
    s->lcr = 0;
    s->mcr = MCR_OUT2;
    s->lsr = 0;
    s->scr = 0;
    s->rbr = 0;
    clear_tx(s);
    s->thr_pending = false;
    clear_rx(s);
    if (s->break_sent) {
        int off = 0;
        s->break_sent = false;
        qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_SERIAL_SET_BREAK, &off);
    }
    read_modem_inputs(s);
    s->msr &= MSR_LINES;
    arm_modem_timer(s);
    update_irq(s);
}

void serial_init(SerialState *s, qemu_irq irq)
{
    s->irq = irq;
    s->flush_bh = qemu_bh_new(flush_bh_cb, s);
    s->timeout_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, timeout_timer_cb, s);
    s->modem_timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, modem_timer_cb, s);
    connect_chr(s);
    serial_reset(s);
}

void serial_deinit(SerialState *s)
{
    if (s->flush_bh) {
        tx_flush(s);
        stop_watch(s);
        qemu_bh_delete(s->flush_bh);
        s->flush_bh = NULL;
    }
    g_clear_pointer(&s->timeout_timer, timer_free);
    g_clear_pointer(&s->modem_timer, timer_free);
    qemu_chr_fe_deinit(&s->chr, false);
}
