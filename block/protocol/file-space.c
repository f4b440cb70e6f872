/*
 * Driver "file": requests about space: zeroes, discard, copies, holes, size.
 *
 * All of these calls block and go to the pool of threads of the context that
 * runs the request.
 *
 * Finding out where holes are takes a system call, on some file systems a slow
 * one, and who copies an image asks again for each of its requests. So the last
 * range of data that was found is remembered until something may have made a
 * hole in it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "block/protocol/file-internal.h"
#include "qapi/qapi-types-block.h"
#include "util/error.h"

/* Of one write of zeroes when a file is filled (preallocation=full). */
#define FILL_BYTES (1024 * 1024)

/* -- what is known about holes ------------------------------------------------------- */

static void forget_data(BlockFile *f, int64_t offset, int64_t bytes)
{
    qemu_mutex_lock(&f->lock);
    if (offset < f->data_end && f->data_start < offset + bytes) {
        f->data_end = f->data_start = 0;
    }
    qemu_mutex_unlock(&f->lock);
}

static void remember_data(BlockFile *f, int64_t start, int64_t end)
{
    qemu_mutex_lock(&f->lock);
    f->data_start = start;
    f->data_end = end;
    qemu_mutex_unlock(&f->lock);
}

/* Where the data that has @offset is known to end; or 0. */
static int64_t known_data(BlockFile *f, int64_t offset)
{
    int64_t end = 0;

    qemu_mutex_lock(&f->lock);
    if (f->data_start <= offset && offset < f->data_end) {
        end = f->data_end;
    }
    qemu_mutex_unlock(&f->lock);
    return end;
}

/* -- zeroes and discard --------------------------------------------------------------- */

static int fallocate_thread(void *opaque)
{
    FileCall *c = opaque;
    int ret;

    do {
        ret = fallocate(c->fd, c->mode, c->offset, c->bytes);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

static int ioctl_thread(void *opaque)
{
    FileCall *c = opaque;
    uint64_t range[2] = { (uint64_t)c->offset, (uint64_t)c->bytes };

    return ioctl(c->fd, (unsigned long)c->mode, range) < 0 ? -errno : 0;
}

/* @no: remembers that it does not work at all. */
static int coroutine_fn space_call(BlockFile *f, int mode, int64_t offset,
                                   int64_t bytes, bool *no)
{
    FileCall call = { f->fd, .offset = offset, .bytes = bytes, .mode = mode };
    int ret;

    if (qatomic_read(no)) {
        return -ENOTSUP;
    }
    forget_data(f, offset, bytes);
    ret = block_file_call(f, fallocate_thread, &call);
    /* Once more: somebody may have asked about the range meanwhile. */
    forget_data(f, offset, bytes);
    if (block_file_is_unsupported(ret)) {
        qatomic_set(no, true);
        ret = -ENOTSUP;
    }
    return ret;
}

int coroutine_fn block_file_co_pdiscard(BlockNode *node, int64_t offset,
                                        int64_t bytes)
{
    BlockFile *f = BLOCK_FILE(node);
    FileCall call = { f->fd, .offset = offset, .bytes = bytes,
                      .mode = BLKDISCARD };
    int ret;

    if (!f->is_device) {
        return space_call(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                          bytes, &f->no_punch);
    }
    forget_data(f, offset, bytes);
    ret = block_file_call(f, ioctl_thread, &call);
    return block_file_is_unsupported(ret) ? -ENOTSUP : ret;
}

int coroutine_fn block_file_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags)
{
    BlockFile *f = BLOCK_FILE(node);
    bool grows = offset + bytes > block_node_length(node);
    int ret = -ENOTSUP;

    if ((flags & BLK_REQ_MAY_UNMAP) && !grows) {
        ret = space_call(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                         bytes, &f->no_punch);
    }
    if (ret == -ENOTSUP) {
        ret =
            space_call(f,
                       FALLOC_FL_ZERO_RANGE | (grows ? 0 : FALLOC_FL_KEEP_SIZE),
                       offset, bytes, &f->no_zero_range);
    }
    return ret;
}

/* -- copying inside the host --------------------------------------------------------------- */

static int copy_thread(void *opaque)
{
    FileCall *c = opaque;

    while (c->bytes > 0) {
        loff_t in = c->offset;
        loff_t out = c->dst_offset;
        ssize_t n =
            copy_file_range(c->fd, &in, c->dst_fd, &out, (size_t)c->bytes, 0);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            return -ENOTSUP; /* the end of the file: not what was meant */
        }
        c->offset += n;
        c->dst_offset += n;
        c->bytes -= n;
    }
    return 0;
}

int coroutine_fn block_file_co_copy_range_to(BlockNode *node,
                                             int64_t src_offset, BlockNode *dst,
                                             int64_t dst_offset, int64_t bytes,
                                             BlkRequestFlags flags)
{
    BlockFile *f = BLOCK_FILE(node);
    BlockFile *to =
        (BlockFile *)object_dynamic_cast(OBJECT(dst), TYPE_BLOCK_FILE);
    FileCall call = { f->fd, .offset = src_offset, .bytes = bytes };
    int ret;

    if (!to || f->is_device || to->is_device ||
        qatomic_read(&to->no_copy_range)) {
        return -ENOTSUP;
    }
    call.dst_fd = to->fd;
    call.dst_offset = dst_offset;
    /* A reflink may bring holes along. */
    forget_data(to, dst_offset, bytes);
    ret = block_file_call(f, copy_thread, &call);
    forget_data(to, dst_offset, bytes);
    if (ret == -EXDEV || ret == -EBADF || ret == -ETXTBSY ||
        block_file_is_unsupported(ret)) {
        qatomic_set(&to->no_copy_range, true);
        ret = -ENOTSUP;
    }
    return ret;
}

/* -- holes -------------------------------------------------------------------------------------- */

/* In: where. Out: mode = 1 if there is data, and bytes up to which it is so. */
static int seek_thread(void *opaque)
{
    FileCall *c = opaque;
    off_t data = lseek(c->fd, c->offset, SEEK_DATA);
    off_t hole;

    if (data < 0 && errno == ENXIO) {
        c->mode = 0; /* a hole up to the end */
        c->moved = -1;
        return 0;
    }
    if (data < 0) {
        return -errno;
    }
    if (data > c->offset) {
        c->mode = 0;
        c->moved = data;
        return 0;
    }
    hole = lseek(c->fd, c->offset, SEEK_HOLE);
    if (hole < 0 || hole <= c->offset) {
        return hole < 0 ? -errno : -EBUSY; /* it changes under our hands */
    }
    c->mode = 1;
    c->moved = hole;
    return 0;
}

static int64_t up_to(const BlockNode *node, int64_t offset, int64_t bytes,
                     int64_t end, bool is_data)
{
    int64_t mask = (int64_t)node->request_alignment - 1;

    /* A block that is partly data is data. */
    end = is_data ? (end + mask) & ~mask : end & ~mask;
    return MIN(bytes, end - offset);
}

int coroutine_fn block_file_co_block_status(BlockNode *node, unsigned want,
                                            int64_t offset, int64_t bytes,
                                            int64_t *pnum, int64_t *map,
                                            BlockNode **file)
{
    BlockFile *f = BLOCK_FILE(node);
    FileCall call = { f->fd, .offset = offset };
    int64_t end = 0;
    bool data = true;

    *map = offset;
    *file = node;
    *pnum = bytes;
    if (!(want & NODE_WANT_ZERO)) {
        return NODE_STATUS_DATA | NODE_STATUS_OFFSET;
    }
    end = known_data(f, offset);
    if (!end) {
        if (block_file_call(f, seek_thread, &call) < 0) {
            return NODE_STATUS_DATA | NODE_STATUS_OFFSET;
        }
        data = call.mode;
        end = call.moved < 0 ? offset + bytes : call.moved;
        if (data) {
            remember_data(f, offset, end);
        }
    }
    *pnum = up_to(node, offset, bytes, end, data);
    if (*pnum <= 0) { /* a hole shorter than a block */
        *pnum = MIN(bytes, (int64_t)node->request_alignment);
        data = true;
    }
    return NODE_STATUS_OFFSET | (data ? NODE_STATUS_DATA : NODE_STATUS_ZERO);
}

/* -- size ---------------------------------------------------------------------------------------- */

typedef struct FileResize {
    FileCall call; /* offset: old size; bytes: new size */
    PreallocMode prealloc;
    const char *what; /* failed */
} FileResize;

static int fill(int fd, int64_t offset, int64_t end)
{
    g_autofree char *zeroes = g_malloc0(FILL_BYTES);

    while (offset < end) {
        size_t n = (size_t)MIN(end - offset, FILL_BYTES);
        ssize_t done = pwrite(fd, zeroes, n, offset);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return -errno;
        }
        offset += done;
    }
    return fdatasync(fd) < 0 ? -errno : 0;
}

static int resize_thread(void *opaque)
{
    FileResize *r = opaque;
    FileCall *c = &r->call;
    int ret = 0;

    r->what = "resize";
    if (ftruncate(c->fd, c->bytes) < 0) {
        return -errno;
    }
    if (c->bytes <= c->offset || r->prealloc == PREALLOC_MODE_OFF) {
        return 0;
    }
    r->what = "preallocate new data for";
    if (r->prealloc == PREALLOC_MODE_FALLOC) {
        ret = posix_fallocate(c->fd, c->offset, c->bytes - c->offset);
        ret = -ret;
    } else {
        ret = fill(c->fd, c->offset, c->bytes);
    }
    if (ret < 0 && ftruncate(c->fd, c->offset) < 0) {
        r->what = "undo the preallocation of";
    }
    return ret;
}

static int coroutine_fn resize_file(BlockNode *node, int64_t bytes,
                                    PreallocMode prealloc, Error **errp)
{
    BlockFile *f = BLOCK_FILE(node);
    FileResize r = { .prealloc = prealloc };
    struct stat st;
    int ret;

    if (prealloc == PREALLOC_MODE_METADATA) {
        error_setg(errp, "preallocation mode '%s' is not for files",
                   PreallocMode_str(prealloc));
        return -ENOTSUP;
    }
    if (fstat(f->fd, &st) < 0) {
        error_setg_errno(errp, errno, "Could not stat '%s'", f->filename);
        return -errno;
    }
    if (bytes < st.st_size && prealloc != PREALLOC_MODE_OFF) {
        error_setg(errp, "Preallocation can't be used for shrinking files");
        return -EINVAL;
    }
    r.call = (FileCall){ f->fd, .offset = st.st_size, .bytes = bytes };
    forget_data(f, 0, INT64_MAX);
    ret = block_file_call(f, resize_thread, &r.call);
    forget_data(f, 0, INT64_MAX);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not %s '%s'", r.what, f->filename);
    }
    return ret;
}

int coroutine_fn block_file_co_truncate(BlockNode *node, int64_t bytes,
                                        bool exact, PreallocMode prealloc,
                                        BlkRequestFlags flags, Error **errp)
{
    BlockFile *f = BLOCK_FILE(node);
    int64_t size;
    int ret;

    if (!f->is_device) {
        ret = resize_file(node, bytes, prealloc, errp);
        if (ret < 0) {
            return ret;
        }
    }
    size = block_file_size(f);
    if (size < 0) {
        error_setg_errno(errp, (int)-size, "Could not find the size of '%s'",
                         f->filename);
        return (int)size;
    }
    if (f->is_device && (bytes > size || (exact && bytes != size))) {
        error_setg(errp, "Cannot resize device '%s' of %" PRId64 " bytes",
                   f->filename, size);
        return -ENOTSUP;
    }
    block_node_set_length(node, size);
    return 0;
}

/* Until we activate it, another process may have written: it may be longer. */
int coroutine_fn block_file_co_activate(BlockNode *node, Error **errp)
{
    BlockFile *f = BLOCK_FILE(node);
    int64_t activated = block_file_size(f);

    if (activated < 0) {
        error_setg_errno(errp, (int)-activated,
                         "Could not find the size of '%s' to activate it",
                         f->filename);
        return (int)activated;
    }
    forget_data(f, 0, INT64_MAX); /* of before we activate */
    block_node_set_length(node, activated);
    return 0;
}
