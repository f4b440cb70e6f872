/*
 * What a file's descriptor is like: size, and the alignment that O_DIRECT
 * wants.
 *
 * Newer kernels say it (statx, STATX_DIOALIGN). Else the logical block size
 * of a device is asked for, and for a file a read is tried with less and less
 * precise arguments.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "block/protocol/file-internal.h"
#include "trace/trace-block.h"
#include "util/host-utils.h"

#define DIRECT_ALIGN_MAX 65536u
#define DIRECT_ALIGN     4096u /* what suits nearly everything */

int64_t block_file_size(BlockFile *f)
{
    struct stat st;
    uint64_t bytes;

    if (f->is_device) {
        return ioctl(f->fd, BLKGETSIZE64, &bytes) < 0 ? -errno : (int64_t)bytes;
    }
    if (fstat(f->fd, &st) < 0) {
        return -errno;
    }
    return ROUND_UP((int64_t)st.st_size, BLK_SECTOR_SIZE);
}

static bool usable(uint32_t align)
{
    return align && is_power_of_2(align) && align <= DIRECT_ALIGN_MAX;
}

static bool probe_statx(BlockFile *f)
{
#ifdef STATX_DIOALIGN
    BlockNode *node = BLOCK_NODE(f);
    struct statx st = { 0 };

    if (statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
        (st.stx_mask & STATX_DIOALIGN) && usable(st.stx_dio_offset_align) &&
        usable(st.stx_dio_mem_align)) {
        node->request_alignment = st.stx_dio_offset_align;
        node->memory_alignment = st.stx_dio_mem_align;
        return true;
    }
#endif
    return false;
}

/* Can the file be read with these? */
static bool reads_with(BlockFile *f, uint32_t request, uint32_t memory)
{
    char *buf = g_aligned_alloc(2, DIRECT_ALIGN_MAX, DIRECT_ALIGN_MAX);
    uint32_t shift = memory < DIRECT_ALIGN_MAX ? memory : 0;
    ssize_t n;

    do {
        n = pread(f->fd, buf + shift, request, 0);
    } while (n < 0 && errno == EINTR);
    g_aligned_free(buf);
    return n >= 0 || errno != EINVAL;
}

static void probe_by_reading(BlockFile *f)
{
    BlockNode *node = BLOCK_NODE(f);
    uint32_t align;

    node->request_alignment = DIRECT_ALIGN;
    node->memory_alignment = DIRECT_ALIGN;
    for (align = BLK_SECTOR_SIZE; align <= DIRECT_ALIGN_MAX; align *= 2) {
        if (reads_with(f, align, DIRECT_ALIGN_MAX)) {
            node->request_alignment = align;
            break;
        }
    }
    for (align = BLK_SECTOR_SIZE; align < DIRECT_ALIGN; align *= 2) {
        if (reads_with(f, node->request_alignment, align)) {
            node->memory_alignment = align;
            break;
        }
    }
}

static bool is_in_memory(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 &&
           (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

void block_file_probe(BlockFile *f)
{
    BlockNode *node = BLOCK_NODE(f);
    unsigned physical;

    f->in_memory = !f->is_device && is_in_memory(f->fd);
    if (node->direct && !probe_statx(f)) {
        probe_by_reading(f);
    }
    if (f->is_device && ioctl(f->fd, BLKPBSZGET, &physical) == 0 &&
        usable(physical) && physical >= BLK_SECTOR_SIZE) {
        node->physical_block_size = physical;
    }
    trace_block_file_probe(f->filename, node->request_alignment,
                           node->memory_alignment, node->physical_block_size);
}

bool block_file_same(int a, int b)
{
    struct stat sa, sb;

    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 &&
           (S_ISBLK(sa.st_mode)
                ? S_ISBLK(sb.st_mode) && sa.st_rdev == sb.st_rdev
                : sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino);
}
