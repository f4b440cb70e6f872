/*
 * The PC: RAM with the hole below 4 GiB, interrupt controllers and timer of
 * the accelerator, the ISA devices of the board, and a kernel that starts
 * without firmware.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/isa/isa.h"
#include "hw/timer/mc146818rtc.h"
#include "hw/x86/boot.h"
#include "hw/x86/x86-cpu.h"
#include "qapi/util.h"
#include "qom/property.h"
#include "util/error.h"

#define GIB           (1ull << 30)
#define HIGH_RAM_BASE (4 * GIB)
/* RAM below 4 GiB: up to 3.5 GiB, but 3 GiB as soon as it does not all fit. */
#define LOW_RAM_LIMIT        0xe0000000ull
#define LOW_RAM_SPLIT        0xc0000000ull
#define CONVENTIONAL_RAM_END 0x9fc00u
#define EXTENDED_RAM_BASE    0x100000u
#define PC_CPUS_MAX          255u
#define PC_DEFAULT_RAM       (128ull << 20)
#define PC_MEMMAP_MAX        4
#define DEFAULT_CPU          "qemu64"

#define TYPE_PC_MACHINE "generic-pc-machine"
OBJECT_DECLARE_SIMPLE_TYPE(PCMachineState, PC_MACHINE)

struct PCMachineState {
    MachineState parent_obj;

    int vmport;
    bool hpet;
    bool acpi;
    uint64_t max_ram_below_4g;

    uint64_t low_end; /* end of RAM below 4 GiB */
    MemmapEntry memmap[PC_MEMMAP_MAX];
    size_t n_memmap;
    BootKernel *kernel;
};

static uint64_t low_ram_bytes(PCMachineState *pc, uint64_t ram)
{
    if (pc->max_ram_below_4g) {
        return MIN(ram, pc->max_ram_below_4g);
    }
    return ram > LOW_RAM_LIMIT ? LOW_RAM_SPLIT : ram;
}

static void build_memmap(PCMachineState *pc, uint64_t high_bytes)
{
    MemmapEntry *m = pc->memmap;

    *m++ = (MemmapEntry){ 0, CONVENTIONAL_RAM_END, MEMMAP_RAM };
    *m++ = (MemmapEntry){ CONVENTIONAL_RAM_END,
                          EXTENDED_RAM_BASE - CONVENTIONAL_RAM_END,
                          MEMMAP_RESERVED };
    *m++ = (MemmapEntry){ EXTENDED_RAM_BASE, pc->low_end - EXTENDED_RAM_BASE,
                          MEMMAP_RAM };
    if (high_bytes) {
        *m++ = (MemmapEntry){ HIGH_RAM_BASE, high_bytes, MEMMAP_RAM };
    }
    pc->n_memmap = (size_t)(m - pc->memmap);
}

static bool map_ram(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);
    uint8_t *host = host_memory_backend_get_ptr(m->ram);
    uint64_t low = low_ram_bytes(pc, m->ram_bytes);
    uint64_t high = m->ram_bytes - low;

    if (m->ram_bytes < 2 * (uint64_t)EXTENDED_RAM_BASE) {
        error_setg(errp, "machine '%s' needs at least 2 MiB of RAM",
                   MACHINE_GET_CLASS(m)->name);
        return false;
    }
    pc->low_end = low;
    build_memmap(pc, high);
    return guest_memory_map(m->memory, m->accel, 0, low, host, errp) &&
           (!high || guest_memory_map(m->memory, m->accel, HIGH_RAM_BASE, high,
                                      host + low, errp));
}

static bool create_cpus(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);

    if (m->smp.cpus != m->smp.max_cpus) {
        error_setg(errp, "CPUs cannot be added later: maxcpus must be cpus");
        return false;
    }
    for (unsigned i = 0; i < m->smp.cpus; i++) {
        g_autoptr(X86CPU) cpu =
            x86_cpu_new(m->cpu_spec ? m->cpu_spec : DEFAULT_CPU, i, errp);

        if (!cpu) {
            return false;
        }
        CPU(cpu)->apic_id = x86_cpu_place(&m->smp, i).apic_id;
        if (!machine_add_cpu(m, CPU(cpu), errp)) {
            return false;
        }
    }
    return true;
}

static void pc_set_gsi(void *opaque, int n, int level)
{
    MachineState *m = opaque;

    ACCEL_GET_CLASS(m->accel)->set_irq(m->accel, (unsigned)n, level);
}

static bool create_board_device(const char *type, BusState *bus, Error **errp)
{
    DeviceState *dev = qdev_new(type);

    if (!qdev_globals_apply(OBJECT(dev), errp)) {
        object_unref(OBJECT(dev));
        return false;
    }
    return qdev_realize_and_unref(dev, bus, errp);
}

static bool create_rtc(PCMachineState *pc, ISABus *bus, Error **errp)
{
    MachineState *m = MACHINE(pc);
    DeviceState *dev = qdev_new(TYPE_MC146818_RTC);

    if (!qdev_globals_apply(OBJECT(dev), errp)) {
        object_unref(OBJECT(dev));
        return false;
    }
    mc146818rtc_set_machine(dev, m, pc->low_end, m->ram_bytes - pc->low_end,
                            m->smp.cpus);
    return qdev_realize_and_unref(dev, BUS(bus), errp);
}

static bool create_devices(PCMachineState *pc, Error **errp)
{
    static const char *const board[] = { "port92", "i8042", "reset-control" };
    MachineState *m = MACHINE(pc);
    ISABus *bus;

    if (!create_board_device("kvm-pit", NULL, errp)) {
        return false;
    }
    bus = isa_bus_new(m, m->pio, pc_set_gsi, m, errp);
    if (!bus || !create_rtc(pc, bus, errp)) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(board); i++) {
        if (!create_board_device(board[i], BUS(bus), errp)) {
            return false;
        }
    }
    return true;
}

static bool open_kernel(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);

    if (m->kernel && *m->kernel) {
        pc->kernel = boot_kernel_open(m->kernel, m->initrd, m->append, errp);
        return pc->kernel != NULL;
    }
    if ((m->initrd && *m->initrd) || (m->append && *m->append)) {
        error_setg(errp, "-append and -initrd are only allowed with -kernel");
        return false;
    }
    return true;
}

static bool pc_init(MachineState *m, Error **errp)
{
    PCMachineState *pc = PC_MACHINE(m);

    return ACCEL_GET_CLASS(m->accel)->create_irqchip(m->accel, errp) &&
           map_ram(pc, errp) && create_cpus(pc, errp) &&
           create_devices(pc, errp) && open_kernel(pc, errp);
}

static bool pc_reset(MachineState *m, Error **errp)
{
    PCMachineState *pc = PC_MACHINE(m);
    AccelClass *ac = ACCEL_GET_CLASS(m->accel);
    AccelVCPU *bsp = CPU(m->cpus.cpus->pdata[0])->vcpu;
    unsigned mask = X86_STATE_REGS | X86_STATE_SREGS | X86_STATE_DEBUG;
    g_autoptr(X86CPUState) state = x86_state_new();

    if (!pc->kernel) {
        /* There is no firmware: the first CPU waits like the others. */
        state->mp_state = X86_MP_UNINITIALIZED;
        return ac->vcpu_set_state(bsp, X86_STATE_MP, state, errp);
    }
    return ac->vcpu_get_state(bsp, mask, state, errp) &&
           boot_kernel_load(pc->kernel, m->memory, pc->memmap, pc->n_memmap,
                            pc->low_end, state, errp) &&
           ac->vcpu_set_state(bsp, mask, state, errp);
}

/* -- class ------------------------------------------------------------------------- */

static bool only_off(Object *obj, const Property *prop, const void *value,
                     Error **errp)
{
    if (*(const bool *)value) {
        error_setg(errp, "%s=on is not supported by this machine", prop->name);
        return false;
    }
    return true;
}

static bool below_4g_check(Object *obj, const Property *prop, const void *value,
                           Error **errp)
{
    uint64_t v = *(const uint64_t *)value;

    if (v && (v < 2 * (uint64_t)EXTENDED_RAM_BASE || v > LOW_RAM_LIMIT ||
              v % EXTENDED_RAM_BASE)) {
        error_setg(errp, "max-ram-below-4g must be 2 MiB to 3.5 GiB in steps "
                         "of 1 MiB");
        return false;
    }
    return true;
}

static const char *const vmport_names[] = { "on", "off", "auto" };
static const QEnumLookup vmport_lookup = {
    .array = vmport_names,
    .size = G_N_ELEMENTS(vmport_names),
};

static bool vmport_check(Object *obj, const Property *prop, const void *value,
                         Error **errp)
{
    if (*(const int *)value == 0) {
        error_setg(errp, "vmport=on is not supported by this machine");
        return false;
    }
    return true;
}

static const Property pc_props[] = {
    { "vmport", PROP_ENUM, offsetof(PCMachineState, vmport),
      .qapi_type = "OnOffAuto", .lookup = &vmport_lookup, .def = "auto",
      .check = vmport_check, .help = "VMware port (only off)", .since = "0.1" },
    { "hpet", PROP_BOOL, offsetof(PCMachineState, hpet), .def = "off",
      .check = only_off, .help = "high precision timer (only off)",
      .since = "0.1" },
    { "acpi", PROP_BOOL, offsetof(PCMachineState, acpi), .def = "off",
      .check = only_off, .help = "ACPI tables (only off)", .since = "0.1" },
    { "max-ram-below-4g", PROP_SIZE, offsetof(PCMachineState, max_ram_below_4g),
      .unit = "bytes", .check = below_4g_check,
      .help = "most RAM below 4 GiB; 0 = automatic", .since = "0.1" },
    {},
};

static void pc_instance_finalize(Object *obj)
{
    boot_kernel_free(PC_MACHINE(obj)->kernel);
}

static void pc_class_init(ObjectClass *oc, void *data)
{
    MachineClass *mc = MACHINE_CLASS(oc);

    mc->max_cpus = PC_CPUS_MAX;
    mc->default_cpus = 1;
    mc->default_ram_bytes = PC_DEFAULT_RAM;
    mc->default_cpu_type = DEFAULT_CPU X86_CPU_TYPE_SUFFIX;
    mc->default_ram_id = "pc.ram";
    mc->has_devices = true;
    mc->init = pc_init;
    mc->reset = pc_reset;
}

extern const TypeInfo hw_type_pc;
const TypeInfo hw_type_pc = {
    .name = TYPE_PC_MACHINE,
    .parent = TYPE_MACHINE,
    .abstract = true,
    .instance_size = sizeof(PCMachineState),
    .instance_finalize = pc_instance_finalize,
    .class_init = pc_class_init,
    .props = pc_props,
};

static void pc_i440fx_7_2_class_init(ObjectClass *oc, void *data)
{
    MachineClass *mc = MACHINE_CLASS(oc);

    mc->name = "pc-i440fx-7.2";
    mc->alias = "pc";
    mc->desc = "PC with ISA devices, direct kernel boot";
    mc->is_default = true;
}

extern const TypeInfo hw_type_pc_i440fx_7_2;
const TypeInfo hw_type_pc_i440fx_7_2 = {
    .name = MACHINE_TYPE_NAME("pc-i440fx-7.2"),
    .parent = TYPE_PC_MACHINE,
    .class_init = pc_i440fx_7_2_class_init,
};
