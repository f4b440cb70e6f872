/*
 * The virtio block device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_BLOCK_VIRTIO_BLK_H
#define HW_BLOCK_VIRTIO_BLK_H

#include "hw/block/block-conf.h"
#include "hw/virtio/virtio.h"
#include "util/iov.h"
#include "util/queue.h"

/* `num-queues` not given: one for each vCPU. */
#define VIRTIO_BLK_QUEUES_AUTO UINT16_MAX
#define VIRTIO_BLK_ID_BYTES    20

typedef struct VirtIOBlkReq VirtIOBlkReq;

typedef struct VirtIOBlkConf {
    BlockConf block;
    char *serial;
    Object *iothread; /* IOThread that runs the requests; NULL: main loop */
    bool config_wce;
    bool scsi;
    bool request_merging;
    uint16_t num_queues;
    uint16_t queue_size;
    bool seg_max_adjust;
    bool discard;
    bool report_discard_granularity;
    bool write_zeroes;
    uint32_t max_discard_sectors;
    uint32_t max_write_zeroes_sectors;
} VirtIOBlkConf;

/* Guarded by the machine lock. */
typedef struct VirtIOBlk {
    VirtIODevice vdev;

    VirtIOBlkConf conf;
    bool original_wce;
    bool saved_wce;             /* only while a state is saved, loaded */
    uint32_t discard_alignment; /* sectors */
    QSIMPLEQ_HEAD(, VirtIOBlkReq) failed; /* wait for the machine to run on */
    QEMUBH *notify_bh;
    unsigned long *notify; /* bitmap of queues to tell of */

    /* With an iothread: requests that ended there, on their way back to the
     * rings, which are the main loop's. Pushed without a lock. */
    QSLIST_HEAD(, VirtIOBlkReq) ended;
    QEMUBH *ended_bh;
} VirtIOBlk;

/** virtio_blk_realize: @s->conf is set; @default_queues for `num-queues` not
 *  given. */
bool virtio_blk_realize(VirtIOBlk *s, DeviceState *owner, GuestMemory *memory,
                        AioContext *ctx, unsigned default_queues, Error **errp);
void virtio_blk_unrealize(VirtIOBlk *s);

/* virtio-blk-req.c */
struct VirtIOBlkReq {
    VirtQueueElement elem;
    VirtIOBlk *dev;
    VirtQueue *vq;
    bool parsed; /* false: it came with a migration */
    uint32_t type;
    uint64_t sector;
    size_t in_len; /* with the status byte */
    uint8_t *status;
    QEMUIOVector qiov;
    struct iovec *iov;   /* data, inside elem's arrays */
    IOVDiscardUndo undo; /* what taking the header off changed there */
    unsigned niov;
    int64_t zero_bytes;
    unsigned zero_flags;
    int ret; /* of one that has ended */
    QSIMPLEQ_ENTRY(VirtIOBlkReq) next;
    QSLIST_ENTRY(VirtIOBlkReq) next_ended;
};

/** virtio_blk_handle_request: take over @req, which was just popped. Returns:
 *  false if it is malformed: the device is broken now. */
bool virtio_blk_handle_request(VirtIOBlk *s, VirtIOBlkReq *req);
/** virtio_blk_submit: start, or start again, a request that was parsed. */
void virtio_blk_submit(VirtIOBlkReq *req);
/** virtio_blk_take_ended: bottom half: complete what ended in an iothread. */
void virtio_blk_take_ended(void *opaque);
extern const VMStateDescription vmstate_virtio_blk; /* of VirtIOBlk */

/** virtio_blk_req_drop: forget a request without completing it. */
void virtio_blk_req_drop(VirtIOBlkReq *req);
/** virtio_blk_req_notify: tell of completed requests of @vq, soon. */
void virtio_blk_req_notify(VirtIOBlk *s, VirtQueue *vq);

#endif
