/*
 * The high precision event timer and the ACPI power management timer, against
 * a clock that the test sets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/machine-lock.h"
#include "hw/timer/acpi-pm-timer.h"
#include "hw/timer/hpet.h"
#include "hw/types.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "virtual-time.h"

#define CONFIG   0x010
#define STATUS   0x020
#define COUNTER  0x0f0
#define T_CFG(n) (0x100 + 0x20 * (n))
#define T_CMP(n) (0x108 + 0x20 * (n))
#define T_MSG(n) (0x110 + 0x20 * (n))

#define T_LEVEL    0x0002
#define T_ENABLE   0x0004
#define T_PERIODIC 0x0008
#define T_SET      0x0040
#define T_32BIT    0x0100
#define T_ROUTE(n) ((n) << 9)
#define T_MSI      0x4000

#define TICK 10 /* ns */

typedef struct Fixture {
    IOSpace *space;
    DeviceState *dev;
    bool replaced;
    int level[32];
    unsigned edges[32];
    uint64_t msi_addr;
    uint32_t msi_data;
} Fixture;

static void fake_line(void *opaque, unsigned gsi, bool level)
{
    Fixture *f = opaque;

    f->edges[gsi] += level && !f->level[gsi];
    f->level[gsi] = level;
}

static void fake_replace(void *opaque, bool on)
{
    ((Fixture *)opaque)->replaced = on;
}

static void fake_msi(void *opaque, uint64_t addr, uint32_t data)
{
    Fixture *f = opaque;

    f->msi_addr = addr;
    f->msi_data = data;
}

static const HPETOps fake_ops = { fake_line, fake_replace, fake_msi };

static void set_up(Fixture *f, gconstpointer data)
{
    f->space = io_space_new("addresses", UINT64_MAX);
    machine_lock();
    f->dev = hpet_new(f->space, &fake_ops, f);
    object_property_parse(OBJECT(f->dev), "msi", "on", &error_abort);
    object_property_parse(OBJECT(f->dev), "hpet-intcap", "0x00c00004",
                          &error_abort);
    g_assert_true(qdev_realize(f->dev, NULL, &error_abort));
}

static void tear_down(Fixture *f, gconstpointer data)
{
    qdev_unrealize(f->dev);
    machine_unlock();
    object_unref(OBJECT(f->dev));
    io_space_free(f->space);
}

static uint64_t rd(Fixture *f, unsigned offset)
{
    return io_space_read(f->space, HPET_ADDRESS + offset, 8);
}

static uint32_t rd32(Fixture *f, unsigned offset)
{
    return (uint32_t)io_space_read(f->space, HPET_ADDRESS + offset, 4);
}

static void wr(Fixture *f, unsigned offset, uint64_t value)
{
    io_space_write(f->space, HPET_ADDRESS + offset, value, 8);
}

static void wr32(Fixture *f, unsigned offset, uint32_t value)
{
    io_space_write(f->space, HPET_ADDRESS + offset, value, 4);
}

static void test_registers(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(rd(f, 0), ==, 0x009896808086a201);
    g_assert_cmphex(rd32(f, 4), ==, 10000000);
    g_assert_cmphex(rd(f, T_CFG(0)), ==, 0x00c0000400008030);
    g_assert_cmphex(rd(f, T_CMP(2)), ==, UINT64_MAX);
    g_assert_cmphex(rd(f, T_CFG(3)), ==, 0); /* there are three */
    wr(f, T_CFG(3), UINT64_MAX);
    wr(f, T_CFG(0), UINT64_MAX & ~(uint64_t)T_ROUTE(31));
    g_assert_cmphex(rd32(f, T_CFG(0)), ==, 0xc17e);
    wr(f, T_CFG(0), T_ROUTE(23));
    g_assert_cmphex(rd32(f, T_CFG(0)), ==, 0x8030 | T_ROUTE(23));
    wr(f, T_CFG(0), T_ROUTE(5)); /* not one of its lines */
    g_assert_cmphex(rd32(f, T_CFG(0)), ==, 0x8030 | T_ROUTE(23));
    io_space_write(f->space, HPET_ADDRESS + CONFIG, 1, 1); /* too narrow */
    g_assert_cmphex(rd(f, CONFIG), ==, 0);
    wr32(f, T_MSG(1) + 4, 0xfee00000);
    wr32(f, T_MSG(1), 0x41);
    g_assert_cmphex(rd(f, T_MSG(1)), ==, 0xfee0000000000041);
}

static void test_counter(Fixture *f, gconstpointer data)
{
    virtual_time_step(1000);
    g_assert_cmpuint(rd(f, COUNTER), ==, 0);
    wr(f, CONFIG, 1);
    virtual_time_step(12345);
    g_assert_cmpuint(rd(f, COUNTER), ==, 1234);
    wr(f, COUNTER, 5); /* not while it runs */
    g_assert_cmpuint(rd(f, COUNTER), ==, 1234);
    wr(f, CONFIG, 0);
    virtual_time_step(1000);
    g_assert_cmpuint(rd(f, COUNTER), ==, 1234);
    wr32(f, COUNTER, 0xfffffff0);
    wr32(f, COUNTER + 4, 7);
    wr(f, CONFIG, 1);
    virtual_time_step(0x20 * TICK);
    g_assert_cmphex(rd(f, COUNTER), ==, 0x800000010);
    g_assert_cmphex(rd32(f, COUNTER), ==, 0x10);
    g_assert_cmphex(rd32(f, COUNTER + 4), ==, 8);
}

static void test_one_shot(Fixture *f, gconstpointer data)
{
    wr(f, T_CFG(0), T_ENABLE | T_ROUTE(22));
    wr(f, T_CMP(0), 1000);
    virtual_time_step(100000);
    g_assert_cmpuint(f->edges[22], ==, 0); /* the counter stands */
    wr(f, CONFIG, 1);
    virtual_time_step(999 * TICK);
    g_assert_cmpuint(f->edges[22], ==, 0);
    virtual_time_step(TICK);
    g_assert_cmpuint(f->edges[22], ==, 1);
    virtual_time_step(TEST_S);
    g_assert_cmpuint(f->edges[22], ==, 1);
    wr(f, T_CMP(0), rd(f, COUNTER) - 5); /* just missed */
    virtual_time_step(0);
    g_assert_cmpuint(f->edges[22], ==, 2);
    wr(f, T_CMP(0), rd(f, COUNTER) + 100);
    wr(f, CONFIG, 0);
    virtual_time_step(TEST_S);
    g_assert_cmpuint(f->edges[22], ==, 2);
}

static void test_periodic(Fixture *f, gconstpointer data)
{
    bool is_32bit = GPOINTER_TO_UINT(data);

    wr(f, T_CFG(1),
       T_ENABLE | T_ROUTE(23) | T_PERIODIC | T_SET | (is_32bit ? T_32BIT : 0));
    if (is_32bit) { /* as Linux does */
        wr(f, COUNTER, 0xffff0000);
        wr32(f, T_CMP(1), 0xffff0000 + 50000);
        wr32(f, T_CMP(1), 100000);
    } else {
        wr(f, T_CMP(1), 50000);
        wr(f, T_CMP(1), 100000);
    }
    wr(f, CONFIG, 1);
    virtual_time_step(49999 * TICK);
    g_assert_cmpuint(f->edges[23], ==, 0);
    virtual_time_step(TICK);
    g_assert_cmpuint(f->edges[23], ==, 1);
    virtual_time_step(100000 * 9 * TICK);
    g_assert_cmpuint(f->edges[23], ==, 10);
    g_assert_cmpuint(rd32(f, T_CMP(1)) - rd32(f, COUNTER), <=, 100000);
    virtual_time_jump(100000ll * TICK * 7 + 500);
    virtual_time_fire();
    g_assert_cmpuint(f->edges[23], ==, 11); /* seven were lost */
    virtual_time_fire();
    g_assert_cmpuint(f->edges[23], ==, 11);
    virtual_time_step(100000 * TICK);
    g_assert_cmpuint(f->edges[23], ==, 12);
}

static void test_busy_period(Fixture *f, gconstpointer data)
{
    wr(f, T_CFG(0), T_ENABLE | T_ROUTE(22) | T_PERIODIC | T_SET);
    wr(f, T_CMP(0), 1);
    wr(f, CONFIG, 1);
    virtual_time_step(TEST_MS);
    g_assert_cmpuint(f->edges[22], >=, 10);
    g_assert_cmpuint(f->edges[22], <=, 25); /* of 100000 */
    wr(f, T_CMP(0), 0);
    virtual_time_step(TEST_MS);
}

static void test_level(Fixture *f, gconstpointer data)
{
    wr(f, T_CFG(0), T_ENABLE | T_LEVEL | T_ROUTE(22));
    wr(f, T_CMP(0), 100);
    wr(f, CONFIG, 1);
    virtual_time_step(100 * TICK);
    g_assert_cmpint(f->level[22], ==, 1);
    g_assert_cmphex(rd(f, STATUS), ==, 1);
    wr(f, T_CFG(0), T_ENABLE | T_LEVEL | T_ROUTE(23)); /* the line moves */
    g_assert_cmpint(f->level[22], ==, 0);
    g_assert_cmpint(f->level[23], ==, 1);
    wr(f, T_CFG(0), T_LEVEL | T_ROUTE(23));
    g_assert_cmpint(f->level[23], ==, 0);
    wr(f, T_CFG(0), T_ENABLE | T_LEVEL | T_ROUTE(23));
    g_assert_cmpint(f->level[23], ==, 1);
    wr32(f, STATUS + 4, 0xffffffff);
    wr(f, STATUS, 2);
    g_assert_cmpint(f->level[23], ==, 1);
    wr32(f, STATUS, 1);
    g_assert_cmpint(f->level[23], ==, 0);
    g_assert_cmphex(rd(f, STATUS), ==, 0);
}

static void test_legacy(Fixture *f, gconstpointer data)
{
    wr(f, T_CFG(0), T_ENABLE | T_ROUTE(22));
    wr(f, T_CFG(1), T_ENABLE | T_ROUTE(22));
    wr(f, T_CFG(2), T_ENABLE | T_ROUTE(22));
    for (unsigned i = 0; i < 3; i++) {
        wr(f, T_CMP(i), 100 * (i + 1));
    }
    wr(f, CONFIG, 3);
    g_assert_true(f->replaced);
    virtual_time_step(1000 * TICK);
    g_assert_cmpuint(f->edges[0], ==, 1);
    g_assert_cmpuint(f->edges[8], ==, 1);
    g_assert_cmpuint(f->edges[22], ==, 1);
    device_cold_reset(f->dev);
    g_assert_false(f->replaced);
    g_assert_cmphex(rd(f, CONFIG), ==, 0);
    g_assert_cmpuint(rd(f, COUNTER), ==, 0);
}

static void test_msi(Fixture *f, gconstpointer data)
{
    wr(f, T_CFG(2), T_ENABLE | T_MSI);
    wr(f, T_MSG(2), 0xfee0100000000055);
    wr(f, T_CMP(2), 10);
    wr(f, CONFIG, 1);
    virtual_time_step(100 * TICK);
    g_assert_cmphex(f->msi_addr, ==, 0xfee01000);
    g_assert_cmphex(f->msi_data, ==, 0x55);
}

/* -- power management timer ----------------------------------------------------- */

#define PM_TICKS(n) ((int64_t)((n)*1000000000.0 / ACPI_PM_TIMER_HZ) + 1)

static void pm_changed(void *opaque)
{
    ++*(unsigned *)opaque;
}

static void test_pm_timer(void)
{
    unsigned changed = 0;
    ACPIPMTimer t;
    uint32_t before;

    acpi_pm_timer_init(&t, pm_changed, &changed);
    before = acpi_pm_timer_read(&t);
    virtual_time_step(PM_TICKS(1000));
    g_assert_cmpuint((acpi_pm_timer_read(&t) - before) & 0xffffff, ==, 1000);
    /* To just before the most significant bit changes. */
    before = acpi_pm_timer_read(&t) & 0x7fffff;
    virtual_time_step(PM_TICKS(0x800000 - before) - PM_TICKS(100));
    acpi_pm_timer_clear(&t);
    acpi_pm_timer_enable(&t, true);
    g_assert_false(acpi_pm_timer_status(&t));
    g_assert_cmpuint(changed, ==, 0);
    virtual_time_step(PM_TICKS(200));
    g_assert_true(acpi_pm_timer_status(&t));
    g_assert_cmpuint(changed, ==, 1);
    virtual_time_step(10 * TEST_S); /* not again before it is cleared */
    g_assert_cmpuint(changed, ==, 1);
    acpi_pm_timer_clear(&t);
    g_assert_false(acpi_pm_timer_status(&t));
    virtual_time_step(3 * TEST_S);
    g_assert_cmpuint(changed, ==, 2);
    acpi_pm_timer_clear(&t);
    acpi_pm_timer_enable(&t, false);
    virtual_time_step(3 * TEST_S);
    g_assert_true(acpi_pm_timer_status(&t));
    g_assert_cmpuint(changed, ==, 2);
    acpi_pm_timer_reset(&t);
    g_assert_false(acpi_pm_timer_status(&t));
    acpi_pm_timer_deinit(&t);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(Fixture *, gconstpointer);
        unsigned data;
    } tests[] = {
        { "/hpet/registers", test_registers, 0 },
        { "/hpet/counter", test_counter, 0 },
        { "/hpet/one-shot", test_one_shot, 0 },
        { "/hpet/periodic", test_periodic, 0 },
        { "/hpet/periodic-32bit", test_periodic, 1 },
        { "/hpet/busy-period", test_busy_period, 0 },
        { "/hpet/level", test_level, 0 },
        { "/hpet/legacy", test_legacy, 0 },
        { "/hpet/msi", test_msi, 0 },
    };

    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    hw_register_types();
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, GUINT_TO_POINTER(tests[i].data),
                   set_up, tests[i].func, tear_down);
    }
    g_test_add_func("/pm-timer", test_pm_timer);
    return g_test_run();
}
