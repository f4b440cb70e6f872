/*
 * One QMP monitor.
 *
 *   bytes -> QmpDecoder -> request -> queue -> run -> response -> bytes
 *
 * Everything up to the queue happens in the monitor's context. In-band
 * requests run one after the other: the head of the queue runs at once if it
 * is 'x-concurrent', else it travels to the main loop and the queue rests
 * until it is back. A request sent out of band passes the queue. When the
 * queue is full or the peer does not read its answers, the monitor stops
 * reading: the peer is held up, nothing else is.
 *
 * A request and its response belong to one thread at a time: they are handed
 * over, never shared.
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

#include "monitor-internal.h"

struct QmpSession {
    Monitor *mon;
    bool pretty;

    /* Used in the monitor's context only. */
    QmpDecoder *decoder;
    GQueue queue;    /* of QmpJob *, in band, oldest first */
    bool running;    /* the main loop has one of ours */
    unsigned serial; /* number of the connection; stale jobs are recognised */
    bool connected;

    /* Atomic: events look at it from any thread. */
    int negotiated;
    int oob_enabled;
};

/* A request on its way; owned by the thread that works on it. */
typedef struct QmpJob {
    QmpSession *session;
    unsigned serial;
    QmpRequest req;
    QmpContext ctx;
    json_t *response; /* set when it has run, or was refused */
    bool refused;
} QmpJob;

static void job_free(QmpJob *job)
{
    qmp_request_clear(&job->req);
    json_decref(job->response);
    g_free(job);
}

static void send_json(QmpSession *s, const json_t *message)
{
    GString *text = qmp_encode(message, s->pretty);

    monitor_write(s->mon, text->str, text->len);
    g_string_free(text, TRUE);
}

static void job_respond(QmpJob *job)
{
    QmpSession *s = job->session;

    if (job->response && job->serial == s->serial && s->connected) {
        send_json(s, job->response);
    }
    job_free(job);
}

static void job_run(QmpJob *job)
{
    Monitor *old = monitor_set_cur(job->session->mon);

    job->response = qmp_request_run(&job->req, &job->ctx);
    monitor_set_cur(old);
}

/* -- to the main loop and back ------------------------------------------- */

static void pump(QmpSession *s);

static gboolean job_came_back(gpointer opaque)
{
    QmpJob *job = opaque;
    QmpSession *s = job->session;

    s->running = false;
    job_respond(job);
    pump(s);
    qemu_chr_fe_accept_input(&s->mon->chr);
    return G_SOURCE_REMOVE;
}

/*
 * The reference counts that handler and dispatcher touched are at rest now,
 * and the context's lock orders our writes before the other thread's reads.
 */
static void job_send_back(QmpJob *job)
{
    g_autoptr(GSource) source = g_idle_source_new();

    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, job_came_back, job, NULL);
    g_source_attach(source, job->session->mon->context);
}

static void coroutine_fn job_in_coroutine(void *opaque)
{
    QmpJob *job = opaque;

    job_run(job);
    job_send_back(job);
}

static void job_in_main_loop(void *opaque)
{
    QmpJob *job = opaque;

    if (qmp_command_options(job->req.cmd) & QCO_COROUTINE) {
        qemu_coroutine_enter(qemu_coroutine_create(job_in_coroutine, job));
    } else {
        job_run(job);
        job_send_back(job);
    }
}

/* -- queue --------------------------------------------------------------- */

static void pump(QmpSession *s)
{
    while (!s->running && !g_queue_is_empty(&s->queue)) {
        QmpJob *job = g_queue_pop_head(&s->queue);

        if (job->refused) {
            job_respond(job);
        } else if (qmp_command_options(job->req.cmd) & QCO_CONCURRENT) {
            job_run(job);
            job_respond(job);
        } else {
            s->running = true;
            aio_bh_schedule_oneshot(qemu_get_aio_context(), job_in_main_loop,
                                    job);
        }
    }
}

static QmpJob *job_new(QmpSession *s)
{
    QmpJob *job = g_new0(QmpJob, 1);
    const MonitorSetConfig *config = &s->mon->set->config;

    job->session = s;
    job->serial = s->serial;
    job->ctx.commands = config->commands;
    job->ctx.compat = config->compat;
    job->ctx.preconfig = config->preconfig && config->preconfig();
    job->ctx.opaque = s->mon;
    return job;
}

static void job_refuse(QmpJob *job, Error *err)
{
    job->refused = true;
    job->response = qmp_error_response(err);
    qmp_response_set_id(job->response, job->req.id);
}

/* Before negotiation there is one command only. */
static bool check_mode(QmpSession *s, const QmpRequest *req, Error **errp)
{
    bool is_negotiation =
        g_str_equal(qmp_command_name(req->cmd), "qmp_capabilities");

    if (!qatomic_read(&s->negotiated) && !is_negotiation) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                  "command '%s' must wait for 'qmp_capabilities'",
                  qmp_command_name(req->cmd));
        return false;
    }
    if (qatomic_read(&s->negotiated) && is_negotiation) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                  "capabilities are negotiated already, command "
                  "'qmp_capabilities' is for the start");
        return false;
    }
    return true;
}

static void handle_request(QmpSession *s, json_t *request)
{
    QmpJob *job = job_new(s);
    Error *err = NULL;

    if (!qmp_request_parse(job->ctx.commands, request,
                           qatomic_read(&s->oob_enabled), &job->ctx, &job->req,
                           &err) ||
        !check_mode(s, &job->req, &err)) {
        job_refuse(job, err);
    } else if (job->req.oob) {
        job_run(job);
        job_respond(job);
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

static int qmp_can_read(void *opaque)
{
    QmpSession *s = opaque;

    if (g_queue_get_length(&s->queue) >= QMP_QUEUE_MAX ||
        monitor_pending(s->mon) > QMP_OUTPUT_PAUSE_BYTES) {
        return 0;
    }
    return CHR_READ_BUF_LEN;
}

static void qmp_read(void *opaque, const uint8_t *buf, int size)
{
    QmpSession *s = opaque;
    size_t len = size;

    if (!s->running && g_queue_is_empty(&s->queue)) {
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
    send_json(s, greeting);
}

static void session_closed(QmpSession *s)
{
    if (!s->connected) {
        return;
    }
    s->connected = false;
    s->serial++;
    qatomic_set(&s->negotiated, false);
    qatomic_set(&s->oob_enabled, false);
    qmp_decoder_reset(s->decoder);
    while (!g_queue_is_empty(&s->queue)) {
        job_free(g_queue_pop_head(&s->queue));
    }
    monitor_drop_output(s->mon);
    fdset_monitor_unref();
}

static void qmp_event(void *opaque, QEMUChrEvent event)
{
    QmpSession *s = opaque;

    switch (event) {
    case CHR_EVENT_OPENED:
        session_closed(s);
        s->connected = true;
        fdset_monitor_ref();
        greet(s);
        break;
    case CHR_EVENT_CLOSED:
        session_closed(s);
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
    if (qatomic_read(&mon->qmp->negotiated)) {
        send_json(mon->qmp, event);
    }
}

void qmp_session_negotiated(Monitor *mon, bool oob)
{
    qatomic_set(&mon->qmp->oob_enabled, oob);
    qatomic_set(&mon->qmp->negotiated, true);
}

bool qmp_session_is_negotiated(Monitor *mon)
{
    return qatomic_read(&mon->qmp->negotiated);
}

bool qmp_session_offers_oob(Monitor *mon)
{
    return mon->context != NULL;
}

static gboolean attach_handlers(gpointer opaque)
{
    Monitor *mon = opaque;

    qemu_chr_fe_set_handlers(&mon->chr, qmp_can_read, qmp_read, qmp_event, NULL,
                             mon->qmp, mon->context, true);
    return G_SOURCE_REMOVE;
}

void qmp_session_start(Monitor *mon)
{
    /*
     * First the chardev moves to the monitors' thread, deaf; then that thread
     * attaches the callbacks, so that all of them run there from the first.
     */
    qemu_chr_fe_set_handlers(&mon->chr, NULL, NULL, NULL, NULL, NULL,
                             mon->context, false);
    g_main_context_invoke(mon->context, attach_handlers, mon);
}

QmpSession *qmp_session_new(Monitor *mon, bool pretty)
{
    QmpSession *s = g_new0(QmpSession, 1);

    s->mon = mon;
    s->pretty = pretty;
    s->decoder = qmp_decoder_new(NULL);
    g_queue_init(&s->queue);
    return s;
}

void qmp_session_free(QmpSession *s)
{
    if (!s) {
        return;
    }
    session_closed(s);
    qmp_decoder_free(s->decoder);
    g_free(s);
}
