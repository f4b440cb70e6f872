/*
 * Registration of the classes of ui/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UI_TYPES_H
#define UI_TYPES_H

/** ui_register_types: idempotent, any thread. */
void ui_register_types(void);

#endif
