/*
 * The PC: what the board is made of and in which order, and how it starts:
 * with firmware, or with a kernel that is put into RAM as firmware would.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/pc.h"

#include "hw/acpi/piix4-pm.h"
#include "hw/acpi/tables.h"
#include "hw/ide/piix.h"
#include "hw/intc/irqchip.h"
#include "hw/isa/isa.h"
#include "hw/timer/mc146818rtc.h"
#include "hw/x86/i440fx.h"
#include "hw/x86/x86-cpu.h"
#include "qapi/util.h"
#include "qom/property.h"
#include "util/error.h"

#define PC_DEFAULT_RAM (128ull << 20)
#define DEFAULT_CPU    "qemu64"

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
        if (!machine_add_cpu(m, CPU(cpu), errp) ||
            !pc_irqchip_add_cpu(m->irqchip, CPU(cpu), errp)) {
            return false;
        }
    }
    return true;
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
    pc->rtc = dev;
    return qdev_realize_and_unref(dev, BUS(bus), errp);
}

static void send_msi(void *opaque, MSIMessage msg)
{
    machine_send_msi(opaque, msg.address, msg.data);
}

/* Host bridge, ISA bridge and power management: functions of slots 0 and 1. */
static bool create_chipset(PCMachineState *pc, ISABus *isa, Error **errp)
{
    MachineState *m = MACHINE(pc);

    /* Without firmware PAM is as firmware leaves it. */
    pc->pci = i440fx_new(m, &pc->pam, pc->firmware ? 0 : PAM_READ | PAM_WRITE,
                         send_msi, m, errp);
    if (!pc->pci || !piix3_new(pc->pci, isa, errp) ||
        !piix3_ide_new(pc->pci, PIIX3_IDE_DEVFN, errp)) {
        return false;
    }
    if (pc->acpi) {
        pc->pm = piix4_pm_new(pc->pci, PIIX4_PM_DEVFN, isa, errp);
        return pc->pm != NULL;
    }
    return true;
}

static bool create_devices(PCMachineState *pc, Error **errp)
{
    static const char *const board[] = { "port92", "i8042" };
    MachineState *m = MACHINE(pc);
    ISABus *bus = isa_bus_new(m, m->pio, pc_irqchip_set_gsi, m->irqchip, errp);

    if (!bus || !pc_irqchip_add_pit(m->irqchip, bus, NULL, errp) ||
        !create_rtc(pc, bus, errp) ||
        (pc->hpet && !pc_irqchip_add_hpet(m->irqchip, errp)) ||
        !create_chipset(pc, bus, errp)) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(board); i++) {
        if (!create_board_device(board[i], BUS(bus), errp)) {
            return false;
        }
    }
    return fw_cfg_new(m, m->pio, m->memory, errp) && pc_fill_fw_cfg(pc, errp);
}

static bool is_set(const char *text)
{
    return text && *text;
}

static bool open_kernel(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);

    if (is_set(m->kernel) && !m->bios) {
        pc->kernel = boot_kernel_open(m->kernel, m->initrd, m->append, errp);
        return pc->kernel != NULL;
    }
    if (!is_set(m->kernel) && (is_set(m->initrd) || is_set(m->append))) {
        error_setg(errp, "-append and -initrd are only allowed with -kernel");
        return false;
    }
    return true;
}

static bool pc_init(MachineState *m, Error **errp)
{
    PCMachineState *pc = PC_MACHINE(m);

    /*
     * Memory before the interrupt controllers: KVM makes a memory slot added
     * after them wait some 5 ms for readers of the older table to leave.
     */
    return open_kernel(pc, errp) && pc_load_firmware(pc, errp) &&
           pc_map_memory(pc, errp) && pc_irqchip_new(m, errp) &&
           create_cpus(pc, errp) && create_devices(pc, errp) &&
           (pc->kernel || !is_set(m->kernel) || pc_add_fw_kernel(pc, errp));
}

/* What firmware would have done before it starts a kernel. */
static void set_up_chipset(PCMachineState *pc)
{
    if (pc->pm) {
        piix4_pm_set_up(pc->pm);
    }
    pc_set_up_pci(pc);
}

static bool start_kernel(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);
    AccelClass *ac = ACCEL_GET_CLASS(m->accel);
    AccelVCPU *bsp = CPU(m->cpus.cpus->pdata[0])->vcpu;
    unsigned mask = X86_STATE_REGS | X86_STATE_SREGS | X86_STATE_DEBUG;
    g_autoptr(X86CPUState) state = x86_state_new();
    BootPlace place;

    set_up_chipset(pc);
    return pc_put_tables(pc, &place, errp) &&
           ac->vcpu_get_state(bsp, mask, state, errp) &&
           boot_kernel_load(pc->kernel, m->memory, &place, state, errp) &&
           ac->vcpu_set_state(bsp, mask, state, errp);
}

static void pc_powerdown(MachineState *m)
{
    PCMachineState *pc = PC_MACHINE(m);

    if (pc->pm) {
        piix4_pm_power_button(pc->pm);
    }
}

static bool pc_reset(MachineState *m, Error **errp)
{
    PCMachineState *pc = PC_MACHINE(m);

    if (!pc->tables_done && !pc_finish_fw_cfg(pc, errp)) {
        return false;
    }
    pc->tables_done = true;
    if (pc->firmware) {
        return pc_set_boot_order(pc, errp);
    }
    /* A guest that is to arrive brings all that is in RAM. */
    return m->incoming || start_kernel(pc, errp);
}

/* -- class ------------------------------------------------------------------------- */

static bool below_4g_check(Object *obj, const Property *prop, const void *value,
                           Error **errp)
{
    uint64_t v = *(const uint64_t *)value;

    if (v && (v < 2 * (uint64_t)(1u << 20) || v > PC_LOW_RAM_MAX ||
              v % (1u << 20))) {
        error_setg(errp, "max-ram-below-4g must be 2 MiB to 3.5 GiB in steps "
                         "of 1 MiB");
        return false;
    }
    return true;
}

static bool oem_check(Object *obj, const Property *prop, const void *value,
                      Error **errp)
{
    const char *text = *(char *const *)value;
    size_t max = g_str_equal(prop->name, "x-oem-id") ? ACPI_OEM_ID_BYTES
                                                     : ACPI_OEM_TABLE_ID_BYTES;

    if (strlen(text) > max) {
        error_setg(errp, "%s='%s' has more than %zu characters", prop->name,
                   text, max);
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
    { "hpet", PROP_BOOL, offsetof(PCMachineState, hpet), .def = "on",
      .help = "high precision event timer", .since = "0.1" },
    { "acpi", PROP_BOOL, offsetof(PCMachineState, acpi), .def = "on",
      .help = "ACPI tables and power management", .since = "0.1" },
    { "max-ram-below-4g", PROP_SIZE, offsetof(PCMachineState, max_ram_below_4g),
      .unit = "bytes", .check = below_4g_check,
      .help = "most RAM below 4 GiB; 0 = automatic", .since = "0.1" },
    { "x-oem-id", PROP_STR, offsetof(PCMachineState, oem_id),
      .check = oem_check, .help = "OEM id in ACPI tables, up to 6 characters",
      .since = "0.1" },
    { "x-oem-table-id", PROP_STR, offsetof(PCMachineState, oem_table_id),
      .check = oem_check,
      .help = "OEM table id in ACPI tables, up to 8 characters",
      .since = "0.1" },
    {},
};

static void pc_instance_finalize(Object *obj)
{
    PCMachineState *pc = PC_MACHINE(obj);

    boot_kernel_free(pc->kernel);
    pc_unmap_memory(pc);
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
    mc->powerdown = pc_powerdown;
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
    mc->desc = "Standard PC (i440FX + PIIX, 1996)";
    mc->is_default = true;
}

extern const TypeInfo hw_type_pc_i440fx_7_2;
const TypeInfo hw_type_pc_i440fx_7_2 = {
    .name = MACHINE_TYPE_NAME("pc-i440fx-7.2"),
    .parent = TYPE_PC_MACHINE,
    .class_init = pc_i440fx_7_2_class_init,
};
