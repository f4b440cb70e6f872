/*
 * Moving the state of a vCPU between the kernel's structs and X86CPUState.
 * Model specific registers are in kvm-msr.c, what has to do with time in
 * kvm-time.c.
 *
 * Order matters when setting: segments and control registers (with the APIC
 * base) come before the local APIC, the run state before pending events.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <cpuid.h>

#include "util/error.h"

#include "kvm-internal.h"

#define XSAVE_BYTES_BASE 4096u
/* Legacy area and header (SDM 1, 13.4). */
#define XSAVE_BYTES_MIN 576u
#define XSAVE_HEADER    512u
#define XSAVE_FIRST_EXT 2u
#define CPUID_XSAVE     0xdu
#define RFLAGS_IF_SHIFT 9

static bool fail(KVMVCPU *vcpu, const char *what, int ret, Error **errp)
{
    error_setg_errno(errp, -ret, "CPU %u: %s failed", vcpu->base.index, what);
    return false;
}

static bool is_outside(const KVMVCPU *vcpu)
{
    return kvm_of(vcpu)->irqchip_mode == KVM_IRQCHIP_MODE_OFF;
}

/* -- general and segment registers ---------------------------------------- */

/* KVM names them; X86CPUState numbers them as the architecture does. */
static void regs_pointers(struct kvm_regs *r, __u64 *p[X86_GPR_COUNT])
{
    __u64 *const order[X86_GPR_COUNT] = {
        &r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
        &r->r8,  &r->r9,  &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15,
    };

    memcpy(p, order, sizeof(order));
}

static bool get_regs(KVMVCPU *vcpu, X86CPUState *st, Error **errp)
{
    struct kvm_regs r;
    __u64 *p[X86_GPR_COUNT];
    int ret = kvm_ioctl(vcpu->fd, KVM_GET_REGS, &r);

    if (ret < 0) {
        return fail(vcpu, "KVM_GET_REGS", ret, errp);
    }
    regs_pointers(&r, p);
    for (int i = 0; i < X86_GPR_COUNT; i++) {
        st->gpr[i] = *p[i];
    }
    st->rip = r.rip;
    st->rflags = r.rflags;
    return true;
}

static bool set_regs(KVMVCPU *vcpu, const X86CPUState *st, bool incoming,
                     Error **errp)
{
    struct kvm_regs r = { .rip = st->rip, .rflags = st->rflags };
    __u64 *p[X86_GPR_COUNT];
    int ret;

    regs_pointers(&r, p);
    for (int i = 0; i < X86_GPR_COUNT; i++) {
        *p[i] = st->gpr[i];
    }
    /* What the last exit would have left: a halted CPU looks at it. */
    vcpu->run->if_flag = st->rflags >> RFLAGS_IF_SHIFT & 1;
    ret = kvm_ioctl(vcpu->fd, KVM_SET_REGS, &r);
    return ret < 0 ? fail(vcpu, "KVM_SET_REGS", ret, errp) : true;
}

static X86Segment segment_from_kvm(const struct kvm_segment *s)
{
    return (X86Segment){
        .base = s->base,
        .limit = s->limit,
        .selector = s->selector,
        .type = s->type,
        .s = s->s,
        .dpl = s->dpl,
        .present = s->present,
        .avl = s->avl,
        .l = s->l,
        .db = s->db,
        .g = s->g,
        .unusable = s->unusable,
    };
}

static struct kvm_segment segment_to_kvm(const X86Segment *s)
{
    return (struct kvm_segment){
        .base = s->base,
        .limit = s->limit,
        .selector = s->selector,
        .type = s->type,
        .s = s->s,
        .dpl = s->dpl,
        .present = s->present,
        .avl = s->avl,
        .l = s->l,
        .db = s->db,
        .g = s->g,
        .unusable = s->unusable,
    };
}

static void sregs_segments(struct kvm_sregs *s,
                           struct kvm_segment *p[X86_SEG_COUNT])
{
    struct kvm_segment *const order[X86_SEG_COUNT] = {
        &s->es, &s->cs, &s->ss, &s->ds, &s->fs, &s->gs, &s->ldt, &s->tr,
    };

    memcpy(p, order, sizeof(order));
}

/* The page directory pointers of PAE paging are registers: memory may say
 * something else by now. */
static bool get_pdptrs(KVMVCPU *vcpu, X86CPUState *st, Error **errp)
{
    struct kvm_sregs2 s2;
    int ret;

    st->pdptrs_valid = false;
    if (!kvm_of(vcpu)->caps.sregs2) {
        return true;
    }
    ret = kvm_ioctl(vcpu->fd, KVM_GET_SREGS2, &s2);
    if (ret < 0) {
        return fail(vcpu, "KVM_GET_SREGS2", ret, errp);
    }
    if (s2.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID) {
        st->pdptrs_valid = true;
        for (int i = 0; i < 4; i++) {
            st->pdptrs[i] = s2.pdptrs[i];
        }
    }
    return true;
}

static bool set_pdptrs(KVMVCPU *vcpu, const X86CPUState *st, Error **errp)
{
    struct kvm_sregs2 s2;
    int ret = kvm_ioctl(vcpu->fd, KVM_GET_SREGS2, &s2);

    if (ret < 0) {
        return fail(vcpu, "KVM_GET_SREGS2", ret, errp);
    }
    s2.flags |= KVM_SREGS2_FLAGS_PDPTRS_VALID;
    for (int i = 0; i < 4; i++) {
        s2.pdptrs[i] = st->pdptrs[i];
    }
    ret = kvm_ioctl(vcpu->fd, KVM_SET_SREGS2, &s2);
    return ret < 0 ? fail(vcpu, "KVM_SET_SREGS2", ret, errp) : true;
}

/* The local APIC has the base register, where that is outside of the kernel. */
static bool set_outside_base(KVMVCPU *vcpu, const X86CPUState *st, Error **errp)
{
    AccelState *accel = vcpu->base.accel;

    if (!accel->irq_host->msr_write(accel->irq_opaque, vcpu->base.index,
                                    MSR_IA32_APIC_BASE, st->apic_base)) {
        error_setg(errp, "CPU %u: APIC base 0x%" PRIx64 " is not valid",
                   vcpu->base.index, st->apic_base);
        return false;
    }
    vcpu->apic_base = st->apic_base;
    return true;
}

static bool get_sregs(KVMVCPU *vcpu, X86CPUState *st, Error **errp)
{
    struct kvm_sregs s;
    struct kvm_segment *p[X86_SEG_COUNT];
    int ret = kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &s);

    if (ret < 0) {
        return fail(vcpu, "KVM_GET_SREGS", ret, errp);
    }
    sregs_segments(&s, p);
    for (int i = 0; i < X86_SEG_COUNT; i++) {
        st->seg[i] = segment_from_kvm(p[i]);
    }
    st->gdt = (X86Table){ s.gdt.base, s.gdt.limit };
    st->idt = (X86Table){ s.idt.base, s.idt.limit };
    st->cr0 = s.cr0;
    st->cr2 = s.cr2;
    st->cr3 = s.cr3;
    st->cr4 = s.cr4;
    st->cr8 = s.cr8;
    st->efer = s.efer;
    st->apic_base = s.apic_base;
    return get_pdptrs(vcpu, st, errp);
}

static bool set_sregs(KVMVCPU *vcpu, const X86CPUState *st, bool incoming,
                      Error **errp)
{
    struct kvm_sregs s = {
        .gdt = { .base = st->gdt.base, .limit = st->gdt.limit },
        .idt = { .base = st->idt.base, .limit = st->idt.limit },
        .cr0 = st->cr0,
        .cr2 = st->cr2,
        .cr3 = st->cr3,
        .cr4 = st->cr4,
        .cr8 = st->cr8,
        .efer = st->efer,
        .apic_base = st->apic_base,
    };
    struct kvm_segment *p[X86_SEG_COUNT];
    int ret;

    sregs_segments(&s, p);
    for (int i = 0; i < X86_SEG_COUNT; i++) {
        *p[i] = segment_to_kvm(&st->seg[i]);
    }
    if (st->events.interrupt_injected) {
        unsigned v = st->events.interrupt_vector;
        s.interrupt_bitmap[v / 64] |= 1ull << (v % 64);
    }
    ret = kvm_ioctl(vcpu->fd, KVM_SET_SREGS, &s);
    if (ret < 0) {
        return fail(vcpu, "KVM_SET_SREGS", ret, errp);
    }
    if (st->pdptrs_valid && kvm_of(vcpu)->caps.sregs2 &&
        !set_pdptrs(vcpu, st, errp)) {
        return false;
    }
    return !incoming || !is_outside(vcpu) || set_outside_base(vcpu, st, errp);
}

/* -- floating point and vector state -------------------------------------- */

static bool get_xcr0(KVMVCPU *vcpu, X86CPUState *st, Error **errp)
{
    struct kvm_xcrs xcrs = { 0 };
    int ret;

    st->xcr0 = 1;
    if (!kvm_of(vcpu)->caps.xcrs) {
        return true;
    }
    ret = kvm_ioctl(vcpu->fd, KVM_GET_XCRS, &xcrs);
    if (ret < 0) {
        return fail(vcpu, "KVM_GET_XCRS", ret, errp);
    }
    for (uint32_t i = 0; i < xcrs.nr_xcrs && i < KVM_MAX_XCRS; i++) {
        if (xcrs.xcrs[i].xcr == 0) {
            st->xcr0 = xcrs.xcrs[i].value;
        }
    }
    return true;
}

static bool get_fpu(KVMVCPU *vcpu, X86CPUState *st, Error **errp)
{
    int bytes = kvm_of(vcpu)->caps.xsave_bytes;
    unsigned long request =
        bytes > (int)XSAVE_BYTES_BASE ? KVM_GET_XSAVE2 : KVM_GET_XSAVE;
    int ret;

    if (!bytes) {
        return true;
    }
    if (bytes > (int)X86_XSAVE_BYTES_MAX) {
        error_setg(errp, "CPU %u: XSAVE area of %d bytes is over the limit %u",
                   vcpu->base.index, bytes, X86_XSAVE_BYTES_MAX);
        return false;
    }
    g_free(st->xsave);
    st->xsave = g_malloc0((size_t)bytes);
    st->xsave_bytes = (size_t)bytes;
    ret = kvm_ioctl(vcpu->fd, request, st->xsave);
    if (ret < 0) {
        return fail(vcpu, "KVM_GET_XSAVE", ret, errp);
    }
    return get_xcr0(vcpu, st, errp);
}

/* End of component @n in the standard form on this host; 0: there is none. */
static uint64_t component_end(unsigned n)
{
    uint32_t eax, ebx, ecx, edx;

    if (!__get_cpuid_count(CPUID_XSAVE, n, &eax, &ebx, &ecx, &edx) || !eax) {
        return 0;
    }
    return (uint64_t)eax + ebx;
}

/* The area may come from a host with another size of it: what is in use must
 * be known here and be inside of it. */
static bool check_xsave(KVMVCPU *vcpu, const X86CPUState *st, size_t room,
                        Error **errp)
{
    uint64_t in_use;

    if (st->xsave_bytes < XSAVE_BYTES_MIN ||
        st->xsave_bytes > X86_XSAVE_BYTES_MAX) {
        error_setg(errp, "CPU %u: XSAVE area of %zu bytes", vcpu->base.index,
                   st->xsave_bytes);
        return false;
    }
    memcpy(&in_use, st->xsave + XSAVE_HEADER, sizeof(in_use));
    in_use = GUINT64_FROM_LE(in_use);
    for (unsigned n = XSAVE_FIRST_EXT; n < 64; n++) {
        uint64_t end = in_use >> n & 1 ? component_end(n) : 1;

        if (!end || end > room || (end > 1 && end > st->xsave_bytes)) {
            error_setg(errp,
                       "CPU %u: XSAVE component %u is in use, this host has "
                       "no room for it",
                       vcpu->base.index, n);
            return false;
        }
    }
    return true;
}

static bool set_xsave(KVMVCPU *vcpu, const X86CPUState *st, Error **errp)
{
    size_t room = (size_t)kvm_of(vcpu)->caps.xsave_bytes;
    g_autofree uint8_t *area = g_malloc0(room);
    int ret;

    if (!check_xsave(vcpu, st, room, errp)) {
        return false;
    }
    memcpy(area, st->xsave, MIN(room, st->xsave_bytes));
    ret = kvm_ioctl(vcpu->fd, KVM_SET_XSAVE, area);
    return ret < 0 ? fail(vcpu, "KVM_SET_XSAVE", ret, errp) : true;
}

static bool set_fpu(KVMVCPU *vcpu, const X86CPUState *st, bool incoming,
                    Error **errp)
{
    const KVMCaps *caps = &kvm_of(vcpu)->caps;
    int ret;

    /* XCR0 first: it says what the area may hold. KVM reports no register at
     * all to a guest without XSAVE, and takes none. */
    if (caps->xcrs) {
        struct kvm_xcrs now = { 0 };
        ret = kvm_ioctl(vcpu->fd, KVM_GET_XCRS, &now);
        if (ret == 0 && now.nr_xcrs > 0) {
            struct kvm_xcrs xcrs = { .nr_xcrs = 1,
                                     .xcrs = { { .value = st->xcr0 } } };
            ret = kvm_ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs);
            if (ret < 0) {
                return fail(vcpu, "KVM_SET_XCRS", ret, errp);
            }
        }
    }
    return !st->xsave || set_xsave(vcpu, st, errp);
}

/* -- local APIC, events, run state, debug registers ------------------------ */

static bool get_lapic(KVMVCPU *vcpu, X86CPUState *st, Error **errp)
{
    AccelState *accel = vcpu->base.accel;
    int ret;

    if (is_outside(vcpu)) {
        accel->irq_host->get_state(accel->irq_opaque, vcpu->base.index,
                                   st->lapic);
        return true;
    }
    ret = kvm_ioctl(vcpu->fd, KVM_GET_LAPIC, st->lapic);
    if (ret < 0) {
        return fail(vcpu, "KVM_GET_LAPIC", ret, errp);
    }
    kvm_time_adjust_lapic(vcpu, st->lapic);
    return true;
}

static bool set_lapic(KVMVCPU *vcpu, const X86CPUState *st, bool incoming,
                      Error **errp)
{
    AccelState *accel = vcpu->base.accel;
    struct kvm_lapic_state lapic;
    int ret;

    if (is_outside(vcpu)) {
        return accel->irq_host->set_state(accel->irq_opaque, vcpu->base.index,
                                          st->lapic, st->apic_base, errp);
    }
    memcpy(&lapic, st->lapic, sizeof(lapic));
    if (incoming) {
        kvm_time_take_lapic(vcpu, (uint8_t *)lapic.regs);
    }
    ret = kvm_ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic);
    return ret < 0 ? fail(vcpu, "KVM_SET_LAPIC", ret, errp) : true;
}

/* What came from outside of the kernel and was not looked at yet. */
static void add_signals(const KVMVCPU *vcpu, X86Events *ev)
{
    unsigned signals = qatomic_read(&vcpu->signals);

    ev->nmi_pending |= signals >> ACCEL_SIGNAL_NMI & 1;
    ev->smm_pending |= signals >> ACCEL_SIGNAL_SMI & 1;
    ev->init_pending = signals >> ACCEL_SIGNAL_INIT & 1;
    ev->sipi_pending = signals >> ACCEL_SIGNAL_SIPI & 1;
    if (ev->sipi_pending) {
        ev->sipi_vector = qatomic_read(&vcpu->sipi_vector);
    }
}

static void set_signals(KVMVCPU *vcpu, const X86CPUState *st)
{
    const X86Events *ev = &st->events;
    bool sipi = ev->sipi_pending || st->mp_state == X86_MP_SIPI_RECEIVED;

    qatomic_set(&vcpu->sipi_vector, ev->sipi_vector & 0xff);
    qatomic_set(&vcpu->signals,
                (unsigned)ev->init_pending << ACCEL_SIGNAL_INIT |
                    (unsigned)sipi << ACCEL_SIGNAL_SIPI);
}

static bool get_events(KVMVCPU *vcpu, X86CPUState *st, Error **errp)
{
    struct kvm_vcpu_events e = { 0 };
    int ret;

    st->events = (X86Events){ 0 };
    if (!kvm_of(vcpu)->caps.vcpu_events) {
        return true;
    }
    ret = kvm_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &e);
    if (ret < 0) {
        return fail(vcpu, "KVM_GET_VCPU_EVENTS", ret, errp);
    }
    st->events = (X86Events){
        .exception_injected = e.exception.injected,
        .exception_pending = e.exception.pending,
        .exception_vector = e.exception.nr,
        .exception_has_error = e.exception.has_error_code,
        .exception_error = e.exception.error_code,
        .exception_has_payload = e.exception_has_payload,
        .exception_payload = e.exception_payload,
        .interrupt_injected = e.interrupt.injected,
        .interrupt_vector = e.interrupt.nr,
        .interrupt_soft = e.interrupt.soft,
        .interrupt_shadow = e.interrupt.shadow,
        .nmi_injected = e.nmi.injected,
        .nmi_pending = e.nmi.pending,
        .nmi_masked = e.nmi.masked,
        .sipi_vector = e.sipi_vector,
        .smm = e.smi.smm,
        .smm_pending = e.smi.pending,
        .smm_inside_nmi = e.smi.smm_inside_nmi,
        .smm_latched_init = e.smi.latched_init,
    };
#ifdef KVM_VCPUEVENT_VALID_TRIPLE_FAULT
    st->events.triple_fault_pending = e.triple_fault.pending;
#endif
    if (is_outside(vcpu)) {
        add_signals(vcpu, &st->events);
    }
    return true;
}

static bool set_events(KVMVCPU *vcpu, const X86CPUState *st, bool incoming,
                       Error **errp)
{
    const KVMCaps *caps = &kvm_of(vcpu)->caps;
    const X86Events *ev = &st->events;
    struct kvm_vcpu_events e = {
        .exception = { .injected = ev->exception_injected,
                       .pending = ev->exception_pending,
                       .nr = ev->exception_vector,
                       .has_error_code = ev->exception_has_error,
                       .error_code = ev->exception_error },
        .exception_has_payload = ev->exception_has_payload,
        .exception_payload = ev->exception_payload,
        .interrupt = { .injected = ev->interrupt_injected,
                       .nr = ev->interrupt_vector,
                       .soft = ev->interrupt_soft,
                       .shadow = ev->interrupt_shadow },
        .nmi = { .injected = ev->nmi_injected,
                 .pending = ev->nmi_pending,
                 .masked = ev->nmi_masked },
        .sipi_vector = ev->sipi_vector,
        .smi = { .smm = ev->smm,
                 .pending = ev->smm_pending,
                 .smm_inside_nmi = ev->smm_inside_nmi,
                 .latched_init = ev->smm_latched_init },
        .flags = KVM_VCPUEVENT_VALID_NMI_PENDING |
                 KVM_VCPUEVENT_VALID_SIPI_VECTOR | KVM_VCPUEVENT_VALID_SHADOW,
    };
    int ret;

    if (incoming && is_outside(vcpu)) {
        set_signals(vcpu, st);
    }
    if (!caps->vcpu_events) {
        return true;
    }
    if (caps->smm) {
        e.flags |= KVM_VCPUEVENT_VALID_SMM;
    }
    if (caps->exception_payload) {
        e.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
    }
#ifdef KVM_VCPUEVENT_VALID_TRIPLE_FAULT
    if (caps->triple_fault_event) {
        e.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
        e.triple_fault.pending = ev->triple_fault_pending;
    }
#endif
    ret = kvm_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e);
    return ret < 0 ? fail(vcpu, "KVM_SET_VCPU_EVENTS", ret, errp) : true;
}

QEMU_BUILD_BUG_ON(X86_MP_RUNNABLE != KVM_MP_STATE_RUNNABLE);
QEMU_BUILD_BUG_ON(X86_MP_UNINITIALIZED != KVM_MP_STATE_UNINITIALIZED);
QEMU_BUILD_BUG_ON(X86_MP_INIT_RECEIVED != KVM_MP_STATE_INIT_RECEIVED);
QEMU_BUILD_BUG_ON(X86_MP_HALTED != KVM_MP_STATE_HALTED);
QEMU_BUILD_BUG_ON(X86_MP_SIPI_RECEIVED != KVM_MP_STATE_SIPI_RECEIVED);

static bool get_mp(KVMVCPU *vcpu, X86CPUState *st, Error **errp)
{
    struct kvm_mp_state mp;
    int ret;

    if (is_outside(vcpu)) {
        st->mp_state = vcpu->mp_state;
        return true;
    }
    ret = kvm_ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp);
    if (ret < 0) {
        return fail(vcpu, "KVM_GET_MP_STATE", ret, errp);
    }
    st->mp_state = (X86MPState)mp.mp_state;
    return true;
}

static bool set_mp(KVMVCPU *vcpu, const X86CPUState *st, bool incoming,
                   Error **errp)
{
    struct kvm_mp_state mp = { .mp_state = st->mp_state };
    int ret;

    if (is_outside(vcpu)) {
        /* A SIPI that was received is a signal here. */
        vcpu->mp_state = st->mp_state == X86_MP_SIPI_RECEIVED
                             ? X86_MP_INIT_RECEIVED
                             : st->mp_state;
        return true;
    }
    ret = kvm_ioctl(vcpu->fd, KVM_SET_MP_STATE, &mp);
    return ret < 0 ? fail(vcpu, "KVM_SET_MP_STATE", ret, errp) : true;
}

static bool get_debug(KVMVCPU *vcpu, X86CPUState *st, Error **errp)
{
    struct kvm_debugregs d;
    int ret;

    if (!kvm_of(vcpu)->caps.debugregs) {
        return true;
    }
    ret = kvm_ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &d);
    if (ret < 0) {
        return fail(vcpu, "KVM_GET_DEBUGREGS", ret, errp);
    }
    for (int i = 0; i < 4; i++) {
        st->dr[i] = d.db[i];
    }
    st->dr6 = d.dr6;
    st->dr7 = d.dr7;
    return true;
}

static bool set_debug(KVMVCPU *vcpu, const X86CPUState *st, bool incoming,
                      Error **errp)
{
    struct kvm_debugregs d = { .dr6 = st->dr6, .dr7 = st->dr7 };
    int ret;

    if (!kvm_of(vcpu)->caps.debugregs) {
        return true;
    }
    for (int i = 0; i < 4; i++) {
        d.db[i] = st->dr[i];
    }
    ret = kvm_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &d);
    return ret < 0 ? fail(vcpu, "KVM_SET_DEBUGREGS", ret, errp) : true;
}

/* -- all of it ------------------------------------------------------------- */

typedef bool (*GetPart)(KVMVCPU *vcpu, X86CPUState *st, Error **errp);
typedef bool (*SetPart)(KVMVCPU *vcpu, const X86CPUState *st, bool incoming,
                        Error **errp);

/* In the order in which parts must be set. */
static const struct {
    unsigned mask;
    GetPart get;
    SetPart set;
} parts[] = {
    { X86_STATE_REGS, get_regs, set_regs },
    { X86_STATE_FPU, get_fpu, set_fpu },
    { X86_STATE_SREGS, get_sregs, set_sregs },
    { X86_STATE_MSRS, kvm_get_msrs, kvm_set_msrs },
    { X86_STATE_MP, get_mp, set_mp },
    { X86_STATE_LAPIC, get_lapic, set_lapic },
    { X86_STATE_EVENTS, get_events, set_events },
    { X86_STATE_DEBUG, get_debug, set_debug },
};

bool kvm_vcpu_get_state(AccelVCPU *base, unsigned mask, X86CPUState *state,
                        Error **errp)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if ((mask & parts[i].mask) && !parts[i].get(vcpu, state, errp)) {
            return false;
        }
    }
    return true;
}

bool kvm_vcpu_set_state(AccelVCPU *base, unsigned mask,
                        const X86CPUState *state, Error **errp)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);
    bool incoming = mask & X86_STATE_INCOMING;

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if ((mask & parts[i].mask) &&
            !parts[i].set(vcpu, state, incoming, errp)) {
            return false;
        }
    }
    return true;
}
