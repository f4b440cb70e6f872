/*
 * Temporary overlays, and writing what is in one into the image below.
 *
 * The image below is opened for reading only, so other programs may use it in
 * the same way at the same time. For a commit the two are taken apart, for the
 * upper one shows the lower, which may not be written under it; what is in the
 * upper one does not need the lower to be read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/drive-overlay.h"

#include <glib/gstdio.h>

#include "block/copier.h"
#include "block/create.h"
#include "block/job/block-job.h"
#include "util/error.h"
#include "util/fd.h"

/* -- making ---------------------------------------------------------------------- */

static bool make_file(char *path, uint64_t size, AioContext *ctx, Error **errp)
{
    BlockCreateImage img = { .filename = path,
                             .format = "qcow2",
                             .size = &size,
                             .no_backing_check = true };
    int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not create temporary overlay '%s'",
                         path);
        return false;
    }
    fd_close(fd);
    if (!block_create_image(&img, ctx, NULL, NULL, errp)) {
        unlink(path);
        return false;
    }
    return true;
}

BlockNode *block_temp_overlay(BlockNode *base, AioContext *ctx, Error **errp)
{
    const char *dir = g_getenv("TMPDIR");
    g_autofree char *path = g_build_filename(dir && *dir ? dir : "/var/tmp",
                                             "ferry-overlay.XXXXXX", NULL);
    g_autoptr(json_t) opts = NULL;
    BlockNode *node;

    if (!make_file(path, (uint64_t)block_node_length(base), ctx, errp)) {
        return NULL;
    }
    /* It goes with the process: nothing has to survive a crash of the host. */
    opts =
        json_pack("{s:s, s:s, s:s, s:{s:b}, s:{s:s, s:s}}", "driver", "qcow2",
                  "backing", block_node_name(base), "discard", "unmap", "cache",
                  "no-flush", true, "file", "driver", "file", "filename", path);
    node = block_open_options(opts, false, 0, ctx, errp);
    unlink(path);
    return node;
}

/* -- commit -------------------------------------------------------------------------- */

typedef struct CommitDown {
    BlockNode *top;
    BlockNode *base;
    NodeLink link; /* to the base */
    Error **errp;
} CommitDown;

static char *commit_describe(const NodeLink *link)
{
    return g_strdup("a commit");
}

static const NodeLinkOps commit_ops = { .describe = commit_describe };

static int coroutine_fn grow_base(CommitDown *c)
{
    int64_t length = block_node_length(c->top);

    return block_node_length(c->base) >= length
               ? 0
               : node_co_truncate(c->base, length, false, PREALLOC_MODE_OFF,
                                  BLK_REQ_ZERO_WRITE, c->errp);
}

static int coroutine_fn copy_all(CommitDown *c, Copier *copier)
{
    int64_t length = block_node_length(c->top);

    for (int64_t at = 0, n; at < length; at += n) {
        bool is_read;
        int ret = node_co_block_status(c->top, NODE_WANT_ALLOCATED, at,
                                       MIN(length - at, COPIER_MAX_BYTES), &n,
                                       NULL, NULL);

        if (ret > 0 && (ret & NODE_STATUS_ALLOCATED)) {
            ret = copier_copy(copier, at, n, &is_read);
        }
        if (ret < 0) {
            error_setg_errno(c->errp, -ret,
                             "Could not copy %" PRId64 " bytes at %" PRId64
                             " of node '%s'",
                             n, at, c->top->name);
            return ret;
        }
    }
    return 0;
}

static int coroutine_fn commit_entry(void *opaque)
{
    CommitDown *c = opaque;
    Copier copier;
    int ret = grow_base(c);

    if (ret < 0) {
        return ret;
    }
    copier_init(&copier, c->top, c->base);
    copier.zero_flags = BLK_REQ_MAY_UNMAP;
    ret = copy_all(c, &copier);
    copier_destroy(&copier);
    if (ret < 0) {
        return ret;
    }
    ret = node_co_flush(c->base);
    if (ret < 0) {
        error_setg_errno(c->errp, -ret, "Could not flush node '%s'",
                         c->base->name);
        return ret;
    }
    return BLOCK_NODE_GET_CLASS(c->top)->co_make_empty(c->top, c->errp);
}

/* Apart from each other, the base writable. */
static bool commit_apart(CommitDown *c, Error **errp)
{
    bool ok;

    if (!node_link_attach(&c->link, c->base,
                          NODE_PERM_CONSISTENT_READ | NODE_PERM_WRITE |
                              NODE_PERM_RESIZE,
                          NODE_PERM_CONSISTENT_READ, errp)) {
        return false;
    }
    ok = node_run_co(c->top->ctx, commit_entry, c) >= 0;
    node_link_detach(&c->link);
    return ok;
}

static bool commit_drained(CommitDown *c, Error **errp)
{
    bool was_read_only = c->base->read_only;
    bool ok;

    if (!node_set_read_only(c->base, false, errp)) {
        return false;
    }
    ok = node_set_backing(c->top, NULL, errp);
    if (ok) {
        ok = commit_apart(c, errp);
        node_set_backing(c->top, c->base, &error_abort);
    }
    if (was_read_only) {
        node_set_read_only(c->base, true, NULL);
    }
    return ok;
}

bool block_commit_down(BlockNode *top, Error **errp)
{
    CommitDown c = { .top = node_skip_filters(top), .errp = errp };
    bool ok;

    c.base = node_backing(c.top);
    if (!c.base || !BLOCK_NODE_GET_CLASS(c.top)->co_make_empty) {
        error_setg(errp, "Node '%s' has no image below it", c.top->name);
        return false;
    }
    if (!block_job_check_free(c.top, errp) ||
        !block_job_check_free(c.base, errp)) {
        return false;
    }
    node_link_init(&c.link, &commit_ops, &c, "commit");
    block_node_ref(c.base);
    node_drained_begin(c.top);
    ok = commit_drained(&c, errp);
    node_drained_end(c.top);
    block_node_unref(c.base);
    return ok;
}
