/*
 * The writer of the return path: what the destination tells the source. Any
 * of its threads may.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RETURN_SENDER_H
#define MIGRATION_RETURN_SENDER_H

#include "io/channel.h"
#include "migration/ram-block.h"
#include "util/error.h"

typedef struct ReturnSender ReturnSender;

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

/** return_sender_writes: grows with all that the channel has taken. NULL is
 *  allowed. Thread: any. */
uint64_t return_sender_writes(const ReturnSender *s);

#endif
