/*
 * Messages to the person at the terminal. Only entry points (main(), the
 * monitor, a device that has nobody to return an Error to) report; library
 * code returns Error.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_ERROR_REPORT_H
#define UTIL_ERROR_REPORT_H

#include <glib.h>
#include <stdarg.h>
#include <stdbool.h>

/** error_report / warn_report / info_report: one line, no newline in @fmt. */
void error_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void error_vreport(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);
void warn_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void info_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/** error_printf: raw text to where error_report() writes. */
void error_printf(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

#define error_report_once(...)                                                 \
    do {                                                                       \
        static gsize reported_;                                                \
        if (g_once_init_enter(&reported_)) {                                   \
            error_report(__VA_ARGS__);                                         \
            g_once_init_leave(&reported_, 1);                                  \
        }                                                                      \
    } while (0)

/**
 * error_report_set_sink:
 * @sink: called with each finished piece of text instead of stderr, in the
 *        thread that reports; NULL goes back to stderr
 *
 * Thread: the setting is per thread, so that the human monitor shows what
 * its own command reported and nothing else.
 */
typedef void ErrorReportSink(const char *text, void *opaque);
void error_report_set_sink(ErrorReportSink *sink, void *opaque);

/** error_report_set_timestamp: `-msg timestamp=on`. */
void error_report_set_timestamp(bool on);
/** error_report_set_guest_name: `-msg guest-name=on`; NULL switches off. */
void error_report_set_guest_name(const char *name);

#endif
