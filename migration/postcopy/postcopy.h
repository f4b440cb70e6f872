/*
 * Post-copy: the guest runs on the destination before its memory is there.
 *
 *   source                                destination
 *   ADVISE                       ------>  can this host do it? page sizes equal?
 *   pre-copy ...
 *   guest stopped, last sync
 *   DISCARD of what is dirty     ------>  pages become missing
 *   PACKAGED { LISTEN, devices,  ------>  faults are ours, a thread reads on
 *              PING 3, RUN }              here; devices are loaded
 *                                <------  PONG 3
 *   PING "commit"                ------>  the guest runs
 *   dirty pages, in order        ------>  placed
 *                                <------  REQ_PAGES of what the guest touches
 *   those pages, at once         ------>  placed first
 *   EOF                          ------>
 *                                <------  SHUT 0
 *
 * A requested page never waits for a hand-over between threads: the thread
 * that reads the return path sends it, by the urgent channel (capability
 * postcopy-preempt, or both agree upon one), else by the main one unless the
 * migration thread is just writing there, which then serves the request before
 * it goes on.
 *
 * PING "commit" is ours: up to then the source can take the guest back, whatever
 * breaks; a destination of another program runs at RUN already.
 *
 * When the connection breaks both sides are paused. After migrate-recover
 * (destination) and migrate resume=true (source) the destination says what it
 * has, that is the truth from then on, and it repeats its requests.
 *
 * Source: the documented QEMU migration stream; userfaultfd(2).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POSTCOPY_H
#define MIGRATION_POSTCOPY_H

#include "io/channel.h"
#include "migration/postcopy/times.h"
#include "migration/ram-block.h"
#include "migration/stream/stream-wire.h"
#include "util/error.h"

typedef struct MigrationIncoming MigrationIncoming;
typedef struct MigrationState MigrationState;
typedef struct QEMUFile QEMUFile;

/* -- both sides --------------------------------------------------------------- */

/**
 * postcopy_supported:
 * @blocks: (in) the guest's RAM
 *
 * Can this host serve missing pages of all of @blocks? For the check of
 * migrate-set-capabilities on a destination and for ADVISE.
 * Errors: no userfaultfd, or not allowed; a block of a kind that cannot.
 */
bool postcopy_supported(const RAMBlockList *blocks, Error **errp);

/**
 * postcopy_pause:
 *
 * migrate-pause: break the connection of a post-copy under way, either side's,
 * so that it can be recovered over another. Never blocks. Thread: any.
 * Errors: none is under way.
 */
bool postcopy_pause(MigrationState *ms, Error **errp);

/* -- source, all in the migration thread unless said otherwise ------------------ */

/** postcopy_source_setup: before savevm_setup() where the capability
 *  postcopy-ram is on: sends ADVISE, makes ms->postcopy. */
bool postcopy_source_setup(MigrationState *ms, Error **errp);

/** postcopy_source_check: about to switch, the guest still runs. Errors: post-copy
 *  would break at once. */
bool postcopy_source_check(MigrationState *ms, Error **errp);

/** postcopy_source_prepare: whatever else needs an answer; for a second at
 *  most. */
void postcopy_source_prepare(MigrationState *ms);

/** postcopy_source_cleanup: at every end, before return_path_stop(). */
void postcopy_source_cleanup(MigrationState *ms);

/**
 * postcopy_start:
 *
 * Guest stopped, disks given up: send everything the guest needs to run there.
 * On success the status is POSTCOPY_ACTIVE (from ACTIVE or DEVICE) and the
 * guest must never be started here again unless postcopy_run() says so.
 *
 * Returns: false = the guest cannot have started there: take it back.
 */
bool postcopy_start(MigrationState *ms, Error **errp);

typedef enum PostcopyResult {
    POSTCOPY_COMPLETED, /* the destination has everything; status is still
                           POSTCOPY_ACTIVE */
    POSTCOPY_ROLLBACK,  /* the destination could not load the devices and never
                           ran: take the guest back; @errp says why; status
                           POSTCOPY_ACTIVE */
    POSTCOPY_LOST, /* given up (the program ends): never run it here; @errp;
                           status as it was */
} PostcopyResult;

/**
 * postcopy_run:
 *
 * After postcopy_start(): the rest of memory, requests first. Breaks of the
 * connection are waited out here: status POSTCOPY_PAUSED, RECOVER, ACTIVE.
 */
PostcopyResult postcopy_run(MigrationState *ms, Error **errp);

/**
 * postcopy_source_resume:
 * @ioc: (in) new main channel, blocking, handshakes done, tracked; takes a
 *     reference
 *
 * `migrate resume=true`: status is POSTCOPY_RECOVER_SETUP; the migration thread
 * goes on with it. Thread: any but the migration thread.
 */
void postcopy_source_resume(MigrationState *ms, QIOChannel *ioc);

/** postcopy_source_quit: the program ends: postcopy_run() returns
 *  POSTCOPY_LOST soon. Thread: any. */
void postcopy_source_quit(MigrationState *ms);

/* -- destination ------------------------------------------------------------- */

/** postcopy_incoming_init: makes mis->postcopy, for every incoming migration:
 *  before the listener takes connections. */
void postcopy_incoming_init(MigrationIncoming *mis);

/* What the commands of the stream do. Thread: that which loads it. */
bool postcopy_incoming_advise(MigrationIncoming *mis, uint64_t page_sizes,
                              uint64_t target_page_size, Error **errp);
bool postcopy_incoming_discard(MigrationIncoming *mis, const char *block,
                               const StreamRange *ranges, size_t n,
                               Error **errp);
bool postcopy_incoming_listen(MigrationIncoming *mis, Error **errp);
bool postcopy_incoming_run(MigrationIncoming *mis, Error **errp);
bool postcopy_incoming_resume(MigrationIncoming *mis, Error **errp);
bool postcopy_incoming_recv_bitmap(MigrationIncoming *mis, const char *name,
                                   Error **errp);

/** postcopy_incoming_will_commit: the source is one that says when the guest may
 *  run, after it has heard that everything was loaded. */
void postcopy_incoming_will_commit(MigrationIncoming *mis);

/** postcopy_incoming_listening: LISTEN has come: mis->from_src_file belongs to
 *  the listen thread, which ends the migration by
 *  migration_incoming_postcopy_end(). Thread: any. */
bool postcopy_incoming_listening(const MigrationIncoming *mis);

/** postcopy_incoming_ran: RUN has come: the only guest is here. Thread: any. */
bool postcopy_incoming_ran(const MigrationIncoming *mis);

/**
 * postcopy_incoming_give_up:
 *
 * Of a paused post-copy whose guest was never given away: it is not waited for
 * any longer; the migration fails soon. Thread: main.
 * Returns: false: there is none.
 */
bool postcopy_incoming_give_up(MigrationIncoming *mis);

/**
 * postcopy_incoming_package_failed:
 * @err: (in) why; stays the caller's
 *
 * The package could not be loaded. If RUN has not come the source hears of it
 * and takes the guest back. Thread: the load thread, which ends then.
 */
void postcopy_incoming_package_failed(MigrationIncoming *mis, const Error *err);

/** postcopy_place: RAMIncomingOps.place; opaque is the MigrationIncoming.
 *  Thread: any that reads a channel. */
bool postcopy_place(void *opaque, RAMBlock *rb, uint64_t offset,
                    const void *page, Error **errp);

/** postcopy_preempt_channel: a channel for urgent pages has come; takes a
 *  reference. Thread: the listener's. */
void postcopy_preempt_channel(MigrationIncoming *mis, QIOChannel *ioc);

/** postcopy_urgent_channel: the same, where both sides have agreed upon it;
 *  @word: what it has brought. Errors: that is not the source's. */
bool postcopy_urgent_channel(MigrationIncoming *mis, QIOChannel *ioc,
                             uint32_t word, Error **errp);

/** postcopy_incoming_urgent_ping: PING @value has come. If it is about the
 *  channel of urgent pages, true: answer it by PONG @ret_answer. Thread: that
 *  which reads the stream. */
bool postcopy_incoming_urgent_ping(MigrationIncoming *mis, uint32_t value,
                                   uint32_t *ret_answer);

/** postcopy_incoming_urgent_used: PING MIGRATION_PING_URGENT_USED has come: from
 *  now on the end of that channel is a break. Errors: it has ended already. Thread:
 *  that which reads the stream. */
bool postcopy_incoming_urgent_used(MigrationIncoming *mis, Error **errp);

/** The error of migrate-recover where nothing can be recovered. */
#define POSTCOPY_NOT_PAUSED                                                    \
    "Migrate recover can only be run when postcopy is paused."

/**
 * postcopy_incoming_expect:
 *
 * migrate-recover: another connection is wanted. One that has come before, and
 * over which nothing is agreed yet, ends: the source may have given it up, which
 * is seen here later. Thread: any.
 * Errors: neither paused nor in a recovery.
 */
bool postcopy_incoming_expect(MigrationIncoming *mis, Error **errp);

/**
 * postcopy_incoming_recover:
 * @ioc: (in) new main channel, blocking; takes a reference
 * @prefill: (in) its first @len bytes, read already
 *
 * After migrate-recover; status POSTCOPY_PAUSED. Thread: the listener's.
 * Returns: false = nobody waits for it (anymore).
 */
bool postcopy_incoming_recover(MigrationIncoming *mis, QIOChannel *ioc,
                               const void *prefill, size_t len, Error **errp);

/** postcopy_incoming_quit: the program ends: threads end soon, and the
 *  migration with an error. Missing pages stay missing. Thread: any. */
void postcopy_incoming_quit(MigrationIncoming *mis);

/** postcopy_incoming_close: the migration has ended: no channel is taken any
 *  more, an urgent one that post-copy did not begin to read is closed. Waits for
 *  its thread. Before mis->to_src goes. */
void postcopy_incoming_close(MigrationIncoming *mis);

/** postcopy_incoming_free: mis->postcopy; waits for its threads, which have
 *  ended or been told to. Pages still missing become zeros, so CPUs must have
 *  been told to stop. NULL is allowed. */
void postcopy_incoming_free(MigrationIncoming *mis);

/**
 * postcopy_incoming_times:
 * @ret: (out) caller frees by postcopy_times_report_clear()
 *
 * Blocktime and latencies, also after the end. Thread: any.
 * Returns: false = there was no post-copy.
 */
bool postcopy_incoming_times(const MigrationIncoming *mis,
                             PostcopyTimesReport *ret);

#endif
