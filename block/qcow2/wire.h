/*
 * The qcow2 format as bytes: header, header extensions, table entries,
 * snapshot table, bitmap directory. Pure functions; all numbers on disk are
 * big-endian. What an image says is hostile: whatever these functions accept
 * is within the limits below.
 *
 * Source: "Qcow2 Image File Format" (the format's interoperability text).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_QCOW2_WIRE_H
#define BLOCK_QCOW2_WIRE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/bswap.h"
#include "util/error.h"

#define QCOW_MAGIC 0x514649fbu /* "QFI\xfb" */

/* Lengths of the fixed header. */
#define QCOW_HEADER_V2_BYTES 72
#define QCOW_HEADER_V3_BYTES 104 /* shortest one of version 3 */
#define QCOW_HEADER_BYTES    112 /* as we write it */

/* Limits. */
#define QCOW_CLUSTER_BITS_MIN            9
#define QCOW_CLUSTER_BITS_MAX            21
#define QCOW_CLUSTER_BITS_EXT_MIN        14 /* with subclusters */
#define QCOW_REFCOUNT_ORDER_MAX          6
#define QCOW_L1_MAX_BYTES                (32u * 1024 * 1024)
#define QCOW_REFTABLE_MAX_BYTES          (8u * 1024 * 1024)
#define QCOW_HEADER_SECTOR               512 /* changes at once */
#define QCOW_BACKING_NAME_MAX            1023
#define QCOW_DATA_FILE_NAME_MAX          4095
#define QCOW_FORMAT_NAME_MAX             255
#define QCOW_SNAPSHOTS_MAX               65536u
#define QCOW_SNAPSHOT_EXTRA_MAX          1024
#define QCOW_SNAPSHOT_TABLE_MAX          (64u * 1024 * 1024)
#define QCOW_BITMAPS_MAX                 65535u
#define QCOW_BITMAP_DIR_MAX              (64u * 1024 * 1024)
#define QCOW_BITMAP_NAME_MAX             1023
#define QCOW_BITMAP_TABLE_MAX            (8u * 1024 * 1024)  /* entries */
#define QCOW_BITMAP_MAPS_MAX             (UINT64_C(1) << 30) /* bytes, of all */
#define QCOW_BITMAP_GRANULARITY_BITS_MIN 9
#define QCOW_BITMAP_GRANULARITY_BITS_MAX 31
#define QCOW_CRYPT_HEADER_MAX            (64u * 1024 * 1024)
#define QCOW_UNKNOWN_EXTENSIONS_MAX      64
/* Host offsets have 56 bits; a disk no more than that. */
#define QCOW_HOST_OFFSET_MAX ((UINT64_C(1) << 56) - 512)
#define QCOW_SIZE_MAX        (UINT64_C(1) << 56)

/* Subclusters of a cluster with extended L2 entries. */
#define QCOW_SUBCLUSTERS 32

#define QCOW_INCOMPAT_DIRTY       (UINT64_C(1) << 0)
#define QCOW_INCOMPAT_CORRUPT     (UINT64_C(1) << 1)
#define QCOW_INCOMPAT_DATA_FILE   (UINT64_C(1) << 2)
#define QCOW_INCOMPAT_COMPRESSION (UINT64_C(1) << 3)
#define QCOW_INCOMPAT_EXTL2       (UINT64_C(1) << 4)
#define QCOW_INCOMPAT_KNOWN       (UINT64_C(0x1f))

#define QCOW_COMPAT_LAZY_REFCOUNTS (UINT64_C(1) << 0)

#define QCOW_AUTOCLEAR_BITMAPS       (UINT64_C(1) << 0)
#define QCOW_AUTOCLEAR_DATA_FILE_RAW (UINT64_C(1) << 1)
#define QCOW_AUTOCLEAR_KNOWN         (UINT64_C(3))

typedef enum QcowCrypt {
    QCOW_CRYPT_NONE = 0,
    QCOW_CRYPT_AES = 1,
    QCOW_CRYPT_LUKS = 2,
} QcowCrypt;

typedef enum QcowCompression {
    QCOW_COMPRESSION_ZLIB = 0,
    QCOW_COMPRESSION_ZSTD = 1,
} QcowCompression;

/* Places in the header that are changed alone. */
#define QCOW_HEADER_OFS_SIZE      24
#define QCOW_HEADER_OFS_L1        36 /* l1_size be32, l1_table_offset be64 */
#define QCOW_HEADER_OFS_REFTABLE  48 /* offset be64, clusters be32 */
#define QCOW_HEADER_OFS_SNAPSHOTS 60 /* number be32, offset be64 */
#define QCOW_HEADER_OFS_INCOMPAT  72

/* An extension that we do not know is kept as it is. */
typedef struct QcowExtension {
    uint32_t type;
    uint32_t len;
    uint8_t *data;
} QcowExtension;

typedef struct QcowHeader {
    uint32_t version;
    uint32_t cluster_bits;
    uint64_t size; /* of the disk, bytes */
    uint32_t crypt_method;
    uint32_t l1_size; /* entries */
    uint64_t l1_offset;
    uint64_t reftable_offset;
    uint32_t reftable_clusters;
    uint32_t nb_snapshots;
    uint64_t snapshots_offset;
    uint64_t incompatible;
    uint64_t compatible;
    uint64_t autoclear;
    uint32_t refcount_order;
    uint32_t header_length;
    uint8_t compression;

    uint64_t backing_offset; /* as read; encoding chooses its own */
    uint32_t backing_len;
    char *backing_file; /* or NULL */

    char *backing_format;  /* or NULL */
    char *data_file;       /* or NULL */
    uint64_t crypt_offset; /* LUKS header; 0: none */
    uint64_t crypt_length;
    bool has_bitmaps;
    uint32_t nb_bitmaps;
    uint64_t bitmap_dir_size;
    uint64_t bitmap_dir_offset;
    char *feature_names; /* NULL, or text for an unknown incompatible bit */

    uint8_t *unknown_fields; /* of a longer header */
    uint32_t unknown_fields_len;
    QcowExtension *unknown;
    unsigned nb_unknown;
} QcowHeader;

/**
 * qcow_header_decode:
 * @h: (out) zeroed by the call; qcow_header_clear() it, also on failure
 * @buf: (in) the image's first @len bytes: at least QCOW_HEADER_BYTES if the
 *       file has them
 *
 * Decode the fixed part and check every number.
 *
 * Errors: not qcow2; version; any number over its limit; unknown incompatible
 *   features are not refused here (see qcow_header_check_features()).
 */
bool qcow_header_decode(QcowHeader *h, const uint8_t *buf, size_t len,
                        Error **errp);
/**
 * qcow_header_decode_extensions:
 * @buf: (in) the first cluster, or as much of it as there is
 *
 * Decode extensions and the backing file's name.
 */
bool qcow_header_decode_extensions(QcowHeader *h, const uint8_t *buf,
                                   size_t len, Error **errp);
/** qcow_header_check_features: Errors: features that we do not know, by
 *  name if the image has a table of names. */
bool qcow_header_check_features(const QcowHeader *h, Error **errp);
/**
 * qcow_header_encode:
 * @ret_len: (out) bytes, a multiple of 8, at most a cluster
 *
 * A header whose extensions fit in one sector is that sector alone, and at most
 * the backing file's name is elsewhere: where @h->backing_offset, which is at
 * or beyond @ret_len then, says, and not where it was before. It must be
 * written first.
 *
 * Returns: (transfer full) the beginning of the image.
 * Errors: it does not fit in a cluster.
 */
uint8_t *qcow_header_encode(QcowHeader *h, size_t *ret_len, Error **errp);
void qcow_header_clear(QcowHeader *h);

/* -- table entries -------------------------------------------------------------- */

#define QCOW_OFFSET_MASK     UINT64_C(0x00fffffffffffe00) /* L1, L2 */
#define QCOW_REFTABLE_MASK   UINT64_C(0xfffffffffffffe00)
#define QCOW_COPIED          (UINT64_C(1) << 63)
#define QCOW_COMPRESSED_BIT  (UINT64_C(1) << 62)
#define QCOW_ZERO_BIT        UINT64_C(1)
#define QCOW_L1_RESERVED     UINT64_C(0x7f000000000001ff)
#define QCOW_L2_RESERVED     UINT64_C(0x3f000000000001fe)
#define QCOW_BITMAP_RESERVED UINT64_C(0xff000000000001fe)

/* Where a compressed cluster's bytes are: from @offset to the end of the
 * @sectors-th 512-byte sector counted from the one that @offset is in. */
typedef struct QcowCompressed {
    uint64_t offset;
    uint32_t bytes; /* to the end of the last sector */
} QcowCompressed;

static inline QcowCompressed qcow_compressed_decode(uint64_t entry,
                                                    unsigned cluster_bits)
{
    unsigned shift = 62 - (cluster_bits - 8);
    uint64_t sectors = (entry & (QCOW_COMPRESSED_BIT - 1)) >> shift;
    QcowCompressed c = { .offset = entry & ((UINT64_C(1) << shift) - 1) };

    c.bytes = (uint32_t)((sectors + 1) * 512 - (c.offset & 511));
    return c;
}

/** qcow_compressed_encode: @bytes at @offset. */
static inline uint64_t qcow_compressed_encode(uint64_t offset, uint32_t bytes,
                                              unsigned cluster_bits)
{
    unsigned shift = 62 - (cluster_bits - 8);
    uint64_t sectors = (offset + bytes - 1) / 512 - offset / 512;

    return QCOW_COMPRESSED_BIT | sectors << shift | offset;
}

/** qcow_compressed_offset_max: host offsets that the entry can hold. */
static inline uint64_t qcow_compressed_offset_max(unsigned cluster_bits)
{
    return MIN((UINT64_C(1) << (62 - (cluster_bits - 8))) - 1,
               QCOW_HOST_OFFSET_MAX);
}

/** qcow_refcount_get, qcow_refcount_set: entry @i of a block of refcounts of
 *  1 << @order bits. Entries under 8 bits fill a byte from its low bits. */
uint64_t qcow_refcount_get(const void *block, unsigned order, uint64_t i);
void qcow_refcount_set(void *block, unsigned order, uint64_t i, uint64_t value);

static inline uint64_t qcow_refcount_max(unsigned order)
{
    return order == 6 ? UINT64_MAX : (UINT64_C(1) << (1u << order)) - 1;
}

/* -- snapshot table ---------------------------------------------------------------- */

typedef struct QcowSnapshot {
    uint64_t l1_offset;
    uint32_t l1_size;
    char *id;
    char *name;
    uint32_t date_sec;
    uint32_t date_nsec;
    uint64_t vm_clock_nsec;
    uint64_t vm_state_size;
    uint64_t disk_size; /* bytes */
    uint64_t icount;    /* UINT64_MAX: not known */
    uint8_t *extra;     /* what we do not know */
    uint32_t extra_len;
} QcowSnapshot;

/**
 * qcow_snapshots_decode:
 * @count: number of entries
 * @disk_size: for entries of version 2, which do not say
 * @ret_used: (out) bytes of the table
 *
 * Returns: (transfer full) array of @count entries; NULL on error, or when
 *   @buf ends before the table does (*@need_more is true then).
 */
QcowSnapshot *qcow_snapshots_decode(const uint8_t *buf, size_t len,
                                    uint32_t count, uint64_t disk_size,
                                    size_t *ret_used, bool *need_more,
                                    Error **errp);
/** qcow_snapshots_encode: Returns: (transfer full) the table. */
uint8_t *qcow_snapshots_encode(const QcowSnapshot *list, uint32_t count,
                               size_t *ret_len, Error **errp);
void qcow_snapshot_clear(QcowSnapshot *sn);
void qcow_snapshots_free(QcowSnapshot *list, uint32_t count);

/* -- bitmap directory ----------------------------------------------------------------- */

#define QCOW_BITMAP_IN_USE           (1u << 0)
#define QCOW_BITMAP_AUTO             (1u << 1)
#define QCOW_BITMAP_EXTRA_COMPATIBLE (1u << 2)
#define QCOW_BITMAP_FLAGS_RESERVED   0xfffffff8u
#define QCOW_BITMAP_TYPE_DIRTY       1

typedef struct QcowBitmap {
    uint64_t table_offset;
    uint32_t table_size; /* entries */
    uint32_t flags;
    uint8_t granularity_bits;
    bool was_in_use; /* when it was decoded */
    char *name;
} QcowBitmap;

/** qcow_bitmap_map_bytes: what a bitmap takes in memory. */
uint64_t qcow_bitmap_map_bytes(uint64_t disk_size, unsigned granularity_bits);
/** qcow_bitmaps_decode: Returns: (transfer full) array of @count entries. */
QcowBitmap *qcow_bitmaps_decode(const uint8_t *buf, size_t len, uint32_t count,
                                unsigned cluster_bits, uint64_t disk_size,
                                Error **errp);
uint8_t *qcow_bitmaps_encode(const QcowBitmap *list, uint32_t count,
                             size_t *ret_len, Error **errp);
void qcow_bitmaps_free(QcowBitmap *list, uint32_t count);

#endif
