/*
 * Socket addresses as text, both ways, and the "fd" addresses.
 *
 * Nothing here asks a name service or the kernel, except whether a number
 * is an open socket.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/socket-address.h"
#include "qapi/clone-visitor.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/error.h"
#include "util/sockets.h"

/* Longest text that is parsed; a host name has at most 253 bytes. */
#define INET_TEXT_MAX 1024

/* -- HOST:PORT,OPTIONS ----------------------------------------------------- */

static bool flag_parse(const char *name, const char *value, bool *has,
                       bool *flag, Error **errp)
{
    if (!value || strcmp(value, "on") == 0) {
        *flag = true;
    } else if (strcmp(value, "off") == 0) {
        *flag = false;
    } else {
        error_setg(errp, "address option '%s' is '%s', expected on or off",
                   name, value);
        return false;
    }
    *has = true;
    return true;
}

static bool to_parse(InetSocketAddress *addr, const char *value, Error **errp)
{
    guint64 to;

    if (!value ||
        !g_ascii_string_to_unsigned(value, 10, 0, UINT16_MAX, &to, NULL)) {
        error_setg(errp, "address option 'to' is '%s', expected a port number",
                   value ? value : "");
        return false;
    }
    addr->has_to = true;
    addr->to = to;
    return true;
}

static bool option_parse(InetSocketAddress *addr, char *option, Error **errp)
{
    char *value = strchr(option, '=');

    if (value) {
        *value++ = '\0';
    }
    if (strcmp(option, "to") == 0) {
        return to_parse(addr, value, errp);
    }
    if (strcmp(option, "ipv4") == 0) {
        return flag_parse(option, value, &addr->has_ipv4, &addr->ipv4, errp);
    }
    if (strcmp(option, "ipv6") == 0) {
        return flag_parse(option, value, &addr->has_ipv6, &addr->ipv6, errp);
    }
    if (strcmp(option, "numeric") == 0) {
        return flag_parse(option, value, &addr->has_numeric, &addr->numeric,
                          errp);
    }
    if (strcmp(option, "keep-alive") == 0) {
        return flag_parse(option, value, &addr->has_keep_alive,
                          &addr->keep_alive, errp);
    }
    if (strcmp(option, "mptcp") == 0) {
        return flag_parse(option, value, &addr->has_mptcp, &addr->mptcp, errp);
    }
    error_setg(errp, "unknown address option '%s'", option);
    return false;
}

/* Cut "HOST:PORT" in two; brackets hold an IPv6 address. */
static bool host_port_split(char *text, char **host, char **port, bool *v6,
                            Error **errp)
{
    char *end;

    *v6 = text[0] == '[';
    if (*v6) {
        end = strchr(text, ']');
        if (!end || end[1] != ':') {
            error_setg(errp, "'%s' is not [IPV6]:PORT", text);
            return false;
        }
        *end++ = '\0';
        *host = text + 1;
    } else {
        end = strchr(text, ':');
        if (!end || strchr(end + 1, ':')) {
            error_setg(errp, "'%s' is not HOST:PORT", text);
            return false;
        }
        *host = text;
    }
    *end++ = '\0';
    *port = end;
    if (**port == '\0') {
        error_setg(errp, "address has no port");
        return false;
    }
    return true;
}

int inet_parse(InetSocketAddress *addr, const char *str, Error **errp)
{
    InetSocketAddress parsed = { 0 };
    g_auto(GStrv) parts = NULL;
    char *host, *port;
    bool v6;

    if (strlen(str) > INET_TEXT_MAX) {
        error_setg(errp, "address is over %d bytes", INET_TEXT_MAX);
        return -1;
    }
    parts = g_strsplit(str, ",", -1);
    if (!parts[0]) {
        error_setg(errp, "empty address");
        return -1;
    }
    if (!host_port_split(parts[0], &host, &port, &v6, errp)) {
        return -1;
    }
    for (char **p = parts + 1; *p; p++) {
        if (!option_parse(&parsed, *p, errp)) {
            return -1;
        }
    }
    if (v6 && parsed.has_ipv6 && !parsed.ipv6) {
        error_setg(errp, "'[%s]' is an IPv6 address, but ipv6=off", host);
        return -1;
    }
    *addr = parsed;
    addr->host = g_strdup(host);
    addr->port = g_strdup(port);
    return 0;
}

int parse_host_port(struct sockaddr_in *saddr, const char *str, Error **errp)
{
    g_autofree char *text = g_strdup(str);
    char *port = strchr(text, ':');

    if (!port) {
        error_setg(errp, "'%s' is not HOST:PORT", str);
        return -1;
    }
    *port++ = '\0';
    return convert_host_port(saddr, text, port, errp);
}

/* -- all kinds ------------------------------------------------------------- */

static bool vsock_parse(VsockSocketAddress *addr, const char *str, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(str, ":", -1);
    guint64 v;

    if (g_strv_length(parts) != 2 ||
        !g_ascii_string_to_unsigned(parts[0], 10, 0, UINT32_MAX, &v, NULL) ||
        !g_ascii_string_to_unsigned(parts[1], 10, 0, UINT32_MAX, &v, NULL)) {
        error_setg(errp, "'%s' is not CID:PORT", str);
        return false;
    }
    addr->cid = g_strdup(parts[0]);
    addr->port = g_strdup(parts[1]);
    return true;
}

SocketAddress *socket_parse(const char *str, Error **errp)
{
    g_autoptr(SocketAddress) addr = g_new0(SocketAddress, 1);
    const char *rest;

    if (g_str_has_prefix(str, "unix:")) {
        rest = str + strlen("unix:");
        if (*rest == '\0') {
            error_setg(errp, "unix address has no path");
            return NULL;
        }
        addr->type = SOCKET_ADDRESS_TYPE_UNIX;
        addr->u.q_unix.path = g_strdup(rest);
    } else if (g_str_has_prefix(str, "fd:")) {
        rest = str + strlen("fd:");
        if (*rest == '\0') {
            error_setg(errp, "fd address has no name");
            return NULL;
        }
        addr->type = SOCKET_ADDRESS_TYPE_FD;
        addr->u.fd.str = g_strdup(rest);
    } else if (g_str_has_prefix(str, "vsock:")) {
        addr->type = SOCKET_ADDRESS_TYPE_VSOCK;
        if (!vsock_parse(&addr->u.vsock, str + strlen("vsock:"), errp)) {
            return NULL;
        }
    } else {
        addr->type = SOCKET_ADDRESS_TYPE_INET;
        if (g_str_has_prefix(str, "tcp:")) {
            str += strlen("tcp:");
        }
        if (inet_parse(&addr->u.inet, str, errp) < 0) {
            return NULL;
        }
    }
    return g_steal_pointer(&addr);
}

char *socket_uri(SocketAddress *addr)
{
    const char *host;

    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        host = addr->u.inet.host;
        return g_strdup_printf(strchr(host, ':') ? "tcp:[%s]:%s" : "tcp:%s:%s",
                               host, addr->u.inet.port);
    case SOCKET_ADDRESS_TYPE_UNIX:
        return g_strdup_printf("unix:%s", addr->u.q_unix.path);
    case SOCKET_ADDRESS_TYPE_VSOCK:
        return g_strdup_printf("vsock:%s:%s", addr->u.vsock.cid,
                               addr->u.vsock.port);
    case SOCKET_ADDRESS_TYPE_FD:
        return g_strdup_printf("fd:%s", addr->u.fd.str);
    default:
        return g_strdup("unknown address type");
    }
}

SocketAddress *socket_address_flatten(SocketAddressLegacy *legacy)
{
    SocketAddress *addr;

    if (!legacy) {
        return NULL;
    }
    addr = g_new0(SocketAddress, 1);
    addr->type = legacy->type;
    switch (legacy->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        QAPI_CLONE_MEMBERS(InetSocketAddress, &addr->u.inet,
                           legacy->u.inet.data);
        break;
    case SOCKET_ADDRESS_TYPE_UNIX:
        QAPI_CLONE_MEMBERS(UnixSocketAddress, &addr->u.q_unix,
                           legacy->u.q_unix.data);
        break;
    case SOCKET_ADDRESS_TYPE_VSOCK:
        QAPI_CLONE_MEMBERS(VsockSocketAddress, &addr->u.vsock,
                           legacy->u.vsock.data);
        break;
    case SOCKET_ADDRESS_TYPE_FD:
        QAPI_CLONE_MEMBERS(FdSocketAddress, &addr->u.fd, legacy->u.fd.data);
        break;
    default:
        g_assert_not_reached();
    }
    return addr;
}

/* -- descriptors by number or name ----------------------------------------- */

/*
 * File-scope state, written once before other threads exist: an address is
 * parsed deep inside calls that carry no program object.
 */
static SocketFdLookup fd_lookup;
static void *fd_lookup_opaque;

void socket_set_fd_lookup(SocketFdLookup lookup, void *opaque)
{
    fd_lookup = lookup;
    fd_lookup_opaque = opaque;
}

int socket_get_fd(const char *str, Error **errp)
{
    AUTO_FD fd = -1;
    guint64 number;

    if (g_ascii_isdigit(str[0])) {
        if (!g_ascii_string_to_unsigned(str, 10, 0, INT_MAX, &number, NULL)) {
            error_setg(errp, "'%s' is not a file descriptor number", str);
            return -1;
        }
        if (!fd_is_socket(number)) {
            error_setg(errp, "file descriptor %s is not an open socket", str);
            return -1;
        }
        return number;
    }
    if (!fd_lookup) {
        error_setg(errp, "no file descriptor is named '%s'", str);
        return -1;
    }
    fd = fd_lookup(str, fd_lookup_opaque, errp);
    if (fd < 0) {
        return -1;
    }
    if (!fd_is_socket(fd)) {
        error_setg(errp, "file descriptor '%s' is not a socket", str);
        return -1;
    }
    return fd_steal(&fd);
}
