/*
 * Buffers for the payloads of requests, kept for reuse: touching fresh memory
 * costs more than moving the bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NBD_BUFFER_POOL_H
#define NBD_BUFFER_POOL_H

#include <stddef.h>

#include "util/thread.h"

/* Powers of two from 4 KiB to 32 MiB. */
#define NBD_POOL_MIN_BITS 12
#define NBD_POOL_CLASSES  14
/* Bytes that wait for reuse, at most. */
#define NBD_POOL_KEEP (64 * 1024 * 1024)

typedef struct NBDPoolBuffer NBDPoolBuffer;

typedef struct NBDPool {
    QemuSpin lock; /* guards the rest */
    NBDPoolBuffer *free[NBD_POOL_CLASSES];
    size_t kept; /* bytes */
} NBDPool;

void nbd_pool_init(NBDPool *pool);
/** nbd_pool_trim: give back to the system what waits. */
void nbd_pool_trim(NBDPool *pool);
/**
 * nbd_pool_get:
 * @bytes: at most NBD_MAX_PAYLOAD
 *
 * Returns: page-aligned memory with old contents; NULL: out of memory.
 */
void *nbd_pool_get(NBDPool *pool, size_t bytes);
/** nbd_pool_put: @buf, which was asked for with the same @bytes; or NULL. */
void nbd_pool_put(NBDPool *pool, void *buf, size_t bytes);

#endif
