/*
 * Local APICs: destinations, priorities, timers, registers, messages, and
 * threads that send to each other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/types.h"
#include "util/main-loop.h"
#include "util/thread.h"

#include "fake-apic.h"
#include "virtual-time.h"

/* -- the CPU's own ------------------------------------------------------------- */

static void test_reset(Fixture *f, gconstpointer data)
{
    uint64_t base;

    device_cold_reset(DEVICE(f->apic[0]));
    device_cold_reset(DEVICE(f->apic[1]));
    g_assert_cmphex(rd(f, 0, VERSION), ==, 0x50014);
    g_assert_cmphex(rd(f, 1, ID), ==, 0x01000000);
    g_assert_cmphex(rd(f, 0, SVR), ==, 0xff);
    g_assert_cmphex(rd(f, 0, DFR), ==, 0xffffffff);
    g_assert_cmphex(rd(f, 0, LVT0), ==, 0x700); /* virtual wire */
    g_assert_cmphex(rd(f, 1, LVT0), ==, MASKED);
    g_assert_cmphex(rd(f, 0, LVTT), ==, MASKED);
    g_assert_true(apic_msr_read(f->apic[0], APIC_MSR_BASE, &base));
    g_assert_cmphex(base, ==, 0xfee00900);
    g_assert_true(apic_msr_read(f->apic[1], APIC_MSR_BASE, &base));
    g_assert_cmphex(base, ==, 0xfee00800);
    ipi(f, 0, 0x50, 1); /* software has not enabled it */
    g_assert_cmphex(who_has(f, 0x50), ==, 0);
}

static void test_priority(Fixture *f, gconstpointer data)
{
    ipi(f, 1, 0x31, 0);
    ipi(f, 1, 0x55, 0);
    ipi(f, 1, 0x52, 0);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x55);
    g_assert_cmphex(rd(f, 0, PPR), ==, 0x50);
    g_assert_cmpint(f->cpu[0].intr, ==, 0); /* 52h is of the same class */
    g_assert_cmpint(apic_ack(f->apic[0]), ==, -1);
    ipi(f, 1, 0x61, 0);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x61);
    wr(f, 0, EOI, 0);
    g_assert_cmphex(rd(f, 0, ISR + 0x20), ==, 1u << 0x15);
    wr(f, 0, EOI, 0);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x52);
    wr(f, 0, EOI, 0);
    /* TPR holds back its own class and those below. */
    wr(f, 0, TPR, 0x3f);
    g_assert_cmphex(rd(f, 0, PPR), ==, 0x3f);
    g_assert_cmpint(f->cpu[0].intr, ==, 0);
    apic_set_tpr(f->apic[0], 2);
    g_assert_cmpint(f->cpu[0].intr, ==, 1);
    g_assert_cmpuint(apic_get_tpr(f->apic[0]), ==, 2);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x31);
    wr(f, 0, EOI, 0);
    wr(f, 0, EOI, 0);                  /* one too many */
    g_assert_cmpuint(f->n_eoi, ==, 0); /* none was level-triggered */
}

static void test_destinations(Fixture *f, gconstpointer data)
{
    static const struct {
        uint32_t command, dest;
        unsigned expect;
    } cases[] = {
        { 0x40, 2, 4 },
        { 0x40, 0xff, 15 },
        { 0x40, 9, 0 },
        { TO_SELF | 0x40, 3, 2 },
        { TO_ALL | 0x40, 3, 15 },
        { TO_OTHERS | 0x40, 3, 13 },
        { ICR_LOGICAL | 0x40, 5, 5 },
        { ICR_LOGICAL | 0x40, 0x10, 0 },
        { ICR_LOGICAL | 0x40, 0xff, 15 },
    };
    /* Cluster 3 has CPU 0 and 1, cluster 5 CPU 2 and 3. */
    static const uint8_t clusters[CPUS] = { 0x31, 0x32, 0x51, 0x58 };
    static const struct {
        uint32_t dest;
        unsigned expect;
    } cluster_cases[] = {
        { 0x33, 3 }, { 0x32, 2 }, { 0x5f, 12 }, { 0x58, 8 },
        { 0x4f, 0 }, { 0x34, 0 }, { 0xff, 15 },
    };

    for (unsigned i = 0; i < CPUS; i++) {
        wr(f, i, LDR, 0x01000000u << i);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        ipi(f, 1, cases[i].command, cases[i].dest);
        g_assert_cmphex(who_has(f, 0x40), ==, cases[i].expect);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        wr(f, i, DFR, 0x0fffffff);
        wr(f, i, LDR, (uint32_t)clusters[i] << 24);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cluster_cases); i++) {
        ipi(f, 1, ICR_LOGICAL | 0x40, cluster_cases[i].dest);
        g_assert_cmphex(who_has(f, 0x40), ==, cluster_cases[i].expect);
    }
}

static void test_lowest_priority(Fixture *f, gconstpointer data)
{
    unsigned seen = 0;

    for (unsigned i = 0; i < CPUS; i++) {
        wr(f, i, LDR, 0x01000000u << i);
        wr(f, i, TPR, i == 2 ? 0x10 : 0x80);
    }
    ipi(f, 0, ICR_LOGICAL | ICR_LOWEST | 0x90, 0x0f);
    g_assert_cmphex(who_has(f, 0x90), ==, 4);
    ipi(f, 0, ICR_LOGICAL | ICR_LOWEST | 0x90, 0x0b);
    g_assert_cmphex(__builtin_popcount(who_has(f, 0x90)), ==, 1);
    for (unsigned i = 0; i < CPUS; i++) {
        wr(f, i, TPR, 0);
    }
    for (unsigned i = 0; i < 16; i++) { /* equals take turns */
        ipi(f, 0, ICR_LOGICAL | ICR_LOWEST | 0x90, 0x0f);
        seen |= who_has(f, 0x90);
    }
    g_assert_cmphex(seen, ==, 15);
    wr(f, 2, SVR, 0xff); /* one that is off is not chosen */
    wr(f, 0, TPR, 0x80);
    wr(f, 1, TPR, 0x80);
    ipi(f, 0, ICR_LOGICAL | ICR_LOWEST | 0x90, 0x07);
    g_assert_cmphex(who_has(f, 0x90) & 4, ==, 0);
}

static void test_signals(Fixture *f, gconstpointer data)
{
    ipi(f, 0, ICR_NMI, 1);
    g_assert_cmpuint(f->cpu[1].signals[ACCEL_SIGNAL_NMI], ==, 1);
    ipi(f, 0, ICR_INIT | TO_OTHERS, 0);
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_cmpuint(f->cpu[i].signals[ACCEL_SIGNAL_INIT], ==, i != 0);
    }
    ipi(f, 0, 0x8500, 1); /* INIT level de-assert */
    g_assert_cmpuint(f->cpu[1].signals[ACCEL_SIGNAL_INIT], ==, 1);
    ipi(f, 0, ICR_SIPI | 0x9a, 3);
    g_assert_cmpuint(f->cpu[3].signals[ACCEL_SIGNAL_SIPI], ==, 1);
    g_assert_cmphex(f->cpu[3].sipi_vector, ==, 0x9a);
    wr(f, 1, LVT1, ICR_NMI);
    wr(f, 2, LVT1, ICR_NMI | MASKED);
    apic_bus_nmi(f->bus);
    g_assert_cmpuint(f->cpu[1].signals[ACCEL_SIGNAL_NMI], ==, 2);
    g_assert_cmpuint(f->cpu[2].signals[ACCEL_SIGNAL_NMI], ==, 0);
}

static void test_init(Fixture *f, gconstpointer data)
{
    uint64_t base;

    wr(f, 1, LVTT, 0x40 | PERIODIC);
    wr(f, 1, INITIAL, 100000);
    ipi(f, 0, 0x40, 1);
    apic_init_signal(f->apic[1]);
    g_assert_cmpint(f->cpu[1].intr, ==, 0);
    g_assert_cmphex(rd(f, 1, SVR), ==, 0xff);
    g_assert_cmphex(rd(f, 1, LVTT), ==, MASKED);
    g_assert_cmphex(rd(f, 1, INITIAL), ==, 0);
    g_assert_cmphex(rd(f, 1, ID), ==, 0x01000000);
    g_assert_true(apic_msr_read(f->apic[1], APIC_MSR_BASE, &base));
    g_assert_cmphex(base, ==, 0xfee00800);
}

static void test_pic(Fixture *f, gconstpointer data)
{
    f->pic_vector = 0x08;
    wr(f, 0, LVT0, 0x700 | MASKED);
    apic_bus_pic_level(f->bus, true);
    g_assert_cmpint(f->cpu[0].intr, ==, 0);
    wr(f, 0, LVT0, 0x700);
    g_assert_cmpint(f->cpu[0].intr, ==, 1);
    g_assert_cmpint(f->cpu[1].intr, ==, 0);
    ipi(f, 1, 0x30, 0);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x30);
    g_assert_cmpint(f->cpu[0].intr, ==, 1);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x08);
    g_assert_cmpint(f->cpu[0].intr, ==, 0);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, -1);
    wr(f, 0, EOI, 0);
    apic_bus_pic_level(f->bus, true);
    wr(f, 0, LVT0, 0x700 | MASKED);
    g_assert_cmpint(f->cpu[0].intr, ==, 0);
    /* Without a local APIC its INT is the CPU's INTR. */
    g_assert_true(apic_msr_write(f->apic[1], APIC_MSR_BASE, 0xfee00000));
    g_assert_cmpint(f->cpu[1].intr, ==, 1);
    g_assert_cmpint(apic_ack(f->apic[1]), ==, 0x08);
    apic_bus_pic_level(f->bus, false);
    /* LINT0 as an interrupt of its own, by edge and by level. */
    wr(f, 2, LVT0, 0x44);
    apic_bus_pic_level(f->bus, true);
    g_assert_cmphex(who_has(f, 0x44), ==, 4);
    g_assert_cmpuint(f->n_eoi, ==, 0);
    wr(f, 2, LVT0, 0x8045);
    g_assert_cmphex(rd(f, 2, LVT0), ==, 0xc045);
    g_assert_cmpint(apic_ack(f->apic[2]), ==, 0x45);
    wr(f, 2, EOI, 0);
    g_assert_cmpint(f->cpu[2].intr, ==, 1); /* the line is still high */
    apic_bus_pic_level(f->bus, false);
    g_assert_cmpint(apic_ack(f->apic[2]), ==, 0x45);
    wr(f, 2, EOI, 0);
    g_assert_cmpint(f->cpu[2].intr, ==, 0);
}

static void test_errors(Fixture *f, gconstpointer data)
{
    wr(f, 0, LVTERR, 0x77);
    ipi(f, 0, 0x05, 1);
    g_assert_cmphex(rd(f, 0, ESR), ==, 0);
    wr(f, 0, ESR, 0);
    g_assert_cmphex(rd(f, 0, ESR), ==, 0x20);
    g_assert_cmphex(who_has(f, 0x77), ==, 1);
    wr(f, 0, ESR, 0);
    g_assert_cmphex(rd(f, 0, ESR), ==, 0);
    rd(f, 0, 0x000);
    wr(f, 0, ESR, 0);
    g_assert_cmphex(rd(f, 0, ESR), ==, 0x80);
    g_assert_true(apic_bus_msi(f->bus, 0xfee01000, 0x0f));
    wr(f, 1, ESR, 0);
    g_assert_cmphex(rd(f, 1, ESR), ==, 0x40);
}

static void test_odd_accesses(Fixture *f, gconstpointer data)
{
    uint8_t buf[8];

    apic_mmio_read(f->apic[1], ID, 8, buf);
    g_assert_cmphex(buf[3], ==, 1);
    g_assert_cmphex(buf[7], ==, 0);
    apic_mmio_read(f->apic[1], ID + 3, 1, buf);
    g_assert_cmphex(buf[0], ==, 1);
    apic_mmio_read(f->apic[1], ID + 3, 4, buf);
    g_assert_cmphex(buf[0], ==, 1);
    g_assert_cmphex(buf[1], ==, 0);
    apic_mmio_read(f->apic[1], ID + 8, 4, buf);
    g_assert_cmphex(buf[0], ==, 0);
    apic_mmio_read(f->apic[1], 0xffc, 4, buf);
    memset(buf, 0xff, sizeof(buf));
    apic_mmio_write(f->apic[1], TPR, 1, buf);
    apic_mmio_write(f->apic[1], TPR + 1, 4, buf);
    g_assert_cmphex(rd(f, 1, TPR), ==, 0);
}

/* -- timer ------------------------------------------------------------------------ */

static void test_timer(Fixture *f, gconstpointer data)
{
    wr(f, 0, LVTT, 0x40);
    wr(f, 0, DIVIDE, 0xb); /* by 1 */
    wr(f, 0, INITIAL, 1000000);
    virtual_time_step(400000);
    g_assert_cmpuint(rd(f, 0, CURRENT), ==, 600000);
    wr(f, 0, DIVIDE, 0x3); /* by 16: goes on from there */
    g_assert_cmpuint(rd(f, 0, CURRENT), ==, 600000);
    virtual_time_step(16 * 599999);
    g_assert_cmphex(who_has(f, 0x40), ==, 0);
    virtual_time_step(16);
    g_assert_cmphex(who_has(f, 0x40), ==, 1);
    g_assert_cmpuint(rd(f, 0, CURRENT), ==, 0);
    virtual_time_step(100000000);
    g_assert_cmphex(who_has(f, 0x40), ==, 0);
}

static void test_timer_divides(Fixture *f, gconstpointer data)
{
    static const struct {
        uint32_t reg;
        unsigned by;
    } divides[] = { { 0, 2 },  { 1, 4 },  { 2, 8 },    { 3, 16 },
                    { 8, 32 }, { 9, 64 }, { 10, 128 }, { 11, 1 } };

    for (size_t i = 0; i < G_N_ELEMENTS(divides); i++) {
        wr(f, 0, DIVIDE, divides[i].reg);
        wr(f, 0, INITIAL, 1000);
        virtual_time_jump(100 * divides[i].by);
        g_assert_cmpuint(rd(f, 0, CURRENT), ==, 900);
        wr(f, 0, INITIAL, 0);
    }
}

static void test_timer_periodic(Fixture *f, gconstpointer data)
{
    wr(f, 0, LVTT, 0x40 | PERIODIC);
    wr(f, 0, DIVIDE, 0xb);
    wr(f, 0, INITIAL, 1000000);
    for (unsigned i = 0; i < 10; i++) {
        virtual_time_step(999999);
        g_assert_cmphex(who_has(f, 0x40), ==, 0);
        virtual_time_step(1);
        g_assert_cmphex(who_has(f, 0x40), ==, 1);
    }
    /* Late by several periods: one interrupt, and the phase is kept. */
    virtual_time_jump(7600000);
    virtual_time_fire();
    g_assert_cmphex(who_has(f, 0x40), ==, 1);
    virtual_time_fire();
    g_assert_cmphex(who_has(f, 0x40), ==, 0);
    g_assert_cmpuint(rd(f, 0, CURRENT), ==, 400000);
    virtual_time_step(399999);
    g_assert_cmphex(who_has(f, 0x40), ==, 0);
    virtual_time_step(1);
    g_assert_cmphex(who_has(f, 0x40), ==, 1);
    wr(f, 0, LVTT, 0x40 | PERIODIC | MASKED);
    virtual_time_step(5000000);
    g_assert_cmphex(who_has(f, 0x40), ==, 0);
    wr(f, 0, INITIAL, 0);
    /* A period of one nanosecond does not keep the host busy. */
    wr(f, 0, LVTT, 0x40 | PERIODIC);
    wr(f, 0, INITIAL, 1);
    for (unsigned fired = 0, i = 0; i < 1000; i++) {
        virtual_time_jump(1000);
        virtual_time_fire();
        fired += who_has(f, 0x40);
        g_assert_cmpuint(fired, <=, 25);
    }
}

static void test_timer_deadline(Fixture *f, gconstpointer data)
{
    uint64_t now = (uint64_t)cpu_get_clock() * 2;
    uint64_t v;

    g_assert_true(apic_msr_write(f->apic[0], APIC_MSR_TSC_DEADLINE, now + 10));
    g_assert_true(apic_msr_read(f->apic[0], APIC_MSR_TSC_DEADLINE, &v));
    g_assert_cmphex(v, ==, 0); /* not in this mode */
    wr(f, 0, LVTT, 0x40 | DEADLINE);
    wr(f, 0, INITIAL, 1000);
    g_assert_cmpuint(rd(f, 0, INITIAL), ==, 0);
    apic_msr_write(f->apic[0], APIC_MSR_TSC_DEADLINE, now + 2000000);
    virtual_time_step(999999);
    g_assert_cmphex(who_has(f, 0x40), ==, 0);
    virtual_time_step(1);
    g_assert_cmphex(who_has(f, 0x40), ==, 1);
    apic_msr_read(f->apic[0], APIC_MSR_TSC_DEADLINE, &v);
    g_assert_cmphex(v, ==, 0);
    apic_msr_write(f->apic[0], APIC_MSR_TSC_DEADLINE, 1); /* in the past */
    g_assert_cmphex(who_has(f, 0x40), ==, 1);
    apic_msr_write(f->apic[0], APIC_MSR_TSC_DEADLINE, UINT64_MAX);
    apic_msr_write(f->apic[0], APIC_MSR_TSC_DEADLINE, now + 4000000);
    apic_msr_write(f->apic[0], APIC_MSR_TSC_DEADLINE, 0); /* disarmed */
    virtual_time_step(10000000);
    g_assert_cmphex(who_has(f, 0x40), ==, 0);
    apic_msr_write(f->apic[0], APIC_MSR_TSC_DEADLINE, now + 100000000);
    wr(f, 0, LVTT, 0x40); /* the mode's change disarms as well */
    virtual_time_step(200000000);
    g_assert_cmphex(who_has(f, 0x40), ==, 0);
}

/* -- x2APIC ------------------------------------------------------------------------ */

static void test_modes(Fixture *f, gconstpointer data)
{
    APICState *s = f->apic[1];
    uint64_t v;

    g_assert_false(apic_msr_read(s, 0x802, &v)); /* xAPIC mode */
    g_assert_false(apic_msr_write(s, APIC_MSR_BASE, 0xfee00401));
    g_assert_false(apic_msr_write(s, APIC_MSR_BASE, 0xfee00400));
    g_assert_false(apic_msr_write(s, APIC_MSR_BASE, 0xfff0000000000800));
    g_assert_true(apic_msr_write(s, APIC_MSR_BASE, 0xfee00000));
    g_assert_false(apic_msr_write(s, APIC_MSR_BASE, BASE_X2APIC));
    g_assert_true(apic_msr_write(s, APIC_MSR_BASE, 0xfed00800)); /* elsewhere */
    g_assert_true(apic_msr_write(s, APIC_MSR_BASE, BASE_X2APIC));
    g_assert_false(apic_msr_write(s, APIC_MSR_BASE, 0xfee00800));
    g_assert_true(apic_msr_write(s, APIC_MSR_BASE, 0xfee00000));
    g_assert_true(apic_msr_write(s, APIC_MSR_BASE, 0xfee00800));
    g_assert_cmphex(rd(f, 1, SVR), ==, 0xff);
}

static void enter_x2apic(Fixture *f)
{
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_true(apic_msr_write(f->apic[i], APIC_MSR_BASE, BASE_X2APIC));
    }
}

static void test_x2apic(Fixture *f, gconstpointer data)
{
    static const uint32_t refused_writes[] = { 0x802, 0x803, 0x809, 0x80a,
                                               0x80c, 0x80d, 0x80e, 0x810,
                                               0x820, 0x831, 0x839, 0x8ff };
    static const uint32_t refused_reads[] = { 0x800, 0x809, 0x80b, 0x80c,
                                              0x80e, 0x831, 0x83f, 0x8ff };
    APICState *s = f->apic[2];
    uint64_t v;

    enter_x2apic(f);
    for (size_t i = 0; i < G_N_ELEMENTS(refused_writes); i++) {
        g_assert_false(apic_msr_write(s, refused_writes[i], 0));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(refused_reads); i++) {
        g_assert_false(apic_msr_read(s, refused_reads[i], &v));
    }
    g_assert_false(apic_msr_write(s, 0x80b, 1));
    g_assert_false(apic_msr_write(s, 0x808, 0x100));
    g_assert_false(apic_msr_write(s, 0x808, 1ull << 32));
    g_assert_false(apic_msr_write(s, 0x80f, 0x400));
    g_assert_false(apic_msr_write(s, 0x828, 1));
    g_assert_false(apic_msr_write(s, 0x830, 0x20000));
    g_assert_true(apic_msr_read(s, 0x802, &v));
    g_assert_cmphex(v, ==, 2);
    g_assert_true(apic_msr_read(s, 0x80d, &v));
    g_assert_cmphex(v, ==, 4);
    g_assert_true(apic_msr_write(s, 0x808, 0x20));
    g_assert_cmpuint(apic_get_tpr(s), ==, 2);
    apic_msr_write(s, 0x808, 0);
    g_assert_true(apic_msr_write(s, 0x830, 3ull << 32 | 0x40));
    g_assert_true(apic_msr_read(s, 0x830, &v));
    g_assert_cmphex(v, ==, 3ull << 32 | 0x40);
    g_assert_cmphex(who_has(f, 0x40), ==, 8);
    g_assert_true(apic_msr_write(s, 0x830, 0xffffffffull << 32 | 0x40));
    g_assert_cmphex(who_has(f, 0x40), ==, 15);
    g_assert_true(apic_msr_write(s, 0x830, 0xffull << 32 | 0x40));
    g_assert_cmphex(who_has(f, 0x40), ==, 0); /* 255 is just an id */
    g_assert_true(apic_msr_write(s, 0x830, 6ull << 32 | ICR_LOGICAL | 0x40));
    g_assert_cmphex(who_has(f, 0x40), ==, 6);
    g_assert_true(
        apic_msr_write(s, 0x830, 0x10006ull << 32 | ICR_LOGICAL | 0x40));
    g_assert_cmphex(who_has(f, 0x40), ==, 0); /* another cluster */
    g_assert_true(apic_msr_write(s, 0x83f, 0x66));
    g_assert_cmpint(apic_ack(s), ==, 0x66);
    g_assert_true(apic_msr_write(s, 0x80b, 0));
    g_assert_true(apic_msr_read(s, 0x813, &v));
    g_assert_cmphex(v, ==, 0);
}

/* -- state ---------------------------------------------------------------------------- */

static void test_state(Fixture *f, gconstpointer data)
{
    uint8_t page[X86_LAPIC_BYTES], again[X86_LAPIC_BYTES];
    Error *err = NULL;

    wr(f, 0, LVTT, 0x40 | PERIODIC);
    wr(f, 0, DIVIDE, 0xb);
    wr(f, 0, INITIAL, 1000000);
    ipi(f, 1, 0x50, 0);
    ipi(f, 1, 0x90, 0);
    apic_ack(f->apic[0]);
    virtual_time_step(300000);
    apic_get_page(f->apic[0], page);
    apic_init_signal(f->apic[0]);
    g_assert_true(apic_set_page(f->apic[0], page, 0xfee00900, &error_abort));
    apic_get_page(f->apic[0], again);
    g_assert_cmpmem(page, sizeof(page), again, sizeof(again));
    virtual_time_step(700000);
    wr(f, 0, EOI, 0);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x50);
    wr(f, 0, EOI, 0);
    g_assert_cmpint(apic_ack(f->apic[0]), ==, 0x40);
    g_assert_false(apic_set_page(f->apic[0], page, 0xfee00400, &err));
    error_free(err);
}

/* -- messages ------------------------------------------------------------------------ */

static void test_msi(Fixture *f, gconstpointer data)
{
    unsigned seen = 0;

    for (unsigned i = 0; i < CPUS; i++) {
        wr(f, i, LDR, 0x01000000u << i);
    }
    g_assert_true(apic_bus_msi(f->bus, 0xfee02000, 0x41));
    g_assert_cmphex(who_has(f, 0x41), ==, 4);
    g_assert_true(apic_bus_msi(f->bus, 0xfee0a004, 0x41));
    g_assert_cmphex(who_has(f, 0x41), ==, 10);
    for (unsigned i = 0; i < 16; i++) { /* redirection hint: one of them */
        unsigned one;

        g_assert_true(apic_bus_msi(f->bus, 0xfee0a00c, 0x41));
        one = who_has(f, 0x41);
        g_assert_cmpint(__builtin_popcount(one), ==, 1);
        seen |= one;
    }
    g_assert_cmphex(seen, ==, 10);
    g_assert_true(apic_bus_msi(f->bus, 0xfee01000, 0x400));
    g_assert_cmpuint(f->cpu[1].signals[ACCEL_SIGNAL_NMI], ==, 1);
    g_assert_false(apic_bus_msi(f->bus, 0xfed00000, 0x41));
    g_assert_false(apic_bus_msi(f->bus, 0x1fee00000, 0x41));
    g_assert_true(apic_bus_msi(f->bus, 0xfee01000, 0x300)); /* reserved */
}

/* -- threads ---------------------------------------------------------------------------- */

#define ROUNDS 3000u

typedef struct Sender {
    Fixture *f;
    unsigned self;
    unsigned got; /* vectors taken, of the ring and others */
    unsigned ring;
} Sender;

/* Each CPU sends to the next when it has heard from the one before, and some
 * more to all; whatever it takes it ends. */
static void *run_cpu(void *opaque)
{
    Sender *me = opaque;
    Fixture *f = me->f;
    APICState *s = f->apic[me->self];
    unsigned next = (me->self + 1) % CPUS;

    if (me->self == 0) {
        ipi(f, 0, 0x80, next);
    }
    while (me->ring < ROUNDS) {
        int vector;

        if (!qatomic_mb_read(&f->cpu[me->self].intr)) {
            sched_yield();
            continue;
        }
        vector = apic_ack(s);
        if (vector < 0) {
            continue;
        }
        me->got++;
        wr(f, me->self, EOI, 0);
        if (vector == 0x80) {
            me->ring++;
            apic_set_tpr(s, me->ring & 3);
            ipi(f, me->self, 0x80, next);
            ipi(f, me->self, TO_OTHERS | 0x90, 0);
            apic_bus_msi(f->bus, 0xfee00000 | next << 12, 0x70);
        }
    }
    return NULL;
}

static void test_threads(Fixture *f, gconstpointer data)
{
    QemuThread thread[CPUS];
    Sender sender[CPUS];

    for (unsigned i = 0; i < CPUS; i++) {
        sender[i] = (Sender){ .f = f, .self = i };
        qemu_thread_create(&thread[i], "cpu", run_cpu, &sender[i],
                           QEMU_THREAD_JOINABLE);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        qemu_thread_join(&thread[i]);
        g_assert_cmpuint(sender[i].ring, ==, ROUNDS);
        g_assert_cmpuint(sender[i].got, >, ROUNDS);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(Fixture *, gconstpointer);
    } tests[] = {
        { "/apic/reset", test_reset },
        { "/apic/priority", test_priority },
        { "/apic/destinations", test_destinations },
        { "/apic/lowest-priority", test_lowest_priority },
        { "/apic/signals", test_signals },
        { "/apic/init", test_init },
        { "/apic/pic", test_pic },
        { "/apic/errors", test_errors },
        { "/apic/odd-accesses", test_odd_accesses },
        { "/apic/timer/one-shot", test_timer },
        { "/apic/timer/divides", test_timer_divides },
        { "/apic/timer/periodic", test_timer_periodic },
        { "/apic/timer/deadline", test_timer_deadline },
        { "/apic/modes", test_modes },
        { "/apic/x2apic", test_x2apic },
        { "/apic/state", test_state },
        { "/apic/msi", test_msi },
        { "/apic/threads", test_threads },
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
