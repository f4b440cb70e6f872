/*
 * What "stream" and "commit" have in common.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/job/chain-internal.h"
#include "util/error.h"

#define WORKERS     16
#define PIECE_BYTES COPIER_MAX_BYTES
#define RETRY_NS    (100 * 1000 * 1000)
/* Longest name of a backing file that a qcow2 image notes. */
#define NOTED_NAME_MAX 1023

typedef struct Piece {
    ChainJob *job;
    int64_t offset;
    int64_t bytes;
} Piece;

/* -- copying -------------------------------------------------------------------- */

static bool should_end(ChainJob *c)
{
    return job_is_cancelled(JOB(c)) || task_pool_status(c->pool) < 0;
}

/* The queue where a piece that failed waits; NULL: the job fails. */
static GQueue *coroutine_fn queue_for(ChainJob *c, bool is_read, int error)
{
    BlockdevOnError on_error =
        c->is_last_try ? BLOCKDEV_ON_ERROR_REPORT : c->on_error;

    if (job_is_cancelled(JOB(c))) {
        return NULL;
    }
    switch (block_job_error_action(BLOCK_JOB(c), on_error, is_read, error)) {
    case BLOCK_ERROR_ACTION_STOP:
        return &c->failed;
    case BLOCK_ERROR_ACTION_IGNORE:
        return &c->left_out;
    default:
        return NULL;
    }
}

static int coroutine_fn piece_task(void *opaque)
{
    Piece *p = opaque;
    ChainJob *c = p->job;
    GQueue *queue;
    bool is_read = true;
    int ret = CHAIN_JOB_GET_CLASS(c)->copy(c, p->offset, p->bytes, &is_read);

    if (ret == 0) {
        block_progress_done(&JOB(c)->progress, (uint64_t)p->bytes);
    } else if ((queue = queue_for(c, is_read, -ret))) {
        g_queue_push_tail(queue, p);
        return 0;
    }
    g_free(p);
    return ret;
}

static int coroutine_fn copy_disk(ChainJob *c)
{
    int64_t length = block_node_length(c->top);
    int64_t offset = 0;
    bool no_way = false;

    while (offset < length && !should_end(c)) {
        int64_t n = MIN(length - offset, PIECE_BYTES);
        int ret = CHAIN_JOB_GET_CLASS(c)->wants(c, offset, n, &n);

        if (ret < 0) {
            return ret;
        }
        if (n <= 0) {
            /* Behind the end of a disk that has become smaller; else there
             * is no way on. */
            no_way = offset < block_node_length(c->top);
            break;
        }
        if (ret > 0) {
            Piece *p = g_new(Piece, 1);

            *p = (Piece){ c, offset, n };
            task_pool_start(c->pool, piece_task, p);
        } else {
            block_progress_done(&JOB(c)->progress, (uint64_t)n);
        }
        block_job_throttle(BLOCK_JOB(c), ret > 0 ? n : 0);
        offset += n;
    }
    task_pool_wait_all(c->pool);
    return no_way ? -EIO : task_pool_status(c->pool);
}

static void coroutine_fn copy_queue(ChainJob *c, GQueue *queue)
{
    guint n = g_queue_get_length(queue);

    while (n-- > 0 && !should_end(c)) {
        Piece *p = g_queue_pop_head(queue);
        int64_t bytes = p->bytes;

        task_pool_start(c->pool, piece_task, p);
        block_job_throttle(BLOCK_JOB(c), bytes);
    }
    task_pool_wait_all(c->pool);
}

/* What the user stopped for, until it went well or he wants no more of it; and
 * at the end, once, what was left out: the chain changes only when all is
 * there. */
static int coroutine_fn copy_failed(ChainJob *c)
{
    while (!g_queue_is_empty(&c->failed) && !should_end(c)) {
        job_sleep_ns(JOB(c), RETRY_NS);
        copy_queue(c, &c->failed);
    }
    if (!should_end(c)) {
        c->is_last_try = true;
        copy_queue(c, &c->left_out);
    }
    return task_pool_status(c->pool);
}

static int coroutine_fn chain_run(Job *job, Error **errp)
{
    ChainJob *c = CHAIN_JOB(job);
    int ret;

    c->pool = task_pool_new(WORKERS);
    block_progress_add(&job->progress, (uint64_t)block_node_length(c->top));
    ret = copy_disk(c);
    if (ret == 0) {
        ret = copy_failed(c);
    }
    task_pool_wait_all(c->pool);
    g_clear_pointer(&c->pool, task_pool_free);
    g_queue_clear_full(&c->failed, g_free);
    g_queue_clear_full(&c->left_out, g_free);
    return job_is_cancelled(job) && ret == 0 ? -ECANCELED : ret;
}

static void coroutine_fn chain_settle(Job *job)
{
    ChainJob *c = CHAIN_JOB(job);

    if (c->pool) {
        task_pool_wait_all(c->pool);
    }
}

/* -- the chain --------------------------------------------------------------------- */

static NodeLink *link_below(BlockNode *node)
{
    NodeLink *link;

    QLIST_FOREACH(link, &node->children, of_owner) {
        if (link->role & (NODE_ROLE_FILTERED | NODE_ROLE_COW)) {
            return link;
        }
    }
    return NULL;
}

bool chain_check_unshared(BlockNode *top, BlockNode *base, Error **errp)
{
    NodeLink *down;

    for (BlockNode *node = top;
         node != base && (down = link_below(node)) && down->node;
         node = down->node) {
        NodeLink *link;

        QLIST_FOREACH(link, &down->node->users, of_node) {
            if (link != down &&
                (link->role & (NODE_ROLE_COW | NODE_ROLE_FILTERED))) {
                error_setg(errp,
                           "Node '%s' is below node '%s', too, which would see "
                           "what is written",
                           down->node->name, ((BlockNode *)link->owner)->name);
                return false;
            }
        }
    }
    return true;
}

static bool freeze(ChainJob *c, BlockNode *from, Error **errp)
{
    for (BlockNode *node = from; node && node != c->base;) {
        NodeLink *link = link_below(node);

        if (!link || !link->node) {
            break;
        }
        if (link->frozen) {
            error_setg(errp,
                       "Node '%s' is part of a chain that another job works on",
                       node->name);
            chain_job_thaw(c);
            return false;
        }
        link->frozen = true;
        g_ptr_array_add(c->frozen, link);
        node = link->node;
    }
    return true;
}

void chain_job_thaw(ChainJob *c)
{
    for (guint i = 0; i < c->frozen->len; i++) {
        ((NodeLink *)c->frozen->pdata[i])->frozen = false;
    }
    g_ptr_array_set_size(c->frozen, 0);
}

/* Whether it can be noted is known before the work. */
static bool check_base_name(const ChainOptions *o, Error **errp)
{
    BlockNode *image = o->base ? node_skip_filters(o->base) : NULL;
    g_autofree char *name = image ? node_filename(image) : NULL;

    if (o->backing_file || !name || strlen(name) <= NOTED_NAME_MAX) {
        return true;
    }
    error_setg(
        errp,
        "The name of node '%s' is longer than the %d bytes that an image "
        "can note: 'backing-file' must say another",
        image->name, NOTED_NAME_MAX);
    return false;
}

ChainJob *chain_job_create(const char *type, const ChainOptions *o,
                           Error **errp)
{
    BlockJob *bj;
    ChainJob *c;

    if (!check_base_name(o, errp)) {
        return NULL;
    }
    bj = block_job_create(type, o->id, NULL, o->root, o->speed, o->flags, errp);
    if (!bj) {
        return NULL;
    }
    c = CHAIN_JOB(bj);
    c->top = o->top;
    block_node_ref(o->top);
    c->base = o->base;
    if (o->base) {
        block_node_ref(o->base);
    }
    c->backing_file = g_strdup(o->backing_file);
    c->on_error = o->on_error;
    if (!freeze(c, o->top, errp)) {
        job_drop(JOB(c));
        return NULL;
    }
    return c;
}

bool chain_job_make_writable(ChainJob *c, BlockNode *node, Error **errp)
{
    if (!node->read_only) {
        return true;
    }
    if (!node_set_read_only(node, false, errp)) {
        error_prepend(errp,
                      "Node '%s' cannot be opened read-write: ", node->name);
        return false;
    }
    block_node_ref(node);
    g_ptr_array_add(c->writable, node);
    return true;
}

static void make_read_only(gpointer data)
{
    node_set_read_only(data, true, NULL);
    block_node_unref(data);
}

bool chain_job_insert_filter(ChainJob *c, json_t *opts, const char *name,
                             Error **errp)
{
    BlockNode *top = c->top;

    json_object_set_new(opts, "file", json_string(top->name));
    json_object_set_new(opts, "read-only", json_boolean(top->read_only));
    node_drained_begin(top);
    c->filter = block_job_insert_filter(top, opts, name, errp);
    node_drained_end(top);
    json_decref(opts);
    return c->filter != NULL;
}

static void remove_filter(ChainJob *c)
{
    if (c->filter) {
        node_replace(c->filter, c->top, &error_abort);
        g_clear_pointer(&c->filter, block_node_unref);
    }
}

/* -- the name of a backing file ------------------------------------------------------ */

typedef struct NameChange {
    BlockNode *above;
    const char *file;
    const char *format;
    Error **errp;
} NameChange;

static int coroutine_fn name_entry(void *opaque)
{
    NameChange *c = opaque;
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(c->above);

    if (!nc->co_change_backing) {
        error_setg(c->errp, "Node '%s' has no name of a backing file",
                   c->above->name);
        return -ENOTSUP;
    }
    return nc->co_change_backing(c->above, c->file, c->format, c->errp);
}

int chain_name_backing(BlockNode *above, BlockNode *base, const char *file,
                       Error **errp)
{
    BlockNode *image = base ? node_skip_filters(base) : NULL;
    g_autofree char *name = image ? node_filename(image) : NULL;
    NameChange c = {
        .above = above,
        .file = file ? file : name,
        .format = image ? BLOCK_NODE_GET_CLASS(image)->driver : NULL,
        .errp = errp,
    };
    bool read_only = above->read_only;
    int ret;

    if (read_only && !node_set_read_only(above, false, errp)) {
        return -EROFS;
    }
    node_drained_begin(above);
    ret = node_run_co(above->ctx, name_entry, &c);
    node_drained_end(above);
    if (read_only) {
        node_set_read_only(above, true, NULL);
    }
    return ret;
}

int chain_set_backing(BlockNode *above, BlockNode *base, const char *file,
                      Error **errp)
{
    BlockNode *image = node_skip_filters(above);
    int ret = chain_name_backing(image, base, file, errp);

    if (ret < 0) {
        return ret;
    }
    return node_set_backing(image, base, errp) ? 0 : -EPERM;
}

/* What is left of an ended job holds nothing. */
void chain_job_release(ChainJob *c)
{
    block_job_remove_nodes(BLOCK_JOB(c));
    chain_job_thaw(c);
    remove_filter(c);
    g_ptr_array_set_size(c->writable, 0);
    g_clear_pointer(&c->top, block_node_unref);
    g_clear_pointer(&c->base, block_node_unref);
}

static void chain_clean(Job *job)
{
    chain_job_release(CHAIN_JOB(job));
}

/* -- class ---------------------------------------------------------------------------- */

static void chain_instance_init(Object *obj)
{
    ChainJob *c = CHAIN_JOB(obj);

    c->frozen = g_ptr_array_new();
    c->writable = g_ptr_array_new_with_free_func(make_read_only);
    g_queue_init(&c->failed);
    g_queue_init(&c->left_out);
}

static void chain_instance_finalize(Object *obj)
{
    ChainJob *c = CHAIN_JOB(obj);

    chain_job_thaw(c);
    g_ptr_array_unref(c->frozen);
    g_ptr_array_unref(c->writable);
    block_node_unref(c->top);
    block_node_unref(c->base);
    g_free(c->backing_file);
}

static void chain_class_init(ObjectClass *oc, void *data)
{
    JobClass *jc = JOB_CLASS(oc);

    jc->run = chain_run;
    jc->settle = chain_settle;
    jc->clean = chain_clean;
}

extern const TypeInfo block_type_chain_job;
const TypeInfo block_type_chain_job = {
    .name = TYPE_CHAIN_JOB,
    .parent = TYPE_BLOCK_JOB,
    .abstract = true,
    .instance_size = sizeof(ChainJob),
    .instance_init = chain_instance_init,
    .instance_finalize = chain_instance_finalize,
    .class_size = sizeof(ChainJobClass),
    .class_init = chain_class_init,
};
