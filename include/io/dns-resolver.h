/*
 * Names to numeric socket addresses, blocking or in a thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_DNS_RESOLVER_H
#define IO_DNS_RESOLVER_H

#include "io/task.h"
#include "qom/object.h"

typedef struct SocketAddress SocketAddress;

#define TYPE_QIO_DNS_RESOLVER "qio-dns-resolver"
OBJECT_DECLARE_SIMPLE_TYPE(QIODNSResolver, QIO_DNS_RESOLVER)

struct QIODNSResolver {
    Object parent;
};

/** Returns: the process's resolver; borrowed. It holds no state. */
QIODNSResolver *qio_dns_resolver_get_instance(void);

/**
 * qio_dns_resolver_lookup_sync:
 * @addr: (in) of any type; only inet addresses without numeric are looked up
 * @naddrs: (out) number of results, at least 1
 * @addrs: (out) g_malloc'ed array; it and each address owned by the caller
 * @errp: (out) error
 *
 * Thread: any; blocks.
 * Returns: 0; -1 = error.
 * Errors: name not found, resolver failed; names host and port.
 */
int qio_dns_resolver_lookup_sync(QIODNSResolver *resolver, SocketAddress *addr,
                                 size_t *naddrs, SocketAddress ***addrs,
                                 Error **errp);

/** As above in a thread; @func runs in the default main context. */
void qio_dns_resolver_lookup_async(QIODNSResolver *resolver,
                                   SocketAddress *addr, QIOTaskFunc func,
                                   gpointer opaque, GDestroyNotify notify);

/** As above; @func runs in @context (NULL = the default one). */
void qio_dns_resolver_lookup_async_full(QIODNSResolver *resolver,
                                        SocketAddress *addr, QIOTaskFunc func,
                                        gpointer opaque, GDestroyNotify notify,
                                        GMainContext *context);

/**
 * qio_dns_resolver_lookup_result:
 * @task: (in) in its callback, after it was found to have no error
 * @naddrs: (out) number of results
 * @addrs: (out) copies, owned by the caller
 */
void qio_dns_resolver_lookup_result(QIODNSResolver *resolver, QIOTask *task,
                                    size_t *naddrs, SocketAddress ***addrs);

#endif
