/*
 * MSG_ZEROCOPY (Linux Documentation/networking/msg_zerocopy.rst): the kernel
 * sends from the caller's pages and reports on the socket's error queue when
 * it has done with them. Each successful sendmsg() has the next number of a
 * 32-bit counter; a report names a range of them.
 *
 * What may be pinned is limited (RLIMIT_MEMLOCK, optmem_max). At the limit
 * sendmsg() says ENOBUFS: reports are collected and the send is repeated; if
 * nothing is outstanding the data goes the copying way, which always works.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>

#include "trace/trace-io.h"
#include "util/error.h"
#include "util/sockets.h"

#include "channel-internal.h"
#include "channel-socket-internal.h"

static bool report_parse(struct msghdr *msg, struct sock_extended_err *ret)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        bool v4 = c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR;
        bool v6 = c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR;

        if ((v4 || v6) && c->cmsg_len >= CMSG_LEN(sizeof(*ret))) {
            memcpy(ret, CMSG_DATA(c), sizeof(*ret));
            return true;
        }
    }
    return false;
}

/* Take one report. Returns: 1; QIO_CHANNEL_ERR_BLOCK = none there; -1. */
static int report_take(QIOChannelSocket *sioc, Error **errp)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(struct sock_extended_err) +
                            sizeof(struct sockaddr_in6))];
    } control;
    struct msghdr msg = {
        .msg_control = control.buf,
        .msg_controllen = sizeof(control.buf),
    };
    struct sock_extended_err e;
    ssize_t ret;

    do {
        ret = recvmsg(sioc->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
    } while (ret < 0 && errno == EINTR);
    if (ret < 0) {
        if (errno == EAGAIN) {
            return QIO_CHANNEL_ERR_BLOCK;
        }
        error_setg_errno(errp, errno, "cannot read a socket's error queue");
        return -1;
    }
    if (!report_parse(&msg, &e)) {
        error_setg(errp, "unknown message in a socket's error queue");
        return -1;
    }
    if (e.ee_origin != SO_EE_ORIGIN_ZEROCOPY) {
        error_setg_errno(errp, e.ee_errno, "socket failed");
        return -1;
    }
    /* 32-bit wrap-around: the difference is right all the same. */
    sioc->zero_copy_sent += e.ee_data - e.ee_info + 1;
    if (!(e.ee_code & SO_EE_CODE_ZEROCOPY_COPIED)) {
        sioc->zero_copy_avoided_copy = true;
    }
    return 1;
}

/* Sleep until there is a report, or until there will never be one. */
static bool report_wait(QIOChannelSocket *sioc, Error **errp)
{
    /* No events: error (a report) and hang-up are always told. */
    struct pollfd p = { .fd = sioc->fd };
    int err;

    if (poll(&p, 1, -1) < 0) {
        if (errno == EINTR) {
            return true;
        }
        error_setg_errno(errp, errno, "cannot wait for a socket");
        return false;
    }
    if (p.revents & POLLERR) {
        return true;
    }
    err = socket_pending_error(sioc->fd);
    error_setg_errno(errp, err ? err : ECONNRESET,
                     "connection ended before the kernel had done with all "
                     "pages");
    return false;
}

ssize_t socket_channel_writev_zero_copy(QIOChannelSocket *sioc,
                                        const struct iovec *iov, size_t niov,
                                        Error **errp)
{
    struct msghdr msg = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = niov,
    };
    int flags = MSG_ZEROCOPY;
    g_autofree char *peer = NULL;

    for (;;) {
        ssize_t ret = socket_channel_send(sioc, &msg, flags);

        if (ret >= 0) {
            if (flags && ret > 0) {
                sioc->zero_copy_queued++;
            }
            return ret;
        }
        if (errno == EAGAIN) {
            return QIO_CHANNEL_ERR_BLOCK;
        }
        if (errno != ENOBUFS || !flags) {
            break;
        }
        trace_qio_channel_socket_zero_copy_full(sioc, sioc->zero_copy_queued,
                                                sioc->zero_copy_sent);
        if (sioc->zero_copy_sent == sioc->zero_copy_queued) {
            flags = 0;
        } else if (!report_wait(sioc, errp) || report_take(sioc, errp) == -1) {
            return -1;
        }
    }
    if (sioc->fd < 0) {
        return qio_channel_error_closed(QIO_CHANNEL(sioc), errp);
    }
    peer = socket_channel_peer_text(sioc);
    error_setg_errno(errp, errno, "cannot write to %s", peer);
    return -1;
}

int socket_channel_flush(QIOChannelSocket *sioc, Error **errp)
{
    bool any = sioc->zero_copy_queued != sioc->zero_copy_flushed;
    int ret;

    while (sioc->zero_copy_sent < sioc->zero_copy_queued) {
        ret = report_take(sioc, errp);
        if (ret == QIO_CHANNEL_ERR_BLOCK && report_wait(sioc, errp)) {
            continue;
        }
        if (ret != 1) {
            return -1;
        }
    }
    ret = any && !sioc->zero_copy_avoided_copy;
    sioc->zero_copy_flushed = sioc->zero_copy_queued;
    sioc->zero_copy_avoided_copy = false;
    return ret;
}
