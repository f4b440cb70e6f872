/*
 * The set of monitors: its thread, the way out for bytes, and events.
 *
 * Output never blocks: it is appended to a buffer and sent as far as the peer
 * takes it; a watch sends the rest. A peer that does not read gets no new
 * requests served (see qmp.c), and when events alone fill its buffer beyond
 * the limit it is disconnected rather than kept with gaps.
 *
 * Events arrive from any thread. The limiter decides under the set's lock
 * whether one goes out now or waits; a timer in the monitors' thread sends
 * what waited.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "monitor/monitor.h"

#include "chardev/char-fd.h"
#include "qapi/qmp-event.h"
#include "util/atomic.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/lockable.h"
#include "util/main-loop.h"
#include "util/timer.h"

#include "monitor-internal.h"

static __thread Monitor *current_monitor;

Monitor *monitor_cur(void)
{
    return current_monitor;
}

Monitor *monitor_set_cur(Monitor *mon)
{
    Monitor *old = current_monitor;

    current_monitor = mon;
    return old;
}

/* -- output -------------------------------------------------------------- */

static size_t pending_locked(const Monitor *mon)
{
    return mon->out->len - mon->out_sent;
}

static void drop_locked(Monitor *mon)
{
    g_string_truncate(mon->out, 0);
    mon->out_sent = 0;
}

static void sent_locked(Monitor *mon, size_t n)
{
    mon->out_sent += n;
    if (mon->out_sent == mon->out->len) {
        drop_locked(mon);
        mon->overflowed = false;
    } else if (mon->out_sent > mon->out->len / 2) {
        /* Seldom enough that a long text is not moved for each send. */
        g_string_erase(mon->out, 0, mon->out_sent);
        mon->out_sent = 0;
    }
}

static gboolean on_writable(void *do_not_use, GIOCondition cond, void *opaque);

static void flush_locked(Monitor *mon)
{
    while (pending_locked(mon) && !mon->out_watch) {
        int n =
            qemu_chr_fe_write(&mon->chr,
                              (const uint8_t *)mon->out->str + mon->out_sent,
                              MIN(pending_locked(mon), INT_MAX));

        if (n > 0) {
            sent_locked(mon, n);
        } else if (n < 0 && errno == EAGAIN) {
            mon->out_watch = qemu_chr_fe_add_watch(
                &mon->chr, G_IO_OUT | G_IO_HUP, on_writable, mon);
            if (!mon->out_watch) {
                return;
            }
        } else {
            /* The peer is gone: its CLOSED event follows. */
            drop_locked(mon);
        }
    }
}

static gboolean on_writable(void *do_not_use, GIOCondition cond, void *opaque)
{
    Monitor *mon = opaque;
    bool readable;

    WITH_QEMU_LOCK_GUARD(&mon->lock)
    {
        mon->out_watch = 0;
        if (cond & G_IO_HUP) {
            drop_locked(mon);
        }
        flush_locked(mon);
        readable = pending_locked(mon) <= MONITOR_OUTPUT_PAUSE_BYTES;
    }
    if (readable && mon->qmp) {
        qmp_session_resume(mon);
    } else if (readable) {
        hmp_session_resume(mon);
    }
    return G_SOURCE_REMOVE;
}

static gboolean disconnect_slow_peer(gpointer opaque)
{
    Monitor *mon = opaque;

    WITH_QEMU_LOCK_GUARD(&mon->lock)
    {
        g_clear_pointer(&mon->disconnect, g_source_unref);
    }
    qemu_chr_fe_disconnect(&mon->chr);
    return G_SOURCE_REMOVE;
}

/*
 * Never at once: the caller may be a callback of the chardev, or another
 * thread. A chardev that cannot disconnect loses whole messages, until its
 * peer has read what there is.
 */
static void overflow_locked(Monitor *mon)
{
    if (mon->overflowed) {
        return;
    }
    mon->overflowed = true;
    mon->disconnect = g_idle_source_new();
    g_source_set_callback(mon->disconnect, disconnect_slow_peer, mon, NULL);
    g_source_attach(mon->disconnect, mon->context);
}

static void write_locked(Monitor *mon, const char *text, size_t len)
{
    if (mon->overflowed ||
        pending_locked(mon) + len > MONITOR_OUTPUT_MAX_BYTES) {
        overflow_locked(mon);
        return;
    }
    g_string_append_len(mon->out, text, len);
    flush_locked(mon);
}

void monitor_write(Monitor *mon, unsigned connection, const char *text,
                   size_t len)
{
    QEMU_LOCK_GUARD(&mon->lock);
    if (mon->connection == connection) {
        write_locked(mon, text, len);
    }
}

void monitor_write_event(Monitor *mon, const char *text, size_t len)
{
    QEMU_LOCK_GUARD(&mon->lock);
    if (mon->takes_events) {
        write_locked(mon, text, len);
    }
}

void monitor_write_and_open_events(Monitor *mon, unsigned connection,
                                   const char *text, size_t len)
{
    QEMU_LOCK_GUARD(&mon->lock);
    if (mon->connection == connection) {
        write_locked(mon, text, len);
        mon->takes_events = true;
    }
}

bool monitor_takes_events(Monitor *mon)
{
    QEMU_LOCK_GUARD(&mon->lock);
    return mon->takes_events;
}

unsigned monitor_connection(Monitor *mon)
{
    QEMU_LOCK_GUARD(&mon->lock);
    return mon->connection;
}

bool monitor_is_held_up(Monitor *mon)
{
    QEMU_LOCK_GUARD(&mon->lock);
    return pending_locked(mon) > MONITOR_OUTPUT_PAUSE_BYTES;
}

unsigned monitor_next_connection(Monitor *mon)
{
    unsigned connection;

    WITH_QEMU_LOCK_GUARD(&mon->lock)
    {
        drop_locked(mon);
        mon->overflowed = false;
        mon->takes_events = false;
        qemu_chr_fe_remove_watch(&mon->chr, mon->out_watch);
        mon->out_watch = 0;
        if (mon->disconnect) {
            g_source_destroy(mon->disconnect);
            g_clear_pointer(&mon->disconnect, g_source_unref);
        }
        connection = ++mon->connection;
    }
    monitor_drop_arrived_fds(mon);
    return connection;
}

bool monitor_outlives_input(Monitor *mon)
{
    return object_dynamic_cast(OBJECT(qemu_chr_fe_get_driver(&mon->chr)),
                               TYPE_CHARDEV_FD) != NULL;
}

/* -- events -------------------------------------------------------------- */

static void broadcast_locked(MonitorSet *set, json_t *event)
{
    for (guint i = 0; i < set->monitors->len; i++) {
        Monitor *mon = g_ptr_array_index(set->monitors, i);

        if (mon->qmp) {
            qmp_session_event(mon, event);
        }
    }
}

static gboolean send_late_events(gpointer opaque);

static void arm_limiter_locked(MonitorSet *set)
{
    int64_t at_ns = event_limiter_next_ns(set->limiter);
    int64_t now_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);

    if (at_ns < 0 || set->limiter_timer) {
        return;
    }
    set->limiter_timer = g_timeout_source_new(
        at_ns > now_ns ? (at_ns - now_ns) / 1000000 + 1 : 0);
    g_source_set_callback(set->limiter_timer, send_late_events, set, NULL);
    g_source_attach(set->limiter_timer, set->context);
}

static gboolean send_late_events(gpointer opaque)
{
    MonitorSet *set = opaque;

    QEMU_LOCK_GUARD(&set->lock);
    g_clear_pointer(&set->limiter_timer, g_source_unref);
    for (;;) {
        g_autoptr(json_t) event = event_limiter_pop(
            set->limiter, qemu_clock_get_ns(QEMU_CLOCK_REALTIME), NULL);

        if (!event) {
            break;
        }
        broadcast_locked(set, event);
    }
    arm_limiter_locked(set);
    return G_SOURCE_REMOVE;
}

static void emit_event(const char *name, json_t *event, void *opaque)
{
    MonitorSet *set = opaque;

    QEMU_LOCK_GUARD(&set->lock);
    if (event_limiter_submit(set->limiter,
                             qemu_clock_get_ns(QEMU_CLOCK_REALTIME), name,
                             event) == EVENT_EMIT) {
        broadcast_locked(set, event);
    }
    arm_limiter_locked(set);
}

/* -- the set ------------------------------------------------------------- */

static void *monitor_thread(void *opaque)
{
    MonitorSet *set = opaque;

    /* Takes the context, for good. */
    g_main_context_push_thread_default(set->context);
    qemu_event_set(&set->ready);
    while (!qatomic_mb_read(&set->stopping)) {
        g_main_context_iteration(set->context, TRUE);
    }
    g_main_context_pop_thread_default(set->context);
    return NULL;
}

MonitorSet *monitor_set_new(const MonitorSetConfig *config)
{
    MonitorSet *set = g_new0(MonitorSet, 1);

    set->config = *config;
    json_incref(set->config.version);
    qemu_mutex_init(&set->lock);
    set->monitors = g_ptr_array_new();
    set->errands = g_ptr_array_new();
    g_queue_init(&set->starting);
    set->limiter = event_limiter_new(event_limits_default);
    set->context = g_main_context_new();
    qmp_event_set_emit(emit_event, set, config->compat);
    qemu_event_init(&set->ready, false);
    qemu_thread_create(&set->thread, "monitor", monitor_thread, set,
                       QEMU_THREAD_JOINABLE);
    /* Else somebody who waits for a chardev's peer might take the context. */
    qemu_event_wait(&set->ready);
    return set;
}

static void close_fd_value(gpointer value)
{
    fd_close(GPOINTER_TO_INT(value));
}

static Monitor *monitor_new(MonitorSet *set, Chardev *chr, Error **errp)
{
    Monitor *mon = g_new0(Monitor, 1);

    mon->set = set;
    if (!qemu_chr_fe_init(&mon->chr, chr, errp)) {
        g_free(mon);
        return NULL;
    }
    qemu_mutex_init(&mon->lock);
    mon->out = g_string_new(NULL);
    mon->named_fds =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_fd_value);
    g_queue_init(&mon->arrived_fds);
    return mon;
}

static void monitor_add(MonitorSet *set, Monitor *mon)
{
    QEMU_LOCK_GUARD(&set->lock);
    g_ptr_array_add(set->monitors, mon);
}

Monitor *monitor_new_qmp(MonitorSet *set, Chardev *chr, bool pretty,
                         Error **errp)
{
    Monitor *mon = monitor_new(set, chr, errp);

    if (!mon) {
        return NULL;
    }
    qemu_chr_fe_set_echo(&mon->chr, true);
    /* A multiplexer stays in the main loop, where its other users are. */
    if (!CHARDEV_IS_MUX(chr) &&
        qemu_chr_has_feature(chr, QEMU_CHAR_FEATURE_GCONTEXT)) {
        mon->context = set->context;
    }
    mon->qmp = qmp_session_new(mon, pretty);
    monitor_add(set, mon);
    qmp_session_start(mon);
    return mon;
}

Monitor *monitor_new_hmp(MonitorSet *set, Chardev *chr, Error **errp)
{
    Monitor *mon = monitor_new(set, chr, errp);

    if (!mon) {
        return NULL;
    }
    mon->hmp = hmp_session_new(mon);
    monitor_add(set, mon);
    hmp_session_start(mon);
    return mon;
}

bool monitor_set_is_empty(const MonitorSet *set)
{
    return set->monitors->len == 0;
}

static void monitor_free(Monitor *mon)
{
    monitor_next_connection(mon);
    qemu_chr_fe_deinit(&mon->chr, false);
    qmp_session_free(mon->qmp);
    hmp_session_free(mon->hmp);
    g_hash_table_unref(mon->named_fds);
    g_string_free(mon->out, TRUE);
    qemu_mutex_destroy(&mon->lock);
    g_free(mon);
}

/* With its thread gone, the context is ours. A slow peer gets some time. */
static void send_the_rest(MonitorSet *set)
{
    int64_t end_us = g_get_monotonic_time() + MONITOR_FAREWELL_MS * 1000;

    while (g_main_context_iteration(set->context, FALSE) &&
           g_get_monotonic_time() < end_us) {
    }
}

static void cancel_errand(gpointer data, gpointer opaque)
{
    const QmpErrand *errand = data;

    errand->cancel(errand->opaque);
}

void monitor_set_free(MonitorSet *set)
{
    if (!set) {
        return;
    }
    qatomic_mb_set(&set->stopping, true);
    g_main_context_wakeup(set->context);
    qemu_thread_join(&set->thread);
    qmp_event_set_emit(NULL, NULL, NULL);
    /* Commands that have begun end; nothing starts a new one. */
    g_ptr_array_foreach(set->errands, cancel_errand, NULL);
    while (qatomic_read(&set->in_flight) > 0) {
        main_loop_wait(false);
    }
    send_the_rest(set);
    for (guint i = 0; i < set->monitors->len; i++) {
        monitor_free(g_ptr_array_index(set->monitors, i));
    }
    g_ptr_array_unref(set->monitors);
    g_ptr_array_unref(set->errands);
    g_queue_clear(&set->starting);
    if (set->limiter_timer) {
        g_source_destroy(set->limiter_timer);
        g_source_unref(set->limiter_timer);
    }
    event_limiter_free(set->limiter);
    g_main_context_unref(set->context);
    json_decref(set->config.version);
    qemu_event_destroy(&set->ready);
    qemu_mutex_destroy(&set->lock);
    g_free(set);
}
