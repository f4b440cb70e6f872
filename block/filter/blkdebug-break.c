/*
 * Breaks of a blkdebug node.
 *
 * A break waits for an event. The first request that meets it takes it away,
 * stops there (its coroutine yields, with whatever it holds) and is known by
 * the break's tag until somebody lets it go on. So a test can bring two
 * requests to cross at any step of a format: stop one there, run the other as
 * far as it comes, resume the first.
 *
 * A stopped request is one in flight: drains and the end of the node wait for
 * it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/blkdebug-break.h"

#include "util/aio-wait.h"
#include "util/aio.h"
#include "util/lockable.h"

struct DebugBreak {
    BlkdebugEvent event;
    char *tag;
};

struct DebugStopped {
    Coroutine *co;
    char *tag; /* of the break */
    QTAILQ_ENTRY(DebugStopped) next;
};

static void break_free(void *opaque)
{
    DebugBreak *one = opaque;

    g_free(one->tag);
    g_free(one);
}

void debug_breaks_init(DebugBreaks *b)
{
    qemu_mutex_init(&b->lock);
    b->set = g_ptr_array_new_with_free_func(break_free);
    QTAILQ_INIT(&b->stopped);
}

void debug_breaks_deinit(DebugBreaks *b)
{
    assert(QTAILQ_EMPTY(&b->stopped));
    g_ptr_array_unref(b->set);
    qemu_mutex_destroy(&b->lock);
}

bool debug_breaks_add(DebugBreaks *b, BlkdebugEvent event, const char *tag)
{
    DebugBreak *one;

    QEMU_LOCK_GUARD(&b->lock);
    if (b->set->len >= DEBUG_BREAKS_MAX) {
        return false;
    }
    one = g_new(DebugBreak, 1);
    one->event = event;
    one->tag = g_strdup(tag);
    g_ptr_array_add(b->set, one);
    qatomic_set(&b->count, b->set->len);
    return true;
}

/* Returns: (transfer full) the tag of a break that was there, or NULL. */
static char *take_break(DebugBreaks *b, BlkdebugEvent event)
{
    for (guint i = 0; i < b->set->len; i++) {
        DebugBreak *one = b->set->pdata[i];

        if (one->event == event) {
            char *tag = g_steal_pointer(&one->tag);

            g_ptr_array_remove_index(b->set, i);
            qatomic_set(&b->count, b->set->len);
            return tag;
        }
    }
    return NULL;
}

void coroutine_fn debug_breaks_meet(DebugBreaks *b, BlkdebugEvent event)
{
    DebugStopped self = { .co = qemu_coroutine_self() };

    if (qatomic_read(&b->count) == 0) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&b->lock)
    {
        self.tag = take_break(b, event);
        if (self.tag) {
            QTAILQ_INSERT_TAIL(&b->stopped, &self, next);
        }
    }
    if (self.tag) {
        aio_wait_kick();
        qemu_coroutine_yield();
    }
}

static bool has_tag(const char *tag, const char *wanted)
{
    return !wanted || g_str_equal(tag, wanted);
}

static DebugStopped *find_stopped(DebugBreaks *b, const char *tag)
{
    DebugStopped *one;

    QTAILQ_FOREACH(one, &b->stopped, next) {
        if (has_tag(one->tag, tag)) {
            return one;
        }
    }
    return NULL;
}

/* Its memory is the stack of its coroutine, which goes on at once. */
static Coroutine *take_stopped(DebugBreaks *b, const char *tag)
{
    DebugStopped *one;

    QEMU_LOCK_GUARD(&b->lock);
    one = find_stopped(b, tag);
    if (!one) {
        return NULL;
    }
    QTAILQ_REMOVE(&b->stopped, one, next);
    g_free(one->tag);
    return one->co;
}

bool debug_breaks_resume(DebugBreaks *b, const char *tag, bool all)
{
    bool any = false;
    Coroutine *co;

    while ((all || !any) && (co = take_stopped(b, tag))) {
        any = true;
        aio_co_wake(co);
    }
    return any;
}

bool debug_breaks_remove(DebugBreaks *b, const char *tag)
{
    guint i = 0;

    QEMU_LOCK_GUARD(&b->lock);
    guint before = b->set->len;

    while (i < b->set->len) {
        DebugBreak *one = b->set->pdata[i];

        if (has_tag(one->tag, tag)) {
            g_ptr_array_remove_index(b->set, i);
        } else {
            i++;
        }
    }
    qatomic_set(&b->count, b->set->len);
    return b->set->len < before;
}

bool debug_breaks_has_stopped(DebugBreaks *b, const char *tag)
{
    QEMU_LOCK_GUARD(&b->lock);
    return find_stopped(b, tag) != NULL;
}
