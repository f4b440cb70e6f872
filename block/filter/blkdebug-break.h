/*
 * Breaks of a blkdebug node: requests that stop at an event.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_BLKDEBUG_BREAK_H
#define BLOCK_BLKDEBUG_BREAK_H

#include "qapi/qapi-types-block-filter.h"
#include "util/coroutine.h"

/* Most breaks of a node that wait for a request. */
#define DEBUG_BREAKS_MAX 1024

typedef struct DebugBreak DebugBreak;
typedef struct DebugStopped DebugStopped;

typedef struct DebugBreaks {
    unsigned count;                      /* of @set; atomic */
    QemuMutex lock;                      /* guards what follows */
    GPtrArray *set;                      /* of DebugBreak */
    QTAILQ_HEAD(, DebugStopped) stopped; /* the longest first */
} DebugBreaks;

void debug_breaks_init(DebugBreaks *b);
/** debug_breaks_deinit: no request is stopped any more. */
void debug_breaks_deinit(DebugBreaks *b);
/** debug_breaks_add: the next request that meets @event stops, under @tag.
 *  Returns: false: there are DEBUG_BREAKS_MAX. */
bool debug_breaks_add(DebugBreaks *b, BlkdebugEvent event, const char *tag);
/** debug_breaks_meet: stops here if there is a break for @event. Thread:
 *  any. */
void coroutine_fn debug_breaks_meet(DebugBreaks *b, BlkdebugEvent event);
/** debug_breaks_resume: the request that has been stopped under @tag longest,
 *  or (@all) each. Returns: was there one? */
bool debug_breaks_resume(DebugBreaks *b, const char *tag, bool all);
/** debug_breaks_remove: breaks of @tag; NULL: all of them. Returns: was there
 *  one? */
bool debug_breaks_remove(DebugBreaks *b, const char *tag);
bool debug_breaks_has_stopped(DebugBreaks *b, const char *tag);

#endif
