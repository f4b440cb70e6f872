/*
 * The client's side of the handshake.
 *
 *     greeting -> [STARTTLS, TLS] -> EXTENDED_HEADERS or STRUCTURED_REPLY
 *         -> SET_META_CONTEXT -> GO
 *
 * Each step is left out when the server does not know it. A server without GO
 * is asked for the export by EXPORT_NAME, which has no error reply: LIST
 * before it tells whether there is such an export. A server that knows only
 * newstyle gets EXPORT_NAME at once, an oldstyle one says all in its greeting.
 *
 * With credentials the first and only words in the clear are STARTTLS, and
 * nothing that came before its end is believed.
 *
 * Source: NBD protocol document, "Handshake phase".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-tls.h"
#include "nbd/client.h"
#include "trace/trace-nbd.h"
#include "util/bswap.h"

#include "client-internal.h"

/* Replies to one option, so that a server cannot keep us for ever. */
#define REPLIES_MAX 100000
/* Exports of one list. */
#define EXPORTS_MAX 10000

/* -- messages --------------------------------------------------------------------- */

static bool send_opt(NBDHandshake *hs, uint32_t option, const void *data,
                     size_t len, Error **errp)
{
    NBDOptHeader h = { option, (uint32_t)len };
    uint8_t head[NBD_OPT_HEADER];
    struct iovec iov[2] = { { head, sizeof(head) }, { (void *)data, len } };

    trace_nbd_client_option(nbd_opt_name(option));
    nbd_opt_encode(&h, head);
    if (qio_channel_writev_all(hs->ioc, iov, len ? 2 : 1, errp) < 0) {
        error_prepend(errp,
                      "cannot send NBD option %s: ", nbd_opt_name(option));
        return false;
    }
    return true;
}

/* One reply to @option; its payload is in hs->data, with a NUL behind. */
static bool recv_reply(NBDHandshake *hs, uint32_t option, NBDOptReply *r,
                       Error **errp)
{
    uint8_t head[NBD_OPT_REPLY_HEADER];

    if (qio_channel_read_all(hs->ioc, (char *)head, sizeof(head), errp) < 0) {
        error_prepend(errp, "cannot read the reply to NBD option %s: ",
                      nbd_opt_name(option));
        return false;
    }
    if (!nbd_opt_reply_decode(head, r) || r->option != option) {
        error_setg(errp, "NBD server sent nonsense in reply to option %s",
                   nbd_opt_name(option));
        return false;
    }
    if (r->length > NBD_OPT_REPLY_MAX) {
        error_setg(errp, "NBD server's reply to option %s is too long: %u",
                   nbd_opt_name(option), r->length);
        return false;
    }
    trace_nbd_client_option_reply(nbd_opt_name(option), nbd_rep_name(r->type),
                                  r->length);
    hs->data = g_realloc(hs->data, r->length + 1);
    hs->data[r->length] = 0;
    if (r->length > 0 &&
        qio_channel_read_all(hs->ioc, (char *)hs->data, r->length, errp) < 0) {
        error_prepend(errp, "cannot read the reply to NBD option %s: ",
                      nbd_opt_name(option));
        return false;
    }
    return true;
}

static const char *rep_reason(uint32_t type)
{
    switch (type) {
    case NBD_REP_ERR_UNSUP:
        return "the server does not know it";
    case NBD_REP_ERR_POLICY:
        return "the server's policy forbids it";
    case NBD_REP_ERR_INVALID:
        return "the server finds it invalid";
    case NBD_REP_ERR_PLATFORM:
        return "the server's system cannot do it";
    case NBD_REP_ERR_TLS_REQD:
        return "the server requires TLS";
    case NBD_REP_ERR_UNKNOWN:
        return "there is no such export";
    case NBD_REP_ERR_SHUTDOWN:
        return "the server is shutting down";
    case NBD_REP_ERR_BLOCK_SIZE_REQD:
        return "the server wants its block size to be respected";
    case NBD_REP_ERR_TOO_BIG:
        return "it is too long for the server";
    default:
        return "the server refuses it";
    }
}

/* @r is an error reply: say so, with the server's own words. */
static void refused(NBDHandshake *hs, const NBDOptReply *r, const char *what,
                    Error **errp)
{
    bool text = r->length > 0 && r->length <= NBD_MAX_STRING &&
                g_utf8_validate((char *)hs->data, r->length, NULL);

    error_setg(errp, "cannot %s: %s%s%s%s", what, rep_reason(r->type),
               text ? " (\"" : "", text ? (char *)hs->data : "",
               text ? "\")" : "");
    if (r->type == NBD_REP_ERR_TLS_REQD) {
        error_append_hint(errp, "Give credentials of a client (tls-creds).\n");
    }
}

/*
 * An option that is answered by ACK or an error, without data.
 * Returns: 1 = ACK; 0 = an error reply, which stands in @r; -1 = failed.
 */
static int plain_opt(NBDHandshake *hs, uint32_t option, NBDOptReply *r,
                     Error **errp)
{
    if (!send_opt(hs, option, NULL, 0, errp) ||
        !recv_reply(hs, option, r, errp)) {
        return -1;
    }
    if (r->type == NBD_REP_ACK) {
        if (r->length > 0) {
            error_setg(errp, "NBD server's reply to %s has data",
                       nbd_opt_name(option));
            return -1;
        }
        return 1;
    }
    if (!(r->type & NBD_REP_ERR_BIT)) {
        error_setg(errp, "NBD server's reply to %s is unexpected: %s",
                   nbd_opt_name(option), nbd_rep_name(r->type));
        return -1;
    }
    return 0;
}

static void say_abort(NBDHandshake *hs)
{
    if (hs->fixed) {
        send_opt(hs, NBD_OPT_ABORT, NULL, 0, NULL);
    }
}

/* -- TLS ---------------------------------------------------------------------------- */

static bool start_tls(NBDHandshake *hs, Error **errp)
{
    const NBDNegotiation *n = hs->n;
    QIOChannelTLS *tioc;
    NBDOptReply r;
    int ret;

    if (!hs->fixed) {
        error_setg(errp, "the NBD server is too old for TLS, which tls-creds "
                         "demand");
        return false;
    }
    ret = plain_opt(hs, NBD_OPT_STARTTLS, &r, errp);
    if (ret == 0) {
        refused(hs, &r, "start TLS with the NBD server", errp);
        say_abort(hs);
    }
    if (ret <= 0) {
        return false;
    }
    tioc = qio_channel_tls_new_client(hs->ioc, n->tls_creds, n->tls_hostname,
                                      errp);
    if (!tioc) {
        return false;
    }
    object_unref(OBJECT(hs->ioc));
    hs->ioc = QIO_CHANNEL(tioc);
    hs->info->tls = true;
    return qio_channel_tls_handshake_sync(tioc, NBD_CLIENT_HANDSHAKE_MS,
                                          errp) == 0;
}

/* -- greeting ------------------------------------------------------------------------ */

static bool greet_old(NBDHandshake *hs, Error **errp)
{
    uint8_t buf[NBD_GREETING_OLD - NBD_GREETING_MAGICS];

    if (hs->n->tls_creds) {
        error_setg(errp, "the NBD server is too old for TLS, which tls-creds "
                         "demand");
        return false;
    }
    if (hs->n->export[0]) {
        error_setg(errp,
                   "the NBD server is too old to have named exports: "
                   "'%s' is not to be had",
                   hs->n->export);
        return false;
    }
    if (qio_channel_read_all(hs->ioc, (char *)buf, sizeof(buf), errp) < 0) {
        return false;
    }
    hs->info->size = ldq_be_p(buf);
    /* 32 bits of flags, of which the high half is the handshake's. */
    hs->info->flags = (uint16_t)ldl_be_p(buf + 8);
    hs->ready = true;
    return true;
}

static bool greet_new(NBDHandshake *hs, Error **errp)
{
    uint8_t flags_be[2], reply[NBD_CLIENT_FLAGS];
    uint32_t flags, ours;

    if (qio_channel_read_all(hs->ioc, (char *)flags_be, sizeof(flags_be),
                             errp) < 0) {
        return false;
    }
    flags = lduw_be_p(flags_be);
    ours = flags & (NBD_GREET_FIXED_NEWSTYLE | NBD_GREET_NO_ZEROES);
    hs->fixed = flags & NBD_GREET_FIXED_NEWSTYLE;
    hs->no_zeroes = flags & NBD_GREET_NO_ZEROES;
    stl_be_p(reply, ours);
    return qio_channel_write_all(hs->ioc, (char *)reply, sizeof(reply), errp) ==
           0;
}

static bool greet(NBDHandshake *hs, Error **errp)
{
    uint8_t buf[NBD_GREETING_MAGICS];

    if (qio_channel_read_all(hs->ioc, (char *)buf, sizeof(buf), errp) < 0) {
        error_prepend(errp, "cannot read the NBD server's greeting: ");
        return false;
    }
    switch (nbd_greeting_style(buf)) {
    case NBD_STYLE_OLD:
        return greet_old(hs, errp);
    case NBD_STYLE_NEW:
        return greet_new(hs, errp) &&
               (!hs->n->tls_creds || start_tls(hs, errp));
    default:
        error_setg(errp, "this is no NBD server");
        return false;
    }
}

/* -- modes, contexts -------------------------------------------------------------------- */

static bool choose_mode(NBDHandshake *hs, Error **errp)
{
    NBDOptReply r;
    int ret;

    if (hs->n->no_structured) {
        return true;
    }
    if (!hs->n->no_extended) {
        ret = plain_opt(hs, NBD_OPT_EXTENDED_HEADERS, &r, errp);
        if (ret != 0) {
            hs->info->extended = hs->info->structured = ret > 0;
            return ret > 0;
        }
        if (r.type == NBD_REP_ERR_TLS_REQD) {
            refused(hs, &r, "talk to the NBD server", errp);
            say_abort(hs);
            return false;
        }
    }
    ret = plain_opt(hs, NBD_OPT_STRUCTURED_REPLY, &r, errp);
    if (ret == 0 && r.type == NBD_REP_ERR_TLS_REQD) {
        refused(hs, &r, "talk to the NBD server", errp);
        say_abort(hs);
        return false;
    }
    hs->info->structured = ret > 0;
    return ret >= 0;
}

static bool add_context(NBDHandshake *hs, NBDExportInfo *info, uint32_t length,
                        bool chosen, Error **errp)
{
    g_autofree char *name = NULL;
    uint32_t id;

    if (!nbd_context_reply_decode(hs->data, length, &id, &name)) {
        error_setg(errp, "NBD server sent a malformed metadata context");
        return false;
    }
    if (info->n_contexts >= NBD_MAX_CONTEXTS) {
        error_setg(errp, "NBD server has more than %d metadata contexts",
                   NBD_MAX_CONTEXTS);
        return false;
    }
    for (unsigned i = 0; chosen && i < info->n_contexts; i++) {
        if (info->contexts[i].id == id) {
            error_setg(errp, "NBD server gave number %u to two contexts", id);
            return false;
        }
    }
    info->contexts =
        g_renew(NBDClientContext, info->contexts, info->n_contexts + 1);
    info->contexts[info->n_contexts++] =
        (NBDClientContext){ g_steal_pointer(&name), id };
    return true;
}

/* SET or LIST. An error reply leaves @info without contexts. */
static bool ask_contexts(NBDHandshake *hs, uint32_t option, NBDExportInfo *info,
                         const char *const *queries, Error **errp)
{
    g_auto(WireBuffer) b = { 0 };
    NBDOptReply r;

    wire_writer_init(&b, NBD_OPT_PAYLOAD_MAX, false);
    nbd_opt_meta_encode(&b, info->name, queries);
    if (!wire_ok(&b)) {
        error_setg(errp, "too many metadata contexts are wanted");
        return false;
    }
    if (!send_opt(hs, option, b.data, b.len, errp)) {
        return false;
    }
    for (unsigned i = 0; i < REPLIES_MAX; i++) {
        if (!recv_reply(hs, option, &r, errp)) {
            return false;
        }
        if (r.type == NBD_REP_ACK || (r.type & NBD_REP_ERR_BIT)) {
            return true;
        }
        if (r.type == NBD_REP_META_CONTEXT &&
            !add_context(hs, info, r.length, option == NBD_OPT_SET_META_CONTEXT,
                         errp)) {
            return false;
        }
    }
    error_setg(errp, "NBD server's list of metadata contexts has no end");
    return false;
}

/* -- INFO, GO --------------------------------------------------------------------------- */

static bool take_block_size(NBDExportInfo *info, const NBDInfoReply *rep,
                            Error **errp)
{
    if (rep->min_block == 0 || (rep->min_block & (rep->min_block - 1)) ||
        rep->min_block > 65536 || rep->max_block < rep->min_block) {
        error_setg(errp,
                   "NBD server wants blocks of %u to %u bytes, which "
                   "cannot be",
                   rep->min_block, rep->max_block);
        return false;
    }
    info->min_block = rep->min_block;
    info->preferred_block = rep->preferred_block;
    info->max_block = rep->max_block;
    return true;
}

static bool take_info(NBDHandshake *hs, NBDExportInfo *info, uint32_t length,
                      bool *has_export, Error **errp)
{
    g_auto(NBDInfoReply) rep = { 0 };

    if (!nbd_info_reply_decode(hs->data, length, &rep)) {
        error_setg(errp, "NBD server sent malformed information about '%s'",
                   info->name);
        return false;
    }
    switch (rep.type) {
    case NBD_INFO_EXPORT:
        info->size = rep.size;
        info->flags = rep.flags;
        *has_export = true;
        return true;
    case NBD_INFO_DESCRIPTION:
        g_free(info->description);
        info->description = g_steal_pointer(&rep.text);
        return true;
    case NBD_INFO_BLOCK_SIZE:
        return take_block_size(info, &rep, errp);
    default:
        return true;
    }
}

/* Returns: 1; 0 = an error reply, which stands in @r; -1 = failed. */
static int info_opt(NBDHandshake *hs, uint32_t option, NBDExportInfo *info,
                    NBDOptReply *r, Error **errp)
{
    static const NBDInfo infos[] = { NBD_INFO_NAME, NBD_INFO_DESCRIPTION,
                                     NBD_INFO_BLOCK_SIZE };
    g_auto(WireBuffer) b = { 0 };
    bool has_export = false;

    wire_writer_init(&b, NBD_OPT_PAYLOAD_MAX, false);
    nbd_opt_info_encode(&b, info->name, infos, G_N_ELEMENTS(infos));
    if (!send_opt(hs, option, b.data, b.len, errp)) {
        return -1;
    }
    for (unsigned i = 0; i < REPLIES_MAX; i++) {
        if (!recv_reply(hs, option, r, errp)) {
            return -1;
        }
        if (r->type & NBD_REP_ERR_BIT) {
            return 0;
        }
        if (r->type == NBD_REP_ACK) {
            if (has_export) {
                return 1;
            }
            break;
        }
        if (r->type == NBD_REP_INFO &&
            !take_info(hs, info, r->length, &has_export, errp)) {
            return -1;
        }
    }
    error_setg(errp, "NBD server said nothing about the size of '%s'",
               info->name);
    return -1;
}

/* -- LIST and EXPORT_NAME, for servers without GO ------------------------------------------ */

/* Calls @add for each export. Returns: as info_opt(). */
static int list_opt(NBDHandshake *hs, GPtrArray *ret_infos, NBDOptReply *r,
                    Error **errp)
{
    if (!send_opt(hs, NBD_OPT_LIST, NULL, 0, errp)) {
        return -1;
    }
    while (ret_infos->len <= EXPORTS_MAX) {
        NBDExportInfo *info;

        if (!recv_reply(hs, NBD_OPT_LIST, r, errp)) {
            return -1;
        }
        if (r->type & NBD_REP_ERR_BIT) {
            return 0;
        }
        if (r->type == NBD_REP_ACK) {
            return 1;
        }
        info = g_new0(NBDExportInfo, 1);
        g_ptr_array_add(ret_infos, info);
        if (r->type != NBD_REP_SERVER ||
            !nbd_server_reply_decode(hs->data, r->length, &info->name,
                                     &info->description)) {
            error_setg(errp, "NBD server sent a malformed list of exports");
            return -1;
        }
    }
    error_setg(errp, "NBD server has more than %d exports", EXPORTS_MAX);
    return -1;
}

static GPtrArray *infos_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)nbd_export_info_free);
}

/* A server that lists its exports, but not ours, would just hang up. */
static bool check_listed(NBDHandshake *hs, Error **errp)
{
    g_autoptr(GPtrArray) infos = infos_new();
    NBDOptReply r;
    int ret = list_opt(hs, infos, &r, errp);

    if (ret == 0 && r.type == NBD_REP_ERR_TLS_REQD) {
        refused(hs, &r, "talk to the NBD server", errp);
        return false;
    }
    if (ret <= 0) {
        return ret == 0;
    }
    for (guint i = 0; i < infos->len; i++) {
        NBDExportInfo *info = g_ptr_array_index(infos, i);

        if (strcmp(info->name, hs->info->name) == 0) {
            return true;
        }
    }
    if (!hs->info->name[0]) {
        return true; /* the default export need not be listed */
    }
    error_setg(errp, "the NBD server has no export '%s'", hs->info->name);
    say_abort(hs);
    return false;
}

static bool export_name(NBDHandshake *hs, Error **errp)
{
    uint8_t reply[NBD_EXPORT_REPLY + NBD_EXPORT_REPLY_PAD];

    if (!send_opt(hs, NBD_OPT_EXPORT_NAME, hs->info->name,
                  strlen(hs->info->name), errp)) {
        return false;
    }
    if (qio_channel_read_all(hs->ioc, (char *)reply,
                             hs->no_zeroes ? NBD_EXPORT_REPLY : sizeof(reply),
                             errp) < 0) {
        error_prepend(errp,
                      "NBD server does not give export '%s': ", hs->info->name);
        return false;
    }
    hs->info->size = ldq_be_p(reply);
    hs->info->flags = lduw_be_p(reply + 8);
    return true;
}

static bool choose_export(NBDHandshake *hs, Error **errp)
{
    NBDOptReply r;
    int ret;

    if (!hs->fixed) {
        return export_name(hs, errp);
    }
    if (!choose_mode(hs, errp)) {
        return false;
    }
    if (hs->info->structured && hs->n->contexts && hs->n->contexts[0] &&
        !ask_contexts(hs, NBD_OPT_SET_META_CONTEXT, hs->info, hs->n->contexts,
                      errp)) {
        return false;
    }
    ret = info_opt(hs, NBD_OPT_GO, hs->info, &r, errp);
    if (ret == 0 && r.type == NBD_REP_ERR_UNSUP && !hs->info->extended) {
        return check_listed(hs, errp) && export_name(hs, errp);
    }
    if (ret == 0) {
        g_autofree char *what =
            g_strdup_printf("open NBD export '%s'", hs->info->name);

        refused(hs, &r, what, errp);
        say_abort(hs);
    }
    return ret > 0;
}

/* -- entry points --------------------------------------------------------------------------- */

void nbd_export_info_clear(NBDExportInfo *info)
{
    for (unsigned i = 0; i < info->n_contexts; i++) {
        g_free(info->contexts[i].name);
    }
    g_free(info->contexts);
    g_free(info->name);
    g_free(info->description);
    *info = (NBDExportInfo){ 0 };
}

void nbd_export_info_free(NBDExportInfo *info)
{
    if (info) {
        nbd_export_info_clear(info);
        g_free(info);
    }
}

static void handshake_clear(NBDHandshake *hs)
{
    g_clear_pointer(&hs->data, g_free);
    if (hs->ioc) {
        object_unref(OBJECT(hs->ioc));
        hs->ioc = NULL;
    }
}

static bool check_info(const NBDExportInfo *info, Error **errp)
{
    if (info->size > INT64_MAX) {
        error_setg(errp, "NBD export '%s' is too large: %" PRIu64 " bytes",
                   info->name, info->size);
        return false;
    }
    if (info->min_block && info->size % info->min_block) {
        error_setg(errp,
                   "size of NBD export '%s', %" PRIu64
                   ", is no multiple of its block size, %u",
                   info->name, info->size, info->min_block);
        return false;
    }
    return true;
}

QIOChannel *nbd_client_negotiate(QIOChannel *ioc, const NBDNegotiation *n,
                                 NBDExportInfo *ret_info, Error **errp)
{
    g_auto(NBDExportInfo) info = { .name = g_strdup(n->export) };
    NBDHandshake hs = {
        .ioc = QIO_CHANNEL(object_ref(OBJECT(ioc))),
        .n = n,
        .info = &info,
    };
    QIOChannel *result = NULL;

    if (greet(&hs, errp) && (hs.ready || choose_export(&hs, errp)) &&
        check_info(&info, errp)) {
        trace_nbd_client_negotiated(info.name, info.size, info.flags,
                                    info.extended     ? 2
                                    : info.structured ? 1
                                                      : 0);
        *ret_info = info;
        info = (NBDExportInfo){ 0 };
        result = g_steal_pointer(&hs.ioc);
    }
    handshake_clear(&hs);
    return result;
}

/* More about an export of a list, as far as the server tells. */
static bool list_details(NBDHandshake *hs, NBDExportInfo *info, Error **errp)
{
    static const char *const all[] = { NULL };
    NBDOptReply r;
    int ret = info_opt(hs, NBD_OPT_INFO, info, &r, errp);

    if (ret < 0) {
        return false;
    }
    info->tls = hs->info->tls;
    info->structured = hs->info->structured;
    info->extended = hs->info->extended;
    return !hs->info->structured ||
           ask_contexts(hs, NBD_OPT_LIST_META_CONTEXT, info, all, errp);
}

static bool list_all(NBDHandshake *hs, GPtrArray *infos, Error **errp)
{
    NBDOptReply r;
    int ret;

    if (!greet(hs, errp)) {
        return false;
    }
    if (!hs->fixed) {
        error_setg(errp, "the NBD server is too old to list its exports");
        return false;
    }
    if (!choose_mode(hs, errp)) {
        return false;
    }
    ret = list_opt(hs, infos, &r, errp);
    if (ret == 0) {
        refused(hs, &r, "list the NBD server's exports", errp);
    }
    for (guint i = 0; ret > 0 && i < infos->len; i++) {
        if (!list_details(hs, g_ptr_array_index(infos, i), errp)) {
            return false;
        }
    }
    say_abort(hs);
    return ret > 0;
}

GPtrArray *nbd_client_list(QIOChannel *ioc, const NBDNegotiation *n,
                           Error **errp)
{
    g_auto(NBDExportInfo) info = { .name = g_strdup("") };
    NBDHandshake hs = {
        .ioc = QIO_CHANNEL(object_ref(OBJECT(ioc))),
        .n = n,
        .info = &info,
    };
    g_autoptr(GPtrArray) infos = infos_new();
    bool ok = list_all(&hs, infos, errp);

    handshake_clear(&hs);
    return ok ? g_steal_pointer(&infos) : NULL;
}
