/*
 * Ready-made watches for channel classes that sit on file descriptors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_WATCH_H
#define IO_CHANNEL_WATCH_H

#include "io/channel.h"

/** Returns: (out) source that fires when @fd has @condition. */
GSource *qio_channel_create_fd_watch(QIOChannel *ioc, int fd,
                                     GIOCondition condition);

/** As above with one descriptor for each direction; either may be -1. */
GSource *qio_channel_create_fd_pair_watch(QIOChannel *ioc, int fdread,
                                          int fdwrite, GIOCondition condition);

/**
 * QIOChannelReadyFunc:
 *
 * Returns: the subset of @condition that @ioc can do this moment without
 * asking the kernel. Must not block. Thread: the context's.
 */
typedef GIOCondition (*QIOChannelReadyFunc)(QIOChannel *ioc,
                                            GIOCondition condition);

/** Returns: (out) source that fires as @ready says; for memory channels. */
GSource *qio_channel_create_ready_watch(QIOChannel *ioc, GIOCondition condition,
                                        QIOChannelReadyFunc ready);

/** Returns: G_IO_IN if asked for and the class's io_held says so; else 0. */
GIOCondition qio_channel_held(QIOChannel *ioc, GIOCondition condition);

/**
 * qio_channel_create_layer_watch:
 * @ioc: (in) layer; its class has io_held
 * @master: (in) channel below, watched for the same @condition
 *
 * Returns: (out) source that fires when io_held says so or @master is ready.
 */
GSource *qio_channel_create_layer_watch(QIOChannel *ioc, QIOChannel *master,
                                        GIOCondition condition);

#endif
