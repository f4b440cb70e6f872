/*
 * Range lock: parts of a disk that somebody is busy with.
 *
 * Who copies a part and who writes to it must take turns; parts that do not
 * overlap do not wait for each other. Works between coroutines of different
 * threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_RANGE_LOCK_H
#define BLOCK_RANGE_LOCK_H

#include "util/coroutine.h"
#include "util/queue.h"
#include "util/thread.h"

/* A part that is held; lives with whoever holds it. Offsets in bytes. */
typedef struct RangeHold {
    int64_t start;
    int64_t end;
    CoQueue waiters;
    QLIST_ENTRY(RangeHold) next;
} RangeHold;

typedef struct RangeLock {
    QemuMutex mutex; /* guards what follows */
    QLIST_HEAD(, RangeHold) held;
} RangeLock;

void range_lock_init(RangeLock *rl);
/** range_lock_destroy: nothing is held. */
void range_lock_destroy(RangeLock *rl);

/** range_lock: wait until nobody holds any of [@start, @end); hold it. */
void coroutine_fn range_lock(RangeLock *rl, RangeHold *hold, int64_t start,
                             int64_t end);
/** range_trylock: Returns: false if somebody holds part of it. */
bool range_trylock(RangeLock *rl, RangeHold *hold, int64_t start, int64_t end);
/** range_wait: until nobody holds any of it. */
void coroutine_fn range_wait(RangeLock *rl, int64_t start, int64_t end);
void coroutine_fn range_unlock(RangeLock *rl, RangeHold *hold);

#endif
