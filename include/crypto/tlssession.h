/*
 * One TLS connection over a transport that the caller provides as two
 * functions. TLS 1.2 at least, whatever the priority string says.
 *
 *   new -> set_callbacks -> handshake (until COMPLETE) -> check_credentials
 *       -> write, read, ... -> bye (until COMPLETE) -> free
 *
 * Nothing may be written or read before check_credentials() has succeeded;
 * the session enforces it.
 *
 * Thread: after the handshake, one thread may write while another reads
 * (several of each are served one after the other). Key updates of TLS 1.3,
 * own and the peer's, happen inside write and read and are safe under that.
 * Everything else belongs to one thread at a time. The session never holds a
 * lock that stops the other direction while it is inside a transport
 * function, so these may block.
 *
 * The session reads ahead: after a read, more of the transport's bytes may
 * have been taken than were returned. Ask qcrypto_tls_session_check_pending()
 * before waiting for the transport to become readable.
 *
 * Sessions are not resumed and no tickets are issued. A TLS 1.2 peer that asks
 * to renegotiate is told no, and the session goes on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TLSSESSION_H
#define CRYPTO_TLSSESSION_H

#include "crypto/tlscreds.h"

typedef struct QCryptoTLSSession QCryptoTLSSession;

/* Results of the calls that take an Error, beside a count and -1. */
#define QCRYPTO_TLS_SESSION_ERR_BLOCK             (-2)
#define QCRYPTO_TLS_SESSION_PREMATURE_TERMINATION (-3)

/* Most plain text that one record carries (RFC 8446 5.1). */
#define QCRYPTO_TLS_MAX_RECORD 16384

/**
 * qcrypto_tls_session_new:
 * @creds: (in) completed credentials; the session keeps what it needs of them
 * @hostname: (in) the server's name or IP address that its certificate must
 *            bear; NULL for a server. A client with X.509 credentials and
 *            verify-peer needs it.
 * @authzid: (in) id of the authorization object that decides about the peer,
 *           or NULL; only for a server
 * @endpoint: (in) our side; must be that of @creds
 * @errp: (out)
 *
 * Thread: any.
 * Returns: a session, to be freed with qcrypto_tls_session_free(); NULL on
 *          failure.
 * Errors: wrong endpoint; @authzid cannot be enforced; the library refused.
 */
QCryptoTLSSession *qcrypto_tls_session_new(QCryptoTLSCreds *creds,
                                           const char *hostname,
                                           const char *authzid,
                                           QCryptoTLSCredsEndpoint endpoint,
                                           Error **errp);

/** qcrypto_tls_session_free: @sess may be NULL; keys are wiped. */
void qcrypto_tls_session_free(QCryptoTLSSession *sess);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QCryptoTLSSession, qcrypto_tls_session_free)

/**
 * qcrypto_tls_session_require_thread_safety:
 * @sess: (in) the session
 *
 * Say that two threads are going to use @sess. Every session of this
 * implementation allows it, so the call changes nothing; it is part of the
 * public interface.
 */
void qcrypto_tls_session_require_thread_safety(QCryptoTLSSession *sess);

/**
 * qcrypto_tls_session_check_credentials:
 * @sess: (in) after a completed handshake
 * @errp: (out) why the peer is not acceptable
 *
 * X.509: chain, revocation, dates, purpose, strength, host name (client), and
 * authorization of the distinguished name (server with `authzid`).
 * PSK: authorization of the user name. Runs the authorization object in the
 * calling thread.
 *
 * Returns: 0 = the peer is accepted; -1 = it is not.
 * Errors: the certificate's fault in words, or who was not authorized.
 */
int qcrypto_tls_session_check_credentials(QCryptoTLSSession *sess,
                                          Error **errp);

/**
 * QCryptoTLSSessionWriteFunc, QCryptoTLSSessionReadFunc:
 * @buf: (in/out) @len bytes
 * @opaque: (in) from qcrypto_tls_session_set_callbacks()
 *
 * Returns: bytes moved (read: 0 = end of stream); -1 with errno set, EAGAIN
 *          for "would block". Never more than @len.
 */
typedef ssize_t (*QCryptoTLSSessionWriteFunc)(const char *buf, size_t len,
                                              void *opaque);
typedef ssize_t (*QCryptoTLSSessionReadFunc)(char *buf, size_t len,
                                             void *opaque);

/**
 * qcrypto_tls_session_set_callbacks:
 * @write_func, @read_func: (in) the transport
 * @opaque: (in) passed to both; borrowed until the session is freed
 *
 * Mandatory, before the handshake.
 */
void qcrypto_tls_session_set_callbacks(QCryptoTLSSession *sess,
                                       QCryptoTLSSessionWriteFunc write_func,
                                       QCryptoTLSSessionReadFunc read_func,
                                       void *opaque);

/**
 * QCryptoTLSSessionPushFunc, QCryptoTLSSessionPullFunc: as the functions
 * above, for a transport that has more to say about a failure than errno.
 *
 * Returns: bytes moved (pull: 0 = end of stream);
 *          QCRYPTO_TLS_SESSION_ERR_BLOCK; -1 with @errp set.
 */
typedef ssize_t (*QCryptoTLSSessionPushFunc)(const char *buf, size_t len,
                                             void *opaque, Error **errp);
typedef ssize_t (*QCryptoTLSSessionPullFunc)(char *buf, size_t len,
                                             void *opaque, Error **errp);

/**
 * qcrypto_tls_session_set_transport:
 *
 * As qcrypto_tls_session_set_callbacks(); the transport's own errors come out
 * of handshake, send, recv and bye unchanged.
 */
void qcrypto_tls_session_set_transport(QCryptoTLSSession *sess,
                                       QCryptoTLSSessionPushFunc push,
                                       QCryptoTLSSessionPullFunc pull,
                                       void *opaque);

/**
 * qcrypto_tls_session_write:
 * @buf: (in) @len bytes of plain text; not copied before encryption
 *
 * As qcrypto_tls_session_send() with errno instead of an Error.
 *
 * Returns: bytes taken, at least 1 for @len > 0; -1 with errno: EAGAIN = call
 *          again with the same bytes when the transport is writable;
 *          EIO, ECONNABORTED or the transport's = the session is broken.
 */
ssize_t qcrypto_tls_session_write(QCryptoTLSSession *sess, const char *buf,
                                  size_t len);

/**
 * qcrypto_tls_session_send:
 * @buf: (in) @len bytes of plain text
 * @errp: (out) set when the return is -1
 *
 * Encrypt and send. A call takes as much as one batch of records holds
 * (64 KiB). After QCRYPTO_TLS_SESSION_ERR_BLOCK the records made of the first
 * bytes of @buf wait in the session: the next call must begin with the same
 * bytes.
 *
 * Returns: bytes taken; QCRYPTO_TLS_SESSION_ERR_BLOCK; -1.
 * Errors: the transport failed; the session is broken or not yet checked.
 */
ssize_t qcrypto_tls_session_send(QCryptoTLSSession *sess, const char *buf,
                                 size_t len, Error **errp);

/**
 * qcrypto_tls_session_sendv:
 * @iov: (in) @niov pieces of plain text
 * @offset: (in) bytes at their begin that were sent already
 *
 * As qcrypto_tls_session_send(); neighbouring pieces share records.
 */
ssize_t qcrypto_tls_session_sendv(QCryptoTLSSession *sess,
                                  const struct iovec *iov, size_t niov,
                                  size_t offset, Error **errp);

/**
 * qcrypto_tls_session_read:
 * @buf: (out) up to @len bytes of plain text
 *
 * As qcrypto_tls_session_recv() with errno instead of an Error.
 *
 * Returns: bytes; 0 = the peer said good-bye; -1 with errno: EAGAIN,
 *          ECONNABORTED = the stream ended without a good-bye (truncated?),
 *          EIO or the transport's.
 */
ssize_t qcrypto_tls_session_read(QCryptoTLSSession *sess, char *buf,
                                 size_t len);

/**
 * qcrypto_tls_session_recv:
 * @buf: (out) up to @len bytes of plain text
 * @errp: (out) set when the return is -1
 *
 * Returns: bytes; 0 = the peer said good-bye;
 *          QCRYPTO_TLS_SESSION_ERR_BLOCK;
 *          QCRYPTO_TLS_SESSION_PREMATURE_TERMINATION = the transport ended
 *          without a good-bye: an attacker may have cut the stream, so it is
 *          an error unless the protocol above frames its own end; -1.
 * Errors: the transport failed; a record is forged or malformed; the peer
 *         sent a fatal alert (named in the message).
 */
ssize_t qcrypto_tls_session_recv(QCryptoTLSSession *sess, char *buf, size_t len,
                                 Error **errp);

/**
 * qcrypto_tls_session_recvv:
 * @iov: (out) @niov pieces for plain text
 * @cold: (in) what is read is not looked at soon, so that large pieces need not
 *        take room in the cache
 *
 * As qcrypto_tls_session_recv(). Waits only for the first byte; takes with it
 * what has come already.
 */
ssize_t qcrypto_tls_session_recvv(QCryptoTLSSession *sess,
                                  const struct iovec *iov, size_t niov,
                                  bool cold, Error **errp);

/**
 * qcrypto_tls_session_check_pending:
 *
 * Returns: 0 = a read needs the transport to become readable first; else a
 *          read makes progress without. The number is a lower bound of the
 *          bytes held, meaningful only as zero or not.
 */
size_t qcrypto_tls_session_check_pending(QCryptoTLSSession *sess);

/**
 * qcrypto_tls_session_handshake:
 * @errp: (out) what went wrong, with the peer's alert if it sent one
 *
 * Do as much of the handshake as the transport allows. On failure the peer
 * is told with an alert if the transport takes it at once.
 *
 * Returns: 0 = made progress, ask qcrypto_tls_session_get_handshake_status();
 *          -1 = failed.
 * Errors: transport failed or ended; peer does not speak TLS, or not a
 *         version or cipher in common; certificate or key refused.
 */
int qcrypto_tls_session_handshake(QCryptoTLSSession *sess, Error **errp);

typedef enum QCryptoTLSSessionHandshakeStatus {
    QCRYPTO_TLS_HANDSHAKE_COMPLETE,
    QCRYPTO_TLS_HANDSHAKE_SENDING, /* wait until writable, call again */
    QCRYPTO_TLS_HANDSHAKE_RECVING, /* wait until readable, call again */
} QCryptoTLSSessionHandshakeStatus;

/** qcrypto_tls_session_get_handshake_status: what the handshake waits for. */
QCryptoTLSSessionHandshakeStatus qcrypto_tls_session_get_handshake_status(
    QCryptoTLSSession *sess);

typedef enum QCryptoTLSSessionByeStatus {
    QCRYPTO_TLS_BYE_COMPLETE,
    QCRYPTO_TLS_BYE_SENDING,
    QCRYPTO_TLS_BYE_RECVING,
} QCryptoTLSSessionByeStatus;

/**
 * qcrypto_tls_session_bye:
 * @errp: (out)
 *
 * Orderly end of both directions: send what is pending and close_notify, then
 * read until the peer's. Data that still arrives is thrown away.
 * Who only wants to say that he will write no more uses
 * qcrypto_tls_session_shutdown().
 *
 * Returns: QCRYPTO_TLS_BYE_COMPLETE; _SENDING or _RECVING = call again when
 *          the transport is ready; -1.
 * Errors: the transport failed. A peer that just closes is no error.
 */
int qcrypto_tls_session_bye(QCryptoTLSSession *sess, Error **errp);

/**
 * qcrypto_tls_session_shutdown:
 * @errp: (out)
 *
 * End our direction only: send what is pending and close_notify. Reading goes
 * on to work.
 *
 * Returns: QCRYPTO_TLS_BYE_COMPLETE; QCRYPTO_TLS_BYE_SENDING = call again
 *          when the transport is writable; -1.
 * Errors: the transport failed.
 */
int qcrypto_tls_session_shutdown(QCryptoTLSSession *sess, Error **errp);

/**
 * qcrypto_tls_session_rekey:
 * @errp: (out)
 *
 * Change the keys of what we send, with the next bytes written (TLS 1.3
 * KeyUpdate). Happens by itself after as many records as the cipher allows.
 * A TLS 1.2 session has no such thing: nothing is done.
 *
 * Thread: any.
 * Returns: true.
 * Errors: the session is not established.
 */
bool qcrypto_tls_session_rekey(QCryptoTLSSession *sess, Error **errp);

/**
 * qcrypto_tls_session_get_key_size:
 *
 * Returns: bytes of the cipher's key; -1 on failure.
 * Errors: no cipher is agreed yet.
 */
int qcrypto_tls_session_get_key_size(QCryptoTLSSession *sess, Error **errp);

/**
 * qcrypto_tls_session_get_peer_name:
 *
 * Returns: distinguished name (X.509) or user name (PSK server) that
 *          check_credentials() accepted, owned by the caller; NULL if the
 *          peer has none.
 */
char *qcrypto_tls_session_get_peer_name(QCryptoTLSSession *sess);

/**
 * qcrypto_tls_session_get_description:
 *
 * Returns: protocol, kind of credentials, key exchange group and cipher for
 *          people, such as "TLS1.3, X.509, X25519, AES-128-GCM", owned by the
 *          caller; NULL before the handshake.
 */
char *qcrypto_tls_session_get_description(QCryptoTLSSession *sess);

#endif
