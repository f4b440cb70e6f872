/*
 * Candidates: whoever begins with the stream's magic gets a thread, in which
 * header and configuration are read. The first one whose configuration fits is
 * the source; its thread goes on to load. All others are dropped, before or
 * after. So a client that says nothing, something else or the wrong thing
 * harms nobody.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/incoming/internal.h"
#include "migration/multifd/setup.h"
#include "migration/postcopy/postcopy.h"
#include "migration/qemu-file.h"
#include "migration/return/sender.h"
#include "trace/trace-migration.h"
#include "util/lockable.h"

/* Header and configuration of a candidate. */
#define CANDIDATE_LIMIT_MS 30000
#define CANDIDATES_MAX     64

/* The first reason counts: other threads' may be the cause of ours. */
static void tell_source(MigrationIncoming *mis, const Error *err)
{
    g_autofree char *text = NULL;

    WITH_QEMU_LOCK_GUARD(&mis->ms->lock)
    {
        text = g_strdup(error_get_pretty(mis->error ? mis->error : err));
    }
    return_sender_shut(mis->to_src, 1, text, NULL);
}

static void note_refused(MigrationIncoming *mis, const char *why)
{
    QEMU_LOCK_GUARD(&mis->ms->lock);
    g_free(mis->refused);
    mis->refused = g_strdup(why);
}

/*
 * A client that was not let in. A source whose guest does not fit is told so;
 * query-migrate says why the last one was refused.
 */
static void refuse_candidate(Candidate *c, const Error *err)
{
    MigrationIncoming *mis = c->mis;

    trace_migration_candidate_refused(c->ioc, error_get_pretty(err));
    if (c->differs) {
        g_autoptr(ReturnSender) sender = return_sender_new(c->ioc);

        return_sender_shut(sender, 1, error_get_pretty(err), NULL);
    }
    note_refused(mis, error_get_pretty(err));
}

static void candidate_forget(Candidate *c)
{
    MigrationState *ms = c->mis->ms;

    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        g_queue_remove(&c->mis->run->candidates, c);
    }
    if (!c->accepted) {
        g_clear_pointer(&c->f, qemu_file_free);
        migration_channel_close(ms, c->ioc);
    } else {
        object_unref(OBJECT(c->ioc));
    }
    g_free(c);
}

static void *candidate_thread(void *opaque)
{
    Candidate *c = opaque;
    MigrationIncoming *mis = c->mis;
    bool only = !transport_is_socket(mis->run->source->kind);
    Error *err = NULL;
    bool ours = incoming_load(c, &err);
    bool accepted = c->accepted;

    if (err && accepted) {
        tell_source(mis, err);
    }
    if (err && !accepted) {
        refuse_candidate(c, err);
    }
    candidate_forget(c);
    if (ours && (accepted || only)) {
        incoming_end(mis, err);
    } else {
        error_free(err);
    }
    if (ours) {
        qatomic_dec(&mis->run->threads);
    } else {
        qatomic_store_release(&mis->run->left, true);
    }
    return NULL;
}

/* The oldest candidate that has not got through goes, if there are @max, or
 * its time is over. */
static void thin_out(MigrationIncoming *mis, unsigned max)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);

    QEMU_LOCK_GUARD(&mis->ms->lock);
    for (GList *l = mis->run->candidates.head; l; l = l->next) {
        const Candidate *c = l->data;

        if (!c->accepted &&
            (now > c->deadline_ms ||
             g_queue_get_length(&mis->run->candidates) >= max)) {
            qio_channel_shutdown(c->ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
            break;
        }
    }
}

void incoming_candidate_start(MigrationIncoming *mis, QIOChannel *ioc,
                              const uint8_t *prefill, size_t len)
{
    Candidate *c = g_new0(Candidate, 1);
    QemuThread thread;

    thin_out(mis, CANDIDATES_MAX);
    c->mis = mis;
    c->ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    c->f = qemu_file_new_input(ioc);
    c->deadline_ms =
        qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + CANDIDATE_LIMIT_MS;
    qemu_file_prefill(c->f, prefill, len);
    migration_channel_track(mis->ms, ioc);
    WITH_QEMU_LOCK_GUARD(&mis->ms->lock)
    {
        g_queue_push_tail(&mis->run->candidates, c);
    }
    qatomic_inc(&mis->run->threads);
    qemu_thread_create(&thread, "mig-load", candidate_thread, c,
                       QEMU_THREAD_DETACHED);
}
/* -- what the listener finds -------------------------------------------------------------- */

static bool found_main(void *opaque, QIOChannel *ioc, const uint8_t *prefill,
                       size_t len, Error **errp)
{
    MigrationIncoming *mis = opaque;

    if (migration_status(&mis->course) != MIGRATION_STATUS_SETUP) {
        error_setg(errp, "another source is here already");
        return false;
    }
    incoming_candidate_start(mis, ioc, prefill, len);
    return true;
}

static bool found_multifd(void *opaque, QIOChannel *ioc,
                          const uint8_t init[MULTIFD_INIT_LEN], Error **errp)
{
    return multifd_recv_channel(opaque, ioc, init, errp);
}

static bool found_preempt(void *opaque, QIOChannel *ioc, Error **errp)
{
    MigrationIncoming *mis = opaque;

    if (!migrate_cap(mis->ms, MIGRATION_CAPABILITY_POSTCOPY_PREEMPT)) {
        error_setg(errp, "capability 'postcopy-preempt' is off");
        return false;
    }
    postcopy_preempt_channel(mis, ioc);
    return true;
}

static bool found_urgent(void *opaque, QIOChannel *ioc, uint32_t word,
                         Error **errp)
{
    return postcopy_urgent_channel(opaque, ioc, word, errp);
}

static bool found_recovered(void *opaque, QIOChannel *ioc,
                            const uint8_t *prefill, size_t len, Error **errp)
{
    return postcopy_incoming_recover(opaque, ioc, prefill, len, errp);
}

/*
 * The source's connection broke when it had given the guest up, and it wants
 * to know whether that was heard. As long as that is open here, too, the old
 * connection is of no use: end it, and let the source ask again.
 */
static void answer_asked(void *opaque, QIOChannel *ioc)
{
    MigrationIncoming *mis = opaque;
    char answer = MIGRATION_ASK_ABSENT;

    if (qatomic_load_acquire(&mis->run->committed)) {
        answer = MIGRATION_ASK_RUNS;
    } else if (migration_status(&mis->course) == MIGRATION_STATUS_ACTIVE) {
        QEMU_LOCK_GUARD(&mis->ms->lock);
        if (mis->run->in_doubt) {
            qio_channel_shutdown(mis->from_src, QIO_CHANNEL_SHUTDOWN_BOTH,
                                 NULL);
        }
        return;
    }
    qio_channel_write_all(ioc, &answer, 1, NULL);
}

/* Urgent channels may come at any time, and questions at the end. */
static bool still_wants(void *opaque)
{
    MigrationIncoming *mis = opaque;

    QEMU_LOCK_GUARD(&mis->ms->lock);
    return mis->run->was_in_doubt ||
           migration_status_is_running(migration_status(&mis->course));
}

static void found_refused(void *opaque, QIOChannel *ioc, const char *why)
{
    trace_migration_candidate_refused(ioc, why);
    note_refused(opaque, why);
}

/* One that says nothing more goes when its time is over, also if nobody else
 * comes. */
static void found_tick(void *opaque)
{
    thin_out(opaque, UINT_MAX);
}

bool incoming_secure(void *opaque, QIOChannel *ioc, QIOChannel **ret_tls,
                     Error **errp)
{
    MigrationIncoming *mis = opaque;

    if (!migration_tls_is_on(mis->ms)) {
        return true;
    }
    *ret_tls = migration_tls_server(mis->ms, ioc, errp);
    return *ret_tls != NULL;
}

const ListenerOps incoming_listener_ops = {
    .main_stream = found_main,
    .multifd = found_multifd,
    .preempt = found_preempt,
    .urgent = found_urgent,
    .asked = answer_asked,
    .recovered = found_recovered,
    .wants = still_wants,
    .secure = incoming_secure,
    .refused = found_refused,
    .tick = found_tick,
};
