/*
 * Options about exports: what there is, what it is like, which one, and which
 * of its metadata contexts.
 *
 * Contexts belong to the export that they were chosen for: GO for another one
 * leaves none. A list may be asked for by a beginning that ends with a colon
 * ("base:", "qemu:dirty-bitmap:"); what is chosen is named in full.
 *
 * Source: NBD protocol document, "Option types", "Metadata querying".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bswap.h"

#include "server-internal.h"

/* Longest reply to an option: name, description and numbers. */
#define REPLY_MAX (2 * NBD_MAX_STRING + 64)

/* -- LIST ------------------------------------------------------------------------ */

/* Names and descriptions, in turn, as they are now. */
static GPtrArray *list_exports(NBDServer *s)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
    NBDExport *e;
    QEMU_LOCK_GUARD(&s->lock);

    QTAILQ_FOREACH(e, &s->exports, next) {
        g_ptr_array_add(list, g_strdup(e->name));
        g_ptr_array_add(list, g_strdup(e->description ?: ""));
    }
    return list;
}

bool coroutine_fn nbd_opt_list(NBDConn *c, NBDOption *o, Error **errp)
{
    g_autoptr(GPtrArray) list = list_exports(c->server);

    for (guint i = 0; i < list->len; i += 2) {
        const char *name = g_ptr_array_index(list, i);
        const char *text = g_ptr_array_index(list, i + 1);
        g_auto(WireBuffer) b = { 0 };

        wire_writer_init(&b, REPLY_MAX, false);
        wire_put_be32(&b, (uint32_t)strlen(name));
        wire_put_bytes(&b, name, strlen(name));
        wire_put_bytes(&b, text, strlen(text));
        if (!nbd_opt_reply(c, o->h.option, NBD_REP_SERVER, b.data, b.len,
                           errp)) {
            return false;
        }
    }
    return nbd_opt_reply(c, o->h.option, NBD_REP_ACK, NULL, 0, errp);
}

/* -- INFO and GO ------------------------------------------------------------------ */

void nbd_opt_choose(NBDConn *c, NBDExport *e)
{
    if (c->export) {
        nbd_export_unref(c->export);
    }
    c->export = e;
    if (!c->meta_name || strcmp(c->meta_name, e->name) != 0) {
        c->contexts = 0;
    }
}

static bool coroutine_fn reply_info(NBDConn *c, NBDOption *o,
                                    const NBDInfoReply *info, Error **errp)
{
    g_auto(WireBuffer) b = { 0 };

    wire_writer_init(&b, REPLY_MAX, false);
    nbd_info_reply_encode(&b, info);
    return nbd_opt_reply(c, o->h.option, NBD_REP_INFO, b.data, b.len, errp);
}

static bool coroutine_fn reply_all_info(NBDConn *c, NBDOption *o, NBDExport *e,
                                        unsigned infos, int64_t length,
                                        Error **errp)
{
    NBDInfoReply name = { NBD_INFO_NAME, .text = e->name };
    NBDInfoReply text = { NBD_INFO_DESCRIPTION, .text = e->description };
    NBDInfoReply block = {
        NBD_INFO_BLOCK_SIZE,
        .min_block = 1,
        .preferred_block = e->preferred_block,
        .max_block = NBD_MAX_PAYLOAD,
    };
    NBDInfoReply export = {
        NBD_INFO_EXPORT,
        .size = (uint64_t)length,
        .flags = nbd_export_flags(e, c->mode),
    };

    if ((infos & (1u << NBD_INFO_NAME)) && !reply_info(c, o, &name, errp)) {
        return false;
    }
    if ((infos & (1u << NBD_INFO_DESCRIPTION)) && e->description &&
        !reply_info(c, o, &text, errp)) {
        return false;
    }
    return reply_info(c, o, &block, errp) && reply_info(c, o, &export, errp) &&
           nbd_opt_reply(c, o->h.option, NBD_REP_ACK, NULL, 0, errp);
}

static bool coroutine_fn go(NBDConn *c, NBDOption *o, NBDExport *e,
                            unsigned infos, int64_t length, Error **errp)
{
    nbd_opt_choose(c, e);
    if (!nbd_server_enter(c->server, c)) {
        nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_SHUTDOWN, NULL,
                       "export '%s' is going away", e->name);
        error_setg(errp, "export '%s' is not to be had any more", e->name);
        return false;
    }
    o->done = true;
    return reply_all_info(c, o, e, infos, length, errp);
}

bool coroutine_fn nbd_opt_info_or_go(NBDConn *c, NBDOption *o, Error **errp)
{
    g_auto(NBDOptInfo) info = { NULL };
    NBDExport *e;
    int64_t length;
    bool ok;

    if (!nbd_opt_info_decode(o->data, o->h.length, &info)) {
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_INVALID, errp,
                              "data of option %s is malformed",
                              nbd_opt_name(o->h.option));
    }
    e = nbd_server_take_export(c->server, info.name);
    if (!e) {
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_UNKNOWN, errp,
                              "export '%s' not present", info.name);
    }
    length = e->ops->co_length(e->opaque);
    if (length < 0) {
        nbd_export_unref(e);
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_PLATFORM, errp,
                              "size of export '%s' is not known: %s", info.name,
                              g_strerror((int)-length));
    }
    if (o->h.option == NBD_OPT_GO) {
        return go(c, o, e, info.infos, length, errp);
    }
    ok = reply_all_info(c, o, e, info.infos, length, errp);
    nbd_export_unref(e);
    return ok;
}

/* -- metadata contexts ------------------------------------------------------------ */

/* Bit set of the contexts that the queries mean. */
static uint64_t match_contexts(const NBDExport *e, char **queries, bool list)
{
    uint64_t found = 0;

    for (unsigned i = 0; i < e->n_contexts; i++) {
        bool match = list && !queries[0];

        for (char **q = queries; *q && !match; q++) {
            match = (list && g_str_has_suffix(*q, ":"))
                        ? g_str_has_prefix(e->contexts[i], *q)
                        : strcmp(e->contexts[i], *q) == 0;
        }
        found |= (uint64_t)match << i;
    }
    return found;
}

static bool coroutine_fn reply_contexts(NBDConn *c, NBDOption *o,
                                        const NBDExport *e, uint64_t contexts,
                                        Error **errp)
{
    for (unsigned i = 0; i < e->n_contexts; i++) {
        g_auto(WireBuffer) b = { 0 };

        if (!(contexts & (UINT64_C(1) << i))) {
            continue;
        }
        wire_writer_init(&b, REPLY_MAX, false);
        wire_put_be32(&b, o->h.option == NBD_OPT_SET_META_CONTEXT ? i : 0);
        wire_put_bytes(&b, e->contexts[i], strlen(e->contexts[i]));
        if (!nbd_opt_reply(c, o->h.option, NBD_REP_META_CONTEXT, b.data, b.len,
                           errp)) {
            return false;
        }
    }
    return nbd_opt_reply(c, o->h.option, NBD_REP_ACK, NULL, 0, errp);
}

bool coroutine_fn nbd_opt_meta(NBDConn *c, NBDOption *o, Error **errp)
{
    bool list = o->h.option == NBD_OPT_LIST_META_CONTEXT, ok;
    g_auto(NBDOptMeta) meta = { NULL };
    uint64_t contexts;
    NBDExport *e;

    if (!list) {
        c->contexts = 0; /* whatever comes of it, the old choice is void */
        g_clear_pointer(&c->meta_name, g_free);
    }
    if (c->mode == NBD_MODE_SIMPLE) {
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_INVALID, errp,
                              "metadata contexts need structured replies");
    }
    if (!nbd_opt_meta_decode(o->data, o->h.length, &meta)) {
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_INVALID, errp,
                              "data of option %s is malformed",
                              nbd_opt_name(o->h.option));
    }
    e = nbd_server_take_export(c->server, meta.name);
    if (!e) {
        return nbd_opt_refuse(c, o->h.option, NBD_REP_ERR_UNKNOWN, errp,
                              "export '%s' not present", meta.name);
    }
    contexts = match_contexts(e, meta.queries, list);
    if (!list) {
        c->contexts = contexts;
        c->meta_name = g_steal_pointer(&meta.name);
    }
    ok = reply_contexts(c, o, e, contexts, errp);
    nbd_export_unref(e);
    return ok;
}
