/*
 * The virtio block device: one request, from the ring and back.
 *
 *   out: le32 type; le32 reserved; le64 sector; data of a write
 *   in:  data of a read; u8 status
 *
 * Where one buffer ends and the next begins has no meaning.
 *
 * Source: VIRTIO 1.2, 5.2.6.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/block/virtio-blk.h"
#include "hw/machine-lock.h"
#include "trace/trace-hw.h"
#include "util/bswap.h"

enum {
    BLK_T_IN = 0,
    BLK_T_OUT = 1,
    BLK_T_SCSI_CMD = 2,
    BLK_T_FLUSH = 4,
    BLK_T_GET_ID = 8,
    BLK_T_DISCARD = 11,
    BLK_T_WRITE_ZEROES = 13,
};
/* Old drivers' mark for "after everything before", long without meaning. */
#define BLK_T_BARRIER 0x80000000u

enum {
    BLK_S_OK = 0,
    BLK_S_IOERR = 1,
    BLK_S_UNSUPP = 2,
};

#define HEADER_BYTES 16u
#define RANGE_BYTES  16u
#define RANGE_UNMAP  1u /* flag of a write zeroes request */

/* -- completion -------------------------------------------------------------------- */

/* Back to the ring (or, after a reset, not), with @len bytes written. */
static void give_back(VirtIOBlkReq *req, bool push)
{
    VirtQueueElement *e = &req->elem;

    if (req->status) {
        e->in_sg[e->in_num - 1].iov_len++;
    }
    if (push) {
        virtqueue_push(req->vq, e, req->in_len);
        virtio_blk_req_notify(req->dev, req->vq);
    } else {
        virtqueue_detach_element(req->vq, e, req->in_len);
    }
    g_free(req);
}

void virtio_blk_req_drop(VirtIOBlkReq *req)
{
    give_back(req, false);
}

static void complete(VirtIOBlkReq *req, uint8_t status)
{
    trace_virtio_blk_complete(req, status);
    *req->status = status;
    give_back(req, true);
}

static bool is_read(const VirtIOBlkReq *req)
{
    return req->type == BLK_T_IN;
}

static void handle_error(VirtIOBlkReq *req, int error)
{
    VirtIOBlk *s = req->dev;
    BlockBackend *blk = s->conf.block.blk;
    bool read = is_read(req);
    BlockErrorAction action = blk_get_error_action(blk, read, error);

    trace_virtio_blk_error(req, error);
    if (action == BLOCK_ERROR_ACTION_STOP) {
        QSIMPLEQ_INSERT_TAIL(&s->failed, req, next);
    } else if (action == BLOCK_ERROR_ACTION_IGNORE) {
        complete(req, BLK_S_OK);
    } else {
        complete(req, BLK_S_IOERR);
    }
    blk_error_action(blk, action, read, error);
}

static void request_ended(VirtIOBlkReq *req, int ret)
{
    VirtIODevice *vdev = &req->dev->vdev;

    if (!virtqueue_element_is_current(req->vq, &req->elem)) {
        give_back(req, false); /* the driver has reset the device meanwhile */
    } else if (ret < 0) {
        handle_error(req, -ret);
    } else {
        complete(req, BLK_S_OK);
    }
    virtio_dma_end(vdev);
}

static void submitted_done(void *opaque, int ret)
{
    VirtIOBlkReq *req = opaque;
    VirtIOBlk *s = req->dev;

    if (s->ended_bh) {
        /* An iothread's: it never waits for the machine lock, whose holder may
         * wait for it. */
        req->ret = ret;
        QSLIST_INSERT_HEAD_ATOMIC(&s->ended, req, next_ended);
        qemu_bh_schedule(s->ended_bh);
        return;
    }
    MACHINE_LOCK_GUARD();
    request_ended(req, ret);
}

void virtio_blk_take_ended(void *opaque)
{
    VirtIOBlk *s = opaque;
    QSLIST_HEAD(, VirtIOBlkReq) list, turned = QSLIST_HEAD_INITIALIZER(turned);
    VirtIOBlkReq *req;

    MACHINE_LOCK_GUARD();
    QSLIST_MOVE_ATOMIC(&list, &s->ended);
    while ((req = QSLIST_FIRST(&list))) {
        QSLIST_REMOVE_HEAD(&list, next_ended);
        QSLIST_INSERT_HEAD(&turned, req, next_ended);
    }
    while ((req = QSLIST_FIRST(&turned))) {
        QSLIST_REMOVE_HEAD(&turned, next_ended);
        request_ended(req, req->ret);
    }
}

/* -- submission -------------------------------------------------------------------------- */

void virtio_blk_submit(VirtIOBlkReq *req)
{
    VirtIOBlk *s = req->dev;
    BlockBackend *blk = s->conf.block.blk;
    int64_t offset = (int64_t)(req->sector << BLK_SECTOR_BITS);

    virtio_dma_begin(&s->vdev);
    switch (req->type) {
    case BLK_T_IN:
        blk_aio_preadv(blk, offset, &req->qiov, 0, submitted_done, req);
        break;
    case BLK_T_OUT:
        blk_aio_pwritev(blk, offset, &req->qiov, 0, submitted_done, req);
        break;
    case BLK_T_FLUSH:
        blk_aio_flush(blk, submitted_done, req);
        break;
    case BLK_T_DISCARD:
        blk_aio_pdiscard(blk, offset, req->zero_bytes, submitted_done, req);
        break;
    case BLK_T_WRITE_ZEROES:
        blk_aio_pwrite_zeroes(blk, offset, req->zero_bytes,
                              req->zero_flags & RANGE_UNMAP ? BLK_REQ_MAY_UNMAP
                                                            : 0,
                              submitted_done, req);
        break;
    default:
        g_assert_not_reached();
    }
}

static bool in_range(const VirtIOBlk *s, uint64_t sector, uint64_t bytes)
{
    int64_t length = blk_getlength(s->conf.block.blk);
    uint32_t block = s->conf.block.logical_block_size;
    uint64_t sectors = bytes >> BLK_SECTOR_BITS;
    uint64_t total = length < 0 ? 0 : (uint64_t)length >> BLK_SECTOR_BITS;

    return bytes % block == 0 && sector % (block >> BLK_SECTOR_BITS) == 0 &&
           sector <= total && sectors <= total - sector;
}

static void handle_rw(VirtIOBlkReq *req)
{
    VirtIOBlk *s = req->dev;
    uint64_t bytes = iov_size(req->iov, req->niov);

    if (bytes > BLK_REQUEST_MAX_BYTES || !in_range(s, req->sector, bytes) ||
        (req->type == BLK_T_OUT && !blk_is_writable(s->conf.block.blk))) {
        complete(req, BLK_S_IOERR);
        return;
    }
    qemu_iovec_init_external(&req->qiov, req->iov, (int)req->niov);
    virtio_blk_submit(req);
}

static void handle_get_id(VirtIOBlkReq *req)
{
    const VirtIOBlk *s = req->dev;
    const char *serial = s->conf.serial ? s->conf.serial : "";
    char id[VIRTIO_BLK_ID_BYTES] = "";

    /* No terminating zero when it is full. */
    memcpy(id, serial, MIN(strlen(serial), sizeof(id)));
    iov_from_buf(req->iov, req->niov, 0, id,
                 MIN(iov_size(req->iov, req->niov), sizeof(id)));
    complete(req, BLK_S_OK);
}

/* Discards and write zeroes: one range each. */
static void handle_range(VirtIOBlkReq *req)
{
    VirtIOBlk *s = req->dev;
    bool discard = req->type == BLK_T_DISCARD;
    uint32_t max = discard ? s->conf.max_discard_sectors
                           : s->conf.max_write_zeroes_sectors;
    uint8_t range[RANGE_BYTES];
    uint32_t sectors, flags;

    if (!(discard ? s->conf.discard : s->conf.write_zeroes)) {
        complete(req, BLK_S_UNSUPP);
        return;
    }
    if (iov_to_buf(req->iov, req->niov, 0, range, sizeof(range)) !=
            sizeof(range) ||
        iov_size(req->iov, req->niov) > sizeof(range) ||
        !blk_is_writable(s->conf.block.blk)) {
        complete(req, BLK_S_IOERR);
        return;
    }
    req->sector = ldq_le_p(range);
    sectors = ldl_le_p(range + 8);
    flags = ldl_le_p(range + 12);
    if ((flags & ~RANGE_UNMAP) || (discard && flags)) {
        complete(req, BLK_S_UNSUPP);
        return;
    }
    if (sectors > max ||
        !in_range(s, req->sector, (uint64_t)sectors << BLK_SECTOR_BITS)) {
        complete(req, BLK_S_IOERR);
        return;
    }
    req->zero_bytes = (int64_t)sectors << BLK_SECTOR_BITS;
    req->zero_flags = flags;
    virtio_blk_submit(req);
}

/* -- parsing ------------------------------------------------------------------------------- */

/* The last byte of the in buffers. It is no data: until the request goes
 * back it is off the list. */
static bool take_status(VirtIOBlkReq *req)
{
    VirtQueueElement *e = &req->elem;
    struct iovec *last;

    req->in_len = virtio_element_in_size(e);
    if (e->in_num == 0) {
        return false;
    }
    last = &e->in_sg[e->in_num - 1];
    last->iov_len--;
    req->status = (uint8_t *)last->iov_base + last->iov_len;
    return true;
}

/* The data: what is between header and status, on the side of @req's type. */
static void find_data(VirtIOBlkReq *req)
{
    VirtQueueElement *e = &req->elem;

    if (is_read(req) || req->type == BLK_T_GET_ID) {
        req->iov = e->in_sg;
        req->niov = e->in_num - !e->in_sg[e->in_num - 1].iov_len;
    } else {
        req->iov = e->out_sg;
        req->niov = e->out_num;
        iov_discard_front_undoable(&req->iov, &req->niov, HEADER_BYTES,
                                   &req->undo);
    }
}

bool virtio_blk_handle_request(VirtIOBlk *s, VirtIOBlkReq *req)
{
    uint8_t header[HEADER_BYTES];

    if (virtio_element_read(&req->elem, 0, header, sizeof(header)) !=
            sizeof(header) ||
        !take_status(req)) {
        virtio_error(&s->vdev, "request without a header or a status byte");
        give_back(req, false);
        return false;
    }
    req->type = ldl_le_p(header) & ~BLK_T_BARRIER;
    req->sector = ldq_le_p(header + 8);
    find_data(req);
    req->parsed = true;
    trace_virtio_blk_request(req, req->type, req->sector);
    switch (req->type) {
    case BLK_T_IN:
    case BLK_T_OUT:
        handle_rw(req);
        break;
    case BLK_T_FLUSH:
        virtio_blk_submit(req);
        break;
    case BLK_T_GET_ID:
        handle_get_id(req);
        break;
    case BLK_T_DISCARD:
    case BLK_T_WRITE_ZEROES:
        handle_range(req);
        break;
    default:
        complete(req, BLK_S_UNSUPP);
        break;
    }
    return true;
}
