/*
 * How an incoming migration ends: with a guest that runs here, with a failure, or
 * because another one is to begin. What it had goes; the listener stays for a
 * while where the source may have to ask who runs the guest.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/cpr/cpr.h"
#include "migration/incoming/incoming.h"
#include "migration/incoming/internal.h"
#include "migration/multifd/setup.h"
#include "migration/postcopy/postcopy.h"
#include "migration/qemu-file.h"
#include "migration/return/sender.h"
#include "migration/stream/savevm.h"
#include "migration/transport/channels.h"
#include "trace/trace-migration.h"
#include "util/lockable.h"
#include "util/main-loop.h"

/* How long questions are answered; longer than the source asks. */
#define LINGER_MS 30000

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
}

/* -- failure ---------------------------------------------------------------------- */

void migration_incoming_fail(MigrationIncoming *mis, Error *err)
{
    WITH_QEMU_LOCK_GUARD(&mis->ms->lock)
    {
        if (!mis->error) {
            mis->error = g_steal_pointer(&err);
        }
    }
    error_free(err);
    migration_channels_interrupt(mis->ms);
}

void incoming_note_error(MigrationIncoming *mis, Error *err)
{
    QEMU_LOCK_GUARD(&mis->ms->lock);
    if (!mis->error) {
        mis->error = g_steal_pointer(&err);
    }
    error_free(err);
}

/* -- the end ---------------------------------------------------------------------------- */

void incoming_listener_end(void *opaque)
{
    MigrationIncoming *mis = opaque;
    MigrationListener *l;

    WITH_QEMU_LOCK_GUARD(&mis->ms->lock)
    {
        l = g_steal_pointer(&mis->listener);
    }
    migration_listener_free(l);
}

void incoming_cleanup(MigrationIncoming *mis)
{
    MigrationState *ms = mis->ms;

    postcopy_incoming_close(mis);
    if (!mis->run->was_in_doubt || mis->run->heard) {
        incoming_listener_end(mis);
    }
    multifd_recv_stop(mis);
    cpr_incoming_end(mis, qatomic_read(&mis->run->committed));
    if (mis->from_src_file) {
        savevm_load_cleanup(ms->host->registry(ms->host_opaque));
    }
    ms->ram_section.incoming = NULL;
    ms->bitmap_section.loader = NULL;
    g_clear_pointer(&mis->bitmaps, bitmap_loader_free);
    g_clear_pointer(&mis->ram, ram_incoming_free);
    g_clear_pointer(&mis->to_src, return_sender_free);
    g_clear_pointer(&mis->from_src_file, qemu_file_free);
    if (mis->from_src) {
        migration_channel_close(ms, mis->from_src);
        mis->from_src = NULL;
    }
    migration_channels_forget(ms);
}

static void move_to_failed(MigrationIncoming *mis)
{
    static const MigrationStatus from[] = {
        MIGRATION_STATUS_SETUP,
        MIGRATION_STATUS_ACTIVE,
        MIGRATION_STATUS_POSTCOPY_ACTIVE,
        MIGRATION_STATUS_POSTCOPY_PAUSED,
        MIGRATION_STATUS_POSTCOPY_RECOVER_SETUP,
        MIGRATION_STATUS_POSTCOPY_RECOVER,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(from); i++) {
        if (migration_move(&mis->course, from[i], MIGRATION_STATUS_FAILED)) {
            return;
        }
    }
}

static void report_failure(MigrationIncoming *mis)
{
    MigrationState *ms = mis->ms;
    g_autoptr(Error) err = NULL;

    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        err = mis->error ? error_copy(mis->error) : NULL;
    }
    if (!err) {
        error_setg(&err, "the incoming migration failed");
    }
    trace_migration_incoming_failed(error_get_pretty(err));
    if (mis->exit_on_error && !qatomic_read(&mis->run->closing)) {
        ms->program->incoming_failed(ms->program_opaque, err);
    }
}

static bool has_listener(MigrationIncoming *mis)
{
    QEMU_LOCK_GUARD(&mis->ms->lock);
    return mis->listener != NULL;
}

void incoming_end(MigrationIncoming *mis, Error *err)
{
    bool ok = !err;

    if (!ok) {
        incoming_note_error(mis, err);
    }
    qatomic_set(&mis->end_ns, now_ns());
    incoming_cleanup(mis);
    if (!ok) {
        move_to_failed(mis);
        report_failure(mis);
    } else if (!migration_move(&mis->course, MIGRATION_STATUS_ACTIVE,
                               MIGRATION_STATUS_COMPLETED)) {
        migration_move(&mis->course, MIGRATION_STATUS_POSTCOPY_ACTIVE,
                       MIGRATION_STATUS_COMPLETED);
    }
    if (has_listener(mis)) {
        /* The source may still have to ask who runs the guest. */
        mis->run->linger =
            timer_new_ms(QEMU_CLOCK_REALTIME, incoming_listener_end, mis);
        timer_mod(mis->run->linger,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + LINGER_MS);
    }
}

/* -- post-copy ends in a thread of its own --------------------------------------------------- */

typedef struct PostcopyEnd {
    MigrationIncoming *mis;
    Error *err;
} PostcopyEnd;

/* Another migrate-incoming has ended this one, and was promised to begin. */
static void begin_next(MigrationIncoming *mis)
{
    MigrationTarget *next = g_steal_pointer(&mis->next);
    Error *err = NULL;

    if (next && (qatomic_read(&mis->run->closing) ||
                 !migration_incoming_begin(mis->ms, next,
                                           mis->next_exit_on_error, &err))) {
        migration_target_free(next);
        incoming_note_error(mis, err);
    }
}

/* In the main loop: the listen thread cannot wait for itself. */
static void postcopy_end_bh(void *opaque)
{
    PostcopyEnd *e = opaque;

    if (!qatomic_load_acquire(&e->mis->run->left)) {
        /* On its way out; it may need the main loop for that. */
        aio_bh_schedule_oneshot(qemu_get_aio_context(), postcopy_end_bh, e);
        return;
    }
    incoming_end(e->mis, e->err);
    qatomic_dec(&e->mis->run->threads);
    begin_next(e->mis);
    g_free(e);
}

void migration_incoming_postcopy_end(MigrationIncoming *mis, Error *err)
{
    PostcopyEnd *e = g_new0(PostcopyEnd, 1);

    e->mis = mis;
    e->err = err;
    aio_bh_schedule_oneshot(qemu_get_aio_context(), postcopy_end_bh, e);
}
