/*
 * The incoming migration: from a listening socket, or something to read, to a
 * guest that runs here.
 *
 * Whoever begins with the stream's magic is a candidate with a thread of its
 * own, in which header and configuration are read. The first candidate whose
 * configuration fits is the source (accept_source()); its thread goes on to
 * load. All others are dropped, before or after. So a client that says nothing,
 * something else or the wrong thing harms nobody.
 *
 * The main loop is only used for the last step: the guest starts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "incoming.h"

#include "migration/qemu-file.h"
#include "trace/trace-migration.h"
#include "util/error-report.h"
#include "util/lockable.h"
#include "util/main-loop.h"
#include "util/timer.h"

#include "announce.h"
#include "channels.h"
#include "incoming-listener.h"
#include "multifd-setup.h"
#include "multifd.h"
#include "postcopy.h"
#include "return-path.h"
#include "return-sender.h"
#include "savevm.h"
#include "source.h"
#include "transport.h"

/* Header and configuration of a candidate. */
#define CANDIDATE_LIMIT_MS 30000
#define CANDIDATES_MAX     64
/* How long questions are answered; longer than the source asks. */
#define LINGER_MS 30000

/* One stream that may be the source's. */
typedef struct Candidate {
    MigrationIncoming *mis;
    QIOChannel *ioc; /* owned reference; tracked */
    QEMUFile *f;     /* owned until it is accepted */
    int64_t deadline_ms;
    bool accepted;
    bool differs; /* a source, but not of a guest that fits here */
} Candidate;

struct IncomingRun {
    MigrationTarget *source; /* owned */
    GQueue candidates;       /* Candidate *, oldest first; under ms->lock */
    int threads;             /* atomic: reasons not to free this yet */
    bool left;               /* atomic: the load thread left post-copy to
                                others and touches nothing any more */
    bool closing;            /* atomic: the program ends */
    bool will_commit;        /* the source said so */
    bool in_doubt;           /* all is here, the commit is not; ms->lock */
    bool committed;          /* atomic: the guest is ours */
    bool heard;              /* the source knows that */
    QEMUTimer *linger;       /* the listener's last moments; or NULL */
    QemuSemaphore started;   /* the main loop has done the last step */
};

static MigrationHost const *host_of(const MigrationIncoming *mis)
{
    return mis->ms->host;
}

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

static void note_error(MigrationIncoming *mis, Error *err)
{
    QEMU_LOCK_GUARD(&mis->ms->lock);
    if (!mis->error) {
        mis->error = g_steal_pointer(&err);
    }
    error_free(err);
}

/* -- what comes with the stream ------------------------------------------------------ */

static void our_config(MigrationIncoming *mis, ConfigSection *c)
{
    MigrationState *ms = mis->ms;
    uint8_t uuid[16];

    config_section_init(c, ms->host->machine_type(ms->host_opaque));
    if (migrate_cap(ms, MIGRATION_CAPABILITY_VALIDATE_UUID) &&
        ms->host->uuid(ms->host_opaque, uuid)) {
        config_section_set_uuid(c, uuid);
    }
    if (migrate_cap(ms, MIGRATION_CAPABILITY_X_IGNORE_SHARED)) {
        config_section_add_capability(c, "x-ignore-shared");
    }
    if (migrate_cap(ms, MIGRATION_CAPABILITY_MAPPED_RAM)) {
        config_section_add_capability(c, "mapped-ram");
    }
}

static bool make_ram(MigrationIncoming *mis, Error **errp)
{
    MigrationState *ms = mis->ms;
    RAMIncomingConfig config = {
        .host = ms->host,
        .host_opaque = ms->host_opaque,
        .ops = { .place = postcopy_place, .opaque = mis },
        .multifd = mis->multifd,
        .file = mis->file_ram,
        .postcopy = migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM),
        .ignore_shared = migrate_cap(ms, MIGRATION_CAPABILITY_X_IGNORE_SHARED),
        .decompress_threads = (unsigned)migrate_param(ms, decompress_threads),
    };

    mis->ram = ram_incoming_new(&config, errp);
    ms->ram_section.incoming = mis->ram;
    return mis->ram != NULL;
}

/*
 * The gate: the configuration of @c fits, so if nobody was faster it is the
 * source.
 */
static bool accept_source(void *opaque, const ConfigSection *theirs,
                          Error **errp)
{
    Candidate *c = opaque;
    MigrationIncoming *mis = c->mis;
    ConfigSection ours;

    our_config(mis, &ours);
    if (migrate_param(mis->ms, send_configuration) &&
        !config_section_check(theirs, &ours, errp)) {
        c->differs = true;
        return false;
    }
    if (!migration_move(&mis->course, MIGRATION_STATUS_SETUP,
                        MIGRATION_STATUS_ACTIVE)) {
        error_setg(errp, "another source is here already");
        return false;
    }
    c->accepted = true;
    mis->start_ns = now_ns();
    mis->from_src = QIO_CHANNEL(object_ref(OBJECT(c->ioc)));
    mis->from_src_file = g_steal_pointer(&c->f);
    return multifd_recv_start_file(mis, errp) && make_ram(mis, errp);
}

static void load_lock(void *opaque)
{
    MigrationState *ms = ((Candidate *)opaque)->mis->ms;

    ms->host->lock(ms->host_opaque);
}

static void load_unlock(void *opaque)
{
    MigrationState *ms = ((Candidate *)opaque)->mis->ms;

    ms->host->unlock(ms->host_opaque);
}

static bool load_open_return_path(void *opaque, Error **errp)
{
    MigrationIncoming *mis = ((Candidate *)opaque)->mis;

    if (mis->to_src) {
        error_setg(errp, "the return path is open already");
        return false;
    }
    mis->to_src = return_sender_new(mis->from_src);
    return true;
}

static bool load_ping(void *opaque, uint32_t value, Error **errp)
{
    MigrationIncoming *mis = ((Candidate *)opaque)->mis;

    if (value == MIGRATION_PING_WILL_COMMIT) {
        mis->run->will_commit = true;
    }
    if (!return_sender_pong(mis->to_src, value, errp)) {
        return false;
    }
    if (value == MIGRATION_PING_WILL_COMMIT) {
        postcopy_incoming_will_commit(mis);
        return return_sender_pong(mis->to_src, MIGRATION_PONG_COMMITS, errp);
    }
    /* Everything that a destination prepares is prepared by now. */
    return value != MIGRATION_PING_OPEN ||
           !migrate_cap(mis->ms, MIGRATION_CAPABILITY_SWITCHOVER_ACK) ||
           return_sender_switchover_ack(mis->to_src, errp);
}

static bool load_advise(void *opaque, uint64_t page_sizes,
                        uint64_t target_page_size, Error **errp)
{
    return postcopy_incoming_advise(((Candidate *)opaque)->mis, page_sizes,
                                    target_page_size, errp);
}

static bool load_listen(void *opaque, Error **errp)
{
    MigrationIncoming *mis = ((Candidate *)opaque)->mis;

    if (mis->multifd) {
        multifd_recv_quiet(mis->multifd);
    }
    return postcopy_incoming_listen(mis, errp);
}

static bool load_run(void *opaque, Error **errp)
{
    return postcopy_incoming_run(((Candidate *)opaque)->mis, errp);
}

static bool load_resume(void *opaque, Error **errp)
{
    return postcopy_incoming_resume(((Candidate *)opaque)->mis, errp);
}

static bool load_recv_bitmap(void *opaque, const char *block, Error **errp)
{
    return postcopy_incoming_recv_bitmap(((Candidate *)opaque)->mis, block,
                                         errp);
}

static bool load_discard(void *opaque, const char *block,
                         const StreamRange *ranges, size_t n, Error **errp)
{
    return postcopy_incoming_discard(((Candidate *)opaque)->mis, block, ranges,
                                     n, errp);
}

static bool load_switchover_start(void *opaque, Error **errp)
{
    return true; /* nothing here waits for it */
}

static const SaveVMLoadOps load_ops = {
    .configured = accept_source,
    .lock = load_lock,
    .unlock = load_unlock,
    .open_return_path = load_open_return_path,
    .ping = load_ping,
    .postcopy_advise = load_advise,
    .postcopy_listen = load_listen,
    .postcopy_run = load_run,
    .ram_discard = load_discard,
    .postcopy_resume = load_resume,
    .recv_bitmap = load_recv_bitmap,
    .switchover_start = load_switchover_start,
};

/* -- the last step -------------------------------------------------------------------- */

static bool take_disks(MigrationIncoming *mis, Error **errp)
{
    MigrationState *ms = mis->ms;

    /* Who starts the guest later takes them then. */
    return (migrate_cap(ms, MIGRATION_CAPABILITY_LATE_BLOCK_ACTIVATE) &&
            !qatomic_read(&mis->autostart)) ||
           host_of(mis)->disks_activate(ms->host_opaque, errp);
}

/* In the main loop. */
static void guest_is_here(void *opaque)
{
    MigrationIncoming *mis = opaque;
    MigrationState *ms = mis->ms;

    ms->program->incoming_done(ms->program_opaque,
                               qatomic_read(&mis->autostart));
    qemu_sem_post(&mis->run->started);
}

static bool start_guest(MigrationIncoming *mis, Error **errp)
{
    if (!take_disks(mis, errp)) {
        return false;
    }
    aio_bh_schedule_oneshot(qemu_get_aio_context(), guest_is_here, mis);
    qemu_sem_wait(&mis->run->started);
    migration_announce(mis->ms);
    return true;
}

bool migration_incoming_postcopy_run(MigrationIncoming *mis, Error **errp)
{
    return start_guest(mis, errp);
}

/* -- the end ---------------------------------------------------------------------------- */

static void listener_end(void *opaque)
{
    MigrationIncoming *mis = opaque;
    MigrationListener *l;

    WITH_QEMU_LOCK_GUARD(&mis->ms->lock)
    {
        l = g_steal_pointer(&mis->listener);
    }
    migration_listener_free(l);
}

static void incoming_cleanup(MigrationIncoming *mis)
{
    MigrationState *ms = mis->ms;

    if (!qatomic_read(&mis->run->committed) || mis->run->heard) {
        listener_end(mis);
    }
    multifd_recv_stop(mis);
    if (mis->from_src_file) {
        savevm_load_cleanup(ms->host->registry(ms->host_opaque));
    }
    ms->ram_section.incoming = NULL;
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

/* @err: (in) NULL: all is well; owned by this call */
static void incoming_end(MigrationIncoming *mis, Error *err)
{
    bool ok = !err;

    if (!ok) {
        note_error(mis, err);
    }
    mis->end_ns = now_ns();
    incoming_cleanup(mis);
    if (!ok) {
        move_to_failed(mis);
        report_failure(mis);
    } else if (!migration_move(&mis->course, MIGRATION_STATUS_ACTIVE,
                               MIGRATION_STATUS_COMPLETED)) {
        migration_move(&mis->course, MIGRATION_STATUS_POSTCOPY_ACTIVE,
                       MIGRATION_STATUS_COMPLETED);
    }
    if (ok && mis->listener) {
        /* The source may still have to ask who runs the guest. */
        mis->run->linger = timer_new_ms(QEMU_CLOCK_REALTIME, listener_end, mis);
        timer_mod(mis->run->linger,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + LINGER_MS);
    }
}

/* -- post-copy ends in a thread of its own --------------------------------------------------- */

typedef struct PostcopyEnd {
    MigrationIncoming *mis;
    Error *err;
} PostcopyEnd;

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
    g_free(e);
}

void migration_incoming_postcopy_end(MigrationIncoming *mis, Error *err)
{
    PostcopyEnd *e = g_new0(PostcopyEnd, 1);

    e->mis = mis;
    e->err = err;
    aio_bh_schedule_oneshot(qemu_get_aio_context(), postcopy_end_bh, e);
}

/* -- the load --------------------------------------------------------------------------- */

static bool get_ping(QEMUFile *f, uint32_t *ret_value)
{
    bool good = qemu_get_byte(f) == STREAM_COMMAND;

    good = qemu_get_be16(f) == STREAM_CMD_PING && good;
    good = qemu_get_be16(f) == sizeof(*ret_value) && good;
    *ret_value = qemu_get_be32(f);
    return good && qemu_file_get_error(f) == 0;
}

static void set_in_doubt(MigrationIncoming *mis, bool on)
{
    QEMU_LOCK_GUARD(&mis->ms->lock);
    mis->run->in_doubt = on;
}

/* The source's word that it will never run the guest again. */
static bool await_commit(MigrationIncoming *mis, Error **errp)
{
    QEMUFile *f = mis->from_src_file;
    uint32_t value;

    if (qemu_peek_byte(f, 0) == STREAM_VMDESCRIPTION &&
        !savevm_load_vmdesc(f, errp)) {
        return false;
    }
    if (!mis->run->will_commit) {
        return true;
    }
    if (!get_ping(f, &value) || value != MIGRATION_PING_COMMIT) {
        error_setg(errp, "everything is here, but the source has not given "
                         "the guest up: it goes on there");
        return false;
    }
    return true;
}

/* The guest runs. Does the source know? If not, it will ask for a while. */
static void confirm(MigrationIncoming *mis)
{
    uint32_t value;

    mis->run->heard =
        !mis->run->will_commit ||
        (return_sender_pong(mis->to_src, MIGRATION_PING_COMMIT, NULL) &&
         get_ping(mis->from_src_file, &value));
}

static bool finish_load(MigrationIncoming *mis, Error **errp)
{
    bool ok;

    if (!ram_load_finish(mis->ram, errp) ||
        !return_sender_shut(mis->to_src, 0, NULL, errp)) {
        return false;
    }
    set_in_doubt(mis, true);
    ok = await_commit(mis, errp);
    set_in_doubt(mis, false);
    if (!ok) {
        return false;
    }
    qatomic_store_release(&mis->run->committed, true);
    if (!start_guest(mis, errp)) {
        return false;
    }
    confirm(mis);
    return true;
}

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
    QEMU_LOCK_GUARD(&mis->ms->lock);
    g_free(mis->refused);
    mis->refused = g_strdup(error_get_pretty(err));
}

/* Returns: does this thread still own the migration? */
static bool load(Candidate *c, Error **errp)
{
    MigrationIncoming *mis = c->mis;
    SaveVMRegistry *reg = mis->ms->host->registry(mis->ms->host_opaque);
    Error *err = NULL;

    switch (savevm_load_state(reg, c->f, &load_ops, c, &err)) {
    case SAVEVM_LOAD_QUIT:
        return false;
    case SAVEVM_LOAD_OK:
        if (finish_load(mis, &err)) {
            return true;
        }
        break;
    case SAVEVM_LOAD_ERROR:
        break;
    }
    if (c->accepted && postcopy_incoming_listening(mis)) {
        postcopy_incoming_package_failed(mis, err);
        error_free(err);
        return false;
    }
    error_propagate(errp, err);
    return true;
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
    bool only = mis->run->source && !mis->listener;
    Error *err = NULL;
    bool ours = load(c, &err);
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

/* The oldest candidate that has not got through goes, if there are too many
 * or its time is over. */
static void thin_out(MigrationIncoming *mis)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);

    QEMU_LOCK_GUARD(&mis->ms->lock);
    for (GList *l = mis->run->candidates.head; l; l = l->next) {
        const Candidate *c = l->data;

        if (!c->accepted &&
            (now > c->deadline_ms ||
             g_queue_get_length(&mis->run->candidates) >= CANDIDATES_MAX)) {
            qio_channel_shutdown(c->ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
            break;
        }
    }
}

static void candidate_start(MigrationIncoming *mis, QIOChannel *ioc,
                            const uint8_t *prefill, size_t len)
{
    Candidate *c = g_new0(Candidate, 1);
    QemuThread thread;

    thin_out(mis);
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
    candidate_start(mis, ioc, prefill, len);
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

    return migration_status_is_running(migration_status(&mis->course));
}

static bool secure(void *opaque, QIOChannel *ioc, QIOChannel **ret_tls,
                   Error **errp)
{
    MigrationIncoming *mis = opaque;

    if (!migration_tls_is_on(mis->ms)) {
        return true;
    }
    *ret_tls = migration_tls_server(mis->ms, ioc, errp);
    return *ret_tls != NULL;
}

static const ListenerOps listener_ops = {
    .main_stream = found_main,
    .multifd = found_multifd,
    .preempt = found_preempt,
    .asked = answer_asked,
    .recovered = found_recovered,
    .wants = still_wants,
    .secure = secure,
};

/* -- start ----------------------------------------------------------------------------------- */

static void run_free(IncomingRun *run)
{
    if (run) {
        migration_target_free(run->source);
        timer_free(run->linger);
        qemu_sem_destroy(&run->started);
        g_free(run);
    }
}

static IncomingRun *run_new(void)
{
    IncomingRun *run = g_new0(IncomingRun, 1);

    g_queue_init(&run->candidates);
    qemu_sem_init(&run->started, 0);
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

/* Something that is there already: no listener. */
static void *reader_thread(void *opaque)
{
    MigrationIncoming *mis = opaque;
    MigrationState *ms = mis->ms;
    const MigrationTarget *t = mis->run->source;
    Error *err = NULL;
    QIOChannel *ioc = migration_connect(ms, t, &err);
    QIOChannel *tls = NULL;

    if (ioc && secure(mis, ioc, &tls, &err)) {
        candidate_start(mis, tls ? tls : ioc, NULL, 0);
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

static bool start_reading(MigrationIncoming *mis, Error **errp)
{
    const MigrationTarget *t = mis->run->source;
    QemuThread thread;

    if (transport_is_socket(t->kind)) {
        mis->listener =
            migration_listener_new(t->socket, false, &listener_ops, mis, errp);
        return mis->listener != NULL;
    }
    qatomic_inc(&mis->run->threads);
    qemu_thread_create(&thread, "mig-open", reader_thread, mis,
                       QEMU_THREAD_DETACHED);
    return true;
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
    MigrationListener *l;

    if (!mis ||
        migration_status(&mis->course) != MIGRATION_STATUS_POSTCOPY_PAUSED) {
        error_setg(errp, "Migrate recover can only be run when postcopy is "
                         "paused.");
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
    listener_end(mis);
    l = migration_listener_new(source->socket, true, &listener_ops, mis, errp);
    WITH_QEMU_LOCK_GUARD(&ms->lock)
    {
        mis->listener = l;
    }
    return l != NULL;
}

bool migration_incoming_start(MigrationState *ms, const char *uri,
                              bool exit_on_error, Error **errp)
{
    g_autoptr(MigrationTarget) source = NULL;

    migration_incoming_expect(ms);
    if (g_str_equal(uri, "defer")) {
        return true;
    }
    source = migration_target_new(ms, uri, NULL, false, errp);
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
    migration_channels_interrupt(ms);
    while (qatomic_read(&mis->run->threads)) {
        main_loop_wait(true);
        g_usleep(1000);
    }
    incoming_cleanup(mis);
    listener_end(mis);
    postcopy_incoming_free(mis);
    qatomic_store_release(&ms->incoming, NULL);
    run_free(mis->run);
    error_free(mis->error);
    g_free(mis->refused);
    g_free(mis);
}
