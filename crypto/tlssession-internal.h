/*
 * Inside of a TLS session, shared by its files.
 *
 * GnuTLS never touches the transport: it takes bytes from the read-ahead
 * buffer and appends to the output buffer. The transport is read and written
 * outside of the locks that GnuTLS runs under:
 *
 *      transport -> ahead -> gnutls_record_recv -> caller
 *   in_lock             recv_lock
 *
 *      caller -> gnutls_record_send -> fresh -> flight -> transport
 *                     send_lock                 out_lock
 *
 * Data of TLS 1.3 does not go through GnuTLS: tlssession-keys.c does what
 * gnutls_record_send and gnutls_record_recv do, between the same buffers and
 * under the same locks.
 *
 * Sending and receiving run side by side, but GnuTLS keeps the keys of both
 * directions in one table. Whatever changes that table holds recv_lock and
 * send_lock: a key update of our own takes both; a post-handshake message of
 * the peer is seen by a hook before GnuTLS acts on it, in the thread that
 * holds recv_lock, and the hook takes send_lock for the rest of that call.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TLSSESSION_INTERNAL_H
#define CRYPTO_TLSSESSION_INTERNAL_H

#include "crypto/tlssession.h"

#include "tls-aead.h"
#include "tlscreds-internal.h"

/* Records of one batch, and so of one call of the transport. */
#define TLS_BATCH 4

/* RFC 8446 5.1, 5.2: header, and the most that a record may carry. */
#define TLS_HEADER     5
#define TLS_RECORD_MAX (TLS_HEADER + QCRYPTO_TLS_MAX_RECORD + 256)

/* Pieces below this are joined with what follows them, for GnuTLS. */
#define TLS_GATHER_SMALL 4096

/* The read-ahead buffer grows from one record to a batch. */
#define TLS_AHEAD_FIRST 4096
#define TLS_AHEAD_MAX   (TLS_BATCH * TLS_RECORD_MAX)

/* Records under one key of TLS 1.3 (RFC 8446 5.5: 2^24.5 for AES-GCM). */
#define TLS_REKEY_RECORDS (1u << 24)

/* Replies that a peer can make us queue while we write nothing. */
#define TLS_CONTROL_MAX 4096

typedef enum TLSState {
    TLS_STATE_HANDSHAKE,
    TLS_STATE_UNCHECKED, /* handshake done, peer not accepted yet */
    TLS_STATE_OPEN,
    TLS_STATE_BROKEN,
} TLSState;

typedef struct TLSBytes {
    uint8_t *data;
    size_t start, end, size;
} TLSBytes;

/* A record that was encrypted and is on its way. */
typedef struct TLSMark {
    uint64_t end; /* position in the stream of output bytes */
    size_t plain; /* bytes of plain text it carries */
} TLSMark;

/* The keys of one direction; @aead is NULL while GnuTLS does it all. */
typedef struct TLSKeys {
    TLSAead *aead; /* owned */
    uint64_t seq;  /* of the next record */
    size_t key_len;
    uint8_t key[32];
    uint8_t iv[TLS_AEAD_NONCE];
} TLSKeys;

struct QCryptoTLSSession {
    QCryptoTLSCredsBox *box;
    gnutls_session_t handle;
    char *hostname; /* without trailing dot, brackets, zone; or NULL */
    char *authzid;
    char *peer_name;
    char *psk_user; /* that the peer gave in the handshake */
    bool psk_unknown;
    gint state; /* TLSState, atomic */
    char *why;  /* it is broken; set once before that, atomic */
    QCryptoTLSSessionHandshakeStatus hs_status;
    bool heard;       /* something of the peer, in the handshake */
    bool hs_finished; /* GnuTLS is done, output may be pending */
    bool tls13;

    QCryptoTLSSessionPushFunc push;
    QCryptoTLSSessionPullFunc pull;
    void *opaque;
    QCryptoTLSSessionWriteFunc write_func; /* if push is the errno adapter */
    QCryptoTLSSessionReadFunc read_func;
    void *func_opaque;

    /* Lock order: out_lock, in_lock, recv_lock, send_lock. */
    QemuMutex out_lock;  /* one writer; guards flight, marks, flushed, bye */
    QemuMutex in_lock;   /* one reader; guards in_end, and ahead's growth */
    QemuMutex recv_lock; /* receiving; guards ahead, in_keys, plain */
    QemuMutex send_lock; /* sending; guards fresh, queued, records, out_keys */

    TLSKeys in_keys;
    TLSKeys out_keys;
    size_t record_max; /* plain text that the peer takes in a record; 0 = it is
                          not known yet; under send_lock */
    uint8_t *plain;    /* text of the last record that was opened; owned */
    size_t plain_start, plain_end; /* what the caller has not had of it */

    TLSBytes ahead;
    size_t pull_left; /* GnuTLS gets no more of @ahead; under recv_lock */
    bool ahead_eof;
    ssize_t in_end; /* 1 = open; else what recv goes on to return */
    int in_errno;
    bool hook_locked;  /* the hook holds send_lock; under recv_lock */
    bool hook_request; /* the peer asked for new keys; under recv_lock */

    TLSBytes fresh;
    uint64_t queued;  /* bytes ever put into fresh */
    uint64_t records; /* sent under the present key */
    uint64_t rekey_after;
    gint rekey_wanted; /* atomic */

    TLSBytes flight;
    uint64_t flushed; /* bytes ever taken by the transport */
    TLSMark marks[TLS_BATCH];
    unsigned n_marks;
    bool bye_sent;
    gint alert_queued; /* atomic: why the session broke, for the peer */
    int out_errno;
    char *out_why;   /* the transport takes no more; owned, or NULL */
    uint8_t *gather; /* pieces are joined in it for GnuTLS; owned */
};

/** tls_fill: transport to ahead; under in_lock.
 *  Returns: bytes; 0 = end; QCRYPTO_TLS_SESSION_ERR_BLOCK; -1. */
ssize_t tls_fill(QCryptoTLSSession *sess, Error **errp);

/** tls_flush: all queued bytes to the transport; under out_lock.
 *  Returns: 0; QCRYPTO_TLS_SESSION_ERR_BLOCK; -1. */
int tls_flush(QCryptoTLSSession *sess, Error **errp);

/** tls_fresh_reserve: room for @len bytes at the end of fresh; under send_lock.
 *  Returns: borrowed until the next call. */
uint8_t *tls_fresh_reserve(QCryptoTLSSession *sess, size_t len);

/** tls_fresh_commit: @len bytes were put into what was reserved. */
void tls_fresh_commit(QCryptoTLSSession *sess, size_t len);

/** tls_keys_start: the peer was accepted: data need not go through GnuTLS. */
void tls_keys_start(QCryptoTLSSession *sess);

/** tls_keys_end: forget keys and text. */
void tls_keys_end(QCryptoTLSSession *sess);

/** tls_keys_lend: GnuTLS is about to use the keys of a direction, under its
 *  lock. */
void tls_keys_lend(QCryptoTLSSession *sess, bool read);

/** tls_keys_back: GnuTLS has done; the keys may be others. */
void tls_keys_back(QCryptoTLSSession *sess, bool read);

/** tls_seal: the bytes of @iov from @offset on, @len at most and there, as one
 *  record at the end of fresh; under send_lock, with out_keys.aead and
 *  record_max.
 *  Returns: bytes of plain text, at least 1; 0 = the library failed. */
size_t tls_seal(QCryptoTLSSession *sess, const struct iovec *iov, size_t offset,
                size_t len);

/** tls_open: decrypt the record at the begin of ahead to plain; under
 *  recv_lock, when plain is empty.
 *  Returns: false = it is not there completely, or is not data, or is wrong:
 *  GnuTLS has to look at it. */
bool tls_open(QCryptoTLSSession *sess);

/** tls_plain_take: copy from plain, @max bytes at most; under recv_lock.
 *  @cold: bulk_copy_out(), for the caller to end. Returns: bytes. */
size_t tls_plain_take(QCryptoTLSSession *sess, uint8_t *to, size_t max,
                      bool cold);

/** tls_bytes_clear: free, wiped. */
void tls_bytes_clear(TLSBytes *b);

/** tls_io_setup: give @sess's GnuTLS session its two ends. */
void tls_io_setup(QCryptoTLSSession *sess);

/** tls_hook_setup: see above; at the end of the handshake. */
void tls_hook_setup(QCryptoTLSSession *sess);

/** tls_break: the session is of no use any more. The first reason stays. */
void tls_break(QCryptoTLSSession *sess, const Error *err);

/** tls_tell_broken: the reason, to another user of a broken session. */
void tls_tell_broken(QCryptoTLSSession *sess, Error **errp);

/** tls_send_fatal: tell the peer why, if the transport takes it at once. */
void tls_send_fatal(QCryptoTLSSession *sess, gnutls_alert_description_t alert);

/** tls_session_psk_key: gnutls_psk_server_credentials_function2. */
int tls_session_psk_key(gnutls_session_t handle, const gnutls_datum_t *user,
                        gnutls_datum_t *key);

/** qcrypto_tls_session_set_rekey_records: for tests of the automatic rekey. */
void qcrypto_tls_session_set_rekey_records(QCryptoTLSSession *sess,
                                           uint64_t records);

#endif
