/*
 * Mode cpr-transfer: the guest moves to another process on this host, which
 * gets its memory by descriptors. Nothing of it is copied.
 *
 *   source                                  destination
 *   channel cpr: blocks, descriptors  --->  fit the RAM blocks here?
 *                                     <---  yes
 *   main channel: configuration with
 *   the same token                    --->  the memory is mapped in place of
 *                                           the destination's own
 *   what is not shared, devices, the commit: as in any migration
 *   its mapping goes
 *
 * Until the commit the guest may go on at the source; so a destination that
 * fails maps its own memory again. From the commit on the source must not write
 * it: it gives the mapping up.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_CPR_H
#define MIGRATION_CPR_H

#include "migration/cpr/wire.h"
#include "migration/migration-internal.h"
#include "migration/stream/config-section.h"

/** cpr_block_is_passed: is @rb handed over, not copied? */
static inline bool cpr_block_is_passed(const RAMBlock *rb)
{
    return rb->fd >= 0 && (rb->flags & RAM_BLOCK_SHARED) && rb->used_length;
}

/* -- source ------------------------------------------------------------------ */

/** cpr_source_check: can the guest of @ms go that way? Before `migrate`
 *  replies. Errors: memory that cannot be passed; a capability that does not go
 *  with it. */
bool cpr_source_check(MigrationState *ms, Error **errp);

/** cpr_source_pass: hand the memory over and wait for the answer. Sets
 *  ms->cpr_token. Thread: the migration thread. */
bool cpr_source_pass(MigrationState *ms, Error **errp);

/** cpr_source_abandon: the guest runs there: its memory is not mapped here any
 *  more. */
void cpr_source_abandon(MigrationState *ms);

/* -- destination --------------------------------------------------------------- */

/** cpr_incoming_expect: a source without passed memory is not wanted. */
void cpr_incoming_expect(MigrationIncoming *mis);

/** cpr_incoming_listen: wait for descriptors at @addr; cpr_incoming_end() also
 *  after a failure. */
bool cpr_incoming_listen(MigrationIncoming *mis, SocketAddress *addr,
                         Error **errp);

/** cpr_incoming_fits: was the memory of the source that sent @theirs passed (or
 *  none, where none is expected)? Thread: any. */
bool cpr_incoming_fits(MigrationIncoming *mis, const ConfigSection *theirs,
                       Error **errp);

/** cpr_incoming_adopt: map what was passed by the source that sent @theirs and
 *  was let in. Thread: the load thread's. */
bool cpr_incoming_adopt(MigrationIncoming *mis, const ConfigSection *theirs,
                        Error **errp);

/** cpr_incoming_end: listens no more. @keep: the guest is ours, so is its
 *  memory; else this process's own is mapped again. */
void cpr_incoming_end(MigrationIncoming *mis, bool keep);

#endif
