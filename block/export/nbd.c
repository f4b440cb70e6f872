/*
 * Exports of kind "nbd": a BlockBackend behind the functions that the NBD
 * server calls (nbd/server.h).
 *
 * Requests run in the thread of the connection; the backend allows that, and
 * holds them back while it is drained.
 *
 * Data that stands in an unencrypted file, and in its cache, goes to the
 * client by sendfile(): co_map looks for it. The descriptor is a duplicate, so
 * that it outlives whatever happens to the node before the bytes have gone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/export/nbd.h"

#include <sys/syscall.h>

#include "block/backend-internal.h"
#include "util/atomic.h"
#include "util/coroutine.h"

/* A read-ahead (NBD_CMD_CACHE) reads so much at a time. */
#define CACHE_BYTES (256 * 1024)
/* Most that is read for one request to cache. */
#define CACHE_MAX_BYTES (32 * 1024 * 1024)

/* -- data --------------------------------------------------------------------------- */

static BlockBackend *blk_of(void *opaque)
{
    return BLOCK_EXPORT(opaque)->blk;
}

static int64_t coroutine_fn export_co_length(void *opaque)
{
    BlockBackend *blk = blk_of(opaque);
    int64_t length;

    blk_enter(blk);
    length = blk_getlength(blk);
    blk_dec_in_flight(blk);
    return length;
}

static int coroutine_fn export_co_preadv(void *opaque, uint64_t offset,
                                         QEMUIOVector *qiov)
{
    return blk_co_preadv(blk_of(opaque), (int64_t)offset, qiov, 0);
}

static int coroutine_fn export_co_pwritev(void *opaque, uint64_t offset,
                                          QEMUIOVector *qiov, bool fua)
{
    return blk_co_pwritev(blk_of(opaque), (int64_t)offset, qiov,
                          fua ? BLK_REQ_FUA : 0);
}

static int coroutine_fn export_co_flush(void *opaque)
{
    return blk_co_flush(blk_of(opaque));
}

static int coroutine_fn export_co_trim(void *opaque, uint64_t offset,
                                       uint64_t bytes, bool fua)
{
    int ret = blk_co_pdiscard(blk_of(opaque), (int64_t)offset, (int64_t)bytes);

    if (ret == -ENOTSUP) {
        ret = 0; /* a hint */
    }
    return ret == 0 && fua ? blk_co_flush(blk_of(opaque)) : ret;
}

static int coroutine_fn export_co_zero(void *opaque, uint64_t offset,
                                       uint64_t bytes, unsigned flags)
{
    BlkRequestFlags f = 0;

    f |= flags & NBD_CMD_FLAG_FUA ? BLK_REQ_FUA : 0;
    f |= flags & NBD_CMD_FLAG_NO_HOLE ? 0 : BLK_REQ_MAY_UNMAP;
    f |= flags & NBD_CMD_FLAG_FAST_ZERO ? BLK_REQ_NO_FALLBACK : 0;
    return blk_co_pwrite_zeroes(blk_of(opaque), (int64_t)offset, (int64_t)bytes,
                                f);
}

static int coroutine_fn export_co_cache(void *opaque, uint64_t offset,
                                        uint64_t bytes)
{
    g_autofree void *buf = g_malloc(MIN(bytes, CACHE_BYTES));
    int ret = 0;

    bytes = MIN(bytes, CACHE_MAX_BYTES); /* only a hint */
    while (bytes > 0 && ret == 0) {
        int64_t n = (int64_t)MIN(bytes, CACHE_BYTES);

        ret = blk_co_pread(blk_of(opaque), (int64_t)offset, n, buf, 0);
        offset += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return ret;
}

/* -- metadata contexts ----------------------------------------------------------------- */

/* One answer of the block layer, in the terms of a context. */
static uint64_t extent_flags(bool depth_wanted, int status, unsigned depth)
{
    if (depth_wanted) {
        return status & NODE_STATUS_ALLOCATED ? depth + 1 : 0;
    }
    return (status & NODE_STATUS_DATA ? 0 : NBD_STATE_HOLE) |
           (status & NODE_STATUS_ZERO ? NBD_STATE_ZERO : 0);
}

static int coroutine_fn status_extents(BlockExport *exp, bool depth_wanted,
                                       int64_t offset, int64_t bytes,
                                       NBDExtent *ext, unsigned max)
{
    unsigned want = depth_wanted ? NODE_WANT_ALLOCATED
                                 : NODE_WANT_ALLOCATED | NODE_WANT_ZERO;
    unsigned n = 0;

    while (bytes > 0) {
        int64_t pnum, map;
        BlockNode *file;
        unsigned depth = 0;
        uint64_t flags;
        int status = blk_co_block_status(exp->blk, want, offset, bytes, &pnum,
                                         &map, &file, &depth);

        if (status >= 0 && pnum == 0) {
            status = -EINVAL; /* the disk has become smaller */
        }
        if (status < 0) {
            return n > 0 ? (int)n : status;
        }
        flags = extent_flags(depth_wanted, status, depth);
        if (n > 0 && ext[n - 1].flags == flags) {
            ext[n - 1].length += (uint64_t)pnum;
        } else if (n == max) {
            break;
        } else {
            ext[n++] = (NBDExtent){ (uint64_t)pnum, flags };
        }
        offset += pnum;
        bytes -= pnum;
    }
    return (int)n;
}

static int coroutine_fn export_co_extents(void *opaque, unsigned context,
                                          uint64_t offset, uint64_t bytes,
                                          NBDExtent *ret_ext, unsigned max)
{
    BlockExportNbd *exp = opaque;
    const NBDExportContext *c =
        &g_array_index(exp->contexts, NBDExportContext, context);

    if (c->bitmap) {
        return nbd_bitmap_extents(c->bitmap, (int64_t)offset, (int64_t)bytes,
                                  ret_ext, max);
    }
    return status_extents(BLOCK_EXPORT(exp), c->depth, (int64_t)offset,
                          (int64_t)bytes, ret_ext, max);
}

/* -- files -------------------------------------------------------------------------------- */

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same on every Linux */
#endif

/* Is all of the range in the page cache, so that nobody waits for a disk? */
static bool range_is_cached(int fd, uint64_t offset, uint64_t bytes)
{
    struct {
        uint64_t off;
        uint64_t len;
    } range = { offset, bytes };
    struct {
        uint64_t cached;
        uint64_t others[4];
    } cs;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t pages = (offset + bytes + page - 1) / page - offset / page;

    return syscall(SYS_cachestat, fd, &range, &cs, 0) == 0 &&
           cs.cached >= pages;
}

/* Is a byte of the disk always at the same place of its file? */
static bool stays_in_place(BlockNode *node)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    return !nc->is_format || g_str_equal(nc->driver, "raw");
}

/* Inside of a request. Returns: a descriptor, or -errno. */
static int coroutine_fn find_file(BlockExportNbd *exp, uint64_t offset,
                                  uint64_t bytes, uint64_t *ret_map,
                                  uint64_t *pnum)
{
    BlockNode *node = blk_node(blk_of(exp)), *file = NULL;
    BlockNodeClass *nc;
    int64_t n, map;
    int status, fd;

    /* A filter on top wants to see requests; and a format may give the place
     * in the file to other data before a slow client has read it. */
    if (!node || node_skip_filters(node) != node || !stays_in_place(node)) {
        return -ENOTSUP;
    }
    status = node_co_status_above(node, NULL, NODE_WANT_OFFSET, (int64_t)offset,
                                  (int64_t)bytes, &n, &map, &file, NULL);
    if (status < 0 || (uint64_t)n < bytes || !file ||
        (status & (NODE_STATUS_DATA | NODE_STATUS_OFFSET)) !=
            (NODE_STATUS_DATA | NODE_STATUS_OFFSET) ||
        (status & NODE_STATUS_COMPRESSED)) {
        return -ENOTSUP;
    }
    nc = BLOCK_NODE_GET_CLASS(file);
    fd = nc->read_fd ? nc->read_fd(file) : -1;
    if (fd < 0) {
        qatomic_set(&exp->no_map, true);
        return -ENOTSUP;
    }
    if (!range_is_cached(fd, (uint64_t)map, bytes)) {
        return -ENOTSUP;
    }
    *ret_map = (uint64_t)map;
    *pnum = (uint64_t)n;
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

static int coroutine_fn export_co_map(void *opaque, uint64_t offset,
                                      uint64_t bytes, int *fd,
                                      uint64_t *fd_offset, uint64_t *pnum)
{
    BlockBackend *blk = blk_of(opaque);

    if (qatomic_read(&BLOCK_EXPORT_NBD(opaque)->no_map)) {
        return -ENOTSUP;
    }
    blk_enter(blk);
    *fd = find_file(opaque, offset, bytes, fd_offset, pnum);
    blk_dec_in_flight(blk);
    return MIN(*fd, 0);
}

static void export_unmap(void *opaque, int fd)
{
    fd_close(fd);
}

/* -- life ---------------------------------------------------------------------------------- */

static void export_gone(void *opaque)
{
    BlockExportNbd *exp = opaque;

    exp->export = NULL;
    block_export_gone(BLOCK_EXPORT(exp));
}

static const NBDBackendOps export_ops = {
    .co_length = export_co_length,
    .co_preadv = export_co_preadv,
    .co_pwritev = export_co_pwritev,
    .co_flush = export_co_flush,
    .co_trim = export_co_trim,
    .co_zero = export_co_zero,
    .co_cache = export_co_cache,
    .co_extents = export_co_extents,
    .co_map = export_co_map,
    .unmap = export_unmap,
};

static void context_clear(void *opaque)
{
    NBDExportContext *c = opaque;

    if (c->bitmap) {
        nbd_bitmap_release(c->bitmap);
    }
    g_free(c->name);
}

static void add_context(BlockExportNbd *exp, const char *name, bool depth,
                        DirtyBitmap *bitmap)
{
    NBDExportContext c = { g_strdup(name), depth, bitmap };

    g_array_append_val(exp->contexts, c);
}

static bool add_bitmaps(BlockExportNbd *exp, const BlockExportOptionsNbd *opts,
                        Error **errp)
{
    for (BlockDirtyBitmapOrStrList *l = opts->bitmaps; l; l = l->next) {
        g_autofree char *context = NULL;
        DirtyBitmap *bitmap = nbd_bitmap_take(
            blk_of(exp), l->value, exp->parent_obj.writable, &context, errp);

        if (!bitmap) {
            return false;
        }
        add_context(exp, context, false, bitmap);
    }
    return true;
}

static char **context_names(const BlockExportNbd *exp)
{
    char **names = g_new0(char *, exp->contexts->len + 1);

    for (guint i = 0; i < exp->contexts->len; i++) {
        names[i] =
            g_strdup(g_array_index(exp->contexts, NBDExportContext, i).name);
    }
    return names;
}

static bool nbd_start(BlockExport *exp, const BlockExportOptions *options,
                      Error **errp)
{
    BlockExportNbd *nbd = BLOCK_EXPORT_NBD(exp);
    const BlockExportOptionsNbd *opts = &options->u.nbd;
    NBDServer *server = block_nbd_server();
    g_auto(GStrv) names = NULL;
    NBDExportConfig config = {
        .name = opts->name ?: options->node_name,
        .description = opts->description,
        .ops = &export_ops,
        .opaque = exp,
        .writable = exp->writable,
        .preferred_block = MAX(4096, blk_get_physical_block_size(exp->blk)),
        .ctx = exp->iothread ? iothread_get_aio_context(exp->iothread) : NULL,
        .gone = export_gone,
    };

    if (!server) {
        error_setg(errp, "NBD server not running");
        return false;
    }
    add_context(nbd, NBD_CONTEXT_ALLOCATION, false, NULL);
    if (opts->has_allocation_depth && opts->allocation_depth) {
        add_context(nbd, NBD_CONTEXT_DEPTH, true, NULL);
    }
    if (!add_bitmaps(nbd, opts, errp)) {
        return false;
    }
    names = context_names(nbd);
    config.contexts = (const char *const *)names;
    nbd->server = server;
    nbd->export = nbd_server_add_export(server, &config, errp);
    return nbd->export;
}

static bool nbd_in_use(BlockExport *exp)
{
    return nbd_export_clients(BLOCK_EXPORT_NBD(exp)->export) > 0;
}

static void nbd_shut_down(BlockExport *exp)
{
    BlockExportNbd *nbd = BLOCK_EXPORT_NBD(exp);

    nbd_server_remove_export(nbd->server, nbd->export);
}

/* -- class --------------------------------------------------------------------------------- */

static void nbd_instance_init(Object *obj)
{
    BlockExportNbd *exp = BLOCK_EXPORT_NBD(obj);

    exp->contexts = g_array_new(FALSE, FALSE, sizeof(NBDExportContext));
    g_array_set_clear_func(exp->contexts, context_clear);
}

static void nbd_instance_finalize(Object *obj)
{
    g_array_unref(BLOCK_EXPORT_NBD(obj)->contexts);
}

static void nbd_class_init(ObjectClass *oc, void *data)
{
    BlockExportClass *ec = BLOCK_EXPORT_CLASS(oc);

    ec->type = BLOCK_EXPORT_TYPE_NBD;
    ec->start = nbd_start;
    ec->in_use = nbd_in_use;
    ec->shut_down = nbd_shut_down;
}

extern const TypeInfo block_type_export_nbd;
const TypeInfo block_type_export_nbd = {
    .name = TYPE_BLOCK_EXPORT_NBD,
    .parent = TYPE_BLOCK_EXPORT,
    .instance_size = sizeof(BlockExportNbd),
    .instance_init = nbd_instance_init,
    .instance_finalize = nbd_instance_finalize,
    .class_init = nbd_class_init,
};
