/*
 * Pixels of a screen.
 *
 * A surface is a block of 32-bit pixels, xRGB in the host's byte order (what
 * pixman calls x8r8g8b8): whatever mode the guest's card is in, the card
 * renders into that one format, so a consumer has one case to encode. The top
 * byte of a pixel means nothing.
 *
 * The pixels belong to the surface and not to the guest: between two
 * refreshes nothing changes them, so a consumer may hash and compress them
 * without a race against the guest.
 *
 * Thread: the reference count is atomic. The pixels change only in the main
 * loop, inside console_refresh(); another thread takes a copy there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UI_SURFACE_H
#define UI_SURFACE_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* Largest screen, either way, in pixels. */
#define SURFACE_SIZE_MAX 16384

/* Read its members, do not change them. */
typedef struct Surface {
    int refcount; /* atomic */
    int width;    /* pixels, 1 to SURFACE_SIZE_MAX */
    int height;
    size_t stride; /* bytes from one row to the next, a multiple of 64 */
    uint32_t *pixels;
} Surface;

/* A rectangle inside a surface; empty when @w or @h is 0. */
typedef struct SurfaceRect {
    int x;
    int y;
    int w;
    int h;
} SurfaceRect;

/**
 * surface_new:
 * @width, @height: pixels, 1 to SURFACE_SIZE_MAX
 *
 * Returns: (transfer full) a black surface; NULL if there is no memory.
 */
Surface *surface_new(int width, int height);
Surface *surface_ref(Surface *surface);
/** surface_unref: accepts NULL. */
void surface_unref(Surface *surface);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Surface, surface_unref)

/** surface_row: first pixel of row @y. */
static inline uint32_t *surface_row(const Surface *surface, int y)
{
    return (uint32_t *)((char *)surface->pixels + (size_t)y * surface->stride);
}

/** surface_copy: (transfer full) same size and pixels; NULL: no memory. */
Surface *surface_copy(const Surface *surface);

/** surface_rect_union: smallest rectangle that holds both. */
SurfaceRect surface_rect_union(SurfaceRect a, SurfaceRect b);

/**
 * SurfaceSpan:
 * Collects the rows that a renderer changed into few rectangles: rows that
 * follow each other become one rectangle as wide as the widest of them.
 */
typedef struct SurfaceSpan {
    void (*emit)(void *opaque, SurfaceRect rect);
    void *opaque;
    SurfaceRect rect; /* being collected; private */
} SurfaceSpan;

/** surface_span_add: columns @x to @x + @w - 1 of row @y changed; rows come
 *  in ascending order. */
void surface_span_add(SurfaceSpan *span, int x, int y, int w);
/** surface_span_end: emit what is collected. */
void surface_span_end(SurfaceSpan *span);

/**
 * surface_put_row:
 * @pixels: (in) @width pixels, what row @y shall be
 *
 * Store a rendered row and note the columns in which it differs from what was
 * there.
 */
void surface_put_row(Surface *surface, SurfaceSpan *span, int y,
                     const uint32_t *pixels);

#endif
