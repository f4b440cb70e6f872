/*
 * What the PC's SMBIOS tables say.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/smbios/smbios.h"
#include "hw/x86/pc.h"
#include "hw/x86/x86-cpu.h"

/* CPUID leaf 1, EAX and EDX, of the first CPU. */
static uint64_t processor_id(MachineState *m)
{
    const X86CPU *cpu = X86_CPU(m->cpus.cpus->pdata[0]);
    unsigned family = MIN(cpu->family, 0xfu);
    unsigned more = cpu->family - family;
    uint32_t eax = cpu->stepping | (cpu->model & 0xf) << 4 | family << 8 |
                   (cpu->model >> 4) << 16 | more << 20;

    return eax | (uint64_t)cpu->features[FEAT_1_EDX] << 32;
}

SmbiosTables *pc_build_smbios(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);
    uint64_t high = m->ram_bytes - pc->low_end;
    SmbiosMemory memory[2] = { { 0, pc->low_end }, { PC_HIGH_RAM_BASE, high } };
    g_autoptr(SmbiosOptions) options = smbios_options_parse(m->smbios, errp);
    SmbiosConfig c = {
        .bios_vendor = pc->firmware ? NULL : "Ferry",
        .manufacturer = "QEMU",
        .product = MACHINE_GET_CLASS(m)->desc,
        .version = MACHINE_GET_CLASS(m)->name,
        .uuid = m->uuid,
        .processor_version = MACHINE_GET_CLASS(m)->name,
        .processor_id = processor_id(m),
        .sockets = m->smp.sockets,
        .cores = m->smp.dies * m->smp.cores,
        .threads = m->smp.dies * m->smp.cores * m->smp.threads,
        .ram_bytes = m->ram_bytes,
        .memory = memory,
        .n_memory = high ? 2 : 1,
    };

    return options ? smbios_build(&c, options, errp) : NULL;
}
