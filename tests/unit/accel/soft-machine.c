/*
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-machine.h"

#include <sys/mman.h>

#include "qapi/error.h"

#define ACCESS_CODE (SOFT_SEG_P | SOFT_SEG_S | SOFT_SEG_CODE | SOFT_SEG_R)
#define ACCESS_DATA (SOFT_SEG_P | SOFT_SEG_S | SOFT_SEG_W)
#define DPL3        SOFT_SEG_DPL

/* -- devices --------------------------------------------------------------------- */

/* Devices may calculate with the host's x87 unit, or the libraries they use. */
static void use_x87(void)
{
    __asm__ volatile("fld1\n\tfstp %st(0)");
}

static void pio(void *opaque, uint16_t port, bool is_write, unsigned size,
                uint32_t count, void *data)
{
    SoftMachine *sm = opaque;

    use_x87();
    if (!is_write) {
        memset(data, 0x5a, (size_t)size * count);
        return;
    }
    if (port == SM_PORT_END) {
        uint32_t value = 0;

        memcpy(&value, data, size);
        qatomic_set(&sm->ended_with, value);
        qatomic_inc(&sm->ends);
        for (unsigned i = 0; i < SM_CPUS && sm->cpu[i]; i++) {
            sm->ac->vcpu_kick(&sm->cpu[i]->base);
        }
    }
}

static void mmio(void *opaque, uint64_t addr, bool is_write, unsigned len,
                 uint8_t *data)
{
    SoftMachine *sm = opaque;

    use_x87();
    sm->mmio_addr = addr;
    if (is_write) {
        sm->mmio_value = 0;
        memcpy(&sm->mmio_value, data, len);
        sm->mmio_writes++;
    } else {
        memcpy(data, "\x11\x22\x33\x44\x55\x66\x77\x88", len);
        sm->mmio_reads++;
    }
}

static const AccelHost host_ops = { .pio = pio, .mmio = mmio };

static int intr_ack(void *opaque, unsigned cpu)
{
    SoftMachine *sm = opaque;
    int vector = sm->intr_vector;

    sm->acks++;
    sm->intr_vector = -1;
    sm->ac->vcpu_intr(&sm->cpu[cpu]->base, false);
    return vector;
}

static void apic_read(void *opaque, unsigned cpu, unsigned offset, unsigned len,
                      uint8_t *data)
{
    memset(data, 0, len);
}

static void apic_write(void *opaque, unsigned cpu, unsigned offset,
                       unsigned len, const uint8_t *data)
{
}

static bool msr_read(void *opaque, unsigned cpu, uint32_t index,
                     uint64_t *ret_value)
{
    *ret_value = index == 0x1b ? X86_APICBASE_DEFAULT | X86_APICBASE_ENABLE |
                                     (cpu == 0 ? X86_APICBASE_BSP : 0)
                               : 0;
    return index == 0x1b || index == 0x6e0;
}

static bool msr_write(void *opaque, unsigned cpu, uint32_t index,
                      uint64_t value)
{
    return index == 0x1b || index == 0x6e0;
}

static uint8_t get_tpr(void *opaque, unsigned cpu)
{
    return 0;
}

static void set_tpr(void *opaque, unsigned cpu, uint8_t tpr)
{
}

static void irq_init(void *opaque, unsigned cpu)
{
}

static void get_state(void *opaque, unsigned cpu, uint8_t *page)
{
    memset(page, (int)cpu + 1, X86_LAPIC_BYTES);
}

static bool set_state(void *opaque, unsigned cpu, const uint8_t *page,
                      uint64_t apic_base, Error **errp)
{
    return true;
}

static const AccelIrqHost irq_ops = {
    .intr_ack = intr_ack,
    .apic_read = apic_read,
    .apic_write = apic_write,
    .msr_read = msr_read,
    .msr_write = msr_write,
    .get_tpr = get_tpr,
    .set_tpr = set_tpr,
    .init = irq_init,
    .get_state = get_state,
    .set_state = set_state,
};

/* -- memory ------------------------------------------------------------------------ */

void sm_put(SoftMachine *sm, uint64_t gpa, const void *data, size_t len)
{
    g_assert_cmpuint(gpa + len, <=, SM_RAM_BYTES);
    memcpy(sm->ram + gpa, data, len);
}

void sm_put64(SoftMachine *sm, uint64_t gpa, uint64_t value)
{
    sm_put(sm, gpa, &value, sizeof(value));
}

uint64_t sm_get64(SoftMachine *sm, uint64_t gpa)
{
    uint64_t value;

    memcpy(&value, sm->ram + gpa, sizeof(value));
    return value;
}

uint32_t sm_get32(SoftMachine *sm, uint64_t gpa)
{
    return (uint32_t)sm_get64(sm, gpa);
}

uint16_t sm_get16(SoftMachine *sm, uint64_t gpa)
{
    return (uint16_t)sm_get64(sm, gpa);
}

void sm_descriptor(SoftMachine *sm, uint16_t selector, uint32_t base,
                   uint32_t limit, uint32_t access)
{
    uint64_t lo = (limit & 0xffff) | (uint64_t)(base & 0xffff) << 16;
    uint64_t hi =
        (base >> 16 & 0xff) | (base & 0xff000000u) | (limit & 0xf0000) | access;

    sm_put64(sm, SM_GDT + (selector & ~7u), lo | hi << 32);
}

void sm_gate(SoftMachine *sm, uint8_t vector, uint16_t selector,
             uint64_t offset, unsigned type, unsigned dpl, unsigned ist)
{
    uint64_t low = (offset & 0xffff) | (uint64_t)selector << 16 |
                   (uint64_t)ist << 32 | (uint64_t)type << 40 |
                   (uint64_t)dpl << 45 | 1ull << 47 |
                   (offset >> 16 & 0xffff) << 48;

    if (sm->cpu[0]->efer & SOFT_EFER_LMA) {
        sm_put64(sm, SM_IDT + 16u * vector, low);
        sm_put64(sm, SM_IDT + 16u * vector + 8, offset >> 32);
    } else {
        sm_put64(sm, SM_IDT + 8u * vector, low);
    }
}

static void fill_gdt(SoftMachine *sm)
{
    const uint32_t g32 = SOFT_SEG_G | SOFT_SEG_DB;

    sm_put64(sm, SM_GDT, 0);
    sm_descriptor(sm, SM_SEL_CODE64, 0, 0xfffff,
                  ACCESS_CODE | SOFT_SEG_G | SOFT_SEG_L);
    sm_descriptor(sm, SM_SEL_DATA, 0, 0xfffff, ACCESS_DATA | g32);
    sm_descriptor(sm, SM_SEL_CODE32, 0, 0xfffff, ACCESS_CODE | g32);
    sm_descriptor(sm, SM_SEL_CODE16, 0, 0xffff, ACCESS_CODE);
    sm_descriptor(sm, SM_SEL_UDATA, 0, 0xfffff, ACCESS_DATA | g32 | DPL3);
    sm_descriptor(sm, SM_SEL_UCODE64, 0, 0xfffff,
                  ACCESS_CODE | SOFT_SEG_G | SOFT_SEG_L | DPL3);
    sm_descriptor(sm, SM_SEL_UCODE32, 0, 0xfffff, ACCESS_CODE | g32 | DPL3);
    sm_descriptor(sm, SM_SEL_DATA16, 0, 0xffff, ACCESS_DATA);
    sm_descriptor(sm, SM_SEL_TSS, SM_TSS, 0x2067,
                  SOFT_SEG_P | SOFT_SYS_TSS_BUSY << SOFT_SEG_TYPE_SHIFT);
    sm_put64(sm, SM_GDT + SM_SEL_TSS + 8, 0);
}

/* Identity map of 2 MiB in pages of 4 KiB, user and writable. */
static void fill_page_tables(SoftMachine *sm)
{
    const uint64_t flags = 7;

    sm_put64(sm, SM_PML4, SM_PDPT | flags);
    sm_put64(sm, SM_PDPT, SM_PD | flags);
    sm_put64(sm, SM_PD, SM_PT | flags);
    for (uint64_t i = 0; i < 512; i++) {
        sm_put64(sm, SM_PT + 8 * i, i << 12 | flags);
    }
}

static void fill_tss(SoftMachine *sm, SoftMachineMode mode)
{
    if (mode == SM_LONG) {
        sm_put64(sm, SM_TSS + 4, SM_STACK0);
        sm_put64(sm, SM_TSS + 36, SM_IST);
    } else {
        sm_put64(sm, SM_TSS + 4, SM_STACK0 | (uint64_t)SM_SEL_DATA << 32);
    }
    sm_put64(sm, SM_TSS + 102, 104);
}

/* -- CPUs --------------------------------------------------------------------------- */

static X86Segment segment(SoftMachineMode mode, bool code)
{
    X86Segment s = { .limit = mode == SM_REAL ? 0xffff : UINT32_MAX,
                     .type = code ? X86_SEG_TYPE_CODE_RX : X86_SEG_TYPE_DATA_RW,
                     .s = true,
                     .present = true,
                     .g = mode != SM_REAL };

    if (mode != SM_REAL) {
        s.selector = !code             ? SM_SEL_DATA
                     : mode == SM_LONG ? SM_SEL_CODE64
                                       : SM_SEL_CODE32;
        s.l = code && mode == SM_LONG;
        s.db = !s.l;
    }
    return s;
}

void sm_mode(SoftMachine *sm, SoftCPU *cpu, SoftMachineMode mode)
{
    g_autoptr(X86CPUState) st = x86_state_new();

    sm->ac->vcpu_get_state(&cpu->base, X86_STATE_REGS | X86_STATE_SREGS, st,
                           &error_abort);
    for (unsigned i = 0; i <= X86_GS; i++) {
        st->seg[i] = segment(mode, i == X86_CS);
    }
    st->cr0 = X86_CR0_ET | X86_CR0_NE;
    st->cr4 = SOFT_CR4_OSFXSR | SOFT_CR4_DE;
    st->idt = (X86Table){ 0, 0x3ff };
    if (mode != SM_REAL) {
        st->cr0 |= X86_CR0_PE | SOFT_CR0_WP;
        st->gdt = (X86Table){ SM_GDT, 0xff };
        st->idt = (X86Table){ SM_IDT, 0xfff };
        st->seg[X86_TR] = (X86Segment){ .base = SM_TSS,
                                        .limit = 0x2067,
                                        .selector = SM_SEL_TSS,
                                        .type = SOFT_SYS_TSS_BUSY,
                                        .present = true };
    }
    if (mode == SM_LONG) {
        st->cr0 |= X86_CR0_PG;
        st->cr3 = SM_PML4;
        st->cr4 |= SOFT_CR4_PAE | SOFT_CR4_PGE;
        st->efer =
            SOFT_EFER_LME | SOFT_EFER_LMA | SOFT_EFER_NXE | SOFT_EFER_SCE;
    }
    st->gpr[X86_RSP] = mode == SM_REAL ? 0x8000 : SM_STACK0;
    st->rip = mode == SM_REAL ? 0x1000 : SM_CODE;
    st->rflags = 2;
    g_assert_true(sm->ac->vcpu_set_state(
        &cpu->base, X86_STATE_REGS | X86_STATE_SREGS, st, &error_abort));
}

static SoftCPU *cpu_new(SoftMachine *sm, unsigned index)
{
    g_autoptr(X86CPUIDTable) cpuid =
        sm->ac->cpuid_supported(sm->accel, &error_abort);
    AccelVCPU *vcpu = sm->ac->vcpu_new(sm->accel, index, index, &error_abort);

    g_assert_true(sm->ac->vcpu_set_cpuid(vcpu, cpuid, &error_abort));
    g_assert_true(sm->ac->vcpu_reset(vcpu, index == 0, &error_abort));
    return soft_cpu(vcpu);
}

SoftMachine *sm_new(SoftMachineMode mode, unsigned n_cpus, bool jit)
{
    SoftMachine *sm = g_new0(SoftMachine, 1);
    g_autofree char *text = g_strdup_printf(
        "[{\"accel\":\"soft\",\"jit\":\"%s\"}]", jit ? "on" : "off");
    json_t *list = json_loads(text, 0, NULL);

    sm->accel = accel_create(list, NULL, &error_abort);
    json_decref(list);
    sm->ac = ACCEL_GET_CLASS(sm->accel);
    sm->intr_vector = -1;
    accel_attach(sm->accel, &host_ops, sm);
    accel_attach_irq(sm->accel, &irq_ops, sm);
    g_assert_true(sm->ac->init_machine(sm->accel, n_cpus, &error_abort));
    sm->ram = mmap(NULL, SM_RAM_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(sm->ram != MAP_FAILED);
    g_assert_true(
        sm->ac->map_ram(sm->accel, 0, SM_RAM_BYTES, sm->ram, 0, &error_abort));
    fill_gdt(sm);
    fill_page_tables(sm);
    fill_tss(sm, mode);
    for (unsigned i = 0; i < n_cpus; i++) {
        sm->cpu[i] = cpu_new(sm, i);
    }
    sm_mode(sm, sm->cpu[0], mode);
    g_assert_true(sm->ac->vcpu_thread_init(&sm->cpu[0]->base, &error_abort));
    sm->ac->vm_state_changed(sm->accel, true);
    soft_enter_guest(sm->cpu[0]);
    return sm;
}

void sm_free(SoftMachine *sm)
{
    for (unsigned i = 0; i < SM_CPUS; i++) {
        if (sm->cpu[i]) {
            sm->ac->vcpu_free(&sm->cpu[i]->base);
        }
    }
    object_unref(OBJECT(sm->accel));
    munmap(sm->ram, SM_RAM_BYTES);
    g_free(sm);
}

AccelExit sm_run(SoftMachine *sm, unsigned n)
{
    AccelExit ret;

    soft_leave_guest(sm->cpu[n]);
    ret = sm->ac->vcpu_run(&sm->cpu[n]->base, &error_abort);
    soft_enter_guest(sm->cpu[n]);
    return ret;
}
