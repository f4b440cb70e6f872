/*
 * Picture files: portable pixmap (P6, 8 bits) and PNG.
 *
 * libpng is loaded when the first PNG is written. Its simplified interface is
 * used, which reports failure as a text and jumps nowhere.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/fd.h"
#include "util/library.h"

#include "ui-internal.h"

#define RGB_BYTES 3u

static void row_to_rgb(const Surface *surface, int y, uint8_t *rgb)
{
    const uint32_t *row = surface_row(surface, y);

    for (int x = 0; x < surface->width; x++, rgb += RGB_BYTES) {
        rgb[0] = (uint8_t)(row[x] >> 16);
        rgb[1] = (uint8_t)(row[x] >> 8);
        rgb[2] = (uint8_t)row[x];
    }
}

static bool write_ppm(const Surface *surface, FILE *f, Error **errp)
{
    size_t bytes = (size_t)surface->width * RGB_BYTES;
    g_autofree uint8_t *rgb = g_malloc(bytes);
    bool ok =
        fprintf(f, "P6\n%d %d\n255\n", surface->width, surface->height) > 0;

    for (int y = 0; ok && y < surface->height; y++) {
        row_to_rgb(surface, y, rgb);
        ok = fwrite(rgb, 1, bytes, f) == bytes;
    }
    if (!ok) {
        error_setg_errno(errp, errno, "cannot write the picture");
    }
    return ok;
}

#if CONFIG_PNG

#include <png.h>

static __typeof__(png_image_write_to_stdio) *lib_write_to_stdio;
static __typeof__(png_image_free) *lib_image_free;
static const LibrarySymbol png_symbols[] = {
    { "png_image_write_to_stdio", &lib_write_to_stdio },
    { "png_image_free", &lib_image_free },
    {},
};
static Library png_library = { .soname = "libpng16.so.16",
                               .symbols = png_symbols };

static bool write_png(const Surface *surface, FILE *f, Error **errp)
{
    size_t stride = (size_t)surface->width * RGB_BYTES;
    g_autofree uint8_t *rgb = NULL;
    png_image image = {
        .version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)surface->width,
        .height = (png_uint_32)surface->height,
        .format = PNG_FORMAT_RGB,
        .flags = PNG_IMAGE_FLAG_FAST,
    };
    bool ok;

    if (!library_load(&png_library, errp)) {
        return false;
    }
    rgb = g_try_malloc_n((size_t)surface->height, stride);
    if (!rgb) {
        error_setg(errp, "no memory for a picture of %d x %d", surface->width,
                   surface->height);
        return false;
    }
    for (int y = 0; y < surface->height; y++) {
        row_to_rgb(surface, y, rgb + (size_t)y * stride);
    }
    ok = lib_write_to_stdio(&image, f, 0, rgb, (png_int_32)stride, NULL) != 0;
    if (!ok) {
        error_setg(errp, "cannot write the picture: %s", image.message);
    }
    lib_image_free(&image);
    return ok;
}

#else

static bool write_png(const Surface *surface, FILE *f, Error **errp)
{
    error_setg(errp, "this program was built without PNG");
    return false;
}

#endif

bool image_write(const Surface *surface, ImageFormat format, int fd,
                 Error **errp)
{
    FILE *f = fdopen(fd, "wb");
    bool ok;

    if (!f) {
        error_setg_errno(errp, errno, "cannot write the picture");
        fd_close(fd);
        return false;
    }
    ok = format == IMAGE_FORMAT_PNG ? write_png(surface, f, errp)
                                    : write_ppm(surface, f, errp);
    if (fclose(f) != 0 && ok) {
        error_setg_errno(errp, errno, "cannot write the picture");
        return false;
    }
    return ok;
}
