/*
 * TLS as a layer: the session encrypts and decrypts, the master carries.
 *
 * Vectors go to the session as they are, which fills records whatever the pieces
 * are. What a non-blocking session could not hand over must be offered
 * again with the same bytes; callers of a channel do that anyway.
 *
 * Ending: close_notify is what lets the peer tell an end from a cut, so it is
 * sent by close and by shutdown of the write direction, if that is possible
 * without waiting: a peer that does not read must not be able to hold us.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-tls.h"

#include "crypto/tlssession.h"
#include "io/channel-watch.h"
#include "io/types.h"
#include "trace/trace-io.h"
#include "util/atomic.h"
#include "util/coroutine.h"
#include "util/error.h"

#include "channel-internal.h"
#include "handshake-internal.h"

/* close_notify is 31 bytes at most: more pieces than that are not needed. */
#define BYE_TRIES 32

QEMU_BUILD_BUG_ON(QCRYPTO_TLS_SESSION_ERR_BLOCK != QIO_CHANNEL_ERR_BLOCK);

/* -- construction ---------------------------------------------------------- */

static ssize_t tls_push(const char *buf, size_t len, void *opaque, Error **errp)
{
    QIOChannelTLS *tioc = opaque;

    return qio_channel_write(tioc->master, buf, len, errp);
}

static ssize_t tls_pull(char *buf, size_t len, void *opaque, Error **errp)
{
    QIOChannelTLS *tioc = opaque;

    return qio_channel_read(tioc->master, buf, len, errp);
}

static QIOChannelTLS *tls_new(QIOChannel *master, QCryptoTLSCreds *creds,
                              const char *hostname, const char *authzid,
                              QCryptoTLSCredsEndpoint endpoint, Error **errp)
{
    g_autoptr(QIOChannelTLS) tioc = NULL;

    io_register_types();
    tioc = QIO_CHANNEL_TLS(object_new(TYPE_QIO_CHANNEL_TLS));
    tioc->master = QIO_CHANNEL(object_ref(OBJECT(master)));
    QIO_CHANNEL(tioc)->nonblocking = master->nonblocking;
    if (qio_channel_has_feature(master, QIO_CHANNEL_FEATURE_SHUTDOWN)) {
        qio_channel_set_feature(QIO_CHANNEL(tioc),
                                QIO_CHANNEL_FEATURE_SHUTDOWN);
    }
    tioc->session =
        qcrypto_tls_session_new(creds, hostname, authzid, endpoint, errp);
    if (!tioc->session) {
        return NULL;
    }
    qcrypto_tls_session_set_transport(tioc->session, tls_push, tls_pull, tioc);
    return g_steal_pointer(&tioc);
}

QIOChannelTLS *qio_channel_tls_new_server(QIOChannel *master,
                                          QCryptoTLSCreds *creds,
                                          const char *aclname, Error **errp)
{
    return tls_new(master, creds, NULL, aclname,
                   QCRYPTO_TLS_CREDS_ENDPOINT_SERVER, errp);
}

QIOChannelTLS *qio_channel_tls_new_client(QIOChannel *master,
                                          QCryptoTLSCreds *creds,
                                          const char *hostname, Error **errp)
{
    return tls_new(master, creds, hostname, NULL,
                   QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT, errp);
}

/* -- handshake ------------------------------------------------------------- */

static int tls_handshake_step(QIOChannel *ioc, Error **errp)
{
    QIOChannelTLS *tioc = QIO_CHANNEL_TLS(ioc);

    if (qcrypto_tls_session_handshake(tioc->session, errp) < 0) {
        return -1;
    }
    switch (qcrypto_tls_session_get_handshake_status(tioc->session)) {
    case QCRYPTO_TLS_HANDSHAKE_SENDING:
        return G_IO_OUT;
    case QCRYPTO_TLS_HANDSHAKE_RECVING:
        return G_IO_IN;
    case QCRYPTO_TLS_HANDSHAKE_COMPLETE:
        break;
    }
    if (qcrypto_tls_session_check_credentials(tioc->session, errp) < 0) {
        return -1;
    }
    qatomic_store_release(&tioc->established, true);
    return 0;
}

void qio_channel_tls_handshake_full(QIOChannelTLS *tioc, unsigned timeout_ms,
                                    QIOTaskFunc func, gpointer opaque,
                                    GDestroyNotify destroy,
                                    GMainContext *context)
{
    qio_handshake_start(tioc->slot, QIO_CHANNEL(tioc), tioc->master,
                        "TLS handshake", tls_handshake_step, timeout_ms, func,
                        opaque, destroy, context);
}

void qio_channel_tls_handshake(QIOChannelTLS *tioc, QIOTaskFunc func,
                               gpointer opaque, GDestroyNotify destroy,
                               GMainContext *context)
{
    qio_channel_tls_handshake_full(tioc, 0, func, opaque, destroy, context);
}

int qio_channel_tls_handshake_sync(QIOChannelTLS *tioc, unsigned timeout_ms,
                                   Error **errp)
{
    return qio_handshake_sync(QIO_CHANNEL(tioc), tioc->master, "TLS handshake",
                              tls_handshake_step, timeout_ms, errp);
}

QCryptoTLSSession *qio_channel_tls_get_session(QIOChannelTLS *tioc)
{
    return tioc->session;
}

/* -- ending ---------------------------------------------------------------- */

int qio_channel_tls_bye(QIOChannelTLS *tioc, Error **errp)
{
    for (;;) {
        int ret = qcrypto_tls_session_shutdown(tioc->session, errp);

        trace_qio_channel_tls_bye(tioc, ret);
        if (ret != QCRYPTO_TLS_BYE_SENDING) {
            return ret < 0 ? -1 : 0;
        }
        if (qemu_in_coroutine()) {
            qio_channel_yield(tioc->master, G_IO_OUT);
        } else {
            qio_channel_wait(tioc->master, G_IO_OUT);
        }
    }
}

/* close_notify, if nobody is writing and the master takes it at once. */
static void tls_try_bye(QIOChannelTLS *tioc)
{
    int tries = BYE_TRIES;

    if (!qatomic_load_acquire(&tioc->established) ||
        qatomic_mb_read(&tioc->writers) != 0) {
        return;
    }
    while (tries-- > 0 && qio_channel_wait_timeout(tioc->master, G_IO_OUT, 0) &&
           qcrypto_tls_session_shutdown(tioc->session, NULL) ==
               QCRYPTO_TLS_BYE_SENDING) {
    }
}

static int tls_shutdown(QIOChannel *ioc, QIOChannelShutdown how, Error **errp)
{
    QIOChannelTLS *tioc = QIO_CHANNEL_TLS(ioc);
    int before = qatomic_fetch_or(&tioc->shutdown, how);

    if ((how & ~before) & QIO_CHANNEL_SHUTDOWN_WRITE) {
        tls_try_bye(tioc);
    }
    return qio_channel_shutdown(tioc->master, how, errp);
}

static int tls_close(QIOChannel *ioc, Error **errp)
{
    QIOChannelTLS *tioc = QIO_CHANNEL_TLS(ioc);
    int before = qatomic_fetch_or(&tioc->shutdown, QIO_CHANNEL_SHUTDOWN_BOTH);

    qio_handshake_cancel(tioc->slot);
    if (!(before & QIO_CHANNEL_SHUTDOWN_WRITE) &&
        qio_channel_set_blocking(tioc->master, false, NULL) == 0) {
        tls_try_bye(tioc);
    }
    return qio_channel_close(tioc->master, errp);
}

/* -- data ------------------------------------------------------------------ */

static ssize_t tls_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                         int **fds, size_t *nfds, Error **errp)
{
    QIOChannelTLS *tioc = QIO_CHANNEL_TLS(ioc);
    ssize_t n = qcrypto_tls_session_recvv(tioc->session, iov, niov,
                                          ioc->cold_reads, errp);

    if (n == QCRYPTO_TLS_SESSION_PREMATURE_TERMINATION) {
        if (qatomic_read(&tioc->shutdown) & QIO_CHANNEL_SHUTDOWN_READ) {
            return 0;
        }
        error_setg(errp, "TLS connection was cut: it ended without the peer's "
                         "close notify");
        return -1;
    }
    return n;
}

static ssize_t tls_send(QIOChannelTLS *tioc, const struct iovec *iov,
                        size_t niov, Error **errp)
{
    size_t offset = 0;
    ssize_t total = 0;

    for (;;) {
        Error *err = NULL;
        ssize_t n;

        while (niov > 0 && offset >= iov->iov_len) {
            offset -= iov->iov_len;
            iov++;
            niov--;
        }
        if (niov == 0) {
            return total;
        }
        n = qcrypto_tls_session_sendv(tioc->session, iov, niov, offset, &err);
        if (n < 0 && total > 0) {
            error_free(err); /* the next call meets it again */
            return total;
        }
        if (n < 0) {
            error_propagate(errp, err);
            return n;
        }
        total += n;
        offset += n;
    }
}

static ssize_t tls_writev(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                          int *fds, size_t nfds, int flags, Error **errp)
{
    QIOChannelTLS *tioc = QIO_CHANNEL_TLS(ioc);
    ssize_t ret;

    qatomic_inc(&tioc->writers);
    if (qatomic_read(&tioc->shutdown) & QIO_CHANNEL_SHUTDOWN_WRITE) {
        error_setg(errp, "TLS channel is shut down for writing");
        ret = -1;
    } else {
        ret = tls_send(tioc, iov, niov, errp);
    }
    qatomic_dec(&tioc->writers);
    return ret;
}

/* -- control --------------------------------------------------------------- */

static int tls_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    return qio_channel_set_blocking(QIO_CHANNEL_TLS(ioc)->master, enabled,
                                    errp);
}

static void tls_set_delay(QIOChannel *ioc, bool enabled)
{
    qio_channel_set_delay(QIO_CHANNEL_TLS(ioc)->master, enabled);
}

static void tls_set_cork(QIOChannel *ioc, bool enabled)
{
    qio_channel_set_cork(QIO_CHANNEL_TLS(ioc)->master, enabled);
}

static void tls_set_aio_fd_handler(QIOChannel *ioc, AioContext *ctx,
                                   IOHandler *io_read, IOHandler *io_write,
                                   void *opaque)
{
    qio_channel_set_aio_fd_handler(QIO_CHANNEL_TLS(ioc)->master, ctx, io_read,
                                   io_write, opaque);
}

static GIOCondition tls_held(QIOChannel *ioc, GIOCondition condition)
{
    QIOChannelTLS *tioc = QIO_CHANNEL_TLS(ioc);

    return qcrypto_tls_session_check_pending(tioc->session)
               ? condition & G_IO_IN
               : qio_channel_held(tioc->master, condition);
}

static GSource *tls_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return qio_channel_create_layer_watch(ioc, QIO_CHANNEL_TLS(ioc)->master,
                                          condition);
}

static void tls_init(Object *obj)
{
    QIOChannelTLS *tioc = QIO_CHANNEL_TLS(obj);

    tioc->slot = g_new0(QIOHandshakeSlot, 1);
    qio_handshake_slot_init(tioc->slot);
}

static void tls_finalize(Object *obj)
{
    QIOChannelTLS *tioc = QIO_CHANNEL_TLS(obj);

    /* The master may have other users: it is left, not closed. */
    if (!(tioc->shutdown & QIO_CHANNEL_SHUTDOWN_WRITE)) {
        tls_try_bye(tioc);
    }
    qcrypto_tls_session_free(tioc->session);
    object_unref(OBJECT(tioc->master));
    qio_handshake_slot_deinit(tioc->slot);
    g_free(tioc->slot);
}

static void tls_class_init(ObjectClass *oc, void *data)
{
    QIOChannelClass *klass = QIO_CHANNEL_CLASS(oc);

    klass->io_writev = tls_writev;
    klass->io_readv = tls_readv;
    klass->io_set_blocking = tls_set_blocking;
    klass->io_set_delay = tls_set_delay;
    klass->io_set_cork = tls_set_cork;
    klass->io_close = tls_close;
    klass->io_shutdown = tls_shutdown;
    klass->io_create_watch = tls_create_watch;
    klass->io_held = tls_held;
    klass->io_set_aio_fd_handler = tls_set_aio_fd_handler;
}

const TypeInfo io_type_channel_tls = {
    .parent = TYPE_QIO_CHANNEL,
    .name = TYPE_QIO_CHANNEL_TLS,
    .instance_size = sizeof(QIOChannelTLS),
    .instance_init = tls_init,
    .instance_finalize = tls_finalize,
    .class_init = tls_class_init,
};
