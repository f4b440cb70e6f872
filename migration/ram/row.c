/*
 * Rows of plain pages, read straight to their places.
 *
 * In the first pass most plain pages follow one another. When some have, and the
 * next is not in the file's buffer, the reader guesses that the row goes on: one
 * readv puts each record's word into an array and each page into the guest's
 * memory, without a copy. Then the words are looked at; up to the first that is
 * not what was guessed, all is in place. What lies behind it is given back to
 * the file, and the memory that it was read to is made zero again: it is above
 * every page that has come so far (RAMIncomingBlock.high), so nothing was there.
 *
 * What was written on the same processor (RAMIncoming.near) is in its cache: a
 * copy from there past the cache costs less than one to where the cache is cold.
 *
 * A channel that returns little at once (TLS: a record) gains nothing; rows are
 * then not tried for a while.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/incoming-internal.h"
#include "util/bswap.h"

/* Pages that must have come in a row. */
#define ROW_BEGIN 8
/* Pages read ahead at once: with their words they fit the file's buffer. */
#define ROW_AHEAD 96
/* A read of less does not pay. */
#define ROW_READ_MIN (12 * 1024)
/* Pages for which rows are then not tried. */
#define ROW_PAUSE 4096

#define WORD_BYTES sizeof(uint64_t)

_Static_assert((ROW_AHEAD + 1) * (RAM_PAGE_SIZE + WORD_BYTES) <=
                   QEMU_FILE_READ_BYTES,
               "what was guessed wrong fits the file's buffer");

/* One read: the rest of a page that is wanted, then what is guessed. */
typedef struct Row {
    RAMIncomingBlock *ib;
    uint64_t offset;  /* of the page that is being read */
    size_t have;      /* bytes of it */
    unsigned guessed; /* pages behind it */
    uint64_t word[ROW_AHEAD];
    struct iovec iov[1 + 2 * ROW_AHEAD];
} Row;

void ram_row_note(RAMReader *r, const RAMRecord *rec)
{
    uint64_t page = rec->offset >> RAM_PAGE_BITS;
    bool fresh = page >= rec->ib->high;

    if (rec->kind == RAM_WIRE_PAGE && fresh && rec->offset == r->row_next &&
        rec->ib == r->row_block) {
        r->row_pages++;
    } else {
        r->row_pages = MIN(r->row_pages, 0);
    }
    if (fresh) {
        rec->ib->high = page + 1;
    }
    r->row_block = rec->ib;
    r->row_next = rec->offset + RAM_PAGE_SIZE;
}

bool ram_row_goes_on(const RAMReader *r)
{
    return r->row_pages >= ROW_BEGIN && !r->ri->config.multifd &&
           !r->ri->near && qemu_file_held(r->f) < RAM_PAGE_SIZE;
}

static unsigned row_iov(Row *row)
{
    RAMIncomingBlock *ib = row->ib;
    struct iovec *iov = row->iov;
    uint64_t left = ib->pages - (row->offset >> RAM_PAGE_BITS) - 1;

    row->guessed = (unsigned)MIN(left, ROW_AHEAD);
    *iov++ = (struct iovec){ .iov_base = ib->rb->host + row->offset + row->have,
                             .iov_len = RAM_PAGE_SIZE - row->have };
    for (unsigned i = 0; i < row->guessed; i++) {
        uint64_t offset = row->offset + (i + 1) * RAM_PAGE_SIZE;

        *iov++ =
            (struct iovec){ .iov_base = &row->word[i], .iov_len = WORD_BYTES };
        *iov++ = (struct iovec){ .iov_base = ram_incoming_write(ib, offset),
                                 .iov_len = RAM_PAGE_SIZE };
    }
    return (unsigned)(iov - row->iov);
}

/* The first @len bytes of what was guessed from page @i on are not that. */
static void give_back(RAMReader *r, Row *row, unsigned i, size_t len)
{
    struct iovec *iov = &row->iov[1 + 2 * i];
    unsigned n = 0;

    for (size_t left = len; left; n++) {
        iov[n].iov_len = MIN(iov[n].iov_len, left);
        left -= iov[n].iov_len;
    }
    qemu_file_unread(r->f, iov, n);
    for (unsigned k = 1; k < n; k += 2) {
        memset(iov[k].iov_base, 0, iov[k].iov_len);
    }
}

static void page_came(RAMReader *r, Row *row)
{
    uint64_t page = row->offset >> RAM_PAGE_BITS;

    row->ib->high = page + 1;
    ram_incoming_received(row->ib, page, 1);
}

/*
 * @n bytes were read. Returns: true: they end inside of the page that is then
 * row->offset's; false: the row has ended, the file goes on.
 */
static bool take(RAMReader *r, Row *row, size_t n)
{
    size_t rest = RAM_PAGE_SIZE - row->have;

    if (n < rest) {
        row->have += n;
        return true;
    }
    n -= rest;
    page_came(r, row);
    for (unsigned i = 0; i < row->guessed; i++) {
        uint64_t next = row->offset + RAM_PAGE_SIZE;

        if (n < WORD_BYTES || be64_to_cpu(row->word[i]) !=
                                  (next | RAM_WIRE_PAGE | RAM_WIRE_CONTINUE)) {
            give_back(r, row, i, n);
            return false;
        }
        n -= WORD_BYTES;
        row->offset = next;
        if (n < RAM_PAGE_SIZE) {
            row->have = n;
            return true;
        }
        n -= RAM_PAGE_SIZE;
        page_came(r, row);
    }
    return false;
}

bool ram_row_load(RAMReader *r, const RAMRecord *rec, Error **errp)
{
    Row row = { .ib = rec->ib,
                .offset = rec->offset,
                .have = qemu_file_held(r->f) };
    size_t n;

    qemu_get_buffer(r->f, ram_incoming_write(rec->ib, rec->offset), row.have);
    do {
        unsigned niov = row_iov(&row);

        n = qemu_file_read_scatter(r->f, row.iov, niov);
        if (!n) {
            qemu_file_get_error_obj(r->f, errp);
            return false;
        }
        if (n < ROW_READ_MIN && row.guessed == ROW_AHEAD) {
            r->row_pages = -ROW_PAUSE;
        }
    } while (take(r, &row, n));
    r->row_next = row.offset + RAM_PAGE_SIZE;
    return true;
}
