/*
 * Post-copy's source: is the other end still there?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POSTCOPY_WATCH_H
#define MIGRATION_POSTCOPY_WATCH_H

#include "io/channel.h"
#include "util/error.h"

struct tcp_info;

typedef struct PostcopyWatch PostcopyWatch;

/**
 * postcopy_watch_new:
 * @main: (in) main channel
 * @urgent: (in) (nullable) that of urgent pages
 *
 * From now on both are shut down soon when the end of @urgent came, or one of
 * them has been silent for MIGRATION_SILENT_MS. Whoever is in a read or write there fails
 * then.
 */
PostcopyWatch *postcopy_watch_new(QIOChannel *main, QIOChannel *urgent);

/** postcopy_watch_urgent_over: the end of the urgent channel's records is about
 *  to be sent: that its reader goes is no break any more. NULL is allowed. */
void postcopy_watch_urgent_over(PostcopyWatch *w);

/** postcopy_watch_free: the end of that. Returns: (transfer full) why they were
 *  shut down; NULL: they were not. */
Error *postcopy_watch_free(PostcopyWatch *w);

/**
 * postcopy_watch_is_silent:
 * @info: (in) what the kernel knows of the connection
 * @watched_ms: it is watched for so long
 *
 * Is there no answer to what is sent again and again? One whose reader does not
 * read, while its host answers, is not silent.
 */
bool postcopy_watch_is_silent(const struct tcp_info *info, uint64_t watched_ms);

#endif
