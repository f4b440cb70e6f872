/*
 * The I/O APIC: its registers, and what its pins send to local APICs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/types.h"
#include "util/main-loop.h"

#include "fake-apic.h"

static void ioapic_send(void *opaque, uint64_t addr, uint32_t data)
{
    Fixture *f = opaque;

    g_assert_true(apic_bus_msi(f->bus, addr, data));
}

static const IOAPICOps ioapic_ops = { .send = ioapic_send };

static void set_up_ioapic(Fixture *f, gconstpointer data)
{
    set_up(f, data);
    f->space = io_space_new("addresses", UINT64_MAX);
    f->ioapic = ioapic_new(f->space, &ioapic_ops, f, &error_abort);
}

static void tear_down_ioapic(Fixture *f, gconstpointer data)
{
    qdev_unrealize(DEVICE(f->ioapic));
    object_unref(OBJECT(f->ioapic));
    io_space_free(f->space);
    tear_down(f, data);
}

static uint32_t io_rd(Fixture *f, unsigned index)
{
    io_space_write(f->space, IOAPIC_ADDRESS, index, 4);
    return (uint32_t)io_space_read(f->space, IOAPIC_ADDRESS + 0x10, 4);
}

static void io_wr(Fixture *f, unsigned index, uint32_t value)
{
    io_space_write(f->space, IOAPIC_ADDRESS, index, 4);
    io_space_write(f->space, IOAPIC_ADDRESS + 0x10, value, 4);
}

static void entry(Fixture *f, unsigned pin, uint32_t low, uint32_t dest)
{
    io_wr(f, 0x11 + 2 * pin, dest << 24);
    io_wr(f, 0x10 + 2 * pin, low);
}

static void test_ioapic_registers(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(io_rd(f, 1), ==, 0x00170020);
    io_wr(f, 0, 0xffffffff);
    g_assert_cmphex(io_rd(f, 0), ==, 0x0f000000);
    g_assert_cmphex(io_rd(f, 0x10), ==, 0x10000);
    io_wr(f, 0x10, 0xffffffff);
    io_wr(f, 0x11, 0xffffffff);
    g_assert_cmphex(io_rd(f, 0x10), ==, 0x1afff); /* two bits cannot be set */
    g_assert_cmphex(io_rd(f, 0x11), ==, 0xff000000);
    g_assert_cmphex(io_rd(f, 0x40), ==, 0);
    g_assert_cmphex(io_rd(f, 0xff), ==, 0);
    io_wr(f, 0x40, 0xffffffff);
}

static void test_ioapic_edge(Fixture *f, gconstpointer data)
{
    entry(f, 4, 0x41, 1);
    ioapic_set_irq(f->ioapic, 4, true);
    g_assert_cmphex(who_has(f, 0x41), ==, 2);
    ioapic_set_irq(f->ioapic, 4, true); /* no edge */
    g_assert_cmphex(who_has(f, 0x41), ==, 0);
    ioapic_set_irq(f->ioapic, 4, false);
    entry(f, 4, 0x41 | MASKED, 1);
    ioapic_set_irq(f->ioapic, 4, true); /* lost */
    entry(f, 4, 0x41, 1);
    g_assert_cmphex(who_has(f, 0x41), ==, 0);
    g_assert_cmpuint(f->n_eoi, ==, 0);
}

static void test_ioapic_level(Fixture *f, gconstpointer data)
{
    entry(f, 11, 0x8051 | 0x2000, 0);
    ioapic_set_irq(f->ioapic, 11, true);
    g_assert_cmphex(io_rd(f, 0x26) & 0x4000, ==, 0x4000);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x51);
    ioapic_set_irq(f->ioapic, 11, false);
    ioapic_set_irq(f->ioapic, 11, true); /* not before the end */
    g_assert_cmpint(apic_ack(f->apic[0]), ==, -1);
    wr(f, 0, EOI, 0); /* asserted: again */
    g_assert_cmphex(f->eoi[0], ==, 0x51);
    g_assert_cmpint(f->cpu[0].intr, ==, 1);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x51);
    ioapic_set_irq(f->ioapic, 11, false);
    wr(f, 0, EOI, 0);
    g_assert_cmpint(f->cpu[0].intr, ==, 0);
    g_assert_cmphex(io_rd(f, 0x26) & 0x4000, ==, 0);
    /* Asserted while it is masked: sent when that ends. */
    entry(f, 11, 0x8051 | MASKED, 0);
    ioapic_set_irq(f->ioapic, 11, true);
    g_assert_cmpint(f->cpu[0].intr, ==, 0);
    entry(f, 11, 0x8051, 0);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x51);
    /* The EOI register, and the change to edge and back. */
    io_space_write(f->space, IOAPIC_ADDRESS + 0x40, 0x51, 4);
    wr(f, 0, EOI, 0);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x51);
    entry(f, 11, 0x51 | MASKED, 0);
    g_assert_cmphex(io_rd(f, 0x26) & 0x4000, ==, 0);
    wr(f, 0, EOI, 0);
}

static void test_ioapic_modes(Fixture *f, gconstpointer data)
{
    f->pic_vector = 0x33;
    entry(f, 0, 0x700, 2); /* ExtINT */
    ioapic_set_irq(f->ioapic, 0, true);
    g_assert_cmpint(f->cpu[2].intr, ==, 1);
    g_assert_cmpint(apic_ack(f->apic[2]), ==, 0x33);
    g_assert_cmpint(f->cpu[2].intr, ==, 0);
    entry(f, 1, 0x400, 3);
    ioapic_set_irq(f->ioapic, 1, true);
    g_assert_cmpuint(f->cpu[3].signals[ACCEL_SIGNAL_NMI], ==, 1);
    for (unsigned i = 0; i < CPUS; i++) {
        wr(f, i, LDR, 0x01000000u << i);
    }
    entry(f, 2, 0x800 | 0x60, 0x0c);
    ioapic_set_irq(f->ioapic, 2, true);
    g_assert_cmphex(who_has(f, 0x60), ==, 12);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(Fixture *, gconstpointer);
    } tests[] = {
        { "/ioapic/registers", test_ioapic_registers },
        { "/ioapic/edge", test_ioapic_edge },
        { "/ioapic/level", test_ioapic_level },
        { "/ioapic/modes", test_ioapic_modes },
    };

    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    hw_register_types();
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, NULL, set_up_ioapic, tests[i].func,
                   tear_down_ioapic);
    }
    return g_test_run();
}
