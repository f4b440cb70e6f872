/*
 * Exports: their life, and block-export-add, -del, query-block-exports.
 *
 *   new -> options -> start -> ... -> shut_down -> gone (event) -> freed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/export/internal.h"
#include "block/types.h"
#include "qapi/qapi-commands-block-export.h"
#include "qapi/qapi-events-block-export.h"
#include "qapi/util.h"
#include "util/aio-wait.h"
#include "util/id.h"

static Object *exports_root(void)
{
    return container_get(object_get_root(), "/block-exports");
}

BlockExport *block_export_find(const char *id)
{
    return (BlockExport *)object_dynamic_cast(
        object_resolve_path_component(exports_root(), id), TYPE_BLOCK_EXPORT);
}

/* -- adding ------------------------------------------------------------------------ */

static bool take_iothread(BlockExport *exp, const BlockExportOptions *opts,
                          Error **errp)
{
    IOThread *t;

    if (!opts->iothread) {
        return true;
    }
    t = iothread_by_id(opts->iothread);
    if (!t) {
        error_setg(errp, "there is no iothread object '%s'", opts->iothread);
        return false;
    }
    exp->iothread = IOTHREAD(object_ref(OBJECT(t)));
    return true;
}

static bool take_node(BlockExport *exp, const BlockExportOptions *opts,
                      Error **errp)
{
    BlockNode *node = block_node_find(opts->node_name);
    unsigned perm = NODE_PERM_CONSISTENT_READ;

    if (!node || !node->is_open) {
        error_setg(errp, "Cannot find node '%s'", opts->node_name);
        return false;
    }
    if (exp->writable && node->read_only) {
        error_setg(errp, "Cannot export read-only node as writable");
        return false;
    }
    if (exp->writable) {
        perm |= NODE_PERM_WRITE;
    }
    exp->blk = blk_new(qemu_get_aio_context());
    if (!blk_insert(exp->blk, node, errp) || !blk_activate(exp->blk, errp) ||
        !blk_set_node_perm(exp->blk, perm, NODE_PERM_ALL, errp)) {
        return false;
    }
    blk_set_enable_write_cache(exp->blk,
                               !(opts->has_writethrough && opts->writethrough));
    return true;
}

static BlockExport *export_new(const BlockExportOptions *opts, Error **errp)
{
    g_autofree char *type = g_strconcat(TYPE_BLOCK_EXPORT, "-",
                                        BlockExportType_str(opts->type), NULL);
    BlockExport *exp;

    block_register_types();
    exp = BLOCK_EXPORT(object_new(type));
    exp->id = g_strdup(opts->id);
    exp->writable = opts->has_writable && opts->writable;
    if (!take_iothread(exp, opts, errp) || !take_node(exp, opts, errp) ||
        !BLOCK_EXPORT_GET_CLASS(exp)->start(exp, opts, errp)) {
        object_unref(OBJECT(exp));
        return NULL;
    }
    return exp;
}

bool block_export_add(const BlockExportOptions *opts, Error **errp)
{
    BlockExport *exp;

    if (!id_wellformed(opts->id)) {
        error_setg(errp, "Invalid block export id '%s'", opts->id);
        return false;
    }
    if (block_export_find(opts->id)) {
        error_setg(errp, "Block export id '%s' is already in use", opts->id);
        return false;
    }
    exp = export_new(opts, errp);
    if (!exp) {
        return false;
    }
    object_property_add_child(exports_root(), exp->id, OBJECT(exp));
    object_unref(OBJECT(exp)); /* the tree has it */
    return true;
}

/* -- removing ------------------------------------------------------------------------ */

void block_export_gone(BlockExport *exp)
{
    g_autofree char *id = g_strdup(exp->id);

    object_unparent(OBJECT(exp));
    qapi_event_send_block_export_deleted(id);
    aio_wait_kick();
}

static void export_shut_down(BlockExport *exp)
{
    if (!exp->shutting_down) {
        exp->shutting_down = true;
        BLOCK_EXPORT_GET_CLASS(exp)->shut_down(exp);
    }
}

bool block_export_del(BlockExport *exp, BlockExportRemoveMode mode,
                      Error **errp)
{
    if (exp->shutting_down) {
        error_setg(errp, "export '%s' is already shutting down", exp->id);
        return false;
    }
    if (mode == BLOCK_EXPORT_REMOVE_MODE_SAFE &&
        BLOCK_EXPORT_GET_CLASS(exp)->in_use(exp)) {
        error_setg(errp, "export '%s' still in use", exp->id);
        error_append_hint(errp, "Use mode='hard' to force client "
                                "disconnect\n");
        return false;
    }
    export_shut_down(exp);
    return true;
}

static int shut_down_one(Object *obj, void *opaque)
{
    export_shut_down(BLOCK_EXPORT(obj));
    return 0;
}

static int shut_down_type(Object *obj, void *opaque)
{
    if (BLOCK_EXPORT_GET_CLASS(obj)->type == *(BlockExportType *)opaque) {
        export_shut_down(BLOCK_EXPORT(obj));
    }
    return 0;
}

void block_exports_shut_down(BlockExportType type)
{
    object_child_foreach(exports_root(), shut_down_type, &type);
}

static int count_one(Object *obj, void *opaque)
{
    ++*(unsigned *)opaque;
    return 0;
}

static unsigned exports_left(void)
{
    unsigned n = 0;

    object_child_foreach(exports_root(), count_one, &n);
    return n;
}

void block_exports_cleanup(void)
{
    block_nbd_server_stop();
    object_child_foreach(exports_root(), shut_down_one, NULL);
    AIO_WAIT_WHILE_UNLOCKED(NULL, exports_left() > 0);
}

/* -- commands -------------------------------------------------------------------------- */

void qmp_block_export_add(BlockExportOptions *arg, Error **errp)
{
    block_export_add(arg, errp);
}

void qmp_block_export_del(const char *id, bool has_mode,
                          BlockExportRemoveMode mode, Error **errp)
{
    BlockExport *exp = block_export_find(id);

    if (!exp) {
        error_setg(errp, "Export '%s' is not found", id);
        return;
    }
    block_export_del(exp, has_mode ? mode : BLOCK_EXPORT_REMOVE_MODE_SAFE,
                     errp);
}

static int add_info(Object *obj, void *opaque)
{
    BlockExportInfoList ***tail = opaque;
    BlockExport *exp = BLOCK_EXPORT(obj);
    BlockExportInfo *info = g_new0(BlockExportInfo, 1);

    info->id = g_strdup(exp->id);
    info->type = BLOCK_EXPORT_GET_CLASS(exp)->type;
    info->node_name =
        g_strdup(blk_node(exp->blk) ? block_node_name(blk_node(exp->blk)) : "");
    info->shutting_down = exp->shutting_down;
    QAPI_LIST_APPEND(*tail, info);
    return 0;
}

BlockExportInfoList *qmp_query_block_exports(Error **errp)
{
    BlockExportInfoList *list = NULL, **tail = &list;

    object_child_foreach(exports_root(), add_info, &tail);
    return list;
}

/* -- class ------------------------------------------------------------------------------- */

static void export_instance_finalize(Object *obj)
{
    BlockExport *exp = BLOCK_EXPORT(obj);

    blk_unref(exp->blk);
    object_unref(OBJECT(exp->iothread));
    g_free(exp->id);
}

extern const TypeInfo block_type_export;
const TypeInfo block_type_export = {
    .name = TYPE_BLOCK_EXPORT,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(BlockExport),
    .instance_finalize = export_instance_finalize,
    .class_size = sizeof(BlockExportClass),
};
