/*
 * Who is inside: the gate that requests pass, and locks on ranges of the disk.
 *
 * A request counts itself in one of two counters, that of the present epoch.
 * After a change of the epoch, the other counter reaches zero when all those
 * have left that may know something from before: an offset that they looked
 * up. A request that sees the epoch change while it counts itself tries
 * again, so that nobody is counted where nobody looks any more.
 *
 * What needs the image for itself (snapshots, resizing, check) closes the gate
 * and waits for both counters.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"

#define GATE_CLOSED 2u

static void coroutine_fn wait_open(BlockQcow2 *s)
{
    qemu_co_mutex_lock(&s->gate_lock);
    while (qatomic_mb_read(&s->epoch) & GATE_CLOSED) {
        qemu_co_queue_wait(&s->gate_queue, &s->gate_lock);
    }
    qemu_co_mutex_unlock(&s->gate_lock);
}

unsigned coroutine_fn qcow_enter(BlockQcow2 *s)
{
    for (;;) {
        unsigned epoch = qatomic_mb_read(&s->epoch);

        if (epoch & GATE_CLOSED) {
            wait_open(s);
            continue;
        }
        qatomic_inc(&s->in_flight[epoch]);
        if (qatomic_mb_read(&s->epoch) == epoch) {
            return epoch;
        }
        qcow_leave(s, epoch);
    }
}

void coroutine_fn qcow_leave(BlockQcow2 *s, unsigned ticket)
{
    if (qatomic_dec_fetch(&s->in_flight[ticket]) == 0 &&
        (qatomic_mb_read(&s->epoch) & GATE_CLOSED)) {
        qemu_co_mutex_lock(&s->gate_lock);
        qemu_co_queue_restart_all(&s->empty_queue);
        qemu_co_mutex_unlock(&s->gate_lock);
    }
}

void coroutine_fn qcow_close_gate(BlockQcow2 *s)
{
    qemu_co_mutex_lock(&s->gate_lock);
    while (qatomic_mb_read(&s->epoch) & GATE_CLOSED) {
        qemu_co_queue_wait(&s->gate_queue, &s->gate_lock);
    }
    qatomic_or(&s->epoch, GATE_CLOSED);
    while (qatomic_mb_read(&s->in_flight[0]) ||
           qatomic_mb_read(&s->in_flight[1])) {
        qemu_co_queue_wait(&s->empty_queue, &s->gate_lock);
    }
    qemu_co_mutex_unlock(&s->gate_lock);
}

void coroutine_fn qcow_open_gate(BlockQcow2 *s)
{
    qemu_co_mutex_lock(&s->gate_lock);
    qatomic_and(&s->epoch, ~GATE_CLOSED);
    qemu_co_queue_restart_all(&s->gate_queue);
    qemu_co_mutex_unlock(&s->gate_lock);
}

/* -- ranges ---------------------------------------------------------------------- */

static QcowRange *find_range(BlockQcow2 *s, uint64_t first, uint64_t end)
{
    QcowRange *r;

    QLIST_FOREACH(r, &s->ranges, next) {
        if (r->first < end && first < r->end) {
            return r;
        }
    }
    return NULL;
}

/* Listed only when nothing stands in the way: no two wait for each other. */
void coroutine_fn qcow_range_lock(BlockQcow2 *s, QcowRange *r, uint64_t first,
                                  uint64_t end)
{
    QcowRange *other;

    while ((other = find_range(s, first, end))) {
        qemu_co_queue_wait(&other->waiters, &s->lock);
    }
    r->first = first;
    r->end = end;
    qemu_co_queue_init(&r->waiters);
    QLIST_INSERT_HEAD(&s->ranges, r, next);
}

void coroutine_fn qcow_range_unlock(BlockQcow2 *s, QcowRange *r)
{
    QLIST_REMOVE(r, next);
    qemu_co_queue_restart_all(&r->waiters);
}
