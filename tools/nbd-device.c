/*
 * ferry-nbd -c and -d: the kernel's NBD devices.
 *
 * The kernel wants a connected socket behind which a server waits for
 * requests. One end of a socket pair goes to our server; on the other this
 * file negotiates, with simple replies, which is all that the kernel knows,
 * and then hands it to the device. The ioctl that does the work returns when
 * the device is detached, so it has a thread.
 *
 * Source: <linux/nbd.h>, which cannot be included beside our names.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "io/channel-socket.h"
#include "nbd/client.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/thread.h"

#include "nbd.h"

struct NbdDevice {
    char *path;
    int fd;     /* of the device */
    int client; /* our end of the socket pair */
    bool *ended;
    bool attached; /* there is a thread */
    QemuThread thread;
    Error *err; /* the thread's; after it has set *ended */
};

#define NBD_SET_SOCK        _IO(0xab, 0)
#define NBD_SET_BLKSIZE     _IO(0xab, 1)
#define NBD_DO_IT           _IO(0xab, 3)
#define NBD_CLEAR_SOCK      _IO(0xab, 4)
#define NBD_CLEAR_QUE       _IO(0xab, 5)
#define NBD_SET_SIZE_BLOCKS _IO(0xab, 7)
#define NBD_DISCONNECT      _IO(0xab, 8)
#define NBD_SET_FLAGS       _IO(0xab, 10)

/* Sector size of the device: what every kernel takes. */
#define DEVICE_BLOCK 512

static int device_open_fd(const char *path, Error **errp)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV)) {
        error_setg_errno(errp, errno, "cannot open '%s'", path);
        error_append_hint(errp, "This kernel has no NBD devices, or the module "
                                "is not loaded: modprobe nbd\n");
    } else if (fd < 0) {
        error_setg_errno(errp, errno, "cannot open '%s'", path);
    }
    return fd;
}

NbdDevice *nbd_device_open(const char *path, int *ret_server, Error **errp)
{
    NbdDevice *dev;
    int fd = device_open_fd(path, errp), pair[2];

    if (fd < 0) {
        return NULL;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        error_setg_errno(errp, errno, "cannot make a pair of sockets");
        fd_close(fd);
        return NULL;
    }
    dev = g_new0(NbdDevice, 1);
    dev->path = g_strdup(path);
    dev->fd = fd;
    dev->client = pair[0];
    *ret_server = pair[1];
    return dev;
}

static bool device_ioctl(NbdDevice *dev, unsigned long request,
                         unsigned long arg, const char *what)
{
    if (ioctl(dev->fd, request, arg) >= 0) {
        return true;
    }
    error_setg_errno(&dev->err, errno, "cannot %s '%s'", what, dev->path);
    return false;
}

static bool device_configure(NbdDevice *dev, const NBDExportInfo *info)
{
    int read_only = (info->flags & NBD_FLAG_READ_ONLY) != 0;

    if (info->size / DEVICE_BLOCK > ULONG_MAX) {
        error_setg(&dev->err, "the image is too large for '%s'", dev->path);
        return false;
    }
    if (!device_ioctl(dev, NBD_CLEAR_SOCK, 0, "clear") ||
        !device_ioctl(dev, NBD_SET_BLKSIZE, DEVICE_BLOCK,
                      "set the block size of") ||
        !device_ioctl(dev, NBD_SET_SIZE_BLOCKS, info->size / DEVICE_BLOCK,
                      "set the size of")) {
        return false;
    }
    if (ioctl(dev->fd, NBD_SET_FLAGS, (unsigned long)info->flags) < 0 &&
        errno != ENOTTY) {
        error_setg_errno(&dev->err, errno, "cannot set the flags of '%s'",
                         dev->path);
        return false;
    }
    if (ioctl(dev->fd, BLKROSET, &read_only) < 0) {
        error_setg_errno(&dev->err, errno, "cannot make '%s' read-only",
                         dev->path);
        return false;
    }
    return device_ioctl(dev, NBD_SET_SOCK, (unsigned long)dev->client,
                        "give a socket to");
}

static bool device_negotiate(NbdDevice *dev, NBDExportInfo *info)
{
    QIOChannelSocket *sioc =
        qio_channel_socket_new_fd(dup(dev->client), &dev->err);
    NBDNegotiation n = { .export = "", .no_structured = true };
    QIOChannel *ioc;

    if (!sioc) {
        return false;
    }
    ioc = nbd_client_negotiate(QIO_CHANNEL(sioc), &n, info, &dev->err);
    object_unref(OBJECT(sioc));
    if (ioc) {
        object_unref(OBJECT(ioc));
    }
    return ioc;
}

static void *device_thread(void *opaque)
{
    NbdDevice *dev = opaque;
    g_auto(NBDExportInfo) info = { 0 };

    if (device_negotiate(dev, &info) && device_configure(dev, &info)) {
        if (ioctl(dev->fd, NBD_DO_IT, 0) < 0 && errno != EPIPE) {
            error_setg_errno(&dev->err, errno, "device '%s' failed", dev->path);
        }
        ioctl(dev->fd, NBD_CLEAR_QUE, 0);
        ioctl(dev->fd, NBD_CLEAR_SOCK, 0);
    }
    __atomic_store_n(dev->ended, true, __ATOMIC_RELEASE);
    qemu_notify_event();
    return NULL;
}

bool nbd_device_attach(NbdDevice *dev, bool *ended, Error **errp)
{
    int ret;

    dev->ended = ended;
    ret = qemu_thread_try_create(&dev->thread, "nbd-device", device_thread, dev,
                                 QEMU_THREAD_JOINABLE);
    dev->attached = ret == 0;
    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot make a thread");
    }
    return ret == 0;
}

/* An error belongs to the thread until it has been joined. What goes wrong
 * because it is told to end is none. */
void nbd_device_close(NbdDevice *dev, Error **errp)
{
    if (!dev) {
        return;
    }
    if (dev->attached) {
        bool by_itself = __atomic_load_n(dev->ended, __ATOMIC_ACQUIRE);

        ioctl(dev->fd, NBD_DISCONNECT, 0);
        shutdown(dev->client, SHUT_RDWR);
        qemu_thread_join(&dev->thread);
        if (by_itself) {
            error_propagate(errp, g_steal_pointer(&dev->err));
        }
    }
    fd_close(dev->client);
    fd_close(dev->fd);
    error_free(dev->err);
    g_free(dev->path);
    g_free(dev);
}

bool nbd_device_disconnect(const char *path, Error **errp)
{
    int fd = device_open_fd(path, errp);
    bool ok;

    if (fd < 0) {
        return false;
    }
    ok = ioctl(fd, NBD_CLEAR_QUE, 0) >= 0 &&
         ioctl(fd, NBD_DISCONNECT, 0) >= 0 && ioctl(fd, NBD_CLEAR_SOCK, 0) >= 0;
    if (!ok) {
        error_setg_errno(errp, errno, "cannot detach '%s'", path);
    }
    fd_close(fd);
    return ok;
}
