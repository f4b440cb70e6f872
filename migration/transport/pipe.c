/*
 * Pipes that a migration can be cancelled on.
 *
 * shutdown(2) does not work on pipes: a thread that writes to a program which
 * does not read would hang for ever. So this layer sets the pipe to
 * non-blocking and waits in poll() for it or for an eventfd that
 * qio_channel_shutdown() makes readable for good.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/transport/pipe.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "io/channel-command.h"
#include "io/channel-file.h"
#include "util/event_notifier.h"
#include "util/fd.h"
#include "util/timer.h"

OBJECT_DECLARE_SIMPLE_TYPE(MigrationPipe, MIGRATION_PIPE)

struct MigrationPipe {
    QIOChannel parent;
    QIOChannel *master; /* owned reference */
    int readfd;         /* the master's; -1: cannot be read */
    int writefd;        /* the master's; -1: cannot be written */
    bool nonblock;      /* what the user of this layer asked for */
    EventNotifier stop; /* set by shutdown, never cleared */
};

static bool is_stopped(MigrationPipe *p)
{
    struct pollfd fd = { event_notifier_get_fd(&p->stop), POLLIN, 0 };

    return poll(&fd, 1, 0) == 1;
}

/* Returns: false = shut down. */
static bool wait_for(MigrationPipe *p, int fd, short events)
{
    struct pollfd fds[] = {
        { fd, events, 0 },
        { event_notifier_get_fd(&p->stop), POLLIN, 0 },
    };

    while (poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno == EINTR) {
    }
    return !fds[1].revents;
}

static bool refuse_stopped(MigrationPipe *p, Error **errp)
{
    if (is_stopped(p)) {
        error_setg(errp, "the pipe was shut down");
        return true;
    }
    return false;
}

static ssize_t pipe_writev(QIOChannel *ioc, const struct iovec *iov,
                           size_t niov, int *fds, size_t nfds, int flags,
                           Error **errp)
{
    MigrationPipe *p = MIGRATION_PIPE(ioc);
    ssize_t n;

    for (;;) {
        if (refuse_stopped(p, errp)) {
            return -1;
        }
        n = qio_channel_writev(p->master, iov, niov, errp);
        if (n != QIO_CHANNEL_ERR_BLOCK || p->nonblock) {
            return n;
        }
        wait_for(p, p->writefd, POLLOUT);
    }
}

static ssize_t pipe_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                          int **fds, size_t *nfds, Error **errp)
{
    MigrationPipe *p = MIGRATION_PIPE(ioc);
    ssize_t n;

    for (;;) {
        if (refuse_stopped(p, errp)) {
            return -1;
        }
        n = qio_channel_readv(p->master, iov, niov, errp);
        if (n != QIO_CHANNEL_ERR_BLOCK || p->nonblock) {
            return n;
        }
        wait_for(p, p->readfd, POLLIN);
    }
}

static int pipe_close(QIOChannel *ioc, Error **errp)
{
    return qio_channel_close(MIGRATION_PIPE(ioc)->master, errp);
}

static int pipe_shutdown(QIOChannel *ioc, QIOChannelShutdown how, Error **errp)
{
    event_notifier_set(&MIGRATION_PIPE(ioc)->stop);
    return 0;
}

static int pipe_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    MIGRATION_PIPE(ioc)->nonblock = !enabled;
    return 0;
}

static GSource *pipe_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return qio_channel_create_watch(MIGRATION_PIPE(ioc)->master, condition);
}

static void pipe_set_aio_fd_handler(QIOChannel *ioc, AioContext *ctx,
                                    IOHandler *io_read, IOHandler *io_write,
                                    void *opaque)
{
    qio_channel_set_aio_fd_handler(MIGRATION_PIPE(ioc)->master, ctx, io_read,
                                   io_write, opaque);
}

static void pipe_instance_init(Object *obj)
{
    MigrationPipe *p = MIGRATION_PIPE(obj);

    p->readfd = -1;
    p->writefd = -1;
    event_notifier_init_fd(&p->stop, -1);
}

static void pipe_instance_finalize(Object *obj)
{
    MigrationPipe *p = MIGRATION_PIPE(obj);

    event_notifier_cleanup(&p->stop);
    if (p->master) {
        object_unref(OBJECT(p->master));
    }
}

static void find_fds(MigrationPipe *p)
{
    QIOChannelCommand *cmd = (QIOChannelCommand *)object_dynamic_cast(
        OBJECT(p->master), TYPE_QIO_CHANNEL_COMMAND);

    if (cmd) {
        p->readfd = cmd->readfd;
        p->writefd = cmd->writefd;
    } else {
        p->readfd = p->writefd = QIO_CHANNEL_FILE(p->master)->fd;
    }
}

QIOChannel *migration_pipe_new_take(QIOChannel *master, Error **errp)
{
    MigrationPipe *p = MIGRATION_PIPE(object_new(TYPE_MIGRATION_PIPE));
    int ret;

    p->master = master;
    find_fds(p);
    ret = event_notifier_init(&p->stop, 0);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "no event descriptor");
    }
    if (ret < 0 || qio_channel_set_blocking(master, false, errp) < 0) {
        object_unref(OBJECT(p));
        return NULL;
    }
    qio_channel_set_feature(QIO_CHANNEL(p), QIO_CHANNEL_FEATURE_SHUTDOWN);
    return QIO_CHANNEL(p);
}

bool migration_pipe_is_unread(QIOChannel *ioc)
{
    MigrationPipe *p =
        (MigrationPipe *)object_dynamic_cast(OBJECT(ioc), TYPE_MIGRATION_PIPE);
    struct pollfd fd = { p ? p->writefd : -1, POLLOUT, 0 };
    int unread = 0;

    /* First that nobody can read any more, then what is left. */
    return fd.fd >= 0 && poll(&fd, 1, 0) == 1 && (fd.revents & POLLERR) &&
           ioctl(fd.fd, FIONREAD, &unread) == 0 && unread > 0;
}

/* -- the end of a program ----------------------------------------------------- */

static void drop_output(int fd)
{
    char buf[4096];

    while (read(fd, buf, sizeof(buf)) > 0) {
    }
}

/* Returns: false: shut down, or the time is over. */
static bool wait_for_end(MigrationPipe *p, int pidfd, int limit_ms, bool drain)
{
    int64_t end = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + limit_ms;

    for (;;) {
        struct pollfd fds[] = {
            { pidfd, POLLIN, 0 },
            { event_notifier_get_fd(&p->stop), POLLIN, 0 },
            { drain ? p->readfd : -1, POLLIN, 0 },
        };
        int64_t left = end - qemu_clock_get_ms(QEMU_CLOCK_REALTIME);

        if (limit_ms >= 0 && left <= 0) {
            return false;
        }
        if (poll(fds, G_N_ELEMENTS(fds), limit_ms < 0 ? -1 : (int)left) < 0 &&
            errno != EINTR) {
            return false;
        }
        if (fds[0].revents || fds[1].revents) {
            return !fds[1].revents;
        }
        if (fds[2].revents & POLLIN) {
            drop_output(p->readfd);
        } else if (fds[2].revents) {
            drain = false; /* it has closed its output */
        }
    }
}

static bool check_status(int status, Error **errp)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return true;
    }
    if (WIFEXITED(status)) {
        error_setg(errp, "the program ended with status %d",
                   WEXITSTATUS(status));
    } else {
        error_setg(errp, "the program was ended by signal %d",
                   WTERMSIG(status));
    }
    return false;
}

bool migration_pipe_finish(QIOChannel *ioc, int limit_ms, bool drain,
                           Error **errp)
{
    MigrationPipe *p =
        (MigrationPipe *)object_dynamic_cast(OBJECT(ioc), TYPE_MIGRATION_PIPE);
    QIOChannelCommand *cmd =
        p ? (QIOChannelCommand *)object_dynamic_cast(OBJECT(p->master),
                                                     TYPE_QIO_CHANNEL_COMMAND)
          : NULL;
    AUTO_FD pidfd = -1;
    int status = 0;

    if (!cmd || cmd->pid <= 0) {
        return true;
    }
    pidfd = (int)syscall(SYS_pidfd_open, cmd->pid, 0);
    p->writefd = -1;
    cmd->writefd = fd_close(cmd->writefd);
    if (!wait_for_end(p, pidfd, limit_ms, drain)) {
        error_setg(errp, "the program does not end");
        return false;
    }
    while (waitpid(cmd->pid, &status, 0) < 0 && errno == EINTR) {
    }
    cmd->pid = -1;
    return check_status(status, errp);
}

static void pipe_class_init(ObjectClass *oc, void *data)
{
    QIOChannelClass *k = QIO_CHANNEL_CLASS(oc);

    k->io_writev = pipe_writev;
    k->io_readv = pipe_readv;
    k->io_close = pipe_close;
    k->io_shutdown = pipe_shutdown;
    k->io_set_blocking = pipe_set_blocking;
    k->io_create_watch = pipe_create_watch;
    k->io_set_aio_fd_handler = pipe_set_aio_fd_handler;
}

const TypeInfo migration_type_pipe = {
    .name = TYPE_MIGRATION_PIPE,
    .parent = TYPE_QIO_CHANNEL,
    .instance_size = sizeof(MigrationPipe),
    .instance_init = pipe_instance_init,
    .instance_finalize = pipe_instance_finalize,
    .class_init = pipe_class_init,
};
