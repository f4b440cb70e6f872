/*
 * Notifiers: lists of callbacks for "something happened". Not for hot
 * paths. A notifier may remove itself (and be freed) while it is called.
 *
 * Thread: the list has no lock; whoever owns it calls from one thread or
 * holds the owner's lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_NOTIFY_H
#define UTIL_NOTIFY_H

#include <stdbool.h>

#include "util/queue.h"
#include "util/typedefs.h"

struct Notifier {
    void (*notify)(Notifier *notifier, void *data);
    QLIST_ENTRY(Notifier) node;
};

struct NotifierList {
    QLIST_HEAD(, Notifier) notifiers;
};

#define NOTIFIER_LIST_INITIALIZER(head)                                        \
    {                                                                          \
        QLIST_HEAD_INITIALIZER((head).notifiers)                               \
    }

/** notifier_list_init: make @list empty. */
void notifier_list_init(NotifierList *list);
/** notifier_list_add: @notifier stays the caller's; called newest first. */
void notifier_list_add(NotifierList *list, Notifier *notifier);
/** notifier_remove: take @notifier out of the list it is in. */
void notifier_remove(Notifier *notifier);
/** notifier_list_notify: call all with @data. */
void notifier_list_notify(NotifierList *list, void *data);
/** notifier_list_empty: true when nobody listens. */
bool notifier_list_empty(NotifierList *list);

/* A notifier that can fail and so veto what is about to happen. */
typedef struct NotifierWithReturn NotifierWithReturn;
struct NotifierWithReturn {
    /* Returns: 0 to go on, anything else stops the walk. */
    int (*notify)(NotifierWithReturn *notifier, void *data);
    QLIST_ENTRY(NotifierWithReturn) node;
};

typedef struct NotifierWithReturnList {
    QLIST_HEAD(, NotifierWithReturn) notifiers;
} NotifierWithReturnList;

#define NOTIFIER_WITH_RETURN_LIST_INITIALIZER(head)                            \
    {                                                                          \
        QLIST_HEAD_INITIALIZER((head).notifiers)                               \
    }

void notifier_with_return_list_init(NotifierWithReturnList *list);
void notifier_with_return_list_add(NotifierWithReturnList *list,
                                   NotifierWithReturn *notifier);
void notifier_with_return_remove(NotifierWithReturn *notifier);
/**
 * notifier_with_return_list_notify:
 *
 * Returns: 0 when all returned 0, else the first other value.
 */
int notifier_with_return_list_notify(NotifierWithReturnList *list, void *data);

#endif
