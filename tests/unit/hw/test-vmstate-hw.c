/*
 * Interrupt controllers and timers on their way to another host.
 *
 * Two worlds of the same devices run on one clock. The first is brought into
 * a random state by its registers and by time; its state goes into the second.
 * Both must then say the same, drive their lines alike, and go on alike.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/irqchip.h"
#include "hw/machine-lock.h"
#include "hw/timer/acpi-pm-timer.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"
#include "hw/timer/mc146818rtc.h"
#include "hw/types.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "fake-isa.h"
#include "virtual-time.h"
#include "vmstate-roundtrip.h"

#define ROUNDS       150
#define STEPS        40
#define AFTER        20
#define LIES         1500
#define DEVICES      2
#define BASE_ENABLED (X86_APICBASE_DEFAULT | X86_APICBASE_ENABLE)
#define BASE_X2APIC  (BASE_ENABLED | 0x400)

/* What one set of devices is and what it shows to the outside. */
typedef struct World {
    FakeISA isa;
    IOSpace *space;
    DeviceState *dev[DEVICES];
    I8259Pair *pair;
    APICBus *bus;
    AccelVCPU vcpu;
    ACPIPMTimer pm;
    int out;      /* INT of the 8259, INTR of the APIC */
    int line[32]; /* of the HPET */
    bool replaced;
    unsigned sent;
} World;

typedef struct Kind {
    void (*make)(World *w);
    void (*drop)(World *w);
    void (*step)(World *w, unsigned what, uint32_t a, uint32_t b);
    void (*prepare)(World *from, World *to); /* (optional) before the load */
    bool goes_on; /* the same steps lead to the same state */
} Kind;

static void drop_device(DeviceState *dev)
{
    qdev_unrealize(dev);
    object_unref(OBJECT(dev));
}

static DeviceState *add_isa(World *w, const char *type)
{
    DeviceState *dev = qdev_new(type);

    g_assert_true(qdev_realize(dev, BUS(w->isa.bus), &error_abort));
    device_cold_reset(dev);
    return dev;
}

/* -- 8259 ----------------------------------------------------------------------- */

static void int_out(void *opaque, int n, int level)
{
    ((World *)opaque)->out = level;
}

static void pic_make(World *w)
{
    w->pair = i8259_pair_new(w->isa.bus, int_out, w, &error_abort);
    w->dev[0] = DEVICE(BUS(w->isa.bus)->children->pdata[0]);
    w->dev[1] = DEVICE(BUS(w->isa.bus)->children->pdata[1]);
}

static void pic_drop(World *w)
{
    i8259_pair_free(w->pair);
}

static void pic_step(World *w, unsigned what, uint32_t a, uint32_t b)
{
    static const uint16_t ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
    uint16_t port = ports[a % G_N_ELEMENTS(ports)];

    switch (what % 6) {
    case 0:
    case 1:
        fake_isa_out(&w->isa, port, (uint8_t)b);
        break;
    case 2:
        fake_isa_in(&w->isa, port);
        break;
    case 3:
        i8259_ack(w->pair);
        break;
    default:
        i8259_set_irq(w->pair, a % 16, b & 1);
        break;
    }
}

/* -- IOAPIC ----------------------------------------------------------------------- */

static void io_send(void *opaque, uint64_t addr, uint32_t data)
{
    ((World *)opaque)->sent++;
}

static void io_route(void *opaque, unsigned pin, uint64_t addr, uint32_t data,
                     bool level, bool masked)
{
    g_assert_cmpuint(pin, <, IOAPIC_PINS);
}

static const IOAPICOps io_ops = { io_send, io_route };

static void io_make(World *w)
{
    w->dev[0] = DEVICE(ioapic_new(w->space, &io_ops, w, &error_abort));
}

static void one_drop(World *w)
{
    drop_device(w->dev[0]);
}

static void io_step(World *w, unsigned what, uint32_t a, uint32_t b)
{
    switch (what % 4) {
    case 0:
        io_space_write(w->space, IOAPIC_ADDRESS, a % 0x42, 4);
        io_space_write(w->space, IOAPIC_ADDRESS + 0x10, b, 4);
        break;
    case 1:
        io_space_write(w->space, IOAPIC_ADDRESS, 0x10 + a % 8, 4);
        io_space_write(w->space, IOAPIC_ADDRESS + 0x10, 0x8030 + b % 4, 4);
        break;
    case 2:
        ioapic_eoi(IOAPIC(w->dev[0]), (uint8_t)(0x30 + b % 4));
        break;
    default:
        ioapic_set_irq(IOAPIC(w->dev[0]), a % IOAPIC_PINS, b & 1);
        break;
    }
}

/* -- local APIC -------------------------------------------------------------------- */

static void apic_eoi_seen(void *opaque, uint8_t vector)
{
}

static uint8_t apic_pic_ack(void *opaque)
{
    return 8;
}

static void apic_intr(AccelVCPU *vcpu, bool level)
{
    container_of(vcpu, World, vcpu)->out = level;
}

static void apic_signal(AccelVCPU *vcpu, AccelSignal signal, uint8_t vector)
{
}

static int64_t apic_tsc_to_ns(AccelVCPU *vcpu, uint64_t tsc)
{
    return (int64_t)MIN(tsc, (uint64_t)INT64_MAX);
}

static const APICBusOps bus_ops = { apic_eoi_seen, apic_pic_ack, apic_intr,
                                    apic_signal, apic_tsc_to_ns };

static void lapic_make(World *w)
{
    w->bus = apic_bus_new(&bus_ops, w);
    w->vcpu = (AccelVCPU){ .index = 0, .apic_id = 3 };
    w->dev[0] = DEVICE(apic_new(w->bus, &w->vcpu, true, true));
    g_assert_true(qdev_realize(w->dev[0], NULL, &error_abort));
}

static void lapic_drop(World *w)
{
    drop_device(w->dev[0]);
    apic_bus_free(w->bus);
}

static void lapic_write(World *w, unsigned reg, uint32_t value)
{
    uint32_t le = GUINT32_TO_LE(value);

    apic_mmio_write(APIC(w->dev[0]), reg, 4, (const uint8_t *)&le);
    apic_msr_write(APIC(w->dev[0]), APIC_MSR_X2APIC + reg / 16, value);
}

static void lapic_step(World *w, unsigned what, uint32_t a, uint32_t b)
{
    static const unsigned regs[] = { 0x20,  0x80,  0xb0,  0xd0,  0xe0,
                                     0xf0,  0x280, 0x300, 0x310, 0x320,
                                     0x350, 0x360, 0x370, 0x380, 0x3e0 };
    APICState *s = APIC(w->dev[0]);

    switch (what % 8) {
    case 0:
        lapic_write(w, 0xf0, 0x1ff);
        break;
    case 1:
        lapic_write(w, 0x320, (a & 3) << 17 | 0x40);
        lapic_write(w, 0x380, b % 2000000);
        apic_msr_write(s, APIC_MSR_TSC_DEADLINE,
                       (uint64_t)qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                           b % 1000000);
        break;
    case 2:
        apic_ack(s);
        break;
    case 3:
        apic_bus_pic_level(w->bus, b & 1);
        break;
    case 4:
        apic_bus_msi(w->bus, 0xfee03000u | (a & 0xc), b & 0xc7ff);
        break;
    case 5:
        if (a % 16 == 0) {
            apic_msr_write(s, APIC_MSR_BASE, BASE_X2APIC | 0x100);
        }
        break;
    default:
        lapic_write(w, regs[a % G_N_ELEMENTS(regs)], b);
        break;
    }
}

static void lapic_prepare(World *from, World *to)
{
    uint64_t base;

    apic_msr_read(APIC(from->dev[0]), APIC_MSR_BASE, &base);
    g_assert_true(apic_msr_write(APIC(to->dev[0]), APIC_MSR_BASE, base));
}

/* -- timers -------------------------------------------------------------------------- */

static void pit_make(World *w)
{
    w->dev[0] = add_isa(w, TYPE_I8254);
    w->dev[1] = add_isa(w, "isa-pcspk");
}

static void two_drop(World *w)
{
    drop_device(w->dev[1]);
    drop_device(w->dev[0]);
}

static void pit_step(World *w, unsigned what, uint32_t a, uint32_t b)
{
    static const uint16_t ports[] = { 0x40, 0x41, 0x42, 0x43, 0x43, 0x61 };
    uint16_t port = ports[a % G_N_ELEMENTS(ports)];

    if (what % 4 == 0) {
        fake_isa_in(&w->isa, port);
    } else if (what % 4 == 1) {
        i8254_tick_taken(I8254(w->dev[0]));
    } else {
        fake_isa_out(&w->isa, port, (uint8_t)b);
    }
}

static void hpet_line(void *opaque, unsigned gsi, bool level)
{
    World *w = opaque;

    if (gsi < G_N_ELEMENTS(w->line)) { /* after a load that failed, any */
        w->line[gsi] = level;
    }
}

static void hpet_replace(void *opaque, bool on)
{
    ((World *)opaque)->replaced = on;
}

static const HPETOps hpet_ops = { hpet_line, hpet_replace, io_send };

static void hpet_make(World *w)
{
    w->dev[0] = hpet_new(w->space, &hpet_ops, w);
    object_property_parse(OBJECT(w->dev[0]), "msi", "on", &error_abort);
    object_property_parse(OBJECT(w->dev[0]), "timers", "5", &error_abort);
    object_property_parse(OBJECT(w->dev[0]), "hpet-intcap", "0x00c00004",
                          &error_abort);
    g_assert_true(qdev_realize(w->dev[0], NULL, &error_abort));
}

static void hpet_step(World *w, unsigned what, uint32_t a, uint32_t b)
{
    unsigned timer = 0x100 + 0x20 * (a % 5);

    switch (what % 5) {
    case 0:
        io_space_write(w->space, HPET_ADDRESS + 0x10, b & 3, 8);
        break;
    case 1:
        io_space_write(w->space, HPET_ADDRESS + timer, b & 0x7f7e, 8);
        break;
    case 2:
        io_space_write(w->space, HPET_ADDRESS + timer + 8, b % 5000000, 8);
        break;
    case 3:
        io_space_write(w->space, HPET_ADDRESS + 0x20, b & 0x1f, 8);
        break;
    default:
        io_space_write(w->space, HPET_ADDRESS + a % 0x200 / 4 * 4, b, 4);
        break;
    }
}

static void rtc_make(World *w)
{
    w->dev[0] = qdev_new(TYPE_MC146818_RTC);
    mc146818rtc_set_machine(w->dev[0], NULL, 1 << 20, 0, 1);
    g_assert_true(qdev_realize(w->dev[0], BUS(w->isa.bus), &error_abort));
    device_cold_reset(w->dev[0]);
}

static void rtc_step(World *w, unsigned what, uint32_t a, uint32_t b)
{
    fake_isa_out(&w->isa, 0x70, what % 3 ? a % 14 : a % 128);
    if (what % 4 == 0) {
        fake_isa_in(&w->isa, 0x71);
    } else {
        fake_isa_out(&w->isa, 0x71, (uint8_t)b);
    }
}

/* -- moving ----------------------------------------------------------------------------- */

static const Kind pic_kind = { pic_make, pic_drop, pic_step, NULL, true };
static const Kind io_kind = { io_make, one_drop, io_step, NULL, true };
static const Kind lapic_kind = { lapic_make, lapic_drop, lapic_step,
                                 lapic_prepare, true };
static const Kind pit_kind = { pit_make, two_drop, pit_step, NULL, true };
static const Kind hpet_kind = { hpet_make, one_drop, hpet_step, NULL, true };
/* Its reference is the host's clock, which runs between two looks. */
static const Kind rtc_kind = { rtc_make, one_drop, rtc_step, NULL, false };

static World *world_new(const Kind *kind)
{
    World *w = g_new0(World, 1);

    fake_isa_init(&w->isa);
    w->space = io_space_new("addresses", UINT64_MAX);
    machine_lock();
    kind->make(w);
    return w;
}

static void world_free(const Kind *kind, World *w)
{
    kind->drop(w);
    machine_unlock();
    fake_isa_deinit(&w->isa);
    io_space_free(w->space);
    g_free(w);
}

static void random_time(GRand *rand)
{
    static const int scales[] = { 1000, 100000, 10000000, 1000000000 };

    virtual_time_step(g_rand_int(rand) %
                      (unsigned)scales[g_rand_int(rand) % 4]);
}

static void shake(const Kind *kind, World *w, GRand *rand)
{
    for (unsigned i = g_rand_int(rand) % STEPS; i; i--) {
        kind->step(w, g_rand_int(rand), g_rand_int(rand), g_rand_int(rand));
        if (g_rand_int(rand) % 4 == 0) {
            random_time(rand);
        }
    }
}

static void assert_alike(const World *a, const World *b)
{
    g_assert_cmpint(a->out, ==, b->out);
    g_assert_cmpint(a->replaced, ==, b->replaced);
    for (unsigned i = 0; i < ISA_IRQS; i++) {
        g_assert_cmpint(a->isa.level[i], ==, b->isa.level[i]);
    }
}

static void assert_same_state(const World *a, const World *b)
{
    for (unsigned i = 0; i < DEVICES && a->dev[i]; i++) {
        const VMStateDescription *vmsd = DEVICE_GET_CLASS(a->dev[i])->vmsd;
        g_autoptr(GBytes) one = vmstate_to_bytes(vmsd, a->dev[i]);
        g_autoptr(GBytes) two = vmstate_to_bytes(vmsd, b->dev[i]);

        g_assert_true(g_bytes_equal(one, two));
    }
}

/* What the controllers carry: the HPET's lines are not its own to say. */
static void move(const Kind *kind, World *from, World *to)
{
    if (kind->prepare) {
        kind->prepare(from, to);
    }
    memcpy(to->line, from->line, sizeof(to->line));
    for (unsigned i = 0; i < DEVICES && from->dev[i]; i++) {
        device_assert_moves(from->dev[i], to->dev[i]);
    }
    assert_alike(from, to);
}

static void go_on(const Kind *kind, World *from, World *to, GRand *rand)
{
    from->sent = to->sent = 0;
    for (unsigned i = 0; i < AFTER; i++) {
        uint32_t what = g_rand_int(rand);
        uint32_t a = g_rand_int(rand);
        uint32_t b = g_rand_int(rand);

        kind->step(from, what, a, b);
        kind->step(to, what, a, b);
        random_time(rand);
        assert_alike(from, to);
        g_assert_cmpmem(from->line, sizeof(from->line), to->line,
                        sizeof(to->line));
        g_assert_cmpuint(from->sent, ==, to->sent);
    }
    assert_same_state(from, to);
}

static void test_moves(gconstpointer data)
{
    const Kind *kind = data;
    g_autoptr(GRand) rand = g_rand_new_with_seed(20);

    for (unsigned round = 0; round < ROUNDS; round++) {
        World *from = world_new(kind);
        World *to;

        shake(kind, from, rand);
        to = world_new(kind);
        move(kind, from, to);
        if (kind->goes_on) {
            go_on(kind, from, to, rand);
        }
        world_free(kind, to);
        world_free(kind, from);
    }
}

/* -- a peer that lies ------------------------------------------------------------------- */

typedef struct Use {
    const Kind *kind;
    World *w;
    GRand *rand;
} Use;

static void use_it(void *opaque, bool loaded)
{
    Use *u = opaque;

    for (unsigned i = 0; !loaded && i < DEVICES && u->w->dev[i]; i++) {
        device_cold_reset(u->w->dev[i]);
    }
    u->kind->step(u->w, g_rand_int(u->rand), g_rand_int(u->rand),
                  g_rand_int(u->rand));
    virtual_time_jump(g_rand_int(u->rand) % 100000);
    virtual_time_fire();
}

static void test_lies(gconstpointer data)
{
    const Kind *kind = data;
    g_autoptr(GRand) rand = g_rand_new_with_seed(21);
    World *from = world_new(kind);
    World *to = world_new(kind);
    Use use = { kind, to, rand };

    shake(kind, from, rand);
    if (kind->prepare) {
        kind->prepare(from, to);
    }
    for (unsigned i = 0; i < DEVICES && from->dev[i]; i++) {
        unsigned loaded =
            vmstate_assert_robust(DEVICE_GET_CLASS(from->dev[i])->vmsd,
                                  from->dev[i], to->dev[i], LIES, rand, use_it,
                                  &use);

        g_assert_cmpuint(loaded, <, LIES);
    }
    world_free(kind, to);
    world_free(kind, from);
}

/* -- the ACPI timer: part of another device ------------------------------------------------ */

static void pm_changed(void *opaque)
{
    ((World *)opaque)->sent++;
}

static void test_pm_timer(void)
{
    World a = { 0 }, b = { 0 };

    machine_lock();
    acpi_pm_timer_init(&a.pm, pm_changed, &a);
    acpi_pm_timer_init(&b.pm, pm_changed, &b);
    acpi_pm_timer_enable(&a.pm, true);
    virtual_time_step(TEST_S);
    acpi_pm_timer_clear(&a.pm);
    a.sent = 0;
    vmstate_assert_moves(&vmstate_acpi_pm_timer, &a.pm, &b.pm);
    virtual_time_step(3 * TEST_S); /* half a period is 2.34 s */
    g_assert_cmpuint(a.sent, ==, 1);
    g_assert_cmpuint(b.sent, ==, 1);
    g_assert_true(acpi_pm_timer_status(&b.pm));
    vmstate_assert_moves(&vmstate_acpi_pm_timer, &a.pm, &b.pm);
    acpi_pm_timer_deinit(&a.pm);
    acpi_pm_timer_deinit(&b.pm);
    machine_unlock();
}

/* A device may not come to another one that was set up otherwise. */
static void test_other_hpet(void)
{
    World *from = world_new(&hpet_kind);
    const VMStateDescription *vmsd = DEVICE_GET_CLASS(from->dev[0])->vmsd;
    g_autoptr(GBytes) bytes = vmstate_to_bytes(vmsd, from->dev[0]);
    g_autofree uint8_t *other =
        g_memdup2(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    Error *err = NULL;

    other[0] = 6; /* timers */
    g_assert_false(vmstate_from_bytes(vmsd, from->dev[0], 1, other,
                                      g_bytes_get_size(bytes), &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "timers"));
    error_free(err);
    world_free(&hpet_kind, from);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        const Kind *kind;
    } kinds[] = {
        { "i8259", &pic_kind }, { "ioapic", &io_kind }, { "apic", &lapic_kind },
        { "i8254", &pit_kind }, { "hpet", &hpet_kind }, { "rtc", &rtc_kind },
    };

    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    qemu_init_main_loop(&error_abort);
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *moves =
            g_strdup_printf("/hw/vmstate/%s/moves", kinds[i].name);
        g_autofree char *lies =
            g_strdup_printf("/hw/vmstate/%s/lies", kinds[i].name);

        g_test_add_data_func(moves, kinds[i].kind, test_moves);
        g_test_add_data_func(lies, kinds[i].kind, test_lies);
    }
    g_test_add_func("/hw/vmstate/acpi-pm-timer", test_pm_timer);
    g_test_add_func("/hw/vmstate/hpet/other", test_other_hpet);
    return g_test_run();
}
