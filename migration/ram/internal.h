/*
 * What the files of the source's RAM share: RAMSource and its blocks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RAM_INTERNAL_H
#define MIGRATION_RAM_INTERNAL_H

#include "migration/qemu-file.h"
#include "migration/ram/ram.h"
#include "migration/ram/wire.h"
#include "util/bitmap.h"
#include "util/thread.h"

typedef struct XBZRLECache XBZRLECache;
typedef struct CompressPool CompressPool;
typedef struct ZeroAhead ZeroAhead;

/*
 * The dirty log is cleared, and looked through for memory that was never
 * touched, in chunks of so many pages (16 MiB): a clear holds the guest's MMU
 * for microseconds only, and the pages of a chunk are read just after it.
 */
#define RAM_CHUNK_PAGES UINT64_C(4096)

/* So many at once where pages turn out to be zero, which takes a moment only. */
#define RAM_WINDOW_CHUNKS 8
#define RAM_WINDOW_PAGES  (RAM_WINDOW_CHUNKS * RAM_CHUNK_PAGES)

/*
 * Most pages in a run: with their headers they fit one writev of the file
 * (QEMU_FILE_IOV_MAX, QEMU_FILE_IOV_BYTES).
 */
#define RAM_RUN_MAX 510

/* Requests of the destination that may wait at once. */
#define RAM_REQUESTS_MAX 4096

/* One block, as the source sees it. */
typedef struct RAMSourceBlock {
    RAMBlock *rb;
    uint64_t pages;
    uint64_t data_end;        /* page_present_map()'s */
    uint64_t key_base;        /* number of its first page in all of RAM */
    uint64_t host_pages;      /* target pages in a page of the mapping */
    unsigned long *dirty;     /* to be sent; under RAMSource.lock */
    unsigned long *again;     /* reported within the pass: for the next */
    unsigned long *uncleared; /* chunks to be cleared in the log yet */
    unsigned long *touched;   /* post-copy out of the first pass, background:
                                 pages that hold something; or NULL */
} RAMSourceBlock;

/* A request of the destination. */
typedef struct RAMRequest {
    RAMSourceBlock *sb;
    uint64_t first; /* target pages, whole host pages */
    uint64_t n;
} RAMRequest;

/* Sampled time of a method: one page in METHOD_SAMPLE is measured. */
#define METHOD_SAMPLE 32

/* What a writer counts until it tells the statistics. */
typedef struct WriterCount {
    uint64_t pages;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t sampled_ns;
} WriterCount;

struct RAMWriter {
    RAMSource *rs;
    QEMUFile *f;
    bool copies;    /* what the channel would copy is copied here */
    RAMBlock *last; /* named last, NULL = none yet */
    WriterCount count[PAGE_METHOD__MAX];
    uint64_t cpu_ns;  /* estimate for the sampled methods, in this slice */
    uint64_t counted; /* qemu_file_transferred() told to the statistics */
    unsigned sample;  /* pages since the last that was measured */
};

struct RAMSource {
    RAMSourceConfig config;
    unsigned n;
    RAMSourceBlock *block; /* those that are sent, in the list's order */
    int pagemap;
    bool logging;    /* the dirty log is on */
    bool postcopy;   /* ram_postcopy_start() was called */
    bool stopped;    /* the guest stands for good: the log needs no clearing */
    bool release_ok; /* atomic; see ram_postcopy_release_ok() */
    RAMWriter *main;

    /*
     * Guards the dirty bitmaps, @request*, @cursor* in post-copy, @wanted.
     * A leaf.
     */
    QemuMutex lock;
    RAMMethods wanted;   /* from the next pass on */
    RAMRequest *request; /* ring of RAM_REQUESTS_MAX */
    unsigned request_head;
    unsigned request_n;
    bool separate_urgent;
    uint64_t dirty_pages;  /* atomic: bits in all bitmaps */
    unsigned cursor_block; /* where the pass goes on */
    uint64_t cursor_page;

    /* The pass: the migration thread's. */
    RAMMethods methods; /* in this pass */
    uint64_t pass;
    int64_t pass_start_ns;
    uint64_t pass_sent_bytes;
    uint64_t pass_wait_ns;
    MigrationMethodStats pass_method[PAGE_METHOD__MAX]; /* at its start */
    bool multifd_dirty; /* pages were queued since the last sync */
    /* The chunks that are being sent, and what of them was ever touched. */
    RAMSourceBlock *window_block;
    uint64_t window_first; /* page */
    uint64_t window_pages;
    bool window_known; /* @window_touched counts */
    DECLARE_BITMAP(window_touched, RAM_WINDOW_PAGES);
    uint64_t window_tested; /* pages of it that were looked at */
    uint64_t window_zeros;  /* of these */
    ZeroAhead *ahead;       /* or NULL: one processor */
    bool ahead_worth;       /* it should look at this window */
    bool ahead_on;          /* it does */

    XBZRLECache *xbzrle;       /* or NULL */
    uint8_t *xbzrle_out;       /* XBZRLE_BYTES_MAX bytes */
    uint64_t xbzrle_from_pass; /* all pages go through the cache from this on */
    CompressPool *compress;    /* or NULL; made with these: */
    unsigned compress_threads;
    unsigned compress_level;
};

/* A run of pages of one block, claimed. */
typedef struct RAMRun {
    RAMSourceBlock *sb;
    uint64_t first;
    uint64_t n;
} RAMRun;

/* -- ram/source.c */
int64_t ram_now_ns(void);
RAMSourceBlock *ram_source_block(RAMSource *rs, const RAMBlock *rb);

/* -- ram/dirty.c: the bitmaps */
bool ram_dirty_sync(RAMSource *rs, uint64_t *ret_new, Error **errp);
/** ram_dirty_claim: take the next at most @max dirty pages in a row, within a
 *  chunk. False: none is left up to the last block's end. */
bool ram_dirty_claim(RAMSource *rs, uint64_t max, RAMRun *run);
/** ram_dirty_claim_host: all dirty pages of the host page that holds @page, as
 *  a bitmap of sb->host_pages bits from its first page on. Returns: how many. */
uint64_t ram_dirty_claim_host(RAMSource *rs, RAMSourceBlock *sb, uint64_t page,
                              unsigned long *claimed);
/** ram_dirty_enter: before pages of @run, which is within a chunk, are read. */
void ram_dirty_enter(RAMSource *rs, const RAMRun *run);

/* -- ram/writer.c: records */
/** ram_writer_send_run: @touched: bit 0 is the run's first page; NULL = all. */
bool ram_writer_send_run(RAMWriter *w, const RAMRun *run,
                         const unsigned long *touched, uint64_t touched_first,
                         Error **errp);
void ram_writer_header(RAMWriter *w, RAMBlock *rb, uint64_t offset,
                       uint64_t flags);
/** ram_writer_plain: @page instead of the block's memory: copied; or NULL. */
void ram_writer_plain(RAMWriter *w, RAMBlock *rb, uint64_t offset,
                      const uint8_t *copy);
/** ram_writer_plain_from: @page is not copied and must stay until the next
 *  flush. */
void ram_writer_plain_from(RAMWriter *w, RAMBlock *rb, uint64_t offset,
                           const uint8_t *page);
void ram_writer_zero(RAMWriter *w, RAMBlock *rb, uint64_t offset);
/** ram_writer_account: tell the statistics. */
void ram_writer_account(RAMWriter *w);

/* -- ram/delta.c: xbzrle and compression in the pipeline */
/** ram_delta_page: false: it was not sent this way. */
bool ram_delta_page(RAMWriter *w, RAMBlock *rb, uint64_t offset);
/** ram_delta_prefetch: the page at @offset may come soon. */
void ram_delta_prefetch(const RAMSource *rs, const RAMSourceBlock *sb,
                        uint64_t offset);
/** ram_delta_zero: the page was sent as zero, or in a way that the delta's
 *  cache does not see. */
void ram_delta_zero(RAMSource *rs, RAMBlock *rb, uint64_t offset);
/** ram_delta_drain: what threads still compress is put too. */
bool ram_delta_drain(RAMWriter *w, Error **errp);
/** ram_delta_resize: the cache to the size that is wanted now. */
void ram_delta_resize(RAMSource *rs);
void ram_delta_free(RAMSource *rs);
bool ram_methods_check(const RAMMethods *m, Error **errp);
/** ram_methods_apply: make and drop what the methods of this pass need. */
bool ram_methods_apply(RAMSource *rs, Error **errp);

/* -- ram/postcopy.c */
RAMSendResult ram_postcopy_slice(RAMWriter *w, int64_t slice_ns, Error **errp);

#endif
