/*
 * Trace events at run time: switching and writing.
 *
 * The tables are made by the build and never change; an event's only
 * mutable part is its atomic flag. Writing goes to util/log.c, which keeps
 * the lines of threads apart.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/control.h"

#include "util/atomic.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/log.h"

#include "trace-internal.h"

size_t trace_events_foreach(const char *pattern,
                            void (*func)(TraceEvent *ev, void *opaque),
                            void *opaque)
{
    size_t matches = 0;

    for (size_t folder = 0; trace_all_events[folder]; folder++) {
        TraceEvent *const *ev;

        for (ev = trace_all_events[folder]; *ev; ev++) {
            if (!pattern || g_pattern_match_simple(pattern, (*ev)->name)) {
                func(*ev, opaque);
                matches++;
            }
        }
    }
    return matches;
}

static void remember_event(TraceEvent *ev, void *opaque)
{
    *(TraceEvent **)opaque = ev;
}

static bool has_wildcard(const char *pattern)
{
    return strpbrk(pattern, "*?") != NULL;
}

TraceEvent *trace_event_by_name(const char *name)
{
    TraceEvent *found = NULL;

    if (!has_wildcard(name)) {
        trace_events_foreach(name, remember_event, &found);
    }
    return found;
}

void trace_event_set_state(TraceEvent *ev, bool enabled)
{
    qatomic_set(&ev->enabled, enabled);
}

bool trace_event_is_enabled(const TraceEvent *ev)
{
    return qatomic_read(&ev->enabled);
}

/* -- switching ------------------------------------------------------------- */

static void switch_event(TraceEvent *ev, void *opaque)
{
    trace_event_set_state(ev, *(bool *)opaque);
}

void trace_enable_events(const char *line)
{
    g_autofree char *pattern = g_strstrip(g_strdup(line));
    bool enable = pattern[0] != '-';
    const char *name = enable ? pattern : pattern + 1;
    size_t matches;

    if (pattern[0] == '\0' || pattern[0] == '#') {
        return;
    }
    if (g_str_equal(pattern, "help") || g_str_equal(pattern, "?")) {
        trace_list_events(stdout);
        return;
    }
    matches = trace_events_foreach(name, switch_event, &enable);
    if (matches == 0 && !has_wildcard(name)) {
        warn_report("trace event '%s' does not exist", name);
    }
    if (matches > 0 && enable && !qemu_loglevel_mask(LOG_TRACE)) {
        Error *err = NULL;

        if (!qemu_set_log(qatomic_read(&qemu_loglevel) | LOG_TRACE, &err)) {
            warn_report_err(err);
        }
    }
}

bool trace_enable_events_file(const char *filename, Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(filename, &text, NULL, &gerr)) {
        error_setg(errp, "could not read trace events: %s", gerr->message);
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        trace_enable_events(*line);
    }
    return true;
}

static void print_event(TraceEvent *ev, void *opaque)
{
    fprintf(opaque, "%s\n", ev->name);
}

void trace_list_events(FILE *f)
{
    trace_events_foreach(NULL, print_event, f);
}

/* -- the option ------------------------------------------------------------ */

bool trace_opt_parse(const char *optstr, bool *p_help, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(optstr, ",", -1);
    const char *enable = NULL, *events = NULL, *file = NULL;

    *p_help = false;
    for (char **part = parts; *part; part++) {
        if (g_str_equal(*part, "help") || g_str_equal(*part, "?")) {
            *p_help = true;
            trace_list_events(stdout);
            return true;
        }
        if (g_str_has_prefix(*part, "enable=")) {
            enable = *part + strlen("enable=");
        } else if (g_str_has_prefix(*part, "events=")) {
            events = *part + strlen("events=");
        } else if (g_str_has_prefix(*part, "file=")) {
            file = *part + strlen("file=");
        } else if (part == parts && !strchr(*part, '=')) {
            enable = *part;
        } else {
            error_setg(errp, "'%s' is not a -trace option", *part);
            return false;
        }
    }
    if (file && !qemu_set_log_filename(file, errp)) {
        return false;
    }
    if (events && !trace_enable_events_file(events, errp)) {
        return false;
    }
    if (enable) {
        trace_enable_events(enable);
    }
    return true;
}

/* -- writing --------------------------------------------------------------- */

void trace_emit(const TraceEvent *ev, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    int64_t now_us;
    va_list ap;

    if (!qemu_loglevel_mask(LOG_TRACE)) {
        return;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    now_us = g_get_real_time();
    qemu_log("%d@%" PRId64 ".%06d:%s %s\n", (int)getpid(),
             now_us / G_USEC_PER_SEC, (int)(now_us % G_USEC_PER_SEC), ev->name,
             text);
}
