/*
 * Driver "file": an image in a file (or, as "host_device", a block device).
 *
 * A file whose size is no multiple of 512 looks as if zeroes filled it up.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/stat.h>

#include "block/protocol/file-internal.h"
#include "qapi/qapi-types-common.h"
#include "qapi/util.h"
#include "util/error.h"
#include "util/fdset.h"

static int open_flags(const BlockNode *node, bool read_only)
{
    return (read_only ? O_RDONLY : O_RDWR) | (node->direct ? O_DIRECT : 0);
}

static int open_file(BlockFile *f, Error **errp)
{
    BlockNode *node = BLOCK_NODE(f);
    int fd = qemu_open(f->filename, open_flags(node, node->read_only),
                       node->auto_read_only ? NULL : errp);

    if (fd < 0 && node->auto_read_only && !node->read_only) {
        if (errno == EACCES || errno == EROFS || errno == EPERM) {
            node->read_only = true;
        }
    }
    if (fd < 0 && node->auto_read_only) {
        fd = qemu_open(f->filename, open_flags(node, node->read_only), errp);
    }
    return fd;
}

static bool check_kind(BlockFile *f, Error **errp)
{
    struct stat st;

    if (fstat(f->fd, &st) < 0) {
        error_setg_errno(errp, errno, "Could not stat '%s'", f->filename);
        return false;
    }
    f->is_device = S_ISBLK(st.st_mode);
    if (f->is_device || S_ISREG(st.st_mode)) {
        return true;
    }
    error_setg(errp, "'%s' is neither a regular file nor a block device",
               f->filename);
    return false;
}

static bool file_open(BlockNode *node, Error **errp)
{
    BlockFile *f = BLOCK_FILE(node);
    int64_t size;

    f->fd = open_file(f, errp);
    if (f->fd < 0) {
        return false;
    }
    size = -1;
    if (check_kind(f, errp)) {
        size = block_file_size(f);
        if (size < 0) {
            error_setg_errno(errp, (int)-size,
                             "Could not find the size of '%s'", f->filename);
        }
    }
    if (size < 0) {
        qemu_close(f->fd);
        f->fd = -1;
        return false;
    }
    node->length = size;
    node->can_grow = !f->is_device;
    node->zero_flags = BLK_REQ_MAY_UNMAP | BLK_REQ_NO_FALLBACK;
    block_file_probe(f);
    return true;
}

/* "file:disk.img", "host_device:/dev/sdb" */
static bool file_parse_filename(const char *filename, json_t *opts,
                                Error **errp)
{
    json_object_set_new(opts, "filename",
                        json_string(strchr(filename, ':') + 1));
    return true;
}

static void file_close(BlockNode *node)
{
    BlockFile *f = BLOCK_FILE(node);

    qemu_close(f->fd);
    f->fd = -1;
}

static char *file_filename(BlockNode *node)
{
    return g_strdup(BLOCK_FILE(node)->filename);
}

static int file_read_fd(BlockNode *node)
{
    return node->direct ? -1 : BLOCK_FILE(node)->fd;
}

/* -- reopening ----------------------------------------------------------------------- */

typedef struct FileReopen {
    int fd; /* -1: the one that there is */
    int aio;
} FileReopen;

/* What the same bytes of the file are wanted for changes nothing. */
static bool file_reopen_prepare(BlockNode *node, const json_t *opts,
                                void **state, Error **errp)
{
    BlockFile *f = BLOCK_FILE(node);
    const char *aio = json_string_value(json_object_get(opts, "aio"));
    const json_t *cache = json_object_get(opts, "cache");
    bool read_only = json_is_true(json_object_get(opts, "read-only"));
    bool direct = json_is_true(json_object_get(cache, "direct"));
    FileReopen *r = g_new0(FileReopen, 1);

    r->fd = -1;
    r->aio =
        aio ? qapi_enum_parse(&BlockdevAioOptions_lookup, aio, f->aio, NULL)
            : f->aio;
    if (read_only != node->read_only || direct != node->direct) {
        r->fd =
            qemu_open(f->filename,
                      (read_only ? O_RDONLY : O_RDWR) | (direct ? O_DIRECT : 0),
                      errp);
        if (r->fd < 0) {
            g_free(r);
            return false;
        }
        if (!block_file_same(f->fd, r->fd)) {
            error_setg(errp, "'%s' is not the file any more that was opened",
                       f->filename);
            qemu_close(r->fd);
            g_free(r);
            return false;
        }
    }
    *state = r;
    return true;
}

static void file_reopen_commit(BlockNode *node, void *state)
{
    BlockFile *f = BLOCK_FILE(node);
    FileReopen *r = state;

    f->aio = r->aio;
    if (r->fd >= 0) {
        block_file_move_locks(f, r->fd);
        qemu_close(f->fd);
        f->fd = r->fd;
        node->request_alignment = 1;
        node->memory_alignment = 1;
        block_file_probe(f);
    }
    g_free(r);
}

static void file_reopen_abort(BlockNode *node, void *state)
{
    FileReopen *r = state;

    if (r->fd >= 0) {
        qemu_close(r->fd);
    }
    g_free(r);
}

static int64_t file_allocated(BlockNode *node)
{
    struct stat st;

    return fstat(BLOCK_FILE(node)->fd, &st) < 0 ? -errno
                                                : (int64_t)st.st_blocks * 512;
}

static const char *const file_schemes[] = { "file", NULL };
static const char *const file_reopen_props[] = { "aio", "aio-max-batch", NULL };

/* -- class ------------------------------------------------------------------------- */

static const Property file_props[] = {
    { "filename", PROP_STR, offsetof(BlockFile, filename),
      .flags = PROP_F_REQUIRED, .help = "path, or /dev/fdset/N",
      .since = "0.1" },
    { "locking", PROP_ENUM, offsetof(BlockFile, locking),
      .qapi_type = "OnOffAuto", .lookup = &OnOffAuto_lookup, .def = "auto",
      .help = "lock the image against use by others", .since = "0.1" },
    { "aio", PROP_ENUM, offsetof(BlockFile, aio),
      .qapi_type = "BlockdevAioOptions", .lookup = &BlockdevAioOptions_lookup,
      .def = "io_uring",
      .help = "how to read and write; without io_uring in the kernel: threads",
      .since = "0.1" },
    { "aio-max-batch", PROP_INT64, offsetof(BlockFile, aio_max_batch),
      .help = "accepted, has no effect", .since = "0.1" },
    { "drop-cache", PROP_BOOL, offsetof(BlockFile, drop_cache), .def = "on",
      .help = "let go of cached pages when the image may have been changed by "
              "another host",
      .since = "0.1" },
    {},
};

static void file_instance_init(Object *obj)
{
    BLOCK_FILE(obj)->fd = -1;
    qemu_mutex_init(&BLOCK_FILE(obj)->lock);
}

static void file_instance_finalize(Object *obj)
{
    qemu_mutex_destroy(&BLOCK_FILE(obj)->lock);
}

static void file_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "file";
    nc->help = "an image in a file";
    nc->open = file_open;
    nc->close = file_close;
    nc->set_perm = block_file_set_perm;
    nc->uri_schemes = file_schemes;
    nc->parse_filename = file_parse_filename;
    nc->reopen_props = file_reopen_props;
    nc->reopen_prepare = file_reopen_prepare;
    nc->reopen_commit = file_reopen_commit;
    nc->reopen_abort = file_reopen_abort;
    nc->read_fd = file_read_fd;
    nc->filename = file_filename;
    nc->allocated = file_allocated;
    nc->co_preadv = block_file_co_preadv;
    nc->co_pwritev = block_file_co_pwritev;
    nc->co_flush = block_file_co_flush;
    nc->co_pdiscard = block_file_co_pdiscard;
    nc->co_pwrite_zeroes = block_file_co_pwrite_zeroes;
    nc->co_copy_range_to = block_file_co_copy_range_to;
    nc->co_block_status = block_file_co_block_status;
    nc->co_truncate = block_file_co_truncate;
    nc->co_activate = block_file_co_activate;
}

extern const TypeInfo block_type_file;
const TypeInfo block_type_file = {
    .name = TYPE_BLOCK_FILE,
    .parent = TYPE_BLOCK_NODE,
    .instance_size = sizeof(BlockFile),
    .instance_init = file_instance_init,
    .instance_finalize = file_instance_finalize,
    .class_init = file_class_init,
    .props = file_props,
};
