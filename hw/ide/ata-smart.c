/*
 * ATA: the SMART commands of a disk that never fails.
 *
 * The attribute tables are there and empty but for the two that software
 * looks at first.
 *
 * Source: ATA/ATAPI-6, 8.55; SFF-8035i for the layout of the tables.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/ide/ata.h"

#define SMART_READ_DATA       0xd0
#define SMART_READ_THRESHOLDS 0xd1
#define SMART_AUTOSAVE        0xd2
#define SMART_SAVE            0xd3
#define SMART_OFFLINE         0xd4
#define SMART_ENABLE          0xd8
#define SMART_DISABLE         0xd9
#define SMART_STATUS          0xda
#define SMART_KEY_LOW         0x4f
#define SMART_KEY_HIGH        0xc2
#define ENTRY_BYTES           12u
#define CHECKSUM_AT           511u
#define OFFLINE_STATUS_AT     362u
#define OFFLINE_SECONDS_AT    364u
#define CAPABILITY_AT         367u

/* Attributes: number, flags, value, worst, threshold. */
static const uint8_t attributes[][5] = {
    { 0x01, 0x03, 100, 100, 6 },  /* read errors */
    { 0x05, 0x03, 100, 100, 36 }, /* sectors that were replaced */
};

static void send_table(IDEDevice *dev, bool thresholds)
{
    uint8_t *buf = dev->buffer;
    uint8_t sum = 0;

    memset(buf, 0, IDE_SECTOR_BYTES);
    buf[0] = 1; /* version */
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++) {
        uint8_t *e = buf + 2 + i * ENTRY_BYTES;

        e[0] = attributes[i][0];
        if (thresholds) {
            e[1] = attributes[i][4];
        } else {
            memcpy(e + 1, &attributes[i][1], 1);
            memcpy(e + 3, &attributes[i][2], 2);
        }
    }
    if (!thresholds) {
        buf[OFFLINE_STATUS_AT] = 0x02; /* done without error */
        buf[OFFLINE_SECONDS_AT] = 1;
        buf[CAPABILITY_AT] = 0x01;
    }
    for (unsigned i = 0; i < CHECKSUM_AT; i++) {
        sum = (uint8_t)(sum + buf[i]);
    }
    buf[CHECKSUM_AT] = (uint8_t)-sum;
    ide_pio(dev, IDE_SECTOR_BYTES, IDE_PIO_REPLY, true);
}

void ata_smart(ATADisk *d)
{
    IDEDevice *dev = IDE_DEVICE(d);
    uint8_t what = dev->regs.feature;

    if (dev->regs.lba[1] != SMART_KEY_LOW ||
        dev->regs.lba[2] != SMART_KEY_HIGH ||
        (!d->smart && what != SMART_ENABLE)) {
        ide_abort(dev);
        return;
    }
    switch (what) {
    case SMART_READ_DATA:
    case SMART_READ_THRESHOLDS:
        send_table(dev, what == SMART_READ_THRESHOLDS);
        break;
    case SMART_AUTOSAVE:
        d->smart_autosave = dev->regs.count == 0xf1;
        ide_ok(dev);
        break;
    case SMART_ENABLE:
    case SMART_DISABLE:
        d->smart = what == SMART_ENABLE;
        ide_ok(dev);
        break;
    case SMART_SAVE:
    case SMART_OFFLINE:
    case SMART_STATUS: /* the key in the registers says "healthy" */
        ide_ok(dev);
        break;
    default:
        ide_abort(dev);
        break;
    }
}
