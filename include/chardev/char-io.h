/*
 * Channels for back ends: a watch that reads only while the front end can
 * take bytes, and a write that never blocks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_CHAR_IO_H
#define CHARDEV_CHAR_IO_H

#include "chardev/char-fe.h"
#include "io/channel.h"

/**
 * io_add_watch_poll:
 * @chr: names the source
 * @ioc: (in) channel; referenced while the watch lives
 * @fd_can_read: asked before every poll; input is watched while it is > 0
 * @fd_read: called on input, hang-up or error; FALSE ends the watch
 * @user_data: passed to both
 * @context: (in) or NULL
 *
 * Returns: the attached source; the caller owns a reference and gives it back
 *      by remove_fd_in_watch() or remove_io_watch_poll().
 */
GSource *io_add_watch_poll(Chardev *chr, QIOChannel *ioc,
                           IOCanReadHandler *fd_can_read,
                           QIOChannelFunc fd_read, gpointer user_data,
                           GMainContext *context);

/** remove_io_watch_poll: end the watch and drop the reference; NULL is
 * accepted. Thread: any. */
void remove_io_watch_poll(GSource *source);

/** remove_fd_in_watch: end chr->gsource, if any. */
void remove_fd_in_watch(Chardev *chr);

/**
 * io_channel_send:
 * @ioc: non-blocking channel
 * @buf: (in) @len bytes
 * @len: bytes
 *
 * Returns: bytes written, 1..@len; -1 with errno EAGAIN or EIO/EPIPE.
 */
int io_channel_send(QIOChannel *ioc, const void *buf, size_t len);

/** io_channel_send_full: the same, @nfds descriptors travel with it. */
int io_channel_send_full(QIOChannel *ioc, const void *buf, size_t len, int *fds,
                         size_t nfds);

#endif
