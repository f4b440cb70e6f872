/*
 * `bochs-display`: a framebuffer with the display interface, and nothing of
 * VGA. One linear mode, 32 bits a pixel or what else the interface has.
 *
 *   BAR 0  memory, mapped into the guest
 *   BAR 2  EDID, display interface
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/ram-blocks.h"
#include "hw/display/bochs-mmio.h"
#include "hw/display/display-props.h"
#include "hw/display/vbe.h"
#include "hw/display/vram.h"
#include "hw/machine-lock.h"
#include "hw/pci/pci.h"
#include "migration/vmstate.h"
#include "util/error.h"

#define TYPE_BOCHS_DISPLAY "bochs-display"
OBJECT_DECLARE_SIMPLE_TYPE(BochsDisplay, BOCHS_DISPLAY)

struct BochsDisplay {
    PCIDevice parent_obj;

    uint64_t vgamem;
    bool edid;
    uint32_t xres;
    uint32_t yres;
    uint32_t xmax;
    uint32_t ymax;
    uint32_t refresh_mhz;

    VRAM vram;
    VBERegs vbe;
    bool big_endian;
    BochsMMIO mmio;
    Console *console;
};

static uint16_t bochs_vbe_read(void *opaque, unsigned index)
{
    return vbe_read(&((BochsDisplay *)opaque)->vbe, index);
}

static void bochs_vbe_write(void *opaque, unsigned index, uint16_t value)
{
    BochsDisplay *d = opaque;

    if (vbe_write(&d->vbe, index, value)) {
        VBEMode mode = vbe_mode(&d->vbe);
        size_t bytes = (size_t)mode.line_bytes * (size_t)mode.height;

        memset(d->vram.host, 0, bytes);
        ram_blocks_written(guest_memory_blocks(pci_get_memory(PCI_DEVICE(d))),
                           d->vram.host, bytes);
    }
}

static const BochsMMIOOps mmio_ops = {
    .vbe_read = bochs_vbe_read,
    .vbe_write = bochs_vbe_write,
};

/* No DAC: 8 bits a pixel are shades of grey. */
static void grey_palette(uint32_t *palette)
{
    for (uint32_t i = 0; i < 256; i++) {
        palette[i] = i * 0x010101u;
    }
}

static void bochs_refresh(void *opaque)
{
    BochsDisplay *d = opaque;
    uint32_t palette[256];
    VBEMode mode;

    MACHINE_LOCK_GUARD();
    if (!vbe_enabled(&d->vbe)) {
        return;
    }
    mode = vbe_mode(&d->vbe);
    grey_palette(palette);
    vbe_render(d->console, &mode, d->vram.host, d->big_endian, palette);
}

static const ConsoleOps console_ops = { .refresh = bochs_refresh };

static bool bochs_realize(PCIDevice *dev, Error **errp)
{
    BochsDisplay *d = BOCHS_DISPLAY(dev);
    const EDIDInfo info = DISPLAY_EDID_INFO(d);

    if (d->vgamem % (1 << 20)) {
        error_setg(errp, "vgamem must be a number of MiB");
        return false;
    }
    if (!vram_alloc(&d->vram, (uint32_t)(d->vgamem >> 20), errp)) {
        return false;
    }
    vbe_init(&d->vbe, d->vram.bytes, false);
    d->mmio.ops = &mmio_ops;
    d->mmio.opaque = d;
    d->mmio.has_edid = d->edid;
    d->mmio.has_extended = true;
    d->mmio.big_endian = &d->big_endian;
    edid_build(&info, d->mmio.edid);
    bochs_mmio_init(&d->mmio, "bochs-display registers");
    pci_register_bar_ram(dev, 0, d->vram.host, d->vram.bytes, true);
    if (!pci_add_ram_block(dev, "bochs-display-vram", d->vram.host,
                           d->vram.bytes, 0, errp)) {
        return false;
    }
    pci_register_bar(dev, 2, PCI_BASE_ADDRESS_SPACE_MEMORY, &d->mmio.region);
    d->console = console_new(ui_find(), OBJECT(dev), 0, &console_ops, d);
    return true;
}

static void bochs_reset(PCIDevice *dev)
{
    BochsDisplay *d = BOCHS_DISPLAY(dev);

    vbe_reset(&d->vbe);
    d->big_endian = false;
}

static void bochs_exit(PCIDevice *dev)
{
    g_clear_pointer(&BOCHS_DISPLAY(dev)->console, console_free);
}

static void bochs_instance_finalize(Object *obj)
{
    vram_free(&BOCHS_DISPLAY(obj)->vram);
}

static const VMStateDescription vmstate_bochs_display = {
    .name = "bochs-display",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_PCI_DEVICE(parent_obj, BochsDisplay),
            VMSTATE_STRUCT(vbe, BochsDisplay, 0, vmstate_vbe, VBERegs),
            VMSTATE_BOOL(big_endian, BochsDisplay), VMSTATE_END_OF_LIST() },
};

static const Property bochs_props[] = {
    { "vgamem", PROP_SIZE, offsetof(BochsDisplay, vgamem), .def = "16M",
      .min = 1 << 20, .max = 512ull << 20, .unit = "bytes",
      .help = "video memory, a power of two", .since = "0.1" },
    DISPLAY_EDID_PROPS(BochsDisplay, "1280", "800"),
    {},
};

static void bochs_class_init(ObjectClass *oc, void *data)
{
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "framebuffer without VGA";
    dc->vmsd = &vmstate_bochs_display;
    dc->hotpluggable = false;
    pc->vendor_id = PCI_VENDOR_ID_QEMU;
    pc->device_id = PCI_DEVICE_ID_QEMU_VGA;
    pc->class_id = PCI_CLASS_DISPLAY_OTHER;
    pc->romfile = "vgabios-bochs-display.bin";
    pc->realize = bochs_realize;
    pc->reset = bochs_reset;
    pc->exit = bochs_exit;
}

extern const TypeInfo hw_type_bochs_display;
const TypeInfo hw_type_bochs_display = {
    .name = TYPE_BOCHS_DISPLAY,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(BochsDisplay),
    .instance_finalize = bochs_instance_finalize,
    .class_init = bochs_class_init,
    .props = bochs_props,
};
