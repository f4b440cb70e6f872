/*
 * Copies between a buffer in use and memory far away.
 *
 * memcpy() cannot know that one side of a copy is not in the cache and need not
 * be. For pages of a guest it is up to three times slower than memory is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_BULK_COPY_H
#define UTIL_BULK_COPY_H

/**
 * bulk_copy_in:
 * @dst: (out) @len bytes, used soon
 * @src: (in) @len bytes, likely not in the cache; others may write them meanwhile
 */
void bulk_copy_in(void *dst, const void *src, size_t len);

/**
 * bulk_copy_out:
 * @dst: (out) @len bytes that nobody reads soon: they go past the cache
 * @src: (in) @len bytes
 *
 * Before another thread is told of @dst: bulk_copy_out_done().
 */
void bulk_copy_out(void *dst, const void *src, size_t len);

/** bulk_copy_out_done: all that this thread has copied out is in its place. */
void bulk_copy_out_done(void);

#endif
