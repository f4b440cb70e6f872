/*
 * virtio-blk: what a migration carries of it beside what all virtio devices
 * have: the write cache, and requests that failed with werror=stop.
 *
 * The machine that stops waits for all other requests. Those that failed are
 * started again where the guest runs on; they are parsed anew there.
 *
 *   u8 1; be16 queue; request   each
 *   u8 0                        the end
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/block/virtio-blk.h"
#include "hw/core/vmstate-check.h"
#include "migration/qemu-file.h"

/* The buffers as the driver gave them: with header and status byte. */
static void put_request(QEMUFile *f, VirtIOBlkReq *req)
{
    VirtQueueElement *e = &req->elem;
    struct iovec *first = req->undo.modified_iov;
    struct iovec *last = req->status ? &e->in_sg[e->in_num - 1] : NULL;
    struct iovec without_header = { 0 };

    if (first) {
        without_header = *first;
        *first = req->undo.orig;
    }
    if (last) {
        last->iov_len++;
    }
    qemu_put_byte(f, 1);
    qemu_put_be16(f, virtio_queue_index(req->vq));
    virtqueue_put_element(f, e);
    if (last) {
        last->iov_len--;
    }
    if (first) {
        *first = without_header;
    }
}

static int put_failed(QEMUFile *f, void *pv, size_t size,
                      const VMStateField *field, JSONWriter *vmdesc)
{
    VirtIOBlk *s = container_of(pv, VirtIOBlk, failed);
    VirtIOBlkReq *req;

    QSIMPLEQ_FOREACH(req, &s->failed, next) {
        put_request(f, req);
    }
    qemu_put_byte(f, 0);
    return 0;
}

static bool get_request(QEMUFile *f, VirtIOBlk *s, Error **errp)
{
    unsigned n = qemu_get_be16(f);
    VirtQueue *vq = virtio_get_queue(&s->vdev, n);
    VirtIOBlkReq *req;

    if (!vq || !virtio_queue_ready(vq)) {
        error_setg(errp, "virtio-blk: a request in flight is of queue %u", n);
        return false;
    }
    req = virtqueue_get_element(f, vq, sizeof(*req), errp);
    if (!req) {
        return false;
    }
    req->dev = s;
    req->vq = vq;
    QSIMPLEQ_INSERT_TAIL(&s->failed, req, next);
    return true;
}

/* How many there can be is limited by the queues' sizes. */
static int get_failed(QEMUFile *f, void *pv, size_t size,
                      const VMStateField *field)
{
    VirtIOBlk *s = container_of(pv, VirtIOBlk, failed);
    Error *err = NULL;

    while (qemu_get_byte(f) && !qemu_file_get_error(f)) {
        if (!get_request(f, s, &err)) {
            qemu_file_set_error_obj(f, -EINVAL, err);
            return -EINVAL;
        }
    }
    return qemu_file_get_error(f);
}

static const VMStateInfo vmstate_info_failed = {
    .name = "virtio-blk requests",
    .get = get_failed,
    .put = put_failed,
};

static int blk_pre_save(void *opaque)
{
    VirtIOBlk *s = opaque;

    s->saved_wce = blk_enable_write_cache(s->conf.block.blk);
    return 0;
}

static int blk_post_load(void *opaque, int version_id)
{
    VirtIOBlk *s = opaque;

    blk_set_enable_write_cache(s->conf.block.blk, s->saved_wce);
    return 0;
}

const VMStateDescription vmstate_virtio_blk = {
    .name = "virtio_blk",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = blk_pre_save,
    .post_load = blk_post_load,
    .fields = (const VMStateField[]){ VMSTATE_BOOL(saved_wce, VirtIOBlk),
                                      VMSTATE_BUFFER_UNSAFE_INFO(
                                          failed, VirtIOBlk, 0,
                                          vmstate_info_failed, 0),
                                      VMSTATE_END_OF_LIST() },
};
