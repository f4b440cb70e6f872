/*
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "log-machine.h"

#include <sys/mman.h>

#include "qapi/error.h"
#include "util/bitmap.h"
#include "util/lockable.h"

#define PML4        0x1000u
#define PDPT        0x2000u
#define PD          0x3000u
#define CODE        0x10000u
#define PTE_PRESENT 0x3u /* and writable */
#define PTE_LARGE   0x80u
#define LARGE_BYTES 0x200000u

/* rsi: first page; edx: their number; ebx: the round. */
static const uint8_t program[] = {
    0xff, 0xc3,                               /* again: inc ebx */
    0x89, 0xf7,                               /* mov edi, esi */
    0x89, 0xd1,                               /* mov ecx, edx */
    0x89, 0x1f,                               /* next: mov [rdi], ebx */
    0x89, 0x5f, 0x40,                         /* mov [rdi + 64], ebx */
    0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, /* add rdi, 4096 */
    0x89, 0x5f, 0xfc,                         /* mov [rdi - 4], ebx */
    0xff, 0xc9,                               /* dec ecx */
    0x75, 0xed,                               /* jnz next */
    0xeb, 0xe5,                               /* jmp again */
};

/* -- the host's side ------------------------------------------------------------ */

static void lm_pio(void *opaque, uint16_t port, bool is_write, unsigned size,
                   uint32_t count, void *data)
{
}

/* A page that is not mapped at the moment: the machine writes it. */
static void lm_mmio(void *opaque, uint64_t addr, bool is_write, unsigned len,
                    uint8_t *data)
{
    LogMachine *lm = opaque;

    g_assert_cmpuint(addr + len, <=, LM_RAM_BYTES);
    if (is_write) {
        memcpy(lm->ram + addr, data, len);
        bitmap_set_atomic(lm->device_dirty, (long)(addr / LM_PAGE), 1);
    } else {
        memcpy(data, lm->ram + addr, len);
    }
}

static const AccelHost host_ops = { .pio = lm_pio, .mmio = lm_mmio };

static int irq_ack(void *opaque, unsigned cpu)
{
    return -1;
}

static void irq_apic_read(void *opaque, unsigned cpu, unsigned offset,
                          unsigned len, uint8_t *data)
{
    memset(data, 0, len);
}

static void irq_apic_write(void *opaque, unsigned cpu, unsigned offset,
                           unsigned len, const uint8_t *data)
{
}

static bool irq_msr_read(void *opaque, unsigned cpu, uint32_t index,
                         uint64_t *ret_value)
{
    *ret_value = index == 0x1b ? X86_APICBASE_DEFAULT | X86_APICBASE_ENABLE |
                                     (cpu == 0 ? X86_APICBASE_BSP : 0)
                               : 0;
    return index == 0x1b || index == 0x6e0;
}

static bool irq_msr_write(void *opaque, unsigned cpu, uint32_t index,
                          uint64_t value)
{
    return index == 0x1b || index == 0x6e0;
}

static uint8_t irq_get_tpr(void *opaque, unsigned cpu)
{
    return 0;
}

static void irq_set_tpr(void *opaque, unsigned cpu, uint8_t tpr)
{
}

static void irq_init(void *opaque, unsigned cpu)
{
}

static void irq_get_state(void *opaque, unsigned cpu, uint8_t *page)
{
    memset(page, 0, X86_LAPIC_BYTES);
}

static bool irq_set_state(void *opaque, unsigned cpu, const uint8_t *page,
                          uint64_t apic_base, Error **errp)
{
    return true;
}

static const AccelIrqHost irq_ops = {
    .intr_ack = irq_ack,
    .apic_read = irq_apic_read,
    .apic_write = irq_apic_write,
    .msr_read = irq_msr_read,
    .msr_write = irq_msr_write,
    .get_tpr = irq_get_tpr,
    .set_tpr = irq_set_tpr,
    .init = irq_init,
    .get_state = irq_get_state,
    .set_state = irq_set_state,
};

/* -- guest ------------------------------------------------------------------------ */

static void put64(LogMachine *lm, uint64_t gpa, uint64_t value)
{
    memcpy(lm->ram + gpa, &value, sizeof(value));
}

static void fill_ram(LogMachine *lm)
{
    put64(lm, PML4, PDPT | PTE_PRESENT);
    put64(lm, PDPT, PD | PTE_PRESENT);
    for (uint64_t i = 0; i < LM_RAM_BYTES / LARGE_BYTES; i++) {
        put64(lm, PD + 8 * i, i * LARGE_BYTES | PTE_LARGE | PTE_PRESENT);
    }
    memcpy(lm->ram + CODE, program, sizeof(program));
}

static void set_registers(LogCPU *cpu)
{
    g_autoptr(X86CPUState) st = x86_state_new();
    LogMachine *lm = cpu->lm;
    unsigned mask = X86_STATE_REGS | X86_STATE_SREGS | X86_STATE_MP;

    g_assert_true(lm->ac->vcpu_get_state(cpu->vcpu, mask, st, &error_abort));
    x86_state_set_flat64(st, CODE, PML4);
    st->gpr[X86_RSI] = (uint64_t)cpu->first_page * LM_PAGE;
    st->gpr[X86_RDX] = cpu->n_pages;
    st->gpr[X86_RBX] = 0;
    st->mp_state = X86_MP_RUNNABLE;
    g_assert_true(lm->ac->vcpu_set_state(cpu->vcpu, mask, st, &error_abort));
}

static void *cpu_thread(void *opaque)
{
    LogCPU *cpu = opaque;
    LogMachine *lm = cpu->lm;

    g_assert_true(lm->ac->vcpu_thread_init(cpu->vcpu, &error_abort));
    QEMU_LOCK_GUARD(&lm->lock);
    while (!lm->quit) {
        if (!lm->run) {
            lm->stopped++;
            qemu_cond_broadcast(&lm->changed);
            while (!lm->run && !lm->quit) {
                qemu_cond_wait(&lm->changed, &lm->lock);
            }
            lm->stopped--;
            continue;
        }
        qemu_mutex_unlock(&lm->lock);
        g_assert_cmpint(lm->ac->vcpu_run(cpu->vcpu, &error_abort), ==,
                        ACCEL_EXIT_INTERRUPTED);
        qemu_mutex_lock(&lm->lock);
    }
    return NULL;
}

static void add_cpu(LogMachine *lm, unsigned n, unsigned n_pages)
{
    LogCPU *cpu = &lm->cpu[n];
    g_autoptr(X86CPUIDTable) cpuid =
        lm->ac->cpuid_supported(lm->accel, &error_abort);

    cpu->lm = lm;
    cpu->first_page = LM_FIRST_PAGE + n * n_pages;
    cpu->n_pages = n_pages;
    cpu->vcpu = lm->ac->vcpu_new(lm->accel, n, n, &error_abort);
    g_assert_nonnull(cpu->vcpu);
    g_assert_true(lm->ac->vcpu_set_cpuid(cpu->vcpu, cpuid, &error_abort));
    g_assert_true(lm->ac->vcpu_reset(cpu->vcpu, n == 0, &error_abort));
    set_registers(cpu);
}

/* -- life ------------------------------------------------------------------------- */

static AccelState *accel_new(const char *name)
{
    g_auto(GStrv) part = g_strsplit(name, ",", 0);
    json_t *accel = json_pack("{s:s}", "accel", part[0]);
    json_auto_t *list = json_pack("[o]", accel);
    AccelState *state;
    Error *err = NULL;

    for (char **p = part + 1; *p; p++) {
        g_auto(GStrv) prop = g_strsplit(*p, "=", 2);

        json_object_set_new(accel, prop[0], json_string(prop[1]));
    }
    state = accel_create(list, NULL, &err);
    if (!state) {
        g_test_message("%s", error_get_pretty(err));
        error_free(err);
    }
    return state;
}

LogMachine *lm_new(const char *accel, unsigned n_cpus, unsigned n_pages)
{
    LogMachine *lm = g_new0(LogMachine, 1);

    lm->accel = accel_new(accel);
    if (!lm->accel) {
        g_free(lm);
        return NULL;
    }
    g_assert_cmpuint(LM_FIRST_PAGE + n_cpus * n_pages, <=, LM_RAM_PAGES);
    lm->ac = ACCEL_GET_CLASS(lm->accel);
    accel_attach(lm->accel, &host_ops, lm);
    accel_attach_irq(lm->accel, &irq_ops, lm);
    g_assert_true(lm->ac->init_machine(lm->accel, n_cpus, &error_abort));
    if (accel_irqchip(lm->accel) != ACCEL_IRQCHIP_USER) {
        g_assert_true(lm->ac->create_irqchip(lm->accel, &error_abort));
    }
    lm->ram = mmap(NULL, LM_RAM_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(lm->ram != MAP_FAILED);
    lm->device_dirty = bitmap_new(LM_RAM_PAGES);
    fill_ram(lm);
    g_assert_true(
        lm->ac->map_ram(lm->accel, 0, LM_RAM_BYTES, lm->ram, 0, &error_abort));
    qemu_mutex_init(&lm->lock);
    qemu_cond_init(&lm->changed);
    lm->n_cpus = n_cpus;
    for (unsigned i = 0; i < n_cpus; i++) {
        add_cpu(lm, i, n_pages);
    }
    for (unsigned i = 0; i < n_cpus; i++) {
        qemu_thread_create(&lm->cpu[i].thread, "cpu", cpu_thread, &lm->cpu[i],
                           QEMU_THREAD_JOINABLE);
    }
    lm_stop(lm);
    return lm;
}

void lm_start(LogMachine *lm)
{
    QEMU_LOCK_GUARD(&lm->lock);
    lm->run = true;
    qemu_cond_broadcast(&lm->changed);
}

static void kick_all(LogMachine *lm)
{
    for (unsigned i = 0; i < lm->n_cpus; i++) {
        lm->ac->vcpu_kick(lm->cpu[i].vcpu);
    }
}

void lm_stop(LogMachine *lm)
{
    QEMU_LOCK_GUARD(&lm->lock);
    lm->run = false;
    kick_all(lm);
    while (lm->stopped < lm->n_cpus) {
        qemu_cond_wait(&lm->changed, &lm->lock);
    }
}

void lm_free(LogMachine *lm)
{
    WITH_QEMU_LOCK_GUARD(&lm->lock)
    {
        lm->quit = true;
        kick_all(lm);
        qemu_cond_broadcast(&lm->changed);
    }
    for (unsigned i = 0; i < lm->n_cpus; i++) {
        qemu_thread_join(&lm->cpu[i].thread);
        lm->ac->vcpu_free(lm->cpu[i].vcpu);
    }
    object_unref(OBJECT(lm->accel));
    munmap(lm->ram, LM_RAM_BYTES);
    qemu_cond_destroy(&lm->changed);
    qemu_mutex_destroy(&lm->lock);
    g_free(lm->device_dirty);
    g_free(lm);
}

uint32_t lm_word(LogMachine *lm, unsigned page)
{
    uint32_t v;

    memcpy(&v, lm->ram + (size_t)page * LM_PAGE, sizeof(v));
    return v;
}

uint32_t lm_round(LogMachine *lm, unsigned cpu)
{
    g_autoptr(X86CPUState) st = x86_state_new();

    g_assert_true(lm->ac->vcpu_get_state(lm->cpu[cpu].vcpu, X86_STATE_REGS, st,
                                         &error_abort));
    return (uint32_t)st->gpr[X86_RBX];
}
