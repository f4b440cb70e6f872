/*
 * Objects "iothread": a thread with an event loop, to which disks and exports
 * can be given (-object iothread,id=t0 -device virtio-blk-pci,iothread=t0).
 *
 * Who uses the context of one holds a reference to the object.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_IOTHREAD_H
#define IO_IOTHREAD_H

#include "qom/object.h"
#include "util/aio.h"

#define TYPE_IOTHREAD "iothread"

OBJECT_DECLARE_SIMPLE_TYPE(IOThread, IOTHREAD)

/** iothread_create: (transfer full) one that is no user's, /objects/@id. */
IOThread *iothread_create(const char *id, Error **errp);
/** iothread_destroy: accepts NULL. Thread: another. */
void iothread_destroy(IOThread *iothread);

/** iothread_by_id: (transfer none) or NULL. */
IOThread *iothread_by_id(const char *id);
/** iothread_get_id: (transfer full). */
char *iothread_get_id(IOThread *iothread);
/** iothread_get_aio_context: borrowed; of one that is completed. Thread: any. */
AioContext *iothread_get_aio_context(IOThread *iothread);
/** iothread_get_thread_id: the kernel's number of the thread. */
int iothread_get_thread_id(IOThread *iothread);

/* As query-iothreads has them. */
typedef struct IOThreadParams {
    int64_t poll_max_ns;
    int64_t poll_grow;
    int64_t poll_shrink;
    int64_t aio_max_batch;
} IOThreadParams;

IOThreadParams iothread_get_params(IOThread *iothread);
/** iothread_foreach: all below /objects. */
void iothread_foreach(void (*cb)(IOThread *iothread, void *opaque),
                      void *opaque);

#endif
