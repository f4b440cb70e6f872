/*
 * The NBD codec alone. The first byte picks a message. Any bytes are decoded
 * or refused; a header that was taken gives the same bytes when it is encoded
 * again, and what has a text, the same message.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "nbd/nbd-wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void try_request(NBDMode mode, const uint8_t *data, size_t size)
{
    uint8_t back[NBD_REQUEST_EXT_SIZE];
    NBDRequest r;

    if (size >= nbd_request_size(mode) && nbd_request_decode(mode, data, &r)) {
        must(nbd_request_encode(mode, &r, back) == nbd_request_size(mode));
        must(memcmp(back, data, nbd_request_size(mode)) == 0);
    }
}

static void try_reply(NBDMode mode, const uint8_t *data, size_t size)
{
    uint8_t back[NBD_REPLY_HEAD_MAX];
    NBDReply r;
    int n = nbd_reply_decode(mode, data, size, &r);

    if (n > 0) {
        must((size_t)n <= size);
        must(nbd_reply_encode(mode, &r, back) == (size_t)n);
        must(memcmp(back, data, n) == 0);
    }
}

static void try_option(const uint8_t *data, size_t size)
{
    uint8_t back[NBD_OPT_REPLY_HEADER];
    NBDOptHeader h;
    NBDOptReply r;

    if (size >= NBD_GREETING_MAGICS) {
        nbd_greeting_style(data);
    }
    if (size >= NBD_OPT_HEADER && nbd_opt_decode(data, &h)) {
        nbd_opt_encode(&h, back);
        must(memcmp(back, data, NBD_OPT_HEADER) == 0);
    }
    if (size >= NBD_OPT_REPLY_HEADER && nbd_opt_reply_decode(data, &r)) {
        nbd_opt_reply_encode(&r, back);
        must(memcmp(back, data, NBD_OPT_REPLY_HEADER) == 0);
    }
}

static void try_meta(const uint8_t *data, size_t size)
{
    g_auto(NBDOptMeta) meta = { 0 };
    g_auto(WireBuffer) b;

    wire_writer_init(&b, NBD_OPT_PAYLOAD_MAX, false);
    if (nbd_opt_meta_decode(data, size, &meta)) {
        nbd_opt_meta_encode(&b, meta.name, (const char *const *)meta.queries);
        must(size > NBD_OPT_PAYLOAD_MAX ||
             (wire_ok(&b) && b.len == size && memcmp(b.data, data, size) == 0));
    }
}

static void try_info(const uint8_t *data, size_t size)
{
    g_auto(NBDOptInfo) info = { 0 };
    g_auto(NBDInfoReply) reply = { 0 };
    g_auto(WireBuffer) b;

    nbd_opt_info_decode(data, size, &info);
    wire_writer_init(&b, NBD_OPT_REPLY_MAX, false);
    if (nbd_info_reply_decode(data, size, &reply) &&
        reply.type <= NBD_INFO_BLOCK_SIZE) {
        nbd_info_reply_encode(&b, &reply);
        must(wire_ok(&b) && b.len == size && memcmp(b.data, data, size) == 0);
    }
}

static void try_names(const uint8_t *data, size_t size)
{
    g_autofree char *name = NULL;
    g_autofree char *text = NULL;
    g_autofree char *context = NULL;
    uint32_t id;

    if (nbd_server_reply_decode(data, size, &name, &text)) {
        must(strlen(name) + strlen(text) + 4 == size);
    }
    if (nbd_context_reply_decode(data, size, &id, &context)) {
        must(strlen(context) + 4 == size);
    }
}

static void try_error(uint16_t type, const uint8_t *data, size_t size)
{
    NBDErrorChunk e;

    if (nbd_error_decode(type, data, size, &e)) {
        must(nbd_errno_from_wire(e.error) > 0);
        g_free(e.message);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *copy = NULL; /* to the byte, for ASan */
    uint8_t how;

    if (size == 0) {
        return 0;
    }
    how = data[0];
    copy = g_memdup2(data + 1, --size);
    switch (how % 8) {
    case 0:
        try_request((NBDMode)(how / 8 % 3), copy, size);
        break;
    case 1:
        try_reply((NBDMode)(how / 8 % 3), copy, size);
        break;
    case 2:
        try_option(copy, size);
        break;
    case 3:
        try_meta(copy, size);
        break;
    case 4:
        try_info(copy, size);
        break;
    case 5:
        try_names(copy, size);
        break;
    default:
        try_error(how & 1 ? NBD_REPLY_TYPE_ERROR : NBD_REPLY_TYPE_ERROR_OFFSET,
                  copy, size);
        break;
    }
    return 0;
}
