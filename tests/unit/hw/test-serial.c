/*
 * The UART 16550A, register by register, over a chardev that does what the
 * test says.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/char/serial.h"
#include "hw/machine-lock.h"
#include "util/error.h"

#include "fake-chardev.h"

#define IIR_NONE 0x01
#define IIR_THRI 0x02
#define IIR_RDI  0x04
#define IIR_RLSI 0x06
#define IIR_CTI  0x0c
#define FIFOS    0xc0

typedef struct Fixture {
    FakeChardev *chr;
    SerialState uart;
    qemu_irq irq;
    int level;
} Fixture;

static void on_irq(void *opaque, int n, int level)
{
    ((Fixture *)opaque)->level = level;
}

static void set_up(Fixture *f, gconstpointer data)
{
    f->chr = fake_chardev_new(NULL);
    f->chr->is_port = data != NULL;
    f->irq = qemu_allocate_irq(on_irq, f, 0);
    f->uart.baudbase = 115200;
    g_assert_true(
        qemu_chr_fe_init(&f->uart.chr, CHARDEV(f->chr), &error_abort));
    machine_lock();
    serial_init(&f->uart, NULL, f->irq);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    serial_deinit(&f->uart);
    machine_unlock();
    qemu_free_irq(f->irq);
    object_unref(OBJECT(f->chr));
}

static uint8_t rd(Fixture *f, unsigned reg)
{
    return (uint8_t)serial_io_ops.read(&f->uart, reg, 1);
}

static void wr(Fixture *f, unsigned reg, uint8_t value)
{
    serial_io_ops.write(&f->uart, reg, value, 1);
}

static void type_in(Fixture *f, const char *text)
{
    qemu_chr_be_write(CHARDEV(f->chr), (uint8_t *)text, (int)strlen(text));
}

static void assert_out(Fixture *f, const char *text)
{
    g_assert_cmpmem(f->chr->out->data, f->chr->out->len, text, strlen(text));
}

static void test_reset_values(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(rd(f, 1), ==, 0);
    g_assert_cmphex(rd(f, 2), ==, IIR_NONE);
    g_assert_cmphex(rd(f, 3), ==, 0);
    g_assert_cmphex(rd(f, 5), ==, 0x60);
    g_assert_cmphex(rd(f, 6) & 0xf0, ==, 0xb0);
    wr(f, 7, 0x5a);
    g_assert_cmphex(rd(f, 7), ==, 0x5a);
    g_assert_cmpint(f->level, ==, 0);
}

static void test_divisor(Fixture *f, gconstpointer data)
{
    wr(f, 3, 0x9b); /* DLAB, 8E1 */
    wr(f, 0, 0x03);
    wr(f, 1, 0x00);
    g_assert_cmphex(rd(f, 0), ==, 3);
    g_assert_cmphex(rd(f, 1), ==, 0);
    g_assert_cmpint(f->chr->params.speed, ==, 38400);
    g_assert_cmpint(f->chr->params.parity, ==, 'E');
    g_assert_cmpint(f->chr->params.data_bits, ==, 8);
    g_assert_cmpint(f->chr->params.stop_bits, ==, 1);
    wr(f, 3, 0x06); /* 7N2 */
    g_assert_cmpint(f->chr->params.parity, ==, 'N');
    g_assert_cmpint(f->chr->params.data_bits, ==, 7);
    g_assert_cmpint(f->chr->params.stop_bits, ==, 2);
    /* Divisor 0 is no speed: nothing is divided by it. */
    wr(f, 3, 0x80);
    wr(f, 0, 0);
    wr(f, 1, 0);
    g_assert_cmpint(f->chr->params.speed, >, 0);
}

static void test_transmit_byte(Fixture *f, gconstpointer data)
{
    wr(f, 0, 'x');
    g_assert_cmphex(rd(f, 5), ==, 0x60);
    wr(f, 0, 'y');
    g_assert_cmphex(rd(f, 5), ==, 0x60);
    assert_out(f, "xy");
}

static void test_transmit_fifo(Fixture *f, gconstpointer data)
{
    wr(f, 2, 0x01);
    g_assert_cmphex(rd(f, 2), ==, FIFOS | IIR_NONE);
    for (const char *p = "0123456789abcdef"; *p; p++) {
        wr(f, 0, (uint8_t)*p);
    }
    assert_out(f, "0123456789abcdef");
    /* One write for all of it, and none before it was full. */
    g_assert_cmpuint(f->chr->writes, ==, 1);
    /* A part goes out when the main loop runs. */
    wr(f, 0, 'z');
    machine_unlock();
    fake_chardev_run();
    machine_lock();
    assert_out(f, "0123456789abcdefz");
}

static void test_transmit_interrupt(Fixture *f, gconstpointer data)
{
    wr(f, 1, 0x02); /* the transmitter is empty: interrupt at once */
    g_assert_cmpint(f->level, ==, 1);
    g_assert_cmphex(rd(f, 2), ==, IIR_THRI);
    g_assert_cmpint(f->level, ==, 0); /* read: gone */
    g_assert_cmphex(rd(f, 2), ==, IIR_NONE);
    f->chr->room = 0;
    wr(f, 0, 'a');
    g_assert_cmpint(f->level, ==, 0);
    f->chr->room = -1;
    machine_unlock();
    fake_chardev_run();
    machine_lock();
    g_assert_cmpint(f->level, ==, 1);
    wr(f, 0, 'b'); /* a write answers it too */
    assert_out(f, "ab");
}

static void test_backpressure(Fixture *f, gconstpointer data)
{
    g_autoptr(GString) sent = g_string_new(NULL);

    wr(f, 2, 0x01);
    f->chr->room = 0;
    for (int i = 0; i < 1000; i++) {
        if (rd(f, 5) & 0x20) {
            for (int n = 0; n < 16; n++) {
                char c = (char)('a' + sent->len % 26);
                g_string_append_c(sent, c);
                wr(f, 0, (uint8_t)c);
            }
        }
        if (i % 3 == 0) {
            f->chr->room = 1 + i % 7;
        }
        machine_unlock();
        main_loop_wait(true);
        machine_lock();
    }
    g_assert_cmpuint(sent->len, >, 100);
    g_assert_cmphex(rd(f, 5) & 0x20, ==, 0);
    f->chr->room = -1;
    machine_unlock();
    fake_chardev_run();
    machine_lock();
    assert_out(f, sent->str);
    g_assert_cmphex(rd(f, 5) & 0x60, ==, 0x60);
}

/* Whoever read the pipe is gone: nobody waits for him. */
static void test_broken(Fixture *f, gconstpointer data)
{
    f->chr->is_broken = true;
    wr(f, 0, 'a');
    machine_unlock();
    fake_chardev_run();
    machine_lock();
    g_assert_cmpuint(f->chr->writes, ==, 1);
    g_assert_cmphex(rd(f, 5) & 0x60, ==, 0x60);
}

static void test_receive_byte(Fixture *f, gconstpointer data)
{
    wr(f, 1, 0x01);
    g_assert_cmpint(qemu_chr_be_can_write(CHARDEV(f->chr)), ==, 1);
    type_in(f, "q");
    g_assert_cmpint(qemu_chr_be_can_write(CHARDEV(f->chr)), ==, 0);
    g_assert_cmpint(f->level, ==, 1);
    g_assert_cmphex(rd(f, 2), ==, IIR_RDI);
    g_assert_cmphex(rd(f, 5), ==, 0x61);
    g_assert_cmphex(rd(f, 0), ==, 'q');
    g_assert_cmpint(f->level, ==, 0);
    g_assert_cmphex(rd(f, 5), ==, 0x60);
    g_assert_cmphex(rd(f, 0), ==, 'q'); /* stays in the register */
}

static void test_receive_trigger(Fixture *f, gconstpointer data)
{
    wr(f, 1, 0x01);
    wr(f, 2, 0x81); /* trigger at 8 */
    type_in(f, "1234567");
    g_assert_cmpint(f->level, ==, 0);
    type_in(f, "8");
    g_assert_cmphex(rd(f, 2), ==, (FIFOS | IIR_RDI));
    g_assert_cmphex(rd(f, 0), ==, '1');
    g_assert_cmpint(f->level, ==, 0);
    g_assert_cmpint(qemu_chr_be_can_write(CHARDEV(f->chr)), ==, 9);
    /* Seven are below the trigger: the timeout tells of them. */
    machine_unlock();
    for (int i = 0; i < 200 && !f->level; i++) {
        g_usleep(1000);
        main_loop_wait(true);
    }
    machine_lock();
    g_assert_cmphex(rd(f, 2), ==, (FIFOS | IIR_CTI));
    for (const char *p = "2345678"; *p; p++) {
        g_assert_cmphex(rd(f, 0), ==, *p);
    }
    g_assert_cmpint(f->level, ==, 0);
}

static void test_overrun(Fixture *f, gconstpointer data)
{
    wr(f, 1, 0x04);
    type_in(f, "a");
    type_in(f, "b"); /* against can_write */
    g_assert_cmphex(rd(f, 2), ==, IIR_RLSI);
    g_assert_cmphex(rd(f, 5), ==, 0x63);
    g_assert_cmphex(rd(f, 5), ==, 0x61); /* read: gone */
    g_assert_cmpint(f->level, ==, 0);
    g_assert_cmphex(rd(f, 0), ==, 'a');
}

static void test_break_in(Fixture *f, gconstpointer data)
{
    wr(f, 1, 0x05);
    wr(f, 2, 0x01);
    type_in(f, "a");
    qemu_chr_be_event(CHARDEV(f->chr), CHR_EVENT_BREAK);
    type_in(f, "b");
    /* The break belongs to the second byte, not the first. */
    g_assert_cmphex(rd(f, 5), ==, 0x61);
    g_assert_cmphex(rd(f, 0), ==, 'a');
    g_assert_cmphex(rd(f, 2), ==, (FIFOS | IIR_RLSI));
    g_assert_cmphex(rd(f, 5), ==, 0x71);
    g_assert_cmphex(rd(f, 0), ==, 0);
    g_assert_cmphex(rd(f, 5), ==, 0x61);
    g_assert_cmphex(rd(f, 0), ==, 'b');
}

static void test_break_out(Fixture *f, gconstpointer data)
{
    wr(f, 2, 0x01);
    wr(f, 0, 'a');
    wr(f, 3, 0x43);
    assert_out(f, "a"); /* what came before goes before */
    g_assert_cmpint(f->chr->break_on, ==, 1);
    wr(f, 3, 0x03);
    g_assert_cmpint(f->chr->break_on, ==, 0);
    wr(f, 3, 0x43);
    serial_reset(&f->uart);
    g_assert_cmpint(f->chr->break_on, ==, 0);
}

static void test_modem_lines(Fixture *f, gconstpointer data)
{
    wr(f, 4, 0x01);
    g_assert_cmphex(f->chr->tiocm & (CHR_TIOCM_DTR | CHR_TIOCM_RTS), ==,
                    CHR_TIOCM_DTR);
    wr(f, 4, 0x03);
    g_assert_cmphex(f->chr->tiocm & (CHR_TIOCM_DTR | CHR_TIOCM_RTS), ==,
                    CHR_TIOCM_DTR | CHR_TIOCM_RTS);
    rd(f, 6);
    f->chr->tiocm |= CHR_TIOCM_CTS | CHR_TIOCM_RI;
    g_assert_cmphex(rd(f, 6), ==, 0x51); /* CTS, RI; CTS changed */
    g_assert_cmphex(rd(f, 6), ==, 0x50);
    f->chr->tiocm &= ~CHR_TIOCM_RI;
    g_assert_cmphex(rd(f, 6), ==, 0x14); /* end of ring */
    /* With the interrupt on, a change is found without a read. */
    wr(f, 1, 0x08);
    f->chr->tiocm &= ~CHR_TIOCM_CTS;
    machine_unlock();
    for (int i = 0; i < 200 && !f->level; i++) {
        g_usleep(1000);
        main_loop_wait(true);
    }
    machine_lock();
    g_assert_cmpint(f->level, ==, 1);
    g_assert_cmphex(rd(f, 2), ==, 0x00);
    g_assert_cmphex(rd(f, 6), ==, 0x01);
    g_assert_cmpint(f->level, ==, 0);
}

static void test_loopback(Fixture *f, gconstpointer data)
{
    wr(f, 4, 0x1f);
    g_assert_cmphex(rd(f, 6) & 0xf0, ==, 0xf0);
    wr(f, 4, 0x10);
    g_assert_cmphex(rd(f, 6), ==, 0x0f); /* all four fell */
    wr(f, 2, 0x01);
    wr(f, 0, 'l');
    g_assert_cmphex(rd(f, 5), ==, 0x61);
    g_assert_cmphex(rd(f, 0), ==, 'l');
    assert_out(f, "");
    g_assert_cmpint(qemu_chr_be_can_write(CHARDEV(f->chr)), ==, 0);
}

static void test_fifo_clear(Fixture *f, gconstpointer data)
{
    wr(f, 2, 0x01);
    type_in(f, "abc");
    wr(f, 2, 0x03);
    g_assert_cmphex(rd(f, 5), ==, 0x60);
    f->chr->room = 0;
    wr(f, 0, 'x');
    g_assert_cmphex(rd(f, 5) & 0x20, ==, 0);
    wr(f, 2, 0x05);
    g_assert_cmphex(rd(f, 5) & 0x60, ==, 0x60);
    f->chr->room = -1;
    machine_unlock();
    fake_chardev_run();
    machine_lock();
    assert_out(f, "");
}

#define ADD(name, func, data)                                                  \
    g_test_add("/serial/" name, Fixture, data, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    fake_chardev_register();
    ADD("reset-values", test_reset_values, NULL);
    ADD("divisor", test_divisor, "port");
    ADD("transmit/byte", test_transmit_byte, NULL);
    ADD("transmit/fifo", test_transmit_fifo, NULL);
    ADD("transmit/interrupt", test_transmit_interrupt, NULL);
    ADD("transmit/backpressure", test_backpressure, NULL);
    ADD("transmit/broken", test_broken, NULL);
    ADD("receive/byte", test_receive_byte, NULL);
    ADD("receive/trigger", test_receive_trigger, NULL);
    ADD("receive/overrun", test_overrun, NULL);
    ADD("break/in", test_break_in, NULL);
    ADD("break/out", test_break_out, "port");
    ADD("modem-lines", test_modem_lines, "port");
    ADD("loopback", test_loopback, NULL);
    ADD("fifo-clear", test_fifo_clear, NULL);
    return g_test_run();
}
