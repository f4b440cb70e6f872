/*
 * Threads that a guest waits for.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POSTCOPY_THREAD_H
#define MIGRATION_POSTCOPY_THREAD_H

/**
 * postcopy_thread_urgent:
 *
 * The calling thread works in short pieces for which a guest stands: let it
 * run as soon as it wakes. Where the system does not let us, nothing changes.
 */
void postcopy_thread_urgent(void);

#endif
