/*
 * Files, pipes, terminals: anything with read() and write().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_FILE_H
#define IO_CHANNEL_FILE_H

#include "io/channel.h"

#define TYPE_QIO_CHANNEL_FILE "qio-channel-file"
OBJECT_DECLARE_SIMPLE_TYPE(QIOChannelFile, QIO_CHANNEL_FILE)

struct QIOChannelFile {
    QIOChannel parent;
    int fd;         /* owned; -1 = closed */
    bool from_path; /* opened here: closing counts for fdsets */
};

/**
 * qio_channel_file_new_fd:
 * @fd: (in) open descriptor; owned by the channel
 *
 * Returns: (out) new reference; SEEKABLE where lseek() works.
 */
QIOChannelFile *qio_channel_file_new_fd(int fd);

/**
 * qio_channel_file_new_dupfd:
 * @fd: (in) open descriptor; duplicated, stays the caller's
 *
 * Returns: (out) new reference; NULL = error.
 */
QIOChannelFile *qio_channel_file_new_dupfd(int fd, Error **errp);

/**
 * qio_channel_file_new_path:
 * @path: (in) file name
 * @flags: (in) of open(); O_CLOEXEC is added
 * @mode: (in) permissions of a created file, before umask
 *
 * Returns: (out) new reference; NULL = error.
 * Errors: open() failed; names @path.
 */
QIOChannelFile *qio_channel_file_new_path(const char *path, int flags,
                                          mode_t mode, Error **errp);

#endif
