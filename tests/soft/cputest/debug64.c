/*
 * Single steps and breakpoints.
 *
 * Source: Intel SDM volume 3B, chapter 17.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest64.h"

#define DR6_BD           (1u << 13)
#define DR6_BS           (1u << 14)
#define DR7_L0           1u
#define DR7_GD           (1u << 13)
#define DR7_RW0(rw, len) ((rw) << 16 | (len) << 18)

static unsigned steps;
static uint64_t step_rip[64];
static uint64_t step_dr6;

/* Collects #DB and goes on, with RF where that is due. */
static bool on_debug(Frame *f)
{
    if (f->vector != DB) {
        return false;
    }
    step_dr6 = read_dr6();
    if (steps < 64) {
        step_rip[steps] = f->rip;
    }
    steps++;
    write_dr6(0xffff0ff0);
    f->rflags |= FL_RF;
    return true;
}

extern const uint8_t step_1[], step_2[], shadow_1[], break_here[], rep_here[];
extern const uint8_t write_next[];

static void step(void *p)
{
    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; step_1: nop;\n"
                     "step_2: pushfq; andl $~0x100, (%%rsp); popfq; nop"
                     :
                     :
                     : "memory", "cc");
}

static void step_shadow(void *p)
{
    __asm__ volatile("mov %%ss, %%eax; pushfq; orl $0x100, (%%rsp); popfq;\n"
                     "mov %%eax, %%ss; nop; shadow_1: pushfq;\n"
                     "andl $~0x100, (%%rsp); popfq"
                     :
                     :
                     : "rax", "memory", "cc");
}

static void step_rep(void *p)
{
    static uint8_t from[4], to[4];
    void *s = from, *d = to;
    uint64_t n = 3;

    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq;\n"
                     "rep_here: rep movsb; pushfq; andl $~0x100, (%%rsp);\n"
                     "popfq"
                     : "+S"(s), "+D"(d), "+c"(n)
                     :
                     : "memory", "cc");
}

static void with_breakpoint(void *p)
{
    __asm__ volatile("nop; break_here: nop; nop" : : : "memory");
}

static void write_it(void *p)
{
    __asm__ volatile("movl $5, (%0); write_next: nop" : : "r"(p) : "memory");
}

static void read_it(void *p)
{
    __asm__ volatile("movl (%0), %%eax; nop" : : "r"(p) : "rax");
}

static void read_dr0(void *p)
{
    __asm__ volatile("mov %%dr0, %%rax" : : : "rax");
}

static void run(void (*fn)(void *), void *arg)
{
    steps = 0;
    write_dr6(0xffff0ff0);
    trap_hook = on_debug;
    trapped(fn, arg);
    trap_hook = NULL;
    write_dr7(0x400);
}

static void test_step(void)
{
    group("debug");
    run(step, NULL);
    ok_eq(steps, 5, "single steps");
    ok_eq(step_rip[0], (uint64_t)step_1, "the first is after one instruction");
    ok_eq(step_rip[1], (uint64_t)step_2, "the second after the next");
    ok(step_dr6 & DR6_BS, "DR6.BS");
    run(step_shadow, NULL);
    ok_eq(step_rip[0], (uint64_t)shadow_1, "no step behind MOV SS");
    run(step_rep, NULL);
    ok(step_rip[0] == (uint64_t)rep_here && step_rip[1] == (uint64_t)rep_here,
       "steps inside of a repeated string instruction");
    ok_eq(steps, 6, "one for each repetition");
}

static void test_breakpoints(void)
{
    static uint32_t data[4];

    write_dr0((unsigned long)break_here);
    write_dr7(0x400 | DR7_L0);
    run(with_breakpoint, NULL);
    ok_eq(steps, 1, "breakpoint on execution");
    ok_eq(step_rip[0], (uint64_t)break_here, "is a fault, and RF passes it");
    ok_eq(step_dr6 & 15, 1, "DR6.B0");

    write_dr0((unsigned long)&data[1]);
    write_dr7(0x400 | DR7_L0 | DR7_RW0(1u, 3u));
    run(write_it, &data[1]);
    ok_eq(steps, 1, "breakpoint on a write");
    ok_eq(step_rip[0], (uint64_t)write_next, "is a trap");
    ok_eq(data[1], 5, "the write is done");
    write_dr7(0x400 | DR7_L0 | DR7_RW0(1u, 3u));
    run(read_it, &data[1]);
    ok_eq(steps, 0, "which a read does not hit");
    write_dr7(0x400 | DR7_L0 | DR7_RW0(3u, 3u));
    run(read_it, &data[1]);
    ok_eq(steps, 1, "breakpoint on reads and writes");
    write_dr7(0x400 | DR7_L0 | DR7_RW0(1u, 3u));
    run(write_it, &data[2]);
    ok_eq(steps, 0, "not beside it");
    write_dr7(0x400 | DR7_L0 | DR7_RW0(1u, 3u));
    run(write_it, (uint8_t *)&data[2] - 3);
    ok_eq(steps, 1, "but where it overlaps");
}

static void test_general_detect(void)
{
    write_dr7(0x400 | DR7_GD);
    trapped(read_dr0, NULL);
    expect(DB, 0, "DR7.GD");
    ok(read_dr6() & DR6_BD, "DR6.BD");
    ok(!(read_dr7() & DR7_GD), "GD is cleared for the handler");
    write_dr7(0x400);
    write_dr6(0xffff0ff0);
}

void test_debug(void)
{
    test_step();
    test_breakpoints();
    test_general_detect();
}
