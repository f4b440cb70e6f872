/*
 * Tell when files in a directory are created, changed or deleted (inotify).
 *
 * A watch belongs to a directory, so it survives that the file is replaced
 * by rename, which is how careful programs save.
 *
 * Thread: watches may be added and removed from any thread. Handlers run in
 * the thread that runs the default GMainContext (the main loop), without a
 * lock held, so a handler may add and remove watches, its own included. When
 * qemu_file_monitor_remove_watch() returns in that thread, the handler is not
 * going to be called again; in another thread, it waits for a handler of that
 * watch that runs right now.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_FILEMONITOR_H
#define UTIL_FILEMONITOR_H

#include <glib.h>
#include <stdint.h>

#include "util/typedefs.h"

typedef struct QFileMonitor QFileMonitor;

typedef enum QFileMonitorEvent {
    QFILE_MONITOR_EVENT_CREATED,    /* new name: created or moved in */
    QFILE_MONITOR_EVENT_MODIFIED,   /* contents changed */
    QFILE_MONITOR_EVENT_DELETED,    /* name gone: deleted or moved out */
    QFILE_MONITOR_EVENT_ATTRIBUTES, /* mode, owner, times */
    QFILE_MONITOR_EVENT_IGNORED,    /* the directory is gone: last event */
} QFileMonitorEvent;

/**
 * QFileMonitorHandler:
 * @id: (in) the watch
 * @event: (in) what happened
 * @filename: (in) name in the directory, without path; "" for IGNORED
 * @opaque: (in) from qemu_file_monitor_add_watch()
 *
 * Also called with MODIFIED when the kernel's queue overflowed and events
 * were lost, with the watched name (or "" for a watch on everything).
 */
typedef void (*QFileMonitorHandler)(int64_t id, QFileMonitorEvent event,
                                    const char *filename, void *opaque);

/**
 * qemu_file_monitor_new:
 * @errp: (out)
 *
 * Returns: a monitor without watches; NULL on failure.
 * Errors: the kernel has no inotify instance left for this user.
 */
QFileMonitor *qemu_file_monitor_new(Error **errp);

/** qemu_file_monitor_free: removes all watches; @mon may be NULL. */
void qemu_file_monitor_free(QFileMonitor *mon);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QFileMonitor, qemu_file_monitor_free)

/**
 * qemu_file_monitor_add_watch:
 * @mon: (in) the monitor
 * @dirpath: (in) an existing directory
 * @filename: (in) name in it, which need not exist; NULL = all names
 * @cb: (in) called for each event
 * @opaque: (in) passed to @cb
 * @errp: (out)
 *
 * Returns: id of the watch, at least 0; -1 on failure.
 * Errors: @dirpath cannot be watched (missing, limit of the user).
 */
int64_t qemu_file_monitor_add_watch(QFileMonitor *mon, const char *dirpath,
                                    const char *filename,
                                    QFileMonitorHandler cb, void *opaque,
                                    Error **errp);

/**
 * qemu_file_monitor_remove_watch:
 * @dirpath: (in) as given to qemu_file_monitor_add_watch()
 * @id: (in) what it returned; an unknown id is ignored
 */
void qemu_file_monitor_remove_watch(QFileMonitor *mon, const char *dirpath,
                                    int64_t id);

#endif
