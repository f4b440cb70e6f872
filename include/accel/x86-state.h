/*
 * The state of one x86 virtual CPU as plain data, the same for every
 * accelerator: what a reset writes, what a debugger reads and what a
 * migration carries.
 *
 * Layouts follow the architecture (Intel SDM volume 3, AMD APM volume 2),
 * not an accelerator's interface.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_X86_STATE_H
#define ACCEL_X86_STATE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Index into X86CPUState.gpr. */
typedef enum X86GPR {
    X86_RAX,
    X86_RCX,
    X86_RDX,
    X86_RBX,
    X86_RSP,
    X86_RBP,
    X86_RSI,
    X86_RDI,
    X86_R8,
    X86_R15 = 15,
    X86_GPR_COUNT,
} X86GPR;

/* Index into X86CPUState.seg. */
typedef enum X86Seg {
    X86_ES,
    X86_CS,
    X86_SS,
    X86_DS,
    X86_FS,
    X86_GS,
    X86_LDTR,
    X86_TR,
    X86_SEG_COUNT,
} X86Seg;

#define X86_CR0_PE   (1u << 0)
#define X86_CR0_MP   (1u << 1)
#define X86_CR0_ET   (1u << 4)
#define X86_CR0_NE   (1u << 5)
#define X86_CR0_NW   (1u << 29)
#define X86_CR0_CD   (1u << 30)
#define X86_CR0_PG   (1u << 31)
#define X86_CR4_PAE  (1u << 5)
#define X86_EFER_LME (1u << 8)
#define X86_EFER_LMA (1u << 10)

#define X86_APICBASE_BSP     (1u << 8)
#define X86_APICBASE_ENABLE  (1u << 11)
#define X86_APICBASE_DEFAULT 0xfee00000u

/* Descriptor type nibbles, with the accessed/busy bit set. */
#define X86_SEG_TYPE_DATA_RW 3
#define X86_SEG_TYPE_CODE_RX 11
#define X86_SEG_TYPE_LDT     2
#define X86_SEG_TYPE_TSS32   11

typedef struct X86Segment {
    uint64_t base;
    uint32_t limit; /* in bytes, after granularity */
    uint16_t selector;
    uint8_t type; /* low four bits of the access byte */
    bool s;       /* code or data, not system */
    uint8_t dpl;
    bool present;
    bool avl;
    bool l;
    bool db;
    bool g;
    bool unusable;
} X86Segment;

typedef struct X86Table {
    uint64_t base;
    uint16_t limit;
} X86Table;

/* The values of the run state of one CPU (SDM 3A 9.4.1: wait-for-SIPI). */
typedef enum X86MPState {
    X86_MP_RUNNABLE,
    X86_MP_UNINITIALIZED, /* application processor before INIT */
    X86_MP_INIT_RECEIVED, /* waits for SIPI */
    X86_MP_HALTED,
    X86_MP_SIPI_RECEIVED,
} X86MPState;

typedef struct X86MSR {
    uint32_t index;
    uint64_t value;
} X86MSR;

/* Events that wait to be delivered. */
typedef struct X86Events {
    bool exception_pending;
    bool exception_injected;
    bool exception_has_error;
    uint8_t exception_vector;
    uint32_t exception_error;
    uint64_t exception_payload;
    bool exception_has_payload;
    bool interrupt_injected;
    bool interrupt_soft;
    uint8_t interrupt_vector;
    uint8_t interrupt_shadow;
    bool nmi_injected;
    bool nmi_pending;
    bool nmi_masked;
    uint32_t sipi_vector;
    bool smm;
    bool smm_pending;
    bool smm_inside_nmi;
    bool smm_latched_init;
    bool triple_fault_pending;
    bool init_pending; /* signals that the CPU has not looked at yet; with */
    bool sipi_pending; /* both, INIT came first */
} X86Events;

/* Largest XSAVE area taken: a guest's state, not a peer's number. */
#define X86_XSAVE_BYTES_MAX 16384u
#define X86_MSR_COUNT_MAX   512u
#define X86_LAPIC_BYTES     1024u

/* Which parts of X86CPUState a call is about. */
#define X86_STATE_REGS   (1u << 0) /* gpr, rip, rflags */
#define X86_STATE_SREGS  (1u << 1) /* seg .. apic_base */
#define X86_STATE_FPU    (1u << 2) /* xsave, xcr0 */
#define X86_STATE_MSRS   (1u << 3)
#define X86_STATE_LAPIC  (1u << 4)
#define X86_STATE_EVENTS (1u << 5)
#define X86_STATE_MP     (1u << 6)
#define X86_STATE_DEBUG  (1u << 7)
#define X86_STATE_ALL    0xffu
/* With the others, for a state that another host has saved: what cannot be set
 * is an error and not left out, and timers and the time stamp counter go on
 * from where they were when the guest starts, not before. */
#define X86_STATE_INCOMING (1u << 8)

typedef struct X86CPUState {
    uint64_t gpr[X86_GPR_COUNT];
    uint64_t rip;
    uint64_t rflags;

    X86Segment seg[X86_SEG_COUNT];
    X86Table gdt;
    X86Table idt;
    uint64_t cr0;
    uint64_t cr2;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t cr8;
    uint64_t efer;
    uint64_t apic_base;
    bool pdptrs_valid; /* else they are those at cr3, with PAE paging */
    uint64_t pdptrs[4];

    uint64_t xcr0;
    uint8_t *xsave; /* standard form of the XSAVE area; owned */
    size_t xsave_bytes;

    X86MSR *msrs; /* owned */
    size_t n_msrs;
    uint32_t tsc_khz; /* rate of the time stamp counter; 0: not known */

    uint8_t lapic[X86_LAPIC_BYTES]; /* register page, first KiB */
    X86Events events;
    X86MPState mp_state;

    uint64_t dr[4];
    uint64_t dr6;
    uint64_t dr7;
} X86CPUState;

/** x86_state_msr: value of MSR @index; NULL: not in @state. */
const uint64_t *x86_state_msr(const X86CPUState *state, uint32_t index);

/** x86_state_new: (transfer full) all zero. */
X86CPUState *x86_state_new(void);
/** x86_state_free: accepts NULL. */
void x86_state_free(X86CPUState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X86CPUState, x86_state_free)

/**
 * x86_state_set_flat32:
 * @state: (inout) registers and segments are set, the rest stays
 * @entry: first instruction, guest-physical
 *
 * Flat 32-bit protected mode without paging and with interrupts off, as both
 * the Multiboot specification (3.2 "Machine state") and the PVH boot ABI ask
 * for.
 */
void x86_state_set_flat32(X86CPUState *state, uint32_t entry);

/**
 * x86_state_set_flat64:
 * @tables: physical address of level 4 page tables that map @entry
 *
 * 64-bit mode with interrupts off, as the Linux boot protocol asks for.
 */
void x86_state_set_flat64(X86CPUState *state, uint64_t entry, uint64_t tables);

/* -- what a machine has once, inside of the accelerator ------------------- */

/* An 8259, as its registers are; @init_step: next ICW expected, 0 = none. */
typedef struct X86PICState {
    uint8_t last_irr; /* levels of the lines */
    uint8_t irr;
    uint8_t imr;
    uint8_t isr;
    uint8_t priority_add; /* pin of the highest priority */
    uint8_t irq_base;
    uint8_t read_reg_select;
    uint8_t poll;
    uint8_t special_mask;
    uint8_t init_step;
    uint8_t auto_eoi;
    uint8_t rotate_on_auto_eoi;
    uint8_t special_fully_nested;
    uint8_t init4;
    uint8_t elcr;
    uint8_t elcr_mask;
} X86PICState;

#define X86_IOAPIC_PINS    24
#define X86_IOAPIC_ADDRESS 0xfec00000u

typedef struct X86IOAPICState {
    uint64_t base_address;
    uint32_t select;
    uint32_t id;
    uint32_t irr; /* requests that were not delivered, levels */
    uint64_t entry[X86_IOAPIC_PINS];
} X86IOAPICState;

/* A counter of an 8254; @mode 0 to 5, or 0xff before the first control word. */
typedef struct X86PITCounter {
    uint32_t count; /* 1 to 65536 */
    uint16_t latched_count;
    uint8_t count_latched;
    uint8_t status_latched;
    uint8_t status;
    uint8_t read_state;
    uint8_t write_state;
    uint8_t write_latch;
    uint8_t rw_mode;
    uint8_t mode;
    uint8_t bcd;
    uint8_t gate;
} X86PITCounter;

#define X86_PIT_COUNTERS 3

typedef struct X86PITState {
    X86PITCounter counter[X86_PIT_COUNTERS];
    uint32_t flags;
} X86PITState;

/* Parts of X86VMState. */
#define X86_VM_IRQCHIP (1u << 0) /* pic, ioapic */
#define X86_VM_PIT     (1u << 1)
#define X86_VM_CLOCK   (1u << 2)

typedef struct X86VMState {
    X86PICState pic[2];
    X86IOAPICState ioapic;
    X86PITState pit;
    uint64_t clock_ns; /* paravirtual clock, of the moment the guest stopped */
} X86VMState;

/* One CPUID leaf. */
typedef struct X86CPUIDEntry {
    uint32_t function;
    uint32_t index;
    bool has_index; /* the answer depends on ECX */
    uint32_t eax;
    uint32_t ebx;
    uint32_t ecx;
    uint32_t edx;
} X86CPUIDEntry;

/* More leaves than any host reports; an accelerator's answer is cut here. */
#define X86_CPUID_ENTRIES_MAX 256u

typedef struct X86CPUIDTable {
    unsigned count;
    X86CPUIDEntry entry[X86_CPUID_ENTRIES_MAX];
} X86CPUIDTable;

static inline void x86_cpuid_table_free(X86CPUIDTable *table)
{
    g_free(table);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X86CPUIDTable, x86_cpuid_table_free)

/** x86_cpuid_find: leaf @function, sub-leaf @index; NULL if it is not there. */
const X86CPUIDEntry *x86_cpuid_find(const X86CPUIDTable *table,
                                    uint32_t function, uint32_t index);

/**
 * x86_cpuid_add:
 * @entry: (in) copied; replaces an entry of the same function and index
 *
 * Returns: false if the table is full (the entry is dropped).
 */
bool x86_cpuid_add(X86CPUIDTable *table, const X86CPUIDEntry *entry);

#endif
