/*
 * One connection of an NBD client: requests on their way out, and its life.
 *
 * Requests come from any thread. Each enters a table, by which its reply is
 * found, and a queue; whoever finds nobody sending sends, itself and what
 * others queue meanwhile, many requests in one call. What the socket does not
 * take goes on from the connection's context when it is writable.
 *
 * Only the receiver (client-receive.c) completes requests, so a request is
 * woken exactly once, and memory of its caller is not let go while the sender
 * may read it: a reply to a request that was not sent ends the connection, and
 * the end waits for the sender.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-nbd.h"
#include "util/atomic.h"

#include "client-internal.h"

/* Buffers of one write. */
#define SEND_IOV 64

/* -- sending ---------------------------------------------------------------------- */

static size_t req_payload(const NBDClientReq *r)
{
    return r->req.type == NBD_CMD_WRITE ? r->req.length : 0;
}

/* With the lock: what waits, from out_done on. Returns: elements. */
static unsigned gather(NBDClientConn *conn, struct iovec *iov)
{
    size_t skip = conn->out_done;
    unsigned n = 0;
    NBDClientReq *r;

    QSIMPLEQ_FOREACH(r, &conn->out, next) {
        size_t payload = req_payload(r);

        if (n == SEND_IOV) {
            break;
        }
        if (skip < r->head_len) {
            iov[n++] = (struct iovec){ r->head + skip, r->head_len - skip };
            skip = 0;
        } else {
            skip -= r->head_len;
        }
        if (payload > skip) {
            /* iov_copy() stops where there is no more room. */
            n += iov_copy(iov + n, SEND_IOV - n, r->qiov->iov, r->qiov->niov,
                          r->qiov_offset + skip, payload - skip);
        }
        skip = 0;
        if (n == SEND_IOV) {
            break;
        }
    }
    return n;
}

/* With the lock: @n bytes have gone. */
static void sent(NBDClientConn *conn, size_t n)
{
    NBDClientReq *r;

    conn->out_done += n;
    while ((r = QSIMPLEQ_FIRST(&conn->out)) &&
           conn->out_done >= r->head_len + req_payload(r)) {
        conn->out_done -= r->head_len + req_payload(r);
        QSIMPLEQ_REMOVE_HEAD(&conn->out, next);
        r->sent = true;
    }
}

static void client_writable(void *opaque);

void nbd_client_conn_watch(NBDClientConn *conn, bool rd, bool wr)
{
    if (rd == conn->watch_read && wr == conn->watch_write) {
        return;
    }
    conn->watch_read = rd;
    conn->watch_write = wr;
    qio_channel_set_aio_fd_handler(conn->ioc, conn->ctx,
                                   rd ? nbd_client_readable : NULL,
                                   wr ? client_writable : NULL, conn);
}

/* With the lock: the receiver may wait for what has changed. */
static void tell_receiver(NBDClientConn *conn)
{
    if (conn->wait_flush) {
        conn->wait_flush = false;
        aio_co_schedule(conn->ctx, conn->co); /* not now: we hold the lock */
    }
}

/* The caller has set flushing. */
static void flush(NBDClientConn *conn)
{
    bool blocked = false;

    qemu_mutex_lock(&conn->lock);
    while (!blocked && !conn->broken && !QSIMPLEQ_EMPTY(&conn->out)) {
        struct iovec iov[SEND_IOV];
        unsigned niov = gather(conn, iov);
        ssize_t n;

        qemu_mutex_unlock(&conn->lock);
        n = qio_channel_writev(conn->ioc, iov, niov, NULL);
        if (n < 0 && n != QIO_CHANNEL_ERR_BLOCK) {
            nbd_client_conn_break(conn, "sending failed");
        }
        qemu_mutex_lock(&conn->lock);
        if (n > 0) {
            sent(conn, n);
            tell_receiver(conn);
        }
        blocked = n == QIO_CHANNEL_ERR_BLOCK;
    }
    if (blocked && !conn->broken) {
        nbd_client_conn_watch(conn, conn->watch_read, true);
    } else {
        conn->flushing = false;
        tell_receiver(conn);
    }
    qemu_mutex_unlock(&conn->lock);
}

static void client_writable(void *opaque)
{
    NBDClientConn *conn = opaque;

    WITH_QEMU_LOCK_GUARD(&conn->lock)
    {
        nbd_client_conn_watch(conn, conn->watch_read, false);
    }
    flush(conn);
}

/* With the lock: a place for @r. */
static void enter_table(NBDClientConn *conn, NBDClientReq *r)
{
    unsigned i = 0;

    while (conn->reqs[i]) {
        i++;
    }
    conn->reqs[i] = r;
    qatomic_set(&conn->in_flight, conn->in_flight + 1);
    r->req.cookie = ((uint64_t)++conn->serial << 32) | i;
    r->head_len = nbd_request_encode(conn->mode, &r->req, r->head);
    r->sent = false;
    QSIMPLEQ_INSERT_TAIL(&conn->out, r, next);
}

int coroutine_fn nbd_client_conn_request(NBDClientConn *conn, NBDClientReq *r)
{
    bool send;

    r->co = qemu_coroutine_self();
    r->ret = NBD_LOST;
    if (conn->mode == NBD_MODE_EXTENDED && r->req.type == NBD_CMD_WRITE) {
        r->req.flags |= NBD_CMD_FLAG_PAYLOAD_LEN;
    }
    qemu_mutex_lock(&conn->lock);
    while (conn->in_flight == NBD_CLIENT_REQUESTS && !conn->broken) {
        qemu_co_queue_wait(&conn->room, &conn->lock);
    }
    if (conn->broken) {
        qemu_mutex_unlock(&conn->lock);
        return NBD_LOST;
    }
    enter_table(conn, r);
    send = !conn->flushing;
    conn->flushing = true;
    qemu_mutex_unlock(&conn->lock);
    if (send) {
        flush(conn);
    }
    /* The receiver wakes us exactly once. */
    qemu_coroutine_yield();
    return r->ret;
}

/* -- life ------------------------------------------------------------------------------ */

void nbd_client_conn_ref(NBDClientConn *conn)
{
    qatomic_inc(&conn->refs);
}

void nbd_client_conn_unref(NBDClientConn *conn)
{
    if (qatomic_dec_fetch(&conn->refs) > 0) {
        return;
    }
    object_unref(OBJECT(conn->ioc));
    object_unref(OBJECT(conn->sioc));
    qemu_mutex_destroy(&conn->lock);
    g_free(conn->context_ids);
    g_free(conn->in);
    g_free(conn);
}

void nbd_client_conn_break(NBDClientConn *conn, const char *why)
{
    WITH_QEMU_LOCK_GUARD(&conn->lock)
    {
        if (conn->broken) {
            return;
        }
        conn->broken = true;
    }
    trace_nbd_client_lost(conn, why);
    /* The receiver reads an end of stream. */
    qio_channel_shutdown(QIO_CHANNEL(conn->sioc), QIO_CHANNEL_SHUTDOWN_BOTH,
                         NULL);
}

void nbd_client_conn_bye(NBDClientConn *conn)
{
    NBDRequest r = { .type = NBD_CMD_DISC };
    uint8_t buf[NBD_REQUEST_EXT_SIZE];
    size_t len = nbd_request_encode(conn->mode, &r, buf);
    bool idle;

    WITH_QEMU_LOCK_GUARD(&conn->lock)
    {
        idle = !conn->broken && !conn->flushing;
        conn->flushing |= idle;
    }
    if (idle) {
        qio_channel_write(conn->ioc, (char *)buf, len, NULL);
        qio_channel_shutdown(conn->ioc, QIO_CHANNEL_SHUTDOWN_WRITE, NULL);
        WITH_QEMU_LOCK_GUARD(&conn->lock)
        {
            conn->flushing = false;
            tell_receiver(conn);
        }
    }
    nbd_client_conn_break(conn, "closed");
}

void coroutine_fn nbd_client_conn_wait_sender(NBDClientConn *conn)
{
    WITH_QEMU_LOCK_GUARD(&conn->lock)
    {
        if (!conn->flushing) {
            return;
        }
        conn->wait_flush = true;
    }
    qemu_coroutine_yield();
}

/* The connection is broken; nobody may send any more. */
static void coroutine_fn stop_sending(NBDClientConn *conn)
{
    bool sending;

    WITH_QEMU_LOCK_GUARD(&conn->lock)
    {
        if (conn->watch_write) {
            conn->flushing = false; /* it was waiting, and never goes on */
        }
        nbd_client_conn_watch(conn, false, false);
    }
    do {
        nbd_client_conn_wait_sender(conn);
        WITH_QEMU_LOCK_GUARD(&conn->lock)
        {
            sending = conn->flushing;
        }
    } while (sending);
}

/* Every request that is left gets NBD_LOST. */
static void coroutine_fn fail_all(NBDClientConn *conn)
{
    NBDClientReq *left[NBD_CLIENT_REQUESTS];
    unsigned n = 0;

    WITH_QEMU_LOCK_GUARD(&conn->lock)
    {
        for (unsigned i = 0; i < NBD_CLIENT_REQUESTS; i++) {
            if (conn->reqs[i]) {
                left[n++] = conn->reqs[i];
                conn->reqs[i] = NULL;
            }
        }
        qatomic_set(&conn->in_flight, 0);
        QSIMPLEQ_INIT(&conn->out);
        qemu_co_queue_restart_all(&conn->room);
    }
    for (unsigned i = 0; i < n; i++) {
        left[i]->ret = NBD_LOST;
        g_clear_pointer(&left[i]->pieces, g_array_unref);
        aio_co_wake(left[i]->co);
    }
}

static void coroutine_fn receiver_entry(void *opaque)
{
    NBDClientConn *conn = opaque;

    nbd_client_receive(conn);
    nbd_client_conn_break(conn, "the server hung up");
    stop_sending(conn);
    fail_all(conn);
    /* Closed with the last reference: others may just be shutting it down. */
    conn->ended(conn->opaque, conn);
    nbd_client_conn_unref(conn);
}

NBDClientConn *nbd_client_conn_new(
    QIOChannel *ioc, QIOChannelSocket *sioc, AioContext *ctx, NBDMode mode,
    void (*ended)(void *opaque, NBDClientConn *conn), void *opaque)
{
    NBDClientConn *conn = g_new0(NBDClientConn, 1);

    conn->ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    conn->sioc = QIO_CHANNEL_SOCKET(object_ref(OBJECT(sioc)));
    conn->ctx = ctx;
    conn->mode = mode;
    conn->refs = 2; /* the caller's, the receiver's */
    conn->ended = ended;
    conn->opaque = opaque;
    qemu_mutex_init(&conn->lock);
    qemu_co_queue_init(&conn->room);
    QSIMPLEQ_INIT(&conn->out);
    conn->in = g_malloc(NBD_CLIENT_IN_BYTES);
    qio_channel_set_blocking(ioc, false, NULL);
    conn->co = qemu_coroutine_create(receiver_entry, conn);
    return conn;
}

void nbd_client_conn_start(NBDClientConn *conn)
{
    aio_co_schedule(conn->ctx, conn->co);
}
