/*
 * Threads that decompress pages at the destination.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_DECOMPRESS_POOL_H
#define MIGRATION_DECOMPRESS_POOL_H

#include "migration/compress/compress-codec.h"
#include "util/error.h"

typedef struct DecompressPool DecompressPool;

/** decompress_pool_new: @threads 1..255. NULL and @errp on failure. */
DecompressPool *decompress_pool_new(unsigned threads, Error **errp);
/** decompress_pool_free: waits for what is in a thread, drops what was not drained.
 *  NULL is allowed. */
void decompress_pool_free(DecompressPool *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DecompressPool, decompress_pool_free)

/**
 * decompress_pool_buffer: room for DECOMPRESS_BYTES_MAX bytes of a stream; waits
 * for some. NULL and @errp: a page so far was damaged.
 */
uint8_t *decompress_pool_buffer(DecompressPool *p, Error **errp);

/**
 * decompress_pool_add: @len bytes in the buffer are the page that belongs at
 * @page, RAM_PAGE_SIZE bytes that stay until decompress_pool_drain().
 */
void decompress_pool_add(DecompressPool *p, size_t len, uint8_t *page);

/** decompress_pool_drain: all pages are in place. False and @errp: one was
 *  damaged. */
bool decompress_pool_drain(DecompressPool *p, Error **errp);

#endif
