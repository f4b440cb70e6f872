/*
 * The return path's writer, on the destination; see return/sender.h.
 *
 * A message is one write, so that threads need the lock only for that long and
 * the source's reader wakes once. The channel is the main one, whose other
 * direction another thread reads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/return/sender.h"

#include "migration/return/wire.h"
#include "util/atomic.h"
#include "util/bitmap.h"
#include "util/bswap.h"
#include "util/thread.h"

/* Of a bitmap at once. */
#define SENDER_PIECE UINT64_C(65536)

struct ReturnSender {
    QemuMutex lock;       /* guards all below, and writing */
    QIOChannel *ioc;      /* reference; NULL: broken */
    const RAMBlock *last; /* named last on @ioc */
    uint64_t writes;      /* that went out; atomic, for who only looks */
};

ReturnSender *return_sender_new(QIOChannel *ioc)
{
    ReturnSender *s = g_new0(ReturnSender, 1);

    qemu_mutex_init(&s->lock);
    s->ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    return s;
}

void return_sender_free(ReturnSender *s)
{
    if (!s) {
        return;
    }
    if (s->ioc) {
        object_unref(OBJECT(s->ioc));
    }
    qemu_mutex_destroy(&s->lock);
    g_free(s);
}

void return_sender_replace(ReturnSender *s, QIOChannel *ioc)
{
    QIOChannel *old;

    if (ioc) {
        object_ref(OBJECT(ioc));
    }
    qemu_mutex_lock(&s->lock);
    old = s->ioc;
    s->ioc = ioc;
    s->last = NULL;
    qemu_mutex_unlock(&s->lock);
    if (old) {
        object_unref(OBJECT(old));
    }
}

/* With the lock held. */
static bool sender_write(ReturnSender *s, const struct iovec *iov, size_t niov,
                         Error **errp)
{
    if (!s->ioc) {
        error_setg(errp, "return path: there is no connection");
        return false;
    }
    if (qio_channel_writev_all(s->ioc, iov, niov, errp) < 0) {
        error_prepend(errp, "return path: ");
        return false;
    }
    qatomic_set(&s->writes, s->writes + 1);
    return true;
}

/* With the lock held. In pieces, so that it is seen how it gets on. */
static bool sender_write_long(ReturnSender *s, uint8_t *data, uint64_t len,
                              Error **errp)
{
    for (uint64_t at = 0; at < len; at += SENDER_PIECE) {
        struct iovec iov = { .iov_base = data + at,
                             .iov_len = MIN(len - at, SENDER_PIECE) };

        if (!sender_write(s, &iov, 1, errp)) {
            return false;
        }
    }
    return true;
}

uint64_t return_sender_writes(const ReturnSender *s)
{
    return s ? qatomic_read(&s->writes) : 0;
}

/* With the lock held. */
static bool sender_put(ReturnSender *s, const ReturnMessage *msg, Error **errp)
{
    uint8_t buf[RETURN_MESSAGE_MAX];
    struct iovec iov = { .iov_base = buf, .iov_len = return_encode(msg, buf) };

    return sender_write(s, &iov, 1, errp);
}

static bool sender_send(ReturnSender *s, const ReturnMessage *msg, Error **errp)
{
    bool ok;

    if (!s) {
        return true;
    }
    qemu_mutex_lock(&s->lock);
    ok = sender_put(s, msg, errp);
    qemu_mutex_unlock(&s->lock);
    return ok;
}

bool return_sender_pong(ReturnSender *s, uint32_t value, Error **errp)
{
    ReturnMessage msg = { .type = RETURN_PONG, .value = value };

    return sender_send(s, &msg, errp);
}

bool return_sender_shut(ReturnSender *s, uint32_t error, const char *text,
                        Error **errp)
{
    ReturnMessage msg = { .type = RETURN_SHUT, .value = error };

    if (error && text) {
        g_strlcpy(msg.text, text, sizeof(msg.text));
    }
    return sender_send(s, &msg, errp);
}

bool return_sender_switchover_ack(ReturnSender *s, Error **errp)
{
    ReturnMessage msg = { .type = RETURN_SWITCHOVER_ACK };

    return sender_send(s, &msg, errp);
}

bool return_sender_resume_ack(ReturnSender *s, Error **errp)
{
    ReturnMessage msg = { .type = RETURN_RESUME_ACK_MSG,
                          .value = RETURN_RESUME_ACK };

    return sender_send(s, &msg, errp);
}

bool return_sender_req_pages(ReturnSender *s, RAMBlock *rb, uint64_t start,
                             uint32_t len, Error **errp)
{
    ReturnMessage msg = { .type = RETURN_REQ_PAGES,
                          .start = start,
                          .len = len };
    bool ok;

    if (!s) {
        error_setg(errp, "return path: the source has not opened it");
        return false;
    }
    qemu_mutex_lock(&s->lock);
    if (s->last != rb) {
        msg.type = RETURN_REQ_PAGES_ID;
        g_strlcpy(msg.name, rb->idstr, sizeof(msg.name));
    }
    ok = sender_put(s, &msg, errp);
    if (ok) {
        s->last = rb;
    }
    qemu_mutex_unlock(&s->lock);
    return ok;
}

bool return_sender_recv_bitmap(ReturnSender *s, RAMBlock *rb,
                               const unsigned long *bitmap, Error **errp)
{
    ReturnMessage msg = { .type = RETURN_RECV_BITMAP };
    uint64_t pages = ram_block_pages(rb), bytes = return_bitmap_bytes(pages);
    g_autofree uint8_t *wire = (uint8_t *)g_try_malloc(MAX(bytes, 1));
    uint8_t buf[RETURN_MESSAGE_MAX + 8], end[8];
    struct iovec iov[2];
    size_t len;
    bool ok;

    if (!s || !wire) {
        error_setg(errp, "return path: cannot send the bitmap of '%s'",
                   rb->idstr);
        return false;
    }
    g_strlcpy(msg.name, rb->idstr, sizeof(msg.name));
    len = return_encode(&msg, buf);
    stq_be_p(buf + len, bytes);
    return_bitmap_encode(bitmap, pages, wire);
    stq_be_p(end, RETURN_BITMAP_END);
    iov[0] = (struct iovec){ .iov_base = buf, .iov_len = len + 8 };
    iov[1] = (struct iovec){ .iov_base = end, .iov_len = sizeof(end) };

    qemu_mutex_lock(&s->lock);
    ok = sender_write(s, &iov[0], 1, errp) &&
         sender_write_long(s, wire, bytes, errp) &&
         sender_write(s, &iov[1], 1, errp);
    qemu_mutex_unlock(&s->lock);
    return ok;
}
