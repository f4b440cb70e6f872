/*
 * The software CPU's side of the differential test: one CPU in 64-bit mode at
 * CPL 3, with page tables that give the test's memory the rights which it has
 * on the host. Its engine is driven directly, so that an exception comes back
 * here and is not delivered.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "accel/accel.h"
#include "accel/soft/interp.h"
#include "accel/soft/jit.h"
#include "accel/soft/mem.h"
#include "accel/soft/soft-accel.h"
#include "qapi/error.h"

#include "diff.h"

/* Guest-physical memory. */
enum {
    GPA_PML4 = 0x1000,
    GPA_PDPT = 0x2000,
    GPA_PD = 0x3000,
    GPA_PT_DATA = 0x4000,
    GPA_PT_CODE = 0x5000,
    GPA_DATA = 0x10000,
    GPA_CODE = 0x20000,
    GPA_BYTES = 0x40000,
};

#define PTE_P  (1ull << 0)
#define PTE_W  (1ull << 1)
#define PTE_U  (1ull << 2)
#define PTE_AD (3ull << 5)
#define PTE_NX (1ull << 63)

/* Enough for any sequence with string instructions over the data area. */
#define STEPS_MAX 200000

struct DiffSoft {
    DiffEngine engine;
    AccelState *accel;
    AccelClass *class;
    SoftCPU *cpu;
    const SoftTranslator *jit;
    uint8_t *ram;
};

static void host_pio(void *opaque, uint16_t port, bool is_write, unsigned size,
                     uint32_t count, void *data)
{
    if (!is_write) {
        memset(data, 0xff, (size_t)size * count);
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

static void put64(DiffSoft *s, uint64_t gpa, uint64_t value)
{
    memcpy(s->ram + gpa, &value, sizeof(value));
}

static void map_pages(DiffSoft *s, uint64_t linear, uint64_t pt, uint64_t gpa,
                      uint64_t bytes, uint64_t flags)
{
    for (uint64_t at = 0; at < bytes; at += 4096) {
        put64(s, pt + ((linear + at) >> 12 & 511) * 8,
              (gpa + at) | PTE_P | PTE_U | PTE_AD | flags);
    }
    put64(s, GPA_PD + (linear >> 21 & 511) * 8,
          pt | PTE_P | PTE_W | PTE_U | PTE_AD);
}

static void make_page_tables(DiffSoft *s)
{
    uint64_t table = PTE_P | PTE_W | PTE_U | PTE_AD;

    put64(s, GPA_PML4, GPA_PDPT | table);
    put64(s, GPA_PDPT, GPA_PD | table);
    map_pages(s, DIFF_DATA, GPA_PT_DATA, GPA_DATA, DIFF_DATA_BYTES,
              PTE_W | PTE_NX);
    map_pages(s, DIFF_DATA + DIFF_DATA_BYTES, GPA_PT_DATA,
              GPA_DATA + DIFF_DATA_BYTES, DIFF_RO_BYTES, PTE_NX);
    map_pages(s, DIFF_CODE, GPA_PT_CODE, GPA_CODE, DIFF_CODE_BYTES, 0);
}

static X86Segment user_segment(uint16_t selector, bool code)
{
    return (X86Segment){
        .limit = UINT32_MAX,
        .selector = selector,
        .type = code ? X86_SEG_TYPE_CODE_RX : X86_SEG_TYPE_DATA_RW,
        .s = true,
        .dpl = 3,
        .present = true,
        .l = code,
        .db = !code,
        .g = true,
    };
}

/* 64-bit user mode, as on an operating system with everything switched on. */
static void set_mode(DiffSoft *s)
{
    g_autoptr(X86CPUState) state = x86_state_new();

    g_assert_true(s->class->vcpu_get_state(&s->cpu->base, X86_STATE_SREGS,
                                           state, &error_abort));
    state->cr0 = 0x80050033;
    state->cr3 = GPA_PML4;
    state->cr4 = 0x40668;
    state->efer = 0xd01;
    for (unsigned i = 0; i < X86_LDTR; i++) {
        state->seg[i] = user_segment(i == X86_CS ? 0x33 : 0x2b, i == X86_CS);
    }
    state->seg[X86_GS].base = DIFF_GS_BASE;
    /* No port is this program's: the task has no map of them. */
    state->seg[X86_TR].limit = 0x65;
    g_assert_true(s->class->vcpu_set_state(&s->cpu->base, X86_STATE_SREGS,
                                           state, &error_abort));
    s->cpu->xcr0 = s->cpu->xcr0_allowed & 7;
    soft_update_mode(s->cpu);
}

DiffSoft *diff_soft_new(DiffEngine engine)
{
    DiffSoft *s = g_new0(DiffSoft, 1);
    g_autoptr(X86CPUIDTable) cpuid = NULL;
    g_autofree char *text =
        g_strdup_printf("[{\"accel\":\"soft\",\"jit\":%s}]",
                        engine == DIFF_JIT ? "\"on\"" : "\"off\"");
    json_t *candidates = json_loads(text, 0, NULL);

    s->engine = engine;
    s->accel = accel_create(candidates, NULL, &error_abort);
    json_decref(candidates);
    s->class = ACCEL_GET_CLASS(s->accel);
    accel_attach(s->accel, &host_ops, NULL);
    s->class->init_machine(s->accel, 1, &error_abort);
    s->ram = mmap(NULL, GPA_BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(s->ram != MAP_FAILED);
    make_page_tables(s);
    s->class->map_ram(s->accel, 0, GPA_BYTES, s->ram, 0, &error_abort);
    s->cpu = soft_cpu(s->class->vcpu_new(s->accel, 0, 0, &error_abort));
    cpuid = s->class->cpuid_supported(s->accel, &error_abort);
    s->class->vcpu_set_cpuid(&s->cpu->base, cpuid, &error_abort);
    s->class->vcpu_reset(&s->cpu->base, true, &error_abort);
    s->class->vcpu_thread_init(&s->cpu->base, &error_abort);
    if (engine == DIFF_JIT) {
        s->jit = soft_jit_translator(&error_abort);
    }
    set_mode(s);
    return s;
}

void diff_soft_free(DiffSoft *s)
{
    if (!s) {
        return;
    }
    s->class->vcpu_free(&s->cpu->base);
    object_unref(OBJECT(s->accel));
    munmap(s->ram, GPA_BYTES);
    g_free(s);
}

uint64_t diff_soft_features(const DiffSoft *s)
{
    return s->cpu->features;
}

uint8_t *diff_soft_data(DiffSoft *s)
{
    return s->ram + GPA_DATA;
}

void diff_soft_set_code(DiffSoft *s, uint64_t address, const uint8_t *code,
                        size_t size)
{
    uint64_t gpa = address - DIFF_CODE + GPA_CODE;

    memcpy(s->ram + gpa, code, size);
    if (s->class->ram_written) {
        s->class->ram_written(s->accel, gpa, size);
    }
}

static void load(SoftCPU *cpu, const DiffState *in)
{
    soft_x87_sync(cpu);
    memcpy(cpu->gpr, in->gpr, sizeof(cpu->gpr));
    cpu->rip = in->rip;
    cpu->eflags = in->eflags;
    cpu->mxcsr = in->mxcsr;
    memcpy(cpu->vec, in->vec, sizeof(cpu->vec));
    memcpy(cpu->fx, in->fx, 24);
    memcpy(cpu->fx + 32, in->fx + 32, DIFF_FX_BYTES - 32);
    cpu->exception.pending = false;
    cpu->shadow = 0;
    soft_update_mode(cpu);
}

static void store(SoftCPU *cpu, DiffState *out)
{
    soft_x87_sync(cpu);
    memcpy(out->gpr, cpu->gpr, sizeof(out->gpr));
    out->rip = cpu->rip;
    out->eflags = cpu->eflags;
    out->mxcsr = cpu->mxcsr;
    memcpy(out->vec, cpu->vec, sizeof(out->vec));
    memcpy(out->fx, cpu->fx, DIFF_FX_BYTES);
    out->vector = cpu->exception.pending ? cpu->exception.vector : DIFF_TIMEOUT;
    out->error = cpu->exception.error;
    out->cr2 = cpu->exception.value;
    cpu->exception.pending = false;
}

void diff_soft_run(DiffSoft *s, const DiffState *in, DiffState *out)
{
    SoftCPU *cpu = s->cpu;
    unsigned steps = 0;

    load(cpu, in);
    while (steps++ < STEPS_MAX) {
        if (cpu->exit_request) {
            uint32_t bits = qatomic_xchg(&cpu->exit_request, 0);

            if (bits & SOFT_EXIT_WORK) {
                soft_do_work(cpu);
            }
        }
        if (!(s->jit ? s->jit->run(cpu) : soft_interp_one(cpu))) {
            break;
        }
    }
    store(cpu, out);
}
