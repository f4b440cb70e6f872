/*
 * Guest memory on the source: what is dirty, what goes next, and how.
 *
 * RAMSource lives from ram_source_new() at a migration's start to
 * ram_source_free() at its end. The migration thread drives it:
 *
 *     ram_source_new            dirty log on, every page dirty
 *     savevm: START section     ram_save_setup: list of blocks
 *     loop ram_pass_begin       sync: what did the guest write meanwhile
 *          ram_pass_send ...    PART sections until the pass is sent
 *     guest stopped, savevm: END section  ram_complete: last sync, the rest
 *
 * The SaveVMHandlers "ram" (ram_handlers) call these for savevm; a caller that
 * wants more control calls them itself.
 *
 * Each page goes the cheapest way that works now: untouched (never read), zero,
 * xbzrle, compress, multifd or plain. Ways can be switched on and off at any
 * time and take effect at the next pass.
 *
 * The dirty bitmap counts: a page is claimed (its bit cleared) under
 * @lock before it is read, so that the migration thread and the thread that
 * serves page faults of a post-copy never send the same page twice.
 *
 * Thread: the migration thread, unless it says otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RAM_H
#define MIGRATION_RAM_H

#include "migration/host.h"
#include "migration/ram-block.h"
#include "migration/ram/pacer.h"
#include "migration/stats.h"
#include "util/error.h"

typedef struct QEMUFile QEMUFile;
typedef struct MultiFDSend MultiFDSend;
typedef struct FileRAMWriter FileRAMWriter;
typedef struct SaveVMHandlers SaveVMHandlers;
typedef struct RAMSource RAMSource;
typedef struct RAMWriter RAMWriter;

/* Version of section "ram", instance 0. */
#define RAM_SECTION_VERSION 4

/* Ways that may be used; zero and plain always are. */
typedef struct RAMMethods {
    bool xbzrle;
    bool compress;
    bool multifd;
    bool zero_detect; /* on the main channel: not for zero-page-detection
                              "none", or "multifd" where channels do it */
    bool release_ram; /* give the host memory back behind us (postcopy) */
    unsigned compress_threads;   /* 1..255 */
    unsigned compress_level;     /* 0..9 */
    bool compress_wait;          /* wait for a free thread, or send plain */
    uint64_t xbzrle_cache_bytes; /* a power of two, >= RAM_PAGE_SIZE */
} RAMMethods;

/* What does not change after the start. */
typedef struct RAMSourceConfig {
    const MigrationHost *host;
    void *host_opaque;
    MigrationStats *stats; /* borrowed */
    Pacer *pacer;          /* borrowed */
    MultiFDSend *multifd;  /* borrowed; NULL = no channels */
    FileRAMWriter *file;   /* borrowed; mapped-ram: all pages go there */
    bool background;       /* of one moment: no dirty log, no passes */
    bool postcopy;         /* capability postcopy-ram: page sizes in the list */
    bool ignore_shared;    /* capability x-ignore-shared */
    RAMMethods methods;    /* at first */
} RAMSourceConfig;

/* What happened between the last two ram_pass_begin(). */
typedef struct RAMPassReport {
    uint64_t pass; /* 1 = the first, of all memory */
    uint64_t total_bytes;
    uint64_t dirty_bytes;     /* to be sent in the pass that begins */
    uint64_t new_bytes;       /* became dirty since the last sync */
    uint64_t untouched_bytes; /* of dirty_bytes: known to be zero */
    int64_t duration_ns;      /* of the pass that ended */
    int64_t sync_ns;          /* this sync took */
    uint64_t sent_bytes;      /* on all channels, in the pass that ended */
    uint64_t sent_pages;
    uint64_t dirty_rate; /* bytes a second, over that pass */
    uint64_t goodput;    /* RAM bytes a second, over that pass */
    int64_t wait_ns;     /* of its time, senders slept for the limit */
    MigrationMethodStats method[PAGE_METHOD__MAX]; /* in that pass */
} RAMPassReport;

/** ram_source_new: starts the dirty log. NULL and @errp on failure. */
RAMSource *ram_source_new(const RAMSourceConfig *config, Error **errp);
/** ram_source_free: stops the dirty log, ends threads. NULL is allowed. */
void ram_source_free(RAMSource *rs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RAMSource, ram_source_free)

/**
 * ram_source_set_methods: as from the next pass.
 *
 * A cache size takes effect at once, with what it holds kept as far as it fits.
 * Thread: any.
 * Returns: false = a number is out of its range.
 */
bool ram_source_set_methods(RAMSource *rs, const RAMMethods *methods,
                            Error **errp);
/** ram_source_methods: what was set last. Thread: any. */
void ram_source_methods(RAMSource *rs, RAMMethods *ret);

/** ram_save_setup: the payload of the START section. */
bool ram_save_setup(RAMSource *rs, QEMUFile *f, Error **errp);

/**
 * ram_pass_begin:
 * @report: (out) what the pass that ended was like, and how much is dirty now
 *
 * Synchronise the dirty log: a new pass begins. Pages of the pass that are
 * not sent yet stay dirty.
 */
bool ram_pass_begin(RAMSource *rs, RAMPassReport *report, Error **errp);

/** ram_dirty_bytes: still to be sent in this pass. Thread: any. */
uint64_t ram_dirty_bytes(RAMSource *rs);

/**
 * ram_dirty_again: pages that were sent, or clean, when this pass came to them and
 *  are dirty now. Of memory that the first pass has not come to nothing is known.
 *  Returns: false = it cannot be told now.
 */
bool ram_dirty_again(RAMSource *rs, uint64_t *ret_pages);

typedef enum RAMSendResult {
    RAM_SEND_ERROR = -1, /* @errp, or the error of the file, says why */
    RAM_SEND_MORE = 0,   /* the slice is over, the pass is not */
    RAM_SEND_DONE = 1,   /* nothing of this pass is left */
} RAMSendResult;

/**
 * ram_pass_send:
 * @f: the section has been begun; the caller ends it
 * @slice_ns: go on for about this long; 0 = until the pass is done. The pacer
 *          is obeyed
 *
 * Send dirty pages and end with EOS (and at the pass's end with the multifd
 * synchronisation). In post-copy it serves requested pages first.
 */
RAMSendResult ram_pass_send(RAMSource *rs, QEMUFile *f, int64_t slice_ns,
                            Error **errp);

/**
 * ram_complete: guest stopped: last sync, everything that is left, EOS. Not
 * paced. The payload of the END section. In post-copy without another sync.
 */
bool ram_complete(RAMSource *rs, QEMUFile *f, Error **errp);

/** ram_handlers: save and load; opaque is a RAMMigration. */
extern const SaveVMHandlers ram_handlers;

/* What the registered "ram" section hangs from: one for each MigrationState.
 * The owner sets one of both for the time of a migration. */
typedef struct RAMIncoming RAMIncoming;
typedef struct RAMMigration {
    RAMSource *source;
    RAMIncoming *incoming;
} RAMMigration;

/* -- one channel's writer ---------------------------------------------------- */

/**
 * ram_writer_new: RAM records on @f (borrowed): it knows which block was named
 * last. The main channel's is the source's own; the post-copy's urgent channel
 * has another. Thread: that of the channel.
 */
RAMWriter *ram_writer_new(RAMSource *rs, QEMUFile *f);
void ram_writer_free(RAMWriter *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RAMWriter, ram_writer_free)

/* -- post-copy --------------------------------------------------------------- */

/**
 * ram_postcopy_start:
 *
 * Guest stopped: last sync; dirty pages become whole host pages (of
 * max(rb->page_size, host's)); from now on ram_pass_send() sends whole host
 * pages, plain or zero only, requested ones first, and after a request the
 * pages that follow it.
 */
bool ram_postcopy_start(RAMSource *rs, Error **errp);

/**
 * ram_foreach_dirty_range:
 * @fn: called for each range of dirty pages of @rb, in order, bytes; false
 *      stops
 *
 * For RAM_DISCARD after ram_postcopy_start(). Returns: false if @fn did.
 */
bool ram_foreach_dirty_range(RAMSource *rs, RAMBlock *rb,
                             bool (*fn)(RAMBlock *rb, uint64_t start,
                                        uint64_t len, void *opaque),
                             void *opaque);

/** ram_request_is_valid: could it be? For a request that is not served now. */
bool ram_request_is_valid(RAMSource *rs, RAMBlock *rb, uint64_t start,
                          uint64_t len, Error **errp);

/**
 * ram_request_pages:
 * @start, @len: bytes off the wire, checked here
 *
 * The destination waits for these pages: ram_pass_send() sends them next, or
 * ram_send_urgent() now. Wakes a sender that sleeps for the pacer only through
 * the caller's pacer_*; see ram_send_urgent().
 *
 * Thread: any (the return path's).
 * Returns: false = not pages of the block.
 */
bool ram_request_pages(RAMSource *rs, RAMBlock *rb, uint64_t start,
                       uint64_t len, Error **errp);

/**
 * ram_send_host_page:
 * @w: writer of the channel to use
 * @offset: any byte in the host page
 *
 * Send what is dirty of the host page that holds @offset, in ascending order.
 * Not paced. The caller flushes.
 *
 * Thread: that of @w's channel.
 * Returns: target pages sent; 0 = nothing of it was dirty; -1 = error.
 */
int ram_send_host_page(RAMSource *rs, RAMWriter *w, RAMBlock *rb,
                       uint64_t offset, Error **errp);

/**
 * ram_send_urgent:
 * @max_pages: at most this many host pages
 *
 * Take requested pages off the queue and send them by @w, for a channel of
 * their own (preempt). The caller flushes.
 * Returns: host pages handled; 0 = the queue is empty; -1 = error.
 */
int ram_send_urgent(RAMSource *rs, RAMWriter *w, unsigned max_pages,
                    Error **errp);

/** ram_main_writer: the main channel's writer, for whoever holds its lock. */
RAMWriter *ram_main_writer(RAMSource *rs, QEMUFile *f);

/** ram_put_eos: end a ram section's payload that was written by hand. */
void ram_put_eos(QEMUFile *f);

/**
 * ram_postcopy_send:
 * @w: writer of the channel to use
 * @max_bytes: stop when about so many bytes of pages are put
 *
 * The next host pages in the background: from where the last request was, then
 * round. Serves no requests, charges no pacer, writes no EOS. Host pages are
 * claimed atomically: may run beside ram_send_urgent() on another writer.
 *
 * Returns: host pages sent; 0 = nothing is dirty any more; -1 = error.
 */
int ram_postcopy_send(RAMSource *rs, RAMWriter *w, uint64_t max_bytes,
                      Error **errp);

/** ram_postcopy_release_ok: the guest runs over there for certain: with
 *  release-ram, give pages back once they are sent. Thread: any. */
void ram_postcopy_release_ok(RAMSource *rs);

/** ram_set_urgent_channel: requests are left to ram_send_urgent() (true), or
 *  ram_pass_send() serves them (false, default). Thread: any. */
void ram_set_urgent_channel(RAMSource *rs, bool separate);

/**
 * ram_reload_received:
 * @received: bitmap of @rb's pages that the destination holds, host order
 *
 * After a broken post-copy: exactly the others are dirty; requests so far are
 * forgotten (the destination asks again).
 */
void ram_reload_received(RAMSource *rs, RAMBlock *rb,
                         const unsigned long *received);

/** ram_source_reconnect: the channels are new ones: name the block again. */
void ram_source_reconnect(RAMSource *rs, MultiFDSend *multifd);

/* -- for the writers of pages to a file (mapped-ram) --------------------------- */

/**
 * ram_block_is_sent: is @rb carried by the pages of this migration (not shared
 * under x-ignore-shared)?
 */
bool ram_block_is_sent(const RAMSource *rs, const RAMBlock *rb);

#endif
