/*
 * Rate limit for events that a guest can cause at any speed.
 *
 * The first event of a kind goes out at once; while its period runs, later
 * ones of the same kind and key wait, each replacing the one before, and the
 * last one goes out when the period ends. No client misses the final state
 * and no guest can flood one.
 *
 * Pure: no clock, no timer, no lock. The owner says what time it is, sends
 * what it is told to, and arms one timer for event_limiter_next_ns().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_EVENT_LIMITER_H
#define QAPI_EVENT_LIMITER_H

#include "qapi/json.h"

typedef struct EventLimiter EventLimiter;

/* One limited event: {"VSERPORT_CHANGE", "id", 1000000000}. */
typedef struct EventLimit {
    const char *event;  /* NULL ends a table */
    const char *member; /* member of "data" whose value keeps instances
                         * apart; NULL = all are one */
    int64_t period_ns;  /* at most one a period, > 0 */
} EventLimit;

/* The events that QMP documents as limited to one a second. */
extern const EventLimit event_limits_default[];

/* At most this many different keys are tracked for an event; more share one. */
#define EVENT_LIMITER_MAX_KEYS 1024

typedef enum EventVerdict {
    EVENT_EMIT,    /* send it now */
    EVENT_QUEUED,  /* kept; event_limiter_pop() gives it later */
    EVENT_REPLACED /* kept, in place of an older one that is dropped */
} EventVerdict;

/**
 * event_limiter_new:
 * @limits: (in) table, borrowed; must outlive the limiter
 */
EventLimiter *event_limiter_new(const EventLimit *limits);
/** event_limiter_free: drops what waits; accepts NULL. */
void event_limiter_free(EventLimiter *l);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EventLimiter, event_limiter_free)

/**
 * event_limiter_submit:
 * @now_ns: time of a clock that never goes back
 * @event: (in) name
 * @qmp: (in) message, borrowed; a reference is taken if it has to wait
 *
 * Returns: what happened; events that no table row names give EVENT_EMIT.
 */
EventVerdict event_limiter_submit(EventLimiter *l, int64_t now_ns,
                                  const char *event, json_t *qmp);

/**
 * event_limiter_next_ns:
 * Returns: when event_limiter_pop() should be called next; -1 = no need.
 */
int64_t event_limiter_next_ns(const EventLimiter *l);

/**
 * event_limiter_pop:
 * @now_ns: time now
 * @event: (out) its name, if not NULL; borrowed from the table
 *
 * Call until it returns NULL. Periods that are over without a waiting event
 * are forgotten.
 *
 * Returns: a message to send now, its reference owned by the caller; NULL.
 */
json_t *event_limiter_pop(EventLimiter *l, int64_t now_ns, const char **event);

#endif
