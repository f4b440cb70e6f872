/*
 * Handshake: the greeting, options and the replies to them.
 *
 *   greeting  "NBDMAGIC" "IHAVEOPT" flags         server; client: flags
 *   option    "IHAVEOPT" option length            client, then the payload
 *   reply     magic option type length            server, then the payload
 *
 * Names are text: UTF-8 without NUL, at most NBD_MAX_STRING bytes.
 *
 * Source: NBD protocol document, "Handshake phase".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bswap.h"

#include "nbd-wire.h"

void nbd_greeting_encode(uint16_t flags, uint8_t buf[NBD_GREETING_NEW])
{
    stq_be_p(buf, NBD_MAGIC);
    stq_be_p(buf + 8, NBD_OPT_MAGIC);
    stw_be_p(buf + 16, flags);
}

NBDStyle nbd_greeting_style(const uint8_t *buf)
{
    if (ldq_be_p(buf) != NBD_MAGIC) {
        return NBD_STYLE_BAD;
    }
    switch (ldq_be_p(buf + 8)) {
    case NBD_OPT_MAGIC:
        return NBD_STYLE_NEW;
    case NBD_OLD_MAGIC:
        return NBD_STYLE_OLD;
    default:
        return NBD_STYLE_BAD;
    }
}

/* -- frames ---------------------------------------------------------------- */

void nbd_opt_encode(const NBDOptHeader *h, uint8_t buf[NBD_OPT_HEADER])
{
    stq_be_p(buf, NBD_OPT_MAGIC);
    stl_be_p(buf + 8, h->option);
    stl_be_p(buf + 12, h->length);
}

bool nbd_opt_decode(const uint8_t *buf, NBDOptHeader *ret_h)
{
    if (ldq_be_p(buf) != NBD_OPT_MAGIC) {
        return false;
    }
    ret_h->option = ldl_be_p(buf + 8);
    ret_h->length = ldl_be_p(buf + 12);
    return true;
}

void nbd_opt_reply_encode(const NBDOptReply *r,
                          uint8_t buf[NBD_OPT_REPLY_HEADER])
{
    stq_be_p(buf, NBD_OPT_REPLY_MAGIC);
    stl_be_p(buf + 8, r->option);
    stl_be_p(buf + 12, r->type);
    stl_be_p(buf + 16, r->length);
}

bool nbd_opt_reply_decode(const uint8_t *buf, NBDOptReply *ret_r)
{
    if (ldq_be_p(buf) != NBD_OPT_REPLY_MAGIC) {
        return false;
    }
    ret_r->option = ldl_be_p(buf + 8);
    ret_r->type = ldl_be_p(buf + 12);
    ret_r->length = ldl_be_p(buf + 16);
    return true;
}

/* -- INFO and GO ------------------------------------------------------------ */

void nbd_opt_info_clear(NBDOptInfo *info)
{
    g_clear_pointer(&info->name, g_free);
}

bool nbd_opt_info_decode(const uint8_t *buf, size_t len, NBDOptInfo *ret_info)
{
    WireBuffer b = WIRE_READER(buf, len);
    g_autofree char *name = NULL;
    unsigned infos = 0, n;

    name = wire_get_str(&b, wire_get_be32(&b), NBD_MAX_STRING);
    n = wire_get_be16(&b);
    if (!wire_ok(&b) || n > NBD_OPT_INFOS_MAX) {
        return false;
    }
    while (n-- > 0) {
        uint16_t info = wire_get_be16(&b);

        if (info <= NBD_INFO_BLOCK_SIZE) {
            infos |= 1u << info; /* one we do not know is ignored */
        }
    }
    if (!wire_at_end(&b)) {
        return false;
    }
    *ret_info = (NBDOptInfo){ g_steal_pointer(&name), infos };
    return true;
}

static void put_string(WireBuffer *b, const char *text)
{
    wire_put_be32(b, (uint32_t)strlen(text));
    wire_put_bytes(b, text, strlen(text));
}

void nbd_opt_info_encode(WireBuffer *b, const char *name, const NBDInfo *infos,
                         unsigned n_infos)
{
    put_string(b, name);
    wire_put_be16(b, (uint16_t)n_infos);
    for (unsigned i = 0; i < n_infos; i++) {
        wire_put_be16(b, (uint16_t)infos[i]);
    }
}

static bool info_text_decode(WireBuffer *b, NBDInfoReply *info)
{
    info->text = wire_get_str(b, wire_left(b), NBD_MAX_STRING);
    return wire_at_end(b);
}

void nbd_info_reply_clear(NBDInfoReply *info)
{
    g_clear_pointer(&info->text, g_free);
}

bool nbd_info_reply_decode(const uint8_t *buf, size_t len,
                           NBDInfoReply *ret_info)
{
    WireBuffer b = WIRE_READER(buf, len);
    NBDInfoReply info = { .type = wire_get_be16(&b) };
    bool ok;

    if (!wire_ok(&b)) {
        return false;
    }
    switch (info.type) {
    case NBD_INFO_EXPORT:
        info.size = wire_get_be64(&b);
        info.flags = wire_get_be16(&b);
        ok = wire_at_end(&b);
        break;
    case NBD_INFO_NAME:
    case NBD_INFO_DESCRIPTION:
        ok = info_text_decode(&b, &info);
        break;
    case NBD_INFO_BLOCK_SIZE:
        info.min_block = wire_get_be32(&b);
        info.preferred_block = wire_get_be32(&b);
        info.max_block = wire_get_be32(&b);
        ok = wire_at_end(&b);
        break;
    default:
        ok = true; /* to be ignored */
        break;
    }
    if (ok) {
        *ret_info = info;
    }
    return ok;
}

void nbd_info_reply_encode(WireBuffer *b, const NBDInfoReply *info)
{
    wire_put_be16(b, (uint16_t)info->type);
    switch (info->type) {
    case NBD_INFO_EXPORT:
        wire_put_be64(b, info->size);
        wire_put_be16(b, info->flags);
        break;
    case NBD_INFO_NAME:
    case NBD_INFO_DESCRIPTION:
        wire_put_bytes(b, info->text, strlen(info->text));
        break;
    case NBD_INFO_BLOCK_SIZE:
        wire_put_be32(b, info->min_block);
        wire_put_be32(b, info->preferred_block);
        wire_put_be32(b, info->max_block);
        break;
    }
}

/* -- lists ----------------------------------------------------------------- */

bool nbd_server_reply_decode(const uint8_t *buf, size_t len, char **ret_name,
                             char **ret_description)
{
    WireBuffer b = WIRE_READER(buf, len);
    g_autofree char *name = NULL;
    g_autofree char *text = NULL;

    name = wire_get_str(&b, wire_get_be32(&b), NBD_MAX_STRING);
    text = wire_get_str(&b, wire_left(&b), NBD_MAX_STRING);
    if (!wire_at_end(&b)) {
        return false;
    }
    *ret_name = g_steal_pointer(&name);
    *ret_description = g_steal_pointer(&text);
    return true;
}

bool nbd_context_reply_decode(const uint8_t *buf, size_t len, uint32_t *ret_id,
                              char **ret_name)
{
    WireBuffer b = WIRE_READER(buf, len);
    uint32_t id = wire_get_be32(&b);
    g_autofree char *name = wire_get_str(&b, wire_left(&b), NBD_MAX_STRING);

    if (!wire_at_end(&b)) {
        return false;
    }
    *ret_id = id;
    *ret_name = g_steal_pointer(&name);
    return true;
}

/* -- metadata contexts ------------------------------------------------------ */

void nbd_opt_meta_clear(NBDOptMeta *meta)
{
    g_clear_pointer(&meta->name, g_free);
    g_clear_pointer(&meta->queries, g_strfreev);
}

bool nbd_opt_meta_decode(const uint8_t *buf, size_t len, NBDOptMeta *ret_meta)
{
    WireBuffer b = WIRE_READER(buf, len);
    g_autofree char *name = NULL;
    g_auto(GStrv) queries = NULL;
    uint32_t n;

    name = wire_get_str(&b, wire_get_be32(&b), NBD_MAX_STRING);
    n = wire_get_be32(&b);
    if (!wire_ok(&b) || n > NBD_OPT_QUERIES_MAX) {
        return false;
    }
    queries = g_new0(char *, n + 1);
    for (uint32_t i = 0; i < n && wire_ok(&b); i++) {
        queries[i] = wire_get_str(&b, wire_get_be32(&b), NBD_MAX_STRING);
    }
    if (!wire_at_end(&b)) {
        return false;
    }
    *ret_meta =
        (NBDOptMeta){ g_steal_pointer(&name), g_steal_pointer(&queries) };
    return true;
}

void nbd_opt_meta_encode(WireBuffer *b, const char *name,
                         const char *const *queries)
{
    unsigned n = g_strv_length((char **)queries);

    put_string(b, name);
    wire_put_be32(b, n);
    for (unsigned i = 0; i < n; i++) {
        put_string(b, queries[i]);
    }
}
