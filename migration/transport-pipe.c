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

#include "transport-pipe.h"

#include <poll.h>

#include "io/channel-command.h"
#include "io/channel-file.h"
#include "util/event_notifier.h"

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
