/*
 * File monitor on inotify.
 *
 * One inotify descriptor a monitor, one inotify watch a directory, any number
 * of QFileMonitor watches on it. The descriptor is a source of the default
 * GMainContext.
 *
 * The kernel gives the same watch descriptor for two paths of one directory,
 * so directories are told apart by it and not by path. It never uses a number
 * again, so an event that was queued before its watch was removed finds
 * nothing and is dropped.
 *
 * No lock is held while a handler runs. `running` keeps a watch alive meanwhile
 * and lets qemu_file_monitor_remove_watch() of another thread wait for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/filemonitor.h"

#include <glib-unix.h>
#include <sys/inotify.h>

#include "util/error.h"
#include "util/lockable.h"

#define DIR_MASK                                                               \
    (IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM |           \
     IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR)

/* Room for many events of usual length; the kernel's longest fits. */
#define EVENT_BUF 16384

typedef struct MonitorDir {
    int wd;
    unsigned watches;
} MonitorDir;

typedef struct MonitorWatch {
    int64_t id;
    int wd;
    char *filename; /* NULL = all */
    QFileMonitorHandler cb;
    void *opaque;
    bool removed;
    unsigned running; /* handlers that run now */
    GThread *thread;  /* where, while running > 0 */
} MonitorWatch;

struct QFileMonitor {
    int fd;
    GSource *source;

    QemuMutex lock;      /* guards all below, and MonitorWatch, MonitorDir */
    QemuCond idle;       /* a handler has returned */
    GHashTable *dirs;    /* wd -> MonitorDir */
    GHashTable *watches; /* id -> MonitorWatch */
    int64_t next_id;
    bool freed; /* deliver nothing more */

    gint refs; /* atomic: the owner's, and the source's */
};

static void watch_free(void *opaque)
{
    MonitorWatch *w = opaque;

    g_free(w->filename);
    g_free(w);
}

static void monitor_unref(void *opaque)
{
    QFileMonitor *mon = opaque;

    if (!g_atomic_int_dec_and_test(&mon->refs)) {
        return;
    }
    g_hash_table_unref(mon->watches);
    g_hash_table_unref(mon->dirs);
    fd_close(mon->fd);
    qemu_cond_destroy(&mon->idle);
    qemu_mutex_destroy(&mon->lock);
    g_free(mon);
}

/* Under the lock; gives it back while the handler runs. */
static void watch_call(QFileMonitor *mon, MonitorWatch *w,
                       QFileMonitorEvent event, const char *name)
{
    if (w->removed) {
        return;
    }
    w->running++;
    w->thread = g_thread_self();
    qemu_mutex_unlock(&mon->lock);
    w->cb(w->id, event, name, w->opaque);
    qemu_mutex_lock(&mon->lock);
    w->running--;
    qemu_cond_broadcast(&mon->idle);
}

/*
 * Under the lock: call the handlers that want an event. @wd -1 and @name NULL
 * stand for all. Ids are collected first, because handlers may change the
 * table.
 */
static void monitor_deliver(QFileMonitor *mon, int wd, QFileMonitorEvent event,
                            const char *name)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(int64_t));
    GHashTableIter iter;
    MonitorWatch *w;

    g_hash_table_iter_init(&iter, mon->watches);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&w)) {
        bool named = !w->filename || !name || g_str_equal(name, w->filename);

        if ((wd == -1 || w->wd == wd) && named) {
            g_array_append_val(ids, w->id);
        }
    }
    for (size_t i = 0; i < ids->len && !mon->freed; i++) {
        int64_t id = g_array_index(ids, int64_t, i);

        w = g_hash_table_lookup(mon->watches, &id);
        if (w) {
            const char *arg = name ? name
                              : event == QFILE_MONITOR_EVENT_MODIFIED
                                  ? w->filename
                                  : NULL;

            watch_call(mon, w, event, arg ? arg : "");
            if (w->removed && !w->running) {
                g_hash_table_remove(mon->watches, &id);
            }
        }
    }
}

static void monitor_event(QFileMonitor *mon, const struct inotify_event *ev)
{
    const char *name = ev->len ? ev->name : "";

    if (ev->mask & IN_Q_OVERFLOW) {
        monitor_deliver(mon, -1, QFILE_MONITOR_EVENT_MODIFIED, NULL);
    } else if (ev->mask & IN_IGNORED) {
        if (g_hash_table_remove(mon->dirs, &ev->wd)) {
            monitor_deliver(mon, ev->wd, QFILE_MONITOR_EVENT_IGNORED, NULL);
        }
    } else if (!ev->len) {
        return; /* about the directory itself */
    } else if (ev->mask & (IN_CREATE | IN_MOVED_TO)) {
        monitor_deliver(mon, ev->wd, QFILE_MONITOR_EVENT_CREATED, name);
    } else if (ev->mask & IN_MODIFY) {
        monitor_deliver(mon, ev->wd, QFILE_MONITOR_EVENT_MODIFIED, name);
    } else if (ev->mask & (IN_DELETE | IN_MOVED_FROM)) {
        monitor_deliver(mon, ev->wd, QFILE_MONITOR_EVENT_DELETED, name);
    } else if (ev->mask & IN_ATTRIB) {
        monitor_deliver(mon, ev->wd, QFILE_MONITOR_EVENT_ATTRIBUTES, name);
    }
}

static gboolean monitor_readable(int fd, GIOCondition cond, void *opaque)
{
    QFileMonitor *mon = opaque;
    union {
        struct inotify_event align;
        char bytes[EVENT_BUF];
    } buf;
    ssize_t n = read(fd, &buf, sizeof(buf));

    if (n < 0) {
        return G_SOURCE_CONTINUE; /* nothing there after all */
    }
    QEMU_LOCK_GUARD(&mon->lock);
    for (ssize_t at = 0; at < n && !mon->freed;) {
        const struct inotify_event *ev = (void *)(buf.bytes + at);

        at += sizeof(*ev) + ev->len;
        monitor_event(mon, ev);
    }
    return G_SOURCE_CONTINUE;
}

QFileMonitor *qemu_file_monitor_new(Error **errp)
{
    AUTO_FD fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    QFileMonitor *mon;

    if (fd < 0) {
        error_setg_errno(errp, errno, "cannot watch files");
        return NULL;
    }
    mon = g_new0(QFileMonitor, 1);
    qemu_mutex_init(&mon->lock);
    qemu_cond_init(&mon->idle);
    mon->dirs = g_hash_table_new_full(g_int_hash, g_int_equal, NULL, g_free);
    mon->watches =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, watch_free);
    mon->refs = 2;
    mon->fd = fd_steal(&fd);
    mon->source = g_unix_fd_source_new(mon->fd, G_IO_IN);
    g_source_set_callback(mon->source, G_SOURCE_FUNC(monitor_readable), mon,
                          monitor_unref);
    g_source_attach(mon->source, NULL);
    return mon;
}

/* Under the lock: does a handler of another thread run? */
static bool monitor_busy(QFileMonitor *mon)
{
    GHashTableIter iter;
    MonitorWatch *w;

    g_hash_table_iter_init(&iter, mon->watches);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&w)) {
        if (w->running && w->thread != g_thread_self()) {
            return true;
        }
    }
    return false;
}

void qemu_file_monitor_free(QFileMonitor *mon)
{
    if (!mon) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&mon->lock)
    {
        mon->freed = true;
        while (monitor_busy(mon)) {
            qemu_cond_wait(&mon->idle, &mon->lock);
        }
    }
    /* Its reference lasts until a dispatch that runs now has ended. */
    g_source_destroy(mon->source);
    g_source_unref(mon->source);
    monitor_unref(mon);
}

int64_t qemu_file_monitor_add_watch(QFileMonitor *mon, const char *dirpath,
                                    const char *filename,
                                    QFileMonitorHandler cb, void *opaque,
                                    Error **errp)
{
    MonitorWatch *w;
    MonitorDir *dir;
    int wd;

    QEMU_LOCK_GUARD(&mon->lock);
    wd = inotify_add_watch(mon->fd, dirpath, DIR_MASK);
    if (wd < 0) {
        error_setg_errno(errp, errno, "cannot watch directory '%s'", dirpath);
        return -1;
    }
    dir = g_hash_table_lookup(mon->dirs, &wd);
    if (!dir) {
        dir = g_new0(MonitorDir, 1);
        dir->wd = wd;
        g_hash_table_insert(mon->dirs, &dir->wd, dir);
    }
    dir->watches++;
    w = g_new0(MonitorWatch, 1);
    w->id = mon->next_id++;
    w->wd = wd;
    w->filename = g_strdup(filename);
    w->cb = cb;
    w->opaque = opaque;
    g_hash_table_insert(mon->watches, &w->id, w);
    return w->id;
}

/* Under the lock: the last watch on a directory ends the kernel's. */
static void dir_release(QFileMonitor *mon, int wd)
{
    MonitorDir *dir = g_hash_table_lookup(mon->dirs, &wd);

    if (dir && --dir->watches == 0) {
        inotify_rm_watch(mon->fd, wd);
        g_hash_table_remove(mon->dirs, &wd);
    }
}

void qemu_file_monitor_remove_watch(QFileMonitor *mon, const char *dirpath,
                                    int64_t id)
{
    MonitorWatch *w;

    QEMU_LOCK_GUARD(&mon->lock);
    w = g_hash_table_lookup(mon->watches, &id);
    if (!w || w->removed) {
        return;
    }
    w->removed = true;
    dir_release(mon, w->wd);
    if (w->running && w->thread == g_thread_self()) {
        return; /* monitor_deliver() drops it */
    }
    if (w->running) {
        while ((w = g_hash_table_lookup(mon->watches, &id)) && w->running) {
            qemu_cond_wait(&mon->idle, &mon->lock);
        }
        return; /* dropped by monitor_deliver(), or about to be */
    }
    g_hash_table_remove(mon->watches, &id);
}
