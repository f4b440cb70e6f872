/*
 * The state of an x86 CPU for another host: what every accelerator gives
 * (X86CPUState), and what the guest was shown of the CPU.
 *
 * It can go to another accelerator, too, if what the guest was shown is there
 * and the interrupt controllers are in the same place: in practice between KVM
 * with kernel-irqchip=off and the software CPU, for a guest without KVM's own
 * features (-cpu ...,kvm=off). Registers that the other side has not stay
 * behind if they say nothing; else the load fails and names them.
 *
 * A local APIC outside of the accelerator is a device with a state of its own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/machine-lock.h"
#include "hw/x86/x86-cpu-compat.h"
#include "migration/constants.h"
#include "migration/register.h"
#include "util/error.h"

#define SEG_TYPE_MAX   15u
#define DPL_MAX        3u
#define BIT_INVTSC     8u
#define LEAF_XSAVE     0xdu
#define LEAF_PHYS_BITS 0x80000008u
#define TOLERANCE_PPM  250u
#define PPM            1000000u

/* -- what all have in common --------------------------------------------------- */

static int common_fill(void *opaque)
{
    X86CPU *cpu = opaque;

    cpu->saved.apic_id = CPU(cpu)->apic_id;
    cpu->saved.n_cpus = CPU(cpu)->machine->smp.cpus;
    return 0;
}

/* An APIC id does not tell whether a level above is a die or a socket. */
static void common_constants(void *opaque, VMStateConstants *c)
{
    const CpuTopology *t = &CPU(opaque)->machine->smp;

    vmstate_constant(c, "number of sockets (-smp)", t->sockets);
    vmstate_constant(c, "number of dies (-smp)", t->dies);
    vmstate_constant(c, "number of cores (-smp)", t->cores);
    vmstate_constant(c, "number of threads (-smp)", t->threads);
}

static const VMStateDescription vmstate_common = {
    .name = "cpu_common",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = common_fill,
    .pre_load = common_fill,
    .constants = common_constants,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT32_EQUAL(saved.n_cpus, X86CPU, "number of CPUs"),
            VMSTATE_UINT32_EQUAL(saved.apic_id, X86CPU, "APIC id, from -smp"),
            VMSTATE_END_OF_LIST() },
};

static void note_seen(X86CPU *cpu, const X86CPUIDTable *table)
{
    const X86CPUIDEntry *e = x86_cpuid_find(table, LEAF_PHYS_BITS, 0);

    cpu->seen_phys_bits = e ? e->eax & 0xff : 0;
    for (unsigned i = 0; i < table->count; i++) {
        e = &table->entry[i];
        if (e->function == LEAF_XSAVE && e->index >= 2 &&
            e->index < X86_XSAVE_PLACES) {
            cpu->xsave_place[e->index] = (X86XsavePlace){ e->eax, e->ebx };
        }
    }
}

bool x86_cpu_state_init(X86CPU *cpu, const X86CPUIDTable *table, Error **errp)
{
    note_seen(cpu, table);
    common_fill(cpu);
    MACHINE_LOCK_GUARD();
    return vmstate_register_with(machine_savevm(CPU(cpu)->machine),
                                 vmstate_common.name, VMSTATE_INSTANCE_ID_ANY,
                                 &vmstate_common, cpu, MIG_PRI_DEFAULT,
                                 errp) == 0;
}

void x86_cpu_state_deinit(X86CPU *cpu)
{
    MACHINE_LOCK_GUARD();

    vmstate_unregister_with(machine_savevm(CPU(cpu)->machine), &vmstate_common,
                            cpu);
}

static void drop_parts(X86CPUState *st)
{
    g_clear_pointer(&st->xsave, g_free);
    g_clear_pointer(&st->msrs, g_free);
    st->xsave_bytes = 0;
    st->n_msrs = 0;
}

void x86_cpu_state_free(X86CPU *cpu)
{
    drop_parts(&cpu->saved.state);
}

/* -- saving and loading -------------------------------------------------------------- */

/* The local APIC is not the accelerator's, but a device. */
static bool has_lapic(const X86CPU *cpu)
{
    return accel_irqchip(CPU(cpu)->machine->accel) != ACCEL_IRQCHIP_USER;
}

static unsigned state_mask(const X86CPU *cpu)
{
    return X86_STATE_ALL & ~(has_lapic(cpu) ? 0 : X86_STATE_LAPIC);
}

static bool cpu_pre_save(void *opaque, Error **errp)
{
    X86CPU *cpu = opaque;
    X86CPUSaved *s = &cpu->saved;
    AccelVCPU *vcpu = CPU(cpu)->vcpu;
    AccelClass *ac = ACCEL_GET_CLASS(vcpu->accel);

    drop_parts(&s->state);
    if ((ac->vcpu_savable && !ac->vcpu_savable(vcpu, errp)) ||
        !ac->vcpu_get_state(vcpu, state_mask(cpu), &s->state, errp)) {
        return false;
    }
    x86_cpu_describe(cpu);
    s->mp_state = s->state.mp_state;
    s->xsave_bytes = (uint32_t)s->state.xsave_bytes;
    s->n_msrs = (int32_t)s->state.n_msrs;
    return true;
}

static int cpu_post_save(void *opaque)
{
    drop_parts(&((X86CPU *)opaque)->saved.state);
    return 0;
}

static int cpu_pre_load(void *opaque)
{
    X86CPU *cpu = opaque;

    drop_parts(&cpu->saved.state);
    cpu->saved.has_lapic = false;
    cpu->saved.state.pdptrs_valid = false;
    return 0;
}

static bool check_values(const X86CPU *cpu, Error **errp)
{
    const X86CPUSaved *s = &cpu->saved;

    for (unsigned i = 0; i < X86_SEG_COUNT; i++) {
        const X86Segment *seg = &s->state.seg[i];

        if (seg->type > SEG_TYPE_MAX || seg->dpl > DPL_MAX) {
            error_setg(errp, "CPU %d: segment %u has type %u, level %u",
                       CPU(cpu)->cpu_index, i, seg->type, seg->dpl);
            return false;
        }
    }
    if (s->mp_state > X86_MP_SIPI_RECEIVED) {
        error_setg(errp, "CPU %d: run state %u", CPU(cpu)->cpu_index,
                   s->mp_state);
        return false;
    }
    if (has_lapic(cpu) && !s->has_lapic) {
        error_setg(errp, "CPU %d: the local APIC is missing",
                   CPU(cpu)->cpu_index);
        return false;
    }
    return true;
}

/* A guest that was promised a counter of constant rate gets it. */
static bool check_rate(const X86CPU *cpu, Error **errp)
{
    AccelVCPU *vcpu = CPU(cpu)->vcpu;
    uint32_t theirs = cpu->saved.state.tsc_khz;
    g_autoptr(X86CPUState) now = x86_state_new();
    uint32_t diff;

    if (!x86_feature_test(cpu->features, FEAT_8000_0007_EDX, BIT_INVTSC) ||
        !theirs) {
        return true;
    }
    if (!ACCEL_GET_CLASS(vcpu->accel)
             ->vcpu_get_state(vcpu, X86_STATE_MSRS, now, errp)) {
        return false;
    }
    diff =
        now->tsc_khz > theirs ? now->tsc_khz - theirs : theirs - now->tsc_khz;
    if ((uint64_t)diff * PPM > (uint64_t)theirs * TOLERANCE_PPM) {
        error_setg(errp,
                   "CPU %d: the guest's time stamp counter (invtsc) has %u "
                   "kHz, this host can only do %u kHz",
                   CPU(cpu)->cpu_index, theirs, now->tsc_khz);
        return false;
    }
    return true;
}

static bool cpu_post_load(void *opaque, int version_id, Error **errp)
{
    X86CPU *cpu = opaque;
    X86CPUSaved *s = &cpu->saved;
    AccelVCPU *vcpu = CPU(cpu)->vcpu;
    unsigned mask = state_mask(cpu) | X86_STATE_INCOMING;
    bool ok;

    s->state.mp_state = (X86MPState)s->mp_state;
    s->state.xsave_bytes = s->xsave_bytes;
    s->state.n_msrs = (size_t)s->n_msrs;
    ok = check_values(cpu, errp) && x86_cpu_check_compatible(cpu, errp) &&
         ACCEL_GET_CLASS(vcpu->accel)
             ->vcpu_set_state(vcpu, mask, &s->state, errp) &&
         check_rate(cpu, errp);
    drop_parts(&s->state);
    return ok;
}

/* -- tables ---------------------------------------------------------------------------- */

static const VMStateDescription vmstate_word = {
    .name = "cpu-features",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT32(function, X86SavedWord),
                                      VMSTATE_UINT32(index, X86SavedWord),
                                      VMSTATE_UINT8(reg, X86SavedWord),
                                      VMSTATE_UINT32(value, X86SavedWord),
                                      VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_place = {
    .name = "cpu-xsave-component",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT32(bytes, X86XsavePlace),
                                      VMSTATE_UINT32(offset, X86XsavePlace),
                                      VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_segment = {
    .name = "cpu-segment",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(base, X86Segment), VMSTATE_UINT32(limit, X86Segment),
            VMSTATE_UINT16(selector, X86Segment),
            VMSTATE_UINT8(type, X86Segment), VMSTATE_BOOL(s, X86Segment),
            VMSTATE_UINT8(dpl, X86Segment), VMSTATE_BOOL(present, X86Segment),
            VMSTATE_BOOL(avl, X86Segment), VMSTATE_BOOL(l, X86Segment),
            VMSTATE_BOOL(db, X86Segment), VMSTATE_BOOL(g, X86Segment),
            VMSTATE_BOOL(unusable, X86Segment), VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_table = {
    .name = "cpu-table",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT64(base, X86Table),
                                      VMSTATE_UINT16(limit, X86Table),
                                      VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_msr = {
    .name = "cpu-msr",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT32(index, X86MSR),
                                      VMSTATE_UINT64(value, X86MSR),
                                      VMSTATE_END_OF_LIST() },
};

#define EVENT_BOOL(f) VMSTATE_BOOL(f, X86Events)

static const VMStateDescription vmstate_events = {
    .name = "cpu-events",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){ EVENT_BOOL(exception_pending),
                                EVENT_BOOL(exception_injected),
                                EVENT_BOOL(exception_has_error),
                                VMSTATE_UINT8(exception_vector, X86Events),
                                VMSTATE_UINT32(exception_error, X86Events),
                                VMSTATE_UINT64(exception_payload, X86Events),
                                EVENT_BOOL(exception_has_payload),
                                EVENT_BOOL(interrupt_injected),
                                EVENT_BOOL(interrupt_soft),
                                VMSTATE_UINT8(interrupt_vector, X86Events),
                                VMSTATE_UINT8(interrupt_shadow, X86Events),
                                EVENT_BOOL(nmi_injected),
                                EVENT_BOOL(nmi_pending),
                                EVENT_BOOL(nmi_masked),
                                VMSTATE_UINT32(sipi_vector, X86Events),
                                EVENT_BOOL(smm),
                                EVENT_BOOL(smm_pending),
                                EVENT_BOOL(smm_inside_nmi),
                                EVENT_BOOL(smm_latched_init),
                                EVENT_BOOL(triple_fault_pending),
                                EVENT_BOOL(init_pending),
                                EVENT_BOOL(sipi_pending),
                                VMSTATE_END_OF_LIST() },
};

static bool lapic_needed(void *opaque)
{
    return has_lapic(opaque);
}

static int lapic_post_load(void *opaque, int version_id)
{
    ((X86CPU *)opaque)->saved.has_lapic = true;
    return 0;
}

static const VMStateDescription vmstate_lapic = {
    .name = "cpu/lapic",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = lapic_needed,
    .post_load = lapic_post_load,
    .fields = (const VMStateField[]){ VMSTATE_BUFFER(saved.state.lapic, X86CPU),
                                      VMSTATE_END_OF_LIST() },
};

static bool pdptrs_needed(void *opaque)
{
    return ((X86CPU *)opaque)->saved.state.pdptrs_valid;
}

static int pdptrs_post_load(void *opaque, int version_id)
{
    ((X86CPU *)opaque)->saved.state.pdptrs_valid = true;
    return 0;
}

static const VMStateDescription vmstate_pdptrs = {
    .name = "cpu/pdptrs",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = pdptrs_needed,
    .post_load = pdptrs_post_load,
    .fields = (const VMStateField[]){ VMSTATE_UINT64_ARRAY(saved.state.pdptrs,
                                                           X86CPU, 4),
                                      VMSTATE_END_OF_LIST() },
};

#define REG64(f) VMSTATE_UINT64(saved.state.f, X86CPU)

const VMStateDescription vmstate_x86_cpu = {
    .name = "cpu",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save_errp = cpu_pre_save,
    .post_save = cpu_post_save,
    .pre_load = cpu_pre_load,
    .post_load_errp = cpu_post_load,
    .constants = x86_cpu_constants,
    .fields =
        (const VMStateField[]){
            VMSTATE_BUFFER(saved.vendor, X86CPU),
            VMSTATE_UINT32(saved.phys_bits, X86CPU),
            VMSTATE_UINT8(saved.n_words, X86CPU),
            VMSTATE_STRUCT_VARRAY_UINT8(saved.word, X86CPU, saved.n_words, 1,
                                        vmstate_word, X86SavedWord),
            VMSTATE_STRUCT_ARRAY(saved.place, X86CPU, X86_XSAVE_PLACES, 1,
                                 vmstate_place, X86XsavePlace),
            VMSTATE_UINT64_ARRAY(saved.state.gpr, X86CPU, X86_GPR_COUNT),
            REG64(rip),
            REG64(rflags),
            VMSTATE_STRUCT_ARRAY(saved.state.seg, X86CPU, X86_SEG_COUNT, 1,
                                 vmstate_segment, X86Segment),
            VMSTATE_STRUCT(saved.state.gdt, X86CPU, 1, vmstate_table, X86Table),
            VMSTATE_STRUCT(saved.state.idt, X86CPU, 1, vmstate_table, X86Table),
            REG64(cr0),
            REG64(cr2),
            REG64(cr3),
            REG64(cr4),
            REG64(cr8),
            REG64(efer),
            REG64(apic_base),
            REG64(xcr0),
            VMSTATE_UINT32(saved.xsave_bytes, X86CPU),
            VMSTATE_VBUFFER_ALLOC_UINT32_MAX(saved.state.xsave, X86CPU, 0, NULL,
                                             saved.xsave_bytes,
                                             X86_XSAVE_BYTES_MAX),
            VMSTATE_UINT32(saved.state.tsc_khz, X86CPU),
            VMSTATE_INT32(saved.n_msrs, X86CPU),
            VMSTATE_STRUCT_VARRAY_ALLOC_MAX(saved.state.msrs, X86CPU,
                                            saved.n_msrs, 0, vmstate_msr,
                                            X86MSR, X86_MSR_COUNT_MAX),
            VMSTATE_STRUCT(saved.state.events, X86CPU, 1, vmstate_events,
                           X86Events),
            VMSTATE_UINT32(saved.mp_state, X86CPU),
            VMSTATE_UINT64_ARRAY(saved.state.dr, X86CPU, 4),
            REG64(dr6),
            REG64(dr7),
            VMSTATE_END_OF_LIST() },
    .subsections = (const VMStateDescription *const[]){ &vmstate_lapic,
                                                        &vmstate_pdptrs, NULL },
};
