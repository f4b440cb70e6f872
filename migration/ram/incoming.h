/*
 * Guest memory on the destination.
 *
 * Everything that comes is hostile: names, lengths and offsets are checked
 * against the machine's own blocks before a byte moves; nothing is ever
 * written outside of a block's used length.
 *
 * Thread: the thread that loads the channel, unless it says otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RAM_INCOMING_H
#define MIGRATION_RAM_INCOMING_H

#include "migration/host.h"
#include "migration/ram-block.h"
#include "util/error.h"

typedef struct QEMUFile QEMUFile;
typedef struct RAMIncoming RAMIncoming;
typedef struct RAMReader RAMReader;
typedef struct MultiFDRecv MultiFDRecv;
typedef struct FileRAMReader FileRAMReader;

/* Joins: what other parts do at points of the stream. */
typedef struct RAMIncomingOps {
    /*
     * (optional) post-copy, guest running or about to: put a whole host page
     * at @offset in place; @page is rb->page_size (or the host's) bytes,
     * NULL = all zero. Then its pages are marked received.
     */
    bool (*place)(void *opaque, RAMBlock *rb, uint64_t offset, const void *page,
                  Error **errp);
    void *opaque;
} RAMIncomingOps;

typedef struct RAMIncomingConfig {
    const MigrationHost *host;
    void *host_opaque;
    RAMIncomingOps ops;
    bool postcopy;        /* capability postcopy-ram: keep received bitmaps,
                           page sizes stand in the list */
    bool ignore_shared;   /* capability x-ignore-shared */
    MultiFDRecv *multifd; /* borrowed; NULL = no channels */
    FileRAMReader *file;  /* borrowed; mapped-ram: pages come from there */
    unsigned decompress_threads; /* 1..255 */
} RAMIncomingConfig;

RAMIncoming *ram_incoming_new(const RAMIncomingConfig *config, Error **errp);
/** ram_incoming_free: NULL is allowed. */
void ram_incoming_free(RAMIncoming *ri);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RAMIncoming, ram_incoming_free)

/**
 * ram_load: one section's payload off @f, to EOS, by pre-copy's rules; the
 * first is the list of blocks. Called by savevm through ram_handlers.
 */
bool ram_load(RAMIncoming *ri, QEMUFile *f, Error **errp);

/** ram_incoming_set_near: whoever writes the main channel does it on this
 *  processor. */
void ram_incoming_set_near(RAMIncoming *ri, bool near);

/** ram_load_finish: the stream is complete: is all of RAM there? Waits for
 *  decompression; tells the host which RAM was written. */
bool ram_load_finish(RAMIncoming *ri, Error **errp);

/* -- for multifd and others that write pages themselves ------------------------ */

/**
 * ram_incoming_page:
 * @offset: off the wire
 *
 * Where a page of @rb belongs. Thread: any.
 * Returns: RAM_PAGE_SIZE writable bytes, or NULL and @errp: not aligned, not
 * in the block, block not part of this migration.
 */
uint8_t *ram_incoming_page(RAMIncoming *ri, RAMBlock *rb, uint64_t offset,
                           Error **errp);

/** ram_incoming_block: by a name of @len bytes off the wire; NULL + @errp. */
RAMBlock *ram_incoming_block(RAMIncoming *ri, const char *name, size_t len,
                             Error **errp);

/**
 * ram_incoming_zero_page: make @rb's page at @offset zero; memory that was never
 * touched stays so. Thread: any.
 */
void ram_incoming_zero_page(RAMIncoming *ri, RAMBlock *rb, uint64_t offset);

/** ram_incoming_placed: others have written @n pages of @rb (multifd). Thread:
 *  any. */
void ram_incoming_placed(RAMIncoming *ri, RAMBlock *rb, const uint64_t *offset,
                         unsigned n);

/** ram_incoming_place_zero: ram_incoming_zero_page() for @n checked offsets. */
void ram_incoming_place_zero(RAMIncoming *ri, RAMBlock *rb,
                             const uint64_t *offset, unsigned n);

/**
 * ram_incoming_populate: pages @offset..+@len are about to be written: fault
 * them in by large pieces, once. Thread: any.
 */
void ram_incoming_populate(RAMIncoming *ri, RAMBlock *rb, uint64_t offset,
                           uint64_t len);

/* -- received bitmaps (post-copy) ------------------------------------------------ */

/** ram_received_set / _test / _clear: pages, bytes in @rb. Atomic; any thread. */
void ram_received_set(RAMIncoming *ri, RAMBlock *rb, uint64_t offset,
                      uint64_t len);
void ram_received_clear(RAMIncoming *ri, RAMBlock *rb, uint64_t offset,
                        uint64_t len);
bool ram_received_test(RAMIncoming *ri, RAMBlock *rb, uint64_t offset);

/** ram_received_bitmap: of ram_block_pages() bits, borrowed; NULL if none. */
const unsigned long *ram_received_bitmap(RAMIncoming *ri, RAMBlock *rb);

/* -- post-copy -------------------------------------------------------------------- */

/**
 * ram_reader_new: RAM records of one channel. The main channel has its own;
 * the urgent channel has another.
 */
RAMReader *ram_reader_new(RAMIncoming *ri, QEMUFile *f);
void ram_reader_free(RAMReader *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RAMReader, ram_reader_free)

/** ram_incoming_reconnect: the main channel is a new one (recovery): forget the
 *  block it named and half a host page. */
void ram_incoming_reconnect(RAMIncoming *ri);

/* As RAMIncomingOps.place, for @n zero pages, each a host page. */
typedef bool RAMPlaceZeros(void *opaque, RAMBlock *rb, uint64_t offset,
                           uint64_t n, Error **errp);

/** ram_incoming_place_rows: in post-copy zero pages that follow one another are
 *  placed by @zeros at once; without it each by RAMIncomingOps.place. */
void ram_incoming_place_rows(RAMIncoming *ri, RAMPlaceZeros *zeros);

/** ram_incoming_postcopy: from now on ram_load() gathers host pages and places
 *  them by RAMIncomingOps.place; pages go nowhere else. */
void ram_incoming_postcopy(RAMIncoming *ri);

/**
 * ram_load_postcopy: records of @r to EOS (or the end of the stream, where
 * @until_eof), gathered to whole host pages and placed.
 *
 * Host pages must come whole and in ascending order of their target pages.
 * Returns: 1 = EOS; 0 = end of stream (only with @until_eof); -1 = error.
 */
int ram_load_postcopy(RAMReader *r, bool until_eof, Error **errp);

#endif
