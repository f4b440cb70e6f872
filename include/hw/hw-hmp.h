/*
 * The human monitor's commands about devices and CPUs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_HW_HMP_H
#define HW_HW_HMP_H

#include "qapi/hmp.h"

extern const HMPCommand hw_hmp_commands[];
extern const HMPCommand hw_hmp_info[];

/* debug-hmp.c: a look into the guest. */
extern const HMPCommand hw_debug_hmp_commands[];
extern const HMPCommand hw_debug_hmp_info[];

/* intc-hmp.c: interrupt controllers. */
extern const HMPCommand hw_intc_hmp_info[];
extern const HMPCommand hw_pci_hmp_info[];

#endif
