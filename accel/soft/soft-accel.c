/*
 * The accelerator "soft" (also called "tcg"): a CPU in software.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-accel.h"

#include <sys/mman.h>

#include "qom/property.h"
#include "util/error.h"
#include "util/lockable.h"

#include "interp.h"
#include "jit.h"
#include "native.h"

static const Property soft_props[] = {
    { "jit", PROP_BOOL, offsetof(SoftAccel, jit), .def = "on",
      .help = "translate guest code; off = interpret every instruction",
      .since = "0.1" },
    { "tb-size", PROP_UINT32, offsetof(SoftAccel, tb_size_mib), .unit = "MiB",
      .def = "0",
      .help = "memory of each CPU for translated code; 0 = automatic",
      .since = "0.1" },
    { "perf-map", PROP_BOOL, offsetof(SoftAccel, perf_map), .def = "off",
      .help = "write /tmp/perf-PID.map, by which perf(1) names translated code",
      .since = "0.1" },
    {},
};

/* Vector instructions are executed by the host (native.h). */
static bool soft_available(Error **errp)
{
    if (!__builtin_cpu_supports("sse4.2")) {
        error_setg(errp, "the host's CPU lacks SSE4.2");
        return false;
    }
    return true;
}

static bool soft_init_machine(AccelState *accel, unsigned max_cpus,
                              Error **errp)
{
    SoftAccel *s = SOFT_ACCEL(accel);

    if (s->jit) {
        s->translator = soft_jit_translator(errp);
        if (!s->translator) {
            return false;
        }
    }
    s->tsc_hz = soft_host_tsc_hz();
    s->tb_size_bytes = (uint64_t)s->tb_size_mib << 20;
    return true;
}

/* -- vCPUs -------------------------------------------------------------------------- */

static SoftCPU *cpu_alloc(Error **errp)
{
    /* Mapped, not allocated: most of a large TLB is never touched. */
    void *p = mmap(NULL, sizeof(SoftCPU), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        error_setg_errno(errp, errno, "could not allocate a CPU");
        return NULL;
    }
    return p;
}

static void soft_vcpu_free(AccelVCPU *base)
{
    SoftCPU *cpu;
    SoftAccel *s;

    if (!base) {
        return;
    }
    cpu = soft_cpu(base);
    s = soft_accel_of(cpu);
    WITH_QEMU_LOCK_GUARD(&s->cpus_lock)
    {
        g_ptr_array_remove(s->cpus, cpu);
    }
    if (cpu->jit) {
        s->translator->vcpu_free(cpu);
    }
    soft_interp_free(cpu->interp);
    soft_native_free(cpu->native);
    qemu_cond_destroy(&cpu->priv->idle);
    qemu_cond_destroy(&cpu->priv->wake);
    qemu_mutex_destroy(&cpu->priv->lock);
    g_free(cpu->priv->cpuid);
    g_free(cpu->priv);
    munmap(cpu, sizeof(*cpu));
}

static void private_init(SoftCPU *cpu)
{
    SoftCPUPrivate *priv = g_new0(SoftCPUPrivate, 1);

    qemu_mutex_init(&priv->lock);
    qemu_cond_init(&priv->wake);
    qemu_cond_init(&priv->idle);
    priv->apic_page = SOFT_NO_GPA;
    priv->phys_bits = 40;
    priv->injected = -1;
    cpu->priv = priv;
    cpu->tlb_bits = SOFT_TLB_BITS_MIN;
    soft_tlb_init(cpu);
}

static AccelVCPU *soft_vcpu_new(AccelState *accel, unsigned index,
                                uint32_t apic_id, Error **errp)
{
    SoftAccel *s = SOFT_ACCEL(accel);
    SoftCPU *cpu = cpu_alloc(errp);

    if (!cpu) {
        return NULL;
    }
    cpu->base = (AccelVCPU){ accel, index, apic_id };
    private_init(cpu);
    cpu->interp = soft_interp_new();
    cpu->native = soft_native_new(errp);
    if (!cpu->native ||
        (s->translator && !s->translator->vcpu_new(cpu, errp))) {
        soft_vcpu_free(&cpu->base);
        return NULL;
    }
    soft_cpu_reset(cpu, index == 0);
    WITH_QEMU_LOCK_GUARD(&s->cpus_lock)
    {
        g_ptr_array_add(s->cpus, cpu);
    }
    return &cpu->base;
}

static bool soft_vcpu_thread_init(AccelVCPU *base, Error **errp)
{
    SoftCPU *cpu = soft_cpu(base);
    const SoftTranslator *t = soft_accel_of(cpu)->translator;

    return !t || t->thread_init(cpu, errp);
}

static bool soft_vcpu_reset(AccelVCPU *base, bool is_bsp, Error **errp)
{
    SoftCPU *cpu = soft_cpu(base);

    cpu->priv->has_apic = base->accel->irq_host;
    soft_cpu_reset(cpu, is_bsp);
    return true;
}

/* -- the class ------------------------------------------------------------------------ */

static void soft_instance_init(Object *obj)
{
    SoftAccel *s = SOFT_ACCEL(obj);

    qemu_mutex_init(&s->map_lock);
    qemu_mutex_init(&s->split_lock);
    qemu_mutex_init(&s->cpus_lock);
    qemu_mutex_init(&s->time_lock);
    s->cpus = g_ptr_array_new();
    s->stopped = true; /* until vm_state_changed */
}

static void soft_instance_finalize(Object *obj)
{
    SoftAccel *s = SOFT_ACCEL(obj);

    soft_map_free(s);
    g_ptr_array_unref(s->cpus);
    qemu_mutex_destroy(&s->time_lock);
    qemu_mutex_destroy(&s->cpus_lock);
    qemu_mutex_destroy(&s->split_lock);
    qemu_mutex_destroy(&s->map_lock);
}

static void soft_class_init(ObjectClass *oc, void *data)
{
    AccelClass *ac = ACCEL_CLASS(oc);

    ac->name = "soft";
    ac->available = soft_available;
    ac->init_machine = soft_init_machine;
    ac->cpuid_supported = soft_cpuid_supported;
    ac->map_ram = soft_map_ram;
    ac->unmap_ram = soft_unmap_ram;
    ac->vcpu_new = soft_vcpu_new;
    ac->vcpu_free = soft_vcpu_free;
    ac->vcpu_thread_init = soft_vcpu_thread_init;
    ac->vcpu_run = soft_vcpu_run;
    ac->vcpu_kick = soft_vcpu_kick;
    ac->vcpu_set_cpuid = soft_vcpu_set_cpuid;
    ac->vcpu_reset = soft_vcpu_reset;
    ac->vcpu_get_state = soft_vcpu_get_state;
    ac->vcpu_set_state = soft_vcpu_set_state;
    ac->vcpu_nmi = soft_vcpu_nmi;
    ac->vm_state_changed = soft_vm_state_changed;
    ac->vcpu_set_debug = soft_vcpu_set_debug;
    ac->vcpu_debug_hit = soft_vcpu_debug_hit;
    ac->vcpu_intr = soft_vcpu_intr;
    ac->vcpu_signal = soft_vcpu_signal;
    ac->vcpu_tsc_to_ns = soft_vcpu_tsc_to_ns;
    ac->ram_change_begin = soft_ram_change_begin;
    ac->ram_change_end = soft_ram_change_end;
    ac->dirty_log_start = soft_log_start;
    ac->dirty_log_stop = soft_log_stop;
    ac->dirty_log_sync = soft_log_sync;
    ac->dirty_log_clear = soft_log_clear;
    ac->vcpu_dirty_pages = soft_vcpu_dirty_pages;
    ac->ram_written = soft_ram_written;
}

extern const TypeInfo accel_type_soft;
const TypeInfo accel_type_soft = {
    .name = TYPE_SOFT_ACCEL,
    .parent = TYPE_ACCEL,
    .instance_size = sizeof(SoftAccel),
    .instance_init = soft_instance_init,
    .instance_finalize = soft_instance_finalize,
    .class_init = soft_class_init,
    .props = soft_props,
};
