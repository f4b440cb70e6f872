/*
 * The human monitor's commands about screen, keyboard and mouse.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UI_UI_HMP_H
#define UI_UI_HMP_H

#include "qapi/hmp.h"

extern const HMPCommand ui_hmp_commands[];
extern const HMPCommand ui_hmp_info[];

#endif
