/*
 * 82441FX: PCI configuration mechanism #1 and the PAM registers.
 *
 * Ports CF8h to CFBh take the address register as a dword only; the byte at
 * CF9h is the reset control register, which the PIIX3 decodes, here because
 * the two share ports. SMRAM is a register without effect: there is no SMM,
 * and firmware is told so by the power management function.
 *
 * Sources: PCI Local Bus Specification 3.0, 3.2.2.3.2; Intel 82441FX data
 * sheet (290549); Intel 82371SB data sheet (290550), 2.7 (RC register).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/i440fx.h"

#include "hw/core/machine-internal.h"
#include "migration/vmstate.h"
#include "util/error.h"

#define TYPE_I440FX_HOST "i440FX-pcihost"
#define TYPE_I440FX      "i440FX"
OBJECT_DECLARE_SIMPLE_TYPE(I440FXHost, I440FX_HOST)
OBJECT_DECLARE_SIMPLE_TYPE(I440FXState, I440FX)

#define CONFIG_ADDRESS   0xcf8
#define CONFIG_DATA      0xcfc
#define CONFIG_PORTS     4
#define CONFIG_ENABLE    (1u << 31)
#define CONFIG_BUS(a)    (((a) >> 16) & 0xff)
#define CONFIG_DEVFN(a)  (((a) >> 8) & 0xff)
#define CONFIG_DWORD(a)  ((a)&0xfc)
#define RCR_OFFSET       1 /* CF9h */
#define RCR_SYSTEM       0x02
#define RCR_RESET        0x04
#define I440FX_REVISION  0x02
#define I440FX_PAM0      0x59
#define I440FX_PAM_BYTES 7
#define I440FX_SMRAM     0x72
#define SMRAM_RESET      0x02 /* C_BASE_SEG: A0000h */
#define SMRAM_WRITABLE   0x78 /* DOPEN DCLS DLCK G_SMRAME */
#define SMRAM_LOCK       0x10
#define SMRAM_OPEN       0x40

struct I440FXHost {
    DeviceState parent_obj;

    MachineState *machine;
    PCIBus *bus;
    uint32_t address;
    uint8_t rcr;
    IORegion address_io;
    IORegion data_io;
    void (*send_msi)(void *opaque, MSIMessage msg);
    void *msi_opaque;
    void (*set_pirq)(void *opaque, unsigned pirq, bool level);
    void *pirq_opaque;
};

struct I440FXState {
    PCIDevice parent_obj;

    PAM *pam;
    uint8_t pam_reset; /* two bits */
};

/* -- ports --------------------------------------------------------------------- */

static uint64_t address_read(void *opaque, uint64_t offset, unsigned size)
{
    const I440FXHost *h = opaque;

    if (size == 4) {
        return h->address;
    }
    return offset == RCR_OFFSET && size == 1 ? h->rcr : UINT64_MAX;
}

static void address_write(void *opaque, uint64_t offset, uint64_t value,
                          unsigned size)
{
    I440FXHost *h = opaque;

    if (size == 4) {
        h->address = (uint32_t)value;
    } else if (offset == RCR_OFFSET && size == 1) {
        h->rcr = (uint8_t)value & RCR_SYSTEM;
        if (value & RCR_RESET) {
            machine_request_reset(h->machine);
        }
    }
}

static const IORegionOps address_ops = { address_read, address_write, 4 };

static bool selects_bus(const I440FXHost *h)
{
    return h->address & CONFIG_ENABLE && CONFIG_BUS(h->address) == 0;
}

static uint64_t data_read(void *opaque, uint64_t offset, unsigned size)
{
    const I440FXHost *h = opaque;

    if (!selects_bus(h)) {
        return UINT64_MAX;
    }
    return pci_bus_config_read(h->bus, CONFIG_DEVFN(h->address),
                               CONFIG_DWORD(h->address) + (uint32_t)offset,
                               size);
}

static void data_write(void *opaque, uint64_t offset, uint64_t value,
                       unsigned size)
{
    I440FXHost *h = opaque;

    if (selects_bus(h)) {
        pci_bus_config_write(h->bus, CONFIG_DEVFN(h->address),
                             CONFIG_DWORD(h->address) + (uint32_t)offset,
                             (uint32_t)value, size);
    }
}

static const IORegionOps data_ops = { data_read, data_write, 4 };

/* -- bus ------------------------------------------------------------------------- */

static void host_set_irq(void *opaque, unsigned pin, bool level)
{
    I440FXHost *h = opaque;

    if (h->set_pirq) {
        h->set_pirq(h->pirq_opaque, pin, level);
    }
}

/* The board's wiring: each slot's pins begin one PIRQ later. */
static unsigned host_map_irq(void *opaque, unsigned slot, unsigned pin)
{
    return (slot + pin + PCI_NUM_PINS - 1) % PCI_NUM_PINS;
}

static void host_send_msi(void *opaque, MSIMessage msg)
{
    I440FXHost *h = opaque;

    h->send_msi(h->msi_opaque, msg);
}

static const PCIRootOps root_ops = {
    .set_irq = host_set_irq,
    .map_irq = host_map_irq,
    .send_msi = host_send_msi,
};

static bool host_realize(DeviceState *dev, Error **errp)
{
    I440FXHost *h = I440FX_HOST(dev);
    IOSpace *ports = h->machine->pio;

    io_region_init(&h->address_io, "pci-conf-idx", CONFIG_PORTS, &address_ops,
                   h);
    io_region_init(&h->data_io, "pci-conf-data", CONFIG_PORTS, &data_ops, h);
    if (!io_space_add(ports, &h->address_io, CONFIG_ADDRESS, errp)) {
        return false;
    }
    if (!io_space_add(ports, &h->data_io, CONFIG_DATA, errp)) {
        io_space_remove(&h->address_io);
        return false;
    }
    return true;
}

static void host_unrealize(DeviceState *dev)
{
    io_space_remove(&I440FX_HOST(dev)->address_io);
    io_space_remove(&I440FX_HOST(dev)->data_io);
}

static void host_reset(DeviceState *dev)
{
    I440FX_HOST(dev)->address = 0;
    I440FX_HOST(dev)->rcr = 0;
}

static const VMStateDescription vmstate_host = {
    .name = "PCIHost",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT32(address, I440FXHost),
                                      VMSTATE_UINT8(rcr, I440FXHost),
                                      VMSTATE_END_OF_LIST() },
};

static void host_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = host_realize;
    dc->unrealize = host_unrealize;
    dc->reset = host_reset;
    dc->vmsd = &vmstate_host;
    dc->user_creatable = false;
    dc->hotpluggable = false;
}

extern const TypeInfo hw_type_i440fx_host;
const TypeInfo hw_type_i440fx_host = {
    .name = TYPE_I440FX_HOST,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(I440FXHost),
    .class_init = host_class_init,
};

PCIBus *i440fx_new(MachineState *machine, PAM *pam, uint8_t pam_reset,
                   void (*send_msi)(void *opaque, MSIMessage msg), void *opaque,
                   Error **errp)
{
    I440FXHost *h = I440FX_HOST(qdev_new(TYPE_I440FX_HOST));
    PCIDevice *dev;
    PCIBus *bus;

    h->machine = machine;
    h->send_msi = send_msi;
    h->msi_opaque = opaque;
    bus = h->bus =
        pci_root_bus_new(DEVICE(h), "pci.0", machine, machine->pio,
                         machine->mmio, machine->memory, &root_ops, h);
    if (!qdev_realize_and_unref(DEVICE(h), NULL, errp)) {
        return NULL;
    }
    dev = pci_new(I440FX_DEVFN, TYPE_I440FX);
    I440FX(dev)->pam = pam;
    I440FX(dev)->pam_reset = pam_reset;
    return pci_realize_and_unref(dev, bus, errp) ? bus : NULL;
}

void i440fx_set_pirq_handler(PCIBus *bus,
                             void (*set_pirq)(void *opaque, unsigned pirq,
                                              bool level),
                             void *opaque)
{
    I440FXHost *h = I440FX_HOST(BUS(bus)->parent);

    h->set_pirq = set_pirq;
    h->pirq_opaque = opaque;
}

/* -- function 0 --------------------------------------------------------------------- */

static void update_pam(I440FXState *f)
{
    const uint8_t *reg = PCI_DEVICE(f)->config + I440FX_PAM0;

    if (!f->pam) {
        return;
    }
    guest_memory_begin(f->pam->memory);
    pam_set(f->pam, 0, reg[0] >> 4);
    for (unsigned i = 1; i < I440FX_PAM_BYTES; i++) {
        pam_set(f->pam, 2 * i - 1, reg[i] & 0xf);
        pam_set(f->pam, 2 * i, reg[i] >> 4);
    }
    guest_memory_commit(f->pam->memory);
}

/* Software may close SMRAM for good. */
static void update_smram(PCIDevice *dev)
{
    uint8_t *smram = &dev->config[I440FX_SMRAM];

    if (*smram & SMRAM_LOCK) {
        *smram &= (uint8_t)~SMRAM_OPEN;
        dev->wmask[I440FX_SMRAM] = 0;
    }
}

static void i440fx_config_write(PCIDevice *dev, uint32_t addr, uint32_t value,
                                unsigned len)
{
    pci_default_write_config(dev, addr, value, len);
    update_smram(dev);
    if (addr < I440FX_PAM0 + I440FX_PAM_BYTES && addr + len > I440FX_PAM0) {
        update_pam(I440FX(dev));
    }
}

static void i440fx_reset(PCIDevice *dev)
{
    uint8_t attr = I440FX(dev)->pam_reset;

    memset(dev->config + I440FX_PAM0, attr << 4 | attr, I440FX_PAM_BYTES);
    dev->config[I440FX_PAM0] &= 0xf0;
    dev->config[I440FX_SMRAM] = SMRAM_RESET;
    dev->wmask[I440FX_SMRAM] = SMRAM_WRITABLE;
    update_pam(I440FX(dev));
}

static bool i440fx_realize(PCIDevice *dev, Error **errp)
{
    /* A host bridge always masters the bus and decodes memory. */
    memset(dev->wmask + I440FX_PAM0, 0x33, I440FX_PAM_BYTES);
    dev->wmask[I440FX_PAM0] = 0x30;
    return true;
}

static int i440fx_post_load(void *opaque, int version_id)
{
    update_smram(opaque);
    update_pam(opaque);
    return 0;
}

static const VMStateDescription vmstate_i440fx = {
    .name = "I440FX",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = i440fx_post_load,
    .fields =
        (const VMStateField[]){ VMSTATE_PCI_DEVICE(parent_obj, I440FXState),
                                VMSTATE_END_OF_LIST() },
};

static void i440fx_class_init(ObjectClass *oc, void *data)
{
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);

    DEVICE_CLASS(oc)->user_creatable = false;
    DEVICE_CLASS(oc)->desc = "host bridge";
    DEVICE_CLASS(oc)->vmsd = &vmstate_i440fx;
    pc->vendor_id = PCI_VENDOR_ID_INTEL;
    pc->device_id = PCI_DEVICE_ID_INTEL_82441;
    pc->revision = I440FX_REVISION;
    pc->class_id = PCI_CLASS_BRIDGE_HOST;
    pc->realize = i440fx_realize;
    pc->reset = i440fx_reset;
    pc->config_write = i440fx_config_write;
}

extern const TypeInfo hw_type_i440fx;
const TypeInfo hw_type_i440fx = {
    .name = TYPE_I440FX,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(I440FXState),
    .class_init = i440fx_class_init,
};
