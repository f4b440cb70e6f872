/*
 * Guest code through the run loop, in both engines: interrupts and their
 * shadows, waiting, NMI, INIT and SIPI, single steps and breakpoints, code
 * that changes, memory that comes and goes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "qapi/error.h"
#include "util/thread.h"

#include "soft-machine.h"

#define TYPE_INT 14u

static SoftMachine *machine(gconstpointer jit, unsigned n_cpus)
{
    return sm_new(SM_LONG, n_cpus, jit != NULL);
}

/* Run CPU 0 from SM_CODE until it writes to the port. */
static void run_to_end(SoftMachine *sm)
{
    unsigned ends = sm->ends;

    for (int i = 0; i < 1000 && sm->ends == ends; i++) {
        AccelExit e = sm_run(sm, 0);

        g_assert_cmpint(e, ==, ACCEL_EXIT_INTERRUPTED);
    }
    g_assert_cmpuint(sm->ends, ==, ends + 1);
}

static void interrupt(SoftMachine *sm, int vector)
{
    sm->intr_vector = vector;
    sm->ac->vcpu_intr(&sm->cpu[0]->base, true);
}

/* clang-format off */

SM_CODE_BLOCK(code_sti,
    "xor %eax, %eax\n"
    "inc %eax\n"
    "sti\n"
    "inc %eax\n"
    "inc %eax\n"
    "inc %eax\n"
    "1: jmp 1b\n");
SM_CODE_BLOCK(code_end, "out %al, $0xf4\n" "1: jmp 1b\n");
SM_CODE_BLOCK(code_hlt, "sti\n" "hlt\n" "mov $0x77, %al\n" "out %al, $0xf4\n");
SM_CODE_BLOCK(code_count_iret, "incl %ebx\n" "iretq\n");
SM_CODE_BLOCK(code_mov_ss,
    "xor %eax, %eax\n"
    "mov $0x10, %ecx\n"
    "pushq $0x302\n"      /* TF and IF */
    "popfq\n"             /* no trap after this one */
    "mov %ecx, %ss\n"     /* none after this one either */
    "inc %eax\n"          /* trap */
    "inc %eax\n"          /* trap */
    "pushq $0x202\n"      /* trap */
    "popfq\n"             /* trap: TF was set when it began */
    "out %al, $0xf4\n"
    "1: jmp 1b\n");

/* Count to 100 with a bound that is patched on the way. */
SM_CODE_BLOCK(code_smc,
    "xor %ecx, %ecx\n"
    "lea 2f+1(%rip), %rdi\n"
    "1: inc %ecx\n"
    "mov %ecx, (%rdi)\n"
    "2: mov $0, %eax\n"
    "cmp %ecx, %eax\n"
    "jne 3f\n"
    "cmp $100, %ecx\n"
    "jne 1b\n"
    "mov $1, %al\n"
    "out %al, $0xf4\n"
    "4: jmp 4b\n"
    "3: mov $2, %al\n"
    "out %al, $0xf4\n"
    "5: jmp 5b\n");

/* Until a function returns 7. */
SM_CODE_BLOCK(code_poll,
    "1: mov $0x140000, %eax\n"
    "call *%rax\n"
    "cmp $7, %eax\n"
    "jne 1b\n"
    "out %al, $0xf4\n"
    "2: jmp 2b\n");
SM_CODE_BLOCK(code_function, "mov $1, %eax\n" "ret\n");

/* Until a word is no longer 1. */
SM_CODE_BLOCK(code_read,
    "1: mov 0x150000, %eax\n"
    "incl 0x180000\n"
    "cmp $1, %eax\n"
    "je 1b\n"
    "mov %eax, 0x150008\n"
    "out %eax, $0xf4\n"
    "2: jmp 2b\n");

SM_CODE_BLOCK(code_real, ".code16\n"
    "mov $0x1234, %ax\n"
    "mov %ax, %cs:0x100\n"
    "out %al, $0xf4\n"
    "1: jmp 1b\n");

SM_CODE_BLOCK(code_steps,
    "mov $1, %eax\n"
    "mov $2, %eax\n"
    "int3\n"
    "mov %eax, 0x180000\n"
    "mov $4, %eax\n"
    "out %al, $0xf4\n"
    "1: jmp 1b\n");

SM_CODE_BLOCK(code_split,
    "mov $20000, %ecx\n"
    "1: lock incq 0x180ffc\n"
    "dec %ecx\n"
    "jne 1b\n"
    "lock incl 0x190000\n"
    "2: cmpl $2, 0x190000\n"
    "jne 2b\n"
    "out %al, $0xf4\n"
    "3: jmp 3b\n");

/* clang-format on */

/* -- interrupts ------------------------------------------------------------------ */

static void test_shadow(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);

    sm_load(sm, SM_CODE, code_sti);
    sm_load(sm, SM_HANDLER, code_end);
    sm_gate(sm, 0x40, SM_SEL_CODE64, SM_HANDLER, TYPE_INT, 0, 0);
    interrupt(sm, 0x40);
    run_to_end(sm);
    /* One more instruction after STI, and no other. */
    g_assert_cmpuint(sm->ended_with, ==, 2);
    g_assert_cmpuint(sm->acks, ==, 1);
}

static void *late_interrupt(void *opaque)
{
    SoftMachine *sm = opaque;

    g_usleep(20000);
    interrupt(sm, 0x40);
    return NULL;
}

static void test_hlt(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);
    QemuThread thread;

    sm_load(sm, SM_CODE, code_hlt);
    sm_load(sm, SM_HANDLER, code_count_iret);
    sm_gate(sm, 0x40, SM_SEL_CODE64, SM_HANDLER, TYPE_INT, 0, 0);
    qemu_thread_create(&thread, "interrupt", late_interrupt, sm,
                       QEMU_THREAD_JOINABLE);
    run_to_end(sm);
    qemu_thread_join(&thread);
    g_assert_cmphex(sm->ended_with, ==, 0x77);
    g_assert_cmpuint(sm->cpu[0]->gpr[X86_RBX], ==, 1);
}

/* The interrupt that went away: the CPU sleeps on, a kick ends the run. */
static void test_spurious(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);

    sm_load(sm, SM_CODE, code_hlt);
    interrupt(sm, -1);
    sm->ac->vcpu_kick(&sm->cpu[0]->base);
    g_assert_cmpint(sm_run(sm, 0), ==, ACCEL_EXIT_INTERRUPTED);
    sm->ac->vcpu_kick(&sm->cpu[0]->base);
    g_assert_cmpint(sm_run(sm, 0), ==, ACCEL_EXIT_INTERRUPTED);
    g_assert_cmpuint(sm->ends, ==, 0);
}

static void test_nmi(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);
    SoftCPU *cpu = sm->cpu[0];

    sm_load(sm, SM_CODE, code_end);
    sm_load(sm, SM_HANDLER, code_count_iret);
    sm_gate(sm, 2, SM_SEL_CODE64, SM_HANDLER, TYPE_INT, 0, 1);
    g_assert_true(sm->ac->vcpu_nmi(&cpu->base, &error_abort));
    cpu->nmi_blocked = true;
    sm->ac->vcpu_kick(&cpu->base);
    sm_run(sm, 0);
    g_assert_cmpuint(cpu->gpr[X86_RBX], ==, 0);
    cpu->nmi_blocked = false;
    soft_exit_request(cpu, SOFT_EXIT_NMI);
    run_to_end(sm);
    g_assert_cmpuint(cpu->gpr[X86_RBX], ==, 1);
    g_assert_false(cpu->nmi_blocked);
}

static void *run_cpu1(void *opaque)
{
    SoftMachine *sm = opaque;
    Error *err = NULL;

    g_assert_true(sm->ac->vcpu_thread_init(&sm->cpu[1]->base, &error_abort));
    while (!qatomic_read(&sm->ends)) {
        sm->ac->vcpu_run(&sm->cpu[1]->base, &err);
    }
    return NULL;
}

static void test_sipi(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 2);
    AccelVCPU *ap = &sm->cpu[1]->base;
    QemuThread thread;

    sm_load(sm, 0x8000, code_real);
    qemu_thread_create(&thread, "cpu 1", run_cpu1, sm, QEMU_THREAD_JOINABLE);
    sm->ac->vcpu_signal(ap, ACCEL_SIGNAL_INIT, 0);
    g_usleep(10000);
    sm->ac->vcpu_signal(ap, ACCEL_SIGNAL_SIPI, 8);
    qemu_thread_join(&thread);
    g_assert_cmphex(sm->ended_with, ==, 0x34);
    g_assert_cmphex(sm_get16(sm, 0x8100), ==, 0x1234);
    g_assert_cmphex(sm->cpu[1]->seg[X86_CS].selector, ==, 0x800);
    /* A second one is ignored. */
    sm->ac->vcpu_signal(ap, ACCEL_SIGNAL_SIPI, 9);
    sm->ac->vcpu_kick(ap);
    sm->ac->vcpu_run(ap, &error_abort);
    g_assert_cmphex(sm->cpu[1]->seg[X86_CS].selector, ==, 0x800);
}

/* -- traps --------------------------------------------------------------------------- */

static void test_single_step(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);

    sm_load(sm, SM_CODE, code_mov_ss);
    sm_load(sm, SM_HANDLER, code_count_iret);
    sm_gate(sm, 1, SM_SEL_CODE64, SM_HANDLER, TYPE_INT, 0, 0);
    run_to_end(sm);
    g_assert_cmpuint(sm->ended_with, ==, 2);
    g_assert_cmpuint(sm->cpu[0]->gpr[X86_RBX], ==, 4);
    g_assert_cmphex(sm->cpu[0]->dr6 & 0xf00f, ==, 0x4000);
}

static void test_breakpoints(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);
    SoftCPU *cpu = sm->cpu[0];

    sm_load(sm, SM_CODE, code_steps);
    sm_load(sm, SM_HANDLER, code_count_iret);
    sm_gate(sm, 1, SM_SEL_CODE64, SM_HANDLER, TYPE_INT, 0, 0);
    sm_gate(sm, 3, SM_SEL_CODE64, SM_HANDLER, TYPE_INT, 0, 0);
    g_assert_true(soft_write_dr(cpu, 0, SM_CODE + 5)); /* second mov */
    g_assert_true(soft_write_dr(cpu, 2, 0x180000));    /* write of 4 bytes */
    g_assert_true(soft_write_dr(cpu, 7, 1u << 0 | 1u << 4 | 0xdull << 24));
    run_to_end(sm);
    /* The fault (once: RF), INT3, the trap. */
    g_assert_cmpuint(cpu->gpr[X86_RBX], ==, 3);
    g_assert_cmphex(cpu->dr6 & 0xf, ==, 4);
    g_assert_cmpuint(sm->ended_with, ==, 4);
}

static void expect_hit(SoftMachine *sm, AccelDebugReason reason, unsigned point,
                       uint64_t rip)
{
    AccelDebugHit hit;

    g_assert_cmpint(sm_run(sm, 0), ==, ACCEL_EXIT_DEBUG);
    sm->ac->vcpu_debug_hit(&sm->cpu[0]->base, &hit);
    g_assert_cmpint(hit.reason, ==, reason);
    g_assert_cmpuint(hit.point, ==, point);
    g_assert_cmphex(sm->cpu[0]->rip, ==, rip);
}

static void test_debugger(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);
    AccelVCPU *vcpu = &sm->cpu[0]->base;
    AccelDebug dbg = { .enabled = true,
                       .n_points = 2,
                       .point = { { ACCEL_DEBUG_EXEC, SM_CODE + 5, 1 },
                                  { ACCEL_DEBUG_WRITE, 0x180000, 4 } } };

    sm_load(sm, SM_CODE, code_steps);
    sm_load(sm, SM_HANDLER, code_count_iret);
    sm_gate(sm, 3, SM_SEL_CODE64, SM_HANDLER, TYPE_INT, 0, 0);
    g_assert_true(sm->ac->vcpu_set_debug(vcpu, &dbg, &error_abort));
    expect_hit(sm, ACCEL_DEBUG_HIT_POINT, 0, SM_CODE + 5);
    expect_hit(sm, ACCEL_DEBUG_HIT_INT3, 0, SM_CODE + 10);
    /* That one is the guest's; step into its handler. */
    dbg.inject_bp = true;
    dbg.single_step = true;
    g_assert_true(sm->ac->vcpu_set_debug(vcpu, &dbg, &error_abort));
    expect_hit(sm, ACCEL_DEBUG_HIT_STEP, 0, SM_HANDLER);
    dbg.inject_bp = false;
    dbg.single_step = false;
    g_assert_true(sm->ac->vcpu_set_debug(vcpu, &dbg, &error_abort));
    expect_hit(sm, ACCEL_DEBUG_HIT_POINT, 1, SM_CODE + 18);
    g_assert_true(
        sm->ac->vcpu_set_debug(vcpu, &(AccelDebug){ 0 }, &error_abort));
    run_to_end(sm);
    g_assert_cmpuint(sm->ended_with, ==, 4);
}

/* -- code that changes ------------------------------------------------------------------ */

static void test_self_modifying(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);

    sm_load(sm, SM_CODE, code_smc);
    run_to_end(sm);
    g_assert_cmpuint(sm->ended_with, ==, 1);
}

GUEST_MEMORY_ACCESS static void set_byte(SoftMachine *sm, uint64_t gpa,
                                         uint8_t byte)
{
    *(volatile uint8_t *)(sm->ram + gpa) = byte;
}

static void *patch_by_dma(void *opaque)
{
    SoftMachine *sm = opaque;

    g_usleep(20000);
    set_byte(sm, 0x140001, 7);
    sm->ac->ram_written(sm->accel, 0x140001, 1);
    return NULL;
}

static void test_dma_to_code(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);
    QemuThread thread;

    sm_load(sm, SM_CODE, code_poll);
    sm_load(sm, 0x140000, code_function);
    qemu_thread_create(&thread, "dma", patch_by_dma, sm, QEMU_THREAD_JOINABLE);
    run_to_end(sm);
    qemu_thread_join(&thread);
    g_assert_cmpuint(sm->ended_with, ==, 7);
}

/* Another CPU changes it by a store. */
static void *patch_by_cpu(void *opaque)
{
    SoftMachine *sm = opaque;
    SoftCPU *cpu = sm->cpu[1];

    g_usleep(20000);
    soft_enter_guest(cpu);
    g_assert_true(soft_st8(cpu, 0x140001, 7));
    soft_leave_guest(cpu);
    return NULL;
}

static void test_cross_modifying(gconstpointer jit)
{
    for (int warm = 0; warm < 2; warm++) {
        g_autoptr(SoftMachine) sm = machine(jit, 2);
        QemuThread thread;

        sm_mode(sm, sm->cpu[1], SM_LONG);
        sm_load(sm, SM_CODE, code_poll);
        sm_load(sm, 0x140000, code_function);
        if (warm) {
            /* Its TLB has a fast entry when the page becomes code. */
            soft_enter_guest(sm->cpu[1]);
            g_assert_true(soft_st8(sm->cpu[1], 0x140800, 1));
            soft_leave_guest(sm->cpu[1]);
        }
        qemu_thread_create(&thread, "cpu 1", patch_by_cpu, sm,
                           QEMU_THREAD_JOINABLE);
        run_to_end(sm);
        qemu_thread_join(&thread);
        g_assert_cmpuint(sm->ended_with, ==, 7);
    }
}

/* -- memory that comes and goes ------------------------------------------------------------- */

/* The machine's RAM without the page at 0x150000. */
static void split_ram(SoftMachine *sm)
{
    g_assert_true(sm->ac->unmap_ram(sm->accel, 0, SM_RAM_BYTES, &error_abort));
    g_assert_true(
        sm->ac->map_ram(sm->accel, 0, 0x150000, sm->ram, 0, &error_abort));
    g_assert_true(sm->ac->map_ram(sm->accel, 0x151000, SM_RAM_BYTES - 0x151000,
                                  sm->ram + 0x151000, 0, &error_abort));
}

static void *remap(void *opaque)
{
    SoftMachine *sm = opaque;

    g_usleep(20000);
    g_assert_true(sm->ac->unmap_ram(sm->accel, 0x150000, 0x1000, &error_abort));
    /* Nobody uses it any more. */
    g_assert_cmpint(mprotect(sm->ram + 0x150000, 0x1000, PROT_NONE), ==, 0);
    return NULL;
}

static void test_unmap(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);
    QemuThread thread;

    soft_leave_guest(sm->cpu[0]);
    split_ram(sm);
    g_assert_true(sm->ac->map_ram(sm->accel, 0x150000, 0x1000,
                                  sm->ram + 0x150000, 0, &error_abort));
    soft_enter_guest(sm->cpu[0]);
    sm_load(sm, SM_CODE, code_read);
    sm_put64(sm, 0x150000, 1);
    qemu_thread_create(&thread, "remap", remap, sm, QEMU_THREAD_JOINABLE);
    run_to_end(sm);
    qemu_thread_join(&thread);
    /* What the device there says, and the store went to it. */
    g_assert_cmphex(sm->ended_with, ==, 0x44332211);
    g_assert_cmphex(sm->mmio_addr, ==, 0x150008);
    g_assert_cmphex(sm->mmio_value, ==, 0x44332211);
    g_assert_cmpuint(sm_get32(sm, SM_DATA), >, 1);
}

static void test_read_only(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);

    soft_leave_guest(sm->cpu[0]);
    split_ram(sm);
    g_assert_true(sm->ac->map_ram(sm->accel, 0x150000, 0x1000,
                                  sm->ram + 0x150000, ACCEL_RAM_READONLY,
                                  &error_abort));
    soft_enter_guest(sm->cpu[0]);
    sm_load(sm, SM_CODE, code_read);
    sm_put64(sm, 0x150000, 5);
    run_to_end(sm);
    g_assert_cmpuint(sm->ended_with, ==, 5);
    g_assert_cmpuint(sm->mmio_writes, ==, 1);
    g_assert_cmphex(sm->mmio_addr, ==, 0x150008);
    g_assert_cmpuint(sm_get32(sm, 0x150008), ==, 0);
}

/* Page tables are walked for a debugger while the CPU is outside: not those in
 * RAM that is gone. */
static void test_unmap_outside(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    uint64_t gpa;

    g_assert_true(soft_translate(sm->cpu[0], SM_CODE, &gpa));
    soft_leave_guest(sm->cpu[0]);
    g_assert_true(sm->ac->unmap_ram(sm->accel, 0, SM_RAM_BYTES, &error_abort));
    g_assert_false(soft_translate(sm->cpu[0], SM_CODE, &gpa));
    soft_enter_guest(sm->cpu[0]);
}

static void test_map_errors(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    Error *err = NULL;

    soft_leave_guest(sm->cpu[0]);
    g_assert_false(
        sm->ac->map_ram(sm->accel, 0x1000, 0x1000, sm->ram, 0, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "overlaps"));
    error_free(err);
    err = NULL;
    g_assert_false(
        sm->ac->map_ram(sm->accel, 1ull << 40, 0x800, sm->ram, 0, &err));
    error_free(err);
    err = NULL;
    g_assert_false(sm->ac->unmap_ram(sm->accel, 0, 0x1000, &err));
    error_free(err);
}

/* -- dirty log ---------------------------------------------------------------------------- */

static void test_dirty_log(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 1);
    SoftCPU *cpu = sm->cpu[0];
    unsigned long bitmap[SM_RAM_BYTES / 4096 / 64] = { 0 };

    g_assert_true(soft_st8(cpu, SM_DATA, 1));
    soft_leave_guest(cpu);
    g_assert_true(sm->ac->dirty_log_start(sm->accel, &error_abort));
    sm->ac->dirty_log_clear(sm->accel, 0, SM_RAM_BYTES);
    soft_enter_guest(cpu);
    g_assert_true(soft_st8(cpu, SM_DATA + 0x3000, 1));
    sm->ac->ram_written(sm->accel, SM_DATA + 0x5fff, 2);
    soft_leave_guest(cpu);
    for (int pass = 0; pass < 2; pass++) {
        memset(bitmap, 0, sizeof(bitmap));
        g_assert_true(sm->ac->dirty_log_sync(sm->accel, 0, SM_RAM_BYTES, bitmap,
                                             &error_abort));
        for (unsigned page = SM_DATA >> 12; page < (SM_DATA >> 12) + 8;
             page++) {
            unsigned n = page - (SM_DATA >> 12);
            bool want = pass == 0 ? n == 3 || n == 5 || n == 6 : n == 3;

            g_assert_cmpint(!!(bitmap[page / 64] >> (page % 64) & 1), ==, want);
        }
        sm->ac->dirty_log_clear(sm->accel, 0, SM_RAM_BYTES);
        /* A page that is written again shows again. */
        soft_enter_guest(cpu);
        g_assert_true(soft_st8(cpu, SM_DATA + 0x3001, 1));
        soft_leave_guest(cpu);
    }
    sm->ac->dirty_log_stop(sm->accel);
    soft_enter_guest(cpu);
}

/* -- split locks --------------------------------------------------------------------------- */

static void test_split_lock(gconstpointer jit)
{
    g_autoptr(SoftMachine) sm = machine(jit, 2);
    QemuThread thread;

    sm_mode(sm, sm->cpu[1], SM_LONG);
    sm->cpu[1]->priv->mp_state = X86_MP_RUNNABLE;
    sm_load(sm, SM_CODE, code_split);
    soft_leave_guest(sm->cpu[0]);
    qemu_thread_create(&thread, "cpu 1", run_cpu1, sm, QEMU_THREAD_JOINABLE);
    while (!qatomic_read(&sm->ends)) {
        sm->ac->vcpu_run(&sm->cpu[0]->base, &error_abort);
    }
    qemu_thread_join(&thread);
    soft_enter_guest(sm->cpu[0]);
    g_assert_cmpuint(sm_get64(sm, 0x180ffc), ==, 40000);
}

static void add(const char *name, GTestDataFunc func)
{
    g_autofree char *interp = g_strdup_printf("/soft/run/interp/%s", name);
    g_autofree char *jit = g_strdup_printf("/soft/run/jit/%s", name);

    g_test_add_data_func(interp, NULL, func);
    g_test_add_data_func(jit, "jit", func);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("shadow", test_shadow);
    add("hlt", test_hlt);
    add("spurious", test_spurious);
    add("nmi", test_nmi);
    add("sipi", test_sipi);
    add("single-step", test_single_step);
    add("breakpoints", test_breakpoints);
    add("debugger", test_debugger);
    add("self-modifying", test_self_modifying);
    add("dma-to-code", test_dma_to_code);
    add("cross-modifying", test_cross_modifying);
    add("unmap", test_unmap);
    add("read-only", test_read_only);
    add("dirty-log", test_dirty_log);
    add("split-lock", test_split_lock);
    g_test_add_func("/soft/run/map-errors", test_map_errors);
    g_test_add_func("/soft/run/unmap-outside", test_unmap_outside);
    return g_test_run();
}
