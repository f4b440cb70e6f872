/*
 * What the files of the KVM accelerator share.
 *
 * Source: the kernel's Documentation/virt/kvm/api.rst.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_KVM_INTERNAL_H
#define ACCEL_KVM_INTERNAL_H

#include <linux/kvm.h>

#include "accel/accel.h"
#include "util/thread.h"

#include "kvm-ring.h"

#define TYPE_KVM_ACCEL ACCEL_CLASS_NAME("kvm")
OBJECT_DECLARE_SIMPLE_TYPE(KVMState, KVM_ACCEL)

/* The signal that takes a vCPU thread out of KVM_RUN. */
#define KVM_KICK_SIGNAL SIGUSR1

#define MSR_IA32_TSC       0x10u
#define MSR_IA32_APIC_BASE 0x1bu

#define KVM_IRQCHIPS     3 /* two 8259, one IOAPIC */
#define KVM_IOAPIC_LINES 24

/* Property kernel-irqchip. */
typedef enum KVMIrqchipMode {
    KVM_IRQCHIP_MODE_ON,
    KVM_IRQCHIP_MODE_OFF,
    KVM_IRQCHIP_MODE_SPLIT,
} KVMIrqchipMode;

/* The message of a pin of an IOAPIC outside of the kernel. */
typedef struct KVMPin {
    uint64_t addr;
    uint32_t data;
} KVMPin;

/* One memory slot. A size of 0 marks a free number. */
typedef struct KVMSlot {
    uint64_t gpa;
    uint64_t size;
    void *host;
    uint32_t flags;
    unsigned long *reported;  /* while logging (kvm-dirty.c), else NULL */
    unsigned long *collected; /* out of rings, and not reported yet */
} KVMSlot;

/* Optional parts of the kernel's interface, asked once. */
typedef struct KVMCaps {
    int nr_memslots;
    int max_vcpus;
    int max_vcpu_id;
    int xsave_bytes; /* 0: no KVM_GET_XSAVE */
    bool xcrs;
    bool sregs2;
    bool debugregs;
    bool vcpu_events;
    bool exception_payload;
    bool triple_fault_event;
    bool readonly_mem;
    bool kvmclock_ctrl;
    bool adjust_clock;
    bool reinject_control;
    bool smm;
    bool signal_msi;
    bool irqfd;
    bool ioeventfd;
    bool ioeventfd_any_length;
    uint32_t debug_flags; /* of KVM_SET_GUEST_DEBUG */
} KVMCaps;

/* Changes for which the kernel waits for vCPUs (kvm-nudge.c). */
typedef struct KVMNudge {
    QemuMutex lock; /* guards the rest, and for its thread KVMState.vcpus */
    QemuCond wake;  /* changes from nothing, quit */
    QemuThread thread;
    bool has_thread;
    int wait_ms; /* of its last look */
    bool asleep;
    bool quit;
    unsigned changes; /* under way */
    uint64_t epoch;   /* of changes from nothing */
} KVMNudge;

struct KVMState {
    AccelState parent_obj;

    /* properties */
    int irqchip_mode;
    uint64_t shadow_mem_bytes;
    uint32_t ring_entries; /* a power of two; 0: no dirty rings */

    int fd;
    int vm_fd;
    int vcpu_mmap_bytes;
    KVMCaps caps;

    QemuMutex slots_lock; /* guards the following seven, and vCPUs' rings */
    GArray *slots;        /* KVMSlot, index = slot number */
    bool logging;
    bool manual_protect;   /* constant after init_machine */
    bool initially_set;    /* the same */
    bool ring_with_bitmap; /* the same */
    void *scratch;
    size_t scratch_bytes;

    uint64_t ring_full_ns; /* atomic */
    QemuThread reaper;
    bool has_reaper;       /* log_start to log_stop */
    QemuMutex reaper_lock; /* guards reaper_stop; before slots_lock */
    QemuCond reaper_wake;
    bool reaper_stop;

    QemuMutex gate_lock; /* gate_changed: the gate opened, a CPU came out */
    QemuCond gate_changed;
    bool gate_closed; /* atomic; written under gate_lock */
    KVMNudge nudge;

    bool has_irqchip;
    bool has_pit;
    /* As right after creation: what a reset puts back. */
    struct kvm_irqchip irqchip_reset[KVM_IRQCHIPS];
    struct kvm_pit_state2 pit_reset;

    QemuMutex routes_lock; /* guards the following two */
    GArray *routes;        /* messages by eventfd, kvm-route.c */
    KVMPin pins[KVM_IOAPIC_LINES];

    bool clock_stopped;
    struct kvm_clock_data clock; /* of the moment the guest was stopped */
    bool pit_loaded;             /* to be set anew when the guest starts */
    struct kvm_pit_state2 pit;

    GPtrArray *vcpus; /* KVMVCPU, borrowed; main thread */
};

/* Of the moment at which the guest stopped, on this host or another. */
typedef struct KVMVCPUTime {
    bool has_tsc;
    bool loaded; /* from another host: set in the kernel at the start */
    uint64_t tsc;
    uint64_t deadline; /* the rest is only for loaded */
    uint32_t timer_initial;
    uint32_t timer_current;
} KVMVCPUTime;

typedef struct KVMVCPU {
    AccelVCPU base;
    int fd;
    struct kvm_run *run;

    pthread_t thread;
    int tid;        /* the kernel's number of it */
    int has_thread; /* atomic: both are valid */
    int in_guest;   /* atomic: in, or about to enter, KVM_RUN */

    KVMRing ring;         /* guarded by slots_lock */
    uint64_t dirty_pages; /* atomic; written under slots_lock */

    /* Interrupts from outside of the kernel (kvm-intr.c). */
    int intr;             /* atomic: level of INTR */
    unsigned signals;     /* atomic: 1 << AccelSignal */
    unsigned sipi_vector; /* atomic */
    X86MPState mp_state;  /* own thread, or while it does not run */
    uint64_t apic_base;   /* as above */
    uint64_t cr8;         /* what the guest was entered with */
    QemuMutex wait_lock;  /* a change of what wait_cond is about wakes */
    QemuCond wait_cond;   /* intr, signals, immediate_exit */

    uint32_t *msrs; /* indices that this kernel lets us read; n_msrs */
    size_t n_msrs;
    X86CPUState *reset_state; /* taken at the first reset */
    KVMVCPUTime time;         /* while the guest is stopped */
    uint64_t debug_dr7;       /* of the debugger's hardware breakpoints */
} KVMVCPU;

static inline KVMState *kvm_of(const KVMVCPU *vcpu)
{
    return (KVMState *)vcpu->base.accel;
}

/*
 * kvm_ioctl / kvm_ioctl_arg: ioctl on any of the three kinds of descriptors
 * with a pointer / a number. Returns: what ioctl() does if that is not
 * negative, else -errno. EINTR is retried by neither.
 */
int kvm_ioctl(int fd, unsigned long request, void *arg);
int kvm_ioctl_arg(int fd, unsigned long request, unsigned long arg);
/* kvm_check_extension: 0 = not there; else 1 or the capability's number. */
int kvm_check_extension(int fd, int cap);

/* kvm-mem.c */
bool kvm_map_ram(AccelState *accel, uint64_t gpa, uint64_t size, void *host,
                 unsigned flags, Error **errp);
bool kvm_unmap_ram(AccelState *accel, uint64_t gpa, uint64_t size,
                   Error **errp);
/* kvm_set_slot: tell the kernel. Returns: as kvm_ioctl(). slots_lock held. */
int kvm_set_slot(KVMState *s, guint number, const KVMSlot *slot);
/* kvm_read_guest: copy from RAM; false if any of it is not RAM. */
bool kvm_read_guest(KVMState *s, uint64_t gpa, void *buf, size_t len);

/* kvm-dirty.c */
/* kvm_dirty_init: after the machine descriptor, before the first vCPU. */
bool kvm_dirty_init(KVMState *s, Error **errp);
/* kvm_dirty_slot_added: before the kernel is told; may change flags. Both:
 * slots_lock held. */
void kvm_dirty_slot_added(KVMState *s, KVMSlot *slot);
void kvm_dirty_slot_gone(KVMSlot *slot);
bool kvm_log_start(AccelState *accel, Error **errp);
void kvm_log_stop(AccelState *accel);
bool kvm_log_sync(AccelState *accel, uint64_t gpa, uint64_t size,
                  unsigned long *bitmap, Error **errp);
void kvm_log_clear(AccelState *accel, uint64_t gpa, uint64_t size);

/* kvm_dirty_rearm: protect everything anew; all of it counts as written.
 * slots_lock held. */
void kvm_dirty_rearm(KVMState *s);

/* kvm-dirty-ring.c */
bool kvm_ring_init(KVMState *s, Error **errp);
bool kvm_ring_map(KVMVCPU *vcpu, Error **errp);
/* kvm_ring_unmap: slots_lock held; takes what is in it. */
void kvm_ring_unmap(KVMVCPU *vcpu);
/* kvm_ring_collect: slots_lock held. */
void kvm_ring_collect(KVMState *s);
/* kvm_ring_full: the vCPU left the guest for that; own thread. */
void kvm_ring_full(KVMVCPU *vcpu);
/* kvm_ring_start, kvm_ring_stop: collecting at intervals. No lock held. */
bool kvm_ring_start(KVMState *s, Error **errp);
void kvm_ring_stop(KVMState *s);
bool kvm_vcpu_dirty_pages(AccelVCPU *vcpu, uint64_t *ret_pages);
uint64_t kvm_dirty_ring_full_ns(AccelState *accel);

/* kvm-gate.c */
void kvm_gate_init(KVMState *s);
void kvm_gate_deinit(KVMState *s);
/* kvm_gate_enter, kvm_gate_leave: around KVM_RUN; own thread. */
void kvm_gate_enter(KVMVCPU *vcpu);
void kvm_gate_leave(KVMVCPU *vcpu);
void kvm_ram_change_begin(AccelState *accel);
void kvm_ram_change_end(AccelState *accel);

/* kvm-nudge.c */
void kvm_nudge_init(KVMState *s);
void kvm_nudge_deinit(KVMState *s);
/* kvm_nudge_start: before a vCPU runs; any number of times. */
bool kvm_nudge_start(KVMState *s, Error **errp);
/* kvm_change: kvm_ioctl() of the machine's descriptor, for one that waits for
 * vCPUs. Thread: any but a vCPU's that is inside the guest. */
int kvm_change(KVMState *s, unsigned long request, void *arg);

/* kvm-irqchip.c */
bool kvm_create_irqchip(AccelState *accel, Error **errp);
bool kvm_create_pit(AccelState *accel, bool reinject, Error **errp);
void kvm_set_irq(AccelState *accel, unsigned gsi, bool level);
bool kvm_reset_irqchip(AccelState *accel, Error **errp);

AccelIrqchip kvm_irqchip(AccelState *accel);
void kvm_pit_hpet_legacy(AccelState *accel, bool on);

/* kvm-route.c */
void kvm_routes_init(KVMState *s);
void kvm_routes_deinit(KVMState *s);
/* kvm_routes_commit: the board's lines; after the controllers are made. */
bool kvm_routes_commit(KVMState *s, Error **errp);
void kvm_ioapic_route(AccelState *accel, unsigned pin, uint64_t addr,
                      uint32_t data, bool level, bool masked);
void kvm_send_msi(AccelState *accel, uint64_t addr, uint32_t data);
int kvm_irqfd_add(AccelState *accel, int fd, uint64_t addr, uint32_t data,
                  Error **errp);
bool kvm_irqfd_update(AccelState *accel, int route, uint64_t addr,
                      uint32_t data, Error **errp);
void kvm_irqfd_del(AccelState *accel, int route);
bool kvm_ioeventfd_add(AccelState *accel, const AccelIOEvent *event,
                       Error **errp);
void kvm_ioeventfd_del(AccelState *accel, const AccelIOEvent *event);

/* kvm-intr.c */
typedef enum KVMIntrNext {
    KVM_INTR_RUN,    /* enter the guest */
    KVM_INTR_AGAIN,  /* something has changed: ask again */
    KVM_INTR_KICKED, /* the caller of vcpu_run is wanted */
    KVM_INTR_FAILED, /* errp says why */
} KVMIntrNext;

void kvm_vcpu_intr(AccelVCPU *vcpu, bool level);
void kvm_vcpu_signal(AccelVCPU *vcpu, AccelSignal signal, uint8_t vector);
void kvm_intr_init(KVMVCPU *vcpu);
void kvm_intr_deinit(KVMVCPU *vcpu);
/* kvm_intr_wake: after immediate_exit was set. */
void kvm_intr_wake(KVMVCPU *vcpu);
KVMIntrNext kvm_intr_before_run(KVMVCPU *vcpu, Error **errp);
void kvm_intr_after_run(KVMVCPU *vcpu);
/* kvm_intr_halt: the guest has halted; false: nobody here can wake it. */
bool kvm_intr_halt(KVMVCPU *vcpu);
/* kvm_intr_mmio: was the access to the local APIC, which is ours? */
bool kvm_intr_mmio(KVMVCPU *vcpu);

/* kvm-vcpu.c */
X86CPUIDTable *kvm_cpuid_supported(AccelState *accel, Error **errp);
AccelVCPU *kvm_vcpu_new(AccelState *accel, unsigned index, uint32_t apic_id,
                        Error **errp);
void kvm_vcpu_free(AccelVCPU *vcpu);
bool kvm_vcpu_set_cpuid(AccelVCPU *vcpu, const X86CPUIDTable *table,
                        Error **errp);
bool kvm_vcpu_nmi(AccelVCPU *vcpu, Error **errp);
bool kvm_vcpu_reset(AccelVCPU *vcpu, bool is_bsp, Error **errp);

/* kvm-state.c */
bool kvm_vcpu_get_state(AccelVCPU *vcpu, unsigned mask, X86CPUState *state,
                        Error **errp);
bool kvm_vcpu_set_state(AccelVCPU *vcpu, unsigned mask,
                        const X86CPUState *state, Error **errp);

/* kvm-msr.c */

/* kvm_vcpu_probe_msrs: fill vcpu->msrs. */
bool kvm_vcpu_probe_msrs(KVMVCPU *vcpu, Error **errp);
bool kvm_get_msr(KVMVCPU *vcpu, uint32_t index, uint64_t *ret_value);
bool kvm_set_msr(KVMVCPU *vcpu, uint32_t index, uint64_t value);
bool kvm_get_msrs(KVMVCPU *vcpu, X86CPUState *st, Error **errp);
bool kvm_set_msrs(KVMVCPU *vcpu, const X86CPUState *st, bool incoming,
                  Error **errp);

/* kvm-time.c */
void kvm_vm_state_changed(AccelState *accel, bool running);
/* kvm_time_forget: what was noted or loaded counts no more. */
void kvm_time_forget(KVMVCPU *vcpu);
/* kvm_time_adjust_*: the guest's view while it is stopped, over the kernel's. */
void kvm_time_adjust_msr(const KVMVCPU *vcpu, X86MSR *m);
void kvm_time_adjust_lapic(const KVMVCPU *vcpu, uint8_t *page);
/* kvm_time_take_msr: from another host; false: not one about time. */
bool kvm_time_take_msr(KVMVCPU *vcpu, const X86MSR *m);
/* kvm_time_take_lapic: the timer's counts, which leave @page. */
void kvm_time_take_lapic(KVMVCPU *vcpu, uint8_t *page);

/* kvm-vmstate.c */
unsigned kvm_vm_state_parts(AccelState *accel);
bool kvm_vm_get_state(AccelState *accel, unsigned mask, X86VMState *state,
                      Error **errp);
bool kvm_vm_set_state(AccelState *accel, unsigned mask, const X86VMState *state,
                      Error **errp);
bool kvm_vcpu_savable(AccelVCPU *vcpu, Error **errp);

/* kvm-debug.c */
bool kvm_vcpu_set_debug(AccelVCPU *vcpu, const AccelDebug *debug, Error **errp);
void kvm_vcpu_debug_hit(AccelVCPU *vcpu, AccelDebugHit *hit);

/* kvm-run.c */
bool kvm_vcpu_thread_init(AccelVCPU *vcpu, Error **errp);
AccelExit kvm_vcpu_run(AccelVCPU *vcpu, Error **errp);
void kvm_vcpu_kick(AccelVCPU *vcpu);

#endif
