/*
 * The 8254 and the speaker port, against a clock that the test sets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/machine-lock.h"
#include "hw/timer/i8254.h"
#include "hw/types.h"
#include "util/main-loop.h"

#include "fake-isa.h"
#include "virtual-time.h"

#define COUNTER(n) (0x40 + (n))
#define CONTROL    0x43
#define PORT_B     0x61
/* A little more than one tick, and n of them. */
#define TICKS(n) ((int64_t)(n)*1000000000 / I8254_HZ + 1)

typedef struct Fixture {
    FakeISA isa;
    DeviceState *pit;
    DeviceState *speaker;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    fake_isa_init(&f->isa);
    machine_lock();
    f->pit = qdev_new(TYPE_I8254);
    g_assert_true(qdev_realize(f->pit, BUS(f->isa.bus), &error_abort));
    f->speaker = qdev_new("isa-pcspk");
    g_assert_true(qdev_realize(f->speaker, BUS(f->isa.bus), &error_abort));
    device_cold_reset(f->pit);
    device_cold_reset(f->speaker);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    qdev_unrealize(f->speaker);
    object_unref(OBJECT(f->speaker));
    qdev_unrealize(f->pit);
    object_unref(OBJECT(f->pit));
    machine_unlock();
    fake_isa_deinit(&f->isa);
}

static void control(Fixture *f, uint8_t value)
{
    fake_isa_out(&f->isa, CONTROL, value);
}

static void program(Fixture *f, unsigned counter, unsigned mode, unsigned count)
{
    control(f, (uint8_t)(counter << 6 | 0x30 | mode << 1));
    fake_isa_out(&f->isa, (uint16_t)COUNTER(counter), (uint8_t)count);
    fake_isa_out(&f->isa, (uint16_t)COUNTER(counter), (uint8_t)(count >> 8));
}

static uint16_t value(Fixture *f, unsigned counter)
{
    uint16_t low = fake_isa_in(&f->isa, (uint16_t)COUNTER(counter));

    return (uint16_t)(low | fake_isa_in(&f->isa, (uint16_t)COUNTER(counter))
                                << 8);
}

static bool out(Fixture *f, unsigned counter)
{
    return i8254_get_out(I8254(f->pit), counter);
}

static void gate(Fixture *f, bool level)
{
    fake_isa_out(&f->isa, PORT_B, level);
}

static void test_mode0(Fixture *f, gconstpointer data)
{
    control(f, 0x30);
    g_assert_cmpint(f->isa.level[0], ==, 0);
    program(f, 0, 0, 100);
    virtual_time_step(TICKS(40));
    g_assert_cmpuint(value(f, 0), ==, 60);
    g_assert_cmpint(f->isa.level[0], ==, 0);
    virtual_time_step(TICKS(59));
    g_assert_cmpint(f->isa.level[0], ==, 0);
    virtual_time_step(TICKS(1));
    g_assert_cmpint(f->isa.level[0], ==, 1);
    virtual_time_step(TICKS(10));
    g_assert_cmpuint(value(f, 0), ==, 0xfff6); /* goes on below zero */
    g_assert_cmpuint(f->isa.edges[0], ==, 1);
    /* A new count starts it again. */
    fake_isa_out(&f->isa, COUNTER(0), 50);
    g_assert_cmpint(f->isa.level[0], ==, 0); /* at the first byte */
    virtual_time_step(TICKS(100));
    g_assert_cmpint(f->isa.level[0], ==, 0);
    fake_isa_out(&f->isa, COUNTER(0), 0);
    virtual_time_step(TICKS(50));
    g_assert_cmpuint(f->isa.edges[0], ==, 2);
}

static void test_periodic(Fixture *f, gconstpointer data)
{
    unsigned mode = GPOINTER_TO_UINT(data);

    program(f, 0, mode, 1000);
    f->isa.edges[0] = 0;
    virtual_time_step(TICKS(999));
    g_assert_cmpuint(f->isa.edges[0], ==, 0);
    virtual_time_step(TICKS(1));
    g_assert_cmpuint(f->isa.edges[0], ==, 1);
    virtual_time_step(TICKS(9000));
    g_assert_cmpuint(f->isa.edges[0], ==, 10);
    /* A host that is late by seven periods: half a period apart until none
     * is missing. */
    virtual_time_jump(TICKS(7500));
    virtual_time_fire();
    g_assert_cmpuint(f->isa.edges[0], ==, 11);
    virtual_time_step(TICKS(400));
    g_assert_cmpuint(f->isa.edges[0], ==, 11);
    virtual_time_step(TICKS(200));
    g_assert_cmpuint(f->isa.edges[0], ==, 12);
    virtual_time_step(TICKS(20000));
    g_assert_cmpuint(f->isa.edges[0], ==, 38);
    /* Or as fast as they are taken. */
    virtual_time_jump(TICKS(5500));
    f->isa.edges[0] = 0;
    virtual_time_fire();
    g_assert_cmpuint(f->isa.edges[0], ==, 1);
    for (unsigned i = 0; i < 10; i++) {
        i8254_tick_taken(I8254(f->pit));
    }
    g_assert_cmpuint(f->isa.edges[0], >=, 5);
    g_assert_cmpuint(f->isa.edges[0], <=, 6);
    /* By hours: not all of it. */
    virtual_time_jump(10000 * TEST_S);
    f->isa.edges[0] = 0;
    virtual_time_step(2 * TEST_S);
    g_assert_cmpuint(f->isa.edges[0], >=, 3 * I8254_HZ / 1000 - 3);
    g_assert_cmpuint(f->isa.edges[0], <=, 3 * I8254_HZ / 1000 + 3);
}

static void test_rate_generator(Fixture *f, gconstpointer data)
{
    gate(f, true);
    program(f, 2, 2, 10);
    g_assert_cmpuint(value(f, 2), ==, 10);
    g_assert_true(out(f, 2));
    virtual_time_step(TICKS(9));
    g_assert_cmpuint(value(f, 2), ==, 1);
    g_assert_false(out(f, 2));
    virtual_time_step(TICKS(1));
    g_assert_cmpuint(value(f, 2), ==, 10);
    g_assert_true(out(f, 2));
    /* GATE low stops it with OUT high, its rise loads it. */
    virtual_time_step(TICKS(9));
    gate(f, false);
    g_assert_true(out(f, 2));
    virtual_time_step(TICKS(100));
    gate(f, true);
    g_assert_cmpuint(value(f, 2), ==, 10);
    virtual_time_step(TICKS(4));
    g_assert_cmpuint(value(f, 2), ==, 6);
}

static void test_square_wave(Fixture *f, gconstpointer data)
{
    static const struct {
        unsigned count, high;
    } shapes[] = { { 10, 5 }, { 7, 4 }, { 2, 1 } };

    gate(f, true);
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        program(f, 2, 3, shapes[i].count);
        virtual_time_jump(TICKS(1) / 2);
        for (unsigned t = 0; t < 3 * shapes[i].count; t++) {
            g_assert_cmpint(out(f, 2), ==,
                            t % shapes[i].count < shapes[i].high);
            g_assert_cmpuint(value(f, 2) & 1, ==, 0); /* counts by two */
            virtual_time_jump(TICKS(1) - 1);
        }
    }
    program(f, 2, 3, 100);
    virtual_time_step(TICKS(10));
    g_assert_cmpuint(value(f, 2), ==, 80);
    virtual_time_step(TICKS(50));
    g_assert_cmpuint(value(f, 2), ==, 80);
}

static void test_new_count_waits(Fixture *f, gconstpointer data)
{
    gate(f, true);
    program(f, 2, 2, 100);
    virtual_time_step(TICKS(30));
    fake_isa_out(&f->isa, COUNTER(2), 200);
    fake_isa_out(&f->isa, COUNTER(2), 0);
    control(f, 0xe8); /* read back the status of counter 2 */
    g_assert_cmphex(fake_isa_in(&f->isa, COUNTER(2)), ==, 0xf4);
    g_assert_cmpuint(value(f, 2), ==, 70);
    virtual_time_step(TICKS(80));
    g_assert_cmpuint(value(f, 2), ==, 190);
    control(f, 0xe8);
    g_assert_cmphex(fake_isa_in(&f->isa, COUNTER(2)), ==, 0xb4);
}

static void test_one_shot(Fixture *f, gconstpointer data)
{
    program(f, 2, 1, 20);
    g_assert_true(out(f, 2)); /* no trigger yet */
    virtual_time_step(TICKS(50));
    g_assert_true(out(f, 2));
    gate(f, true);
    g_assert_false(out(f, 2));
    virtual_time_step(TICKS(15));
    g_assert_false(out(f, 2));
    gate(f, false);
    gate(f, true); /* again: the pulse gets longer */
    virtual_time_step(TICKS(15));
    g_assert_false(out(f, 2));
    virtual_time_step(TICKS(6));
    g_assert_true(out(f, 2));
}

static void test_strobes(Fixture *f, gconstpointer data)
{
    gate(f, true);
    program(f, 2, 4, 10);
    g_assert_true(out(f, 2));
    virtual_time_step(TICKS(10));
    g_assert_false(out(f, 2));
    virtual_time_step(TICKS(1));
    g_assert_true(out(f, 2));
    /* Software strobe: GATE holds it. */
    program(f, 2, 4, 10);
    virtual_time_step(TICKS(5));
    gate(f, false);
    virtual_time_step(TICKS(50));
    g_assert_cmpuint(value(f, 2), ==, 5);
    gate(f, true);
    virtual_time_step(TICKS(5));
    g_assert_false(out(f, 2));
    /* Hardware strobe: GATE starts it. */
    program(f, 2, 5, 10);
    virtual_time_step(TICKS(30));
    g_assert_true(out(f, 2));
    gate(f, false);
    gate(f, true);
    virtual_time_step(TICKS(10));
    g_assert_false(out(f, 2));
    virtual_time_step(TICKS(1));
    g_assert_true(out(f, 2));
    /* Counter 0 in mode 4 interrupts once, after the strobe. */
    f->isa.edges[0] = 0;
    program(f, 0, 4, 10);
    f->isa.edges[0] = 0;
    virtual_time_step(TICKS(100));
    g_assert_cmpuint(f->isa.edges[0], <=, 1);
}

static void test_latch(Fixture *f, gconstpointer data)
{
    gate(f, true);
    program(f, 2, 0, 1000);
    virtual_time_step(TICKS(100));
    control(f, 0x80); /* latch counter 2 */
    virtual_time_step(TICKS(100));
    control(f, 0x80); /* no effect: not read yet */
    g_assert_cmpuint(value(f, 2), ==, 900);
    g_assert_cmpuint(value(f, 2), ==, 800);
    /* Count and status of all three: the status is read first. */
    program(f, 0, 2, 500);
    control(f, 0xc6);
    g_assert_cmphex(fake_isa_in(&f->isa, COUNTER(0)), ==, 0xb4);
    g_assert_cmpuint(value(f, 0), ==, 500);
    /* One byte only. */
    control(f, 0x90);
    fake_isa_out(&f->isa, COUNTER(2), 200);
    virtual_time_step(TICKS(10));
    g_assert_cmpuint(fake_isa_in(&f->isa, COUNTER(2)), ==, 190);
    g_assert_cmpuint(fake_isa_in(&f->isa, COUNTER(2)), ==, 190);
    control(f, 0xa0);
    fake_isa_out(&f->isa, COUNTER(2), 2);
    virtual_time_step(TICKS(10));
    g_assert_cmpuint(fake_isa_in(&f->isa, COUNTER(2)), ==, 1); /* of 502 */
}

static void test_bcd(Fixture *f, gconstpointer data)
{
    gate(f, true);
    control(f, 0xb1); /* mode 0, BCD */
    fake_isa_out(&f->isa, COUNTER(2), 0x34);
    fake_isa_out(&f->isa, COUNTER(2), 0x12);
    virtual_time_step(TICKS(35));
    g_assert_cmphex(value(f, 2), ==, 0x1199);
    control(f, 0xb1);
    fake_isa_out(&f->isa, COUNTER(2), 0);
    fake_isa_out(&f->isa, COUNTER(2), 0);
    virtual_time_step(TICKS(1));
    g_assert_cmphex(value(f, 2), ==, 0x9999); /* 0 is 10000 */
    control(f, 0xb1);
    fake_isa_out(&f->isa, COUNTER(2), 0xff); /* no digits */
    fake_isa_out(&f->isa, COUNTER(2), 0xff);
    value(f, 2);
}

static void test_zero_is_65536(Fixture *f, gconstpointer data)
{
    program(f, 0, 2, 0);
    f->isa.edges[0] = 0;
    virtual_time_step(TICKS(65535));
    g_assert_cmpuint(f->isa.edges[0], ==, 0);
    virtual_time_step(TICKS(1));
    g_assert_cmpuint(f->isa.edges[0], ==, 1);
}

static void test_port_b(Fixture *f, gconstpointer data)
{
    unsigned toggles = 0;
    uint8_t before = fake_isa_in(&f->isa, PORT_B) & 0x10;

    for (unsigned i = 0; i < 1000; i++) {
        uint8_t now;

        virtual_time_step(TEST_US);
        now = fake_isa_in(&f->isa, PORT_B) & 0x10;
        toggles += now != before;
        before = now;
    }
    g_assert_cmpuint(toggles, >=, 65); /* every 15 us */
    g_assert_cmpuint(toggles, <=, 67);
    fake_isa_out(&f->isa, PORT_B, 0xff);
    g_assert_cmphex(fake_isa_in(&f->isa, PORT_B) & 0xcf, ==, 0x0f);
    program(f, 2, 0, 10);
    g_assert_cmphex(fake_isa_in(&f->isa, PORT_B) & 0x20, ==, 0);
    virtual_time_step(TICKS(10));
    g_assert_cmphex(fake_isa_in(&f->isa, PORT_B) & 0x20, ==, 0x20);
}

/* The fastest rate there is does not keep the host busy. */
static void test_busy_period(Fixture *f, gconstpointer data)
{
    program(f, 0, 2, 1);
    f->isa.edges[0] = 0;
    virtual_time_step(TEST_MS);
    g_assert_cmpuint(f->isa.edges[0], >=, 10);
    g_assert_cmpuint(f->isa.edges[0], <=, 25);
}

/* A guest that is stopped for an hour sees no gap. */
static void test_stop(Fixture *f, gconstpointer data)
{
    program(f, 0, 2, 1000);
    f->isa.edges[0] = 0;
    virtual_time_step(TICKS(500));
    virtual_time_fire();
    virtual_time_fire();
    g_assert_cmpuint(f->isa.edges[0], ==, 0);
    g_assert_cmpuint(value(f, 0), ==, 500);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(Fixture *, gconstpointer);
        unsigned data;
    } tests[] = {
        { "/i8254/mode0", test_mode0, 0 },
        { "/i8254/mode2-irq", test_periodic, 2 },
        { "/i8254/mode3-irq", test_periodic, 3 },
        { "/i8254/mode6-is-2", test_periodic, 6 },
        { "/i8254/mode7-is-3", test_periodic, 7 },
        { "/i8254/rate-generator", test_rate_generator, 0 },
        { "/i8254/square-wave", test_square_wave, 0 },
        { "/i8254/new-count-waits", test_new_count_waits, 0 },
        { "/i8254/one-shot", test_one_shot, 0 },
        { "/i8254/strobes", test_strobes, 0 },
        { "/i8254/latch", test_latch, 0 },
        { "/i8254/bcd", test_bcd, 0 },
        { "/i8254/zero-is-65536", test_zero_is_65536, 0 },
        { "/i8254/port-b", test_port_b, 0 },
        { "/i8254/busy-period", test_busy_period, 0 },
        { "/i8254/stop", test_stop, 0 },
    };

    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    hw_register_types();
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, GUINT_TO_POINTER(tests[i].data),
                   set_up, tests[i].func, tear_down);
    }
    return g_test_run();
}
