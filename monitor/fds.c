/*
 * Descriptors that a QMP client sends along with its commands.
 *
 * SCM_RIGHTS ties descriptors to bytes, QMP ties them to a command. They are
 * collected in the order of arrival and handed to the commands that claim one
 * (getfd, add-fd) in that order, so that a client may send several such
 * commands at once. What no command has claimed by the time the next bytes
 * find the monitor idle is closed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel.h"
#include "monitor/monitor.h"
#include "util/cutils.h"
#include "util/lockable.h"

#include "monitor-internal.h"

void monitor_collect_fds(Monitor *mon)
{
    int fds[QIO_CHANNEL_MAX_FDS];
    int n = qemu_chr_fe_get_msgfds(&mon->chr, fds, ARRAY_SIZE(fds));

    QEMU_LOCK_GUARD(&mon->lock);
    for (int i = 0; i < n; i++) {
        if (g_queue_get_length(&mon->arrived_fds) == MONITOR_ARRIVED_FDS_MAX) {
            fd_close(GPOINTER_TO_INT(g_queue_pop_head(&mon->arrived_fds)));
        }
        g_queue_push_tail(&mon->arrived_fds, GINT_TO_POINTER(fds[i]));
    }
}

bool monitor_arrived_fds_full(Monitor *mon)
{
    QEMU_LOCK_GUARD(&mon->lock);
    return g_queue_get_length(&mon->arrived_fds) + QIO_CHANNEL_MAX_FDS >
           MONITOR_ARRIVED_FDS_MAX;
}

void monitor_drop_arrived_fds(Monitor *mon)
{
    QEMU_LOCK_GUARD(&mon->lock);
    while (!g_queue_is_empty(&mon->arrived_fds)) {
        fd_close(GPOINTER_TO_INT(g_queue_pop_head(&mon->arrived_fds)));
    }
}

int monitor_take_arrived_fd(Monitor *mon)
{
    QEMU_LOCK_GUARD(&mon->lock);
    if (g_queue_is_empty(&mon->arrived_fds)) {
        return -1;
    }
    return GPOINTER_TO_INT(g_queue_pop_head(&mon->arrived_fds));
}

int monitor_get_fd(Monitor *mon, const char *name, Error **errp)
{
    gpointer key;
    gpointer value;
    int fd;

    QEMU_LOCK_GUARD(&mon->lock);
    if (!g_hash_table_lookup_extended(mon->named_fds, name, &key, &value)) {
        error_setg(errp, "file descriptor named '%s' has not been found", name);
        return -1;
    }
    fd = GPOINTER_TO_INT(value);
    g_hash_table_steal(mon->named_fds, name);
    g_free(key);
    return fd;
}

int monitor_fd_param(Monitor *mon, const char *text, Error **errp)
{
    int fd;

    if (mon && !g_ascii_isdigit(text[0])) {
        return monitor_get_fd(mon, text, errp);
    }
    fd = qemu_parse_fd(text);
    if (fd < 0 || fcntl(fd, F_GETFD) < 0) {
        error_setg(errp, "'%s' is not an open file descriptor", text);
        return -1;
    }
    return fd;
}
