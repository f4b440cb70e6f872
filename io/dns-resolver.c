/*
 * The resolver: a name becomes one address for each result of the name
 * service, in its order, marked numeric, with all options of the original.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/dns-resolver.h"

#include "io/types.h"
#include "qapi/clone-visitor.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/error.h"

#include "socket-internal.h"

typedef struct LookupResult {
    size_t n;
    SocketAddress **addrs;
} LookupResult;

QIODNSResolver *qio_dns_resolver_get_instance(void)
{
    /* Set once, immutable: the object holds no state. */
    static gsize instance;

    if (g_once_init_enter(&instance)) {
        io_register_types();
        g_once_init_leave(&instance, (gsize)object_new(TYPE_QIO_DNS_RESOLVER));
    }
    return (QIODNSResolver *)instance;
}

static SocketAddress *address_from_target(InetSocketAddress *orig,
                                          SocketTarget *target, Error **errp)
{
    SocketAddress *addr =
        socket_sockaddr_to_address(&target->sa, target->len, errp);
    InetSocketAddress *inet;

    if (!addr) {
        return NULL;
    }
    inet = &addr->u.inet;
    inet->has_numeric = inet->numeric = true;
    inet->has_to = orig->has_to;
    inet->to = orig->to;
    inet->has_keep_alive = orig->has_keep_alive;
    inet->keep_alive = orig->keep_alive;
    inet->has_mptcp = orig->has_mptcp;
    inet->mptcp = orig->mptcp;
    /*
     * Each result is one address of one family. For an IPv6 one "no IPv4"
     * must be said, or a listener on [::] would take the IPv4 port as well.
     */
    inet->has_ipv4 = inet->has_ipv6 = true;
    inet->ipv4 = target->sa.ss_family == AF_INET;
    inet->ipv6 = target->sa.ss_family == AF_INET6;
    return addr;
}

static int lookup_inet(SocketAddress *addr, size_t *naddrs,
                       SocketAddress ***addrs, Error **errp)
{
    g_auto(SocketTargets) targets = { 0 };
    g_autoptr(GPtrArray) result = NULL;

    if (!socket_resolve_inet(&addr->u.inet, SOCK_STREAM, true, &targets,
                             errp)) {
        return -1;
    }
    result =
        g_ptr_array_new_with_free_func((GDestroyNotify)qapi_free_SocketAddress);
    for (size_t i = 0; i < targets.n; i++) {
        SocketAddress *one =
            address_from_target(&addr->u.inet, &targets.t[i], errp);

        if (!one) {
            return -1;
        }
        g_ptr_array_add(result, one);
    }
    *naddrs = result->len;
    *addrs = (SocketAddress **)g_ptr_array_steal(result, NULL);
    return 0;
}

int qio_dns_resolver_lookup_sync(QIODNSResolver *resolver, SocketAddress *addr,
                                 size_t *naddrs, SocketAddress ***addrs,
                                 Error **errp)
{
    if (addr->type == SOCKET_ADDRESS_TYPE_INET) {
        return lookup_inet(addr, naddrs, addrs, errp);
    }
    *addrs = g_new(SocketAddress *, 1);
    (*addrs)[0] = QAPI_CLONE(SocketAddress, addr);
    *naddrs = 1;
    return 0;
}

static void lookup_result_free(gpointer opaque)
{
    LookupResult *r = opaque;

    for (size_t i = 0; i < r->n; i++) {
        qapi_free_SocketAddress(r->addrs[i]);
    }
    g_free(r->addrs);
    g_free(r);
}

static void lookup_worker(QIOTask *task, gpointer opaque)
{
    LookupResult *r = g_new0(LookupResult, 1);
    Error *err = NULL;

    if (qio_dns_resolver_lookup_sync(
            QIO_DNS_RESOLVER(qio_task_get_source(task)), opaque, &r->n,
            &r->addrs, &err) < 0) {
        qio_task_set_error(task, err);
    }
    qio_task_set_result_pointer(task, r, lookup_result_free);
}

void qio_dns_resolver_lookup_async_full(QIODNSResolver *resolver,
                                        SocketAddress *addr, QIOTaskFunc func,
                                        gpointer opaque, GDestroyNotify notify,
                                        GMainContext *context)
{
    QIOTask *task = qio_task_new(OBJECT(resolver), func, opaque, notify);

    qio_task_run_in_thread(task, lookup_worker, QAPI_CLONE(SocketAddress, addr),
                           (GDestroyNotify)qapi_free_SocketAddress, context);
}

void qio_dns_resolver_lookup_async(QIODNSResolver *resolver,
                                   SocketAddress *addr, QIOTaskFunc func,
                                   gpointer opaque, GDestroyNotify notify)
{
    qio_dns_resolver_lookup_async_full(resolver, addr, func, opaque, notify,
                                       NULL);
}

void qio_dns_resolver_lookup_result(QIODNSResolver *resolver, QIOTask *task,
                                    size_t *naddrs, SocketAddress ***addrs)
{
    LookupResult *r = qio_task_get_result_pointer(task);

    *naddrs = r->n;
    *addrs = g_new(SocketAddress *, r->n);
    for (size_t i = 0; i < r->n; i++) {
        (*addrs)[i] = QAPI_CLONE(SocketAddress, r->addrs[i]);
    }
}

const TypeInfo io_type_dns_resolver = {
    .parent = TYPE_OBJECT,
    .name = TYPE_QIO_DNS_RESOLVER,
    .instance_size = sizeof(QIODNSResolver),
};
