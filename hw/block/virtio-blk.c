/*
 * The virtio block device: features, configuration, queues.
 *
 * Requests run asynchronously; completions of one round of the loop cause one
 * interrupt a queue, from a bottom half behind them.
 *
 * Source: VIRTIO 1.2, 5.2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/block/virtio-blk.h"

#include "hw/machine-lock.h"
#include "io/iothread.h"
#include "trace/trace-hw.h"
#include "util/bitmap.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/main-loop.h"

/* Feature bits, 5.2.3. */
enum {
    BLK_F_SEG_MAX = 2,
    BLK_F_GEOMETRY = 4,
    BLK_F_RO = 5,
    BLK_F_BLK_SIZE = 6,
    BLK_F_FLUSH = 9,
    BLK_F_TOPOLOGY = 10,
    BLK_F_CONFIG_WCE = 11,
    BLK_F_MQ = 12,
    BLK_F_DISCARD = 13,
    BLK_F_WRITE_ZEROES = 14,
};

/* Offsets in the configuration space, 5.2.4. */
enum {
    CFG_CAPACITY = 0,
    CFG_SEG_MAX = 12,
    CFG_CYLINDERS = 16,
    CFG_HEADS = 18,
    CFG_SECTORS = 19,
    CFG_BLK_SIZE = 20,
    CFG_PHYSICAL_EXP = 24,
    CFG_ALIGNMENT = 25,
    CFG_MIN_IO = 26,
    CFG_OPT_IO = 28,
    CFG_WRITEBACK = 32,
    CFG_NUM_QUEUES = 34,
    CFG_MAX_DISCARD = 36,
    CFG_MAX_DISCARD_SEG = 40,
    CFG_DISCARD_ALIGN = 44,
    CFG_MAX_ZEROES = 48,
    CFG_MAX_ZEROES_SEG = 52,
    CFG_ZEROES_UNMAP = 56,
    CFG_BYTES = 60,
};

/* Requests in one run of a handler: some are complete at once, and a guest can
 * make new ones as fast. */
#define BUDGET 1024u
/* Descriptors of a request that hold no data. */
#define NON_DATA_SEGS 2u

static VirtIOBlk *blk_of(VirtIODevice *vdev)
{
    return container_of(vdev, VirtIOBlk, vdev);
}

/* -- queues ---------------------------------------------------------------------- */

static void notify_now(VirtIOBlk *s)
{
    for (unsigned i = 0; i < s->vdev.n_vqs; i++) {
        if (test_and_clear_bit(i, s->notify)) {
            virtio_notify(&s->vdev, virtio_get_queue(&s->vdev, i));
        }
    }
}

static void notify_bh(void *opaque)
{
    MACHINE_LOCK_GUARD();
    notify_now(opaque);
}

void virtio_blk_req_notify(VirtIOBlk *s, VirtQueue *vq)
{
    set_bit(virtio_queue_index(vq), s->notify);
    qemu_bh_schedule(s->notify_bh);
}

static void handle_output(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBlk *s = blk_of(vdev);
    unsigned n = 0;
    VirtIOBlkReq *req;

    do {
        virtio_queue_set_notification(vq, false);
        while (n++ < BUDGET && (req = virtqueue_pop(vq, sizeof(*req)))) {
            req->dev = s;
            req->vq = vq;
            if (!virtio_blk_handle_request(s, req)) {
                return;
            }
        }
        virtio_queue_set_notification(vq, true);
    } while (n < BUDGET && !virtio_queue_empty(vq));
    if (n >= BUDGET) {
        virtio_queue_kick(vq); /* others have their turn first */
    }
}

/* -- configuration ------------------------------------------------------------------ */

static uint64_t get_features(VirtIODevice *vdev, uint64_t features)
{
    const VirtIOBlk *s = blk_of(vdev);
    const VirtIOBlkConf *c = &s->conf;

    features |= VIRTIO_FEATURE(BLK_F_SEG_MAX) | VIRTIO_FEATURE(BLK_F_GEOMETRY) |
                VIRTIO_FEATURE(BLK_F_TOPOLOGY) |
                VIRTIO_FEATURE(BLK_F_BLK_SIZE) | VIRTIO_FEATURE(BLK_F_FLUSH);
    features |= c->config_wce ? VIRTIO_FEATURE(BLK_F_CONFIG_WCE) : 0;
    features |= c->num_queues > 1 ? VIRTIO_FEATURE(BLK_F_MQ) : 0;
    features |= c->discard ? VIRTIO_FEATURE(BLK_F_DISCARD) : 0;
    features |= c->write_zeroes ? VIRTIO_FEATURE(BLK_F_WRITE_ZEROES) : 0;
    if (!blk_is_writable(c->block.blk)) {
        features |= VIRTIO_FEATURE(BLK_F_RO);
    }
    return features;
}

static void put_limits(const VirtIOBlk *s, uint8_t *cfg)
{
    const VirtIOBlkConf *c = &s->conf;

    stl_le_p(cfg + CFG_MAX_DISCARD, c->max_discard_sectors);
    stl_le_p(cfg + CFG_MAX_DISCARD_SEG, 1);
    stl_le_p(cfg + CFG_DISCARD_ALIGN, s->discard_alignment);
    stl_le_p(cfg + CFG_MAX_ZEROES, c->max_write_zeroes_sectors);
    stl_le_p(cfg + CFG_MAX_ZEROES_SEG, 1);
    cfg[CFG_ZEROES_UNMAP] = 1;
}

static void get_config(VirtIODevice *vdev, uint8_t *cfg)
{
    const VirtIOBlk *s = blk_of(vdev);
    const BlockConf *b = &s->conf.block;
    int64_t length = MAX(0, blk_getlength(b->blk));
    BlockGeometry geometry = block_conf_geometry(length);
    unsigned seg_max = s->conf.seg_max_adjust ? s->conf.queue_size : 128;

    stq_le_p(cfg + CFG_CAPACITY, (uint64_t)length >> BLK_SECTOR_BITS);
    stl_le_p(cfg + CFG_SEG_MAX, seg_max - NON_DATA_SEGS);
    stw_le_p(cfg + CFG_CYLINDERS, (uint16_t)geometry.cylinders);
    cfg[CFG_HEADS] = geometry.heads;
    cfg[CFG_SECTORS] = geometry.sectors;
    stl_le_p(cfg + CFG_BLK_SIZE, b->logical_block_size);
    cfg[CFG_PHYSICAL_EXP] =
        (uint8_t)ctz32(b->physical_block_size / b->logical_block_size);
    stw_le_p(cfg + CFG_MIN_IO,
             (uint16_t)(b->min_io_size / b->logical_block_size));
    stl_le_p(cfg + CFG_OPT_IO, b->opt_io_size / b->logical_block_size);
    cfg[CFG_WRITEBACK] = blk_enable_write_cache(b->blk);
    stw_le_p(cfg + CFG_NUM_QUEUES, s->conf.num_queues);
    put_limits(s, cfg);
}

static void set_config(VirtIODevice *vdev, const uint8_t *cfg)
{
    VirtIOBlk *s = blk_of(vdev);

    if (virtio_has_feature(vdev, BLK_F_CONFIG_WCE)) {
        blk_set_enable_write_cache(s->conf.block.blk, cfg[CFG_WRITEBACK] != 0);
    }
}

static void set_status(VirtIODevice *vdev, uint8_t old)
{
    VirtIOBlk *s = blk_of(vdev);

    if (!(vdev->status & VIRTIO_STATUS_DRIVER_OK) ||
        (old & VIRTIO_STATUS_DRIVER_OK) ||
        virtio_has_feature(vdev, BLK_F_CONFIG_WCE)) {
        return;
    }
    /* 5.2.5.2: a driver that cannot flush must not need to. */
    blk_set_enable_write_cache(s->conf.block.blk,
                               s->original_wce &&
                                   virtio_has_feature(vdev, BLK_F_FLUSH));
}

/* -- reset, stop, errors ---------------------------------------------------------------- */

static void drop_failed(VirtIOBlk *s)
{
    VirtIOBlkReq *req;

    while ((req = QSIMPLEQ_FIRST(&s->failed))) {
        QSIMPLEQ_REMOVE_HEAD(&s->failed, next);
        virtio_blk_req_drop(req);
    }
}

/* Until all requests are back in their rings. */
static void drain(VirtIOBlk *s)
{
    blk_drain(s->conf.block.blk);
    if (s->ended_bh) {
        virtio_blk_take_ended(s);
    }
}

static void reset(VirtIODevice *vdev)
{
    VirtIOBlk *s = blk_of(vdev);

    /* The driver's own reset goes on without waiting (virtio_dma_end());
     * that of the machine, or the end of the device, can wait. */
    if (vdev->dma_requests && qemu_in_main_thread()) {
        drain(s);
    }
    drop_failed(s);
    bitmap_zero(s->notify, MAX(1, vdev->n_vqs));
    blk_set_enable_write_cache(s->conf.block.blk, s->original_wce);
}

static void retry_failed(VirtIOBlk *s)
{
    QSIMPLEQ_HEAD(, VirtIOBlkReq) list = QSIMPLEQ_HEAD_INITIALIZER(list);
    VirtIOBlkReq *req;

    blk_iostatus_reset(s->conf.block.blk);
    QSIMPLEQ_CONCAT(&list, &s->failed);
    while ((req = QSIMPLEQ_FIRST(&list))) {
        QSIMPLEQ_REMOVE_HEAD(&list, next);
        if (req->parsed) {
            virtio_blk_submit(req);
        } else {
            virtio_blk_handle_request(s, req);
        }
    }
}

static void set_running(VirtIODevice *vdev, bool running)
{
    VirtIOBlk *s = blk_of(vdev);

    if (running) {
        retry_failed(s);
    } else {
        drain(s);
        notify_now(s);
    }
}

static void resized(void *opaque)
{
    VirtIOBlk *s = opaque;

    MACHINE_LOCK_GUARD();
    virtio_notify_config(&s->vdev);
}

static const BlockDevOps dev_ops = { .resize = resized };

static const VirtioDeviceClass virtio_blk_class = {
    .name = "virtio-blk",
    .device_id = VIRTIO_ID_BLOCK,
    .config_len = CFG_BYTES,
    .get_features = get_features,
    .get_config = get_config,
    .set_config = set_config,
    .set_status = set_status,
    .reset = reset,
    .set_running = set_running,
};

/* -- life ------------------------------------------------------------------------------------ */

static bool check_queues(VirtIOBlkConf *c, unsigned default_queues,
                         Error **errp)
{
    if (c->num_queues == VIRTIO_BLK_QUEUES_AUTO) {
        c->num_queues = (uint16_t)CLAMP(default_queues, 1, VIRTIO_QUEUE_MAX);
    }
    if (c->num_queues == 0 || c->num_queues > VIRTIO_QUEUE_MAX) {
        error_setg(errp, "num-queues property must be from 1 to %d",
                   VIRTIO_QUEUE_MAX);
        return false;
    }
    if (c->queue_size <= NON_DATA_SEGS || !is_power_of_2(c->queue_size) ||
        c->queue_size > VIRTQUEUE_MAX_SIZE) {
        error_setg(errp,
                   "invalid queue-size property (%u), must be a power of 2 "
                   "(max %d), larger than %u",
                   c->queue_size, VIRTQUEUE_MAX_SIZE, NON_DATA_SEGS);
        return false;
    }
    return true;
}

static bool check_limit(const char *name, uint32_t sectors, Error **errp)
{
    if (sectors == 0 || sectors > BLK_REQUEST_MAX_BYTES >> BLK_SECTOR_BITS) {
        error_setg(errp, "%s must be from 1 to %d", name,
                   BLK_REQUEST_MAX_BYTES >> BLK_SECTOR_BITS);
        return false;
    }
    return true;
}

static bool check_conf(VirtIOBlk *s, unsigned default_queues, Error **errp)
{
    VirtIOBlkConf *c = &s->conf;
    uint32_t granularity;

    if (!check_queues(c, default_queues, errp) ||
        (c->discard &&
         !check_limit("max-discard-sectors", c->max_discard_sectors, errp)) ||
        (c->write_zeroes && !check_limit("max-write-zeroes-sectors",
                                         c->max_write_zeroes_sectors, errp))) {
        return false;
    }
    if (c->block.min_io_size / MAX(1, c->block.logical_block_size) >
        UINT16_MAX) {
        error_setg(errp, "min_io_size is too large");
        return false;
    }
    granularity = c->block.discard_granularity;
    if (granularity == UINT32_MAX || !c->report_discard_granularity ||
        granularity == 0) {
        granularity = c->block.logical_block_size;
    }
    s->discard_alignment = granularity >> BLK_SECTOR_BITS;
    return true;
}

/* Requests run in the iothread, the rings stay where they are. */
static bool enter_iothread(VirtIOBlk *s, AioContext *ctx, Error **errp)
{
    Object *t = s->conf.iothread;

    if (!t) {
        return true;
    }
    if (!blk_set_aio_context(s->conf.block.blk,
                             iothread_get_aio_context(IOTHREAD(t)), errp)) {
        return false;
    }
    QSLIST_INIT(&s->ended);
    s->ended_bh = aio_bh_new(ctx, virtio_blk_take_ended, s);
    return true;
}

static void leave_iothread(VirtIOBlk *s)
{
    if (s->ended_bh) {
        blk_set_aio_context(s->conf.block.blk, s->vdev.ctx, NULL);
        g_clear_pointer(&s->ended_bh, qemu_bh_delete);
    }
}

bool virtio_blk_realize(VirtIOBlk *s, DeviceState *owner, GuestMemory *memory,
                        AioContext *ctx, unsigned default_queues, Error **errp)
{
    BlockConf *b = &s->conf.block;

    if (!block_conf_realize(b, owner, false, errp) ||
        !check_conf(s, default_queues, errp) || !enter_iothread(s, ctx, errp)) {
        return false;
    }
    if (!s->conf.serial) {
        s->conf.serial = g_strdup(blk_get_serial(b->blk));
    }
    s->original_wce = blk_enable_write_cache(b->blk);
    QSIMPLEQ_INIT(&s->failed);
    virtio_device_realize(&s->vdev, &virtio_blk_class, owner, memory, ctx,
                          s->conf.num_queues);
    s->notify = bitmap_new(s->conf.num_queues);
    s->notify_bh = aio_bh_new(ctx, notify_bh, s);
    for (unsigned i = 0; i < s->conf.num_queues; i++) {
        virtio_add_queue(&s->vdev, s->conf.queue_size, handle_output);
    }
    blk_set_dev_ops(b->blk, &dev_ops, s);
    return true;
}

void virtio_blk_unrealize(VirtIOBlk *s)
{
    drain(s);
    drop_failed(s);
    leave_iothread(s);
    blk_set_dev_ops(s->conf.block.blk, NULL, NULL);
    blk_set_enable_write_cache(s->conf.block.blk, s->original_wce);
    g_clear_pointer(&s->notify_bh, qemu_bh_delete);
    virtio_device_unrealize(&s->vdev);
    g_clear_pointer(&s->notify, g_free);
}
