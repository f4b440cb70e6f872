/*
 * Creation and amendment of images: the base classes, and running them.
 *
 * Options are checked and the files that they name opened in the main loop,
 * outside of coroutines, because that changes the graph; the work itself is a
 * coroutine, for a tool that waits as for a job that does not. What the work
 * has to open in its course, it has a bottom half open.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/create.h"

#include "block/block-internal.h"
#include "block/create-internal.h"
#include "block/types.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/main-loop.h"

/* The work reads what it wrote. Others may look on. */
#define CREATE_PERM                                                            \
    (NODE_PERM_CONSISTENT_READ | NODE_PERM_WRITE | NODE_PERM_RESIZE)

ObjectClass *create_class(const char *base, const char *driver,
                          const char *verb, Error **errp)
{
    g_autofree char *type = g_strconcat(base, "-", driver, NULL);
    ObjectClass *oc;

    block_register_types();
    oc = module_object_class_by_name(type);
    if (!oc || !object_class_dynamic_cast(oc, base) ||
        object_class_is_abstract(oc)) {
        error_setg(errp, "Driver '%s' does not support %s", driver, verb);
        return NULL;
    }
    return oc;
}

bool block_create_is_supported(const char *driver)
{
    return create_class(TYPE_BLOCK_CREATE, driver, "", NULL) != NULL;
}

/* -- files ------------------------------------------------------------------- */

BlockBackend *create_open_ref(const json_t *ref, bool keyval, AioContext *ctx,
                              const char *what, Error **errp)
{
    g_autoptr(BlockBackend) blk = NULL;
    BlockNode *node;
    bool ok;

    if (json_is_object(ref)) {
        node = block_node_new(ref, keyval, ctx, errp);
    } else if (json_is_string(ref)) {
        node = block_node_find(json_string_value(ref));
        if (node) {
            block_node_ref(node);
        } else {
            error_setg(errp, "Cannot find node '%s'", json_string_value(ref));
        }
    } else {
        error_setg(errp, "parameter '%s' must be a node-name or an object",
                   what);
        return NULL;
    }
    if (!node) {
        return NULL;
    }
    blk = blk_new(ctx);
    ok = blk_insert(blk, node, errp);
    block_node_unref(node);
    if (!ok || !blk_set_node_perm(blk, CREATE_PERM, NODE_PERM_ALL, errp)) {
        return NULL;
    }
    return g_steal_pointer(&blk);
}

BlockNode *block_create_file(BlockCreate *c)
{
    return blk_node(BLOCK_CREATE_FORMAT(c)->file);
}

BlockNode *block_create_data_file(BlockCreate *c)
{
    BlockBackend *blk = BLOCK_CREATE_FORMAT(c)->data_file;

    return blk ? blk_node(blk) : NULL;
}

static json_t *json_property(Object *obj, const char *name)
{
    ObjectProperty *p = object_property_find(obj, name);

    if (!p || !p->table || p->table->kind != PROP_JSON) {
        return NULL;
    }
    return *(json_t **)((char *)obj + p->table->offset);
}

static bool open_files(BlockCreateFormat *f, bool keyval, Error **errp)
{
    AioContext *ctx = BLOCK_CREATE(f)->ctx;
    json_t *data = json_property(OBJECT(f), "data-file");

    f->file = create_open_ref(f->file_ref, keyval, ctx, "file", errp);
    if (!f->file) {
        return false;
    }
    if (data) {
        f->data_file = create_open_ref(data, keyval, ctx, "data-file", errp);
    }
    return !data || f->data_file;
}

/* -- a coroutine that opens nodes ---------------------------------------------- */

typedef struct OpenRequest {
    BlockCreate *c;
    const json_t *opts;
    AioContext *ctx;
    BlockBackend *blk;
    Coroutine *co;
    Error **errp;
} OpenRequest;

/* An image in our files wants them for itself while it is open. */
static void lend_files(BlockCreate *c, bool lend)
{
    BlockCreateFormat *f = (BlockCreateFormat *)object_dynamic_cast(
        OBJECT(c), TYPE_BLOCK_CREATE_FORMAT);
    unsigned perm = lend ? 0 : CREATE_PERM;

    if (f && f->file) {
        blk_set_node_perm(f->file, perm, NODE_PERM_ALL, NULL);
    }
    if (f && f->data_file) {
        blk_set_node_perm(f->data_file, perm, NODE_PERM_ALL, NULL);
    }
}

/* Do the options say so? */
static bool is_in_file(BlockCreate *c, const json_t *opts)
{
    const char *file = json_string_value(json_object_get(opts, "file"));
    BlockNode *node = file ? block_create_file(c) : NULL;

    return node && g_str_equal(node->name, file);
}

static void open_bh(void *opaque)
{
    OpenRequest *r = opaque;

    if (is_in_file(r->c, r->opts)) {
        lend_files(r->c, true);
    }
    r->blk = create_open_ref(r->opts, false, r->ctx, "file", r->errp);
    aio_co_wake(r->co);
}

BlockBackend *coroutine_fn block_create_co_open(BlockCreate *c,
                                                const json_t *opts,
                                                Error **errp)
{
    OpenRequest r = { .c = c,
                      .opts = opts,
                      .ctx = c->ctx,
                      .co = qemu_coroutine_self(),
                      .errp = errp };

    aio_bh_schedule_oneshot(qemu_get_aio_context(), open_bh, &r);
    qemu_coroutine_yield();
    return r.blk;
}

static void close_bh(void *opaque)
{
    OpenRequest *r = opaque;

    blk_unref(r->blk);
    lend_files(r->c, false);
    aio_co_wake(r->co);
}

void coroutine_fn block_create_co_close(BlockCreate *c, BlockBackend *blk)
{
    OpenRequest r = { .c = c, .blk = blk, .co = qemu_coroutine_self() };

    aio_bh_schedule_oneshot(qemu_get_aio_context(), close_bh, &r);
    qemu_coroutine_yield();
}

/* -- creation ------------------------------------------------------------------ */

static BlockCreate *create_alloc(const char *driver, const json_t *opts,
                                 bool keyval, AioContext *ctx, Error **errp)
{
    ObjectClass *oc =
        create_class(TYPE_BLOCK_CREATE, driver, "image creation", errp);
    g_autoptr(BlockCreate) c = NULL;
    g_autoptr(json_t) mapped = NULL;

    if (!oc) {
        return NULL;
    }
    mapped = keyval ? create_map_options(oc, BLOCK_CREATE_CLASS(oc)->aliases,
                                         opts, NULL, errp)
                    : json_incref((json_t *)opts);
    if (!mapped) {
        return NULL;
    }
    c = BLOCK_CREATE(object_new_with_class(oc));
    c->ctx = ctx;
    aio_context_ref(ctx);
    if (!create_set_options(OBJECT(c), mapped, keyval, errp)) {
        return NULL;
    }
    return g_steal_pointer(&c);
}

static bool check_options(BlockCreate *c, Error **errp)
{
    BlockCreateClass *cc = BLOCK_CREATE_GET_CLASS(c);

    return !cc->check || cc->check(c, errp);
}

BlockCreate *block_create_new(const char *driver, const json_t *opts,
                              bool keyval, AioContext *ctx, Error **errp)
{
    g_autoptr(BlockCreate) c = create_alloc(driver, opts, keyval, ctx, errp);

    if (!c || !object_check_required(OBJECT(c), errp) ||
        !check_options(c, errp)) {
        return NULL;
    }
    if (object_dynamic_cast(OBJECT(c), TYPE_BLOCK_CREATE_FORMAT) &&
        !open_files(BLOCK_CREATE_FORMAT(c), keyval, errp)) {
        return NULL;
    }
    return g_steal_pointer(&c);
}

bool coroutine_fn block_create_co_run(BlockCreate *c, BlockProgress *progress,
                                      Error **errp)
{
    BlockProgress unseen = { 0 };
    bool ok;

    c->progress = progress ?: &unseen;
    ok = BLOCK_CREATE_GET_CLASS(c)->co_run(c, errp);
    c->progress = NULL;
    return ok;
}

typedef struct CreateRun {
    BlockCreate *c;
    BlockAmend *amend;
    BlockProgress *progress;
    BlockNode *in;
    uint64_t *required;
    uint64_t *fully;
    Error **errp;
} CreateRun;

static int coroutine_fn create_entry(void *opaque)
{
    CreateRun *run = opaque;

    return block_create_co_run(run->c, run->progress, run->errp) ? 0 : -EIO;
}

bool block_create(const char *driver, const json_t *opts, bool keyval,
                  AioContext *ctx, BlockProgress *progress, Error **errp)
{
    g_autoptr(BlockCreate) c =
        block_create_new(driver, opts, keyval, ctx, errp);
    CreateRun run = { .c = c, .progress = progress, .errp = errp };

    return c && node_run_co(ctx, create_entry, &run) == 0;
}

/* -- measuring ------------------------------------------------------------------ */

static int coroutine_fn measure_entry(void *opaque)
{
    CreateRun *run = opaque;
    BlockCreateClass *cc = BLOCK_CREATE_GET_CLASS(run->c);

    return cc->co_measure(run->c, run->in, run->required, run->fully, run->errp)
               ? 0
               : -EIO;
}

bool block_measure(const char *driver, const json_t *opts, BlockBackend *in,
                   AioContext *ctx, uint64_t *ret_required, uint64_t *ret_fully,
                   Error **errp)
{
    g_autoptr(BlockCreate) c = create_alloc(driver, opts, true, ctx, errp);
    CreateRun run = { .c = c,
                      .in = in ? blk_node(in) : NULL,
                      .required = ret_required,
                      .fully = ret_fully,
                      .errp = errp };

    if (!c || !check_options(c, errp)) {
        return false;
    }
    if (!BLOCK_CREATE_GET_CLASS(c)->co_measure) {
        error_setg(errp, "Driver '%s' does not support size measurement",
                   driver);
        return false;
    }
    return node_run_co(ctx, measure_entry, &run) == 0;
}

/* -- amendment ------------------------------------------------------------------ */

BlockAmend *block_amend_new(BlockBackend *blk, const char *driver,
                            const json_t *opts, bool keyval, bool force,
                            Error **errp)
{
    ObjectClass *oc = create_class(TYPE_BLOCK_AMEND, driver,
                                   "changing the options of an image", errp);
    g_autoptr(BlockAmend) amend = NULL;
    g_autoptr(json_t) mapped = NULL;

    if (!oc) {
        return NULL;
    }
    mapped = keyval ? create_map_options(oc, BLOCK_AMEND_CLASS(oc)->aliases,
                                         opts, NULL, errp)
                    : json_incref((json_t *)opts);
    if (!mapped) {
        return NULL;
    }
    amend = BLOCK_AMEND(object_new_with_class(oc));
    amend->blk = blk;
    blk_ref(blk);
    amend->ctx = blk_get_aio_context(blk);
    aio_context_ref(amend->ctx);
    amend->force = force;
    if (!create_set_options(OBJECT(amend), mapped, keyval, errp) ||
        !object_check_required(OBJECT(amend), errp)) {
        return NULL;
    }
    return g_steal_pointer(&amend);
}

bool coroutine_fn block_amend_co_run(BlockAmend *amend, BlockProgress *progress,
                                     Error **errp)
{
    BlockProgress unseen = { 0 };
    bool ok;

    amend->progress = progress ?: &unseen;
    ok = BLOCK_AMEND_GET_CLASS(amend)->co_run(amend, errp);
    amend->progress = NULL;
    return ok;
}

static int coroutine_fn amend_entry(void *opaque)
{
    CreateRun *run = opaque;

    return block_amend_co_run(run->amend, run->progress, run->errp) ? 0 : -EIO;
}

bool block_amend(BlockBackend *blk, const char *driver, const json_t *opts,
                 bool keyval, bool force, BlockProgress *progress, Error **errp)
{
    g_autoptr(BlockAmend) amend =
        block_amend_new(blk, driver, opts, keyval, force, errp);
    CreateRun run = { .amend = amend, .progress = progress, .errp = errp };

    return amend && node_run_co(amend->ctx, amend_entry, &run) == 0;
}

/* -- classes ---------------------------------------------------------------------- */

static void create_finalize(Object *obj)
{
    g_clear_pointer(&BLOCK_CREATE(obj)->ctx, aio_context_unref);
}

extern const TypeInfo block_type_create;
const TypeInfo block_type_create = {
    .name = TYPE_BLOCK_CREATE,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(BlockCreate),
    .instance_finalize = create_finalize,
    .class_size = sizeof(BlockCreateClass),
    .abstract = true,
};

static void create_format_finalize(Object *obj)
{
    BlockCreateFormat *f = BLOCK_CREATE_FORMAT(obj);

    g_clear_pointer(&f->data_file, blk_unref);
    g_clear_pointer(&f->file, blk_unref);
}

static const Property create_format_props[] = {
    { "file", PROP_JSON, offsetof(BlockCreateFormat, file_ref),
      .qapi_type = "any", .flags = PROP_F_REQUIRED,
      .help = "node-name, or a node to make", .since = "0.1" },
    {},
};

extern const TypeInfo block_type_create_format;
const TypeInfo block_type_create_format = {
    .name = TYPE_BLOCK_CREATE_FORMAT,
    .parent = TYPE_BLOCK_CREATE,
    .instance_size = sizeof(BlockCreateFormat),
    .instance_finalize = create_format_finalize,
    .abstract = true,
    .props = create_format_props,
};

static void amend_finalize(Object *obj)
{
    BlockAmend *amend = BLOCK_AMEND(obj);

    g_clear_pointer(&amend->blk, blk_unref);
    g_clear_pointer(&amend->ctx, aio_context_unref);
}

extern const TypeInfo block_type_amend;
const TypeInfo block_type_amend = {
    .name = TYPE_BLOCK_AMEND,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(BlockAmend),
    .instance_finalize = amend_finalize,
    .class_size = sizeof(BlockAmendClass),
    .abstract = true,
};
