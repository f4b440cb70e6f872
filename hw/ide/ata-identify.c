/*
 * IDENTIFY DEVICE and IDENTIFY PACKET DEVICE: 256 words about a drive.
 *
 * Source: ATA/ATAPI-6, 8.12 and 8.13.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/ide/ata-identify.h"

#define LBA28_MAX 0x0fffffffu

static void put_word(uint8_t *buf, unsigned word, unsigned value)
{
    buf[2 * word] = (uint8_t)value;
    buf[2 * word + 1] = (uint8_t)(value >> 8);
}

static void put_long(uint8_t *buf, unsigned word, uint32_t value)
{
    put_word(buf, word, value & 0xffff);
    put_word(buf, word + 1, value >> 16);
}

/* The first character of two is in the upper byte. */
static void put_text(uint8_t *buf, unsigned word, unsigned words,
                     const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < 2u * words; i++) {
        buf[2 * word + (i ^ 1)] = i < n ? (uint8_t)text[i] : ' ';
    }
}

/* Modes a drive does, with the one that is chosen in the upper byte. */
static void put_dma_modes(const IDEDevice *dev, uint8_t *buf)
{
    unsigned kind = dev->dma_mode & 0xf8;
    unsigned chosen = 0x100u << (dev->dma_mode & 7);

    put_word(buf, 63, 0x07 | (kind == 0x20 ? chosen : 0));
    put_word(buf, 88, 0x3f | (kind == 0x40 ? chosen : 0));
}

static void put_common(const IDEDevice *dev, uint8_t *buf, const char *model)
{
    put_text(buf, 10, 10, dev->serial);
    put_text(buf, 23, 4, dev->version);
    put_text(buf, 27, 20, dev->model ? dev->model : model);
    put_word(buf, 48, 1); /* 32-bit PIO */
    put_word(buf, 53, 0x07);
    put_dma_modes(dev, buf);
    put_word(buf, 64, 0x03); /* PIO modes 3 and 4 */
    put_word(buf, 65, 120);  /* ns a word */
    put_word(buf, 66, 120);
    put_word(buf, 67, 120);
    put_word(buf, 68, 120);
    put_word(buf, 80, 0xf0); /* ATA/ATAPI-4 to 7 */
    put_word(buf, 81, 0x16);
}

static void put_geometry(const ATAIdentity *id, uint8_t *buf)
{
    uint32_t capacity = id->cylinders * id->heads * id->per_track;

    put_word(buf, 1, id->cylinders);
    put_word(buf, 3, id->heads);
    put_word(buf, 4, IDE_SECTOR_BYTES * id->per_track);
    put_word(buf, 5, IDE_SECTOR_BYTES);
    put_word(buf, 6, id->per_track);
    put_word(buf, 54, id->cylinders);
    put_word(buf, 55, id->heads);
    put_word(buf, 56, id->per_track);
    put_long(buf, 57, capacity);
    put_long(buf, 60, (uint32_t)MIN(id->sectors, LBA28_MAX));
    put_long(buf, 100, (uint32_t)id->sectors);
    put_long(buf, 102, (uint32_t)(id->sectors >> 32));
}

static void put_features(const IDEDevice *dev, const ATAIdentity *id,
                         uint8_t *buf)
{
    unsigned wwn = dev->wwn ? 0x100 : 0;

    put_word(buf, 82, 0x4021);       /* NOP, write cache, SMART */
    put_word(buf, 83, 0x7400);       /* FLUSH CACHE and EXT, 48 bits */
    put_word(buf, 84, 0x4000 | wwn); /* world wide name */
    put_word(buf, 85, 0x4000 | (id->write_cache ? 0x20 : 0) | id->smart);
    put_word(buf, 86, 0x3400);
    put_word(buf, 87, 0x4000 | wwn);
    for (unsigned i = 0; wwn && i < 4; i++) {
        put_word(buf, 108 + i, (unsigned)(dev->wwn >> (48 - 16 * i)) & 0xffff);
    }
}

/* Sectors of 512 bytes, of which several may be one physical sector. */
static void put_sector_sizes(const IDEDevice *dev, uint8_t *buf)
{
    unsigned shift = 0;

    while ((IDE_SECTOR_BYTES << shift) < dev->conf.physical_block_size) {
        shift++;
    }
    if (shift) {
        put_word(buf, 106, 0x6000 | shift);
    }
}

void ata_identify(const IDEDevice *dev, const ATAIdentity *id, uint8_t *buf)
{
    memset(buf, 0, IDE_SECTOR_BYTES);
    put_word(buf, 0, 0x0040); /* fixed */
    put_common(dev, buf, "QEMU HARDDISK");
    put_geometry(id, buf);
    put_word(buf, 47, 0x8000 | IDE_MULTIPLE_MAX);
    put_word(buf, 49, 0x0b00); /* LBA, DMA, IORDY may be off */
    put_word(buf, 50, 0x4000);
    put_word(buf, 51, 0x0200);
    put_word(buf, 52, 0x0200);
    put_word(buf, 59, id->multiple ? 0x100 | id->multiple : 0);
    put_features(dev, id, buf);
    put_word(buf, 93, 0x6001 | (dev->unit ? 0x4200 : 0)); /* 80 wires */
    put_sector_sizes(dev, buf);
    put_word(buf, 217, 1); /* does not rotate */
}

void atapi_identify(const IDEDevice *dev, uint8_t *buf)
{
    memset(buf, 0, IDE_SECTOR_BYTES);
    /* CD-ROM, removable, DRQ within 50 us, packets of 12 bytes */
    put_word(buf, 0, 0x85c0);
    put_common(dev, buf, "QEMU DVD-ROM");
    put_word(buf, 49, 0x0b00);
    put_word(buf, 71, 30); /* ns to release the bus */
    put_word(buf, 72, 30);
    put_word(buf, 82, 0x0210); /* packets, device reset */
    put_word(buf, 83, 0x4000);
    put_word(buf, 84, 0x4000);
    put_word(buf, 85, 0x0210);
    put_word(buf, 87, 0x4000);
}
