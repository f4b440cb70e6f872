/*
 * The driver that the TLS and the websocket handshake share: it calls a step
 * function whenever the master channel is ready for what the last step asked,
 * until it is done, fails, runs out of time or is cancelled.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_HANDSHAKE_INTERNAL_H
#define IO_HANDSHAKE_INTERNAL_H

#include "io/channel.h"
#include "io/task.h"
#include "util/thread.h"

typedef struct QIOHandshake QIOHandshake;

/**
 * QIOHandshakeStep:
 *
 * Do what is possible without blocking.
 * Returns: 0 = done; G_IO_IN or G_IO_OUT = call again when the master is so;
 * -1 = failed, with @errp set.
 */
typedef int (*QIOHandshakeStep)(QIOChannel *ioc, Error **errp);

/* Embedded in a layer: the handshake under way, so that it can be cancelled. */
typedef struct QIOHandshakeSlot {
    QemuMutex lock; /* guards @handshake */
    QIOHandshake *handshake;
} QIOHandshakeSlot;

void qio_handshake_slot_init(QIOHandshakeSlot *slot);
void qio_handshake_slot_deinit(QIOHandshakeSlot *slot);

/**
 * qio_handshake_start:
 * @slot: (inout) of @ioc; one handshake at a time
 * @ioc: (in) layer; source of the task
 * @master: (in) channel below, made non-blocking
 * @what: (in) for messages, static, "TLS handshake"
 * @step: (in) called in @context
 * @timeout_ms: 0 = no limit
 *
 * The rest as in qio_channel_tls_handshake(). The callback always comes from
 * @context, never from within this call.
 */
void qio_handshake_start(QIOHandshakeSlot *slot, QIOChannel *ioc,
                         QIOChannel *master, const char *what,
                         QIOHandshakeStep step, unsigned timeout_ms,
                         QIOTaskFunc func, gpointer opaque,
                         GDestroyNotify destroy, GMainContext *context);

/** qio_handshake_cancel: the callback comes soon, with an error. Any thread. */
void qio_handshake_cancel(QIOHandshakeSlot *slot);

/**
 * qio_handshake_sync:
 *
 * Run @step to its end in the calling thread, or coroutine by yielding.
 * Returns: 0; -1 = error.
 */
int qio_handshake_sync(QIOChannel *ioc, QIOChannel *master, const char *what,
                       QIOHandshakeStep step, unsigned timeout_ms,
                       Error **errp);

#endif
