/*
 * The NBD server: who may come in, what there is to choose, how it ends.
 *
 * Listeners and the table of exports are the main loop's. Connections run in
 * threads; what both sides need is guarded by one lock, which is taken when a
 * connection comes, chooses an export, waits for a place, and goes, but never
 * for a request.
 *
 * A bottom half of the main loop follows up: it stops accepting while all
 * places are taken, starts again, and reports clients that have gone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "nbd/server.h"

#include "crypto/tlscreds.h"
#include "trace/trace-nbd.h"
#include "util/aio-wait.h"
#include "util/atomic.h"

#include "server-internal.h"

/* -- exports ------------------------------------------------------------------ */

static NBDExport *find_export(NBDServer *s, const char *name)
{
    NBDExport *e;

    QTAILQ_FOREACH(e, &s->exports, next) {
        if (strcmp(e->name, name) == 0) {
            return e;
        }
    }
    return NULL;
}

NBDExport *nbd_server_find_export(NBDServer *s, const char *name)
{
    QEMU_LOCK_GUARD(&s->lock);

    return find_export(s, name);
}

NBDExport *nbd_server_take_export(NBDServer *s, const char *name)
{
    NBDExport *e;
    QEMU_LOCK_GUARD(&s->lock);

    e = find_export(s, name);
    if (e) {
        e->refs++;
    }
    return e;
}

static void export_gone(void *opaque)
{
    NBDExport *e = opaque;
    NBDServer *s = e->server;

    if (e->gone) {
        e->gone(e->opaque);
    }
    if (e->ctx) {
        aio_context_unref(e->ctx);
    }
    g_free(e->name);
    g_free(e->description);
    g_strfreev(e->contexts);
    g_free(e);
    nbd_server_unref(s);
}

void nbd_export_unref(NBDExport *e)
{
    bool last;

    WITH_QEMU_LOCK_GUARD(&e->server->lock)
    {
        last = --e->refs == 0;
    }
    if (last) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), export_gone, e);
    }
}

unsigned nbd_export_clients(NBDExport *e)
{
    QEMU_LOCK_GUARD(&e->server->lock);

    return e->clients;
}

uint16_t nbd_export_flags(NBDExport *e, NBDMode mode)
{
    unsigned flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH |
                     NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_CACHE;

    if (!e->writable) {
        flags |= NBD_FLAG_READ_ONLY;
    } else {
        flags |= NBD_FLAG_SEND_TRIM;
        if (e->ops->co_zero) {
            flags |= NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FAST_ZERO;
        }
    }
    /* A flush covers what other connections wrote: they share the backend. Who
     * is told so opens several and waits for each, hence never with one
     * place. */
    if (e->server->max_connections != 1) {
        flags |= NBD_FLAG_CAN_MULTI_CONN;
    }
    if (mode != NBD_MODE_SIMPLE) {
        flags |= NBD_FLAG_SEND_DF;
    }
    if (mode == NBD_MODE_EXTENDED) {
        flags |= NBD_FLAG_BLOCK_STAT_PAYLOAD;
    }
    return (uint16_t)flags;
}

static bool export_config_check(const NBDExportConfig *config, Error **errp)
{
    if (strlen(config->name) > NBD_MAX_STRING) {
        error_setg(errp, "export name is longer than %d bytes", NBD_MAX_STRING);
        return false;
    }
    if (config->description && strlen(config->description) > NBD_MAX_STRING) {
        error_setg(errp, "description of export '%s' is longer than %d bytes",
                   config->name, NBD_MAX_STRING);
        return false;
    }
    if (config->contexts &&
        g_strv_length((char **)config->contexts) > NBD_MAX_CONTEXTS) {
        error_setg(errp, "export '%s' has more than %d metadata contexts",
                   config->name, NBD_MAX_CONTEXTS);
        return false;
    }
    return true;
}

NBDExport *nbd_server_add_export(NBDServer *s, const NBDExportConfig *config,
                                 Error **errp)
{
    NBDExport *e;

    if (!export_config_check(config, errp)) {
        return NULL;
    }
    QEMU_LOCK_GUARD(&s->lock);
    if (find_export(s, config->name)) {
        error_setg(errp, "the NBD server has an export named '%s' already",
                   config->name);
        return NULL;
    }
    e = g_new0(NBDExport, 1);
    e->server = s;
    e->name = g_strdup(config->name);
    e->description = g_strdup(config->description);
    e->contexts = g_strdupv((char **)config->contexts);
    e->n_contexts = e->contexts ? g_strv_length(e->contexts) : 0;
    e->ops = config->ops;
    e->opaque = config->opaque;
    e->writable = config->writable;
    e->preferred_block = config->preferred_block ?: 4096;
    e->gone = config->gone;
    if (config->ctx) {
        e->ctx = config->ctx;
        aio_context_ref(e->ctx);
    }
    e->refs = 1;
    qatomic_inc(&s->refs);
    QTAILQ_INSERT_TAIL(&s->exports, e, next);
    return e;
}

void nbd_server_remove_export(NBDServer *s, NBDExport *e)
{
    NBDConn *c;

    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        e->removed = true;
        QTAILQ_REMOVE(&s->exports, e, next);
        QTAILQ_FOREACH(c, &s->conns, next) {
            if (c->chosen == e) {
                c->ending = true;
                nbd_conn_kick(c);
            }
        }
    }
    nbd_export_unref(e);
}

/* -- connections ---------------------------------------------------------------- */

static bool server_is_full(const NBDServer *s)
{
    return s->max_connections && s->established >= s->max_connections;
}

bool nbd_server_is_stopping(NBDServer *s)
{
    QEMU_LOCK_GUARD(&s->lock);

    return s->stopping;
}

unsigned nbd_server_connections(NBDServer *s)
{
    QEMU_LOCK_GUARD(&s->lock);

    return s->established;
}

bool coroutine_fn nbd_server_enter(NBDServer *s, NBDConn *c)
{
    QEMU_LOCK_GUARD(&s->lock);

    c->chosen = c->export;
    c->ending |= c->export->removed || s->stopping;
    while (server_is_full(s) && !c->expired && !c->ending) {
        qemu_co_queue_wait(&s->slot_waiters, &s->lock);
    }
    if (c->expired || c->ending) {
        if (!server_is_full(s)) {
            /* What woke us may have been meant for the next one. */
            qemu_co_queue_next(&s->slot_waiters);
        }
        return false;
    }
    c->state = NBD_CONN_OPEN;
    s->half_open--;
    s->established++;
    c->export->clients++;
    if (server_is_full(s)) {
        qemu_bh_schedule(s->update_bh);
    }
    return true;
}

void nbd_server_leave(NBDServer *s, NBDConn *c)
{
    QEMU_LOCK_GUARD(&s->lock);

    QTAILQ_REMOVE(&s->conns, c, next);
    qemu_bh_delete(c->kick_bh);
    if (c->state == NBD_CONN_OPEN) {
        s->established--;
        s->gone++;
        c->export->clients--;
        qemu_co_queue_next(&s->slot_waiters);
    } else {
        s->half_open--;
    }
    qemu_bh_schedule(s->update_bh);
}

/* Too many have not chosen yet: the one that has taken longest goes. */
static void throw_out_oldest(NBDServer *s)
{
    NBDConn *c;

    QTAILQ_FOREACH(c, &s->conns, next) {
        if (c->state == NBD_CONN_HALF_OPEN && !c->expired) {
            trace_nbd_server_thrown_out(c, "too many clients");
            c->expired = true;
            nbd_conn_kick(c);
            return;
        }
    }
}

void nbd_server_serve(NBDServer *s, QIOChannelSocket *sioc)
{
    AioContext *ctx;
    unsigned *users;
    NBDConn *c;

    if (!s->threads) {
        s->threads = nbd_threads_new(s->n_threads, "nbd", NULL);
        if (!s->threads) {
            return; /* out of descriptors: the client is dropped */
        }
    }
    ctx = nbd_threads_take(s->threads, &users);
    qatomic_inc(&s->refs);
    QEMU_LOCK_GUARD(&s->lock);
    if (++s->half_open > NBD_HALF_OPEN_MAX) {
        throw_out_oldest(s);
    }
    c = nbd_conn_start(s, sioc, ctx, users);
    QTAILQ_INSERT_TAIL(&s->conns, c, next);
    trace_nbd_server_client(c, c->peer, s->half_open);
}

/* -- the main loop follows up ----------------------------------------------------- */

static void server_update(void *opaque)
{
    NBDServer *s = opaque;
    unsigned gone, left;
    bool full, stopping;

    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        full = server_is_full(s);
        stopping = s->stopping;
        gone = s->gone;
        s->gone = 0;
        left = s->established;
        if (QTAILQ_EMPTY(&s->conns)) {
            nbd_pool_trim(&s->pool);
        }
    }
    if (stopping) {
        return;
    }
    nbd_server_set_listening(s, !full);
    if (gone && s->client_gone) {
        s->client_gone(s->opaque, left);
    }
}

/* -- life ------------------------------------------------------------------------- */

NBDServer *nbd_server_new(const NBDServerConfig *config, Error **errp)
{
    NBDServer *s;

    if (config->tls_creds &&
        !qcrypto_tls_creds_check_endpoint(
            config->tls_creds, QCRYPTO_TLS_CREDS_ENDPOINT_SERVER, errp)) {
        return NULL;
    }
    if (!qcrypto_tls_creds_check_authz(config->tls_creds, config->tls_authz,
                                       errp)) {
        return NULL;
    }
    s = g_new0(NBDServer, 1);
    if (config->tls_creds) {
        s->tls_creds = QCRYPTO_TLS_CREDS(object_ref(config->tls_creds));
    }
    s->tls_authz = g_strdup(config->tls_authz);
    s->max_connections = config->max_connections;
    s->handshake_ms = config->handshake_ms;
    s->n_threads = config->threads;
    s->may_spin = g_get_num_processors() > 1;
    s->client_gone = config->client_gone;
    s->client_refused = config->client_refused;
    s->opaque = config->opaque;
    s->listeners = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    s->listening = true;
    s->backoff = timer_new_ms(QEMU_CLOCK_REALTIME, nbd_server_accept_again, s);
    s->update_bh = qemu_bh_new(server_update, s);
    s->refs = 1;
    nbd_pool_init(&s->pool);
    qemu_mutex_init(&s->lock);
    QTAILQ_INIT(&s->exports);
    QTAILQ_INIT(&s->conns);
    qemu_co_queue_init(&s->slot_waiters);
    return s;
}

void nbd_server_unref(NBDServer *s)
{
    qatomic_dec(&s->refs);
    aio_wait_kick();
}

static void kick_all(NBDServer *s)
{
    NBDConn *c;
    QEMU_LOCK_GUARD(&s->lock);

    s->stopping = true;
    QTAILQ_FOREACH(c, &s->conns, next) {
        c->ending = true;
        nbd_conn_kick(c);
    }
}

void nbd_server_stop(NBDServer *s)
{
    if (!s) {
        return;
    }
    nbd_server_set_listening(s, false);
    g_ptr_array_set_size(s->listeners, 0);
    kick_all(s);
    for (;;) {
        NBDExport *e;

        WITH_QEMU_LOCK_GUARD(&s->lock)
        {
            e = QTAILQ_FIRST(&s->exports);
        }
        if (!e) {
            break;
        }
        nbd_server_remove_export(s, e);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_mb_read(&s->refs) > 1);

    nbd_threads_free(s->threads);
    qemu_bh_delete(s->update_bh);
    timer_free(s->backoff);
    nbd_pool_trim(&s->pool);
    g_ptr_array_unref(s->listeners);
    if (s->tls_creds) {
        object_unref(s->tls_creds);
    }
    g_free(s->tls_authz);
    qemu_mutex_destroy(&s->lock);
    g_free(s);
}
