/*
 * From kernel addresses back to SocketAddress and to text.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <linux/vm_sockets.h>
#include <netdb.h>
#include <sys/un.h>

#include "qapi/qapi-visit-sockets.h"
#include "util/error.h"

#include "socket-internal.h"

NetworkAddressFamily inet_netfamily(int family)
{
    switch (family) {
    case AF_INET:
        return NETWORK_ADDRESS_FAMILY_IPV4;
    case AF_INET6:
        return NETWORK_ADDRESS_FAMILY_IPV6;
    case AF_UNIX:
        return NETWORK_ADDRESS_FAMILY_UNIX;
    case AF_VSOCK:
        return NETWORK_ADDRESS_FAMILY_VSOCK;
    default:
        return NETWORK_ADDRESS_FAMILY_UNKNOWN;
    }
}

static bool name_inet(SocketAddress *addr, const struct sockaddr_storage *sa,
                      socklen_t len, Error **errp)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    int err = getnameinfo((const struct sockaddr *)sa, len, host, sizeof(host),
                          port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);

    if (err) {
        error_setg(errp, "cannot format a socket address: %s",
                   gai_strerror(err));
        return false;
    }
    addr->type = SOCKET_ADDRESS_TYPE_INET;
    addr->u.inet.host = g_strdup(host);
    addr->u.inet.port = g_strdup(port);
    addr->u.inet.has_ipv4 = addr->u.inet.ipv4 = sa->ss_family == AF_INET;
    addr->u.inet.has_ipv6 = addr->u.inet.ipv6 = sa->ss_family == AF_INET6;
    return true;
}

/*
 * Three kinds (unix(7)): unnamed, a path that may lack its NUL, and an
 * abstract name, which is all bytes after the first up to @len.
 */
static void name_unix(SocketAddress *addr, const struct sockaddr_storage *sa,
                      socklen_t len)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)sa;
    size_t room = len > offsetof(struct sockaddr_un, sun_path)
                      ? len - offsetof(struct sockaddr_un, sun_path)
                      : 0;
    UnixSocketAddress *u = &addr->u.q_unix;

    addr->type = SOCKET_ADDRESS_TYPE_UNIX;
    if (room > 0 && un->sun_path[0] == '\0') {
        u->path = g_strndup(un->sun_path + 1, room - 1);
        u->has_abstract = u->abstract = true;
        u->has_tight = true;
        u->tight = len < sizeof(*un);
        return;
    }
    u->path = g_strndup(un->sun_path, room);
}

static void name_vsock(SocketAddress *addr, const struct sockaddr_storage *sa)
{
    const struct sockaddr_vm *vm = (const struct sockaddr_vm *)sa;

    addr->type = SOCKET_ADDRESS_TYPE_VSOCK;
    addr->u.vsock.cid = g_strdup_printf("%u", vm->svm_cid);
    addr->u.vsock.port = g_strdup_printf("%u", vm->svm_port);
}

SocketAddress *socket_sockaddr_to_address(struct sockaddr_storage *sa,
                                          socklen_t salen, Error **errp)
{
    g_autoptr(SocketAddress) addr = g_new0(SocketAddress, 1);

    switch (sa->ss_family) {
    case AF_INET:
    case AF_INET6:
        if (!name_inet(addr, sa, salen, errp)) {
            return NULL;
        }
        break;
    case AF_UNIX:
        name_unix(addr, sa, salen);
        break;
    case AF_VSOCK:
        name_vsock(addr, sa);
        break;
    default:
        error_setg(errp, "socket address family %d is not known",
                   sa->ss_family);
        return NULL;
    }
    return g_steal_pointer(&addr);
}

SocketAddress *socket_local_address(int fd, Error **errp)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);

    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0) {
        error_setg_errno(errp, errno, "cannot get a socket's own address");
        return NULL;
    }
    return socket_sockaddr_to_address(&sa, len, errp);
}

SocketAddress *socket_remote_address(int fd, Error **errp)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);

    if (getpeername(fd, (struct sockaddr *)&sa, &len) < 0) {
        error_setg_errno(errp, errno, "cannot get the address of a peer");
        return NULL;
    }
    return socket_sockaddr_to_address(&sa, len, errp);
}

char *socket_sockaddr_text(const struct sockaddr_storage *sa, socklen_t len)
{
    struct sockaddr_storage copy = *sa;
    g_autoptr(SocketAddress) addr = NULL;

    addr = socket_sockaddr_to_address(&copy, len, NULL);
    if (!addr) {
        return g_strdup("unknown address");
    }
    if (addr->type == SOCKET_ADDRESS_TYPE_UNIX && !*addr->u.q_unix.path) {
        return g_strdup("unnamed unix socket");
    }
    return socket_uri(addr);
}
