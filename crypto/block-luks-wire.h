/*
 * The LUKS1 header: bytes to numbers and back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_BLOCK_LUKS_WIRE_H
#define CRYPTO_BLOCK_LUKS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/typedefs.h"

#define LUKS_HEADER_BYTES 592
#define LUKS_VERSION      1
#define LUKS_SECTOR       512
#define LUKS_SLOTS        8
#define LUKS_NAME_BYTES   32
#define LUKS_DIGEST_BYTES 20
#define LUKS_SALT_BYTES   32
#define LUKS_UUID_BYTES   40
#define LUKS_STRIPES      4000
/* Where key material begins, and what it is aligned to, when we place it. */
#define LUKS_ALIGN 4096
/* Keys of more bytes are not of any cipher. */
#define LUKS_KEY_BYTES_MAX 64
/* One try of a passphrase takes a minute or two; more is an attack. */
#define LUKS_ITERATIONS_MAX (1U << 28)
/* As the splitter has it; programs write LUKS_STRIPES. */
#define LUKS_STRIPES_MAX 65536

/* One key slot; numbers in sectors are from the header's begin. */
typedef struct LUKSSlot {
    bool active;
    uint32_t iterations;
    uint8_t salt[LUKS_SALT_BYTES];
    uint32_t key_sector; /* where the split key is */
    uint32_t stripes;
} LUKSSlot;

typedef struct LUKSHeader {
    char cipher_name[LUKS_NAME_BYTES]; /* all with a NUL inside */
    char cipher_mode[LUKS_NAME_BYTES];
    char hash_spec[LUKS_NAME_BYTES];
    uint32_t payload_sector;
    uint32_t key_bytes;
    uint8_t digest[LUKS_DIGEST_BYTES]; /* of the key */
    uint8_t digest_salt[LUKS_SALT_BYTES];
    uint32_t digest_iterations;
    char uuid[LUKS_UUID_BYTES];
    LUKSSlot slots[LUKS_SLOTS];
} LUKSHeader;

/** luks_wire_probe: do @len bytes begin with magic and version? */
bool luks_wire_probe(const uint8_t *buf, size_t len);

/**
 * luks_wire_decode:
 * @buf: (in) LUKS_HEADER_BYTES bytes, hostile
 * @detached: the payload is in another file
 * @header: (out) set when the return is true
 * @errp: (out) set when the return is false
 *
 * What is in @header afterwards is within its limits and consistent: the
 * slots' material lies behind the header, no two overlap, and none reaches
 * into the payload. Names may still be unknown.
 *
 * Source: LUKS On-Disk Format Specification 1.2.3, figures 1 and 2.
 * Returns: true on success.
 */
bool luks_wire_decode(const uint8_t *buf, bool detached, LUKSHeader *header,
                      Error **errp);

/** luks_wire_encode: the reverse; @buf has LUKS_HEADER_BYTES. */
void luks_wire_encode(const LUKSHeader *header, uint8_t *buf);

/** luks_material_bytes: of a slot whose key is split into @stripes. */
static inline uint32_t luks_material_bytes(uint32_t key_bytes, uint32_t stripes)
{
    return key_bytes * stripes;
}

/** luks_slot_stripes: of a slot that may be empty: what it has room for. */
uint32_t luks_slot_stripes(const LUKSSlot *slot);

#endif
