/*
 * What the human monitor shows of migrations.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_MIGRATION_HMP_INFO_H
#define MIGRATION_MIGRATION_HMP_INFO_H

#include "qapi/hmp.h"
#include "qapi/qapi-types-migration.h"

/** hmp_migration_progress: one line: bar, rate, forecast. */
void hmp_migration_progress(HMPContext *ctx, const MigrationInfo *info);

HMPHandler hmp_info_migrate;
HMPHandler hmp_info_migrate_capabilities;
HMPHandler hmp_info_migrate_parameters;

#endif
