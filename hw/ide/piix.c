/*
 * `piix3-ide`: the IDE function of the PIIX3: two channels at their old
 * addresses, with a bus master each.
 *
 *   primary    1F0h-1F7h, 3F6h, IRQ 14    secondary  170h-177h, 376h, IRQ 15
 *   BAR 4      the bus masters, 8 bytes a channel
 *
 * Both channels are enabled from the start (IDETIM), as firmware would do, so
 * that a kernel that is started without firmware finds them.
 *
 * Source: Intel 82371SB (PIIX3) data sheet (290550), 2.5 and 2.6.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/ide/piix.h"

#include "hw/core/machine-internal.h"
#include "hw/ide/bmdma.h"
#include "hw/ide/ide.h"
#include "hw/isa/isa.h"
#include "hw/machine-lock.h"
#include "migration/vmstate.h"
#include "util/error.h"

#define TYPE_PIIX3_IDE "piix3-ide"
OBJECT_DECLARE_SIMPLE_TYPE(PIIX3IDE, PIIX3_IDE)

#define CHANNELS       2
#define COMMAND_PORTS  8
#define IDETIM         0x40 /* a word for each channel */
#define IDETIM_ENABLE  0x8000
#define IDETIM_BYTES   5 /* with SIDETIM */
#define BM_BAR         4
#define BM_BYTES       (CHANNELS * BMDMA_REGS)
#define PROG_IF_MASTER 0x80

typedef struct Channel {
    IDEBus *bus;
    BMDMA bm;
    IORegion command;
    IORegion control;
} Channel;

struct PIIX3IDE {
    PCIDevice parent_obj;

    Channel channel[CHANNELS];
    IORegion bm_io;
    Notifier run_notifier;
    bool follows_machine;
};

static const struct {
    uint16_t command;
    uint16_t control;
    uint8_t irq;
} places[CHANNELS] = { { 0x1f0, 0x3f6, 14 }, { 0x170, 0x376, 15 } };

/* -- ports ------------------------------------------------------------------------ */

static uint64_t command_read(void *opaque, uint64_t offset, unsigned size)
{
    const Channel *c = opaque;

    if (offset && size > 1) { /* two registers at once */
        uint64_t low = ide_read(c->bus, (unsigned)offset, 1);

        return low | (uint64_t)ide_read(c->bus, (unsigned)(offset + 1) & 7, 1)
                         << 8;
    }
    return ide_read(c->bus, (unsigned)offset, size);
}

static void command_write(void *opaque, uint64_t offset, uint64_t value,
                          unsigned size)
{
    const Channel *c = opaque;

    ide_write(c->bus, (unsigned)offset, (uint32_t)value, size);
    if (offset && size > 1) {
        ide_write(c->bus, (unsigned)(offset + 1) & 7, (uint8_t)(value >> 8), 1);
    }
}

static const IORegionOps command_ops = { command_read, command_write, 4 };

static uint64_t control_read(void *opaque, uint64_t offset, unsigned size)
{
    return ide_read_alt(((const Channel *)opaque)->bus);
}

static void control_write(void *opaque, uint64_t offset, uint64_t value,
                          unsigned size)
{
    ide_write_control(((const Channel *)opaque)->bus, (uint8_t)value);
}

static const IORegionOps control_ops = { control_read, control_write, 1 };

static uint64_t bm_read(void *opaque, uint64_t offset, unsigned size)
{
    PIIX3IDE *d = opaque;

    return bmdma_read(&d->channel[offset / BMDMA_REGS].bm,
                      (unsigned)(offset % BMDMA_REGS), size);
}

static void bm_write(void *opaque, uint64_t offset, uint64_t value,
                     unsigned size)
{
    PIIX3IDE *d = opaque;

    bmdma_write(&d->channel[offset / BMDMA_REGS].bm,
                (unsigned)(offset % BMDMA_REGS), (uint32_t)value, size);
}

static const IORegionOps bm_ops = { bm_read, bm_write, 4 };

/* -- life ------------------------------------------------------------------------------ */

static void remove_ports(PIIX3IDE *d)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        io_space_remove(&d->channel[i].command);
        io_space_remove(&d->channel[i].control);
    }
}

static bool add_ports(PIIX3IDE *d, IOSpace *ports, Error **errp)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        Channel *c = &d->channel[i];

        io_region_init(&c->command, "ide", COMMAND_PORTS, &command_ops, c);
        io_region_init(&c->control, "ide control", 1, &control_ops, c);
        if (!io_space_add(ports, &c->command, places[i].command, errp) ||
            !io_space_add(ports, &c->control, places[i].control, errp)) {
            remove_ports(d);
            return false;
        }
    }
    return true;
}

static void running_changed(Notifier *n, void *data)
{
    PIIX3IDE *d = container_of(n, PIIX3IDE, run_notifier);
    bool running = machine_is_running(data);

    MACHINE_LOCK_GUARD();
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (running) {
            ide_retry_stopped(d->channel[i].bus);
        } else {
            ide_drain(d->channel[i].bus);
        }
    }
}

static void init_config(PCIDevice *dev)
{
    memset(dev->wmask + IDETIM, 0xff, IDETIM_BYTES);
}

static void piix3_ide_reset(PCIDevice *dev)
{
    PIIX3IDE *d = PIIX3_IDE(dev);

    memset(dev->config + IDETIM, 0, IDETIM_BYTES);
    for (unsigned i = 0; i < CHANNELS; i++) {
        pci_set_word(dev->config + IDETIM + 2 * i, IDETIM_ENABLE);
        ide_bus_reset(d->channel[i].bus);
        /* A transfer under way must not reach memory that firmware or a
         * kernel is put into next. */
        ide_drain(d->channel[i].bus);
    }
}

static bool piix3_ide_realize(PCIDevice *dev, Error **errp)
{
    static const char *const names[CHANNELS] = { "ide.0", "ide.1" };
    PIIX3IDE *d = PIIX3_IDE(dev);
    MachineState *machine = pci_get_machine(dev);
    BusState *isa = qdev_find_bus_of_type(TYPE_ISA_BUS);

    init_config(dev);
    for (unsigned i = 0; i < CHANNELS; i++) {
        Channel *c = &d->channel[i];
        qemu_irq irq = isa ? ISA_BUS(isa)->irqs[places[i].irq] : NULL;

        c->bm.pci = dev;
        bmdma_reset(&c->bm);
        c->bus = ide_bus_new(DEVICE(dev), names[i], i, irq, &c->bm);
    }
    if (machine && !add_ports(d, machine->pio, errp)) {
        return false;
    }
    io_region_init(&d->bm_io, "ide bus master", BM_BYTES, &bm_ops, d);
    pci_register_bar(dev, BM_BAR, PCI_BASE_ADDRESS_SPACE_IO, &d->bm_io);
    if (machine) {
        d->run_notifier.notify = running_changed;
        machine_add_run_notifier(machine, &d->run_notifier);
        d->follows_machine = true;
    }
    return true;
}

static void piix3_ide_exit(PCIDevice *dev)
{
    PIIX3IDE *d = PIIX3_IDE(dev);

    if (d->follows_machine) {
        notifier_remove(&d->run_notifier);
        d->follows_machine = false;
    }
    remove_ports(d);
}

static const VMStateDescription vmstate_channel = {
    .name = "ide_channel",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_STRUCT(bm, Channel, 0, vmstate_bmdma, BMDMA),
            VMSTATE_STRUCT_POINTER(bus, Channel, vmstate_ide_bus, IDEBus),
            VMSTATE_END_OF_LIST() },
};

/* The drives are devices of their own. */
static const VMStateDescription vmstate_piix3_ide = {
    .name = "ide",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_PCI_DEVICE(parent_obj, PIIX3IDE),
                                      VMSTATE_STRUCT_ARRAY(
                                          channel, PIIX3IDE, CHANNELS, 0,
                                          vmstate_channel, Channel),
                                      VMSTATE_END_OF_LIST() },
};

static void piix3_ide_class_init(ObjectClass *oc, void *data)
{
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "PIIX3 IDE, two channels";
    dc->vmsd = &vmstate_piix3_ide;
    dc->user_creatable = false;
    dc->hotpluggable = false;
    pc->vendor_id = PCI_VENDOR_ID_INTEL;
    pc->device_id = PCI_DEVICE_ID_INTEL_82371SB_1;
    pc->class_id = PCI_CLASS_STORAGE_IDE;
    pc->prog_if = PROG_IF_MASTER;
    pc->realize = piix3_ide_realize;
    pc->reset = piix3_ide_reset;
    pc->exit = piix3_ide_exit;
}

extern const TypeInfo hw_type_piix3_ide;
const TypeInfo hw_type_piix3_ide = {
    .name = TYPE_PIIX3_IDE,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(PIIX3IDE),
    .class_init = piix3_ide_class_init,
};

bool piix3_ide_new(PCIBus *bus, unsigned devfn, Error **errp)
{
    return pci_create_simple(bus, (int)devfn, TYPE_PIIX3_IDE, errp) != NULL;
}
