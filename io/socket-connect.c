/*
 * Connecting and listening, blocking. Every address of a name is tried in
 * the resolver's order; an error names each of them with its reason.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <poll.h>
#include <sys/un.h>

#include "qapi/qapi-visit-sockets.h"
#include "util/error.h"
#include "util/sockets.h"

#include "socket-internal.h"

static bool wants_keep_alive(SocketAddress *addr)
{
    return addr->type == SOCKET_ADDRESS_TYPE_INET &&
           addr->u.inet.has_keep_alive && addr->u.inet.keep_alive;
}

/* A signal does not stop connect(): it goes on, and poll() tells its end. */
static int connect_finish(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    int ret;

    do {
        ret = poll(&p, 1, -1);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? errno : socket_pending_error(fd);
}

int socket_target_connect(const SocketTarget *target, SocketAddress *addr,
                          bool nonblock, bool *ret_pending)
{
    AUTO_FD fd = qemu_socket(target->sa.ss_family,
                             SOCK_STREAM | (nonblock ? SOCK_NONBLOCK : 0),
                             target->protocol);
    int err = 0;

    if (fd < 0 || (wants_keep_alive(addr) && socket_set_keepalive(fd, 1) < 0)) {
        return -1;
    }
    if (connect(fd, (const struct sockaddr *)&target->sa, target->len) < 0) {
        err = errno;
    }
    if (nonblock) {
        *ret_pending = err == EINPROGRESS || err == EINTR;
        err = *ret_pending ? 0 : err;
    } else if (err == EINTR) {
        err = connect_finish(fd);
    }
    if (err) {
        fd_close(fd_steal(&fd));
        errno = err;
        return -1;
    }
    return fd_steal(&fd);
}

int socket_connect(SocketAddress *addr, Error **errp)
{
    g_auto(SocketTargets) targets = { 0 };
    g_auto(SocketFailures) failed = { 0 };

    if (addr->type == SOCKET_ADDRESS_TYPE_FD) {
        return socket_get_fd(addr->u.fd.str, errp);
    }
    if (!socket_resolve(addr, SOCK_STREAM, false, &targets, errp)) {
        return -1;
    }
    for (size_t i = 0; i < targets.n; i++) {
        int fd = socket_target_connect(&targets.t[i], addr, false, NULL);

        if (fd >= 0) {
            return fd;
        }
        socket_failures_add(&failed, targets.t[i].text, errno);
    }
    socket_failures_to_error(&failed, "connect to", addr, errp);
    return -1;
}

/* -- listening ------------------------------------------------------------- */

/*
 * A socket file that nobody needs is in the way of bind(). Only sockets are
 * removed: a path given by mistake must not cost the user a file.
 */
static void unlink_stale(const SocketTarget *target)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&target->sa;
    char path[sizeof(un->sun_path) + 1] = { 0 };
    struct stat st;

    if (un->sun_path[0] == '\0') {
        return;
    }
    memcpy(path, un->sun_path, sizeof(un->sun_path));
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        unlink(path);
    }
}

static bool listen_options(int fd, const SocketTarget *target,
                           SocketAddress *addr, bool v6only)
{
    int on = v6only;

    switch (target->sa.ss_family) {
    case AF_INET6:
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) {
            return false;
        }
        G_GNUC_FALLTHROUGH;
    case AF_INET:
        return socket_set_fast_reuse(fd) == 0 &&
               (!wants_keep_alive(addr) || socket_set_keepalive(fd, 1) == 0);
    case AF_UNIX:
        unlink_stale(target);
        return true;
    default:
        return true;
    }
}

int socket_target_listen(const SocketTarget *target, SocketAddress *addr,
                         bool v6only, int backlog)
{
    AUTO_FD fd =
        qemu_socket(target->sa.ss_family, SOCK_STREAM, target->protocol);

    if (fd < 0 || !listen_options(fd, target, addr, v6only) ||
        bind(fd, (const struct sockaddr *)&target->sa, target->len) < 0 ||
        listen(fd, backlog) < 0) {
        return -1;
    }
    return fd_steal(&fd);
}

bool socket_address_v6only(SocketAddress *addr)
{
    InetSocketAddress *inet = &addr->u.inet;

    if (addr->type != SOCKET_ADDRESS_TYPE_INET) {
        return false;
    }
    return (inet->has_ipv4 && !inet->ipv4) ||
           (inet->has_ipv6 && inet->ipv6 && !inet->has_ipv4);
}

static bool is_v6_wildcard(const SocketTarget *t)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&t->sa;

    return t->sa.ss_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
}

/* [::] takes clients of both families, so it goes before 0.0.0.0. */
static void dual_stack_first(SocketTargets *targets)
{
    for (size_t i = 1; i < targets->n; i++) {
        if (is_v6_wildcard(&targets->t[i])) {
            SocketTarget t = targets->t[i];

            memmove(targets->t + 1, targets->t, i * sizeof(t));
            targets->t[0] = t;
            return;
        }
    }
}

/* Try every address with @port. Returns: socket; -1 and reasons in @failed. */
static int listen_on_port(SocketTargets *targets, SocketAddress *addr,
                          int backlog, SocketFailures *failed)
{
    bool v6only = socket_address_v6only(addr);

    for (size_t i = 0; i < targets->n; i++) {
        int fd = socket_target_listen(&targets->t[i], addr, v6only, backlog);

        if (fd >= 0) {
            return fd;
        }
        socket_failures_add(failed, targets->t[i].text, errno);
    }
    return -1;
}

static int listen_inet(SocketAddress *addr, int backlog, Error **errp)
{
    g_auto(SocketTargets) targets = { 0 };
    g_auto(SocketFailures) failed = { 0 };
    unsigned port, last;

    if (!socket_resolve(addr, SOCK_STREAM, true, &targets, errp)) {
        return -1;
    }
    dual_stack_first(&targets);
    port = socket_target_get_port(&targets.t[0]);
    last = addr->u.inet.has_to ? addr->u.inet.to : port;
    if (last < port) {
        error_setg(errp, "port range %u to %u is empty", port, last);
        return -1;
    }
    for (; port <= last; port++) {
        int fd;

        for (size_t i = 0; i < targets.n; i++) {
            socket_target_set_port(&targets.t[i], port);
        }
        socket_failures_clear(&failed);
        fd = listen_on_port(&targets, addr, backlog, &failed);
        if (fd >= 0) {
            return fd;
        }
        if (failed.last_errno != EADDRINUSE) {
            break;
        }
    }
    socket_failures_to_error(&failed, "listen on", addr, errp);
    return -1;
}

/*
 * A name for a listener that was given none. Nobody can take it first: then
 * bind() fails, because another user's file in a temp directory stays.
 */
static char *unix_path_new(void)
{
    g_autofree char *name = g_strdup_printf("ferry-socket-%08x%08x",
                                            g_random_int(), g_random_int());

    return g_build_filename(g_get_tmp_dir(), name, NULL);
}

static int listen_other(SocketAddress *addr, int backlog, Error **errp)
{
    g_auto(SocketTargets) targets = { 0 };
    g_auto(SocketFailures) failed = { 0 };
    int fd;

    if (!socket_resolve(addr, SOCK_STREAM, true, &targets, errp)) {
        return -1;
    }
    fd = listen_on_port(&targets, addr, backlog, &failed);
    if (fd < 0) {
        socket_failures_to_error(&failed, "listen on", addr, errp);
    }
    return fd;
}

static int listen_fd(const char *str, int backlog, Error **errp)
{
    AUTO_FD fd = socket_get_fd(str, errp);

    if (fd < 0) {
        return -1;
    }
    /* It may listen already; then this only changes the backlog. */
    if (listen(fd, backlog) < 0) {
        error_setg_errno(errp, errno, "cannot listen on descriptor '%s'", str);
        return -1;
    }
    return fd_steal(&fd);
}

int socket_listen(SocketAddress *addr, int num, Error **errp)
{
    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        return listen_inet(addr, num, errp);
    case SOCKET_ADDRESS_TYPE_UNIX:
        if (*addr->u.q_unix.path == '\0' && !addr->u.q_unix.abstract) {
            g_autofree char *path = unix_path_new();

            return unix_listen(path, errp);
        }
        return listen_other(addr, num, errp);
    case SOCKET_ADDRESS_TYPE_FD:
        return listen_fd(addr->u.fd.str, num, errp);
    default:
        return listen_other(addr, num, errp);
    }
}

void socket_listen_cleanup(int fd, Error **errp)
{
    g_autoptr(SocketAddress) addr = socket_local_address(fd, errp);

    if (addr && socket_address_has_path(addr) &&
        unlink(addr->u.q_unix.path) < 0 && errno != ENOENT) {
        error_setg_errno(errp, errno, "cannot remove socket '%s'",
                         addr->u.q_unix.path);
    }
}

bool socket_address_has_path(SocketAddress *addr)
{
    return addr->type == SOCKET_ADDRESS_TYPE_UNIX && *addr->u.q_unix.path &&
           !(addr->u.q_unix.has_abstract && addr->u.q_unix.abstract);
}

/* -- datagrams ------------------------------------------------------------- */

/* One remote address: bind to a local one of its family, then connect. */
static int dgram_try(const SocketTarget *remote, SocketTargets *local)
{
    AUTO_FD fd = qemu_socket(remote->sa.ss_family, SOCK_DGRAM, 0);
    size_t i;

    if (fd < 0) {
        return -1;
    }
    for (i = 0; i < local->n; i++) {
        if (local->t[i].sa.ss_family == remote->sa.ss_family) {
            break;
        }
    }
    if (local->n > 0) {
        if (i == local->n) {
            errno = EAFNOSUPPORT;
            return -1;
        }
        if (socket_set_fast_reuse(fd) < 0 ||
            bind(fd, (const struct sockaddr *)&local->t[i].sa,
                 local->t[i].len) < 0) {
            return -1;
        }
    }
    if (connect(fd, (const struct sockaddr *)&remote->sa, remote->len) < 0) {
        return -1;
    }
    return fd_steal(&fd);
}

static bool dgram_check(SocketAddress *remote, SocketAddress *local,
                        Error **errp)
{
    if (remote->type == SOCKET_ADDRESS_TYPE_VSOCK) {
        error_setg(errp, "vsock has no datagrams");
        return false;
    }
    if (remote->type == SOCKET_ADDRESS_TYPE_FD) {
        return true;
    }
    if (local && local->type != remote->type) {
        error_setg(errp, "local and remote address differ in type");
        return false;
    }
    if (remote->type == SOCKET_ADDRESS_TYPE_INET && !*remote->u.inet.port) {
        error_setg(errp, "remote address has no port");
        return false;
    }
    return true;
}

int socket_dgram(SocketAddress *remote, SocketAddress *local, Error **errp)
{
    g_auto(SocketTargets) to = { 0 };
    g_auto(SocketTargets) from = { 0 };
    g_auto(SocketFailures) failed = { 0 };

    if (!dgram_check(remote, local, errp)) {
        return -1;
    }
    if (remote->type == SOCKET_ADDRESS_TYPE_FD) {
        return socket_get_fd(remote->u.fd.str, errp);
    }
    if (!socket_resolve(remote, SOCK_DGRAM, false, &to, errp) ||
        (local && !socket_resolve(local, SOCK_DGRAM, true, &from, errp))) {
        return -1;
    }
    for (size_t i = 0; i < to.n; i++) {
        int fd = dgram_try(&to.t[i], &from);

        if (fd >= 0) {
            return fd;
        }
        socket_failures_add(&failed, to.t[i].text, errno);
    }
    socket_failures_to_error(&failed, "send to", remote, errp);
    return -1;
}

/* -- short forms ----------------------------------------------------------- */

int inet_connect_saddr(InetSocketAddress *saddr, Error **errp)
{
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_INET };

    /* Borrowed for the call. */
    addr.u.inet = *saddr;
    return socket_connect(&addr, errp);
}

int inet_connect(const char *str, Error **errp)
{
    SocketAddress *addr = g_new0(SocketAddress, 1);
    int fd = -1;

    addr->type = SOCKET_ADDRESS_TYPE_INET;
    if (inet_parse(&addr->u.inet, str, errp) == 0) {
        fd = socket_connect(addr, errp);
    }
    qapi_free_SocketAddress(addr);
    return fd;
}

int unix_connect(const char *path, Error **errp)
{
    SocketAddress addr = {
        .type = SOCKET_ADDRESS_TYPE_UNIX,
        .u.q_unix.path = (char *)path,
    };

    return socket_connect(&addr, errp);
}

int unix_listen(const char *path, Error **errp)
{
    SocketAddress addr = {
        .type = SOCKET_ADDRESS_TYPE_UNIX,
        .u.q_unix.path = (char *)(path ? path : ""),
    };

    return socket_listen(&addr, 1, errp);
}
