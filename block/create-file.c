/*
 * Creation of files: the driver "file".
 *
 * The file is made if it is not there, opened as a node, which takes the
 * locks that keep two programs from one image, and only then emptied and
 * given its size. A block device cannot be made, but one that is there and
 * big enough will do.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "block/block-internal.h"
#include "block/create-internal.h"
#include "block/create.h"
#include "qapi/json.h"
#include "qom/property.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/thread-pool.h"

OBJECT_DECLARE_SIMPLE_TYPE(BlockCreateFile, BLOCK_CREATE_FILE)

struct BlockCreateFile {
    BlockCreate parent_obj;

    char *filename;
    uint64_t size;
    int preallocation; /* PreallocMode */
    bool nocow;
    uint64_t extent_size_hint;

    bool is_device;
};

/* Hints to the file system; not having them is no error. */
static void set_hints(const BlockCreateFile *f, int fd)
{
    struct fsxattr attr;

    if (f->nocow) {
        int flags;

        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
            flags |= FS_NOCOW_FL;
            (void)!ioctl(fd, FS_IOC_SETFLAGS, &flags);
        }
    }
    if (f->extent_size_hint && ioctl(fd, FS_IOC_FSGETXATTR, &attr) == 0) {
        attr.fsx_xflags |= FS_XFLAG_EXTSIZE;
        attr.fsx_extsize = (uint32_t)f->extent_size_hint;
        (void)!ioctl(fd, FS_IOC_FSSETXATTR, &attr);
    }
}

/* In a worker thread. */
static int make_file(void *opaque)
{
    BlockCreateFile *f = opaque;
    struct stat st;
    int fd = qemu_create(f->filename, O_RDWR, 0644, NULL);
    int ret = 0;

    if (fd < 0) {
        return -errno;
    }
    if (fstat(fd, &st) < 0) {
        ret = -errno;
    } else {
        f->is_device = S_ISBLK(st.st_mode);
        if (st.st_size == 0 && !f->is_device) {
            set_hints(f, fd);
        }
    }
    qemu_close(fd);
    return ret;
}

static bool coroutine_fn resize(BlockCreateFile *f, BlockNode *node,
                                Error **errp)
{
    if (f->is_device) {
        if (block_node_length(node) >= (int64_t)f->size) {
            return true;
        }
        error_setg(errp,
                   "'%s' has %" PRId64 " bytes, which is less than %" PRIu64,
                   f->filename, block_node_length(node), f->size);
        return false;
    }
    return node_co_truncate(node, 0, true, PREALLOC_MODE_OFF, 0, errp) == 0 &&
           node_co_truncate(node, (int64_t)f->size, true, f->preallocation, 0,
                            errp) == 0;
}

static bool coroutine_fn create_file_co_run(BlockCreate *c, Error **errp)
{
    BlockCreateFile *f = BLOCK_CREATE_FILE(c);
    g_autoptr(json_t) opts = json_object();
    BlockBackend *blk;
    int ret = thread_pool_submit_co(aio_get_thread_pool(c->ctx), make_file, f);
    bool ok;

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not create '%s'", f->filename);
        return false;
    }
    json_object_set_new(opts, "driver",
                        json_string(f->is_device ? "host_device" : "file"));
    json_object_set_new(opts, "filename", json_string(f->filename));
    blk = block_create_co_open(c, opts, errp);
    if (!blk) {
        return false;
    }
    ok = resize(f, blk_node(blk), errp);
    block_create_co_close(c, blk);
    return ok;
}

static bool create_file_check(BlockCreate *c, Error **errp)
{
    BlockCreateFile *f = BLOCK_CREATE_FILE(c);
    const char *name = f->filename;

    if (strstart(name, "file:", &name)) {
        g_autofree char *old = f->filename;

        f->filename = g_strdup(name);
    }
    return true;
}

static const Property create_file_props[] = {
    { "filename", PROP_STR, offsetof(BlockCreateFile, filename),
      .flags = PROP_F_REQUIRED, .help = "path", .since = "0.2" },
    { "size", PROP_SIZE, offsetof(BlockCreateFile, size), .max = INT64_MAX,
      .unit = "bytes", .help = "size of the file", .flags = PROP_F_REQUIRED,
      .since = "0.2" },
    { "preallocation", PROP_ENUM, offsetof(BlockCreateFile, preallocation),
      .qapi_type = "PreallocMode", .lookup = &PreallocMode_lookup, .def = "off",
      .help = "off, falloc, or full: write zeroes", .since = "0.2" },
    { "nocow", PROP_BOOL, offsetof(BlockCreateFile, nocow),
      .help = "no copy on write, where the file system (btrfs) does that",
      .since = "0.2" },
    { "extent-size-hint", PROP_SIZE,
      offsetof(BlockCreateFile, extent_size_hint), .def = "1M",
      .max = UINT32_MAX, .unit = "bytes",
      .help = "smallest piece that the file system (xfs) allocates; 0: its own",
      .since = "0.2" },
    {},
};

static void create_file_class_init(ObjectClass *oc, void *data)
{
    BlockCreateClass *cc = BLOCK_CREATE_CLASS(oc);

    cc->driver = "file";
    cc->help = "an image in a file";
    cc->check = create_file_check;
    cc->co_run = create_file_co_run;
}

extern const TypeInfo block_type_create_file;
const TypeInfo block_type_create_file = {
    .name = TYPE_BLOCK_CREATE_FILE,
    .parent = TYPE_BLOCK_CREATE,
    .instance_size = sizeof(BlockCreateFile),
    .class_init = create_file_class_init,
    .props = create_file_props,
};
