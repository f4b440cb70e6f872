/*
 * Transmission: requests, replies, chunks, extents.
 *
 * There are three frames. A compact request is answered by a simple reply
 * (error and, for a read, as much data as was asked for) or by structured
 * chunks (flags, type, length of the payload). Extended headers are 32 bytes
 * on either side, with 64-bit lengths. A structured connection may see simple
 * replies beside chunks, an extended one sees extended chunks only.
 *
 *   request   magic flags type cookie offset length            28 or 32 bytes
 *   simple    magic error cookie                                16
 *   chunk     magic flags type cookie length                    20
 *   extended  magic flags type cookie offset length             32
 *
 * Source: NBD protocol document, "Transmission phase".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "nbd-wire.h"

#include "util/bswap.h"

/* -- requests -------------------------------------------------------------- */

size_t nbd_request_encode(NBDMode mode, const NBDRequest *r, uint8_t *buf)
{
    bool ext = mode == NBD_MODE_EXTENDED;

    stl_be_p(buf, ext ? NBD_REQUEST_EXT_MAGIC : NBD_REQUEST_MAGIC);
    stw_be_p(buf + 4, r->flags);
    stw_be_p(buf + 6, r->type);
    stq_be_p(buf + 8, r->cookie);
    stq_be_p(buf + 16, r->offset);
    if (ext) {
        stq_be_p(buf + 24, r->length);
        return NBD_REQUEST_EXT_SIZE;
    }
    stl_be_p(buf + 24, (uint32_t)r->length);
    return NBD_REQUEST_SIZE;
}

bool nbd_request_decode(NBDMode mode, const uint8_t *buf, NBDRequest *ret_r)
{
    bool ext = mode == NBD_MODE_EXTENDED;

    if (ldl_be_p(buf) != (ext ? NBD_REQUEST_EXT_MAGIC : NBD_REQUEST_MAGIC)) {
        return false;
    }
    ret_r->flags = lduw_be_p(buf + 4);
    ret_r->type = lduw_be_p(buf + 6);
    ret_r->cookie = ldq_be_p(buf + 8);
    ret_r->offset = ldq_be_p(buf + 16);
    ret_r->length = ext ? ldq_be_p(buf + 24) : ldl_be_p(buf + 24);
    return true;
}

/* -- replies --------------------------------------------------------------- */

size_t nbd_reply_encode(NBDMode mode, const NBDReply *r, uint8_t *buf)
{
    if (r->simple) {
        stl_be_p(buf, NBD_REPLY_MAGIC);
        stl_be_p(buf + 4, r->error);
        stq_be_p(buf + 8, r->cookie);
        return NBD_REPLY_SIZE;
    }
    stw_be_p(buf + 4, r->flags);
    stw_be_p(buf + 6, r->type);
    stq_be_p(buf + 8, r->cookie);
    if (mode == NBD_MODE_EXTENDED) {
        stl_be_p(buf, NBD_REPLY_EXT_MAGIC);
        stq_be_p(buf + 16, r->offset);
        stq_be_p(buf + 24, r->length);
        return NBD_REPLY_EXT_SIZE;
    }
    stl_be_p(buf, NBD_REPLY_STR_MAGIC);
    stl_be_p(buf + 16, (uint32_t)r->length);
    return NBD_REPLY_STR_SIZE;
}

static int chunk_decode(bool ext, const uint8_t *buf, NBDReply *ret_r)
{
    *ret_r = (NBDReply){
        .flags = lduw_be_p(buf + 4),
        .type = lduw_be_p(buf + 6),
        .cookie = ldq_be_p(buf + 8),
        .offset = ext ? ldq_be_p(buf + 16) : 0,
        .length = ext ? ldq_be_p(buf + 24) : ldl_be_p(buf + 16),
    };
    return ext ? NBD_REPLY_EXT_SIZE : NBD_REPLY_STR_SIZE;
}

int nbd_reply_decode(NBDMode mode, const uint8_t *buf, size_t len,
                     NBDReply *ret_r)
{
    if (len < 4) {
        return 0;
    }
    switch (ldl_be_p(buf)) {
    case NBD_REPLY_MAGIC:
        if (mode == NBD_MODE_EXTENDED) {
            return -1;
        }
        if (len < NBD_REPLY_SIZE) {
            return 0;
        }
        *ret_r = (NBDReply){
            .simple = true,
            .error = ldl_be_p(buf + 4),
            .cookie = ldq_be_p(buf + 8),
        };
        return NBD_REPLY_SIZE;
    case NBD_REPLY_STR_MAGIC:
        if (mode != NBD_MODE_STRUCTURED) {
            return -1;
        }
        return len < NBD_REPLY_STR_SIZE ? 0 : chunk_decode(false, buf, ret_r);
    case NBD_REPLY_EXT_MAGIC:
        if (mode != NBD_MODE_EXTENDED) {
            return -1;
        }
        return len < NBD_REPLY_EXT_SIZE ? 0 : chunk_decode(true, buf, ret_r);
    default:
        return -1;
    }
}

/* -- block status ---------------------------------------------------------- */

/* Context, and for the extended form the number of extents. */
static size_t status_head(bool extended)
{
    return extended ? 8 : 4;
}

static size_t status_extent(bool extended)
{
    return extended ? 16 : 8;
}

size_t nbd_status_size(bool extended, unsigned n)
{
    return status_head(extended) + n * status_extent(extended);
}

void nbd_status_encode(bool extended, uint32_t context, const NBDExtent *ext,
                       unsigned n, uint8_t *buf)
{
    stl_be_p(buf, context);
    if (extended) {
        stl_be_p(buf + 4, n);
    }
    buf += status_head(extended);
    for (unsigned i = 0; i < n; i++, buf += status_extent(extended)) {
        if (extended) {
            stq_be_p(buf, ext[i].length);
            stq_be_p(buf + 8, ext[i].flags);
        } else {
            stl_be_p(buf, (uint32_t)ext[i].length);
            stl_be_p(buf + 4, (uint32_t)ext[i].flags);
        }
    }
}

int nbd_status_decode(bool extended, const uint8_t *buf, size_t len,
                      uint32_t *ret_context, NBDExtent *ret_ext, unsigned max)
{
    size_t head = status_head(extended), each = status_extent(extended);
    size_t n;

    if (len < head + each || (len - head) % each != 0) {
        return -1;
    }
    n = (len - head) / each;
    /* The count is optional: 0 leaves it to the length. */
    if (extended && ldl_be_p(buf + 4) != 0 && ldl_be_p(buf + 4) != n) {
        return -1;
    }
    *ret_context = ldl_be_p(buf);
    n = MIN(n, max);
    buf += head;
    for (size_t i = 0; i < n; i++, buf += each) {
        ret_ext[i].length = extended ? ldq_be_p(buf) : ldl_be_p(buf);
        ret_ext[i].flags = extended ? ldq_be_p(buf + 8) : ldl_be_p(buf + 4);
        if (ret_ext[i].length == 0) {
            return -1;
        }
    }
    return (int)n;
}

int nbd_status_trim(NBDExtent *ext, int n, uint64_t bytes)
{
    for (int i = 0; i < n; i++) {
        ext[i].length = MIN(ext[i].length, bytes);
        bytes -= ext[i].length;
        if (bytes == 0) {
            return i + 1;
        }
    }
    return n;
}

/* -- errors ---------------------------------------------------------------- */

bool nbd_error_decode(uint16_t type, const uint8_t *buf, size_t len,
                      NBDErrorChunk *ret_e)
{
    WireBuffer b = WIRE_READER(buf, len);
    NBDErrorChunk e = { .error = wire_get_be32(&b) };
    uint16_t text_len = wire_get_be16(&b);
    const uint8_t *text = wire_get_ref(&b, text_len);

    if (!wire_ok(&b) || e.error == 0) {
        return false;
    }
    if (type == NBD_REPLY_TYPE_ERROR_OFFSET) {
        e.offset = wire_get_be64(&b);
        e.has_offset = true;
        if (!wire_ok(&b)) {
            return false;
        }
    }
    /* A text that is not one is left out; the error counts. */
    if (text_len > 0 && text_len <= NBD_MAX_STRING &&
        g_utf8_validate((const char *)text, text_len, NULL)) {
        e.message = g_strndup((const char *)text, text_len);
    }
    *ret_e = e;
    return true;
}
