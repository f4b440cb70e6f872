/*
 * The HTTP upgrade of a websocket channel, as steps that never block.
 *
 *   server: read request, [send 101 | send 4xx and fail]
 *   client: send request, read answer
 *
 * Bytes that follow the header block stay in the input buffer: the peer may
 * send its first frame together with it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-io.h"
#include "util/atomic.h"
#include "util/error.h"

#include "channel-websock-internal.h"

QEMU_BUILD_BUG_ON(WEBSOCK_IN_SIZE < WEBSOCK_HTTP_MAX);

static void handshake_send(QIOChannelWebsock *wioc, char *text)
{
    wioc->hs_out = text;
    wioc->hs_len = strlen(text);
    wioc->hs_sent = 0;
}

/* Returns: 0 = all sent; else as QIOHandshakeStep. */
static int handshake_flush(QIOChannelWebsock *wioc, Error **errp)
{
    while (wioc->hs_sent < wioc->hs_len) {
        ssize_t n =
            qio_channel_write(wioc->master, wioc->hs_out + wioc->hs_sent,
                              wioc->hs_len - wioc->hs_sent, errp);

        if (n == QIO_CHANNEL_ERR_BLOCK) {
            return G_IO_OUT;
        }
        if (n < 0) {
            return -1;
        }
        wioc->hs_sent += n;
    }
    return 0;
}

/* Read what there is. Returns: 0 = something came; else as the step. */
static int handshake_fill(QIOChannelWebsock *wioc, Error **errp)
{
    ssize_t n = qio_channel_read(wioc->master, (char *)wioc->in + wioc->in_end,
                                 WEBSOCK_IN_SIZE - wioc->in_end, errp);

    if (n == QIO_CHANNEL_ERR_BLOCK) {
        return G_IO_IN;
    }
    if (n == 0) {
        error_setg(errp, "peer ended the connection during the websocket "
                         "handshake");
        return -1;
    }
    if (n < 0) {
        return -1;
    }
    wioc->in_end += n;
    return 0;
}

static void handshake_established(QIOChannelWebsock *wioc, size_t used)
{
    wioc->in_start = used;
    g_clear_pointer(&wioc->hs_out, g_free);
    websock_decoder_init(&wioc->decoder, !wioc->client);
    qatomic_store_release(&wioc->established, true);
}

/* Make the answer. Returns: 0 = hs_out is to be sent; else as the step. */
static int server_receive(QIOChannelWebsock *wioc, Error **errp)
{
    WebsockRequest req;
    ssize_t used;
    int ret;

    for (;;) {
        used = websock_request_parse((char *)wioc->in, wioc->in_end, &req,
                                     &wioc->hs_err);
        if (used != 0) {
            break;
        }
        ret = handshake_fill(wioc, errp);
        if (ret != 0) {
            return ret;
        }
    }
    if (used > 0) {
        wioc->in_start = used;
    }
    trace_qio_channel_websock_request(wioc, req.status);
    handshake_send(wioc, websock_response_format(&req));
    return 0;
}

static int server_step(QIOChannelWebsock *wioc, Error **errp)
{
    int ret = wioc->hs_out ? 0 : server_receive(wioc, errp);

    if (ret == 0) {
        ret = handshake_flush(wioc, errp);
    }
    if (ret != 0) {
        return ret;
    }
    if (wioc->hs_err) {
        /* End our direction, so that the answer arrives before a reset. */
        qio_channel_shutdown(wioc->master, QIO_CHANNEL_SHUTDOWN_WRITE, NULL);
        error_propagate(errp, g_steal_pointer(&wioc->hs_err));
        return -1;
    }
    handshake_established(wioc, wioc->in_start);
    return 0;
}

static int client_step(QIOChannelWebsock *wioc, Error **errp)
{
    int ret;

    if (!wioc->hs_out) {
        handshake_send(wioc, g_strdup(wioc->request));
    }
    ret = handshake_flush(wioc, errp);
    if (ret != 0) {
        return ret;
    }
    for (;;) {
        ssize_t used = websock_response_parse((char *)wioc->in, wioc->in_end,
                                              wioc->key, errp);

        if (used < 0) {
            return -1;
        }
        if (used > 0) {
            handshake_established(wioc, used);
            return 0;
        }
        ret = handshake_fill(wioc, errp);
        if (ret != 0) {
            return ret;
        }
    }
}

int websock_handshake_step(QIOChannel *ioc, Error **errp)
{
    QIOChannelWebsock *wioc = QIO_CHANNEL_WEBSOCK(ioc);

    return wioc->client ? client_step(wioc, errp) : server_step(wioc, errp);
}
