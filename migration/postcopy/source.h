/*
 * What the files of post-copy's source side share.
 *
 *   postcopy/source.c   setup, discards, the package
 *   postcopy/send.c     pages: the background's and requested ones
 *   postcopy/urgent.c   the channel of requested pages
 *   postcopy/watch.c    is the other end there?
 *   postcopy/recovery.c          a broken connection and the next one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POSTCOPY_SOURCE_H
#define MIGRATION_POSTCOPY_SOURCE_H

#include "migration/migration-internal.h"
#include "migration/postcopy/thread.h"
#include "migration/postcopy/watch.h"
#include "migration/qemu-file.h"
#include "migration/ram/near.h"
#include "migration/ram/ram.h"
#include "migration/stream/savevm.h"

struct PostcopySource {
    MigrationState *ms;
    RAMSource *ram;              /* ms->ram, from postcopy_start() on */
    SaveVMRegistry *registry;    /* the machine's */
    const SaveStateEntry *entry; /* section "ram" */

    bool memory;  /* follows the guest, not only dirty bitmaps */
    bool active;  /* atomic: requests may come */
    bool commits; /* the destination waits for the commit */
    bool runs;    /* it has said that the guest runs there */

    /*
     * Guards ms->to_dst_file and its RAM writer from postcopy_run() on. Held
     * for one batch of pages. Whoever holds it serves @urgent before it
     * lets go.
     */
    QemuMutex send_lock;
    bool urgent; /* atomic: requests wait for the holder of @send_lock */
    PostcopyCarrier carrier; /* the migration thread */
    NearPin near;            /* the same; its own */
    unsigned bulk_cpu;       /* atomic: where it is pinned, or NEAR_ANYWHERE */
    unsigned avoided_cpu;    /* by the return path's thread; its own */
    bool finished; /* under @send_lock: EOF was sent, or the channel broke */

    PostcopyWatch *watch; /* of the connections that are used; or NULL */

    uint32_t urgent_word; /* what it brings, if this connection's offer is
                             taken up; 0: none was made */
    bool urgent_given_up; /* none will be any more */
    /* Urgent channel; NULL: none. Only the thread of the
     * return path writes, but for its end: under @urgent_lock. */
    QemuMutex urgent_lock;
    QIOChannel *urgent_ioc;
    QEMUFile *urgent_file;
    RAMWriter *urgent_writer;

    QemuMutex lock; /* guards what follows; a leaf */
    QemuCond cond;
    QIOChannel *resume_ioc; /* from postcopy_source_resume(); reference */
    bool quit;
};

/* postcopy/source.c */

/** postcopy_commit: the guest may run there; again after each recovery until
 *  that was heard. What fails is seen by who sends next. */
void postcopy_commit(PostcopySource *ps);

/* postcopy/send.c */

/** postcopy_send_rest: all pages that are dirty, and the end of the stream.
 *  False: a channel broke. */
bool postcopy_send_rest(PostcopySource *ps, Error **errp);
/** postcopy_send_apart: the migration thread goes anywhere again. */
void postcopy_send_apart(PostcopySource *ps);

/**
 * postcopy_source_request:
 * @name, @start, @len: off the wire
 *
 * The destination waits for pages: send them now. Thread: the return path's.
 * Errors: no such block or pages; a channel broke.
 */
bool postcopy_source_request(MigrationState *ms, const char *name,
                             uint64_t start, uint32_t len, Error **errp);

/* postcopy/urgent.c, in the migration thread */

/** postcopy_urgent_offer: ask whether there may be a channel, where the
 *  capability is off; on each connection. */
void postcopy_urgent_offer(PostcopySource *ps);
/** postcopy_urgent_open: connect, where the capability is on; long before the
 *  guest stops, and in each recovery. */
bool postcopy_urgent_open(PostcopySource *ps, Error **errp);
/** postcopy_urgent_try: connect, where it was agreed upon; the same. Without
 *  success there is none. */
void postcopy_urgent_try(PostcopySource *ps);
/** postcopy_urgent_check: Errors: the capability's channel has broken already.
 *  Does not wait. */
bool postcopy_urgent_check(const PostcopySource *ps, Error **errp);
/** postcopy_urgent_attach: from now on it carries pages; if there is one. One
 *  that nobody insists on is dropped if it has broken meanwhile. Errors: as
 *  postcopy_urgent_check(). */
bool postcopy_urgent_attach(PostcopySource *ps, Error **errp);
/** postcopy_urgent_finish: its records end, for which the destination waits; if
 *  there is one. */
bool postcopy_urgent_finish(PostcopySource *ps, Error **errp);
/** postcopy_urgent_close: accepts that there is none. */
void postcopy_urgent_close(PostcopySource *ps);
/** postcopy_urgent_shutdown: its connection ends; a writer in it fails. Thread:
 *  any. */
void postcopy_urgent_shutdown(PostcopySource *ps);

/* postcopy/recovery.c */

/** recovery_wait: the connection is broken (@why, consumed): pause, and wait
 *  until there is another and both sides agree what is missing. False: quit. */
bool recovery_wait(PostcopySource *ps, Error *why);

/**
 * recovery_bitmap: the destination has sent a RECV_BITMAP message for @name: it
 * follows on @r. Thread: the return path's.
 */
typedef struct ReturnReader ReturnReader;
bool recovery_bitmap(MigrationState *ms, ReturnReader *r, const char *name,
                     Error **errp);

#endif
