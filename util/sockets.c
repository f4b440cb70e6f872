/*
 * Small calls on socket descriptors: what every user would otherwise write
 * again (close-on-exec, EINTR, option names).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "util/error.h"

int qemu_socket(int domain, int type, int protocol)
{
    return socket(domain, type | SOCK_CLOEXEC, protocol);
}

int qemu_accept(int s, struct sockaddr *addr, socklen_t *addrlen)
{
    int fd;

    do {
        fd = accept4(s, addr, addrlen, SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

int qemu_socketpair(int domain, int type, int protocol, int sv[2])
{
    return socketpair(domain, type | SOCK_CLOEXEC, protocol, sv);
}

static int set_blocking(int fd, bool block)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0) {
        return -errno;
    }
    if (!(flags & O_NONBLOCK) == block) {
        return 0;
    }
    flags = block ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

bool qemu_set_blocking(int fd, bool block, Error **errp)
{
    int ret = set_blocking(fd, block);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "could not make descriptor %d %s", fd,
                         block ? "blocking" : "non-blocking");
        return false;
    }
    return true;
}

int qemu_socket_try_set_nonblock(int fd)
{
    return set_blocking(fd, false);
}

void qemu_socket_set_block(int fd)
{
    int ret = set_blocking(fd, true);

    assert(ret == 0);
}

void qemu_socket_set_nonblock(int fd)
{
    int ret = set_blocking(fd, false);

    assert(ret == 0);
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

int socket_set_cork(int fd, int v)
{
    return set_option(fd, IPPROTO_TCP, TCP_CORK, v);
}

int socket_set_nodelay(int fd)
{
    return socket_set_delay(fd, false);
}

int socket_set_delay(int fd, bool delay)
{
    return set_option(fd, IPPROTO_TCP, TCP_NODELAY, !delay);
}

int socket_set_congestion(int fd, const char *algorithm)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, algorithm,
                      (socklen_t)strlen(algorithm));
}

int socket_set_keepalive(int fd, int v)
{
    return set_option(fd, SOL_SOCKET, SO_KEEPALIVE, v);
}

int socket_set_fast_reuse(int fd)
{
    return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

static int get_option(int fd, int name, int *value)
{
    socklen_t len = sizeof(*value);

    return getsockopt(fd, SOL_SOCKET, name, value, &len);
}

bool fd_is_socket(int fd)
{
    int type;

    return get_option(fd, SO_TYPE, &type) == 0;
}

bool socket_is_stream(int fd)
{
    int type;

    return get_option(fd, SO_TYPE, &type) == 0 &&
           (type == SOCK_STREAM || type == SOCK_SEQPACKET);
}

int socket_pending_error(int fd)
{
    int err;

    return get_option(fd, SO_ERROR, &err) == 0 ? err : errno;
}
