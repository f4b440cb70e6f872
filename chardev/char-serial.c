/*
 * A serial port of the host. Line settings follow the guest's UART by
 * qemu_chr_fe_ioctl().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-serial.h"

#include <sys/ioctl.h>
#include <termios.h>

#include "chardev/char-fd.h"
#include "io/channel-file.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/fdset.h"

typedef struct SerialChardev {
    FDChardev parent;
    char *device;
    struct termios before;
    bool restore;
} SerialChardev;

DECLARE_INSTANCE_CHECKER(SerialChardev, SERIAL_CHARDEV, TYPE_CHARDEV_SERIAL)

static int serial_fd(Chardev *chr)
{
    return QIO_CHANNEL_FILE(FD_CHARDEV(chr)->ioc_in)->fd;
}

static const struct {
    int bits;
    speed_t code;
} speeds[] = {
    { 50, B50 },           { 75, B75 },           { 110, B110 },
    { 134, B134 },         { 150, B150 },         { 200, B200 },
    { 300, B300 },         { 600, B600 },         { 1200, B1200 },
    { 1800, B1800 },       { 2400, B2400 },       { 4800, B4800 },
    { 9600, B9600 },       { 19200, B19200 },     { 38400, B38400 },
    { 57600, B57600 },     { 115200, B115200 },   { 230400, B230400 },
    { 460800, B460800 },   { 500000, B500000 },   { 576000, B576000 },
    { 921600, B921600 },   { 1000000, B1000000 }, { 1152000, B1152000 },
    { 1500000, B1500000 }, { 2000000, B2000000 }, { 2500000, B2500000 },
    { 3000000, B3000000 }, { 3500000, B3500000 }, { 4000000, B4000000 },
};

/* The nearest one: a UART's divisor does not hit round numbers. */
static speed_t speed_code(int bits)
{
    gsize best = 0;

    for (gsize i = 1; i < G_N_ELEMENTS(speeds); i++) {
        if (abs(speeds[i].bits - bits) < abs(speeds[best].bits - bits)) {
            best = i;
        }
    }
    return speeds[best].code;
}

static int serial_set_params(int fd, const QEMUSerialSetParams *p)
{
    static const tcflag_t sizes[] = { CS5, CS6, CS7, CS8 };
    struct termios tio;

    if (p->data_bits < 5 || p->data_bits > 8) {
        return -EINVAL;
    }
    if (tcgetattr(fd, &tio) < 0) {
        return -errno;
    }
    cfmakeraw(&tio);
    cfsetispeed(&tio, speed_code(p->speed));
    cfsetospeed(&tio, speed_code(p->speed));
    tio.c_cflag &= ~(CSIZE | PARENB | PARODD | CRTSCTS | CSTOPB);
    tio.c_cflag |= sizes[p->data_bits - 5] | CLOCAL | CREAD;
    if (p->parity != 'N') {
        tio.c_cflag |= PARENB | (p->parity == 'O' ? PARODD : 0);
    }
    if (p->stop_bits == 2) {
        tio.c_cflag |= CSTOPB;
    }
    return tcsetattr(fd, TCSANOW, &tio) < 0 ? -errno : 0;
}

static const struct {
    int chr;
    int host;
} modem_bits[] = {
    { CHR_TIOCM_CTS, TIOCM_CTS }, { CHR_TIOCM_CAR, TIOCM_CAR },
    { CHR_TIOCM_DSR, TIOCM_DSR }, { CHR_TIOCM_RI, TIOCM_RI },
    { CHR_TIOCM_DTR, TIOCM_DTR }, { CHR_TIOCM_RTS, TIOCM_RTS },
};

static int serial_get_tiocm(int fd, int *ret)
{
    int host;

    if (ioctl(fd, TIOCMGET, &host) < 0) {
        return -errno;
    }
    *ret = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(modem_bits); i++) {
        if (host & modem_bits[i].host) {
            *ret |= modem_bits[i].chr;
        }
    }
    return 0;
}

/* Only DTR and RTS are ours to set. */
static int serial_set_tiocm(int fd, int lines)
{
    int host;

    if (ioctl(fd, TIOCMGET, &host) < 0) {
        return -errno;
    }
    host &= ~(TIOCM_DTR | TIOCM_RTS);
    host |= (lines & CHR_TIOCM_DTR ? TIOCM_DTR : 0) |
            (lines & CHR_TIOCM_RTS ? TIOCM_RTS : 0);
    return ioctl(fd, TIOCMSET, &host) < 0 ? -errno : 0;
}

static int serial_set_break(int fd, bool on)
{
    return ioctl(fd, on ? TIOCSBRK : TIOCCBRK) < 0 ? -errno : 0;
}

static int serial_ioctl(Chardev *chr, int cmd, void *arg)
{
    int fd = serial_fd(chr);

    switch (cmd) {
    case CHR_IOCTL_SERIAL_SET_PARAMS:
        return serial_set_params(fd, arg);
    case CHR_IOCTL_SERIAL_SET_BREAK:
        return serial_set_break(fd, *(int *)arg);
    case CHR_IOCTL_SERIAL_GET_TIOCM:
        return serial_get_tiocm(fd, arg);
    case CHR_IOCTL_SERIAL_SET_TIOCM:
        return serial_set_tiocm(fd, *(int *)arg);
    default:
        return -ENOTSUP;
    }
}

static bool serial_open(Chardev *chr, bool *be_opened, Error **errp)
{
    SerialChardev *s = SERIAL_CHARDEV(chr);
    const QEMUSerialSetParams params = { 115200, 'N', 8, 1 };
    AUTO_FD fd = qemu_open(s->device, O_RDWR | O_NONBLOCK | O_NOCTTY, errp);
    int raw, ret;

    if (fd < 0) {
        return false;
    }
    s->restore = tcgetattr(fd, &s->before) == 0;
    if (!s->restore) {
        error_setg_errno(errp, errno, "'%s' is not a terminal", s->device);
        return false;
    }
    ret = serial_set_params(fd, &params);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "could not set up '%s'", s->device);
        return false;
    }
    raw = fd_steal(&fd);
    return qemu_chr_open_fd(chr, raw, raw, errp);
}

static void serial_finalize(Object *obj)
{
    SerialChardev *s = SERIAL_CHARDEV(obj);

    if (s->restore && s->parent.ioc_in) {
        tcsetattr(serial_fd(CHARDEV(obj)), TCSANOW, &s->before);
    }
}

static const Property serial_props[] = {
    { "device", PROP_STR, offsetof(SerialChardev, device),
      .flags = PROP_F_REQUIRED, .help = "path of the port, e.g. /dev/ttyS0",
      .since = "1.5" },
    {},
};

static const ChardevCliOption serial_cli[] = {
    { "path", "device", .help = "path of the port" },
    {},
};

static void serial_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "a serial port of the host";
    cc->cli_options = serial_cli;
    cc->open = serial_open;
    cc->chr_ioctl = serial_ioctl;
}

const TypeInfo chardev_type_serial = {
    .name = TYPE_CHARDEV_SERIAL,
    .parent = TYPE_CHARDEV_FD,
    .instance_size = sizeof(SerialChardev),
    .instance_finalize = serial_finalize,
    .class_init = serial_class_init,
    .props = serial_props,
};
