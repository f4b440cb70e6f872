/*
 * Codec of mode cpr-transfer's message; see cpr/wire.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/cpr/wire.h"

#include "migration/stream/stream-wire.h"
#include "util/bswap.h"

/* No piece of memory ends beyond this. */
#define BYTES_MAX (UINT64_C(1) << 52)

static uint8_t *put_be32(uint8_t *p, uint32_t v)
{
    stl_be_p(p, v);
    return p + sizeof(v);
}

static uint8_t *put_be64(uint8_t *p, uint64_t v)
{
    stq_be_p(p, v);
    return p + sizeof(v);
}

size_t cpr_encode(const CprMessage *m,
                  uint8_t buf[CPR_HEADER_LEN + CPR_BODY_MAX])
{
    uint8_t *p = buf + CPR_HEADER_LEN;
    uint8_t *hdr;

    assert(m->n <= CPR_BLOCKS_MAX);
    for (unsigned i = 0; i < m->n; i++) {
        const CprBlock *b = &m->block[i];
        size_t len = strlen(b->idstr);

        *p++ = (uint8_t)len;
        memcpy(p, b->idstr, len);
        p = put_be64(p + len, b->bytes);
        p = put_be64(p, b->page_size);
        p = put_be64(p, b->offset);
    }
    hdr = put_be32(buf, CPR_VERSION);
    memcpy(hdr, m->token, CPR_TOKEN_LEN);
    hdr = put_be32(hdr + CPR_TOKEN_LEN, m->n);
    put_be32(hdr, (uint32_t)(p - buf - CPR_HEADER_LEN));
    return (size_t)(p - buf);
}

bool cpr_header_decode(const uint8_t hdr[CPR_HEADER_LEN], CprMessage *ret,
                       size_t *ret_len, Error **errp)
{
    uint32_t version = ldl_be_p(hdr);
    uint32_t n = ldl_be_p(hdr + 4 + CPR_TOKEN_LEN);
    uint32_t len = ldl_be_p(hdr + 8 + CPR_TOKEN_LEN);

    if (version != CPR_VERSION) {
        error_setg(errp, "message of passed memory: version %" PRIu32, version);
        return false;
    }
    if (n == 0 || n > CPR_BLOCKS_MAX || len > n * CPR_BLOCK_MAX) {
        error_setg(errp,
                   "message of passed memory: %" PRIu32 " blocks in %" PRIu32
                   " bytes",
                   n, len);
        return false;
    }
    memcpy(ret->token, hdr + 4, CPR_TOKEN_LEN);
    ret->n = n;
    *ret_len = len;
    return true;
}

static bool is_listed(const CprMessage *m, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(m->block[i].idstr, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool numbers_ok(const CprBlock *b)
{
    return b->page_size >= RAM_PAGE_SIZE &&
           (b->page_size & (b->page_size - 1)) == 0 && b->bytes > 0 &&
           b->bytes < BYTES_MAX && b->offset < BYTES_MAX &&
           b->bytes % b->page_size == 0 && b->offset % b->page_size == 0;
}

bool cpr_body_decode(const uint8_t *body, size_t len, CprMessage *m,
                     Error **errp)
{
    const uint8_t *p = body;
    const uint8_t *end = body + len;

    for (unsigned i = 0; i < m->n; i++) {
        CprBlock *b = &m->block[i];
        size_t name_len = p < end ? *p++ : 0;

        if (name_len == 0 || (size_t)(end - p) < name_len + 3 * 8 ||
            !stream_is_text(p, name_len)) {
            error_setg(errp, "message of passed memory: block %u is malformed",
                       i);
            return false;
        }
        memcpy(b->idstr, p, name_len);
        b->idstr[name_len] = '\0';
        p += name_len;
        b->bytes = ldq_be_p(p);
        b->page_size = ldq_be_p(p + 8);
        b->offset = ldq_be_p(p + 16);
        p += 3 * 8;
        if (is_listed(m, i, b->idstr) || !numbers_ok(b)) {
            error_setg(errp,
                       "message of passed memory: block '%s' is malformed or "
                       "comes twice",
                       b->idstr);
            return false;
        }
    }
    if (p != end) {
        error_setg(errp, "message of passed memory: %zu bytes too many",
                   (size_t)(end - p));
        return false;
    }
    return true;
}
