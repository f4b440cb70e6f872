/*
 * Names of NBD exports as properties of the driver.
 *
 *   nbd://HOST[:PORT][/EXPORT]          nbd+tcp:// is the same
 *   nbd+unix:///[EXPORT]?socket=PATH
 *   nbds://, nbds+tcp://, nbds+unix://  with TLS: ?tls-creds=ID is needed
 *   nbd:HOST:PORT[:exportname=EXPORT]   as old programs have it
 *   nbd:unix:PATH[:exportname=EXPORT]
 *
 * Queries: socket=, tls-creds= (id of a credentials object), tls-hostname=.
 * Others are refused: one that was meant to make the connection safe must not
 * be passed over. Names may come from images: nothing here opens anything.
 *
 * Source: the NBD project's URI specification (uri.md); RFC 3986.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/protocol/nbd-internal.h"
#include "nbd/nbd.h"
#include "util/cutils.h"
#include "util/error.h"

static void set_str(json_t *opts, const char *key, const char *value)
{
    json_object_set_new(opts, key, json_string(value));
}

static bool set_inet(json_t *opts, const char *host, const char *port,
                     Error **errp)
{
    json_t *server =
        json_pack("{s:s,s:s,s:s}", "type", "inet", "host", host, "port", port);

    if (!server) {
        error_setg(errp, "NBD server's address is not UTF-8");
        return false;
    }
    json_object_set_new(opts, "server", server);
    return true;
}

static bool set_unix(json_t *opts, const char *path, Error **errp)
{
    json_t *server = json_pack("{s:s,s:s}", "type", "unix", "path", path);

    if (!server) {
        error_setg(errp, "NBD server's socket is not UTF-8");
        return false;
    }
    json_object_set_new(opts, "server", server);
    return true;
}

/* A host by its number: 2 is where a guest runs. */
static bool set_vsock(json_t *opts, const char *cid, const char *port,
                      Error **errp)
{
    uint64_t number;
    json_t *server;

    if (qemu_strtou64(cid, NULL, 10, &number) < 0 || number > UINT32_MAX) {
        error_setg(errp, "'%s' is no context ID of vsock", cid);
        return false;
    }
    server =
        json_pack("{s:s,s:s,s:s}", "type", "vsock", "cid", cid, "port", port);
    json_object_set_new(opts, "server", server);
    return true;
}

/* -- URI ------------------------------------------------------------------------ */

typedef struct NBDScheme {
    const char *name;
    bool is_unix;
    bool tls;
    bool is_vsock;
} NBDScheme;

static const NBDScheme schemes[] = {
    { "nbd", false, false },
    { "nbd+tcp", false, false },
    { "nbd+unix", true, false },
    { "nbds", false, true },
    { "nbds+tcp", false, true },
    { "nbds+unix", true, true },
    { "nbd+vsock", false, false, true },
    { "nbds+vsock", false, true, true },
};

const char *const nbd_uri_schemes[] = {
    "nbd",       "nbd+tcp",   "nbd+unix",   "nbds", "nbds+tcp",
    "nbds+unix", "nbd+vsock", "nbds+vsock", NULL,
};

static const NBDScheme *find_scheme(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++) {
        if (g_ascii_strcasecmp(schemes[i].name, name) == 0) {
            return &schemes[i];
        }
    }
    return NULL;
}

/* Fills @opts but for the server; *socket is (transfer full) or NULL. */
static bool take_query(const char *query, json_t *opts, char **socket,
                       Error **errp)
{
    GUriParamsIter iter;
    g_autoptr(GError) gerr = NULL;
    char *key, *value;

    g_uri_params_iter_init(&iter, query ?: "", -1, "&;", G_URI_PARAMS_NONE);
    while (g_uri_params_iter_next(&iter, &key, &value, &gerr)) {
        g_autofree char *k = key;
        g_autofree char *v = value;

        if (g_str_equal(k, "socket")) {
            g_free(*socket);
            *socket = g_steal_pointer(&v);
        } else if (g_str_equal(k, "tls-creds") ||
                   g_str_equal(k, "tls-hostname")) {
            set_str(opts, k, v);
        } else {
            error_setg(errp, "NBD URI has the unknown parameter '%s'", k);
            return false;
        }
    }
    if (gerr) {
        error_setg(errp, "NBD URI is malformed: %s", gerr->message);
        return false;
    }
    return true;
}

static bool take_address(const NBDScheme *scheme, GUri *uri, const char *socket,
                         json_t *opts, Error **errp)
{
    const char *host = g_uri_get_host(uri);
    g_autofree char *port = g_strdup_printf(
        "%d", g_uri_get_port(uri) > 0 ? g_uri_get_port(uri) : NBD_DEFAULT_PORT);

    if (!scheme->is_unix) {
        if (socket) {
            error_setg(errp, "NBD URI '%s://' has no parameter 'socket'",
                       scheme->name);
            return false;
        }
        if (scheme->is_vsock) {
            return set_vsock(opts, host && *host ? host : "2", port, errp);
        }
        return set_inet(opts, host && *host ? host : "localhost", port, errp);
    }
    if (host && *host) {
        error_setg(errp, "NBD URI '%s://' has no host", scheme->name);
        return false;
    }
    if (!socket || !*socket) {
        error_setg(errp, "NBD URI '%s://' needs the parameter 'socket'",
                   scheme->name);
        return false;
    }
    return set_unix(opts, socket, errp);
}

static bool parse_uri(const char *text, json_t *opts, Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_ENCODED_QUERY, &gerr);
    g_autofree char *socket = NULL;
    const NBDScheme *scheme;
    const char *path;

    if (!uri) {
        error_setg(errp, "NBD URI is malformed: %s", gerr->message);
        return false;
    }
    scheme = find_scheme(g_uri_get_scheme(uri));
    if (!scheme) {
        error_setg(errp, "'%s' is no scheme of NBD", g_uri_get_scheme(uri));
        return false;
    }
    path = g_uri_get_path(uri);
    path += *path == '/';
    if (*path) {
        set_str(opts, "export", path);
    }
    if (!take_query(g_uri_get_query(uri), opts, &socket, errp) ||
        !take_address(scheme, uri, socket, opts, errp)) {
        return false;
    }
    if (scheme->tls && !json_object_get(opts, "tls-creds")) {
        error_setg(errp, "NBD URI '%s://' needs the parameter 'tls-creds'",
                   scheme->name);
        error_append_hint(errp, "It names an object tls-creds-x509, -psk or "
                                "-anon with endpoint=client.\n");
        return false;
    }
    return true;
}

/* -- nbd:HOST:PORT ---------------------------------------------------------------- */

static bool parse_old(const char *text, json_t *opts, Error **errp)
{
    const char *marker = strstr(text, ":exportname=");
    g_autofree char *addr =
        marker ? g_strndup(text, marker - text) : g_strdup(text);
    const char *path;
    char *port;

    if (marker && marker[strlen(":exportname=")]) {
        set_str(opts, "export", marker + strlen(":exportname="));
    }
    if (strstart(addr, "unix:", &path)) {
        if (!*path) {
            error_setg(errp, "'nbd:unix:' needs the path of a socket");
            return false;
        }
        return set_unix(opts, path, errp);
    }
    port = strrchr(addr, ':');
    if (!port || port == addr || !port[1] || strchr(port, ']')) {
        error_setg(errp, "'nbd:%s' is not nbd:HOST:PORT", text);
        return false;
    }
    *port++ = '\0';
    /* "[::1]" */
    if (addr[0] == '[' && port[-2] == ']') {
        port[-2] = '\0';
        return set_inet(opts, addr + 1, port, errp);
    }
    return set_inet(opts, addr, port, errp);
}

bool nbd_parse_filename(const char *filename, json_t *opts, Error **errp)
{
    const char *rest;

    if (!strstr(filename, "://") && strstart(filename, "nbd:", &rest)) {
        return parse_old(rest, opts, errp);
    }
    return parse_uri(filename, opts, errp);
}

/* -- back ------------------------------------------------------------------------- */

char *nbd_make_uri(const SocketAddress *addr, const char *export, bool tls)
{
    g_autofree char *name = g_uri_escape_string(export, "/", true);
    g_autofree char *path = NULL;
    const char *s = tls ? "s" : "";

    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        return g_strdup_printf(strchr(addr->u.inet.host, ':')
                                   ? "nbd%s://[%s]:%s%s%s"
                                   : "nbd%s://%s:%s%s%s",
                               s, addr->u.inet.host, addr->u.inet.port,
                               *name ? "/" : "", name);
    case SOCKET_ADDRESS_TYPE_UNIX:
        path = g_uri_escape_string(addr->u.q_unix.path, "/", true);
        return g_strdup_printf("nbd%s+unix:///%s?socket=%s", s, name, path);
    case SOCKET_ADDRESS_TYPE_VSOCK:
        return g_strdup_printf("nbd%s+vsock://%s:%s%s%s", s, addr->u.vsock.cid,
                               addr->u.vsock.port, *name ? "/" : "", name);
    default:
        return g_strdup_printf("nbd%s:%s", s, name);
    }
}
