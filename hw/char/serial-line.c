/*
 * UART 16550A: speed and format of the line, modem lines.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-serial.h"
#include "hw/char/serial-internal.h"
#include "hw/machine-lock.h"

static unsigned frame_bits(const SerialState *s)
{
    return 1 + 5 + (s->lcr & 3) + ((s->lcr & LCR_PARITY) ? 1 : 0) +
           ((s->lcr & LCR_STOP2) ? 2 : 1);
}

static unsigned line_speed(const SerialState *s)
{
    return s->divider ? s->baudbase / s->divider : 0;
}

int64_t serial_char_ns(const SerialState *s)
{
    unsigned speed = line_speed(s);

    return speed ? NS_PER_S * frame_bits(s) / speed : NS_PER_S / 1000;
}

void serial_update_parameters(SerialState *s)
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
void serial_read_modem_inputs(SerialState *s)
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

void serial_write_modem_outputs(SerialState *s)
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
void serial_arm_modem_timer(SerialState *s)
{
    if ((s->ier & IER_MSI) && s->has_modem) {
        timer_mod(s->modem_timer,
                  qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + MODEM_POLL_MS);
    } else {
        timer_del(s->modem_timer);
    }
}

void serial_modem_timer_cb(void *opaque)
{
    SerialState *s = opaque;

    MACHINE_LOCK_GUARD();
    serial_read_modem_inputs(s);
    serial_update_irq(s);
    serial_arm_modem_timer(s);
}
