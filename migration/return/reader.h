/*
 * The reader of the return path: a thread on the source that takes the
 * destination's messages off a channel and hands them to functions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RETURN_READER_H
#define MIGRATION_RETURN_READER_H

#include "io/channel.h"
#include "util/error.h"

typedef struct ReturnReader ReturnReader;

/*
 * What is done with messages. Called in the reader's thread, one at a time;
 * false and @errp end it. All mandatory.
 */
typedef struct ReturnReaderOps {
    bool (*pong)(void *opaque, uint32_t value, Error **errp);
    /* @error 0: the destination has everything. @text: why not, may be "" */
    bool (*shut)(void *opaque, uint32_t error, const char *text, Error **errp);
    /* @name: of a block of ours? not checked; nor are @start and @len */
    bool (*req_pages)(void *opaque, const char *name, uint64_t start,
                      uint32_t len, Error **errp);
    /* Take the bitmap off @r by return_reader_get_bitmap(). */
    bool (*recv_bitmap)(void *opaque, ReturnReader *r, const char *name,
                        Error **errp);
    bool (*resume_ack)(void *opaque, uint32_t value, Error **errp);
    bool (*switchover_ack)(void *opaque, Error **errp);
    /*
     * The thread ends: @err is why (owned by the callee), NULL: the channel
     * ended after a SHUT.
     */
    void (*ended)(void *opaque, Error *err);
} ReturnReaderOps;

/**
 * return_reader_new:
 * @ioc: (in) blocking; takes a reference. Nobody else reads it
 * @ops: (in) constant
 *
 * Start the thread.
 */
ReturnReader *return_reader_new(QIOChannel *ioc, const ReturnReaderOps *ops,
                                void *opaque);

/**
 * return_reader_free:
 *
 * Wait for the thread and free. It ends when the channel does, so shut that
 * down first unless a SHUT came. NULL is allowed. Thread: not its own.
 */
void return_reader_free(ReturnReader *r);

/** return_reader_reads: grows with all that comes. Thread: any. */
uint64_t return_reader_reads(const ReturnReader *r);

/**
 * return_reader_get_bitmap:
 * @pages: of the block the message named
 *
 * For ops.recv_bitmap, once: read what follows the message.
 *
 * Limit: the size on the wire must be that of @pages.
 * Returns: (transfer full) bitmap in the host's order for g_free(); NULL.
 */
unsigned long *return_reader_get_bitmap(ReturnReader *r, uint64_t pages,
                                        Error **errp);

#endif
