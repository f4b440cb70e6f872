/*
 * What the files of this folder share.
 *
 * Lock order: MonitorSet.lock, then Monitor.lock, then what chardev/ takes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MONITOR_MONITOR_INTERNAL_H
#define MONITOR_MONITOR_INTERNAL_H

#include "chardev/char-fe.h"
#include "monitor/monitor.h"
#include "qapi/event-limiter.h"
#include "qapi/hmp.h"
#include "qapi/qmp-dispatch.h"
#include "qapi/qmp-framing.h"
#include "util/thread.h"

#include "readline.h"

/* In-band requests that wait; beyond it a monitor stops reading. */
#define QMP_QUEUE_MAX 8
/* Unread output at which a monitor stops serving its peer. */
#define MONITOR_OUTPUT_PAUSE_BYTES (1024 * 1024)
/* Unread output (events come on top) at which the peer is disconnected. */
#define MONITOR_OUTPUT_MAX_BYTES (64 * 1024 * 1024)
/* How long the end of the program waits for peers to take their output. */
#define MONITOR_FAREWELL_MS 100
/* Descriptors that arrived and that no command has claimed yet. */
#define MONITOR_ARRIVED_FDS_MAX 64
/* Descriptors kept by name, per monitor. */
#define MONITOR_NAMED_FDS_MAX 1024

typedef struct QmpSession QmpSession;
typedef struct HmpSession HmpSession;

struct Monitor {
    MonitorSet *set;
    CharBackend chr;
    GMainContext *context; /* where input and events arrive */
    QmpSession *qmp;       /* exactly one of the two is set */
    HmpSession *hmp;

    /* Guards all below. */
    QemuMutex lock;
    unsigned connection; /* number of the peer, to know what is stale */
    bool takes_events;   /* the peer has negotiated */
    GString *out;        /* from out_sent on: not yet taken by the peer */
    size_t out_sent;
    guint out_watch;       /* 0: nobody waits for the peer */
    bool overflowed;       /* output is dropped until all of @out is sent */
    GSource *disconnect;   /* attached: the peer is about to be cut off */
    GHashTable *named_fds; /* char * -> GINT_TO_POINTER(fd) */
    GQueue arrived_fds;    /* of GINT_TO_POINTER(fd), oldest first */
};

struct MonitorSet {
    MonitorSetConfig config;
    GMainContext *context; /* of the thread */
    QemuThread thread;
    QemuEvent ready; /* the thread owns the context */

    /* Atomic. */
    int stopping;  /* no new commands */
    int in_flight; /* commands that the main loop has or runs */

    GPtrArray *errands; /* of QmpErrand *, that workers have; main loop's */

    /* Guards the lists and the limiter. */
    QemuMutex lock;
    GPtrArray *monitors; /* of Monitor *, owned */
    GQueue starting;     /* of Monitor *, on the way to the thread */
    EventLimiter *limiter;
    GSource *limiter_timer; /* attached while an event waits */
};

/* -- monitor.c ----------------------------------------------------------- */

/* Make @mon the current monitor of this thread; returns the one before. */
Monitor *monitor_set_cur(Monitor *mon);

/*
 * Queue @len bytes for peer @connection and send what it takes; nothing when
 * another peer has come since. Thread: any.
 */
void monitor_write(Monitor *mon, unsigned connection, const char *text,
                   size_t len);

/* The same for whoever is there, if it wants events. Thread: any. */
void monitor_write_event(Monitor *mon, const char *text, size_t len);
/* monitor_write(), and events right behind it from now on. Thread: any. */
void monitor_write_and_open_events(Monitor *mon, unsigned connection,
                                   const char *text, size_t len);
/* A hint, to save work. Thread: any. */
bool monitor_takes_events(Monitor *mon);

/* Number of the peer. Thread: any. */
unsigned monitor_connection(Monitor *mon);

/* Does the peer leave too much unread to be served? Thread: any. */
bool monitor_is_held_up(Monitor *mon);

/*
 * The peer is gone: forget its output and descriptors.
 * Thread: the monitor's context.
 * Returns: number of the next peer.
 */
unsigned monitor_next_connection(Monitor *mon);

/*
 * Is CLOSED only the end of input (a pipe, standard input)? Output can still
 * be sent then, and what was asked before is answered.
 */
bool monitor_outlives_input(Monitor *mon);

/* -- fds.c --------------------------------------------------------------- */

/* Take descriptors that came with the bytes just read. */
void monitor_collect_fds(Monitor *mon);
/* Would more descriptors push out some that wait? */
bool monitor_arrived_fds_full(Monitor *mon);
/* Close descriptors that arrived and were not claimed. */
void monitor_drop_arrived_fds(Monitor *mon);
/* The oldest descriptor that arrived, now the caller's; -1 if none. */
int monitor_take_arrived_fd(Monitor *mon);

/* -- qmp.c, hmp.c -------------------------------------------------------- */

QmpSession *qmp_session_new(Monitor *mon, bool pretty);
void qmp_session_free(QmpSession *s);
/* Attach the callbacks in @mon->context. */
void qmp_session_start(Monitor *mon);
/* Send an event, if the peer has negotiated. Thread: any. */
void qmp_session_event(Monitor *mon, json_t *event);
/* The peer takes output again. Thread: the monitor's context. */
void qmp_session_resume(Monitor *mon);
/* Allow "exec-oob" and open the command mode. Thread: the same. */
void qmp_session_negotiated(Monitor *mon, bool oob);
/* May this monitor offer the out-of-band capability? */
bool qmp_session_offers_oob(Monitor *mon);

HmpSession *hmp_session_new(Monitor *mon);
void hmp_session_free(HmpSession *s);
void hmp_session_start(Monitor *mon);
void hmp_session_resume(Monitor *mon);
/* Line @index of the history, 0 the oldest; NULL beyond the newest. */
const char *hmp_session_history(Monitor *mon, size_t index);
/* Whose command runs; the monitor is NULL for human-monitor-command. */
MonitorSet *hmp_set_of_context(HMPContext *ctx);
Monitor *hmp_monitor_of_context(HMPContext *ctx);

#endif
