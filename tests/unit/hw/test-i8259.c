/*
 * The pair of 8259A: tables of what the data sheet says about priorities,
 * end of interrupt and modes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/intc/i8259.h"
#include "hw/machine-lock.h"
#include "hw/types.h"
#include "util/main-loop.h"

#include "fake-isa.h"

#define MASTER      0x20
#define MASTER_DATA 0x21
#define SLAVE       0xa0
#define SLAVE_DATA  0xa1
#define EOI         0x20
#define READ_IRR    0x0a
#define READ_ISR    0x0b
#define POLL        0x0c
#define SMM_ON      0x68
#define SMM_OFF     0x48
#define ICW4_8086   0x01
#define ICW4_AEOI   0x02
#define ICW4_SFNM   0x10

typedef struct Fixture {
    FakeISA isa;
    I8259Pair *pair;
    int out;
    unsigned rises;
} Fixture;

static void int_out(void *opaque, int n, int level)
{
    Fixture *f = opaque;

    f->rises += level && !f->out;
    f->out = level;
}

static void init_pair(Fixture *f, uint8_t master_icw4)
{
    fake_isa_out(&f->isa, MASTER, 0x11);
    fake_isa_out(&f->isa, MASTER_DATA, 0x20);
    fake_isa_out(&f->isa, MASTER_DATA, 0x04);
    fake_isa_out(&f->isa, MASTER_DATA, master_icw4);
    fake_isa_out(&f->isa, SLAVE, 0x11);
    fake_isa_out(&f->isa, SLAVE_DATA, 0x28);
    fake_isa_out(&f->isa, SLAVE_DATA, 0x02);
    fake_isa_out(&f->isa, SLAVE_DATA, ICW4_8086);
}

static void set_up(Fixture *f, gconstpointer data)
{
    fake_isa_init(&f->isa);
    machine_lock();
    f->pair = i8259_pair_new(f->isa.bus, int_out, f, &error_abort);
    init_pair(f, ICW4_8086);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    i8259_pair_free(f->pair);
    machine_unlock();
    fake_isa_deinit(&f->isa);
}

static void pulse(Fixture *f, unsigned irq)
{
    i8259_set_irq(f->pair, irq, true);
    i8259_set_irq(f->pair, irq, false);
}

static uint8_t rd(Fixture *f, uint16_t port, uint8_t select)
{
    fake_isa_out(&f->isa, port, select);
    return fake_isa_in(&f->isa, port);
}

/* Fixed priorities: 0, 1, 8 to 15, 3 to 7; each nests in the lower ones. */
static void test_order(Fixture *f, gconstpointer data)
{
    static const uint8_t order[] = { 0,  1,  8, 9, 10, 11, 12, 13,
                                     14, 15, 3, 4, 5,  6,  7 };

    for (size_t i = G_N_ELEMENTS(order); i > 0; i--) {
        pulse(f, order[i - 1]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        g_assert_true(f->out);
        g_assert_cmphex(i8259_ack(f->pair), ==, 0x20 + order[i]);
        g_assert_false(f->out);
        if (order[i] >= 8) {
            fake_isa_out(&f->isa, SLAVE, EOI);
        }
        fake_isa_out(&f->isa, MASTER, EOI);
    }
    g_assert_false(f->out);
}

static void test_nesting(Fixture *f, gconstpointer data)
{
    pulse(f, 5);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x25);
    pulse(f, 6); /* lower: waits */
    g_assert_false(f->out);
    pulse(f, 3); /* higher: interrupts */
    g_assert_true(f->out);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x23);
    g_assert_cmphex(rd(f, MASTER, READ_ISR), ==, 0x28);
    fake_isa_out(&f->isa, MASTER, EOI); /* ends the higher */
    g_assert_cmphex(rd(f, MASTER, READ_ISR), ==, 0x20);
    g_assert_false(f->out);
    fake_isa_out(&f->isa, MASTER, EOI);
    g_assert_true(f->out);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x26);
    fake_isa_out(&f->isa, MASTER, 0x66); /* specific EOI of 6 */
    g_assert_cmphex(rd(f, MASTER, READ_ISR), ==, 0);
}

/* After "rotate to n is lowest" the first of all that ask is n + 1. */
static void test_rotation(Fixture *f, gconstpointer data)
{
    for (unsigned lowest = 0; lowest < 8; lowest++) {
        unsigned expect = lowest + 1;

        init_pair(f, ICW4_8086);
        fake_isa_out(&f->isa, MASTER, (uint8_t)(0xc0 | lowest));
        for (unsigned i = 0; i < 8; i++) {
            if (i != 2) {
                pulse(f, i);
            }
        }
        for (unsigned i = 0; i < 8; i++, expect++) {
            if (expect % 8 == 2) {
                continue;
            }
            g_assert_cmphex(i8259_ack(f->pair), ==, 0x20 + expect % 8);
            fake_isa_out(&f->isa, MASTER, EOI);
        }
    }
}

static void test_rotate_on_eoi(Fixture *f, gconstpointer data)
{
    pulse(f, 4);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x24);
    fake_isa_out(&f->isa, MASTER, 0xa0); /* non-specific, rotating */
    pulse(f, 4);
    pulse(f, 3);
    pulse(f, 5);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x25);
    fake_isa_out(&f->isa, MASTER, 0xe5); /* specific, rotating: 5 lowest */
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x23);
    fake_isa_out(&f->isa, MASTER, EOI);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x24);
}

static void test_auto_eoi(Fixture *f, gconstpointer data)
{
    init_pair(f, ICW4_8086 | ICW4_AEOI);
    pulse(f, 3);
    pulse(f, 4);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x23);
    g_assert_cmphex(rd(f, MASTER, READ_ISR), ==, 0);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x24);
    fake_isa_out(&f->isa, MASTER, 0x80); /* rotate in automatic EOI mode */
    pulse(f, 3);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x23); /* 3 is lowest now */
    pulse(f, 3);
    pulse(f, 4);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x24);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x23);
    fake_isa_out(&f->isa, MASTER, 0x00);
}

static void test_special_mask(Fixture *f, gconstpointer data)
{
    pulse(f, 3);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x23);
    pulse(f, 6);
    g_assert_false(f->out);
    fake_isa_out(&f->isa, MASTER_DATA, 0x08);
    g_assert_false(f->out);
    fake_isa_out(&f->isa, MASTER, SMM_ON);
    g_assert_true(f->out);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x26);
    /* A level that is masked is not ended by a non-specific EOI. */
    fake_isa_out(&f->isa, MASTER, EOI);
    g_assert_cmphex(rd(f, MASTER, READ_ISR), ==, 0x08);
    fake_isa_out(&f->isa, MASTER, EOI);
    g_assert_cmphex(rd(f, MASTER, READ_ISR), ==, 0x08);
    fake_isa_out(&f->isa, MASTER, SMM_OFF);
    fake_isa_out(&f->isa, MASTER, EOI);
    g_assert_cmphex(rd(f, MASTER, READ_ISR), ==, 0);
}

static void test_fully_nested(Fixture *f, gconstpointer data)
{
    for (int sfnm = 0; sfnm < 2; sfnm++) {
        init_pair(f, (uint8_t)(ICW4_8086 | (sfnm ? ICW4_SFNM : 0)));
        pulse(f, 12);
        g_assert_cmphex(i8259_ack(f->pair), ==, 0x2c);
        pulse(f, 9); /* higher, of the same slave */
        g_assert_cmpint(f->out, ==, sfnm);
        if (sfnm) {
            g_assert_cmphex(i8259_ack(f->pair), ==, 0x29);
        }
    }
}

static void test_mask(Fixture *f, gconstpointer data)
{
    fake_isa_out(&f->isa, MASTER_DATA, 0xff);
    pulse(f, 4);
    g_assert_false(f->out);
    g_assert_cmphex(rd(f, MASTER, READ_IRR), ==, 0x10);
    g_assert_cmphex(fake_isa_in(&f->isa, MASTER_DATA), ==, 0xff);
    fake_isa_out(&f->isa, MASTER_DATA, 0xef);
    g_assert_true(f->out);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x24);
}

static void test_spurious(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x27);
    g_assert_cmphex(rd(f, MASTER, READ_ISR), ==, 0);
    /* The slave takes its request back. */
    pulse(f, 10);
    g_assert_true(f->out);
    fake_isa_out(&f->isa, SLAVE_DATA, 0xff);
    g_assert_false(f->out);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x27);
    g_assert_cmphex(rd(f, MASTER, READ_ISR), ==, 0);
    fake_isa_out(&f->isa, SLAVE_DATA, 0);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x2a);
}

static void test_level(Fixture *f, gconstpointer data)
{
    fake_isa_out(&f->isa, 0x4d0, 0xff);
    fake_isa_out(&f->isa, 0x4d1, 0xff);
    g_assert_cmphex(fake_isa_in(&f->isa, 0x4d0), ==, 0xf8);
    g_assert_cmphex(fake_isa_in(&f->isa, 0x4d1), ==, 0xde);
    pulse(f, 11); /* gone before anybody looked */
    g_assert_false(f->out);
    i8259_set_irq(f->pair, 11, true);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x2b);
    g_assert_cmphex(rd(f, SLAVE, READ_IRR), ==, 0x08);
    g_assert_false(f->out);
    fake_isa_out(&f->isa, SLAVE, EOI);
    fake_isa_out(&f->isa, MASTER, EOI);
    g_assert_true(f->out); /* still asserted: again */
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x2b);
    i8259_set_irq(f->pair, 11, false);
    fake_isa_out(&f->isa, SLAVE, EOI);
    fake_isa_out(&f->isa, MASTER, EOI);
    g_assert_false(f->out);
}

static void test_poll(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(rd(f, MASTER, POLL), ==, 0);
    pulse(f, 13);
    pulse(f, 6);
    g_assert_cmphex(rd(f, MASTER, POLL), ==, 0x82);
    g_assert_cmphex(rd(f, SLAVE, POLL), ==, 0x85);
    g_assert_cmphex(rd(f, MASTER, READ_ISR), ==, 0x04);
    fake_isa_out(&f->isa, MASTER, EOI);
    g_assert_cmphex(rd(f, MASTER, POLL), ==, 0x86);
    fake_isa_out(&f->isa, SLAVE, EOI);
    fake_isa_out(&f->isa, MASTER, EOI);
    g_assert_cmphex(rd(f, MASTER, POLL), ==, 0);
}

/* A new initialization forgets edges, masks and what is in service. */
static void test_init(Fixture *f, gconstpointer data)
{
    fake_isa_out(&f->isa, MASTER_DATA, 0x40);
    pulse(f, 3);
    i8259_ack(f->pair);
    pulse(f, 6);
    fake_isa_out(&f->isa, MASTER, 0x13); /* single: no ICW3 */
    g_assert_cmphex(rd(f, MASTER, READ_ISR), ==, 0);
    g_assert_cmphex(rd(f, MASTER, READ_IRR), ==, 0);
    fake_isa_out(&f->isa, MASTER_DATA, 0x58);
    fake_isa_out(&f->isa, MASTER_DATA, ICW4_8086);
    fake_isa_out(&f->isa, MASTER_DATA, 0x0f);
    g_assert_cmphex(fake_isa_in(&f->isa, MASTER_DATA), ==, 0x0f);
    pulse(f, 4);
    g_assert_cmphex(i8259_ack(f->pair), ==, 0x5c);
}

static void test_cascade_not_a_line(Fixture *f, gconstpointer data)
{
    pulse(f, 2);
    pulse(f, 16);
    g_assert_false(f->out);
    g_assert_cmpuint(f->rises, ==, 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(Fixture *, gconstpointer);
    } tests[] = {
        { "/i8259/order", test_order },
        { "/i8259/nesting", test_nesting },
        { "/i8259/rotation", test_rotation },
        { "/i8259/rotate-on-eoi", test_rotate_on_eoi },
        { "/i8259/auto-eoi", test_auto_eoi },
        { "/i8259/special-mask", test_special_mask },
        { "/i8259/special-fully-nested", test_fully_nested },
        { "/i8259/mask", test_mask },
        { "/i8259/spurious", test_spurious },
        { "/i8259/level", test_level },
        { "/i8259/poll", test_poll },
        { "/i8259/init", test_init },
        { "/i8259/cascade-not-a-line", test_cascade_not_a_line },
    };

    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    hw_register_types();
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].func,
                   tear_down);
    }
    return g_test_run();
}
