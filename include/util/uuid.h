/*
 * UUIDs. Source: RFC 4122.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_UUID_H
#define UTIL_UUID_H

#include <stdbool.h>
#include <stdint.h>

/* As on the wire: all fields big-endian (see qemu_uuid_bswap()). */
typedef struct QemuUUID {
    union {
        unsigned char data[16];
        struct {
            uint32_t time_low;
            uint16_t time_mid;
            uint16_t time_high_and_version;
            uint8_t clock_seq_and_reserved;
            uint8_t clock_seq_low;
            uint8_t node[6];
        } fields;
    };
} QemuUUID;

_Static_assert(sizeof(QemuUUID) == 16, "a UUID has 16 bytes");

#define UUID_FMT                                                               \
    "%02hhx%02hhx%02hhx%02hhx-"                                                \
    "%02hhx%02hhx-%02hhx%02hhx-"                                               \
    "%02hhx%02hhx-"                                                            \
    "%02hhx%02hhx%02hhx%02hhx%02hhx%02hhx"

#define UUID_STR_LEN 36 /* characters, without the NUL */
#define UUID_FMT_LEN UUID_STR_LEN
#define UUID_NONE    "00000000-0000-0000-0000-000000000000"

/** qemu_uuid_generate: a random (version 4) UUID. */
void qemu_uuid_generate(QemuUUID *out);
bool qemu_uuid_is_null(const QemuUUID *uu);
bool qemu_uuid_is_equal(const QemuUUID *lhv, const QemuUUID *rhv);

/** qemu_uuid_unparse: @out has UUID_STR_LEN + 1 bytes. */
void qemu_uuid_unparse(const QemuUUID *uuid, char *out);
/** qemu_uuid_unparse_strdup: free with g_free(). */
char *qemu_uuid_unparse_strdup(const QemuUUID *uuid);

/**
 * qemu_uuid_parse:
 * @str: text
 * @uuid: (out) set when the return is 0
 *
 * Returns: 0, or -1 if @str is not exactly a UUID with hyphens.
 */
int qemu_uuid_parse(const char *str, QemuUUID *uuid);

/** qemu_uuid_bswap: the form with little-endian fields (SMBIOS, GPT). */
QemuUUID qemu_uuid_bswap(QemuUUID uuid);
uint32_t qemu_uuid_hash(const void *uuid);

#endif
