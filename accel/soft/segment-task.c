/*
 * Task state segments: inner stacks, and hardware task switches.
 *
 * The switch follows SDM 3A 7.3: save the old task, mark descriptors, load the
 * new one. Segment registers of the new task are loaded last, and what is
 * wrong with them is a fault of the new task.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-accel.h"

#define RPL 3u

/* Offsets in a 32-bit TSS (SDM 3A, figure 7-2) and a 16-bit one (7-10). */
#define TSS32_BYTES  104u
#define TSS32_CR3    28u
#define TSS32_EIP    32u
#define TSS32_EFLAGS 36u
#define TSS32_EAX    40u
#define TSS32_ES     72u
#define TSS32_LDT    96u
#define TSS32_TRAP   100u
#define TSS16_BYTES  44u
#define TSS16_IP     14u
#define TSS16_FLAGS  16u
#define TSS16_AX     18u
#define TSS16_ES     34u
#define TSS16_LDT    42u

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static void put16(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, 2);
}

static void put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, 4);
}

static bool tss_read(SoftCPU *cpu, unsigned offset, void *buf, unsigned size)
{
    return soft_mem_read_as(cpu, soft_mmu_system(cpu),
                            cpu->seg[X86_TR].base + offset, buf, size);
}

static bool tss_fault(SoftCPU *cpu, unsigned ext)
{
    return soft_raise_error(cpu, SOFT_EXC_TS,
                            (cpu->seg[X86_TR].selector & 0xfffcu) | ext);
}

static bool is_tss16(uint32_t attr)
{
    unsigned type = (attr & SOFT_SEG_TYPE) >> SOFT_SEG_TYPE_SHIFT;

    return type == SOFT_SYS_TSS16 || type == SOFT_SYS_TSS16_BUSY;
}

bool soft_tss_stack(SoftCPU *cpu, unsigned cpl, unsigned ext,
                    uint16_t *ret_selector, uint32_t *ret_sp)
{
    bool short_tss = is_tss16(cpu->seg[X86_TR].attr);
    unsigned at = short_tss ? 2 + 4 * cpl : 4 + 8 * cpl;
    unsigned bytes = short_tss ? 4 : 8;
    uint8_t raw[8];

    if (!(cpu->seg[X86_TR].attr & SOFT_SEG_P) ||
        at + bytes - 1 > cpu->seg[X86_TR].limit) {
        return tss_fault(cpu, ext);
    }
    if (!tss_read(cpu, at, raw, bytes)) {
        return false;
    }
    *ret_sp = short_tss ? get16(raw) : get32(raw);
    *ret_selector = get16(raw + bytes / 2);
    return true;
}

bool soft_tss_rsp(SoftCPU *cpu, unsigned offset, unsigned ext, uint64_t *ret)
{
    if (!(cpu->seg[X86_TR].attr & SOFT_SEG_P) ||
        offset + 7 > cpu->seg[X86_TR].limit) {
        return tss_fault(cpu, ext);
    }
    if (!tss_read(cpu, offset, ret, 8)) {
        return false;
    }
    return soft_canonical(*ret) || soft_raise_error(cpu, SOFT_EXC_SS, ext);
}

/* -- task switch ------------------------------------------------------------------ */

/* What a TSS holds of a task, whatever its size. */
typedef struct Task {
    uint32_t cr3;
    uint32_t eip;
    uint32_t eflags;
    uint32_t gpr[8];
    uint16_t seg[6];
    uint16_t ldt;
    bool trap;
    bool has_cr3;
} Task;

static void parse_tss(const uint8_t *raw, bool short_tss, Task *t)
{
    *t = (Task){ .has_cr3 = !short_tss };
    if (short_tss) {
        t->eip = get16(raw + TSS16_IP);
        t->eflags = get16(raw + TSS16_FLAGS);
        for (unsigned i = 0; i < 8; i++) {
            t->gpr[i] = 0xffff0000u | get16(raw + TSS16_AX + 2 * i);
        }
        for (unsigned i = 0; i < 4; i++) {
            t->seg[i] = get16(raw + TSS16_ES + 2 * i);
        }
        t->ldt = get16(raw + TSS16_LDT);
        return;
    }
    t->cr3 = get32(raw + TSS32_CR3);
    t->eip = get32(raw + TSS32_EIP);
    t->eflags = get32(raw + TSS32_EFLAGS);
    for (unsigned i = 0; i < 8; i++) {
        t->gpr[i] = get32(raw + TSS32_EAX + 4 * i);
    }
    for (unsigned i = 0; i < 6; i++) {
        t->seg[i] = get16(raw + TSS32_ES + 4 * i);
    }
    t->ldt = get16(raw + TSS32_LDT);
    t->trap = raw[TSS32_TRAP] & 1;
}

/* Write the dynamic fields of the present task into its TSS. */
static bool save_task(SoftCPU *cpu, uint32_t eip, uint32_t eflags)
{
    uint64_t base = cpu->seg[X86_TR].base;
    SoftMMU mmu = soft_mmu_system(cpu);
    uint8_t raw[TSS32_BYTES] = { 0 };
    unsigned from;
    unsigned to;

    if (is_tss16(cpu->seg[X86_TR].attr)) {
        put16(raw + TSS16_IP, (uint16_t)eip);
        put16(raw + TSS16_FLAGS, (uint16_t)eflags);
        for (unsigned i = 0; i < 8; i++) {
            put16(raw + TSS16_AX + 2 * i, (uint16_t)cpu->gpr[i]);
        }
        for (unsigned i = 0; i < 4; i++) {
            put16(raw + TSS16_ES + 2 * i, cpu->seg[i].selector);
        }
        from = TSS16_IP;
        to = TSS16_LDT;
    } else {
        put32(raw + TSS32_EIP, eip);
        put32(raw + TSS32_EFLAGS, eflags);
        for (unsigned i = 0; i < 8; i++) {
            put32(raw + TSS32_EAX + 4 * i, (uint32_t)cpu->gpr[i]);
        }
        for (unsigned i = 0; i < 6; i++) {
            put32(raw + TSS32_ES + 4 * i, cpu->seg[i].selector);
        }
        from = TSS32_EIP;
        to = TSS32_LDT;
    }
    while (from < to) {
        unsigned n = MIN(to - from, 32u);

        if (!soft_mem_write_as(cpu, mmu, base + from, raw + from, n)) {
            return false;
        }
        from += n;
    }
    return true;
}

static bool read_tss(SoftCPU *cpu, const SoftDescriptor *d, bool short_tss,
                     Task *task)
{
    uint8_t raw[TSS32_BYTES];
    unsigned bytes = short_tss ? TSS16_BYTES : TSS32_BYTES;
    uint64_t base = soft_desc_base(d);

    for (unsigned at = 0; at < bytes; at += 52) {
        if (!soft_mem_read_as(cpu, soft_mmu_system(cpu), base + at, raw + at,
                              MIN(bytes - at, 52u))) {
            return false;
        }
    }
    parse_tss(raw, short_tss, task);
    return true;
}

/* Set or clear the busy bit of a TSS descriptor. */
static bool set_busy(SoftCPU *cpu, uint64_t linear, bool busy)
{
    uint8_t byte;

    if (!soft_mem_read_as(cpu, soft_mmu_system(cpu), linear + 5, &byte, 1)) {
        return false;
    }
    byte = busy ? byte | 2 : byte & ~2;
    return soft_mem_write_as(cpu, soft_mmu_system(cpu), linear + 5, &byte, 1);
}

static bool load_ldt(SoftCPU *cpu, uint16_t selector)
{
    uint32_t error = selector & 0xfffcu;
    SoftDescriptor d;

    soft_seg_null(&cpu->seg[X86_LDTR], selector);
    if (!(selector & ~RPL)) {
        return true;
    }
    if (selector & 4) {
        return soft_raise_error(cpu, SOFT_EXC_TS, error);
    }
    if (!soft_desc_read(cpu, selector, SOFT_EXC_TS, 0, &d)) {
        return false;
    }
    if ((d.hi & SOFT_SEG_S) || soft_desc_type(&d) != SOFT_SYS_LDT ||
        !(d.hi & SOFT_SEG_P)) {
        return soft_raise_error(cpu, SOFT_EXC_TS, error);
    }
    soft_seg_from_desc(&cpu->seg[X86_LDTR], selector, &d);
    return true;
}

static bool load_task_cs(SoftCPU *cpu, uint16_t selector)
{
    uint32_t error = selector & 0xfffcu;
    SoftDescriptor d;
    unsigned rpl = selector & RPL;

    if (!(selector & ~RPL)) {
        return soft_raise_error(cpu, SOFT_EXC_TS, error);
    }
    if (!soft_desc_read(cpu, selector, SOFT_EXC_TS, 0, &d)) {
        return false;
    }
    if ((d.hi & (SOFT_SEG_S | SOFT_SEG_CODE)) != (SOFT_SEG_S | SOFT_SEG_CODE) ||
        (d.hi & SOFT_SEG_C ? soft_desc_dpl(&d) > rpl
                           : soft_desc_dpl(&d) != rpl)) {
        return soft_raise_error(cpu, SOFT_EXC_TS, error);
    }
    if (!(d.hi & SOFT_SEG_P)) {
        return soft_raise_error(cpu, SOFT_EXC_NP, error);
    }
    if (!soft_desc_accessed(cpu, &d)) {
        return false;
    }
    soft_set_cs(cpu, selector, &d, rpl);
    return true;
}

/* Faults of selectors in the new TSS are #TS where a MOV would raise #GP. */
static bool load_task_data(SoftCPU *cpu, unsigned seg, uint16_t selector)
{
    if (soft_load_seg(cpu, seg, selector)) {
        return true;
    }
    if (cpu->exception.vector == SOFT_EXC_GP) {
        cpu->exception.vector = SOFT_EXC_TS;
    }
    return false;
}

static bool load_task_segments(SoftCPU *cpu, const Task *t)
{
    static const uint8_t data[] = { X86_ES, X86_DS, X86_FS, X86_GS };

    if (cpu->eflags & SOFT_EFL_VM) {
        for (unsigned i = 0; i < 6; i++) {
            soft_seg_real(cpu, i, t->seg[i], true);
        }
        cpu->cpl = 3;
        soft_update_mode(cpu);
        return load_ldt(cpu, t->ldt);
    }
    for (unsigned i = 0; i < 6; i++) {
        soft_seg_null(&cpu->seg[i], t->seg[i]);
    }
    cpu->cpl = t->seg[X86_CS] & RPL;
    soft_update_mode(cpu);
    if (!load_ldt(cpu, t->ldt) || !load_task_cs(cpu, t->seg[X86_CS]) ||
        !load_task_data(cpu, X86_SS, t->seg[X86_SS])) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(data); i++) {
        if (!load_task_data(cpu, data[i], t->seg[data[i]])) {
            return false;
        }
    }
    return true;
}

/* With PAE the four entries at the new CR3 are checked as by MOV. */
static bool load_task_cr3(SoftCPU *cpu, const Task *t)
{
    if (!t->has_cr3 || !(cpu->cr0 & X86_CR0_PG) || cpu->cr3 == t->cr3) {
        return true;
    }
    if ((cpu->cr4 & SOFT_CR4_PAE) && !soft_load_pdptes(cpu, t->cr3)) {
        return false;
    }
    cpu->cr3 = t->cr3;
    soft_tlb_flush(cpu, false);
    return true;
}

static void load_task_registers(SoftCPU *cpu, const Task *t)
{
    for (unsigned i = 0; i < 8; i++) {
        cpu->gpr[i] = t->gpr[i];
    }
    cpu->next_rip = t->eip;
    cpu->rip = t->eip;
    cpu->dr7 &= ~0x155ull; /* local breakpoints are the old task's */
    cpu->cr0 |= SOFT_CR0_TS;
}

static bool check_new_tss(SoftCPU *cpu, uint16_t selector, SoftTaskSwitch how,
                          unsigned ext, SoftDescriptor *d, bool *ret_short)
{
    unsigned vector = how == SOFT_TASK_IRET ? SOFT_EXC_TS : SOFT_EXC_GP;
    uint32_t error = (selector & 0xfffcu) | ext;
    bool want_busy = how == SOFT_TASK_IRET;
    unsigned type;

    if (!(selector & ~RPL) || (selector & 4)) {
        return soft_raise_error(cpu, vector, error);
    }
    if (!soft_desc_read(cpu, selector, vector, ext, d)) {
        return false;
    }
    type = soft_desc_type(d);
    *ret_short = type == SOFT_SYS_TSS16 || type == SOFT_SYS_TSS16_BUSY;
    if ((d->hi & SOFT_SEG_S) ||
        (!*ret_short && type != SOFT_SYS_TSS && type != SOFT_SYS_TSS_BUSY) ||
        !!(type & 2) != want_busy) {
        return soft_raise_error(cpu, vector, error);
    }
    if (!(d->hi & SOFT_SEG_P)) {
        return soft_raise_error(cpu, SOFT_EXC_NP, error);
    }
    if (soft_desc_limit(d) < (*ret_short ? TSS16_BYTES : TSS32_BYTES) - 1) {
        return soft_raise_error(cpu, SOFT_EXC_TS, error);
    }
    return true;
}

bool soft_task_switch(SoftCPU *cpu, uint16_t selector, SoftTaskSwitch how,
                      uint64_t return_rip, unsigned ext)
{
    uint16_t old = cpu->seg[X86_TR].selector;
    uint32_t eflags = cpu->eflags;
    SoftDescriptor d;
    SoftDescriptor old_d;
    bool short_tss = false;
    Task task;

    if (!check_new_tss(cpu, selector, how, ext, &d, &short_tss) ||
        !read_tss(cpu, &d, short_tss, &task) ||
        !soft_desc_read(cpu, old, SOFT_EXC_TS, ext, &old_d)) {
        return false;
    }
    if (how == SOFT_TASK_IRET) {
        eflags &= ~SOFT_EFL_NT;
    }
    if (!save_task(cpu, (uint32_t)return_rip, eflags) ||
        (how != SOFT_TASK_CALL && !set_busy(cpu, old_d.linear, false)) ||
        (how == SOFT_TASK_CALL &&
         !soft_mem_write_as(cpu, soft_mmu_system(cpu), soft_desc_base(&d), &old,
                            2)) ||
        (how != SOFT_TASK_IRET && !set_busy(cpu, d.linear, true))) {
        return false;
    }
    if (how == SOFT_TASK_CALL) {
        task.eflags |= SOFT_EFL_NT;
    }
    d.hi |= SOFT_SEG_W; /* busy */
    soft_seg_from_desc(&cpu->seg[X86_TR], selector, &d);
    load_task_registers(cpu, &task);
    soft_set_eflags(cpu, task.eflags);
    if (!load_task_cr3(cpu, &task) || !load_task_segments(cpu, &task)) {
        return false;
    }
    if (cpu->next_rip > cpu->seg[X86_CS].limit) {
        return soft_raise_gp(cpu);
    }
    if (task.trap) {
        soft_post_db(cpu, 1u << 15);
    }
    return true;
}
