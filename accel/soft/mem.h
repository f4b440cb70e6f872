/*
 * Guest memory as the software CPU sees it: linear addresses through the TLB,
 * RAM and device memory behind it, and the flags of each page of RAM.
 *
 * Accesses fall back on each other: the inline functions take the fast path;
 * the others do page crossing, device memory (AccelHost.mmio), pages whose
 * writes have to be told of, and faults. No lock is held while guest RAM is
 * touched, so that a page may be fetched from elsewhere (userfaultfd).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_MEM_H
#define ACCEL_SOFT_MEM_H

#include "soft-cpu.h"

/* Flags of a page of guest RAM: one byte, atomic. */
#define SOFT_PAGE_CODE     (1u << 0) /* decoded or translated code is kept */
#define SOFT_PAGE_LOG      (1u << 1) /* dirty log on, not written yet */
#define SOFT_PAGE_WRITTEN  (1u << 2) /* some TLB may have a fast write tag */
#define SOFT_PAGE_REPORTED (1u << 3) /* dirty log on, written, was reported */

/* Kinds of access; also those of page faults. */
typedef enum SoftAccess {
    SOFT_ACCESS_READ,
    SOFT_ACCESS_WRITE,
    SOFT_ACCESS_RMW, /* checked and reported as a write */
    SOFT_ACCESS_EXEC,
} SoftAccess;

/* -- segmentation --------------------------------------------------------- */

/**
 * soft_seg_check:
 * @seg: X86_ES .. X86_GS
 * @offset: effective address, cut to the address size
 * @size: bytes
 * @ret_linear: (out) linear address, set on success
 *
 * Limit, type and canonical checks of a memory operand, slow and complete.
 *
 * Errors: #GP(0); #SS(0) if @seg is SS.
 */
bool soft_seg_check(SoftCPU *cpu, unsigned seg, uint64_t offset, unsigned size,
                    SoftAccess access, uint64_t *ret_linear);

/** soft_seg_linear: soft_seg_check() with its common cases inline. */
static inline bool soft_seg_linear(SoftCPU *cpu, unsigned seg, uint64_t offset,
                                   unsigned size, SoftAccess access,
                                   uint64_t *ret_linear)
{
    if (likely(cpu->mode_flags & SOFT_MODE_CS64)) {
        uint64_t linear = seg >= X86_FS ? offset + cpu->seg[seg].base : offset;

        if (likely((int64_t)(linear << 16) >> 16 == (int64_t)linear &&
                   (int64_t)((linear + size - 1) << 16) >> 16 ==
                       (int64_t)(linear + size - 1))) {
            *ret_linear = linear;
            return true;
        }
    } else if ((cpu->mode_flags & SOFT_MODE_FLAT) && seg < X86_FS &&
               seg != X86_CS && offset <= 0x100000000ull - size) {
        *ret_linear = offset;
        return true;
    }
    return soft_seg_check(cpu, seg, offset, size, access, ret_linear);
}

/* -- access by linear address --------------------------------------------- */

/**
 * soft_mem_read, soft_mem_write:
 * @linear: first byte
 * @buf: @size (1 to 64) bytes
 *
 * With the rights of the present mode. A write that faults wrote nothing,
 * also where it crosses into a second page. RAM within 8 bytes that do not
 * cross a multiple of 8 is read and written at once, as by the host.
 *
 * Errors: #PF; #GP(0) for an address that is not canonical.
 */
bool soft_mem_read(SoftCPU *cpu, uint64_t linear, void *buf, unsigned size);
bool soft_mem_write(SoftCPU *cpu, uint64_t linear, const void *buf,
                    unsigned size);

/** soft_mem_read_as, soft_mem_write_as: with the rights of @mmu; descriptor
 *  tables, TSS and IDT are read with soft_mmu_system(). */
bool soft_mem_read_as(SoftCPU *cpu, SoftMMU mmu, uint64_t linear, void *buf,
                      unsigned size);
bool soft_mem_write_as(SoftCPU *cpu, SoftMMU mmu, uint64_t linear,
                       const void *buf, unsigned size);

/* The rights of accesses which the CPU makes by itself (SDM 3A 4.6.1,
 * "implicit supervisor-mode accesses"): SMAP whatever AC says. */
static inline SoftMMU soft_mmu_system(const SoftCPU *cpu)
{
    return cpu->cr4 & SOFT_CR4_SMAP ? SOFT_MMU_KERNEL_SMAP : SOFT_MMU_KERNEL;
}

/** soft_mem_probe: would @size bytes fault? Raises the exception if so. */
bool soft_mem_probe(SoftCPU *cpu, uint64_t linear, unsigned size,
                    SoftAccess access);

/** soft_mem_fetch: @size bytes of code, for pages that are not RAM and for
 *  instructions that cross pages; needs no decoded block afterwards. */
bool soft_mem_fetch(SoftCPU *cpu, uint64_t linear, void *buf, unsigned size);

static inline SoftTLBEntry *soft_tlb_entry(SoftCPU *cpu, SoftMMU mmu,
                                           uint64_t linear, bool is_write)
{
    return &cpu->tlb[mmu + (is_write ? SOFT_TLB_WRITE_BANK : 0)]
                    [(linear >> SOFT_PAGE_BITS) & ((1u << cpu->tlb_bits) - 1)];
}

/* Host address for an access on the fast path, or NULL. */
static inline void *soft_tlb_read_ptr(SoftCPU *cpu, uint64_t linear,
                                      unsigned size)
{
    const SoftTLBEntry *e = soft_tlb_entry(cpu, soft_mmu(cpu), linear, false);
    uint64_t offset = linear - qatomic_read(&e->tag_r);

    return likely(offset <= SOFT_PAGE_BYTES - size) ? e->host + offset : NULL;
}

static inline void *soft_tlb_write_ptr(SoftCPU *cpu, uint64_t linear,
                                       unsigned size)
{
    const SoftTLBEntry *e = soft_tlb_entry(cpu, soft_mmu(cpu), linear, true);
    uint64_t offset = linear - qatomic_read(&e->tag_w);

    return likely(offset <= SOFT_PAGE_BYTES - size) ? e->host + offset : NULL;
}

/* soft_ld8(cpu, linear, &value) ... soft_st64(cpu, linear, value). Guest RAM
 * has no type and no alignment; other CPUs and devices use it meanwhile. */
typedef uint8_t SoftU8;
typedef uint16_t SoftU16 __attribute__((aligned(1), may_alias));
typedef uint32_t SoftU32 __attribute__((aligned(1), may_alias));
typedef uint64_t SoftU64 __attribute__((aligned(1), may_alias));

/* guest_ram_load, guest_ram_store: 1, 2, 4 or 8 bytes of RAM of the guest by one
 * access. tests/tsan.supp knows all of guest_ram_*. */
GUEST_MEMORY_ACCESS static inline uint64_t guest_ram_load(const void *host,
                                                          unsigned size)
{
    switch (size) {
    case 1:
        return *(const volatile SoftU8 *)host;
    case 2:
        return *(const volatile SoftU16 *)host;
    case 4:
        return *(const volatile SoftU32 *)host;
    default:
        return *(const volatile SoftU64 *)host;
    }
}

GUEST_MEMORY_ACCESS static inline void guest_ram_store(void *host,
                                                       unsigned size,
                                                       uint64_t v)
{
    switch (size) {
    case 1:
        *(volatile SoftU8 *)host = (uint8_t)v;
        break;
    case 2:
        *(volatile SoftU16 *)host = (uint16_t)v;
        break;
    case 4:
        *(volatile SoftU32 *)host = (uint32_t)v;
        break;
    default:
        *(volatile SoftU64 *)host = v;
        break;
    }
}

#define SOFT_MEM_ACCESSORS_(bits)                                              \
    GUEST_MEMORY_ACCESS static inline bool soft_ld##bits(                      \
        SoftCPU *cpu, uint64_t linear, uint##bits##_t *ret)                    \
    {                                                                          \
        void *p = soft_tlb_read_ptr(cpu, linear, bits / 8);                    \
                                                                               \
        if (likely(p != NULL)) {                                               \
            *ret = *(volatile SoftU##bits *)p;                                 \
            return true;                                                       \
        }                                                                      \
        return soft_mem_read(cpu, linear, ret, bits / 8);                      \
    }                                                                          \
    GUEST_MEMORY_ACCESS static inline bool soft_st##bits(                      \
        SoftCPU *cpu, uint64_t linear, uint##bits##_t value)                   \
    {                                                                          \
        void *p = soft_tlb_write_ptr(cpu, linear, bits / 8);                   \
                                                                               \
        if (likely(p != NULL)) {                                               \
            *(volatile SoftU##bits *)p = value;                                \
            return true;                                                       \
        }                                                                      \
        return soft_mem_write(cpu, linear, &value, bits / 8);                  \
    }
SOFT_MEM_ACCESSORS_(8)
SOFT_MEM_ACCESSORS_(16)
SOFT_MEM_ACCESSORS_(32)
SOFT_MEM_ACCESSORS_(64)
#undef SOFT_MEM_ACCESSORS_

/* -- a pointer instead of a copy ------------------------------------------ */

typedef enum SoftMapResult {
    SOFT_MAP_FAULT, /* exception raised */
    SOFT_MAP_OK,
    SOFT_MAP_SLOW, /* would work, but not by a pointer: device memory, two */
                   /* pages, code page, data breakpoint: use soft_mem_*() */
} SoftMapResult;

/**
 * soft_mem_map:
 * @ret: (out) host address of @size bytes if OK, good until the CPU executes
 *       the next instruction or calls a device
 *
 * For string instructions, the native thunk and the like.
 */
SoftMapResult soft_mem_map(SoftCPU *cpu, uint64_t linear, unsigned size,
                           SoftAccess access, void **ret);

/*
 * Read-modify-write: an atomic host instruction on @ptr between begin and end.
 * Where @ptr cannot be guest RAM itself (device memory, two pages) it is a copy
 * which soft_rmw_end() writes back; if @locked, under one lock of the machine.
 */
typedef struct SoftRMW {
    void *ptr;
    uint64_t linear;
    unsigned size;
    bool bounce;
    bool locked;
    uint8_t *page_flags; /* a page whose write has to be told of */
    uint64_t gpa;
    uint8_t copy[64] QEMU_ALIGNED(16);
} SoftRMW;

/** soft_rmw_begin: @size 1 to 64; errors: as a write. Nothing that may raise
 *  an exception between begin and end. */
bool soft_rmw_begin(SoftCPU *cpu, uint64_t linear, unsigned size, bool locked,
                    SoftRMW *rmw);
void soft_rmw_end(SoftCPU *cpu, SoftRMW *rmw);

/* -- code ----------------------------------------------------------------- */

#define SOFT_NO_GPA (~(uint64_t)0)

/**
 * soft_code_ptr:
 * @linear: of the instruction (CS base added)
 * @ret_gpa: (out) guest-physical address of it, or SOFT_NO_GPA if it is not in
 *           RAM: then soft_mem_fetch() is the way
 * @ret_host: (out) host address of it if it is in RAM; good to the page's end
 *
 * Errors: #PF (false).
 */
bool soft_code_ptr(SoftCPU *cpu, uint64_t linear, uint64_t *ret_gpa,
                   const uint8_t **ret_host);

/**
 * soft_code_add:
 * @gpa: in RAM; @len bytes that do not leave the page
 *
 * Say that code of these bytes is going to be kept; call it before they are
 * read for decoding. From now on a write to them (by any CPU, by DMA) makes
 * the run loop or soft_mem_*() call the engines' invalidate function for the
 * page, in every CPU, in its own thread, between two blocks; in the CPU that
 * writes at once, which code_epoch shows.
 */
void soft_code_add(SoftCPU *cpu, uint64_t gpa, unsigned len);

/* -- TLB ------------------------------------------------------------------ */

/** soft_tlb_flush: everything; @global: also global pages. Own thread. */
void soft_tlb_flush(SoftCPU *cpu, bool global);
/** soft_tlb_flush_page: @linear, also if it is part of a large page. */
void soft_tlb_flush_page(SoftCPU *cpu, uint64_t linear);

/**
 * soft_translate:
 * @ret_gpa: (out) set on success
 *
 * Walk the page tables without effect on the CPU, for a debugger.
 *
 * Returns: false if the page is not present.
 */
bool soft_translate(SoftCPU *cpu, uint64_t linear, uint64_t *ret_gpa);

#endif
