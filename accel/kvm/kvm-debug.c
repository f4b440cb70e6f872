/*
 * A debugger outside of the guest: INT3, single steps and hardware
 * breakpoints leave KVM_RUN with KVM_EXIT_DEBUG (KVM API, KVM_SET_GUEST_DEBUG).
 *
 * Debug registers: SDM 3B 18.2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "kvm-internal.h"

#define EXCEPTION_BP 3
#define DR7_FIXED    0x400u
#define DR7_GE       (1u << 9)

/* The R/W and LEN fields of one breakpoint, as DR7 has them for number 0. */
static uint64_t point_bits(const AccelDebugPoint *p)
{
    static const uint8_t rw[] = { [ACCEL_DEBUG_EXEC] = 0,
                                  [ACCEL_DEBUG_WRITE] = 1,
                                  [ACCEL_DEBUG_ACCESS] = 3 };
    unsigned len = p->len == 8 ? 2 : p->len - 1;

    return rw[p->kind] | (p->kind == ACCEL_DEBUG_EXEC ? 0 : len << 2);
}

bool kvm_vcpu_set_debug(AccelVCPU *base, const AccelDebug *debug, Error **errp)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);
    struct kvm_guest_debug dbg = { 0 };
    int ret;

    if (debug->enabled) {
        dbg.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
    }
    if (debug->single_step) {
        dbg.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
#ifdef KVM_GUESTDBG_BLOCKIRQ
        if (kvm_of(vcpu)->caps.debug_flags & KVM_GUESTDBG_BLOCKIRQ) {
            dbg.control |= KVM_GUESTDBG_BLOCKIRQ;
        }
#endif
    }
    if (debug->inject_bp) {
        dbg.control |= KVM_GUESTDBG_INJECT_BP;
    }
    vcpu->debug_dr7 = 0;
    if (debug->n_points) {
        dbg.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
        vcpu->debug_dr7 = DR7_FIXED | DR7_GE;
        for (unsigned i = 0; i < debug->n_points; i++) {
            dbg.arch.debugreg[i] = debug->point[i].addr;
            vcpu->debug_dr7 |= 2u << (2 * i) | point_bits(&debug->point[i])
                                                   << (16 + 4 * i);
        }
        dbg.arch.debugreg[7] = vcpu->debug_dr7;
    }
    ret = kvm_ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &dbg);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "CPU %u: KVM_SET_GUEST_DEBUG failed",
                         base->index);
        return false;
    }
    return true;
}

void kvm_vcpu_debug_hit(AccelVCPU *base, AccelDebugHit *hit)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);
    const struct kvm_debug_exit_arch *arch = &vcpu->run->debug.arch;

    *hit = (AccelDebugHit){ ACCEL_DEBUG_HIT_STEP };
    if (arch->exception == EXCEPTION_BP) {
        hit->reason = ACCEL_DEBUG_HIT_INT3;
        return;
    }
    for (unsigned i = 0; i < ACCEL_DEBUG_POINTS; i++) {
        if ((arch->dr6 & (1u << i)) && (vcpu->debug_dr7 & (3u << (2 * i)))) {
            *hit = (AccelDebugHit){ ACCEL_DEBUG_HIT_POINT, i };
        }
    }
}
