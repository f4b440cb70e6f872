/*
 * MSI: message signalled interrupts (PCI 3.0, 6.8.1).
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_PCI_MSI_H
#define HW_PCI_MSI_H

#include "hw/pci/pci.h"

/**
 * msi_init:
 * @offset: of the capability, 0 = anywhere
 * @nr_vectors: 1, 2, 4, 8, 16, 32
 *
 * In realize(). The core handles configuration writes, reset and the end.
 */
bool msi_init(PCIDevice *dev, uint8_t offset, unsigned nr_vectors,
              bool msi64bit, bool msi_per_vector_mask, Error **errp);
/** msi_enabled: has the guest turned it on? */
bool msi_enabled(const PCIDevice *dev);
/** msi_nr_vectors_allocated: how many the guest gave. */
unsigned msi_nr_vectors_allocated(const PCIDevice *dev);
/** msi_notify: send vector @vector (modulo those allocated); kept pending
 *  while masked; no-op when not enabled. */
void msi_notify(PCIDevice *dev, unsigned vector);

/* For hw/pci/pci*.c. */
void msi_reset(PCIDevice *dev);
void msi_config_written(PCIDevice *dev);
/** msi_volatile_bits: set in @mask (PCI_CONFIG_BYTES) what the function itself
 *  changes in its capability. */
void msi_volatile_bits(const PCIDevice *dev, uint8_t *mask);

#endif
