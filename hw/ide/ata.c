/*
 * `ide-hd`: an ATA disk.
 *
 * Source: ATA/ATAPI-6 (T13/1410D), clause 8 (commands).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/ide/ata.h"

#include "hw/ide/ata-identify.h"
#include "hw/machine-lock.h"
#include "trace/trace-hw.h"
#include "util/error.h"

#define CMD_RECALIBRATE     0x10 /* to 1Fh */
#define CMD_READ            0x20
#define CMD_READ_ONCE       0x21
#define CMD_READ_EXT        0x24
#define CMD_READ_DMA_EXT    0x25
#define CMD_NATIVE_MAX_EXT  0x27
#define CMD_READ_MULTI_EXT  0x29
#define CMD_WRITE           0x30
#define CMD_WRITE_ONCE      0x31
#define CMD_WRITE_EXT       0x34
#define CMD_WRITE_DMA_EXT   0x35
#define CMD_WRITE_MULTI_EXT 0x39
#define CMD_WRITE_VERIFY    0x3c
#define CMD_WRITE_DMA_FUA   0x3d
#define CMD_VERIFY          0x40
#define CMD_VERIFY_ONCE     0x41
#define CMD_VERIFY_EXT      0x42
#define CMD_SEEK            0x70
#define CMD_SET_GEOMETRY    0x91
#define CMD_STANDBY_NOW_OLD 0x94
#define CMD_IDLE_NOW_OLD    0x95
#define CMD_STANDBY_OLD     0x96
#define CMD_IDLE_OLD        0x97
#define CMD_POWER_MODE_OLD  0x98
#define CMD_SLEEP_OLD       0x99
#define CMD_PACKET          0xa0
#define CMD_IDENTIFY_PACKET 0xa1
#define CMD_SMART           0xb0
#define CMD_READ_MULTI      0xc4
#define CMD_WRITE_MULTI     0xc5
#define CMD_SET_MULTI       0xc6
#define CMD_READ_DMA        0xc8
#define CMD_READ_DMA_ONCE   0xc9
#define CMD_WRITE_DMA       0xca
#define CMD_WRITE_DMA_ONCE  0xcb
#define CMD_WRITE_MULTI_FUA 0xce
#define CMD_STANDBY_NOW     0xe0
#define CMD_IDLE_NOW        0xe1
#define CMD_STANDBY         0xe2
#define CMD_IDLE            0xe3
#define CMD_POWER_MODE      0xe5
#define CMD_SLEEP           0xe6
#define CMD_FLUSH           0xe7
#define CMD_FLUSH_EXT       0xea
#define CMD_IDENTIFY        0xec
#define CMD_SET_FEATURES    0xef
#define CMD_NATIVE_MAX      0xf8
#define POWER_ACTIVE        0xff

#define FEATURE_CACHE_ON   0x02
#define FEATURE_MODE       0x03
#define FEATURE_APM_ON     0x05
#define FEATURE_AAM_ON     0x42
#define FEATURE_AHEAD_OFF  0x55
#define FEATURE_KEEP       0x66
#define FEATURE_CACHE_OFF  0x82
#define FEATURE_APM_OFF    0x85
#define FEATURE_AHEAD_ON   0xaa
#define FEATURE_AAM_OFF    0xc2
#define FEATURE_FORGET     0xcc
#define MODE_KIND(v)       ((v)&0xf8)
#define MODE_PIO_DEFAULT   0x00
#define MODE_PIO           0x08
#define MODE_MULTIWORD     0x20
#define MODE_ULTRA         0x40
#define MODE_PIO_MAX       4
#define MODE_MULTIWORD_MAX 2
#define MODE_ULTRA_MAX     5

/* -- addresses ------------------------------------------------------------------------ */

bool ata_address(const ATADisk *d, bool ext, uint64_t *ret_lba,
                 uint32_t *ret_count)
{
    const IDERegs *r = &d->parent_obj.regs;
    uint64_t lba =
        r->lba[0] | (uint64_t)r->lba[1] << 8 | (uint64_t)r->lba[2] << 16;
    uint32_t count = r->count;

    if (ext) {
        lba |= (uint64_t)r->hob.lba[0] << 24 | (uint64_t)r->hob.lba[1] << 32 |
               (uint64_t)r->hob.lba[2] << 40;
        count |= (uint32_t)r->hob.count << 8;
        count = count ? count : 0x10000;
    } else {
        count = count ? count : 0x100;
        if (r->device & IDE_DEV_LBA) {
            lba |= (uint64_t)(r->device & IDE_DEV_HEAD) << 24;
        } else if (r->lba[0] == 0) {
            return false; /* sectors count from 1 */
        } else {
            lba = ((uint64_t)(r->lba[1] | r->lba[2] << 8) * d->geometry.heads +
                   (r->device & IDE_DEV_HEAD)) *
                      d->geometry.sectors +
                  r->lba[0] - 1;
        }
    }
    *ret_lba = lba;
    *ret_count = count;
    return lba < d->sectors && count <= d->sectors - lba;
}

static void note_chs(ATADisk *d, uint64_t lba)
{
    IDERegs *r = &d->parent_obj.regs;
    uint64_t track = lba / d->geometry.sectors;
    uint64_t cylinder = track / d->geometry.heads;

    r->lba[0] = (uint8_t)(lba % d->geometry.sectors + 1);
    r->lba[1] = (uint8_t)cylinder;
    r->lba[2] = (uint8_t)(cylinder >> 8);
    r->device =
        (uint8_t)((r->device & ~IDE_DEV_HEAD) | track % d->geometry.heads);
}

void ata_note_address(ATADisk *d, bool ext, uint64_t lba)
{
    IDERegs *r = &d->parent_obj.regs;

    if (!ext && !(r->device & IDE_DEV_LBA)) {
        note_chs(d, lba);
        return;
    }
    r->lba[0] = (uint8_t)lba;
    r->lba[1] = (uint8_t)(lba >> 8);
    r->lba[2] = (uint8_t)(lba >> 16);
    if (ext) {
        r->hob.lba[0] = (uint8_t)(lba >> 24);
        r->hob.lba[1] = (uint8_t)(lba >> 32);
        r->hob.lba[2] = (uint8_t)(lba >> 40);
    } else {
        r->device =
            (uint8_t)((r->device & ~IDE_DEV_HEAD) | (lba >> 24 & IDE_DEV_HEAD));
    }
}

/* -- commands ---------------------------------------------------------------------------- */

static void identify(ATADisk *d)
{
    IDEDevice *dev = IDE_DEVICE(d);
    BlockGeometry physical =
        block_conf_geometry((int64_t)(d->sectors * IDE_SECTOR_BYTES));
    ATAIdentity id = {
        .sectors = d->sectors,
        .cylinders = physical.cylinders,
        .heads = d->geometry.heads,
        .per_track = d->geometry.sectors,
        .multiple = d->multiple,
        .write_cache = blk_enable_write_cache(dev->conf.blk),
        .smart = d->smart,
    };

    ata_identify(dev, &id, dev->buffer);
    ide_pio(dev, IDE_SECTOR_BYTES, IDE_PIO_REPLY, true);
}

static void set_geometry(ATADisk *d)
{
    IDEDevice *dev = IDE_DEVICE(d);
    unsigned heads = (dev->regs.device & IDE_DEV_HEAD) + 1u;

    if (!dev->regs.count) {
        ide_abort(dev);
        return;
    }
    d->geometry.heads = (uint8_t)heads;
    d->geometry.sectors = dev->regs.count;
    ide_ok(dev);
}

static void set_multiple(ATADisk *d)
{
    IDEDevice *dev = IDE_DEVICE(d);
    unsigned n = dev->regs.count;

    if (n > IDE_MULTIPLE_MAX || (n & (n - 1))) {
        ide_abort(dev);
        return;
    }
    d->multiple = n;
    ide_ok(dev);
}

static bool set_mode(IDEDevice *dev, uint8_t mode)
{
    unsigned n = mode & 7;

    switch (MODE_KIND(mode)) {
    case MODE_PIO_DEFAULT:
        return n <= 1;
    case MODE_PIO:
        return n <= MODE_PIO_MAX;
    case MODE_MULTIWORD:
        dev->dma_mode = n <= MODE_MULTIWORD_MAX ? mode : dev->dma_mode;
        return n <= MODE_MULTIWORD_MAX;
    case MODE_ULTRA:
        dev->dma_mode = n <= MODE_ULTRA_MAX ? mode : dev->dma_mode;
        return n <= MODE_ULTRA_MAX;
    default:
        return false;
    }
}

static void set_features(ATADisk *d)
{
    IDEDevice *dev = IDE_DEVICE(d);

    switch (dev->regs.feature) {
    case FEATURE_CACHE_ON:
        blk_set_enable_write_cache(dev->conf.blk, true);
        ide_ok(dev);
        break;
    case FEATURE_CACHE_OFF:
        blk_set_enable_write_cache(dev->conf.blk, false);
        ata_flush(d);
        break;
    case FEATURE_MODE:
        if (set_mode(dev, dev->regs.count)) {
            ide_ok(dev);
        } else {
            ide_abort(dev);
        }
        break;
    case FEATURE_APM_ON:
    case FEATURE_APM_OFF:
    case FEATURE_AAM_ON:
    case FEATURE_AAM_OFF:
    case FEATURE_AHEAD_ON:
    case FEATURE_AHEAD_OFF:
    case FEATURE_KEEP:
    case FEATURE_FORGET:
        ide_ok(dev);
        break;
    default:
        ide_abort(dev);
        break;
    }
}

static void native_max(ATADisk *d, bool ext)
{
    uint64_t last = d->sectors - 1;

    ata_note_address(d, ext, ext ? last : MIN(last, 0x0fffffff));
    ide_ok(IDE_DEVICE(d));
}

static void power_mode(IDEDevice *dev)
{
    dev->regs.count = POWER_ACTIVE;
    ide_ok(dev);
}

/* Commands that a packet device knows: it is told what this is. */
static void not_a_packet_device(IDEDevice *dev)
{
    ide_set_signature(dev);
    ide_abort(dev);
}

static void run_transfer(ATADisk *d, uint8_t cmd)
{
    switch (cmd) {
    case CMD_READ:
    case CMD_READ_ONCE:
        ata_pio(d, 0);
        break;
    case CMD_READ_EXT:
        ata_pio(d, ATA_EXT);
        break;
    case CMD_READ_MULTI:
        ata_pio(d, ATA_MULTI);
        break;
    case CMD_READ_MULTI_EXT:
        ata_pio(d, ATA_MULTI | ATA_EXT);
        break;
    case CMD_WRITE:
    case CMD_WRITE_ONCE:
    case CMD_WRITE_VERIFY:
        ata_pio(d, ATA_WRITE);
        break;
    case CMD_WRITE_EXT:
        ata_pio(d, ATA_WRITE | ATA_EXT);
        break;
    case CMD_WRITE_MULTI:
        ata_pio(d, ATA_WRITE | ATA_MULTI);
        break;
    case CMD_WRITE_MULTI_EXT:
        ata_pio(d, ATA_WRITE | ATA_MULTI | ATA_EXT);
        break;
    case CMD_WRITE_MULTI_FUA:
        ata_pio(d, ATA_WRITE | ATA_MULTI | ATA_EXT | ATA_FUA);
        break;
    case CMD_READ_DMA:
    case CMD_READ_DMA_ONCE:
        ata_dma(d, 0);
        break;
    case CMD_READ_DMA_EXT:
        ata_dma(d, ATA_EXT);
        break;
    case CMD_WRITE_DMA:
    case CMD_WRITE_DMA_ONCE:
        ata_dma(d, ATA_WRITE);
        break;
    case CMD_WRITE_DMA_EXT:
        ata_dma(d, ATA_WRITE | ATA_EXT);
        break;
    case CMD_WRITE_DMA_FUA:
        ata_dma(d, ATA_WRITE | ATA_EXT | ATA_FUA);
        break;
    default:
        ide_abort(IDE_DEVICE(d));
        break;
    }
}

static void ata_command(IDEDevice *dev, uint8_t cmd)
{
    ATADisk *d = IDE_HD(dev);

    if ((cmd & 0xf0) == CMD_RECALIBRATE || (cmd & 0xf0) == CMD_SEEK) {
        ide_ok(dev);
        return;
    }
    switch (cmd) {
    case CMD_IDENTIFY:
        identify(d);
        break;
    case CMD_SET_FEATURES:
        set_features(d);
        break;
    case CMD_SET_MULTI:
        set_multiple(d);
        break;
    case CMD_SET_GEOMETRY:
        set_geometry(d);
        break;
    case CMD_VERIFY:
    case CMD_VERIFY_ONCE:
    case CMD_VERIFY_EXT:
        ata_verify(d, cmd == CMD_VERIFY_EXT);
        break;
    case CMD_FLUSH:
    case CMD_FLUSH_EXT:
        ata_flush(d);
        break;
    case CMD_NATIVE_MAX:
    case CMD_NATIVE_MAX_EXT:
        native_max(d, cmd == CMD_NATIVE_MAX_EXT);
        break;
    case CMD_SMART:
        ata_smart(d);
        break;
    case CMD_POWER_MODE:
    case CMD_POWER_MODE_OLD:
        power_mode(dev);
        break;
    case CMD_STANDBY_NOW:
    case CMD_IDLE_NOW:
    case CMD_STANDBY:
    case CMD_IDLE:
    case CMD_SLEEP:
    case CMD_STANDBY_NOW_OLD:
    case CMD_IDLE_NOW_OLD:
    case CMD_STANDBY_OLD:
    case CMD_IDLE_OLD:
    case CMD_SLEEP_OLD:
        ide_ok(dev);
        break;
    case CMD_PACKET:
    case CMD_IDENTIFY_PACKET:
        not_a_packet_device(dev);
        break;
    default:
        run_transfer(d, cmd);
        break;
    }
}

/* -- life ---------------------------------------------------------------------------------- */

static void note_size(ATADisk *d)
{
    int64_t bytes = blk_getlength(IDE_DEVICE(d)->conf.blk);

    d->sectors = bytes > 0 ? (uint64_t)bytes / IDE_SECTOR_BYTES : 0;
}

static void resized(void *opaque)
{
    MACHINE_LOCK_GUARD();
    note_size(opaque);
}

static const BlockDevOps dev_ops = { .resize = resized };

static void ata_reset_unit(IDEDevice *dev)
{
    ATADisk *d = IDE_HD(dev);

    d->multiple = IDE_MULTIPLE_MAX;
    d->geometry = block_conf_geometry((int64_t)(d->sectors * IDE_SECTOR_BYTES));
}

static bool ata_realize_unit(IDEDevice *dev, Error **errp)
{
    ATADisk *d = IDE_HD(dev);

    note_size(d);
    if (!d->sectors) {
        error_setg(errp, "the image of a disk has no sector");
        return false;
    }
    if (dev->conf.logical_block_size != IDE_SECTOR_BYTES) {
        error_setg(errp, "logical_block_size must be 512 for IDE");
        return false;
    }
    d->smart = true;
    ata_reset_unit(dev);
    blk_set_dev_ops(dev->conf.blk, &dev_ops, d);
    return true;
}

static void ata_class_init(ObjectClass *oc, void *data)
{
    IDEDeviceClass *ic = IDE_DEVICE_CLASS(oc);

    DEVICE_CLASS(oc)->desc = "IDE disk";
    DEVICE_CLASS(oc)->vmsd = &vmstate_ide_hd;
    ic->reset_status = IDE_DRDY | IDE_DSC;
    ic->realize_unit = ata_realize_unit;
    ic->command = ata_command;
    ic->pio_done = ata_pio_done;
    ic->dma_ready = ata_dma_ready;
    ic->retry = ata_retry;
    ic->reset_unit = ata_reset_unit;
}

extern const TypeInfo hw_type_ide_hd;
const TypeInfo hw_type_ide_hd = {
    .name = TYPE_IDE_HD,
    .parent = TYPE_IDE_DEVICE,
    .instance_size = sizeof(ATADisk),
    .class_init = ata_class_init,
};
