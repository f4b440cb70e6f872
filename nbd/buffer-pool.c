/*
 * Buffers by size class. What is given back goes to the head of its class, so
 * that the warmest is used next; beyond NBD_POOL_KEEP bytes it is freed.
 *
 * The link of a waiting buffer stands in the buffer itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "buffer-pool.h"

#include <sys/mman.h>

#include "nbd/nbd.h"
#include "util/host-utils.h"

struct NBDPoolBuffer {
    NBDPoolBuffer *next;
};

QEMU_BUILD_BUG_ON((1u << (NBD_POOL_MIN_BITS + NBD_POOL_CLASSES - 1)) <
                  NBD_MAX_PAYLOAD);

static unsigned size_class(size_t bytes)
{
    unsigned bits = bytes > 1 ? 64 - clz64(bytes - 1) : 0;

    return bits <= NBD_POOL_MIN_BITS ? 0 : bits - NBD_POOL_MIN_BITS;
}

static size_t class_bytes(unsigned class)
{
    return (size_t)1 << (NBD_POOL_MIN_BITS + class);
}

void nbd_pool_init(NBDPool *pool)
{
    memset(pool, 0, sizeof(*pool));
    qemu_spin_init(&pool->lock);
}

void nbd_pool_trim(NBDPool *pool)
{
    NBDPoolBuffer *lists[NBD_POOL_CLASSES];

    qemu_spin_lock(&pool->lock);
    memcpy(lists, pool->free, sizeof(lists));
    memset(pool->free, 0, sizeof(pool->free));
    pool->kept = 0;
    qemu_spin_unlock(&pool->lock);

    for (unsigned i = 0; i < NBD_POOL_CLASSES; i++) {
        while (lists[i]) {
            NBDPoolBuffer *b = lists[i];

            lists[i] = b->next;
            munmap(b, class_bytes(i));
        }
    }
}

void *nbd_pool_get(NBDPool *pool, size_t bytes)
{
    unsigned class = size_class(bytes);
    NBDPoolBuffer *b;
    void *fresh;

    assert(class < NBD_POOL_CLASSES);
    qemu_spin_lock(&pool->lock);
    b = pool->free[class];
    if (b) {
        pool->free[class] = b->next;
        pool->kept -= class_bytes(class);
    }
    qemu_spin_unlock(&pool->lock);
    if (b) {
        return b;
    }
    fresh = mmap(NULL, class_bytes(class), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return fresh == MAP_FAILED ? NULL : fresh;
}

void nbd_pool_put(NBDPool *pool, void *buf, size_t bytes)
{
    unsigned class = size_class(bytes);
    NBDPoolBuffer *b = buf;
    bool keep;

    if (!buf) {
        return;
    }
    qemu_spin_lock(&pool->lock);
    keep = pool->kept + class_bytes(class) <= NBD_POOL_KEEP;
    if (keep) {
        b->next = pool->free[class];
        pool->free[class] = b;
        pool->kept += class_bytes(class);
    }
    qemu_spin_unlock(&pool->lock);
    if (!keep) {
        munmap(buf, class_bytes(class));
    }
}
