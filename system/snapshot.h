/*
 * Snapshots of the whole machine in its disks' images: joins migration/, which
 * writes and reads the state, with block/, which keeps it.
 *
 * Each is a SnapshotWork with a thread of its own; one at a time. What must be
 * done to machine and disks is done by the main loop, which answers meanwhile.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_SNAPSHOT_H
#define SYSTEM_SNAPSHOT_H

#include "block/progress.h"
#include "qapi/hmp.h"
#include "qapi/qapi-builtin-types.h"
#include "util/coroutine.h"
#include "util/error.h"

typedef struct SnapshotWork SnapshotWork;
typedef struct System System;

typedef enum SnapshotVerb {
    SNAPSHOT_SAVE,
    SNAPSHOT_LOAD,
    SNAPSHOT_DELETE,
    SNAPSHOT_LIST,
} SnapshotVerb;

/* What is asked for; pointers are borrowed by snapshot_work_new(). */
typedef struct SnapshotRequest {
    SnapshotVerb verb;
    const char *tag;         /* NULL with SNAPSHOT_SAVE: from the date */
    const strList *devices;  /* NULL: all that are written */
    const char *vmstate;     /* NULL: the first that can */
    bool replace;            /* save: over one of this name */
    BlockProgress *progress; /* or NULL; cancels, too */
} SnapshotRequest;

/** snapshot_work_new: Errors: not a name for a snapshot. */
SnapshotWork *snapshot_work_new(const SnapshotRequest *r, Error **errp);
/** snapshot_work_free: it does not run. NULL is allowed. */
void snapshot_work_free(SnapshotWork *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SnapshotWork, snapshot_work_free)

/** snapshot_work_run: do it. Thread: main; outside of coroutines it waits by
 *  running the loop. Errors: another one is being done; everything else. */
bool snapshot_work_run(SnapshotWork *w, Error **errp);
/** snapshot_work_may_cancel: nothing is decided yet. Thread: main. */
bool snapshot_work_may_cancel(const SnapshotWork *w);
/** snapshot_work_text: of SNAPSHOT_LIST, borrowed. */
const char *snapshot_work_text(const SnapshotWork *w);

/**
 * snapshot_note_run:
 * `cont` or `stop` while a snapshot holds the guest: noted for its end.
 *
 * Returns: false: none does. Thread: main.
 */
bool snapshot_note_run(System *s, bool run);
/** snapshot_will_run: a snapshot holds a guest that runs at its end. Thread:
 *  main. */
bool snapshot_will_run(const System *s);

/** snapshot_end: the program ends: give up what is under way. Thread: main. */
void snapshot_end(System *s);

/** snapshot_register_types: the classes of jobs. */
void snapshot_register_types(void);

extern const HMPCommand snapshot_hmp_commands[];
extern const HMPCommand snapshot_hmp_info[];

#endif
