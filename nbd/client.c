/*
 * An NBD client: the connections of one export, and requests on them.
 *
 *            first connection            last one breaks
 *   (open) -----------------> UP ---------------------------> WAITING
 *                              ^     a thread connects again     | |
 *                              +---------------------------------+ | delay
 *                              +------------------------------ DOWN<
 *
 * UP: a request goes out on the connection with the least to do. WAITING:
 * requests wait. DOWN: they fail, while the thread goes on trying. A request
 * whose connection broke begins anew; everything that NBD can ask for may be
 * done twice.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "nbd/client.h"

#include "crypto/tlscreds.h"
#include "qapi/clone-visitor.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/aio-wait.h"
#include "util/atomic.h"

#include "client-internal.h"

/* -- connections ------------------------------------------------------------------ */

/* With the lock: @conn is for no more requests. */
static void client_drop(NBDClient *c, NBDClientConn *conn)
{
    unsigned i = 0;

    while (i < c->n_conns && c->conns[i] != conn) {
        i++;
    }
    if (i == c->n_conns) {
        return;
    }
    c->conns[i] = c->conns[--c->n_conns];
    nbd_client_conn_unref(conn);
    if (c->n_conns == 0 && c->state == NBD_CLIENT_UP) {
        c->state = c->reconnect_delay_ms ? NBD_CLIENT_WAITING : NBD_CLIENT_DOWN;
        timer_mod(c->timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                                (int64_t)c->reconnect_delay_ms);
        qemu_cond_signal(&c->cond);
    }
}

static void client_conn_ended(void *opaque, NBDClientConn *conn)
{
    NBDClient *c = opaque;

    if (c->unwatch) {
        c->unwatch(c->opaque, QIO_CHANNEL(conn->sioc));
    }
    WITH_QEMU_LOCK_GUARD(&c->lock)
    {
        client_drop(c, conn);
    }
    qatomic_dec(&c->alive);
    aio_wait_kick();
}

/* The time that requests wait is over. */
static void client_give_up(void *opaque)
{
    NBDClient *c = opaque;
    QEMU_LOCK_GUARD(&c->lock);

    if (c->state == NBD_CLIENT_WAITING) {
        c->state = NBD_CLIENT_DOWN;
        qemu_co_enter_all(&c->waiters, &c->lock);
    }
}

/* What the node above relies on must not get less. */
static bool same_export(const NBDExportInfo *old, const NBDExportInfo *new,
                        Error **errp)
{
    unsigned flags =
        old->flags & (NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
                      NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES |
                      NBD_FLAG_SEND_CACHE | NBD_FLAG_SEND_FAST_ZERO);

    if (new->size != old->size) {
        error_setg(errp,
                   "NBD export '%s' had %" PRIu64 " bytes and has %" PRIu64
                   " now",
                   old->name, old->size, new->size);
        return false;
    }
    if ((new->flags &flags) != flags ||
        (new->flags & ~old->flags &NBD_FLAG_READ_ONLY) ||
        (old->extended && !new->extended) ||
        new->min_block > (old->min_block ?: 1) ||
        (new->max_block &&new->max_block < (old->max_block ?: UINT32_MAX))) {
        error_setg(errp, "NBD export '%s' can do less than before", old->name);
        return false;
    }
    return true;
}

/* The numbers that this connection gives to the contexts of the first one. */
static uint32_t *map_contexts(const NBDExportInfo *old,
                              const NBDExportInfo *new, Error **errp)
{
    g_autofree uint32_t *ids = g_new(uint32_t, old->n_contexts + 1);

    for (unsigned i = 0; i < old->n_contexts; i++) {
        unsigned k = 0;

        while (k < new->n_contexts &&
               strcmp(new->contexts[k].name, old->contexts[i].name) != 0) {
            k++;
        }
        if (k == new->n_contexts) {
            error_setg(errp, "NBD export '%s' has no context '%s' any more",
                       old->name, old->contexts[i].name);
            return NULL;
        }
        ids[i] = new->contexts[k].id;
    }
    return g_steal_pointer(&ids);
}

static NBDMode mode_of(const NBDExportInfo *info)
{
    return info->extended     ? NBD_MODE_EXTENDED
           : info->structured ? NBD_MODE_STRUCTURED
                              : NBD_MODE_SIMPLE;
}

/* With the lock: the first connection says what the export is. */
static void client_take_info(NBDClient *c, NBDExportInfo *info)
{
    bool multi = info->flags & NBD_FLAG_CAN_MULTI_CONN;

    c->info = *info;
    *info = (NBDExportInfo){ 0 };
    c->target = !multi ? 1 : c->wanted ?: NBD_CLIENT_CONNS_AUTO;
    qatomic_store_release(&c->opened, 1);
}

static AioContext *receive_context(NBDClient *c)
{
    bool own = c->threads && (c->all_in_threads || c->n_conns > 0);

    return own ? nbd_threads_next(c->threads) : c->ctx;
}

bool nbd_client_add(NBDClient *c, QIOChannel *ioc, QIOChannelSocket *sioc,
                    NBDExportInfo *info, Error **errp)
{
    g_autofree uint32_t *ids = NULL;
    NBDMode mode = mode_of(info);
    NBDClientConn *conn;
    QEMU_LOCK_GUARD(&c->lock);

    if (c->state == NBD_CLIENT_CLOSED) {
        error_setg(errp, "the NBD client is being closed");
        return false;
    }
    if (qatomic_read(&c->opened) && !same_export(&c->info, info, errp)) {
        return false;
    }
    ids = map_contexts(qatomic_read(&c->opened) ? &c->info : info, info, errp);
    if (!ids) {
        return false;
    }
    if (!qatomic_read(&c->opened)) {
        client_take_info(c, info);
    }
    conn = nbd_client_conn_new(ioc, sioc, receive_context(c), mode,
                               client_conn_ended, c);
    conn->context_ids = g_steal_pointer(&ids);
    qatomic_inc(&c->alive);
    if (c->watch) {
        c->watch(c->opaque, QIO_CHANNEL(sioc));
    }
    c->conns[c->n_conns++] = conn;
    nbd_client_conn_start(conn);
    timer_del(c->timer);
    c->state = NBD_CLIENT_UP;
    if (c->n_conns == 1) {
        bool multi = c->info.flags & NBD_FLAG_CAN_MULTI_CONN;

        c->target = !multi ? 1 : c->wanted ?: NBD_CLIENT_CONNS_AUTO;
    }
    qemu_co_enter_all(&c->waiters, &c->lock);
    aio_wait_kick();
    return true;
}

/* -- requests ------------------------------------------------------------------------ */

/* With the lock: the connection with the least to do. */
static NBDClientConn *least_busy(NBDClient *c)
{
    NBDClientConn *best = c->conns[0];
    unsigned least = qatomic_read(&best->in_flight);

    for (unsigned i = 1; i < c->n_conns && least > 0; i++) {
        unsigned n = qatomic_read(&c->conns[i]->in_flight);

        if (n < least) {
            best = c->conns[i];
            least = n;
        }
    }
    if (least >= NBD_CLIENT_BUSY && c->n_conns < c->target && !c->grow) {
        c->grow = true;
        qemu_cond_signal(&c->cond);
    }
    return best;
}

/* A connection, referenced, or NULL: there is none, and no use in waiting. */
static NBDClientConn *coroutine_fn client_pick(NBDClient *c)
{
    NBDClientConn *conn;
    QEMU_LOCK_GUARD(&c->lock);

    while (c->state == NBD_CLIENT_WAITING) {
        qemu_co_queue_wait(&c->waiters, &c->lock);
    }
    if (c->state != NBD_CLIENT_UP) {
        return NULL;
    }
    conn = least_busy(c);
    nbd_client_conn_ref(conn);
    return conn;
}

/* @conn is of no use any more, whether it knows or not. Returns: whether the
 * request that began to fail at *@since, or now, may be sent again. */
static bool client_lost(NBDClient *c, NBDClientConn *conn, int64_t *since)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    QEMU_LOCK_GUARD(&c->lock);

    client_drop(c, conn);
    if (*since == 0) {
        *since = now;
    }
    /* While others are left, or within the time; not for ever in turns. */
    return now - *since <= (int64_t)c->reconnect_delay_ms ||
           (c->n_conns > 0 && now - *since < NBD_CLIENT_CONNECT_MS);
}

static void request_begin(NBDClientReq *r, const NBDClientConn *conn,
                          uint16_t flags, unsigned context)
{
    r->req.flags = flags;
    r->got = 0;
    r->out_of_order = false;
    r->n_ext = 0;
    if (r->req.type == NBD_CMD_BLOCK_STATUS) {
        r->context = conn->context_ids[context];
    }
}

static int coroutine_fn client_request(NBDClient *c, NBDClientReq *r,
                                       unsigned context)
{
    const uint16_t flags = r->req.flags;
    int64_t since = 0;

    for (;;) {
        NBDClientConn *conn = client_pick(c);
        bool again = false;
        int ret;

        if (!conn) {
            return -EIO;
        }
        request_begin(r, conn, flags, context);
        ret = nbd_client_conn_request(conn, r);
        if (ret == NBD_LOST || ret == -ESHUTDOWN) {
            again = client_lost(c, conn, &since);
        }
        if (ret == -ESHUTDOWN) {
            nbd_client_conn_bye(conn); /* as the protocol wants it */
        }
        nbd_client_conn_unref(conn);
        if (ret != NBD_LOST && ret != -ESHUTDOWN) {
            return ret;
        }
        if (!again) {
            return -EIO;
        }
    }
}

int coroutine_fn nbd_client_co_preadv(NBDClient *c, uint64_t offset,
                                      uint64_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset)
{
    NBDClientReq r = {
        .req = { .type = NBD_CMD_READ, .offset = offset, .length = bytes },
        .qiov = qiov,
        .qiov_offset = qiov_offset,
    };

    return client_request(c, &r, 0);
}

int coroutine_fn nbd_client_co_pwritev(NBDClient *c, uint64_t offset,
                                       uint64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset, bool fua)
{
    NBDClientReq r = {
        .req = { .type = NBD_CMD_WRITE,
                 .flags = fua ? NBD_CMD_FLAG_FUA : 0,
                 .offset = offset,
                 .length = bytes },
        .qiov = qiov,
        .qiov_offset = qiov_offset,
    };

    return client_request(c, &r, 0);
}

int coroutine_fn nbd_client_co_simple(NBDClient *c, NBDCmd cmd, unsigned flags,
                                      uint64_t offset, uint64_t bytes)
{
    NBDClientReq r = {
        .req = { .type = cmd,
                 .flags = (uint16_t)flags,
                 .offset = offset,
                 .length = bytes },
    };

    return client_request(c, &r, 0);
}

int coroutine_fn nbd_client_co_extents(NBDClient *c, unsigned context,
                                       uint64_t offset, uint64_t bytes,
                                       NBDExtent *ret_ext, unsigned max)
{
    NBDClientReq r = {
        .req = { .type = NBD_CMD_BLOCK_STATUS,
                 .flags = max == 1 ? NBD_CMD_FLAG_REQ_ONE : 0,
                 .offset = offset,
                 .length = bytes },
        .ext = ret_ext,
        .max_ext = max,
    };
    int ret = client_request(c, &r, context);

    return ret < 0 ? ret : nbd_status_trim(ret_ext, r.n_ext, bytes);
}

/* -- life ------------------------------------------------------------------------------- */

const NBDExportInfo *nbd_client_info(const NBDClient *c)
{
    return &c->info;
}

unsigned nbd_client_connections(NBDClient *c)
{
    QEMU_LOCK_GUARD(&c->lock);

    return c->n_conns;
}

void nbd_client_retry_now(NBDClient *c)
{
    QEMU_LOCK_GUARD(&c->lock);

    if (c->n_conns == 0) {
        c->retry_now = true;
        qemu_cond_signal(&c->cond);
    }
}

void nbd_client_set_reconnect_delay(NBDClient *c, uint64_t ms)
{
    QEMU_LOCK_GUARD(&c->lock);

    c->reconnect_delay_ms = ms;
}

static NBDClient *client_new(const NBDClientConfig *config)
{
    NBDClient *c = g_new0(NBDClient, 1);

    c->addr = QAPI_CLONE(SocketAddress, config->addr);
    c->n = config->n;
    c->n.export = c->export = g_strdup(config->n.export);
    c->n.tls_hostname = c->tls_hostname = g_strdup(config->n.tls_hostname);
    c->contexts = g_strdupv((char **)config->n.contexts);
    c->n.contexts = (const char *const *)c->contexts;
    if (c->n.tls_creds) {
        object_ref(c->n.tls_creds);
    }
    c->ctx = config->ctx;
    c->wanted = MIN(config->connections, NBD_CLIENT_CONNS_MAX);
    c->watch = config->watch;
    c->unwatch = config->unwatch;
    c->opaque = config->opaque;
    c->all_in_threads = c->n.tls_creds != NULL;
    c->reconnect_delay_ms = config->reconnect_delay_ms;
    c->open_deadline_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                          (int64_t)config->open_timeout_ms;
    c->state = NBD_CLIENT_WAITING;
    c->timer = timer_new_ms(QEMU_CLOCK_REALTIME, client_give_up, c);
    qemu_mutex_init(&c->lock);
    qemu_cond_init(&c->cond);
    qemu_co_queue_init(&c->waiters);
    return c;
}

static void client_free(NBDClient *c)
{
    nbd_threads_free(c->threads);
    timer_free(c->timer);
    qapi_free_SocketAddress(c->addr);
    if (c->n.tls_creds) {
        object_unref(c->n.tls_creds);
    }
    g_free(c->export);
    g_free(c->tls_hostname);
    g_strfreev(c->contexts);
    nbd_export_info_clear(&c->info);
    error_free(c->error);
    qemu_cond_destroy(&c->cond);
    qemu_mutex_destroy(&c->lock);
    g_free(c);
}

NBDClient *nbd_client_open(const NBDClientConfig *config, Error **errp)
{
    NBDClient *c;

    if (config->n.tls_creds &&
        !qcrypto_tls_creds_check_endpoint(
            config->n.tls_creds, QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT, errp)) {
        return NULL;
    }
    if (strlen(config->n.export) > NBD_MAX_STRING) {
        error_setg(errp, "export name is longer than %d bytes", NBD_MAX_STRING);
        return NULL;
    }
    c = client_new(config);
    if (config->threads) {
        c->threads = nbd_threads_new(config->threads, "nbd-client", errp);
        if (!c->threads) {
            client_free(c);
            return NULL;
        }
    }
    qemu_thread_create(&c->thread, "nbd-connect", nbd_client_connect_thread, c,
                       QEMU_THREAD_JOINABLE);
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_load_acquire(&c->opened) == 0);
    if (qatomic_load_acquire(&c->opened) < 0) {
        qemu_thread_join(&c->thread);
        error_propagate(errp, g_steal_pointer(&c->error));
        client_free(c);
        return NULL;
    }
    return c;
}

void nbd_client_close(NBDClient *c)
{
    NBDClientConn *conns[NBD_CLIENT_CONNS_MAX];
    unsigned n;

    if (!c) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&c->lock)
    {
        c->state = NBD_CLIENT_CLOSED;
        if (c->attempt) {
            qio_channel_socket_connect_cancel(c->attempt);
            qio_channel_shutdown(QIO_CHANNEL(c->attempt),
                                 QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
        }
        n = c->n_conns;
        for (unsigned i = 0; i < n; i++) {
            conns[i] = c->conns[i];
            nbd_client_conn_ref(conns[i]);
        }
        qemu_cond_signal(&c->cond);
        qemu_co_enter_all(&c->waiters, &c->lock);
    }
    qemu_thread_join(&c->thread);
    for (unsigned i = 0; i < n; i++) {
        nbd_client_conn_bye(conns[i]);
        nbd_client_conn_unref(conns[i]);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_mb_read(&c->alive) > 0);
    client_free(c);
}
