/*
 * Registration of the authorization classes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef AUTHZ_TYPES_H
#define AUTHZ_TYPES_H

/**
 * authz_register_types:
 *
 * Register every class of this folder, after those of the folders it stands
 * on. The constructors (qauthz_list_new() ...) call it, so a program that
 * only uses those need not.
 *
 * Thread: any; calls after the first do nothing.
 */
void authz_register_types(void);

#endif
