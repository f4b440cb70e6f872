/*
 * Buffer: a byte queue in one block of memory. Content starts at the front,
 * so consuming moves the rest down; callers consume large parts at once.
 *
 * Capacity is a power of two, at least BUFFER_MIN. It shrinks only when the
 * moving average of use over about a hundred steps says that a quarter
 * would do, so that a peer alternating between large and small messages
 * does not cause an allocation for each.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/buffer.h"

#include "util/host-utils.h"

#define BUFFER_MIN 4096
/* Below this shrinking is not worth the call. */
#define BUFFER_SHRINK_MIN (64 * 1024)
/* The average is kept times 2^7, and each step counts 1/2^7. */
#define BUFFER_AVG_SHIFT 7

static size_t capacity_for(size_t need)
{
    uint64_t size = pow2ceil(MAX(need, BUFFER_MIN));

    return size == 0 || size > SIZE_MAX ? need : (size_t)size;
}

static void buffer_set_capacity(Buffer *buffer, size_t capacity)
{
    if (capacity != buffer->capacity) {
        buffer->buffer = g_realloc(buffer->buffer, capacity);
        buffer->capacity = capacity;
    }
}

void buffer_init(Buffer *buffer, const char *name, ...)
{
    va_list ap;

    memset(buffer, 0, sizeof(*buffer));
    va_start(ap, name);
    buffer->name = g_strdup_vprintf(name, ap);
    va_end(ap);
}

void buffer_shrink(Buffer *buffer)
{
    size_t want;

    buffer->avg_size -= buffer->avg_size >> BUFFER_AVG_SHIFT;
    buffer->avg_size += buffer->offset;

    if (buffer->capacity <= BUFFER_SHRINK_MIN) {
        return;
    }
    want = MAX(buffer->avg_size >> BUFFER_AVG_SHIFT, buffer->offset);
    if (want > buffer->capacity / 4) {
        return;
    }
    buffer_set_capacity(buffer, MAX(capacity_for(want), BUFFER_SHRINK_MIN));
}

void buffer_reserve(Buffer *buffer, size_t len)
{
    size_t need;

    if (__builtin_add_overflow(buffer->offset, len, &need)) {
        g_error("buffer '%s': size overflow", buffer->name ?: "");
    }
    if (need > buffer->capacity) {
        size_t capacity = capacity_for(need);

        /* Room that was needed will be needed again. */
        buffer->avg_size =
            MAX(buffer->avg_size, (uint64_t)capacity << BUFFER_AVG_SHIFT);
        buffer_set_capacity(buffer, capacity);
    }
}

bool buffer_empty(Buffer *buffer)
{
    return buffer->offset == 0;
}

uint8_t *buffer_end(Buffer *buffer)
{
    return buffer->buffer + buffer->offset;
}

void buffer_reset(Buffer *buffer)
{
    buffer->offset = 0;
    buffer_shrink(buffer);
}

void buffer_free(Buffer *buffer)
{
    g_clear_pointer(&buffer->buffer, g_free);
    g_clear_pointer(&buffer->name, g_free);
    buffer->offset = 0;
    buffer->capacity = 0;
    buffer->avg_size = 0;
}

void buffer_append(Buffer *buffer, const void *data, size_t len)
{
    assert(len <= buffer->capacity - buffer->offset);
    if (len) {
        memcpy(buffer_end(buffer), data, len);
    }
    buffer->offset += len;
}

void buffer_advance(Buffer *buffer, size_t len)
{
    assert(len <= buffer->offset);
    if (len == 0) {
        return;
    }
    memmove(buffer->buffer, buffer->buffer + len, buffer->offset - len);
    buffer->offset -= len;
    buffer_shrink(buffer);
}

/* Takes @from's memory; the names stay. */
static void buffer_take_memory(Buffer *to, Buffer *from)
{
    g_free(to->buffer);
    to->buffer = g_steal_pointer(&from->buffer);
    to->offset = from->offset;
    to->capacity = from->capacity;
    from->offset = 0;
    from->capacity = 0;
}

void buffer_move_empty(Buffer *to, Buffer *from)
{
    assert(to->offset == 0);
    buffer_take_memory(to, from);
}

void buffer_move(Buffer *to, Buffer *from)
{
    if (to->offset == 0) {
        buffer_take_memory(to, from);
        return;
    }
    buffer_reserve(to, from->offset);
    buffer_append(to, from->buffer, from->offset);
    g_clear_pointer(&from->buffer, g_free);
    from->offset = 0;
    from->capacity = 0;
}
