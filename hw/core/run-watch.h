/*
 * What a device must know of the machine's stopping and going on.
 *
 * While the machine stands still its state may be saved and handed to another
 * process: a device with a back end then neither takes bytes from it nor gives
 * it any, so that none is lost or doubled.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_RUN_WATCH_H
#define HW_CORE_RUN_WATCH_H

#include "hw/boards.h"
#include "util/notify.h"

/* Embedded in the device; all zero before run_watch_init(). */
typedef struct RunWatch {
    bool running; /* read by the device, under the machine lock */

    /* private */
    Notifier notifier;
    void (*changed)(void *opaque, bool running);
    void *opaque;
    bool attached;
} RunWatch;

/**
 * run_watch_init:
 * @machine: (nullable) NULL in tests of a single device: it always runs
 * @changed: called with @opaque after @running has changed: before the first
 *           and after the last instruction of the guest; main thread, under
 *           the machine lock
 */
void run_watch_init(RunWatch *w, MachineState *machine,
                    void (*changed)(void *opaque, bool running), void *opaque);
/** run_watch_deinit: the opposite; no-op on one that was not initialized. */
void run_watch_deinit(RunWatch *w);

#endif
