/*
 * The human monitor's commands of this folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_HMP_H
#define SYSTEM_HMP_H

#include "qapi/hmp.h"

extern const HMPCommand system_hmp_commands[];
extern const HMPCommand system_hmp_info[];

#endif
