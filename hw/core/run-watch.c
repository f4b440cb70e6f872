/*
 * Following the machine's stopping and going on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/run-watch.h"

#include "hw/machine-lock.h"

static void run_changed(Notifier *notifier, void *data)
{
    RunWatch *w = container_of(notifier, RunWatch, notifier);

    MACHINE_LOCK_GUARD();
    w->running = machine_is_running(data);
    w->changed(w->opaque, w->running);
}

void run_watch_init(RunWatch *w, MachineState *machine,
                    void (*changed)(void *opaque, bool running), void *opaque)
{
    *w = (RunWatch){ .running = true, .changed = changed, .opaque = opaque };
    if (machine) {
        w->running = machine_is_running(machine);
        w->notifier.notify = run_changed;
        machine_add_run_notifier(machine, &w->notifier);
        w->attached = true;
    }
}

void run_watch_deinit(RunWatch *w)
{
    if (w->attached) {
        notifier_remove(&w->notifier);
        w->attached = false;
    }
}
