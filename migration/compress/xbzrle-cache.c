/*
 * A direct-mapped cache of pages. Keys count pages through all of RAM, so a
 * working set in a row that is not larger than the cache has no conflicts at
 * all; of two pages for one place the younger must wait until the elder was not
 * used for a pass, or they would throw each other out for ever.
 *
 * The pages lie in one mapping that the kernel fills as it is used, by huge pages
 * where it can.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/xbzrle-cache.h"

#include <sys/mman.h>

#define NO_KEY UINT64_MAX
/* Passes for which a page that is not used keeps its place. */
#define LIFETIME 1

typedef struct CacheSlot {
    uint64_t key;
    uint64_t pass; /* in which it was used last */
} CacheSlot;

struct XBZRLECache {
    uint64_t n; /* places, a power of two */
    CacheSlot *slot;
    uint8_t *pages;
};

static bool cache_init(XBZRLECache *c, uint64_t bytes, Error **errp)
{
    if (bytes < RAM_PAGE_SIZE || (bytes & (bytes - 1)) ||
        bytes > SIZE_MAX / 2) {
        error_setg(errp,
                   "XBZRLE cache of %" PRIu64 " bytes: not a power of two"
                   " of at least %" PRIu64,
                   bytes, RAM_PAGE_SIZE);
        return false;
    }
    c->n = bytes >> RAM_PAGE_BITS;
    c->slot = g_try_new(CacheSlot, c->n);
    c->pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!c->slot || c->pages == MAP_FAILED) {
        if (c->pages != MAP_FAILED) {
            munmap(c->pages, bytes);
        }
        g_free(c->slot);
        error_setg(errp, "no memory for an XBZRLE cache of %" PRIu64 " bytes",
                   bytes);
        return false;
    }
    /* A fault for each page would cost more than the copy to it. */
    madvise(c->pages, bytes, MADV_HUGEPAGE);
    for (uint64_t i = 0; i < c->n; i++) {
        c->slot[i] = (CacheSlot){ .key = NO_KEY };
    }
    return true;
}

static void cache_deinit(XBZRLECache *c)
{
    munmap(c->pages, c->n << RAM_PAGE_BITS);
    g_free(c->slot);
}

XBZRLECache *xbzrle_cache_new(uint64_t bytes, Error **errp)
{
    XBZRLECache *c = g_new0(XBZRLECache, 1);

    if (!cache_init(c, bytes, errp)) {
        g_free(c);
        return NULL;
    }
    return c;
}

void xbzrle_cache_free(XBZRLECache *c)
{
    if (c) {
        cache_deinit(c);
        g_free(c);
    }
}

static uint8_t *slot_page(const XBZRLECache *c, const CacheSlot *slot)
{
    return c->pages + ((uint64_t)(slot - c->slot) << RAM_PAGE_BITS);
}

static CacheSlot *slot_of(const XBZRLECache *c, uint64_t key)
{
    return &c->slot[key & (c->n - 1)];
}

bool xbzrle_cache_resize(XBZRLECache *c, uint64_t bytes, Error **errp)
{
    XBZRLECache to;

    if (bytes == xbzrle_cache_bytes(c)) {
        return true;
    }
    if (!cache_init(&to, bytes, errp)) {
        return false;
    }
    for (uint64_t i = 0; i < c->n; i++) {
        const CacheSlot *from = &c->slot[i];
        CacheSlot *slot = slot_of(&to, from->key);

        if (from->key != NO_KEY &&
            (slot->key == NO_KEY || slot->pass < from->pass)) {
            *slot = *from;
            memcpy(slot_page(&to, slot), slot_page(c, from), RAM_PAGE_SIZE);
        }
    }
    cache_deinit(c);
    *c = to;
    return true;
}

uint64_t xbzrle_cache_bytes(const XBZRLECache *c)
{
    return c->n << RAM_PAGE_BITS;
}

void xbzrle_cache_prefetch(const XBZRLECache *c, uint64_t key)
{
    const uint8_t *page = slot_page(c, slot_of(c, key));

    __builtin_prefetch(page);
    __builtin_prefetch(page + 64);
}

uint8_t *xbzrle_cache_find(XBZRLECache *c, uint64_t key, uint64_t pass)
{
    CacheSlot *slot = slot_of(c, key);

    if (slot->key != key) {
        return NULL;
    }
    slot->pass = pass;
    return slot_page(c, slot);
}

uint8_t *xbzrle_cache_insert(XBZRLECache *c, uint64_t key, uint64_t pass)
{
    CacheSlot *slot = slot_of(c, key);

    if (slot->key != NO_KEY && slot->pass + LIFETIME >= pass) {
        return NULL;
    }
    *slot = (CacheSlot){ .key = key, .pass = pass };
    return slot_page(c, slot);
}
