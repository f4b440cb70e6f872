/*
 * The qcow2 driver's own structures.
 *
 * Two domains, each with its CoMutex:
 *  - mapping (lock): L1, cached slices of L2 tables, ranges being changed.
 *    A look-up in cached slices takes only the spin lock, so that reads and
 *    writes in place never wait for an allocation;
 *  - space (ref_lock): refcount table and blocks, where the next free cluster
 *    is. Held while it reads refcount blocks.
 * Data is never read or written with either held. Order of locks:
 * commit_lock or table_lock, then one of lock and ref_lock (never both), then
 * header_lock; spin and gate_lock are leaves.
 *
 * What changes the mapping of a range of the disk locks that range
 * (qcow_range_lock()) until the new mapping is in the tables. Requests pass
 * through a gate (qcow_enter()), whose two counters tell when all that were
 * inside at some moment have left: only then a freed cluster is used again.
 *
 * How metadata are ordered on disk stands in qcow2/commit.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_QCOW2_INTERNAL_H
#define BLOCK_QCOW2_INTERNAL_H

#include "block/blkdebug.h"
#include "block/block-internal.h"
#include "block/block-node.h"
#include "block/format/crypt-io.h"
#include "block/qcow2/wire.h"
#include "crypto/block.h"

#define TYPE_BLOCK_QCOW2 TYPE_BLOCK_NODE "-qcow2"
OBJECT_DECLARE_SIMPLE_TYPE(BlockQcow2, BLOCK_QCOW2)

/* Cache sizes, bytes. */
#define QCOW_L2_CACHE_MAX         (32u * 1024 * 1024) /* unless the user says */
#define QCOW_CACHE_MIN_TABLES     4
#define QCOW_CACHE_MAX_BYTES      (UINT64_C(1) << 34)
#define QCOW_SLICE_BYTES          4096
#define QCOW_REFCOUNT_CACHE_BYTES (256u * 1024)
/* Freed clusters that may wait for a flush before we make one. */
#define QCOW_DROPPED_MAX_BYTES (UINT64_C(256) * 1024 * 1024)
/* The file grows by at least, at most. */
#define QCOW_GROW_MIN_BYTES (1024 * 1024)
#define QCOW_GROW_MAX_BYTES (64 * 1024 * 1024)

typedef struct BlockQcow2 BlockQcow2;

/* -- cache of tables (qcow2/cache.c) -------------------------------------------- */

typedef struct QcowTable QcowTable;
struct QcowTable {
    uint64_t offset; /* in the file; 0: holds nothing */
    uint8_t *data;   /* as on disk */
    QcowTable *hash_next;
    uint32_t dirty_from; /* bytes of @data to write; from == to: clean */
    uint32_t dirty_to;
    bool loading; /* @data is not there yet */
    bool writing; /* a copy of @data is on its way to disk */
    bool used;    /* since the clock's hand came by */
    bool idle;    /* not used since the last cleaning */
    QLIST_ENTRY(QcowTable) dirty;
};

typedef struct QcowCache {
    uint32_t table_bytes;
    uint32_t count;
    QcowTable *tables;
    QcowTable **buckets;
    uint32_t bucket_mask;
    unsigned table_bits;
    uint32_t hand;
    QemuSpin *spin; /* guards hash and @data against readers without lock */
    QLIST_HEAD(, QcowTable) dirty;
} QcowCache;

bool qcow_cache_init(QcowCache *c, uint32_t table_bytes, uint64_t bytes,
                     QemuSpin *spin, Error **errp);
void qcow_cache_deinit(QcowCache *c);
/** qcow_cache_find: or NULL. The domain's lock or the spin lock is held. */
QcowTable *qcow_cache_find(QcowCache *c, uint64_t offset);
/** qcow_cache_take: a table that holds nothing, for qcow_cache_insert(); NULL:
 *  all are dirty or busy. @offset is entered, as loading. */
QcowTable *qcow_cache_take(QcowCache *c, uint64_t offset);
/** qcow_cache_loaded: what qcow_cache_take() gave is filled, or not (@ok). */
void qcow_cache_loaded(QcowCache *c, QcowTable *t, bool ok);
void qcow_cache_mark(QcowCache *c, QcowTable *t, uint32_t from, uint32_t bytes);
void qcow_cache_clean(QcowCache *c, QcowTable *t);
/** qcow_cache_forget: tables in a range that nobody refers to any more.
 *  Returns: false if one of them is in use or dirty, as only tables are that
 *  somebody does refer to: the image is corrupt. */
bool qcow_cache_forget(QcowCache *c, uint64_t offset, uint64_t bytes);
/** qcow_cache_forget_all: the gate is closed, so that no table is in use. */
void qcow_cache_forget_all(QcowCache *c);
/** qcow_cache_trim: give back memory of tables unused since the last call. */
void qcow_cache_trim(QcowCache *c);

/* -- state ------------------------------------------------------------------------ */

/* What a piece of the disk is. */
typedef enum QcowKind {
    QCOW_UNALLOCATED,       /* the backing file shows through */
    QCOW_UNALLOCATED_ALLOC, /* the same, but there is a cluster for it */
    QCOW_ZERO,
    QCOW_ZERO_ALLOC, /* reads as zeroes, and there is a cluster for it */
    QCOW_NORMAL,
    QCOW_COMPRESSED,
    QCOW_INVALID,
} QcowKind;

typedef struct QcowMap {
    QcowKind kind;
    bool copied;    /* the cluster is only ours: may be written in place */
    int64_t bytes;  /* that are so, with consecutive host offsets */
    uint64_t host;  /* of the first byte, if there is a cluster for it */
    uint64_t entry; /* QCOW_COMPRESSED, QCOW_INVALID */
} QcowMap;

/* Guest clusters whose mapping somebody is changing. */
typedef struct QcowRange {
    uint64_t first;
    uint64_t end;
    CoQueue waiters;
    QLIST_ENTRY(QcowRange) next;
} QcowRange;

/* Why clusters are given back: says whether the discard is passed on. */
typedef enum QcowDiscard {
    QCOW_DISCARD_NEVER,
    QCOW_DISCARD_REQUEST,
    QCOW_DISCARD_SNAPSHOT,
    QCOW_DISCARD_OTHER,
    QCOW_DISCARD__MAX,
} QcowDiscard;

/* Host clusters that lost one reference. */
typedef struct QcowDrop {
    uint64_t first; /* cluster */
    uint64_t count;
    QcowDiscard why;
} QcowDrop;

/* Kinds of metadata, for checks of overlap. */
typedef enum QcowMeta {
    QCOW_META_HEADER = 1 << 0,
    QCOW_META_ACTIVE_L1 = 1 << 1,
    QCOW_META_ACTIVE_L2 = 1 << 2,
    QCOW_META_REFBLOCK = 1 << 3,
    QCOW_META_REFTABLE = 1 << 4,
    QCOW_META_SNAPSHOTS = 1 << 5,
    QCOW_META_INACTIVE_L1 = 1 << 6,
    QCOW_META_INACTIVE_L2 = 1 << 7,
    QCOW_META_BITMAPS = 1 << 8,
    QCOW_META_CACHED = 0x17f,
    QCOW_META_ALL = 0x1ff,
} QcowMeta;

/* Where freed clusters are on their way, in this order. */
typedef struct QcowFrees {
    GArray *dropped; /* QcowDrop; the mapping on disk still has them */
    GArray *written; /* not any more, after a flush */
    GArray *stable;  /* flushed; requests from before may still use them */
    GArray *waiting; /* requests from before are those in epoch @epoch */
    unsigned epoch;
    uint64_t pending; /* clusters in all of them; atomic */
    bool reclaiming;
} QcowFrees;

struct BlockQcow2 {
    BlockNode parent_obj;

    /* properties */
    json_t *file_ref;
    json_t *backing_ref;
    json_t *data_file_ref;
    json_t *encrypt_ref;
    json_t *overlap_ref;
    bool lazy_refcounts;
    bool lazy_refcounts_set;
    bool pass_discard_request;
    bool pass_discard_request_set;
    bool pass_discard_snapshot;
    bool pass_discard_other;
    bool cache_size_set;
    bool l2_cache_size_set;
    bool refcount_cache_size_set;
    uint64_t cache_size;
    uint64_t l2_cache_size;
    uint64_t l2_entry_size;
    uint64_t refcount_cache_size;
    uint64_t cache_clean_interval; /* seconds */

    NodeLink file;
    NodeLink backing;
    NodeLink data_file;
    BlockNode *data; /* borrowed: of data_file, else of file */

    /* geometry, set by open */
    unsigned cluster_bits;
    uint32_t cluster_bytes;
    bool ext_l2;
    unsigned l2_entry_bytes;
    unsigned l2_bits; /* of an index in an L2 table */
    uint32_t slice_bytes;
    unsigned slice_bits;    /* of an index in a slice */
    unsigned sub_bits;      /* log2 of a subcluster's bytes */
    unsigned refblock_bits; /* of an index in a refcount block */
    bool raw_data;          /* data-file-raw */
    bool lazy;              /* refcounts are written at close */
    unsigned overlap_check; /* QcowMeta */
    bool discard_passthrough[QCOW_DISCARD__MAX];

    QcowHeader header; /* header_lock for what changes */
    CoMutex header_lock;
    uint8_t *undo; /* (owned) header_lock; atomic: what the header was before a
                    * change that failed; NULL: the disk has what we have */
    uint64_t undo_offset;
    size_t undo_len;

    /* mapping */
    CoMutex lock;
    QemuSpin spin; /* guards l1, l1_size, metadata; l2 against readers */
    uint64_t *l1;
    uint32_t l1_size;
    uint64_t l1_offset;
    uint32_t l1_dirty_from;
    uint32_t l1_dirty_to;
    QcowCache l2;
    CoQueue load_queue; /* a slice was loaded */
    QLIST_HEAD(, QcowRange) ranges;
    CoMutex table_lock;   /* one new L2 table at a time */
    GHashTable *metadata; /* clusters of L2 tables and refcount blocks */

    /* space */
    CoMutex ref_lock;
    uint64_t *reftable;
    uint32_t reftable_size; /* entries */
    uint32_t reftable_dirty_from;
    uint32_t reftable_dirty_to;
    QcowCache refs;
    uint64_t free_hint;     /* no cluster before it is free */
    uint64_t fresh_start;   /* the file is zero from this offset on */
    uint64_t packed_offset; /* room for compressed data in a cluster; or 0 */

    CoMutex commit_lock;
    QcowFrees frees; /* lock */

    unsigned epoch; /* atomic: bit 0 epoch, bit 1 gate closed */
    unsigned in_flight[2];
    CoMutex gate_lock;
    CoQueue gate_queue;  /* the gate opened */
    CoQueue empty_queue; /* nobody is inside */

    bool broken;        /* corruption was found: no more writes; atomic */
    bool signaled;      /* and reported */
    bool loaded;        /* the tables are there; atomic */
    bool active;        /* owns the image: may write metadata */
    bool hides_backing; /* preallocation: there is a backing file, not open */
    QEMUTimer *clean_timer;

    QcowSnapshot *snapshots; /* gate closed, or main loop */
    uint64_t snapshots_bytes;

    QcowBitmap *bitmaps; /* as the directory has them */

    QCryptoBlock *crypt;
    CryptIO crypt_io;

    QemuMutex unpack_lock; /* guards the last cluster that was expanded */
    uint64_t unpack_entry;
    uint8_t *unpack_data;
};

static inline bool qcow_has_data_file(const BlockQcow2 *s)
{
    /* The dirty bit beside it may change. */
    return qatomic_read(&s->header.incompatible) & QCOW_INCOMPAT_DATA_FILE;
}

static inline uint64_t qcow_cluster_start(const BlockQcow2 *s, uint64_t offset)
{
    return offset & ~(uint64_t)(s->cluster_bytes - 1);
}

static inline uint32_t qcow_in_cluster(const BlockQcow2 *s, uint64_t offset)
{
    return (uint32_t)offset & (s->cluster_bytes - 1);
}

static inline uint64_t qcow_clusters(const BlockQcow2 *s, uint64_t bytes)
{
    return (bytes + s->cluster_bytes - 1) >> s->cluster_bits;
}

/** qcow_l1_entries: L1 entries that a disk of @bytes needs. */
static inline uint64_t qcow_l1_entries(const BlockQcow2 *s, uint64_t bytes)
{
    unsigned shift = s->cluster_bits + s->l2_bits;

    return (bytes + (UINT64_C(1) << shift) - 1) >> shift;
}

/** qcow_vmstate_offset: where the machine's states are on the disk. */
static inline uint64_t qcow_vmstate_offset(const BlockQcow2 *s)
{
    return qcow_l1_entries(s, s->header.size) << (s->cluster_bits + s->l2_bits);
}

/** qcow_event: for fault injection: this is about to be done. */
static inline void qcow_event(BlockQcow2 *s, BlkdebugEvent event)
{
    blkdebug_event(s->file.node, event);
}

/* -- gate (qcow2/gate.c) -------------------------------------------------------------- */

/** qcow_enter: Returns: what qcow_leave() wants. */
unsigned coroutine_fn qcow_enter(BlockQcow2 *s);
void coroutine_fn qcow_leave(BlockQcow2 *s, unsigned ticket);
/** qcow_close_gate: wait until nobody is inside, and let nobody in. */
void coroutine_fn qcow_close_gate(BlockQcow2 *s);
void coroutine_fn qcow_open_gate(BlockQcow2 *s);
/** qcow_range_lock: @lock is held, and given back while waiting. */
void coroutine_fn qcow_range_lock(BlockQcow2 *s, QcowRange *r, uint64_t first,
                                  uint64_t end);
void coroutine_fn qcow_range_unlock(BlockQcow2 *s, QcowRange *r);

/* -- files (qcow2/file.c) --------------------------------------------------------------- */

/** qcow_file_read: beyond the end of the file there are zeroes. */
int coroutine_fn qcow_file_read(BlockNode *node, uint64_t offset, void *buf,
                                uint64_t bytes);
int coroutine_fn qcow_file_readv(BlockNode *node, uint64_t offset,
                                 uint64_t bytes, QEMUIOVector *qiov,
                                 size_t qiov_offset);
/** qcow_meta_write: @what: QcowMeta that may be at this place. */
int coroutine_fn qcow_meta_write(BlockQcow2 *s, unsigned what, uint64_t offset,
                                 const void *buf, uint64_t bytes);
/** qcow_file_reach: the file has at least @end bytes. ref_lock is held. */
int coroutine_fn qcow_file_reach(BlockQcow2 *s, uint64_t end);
/** qcow_flush_files: what was written is stable, data file too. */
int coroutine_fn qcow_flush_files(BlockQcow2 *s);
/** qcow_file_trim: cut off what is behind the last used cluster. */
void coroutine_fn qcow_file_trim(BlockQcow2 *s);

/* -- header (qcow2/header.c) -------------------------------------------------------------- */

/** qcow_header_set_l1, _set_reftable, _set_snapshots, _set_size: change these
 *  fields alone, on stable storage when they return. */
int coroutine_fn qcow_header_set_l1(BlockQcow2 *s, uint64_t offset,
                                    uint32_t entries, uint64_t disk_size);
int coroutine_fn qcow_header_set_reftable(BlockQcow2 *s, uint64_t offset,
                                          uint32_t clusters);
int coroutine_fn qcow_header_set_snapshots(BlockQcow2 *s, uint64_t offset,
                                           uint32_t count);
int coroutine_fn qcow_header_set_size(BlockQcow2 *s, uint64_t disk_size);
/** qcow_header_set_incompatible: feature bits. */
int coroutine_fn qcow_header_set_incompatible(BlockQcow2 *s, uint64_t set,
                                              uint64_t clear);
/** qcow_header_rewrite: all of it, after @s->header was changed. */
int coroutine_fn qcow_header_rewrite(BlockQcow2 *s, Error **errp);
/** qcow_may_write: 0; -errno: nothing may be written into the image now. */
int coroutine_fn qcow_may_write(BlockQcow2 *s);
/** qcow_mark_dirty: refcounts on disk will be behind (lazy refcounts). */
int coroutine_fn qcow_mark_dirty(BlockQcow2 *s);

/* -- overlap and corruption (qcow2/overlap.c) ------------------------------------------------ */

bool qcow_overlap_parse(BlockQcow2 *s, Error **errp);
bool qcow_overlap_load(BlockQcow2 *s, Error **errp);
/** qcow_overlaps: Returns: a kind of metadata in the range, but those in
 *  @ignore; 0: none. Takes the spin lock. */
unsigned qcow_overlaps(BlockQcow2 *s, unsigned ignore, uint64_t offset,
                       uint64_t bytes);
/** qcow_overlap_refuse: Returns: -EIO, after it marked the image as corrupt,
 *  if the range overlaps metadata, else 0. */
int coroutine_fn qcow_overlap_refuse(BlockQcow2 *s, unsigned ignore,
                                     uint64_t offset, uint64_t bytes);
void qcow_metadata_add(BlockQcow2 *s, uint64_t offset, unsigned kind);
/** qcow_metadata_remove_table: an L1 entry names this L2 table no more. */
void qcow_metadata_remove_table(BlockQcow2 *s, uint64_t offset);
/**
 * qcow_corrupt:
 * @fatal: mark the image and write no more; else the request fails only
 * @offset, @bytes: where; -1: no place
 *
 * Returns: -EIO.
 */
int coroutine_fn qcow_corrupt(BlockQcow2 *s, bool fatal, int64_t offset,
                              int64_t bytes, const char *fmt, ...)
    G_GNUC_PRINTF(5, 6);

/* -- refcounts (qcow2/refcount.c, qcow2/reftable.c) -------------------------------------------- */

/** qcow_ref_get: of one cluster; takes ref_lock. */
int coroutine_fn qcow_ref_get(BlockQcow2 *s, uint64_t cluster, uint64_t *ret);
/** qcow_ref_change: add @addend to @count clusters; takes ref_lock.
 *  Returns: -ERANGE if one would leave its range: nothing changed then. */
int coroutine_fn qcow_ref_change(BlockQcow2 *s, uint64_t first, uint64_t count,
                                 int addend);
/** qcow_ref_set: set one refcount, for repairs; takes ref_lock. */
int coroutine_fn qcow_ref_set(BlockQcow2 *s, uint64_t cluster, uint64_t value);
/** qcow_refblock: (ref_lock) the block for @cluster; *@t is NULL if there is
 *  none and @create is false. */
int coroutine_fn qcow_refblock(BlockQcow2 *s, uint64_t cluster, bool create,
                               QcowTable **t);
/** qcow_refblock_take: (ref_lock) room in the cache for a new block. */
int coroutine_fn qcow_refblock_take(BlockQcow2 *s, uint64_t offset,
                                    QcowTable **t);
/** qcow_refblock_create: (ref_lock) a block for range @index, in its own
 *  first cluster. */
int coroutine_fn qcow_refblock_create(BlockQcow2 *s, uint64_t index,
                                      QcowTable **t);
/** qcow_reftable_cover: (ref_lock) refcount blocks for clusters from @first
 *  on, without using any of the first @count of them. */
int coroutine_fn qcow_reftable_cover(BlockQcow2 *s, uint64_t first,
                                     uint64_t count);
/** qcow_reftable_grow: (ref_lock) room for at least @index. */
int coroutine_fn qcow_reftable_grow(BlockQcow2 *s, uint64_t index);

/* -- allocation (qcow2/space.c) ------------------------------------------------------------------ */

typedef struct QcowSpace {
    uint64_t offset;
    uint64_t count; /* clusters */
    bool fresh;     /* known to be zero in the file */
} QcowSpace;

/** qcow_space_alloc: up to @count clusters in a row, best from host offset
 *  @goal on (0: anywhere). Takes ref_lock. */
int coroutine_fn qcow_space_alloc(BlockQcow2 *s, uint64_t goal, uint64_t count,
                                  QcowSpace *ret);
/** qcow_space_alloc_exact: exactly @count in a row. */
int coroutine_fn qcow_space_alloc_exact(BlockQcow2 *s, uint64_t count,
                                        uint64_t *ret_offset);
/** qcow_space_alloc_at: Returns: clusters from @offset on that were free and
 *  are ours now, up to @count; -errno. */
int64_t coroutine_fn qcow_space_alloc_at(BlockQcow2 *s, uint64_t offset,
                                         uint64_t count);
/** qcow_space_alloc_bytes: room for compressed data. */
int coroutine_fn qcow_space_alloc_bytes(BlockQcow2 *s, uint32_t bytes,
                                        uint64_t *ret_offset);
/** qcow_space_free: clusters that no table on disk ever referred to. */
void coroutine_fn qcow_space_free(BlockQcow2 *s, uint64_t offset,
                                  uint64_t bytes);

/* -- commit (qcow2/commit.c, qcow2/frees.c) -------------------------------------------------------- */

/** qcow_commit: write out what is dirty in memory, in order.
 *  @durable: and flush; else the caller does. */
int coroutine_fn qcow_commit(BlockQcow2 *s, bool durable);
/** qcow_commit_all: the same, freed clusters and lazy refcounts too. The gate
 *  is closed or nobody inside. */
int coroutine_fn qcow_commit_all(BlockQcow2 *s);
void qcow_frees_init(QcowFrees *f);
void qcow_frees_deinit(QcowFrees *f);
/** qcow_drop: (lock) the mapping in memory has lost clusters. */
void qcow_drop(BlockQcow2 *s, uint64_t offset, uint64_t bytes, QcowDiscard why);
/** qcow_drop_entry: (lock) what an L2 entry refers to. */
void qcow_drop_entry(BlockQcow2 *s, uint64_t entry, QcowDiscard why);
/** qcow_reclaim: use clusters again for which nothing speaks against it. */
int coroutine_fn qcow_reclaim(BlockQcow2 *s);
/** qcow_frees_pressure: so many wait that a flush is due. */
bool qcow_frees_pressure(BlockQcow2 *s);

/* -- mapping (qcow2/l2.c, qcow2/table.c) --------------------------------------------------------------- */

/** qcow_map_cached: Returns: false if the slice is not in memory. */
bool qcow_map_cached(BlockQcow2 *s, uint64_t offset, int64_t bytes,
                     QcowMap *map);
/** qcow_map: the same, reading the slice if need be; no lock is held. */
int coroutine_fn qcow_map(BlockQcow2 *s, uint64_t offset, int64_t bytes,
                          QcowMap *map);
/** qcow_slice_get: (lock, given back while it waits) the slice for a place on
 *  the disk; *@t is NULL if there is no L2 table. */
int coroutine_fn qcow_slice_get(BlockQcow2 *s, uint64_t offset, QcowTable **t,
                                unsigned *index);
/** qcow_slice_writable: (lock, given back) with a table of our own. */
int coroutine_fn qcow_slice_writable(BlockQcow2 *s, uint64_t offset,
                                     QcowTable **t, unsigned *index);
/** qcow_l1_grow: at least @entries. */
int coroutine_fn qcow_l1_grow(BlockQcow2 *s, uint64_t entries, Error **errp);
void qcow_l1_mark(BlockQcow2 *s, uint32_t index);

static inline uint64_t qcow_entry(const BlockQcow2 *s, const QcowTable *t,
                                  unsigned index)
{
    return ldq_be_p(t->data + (size_t)index * s->l2_entry_bytes);
}

/** qcow_entry_bits: of subclusters: low half allocated, high half zero. */
static inline uint64_t qcow_entry_bits(const BlockQcow2 *s, const QcowTable *t,
                                       unsigned index)
{
    return s->ext_l2 ? ldq_be_p(t->data + (size_t)index * 16 + 8) : 0;
}

/** qcow_entry_set: (lock) @bits are ignored without subclusters. */
void qcow_entry_set(BlockQcow2 *s, QcowTable *t, unsigned index, uint64_t entry,
                    uint64_t bits);
/** qcow_entry_kind: of a whole cluster without subclusters. */
QcowKind qcow_entry_kind(const BlockQcow2 *s, uint64_t entry);
/** qcow_entry_has_host: a cluster of its own, not compressed. */
bool qcow_entry_has_host(const BlockQcow2 *s, uint64_t entry);

/* -- data ------------------------------------------------------------------------------------------------ */

int coroutine_fn qcow_co_preadv(BlockNode *node, int64_t offset, int64_t bytes,
                                QEMUIOVector *qiov, size_t qiov_offset,
                                BlkRequestFlags flags);
/** qcow_read: inside the gate; beyond the disk's end too. */
int coroutine_fn qcow_read(BlockQcow2 *s, uint64_t offset, int64_t bytes,
                           QEMUIOVector *qiov, size_t qiov_offset);
/** qcow_reads_zero: does the backing file show zeroes there for sure, without
 *  a look at a disk? */
bool qcow_backing_is_zero(BlockQcow2 *s, uint64_t offset, int64_t bytes);
int coroutine_fn qcow_co_pwritev(BlockNode *node, int64_t offset, int64_t bytes,
                                 QEMUIOVector *qiov, size_t qiov_offset,
                                 BlkRequestFlags flags);
int coroutine_fn qcow_write(BlockQcow2 *s, uint64_t offset, int64_t bytes,
                            QEMUIOVector *qiov, size_t qiov_offset);
int coroutine_fn qcow_co_pwritev_compressed(BlockNode *node, int64_t offset,
                                            int64_t bytes, QEMUIOVector *qiov,
                                            size_t qiov_offset);
/** qcow_read_compressed: @bytes from @skip bytes into the cluster. */
int coroutine_fn qcow_read_compressed(BlockQcow2 *s, uint64_t entry,
                                      uint32_t skip, uint32_t bytes,
                                      QEMUIOVector *qiov, size_t qiov_offset);
/** qcow_pack, qcow_unpack: pure. qcow_pack: bytes, or -ENOMEM if it would not
 *  get shorter. */
ssize_t qcow_pack(QcowCompression type, void *dst, size_t dst_bytes,
                  const void *src, size_t src_bytes);
int qcow_unpack(QcowCompression type, void *dst, size_t dst_bytes,
                const void *src, size_t src_bytes);
/** qcow_can_compress: is @type built in? */
bool qcow_can_compress(QcowCompression type);

int coroutine_fn qcow_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                       int64_t bytes, BlkRequestFlags flags);
int coroutine_fn qcow_co_pdiscard(BlockNode *node, int64_t offset,
                                  int64_t bytes);
/* What qcow_remap() makes of clusters. */
typedef enum QcowRemap {
    QCOW_REMAP_ZERO,       /* reads as zeroes; keep the cluster if it is ours */
    QCOW_REMAP_ZERO_UNMAP, /* reads as zeroes; give the cluster back */
    QCOW_REMAP_DISCARD,    /* give it back; must not show the backing file */
    QCOW_REMAP_FORGET,     /* as if never written */
} QcowRemap;
/** qcow_remap: whole clusters, or subclusters for QCOW_REMAP_ZERO*. Inside the
 *  gate, or with it closed. */
int coroutine_fn qcow_remap(BlockQcow2 *s, uint64_t offset, uint64_t bytes,
                            QcowRemap how, QcowDiscard why);

int coroutine_fn qcow_co_block_status(BlockNode *node, unsigned want,
                                      int64_t offset, int64_t bytes,
                                      int64_t *pnum, int64_t *map,
                                      BlockNode **file);
int coroutine_fn qcow_co_flush(BlockNode *node);

/* -- the image as a whole ---------------------------------------------------------------------------------- */

bool qcow_open(BlockNode *node, Error **errp);
void qcow_close(BlockNode *node);
bool qcow_reopen_prepare(BlockNode *node, const json_t *opts, void **state,
                         Error **errp);
void qcow_reopen_commit(BlockNode *node, void *state);
void qcow_reopen_abort(BlockNode *node, void *state);
int coroutine_fn qcow_co_inactivate(BlockNode *node, Error **errp);
int coroutine_fn qcow_co_activate(BlockNode *node, Error **errp);
int coroutine_fn qcow_co_make_empty(BlockNode *node, Error **errp);
int coroutine_fn qcow_co_change_backing(BlockNode *node, const char *file,
                                        const char *format, Error **errp);
/** qcow_load: read header and tables. */
int coroutine_fn qcow_load(BlockQcow2 *s, Error **errp);
void qcow_unload(BlockQcow2 *s);
/** qcow_take_over: after qcow_load() or later: begin to write; stored bitmaps
 *  are to be marked then. */
int coroutine_fn qcow_take_over(BlockQcow2 *s, Error **errp);
/** qcow_write_out: everything on disk, closed cleanly. */
int coroutine_fn qcow_write_out(BlockQcow2 *s, Error **errp);

int coroutine_fn qcow_co_truncate(BlockNode *node, int64_t bytes, bool exact,
                                  PreallocMode prealloc, BlkRequestFlags flags,
                                  Error **errp);
/** qcow_preallocate: clusters for a range of the disk. */
int coroutine_fn qcow_preallocate(BlockQcow2 *s, uint64_t from, uint64_t to,
                                  PreallocMode mode, Error **errp);

/* -- walking trees of tables: snapshots, check, amend (qcow2/tree.c); gate closed ------------------------------ */

/** qcow_is_in_file: is table @what, of @bytes at @offset, in the file? What is
 *  not would read as zeroes, and the disk as empty. True for a check. */
bool qcow_is_in_file(BlockQcow2 *s, const char *what, uint64_t offset,
                     uint64_t bytes, Error **errp);
/** qcow_read_l1: (transfer full) an L1 table in host order; NULL: @errp. */
uint64_t *coroutine_fn qcow_read_l1(BlockQcow2 *s, uint64_t offset,
                                    uint32_t entries, Error **errp);
int coroutine_fn qcow_write_l1(BlockQcow2 *s, uint64_t offset,
                               const uint64_t *l1, uint32_t entries);
/** qcow_tree_refs: add @addend to the refcounts of all that an L1 table refers
 *  to. On failure what was done is undone. */
int coroutine_fn qcow_tree_refs(BlockQcow2 *s, const uint64_t *l1,
                                uint32_t entries, int addend, Error **errp);
/** qcow_tree_drop: all that an L1 table refers to lost that reference. */
int coroutine_fn qcow_tree_drop(BlockQcow2 *s, const uint64_t *l1,
                                uint32_t entries);
/** qcow_tree_copied: make "copied" flags of the active tree as the refcounts
 *  are; @clear: take all away. */
int coroutine_fn qcow_tree_copied(BlockQcow2 *s, bool clear, Error **errp);

bool coroutine_fn qcow_snapshots_load(BlockQcow2 *s, Error **errp);
/** qcow_snapshots_complete: write the table anew, with all that version 3
 *  wants to know of each: the size of its disk above all. Gate closed. */
int coroutine_fn qcow_snapshots_complete(BlockQcow2 *s, Error **errp);
int coroutine_fn qcow_co_snapshot_create(BlockNode *node, SnapshotInfo *info,
                                         Error **errp);
int coroutine_fn qcow_co_snapshot_goto(BlockNode *node, const char *id,
                                       Error **errp);
int coroutine_fn qcow_co_snapshot_delete(BlockNode *node, const char *id,
                                         const char *name, Error **errp);
SnapshotInfoList *qcow_snapshot_list(BlockNode *node, Error **errp);
int coroutine_fn qcow_co_snapshot_load_tmp(BlockNode *node, const char *id,
                                           const char *name, Error **errp);
/** qcow_forget_vmstate: the first @bytes of a state: its clusters are not the
 *  disk's any more. */
int coroutine_fn qcow_forget_vmstate(BlockQcow2 *s, uint64_t bytes);
int coroutine_fn qcow_co_save_vmstate(BlockNode *node, QEMUIOVector *qiov,
                                      int64_t pos);
int coroutine_fn qcow_co_forget_vmstate(BlockNode *node);
int coroutine_fn qcow_co_load_vmstate(BlockNode *node, QEMUIOVector *qiov,
                                      int64_t pos);

int coroutine_fn qcow_co_check(BlockNode *node, unsigned fix,
                               const NodeFindings *findings, ImageCheck *result,
                               Error **errp);
/** qcow_check_and_fix: after an unclean shutdown; gate closed. */
int coroutine_fn qcow_check_and_fix(BlockQcow2 *s, Error **errp);
/** qcow_rebuild_refcounts: new refcount structures of @order; gate closed,
 *  everything written out. */
int coroutine_fn qcow_rebuild_refcounts(BlockQcow2 *s, unsigned order,
                                        Error **errp);

bool coroutine_fn qcow_bitmaps_load(BlockQcow2 *s, Error **errp);
/** qcow_bitmaps_begin: the disk will be written: mark them as in use. */
int coroutine_fn qcow_bitmaps_begin(BlockQcow2 *s, Error **errp);
/** qcow_bitmaps_make: bitmaps of the node from what is stored; then, if the
 *  disk may be written, qcow_bitmaps_begin(). Errors: none is made. */
bool coroutine_fn qcow_bitmaps_make(BlockQcow2 *s, Error **errp);
void qcow_bitmaps_set_read_only(BlockQcow2 *s, bool read_only);
/** qcow_bitmaps_may_resize: may the disk have @bytes? What is stored must be
 *  possible to load. */
bool qcow_bitmaps_may_resize(BlockQcow2 *s, int64_t bytes, Error **errp);
/** qcow_bitmaps_store: all persistent ones of the node; gate closed. */
int coroutine_fn qcow_bitmaps_store(BlockQcow2 *s, Error **errp);
/** qcow_bitmaps_forget: another process may change the stored ones: they are
 *  made anew when the image is ours again. */
void qcow_bitmaps_forget(BlockQcow2 *s);
bool coroutine_fn qcow_co_can_store_bitmap(BlockNode *node, const char *name,
                                           uint32_t granularity, Error **errp);
int coroutine_fn qcow_co_remove_bitmap(BlockNode *node, const char *name,
                                       Error **errp);
/** qcow_bitmap_info: (transfer full) for people. */
Qcow2BitmapInfoList *qcow_bitmap_info(BlockQcow2 *s);

bool qcow_crypt_open(BlockQcow2 *s, Error **errp);
void qcow_crypt_close(BlockQcow2 *s);
/** qcow_crypt_offset: that the initialisation vector is made from. */
static inline uint64_t qcow_crypt_offset(const BlockQcow2 *s, uint64_t guest,
                                         uint64_t host)
{
    return s->header.crypt_method == QCOW_CRYPT_LUKS ? host : guest;
}

#endif
