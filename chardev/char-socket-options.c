/*
 * Options of the socket back end: the property table, the command line's
 * names, and which of them do not go together.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/socket-address.h"
#include "qapi/qapi-visit-sockets.h"
#include "qapi/visitor.h"
#include "qom/property.h"
#include "util/error.h"

#include "char-socket-internal.h"

/* -- options ------------------------------------------------------------------ */

static void set_addr(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    SocketChardev *s = SOCKET_CHARDEV(obj);
    g_autoptr(SocketAddressLegacy) legacy = NULL;

    if (visit_type_SocketAddressLegacy(v, name, &legacy, errp)) {
        qapi_free_SocketAddress(s->addr);
        s->addr = socket_address_flatten(legacy);
    }
}

/* Whether it was given matters: a client must not have it. */
static void set_wait(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    SocketChardev *s = SOCKET_CHARDEV(obj);

    s->has_wait = visit_type_bool(v, name, &s->wait, errp);
}

static void get_wait(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    visit_type_bool(v, name, &SOCKET_CHARDEV(obj)->wait, errp);
}

#define FIELD(f) offsetof(SocketChardev, f)

const Property socket_props[] = {
    { "addr", PROP_CUSTOM, .qapi_type = "SocketAddressLegacy",
      .flags = PROP_F_REQUIRED, .set = set_addr,
      .help = "address to connect to or to listen on", .since = "1.4" },
    { "server", PROP_BOOL, FIELD(is_listen), .def = "on",
      .help = "listen (the command line's default is off)", .since = "1.4" },
    { "wait", PROP_CUSTOM, .qapi_type = "bool", .get = get_wait,
      .set = set_wait,
      .help = "start-up waits for a client of the server (the command line's "
              "default is on)",
      .since = "1.4" },
    { "nodelay", PROP_BOOL, FIELD(nodelay), .def = "off",
      .help = "send small writes at once (TCP_NODELAY)", .since = "1.4" },
    { "telnet", PROP_BOOL, FIELD(is_telnet), .def = "off",
      .help = "speak the telnet protocol", .since = "1.4" },
    { "tn3270", PROP_BOOL, FIELD(is_tn3270), .def = "off",
      .help = "serve a 3270 terminal over telnet", .since = "2.10" },
    { "websocket", PROP_BOOL, FIELD(is_websock), .def = "off",
      .help = "speak the WebSocket protocol", .since = "3.1" },
    { "reconnect", PROP_INT64, FIELD(reconnect_s), .def = "0", .min = 0,
      .max = INT32_MAX / 1000, .unit = "s", .flags = PROP_F_DEPRECATED,
      .help = "a client connects again after so long, 0 = never",
      .since = "2.2" },
    { "reconnect-ms", PROP_INT64, FIELD(reconnect_ms), .def = "0", .min = 0,
      .max = INT32_MAX, .unit = "ms",
      .help = "a client connects again after so long, 0 = never",
      .since = "9.2" },
    { "tls-creds", PROP_STR, FIELD(tls_creds_id), .qapi_type = "str",
      .help = "id of the TLS credentials; without them there is no TLS",
      .since = "2.6" },
    { "tls-authz", PROP_STR, FIELD(tls_authz),
      .help = "id of the authorization object that a TLS client must pass",
      .since = "4.2" },
    { "tls-hostname", PROP_STR, FIELD(tls_hostname),
      .help = "name that the server's certificate must have (default: host)",
      .since = "0.1" },
    { "handshake-timeout-ms", PROP_UINT32, FIELD(handshake_ms), .def = "10000",
      .unit = "ms",
      .help = "time limit of TLS, WebSocket and 3270 handshakes, 0 = none",
      .since = "0.1" },
    {},
};

const ChardevCliOption socket_cli[] = {
    { "host", "addr.data.host", "addr.type=inet",
      .help = "host name or address" },
    { "port", "addr.data.port", "addr.type=inet",
      .help = "port number or service name" },
    { "to", "addr.data.to", .help = "last port to try when listening" },
    { "ipv4", "addr.data.ipv4", .is_bool = true, .help = "use IPv4" },
    { "ipv6", "addr.data.ipv6", .is_bool = true, .help = "use IPv6" },
    { "mptcp", "addr.data.mptcp", .is_bool = true, .help = "use MPTCP" },
    { "path", "addr.data.path", "addr.type=unix",
      .help = "path of a UNIX socket" },
    { "abstract", "addr.data.abstract", .is_bool = true,
      .help = "the path is in the abstract namespace" },
    { "tight", "addr.data.tight", .is_bool = true,
      .help = "an abstract name is not padded" },
    { "fd", "addr.data.str", "addr.type=fd",
      .help = "number or name of an open socket" },
    { "cid", "addr.data.cid", "addr.type=vsock",
      .help = "vsock address, with addr.data.port" },
    { "delay", "nodelay", .is_bool = true, .negate = true,
      .help = "collect small writes" },
    {},
};

static bool text_is_on(json_t *v)
{
    const char *s = json_string_value(v);

    return json_is_true(v) ||
           (s && (g_str_equal(s, "on") || g_str_equal(s, "yes") ||
                  g_str_equal(s, "true") || g_str_equal(s, "y")));
}

/* What differs from QMP: a client unless told otherwise, and a server that
 * start-up waits for. */
bool socket_cli_complete(json_t *data, Error **errp)
{
    json_t *addr = json_object_get(data, "addr");
    json_t *inner = json_object_get(addr, "data");
    const char *type = json_string_value(json_object_get(addr, "type"));
    bool server = text_is_on(json_object_get(data, "server"));

    if (!addr) {
        error_setg(errp, "a socket needs one of 'host' and 'port', 'path' "
                         "or 'fd'");
        return false;
    }
    if (!server && !json_object_get(data, "server")) {
        json_object_set_new(data, "server", json_string("off"));
    }
    if (server && !json_object_get(data, "wait")) {
        json_object_set_new(data, "wait", json_string("on"));
    }
    if (g_strcmp0(type, "inet") == 0 && inner) {
        if (!json_object_get(inner, "port")) {
            error_setg(errp, "a socket with 'host' needs 'port'");
            return false;
        }
        if (!json_object_get(inner, "host")) {
            json_object_set_new(inner, "host",
                                json_string(server ? "" : "localhost"));
        }
    }
    return true;
}

/* -- checks --------------------------------------------------------------------- */

static bool check_reconnect(SocketChardev *s, Error **errp)
{
    if (s->reconnect_s && s->reconnect_ms) {
        error_setg(errp, "'reconnect' and 'reconnect-ms' exclude each other");
        return false;
    }
    if (!socket_reconnect_ms(s)) {
        return true;
    }
    if (s->is_listen) {
        error_setg(errp, "'reconnect' is for clients, not for a server");
        return false;
    }
    if (s->addr->type == SOCKET_ADDRESS_TYPE_FD) {
        error_setg(errp, "'reconnect' is not possible with an 'fd' address");
        return false;
    }
    return true;
}

static bool check_protocols(SocketChardev *s, Error **errp)
{
    if (s->is_telnet && s->is_tn3270) {
        error_setg(errp, "'telnet' and 'tn3270' exclude each other");
        return false;
    }
    if (s->is_tn3270 && !s->is_listen) {
        error_setg(errp, "'tn3270' is for servers, not for a client");
        return false;
    }
    if (s->has_wait && !s->is_listen) {
        error_setg(errp, "'wait' is for servers, not for a client");
        return false;
    }
    return true;
}

static bool check_tls_names(SocketChardev *s, Error **errp)
{
    bool verifies;

    if (s->is_listen) {
        if (s->tls_hostname) {
            error_setg(errp, "'tls-hostname' is for clients");
            return false;
        }
        return !s->tls_authz ||
               qcrypto_tls_creds_check_authz(s->tls_creds, s->tls_authz, errp);
    }
    if (s->tls_authz) {
        error_setg(errp, "'tls-authz' is for servers");
        return false;
    }
    verifies = object_dynamic_cast(OBJECT(s->tls_creds), "tls-creds-x509");
    if (verifies && !s->tls_hostname &&
        s->addr->type != SOCKET_ADDRESS_TYPE_INET) {
        error_setg(errp, "TLS over this kind of address needs 'tls-hostname'");
        return false;
    }
    return true;
}

static bool check_tls(SocketChardev *s, Error **errp)
{
    Object *creds;

    if (!s->tls_creds_id) {
        const char *alone = s->tls_authz      ? "tls-authz"
                            : s->tls_hostname ? "tls-hostname"
                                              : NULL;

        if (alone) {
            error_setg(errp, "'%s' needs 'tls-creds'", alone);
        }
        return !alone;
    }
    creds = object_resolve_path_component(object_get_objects_root(),
                                          s->tls_creds_id);
    if (!creds) {
        error_setg(errp, "there are no TLS credentials '%s'", s->tls_creds_id);
        return false;
    }
    if (!object_dynamic_cast(creds, TYPE_QCRYPTO_TLS_CREDS)) {
        error_setg(errp, "object '%s' is not TLS credentials", s->tls_creds_id);
        return false;
    }
    s->tls_creds = QCRYPTO_TLS_CREDS(object_ref(creds));
    return qcrypto_tls_creds_check_endpoint(
               s->tls_creds,
               s->is_listen ? QCRYPTO_TLS_CREDS_ENDPOINT_SERVER
                            : QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT,
               errp) &&
           check_tls_names(s, errp);
}

bool socket_check_options(SocketChardev *s, Error **errp)
{
    return check_protocols(s, errp) && check_reconnect(s, errp) &&
           check_tls(s, errp);
}
