/*
 * The return path of an outgoing migration: what the destination has said, and
 * who waits for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RETURN_PATH_H
#define MIGRATION_RETURN_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct MigrationState MigrationState;

/* Values of PING and their places in the stream. */
enum {
    RETURN_PING_OPEN = 1,    /* the return path works */
    RETURN_PING_DISCARD = 2, /* post-copy: what is dirty was discarded */
    RETURN_PING_DEVICES = 3, /* in the package: the guest is about to run */
    RETURN_PING_PACKAGE = 4, /* behind the package */
    RETURN_PING_SETUP = 5,   /* before the first page: all fits so far */
};

/**
 * return_path_start:
 *
 * ms->return_path reads ms->to_dst. SWITCHOVER_ACK sets
 * ms->switchover_acked; a SHUT with an error, or the channel's end before one,
 * is migration_fail() unless post-copy has begun. Thread: the migration thread.
 */
bool return_path_start(MigrationState *ms, Error **errp);

/** return_path_stop: at every end, and before a new start; ms->to_dst has been
 *  shut down, or a SHUT came. Waits for the thread. Idempotent. */
void return_path_stop(MigrationState *ms);

/**
 * return_path_wait_shut:
 *
 * The stream has been sent to its end: wait for the destination's word. Without
 * a return path returns true at once. Thread: the migration thread.
 *
 * Returns: true = it has everything and may run the guest; false = it has
 * failed, or @ms is being cancelled, or the channel broke.
 */
bool return_path_wait_shut(MigrationState *ms, Error **errp);

/** return_path_wait_pong: until PONG @value (0..31), for at most @limit_ms;
 *  false as above, or the time is over. */
bool return_path_wait_pong(MigrationState *ms, uint32_t value,
                           uint64_t limit_ms, Error **errp);

/** return_path_wait_known: until the destination has said whether it waits for
 *  the commit, for at most 30 s. */
bool return_path_wait_known(MigrationState *ms, Error **errp);

/** return_path_wait_urgent_ok: until the destination has said whether urgent
 *  pages may have a channel, for at most @limit_ms. Returns: they may. */
bool return_path_wait_urgent_ok(MigrationState *ms, uint64_t limit_ms);

/** return_path_wait_urgent_there: until it has said that the channel has come,
 *  for at most @limit_ms. Returns: it has said so on this path. */
bool return_path_wait_urgent_there(MigrationState *ms, uint64_t limit_ms);

/** return_path_wait_ended: until nothing more comes on it, for at most
 *  @limit_ms. Returns: it has ended. */
bool return_path_wait_ended(MigrationState *ms, uint64_t limit_ms);

/** return_path_reads: grows with all that comes. Thread: any, between
 *  return_path_start() and return_path_stop(). */
uint64_t return_path_reads(MigrationState *ms);

/** return_path_commits: does the destination wait for the commit? See
 *  return_path_wait_known(). Thread: any. */
bool return_path_commits(MigrationState *ms);

/** return_path_near: has the destination said NEAR_PONG, and not NEAR_PONG_FAR?
 *  Thread: any. */
bool return_path_near(MigrationState *ms);

/** return_path_guest_runs: has the destination said that the guest runs there?
 *  One that does not wait for a commit (@commits is false; after a recovery
 *  this path has not heard of it): that it is about to. Thread: any. */
bool return_path_guest_runs(MigrationState *ms, bool commits);

/** return_path_refused: did it say SHUT with an error? Then @errp is that. */
bool return_path_refused(MigrationState *ms, Error **errp);

/** return_path_wait_bitmaps: until @n bitmaps have come since the start. */
bool return_path_wait_bitmaps(MigrationState *ms, unsigned n, Error **errp);

/** return_path_wait_resume_ack: until RESUME_ACK. */
bool return_path_wait_resume_ack(MigrationState *ms, Error **errp);

#endif
