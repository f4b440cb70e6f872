/*
 * The incoming migration: from a listening socket, or something to read, to a
 * guest that runs here. Its beginning; then come incoming/listener.c,
 * incoming/candidate.c, incoming/load.c and incoming/end.c.
 *
 * The main loop is only used for the last step: the guest starts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/incoming/incoming.h"

#include "io/channel-tls.h"
#include "migration/cpr/cpr.h"
#include "migration/incoming/internal.h"
#include "migration/multifd/setup.h"
#include "migration/postcopy/postcopy.h"
#include "migration/transport/channels.h"
#include "util/lockable.h"
#include "util/main-loop.h"

static void run_free(IncomingRun *run)
{
    if (run) {
        migration_target_free(run->source);
        timer_free(run->linger);
        g_free(run);
    }
}

static IncomingRun *run_new(void)
{
    IncomingRun *run = g_new0(IncomingRun, 1);

    g_queue_init(&run->candidates);
    return run;
}

void migration_incoming_expect(MigrationState *ms)
{
    MigrationIncoming *mis = g_new0(MigrationIncoming, 1);

    mis->ms = ms;
    mis->course.ms = ms;
    mis->course.incoming = true;
    mis->autostart = true;
    mis->run = run_new();
    qatomic_store_release(&ms->incoming, mis);
}

/* Without a listener the handshake is done here; the program's end, cancel
 * and yank end it. */
static bool handshake(MigrationState *ms, QIOChannel *ioc, QIOChannel *tls,
                      Error **errp)
{
    bool ok = true;

    if (tls) {
        migration_channel_track(ms, ioc);
        ok = qio_channel_tls_handshake_sync(QIO_CHANNEL_TLS(tls),
                                            LISTENER_LIMIT_MS, errp) == 0 &&
             qio_channel_set_blocking(tls, true, errp) == 0;
        migration_channel_untrack(ms, ioc);
    }
    return ok;
}

/* Something that is there already: no listener. */
static void *reader_thread(void *opaque)
{
    MigrationIncoming *mis = opaque;
    MigrationState *ms = mis->ms;
    const MigrationTarget *t = mis->run->source;
    Error *err = NULL;
    QIOChannel *ioc = migration_connect(ms, t, &err);
    QIOChannel *tls = NULL;

    if (ioc && incoming_secure(mis, ioc, &tls, &err) &&
        handshake(ms, ioc, tls, &err)) {
        incoming_candidate_start(mis, tls ? tls : ioc, NULL, 0);
    } else {
        incoming_end(mis, err);
    }
    if (tls) {
        object_unref(OBJECT(tls));
    }
    if (ioc) {
        object_unref(OBJECT(ioc));
    }
    qatomic_dec(&mis->run->threads);
    return NULL;
}

static bool listen_for_source(MigrationIncoming *mis, bool recovering,
                              SocketAddress *addr, Error **errp)
{
    MigrationListener *l = migration_listener_new(
        addr, recovering, &incoming_listener_ops, mis, errp);

    QEMU_LOCK_GUARD(&mis->ms->lock);
    mis->listener = l;
    return l != NULL;
}

static bool start_main(MigrationIncoming *mis, Error **errp)
{
    const MigrationTarget *t = mis->run->source;
    QemuThread thread;

    if (transport_is_socket(t->kind)) {
        return listen_for_source(mis, false, t->socket, errp);
    }
    qatomic_inc(&mis->run->threads);
    qemu_thread_create(&thread, "mig-open", reader_thread, mis,
                       QEMU_THREAD_DETACHED);
    return true;
}

/* Who passes its memory finds the main address open afterwards. */
static bool start_reading(MigrationIncoming *mis, Error **errp)
{
    SocketAddress *cpr =
        mis->run->source->cpr ? mis->run->source->cpr : mis->cpr_addr;

    if (!cpr) {
        return start_main(mis, errp);
    }
    cpr_incoming_expect(mis);
    return start_main(mis, errp) && cpr_incoming_listen(mis, cpr, errp);
}

bool migration_incoming_begin(MigrationState *ms, MigrationTarget *source,
                              bool exit_on_error, Error **errp)
{
    MigrationIncoming *mis = ms->incoming;
    MigrationStatus status;

    if (!mis) {
        error_setg(errp, "'-incoming' was not specified on the command line");
        return false;
    }
    status = migration_status(&mis->course);
    if (postcopy_incoming_give_up(mis)) {
        /* It ends first; that needs the main loop. */
        mis->exit_on_error = false;
        mis->next = source;
        mis->next_exit_on_error = exit_on_error;
        return true;
    }
    if (status != MIGRATION_STATUS_NONE && status != MIGRATION_STATUS_FAILED) {
        error_setg(errp, "The incoming migration has already been started");
        return false;
    }
    if (!ms->host) {
        error_setg(errp, "There is no machine yet");
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        error_free(g_steal_pointer(&mis->error));
        g_clear_pointer(&mis->refused, g_free);
        qatomic_set(&ms->interrupted, false);
    }
    incoming_listener_end(mis); /* of an attempt before */
    postcopy_incoming_free(mis);
    run_free(mis->run);
    mis->run = run_new();
    mis->run->source = source;
    mis->exit_on_error = exit_on_error;
    postcopy_incoming_init(mis);
    if (!multifd_recv_start(mis, errp)) {
        goto fail;
    }
    migration_move(&mis->course, status, MIGRATION_STATUS_SETUP);
    if (start_reading(mis, errp)) {
        return true;
    }
    incoming_listener_end(mis);
    cpr_incoming_end(mis, false);
    multifd_recv_stop(mis);
    migration_move(&mis->course, MIGRATION_STATUS_SETUP,
                   MIGRATION_STATUS_FAILED);
fail:
    mis->run->source = NULL; /* stays the caller's */
    return false;
}

bool migration_incoming_recover(MigrationState *ms, MigrationTarget *source,
                                Error **errp)
{
    MigrationIncoming *mis = ms->incoming;

    if (!mis || !migration_status_may_recover(migration_status(&mis->course))) {
        error_setg(errp, POSTCOPY_NOT_PAUSED);
        return false;
    }
    if (!transport_is_socket(source->kind)) {
        error_setg(errp, "'%s' is not something to listen on", source->text);
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        qatomic_set(&ms->interrupted, false);
    }
    /* The same address may be wanted again. */
    incoming_listener_end(mis);
    return postcopy_incoming_expect(mis, errp) &&
           listen_for_source(mis, true, source->socket, errp);
}

/* The channels of the command line: 'cpr' is kept for whatever migrate-incoming
 * names. Returns: false = @errp; @ret_main: borrowed, or NULL. */
static bool sort_channels(MigrationIncoming *mis,
                          const MigrationChannelList *channels,
                          MigrationChannel **ret_main, Error **errp)
{
    for (; channels; channels = channels->next) {
        MigrationChannel *c = channels->value;
        bool cpr = c->channel_type == MIGRATION_CHANNEL_TYPE_CPR;

        if (cpr ? mis->cpr_addr != NULL : *ret_main != NULL) {
            error_setg(errp, "Channel type '%s' is given twice",
                       MigrationChannelType_str(c->channel_type));
            return false;
        }
        if (!cpr) {
            *ret_main = c;
        } else if (!(mis->cpr_addr = transport_cpr_address(c->addr, errp))) {
            return false;
        }
    }
    return true;
}

bool migration_incoming_start(MigrationState *ms, const char *uri,
                              const MigrationChannelList *channels,
                              bool exit_on_error, Error **errp)
{
    g_autoptr(MigrationTarget) source = NULL;
    MigrationChannelList main_only = { 0 };

    migration_incoming_expect(ms);
    if (!sort_channels(ms->incoming, channels, &main_only.value, errp)) {
        return false;
    }
    if (!main_only.value && (!uri || g_str_equal(uri, "defer"))) {
        return true;
    }
    source = migration_target_new(ms, uri, main_only.value ? &main_only : NULL,
                                  false, errp);
    if (!source || !migration_incoming_begin(ms, source, exit_on_error, errp)) {
        return false;
    }
    g_steal_pointer(&source);
    return true;
}

void migration_incoming_set_autostart(MigrationState *ms, bool on)
{
    if (ms->incoming) {
        qatomic_set(&ms->incoming->autostart, on);
    }
}

QIOChannel *migration_incoming_channel_open(MigrationIncoming *mis,
                                            Error **errp)
{
    const MigrationTarget *t = mis->run->source;
    int direct = migrate_param(mis->ms, direct_io) ? O_DIRECT : 0;
    QIOChannel *ioc;

    if (t->kind != TRANSPORT_FILE) {
        error_setg(errp, "'%s' is not a file", t->text);
        return NULL;
    }
    ioc = migration_open_file(t, O_RDONLY | direct, errp);
    if (ioc) {
        migration_channel_track(mis->ms, ioc);
    }
    return ioc;
}

void migration_incoming_shutdown(MigrationState *ms)
{
    MigrationIncoming *mis = ms->incoming;

    if (!mis) {
        return;
    }
    qatomic_set(&mis->run->closing, true);
    if (migration_status_is_postcopy(migration_status(&mis->course))) {
        postcopy_incoming_quit(mis);
    }
    /* First: whoever waits for the source wakes, and what comes from now on is
     * shut down as it comes. */
    migration_channels_interrupt(ms);
    incoming_listener_end(mis); /* no more candidates */
    while (qatomic_load_acquire(&mis->run->threads)) {
        main_loop_wait(true);
        g_usleep(1000);
    }
    incoming_cleanup(mis);
    postcopy_incoming_free(mis);
    qatomic_store_release(&ms->incoming, NULL);
    run_free(mis->run);
    error_free(mis->error);
    qapi_free_SocketAddress(mis->cpr_addr);
    migration_target_free(mis->next);
    g_free(mis->refused);
    g_free(mis);
}
