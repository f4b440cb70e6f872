/*
 * Registration of the classes of io/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_TYPES_H
#define IO_TYPES_H

/** io_register_types: register all classes. Thread: any. Idempotent. */
void io_register_types(void);

#endif
