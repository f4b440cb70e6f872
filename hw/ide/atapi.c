/*
 * `ide-cd`: an ATAPI CD-ROM drive: IDE commands, packet protocol, medium.
 *
 * Data goes to the guest in blocks as large as it asked for (byte count
 * registers); each block of the medium is read when its turn has come. By DMA
 * it goes straight into the guest's memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/ide/atapi.h"

#include "hw/ide/ata-identify.h"
#include "hw/ide/bmdma.h"
#include "hw/machine-lock.h"
#include "trace/trace-hw.h"
#include "util/error.h"

#define CMD_NOP             0x00
#define CMD_PACKET          0xa0
#define CMD_IDENTIFY_PACKET 0xa1
#define CMD_STANDBY_NOW     0xe0
#define CMD_IDLE_NOW        0xe1
#define CMD_POWER_MODE      0xe5
#define CMD_SLEEP           0xe6
#define CMD_FLUSH           0xe7
#define CMD_IDENTIFY        0xec
#define CMD_READ            0x20
#define CMD_SET_FEATURES    0xef
#define FEATURE_MODE        0x03
#define FEATURE_DMA         0x01 /* of PACKET */
#define FEATURE_OVERLAP     0x02
#define MODE_MULTIWORD      0x20
#define MODE_ULTRA          0x40
#define POWER_ACTIVE        0xff
#define LIMIT_MAX           0xfffeu

/* -- medium ------------------------------------------------------------------------- */

bool atapi_has_medium(const ATAPIDrive *d)
{
    return !d->tray_open && blk_is_inserted(d->parent_obj.conf.blk) &&
           blk_getlength(d->parent_obj.conf.blk) >= (int)ATAPI_BLOCK_BYTES;
}

uint32_t atapi_blocks(const ATAPIDrive *d)
{
    int64_t bytes = blk_getlength(d->parent_obj.conf.blk);

    return bytes > 0 ? (uint32_t)MIN(bytes / ATAPI_BLOCK_BYTES, UINT32_MAX) : 0;
}

static void change_media(void *opaque, bool load)
{
    ATAPIDrive *d = opaque;

    MACHINE_LOCK_GUARD();
    d->medium_changed = load;
    d->event = load ? ATAPI_EVENT_NEW_MEDIUM : ATAPI_EVENT_REMOVAL;
}

static void set_tray(void *opaque, bool open)
{
    ATAPIDrive *d = opaque;

    MACHINE_LOCK_GUARD();
    d->tray_open = open;
    change_media(d, !open && blk_is_inserted(d->parent_obj.conf.blk));
}

static void eject_request(void *opaque, bool force)
{
    ATAPIDrive *d = opaque;

    MACHINE_LOCK_GUARD();
    d->event = ATAPI_EVENT_EJECT_REQUEST;
    if (force) {
        d->locked = false;
    }
}

static bool is_tray_open(void *opaque)
{
    return ((const ATAPIDrive *)opaque)->tray_open;
}

static bool is_medium_locked(void *opaque)
{
    return ((const ATAPIDrive *)opaque)->locked;
}

static const BlockDevOps dev_ops = {
    .change_media = change_media,
    .set_tray = set_tray,
    .eject_request = eject_request,
    .is_tray_open = is_tray_open,
    .is_medium_locked = is_medium_locked,
};

/* -- packet protocol ------------------------------------------------------------------ */

void atapi_ok(ATAPIDrive *d)
{
    IDEDevice *dev = IDE_DEVICE(d);

    d->sense = SENSE_OK;
    dev->regs.count = IDE_REASON_IO | IDE_REASON_CD;
    ide_ok(dev);
}

void atapi_fail(ATAPIDrive *d, uint32_t sense)
{
    IDEDevice *dev = IDE_DEVICE(d);

    trace_atapi_fail(d->packet[0], sense);
    d->sense = sense;
    dev->regs.count = IDE_REASON_IO | IDE_REASON_CD;
    ide_error(dev, (uint8_t)((sense >> 16) << 4 | IDE_ABRT));
}

static void send_block(ATAPIDrive *d);

/* A block is in the buffer: the guest's turn. */
static void offer_block(ATAPIDrive *d, size_t bytes)
{
    IDEDevice *dev = IDE_DEVICE(d);

    d->left -= bytes;
    dev->regs.count = IDE_REASON_IO;
    dev->regs.lba[1] = (uint8_t)bytes;
    dev->regs.lba[2] = (uint8_t)(bytes >> 8);
    ide_pio(dev, QEMU_ALIGN_UP(bytes, 2), IDE_PIO_IN, true);
}

static void block_is_read(IDEDevice *dev, IDERequest *req, int ret)
{
    ATAPIDrive *d = IDE_CD(dev);

    if (ret < 0) {
        atapi_fail(d, ret == -ENOMEDIUM ? SENSE_NO_MEDIUM : SENSE_MEDIUM_ERROR);
        return;
    }
    memcpy(dev->buffer, req->bounce, req->bytes);
    d->offset += (int64_t)req->bytes;
    offer_block(d, req->bytes);
}

static void send_block(ATAPIDrive *d)
{
    IDEDevice *dev = IDE_DEVICE(d);
    size_t bytes = (size_t)MIN(d->left, d->limit);
    IDERequest *req;

    if (!d->left) {
        atapi_ok(d);
    } else if (d->from_medium) {
        req = ide_request_new(dev, IDE_READ, d->offset, IDE_RETRY_IN,
                              block_is_read);
        ide_request_bounce(req, bytes);
        ide_request_submit(req);
    } else {
        memcpy(dev->buffer, d->reply + d->reply_at, bytes);
        d->reply_at += bytes;
        offer_block(d, bytes);
    }
}

static void begin_data(ATAPIDrive *d)
{
    if (!d->left) {
        atapi_ok(d);
    } else if (!d->dma) {
        send_block(d);
    } else if (!ide_dma_wait(IDE_DEVICE(d))) {
        atapi_fail(d, SENSE_BAD_FIELD);
    }
}

void atapi_send(ATAPIDrive *d, size_t bytes, size_t most)
{
    d->from_medium = false;
    d->reply_at = 0;
    d->left = MIN(bytes, most);
    begin_data(d);
}

void atapi_read(ATAPIDrive *d, uint64_t lba, uint64_t blocks)
{
    uint32_t size = atapi_blocks(d);

    if (lba > size || blocks > size - lba) {
        atapi_fail(d, SENSE_BAD_ADDRESS);
        return;
    }
    d->from_medium = true;
    d->offset = (int64_t)(lba * ATAPI_BLOCK_BYTES);
    d->left = blocks * ATAPI_BLOCK_BYTES;
    begin_data(d);
}

/* -- DMA -------------------------------------------------------------------------------- */

static void dma_next(ATAPIDrive *d);

static void dma_failed(ATAPIDrive *d, uint32_t sense)
{
    bmdma_end(IDE_DEVICE(d)->bus->bm, true);
    atapi_fail(d, sense);
}

static void dma_done(IDEDevice *dev, IDERequest *req, int ret)
{
    ATAPIDrive *d = IDE_CD(dev);

    if (ret < 0) {
        dma_failed(d, ret == -ENOMEDIUM ? SENSE_NO_MEDIUM : SENSE_MEDIUM_ERROR);
        return;
    }
    d->offset += (int64_t)req->bytes;
    d->left -= req->bytes;
    dma_next(d);
}

static void dma_next(ATAPIDrive *d)
{
    IDEDevice *dev = IDE_DEVICE(d);
    IDERequest *req;

    if (!d->left) {
        bmdma_end(dev->bus->bm, false);
        atapi_ok(d);
        return;
    }
    req = ide_request_new(dev, IDE_READ, d->offset, IDE_RETRY_DMA, dma_done);
    if (bmdma_map(dev->bus->bm, req, (size_t)MIN(d->left, IDE_DMA_CHUNK_BYTES),
                  true)) {
        ide_request_submit(req);
    } else {
        ide_request_free(req);
        dma_failed(d, SENSE_BAD_FIELD);
    }
}

static void atapi_dma_ready(IDEDevice *dev)
{
    ATAPIDrive *d = IDE_CD(dev);

    if (d->from_medium) {
        dma_next(d);
    } else if (bmdma_copy(dev->bus->bm, d->reply, (size_t)d->left) < d->left) {
        dma_failed(d, SENSE_BAD_FIELD);
    } else {
        bmdma_end(dev->bus->bm, false);
        atapi_ok(d);
    }
}

/* -- IDE commands ---------------------------------------------------------------------- */

static void packet_received(IDEDevice *dev)
{
    ATAPIDrive *d = IDE_CD(dev);

    memcpy(d->packet, dev->buffer, ATAPI_PACKET_BYTES);
    ide_busy(dev);
    trace_atapi_packet(d->packet[0], d->dma, d->limit);
    atapi_execute(d);
}

static void begin_packet(IDEDevice *dev)
{
    ATAPIDrive *d = IDE_CD(dev);
    unsigned limit = dev->regs.lba[1] | (unsigned)dev->regs.lba[2] << 8;

    if (dev->regs.feature & FEATURE_OVERLAP) {
        ide_abort(dev);
        return;
    }
    d->dma = dev->regs.feature & FEATURE_DMA;
    limit = limit ? MIN(limit, LIMIT_MAX) & ~1u : LIMIT_MAX;
    d->limit = MAX(limit, 2);
    dev->regs.count = IDE_REASON_CD;
    ide_pio(dev, ATAPI_PACKET_BYTES, IDE_PIO_PACKET, false);
}

static void set_features(IDEDevice *dev)
{
    uint8_t mode = dev->regs.count;

    if (dev->regs.feature != FEATURE_MODE) {
        ide_abort(dev);
        return;
    }
    if ((mode & 0xf8) == MODE_MULTIWORD || (mode & 0xf8) == MODE_ULTRA) {
        dev->dma_mode = mode;
    }
    ide_ok(dev);
}

static void atapi_command(IDEDevice *dev, uint8_t cmd)
{
    switch (cmd) {
    case CMD_PACKET:
        begin_packet(dev);
        break;
    case CMD_IDENTIFY_PACKET:
        atapi_identify(dev, dev->buffer);
        ide_pio(dev, IDE_SECTOR_BYTES, IDE_PIO_REPLY, true);
        break;
    case CMD_IDENTIFY:
    case CMD_READ: /* the signature says what this is */
        ide_set_signature(dev);
        ide_abort(dev);
        break;
    case CMD_SET_FEATURES:
        set_features(dev);
        break;
    case CMD_POWER_MODE:
        dev->regs.count = POWER_ACTIVE;
        ide_ok(dev);
        break;
    case CMD_STANDBY_NOW:
    case CMD_IDLE_NOW:
    case CMD_SLEEP:
    case CMD_FLUSH:
        ide_ok(dev);
        break;
    default:
        ide_abort(dev);
        break;
    }
}

/* -- from the channel ------------------------------------------------------------------ */

static void atapi_pio_done(IDEDevice *dev, IDEPIOKind kind)
{
    if (kind == IDE_PIO_IN) {
        send_block(IDE_CD(dev));
    } else if (kind == IDE_PIO_PACKET) {
        packet_received(dev);
    }
}

static void atapi_retry(IDEDevice *dev, IDERetry what)
{
    if (what == IDE_RETRY_IN) {
        send_block(IDE_CD(dev));
    } else if (what == IDE_RETRY_DMA) {
        dma_next(IDE_CD(dev));
    }
}

/* -- life ---------------------------------------------------------------------------------- */

static void atapi_reset_unit(IDEDevice *dev)
{
    ATAPIDrive *d = IDE_CD(dev);

    d->sense = SENSE_OK;
    d->locked = false;
    d->left = 0;
}

static bool atapi_realize_unit(IDEDevice *dev, Error **errp)
{
    blk_set_dev_ops(dev->conf.blk, &dev_ops, IDE_CD(dev));
    return true;
}

static void atapi_class_init(ObjectClass *oc, void *data)
{
    IDEDeviceClass *ic = IDE_DEVICE_CLASS(oc);

    DEVICE_CLASS(oc)->desc = "IDE CD-ROM";
    DEVICE_CLASS(oc)->vmsd = &vmstate_ide_cd;
    ic->signature[0] = 0x14;
    ic->signature[1] = 0xeb;
    ic->reset_status = 0;
    ic->removable = true;
    ic->realize_unit = atapi_realize_unit;
    ic->command = atapi_command;
    ic->pio_done = atapi_pio_done;
    ic->dma_ready = atapi_dma_ready;
    ic->retry = atapi_retry;
    ic->reset_unit = atapi_reset_unit;
}

extern const TypeInfo hw_type_ide_cd;
const TypeInfo hw_type_ide_cd = {
    .name = TYPE_IDE_CD,
    .parent = TYPE_IDE_DEVICE,
    .instance_size = sizeof(ATAPIDrive),
    .class_init = atapi_class_init,
};
