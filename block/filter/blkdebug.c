/*
 * Filter "blkdebug": requests fail by rules, and limits of requests are other
 * than those of the node below.
 *
 * The node has a state, 1 at first. A rule acts at an event, in one state or
 * any: set-state changes the state; inject-error makes requests fail from then
 * on, until another event has rules of its own, or once. Events are what this
 * node is asked to do, and what a format above tells (blkdebug.h). At an event
 * a request may also stop, until somebody lets it go on (blkdebug-break.h).
 *
 * Rules come from a file, sections [inject-error] and [set-state], and from
 * options of the same names. As a file name: blkdebug:CONFIG:IMAGE.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/blkdebug.h"

#include "block/filter/blkdebug-break.h"
#include "block/filter/internal.h"
#include "qapi/qapi-visit-block-filter.h"
#include "qapi/qobject-input-visitor.h"
#include "util/aio.h"
#include "util/config-file.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/lockable.h"

#define TYPE_BLOCK_DEBUG TYPE_BLOCK_NODE "-blkdebug"
OBJECT_DECLARE_SIMPLE_TYPE(BlockDebug, BLOCK_DEBUG)

#define BLKDEBUG_RULES_MAX 1024

typedef struct DebugRule {
    bool is_state; /* set-state; else inject-error */
    BlkdebugEvent event;
    int64_t state; /* 0: any */
    int64_t new_state;
    unsigned iotypes; /* bits */
    int error;        /* errno */
    int64_t offset;   /* bytes; -1: any */
    bool once;
    bool immediately;

    bool active; /* requests fail now */
    bool used;   /* once, and it did */
} DebugRule;

struct BlockDebug {
    BlockFilter parent_obj;

    json_t *image_ref;
    char *config;
    json_t *inject_error;
    json_t *set_state;
    uint64_t align;
    uint64_t max_transfer;
    uint64_t opt_write_zero;
    uint64_t max_write_zero;
    uint64_t opt_discard;
    uint64_t max_discard;

    DebugBreaks breaks;

    QemuMutex lock; /* guards what follows */
    GArray *rules;  /* of DebugRule; fixed after open() but for two members */
    int64_t state;
};

/* -- rules ----------------------------------------------------------------------------- */

static bool add_inject_error(BlockDebug *d, const BlkdebugInjectErrorOptions *o,
                             Error **errp)
{
    DebugRule rule = {
        .event = o->event,
        .state = o->state,
        .iotypes = o->has_iotype ? 1U << o->iotype
                                 : (1U << BLKDEBUG_IO_TYPE_BLOCK_STATUS) - 1,
        .error = o->has_errno ? (int)o->q_errno : EIO,
        .offset = -1,
        .once = o->once,
        .immediately = o->immediately,
    };

    if (o->has_errno && (o->q_errno <= 0 || o->q_errno > 4095)) {
        error_setg(errp, "errno %" PRId64 " is not in 1 to 4095", o->q_errno);
        return false;
    }
    if (o->has_sector && o->sector != -1) {
        if (o->sector < 0 || o->sector > BLK_LENGTH_MAX / BLK_SECTOR_SIZE) {
            error_setg(errp, "sector %" PRId64 " is out of range", o->sector);
            return false;
        }
        rule.offset = o->sector * BLK_SECTOR_SIZE;
    }
    g_array_append_val(d->rules, rule);
    return true;
}

static bool add_set_state(BlockDebug *d, const BlkdebugSetStateOptions *o,
                          Error **errp)
{
    DebugRule rule = {
        .is_state = true,
        .event = o->event,
        .state = o->state,
        .new_state = o->new_state,
    };

    g_array_append_val(d->rules, rule);
    return true;
}

static bool add_rule(BlockDebug *d, bool is_state, json_t *opts, bool keyval,
                     Error **errp)
{
    g_autoptr(Visitor) v = keyval ? qobject_input_visitor_new_keyval(opts)
                                  : qobject_input_visitor_new(opts);

    if (d->rules->len >= BLKDEBUG_RULES_MAX) {
        error_setg(errp, "more than %d rules", BLKDEBUG_RULES_MAX);
        return false;
    }
    if (is_state) {
        g_autoptr(BlkdebugSetStateOptions) o = NULL;

        return visit_type_BlkdebugSetStateOptions(v, NULL, &o, errp) &&
               add_set_state(d, o, errp);
    }
    g_autoptr(BlkdebugInjectErrorOptions) o = NULL;

    return visit_type_BlkdebugInjectErrorOptions(v, NULL, &o, errp) &&
           add_inject_error(d, o, errp);
}

static bool add_rules(BlockDebug *d, bool is_state, json_t *list, Error **errp)
{
    bool keyval = BLOCK_NODE(d)->options_are_text;
    const char *name = is_state ? "set-state" : "inject-error";
    json_t *one;
    size_t i;

    if (list && !json_is_array(list)) {
        error_setg(errp, "parameter '%s' must be a list", name);
        return false;
    }
    json_array_foreach(list, i, one)
    {
        if (!add_rule(d, is_state, one, keyval, errp)) {
            error_prepend(errp, "%s.%zu: ", name, i);
            return false;
        }
    }
    return true;
}

static bool add_section(const char *group, const char *id, json_t *opts,
                        void *opaque, Error **errp)
{
    bool is_state = g_str_equal(group, "set-state");

    if (!is_state && !g_str_equal(group, "inject-error")) {
        error_setg(errp, "unknown section '%s'", group);
        return false;
    }
    json_object_del(opts, "id");
    return add_rule(opaque, is_state, opts, true, errp);
}

/* -- events ---------------------------------------------------------------------------- */

static void apply_rules(BlockDebug *d, BlkdebugEvent event)
{
    bool replaced = false;

    QEMU_LOCK_GUARD(&d->lock);
    int64_t state = d->state;

    for (guint i = 0; i < d->rules->len; i++) {
        DebugRule *r = &g_array_index(d->rules, DebugRule, i);

        if (r->event != event || (r->state && r->state != d->state)) {
            continue;
        }
        if (r->is_state) {
            state = r->new_state;
            continue;
        }
        if (!replaced) {
            for (guint j = 0; j < d->rules->len; j++) {
                g_array_index(d->rules, DebugRule, j).active = false;
            }
            replaced = true;
        }
        r->active = !r->used;
    }
    d->state = state;
}

static void debug_event(BlockDebug *d, BlkdebugEvent event)
{
    apply_rules(d, event);
    if (qemu_in_coroutine()) {
        debug_breaks_meet(&d->breaks, event);
    }
}

static const char blkdebug_driver[] = "blkdebug";

void blkdebug_event(BlockNode *node, BlkdebugEvent event)
{
    while (node) {
        BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

        if (nc->driver == blkdebug_driver) {
            debug_event(BLOCK_DEBUG(node), event);
            return;
        }
        node =
            nc->is_filter ? node_child_of_role(node, NODE_ROLE_FILTERED) : NULL;
    }
}

/* -- breaks ---------------------------------------------------------------------------- */

static BlockDebug *find_debug(BlockNode *node)
{
    while (node && BLOCK_NODE_GET_CLASS(node)->driver != blkdebug_driver) {
        node = node_child_of_role(node, NODE_ROLE_PRIMARY);
    }
    return node ? BLOCK_DEBUG(node) : NULL;
}

int blkdebug_break(BlockNode *node, BlkdebugEvent event, const char *tag)
{
    BlockDebug *d = find_debug(node);

    if (!d) {
        return -ENOTSUP;
    }
    return debug_breaks_add(&d->breaks, event, tag) ? 0 : -ENOSPC;
}

int blkdebug_resume(BlockNode *node, const char *tag)
{
    BlockDebug *d = find_debug(node);

    if (!d) {
        return -ENOTSUP;
    }
    return debug_breaks_resume(&d->breaks, tag, false) ? 0 : -ENOENT;
}

int blkdebug_remove_break(BlockNode *node, const char *tag)
{
    BlockDebug *d = find_debug(node);
    bool any;

    if (!d) {
        return -ENOTSUP;
    }
    any = debug_breaks_remove(&d->breaks, tag);
    return debug_breaks_resume(&d->breaks, tag, true) || any ? 0 : -ENOENT;
}

bool blkdebug_is_suspended(BlockNode *node, const char *tag)
{
    BlockDebug *d = find_debug(node);

    return d && debug_breaks_has_stopped(&d->breaks, tag);
}

/* -- errors ---------------------------------------------------------------------------- */

static int find_error(BlockDebug *d, BlkdebugIOType type, int64_t offset,
                      int64_t bytes, bool *ret_immediately)
{
    QEMU_LOCK_GUARD(&d->lock);

    for (guint i = 0; i < d->rules->len; i++) {
        DebugRule *r = &g_array_index(d->rules, DebugRule, i);

        if (r->active && r->iotypes & (1U << type) &&
            (r->offset == -1 ||
             (offset <= r->offset && r->offset - offset < bytes))) {
            if (r->once) {
                r->active = false;
                r->used = true;
            }
            *ret_immediately = r->immediately;
            return r->error;
        }
    }
    return 0;
}

/* 0: the request goes on; else what it fails with. */
static int coroutine_fn debug_co_check(BlockNode *node, BlkdebugIOType type,
                                       int64_t offset, int64_t bytes)
{
    AioContext *ctx = qemu_get_current_aio_context();
    bool immediately;
    int error =
        find_error(BLOCK_DEBUG(node), type, offset, bytes, &immediately);

    if (error && !immediately && ctx) {
        aio_co_schedule(ctx, qemu_coroutine_self());
        qemu_coroutine_yield();
    }
    return -error;
}

/* -- requests -------------------------------------------------------------------------- */

static int coroutine_fn debug_co_preadv(BlockNode *node, int64_t offset,
                                        int64_t bytes, QEMUIOVector *qiov,
                                        size_t qiov_offset,
                                        BlkRequestFlags flags)
{
    int ret;

    debug_event(BLOCK_DEBUG(node), BLKDBG_READ_AIO);
    ret = debug_co_check(node, BLKDEBUG_IO_TYPE_READ, offset, bytes);
    return ret < 0 ? ret
                   : node_co_preadv(filter_child(node), offset, bytes, qiov,
                                    qiov_offset, flags);
}

static int coroutine_fn debug_co_pwritev(BlockNode *node, int64_t offset,
                                         int64_t bytes, QEMUIOVector *qiov,
                                         size_t qiov_offset,
                                         BlkRequestFlags flags)
{
    int ret;

    debug_event(BLOCK_DEBUG(node), BLKDBG_WRITE_AIO);
    debug_event(BLOCK_DEBUG(node), BLKDBG_PWRITEV);
    ret = debug_co_check(node, BLKDEBUG_IO_TYPE_WRITE, offset, bytes);
    if (ret == 0) {
        ret = node_co_pwritev(filter_child(node), offset, bytes, qiov,
                              qiov_offset, flags);
    }
    debug_event(BLOCK_DEBUG(node), BLKDBG_PWRITEV_DONE);
    return ret;
}

static int coroutine_fn debug_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                               int64_t bytes,
                                               BlkRequestFlags flags)
{
    int ret;

    debug_event(BLOCK_DEBUG(node), BLKDBG_PWRITEV_ZERO);
    ret = debug_co_check(node, BLKDEBUG_IO_TYPE_WRITE_ZEROES, offset, bytes);
    return ret < 0 ? ret
                   : node_co_pwrite_zeroes(filter_child(node), offset, bytes,
                                           flags);
}

static int coroutine_fn debug_co_pdiscard(BlockNode *node, int64_t offset,
                                          int64_t bytes)
{
    uint64_t max = BLOCK_DEBUG(node)->max_discard;
    int ret = debug_co_check(node, BLKDEBUG_IO_TYPE_DISCARD, offset, bytes);

    while (bytes > 0 && ret == 0) {
        int64_t n = max ? MIN(bytes, (int64_t)max) : bytes;

        ret = node_co_pdiscard(filter_child(node), offset, n);
        offset += n;
        bytes -= n;
    }
    return ret;
}

static int coroutine_fn debug_co_flush(BlockNode *node)
{
    debug_event(BLOCK_DEBUG(node), BLKDBG_FLUSH_TO_OS);
    debug_event(BLOCK_DEBUG(node), BLKDBG_FLUSH_TO_DISK);
    return debug_co_check(node, BLKDEBUG_IO_TYPE_FLUSH, 0, 0);
}

static int coroutine_fn debug_co_block_status(BlockNode *node, unsigned want,
                                              int64_t offset, int64_t bytes,
                                              int64_t *pnum, int64_t *map,
                                              BlockNode **file)
{
    int ret =
        debug_co_check(node, BLKDEBUG_IO_TYPE_BLOCK_STATUS, offset, bytes);

    return ret < 0 ? ret
                   : filter_base()->co_block_status(node, want, offset, bytes,
                                                    pnum, map, file);
}

/* -- open ------------------------------------------------------------------------------ */

static bool debug_limits(BlockDebug *d, Error **errp)
{
    BlockNode *node = BLOCK_NODE(d);
    uint64_t align = MAX(d->align, node->request_alignment);
    const struct {
        const char *name;
        uint64_t value;
    } limits[] = {
        { "max-transfer", d->max_transfer },
        { "opt-write-zero", d->opt_write_zero },
        { "max-write-zero", d->max_write_zero },
        { "opt-discard", d->opt_discard },
        { "max-discard", d->max_discard },
    };

    if (d->align && (!is_power_of_2(d->align) || d->align > INT32_MAX)) {
        error_setg(errp, "align %" PRIu64 " is not a power of two below 2G",
                   d->align);
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        if (limits[i].value % MAX(align, 1) || limits[i].value > INT32_MAX) {
            error_setg(errp,
                       "%s %" PRIu64 " is not a multiple of %" PRIu64
                       " below 2G",
                       limits[i].name, limits[i].value, align);
            return false;
        }
    }
    if (d->align) {
        node->request_alignment = (uint32_t)align;
    }
    if (d->max_transfer) {
        node->max_transfer = (uint32_t)d->max_transfer;
    }
    if (d->opt_discard) {
        node->preferred_discard = (uint32_t)d->opt_discard;
    }
    node->max_zeroes = (int64_t)d->max_write_zero;
    return true;
}

static bool debug_open(BlockNode *node, Error **errp)
{
    BlockDebug *d = BLOCK_DEBUG(node);
    BlockFilter *f = BLOCK_FILTER(node);

    if (!f->file_ref == !d->image_ref) {
        error_setg(errp, "parameter 'image' is %s",
                   d->image_ref ? "given twice, also as 'file'" : "missing");
        return false;
    }
    if (!f->file_ref) {
        f->file_ref = json_incref(d->image_ref);
    }
    if ((d->config && *d->config &&
         !config_file_read(d->config, add_section, d, errp)) ||
        !add_rules(d, false, d->inject_error, errp) ||
        !add_rules(d, true, d->set_state, errp) ||
        !filter_base()->open(node, errp) || !debug_limits(d, errp)) {
        return false;
    }
    debug_event(d, BLKDBG_NONE);
    return true;
}

/* "blkdebug:CONFIG:IMAGE", either may be empty but for IMAGE. */
static bool debug_parse_filename(const char *filename, json_t *opts,
                                 Error **errp)
{
    const char *rest;
    const char *colon;
    json_t *image;

    if (!strstart(filename, "blkdebug:", &rest)) {
        error_setg(errp, "'%s' does not begin with blkdebug:", filename);
        return false;
    }
    colon = strchr(rest, ':');
    if (!colon) {
        error_setg(errp, "'%s' is not blkdebug:CONFIG:IMAGE", filename);
        return false;
    }
    image = block_filename_options(colon + 1, errp);
    if (!image) {
        return false;
    }
    json_object_set_new(opts, "image", image);
    if (colon > rest) {
        json_object_set_new(opts, "config",
                            json_stringn(rest, (size_t)(colon - rest)));
    }
    return true;
}

static void debug_init(Object *obj)
{
    BlockDebug *d = BLOCK_DEBUG(obj);

    debug_breaks_init(&d->breaks);
    qemu_mutex_init(&d->lock);
    d->rules = g_array_new(false, false, sizeof(DebugRule));
    d->state = 1;
}

static void debug_finalize(Object *obj)
{
    BlockDebug *d = BLOCK_DEBUG(obj);

    debug_breaks_deinit(&d->breaks);
    g_array_unref(d->rules);
    qemu_mutex_destroy(&d->lock);
}

#define DEBUG_LIMIT(xname, member, text)                                       \
    {                                                                          \
        xname, PROP_SIZE, offsetof(BlockDebug, member),                        \
            .unit = "bytes", .help = (text), .since = "0.2"                    \
    }

static const Property debug_props[] = {
    { "file", PROP_JSON, offsetof(BlockFilter, file_ref), .qapi_type = "any",
      .flags = PROP_F_HIDDEN, .help = "the same as image", .since = "0.2" },
    { "image", PROP_JSON, offsetof(BlockDebug, image_ref), .qapi_type = "any",
      .help = "node-name, or a node to make", .since = "0.2" },
    { "config", PROP_STR, offsetof(BlockDebug, config),
      .help = "file with rules", .since = "0.2" },
    { "inject-error", PROP_JSON, offsetof(BlockDebug, inject_error),
      .qapi_type = "[BlkdebugInjectErrorOptions]",
      .help = "rules that make requests fail", .since = "0.2" },
    { "set-state", PROP_JSON, offsetof(BlockDebug, set_state),
      .qapi_type = "[BlkdebugSetStateOptions]",
      .help = "rules that change the state", .since = "0.2" },
    DEBUG_LIMIT("align", align, "alignment of requests"),
    DEBUG_LIMIT("max-transfer", max_transfer, "longest read or write"),
    DEBUG_LIMIT("opt-write-zero", opt_write_zero,
                "accepted, zeroes have no preferred length here"),
    DEBUG_LIMIT("max-write-zero", max_write_zero, "longest write of zeroes"),
    DEBUG_LIMIT("opt-discard", opt_discard, "preferred length of discards"),
    DEBUG_LIMIT("max-discard", max_discard, "longest discard"),
    {},
};

static void debug_class_init(ObjectClass *oc, void *data)
{
    static const char *const schemes[] = { "blkdebug", NULL };
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = blkdebug_driver;
    nc->help = "requests fail by rules, for tests";
    nc->uri_schemes = schemes;
    nc->parse_filename = debug_parse_filename;
    nc->open = debug_open;
    nc->co_preadv = debug_co_preadv;
    nc->co_pwritev = debug_co_pwritev;
    nc->co_pwrite_zeroes = debug_co_pwrite_zeroes;
    nc->co_pdiscard = debug_co_pdiscard;
    nc->co_flush = debug_co_flush;
    nc->co_block_status = debug_co_block_status;
}

extern const TypeInfo block_type_blkdebug;
const TypeInfo block_type_blkdebug = {
    .name = TYPE_BLOCK_DEBUG,
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockDebug),
    .instance_init = debug_init,
    .instance_finalize = debug_finalize,
    .class_init = debug_class_init,
    .props = debug_props,
};
