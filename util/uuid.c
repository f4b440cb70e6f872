/*
 * UUIDs. Source: RFC 4122 (4.1.2 layout, 4.4 version 4).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/uuid.h"

#include <sys/random.h>

/* Random, but not secret: getrandom() cannot fail for 16 bytes once the
 * kernel's pool is up, and the fallback only has to be distinct. */
void qemu_uuid_generate(QemuUUID *out)
{
    if (getrandom(out->data, sizeof(out->data), 0) != sizeof(out->data)) {
        for (size_t i = 0; i < sizeof(out->data); i++) {
            out->data[i] = (unsigned char)g_random_int_range(0, 256);
        }
    }
    out->data[6] = (out->data[6] & 0x0f) | 0x40; /* version 4 */
    out->data[8] = (out->data[8] & 0x3f) | 0x80; /* variant of RFC 4122 */
}

bool qemu_uuid_is_null(const QemuUUID *uu)
{
    static const QemuUUID null_uuid;

    return qemu_uuid_is_equal(uu, &null_uuid);
}

bool qemu_uuid_is_equal(const QemuUUID *lhv, const QemuUUID *rhv)
{
    return memcmp(lhv->data, rhv->data, sizeof(lhv->data)) == 0;
}

static bool hyphen_before(size_t i)
{
    return i == 4 || i == 6 || i == 8 || i == 10;
}

void qemu_uuid_unparse(const QemuUUID *uuid, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof(uuid->data); i++) {
        if (hyphen_before(i)) {
            *out++ = '-';
        }
        *out++ = digits[uuid->data[i] >> 4];
        *out++ = digits[uuid->data[i] & 15];
    }
    *out = '\0';
}

char *qemu_uuid_unparse_strdup(const QemuUUID *uuid)
{
    char *out = g_malloc(UUID_STR_LEN + 1);

    qemu_uuid_unparse(uuid, out);
    return out;
}

int qemu_uuid_parse(const char *str, QemuUUID *uuid)
{
    QemuUUID parsed;

    for (size_t i = 0; i < sizeof(parsed.data); i++) {
        if (hyphen_before(i) && *str++ != '-') {
            return -1;
        }
        if (!g_ascii_isxdigit(str[0]) || !g_ascii_isxdigit(str[1])) {
            return -1;
        }
        parsed.data[i] = (unsigned char)(g_ascii_xdigit_value(str[0]) << 4 |
                                         g_ascii_xdigit_value(str[1]));
        str += 2;
    }
    if (*str) {
        return -1;
    }
    *uuid = parsed;
    return 0;
}

QemuUUID qemu_uuid_bswap(QemuUUID uuid)
{
    uuid.fields.time_low = GUINT32_SWAP_LE_BE(uuid.fields.time_low);
    uuid.fields.time_mid = GUINT16_SWAP_LE_BE(uuid.fields.time_mid);
    uuid.fields.time_high_and_version =
        GUINT16_SWAP_LE_BE(uuid.fields.time_high_and_version);
    return uuid;
}

/* FNV-1a. */
uint32_t qemu_uuid_hash(const void *uuid)
{
    const QemuUUID *uu = uuid;
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < sizeof(uu->data); i++) {
        hash = (hash ^ uu->data[i]) * 16777619u;
    }
    return hash;
}
