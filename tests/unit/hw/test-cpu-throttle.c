/*
 * CPUs that sleep a share of their time: threads that do nothing but look
 * whether they are to leave the guest stand for them.
 *
 * Only what does not depend on how busy the host is, is asked for: never too
 * little sleep for the time that was run, and an end of all sleep at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/cpu-throttle.h"
#include "hw/core/machine-internal.h"
#include "hw/types.h"
#include "util/lockable.h"
#include "util/timer.h"

#define CPUS  2u
#define MS    INT64_C(1000000)
#define QUICK (2000 * MS) /* "at once" on a host that is busy */

typedef struct FakeCPU {
    CPUState cpu;
    AccelVCPU vcpu;
    QemuThread thread;
    bool kicked; /* atomic */
    bool quit;   /* atomic */
    int64_t ran_ns;
    uint64_t turns; /* atomic: times that it left the guest */
} FakeCPU;

typedef struct Fixture {
    MachineState machine;
    AccelState *accel;
    FakeCPU cpu[CPUS];
} Fixture;

static void fake_kick(AccelVCPU *vcpu)
{
    qatomic_mb_set(&container_of(vcpu, FakeCPU, vcpu)->kicked, true);
}

static void fake_class_init(ObjectClass *oc, void *data)
{
    ACCEL_CLASS(oc)->vcpu_kick = fake_kick;
}

static const TypeInfo fake_accel = {
    .name = ACCEL_CLASS_NAME("throttled"),
    .parent = TYPE_ACCEL,
    .class_init = fake_class_init,
};

static void *run_cpu(void *opaque)
{
    FakeCPU *f = opaque;
    CPUSet *set = cpu_set_of(&f->cpu);

    while (!qatomic_read(&f->quit)) {
        int64_t start = get_clock();

        while (!qatomic_mb_read(&f->kicked) && !qatomic_read(&f->quit)) {
            g_usleep(200);
        }
        qatomic_mb_set(&f->kicked, false);
        QEMU_LOCK_GUARD(&set->lock);
        f->ran_ns += get_clock() - start;
        cpu_throttle_wait(&f->cpu);
        qatomic_inc(&f->turns);
    }
    return NULL;
}

static void set_up(Fixture *f, gconstpointer data)
{
    CPUSet *set = machine_cpus(&f->machine);

    set->cpus = g_ptr_array_new();
    qemu_mutex_init(&set->lock);
    cpu_throttle_init(set);
    f->accel = ACCEL(object_new(fake_accel.name));
    for (unsigned i = 0; i < CPUS; i++) {
        f->cpu[i].vcpu.accel = f->accel;
        f->cpu[i].cpu.vcpu = &f->cpu[i].vcpu;
        f->cpu[i].cpu.machine = &f->machine;
        g_ptr_array_add(set->cpus, &f->cpu[i].cpu);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        qemu_thread_create(&f->cpu[i].thread, "fake-cpu", run_cpu, &f->cpu[i],
                           QEMU_THREAD_JOINABLE);
    }
}

static void end_threads(Fixture *f)
{
    CPUSet *set = machine_cpus(&f->machine);

    cpu_throttle_set(set, 0);
    for (unsigned i = 0; i < CPUS; i++) {
        cpu_throttle_set_one(set, i, 0);
        qatomic_set(&f->cpu[i].quit, true);
        qemu_thread_join(&f->cpu[i].thread);
    }
}

static void tear_down(Fixture *f, gconstpointer data)
{
    CPUSet *set = machine_cpus(&f->machine);

    end_threads(f);
    cpu_throttle_deinit(set);
    g_ptr_array_unref(set->cpus);
    qemu_mutex_destroy(&set->lock);
    object_unref(OBJECT(f->accel));
}

/* Until CPU @i has left the guest @n times more. */
static void wait_turns(Fixture *f, unsigned i, uint64_t n)
{
    uint64_t want = qatomic_read(&f->cpu[i].turns) + n;

    while (qatomic_read(&f->cpu[i].turns) < want) {
        g_usleep(1000);
    }
}

/* Of what it ran, CPU @i slept for at least @percent's part. */
static void assert_slept(Fixture *f, unsigned i, unsigned percent)
{
    CPUSet *set = machine_cpus(&f->machine);
    double ran, slept;

    WITH_QEMU_LOCK_GUARD(&set->lock)
    {
        ran = (double)f->cpu[i].ran_ns;
        slept = (double)cpu_throttled_ns(set, i);
    }
    g_assert_cmpfloat(ran, >, 0);
    /* The first slice began before the throttle. */
    g_assert_cmpfloat(slept, >=,
                      (ran - 40 * MS) * percent / (100 - percent) * 0.7);
}

static void test_all(Fixture *f, gconstpointer data)
{
    CPUSet *set = machine_cpus(&f->machine);

    g_assert_cmpuint(cpu_throttle_get(set), ==, 0);
    g_assert_cmpuint(cpu_throttled_ns(set, 0), ==, 0);
    for (unsigned i = 0; i < CPUS; i++) {
        QEMU_LOCK_GUARD(&set->lock);
        f->cpu[i].ran_ns = 0;
    }
    cpu_throttle_set(set, 80);
    g_assert_cmpuint(cpu_throttle_get(set), ==, 80);
    for (unsigned i = 0; i < CPUS; i++) {
        wait_turns(f, i, 12);
        assert_slept(f, i, 80);
    }
    cpu_throttle_set(set, 200);
    g_assert_cmpuint(cpu_throttle_get(set), ==, CPU_THROTTLE_MAX);
}

static void test_one(Fixture *f, gconstpointer data)
{
    CPUSet *set = machine_cpus(&f->machine);

    cpu_throttle_set_one(set, 1, 9000);
    wait_turns(f, 1, 8);
    g_assert_cmpuint(cpu_throttled_ns(set, 1), >, 0);
    g_assert_cmpuint(cpu_throttled_ns(set, 0), ==, 0);
    g_assert_cmpuint(qatomic_read(&f->cpu[0].turns), ==, 0);
    /* The larger of both counts; a CPU that is not there is nothing. */
    cpu_throttle_set(set, 50);
    wait_turns(f, 0, 4);
    g_assert_cmpuint(cpu_throttled_ns(set, 0), >, 0);
    cpu_throttle_set_one(set, CPUS, 9000);
    g_assert_cmpuint(cpu_throttled_ns(set, CPUS), ==, 0);
}

/* Sleeps for minutes, if nobody wakes it. */
static void make_sleep(Fixture *f)
{
    CPUSet *set = machine_cpus(&f->machine);
    bool sleeps = false;

    cpu_throttle_set_one(set, 0, CPU_THROTTLE_SHARE_MAX);
    while (!sleeps) {
        g_usleep(500);
        QEMU_LOCK_GUARD(&set->lock);
        sleeps = f->cpu[0].cpu.throttle_sleeps;
    }
}

static void assert_wakes(Fixture *f)
{
    CPUSet *set = machine_cpus(&f->machine);
    int64_t end = get_clock() + QUICK;
    bool sleeps = true;

    while (sleeps) {
        g_assert_cmpint(get_clock(), <, end);
        g_usleep(200);
        QEMU_LOCK_GUARD(&set->lock);
        sleeps = f->cpu[0].cpu.throttle_sleeps;
    }
}

static void test_wakes(Fixture *f, gconstpointer data)
{
    CPUSet *set = machine_cpus(&f->machine);

    /* The throttle ends. */
    make_sleep(f);
    cpu_throttle_set_one(set, 0, 0);
    assert_wakes(f);
    /* It is to stop. */
    make_sleep(f);
    WITH_QEMU_LOCK_GUARD(&set->lock)
    {
        f->cpu[0].cpu.stop = true;
        cpu_throttle_wake(set);
    }
    assert_wakes(f);
    /* While it is to stop it does not sleep again. */
    wait_turns(f, 0, 2);
    WITH_QEMU_LOCK_GUARD(&set->lock)
    {
        f->cpu[0].cpu.stop = false;
    }
}

/* A CPU that has stopped is left alone. */
static void test_stopped(Fixture *f, gconstpointer data)
{
    CPUSet *set = machine_cpus(&f->machine);

    WITH_QEMU_LOCK_GUARD(&set->lock)
    {
        f->cpu[0].cpu.stopped = true;
    }
    cpu_throttle_set(set, 90);
    wait_turns(f, 1, 5);
    g_assert_cmpuint(qatomic_read(&f->cpu[0].turns), ==, 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(Fixture *, gconstpointer);
    } tests[] = {
        { "/cpu-throttle/all", test_all },
        { "/cpu-throttle/one", test_one },
        { "/cpu-throttle/wakes", test_wakes },
        { "/cpu-throttle/stopped", test_stopped },
    };

    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    type_register_static(&fake_accel);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].func,
                   tear_down);
    }
    return g_test_run();
}
