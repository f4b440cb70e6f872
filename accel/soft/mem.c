/*
 * Guest memory by linear address: what the inline fast path of mem.h leaves.
 *
 * Everything is done a page at a time by page_access(); an access that crosses
 * into a second page is checked there first if it writes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-accel.h"

/* RAM is shared with other CPUs and devices: one host access for what the
 * architecture does at once. */
GUEST_MEMORY_ACCESS static void guest_ram_read(void *to, const void *host,
                                               unsigned size)
{
    switch (size) {
    case 1:
        *(uint8_t *)to = *(const volatile uint8_t *)host;
        break;
    case 2:
        *(SoftU16 *)to = *(const volatile SoftU16 *)host;
        break;
    case 4:
        *(SoftU32 *)to = *(const volatile SoftU32 *)host;
        break;
    case 8:
        *(SoftU64 *)to = *(const volatile SoftU64 *)host;
        break;
    default:
        memcpy(to, host, size);
        break;
    }
}

GUEST_MEMORY_ACCESS static void guest_ram_write(void *host, const void *from,
                                                unsigned size)
{
    switch (size) {
    case 1:
        *(volatile uint8_t *)host = *(const uint8_t *)from;
        break;
    case 2:
        *(volatile SoftU16 *)host = *(const SoftU16 *)from;
        break;
    case 4:
        *(volatile SoftU32 *)host = *(const SoftU32 *)from;
        break;
    case 8:
        *(volatile SoftU64 *)host = *(const SoftU64 *)from;
        break;
    default:
        memcpy(host, from, size);
        break;
    }
}

static unsigned page_offset(uint64_t linear)
{
    return (unsigned)(linear & ~SOFT_PAGE_MASK);
}

static bool is_write(SoftAccess access)
{
    return access == SOFT_ACCESS_WRITE || access == SOFT_ACCESS_RMW;
}

static uint64_t tag_for(const SoftTLBEntry *e, SoftAccess access)
{
    switch (access) {
    case SOFT_ACCESS_READ:
        return qatomic_read(&e->tag_r);
    case SOFT_ACCESS_EXEC:
        return qatomic_read(&e->tag_x);
    default:
        return qatomic_read(&e->tag_w);
    }
}

/* The entry that allows @access, and what is to be told of it (SOFT_TLB_*,
 * 0 = nothing). NULL: exception. */
static SoftTLBEntry *find_entry(SoftCPU *cpu, SoftMMU mmu, uint64_t linear,
                                SoftAccess access, unsigned *ret_kind)
{
    SoftTLBEntry *e = soft_tlb_entry(cpu, mmu, linear, is_write(access));
    int kind = soft_tlb_tag_kind(tag_for(e, access), linear);

    if (kind < 0) {
        if (!soft_canonical(linear)) {
            soft_raise_gp(cpu);
            return NULL;
        }
        e = soft_tlb_fill(cpu, mmu, linear, access);
        if (!e) {
            return NULL;
        }
        kind = soft_tlb_tag_kind(tag_for(e, access), linear);
    }
    *ret_kind = (unsigned)kind;
    return e;
}

static uint64_t gpa_of(SoftCPU *cpu, const SoftTLBEntry *e, uint64_t linear)
{
    return (soft_tlb_info(cpu, e)->gpa & SOFT_PAGE_MASK) | page_offset(linear);
}

static void told_of_write(SoftCPU *cpu, SoftTLBEntry *e, uint64_t linear,
                          unsigned size)
{
    uint8_t *flags = soft_tlb_info(cpu, e)->page_flags;

    soft_page_written(cpu, gpa_of(cpu, e, linear), size, flags);
    soft_tlb_write_fast(cpu, e, linear);
}

/* Within one page. */
static bool page_read(SoftCPU *cpu, SoftMMU mmu, uint64_t linear, void *buf,
                      unsigned size, SoftAccess access)
{
    unsigned kind;
    SoftTLBEntry *e = find_entry(cpu, mmu, linear, access, &kind);

    if (!e) {
        return false;
    }
    if (kind & SOFT_TLB_WATCH) {
        soft_watch(cpu, linear, size, false);
    }
    if (kind & SOFT_TLB_MMIO) {
        soft_phys_read(cpu, gpa_of(cpu, e, linear), buf, size);
    } else {
        guest_ram_read(buf, e->host + page_offset(linear), size);
    }
    return true;
}

static bool page_write(SoftCPU *cpu, SoftMMU mmu, uint64_t linear,
                       const void *buf, unsigned size)
{
    unsigned kind;
    SoftTLBEntry *e = find_entry(cpu, mmu, linear, SOFT_ACCESS_WRITE, &kind);

    if (!e) {
        return false;
    }
    if (kind & SOFT_TLB_WATCH) {
        soft_watch(cpu, linear, size, true);
    }
    if (kind & SOFT_TLB_MMIO) {
        soft_phys_write(cpu, gpa_of(cpu, e, linear), buf, size);
        return true;
    }
    guest_ram_write(e->host + page_offset(linear), buf, size);
    if (kind & SOFT_TLB_NOTDIRTY) {
        told_of_write(cpu, e, linear, size);
    }
    return true;
}

/* Linear addresses are 32 bits wide outside of 64-bit code; only there do
 * accesses wrap at 4 GiB. */
static uint64_t next_page(const SoftCPU *cpu, uint64_t linear)
{
    uint64_t next = (linear & SOFT_PAGE_MASK) + SOFT_PAGE_BYTES;

    return cpu->efer & SOFT_EFER_LMA ? next : (uint32_t)next;
}

static unsigned first_part(uint64_t linear, unsigned size)
{
    return MIN(size, SOFT_PAGE_BYTES - page_offset(linear));
}

bool soft_mem_read_as(SoftCPU *cpu, SoftMMU mmu, uint64_t linear, void *buf,
                      unsigned size)
{
    unsigned first = first_part(linear, size);

    if (first == size) {
        return page_read(cpu, mmu, linear, buf, size, SOFT_ACCESS_READ);
    }
    return page_read(cpu, mmu, linear, buf, first, SOFT_ACCESS_READ) &&
           page_read(cpu, mmu, next_page(cpu, linear), (uint8_t *)buf + first,
                     size - first, SOFT_ACCESS_READ);
}

static bool probe(SoftCPU *cpu, SoftMMU mmu, uint64_t linear, unsigned size,
                  SoftAccess access)
{
    unsigned kind;

    if (!find_entry(cpu, mmu, linear, access, &kind)) {
        return false;
    }
    return first_part(linear, size) == size ||
           find_entry(cpu, mmu, next_page(cpu, linear), access, &kind);
}

bool soft_mem_write_as(SoftCPU *cpu, SoftMMU mmu, uint64_t linear,
                       const void *buf, unsigned size)
{
    unsigned first = first_part(linear, size);

    if (first == size) {
        return page_write(cpu, mmu, linear, buf, size);
    }
    return probe(cpu, mmu, linear, size, SOFT_ACCESS_WRITE) &&
           page_write(cpu, mmu, linear, buf, first) &&
           page_write(cpu, mmu, next_page(cpu, linear),
                      (const uint8_t *)buf + first, size - first);
}

bool soft_mem_read(SoftCPU *cpu, uint64_t linear, void *buf, unsigned size)
{
    return soft_mem_read_as(cpu, soft_mmu(cpu), linear, buf, size);
}

bool soft_mem_write(SoftCPU *cpu, uint64_t linear, const void *buf,
                    unsigned size)
{
    return soft_mem_write_as(cpu, soft_mmu(cpu), linear, buf, size);
}

bool soft_mem_probe(SoftCPU *cpu, uint64_t linear, unsigned size,
                    SoftAccess access)
{
    return probe(cpu, soft_mmu(cpu), linear, size, access);
}

bool soft_mem_fetch(SoftCPU *cpu, uint64_t linear, void *buf, unsigned size)
{
    unsigned first = first_part(linear, size);
    SoftMMU mmu = soft_mmu(cpu);

    return page_read(cpu, mmu, linear, buf, first, SOFT_ACCESS_EXEC) &&
           (first == size ||
            page_read(cpu, mmu, next_page(cpu, linear), (uint8_t *)buf + first,
                      size - first, SOFT_ACCESS_EXEC));
}

bool soft_code_ptr(SoftCPU *cpu, uint64_t linear, uint64_t *ret_gpa,
                   const uint8_t **ret_host)
{
    unsigned kind;
    SoftTLBEntry *e =
        find_entry(cpu, soft_mmu(cpu), linear, SOFT_ACCESS_EXEC, &kind);

    if (!e) {
        return false;
    }
    if (kind) {
        *ret_gpa = SOFT_NO_GPA;
        *ret_host = NULL;
    } else {
        *ret_gpa = gpa_of(cpu, e, linear);
        *ret_host = e->host + page_offset(linear);
    }
    return true;
}

/* -- pointers ----------------------------------------------------------------- */

SoftMapResult soft_mem_map(SoftCPU *cpu, uint64_t linear, unsigned size,
                           SoftAccess access, void **ret)
{
    SoftTLBEntry *e;
    unsigned kind;

    if (first_part(linear, size) != size) {
        return probe(cpu, soft_mmu(cpu), linear, size, access) ? SOFT_MAP_SLOW
                                                               : SOFT_MAP_FAULT;
    }
    e = find_entry(cpu, soft_mmu(cpu), linear, access, &kind);
    if (!e) {
        return SOFT_MAP_FAULT;
    }
    if (kind == SOFT_TLB_NOTDIRTY && is_write(access) &&
        !(qatomic_read(soft_tlb_info(cpu, e)->page_flags) & SOFT_PAGE_CODE)) {
        told_of_write(cpu, e, linear, size);
        kind = (unsigned)soft_tlb_tag_kind(qatomic_read(&e->tag_w), linear);
    }
    if (kind) {
        return SOFT_MAP_SLOW;
    }
    *ret = e->host + page_offset(linear);
    return SOFT_MAP_OK;
}

/* A copy instead: read it with both pages known to be writable. */
static bool rmw_bounce(SoftCPU *cpu, SoftRMW *rmw)
{
    SoftAccel *s = soft_accel_of(cpu);

    if (rmw->locked) {
        /* Who waits for a lock must be outside (soft-accel.h). */
        soft_leave_guest(cpu);
        qemu_mutex_lock(&s->split_lock);
        soft_enter_guest(cpu);
    }
    if (!soft_mem_probe(cpu, rmw->linear, rmw->size, SOFT_ACCESS_WRITE) ||
        !soft_mem_read(cpu, rmw->linear, rmw->copy, rmw->size)) {
        if (rmw->locked) {
            qemu_mutex_unlock(&s->split_lock);
        }
        return false;
    }
    rmw->ptr = rmw->copy;
    rmw->bounce = true;
    return true;
}

bool soft_rmw_begin(SoftCPU *cpu, uint64_t linear, unsigned size, bool locked,
                    SoftRMW *rmw)
{
    SoftTLBEntry *e;
    unsigned kind;

    rmw->linear = linear;
    rmw->size = size;
    rmw->bounce = false;
    rmw->locked = locked;
    rmw->page_flags = NULL;
    rmw->ptr = soft_tlb_write_ptr(cpu, linear, size);
    if (likely(rmw->ptr)) {
        return true;
    }
    if (first_part(linear, size) != size) {
        return rmw_bounce(cpu, rmw);
    }
    e = find_entry(cpu, soft_mmu(cpu), linear, SOFT_ACCESS_RMW, &kind);
    if (!e) {
        return false;
    }
    if (kind & SOFT_TLB_MMIO) {
        return rmw_bounce(cpu, rmw);
    }
    if (kind & SOFT_TLB_WATCH) {
        soft_watch(cpu, linear, size, true);
    }
    if (kind) {
        rmw->page_flags = soft_tlb_info(cpu, e)->page_flags;
        rmw->gpa = gpa_of(cpu, e, linear);
    }
    rmw->ptr = e->host + page_offset(linear);
    return true;
}

void soft_rmw_end(SoftCPU *cpu, SoftRMW *rmw)
{
    if (rmw->bounce) {
        /* Both pages were writable in soft_rmw_begin(); an unmapping by
         * another CPU since then loses the write, as the guest asked for. */
        if (!soft_mem_write(cpu, rmw->linear, rmw->copy, rmw->size)) {
            cpu->exception.pending = false;
        }
        if (rmw->locked) {
            qemu_mutex_unlock(&soft_accel_of(cpu)->split_lock);
        }
    } else if (rmw->page_flags) {
        SoftTLBEntry *e = soft_tlb_entry(cpu, soft_mmu(cpu), rmw->linear, true);

        soft_page_written(cpu, rmw->gpa, rmw->size, rmw->page_flags);
        if (soft_tlb_tag_kind(qatomic_read(&e->tag_w), rmw->linear) > 0) {
            soft_tlb_write_fast(cpu, e, rmw->linear);
        }
    }
}
