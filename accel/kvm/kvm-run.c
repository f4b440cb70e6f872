/*
 * Running a vCPU: the loop around KVM_RUN, and how another thread takes a
 * vCPU out of it.
 *
 * A kick sets immediate_exit and sends a signal. KVM_RUN then finishes the
 * access that is under way (so that registers are whole) and fails with
 * EINTR; only there the flag is cleared, so a kick at any moment is seen by
 * this KVM_RUN or the next one. Who kicks has written down why before.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/syscall.h>

#include "trace/trace-accel.h"
#include "util/error.h"
#include "util/thread.h"

#include "kvm-internal.h"

static void kick_signal_handler(int signo)
{
    /* Its arrival alone interrupts KVM_RUN. */
}

static bool install_kick_handler(Error **errp)
{
    struct sigaction action = { .sa_handler = kick_signal_handler };

    if (sigaction(KVM_KICK_SIGNAL, &action, NULL) < 0) {
        error_setg_errno(errp, errno, "sigaction failed");
        return false;
    }
    return true;
}

/*
 * The first KVM_RUN of a virtual machine makes what the kernel had put off, a
 * thread for instance; where the guest comes by migration it would wait for that.
 * This one never enters the guest. A kick that is lost here was not needed: what it
 * was for is looked at before the next KVM_RUN.
 */
static void run_for_nothing(KVMVCPU *vcpu)
{
    qatomic_mb_set(&vcpu->run->immediate_exit, 1);
    kvm_ioctl_arg(vcpu->fd, KVM_RUN, 0);
    qatomic_mb_set(&vcpu->run->immediate_exit, 0);
}

bool kvm_vcpu_thread_init(AccelVCPU *base, Error **errp)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);
    sigset_t set;

    if (!kvm_nudge_start(kvm_of(vcpu), errp) || !install_kick_handler(errp)) {
        return false;
    }
    sigemptyset(&set);
    sigaddset(&set, KVM_KICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    vcpu->thread = pthread_self();
    vcpu->tid = qemu_get_thread_id();
    if (base->index == 0) {
        run_for_nothing(vcpu);
    }
    qatomic_store_release(&vcpu->has_thread, 1);
    return true;
}

void kvm_vcpu_kick(AccelVCPU *base)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);

    trace_kvm_kick(base->index);
    qatomic_mb_set(&vcpu->run->immediate_exit, 1);
    if (base->accel->irq_host) {
        kvm_intr_wake(vcpu);
    }
    if (qatomic_load_acquire(&vcpu->has_thread)) {
        /* Not pthread_kill(): it may have ended. */
        syscall(SYS_tgkill, getpid(), vcpu->tid, KVM_KICK_SIGNAL);
    }
}

static void handle_io(KVMVCPU *vcpu)
{
    struct kvm_run *run = vcpu->run;
    AccelState *accel = vcpu->base.accel;

    accel->host->pio(accel->host_opaque, run->io.port,
                     run->io.direction == KVM_EXIT_IO_OUT, run->io.size,
                     run->io.count, (uint8_t *)run + run->io.data_offset);
}

static void handle_mmio(KVMVCPU *vcpu)
{
    struct kvm_run *run = vcpu->run;
    AccelState *accel = vcpu->base.accel;

    if (kvm_intr_mmio(vcpu)) {
        return;
    }
    accel->host->mmio(accel->host_opaque, run->mmio.phys_addr,
                      run->mmio.is_write, run->mmio.len, run->mmio.data);
}

/*
 * The bytes of the instruction that could not be emulated: from the kernel if
 * it says them, else read from guest memory. Returns their number.
 */
static unsigned failed_insn(KVMVCPU *vcpu, uint64_t linear_ip, uint8_t *insn)
{
    struct kvm_run *run = vcpu->run;
    struct kvm_translation tr = { .linear_address = linear_ip };
    unsigned len;

#ifdef KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES
    if (run->emulation_failure.ndata >= 1 &&
        (run->emulation_failure.flags &
         KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) {
        len = MIN(run->emulation_failure.insn_size, ACCEL_INSN_BYTES_MAX);
        memcpy(insn, run->emulation_failure.insn_bytes, len);
        return len;
    }
#endif
    if (kvm_ioctl(vcpu->fd, KVM_TRANSLATE, &tr) < 0 || !tr.valid) {
        return 0;
    }
    len = MIN(ACCEL_INSN_BYTES_MAX, 4096 - (linear_ip & 4095));
    return kvm_read_guest(kvm_of(vcpu), tr.physical_address, insn, len) ? len
                                                                        : 0;
}

static AccelExit emulation_failure(KVMVCPU *vcpu, Error **errp)
{
    struct kvm_regs regs = { 0 };
    struct kvm_sregs sregs = { 0 };
    uint8_t insn[ACCEL_INSN_BYTES_MAX];
    g_autoptr(GString) hex = g_string_new(NULL);
    unsigned len;

    kvm_ioctl(vcpu->fd, KVM_GET_REGS, &regs);
    kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
    len = failed_insn(vcpu, sregs.cs.base + regs.rip, insn);
    for (unsigned i = 0; i < len; i++) {
        g_string_append_printf(hex, " %02x", insn[i]);
    }
    error_setg(errp,
               "CPU %u: KVM cannot emulate the instruction at %04x:%016" PRIx64
               ", bytes:%s",
               vcpu->base.index, sregs.cs.selector, (uint64_t)regs.rip,
               len ? hex->str : " not readable");
    return ACCEL_EXIT_INTERNAL_ERROR;
}

static AccelExit internal_error(KVMVCPU *vcpu, Error **errp)
{
    struct kvm_run *run = vcpu->run;
    g_autoptr(GString) data = g_string_new(NULL);

    if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION) {
        return emulation_failure(vcpu, errp);
    }
    for (uint32_t i = 0;
         i < run->internal.ndata && i < G_N_ELEMENTS(run->internal.data); i++) {
        g_string_append_printf(data, " 0x%llx",
                               (unsigned long long)run->internal.data[i]);
    }
    error_setg(errp, "CPU %u: KVM internal error %u%s%s", vcpu->base.index,
               run->internal.suberror, data->len ? ", data:" : "", data->str);
    return ACCEL_EXIT_INTERNAL_ERROR;
}

static AccelExit system_event(KVMVCPU *vcpu, Error **errp)
{
    switch (vcpu->run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        return ACCEL_EXIT_SHUTDOWN;
    case KVM_SYSTEM_EVENT_RESET:
        return ACCEL_EXIT_RESET;
    case KVM_SYSTEM_EVENT_CRASH:
        return ACCEL_EXIT_CRASHED;
    default:
        error_setg(errp, "CPU %u: unknown KVM system event %u",
                   vcpu->base.index, vcpu->run->system_event.type);
        return ACCEL_EXIT_INTERNAL_ERROR;
    }
}

/* Deal with one exit. Returns: true to go on, false with *ret set. */
static bool handle_exit(KVMVCPU *vcpu, AccelExit *ret, Error **errp)
{
    struct kvm_run *run = vcpu->run;

    trace_kvm_exit(vcpu->base.index, run->exit_reason);
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        handle_io(vcpu);
        return true;
    case KVM_EXIT_MMIO:
        handle_mmio(vcpu);
        return true;
    case KVM_EXIT_DIRTY_RING_FULL:
        kvm_ring_full(vcpu);
        return true;
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
    case KVM_EXIT_SET_TPR:
        return true;
    case KVM_EXIT_IOAPIC_EOI:
        vcpu->base.accel->irq_host->eoi(vcpu->base.accel->irq_opaque,
                                        run->eoi.vector);
        return true;
    case KVM_EXIT_HLT:
        if (kvm_intr_halt(vcpu)) {
            return true;
        }
        *ret = ACCEL_EXIT_HALTED;
        return false;
    case KVM_EXIT_SHUTDOWN:
        *ret = ACCEL_EXIT_RESET;
        return false;
    case KVM_EXIT_DEBUG:
        *ret = ACCEL_EXIT_DEBUG;
        return false;
    case KVM_EXIT_SYSTEM_EVENT:
        *ret = system_event(vcpu, errp);
        return false;
    case KVM_EXIT_INTERNAL_ERROR:
        *ret = internal_error(vcpu, errp);
        return false;
    case KVM_EXIT_FAIL_ENTRY:
        error_setg(
            errp,
            "CPU %u: the processor refused to enter the guest, "
            "hardware reason 0x%llx",
            vcpu->base.index,
            (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
        break;
    default:
        error_setg(errp, "CPU %u: unknown KVM exit reason %u", vcpu->base.index,
                   run->exit_reason);
        break;
    }
    *ret = ACCEL_EXIT_INTERNAL_ERROR;
    return false;
}

static AccelExit interrupted(KVMVCPU *vcpu)
{
    qatomic_mb_set(&vcpu->run->immediate_exit, 0);
    return ACCEL_EXIT_INTERRUPTED;
}

AccelExit kvm_vcpu_run(AccelVCPU *base, Error **errp)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);

    for (;;) {
        AccelExit exit_code;
        int ret;

        switch (kvm_intr_before_run(vcpu, errp)) {
        case KVM_INTR_RUN:
            break;
        case KVM_INTR_AGAIN:
            continue;
        case KVM_INTR_KICKED:
            return interrupted(vcpu);
        default:
            return ACCEL_EXIT_INTERNAL_ERROR;
        }
        kvm_gate_enter(vcpu);
        ret = kvm_ioctl_arg(vcpu->fd, KVM_RUN, 0);
        kvm_gate_leave(vcpu);
        kvm_intr_after_run(vcpu);
        if (ret == -EINTR || ret == -EAGAIN) {
            return interrupted(vcpu);
        }
        if (ret < 0) {
            error_setg_errno(errp, -ret, "CPU %u: KVM_RUN failed", base->index);
            return ACCEL_EXIT_INTERNAL_ERROR;
        }
        if (!handle_exit(vcpu, &exit_code, errp)) {
            return exit_code;
        }
    }
}
