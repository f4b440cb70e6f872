/*
 * From SocketAddress to addresses the kernel understands. The only place in
 * io/ that may block in a name service.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <sys/un.h>

#include "qapi/qapi-visit-sockets.h"
#include "util/error.h"

#include "socket-internal.h"

/* Most addresses of one name that are used; a resolver may be hostile. */
#define TARGETS_MAX 64

typedef struct addrinfo AddrInfo;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AddrInfo, freeaddrinfo)

void socket_targets_clear(SocketTargets *targets)
{
    for (size_t i = 0; i < targets->n; i++) {
        g_free(targets->t[i].text);
    }
    g_free(targets->t);
    targets->t = NULL;
    targets->n = 0;
}

static SocketTarget *targets_add(SocketTargets *targets)
{
    targets->t = g_renew(SocketTarget, targets->t, targets->n + 1);
    memset(&targets->t[targets->n], 0, sizeof(SocketTarget));
    return &targets->t[targets->n++];
}

/*
 *  ipv4    ipv6     family
 *  unset   unset    both
 *  on      unset    IPv4        (one flag on leaves the other family out)
 *  unset   on       IPv6
 *  off     unset/on IPv6
 *  unset/on off     IPv4
 *  on      on       both
 *  off     off      error
 */
int inet_ai_family_from_address(InetSocketAddress *addr, Error **errp)
{
    bool v4_off = addr->has_ipv4 && !addr->ipv4;
    bool v6_off = addr->has_ipv6 && !addr->ipv6;
    bool v4_on = addr->has_ipv4 && addr->ipv4;
    bool v6_on = addr->has_ipv6 && addr->ipv6;

    if (v4_off && v6_off) {
        error_setg(errp, "ipv4 and ipv6 are both off for host '%s'",
                   addr->host);
        return -1;
    }
    if (v4_on && v6_on) {
        return PF_UNSPEC;
    }
    if (v6_on || v4_off) {
        return PF_INET6;
    }
    if (v4_on || v6_off) {
        return PF_INET;
    }
    return PF_UNSPEC;
}

static bool host_is_numeric(const char *host)
{
    struct in6_addr buf;
    g_autofree char *plain = g_strdup(host);
    char *scope = strchr(plain, '%');

    if (scope) {
        *scope = '\0';
    }
    return *host == '\0' || inet_pton(AF_INET, plain, &buf) == 1 ||
           inet_pton(AF_INET6, plain, &buf) == 1;
}

static bool port_is_numeric(const char *port)
{
    return *port && strspn(port, "0123456789") == strlen(port);
}

bool socket_address_is_name(SocketAddress *addr)
{
    InetSocketAddress *inet = &addr->u.inet;

    return addr->type == SOCKET_ADDRESS_TYPE_INET &&
           !(inet->has_numeric && inet->numeric) &&
           !(host_is_numeric(inet->host) && port_is_numeric(inet->port));
}

static bool port_check(InetSocketAddress *addr, Error **errp)
{
    guint64 port;

    if (*addr->port == '\0') {
        error_setg(errp, "host '%s' without a port", addr->host);
        return false;
    }
    if (port_is_numeric(addr->port) &&
        !g_ascii_string_to_unsigned(addr->port, 10, 0, UINT16_MAX, &port,
                                    NULL)) {
        error_setg(errp, "port '%s' is over %d", addr->port, UINT16_MAX);
        return false;
    }
    return true;
}

bool socket_resolve_inet(InetSocketAddress *addr, int type, bool passive,
                         SocketTargets *ret, Error **errp)
{
    g_autoptr(AddrInfo) list = NULL;
    bool mptcp = addr->has_mptcp && addr->mptcp && type == SOCK_STREAM;
    struct addrinfo hints = { .ai_socktype = type };
    int err, family = inet_ai_family_from_address(addr, errp);

    if (family < 0 || !port_check(addr, errp)) {
        return false;
    }
    hints.ai_family = family;
    hints.ai_flags = passive ? AI_PASSIVE : 0;
    if (addr->has_numeric && addr->numeric) {
        hints.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    }
    err =
        getaddrinfo(*addr->host ? addr->host : NULL, addr->port, &hints, &list);
    if (err) {
        error_setg(errp, "address resolution failed for %s:%s: %s", addr->host,
                   addr->port,
                   err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
        return false;
    }
    for (AddrInfo *e = list; e && ret->n < TARGETS_MAX; e = e->ai_next) {
        SocketTarget *t;

        if (e->ai_addrlen > sizeof(t->sa)) {
            continue;
        }
        t = targets_add(ret);
        memcpy(&t->sa, e->ai_addr, e->ai_addrlen);
        t->len = e->ai_addrlen;
        t->protocol = mptcp ? IPPROTO_MPTCP : e->ai_protocol;
        t->text = socket_sockaddr_text(&t->sa, t->len);
    }
    return true;
}

static bool resolve_unix(UnixSocketAddress *addr, SocketTargets *ret,
                         Error **errp)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    bool abstract = addr->has_abstract && addr->abstract;
    bool tight = !addr->has_tight || addr->tight;
    size_t len = strlen(addr->path);
    /* Linux needs no NUL after a path that fills the array. */
    size_t room = sizeof(un.sun_path) - abstract;
    SocketTarget *t;

    if (len > room) {
        error_setg(errp, "unix socket path '%s' is over %zu bytes", addr->path,
                   room);
        return false;
    }
    memcpy(un.sun_path + abstract, addr->path, len);
    t = targets_add(ret);
    memcpy(&t->sa, &un, sizeof(un));
    t->len = sizeof(un);
    if (abstract && tight) {
        t->len = offsetof(struct sockaddr_un, sun_path) + 1 + len;
    }
    t->text = g_strdup_printf(abstract ? "unix:@%s" : "unix:%s", addr->path);
    return true;
}

static bool vsock_number(const char *what, const char *text, unsigned *ret,
                         Error **errp)
{
    guint64 v;

    if (!g_ascii_string_to_unsigned(text, 10, 0, UINT32_MAX, &v, NULL)) {
        error_setg(errp, "vsock %s '%s' is not a number", what, text);
        return false;
    }
    *ret = v;
    return true;
}

static bool resolve_vsock(VsockSocketAddress *addr, SocketTargets *ret,
                          Error **errp)
{
    struct sockaddr_vm vm = { .svm_family = AF_VSOCK };
    SocketTarget *t;

    if (!vsock_number("cid", addr->cid, &vm.svm_cid, errp) ||
        !vsock_number("port", addr->port, &vm.svm_port, errp)) {
        return false;
    }
    t = targets_add(ret);
    memcpy(&t->sa, &vm, sizeof(vm));
    t->len = sizeof(vm);
    t->text = g_strdup_printf("vsock:%s:%s", addr->cid, addr->port);
    return true;
}

bool socket_resolve(SocketAddress *addr, int type, bool passive,
                    SocketTargets *ret, Error **errp)
{
    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        return socket_resolve_inet(&addr->u.inet, type, passive, ret, errp);
    case SOCKET_ADDRESS_TYPE_UNIX:
        return resolve_unix(&addr->u.q_unix, ret, errp);
    case SOCKET_ADDRESS_TYPE_VSOCK:
        return resolve_vsock(&addr->u.vsock, ret, errp);
    default:
        error_setg(errp, "address has no host");
        return false;
    }
}

int convert_host_port(struct sockaddr_in *saddr, const char *host,
                      const char *port, Error **errp)
{
    InetSocketAddress inet = {
        .host = (char *)host,
        .port = (char *)port,
        .has_ipv4 = true,
        .ipv4 = true,
    };
    g_auto(SocketTargets) targets = { 0 };

    if (!socket_resolve_inet(&inet, SOCK_STREAM, true, &targets, errp)) {
        return -1;
    }
    memcpy(saddr, &targets.t[0].sa, sizeof(*saddr));
    return 0;
}

unsigned socket_target_get_port(const SocketTarget *t)
{
    if (t->sa.ss_family == AF_INET6) {
        return ntohs(((const struct sockaddr_in6 *)&t->sa)->sin6_port);
    }
    return t->sa.ss_family == AF_INET
               ? ntohs(((const struct sockaddr_in *)&t->sa)->sin_port)
               : 0;
}

void socket_targets_unique(SocketTargets *targets)
{
    size_t kept = 0;

    for (size_t i = 0; i < targets->n; i++) {
        SocketTarget *t = &targets->t[i];
        size_t k = 0;

        while (k < kept && (targets->t[k].len != t->len ||
                            memcmp(&targets->t[k].sa, &t->sa, t->len) != 0)) {
            k++;
        }
        if (k < kept) {
            g_free(t->text);
        } else {
            targets->t[kept++] = *t;
        }
    }
    targets->n = kept;
}

void socket_target_set_port(SocketTarget *target, unsigned port)
{
    if (target->sa.ss_family == AF_INET) {
        ((struct sockaddr_in *)&target->sa)->sin_port = htons(port);
    } else if (target->sa.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&target->sa)->sin6_port = htons(port);
    } else {
        return;
    }
    g_free(target->text);
    target->text = socket_sockaddr_text(&target->sa, target->len);
}

/* -- failures -------------------------------------------------------------- */

void socket_failures_add(SocketFailures *f, const char *what, int err)
{
    if (!f->text) {
        f->text = g_string_new(NULL);
    }
    g_string_append_printf(f->text, "%s%s: %s", f->text->len ? "; " : "", what,
                           strerror(err));
    f->last_errno = err;
}

void socket_failures_clear(SocketFailures *f)
{
    if (f->text) {
        g_string_free(f->text, TRUE);
        f->text = NULL;
    }
}

void socket_failures_to_error(SocketFailures *f, const char *verb,
                              SocketAddress *addr, Error **errp)
{
    g_autofree char *uri = socket_uri(addr);

    error_setg(errp, "failed to %s %s (%s)", verb, uri,
               f->text ? f->text->str : "no address");
    error_note_errno(errp, f->last_errno);
}
