/*
 * Replies on their way out.
 *
 * Pieces wait in a queue and leave many at a time with one sendmsg(): header
 * and data of a reply need no copy into one buffer, and sixteen small replies
 * cost one system call. Who queues decides when: the receiver sends before it
 * waits for more requests, so a batch of requests gives a batch of replies; a
 * request that ends later sends at once when nobody else works, else from a
 * bottom half, by which time the others of that round have queued theirs.
 *
 * Nothing here waits. What the socket does not take goes on when it is
 * writable. Data that stands in a file goes out by sendfile(), where the
 * channel is the socket itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

#include "trace/trace-nbd.h"

#include "server-internal.h"

/* Buffers of one sendmsg(). */
#define SEND_IOV 64

void nbd_send_job(NBDConn *c, NBDJob *j)
{
    j->outs_left = j->n_outs;
    for (unsigned i = 0; i < j->n_outs; i++) {
        NBDOut *o = i == 0 ? &j->out : &j->more[i - 1];

        QSIMPLEQ_INSERT_TAIL(&c->outs, o, next);
        c->n_outs++;
        c->out_bytes += o->head_len + o->data_len;
    }
}

/* The first piece has gone, or never will. */
static void send_pop(NBDConn *c)
{
    NBDOut *o = QSIMPLEQ_FIRST(&c->outs);
    NBDJob *j = o->job;

    QSIMPLEQ_REMOVE_HEAD(&c->outs, next);
    c->n_outs--;
    c->out_bytes -= o->head_len + o->data_len;
    if (--j->outs_left == 0) {
        nbd_conn_job_gone(c, j);
    }
}

static bool out_is_done(const NBDOut *o)
{
    return o->head_done == o->head_len && o->data_done == o->data_len;
}

/* @n bytes of the queue have gone. */
static void send_advance(NBDConn *c, size_t n)
{
    NBDOut *o;

    while ((o = QSIMPLEQ_FIRST(&c->outs))) {
        size_t part = MIN(n, o->head_len - o->head_done);

        o->head_done += part;
        n -= part;
        if (o->fd < 0) {
            part = MIN(n, o->data_len - o->data_done);
            o->data_done += part;
            n -= part;
        }
        if (!out_is_done(o)) {
            return;
        }
        send_pop(c);
    }
}

/* What memory of the queue one call can send. @more: a file follows. */
static unsigned send_gather(NBDConn *c, struct iovec *iov, bool *more)
{
    unsigned n = 0;
    NBDOut *o;

    *more = false;
    QSIMPLEQ_FOREACH(o, &c->outs, next) {
        if (n + 2 > SEND_IOV) {
            break;
        }
        if (o->head_done < o->head_len) {
            iov[n++] = (struct iovec){ o->head + o->head_done,
                                       o->head_len - o->head_done };
        }
        if (o->fd >= 0) {
            *more = true;
            break;
        }
        if (o->data_done < o->data_len) {
            iov[n++] = (struct iovec){ (void *)(o->data + o->data_done),
                                       o->data_len - o->data_done };
        }
    }
    return n;
}

static ssize_t send_memory(NBDConn *c)
{
    struct iovec iov[SEND_IOV];
    bool more;
    struct msghdr msg = { .msg_iov = iov };
    ssize_t n;

    msg.msg_iovlen = send_gather(c, iov, &more);
    if (c->ioc != QIO_CHANNEL(c->sioc)) {
        return qio_channel_writev(c->ioc, iov, msg.msg_iovlen, NULL);
    }
    do {
        n = sendmsg(c->sioc->fd, &msg, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    } while (n < 0 && errno == EINTR);
    return n < 0 && errno == EAGAIN ? QIO_CHANNEL_ERR_BLOCK : n;
}

/* The file's part of the first piece. */
static ssize_t send_file(NBDConn *c, NBDOut *o)
{
    off_t offset = (off_t)(o->fd_offset + o->data_done);
    ssize_t n;

    do {
        n = sendfile(c->sioc->fd, o->fd, &offset, o->data_len - o->data_done);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        return QIO_CHANNEL_ERR_BLOCK;
    }
    if (n <= 0) {
        /* The header has promised the bytes: there is no way back. */
        trace_nbd_server_sendfile_failed(c, n < 0 ? errno : 0);
        return -1;
    }
    o->data_done += n;
    if (out_is_done(o)) {
        send_pop(c);
    }
    return 0;
}

static ssize_t send_some(NBDConn *c)
{
    NBDOut *o = QSIMPLEQ_FIRST(&c->outs);
    ssize_t n;

    if (o->fd >= 0 && o->head_done == o->head_len) {
        return send_file(c, o);
    }
    n = send_memory(c);
    if (n > 0) {
        send_advance(c, n);
    }
    return n;
}

void nbd_send_flush(NBDConn *c)
{
    bool blocked = false;

    if (c->sending) {
        return; /* the caller further up goes on */
    }
    c->sending = true;
    while (!QSIMPLEQ_EMPTY(&c->outs) && !c->broken && !blocked) {
        ssize_t n = send_some(c);

        if (n == QIO_CHANNEL_ERR_BLOCK) {
            blocked = true;
        } else if (n < 0) {
            nbd_conn_break(c);
        }
    }
    while (c->broken && !QSIMPLEQ_EMPTY(&c->outs)) {
        send_pop(c);
    }
    if (blocked != c->watch_write) {
        nbd_conn_watch(c, c->watch_read, blocked);
    }
    c->sending = false;
    nbd_conn_wake(c);
}
