/*
 * A child process as a channel: its standard input is written, its standard
 * output is read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_COMMAND_H
#define IO_CHANNEL_COMMAND_H

#include "io/channel.h"

#define TYPE_QIO_CHANNEL_COMMAND "qio-channel-command"
OBJECT_DECLARE_SIMPLE_TYPE(QIOChannelCommand, QIO_CHANNEL_COMMAND)

struct QIOChannelCommand {
    QIOChannel parent;
    int writefd; /* owned; -1 = the child's input is /dev/null, or closed */
    int readfd;  /* owned; -1 = the child's output is /dev/null, or closed */
    GPid pid;    /* -1 = reaped */
};

/**
 * qio_channel_command_new_spawn:
 * @argv: (in) NULL-terminated, argv[0] is the program's path (no search)
 * @flags: (in) O_RDONLY, O_WRONLY or O_RDWR: what the channel can do
 * @errp: (out) error
 *
 * The child gets no other descriptor than 0, 1 and 2 and default signals.
 * Closing the channel closes the pipes and reaps: the child has 0.5 s to end
 * by itself, then SIGTERM, 0.5 s later SIGKILL.
 *
 * Returns: (out) new reference; NULL = error.
 * Errors: the program cannot be started.
 */
QIOChannelCommand *qio_channel_command_new_spawn(const char *const argv[],
                                                 int flags, Error **errp);

#endif
