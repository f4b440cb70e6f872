/*
 * RAM records after the guest has begun to run here.
 *
 * A page of the mapping (a host page) can be placed only whole and only once, so
 * its records are gathered in a page of ours until the last one has come: they
 * follow one another in ascending order, without a gap. A host page that is all
 * zero is placed as such, without bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "migration/ram/incoming-internal.h"

void ram_incoming_postcopy(RAMIncoming *ri)
{
    ri->postcopy = true;
}

void ram_incoming_place_rows(RAMIncoming *ri, RAMPlaceZeros *zeros)
{
    ri->place_zeros = zeros;
}

static uint64_t host_bytes(const RAMIncomingBlock *ib)
{
    return ib->host_pages << RAM_PAGE_BITS;
}

void ram_reader_drop_host_page(RAMReader *r)
{
    if (r->host_page) {
        munmap(r->host_page, r->host_page_size);
        r->host_page = NULL;
        r->host_page_size = 0;
    }
}

static bool begin_host_page(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    size_t size = host_bytes(rec->ib);

    if (rec->offset & (size - 1)) {
        error_setg(errp,
                   "page 0x%" PRIx64 " of RAM block '%s' does not begin a"
                   " host page of %zu bytes",
                   rec->offset, rec->ib->rb->idstr, size);
        return false;
    }
    if (r->host_page_size < size) {
        void *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (page == MAP_FAILED) {
            error_setg_errno(errp, errno,
                             "no memory for a host page of %zu"
                             " bytes",
                             size);
            return false;
        }
        ram_reader_drop_host_page(r);
        r->host_page = page;
        r->host_page_size = size;
    }
    r->host_block = rec->ib;
    r->host_offset = r->host_next = rec->offset;
    r->host_zero = true;
    return true;
}

/* Zero pages so far were only counted: now bytes come. */
static void fill_host_page(RAMReader *r)
{
    if (r->host_zero) {
        memset(r->host_page, 0, r->host_next - r->host_offset);
        r->host_zero = false;
    }
}

static bool gather(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    uint64_t at = rec->offset - r->host_offset;

    if (rec->kind == RAM_WIRE_ZERO) {
        int fill = qemu_get_byte(r->f);

        if (fill) {
            fill_host_page(r);
        }
        if (!r->host_zero) {
            memset(r->host_page + at, fill, RAM_PAGE_SIZE);
        }
    } else if (rec->kind == RAM_WIRE_PAGE) {
        fill_host_page(r);
        qemu_get_buffer(r->f, r->host_page + at, RAM_PAGE_SIZE);
    } else {
        error_setg(errp, "RAM record of kind 0x%" PRIx64 " in post-copy",
                   rec->kind);
        return false;
    }
    r->host_next += RAM_PAGE_SIZE;
    return qemu_file_get_error_obj(r->f, errp) == 0;
}

/* The last page of a block may be shorter than a host page. */
static bool host_page_is_whole(const RAMReader *r)
{
    uint64_t end = MIN(r->host_offset + host_bytes(r->host_block),
                       r->host_block->rb->used_length);

    return r->host_next >= end;
}

static bool place_host_page(RAMReader *r, Error **errp)
{
    RAMIncoming *ri = r->ri;
    RAMIncomingBlock *ib = r->host_block;
    uint64_t got = r->host_next - r->host_offset;

    if (!r->host_zero && got < host_bytes(ib)) {
        memset(r->host_page + got, 0, host_bytes(ib) - got);
    }
    if (!ri->config.ops.place(ri->config.ops.opaque, ib->rb, r->host_offset,
                              r->host_zero ? NULL : r->host_page, errp)) {
        return false;
    }
    ram_incoming_received(ib, r->host_offset >> RAM_PAGE_BITS,
                          got >> RAM_PAGE_BITS);
    r->host_block = NULL;
    return true;
}

/* A host page of one record goes to its place out of the file's buffer. */
static bool place_single(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    RAMIncoming *ri = r->ri;
    uint8_t *page;

    if (qemu_get_buffer_in_place(r->f, &page, RAM_PAGE_SIZE) != RAM_PAGE_SIZE) {
        if (!qemu_file_get_error_obj(r->f, errp)) {
            error_setg(errp, "the stream ends inside of a RAM record");
        }
        return false;
    }
    if (!ri->config.ops.place(ri->config.ops.opaque, rec->ib->rb, rec->offset,
                              page, errp)) {
        return false;
    }
    ram_incoming_received(rec->ib, rec->offset >> RAM_PAGE_BITS, 1);
    return true;
}

static bool place_zeros(RAMReader *r, const RAMRecord *rec, uint64_t n,
                        Error **errp)
{
    RAMIncoming *ri = r->ri;

    if (!ri->place_zeros(ri->config.ops.opaque, rec->ib->rb, rec->offset, n,
                         errp)) {
        return false;
    }
    ram_incoming_received(rec->ib, rec->offset >> RAM_PAGE_BITS, n);
    return true;
}

/* Zero pages, as they lie in the file's buffer one behind the other. */
static bool place_zero_row(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    uint64_t page = rec->offset >> RAM_PAGE_BITS;
    uint64_t left = rec->ib->pages - page - 1;
    uint64_t n = 1;
    unsigned more;

    qemu_file_skip(r->f, 1); /* the fill byte, 0 */
    while ((more = ram_reader_zero_run(r, page + n, left)) > 0) {
        n += more;
        left -= more;
    }
    return place_zeros(r, rec, n, errp);
}

static bool is_zero_row(RAMReader *r, const RAMRecord *rec)
{
    return r->ri->place_zeros && rec->ib->host_pages == 1 &&
           rec->kind == RAM_WIRE_ZERO && qemu_peek_byte(r->f, 0) == 0 &&
           !qemu_file_get_error(r->f);
}

static bool load_record(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    if (!r->host_block && rec->ib->host_pages == 1 &&
        rec->kind == RAM_WIRE_PAGE) {
        return place_single(r, rec, errp);
    }
    if (!r->host_block && is_zero_row(r, rec)) {
        return place_zero_row(r, rec, errp);
    }
    if (!r->host_block) {
        if (!begin_host_page(r, rec, errp)) {
            return false;
        }
    } else if (rec->ib != r->host_block || rec->offset != r->host_next) {
        error_setg(errp,
                   "page 0x%" PRIx64 " of RAM block '%s' comes inside of"
                   " the host page 0x%" PRIx64 " of '%s'",
                   rec->offset, rec->ib->rb->idstr, r->host_offset,
                   r->host_block->rb->idstr);
        return false;
    }
    return gather(r, rec, errp) &&
           (!host_page_is_whole(r) || place_host_page(r, errp));
}

int ram_load_postcopy(RAMReader *r, bool until_eof, Error **errp)
{
    if (!r->ri->have_list || !r->ri->config.ops.place) {
        error_setg(errp, "RAM pages before post-copy was set up");
        return -1;
    }
    for (;;) {
        RAMRecord rec;
        int ret = ram_reader_record(r, until_eof && !r->host_block, &rec, errp);

        if (ret <= 0) {
            return ret;
        }
        if (rec.ib) {
            if (!load_record(r, &rec, errp)) {
                return -1;
            }
        } else if (rec.kind == RAM_WIRE_EOS && !r->host_block) {
            if (!until_eof) {
                return 1;
            }
        } else if (rec.kind == RAM_WIRE_MULTIFD_FLUSH) {
            if (!ram_reader_sync(r->ri, errp)) {
                return -1;
            }
        } else {
            error_setg(errp, "RAM record of kind 0x%" PRIx64 " in post-copy",
                       rec.kind);
            return -1;
        }
    }
}
