/*
 * The server's side of the handshake: greeting, options, TLS.
 *
 * With credentials a client in the clear can do one thing: start TLS.
 * Everything else gets NBD_REP_ERR_TLS_REQD, ABORT as well, which ends the
 * connection all the same, or for EXPORT_NAME, which has no error reply, the
 * end of the connection at once. So there is nothing that TLS could be
 * stripped from.
 *
 * Messages are read one at a time and never beyond their end; bytes that are
 * there before STARTTLS has been answered were sent in the clear by somebody
 * who could not know the answer, and end the connection.
 *
 * Source: NBD protocol document, "Handshake phase" and "TLS support" (mode
 * FORCEDTLS).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-tls.h"
#include "trace/trace-nbd.h"
#include "util/bswap.h"

#include "server-internal.h"

/* -- replies to options ------------------------------------------------------- */

bool coroutine_fn nbd_opt_reply(NBDConn *c, uint32_t option, uint32_t type,
                                const void *data, size_t len, Error **errp)
{
    NBDOptReply r = { option, type, (uint32_t)len };
    uint8_t head[NBD_OPT_REPLY_HEADER];
    struct iovec iov[2] = { { head, sizeof(head) }, { (void *)data, len } };

    trace_nbd_server_option_reply(c, nbd_opt_name(option), nbd_rep_name(type));
    nbd_opt_reply_encode(&r, head);
    return qio_channel_writev_all(c->ioc, iov, len ? 2 : 1, errp) == 0;
}

bool coroutine_fn nbd_opt_refuse(NBDConn *c, uint32_t option, uint32_t type,
                                 Error **errp, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return nbd_opt_reply(c, option, type, text,
                         MIN(strlen(text), NBD_MAX_STRING), errp);
}

/* -- EXPORT_NAME: no reply, or transmission ------------------------------------ */

static bool coroutine_fn opt_export_name(NBDConn *c, NBDOption *o, Error **errp)
{
    uint8_t reply[NBD_EXPORT_REPLY + NBD_EXPORT_REPLY_PAD] = { 0 };
    g_autofree char *name = NULL;
    WireBuffer b = WIRE_READER(o->data, o->h.length);
    NBDExport *e = NULL;
    int64_t length;

    name = wire_get_str(&b, o->h.length, NBD_MAX_STRING);
    if (name && c->mode != NBD_MODE_EXTENDED) {
        e = nbd_server_take_export(c->server, name);
    }
    if (!e) {
        error_setg(errp, "client asks for an export that there is not");
        return false;
    }
    nbd_opt_choose(c, e);
    length = e->ops->co_length(e->opaque);
    if (length < 0 || !nbd_server_enter(c->server, c)) {
        error_setg(errp, "export '%s' is not to be had", name);
        return false;
    }
    stq_be_p(reply, (uint64_t)length);
    stw_be_p(reply + 8, nbd_export_flags(e, c->mode));
    o->done = true;
    return qio_channel_write_all(
               c->ioc, (char *)reply,
               c->no_zeroes ? NBD_EXPORT_REPLY : sizeof(reply), errp) == 0;
}

/* -- STARTTLS ------------------------------------------------------------------- */

static bool is_tls(const NBDConn *c)
{
    return c->ioc != QIO_CHANNEL(c->sioc);
}

static bool coroutine_fn opt_starttls(NBDConn *c, NBDOption *o, Error **errp)
{
    char early;
    struct iovec iov = { &early, 1 };
    QIOChannelTLS *tioc;

    if (!c->server->tls_creds) {
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_POLICY, errp,
                              "this server is not configured for TLS");
    }
    if (is_tls(c)) {
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_INVALID, errp,
                              "TLS is in use already");
    }
    if (qio_channel_peekv(QIO_CHANNEL(c->sioc), &iov, 1, NULL) !=
        QIO_CHANNEL_ERR_BLOCK) {
        error_setg(errp, "client sent something before TLS had begun");
        return false;
    }
    if (!nbd_opt_reply(c, o->h.option, NBD_REP_ACK, NULL, 0, errp)) {
        return false;
    }
    tioc = qio_channel_tls_new_server(
        QIO_CHANNEL(c->sioc), c->server->tls_creds, c->server->tls_authz, errp);
    if (!tioc) {
        return false;
    }
    object_unref(OBJECT(c->ioc));
    c->ioc = QIO_CHANNEL(tioc);
    return qio_channel_tls_handshake_sync(tioc, 0, errp) == 0;
}

/* -- modes ---------------------------------------------------------------------- */

static bool coroutine_fn opt_mode(NBDConn *c, NBDOption *o, Error **errp)
{
    NBDMode mode = o->h.option == NBD_OPT_EXTENDED_HEADERS
                       ? NBD_MODE_EXTENDED
                       : NBD_MODE_STRUCTURED;

    if (c->mode == NBD_MODE_EXTENDED && mode == NBD_MODE_STRUCTURED) {
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_EXT_HEADER_REQD, errp,
                              "extended headers are in use already");
    }
    if (c->mode == mode) {
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_INVALID, errp,
                              "this was agreed on already");
    }
    c->mode = mode;
    return nbd_opt_reply(c, o->h.option, NBD_REP_ACK, NULL, 0, errp);
}

/* -- one option ------------------------------------------------------------------ */

static bool coroutine_fn opt_abort(NBDConn *c, NBDOption *o, Error **errp)
{
    nbd_opt_reply(c, o->h.option, NBD_REP_ACK, NULL, 0, NULL);
    error_setg(errp, "client left during the handshake");
    return false;
}

static bool coroutine_fn opt_no_payload(NBDConn *c, NBDOption *o, Error **errp)
{
    if (o->h.length > 0) {
        if (o->h.option == NBD_OPT_STARTTLS && !is_tls(c)) {
            error_setg(errp, "client sent data with STARTTLS");
            return false;
        }
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_INVALID, errp,
                              "option %s has no data",
                              nbd_opt_name(o->h.option));
    }
    switch (o->h.option) {
    case NBD_OPT_LIST:
        return nbd_opt_list(c, o, errp);
    case NBD_OPT_STARTTLS:
        return opt_starttls(c, o, errp);
    default:
        return opt_mode(c, o, errp);
    }
}

static bool coroutine_fn opt_dispatch(NBDConn *c, NBDOption *o, Error **errp)
{
    switch (o->h.option) {
    case NBD_OPT_EXPORT_NAME:
        return opt_export_name(c, o, errp);
    case NBD_OPT_ABORT:
        return opt_abort(c, o, errp);
    case NBD_OPT_LIST:
    case NBD_OPT_STARTTLS:
    case NBD_OPT_STRUCTURED_REPLY:
    case NBD_OPT_EXTENDED_HEADERS:
        return opt_no_payload(c, o, errp);
    case NBD_OPT_INFO:
    case NBD_OPT_GO:
        return nbd_opt_info_or_go(c, o, errp);
    case NBD_OPT_LIST_META_CONTEXT:
    case NBD_OPT_SET_META_CONTEXT:
        return nbd_opt_meta(c, o, errp);
    default:
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_UNSUP, errp,
                              "option %u is not known", o->h.option);
    }
}

/* In the clear where TLS is needed. */
static bool coroutine_fn opt_want_tls(NBDConn *c, uint32_t opt, Error **errp)
{
    if (opt == NBD_OPT_EXPORT_NAME) {
        error_setg(errp, "client asks for an export without TLS");
        return false;
    }
    if (!nbd_opt_refuse(c, opt, NBD_REP_ERR_TLS_REQD, errp,
                        "this server requires TLS")) {
        return false;
    }
    if (opt == NBD_OPT_ABORT) {
        error_setg(errp, "client left before TLS had begun");
        return false;
    }
    return true;
}

/* What may be said in the present state of the connection. */
static bool coroutine_fn opt_admit(NBDConn *c, NBDOption *o, bool *ret_answered,
                                   Error **errp)
{
    uint32_t opt = o->h.option;

    *ret_answered = true;
    if (!c->fixed && opt != NBD_OPT_EXPORT_NAME) {
        error_setg(errp, "client does not know fixed newstyle, but sends %s",
                   nbd_opt_name(opt));
        return false;
    }
    if (c->server->tls_creds && !is_tls(c) && opt != NBD_OPT_STARTTLS) {
        return opt_want_tls(c, opt, errp);
    }
    if (opt != NBD_OPT_ABORT && opt != NBD_OPT_EXPORT_NAME &&
        nbd_server_is_stopping(c->server)) {
        return nbd_opt_refuse(c, opt, NBD_REP_ERR_SHUTDOWN, errp,
                              "this server is shutting down");
    }
    *ret_answered = false;
    return true;
}

/* Reads and drops a payload that is too long to look at. */
static bool coroutine_fn opt_skip(NBDConn *c, const NBDOptHeader *h,
                                  Error **errp)
{
    char scratch[4096];

    for (uint32_t left = h->length; left > 0;) {
        uint32_t n = MIN(left, sizeof(scratch));

        if (qio_channel_read_all(c->ioc, scratch, n, errp) < 0) {
            return false;
        }
        left -= n;
    }
    return nbd_opt_refuse(c, h->option, NBD_REP_ERR_TOO_BIG, errp,
                          "option %s has more than %d bytes of data",
                          nbd_opt_name(h->option), NBD_OPT_PAYLOAD_MAX);
}

static bool coroutine_fn read_header(NBDConn *c, NBDOptHeader *h, Error **errp)
{
    uint8_t head[NBD_OPT_HEADER];
    int ret =
        qio_channel_read_all_eof(c->ioc, (char *)head, sizeof(head), errp);

    if (ret == 0) {
        error_setg(errp, "client hung up during the handshake");
    }
    if (ret <= 0) {
        return false;
    }
    if (!nbd_opt_decode(head, h)) {
        error_setg(errp, "client sent no option, but something else");
        return false;
    }
    trace_nbd_server_option(c, nbd_opt_name(h->option), h->length);
    return true;
}

static bool coroutine_fn negotiate_option(NBDConn *c, NBDOption *o,
                                          Error **errp)
{
    g_autofree uint8_t *data = NULL;
    bool answered;

    if (!read_header(c, &o->h, errp)) {
        return false;
    }
    if (o->h.length > NBD_OPT_PAYLOAD_MAX) {
        if (o->h.length > NBD_OPT_SKIP_MAX || !c->fixed ||
            o->h.option == NBD_OPT_EXPORT_NAME ||
            (c->server->tls_creds && !is_tls(c))) {
            error_setg(errp, "client sent an option with %u bytes of data",
                       o->h.length);
            return false;
        }
        return opt_skip(c, &o->h, errp);
    }
    data = g_malloc(o->h.length + 1);
    if (o->h.length > 0 &&
        qio_channel_read_all(c->ioc, (char *)data, o->h.length, errp) < 0) {
        return false;
    }
    o->data = data;
    if (!opt_admit(c, o, &answered, errp)) {
        return false;
    }
    return answered || opt_dispatch(c, o, errp);
}

static bool coroutine_fn greet(NBDConn *c, Error **errp)
{
    uint8_t buf[NBD_GREETING_NEW], flags_be[NBD_CLIENT_FLAGS];
    uint32_t flags;

    nbd_greeting_encode(NBD_GREET_FIXED_NEWSTYLE | NBD_GREET_NO_ZEROES, buf);
    if (qio_channel_write_all(c->ioc, (char *)buf, sizeof(buf), errp) < 0 ||
        qio_channel_read_all(c->ioc, (char *)flags_be, sizeof(flags_be), errp) <
            0) {
        return false;
    }
    flags = ldl_be_p(flags_be);
    if (flags & ~(NBD_GREET_FIXED_NEWSTYLE | NBD_GREET_NO_ZEROES)) {
        error_setg(errp, "client sent flags that are not known: 0x%x", flags);
        return false;
    }
    c->fixed = flags & NBD_GREET_FIXED_NEWSTYLE;
    c->no_zeroes = flags & NBD_GREET_NO_ZEROES;
    return true;
}

bool coroutine_fn nbd_negotiate(NBDConn *c, Error **errp)
{
    NBDOption o = { .done = false };

    if (!greet(c, errp)) {
        return false;
    }
    for (unsigned n = 0; !o.done; n++) {
        if (n == NBD_OPTIONS_MAX) {
            error_setg(errp, "client sent more than %d options",
                       NBD_OPTIONS_MAX);
            return false;
        }
        nbd_conn_breathe(c, NBD_BREATH_BYTES / NBD_BREATH_OPTIONS);
        if (c->broken) {
            error_setg(errp, "the handshake was given up");
            return false;
        }
        if (!negotiate_option(c, &o, errp)) {
            return false;
        }
    }
    trace_nbd_server_negotiated(c, c->export->name, c->mode, c->contexts);
    nbd_conn_move(c, c->export->ctx ?: c->ctx);
    return true;
}
