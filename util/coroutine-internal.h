/*
 * What coroutine.c, the locks, the loop and a backend (the part that makes
 * stacks and switches between them) share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_COROUTINE_INTERNAL_H
#define UTIL_COROUTINE_INTERNAL_H

#include "util/coroutine.h"
#include "util/queue.h"

/* Why a switch happened, seen from where it arrives. */
typedef enum CoroutineAction {
    COROUTINE_YIELD = 1,
    COROUTINE_TERMINATE = 2,
    COROUTINE_ENTER = 3,
} CoroutineAction;

typedef QSIMPLEQ_HEAD(CoroutineQueue, Coroutine) CoroutineQueue;

struct Coroutine {
    CoroutineEntry *entry;
    void *entry_arg;
    Coroutine *caller; /* who entered it; NULL while it does not run */
    AioContext *ctx;   /* atomic: where it ran last */
    /* Name of the function that put it on the way to run; atomic. */
    const char *scheduled;
    /* Coroutines to enter when this one yields or ends. */
    CoroutineQueue wakeups;
    /* The wakeups of a coroutine that we entered and that yielded. */
    CoroutineQueue handed_over;
    QSIMPLEQ_ENTRY(Coroutine) wakeup_next;  /* in another's wakeups */
    QSLIST_ENTRY(Coroutine) scheduled_next; /* in an AioContext */
    QSLIST_ENTRY(Coroutine) pool_next;
};

/* -- the backend ----------------------------------------------------------- */

Coroutine *coroutine_backend_new(void);
void coroutine_backend_delete(Coroutine *co);
/* Goes from @from, the running one, to @to; returns when @from runs again. */
CoroutineAction coroutine_backend_switch(Coroutine *from, Coroutine *to,
                                         CoroutineAction action);

/* -- stacks ---------------------------------------------------------------- */

#define COROUTINE_STACK_SIZE (1u << 20)

typedef struct CoroutineStack {
    void *base;  /* lowest usable byte; the guard page is below */
    size_t size; /* usable bytes */
} CoroutineStack;

/* Ends the process when no memory can be mapped. */
void coroutine_stack_alloc(CoroutineStack *stack, size_t size);
void coroutine_stack_free(CoroutineStack *stack);

#endif
