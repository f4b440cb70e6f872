/*
 * Hardware task switches.
 *
 * Source: Intel SDM volume 3A, chapter 7.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest32.h"

#define CR0_TS 8u
#define DR6_BT (1u << 15)

volatile uint32_t task_ran, task_flags, task_link, task_esp, task_error;

void task_body(void);
extern const uint8_t task_entry[], task_iret[], task_error_entry[];

__asm__(".text\n"
        /* Entered by JMP; goes back so, and round again. */
        "task_entry:\n"
        "    call task_body\n"
        "    ljmp $0x28, $0\n"
        "    jmp task_entry\n"
        /* Entered by CALL or an interrupt. */
        "task_iret:\n"
        "    call task_body\n"
        "    iretl\n"
        "    jmp task_iret\n"
        "task_error_entry:\n"
        "    popl task_error\n"
        "    call task_body\n"
        "    addl $2, tss + 32\n" /* EIP: behind MOV GS */
        "    iretl\n"
        "    jmp task_error_entry\n");

static uint32_t eflags(void)
{
    uint32_t v;

    __asm__ volatile("pushfl; popl %0" : "=r"(v));
    return v;
}

void task_body(void)
{
    task_ran++;
    task_flags = eflags();
    task_link = tss2.link;
    __asm__ volatile("movl %%esp, %0" : "=m"(task_esp));
    __asm__ volatile("clts");
}

static void new_task(const void *entry)
{
    tss2 = (Tss){ .eip = (uint32_t)entry,
                  .eflags = FL_ONE | FL_CF,
                  .esp = (uint32_t)stack2 + sizeof(stack2),
                  .ss0 = SEL_DATA,
                  .esp0 = (uint32_t)stack2 + sizeof(stack2),
                  .cs = SEL_CODE,
                  .ds = SEL_DATA,
                  .es = SEL_DATA,
                  .ss = SEL_DATA,
                  .cr3 = (uint32_t)read_cr3(),
                  .iomap = sizeof(Tss) };
    set_desc(SEL_TSS2, (uint32_t)&tss2, sizeof(tss2) - 1, 0x89, 0);
    task_ran = 0;
}

static unsigned type(unsigned sel)
{
    return gdt[sel / 8] >> 40 & 15;
}

static void jump_task(void *p)
{
    __asm__ volatile("ljmp $0x30, $0" : : : "memory", "cc");
}

static void call_task(void *p)
{
    __asm__ volatile("lcall $0x30, $0" : : : "memory", "cc");
}

static void call_gate_task(void *p)
{
    __asm__ volatile("lcall $0x88, $0" : : : "memory", "cc");
}

static void jump_self(void *p)
{
    __asm__ volatile("ljmp $0x28, $0" : : : "memory", "cc");
}

static void jump_absent(void *p)
{
    __asm__ volatile("ljmp $0x90, $0" : : : "memory", "cc");
}

static void int_task(void *p)
{
    __asm__ volatile("int $0x90" : : : "memory", "cc");
}

static void ud2(void *p)
{
    __asm__ volatile("ud2" : : : "memory");
}

static void read_window(void *p)
{
    __asm__ volatile("movl %0, %%gs" : : "r"(0x1f8));
}

static void test_jump(void)
{
    group("tasks");
    new_task(task_entry);
    trapped(jump_task, NULL);
    expect(NONE, 0, "JMP to a task and back");
    ok_eq(task_ran, 1, "it ran");
    ok_eq(type(SEL_TSS), 11, "this task is busy");
    ok_eq(type(SEL_TSS2), 9, "the other is not");
    ok(!(task_flags & FL_NT), "no NT by JMP");
    ok(task_esp - (uint32_t)stack2 < sizeof(stack2), "its own stack");
    ok(read_cr0() & CR0_TS, "CR0.TS is set");
    __asm__ volatile("clts");
    ok_eq(tss2.ds, SEL_DATA, "registers were saved");
    trapped(jump_task, NULL);
    ok_eq(task_ran, 2, "once more, from where it was");
    __asm__ volatile("clts");
    trapped(jump_self, NULL);
    expect(GP, SEL_TSS, "JMP to a busy task");
    trapped(jump_absent, NULL);
    expect(NP, SEL_TSS_ABSENT, "JMP to an absent one");
}

static void test_call(void)
{
    new_task(task_iret);
    trapped(call_task, NULL);
    expect(NONE, 0, "CALL and IRET");
    ok_eq(task_ran, 1, "it ran");
    ok(task_flags & FL_NT, "NT by CALL");
    ok_eq(task_link, SEL_TSS, "the link back");
    ok_eq(type(SEL_TSS2), 9, "IRET makes it available");
    ok(!(eflags() & FL_NT), "NT is clear afterwards");
    gdt[SEL_TASK_GATE / 8] = (uint64_t)SEL_TSS2 << 16 | 0x85ull << 40;
    trapped(call_gate_task, NULL);
    ok_eq(task_ran, 2, "CALL by a task gate");
    set_task_gate(0x90, SEL_TSS2);
    trapped(int_task, NULL);
    ok_eq(task_ran, 3, "INT by a task gate");
    __asm__ volatile("clts");
    new_task(task_iret);
    tss2.trap = 1;
    write_dr6(0xffff0ff0);
    trapped(call_task, NULL);
    expect(DB, 0, "the T flag raises #DB in the new task");
    ok(read_dr6() & DR6_BT, "DR6.BT");
    write_dr6(0xffff0ff0);
    /* The trap's way back did not go through IRET. */
    set_desc(SEL_TSS, (uint32_t)&tss, sizeof(tss) - 1, 0x89, 0);
    set_desc(SEL_TSS2, (uint32_t)&tss2, sizeof(tss2) - 1, 0x89, 0);
    __asm__ volatile("ltr %w0; clts" : : "r"(SEL_TSS));
}

static void test_exception(void)
{
    new_task(task_error_entry);
    set_task_gate(GP, SEL_TSS2);
    task_error = 0;
    trapped(read_window, NULL);
    reset_gate(GP);
    ok_eq(task_ran, 1, "#GP by a task gate");
    ok_eq(task_error, 0x1f8, "its error code is on the task's stack");
    __asm__ volatile("clts");
    new_task(task_entry);
    tss2.ds = SEL_ABSENT;
    trapped(jump_task, NULL);
    expect(NP, SEL_ABSENT, "a task whose DS is not present");
    set_desc(SEL_TSS, (uint32_t)&tss, sizeof(tss) - 1, 0x89, 0);
    set_desc(SEL_TSS2, (uint32_t)&tss2, sizeof(tss2) - 1, 0x89, 0);
    __asm__ volatile("ltr %w0; clts" : : "r"(SEL_TSS));
    trapped(ud2, NULL);
    expect(UD, 0, "all is well again");
}

void test_tasks(void)
{
    set_desc(SEL_TSS_ABSENT, (uint32_t)&tss2, sizeof(tss2) - 1, 0x09, 0);
    test_jump();
    test_call();
    test_exception();
}
