/*
 * Dirty bitmaps for migration: joins migration/ and block/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_MIGRATION_BITMAPS_H
#define SYSTEM_MIGRATION_BITMAPS_H

#include "migration/bitmap-host.h"

/* Part of system_migration_host; the opaque is not looked at. */
extern const MigrationBitmapOps system_migration_bitmaps;

#endif
