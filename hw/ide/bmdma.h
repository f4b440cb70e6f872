/*
 * Bus master of an IDE channel: moves data between a drive and the guest's
 * memory along a table of physical regions (PRD table).
 *
 *   PRD: le32 address; le16 bytes (0 = 64 KiB); le16 flags (8000h = last)
 *
 * Source: SFF-8038i 1.0; Intel 82371SB data sheet, 2.6 (BMICX, BMISX, BMIDTPX).
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_IDE_BMDMA_H
#define HW_IDE_BMDMA_H

#include "hw/ide/ide.h"
#include "hw/pci/pci.h"

#define BMDMA_REGS 8u /* bytes of one channel's registers */
/* Regions that a table may have for one command: 32 MiB in single words are
 * more than anybody needs. */
#define BMDMA_PRDS_MAX   65536u
#define BMDMA_REGION_MAX 65536u /* bytes of a region */

struct BMDMA {
    PCIDevice *pci;
    IDEBus *bus;

    uint8_t command;
    uint8_t status;
    uint32_t table;

    BMDMAPlace at;
    bool waiting; /* a drive waits for the guest to start it */
};

void bmdma_reset(BMDMA *bm);
/** bmdma_mask_registers: clear the bits that there are not. */
void bmdma_mask_registers(BMDMA *bm);
uint32_t bmdma_read(BMDMA *bm, unsigned offset, unsigned size);
void bmdma_write(BMDMA *bm, unsigned offset, uint32_t value, unsigned size);

/** bmdma_irq: the drive raised its line. */
void bmdma_irq(BMDMA *bm);
/** bmdma_wait: a drive is ready: ide_bus_dma_ready() when the guest is. */
void bmdma_wait(BMDMA *bm);
/** bmdma_map: give @req up to @bytes of the guest's memory. Returns: how many,
 *  a multiple of a sector; 0 if the table ends or names what is no RAM. */
size_t bmdma_map(BMDMA *bm, IDERequest *req, size_t bytes, bool to_memory);
/** bmdma_copy: move @bytes from @buf into the guest's memory. Returns: how
 *  many there was room for. */
size_t bmdma_copy(BMDMA *bm, const void *buf, size_t bytes);
/** bmdma_unmap: @written: all of the mapped memory was written. */
void bmdma_unmap(BMDMA *bm, IDERequest *req, bool written);
/** bmdma_end: the command is over; @error: it did not move its data. */
void bmdma_end(BMDMA *bm, bool error);

#endif
