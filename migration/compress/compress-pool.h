/*
 * Threads that compress pages for the source.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_COMPRESS_POOL_H
#define MIGRATION_COMPRESS_POOL_H

#include "migration/ram-block.h"
#include "util/error.h"

#define COMPRESS_THREADS_MAX 255

typedef struct CompressPool CompressPool;

/**
 * CompressDone: a page was compressed.
 * @page: RAM_PAGE_SIZE bytes, as they were compressed
 * @data: @len bytes of its zlib stream; @len 0: it did not become smaller
 *
 * All borrowed for the call.
 */
typedef void CompressDone(void *opaque, RAMBlock *rb, uint64_t offset,
                          const uint8_t *page, const uint8_t *data, size_t len);

/**
 * compress_pool_new:
 * @threads: 1..COMPRESS_THREADS_MAX
 * @level: 0..9
 * @done: called with @opaque in the thread that adds and drains
 */
CompressPool *compress_pool_new(unsigned threads, unsigned level,
                                CompressDone *done, void *opaque, Error **errp);
/** compress_pool_free: pages that are not done are dropped. NULL is allowed. */
void compress_pool_free(CompressPool *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CompressPool, compress_pool_free)

/**
 * compress_pool_add:
 * @page: RAM_PAGE_SIZE bytes, copied before the call returns
 * @wait: wait for a free thread, or return false
 *
 * Pages that are done meanwhile are handed to the function.
 * Returns: false = all threads are busy, the page was not taken.
 */
bool compress_pool_add(CompressPool *p, RAMBlock *rb, uint64_t offset,
                       const uint8_t *page, bool wait);

/** compress_pool_drain: wait for every page and hand it over. */
void compress_pool_drain(CompressPool *p);

/** compress_pool_cpu_ns: time of all threads since the last call. */
uint64_t compress_pool_cpu_ns(CompressPool *p);

#endif
