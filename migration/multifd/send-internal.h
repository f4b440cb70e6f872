/*
 * What multifd/send.c (the migration thread's side) and multifd/channel.c (a
 * channel's thread) share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_MULTIFD_SEND_INTERNAL_H
#define MIGRATION_MULTIFD_SEND_INTERNAL_H

#include "migration/multifd/compress.h"
#include "migration/multifd/multifd.h"
#include "migration/multifd/queue.h"
#include "migration/ram/near.h"
#include "util/thread.h"

typedef struct MultiFDSendChannel {
    MultiFDSend *s;
    unsigned id;
    QemuThread thread;
    bool running; /* @thread was made and not joined */
    int tid;      /* of @thread while it lives, else 0; under s->lock */
    NearPin pin;  /* of it; the migration thread's */

    QIOChannel *ioc; /* set by the thread under MultiFDSend.lock; the
                        thread uses it, cancel shuts it down */

    /* The thread's own. */
    MultiFDStream *stream; /* compression, NULL: none; owned */
    MultiFDMethod method;
    int level;
    MultiFDPacket packet;
    uint8_t header[MULTIFD_HEADER_SIZE];
    uint8_t *blob;    /* MULTIFD_BLOB_MAX bytes if @stream; owned */
    bool zero_copied; /* something is not flushed */
} MultiFDSendChannel;

struct MultiFDSend {
    MultiFDSendConfig config; /* constant, but method and level, which change
                                 while all threads wait for work */
    MultiFDQueue queue;
    MultiFDSendChannel *channel; /* config.channels of them; owned */
    uint64_t packet_num;         /* atomic */
    bool paced;                  /* atomic */
    bool synced; /* no page was named since the last sync, which went well:
                    all threads wait for work; the migration thread's own */

    QemuMutex lock; /* guards stopped, each channel's ioc and tid; after
                       queue's */
    bool stopped;   /* channels are shut down, those to come as well */
};

/** multifd_send_thread: a channel's life; @opaque is a MultiFDSendChannel. */
void *multifd_send_thread(void *opaque);

/** multifd_send_fail: store @err (owned by this call) and shut all channels
 *  down. Thread: any. */
void multifd_send_fail(MultiFDSend *s, Error *err);

/** multifd_send_take_channel: @ioc is @c's from now on; false: too late, all
 *  is over (@c has it all the same). */
bool multifd_send_take_channel(MultiFDSendChannel *c, QIOChannel *ioc);

#endif
