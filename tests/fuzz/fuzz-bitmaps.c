/*
 * Fuzz target: payloads of the section "dirty-bitmap" into a destination.
 *
 * Two bits of the first byte say whether the guest runs already, and whether a
 * good START comes before. Checked beside memory safety: no bit is set outside
 * of a disk, and nothing is left behind.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-buffer.h"
#include "migration/bitmap/bitmaps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DISK_BYTES (1024 * 1024 + 512)
#define ALIVE_MAX  64

typedef struct FuzzBitmap {
    uint64_t bytes; /* of its map */
} FuzzBitmap;

typedef struct Fuzz {
    unsigned alive;
} Fuzz;

static void *on_create(void *opaque, const MigrationBitmapInfo *info,
                       Error **errp)
{
    Fuzz *fz = opaque;
    FuzzBitmap *b;

    assert(info->node[0] && info->name[0] && info->granularity >= 512);
    if (fz->alive >= ALIVE_MAX) {
        error_setg(errp, "enough");
        return NULL;
    }
    b = g_new0(FuzzBitmap, 1);
    b->bytes = DIV_ROUND_UP(DIV_ROUND_UP(DISK_BYTES, info->granularity), 8);
    fz->alive++;
    return b;
}

static int64_t on_size(void *opaque, void *bitmap)
{
    return DISK_BYTES;
}

static void on_merge(void *opaque, void *bitmap, size_t from, size_t len,
                     const uint8_t *bits)
{
    const FuzzBitmap *b = bitmap;
    unsigned sum = 0;

    assert(len > 0 && from < b->bytes);
    for (size_t i = 0; i < len; i++) {
        sum += bits[i]; /* all of them are there */
    }
    assert(sum <= 255 * len);
}

static void on_begin(void *opaque, void *bitmap)
{
    assert(((FuzzBitmap *)bitmap)->bytes > 0);
}

static void on_end(void *opaque, void *bitmap)
{
    ((Fuzz *)opaque)->alive--;
    g_free(bitmap);
}

static const MigrationBitmapOps ops = {
    .size = on_size,
    .create = on_create,
    .merge = on_merge,
    .begin = on_begin,
    .finish = on_end,
    .drop = on_end,
};

static bool load(BitmapLoader *l, const void *data, size_t size)
{
    QIOChannelBuffer *mem = qio_channel_buffer_new(size);
    QEMUFile *f;
    bool ok = true;

    memcpy(mem->data, data, size);
    mem->usage = size;
    f = qemu_file_new_input(QIO_CHANNEL(mem));
    object_unref(OBJECT(mem));
    while (ok && qemu_peek_byte(f, 0) >= 0 && !qemu_file_get_error(f)) {
        ok = bitmap_loader_load(l, f, NULL);
    }
    qemu_file_free(f);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char start[] = "\x1c\x04"
                                "disk\x01"
                                "b\x00\x00\x10\x00\x01\x01";
    BitmapStats stats = { 0 };
    Fuzz fz = { 0 };
    BitmapLoader *l;

    if (size < 2) {
        return 0;
    }
    l = bitmap_loader_new(&ops, &fz, NULL, true, &stats);
    if (data[0] & 1) {
        load(l, start, sizeof(start) - 1);
    }
    if (data[0] & 2) {
        bitmap_loader_begin(l);
    }
    if (load(l, data + 1, size - 1) && !(data[0] & 2) &&
        bitmap_loader_check(l, NULL)) {
        bitmap_loader_begin(l);
    }
    bitmap_loader_end(l);
    bitmap_loader_free(l);
    assert(fz.alive == 0);
    assert(stats.done <= stats.bytes);
    bitmap_stats_clear(&stats);
    return 0;
}
