/*
 * One QMP monitor.
 *
 *   bytes -> QmpDecoder -> request -> queue -> run -> response -> bytes
 *
 * Everything up to the queue happens in the monitor's context. In-band
 * requests are looked at one after the other, each when those before it have
 * been answered: one that is 'x-concurrent' runs at once, another travels to
 * the main loop and the queue rests until it is back. A request sent out of
 * band passes the queue. When the queue is full or the peer does not read its
 * answers, the monitor stops reading: the peer is held up, nothing else is.
 *
 * A job belongs to one thread at a time: it is handed over, never shared. The
 * main loop answers the commands that it ran, so that an answer is sent
 * before the events of what the main loop does next. When the peer leaves,
 * its job in the main loop is disowned: it ends unheard, and the next peer
 * need not wait for it.
 *
 * A command that has an errand (QmpErrand) is in between with a worker thread,
 * and then in the main loop again; for its monitor it has not moved.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio.h"
#include "util/atomic.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/lockable.h"
#include "util/main-loop.h"
#include "util/thread-pool.h"

#include "monitor-internal.h"

typedef struct QmpJob QmpJob;

/* Used in the monitor's context only. */
struct QmpSession {
    Monitor *mon;
    bool pretty;
    QmpDecoder *decoder;
    GQueue queue;        /* of QmpJob *, in band, oldest first */
    QmpJob *running;     /* the main loop has it; to compare only */
    unsigned connection; /* number of the peer */
    bool connected;
    bool held_up; /* the chardev was told that there is no room */

    bool negotiated;
    bool oob_enabled;
    bool events_open;

    /* Woken from any thread. */
    GSource *wake;
    GQueue returned; /* of QmpJob *, guarded by the monitor's lock */
};

/* A request on its way; owned by the thread that works on it. */
struct QmpJob {
    QmpSession *session;
    Monitor *mon;
    unsigned connection;
    bool pretty;
    json_t *request; /* NULL: it could not be read, @response says why */
    QmpRequest req;  /* the request taken apart, when its turn came */
    QmpContext ctx;
    json_t *response; /* set when it has run, or was refused */
};

static void job_free(QmpJob *job)
{
    qmp_request_clear(&job->req);
    json_decref(job->request);
    json_decref(job->response);
    g_free(job);
}

static void send_json(Monitor *mon, unsigned connection, bool pretty,
                      const json_t *message)
{
    GString *text = qmp_encode(message, pretty);

    monitor_write(mon, connection, text->str, text->len);
    g_string_free(text, TRUE);
}

static void job_respond(QmpJob *job)
{
    if (job->response) {
        send_json(job->mon, job->connection, job->pretty, job->response);
    }
}

static void job_run(QmpJob *job)
{
    Monitor *old = monitor_set_cur(job->mon);

    job->response = qmp_request_run(&job->req, &job->ctx);
    monitor_set_cur(old);
}

/* Ask the chardev for input that it was told there is no room for. */
static void accept_input(QmpSession *s)
{
    if (s->held_up) {
        s->held_up = false;
        qemu_chr_fe_accept_input(&s->mon->chr);
    }
}

/* -- to the main loop and back ------------------------------------------- */

static void pump(QmpSession *s);

static QmpJob *take_returned(QmpSession *s)
{
    QEMU_LOCK_GUARD(&s->mon->lock);
    return g_queue_pop_head(&s->returned);
}

static gboolean jobs_came_back(gpointer opaque)
{
    QmpSession *s = opaque;
    QmpJob *job;

    g_source_set_ready_time(s->wake, -1);
    while ((job = take_returned(s))) {
        bool ours = s->running == job;

        job_free(job);
        if (ours) {
            s->running = NULL;
            pump(s);
            accept_input(s);
        }
    }
    return G_SOURCE_CONTINUE;
}

static void job_finish(QmpJob *job)
{
    QmpSession *s = job->session;
    MonitorSet *set = job->mon->set;

    if (job->ctx.errand.free) {
        job->ctx.errand.free(job->ctx.errand.opaque);
    }
    job_respond(job);
    WITH_QEMU_LOCK_GUARD(&s->mon->lock)
    {
        g_queue_push_tail(&s->returned, job);
    }
    g_source_set_ready_time(s->wake, 0);
    qatomic_dec(&set->in_flight);
}

static void coroutine_fn job_in_coroutine(void *opaque)
{
    QmpJob *job = opaque;

    /* It may yield: what is current belongs to the thread, so it stays. */
    job->response = qmp_request_run(&job->req, &job->ctx);
    job_finish(job);
}

static void job_in_main_loop(void *opaque);

/* Not in the main AioContext: a command may poll that one and must not meet
 * another command there. */
static void job_schedule(QmpJob *job)
{
    aio_bh_schedule_oneshot(iohandler_get_aio_context(), job_in_main_loop, job);
}

static void errand_done(void *opaque, int ret)
{
    QmpJob *job = opaque;

    g_ptr_array_remove(job->mon->set->errands, &job->ctx.errand);
    job_schedule(job);
}

static void job_send_errand(QmpJob *job)
{
    MonitorSet *set = job->mon->set;
    QmpErrand *errand = &job->ctx.errand;

    job->ctx.again = false;
    g_ptr_array_add(set->errands, errand);
    if (qatomic_read(&set->stopping)) {
        errand->cancel(errand->opaque);
    }
    thread_pool_submit_aio(aio_get_thread_pool(qemu_get_aio_context()),
                           errand->work, errand->opaque, errand_done, job);
}

static void job_in_main_loop(void *opaque)
{
    QmpJob *job = opaque;

    if (qmp_command_options(job->req.cmd) & QCO_COROUTINE) {
        qemu_coroutine_enter(qemu_coroutine_create(job_in_coroutine, job));
    } else {
        job->ctx.takes_errands = true;
        job_run(job);
        if (job->ctx.again) {
            job_send_errand(job);
        } else {
            job_finish(job);
        }
    }
}

static void job_send_to_main_loop(QmpSession *s, QmpJob *job)
{
    s->running = job;
    qatomic_inc(&s->mon->set->in_flight);
    job_schedule(job);
}

/* -- queue --------------------------------------------------------------- */

static void job_refuse(QmpJob *job, Error *err)
{
    job->response = qmp_error_response(err);
    qmp_response_set_id(job->response, job->req.id);
}

/* Before negotiation there is one command only. */
static bool check_mode(QmpSession *s, const QmpRequest *req, Error **errp)
{
    bool is_negotiation =
        g_str_equal(qmp_command_name(req->cmd), "qmp_capabilities");

    if (!s->negotiated && !is_negotiation) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                  "command '%s' must wait for 'qmp_capabilities'",
                  qmp_command_name(req->cmd));
        return false;
    }
    if (s->negotiated && is_negotiation) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                  "capabilities are negotiated already, command "
                  "'qmp_capabilities' is for the start");
        return false;
    }
    return true;
}

/* Takes the request apart. Returns: may it run? If not, it is answered. */
static bool job_prepare(QmpSession *s, QmpJob *job)
{
    const MonitorSetConfig *config = &s->mon->set->config;
    Error *err = NULL;

    if (!job->request) {
        return false;
    }
    job->ctx =
        (QmpContext){ .commands = config->commands,
                      .compat = config->compat,
                      .preconfig = config->preconfig && config->preconfig(),
                      .opaque = s->mon };
    if (!qmp_request_parse(config->commands, job->request, s->oob_enabled,
                           &job->ctx, &job->req, &err) ||
        !check_mode(s, &job->req, &err)) {
        job_refuse(job, err);
        return false;
    }
    return true;
}

static void job_answer_here(QmpSession *s, QmpJob *job)
{
    if (job->response && s->negotiated && !s->events_open) {
        /* No event comes before the answer, and none behind it is lost. */
        GString *text = qmp_encode(job->response, s->pretty);

        s->events_open = true;
        monitor_write_and_open_events(s->mon, job->connection, text->str,
                                      text->len);
        g_string_free(text, TRUE);
    } else {
        job_respond(job);
    }
    job_free(job);
}

static bool can_work(QmpSession *s)
{
    return !s->running && !g_queue_is_empty(&s->queue) &&
           !qatomic_read(&s->mon->set->stopping) && !monitor_is_held_up(s->mon);
}

static void pump(QmpSession *s)
{
    while (can_work(s)) {
        QmpJob *job = g_queue_pop_head(&s->queue);

        if (!job_prepare(s, job)) {
            job_answer_here(s, job);
        } else if (qmp_command_options(job->req.cmd) & QCO_CONCURRENT) {
            job_run(job);
            job_answer_here(s, job);
        } else {
            job_send_to_main_loop(s, job);
        }
    }
}

static QmpJob *job_new(QmpSession *s)
{
    QmpJob *job = g_new0(QmpJob, 1);

    job->session = s;
    job->mon = s->mon;
    job->connection = s->connection;
    job->pretty = s->pretty;
    return job;
}

static void handle_request(QmpSession *s, json_t *request)
{
    QmpJob *job = job_new(s);

    job->request = json_incref(request);
    if (qmp_is_oob(request)) {
        if (job_prepare(s, job)) {
            job_run(job);
        }
        job_answer_here(s, job);
        return;
    }
    g_queue_push_tail(&s->queue, job);
    pump(s);
}

static void handle_error(QmpSession *s, Error *err)
{
    QmpJob *job = job_new(s);

    job_refuse(job, err);
    g_queue_push_tail(&s->queue, job);
    pump(s);
}

/* -- chardev callbacks --------------------------------------------------- */

static bool is_idle(QmpSession *s)
{
    return !s->running && g_queue_is_empty(&s->queue);
}

/*
 * Without out-of-band commands there is nothing to gain from reading ahead;
 * and the end of a client that has only sent (printf | socat) is not seen
 * before it has its answers.
 */
static int qmp_can_read(void *opaque)
{
    QmpSession *s = opaque;

    s->held_up = (!s->oob_enabled && !is_idle(s)) ||
                 g_queue_get_length(&s->queue) >= QMP_QUEUE_MAX ||
                 qatomic_read(&s->mon->set->stopping) ||
                 monitor_is_held_up(s->mon) ||
                 (!is_idle(s) && monitor_arrived_fds_full(s->mon));
    return s->held_up ? 0 : CHR_READ_BUF_LEN;
}

static void qmp_read(void *opaque, const uint8_t *buf, int size)
{
    QmpSession *s = opaque;
    size_t len = size;

    if (is_idle(s) && qmp_decoder_pending(s->decoder) == 0) {
        monitor_drop_arrived_fds(s->mon);
    }
    monitor_collect_fds(s->mon);
    for (;;) {
        g_autoptr(json_t) value = NULL;
        Error *err = NULL;

        switch (qmp_decoder_feed(s->decoder, &buf, &len, &value, &err)) {
        case QMP_FRAME_MORE:
            return;
        case QMP_FRAME_VALUE:
            handle_request(s, value);
            break;
        case QMP_FRAME_ERROR:
            handle_error(s, err);
            break;
        }
    }
}

static void greet(QmpSession *s)
{
    g_autoptr(json_t) greeting =
        json_pack("{s:{s:O,s:[]}}", "QMP", "version",
                  s->mon->set->config.version, "capabilities");

    if (qmp_session_offers_oob(s->mon)) {
        json_t *qmp = json_object_get(greeting, "QMP");

        json_array_append_new(json_object_get(qmp, "capabilities"),
                              json_string("oob"));
    }
    send_json(s->mon, s->connection, s->pretty, greeting);
}

static void session_closed(QmpSession *s)
{
    if (!s->connected) {
        return;
    }
    s->connected = false;
    s->negotiated = false;
    s->oob_enabled = false;
    s->events_open = false;
    s->running = NULL;
    qmp_decoder_reset(s->decoder);
    while (!g_queue_is_empty(&s->queue)) {
        job_free(g_queue_pop_head(&s->queue));
    }
    s->connection = monitor_next_connection(s->mon);
    fdset_monitor_unref();
}

static void qmp_event(void *opaque, QEMUChrEvent event)
{
    QmpSession *s = opaque;

    switch (event) {
    case CHR_EVENT_OPENED:
        session_closed(s);
        s->connected = true;
        s->connection = monitor_connection(s->mon);
        fdset_monitor_ref();
        greet(s);
        break;
    case CHR_EVENT_CLOSED:
        if (!monitor_outlives_input(s->mon)) {
            session_closed(s);
        }
        break;
    case CHR_EVENT_BREAK:
    case CHR_EVENT_MUX_IN:
    case CHR_EVENT_MUX_OUT:
        break;
    }
}

/* -- for the rest of the folder ------------------------------------------ */

void qmp_session_event(Monitor *mon, json_t *event)
{
    GString *text;

    if (monitor_takes_events(mon)) {
        text = qmp_encode(event, mon->qmp->pretty);
        monitor_write_event(mon, text->str, text->len);
        g_string_free(text, TRUE);
    }
}

void qmp_session_resume(Monitor *mon)
{
    pump(mon->qmp);
    accept_input(mon->qmp);
}

void qmp_session_negotiated(Monitor *mon, bool oob)
{
    mon->qmp->oob_enabled = oob;
    mon->qmp->negotiated = true;
}

bool qmp_session_offers_oob(Monitor *mon)
{
    return mon->context != NULL;
}

static void attach_handlers(Monitor *mon)
{
    qemu_chr_fe_set_handlers(&mon->chr, qmp_can_read, qmp_read, qmp_event, NULL,
                             mon->qmp, mon->context, true);
}

static gboolean attach_next(gpointer opaque)
{
    MonitorSet *set = opaque;
    Monitor *mon;

    /* Waits until the main thread has let go of it. */
    WITH_QEMU_LOCK_GUARD(&set->lock)
    {
        mon = g_queue_pop_head(&set->starting);
    }
    attach_handlers(mon);
    return G_SOURCE_REMOVE;
}

void qmp_session_start(Monitor *mon)
{
    MonitorSet *set = mon->set;

    if (!mon->context) {
        attach_handlers(mon);
        return;
    }
    /*
     * First the chardev moves to the monitors' thread, deaf; then that thread
     * attaches the callbacks, so that all of them run there from the first.
     * The lock keeps it from doing so before the move is over.
     */
    qemu_chr_fe_set_handlers(&mon->chr, NULL, NULL, NULL, NULL, NULL,
                             mon->context, false);
    QEMU_LOCK_GUARD(&set->lock);
    g_queue_push_tail(&set->starting, mon);
    g_main_context_invoke(mon->context, attach_next, set);
}

static gboolean wake_dispatch(GSource *source, GSourceFunc callback,
                              gpointer opaque)
{
    return callback(opaque);
}

static GSourceFuncs wake_funcs = { .dispatch = wake_dispatch };

QmpSession *qmp_session_new(Monitor *mon, bool pretty)
{
    QmpSession *s = g_new0(QmpSession, 1);

    s->mon = mon;
    s->pretty = pretty;
    s->decoder = qmp_decoder_new(NULL);
    g_queue_init(&s->queue);
    g_queue_init(&s->returned);
    s->wake = g_source_new(&wake_funcs, sizeof(GSource));
    g_source_set_callback(s->wake, jobs_came_back, s, NULL);
    g_source_attach(s->wake, mon->context);
    return s;
}

void qmp_session_free(QmpSession *s)
{
    if (!s) {
        return;
    }
    session_closed(s);
    g_source_destroy(s->wake);
    g_source_unref(s->wake);
    while (!g_queue_is_empty(&s->returned)) {
        job_free(g_queue_pop_head(&s->returned));
    }
    qmp_decoder_free(s->decoder);
    g_free(s);
}
