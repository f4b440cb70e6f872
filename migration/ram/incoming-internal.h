/*
 * What the files of the destination's RAM share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RAM_INCOMING_INTERNAL_H
#define MIGRATION_RAM_INCOMING_INTERNAL_H

#include "migration/qemu-file.h"
#include "migration/ram/incoming.h"
#include "migration/ram/wire.h"
#include "util/bitmap.h"

typedef struct DecompressPool DecompressPool;

/* Memory is faulted in by pieces of at most so many bytes. */
#define POPULATE_BYTES (UINT64_C(2) << 20)

/* One block, as the destination sees it. */
typedef struct RAMIncomingBlock {
    RAMBlock *rb;
    bool listed; /* stood in the source's list */
    bool loaded; /* its pages come (not shared under x-ignore-shared) */
    uint64_t pages;
    uint64_t host_pages;     /* target pages in a page of the mapping */
    unsigned long *touched;  /* atomic: may be other than zero */
    unsigned long *received; /* atomic; NULL without post-copy */
    uint64_t row_next;       /* where a row of first touches goes on */
    uint64_t high;           /* no page from this one on has come yet */
} RAMIncomingBlock;

struct RAMReader {
    RAMIncoming *ri;
    QEMUFile *f;
    RAMIncomingBlock *last; /* named last, NULL = none yet */

    /* Pre-copy: a row of plain pages, ram/row.c. */
    RAMIncomingBlock *row_block;
    uint64_t row_next;
    int row_pages; /* in a row so far; below 0: rows are not tried */

    /* Post-copy: the host page that is being gathered. */
    RAMIncomingBlock *host_block; /* NULL = none */
    uint64_t host_offset;
    uint64_t host_next; /* offset of the page that must come now */
    bool host_zero;     /* all so far are zero; @host_page is not filled */
    uint8_t *host_page;
    size_t host_page_size; /* of @host_page */
};

struct RAMIncoming {
    RAMIncomingConfig config;
    unsigned n;
    RAMIncomingBlock *block;
    bool have_list;
    bool flushes; /* the source sends MULTIFD_FLUSH */
    bool postcopy;
    RAMPlaceZeros *place_zeros; /* or NULL; post-copy */
    bool near;                  /* ram_incoming_set_near() */
    RAMReader *main;
    uint8_t *scratch;           /* what a record carries; SCRATCH_SIZE bytes */
    DecompressPool *decompress; /* or NULL: none came yet */
};

/* Longest data of an XBZRLE or COMPRESS record that is believed. */
#define RAM_SCRATCH_SIZE (RAM_PAGE_SIZE + 1024)

/* -- ram/incoming.c */
RAMIncomingBlock *ram_incoming_find(RAMIncoming *ri, const RAMBlock *rb);
/** ram_incoming_list: the block list of @total bytes. */
bool ram_incoming_list(RAMIncoming *ri, QEMUFile *f, uint64_t total,
                       Error **errp);
/** ram_incoming_received: note pages (any method) as received. */
void ram_incoming_received(RAMIncomingBlock *ib, uint64_t page, uint64_t n);
/** ram_incoming_write: a page of @ib is about to be overwritten whole. */
uint8_t *ram_incoming_write(RAMIncomingBlock *ib, uint64_t offset);
void ram_incoming_zero(RAMIncomingBlock *ib, uint64_t page, uint64_t n);
/** ram_reader_zero_run: records of zero pages from @page on, at most @left, that
 *  the file's buffer holds; they are skipped. Returns: their number. */
unsigned ram_reader_zero_run(RAMReader *r, uint64_t page, uint64_t left);

/* -- ram/load.c */
/** A record's word and block. */
typedef struct RAMRecord {
    uint64_t kind;
    uint64_t offset;
    RAMIncomingBlock *ib; /* for kinds with a page; @offset is in it */
} RAMRecord;
/** ram_reader_record: Returns: 1; 0 = end of the stream (only with @eof_ok);
 *  -1 = error. */
int ram_reader_record(RAMReader *r, bool eof_ok, RAMRecord *rec, Error **errp);
/* -- ram/row.c */
/** ram_row_note: any record of a page came (pre-copy). */
void ram_row_note(RAMReader *r, const RAMRecord *rec);
/** ram_row_goes_on: should the plain page be read by ram_row_load()? */
bool ram_row_goes_on(const RAMReader *r);
/** ram_row_load: the plain page of @rec, of which the file does not hold all,
 *  and those that follow it. */
bool ram_row_load(RAMReader *r, const RAMRecord *rec, Error **errp);

/* -- ram/load-postcopy.c */
void ram_reader_drop_host_page(RAMReader *r);

/** ram_reader_sync: MULTIFD_FLUSH. */
bool ram_reader_sync(RAMIncoming *ri, Error **errp);

#endif
