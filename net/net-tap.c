/*
 * netdev-tap: a network interface of the host (Linux tun driver, TAP mode).
 *
 * A frame that the card has no room for is kept, and nothing more is read
 * until the card takes it: the kernel's queue then does what a switch does.
 *
 * Source: Linux Documentation/networking/tuntap.rst.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "qom/property.h"
#include "util/cutils.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/sockets.h"

#include "net-internal.h"

#define TYPE_NETDEV_TAP "netdev-tap"
OBJECT_DECLARE_SIMPLE_TYPE(NetdevTap, NETDEV_TAP)

#define TUN_DEVICE "/dev/net/tun"
/* Frames read in one go, so that others of the main loop get their turn. */
#define BURST 64

struct NetdevTap {
    Netdev parent_obj;

    /* properties */
    char *ifname;
    char *fd_name;
    char *script;
    char *downscript;

    int fd;
    char name[IFNAMSIZ];
    bool script_ran;
    size_t kept; /* bytes of a frame in @buf that waits for the card */
    uint8_t buf[NET_FRAME_MAX];
};

static void tap_read(void *opaque);

static void watch(NetdevTap *t, bool on)
{
    qemu_set_fd_handler(t->fd, on ? tap_read : NULL, NULL, t);
}

static void tap_read(void *opaque)
{
    NetdevTap *t = opaque;

    for (int i = 0; i < BURST; i++) {
        ssize_t n = read(t->fd, t->buf, sizeof(t->buf));

        if (n <= 0) {
            if (n < 0 && errno != EAGAIN && errno != EINTR) {
                warn_report("netdev '%s': reading '%s': %s", t->parent_obj.id,
                            t->name, strerror(errno));
                watch(t, false);
            }
            return;
        }
        if (!net_send_buf(&t->parent_obj.nc, t->buf, (size_t)n)) {
            t->kept = (size_t)n;
            watch(t, false);
            return;
        }
    }
}

static void tap_resume(NetClient *nc)
{
    NetdevTap *t = nc->opaque;

    if (t->kept) {
        if (!net_send_buf(nc, t->buf, t->kept)) {
            return;
        }
        t->kept = 0;
    }
    watch(t, true);
}

static bool tap_receive(NetClient *nc, const struct iovec *iov, unsigned n)
{
    NetdevTap *t = nc->opaque;
    ssize_t ret;

    do {
        ret = writev(t->fd, iov, (int)n);
    } while (ret < 0 && errno == EINTR);
    /* An interface that is down or full loses frames, as a cable does. */
    if (ret < 0) {
        nc->frames_dropped++;
    }
    return true;
}

static const NetClientOps tap_ops = { .receive = tap_receive,
                                      .resume = tap_resume };

/* -- opening ------------------------------------------------------------------- */

static bool open_interface(NetdevTap *t, Error **errp)
{
    AUTO_FD fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

    if (fd < 0) {
        error_setg_errno(errp, errno, "could not open '%s'", TUN_DEVICE);
        return false;
    }
    if (t->ifname && strlen(t->ifname) >= IFNAMSIZ) {
        error_setg(errp, "interface name '%s' is too long", t->ifname);
        return false;
    }
    g_strlcpy(ifr.ifr_name, t->ifname ?: "tap%d", IFNAMSIZ);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
        error_setg_errno(errp, errno, "could not use interface '%s'",
                         ifr.ifr_name);
        return false;
    }
    g_strlcpy(t->name, ifr.ifr_name, sizeof(t->name));
    t->fd = fd_steal(&fd);
    return true;
}

/* A descriptor that was inherited or given to the monitor by its number. */
static bool use_fd(NetdevTap *t, Error **errp)
{
    struct ifreq ifr = { 0 };
    int number;

    if (qemu_strtoi(t->fd_name, NULL, 10, &number) < 0 || number < 0) {
        error_setg(errp, "fd '%s' is not a number", t->fd_name);
        return false;
    }
    if (ioctl(number, TUNGETIFF, &ifr) < 0 || !(ifr.ifr_flags & IFF_TAP)) {
        error_setg(errp, "descriptor %d is not a TAP interface", number);
        return false;
    }
    if (ifr.ifr_flags & IFF_VNET_HDR) {
        error_setg(errp,
                   "descriptor %d: interfaces with virtio headers are "
                   "not supported",
                   number);
        return false;
    }
    g_strlcpy(t->name, ifr.ifr_name, sizeof(t->name));
    if (!qemu_set_blocking(number, false, errp)) {
        return false;
    }
    t->fd = number;
    return true;
}

static bool run_script(const char *script, const char *name, Error **errp)
{
    g_autoptr(GError) err = NULL;
    const char *argv[] = { script, name, NULL };
    int status;

    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_CHILD_INHERITS_STDIN,
                      NULL, NULL, NULL, NULL, &status, &err)) {
        error_setg(errp, "network script: %s", err->message);
        return false;
    }
    if (!g_spawn_check_wait_status(status, &err)) {
        error_setg(errp, "network script '%s' for '%s': %s", script, name,
                   err->message);
        return false;
    }
    return true;
}

static bool wants_script(const char *script)
{
    return script && *script && !g_str_equal(script, "no");
}

static bool tap_open(Netdev *netdev, Error **errp)
{
    NetdevTap *t = NETDEV_TAP(netdev);

    if (t->fd_name &&
        (t->ifname || wants_script(t->script) || wants_script(t->downscript))) {
        error_setg(errp, "fd excludes ifname, script and downscript");
        return false;
    }
    netdev->nc.ops = &tap_ops;
    if (!(t->fd_name ? use_fd(t, errp) : open_interface(t, errp))) {
        return false;
    }
    netdev->nc.info = g_strdup_printf("ifname=%s,fd=%d", t->name, t->fd);
    if (wants_script(t->script)) {
        if (!run_script(t->script, t->name, errp)) {
            return false;
        }
        t->script_ran = true;
    }
    watch(t, true);
    return true;
}

static void tap_init(Object *obj)
{
    NETDEV_TAP(obj)->fd = -1;
}

static void tap_finalize(Object *obj)
{
    NetdevTap *t = NETDEV_TAP(obj);
    Error *err = NULL;

    if (t->fd < 0) {
        return;
    }
    watch(t, false);
    if (t->script_ran && wants_script(t->downscript) &&
        !run_script(t->downscript, t->name, &err)) {
        warn_report_err(err);
    }
    fd_close(t->fd);
}

static const Property tap_props[] = {
    { "ifname", PROP_STR, offsetof(NetdevTap, ifname),
      .help = "interface of the host; made if it is not there",
      .since = "0.1" },
    { "fd", PROP_STR, offsetof(NetdevTap, fd_name),
      .help = "descriptor of an open interface", .since = "0.1" },
    { "script", PROP_STR, offsetof(NetdevTap, script), .def = "no",
      .help = "program that sets the interface up; its name is the argument",
      .since = "0.1" },
    { "downscript", PROP_STR, offsetof(NetdevTap, downscript), .def = "no",
      .help = "program that is run at the end", .since = "0.1" },
    {}
};

static void tap_class_init(ObjectClass *oc, void *data)
{
    NETDEV_CLASS(oc)->open = tap_open;
}

extern const TypeInfo net_type_tap;
const TypeInfo net_type_tap = {
    .name = TYPE_NETDEV_TAP,
    .parent = TYPE_NETDEV,
    .instance_size = sizeof(NetdevTap),
    .instance_init = tap_init,
    .instance_finalize = tap_finalize,
    .class_init = tap_class_init,
    .props = tap_props,
};
