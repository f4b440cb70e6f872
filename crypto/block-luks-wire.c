/*
 * The LUKS1 header: bytes to numbers and back.
 *
 *     0 magic "LUKS" ba be   6 version, 1        8 cipher     40 mode
 *    72 hash               104 payload sector  108 key bytes 112 key's digest
 *   132 digest's salt      164 its iterations  168 uuid
 *   208 + 48 * n: key slot n:
 *     0 enabled or not       4 iterations        8 salt
 *    40 sector of material  44 stripes
 *
 * All numbers big-endian, all texts with a NUL. Whoever made the header may
 * mean harm: texts without end, key material over the header, over each
 * other or over the payload, and iterations that take a year are refused
 * here, before anything else looks at it.
 *
 * Source: LUKS On-Disk Format Specification 1.2.3, part 3.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block-luks-wire.h"

#include "util/error.h"
#include "util/wire-buffer.h"

#define LUKS_SLOT_ENABLED  0x00AC71F3
#define LUKS_SLOT_DISABLED 0x0000DEAD

static const uint8_t luks_magic[6] = { 'L', 'U', 'K', 'S', 0xba, 0xbe };

bool luks_wire_probe(const uint8_t *buf, size_t len)
{
    return len >= 8 && !memcmp(buf, luks_magic, sizeof(luks_magic)) &&
           buf[6] == 0 && buf[7] == LUKS_VERSION;
}

static bool luks_get_text(WireBuffer *b, char *text, size_t size,
                          const char *what, Error **errp)
{
    wire_get_bytes(b, text, size);
    if (!memchr(text, '\0', size)) {
        error_setg(errp, "LUKS header: %s has no end", what);
        return false;
    }
    for (const char *p = text; *p; p++) {
        if (!g_ascii_isprint(*p)) {
            error_setg(errp, "LUKS header: %s is not plain text", what);
            return false;
        }
    }
    return true;
}

static bool luks_get_slot(WireBuffer *b, unsigned n, LUKSSlot *slot,
                          Error **errp)
{
    uint32_t state = wire_get_be32(b);

    slot->active = state == LUKS_SLOT_ENABLED;
    slot->iterations = wire_get_be32(b);
    wire_get_bytes(b, slot->salt, sizeof(slot->salt));
    slot->key_sector = wire_get_be32(b);
    slot->stripes = wire_get_be32(b);
    if (state != LUKS_SLOT_ENABLED && state != LUKS_SLOT_DISABLED) {
        error_setg(errp, "LUKS header: key slot %u is neither active nor not",
                   n);
        return false;
    }
    if (!slot->active) {
        return true;
    }
    if (slot->iterations == 0 || slot->iterations > LUKS_ITERATIONS_MAX) {
        error_setg(errp,
                   "LUKS header: key slot %u has %" PRIu32
                   " iterations, not 1 to %u",
                   n, slot->iterations, LUKS_ITERATIONS_MAX);
        return false;
    }
    if (slot->stripes == 0 || slot->stripes > LUKS_STRIPES_MAX) {
        error_setg(errp,
                   "LUKS header: key slot %u has %" PRIu32
                   " stripes, not 1 to %d",
                   n, slot->stripes, LUKS_STRIPES_MAX);
        return false;
    }
    return true;
}

uint32_t luks_slot_stripes(const LUKSSlot *slot)
{
    return slot->active ? slot->stripes : LUKS_STRIPES;
}

/* Sector behind the material of a slot; fits, as everything has a limit. */
static uint64_t luks_slot_end(const LUKSHeader *h, const LUKSSlot *slot)
{
    uint32_t bytes = luks_material_bytes(h->key_bytes, luks_slot_stripes(slot));

    return (uint64_t)slot->key_sector + DIV_ROUND_UP(bytes, LUKS_SECTOR);
}

static bool luks_check_places(const LUKSHeader *h, bool detached, Error **errp)
{
    if (!detached && h->payload_sector == 0) {
        error_setg(errp, "LUKS header: the payload is not in the same file");
        return false;
    }
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        const LUKSSlot *slot = &h->slots[i];

        if (slot->key_sector < DIV_ROUND_UP(LUKS_HEADER_BYTES, LUKS_SECTOR)) {
            error_setg(errp, "LUKS header: key slot %u overlaps the header", i);
            return false;
        }
        for (unsigned j = 0; j < i; j++) {
            const LUKSSlot *other = &h->slots[j];

            if (slot->key_sector < luks_slot_end(h, other) &&
                other->key_sector < luks_slot_end(h, slot)) {
                error_setg(errp, "LUKS header: key slots %u and %u overlap", j,
                           i);
                return false;
            }
        }
        if (!detached && luks_slot_end(h, slot) > h->payload_sector) {
            error_setg(errp,
                       "LUKS header: key slot %u overlaps the payload, which "
                       "begins at sector %" PRIu32,
                       i, h->payload_sector);
            return false;
        }
    }
    return true;
}

static bool luks_check_numbers(const LUKSHeader *h, Error **errp)
{
    if (h->key_bytes == 0 || h->key_bytes > LUKS_KEY_BYTES_MAX) {
        error_setg(errp, "LUKS header: key of %" PRIu32 " bytes, not 1 to %d",
                   h->key_bytes, LUKS_KEY_BYTES_MAX);
        return false;
    }
    if (h->digest_iterations == 0 ||
        h->digest_iterations > LUKS_ITERATIONS_MAX) {
        error_setg(errp,
                   "LUKS header: the key's digest has %" PRIu32
                   " iterations, not 1 to %u",
                   h->digest_iterations, LUKS_ITERATIONS_MAX);
        return false;
    }
    return true;
}

bool luks_wire_decode(const uint8_t *buf, bool detached, LUKSHeader *header,
                      Error **errp)
{
    WireBuffer b = WIRE_READER(buf, LUKS_HEADER_BYTES);
    uint8_t magic[sizeof(luks_magic)];
    LUKSHeader h = { 0 };
    uint16_t version;

    wire_get_bytes(&b, magic, sizeof(magic));
    version = wire_get_be16(&b);
    if (memcmp(magic, luks_magic, sizeof(magic))) {
        error_setg(errp, "there is no LUKS header");
        return false;
    }
    if (version != LUKS_VERSION) {
        error_setg(errp, "LUKS version %u is not supported, only version %d",
                   version, LUKS_VERSION);
        return false;
    }
    if (!luks_get_text(&b, h.cipher_name, sizeof(h.cipher_name),
                       "the cipher's name", errp) ||
        !luks_get_text(&b, h.cipher_mode, sizeof(h.cipher_mode),
                       "the cipher's mode", errp) ||
        !luks_get_text(&b, h.hash_spec, sizeof(h.hash_spec), "the hash's name",
                       errp)) {
        return false;
    }
    h.payload_sector = wire_get_be32(&b);
    h.key_bytes = wire_get_be32(&b);
    wire_get_bytes(&b, h.digest, sizeof(h.digest));
    wire_get_bytes(&b, h.digest_salt, sizeof(h.digest_salt));
    h.digest_iterations = wire_get_be32(&b);
    if (!luks_get_text(&b, h.uuid, sizeof(h.uuid), "the UUID", errp) ||
        !luks_check_numbers(&h, errp)) {
        return false;
    }
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        if (!luks_get_slot(&b, i, &h.slots[i], errp)) {
            return false;
        }
    }
    assert(wire_at_end(&b));
    if (!luks_check_places(&h, detached, errp)) {
        return false;
    }
    *header = h;
    return true;
}

static void luks_put_slot(WireBuffer *b, const LUKSSlot *slot)
{
    wire_put_be32(b, slot->active ? LUKS_SLOT_ENABLED : LUKS_SLOT_DISABLED);
    wire_put_be32(b, slot->iterations);
    wire_put_bytes(b, slot->salt, sizeof(slot->salt));
    wire_put_be32(b, slot->key_sector);
    wire_put_be32(b, slot->stripes);
}

void luks_wire_encode(const LUKSHeader *h, uint8_t *buf)
{
    g_auto(WireBuffer) b = { 0 };

    wire_writer_init(&b, LUKS_HEADER_BYTES, false);
    wire_put_bytes(&b, luks_magic, sizeof(luks_magic));
    wire_put_be16(&b, LUKS_VERSION);
    wire_put_bytes(&b, h->cipher_name, sizeof(h->cipher_name));
    wire_put_bytes(&b, h->cipher_mode, sizeof(h->cipher_mode));
    wire_put_bytes(&b, h->hash_spec, sizeof(h->hash_spec));
    wire_put_be32(&b, h->payload_sector);
    wire_put_be32(&b, h->key_bytes);
    wire_put_bytes(&b, h->digest, sizeof(h->digest));
    wire_put_bytes(&b, h->digest_salt, sizeof(h->digest_salt));
    wire_put_be32(&b, h->digest_iterations);
    wire_put_bytes(&b, h->uuid, sizeof(h->uuid));
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        luks_put_slot(&b, &h->slots[i]);
    }
    assert(wire_ok(&b) && b.len == LUKS_HEADER_BYTES);
    memcpy(buf, b.data, LUKS_HEADER_BYTES);
}
