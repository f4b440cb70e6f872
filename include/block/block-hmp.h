/*
 * The human monitor's commands about disks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_BLOCK_HMP_H
#define BLOCK_BLOCK_HMP_H

#include "qapi/hmp.h"

extern const HMPCommand block_hmp_commands[];
extern const HMPCommand block_hmp_info[];
extern const HMPCommand block_job_hmp_commands[];
extern const HMPCommand block_job_hmp_info[];

#endif
