/*
 * PIIX4 power management function: where the ACPI registers are, the APM
 * control port through which software enters ACPI mode, and power off.
 *
 * There is no SMM. A write to the APM control port therefore does at once what
 * an SMI handler would, and the "APMC enable" bit reads as set, by which
 * firmware knows that SMM is not to be set up.
 *
 * Source: Intel 82371AB data sheet (290562), 7 (function 3).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/acpi/piix4-pm.h"

#include "hw/acpi/acpi-pm.h"
#include "hw/acpi/piix4-smbus.h"
#include "hw/core/machine-internal.h"
#include "migration/vmstate.h"
#include "qom/property.h"
#include "util/error.h"

#define TYPE_PIIX4_PM "PIIX4_PM"
OBJECT_DECLARE_SIMPLE_TYPE(PIIX4PMState, PIIX4_PM)

#define REG_PMBASE        0x40
#define REG_DEVACTB_APMC  0x5b
#define DEVACTB_APMC_EN   0x02 /* bit 25 of DEVACTB */
#define REG_PMREGMISC     0x80
#define PMREGMISC_PMIOSE  0x01
#define REG_SMBBASE       0x90
#define REG_SMBHSTCFG     0xd2
#define SMBHSTCFG_ENABLE  0x01
#define SMBHSTCFG_IRQ9    0x08
#define REG_SMBREV        0xd6
#define PM_PORTS          64u
#define PM_BASE_MASK      0xffc0u
#define SMB_BASE_MASK     0xfff0u
#define BASE_IS_IO        0x0001u
#define APM_PORTS         2u
#define PIIX4_PM_REVISION 0x03

struct PIIX4PMState {
    PCIDevice parent_obj;

    /* properties */
    uint8_t disable_s3;
    uint8_t disable_s4;
    uint8_t s4_val;

    ISABus *isa;
    AcpiPM pm;
    PIIX4SMBus smbus;
    IORegion pm_io;
    IORegion gpe_io;
    IORegion apm_io;
    uint8_t apm[APM_PORTS]; /* control, status */
};

/* -- ports --------------------------------------------------------------------- */

static uint64_t pm_read(void *opaque, uint64_t offset, unsigned size)
{
    return acpi_pm_read(&PIIX4_PM(opaque)->pm, (unsigned)offset, size);
}

static void pm_write(void *opaque, uint64_t offset, uint64_t value,
                     unsigned size)
{
    acpi_pm_write(&PIIX4_PM(opaque)->pm, (unsigned)offset, (uint32_t)value,
                  size);
}

static const IORegionOps pm_ops = { pm_read, pm_write, 4 };

static uint64_t gpe_read(void *opaque, uint64_t offset, unsigned size)
{
    return acpi_pm_gpe_read(&PIIX4_PM(opaque)->pm, (unsigned)offset);
}

static void gpe_write(void *opaque, uint64_t offset, uint64_t value,
                      unsigned size)
{
    acpi_pm_gpe_write(&PIIX4_PM(opaque)->pm, (unsigned)offset, (uint8_t)value);
}

static const IORegionOps gpe_ops = { gpe_read, gpe_write, 1 };

static uint64_t apm_read(void *opaque, uint64_t offset, unsigned size)
{
    return PIIX4_PM(opaque)->apm[offset];
}

static void apm_write(void *opaque, uint64_t offset, uint64_t value,
                      unsigned size)
{
    PIIX4PMState *s = opaque;

    s->apm[offset] = (uint8_t)value;
    if (offset == 0 && value == PIIX4_ACPI_ENABLE) {
        acpi_pm_set_enabled(&s->pm, true);
    } else if (offset == 0 && value == PIIX4_ACPI_DISABLE) {
        acpi_pm_set_enabled(&s->pm, false);
    }
}

static const IORegionOps apm_ops = { apm_read, apm_write, 1 };

static void soft_off(void *opaque)
{
    MachineState *machine = pci_get_machine(opaque);

    if (machine) {
        machine_request_shutdown(machine);
    }
}

/* -- configuration ------------------------------------------------------------------ */

static void place(PCIDevice *dev, IORegion *io, bool enabled, uint16_t base)
{
    PIIX4PMState *s = PIIX4_PM(dev);

    io_space_remove(io);
    if (enabled && base) {
        io_space_add_movable(s->isa->ports, io, base);
    }
}

static void update_ports(PCIDevice *dev)
{
    const uint8_t *c = dev->config;

    place(dev, &PIIX4_PM(dev)->pm_io, c[REG_PMREGMISC] & PMREGMISC_PMIOSE,
          pci_get_word(c + REG_PMBASE) & PM_BASE_MASK);
    place(dev, &PIIX4_PM(dev)->smbus.io, c[REG_SMBHSTCFG] & SMBHSTCFG_ENABLE,
          pci_get_word(c + REG_SMBBASE) & SMB_BASE_MASK);
}

static void piix4_pm_config_write(PCIDevice *dev, uint32_t addr, uint32_t value,
                                  unsigned len)
{
    pci_default_write_config(dev, addr, value, len);
    if (addr >= PCI_CONFIG_HEADER_BYTES) {
        update_ports(dev);
    }
}

static void piix4_pm_reset(PCIDevice *dev)
{
    PIIX4PMState *s = PIIX4_PM(dev);
    uint8_t *c = dev->config;

    memset(c + PCI_CONFIG_HEADER_BYTES, 0,
           PCI_CONFIG_BYTES - PCI_CONFIG_HEADER_BYTES);
    pci_set_word(c + PCI_STATUS,
                 PCI_STATUS_FAST_BACK | PCI_STATUS_DEVSEL_MEDIUM);
    pci_set_word(c + REG_PMBASE, BASE_IS_IO);
    pci_set_word(c + REG_SMBBASE, BASE_IS_IO);
    c[REG_DEVACTB_APMC] = DEVACTB_APMC_EN;
    c[PCI_INTERRUPT_LINE] = PIIX4_SCI;
    memset(s->apm, 0, sizeof(s->apm));
    acpi_pm_reset(&s->pm);
    piix4_smbus_reset(&s->smbus);
    update_ports(dev);
}

void piix4_pm_set_up(PCIDevice *dev)
{
    pci_set_word(dev->config + REG_PMBASE, PIIX4_PM_BASE | BASE_IS_IO);
    dev->config[REG_PMREGMISC] = PMREGMISC_PMIOSE;
    pci_set_word(dev->config + REG_SMBBASE, PIIX4_SMB_BASE | BASE_IS_IO);
    dev->config[REG_SMBHSTCFG] = SMBHSTCFG_ENABLE | SMBHSTCFG_IRQ9;
    pci_set_word(dev->config + PCI_COMMAND, PCI_COMMAND_IO);
    update_ports(dev);
}

uint16_t piix4_pm_base(const PCIDevice *dev)
{
    uint16_t base = pci_get_word(dev->config + REG_PMBASE) & PM_BASE_MASK;

    return dev->config[REG_PMREGMISC] & PMREGMISC_PMIOSE && base
               ? base
               : PIIX4_PM_BASE;
}

void piix4_pm_power_button(PCIDevice *dev)
{
    acpi_pm_power_button(&PIIX4_PM(dev)->pm);
}

/* -- device --------------------------------------------------------------------------- */

static void piix4_pm_exit(PCIDevice *dev)
{
    PIIX4PMState *s = PIIX4_PM(dev);

    io_space_remove(&s->pm_io);
    io_space_remove(&s->gpe_io);
    io_space_remove(&s->apm_io);
    io_space_remove(&s->smbus.io);
    acpi_pm_deinit(&s->pm);
}

static void init_wmask(PCIDevice *dev)
{
    pci_set_word(dev->wmask + REG_PMBASE, PM_BASE_MASK);
    dev->wmask[REG_PMREGMISC] = PMREGMISC_PMIOSE;
    pci_set_word(dev->wmask + REG_SMBBASE, SMB_BASE_MASK);
    dev->wmask[REG_SMBHSTCFG] = 0x0f;
}

static bool piix4_pm_realize(PCIDevice *dev, Error **errp)
{
    PIIX4PMState *s = PIIX4_PM(dev);

    init_wmask(dev);
    dev->config[PCI_INTERRUPT_PIN] = 1;
    acpi_pm_init(&s->pm, s->isa->irqs[PIIX4_SCI], soft_off, s);
    piix4_smbus_init(&s->smbus);
    io_region_init(&s->pm_io, "piix4-pm", PM_PORTS, &pm_ops, s);
    io_region_init(&s->gpe_io, "acpi-gpe0", PIIX4_GPE_BYTES, &gpe_ops, s);
    io_region_init(&s->apm_io, "apm-io", APM_PORTS, &apm_ops, s);
    if (!io_space_add(s->isa->ports, &s->gpe_io, PIIX4_GPE_BASE, errp) ||
        !io_space_add(s->isa->ports, &s->apm_io, PIIX4_SMI_CMD, errp)) {
        piix4_pm_exit(dev);
        return false;
    }
    return true;
}

static int piix4_pm_post_load(void *opaque, int version_id)
{
    update_ports(opaque);
    return 0;
}

static const VMStateDescription vmstate_piix4_pm = {
    .name = "piix4_pm",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = piix4_pm_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_PCI_DEVICE(parent_obj, PIIX4PMState),
            VMSTATE_UINT8_ARRAY(apm, PIIX4PMState, APM_PORTS),
            VMSTATE_STRUCT(pm, PIIX4PMState, 0, vmstate_acpi_pm, AcpiPM),
            VMSTATE_STRUCT(smbus, PIIX4PMState, 0, vmstate_piix4_smbus,
                           PIIX4SMBus),
            VMSTATE_END_OF_LIST() },
};

static const Property piix4_pm_props[] = {
    { "disable_s3", PROP_UINT8, offsetof(PIIX4PMState, disable_s3), .def = "1",
      .max = 1, .help = "suspend to RAM (not offered to the guest either way)",
      .since = "0.1" },
    { "disable_s4", PROP_UINT8, offsetof(PIIX4PMState, disable_s4), .def = "1",
      .max = 1, .help = "suspend to disk (not offered to the guest either way)",
      .since = "0.1" },
    { "s4_val", PROP_UINT8, offsetof(PIIX4PMState, s4_val), .def = "2",
      .max = 7, .help = "sleep type of suspend to disk", .since = "0.1" },
    {},
};

static void piix4_pm_class_init(ObjectClass *oc, void *data)
{
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);

    DEVICE_CLASS(oc)->user_creatable = false;
    DEVICE_CLASS(oc)->desc = "power management";
    DEVICE_CLASS(oc)->vmsd = &vmstate_piix4_pm;
    pc->vendor_id = PCI_VENDOR_ID_INTEL;
    pc->device_id = PCI_DEVICE_ID_INTEL_82371AB_3;
    pc->revision = PIIX4_PM_REVISION;
    pc->class_id = PCI_CLASS_BRIDGE_OTHER;
    pc->realize = piix4_pm_realize;
    pc->exit = piix4_pm_exit;
    pc->reset = piix4_pm_reset;
    pc->config_write = piix4_pm_config_write;
}

extern const TypeInfo hw_type_piix4_pm;
const TypeInfo hw_type_piix4_pm = {
    .name = TYPE_PIIX4_PM,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(PIIX4PMState),
    .class_init = piix4_pm_class_init,
    .props = piix4_pm_props,
};

PCIDevice *piix4_pm_new(PCIBus *bus, int devfn, ISABus *isa, Error **errp)
{
    PCIDevice *dev = pci_new(devfn, TYPE_PIIX4_PM);

    PIIX4_PM(dev)->isa = isa;
    return pci_realize_and_unref(dev, bus, errp) ? dev : NULL;
}
