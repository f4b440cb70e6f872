/*
 * Replacing data under its readers.
 *
 * A reader may have picked its phase before a change of phase and count itself
 * only after it. Such a one loads the data after counting, so it has the new;
 * but it counts in the phase that the next change takes for drained. Both
 * phases are therefore drained at each replacement.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/snapshot.h"

#include <sched.h>

unsigned snapshot_slot_of_thread(void)
{
    static unsigned next;
    static __thread unsigned own; /* slot + 1 */

    if (own == 0) {
        own = qatomic_fetch_inc(&next) % SNAPSHOT_SLOTS + 1;
    }
    return own - 1;
}

static void drain(Snapshot *s, unsigned phase)
{
    for (unsigned i = 0; i < SNAPSHOT_SLOTS; i++) {
        unsigned spins = 0;

        while (qatomic_mb_read(&s->slot[i].readers[phase])) {
            if (++spins % 64 == 0) {
                sched_yield();
            } else {
                cpu_relax();
            }
        }
    }
}

void *snapshot_replace(Snapshot *s, void *data)
{
    void *old = qatomic_xchg(&s->data, data);

    for (unsigned i = 0; i < 2; i++) {
        unsigned phase = qatomic_read(&s->phase);

        qatomic_mb_set(&s->phase, phase ^ 1);
        drain(s, phase);
    }
    return old;
}
