/*
 * BlockBackend, inside this folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_BACKEND_INTERNAL_H
#define BLOCK_BACKEND_INTERNAL_H

#include "block/block-internal.h"
#include "block/drive.h"
#include "block/filter/throttle-group.h"

#define TYPE_BLOCK_BACKEND "block-backend"

typedef struct BlockBackendClass {
    ObjectClass parent_class;
} BlockBackendClass;

DECLARE_OBJ_CHECKERS(BlockBackend, BlockBackendClass, BLOCK_BACKEND,
                     TYPE_BLOCK_BACKEND)

typedef enum BlkOp {
    BLK_OP_READ,
    BLK_OP_WRITE,
    BLK_OP_FLUSH,
    BLK_OP_DISCARD,
    BLK_OP_ZEROES,
    BLK_OP_MAX,
} BlkOp;

typedef struct BlkHistogram BlkHistogram;

/* Changed and read anywhere: atomic. */
typedef struct BlkStats {
    uint64_t bytes[BLK_OP_MAX];
    uint64_t done[BLK_OP_MAX];
    uint64_t failed[BLK_OP_MAX];
    uint64_t time_ns[BLK_OP_MAX];
    uint64_t invalid[BLK_OP_MAX];
    uint64_t highest_offset;
    int64_t last_access_ns; /* 0: none */
    bool skip_invalid; /* requests that fail are no access and take no time */
    bool skip_failed;
    BlkHistogram *histogram[BLK_OP_MAX]; /* or NULL; changed while drained */
} BlkStats;

struct BlockBackend {
    Object parent_obj;

    unsigned refs;
    char *name; /* "" without one */
    char *serial;
    AioContext *ctx; /* changed while quiesced */

    NodeLink root; /* the medium; its node changes while quiesced */
    unsigned perm; /* of node_link_*(), while has_perm */
    unsigned shared;
    bool has_perm; /* blk_set_perm() was called */
    bool inactive; /* the image is another process's (backend-active.c) */

    void *dev;
    const BlockDevOps *ops;
    void *ops_opaque;

    bool write_cache;
    BlockdevOnError on_read_error;
    BlockdevOnError on_write_error;
    BlockDeviceIoStatus iostatus;

    DriveInfo *drive; /* of -drive, owned; or NULL */

    unsigned in_flight; /* and NODE_WATCHED; atomic */
    unsigned quiesced;  /* reasons to hold requests back; atomic */
    bool no_queuing;    /* its user holds back by himself */
    QemuMutex lock;     /* guards held, and root.node against who only asks */
    CoQueue held;       /* requests that wait until not quiesced */
    BlkStats stats;
    ThrottleGroupMember throttle; /* joins and leaves while quiesced */
};

/** block_backends_root: where they are in the object tree. */
Object *block_backends_root(void);
/** blk_current_perm: what @blk does with its medium, and shares. */
void blk_current_perm(BlockBackend *blk, unsigned *perm, unsigned *shared);
/** blk_apply_perm: tell @blk's node, if there is one. */
bool blk_apply_perm(BlockBackend *blk, Error **errp);

/** blk_quiesce, blk_unquiesce: hold new requests back; nests. Thread: main
 *  loop. */
void blk_quiesce(BlockBackend *blk);
void blk_unquiesce(BlockBackend *blk);

/** blk_node_name: (transfer full, nullable) of the medium. Thread: any. */
char *blk_node_name(BlockBackend *blk);

/** blk_medium: the node; of a request between blk_enter() and _leave(), or in
 *  the main loop. */
static inline BlockNode *blk_medium(BlockBackend *blk)
{
    return qatomic_load_acquire(&blk->root.node);
}

/* backend-stats.c */
void blk_account(BlockBackend *blk, BlkOp op, int64_t offset, uint64_t bytes,
                 int64_t start_ns, int ret);
/** blk_account_invalid: a request that no disk could serve. */
void blk_account_invalid(BlockBackend *blk, BlkOp op);
void blk_stats_clear(BlkStats *s);
/** blk_set_histograms: limits for each kind of request, or NULL. */
bool blk_set_histograms(BlockBackend *blk, const char *id,
                        const uint64List *const lists[BLK_OP_MAX],
                        Error **errp);
BlockDeviceStats *blk_stats_info(const BlkStats *s);

/* backend-throttle.c */

/** blk_set_io_limits: those of the group, which @blk joins; none: it leaves.
 *  Thread: main loop. */
bool blk_set_io_limits(BlockBackend *blk, const ThrottleConfig *cfg,
                       const char *group, Error **errp);
/** blk_show_io_limits: for query-block. */
void blk_show_io_limits(BlockBackend *blk, BlockDeviceInfo *info);

/* block-query.c */

/** blk_qdev_id: (transfer full) id of the guest's device, or its path. */
char *blk_qdev_id(BlockBackend *blk);
/** blk_find: by name of a block device or by id of a guest's device; exactly
 *  one is given. */
BlockBackend *blk_find(const char *device, const char *id, Error **errp);

/** blk_iostatus_is_kept: may an error of @blk stop the machine? */
bool blk_iostatus_is_kept(BlockBackend *blk);
/** drive_info_free: accepts NULL. */
void drive_info_free(DriveInfo *d);

static inline void blk_inc_in_flight(BlockBackend *blk)
{
    qatomic_fetch_inc(&blk->in_flight);
}
void blk_dec_in_flight(BlockBackend *blk);
/* A request begins: what is below stays there until blk_dec_in_flight(). Waits
 * while the backend is drained, so that no request of the same backend may begin
 * inside. */
void coroutine_fn blk_enter(BlockBackend *blk);
static inline unsigned blk_in_flight(BlockBackend *blk)
{
    return qatomic_mb_read(&blk->in_flight) & ~NODE_WATCHED;
}

#endif
