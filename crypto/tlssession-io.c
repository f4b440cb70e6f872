/*
 * Between GnuTLS and the transport: the read-ahead and the output buffer
 * (see tlssession-internal.h for the picture).
 *
 * Reading ahead saves the two reads that each record would cost; collecting
 * the records of a batch saves writes. Both buffers are bounded: the input by
 * TLS_AHEAD_MAX, the output by what one batch makes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/lockable.h"

#include "tlssession-internal.h"

static size_t bytes_len(const TLSBytes *b)
{
    return b->end - b->start;
}

void tls_bytes_clear(TLSBytes *b)
{
    if (b->data) {
        explicit_bzero(b->data, b->size);
        g_free(b->data);
    }
    *b = (TLSBytes){ 0 };
}

uint8_t *tls_fresh_reserve(QCryptoTLSSession *sess, size_t len)
{
    TLSBytes *b = &sess->fresh;

    if (b->start == b->end) {
        b->start = b->end = 0;
    }
    if (b->size - b->end < len) {
        b->size = MAX(b->size * 2, b->end + len);
        b->data = g_realloc(b->data, b->size);
    }
    return b->data + b->end;
}

void tls_fresh_commit(QCryptoTLSSession *sess, size_t len)
{
    sess->fresh.end += len;
    sess->queued += len;
}

/* GnuTLS sends; under send_lock. */
static ssize_t session_push(gnutls_transport_ptr_t opaque, const void *data,
                            size_t len)
{
    QCryptoTLSSession *sess = opaque;

    memcpy(tls_fresh_reserve(sess, len), data, len);
    tls_fresh_commit(sess, len);
    return len;
}

/* GnuTLS receives; under recv_lock. */
static ssize_t session_pull(gnutls_transport_ptr_t opaque, void *buf,
                            size_t len)
{
    QCryptoTLSSession *sess = opaque;
    size_t n = MIN(len, MIN(bytes_len(&sess->ahead), sess->pull_left));

    if (n == 0) {
        if (sess->ahead_eof && bytes_len(&sess->ahead) == 0) {
            return 0;
        }
        errno = EAGAIN;
        return -1;
    }
    memcpy(buf, sess->ahead.data + sess->ahead.start, n);
    sess->ahead.start += n;
    sess->pull_left -= n;
    return n;
}

void tls_io_setup(QCryptoTLSSession *sess)
{
    gnutls_transport_set_ptr(sess->handle, sess);
    gnutls_transport_set_push_function(sess->handle, session_push);
    gnutls_transport_set_pull_function(sess->handle, session_pull);
}

/* Room for reading; the buffer is empty of bytes that matter, or nearly. */
static void ahead_make_room(QCryptoTLSSession *sess)
{
    TLSBytes *b = &sess->ahead;

    QEMU_LOCK_GUARD(&sess->recv_lock);
    if (b->start) {
        memmove(b->data, b->data + b->start, bytes_len(b));
        b->end -= b->start;
        b->start = 0;
    }
    if (b->end == b->size) {
        b->size = b->size ? MIN(b->size * 2, TLS_AHEAD_MAX) : TLS_AHEAD_FIRST;
        b->data = g_realloc(b->data, b->size);
    }
}

ssize_t tls_fill(QCryptoTLSSession *sess, Error **errp)
{
    size_t room;
    ssize_t n;

    if (sess->ahead_eof) {
        return 0;
    }
    ahead_make_room(sess);
    room = sess->ahead.size - sess->ahead.end;
    if (room == 0) {
        error_setg(errp, "TLS record is too long");
        return -1;
    }
    sess->in_errno = EIO;
    n = sess->pull((char *)sess->ahead.data + sess->ahead.end, room,
                   sess->opaque, errp);
    if (n < 0) {
        return n;
    }
    WITH_QEMU_LOCK_GUARD(&sess->recv_lock)
    {
        sess->ahead.end += MIN((size_t)n, room);
        sess->ahead_eof = n == 0;
    }
    /* What filled all of the room is likely to come in bulk. */
    if ((size_t)n == room && sess->ahead.size < TLS_AHEAD_MAX) {
        QEMU_LOCK_GUARD(&sess->recv_lock);
        sess->ahead.size = TLS_AHEAD_MAX;
        sess->ahead.data = g_realloc(sess->ahead.data, TLS_AHEAD_MAX);
    }
    return n;
}

int tls_flush(QCryptoTLSSession *sess, Error **errp)
{
    TLSBytes *f = &sess->flight;

    for (;;) {
        ssize_t n;

        if (bytes_len(f) == 0) {
            QEMU_LOCK_GUARD(&sess->send_lock);
            TLSBytes empty = { .data = f->data, .size = f->size };

            *f = sess->fresh;
            sess->fresh = empty;
        }
        if (bytes_len(f) == 0) {
            return 0;
        }
        sess->out_errno = EIO;
        n = sess->push((char *)f->data + f->start, bytes_len(f), sess->opaque,
                       errp);
        if (n < 0) {
            return n;
        }
        n = MIN((size_t)n, bytes_len(f));
        f->start += n;
        sess->flushed += n;
    }
}

/* -- transports that report by errno -------------------------------------- */

static ssize_t errno_push(const char *buf, size_t len, void *opaque,
                          Error **errp)
{
    QCryptoTLSSession *sess = opaque;
    ssize_t n;

    do {
        n = sess->write_func(buf, len, sess->func_opaque);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        return n;
    }
    sess->out_errno = errno;
    if (errno == EAGAIN) {
        return QCRYPTO_TLS_SESSION_ERR_BLOCK;
    }
    error_setg_errno(errp, errno, "cannot write to the transport of TLS");
    return -1;
}

static ssize_t errno_pull(char *buf, size_t len, void *opaque, Error **errp)
{
    QCryptoTLSSession *sess = opaque;
    ssize_t n;

    do {
        n = sess->read_func(buf, len, sess->func_opaque);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        return n;
    }
    sess->in_errno = errno;
    if (errno == EAGAIN) {
        return QCRYPTO_TLS_SESSION_ERR_BLOCK;
    }
    error_setg_errno(errp, errno, "cannot read from the transport of TLS");
    return -1;
}

void qcrypto_tls_session_set_callbacks(QCryptoTLSSession *sess,
                                       QCryptoTLSSessionWriteFunc write_func,
                                       QCryptoTLSSessionReadFunc read_func,
                                       void *opaque)
{
    sess->write_func = write_func;
    sess->read_func = read_func;
    sess->func_opaque = opaque;
    qcrypto_tls_session_set_transport(sess, errno_push, errno_pull, sess);
}

void qcrypto_tls_session_set_transport(QCryptoTLSSession *sess,
                                       QCryptoTLSSessionPushFunc push,
                                       QCryptoTLSSessionPullFunc pull,
                                       void *opaque)
{
    sess->push = push;
    sess->pull = pull;
    sess->opaque = opaque;
}
