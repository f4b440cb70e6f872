/*
 * What the files of post-copy's destination side share.
 *
 *   postcopy/incoming.c          commands of the stream
 *   postcopy/incoming-memory.c   what is missing: discards, faults, placing
 *   postcopy/listen.c            the thread that reads; pause and recovery
 *   postcopy/urgent-incoming.c   the channel of requested pages
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POSTCOPY_INCOMING_H
#define MIGRATION_POSTCOPY_INCOMING_H

#include "migration/migration-internal.h"
#include "migration/postcopy/faults.h"
#include "migration/postcopy/limit.h"
#include "migration/postcopy/thread.h"
#include "migration/postcopy/times.h"
#include "migration/ram/near.h"

/* The most that a listener reads of a channel before it knows what it is. */
#define POSTCOPY_PREFILL_MAX 64

typedef enum UrgentState {
    URGENT_NONE,    /* no channel */
    URGENT_READING, /* its thread runs, or waits for LISTEN */
    URGENT_ENDED,   /* its thread has ended, and has to be joined */
} UrgentState;

struct PostcopyIncoming {
    MigrationIncoming *mis;
    const RAMBlockList *blocks;
    SaveVMRegistry *registry;

    /* The load thread's. */
    bool advised;
    bool memory;   /* follows the guest, not only dirty bitmaps */
    bool discards; /* a discard has come: blocks are prepared */

    bool listening; /* atomic */
    PostcopyFaults *faults;
    PostcopyTimes *times; /* kept after the end */

    QemuMutex lock; /* guards all below */
    QemuCond cond;
    bool will_commit;     /* RUN waits for the source's commit */
    bool committed;       /* which has come */
    bool ran;             /* RUN was carried out */
    Error *package_error; /* the package could not be loaded; owned */
    bool paused;          /* no connection */
    bool quit;            /* the program ends */
    bool over;            /* nothing more is read, or taken */
    bool listen_done;     /* and does not look in here any more */

    bool wanted; /* a connection may come: it is paused, or migrate-recover asks
                    for one in place of that which it has just got */
    /* From postcopy_incoming_recover(). */
    QIOChannel *next_ioc; /* reference; then none is wanted */
    uint8_t prefill[POSTCOPY_PREFILL_MAX];
    size_t prefill_len;

    PostcopyLimit *limit; /* of a recovery's silence; the listen thread's */
    uint64_t heard;       /* commands that came; atomic, the same writes */

    bool from_here;          /* the source is on this host */
    NearPin near;            /* of the listen thread; its own */
    unsigned bulk_cpu;       /* where that is, or NEAR_ANYWHERE */
    int fault_tid;           /* the thread that hears of faults; 0: not known */
    PostcopyAway fault_away; /* the same, from there */
    int urgent_tid;          /* 0: not known */

    bool urgent_asked;      /* the next PING is its word */
    uint32_t urgent_word;   /* what it will bring, once, while this main channel
                               lasts; 0: not agreed upon */
    bool urgent_used;       /* the source says that pages will come on it */
    QIOChannel *urgent_ioc; /* reference; tracked */
    UrgentState urgent;
    QemuThread urgent_thread;
    bool urgent_complete; /* its EOS has come */
    Error *urgent_error;  /* owned */
};

/** postcopy_incoming_is_ours: has the guest run here, or may it? With the
 *  lock. */
static inline bool postcopy_incoming_is_ours(const PostcopyIncoming *pi)
{
    return !pi->will_commit || pi->committed || pi->ran;
}

/** postcopy_incoming_step: trace how far the switch is. Thread: any. */
void postcopy_incoming_step(const char *step);

/** postcopy_incoming_watch: pages may be missing from now on: they are asked for
 *  and placed. Thread: the load thread. */
bool postcopy_incoming_watch(PostcopyIncoming *pi, Error **errp);

/** postcopy_incoming_taken_back: the source says that the guest goes on there.
 *  Thread: the listen thread. */
bool postcopy_incoming_taken_back(PostcopyIncoming *pi, Error **errp);

/** postcopy_incoming_commit: the source's commit has come, maybe once more.
 *  Thread: the listen thread. */
bool postcopy_incoming_commit(PostcopyIncoming *pi, Error **errp);

/* postcopy/urgent-incoming.c; all with the lock but for the stop */

/** postcopy_urgent_is_wanted: pages will come on a channel of their own. */
bool postcopy_urgent_is_wanted(const PostcopyIncoming *pi);
/** postcopy_urgent_awaited: its end, or the channel itself, may still come. */
bool postcopy_urgent_awaited(const PostcopyIncoming *pi);
/** postcopy_urgent_is_over: it has brought all that it was to bring. */
bool postcopy_urgent_is_over(const PostcopyIncoming *pi);
/** postcopy_urgent_stop: there is none when this returns. Thread: the listen
 *  thread, or where there is none. */
void postcopy_urgent_stop(PostcopyIncoming *pi);

/** postcopy_listen_start: the listen thread; that of an urgent channel which is
 *  there goes on. */
void postcopy_listen_start(PostcopyIncoming *pi);

#endif
