/*
 * The outgoing migration.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_SOURCE_H
#define MIGRATION_SOURCE_H

#include "migration/migration-internal.h"
#include "migration/policy/policy.h"
#include "migration/ram/near.h"
#include "util/thread.h"

typedef struct MigrationTarget MigrationTarget;

/* The values of PING with a meaning. The first is QEMU's. */
#define MIGRATION_PING_OPEN 1
/* Ours: this source will say when the guest may run there ... */
#define MIGRATION_PING_WILL_COMMIT 0x46455252u /* "FERR" */
/* ... which is now. After the stream's end; in post-copy after PONG 3, and
 * answered when the guest runs. */
#define MIGRATION_PING_COMMIT 0x46434f4du /* "FCOM" */
/* ... which will not be: it goes on at the source. In post-copy, where the
 * connection still carries it. */
#define MIGRATION_PING_BACK 0x4642414bu /* "FBAK" */
/* Ours: a PONG to no PING: this destination waits for the commit. */
#define MIGRATION_PONG_COMMITS 0x46594553u /* "FYES" */
/* Ours: may urgent pages have a channel of their own? See postcopy/urgent.c. The
 * next PING is the word that it will bring; the answers: it may, it is there. */
#define MIGRATION_PING_URGENT       0x46555247u /* "FURG" */
#define MIGRATION_PONG_URGENT       0x46554f4bu /* "FUOK" */
#define MIGRATION_PONG_URGENT_THERE 0x46554841u /* "FUHA" */
/* ... and pages will come on it, whose end is awaited. */
#define MIGRATION_PING_URGENT_USED 0x46555345u /* "FUSE" */

/**
 * migration_source_start:
 * @target: (in) checked; taken on success
 *
 * `migrate`: start the migration thread. Thread: main.
 * Errors: one is under way; blocked; the guest is not here.
 */
bool migration_source_start(MigrationState *ms, MigrationTarget *target,
                            Error **errp);

/** migration_source_resume: `migrate` with resume; as above. */
bool migration_source_resume(MigrationState *ms, MigrationTarget *target,
                             Error **errp);

/** migration_source_cancel: `migrate_cancel`. Thread: any. Errors: the guest
 * runs on the destination. */
bool migration_source_cancel(MigrationState *ms, Error **errp);

/** migration_source_settings_changed: parameters or capabilities that act at
 * once. Thread: any. */
void migration_source_settings_changed(MigrationState *ms);

/** migration_source_shutdown: the program ends. Thread: main. */
void migration_source_shutdown(MigrationState *ms);

/* -- inside ------------------------------------------------------------------- */

/* Who has decided the end of the course; the first one has. */
typedef enum SourceVerdict {
    VERDICT_OPEN,
    VERDICT_COMMIT, /* the guest is about to be the destination's */
    VERDICT_ABORT,  /* it stays here, whatever the stream says */
} SourceVerdict;

/* Threads of both sides on one processor; source/near.c. */
typedef struct SourceNear {
    NearPolicy policy;
    NearPin pin; /* of the migration thread */
    bool together;
    /* When the slice began. */
    int64_t slice_ns;
    uint64_t slice_bytes;
    uint64_t slice_wait_ns;
} SourceNear;

/* One attempt; the migration thread's, but for what is marked atomic. */
struct MigrationRun {
    MigrationState *ms;
    QemuThread thread;
    QemuThread resumer; /* of migration_source_resume() */
    bool has_resumer;
    bool done; /* atomic: the thread has nothing left to do */

    int verdict; /* atomic, SourceVerdict */

    /* The switchover. */
    RunState before;     /* of the guest, when it was stopped */
    bool stopped;        /* the guest was stopped by us */
    bool disks_given_up; /* so they have to be taken back */
    int64_t switch_ns;   /* the last thing before the pause that counts */
    bool committed;      /* the destination runs it, or will */

    /* The model of the pause, ns. */
    int64_t ping_ns; /* when PING 1 was sent */
    int64_t rtt_ns;  /* a round trip, 0: not known */
    int64_t sync_ns; /* the last sync took */

    uint64_t bandwidth;       /* bytes/s the link gives; 0: not known */
    uint64_t expected_end_ms; /* atomic; UINT64_MAX: not known */
    MigrationStatsPeriod period;
    RAMMethods methods; /* as last set */
    /* See throttle.c. */
    bool limited; /* dirty-limit is in effect */
    unsigned vcpus;
    uint64_t *vcpu_slept_ns; /* at the last look; @vcpus elements */
    SourceNear near;
    struct MigrationBudget *budget;
};

/** source_decide: make @verdict the end. Thread: any. Returns: false: another
 * one is already. */
bool source_decide(MigrationRun *run, SourceVerdict verdict);

/** source_methods: which ways of sending pages the settings ask for. */
void source_methods(MigrationState *ms, RAMMethods *ret);

/** source_set_rate: the limit that holds at this moment. Thread: any. */
void source_set_rate(MigrationState *ms);

/** source_throttle_begin: passes begin; from now on it counts. */
void source_throttle_begin(MigrationRun *run);
/** source_throttle_pass: one ended; before the next decision is carried out. */
void source_throttle_pass(MigrationRun *run, const RAMPassReport *ram);
/** source_throttle_end: before the guest is let go. */
void source_throttle_end(MigrationState *ms);
/** source_throttle_slept_ns: by all vCPUs together. Thread: any. */
uint64_t source_throttle_slept_ns(MigrationState *ms);

typedef enum SourceNext {
    SOURCE_FAILED,
    SOURCE_SWITCH,   /* stop the guest and send the rest */
    SOURCE_POSTCOPY, /* migrate-start-postcopy */
} SourceNext;

/** source_passes: send memory while the guest runs. */
SourceNext source_passes(MigrationRun *run, Error **errp);

/** source_near_offer: ask the destination whether it is on this host. */
void source_near_offer(MigrationRun *run);
/** source_near_wanted: is a pass of @pass_bytes to be sent that way? Then each
 *  of its slices has a begin and an end, and source_near_pass_end() follows,
 *  however it ended; before the first that is not to be any more, too. */
bool source_near_wanted(MigrationRun *run, uint64_t pass_bytes);
void source_near_slice_begin(MigrationRun *run);
void source_near_slice_end(MigrationRun *run);
void source_near_pass_end(MigrationRun *run);

/** source_switch: from the running guest to the destination's ack. */
bool source_switch(MigrationRun *run, Error **errp);

/** source_background: save one moment; the guest goes on here. */
bool source_background(MigrationRun *run, Error **errp);

/** source_stop_guest: note what it was doing and stop it. */
bool source_stop_guest(MigrationRun *run, Error **errp);

/** source_postcopy: the same by post-copy. */
bool source_postcopy(MigrationRun *run, Error **errp);

/**
 * source_commit:
 *
 * Give the guest away to a destination that waits for that, and hear that it
 * came; if the connection breaks meanwhile, find out. Waits. Returns: true = the
 * guest runs there. false: it does not and must be taken back; or, with
 * run->committed set, nobody knows.
 */
bool source_commit(MigrationRun *run, Error **errp);

/** source_finish_downtime: the pause is over, as far as can be told here. */
void source_finish_downtime(MigrationRun *run);

/** source_leave_in_doubt: nobody can know whether the guest runs there: it
 *  stays stopped here. Returns: false. */
bool source_leave_in_doubt(MigrationRun *run, Error **errp);

/** source_take_back: a switchover that failed: the guest goes on here. */
void source_take_back(MigrationRun *run);

#endif
