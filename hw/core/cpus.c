/*
 * vCPU threads: start, pause, resume, end, and what happens when a CPU leaves
 * the guest for good.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/cpu-internal.h"
#include "hw/core/cpu-throttle.h"
#include "hw/core/machine-internal.h"
#include "hw/machine-lock.h"
#include "trace/trace-hw.h"
#include "util/error.h"
#include "util/lockable.h"

/* The CPU whose thread this is; written once at the thread's start. */
static __thread CPUState *current_cpu;

CPUSet *cpu_set_of(CPUState *cpu)
{
    return machine_cpus(cpu->machine);
}

static AccelClass *accel_class_of(CPUState *cpu)
{
    return ACCEL_GET_CLASS(cpu->vcpu->accel);
}

void cpu_set_init(CPUSet *set)
{
    set->cpus = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    qemu_mutex_init(&set->lock);
    qemu_cond_init(&set->changed);
    qemu_cond_init(&set->resume);
    cpu_throttle_init(set);
}

void cpu_set_deinit(CPUSet *set)
{
    cpu_throttle_deinit(set);
    g_ptr_array_unref(set->cpus);
    qemu_cond_destroy(&set->resume);
    qemu_cond_destroy(&set->changed);
    qemu_mutex_destroy(&set->lock);
}

/* What the guest or the accelerator wants of the host; the CPU stays stopped
 * until the host has dealt with it. */
static void handle_exit(CPUState *cpu, AccelExit reason, Error *err)
{
    MachineState *m = cpu->machine;

    if (reason == ACCEL_EXIT_INTERRUPTED) {
        return;
    }
    trace_cpu_exit(cpu->cpu_index, reason);
    cpu_stop_current();
    switch (reason) {
    case ACCEL_EXIT_RESET:
        machine_request_reset(m);
        break;
    case ACCEL_EXIT_SHUTDOWN:
        machine_request_shutdown(m);
        break;
    case ACCEL_EXIT_CRASHED:
        machine_report_panic(m);
        break;
    case ACCEL_EXIT_INTERNAL_ERROR:
        machine_report_internal_error(m, error_get_pretty(err));
        break;
    case ACCEL_EXIT_DEBUG:
        machine_report_debug(m, (unsigned)cpu->cpu_index);
        break;
    case ACCEL_EXIT_HALTED:
    case ACCEL_EXIT_INTERRUPTED:
        break;
    }
}

static void run_until_stopped(CPUState *cpu, CPUSet *set)
{
    while (!cpu->stop && !cpu->quit) {
        Error *err = NULL;
        AccelExit reason;

        cpu_throttle_wait(cpu);
        if (cpu->stop || cpu->quit) {
            break;
        }
        qemu_mutex_unlock(&set->lock);
        reason = accel_class_of(cpu)->vcpu_run(cpu->vcpu, &err);
        handle_exit(cpu, reason, err);
        error_free(err);
        qemu_mutex_lock(&set->lock);
    }
}

static void *cpu_thread(void *opaque)
{
    CPUState *cpu = opaque;
    CPUSet *set = cpu_set_of(cpu);
    Error *err = NULL;
    bool ok;

    current_cpu = cpu;
    ok = accel_class_of(cpu)->vcpu_thread_init(cpu->vcpu, &err);
    qemu_mutex_lock(&set->lock);
    cpu->thread_id = qemu_get_thread_id();
    cpu->init_error = err;
    cpu->created = true;
    while (ok && !cpu->quit) {
        cpu->stopped = true;
        qemu_cond_broadcast(&set->changed);
        while (cpu->stop && !cpu->quit) {
            qemu_cond_wait(&set->resume, &set->lock);
        }
        cpu->stopped = false;
        run_until_stopped(cpu, set);
    }
    cpu->stopped = true;
    qemu_cond_broadcast(&set->changed);
    qemu_mutex_unlock(&set->lock);
    return NULL;
}

bool cpu_thread_start(CPUState *cpu, bool named, Error **errp)
{
    CPUSet *set = cpu_set_of(cpu);
    g_autofree char *accel_name = g_ascii_strup(accel_class_of(cpu)->name, -1);
    g_autofree char *name =
        named ? g_strdup_printf("CPU %d/%s", cpu->cpu_index, accel_name)
              : g_strdup("vcpu");
    int ret;

    ret = qemu_thread_try_create(&cpu->thread, name, cpu_thread, cpu,
                                 QEMU_THREAD_JOINABLE);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "could not start the thread of CPU %d",
                         cpu->cpu_index);
        return false;
    }
    cpu->has_thread = true;
    WITH_QEMU_LOCK_GUARD(&set->lock)
    {
        while (!cpu->created) {
            qemu_cond_wait(&set->changed, &set->lock);
        }
    }
    if (cpu->init_error) {
        error_propagate(errp, g_steal_pointer(&cpu->init_error));
        cpu_thread_end(cpu);
        return false;
    }
    return true;
}

void cpu_thread_end(CPUState *cpu)
{
    CPUSet *set = cpu_set_of(cpu);

    if (!cpu->has_thread) {
        return;
    }
    assert(!machine_locked() && !current_cpu);
    WITH_QEMU_LOCK_GUARD(&set->lock)
    {
        cpu->quit = true;
        if (!cpu->stopped) {
            accel_class_of(cpu)->vcpu_kick(cpu->vcpu);
        }
        qemu_cond_broadcast(&set->resume);
        cpu_throttle_wake(set);
    }
    qemu_thread_join(&cpu->thread);
    cpu->has_thread = false;
}

static bool all_stopped(CPUSet *set)
{
    for (guint i = 0; i < set->cpus->len; i++) {
        if (!CPU(set->cpus->pdata[i])->stopped) {
            return false;
        }
    }
    return true;
}

/* Under set->lock. */
static void ask_to_stop(CPUSet *set)
{
    for (guint i = 0; i < set->cpus->len; i++) {
        CPUState *cpu = CPU(set->cpus->pdata[i]);

        cpu->stop = true;
        if (!cpu->stopped) {
            accel_class_of(cpu)->vcpu_kick(cpu->vcpu);
        }
    }
    cpu_throttle_wake(set);
}

void cpus_pause_soon(CPUSet *set)
{
    QEMU_LOCK_GUARD(&set->lock);
    ask_to_stop(set);
}

void cpus_pause(CPUSet *set)
{
    assert(!machine_locked() && !current_cpu);
    trace_cpus_pause(set->cpus->len);
    QEMU_LOCK_GUARD(&set->lock);
    ask_to_stop(set);
    while (!all_stopped(set)) {
        qemu_cond_wait(&set->changed, &set->lock);
    }
}

void cpus_resume(CPUSet *set)
{
    trace_cpus_resume(set->cpus->len);
    QEMU_LOCK_GUARD(&set->lock);
    for (guint i = 0; i < set->cpus->len; i++) {
        CPUState *cpu = CPU(set->cpus->pdata[i]);

        cpu->stop = cpu->held;
    }
    qemu_cond_broadcast(&set->resume);
}

void cpus_kick(CPUSet *set)
{
    QEMU_LOCK_GUARD(&set->lock);
    for (guint i = 0; i < set->cpus->len; i++) {
        CPUState *cpu = CPU(set->cpus->pdata[i]);

        if (!cpu->stopped) {
            accel_class_of(cpu)->vcpu_kick(cpu->vcpu);
        }
    }
}

void cpu_stop_current(void)
{
    CPUState *cpu = current_cpu;

    if (!cpu) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&cpu_set_of(cpu)->lock)
    {
        cpu->stop = true;
    }
    accel_class_of(cpu)->vcpu_kick(cpu->vcpu);
}

void cpu_info_free(CPUInfo *info)
{
    if (info) {
        g_free(info->qom_path);
        g_free(info);
    }
}

/* Without a thread a CPU does not run. */
static void cpu_instance_init(Object *obj)
{
    CPUState *cpu = CPU(obj);

    cpu->stop = true;
    cpu->stopped = true;
}

static void cpu_instance_finalize(Object *obj)
{
    CPUState *cpu = CPU(obj);
    AccelState *accel;

    if (cpu->vcpu) {
        accel = cpu->vcpu->accel;
        ACCEL_GET_CLASS(accel)->vcpu_free(cpu->vcpu);
        object_unref(OBJECT(accel));
    }
}

static void cpu_class_init(ObjectClass *oc, void *data)
{
    DEVICE_CLASS(oc)->user_creatable = false;
    DEVICE_CLASS(oc)->hotpluggable = false;
}

extern const TypeInfo hw_type_cpu;
const TypeInfo hw_type_cpu = {
    .name = TYPE_CPU,
    .parent = TYPE_DEVICE,
    .abstract = true,
    .instance_size = sizeof(CPUState),
    .instance_init = cpu_instance_init,
    .instance_finalize = cpu_instance_finalize,
    .class_size = sizeof(CPUClass),
    .class_init = cpu_class_init,
};
