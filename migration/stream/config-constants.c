/*
 * Constants in the configuration section: see stream/config-constants.h.
 *
 * A section that only one side has was found by the list of devices; it is
 * passed over here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stream/config-constants.h"

#include "migration/qemu-file.h"
#include "migration/stream/config-devices.h"
#include "migration/stream/savevm-internal.h"
#include "migration/vmstate/constants.h"
#include "util/bswap.h"

/* -- what is sent ---------------------------------------------------------------- */

static void put_be16(GByteArray *a, size_t value)
{
    uint16_t be = cpu_to_be16((uint16_t)value);

    g_byte_array_append(a, (const uint8_t *)&be, sizeof(be));
}

static void put_be32(GByteArray *a, uint32_t value)
{
    uint32_t be = cpu_to_be32(value);

    g_byte_array_append(a, (const uint8_t *)&be, sizeof(be));
}

static void put_name(GByteArray *a, const char *name)
{
    uint8_t len = (uint8_t)strlen(name);

    g_byte_array_append(a, &len, 1);
    g_byte_array_append(a, (const uint8_t *)name, len);
}

static void put_section(GByteArray *a, const SaveStateEntry *se)
{
    g_autoptr(VMStateConstants) c = vmstate_constants_of(se->vmsd, se->opaque);
    unsigned n = vmstate_constants_count(c);
    guint before = a->len;

    if (n == 0) {
        return;
    }
    put_name(a, se->idstr);
    put_be32(a, se->instance_id);
    put_be16(a, n);
    for (unsigned i = 0; i < n; i++) {
        const VMStateConstant *k = vmstate_constants_at(c, i);

        put_name(a, k->name);
        put_be16(a, k->bytes->len);
        g_byte_array_append(a, k->bytes->data, k->bytes->len);
    }
    if (a->len > CONFIG_CONSTANTS_BYTES_MAX) {
        g_byte_array_set_size(a, before);
    }
}

GByteArray *config_constants_of(const SaveVMRegistry *reg)
{
    GByteArray *a = g_byte_array_new();
    const SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (se->vmsd) {
            put_section(a, se);
        }
    }
    return a;
}

void config_constants_put(QEMUFile *f, const GByteArray *constants)
{
    qemu_put_be32(f, constants->len);
    qemu_put_buffer(f, constants->data, constants->len);
}

GByteArray *config_constants_get(QEMUFile *f, Error **errp)
{
    uint32_t len = qemu_get_be32(f);
    g_autoptr(GByteArray) a = g_byte_array_new();

    if (qemu_file_get_error(f)) {
        return NULL;
    }
    if (len > CONFIG_CONSTANTS_BYTES_MAX) {
        error_setg(errp, "configuration with %" PRIu32 " bytes of constants",
                   len);
        return NULL;
    }
    g_byte_array_set_size(a, len);
    qemu_get_buffer(f, a->data, len);
    return qemu_file_get_error(f) ? NULL : g_steal_pointer(&a);
}

/* -- comparing ------------------------------------------------------------------------ */

/* What is left to read; @bad once it ended too early. */
typedef struct Reader {
    const uint8_t *at;
    size_t left;
    bool bad;
} Reader;

static const uint8_t *take(Reader *r, size_t n)
{
    const uint8_t *at = r->at;

    if (r->bad || n > r->left) {
        r->bad = true;
        return NULL;
    }
    r->at += n;
    r->left -= n;
    return at;
}

static unsigned take_be16(Reader *r)
{
    const uint8_t *p = take(r, sizeof(uint16_t));

    return p ? lduw_be_p(p) : 0;
}

/* @ret: STREAM_NAME_MAX + 1 bytes. */
static void take_name(Reader *r, char *ret)
{
    const uint8_t *len = take(r, 1);
    const uint8_t *name = len ? take(r, *len) : NULL;

    ret[0] = '\0';
    if (!name || *len == 0 || memchr(name, '\0', *len)) {
        r->bad = true;
        return;
    }
    memcpy(ret, name, *len);
    ret[*len] = '\0';
}

/* Those of one section; @c: ours, NULL: it is not here. */
static void check_section(Reader *r, const VMStateConstants *c, GString *why)
{
    unsigned n = take_be16(r);

    for (unsigned i = 0; i < n && !r->bad; i++) {
        char name[STREAM_NAME_MAX + 1];
        const uint8_t *bytes;
        unsigned len;

        take_name(r, name);
        len = take_be16(r);
        bytes = take(r, len);
        if (bytes && c) {
            vmstate_constants_compare(c, name, bytes, len, why);
        }
    }
}

/* Each section once: ours are put together for each that comes. */
static bool is_new(GHashTable *seen, const SaveStateEntry *se)
{
    return !se || g_hash_table_add(seen, (gpointer)se);
}

static bool check_next(Reader *r, SaveVMRegistry *reg, GHashTable *seen,
                       Error **errp)
{
    g_autoptr(GString) why = g_string_new(NULL);
    g_autoptr(VMStateConstants) c = NULL;
    char idstr[STREAM_NAME_MAX + 1];
    const SaveStateEntry *se;
    const uint8_t *instance;

    take_name(r, idstr);
    instance = take(r, sizeof(uint32_t));
    if (!instance) {
        return true;
    }
    se = savevm_find(reg, idstr, ldl_be_p(instance));
    if (!is_new(seen, se)) {
        error_setg(errp,
                   "configuration: the constants of device '%s' instance "
                   "%" PRIu32 " come twice",
                   idstr, se->instance_id);
        return false;
    }
    if (se && se->vmsd) {
        c = vmstate_constants_of(se->vmsd, se->opaque);
    }
    check_section(r, c, why);
    if (r->bad || why->len == 0) {
        return true;
    }
    if (se->instance_id) {
        error_setg(errp, "device '%s' instance %" PRIu32 " differs: %s", idstr,
                   se->instance_id, why->str);
    } else {
        error_setg(errp, "device '%s' differs: %s", idstr, why->str);
    }
    return false;
}

bool config_constants_check(const GByteArray *theirs, SaveVMRegistry *reg,
                            Error **errp)
{
    Reader r = { theirs->data, theirs->len, false };
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    for (unsigned n = 0; r.left > 0 && !r.bad; n++) {
        if (n >= CONFIG_DEVICES_MAX) {
            error_setg(errp,
                       "configuration with constants of more than %u "
                       "devices",
                       n);
            return false;
        }
        if (!check_next(&r, reg, seen, errp)) {
            return false;
        }
    }
    if (r.bad) {
        error_setg(errp, "configuration: the constants of devices end early");
    }
    return !r.bad;
}
