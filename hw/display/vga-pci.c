/*
 * `VGA`: the standard graphics card, on PCI.
 *
 *   BAR 0  memory, mapped into the guest
 *   BAR 2  EDID, ports, display interface (mmio=on)
 *   ROM    the video BIOS
 *
 * It also answers at the addresses every VGA has.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/core/run-watch.h"
#include "hw/display/bochs-mmio.h"
#include "hw/display/display-props.h"
#include "hw/display/vga.h"
#include "hw/display/vram.h"
#include "hw/machine-lock.h"
#include "hw/pci/pci.h"
#include "migration/vmstate.h"
#include "util/error.h"

#define TYPE_VGA_PCI "VGA"
OBJECT_DECLARE_SIMPLE_TYPE(VGAPCI, VGA_PCI)

struct VGAPCI {
    PCIDevice parent_obj;

    uint32_t vgamem_mb;
    bool has_mmio;
    bool extended;
    bool edid;
    uint32_t xres;
    uint32_t yres;
    uint32_t xmax;
    uint32_t ymax;
    uint32_t refresh_mhz;

    VRAM vram;
    VGAState vga;
    BochsMMIO mmio;
    RunWatch run;
};

static void console_refresh_vga(void *opaque)
{
    MACHINE_LOCK_GUARD();
    vga_refresh(opaque);
}

static const ConsoleOps console_ops = { .refresh = console_refresh_vga };

/* -- register BAR ------------------------------------------------------------------ */

static uint16_t mmio_vbe_read(void *opaque, unsigned index)
{
    return vbe_read(&((VGAState *)opaque)->vbe, index);
}

static void mmio_vbe_write(void *opaque, unsigned index, uint16_t value)
{
    vga_vbe_write(opaque, index, value);
}

static uint8_t mmio_port_read(void *opaque, uint16_t port)
{
    return vga_port_read(opaque, port);
}

static void mmio_port_write(void *opaque, uint16_t port, uint8_t value)
{
    vga_port_write(opaque, port, value);
}

static const BochsMMIOOps mmio_ops = {
    .vbe_read = mmio_vbe_read,
    .vbe_write = mmio_vbe_write,
    .port_read = mmio_port_read,
    .port_write = mmio_port_write,
};

static void add_mmio(VGAPCI *d)
{
    const EDIDInfo info = DISPLAY_EDID_INFO(d);

    d->mmio.ops = &mmio_ops;
    d->mmio.opaque = &d->vga;
    d->mmio.has_edid = d->edid;
    d->mmio.has_extended = d->extended;
    d->mmio.big_endian = &d->vga.big_endian;
    edid_build(&info, d->mmio.edid);
    bochs_mmio_init(&d->mmio, "vga registers");
    pci_register_bar(PCI_DEVICE(d), 2, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &d->mmio.region);
}

/* -- life ------------------------------------------------------------------------------ */

/* What the guest wrote to the text window is in memory when it stands still. */
static void vga_run_changed(void *opaque, bool running)
{
    if (!running) {
        vga_window_unmap(opaque);
    }
}

static bool vga_pci_realize(PCIDevice *dev, Error **errp)
{
    VGAPCI *d = VGA_PCI(dev);
    MachineState *machine = pci_get_machine(dev);

    if (!vram_alloc(&d->vram, d->vgamem_mb, errp)) {
        return false;
    }
    vga_init(&d->vga, d->vram.host, d->vram.bytes, pci_get_memory(dev));
    if (machine && !vga_claim(&d->vga, machine->pio, machine->mmio, errp)) {
        vga_deinit(&d->vga);
        vram_free(&d->vram);
        return false;
    }
    pci_register_bar_ram(dev, 0, d->vram.host, d->vram.bytes, true);
    if (!pci_add_ram_block(dev, "vga.vram", d->vram.host, d->vram.bytes, 0,
                           errp)) {
        vga_release(&d->vga);
        vga_deinit(&d->vga);
        return false;
    }
    if (d->has_mmio) {
        add_mmio(d);
    }
    d->vga.console =
        console_new(ui_find(), OBJECT(dev), 0, &console_ops, &d->vga);
    run_watch_init(&d->run, machine, vga_run_changed, &d->vga);
    return true;
}

static void vga_pci_reset(PCIDevice *dev)
{
    vga_reset(&VGA_PCI(dev)->vga);
}

static void vga_pci_exit(PCIDevice *dev)
{
    VGAPCI *d = VGA_PCI(dev);

    run_watch_deinit(&d->run);
    vga_release(&d->vga);
    vga_deinit(&d->vga);
}

static void vga_pci_instance_finalize(Object *obj)
{
    vram_free(&VGA_PCI(obj)->vram);
}

static const VMStateDescription vmstate_vga_pci = {
    .name = "vga",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_PCI_DEVICE(parent_obj, VGAPCI),
                                      VMSTATE_STRUCT(vga, VGAPCI, 0,
                                                     vmstate_vga, VGAState),
                                      VMSTATE_END_OF_LIST() },
};

static const Property vga_pci_props[] = {
    VRAM_PROP(VGAPCI, vgamem_mb),
    { "mmio", PROP_BOOL, offsetof(VGAPCI, has_mmio), .def = "on",
      .help = "registers in a BAR of their own", .since = "0.1" },
    { "qemu-extended-regs", PROP_BOOL, offsetof(VGAPCI, extended), .def = "on",
      .help = "register for the byte order of pixels", .since = "0.1" },
    DISPLAY_EDID_PROPS(VGAPCI, "1280", "800"),
    {},
};

static void vga_pci_class_init(ObjectClass *oc, void *data)
{
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "standard VGA with linear modes";
    dc->vmsd = &vmstate_vga_pci;
    dc->hotpluggable = false;
    pc->vendor_id = PCI_VENDOR_ID_QEMU;
    pc->device_id = PCI_DEVICE_ID_QEMU_VGA;
    pc->class_id = PCI_CLASS_DISPLAY_VGA;
    pc->revision = 2;
    pc->romfile = "vgabios-stdvga.bin";
    pc->realize = vga_pci_realize;
    pc->reset = vga_pci_reset;
    pc->exit = vga_pci_exit;
}

extern const TypeInfo hw_type_vga_pci;
const TypeInfo hw_type_vga_pci = {
    .name = TYPE_VGA_PCI,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(VGAPCI),
    .instance_finalize = vga_pci_instance_finalize,
    .class_init = vga_pci_class_init,
    .props = vga_pci_props,
};
