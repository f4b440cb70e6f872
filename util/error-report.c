/*
 * Where messages for a person go: stderr, or the sink that this thread set.
 * A message is put together first and written with one call, so that lines
 * of two threads never mix.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error-report.h"

static __thread ErrorReportSink *thread_sink;
static __thread void *thread_sink_opaque;
/* Set once by the command line before threads start. */
static bool with_timestamp;
static char *guest_name;

static void write_text(const char *text)
{
    if (thread_sink) {
        thread_sink(text, thread_sink_opaque);
    } else {
        fputs(text, stderr);
        fflush(stderr);
    }
}

static void report(const char *kind, const char *fmt, va_list ap)
{
    g_autoptr(GString) line = g_string_new(NULL);

    if (!thread_sink) {
        if (with_timestamp) {
            g_autoptr(GDateTime) now = g_date_time_new_now_utc();
            g_autofree char *stamp =
                g_date_time_format(now, "%Y-%m-%dT%H:%M:%S.%fZ ");

            g_string_append(line, stamp);
        }
        if (guest_name) {
            g_string_append_printf(line, "%s ", guest_name);
        }
        g_string_append_printf(line, "%s: ", g_get_prgname() ?: "ferry");
    }
    g_string_append(line, kind);
    g_string_append_vprintf(line, fmt, ap);
    g_string_append_c(line, '\n');
    write_text(line->str);
}

void error_vreport(const char *fmt, va_list ap)
{
    report("", fmt, ap);
}

void error_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("", fmt, ap);
    va_end(ap);
}

void warn_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("warning: ", fmt, ap);
    va_end(ap);
}

void info_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("info: ", fmt, ap);
    va_end(ap);
}

void error_printf(const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    write_text(text);
}

void error_report_set_sink(ErrorReportSink *sink, void *opaque)
{
    thread_sink = sink;
    thread_sink_opaque = opaque;
}

void error_report_set_timestamp(bool on)
{
    with_timestamp = on;
}

void error_report_set_guest_name(const char *name)
{
    g_free(guest_name);
    guest_name = g_strdup(name);
}
