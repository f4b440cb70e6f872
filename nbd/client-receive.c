/*
 * One connection of an NBD client: replies.
 *
 * One coroutine receives. It takes what the socket has in large pieces; data
 * of a read goes straight into the caller's memory, but for what came with the
 * header. The server is not trusted: a reply must belong to a request that was
 * sent, and data must lie within it, cover all of it and nothing twice.
 * Whatever breaks a rule ends the connection.
 *
 * Source: NBD protocol document, "Structured reply types".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-nbd.h"
#include "util/atomic.h"
#include "util/bswap.h"

#include "client-internal.h"

/* Elements of a caller's vector that one read fills. */
#define RECV_IOV 64

/* -- bytes ------------------------------------------------------------------------ */

void nbd_client_readable(void *opaque)
{
    NBDClientConn *conn = opaque;

    if (conn->wait_read) {
        conn->wait_read = false;
        aio_co_wake(conn->co);
        return;
    }
    QEMU_LOCK_GUARD(&conn->lock);
    nbd_client_conn_watch(conn, false, conn->watch_write);
}

static void coroutine_fn wait_readable(NBDClientConn *conn)
{
    WITH_QEMU_LOCK_GUARD(&conn->lock)
    {
        nbd_client_conn_watch(conn, true, conn->watch_write);
    }
    conn->wait_read = true;
    qemu_coroutine_yield();
    conn->wait_read = false;
    conn->in_drained = false;
}

/* At least one byte. false: the stream ended or failed. */
static bool coroutine_fn recv_some(NBDClientConn *conn, struct iovec *iov,
                                   size_t niov, size_t *ret_got)
{
    size_t room = iov_size(iov, niov);

    for (;;) {
        ssize_t n = QIO_CHANNEL_ERR_BLOCK;

        if (!conn->in_drained) {
            n = qio_channel_readv(conn->ioc, iov, niov, NULL);
        }
        if (n > 0) {
            conn->in_drained =
                (size_t)n < room && conn->ioc == QIO_CHANNEL(conn->sioc);
            *ret_got = n;
            return true;
        }
        if (n != QIO_CHANNEL_ERR_BLOCK) {
            return false;
        }
        wait_readable(conn);
    }
}

static size_t buffered(const NBDClientConn *conn)
{
    return conn->in_len - conn->in_pos;
}

static void take(NBDClientConn *conn, size_t n)
{
    conn->in_pos += n;
    if (conn->in_pos == conn->in_len) {
        conn->in_pos = conn->in_len = 0;
    }
}

/* Makes the buffer hold @n bytes from in_pos on. */
static bool coroutine_fn recv_need(NBDClientConn *conn, size_t n)
{
    while (buffered(conn) < n) {
        struct iovec iov;
        size_t got;

        if (conn->in_pos > 0) {
            memmove(conn->in, conn->in + conn->in_pos, buffered(conn));
            conn->in_len -= conn->in_pos;
            conn->in_pos = 0;
        }
        iov = (struct iovec){ conn->in + conn->in_len,
                              NBD_CLIENT_IN_BYTES - conn->in_len };
        if (!recv_some(conn, &iov, 1, &got)) {
            return false;
        }
        conn->in_len += got;
    }
    return true;
}

/* @len bytes into @qiov from @offset on; what follows into the buffer. */
static bool coroutine_fn recv_data(NBDClientConn *conn, QEMUIOVector *qiov,
                                   size_t offset, size_t len)
{
    size_t done = MIN(len, buffered(conn));

    qemu_iovec_from_buf(qiov, offset, conn->in + conn->in_pos, done);
    take(conn, done);
    while (done < len) {
        struct iovec iov[RECV_IOV + 1];
        unsigned n = iov_copy(iov, RECV_IOV, qiov->iov, qiov->niov,
                              offset + done, len - done);
        size_t room = iov_size(iov, n), got;

        if (room == len - done) {
            iov[n++] = (struct iovec){ conn->in, NBD_CLIENT_IN_BYTES };
        }
        if (!recv_some(conn, iov, n, &got)) {
            return false;
        }
        if (got > len - done) {
            conn->in_len = got - (len - done);
            got = len - done;
        }
        done += got;
    }
    return true;
}

/* A chunk's payload, in memory of the caller. */
static uint8_t *coroutine_fn recv_chunk(NBDClientConn *conn, uint64_t len)
{
    g_autofree uint8_t *buf = NULL;
    QEMUIOVector qiov;

    if (len > NBD_CLIENT_CHUNK_MAX) {
        return NULL;
    }
    buf = g_malloc(len + 1);
    qemu_iovec_init_buf(&qiov, buf, len);
    return recv_data(conn, &qiov, 0, len) ? g_steal_pointer(&buf) : NULL;
}

/* -- requests --------------------------------------------------------------------- */

/* A request of that number; *@wait: it may have been sent this moment, and the
 * sender has not said so yet. */
static NBDClientReq *look_up(NBDClientConn *conn, uint64_t cookie, bool *wait)
{
    unsigned i = cookie & 0xffffffff;
    NBDClientReq *r;
    QEMU_LOCK_GUARD(&conn->lock);

    r = i < NBD_CLIENT_REQUESTS ? conn->reqs[i] : NULL;
    if (!r || r->req.cookie != cookie) {
        r = NULL;
    }
    *wait = r && !r->sent && conn->flushing && !conn->watch_write;
    return r && r->sent ? r : NULL;
}

/* The request that a reply is for, if it was sent. */
static NBDClientReq *coroutine_fn find_req(NBDClientConn *conn, uint64_t cookie)
{
    for (;;) {
        bool wait;
        NBDClientReq *r = look_up(conn, cookie, &wait);

        if (!wait) {
            return r;
        }
        nbd_client_conn_wait_sender(conn);
    }
}

static void coroutine_fn complete(NBDClientConn *conn, NBDClientReq *r, int ret)
{
    g_clear_pointer(&r->pieces, g_array_unref);
    r->ret = ret;
    WITH_QEMU_LOCK_GUARD(&conn->lock)
    {
        conn->reqs[r->req.cookie & 0xffffffff] = NULL;
        qatomic_set(&conn->in_flight, conn->in_flight - 1);
        qemu_co_queue_next(&conn->room);
    }
    aio_co_wake(r->co);
}

/* -- reads ------------------------------------------------------------------------- */

static bool overlaps(const NBDPiece *a, const NBDPiece *b)
{
    return a->offset < b->offset + b->length &&
           b->offset < a->offset + a->length;
}

/* A piece of @r has come. false: outside of it, or for the second time. */
static bool admit_piece(NBDClientReq *r, uint64_t offset, uint64_t length)
{
    NBDPiece p = { offset, length };

    if (r->req.type != NBD_CMD_READ || length == 0 || offset < r->req.offset ||
        length > r->req.length ||
        offset - r->req.offset > r->req.length - length) {
        return false;
    }
    if (!r->out_of_order && offset == r->req.offset + r->got) {
        r->got += length; /* the next one, as it should be */
        return true;
    }
    if (!r->out_of_order) {
        NBDPiece before = { r->req.offset, r->got };

        r->out_of_order = true;
        r->pieces = g_array_new(FALSE, FALSE, sizeof(NBDPiece));
        if (r->got > 0) {
            g_array_append_val(r->pieces, before);
        }
    }
    if (r->pieces->len >= NBD_CLIENT_PIECES_MAX) {
        return false;
    }
    for (guint i = 0; i < r->pieces->len; i++) {
        if (overlaps(&p, &g_array_index(r->pieces, NBDPiece, i))) {
            return false;
        }
    }
    g_array_append_val(r->pieces, p);
    r->got += length;
    return true;
}

static size_t place_of(const NBDClientReq *r, uint64_t offset)
{
    return r->qiov_offset + (size_t)(offset - r->req.offset);
}

static bool coroutine_fn chunk_data(NBDClientConn *conn, NBDClientReq *r,
                                    uint64_t len)
{
    uint64_t offset;

    if (len < 9 || !recv_need(conn, 8)) {
        return false;
    }
    offset = ldq_be_p(conn->in + conn->in_pos);
    take(conn, 8);
    return admit_piece(r, offset, len - 8) &&
           recv_data(conn, r->qiov, place_of(r, offset), len - 8);
}

static bool coroutine_fn chunk_hole(NBDClientConn *conn, NBDClientReq *r,
                                    uint64_t len)
{
    uint64_t offset;
    uint32_t length;

    if (len != 12 || !recv_need(conn, 12)) {
        return false;
    }
    offset = ldq_be_p(conn->in + conn->in_pos);
    length = ldl_be_p(conn->in + conn->in_pos + 8);
    take(conn, 12);
    if (!admit_piece(r, offset, length)) {
        return false;
    }
    qemu_iovec_memset(r->qiov, place_of(r, offset), 0, length);
    return true;
}

/* -- other chunks -------------------------------------------------------------------- */

static bool coroutine_fn chunk_status(NBDClientConn *conn, NBDClientReq *r,
                                      bool extended, uint64_t len)
{
    g_autofree uint8_t *buf = recv_chunk(conn, len);
    NBDExtent first;
    uint32_t context;
    int n;

    if (!buf || r->req.type != NBD_CMD_BLOCK_STATUS ||
        nbd_status_decode(extended, buf, len, &context, &first, 1) < 0) {
        return false;
    }
    if (context != r->context) {
        return true; /* of another context: not asked for here */
    }
    if (r->n_ext > 0) {
        return false;
    }
    n = nbd_status_decode(extended, buf, len, &context, r->ext, r->max_ext);
    r->n_ext = MAX(n, 0);
    return n > 0;
}

static bool coroutine_fn chunk_error(NBDClientConn *conn, NBDClientReq *r,
                                     const NBDReply *rep)
{
    g_autofree uint8_t *buf = recv_chunk(conn, rep->length);
    NBDErrorChunk e;

    if (!buf || !nbd_error_decode(rep->type, buf, rep->length, &e)) {
        return false;
    }
    trace_nbd_client_error(nbd_cmd_name(r->req.type), r->req.offset,
                           r->req.length, nbd_error_name(e.error),
                           e.message ?: "");
    if (r->ret == 0) {
        r->ret = -nbd_errno_from_wire(e.error);
    }
    g_free(e.message);
    return true;
}

static bool coroutine_fn receive_payload(NBDClientConn *conn, NBDClientReq *r,
                                         const NBDReply *rep)
{
    switch (rep->type) {
    case NBD_REPLY_TYPE_NONE:
        return rep->length == 0 && (rep->flags & NBD_REPLY_FLAG_DONE);
    case NBD_REPLY_TYPE_OFFSET_DATA:
        return chunk_data(conn, r, rep->length);
    case NBD_REPLY_TYPE_OFFSET_HOLE:
        return chunk_hole(conn, r, rep->length);
    case NBD_REPLY_TYPE_BLOCK_STATUS:
        return chunk_status(conn, r, false, rep->length);
    case NBD_REPLY_TYPE_BLOCK_STATUS_EXT:
        return conn->mode == NBD_MODE_EXTENDED &&
               chunk_status(conn, r, true, rep->length);
    default:
        return (rep->type & NBD_REPLY_ERR_BIT) && chunk_error(conn, r, rep);
    }
}

/* What a request that the server calls done has really got. */
static int final_result(const NBDClientReq *r)
{
    if (r->ret < 0) {
        return r->ret;
    }
    if (r->req.type == NBD_CMD_READ && r->got != r->req.length) {
        return -EIO;
    }
    if (r->req.type == NBD_CMD_BLOCK_STATUS && r->n_ext == 0) {
        return -EIO;
    }
    return 0;
}

/* -- replies --------------------------------------------------------------------------- */

static bool coroutine_fn receive_simple(NBDClientConn *conn, NBDClientReq *r,
                                        const NBDReply *rep)
{
    int ret = -nbd_errno_from_wire(rep->error);

    /* With structured replies a read must have one, and so must status. */
    if (ret == 0 &&
        (r->req.type == NBD_CMD_BLOCK_STATUS ||
         (r->req.type == NBD_CMD_READ && conn->mode != NBD_MODE_SIMPLE))) {
        return false;
    }
    if (ret < 0) {
        trace_nbd_client_error(nbd_cmd_name(r->req.type), r->req.offset,
                               r->req.length, nbd_error_name(rep->error), "");
    } else if (r->req.type == NBD_CMD_READ &&
               !recv_data(conn, r->qiov, r->qiov_offset, r->req.length)) {
        return false;
    }
    complete(conn, r, ret);
    return true;
}

static bool coroutine_fn receive_chunk(NBDClientConn *conn, NBDClientReq *r,
                                       const NBDReply *rep)
{
    if (r->ret == NBD_LOST) {
        r->ret = 0; /* its first chunk */
    }
    if (conn->mode == NBD_MODE_EXTENDED && rep->offset != r->req.offset) {
        return false;
    }
    if (!receive_payload(conn, r, rep)) {
        return false;
    }
    if (rep->flags & NBD_REPLY_FLAG_DONE) {
        complete(conn, r, final_result(r));
    }
    return true;
}

static bool coroutine_fn receive_reply(NBDClientConn *conn)
{
    NBDClientReq *r;
    NBDReply rep;
    int size;

    while ((size = nbd_reply_decode(conn->mode, conn->in + conn->in_pos,
                                    buffered(conn), &rep)) == 0) {
        if (!recv_need(conn, buffered(conn) + 1)) {
            return false;
        }
    }
    if (size < 0) {
        return false;
    }
    take(conn, size);
    r = find_req(conn, rep.cookie);
    if (!r) {
        return false;
    }
    return rep.simple ? receive_simple(conn, r, &rep)
                      : receive_chunk(conn, r, &rep);
}

void coroutine_fn nbd_client_receive(NBDClientConn *conn)
{
    while (receive_reply(conn)) {
    }
}
