/*
 * Datagrams to and from one peer. Each write is a datagram; one that came in
 * is handed over in the pieces that the front end takes. Nothing is ever
 * waited for: what cannot be sent is lost, as datagrams are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-io.h"
#include "io/channel-socket.h"
#include "io/socket-address.h"
#include "qapi/qapi-visit-sockets.h"
#include "qapi/visitor.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/lockable.h"

#include "char-internal.h"

#define UDP_DATAGRAM_MAX 65536

typedef struct UdpChardev {
    Chardev parent;
    SocketAddress *remote, *local; /* options; local may be NULL */
    QIOChannelSocket *ioc;
    bool ready; /* guarded by chr_write_lock: set up */
    /* The context's own. */
    uint8_t buf[UDP_DATAGRAM_MAX];
    size_t have, given;
    GMainContext *where;
} UdpChardev;

DECLARE_INSTANCE_CHECKER(UdpChardev, UDP_CHARDEV, TYPE_CHARDEV_UDP)

static bool udp_is_ready(UdpChardev *u)
{
    QEMU_LOCK_GUARD(&u->parent.chr_write_lock);
    return u->ready;
}

static int udp_can_read(void *opaque)
{
    UdpChardev *u = opaque;

    /* Asked before each poll: a chance to hand over what is left. */
    while (u->given < u->have) {
        int n = qemu_chr_be_can_write(&u->parent);

        n = MIN(n, (int)(u->have - u->given));
        if (n <= 0) {
            return 0;
        }
        u->given += n;
        qemu_chr_be_write(&u->parent, u->buf + u->given - n, n);
    }
    return qemu_chr_be_can_write(&u->parent);
}

static gboolean udp_readable(QIOChannel *ioc, GIOCondition cond,
                             gpointer opaque)
{
    UdpChardev *u = opaque;
    Object *keep = object_ref(u);
    ssize_t n = qio_channel_read(ioc, (char *)u->buf, sizeof(u->buf), NULL);

    if (n > 0) {
        u->have = n;
        u->given = 0;
        udp_can_read(u);
    }
    /* A failed read reports an ICMP error of an earlier datagram. */
    object_unref(keep);
    return G_SOURCE_CONTINUE;
}

static int udp_write(Chardev *chr, const uint8_t *buf, int len)
{
    UdpChardev *u = UDP_CHARDEV(chr);

    if (u->ready) {
        io_channel_send(QIO_CHANNEL(u->ioc), buf, len);
    }
    return len;
}

static void udp_attach(UdpChardev *u)
{
    Chardev *chr = &u->parent;

    remove_fd_in_watch(chr);
    chr->gsource = io_add_watch_poll(chr, QIO_CHANNEL(u->ioc), udp_can_read,
                                     udp_readable, u, chr->gcontext);
}

static void udp_update_read_handler(Chardev *chr)
{
    UdpChardev *u = UDP_CHARDEV(chr);

    if (udp_is_ready(u)) {
        udp_attach(u);
    }
}

static void udp_opened(QIOTask *task, gpointer opaque)
{
    UdpChardev *u = opaque;
    Error *err = NULL;

    if (qio_task_propagate_error(task, &err)) {
        error_free(err);
        return;
    }
    qio_channel_set_blocking(QIO_CHANNEL(u->ioc), false, NULL);
    WITH_QEMU_LOCK_GUARD(&u->parent.chr_write_lock)
    {
        u->ready = true;
    }
    udp_attach(u);
    qemu_chr_be_event(&u->parent, CHR_EVENT_OPENED);
}

/* Whether setting up needs no name lookup, so that it cannot block. */
static bool is_numeric(const SocketAddress *a)
{
    return !a || a->type != SOCKET_ADDRESS_TYPE_INET || !*a->u.inet.host ||
           g_str_equal(a->u.inet.host, "localhost") ||
           g_hostname_is_ip_address(a->u.inet.host);
}

static bool udp_open(Chardev *chr, bool *be_opened, Error **errp)
{
    UdpChardev *u = UDP_CHARDEV(chr);
    g_autofree char *name = NULL;

    u->ioc = qio_channel_socket_new();
    name = g_strdup_printf("chardev-udp-%s",
                           chr->label ? chr->label : "anonymous");
    qio_channel_set_name(QIO_CHANNEL(u->ioc), name);
    chr->filename = g_strdup("udp");
    if (!is_numeric(u->remote) || !is_numeric(u->local)) {
        *be_opened = false; /* udp_opened() tells */
        qio_channel_socket_dgram_async(u->ioc, u->local, u->remote, udp_opened,
                                       object_ref(u), object_unref, NULL);
        return true;
    }
    if (qio_channel_socket_dgram_sync(u->ioc, u->local, u->remote, errp) < 0) {
        return false;
    }
    qio_channel_set_blocking(QIO_CHANNEL(u->ioc), false, NULL);
    u->ready = true;
    udp_attach(u);
    return true;
}

static void set_address(SocketAddress **field, Visitor *v, const char *name,
                        Error **errp)
{
    g_autoptr(SocketAddressLegacy) legacy = NULL;

    if (visit_type_SocketAddressLegacy(v, name, &legacy, errp)) {
        qapi_free_SocketAddress(*field);
        *field = socket_address_flatten(legacy);
    }
}

static void set_remote(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    set_address(&UDP_CHARDEV(obj)->remote, v, name, errp);
}

static void set_local(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    set_address(&UDP_CHARDEV(obj)->local, v, name, errp);
}

static void default_member(json_t *addr, const char *name, const char *value)
{
    json_t *data = json_object_get(addr, "data");

    if (!json_object_get(data, name)) {
        json_object_set_new(data, name, json_string(value));
    }
}

static bool udp_cli_complete(json_t *data, Error **errp)
{
    json_t *remote = json_object_get(data, "remote");
    json_t *local = json_object_get(data, "local");

    if (!json_object_get(json_object_get(remote, "data"), "port")) {
        error_setg(errp, "a udp chardev needs 'port'");
        return false;
    }
    default_member(remote, "host", "localhost");
    if (local) {
        default_member(local, "host", "");
        default_member(local, "port", "0");
    }
    return true;
}

static void udp_finalize(Object *obj)
{
    UdpChardev *u = UDP_CHARDEV(obj);

    remove_fd_in_watch(&u->parent);
    object_unref(u->ioc);
    qapi_free_SocketAddress(u->remote);
    qapi_free_SocketAddress(u->local);
}

static const Property udp_props[] = {
    { "remote", PROP_CUSTOM, .qapi_type = "SocketAddressLegacy",
      .set = set_remote, .flags = PROP_F_REQUIRED,
      .help = "address of the peer", .since = "1.5" },
    { "local", PROP_CUSTOM, .qapi_type = "SocketAddressLegacy",
      .set = set_local, .help = "address to receive at", .since = "1.5" },
    {},
};

static const ChardevCliOption udp_cli[] = {
    { "host", "remote.data.host", "remote.type=inet",
      .help = "the peer's name or address" },
    { "port", "remote.data.port", "remote.type=inet",
      .help = "the peer's port" },
    { "localaddr", "local.data.host", "local.type=inet",
      .help = "address to receive at" },
    { "localport", "local.data.port", "local.type=inet",
      .help = "port to receive at" },
    { "ipv4", "remote.data.ipv4", .is_bool = true, .help = "use IPv4" },
    { "ipv6", "remote.data.ipv6", .is_bool = true, .help = "use IPv6" },
    {},
};

static void udp_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "datagrams to and from one peer";
    cc->cli_options = udp_cli;
    cc->cli_complete = udp_cli_complete;
    cc->open = udp_open;
    cc->chr_write = udp_write;
    cc->chr_update_read_handler = udp_update_read_handler;
}

const TypeInfo chardev_type_udp = {
    .name = TYPE_CHARDEV_UDP,
    .parent = TYPE_CHARDEV,
    .instance_size = sizeof(UdpChardev),
    .instance_finalize = udp_finalize,
    .class_init = udp_class_init,
    .props = udp_props,
};
