/*
 * The human monitor's commands about migration.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_MIGRATION_HMP_H
#define MIGRATION_MIGRATION_HMP_H

#include "qapi/hmp.h"

extern const HMPCommand migration_hmp_commands[];
extern const HMPCommand migration_hmp_info[];

#endif
