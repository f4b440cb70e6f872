/*
 * The human monitor's look at interrupt controllers.
 *
 * A local APIC is described from its page of registers, which every
 * accelerator can give; the 8259s and the IOAPIC only while they are outside
 * of the accelerator.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/cpu-debug.h"
#include "hw/hw-hmp.h"
#include "util/error.h"

#include "apic-internal.h"
#include "irqchip-internal.h"

static const char *const delivery_modes[] = { "fixed",    "lowest", "SMI",
                                              "reserved", "NMI",    "INIT",
                                              "SIPI",     "ExtINT" };

static uint32_t reg(const X86CPUState *st, unsigned n)
{
    uint32_t value;

    memcpy(&value, st->lapic + n * APIC_REG_BYTES, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static void print_map(HMPContext *ctx, const X86CPUState *st, const char *name,
                      unsigned first)
{
    bool any = false;

    hmp_printf(ctx, "%s\t", name);
    for (unsigned v = 0; v < APIC_VECTORS; v++) {
        if (reg(st, first + v / 32) >> (v % 32) & 1) {
            bool level = reg(st, APIC_REG_TMR + v / 32) >> (v % 32) & 1;

            hmp_printf(ctx, " %u%s", v, level ? "(level)" : "");
            any = true;
        }
    }
    hmp_printf(ctx, any ? "\n" : " (none)\n");
}

static void print_lvt(HMPContext *ctx, const X86CPUState *st)
{
    static const char *const names[APIC_LVT_COUNT] = {
        "LVTT", "LVTTHMR", "LVTPC", "LVT0", "LVT1", "LVTERR",
    };
    static const char *const timer_modes[] = { "one-shot", "periodic",
                                               "tsc-deadline", "reserved" };

    for (unsigned n = 0; n < APIC_LVT_COUNT; n++) {
        uint32_t e = reg(st, APIC_REG_LVT + n);

        hmp_printf(ctx, "%s\t 0x%08x %s, %s, vector 0x%02x%s\n", names[n], e,
                   n == APIC_LVT_TIMER
                       ? timer_modes[(e & APIC_LVT_TIMER_MODE) >> 17]
                       : delivery_modes[e >> APIC_LVT_MODE_SHIFT & 7],
                   e & APIC_LVT_LEVEL ? "level" : "edge", e & APIC_LVT_VECTOR,
                   e & APIC_LVT_MASKED ? ", masked" : "");
    }
}

static void print_lapic(HMPContext *ctx, const X86CPUState *st, unsigned cpu)
{
    bool x2apic = st->apic_base & APIC_BASE_X2APIC;
    uint32_t svr = reg(st, APIC_REG_SVR);

    hmp_printf(ctx,
               "local APIC of CPU %u, id 0x%x, base 0x%" PRIx64 " (%s%s)\n",
               cpu, reg(st, APIC_REG_ID), st->apic_base,
               !(st->apic_base & X86_APICBASE_ENABLE) ? "off"
               : x2apic                               ? "x2APIC"
                                                      : "xAPIC",
               svr & APIC_SVR_ENABLE ? "" : ", disabled by software");
    print_lvt(ctx, st);
    hmp_printf(ctx, "Timer\t divide 0x%x, initial %u, current %u\n",
               reg(st, APIC_REG_TIMER_DIVIDE), reg(st, APIC_REG_TIMER_INITIAL),
               reg(st, APIC_REG_TIMER_CURRENT));
    hmp_printf(ctx, "SPIV\t 0x%08x\nICR\t 0x%08x%08x\nESR\t 0x%08x\n", svr,
               reg(st, APIC_REG_ICR_HIGH), reg(st, APIC_REG_ICR),
               reg(st, APIC_REG_ESR));
    print_map(ctx, st, "ISR", APIC_REG_ISR);
    print_map(ctx, st, "IRR", APIC_REG_IRR);
    hmp_printf(ctx, "TPR 0x%02x PPR 0x%02x LDR 0x%08x DFR 0x%08x\n",
               reg(st, APIC_REG_TPR), reg(st, APIC_REG_PPR),
               reg(st, APIC_REG_LDR), reg(st, APIC_REG_DFR));
}

static void hmp_info_lapic(HMPContext *ctx, json_t *args)
{
    MachineState *m = machine_current();
    int64_t id = json_integer_value(json_object_get(args, "apic-id"));
    g_autoptr(X86CPUState) st = x86_state_new();

    for (guint i = 0; m && i < m->cpus.cpus->len; i++) {
        Error *err = NULL;

        if (CPU(m->cpus.cpus->pdata[i])->apic_id != id) {
            continue;
        }
        if (machine_cpu_get_state(m, i, X86_STATE_SREGS | X86_STATE_LAPIC, st,
                                  &err)) {
            print_lapic(ctx, st, i);
        }
        hmp_handle_error(ctx, err);
        return;
    }
    hmp_printf(ctx, "Error: there is no CPU with APIC id %" PRId64 "\n", id);
}

static PCIrqchip *current_chip(HMPContext *ctx)
{
    MachineState *m = machine_current();

    if (!m || !m->irqchip) {
        hmp_printf(ctx, "the machine has no interrupt controllers\n");
        return NULL;
    }
    return m->irqchip;
}

static void hmp_info_pic(HMPContext *ctx, json_t *args)
{
    PCIrqchip *chip = current_chip(ctx);
    g_autofree char *text = chip ? pc_irqchip_describe(chip) : NULL;

    if (text) {
        hmp_printf(ctx, "%s", text);
    } else if (chip) {
        hmp_printf(ctx, "the interrupt controllers are inside of the "
                        "accelerator\n");
    }
}

static void hmp_info_irq(HMPContext *ctx, json_t *args)
{
    PCIrqchip *chip = current_chip(ctx);
    uint64_t edges[PC_IRQCHIP_GSIS];

    if (!chip) {
        return;
    }
    pc_irqchip_counts(chip, edges);
    hmp_printf(ctx, "IRQ statistics, rising edges of each line:\n");
    for (unsigned i = 0; i < PC_IRQCHIP_GSIS; i++) {
        if (edges[i]) {
            hmp_printf(ctx, "%2u: %" PRIu64 "\n", i, edges[i]);
        }
    }
}

const HMPCommand hw_intc_hmp_info[] = {
    { .name = "irq",
      .args = "",
      .help = "show how often each interrupt line was raised",
      .handler = hmp_info_irq },
    { .name = "lapic",
      .args = "apic-id:i?",
      .params = "[apic-id]",
      .help = "show the local APIC with this id, 0 if none is given",
      .handler = hmp_info_lapic },
    { .name = "pic",
      .args = "",
      .help = "show the interrupt controllers of the board",
      .handler = hmp_info_pic },
    { NULL },
};
