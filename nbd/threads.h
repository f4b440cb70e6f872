/*
 * A few threads with an AioContext each, over which connections are spread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NBD_THREADS_H
#define NBD_THREADS_H

#include "util/aio.h"

typedef struct NBDThreads NBDThreads;

/* By the number of CPUs, at most so many. */
#define NBD_THREADS_AUTO_MAX 8
#define NBD_THREADS_MAX      64

/** nbd_threads_new: @n: 0 = by the number of CPUs; @name for debuggers. */
NBDThreads *nbd_threads_new(unsigned n, const char *name, Error **errp);
/** nbd_threads_free: nothing may be left in the contexts. Accepts NULL.
 *  Thread: none of them. */
void nbd_threads_free(NBDThreads *t);
/** nbd_threads_next: (transfer none) the contexts one after the other. */
AioContext *nbd_threads_next(NBDThreads *t);
/** nbd_threads_take: (transfer none) the context with the fewest users, and
 *  their number, one more now; it is atomic, the user takes itself off. */
AioContext *nbd_threads_take(NBDThreads *t, unsigned **ret_users);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NBDThreads, nbd_threads_free)

#endif
