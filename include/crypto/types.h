/*
 * The object types of crypto/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CRYPTO_TYPES_H
#define CRYPTO_TYPES_H

/**
 * crypto_register_types:
 *
 * Register every object type of this folder and of those it stands on.
 * Calls after the first do nothing. Typed constructors and
 * module_call_init(MODULE_INIT_QOM) call it.
 *
 * Thread: any.
 */
void crypto_register_types(void);

#endif
