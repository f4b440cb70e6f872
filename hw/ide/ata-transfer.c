/*
 * ATA: moving sectors, by PIO and by bus master.
 *
 *   PIO read    request -> buffer -> DRQ, interrupt -> guest reads -> next
 *   PIO write   DRQ -> guest writes -> request -> DRQ, interrupt -> next
 *   DMA         request straight from or into the guest's memory, in pieces
 *
 * Source: ATA/ATAPI-6, 9.5 (PIO data-in), 9.6 (PIO data-out), 9.7 (DMA).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/ide/ata.h"
#include "hw/ide/bmdma.h"

/* -- ends ---------------------------------------------------------------------- */

static bool uses_lba48(const ATADisk *d)
{
    /* All commands with 48-bit addresses have DEV bit 6 set as well. */
    return d->lba > 0x0fffffff;
}

static void transfer_failed(ATADisk *d, int ret)
{
    IDEDevice *dev = IDE_DEVICE(d);

    ata_note_address(d, uses_lba48(d), d->lba);
    ide_error(dev, ret == -ENOMEDIUM || ret == -EROFS ? IDE_ABRT
                   : d->write                         ? IDE_ABRT | IDE_IDNF
                                                      : IDE_UNC);
}

static void advance(ATADisk *d, uint32_t sectors)
{
    d->lba += sectors;
    d->left -= sectors;
}

/* -- PIO --------------------------------------------------------------------------- */

static uint32_t block_sectors(const ATADisk *d)
{
    return MIN(d->left, d->block);
}

static void read_block(ATADisk *d);

static void block_read_by_guest(ATADisk *d)
{
    IDEDevice *dev = IDE_DEVICE(d);

    advance(d, block_sectors(d));
    if (d->left) {
        read_block(d);
    } else {
        ata_note_address(d, uses_lba48(d), d->lba - 1);
        dev->pio_kind = IDE_PIO_NONE;
        dev->regs.status = IDE_DRDY | IDE_DSC;
    }
}

static void block_is_read(IDEDevice *dev, IDERequest *req, int ret)
{
    if (ret < 0) {
        transfer_failed(IDE_HD(dev), ret);
        return;
    }
    memcpy(dev->buffer, req->bounce, req->bytes);
    ide_pio(dev, req->bytes, IDE_PIO_IN, true);
}

static void read_block(ATADisk *d)
{
    IDERequest *req = ide_request_new(IDE_DEVICE(d), IDE_READ,
                                      (int64_t)(d->lba * IDE_SECTOR_BYTES),
                                      IDE_RETRY_IN, block_is_read);

    ide_request_bounce(req, block_sectors(d) * IDE_SECTOR_BYTES);
    ide_request_submit(req);
}

static void block_is_written(IDEDevice *dev, IDERequest *req, int ret);

static void block_written_by_guest(ATADisk *d)
{
    IDEDevice *dev = IDE_DEVICE(d);
    IDERequest *req =
        ide_request_new(dev, IDE_WRITE, (int64_t)(d->lba * IDE_SECTOR_BYTES),
                        IDE_RETRY_OUT, block_is_written);

    ide_request_bounce(req, block_sectors(d) * IDE_SECTOR_BYTES);
    memcpy(req->bounce, dev->buffer, req->bytes);
    req->fua = d->fua;
    ide_request_submit(req);
}

static void block_is_written(IDEDevice *dev, IDERequest *req, int ret)
{
    ATADisk *d = IDE_HD(dev);

    if (ret < 0) {
        transfer_failed(d, ret);
        return;
    }
    advance(d, (uint32_t)(req->bytes / IDE_SECTOR_BYTES));
    if (d->left) {
        ide_pio(dev, block_sectors(d) * IDE_SECTOR_BYTES, IDE_PIO_OUT, true);
    } else {
        ata_note_address(d, uses_lba48(d), d->lba - 1);
        ide_ok(dev);
    }
}

/* Take the address. Returns: false if the command was refused. */
static bool begin(ATADisk *d, unsigned flags)
{
    IDEDevice *dev = IDE_DEVICE(d);

    d->write = flags & ATA_WRITE;
    d->fua = flags & ATA_FUA;
    d->block = flags & ATA_MULTI ? d->multiple : 1;
    if (!d->block) {
        ide_abort(dev);
        return false;
    }
    if (!ata_address(d, flags & ATA_EXT, &d->lba, &d->left)) {
        ide_error(dev, IDE_IDNF | IDE_ABRT);
        return false;
    }
    if (d->write && !blk_is_writable(dev->conf.blk)) {
        ide_abort(dev);
        return false;
    }
    return true;
}

void ata_pio(ATADisk *d, unsigned flags)
{
    if (!begin(d, flags)) {
        return;
    }
    if (d->write) {
        ide_pio(IDE_DEVICE(d), block_sectors(d) * IDE_SECTOR_BYTES, IDE_PIO_OUT,
                false);
    } else {
        read_block(d);
    }
}

/* -- DMA ---------------------------------------------------------------------------- */

static void dma_next(ATADisk *d);

static void dma_done(IDEDevice *dev, IDERequest *req, int ret)
{
    ATADisk *d = IDE_HD(dev);

    if (ret < 0) {
        bmdma_end(dev->bus->bm, true);
        transfer_failed(d, ret);
        return;
    }
    advance(d, (uint32_t)(req->bytes / IDE_SECTOR_BYTES));
    dma_next(d);
}

static void dma_next(ATADisk *d)
{
    IDEDevice *dev = IDE_DEVICE(d);
    BMDMA *bm = dev->bus->bm;
    size_t bytes = MIN((size_t)d->left * IDE_SECTOR_BYTES, IDE_DMA_CHUNK_BYTES);
    IDERequest *req;

    if (!d->left) {
        ata_note_address(d, uses_lba48(d), d->lba - 1);
        bmdma_end(bm, false);
        ide_ok(dev);
        return;
    }
    req = ide_request_new(dev, d->write ? IDE_WRITE : IDE_READ,
                          (int64_t)(d->lba * IDE_SECTOR_BYTES), IDE_RETRY_DMA,
                          dma_done);
    req->fua = d->fua;
    if (bmdma_map(bm, req, bytes, !d->write)) {
        ide_request_submit(req);
    } else {
        ide_request_free(req);
        bmdma_end(bm, true);
        ide_abort(dev);
    }
}

void ata_dma_ready(IDEDevice *dev)
{
    dma_next(IDE_HD(dev));
}

void ata_dma(ATADisk *d, unsigned flags)
{
    if (begin(d, flags) && !ide_dma_wait(IDE_DEVICE(d))) {
        ide_abort(IDE_DEVICE(d));
    }
}

/* -- without data --------------------------------------------------------------------- */

void ata_verify(ATADisk *d, bool ext)
{
    if (begin(d, ext ? ATA_EXT : 0)) {
        ata_note_address(d, ext, d->lba + d->left - 1);
        ide_ok(IDE_DEVICE(d));
    }
}

static void flush_done(IDEDevice *dev, IDERequest *req, int ret)
{
    if (ret < 0) {
        ide_error(dev, IDE_ABRT);
    } else {
        ide_ok(dev);
    }
}

void ata_flush(ATADisk *d)
{
    ide_request_submit(ide_request_new(IDE_DEVICE(d), IDE_FLUSH, 0,
                                       IDE_RETRY_FLUSH, flush_done));
}

/* -- from the channel ------------------------------------------------------------------ */

void ata_pio_done(IDEDevice *dev, IDEPIOKind kind)
{
    if (kind == IDE_PIO_IN) {
        block_read_by_guest(IDE_HD(dev));
    } else if (kind == IDE_PIO_OUT) {
        block_written_by_guest(IDE_HD(dev));
    }
}

void ata_retry(IDEDevice *dev, IDERetry what)
{
    ATADisk *d = IDE_HD(dev);

    switch (what) {
    case IDE_RETRY_IN:
        read_block(d);
        break;
    case IDE_RETRY_OUT:
        block_written_by_guest(d);
        break;
    case IDE_RETRY_DMA:
        dma_next(d);
        break;
    case IDE_RETRY_FLUSH:
        ata_flush(d);
        break;
    case IDE_RETRY_NONE:
        break;
    }
}
