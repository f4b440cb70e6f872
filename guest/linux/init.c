/*
 * The first program of a small Linux guest: mounts, modules, then a script or
 * a shell, then power off.
 *
 * The kernel command line steers it:
 *   ferry.run=FILE   run FILE of the initrd by the shell, without a terminal;
 *                    "ferry-init: exit N" on the console says how it ended
 *   ferry.end=HOW    poweroff (default), reboot or halt afterwards
 * Without ferry.run there is a shell on /dev/console, again and again until
 * it is left with status 0.
 *
 * Modules: /etc/modules of the initrd, one path a line, in order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CMDLINE_MAX 4096

static char cmdline[CMDLINE_MAX];

static void say(const char *what, long n)
{
    dprintf(STDOUT_FILENO, "ferry-init: %s %ld\n", what, n);
}

static void mount_all(void)
{
    static const struct {
        const char *type, *where;
    } all[] = {
        { "proc", "/proc" }, { "sysfs", "/sys" },      { "devtmpfs", "/dev" },
        { "tmpfs", "/tmp" }, { "devpts", "/dev/pts" },
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        mkdir(all[i].where, 0755);
        if (mount(all[i].type, all[i].where, all[i].type, 0, NULL) < 0 &&
            errno != EBUSY) {
            dprintf(STDERR_FILENO, "ferry-init: mount %s: %m\n", all[i].where);
        }
    }
}

static void load_modules(void)
{
    char path[256];
    FILE *list = fopen("/etc/modules", "re");

    while (list && fgets(path, sizeof(path), list)) {
        int fd;

        path[strcspn(path, "\n")] = 0;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 ||
            (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)) {
            dprintf(STDERR_FILENO, "ferry-init: %s: %m\n", path);
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    if (list) {
        fclose(list);
    }
}

static void read_cmdline(void)
{
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, cmdline, sizeof(cmdline) - 1);

    cmdline[n > 0 ? n : 0] = 0;
    cmdline[strcspn(cmdline, "\n")] = 0;
    if (fd >= 0) {
        close(fd);
    }
}

/* Value of word @name= of the command line, in a static buffer; or NULL. */
static const char *option(const char *name)
{
    static char value[CMDLINE_MAX];
    size_t len = strlen(name);

    for (const char *p = cmdline; p && *p; p = strchr(p, ' ')) {
        p += strspn(p, " ");
        if (!strncmp(p, name, len) && p[len] == '=') {
            size_t n = strcspn(p + len + 1, " ");

            memcpy(value, p + len + 1, n);
            value[n] = 0;
            return value;
        }
    }
    return NULL;
}

/* Returns: exit status as a shell says it. */
static int run(char *const argv[], int terminal)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        static char *const env[] = { "PATH=/bin:/sbin:/usr/bin:/usr/sbin",
                                     "HOME=/root", "TERM=vt100", NULL };

        setsid();
        if (terminal) {
            ioctl(STDIN_FILENO, TIOCSCTTY, 1);
        }
        execve(argv[0], argv, env);
        dprintf(STDERR_FILENO, "ferry-init: %s: %m\n", argv[0]);
        _exit(127);
    }
    /* The first process also inherits the children of others. */
    while (pid > 0 && waitpid(-1, &status, 0) != pid) {
    }
    if (pid < 0) {
        return 126;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void end(void)
{
    const char *how = option("ferry.end");
    int cmd = RB_POWER_OFF;

    if (how && !strcmp(how, "reboot")) {
        cmd = RB_AUTOBOOT;
    } else if (how && !strcmp(how, "halt")) {
        cmd = RB_HALT_SYSTEM;
    }
    sync();
    reboot(cmd);
}

int main(void)
{
    static char sh[] = "/bin/sh", login[] = "-l";
    struct timespec up;
    const char *script;

    mount_all();
    if (open("/dev/console", O_RDWR) == STDIN_FILENO) {
        dup2(STDIN_FILENO, STDOUT_FILENO);
        dup2(STDIN_FILENO, STDERR_FILENO);
    }
    clock_gettime(CLOCK_BOOTTIME, &up);
    say("up, milliseconds:", up.tv_sec * 1000 + up.tv_nsec / 1000000);
    read_cmdline();
    load_modules();
    script = option("ferry.run");
    if (script) {
        char *path = strdup(script);

        say("exit", run((char *[]){ sh, path, NULL }, 0));
    } else {
        while (run((char *[]){ sh, login, NULL }, 1) != 0) {
        }
    }
    end();
    return 1;
}
