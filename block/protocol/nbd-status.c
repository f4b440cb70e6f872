/*
 * Block status that an NBD server told in advance.
 *
 * Who copies an image asks what is where, piece after piece. A server answers
 * for many pieces at once, so that one trip serves hundreds of questions. What
 * it said is used up from the front, is forgotten at the next write through
 * this node, at a new connection and after a short time: somebody else may
 * write as well. Each byte is told once: who begins at the front again, as a
 * second job does, hears the server.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/protocol/nbd-status.h"

#include "util/atomic.h"
#include "util/lockable.h"
#include "util/timer.h"

/* A copy could have asked that long before it reads, too. */
#define STATUS_KEEP_NS (1000 * 1000 * 1000)

void nbd_status_init(NBDStatus *s)
{
    qemu_mutex_init(&s->lock);
}

void nbd_status_deinit(NBDStatus *s)
{
    qemu_mutex_destroy(&s->lock);
}

void nbd_status_changed(NBDStatus *s)
{
    qatomic_fetch_inc(&s->changes);
}

uint64_t nbd_status_now(NBDStatus *s)
{
    return qatomic_read(&s->changes);
}

bool nbd_status_find(NBDStatus *s, uint64_t offset, uint64_t bytes,
                     NBDExtent *ret)
{
    QEMU_LOCK_GUARD(&s->lock);

    if (s->first >= s->n || s->seen != qatomic_read(&s->changes) ||
        offset < s->next ||
        qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - s->asked_ns > STATUS_KEEP_NS) {
        return false;
    }
    while (s->first < s->n &&
           offset - s->start >= s->extents[s->first].length) {
        s->start += s->extents[s->first].length;
        s->first++;
    }
    if (s->first == s->n) {
        return false;
    }
    ret->length = MIN(s->extents[s->first].length - (offset - s->start), bytes);
    ret->flags = s->extents[s->first].flags;
    s->next = offset + ret->length;
    s->unused = false;
    return true;
}

bool nbd_status_pays(NBDStatus *s)
{
    QEMU_LOCK_GUARD(&s->lock);

    if (s->unused && s->seen != qatomic_read(&s->changes)) {
        s->unused = false;
        return false;
    }
    return true;
}

void nbd_status_keep(NBDStatus *s, uint64_t seen, uint64_t offset,
                     const NBDExtent *extents, unsigned n)
{
    QEMU_LOCK_GUARD(&s->lock);

    s->seen = seen;
    s->asked_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    s->start = offset;
    s->next = offset + extents[0].length;
    s->first = 0;
    s->n = MIN(n, NBD_STATUS_EXTENTS);
    s->unused = n > 1;
    memcpy(s->extents, extents, s->n * sizeof(*extents));
}
