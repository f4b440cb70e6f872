/*
 * One request: what it asks of the backend, and the reply.
 *
 * A reply is one piece or, for a read with holes and for block status of
 * several contexts, some: all are made before the first is sent, so that an
 * error replaces them whole.
 *
 * Reads of some size ask for block status first when the client takes
 * structured replies: what reads as zeroes goes out as a hole. Smaller ones do
 * not: the question would cost more than the bytes.
 *
 * Source: NBD protocol document, "Request types"; the errors are the ones that
 * it wants ("Error values").
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-nbd.h"
#include "util/bswap.h"
#include "util/host-utils.h"

#include "server-internal.h"

/* -- replies ----------------------------------------------------------------- */

/* The next piece; NULL when there are as many as may be. */
static NBDOut *job_new_out(NBDJob *j)
{
    NBDOut *o = &j->out;

    if (j->n_outs > NBD_CHUNKS_MAX) {
        return NULL;
    }
    if (j->n_outs > 0) {
        if (!j->more) {
            j->more = g_new(NBDOut, NBD_CHUNKS_MAX);
        }
        o = &j->more[j->n_outs - 1];
    }
    j->n_outs++;
    o->job = j;
    o->fd = -1;
    o->head_len = o->head_done = 0;
    o->data = NULL;
    o->data_len = o->data_done = 0;
    return o;
}

void nbd_job_drop_outs(NBDJob *j)
{
    for (unsigned i = 0; i < j->n_outs; i++) {
        NBDOut *o = i == 0 ? &j->out : &j->more[i - 1];

        if (o->fd >= 0) {
            j->conn->export->ops->unmap(j->conn->export->opaque, o->fd);
        }
    }
    j->n_outs = 0;
}

/* A header into @o; @payload: bytes that follow. */
static void out_chunk(NBDOut *o, uint16_t type, bool done, uint64_t payload)
{
    const NBDRequest *req = &o->job->req;
    NBDReply r = {
        .flags = done ? NBD_REPLY_FLAG_DONE : 0,
        .type = type,
        .cookie = req->cookie,
        .offset = req->offset,
        .length = payload,
    };

    o->head_len = nbd_reply_encode(o->job->conn->mode, &r, o->head);
}

static void out_simple(NBDOut *o, int err)
{
    NBDReply r = {
        .simple = true,
        .error = nbd_errno_to_wire(err),
        .cookie = o->job->req.cookie,
    };

    o->head_len = nbd_reply_encode(NBD_MODE_SIMPLE, &r, o->head);
}

void nbd_job_fail(NBDJob *j, int err, const char *text)
{
    NBDConn *c = j->conn;
    NBDOut *o;

    trace_nbd_server_error(c, nbd_cmd_name(j->req.type), err, text);
    nbd_job_drop_outs(j);
    o = job_new_out(j);
    if (c->mode == NBD_MODE_SIMPLE) {
        out_simple(o, err);
        return;
    }
    o->data = (const uint8_t *)text;
    o->data_len = strlen(text);
    out_chunk(o, NBD_REPLY_TYPE_ERROR, true, 6 + o->data_len);
    stl_be_p(o->head + o->head_len, nbd_errno_to_wire(err));
    stw_be_p(o->head + o->head_len + 4, (uint16_t)o->data_len);
    o->head_len += 6;
}

/* The reply of anything without data. */
static void job_done(NBDJob *j, int ret, const char *text)
{
    if (ret < 0) {
        nbd_job_fail(j, -ret, text);
    } else if (j->conn->mode == NBD_MODE_EXTENDED ||
               (j->conn->mode == NBD_MODE_STRUCTURED &&
                j->req.type == NBD_CMD_READ)) {
        out_chunk(job_new_out(j), NBD_REPLY_TYPE_NONE, true, 0);
    } else {
        out_simple(job_new_out(j), 0);
    }
}

/* -- reads ------------------------------------------------------------------- */

/* A header of a piece of data, before its first byte. */
static void out_data_head(NBDOut *o, uint64_t offset, uint64_t bytes, bool done)
{
    if (o->job->conn->mode == NBD_MODE_SIMPLE) {
        out_simple(o, 0);
        return;
    }
    out_chunk(o, NBD_REPLY_TYPE_OFFSET_DATA, done, 8 + bytes);
    stq_be_p(o->head + o->head_len, offset);
    o->head_len += 8;
}

/* Lets the piece's data come from a file. Returns: whether it can. */
static bool coroutine_fn out_map(NBDOut *o, uint64_t offset, uint64_t bytes)
{
    NBDJob *j = o->job;
    const NBDExport *e = j->conn->export;
    uint64_t pnum;

    if (!e->ops->co_map || bytes < NBD_SENDFILE_READ_MIN ||
        j->conn->ioc != QIO_CHANNEL(j->conn->sioc) || !j->conn->sendfile) {
        return false;
    }
    if (e->ops->co_map(e->opaque, offset, bytes, &o->fd, &o->fd_offset, &pnum) <
        0) {
        o->fd = -1;
        return false;
    }
    if (pnum < bytes) {
        e->ops->unmap(e->opaque, o->fd);
        o->fd = -1;
        return false;
    }
    o->data_len = bytes;
    return true;
}

static bool job_get_buffer(NBDJob *j, size_t bytes)
{
    if (!j->buf) {
        j->buf = nbd_pool_get(&j->conn->server->pool, bytes);
        j->buf_bytes = bytes;
    }
    return j->buf;
}

/* One piece with data. Returns: 0 or -errno. */
static int coroutine_fn read_piece(NBDJob *j, uint64_t offset, uint64_t bytes,
                                   bool done)
{
    const NBDExport *e = j->conn->export;
    NBDOut *o = job_new_out(j);
    QEMUIOVector qiov;
    uint8_t *buf;
    int ret;

    if (!out_map(o, offset, bytes)) {
        if (!job_get_buffer(j, j->req.length)) {
            return -ENOMEM;
        }
        buf = (uint8_t *)j->buf + (offset - j->req.offset);
        qemu_iovec_init_buf(&qiov, buf, bytes);
        ret = e->ops->co_preadv(e->opaque, offset, &qiov);
        if (ret < 0) {
            return ret;
        }
        o->data = buf;
        o->data_len = bytes;
    }
    out_data_head(o, offset, bytes, done);
    return 0;
}

static void hole_piece(NBDJob *j, uint64_t offset, uint64_t bytes, bool done)
{
    NBDOut *o = job_new_out(j);

    out_chunk(o, NBD_REPLY_TYPE_OFFSET_HOLE, done, 12);
    stq_be_p(o->head + o->head_len, offset);
    stl_be_p(o->head + o->head_len + 8, (uint32_t)bytes);
    o->head_len += 12;
}

/* Joins neighbours that are both holes or both not. Returns: their number. */
static unsigned merge_by_flag(NBDExtent *ext, unsigned n, uint64_t mask)
{
    unsigned out = 0;

    for (unsigned i = 0; i < n; i++) {
        if (out > 0 && (ext[out - 1].flags & mask) == (ext[i].flags & mask)) {
            ext[out - 1].length += ext[i].length;
        } else {
            ext[out++] = ext[i];
        }
    }
    return out;
}

/* The extents of a read; what is not known is data. Returns: their number. */
static unsigned coroutine_fn read_extents(NBDJob *j, NBDExtent *ext)
{
    const NBDExport *e = j->conn->export;
    uint64_t known = 0, bytes = j->req.length;
    int n = e->ops->co_extents(e->opaque, 0, j->req.offset, bytes, ext,
                               NBD_CHUNKS_MAX - 1);

    n = MAX(n, 0);
    for (int i = 0; i < n; i++) {
        known += ext[i].length;
    }
    if (known < bytes) {
        ext[n++] = (NBDExtent){ .length = bytes - known };
    }
    return merge_by_flag(ext, n, NBD_STATE_ZERO);
}

static void coroutine_fn job_read_sparse(NBDJob *j)
{
    NBDExtent ext[NBD_CHUNKS_MAX];
    unsigned n = read_extents(j, ext);
    uint64_t offset = j->req.offset;
    int ret = 0;

    for (unsigned i = 0; i < n && ret == 0; i++) {
        bool done = i == n - 1;

        if (ext[i].flags & NBD_STATE_ZERO) {
            hole_piece(j, offset, ext[i].length, done);
        } else {
            ret = read_piece(j, offset, ext[i].length, done);
        }
        offset += ext[i].length;
    }
    if (ret < 0) {
        nbd_job_fail(j, -ret, "reading failed");
    }
}

static void coroutine_fn job_read(NBDJob *j)
{
    const NBDExport *e = j->conn->export;
    const NBDRequest *r = &j->req;
    int ret;

    if (r->length == 0) {
        job_done(j, 0, NULL);
        return;
    }
    if (j->conn->mode != NBD_MODE_SIMPLE && !(r->flags & NBD_CMD_FLAG_DF) &&
        r->length >= NBD_SPARSE_READ_MIN && e->n_contexts > 0 &&
        strcmp(e->contexts[0], NBD_CONTEXT_ALLOCATION) == 0) {
        job_read_sparse(j);
        return;
    }
    ret = read_piece(j, r->offset, r->length, true);
    if (ret < 0) {
        nbd_job_fail(j, -ret, "reading failed");
    }
}

/* -- block status -------------------------------------------------------------- */

/* One context's chunk, with its extents at @mem. Returns: 0 or -errno. */
static int coroutine_fn status_piece(NBDJob *j, unsigned context,
                                     uint64_t bytes, NBDExtent *ext,
                                     uint8_t *mem, bool done)
{
    const NBDExport *e = j->conn->export;
    bool extended = j->conn->mode == NBD_MODE_EXTENDED;
    unsigned max = j->req.flags & NBD_CMD_FLAG_REQ_ONE ? 1 : NBD_EXTENTS_MAX;
    size_t head = nbd_status_size(extended, 0);
    NBDOut *o;
    int n;

    n = e->ops->co_extents(e->opaque, context, j->req.offset, bytes, ext, max);
    if (n < 0) {
        return n;
    }
    n = merge_by_flag(ext, n, ~(uint64_t)0);
    o = job_new_out(j);
    out_chunk(o,
              extended ? NBD_REPLY_TYPE_BLOCK_STATUS_EXT
                       : NBD_REPLY_TYPE_BLOCK_STATUS,
              done, nbd_status_size(extended, n));
    nbd_status_encode(extended, context, ext, n, mem);
    memcpy(o->head + o->head_len, mem, head);
    o->head_len += head;
    o->data = mem + head;
    o->data_len = nbd_status_size(extended, n) - head;
    return 0;
}

/* Effect length and contexts of a request with a payload. */
static bool status_payload(NBDJob *j, uint64_t *bytes, uint64_t *contexts)
{
    WireBuffer b = WIRE_READER(j->buf, j->req.length);
    uint64_t wanted = 0;

    *bytes = wire_get_be64(&b);
    while (wire_left(&b) > 0) {
        uint32_t id = wire_get_be32(&b);

        if (!wire_ok(&b) || id >= NBD_MAX_CONTEXTS ||
            !(*contexts & (UINT64_C(1) << id))) {
            return false;
        }
        wanted |= UINT64_C(1) << id;
    }
    *contexts = wanted;
    return wire_ok(&b) && wanted;
}

static void coroutine_fn job_block_status(NBDJob *j)
{
    NBDConn *c = j->conn;
    uint64_t contexts = c->contexts, bytes = j->req.length;
    size_t each = nbd_status_size(true, NBD_EXTENTS_MAX);
    g_autofree NBDExtent *ext = NULL;
    unsigned done = 0, n;
    uint8_t *mem;
    int ret = 0;

    if (j->req.flags & NBD_CMD_FLAG_PAYLOAD_LEN) {
        int64_t length = c->export->ops->co_length(c->export->opaque);

        if (!status_payload(j, &bytes, &contexts) || bytes == 0 || length < 0 ||
            bytes > (uint64_t)length - j->req.offset) {
            nbd_job_fail(j, EINVAL, "payload of block status is malformed");
            return;
        }
        nbd_pool_put(&c->server->pool, g_steal_pointer(&j->buf), j->buf_bytes);
    }
    n = ctpop64(contexts);
    mem = job_get_buffer(j, n * each) ? j->buf : NULL;
    ext = g_try_new(NBDExtent, NBD_EXTENTS_MAX);
    for (unsigned i = 0; i < NBD_MAX_CONTEXTS && ret == 0; i++) {
        if (!(contexts & (UINT64_C(1) << i))) {
            continue;
        }
        done++;
        ret = mem && ext ? status_piece(j, i, bytes, ext,
                                        mem + (done - 1) * each, done == n)
                         : -ENOMEM;
    }
    if (ret < 0) {
        nbd_job_fail(j, -ret, "block status failed");
    }
}

/* -- the rest ------------------------------------------------------------------ */

static void coroutine_fn job_write(NBDJob *j)
{
    const NBDExport *e = j->conn->export;
    QEMUIOVector qiov;
    int ret = 0;

    if (j->req.length > 0) {
        qemu_iovec_init_buf(&qiov, j->buf, j->req.length);
        ret = e->ops->co_pwritev(e->opaque, j->req.offset, &qiov,
                                 j->req.flags & NBD_CMD_FLAG_FUA);
    }
    job_done(j, ret, "writing failed");
}

static void coroutine_fn job_trim(NBDJob *j)
{
    const NBDExport *e = j->conn->export;
    int ret = 0;

    if (e->ops->co_trim && j->req.length > 0) {
        ret = e->ops->co_trim(e->opaque, j->req.offset, j->req.length,
                              j->req.flags & NBD_CMD_FLAG_FUA);
    }
    job_done(j, ret, "discarding failed");
}

static void coroutine_fn job_zero(NBDJob *j)
{
    const NBDExport *e = j->conn->export;
    int ret = 0;

    if (j->req.length > 0) {
        ret = e->ops->co_zero ? e->ops->co_zero(e->opaque, j->req.offset,
                                                j->req.length, j->req.flags)
                              : -ENOTSUP;
    }
    job_done(j, ret, "writing zeroes failed");
}

static void coroutine_fn job_cache(NBDJob *j)
{
    const NBDExport *e = j->conn->export;
    int ret = 0;

    if (e->ops->co_cache && j->req.length > 0) {
        ret = e->ops->co_cache(e->opaque, j->req.offset, j->req.length);
    }
    job_done(j, ret, "reading ahead failed");
}

static unsigned allowed_flags(const NBDConn *c, uint16_t type)
{
    bool extended = c->mode == NBD_MODE_EXTENDED;

    switch (type) {
    case NBD_CMD_READ:
        return c->mode != NBD_MODE_SIMPLE ? NBD_CMD_FLAG_DF : 0;
    case NBD_CMD_WRITE:
        return extended ? NBD_CMD_FLAG_PAYLOAD_LEN : 0;
    case NBD_CMD_WRITE_ZEROES:
        return NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO;
    case NBD_CMD_BLOCK_STATUS:
        return NBD_CMD_FLAG_REQ_ONE | (extended ? NBD_CMD_FLAG_PAYLOAD_LEN : 0);
    default:
        return 0;
    }
}

static bool changes_data(uint16_t type)
{
    return type == NBD_CMD_WRITE || type == NBD_CMD_TRIM ||
           type == NBD_CMD_WRITE_ZEROES;
}

int coroutine_fn nbd_request_check(NBDConn *c, const NBDRequest *r)
{
    const NBDExport *e = c->export;
    bool by_payload = r->type == NBD_CMD_BLOCK_STATUS &&
                      (r->flags & NBD_CMD_FLAG_PAYLOAD_LEN);
    uint64_t bytes = by_payload ? 1 : r->length;
    int64_t length = e->ops->co_length(e->opaque);

    /* FUA is allowed everywhere, and means something where data changes. */
    if (r->flags & ~(allowed_flags(c, r->type) | NBD_CMD_FLAG_FUA)) {
        return EINVAL;
    }
    if (c->mode == NBD_MODE_EXTENDED && r->type == NBD_CMD_WRITE &&
        !(r->flags & NBD_CMD_FLAG_PAYLOAD_LEN)) {
        return EINVAL;
    }
    if (changes_data(r->type) && !e->writable) {
        return EPERM;
    }
    switch (r->type) {
    case NBD_CMD_FLUSH:
        return r->offset == 0 && r->length == 0 ? 0 : EINVAL;
    case NBD_CMD_READ:
        if (bytes > NBD_MAX_PAYLOAD) {
            return EOVERFLOW;
        }
        break;
    case NBD_CMD_BLOCK_STATUS:
        if (!c->contexts || bytes == 0) {
            return EINVAL;
        }
        break;
    case NBD_CMD_WRITE:
    case NBD_CMD_TRIM:
    case NBD_CMD_CACHE:
    case NBD_CMD_WRITE_ZEROES:
        break;
    default:
        return EINVAL;
    }
    if (length < 0) {
        return EIO;
    }
    if (r->offset > (uint64_t)length || bytes > (uint64_t)length - r->offset) {
        return r->type == NBD_CMD_WRITE || r->type == NBD_CMD_WRITE_ZEROES
                   ? ENOSPC
                   : EINVAL;
    }
    return 0;
}

void coroutine_fn nbd_job_run(NBDJob *j)
{
    const NBDExport *e = j->conn->export;

    switch (j->req.type) {
    case NBD_CMD_READ:
        job_read(j);
        break;
    case NBD_CMD_WRITE:
        job_write(j);
        break;
    case NBD_CMD_FLUSH:
        job_done(j, e->ops->co_flush(e->opaque), "flushing failed");
        break;
    case NBD_CMD_TRIM:
        job_trim(j);
        break;
    case NBD_CMD_CACHE:
        job_cache(j);
        break;
    case NBD_CMD_WRITE_ZEROES:
        job_zero(j);
        break;
    case NBD_CMD_BLOCK_STATUS:
        job_block_status(j);
        break;
    default:
        nbd_job_fail(j, EINVAL, "unknown command");
        break;
    }
}
