/*
 * The process itself.
 *
 * Going to the background is two-phased: the parent stays in front until the
 * child says that everything listens, so that a script may connect as soon as
 * the command returns, and sees failures of start-up as its exit status.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "daemonize.h"

#include <glib-unix.h>
#include <grp.h>
#include <pwd.h>

#include "util/error.h"

#include "runstate.h"

static int parent_fd = -1;
static char *pidfile_path;
static int pidfile_fd = -1;

static void QEMU_NORETURN parent_wait(int fd, pid_t child)
{
    uint8_t verdict;
    ssize_t n;
    int status;

    do {
        n = read(fd, &verdict, 1);
    } while (n < 0 && errno == EINTR);
    if (n == 1) {
        _exit(verdict);
    }
    /* It died without a verdict; its message is on stderr already. */
    if (waitpid(child, &status, 0) == child && WIFEXITED(status) &&
        WEXITSTATUS(status) != 0) {
        _exit(WEXITSTATUS(status));
    }
    _exit(EXIT_FAILURE);
}

bool daemonize_begin(Error **errp)
{
    int fds[2];
    pid_t pid;

    if (!g_unix_open_pipe(fds, FD_CLOEXEC, NULL)) {
        error_setg_errno(errp, errno, "-daemonize: no pipe");
        return false;
    }
    pid = fork();
    if (pid < 0) {
        error_setg_errno(errp, errno, "-daemonize: no process");
        fd_close(fds[0]);
        fd_close(fds[1]);
        return false;
    }
    if (pid > 0) {
        fd_close(fds[1]);
        parent_wait(fds[0], pid);
    }
    fd_close(fds[0]);
    parent_fd = fds[1];
    setsid();
    signal(SIGTSTP, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
    return true;
}

bool daemonize_end(bool keep_stderr, Error **errp)
{
    uint8_t verdict = 0;
    AUTO_FD null = -1;

    if (parent_fd < 0) {
        return true;
    }
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || chdir("/") < 0) {
        error_setg_errno(errp, errno, "-daemonize: could not detach");
        return false;
    }
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (!keep_stderr) {
        dup2(null, STDERR_FILENO);
    }
    if (write(parent_fd, &verdict, 1) != 1) {
        error_setg_errno(errp, errno, "-daemonize: the parent is gone");
        return false;
    }
    parent_fd = fd_close(parent_fd);
    return true;
}

bool pidfile_create(const char *path, Error **errp)
{
    g_autofree char *text = g_strdup_printf("%ld\n", (long)getpid());
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    AUTO_FD fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);

    if (fd < 0) {
        error_setg_errno(errp, errno, "could not create pid file '%s'", path);
        return false;
    }
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        error_setg_errno(errp, errno, "could not lock pid file '%s'", path);
        return false;
    }
    if (ftruncate(fd, 0) < 0 ||
        write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        error_setg_errno(errp, errno, "could not write pid file '%s'", path);
        return false;
    }
    pidfile_fd = fd_steal(&fd);
    pidfile_path = g_canonicalize_filename(path, NULL);
    return true;
}

void pidfile_remove(void)
{
    if (pidfile_path) {
        unlink(pidfile_path);
        g_clear_pointer(&pidfile_path, g_free);
        pidfile_fd = fd_close(pidfile_fd);
    }
}

bool process_drop(const char *dir, const char *user, Error **errp)
{
    const struct passwd *pw = NULL;

    if (user) {
        errno = 0;
        pw = getpwnam(user);
        if (!pw) {
            error_setg(errp, "-runas: there is no user '%s'", user);
            return false;
        }
    }
    if (dir && (chroot(dir) < 0 || chdir("/") < 0)) {
        error_setg_errno(errp, errno, "-chroot: could not change root to '%s'",
                         dir);
        return false;
    }
    if (pw && (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
               setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
               setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)) {
        error_setg_errno(errp, errno, "-runas: could not become user '%s'",
                         user);
        return false;
    }
    if (pw && setuid(0) == 0) {
        error_setg(errp, "-runas: user '%s' could become root again", user);
        return false;
    }
    return true;
}

static gboolean on_signal(gpointer opaque)
{
    run_request_quit(SHUTDOWN_CAUSE_HOST_SIGNAL);
    return G_SOURCE_CONTINUE;
}

void process_handle_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    g_unix_signal_add(SIGINT, on_signal, NULL);
    g_unix_signal_add(SIGTERM, on_signal, NULL);
    g_unix_signal_add(SIGHUP, on_signal, NULL);
}
