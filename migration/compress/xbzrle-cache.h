/*
 * The pages that the destination is known to have, for XBZRLE.
 *
 * Thread: one at a time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_XBZRLE_CACHE_H
#define MIGRATION_XBZRLE_CACHE_H

#include "migration/ram-block.h"
#include "util/error.h"

typedef struct XBZRLECache XBZRLECache;

/**
 * xbzrle_cache_new:
 * @bytes: a power of two, at least RAM_PAGE_SIZE
 *
 * Memory is taken as pages are put in.
 * Errors: not such a number; no memory.
 */
XBZRLECache *xbzrle_cache_new(uint64_t bytes, Error **errp);
/** xbzrle_cache_free: NULL is allowed. */
void xbzrle_cache_free(XBZRLECache *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XBZRLECache, xbzrle_cache_free)

/** xbzrle_cache_resize: pages stay as far as they fit. On error nothing has
 *  changed. */
bool xbzrle_cache_resize(XBZRLECache *c, uint64_t bytes, Error **errp);

uint64_t xbzrle_cache_bytes(const XBZRLECache *c);

/** xbzrle_cache_prefetch: page @key, if it is there, is needed soon. */
void xbzrle_cache_prefetch(const XBZRLECache *c, uint64_t key);

/**
 * xbzrle_cache_find:
 * @key: names the page; any number but UINT64_MAX
 * @pass: now; the page is then as young
 *
 * Returns: RAM_PAGE_SIZE bytes in the cache, or NULL.
 */
uint8_t *xbzrle_cache_find(XBZRLECache *c, uint64_t key, uint64_t pass);

/**
 * xbzrle_cache_insert:
 *
 * Room for page @key, which is not in the cache; the caller fills it. A page
 * that was used in this pass or the one before keeps its place.
 *
 * Returns: RAM_PAGE_SIZE bytes, or NULL.
 */
uint8_t *xbzrle_cache_insert(XBZRLECache *c, uint64_t key, uint64_t pass);

#endif
