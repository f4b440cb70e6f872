/*
 * The object model's commands of the human monitor.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QOM_QOM_HMP_H
#define QOM_QOM_HMP_H

#include "qapi/hmp.h"

/* object_add, object_del, qom-get, qom-list, qom-set */
extern const HMPCommand qom_hmp_commands[];
/* info qom-tree */
extern const HMPCommand qom_hmp_info[];

#endif
