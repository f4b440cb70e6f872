/*
 * Clocks and timers.
 *
 * A QEMUTimer fires once, in the thread of the loop it belongs to, when its
 * clock reaches the expiry time. timer_new() and friends make timers of the
 * main loop; aio_timer_new() those of an AioContext.
 *
 * Thread: timer_mod(), timer_del() and the clock functions may be called
 * from any thread; timer_free() only where the callback can not run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_TIMER_H
#define UTIL_TIMER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/typedefs.h"

#define NANOSECONDS_PER_SECOND 1000000000LL
#define SCALE_MS               1000000
#define SCALE_US               1000
#define SCALE_NS               1

/*
 * QEMU_CLOCK_REALTIME: monotonic, runs always; for what the guest can't see.
 * QEMU_CLOCK_VIRTUAL: the guest's time; stands still while the VM is stopped.
 * QEMU_CLOCK_HOST: wall clock of the host, may jump.
 * QEMU_CLOCK_VIRTUAL_RT: same as QEMU_CLOCK_VIRTUAL here (differs under icount).
 */
typedef enum QEMUClockType {
    QEMU_CLOCK_REALTIME = 0,
    QEMU_CLOCK_VIRTUAL = 1,
    QEMU_CLOCK_HOST = 2,
    QEMU_CLOCK_VIRTUAL_RT = 3,
    QEMU_CLOCK_MAX
} QEMUClockType;

#define QEMU_TIMER_ATTR_EXTERNAL 1u
#define QEMU_TIMER_ATTR_ALL      0xffffffffu

typedef struct QEMUTimerList QEMUTimerList;

/* One list per clock; every AioContext has a group, the main loop another. */
typedef struct QEMUTimerListGroup {
    QEMUTimerList *tl[QEMU_CLOCK_MAX];
} QEMUTimerListGroup;

typedef void QEMUTimerCB(void *opaque);
typedef void QEMUTimerListNotifyCB(void *opaque, QEMUClockType type);

/* Embedded in users' structs; the members are private to util/timer.c. */
struct QEMUTimer {
    int64_t expire_time;       /* ns, -1: not pending; guarded by the list */
    QEMUTimerList *timer_list; /* NULL: not initialised */
    QEMUTimerCB *cb;
    void *opaque;
    QEMUTimer *prev, *next;
    int attributes;
    int scale;
};

/* -- clocks ---------------------------------------------------------------- */

int64_t qemu_clock_get_ns(QEMUClockType type);

static inline int64_t qemu_clock_get_us(QEMUClockType type)
{
    return qemu_clock_get_ns(type) / SCALE_US;
}

static inline int64_t qemu_clock_get_ms(QEMUClockType type)
{
    return qemu_clock_get_ns(type) / SCALE_MS;
}

/** qemu_clock_has_timers: whether any timer of the main loop is pending. */
bool qemu_clock_has_timers(QEMUClockType type);
/** qemu_clock_expired: whether one of those is due. */
bool qemu_clock_expired(QEMUClockType type);
/** qemu_clock_deadline_ns_all: ns to the next timer of any loop; -1 = none. */
int64_t qemu_clock_deadline_ns_all(QEMUClockType type, int attr_mask);
/** qemu_clock_notify: let every loop look at its timers of @type again. */
void qemu_clock_notify(QEMUClockType type);
/**
 * qemu_clock_enable:
 * @enabled: whether timers of @type fire
 *
 * Does not stop the clock itself. On return from disabling, no callback of
 * @type runs any more (unless called from such a callback).
 */
void qemu_clock_enable(QEMUClockType type, bool enabled);
/** qemu_clock_run_timers: fire the main loop's; Returns: whether any fired. */
bool qemu_clock_run_timers(QEMUClockType type);
bool qemu_clock_run_all_timers(void);

/**
 * cpu_enable_ticks / cpu_disable_ticks:
 *
 * Let QEMU_CLOCK_VIRTUAL run or stand still (run state changes). It starts
 * out running. Repeated calls have no further effect. Timers of a clock that
 * stands still do not fire.
 */
void cpu_enable_ticks(void);
void cpu_disable_ticks(void);
/** cpu_get_clock: QEMU_CLOCK_VIRTUAL in ns. */
int64_t cpu_get_clock(void);
/**
 * cpu_set_clock: set QEMU_CLOCK_VIRTUAL to @ns (new machine; incoming
 * migration), whether it runs or not.
 */
void cpu_set_clock(int64_t ns);

/** get_clock: CLOCK_MONOTONIC in ns. */
int64_t get_clock(void);
/** get_clock_realtime: CLOCK_REALTIME in ns since 1970. */
int64_t get_clock_realtime(void);

/* -- timers ---------------------------------------------------------------- */

/**
 * timer_init_full:
 * @ts: (out) timer, caller's; not pending
 * @timer_list_group: loop it belongs to, NULL for the main loop
 * @type: clock
 * @scale: SCALE_MS, SCALE_US or SCALE_NS: unit of timer_mod()
 * @attributes: QEMU_TIMER_ATTR_*, 0 for none
 * @cb: called with @opaque when due
 */
void timer_init_full(QEMUTimer *ts, QEMUTimerListGroup *timer_list_group,
                     QEMUClockType type, int scale, int attributes,
                     QEMUTimerCB *cb, void *opaque);

static inline void timer_init(QEMUTimer *ts, QEMUClockType type, int scale,
                              QEMUTimerCB *cb, void *opaque)
{
    timer_init_full(ts, NULL, type, scale, 0, cb, opaque);
}

static inline void timer_init_ns(QEMUTimer *ts, QEMUClockType type,
                                 QEMUTimerCB *cb, void *opaque)
{
    timer_init(ts, type, SCALE_NS, cb, opaque);
}

static inline void timer_init_us(QEMUTimer *ts, QEMUClockType type,
                                 QEMUTimerCB *cb, void *opaque)
{
    timer_init(ts, type, SCALE_US, cb, opaque);
}

static inline void timer_init_ms(QEMUTimer *ts, QEMUClockType type,
                                 QEMUTimerCB *cb, void *opaque)
{
    timer_init(ts, type, SCALE_MS, cb, opaque);
}

/** timer_new_full: a timer on the heap, for timer_free(). */
QEMUTimer *timer_new_full(QEMUTimerListGroup *timer_list_group,
                          QEMUClockType type, int scale, int attributes,
                          QEMUTimerCB *cb, void *opaque);

static inline QEMUTimer *timer_new(QEMUClockType type, int scale,
                                   QEMUTimerCB *cb, void *opaque)
{
    return timer_new_full(NULL, type, scale, 0, cb, opaque);
}

static inline QEMUTimer *timer_new_ns(QEMUClockType type, QEMUTimerCB *cb,
                                      void *opaque)
{
    return timer_new(type, SCALE_NS, cb, opaque);
}

static inline QEMUTimer *timer_new_us(QEMUClockType type, QEMUTimerCB *cb,
                                      void *opaque)
{
    return timer_new(type, SCALE_US, cb, opaque);
}

static inline QEMUTimer *timer_new_ms(QEMUClockType type, QEMUTimerCB *cb,
                                      void *opaque)
{
    return timer_new(type, SCALE_MS, cb, opaque);
}

/** timer_deinit: take out of the loop for good; needs timer_init() after. */
void timer_deinit(QEMUTimer *ts);
/** timer_del: no longer pending. */
void timer_del(QEMUTimer *ts);
/** timer_free: timer_del() and free; accepts NULL. */
void timer_free(QEMUTimer *ts);
/** timer_mod_ns: fire when the clock reaches @expire_time ns. */
void timer_mod_ns(QEMUTimer *ts, int64_t expire_time);
/** timer_mod_anticipate_ns: as timer_mod_ns(), but never later than now set. */
void timer_mod_anticipate_ns(QEMUTimer *ts, int64_t expire_time);
/** timer_mod: @expire_time in the timer's unit. */
void timer_mod(QEMUTimer *ts, int64_t expire_time);
void timer_mod_anticipate(QEMUTimer *ts, int64_t expire_time);
bool timer_pending(QEMUTimer *ts);
/** timer_expired: pending and due at @current_time ns. */
bool timer_expired(QEMUTimer *ts, int64_t current_time);
/** timer_expire_time_ns: expiry, -1 when not pending. */
int64_t timer_expire_time_ns(QEMUTimer *ts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QEMUTimer, timer_free)

/* -- lists (for loops) ----------------------------------------------------- */

QEMUTimerList *timerlist_new(QEMUClockType type, QEMUTimerListNotifyCB *cb,
                             void *opaque);
void timerlist_free(QEMUTimerList *timer_list);
bool timerlist_has_timers(QEMUTimerList *timer_list);
bool timerlist_expired(QEMUTimerList *timer_list);
/** timerlist_deadline_ns: ns to the first timer, 0 if due, -1 for never. */
int64_t timerlist_deadline_ns(QEMUTimerList *timer_list);
QEMUClockType timerlist_get_clock(QEMUTimerList *timer_list);
/** timerlist_run_timers: Returns: whether any fired. */
bool timerlist_run_timers(QEMUTimerList *timer_list);
void timerlist_notify(QEMUTimerList *timer_list);

/**
 * timerlistgroup_init:
 * @cb: called with @opaque, in any thread, when the earliest deadline changed
 */
void timerlistgroup_init(QEMUTimerListGroup *tlg, QEMUTimerListNotifyCB *cb,
                         void *opaque);
void timerlistgroup_deinit(QEMUTimerListGroup *tlg);
bool timerlistgroup_run_timers(QEMUTimerListGroup *tlg);
int64_t timerlistgroup_deadline_ns(QEMUTimerListGroup *tlg);

/** main_loop_timers: the group that timer_new() uses. */
QEMUTimerListGroup *main_loop_timers(void);

/** qemu_soonest_timeout: the smaller one, where -1 is "never". */
static inline int64_t qemu_soonest_timeout(int64_t timeout1, int64_t timeout2)
{
    /* -1 is the largest unsigned number */
    return ((uint64_t)timeout1 < (uint64_t)timeout2) ? timeout1 : timeout2;
}

/** qemu_timeout_ns_to_ms: rounded up, so that no timer fires early. */
int qemu_timeout_ns_to_ms(int64_t ns);
/** qemu_poll_ns: poll(2) with @timeout in ns; -1 waits for ever. */
int qemu_poll_ns(GPollFD *fds, guint nfds, int64_t timeout);

#endif
