/*
 * The recovery of a post-copy: a peer that is there and says nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POSTCOPY_LIMIT_H
#define MIGRATION_POSTCOPY_LIMIT_H

#include "io/channel.h"
#include "util/error.h"

typedef struct PostcopyLimit PostcopyLimit;

/**
 * postcopy_limit_new:
 * @ioc: (in) the main channel of this attempt
 * @peer: whom it leads to, for the message
 * @limit_ms: 0: none, and NULL is returned
 * @progress: grows with each sign of life; called in a thread of its own until
 *     postcopy_limit_free()
 *
 * From now on @ioc is shut down when @progress has not grown for @limit_ms.
 * Whoever is in a read or write there fails then.
 */
PostcopyLimit *postcopy_limit_new(QIOChannel *ioc, const char *peer,
                                  uint64_t limit_ms,
                                  uint64_t (*progress)(void *opaque),
                                  void *opaque);

/** postcopy_limit_free: the end of that. NULL is allowed. Returns: (transfer
 *  full) why @ioc was shut down; NULL: it was not. */
Error *postcopy_limit_free(PostcopyLimit *l);

#endif
