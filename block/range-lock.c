/*
 * Range lock.
 *
 * A list is enough: there are as many holds as requests under way.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/range-lock.h"

#include "util/lockable.h"

void range_lock_init(RangeLock *rl)
{
    qemu_mutex_init(&rl->mutex);
    QLIST_INIT(&rl->held);
}

void range_lock_destroy(RangeLock *rl)
{
    assert(QLIST_EMPTY(&rl->held));
    qemu_mutex_destroy(&rl->mutex);
}

static RangeHold *find_clash(RangeLock *rl, int64_t start, int64_t end)
{
    RangeHold *hold;

    QLIST_FOREACH(hold, &rl->held, next) {
        if (hold->start < end && start < hold->end) {
            return hold;
        }
    }
    return NULL;
}

static void take(RangeLock *rl, RangeHold *hold, int64_t start, int64_t end)
{
    hold->start = start;
    hold->end = end;
    qemu_co_queue_init(&hold->waiters);
    QLIST_INSERT_HEAD(&rl->held, hold, next);
}

/* Nothing is held while it waits: no two wait for each other. */
static void coroutine_fn wait_locked(RangeLock *rl, int64_t start, int64_t end)
{
    RangeHold *other;

    while ((other = find_clash(rl, start, end))) {
        qemu_co_queue_wait(&other->waiters, &rl->mutex);
    }
}

void coroutine_fn range_lock(RangeLock *rl, RangeHold *hold, int64_t start,
                             int64_t end)
{
    QEMU_LOCK_GUARD(&rl->mutex);

    wait_locked(rl, start, end);
    take(rl, hold, start, end);
}

void coroutine_fn range_wait(RangeLock *rl, int64_t start, int64_t end)
{
    QEMU_LOCK_GUARD(&rl->mutex);

    wait_locked(rl, start, end);
}

bool range_trylock(RangeLock *rl, RangeHold *hold, int64_t start, int64_t end)
{
    QEMU_LOCK_GUARD(&rl->mutex);

    if (find_clash(rl, start, end)) {
        return false;
    }
    take(rl, hold, start, end);
    return true;
}

void coroutine_fn range_unlock(RangeLock *rl, RangeHold *hold)
{
    QEMU_LOCK_GUARD(&rl->mutex);

    QLIST_REMOVE(hold, next);
    qemu_co_enter_all(&hold->waiters, &rl->mutex);
}
