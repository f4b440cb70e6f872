/*
 * The list of devices in the configuration section: see stream/config-devices.h.
 *
 * Both lists are compared by name and instance. All that is on one side only
 * is named at once, up to NAMES_MAX of each side: who has forgotten one device
 * has often forgotten two.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stream/config-devices.h"

#include "migration/qemu-file.h"
#include "migration/stream/config-constants.h"
#include "migration/stream/savevm-internal.h"
#include "util/error.h"

#define NAMES_MAX 8

static ConfigDevices *devices_new(uint32_t cpus)
{
    ConfigDevices *d = g_new0(ConfigDevices, 1);

    d->cpus = cpus;
    d->list = g_array_new(FALSE, TRUE, sizeof(ConfigDevice));
    return d;
}

void config_devices_free(ConfigDevices *d)
{
    if (d) {
        g_array_unref(d->list);
        g_clear_pointer(&d->constants, g_byte_array_unref);
        g_free(d);
    }
}

/* Whatever the devices' states are, it is sent. */
static bool always_sent(const SaveStateEntry *se)
{
    return savevm_entry_is_active(se) && !(se->vmsd && se->vmsd->needed);
}

ConfigDevices *config_devices_of(const SaveVMRegistry *reg, uint32_t cpus)
{
    ConfigDevices *d = devices_new(cpus);
    const SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        ConfigDevice one = { .instance_id = se->instance_id,
                             .version_id = (uint32_t)se->version_id };

        if (always_sent(se) && d->list->len < CONFIG_DEVICES_MAX) {
            g_strlcpy(one.idstr, se->idstr, sizeof(one.idstr));
            g_array_append_val(d->list, one);
        }
    }
    d->constants = config_constants_of(reg);
    return d;
}

static const ConfigDevice *at(const ConfigDevices *d, guint i)
{
    return &g_array_index(d->list, ConfigDevice, i);
}

/* -- on the wire --------------------------------------------------------------- */

void config_devices_put(QEMUFile *f, const ConfigDevices *d)
{
    qemu_put_be32(f, d->cpus);
    qemu_put_be32(f, d->list->len);
    for (guint i = 0; i < d->list->len; i++) {
        qemu_put_counted_string(f, at(d, i)->idstr);
        qemu_put_be32(f, at(d, i)->instance_id);
        qemu_put_be32(f, at(d, i)->version_id);
    }
}

static bool get_one(QEMUFile *f, ConfigDevices *d, Error **errp)
{
    ConfigDevice one = { 0 };
    size_t len = qemu_get_counted_string(f, one.idstr);

    one.instance_id = qemu_get_be32(f);
    one.version_id = qemu_get_be32(f);
    if (qemu_file_get_error(f)) {
        return false;
    }
    if (len == 0) {
        error_setg(errp, "configuration: device %u has no name", d->list->len);
        return false;
    }
    g_array_append_val(d->list, one);
    return true;
}

ConfigDevices *config_devices_get(QEMUFile *f, Error **errp)
{
    g_autoptr(ConfigDevices) d = devices_new(qemu_get_be32(f));
    uint32_t n = qemu_get_be32(f);

    if (qemu_file_get_error(f)) {
        return NULL;
    }
    if (n > CONFIG_DEVICES_MAX) {
        error_setg(errp, "configuration with %" PRIu32 " devices", n);
        return NULL;
    }
    while (d->list->len < n) {
        if (!get_one(f, d, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&d);
}

/* -- comparing ------------------------------------------------------------------- */

static char *key_of(const char *idstr, uint32_t instance_id)
{
    return g_strdup_printf("%s instance %" PRIu32, idstr, instance_id);
}

/* Names for a message; those behind NAMES_MAX are only counted. */
typedef struct Names {
    GString *text;
    unsigned n;
} Names;

static void names_add(Names *names, const char *idstr, uint32_t instance_id)
{
    if (names->n++ >= NAMES_MAX) {
        return;
    }
    g_string_append_printf(names->text, "%s'%s'", names->n > 1 ? ", " : "",
                           idstr);
    if (instance_id) {
        g_string_append_printf(names->text, " instance %" PRIu32, instance_id);
    }
}

static char *names_end(Names *names)
{
    if (names->n > NAMES_MAX) {
        g_string_append_printf(names->text, " and %u more",
                               names->n - NAMES_MAX);
    }
    return g_string_free(names->text, FALSE);
}

static bool check_version(const ConfigDevice *theirs, const SaveStateEntry *se,
                          Error **errp)
{
    int64_t least = se->vmsd ? se->vmsd->minimum_version_id : 0;

    if (theirs->version_id > (uint32_t)se->version_id) {
        error_setg(errp,
                   "device '%s' has version %" PRIu32
                   " at the source, this side knows up to %d",
                   theirs->idstr, theirs->version_id, se->version_id);
        return false;
    }
    if (theirs->version_id < least) {
        error_setg(errp,
                   "device '%s' has version %" PRIu32
                   " at the source, this side needs %" PRId64 " at least",
                   theirs->idstr, theirs->version_id, least);
        return false;
    }
    return true;
}

/* Each of theirs against ours; @ret_keys gets what was there. */
static bool check_theirs(const ConfigDevices *theirs, SaveVMRegistry *reg,
                         GHashTable *keys, Names *not_here, Error **errp)
{
    for (guint i = 0; i < theirs->list->len; i++) {
        const ConfigDevice *d = at(theirs, i);
        const SaveStateEntry *se = savevm_find(reg, d->idstr, d->instance_id);

        if (!g_hash_table_add(keys, key_of(d->idstr, d->instance_id))) {
            error_setg(errp,
                       "configuration: device '%s' instance %" PRIu32
                       " is listed twice",
                       d->idstr, d->instance_id);
            return false;
        }
        if (!se) {
            names_add(not_here, d->idstr, d->instance_id);
        } else if (!check_version(d, se, errp)) {
            return false;
        }
    }
    return true;
}

static void check_ours(SaveVMRegistry *reg, GHashTable *keys, Names *not_there)
{
    const SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        g_autofree char *key = key_of(se->idstr, se->instance_id);

        if (always_sent(se) && !g_hash_table_contains(keys, key)) {
            names_add(not_there, se->idstr, se->instance_id);
        }
    }
}

bool config_devices_check(const ConfigDevices *theirs, SaveVMRegistry *reg,
                          uint32_t cpus, Error **errp)
{
    g_autoptr(GHashTable) keys =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Names not_here = { g_string_new(NULL), 0 };
    Names not_there = { g_string_new(NULL), 0 };
    bool known = check_theirs(theirs, reg, keys, &not_here, errp);
    g_autofree char *here = NULL;
    g_autofree char *there = NULL;

    check_ours(reg, keys, &not_there);
    here = names_end(&not_here);
    there = names_end(&not_there);
    if (!known) {
        return false;
    }
    if (theirs->cpus != cpus) {
        error_setg(errp,
                   "number of CPUs is %" PRIu32 " at the source and %" PRIu32
                   " here",
                   theirs->cpus, cpus);
        return false;
    }
    if (!here[0] && !there[0]) {
        return !theirs->constants ||
               config_constants_check(theirs->constants, reg, errp);
    }
    error_setg(errp, "the devices differ:%s%s%s%s%s",
               here[0] ? " only the source has " : "", here,
               here[0] && there[0] ? ";" : "",
               there[0] ? " only this side has " : "", there);
    return false;
}
