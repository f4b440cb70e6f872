/*
 * An open TLS session: sending, receiving, new keys, the end. What is said here
 * of GnuTLS and data records is tlssession-keys.c's work where it can.
 *
 * A send encrypts up to TLS_BATCH records and hands them to the transport
 * together. Bytes count as sent when the record that carries them has left
 * completely; `marks` remembers which plain text belongs to which place in
 * the output, so that a call after "would block" goes on where it stopped.
 *
 * Key updates (RFC 8446 4.6.3): ours happen before a send when the present
 * key has protected enough records. When the peer asks for one, the reply is
 * queued at once and leaves with the next bytes sent, as the RFC wants, so a
 * session that only reads can be asked many times.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bulk-copy.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/lockable.h"

#include "tlssession-internal.h"

void tls_break(QCryptoTLSSession *sess, const Error *err)
{
    char *why = g_strdup(error_get_pretty(err));

    if (!g_atomic_pointer_compare_and_exchange(&sess->why, NULL, why)) {
        g_free(why);
    }
    g_atomic_int_set(&sess->state, TLS_STATE_BROKEN);
}

void tls_tell_broken(QCryptoTLSSession *sess, Error **errp)
{
    error_setg(errp, "%s", (char *)g_atomic_pointer_get(&sess->why));
}

static bool session_is_open(QCryptoTLSSession *sess, Error **errp)
{
    switch (g_atomic_int_get(&sess->state)) {
    case TLS_STATE_OPEN:
        return true;
    case TLS_STATE_BROKEN:
        tls_tell_broken(sess, errp);
        return false;
    default:
        error_setg(errp, "TLS session is not established and checked yet");
        return false;
    }
}

/* -- keys ----------------------------------------------------------------- */

/* A post-handshake message came in; GnuTLS is about to act on it. */
static int session_hook(gnutls_session_t handle, unsigned htype, unsigned when,
                        unsigned incoming, const gnutls_datum_t *msg)
{
    QCryptoTLSSession *sess = gnutls_session_get_ptr(handle);

    if (!incoming) {
        return 0;
    }
    if (!sess->hook_locked) {
        qemu_mutex_lock(&sess->send_lock);
        sess->hook_locked = true;
        tls_keys_lend(sess, false);
    }
    if (htype == GNUTLS_HANDSHAKE_KEY_UPDATE && msg->size == 1 &&
        msg->data[0] == 1) {
        sess->hook_request = true;
    }
    return 0;
}

void tls_hook_setup(QCryptoTLSSession *sess)
{
    gnutls_handshake_set_hook_function(sess->handle, GNUTLS_HANDSHAKE_ANY,
                                       GNUTLS_HOOK_PRE, session_hook);
}

/* Under send_lock: a batch may wait there, and a limited number of replies. */
static bool fresh_is_bounded(const QCryptoTLSSession *sess)
{
    return sess->fresh.end - sess->fresh.start <=
           TLS_AHEAD_MAX + TLS_CONTROL_MAX;
}

/*
 * Under recv_lock, after GnuTLS returned: give back what the hook took.
 * Returns: false if the peer makes us queue more than it should.
 */
static bool session_hook_done(QCryptoTLSSession *sess)
{
    bool ok = true;

    if (!sess->hook_locked) {
        return true;
    }
    if (sess->hook_request) {
        /*
         * GnuTLS replies before the next application data, and takes a second
         * request until then for an attack. An empty send makes it reply now;
         * that there was nothing else to send is its error to report.
         */
        gnutls_record_send2(sess->handle, "", 0, 1, 0);
        sess->records = 0;
        sess->hook_request = false;
        ok = fresh_is_bounded(sess);
    }
    tls_keys_back(sess, false);
    sess->hook_locked = false;
    qemu_mutex_unlock(&sess->send_lock);
    return ok;
}

static bool rekey_is_due(QCryptoTLSSession *sess)
{
    if (!sess->tls13) {
        return false;
    }
    QEMU_LOCK_GUARD(&sess->send_lock);
    return sess->records >= sess->rekey_after ||
           g_atomic_int_get(&sess->rekey_wanted);
}

/* Under out_lock: change keys if it is time. */
static bool session_rekey(QCryptoTLSSession *sess, Error **errp)
{
    int ret;

    if (!rekey_is_due(sess)) {
        return true;
    }
    QEMU_LOCK_GUARD(&sess->recv_lock);
    QEMU_LOCK_GUARD(&sess->send_lock);
    g_atomic_int_set(&sess->rekey_wanted, 0);
    /* Not GNUTLS_KU_PEER: when two requests cross, GnuTLS fails, although
     * RFC 8446 4.6.3 allows it. The peer looks after its own keys. */
    tls_keys_lend(sess, true);
    tls_keys_lend(sess, false);
    ret = gnutls_session_key_update(sess->handle, 0);
    tls_keys_back(sess, true);
    tls_keys_back(sess, false);
    if (ret < 0) {
        error_setg(errp, "cannot change the keys of TLS: %s",
                   gnutls_strerror(ret));
        return false;
    }
    sess->records = 0;
    return true;
}

bool qcrypto_tls_session_rekey(QCryptoTLSSession *sess, Error **errp)
{
    if (!session_is_open(sess, errp)) {
        return false;
    }
    g_atomic_int_set(&sess->rekey_wanted, 1);
    return true;
}

void qcrypto_tls_session_set_rekey_records(QCryptoTLSSession *sess,
                                           uint64_t records)
{
    sess->rekey_after = records;
}

void qcrypto_tls_session_require_thread_safety(QCryptoTLSSession *sess)
{
    g_assert(sess);
}

/* -- sending -------------------------------------------------------------- */

/* Under out_lock: bytes of plain text that have left, at most @max. */
static size_t marks_reap(QCryptoTLSSession *sess, size_t max)
{
    size_t done = 0;
    unsigned gone = 0;

    while (gone < sess->n_marks && done < max &&
           sess->marks[gone].end <= sess->flushed) {
        size_t n = MIN(sess->marks[gone].plain, max - done);

        done += n;
        sess->marks[gone].plain -= n;
        if (sess->marks[gone].plain == 0) {
            gone++;
        }
    }
    sess->n_marks -= gone;
    memmove(sess->marks, sess->marks + gone,
            sess->n_marks * sizeof(sess->marks[0]));
    return done;
}

/*
 * One record by GnuTLS, which wants its text in one piece: small pieces are
 * joined, so that a header and its payload share a record.
 *
 * How long records may be that the peer takes (RFC 8449), GnuTLS does not tell;
 * but it makes no longer one. So it seals until it had the choice.
 */
static ssize_t gnutls_seal(QCryptoTLSSession *sess, const struct iovec *iov,
                           size_t niov, size_t offset)
{
    const char *buf;
    size_t len;
    ssize_t n;

    while (offset >= iov->iov_len) {
        offset -= iov->iov_len;
        iov++;
        niov--;
    }
    buf = (const char *)iov->iov_base + offset;
    len = iov->iov_len - offset;
    if ((len < TLS_GATHER_SMALL || sess->out_keys.aead) && niov > 1) {
        if (!sess->gather) {
            sess->gather = g_malloc(QCRYPTO_TLS_MAX_RECORD);
        }
        len =
            iov_to_buf(iov, niov, offset, sess->gather, QCRYPTO_TLS_MAX_RECORD);
        buf = (const char *)sess->gather;
    }
    len = MIN(len, QCRYPTO_TLS_MAX_RECORD);
    tls_keys_lend(sess, false);
    n = gnutls_record_send(sess->handle, buf, len);
    tls_keys_back(sess, false);
    if (n > 0 && ((size_t)n < len || len == QCRYPTO_TLS_MAX_RECORD)) {
        sess->record_max = n;
    }
    return n;
}

/* Under out_lock: encrypt the next of @left bytes of @iov into marks. */
static bool session_encrypt(QCryptoTLSSession *sess, const struct iovec *iov,
                            size_t niov, size_t offset, size_t left,
                            Error **errp)
{
    if (!session_rekey(sess, errp)) {
        return false;
    }
    QEMU_LOCK_GUARD(&sess->send_lock);
    while (left > 0 && sess->n_marks < TLS_BATCH) {
        ssize_t n = sess->out_keys.aead && sess->record_max
                        ? (ssize_t)tls_seal(sess, iov, offset, left)
                        : gnutls_seal(sess, iov, niov, offset);

        if (n <= 0) {
            error_setg(errp, "cannot encrypt for TLS: %s",
                       n ? gnutls_strerror(n) : "the cipher failed");
            return false;
        }
        offset += n;
        left -= n;
        sess->records++;
        sess->marks[sess->n_marks++] =
            (TLSMark){ .end = sess->queued, .plain = n };
    }
    return true;
}

ssize_t qcrypto_tls_session_sendv(QCryptoTLSSession *sess,
                                  const struct iovec *iov, size_t niov,
                                  size_t offset, Error **errp)
{
    ERRP_GUARD();
    Error *err = NULL;
    size_t len, done;
    int ret;

    QEMU_LOCK_GUARD(&sess->out_lock);
    sess->out_errno = EIO;
    if (!session_is_open(sess, errp)) {
        return -1;
    }
    if (sess->out_why) {
        error_setg(errp, "%s", sess->out_why);
        return -1;
    }
    if (sess->bye_sent) {
        error_setg(errp, "TLS session was shut down for writing");
        return -1;
    }
    len = iov_size(iov, niov) - offset;
    if (len == 0) {
        return 0;
    }
    if (sess->n_marks == 0 &&
        !session_encrypt(sess, iov, niov, offset, len, errp)) {
        tls_break(sess, *errp);
        return -1;
    }
    ret = tls_flush(sess, &err);
    if (ret == -1) {
        /* Only this direction: why the peer hung up may be there to read. */
        sess->out_why = g_strdup(error_get_pretty(err));
    }
    done = marks_reap(sess, len);
    if (done > 0) {
        error_free(err); /* the next call is told */
        return done;
    }
    error_propagate(errp, err);
    return ret;
}

ssize_t qcrypto_tls_session_send(QCryptoTLSSession *sess, const char *buf,
                                 size_t len, Error **errp)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

    return qcrypto_tls_session_sendv(sess, &iov, 1, 0, errp);
}

ssize_t qcrypto_tls_session_write(QCryptoTLSSession *sess, const char *buf,
                                  size_t len)
{
    ssize_t n = qcrypto_tls_session_send(sess, buf, len, NULL);

    if (n == QCRYPTO_TLS_SESSION_ERR_BLOCK) {
        errno = EAGAIN;
        return -1;
    }
    if (n < 0) {
        errno = sess->out_errno;
    }
    return n;
}

/* -- receiving ------------------------------------------------------------ */

/* TLS 1.2: the peer wants to renegotiate, which it is told we do not. */
static bool session_refuse_renegotiation(QCryptoTLSSession *sess)
{
    QEMU_LOCK_GUARD(&sess->send_lock);
    tls_keys_lend(sess, false);
    gnutls_alert_send(sess->handle, GNUTLS_AL_WARNING,
                      GNUTLS_A_NO_RENEGOTIATION);
    tls_keys_back(sess, false);
    return fresh_is_bounded(sess);
}

/*
 * @b begins at a record's start. Returns: bytes of the record, if it is there;
 * all that is there, if it is longer than any record; 0 = more is needed.
 */
static size_t ahead_record(const TLSBytes *b)
{
    const uint8_t *p = b->data + b->start;
    size_t have = b->end - b->start;
    size_t len;

    if (have < TLS_HEADER) {
        return 0;
    }
    len = TLS_HEADER + ((size_t)p[3] << 8 | p[4]);
    return len > TLS_RECORD_MAX || len <= have ? MIN(len, have) : 0;
}

/*
 * What GnuTLS may take: one record, as the next can be ours. A piece of one is
 * left until the rest of it comes; behind it nothing comes after the end, which
 * GnuTLS then has to meet.
 */
static size_t pull_limit(const QCryptoTLSSession *sess)
{
    size_t n = ahead_record(&sess->ahead);

    return sess->in_keys.aead && (n > 0 || !sess->ahead_eof) ? n : SIZE_MAX;
}

/* Under in_lock. Returns: what gnutls_record_recv() does. */
static ssize_t session_decrypt(QCryptoTLSSession *sess, char *buf, size_t len)
{
    ssize_t n;

    QEMU_LOCK_GUARD(&sess->recv_lock);
    sess->pull_left = pull_limit(sess);
    tls_keys_lend(sess, true);
    n = gnutls_record_recv(sess->handle, buf, len);
    tls_keys_back(sess, true);
    if (!session_hook_done(sess) ||
        (n == GNUTLS_E_REHANDSHAKE && !session_refuse_renegotiation(sess))) {
        return GNUTLS_E_TOO_MANY_HANDSHAKE_PACKETS;
    }
    return n;
}

/* The peer is told why (RFC 8446 6.2) when the session is shut down: a reader
 * does not wait for the transport to take bytes. */
static void alert_queue(QCryptoTLSSession *sess, int ret)
{
    QEMU_LOCK_GUARD(&sess->send_lock);
    tls_keys_lend(sess, false);
    if (gnutls_alert_send_appropriate(sess->handle, ret) >= 0) {
        g_atomic_int_set(&sess->alert_queued, 1);
    }
    tls_keys_back(sess, false);
}

static ssize_t recv_failed(QCryptoTLSSession *sess, ssize_t n, Error **errp)
{
    ERRP_GUARD();

    sess->in_end = -1;
    sess->in_errno = EIO;
    if (n == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        const char *alert =
            gnutls_alert_get_name(gnutls_alert_get(sess->handle));

        error_setg(errp, "the peer ended TLS with an alert: %s",
                   alert ? alert : "unknown");
    } else {
        error_setg(errp, "cannot read from TLS: %s", gnutls_strerror(n));
        alert_queue(sess, n);
    }
    tls_break(sess, *errp);
    return -1;
}

/* Under in_lock: the transport's next bytes are wanted. Returns: 1 = go on; else
 * for the caller. */
static ssize_t recv_more(QCryptoTLSSession *sess, Error **errp)
{
    ERRP_GUARD();
    ssize_t n = tls_fill(sess, errp);

    if (n >= 0) {
        return 1; /* also the end: GnuTLS knows whether it is orderly */
    }
    if (n == -1) {
        tls_break(sess, *errp);
        sess->in_end = -1;
    }
    return n;
}

/* Under in_lock: data that can be had without GnuTLS and without waiting. */
static size_t recv_plain(QCryptoTLSSession *sess, const struct iovec *iov,
                         size_t niov, bool cold)
{
    size_t done = 0, offset = 0;

    QEMU_LOCK_GUARD(&sess->recv_lock);
    while (niov > 0) {
        size_t n;

        if (offset >= iov->iov_len) {
            offset -= iov->iov_len;
            iov++;
            niov--;
        } else if (sess->plain_start < sess->plain_end) {
            n = tls_plain_take(sess, (uint8_t *)iov->iov_base + offset,
                               iov->iov_len - offset, cold);
            offset += n;
            done += n;
        } else if (!tls_open(sess)) {
            break;
        }
    }
    if (cold) {
        bulk_copy_out_done();
    }
    return done;
}

/*
 * Under in_lock: by GnuTLS; a second time only for what it has decrypted
 * already. Returns: bytes; 0 = go on; else for the caller.
 */
static ssize_t recv_gnutls(QCryptoTLSSession *sess, const struct iovec *iov,
                           size_t niov, Error **errp)
{
    ssize_t total = 0;

    for (size_t i = 0; i < niov; i++) {
        ssize_t n;

        if (iov[i].iov_len == 0) {
            continue;
        }
        if (total > 0 && !gnutls_record_check_pending(sess->handle)) {
            break;
        }
        n = session_decrypt(sess, iov[i].iov_base, iov[i].iov_len);
        if (n > 0) {
            total += n;
        }
        if (n <= 0 || (size_t)n < iov[i].iov_len) {
            return total ? total : n;
        }
    }
    return total;
}

/* What GnuTLS said when it had no data. Returns: 1 = go on; else for the
 * caller. */
static ssize_t recv_without_data(QCryptoTLSSession *sess, ssize_t n,
                                 Error **errp)
{
    if (n == 0) {
        return sess->in_end = 0;
    }
    if (n == GNUTLS_E_PREMATURE_TERMINATION) {
        sess->in_errno = ECONNABORTED;
        return sess->in_end = QCRYPTO_TLS_SESSION_PREMATURE_TERMINATION;
    }
    if (n == GNUTLS_E_AGAIN) {
        return sess->in_keys.aead || sess->ahead.start < sess->ahead.end
                   ? 1
                   : recv_more(sess, errp);
    }
    if (gnutls_error_is_fatal(n)) {
        return recv_failed(sess, n, errp);
    }
    return 1; /* a warning, or a message that GnuTLS has dealt with */
}

/* Under in_lock: is the next record ours to open? Not before GnuTLS has handed
 * out the rest of one that it did: the order would be lost. */
static bool recv_is_ours(QCryptoTLSSession *sess)
{
    QEMU_LOCK_GUARD(&sess->recv_lock);
    return sess->in_keys.aead && !gnutls_record_check_pending(sess->handle);
}

/* Under in_lock; @iov has room. */
static ssize_t session_recv(QCryptoTLSSession *sess, const struct iovec *iov,
                            size_t niov, bool cold, Error **errp)
{
    for (;;) {
        bool ours = recv_is_ours(sess);
        ssize_t n = ours ? recv_plain(sess, iov, niov, cold) : 0;

        if (n > 0) {
            return n;
        }
        if (ours && !sess->ahead_eof && ahead_record(&sess->ahead) == 0) {
            n = recv_more(sess, errp);
        } else {
            n = recv_gnutls(sess, iov, niov, errp);
            if (n > 0) {
                return n;
            }
            n = recv_without_data(sess, n, errp);
        }
        if (n != 1) {
            return n;
        }
    }
}

ssize_t qcrypto_tls_session_recvv(QCryptoTLSSession *sess,
                                  const struct iovec *iov, size_t niov,
                                  bool cold, Error **errp)
{
    QEMU_LOCK_GUARD(&sess->in_lock);

    if (sess->in_end == -1 || sess->in_end == 1) {
        if (!session_is_open(sess, errp)) {
            sess->in_errno = EIO;
            return -1;
        }
        return iov_size(iov, niov) ? session_recv(sess, iov, niov, cold, errp)
                                   : 0;
    }
    return sess->in_end;
}

ssize_t qcrypto_tls_session_recv(QCryptoTLSSession *sess, char *buf, size_t len,
                                 Error **errp)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };

    return qcrypto_tls_session_recvv(sess, &iov, 1, false, errp);
}

ssize_t qcrypto_tls_session_read(QCryptoTLSSession *sess, char *buf, size_t len)
{
    ssize_t n = qcrypto_tls_session_recv(sess, buf, len, NULL);

    if (n == QCRYPTO_TLS_SESSION_ERR_BLOCK) {
        errno = EAGAIN;
        return -1;
    }
    if (n < 0) {
        errno = sess->in_errno;
        return -1;
    }
    return n;
}

size_t qcrypto_tls_session_check_pending(QCryptoTLSSession *sess)
{
    size_t pending;

    QEMU_LOCK_GUARD(&sess->recv_lock);
    pending = gnutls_record_check_pending(sess->handle);
    pending += sess->plain_end - sess->plain_start;
    return pending ? pending : ahead_record(&sess->ahead) > 0;
}

/* -- the end -------------------------------------------------------------- */

int qcrypto_tls_session_shutdown(QCryptoTLSSession *sess, Error **errp)
{
    int ret;

    QEMU_LOCK_GUARD(&sess->out_lock);
    if (sess->out_why) {
        return QCRYPTO_TLS_BYE_COMPLETE;
    }
    if (g_atomic_int_get(&sess->state) != TLS_STATE_OPEN) {
        if (g_atomic_int_get(&sess->alert_queued)) {
            tls_flush(sess, NULL); /* what is taken at once */
        }
        return QCRYPTO_TLS_BYE_COMPLETE; /* nobody to say good-bye to */
    }
    if (!sess->bye_sent) {
        QEMU_LOCK_GUARD(&sess->send_lock);
        tls_keys_lend(sess, false);
        gnutls_bye(sess->handle, GNUTLS_SHUT_WR);
        tls_keys_back(sess, false);
        sess->bye_sent = true;
    }
    ret = tls_flush(sess, errp);
    if (ret == QCRYPTO_TLS_SESSION_ERR_BLOCK) {
        return QCRYPTO_TLS_BYE_SENDING;
    }
    return ret < 0 ? -1 : QCRYPTO_TLS_BYE_COMPLETE;
}

int qcrypto_tls_session_bye(QCryptoTLSSession *sess, Error **errp)
{
    int ret = qcrypto_tls_session_shutdown(sess, errp);
    g_autofree char *waste = NULL;
    ssize_t n;

    if (ret != QCRYPTO_TLS_BYE_COMPLETE ||
        g_atomic_int_get(&sess->state) != TLS_STATE_OPEN) {
        return ret;
    }
    waste = g_malloc(QCRYPTO_TLS_MAX_RECORD);
    do {
        n = qcrypto_tls_session_recv(sess, waste, QCRYPTO_TLS_MAX_RECORD, NULL);
    } while (n > 0);
    explicit_bzero(waste, QCRYPTO_TLS_MAX_RECORD);
    return n == QCRYPTO_TLS_SESSION_ERR_BLOCK ? QCRYPTO_TLS_BYE_RECVING
                                              : QCRYPTO_TLS_BYE_COMPLETE;
}
