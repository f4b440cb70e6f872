/*
 * What all disks of a guest have in common: the drive behind them, block
 * sizes, error policy, and the properties for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_BLOCK_BLOCK_CONF_H
#define HW_BLOCK_BLOCK_CONF_H

#include "block/block-backend.h"
#include "hw/qdev-core.h"
#include "qapi/qapi-types-common.h"

/* Limits of block sizes, in bytes. */
#define BLOCK_SIZE_MIN 512u
#define BLOCK_SIZE_MAX (2u * 1024 * 1024)

typedef struct BlockConf {
    BlockBackend *blk; /* set by the property "drive", attached; or NULL */
    uint32_t physical_block_size;
    uint32_t logical_block_size;
    uint32_t min_io_size;
    uint32_t opt_io_size;
    uint32_t discard_granularity; /* UINT32_MAX: not given */
    int32_t bootindex;            /* -1: none */
    int wce;                      /* OnOffAuto */
    bool share_rw;
    int rerror; /* BlockdevOnError */
    int werror;
} BlockConf;

/* Geometry, for guests that ask for it. */
typedef struct BlockGeometry {
    uint32_t cylinders;
    uint8_t heads;
    uint8_t sectors;
} BlockGeometry;

/**
 * block_conf_realize:
 * @dev: owner of @conf
 * @removable: may be without a medium, may be read-only
 *
 * Check the sizes, tell the drive what @dev does with it, set its policies.
 *
 * Errors: no drive; sizes; read-only medium in a disk that is not removable
 *   is fine (the guest is told), an image in use is not.
 */
bool block_conf_realize(BlockConf *conf, DeviceState *dev, bool removable,
                        Error **errp);
/** block_conf_release: give the drive back; for instance_finalize. */
void block_conf_release(BlockConf *conf, DeviceState *dev);
/** block_conf_geometry: what a BIOS of old would say of a disk of @bytes. */
BlockGeometry block_conf_geometry(int64_t bytes);

/* For the table below. */
ObjectPropertyAccessor block_conf_drive_get;
ObjectPropertyAccessor block_conf_drive_set;
PropertyCheck block_conf_check_size;

#define BLOCK_CONF_SIZE_PROP(name_, Type_, field_, help_)                      \
    {                                                                          \
        .name = name_, .kind = PROP_UINT32, .offset = offsetof(Type_, field_), \
        .def = "0", .check = block_conf_check_size, .unit = "bytes",           \
        .help = help_, .since = "0.1"                                          \
    }

/* Lines of a property table: a BlockConf at @conf_ of @Type_. */
#define BLOCK_CONF_PROPS(Type_, conf_)                                         \
    { .name = "drive",                                                         \
      .kind = PROP_CUSTOM,                                                     \
      .offset = offsetof(Type_, conf_.blk),                                    \
      .qapi_type = "str",                                                      \
      .get = block_conf_drive_get,                                             \
      .set = block_conf_drive_set,                                             \
      .help = "id of a -drive, or a node-name",                                \
      .since = "0.1" },                                                        \
        BLOCK_CONF_SIZE_PROP("logical_block_size", Type_,                      \
                             conf_.logical_block_size,                         \
                             "smallest unit of access; 0 = 512"),              \
        BLOCK_CONF_SIZE_PROP("physical_block_size", Type_,                     \
                             conf_.physical_block_size,                        \
                             "unit that the disk likes; 0 = the host's"),      \
        BLOCK_CONF_SIZE_PROP("min_io_size", Type_, conf_.min_io_size,          \
                             "best smallest request; 0 = not said"),           \
        BLOCK_CONF_SIZE_PROP("opt_io_size", Type_, conf_.opt_io_size,          \
                             "best request; 0 = not said"),                    \
        { .name = "discard_granularity",                                       \
          .kind = PROP_UINT32,                                                 \
          .offset = offsetof(Type_, conf_.discard_granularity),                \
          .def = "4294967295",                                                 \
          .unit = "bytes",                                                     \
          .help = "unit of discards",                                          \
          .since = "0.1" },                                                    \
        { .name = "bootindex",                                                 \
          .kind = PROP_INT32,                                                  \
          .offset = offsetof(Type_, conf_.bootindex),                          \
          .def = "-1",                                                         \
          .help = "place in the firmware's boot order; -1 = none",             \
          .since = "0.1" },                                                    \
        { .name = "write-cache",                                               \
          .kind = PROP_ENUM,                                                   \
          .offset = offsetof(Type_, conf_.wce),                                \
          .qapi_type = "OnOffAuto",                                            \
          .lookup = &OnOffAuto_lookup,                                         \
          .def = "auto",                                                       \
          .help = "the guest sees a write cache; auto = as the drive says",    \
          .since = "0.1" },                                                    \
        { .name = "share-rw",                                                  \
          .kind = PROP_BOOL,                                                   \
          .offset = offsetof(Type_, conf_.share_rw),                           \
          .def = "off",                                                        \
          .help = "others may write to the image at the same time",            \
          .since = "0.1" },                                                    \
        { .name = "rerror",                                                    \
          .kind = PROP_ENUM,                                                   \
          .offset = offsetof(Type_, conf_.rerror),                             \
          .qapi_type = "BlockdevOnError",                                      \
          .lookup = &BlockdevOnError_lookup,                                   \
          .def = "auto",                                                       \
          .help = "what to do about an error of a read",                       \
          .since = "0.1" },                                                    \
    {                                                                          \
        .name = "werror", .kind = PROP_ENUM,                                   \
        .offset = offsetof(Type_, conf_.werror),                               \
        .qapi_type = "BlockdevOnError", .lookup = &BlockdevOnError_lookup,     \
        .def = "auto", .help = "what to do about an error of a write",         \
        .since = "0.1"                                                         \
    }

#endif
