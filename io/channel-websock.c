/*
 * WebSocket as a layer: this file has the reader's side, ending, and the
 * class; the writer's side is channel-websock-out.c, the upgrade
 * channel-websock-handshake.c, the frames websock-codec.c.
 *
 * Reading: where a header is due, a block is read into @in and decoded from
 * there. Within the payload of a frame the master reads straight into the
 * caller's buffers, which are unmasked in place; what follows the frame lands
 * in @in by the same call.
 *
 * Ending (RFC 6455 7): after a close frame either way nothing more is sent.
 * There is no half-closed state: shutting down the write direction sends
 * close, the peer answers with close, and both directions have ended.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-websock.h"

#include "crypto/random.h"
#include "io/channel-watch.h"
#include "io/types.h"
#include "trace/trace-io.h"
#include "util/atomic.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/lockable.h"

#include "channel-internal.h"
#include "channel-websock-internal.h"

/* Payload is read in place if at least so much of the frame is to come. */
#define DIRECT_MIN 512

/* A close frame has 8 bytes at most: more pieces than that are not needed. */
#define CLOSE_TRIES 32

/* Vectors up to this size need no allocation. */
#define STACK_IOV 8

/* -- construction ---------------------------------------------------------- */

static QIOChannelWebsock *websock_new(QIOChannel *master)
{
    QIOChannelWebsock *wioc;

    io_register_types();
    wioc = QIO_CHANNEL_WEBSOCK(object_new(TYPE_QIO_CHANNEL_WEBSOCK));
    wioc->master = QIO_CHANNEL(object_ref(OBJECT(master)));
    QIO_CHANNEL(wioc)->nonblocking = master->nonblocking;
    if (qio_channel_has_feature(master, QIO_CHANNEL_FEATURE_SHUTDOWN)) {
        qio_channel_set_feature(QIO_CHANNEL(wioc),
                                QIO_CHANNEL_FEATURE_SHUTDOWN);
    }
    return wioc;
}

QIOChannelWebsock *qio_channel_websock_new_server(QIOChannel *master)
{
    return websock_new(master);
}

QIOChannelWebsock *qio_channel_websock_new_client(QIOChannel *master,
                                                  const char *host,
                                                  const char *path,
                                                  Error **errp)
{
    g_autoptr(QIOChannelWebsock) wioc = websock_new(master);
    g_autofree char *key = NULL;
    uint8_t random[16];

    if (qcrypto_random_bytes(random, sizeof(random), errp) < 0) {
        return NULL;
    }
    key = g_base64_encode(random, sizeof(random));
    assert(strlen(key) == WEBSOCK_KEY_SIZE - 1);
    memcpy(wioc->key, key, WEBSOCK_KEY_SIZE);
    wioc->client = true;
    wioc->request = websock_request_format(host, path ? path : "/", key, errp);
    return wioc->request ? g_steal_pointer(&wioc) : NULL;
}

void qio_channel_websock_handshake_full(QIOChannelWebsock *wioc,
                                        unsigned timeout_ms, QIOTaskFunc func,
                                        gpointer opaque, GDestroyNotify destroy,
                                        GMainContext *context)
{
    qio_handshake_start(&wioc->slot, QIO_CHANNEL(wioc), wioc->master,
                        "websocket handshake", websock_handshake_step,
                        timeout_ms, func, opaque, destroy, context);
}

void qio_channel_websock_handshake(QIOChannelWebsock *wioc, QIOTaskFunc func,
                                   gpointer opaque, GDestroyNotify destroy,
                                   GMainContext *context)
{
    qio_channel_websock_handshake_full(wioc, 0, func, opaque, destroy, context);
}

int qio_channel_websock_handshake_sync(QIOChannelWebsock *wioc,
                                       unsigned timeout_ms, Error **errp)
{
    return qio_handshake_sync(QIO_CHANNEL(wioc), wioc->master,
                              "websocket handshake", websock_handshake_step,
                              timeout_ms, errp);
}

/* -- reading --------------------------------------------------------------- */

/* Act on what the decoder found. Returns: whether reading goes on. */
static bool websock_event(QIOChannelWebsock *wioc, WebsockEvent event)
{
    WebsockDecoder *d = &wioc->decoder;

    switch (event) {
    case WEBSOCK_NEED_MORE:
    case WEBSOCK_DATA:
    case WEBSOCK_PONG:
        return true;
    case WEBSOCK_PING:
        trace_qio_channel_websock_ping(wioc, d->control_len);
        websock_queue_pong(wioc, d->control, d->control_len);
        websock_send_queued(wioc);
        return true;
    case WEBSOCK_CLOSE:
        trace_qio_channel_websock_peer_closed(wioc, d->close_code);
        wioc->ended = true;
        websock_queue_close(wioc, d->close_code);
        break;
    case WEBSOCK_ERROR:
        trace_qio_channel_websock_broken(wioc, d->error);
        wioc->broken = d->error;
        websock_queue_close(wioc, d->close_code);
        break;
    }
    websock_send_queued(wioc);
    return false;
}

/* Decode from @in into @iov from @offset on. Returns: payload bytes. */
static size_t websock_decode_in(QIOChannelWebsock *wioc,
                                const struct iovec *iov, size_t niov)
{
    size_t i = 0, offset = 0, total = 0;

    while (wioc->in_start < wioc->in_end) {
        size_t used, n;
        WebsockEvent event;

        while (i < niov && offset == iov[i].iov_len) {
            i++;
            offset = 0;
        }
        if (i == niov) {
            break;
        }
        event = websock_decode(&wioc->decoder, wioc->in + wioc->in_start,
                               wioc->in_end - wioc->in_start, &used,
                               (uint8_t *)iov[i].iov_base + offset,
                               iov[i].iov_len - offset, &n);
        wioc->in_start += used;
        offset += n;
        total += n;
        if (!websock_event(wioc, event)) {
            break;
        }
    }
    return total;
}

/* @n payload bytes were read into @iov: unmask them. */
static void websock_decode_iov(QIOChannelWebsock *wioc, const struct iovec *iov,
                               size_t n)
{
    for (; n > 0; iov++) {
        size_t len = MIN(n, iov->iov_len);

        websock_decode_direct(&wioc->decoder, iov->iov_base, len);
        n -= len;
    }
}

/*
 * Read from the master: @direct payload bytes into @iov, what follows into
 * @in, which is empty. Returns: payload bytes in @iov, may be 0 where only @in
 * got something (*filled says so); else as io_readv.
 */
static ssize_t websock_fill(QIOChannelWebsock *wioc, const struct iovec *iov,
                            size_t niov, bool *filled, Error **errp)
{
    struct iovec stack[STACK_IOV];
    g_autofree struct iovec *heap = NULL;
    struct iovec *v = stack;
    uint64_t direct = websock_decode_direct_len(&wioc->decoder);
    size_t n = 0, in_iov;
    ssize_t ret;

    niov = MIN(niov, IOV_MAX - 1);
    if (niov + 1 > STACK_IOV) {
        v = heap = g_new(struct iovec, niov + 1);
    }
    if (direct >= DIRECT_MIN) {
        n = iov_copy(v, niov, iov, niov, 0, MIN(direct, SIZE_MAX));
    }
    in_iov = iov_size(v, n);
    /* Past a full caller's vector there is payload still: leave it. */
    if (in_iov == direct || n == 0) {
        v[n].iov_base = wioc->in;
        v[n++].iov_len = WEBSOCK_IN_SIZE;
    }
    ret = qio_channel_readv(wioc->master, v, n, errp);
    *filled = ret > 0;
    if (ret <= 0) {
        return ret;
    }
    wioc->in_start = 0;
    wioc->in_end = (size_t)ret > in_iov ? ret - in_iov : 0;
    ret -= wioc->in_end;
    websock_decode_iov(wioc, v, ret);
    return ret;
}

/* The master ended without a close frame. */
static ssize_t websock_master_ended(QIOChannelWebsock *wioc, Error **errp)
{
    WebsockDecoder *d = &wioc->decoder;

    if (qatomic_read(&wioc->shutdown) & QIO_CHANNEL_SHUTDOWN_READ) {
        return 0;
    }
    if (d->in_message || d->in_payload || d->header_len > 0) {
        error_setg(errp, "connection ended within a websocket message");
        return -1;
    }
    wioc->ended = true;
    return 0;
}

static ssize_t websock_readv(QIOChannel *ioc, const struct iovec *iov,
                             size_t niov, int **fds, size_t *nfds, Error **errp)
{
    QIOChannelWebsock *wioc = QIO_CHANNEL_WEBSOCK(ioc);
    size_t want = iov_size(iov, niov);

    if (!qatomic_load_acquire(&wioc->established)) {
        error_setg(errp, "websocket handshake is not complete");
        return -1;
    }
    if (want == 0) {
        return 0;
    }
    /* Something may still wait from an earlier call. */
    websock_send_queued(wioc);
    for (;;) {
        bool filled;
        ssize_t n = websock_decode_in(wioc, iov, niov);

        if (n > 0) {
            return n;
        }
        if (wioc->broken) {
            error_setg(errp, "websocket peer broke the protocol: %s",
                       wioc->broken);
            return -1;
        }
        if (wioc->ended) {
            return 0;
        }
        n = websock_fill(wioc, iov, niov, &filled, errp);
        if (n != 0) {
            return n;
        }
        if (!filled) {
            return websock_master_ended(wioc, errp);
        }
    }
}

/* -- ending ---------------------------------------------------------------- */

/* Send a close frame if that is possible at once. */
static bool websock_try_close(QIOChannelWebsock *wioc)
{
    if (!qatomic_load_acquire(&wioc->established)) {
        return false;
    }
    websock_queue_close(wioc, WEBSOCK_CLOSE_NORMAL);
    for (int i = 0; i < CLOSE_TRIES; i++) {
        if (websock_send_queued(wioc)) {
            return true;
        }
        if (!qio_channel_wait_timeout(wioc->master, G_IO_OUT, 0)) {
            break;
        }
    }
    return false;
}

static int websock_shutdown(QIOChannel *ioc, QIOChannelShutdown how,
                            Error **errp)
{
    QIOChannelWebsock *wioc = QIO_CHANNEL_WEBSOCK(ioc);
    int before = qatomic_fetch_or(&wioc->shutdown, how);
    bool closed = false;

    if ((how & ~before) & QIO_CHANNEL_SHUTDOWN_WRITE) {
        closed = websock_try_close(wioc);
    }
    /* The close frame is the end; the peer's data may still come. */
    if (closed && how == QIO_CHANNEL_SHUTDOWN_WRITE) {
        return 0;
    }
    return qio_channel_shutdown(wioc->master, how, errp);
}

static int websock_close(QIOChannel *ioc, Error **errp)
{
    QIOChannelWebsock *wioc = QIO_CHANNEL_WEBSOCK(ioc);
    int before = qatomic_fetch_or(&wioc->shutdown, QIO_CHANNEL_SHUTDOWN_BOTH);

    qio_handshake_cancel(&wioc->slot);
    if (!(before & QIO_CHANNEL_SHUTDOWN_WRITE) &&
        qio_channel_set_blocking(wioc->master, false, NULL) == 0) {
        websock_try_close(wioc);
    }
    return qio_channel_close(wioc->master, errp);
}

/* -- control --------------------------------------------------------------- */

static int websock_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    return qio_channel_set_blocking(QIO_CHANNEL_WEBSOCK(ioc)->master, enabled,
                                    errp);
}

static void websock_set_delay(QIOChannel *ioc, bool enabled)
{
    qio_channel_set_delay(QIO_CHANNEL_WEBSOCK(ioc)->master, enabled);
}

static void websock_set_cork(QIOChannel *ioc, bool enabled)
{
    qio_channel_set_cork(QIO_CHANNEL_WEBSOCK(ioc)->master, enabled);
}

static void websock_set_aio_fd_handler(QIOChannel *ioc, AioContext *ctx,
                                       IOHandler *io_read, IOHandler *io_write,
                                       void *opaque)
{
    qio_channel_set_aio_fd_handler(QIO_CHANNEL_WEBSOCK(ioc)->master, ctx,
                                   io_read, io_write, opaque);
}

static GIOCondition websock_held(QIOChannel *ioc, GIOCondition condition)
{
    QIOChannelWebsock *wioc = QIO_CHANNEL_WEBSOCK(ioc);
    bool readable =
        wioc->in_start < wioc->in_end || wioc->ended || wioc->broken;

    return readable ? condition & G_IO_IN
                    : qio_channel_held(wioc->master, condition);
}

static GSource *websock_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return qio_channel_create_layer_watch(ioc, QIO_CHANNEL_WEBSOCK(ioc)->master,
                                          condition);
}

static void websock_init(Object *obj)
{
    QIOChannelWebsock *wioc = QIO_CHANNEL_WEBSOCK(obj);

    qio_handshake_slot_init(&wioc->slot);
    websock_out_init(wioc);
    wioc->in = g_malloc(WEBSOCK_IN_SIZE);
}

static void websock_finalize(Object *obj)
{
    QIOChannelWebsock *wioc = QIO_CHANNEL_WEBSOCK(obj);

    /* The master may have other users: it is left, not closed. */
    if (!(wioc->shutdown & QIO_CHANNEL_SHUTDOWN_WRITE)) {
        websock_try_close(wioc);
    }
    object_unref(OBJECT(wioc->master));
    qio_handshake_slot_deinit(&wioc->slot);
    websock_out_deinit(wioc);
    error_free(wioc->hs_err);
    g_free(wioc->hs_out);
    g_free(wioc->request);
    g_free(wioc->in);
}

static void websock_class_init(ObjectClass *oc, void *data)
{
    QIOChannelClass *klass = QIO_CHANNEL_CLASS(oc);

    klass->io_writev = websock_writev;
    klass->io_readv = websock_readv;
    klass->io_set_blocking = websock_set_blocking;
    klass->io_set_delay = websock_set_delay;
    klass->io_set_cork = websock_set_cork;
    klass->io_close = websock_close;
    klass->io_shutdown = websock_shutdown;
    klass->io_create_watch = websock_create_watch;
    klass->io_held = websock_held;
    klass->io_set_aio_fd_handler = websock_set_aio_fd_handler;
}

const TypeInfo io_type_channel_websock = {
    .parent = TYPE_QIO_CHANNEL,
    .name = TYPE_QIO_CHANNEL_WEBSOCK,
    .instance_size = sizeof(QIOChannelWebsock),
    .instance_init = websock_init,
    .instance_finalize = websock_finalize,
    .class_init = websock_class_init,
};
