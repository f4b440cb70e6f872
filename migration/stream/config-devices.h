/*
 * What the configuration section says about the machine beside its name: how
 * many CPUs it has and every section that is going to come, so that a machine
 * that was put together differently is refused before the first page.
 *
 * Ours: subsection configuration/ferry-devices, version 1:
 *
 *     be32 CPUs, be32 n, n times: u8 length, idstr, be32 instance,
 *     be32 version
 *
 * Sections that are sent only when their device is in a certain state are not
 * in the list. A stream without it (of another program, or of a file of
 * before) is loaded, and differences are found when the sections come.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_CONFIG_DEVICES_H
#define MIGRATION_CONFIG_DEVICES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "migration/stream/stream-wire.h"
#include "util/typedefs.h"

typedef struct QEMUFile QEMUFile;
typedef struct SaveVMRegistry SaveVMRegistry;

/* More in a list that comes are refused. */
#define CONFIG_DEVICES_MAX 4096

typedef struct ConfigDevice {
    char idstr[STREAM_NAME_MAX + 1];
    uint32_t instance_id;
    uint32_t version_id;
} ConfigDevice;

typedef struct ConfigDevices {
    uint32_t cpus;
    GArray *list;          /* of ConfigDevice, in the order of the stream */
    GByteArray *constants; /* (nullable) see stream/config-constants.h; a
                              subsection of its own */
} ConfigDevices;

/** config_devices_of: (transfer full) what @reg is going to send, and its
 *  constants. Thread: machine lock. */
ConfigDevices *config_devices_of(const SaveVMRegistry *reg, uint32_t cpus);
/** config_devices_free: accepts NULL. */
void config_devices_free(ConfigDevices *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfigDevices, config_devices_free)

/** config_devices_put: the subsection's payload. */
void config_devices_put(QEMUFile *f, const ConfigDevices *d);
/** config_devices_get: (transfer full); NULL: malformed, or the file failed
 *  (then @errp may be unset). */
ConfigDevices *config_devices_get(QEMUFile *f, Error **errp);

/**
 * config_devices_check:
 * @theirs: what came
 * @reg: this side's sections
 *
 * Thread: as config_devices_of().
 * Errors: another number of CPUs; a device that is on one side only (all are
 * named); a version that this side cannot load; a constant that differs.
 */
bool config_devices_check(const ConfigDevices *theirs, SaveVMRegistry *reg,
                          uint32_t cpus, Error **errp);

#endif
