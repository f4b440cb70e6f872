/*
 * A pointer to data that never changes, replaced as a whole, which any thread
 * may follow without a lock.
 *
 * A reader counts itself in and out in a slot of its own cache line. Whoever
 * replaces the data waits until no reader can still have the old one, so
 * read sections must be short and must not wait for a lock that a writer
 * holds. Counters come in two phases, so that new readers cannot make a
 * writer wait for ever.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_SNAPSHOT_H
#define HW_CORE_SNAPSHOT_H

#include <stdint.h>

#include "util/atomic.h"

#define SNAPSHOT_SLOTS 16u

typedef struct SnapshotSlot {
    uint32_t readers[2];
} __attribute__((aligned(64))) SnapshotSlot;

typedef struct Snapshot {
    void *data;
    unsigned phase;
    SnapshotSlot slot[SNAPSHOT_SLOTS];
} Snapshot;

/* What a reader gives back. */
typedef struct SnapshotReader {
    uint32_t *count;
} SnapshotReader;

/** snapshot_slot_of_thread: in which slot the calling thread counts. */
unsigned snapshot_slot_of_thread(void);

/** snapshot_enter: the data, valid until snapshot_leave() with @ret. */
static inline const void *snapshot_enter(Snapshot *s, SnapshotReader *ret)
{
    SnapshotSlot *slot = &s->slot[snapshot_slot_of_thread()];

    ret->count = &slot->readers[qatomic_mb_read(&s->phase)];
    qatomic_inc(ret->count);
    return qatomic_mb_read(&s->data);
}

static inline void snapshot_leave(SnapshotReader *r)
{
    __atomic_fetch_sub(r->count, 1, __ATOMIC_RELEASE);
}

/** snapshot_replace: readers see @data from now on. Not in a read section;
 *  one writer at a time. Returns: the old data, which no reader has any more. */
void *snapshot_replace(Snapshot *s, void *data);

#endif
