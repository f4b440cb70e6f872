/*
 * The return path's reader, on the source; see return/reader.h.
 *
 * Messages are short, and the guest waits for what some of them ask: one read
 * takes all that has come. A peer that sends nonsense ends the thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/return/reader.h"

#include "migration/postcopy/thread.h"
#include "migration/return/wire.h"
#include "util/atomic.h"
#include "util/bitmap.h"
#include "util/bswap.h"
#include "util/thread.h"

#define RETURN_BUFFER 4096

struct ReturnReader {
    QIOChannel *ioc; /* reference */
    const ReturnReaderOps *ops;
    void *opaque;
    QemuThread thread;

    /* The thread's own. */
    uint8_t buf[RETURN_BUFFER];
    size_t pos, len; /* of what was read and not used yet */
    bool shut;
    char last[RAM_BLOCK_NAME_MAX + 1]; /* block of the last REQ_PAGES_ID */

    uint64_t reads; /* atomic; the thread writes */
};

typedef enum ReadResult {
    READ_ERROR = -1,
    READ_EOF = 0,
    READ_OK = 1,
} ReadResult;

/* Take @n bytes. Returns: READ_EOF only where the stream ends before the
 * first. */
static ReadResult reader_read(ReturnReader *r, uint8_t *dst, size_t n,
                              Error **errp)
{
    size_t done = 0;

    while (done < n) {
        size_t part = MIN(n - done, r->len - r->pos);
        ssize_t got;

        memcpy(dst + done, r->buf + r->pos, part);
        r->pos += part;
        done += part;
        if (done == n) {
            break;
        }
        got = qio_channel_read(r->ioc, (char *)r->buf, sizeof(r->buf), errp);
        if (got == QIO_CHANNEL_ERR_BLOCK) {
            qio_channel_wait(r->ioc, G_IO_IN);
            got = 0;
        } else if (got < 0) {
            error_prepend(errp, "return path: ");
            return READ_ERROR;
        } else if (got == 0) {
            if (done == 0) {
                return READ_EOF;
            }
            error_setg(errp, "return path: it ends in a message");
            return READ_ERROR;
        }
        r->pos = 0;
        r->len = (size_t)got;
        qatomic_set(&r->reads, r->reads + 1);
    }
    return READ_OK;
}

unsigned long *return_reader_get_bitmap(ReturnReader *r, uint64_t pages,
                                        Error **errp)
{
    uint64_t bytes = return_bitmap_bytes(pages);
    g_autofree uint8_t *wire = (uint8_t *)g_try_malloc(MAX(bytes, 1));
    g_autofree unsigned long *bitmap = bitmap_try_new((long)pages);
    uint8_t num[8];

    if (!wire || !bitmap) {
        error_setg(errp, "no memory for a bitmap of %" PRIu64 " pages", pages);
        return NULL;
    }
    if (reader_read(r, num, sizeof(num), errp) != READ_OK) {
        goto ended;
    }
    if (ldq_be_p(num) != bytes) {
        error_setg(errp,
                   "return path: bitmap of %" PRIu64 " bytes, not %" PRIu64,
                   ldq_be_p(num), bytes);
        return NULL;
    }
    if (reader_read(r, wire, bytes, errp) != READ_OK ||
        reader_read(r, num, sizeof(num), errp) != READ_OK) {
        goto ended;
    }
    if (ldq_be_p(num) != RETURN_BITMAP_END) {
        error_setg(errp, "return path: bitmap ends with 0x%" PRIx64,
                   ldq_be_p(num));
        return NULL;
    }
    return_bitmap_decode(wire, pages, bitmap);
    return g_steal_pointer(&bitmap);

ended:
    if (errp && !*errp) {
        error_setg(errp, "return path: it ends in a bitmap");
    }
    return NULL;
}

static bool reader_req_pages(ReturnReader *r, const ReturnMessage *msg,
                             Error **errp)
{
    if (msg->type == RETURN_REQ_PAGES_ID) {
        memcpy(r->last, msg->name, sizeof(r->last));
    } else if (!r->last[0]) {
        error_setg(errp, "return path: REQ_PAGES before any REQ_PAGES_ID");
        return false;
    }
    return r->ops->req_pages(r->opaque, r->last, msg->start, msg->len, errp);
}

static bool reader_dispatch(ReturnReader *r, const ReturnMessage *msg,
                            Error **errp)
{
    const ReturnReaderOps *ops = r->ops;

    switch (msg->type) {
    case RETURN_SHUT:
        r->shut = true;
        return ops->shut(r->opaque, msg->value, msg->text, errp);
    case RETURN_PONG:
        return ops->pong(r->opaque, msg->value, errp);
    case RETURN_REQ_PAGES_ID:
    case RETURN_REQ_PAGES:
        return reader_req_pages(r, msg, errp);
    case RETURN_RECV_BITMAP:
        return ops->recv_bitmap(r->opaque, r, msg->name, errp);
    case RETURN_RESUME_ACK_MSG:
        return ops->resume_ack(r->opaque, msg->value, errp);
    case RETURN_SWITCHOVER_ACK:
        return ops->switchover_ack(r->opaque, errp);
    case RETURN_TYPE__MAX:
        break;
    }
    return false;
}

/* Returns: whether there may be another message. */
static bool reader_step(ReturnReader *r, Error **errp)
{
    uint8_t hdr[RETURN_HEADER_LEN], payload[RETURN_PAYLOAD_MAX];
    ReturnMessage msg;
    ReturnType type;
    uint16_t len;

    switch (reader_read(r, hdr, sizeof(hdr), errp)) {
    case READ_ERROR:
        return false;
    case READ_EOF:
        if (!r->shut) {
            error_setg(errp, "the destination closed the connection");
        }
        return false;
    case READ_OK:
        break;
    }
    if (!return_header_decode(hdr, &type, &len, errp)) {
        return false;
    }
    if (reader_read(r, payload, len, errp) != READ_OK) {
        if (errp && !*errp) {
            error_setg(errp, "return path: it ends in a %s message",
                       return_type_name(type));
        }
        return false;
    }
    return return_payload_decode(type, payload, len, &msg, errp) &&
           reader_dispatch(r, &msg, errp) && !r->shut;
}

static void *reader_thread(void *opaque)
{
    ReturnReader *r = (ReturnReader *)opaque;
    Error *err = NULL;

    postcopy_thread_urgent();
    while (reader_step(r, &err)) {
    }
    r->ops->ended(r->opaque, err);
    return NULL;
}

ReturnReader *return_reader_new(QIOChannel *ioc, const ReturnReaderOps *ops,
                                void *opaque)
{
    ReturnReader *r = g_new0(ReturnReader, 1);

    r->ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    r->ops = ops;
    r->opaque = opaque;
    qemu_thread_create(&r->thread, "return-path", reader_thread, r,
                       QEMU_THREAD_JOINABLE);
    return r;
}

uint64_t return_reader_reads(const ReturnReader *r)
{
    return qatomic_read(&r->reads);
}

void return_reader_free(ReturnReader *r)
{
    if (!r) {
        return;
    }
    qemu_thread_join(&r->thread);
    object_unref(OBJECT(r->ioc));
    g_free(r);
}
