/*
 * A PCI function: its configuration space, capabilities, DMA, and its life as
 * a device.
 *
 * A write to configuration space changes the bits in wmask and clears those
 * in w1cmask; everything else is constant for the guest. What follows from a
 * write (mappings, interrupt line, MSI) is done after it, in one place.
 *
 * Source: PCI Local Bus Specification 3.0, chapter 6.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/pci/pci.h"

#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci-internal.h"
#include "qapi/visitor.h"
#include "qom/property.h"
#include "util/atomic.h"
#include "util/error.h"

#define CAPS_MAX ((PCI_CONFIG_BYTES - PCI_CONFIG_HEADER_BYTES) / 4)
/* What software may switch in the command register of these functions. */
#define COMMAND_WRITABLE                                                       \
    (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |                \
     PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)

/* -- configuration space ---------------------------------------------------------- */

uint32_t pci_default_read_config(PCIDevice *dev, uint32_t addr, unsigned len)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < len; i++) {
        value |= (uint32_t)dev->config[addr + i] << (i * 8);
    }
    return value;
}

static bool touches(uint32_t addr, unsigned len, uint32_t from, uint32_t bytes)
{
    return addr < from + bytes && from < addr + len;
}

void pci_default_write_config(PCIDevice *dev, uint32_t addr, uint32_t value,
                              unsigned len)
{
    for (unsigned i = 0; i < len; i++, value >>= 8) {
        uint8_t *c = &dev->config[addr + i];
        uint8_t w = dev->wmask[addr + i];
        uint8_t v = (uint8_t)value;

        *c = (uint8_t)((*c & ~w) | (v & w));
        *c = (uint8_t)(*c & ~(v & dev->w1cmask[addr + i]));
    }
    if (touches(addr, len, PCI_COMMAND, 2)) {
        pci_update_irq(dev);
    }
    if (touches(addr, len, PCI_COMMAND, 2) ||
        touches(addr, len, PCI_BASE_ADDRESS_0, 24) ||
        touches(addr, len, PCI_ROM_ADDRESS, 4)) {
        pci_update_mappings(dev);
    }
    if (addr >= PCI_CONFIG_HEADER_BYTES) {
        msi_config_written(dev);
        msix_config_written(dev);
    }
}

static bool range_free(const PCIDevice *dev, unsigned offset, unsigned size)
{
    if (offset < PCI_CONFIG_HEADER_BYTES || offset + size > PCI_CONFIG_BYTES) {
        return false;
    }
    for (unsigned i = 0; i < size; i++) {
        if (dev->used[offset + i]) {
            return false;
        }
    }
    return true;
}

static uint8_t find_space(const PCIDevice *dev, unsigned size)
{
    unsigned at = PCI_CONFIG_HEADER_BYTES;

    while (at < PCI_CONFIG_BYTES && !range_free(dev, at, size)) {
        at += 4;
    }
    return at < PCI_CONFIG_BYTES ? (uint8_t)at : 0;
}

uint8_t pci_add_capability(PCIDevice *dev, uint8_t cap, uint8_t offset,
                           uint8_t size, Error **errp)
{
    uint8_t at = offset ? offset : find_space(dev, size);

    if (at == 0 || at % 4 || !range_free(dev, at, size)) {
        error_setg(errp, "no room for PCI capability 0x%x of %u bytes in '%s'",
                   cap, size, object_get_typename(OBJECT(dev)));
        return 0;
    }
    memset(dev->used + at, 1, ROUND_UP((unsigned)size, 4));
    memset(dev->config + at, 0, size);
    memset(dev->wmask + at, 0, size);
    dev->config[at + PCI_CAP_LIST_ID] = cap;
    dev->config[at + PCI_CAP_LIST_NEXT] = dev->config[PCI_CAPABILITY_LIST];
    dev->config[PCI_CAPABILITY_LIST] = at;
    dev->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
    return at;
}

uint8_t pci_find_capability(PCIDevice *dev, uint8_t cap)
{
    uint8_t at = dev->config[PCI_CAPABILITY_LIST];

    for (unsigned n = 0; at >= PCI_CONFIG_HEADER_BYTES && n < CAPS_MAX; n++) {
        if (dev->config[at + PCI_CAP_LIST_ID] == cap) {
            return at;
        }
        at = dev->config[at + PCI_CAP_LIST_NEXT];
    }
    return 0;
}

/* -- DMA ------------------------------------------------------------------------------ */

GuestMemory *pci_get_memory(PCIDevice *dev)
{
    return pci_get_bus(dev)->memory;
}

MachineState *pci_get_machine(PCIDevice *dev)
{
    return pci_get_bus(dev)->machine;
}

bool pci_bus_master(PCIDevice *dev)
{
    return qatomic_read(&dev->config[PCI_COMMAND]) & PCI_COMMAND_MASTER;
}

bool pci_dma_read(PCIDevice *dev, uint64_t addr, void *buf, size_t len)
{
    return pci_bus_master(dev) &&
           guest_memory_read(pci_get_memory(dev), addr, buf, len);
}

bool pci_dma_write(PCIDevice *dev, uint64_t addr, const void *buf, size_t len)
{
    return pci_bus_master(dev) &&
           guest_memory_write(pci_get_memory(dev), addr, buf, len);
}

void *pci_dma_map(PCIDevice *dev, uint64_t addr, uint64_t *len, bool is_write)
{
    return pci_bus_master(dev)
               ? guest_memory_dma_map(pci_get_memory(dev), addr, len, is_write)
               : NULL;
}

void pci_dma_unmap(PCIDevice *dev, uint64_t addr, uint64_t written)
{
    guest_memory_dma_unmap(pci_get_memory(dev), addr, written);
}

/* -- names ----------------------------------------------------------------------------- */

/* Generic names of the Open Firmware PCI binding, by class code. */
static const char *fw_name(const PCIDevice *dev)
{
    switch (pci_get_word(dev->config + PCI_CLASS_DEVICE)) {
    case PCI_CLASS_STORAGE_SCSI:
        return "scsi";
    case PCI_CLASS_STORAGE_IDE:
        return "ide";
    case PCI_CLASS_NETWORK_ETHERNET:
        return "ethernet";
    case PCI_CLASS_DISPLAY_VGA:
    case PCI_CLASS_DISPLAY_OTHER:
        return "display";
    case PCI_CLASS_BRIDGE_ISA:
        return "isa";
    case PCI_CLASS_SERIAL_USB:
        return "usb";
    case PCI_CLASS_COMMUNICATION_OTHER:
        return "communication-controller";
    default:
        return NULL;
    }
}

char *pci_fw_path(PCIDevice *dev)
{
    const char *name = fw_name(dev);
    g_autofree char *fallback =
        g_strdup_printf("pci%04x,%04x",
                        pci_get_word(dev->config + PCI_VENDOR_ID),
                        pci_get_word(dev->config + PCI_DEVICE_ID));
    GString *path = g_string_new("/pci@i0cf8/");

    g_string_append_printf(path, "%s@%x", name ? name : fallback,
                           PCI_SLOT(dev->devfn));
    if (PCI_FUNC(dev->devfn)) {
        g_string_append_printf(path, ",%x", PCI_FUNC(dev->devfn));
    }
    return g_string_free(path, FALSE);
}

/* With what firmware adds for the one unit of such a function. */
static char *pci_device_fw_path(DeviceState *qdev)
{
    PCIDevice *dev = PCI_DEVICE(qdev);
    g_autofree char *path = pci_fw_path(dev);

    switch (pci_get_word(dev->config + PCI_CLASS_DEVICE)) {
    case PCI_CLASS_STORAGE_SCSI:
        return g_strconcat(path, "/disk@0,0", NULL);
    case PCI_CLASS_NETWORK_ETHERNET:
        return g_strconcat(path, "/ethernet-phy@0", NULL);
    default:
        return g_steal_pointer(&path);
    }
}

/* -- life of the device ------------------------------------------------------------------ */

static void init_header(PCIDevice *dev, const PCIDeviceClass *pc)
{
    uint8_t *c = dev->config;
    bool sub = pc->subsystem_vendor_id || pc->subsystem_id;

    pci_set_word(c + PCI_VENDOR_ID, pc->vendor_id);
    pci_set_word(c + PCI_DEVICE_ID, pc->device_id);
    pci_set_byte(c + PCI_REVISION_ID, pc->revision);
    pci_set_byte(c + PCI_CLASS_PROG, pc->prog_if);
    pci_set_word(c + PCI_CLASS_DEVICE, pc->class_id);
    pci_set_word(c + PCI_SUBSYSTEM_VENDOR_ID,
                 sub ? pc->subsystem_vendor_id : PCI_SUBVENDOR_ID_DEFAULT);
    pci_set_word(c + PCI_SUBSYSTEM_ID,
                 sub ? pc->subsystem_id : PCI_SUBDEVICE_ID_DEFAULT);
    pci_set_byte(c + PCI_HEADER_TYPE,
                 dev->multifunction ? PCI_HEADER_MULTIFUNCTION : 0);
    pci_set_word(dev->wmask + PCI_COMMAND, COMMAND_WRITABLE);
    pci_set_word(dev->w1cmask + PCI_STATUS, PCI_STATUS_ERRORS);
    dev->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
    dev->wmask[PCI_LATENCY_TIMER] = 0xf8;
    dev->wmask[PCI_INTERRUPT_LINE] = 0xff;
}

static void release(PCIDevice *dev)
{
    PCIBus *bus = pci_get_bus(dev);

    pci_unmap_all(dev);
    pci_del_ram_blocks(dev);
    msix_uninit(dev);
    pci_set_irq(dev, 0);
    pci_del_option_rom(dev);
    bus->devices[dev->devfn] = NULL;
}

static bool pci_device_realize(DeviceState *qdev, Error **errp)
{
    PCIDevice *dev = PCI_DEVICE(qdev);
    PCIDeviceClass *pc = PCI_DEVICE_GET_CLASS(dev);

    init_header(dev, pc);
    pci_get_bus(dev)->devices[dev->devfn] = dev;
    if (pc->realize && !pc->realize(dev, errp)) {
        release(dev);
        return false;
    }
    if (!pci_add_option_rom(dev, errp)) {
        if (pc->exit) {
            pc->exit(dev);
        }
        release(dev);
        return false;
    }
    return true;
}

static void pci_device_unrealize(DeviceState *qdev)
{
    PCIDevice *dev = PCI_DEVICE(qdev);
    PCIDeviceClass *pc = PCI_DEVICE_GET_CLASS(dev);

    pci_unmap_all(dev);
    if (pc->exit) {
        pc->exit(dev);
    }
    release(dev);
}

static void pci_device_reset(DeviceState *qdev)
{
    PCIDevice *dev = PCI_DEVICE(qdev);
    PCIDeviceClass *pc = PCI_DEVICE_GET_CLASS(dev);
    uint16_t status = pci_get_word(dev->config + PCI_STATUS);

    pci_set_irq(dev, 0);
    pci_set_word(dev->config + PCI_COMMAND, 0);
    pci_set_word(dev->config + PCI_STATUS,
                 (uint16_t)(status &
                            ~(PCI_STATUS_ERRORS | PCI_STATUS_INTERRUPT)));
    dev->config[PCI_CACHE_LINE_SIZE] = 0;
    dev->config[PCI_LATENCY_TIMER] = 0;
    dev->config[PCI_INTERRUPT_LINE] = 0;
    pci_reset_bars(dev);
    pci_update_mappings(dev);
    msi_reset(dev);
    msix_reset(dev);
    if (pc->reset) {
        pc->reset(dev);
    }
}

/* -- properties ----------------------------------------------------------------------------- */

/* Hexadecimal digits from *@pos on, at most two. */
static bool parse_hex(const char **pos, unsigned *ret)
{
    const char *p = *pos;
    unsigned value = 0;

    while (g_ascii_isxdigit(*p) && p - *pos < 2) {
        value = value << 4 | (unsigned)g_ascii_xdigit_value(*p++);
    }
    *ret = value;
    if (p == *pos) {
        return false;
    }
    *pos = p;
    return true;
}

/* "SLOT" or "SLOT.FUNCTION", both hexadecimal; "0x" may stand in front. */
static bool parse_addr(const char *text, int32_t *ret)
{
    unsigned slot = 0, func = 0;

    if (g_str_equal(text, "-1")) {
        *ret = -1;
        return true;
    }
    if (g_str_has_prefix(text, "0x")) {
        text += 2;
    }
    if (!parse_hex(&text, &slot) || slot >= PCI_SLOT_MAX) {
        return false;
    }
    if (*text == '.') {
        text++;
        if (!parse_hex(&text, &func) || func >= PCI_FUNC_MAX) {
            return false;
        }
    }
    *ret = (int32_t)PCI_DEVFN(slot, func);
    return *text == '\0';
}

static void addr_get(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    const PCIDevice *dev = PCI_DEVICE(obj);
    g_autofree char *text =
        dev->devfn < 0 ? g_strdup("-1")
                       : g_strdup_printf("%02x.%x", PCI_SLOT(dev->devfn),
                                         PCI_FUNC(dev->devfn));

    visit_type_str(v, name, &text, errp);
}

static void addr_set(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    g_autofree char *text = NULL;

    if (!visit_type_str(v, name, &text, errp)) {
        return;
    }
    if (!parse_addr(text, &PCI_DEVICE(obj)->devfn)) {
        error_setg(errp,
                   "PCI address '%s' is not SLOT or SLOT.FUNCTION: hexadecimal "
                   "numbers up to 1f and 7",
                   text);
    }
}

static const Property pci_props[] = {
    { "addr", PROP_CUSTOM, .qapi_type = "str", .def = "-1", .get = addr_get,
      .set = addr_set,
      .help = "slot, or slot.function, on the bus; -1 = first free slot",
      .since = "0.1" },
    { "multifunction", PROP_BOOL, offsetof(PCIDevice, multifunction),
      .def = "off", .help = "other functions may share the slot",
      .since = "0.1" },
    { "romfile", PROP_STR, offsetof(PCIDevice, romfile),
      .help = "file with the option ROM; empty = none", .since = "0.1" },
    { "rombar", PROP_UINT32, offsetof(PCIDevice, rombar), .def = "1", .max = 1,
      .help = "whether the guest sees the option ROM", .since = "0.1" },
    {},
};

static void pci_device_instance_init(Object *obj)
{
    PCI_DEVICE(obj)->devfn = -1;
}

static void pci_device_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);

    dc->bus_type = TYPE_PCI_BUS;
    dc->hotpluggable = false;
    dc->realize = pci_device_realize;
    dc->unrealize = pci_device_unrealize;
    dc->reset = pci_device_reset;
    dc->fw_path = pci_device_fw_path;
    pc->config_read = pci_default_read_config;
    pc->config_write = pci_default_write_config;
}

extern const TypeInfo hw_type_pci_device;
const TypeInfo hw_type_pci_device = {
    .name = TYPE_PCI_DEVICE,
    .parent = TYPE_DEVICE,
    .abstract = true,
    .instance_size = sizeof(PCIDevice),
    .instance_init = pci_device_instance_init,
    .class_size = sizeof(PCIDeviceClass),
    .class_init = pci_device_class_init,
    .props = pci_props,
};
