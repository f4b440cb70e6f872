/*
 * The thread of one multifd channel on the source.
 *
 * A batch becomes one packet: zero pages are sorted out, neighbours among the
 * others become one piece of an iovec, so that a run of guest memory leaves in
 * one write (and one TLS record is full); or they are compressed into a blob.
 * Header and data go out together, in pieces of the pacer's size.
 *
 * With zero copy the kernel sends from guest memory, but the header's memory is
 * used again for the next packet, so it goes the copying way. Pages may change
 * while they are sent: then they are dirty and come again in the next pass.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/send-internal.h"
#include "migration/ram/page-zero.h"
#include "migration/stats.h"
#include "trace/trace-migration.h"
#include "util/iov.h"
#include "util/lockable.h"

/* One run of pages may follow the header. */
#define PIECES_MAX (1 + MULTIFD_PAGES_MAX)

/* -- a batch -> pages of a packet ---------------------------------------------- */

/* Sort @b's pages into @p: those with data first. */
static void batch_sort(const MultiFDBatch *b, bool find_zero, MultiFDPacket *p)
{
    uint64_t zero[MULTIFD_PAGES_MAX];

    p->normal = p->zero = 0;
    for (unsigned i = 0; i < b->n; i++) {
        if (find_zero && page_is_zero(b->rb->host + b->offset[i])) {
            zero[p->zero++] = b->offset[i];
        } else {
            p->offset[p->normal++] = b->offset[i];
        }
    }
    memcpy(p->offset + p->normal, zero, p->zero * sizeof(zero[0]));
}

/* The pages with data, neighbours joined. Returns: pieces. */
static unsigned packet_pieces(const MultiFDPacket *p, const RAMBlock *rb,
                              struct iovec *iov)
{
    unsigned n = 0;

    for (unsigned i = 0; i < p->normal; i++) {
        if (n > 0 && p->offset[i] == p->offset[i - 1] + RAM_PAGE_SIZE) {
            iov[n - 1].iov_len += RAM_PAGE_SIZE;
        } else {
            iov[n++] = (struct iovec){ rb->host + p->offset[i], RAM_PAGE_SIZE };
        }
    }
    return n;
}

/* -- writing ------------------------------------------------------------------- */

static bool part_write(MultiFDSendChannel *c, const struct iovec *iov,
                       unsigned n, size_t bytes, int flags, Error **errp)
{
    if (qio_channel_writev_full_all(c->ioc, iov, n, NULL, 0, flags, errp) < 0) {
        return false;
    }
    stats_add(&c->s->config.stats->wire_bytes, bytes);
    return true;
}

/* Write, and wait for the pacer's leave before each part. @iov is changed. */
static bool channel_write(MultiFDSendChannel *c, struct iovec *iov, unsigned n,
                          int flags, Error **errp)
{
    Pacer *pacer = c->s->config.pacer;
    size_t left = iov_size(iov, n);

    if (!pacer || !qatomic_read(&c->s->paced)) {
        return part_write(c, iov, n, left, flags, errp);
    }
    while (left > 0) {
        struct iovec part[PIECES_MAX];
        size_t bytes = MIN(left, pacer_quantum(pacer));
        unsigned parts = iov_copy(part, PIECES_MAX, iov, n, 0, bytes);

        if (!pacer_charge(pacer, bytes)) {
            error_setg(errp, "migration was stopped");
            return false;
        }
        if (!part_write(c, part, parts, bytes, flags, errp)) {
            return false;
        }
        iov_discard_front(&iov, &n, bytes);
        left -= bytes;
    }
    return true;
}

/* Header and @n pieces of data at iov[1] on. */
static bool packet_write(MultiFDSendChannel *c, struct iovec *iov, unsigned n,
                         Error **errp)
{
    bool zero_copy = c->s->config.zero_copy && n > 0;

    c->packet.num = qatomic_fetch_inc(&c->s->packet_num);
    multifd_packet_encode(&c->packet, c->header);
    iov[0] = (struct iovec){ c->header, sizeof(c->header) };
    if (!zero_copy) {
        return channel_write(c, iov, 1 + n, 0, errp);
    }
    c->zero_copied = true;
    return channel_write(c, iov, 1, 0, errp) &&
           channel_write(c, iov + 1, n, QIO_CHANNEL_WRITE_FLAG_ZERO_COPY, errp);
}

/* -- compression --------------------------------------------------------------- */

/* Follow a change of the method, which happens between two passes. */
static bool channel_set_method(MultiFDSendChannel *c, Error **errp)
{
    MultiFDMethod method = c->s->config.method;
    const MultiFDCodec *codec = multifd_codec(method);
    int level = c->s->config.level;

    if (method == c->method && level == c->level) {
        return true;
    }
    g_clear_pointer(&c->stream, multifd_stream_free);
    c->method = method;
    c->level = level;
    if (!codec) {
        return true;
    }
    if (!c->blob) {
        c->blob = g_malloc(MULTIFD_BLOB_MAX);
    }
    c->stream = codec->encoder(level, errp);
    return c->stream != NULL;
}

static int64_t thread_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* -- packets ------------------------------------------------------------------- */

static void packet_count(MultiFDSendChannel *c, int64_t cpu_ns)
{
    MigrationMethodStats *method = c->s->config.method_stats;
    MultiFDStats *stats = c->s->config.stats;
    const MultiFDPacket *p = &c->packet;

    stats_add(&stats->packets, 1);
    if (p->normal + p->zero == 0) {
        return;
    }
    stats_add(&stats->normal_pages, p->normal);
    stats_add(&stats->zero_pages, p->zero);
    stats_add(&stats->cpu_ns, cpu_ns);
    if (method) {
        stats_add(&method->bytes_out, MULTIFD_HEADER_SIZE + p->data_bytes);
        stats_add(&method->cpu_ns, cpu_ns);
    }
    if (p->method != MULTIFD_METHOD_NONE) {
        stats_add(&stats->compress_in, p->normal * RAM_PAGE_SIZE);
        stats_add(&stats->compress_out, p->data_bytes);
    }
}

static bool batch_send(MultiFDSendChannel *c, const MultiFDBatch *b,
                       Error **errp)
{
    MultiFDPacket *p = &c->packet;
    struct iovec iov[PIECES_MAX];
    int64_t start_ns = thread_cpu_ns();
    unsigned n;

    p->sync = false;
    g_strlcpy(p->block, b->rb->idstr, sizeof(p->block));
    if (!channel_set_method(c, errp)) {
        return false;
    }
    p->method = c->method;
    batch_sort(b, c->s->config.find_zero, p);
    p->data_bytes = p->normal * RAM_PAGE_SIZE;
    n = packet_pieces(p, b->rb, iov + 1);
    if (c->stream && n > 0) {
        p->data_bytes =
            c->stream->codec->encode(c->stream, iov + 1, n, c->blob, errp);
        if (p->data_bytes == 0) {
            return false;
        }
        iov[1] = (struct iovec){ c->blob, p->data_bytes };
        n = 1;
    }
    if (!packet_write(c, iov, n, errp)) {
        return false;
    }
    packet_count(c, thread_cpu_ns() - start_ns);
    return true;
}

/* The kernel may still read pages that were sent: wait until it has done. */
static bool channel_flush(MultiFDSendChannel *c, Error **errp)
{
    int ret;

    if (!c->zero_copied) {
        return true;
    }
    c->zero_copied = false;
    ret = qio_channel_flush(c->ioc, errp);
    if (ret > 0) {
        stats_add(&c->s->config.stats->zero_copy_missed, 1);
    }
    return ret >= 0;
}

static bool sync_send(MultiFDSendChannel *c, Error **errp)
{
    struct iovec iov[1];

    if (!channel_flush(c, errp)) {
        return false;
    }
    c->packet.sync = true;
    c->packet.method = MULTIFD_METHOD_NONE;
    c->packet.normal = c->packet.zero = c->packet.data_bytes = 0;
    c->packet.block[0] = '\0';
    if (!packet_write(c, iov, 0, errp)) {
        return false;
    }
    packet_count(c, 0);
    return true;
}

/* -- the thread ---------------------------------------------------------------- */

static bool channel_start(MultiFDSendChannel *c, Error **errp)
{
    const MultiFDSendConfig *config = &c->s->config;
    MultiFDHello hello = { .id = c->id };
    uint8_t buf[MULTIFD_HELLO_SIZE];
    QIOChannel *ioc;

    ioc = config->open(config->opaque, c->id, errp);
    if (!ioc) {
        return false;
    }
    if (!multifd_send_take_channel(c, ioc)) {
        error_setg(errp, "migration was stopped");
        return false;
    }
    if (config->zero_copy &&
        !qio_channel_has_feature(ioc, QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY)) {
        error_setg(errp, "zero copy is not possible on this connection");
        return false;
    }
    trace_multifd_send_open(c->id);
    memcpy(hello.uuid, config->uuid, sizeof(hello.uuid));
    multifd_hello_encode(&hello, buf);
    return qio_channel_write_all(ioc, (char *)buf, sizeof(buf), errp) == 0;
}

static bool channel_run(MultiFDSendChannel *c, Error **errp)
{
    MultiFDQueue *q = &c->s->queue;
    MultiFDBatch *b;
    unsigned seen = 0;

    if (!channel_start(c, errp)) {
        return false;
    }
    for (;;) {
        switch (multifd_queue_pop(q, &seen, &b)) {
        case MULTIFD_WORK_BATCH:
            if (!batch_send(c, b, errp)) {
                return false;
            }
            multifd_queue_done(q, b);
            break;
        case MULTIFD_WORK_SYNC:
            if (!sync_send(c, errp)) {
                return false;
            }
            multifd_queue_synced(q);
            break;
        case MULTIFD_WORK_END:
            return true;
        }
    }
}

static void channel_note_tid(MultiFDSendChannel *c, int tid)
{
    QEMU_LOCK_GUARD(&c->s->lock);
    c->tid = tid;
}

void *multifd_send_thread(void *opaque)
{
    MultiFDSendChannel *c = opaque;
    Error *err = NULL;

    channel_note_tid(c, qemu_get_thread_id());
    if (!channel_run(c, &err)) {
        error_prepend(&err, "multifd channel %u: ", c->id);
        multifd_send_fail(c->s, err);
    }
    g_clear_pointer(&c->stream, multifd_stream_free);
    g_clear_pointer(&c->blob, g_free);
    channel_note_tid(c, 0);
    return NULL;
}
