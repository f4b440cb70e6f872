/*
 * Signals end a tool: with its work cancelled where the loop runs, at the second
 * signal at once, and after a while also where it does not.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "tools/tool-common.h"
#include "util/aio.h"

#define CANCELLED 7

/* A child that runs a tool: it says that it is there, then works. */
static pid_t start(bool busy)
{
    int ready[2];
    pid_t pid;
    char c;

    g_assert_cmpint(pipe(ready), ==, 0);
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        Tool tool;

        /* What it shows is no TAP. */
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
        if (!tool_init(&tool, "test") || write(ready[1], "", 1) != 1) {
            _exit(1);
        }
        while (busy) {
            pause();
        }
        while (!tool.interrupted) {
            aio_poll(tool.ctx, true);
        }
        if (!tool.progress.cancelled) {
            _exit(2);
        }
        tool_cleanup(&tool);
        _exit(CANCELLED);
    }
    close(ready[1]);
    g_assert_cmpint(read(ready[0], &c, 1), ==, 1);
    close(ready[0]);
    return pid;
}

static int end_of(pid_t pid)
{
    int status;

    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return status;
}

static void test_cancel(void)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        pid_t pid = start(false);
        int status;

        kill(pid, SIGUSR1); /* shows the progress, and ends nothing */
        kill(pid, signals[i]);
        status = end_of(pid);
        g_assert_true(WIFEXITED(status));
        g_assert_cmpint(WEXITSTATUS(status), ==, CANCELLED);
    }
}

static void test_busy(void)
{
    pid_t pid = start(true);
    int status;

    kill(pid, SIGTERM);
    status = end_of(pid);
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGTERM);
}

static void test_twice(void)
{
    pid_t pid = start(true);
    int status;

    kill(pid, SIGTERM);
    kill(pid, SIGINT);
    status = end_of(pid);
    g_assert_true(WIFSIGNALED(status));
}

/* Others that come meanwhile give the loop no further time. */
static void test_busy_and_asked(void)
{
    pid_t pid = start(true);
    int64_t begin = g_get_monotonic_time();
    int status;

    kill(pid, SIGTERM);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (g_get_monotonic_time() - begin > 20 * G_USEC_PER_SEC) {
            kill(pid, SIGKILL);
        }
        kill(pid, SIGUSR1);
        g_usleep(100 * 1000);
    }
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGTERM);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tool/signals/cancel", test_cancel);
    g_test_add_func("/tool/signals/busy", test_busy);
    g_test_add_func("/tool/signals/busy-and-asked", test_busy_and_asked);
    g_test_add_func("/tool/signals/twice", test_twice);
    return g_test_run();
}
