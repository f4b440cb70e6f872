/*
 * ISA devices by their ports: parallel port, debug console, reset ports, and
 * where several serial ports go.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/machine-lock.h"
#include "hw/types.h"

#include "fake-chardev.h"
#include "fake-isa.h"

typedef struct Fixture {
    FakeISA isa;
    FakeChardev *chr;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    fake_isa_init(&f->isa);
    f->chr = fake_chardev_new("c0");
    machine_lock();
}

static void tear_down(Fixture *f, gconstpointer data)
{
    BusState *bus = BUS(f->isa.bus);

    while (bus->children->len) {
        DeviceState *dev = bus->children->pdata[0];
        qdev_unrealize(dev);
        object_unref(OBJECT(dev));
    }
    machine_unlock();
    fake_isa_deinit(&f->isa);
    g_assert_true(qemu_chr_remove("c0", &error_abort));
}

static bool plug(Fixture *f, const char *type, const char *prop,
                 const char *value, Error **errp)
{
    DeviceState *dev = qdev_new(type);

    if (prop) {
        g_assert_true(
            object_property_parse(OBJECT(dev), prop, value, &error_abort));
    }
    if (!qdev_realize(dev, BUS(f->isa.bus), errp)) {
        object_unref(OBJECT(dev));
        return false;
    }
    device_cold_reset(dev);
    return true;
}

static void print(Fixture *f, char c)
{
    fake_isa_out(&f->isa, 0x378, (uint8_t)c);
    fake_isa_out(&f->isa, 0x37a, 0x0d);
    fake_isa_out(&f->isa, 0x37a, 0x0c);
}

static void test_parallel(Fixture *f, gconstpointer data)
{
    plug(f, "isa-parallel", "chardev", "c0", &error_abort);
    g_assert_cmphex(fake_isa_in(&f->isa, 0x379), ==, 0xdf);
    g_assert_cmphex(fake_isa_in(&f->isa, 0x37a), ==, 0xcc);
    print(f, 'a');
    g_assert_cmphex(fake_isa_in(&f->isa, 0x379), ==, 0x9f); /* ACK, once */
    g_assert_cmphex(fake_isa_in(&f->isa, 0x379), ==, 0xdf);
    g_assert_cmpuint(f->isa.edges[7], ==, 0);
    fake_isa_out(&f->isa, 0x37a, 0x1c);
    fake_isa_out(&f->isa, 0x378, 'b');
    fake_isa_out(&f->isa, 0x37a, 0x1d);
    g_assert_cmpuint(f->isa.edges[7], ==, 1);
    g_assert_cmpmem(f->chr->out->data, f->chr->out->len, "ab", 2);
}

static void test_parallel_busy(Fixture *f, gconstpointer data)
{
    plug(f, "isa-parallel", "chardev", "c0", &error_abort);
    f->chr->room = 0;
    print(f, 'x');
    g_assert_cmphex(fake_isa_in(&f->isa, 0x379) & 0x80, ==, 0);
    print(f, 'y'); /* a printer that is busy takes nothing */
    f->chr->room = -1;
    machine_unlock();
    fake_chardev_run();
    machine_lock();
    g_assert_cmphex(fake_isa_in(&f->isa, 0x379) & 0x80, ==, 0x80);
    g_assert_cmpmem(f->chr->out->data, f->chr->out->len, "x", 1);
}

static void test_debugcon(Fixture *f, gconstpointer data)
{
    plug(f, "isa-debugcon", "chardev", "c0", &error_abort);
    g_assert_cmphex(fake_isa_in(&f->isa, 0xe9), ==, 0xe9);
    for (const char *p = "debug"; *p; p++) {
        fake_isa_out(&f->isa, 0xe9, (uint8_t)*p);
    }
    g_assert_cmpmem(f->chr->out->data, f->chr->out->len, "debug", 5);
}

static void test_needs_chardev(Fixture *f, gconstpointer data)
{
    Error *err = NULL;

    g_assert_false(plug(f, "isa-debugcon", NULL, NULL, &err));
    error_free_or_abort(&err);
    g_assert_false(plug(f, "isa-parallel", NULL, NULL, &err));
    error_free_or_abort(&err);
    /* A chardev has one front end. */
    plug(f, "isa-debugcon", "chardev", "c0", &error_abort);
    DeviceState *dev = qdev_new("isa-serial");
    g_assert_false(object_property_parse(OBJECT(dev), "chardev", "c0", &err));
    error_free_or_abort(&err);
    g_assert_false(
        object_property_parse(OBJECT(dev), "chardev", "nosuch", &err));
    error_free_or_abort(&err);
    object_unref(OBJECT(dev));
}

static void test_serial_places(Fixture *f, gconstpointer data)
{
    static const uint16_t base[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    Error *err = NULL;

    plug(f, "isa-serial", "index", "1", &error_abort);
    g_assert_cmphex(fake_isa_in(&f->isa, 0x3f8 + 5), ==, 0xff);
    for (int i = 0; i < 3; i++) {
        plug(f, "isa-serial", NULL, NULL, &error_abort);
    }
    for (int i = 0; i < 4; i++) {
        g_assert_cmphex(fake_isa_in(&f->isa, base[i] + 5u), ==, 0x60);
    }
    fake_isa_out(&f->isa, 0x2f8 + 1, 2);
    g_assert_cmpint(f->isa.level[3], ==, 1);
    g_assert_cmpint(f->isa.level[4], ==, 0);
    g_assert_false(plug(f, "isa-serial", NULL, NULL, &err)); /* no fifth */
    error_free_or_abort(&err);
    g_assert_false(plug(f, "isa-serial", "index", "4", &err));
    error_free_or_abort(&err);
    g_assert_false(plug(f, "isa-serial", "iobase", "0x3fc", &err));
    error_free_or_abort(&err);
    g_assert_cmpuint(BUS(f->isa.bus)->children->len, ==, 4);
}

static void test_port92(Fixture *f, gconstpointer data)
{
    plug(f, "port92", NULL, NULL, &error_abort);
    g_assert_cmphex(fake_isa_in(&f->isa, 0x92), ==, 0x02); /* A20 is on */
    fake_isa_out(&f->isa, 0x92, 0x00);
    g_assert_cmphex(fake_isa_in(&f->isa, 0x92), ==, 0x02);
}

#define ADD(name, func)                                                        \
    g_test_add("/isa/" name, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    hw_register_types();
    fake_chardev_register();
    ADD("parallel", test_parallel);
    ADD("parallel-busy", test_parallel_busy);
    ADD("debugcon", test_debugcon);
    ADD("needs-chardev", test_needs_chardev);
    ADD("serial-places", test_serial_places);
    ADD("port92", test_port92);
    return g_test_run();
}
