/*
 * Registration of the classes of accel/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_TYPES_H
#define ACCEL_TYPES_H

/** accel_register_types: register every accelerator; idempotent, any thread. */
void accel_register_types(void);

#endif
