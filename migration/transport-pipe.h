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

#endif
