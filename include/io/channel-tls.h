/*
 * TLS over any channel.
 *
 * Layers: the TLS channel holds a reference to its master and never asks
 * what it is. Create, call qio_channel_tls_handshake(), and only then read
 * and write. Nothing that the peer sent before the handshake can be read
 * through the TLS channel.
 *
 * An end of stream without TLS close_notify is an error unless the
 * application has shut down the read direction: truncation is an attack.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_TLS_H
#define IO_CHANNEL_TLS_H

#include "io/channel.h"
#include "io/task.h"

typedef struct QCryptoTLSCreds QCryptoTLSCreds;
typedef struct QCryptoTLSSession QCryptoTLSSession;
typedef struct QIOHandshakeSlot QIOHandshakeSlot;

#define TYPE_QIO_CHANNEL_TLS "qio-channel-tls"
OBJECT_DECLARE_SIMPLE_TYPE(QIOChannelTLS, QIO_CHANNEL_TLS)

struct QIOChannelTLS {
    QIOChannel parent;
    QIOChannel *master;         /* owned reference */
    QCryptoTLSSession *session; /* owned */
    int shutdown;               /* QIOChannelShutdown bits; atomic */
    int writers;                /* threads within io_writev; atomic */
    bool established;           /* the handshake succeeded; atomic */
    QIOHandshakeSlot *slot;     /* handshake under way; owned */
};

/**
 * qio_channel_tls_new_server:
 * @master: (in) connected channel; a reference is taken
 * @creds: (in) credentials with endpoint=server; a reference is taken
 * @aclname: (in) id of an authorization object for the peer's name, or NULL
 * @errp: (out) error
 *
 * Returns: (out) new reference; NULL = error.
 * Errors: credentials of the wrong endpoint; @aclname cannot be enforced.
 */
QIOChannelTLS *qio_channel_tls_new_server(QIOChannel *master,
                                          QCryptoTLSCreds *creds,
                                          const char *aclname, Error **errp);

/**
 * qio_channel_tls_new_client:
 * @master: (in) connected channel; a reference is taken
 * @creds: (in) credentials with endpoint=client; a reference is taken
 * @hostname: (in) name the server's certificate must hold; NULL only for
 *            credentials that do not verify one
 * @errp: (out) error
 *
 * Returns: (out) new reference; NULL = error.
 */
QIOChannelTLS *qio_channel_tls_new_client(QIOChannel *master,
                                          QCryptoTLSCreds *creds,
                                          const char *hostname, Error **errp);

/**
 * qio_channel_tls_handshake:
 * @func: (in) called once in @context; the task's source is @ioc
 * @opaque: (in) for @func
 * @destroy: (in) frees @opaque; or NULL
 * @context: (in) NULL = the default one
 *
 * Handshake and check of the peer. The master is non-blocking meanwhile. There
 * is no time limit; see ..._handshake_full(). qio_channel_close() ends it with an
 * error.
 */
void qio_channel_tls_handshake(QIOChannelTLS *ioc, QIOTaskFunc func,
                               gpointer opaque, GDestroyNotify destroy,
                               GMainContext *context);

/**
 * qio_channel_tls_handshake_full:
 * @timeout_ms: the handshake fails after so long; 0 = no limit
 *
 * As qio_channel_tls_handshake().
 */
void qio_channel_tls_handshake_full(QIOChannelTLS *ioc, unsigned timeout_ms,
                                    QIOTaskFunc func, gpointer opaque,
                                    GDestroyNotify destroy,
                                    GMainContext *context);

/**
 * qio_channel_tls_handshake_sync:
 * @timeout_ms: as above; 0 = no limit
 *
 * The handshake in the calling thread or coroutine.
 * Returns: 0; -1 = error.
 */
int qio_channel_tls_handshake_sync(QIOChannelTLS *ioc, unsigned timeout_ms,
                                   Error **errp);

/**
 * qio_channel_tls_bye:
 *
 * Send close_notify, so that the peer can tell the end from a cut. Waits
 * for room to send, in a coroutine by yielding; does not wait for an answer.
 *
 * Returns: 0; -1 = error.
 */
int qio_channel_tls_bye(QIOChannelTLS *ioc, Error **errp);

/** qio_channel_tls_get_session: borrowed, e.g. for the peer's name. */
QCryptoTLSSession *qio_channel_tls_get_session(QIOChannelTLS *ioc);

#endif
