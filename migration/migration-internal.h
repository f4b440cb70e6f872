/*
 * The state of migration, shared by the files of this folder.
 *
 * Each part (RAM, multifd, post-copy, policy) hangs its own object here: it
 * makes it when a migration starts, frees it when that ends, and nobody else
 * looks inside.
 *
 * Threads of an outgoing migration: the migration thread connects, saves,
 * switches over; multifd channels have theirs; the return path one reads what
 * the destination says. Of an incoming one: the listener (accepts, TLS
 * handshakes, first bytes; its own loop), the load thread (main channel),
 * channels' threads, and for post-copy those of postcopy.c. The main loop only
 * starts, cancels and cleans up; it never waits for a peer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_MIGRATION_INTERNAL_H
#define MIGRATION_MIGRATION_INTERNAL_H

#include "io/channel.h"
#include "migration/bitmap/bitmaps.h"
#include "migration/migration.h"
#include "migration/params.h"
#include "migration/ram/incoming.h"
#include "migration/ram/ram.h"
#include "migration/stats.h"
#include "util/thread.h"
#include "util/uuid.h"

typedef struct CprIncoming CprIncoming;
typedef struct FileRAMReader FileRAMReader;
typedef struct FileRAMWriter FileRAMWriter;
typedef struct IncomingRun IncomingRun;
typedef struct MigrationBlockers MigrationBlockers;
typedef struct MigrationPolicy MigrationPolicy;
typedef struct MigrationRun MigrationRun;
typedef struct MultiFDRecv MultiFDRecv;
typedef struct MultiFDSend MultiFDSend;
typedef struct Pacer Pacer;
typedef struct QEMUFile QEMUFile;
typedef struct RAMSource RAMSource;
typedef struct ReturnPath ReturnPath;
typedef struct ReturnSender ReturnSender;
typedef struct PostcopySource PostcopySource;
typedef struct PostcopyIncoming PostcopyIncoming;
typedef struct MigrationTarget MigrationTarget;
typedef struct MigrationIncoming MigrationIncoming;
typedef struct MigrationListener MigrationListener;

/* -- status --------------------------------------------------------------- */

/*
 * Where one side's course stands. Moves are atomic; who moves to an end
 * (completed, failed, cancelled) first has decided it.
 */
typedef struct MigrationCourse {
    int status;               /* atomic, MigrationStatus */
    bool incoming;            /* for traces */
    const MigrationState *ms; /* for the capability "events" */
} MigrationCourse;

static inline MigrationStatus migration_status(const MigrationCourse *c)
{
    return (MigrationStatus)qatomic_load_acquire(&c->status);
}

/**
 * migration_may_move: is @from -> @to in the table of edges (status.c)?
 */
bool migration_may_move(MigrationStatus from, MigrationStatus to);

/**
 * migration_move:
 * @from: where the course should be; the edge must be in the table (asserted:
 *     both are constants of the program)
 *
 * Move to @to if the course is at @from, trace it and emit MIGRATION where
 * the capability "events" is on. Thread: any.
 * Returns: false: it was elsewhere, nothing happened.
 */
bool migration_move(MigrationCourse *c, MigrationStatus from,
                    MigrationStatus to);

/** migration_status_is_end: completed, failed or cancelled? */
bool migration_status_is_end(MigrationStatus status);
/** migration_status_is_running: neither none nor an end. */
bool migration_status_is_running(MigrationStatus status);
/** migration_status_is_postcopy: does the guest run, or wait, on the
 * destination while its memory is not all there? */
bool migration_status_is_postcopy(MigrationStatus status);
/** migration_status_may_recover: does a destination take a connection to recover
 * over? */
bool migration_status_may_recover(MigrationStatus status);

/* -- the source -------------------------------------------------------------- */

/* What slowing the guest down costs and brings (source/throttle.c). Written by
 * the migration thread, atomic. */
typedef struct MigrationThrottling {
    bool counts;
    bool ended;
    bool has_before;
    bool has_after;
    unsigned percent_most; /* of auto-converge */
    uint64_t begin_ns;     /* vCPUs had slept so long before, together */
    uint64_t slept_ns;     /* in this migration, at its end */
    uint64_t round_ns;     /* most that one slept in the last pass */
    uint64_t rate_before;  /* bytes/s that the guest dirtied, unhindered */
    uint64_t rate_after;   /* in the last pass in which it was slowed down */
} MigrationThrottling;

struct MigrationState {
    Object parent;

    const MigrationProgram *program; /* constant */
    void *program_opaque;
    const MigrationHost *host; /* constant; NULL before the machine is there */
    void *host_opaque;

    /*
     * Guards strings of @params, @error, @channels, @blockers, @target. A
     * leaf: nothing but yank and trace is called with it held.
     */
    QemuMutex lock;
    MigrationParams params;               /* see params.h */
    bool caps[MIGRATION_CAPABILITY__MAX]; /* atomic */

    MigrationCourse course; /* the outgoing migration's */
    Error *error;           /* why it failed; the first one counts; owned */
    GPtrArray *channels;    /* open QIOChannels, for cancel and yank; refs */
    bool failed;            /* atomic: migration_fail() was called */
    bool cancelled;         /* atomic: migrate_cancel was asked for */
    bool interrupted;       /* atomic: channels were shut down on purpose */
    bool asking;            /* atomic: who runs the guest? A failure and an
                               interruption do not end connections for that */
    QemuSemaphore wake;     /* posted when something the migration thread may
                               wait for happened: continue, cancel, start of
                               post-copy, an error of the return path, ack */

    MigrationTarget *target; /* where to; owned (transport/transport.h) */
    QEMUFile *to_dst_file;   /* main channel; the migration thread's */
    QIOChannel *to_dst;      /* below @to_dst_file; reference */
    bool start_postcopy;     /* atomic: migrate-start-postcopy */
    bool switchover_acked;   /* atomic: RP message SWITCHOVER_ACK (7) */
    bool continued;          /* atomic: migrate-continue */
    bool in_snapshot;        /* atomic: see migration/snapshot.h */
    bool memory_gone;        /* atomic: cpr-transfer: it went with the guest */
    QemuUUID cpr_token;      /* the migration thread's */
    uint32_t last_pong;      /* atomic: value of the last RP message PONG */

    /* Times, CLOCK_MONOTONIC ns; 0 = not yet. Written by the migration
     * thread, atomic. */
    int64_t start_ns;     /* migrate */
    int64_t setup_end_ns; /* first pass began */
    int64_t stop_ns;      /* the guest was stopped for the switchover */
    int64_t end_ns;       /* the course came to an end */
    int64_t downtime_ns;  /* measured, when completed */
    int64_t expected_downtime_ns;
    MigrationThrottling throttling;

    /* Parts; see above. */
    MigrationStats stats;     /* reset at each start */
    Pacer *pacer;             /* for ever */
    RAMMigration ram_section; /* opaque of the section "ram" */
    RAMSource *ram;
    BitmapMigration bitmap_section; /* of "dirty-bitmap", the same */
    BitmapStats bitmap_stats;       /* of the source */
    MultiFDSend *multifd;
    FileRAMWriter *file_ram;
    ReturnPath *return_path;
    PostcopySource *postcopy;
    MigrationPolicy *policy;

    MigrationIncoming *incoming; /* NULL unless this is a destination */

    MigrationRun *run;           /* source/source.c's own; or NULL */
    MigrationBlockers *blockers; /* blocker.c's own */
};

/**
 * migration_fail:
 * @err: (in) owned by this call
 *
 * Note why the outgoing migration cannot go on (the first one counts) and
 * wake the migration thread, which ends it. Does not itself change the
 * status. Thread: any.
 */
void migration_fail(MigrationState *ms, Error *err);

/** migration_has_failed: was migration_fail() called or is it being
 * cancelled? For loops of channels' threads. */
bool migration_has_failed(const MigrationState *ms);

/** migration_wants_channels: may connections still be made? */
bool migration_wants_channels(const MigrationState *ms);

/** migration_wake: make the migration thread look again. Thread: any. */
void migration_wake(MigrationState *ms);

/* -- connections ------------------------------------------------------------- */

typedef enum MigrationChannelKind {
    MIGRATION_CHANNEL_MAIN_STREAM,
    MIGRATION_CHANNEL_MULTIFD,
    MIGRATION_CHANNEL_PREEMPT, /* urgent pages of post-copy */
    MIGRATION_CHANNEL_ASK,     /* who runs the guest? see source/doubt.c */
} MigrationChannelKind;

/* The first bytes of a channel tell what it is (big-endian). */
#define MIGRATION_MAGIC_MAIN    0x5145564du /* "QEVM" */
#define MIGRATION_MAGIC_MULTIFD 0x11223344u
/* Ours: sent by migration_channel_open() before anything else. */
#define MIGRATION_MAGIC_PREEMPT 0x46505245u /* "FPRE" */
#define MIGRATION_MAGIC_URGENT  0x46555247u /* "FURG", be32 word */
#define MIGRATION_MAGIC_ASK     0x4641534bu /* "FASK" */
#define MIGRATION_MAGIC_CPR     0x46435052u /* "FCPR"; see cpr/wire.h */

/* The answer to MIGRATION_MAGIC_ASK: one byte; an end of stream: ask again. */
#define MIGRATION_ASK_RUNS   'Y'
#define MIGRATION_ASK_ABSENT 'N'

/* Handshake of a multifd channel (interface.md 4.5). */
#define MULTIFD_INIT_LEN 64
/* First bytes of a channel of MIGRATION_MAGIC_URGENT. */
#define URGENT_INIT_LEN 8

/**
 * migration_channel_open:
 * @kind: MULTIFD or PREEMPT: one more connection to where the main one goes
 * @errp: (out)
 *
 * Connect and do the TLS handshake, waiting for both (each has a time limit);
 * migrate_cancel and yank end the wait. The channel is blocking and known to
 * cancel and yank until migration_channel_close(). For MULTIFD over file: it
 * is the file once more.
 *
 * Thread: any but main; several at once.
 * Returns: (transfer full) the channel; NULL = error.
 */
QIOChannel *migration_channel_open(MigrationState *ms,
                                   MigrationChannelKind kind, Error **errp);

/** migration_channel_open_within: the same where the main connection is a
 *  socket, for a kind that says itself what it is; all of it in @limit_ms. */
QIOChannel *migration_channel_open_within(MigrationState *ms, unsigned limit_ms,
                                          Error **errp);

/** migration_channel_close: forget, close and unref @ioc; accepts NULL. */
void migration_channel_close(MigrationState *ms, QIOChannel *ioc);

/** migration_channel_track / untrack: make @ioc known to cancel and yank.
 * Both sides. Thread: any. */
void migration_channel_track(MigrationState *ms, QIOChannel *ioc);
void migration_channel_untrack(MigrationState *ms, QIOChannel *ioc);

/* -- the destination ------------------------------------------------------------ */

struct MigrationIncoming {
    MigrationState *ms;
    MigrationCourse course;
    Error *error;  /* the first; under MigrationState.lock; owned */
    char *refused; /* why the last client was not let in, or what a paused
                      post-copy waits for; the same */

    QEMUFile *from_src_file; /* main channel; the load thread's */
    QIOChannel *from_src;    /* below it; reference */

    ReturnSender *to_src; /* NULL until OPEN_RETURN_PATH */

    int64_t start_ns; /* the main channel came */
    int64_t end_ns;

    RAMIncoming *ram;
    BitmapLoader *bitmaps;
    BitmapStats bitmap_stats;
    MultiFDRecv *multifd;
    FileRAMReader *file_ram;
    PostcopyIncoming *postcopy;

    MigrationListener *listener; /* or NULL */
    SocketAddress *cpr_addr;     /* -incoming's channel 'cpr'; owned, or NULL */
    CprIncoming *cpr;            /* or NULL; the pointer under ms->lock */
    IncomingRun *run;            /* incoming/incoming.c's own */
    MigrationTarget *next;       /* begins at the end of the one that is given
                                    up; owned, or NULL; main thread */
    bool next_exit_on_error;
    bool exit_on_error;
    bool autostart; /* atomic: the guest is to run here: no -S */
};

/**
 * migration_incoming_fail:
 * @err: (in) owned by this call
 *
 * Note why the load cannot go on (the first one counts) and shut the channels
 * down, so that the load thread ends with it. Thread: any.
 */
void migration_incoming_fail(MigrationIncoming *mis, Error *err);

/**
 * migration_incoming_channel_open: the file that is being loaded, once more,
 * read only (with direct-io: O_DIRECT). Thread: any. NULL = error; the
 * transport is not a file.
 */
QIOChannel *migration_incoming_channel_open(MigrationIncoming *mis,
                                            Error **errp);

/**
 * migration_incoming_postcopy_run: RUN of post-copy: take the disks, announce,
 * let the guest run unless it is to stand. Thread: any but main.
 */
bool migration_incoming_postcopy_run(MigrationIncoming *mis, Error **errp);

/**
 * migration_incoming_postcopy_end:
 * @err: (in) why the load failed, or NULL; owned by this call
 *
 * The end of an incoming migration in post-copy: everything is loaded and
 * acknowledged, or it is lost for good. Frees what belongs to it, moves to
 * completed or failed. Thread: any but main.
 */
void migration_incoming_postcopy_end(MigrationIncoming *mis, Error *err);

#endif
