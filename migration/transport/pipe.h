/*
 * A pipe, or a program's two pipes, as a channel that can be shut down.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_TRANSPORT_PIPE_H
#define MIGRATION_TRANSPORT_PIPE_H

#include "io/channel.h"

#define TYPE_MIGRATION_PIPE "migration-pipe"

/**
 * migration_pipe_new_take:
 * @master: (in) a file or command channel; the reference is taken, also on
 *     failure
 *
 * Returns: (transfer full) a channel with QIO_CHANNEL_FEATURE_SHUTDOWN; NULL =
 * error.
 */
QIOChannel *migration_pipe_new_take(QIOChannel *master, Error **errp);

/**
 * migration_pipe_is_unread:
 * @ioc: (in) a channel from above, or any other
 *
 * Has the last byte that was written not been read, and will it never be? Asks
 * the kernel: it says so of a pipe whose readers are gone.
 */
bool migration_pipe_is_unread(QIOChannel *ioc);

/**
 * migration_pipe_finish:
 * @ioc: (in) a channel from above, or any other, for which nothing happens
 * @limit_ms: longest wait; -1: none, but shutdown ends it
 *
 * All was written: let the program see the end of its input and wait until it
 * has ended by itself. Closing alone would give it half a second. What it
 * prints is read and dropped, if @drain.
 *
 * Returns: false = it failed, or did not end.
 */
bool migration_pipe_finish(QIOChannel *ioc, int limit_ms, bool drain,
                           Error **errp);

#endif
