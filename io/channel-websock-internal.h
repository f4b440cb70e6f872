/*
 * The parts of the websocket channel to each other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_WEBSOCK_INTERNAL_H
#define IO_CHANNEL_WEBSOCK_INTERNAL_H

#include "io/channel-websock.h"
#include "util/thread.h"

#include "handshake-internal.h"
#include "websock-codec.h"
#include "websock-http.h"

/* Read at once where it is not known what follows; holds a header block. */
#define WEBSOCK_IN_SIZE 16384

/* Longest frame that is sent: what a writer promises to continue. */
#define WEBSOCK_FRAME_MAX 65536

/* A client masks into this, so as not to change the caller's buffers. */
#define WEBSOCK_BOUNCE_SIZE 16384

/* Client: mask keys are drawn by so many at a time. */
#define WEBSOCK_KEY_POOL 64

/* Control frames that wait for the border between two data frames. */
typedef struct WebsockQueue {
    QemuMutex lock; /* guards all of this; taken last */
    bool pong;      /* newest ping to answer (RFC 6455 5.5.3) */
    uint8_t pong_data[WEBSOCK_CONTROL_MAX];
    size_t pong_len;
    bool close;   /* to be sent */
    bool closed;  /* no other close after the first */
    bool sending; /* one of them is on its way, in WebsockOut.control */
    uint8_t close_data[WEBSOCK_CONTROL_MAX];
    size_t close_len;
} WebsockQueue;

/* What is on its way out. */
typedef struct WebsockOut {
    QemuMutex lock; /* guards all of this; held while the master writes */
    uint8_t control[WEBSOCK_HEADER_MAX + WEBSOCK_CONTROL_MAX];
    size_t control_len;
    size_t control_sent;
    uint8_t header[WEBSOCK_HEADER_MAX];
    size_t header_len;
    size_t header_sent;
    uint64_t frame_left; /* payload promised by the header, not yet sent */
    uint8_t mask[WEBSOCK_MASK_LEN];
    unsigned mask_pos;
    uint8_t *bounce; /* client only; owned, or NULL */
    uint8_t keys[WEBSOCK_KEY_POOL][WEBSOCK_MASK_LEN];
    unsigned nkeys; /* left in @keys */
    bool close_sent;
} WebsockOut;

struct QIOChannelWebsock {
    QIOChannel parent;
    QIOChannel *master; /* owned reference */
    bool client;
    char *request; /* client: to be sent first; owned */
    char key[WEBSOCK_KEY_SIZE];
    QIOHandshakeSlot slot;
    bool established; /* the handshake succeeded; atomic */
    int shutdown;     /* QIOChannelShutdown bits; atomic */

    /* Reader's side: the reading thread, and the handshake before it. */
    WebsockDecoder decoder;
    uint8_t *in; /* WEBSOCK_IN_SIZE bytes, owned */
    size_t in_start;
    size_t in_end;
    bool ended;         /* peer closed; reads return 0 */
    const char *broken; /* peer broke the protocol: why; static */

    /* Handshake: bytes to send before it goes on. */
    char *hs_out; /* owned, or NULL */
    size_t hs_len;
    size_t hs_sent;
    Error *hs_err; /* to be returned once hs_out is sent */

    WebsockOut out;
    WebsockQueue queue;
};

/* QIOHandshakeStep of either side. */
int websock_handshake_step(QIOChannel *ioc, Error **errp);

/* As QIOChannelClass.io_writev. */
ssize_t websock_writev(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                       int *fds, size_t nfds, int flags, Error **errp);

void websock_out_init(QIOChannelWebsock *wioc);
void websock_out_deinit(QIOChannelWebsock *wioc);

/* Have a pong or close frame sent as soon as possible. Any thread. */
void websock_queue_pong(QIOChannelWebsock *wioc, const uint8_t *data,
                        size_t len);
void websock_queue_close(QIOChannelWebsock *wioc, WebsockCloseCode code);

/**
 * websock_send_queued:
 *
 * Send queued control frames if that is possible without waiting, for the
 * peer or for another thread. Returns: whether a close frame has gone out.
 */
bool websock_send_queued(QIOChannelWebsock *wioc);

#endif
