/*
 * EventNotifier: "something happened", from any thread or process, through
 * an eventfd that a loop can wait for. Several sets before a look count as
 * one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_EVENT_NOTIFIER_H
#define UTIL_EVENT_NOTIFIER_H

#include <stdbool.h>

#include "util/typedefs.h"

struct EventNotifier {
    int rfd;
    int wfd;
    bool initialized;
};

typedef void EventNotifierHandler(EventNotifier *);

/** event_notifier_init: set from the start if @active; Returns: 0 or -errno. */
int event_notifier_init(EventNotifier *e, int active);
/** event_notifier_init_fd: @fd: (in) an eventfd, owned by @e from now on. */
void event_notifier_init_fd(EventNotifier *e, int fd);
/** event_notifier_cleanup: close; may be called twice. */
void event_notifier_cleanup(EventNotifier *e);
int event_notifier_get_fd(const EventNotifier *e);
int event_notifier_get_wfd(const EventNotifier *e);
/** event_notifier_set: Returns: 0 or -errno. Async-signal-safe. */
int event_notifier_set(EventNotifier *e);
/** event_notifier_test_and_clear: Returns: 1 if it was set, else 0. */
int event_notifier_test_and_clear(EventNotifier *e);

#endif
