/*
 * Model specific registers of a vCPU: all that the kernel lets us read.
 *
 * The time stamp counter and the deadline of the local APIC's timer are about
 * a moment: those that come from another host are put into the kernel when the
 * guest starts (kvm-time.c).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"
#include "util/error.h"

#include "kvm-internal.h"

/* Rates that differ less count as equal: hosts are calibrated, not counted. */
#define TSC_TOLERANCE_PPM 250u
#define PPM               1000000u

static bool fail(KVMVCPU *vcpu, const char *what, int ret, Error **errp)
{
    error_setg_errno(errp, -ret, "CPU %u: %s failed", vcpu->base.index, what);
    return false;
}

static struct kvm_msrs *msr_buffer(size_t n)
{
    return g_malloc0(sizeof(struct kvm_msrs) +
                     n * sizeof(struct kvm_msr_entry));
}

bool kvm_get_msr(KVMVCPU *vcpu, uint32_t index, uint64_t *ret_value)
{
    g_autofree struct kvm_msrs *one = msr_buffer(1);

    one->nmsrs = 1;
    one->entries[0].index = index;
    if (kvm_ioctl(vcpu->fd, KVM_GET_MSRS, one) != 1) {
        return false;
    }
    *ret_value = one->entries[0].data;
    return true;
}

bool kvm_set_msr(KVMVCPU *vcpu, uint32_t index, uint64_t value)
{
    g_autofree struct kvm_msrs *one = msr_buffer(1);

    one->nmsrs = 1;
    one->entries[0] = (struct kvm_msr_entry){ .index = index, .data = value };
    return kvm_ioctl(vcpu->fd, KVM_SET_MSRS, one) == 1;
}

static bool is_in(const uint32_t *list, size_t n, uint32_t index)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == index) {
            return true;
        }
    }
    return false;
}

/* Clocks, rates and numbers of another hypervisor's interface, which no guest
 * here is shown: the kernel has them readable all the same. */
static bool is_of_another_hypervisor(uint32_t index)
{
    static const uint32_t list[] = { 0x40000002, 0x40000010, 0x40000020,
                                     0x40000022, 0x40000023 };

    return is_in(list, G_N_ELEMENTS(list), index);
}

bool kvm_vcpu_probe_msrs(KVMVCPU *vcpu, Error **errp)
{
    g_autofree struct kvm_msr_list *list =
        g_malloc0(sizeof(*list) + X86_MSR_COUNT_MAX * sizeof(uint32_t));
    uint64_t value;
    int ret;

    list->nmsrs = X86_MSR_COUNT_MAX;
    ret = kvm_ioctl(kvm_of(vcpu)->fd, KVM_GET_MSR_INDEX_LIST, list);
    if (ret < 0) {
        return fail(vcpu, "KVM_GET_MSR_INDEX_LIST", ret, errp);
    }
    vcpu->msrs = g_new0(uint32_t, list->nmsrs);
    vcpu->n_msrs = 0;
    /* The list is the host's; a vCPU with fewer features has fewer. */
    for (uint32_t i = 0; i < list->nmsrs; i++) {
        if (!is_of_another_hypervisor(list->indices[i]) &&
            kvm_get_msr(vcpu, list->indices[i], &value)) {
            vcpu->msrs[vcpu->n_msrs++] = list->indices[i];
        } else {
            trace_kvm_msr_left_out(vcpu->base.index, list->indices[i]);
        }
    }
    return true;
}

static uint32_t get_tsc_khz(KVMVCPU *vcpu)
{
    int ret = kvm_ioctl_arg(vcpu->fd, KVM_GET_TSC_KHZ, 0);

    return ret > 0 ? (uint32_t)ret : 0;
}

bool kvm_get_msrs(KVMVCPU *vcpu, X86CPUState *st, Error **errp)
{
    g_autofree struct kvm_msrs *buf = msr_buffer(vcpu->n_msrs);
    int ret;

    buf->nmsrs = (uint32_t)vcpu->n_msrs;
    for (size_t i = 0; i < vcpu->n_msrs; i++) {
        buf->entries[i].index = vcpu->msrs[i];
    }
    ret = kvm_ioctl(vcpu->fd, KVM_GET_MSRS, buf);
    if (ret != (int)vcpu->n_msrs) {
        return fail(vcpu, "KVM_GET_MSRS", ret < 0 ? ret : -EIO, errp);
    }
    g_free(st->msrs);
    st->msrs = g_new0(X86MSR, vcpu->n_msrs);
    st->n_msrs = vcpu->n_msrs;
    st->tsc_khz = get_tsc_khz(vcpu);
    for (size_t i = 0; i < vcpu->n_msrs; i++) {
        X86MSR *m = &st->msrs[i];

        *m = (X86MSR){ buf->entries[i].index, buf->entries[i].data };
        kvm_time_adjust_msr(vcpu, m);
    }
    return true;
}

/* -- setting ---------------------------------------------------------------- */

/* Those that only tell about the host: platform and microcode, capabilities
 * of the processor, of machine check, performance counters, virtualization. */
static bool is_about_host(uint32_t index)
{
    static const uint32_t list[] = {
        0x17,  0x2a,  0x3a,  0x8b,       0xcd,       0xce,
        0xfe,  0x10a, 0x140, 0x179,      0x345,      0x1a2,
        0x606, 0x1a4, 0xcf,  0xc0010015, 0xc001001f, 0xc0011029,
    };

    return is_in(list, G_N_ELEMENTS(list), index) ||
           (index >= 0x480 && index <= 0x493);
}

/* @m was refused: does the guest lose something by it? */
static bool may_leave_out(KVMVCPU *vcpu, const X86MSR *m, Error **errp)
{
    uint64_t now;
    bool known = kvm_get_msr(vcpu, m->index, &now);

    trace_kvm_msr_refused(vcpu->base.index, m->index, m->value);
    if ((known ? now == m->value : m->value == 0) || is_about_host(m->index)) {
        return true;
    }
    error_setg(errp,
               "CPU %u: MSR 0x%x of the guest has 0x%" PRIx64
               ", which this host's KVM does not take",
               vcpu->base.index, m->index, m->value);
    return false;
}

static bool set_list(KVMVCPU *vcpu, const GArray *list, bool strict,
                     Error **errp)
{
    g_autofree struct kvm_msrs *buf = msr_buffer(list->len);
    guint done = 0;

    /* KVM stops at the first register that it refuses: skip that one, go on. */
    while (done < list->len) {
        guint left = list->len - done;
        int ret;

        buf->nmsrs = left;
        for (guint i = 0; i < left; i++) {
            const X86MSR *m = &g_array_index(list, X86MSR, done + i);
            buf->entries[i] =
                (struct kvm_msr_entry){ .index = m->index, .data = m->value };
        }
        ret = kvm_ioctl(vcpu->fd, KVM_SET_MSRS, buf);
        if (ret < 0) {
            return fail(vcpu, "KVM_SET_MSRS", ret, errp);
        }
        done += (guint)ret;
        if ((guint)ret < left) {
            const X86MSR *m = &g_array_index(list, X86MSR, done);

            if (strict && !may_leave_out(vcpu, m, errp)) {
                return false;
            }
            if (!strict) {
                trace_kvm_msr_refused(vcpu->base.index, m->index, m->value);
            }
            done++;
        }
    }
    return true;
}

/* The counter goes on at the rate that the guest has measured, if the host
 * can do that; the caller sees by KVM_GET_TSC_KHZ what it is. */
static void follow_tsc_rate(KVMVCPU *vcpu, uint32_t khz)
{
    uint32_t now = get_tsc_khz(vcpu);
    uint32_t diff = now > khz ? now - khz : khz - now;

    if (khz && (uint64_t)diff * PPM > (uint64_t)khz * TSC_TOLERANCE_PPM) {
        int ret = kvm_ioctl_arg(vcpu->fd, KVM_SET_TSC_KHZ, khz);

        trace_kvm_tsc_rate(vcpu->base.index, now, khz, ret);
    }
}

bool kvm_set_msrs(KVMVCPU *vcpu, const X86CPUState *st, bool incoming,
                  Error **errp)
{
    g_autoptr(GArray) list =
        g_array_sized_new(FALSE, FALSE, sizeof(X86MSR), (guint)st->n_msrs);

    kvm_time_forget(vcpu);
    if (incoming) {
        follow_tsc_rate(vcpu, st->tsc_khz);
    }
    for (size_t i = 0; i < st->n_msrs; i++) {
        if (!incoming || !kvm_time_take_msr(vcpu, &st->msrs[i])) {
            g_array_append_val(list, st->msrs[i]);
        }
    }
    return set_list(vcpu, list, incoming, errp);
}
