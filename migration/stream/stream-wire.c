/*
 * The framing of a migration stream: see stream/stream-wire.h.
 *
 * A command's length stands before its payload, so that its decoder gets all
 * of it at once, and may insist on the exact length.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stream/stream-wire.h"

#include "util/error.h"

#define ADVISE_LEN 16
#define RANGE_LEN  16

/* Bytes of payload; -1: not fixed. */
static const struct {
    const char *name;
    int len;
} commands[STREAM_CMD__MAX] = {
    [STREAM_CMD_OPEN_RETURN_PATH] = { "OPEN_RETURN_PATH", 0 },
    [STREAM_CMD_PING] = { "PING", 4 },
    [STREAM_CMD_POSTCOPY_ADVISE] = { "POSTCOPY_ADVISE", -1 },
    [STREAM_CMD_POSTCOPY_LISTEN] = { "POSTCOPY_LISTEN", 0 },
    [STREAM_CMD_POSTCOPY_RUN] = { "POSTCOPY_RUN", 0 },
    [STREAM_CMD_POSTCOPY_RAM_DISCARD] = { "POSTCOPY_RAM_DISCARD", -1 },
    [STREAM_CMD_PACKAGED] = { "PACKAGED", 4 },
    [STREAM_CMD_ENABLE_COLO] = { "ENABLE_COLO", 0 },
    [STREAM_CMD_POSTCOPY_RESUME] = { "POSTCOPY_RESUME", 0 },
    [STREAM_CMD_RECV_BITMAP] = { "RECV_BITMAP", -1 },
    [STREAM_CMD_SWITCHOVER_START] = { "SWITCHOVER_START", 0 },
};

bool stream_is_text(const void *bytes, size_t len)
{
    const uint8_t *b = (const uint8_t *)bytes;

    for (size_t i = 0; i < len; i++) {
        if (b[i] < 0x20 || b[i] == 0x7f) {
            return false;
        }
    }
    return g_utf8_validate_len((const char *)bytes, len, NULL);
}

const char *stream_command_name(unsigned command)
{
    return command < STREAM_CMD__MAX ? commands[command].name : NULL;
}

bool stream_header_check(const uint8_t bytes[STREAM_HEADER_LEN], Error **errp)
{
    WireBuffer b = WIRE_READER(bytes, STREAM_HEADER_LEN);
    uint32_t magic = wire_get_be32(&b);
    uint32_t version = wire_get_be32(&b);

    if (magic != STREAM_MAGIC) {
        error_setg(errp, "not a migration stream (begins with 0x%08" PRIx32 ")",
                   magic);
        return false;
    }
    if (version == STREAM_VERSION_V2) {
        error_setg(errp, "migration stream of the obsolete version 2");
        return false;
    }
    if (version != STREAM_VERSION) {
        error_setg(errp, "migration stream of unknown version %" PRIu32,
                   version);
        return false;
    }
    return true;
}

void stream_header_put(WireBuffer *b)
{
    wire_put_be32(b, STREAM_MAGIC);
    wire_put_be32(b, STREAM_VERSION);
}

static void put_name(WireBuffer *b, const char *name)
{
    size_t len = strlen(name);

    g_assert(len <= STREAM_NAME_MAX);
    wire_put_u8(b, (uint8_t)len);
    wire_put_bytes(b, name, len);
}

/* A counted name; false: empty, cut off, or no text. */
static bool get_name(WireBuffer *b, char name[STREAM_NAME_MAX + 1])
{
    size_t len = wire_get_u8(b);
    const uint8_t *text = wire_get_ref(b, len);

    if (!text || len == 0 || !stream_is_text(text, len)) {
        return false;
    }
    memcpy(name, text, len);
    name[len] = '\0';
    return true;
}

void stream_section_put(WireBuffer *b, StreamSection type,
                        const StreamSectionHeader *h)
{
    wire_put_u8(b, (uint8_t)type);
    wire_put_be32(b, h->section_id);
    put_name(b, h->idstr);
    wire_put_be32(b, h->instance_id);
    wire_put_be32(b, h->version_id);
}

static bool decode_advise(WireBuffer *b, size_t len, StreamCommandBody *c,
                          Error **errp)
{
    if (len == 0) {
        return true;
    }
    if (len != ADVISE_LEN) {
        error_setg(errp, "command POSTCOPY_ADVISE of %zu bytes, not %d", len,
                   ADVISE_LEN);
        return false;
    }
    c->page_sizes = wire_get_be64(b);
    c->target_page_size = wire_get_be64(b);
    if (c->page_sizes == 0 || c->target_page_size == 0) {
        error_setg(errp, "command POSTCOPY_ADVISE without page sizes");
        return false;
    }
    return true;
}

static bool decode_discard(WireBuffer *b, StreamCommandBody *c, Error **errp)
{
    uint8_t version = wire_get_u8(b);

    if (version != STREAM_DISCARD_VERSION) {
        error_setg(errp, "command POSTCOPY_RAM_DISCARD of version %u", version);
        return false;
    }
    if (!get_name(b, c->name) || wire_get_u8(b) != 0 ||
        wire_left(b) % RANGE_LEN != 0 || wire_left(b) == 0) {
        error_setg(errp, "command POSTCOPY_RAM_DISCARD is malformed");
        return false;
    }
    if (wire_left(b) / RANGE_LEN > STREAM_DISCARD_MAX) {
        error_setg(errp, "command POSTCOPY_RAM_DISCARD with %zu ranges",
                   wire_left(b) / RANGE_LEN);
        return false;
    }
    while (wire_left(b) > 0) {
        StreamRange *r = &c->range[c->ranges++];
        uint64_t end;

        r->start = wire_get_be64(b);
        r->len = wire_get_be64(b);
        if (r->len == 0 || __builtin_add_overflow(r->start, r->len, &end)) {
            error_setg(errp,
                       "command POSTCOPY_RAM_DISCARD of %" PRIu64
                       " bytes at %" PRIu64 " of block '%s'",
                       r->len, r->start, c->name);
            return false;
        }
    }
    return true;
}

static bool decode_payload(WireBuffer *b, size_t len, StreamCommandBody *c,
                           Error **errp)
{
    switch (c->command) {
    case STREAM_CMD_PING:
        c->value = wire_get_be32(b);
        return true;
    case STREAM_CMD_POSTCOPY_ADVISE:
        return decode_advise(b, len, c, errp);
    case STREAM_CMD_POSTCOPY_RAM_DISCARD:
        return decode_discard(b, c, errp);
    case STREAM_CMD_PACKAGED:
        c->package_len = wire_get_be32(b);
        if (c->package_len == 0 || c->package_len > STREAM_PACKAGE_MAX) {
            error_setg(errp, "package of %" PRIu32 " bytes, at most %u",
                       c->package_len, STREAM_PACKAGE_MAX);
            return false;
        }
        return true;
    case STREAM_CMD_RECV_BITMAP:
        if (!get_name(b, c->name) || !wire_at_end(b)) {
            error_setg(errp, "command RECV_BITMAP is malformed");
            return false;
        }
        return true;
    default:
        return true;
    }
}

bool stream_command_decode(unsigned command, const uint8_t *data, size_t len,
                           StreamCommandBody *ret, Error **errp)
{
    StreamCommandBody c = { .command = (StreamCommand)command };
    WireBuffer b = WIRE_READER(data, len);

    if (!stream_command_name(command)) {
        error_setg(errp, "unknown command %u of %zu bytes", command, len);
        return false;
    }
    if (commands[command].len >= 0 && (size_t)commands[command].len != len) {
        error_setg(errp, "command %s of %zu bytes, not %d",
                   commands[command].name, len, commands[command].len);
        return false;
    }
    if (!decode_payload(&b, len, &c, errp)) {
        return false;
    }
    *ret = c;
    return true;
}

static void put_payload(WireBuffer *b, const StreamCommandBody *c)
{
    switch (c->command) {
    case STREAM_CMD_PING:
        wire_put_be32(b, c->value);
        break;
    case STREAM_CMD_POSTCOPY_ADVISE:
        if (c->page_sizes) {
            wire_put_be64(b, c->page_sizes);
            wire_put_be64(b, c->target_page_size);
        }
        break;
    case STREAM_CMD_POSTCOPY_RAM_DISCARD:
        wire_put_u8(b, STREAM_DISCARD_VERSION);
        put_name(b, c->name);
        wire_put_u8(b, 0);
        for (size_t i = 0; i < c->ranges; i++) {
            wire_put_be64(b, c->range[i].start);
            wire_put_be64(b, c->range[i].len);
        }
        break;
    case STREAM_CMD_PACKAGED:
        wire_put_be32(b, c->package_len);
        break;
    case STREAM_CMD_RECV_BITMAP:
        put_name(b, c->name);
        break;
    default:
        break;
    }
}

void stream_command_put(WireBuffer *b, const StreamCommandBody *c)
{
    size_t len_at;

    wire_put_u8(b, STREAM_COMMAND);
    wire_put_be16(b, (uint16_t)c->command);
    len_at = b->len;
    wire_put_be16(b, 0);
    put_payload(b, c);
    wire_patch_be16(b, len_at, (uint16_t)(b->len - len_at - 2));
}
