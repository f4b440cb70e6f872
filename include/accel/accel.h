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
} AccelExit;

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
 * @reset_irqchip: interrupt controllers and PIT to power-on; vCPUs stopped
 * @vm_state_changed: the guest's time stops (false) or goes on (true)
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
    bool (*reset_irqchip)(AccelState *accel, Error **errp);
    void (*vm_state_changed)(AccelState *accel, bool running);
};

struct AccelState {
    Object parent_obj;

    /* Set by accel_attach(), constant afterwards. */
    const AccelHost *host;
    void *host_opaque;
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

/** kvm_host_present: is /dev/kvm there and usable? (query-kvm "present") */
bool kvm_host_present(void);

#endif
