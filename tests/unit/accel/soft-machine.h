/*
 * A small machine around software CPUs for tests: RAM, no devices but a port
 * that ends a run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_UNIT_ACCEL_SOFT_MACHINE_H
#define TESTS_UNIT_ACCEL_SOFT_MACHINE_H

#include "accel/accel.h"
#include "accel/soft/soft-accel.h"

#define SM_RAM_BYTES (16u << 20)
#define SM_CPUS      2

/* A write to this port ends vcpu_run() of the CPU that wrote. */
#define SM_PORT_END 0xf4

/* Guest-physical places that the fixture uses. */
enum {
    SM_GDT = 0x1000,
    SM_IDT = 0x2000,
    SM_TSS = 0x3000,
    SM_LDT = 0x4000,
    SM_HANDLER = 0x5000, /* 16 bytes for each vector */
    SM_PML4 = 0x10000,
    SM_PDPT = 0x11000,
    SM_PD = 0x12000,
    SM_PT = 0x13000, /* of the first 2 MiB */
    SM_FREE = 0x20000,
    SM_CODE = 0x100000,
    SM_DATA = 0x180000,
    SM_STACK0 = 0x190000, /* tops of stacks */
    SM_STACK3 = 0x1a0000,
    SM_IST = 0x1b0000,
};

/* Selectors in the fixture's GDT. */
enum {
    SM_SEL_CODE64 = 0x08,
    SM_SEL_DATA = 0x10,
    SM_SEL_CODE32 = 0x18,
    SM_SEL_CODE16 = 0x20,
    SM_SEL_UDATA = 0x2b,
    SM_SEL_UCODE64 = 0x33,
    SM_SEL_UCODE32 = 0x3b,
    SM_SEL_DATA16 = 0x40,
    SM_SEL_TSS = 0x50,
    SM_SEL_FREE = 0x60,
};

typedef enum SoftMachineMode {
    SM_REAL,
    SM_PROT32,
    SM_LONG,
} SoftMachineMode;

typedef struct SoftMachine {
    AccelState *accel;
    AccelClass *ac;
    SoftCPU *cpu[SM_CPUS];
    uint8_t *ram;

    /* What the devices saw. */
    uint32_t ended_with; /* value written to SM_PORT_END */
    unsigned ends;
    uint64_t mmio_addr;
    uint64_t mmio_value;
    unsigned mmio_writes;
    unsigned mmio_reads;
    int intr_vector; /* answer of intr_ack; -1 */
    unsigned acks;
} SoftMachine;

/** sm_new: one CPU, or @n_cpus; CPU 0 in @mode with flat segments, paging with
 *  an identity map of the first 2 MiB in SM_LONG, IDT and TSS in place. */
SoftMachine *sm_new(SoftMachineMode mode, unsigned n_cpus, bool jit);
void sm_free(SoftMachine *sm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SoftMachine, sm_free)

void sm_mode(SoftMachine *sm, SoftCPU *cpu, SoftMachineMode mode);

void sm_put(SoftMachine *sm, uint64_t gpa, const void *data, size_t len);
void sm_put64(SoftMachine *sm, uint64_t gpa, uint64_t value);
uint64_t sm_get64(SoftMachine *sm, uint64_t gpa);
uint32_t sm_get32(SoftMachine *sm, uint64_t gpa);
uint16_t sm_get16(SoftMachine *sm, uint64_t gpa);

/** sm_descriptor: write one to the GDT. @access: bits 8..15 and 20..23 of the
 *  second dword. */
void sm_descriptor(SoftMachine *sm, uint16_t selector, uint32_t base,
                   uint32_t limit, uint32_t access);
/** sm_gate: IDT entry for the CPU's mode. */
void sm_gate(SoftMachine *sm, uint8_t vector, uint16_t selector,
             uint64_t offset, unsigned type, unsigned dpl, unsigned ist);

/** sm_run: CPU @n until it leaves; fails the test after 100000 kicks. */
AccelExit sm_run(SoftMachine *sm, unsigned n);

/* Code between two labels of a top-level asm block. */
#define SM_CODE_BLOCK(name, text)                                              \
    extern const uint8_t name[];                                               \
    extern const uint8_t name##_end[];                                         \
    __asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name               \
            "_end:\n.code64\n.popsection\n")
#define sm_load(sm, gpa, name)                                                 \
    sm_put(sm, gpa, name, (size_t)(name##_end - name))

/* cpu->exception is the given one; it is dropped. */
#define sm_assert_fault(cpu, vec, err)                                         \
    do {                                                                       \
        g_assert_true((cpu)->exception.pending);                               \
        g_assert_cmpuint((cpu)->exception.vector, ==, vec);                    \
        g_assert_cmphex((cpu)->exception.error, ==, err);                      \
        (cpu)->exception.pending = false;                                      \
    } while (0)

#endif
