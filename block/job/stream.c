/*
 * Job "stream": copies what lower images have into an image, so that it needs
 * them no more. The copy is a copy-on-read, so writes of the guest and the job
 * do not get in each other's way.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/chain-internal.h"
#include "util/error.h"

#define TYPE_STREAM_JOB "job-stream"

static int coroutine_fn stream_wants(ChainJob *c, int64_t offset, int64_t bytes,
                                     int64_t *ret_bytes)
{
    BlockNode *backing = node_backing(c->top);
    int64_t n;
    int ret = node_co_status_above(c->top, backing, NODE_WANT_ALLOCATED, offset,
                                   bytes, &n, NULL, NULL, NULL);

    *ret_bytes = n;
    if (ret < 0 || (ret & NODE_STATUS_ALLOCATED) || !backing ||
        backing == c->base) {
        return ret < 0 ? ret : 0;
    }
    /* Not here: is it in one of those that go? */
    ret = node_co_status_below(c->top, c->base, NODE_WANT_ALLOCATED, offset, n,
                               ret_bytes);
    return ret < 0 ? ret : !!(ret & NODE_STATUS_ALLOCATED);
}

static int coroutine_fn stream_copy(ChainJob *c, int64_t offset, int64_t bytes,
                                    bool *ret_is_read)
{
    *ret_is_read = true;
    return node_co_copy_up(c->top, c->base, offset, bytes);
}

static int stream_prepare(Job *job, Error **errp)
{
    ChainJob *c = CHAIN_JOB(job);
    int ret = 0;

    chain_job_thaw(c);
    node_drained_begin(c->top);
    if (node_backing(c->top)) {
        ret = chain_set_backing(c->top, c->base, c->backing_file, errp);
    }
    node_drained_end(c->top);
    return ret;
}

/* What somebody opened read-only stays so; an image below another is so only
 * because nobody had to write to it. */
static bool is_backing(const BlockNode *node)
{
    const NodeLink *link;

    QLIST_FOREACH(link, &node->users, of_node) {
        if (link->role & NODE_ROLE_COW) {
            return true;
        }
    }
    return false;
}

/* The lowest node that is copied; NULL: all are. */
static BlockNode *lowest_copied(const ChainOptions *o)
{
    BlockNode *base = node_skip_filters(o->base);
    BlockNode *node = o->top;
    BlockNode *below;

    while (base && (below = node_backing(node)) && below != base) {
        node = below;
    }
    return base ? node : NULL;
}

/* A filter that copies as well what the guest reads meanwhile. */
static bool put_filter(ChainJob *c, const ChainOptions *o, Error **errp)
{
    json_t *opts = json_pack("{s:s}", "driver", "copy-on-read");
    BlockNode *bottom = lowest_copied(o);

    if (bottom) {
        json_object_set_new(opts, "bottom", json_string(bottom->name));
    }
    return chain_job_insert_filter(c, opts, o->filter_node_name, errp);
}

static bool use_top(ChainJob *c, const ChainOptions *o, Error **errp)
{
    /* The filter first: it takes over all users of the image. */
    if (!chain_job_make_writable(c, o->top, errp) ||
        (o->filter_node_name && !put_filter(c, o, errp)) ||
        !block_job_add_node(BLOCK_JOB(c), "top", o->top,
                            NODE_PERM_CONSISTENT_READ |
                                NODE_PERM_WRITE_UNCHANGED,
                            NODE_PERM_ALL, errp)) {
        return false;
    }
    node_drained_begin(o->top);
    o->top->tracks_writes = true;
    node_drained_end(o->top);
    return true;
}

BlockJob *stream_job_create(const ChainOptions *o, Error **errp)
{
    ChainJob *c;

    if (o->backing_file && !o->base) {
        error_setg(errp, "Backing file '%s' given, but nothing stays below",
                   o->backing_file);
        return NULL;
    }
    if (!block_job_check_free(o->top, errp)) {
        return NULL;
    }
    if (o->top->read_only && !is_backing(o->top)) {
        error_setg(errp, "Node '%s' is read-only", o->top->name);
        return NULL;
    }
    c = chain_job_create(TYPE_STREAM_JOB, o, errp);
    if (!c) {
        return NULL;
    }
    if (!use_top(c, o, errp)) {
        chain_job_release(c);
        job_drop(JOB(c));
        return NULL;
    }
    return BLOCK_JOB(c);
}

static void stream_class_init(ObjectClass *oc, void *data)
{
    JobClass *jc = JOB_CLASS(oc);
    ChainJobClass *cc = CHAIN_JOB_CLASS(oc);

    jc->type = JOB_TYPE_STREAM;
    jc->prepare = stream_prepare;
    cc->wants = stream_wants;
    cc->copy = stream_copy;
}

extern const TypeInfo block_type_stream_job;
const TypeInfo block_type_stream_job = {
    .name = TYPE_STREAM_JOB,
    .parent = TYPE_CHAIN_JOB,
    .instance_size = sizeof(ChainJob),
    .class_init = stream_class_init,
};
