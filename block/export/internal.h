/*
 * Kinds of exports: what block/export-*.c are made of.
 *
 * An export is a QOM object below /block-exports of a class
 * "block-export-KIND". It has a BlockBackend of its own; the class serves it
 * to whoever comes, until shut_down, after which it says block_export_gone().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_EXPORT_INTERNAL_H
#define BLOCK_EXPORT_INTERNAL_H

#include "block/block-internal.h"
#include "block/export.h"
#include "io/iothread.h"
#include "qapi/qapi-types-block-export.h"
#include "qom/object.h"

#define TYPE_BLOCK_EXPORT     "block-export"
#define TYPE_BLOCK_EXPORT_NBD TYPE_BLOCK_EXPORT "-nbd"
OBJECT_DECLARE_TYPE(BlockExport, BlockExportClass, BLOCK_EXPORT)

struct BlockExport {
    Object parent_obj;

    char *id;
    BlockBackend *blk;  /* owned */
    IOThread *iothread; /* owned reference, or NULL */
    bool writable;
    bool shutting_down;
};

/**
 * BlockExportClass:
 * @type: in BlockExportOptions
 * @start: @exp->blk and the members above are set; serve it
 * @in_use: does anybody use it just now?
 * @shut_down: end; block_export_gone() follows, not necessarily at once
 */
struct BlockExportClass {
    ObjectClass parent_class;

    BlockExportType type;
    bool (*start)(BlockExport *exp, const BlockExportOptions *opts,
                  Error **errp);
    bool (*in_use)(BlockExport *exp);
    void (*shut_down)(BlockExport *exp);
};

/** block_export_gone: nothing uses @exp any more: it may be freed. */
void block_export_gone(BlockExport *exp);
/** block_exports_shut_down: all of one kind. */
void block_exports_shut_down(BlockExportType type);
/** block_export_find: (transfer none) or NULL. */
BlockExport *block_export_find(const char *id);
/** block_export_del: Errors: clients, with mode safe. */
bool block_export_del(BlockExport *exp, BlockExportRemoveMode mode,
                      Error **errp);

#endif
