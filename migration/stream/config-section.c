/*
 * The configuration section: see stream/config-section.h.
 *
 * It stands before everything else, so its reader takes what it does not
 * know as a fault: a source that says more about itself than this side
 * understands differs from it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stream/config-section.h"

#include "migration/qemu-file.h"
#include "migration/stream/config-constants.h"
#include "migration/stream/stream-wire.h"
#include "util/error.h"

#define CAPABILITY_MAX (sizeof(((ConfigSection *)0)->capabilities[0]) - 1)

static const char config_prefix[] = "configuration/";
static const char sub_page_bits[] = "configuration/target-page-bits";
static const char sub_capabilities[] = "configuration/capabilities";
static const char sub_uuid[] = "configuration/uuid";
static const char sub_cpr[] = "configuration/ferry-cpr";
static const char sub_devices[] = "configuration/ferry-devices";
/* Behind the devices. */
static const char sub_constants[] = "configuration/ferry-constants";

void config_section_init(ConfigSection *c, const char *machine)
{
    *c = (ConfigSection){ 0 };
    g_strlcpy(c->machine, machine, sizeof(c->machine));
}

void config_section_clear(ConfigSection *c)
{
    g_clear_pointer(&c->devices, config_devices_free);
}

void config_section_set_uuid(ConfigSection *c, const uint8_t uuid[16])
{
    memcpy(c->uuid.data, uuid, sizeof(c->uuid.data));
    c->has_uuid = true;
}

void config_section_add_capability(ConfigSection *c, const char *name)
{
    g_assert(c->n_capabilities < CONFIG_CAPABILITIES_MAX);
    g_strlcpy(c->capabilities[c->n_capabilities++], name,
              sizeof(c->capabilities[0]));
    c->has_capabilities = true;
}

bool config_section_has_capability(const ConfigSection *c, const char *name)
{
    for (unsigned i = 0; i < c->n_capabilities; i++) {
        if (strcmp(c->capabilities[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void put_subsection(QEMUFile *f, const char *name)
{
    qemu_put_byte(f, STREAM_SUBSECTION);
    qemu_put_counted_string(f, name);
    qemu_put_be32(f, 1);
}

void config_section_put(QEMUFile *f, const ConfigSection *c)
{
    size_t len = strlen(c->machine);

    qemu_put_byte(f, STREAM_CONFIGURATION);
    qemu_put_be32(f, (unsigned)len);
    qemu_put_buffer(f, (const uint8_t *)c->machine, len);
    if (c->page_bits != 0 && c->page_bits != CONFIG_PAGE_BITS) {
        put_subsection(f, sub_page_bits);
        qemu_put_be32(f, c->page_bits);
    }
    if (c->n_capabilities > 0) {
        put_subsection(f, sub_capabilities);
        qemu_put_be32(f, c->n_capabilities);
        for (unsigned i = 0; i < c->n_capabilities; i++) {
            qemu_put_counted_string(f, c->capabilities[i]);
        }
    }
    if (c->has_uuid) {
        put_subsection(f, sub_uuid);
        qemu_put_buffer(f, c->uuid.data, sizeof(c->uuid.data));
    }
    if (c->has_cpr) {
        put_subsection(f, sub_cpr);
        qemu_put_buffer(f, c->cpr_token, sizeof(c->cpr_token));
    }
    if (c->devices) {
        put_subsection(f, sub_devices);
        config_devices_put(f, c->devices);
    }
    if (c->devices && c->devices->constants && c->devices->constants->len) {
        put_subsection(f, sub_constants);
        config_constants_put(f, c->devices->constants);
    }
}

static bool get_capabilities(QEMUFile *f, ConfigSection *c, Error **errp)
{
    uint32_t n = qemu_get_be32(f);
    char name[256];

    if (n > CONFIG_CAPABILITIES_MAX) {
        error_setg(errp, "configuration with %" PRIu32 " capabilities", n);
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        size_t len = qemu_get_counted_string(f, name);

        if (len == 0 || len > CAPABILITY_MAX) {
            error_setg(errp, "configuration with a capability of %zu bytes",
                       len);
            return false;
        }
        g_strlcpy(c->capabilities[i], name, sizeof(c->capabilities[i]));
    }
    c->n_capabilities = n;
    c->has_capabilities = true;
    return true;
}

static bool get_subsection(QEMUFile *f, ConfigSection *c, Error **errp)
{
    char name[256];
    uint32_t version;

    qemu_get_byte(f); /* STREAM_SUBSECTION */
    qemu_get_counted_string(f, name);
    version = qemu_get_be32(f);
    if (!g_str_has_prefix(name, config_prefix) || version != 1) {
        error_setg(errp,
                   "unknown subsection '%s' version %" PRIu32
                   " in the configuration",
                   name, version);
        return false;
    }
    if (strcmp(name, sub_page_bits) == 0 && c->page_bits == 0) {
        c->page_bits = qemu_get_be32(f);
        return true;
    }
    if (strcmp(name, sub_capabilities) == 0 && !c->has_capabilities) {
        return get_capabilities(f, c, errp);
    }
    if (strcmp(name, sub_uuid) == 0 && !c->has_uuid) {
        qemu_get_buffer(f, c->uuid.data, sizeof(c->uuid.data));
        c->has_uuid = true;
        return true;
    }
    if (strcmp(name, sub_cpr) == 0 && !c->has_cpr) {
        qemu_get_buffer(f, c->cpr_token, sizeof(c->cpr_token));
        c->has_cpr = true;
        return true;
    }
    if (strcmp(name, sub_devices) == 0 && !c->devices) {
        c->devices = config_devices_get(f, errp);
        return c->devices || qemu_file_get_error(f);
    }
    if (strcmp(name, sub_constants) == 0 && c->devices &&
        !c->devices->constants) {
        c->devices->constants = config_constants_get(f, errp);
        return c->devices->constants || qemu_file_get_error(f);
    }
    error_setg(errp, "unknown or repeated subsection '%s' in the configuration",
               name);
    return false;
}

bool config_section_get(QEMUFile *f, ConfigSection *ret, Error **errp)
{
    g_auto(ConfigSection) c = { 0 };
    uint32_t len = qemu_get_be32(f);

    if (qemu_file_get_error(f) == 0 && (len == 0 || len > CONFIG_MACHINE_MAX)) {
        error_setg(errp, "configuration: machine type of %" PRIu32 " bytes",
                   len);
        return false;
    }
    qemu_get_buffer(f, (uint8_t *)c.machine, MIN(len, CONFIG_MACHINE_MAX));
    if (qemu_file_get_error(f) == 0 && !stream_is_text(c.machine, len)) {
        error_setg(errp, "configuration: machine type is not text");
        return false;
    }
    while (qemu_file_get_error(f) == 0 &&
           qemu_peek_byte(f, 0) == STREAM_SUBSECTION) {
        if (!get_subsection(f, &c, errp)) {
            return false;
        }
    }
    if (qemu_file_get_error(f)) {
        qemu_file_get_error_obj(f, errp);
        return false;
    }
    *ret = c;
    c.devices = NULL;
    return true;
}

static bool check_capabilities(const ConfigSection *theirs,
                               const ConfigSection *ours, Error **errp)
{
    for (unsigned i = 0; i < theirs->n_capabilities; i++) {
        if (!config_section_has_capability(ours, theirs->capabilities[i])) {
            error_setg(errp, "capability '%s' is on at the source and off here",
                       theirs->capabilities[i]);
            return false;
        }
    }
    for (unsigned i = 0; i < ours->n_capabilities; i++) {
        if (!config_section_has_capability(theirs, ours->capabilities[i])) {
            error_setg(errp, "capability '%s' is off at the source and on here",
                       ours->capabilities[i]);
            return false;
        }
    }
    return true;
}

bool config_section_check(const ConfigSection *theirs,
                          const ConfigSection *ours, Error **errp)
{
    uint32_t their_bits =
        theirs->page_bits ? theirs->page_bits : CONFIG_PAGE_BITS;
    uint32_t our_bits = ours->page_bits ? ours->page_bits : CONFIG_PAGE_BITS;

    if (strcmp(theirs->machine, ours->machine) != 0) {
        error_setg(errp, "machine type is '%s' at the source and '%s' here",
                   theirs->machine, ours->machine);
        return false;
    }
    if (their_bits != our_bits) {
        error_setg(errp,
                   "page size is 2^%" PRIu32 " at the source and 2^%" PRIu32
                   " here",
                   their_bits, our_bits);
        return false;
    }
    if (theirs->has_uuid && ours->has_uuid &&
        !qemu_uuid_is_equal(&theirs->uuid, &ours->uuid)) {
        g_autofree char *a = qemu_uuid_unparse_strdup(&theirs->uuid);
        g_autofree char *b = qemu_uuid_unparse_strdup(&ours->uuid);

        error_setg(errp, "UUID is %s at the source and %s here", a, b);
        return false;
    }
    return check_capabilities(theirs, ours, errp);
}
