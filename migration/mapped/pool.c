/*
 * Threads of mapped RAM: each takes batches off the queue until it ends.
 * Positioned I/O on a file does not wait for a peer, so that nothing but the
 * end of the current batch has to be waited for when all is cancelled.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/mapped/pool.h"

static bool pool_run(FileRAMPool *p, Error **errp)
{
    MultiFDBatch *b;
    unsigned seen = 0;

    for (;;) {
        switch (multifd_queue_pop(&p->queue, &seen, &b)) {
        case MULTIFD_WORK_BATCH:
            if (!p->work(p->work_opaque, b, errp)) {
                return false;
            }
            multifd_queue_done(&p->queue, b);
            break;
        case MULTIFD_WORK_SYNC:
            multifd_queue_synced(&p->queue);
            break;
        case MULTIFD_WORK_END:
            return true;
        }
    }
}

static void *pool_thread(void *opaque)
{
    FileRAMPool *p = opaque;
    Error *err = NULL;

    if (!pool_run(p, &err)) {
        g_autoptr(Error) copy = NULL;

        error_prepend(&err, "mapped-ram: ");
        copy = error_copy(err);
        if (multifd_queue_fail(&p->queue, err) && p->on_error) {
            p->on_error(p->error_opaque, g_steal_pointer(&copy));
        }
    }
    return NULL;
}

bool file_ram_pool_start(FileRAMPool *p, const char *name, unsigned threads,
                         FileRAMWork *work, void *work_opaque,
                         void (*on_error)(void *opaque, Error *err),
                         void *error_opaque, Error **errp)
{
    p->work = work;
    p->work_opaque = work_opaque;
    p->on_error = on_error;
    p->error_opaque = error_opaque;
    p->thread = g_new0(QemuThread, threads);
    multifd_queue_init(&p->queue, threads);
    while (p->running < threads) {
        int ret = qemu_thread_try_create(&p->thread[p->running], name,
                                         pool_thread, p, QEMU_THREAD_JOINABLE);

        if (ret < 0) {
            error_setg_errno(errp, -ret, "cannot make a thread for mapped-ram");
            return false;
        }
        p->running++;
    }
    return true;
}

void file_ram_pool_stop(FileRAMPool *p)
{
    Error *err = NULL;

    error_setg(&err, "mapped-ram has ended");
    multifd_queue_fail(&p->queue, err);
    while (p->running > 0) {
        qemu_thread_join(&p->thread[--p->running]);
    }
}

void file_ram_pool_destroy(FileRAMPool *p)
{
    if (p->thread) {
        file_ram_pool_stop(p);
        multifd_queue_destroy(&p->queue);
        g_free(p->thread);
    }
}

unsigned file_ram_batch_run(const MultiFDBatch *b, unsigned i)
{
    unsigned n = 1;

    while (i + n < b->n &&
           b->offset[i + n] == b->offset[i] + n * RAM_PAGE_SIZE) {
        n++;
    }
    return n;
}
