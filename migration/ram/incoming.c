/*
 * The destination's RAM: blocks, first touches, and what has come.
 *
 * "touched" has a bit for each page that may be other than zero. A zero page
 * that arrives for memory nobody has touched is not written at all, so a
 * guest's unused memory stays unallocated here too.
 *
 * First touches are the cost of an incoming migration: a fault for each page.
 * Where pages arrive in a row, the memory ahead of them is faulted in by one
 * call for pieces that grow to 2 MiB; scattered pages are left to single faults,
 * or a sparse guest would become a full one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "migration/compress/decompress-pool.h"
#include "migration/mapped/file-ram.h"
#include "migration/ram/incoming-internal.h"
#include "migration/ram/page-present.h"
#include "migration/ram/page-zero.h"
#include "util/fd.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* A row so long shows that more will come. */
#define POPULATE_ROW (UINT64_C(64) << 10)

/* -- life -------------------------------------------------------------------------- */

static bool block_init(RAMIncoming *ri, RAMIncomingBlock *ib, RAMBlock *rb,
                       int pagemap, Error **errp)
{
    uint64_t max_pages = rb->max_length >> RAM_PAGE_BITS;
    uint64_t data_end = 0;

    ib->rb = rb;
    ib->pages = ram_block_pages(rb);
    ib->host_pages = MAX(rb->page_size >> RAM_PAGE_BITS, 1);
    ib->row_next = UINT64_MAX;
    rb->priv_ram = ib;
    ib->touched = bitmap_try_new((long)max_pages);
    if (ri->config.postcopy) {
        ib->received = bitmap_try_new((long)max_pages);
    }
    if (!ib->touched || (ri->config.postcopy && !ib->received)) {
        error_setg(errp, "no memory for the bitmaps of RAM block '%s'",
                   rb->idstr);
        return false;
    }
    page_present_map(pagemap, PAGE_PRESENT_SCAN, rb, 0, max_pages, ib->touched,
                     &data_end);
    return true;
}

RAMIncoming *ram_incoming_new(const RAMIncomingConfig *config, Error **errp)
{
    const RAMBlockList *list = config->host->ram_blocks(config->host_opaque);
    g_autoptr(RAMIncoming) ri = g_new0(RAMIncoming, 1);
    AUTO_FD pagemap = page_present_open();

    ri->config = *config;
    if (list->n > RAM_BLOCKS_MAX) {
        error_setg(errp, "%u RAM blocks are more than %d", list->n,
                   RAM_BLOCKS_MAX);
        return NULL;
    }
    ri->scratch = g_malloc(RAM_SCRATCH_SIZE);
    ri->block = g_new0(RAMIncomingBlock, list->n);
    for (unsigned i = 0; i < list->n; i++) {
        if (!block_init(ri, &ri->block[ri->n++], list->block[i], pagemap,
                        errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&ri);
}

void ram_incoming_free(RAMIncoming *ri)
{
    if (!ri) {
        return;
    }
    /* Its threads write into blocks. */
    decompress_pool_free(ri->decompress);
    for (unsigned i = 0; i < ri->n; i++) {
        RAMIncomingBlock *ib = &ri->block[i];

        ib->rb->priv_ram = NULL;
        g_free(ib->touched);
        g_free(ib->received);
    }
    ram_reader_free(ri->main);
    g_free(ri->scratch);
    g_free(ri->block);
    g_free(ri);
}

RAMIncomingBlock *ram_incoming_find(RAMIncoming *ri, const RAMBlock *rb)
{
    return rb->priv_ram;
}

RAMBlock *ram_incoming_block(RAMIncoming *ri, const char *name, size_t len,
                             Error **errp)
{
    RAMBlock *rb = ram_block_find_len(
        ri->config.host->ram_blocks(ri->config.host_opaque), name, len);

    if (!rb) {
        error_setg(errp, "no RAM block '%.*s' here", (int)len, name);
    }
    return rb;
}

/* -- the list of blocks ---------------------------------------------------------------- */

static bool block_is_ignored(RAMIncoming *ri, const RAMBlock *rb)
{
    return ri->config.ignore_shared && rb->fd >= 0 &&
           (rb->flags & RAM_BLOCK_SHARED);
}

static bool resize_block(RAMIncoming *ri, RAMIncomingBlock *ib, uint64_t length,
                         Error **errp)
{
    RAMBlock *rb = ib->rb;
    const MigrationHost *host = ri->config.host;

    if (length == rb->used_length) {
        return true;
    }
    if (!(rb->flags & RAM_BLOCK_RESIZABLE) || !host->ram_resize ||
        length > rb->max_length || (length & ~RAM_PAGE_MASK)) {
        error_setg(errp,
                   "RAM block '%s' has 0x%" PRIx64 " bytes here and"
                   " 0x%" PRIx64 " at the source",
                   rb->idstr, rb->used_length, length);
        return false;
    }
    if (!host->ram_resize(ri->config.host_opaque, rb, length, errp)) {
        return false;
    }
    ib->pages = ram_block_pages(rb);
    return true;
}

/* What follows name and length, by what both sides were told. */
static bool check_block_extras(RAMIncoming *ri, QEMUFile *f, RAMBlock *rb,
                               Error **errp)
{
    if (ri->config.postcopy && rb->page_size != (size_t)getpagesize()) {
        uint64_t page_size = qemu_get_be64(f);

        if (page_size != rb->page_size) {
            error_setg(errp,
                       "RAM block '%s' has pages of %zu bytes here and of"
                       " %" PRIu64 " at the source",
                       rb->idstr, rb->page_size, page_size);
            return false;
        }
    }
    if (ri->config.ignore_shared) {
        uint64_t gpa = qemu_get_be64(f);

        if (block_is_ignored(ri, rb) && gpa != rb->gpa) {
            error_setg(errp,
                       "RAM block '%s' is at 0x%" PRIx64 " here and at"
                       " 0x%" PRIx64 " at the source",
                       rb->idstr, rb->gpa, gpa);
            return false;
        }
    }
    return true;
}

/* Returns: length of the block; 0 = error. */
static bool load_block(RAMIncoming *ri, QEMUFile *f, uint64_t *ret_length,
                       Error **errp)
{
    char name[RAM_BLOCK_NAME_MAX + 1];
    size_t len = qemu_get_counted_string(f, name);
    uint64_t length = qemu_get_be64(f);
    RAMIncomingBlock *ib;
    RAMBlock *rb;

    if (qemu_file_get_error_obj(f, errp)) {
        return false;
    }
    rb = ram_incoming_block(ri, name, len, errp);
    if (!rb) {
        return false;
    }
    ib = ram_incoming_find(ri, rb);
    if (ib->listed) {
        error_setg(errp, "RAM block '%s' stands in the list twice", rb->idstr);
        return false;
    }
    if (!resize_block(ri, ib, length, errp) ||
        !check_block_extras(ri, f, rb, errp)) {
        return false;
    }
    ib->listed = true;
    ib->loaded = !block_is_ignored(ri, rb);
    *ret_length = length;
    return !ri->config.file || !ib->loaded ||
           file_ram_load_block(ri->config.file, f, rb, errp);
}

bool ram_incoming_list(RAMIncoming *ri, QEMUFile *f, uint64_t total,
                       Error **errp)
{
    if (ri->have_list) {
        error_setg(errp, "a second list of RAM blocks");
        return false;
    }
    for (uint64_t sum = 0; sum < total;) {
        uint64_t length = 0;

        if (!load_block(ri, f, &length, errp)) {
            return false;
        }
        if (length > total - sum) {
            error_setg(errp,
                       "RAM blocks are longer than the 0x%" PRIx64
                       " bytes that were announced",
                       total);
            return false;
        }
        sum += length;
    }
    for (unsigned i = 0; i < ri->n; i++) {
        if (!ri->block[i].listed && ri->block[i].rb->used_length) {
            error_setg(errp, "the source has no RAM block '%s'",
                       ri->block[i].rb->idstr);
            return false;
        }
    }
    ri->have_list = true;
    return qemu_file_get_error_obj(f, errp) == 0;
}

/* -- received --------------------------------------------------------------------------- */

void ram_incoming_received(RAMIncomingBlock *ib, uint64_t page, uint64_t n)
{
    if (!ib->received) {
        return;
    }
    if (n == 1) {
        set_bit_atomic((long)page, ib->received);
    } else {
        bitmap_set_atomic(ib->received, (long)page, (long)n);
    }
}

void ram_received_set(RAMIncoming *ri, RAMBlock *rb, uint64_t offset,
                      uint64_t len)
{
    ram_incoming_received(ram_incoming_find(ri, rb), offset >> RAM_PAGE_BITS,
                          len >> RAM_PAGE_BITS);
}

void ram_received_clear(RAMIncoming *ri, RAMBlock *rb, uint64_t offset,
                        uint64_t len)
{
    RAMIncomingBlock *ib = ram_incoming_find(ri, rb);

    if (ib->received) {
        bitmap_test_and_clear_atomic(ib->received,
                                     (long)(offset >> RAM_PAGE_BITS),
                                     (long)(len >> RAM_PAGE_BITS));
    }
}

bool ram_received_test(RAMIncoming *ri, RAMBlock *rb, uint64_t offset)
{
    RAMIncomingBlock *ib = ram_incoming_find(ri, rb);
    uint64_t page = offset >> RAM_PAGE_BITS;

    return ib->received &&
           (qatomic_load_acquire(&ib->received[BIT_WORD(page)]) &
            BIT_MASK(page));
}

const unsigned long *ram_received_bitmap(RAMIncoming *ri, RAMBlock *rb)
{
    return ram_incoming_find(ri, rb)->received;
}

/* -- writing ------------------------------------------------------------------------------ */

static inline bool page_is_touched(const RAMIncomingBlock *ib, uint64_t page)
{
    return qatomic_read(&ib->touched[BIT_WORD(page)]) & BIT_MASK(page);
}

static void populate(RAMIncomingBlock *ib, uint64_t offset, uint64_t len)
{
    /* Older kernels cannot; then every page faults by itself. */
    madvise(ib->rb->host + offset, len, MADV_POPULATE_WRITE);
}

/*
 * A page at @offset is written for the first time. In the first piece of a row
 * single faults have to do; then the rest of the piece of POPULATE_BYTES that
 * the row is in is taken whole, and counts as touched from then on: a locked
 * instruction for each page would cost as much as copying it.
 */
static void touch(RAMIncomingBlock *ib, uint64_t offset)
{
    uint64_t start = ROUND_DOWN(offset, POPULATE_BYTES);
    uint64_t end = MIN(start + POPULATE_BYTES, ib->rb->used_length);
    bool in_row = offset == ib->row_next;

    ib->row_next = offset + RAM_PAGE_SIZE;
    if (in_row && offset - start <= POPULATE_ROW && !ib->received) {
        populate(ib, offset, end - offset);
        bitmap_set_atomic(ib->touched, (long)(offset >> RAM_PAGE_BITS),
                          (long)((end - offset) >> RAM_PAGE_BITS));
        ib->row_next = end;
    } else {
        set_bit_atomic((long)(offset >> RAM_PAGE_BITS), ib->touched);
    }
}

uint8_t *ram_incoming_write(RAMIncomingBlock *ib, uint64_t offset)
{
    if (!page_is_touched(ib, offset >> RAM_PAGE_BITS)) {
        touch(ib, offset);
    }
    return ib->rb->host + offset;
}

void ram_incoming_zero(RAMIncomingBlock *ib, uint64_t page, uint64_t n)
{
    for (uint64_t p = page; p < page + n; p++) {
        uint8_t *host = ib->rb->host + (p << RAM_PAGE_BITS);

        if (page_is_touched(ib, p) && !page_is_zero(host)) {
            memset(host, 0, RAM_PAGE_SIZE);
        }
    }
    ram_incoming_received(ib, page, n);
}

void ram_incoming_zero_page(RAMIncoming *ri, RAMBlock *rb, uint64_t offset)
{
    ram_incoming_zero(ram_incoming_find(ri, rb), offset >> RAM_PAGE_BITS, 1);
}

void ram_incoming_place_zero(RAMIncoming *ri, RAMBlock *rb,
                             const uint64_t *offset, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ram_incoming_zero_page(ri, rb, offset[i]);
    }
}

void ram_incoming_placed(RAMIncoming *ri, RAMBlock *rb, const uint64_t *offset,
                         unsigned n)
{
    RAMIncomingBlock *ib = ram_incoming_find(ri, rb);

    for (unsigned i = 0; i < n; i++) {
        uint64_t page = offset[i] >> RAM_PAGE_BITS;

        if (!page_is_touched(ib, page)) {
            set_bit_atomic((long)page, ib->touched);
        }
        ram_incoming_received(ib, page, 1);
    }
}

void ram_incoming_populate(RAMIncoming *ri, RAMBlock *rb, uint64_t offset,
                           uint64_t len)
{
    RAMIncomingBlock *ib = ram_incoming_find(ri, rb);
    uint64_t page = offset >> RAM_PAGE_BITS;

    /* A row that begins in memory that is there has nothing to gain. */
    if (len > RAM_PAGE_SIZE && !ib->received && !page_is_touched(ib, page)) {
        populate(ib, offset, len);
    }
}

uint8_t *ram_incoming_page(RAMIncoming *ri, RAMBlock *rb, uint64_t offset,
                           Error **errp)
{
    RAMIncomingBlock *ib = ram_incoming_find(ri, rb);

    if (!ib || !ib->loaded || (offset & ~RAM_PAGE_MASK) ||
        !ram_block_has_range(rb, offset, RAM_PAGE_SIZE)) {
        error_setg(errp, "no page of RAM block '%s' comes for 0x%" PRIx64,
                   rb->idstr, offset);
        return NULL;
    }
    return rb->host + offset;
}
