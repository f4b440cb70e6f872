/*
 * Guest memory as it was at one moment, saved while the guest goes on.
 *
 *     (guest stopped)
 *     ram_background_protect()    pages that hold something are protected
 *     (guest runs)
 *     ram_background_send() ...   until all of memory is sent
 *     ram_background_free()
 *
 * A page that the guest (or a device) is about to write is copied by a thread
 * of its own, then it may be written: the writer waits for a copy, not for the
 * channel. The sender copies pages likewise, in a row, before it sends them; it
 * sends what writers had copied first. Copies that wait are limited
 * (RAM_BACKGROUND_POOL): when there are so many, writers do wait for the
 * channel.
 *
 * Each page is copied once, by who claims its bit (ram_dirty_claim*()). A page
 * that was never touched when the guest stood is not even protected: it goes as
 * zero, whatever is in it by then.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RAM_BACKGROUND_H
#define MIGRATION_RAM_BACKGROUND_H

#include "migration/ram/ram.h"

typedef struct RAMBackground RAMBackground;

/* Bytes of pages that may wait for the channel. */
#define RAM_BACKGROUND_POOL (UINT64_C(64) << 20)

/**
 * ram_background_supported:
 *
 * Can the writes to all of @blocks be held up here? Errors: the kernel cannot,
 * or the process may not; a block's pages are too large.
 */
bool ram_background_supported(const RAMBlockList *blocks, Error **errp);

/* What the threads tell; called in any of them, at most once. */
typedef struct RAMBackgroundOps {
    void (*failed)(void *opaque, Error *err); /* @err: owned by this call */
} RAMBackgroundOps;

/**
 * ram_background_new:
 * @rs: made with config.background; outlives this
 *
 * Get all that is needed, before the guest is stopped. For
 * ram_background_free().
 */
RAMBackground *ram_background_new(RAMSource *rs, const RAMBackgroundOps *ops,
                                  void *opaque, Error **errp);

/** ram_background_protect: guest stopped: this is the moment. */
bool ram_background_protect(RAMBackground *b, Error **errp);

/**
 * ram_background_send:
 * @f: the section has been begun; the caller ends it
 *
 * Send for about @slice_ns, ends with EOS. The pacer is obeyed.
 */
RAMSendResult ram_background_send(RAMBackground *b, QEMUFile *f,
                                  int64_t slice_ns, Error **errp);

/** ram_background_free: nobody waits any more, all memory is as it was.
 *  Accepts NULL. */
void ram_background_free(RAMBackground *b);

#endif
