/*
 * The writer's side of a websocket channel.
 *
 * Bytes that a write accepts have gone to the master: nothing is kept back
 * here that would need somebody to flush it. So a frame that the master took
 * only in part is a promise, @frame_left, that the next write continues; a
 * stream of bytes does not care where frames end. Only control frames, which
 * may not stand within a data frame, wait in a small queue: at most one pong
 * and one close. Whoever reaches the border of a frame sends them.
 *
 * A server's payload goes out from the caller's buffers. A client's must be
 * masked (RFC 6455 5.3) and goes through a bounce buffer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/random.h"
#include "util/atomic.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/lockable.h"

#include "channel-internal.h"
#include "channel-websock-internal.h"

/* Vectors up to this size need no allocation. */
#define STACK_IOV 8

void websock_out_init(QIOChannelWebsock *wioc)
{
    qemu_mutex_init(&wioc->out.lock);
    qemu_mutex_init(&wioc->queue.lock);
}

void websock_out_deinit(QIOChannelWebsock *wioc)
{
    qemu_mutex_destroy(&wioc->out.lock);
    qemu_mutex_destroy(&wioc->queue.lock);
    g_free(wioc->out.bounce);
}

/* A fresh mask for a client's frame; NULL for a server's. */
static bool next_mask(QIOChannelWebsock *wioc, const uint8_t **mask,
                      Error **errp)
{
    WebsockOut *out = &wioc->out;

    *mask = NULL;
    if (!wioc->client) {
        return true;
    }
    if (out->nkeys == 0) {
        if (qcrypto_random_bytes(out->keys, sizeof(out->keys), errp) < 0) {
            return false;
        }
        out->nkeys = WEBSOCK_KEY_POOL;
    }
    *mask = out->keys[--out->nkeys];
    return true;
}

/* -- control frames -------------------------------------------------------- */

void websock_queue_pong(QIOChannelWebsock *wioc, const uint8_t *data,
                        size_t len)
{
    QEMU_LOCK_GUARD(&wioc->queue.lock);
    memcpy(wioc->queue.pong_data, data, len);
    wioc->queue.pong_len = len;
    wioc->queue.pong = true;
}

void websock_queue_close(QIOChannelWebsock *wioc, WebsockCloseCode code)
{
    QEMU_LOCK_GUARD(&wioc->queue.lock);
    if (wioc->queue.closed) {
        return;
    }
    wioc->queue.close = true;
    wioc->queue.closed = true;
    wioc->queue.close_len = 0;
    if (code != WEBSOCK_CLOSE_NO_STATUS) {
        wioc->queue.close_data[0] = code >> 8;
        wioc->queue.close_data[1] = code & 0xff;
        wioc->queue.close_len = 2;
    }
}

/* Under out.lock: encode the next queued frame. False = none, or error. */
static bool take_queued(QIOChannelWebsock *wioc, Error **errp)
{
    WebsockOut *out = &wioc->out;
    WebsockQueue *q = &wioc->queue;
    const uint8_t *mask;

    if (out->close_sent) {
        return false;
    }
    QEMU_LOCK_GUARD(&q->lock);
    if ((!q->pong && !q->close) || !next_mask(wioc, &mask, errp)) {
        return false;
    }
    if (q->pong) {
        out->control_len = websock_encode_control(
            out->control, WEBSOCK_OP_PONG, q->pong_data, q->pong_len, mask);
        q->pong = false;
    } else {
        out->control_len = websock_encode_control(
            out->control, WEBSOCK_OP_CLOSE, q->close_data, q->close_len, mask);
        q->close = false;
        out->close_sent = true;
    }
    out->control_sent = 0;
    q->sending = true;
    return true;
}

/* Under out.lock. */
static void control_sent(QIOChannelWebsock *wioc)
{
    wioc->out.control_len = wioc->out.control_sent = 0;
    QEMU_LOCK_GUARD(&wioc->queue.lock);
    wioc->queue.sending = false;
}

/*
 * Under out.lock: send control frames until none is left, or until a data
 * frame is in between. Returns: 0; QIO_CHANNEL_ERR_BLOCK; -1.
 */
static int send_control(QIOChannelWebsock *wioc, Error **errp)
{
    ERRP_GUARD();
    WebsockOut *out = &wioc->out;

    for (;;) {
        while (out->control_sent < out->control_len) {
            ssize_t n =
                qio_channel_write(wioc->master,
                                  (char *)out->control + out->control_sent,
                                  out->control_len - out->control_sent, errp);

            if (n < 0) {
                return n;
            }
            out->control_sent += n;
            if (out->control_sent == out->control_len) {
                control_sent(wioc);
            }
        }
        if (out->frame_left > 0 || out->header_sent < out->header_len) {
            return 0;
        }
        if (!take_queued(wioc, errp)) {
            return *errp ? -1 : 0;
        }
    }
}

static bool queue_is_empty(QIOChannelWebsock *wioc)
{
    QEMU_LOCK_GUARD(&wioc->queue.lock);
    return !wioc->queue.pong && !wioc->queue.close && !wioc->queue.sending;
}

bool websock_send_queued(QIOChannelWebsock *wioc)
{
    bool sent;

    /* A blocking master must not hold us for a pong. */
    if (queue_is_empty(wioc) ||
        (!wioc->master->nonblocking &&
         !qio_channel_wait_timeout(wioc->master, G_IO_OUT, 0)) ||
        qemu_mutex_trylock(&wioc->out.lock) != 0) {
        return false;
    }
    /* An error will come again at the next write. */
    sent = send_control(wioc, NULL) == 0 && wioc->out.close_sent &&
           wioc->out.control_sent == wioc->out.control_len;
    qemu_mutex_unlock(&wioc->out.lock);
    return sent;
}

/* -- data frames ----------------------------------------------------------- */

/* Under out.lock: begin a frame of @len bytes. */
static bool frame_begin(QIOChannelWebsock *wioc, size_t len, Error **errp)
{
    WebsockOut *out = &wioc->out;
    const uint8_t *mask;

    if (!next_mask(wioc, &mask, errp)) {
        return false;
    }
    out->frame_left = MIN(len, WEBSOCK_FRAME_MAX);
    out->header_len = websock_encode_header(out->header, WEBSOCK_OP_BINARY,
                                            out->frame_left, mask);
    out->header_sent = 0;
    if (mask) {
        memcpy(out->mask, mask, WEBSOCK_MASK_LEN);
        out->mask_pos = 0;
    }
    return true;
}

/* Under out.lock: the master took @n bytes. Returns: payload among them. */
static size_t frame_account(WebsockOut *out, size_t n)
{
    size_t header = MIN(n, out->header_len - out->header_sent);

    out->header_sent += header;
    n -= header;
    out->frame_left -= n;
    out->mask_pos = (out->mask_pos + n) % WEBSOCK_MASK_LEN;
    return n;
}

/*
 * Under out.lock: hand the rest of the header and as much payload as fits the
 * frame to the master, once. Returns: payload taken, may be 0; or as io_writev.
 */
static ssize_t frame_send(QIOChannelWebsock *wioc, const struct iovec *iov,
                          size_t niov, Error **errp)
{
    WebsockOut *out = &wioc->out;
    struct iovec stack[STACK_IOV];
    g_autofree struct iovec *heap = NULL;
    struct iovec *v = stack;
    size_t n = 0;
    ssize_t ret;

    niov = MIN(niov, IOV_MAX - 1);
    if (niov + 1 > STACK_IOV) {
        v = heap = g_new(struct iovec, niov + 1);
    }
    if (out->header_sent < out->header_len) {
        v[n].iov_base = out->header + out->header_sent;
        v[n++].iov_len = out->header_len - out->header_sent;
    }
    if (wioc->client) {
        size_t len = MIN(out->frame_left, WEBSOCK_BOUNCE_SIZE);

        if (!out->bounce) {
            out->bounce = g_malloc(WEBSOCK_BOUNCE_SIZE);
        }
        len = iov_to_buf(iov, niov, 0, out->bounce, len);
        websock_mask(out->bounce, out->bounce, len, out->mask, out->mask_pos);
        v[n].iov_base = out->bounce;
        v[n++].iov_len = len;
    } else {
        n += iov_copy(v + n, niov, iov, niov, 0, out->frame_left);
    }
    ret = qio_channel_writev(wioc->master, v, n, errp);
    return ret < 0 ? ret : (ssize_t)frame_account(out, ret);
}

/* Under out.lock. */
static ssize_t write_locked(QIOChannelWebsock *wioc, const struct iovec *iov,
                            size_t niov, Error **errp)
{
    WebsockOut *out = &wioc->out;
    size_t size = iov_size(iov, niov);
    ssize_t ret = send_control(wioc, errp);

    if (ret < 0) {
        return ret;
    }
    if (out->close_sent) {
        error_setg(errp, "websocket connection is closed");
        return -1;
    }
    if (size == 0) {
        return 0;
    }
    if (out->frame_left == 0 && !frame_begin(wioc, size, errp)) {
        return -1;
    }
    do {
        ret = frame_send(wioc, iov, niov, errp);
    } while (ret == 0);
    return ret;
}

ssize_t websock_writev(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                       int *fds, size_t nfds, int flags, Error **errp)
{
    QIOChannelWebsock *wioc = QIO_CHANNEL_WEBSOCK(ioc);
    ssize_t ret;

    if (!qatomic_load_acquire(&wioc->established)) {
        error_setg(errp, "websocket handshake is not complete");
        return -1;
    }
    WITH_QEMU_LOCK_GUARD(&wioc->out.lock)
    {
        ret = write_locked(wioc, iov, niov, errp);
    }
    /* The reader may have queued something while we held the lock. */
    if (!queue_is_empty(wioc)) {
        websock_send_queued(wioc);
    }
    return ret;
}
