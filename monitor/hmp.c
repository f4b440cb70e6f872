/*
 * The human monitor: a line editor on a chardev, and the commands of the
 * tables that the folders export.
 *
 * It lives in the main loop. While a command runs in a coroutine the monitor
 * takes no further input; what has arrived waits. What a command reports by error_report() is shown
 * on the monitor that ran it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio-wait.h"
#include "util/atomic.h"
#include "util/coroutine.h"
#include "util/error-report.h"
#include "util/error.h"

#include "hmp-parse.h"
#include "monitor-internal.h"

#define PROMPT "(ferry) "

struct HmpSession {
    Monitor *mon;
    ReadLine *rl;
    bool open;      /* the chardev has a peer */
    bool started;   /* the greeting was shown */
    bool muted;     /* another front end of the multiplexer has the focus */
    bool busy;      /* a command runs */
    bool feeding;   /* feed_input() is on the stack */
    GString *input; /* what arrived behind the line that runs */
};

/* Where output goes: a monitor, or a string for human-monitor-command. */
typedef struct HmpOutput {
    HMPContext ctx;
    MonitorSet *set;
    Monitor *mon;        /* or NULL */
    unsigned connection; /* of @mon: whose command it is */
    GString *text;       /* or NULL */
    ReadLine *rl;        /* while completing */
    const char *word_prefix;
} HmpOutput;

/* -- output -------------------------------------------------------------- */

/* A terminal wants CR LF. */
static void monitor_print(Monitor *mon, unsigned connection, const char *text)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (; *text; text++) {
        if (*text == '\n') {
            g_string_append_c(out, '\r');
        }
        g_string_append_c(out, *text);
    }
    monitor_write(mon, connection, out->str, out->len);
}

static void session_print(HmpSession *s, const char *text)
{
    monitor_print(s->mon, monitor_connection(s->mon), text);
}

static void output_vprintf(HMPContext *ctx, const char *fmt, va_list ap)
{
    HmpOutput *out = container_of(ctx, HmpOutput, ctx);

    if (out->text) {
        g_string_append_vprintf(out->text, fmt, ap);
    } else {
        g_autofree char *text = g_strdup_vprintf(fmt, ap);

        monitor_print(out->mon, out->connection, text);
    }
}

static void output_report(const char *text, void *opaque)
{
    HmpOutput *out = opaque;

    hmp_printf(&out->ctx, "%s", text);
}

static void output_add_completion(HMPContext *ctx, const char *word)
{
    HmpOutput *out = container_of(ctx, HmpOutput, ctx);

    if (out->rl && g_str_has_prefix(word, out->word_prefix)) {
        readline_add_completion(out->rl, word);
    }
}

static void output_init(HmpOutput *out, MonitorSet *set, Monitor *mon,
                        GString *text)
{
    *out = (HmpOutput){ .ctx = { .vprintf = output_vprintf,
                                 .add_completion = output_add_completion,
                                 .opaque = set },
                        .set = set,
                        .mon = mon,
                        .connection = mon ? monitor_connection(mon) : 0,
                        .text = text };
}

/* -- commands ------------------------------------------------------------ */

/* The name of a command; a format may follow it at once ("x/8xb"). */
static char *command_word(const char **line, Error **errp)
{
    const char *start = *line;
    g_autofree char *word = hmp_word(line, errp);
    char *slash = word ? strchr(word, '/') : NULL;

    if (slash && slash != word && *start != '"') {
        *line = start + (slash - word);
        *slash = 0;
    }
    return g_steal_pointer(&word);
}

static const HMPCommand *find_command(MonitorSet *set, const char **line,
                                      GString *full_name, Error **errp)
{
    const HMPCommand *const *tables = set->config.hmp_tables;
    const HMPCommand *sub_tables[] = { NULL, NULL };

    for (;;) {
        g_autofree char *name = command_word(line, errp);
        const HMPCommand *cmd = name ? hmp_command_find(tables, name) : NULL;

        if (!name) {
            return NULL;
        }
        g_string_append_printf(full_name, "%s%s", full_name->len ? " " : "",
                               name);
        if (!cmd) {
            error_setg(errp, "unknown command: '%s'", full_name->str);
            return NULL;
        }
        if (cmd->sub_table && **line) {
            sub_tables[0] = cmd->sub_table;
            tables = g_str_equal(cmd->name, "info")
                         ? set->config.hmp_info_tables
                         : sub_tables;
            continue;
        }
        return cmd;
    }
}

/* One command of human-monitor-command that may yield. */
typedef struct YieldingJob {
    HmpOutput *out;
    const HMPCommand *cmd;
    json_t *args;
    bool done;
} YieldingJob;

static void coroutine_fn yielding_job(void *opaque)
{
    YieldingJob *job = opaque;

    job->cmd->handler(&job->out->ctx, job->args);
    job->done = true;
}

/* QMP wants the output as the answer, so it waits for the end. */
static void run_yielding(HmpOutput *out, const HMPCommand *cmd, json_t *args)
{
    YieldingJob job = { out, cmd, args };

    if (qemu_in_coroutine()) {
        cmd->handler(&out->ctx, args);
        return;
    }
    qemu_coroutine_enter(qemu_coroutine_create(yielding_job, &job));
    AIO_WAIT_WHILE(NULL, !job.done);
}

static void run_line(HmpOutput *out, const char *line)
{
    g_autoptr(GString) name = g_string_new(NULL);
    g_autoptr(json_t) args = NULL;
    const HMPCommand *cmd;
    Monitor *old;
    Error *err = NULL;

    while (g_ascii_isspace(*line)) {
        line++;
    }
    if (!*line || *line == '#') {
        return;
    }
    cmd = find_command(out->set, &line, name, &err);
    if (cmd && out->set->config.preconfig && out->set->config.preconfig() &&
        !(cmd->flags & HMP_PRECONFIG)) {
        error_setg(&err,
                   "command '%s' needs the machine, which is not made "
                   "yet",
                   name->str);
    }
    if (!err) {
        args = hmp_parse_args(cmd, line, &err);
    }
    if (err) {
        if (cmd && cmd->params) {
            error_append_hint(&err, "usage: %s %s\n", name->str, cmd->params);
        }
        hmp_handle_error(&out->ctx, err);
        return;
    }
    if (cmd->flags & HMP_COROUTINE) {
        /* It may yield, and others of this thread would see our settings. */
        run_yielding(out, cmd, args);
        return;
    }
    /* For human-monitor-command the QMP monitor stays the current one. */
    old = monitor_set_cur(out->mon ?: monitor_cur());
    error_report_set_sink(output_report, out);
    cmd->handler(&out->ctx, args);
    error_report_set_sink(NULL, NULL);
    monitor_set_cur(old);
}

MonitorSet *hmp_set_of_context(HMPContext *ctx)
{
    return container_of(ctx, HmpOutput, ctx)->set;
}

Monitor *hmp_monitor_of_context(HMPContext *ctx)
{
    return container_of(ctx, HmpOutput, ctx)->mon;
}

const char *hmp_session_history(Monitor *mon, size_t index)
{
    return readline_history(mon->hmp->rl, index);
}

char *monitor_hmp_run(MonitorSet *set, const char *line)
{
    GString *text = g_string_new(NULL);
    HmpOutput out;

    output_init(&out, set, NULL, text);
    run_line(&out, line);
    return g_string_free(text, FALSE);
}

/* -- the line editor's callbacks ----------------------------------------- */

typedef struct LineJob {
    HmpSession *session;
    char *line;
} LineJob;

static void prompt(HmpSession *s)
{
    if (!s->muted) {
        readline_prompt(s->rl, PROMPT);
    }
}

/* What follows a line waits until its command has ended. */
static void feed_input(HmpSession *s)
{
    s->feeding = true;
    while (s->input->len && !s->busy) {
        char byte = s->input->str[0];

        g_string_erase(s->input, 0, 1);
        readline_feed(s->rl, &byte, 1);
    }
    s->feeding = false;
}

static void coroutine_fn line_in_coroutine(void *opaque)
{
    g_autofree LineJob *job = opaque;
    HmpSession *s = job->session;
    MonitorSet *set = s->mon->set;
    HmpOutput out;

    output_init(&out, set, s->mon, NULL);
    run_line(&out, job->line);
    g_free(job->line);
    s->busy = false;
    prompt(s);
    if (!s->feeding) {
        feed_input(s);
        qemu_chr_fe_accept_input(&s->mon->chr);
    }
    qatomic_dec(&set->in_flight);
}

static void on_line(const char *line, void *opaque)
{
    HmpSession *s = opaque;
    LineJob *job;

    if (qatomic_read(&s->mon->set->stopping)) {
        return;
    }
    job = g_new(LineJob, 1);
    job->session = s;
    job->line = g_strdup(line);
    s->busy = true;
    qatomic_inc(&s->mon->set->in_flight);
    qemu_coroutine_enter(qemu_coroutine_create(line_in_coroutine, job));
}

static void on_show(const char *text, size_t len, void *opaque)
{
    HmpSession *s = opaque;

    monitor_write(s->mon, monitor_connection(s->mon), text, len);
}

static void complete_names(HmpOutput *out, const HMPCommand *const *tables)
{
    for (; tables && *tables; tables++) {
        for (const HMPCommand *c = *tables; c->name; c++) {
            hmp_add_completion(&out->ctx, c->name);
        }
    }
}

/*
 * Where the completion of a line's last word stands: in a table of commands,
 * or in the arguments of one.
 */
typedef struct Completion {
    const HMPCommand *const *tables;
    const HMPCommand *sub_tables[2];
    const HMPCommand *cmd; /* or NULL: a command's name */
    int arg;
    bool names_only; /* "help NAME": names, but no arguments of theirs */
} Completion;

/* Returns: is there anything to complete behind @word? */
static bool completion_step(Completion *c, MonitorSet *set, const char *word)
{
    const HMPCommand *cmd;

    if (c->cmd) {
        c->arg++;
        return true;
    }
    cmd = hmp_command_find(c->tables, word);
    if (!cmd) {
        return false;
    }
    if (g_str_equal(cmd->name, "help") && !c->names_only) {
        c->names_only = true;
    } else if (cmd->sub_table) {
        c->sub_tables[0] = cmd->sub_table;
        c->tables = g_str_equal(cmd->name, "info") ? set->config.hmp_info_tables
                                                   : c->sub_tables;
    } else {
        c->cmd = cmd;
        return !c->names_only;
    }
    return true;
}

static void on_complete(ReadLine *rl, const char *prefix, void *opaque)
{
    HmpSession *s = opaque;
    g_auto(GStrv) words = g_strsplit_set(prefix, " \t", -1);
    Completion c = { .tables = s->mon->set->config.hmp_tables };
    HmpOutput out;

    output_init(&out, s->mon->set, s->mon, NULL);
    out.rl = rl;
    out.word_prefix = "";
    for (char **w = words; *w; w++) {
        if (!w[1]) {
            out.word_prefix = *w;
        } else if (**w && !completion_step(&c, s->mon->set, *w)) {
            return;
        }
    }
    if (!c.cmd) {
        complete_names(&out, c.tables);
    } else if (c.cmd->complete) {
        c.cmd->complete(&out.ctx, c.arg, out.word_prefix);
    }
}

static const ReadLineOps line_ops = {
    .show = on_show,
    .line = on_line,
    .complete = on_complete,
};

/* -- chardev callbacks --------------------------------------------------- */

static int hmp_can_read(void *opaque)
{
    HmpSession *s = opaque;

    return s->busy || s->input->len || monitor_is_held_up(s->mon)
               ? 0
               : CHR_READ_BUF_LEN;
}

static void hmp_read(void *opaque, const uint8_t *buf, int size)
{
    HmpSession *s = opaque;

    g_string_append_len(s->input, (const char *)buf, size);
    feed_input(s);
}

void hmp_session_resume(Monitor *mon)
{
    qemu_chr_fe_accept_input(&mon->chr);
}

/* The peer sees us for the first time. */
static void greet(HmpSession *s)
{
    if (s->open && !s->muted && !s->started) {
        s->started = true;
        session_print(s, s->mon->set->config.banner);
        prompt(s);
    }
}

static void hmp_event(void *opaque, QEMUChrEvent event)
{
    HmpSession *s = opaque;

    switch (event) {
    case CHR_EVENT_OPENED:
        s->open = true;
        s->started = false;
        greet(s);
        break;
    case CHR_EVENT_MUX_IN:
        s->muted = false;
        if (s->started && !s->busy) {
            session_print(s, "\n");
            readline_redisplay(s->rl);
        }
        greet(s);
        break;
    case CHR_EVENT_MUX_OUT:
        if (s->started && !s->muted) {
            session_print(s, "\n");
        }
        s->muted = true;
        break;
    case CHR_EVENT_CLOSED:
        if (!monitor_outlives_input(s->mon)) {
            s->open = false;
            s->started = false;
            g_string_truncate(s->input, 0);
            readline_reset(s->rl);
            monitor_next_connection(s->mon);
        }
        break;
    case CHR_EVENT_BREAK:
        break;
    }
}

void hmp_session_start(Monitor *mon)
{
    HmpSession *s = mon->hmp;

    /* On a multiplexer the console comes first; Ctrl-a c brings us in. */
    s->muted = CHARDEV_IS_MUX(qemu_chr_fe_get_driver(&mon->chr)) != NULL;
    qemu_chr_fe_set_handlers(&mon->chr, hmp_can_read, hmp_read, hmp_event, NULL,
                             s, NULL, true);
}

HmpSession *hmp_session_new(Monitor *mon)
{
    HmpSession *s = g_new0(HmpSession, 1);

    s->mon = mon;
    s->rl = readline_new(&line_ops, s);
    s->input = g_string_new(NULL);
    return s;
}

void hmp_session_free(HmpSession *s)
{
    if (!s) {
        return;
    }
    readline_free(s->rl);
    g_string_free(s->input, TRUE);
    g_free(s);
}
