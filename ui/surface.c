/*
 * Pixels of a screen: memory, and finding out what a renderer changed.
 *
 * A card hands over whole rows; surface_put_row() compares each with what is
 * there. So no card keeps a second book about what is dirty, a guest that
 * draws the same thing again costs the viewers nothing, and there is no race
 * between "write", "mark dirty" and "read".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "ui/surface.h"

#include "util/atomic.h"

#define STRIDE_ALIGN 64u

Surface *surface_new(int width, int height)
{
    Surface *s;
    size_t stride;

    if (width < 1 || width > SURFACE_SIZE_MAX || height < 1 ||
        height > SURFACE_SIZE_MAX) {
        return NULL;
    }
    stride = QEMU_ALIGN_UP((size_t)width * sizeof(uint32_t), STRIDE_ALIGN);
    s = g_new0(Surface, 1);
    s->refcount = 1;
    s->width = width;
    s->height = height;
    s->stride = stride;
    s->pixels = g_try_malloc0_n((size_t)height, stride);
    if (!s->pixels) {
        g_free(s);
        return NULL;
    }
    return s;
}

Surface *surface_ref(Surface *surface)
{
    qatomic_inc(&surface->refcount);
    return surface;
}

void surface_unref(Surface *surface)
{
    if (surface && qatomic_fetch_dec(&surface->refcount) == 1) {
        g_free(surface->pixels);
        g_free(surface);
    }
}

Surface *surface_copy(const Surface *surface)
{
    Surface *copy = surface_new(surface->width, surface->height);

    if (copy) {
        memcpy(copy->pixels, surface->pixels,
               surface->stride * (size_t)surface->height);
    }
    return copy;
}

SurfaceRect surface_rect_union(SurfaceRect a, SurfaceRect b)
{
    int x, y;

    if (a.w <= 0 || a.h <= 0) {
        return b;
    }
    if (b.w <= 0 || b.h <= 0) {
        return a;
    }
    x = MIN(a.x, b.x);
    y = MIN(a.y, b.y);
    return (SurfaceRect){ x, y, MAX(a.x + a.w, b.x + b.w) - x,
                          MAX(a.y + a.h, b.y + b.h) - y };
}

void surface_span_end(SurfaceSpan *span)
{
    if (span->rect.w > 0 && span->rect.h > 0) {
        span->emit(span->opaque, span->rect);
    }
    span->rect = (SurfaceRect){ 0 };
}

void surface_span_add(SurfaceSpan *span, int x, int y, int w)
{
    SurfaceRect row = { x, y, w, 1 };

    if (w <= 0) {
        return;
    }
    if (span->rect.w > 0 && y > span->rect.y + span->rect.h) {
        surface_span_end(span);
    }
    span->rect = surface_rect_union(span->rect, row);
}

/* First and last pixel that differ, or first > last. */
static void find_change(const uint32_t *a, const uint32_t *b, int n,
                        int *ret_first, int *ret_last)
{
    int first = 0;
    int last = n - 1;

    while (first < n && a[first] == b[first]) {
        first++;
    }
    while (last > first && a[last] == b[last]) {
        last--;
    }
    *ret_first = first;
    *ret_last = last;
}

void surface_put_row(Surface *surface, SurfaceSpan *span, int y,
                     const uint32_t *pixels)
{
    uint32_t *row = surface_row(surface, y);
    size_t bytes = (size_t)surface->width * sizeof(uint32_t);
    int first, last;

    if (memcmp(row, pixels, bytes) == 0) {
        return;
    }
    find_change(row, pixels, surface->width, &first, &last);
    memcpy(row + first, pixels + first,
           (size_t)(last - first + 1) * sizeof(uint32_t));
    surface_span_add(span, first, y, last - first + 1);
}
