/*
 * What a migration carries of an IDE channel and of its drives.
 *
 * While the machine stands still no request runs: a transfer has either
 * ended, waits for the guest (PIO, or the bus master to be started), or has
 * failed with werror=stop and waits to be tried again (IDEDevice.retry). So a
 * transfer is where it goes on: addresses and counts, the part of the buffer
 * that matters, and the bus master's place in its table.
 *
 * All that is used as an index, a length or a divisor later is checked here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/vmstate-check.h"
#include "hw/ide/ata.h"
#include "hw/ide/atapi.h"
#include "hw/ide/bmdma.h"

#define ATA_HEADS_MAX     16u
#define ATA_PER_TRACK_MAX 255u
#define ATA_LEFT_MAX      0x10000u
#define ATAPI_LIMIT_MIN   2u
#define ATAPI_LIMIT_MAX   0xfffeu
#define BIT_OF(kind)      (1u << (kind))

/* -- channel ------------------------------------------------------------------- */

static bool bus_post_load(void *opaque, int version_id, Error **errp)
{
    IDEBus *bus = opaque;

    if (!vmstate_check("selected drive", bus->selected, 0, IDE_UNITS - 1,
                       errp)) {
        return false;
    }
    ide_bus_loaded(bus);
    return true;
}

const VMStateDescription vmstate_ide_bus = {
    .name = "ide_bus",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = bus_post_load,
    .fields = (const VMStateField[]){ VMSTATE_UINT8(selected, IDEBus),
                                      VMSTATE_UINT8(control, IDEBus),
                                      VMSTATE_BOOL(irq_wanted, IDEBus),
                                      VMSTATE_END_OF_LIST() },
};

static bool bmdma_post_load(void *opaque, int version_id, Error **errp)
{
    BMDMA *bm = opaque;

    bmdma_mask_registers(bm);
    return vmstate_check("bus master's bytes left", bm->at.left, 0,
                         BMDMA_REGION_MAX, errp) &&
           vmstate_check("bus master's regions read", bm->at.prds, 0,
                         BMDMA_PRDS_MAX + 1, errp);
}

const VMStateDescription vmstate_bmdma = {
    .name = "ide_bmdma",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = bmdma_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT8(command, BMDMA), VMSTATE_UINT8(status, BMDMA),
            VMSTATE_UINT32(table, BMDMA), VMSTATE_UINT32(at.next, BMDMA),
            VMSTATE_UINT32(at.addr, BMDMA), VMSTATE_UINT32(at.left, BMDMA),
            VMSTATE_BOOL(at.last, BMDMA), VMSTATE_UINT32(at.prds, BMDMA),
            VMSTATE_BOOL(waiting, BMDMA), VMSTATE_END_OF_LIST() },
};

/* -- what all drives have ------------------------------------------------------- */

static int drive_pre_save(void *opaque)
{
    IDEDevice *dev = opaque;

    /* A block that is to be written again is longer than what is offered. */
    dev->saved_bytes = dev->retry == IDE_RETRY_OUT
                           ? IDE_MULTIPLE_MAX * IDE_SECTOR_BYTES
                           : dev->pio_end;
    dev->saved_write_cache = blk_enable_write_cache(dev->conf.blk);
    return 0;
}

static int drive_pre_load(void *opaque)
{
    /* So many bytes there is room for. */
    ((IDEDevice *)opaque)->saved_bytes = IDE_BUFFER_BYTES;
    return 0;
}

static bool drive_post_load(void *opaque, int version_id, Error **errp)
{
    IDEDevice *dev = opaque;

    if (!vmstate_check("end of a PIO block", dev->pio_end, 0, IDE_BUFFER_BYTES,
                       errp) ||
        !vmstate_check("place in a PIO block", dev->pio_at, 0, dev->pio_end,
                       errp) ||
        !vmstate_check("kind of a PIO block", dev->pio_kind, 0, IDE_PIO_PACKET,
                       errp) ||
        !vmstate_check("transfer to repeat", dev->retry, 0, IDE_RETRY_FLUSH,
                       errp)) {
        return false;
    }
    blk_set_enable_write_cache(dev->conf.blk, dev->saved_write_cache);
    return true;
}

static const VMStateDescription vmstate_ide_drive = {
    .name = "ide_drive",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = drive_pre_save,
    .pre_load = drive_pre_load,
    .post_load_errp = drive_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT8(regs.feature, IDEDevice),
            VMSTATE_UINT8(regs.error, IDEDevice),
            VMSTATE_UINT8(regs.count, IDEDevice),
            VMSTATE_UINT8_ARRAY(regs.lba, IDEDevice, 3),
            VMSTATE_UINT8(regs.device, IDEDevice),
            VMSTATE_UINT8(regs.status, IDEDevice),
            VMSTATE_UINT8(regs.hob.feature, IDEDevice),
            VMSTATE_UINT8(regs.hob.count, IDEDevice),
            VMSTATE_UINT8_ARRAY(regs.hob.lba, IDEDevice, 3),
            VMSTATE_UINT8(dma_mode, IDEDevice),
            VMSTATE_UINT32(pio_at, IDEDevice),
            VMSTATE_UINT32(pio_end, IDEDevice),
            VMSTATE_UINT8(pio_kind, IDEDevice), VMSTATE_UINT8(retry, IDEDevice),
            VMSTATE_BOOL(saved_write_cache, IDEDevice),
            VMSTATE_UINT32(saved_bytes, IDEDevice),
            VMSTATE_VBUFFER_UINT32(buffer, IDEDevice, 0, NULL, saved_bytes),
            VMSTATE_END_OF_LIST() },
};

/* Are the drive's PIO block and repeated transfer of a kind in these sets? */
static bool check_kinds(const IDEDevice *dev, unsigned pio, unsigned retry,
                        Error **errp)
{
    if (!(BIT_OF(dev->pio_kind) & (pio | BIT_OF(IDE_PIO_NONE)))) {
        error_setg(errp, "%s has no PIO block of kind %u",
                   object_get_typename(OBJECT(dev)), dev->pio_kind);
        return false;
    }
    if (!(BIT_OF(dev->retry) & (retry | BIT_OF(IDE_RETRY_NONE)))) {
        error_setg(errp, "%s has no transfer to repeat of kind %u",
                   object_get_typename(OBJECT(dev)), dev->retry);
        return false;
    }
    return true;
}

/* -- disk ------------------------------------------------------------------------- */

/* Does anything look at the transfer's address and counts again? */
static bool ata_transfer_waits(const ATADisk *d)
{
    const IDEDevice *dev = &d->parent_obj;

    return dev->pio_kind == IDE_PIO_IN || dev->pio_kind == IDE_PIO_OUT ||
           (dev->retry != IDE_RETRY_NONE && dev->retry != IDE_RETRY_FLUSH) ||
           (dev->pio_kind == IDE_PIO_NONE && (dev->regs.status & IDE_DRQ));
}

static bool ata_check_transfer(const ATADisk *d, Error **errp)
{
    if (!ata_transfer_waits(d)) {
        return true;
    }
    return vmstate_check("sectors of a PIO block", d->block, 1,
                         IDE_MULTIPLE_MAX, errp) &&
           vmstate_check("sectors left", d->left, 1,
                         MIN(d->sectors, ATA_LEFT_MAX), errp) &&
           vmstate_check("first sector", d->lba, 0, d->sectors - d->left, errp);
}

static bool ata_post_load(void *opaque, int version_id, Error **errp)
{
    ATADisk *d = opaque;

    if (!check_kinds(&d->parent_obj,
                     BIT_OF(IDE_PIO_REPLY) | BIT_OF(IDE_PIO_IN) |
                         BIT_OF(IDE_PIO_OUT),
                     BIT_OF(IDE_RETRY_IN) | BIT_OF(IDE_RETRY_OUT) |
                         BIT_OF(IDE_RETRY_DMA) | BIT_OF(IDE_RETRY_FLUSH),
                     errp) ||
        !vmstate_check("heads", d->geometry.heads, 1, ATA_HEADS_MAX, errp) ||
        !vmstate_check("sectors of a track", d->geometry.sectors, 1,
                       ATA_PER_TRACK_MAX, errp) ||
        !ata_check_transfer(d, errp)) {
        return false;
    }
    if (d->multiple > IDE_MULTIPLE_MAX || (d->multiple & (d->multiple - 1))) {
        error_setg(errp, "sectors of a multiple transfer are %u", d->multiple);
        return false;
    }
    return true;
}

const VMStateDescription vmstate_ide_hd = {
    .name = "ide-hd",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = ata_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_STRUCT(parent_obj, ATADisk, 0, vmstate_ide_drive,
                           IDEDevice),
            VMSTATE_UINT8(geometry.heads, ATADisk),
            VMSTATE_UINT8(geometry.sectors, ATADisk),
            VMSTATE_UINT32(multiple, ATADisk), VMSTATE_BOOL(smart, ATADisk),
            VMSTATE_BOOL(smart_autosave, ATADisk), VMSTATE_UINT64(lba, ATADisk),
            VMSTATE_UINT32(left, ATADisk), VMSTATE_UINT32(block, ATADisk),
            VMSTATE_BOOL(write, ATADisk), VMSTATE_BOOL(fua, ATADisk),
            VMSTATE_END_OF_LIST() },
};

/* -- CD-ROM ------------------------------------------------------------------------- */

static bool atapi_check_data(const ATAPIDrive *d, Error **errp)
{
    if (d->left && !vmstate_check("bytes of a PIO block", d->limit,
                                  ATAPI_LIMIT_MIN, ATAPI_LIMIT_MAX, errp)) {
        return false;
    }
    if (d->from_medium) {
        return vmstate_check("place on the medium", (uint64_t)d->offset, 0,
                             INT64_MAX, errp) &&
               vmstate_check("bytes left", d->left, 0,
                             (uint64_t)(INT64_MAX - d->offset), errp);
    }
    return vmstate_check("place in a reply", d->reply_at, 0, ATAPI_REPLY_BYTES,
                         errp) &&
           vmstate_check("bytes of a reply left", d->left, 0,
                         ATAPI_REPLY_BYTES - d->reply_at, errp);
}

static bool atapi_post_load(void *opaque, int version_id, Error **errp)
{
    ATAPIDrive *d = opaque;

    return check_kinds(&d->parent_obj,
                       BIT_OF(IDE_PIO_REPLY) | BIT_OF(IDE_PIO_IN) |
                           BIT_OF(IDE_PIO_PACKET),
                       BIT_OF(IDE_RETRY_IN) | BIT_OF(IDE_RETRY_DMA), errp) &&
           vmstate_check("media event", d->event, 0, ATAPI_EVENT_REMOVAL,
                         errp) &&
           atapi_check_data(d, errp);
}

const VMStateDescription vmstate_ide_cd = {
    .name = "ide-cd",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = atapi_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_STRUCT(parent_obj, ATAPIDrive, 0, vmstate_ide_drive,
                           IDEDevice),
            VMSTATE_UINT8_ARRAY(packet, ATAPIDrive, ATAPI_PACKET_BYTES),
            VMSTATE_BOOL(dma, ATAPIDrive), VMSTATE_UINT32(limit, ATAPIDrive),
            VMSTATE_UINT32(sense, ATAPIDrive),
            VMSTATE_BOOL(tray_open, ATAPIDrive),
            VMSTATE_BOOL(locked, ATAPIDrive),
            VMSTATE_BOOL(medium_changed, ATAPIDrive),
            VMSTATE_UINT8(event, ATAPIDrive),
            VMSTATE_UINT8_ARRAY(reply, ATAPIDrive, ATAPI_REPLY_BYTES),
            VMSTATE_UINT32(reply_at, ATAPIDrive),
            VMSTATE_BOOL(from_medium, ATAPIDrive),
            VMSTATE_INT64(offset, ATAPIDrive), VMSTATE_UINT64(left, ATAPIDrive),
            VMSTATE_END_OF_LIST() },
};
