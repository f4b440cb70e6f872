/*
 * Trace events at run time.
 *
 * Events are declared in <folder>/trace-events, one a line:
 *
 *   name(type arg, type arg) "format %u " PRIx64
 *
 * and used by including "trace/trace-<folder>.h" and calling
 * trace_name(...). An event that is off costs one predicted branch; its
 * arguments are still evaluated. An event that is on writes
 * "pid@seconds.microseconds:name text" to the log (util/log.h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TRACE_CONTROL_H
#define TRACE_CONTROL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/typedefs.h"

typedef struct TraceEvent {
    const char *name;
    bool enabled; /* relaxed atomic; changed by trace_event_set_state() */
} TraceEvent;

/* Whether a trace point is on; NAME as in trace_NAME(). */
#define trace_event_get_state_backends(NAME)                                   \
    __atomic_load_n(&trace_event_##NAME.enabled, __ATOMIC_RELAXED)
#define trace_event_get_state(NAME) trace_event_get_state_backends(NAME)

/** trace_event_name: Returns: the event, or NULL. */
TraceEvent *trace_event_by_name(const char *name);
/** trace_event_set_state: switch @ev. Thread: any. */
void trace_event_set_state(TraceEvent *ev, bool enabled);
bool trace_event_is_enabled(const TraceEvent *ev);

/**
 * trace_events_foreach: call @func for every event that matches @pattern
 * (a glob with * and ?; NULL: all), in the order of the folders.
 *
 * Returns: number of events that matched.
 */
size_t trace_events_foreach(const char *pattern,
                            void (*func)(TraceEvent *ev, void *opaque),
                            void *opaque);

/**
 * trace_enable_events:
 * @line: a pattern; "-PATTERN" switches off; empty lines and lines that
 *        begin with '#' do nothing
 *
 * A name without wildcards that is not an event gets a warning. Also sets
 * LOG_TRACE in the log's mask when an event gets switched on.
 */
void trace_enable_events(const char *line);
/** trace_enable_events_file: one pattern a line. */
bool trace_enable_events_file(const char *filename, Error **errp);
/** trace_list_events: for `-trace help`. */
void trace_list_events(FILE *f);

/**
 * trace_opt_parse: the argument of -trace:
 * [[enable=]PATTERN][,events=FILE][,file=FILE], or "help" (listed to stdout).
 *
 * Returns: false with @errp set, true otherwise; *@p_help says that it was
 * a request for help.
 */
bool trace_opt_parse(const char *optstr, bool *p_help, Error **errp);

/* For the generated code: writes one event to the log. */
void trace_emit(const TraceEvent *ev, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

#endif
