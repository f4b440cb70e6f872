/*
 * Exports: disks for others. And the NBD server of this process.
 *
 * Thread: the main loop's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_EXPORT_H
#define BLOCK_EXPORT_H

#include <stdbool.h>

#include "qapi/hmp.h"
#include "util/error.h"

typedef struct BlockExportOptions BlockExportOptions;
typedef struct NBDServer NBDServer;
typedef struct NBDServerConfig NBDServerConfig;

/** block_export_add: Errors: id; node; what the kind of export says. */
bool block_export_add(const BlockExportOptions *opts, Error **errp);
/** block_exports_cleanup: stop the server and drop all exports. */
void block_exports_cleanup(void);

/** block_nbd_server_start: the process's server, which listens nowhere yet.
 *  Errors: there is one; credentials. */
bool block_nbd_server_start(const NBDServerConfig *config, Error **errp);
/** block_nbd_server: (transfer none) or NULL. */
NBDServer *block_nbd_server(void);
/** block_nbd_server_stop: and drop its exports. */
void block_nbd_server_stop(void);

extern const HMPCommand block_export_hmp_commands[];

#endif
