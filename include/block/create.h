/*
 * Making images, and changing the options of those that exist.
 *
 * What can be made is a QOM class: "blockdev-create-qcow2" with a table of
 * properties, whose names are those of BlockdevCreateOptions. From the table
 * come the JSON of blockdev-create, `-o` of ferry-img (which spells names with
 * underscores), `-o help` and the schema. "blockdev-amend-qcow2" is the same
 * for options that can be changed later.
 *
 * A driver that makes protocols' files (file) opens nothing: its property
 * "filename" says what. A format names its file by "file", a node-name or the
 * options of a node; this base class opens it, and "data-file" likewise if the
 * class lists such a property, before the driver's code runs:
 *
 *     static bool coroutine_fn foo_co_run(BlockCreate *c, Error **errp)
 *     {
 *         BlockNode *file = block_create_file(c);
 *         ... node_co_truncate(file, ...), node_co_pwrite(file, ...)
 *     }
 *
 * Its TypeInfo is block_type_create_foo, its line in block/meson.build stands
 * in `block_creators`.
 *
 * Thread: the main loop's, unless a block says otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_CREATE_H
#define BLOCK_CREATE_H

#include <jansson.h>

#include "block/block-backend.h"
#include "block/block-node.h"
#include "block/progress.h"
#include "qapi/introspect.h"
#include "qom/object.h"
#include "util/coroutine.h"

/* -- classes --------------------------------------------------------------- */

#define TYPE_BLOCK_CREATE "blockdev-create"
OBJECT_DECLARE_TYPE(BlockCreate, BlockCreateClass, BLOCK_CREATE)

/* A format: adds the property "file". */
#define TYPE_BLOCK_CREATE_FORMAT TYPE_BLOCK_CREATE "-format"
OBJECT_DECLARE_SIMPLE_TYPE(BlockCreateFormat, BLOCK_CREATE_FORMAT)

#define TYPE_BLOCK_AMEND "blockdev-amend"
OBJECT_DECLARE_TYPE(BlockAmend, BlockAmendClass, BLOCK_AMEND)

/* A name or value of `-o` that is not just the property's with underscores. */
typedef struct BlockCreateAlias {
    const char *legacy; /* "compat"; NULL ends the table */
    const char *name;   /* "version" */
    /* Pairs of legacy and real value, ends with NULL; NULL: as they are. */
    const char *const *values;
} BlockCreateAlias;

struct BlockCreate {
    Object parent_obj;

    AioContext *ctx;         /* where co_run() runs; referenced */
    BlockProgress *progress; /* borrowed; never NULL while co_run() runs */
};

struct BlockCreateFormat {
    BlockCreate parent_obj;

    json_t *file_ref;        /* property "file" */
    BlockBackend *file;      /* open for writing and resizing */
    BlockBackend *data_file; /* the same, or NULL */
};

/**
 * BlockCreateClass:
 * @driver: as blockdev-create takes it: "qcow2"
 * @help: one line
 * @aliases: (optional) see BlockCreateAlias
 * @has_backing: has properties "backing-file" and "backing-fmt"
 * @keeps_dashes: help of `-o` does not spell names with underscores
 * @check: (optional) properties against each other, before any file is touched
 * @co_run: make the image. On failure files may be left in any state; the
 *        caller removes those that it made
 * @co_measure: (optional) how big the image would be, for the options in @c:
 *        bytes of a new file (@ret_required) and one whose every byte was
 *        written (@ret_fully). @in: (nullable) an image to copy, whose size
 *        the property "size" already has. Properties may lack "file"
 */
struct BlockCreateClass {
    ObjectClass parent_class;

    const char *driver;
    const char *help;
    const BlockCreateAlias *aliases;
    bool has_backing;
    bool keeps_dashes;
    bool (*check)(BlockCreate *c, Error **errp);
    bool coroutine_fn (*co_run)(BlockCreate *c, Error **errp);
    bool coroutine_fn (*co_measure)(BlockCreate *c, BlockNode *in,
                                    uint64_t *ret_required, uint64_t *ret_fully,
                                    Error **errp);
};

struct BlockAmend {
    Object parent_obj;

    AioContext *ctx;
    BlockProgress *progress; /* borrowed; never NULL while co_run() runs */
    BlockBackend *blk;       /* the image, writable */
    bool force;              /* also what may make it unreadable */
};

/**
 * BlockAmendClass:
 * @co_run: change blk_node(amend->blk). Properties that were not given have
 *        their default, which must be one that can be told from a value
 * Others as in BlockCreateClass.
 */
struct BlockAmendClass {
    ObjectClass parent_class;

    const char *driver;
    const char *help;
    const BlockCreateAlias *aliases;
    bool keeps_dashes;
    bool coroutine_fn (*co_run)(BlockAmend *amend, Error **errp);
};

/** block_create_file: the node of "file". Borrowed; for drivers. */
BlockNode *block_create_file(BlockCreate *c);
/** block_create_data_file: the node of "data-file", or NULL. */
BlockNode *block_create_data_file(BlockCreate *c);

/**
 * block_create_co_open:
 * @opts: (in) as for block_node_new(), JSON values; borrowed
 *
 * Open a node from within co_run(): the image that was just made, to fill it
 * (preallocation). It gets all permissions. Give it back by
 * block_create_co_close().
 *
 * Returns: (transfer full) NULL on error.
 */
BlockBackend *coroutine_fn block_create_co_open(BlockCreate *c,
                                                const json_t *opts,
                                                Error **errp);
void coroutine_fn block_create_co_close(BlockCreate *c, BlockBackend *blk);

/* -- making ---------------------------------------------------------------- */

/**
 * block_create_new:
 * @driver: "qcow2"
 * @opts: (in) properties, without "driver"; borrowed
 * @keyval: leaves are text, and names may be those of `-o`
 * @ctx: where the work runs
 *
 * Check the options and open the files that they name.
 *
 * Returns: (transfer full) object_unref() it; NULL.
 * Errors: no such driver, or it cannot create; properties; files.
 */
BlockCreate *block_create_new(const char *driver, const json_t *opts,
                              bool keyval, AioContext *ctx, Error **errp);
/** block_create_co_run: do it. Thread: that of its context. */
bool coroutine_fn block_create_co_run(BlockCreate *c, BlockProgress *progress,
                                      Error **errp);
/** block_create: the whole of it, waiting. @progress may be NULL. */
bool block_create(const char *driver, const json_t *opts, bool keyval,
                  AioContext *ctx, BlockProgress *progress, Error **errp);

/**
 * BlockCreateImage: an image from nothing but a file name.
 * @filename: "disk.qcow2", "nbd://..."
 * @format: "qcow2"
 * @options: (nullable) of the format and its file, from `-o`: leaves are text
 * @size: (nullable) bytes; NULL: options, or the backing file's
 * @backing_file, @backing_format: (nullable) also in @options
 * @no_backing_check: the backing file need not be there (-u)
 */
typedef struct BlockCreateImage {
    const char *filename;
    const char *format;
    const json_t *options;
    const uint64_t *size;
    const char *backing_file;
    const char *backing_format;
    bool no_backing_check;
} BlockCreateImage;

/**
 * block_create_image:
 * @img: (in) what to make
 * @ret_options: (out, optional) what it was made from, as text for people:
 *               "cluster_size=65536 ..."; g_free()
 *
 * Make the file and the format in it: ferry-img create, and QMP commands that
 * make their target. A file that was made is removed again on failure; one
 * that was there before is not.
 */
bool block_create_image(const BlockCreateImage *img, AioContext *ctx,
                        BlockProgress *progress, char **ret_options,
                        Error **errp);

/** block_create_is_supported: is there a class for @driver? */
bool block_create_is_supported(const char *driver);
/**
 * block_create_help, block_amend_help:
 * @driver: a format
 * @protocol: (nullable) the driver of its file, whose options are shown too
 *
 * Returns: (transfer full) text for `-o help`; NULL.
 */
char *block_create_help(const char *driver, const char *protocol, Error **errp);
char *block_amend_help(const char *driver, Error **errp);

/* -- measuring ------------------------------------------------------------- */

/**
 * block_measure:
 * @driver: a format
 * @opts: (in) as for block_create_new() with @keyval; "file" may be left out
 * @in: (nullable) the image to copy
 * @ret_required, @ret_fully: (out) see BlockCreateClass.co_measure
 */
bool block_measure(const char *driver, const json_t *opts, BlockBackend *in,
                   AioContext *ctx, uint64_t *ret_required, uint64_t *ret_fully,
                   Error **errp);

/* -- amending -------------------------------------------------------------- */

/** block_amend_new, block_amend_co_run, block_amend: as for creation; @blk is
 *  referenced and must be writable. */
BlockAmend *block_amend_new(BlockBackend *blk, const char *driver,
                            const json_t *opts, bool keyval, bool force,
                            Error **errp);
bool coroutine_fn block_amend_co_run(BlockAmend *amend, BlockProgress *progress,
                                     Error **errp);
bool block_amend(BlockBackend *blk, const char *driver, const json_t *opts,
                 bool keyval, bool force, BlockProgress *progress,
                 Error **errp);

/* -- schema ---------------------------------------------------------------- */

/** block_create_fill_open_union, block_amend_fill_open_union: branches of
 *  BlockdevCreateOptions and BlockdevAmendOptions. */
void block_create_fill_open_union(QapiOpenUnion *u);
void block_amend_fill_open_union(QapiOpenUnion *u);

#endif
