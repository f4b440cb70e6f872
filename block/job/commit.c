/*
 * Job "commit": copies what images between two of a chain have into the lower
 * one, and takes them out. For the disk's own, active image see job/mirror.c.
 *
 * What the images above see does not change while their lower parts move, so
 * the writes into the base count as "unchanged"; nobody else may use what is
 * in between.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/chain-internal.h"
#include "util/error.h"

#define TYPE_COMMIT_JOB "job-commit"
OBJECT_DECLARE_SIMPLE_TYPE(CommitJob, COMMIT_JOB)

struct CommitJob {
    ChainJob parent_obj;

    BlockNode *above; /* (owned) whose backing file @top is */
    Copier copier;
};

static int coroutine_fn commit_wants(ChainJob *c, int64_t offset, int64_t bytes,
                                     int64_t *ret_bytes)
{
    int ret = node_co_status_above(c->top, c->base, NODE_WANT_ALLOCATED, offset,
                                   bytes, ret_bytes, NULL, NULL, NULL);

    return ret < 0 ? ret : !!(ret & NODE_STATUS_ALLOCATED);
}

static int coroutine_fn commit_copy(ChainJob *c, int64_t offset, int64_t bytes,
                                    bool *ret_is_read)
{
    return copier_copy(&COMMIT_JOB(c)->copier, offset, bytes, ret_is_read);
}

static int coroutine_fn flush_base(void *opaque)
{
    return node_co_flush(opaque);
}

static int commit_prepare(Job *job, Error **errp)
{
    CommitJob *c = COMMIT_JOB(job);
    ChainJob *chain = CHAIN_JOB(job);
    int ret = node_run_co(chain->base->ctx, flush_base, chain->base);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not flush node '%s'",
                         chain->base->name);
        return ret;
    }
    chain_job_thaw(chain);
    block_job_remove_nodes(BLOCK_JOB(job));
    node_drained_begin(c->above);
    ret = chain_set_backing(c->above, chain->base, chain->backing_file, errp);
    node_drained_end(c->above);
    return ret;
}

static void commit_clean(Job *job)
{
    CommitJob *c = COMMIT_JOB(job);

    block_job_remove_nodes(BLOCK_JOB(job));
    copier_destroy(&c->copier);
    g_clear_pointer(&c->above, block_node_unref);
    chain_job_release(CHAIN_JOB(job));
}

/* -- a base that is too short -------------------------------------------------- */

typedef struct GrowBase {
    BlockNode *base;
    int64_t length;
    NodeLink link;
    Error **errp;
} GrowBase;

static char *grow_describe(const NodeLink *link)
{
    return g_strdup("a commit");
}

static const NodeLinkOps grow_ops = { .describe = grow_describe };

static int coroutine_fn grow_entry(void *opaque)
{
    GrowBase *g = opaque;

    return node_co_truncate(g->base, g->length, false, PREALLOC_MODE_OFF,
                            BLK_REQ_ZERO_WRITE, g->errp);
}

/* Behind the end of an image those above see zeroes, so they see no change:
 * nobody has to share its size. */
static bool grow_writable(GrowBase *g)
{
    bool ok;

    node_link_init(&g->link, &grow_ops, g, "base");
    if (!node_link_attach(&g->link, g->base, NODE_PERM_WRITE_UNCHANGED,
                          NODE_PERM_ALL, g->errp)) {
        return false;
    }
    ok = node_run_co(g->base->ctx, grow_entry, g) >= 0;
    node_link_detach(&g->link);
    return ok;
}

bool commit_grow_base(BlockNode *top, BlockNode *base, Error **errp)
{
    GrowBase g = { .base = base,
                   .length = block_node_length(top),
                   .errp = errp };
    bool was_read_only = base->read_only;
    bool ok;

    if (block_node_length(base) >= g.length) {
        return true;
    }
    node_drained_begin(top);
    ok = node_set_read_only(base, false, errp) && grow_writable(&g);
    if (was_read_only) {
        node_set_read_only(base, true, NULL);
    }
    node_drained_end(top);
    if (!ok) {
        error_prepend(errp,
                      "Base '%s' cannot be made as long as '%s': ", base->name,
                      top->name);
    }
    return ok;
}

/* -- the beginning ---------------------------------------------------------------- */

/* The node above @top in the chain of @root. */
static BlockNode *find_above(BlockNode *root, BlockNode *top)
{
    for (BlockNode *node = node_skip_filters(root); node;
         node = node_backing(node)) {
        BlockNode *backing = node_backing(node);

        if (backing && node_chain_contains(backing, top) &&
            node_skip_filters(backing) == node_skip_filters(top)) {
            return node;
        }
    }
    return NULL;
}

static bool prepare_base(CommitJob *c, BlockNode *top, BlockNode *base,
                         Error **errp)
{
    if (block_node_length(base) > block_node_length(top) &&
        block_node_length(c->above) > block_node_length(top)) {
        error_setg(errp,
                   "Base '%s' has %" PRId64 " bytes, more than the %" PRId64
                   " of '%s': what is behind these would show in '%s'",
                   base->name, block_node_length(base), block_node_length(top),
                   top->name, c->above->name);
        return false;
    }
    if (!BLOCK_NODE_GET_CLASS(c->above)->co_change_backing) {
        error_setg(errp, "Node '%s' has no name of a backing file",
                   c->above->name);
        return false;
    }
    /* The image above has another backing file at the end. */
    return commit_grow_base(top, base, errp) &&
           chain_job_make_writable(CHAIN_JOB(c), base, errp) &&
           chain_job_make_writable(CHAIN_JOB(c), c->above, errp) &&
           block_job_add_node(BLOCK_JOB(c), "base", base,
                              NODE_PERM_CONSISTENT_READ |
                                  NODE_PERM_WRITE_UNCHANGED,
                              NODE_PERM_ALL, errp) &&
           block_job_add_node(BLOCK_JOB(c), "top", top,
                              NODE_PERM_CONSISTENT_READ, NODE_PERM_ALL, errp);
}

BlockJob *commit_job_create(const ChainOptions *o, Error **errp)
{
    BlockNode *above = find_above(o->root, o->top);
    ChainJob *chain;
    CommitJob *c;

    if (!above) {
        error_setg(errp, "Node '%s' is not below '%s'", o->top->name,
                   o->root->name);
        return NULL;
    }
    if (!chain_check_unshared(o->top, o->base, errp)) {
        return NULL;
    }
    chain = chain_job_create(TYPE_COMMIT_JOB, o, errp);
    if (!chain) {
        return NULL;
    }
    c = COMMIT_JOB(chain);
    c->above = above;
    block_node_ref(above);
    copier_init(&c->copier, o->top, o->base);
    c->copier.write_flags = BLK_REQ_WRITE_UNCHANGED;
    if ((o->filter_node_name &&
         !chain_job_insert_filter(chain,
                                  json_pack("{s:s}", "driver", "commit_top"),
                                  o->filter_node_name, errp)) ||
        !prepare_base(c, o->top, o->base, errp)) {
        commit_clean(JOB(c));
        job_drop(JOB(c));
        return NULL;
    }
    return BLOCK_JOB(c);
}

static void commit_class_init(ObjectClass *oc, void *data)
{
    JobClass *jc = JOB_CLASS(oc);
    ChainJobClass *cc = CHAIN_JOB_CLASS(oc);

    jc->type = JOB_TYPE_COMMIT;
    jc->prepare = commit_prepare;
    jc->clean = commit_clean;
    cc->wants = commit_wants;
    cc->copy = commit_copy;
}

extern const TypeInfo block_type_commit_job;
const TypeInfo block_type_commit_job = {
    .name = TYPE_COMMIT_JOB,
    .parent = TYPE_CHAIN_JOB,
    .instance_size = sizeof(CommitJob),
    .class_init = commit_class_init,
};
