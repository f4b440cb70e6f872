/*
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_TYPES_H
#define CHARDEV_TYPES_H

/**
 * chardev_register_types:
 *
 * Register the QOM classes of this folder and of the folders it uses. May be
 * called more than once. Thread: any.
 */
void chardev_register_types(void);

#endif
