/*
 * What the files of the software accelerator share among themselves: the
 * accelerator object, the map of guest RAM, and the part of a CPU that has to
 * do with other threads.
 *
 * A CPU's thread is "inside" while it may hold pointers into guest RAM, the
 * map or its TLB from before; it is outside in calls of AccelHost, in
 * intr_ack, while halted and while stopped. Who takes something away (a piece
 * of RAM, a page's write permission) publishes the new state, posts work to
 * every CPU and waits until each has gone through its work or is outside: on
 * the way in, and at each block boundary, a CPU does its work first. Whoever
 * waits holds no lock that an inside thread may want; the machine lock is none
 * of these.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_ACCEL_H
#define ACCEL_SOFT_ACCEL_H

#include "util/thread.h"

#include "mem.h"
#include "soft-cpu.h"
#include "sysinsn.h"

#define TYPE_SOFT_ACCEL ACCEL_CLASS_NAME("soft")

/* One piece of guest RAM. @flags: SOFT_PAGE_* of each page. @lines: bit n of
 * a page: code of its n-th 64 bytes is kept. Both atomic. */
typedef struct SoftMemPiece {
    uint64_t gpa;
    uint64_t size;
    uint8_t *host;
    bool readonly;
    uint8_t *flags;
    uint64_t *lines;
} SoftMemPiece;

/* All of them, by address, without overlap; never changed once published. */
struct SoftMemMap {
    unsigned count;
    SoftMemPiece *piece[];
};

#define SOFT_WORK_PAGES 64

/* What other threads ask of a CPU. */
typedef struct SoftWork {
    bool flush_tlb;
    bool invalidate_all;
    bool announce_all; /* an announcement found no room */
    unsigned n_pages;  /* over the limit: invalidate_all */
    uint64_t page[SOFT_WORK_PAGES];
} SoftWork;

#define SOFT_WORK_ANNOUNCE 1u /* in page[]: tell every CPU to forget it */

#define SOFT_FILL_LOG     256
#define SOFT_LARGE_RANGES 8

/* Linear addresses, both inclusive. */
typedef struct SoftRange {
    uint64_t low;
    uint64_t high;
} SoftRange;

/* A breakpoint in effect. */
typedef struct SoftPoint {
    uint64_t addr;
    uint8_t len;
    uint8_t kind;   /* AccelDebugKind */
    uint8_t number; /* of the debug register or of the debugger's point */
} SoftPoint;

typedef struct SoftCPUPrivate {
    /* Own thread. */
    const SoftMemPiece *last_piece; /* where a physical address was found */
    uint64_t apic_page;             /* gpa of the local APIC, or SOFT_NO_GPA */
    uint64_t pdpte[4];              /* PAE paging */
    unsigned phys_bits;
    bool has_1g_pages;
    SoftPoint point[ACCEL_DEBUG_POINTS]; /* armed: the debugger's, or DR0-3 */
    unsigned n_points;
    bool watching; /* a data breakpoint is among them */
    AccelDebug debug;
    AccelDebugHit debug_hit;
    bool debug_exit;    /* leave with debug_hit */
    bool skip_point;    /* the execution breakpoint at rip was reported */
    uint64_t cr4_valid; /* bits of the CPU model */
    uint64_t efer_valid;
    X86CPUIDTable *cpuid;
    X86MPState mp_state;
    bool has_apic; /* AccelIrqHost knows this CPU: from the first reset on */
    int injected;  /* vector that was acknowledged before set_state, or -1 */
    uint64_t dirty_pages; /* atomic; made dirty by this CPU while logging */
    uint32_t misses;      /* of the TLB since the last look at its size */
    uint32_t evictions;
    bool grow_tlb;
    uint16_t fill_log[SOFT_TLB_BANKS][SOFT_FILL_LOG]; /* since the flush */
    unsigned n_fill_log[SOFT_TLB_BANKS]; /* over SOFT_FILL_LOG: look at all */
    SoftRange large[SOFT_LARGE_RANGES];  /* where large pages were seen */
    unsigned n_large;
    bool no_step; /* the instruction suppresses a single-step trap */

    QemuMutex lock; /* guards the following; a leaf */
    QemuCond wake;  /* exit_request was set */
    QemuCond idle;  /* outside, or work done */
    bool inside;
    bool barred; /* is not to come inside (soft_ram_change_begin()) */
    bool sleeping;
    uint64_t posted; /* tickets of SoftWork */
    uint64_t done;
    SoftWork work;

    int intr_line;   /* atomic: level of the INTR pin */
    int nmi_pending; /* atomic */
    int sipi_vector; /* atomic */
} SoftCPUPrivate;

OBJECT_DECLARE_SIMPLE_TYPE(SoftAccel, SOFT_ACCEL)

struct SoftAccel {
    AccelState parent_obj;

    /* properties */
    bool jit;
    uint32_t tb_size_mib;
    bool perf_map;

    uint64_t tb_size_bytes; /* 0: automatic */

    const SoftTranslator *translator; /* NULL: interpreter only */

    QemuMutex map_lock; /* guards publishing map, pieces' refs, dirty_log */
    SoftMemMap *map;    /* atomic pointer */
    bool dirty_log;

    QemuMutex split_lock; /* locked accesses that no host instruction does */

    QemuMutex cpus_lock; /* guards cpus; taken before a CPU's lock */
    GPtrArray *cpus;     /* SoftCPU, borrowed */

    QemuMutex time_lock; /* guards the following two */
    bool stopped;
    uint64_t stopped_tsc; /* host TSC at the stop */
    uint64_t tsc_hz;
};

/* -- mem-map.c: pieces of RAM ---------------------------------------------- */

bool soft_map_ram(AccelState *accel, uint64_t gpa, uint64_t size, void *host,
                  unsigned flags, Error **errp);
bool soft_unmap_ram(AccelState *accel, uint64_t gpa, uint64_t size,
                    Error **errp);
void soft_map_free(SoftAccel *s);

/** soft_map_find: piece that holds @gpa, or NULL. Own thread, inside. */
const SoftMemPiece *soft_map_search(const SoftMemMap *map, uint64_t gpa);

static inline const SoftMemPiece *soft_map_find(SoftCPU *cpu, uint64_t gpa)
{
    const SoftMemPiece *p = cpu->priv->last_piece;

    if (likely(p && gpa - p->gpa < p->size)) {
        return p;
    }
    p = soft_map_search(qatomic_rcu_read(&soft_accel_of(cpu)->map), gpa);
    if (p) {
        cpu->priv->last_piece = p;
    }
    return p;
}

/* -- soft-work.c: no CPU inside while the map changes -------------------- */

void soft_ram_change_begin(AccelState *accel);
void soft_ram_change_end(AccelState *accel);

/* -- mem-code.c: pages that hold code ---------------------------- */

/** soft_page_written: @len bytes at @gpa (inside a page) were written, and
 *  @flags of the page asked to be told. */
void soft_page_written(SoftCPU *cpu, uint64_t gpa, unsigned len,
                       uint8_t *flags);
void soft_ram_written(AccelState *accel, uint64_t gpa, uint64_t len);

/* -- mem-log.c: dirty log ---------------------------------------------------- */

/** soft_log_written: @flags had LOG, and the page is being written. */
void soft_log_written(SoftCPU *cpu, uint8_t *flags);
bool soft_log_start(AccelState *accel, Error **errp);
void soft_log_stop(AccelState *accel);
bool soft_log_sync(AccelState *accel, uint64_t gpa, uint64_t size,
                   unsigned long *bitmap, Error **errp);
void soft_log_clear(AccelState *accel, uint64_t gpa, uint64_t size);
bool soft_vcpu_dirty_pages(AccelVCPU *vcpu, uint64_t *ret_pages);

/* -- mmu.c ------------------------------------------------------------------ */

typedef struct SoftWalk {
    uint64_t gpa;  /* of the 4 KiB page */
    bool readable; /* with the rights asked for */
    bool writable; /* and the dirty bit is set */
    bool executable;
    bool global;
    uint8_t page_shift; /* of the page: 12, 21, 22, 30 */
} SoftWalk;

/** soft_walk: translate; sets accessed and dirty bits. Errors: #PF. */
bool soft_walk(SoftCPU *cpu, SoftMMU mmu, uint64_t linear, SoftAccess access,
               SoftWalk *walk);
/** soft_load_pdptes: for PAE paging; #GP(0) for reserved bits. */
bool soft_load_pdptes(SoftCPU *cpu, uint64_t cr3);

/* -- tlb.c ------------------------------------------------------------------ */

/** soft_tlb_fill: the entry of @linear, filled for @access. NULL: exception. */
SoftTLBEntry *soft_tlb_fill(SoftCPU *cpu, SoftMMU mmu, uint64_t linear,
                            SoftAccess access);
/** soft_tlb_init: for the present size, from any contents. */
void soft_tlb_init(SoftCPU *cpu);
/** soft_tlb_reset: everything empty, without telling the translator. */
void soft_tlb_reset(SoftCPU *cpu);
/** soft_tlb_grow: twice the size; at a block boundary. */
void soft_tlb_grow(SoftCPU *cpu);
/** soft_tlb_write_slow: any thread: writes to page @gpa have to be told of in
 *  @cpu. Returns: true if one had not to be. */
bool soft_tlb_write_slow(SoftCPU *cpu, uint64_t gpa);
/** soft_tlb_write_fast: @e may be written directly, if its flags allow. */
void soft_tlb_write_fast(SoftCPU *cpu, SoftTLBEntry *e, uint64_t linear);

static inline SoftTLBInfo *soft_tlb_info(SoftCPU *cpu, const SoftTLBEntry *e)
{
    return &cpu->tlb_info[0][0] + (e - &cpu->tlb[0][0]);
}

/* The slow tag of a page. @what: SOFT_TLB_*, not 0. */
static inline uint64_t soft_tlb_slow_tag(uint64_t linear, unsigned what)
{
    return (linear & SOFT_PAGE_MASK) + SOFT_PAGE_BYTES + what;
}

/* SOFT_TLB_* of @tag for the page of @linear; 0: fast; -1: not the page. */
static inline int soft_tlb_tag_kind(uint64_t tag, uint64_t linear)
{
    uint64_t page = linear & SOFT_PAGE_MASK;

    if (tag == page) {
        return 0;
    }
    return tag - page - SOFT_PAGE_BYTES - 1 < SOFT_PAGE_BYTES - 1
               ? (int)(tag & 0xfff)
               : -1;
}

/* -- mem-io.c: guest-physical accesses -------------------------------------- */

/** soft_phys_read, soft_phys_write: device memory and the local APIC; @len
 *  1 to 64 bytes in one page. */
void soft_phys_read(SoftCPU *cpu, uint64_t gpa, void *buf, unsigned len);
void soft_phys_write(SoftCPU *cpu, uint64_t gpa, const void *buf, unsigned len);

/* -- soft-debug.c: breakpoints ------------------------------------------------ */

/** soft_watch: note data breakpoints that an access touches. */
void soft_watch(SoftCPU *cpu, uint64_t linear, unsigned size, bool is_write);
/** soft_watch_page: is there one on the page? */
bool soft_watch_page(const SoftCPU *cpu, uint64_t linear);
/** soft_debug_changed: after a change of DR0 to DR3, DR7 or by a debugger. */
void soft_debug_changed(SoftCPU *cpu);
/** soft_debug_step: one instruction with TF, breakpoints and a debugger's
 *  wishes. Returns: true to leave with ACCEL_EXIT_DEBUG. */
bool soft_debug_step(SoftCPU *cpu);
bool soft_vcpu_set_debug(AccelVCPU *vcpu, const AccelDebug *debug,
                         Error **errp);
void soft_vcpu_debug_hit(AccelVCPU *vcpu, AccelDebugHit *hit);

/* -- soft-work.c: between threads ------------------------------------------- */

void soft_enter_guest(SoftCPU *cpu);
void soft_leave_guest(SoftCPU *cpu);
/** soft_do_work: at a block boundary. */
void soft_do_work(SoftCPU *cpu);
/** soft_wake: set @bits in exit_request; a sleeping CPU wakes. Any thread. */
void soft_wake(SoftCPU *cpu, uint32_t bits);

/** soft_post_page: @page was written, or'ed with SOFT_WORK_ANNOUNCE. */
void soft_post_page(SoftCPU *cpu, uint64_t page);
/** soft_post_page_all: to every CPU but @self (nullable). */
void soft_post_page_all(SoftAccel *s, uint64_t page, const SoftCPU *self);
/** soft_sync_cpus: post a TLB flush (and @invalidate_all) to every CPU; done
 *  everywhere when it returns. Not inside. */
void soft_sync_cpus(SoftAccel *s, bool invalidate_all);

/* -- segment.c -------------------------------------------------------------- */

typedef struct SoftDescriptor {
    uint32_t lo;
    uint32_t hi;
    uint32_t hi2; /* upper half of the base: 16-byte descriptors */
    uint64_t linear;
} SoftDescriptor;

static inline uint32_t soft_desc_limit(const SoftDescriptor *d)
{
    uint32_t limit = (d->lo & 0xffff) | (d->hi & 0xf0000);

    return d->hi & SOFT_SEG_G ? limit << 12 | 0xfff : limit;
}

static inline uint32_t soft_desc_base(const SoftDescriptor *d)
{
    return d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000u);
}

static inline unsigned soft_desc_dpl(const SoftDescriptor *d)
{
    return d->hi >> SOFT_SEG_DPL_SHIFT & 3;
}

static inline unsigned soft_desc_type(const SoftDescriptor *d)
{
    return d->hi >> SOFT_SEG_TYPE_SHIFT & 15;
}

/* What SoftSegment.attr keeps of a descriptor. */
#define SOFT_SEG_ATTRS 0x00f0ff00u

/* Types of system descriptors. */
enum {
    SOFT_SYS_TSS16 = 1,
    SOFT_SYS_LDT = 2,
    SOFT_SYS_TSS16_BUSY = 3,
    SOFT_SYS_CALL16 = 4,
    SOFT_SYS_TASK_GATE = 5,
    SOFT_SYS_INT16 = 6,
    SOFT_SYS_TRAP16 = 7,
    SOFT_SYS_TSS = 9, /* 32 or 64 bits */
    SOFT_SYS_TSS_BUSY = 11,
    SOFT_SYS_CALL = 12, /* 32 or 64 bits */
    SOFT_SYS_INT = 14,
    SOFT_SYS_TRAP = 15,
};

/**
 * soft_desc_read:
 * @vector, @ext: of the exception if @selector lies beyond its table
 *
 * Errors: @vector(@selector | @ext), #PF.
 */
bool soft_desc_read(SoftCPU *cpu, uint16_t selector, unsigned vector,
                    unsigned ext, SoftDescriptor *d);
/** soft_desc_read_high: the second half of a 16-byte descriptor. */
bool soft_desc_read_high(SoftCPU *cpu, uint16_t selector, unsigned vector,
                         unsigned ext, SoftDescriptor *d);
/** soft_desc_accessed: set the accessed bit, in memory and in @d. */
bool soft_desc_accessed(SoftCPU *cpu, SoftDescriptor *d);
/** soft_seg_from_desc: fill a segment's cache. */
void soft_seg_from_desc(SoftSegment *seg, uint16_t selector,
                        const SoftDescriptor *d);
/** soft_seg_real: as real mode (or, with @vm86, virtual-8086) loads it. */
void soft_seg_real(SoftCPU *cpu, unsigned seg, uint16_t selector, bool vm86);
void soft_seg_null(SoftSegment *seg, uint16_t selector);
/** soft_set_cs: @d is code; @cpl the new privilege level. */
void soft_set_cs(SoftCPU *cpu, uint16_t selector, const SoftDescriptor *d,
                 unsigned cpl);
/** soft_drop_segments: after a return to CPL @cpl, segment registers that it
 *  may not have become null. */
void soft_drop_segments(SoftCPU *cpu, unsigned cpl);

/** soft_ss_check: the descriptor of a new stack for @cpl; errors @vector. */
bool soft_ss_check(SoftCPU *cpu, uint16_t selector, unsigned cpl,
                   unsigned vector, unsigned ext, SoftDescriptor *d);

/* -- segment-stack.c: a stack that is not the current one yet --------------- */

typedef struct SoftStack {
    uint64_t sp;
    uint64_t mask; /* of the stack pointer */
    SoftSegment ss;
    SoftMMU mmu;
    bool long64;
} SoftStack;

/** soft_stack_current: as push and pop of the present mode have it. */
void soft_stack_current(const SoftCPU *cpu, SoftStack *st);
/** soft_stack_new: for CPL @cpl with @ss. */
void soft_stack_new(const SoftCPU *cpu, SoftStack *st, const SoftSegment *ss,
                    uint64_t sp, unsigned cpl, bool long64);
/** soft_stack_push, soft_stack_pop: @bytes 2, 4 or 8. Errors: #SS, #PF. */
bool soft_stack_push(SoftCPU *cpu, SoftStack *st, unsigned bytes,
                     uint64_t value);
bool soft_stack_pop(SoftCPU *cpu, SoftStack *st, unsigned bytes, uint64_t *ret);
/** soft_stack_commit: write sp back to rSP as far as the stack size says. */
void soft_stack_commit(SoftCPU *cpu, const SoftStack *st);

/* -- segment-task.c ---------------------------------------------------------- */

typedef enum SoftTaskSwitch {
    SOFT_TASK_JMP,
    SOFT_TASK_CALL, /* also interrupts */
    SOFT_TASK_IRET,
} SoftTaskSwitch;

/**
 * soft_task_switch:
 * @return_rip: saved as the old task's EIP
 *
 * Sets next_rip. Errors before the point of no return as usual; after it
 * in the context of the new task.
 */
bool soft_task_switch(SoftCPU *cpu, uint16_t selector, SoftTaskSwitch how,
                      uint64_t return_rip, unsigned ext);
/** soft_tss_stack: SSn:ESPn of the 16- or 32-bit TSS. Errors: #TS, #PF. */
bool soft_tss_stack(SoftCPU *cpu, unsigned cpl, unsigned ext,
                    uint16_t *ret_selector, uint32_t *ret_sp);
/** soft_tss_rsp: an 8-byte stack pointer of the 64-bit TSS at @offset. */
bool soft_tss_rsp(SoftCPU *cpu, unsigned offset, unsigned ext, uint64_t *ret);

/* -- exception.c -------------------------------------------------------------- */

typedef enum SoftEventKind {
    SOFT_EVENT_EXCEPTION,
    SOFT_EVENT_EXTERNAL, /* interrupts and NMI */
    SOFT_EVENT_INT_N,
    SOFT_EVENT_INT3, /* and INTO: the gate's DPL counts, no IOPL check */
    SOFT_EVENT_INT1,
} SoftEventKind;

/** soft_event_deliver: through the IDT; @return_rip is pushed. Sets next_rip
 *  and all else. Errors: the exception of the delivery. */
bool soft_event_deliver(SoftCPU *cpu, uint8_t vector, SoftEventKind kind,
                        const SoftException *exception, uint64_t return_rip);

/* -- registers ---------------------------------------------------------------- */

/** soft_set_eflags: everything that depends on flags follows. */
void soft_set_eflags(SoftCPU *cpu, uint32_t eflags);
/** soft_canonical: is @addr canonical with 48 bits? */
static inline bool soft_canonical(uint64_t addr)
{
    return (uint64_t)((int64_t)(addr << 16) >> 16) == addr;
}

/* Merge @value of @bytes into a register as a 16-, 32- or 64-bit write does. */
static inline void soft_set_gpr(SoftCPU *cpu, unsigned n, unsigned bytes,
                                uint64_t value)
{
    if (bytes == 2) {
        cpu->gpr[n] = (cpu->gpr[n] & ~(uint64_t)0xffff) | (value & 0xffff);
    } else {
        cpu->gpr[n] = bytes == 4 ? (uint32_t)value : value;
    }
}

/* cpuid.c */
X86CPUIDTable *soft_cpuid_supported(AccelState *accel, Error **errp);
bool soft_vcpu_set_cpuid(AccelVCPU *vcpu, const X86CPUIDTable *table,
                         Error **errp);
/** soft_mxcsr_mask: bits of MXCSR that may be set. */
uint32_t soft_mxcsr_mask(void);
/** soft_host_tsc_hz: rate of the host's TSC. */
uint64_t soft_host_tsc_hz(void);

/* msr.c */
void soft_msr_reset(SoftCPU *cpu);
/** soft_msr_list: indices of the MSRs that get_state reports. Returns: count,
 *  at most @room. */
size_t soft_msr_list(SoftCPU *cpu, uint32_t *list, size_t room);
/** soft_msr_restore: set_state's write: no side effects; false: refused. */
bool soft_msr_restore(SoftCPU *cpu, uint32_t index, uint64_t value);
/** soft_msr_may_leave_out: @m, which was refused, is nothing that a guest from
 *  another host misses. */
bool soft_msr_may_leave_out(SoftCPU *cpu, const X86MSR *m, Error **errp);
/** soft_state_check: is @st, from a peer, one that this CPU can be in? */
bool soft_state_check(const SoftCPU *cpu, const X86CPUState *st, Error **errp);
/** soft_apic_base_changed: read where the local APIC is now. */
void soft_apic_base_changed(SoftCPU *cpu);

/* state.c */
void soft_cpu_reset(SoftCPU *cpu, bool is_bsp);
/** soft_cpu_init: INIT: soft_cpu_reset() but for what INIT leaves. */
void soft_cpu_init(SoftCPU *cpu);
bool soft_vcpu_get_state(AccelVCPU *vcpu, unsigned mask, X86CPUState *state,
                         Error **errp);
bool soft_vcpu_set_state(AccelVCPU *vcpu, unsigned mask,
                         const X86CPUState *state, Error **errp);

/* sysinsn-xsave.c */
/** soft_xsave_image, soft_xrstor_image: standard form, for get/set_state. */
#define SOFT_XSAVE_BYTES (512u + 64u + 256u)
void soft_xsave_image(SoftCPU *cpu, uint8_t *image);
void soft_xrstor_image(SoftCPU *cpu, const uint8_t *image);
/** soft_fpu_reset: FNINIT state, MXCSR and vectors as after power-on. */
void soft_fpu_reset(SoftCPU *cpu, bool init_only);

/* soft-run.c */
AccelExit soft_vcpu_run(AccelVCPU *vcpu, Error **errp);
void soft_vcpu_kick(AccelVCPU *vcpu);
void soft_vcpu_intr(AccelVCPU *vcpu, bool level);
void soft_vcpu_signal(AccelVCPU *vcpu, AccelSignal signal, uint8_t vector);
bool soft_vcpu_nmi(AccelVCPU *vcpu, Error **errp);

/** soft_forget_code: every decoded or translated block; own thread or stopped. */
void soft_forget_code(SoftCPU *cpu);

/* soft-time.c */
void soft_vm_state_changed(AccelState *accel, bool running);
int64_t soft_vcpu_tsc_to_ns(AccelVCPU *vcpu, uint64_t tsc);
/** soft_tsc_rebase: recompute tsc_offset; @value: the TSC now. */
void soft_tsc_set(SoftCPU *cpu, uint64_t value);

#endif
