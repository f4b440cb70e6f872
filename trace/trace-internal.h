/*
 * The table of all events, made by the build.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TRACE_TRACE_INTERNAL_H
#define TRACE_TRACE_INTERNAL_H

#include "trace/control.h"

/* One list a folder; the lists and the table end with NULL. */
extern TraceEvent *const *const trace_all_events[];

#endif
