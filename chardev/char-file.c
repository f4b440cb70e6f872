/*
 * Output to a file, input from another.
 *
 * Opened without blocking: a FIFO that nobody reads is an error, not a hang.
 * Paths may be /dev/fdset/N.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-fd.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/fdset.h"

typedef struct FileChardev {
    FDChardev parent;
    char *in, *out;
    bool append;
} FileChardev;

DECLARE_INSTANCE_CHECKER(FileChardev, FILE_CHARDEV, TYPE_CHARDEV_FILE)

static bool file_open(Chardev *chr, bool *be_opened, Error **errp)
{
    FileChardev *f = FILE_CHARDEV(chr);
    int mode = f->append ? O_APPEND : O_TRUNC;
    AUTO_FD in = -1;
    AUTO_FD out = -1;

    out = qemu_create(f->out, O_WRONLY | O_NONBLOCK | mode, 0666, errp);
    if (out < 0) {
        return false;
    }
    if (f->in) {
        in = qemu_open(f->in, O_RDONLY | O_NONBLOCK, errp);
        if (in < 0) {
            return false;
        }
    }
    return qemu_chr_open_fd(chr, fd_steal(&in), fd_steal(&out), errp);
}

static const Property file_props[] = {
    { "out", PROP_STR, offsetof(FileChardev, out), .flags = PROP_F_REQUIRED,
      .help = "file to write to", .since = "1.4" },
    { "in", PROP_STR, offsetof(FileChardev, in), .help = "file to read from",
      .since = "1.4" },
    { "append", PROP_BOOL, offsetof(FileChardev, append), .def = "off",
      .help = "add to the file instead of emptying it", .since = "2.6" },
    {},
};

static const ChardevCliOption file_cli[] = {
    { "path", "out", .help = "file to write to" },
    { "input-path", "in", .help = "file to read from" },
    {},
};

static void file_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "a file to write to, and one to read from";
    cc->cli_options = file_cli;
    cc->open = file_open;
}

const TypeInfo chardev_type_file = {
    .name = TYPE_CHARDEV_FILE,
    .parent = TYPE_CHARDEV_FD,
    .instance_size = sizeof(FileChardev),
    .class_init = file_class_init,
    .props = file_props,
};
