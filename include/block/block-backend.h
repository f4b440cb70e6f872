/*
 * BlockBackend: a disk as a device sees it, over a node of the block layer.
 *
 * -drive makes one with a name; a device whose `drive` names a node gets one
 * of its own without a name. Requests are asynchronous: they start and end in
 * the backend's AioContext, and the completion function is called there, with
 * no lock held. A device therefore takes the machine lock in it.
 *
 * Offsets and lengths are bytes. A request must lie inside the disk and be a
 * multiple of blk_get_request_alignment() only if the disk is opened with
 * O_DIRECT and wants to avoid a copy; anything else is bounced.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_BLOCK_BACKEND_H
#define BLOCK_BLOCK_BACKEND_H

#include "qapi/qapi-types-block.h"
#include "util/aio.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/notify.h"

typedef struct BlockBackend BlockBackend;
typedef struct BlockNode BlockNode;

/* Longest request, so that a byte count always fits an int. */
#define BLK_REQUEST_MAX_BYTES (1024 * 1024 * 1024)
/* Longest disk: so that sums of offsets and lengths stay in range. */
#define BLK_LENGTH_MAX  (INT64_MAX - INT64_C(0x40000000) - 0xffffff)
#define BLK_SECTOR_SIZE 512
#define BLK_SECTOR_BITS 9

/* Flags of a request. */
typedef enum BlkRequestFlags {
    BLK_REQ_FUA = 1 << 0,         /* on stable storage when it completes */
    BLK_REQ_MAY_UNMAP = 1 << 1,   /* zeroes: may give the space back */
    BLK_REQ_NO_FALLBACK = 1 << 2, /* zeroes: fail rather than write them out */
    BLK_REQ_WRITE_COMPRESSED = 1 << 3, /* one cluster, compressed */
    BLK_REQ_SERIALISING = 1 << 4, /* no overlapping write at the same time */
    BLK_REQ_WRITE_UNCHANGED = 1 << 5, /* what can be read there already */
    BLK_REQ_ZERO_WRITE = 1 << 6,   /* truncate: what is new reads as zeroes */
    BLK_REQ_COPY_ON_READ = 1 << 7, /* read: what comes from below stays here */
    BLK_REQ_PREFETCH = 1 << 8,     /* with that: no buffer, no data wanted */
} BlkRequestFlags;

/* What a user of an image does with it, and lets others do. The bits are
 * those of the locks in the image file, which other programs know too. */
typedef enum NodePerm {
    NODE_PERM_CONSISTENT_READ = 1 << 0,
    NODE_PERM_WRITE = 1 << 1,
    NODE_PERM_WRITE_UNCHANGED = 1 << 2,
    NODE_PERM_RESIZE = 1 << 3,
    NODE_PERM_ALL = 15,
} NodePerm;

/**
 * BlockDevOps: how the block layer reaches the device. Each is optional and
 * is called in the main loop's thread without the machine lock.
 * @change_media: the medium was inserted (@load) or is taken out; the tray
 *        stays as it is
 * @set_tray: a command opens or closes the tray
 * @eject_request: the user asks the guest to let go of the medium
 * @is_tray_open, @is_medium_locked: for query-block and eject
 * @resize: blk_getlength() changed
 * @drained_begin, @drained_end: between them, start no new request
 */
typedef struct BlockDevOps {
    void (*change_media)(void *opaque, bool load);
    void (*set_tray)(void *opaque, bool open);
    void (*eject_request)(void *opaque, bool force);
    bool (*is_tray_open)(void *opaque);
    bool (*is_medium_locked)(void *opaque);
    void (*resize)(void *opaque);
    void (*drained_begin)(void *opaque);
    void (*drained_end)(void *opaque);
} BlockDevOps;

/* -- life ------------------------------------------------------------------ */

/**
 * blk_new:
 * @ctx: (in) where requests run; referenced
 *
 * Returns: (transfer full) a nameless backend without a medium.
 */
BlockBackend *blk_new(AioContext *ctx);
void blk_ref(BlockBackend *blk);
/** blk_unref: the last one waits for requests in flight. Accepts NULL.
 *  Thread: main loop. */
void blk_unref(BlockBackend *blk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BlockBackend, blk_unref)

/** blk_set_name: make it known to blk_by_name(). Errors: in use already. */
bool blk_set_name(BlockBackend *blk, const char *name, Error **errp);
/** blk_name: "" for a nameless one. Borrowed. */
const char *blk_name(const BlockBackend *blk);
/** blk_by_name: (transfer none) the backend of -drive id=@name, or NULL. */
BlockBackend *blk_by_name(const char *name);
/** blk_next: walk over all that exist, nameless ones too; NULL starts, NULL
 *  ends. */
BlockBackend *blk_next(BlockBackend *blk);

/** blk_insert: give @blk the medium @node; references it. Errors: there is
 *  one already; locks of the image file. */
bool blk_insert(BlockBackend *blk, BlockNode *node, Error **errp);
/** blk_remove: take the medium out, after requests in flight. */
void blk_remove(BlockBackend *blk);
/** blk_node: (transfer none) the medium or NULL. */
BlockNode *blk_node(BlockBackend *blk);

/**
 * blk_attach_dev:
 * @dev: the device, an Object; borrowed
 *
 * Returns: false if another device has it.
 */
bool blk_attach_dev(BlockBackend *blk, void *dev, Error **errp);
void blk_detach_dev(BlockBackend *blk, void *dev);
/** blk_get_attached_dev: or NULL. */
void *blk_get_attached_dev(BlockBackend *blk);
/** blk_set_dev_ops: NULL takes them away. */
void blk_set_dev_ops(BlockBackend *blk, const BlockDevOps *ops, void *opaque);

/**
 * blk_set_perm:
 * @write: the device writes to the medium
 * @share_write: others may write at the same time (share-rw=on)
 *
 * What the device does with the medium and lets others do. Without it
 * anybody may do anything, and the image is not locked.
 *
 * Errors: somebody else, perhaps another process, uses the image in a way
 *   that does not go together with this; read-only medium and @write.
 */
bool blk_set_perm(BlockBackend *blk, bool write, bool share_write,
                  Error **errp);

/** blk_set_node_perm: the same in bits of NodePerm, for jobs, exports and
 *  tools. */
bool blk_set_node_perm(BlockBackend *blk, unsigned perm, unsigned shared,
                       Error **errp);

/** blk_get_aio_context: borrowed. Thread: any. */
AioContext *blk_get_aio_context(BlockBackend *blk);
/** blk_set_aio_context: where blk_aio_*() run from now on. Waits for those in
 *  flight. Thread: main loop. */
bool blk_set_aio_context(BlockBackend *blk, AioContext *ctx, Error **errp);

/* -- what it is; thread: any ----------------------------------------------- */

/** blk_is_inserted: is there a medium? (and is it reachable) */
bool blk_is_inserted(BlockBackend *blk);
/** blk_is_writable: is there a medium that may be written? */
bool blk_is_writable(BlockBackend *blk);
/** blk_getlength: Returns: bytes; -ENOMEDIUM or another -errno. */
int64_t blk_getlength(BlockBackend *blk);
/** blk_get_request_alignment: see the head of this file; 1 to 4096. */
uint32_t blk_get_request_alignment(BlockBackend *blk);
/** blk_get_max_transfer: most bytes in one request. */
uint32_t blk_get_max_transfer(BlockBackend *blk);
/** blk_get_physical_block_size: of the host's storage; 512 if unknown. */
uint32_t blk_get_physical_block_size(BlockBackend *blk);

/** blk_enable_write_cache: false: each write ends on stable storage
 *  (writethrough). */
bool blk_enable_write_cache(BlockBackend *blk);
void blk_set_enable_write_cache(BlockBackend *blk, bool on);

/** blk_get_serial: (nullable) serial= of -drive. Borrowed. */
const char *blk_get_serial(BlockBackend *blk);
void blk_set_serial(BlockBackend *blk, const char *serial);

/* -- errors ---------------------------------------------------------------- */

void blk_set_on_error(BlockBackend *blk, BlockdevOnError on_read,
                      BlockdevOnError on_write);
BlockdevOnError blk_get_on_error(BlockBackend *blk, bool is_read);
/** blk_get_error_action: what rerror= and werror= say about @error (> 0). */
BlockErrorAction blk_get_error_action(BlockBackend *blk, bool is_read,
                                      int error);
/**
 * blk_error_action:
 * @action: from blk_get_error_action()
 *
 * Send BLOCK_IO_ERROR, note the error for query-block and, with
 * BLOCK_ERROR_ACTION_STOP, ask for a stop of the machine
 * (blk_set_stop_handler()). The device keeps the request and tries again when
 * the machine runs on.
 */
void blk_error_action(BlockBackend *blk, BlockErrorAction action, bool is_read,
                      int error);
/** blk_set_stop_handler: who stops the machine; set once by the program. */
void blk_set_stop_handler(void (*stop)(void *opaque), void *opaque);
/** blk_iostatus_reset: the machine runs on. */
void blk_iostatus_reset(BlockBackend *blk);

/* -- requests -------------------------------------------------------------- */

/**
 * blk_aio_preadv, blk_aio_pwritev:
 * @offset: first byte
 * @qiov: (in) buffers; borrowed until @cb
 * @cb: called once in the backend's context, with 0 or -errno; for a caller
 *      in that thread not before the call has returned
 *
 * Errors (to @cb): -ENOMEDIUM; -EROFS; -EIO outside the disk; the host's.
 * Thread: any. The machine lock may be held.
 * Returns: the request, for blk_aio_cancel_async(); valid until @cb.
 */
BlockAIOCB *blk_aio_preadv(BlockBackend *blk, int64_t offset,
                           QEMUIOVector *qiov, BlkRequestFlags flags,
                           BlockCompletionFunc *cb, void *opaque);
BlockAIOCB *blk_aio_pwritev(BlockBackend *blk, int64_t offset,
                            QEMUIOVector *qiov, BlkRequestFlags flags,
                            BlockCompletionFunc *cb, void *opaque);
/** blk_aio_flush: all writes completed before are on stable storage. */
BlockAIOCB *blk_aio_flush(BlockBackend *blk, BlockCompletionFunc *cb,
                          void *opaque);
/** blk_aio_pdiscard: a hint: contents may become undefined or zero. */
BlockAIOCB *blk_aio_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes,
                             BlockCompletionFunc *cb, void *opaque);
/** blk_aio_pwrite_zeroes: as a write of zeroes. */
BlockAIOCB *blk_aio_pwrite_zeroes(BlockBackend *blk, int64_t offset,
                                  int64_t bytes, BlkRequestFlags flags,
                                  BlockCompletionFunc *cb, void *opaque);
/** blk_aio_cancel_async: -ECANCELED to its @cb if it had not started. */
void blk_aio_cancel_async(BlockAIOCB *acb);

/*
 * The same for coroutines, in any context: 0 or -errno. They are held back
 * while the backend is drained.
 */
int coroutine_fn blk_co_preadv(BlockBackend *blk, int64_t offset,
                               QEMUIOVector *qiov, BlkRequestFlags flags);
int coroutine_fn blk_co_pwritev(BlockBackend *blk, int64_t offset,
                                QEMUIOVector *qiov, BlkRequestFlags flags);
/** blk_co_preadv_part, blk_co_pwritev_part: bytes of @qiov from @qiov_offset
 *  on. */
int coroutine_fn blk_co_preadv_part(BlockBackend *blk, int64_t offset,
                                    int64_t bytes, QEMUIOVector *qiov,
                                    size_t qiov_offset, BlkRequestFlags flags);
int coroutine_fn blk_co_pwritev_part(BlockBackend *blk, int64_t offset,
                                     int64_t bytes, QEMUIOVector *qiov,
                                     size_t qiov_offset, BlkRequestFlags flags);
/** blk_co_pread, blk_co_pwrite: one buffer. */
int coroutine_fn blk_co_pread(BlockBackend *blk, int64_t offset, int64_t bytes,
                              void *buf, BlkRequestFlags flags);
int coroutine_fn blk_co_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes,
                               const void *buf, BlkRequestFlags flags);
int coroutine_fn blk_co_flush(BlockBackend *blk);
int coroutine_fn blk_co_pdiscard(BlockBackend *blk, int64_t offset,
                                 int64_t bytes);
int coroutine_fn blk_co_pwrite_zeroes(BlockBackend *blk, int64_t offset,
                                      int64_t bytes, BlkRequestFlags flags);

/**
 * blk_co_block_status:
 * @want, @depth: of node_co_status_above() (block/node-status.h)
 *
 * Returns: NodeStatus of the whole chain; -errno.
 */
int coroutine_fn blk_co_block_status(BlockBackend *blk, unsigned want,
                                     int64_t offset, int64_t bytes,
                                     int64_t *pnum, int64_t *map,
                                     BlockNode **file, unsigned *depth);
/** blk_co_copy_range: -ENOTSUP: read and write instead. */
int coroutine_fn blk_co_copy_range(BlockBackend *src, int64_t src_offset,
                                   BlockBackend *dst, int64_t dst_offset,
                                   int64_t bytes, BlkRequestFlags flags);
int coroutine_fn blk_co_truncate(BlockBackend *blk, int64_t bytes, bool exact,
                                 PreallocMode prealloc, BlkRequestFlags flags,
                                 Error **errp);

/** blk_pread, blk_pwrite, blk_flush: the same, waiting. For start-up and
 *  tools. Thread: one that has an AioContext. */
int blk_pread(BlockBackend *blk, int64_t offset, int64_t bytes, void *buf);
int blk_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes,
               const void *buf, BlkRequestFlags flags);
int blk_flush(BlockBackend *blk);

/**
 * blk_drained_begin:
 * Wait for all requests in flight, and hold new ones back until
 * blk_drained_end(). Nests. Thread: main loop, outside of coroutines.
 */
void blk_drained_begin(BlockBackend *blk);
void blk_drained_end(BlockBackend *blk);
/** blk_set_disable_request_queuing: requests go on in drained sections: the
 *  user of @blk stops by himself. */
void blk_set_disable_request_queuing(BlockBackend *blk, bool disable);
/** blk_drain: wait for all requests in flight. Thread: main loop. */
void blk_drain(BlockBackend *blk);
/** blk_drain_all: of every backend. */
void blk_drain_all(void);

/** blk_begin_inactive: backends made from now on are inactive, until
 *  blk_activate_all(): a guest is about to arrive with a migration. Thread:
 *  main, before the first one is made. */
void blk_begin_inactive(void);
/** blk_begins_inactive: after blk_begin_inactive(). */
bool blk_begins_inactive(void);
/**
 * blk_inactivate_all:
 * The guest stands: write everything out and give up the locks of all images,
 * so that another process may use them.
 *
 * Thread: main loop.
 * Errors: a disk could not be written; then all are active.
 */
bool blk_inactivate_all(Error **errp);
/** blk_activate_all: take the images (back). Errors: somebody else has a lock
 *  on one; then those that were inactive are. Thread: main loop. */
bool blk_activate_all(Error **errp);

/** blk_activate: this one, and its nodes: an export or job needs it before the
 *  guest arrives. */
bool blk_activate(BlockBackend *blk, Error **errp);

/** blk_eject: the guest opened (@eject) or closed the tray. */
void blk_eject(BlockBackend *blk, bool eject);

/**
 * blk_truncate:
 * @bytes: new size of the medium
 *
 * Block_resize: the device is told. Thread: main loop.
 */
bool blk_truncate(BlockBackend *blk, int64_t bytes, Error **errp);

#endif
