/*
 * A child process behind pipes.
 *
 * The child is started by GLib, which closes all other descriptors; what GLib
 * leaves and a child of an emulator must not inherit is the signal mask, as
 * threads here run with signals blocked.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-command.h"

#include <poll.h>
#include <sys/syscall.h>

#include "io/channel-watch.h"
#include "io/types.h"
#include "trace/trace-io.h"
#include "util/error.h"
#include "util/sockets.h"

#include "channel-internal.h"

/* How long a child may take before the next stronger request to end. */
#define REAP_GRACE_MS 500

/* In the child, between fork and exec: async-signal-safe calls only. */
static void child_setup(gpointer opaque)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

QIOChannelCommand *qio_channel_command_new_spawn(const char *const argv[],
                                                 int flags, Error **errp)
{
    int mode = flags & O_ACCMODE;
    bool can_read = mode == O_RDONLY || mode == O_RDWR;
    bool can_write = mode == O_WRONLY || mode == O_RDWR;
    GSpawnFlags spawn = G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CLOEXEC_PIPES;
    g_autoptr(GError) gerr = NULL;
    QIOChannelCommand *ioc;
    int rfd = -1, wfd = -1;
    GPid pid;

    io_register_types();
    if (!can_read) {
        spawn |= G_SPAWN_STDOUT_TO_DEV_NULL;
    }
    if (!g_spawn_async_with_pipes(NULL, (char **)argv, NULL, spawn, child_setup,
                                  NULL, &pid, can_write ? &wfd : NULL,
                                  can_read ? &rfd : NULL, NULL, &gerr)) {
        error_setg(errp, "cannot start '%s': %s", argv[0], gerr->message);
        return NULL;
    }
    ioc = QIO_CHANNEL_COMMAND(object_new(TYPE_QIO_CHANNEL_COMMAND));
    ioc->readfd = rfd;
    ioc->writefd = wfd;
    ioc->pid = pid;
    trace_qio_channel_command_spawn(ioc, argv[0], pid);
    return ioc;
}

static ssize_t command_result(QIOChannelCommand *cioc, int fd, ssize_t ret,
                              const char *verb, Error **errp)
{
    if (likely(ret >= 0)) {
        return ret;
    }
    if (errno == EAGAIN) {
        return QIO_CHANNEL_ERR_BLOCK;
    }
    if (fd < 0 && cioc->pid < 0) {
        return qio_channel_error_closed(QIO_CHANNEL(cioc), errp);
    }
    error_setg_errno(errp, errno, "cannot %s command", verb);
    return -1;
}

static ssize_t command_readv(QIOChannel *ioc, const struct iovec *iov,
                             size_t niov, int **fds, size_t *nfds, Error **errp)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(ioc);
    ssize_t ret;

    do {
        ret = readv(cioc->readfd, iov, niov);
    } while (ret < 0 && errno == EINTR);
    return command_result(cioc, cioc->readfd, ret, "read from", errp);
}

static ssize_t command_writev(QIOChannel *ioc, const struct iovec *iov,
                              size_t niov, int *fds, size_t nfds, int flags,
                              Error **errp)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(ioc);
    ssize_t ret;

    do {
        ret = writev(cioc->writefd, iov, niov);
    } while (ret < 0 && errno == EINTR);
    return command_result(cioc, cioc->writefd, ret, "write to", errp);
}

static int command_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(ioc);

    if (cioc->readfd >= 0 && !qemu_set_blocking(cioc->readfd, enabled, errp)) {
        return -1;
    }
    if (cioc->writefd >= 0 &&
        !qemu_set_blocking(cioc->writefd, enabled, errp)) {
        return -1;
    }
    return 0;
}

/* Wait at most @ms for the child's end. */
static bool child_wait(GPid pid, int ms)
{
    AUTO_FD pidfd = syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = { .fd = pidfd, .events = POLLIN };
    pid_t ret;

    if (pidfd >= 0 && poll(&p, 1, ms) <= 0) {
        return false;
    }
    do {
        ret = waitpid(pid, NULL, 0);
    } while (ret < 0 && errno == EINTR);
    return true;
}

static void child_end(GPid pid)
{
    if (child_wait(pid, REAP_GRACE_MS)) {
        return;
    }
    trace_qio_channel_command_kill(pid, SIGTERM);
    kill(pid, SIGTERM);
    if (child_wait(pid, REAP_GRACE_MS)) {
        return;
    }
    trace_qio_channel_command_kill(pid, SIGKILL);
    kill(pid, SIGKILL);
    child_wait(pid, -1);
}

static int command_close(QIOChannel *ioc, Error **errp)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(ioc);

    /* Closing the pipes is what tells a well-behaved child to end. */
    cioc->readfd = fd_close(cioc->readfd);
    cioc->writefd = fd_close(cioc->writefd);
    if (cioc->pid > 0) {
        child_end(cioc->pid);
        cioc->pid = -1;
    }
    return 0;
}

static GSource *command_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(ioc);

    return qio_channel_create_fd_pair_watch(ioc, cioc->readfd, cioc->writefd,
                                            condition);
}

static void command_set_aio_fd_handler(QIOChannel *ioc, AioContext *ctx,
                                       IOHandler *io_read, IOHandler *io_write,
                                       void *opaque)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(ioc);

    fd_set_aio_handlers(ctx, cioc->readfd, cioc->writefd, io_read, io_write,
                        opaque);
}

static void command_init(Object *obj)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(obj);

    cioc->readfd = -1;
    cioc->writefd = -1;
    cioc->pid = -1;
}

static void command_finalize(Object *obj)
{
    command_close(QIO_CHANNEL(obj), NULL);
}

static void command_class_init(ObjectClass *oc, void *data)
{
    QIOChannelClass *klass = QIO_CHANNEL_CLASS(oc);

    klass->io_writev = command_writev;
    klass->io_readv = command_readv;
    klass->io_set_blocking = command_set_blocking;
    klass->io_close = command_close;
    klass->io_create_watch = command_create_watch;
    klass->io_set_aio_fd_handler = command_set_aio_fd_handler;
}

const TypeInfo io_type_channel_command = {
    .parent = TYPE_QIO_CHANNEL,
    .name = TYPE_QIO_CHANNEL_COMMAND,
    .instance_size = sizeof(QIOChannelCommand),
    .instance_init = command_init,
    .instance_finalize = command_finalize,
    .class_init = command_class_init,
};
