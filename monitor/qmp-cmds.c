/*
 * The QMP commands that belong to the monitor itself: negotiation, lists of
 * commands, descriptors, and the way into the human monitor.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-commands-misc.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/lockable.h"

#include "monitor-internal.h"

Monitor *monitor_of_context(const QmpContext *ctx)
{
    return ctx->opaque;
}

MonitorSet *monitor_set_of_context(const QmpContext *ctx)
{
    return monitor_of_context(ctx)->set;
}

void qmp_qmp_capabilities(QmpContext *ctx, bool has_enable,
                          QMPCapabilityList *enable, Error **errp)
{
    Monitor *mon = monitor_of_context(ctx);
    bool oob = false;

    for (; has_enable && enable; enable = enable->next) {
        switch (enable->value) {
        case QMP_CAPABILITY_OOB:
            oob = true;
            break;
        default:
            g_assert_not_reached();
        }
    }
    if (oob && !qmp_session_offers_oob(mon)) {
        error_setg(errp, "capability 'oob' is not available on a multiplexed "
                         "character device");
        return;
    }
    qmp_session_negotiated(mon, oob);
}

static void add_command(const QmpCommand *cmd, void *opaque)
{
    CommandInfoList **list = opaque;
    CommandInfo *info;

    if (qmp_command_is_enabled(cmd)) {
        info = g_new0(CommandInfo, 1);
        info->name = g_strdup(qmp_command_name(cmd));
        QAPI_LIST_PREPEND(*list, info);
    }
}

CommandInfoList *qmp_query_commands(QmpContext *ctx, Error **errp)
{
    CommandInfoList *list = NULL;

    qmp_for_each_command(ctx->commands, add_command, &list);
    return list;
}

char *qmp_human_monitor_command(QmpContext *ctx, const char *command_line,
                                bool has_cpu_index, int64_t cpu_index,
                                Error **errp)
{
    if (has_cpu_index && cpu_index < 0) {
        error_setg(errp, "cpu-index %" PRId64 " is not the number of a CPU",
                   cpu_index);
        return NULL;
    }
    return monitor_hmp_run(monitor_set_of_context(ctx), command_line);
}

/* -- descriptors by name ------------------------------------------------- */

void qmp_getfd(QmpContext *ctx, const char *fdname, Error **errp)
{
    Monitor *mon = monitor_of_context(ctx);
    AUTO_FD fd = monitor_take_arrived_fd(mon);

    if (fd < 0) {
        error_setg(errp, "no file descriptor came with 'getfd' for '%s'",
                   fdname);
        return;
    }
    if (g_ascii_isdigit(fdname[0])) {
        error_setg(errp, "fdname '%s' must not begin with a digit", fdname);
        return;
    }
    QEMU_LOCK_GUARD(&mon->lock);
    if (g_hash_table_size(mon->named_fds) >= MONITOR_NAMED_FDS_MAX &&
        !g_hash_table_contains(mon->named_fds, fdname)) {
        error_setg(errp, "no room for file descriptor '%s': %d are kept",
                   fdname, MONITOR_NAMED_FDS_MAX);
        return;
    }
    g_hash_table_replace(mon->named_fds, g_strdup(fdname),
                         GINT_TO_POINTER(fd_steal(&fd)));
}

void qmp_closefd(QmpContext *ctx, const char *fdname, Error **errp)
{
    fd_close(monitor_get_fd(monitor_of_context(ctx), fdname, errp));
}

/* -- sets of descriptors ------------------------------------------------- */

AddfdInfo *qmp_add_fd(QmpContext *ctx, bool has_fdset_id, int64_t fdset_id,
                      const char *opaque, Error **errp)
{
    AUTO_FD fd = monitor_take_arrived_fd(monitor_of_context(ctx));
    AddfdInfo *info;
    int64_t id;

    if (fd < 0) {
        error_setg(errp, "no file descriptor came with 'add-fd'");
        return NULL;
    }
    if (!fdset_add(fd, has_fdset_id, fdset_id, opaque, &id, errp)) {
        return NULL;
    }
    info = g_new0(AddfdInfo, 1);
    info->fdset_id = id;
    info->fd = fd_steal(&fd);
    return info;
}

void qmp_remove_fd(int64_t fdset_id, bool has_fd, int64_t fd, Error **errp)
{
    fdset_remove(fdset_id, has_fd, fd, errp);
}

static void list_fd(int64_t fdset_id, int fd, const char *opaque, void *data)
{
    FdsetInfoList **list = data;
    FdsetFdInfo *info;

    if (!*list || (*list)->value->fdset_id != fdset_id) {
        FdsetInfo *set = g_new0(FdsetInfo, 1);

        set->fdset_id = fdset_id;
        QAPI_LIST_PREPEND(*list, set);
    }
    if (fd >= 0) {
        info = g_new0(FdsetFdInfo, 1);
        info->fd = fd;
        info->opaque = g_strdup(opaque);
        QAPI_LIST_PREPEND((*list)->value->fds, info);
    }
}

FdsetInfoList *qmp_query_fdsets(Error **errp)
{
    FdsetInfoList *list = NULL;

    fdset_foreach(list_fd, &list);
    return list;
}
