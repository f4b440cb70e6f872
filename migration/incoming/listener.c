/*
 * The listener: accepts, does TLS handshakes, reads first bytes, and only
 * then gives a channel away.
 *
 * It has a thread and a loop of its own, so that a crowd of clients costs the
 * main loop nothing. A client is half open until its first bytes have told
 * what it is. There are at most LISTENER_HALF_OPEN_MAX of those: one more,
 * and the oldest is dropped; and none lives longer than LISTENER_LIMIT_MS. So
 * clients that are silent, slow or speak something else cannot keep a source
 * out, which sends its first bytes at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/incoming/listener.h"

#include <sys/resource.h>

#include "io/channel-socket.h"
#include "io/channel-tls.h"
#include "io/net-listener.h"
#include "migration/stream/stream-wire.h"
#include "qapi/clone-visitor.h"
#include "qapi/qapi-visit-sockets.h"
#include "trace/trace-migration.h"
#include "util/bswap.h"

/* Connections the kernel keeps for us meanwhile. */
#define BACKLOG 512
/* How often who has not shown enough yet is looked at. */
#define TICK_MS 1000
/* Of the descriptors that the process may have, clients get a part. */
#define FD_SHARE 4

typedef struct Half {
    MigrationListener *l;
    QIOChannel *ioc; /* owned reference; TLS once that is established */
    GSource *watch;  /* for first bytes; owned, or NULL */
    GSource *limit;  /* time limit; owned */
    uint8_t first[MULTIFD_INIT_LEN];
    size_t have;
    bool handshaking; /* its callback holds a reference of its own */
    bool dropped;
} Half;

struct MigrationListener {
    const ListenerOps *ops;
    void *opaque;
    bool recovering;
    QIONetListener *net;
    GMainContext *context;
    GMainLoop *loop;
    QemuThread thread;
    GQueue halves; /* Half *, the oldest first */
    unsigned max;
    SocketAddressList *addresses; /* constant */
};

/* -- a client ------------------------------------------------------------------ */

static void half_free(Half *h)
{
    object_unref(OBJECT(h->ioc));
    g_free(h);
}

static void source_end(GSource **s)
{
    if (*s) {
        g_source_destroy(*s);
        g_source_unref(*s);
        *s = NULL;
    }
}

/* Forget @h; its channel goes with it unless somebody else took a reference. */
static void half_drop(Half *h, const char *why)
{
    trace_migration_listener_drop(h->ioc, why);
    g_queue_remove(&h->l->halves, h);
    source_end(&h->watch);
    source_end(&h->limit);
    if (h->handshaking) {
        /* Its callback comes soon, with an error, and frees. */
        h->dropped = true;
        qio_channel_close(h->ioc, NULL);
        return;
    }
    half_free(h);
}

static gboolean half_too_slow(gpointer opaque)
{
    half_drop(opaque, "too slow");
    return G_SOURCE_REMOVE;
}

/* So many first bytes tell all, where the first four are there. */
static size_t first_bytes(const Half *h)
{
    switch (ldl_be_p(h->first)) {
    case MIGRATION_MAGIC_MULTIFD:
        return MULTIFD_INIT_LEN;
    case MIGRATION_MAGIC_URGENT:
        return URGENT_INIT_LEN;
    default:
        return sizeof(uint32_t);
    }
}

static bool is_complete(const Half *h)
{
    if (h->l->recovering && h->have && h->first[0] == STREAM_COMMAND) {
        return true;
    }
    return h->have >= sizeof(uint32_t) && h->have == first_bytes(h);
}

static bool give_away(Half *h, Error **errp)
{
    const ListenerOps *ops = h->l->ops;
    void *opaque = h->l->opaque;

    if (qio_channel_set_blocking(h->ioc, true, errp) < 0) {
        return false;
    }
    if (h->l->recovering && h->first[0] == STREAM_COMMAND) {
        return ops->recovered(opaque, h->ioc, h->first, h->have, errp);
    }
    switch (ldl_be_p(h->first)) {
    case MIGRATION_MAGIC_MAIN:
        if (ops->main_stream) {
            return ops->main_stream(opaque, h->ioc, h->first, h->have, errp);
        }
        break;
    case MIGRATION_MAGIC_MULTIFD:
        if (ops->multifd) {
            return ops->multifd(opaque, h->ioc, h->first, errp);
        }
        break;
    case MIGRATION_MAGIC_PREEMPT:
        if (ops->preempt) {
            return ops->preempt(opaque, h->ioc, errp);
        }
        break;
    case MIGRATION_MAGIC_URGENT:
        if (ops->urgent) {
            return ops->urgent(opaque, h->ioc, ldl_be_p(h->first + 4), errp);
        }
        break;
    case MIGRATION_MAGIC_CPR:
        if (ops->cpr) {
            return ops->cpr(opaque, h->ioc, errp);
        }
        break;
    case MIGRATION_MAGIC_ASK:
        if (ops->asked) {
            ops->asked(opaque, h->ioc);
            return true;
        }
        break;
    }
    error_setg(errp, "first bytes 0x%08x are not expected here",
               ldl_be_p(h->first));
    return false;
}

static void look_if_done(MigrationListener *l)
{
    if (qio_net_listener_is_connected(l->net) && !l->ops->wants(l->opaque)) {
        qio_net_listener_set_client_func_full(l->net, NULL, NULL, NULL,
                                              l->context);
        qio_net_listener_disconnect(l->net);
        trace_migration_listener_done(l);
    }
}

/* How much more must be read before it can be told what it is. */
static size_t want_bytes(const Half *h)
{
    if (h->l->recovering && h->have == 0) {
        return 1;
    }
    return (h->have < sizeof(uint32_t) ? sizeof(uint32_t) : first_bytes(h)) -
           h->have;
}

static gboolean half_readable(QIOChannel *ioc, GIOCondition condition,
                              gpointer opaque)
{
    Half *h = opaque;
    MigrationListener *l = h->l;
    Error *err = NULL;

    while (!is_complete(h)) {
        ssize_t n = qio_channel_read(ioc, (char *)h->first + h->have,
                                     want_bytes(h), NULL);

        if (n == QIO_CHANNEL_ERR_BLOCK) {
            return G_SOURCE_CONTINUE;
        }
        if (n <= 0) {
            half_drop(h, "ended");
            return G_SOURCE_REMOVE;
        }
        h->have += (size_t)n;
    }
    if (give_away(h, &err)) {
        half_drop(h, "taken");
        look_if_done(l);
    } else {
        half_drop(h, error_get_pretty(err));
        error_free(err);
    }
    return G_SOURCE_REMOVE;
}

static void half_read_first(Half *h)
{
    if (qio_channel_set_blocking(h->ioc, false, NULL) < 0) {
        half_drop(h, "cannot be made non-blocking");
        return;
    }
    h->watch = qio_channel_add_watch_source(h->ioc, G_IO_IN, half_readable, h,
                                            NULL, h->l->context);
}

static void half_secured(QIOTask *task, gpointer opaque)
{
    Half *h = opaque;
    Error *err = NULL;

    h->handshaking = false;
    if (h->dropped) {
        half_free(h);
    } else if (qio_task_propagate_error(task, &err)) {
        if (h->l->ops->refused) {
            h->l->ops->refused(h->l->opaque, h->ioc, error_get_pretty(err));
        }
        half_drop(h, error_get_pretty(err));
        error_free(err);
    } else {
        half_read_first(h);
    }
}

static bool half_secure(Half *h)
{
    MigrationListener *l = h->l;
    QIOChannel *tls = NULL;

    if (!l->ops->secure || !l->ops->secure(l->opaque, h->ioc, &tls, NULL)) {
        return !l->ops->secure;
    }
    if (!tls) {
        half_read_first(h);
        return true;
    }
    object_unref(OBJECT(h->ioc));
    h->ioc = tls;
    h->handshaking = true;
    qio_channel_tls_handshake_full(QIO_CHANNEL_TLS(tls), LISTENER_LIMIT_MS,
                                   half_secured, h, NULL, l->context);
    return true;
}

static void accepted(QIONetListener *net, QIOChannelSocket *sioc, gpointer data)
{
    MigrationListener *l = data;
    Half *h = g_new0(Half, 1);

    qio_channel_set_name(QIO_CHANNEL(sioc), "migration-incoming");
    qio_channel_set_delay(QIO_CHANNEL(sioc), false);
    h->l = l;
    h->ioc = QIO_CHANNEL(object_ref(OBJECT(sioc)));
    h->limit = g_timeout_source_new(LISTENER_LIMIT_MS);
    g_source_set_callback(h->limit, half_too_slow, h, NULL);
    g_source_attach(h->limit, l->context);
    if (g_queue_get_length(&l->halves) >= l->max) {
        half_drop(g_queue_peek_head(&l->halves), "too many half-open");
    }
    g_queue_push_tail(&l->halves, h);
    if (!l->ops->secure) {
        half_read_first(h);
    } else if (!half_secure(h)) {
        half_drop(h, "no TLS");
    }
}

/* -- the listener -------------------------------------------------------------------- */

static gboolean listener_check(gpointer opaque)
{
    look_if_done(opaque);
    return G_SOURCE_REMOVE;
}

static void run_in_thread(MigrationListener *l, GSourceFunc func)
{
    g_autoptr(GSource) s = g_idle_source_new();

    g_source_set_callback(s, func, l, NULL);
    g_source_attach(s, l->context);
}

void migration_listener_check(MigrationListener *l)
{
    run_in_thread(l, listener_check);
}

static gboolean listener_quit(gpointer opaque)
{
    MigrationListener *l = opaque;

    qio_net_listener_set_client_func_full(l->net, NULL, NULL, NULL, l->context);
    while (!g_queue_is_empty(&l->halves)) {
        half_drop(g_queue_peek_head(&l->halves), "end");
    }
    g_main_loop_quit(l->loop);
    return G_SOURCE_REMOVE;
}

static gboolean listener_tick(gpointer opaque)
{
    MigrationListener *l = opaque;

    l->ops->tick(l->opaque);
    return G_SOURCE_CONTINUE;
}

static void *listener_thread(void *opaque)
{
    MigrationListener *l = opaque;
    g_autoptr(GSource) tick = g_timeout_source_new(TICK_MS);

    if (l->ops->tick) {
        g_source_set_callback(tick, listener_tick, l, NULL);
        g_source_attach(tick, l->context);
    }
    g_main_context_push_thread_default(l->context);
    g_main_loop_run(l->loop);
    g_source_destroy(tick);
    /* Handshakes that were closed still call back. */
    while (g_main_context_iteration(l->context, FALSE)) {
    }
    g_main_context_pop_thread_default(l->context);
    return NULL;
}

static unsigned max_half_open(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur / FD_SHARE < LISTENER_HALF_OPEN_MAX) {
        return MAX(8, (unsigned)(limit.rlim_cur / FD_SHARE));
    }
    return LISTENER_HALF_OPEN_MAX;
}

static SocketAddressList *addresses_of(QIONetListener *net)
{
    SocketAddressList *list = NULL;
    SocketAddressList **tail = &list;

    for (size_t i = 0; i < net->nsioc; i++) {
        SocketAddress *a =
            qio_channel_socket_get_local_address(net->sioc[i], NULL);

        if (a) {
            QAPI_LIST_APPEND(tail, a);
        }
    }
    return list;
}

MigrationListener *migration_listener_new(SocketAddress *addr, bool recovering,
                                          const ListenerOps *ops, void *opaque,
                                          Error **errp)
{
    QIONetListener *net = qio_net_listener_new();
    MigrationListener *l;

    qio_net_listener_set_name(net, "migration-listener");
    if (qio_net_listener_open_sync(net, addr, BACKLOG, errp) < 0) {
        object_unref(OBJECT(net));
        return NULL;
    }
    l = g_new0(MigrationListener, 1);
    l->ops = ops;
    l->opaque = opaque;
    l->recovering = recovering;
    l->net = net;
    l->max = max_half_open();
    l->addresses = addresses_of(net);
    l->context = g_main_context_new();
    l->loop = g_main_loop_new(l->context, FALSE);
    g_queue_init(&l->halves);
    qio_net_listener_set_client_func_full(net, accepted, l, NULL, l->context);
    qemu_thread_create(&l->thread, "mig-listen", listener_thread, l,
                       QEMU_THREAD_JOINABLE);
    return l;
}

void migration_listener_free(MigrationListener *l)
{
    if (!l) {
        return;
    }
    run_in_thread(l, listener_quit);
    qemu_thread_join(&l->thread);
    object_unref(OBJECT(l->net));
    g_main_loop_unref(l->loop);
    g_main_context_unref(l->context);
    qapi_free_SocketAddressList(l->addresses);
    g_free(l);
}

SocketAddressList *migration_listener_addresses(MigrationListener *l)
{
    return QAPI_CLONE(SocketAddressList, l->addresses);
}
