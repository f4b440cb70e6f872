/*
 * What slowing the guest down costs and brings: the time that its vCPUs slept, and
 * how fast it wrote before and with it. A pass belongs to what held at its end.
 *
 * The migration thread counts; query-migrate reads atomics, also after the end,
 * when vCPUs may sleep for other reasons.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/ram.h"
#include "migration/source/source.h"

static uint64_t slept_ns(MigrationState *ms)
{
    unsigned n = ms->host->vcpu_count(ms->host_opaque);
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        sum += ms->host->vcpu_throttled_ns(ms->host_opaque, i);
    }
    return sum;
}

/* Most that one has slept since the last time. */
static uint64_t slept_most_ns(MigrationRun *run)
{
    MigrationState *ms = run->ms;
    uint64_t most = 0;

    for (unsigned i = 0; i < run->vcpus; i++) {
        uint64_t now = ms->host->vcpu_throttled_ns(ms->host_opaque, i);

        most = MAX(most, now - run->vcpu_slept_ns[i]);
        run->vcpu_slept_ns[i] = now;
    }
    return most;
}

void source_throttle_begin(MigrationRun *run)
{
    MigrationState *ms = run->ms;

    run->vcpus = ms->host->vcpu_count(ms->host_opaque);
    run->vcpu_slept_ns = g_new0(uint64_t, run->vcpus);
    slept_most_ns(run);
    qatomic_set(&ms->throttling.begin_ns, slept_ns(ms));
    qatomic_store_release(&ms->throttling.counts, true);
}

void source_throttle_pass(MigrationRun *run, const RAMPassReport *ram)
{
    MigrationState *ms = run->ms;
    MigrationThrottling *t = &ms->throttling;
    unsigned percent = ms->host->throttle_get(ms->host_opaque);
    uint64_t round = slept_most_ns(run);

    qatomic_set(&t->round_ns, round);
    qatomic_set(&t->percent_most, MAX(t->percent_most, percent));
    if (percent || run->limited) {
        qatomic_set(&t->rate_after, ram->dirty_rate);
        qatomic_set(&t->has_after, true);
    } else if (!t->has_after) {
        qatomic_set(&t->rate_before, ram->dirty_rate);
        qatomic_set(&t->has_before, true);
    }
}

void source_throttle_end(MigrationState *ms)
{
    MigrationThrottling *t = &ms->throttling;

    if (t->counts) {
        qatomic_set(&t->slept_ns, slept_ns(ms) - t->begin_ns);
        qatomic_store_release(&t->ended, true);
    }
}

uint64_t source_throttle_slept_ns(MigrationState *ms)
{
    MigrationThrottling *t = &ms->throttling;

    if (qatomic_load_acquire(&t->ended)) {
        return qatomic_read(&t->slept_ns);
    }
    return qatomic_load_acquire(&t->counts)
               ? slept_ns(ms) - qatomic_read(&t->begin_ns)
               : 0;
}
