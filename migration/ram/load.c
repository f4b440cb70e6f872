/*
 * Records of the ram section, into memory.
 *
 * Each record is checked before it does anything: kind, block, offset, length.
 * A page's bytes go from the file's buffer, or straight from the channel, to
 * their place. Rows of zero records, as they come for memory that was never
 * touched, are taken as they lie in the buffer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/decompress-pool.h"
#include "migration/compress/xbzrle.h"
#include "migration/mapped/file-ram.h"
#include "migration/multifd/multifd.h"
#include "migration/ram/incoming-internal.h"
#include "util/bulk-copy.h"

/* Most zero records looked at at once. */
#define ZERO_ROW (QEMU_FILE_PEEK_MAX / RAM_WIRE_ZERO_SIZE)

RAMReader *ram_reader_new(RAMIncoming *ri, QEMUFile *f)
{
    RAMReader *r = g_new0(RAMReader, 1);

    r->ri = ri;
    r->f = f;
    return r;
}

void ram_reader_free(RAMReader *r)
{
    if (r) {
        ram_reader_drop_host_page(r);
        g_free(r);
    }
}

/* -- one record -------------------------------------------------------------------- */

static bool read_block(RAMReader *r, Error **errp)
{
    char name[RAM_BLOCK_NAME_MAX + 1];
    size_t len = qemu_get_counted_string(r->f, name);
    RAMBlock *rb;

    if (qemu_file_get_error_obj(r->f, errp)) {
        return false;
    }
    rb = ram_incoming_block(r->ri, name, len, errp);
    r->last = rb ? ram_incoming_find(r->ri, rb) : NULL;
    return rb;
}

static bool check_page(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    if (!rec->ib) {
        error_setg(errp, "RAM record at 0x%" PRIx64 " continues no block",
                   rec->offset);
        return false;
    }
    if (!rec->ib->loaded || r->ri->config.file) {
        error_setg(errp,
                   "a page for RAM block '%s', whose pages do not come in"
                   " the stream",
                   rec->ib->rb->idstr);
        return false;
    }
    if (!ram_block_has_range(rec->ib->rb, rec->offset, RAM_PAGE_SIZE)) {
        error_setg(errp,
                   "page 0x%" PRIx64 " is not in RAM block '%s' of 0x%" PRIx64
                   " bytes",
                   rec->offset, rec->ib->rb->idstr, rec->ib->rb->used_length);
        return false;
    }
    return true;
}

int ram_reader_record(RAMReader *r, bool eof_ok, RAMRecord *rec, Error **errp)
{
    bool more;
    uint64_t word;

    if (eof_ok && !qemu_file_held(r->f) && qemu_peek_byte(r->f, 0) < 0) {
        return qemu_file_get_error_obj(r->f, errp) ? -1 : 0;
    }
    word = qemu_get_be64(r->f);
    if (G_UNLIKELY(!word) && qemu_file_get_error_obj(r->f, errp)) {
        return -1;
    }
    if (!ram_wire_word_decode(word, &rec->offset, &rec->kind, &more, errp)) {
        return -1;
    }
    rec->ib = NULL;
    if (rec->kind & RAM_WIRE_PAGE_KINDS) {
        if (!more && !read_block(r, errp)) {
            return -1;
        }
        rec->ib = r->last;
        if (!check_page(r, rec, errp)) {
            return -1;
        }
    }
    return 1;
}

bool ram_reader_sync(RAMIncoming *ri, Error **errp)
{
    if (!ri->config.multifd) {
        error_setg(errp, "RAM record MULTIFD_FLUSH without multifd");
        return false;
    }
    return multifd_recv_sync(ri->config.multifd, errp);
}

/* -- pre-copy ------------------------------------------------------------------------ */

/* @got of @size bytes could be had. */
static bool got_all(QEMUFile *f, size_t got, size_t size, Error **errp)
{
    if (got == size) {
        return true;
    }
    if (!qemu_file_get_error_obj(f, errp)) {
        error_setg(errp, "the stream ends inside of a RAM record");
    }
    return false;
}

static bool get_bytes(QEMUFile *f, uint8_t *buf, size_t size, Error **errp)
{
    return got_all(f, qemu_get_buffer(f, buf, size), size, errp);
}

unsigned ram_reader_zero_run(RAMReader *r, uint64_t page, uint64_t left)
{
    size_t held = MIN(qemu_file_held(r->f), QEMU_FILE_PEEK_MAX);
    uint8_t *buf;
    unsigned n;

    if (!left || held < RAM_WIRE_ZERO_SIZE) {
        return 0;
    }
    held = qemu_peek_buffer(r->f, &buf, held, 0);
    n = ram_wire_zero_run_decode(buf, held, page << RAM_PAGE_BITS,
                                 (unsigned)MIN(left, ZERO_ROW));
    qemu_file_skip(r->f, (size_t)n * RAM_WIRE_ZERO_SIZE);
    return n;
}

/* The record is read up to its fill byte; more of the kind may follow. */
static bool load_zero(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    uint64_t page = rec->offset >> RAM_PAGE_BITS;
    uint64_t left = rec->ib->pages - page - 1;
    int fill = qemu_get_byte(r->f);
    unsigned n;

    if (fill) {
        memset(ram_incoming_write(rec->ib, rec->offset), fill, RAM_PAGE_SIZE);
        ram_incoming_received(rec->ib, page, 1);
        return true;
    }
    if (qemu_file_get_error_obj(r->f, errp)) {
        return false;
    }
    ram_incoming_zero(rec->ib, page, 1);
    while ((n = ram_reader_zero_run(r, page + 1, left)) > 0) {
        ram_incoming_zero(rec->ib, page + 1, n);
        page += n;
        left -= n;
    }
    rec->ib->high = MAX(rec->ib->high, page + 1);
    return true;
}

static bool load_plain(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    uint8_t *host;
    size_t got;

    if (ram_row_goes_on(r)) {
        return ram_row_load(r, rec, errp);
    }
    host = ram_incoming_write(rec->ib, rec->offset);
    got = qemu_get_buffer_cold(r->f, host, RAM_PAGE_SIZE);
    if (!got_all(r->f, got, RAM_PAGE_SIZE, errp)) {
        return false;
    }
    ram_incoming_received(rec->ib, rec->offset >> RAM_PAGE_BITS, 1);
    return true;
}

static bool load_xbzrle(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    int encoding = qemu_get_byte(r->f);
    size_t len = qemu_get_be16(r->f);

    if (encoding != RAM_WIRE_XBZRLE_ENCODED || len > RAM_PAGE_SIZE) {
        if (!qemu_file_get_error_obj(r->f, errp)) {
            error_setg(errp, "XBZRLE record has encoding %d and %zu bytes",
                       encoding, len);
        }
        return false;
    }
    if (!get_bytes(r->f, r->ri->scratch, len, errp)) {
        return false;
    }
    if (xbzrle_decode(r->ri->scratch, len,
                      ram_incoming_write(rec->ib, rec->offset)) < 0) {
        error_setg(errp,
                   "XBZRLE record for page 0x%" PRIx64 " of RAM block"
                   " '%s' is damaged",
                   rec->offset, rec->ib->rb->idstr);
        return false;
    }
    ram_incoming_received(rec->ib, rec->offset >> RAM_PAGE_BITS, 1);
    return true;
}

static bool load_compressed(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    RAMIncoming *ri = r->ri;
    uint32_t len = qemu_get_be32(r->f);
    uint8_t *buf;

    if (!len || len > DECOMPRESS_BYTES_MAX) {
        if (!qemu_file_get_error_obj(r->f, errp)) {
            error_setg(errp, "compressed page has %u bytes", len);
        }
        return false;
    }
    if (!ri->decompress) {
        ri->decompress =
            decompress_pool_new(MAX(ri->config.decompress_threads, 1), errp);
        if (!ri->decompress) {
            return false;
        }
    }
    buf = decompress_pool_buffer(ri->decompress, errp);
    if (!buf || !get_bytes(r->f, buf, len, errp)) {
        return false;
    }
    decompress_pool_add(ri->decompress, len,
                        ram_incoming_write(rec->ib, rec->offset));
    ram_incoming_received(rec->ib, rec->offset >> RAM_PAGE_BITS, 1);
    return true;
}

static bool load_page(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    ram_row_note(r, rec);
    switch (rec->kind) {
    case RAM_WIRE_PAGE:
        return load_plain(r, rec, errp);
    case RAM_WIRE_ZERO:
        return load_zero(r, rec, errp);
    case RAM_WIRE_XBZRLE:
        return load_xbzrle(r, rec, errp);
    default:
        return load_compressed(r, rec, errp);
    }
}

/* Threads that decompress have done all so far. */
static bool drain(RAMIncoming *ri, Error **errp)
{
    return !ri->decompress || decompress_pool_drain(ri->decompress, errp);
}

/* Sources of before 8.1 know no MULTIFD_FLUSH: they mean each section's end. */
static bool end_section(RAMIncoming *ri, Error **errp)
{
    return !ri->config.multifd || ri->flushes || ram_reader_sync(ri, errp);
}

static bool load_precopy(RAMReader *r, Error **errp)
{
    RAMIncoming *ri = r->ri;

    for (;;) {
        RAMRecord rec;

        if (ram_reader_record(r, false, &rec, errp) < 0) {
            return false;
        }
        if (rec.ib) {
            if (!load_page(r, &rec, errp)) {
                return false;
            }
            continue;
        }
        if (rec.kind != RAM_WIRE_MEM_SIZE && !ri->have_list) {
            error_setg(errp, "the list of RAM blocks is missing");
            return false;
        }
        switch (rec.kind) {
        case RAM_WIRE_EOS:
            bulk_copy_out_done();
            return drain(ri, errp) && end_section(ri, errp);
        case RAM_WIRE_MEM_SIZE:
            if (!ram_incoming_list(ri, r->f, rec.offset, errp)) {
                return false;
            }
            break;
        case RAM_WIRE_MULTIFD_FLUSH:
            ri->flushes = true;
            if (!drain(ri, errp) || !ram_reader_sync(ri, errp)) {
                return false;
            }
            break;
        default: /* HOOK: RDMA's alone */
            error_setg(errp, "RAM record HOOK on a channel without RDMA");
            return false;
        }
    }
}

bool ram_load(RAMIncoming *ri, QEMUFile *f, Error **errp)
{
    if (ri->main && ri->main->f != f) {
        ram_incoming_reconnect(ri);
    }
    if (!ri->main) {
        ri->main = ram_reader_new(ri, f);
    }
    if (ri->postcopy) {
        return ram_load_postcopy(ri->main, false, errp) > 0;
    }
    return load_precopy(ri->main, errp);
}

void ram_incoming_set_near(RAMIncoming *ri, bool near)
{
    ri->near = near;
}

void ram_incoming_reconnect(RAMIncoming *ri)
{
    ram_reader_free(ri->main);
    ri->main = NULL;
}

bool ram_load_finish(RAMIncoming *ri, Error **errp)
{
    const MigrationHost *host = ri->config.host;

    if (!ri->have_list && ri->n) {
        error_setg(errp, "the stream had no section 'ram'");
        return false;
    }
    if (!drain(ri, errp)) {
        return false;
    }
    for (unsigned i = 0; i < ri->n; i++) {
        RAMBlock *rb = ri->block[i].rb;

        if (ri->block[i].loaded && rb->used_length) {
            host->ram_written(ri->config.host_opaque, rb, 0, rb->used_length);
        }
    }
    return true;
}
