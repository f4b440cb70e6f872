/*
 * query-pci and info pci.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/hw-hmp.h"
#include "hw/machine-lock.h"
#include "hw/pci/pci-internal.h"
#include "qapi/qapi-commands-pci.h"
#include "util/error.h"

static const struct {
    uint16_t class_id;
    const char *text;
} class_names[] = {
    { PCI_CLASS_STORAGE_SCSI, "SCSI controller" },
    { PCI_CLASS_STORAGE_IDE, "IDE controller" },
    { PCI_CLASS_STORAGE_OTHER, "Storage controller" },
    { PCI_CLASS_NETWORK_ETHERNET, "Ethernet controller" },
    { PCI_CLASS_DISPLAY_VGA, "VGA controller" },
    { PCI_CLASS_DISPLAY_OTHER, "Display controller" },
    { PCI_CLASS_MEMORY_RAM, "RAM controller" },
    { PCI_CLASS_BRIDGE_HOST, "Host bridge" },
    { PCI_CLASS_BRIDGE_ISA, "ISA bridge" },
    { PCI_CLASS_BRIDGE_OTHER, "Bridge" },
    { PCI_CLASS_COMMUNICATION_SERIAL, "Serial port" },
    { PCI_CLASS_SERIAL_USB, "USB controller" },
};

static const char *class_name(uint16_t class_id)
{
    for (size_t i = 0; i < G_N_ELEMENTS(class_names); i++) {
        if (class_names[i].class_id == class_id) {
            return class_names[i].text;
        }
    }
    return NULL;
}

static PciMemoryRegion *region_info(const PCIRegion *r, unsigned n)
{
    PciMemoryRegion *info = g_new0(PciMemoryRegion, 1);
    bool io = r->type & PCI_BASE_ADDRESS_SPACE_IO;

    info->bar = n;
    info->type = g_strdup(io ? "io" : "memory");
    info->address = (int64_t)r->addr;
    info->size = (int64_t)r->size;
    info->has_prefetch = info->has_mem_type_64 = !io;
    info->prefetch = !io && (r->type & PCI_BASE_ADDRESS_MEM_PREFETCH);
    info->mem_type_64 = !io && (r->type & PCI_BASE_ADDRESS_MEM_TYPE_64);
    return info;
}

static PciDeviceInfo *device_info(const PCIDevice *dev)
{
    const uint8_t *c = dev->config;
    PciDeviceInfo *info = g_new0(PciDeviceInfo, 1);
    uint16_t class_id = pci_get_word(c + PCI_CLASS_DEVICE);

    info->slot = PCI_SLOT(dev->devfn);
    info->function = PCI_FUNC(dev->devfn);
    info->class_info = g_new0(PciDeviceClass, 1);
    info->class_info->class = class_id;
    info->class_info->desc = g_strdup(class_name(class_id));
    info->id = g_new0(PciDeviceId, 1);
    info->id->vendor = pci_get_word(c + PCI_VENDOR_ID);
    info->id->device = pci_get_word(c + PCI_DEVICE_ID);
    info->id->has_subsystem = info->id->has_subsystem_vendor = true;
    info->id->subsystem = pci_get_word(c + PCI_SUBSYSTEM_ID);
    info->id->subsystem_vendor = pci_get_word(c + PCI_SUBSYSTEM_VENDOR_ID);
    info->irq_pin = c[PCI_INTERRUPT_PIN];
    info->has_irq = info->irq_pin != 0;
    info->irq = c[PCI_INTERRUPT_LINE];
    info->qdev_id = g_strdup(dev->parent_obj.id ? dev->parent_obj.id : "");
    for (unsigned n = PCI_NUM_REGIONS; n-- > 0;) {
        if (dev->region[n].size) {
            QAPI_LIST_PREPEND(info->regions, region_info(&dev->region[n], n));
        }
    }
    return info;
}

PciInfoList *qmp_query_pci(Error **errp)
{
    PCIBus *bus = (PCIBus *)qdev_find_bus_of_type(TYPE_PCI_BUS);
    PciInfoList *list = NULL;
    PciInfo *info;

    MACHINE_LOCK_GUARD();
    if (!bus) {
        return NULL;
    }
    info = g_new0(PciInfo, 1);
    for (unsigned devfn = PCI_DEVFN_MAX; devfn-- > 0;) {
        if (bus->devices[devfn]) {
            QAPI_LIST_PREPEND(info->devices, device_info(bus->devices[devfn]));
        }
    }
    QAPI_LIST_PREPEND(list, info);
    return list;
}

/* -- human monitor ----------------------------------------------------------------- */

static void print_region(HMPContext *ctx, const PciMemoryRegion *r)
{
    hmp_printf(ctx, "      BAR%" PRId64 ": ", r->bar);
    if (g_str_equal(r->type, "io")) {
        hmp_printf(ctx, "I/O");
    } else {
        hmp_printf(ctx, "%d bit%s memory", r->mem_type_64 ? 64 : 32,
                   r->prefetch ? " prefetchable" : "");
    }
    if (r->address == -1) {
        hmp_printf(ctx, " of 0x%" PRIx64 " bytes, not mapped.\n",
                   (uint64_t)r->size);
    } else {
        hmp_printf(ctx, " at 0x%0*" PRIx64 " [0x%0*" PRIx64 "].\n",
                   r->has_prefetch ? 8 : 4, (uint64_t)r->address,
                   r->has_prefetch ? 8 : 4,
                   (uint64_t)(r->address + r->size - 1));
    }
}

static void print_device(HMPContext *ctx, int64_t bus, const PciDeviceInfo *d)
{
    hmp_printf(ctx,
               "  Bus %2" PRId64 ", device %3" PRId64 ", function %" PRId64
               ":\n    ",
               bus, d->slot, d->function);
    if (d->class_info->desc) {
        hmp_printf(ctx, "%s", d->class_info->desc);
    } else {
        hmp_printf(ctx, "Class %04" PRId64, d->class_info->class);
    }
    hmp_printf(ctx, ": PCI device %04x:%04x\n", (unsigned)d->id->vendor,
               (unsigned)d->id->device);
    hmp_printf(ctx, "      PCI subsystem %04x:%04x\n",
               (unsigned)d->id->subsystem_vendor, (unsigned)d->id->subsystem);
    if (d->has_irq) {
        hmp_printf(ctx, "      IRQ %" PRId64 ", pin %c\n", d->irq,
                   (char)('A' + d->irq_pin - 1));
    }
    for (const PciMemoryRegionList *l = d->regions; l; l = l->next) {
        print_region(ctx, l->value);
    }
    hmp_printf(ctx, "      id \"%s\"\n", d->qdev_id);
}

static void hmp_info_pci(HMPContext *ctx, json_t *args)
{
    PciInfoList *list = qmp_query_pci(NULL);

    if (!list) {
        hmp_printf(ctx, "the machine has no PCI\n");
    }
    for (const PciInfoList *b = list; b; b = b->next) {
        for (const PciDeviceInfoList *d = b->value->devices; d; d = d->next) {
            print_device(ctx, b->value->bus, d->value);
        }
    }
    qapi_free_PciInfoList(list);
}

const HMPCommand hw_pci_hmp_info[] = {
    { .name = "pci",
      .args = "",
      .help = "show PCI functions and what they decode",
      .handler = hmp_info_pci },
    { NULL },
};
