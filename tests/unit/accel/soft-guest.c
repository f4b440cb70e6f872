/*
 * A software CPU for tests.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-guest.h"

#include <sys/mman.h>

#include "accel/soft/interp.h"
#include "accel/soft/soft-accel.h"
#include "accel/types.h"
#include "qapi/error.h"
#include "qom/object.h"

#define INSNS_MAX 100000u

static void host_pio(void *opaque, uint16_t port, bool is_write, unsigned size,
                     uint32_t count, void *data)
{
    if (!is_write) {
        memset(data, 0x5a, (size_t)size * count);
    }
}

static void host_mmio(void *opaque, uint64_t addr, bool is_write, unsigned len,
                      uint8_t *data)
{
    if (!is_write) {
        memset(data, 0xff, len);
    }
}

static const AccelHost host_ops = { .pio = host_pio, .mmio = host_mmio };

SoftGuest *soft_guest_new(void)
{
    SoftGuest *g = g_new0(SoftGuest, 1);
    g_autoptr(X86CPUIDTable) cpuid = NULL;
    json_t *candidates =
        json_loads("[{\"accel\":\"soft\",\"jit\":\"off\"}]", 0, NULL);

    accel_register_types();
    g->accel = accel_create(candidates, NULL, &error_abort);
    json_decref(candidates);
    g->class = ACCEL_GET_CLASS(g->accel);
    accel_attach(g->accel, &host_ops, NULL);
    g->class->init_machine(g->accel, 1, &error_abort);
    g->ram = mmap(NULL, SOFT_GUEST_RAM, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(g->ram != MAP_FAILED);
    g->class->map_ram(g->accel, 0, SOFT_GUEST_RAM, g->ram, 0, &error_abort);
    g->cpu = soft_cpu(g->class->vcpu_new(g->accel, 0, 0, &error_abort));
    cpuid = g->class->cpuid_supported(g->accel, &error_abort);
    g->class->vcpu_set_cpuid(&g->cpu->base, cpuid, &error_abort);
    g->class->vcpu_reset(&g->cpu->base, true, &error_abort);
    g->class->vcpu_thread_init(&g->cpu->base, &error_abort);
    soft_enter_guest(g->cpu);
    return g;
}

void soft_guest_free(SoftGuest *g)
{
    if (g == NULL) {
        return;
    }
    g->class->vcpu_free(&g->cpu->base);
    object_unref(OBJECT(g->accel));
    munmap(g->ram, SOFT_GUEST_RAM);
    g_free(g);
}

/* The first 2 MiB, linear = physical. */
static void make_page_tables(SoftGuest *g)
{
    static const uint64_t entries[3][2] = { { 0x1000, 0x2007 },
                                            { 0x2000, 0x3007 },
                                            { 0x3000, 0x87 } };

    for (unsigned i = 0; i < 3; i++) {
        memcpy(g->ram + entries[i][0], &entries[i][1], 8);
    }
}

static X86Segment flat_segment(bool code, bool long64)
{
    return (X86Segment){
        .limit = UINT32_MAX,
        .selector = code ? 0x8 : 0x10,
        .type = code ? X86_SEG_TYPE_CODE_RX : X86_SEG_TYPE_DATA_RW,
        .s = true,
        .present = true,
        .l = code && long64,
        .db = !(code && long64),
        .g = true,
    };
}

void soft_guest_mode(SoftGuest *g, unsigned bits)
{
    g_autoptr(X86CPUState) state = x86_state_new();
    const unsigned parts = X86_STATE_REGS | X86_STATE_SREGS;

    g->class->vcpu_reset(&g->cpu->base, true, &error_abort);
    g_assert_true(
        g->class->vcpu_get_state(&g->cpu->base, parts, state, &error_abort));
    memset(state->gpr, 0, sizeof(state->gpr));
    state->gpr[X86_RSP] = SOFT_GUEST_STACK;
    state->rip = SOFT_GUEST_CODE;
    state->seg[X86_CS].base = 0;
    state->seg[X86_CS].selector = 0;
    if (bits >= 32) {
        state->cr0 |= X86_CR0_PE;
        for (unsigned i = 0; i < X86_LDTR; i++) {
            state->seg[i] = flat_segment(i == X86_CS, bits == 64);
        }
    }
    if (bits == 64) {
        make_page_tables(g);
        state->cr0 |= X86_CR0_PG;
        state->cr3 = 0x1000;
        state->cr4 |= SOFT_CR4_PAE;
        state->efer = SOFT_EFER_LME | SOFT_EFER_LMA;
    }
    g_assert_true(
        g->class->vcpu_set_state(&g->cpu->base, parts, state, &error_abort));
    qatomic_set(&g->cpu->exit_request, 0);
}

void soft_guest_put(SoftGuest *g, uint64_t gpa, const char *hex)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++) {
        g->ram[gpa + i] = (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 |
                                    g_ascii_xdigit_value(hex[2 * i + 1]));
    }
    g->class->ram_written(g->accel, gpa, n);
    soft_do_work(g->cpu);
}

bool soft_guest_run(SoftGuest *g, bool one)
{
    SoftCPU *cpu = g->cpu;

    cpu->halted = false;
    for (unsigned i = 0; i < INSNS_MAX && !cpu->halted; i++) {
        uint32_t bits = qatomic_xchg(&cpu->exit_request, 0);

        if (bits & SOFT_EXIT_WORK) {
            soft_do_work(cpu);
        }
        if (!(one ? soft_interp_one(cpu) : soft_interp_run(cpu))) {
            return false;
        }
    }
    g_assert_true(cpu->halted);
    return true;
}
