/*
 * The MC146818 clock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/machine-lock.h"
#include "hw/timer/mc146818rtc.h"
#include "hw/types.h"
#include "util/main-loop.h"
#include "util/timer.h"

#include "fake-isa.h"

#define MIB (1ull << 20)

typedef struct Fixture {
    FakeISA isa;
    DeviceState *rtc;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    fake_isa_init(&f->isa);
    f->rtc = qdev_new(TYPE_MC146818_RTC);
    mc146818rtc_set_machine(f->rtc, NULL, 3072 * MIB, 1024 * MIB, 4);
    machine_lock();
    g_assert_true(qdev_realize(f->rtc, BUS(f->isa.bus), &error_abort));
    device_cold_reset(f->rtc);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    qdev_unrealize(f->rtc);
    machine_unlock();
    object_unref(OBJECT(f->rtc));
    fake_isa_deinit(&f->isa);
}

static uint8_t rd(Fixture *f, uint8_t reg)
{
    fake_isa_out(&f->isa, 0x70, reg);
    return fake_isa_in(&f->isa, 0x71);
}

static void wr(Fixture *f, uint8_t reg, uint8_t value)
{
    fake_isa_out(&f->isa, 0x70, reg);
    fake_isa_out(&f->isa, 0x71, value);
}

static unsigned bcd(uint8_t v)
{
    return (v >> 4) * 10u + (v & 15);
}

static void run_until_irq(Fixture *f, unsigned ms)
{
    machine_unlock();
    for (unsigned i = 0; i < ms && !f->isa.level[8]; i++) {
        main_loop_wait(true);
        g_usleep(1000);
    }
    machine_lock();
}

static void test_now(Fixture *f, gconstpointer data)
{
    time_t now = time(NULL);
    struct tm tm;
    int64_t diff;

    gmtime_r(&now, &tm);
    g_assert_cmpuint(bcd(rd(f, 9)) + bcd(rd(f, 0x32)) * 100, ==,
                     (unsigned)tm.tm_year + 1900);
    diff =
        (int64_t)(bcd(rd(f, 4)) * 3600 + bcd(rd(f, 2)) * 60 + bcd(rd(f, 0))) -
        (tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
    g_assert_true((diff >= -2 && diff <= 2) || ABS(diff) > 86390);
    g_assert_cmphex(rd(f, 10) & 0x7f, ==, 0x26);
    g_assert_cmphex(rd(f, 11), ==, 0x02);
    g_assert_cmphex(rd(f, 13), ==, 0x80);
    g_assert_cmphex(fake_isa_in(&f->isa, 0x70), ==, 0xff);
}

static void test_memory_size(Fixture *f, gconstpointer data)
{
    g_assert_cmpuint(rd(f, 0x15) | rd(f, 0x16) << 8, ==, 640);
    g_assert_cmpuint(rd(f, 0x17) | rd(f, 0x18) << 8, ==, 65535);
    g_assert_cmpuint(rd(f, 0x34) | rd(f, 0x35) << 8, ==, (3072 - 16) * 16);
    g_assert_cmpuint(rd(f, 0x5b) | rd(f, 0x5c) << 8 | rd(f, 0x5d) << 16, ==,
                     1024 * 16);
    g_assert_cmpuint(rd(f, 0x5f), ==, 3);
    /* Plain memory keeps what is written; bit 7 of the index masks NMI. */
    wr(f, 0x40, 0xa5);
    g_assert_cmphex(rd(f, 0xc0), ==, 0xa5);
}

static void set_time(Fixture *f, uint8_t hour, uint8_t min, uint8_t sec)
{
    wr(f, 11, (uint8_t)(rd(f, 11) | 0x80));
    wr(f, 4, hour);
    wr(f, 2, min);
    wr(f, 0, sec);
    wr(f, 7, 0x31);
    wr(f, 8, 0x12);
    wr(f, 9, 0x99);
    wr(f, 0x32, 0x19);
    wr(f, 11, (uint8_t)(rd(f, 11) & 0x7f));
}

static void test_set(Fixture *f, gconstpointer data)
{
    set_time(f, 0x23, 0x58, 0x10);
    g_assert_cmphex(rd(f, 4), ==, 0x23);
    g_assert_cmphex(rd(f, 2), ==, 0x58);
    g_assert_cmphex(rd(f, 0) & 0xfe, ==, 0x10);
    g_assert_cmphex(rd(f, 6), ==, 0x06); /* that was a Friday */
    /* The same time as binary, and with twelve hours. */
    wr(f, 11, 0x06);
    g_assert_cmpuint(rd(f, 4), ==, 23);
    g_assert_cmpuint(rd(f, 2), ==, 58);
    wr(f, 11, 0x00);
    g_assert_cmphex(rd(f, 4), ==, 0x91); /* 11 pm */
}

static void test_set_holds(Fixture *f, gconstpointer data)
{
    wr(f, 11, 0x92);
    g_assert_cmphex(rd(f, 11), ==, 0x82); /* SET clears update interrupts */
    wr(f, 0, 0x33);
    g_usleep(1100 * 1000);
    g_assert_cmphex(rd(f, 0), ==, 0x33);
    wr(f, 11, 0x02);
}

static void test_rollover(Fixture *f, gconstpointer data)
{
    uint8_t century;

    set_time(f, 0x23, 0x59, 0x59);
    wr(f, 11, 0x12);
    rd(f, 12);
    run_until_irq(f, 2000);
    g_assert_cmphex(rd(f, 12) & 0x90, ==, 0x90);
    g_assert_cmpint(f->isa.level[8], ==, 0);
    century = rd(f, 0x32);
    g_assert_cmphex(century, ==, 0x20);
    g_assert_cmphex(rd(f, 9), ==, 0x00);
    g_assert_cmphex(rd(f, 8), ==, 0x01);
    g_assert_cmphex(rd(f, 7), ==, 0x01);
    g_assert_cmphex(rd(f, 4), ==, 0x00);
    g_assert_cmphex(rd(f, 6), ==, 0x07);
}

static void test_alarm(Fixture *f, gconstpointer data)
{
    set_time(f, 0x12, 0x00, 0x00);
    wr(f, 5, 0xff); /* any hour */
    wr(f, 3, 0x00);
    wr(f, 1, 0x02);
    rd(f, 12);
    wr(f, 11, 0x22);
    run_until_irq(f, 4000);
    g_assert_cmphex(rd(f, 12) & 0xa0, ==, 0xa0);
    g_assert_cmphex(rd(f, 0), ==, 0x02);
}

static void test_periodic(Fixture *f, gconstpointer data)
{
    unsigned seen = 0;
    int64_t end;

    wr(f, 10, 0x2a); /* 64 Hz */
    wr(f, 11, 0x42);
    end = g_get_monotonic_time() + 500 * 1000;
    while (g_get_monotonic_time() < end) {
        run_until_irq(f, 50);
        if (f->isa.level[8]) {
            g_assert_cmphex(rd(f, 12) & 0xc0, ==, 0xc0);
            seen++;
        }
    }
    /* 32 in half a second, fewer on a busy host, never more. */
    g_assert_cmpuint(seen, >=, 10);
    g_assert_cmpuint(seen, <=, 34);
    wr(f, 11, 0x02);
    g_assert_cmpint(f->isa.level[8], ==, 0);
}

static void test_reset(Fixture *f, gconstpointer data)
{
    wr(f, 10, 0x20); /* no periodic rate: nothing sets PF between the lines */
    wr(f, 0x50, 0x11);
    wr(f, 11, 0x76);
    device_cold_reset(f->rtc);
    g_assert_cmphex(rd(f, 11), ==, 0x06);
    g_assert_cmphex(rd(f, 12), ==, 0x00);
    g_assert_cmphex(rd(f, 0x50), ==, 0x11);
}

#define ADD(name, func)                                                        \
    g_test_add("/rtc/" name, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    hw_register_types();
    ADD("now", test_now);
    ADD("memory-size", test_memory_size);
    ADD("set", test_set);
    ADD("set-holds", test_set_holds);
    ADD("rollover", test_rollover);
    ADD("alarm", test_alarm);
    ADD("periodic", test_periodic);
    ADD("reset", test_reset);
    return g_test_run();
}
