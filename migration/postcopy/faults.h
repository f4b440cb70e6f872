/*
 * Missing pages on the destination: a thread that hears of faults, and the
 * placement of pages.
 *
 * A page is asked for once, however many threads wait for it; what was asked
 * for and has not come is known, so that it can be asked for again over
 * another connection. A page that counts as received but is not in memory
 * (zeros that were never written, or given up by the balloon since) is placed
 * as zeros here, without the source.
 *
 * This knows nothing of streams: asking is a function of the owner's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POSTCOPY_FAULTS_H
#define MIGRATION_POSTCOPY_FAULTS_H

#include "migration/postcopy/times.h"
#include "migration/ram-block.h"
#include "util/error.h"

typedef struct PostcopyFaults PostcopyFaults;

/* All mandatory but for @begins. */
typedef struct PostcopyFaultsOps {
    /* The fault thread, which is @tid, begins; it calls this */
    void (*begins)(void *opaque, int tid);
    /* Ask for the host page of @len bytes at @offset. Must not wait for the
     * page. A failure is the owner's to note; the page stays asked for.
     * Thread: the fault thread, or that in postcopy_faults_ask_again() */
    void (*request)(void *opaque, RAMBlock *rb, uint64_t offset, uint32_t len);
    /* Does the page count as received? Thread: any */
    bool (*received)(void *opaque, RAMBlock *rb, uint64_t offset);
    /* Faults can no longer be read; guest threads hang. Thread: fault thread */
    void (*failed)(void *opaque, Error *err);
} PostcopyFaultsOps;

/** postcopy_page_size: what is placed at once: @rb's or the host's. */
size_t postcopy_page_size(const RAMBlock *rb);

/** postcopy_block_supported: can missing pages of @rb be served? */
bool postcopy_block_supported(const RAMBlock *rb, Error **errp);

/**
 * postcopy_block_prepare / postcopy_block_restore: before pages of @rb are
 * loaded: no transparent huge pages, which would fill what is missing with
 * zeros; and back.
 */
bool postcopy_block_prepare(RAMBlock *rb, Error **errp);
void postcopy_block_restore(RAMBlock *rb);

/** postcopy_block_discard: pages at @offset..+@len become missing; both whole
 *  pages of postcopy_page_size(). */
bool postcopy_block_discard(RAMBlock *rb, uint64_t offset, uint64_t len,
                            Error **errp);

/**
 * postcopy_faults_new:
 * @blocks: (in) all are watched from now on
 * @times: (in) (nullable) borrowed; outlives the result
 *
 * Start the thread. rb->priv_postcopy is its own until it is freed.
 */
PostcopyFaults *postcopy_faults_new(const RAMBlockList *blocks,
                                    const PostcopyFaultsOps *ops, void *opaque,
                                    PostcopyTimes *times, Error **errp);

/** postcopy_faults_stop: wait for the thread to end; pages that are missing
 *  stay so, and whoever touches them hangs until postcopy_faults_free(). */
void postcopy_faults_stop(PostcopyFaults *pf);

/** postcopy_faults_free: stop watching; pages still missing are zeros then.
 *  Waits for the thread. NULL is allowed. */
void postcopy_faults_free(PostcopyFaults *pf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PostcopyFaults, postcopy_faults_free)

/**
 * postcopy_faults_place:
 * @page: (in) postcopy_page_size() bytes, any alignment; NULL = zeros
 *
 * A page that is there already stays as it is, which is success: the guest may
 * have written it. Thread: any.
 */
bool postcopy_faults_place(PostcopyFaults *pf, RAMBlock *rb, uint64_t offset,
                           const void *page, Error **errp);

/**
 * postcopy_faults_place_zeros: the same for @n pages of zeros at @offset, of a
 * block whose postcopy_page_size() is the host's.
 */
bool postcopy_faults_place_zeros(PostcopyFaults *pf, RAMBlock *rb,
                                 uint64_t offset, uint64_t n, Error **errp);

/** postcopy_faults_ask_again: request() for all that was asked for and has not
 *  been received. Returns: their number. Thread: any. */
uint64_t postcopy_faults_ask_again(PostcopyFaults *pf);

#endif
