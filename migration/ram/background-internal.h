/*
 * What the files of background snapshots' memory share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RAM_BACKGROUND_INTERNAL_H
#define MIGRATION_RAM_BACKGROUND_INTERNAL_H

#include "migration/ram/background.h"
#include "migration/ram/internal.h"
#include "util/event_notifier.h"

/* Pages that are copied together before they are sent. */
#define RAM_BACKGROUND_BATCH UINT64_C(128)

/* Pages of one host page, copied because somebody was about to write it. */
typedef struct Copy {
    RAMSourceBlock *sb;
    uint64_t first;
    uint64_t n;
    const uint8_t *data; /* in the ring */
    uint64_t end;        /* RAMBackground.taken, once it was sent */
} Copy;

struct RAMBackground {
    RAMSource *rs;
    const RAMBackgroundOps *ops;
    void *opaque;

    int uffd;
    unsigned registered; /* blocks of @rs, the first so many */
    EventNotifier quit;
    bool has_quit;
    QemuThread thread;
    bool has_thread;

    uint8_t *batch; /* mapped; the migration thread's */
    uint64_t batch_pages;

    uint8_t *ring; /* mapped */
    uint64_t ring_bytes;

    QemuMutex lock; /* guards all below; a leaf */
    QemuCond room;  /* @taken grew, or @stop */
    QemuCond idle;  /* @busy became false */
    GQueue copies;  /* Copy * */
    uint64_t put;   /* bytes of the ring ever used; its place: modulo */
    uint64_t taken; /* bytes of it given back */
    bool busy;      /* the fault thread is between claiming and queueing */
    bool stop;      /* nothing is wanted any more */
};

#endif
