/*
 * The life of a tool: the main loop's context, object classes, signals, and
 * running one command of a table.
 *
 * A thread waits for signals. SIGINT and SIGTERM cancel the work in progress, by
 * way of the loop; it then ends with a message and leaves images as clean as
 * after any error. A second one ends the program at once, as does one that the
 * loop does not hear of in time. SIGUSR1 shows how far the work is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#include "block/block-node.h"
#include "block/types.h"
#include "crypto/init.h"
#include "qapi/json.h"
#include "qom/object_interfaces.h"
#include "trace/control.h"
#include "util/atomic.h"
#include "util/cutils.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/log.h"
#include "util/main-loop.h"

#include "tool-internal.h"

/* -- signals ------------------------------------------------------------------- */

/* How long the loop may be busy with something else. */
#define SIGNAL_PATIENCE_US (2 * G_USEC_PER_SEC)

static void caught_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR1);
}

static void on_end(void *opaque)
{
    Tool *tool = opaque;

    tool->interrupted = true;
    block_progress_cancel(&tool->progress);
    qatomic_set(&tool->signal_heard, true);
}

static void on_usr1(void *opaque)
{
    tool_progress_print(opaque);
}

/* As if nobody had caught it. */
static void die_of(int signo)
{
    sigset_t set;

    signal(signo, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, signo);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(signo);
}

/* @us: at most, < 0: without end. Returns: -1: none came. */
static int wait_signal(const sigset_t *set, int64_t us)
{
    const struct timespec t = { .tv_sec = us / G_USEC_PER_SEC,
                                .tv_nsec = us % G_USEC_PER_SEC * 1000 };

    return sigtimedwait(set, NULL, us < 0 ? NULL : &t);
}

static void *signal_thread(void *opaque)
{
    Tool *tool = opaque;
    int64_t deadline = 0; /* of the loop, to hear of @first */
    sigset_t set;
    int first = 0;

    caught_signals(&set);
    while (!qatomic_read(&tool->signal_stop)) {
        bool waits = first && !qatomic_read(&tool->signal_heard);
        int64_t left = waits ? MAX(deadline - g_get_monotonic_time(), 0) : -1;
        int signo = left ? wait_signal(&set, left) : first;

        if (signo == SIGUSR1) {
            if (!qatomic_read(&tool->signal_stop)) {
                aio_bh_schedule_oneshot(tool->ctx, on_usr1, tool);
            }
        } else if (signo > 0 && !first) {
            first = signo;
            deadline = g_get_monotonic_time() + SIGNAL_PATIENCE_US;
            aio_bh_schedule_oneshot(tool->ctx, on_end, tool);
        } else if (signo > 0) {
            die_of(signo);
        }
    }
    return NULL;
}

/* Before there are threads, so that all have these signals blocked. */
static void block_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    caught_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void end_signal_thread(Tool *tool)
{
    qatomic_set(&tool->signal_stop, true);
    kill(getpid(), SIGUSR1); /* it is the only one that takes it */
    qemu_thread_join(&tool->signal_thread);
}

/* -- life ------------------------------------------------------------------------ */

/* JSON may hold a secret: --object. */
static void *json_alloc(size_t size)
{
    return g_malloc(size);
}

static void json_wipe_free(void *p)
{
    if (p) {
        explicit_bzero(p, malloc_usable_size(p));
    }
    g_free(p);
}

bool tool_init(Tool *tool, const char *name)
{
    Error *err = NULL;

    *tool = (Tool){ .name = name };
    json_set_alloc_funcs(json_alloc, json_wipe_free);
    setlocale(LC_CTYPE, "");
    g_set_prgname(name);
    block_signals();
    if (qemu_init_main_loop(&err) < 0 || qcrypto_init(&err) < 0) {
        error_report_err(err);
        return false;
    }
    tool->ctx = qemu_get_aio_context();
    block_register_types();
    qemu_thread_create(&tool->signal_thread, "signals", signal_thread, tool,
                       QEMU_THREAD_JOINABLE);
    return true;
}

void tool_cleanup(Tool *tool)
{
    blockdevs_cleanup();
    user_creatable_cleanup();
    end_signal_thread(tool);
}

bool tool_add_objects(const GPtrArray *list, Error **errp)
{
    for (guint i = 0; list && i < list->len; i++) {
        if (!user_creatable_add_from_str(list->pdata[i], errp)) {
            return false;
        }
    }
    return true;
}

void tool_report(Error *err)
{
    error_report_err(err);
}

void tool_printf(Tool *tool, const char *fmt, ...)
{
    va_list ap;

    if (!tool->quiet) {
        va_start(ap, fmt);
        vprintf(fmt, ap);
        va_end(ap);
    }
}

void tool_print_json(const json_t *value)
{
    GString *text = qobject_to_json_pretty(value, true);

    puts(text->str);
    g_string_free(text, TRUE);
}

void tool_trace(const char *pattern)
{
    strstart(pattern, "enable=", &pattern);
    trace_enable_events(pattern);
}

bool tool_trace_option(int argc, char **argv, int *i)
{
    const char *word = argv[*i];
    const char *pattern = NULL;

    if (g_str_equal(word, "-T") || g_str_equal(word, "--trace")) {
        if (*i + 1 < argc) {
            pattern = argv[++*i];
        }
    } else if (!strstart(word, "--trace=", &pattern) &&
               !strstart(word, "-T", &pattern)) {
        error_report("unrecognized option '%s'", word);
        return false;
    }
    if (!pattern) {
        error_report("option '%s' needs an argument", word);
        return false;
    }
    tool_trace(pattern);
    return true;
}

/* -- commands ------------------------------------------------------------------------ */

static void print_help(Tool *tool, const ToolCommand *cmd)
{
    g_autofree char *options = tool_options_help(cmd->options);

    printf("Usage: %s %s %s\n\n%s.\n\nOptions:\n%s", tool->name, cmd->name,
           cmd->synopsis, cmd->help, options);
    printf("  %-26s%s\n", "-h, --help", "show this and end");
    if (cmd->more) {
        printf("\n%s", cmd->more);
    }
}

static bool check_positional(const ToolCommand *cmd, guint n, Error **errp)
{
    if ((int)n < cmd->min_positional) {
        error_setg(errp, "%s",
                   n ? "Expecting more arguments"
                     : "Expecting an image file name");
        return false;
    }
    if (cmd->max_positional >= 0 && (int)n > cmd->max_positional) {
        error_setg(errp, "Unexpected argument");
        return false;
    }
    return true;
}

static int usage_error(Tool *tool, const ToolCommand *cmd, Error *err)
{
    error_report_err(err);
    error_printf("Try '%s %s --help' for more information\n", tool->name,
                 cmd->name);
    return EXIT_FAILURE;
}

/* What --object collected; NULL: nothing. */
static const GPtrArray *find_objects(const ToolOption *table, const char *args)
{
    for (; table->letter || table->name; table++) {
        if (table->kind == TOOL_LIST && g_strcmp0(table->name, "object") == 0) {
            return *(GPtrArray *const *)(args + table->offset);
        }
    }
    return NULL;
}

static int run_parsed(Tool *tool, const ToolCommand *cmd, void *args,
                      const GPtrArray *positional)
{
    Error *err = NULL;

    if (!tool_add_objects(find_objects(cmd->options, args), &err)) {
        error_report_err(err);
        return EXIT_FAILURE;
    }
    return cmd->run(tool, args, (int)positional->len,
                    (const char **)positional->pdata);
}

int tool_run_command(Tool *tool, const ToolCommand *cmd, int argc, char **argv)
{
    g_autofree void *args = g_malloc0(cmd->args_size);
    g_autoptr(GPtrArray) positional = g_ptr_array_new();
    bool help;
    Error *err = NULL;
    int status;

    if (!tool_options_parse(cmd->options, argc, argv, args, positional, &help,
                            &err)) {
        status = usage_error(tool, cmd, err);
    } else if (help) {
        print_help(tool, cmd);
        status = EXIT_SUCCESS;
    } else if (!check_positional(cmd, positional->len, &err)) {
        status = usage_error(tool, cmd, err);
    } else {
        status = run_parsed(tool, cmd, args, positional);
    }
    tool_options_free(cmd->options, args);
    if (fflush(stdout) == EOF && status == EXIT_SUCCESS) {
        error_report("could not write to standard output: %s", strerror(errno));
        status = EXIT_FAILURE;
    }
    return status;
}

/* -- creation options ------------------------------------------------------------------ */

json_t *tool_parse_create_options(const GPtrArray *list, bool *ret_help,
                                  Error **errp)
{
    json_t *opts = json_object();

    *ret_help = false;
    for (guint i = 0; list && i < list->len; i++) {
        bool help = false;

        if (!keyval_parse_into(opts, list->pdata[i], NULL, &help, errp)) {
            json_decref(opts);
            return NULL;
        }
        *ret_help |= help;
    }
    return keyval_finish(opts, errp);
}
