/*
 * The return path: the way back from the destination to the source over the
 * main channel, or to the thread that answers page faults.
 *
 * On the source ReturnPath is a thread that reads messages and hands them to
 * functions. On the destination ReturnSender writes them; several threads do
 * (faults, load of the stream, listen of post-copy).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RETURN_PATH_H
#define MIGRATION_RETURN_PATH_H

#include "io/channel.h"
#include "migration/ram-block.h"
#include "util/error.h"

typedef struct MigrationState MigrationState;
typedef struct ReturnPath ReturnPath;
typedef struct ReturnSender ReturnSender;

/* -- the reader (source) --------------------------------------------------- */

/*
 * What is done with messages. Called in the reader's thread, one at a time;
 * false and @errp end it. All mandatory.
 */
typedef struct ReturnPathOps {
    bool (*pong)(void *opaque, uint32_t value, Error **errp);
    /* @error 0: the destination has everything. @text: why not, may be "" */
    bool (*shut)(void *opaque, uint32_t error, const char *text, Error **errp);
    /* @name: of a block of ours? not checked; nor are @start and @len */
    bool (*req_pages)(void *opaque, const char *name, uint64_t start,
                      uint32_t len, Error **errp);
    /* Take the bitmap off @rp by return_path_get_bitmap(). */
    bool (*recv_bitmap)(void *opaque, ReturnPath *rp, const char *name,
                        Error **errp);
    bool (*resume_ack)(void *opaque, uint32_t value, Error **errp);
    bool (*switchover_ack)(void *opaque, Error **errp);
    /*
     * The thread ends: @err is why (owned by the callee), NULL: the channel
     * ended after a SHUT.
     */
    void (*ended)(void *opaque, Error *err);
} ReturnPathOps;

/**
 * return_path_new:
 * @ioc: (in) blocking; takes a reference. Nobody else reads it
 * @ops: (in) constant
 *
 * Start the thread.
 */
ReturnPath *return_path_new(QIOChannel *ioc, const ReturnPathOps *ops,
                            void *opaque);

/**
 * return_path_free:
 *
 * Wait for the thread and free. It ends when the channel does, so shut that
 * down first unless a SHUT came. NULL is allowed. Thread: not its own.
 */
void return_path_free(ReturnPath *rp);

/**
 * return_path_get_bitmap:
 * @pages: of the block the message named
 *
 * For ops.recv_bitmap, once: read what follows the message.
 *
 * Limit: the size on the wire must be that of @pages.
 * Returns: (transfer full) bitmap in the host's order for g_free(); NULL.
 */
unsigned long *return_path_get_bitmap(ReturnPath *rp, uint64_t pages,
                                      Error **errp);

/* -- the reader in a migration ------------------------------------------------ */

/**
 * return_path_start:
 *
 * ms->return_path reads ms->to_dst. SWITCHOVER_ACK sets
 * ms->switchover_acked; a SHUT with an error, or the channel's end before one,
 * is migration_fail() unless post-copy has begun. Thread: the migration thread.
 */
bool return_path_start(MigrationState *ms, Error **errp);

/**
 * return_path_wait_shut:
 *
 * The stream has been sent to its end: wait for the destination's word. Without
 * a return path returns true at once.
 *
 * Returns: true = it has everything and may run the guest; false = it has
 * failed, or @ms is being cancelled, or the channel broke.
 */
bool return_path_wait_shut(MigrationState *ms, Error **errp);

/** return_path_stop: at every end; waits for the thread. Idempotent. */
void return_path_stop(MigrationState *ms);

/* -- the writer (destination) ---------------------------------------------- */

/**
 * return_sender_new:
 * @ioc: (in) blocking; takes a reference
 *
 * All of the functions below may be called by any thread, and with NULL,
 * which fails (pong, shut, ...: silently true, there is no return path).
 */
ReturnSender *return_sender_new(QIOChannel *ioc);
/** return_sender_free: NULL is allowed. */
void return_sender_free(ReturnSender *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReturnSender, return_sender_free)

/** return_sender_replace: from now on to @ioc; NULL: nothing is sent and every
 *  call fails until the next replacement. */
void return_sender_replace(ReturnSender *s, QIOChannel *ioc);

bool return_sender_pong(ReturnSender *s, uint32_t value, Error **errp);
/** return_sender_shut: @text (nullable) goes with an error, cut to fit. */
bool return_sender_shut(ReturnSender *s, uint32_t error, const char *text,
                        Error **errp);
bool return_sender_switchover_ack(ReturnSender *s, Error **errp);
bool return_sender_resume_ack(ReturnSender *s, Error **errp);

/** return_sender_req_pages: @len bytes at @start; the block is named when it
 *  is not that of the request before. */
bool return_sender_req_pages(ReturnSender *s, RAMBlock *rb, uint64_t start,
                             uint32_t len, Error **errp);

/** return_sender_recv_bitmap: the message and @bitmap of ram_block_pages(). */
bool return_sender_recv_bitmap(ReturnSender *s, RAMBlock *rb,
                               const unsigned long *bitmap, Error **errp);

#endif
