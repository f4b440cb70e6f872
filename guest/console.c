/*
 * Output of the stress guest. The first COM port is polled: 16 bytes are
 * written each time the transmitter is empty, so that a line costs few exits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdarg.h>

#include "guest.h"

#define UART_FIFO_BYTES 16u
#define UART_THR        0
#define UART_IER        1
#define UART_FCR        2
#define UART_LCR        3
#define UART_MCR        4
#define UART_LSR        5
#define LSR_DR          0x01
#define LSR_THRE        0x20
#define LPT_STROBE      0x01
#define LPT_INIT        0x04
#define LPT_SELECT      0x08
#define LPT_NOT_BUSY    0x80
#define LINE_MAX        256u

static ConsoleOptions console = { .port = 0x3f8 };
static SpinLock console_lock;

static void lpt_putc(uint8_t c)
{
    /* A printer that is not ready soon is left out. */
    for (unsigned i = 0; i < 1000; i++) {
        if (inb(LPT1_PORT + 1) & LPT_NOT_BUSY) {
            outb(LPT1_PORT, c);
            outb(LPT1_PORT + 2, LPT_INIT | LPT_SELECT | LPT_STROBE);
            outb(LPT1_PORT + 2, LPT_INIT | LPT_SELECT);
            return;
        }
    }
}

void console_write(const char *data, unsigned len)
{
    unsigned room = 0;

    for (unsigned i = 0; i < len; i++) {
        if (room == 0) {
            while (!(inb(console.port + UART_LSR) & LSR_THRE)) {
                cpu_relax();
            }
            room = UART_FIFO_BYTES;
        }
        outb(console.port + UART_THR, (uint8_t)data[i]);
        room--;
        if (console.debugcon) {
            outb(DEBUGCON_PORT, (uint8_t)data[i]);
        }
        if (console.lpt) {
            lpt_putc((uint8_t)data[i]);
        }
    }
}

int console_getc(void)
{
    if (!(inb(console.port + UART_LSR) & LSR_DR)) {
        return -1;
    }
    return inb(console.port + UART_THR);
}

void console_init(const ConsoleOptions *options)
{
    uint16_t port = options->port;

    console = *options;
    if (port != 0x3f8) { /* start.S has set up the first one */
        outb(port + UART_LCR, 0x80);
        outb(port + UART_THR, 1);
        outb(port + UART_IER, 0);
        outb(port + UART_LCR, 0x03);
        outb(port + UART_FCR, 0x01);
        outb(port + UART_MCR, 0x03);
    }
}

static unsigned put_number(char *dst, uint64_t value, unsigned base,
                           unsigned width)
{
    char digits[20];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n < width) {
        digits[n++] = '0';
    }
    for (unsigned i = 0; i < n; i++) {
        dst[i] = digits[n - 1 - i];
    }
    return n;
}

void console_print(const char *fmt, ...)
{
    char line[LINE_MAX];
    unsigned n = 0;
    va_list ap;

    va_start(ap, fmt);
    for (; *fmt && n + 24 < LINE_MAX; fmt++) {
        if (*fmt == '\n') {
            line[n++] = '\r';
        }
        if (*fmt != '%') {
            line[n++] = *fmt;
            continue;
        }
        unsigned width = 0;
        while (*++fmt >= '0' && *fmt <= '9') {
            width = width * 10 + (unsigned)(*fmt - '0');
        }
        if (*fmt == 's') {
            const char *s = va_arg(ap, const char *);
            while (*s && n + 24 < LINE_MAX) {
                line[n++] = *s++;
            }
        } else {
            n += put_number(line + n, va_arg(ap, uint64_t),
                            *fmt == 'x' ? 16 : 10, width);
        }
    }
    va_end(ap);
    spin_lock(&console_lock);
    console_write(line, n);
    spin_unlock(&console_lock);
}
