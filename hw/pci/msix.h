/*
 * MSI-X: message signalled interrupts with a table in a BAR (PCI 3.0, 6.8.2).
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_PCI_MSIX_H
#define HW_PCI_MSIX_H

#include "hw/pci/pci.h"

#define MSIX_VECTORS_MAX 2048u

/**
 * msix_init_exclusive_bar:
 * @nentries: vectors, 1 to MSIX_VECTORS_MAX
 * @bar: BAR that holds only the table (at 0) and the pending bits (in the
 *       upper half); 4 KiB or as large as needed
 *
 * In realize(). The core handles configuration writes, reset and the end.
 */
bool msix_init_exclusive_bar(PCIDevice *dev, unsigned nentries, unsigned bar,
                             Error **errp);
/** msix_nr_vectors: 0 without MSI-X. */
unsigned msix_nr_vectors(const PCIDevice *dev);
/** msix_enabled: has the guest turned it on? */
bool msix_enabled(const PCIDevice *dev);
/** msix_is_masked: the vector's mask or the function's. */
bool msix_is_masked(const PCIDevice *dev, unsigned vector);
/** msix_notify: send @vector; kept pending while masked; no-op when not
 *  enabled or out of range. */
void msix_notify(PCIDevice *dev, unsigned vector);
/** msix_set_pending: note it for a later unmask without sending. */
void msix_set_pending(PCIDevice *dev, unsigned vector);
/** msix_get_message: what the table says now. */
MSIMessage msix_get_message(const PCIDevice *dev, unsigned vector);

/**
 * MSIXNotifiers: for devices that send by irqfd.
 * @use: vector @vector is unmasked with @msg (also when @msg changed)
 * @release: it is masked, or MSI-X was turned off
 *
 * Called only while MSI-X is enabled, or going off.
 */
typedef struct MSIXNotifiers {
    void (*use)(PCIDevice *dev, unsigned vector, MSIMessage msg);
    void (*release)(PCIDevice *dev, unsigned vector);
} MSIXNotifiers;

/** msix_set_vector_notifiers: NULL takes them away; @use is called at once
 *  for each vector that is unmasked now, @release for those in use. */
void msix_set_vector_notifiers(PCIDevice *dev, const MSIXNotifiers *notifiers);

/* For hw/pci/pci*.c. */
void msix_reset(PCIDevice *dev);
void msix_uninit(PCIDevice *dev);
void msix_config_written(PCIDevice *dev);
/** msix_loaded: table and configuration space came with a migration. */
void msix_loaded(PCIDevice *dev);
extern const VMStateDescription vmstate_msix; /* of MSIXState */

#endif
