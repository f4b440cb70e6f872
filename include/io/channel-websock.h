/*
 * WebSocket (RFC 6455, version 13) over any channel, as server or client.
 *
 * Payload travels in binary messages with subprotocol "binary"; message
 * borders mean nothing to the reader, who sees one byte stream.
 * Create, call qio_channel_websock_handshake(), then read and write.
 * Ping is answered, close is answered, a peer that breaks the protocol gets
 * a close frame with the RFC's code and an error comes from the next read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_WEBSOCK_H
#define IO_CHANNEL_WEBSOCK_H

#include "io/channel.h"
#include "io/task.h"

#define TYPE_QIO_CHANNEL_WEBSOCK "qio-channel-websock"
OBJECT_DECLARE_SIMPLE_TYPE(QIOChannelWebsock, QIO_CHANNEL_WEBSOCK)

/**
 * qio_channel_websock_new_server:
 * @master: (in) connected channel; a reference is taken
 *
 * A server that accepts the request path "/" only.
 * Returns: (out) new reference.
 */
QIOChannelWebsock *qio_channel_websock_new_server(QIOChannel *master);

/**
 * qio_channel_websock_new_client:
 * @master: (in) connected channel; a reference is taken
 * @host: (in) value of the Host header, "name" or "name:port"; copied
 * @path: (in) request path, or NULL for "/"; copied
 * @errp: (out) error
 *
 * Returns: (out) new reference; NULL = error.
 * Errors: @host or @path holds a character that HTTP does not allow there, or
 * is too long for the request.
 */
QIOChannelWebsock *qio_channel_websock_new_client(QIOChannel *master,
                                                  const char *host,
                                                  const char *path,
                                                  Error **errp);

/**
 * qio_channel_websock_handshake:
 * @func: (in) called once in @context; the task's source is @ioc
 * @opaque: (in) for @func
 * @destroy: (in) frees @opaque; or NULL
 * @context: (in) NULL = the default one
 *
 * The HTTP upgrade. A bad request is answered (400; 403 = too large; 404 = path)
 * before the error is returned. The master is non-blocking meanwhile.
 * qio_channel_close() ends it with an error.
 */
void qio_channel_websock_handshake(QIOChannelWebsock *ioc, QIOTaskFunc func,
                                   gpointer opaque, GDestroyNotify destroy,
                                   GMainContext *context);

/**
 * qio_channel_websock_handshake_full:
 * @timeout_ms: the handshake fails after so long; 0 = no limit
 */
void qio_channel_websock_handshake_full(QIOChannelWebsock *ioc,
                                        unsigned timeout_ms, QIOTaskFunc func,
                                        gpointer opaque, GDestroyNotify destroy,
                                        GMainContext *context);

/**
 * qio_channel_websock_handshake_sync:
 * @timeout_ms: as above; 0 = no limit
 *
 * The handshake in the calling thread or coroutine.
 * Returns: 0; -1 = error.
 */
int qio_channel_websock_handshake_sync(QIOChannelWebsock *ioc,
                                       unsigned timeout_ms, Error **errp);

#endif
