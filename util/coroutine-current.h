/*
 * Which coroutine this thread runs. A coroutine may go on in another thread
 * after any yield, so the address of a thread-local variable must never be
 * kept across a call: the accessors are not inlined.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_COROUTINE_CURRENT_H
#define UTIL_COROUTINE_CURRENT_H

#include "coroutine-internal.h"

#if defined(__clang__)
#define COROUTINE_TLS_ACCESS __attribute__((noinline))
#else
#define COROUTINE_TLS_ACCESS __attribute__((noinline, noclone, no_icf, noipa))
#endif

/* The running coroutine, or the thread's stand-in. */
Coroutine *coroutine_get_current(void);
void coroutine_set_current(Coroutine *co);
/* Whether @co stands for a thread and is no real coroutine. */
bool coroutine_is_leader(const Coroutine *co);

#endif
