/*
 * File operations by io_uring.
 *
 * One ring per context. Requests made in one round of the loop are put in
 * the submission queue and handed to the kernel together, by a BH at the
 * end of the round, or when aio-max-batch of them have come together. What
 * finds the queue full waits in a list. The ring's descriptor is a handler
 * of the loop: readable means that there are completions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "aio-internal.h"

#if CONFIG_IO_URING

#include <liburing.h>

#include "trace/trace-util.h"

#define URING_ENTRIES       128
#define URING_BATCH_DEFAULT 32

typedef struct UringRequest {
    BlockAIOCB common; /* first */
    AioUring *uring;
    AioFileOp op;
    int fd;
    const struct iovec *iov;
    int niov;
    uint64_t offset;
    bool submitted;                    /* has an entry in the ring */
    QSIMPLEQ_ENTRY(UringRequest) next; /* in waiting */
} UringRequest;

struct AioUring {
    struct io_uring ring;
    AioContext *ctx;
    QEMUBH *submit_bh;
    QEMUBH *completion_bh;
    QSIMPLEQ_HEAD(, UringRequest) waiting;
    unsigned int in_flight; /* callbacks to be called */
    unsigned int prepared;  /* entries not yet handed to the kernel */
};

static void prepare_entry(struct io_uring_sqe *sqe, UringRequest *req)
{
    switch (req->op) {
    case AIO_FILE_READ:
        io_uring_prep_readv(sqe, req->fd, req->iov, req->niov, req->offset);
        break;
    case AIO_FILE_WRITE:
        io_uring_prep_writev(sqe, req->fd, req->iov, req->niov, req->offset);
        break;
    case AIO_FILE_FSYNC:
        io_uring_prep_fsync(sqe, req->fd, 0);
        break;
    case AIO_FILE_FDATASYNC:
        io_uring_prep_fsync(sqe, req->fd, IORING_FSYNC_DATASYNC);
        break;
    default:
        g_assert_not_reached();
    }
    io_uring_sqe_set_data(sqe, req);
    req->submitted = true;
}

/* Puts waiting requests in the ring while there is room. */
static void fill_ring(AioUring *uring)
{
    UringRequest *req;

    while ((req = QSIMPLEQ_FIRST(&uring->waiting))) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

        if (!sqe) {
            return;
        }
        QSIMPLEQ_REMOVE_HEAD(&uring->waiting, next);
        prepare_entry(sqe, req);
        uring->prepared++;
    }
}

/* Hands over what is prepared, as far as the kernel takes it. */
static void submit_ring(AioUring *uring)
{
    fill_ring(uring);
    while (uring->prepared > 0) {
        int ret = io_uring_submit(&uring->ring);

        if (ret == -EINTR) {
            continue;
        }
        if (ret <= 0) {
            /* -EAGAIN, -EBUSY: no memory just now, or too many completions
             * that nobody took. Again after the next round. */
            qemu_bh_schedule_idle(uring->submit_bh);
            return;
        }
        uring->prepared -= MIN(uring->prepared, (unsigned int)ret);
        fill_ring(uring);
    }
}

static void submit_bh(void *opaque)
{
    submit_ring(opaque);
}

static void queue_request(AioUring *uring, UringRequest *req)
{
    int64_t batch = qatomic_read(&uring->ctx->aio_max_batch);

    req->submitted = false;
    QSIMPLEQ_INSERT_TAIL(&uring->waiting, req, next);
    fill_ring(uring);
    if (uring->prepared >= (batch ?: URING_BATCH_DEFAULT)) {
        submit_ring(uring);
    } else {
        qemu_bh_schedule(uring->submit_bh);
    }
}

/* Returns: false when there is no completion. */
static bool complete_one(AioUring *uring)
{
    struct io_uring_cqe *cqe;
    UringRequest *req;
    int ret;

    if (io_uring_peek_cqe(&uring->ring, &cqe) < 0 || !cqe) {
        return false;
    }
    req = io_uring_cqe_get_data(cqe);
    ret = cqe->res;
    io_uring_cqe_seen(&uring->ring, cqe);
    if (!req) {
        return true; /* the answer to a cancel */
    }
    if (ret == -EINTR || ret == -EAGAIN) {
        queue_request(uring, req);
        return true;
    }
    uring->in_flight--;
    req->common.cb(req->common.opaque, ret);
    qemu_aio_unref(req);
    return true;
}

static void uring_complete(void *opaque)
{
    AioUring *uring = opaque;

    /* A callback may poll for another of our completions. */
    qemu_bh_schedule(uring->completion_bh);
    while (complete_one(uring)) {
    }
    qemu_bh_cancel(uring->completion_bh);
    if (!QSIMPLEQ_EMPTY(&uring->waiting) || uring->prepared) {
        submit_ring(uring);
    }
}

static bool uring_poll(void *opaque)
{
    AioUring *uring = opaque;

    return io_uring_cq_ready(&uring->ring) > 0;
}

static void request_cancel(BlockAIOCB *acb)
{
    UringRequest *req = (UringRequest *)acb;
    AioUring *uring = req->uring;
    struct io_uring_sqe *sqe;

    if (!req->submitted) {
        return; /* it will be soon; there is no entry to name yet */
    }
    sqe = io_uring_get_sqe(&uring->ring);
    if (sqe) {
        io_uring_prep_cancel(sqe, req, 0);
        io_uring_sqe_set_data(sqe, NULL);
        uring->prepared++;
        qemu_bh_schedule(uring->submit_bh);
    }
}

static const AIOCBInfo uring_aiocb_info = {
    .aiocb_size = sizeof(UringRequest),
    .cancel_async = request_cancel,
};

BlockAIOCB *aio_uring_submit(AioUring *uring, AioFileOp op, int fd,
                             const struct iovec *iov, int niov, uint64_t offset,
                             BlockCompletionFunc *cb, void *opaque)
{
    UringRequest *req = qemu_aio_get(&uring_aiocb_info, uring->ctx, cb, opaque);

    req->uring = uring;
    req->op = op;
    req->fd = fd;
    req->iov = iov;
    req->niov = niov;
    req->offset = offset;
    uring->in_flight++;
    queue_request(uring, req);
    return &req->common;
}

AioUring *aio_uring_new(AioContext *ctx)
{
    AioUring *uring = g_new0(AioUring, 1);

    int ret = io_uring_queue_init(URING_ENTRIES, &uring->ring, 0);

    if (ret < 0) {
        trace_aio_uring_unavailable(ctx, -ret);
        g_free(uring);
        return NULL;
    }
    uring->ctx = ctx;
    uring->submit_bh = aio_bh_new(ctx, submit_bh, uring);
    uring->completion_bh = aio_bh_new(ctx, uring_complete, uring);
    QSIMPLEQ_INIT(&uring->waiting);
    aio_set_fd_handler(ctx, uring->ring.ring_fd, false, uring_complete, NULL,
                       uring_poll, uring_complete, uring);
    return uring;
}

void aio_uring_free(AioUring *uring)
{
    assert(uring->in_flight == 0);
    aio_set_fd_handler(uring->ctx, uring->ring.ring_fd, false, NULL, NULL, NULL,
                       NULL, NULL);
    qemu_bh_delete(uring->submit_bh);
    qemu_bh_delete(uring->completion_bh);
    io_uring_queue_exit(&uring->ring);
    g_free(uring);
}

#else

AioUring *aio_uring_new(AioContext *ctx)
{
    return NULL;
}

void aio_uring_free(AioUring *uring)
{
    g_assert_not_reached();
}

BlockAIOCB *aio_uring_submit(AioUring *uring, AioFileOp op, int fd,
                             const struct iovec *iov, int niov, uint64_t offset,
                             BlockCompletionFunc *cb, void *opaque)
{
    g_assert_not_reached();
}

#endif
