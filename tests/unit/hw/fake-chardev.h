/*
 * A character device for tests of devices: takes as many bytes as the test
 * allows, remembers them, and answers ioctls like a real serial port if told
 * to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_HW_FAKE_CHARDEV_H
#define TESTS_HW_FAKE_CHARDEV_H

#include "chardev/char-fe.h"
#include "chardev/char-parallel.h"
#include "chardev/char-serial.h"
#include "chardev/types.h"
#include "util/main-loop.h"

#define TYPE_FAKE_CHARDEV "chardev-fake"
OBJECT_DECLARE_SIMPLE_TYPE(FakeChardev, FAKE_CHARDEV)

struct FakeChardev {
    Chardev parent_obj;

    GByteArray *out;
    unsigned writes; /* calls that took something, or failed for good */
    int room;        /* bytes taken now; -1 = all */
    GSource *watch;  /* the source that waits for room; borrowed */
    bool is_broken;  /* will never take anything again */
    bool is_port;    /* has modem lines and a break */
    int tiocm;
    int break_on;
    QEMUSerialSetParams params;
};

static int fake_write(Chardev *chr, const uint8_t *buf, int len)
{
    FakeChardev *f = FAKE_CHARDEV(chr);
    int n = f->room < 0 ? len : MIN(len, f->room);

    if (f->is_broken) {
        f->writes++;
        errno = EIO;
        return -1;
    }
    if (n == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (f->room > 0) {
        f->room -= n;
    }
    f->writes++;
    g_byte_array_append(f->out, buf, (guint)n);
    return n;
}

/* A source that is ready when the test gave room. */
typedef struct FakeSource {
    GSource parent;
    FakeChardev *f;
} FakeSource;

static gboolean fake_source_ready(GSource *source)
{
    return ((FakeSource *)source)->f->room != 0;
}

static gboolean fake_source_prepare(GSource *source, gint *timeout)
{
    *timeout = 1;
    return fake_source_ready(source);
}

static gboolean fake_source_dispatch(GSource *source, GSourceFunc cb,
                                     gpointer data)
{
    return ((FEWatchFunc)(void (*)(void))cb)(NULL, G_IO_OUT, data);
}

static GSourceFuncs fake_source_funcs = { fake_source_prepare,
                                          fake_source_ready,
                                          fake_source_dispatch,
                                          NULL,
                                          NULL,
                                          NULL };

static GSource *fake_add_watch(Chardev *chr, GIOCondition cond)
{
    GSource *source = g_source_new(&fake_source_funcs, sizeof(FakeSource));

    ((FakeSource *)source)->f = FAKE_CHARDEV(chr);
    return source;
}

static int fake_ioctl(Chardev *chr, int cmd, void *arg)
{
    FakeChardev *f = FAKE_CHARDEV(chr);

    if (!f->is_port) {
        return -ENOTSUP;
    }
    switch (cmd) {
    case CHR_IOCTL_SERIAL_SET_PARAMS:
        f->params = *(QEMUSerialSetParams *)arg;
        return 0;
    case CHR_IOCTL_SERIAL_SET_BREAK:
        f->break_on = *(int *)arg;
        return 0;
    case CHR_IOCTL_SERIAL_GET_TIOCM:
        *(int *)arg = f->tiocm;
        return 0;
    case CHR_IOCTL_SERIAL_SET_TIOCM:
        f->tiocm = *(int *)arg;
        return 0;
    default:
        return -ENOTSUP;
    }
}

static bool fake_open(Chardev *chr, bool *be_opened, Error **errp)
{
    return true;
}

static void fake_class_init(ObjectClass *oc, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(oc);

    cc->internal = true;
    cc->open = fake_open;
    cc->chr_write = fake_write;
    cc->chr_add_watch = fake_add_watch;
    cc->chr_ioctl = fake_ioctl;
}

static void fake_instance_init(Object *obj)
{
    FAKE_CHARDEV(obj)->out = g_byte_array_new();
    FAKE_CHARDEV(obj)->room = -1;
}

static void fake_instance_finalize(Object *obj)
{
    g_byte_array_unref(FAKE_CHARDEV(obj)->out);
}

static const TypeInfo fake_type = {
    .name = TYPE_FAKE_CHARDEV,
    .parent = TYPE_CHARDEV,
    .instance_size = sizeof(FakeChardev),
    .instance_init = fake_instance_init,
    .instance_finalize = fake_instance_finalize,
    .class_init = fake_class_init,
};

static inline void fake_chardev_register(void)
{
    chardev_register_types();
    type_register_static(&fake_type);
}

/* Without id: for qemu_chr_fe_init(), the caller's reference. */
static inline FakeChardev *fake_chardev_new(const char *id)
{
    return FAKE_CHARDEV(
        qemu_chardev_new(id, TYPE_FAKE_CHARDEV, NULL, NULL, &error_abort));
}

static inline void fake_chardev_run(void)
{
    for (int i = 0; i < 5; i++) {
        main_loop_wait(true);
    }
}

#endif
