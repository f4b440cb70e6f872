/*
 * Threads that move batches of pages between memory and a file.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_FILE_RAM_POOL_H
#define MIGRATION_FILE_RAM_POOL_H

#include "migration/mapped/file-ram.h"
#include "migration/multifd/queue.h"

/* One batch; in a thread of the pool. */
typedef bool FileRAMWork(void *opaque, const MultiFDBatch *b, Error **errp);

typedef struct FileRAMPool {
    MultiFDQueue queue;
    QemuThread *thread; /* @running of them were made; owned */
    unsigned running;
    FileRAMWork *work;
    void (*on_error)(void *opaque, Error *err);
    void *work_opaque, *error_opaque;
} FileRAMPool;

/** file_ram_pool_start: fill a zeroed @p. On failure, and at the end,
 *  file_ram_pool_destroy(). @on_error: as MultiFDSendConfig's, or NULL. */
bool file_ram_pool_start(FileRAMPool *p, const char *name, unsigned threads,
                         FileRAMWork *work, void *work_opaque,
                         void (*on_error)(void *opaque, Error *err),
                         void *error_opaque, Error **errp);

/** file_ram_pool_stop: cancel what is queued, join. */
void file_ram_pool_stop(FileRAMPool *p);
/** file_ram_pool_destroy: stop, then free what @p holds. */
void file_ram_pool_destroy(FileRAMPool *p);

/**
 * file_ram_batch_run: the pages of @b from @i on that follow each other.
 * Returns: their number, 1 or more.
 */
unsigned file_ram_batch_run(const MultiFDBatch *b, unsigned i);

#endif
