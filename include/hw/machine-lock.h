/*
 * The machine lock: guards the state of every device.
 *
 * A vCPU thread takes it to emulate an access to a device, a front end's
 * callback and a device's timer take it in their own thread. Channels,
 * chardevs, crypto and the monitor never take it. Lock order: machine lock,
 * then locks of chardev/ and below; never the other way round.
 *
 * The lock is recursive, because a write to a chardev may call the same
 * device's event handler before it returns; a device must leave its own
 * state consistent before it calls a chardev. It is one for the process, the
 * one exception to "no mutable file-scope state" in this folder: callbacks of
 * devices know their device, not its machine.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_MACHINE_LOCK_H
#define HW_MACHINE_LOCK_H

#include <stdbool.h>

#include "util/compiler.h"

void machine_lock(void);
void machine_unlock(void);
/** machine_locked: does this thread hold the machine lock? */
bool machine_locked(void);

static inline void machine_lock_auto_unlock(const bool *held)
{
    if (*held) {
        machine_unlock();
    }
}

/* Hold the machine lock to the end of the scope. */
#define MACHINE_LOCK_GUARD()                                                   \
    __attribute__((cleanup(machine_lock_auto_unlock), unused)) const bool      \
    glue(machine_lock_guard_, __COUNTER__) = (machine_lock(), true)

#endif
