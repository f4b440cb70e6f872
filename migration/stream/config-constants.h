/*
 * Constants of all sections in the configuration section: what of each device
 * must be the same on both sides (see migration/constants.h), so that a
 * difference is found before the first page.
 *
 * Ours: subsection configuration/ferry-constants, version 1:
 *
 *     be32 bytes that follow; then of each section that has any:
 *     u8 length, idstr, be32 instance, be16 n,
 *     n times: u8 length, name, be16 length, bytes
 *
 * A number is 8 bytes. How two values are compared is not sent: the reader
 * knows it, and passes over names that it does not know.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_CONFIG_CONSTANTS_H
#define MIGRATION_CONFIG_CONSTANTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct QEMUFile QEMUFile;
typedef struct SaveVMRegistry SaveVMRegistry;

/* More that comes is refused; more of our own is not sent. */
#define CONFIG_CONSTANTS_BYTES_MAX (1024 * 1024)

/** config_constants_of: (transfer full) those of @reg, as they are sent.
 *  Thread: machine lock. */
GByteArray *config_constants_of(const SaveVMRegistry *reg);

/** config_constants_put: the subsection's payload. */
void config_constants_put(QEMUFile *f, const GByteArray *constants);
/** config_constants_get: (transfer full), not looked into yet; NULL: too many,
 *  or the file failed (then @errp may be unset). */
GByteArray *config_constants_get(QEMUFile *f, Error **errp);

/**
 * config_constants_check:
 * @theirs: what came; hostile
 *
 * Thread: machine lock.
 * Errors: malformed; what differs of the first section that does, by name.
 */
bool config_constants_check(const GByteArray *theirs, SaveVMRegistry *reg,
                            Error **errp);

#endif
