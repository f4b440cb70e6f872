/*
 * Stacks of coroutines: anonymous memory that costs only the pages that
 * were touched, with one page below that faults, so that running over the
 * end is a crash at the culprit and not somebody else's corrupted data.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "coroutine-internal.h"

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void coroutine_stack_alloc(CoroutineStack *stack, size_t size)
{
    size_t guard = page_size();
    char *mem;

    size = ROUND_UP(size, guard);
    mem = mmap(NULL, guard + size, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (mem == MAP_FAILED) {
        g_error("could not map a coroutine stack of %zu bytes: %s", size,
                g_strerror(errno));
    }
    if (mprotect(mem, guard, PROT_NONE) < 0) {
        g_error("could not protect a coroutine stack: %s", g_strerror(errno));
    }
    stack->base = mem + guard;
    stack->size = size;
}

void coroutine_stack_free(CoroutineStack *stack)
{
    size_t guard = page_size();

    munmap((char *)stack->base - guard, guard + stack->size);
    stack->base = NULL;
    stack->size = 0;
}
