/*
 * Registration of the classes of hw/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_TYPES_H
#define HW_TYPES_H

/** hw_register_types: register every device, machine, CPU model and memory
 *  backend (and accel/ and chardev/ before them); idempotent, any thread. */
void hw_register_types(void);

#endif
