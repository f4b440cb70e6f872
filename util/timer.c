/*
 * Clocks and timers.
 *
 * Each loop has one QEMUTimerList per clock: its pending timers, soonest
 * first, under the list's lock. The loop sleeps until the deadline of its
 * soonest timer and then runs what is due, with the lock given back around
 * each callback. When another thread makes a timer the soonest, the list
 * notifies its loop.
 *
 * The virtual clock is one 64-bit word, so that devices read it without a
 * lock: twice the offset, plus one while it runs. Running, the time is
 * CLOCK_MONOTONIC plus the offset; stopped, it is the offset itself.
 *
 * Mutable file-scope state: the clocks (there is one time in a process), the
 * lists known to each, and the main loop's group.
 *
 * Lock order: a clock's lock, then a list's lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/timer.h"

#include <poll.h>

#include "util/lockable.h"
#include "util/main-loop.h"
#include "util/queue.h"
#include "util/thread.h"

struct QEMUTimerList {
    QEMUClockType type;
    QLIST_ENTRY(QEMUTimerList) link; /* guarded by the clock's lock */
    QEMUTimerListNotifyCB *notify_cb;
    void *notify_opaque;
    QemuMutex lock;     /* guards the timers and their expire_time */
    QEMUTimer *active;  /* soonest first; of equals, first come first */
    unsigned run_depth; /* in the loop's thread only */
    QemuThread runner;  /* valid while not idle */
    QemuEvent idle;     /* set while no callback runs */
};

typedef struct QEMUClock {
    QemuMutex lock; /* guards lists */
    QLIST_HEAD(, QEMUTimerList) lists;
    bool enabled; /* atomic */
} QEMUClock;

static QEMUClock clocks[QEMU_CLOCK_MAX];
static QEMUTimerListGroup main_loop_tlg;

#define VIRTUAL_RUNS 1

static QemuMutex virtual_lock;              /* serializes changes of the next */
static int64_t virtual_word = VIRTUAL_RUNS; /* atomic */

static void main_loop_timers_changed(void *opaque, QEMUClockType type)
{
    qemu_notify_event();
}

static gpointer clocks_init(gpointer unused)
{
    qemu_mutex_init(&virtual_lock);
    for (int type = 0; type < QEMU_CLOCK_MAX; type++) {
        QEMUTimerList *list = g_new0(QEMUTimerList, 1);

        qemu_mutex_init(&clocks[type].lock);
        clocks[type].enabled = true;
        /* What timerlist_new() does, which needs the clocks made. */
        list->type = (QEMUClockType)type;
        list->notify_cb = main_loop_timers_changed;
        qemu_mutex_init(&list->lock);
        qemu_event_init(&list->idle, true);
        QLIST_INSERT_HEAD(&clocks[type].lists, list, link);
        main_loop_tlg.tl[type] = list;
    }
    return NULL;
}

static QEMUClock *clock_of(QEMUClockType type)
{
    static GOnce once = G_ONCE_INIT;

    assert(type >= 0 && type < QEMU_CLOCK_MAX);
    g_once(&once, clocks_init, NULL);
    return &clocks[type];
}

QEMUTimerListGroup *main_loop_timers(void)
{
    clock_of(QEMU_CLOCK_REALTIME);
    return &main_loop_tlg;
}

/* -- clocks ---------------------------------------------------------------- */

static int64_t host_clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
}

int64_t get_clock(void)
{
    return host_clock_ns(CLOCK_MONOTONIC);
}

int64_t get_clock_realtime(void)
{
    return host_clock_ns(CLOCK_REALTIME);
}

int64_t cpu_get_clock(void)
{
    int64_t word, now;

    do {
        word = qatomic_load_acquire(&virtual_word);
        if (!(word & VIRTUAL_RUNS)) {
            return word / 2;
        }
        now = get_clock() + (word - VIRTUAL_RUNS) / 2;
        /* Again if it was stopped in between: then now is beyond the stop. */
    } while (qatomic_load_acquire(&virtual_word) != word);
    return now;
}

static bool virtual_clock_runs(void)
{
    return qatomic_load_acquire(&virtual_word) & VIRTUAL_RUNS;
}

static bool clock_stands_still(QEMUClockType type)
{
    return (type == QEMU_CLOCK_VIRTUAL || type == QEMU_CLOCK_VIRTUAL_RT) &&
           !virtual_clock_runs();
}

/* Makes the virtual clock show @ns now; @run: and go on from there. */
static void virtual_clock_set(int64_t ns, bool run)
{
    int64_t word = run ? (ns - get_clock()) * 2 + VIRTUAL_RUNS : ns * 2;

    qatomic_store_release(&virtual_word, word);
}

static void virtual_clock_changed(void)
{
    qemu_clock_notify(QEMU_CLOCK_VIRTUAL);
    qemu_clock_notify(QEMU_CLOCK_VIRTUAL_RT);
}

static void virtual_clock_run(bool run)
{
    clock_of(QEMU_CLOCK_VIRTUAL);
    WITH_QEMU_LOCK_GUARD(&virtual_lock)
    {
        if (virtual_clock_runs() != run) {
            virtual_clock_set(cpu_get_clock(), run);
        }
    }
    virtual_clock_changed();
}

void cpu_enable_ticks(void)
{
    virtual_clock_run(true);
}

void cpu_disable_ticks(void)
{
    virtual_clock_run(false);
}

void cpu_set_clock(int64_t ns)
{
    clock_of(QEMU_CLOCK_VIRTUAL);
    WITH_QEMU_LOCK_GUARD(&virtual_lock)
    {
        virtual_clock_set(ns, virtual_clock_runs());
    }
    virtual_clock_changed();
}

int64_t qemu_clock_get_ns(QEMUClockType type)
{
    switch (type) {
    case QEMU_CLOCK_REALTIME:
        return get_clock();
    case QEMU_CLOCK_HOST:
        return get_clock_realtime();
    default:
        return cpu_get_clock();
    }
}

void qemu_clock_notify(QEMUClockType type)
{
    QEMUClock *clock = clock_of(type);
    QEMUTimerList *list;
    QEMU_LOCK_GUARD(&clock->lock);

    QLIST_FOREACH(list, &clock->lists, link) {
        timerlist_notify(list);
    }
}

void qemu_clock_enable(QEMUClockType type, bool enabled)
{
    QEMUClock *clock = clock_of(type);
    bool was = qatomic_xchg(&clock->enabled, enabled);
    QEMUTimerList *list;

    if (enabled && !was) {
        qemu_clock_notify(type);
    } else if (!enabled && was) {
        QEMU_LOCK_GUARD(&clock->lock);

        QLIST_FOREACH(list, &clock->lists, link) {
            bool inside;

            WITH_QEMU_LOCK_GUARD(&list->lock)
            {
                inside = list->run_depth && qemu_thread_is_self(&list->runner);
            }
            if (!inside) {
                qemu_event_wait(&list->idle);
            }
        }
    }
}

bool qemu_clock_has_timers(QEMUClockType type)
{
    return timerlist_has_timers(main_loop_timers()->tl[type]);
}

bool qemu_clock_expired(QEMUClockType type)
{
    return timerlist_expired(main_loop_timers()->tl[type]);
}

bool qemu_clock_run_timers(QEMUClockType type)
{
    return timerlist_run_timers(main_loop_timers()->tl[type]);
}

bool qemu_clock_run_all_timers(void)
{
    return timerlistgroup_run_timers(main_loop_timers());
}

/* -- lists ----------------------------------------------------------------- */

QEMUTimerList *timerlist_new(QEMUClockType type, QEMUTimerListNotifyCB *cb,
                             void *opaque)
{
    QEMUClock *clock = clock_of(type);
    QEMUTimerList *list = g_new0(QEMUTimerList, 1);

    list->type = type;
    list->notify_cb = cb;
    list->notify_opaque = opaque;
    qemu_mutex_init(&list->lock);
    qemu_event_init(&list->idle, true);
    WITH_QEMU_LOCK_GUARD(&clock->lock)
    {
        QLIST_INSERT_HEAD(&clock->lists, list, link);
    }
    return list;
}

void timerlist_free(QEMUTimerList *timer_list)
{
    assert(!timer_list->active);
    WITH_QEMU_LOCK_GUARD(&clock_of(timer_list->type)->lock)
    {
        QLIST_REMOVE(timer_list, link);
    }
    qemu_event_destroy(&timer_list->idle);
    qemu_mutex_destroy(&timer_list->lock);
    g_free(timer_list);
}

bool timerlist_has_timers(QEMUTimerList *timer_list)
{
    return qatomic_read(&timer_list->active) != NULL;
}

/* Whether timers of the list may fire at all. */
static bool timerlist_live(QEMUTimerList *list)
{
    return timerlist_has_timers(list) &&
           qatomic_read(&clocks[list->type].enabled) &&
           !clock_stands_still(list->type);
}

int64_t timerlist_deadline_ns(QEMUTimerList *timer_list)
{
    int64_t expire, delta;

    if (!timerlist_live(timer_list)) {
        return -1;
    }
    WITH_QEMU_LOCK_GUARD(&timer_list->lock)
    {
        if (!timer_list->active) {
            return -1;
        }
        expire = timer_list->active->expire_time;
    }
    delta = expire - qemu_clock_get_ns(timer_list->type);
    return MAX(delta, 0);
}

bool timerlist_expired(QEMUTimerList *timer_list)
{
    return timerlist_deadline_ns(timer_list) == 0;
}

int64_t qemu_clock_deadline_ns_all(QEMUClockType type, int attr_mask)
{
    QEMUClock *clock = clock_of(type);
    int64_t deadline = -1;
    QEMUTimerList *list;
    QEMU_LOCK_GUARD(&clock->lock);

    QLIST_FOREACH(list, &clock->lists, link) {
        QEMUTimer *ts;
        QEMU_LOCK_GUARD(&list->lock);

        for (ts = list->active; ts; ts = ts->next) {
            if (!(ts->attributes & ~attr_mask)) {
                int64_t delta = ts->expire_time - qemu_clock_get_ns(type);

                deadline = qemu_soonest_timeout(deadline, MAX(delta, 0));
                break;
            }
        }
    }
    return deadline;
}

QEMUClockType timerlist_get_clock(QEMUTimerList *timer_list)
{
    return timer_list->type;
}

void timerlist_notify(QEMUTimerList *timer_list)
{
    if (timer_list->notify_cb) {
        timer_list->notify_cb(timer_list->notify_opaque, timer_list->type);
    }
}

/* Called with the list's lock. */
static void timer_unlink(QEMUTimerList *list, QEMUTimer *ts)
{
    if (ts->expire_time < 0) {
        return;
    }
    if (ts->prev) {
        ts->prev->next = ts->next;
    } else {
        qatomic_set(&list->active, ts->next);
    }
    if (ts->next) {
        ts->next->prev = ts->prev;
    }
    ts->prev = NULL;
    ts->next = NULL;
    qatomic_set(&ts->expire_time, -1);
}

/* Called with the list's lock. Returns: whether @ts is the soonest now. */
static bool timer_link(QEMUTimerList *list, QEMUTimer *ts, int64_t expire)
{
    QEMUTimer *prev = NULL, *next = list->active;

    qatomic_set(&ts->expire_time, MAX(expire, 0));
    while (next && next->expire_time <= ts->expire_time) {
        prev = next;
        next = next->next;
    }
    ts->prev = prev;
    ts->next = next;
    if (next) {
        next->prev = ts;
    }
    if (prev) {
        prev->next = ts;
    } else {
        qatomic_set(&list->active, ts);
    }
    return !prev;
}

/* Takes the first timer out of the list if it is due. */
static bool timerlist_pop(QEMUTimerList *list, int64_t now, QEMUTimerCB **cb,
                          void **opaque)
{
    QEMUTimer *ts;
    QEMU_LOCK_GUARD(&list->lock);

    ts = list->active;
    if (!ts || ts->expire_time > now) {
        return false;
    }
    timer_unlink(list, ts);
    *cb = ts->cb;
    *opaque = ts->opaque;
    return true;
}

bool timerlist_run_timers(QEMUTimerList *timer_list)
{
    bool progress = false;
    QEMUTimerCB *cb;
    void *opaque;
    int64_t now;

    if (!timerlist_has_timers(timer_list)) {
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&timer_list->lock)
    {
        if (timer_list->run_depth++ == 0) {
            qemu_thread_get_self(&timer_list->runner);
            qemu_event_reset(&timer_list->idle);
        }
    }
    /* After the reset, so that a disabler either is seen or waits for us. */
    now = qemu_clock_get_ns(timer_list->type);
    while (qatomic_mb_read(&clocks[timer_list->type].enabled) &&
           !clock_stands_still(timer_list->type) &&
           timerlist_pop(timer_list, now, &cb, &opaque)) {
        cb(opaque);
        progress = true;
    }
    WITH_QEMU_LOCK_GUARD(&timer_list->lock)
    {
        if (--timer_list->run_depth == 0) {
            qemu_event_set(&timer_list->idle);
        }
    }
    return progress;
}

void timerlistgroup_init(QEMUTimerListGroup *tlg, QEMUTimerListNotifyCB *cb,
                         void *opaque)
{
    for (int type = 0; type < QEMU_CLOCK_MAX; type++) {
        tlg->tl[type] = timerlist_new((QEMUClockType)type, cb, opaque);
    }
}

void timerlistgroup_deinit(QEMUTimerListGroup *tlg)
{
    for (int type = 0; type < QEMU_CLOCK_MAX; type++) {
        timerlist_free(tlg->tl[type]);
    }
}

bool timerlistgroup_run_timers(QEMUTimerListGroup *tlg)
{
    bool progress = false;

    for (int type = 0; type < QEMU_CLOCK_MAX; type++) {
        progress |= timerlist_run_timers(tlg->tl[type]);
    }
    return progress;
}

int64_t timerlistgroup_deadline_ns(QEMUTimerListGroup *tlg)
{
    int64_t deadline = -1;

    for (int type = 0; type < QEMU_CLOCK_MAX; type++) {
        deadline = qemu_soonest_timeout(deadline,
                                        timerlist_deadline_ns(tlg->tl[type]));
    }
    return deadline;
}

/* -- timers ---------------------------------------------------------------- */

void timer_init_full(QEMUTimer *ts, QEMUTimerListGroup *timer_list_group,
                     QEMUClockType type, int scale, int attributes,
                     QEMUTimerCB *cb, void *opaque)
{
    QEMUTimerListGroup *tlg = timer_list_group ?: main_loop_timers();

    assert(type < QEMU_CLOCK_MAX && scale > 0);
    *ts = (QEMUTimer){
        .expire_time = -1,
        .timer_list = tlg->tl[type],
        .cb = cb,
        .opaque = opaque,
        .attributes = attributes,
        .scale = scale,
    };
}

QEMUTimer *timer_new_full(QEMUTimerListGroup *timer_list_group,
                          QEMUClockType type, int scale, int attributes,
                          QEMUTimerCB *cb, void *opaque)
{
    QEMUTimer *ts = g_new(QEMUTimer, 1);

    timer_init_full(ts, timer_list_group, type, scale, attributes, cb, opaque);
    return ts;
}

void timer_del(QEMUTimer *ts)
{
    QEMUTimerList *list = ts->timer_list;

    if (list) {
        QEMU_LOCK_GUARD(&list->lock);

        timer_unlink(list, ts);
    }
}

void timer_deinit(QEMUTimer *ts)
{
    timer_del(ts);
    ts->timer_list = NULL;
}

void timer_free(QEMUTimer *ts)
{
    if (ts) {
        timer_del(ts);
        g_free(ts);
    }
}

static void timer_set(QEMUTimer *ts, int64_t expire_time, bool only_sooner)
{
    QEMUTimerList *list = ts->timer_list;
    bool first;

    WITH_QEMU_LOCK_GUARD(&list->lock)
    {
        if (only_sooner && ts->expire_time >= 0 &&
            ts->expire_time <= expire_time) {
            return;
        }
        timer_unlink(list, ts);
        first = timer_link(list, ts, expire_time);
    }
    if (first) {
        timerlist_notify(list);
    }
}

void timer_mod_ns(QEMUTimer *ts, int64_t expire_time)
{
    timer_set(ts, expire_time, false);
}

void timer_mod_anticipate_ns(QEMUTimer *ts, int64_t expire_time)
{
    timer_set(ts, expire_time, true);
}

/* Expiry in ns; a time too far away for 64 bits is the end of time. */
static int64_t scaled_expire(const QEMUTimer *ts, int64_t expire_time)
{
    int64_t ns;

    if (__builtin_mul_overflow(expire_time, ts->scale, &ns)) {
        return expire_time > 0 ? INT64_MAX : 0;
    }
    return ns;
}

void timer_mod(QEMUTimer *ts, int64_t expire_time)
{
    timer_mod_ns(ts, scaled_expire(ts, expire_time));
}

void timer_mod_anticipate(QEMUTimer *ts, int64_t expire_time)
{
    timer_mod_anticipate_ns(ts, scaled_expire(ts, expire_time));
}

bool timer_pending(QEMUTimer *ts)
{
    return ts->timer_list && qatomic_read(&ts->expire_time) >= 0;
}

bool timer_expired(QEMUTimer *ts, int64_t current_time)
{
    int64_t expire = qatomic_read(&ts->expire_time);

    return ts->timer_list && expire >= 0 && expire <= current_time;
}

int64_t timer_expire_time_ns(QEMUTimer *ts)
{
    return timer_pending(ts) ? qatomic_read(&ts->expire_time) : -1;
}

/* -- waiting --------------------------------------------------------------- */

int qemu_timeout_ns_to_ms(int64_t ns)
{
    int64_t ms;

    if (ns < 0) {
        return -1;
    }
    ms = ns / SCALE_MS + (ns % SCALE_MS != 0);
    return (int)MIN(ms, INT_MAX);
}

int qemu_poll_ns(GPollFD *fds, guint nfds, int64_t timeout)
{
    struct timespec ts;

    QEMU_BUILD_BUG_ON(sizeof(GPollFD) != sizeof(struct pollfd));
    if (timeout < 0) {
        return ppoll((struct pollfd *)fds, nfds, NULL, NULL);
    }
    ts.tv_sec = timeout / NANOSECONDS_PER_SECOND;
    ts.tv_nsec = timeout % NANOSECONDS_PER_SECOND;
    return ppoll((struct pollfd *)fds, nfds, &ts, NULL);
}
