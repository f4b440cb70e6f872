/*
 * A disk in memory behind an NBD export.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "nbd-disk.h"

#include "util/atomic.h"
#include "util/coroutine.h"

NBDDisk *nbd_disk_new(size_t size)
{
    NBDDisk *d = g_new0(NBDDisk, 1);

    d->size = size;
    d->data = g_malloc0(size);
    d->hole = g_new(bool, size / NBD_DISK_BLOCK + 1);
    memset(d->hole, true, size / NBD_DISK_BLOCK + 1);
    return d;
}

void nbd_disk_free(NBDDisk *d)
{
    g_free(d->data);
    g_free(d->hole);
    g_free(d);
}

uint8_t nbd_disk_byte(size_t offset)
{
    return (uint8_t)(offset ^ (offset >> 8) ^ (offset >> 16)) | 1;
}

static void set_hole(NBDDisk *d, size_t offset, size_t bytes, bool hole)
{
    for (size_t b = offset / NBD_DISK_BLOCK;
         bytes && b <= (offset + bytes - 1) / NBD_DISK_BLOCK; b++) {
        qatomic_set(&d->hole[b], hole);
    }
}

void nbd_disk_fill(NBDDisk *d, size_t offset, size_t bytes)
{
    for (size_t i = offset; i < offset + bytes; i++) {
        d->data[i] = nbd_disk_byte(i);
    }
    set_hole(d, offset, bytes, false);
}

static int coroutine_fn disk_begin(NBDDisk *d)
{
    if (d->delay_ms) {
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, d->delay_ms * INT64_C(1000000));
    }
    return -qatomic_read(&d->fail_errno);
}

static int64_t disk_length(void *opaque)
{
    NBDDisk *d = opaque;

    return (int64_t)d->size;
}

static int coroutine_fn disk_co_preadv(void *opaque, uint64_t offset,
                                       QEMUIOVector *qiov)
{
    NBDDisk *d = opaque;
    int ret = disk_begin(d);

    g_assert(offset + qiov->size <= d->size);
    qemu_iovec_from_buf(qiov, 0, d->data + offset, qiov->size);
    return ret;
}

static int coroutine_fn disk_co_pwritev(void *opaque, uint64_t offset,
                                        QEMUIOVector *qiov, bool fua)
{
    NBDDisk *d = opaque;
    int ret = disk_begin(d);

    g_assert(offset + qiov->size <= d->size);
    if (ret == 0) {
        qemu_iovec_to_buf(qiov, 0, d->data + offset, qiov->size);
        set_hole(d, offset, qiov->size, false);
        qatomic_inc(&d->writes);
    }
    return ret;
}

static int coroutine_fn disk_co_flush(void *opaque)
{
    NBDDisk *d = opaque;

    qatomic_inc(&d->flushes);
    return disk_begin(d);
}

static int coroutine_fn disk_co_trim(void *opaque, uint64_t offset,
                                     uint64_t bytes, bool fua)
{
    NBDDisk *d = opaque;

    qatomic_inc(&d->trims);
    return disk_begin(d);
}

static int coroutine_fn disk_co_zero(void *opaque, uint64_t offset,
                                     uint64_t bytes, unsigned flags)
{
    NBDDisk *d = opaque;

    if (flags & NBD_CMD_FLAG_FAST_ZERO) {
        return -ENOTSUP;
    }
    g_assert(offset + bytes <= d->size);
    qatomic_inc(&d->zeroes);
    memset(d->data + offset, 0, bytes);
    if (offset % NBD_DISK_BLOCK == 0 && bytes % NBD_DISK_BLOCK == 0) {
        set_hole(d, offset, bytes, true);
    }
    return disk_begin(d);
}

static int coroutine_fn disk_co_cache(void *opaque, uint64_t offset,
                                      uint64_t bytes)
{
    NBDDisk *d = opaque;

    qatomic_inc(&d->caches);
    return disk_begin(d);
}

static int coroutine_fn disk_co_extents(void *opaque, unsigned context,
                                        uint64_t offset, uint64_t bytes,
                                        NBDExtent *ext, unsigned max)
{
    NBDDisk *d = opaque;
    unsigned n = 0;

    while (bytes > 0 && n < max) {
        uint64_t block = offset / NBD_DISK_BLOCK;
        uint64_t part = MIN(bytes, (block + 1) * NBD_DISK_BLOCK - offset);

        ext[n].length = part;
        ext[n].flags = context ? block & 1
                       : qatomic_read(&d->hole[block])
                           ? NBD_STATE_HOLE | NBD_STATE_ZERO
                           : 0;
        n++;
        offset += part;
        bytes -= part;
    }
    return (int)n;
}

static void disk_gone(void *opaque)
{
    NBDDisk *d = opaque;

    qatomic_inc(&d->gone);
}

static const NBDBackendOps disk_ops = {
    .co_length = disk_length,
    .co_preadv = disk_co_preadv,
    .co_pwritev = disk_co_pwritev,
    .co_flush = disk_co_flush,
    .co_trim = disk_co_trim,
    .co_zero = disk_co_zero,
    .co_cache = disk_co_cache,
    .co_extents = disk_co_extents,
};

NBDExportConfig nbd_disk_export(NBDDisk *disk, const char *name, bool writable)
{
    static const char *const contexts[] = { NBD_CONTEXT_ALLOCATION,
                                            "x-test:odd", NULL };

    return (NBDExportConfig){
        .name = name,
        .description = "a disk in memory",
        .ops = &disk_ops,
        .opaque = disk,
        .writable = writable,
        .contexts = contexts,
        .gone = disk_gone,
    };
}
