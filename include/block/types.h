/*
 * Registration of the classes of block/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_TYPES_H
#define BLOCK_TYPES_H

/** block_register_types: every driver; idempotent, any thread. */
void block_register_types(void);

#endif
