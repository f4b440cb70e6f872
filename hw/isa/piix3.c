/*
 * PIIX3: PCI to ISA bridge. Routes the four PCI interrupt lines to ISA lines
 * (registers 60h to 63h); the other registers keep what is written.
 *
 * Source: Intel 82371FB/82371SB data sheet (290550), 2.2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/i440fx.h"
#include "migration/vmstate.h"
#include "util/error.h"

#define TYPE_PIIX3 "PIIX3"
OBJECT_DECLARE_SIMPLE_TYPE(PIIX3State, PIIX3)

#define PIIX3_IORT    0x4c /* ISA I/O recovery */
#define PIIX3_XBCS    0x4e /* X-bus chip select */
#define PIIX3_PIRQRC  0x60
#define PIRQ_DISABLE  0x80
#define PIRQ_WRITABLE 0x8f
#define PIIX3_TOM     0x69
#define PIIX3_MSTAT   0x6a
#define PIIX3_MBIRQ   0x70
#define PIIX3_MBDMA   0x76
#define PIIX3_PCSC    0x78
#define PIIX3_DLC     0x82
#define PIIX3_SMICNTL 0xa0
#define PIIX3_REGS    (PIIX3_SMICNTL + 0x10)

struct PIIX3State {
    PCIDevice parent_obj;

    ISABus *isa;
    uint8_t pirq_levels; /* bit n: PIRQ n is high */
    uint16_t isa_levels; /* bit n: ISA line n is driven high by us */
};

/* What the guest may change beside the header. */
static void init_wmask(PCIDevice *dev)
{
    static const uint8_t byte_registers[] = {
        PIIX3_IORT,      PIIX3_XBCS,      PIIX3_XBCS + 1, PIIX3_TOM,
        PIIX3_MSTAT,     PIIX3_MSTAT + 1, PIIX3_MBIRQ,    PIIX3_MBDMA,
        PIIX3_MBDMA + 1, PIIX3_PCSC,      PIIX3_PCSC + 1, PIIX3_DLC,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(byte_registers); i++) {
        dev->wmask[byte_registers[i]] = 0xff;
    }
    memset(dev->wmask + PIIX3_PIRQRC, PIRQ_WRITABLE, PCI_NUM_PINS);
    memset(dev->wmask + PIIX3_SMICNTL, 0xff, PIIX3_REGS - PIIX3_SMICNTL);
}

static void update_lines(PIIX3State *s)
{
    const uint8_t *route = PCI_DEVICE(s)->config + PIIX3_PIRQRC;
    uint16_t levels = 0;
    uint16_t changed;

    for (unsigned i = 0; i < PCI_NUM_PINS; i++) {
        if (s->pirq_levels & (1u << i) && !(route[i] & PIRQ_DISABLE)) {
            levels |= (uint16_t)(1u << (route[i] % ISA_IRQS));
        }
    }
    changed = levels ^ s->isa_levels;
    s->isa_levels = levels;
    for (unsigned n = 0; n < ISA_IRQS; n++) {
        if (changed & (1u << n)) {
            qemu_set_irq(s->isa->irqs[n], (levels >> n) & 1);
        }
    }
}

static void piix3_set_pirq(void *opaque, unsigned pirq, bool level)
{
    PIIX3State *s = opaque;
    uint8_t bit = (uint8_t)(1u << pirq);

    s->pirq_levels = level ? s->pirq_levels | bit : s->pirq_levels & ~bit;
    update_lines(s);
}

static void piix3_config_write(PCIDevice *dev, uint32_t addr, uint32_t value,
                               unsigned len)
{
    pci_default_write_config(dev, addr, value, len);
    if (addr < PIIX3_PIRQRC + PCI_NUM_PINS && addr + len > PIIX3_PIRQRC) {
        update_lines(PIIX3(dev));
    }
}

static void piix3_reset(PCIDevice *dev)
{
    uint8_t *c = dev->config;

    memset(c + PCI_CONFIG_HEADER_BYTES, 0,
           PCI_CONFIG_BYTES - PCI_CONFIG_HEADER_BYTES);
    pci_set_word(c + PCI_COMMAND,
                 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    c[PIIX3_IORT] = 0x4d;
    c[PIIX3_XBCS] = 0x03;
    memset(c + PIIX3_PIRQRC, PIRQ_DISABLE, PCI_NUM_PINS);
    c[PIIX3_TOM] = 0x02;
    c[PIIX3_MBIRQ] = 0x80;
    c[PIIX3_MBDMA] = 0x0c;
    c[PIIX3_MBDMA + 1] = 0x0c;
    c[PIIX3_PCSC] = 0x02;
    c[PIIX3_SMICNTL] = 0x08;
    update_lines(PIIX3(dev));
}

static bool piix3_realize(PCIDevice *dev, Error **errp)
{
    init_wmask(dev);
    pci_set_word(dev->wmask + PCI_COMMAND, PCI_COMMAND_SPECIAL);
    return true;
}

/* The functions of the bus, as they are loaded, raise their PIRQ lines again. */
static int piix3_post_load(void *opaque, int version_id)
{
    update_lines(opaque);
    return 0;
}

static const VMStateDescription vmstate_piix3 = {
    .name = "PIIX3",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = piix3_post_load,
    .fields =
        (const VMStateField[]){ VMSTATE_PCI_DEVICE(parent_obj, PIIX3State),
                                VMSTATE_END_OF_LIST() },
};

static void piix3_class_init(ObjectClass *oc, void *data)
{
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);

    DEVICE_CLASS(oc)->user_creatable = false;
    DEVICE_CLASS(oc)->desc = "ISA bridge";
    DEVICE_CLASS(oc)->vmsd = &vmstate_piix3;
    pc->vendor_id = PCI_VENDOR_ID_INTEL;
    pc->device_id = PCI_DEVICE_ID_INTEL_82371SB_0;
    pc->class_id = PCI_CLASS_BRIDGE_ISA;
    pc->realize = piix3_realize;
    pc->reset = piix3_reset;
    pc->config_write = piix3_config_write;
}

extern const TypeInfo hw_type_piix3;
const TypeInfo hw_type_piix3 = {
    .name = TYPE_PIIX3,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(PIIX3State),
    .class_init = piix3_class_init,
};

bool piix3_new(PCIBus *bus, ISABus *isa, Error **errp)
{
    PCIDevice *dev = pci_new_multifunction(PIIX3_DEVFN, TYPE_PIIX3);

    PIIX3(dev)->isa = isa;
    if (!pci_realize_and_unref(dev, bus, errp)) {
        return false;
    }
    i440fx_set_pirq_handler(bus, piix3_set_pirq, dev);
    return true;
}
