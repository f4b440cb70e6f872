/*
 * The source's side of a migration within one host (see ram/near.h).
 *
 * Threads are together only within a long pass, slice by slice: what is made
 * between passes, or begins after them, must not inherit the one processor. The
 * main channel's writer stays where the scheduler has put it, and is free again
 * for each probe; channels of multifd are spread from there on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/multifd.h"
#include "migration/qemu-file.h"
#include "migration/return/path.h"
#include "migration/source/source.h"
#include "migration/stream/savevm.h"

/* A pass of less is over before anything is gained. */
#define NEAR_PASS_MIN (UINT64_C(64) << 20)

/* What is written at once: with what the kernel and the reader hold of it, it
 * fits a processor's own cache. */
#define NEAR_PIECE (256 * 1024)

void source_near_offer(MigrationRun *run)
{
    MigrationState *ms = run->ms;
    uint32_t value = near_ping_host();

    if (value && migrate_param(ms, near_threads) && near_channel(ms->to_dst)) {
        savevm_send_ping(ms->to_dst_file, value);
    }
}

/* What computes more than it copies has more of two processors. */
static bool is_plain(MigrationRun *run)
{
    return !run->methods.compress &&
           (!run->methods.multifd ||
            migrate_param(run->ms, multifd_compression) ==
                MULTIFD_COMPRESSION_NONE) &&
           !run->ms->file_ram;
}

bool source_near_wanted(MigrationRun *run, uint64_t pass_bytes)
{
    return pass_bytes >= NEAR_PASS_MIN && is_plain(run) &&
           return_path_near(run->ms);
}

static void tell(MigrationRun *run, unsigned channel, unsigned cpu)
{
    savevm_send_ping(run->ms->to_dst_file, near_ping_cpu(channel, cpu));
}

static void join_channels(MigrationRun *run)
{
    unsigned n = multifd_send_channels(run->ms->multifd);

    for (unsigned i = 0; i < n; i++) {
        unsigned cpu = near_cpu(i);

        if (multifd_send_pin(run->ms->multifd, i, cpu)) {
            tell(run, i, cpu);
        }
    }
}

static void join(MigrationRun *run)
{
    SourceNear *near = &run->near;
    unsigned cpu = near_cpu(0);

    if (run->ms->multifd) {
        join_channels(run);
    } else if (near_pin(&near->pin, qemu_get_thread_id(), cpu)) {
        qemu_file_set_piece(run->ms->to_dst_file, NEAR_PIECE);
        tell(run, NEAR_MAIN, cpu);
    }
    near->together = true;
}

static void part(MigrationRun *run)
{
    SourceNear *near = &run->near;

    near_unpin(&near->pin, qemu_get_thread_id());
    if (run->ms->multifd) {
        multifd_send_unpin(run->ms->multifd);
    }
    qemu_file_set_piece(run->ms->to_dst_file, QEMU_FILE_IOV_BYTES);
    tell(run, NEAR_MAIN, NEAR_ANYWHERE); /* all of them */
    near->together = false;
}

void source_near_slice_begin(MigrationRun *run)
{
    SourceNear *near = &run->near;
    bool together = near_policy_together(&near->policy);

    if (together && !near->together) {
        join(run);
    } else if (!together && near->together) {
        part(run);
    }
    near->slice_ns = g_get_monotonic_time() * 1000;
    near->slice_bytes = stats_transferred(&run->ms->stats);
    near->slice_wait_ns = pacer_waited_ns(run->ms->pacer);
}

void source_near_slice_end(MigrationRun *run)
{
    SourceNear *near = &run->near;
    int64_t now = g_get_monotonic_time() * 1000;

    near_policy_slice(&near->policy, now, now - near->slice_ns,
                      stats_transferred(&run->ms->stats) - near->slice_bytes,
                      pacer_waited_ns(run->ms->pacer) != near->slice_wait_ns);
}

void source_near_pass_end(MigrationRun *run)
{
    if (run->near.together) {
        part(run);
    }
}
