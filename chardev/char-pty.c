/*
 * A pseudo terminal: the program holds the master, a person or program opens
 * the slave.
 *
 * Nothing tells the master that a slave was opened; it only reads a hang-up
 * while none is. So while closed the master is polled once in a while, and
 * at each write. Output is dropped then, as on a line with nothing at its
 * end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <poll.h>
#include <pty.h>
#include <termios.h>

#include "chardev/char-io.h"
#include "io/channel-file.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/lockable.h"

#include "char-internal.h"

/* How often a closed terminal is looked at. */
#define PTY_POLL_MS 250

typedef struct PtyChardev {
    Chardev parent;
    char *path; /* option: symbolic link to make */
    bool linked;
    QIOChannelFile *ioc;
    GSource *timer; /* while closed; the context's own */
    bool connected; /* guarded by chr_write_lock */
} PtyChardev;

DECLARE_INSTANCE_CHECKER(PtyChardev, PTY_CHARDEV, TYPE_CHARDEV_PTY)

static void pty_check(PtyChardev *p);

static bool pty_has_slave(PtyChardev *p)
{
    struct pollfd pfd = { .fd = p->ioc->fd, .events = POLLIN | POLLOUT };

    return poll(&pfd, 1, 0) >= 0 && !(pfd.revents & POLLHUP);
}

static bool pty_is_connected(PtyChardev *p)
{
    QEMU_LOCK_GUARD(&p->parent.chr_write_lock);
    return p->connected;
}

static void pty_set_connected(PtyChardev *p, bool connected)
{
    QEMU_LOCK_GUARD(&p->parent.chr_write_lock);
    p->connected = connected;
    if (!connected) {
        chardev_queue_reset(&p->parent);
    }
}

static gboolean pty_timer(gpointer opaque)
{
    PtyChardev *p = opaque;

    char_source_clear(&p->timer);
    pty_check(p);
    return G_SOURCE_REMOVE;
}

static void pty_arm_timer(PtyChardev *p)
{
    char_source_clear(&p->timer);
    p->timer = qemu_chr_timeout_add_ms(&p->parent, PTY_POLL_MS, pty_timer, p);
}

static void pty_disconnect(PtyChardev *p)
{
    bool was = pty_is_connected(p);

    remove_fd_in_watch(&p->parent);
    pty_set_connected(p, false);
    pty_arm_timer(p);
    if (was) {
        qemu_chr_be_event(&p->parent, CHR_EVENT_CLOSED);
    }
}

static int pty_can_read(void *opaque)
{
    return char_read_room(opaque);
}

static gboolean pty_readable(QIOChannel *ioc, GIOCondition cond,
                             gpointer opaque)
{
    Chardev *chr = opaque;
    uint8_t buf[CHR_READ_BUF_LEN];
    int room = pty_can_read(chr);
    ssize_t n;

    if (room <= 0) {
        return G_SOURCE_CONTINUE;
    }
    n = qio_channel_read(ioc, (char *)buf, room, NULL);
    if (n > 0) {
        qemu_chr_be_write(chr, buf, n);
    } else if (n != QIO_CHANNEL_ERR_BLOCK) {
        pty_disconnect(PTY_CHARDEV(chr)); /* EIO: the last slave was closed */
    }
    return G_SOURCE_CONTINUE;
}

static void pty_connect(PtyChardev *p)
{
    Chardev *chr = &p->parent;
    bool was = pty_is_connected(p);

    char_source_clear(&p->timer);
    remove_fd_in_watch(chr);
    chr->gsource = io_add_watch_poll(chr, QIO_CHANNEL(p->ioc), pty_can_read,
                                     pty_readable, chr, chr->gcontext);
    if (!was) {
        pty_set_connected(p, true);
        qemu_chr_be_event(chr, CHR_EVENT_OPENED);
    }
}

/* Looks whether a slave is there, in the context. */
static void pty_check(PtyChardev *p)
{
    if (pty_has_slave(p)) {
        pty_connect(p);
    } else {
        pty_disconnect(p);
    }
}

static void pty_check_idle(Chardev *chr)
{
    pty_check(PTY_CHARDEV(chr));
}

static int pty_write(Chardev *chr, const uint8_t *buf, int len)
{
    PtyChardev *p = PTY_CHARDEV(chr);

    if (!p->connected) {
        if (!pty_has_slave(p)) {
            return len;
        }
        p->connected = true;
        qemu_chr_be_event_idle(chr, CHR_EVENT_OPENED);
        char_idle_add(chr, pty_check_idle);
    }
    return io_channel_send(QIO_CHANNEL(p->ioc), buf, len);
}

static GSource *pty_add_watch(Chardev *chr, GIOCondition cond)
{
    return qio_channel_create_watch(QIO_CHANNEL(PTY_CHARDEV(chr)->ioc), cond);
}

static void pty_update_read_handler(Chardev *chr)
{
    pty_check(PTY_CHARDEV(chr));
}

/* A new terminal in raw mode. Returns: master, or -1 with errno. */
static int pty_open_master(char *slave_name, size_t size)
{
    struct termios tio;
    int master, slave;

    if (openpty(&master, &slave, NULL, NULL, NULL) < 0) {
        return -1;
    }
    if (ttyname_r(slave, slave_name, size) != 0 || tcgetattr(slave, &tio) < 0) {
        fd_close(slave);
        fd_close(master);
        return -1;
    }
    cfmakeraw(&tio);
    tcsetattr(slave, TCSAFLUSH, &tio);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fd_close(slave);
    return master;
}

static bool pty_open(Chardev *chr, bool *be_opened, Error **errp)
{
    PtyChardev *p = PTY_CHARDEV(chr);
    char slave[64];
    int master = pty_open_master(slave, sizeof(slave));

    *be_opened = false;
    if (master < 0) {
        error_setg_errno(errp, errno, "could not create a pseudo terminal");
        return false;
    }
    p->ioc = qio_channel_file_new_fd(master);
    if (qio_channel_set_blocking(QIO_CHANNEL(p->ioc), false, errp) < 0) {
        return false;
    }
    if (p->path) {
        if (symlink(slave, p->path) < 0) {
            error_setg_errno(errp, errno, "could not link '%s' to '%s'",
                             p->path, slave);
            return false;
        }
        p->linked = true;
    }
    chr->filename = g_strdup_printf("pty:%s", slave);
    pty_arm_timer(p);
    return true;
}

static void pty_finalize(Object *obj)
{
    PtyChardev *p = PTY_CHARDEV(obj);

    char_source_clear(&p->timer);
    remove_fd_in_watch(&p->parent);
    if (p->linked) {
        unlink(p->path);
    }
    object_unref(p->ioc);
}

static const Property pty_props[] = {
    { "path", PROP_STR, offsetof(PtyChardev, path),
      .help = "symbolic link to make to the terminal", .since = "9.2" },
    {},
};

static void pty_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "a new pseudo terminal";
    cc->open = pty_open;
    cc->chr_write = pty_write;
    cc->chr_add_watch = pty_add_watch;
    cc->chr_update_read_handler = pty_update_read_handler;
}

const TypeInfo chardev_type_pty = {
    .name = TYPE_CHARDEV_PTY,
    .parent = TYPE_CHARDEV,
    .instance_size = sizeof(PtyChardev),
    .instance_finalize = pty_finalize,
    .class_init = pty_class_init,
    .props = pty_props,
};
