/*
 * Multifd's codecs. Source: interface.md 4.5, the documented QEMU migration
 * stream (hello and packet, layouts of 7.2 and of 9.0 on).
 *
 * All fields are big-endian. The hello is magic, version, uuid, id and
 * padding; the packet is
 *
 *     0  magic, version, flags, pages_alloc, normal, next_packet_size  6 x be32
 *    24  packet_num                                                       be64
 *    32  zero_pages, unused                                           2 x be32
 *    40  unused                                                       3 x be64
 *    64  ramblock                                                    256 bytes
 *   320  offsets                                                    128 x be64
 *
 * next_packet_size is the number of bytes that follow. QEMU counts plain
 * pages in it too; what a plain packet says there is ignored, because the
 * number of pages tells.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/wire.h"

#include "migration/stream/stream-wire.h"
#include "util/bswap.h"

enum {
    HELLO_MAGIC = 0,
    HELLO_VERSION = 4,
    HELLO_UUID = 8,
    HELLO_ID = 24,

    PACKET_MAGIC = 0,
    PACKET_VERSION = 4,
    PACKET_FLAGS = 8,
    PACKET_ALLOC = 12,
    PACKET_NORMAL = 16,
    PACKET_DATA = 20,
    PACKET_NUM = 24,
    PACKET_ZERO = 32,
    PACKET_BLOCK = 64,
};

#define METHOD_SHIFT 1

QEMU_BUILD_BUG_ON(PACKET_BLOCK + RAM_BLOCK_NAME_MAX + 1 !=
                  MULTIFD_HEADER_FIXED);

/* What hello and packet begin with. */
static bool magic_check(const uint8_t *buf, Error **errp)
{
    uint32_t magic = ldl_be_p(buf + PACKET_MAGIC);
    uint32_t version = ldl_be_p(buf + PACKET_VERSION);

    if (magic != MULTIFD_MAGIC) {
        error_setg(errp, "magic is 0x%08x, not 0x%08x", magic, MULTIFD_MAGIC);
        return false;
    }
    if (version != MULTIFD_VERSION) {
        error_setg(errp, "version is %u, not %u", version, MULTIFD_VERSION);
        return false;
    }
    return true;
}

void multifd_hello_encode(const MultiFDHello *h, uint8_t *buf)
{
    memset(buf, 0, MULTIFD_HELLO_SIZE);
    stl_be_p(buf + HELLO_MAGIC, MULTIFD_MAGIC);
    stl_be_p(buf + HELLO_VERSION, MULTIFD_VERSION);
    memcpy(buf + HELLO_UUID, h->uuid, sizeof(h->uuid));
    buf[HELLO_ID] = h->id;
}

bool multifd_hello_decode(MultiFDHello *ret, const uint8_t *buf, Error **errp)
{
    if (!magic_check(buf, errp)) {
        return false;
    }
    memcpy(ret->uuid, buf + HELLO_UUID, sizeof(ret->uuid));
    ret->id = buf[HELLO_ID];
    return true;
}

void multifd_packet_encode(const MultiFDPacket *p, uint8_t *buf)
{
    uint32_t flags = (uint32_t)p->method << METHOD_SHIFT;
    unsigned n = p->normal + p->zero;

    memset(buf, 0, MULTIFD_HEADER_SIZE);
    stl_be_p(buf + PACKET_MAGIC, MULTIFD_MAGIC);
    stl_be_p(buf + PACKET_VERSION, MULTIFD_VERSION);
    stl_be_p(buf + PACKET_FLAGS, flags | (p->sync ? MULTIFD_FLAG_SYNC : 0));
    stl_be_p(buf + PACKET_ALLOC, MULTIFD_PAGES_MAX);
    stl_be_p(buf + PACKET_NORMAL, p->normal);
    stl_be_p(buf + PACKET_DATA, p->data_bytes);
    stq_be_p(buf + PACKET_NUM, p->num);
    stl_be_p(buf + PACKET_ZERO, p->zero);
    memcpy(buf + PACKET_BLOCK, p->block, strlen(p->block));
    for (unsigned i = 0; i < n; i++) {
        stq_be_p(buf + MULTIFD_HEADER_FIXED + 8 * i, p->offset[i]);
    }
}

static bool flags_decode(MultiFDPacket *p, uint32_t flags, Error **errp)
{
    uint32_t method = (flags & MULTIFD_FLAG_METHOD_MASK) >> METHOD_SHIFT;

    if (flags & ~(MULTIFD_FLAG_SYNC | MULTIFD_FLAG_METHOD_MASK)) {
        error_setg(errp, "packet has unknown flags 0x%x", flags);
        return false;
    }
    if (method >= MULTIFD_METHODS) {
        error_setg(errp, "packet has unknown compression %u", method);
        return false;
    }
    p->method = method;
    p->sync = flags & MULTIFD_FLAG_SYNC;
    return true;
}

static bool counts_decode(MultiFDPacket *p, const uint8_t *buf, Error **errp)
{
    uint32_t alloc = ldl_be_p(buf + PACKET_ALLOC);

    p->normal = ldl_be_p(buf + PACKET_NORMAL);
    p->zero = ldl_be_p(buf + PACKET_ZERO);
    p->data_bytes = ldl_be_p(buf + PACKET_DATA);
    if (alloc > MULTIFD_PAGES_MAX) {
        error_setg(errp, "packet has room for %u pages, more than %u", alloc,
                   MULTIFD_PAGES_MAX);
        return false;
    }
    if (p->normal > MULTIFD_PAGES_MAX ||
        p->zero > MULTIFD_PAGES_MAX - p->normal) {
        error_setg(errp, "packet has %u pages and %u zero pages, more than %u",
                   p->normal, p->zero, MULTIFD_PAGES_MAX);
        return false;
    }
    if (p->method == MULTIFD_METHOD_NONE || p->normal == 0) {
        p->data_bytes = p->normal * RAM_PAGE_SIZE;
    } else if (p->data_bytes == 0 || p->data_bytes > MULTIFD_BLOB_MAX) {
        error_setg(errp, "packet of %u pages has %u compressed bytes",
                   p->normal, p->data_bytes);
        return false;
    }
    return true;
}

static bool offsets_decode(MultiFDPacket *p, const uint8_t *buf, Error **errp)
{
    for (unsigned i = 0; i < p->normal + p->zero; i++) {
        p->offset[i] = ldq_be_p(buf + MULTIFD_HEADER_FIXED + 8 * i);
        if (p->offset[i] & ~RAM_PAGE_MASK) {
            error_setg(errp, "packet has page offset 0x%" PRIx64 " in '%s'",
                       p->offset[i], p->block);
            return false;
        }
    }
    return true;
}

bool multifd_packet_decode(MultiFDPacket *ret, const uint8_t *buf, Error **errp)
{
    if (!magic_check(buf, errp) ||
        !flags_decode(ret, ldl_be_p(buf + PACKET_FLAGS), errp) ||
        !counts_decode(ret, buf, errp)) {
        return false;
    }
    ret->num = ldq_be_p(buf + PACKET_NUM);
    memcpy(ret->block, buf + PACKET_BLOCK, sizeof(ret->block));
    if (!memchr(ret->block, '\0', sizeof(ret->block)) ||
        !stream_is_text(ret->block, strlen(ret->block)) ||
        (ret->normal + ret->zero > 0 && ret->block[0] == '\0')) {
        error_setg(errp, "packet of %u pages has a bad RAM block name",
                   ret->normal + ret->zero);
        return false;
    }
    return offsets_decode(ret, buf, errp);
}
