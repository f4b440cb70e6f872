/*
 * Buffer: a byte queue; append at the end, consume from the front.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_BUFFER_H
#define UTIL_BUFFER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero is a valid empty buffer. */
typedef struct Buffer {
    char *name;        /* for traces, may be NULL */
    size_t capacity;   /* bytes allocated */
    size_t offset;     /* bytes in use */
    uint64_t avg_size; /* moving average of use, to decide on shrinking */
    uint8_t *buffer;
} Buffer;

/** buffer_init: empty, with a name by printf format. */
void buffer_init(Buffer *buffer, const char *name, ...) G_GNUC_PRINTF(2, 3);
/** buffer_shrink: give back memory that has not been needed lately. */
void buffer_shrink(Buffer *buffer);
/** buffer_reserve: make room for @len more bytes at buffer_end(). */
void buffer_reserve(Buffer *buffer, size_t len);
/** buffer_reset: empty, keep the memory. */
void buffer_reset(Buffer *buffer);
/** buffer_free: give back everything; the buffer is empty and usable. */
void buffer_free(Buffer *buffer);
/** buffer_append: needs buffer_reserve() before. */
void buffer_append(Buffer *buffer, const void *data, size_t len);
/** buffer_advance: drop the first @len bytes (at most all). */
void buffer_advance(Buffer *buffer, size_t len);
/** buffer_end: where the next byte goes. */
uint8_t *buffer_end(Buffer *buffer);
bool buffer_empty(Buffer *buffer);
/** buffer_move_empty: all of @from to @to, which must be empty; no copying. */
void buffer_move_empty(Buffer *to, Buffer *from);
/** buffer_move: append all of @from to @to; @from is empty and freed. */
void buffer_move(Buffer *to, Buffer *from);

#endif
