/*
 * What a migration carries of every PCI function: configuration space, the
 * level of its INTx, MSI-X.
 *
 * What the guest cannot change in configuration space says what the function
 * is, so it has to be the same on both sides. What follows from the rest is
 * made anew: where the BARs decode, what the bus sees of INTx. A function that
 * is loaded drives its line to the level that it had; the interrupt
 * controllers know that level already, so no edge is seen.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/vmstate-check.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci-internal.h"
#include "migration/constants.h"
#include "migration/qemu-file.h"

/* Bits that may differ from those of a function that was just made. */
static void changeable_bits(const PCIDevice *dev, uint8_t *mask)
{
    for (unsigned i = 0; i < PCI_CONFIG_BYTES; i++) {
        mask[i] = dev->wmask[i] | dev->w1cmask[i];
    }
    mask[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    msi_volatile_bits(dev, mask);
}

static int get_config(QEMUFile *f, void *pv, size_t size,
                      const VMStateField *field)
{
    PCIDevice *dev = container_of(pv, PCIDevice, config);
    uint8_t config[PCI_CONFIG_BYTES] = { 0 };
    uint8_t mask[PCI_CONFIG_BYTES];
    Error *err = NULL;

    if (qemu_get_buffer(f, config, sizeof(config)) != sizeof(config)) {
        return -EIO;
    }
    changeable_bits(dev, mask);
    for (unsigned i = 0; i < PCI_CONFIG_BYTES; i++) {
        if ((config[i] ^ dev->config[i]) & ~mask[i]) {
            error_setg(&err,
                       "PCI function %02x.%x (%s): byte 0x%02x of "
                       "configuration space is 0x%02x, but 0x%02x here",
                       PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn),
                       object_get_typename(OBJECT(dev)), i, config[i],
                       dev->config[i]);
            qemu_file_set_error_obj(f, -EINVAL, err);
            return -EINVAL;
        }
    }
    memcpy(dev->config, config, sizeof(config));
    return 0;
}

static int put_config(QEMUFile *f, void *pv, size_t size,
                      const VMStateField *field, JSONWriter *vmdesc)
{
    qemu_put_buffer(f, pv, PCI_CONFIG_BYTES);
    return 0;
}

static const VMStateInfo vmstate_info_pci_config = {
    .name = "pci config",
    .get = get_config,
    .put = put_config,
};

static bool has_msix(void *opaque, int version_id)
{
    return ((PCIDevice *)opaque)->msix != NULL;
}

static int pci_post_load(void *opaque, int version_id)
{
    PCIDevice *dev = opaque;

    pci_update_mappings(dev);
    pci_update_irq(dev);
    if (dev->msix) {
        msix_loaded(dev);
    }
    return 0;
}

/* What get_config() compares, and what follows from the writable bits. */
static void pci_constants(void *opaque, VMStateConstants *c)
{
    const PCIDevice *dev = opaque;
    uint8_t mask[PCI_CONFIG_BYTES];

    changeable_bits(dev, mask);
    vmstate_constant_bytes(c, "PCI configuration space", dev->config, mask,
                           PCI_CONFIG_BYTES);
    for (unsigned i = 0; i < PCI_NUM_REGIONS; i++) {
        g_autofree char *name = g_strdup_printf("size of BAR %u", i);

        vmstate_constant(c, name, dev->region[i].size);
    }
}

const VMStateDescription vmstate_pci_device = {
    .name = "PCIDevice",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = pci_post_load,
    .constants = pci_constants,
    .fields =
        (const VMStateField[]){
            VMSTATE_BUFFER_UNSAFE_INFO(config, PCIDevice, 0,
                                       vmstate_info_pci_config,
                                       PCI_CONFIG_BYTES),
            VMSTATE_BOOL(irq_level, PCIDevice),
            VMSTATE_STRUCT_POINTER_TEST(msix, PCIDevice, has_msix, vmstate_msix,
                                        MSIXState),
            VMSTATE_END_OF_LIST() },
};

char *pci_get_dev_path(DeviceState *qdev)
{
    const PCIDevice *dev = PCI_DEVICE(qdev);

    return g_strdup_printf("0000:00:%02x.%x", PCI_SLOT(dev->devfn),
                           PCI_FUNC(dev->devfn));
}
