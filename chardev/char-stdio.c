/*
 * The terminal that started the program.
 *
 * A process has one, so there is one user at a time. Its settings, and the
 * non-blocking mode that other programs on the same terminal would suffer
 * from, are put back when the chardev goes and at exit; after a stop and
 * continue (job control) the shell has changed them, so SIGCONT sets ours
 * again. That state belongs to the process and stands here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <termios.h>

#include "chardev/char-fd.h"
#include "qom/property.h"
#include "util/error.h"

typedef struct StdioChardev {
    FDChardev parent;
    bool allow_signal;
    bool owner; /* of the terminal */
} StdioChardev;

DECLARE_INSTANCE_CHECKER(StdioChardev, STDIO_CHARDEV, TYPE_CHARDEV_STDIO)

static struct {
    gint in_use; /* atomic */
    gint atexit_registered;
    bool is_tty;
    int flags_in, flags_out; /* F_GETFL before */
    struct termios before;
    struct termios ours; /* read by the SIGCONT handler */
    struct sigaction cont_before;
} terminal;

static void terminal_restore(void)
{
    if (!g_atomic_int_get(&terminal.in_use)) {
        return;
    }
    if (terminal.is_tty) {
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
    }
    fcntl(STDIN_FILENO, F_SETFL, terminal.flags_in);
    fcntl(STDOUT_FILENO, F_SETFL, terminal.flags_out);
}

static void terminal_continued(int sig)
{
    int saved = errno;

    /* Both calls are safe in a signal handler. */
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal.ours);
    fcntl(STDIN_FILENO, F_SETFL, terminal.flags_in | O_NONBLOCK);
    errno = saved;
}

static void terminal_set_echo(StdioChardev *s, bool echo)
{
    struct termios tio = terminal.before;

    if (!terminal.is_tty) {
        return;
    }
    if (!echo) {
        tio.c_iflag &=
            ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
        tio.c_oflag |= OPOST;
        tio.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
        tio.c_cflag = (tio.c_cflag & ~(CSIZE | PARENB)) | CS8;
        tio.c_cc[VMIN] = 1;
        tio.c_cc[VTIME] = 0;
    }
    if (!s->allow_signal) {
        tio.c_lflag &= ~ISIG;
    }
    terminal.ours = tio;
    tcsetattr(STDIN_FILENO, TCSANOW, &tio);
}

static void stdio_set_echo(Chardev *chr, bool echo)
{
    terminal_set_echo(STDIO_CHARDEV(chr), echo);
}

static bool terminal_take(Error **errp)
{
    struct sigaction act = { .sa_handler = terminal_continued,
                             .sa_flags = SA_RESTART };

    if (!g_atomic_int_compare_and_exchange(&terminal.in_use, 0, 1)) {
        error_setg(errp, "stdio is in use by another chardev");
        return false;
    }
    terminal.flags_in = fcntl(STDIN_FILENO, F_GETFL);
    terminal.flags_out = fcntl(STDOUT_FILENO, F_GETFL);
    if (terminal.flags_in < 0 || terminal.flags_out < 0) {
        error_setg_errno(errp, errno, "standard input or output is closed");
        g_atomic_int_set(&terminal.in_use, 0);
        return false;
    }
    terminal.is_tty = tcgetattr(STDIN_FILENO, &terminal.before) == 0;
    terminal.ours = terminal.before;
    if (terminal.is_tty) {
        sigemptyset(&act.sa_mask);
        sigaction(SIGCONT, &act, &terminal.cont_before);
    }
    if (g_atomic_int_compare_and_exchange(&terminal.atexit_registered, 0, 1)) {
        atexit(terminal_restore);
    }
    return true;
}

static bool stdio_open(Chardev *chr, bool *be_opened, Error **errp)
{
    StdioChardev *s = STDIO_CHARDEV(chr);
    AUTO_FD in = -1;
    AUTO_FD out = -1;

    if (!terminal_take(errp)) {
        return false;
    }
    s->owner = true;
    in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (in < 0 || out < 0) {
        error_setg_errno(errp, errno, "could not duplicate standard input");
        return false;
    }
    if (!qemu_chr_open_fd(chr, fd_steal(&in), fd_steal(&out), errp)) {
        return false;
    }
    terminal_set_echo(s, false);
    return true;
}

static void stdio_finalize(Object *obj)
{
    StdioChardev *s = STDIO_CHARDEV(obj);

    if (s->owner) {
        terminal_restore();
        if (terminal.is_tty) {
            sigaction(SIGCONT, &terminal.cont_before, NULL);
        }
        g_atomic_int_set(&terminal.in_use, 0);
    }
}

static const Property stdio_props[] = {
    { "signal", PROP_BOOL, offsetof(StdioChardev, allow_signal), .def = "on",
      .help = "Ctrl-C and its like are signals, not input", .since = "1.5" },
    {},
};

static void stdio_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "standard input and output";
    cc->open = stdio_open;
    cc->chr_set_echo = stdio_set_echo;
}

const TypeInfo chardev_type_stdio = {
    .name = TYPE_CHARDEV_STDIO,
    .parent = TYPE_CHARDEV_FD,
    .instance_size = sizeof(StdioChardev),
    .instance_finalize = stdio_finalize,
    .class_init = stdio_class_init,
    .props = stdio_props,
};
