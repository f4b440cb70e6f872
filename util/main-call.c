/*
 * A call in the main thread: a bottom half, and a semaphore for the caller.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/main-call.h"

#include "util/main-loop.h"
#include "util/thread.h"

typedef struct MainCall {
    MainCallFunc *func;
    void *opaque;
    bool ok;
    Error *err;
    QemuSemaphore done;
} MainCall;

static void main_call_bh(void *opaque)
{
    MainCall *call = opaque;

    call->ok = call->func(call->opaque, &call->err);
    qemu_sem_post(&call->done);
}

bool main_call(MainCallFunc *func, void *opaque, Error **errp)
{
    MainCall call = { .func = func, .opaque = opaque };

    if (qemu_in_main_thread()) {
        return func(opaque, errp);
    }
    qemu_sem_init(&call.done, 0);
    aio_bh_schedule_oneshot(qemu_get_aio_context(), main_call_bh, &call);
    qemu_sem_wait(&call.done);
    qemu_sem_destroy(&call.done);
    error_propagate(errp, call.err);
    return call.ok;
}
