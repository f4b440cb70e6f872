/*
 * The incoming migration, shared by incoming*.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_INCOMING_INTERNAL_H
#define MIGRATION_INCOMING_INTERNAL_H

#include "migration/incoming/listener.h"
#include "migration/migration-internal.h"
#include "migration/ram/near.h"
#include "migration/transport/transport.h"
#include "util/timer.h"

/* One stream that may be the source's. */
typedef struct Candidate {
    MigrationIncoming *mis;
    QIOChannel *ioc; /* owned reference; tracked */
    QEMUFile *f;     /* owned until it is accepted */
    int64_t deadline_ms;
    bool accepted;
    bool differs; /* a source, but not of a guest that fits here */
} Candidate;

struct IncomingRun {
    MigrationTarget *source; /* owned */
    GQueue candidates;       /* Candidate *, oldest first; under ms->lock */
    int threads;             /* atomic: reasons not to free this yet */
    bool left;               /* atomic: the load thread left post-copy to
                                others and touches nothing any more */
    bool closing;            /* atomic: the program ends */
    bool will_commit;        /* the source said so */
    bool near;               /* it is on this host, see ram/near.h */
    NearPin near_pin;        /* of the thread that loads */
    bool in_doubt;           /* all is here, the commit is not; ms->lock */
    bool was_in_doubt;       /* so the source may have to ask */
    bool committed;          /* atomic: the guest is ours */
    bool heard;              /* the source knows that */
    QEMUTimer *linger;       /* the listener's last moments; or NULL */
};

/**
 * incoming_load:
 * @c: (in) candidate; accepted when its configuration fits
 *
 * Read its stream, up to a guest that runs here. Thread: the candidate's.
 * Returns: does this thread still own the migration? If so, @errp tells
 * whether it failed.
 */
bool incoming_load(Candidate *c, Error **errp);

/** incoming_candidate_start: a thread reads @ioc, of which @len bytes were
 * read already. Takes a reference. Thread: any. */
void incoming_candidate_start(MigrationIncoming *mis, QIOChannel *ioc,
                              const uint8_t *prefill, size_t len);

/** incoming_secure: the TLS channel to be made on @ioc, if any. */
bool incoming_secure(void *opaque, QIOChannel *ioc, QIOChannel **ret_tls,
                     Error **errp);

/* What the listener calls; opaque is the MigrationIncoming. */
extern const ListenerOps incoming_listener_ops;

/* incoming/end.c */

/** incoming_end: @err: (in) NULL: all is well; owned by this call. */
void incoming_end(MigrationIncoming *mis, Error *err);
/** incoming_note_error: the first one counts; owned by this call. Thread: any. */
void incoming_note_error(MigrationIncoming *mis, Error *err);
/** incoming_listener_end: nobody is let in any more. @opaque: the
 *  MigrationIncoming. Thread: not the listener's. */
void incoming_listener_end(void *opaque);
/** incoming_cleanup: all that the course had goes, but for post-copy's state. More
 *  than once is allowed. */
void incoming_cleanup(MigrationIncoming *mis);

#endif
