/*
 * Conformance tests of a PC's processor, run on the bare machine: what the
 * parts share. Two programs are built of this folder, one that runs in 64-bit
 * mode (files *64) and one in 32-bit mode (files *32).
 *
 * Each check prints a line of TAP on COM1. The end is a plan, and a write to
 * the debug exit port: 0 if all passed, 1 if not.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_SOFT_CPUTEST_H
#define TESTS_SOFT_CPUTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE            4096u
#define COM1            0x3f8
#define DEBUG_EXIT_PORT 0x501

enum {
    DE,
    DB,
    NMI,
    BP,
    OF,
    BR,
    UD,
    NM,
    DF,
    TS = 10,
    NP,
    SS,
    GP,
    PF,
    MF = 16,
    AC,
    XM = 19,
    VECTOR_BACK = 0x80, /* INT 80h of user code: back to the test */
    NONE = 256,
};

#define FL_CF   0x1u
#define FL_ONE  0x2u
#define FL_ZF   0x40u
#define FL_TF   0x100u
#define FL_IF   0x200u
#define FL_DF   0x400u
#define FL_OF   0x800u
#define FL_IOPL 0x3000u
#define FL_NT   0x4000u
#define FL_RF   0x10000u
#define FL_VM   0x20000u
#define FL_AC   0x40000u

/* report.c */

void put(const char *text);
void put_hex(uint64_t v);
/** ok: one line of TAP. */
void ok(bool good, const char *name);
/** ok_eq: the same, with both values if they differ. */
void ok_eq(uint64_t have, uint64_t want, const char *name);
/** skip: something that this processor does not offer. */
void skip(const char *name, const char *why);
/** group: begin names with this. */
void group(const char *name);
void finish(void) __attribute__((noreturn));

/* -- one instruction each -------------------------------------------------- */

static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(sub));
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
                     : "memory");
}

#define READ_REG(name, reg)                                                    \
    static inline unsigned long name(void)                                     \
    {                                                                          \
        unsigned long v;                                                       \
        __asm__ volatile("mov %%" reg ", %0" : "=r"(v));                       \
        return v;                                                              \
    }
#define WRITE_REG(name, reg)                                                   \
    static inline void name(unsigned long v)                                   \
    {                                                                          \
        __asm__ volatile("mov %0, %%" reg : : "r"(v) : "memory");              \
    }
READ_REG(read_cr0, "cr0")
READ_REG(read_cr2, "cr2")
READ_REG(read_cr3, "cr3")
READ_REG(read_cr4, "cr4")
READ_REG(read_dr6, "dr6")
READ_REG(read_dr7, "dr7")
WRITE_REG(write_cr0, "cr0")
WRITE_REG(write_cr3, "cr3")
WRITE_REG(write_cr4, "cr4")
WRITE_REG(write_dr0, "dr0")
WRITE_REG(write_dr6, "dr6")
WRITE_REG(write_dr7, "dr7")

static inline void invlpg(const void *p)
{
    __asm__ volatile("invlpg (%0)" : : "r"(p) : "memory");
}

/* Hide from the compiler that it knows a value. */
#define OPAQUE(v) __asm__ volatile("" : "+r"(v))

#endif
