/*
 * A pair of named pipes PATH.in (input) and PATH.out, or one at PATH for
 * both. They are opened for reading and writing, which does not wait for a
 * peer and keeps them open when a peer leaves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-fd.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/fdset.h"

typedef struct PipeChardev {
    FDChardev parent;
    char *device;
} PipeChardev;

DECLARE_INSTANCE_CHECKER(PipeChardev, PIPE_CHARDEV, TYPE_CHARDEV_PIPE)

static bool pipe_open(Chardev *chr, bool *be_opened, Error **errp)
{
    PipeChardev *p = PIPE_CHARDEV(chr);
    g_autofree char *in_path = g_strconcat(p->device, ".in", NULL);
    g_autofree char *out_path = g_strconcat(p->device, ".out", NULL);
    const int flags = O_RDWR | O_NONBLOCK;
    AUTO_FD in = qemu_open(in_path, flags, NULL);
    AUTO_FD out = qemu_open(out_path, flags, NULL);
    int fd;

    if (in >= 0 && out >= 0) {
        return qemu_chr_open_fd(chr, fd_steal(&in), fd_steal(&out), errp);
    }
    fd = qemu_open(p->device, flags, errp);
    return fd >= 0 && qemu_chr_open_fd(chr, fd, fd, errp);
}

static const Property pipe_props[] = {
    { "device", PROP_STR, offsetof(PipeChardev, device),
      .flags = PROP_F_REQUIRED, .help = "path of the pipe or of the pair",
      .since = "1.5" },
    {},
};

static const ChardevCliOption pipe_cli[] = {
    { "path", "device", .help = "path of the pipe or of the pair" },
    {},
};

static void pipe_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "named pipes PATH.in and PATH.out, or one at PATH";
    cc->cli_options = pipe_cli;
    cc->open = pipe_open;
}

const TypeInfo chardev_type_pipe = {
    .name = TYPE_CHARDEV_PIPE,
    .parent = TYPE_CHARDEV_FD,
    .instance_size = sizeof(PipeChardev),
    .class_init = pipe_class_init,
    .props = pipe_props,
};
