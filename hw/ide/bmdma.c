/*
 * Bus master of an IDE channel.
 *
 * The table is the guest's and is read while it is used. A table that ends
 * too early, or points where there is no RAM, ends the command with an error
 * in the status register instead of leaving the drive waiting for ever.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/ide/bmdma.h"

#include "trace/trace-hw.h"

#define CMD_START     0x01
#define CMD_TO_MEMORY 0x08
#define CMD_BITS      (CMD_START | CMD_TO_MEMORY)
#define STATUS_ACTIVE 0x01
#define STATUS_ERROR  0x02
#define STATUS_IRQ    0x04
#define STATUS_DRIVES 0x60 /* drives are set up for DMA: for software */
#define PRD_BYTES     8u
#define PRD_LAST      0x80000000u
#define PRD_COUNT(v)  (((v)&0xfffe) ? ((v)&0xfffe) : 0x10000u)
/* Pieces of memory in one request; after so many the next sector boundary
 * ends it. A sector has at most 256 pieces. */
#define PIECES_SOFT_MAX 512u

void bmdma_reset(BMDMA *bm)
{
    bm->command = 0;
    bm->status = 0;
    bm->table = 0;
    bm->waiting = false;
    bm->at.left = 0;
    bm->at.last = true;
}

void bmdma_mask_registers(BMDMA *bm)
{
    bm->command &= CMD_BITS;
    bm->status &= STATUS_ACTIVE | STATUS_ERROR | STATUS_IRQ | STATUS_DRIVES;
    bm->table &= ~3u;
}

/* -- registers --------------------------------------------------------------------- */

uint32_t bmdma_read(BMDMA *bm, unsigned offset, unsigned size)
{
    if (offset == 0 && size == 1) {
        return bm->command;
    }
    if (offset == 2 && size == 1) {
        return bm->status;
    }
    if (offset >= 4) {
        return bm->table >> (8 * (offset - 4));
    }
    return UINT32_MAX;
}

static void start(BMDMA *bm)
{
    bm->status |= STATUS_ACTIVE;
    bm->at.next = bm->table;
    bm->at.left = 0;
    bm->at.last = false;
    bm->at.prds = 0;
    if (bm->waiting) {
        bm->waiting = false;
        ide_bus_dma_ready(bm->bus);
    }
}

static void write_command(BMDMA *bm, uint8_t value)
{
    bool was_on = bm->command & CMD_START;

    bm->command = value & CMD_BITS;
    if (!was_on && (value & CMD_START)) {
        start(bm);
    } else if (was_on && !(value & CMD_START)) {
        bm->status &= (uint8_t)~STATUS_ACTIVE;
    }
}

static void write_table(BMDMA *bm, unsigned shift, uint32_t value,
                        unsigned size)
{
    uint32_t mask = (size == 4 ? UINT32_MAX : (1u << (8 * size)) - 1) << shift;

    bm->table = ((bm->table & ~mask) | (value << shift & mask)) & ~3u;
}

void bmdma_write(BMDMA *bm, unsigned offset, uint32_t value, unsigned size)
{
    if (offset == 0) {
        write_command(bm, (uint8_t)value);
    } else if (offset == 2) {
        bm->status = (bm->status & STATUS_ACTIVE) |
                     (uint8_t)(value & STATUS_DRIVES) |
                     (bm->status & ~value & (STATUS_ERROR | STATUS_IRQ));
    } else if (offset >= 4) {
        write_table(bm, 8 * (offset - 4), value, size);
    }
}

/* -- the drive's side ---------------------------------------------------------------- */

void bmdma_irq(BMDMA *bm)
{
    bm->status |= STATUS_IRQ;
}

void bmdma_wait(BMDMA *bm)
{
    if (bm->status & STATUS_ACTIVE) {
        ide_bus_dma_ready(bm->bus);
    } else {
        bm->waiting = true;
    }
}

void bmdma_end(BMDMA *bm, bool error)
{
    bm->waiting = false;
    bm->status &= (uint8_t)~STATUS_ACTIVE;
    if (error) {
        bm->status |= STATUS_ERROR;
    }
}

/* Make @bm->at.left bytes at @bm->at.addr the next to use. */
static bool next_region(BMDMA *bm)
{
    uint8_t prd[PRD_BYTES];
    uint32_t flags;

    while (bm->at.left == 0) {
        if (bm->at.last || ++bm->at.prds > BMDMA_PRDS_MAX ||
            !pci_dma_read(bm->pci, bm->at.next, prd, sizeof(prd))) {
            trace_bmdma_table_ends(bm->bus->index, bm->at.next, bm->at.last);
            return false;
        }
        flags = pci_get_long(prd + 4);
        bm->at.addr = pci_get_long(prd) & ~1u;
        bm->at.left = PRD_COUNT(flags);
        bm->at.last = flags & PRD_LAST;
        bm->at.next += PRD_BYTES;
    }
    return true;
}

static void advance(BMDMA *bm, uint64_t n)
{
    bm->at.addr += (uint32_t)n;
    bm->at.left -= (uint32_t)n;
}

/* Give back what is beyond the last whole sector. */
static size_t cut_to_sectors(IDERequest *req)
{
    size_t excess = req->qiov.size % IDE_SECTOR_BYTES;

    while (excess) {
        struct iovec *last = &req->qiov.iov[req->qiov.niov - 1];
        size_t n = MIN(excess, last->iov_len);

        last->iov_len -= n;
        req->qiov.size -= n;
        excess -= n;
        if (!last->iov_len) {
            req->qiov.niov--;
        }
    }
    return req->qiov.size;
}

size_t bmdma_map(BMDMA *bm, IDERequest *req, size_t bytes, bool to_memory)
{
    bool direction_ok = !to_memory == !(bm->command & CMD_TO_MEMORY);

    req->from = bm->at;
    while (direction_ok && req->qiov.size < bytes && next_region(bm)) {
        size_t in_sector = req->qiov.size % IDE_SECTOR_BYTES;
        uint64_t len = MIN(bytes - req->qiov.size, bm->at.left);
        IDEMapping mapping = { .gpa = bm->at.addr };
        void *p;

        if (req->mappings->len >= PIECES_SOFT_MAX) {
            if (!in_sector) {
                break;
            }
            len = MIN(len, IDE_SECTOR_BYTES - in_sector);
        }
        p = pci_dma_map(bm->pci, bm->at.addr, &len, to_memory);
        if (!p) {
            trace_bmdma_no_memory(bm->bus->index, bm->at.addr);
            break;
        }
        mapping.len = len;
        g_array_append_val(req->mappings, mapping);
        qemu_iovec_add(&req->qiov, p, (size_t)len);
        advance(bm, len);
    }
    req->bytes = cut_to_sectors(req);
    return req->bytes;
}

void bmdma_unmap(BMDMA *bm, IDERequest *req, bool written)
{
    for (guint i = 0; i < req->mappings->len; i++) {
        const IDEMapping *m = &g_array_index(req->mappings, IDEMapping, i);

        pci_dma_unmap(bm->pci, m->gpa, written ? m->len : 0);
    }
    g_array_set_size(req->mappings, 0);
}

size_t bmdma_copy(BMDMA *bm, const void *buf, size_t bytes)
{
    size_t done = 0;

    while (done < bytes && next_region(bm)) {
        size_t n = MIN(bytes - done, bm->at.left);

        if (!pci_dma_write(bm->pci, bm->at.addr, (const char *)buf + done, n)) {
            trace_bmdma_no_memory(bm->bus->index, bm->at.addr);
            break;
        }
        advance(bm, n);
        done += n;
    }
    return done;
}
