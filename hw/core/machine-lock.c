/*
 * The machine lock: one recursive mutex for the process (the header says
 * why), and a per-thread depth so that code can ask whether it holds it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/machine-lock.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread unsigned depth;

void machine_lock(void)
{
    if (depth++ == 0) {
        pthread_mutex_lock(&lock);
    }
}

void machine_unlock(void)
{
    assert(depth > 0);
    if (--depth == 0) {
        pthread_mutex_unlock(&lock);
    }
}

bool machine_locked(void)
{
    return depth > 0;
}
