/*
 * MSI.
 *
 * Layout of the capability (PCI 3.0, 6.8.1): header, message control, address
 * (8 bytes with 64-bit), data, and with per-vector masking the mask and
 * pending bits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/pci/msi.h"

#include "util/host-utils.h"

#define MSI_VECTORS_MAX 32u
#define MSI_BYTES_32    0x0a
#define MSI_BYTES_64    0x0e
#define MSI_BYTES_MASK  0x0a /* more with per-vector masking */

static uint16_t flags_of(const PCIDevice *dev)
{
    return pci_get_word(dev->config + dev->msi_cap + PCI_MSI_FLAGS);
}

/* Offsets that depend on what the capability can do. */
static unsigned data_at(const PCIDevice *dev)
{
    return dev->msi_cap + (flags_of(dev) & PCI_MSI_FLAGS_64BIT ? 0x0cu : 0x08u);
}

static unsigned mask_at(const PCIDevice *dev)
{
    return data_at(dev) + 4;
}

static unsigned pending_at(const PCIDevice *dev)
{
    return data_at(dev) + 8;
}

bool msi_init(PCIDevice *dev, uint8_t offset, unsigned nr_vectors,
              bool msi64bit, bool msi_per_vector_mask, Error **errp)
{
    uint16_t flags = (uint16_t)(ctz32(nr_vectors) << 1);
    uint8_t bytes = msi64bit ? MSI_BYTES_64 : MSI_BYTES_32;

    assert(is_power_of_2(nr_vectors) && nr_vectors <= MSI_VECTORS_MAX);
    if (msi64bit) {
        flags |= PCI_MSI_FLAGS_64BIT;
    }
    if (msi_per_vector_mask) {
        flags |= PCI_MSI_FLAGS_MASKBIT;
        bytes += MSI_BYTES_MASK;
    }
    dev->msi_cap = pci_add_capability(dev, PCI_CAP_ID_MSI, offset, bytes, errp);
    if (!dev->msi_cap) {
        return false;
    }
    pci_set_word(dev->config + dev->msi_cap + PCI_MSI_FLAGS, flags);
    pci_set_word(dev->wmask + dev->msi_cap + PCI_MSI_FLAGS,
                 PCI_MSI_FLAGS_QSIZE | PCI_MSI_FLAGS_ENABLE);
    pci_set_long(dev->wmask + dev->msi_cap + PCI_MSI_ADDRESS_LO, ~0x3u);
    if (msi64bit) {
        pci_set_long(dev->wmask + dev->msi_cap + PCI_MSI_ADDRESS_HI, ~0u);
    }
    pci_set_word(dev->wmask + data_at(dev), 0xffff);
    if (msi_per_vector_mask) {
        pci_set_long(dev->wmask + mask_at(dev),
                     nr_vectors == 32 ? ~0u : (1u << nr_vectors) - 1);
    }
    return true;
}

bool msi_enabled(const PCIDevice *dev)
{
    return dev->msi_cap && (flags_of(dev) & PCI_MSI_FLAGS_ENABLE);
}

unsigned msi_nr_vectors_allocated(const PCIDevice *dev)
{
    unsigned have = (flags_of(dev) & PCI_MSI_FLAGS_QMASK) >> 1;
    unsigned given = (flags_of(dev) & PCI_MSI_FLAGS_QSIZE) >> 4;

    return 1u << MIN(have, given);
}

static void send(PCIDevice *dev, unsigned vector)
{
    const uint8_t *cap = dev->config + dev->msi_cap;
    MSIMessage msg = { .address = pci_get_long(cap + PCI_MSI_ADDRESS_LO) };

    if (flags_of(dev) & PCI_MSI_FLAGS_64BIT) {
        msg.address |= (uint64_t)pci_get_long(cap + PCI_MSI_ADDRESS_HI) << 32;
    }
    /* The low bits of the data number the vector. */
    msg.data = pci_get_word(dev->config + data_at(dev));
    msg.data &= ~(msi_nr_vectors_allocated(dev) - 1);
    msg.data |= vector;
    pci_send_msi(dev, msg);
}

void msi_notify(PCIDevice *dev, unsigned vector)
{
    uint8_t *pending;

    if (!msi_enabled(dev)) {
        return;
    }
    vector %= msi_nr_vectors_allocated(dev);
    if (flags_of(dev) & PCI_MSI_FLAGS_MASKBIT &&
        pci_get_long(dev->config + mask_at(dev)) & (1u << vector)) {
        pending = dev->config + pending_at(dev);
        pci_set_long(pending, pci_get_long(pending) | 1u << vector);
        return;
    }
    send(dev, vector);
}

void msi_reset(PCIDevice *dev)
{
    uint8_t *cap = dev->config + dev->msi_cap;
    uint16_t keep =
        PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | PCI_MSI_FLAGS_QMASK;

    if (!dev->msi_cap) {
        return;
    }
    pci_set_word(cap + PCI_MSI_FLAGS, flags_of(dev) & keep);
    pci_set_long(cap + PCI_MSI_ADDRESS_LO, 0);
    if (flags_of(dev) & PCI_MSI_FLAGS_64BIT) {
        pci_set_long(cap + PCI_MSI_ADDRESS_HI, 0);
    }
    pci_set_word(dev->config + data_at(dev), 0);
    if (flags_of(dev) & PCI_MSI_FLAGS_MASKBIT) {
        pci_set_long(dev->config + mask_at(dev), 0);
        pci_set_long(dev->config + pending_at(dev), 0);
    }
}

void msi_volatile_bits(const PCIDevice *dev, uint8_t *mask)
{
    if (dev->msi_cap && (flags_of(dev) & PCI_MSI_FLAGS_MASKBIT)) {
        memset(mask + pending_at(dev), 0xff, 4);
    }
}

/* Send what waited for a mask that is gone. */
void msi_config_written(PCIDevice *dev)
{
    uint32_t ready;

    if (!msi_enabled(dev) || !(flags_of(dev) & PCI_MSI_FLAGS_MASKBIT)) {
        return;
    }
    ready = pci_get_long(dev->config + pending_at(dev)) &
            ~pci_get_long(dev->config + mask_at(dev));
    pci_set_long(dev->config + pending_at(dev),
                 pci_get_long(dev->config + pending_at(dev)) & ~ready);
    for (; ready; ready &= ready - 1) {
        send(dev, ctz32(ready) % msi_nr_vectors_allocated(dev));
    }
}
