/*
 * Accelerators: what runs the guest's instructions.
 *
 * The machine (hw/) creates one AccelState, gives it an AccelHost (how an
 * access of the guest to a port or to device memory reaches a device), maps
 * RAM into it and calls accel_vcpu_run() from one thread per virtual CPU.
 * An accelerator never calls upwards by any other way, so a second one (a
 * software CPU) is one more subclass of TYPE_ACCEL.
 *
 * Names: the type of accelerator "kvm" is "kvm-accel".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H

#include <jansson.h>

#include "accel/x86-state.h"
#include "qom/object.h"

#define TYPE_ACCEL          "accel"
#define ACCEL_CLASS_SUFFIX  "-accel"
#define ACCEL_CLASS_NAME(a) (a ACCEL_CLASS_SUFFIX)

OBJECT_DECLARE_TYPE(AccelState, AccelClass, ACCEL)

/* First member of every accelerator's own vCPU struct. */
typedef struct AccelVCPU {
    AccelState *accel;
    unsigned index;
    uint32_t apic_id;
} AccelVCPU;

/* Longest instruction of the architecture, in bytes. */
#define ACCEL_INSN_BYTES_MAX 15

/* Why accel_vcpu_run() came back. */
typedef enum AccelExit {
    ACCEL_EXIT_INTERRUPTED,    /* kicked, or a signal; look at the run state */
    ACCEL_EXIT_HALTED,         /* the CPU halted and nobody else wakes it */
    ACCEL_EXIT_RESET,          /* triple fault: the guest wants a reset */
    ACCEL_EXIT_SHUTDOWN,       /* the guest asked the hypervisor to power off */
    ACCEL_EXIT_CRASHED,        /* the guest told the hypervisor that it died */
    ACCEL_EXIT_INTERNAL_ERROR, /* cannot go on; @errp says why */
    ACCEL_EXIT_DEBUG,          /* see vcpu_debug_hit() */
} AccelExit;

/* Hardware breakpoints of a debugger, as many as a processor has. */
#define ACCEL_DEBUG_POINTS 4

typedef enum AccelDebugKind {
    ACCEL_DEBUG_EXEC,
    ACCEL_DEBUG_WRITE,
    ACCEL_DEBUG_ACCESS, /* read or write */
} AccelDebugKind;

typedef struct AccelDebugPoint {
    AccelDebugKind kind;
    uint64_t addr; /* linear; a multiple of @len */
    unsigned len;  /* 1, 2, 4 or 8 bytes; 1 for ACCEL_DEBUG_EXEC */
} AccelDebugPoint;

/* What a debugger outside of the guest wants of a vCPU. */
typedef struct AccelDebug {
    bool enabled;     /* INT3 is ours, the guest does not see it */
    bool inject_bp;   /* but the one at rip is the guest's: let it have #BP */
    bool single_step; /* leave after one instruction; no interrupts */
    unsigned n_points;
    AccelDebugPoint point[ACCEL_DEBUG_POINTS]; /* in place of the guest's own */
} AccelDebug;

/* Why a vCPU left with ACCEL_EXIT_DEBUG. */
typedef enum AccelDebugReason {
    ACCEL_DEBUG_HIT_INT3, /* rip is that of the INT3 */
    ACCEL_DEBUG_HIT_STEP,
    ACCEL_DEBUG_HIT_POINT, /* execution: before it; data: after it */
} AccelDebugReason;

typedef struct AccelDebugHit {
    AccelDebugReason reason;
    unsigned point; /* index, for ACCEL_DEBUG_HIT_POINT */
} AccelDebugHit;

/**
 * AccelHost: what the machine does for an accelerator.
 * @pio: one access to I/O ports, @count elements of @size (1, 2 or 4) bytes
 *       at @data, all to the same port; for a read the machine fills @data
 * @mmio: one access of @len (1 to 8) bytes to an address without RAM
 *
 * Both are mandatory, are called in a vCPU thread with no lock held, and
 * take the machine lock themselves.
 */
typedef struct AccelHost {
    void (*pio)(void *opaque, uint16_t port, bool is_write, unsigned size,
                uint32_t count, void *data);
    void (*mmio)(void *opaque, uint64_t addr, bool is_write, unsigned len,
                 uint8_t *data);
} AccelHost;

/**
 * AccelIrqHost: interrupt controllers that are not inside the accelerator.
 *
 * @intr_ack: interrupt acknowledge cycle: the vector to deliver now, or -1 if
 *            none is left (it went away, or its priority is not above TPR).
 *            Called when the INTR pin (AccelClass.vcpu_intr) is high and the
 *            CPU can take an interrupt (RFLAGS.IF, no shadow). The pin has its
 *            new level when the call returns
 * @apic_read, @apic_write: access of @cpu to the 4 KiB page of its local APIC
 *            in xAPIC mode, at @offset 0..4095, @len 1 to 8 bytes at @data,
 *            little-endian. Where that page is says MSR IA32_APIC_BASE: bits
 *            12 and up; only while its bit 11 is 1 and its bit 10 (x2APIC) 0
 * @msr_read, @msr_write: IA32_APIC_BASE (1Bh), IA32_TSC_DEADLINE (6E0h) and
 *            the x2APIC registers (800h to 8FFh); false is #GP
 * @get_tpr, @set_tpr: the APIC's TPR[7:4], as CR8 has it: 0..15
 * @init: the CPU takes an INIT: the APIC, but for its id, as after power-on
 * @get_state, @set_state: register page (X86_LAPIC_BYTES, each register at
 *            its offset), for X86CPUState.lapic; vCPU not running
 * @eoi: the CPU ended the interrupt @vector; only of an accelerator that has
 *            the local APICs inside and the rest not (ACCEL_IRQCHIP_SPLIT)
 *
 * All but get_state, set_state are called in the thread of @cpu with no lock
 * held, the machine lock neither. Only @eoi
 * and an @intr_ack answered by the 8259 take the machine lock; the others are
 * short. All are mandatory. @cpu is AccelVCPU.index.
 *
 * That a guest may use x2APIC and TSC-deadline mode says the CPUID that it
 * was given (01H:ECX bits 21 and 24), that is AccelClass.cpuid_supported.
 */
typedef struct AccelIrqHost {
    int (*intr_ack)(void *opaque, unsigned cpu);
    void (*apic_read)(void *opaque, unsigned cpu, unsigned offset, unsigned len,
                      uint8_t *data);
    void (*apic_write)(void *opaque, unsigned cpu, unsigned offset,
                       unsigned len, const uint8_t *data);
    bool (*msr_read)(void *opaque, unsigned cpu, uint32_t index,
                     uint64_t *ret_value);
    bool (*msr_write)(void *opaque, unsigned cpu, uint32_t index,
                      uint64_t value);
    uint8_t (*get_tpr)(void *opaque, unsigned cpu);
    void (*set_tpr)(void *opaque, unsigned cpu, uint8_t tpr);
    void (*init)(void *opaque, unsigned cpu);
    void (*get_state)(void *opaque, unsigned cpu, uint8_t *page);
    bool (*set_state)(void *opaque, unsigned cpu, const uint8_t *page,
                      uint64_t apic_base, Error **errp);
    void (*eoi)(void *opaque, uint8_t vector);
} AccelIrqHost;

/* Where the interrupt controllers are. */
typedef enum AccelIrqchip {
    ACCEL_IRQCHIP_USER,   /* all of them in hw/intc, by AccelIrqHost */
    ACCEL_IRQCHIP_SPLIT,  /* local APICs in the accelerator, the rest not */
    ACCEL_IRQCHIP_KERNEL, /* all inside the accelerator */
} AccelIrqchip;

/* What a local APIC tells its CPU beside the INTR pin. */
typedef enum AccelSignal {
    ACCEL_SIGNAL_NMI,
    ACCEL_SIGNAL_SMI,
    ACCEL_SIGNAL_INIT, /* the CPU then calls AccelIrqHost.init; all but the
                        * bootstrap processor wait for a SIPI */
    ACCEL_SIGNAL_SIPI, /* ignored by a CPU that does not wait for one */
} AccelSignal;

/**
 * AccelIOEvent: a write of the guest that becomes an event of @fd instead of
 * a call of AccelHost.
 * @len: 0 = any length, else 1, 2, 4 or 8
 * @match: only if @value is written (needs @len)
 */
typedef struct AccelIOEvent {
    int fd; /* eventfd, borrowed until ioeventfd_del */
    uint64_t addr;
    unsigned len;
    bool pio;
    bool match;
    uint64_t value;
} AccelIOEvent;

/* Flags of a piece of RAM mapped into the guest. */
#define ACCEL_RAM_READONLY (1u << 0) /* guest writes go to AccelHost.mmio */

/**
 * AccelClass:
 * @name: as the user selects it ("kvm")
 * @available: (optional) can it work on this host? false and why not in
 *             @errp; default: yes
 * @init_machine: open it for a machine with at most @max_cpus CPUs
 * @cpuid_supported: what it can give a guest, in CPUID terms; (transfer full)
 * @create_irqchip: interrupt controllers (two 8259, IOAPIC, local APICs)
 *                  inside the accelerator; before the first vCPU
 * @create_pit: timer 8254 inside the accelerator; @reinject: lost ticks are
 *              delivered late ("delay") and not dropped ("discard")
 * @set_irq: level of a global interrupt line 0..23; any thread
 * @map_ram, @unmap_ram: guest-physical memory; addresses and @size are
 *              multiples of the page size
 * @vcpu_new: create vCPU @index with APIC id @apic_id; main thread
 * @vcpu_thread_init: called first by the vCPU's own thread
 * @vcpu_run: run until something in AccelExit happened; own thread
 * @vcpu_kick: make a running @vcpu_run return soon, or the next one at once;
 *             any thread
 * @vcpu_set_cpuid: before the first run; entries in any order
 * @vcpu_reset: everything to its state after power-on; vCPU not running
 * @vcpu_get_state, @vcpu_set_state: architectural state; @mask is of
 *             X86_STATE_*; vCPU not running
 * @vcpu_nmi: inject a non-maskable interrupt; vCPU not running
 * @vcpu_set_debug: (optional) replaces what was set before; all zero ends
 *             debugging; vCPU not running
 * @vcpu_debug_hit: why the last run ended with ACCEL_EXIT_DEBUG; vCPU not
 *             running; there when @vcpu_set_debug is
 * @reset_irqchip: interrupt controllers and PIT to power-on; vCPUs stopped
 * @vm_state_changed: the guest's time stops (false) or goes on (true)
 *
 * Interrupts. @create_irqchip, @create_pit, @set_irq and @reset_irqchip are
 * NULL in an accelerator without interrupt controllers.
 * @irqchip: (optional) where they are; after init_machine. Default:
 *             ACCEL_IRQCHIP_USER. create_irqchip is called for the other two
 * @vcpu_intr: level of the INTR pin: while it is high the CPU, as soon as it
 *             can take an interrupt, calls AccelIrqHost.intr_ack. Wakes a
 *             halted CPU (which checks RFLAGS.IF itself). A level that is
 *             there already is a cheap no-op
 * @vcpu_signal: NMI, SMI, INIT, SIPI with its @vector; remembered until the
 *             CPU looks; wakes it
 *             Both: any thread, with locks of hw/intc held, so they must not
 *             call AccelHost or AccelIrqHost and take only leaf locks. Not
 *             called with ACCEL_IRQCHIP_KERNEL; vcpu_intr then only for the
 *             8259 with ACCEL_IRQCHIP_SPLIT
 * @vcpu_tsc_to_ns: (optional) QEMU_CLOCK_VIRTUAL of the moment at which the
 *             TSC of @vcpu is (was) @tsc, rounded up, at most INT64_MAX; own
 *             thread. Default: the APIC timer has no TSC-deadline mode
 * @send_msi: (not with ACCEL_IRQCHIP_USER) the message signalled interrupt
 *             @data written to @addr; any thread
 * @ioapic_route: (ACCEL_IRQCHIP_SPLIT) message of IOAPIC pin @pin, so that the
 *             accelerator knows of which vectors to report the end; @level:
 *             it is level triggered; @masked: there is none now
 * @ioeventfd_add, @ioeventfd_del: (optional) an AccelIOEvent comes and goes;
 *             the same contents for both. Callers go on without
 * @irqfd_add: (optional) each event of @fd (borrowed until irqfd_del) is this
 *             MSI. Returns: a number for the other two, or -1 with @errp
 * @irqfd_update: another message for the same @route
 *
 * @pit_hpet_legacy: (optional) the line of the timer of create_pit leads
 *             nowhere (true), for the HPET stands in for it
 *
 * State for another host, beside vcpu_get_state; the guest is stopped.
 * @vcpu_savable: (optional) can all of the vCPU's state be had? false and why
 *             not in @errp. Default: yes
 * @vm_state_parts: (optional, with the next two) which of X86_VM_* it has
 * @vm_get_state, @vm_set_state: parts of @mask
 *
 * Memory.
 * @ram_change_begin, @ram_change_end: (optional) around changes of the map of
 *             RAM while the dirty log is on: between them no CPU is inside
 *             guest code, so that what it wrote to a piece that goes away can
 *             be synced before. May be called in the thread of a CPU that is
 *             outside
 * @dirty_log_start, @dirty_log_stop: (optional, all four or none) from now on
 *             note which pages of RAM are written by guests. At the start
 *             every page counts as written and reported
 * @dirty_log_sync: set in @bitmap the bit of each page of 4 KiB that was
 *             written since it was last cleared, bit 0 being that of @gpa.
 *             @size bytes lie in one piece of RAM. What a CPU wrote before the
 *             call is there when it returns
 * @dirty_log_clear: the pages among @size bytes at @gpa which dirty_log_sync()
 *             has reported count as clean again, so a write from now on is
 *             reported; for pages written after that report and not in it
 *             nothing changes. What lies outside of RAM is passed over
 *             All four: any thread but a vCPU's that is inside the guest
 * @vcpu_dirty_pages: (optional) pages that the CPU was seen to make dirty
 *             while a log was on, each once until dirty_log_clear(); false: not
 *             counted. Any thread
 * @dirty_ring_full_ns: (optional) time that CPUs have spent with a full ring
 *             of dirty pages. Any thread
 * @ram_written: (optional) a device wrote to @len bytes of RAM at @gpa: for
 *             copies of guest code; any thread
 *
 * Mandatory unless said otherwise.
 */
struct AccelClass {
    ObjectClass parent_class;

    const char *name;
    bool (*available)(Error **errp);
    bool (*init_machine)(AccelState *accel, unsigned max_cpus, Error **errp);
    X86CPUIDTable *(*cpuid_supported)(AccelState *accel, Error **errp);
    bool (*create_irqchip)(AccelState *accel, Error **errp);
    bool (*create_pit)(AccelState *accel, bool reinject, Error **errp);
    void (*set_irq)(AccelState *accel, unsigned gsi, bool level);
    bool (*map_ram)(AccelState *accel, uint64_t gpa, uint64_t size, void *host,
                    unsigned flags, Error **errp);
    bool (*unmap_ram)(AccelState *accel, uint64_t gpa, uint64_t size,
                      Error **errp);
    AccelVCPU *(*vcpu_new)(AccelState *accel, unsigned index, uint32_t apic_id,
                           Error **errp);
    void (*vcpu_free)(AccelVCPU *vcpu);
    bool (*vcpu_thread_init)(AccelVCPU *vcpu, Error **errp);
    AccelExit (*vcpu_run)(AccelVCPU *vcpu, Error **errp);
    void (*vcpu_kick)(AccelVCPU *vcpu);
    bool (*vcpu_set_cpuid)(AccelVCPU *vcpu, const X86CPUIDTable *table,
                           Error **errp);
    bool (*vcpu_reset)(AccelVCPU *vcpu, bool is_bsp, Error **errp);
    bool (*vcpu_get_state)(AccelVCPU *vcpu, unsigned mask, X86CPUState *state,
                           Error **errp);
    bool (*vcpu_set_state)(AccelVCPU *vcpu, unsigned mask,
                           const X86CPUState *state, Error **errp);
    bool (*vcpu_nmi)(AccelVCPU *vcpu, Error **errp);
    bool (*vcpu_set_debug)(AccelVCPU *vcpu, const AccelDebug *debug,
                           Error **errp);
    void (*vcpu_debug_hit)(AccelVCPU *vcpu, AccelDebugHit *hit);
    bool (*reset_irqchip)(AccelState *accel, Error **errp);
    void (*vm_state_changed)(AccelState *accel, bool running);

    AccelIrqchip (*irqchip)(AccelState *accel);
    void (*vcpu_intr)(AccelVCPU *vcpu, bool level);
    void (*vcpu_signal)(AccelVCPU *vcpu, AccelSignal signal, uint8_t vector);
    int64_t (*vcpu_tsc_to_ns)(AccelVCPU *vcpu, uint64_t tsc);
    void (*send_msi)(AccelState *accel, uint64_t addr, uint32_t data);
    void (*ioapic_route)(AccelState *accel, unsigned pin, uint64_t addr,
                         uint32_t data, bool level, bool masked);
    bool (*ioeventfd_add)(AccelState *accel, const AccelIOEvent *event,
                          Error **errp);
    void (*ioeventfd_del)(AccelState *accel, const AccelIOEvent *event);
    int (*irqfd_add)(AccelState *accel, int fd, uint64_t addr, uint32_t data,
                     Error **errp);
    bool (*irqfd_update)(AccelState *accel, int route, uint64_t addr,
                         uint32_t data, Error **errp);
    void (*irqfd_del)(AccelState *accel, int route);
    void (*pit_hpet_legacy)(AccelState *accel, bool on);
    bool (*vcpu_savable)(AccelVCPU *vcpu, Error **errp);
    unsigned (*vm_state_parts)(AccelState *accel);
    bool (*vm_get_state)(AccelState *accel, unsigned mask, X86VMState *state,
                         Error **errp);
    bool (*vm_set_state)(AccelState *accel, unsigned mask,
                         const X86VMState *state, Error **errp);
    bool (*dirty_log_start)(AccelState *accel, Error **errp);
    void (*dirty_log_stop)(AccelState *accel);
    bool (*dirty_log_sync)(AccelState *accel, uint64_t gpa, uint64_t size,
                           unsigned long *bitmap, Error **errp);
    void (*dirty_log_clear)(AccelState *accel, uint64_t gpa, uint64_t size);
    bool (*vcpu_dirty_pages)(AccelVCPU *vcpu, uint64_t *ret_pages);
    uint64_t (*dirty_ring_full_ns)(AccelState *accel);
    void (*ram_change_begin)(AccelState *accel);
    void (*ram_change_end)(AccelState *accel);
    void (*ram_written)(AccelState *accel, uint64_t gpa, uint64_t len);
};

struct AccelState {
    Object parent_obj;

    /* Set by accel_attach(), constant afterwards. */
    const AccelHost *host;
    void *host_opaque;
    /* Set by accel_attach_irq() before the first vCPU runs, then constant;
     * NULL if all controllers are inside the accelerator. */
    const AccelIrqHost *irq_host;
    void *irq_opaque;
};

/** accel_find: class of accelerator @name ("kvm", "tcg" = "soft"), or NULL. */
AccelClass *accel_find(const char *name);

/** accel_help: (transfer full) text of `-accel help`. */
char *accel_help(void);

/**
 * accel_candidates_parse:
 * @spec: (in) (nullable) names separated by ':' ("kvm:tcg"), as in
 *        `-machine accel=`; NULL = the default: kvm where the host has
 *        hardware virtualization, else soft
 *
 * Returns: (transfer full) array for accel_create().
 */
json_t *accel_candidates_parse(const char *spec);

/**
 * accel_create:
 * @candidates: (in) array of objects: "accel", and its properties as from
 *              `-accel kvm,prop=val`; strings are parsed
 * @ret_why: (out) (optional) (transfer full) why earlier candidates were
 *           passed over, for one informational message; NULL if none was
 * @errp: (out) set when the return is NULL
 *
 * Returns: (transfer full) the first candidate that works on this host, its
 *   properties set, not opened.
 * Errors: no such accelerator; none works (with each reason); unknown
 *   property or bad value.
 */
AccelState *accel_create(const json_t *candidates, char **ret_why,
                         Error **errp);

/** accel_attach: how devices are reached; once, before init_machine. */
void accel_attach(AccelState *accel, const AccelHost *host, void *opaque);

/** accel_attach_irq: interrupt controllers outside of the accelerator; once,
 *  before a vCPU runs. */
void accel_attach_irq(AccelState *accel, const AccelIrqHost *host,
                      void *opaque);
/** accel_irqchip: where the interrupt controllers are. */
AccelIrqchip accel_irqchip(AccelState *accel);

/** kvm_host_present: is /dev/kvm there and usable? (query-kvm "present") */
bool kvm_host_present(void);

#endif
