/*
 * The configuration section: what a source says about itself before anything
 * else, so that a destination that differs finds out before the first page.
 *
 * Source: the documented QEMU migration stream: type 0x07, machine type,
 * subsections configuration/target-page-bits, configuration/capabilities,
 * configuration/uuid. Ours: configuration/ferry-devices,
 * configuration/ferry-cpr.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_CONFIG_SECTION_H
#define MIGRATION_CONFIG_SECTION_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "migration/stream/config-devices.h"
#include "util/typedefs.h"
#include "util/uuid.h"

typedef struct QEMUFile QEMUFile;

#define CONFIG_MACHINE_MAX      255 /* bytes of the name */
#define CONFIG_CAPABILITIES_MAX 64
#define CONFIG_PAGE_BITS        12 /* the least of an x86 machine: not sent */

/**
 * ConfigSection:
 * @machine: type name; empty: no configuration section came
 * @page_bits: of a target page; 0: not sent (CONFIG_PAGE_BITS)
 * @has_uuid, @uuid: validate-uuid
 * @has_capabilities: the list was sent
 * @capabilities: @n_capabilities names of those validated that are on
 * @has_cpr, @cpr_token: the memory is passed by descriptors (cpr/wire.h)
 * @devices: owned; NULL: not sent
 */
typedef struct ConfigSection {
    char machine[CONFIG_MACHINE_MAX + 1];
    uint32_t page_bits;
    bool has_uuid;
    QemuUUID uuid;
    bool has_capabilities;
    unsigned n_capabilities;
    char capabilities[CONFIG_CAPABILITIES_MAX][64];
    bool has_cpr;
    uint8_t cpr_token[16];
    ConfigDevices *devices;
} ConfigSection;

/** config_section_init: @machine and nothing else. */
void config_section_init(ConfigSection *c, const char *machine);
/** config_section_clear: free what is inside; all zero is fine. */
void config_section_clear(ConfigSection *c);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ConfigSection, config_section_clear)
/** config_section_set_uuid: 16 bytes. */
void config_section_set_uuid(ConfigSection *c, const uint8_t uuid[16]);
/** config_section_add_capability: "x-ignore-shared", "mapped-ram". */
void config_section_add_capability(ConfigSection *c, const char *name);
bool config_section_has_capability(const ConfigSection *c, const char *name);

/** config_section_put: with its type byte. */
void config_section_put(QEMUFile *f, const ConfigSection *c);
/** config_section_get: after the type byte was read; @ret is for
 *  config_section_clear(). Errors: malformed. */
bool config_section_get(QEMUFile *f, ConfigSection *ret, Error **errp);

/**
 * config_section_check:
 * @theirs: what came; @ours: what this side is
 *
 * Errors: another machine type, page size, UUID, or other capabilities than
 * ours; the message names both values. A UUID is compared if both have one.
 * Devices are not compared: see config_devices_check().
 */
bool config_section_check(const ConfigSection *theirs,
                          const ConfigSection *ours, Error **errp);

#endif
