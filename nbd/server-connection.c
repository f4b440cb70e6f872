/*
 * A connection of the NBD server: its life, and receiving requests.
 *
 * One coroutine negotiates and then receives. It takes what the socket has in
 * large pieces, starts a coroutine for each request found there, and sends the
 * replies that are ready before it waits for more. Data of a write goes
 * straight into the request's buffer, but for what came with the header.
 *
 *     receive --> job (coroutine) --> piece(s) in the queue --> nbd_send_flush
 *        ^ waits while there are NBD_CONN_REQUESTS, or NBD_CONN_BYTES of them,
 *          or replies that the socket does not take
 *
 * A client that always has something to say does not keep the thread for
 * itself: now and then the coroutine lets the loop run, for the timers, kicks
 * and connections that wait there.
 *
 * Nobody reads ahead of a client that is slower than we are: the data would
 * have left the processor's cache by the time it is sent.
 *
 * The handlers of the channel stay set between requests; one that fires while
 * nobody waits for it is taken away. So a busy connection costs no change of
 * the set of descriptors.
 *
 * The end, whoever wants it: receiving stops, jobs finish, replies leave, then
 * the coroutine frees all. A kick (removed export, stopping server) shuts the
 * reading side down; requests that are there already get ESHUTDOWN.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-tls.h"
#include "io/socket-address.h"
#include "qapi/qapi-visit-sockets.h"
#include "trace/trace-nbd.h"
#include "util/timer.h"

#include "server-internal.h"

/* -- handlers and wake-ups ---------------------------------------------------- */

static void conn_readable(void *opaque)
{
    NBDConn *c = opaque;

    if (c->wait_read) {
        c->wait_read = false;
        aio_co_wake(c->co);
    } else {
        nbd_conn_watch(c, false, c->watch_write);
    }
}

static void conn_writable(void *opaque)
{
    nbd_send_flush(opaque);
}

void nbd_conn_watch(NBDConn *c, bool rd, bool wr)
{
    if (rd == c->watch_read && wr == c->watch_write) {
        return;
    }
    c->watch_read = rd;
    c->watch_write = wr;
    qio_channel_set_aio_fd_handler(c->ioc, c->ctx, rd ? conn_readable : NULL,
                                   wr ? conn_writable : NULL, c);
}

static bool slot_is_free(const NBDConn *c)
{
    return c->jobs < NBD_CONN_REQUESTS && c->job_bytes < NBD_CONN_BYTES &&
           c->out_bytes < NBD_OUT_BATCH_BYTES;
}

void nbd_conn_wake(NBDConn *c)
{
    bool wake = (c->wait_slot && (slot_is_free(c) || c->broken)) ||
                (c->wait_sent && c->jobs == 0);

    if (wake) {
        c->wait_slot = c->wait_sent = false;
        aio_co_wake(c->co);
    }
}

void nbd_conn_break(NBDConn *c)
{
    if (!c->broken) {
        c->broken = true;
        qio_channel_shutdown(QIO_CHANNEL(c->sioc), QIO_CHANNEL_SHUTDOWN_BOTH,
                             NULL);
    }
}

/* Leaves the coroutine until @flag is cleared by whoever wakes it. */
static void coroutine_fn conn_wait(NBDConn *c, bool *flag)
{
    *flag = true;
    c->receiving = false;
    qemu_coroutine_yield();
    c->receiving = true;
    c->work = 0;
    *flag = false;
}

/* Nobody else wakes @c->co meanwhile: it waits for nothing, as no flag says. */
void coroutine_fn nbd_conn_breathe(NBDConn *c, size_t work)
{
    c->work += work;
    if (c->work < NBD_BREATH_BYTES) {
        return;
    }
    c->work = 0;
    c->receiving = false;
    aio_co_schedule(c->ctx, c->co);
    qemu_coroutine_yield();
    c->receiving = true;
}

/* -- receiving ------------------------------------------------------------------ */

/* Only where nobody else is kept waiting, and nothing of this one either. */
static bool may_spin(const NBDConn *c)
{
    return c->server->may_spin && c->jobs == 0 && c->users &&
           qatomic_read(c->users) == 1 && !c->broken;
}

/* Waits a moment without sleeping. Returns: as qio_channel_readv(). */
static ssize_t coroutine_fn recv_spin(NBDConn *c, struct iovec *iov,
                                      size_t niov, int64_t begin)
{
    ssize_t n;

    do {
        cpu_relax();
        n = qio_channel_readv(c->ioc, iov, niov, NULL);
    } while (n == QIO_CHANNEL_ERR_BLOCK && get_clock() - begin < NBD_SPIN_NS);
    return n;
}

static void coroutine_fn recv_sleep(NBDConn *c)
{
    if (!c->watch_read) {
        nbd_conn_watch(c, true, c->watch_write);
    }
    conn_wait(c, &c->wait_read);
    c->in_drained = false;
}

/* There is nothing to receive, and the replies are out. Returns: as
 * qio_channel_readv(), with QIO_CHANNEL_ERR_BLOCK there is something now. */
static ssize_t coroutine_fn recv_wait(NBDConn *c, struct iovec *iov,
                                      size_t niov)
{
    int64_t begin;
    bool spin;

    if (!may_spin(c)) {
        recv_sleep(c);
        return QIO_CHANNEL_ERR_BLOCK;
    }
    begin = get_clock();
    spin = nbd_spin_wanted(&c->spin);
    if (spin) {
        ssize_t n = recv_spin(c, iov, niov, begin);

        if (n != QIO_CHANNEL_ERR_BLOCK) {
            nbd_spin_hit(&c->spin);
            return n;
        }
    }
    recv_sleep(c);
    nbd_spin_slept(&c->spin, get_clock() - begin, spin);
    return QIO_CHANNEL_ERR_BLOCK;
}

/* At least one byte into @iov. false: the stream ended or failed. */
static bool coroutine_fn recv_some(NBDConn *c, struct iovec *iov, size_t niov,
                                   size_t *ret_got)
{
    size_t room = iov_size(iov, niov);

    for (;;) {
        ssize_t n = QIO_CHANNEL_ERR_BLOCK;

        if (!c->in_drained) {
            n = qio_channel_readv(c->ioc, iov, niov, NULL);
        }
        if (n == QIO_CHANNEL_ERR_BLOCK && !c->broken) {
            nbd_send_flush(c);
            n = recv_wait(c, iov, niov);
        }
        if (n > 0) {
            /* A socket that gave less has no more; TLS may. */
            c->in_drained = (size_t)n < room && c->ioc == QIO_CHANNEL(c->sioc);
            *ret_got = n;
            return true;
        }
        if (n != QIO_CHANNEL_ERR_BLOCK || c->broken) {
            return false;
        }
    }
}

/* Makes the buffer hold @n bytes from in_pos on. */
static bool coroutine_fn recv_need(NBDConn *c, size_t n)
{
    while (c->in_len - c->in_pos < n) {
        struct iovec iov;
        size_t got;

        if (c->in_pos > 0) {
            memmove(c->in, c->in + c->in_pos, c->in_len - c->in_pos);
            c->in_len -= c->in_pos;
            c->in_pos = 0;
        }
        iov = (struct iovec){ c->in + c->in_len, NBD_IN_BYTES - c->in_len };
        if (!recv_some(c, &iov, 1, &got)) {
            return false;
        }
        c->in_len += got;
    }
    return true;
}

static size_t take_buffered(NBDConn *c, void *buf, size_t len)
{
    size_t n = MIN(len, c->in_len - c->in_pos);

    if (buf) {
        memcpy(buf, c->in + c->in_pos, n);
    }
    c->in_pos += n;
    if (c->in_pos == c->in_len) {
        c->in_pos = c->in_len = 0;
    }
    return n;
}

/* A payload; what comes behind it goes into the buffer, in the same call. */
static bool coroutine_fn recv_payload(NBDConn *c, uint8_t *buf, size_t len)
{
    size_t done = take_buffered(c, buf, len);

    while (done < len) {
        struct iovec iov[2] = {
            { buf + done, len - done },
            { c->in, NBD_IN_BYTES },
        };
        size_t got;

        if (!recv_some(c, iov, 2, &got)) {
            return false;
        }
        if (got > len - done) {
            c->in_len = got - (len - done);
            got = len - done;
        }
        done += got;
    }
    return true;
}

static bool coroutine_fn recv_skip(NBDConn *c, uint64_t len)
{
    while (len > 0) {
        size_t n;

        if (!recv_need(c, 1)) {
            return false;
        }
        n = take_buffered(c, NULL, len);
        len -= n;
        nbd_conn_breathe(c, n);
    }
    return true;
}

/* -- jobs ------------------------------------------------------------------------ */

static NBDJob *job_new(NBDConn *c, const NBDRequest *r)
{
    NBDJob *j = QSLIST_FIRST(&c->free_jobs);

    if (j) {
        QSLIST_REMOVE_HEAD(&c->free_jobs, next_free);
    } else {
        j = g_new(NBDJob, 1);
    }
    j->conn = c;
    j->req = *r;
    j->buf = NULL;
    j->buf_bytes = 0;
    j->more = NULL;
    j->n_outs = 0;
    c->jobs++;
    return j;
}

void nbd_conn_job_gone(NBDConn *c, NBDJob *j)
{
    nbd_job_drop_outs(j);
    nbd_pool_put(&c->server->pool, j->buf, j->buf_bytes);
    g_free(j->more);
    c->job_bytes -= j->charged;
    c->jobs--;
    QSLIST_INSERT_HEAD(&c->free_jobs, j, next_free);
}

static void conn_send_bh(void *opaque)
{
    nbd_send_flush(opaque);
}

/* The reply of @j is made. May free @c, unless its coroutine runs. */
static void job_reply(NBDJob *j)
{
    NBDConn *c = j->conn;

    nbd_send_job(c, j);
    if (c->receiving) {
        return; /* it looks after the queue */
    }
    if (c->working == 0 || c->n_outs >= NBD_OUT_BATCH) {
        nbd_send_flush(c);
    } else {
        qemu_bh_schedule(c->send_bh);
    }
}

static void coroutine_fn job_entry(void *opaque)
{
    NBDJob *j = opaque;

    nbd_job_run(j);
    j->conn->working--;
    job_reply(j);
}

/* What a request keeps busy of NBD_CONN_BYTES. */
static size_t job_cost(const NBDRequest *r)
{
    switch (r->type) {
    case NBD_CMD_READ:
    case NBD_CMD_WRITE:
        return r->length;
    case NBD_CMD_BLOCK_STATUS:
        return NBD_EXTENTS_MAX * sizeof(NBDExtent);
    default:
        return 0;
    }
}

/* Bytes that follow the header. */
static uint64_t payload_bytes(const NBDConn *c, const NBDRequest *r)
{
    if (c->mode == NBD_MODE_EXTENDED) {
        return r->flags & NBD_CMD_FLAG_PAYLOAD_LEN ? r->length : 0;
    }
    return r->type == NBD_CMD_WRITE ? r->length : 0;
}

static uint64_t payload_max(const NBDRequest *r)
{
    return r->type == NBD_CMD_BLOCK_STATUS ? 8 + 4 * NBD_MAX_CONTEXTS
                                           : NBD_MAX_PAYLOAD;
}

/* A request that is refused: skip what follows it, answer. */
static bool coroutine_fn conn_refuse(NBDConn *c, const NBDRequest *r, int err,
                                     const char *text)
{
    NBDJob *j;

    if (!recv_skip(c, payload_bytes(c, r))) {
        return false;
    }
    j = job_new(c, r);
    j->charged = 0;
    nbd_job_fail(j, err, text);
    job_reply(j);
    return true;
}

static const char *refusal_text(int err)
{
    switch (err) {
    case EPERM:
        return "the export is read-only";
    case ENOSPC:
        return "request is beyond the end of the export";
    case EOVERFLOW:
        return "request is too long";
    case ESHUTDOWN:
        return "the server is shutting down";
    default:
        return "request is invalid";
    }
}

static bool coroutine_fn conn_start_job(NBDConn *c, const NBDRequest *r)
{
    uint64_t payload = payload_bytes(c, r);
    NBDJob *j = job_new(c, r);

    j->charged = job_cost(r);
    c->job_bytes += j->charged;
    if (payload > 0) {
        j->buf = nbd_pool_get(&c->server->pool, payload);
        j->buf_bytes = payload;
        if (j->buf ? !recv_payload(c, j->buf, payload)
                   : !recv_skip(c, payload)) {
            nbd_conn_job_gone(c, j);
            return false;
        }
        if (!j->buf) {
            nbd_job_fail(j, ENOMEM, "out of memory");
            job_reply(j);
            return true;
        }
    }
    c->working++;
    qemu_coroutine_enter(qemu_coroutine_create(job_entry, j));
    return true;
}

/* One request. false: no more will come. */
static bool coroutine_fn conn_request(NBDConn *c)
{
    size_t size = nbd_request_size(c->mode);
    NBDRequest r;
    int err;

    if (!recv_need(c, size) ||
        !nbd_request_decode(c->mode, c->in + c->in_pos, &r)) {
        return false;
    }
    take_buffered(c, NULL, size);
    trace_nbd_server_request(c, nbd_cmd_name(r.type), r.flags, r.offset,
                             r.length);
    if (r.type == NBD_CMD_DISC || payload_bytes(c, &r) > NBD_SKIP_MAX) {
        return false;
    }
    err = c->closing ? ESHUTDOWN : nbd_request_check(c, &r);
    if (!err && payload_bytes(c, &r) > payload_max(&r)) {
        err = EOVERFLOW;
    }
    if (err) {
        return conn_refuse(c, &r, err, refusal_text(err));
    }
    c->work += job_cost(&r);
    return conn_start_job(c, &r);
}

static void coroutine_fn conn_receive(NBDConn *c)
{
    while (!c->broken && conn_request(c)) {
        if (c->n_outs >= NBD_OUT_BATCH || c->out_bytes >= NBD_OUT_BATCH_BYTES) {
            nbd_send_flush(c);
        }
        while (!slot_is_free(c) && !c->broken) {
            nbd_send_flush(c);
            if (!slot_is_free(c)) {
                conn_wait(c, &c->wait_slot);
            }
        }
        nbd_conn_breathe(c, NBD_BREATH_BYTES / NBD_BREATH_REQUESTS);
    }
    nbd_send_flush(c);
}

/* -- time ------------------------------------------------------------------------- */

static void conn_timer(void *opaque)
{
    NBDConn *c = opaque;

    WITH_QEMU_LOCK_GUARD(&c->server->lock)
    {
        c->expired = true;
        nbd_conn_kick(c);
    }
}

static void conn_set_timer(NBDConn *c, unsigned ms)
{
    if (!c->timer) {
        c->timer =
            aio_timer_new(c->ctx, QEMU_CLOCK_REALTIME, SCALE_MS, conn_timer, c);
    }
    timer_mod(c->timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ms);
}

static void conn_clear_timer(NBDConn *c)
{
    g_clear_pointer(&c->timer, timer_free);
}

static void conn_kicked(void *opaque)
{
    NBDConn *c = opaque;
    bool expired, linger;

    WITH_QEMU_LOCK_GUARD(&c->server->lock)
    {
        expired = c->expired;
        linger = c->ending && c->state == NBD_CONN_OPEN;
        if (expired || c->ending) {
            qemu_co_enter_all(&c->server->slot_waiters, &c->server->lock);
        }
    }
    if (expired) {
        trace_nbd_server_thrown_out(c, "time is over");
        nbd_conn_break(c);
        nbd_send_flush(c);
    } else if (linger && !c->closing) {
        c->closing = true;
        conn_set_timer(c, NBD_LINGER_MS);
        qio_channel_shutdown(QIO_CHANNEL(c->sioc), QIO_CHANNEL_SHUTDOWN_READ,
                             NULL);
    } else if (!linger) {
        c->closing = true;
        conn_set_timer(c, NBD_LINGER_MS); /* it may not read either */
        qio_channel_shutdown(QIO_CHANNEL(c->sioc), QIO_CHANNEL_SHUTDOWN_READ,
                             NULL);
    }
}

void nbd_conn_kick(NBDConn *c)
{
    qemu_bh_schedule(c->kick_bh);
}

/* -- life ------------------------------------------------------------------------- */

static void conn_leave_thread(NBDConn *c)
{
    if (c->users) {
        qatomic_dec(c->users);
        c->users = NULL;
    }
}

void coroutine_fn nbd_conn_move(NBDConn *c, AioContext *ctx)
{
    conn_clear_timer(c);
    if (c->ctx == ctx) {
        if (c->closing) {
            conn_set_timer(c, NBD_LINGER_MS);
        }
        return;
    }
    WITH_QEMU_LOCK_GUARD(&c->server->lock)
    {
        qemu_bh_delete(c->kick_bh);
        c->kick_bh = aio_bh_new(ctx, conn_kicked, c);
        if (c->ending || c->expired) {
            nbd_conn_kick(c);
        }
    }
    qemu_bh_delete(c->send_bh);
    c->send_bh = aio_bh_new(ctx, conn_send_bh, c);
    c->ctx = ctx;
    conn_leave_thread(c); /* it is the export's */
    aio_co_reschedule_self(ctx);
    if (c->closing) {
        conn_set_timer(c, NBD_LINGER_MS);
    }
}

/* Receiving is over: let jobs and replies end. */
static void coroutine_fn conn_finish(NBDConn *c)
{
    nbd_conn_watch(c, false, c->watch_write);
    while (c->jobs > 0) {
        conn_wait(c, &c->wait_sent);
    }
    nbd_conn_watch(c, false, false);
    qio_channel_close(c->ioc, NULL);
}

static void conn_free(NBDConn *c)
{
    NBDServer *s = c->server;

    conn_leave_thread(c);
    nbd_server_leave(s, c);
    conn_clear_timer(c);
    qemu_bh_delete(c->send_bh);
    while (!QSLIST_EMPTY(&c->free_jobs)) {
        NBDJob *j = QSLIST_FIRST(&c->free_jobs);

        QSLIST_REMOVE_HEAD(&c->free_jobs, next_free);
        g_free(j);
    }
    object_unref(OBJECT(c->ioc));
    object_unref(OBJECT(c->sioc));
    g_free(c->in);
    g_free(c->meta_name);
    g_free(c->peer);
    if (c->export) {
        nbd_export_unref(c->export);
    }
    g_free(c);
    nbd_server_unref(s);
}

/*
 * No delay from the first byte on: options are small pieces that wait for each
 * other. On this host the sender is woken when much of its room is free: the
 * rest has to last the client until then, and what is more than that only
 * leaves the processor's cache. On a network the kernel finds the right size.
 *
 * With sendfile() the client copies out of the file's pages, or the network
 * card does. TCP on one host takes twice as long over that as over memory that
 * has just been written, and that is more than our copy.
 */
static void conn_tune_socket(NBDConn *c)
{
    QIOChannelSocket *sioc = c->sioc;
    int bytes = NBD_LOCAL_SEND_BYTES;
    bool local = qio_channel_socket_is_local(sioc);

    qio_channel_set_delay(QIO_CHANNEL(sioc), false);
    c->sendfile = !local || sioc->localAddr.ss_family == AF_UNIX;
    if (local) {
        setsockopt(sioc->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    }
}

static void coroutine_fn conn_entry(void *opaque)
{
    NBDConn *c = opaque;
    Error *err = NULL;

    c->receiving = true;
    if (c->server->handshake_ms) {
        conn_set_timer(c, c->server->handshake_ms);
    }
    conn_tune_socket(c);
    if (qio_channel_set_blocking(QIO_CHANNEL(c->sioc), false, &err) == 0 &&
        nbd_negotiate(c, &err)) {
        c->in = g_malloc(NBD_IN_BYTES);
        conn_receive(c);
    } else if (err && c->server->client_refused) {
        c->server->client_refused(c->server->opaque, c->peer,
                                  error_get_pretty(err));
    }
    conn_finish(c);
    trace_nbd_server_client_gone(c, err ? error_get_pretty(err) : "end");
    error_free(err);
    conn_free(c);
}

static char *peer_text(QIOChannelSocket *sioc)
{
    g_autoptr(SocketAddress) addr =
        qio_channel_socket_get_remote_address(sioc, NULL);

    return addr ? socket_uri(addr) : g_strdup("local");
}

NBDConn *nbd_conn_start(NBDServer *s, QIOChannelSocket *sioc, AioContext *ctx,
                        unsigned *users)
{
    NBDConn *c = g_new0(NBDConn, 1);

    c->server = s;
    c->ctx = ctx;
    c->users = users;
    nbd_spin_init(&c->spin);
    c->sioc = QIO_CHANNEL_SOCKET(object_ref(OBJECT(sioc)));
    c->ioc = QIO_CHANNEL(object_ref(OBJECT(sioc)));
    c->peer = peer_text(sioc);
    c->state = NBD_CONN_HALF_OPEN;
    c->kick_bh = aio_bh_new(ctx, conn_kicked, c);
    c->send_bh = aio_bh_new(ctx, conn_send_bh, c);
    QSIMPLEQ_INIT(&c->outs);
    c->co = qemu_coroutine_create(conn_entry, c);
    aio_co_schedule(ctx, c->co);
    return c;
}
