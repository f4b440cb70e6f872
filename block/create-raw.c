/*
 * Creation of images without a format: the file gets its size.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "block/create-internal.h"
#include "block/create.h"
#include "qom/property.h"
#include "util/error.h"

#define TYPE_BLOCK_CREATE_RAW TYPE_BLOCK_CREATE "-raw"

OBJECT_DECLARE_SIMPLE_TYPE(BlockCreateRaw, BLOCK_CREATE_RAW)

struct BlockCreateRaw {
    BlockCreateFormat parent_obj;

    uint64_t size;
    int preallocation; /* PreallocMode */
};

static bool coroutine_fn create_raw_co_run(BlockCreate *c, Error **errp)
{
    BlockCreateRaw *raw = BLOCK_CREATE_RAW(c);
    BlockNode *file = block_create_file(c);
    int64_t size = (int64_t)ROUND_UP(raw->size, BLK_SECTOR_SIZE);
    Error *err = NULL;

    if (node_co_truncate(file, size, false, raw->preallocation, 0, &err) == 0) {
        return true;
    }
    /* What has a size of its own (a device, an export) may be big enough. */
    if (raw->preallocation == PREALLOC_MODE_OFF &&
        block_node_length(file) >= size) {
        error_free(err);
        return true;
    }
    error_propagate(errp, err);
    return false;
}

/* What has to be written, in the file system's usual blocks. */
static bool coroutine_fn create_raw_co_measure(BlockCreate *c, BlockNode *in,
                                               uint64_t *ret_required,
                                               uint64_t *ret_fully,
                                               Error **errp)
{
    *ret_required = ROUND_UP(BLOCK_CREATE_RAW(c)->size, BLK_SECTOR_SIZE);
    *ret_fully = *ret_required;
    return true;
}

static const Property create_raw_props[] = {
    { "size", PROP_SIZE, offsetof(BlockCreateRaw, size),
      .max = INT64_MAX - BLK_SECTOR_SIZE, .unit = "bytes",
      .help = "size of the image", .flags = PROP_F_REQUIRED, .since = "0.2" },
    { "preallocation", PROP_ENUM, offsetof(BlockCreateRaw, preallocation),
      .qapi_type = "PreallocMode", .lookup = &PreallocMode_lookup, .def = "off",
      .help = "off, falloc, or full: write zeroes", .since = "0.2" },
    {},
};

static void create_raw_class_init(ObjectClass *oc, void *data)
{
    BlockCreateClass *cc = BLOCK_CREATE_CLASS(oc);

    cc->driver = "raw";
    cc->help = "an image without a format";
    cc->co_run = create_raw_co_run;
    cc->co_measure = create_raw_co_measure;
}

extern const TypeInfo block_type_create_raw;
const TypeInfo block_type_create_raw = {
    .name = TYPE_BLOCK_CREATE_RAW,
    .parent = TYPE_BLOCK_CREATE_FORMAT,
    .instance_size = sizeof(BlockCreateRaw),
    .class_init = create_raw_class_init,
    .props = create_raw_props,
};
