/*
 * netdev-user: a private network behind a TCP/IP stack in this process
 * (libslirp), so that a guest reaches the outside as an ordinary program
 * does. Needs no rights. The library is loaded with the first of these.
 *
 * The stack's sockets are polled by a GSource of the main context that asks
 * the stack anew before each wait. A frame that the card has no room for is
 * dropped; TCP sends it again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "net-slirp.h"

#include <arpa/inet.h>
#include <libslirp.h>

#include "qom/property.h"
#include "trace/trace-net.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/library.h"
#include "util/timer.h"

#include "net-internal.h"

#define TYPE_NETDEV_USER "netdev-user"
OBJECT_DECLARE_SIMPLE_TYPE(NetdevUser, NETDEV_USER)

#define DEFAULT_NET     "10.0.2.0/24"
#define DEFAULT_PREFIX6 "fec0::"
#define ETHERTYPE_AT    12
#define ETHERTYPE_ARP   0x0806
#define HOSTNAME_MAX    32 /* in the stack's DHCP answers */

struct NetdevUser {
    Netdev parent_obj;

    /* properties */
    bool ipv4;
    bool ipv6;
    bool restricted;
    char *net;
    char *host;
    char *dns;
    char *dhcpstart;
    char *hostname;
    char *domainname;
    char *tftp;
    char *bootfile;
    char *tftp_server_name;
    char *ipv6_prefix;
    int64_t ipv6_prefixlen;
    char *ipv6_host;
    char *ipv6_dns;
    json_t *hostfwd;
    json_t *dnssearch;

    Slirp *slirp;
    GSource *source;
    GPtrArray *fds; /* GPollFD of this wait, owned */
    int64_t due_us; /* monotonic: when the stack's own timers want to run */
};

/* -- the library ------------------------------------------------------------------- */

static Slirp *(*lib_new)(const SlirpConfig *, const SlirpCb *, void *);
static void (*lib_cleanup)(Slirp *);
static void (*lib_pollfds_fill)(Slirp *, uint32_t *, SlirpAddPollCb, void *);
static void (*lib_pollfds_poll)(Slirp *, int, SlirpGetREventsCb, void *);
static void (*lib_input)(Slirp *, const uint8_t *, int);
static int (*lib_add_hostfwd)(Slirp *, int, struct in_addr, int, struct in_addr,
                              int);
static int (*lib_remove_hostfwd)(Slirp *, int, struct in_addr, int);
static char *(*lib_connection_info)(Slirp *);

static const LibrarySymbol symbols[] = {
    { "slirp_new", &lib_new },
    { "slirp_cleanup", &lib_cleanup },
    { "slirp_pollfds_fill", &lib_pollfds_fill },
    { "slirp_pollfds_poll", &lib_pollfds_poll },
    { "slirp_input", &lib_input },
    { "slirp_add_hostfwd", &lib_add_hostfwd },
    { "slirp_remove_hostfwd", &lib_remove_hostfwd },
    { "slirp_connection_info", &lib_connection_info },
    {}
};
static Library library = { .soname = "libslirp.so.0", .symbols = symbols };

/* -- what the stack calls ------------------------------------------------------------ */

static ssize_t cb_send_packet(const void *buf, size_t len, void *opaque)
{
    NetdevUser *u = opaque;

    net_send_buf(&u->parent_obj.nc, buf, len);
    return (ssize_t)len;
}

static void cb_guest_error(const char *msg, void *opaque)
{
    trace_net_user_guest_error(msg);
}

static int64_t cb_clock(void *opaque)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static void *cb_timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
    return timer_new_ms(QEMU_CLOCK_VIRTUAL, cb, cb_opaque);
}

static void cb_timer_free(void *timer, void *opaque)
{
    timer_free(timer);
}

static void cb_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    timer_mod(timer, expire_ms);
}

/* Sockets are found at the next wait; who runs this is awake already. */
static void cb_poll_fd(int fd, void *opaque)
{
}

static void cb_notify(void *opaque)
{
}

static const SlirpCb callbacks = {
    .send_packet = cb_send_packet,
    .guest_error = cb_guest_error,
    .clock_get_ns = cb_clock,
    .timer_new = cb_timer_new,
    .timer_free = cb_timer_free,
    .timer_mod = cb_timer_mod,
    .register_poll_fd = cb_poll_fd,
    .unregister_poll_fd = cb_poll_fd,
    .notify = cb_notify,
};

/* -- waiting for its sockets ----------------------------------------------------------- */

typedef struct SlirpSource {
    GSource parent;
    NetdevUser *user;
} SlirpSource;

static void drop_fds(NetdevUser *u)
{
    for (guint i = 0; u->source && i < u->fds->len; i++) {
        g_source_remove_poll(u->source, g_ptr_array_index(u->fds, i));
    }
    g_ptr_array_set_size(u->fds, 0);
}

static int add_poll(int fd, int events, void *opaque)
{
    NetdevUser *u = opaque;
    GPollFD *p = g_new0(GPollFD, 1);

    p->fd = fd;
    p->events = (gushort)((events & SLIRP_POLL_IN ? G_IO_IN : 0) |
                          (events & SLIRP_POLL_OUT ? G_IO_OUT : 0) |
                          (events & SLIRP_POLL_PRI ? G_IO_PRI : 0) |
                          (events & SLIRP_POLL_ERR ? G_IO_ERR : 0) |
                          (events & SLIRP_POLL_HUP ? G_IO_HUP : 0));
    g_ptr_array_add(u->fds, p);
    g_source_add_poll(u->source, p);
    return (int)u->fds->len - 1;
}

static int get_revents(int index, void *opaque)
{
    NetdevUser *u = opaque;
    GIOCondition c = ((GPollFD *)g_ptr_array_index(u->fds, index))->revents;

    return (c & G_IO_IN ? SLIRP_POLL_IN : 0) |
           (c & G_IO_OUT ? SLIRP_POLL_OUT : 0) |
           (c & G_IO_PRI ? SLIRP_POLL_PRI : 0) |
           (c & G_IO_ERR ? SLIRP_POLL_ERR : 0) |
           (c & G_IO_HUP ? SLIRP_POLL_HUP : 0);
}

static gboolean source_prepare(GSource *source, gint *timeout)
{
    NetdevUser *u = ((SlirpSource *)source)->user;
    int64_t now = g_get_monotonic_time();
    int64_t left_ms;
    uint32_t ms = UINT32_MAX;

    drop_fds(u);
    lib_pollfds_fill(u->slirp, &ms, add_poll, u);
    /* A loop that is woken all the time by others does not put it off. */
    if (ms <= INT_MAX) {
        u->due_us = MIN(u->due_us, now + 1000LL * ms);
    }
    left_ms = u->due_us == INT64_MAX ? -1 : (u->due_us - now + 999) / 1000;
    *timeout = (gint)CLAMP(left_ms, -1, INT_MAX);
    return u->due_us <= now;
}

/* The stack's own timers are served by the same call as its sockets. */
static gboolean source_check(GSource *source)
{
    NetdevUser *u = ((SlirpSource *)source)->user;

    for (guint i = 0; i < u->fds->len; i++) {
        if (((GPollFD *)g_ptr_array_index(u->fds, i))->revents) {
            return TRUE;
        }
    }
    return g_get_monotonic_time() >= u->due_us;
}

static gboolean source_dispatch(GSource *source, GSourceFunc func,
                                gpointer data)
{
    NetdevUser *u = ((SlirpSource *)source)->user;

    u->due_us = INT64_MAX;
    lib_pollfds_poll(u->slirp, 0, get_revents, u);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = { .prepare = source_prepare,
                                     .check = source_check,
                                     .dispatch = source_dispatch };

static void attach_source(NetdevUser *u)
{
    u->due_us = INT64_MAX;
    u->source = g_source_new(&source_funcs, sizeof(SlirpSource));
    ((SlirpSource *)u->source)->user = u;
    g_source_set_name(u->source, "netdev-user");
    g_source_attach(u->source, NULL);
}

/* -- from the guest ----------------------------------------------------------------------- */

/* What the stack has for the guest may have waited for just this answer: after
 * a migration the stack is a new one and does not know the guest's address. */
static void note_arp(NetdevUser *u, const uint8_t *frame, size_t len)
{
    if (len > ETHERTYPE_AT + 1 && frame[ETHERTYPE_AT] == ETHERTYPE_ARP >> 8 &&
        frame[ETHERTYPE_AT + 1] == (ETHERTYPE_ARP & 0xff)) {
        u->due_us = 0;
    }
}

static bool user_receive(NetClient *nc, const struct iovec *iov, unsigned n)
{
    NetdevUser *u = nc->opaque;
    uint8_t small[2048];
    g_autofree uint8_t *large = NULL;
    uint8_t *buf = small;
    size_t len = 0;

    for (unsigned i = 0; i < n; i++) {
        len += iov[i].iov_len;
    }
    if (len == 0) {
        return true;
    }
    if (n == 1) {
        lib_input(u->slirp, iov->iov_base, (int)len);
        note_arp(u, iov->iov_base, len);
        return true;
    }
    if (len > sizeof(small)) {
        buf = large = g_malloc(len);
    }
    len = 0;
    for (unsigned i = 0; i < n; i++) {
        memcpy(buf + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    lib_input(u->slirp, buf, (int)len);
    note_arp(u, buf, len);
    return true;
}

static const NetClientOps user_ops = { .receive = user_receive };

/* -- addresses ------------------------------------------------------------------------------ */

static bool parse_ipv4(const char *text, const char *what, struct in_addr *ret,
                       Error **errp)
{
    if (inet_pton(AF_INET, text, ret) != 1) {
        error_setg(errp, "%s '%s' is not an IPv4 address", what, text);
        return false;
    }
    return true;
}

static bool parse_ipv6(const char *text, const char *what, struct in6_addr *ret,
                       Error **errp)
{
    if (inet_pton(AF_INET6, text, ret) != 1) {
        error_setg(errp, "%s '%s' is not an IPv6 address", what, text);
        return false;
    }
    return true;
}

/* "10.0.2.0/24", "10.0.2.0" or "10.0.2.0/255.255.255.0". */
static bool parse_net(const char *text, struct in_addr *net,
                      struct in_addr *mask, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    unsigned bits = 24;

    if (!parse_ipv4(parts[0], "net", net, errp)) {
        return false;
    }
    if (parts[1] && strchr(parts[1], '.')) {
        if (!parse_ipv4(parts[1], "netmask", mask, errp)) {
            return false;
        }
    } else {
        if (parts[1] && (qemu_strtoui(parts[1], NULL, 10, &bits) < 0 ||
                         bits < 4 || bits > 28)) {
            error_setg(errp, "net '%s': the prefix must be 4 to 28", text);
            return false;
        }
        mask->s_addr = htonl(~0u << (32 - bits));
    }
    net->s_addr &= mask->s_addr;
    return true;
}

/* An address that is given, or number @n of the network. */
static bool address_in(const char *text, const char *what, const SlirpConfig *c,
                       uint32_t n, struct in_addr *ret, Error **errp)
{
    if (!text) {
        ret->s_addr = c->vnetwork.s_addr | htonl(n);
        return true;
    }
    if (!parse_ipv4(text, what, ret, errp)) {
        return false;
    }
    if ((ret->s_addr & c->vnetmask.s_addr) != c->vnetwork.s_addr) {
        error_setg(errp, "%s '%s' is not in the guest's network", what, text);
        return false;
    }
    return true;
}

static bool config_ipv4(NetdevUser *u, SlirpConfig *c, Error **errp)
{
    if (!parse_net(u->net, &c->vnetwork, &c->vnetmask, errp) ||
        !address_in(u->host, "host", c, 2, &c->vhost, errp) ||
        !address_in(u->dns, "dns", c, 3, &c->vnameserver, errp) ||
        !address_in(u->dhcpstart, "dhcpstart", c, 15, &c->vdhcp_start, errp)) {
        return false;
    }
    if (c->vhost.s_addr == c->vnameserver.s_addr) {
        error_setg(errp, "host and dns must differ");
        return false;
    }
    return true;
}

static bool config_ipv6(NetdevUser *u, SlirpConfig *c, Error **errp)
{
    c->vprefix_len = (uint8_t)u->ipv6_prefixlen;
    if (!parse_ipv6(u->ipv6_prefix, "ipv6-prefix", &c->vprefix_addr6, errp)) {
        return false;
    }
    c->vhost6 = c->vnameserver6 = c->vprefix_addr6;
    c->vhost6.s6_addr[15] |= 2;
    c->vnameserver6.s6_addr[15] |= 3;
    return (!u->ipv6_host ||
            parse_ipv6(u->ipv6_host, "ipv6-host", &c->vhost6, errp)) &&
           (!u->ipv6_dns ||
            parse_ipv6(u->ipv6_dns, "ipv6-dns", &c->vnameserver6, errp));
}

/* -- port forwarding --------------------------------------------------------------------------- */

typedef struct HostFwd {
    bool udp;
    struct in_addr host;
    struct in_addr guest;
    unsigned host_port;
    unsigned guest_port;
} HostFwd;

static bool parse_port(const char *text, bool zero_ok, unsigned *ret)
{
    return qemu_strtoui(text, NULL, 10, ret) == 0 && *ret <= 65535 &&
           (*ret || zero_ok);
}

/* "[tcp|udp]:[HOSTADDR]:PORT" and, @guest, "-[GUESTADDR]:PORT" behind it. */
static bool parse_hostfwd(const char *text, bool guest, HostFwd *ret,
                          Error **errp)
{
    g_auto(GStrv) sides = g_strsplit(text, "-", 2);
    g_auto(GStrv) h = g_strsplit(sides[0], ":", 4);
    g_auto(GStrv) g = sides[1] ? g_strsplit(sides[1], ":", 3) : NULL;

    *ret = (HostFwd){ .host.s_addr = htonl(INADDR_ANY) };
    if (g_strv_length(h) != 3 || guest != (g && g_strv_length(g) == 2)) {
        error_setg(errp, "forwarding '%s' is not [tcp|udp]:[HOSTADDR]:PORT%s",
                   text, guest ? "-[GUESTADDR]:PORT" : "");
        return false;
    }
    ret->udp = g_str_equal(h[0], "udp");
    if (!ret->udp && *h[0] && !g_str_equal(h[0], "tcp")) {
        error_setg(errp, "forwarding '%s': the protocol is tcp or udp", text);
        return false;
    }
    if ((*h[1] && !parse_ipv4(h[1], "host address", &ret->host, errp)) ||
        (guest && *g[0] &&
         !parse_ipv4(g[0], "guest address", &ret->guest, errp))) {
        return false;
    }
    if (!parse_port(h[2], true, &ret->host_port) ||
        (guest && !parse_port(g[1], false, &ret->guest_port))) {
        error_setg(errp, "forwarding '%s': a port is 1 to 65535", text);
        return false;
    }
    return true;
}

static bool add_hostfwd(NetdevUser *u, const char *text, Error **errp)
{
    HostFwd f;

    if (!parse_hostfwd(text, true, &f, errp)) {
        return false;
    }
    if (lib_add_hostfwd(u->slirp, f.udp, f.host, (int)f.host_port, f.guest,
                        (int)f.guest_port) < 0) {
        error_setg_errno(errp, errno, "could not set up forwarding '%s'", text);
        return false;
    }
    return true;
}

/* An element of a list is text, or {"str": text} as in QMP. */
static const char *list_text(const json_t *item)
{
    return json_string_value(json_is_object(item) ? json_object_get(item, "str")
                                                  : item);
}

static bool add_all_hostfwd(NetdevUser *u, Error **errp)
{
    json_t *item;
    size_t i;

    json_array_foreach(u->hostfwd, i, item)
    {
        const char *text = list_text(item);

        if (!text) {
            error_setg(errp, "hostfwd is a list of strings");
            return false;
        }
        if (!add_hostfwd(u, text, errp)) {
            return false;
        }
    }
    return true;
}

static NetdevUser *find_user(const char *id, Error **errp)
{
    Netdev *n = netdev_find(id);
    NetdevUser *u =
        (NetdevUser *)object_dynamic_cast(OBJECT(n), TYPE_NETDEV_USER);

    if (!u) {
        error_setg(errp, "'%s' is no network backend of type user", id);
    }
    return u;
}

bool net_user_hostfwd_add(const char *id, const char *text, Error **errp)
{
    NetdevUser *u = find_user(id, errp);

    return u && add_hostfwd(u, text, errp);
}

bool net_user_hostfwd_remove(const char *id, const char *text, Error **errp)
{
    NetdevUser *u = find_user(id, errp);
    HostFwd f;

    if (!u || !parse_hostfwd(text, false, &f, errp)) {
        return false;
    }
    if (lib_remove_hostfwd(u->slirp, f.udp, f.host, (int)f.host_port) < 0) {
        error_setg(errp, "there is no forwarding '%s'", text);
        return false;
    }
    return true;
}

static void describe(Netdev *netdev, void *opaque)
{
    NetdevUser *u =
        (NetdevUser *)object_dynamic_cast(OBJECT(netdev), TYPE_NETDEV_USER);

    if (u) {
        char *text = lib_connection_info(u->slirp);

        g_string_append_printf(opaque, "%s:\n%s", netdev->id, text);
        g_free(text); /* the library allocates by GLib */
    }
}

char *net_user_describe(void)
{
    GString *out = g_string_new(NULL);

    netdev_foreach(describe, out);
    return g_string_free(out, FALSE);
}

/* -- class ------------------------------------------------------------------------------------------ */

static bool check_names(NetdevUser *u, Error **errp)
{
    if (u->hostname && strlen(u->hostname) > HOSTNAME_MAX) {
        error_setg(errp, "hostname '%s' is longer than %d characters",
                   u->hostname, HOSTNAME_MAX);
        return false;
    }
    if (!u->ipv4 && !u->ipv6) {
        error_setg(errp, "ipv4 and ipv6 cannot both be off");
        return false;
    }
    return true;
}

static const char **search_list(NetdevUser *u)
{
    GPtrArray *names = g_ptr_array_new();
    json_t *item;
    size_t i;

    json_array_foreach(u->dnssearch, i, item)
    {
        if (list_text(item)) {
            g_ptr_array_add(names, (gpointer)list_text(item));
        }
    }
    g_ptr_array_add(names, NULL);
    return (const char **)g_ptr_array_free(names, FALSE);
}

static bool user_open(Netdev *netdev, Error **errp)
{
    NetdevUser *u = NETDEV_USER(netdev);
    g_autofree const char **search = search_list(u);
    SlirpConfig c = { .version = 1,
                      .restricted = u->restricted,
                      .in_enabled = u->ipv4,
                      .in6_enabled = u->ipv6,
                      .vhostname = u->hostname,
                      .vdomainname = u->domainname,
                      .tftp_server_name = u->tftp_server_name,
                      .tftp_path = u->tftp,
                      .bootfile = u->bootfile,
                      .vdnssearch = search[0] ? search : NULL };

    if (!check_names(u, errp) || !config_ipv4(u, &c, errp) ||
        !config_ipv6(u, &c, errp) || !library_load(&library, errp)) {
        return false;
    }
    netdev->nc.ops = &user_ops;
    netdev->nc.info = g_strdup_printf("net=%s,restrict=%s", u->net,
                                      u->restricted ? "on" : "off");
    u->slirp = lib_new(&c, &callbacks, u);
    if (!u->slirp) {
        error_setg(errp, "could not start the network stack");
        return false;
    }
    u->fds = g_ptr_array_new_with_free_func(g_free);
    if (!add_all_hostfwd(u, errp)) {
        return false;
    }
    attach_source(u);
    return true;
}

static void user_finalize(Object *obj)
{
    NetdevUser *u = NETDEV_USER(obj);

    if (u->fds) {
        drop_fds(u);
        g_ptr_array_unref(u->fds);
    }
    if (u->source) {
        g_source_destroy(u->source);
        g_source_unref(u->source);
    }
    if (u->slirp) {
        lib_cleanup(u->slirp);
    }
}

#define STR(name_, field, def_, help_)                                         \
    {                                                                          \
        name_, PROP_STR, offsetof(NetdevUser, field),                          \
            .def = def_, .help = help_, .since = "0.1"                         \
    }

static const Property user_props[] = {
    { "ipv4", PROP_BOOL, offsetof(NetdevUser, ipv4), .def = "on",
      .help = "the guest may use IPv4", .since = "0.1" },
    { "ipv6", PROP_BOOL, offsetof(NetdevUser, ipv6), .def = "on",
      .help = "the guest may use IPv6", .since = "0.1" },
    { "restrict", PROP_BOOL, offsetof(NetdevUser, restricted), .def = "off",
      .help = "the guest reaches only this network, not the host or beyond",
      .since = "0.1" },
    STR("net", net, DEFAULT_NET, "the guest's network"),
    STR("host", host, NULL, "address of the host as the guest sees it"),
    STR("dns", dns, NULL, "address of the name server"),
    STR("dhcpstart", dhcpstart, NULL, "first address that DHCP gives out"),
    STR("hostname", hostname, NULL, "name of the client in DHCP answers"),
    STR("domainname", domainname, NULL, "domain in DHCP answers"),
    STR("tftp", tftp, NULL, "directory that TFTP serves"),
    STR("bootfile", bootfile, NULL, "file that BOOTP names"),
    STR("tftp-server-name", tftp_server_name, NULL,
        "TFTP server that DHCP names"),
    STR("ipv6-prefix", ipv6_prefix, DEFAULT_PREFIX6, "the guest's network"),
    { "ipv6-prefixlen", PROP_INT64, offsetof(NetdevUser, ipv6_prefixlen),
      .def = "64", .min = 0, .max = 126, .help = "length of the prefix",
      .since = "0.1" },
    STR("ipv6-host", ipv6_host, NULL, "address of the host"),
    STR("ipv6-dns", ipv6_dns, NULL, "address of the name server"),
    { "hostfwd", PROP_JSON, offsetof(NetdevUser, hostfwd),
      .qapi_type = "[String]",
      .help = "ports of the host that lead into the guest: "
              "[tcp|udp]:[HOSTADDR]:PORT-[GUESTADDR]:PORT",
      .since = "0.1" },
    { "dnssearch", PROP_JSON, offsetof(NetdevUser, dnssearch),
      .qapi_type = "[String]", .help = "domains in DHCP answers",
      .since = "0.1" },
    {}
};

static void user_class_init(ObjectClass *oc, void *data)
{
    NETDEV_CLASS(oc)->open = user_open;
}

extern const TypeInfo net_type_slirp;
const TypeInfo net_type_slirp = {
    .name = TYPE_NETDEV_USER,
    .parent = TYPE_NETDEV,
    .instance_size = sizeof(NetdevUser),
    .instance_finalize = user_finalize,
    .class_init = user_class_init,
    .props = user_props,
};
