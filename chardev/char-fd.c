/*
 * Base class of back ends made of an input and an output channel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-fd.h"

#include "chardev/char-io.h"
#include "io/channel-file.h"
#include "util/error.h"

#include "char-internal.h"

static int fd_can_read(void *opaque)
{
    return char_read_room(opaque);
}

static gboolean fd_readable(QIOChannel *ioc, GIOCondition cond, gpointer opaque)
{
    Chardev *chr = opaque;
    uint8_t buf[CHR_READ_BUF_LEN];
    int room = fd_can_read(chr);
    ssize_t n;

    if (room <= 0) {
        return G_SOURCE_CONTINUE;
    }
    n = qio_channel_read(ioc, (char *)buf, room, NULL);
    if (n > 0) {
        qemu_chr_be_write(chr, buf, n);
        return G_SOURCE_CONTINUE;
    }
    if (n == QIO_CHANNEL_ERR_BLOCK) {
        return G_SOURCE_CONTINUE;
    }
    /* End of input: output may go on. */
    remove_fd_in_watch(chr);
    qemu_chr_be_event(chr, CHR_EVENT_CLOSED);
    return G_SOURCE_REMOVE;
}

static int fd_write(Chardev *chr, const uint8_t *buf, int len)
{
    FDChardev *s = FD_CHARDEV(chr);

    return s->ioc_out ? io_channel_send(s->ioc_out, buf, len) : len;
}

static GSource *fd_add_watch(Chardev *chr, GIOCondition cond)
{
    FDChardev *s = FD_CHARDEV(chr);

    return s->ioc_out ? qio_channel_create_watch(s->ioc_out, cond) : NULL;
}

static void fd_update_read_handler(Chardev *chr)
{
    FDChardev *s = FD_CHARDEV(chr);

    remove_fd_in_watch(chr);
    if (s->ioc_in) {
        chr->gsource = io_add_watch_poll(chr, s->ioc_in, fd_can_read,
                                         fd_readable, chr, chr->gcontext);
    }
}

static QIOChannel *fd_channel(Chardev *chr, int fd, const char *direction,
                              Error **errp)
{
    g_autofree char *name = NULL;
    QIOChannel *ioc;

    if (fd < 0) {
        return NULL;
    }
    ioc = QIO_CHANNEL(qio_channel_file_new_fd(fd));
    name = g_strdup_printf("chardev-file-%s-%s", direction,
                           chr->label ? chr->label : "anonymous");
    qio_channel_set_name(ioc, name);
    if (qio_channel_set_blocking(ioc, false, errp) < 0) {
        object_unref(ioc);
        return NULL;
    }
    return ioc;
}

bool qemu_chr_open_fd(Chardev *chr, int fd_in, int fd_out, Error **errp)
{
    FDChardev *s = FD_CHARDEV(chr);
    bool same = fd_in == fd_out && fd_in >= 0;
    ERRP_GUARD();

    s->ioc_in = fd_channel(chr, fd_in, same ? "inout" : "in", errp);
    if (same) {
        s->ioc_out = QIO_CHANNEL(object_ref(s->ioc_in));
    } else {
        s->ioc_out = fd_channel(chr, fd_out, "out", *errp ? NULL : errp);
    }
    return !*errp;
}

static void fd_finalize(Object *obj)
{
    FDChardev *s = FD_CHARDEV(obj);

    remove_fd_in_watch(&s->parent);
    object_unref(s->ioc_in);
    object_unref(s->ioc_out);
}

static void fd_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->chr_write = fd_write;
    cc->chr_add_watch = fd_add_watch;
    cc->chr_update_read_handler = fd_update_read_handler;
}

const TypeInfo chardev_type_fd = {
    .name = TYPE_CHARDEV_FD,
    .parent = TYPE_CHARDEV,
    .instance_size = sizeof(FDChardev),
    .instance_finalize = fd_finalize,
    .abstract = true,
    .class_init = fd_class_init,
};
