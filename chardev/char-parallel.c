/*
 * A parallel port of the host, through Linux's ppdev. The guest's port
 * drives the lines by qemu_chr_fe_ioctl(); there is no byte stream.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-parallel.h"

#include <linux/parport.h>
#include <linux/ppdev.h>
#include <sys/ioctl.h>

#include "chardev/char.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/fdset.h"

typedef struct ParallelChardev {
    Chardev parent;
    char *device;
    int fd;
    int mode; /* IEEE1284_MODE_* in use */
} ParallelChardev;

DECLARE_INSTANCE_CHECKER(ParallelChardev, PARALLEL_CHARDEV,
                         TYPE_CHARDEV_PARALLEL)

static int pp_io(ParallelChardev *p, unsigned long request, void *arg)
{
    return ioctl(p->fd, request, arg) < 0 ? -errno : 0;
}

static int pp_set_mode(ParallelChardev *p, int mode)
{
    int ret;

    if (p->mode == mode) {
        return 0;
    }
    ret = pp_io(p, PPSETMODE, &mode);
    if (ret == 0) {
        p->mode = mode;
    }
    return ret;
}

/* One transfer of the enhanced parallel port; all of it or an error. */
static int pp_epp(ParallelChardev *p, int mode, bool reads,
                  struct ParallelIOArg *arg)
{
    int ret = pp_set_mode(p, mode);
    ssize_t n;

    if (ret < 0) {
        return ret;
    }
    n = reads ? read(p->fd, arg->buffer, arg->count)
              : write(p->fd, arg->buffer, arg->count);
    return n == arg->count ? 0 : -EIO;
}

static int parallel_ioctl(Chardev *chr, int cmd, void *arg)
{
    ParallelChardev *p = PARALLEL_CHARDEV(chr);

    switch (cmd) {
    case CHR_IOCTL_PP_READ_DATA:
        return pp_io(p, PPRDATA, arg);
    case CHR_IOCTL_PP_WRITE_DATA:
        return pp_io(p, PPWDATA, arg);
    case CHR_IOCTL_PP_READ_CONTROL:
        return pp_io(p, PPRCONTROL, arg);
    case CHR_IOCTL_PP_WRITE_CONTROL:
        return pp_io(p, PPWCONTROL, arg);
    case CHR_IOCTL_PP_READ_STATUS:
        return pp_io(p, PPRSTATUS, arg);
    case CHR_IOCTL_PP_DATA_DIR:
        return pp_io(p, PPDATADIR, arg);
    case CHR_IOCTL_PP_EPP_READ_ADDR:
        return pp_epp(p, IEEE1284_MODE_EPP | IEEE1284_ADDR, true, arg);
    case CHR_IOCTL_PP_EPP_READ:
        return pp_epp(p, IEEE1284_MODE_EPP, true, arg);
    case CHR_IOCTL_PP_EPP_WRITE_ADDR:
        return pp_epp(p, IEEE1284_MODE_EPP | IEEE1284_ADDR, false, arg);
    case CHR_IOCTL_PP_EPP_WRITE:
        return pp_epp(p, IEEE1284_MODE_EPP, false, arg);
    default:
        return -ENOTSUP;
    }
}

static int parallel_write(Chardev *chr, const uint8_t *buf, int len)
{
    return len;
}

static bool parallel_open(Chardev *chr, bool *be_opened, Error **errp)
{
    ParallelChardev *p = PARALLEL_CHARDEV(chr);

    p->fd = qemu_open(p->device, O_RDWR | O_NONBLOCK, errp);
    if (p->fd < 0) {
        return false;
    }
    if (ioctl(p->fd, PPCLAIM) < 0) {
        error_setg_errno(errp, errno, "'%s' is not a free parallel port",
                         p->device);
        qemu_close(p->fd);
        p->fd = -1;
        return false;
    }
    p->mode = IEEE1284_MODE_COMPAT;
    return true;
}

static void parallel_init(Object *obj)
{
    PARALLEL_CHARDEV(obj)->fd = -1;
}

static void parallel_finalize(Object *obj)
{
    ParallelChardev *p = PARALLEL_CHARDEV(obj);

    if (p->fd >= 0) {
        pp_set_mode(p, IEEE1284_MODE_COMPAT);
        ioctl(p->fd, PPRELEASE);
        qemu_close(p->fd);
    }
}

static const Property parallel_props[] = {
    { "device", PROP_STR, offsetof(ParallelChardev, device),
      .flags = PROP_F_REQUIRED, .help = "path of the port, e.g. /dev/parport0",
      .since = "1.5" },
    {},
};

static const ChardevCliOption parallel_cli[] = {
    { "path", "device", .help = "path of the port" },
    {},
};

static void parallel_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "a parallel port of the host";
    cc->cli_options = parallel_cli;
    cc->open = parallel_open;
    cc->chr_write = parallel_write;
    cc->chr_ioctl = parallel_ioctl;
}

const TypeInfo chardev_type_parallel = {
    .name = TYPE_CHARDEV_PARALLEL,
    .parent = TYPE_CHARDEV,
    .instance_size = sizeof(ParallelChardev),
    .instance_init = parallel_init,
    .instance_finalize = parallel_finalize,
    .class_init = parallel_class_init,
    .props = parallel_props,
};
