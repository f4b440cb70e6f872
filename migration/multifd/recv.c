/*
 * Multifd on the destination.
 *
 * Each channel has a thread that reads packets and puts pages where they
 * belong: plain ones straight from the socket into guest memory. Nothing of a
 * packet is believed before it was checked against the block.
 *
 * The setup section, which has the list of blocks, ends with a sync: pages
 * before the first one are refused, so that no thread looks at blocks while
 * the list is loaded.
 *
 * SYNC: a channel that has read its SYNC counts itself and waits for the next
 * generation; multifd_recv_sync() waits until all have counted and begins it.
 *
 * A channel may end between two packets, in whatever way: the source does so
 * when it has finished, maybe long before the main stream is loaded. It is an
 * error only if another SYNC is expected of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/compress.h"
#include "migration/multifd/multifd.h"
#include "migration/ram/near.h"
#include "migration/ram/page-zero.h"
#include "trace/trace-migration.h"
#include "util/lockable.h"
#include "util/thread.h"

/* The main stream waits so long for channels that have not come. */
#define COME_LIMIT_MS 30000
/* ... and looks so often whether there is a source any more. If not, those that
 * have connected are still to be accepted: it may have sent all and gone. */
#define COME_LOOK_MS  100
#define COME_ENDED_MS 2000

typedef struct RecvChannel {
    MultiFDRecv *r;
    unsigned id;
    QemuThread thread;
    bool running;    /* the thread was made and not joined; under lock */
    int tid;         /* of it while it lives, else 0; under lock */
    NearPin pin;     /* of it; under lock */
    QIOChannel *ioc; /* reference; set before the thread is made */

    /* The thread's own. */
    MultiFDStream *stream[MULTIFD_METHODS]; /* made when one is met; owned */
    MultiFDPacket packet;
    uint8_t header[MULTIFD_HEADER_SIZE];
    uint8_t *blob; /* owned; NULL before the first compressed packet */
} RecvChannel;

struct MultiFDRecv {
    MultiFDRecvConfig config; /* constant */
    RecvChannel *channel;     /* config.channels of them; owned */
    bool open;  /* atomic: pages may come: the list of blocks was loaded */
    bool quiet; /* atomic: no pages may come any more */

    QemuMutex lock; /* guards all below, running and the coming of channels */
    QemuCond cond;  /* anything below changed */
    unsigned come;  /* channels there are */
    unsigned synced;
    unsigned generation;
    unsigned ended; /* channels that ended between two packets */
    Error *end_err; /* why the first of them did; owned */
    bool stopped;   /* channels are shut down; their ends are no errors */
    Error *err;     /* the first; owned */
};

/* -- ending -------------------------------------------------------------------- */

/* With the lock. */
static void recv_stop(MultiFDRecv *r)
{
    r->stopped = true;
    for (unsigned i = 0; i < r->config.channels; i++) {
        if (r->channel[i].ioc) {
            qio_channel_shutdown(r->channel[i].ioc, QIO_CHANNEL_SHUTDOWN_BOTH,
                                 NULL);
        }
    }
    qemu_cond_broadcast(&r->cond);
}

/* Owns @err. Returns: true if it is the first and not our own doing. */
static bool recv_fail(MultiFDRecv *r, Error *err)
{
    QEMU_LOCK_GUARD(&r->lock);
    if (r->stopped) {
        error_free(err);
        return false;
    }
    r->err = err;
    recv_stop(r);
    return true;
}

void multifd_recv_cancel(MultiFDRecv *r, Error *err)
{
    if (!err) {
        error_setg(&err, "migration was cancelled");
    }
    recv_fail(r, err);
}

static void recv_join(MultiFDRecv *r)
{
    for (unsigned i = 0; i < r->config.channels; i++) {
        RecvChannel *c = &r->channel[i];
        bool running;

        WITH_QEMU_LOCK_GUARD(&r->lock)
        {
            running = c->running;
            c->running = false;
        }
        if (running) {
            qemu_thread_join(&c->thread);
        }
    }
}

bool multifd_recv_finish(MultiFDRecv *r, Error **errp)
{
    WITH_QEMU_LOCK_GUARD(&r->lock)
    {
        recv_stop(r);
    }
    recv_join(r);
    if (r->err) {
        error_propagate(errp, error_copy(r->err));
        return false;
    }
    return true;
}

void multifd_recv_free(MultiFDRecv *r)
{
    if (!r) {
        return;
    }
    multifd_recv_cancel(r, NULL);
    recv_join(r);
    for (unsigned i = 0; i < r->config.channels; i++) {
        if (r->channel[i].ioc) {
            qio_channel_close(r->channel[i].ioc, NULL);
            object_unref(OBJECT(r->channel[i].ioc));
        }
    }
    error_free(r->end_err);
    error_free(r->err);
    qemu_cond_destroy(&r->cond);
    qemu_mutex_destroy(&r->lock);
    g_free(r->channel);
    g_free(r);
}

/* -- pages --------------------------------------------------------------------- */

/* The block of the packet, if all its pages lie in it. */
static RAMBlock *packet_block(RecvChannel *c, Error **errp)
{
    const MultiFDRecvConfig *config = &c->r->config;
    const MultiFDPacket *p = &c->packet;
    RAMBlock *rb;

    if (!qatomic_load_acquire(&c->r->open)) {
        error_setg(errp, "pages of '%s' came before the list of RAM blocks",
                   p->block);
        return NULL;
    }
    if (qatomic_load_acquire(&c->r->quiet)) {
        error_setg(errp, "pages of '%s' came after the pre-copy phase",
                   p->block);
        return NULL;
    }
    rb = config->block(config->opaque, p->block, errp);
    if (!rb) {
        return NULL;
    }
    for (unsigned i = 0; i < p->normal + p->zero; i++) {
        if (!ram_block_has_range(rb, p->offset[i], RAM_PAGE_SIZE)) {
            error_setg(errp,
                       "page 0x%" PRIx64
                       " is not in RAM block '%s' of 0x%" PRIx64 " bytes",
                       p->offset[i], rb->idstr, rb->used_length);
            return NULL;
        }
    }
    return rb;
}

/* Where the packet's pages go, neighbours joined. Returns: pieces. */
static unsigned packet_pieces(RecvChannel *c, RAMBlock *rb, struct iovec *iov)
{
    const MultiFDRecvConfig *config = &c->r->config;
    const MultiFDPacket *p = &c->packet;
    unsigned n = 0;

    for (unsigned i = 0; i < p->normal; i++) {
        if (n > 0 && p->offset[i] == p->offset[i - 1] + RAM_PAGE_SIZE) {
            iov[n - 1].iov_len += RAM_PAGE_SIZE;
        } else {
            iov[n++] = (struct iovec){ rb->host + p->offset[i], RAM_PAGE_SIZE };
        }
    }
    for (unsigned i = 0; i < n && config->populate; i++) {
        config->populate(config->opaque, rb,
                         (uint8_t *)iov[i].iov_base - rb->host, iov[i].iov_len);
    }
    return n;
}

static bool pages_read(RecvChannel *c, const struct iovec *iov, unsigned n,
                       Error **errp)
{
    int ret;

    qio_channel_set_cold_reads(c->ioc, true);
    ret = qio_channel_readv_all(c->ioc, iov, n, errp);
    qio_channel_set_cold_reads(c->ioc, false);
    return ret == 0;
}

static bool blob_read(RecvChannel *c, const struct iovec *iov, unsigned n,
                      Error **errp)
{
    const MultiFDPacket *p = &c->packet;
    const MultiFDCodec *codec = multifd_codec(p->method);
    MultiFDStream **stream = &c->stream[p->method];

    if (!*stream) {
        *stream = codec->decoder(errp);
        if (!*stream) {
            return false;
        }
    }
    if (!c->blob) {
        c->blob = g_malloc(MULTIFD_BLOB_MAX);
    }
    return qio_channel_read_all(c->ioc, (char *)c->blob, p->data_bytes, errp) ==
               0 &&
           codec->decode(*stream, c->blob, p->data_bytes, iov, n, errp);
}

static void zero_default(RAMBlock *rb, const uint64_t *offset, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!page_is_zero(rb->host + offset[i])) {
            memset(rb->host + offset[i], 0, RAM_PAGE_SIZE);
        }
    }
}

static bool packet_place(RecvChannel *c, Error **errp)
{
    const MultiFDRecvConfig *config = &c->r->config;
    const MultiFDPacket *p = &c->packet;
    struct iovec iov[MULTIFD_PAGES_MAX];
    RAMBlock *rb = packet_block(c, errp);
    unsigned n;

    if (!rb) {
        return false;
    }
    if (p->normal > 0) {
        n = packet_pieces(c, rb, iov);
        if (p->method != MULTIFD_METHOD_NONE ? !blob_read(c, iov, n, errp)
                                             : !pages_read(c, iov, n, errp)) {
            return false;
        }
        if (config->placed) {
            config->placed(config->opaque, rb, p->offset, p->normal);
        }
    }
    if (p->zero > 0 && config->place_zero) {
        config->place_zero(config->opaque, rb, p->offset + p->normal, p->zero);
    } else if (p->zero > 0) {
        zero_default(rb, p->offset + p->normal, p->zero);
    }
    return true;
}

/* -- the thread ---------------------------------------------------------------- */

/* SYNC was read. Returns: false = it is over. */
static bool channel_sync(MultiFDRecv *r)
{
    unsigned generation;

    QEMU_LOCK_GUARD(&r->lock);
    generation = r->generation;
    r->synced++;
    qemu_cond_broadcast(&r->cond);
    while (generation == r->generation && !r->stopped) {
        qemu_cond_wait(&r->cond, &r->lock);
    }
    return !r->stopped;
}

/* The channel ends here; @err says why, NULL: orderly. */
static void channel_end(RecvChannel *c, Error *err)
{
    MultiFDRecv *r = c->r;

    if (!err) {
        error_setg(&err, "source ended the connection");
    }
    trace_multifd_recv_end(c->id, error_get_pretty(err));
    error_prepend(&err, "multifd channel %u: ", c->id);
    QEMU_LOCK_GUARD(&r->lock);
    r->ended++;
    if (r->end_err) {
        error_free(err);
    } else {
        r->end_err = err;
    }
    qemu_cond_broadcast(&r->cond);
}

static bool channel_run(RecvChannel *c, Error **errp)
{
    for (;;) {
        Error *err = NULL;

        if (qio_channel_read_all_eof(c->ioc, (char *)c->header,
                                     sizeof(c->header), &err) <= 0) {
            channel_end(c, err);
            return true;
        }
        if (!multifd_packet_decode(&c->packet, c->header, errp)) {
            return false;
        }
        if (c->packet.normal + c->packet.zero > 0 && !packet_place(c, errp)) {
            return false;
        }
        if (c->packet.sync && !channel_sync(c->r)) {
            return true;
        }
    }
}

static void channel_note_tid(RecvChannel *c, int tid)
{
    QEMU_LOCK_GUARD(&c->r->lock);
    c->tid = tid;
}

static void *recv_thread(void *opaque)
{
    RecvChannel *c = opaque;
    MultiFDRecv *r = c->r;
    Error *err = NULL;

    channel_note_tid(c, qemu_get_thread_id());
    if (!channel_run(c, &err)) {
        g_autoptr(Error) copy = NULL;

        trace_multifd_recv_end(c->id, error_get_pretty(err));
        error_prepend(&err, "multifd channel %u: ", c->id);
        copy = error_copy(err);
        if (recv_fail(r, err) && r->config.on_error) {
            r->config.on_error(r->config.opaque, g_steal_pointer(&copy));
        }
    }
    for (unsigned i = 0; i < MULTIFD_METHODS; i++) {
        g_clear_pointer(&c->stream[i], multifd_stream_free);
    }
    g_clear_pointer(&c->blob, g_free);
    channel_note_tid(c, 0);
    return NULL;
}

/* -- beginning ----------------------------------------------------------------- */

MultiFDRecv *multifd_recv_new(const MultiFDRecvConfig *config, Error **errp)
{
    MultiFDRecv *r;

    if (config->channels < 1 || config->channels > MULTIFD_CHANNELS_MAX) {
        error_setg(errp, "%u multifd channels, not 1 to %u", config->channels,
                   MULTIFD_CHANNELS_MAX);
        return NULL;
    }
    r = g_new0(MultiFDRecv, 1);
    r->config = *config;
    r->channel = g_new0(RecvChannel, config->channels);
    for (unsigned i = 0; i < config->channels; i++) {
        r->channel[i].r = r;
        r->channel[i].id = i;
    }
    qemu_mutex_init(&r->lock);
    qemu_cond_init(&r->cond);
    return r;
}

/* With the lock. */
static bool hello_check(MultiFDRecv *r, const MultiFDHello *hello, Error **errp)
{
    if (memcmp(hello->uuid, r->config.uuid, sizeof(hello->uuid)) != 0) {
        error_setg(errp, "multifd channel %u is of a guest with another UUID",
                   hello->id);
        return false;
    }
    if (hello->id >= r->config.channels) {
        error_setg(errp, "multifd channel %u: only %u are expected", hello->id,
                   r->config.channels);
        return false;
    }
    if (r->channel[hello->id].ioc) {
        error_setg(errp, "multifd channel %u came twice", hello->id);
        return false;
    }
    if (r->err) {
        error_propagate(errp, error_copy(r->err));
        return false;
    }
    if (r->stopped) {
        error_setg(errp, "multifd channel %u came after the end", hello->id);
        return false;
    }
    return true;
}

bool multifd_recv_add_channel(MultiFDRecv *r, QIOChannel *ioc,
                              const uint8_t *buf, Error **errp)
{
    g_autofree char *name = NULL;
    MultiFDHello hello;
    RecvChannel *c;
    int ret;

    if (!multifd_hello_decode(&hello, buf, errp)) {
        return false;
    }
    QEMU_LOCK_GUARD(&r->lock);
    if (!hello_check(r, &hello, errp)) {
        return false;
    }
    c = &r->channel[hello.id];
    c->ioc = ioc;
    name = g_strdup_printf("mig/dst/recv_%u", hello.id);
    ret = qemu_thread_try_create(&c->thread, name, recv_thread, c,
                                 QEMU_THREAD_JOINABLE);
    if (ret < 0) {
        c->ioc = NULL;
        error_setg_errno(errp, -ret,
                         "cannot make the thread of multifd channel %u",
                         hello.id);
        return false;
    }
    object_ref(OBJECT(ioc));
    trace_multifd_recv_channel(c->id);
    c->running = true;
    r->come++;
    qemu_cond_broadcast(&r->cond);
    return true;
}

bool multifd_recv_has_all(MultiFDRecv *r)
{
    QEMU_LOCK_GUARD(&r->lock);
    return r->come == r->config.channels;
}

/* -- the main stream's side ---------------------------------------------------- */

/* With the lock: why no SYNC can come from all channels. */
static bool sync_possible(MultiFDRecv *r, Error **errp)
{
    if (r->err) {
        error_propagate(errp, error_copy(r->err));
        return false;
    }
    if (r->stopped) {
        error_setg(errp, "multifd channels have ended");
        return false;
    }
    if (r->synced < r->config.channels && r->ended > 0) {
        error_propagate(errp, error_copy(r->end_err));
        return false;
    }
    return true;
}

/* With the lock: wait until all channels are there. */
static bool sync_wait_come(MultiFDRecv *r, Error **errp)
{
    gint64 end_us = g_get_monotonic_time() + COME_LIMIT_MS * INT64_C(1000);
    bool ended = false;

    while (r->come < r->config.channels && sync_possible(r, errp)) {
        gint64 now_us = g_get_monotonic_time();

        if (now_us >= end_us) {
            error_setg(errp, "only %u of %u multifd channels came%s", r->come,
                       r->config.channels,
                       ended ? " before the source went" : "");
            return false;
        }
        qemu_cond_timedwait(&r->cond, &r->lock,
                            MIN((end_us - now_us) / 1000 + 1, COME_LOOK_MS));
        if (!ended && r->config.main_ended &&
            r->config.main_ended(r->config.opaque)) {
            ended = true;
            end_us = MIN(end_us, g_get_monotonic_time() +
                                     COME_ENDED_MS * INT64_C(1000));
        }
    }
    return r->come == r->config.channels;
}

bool multifd_recv_sync(MultiFDRecv *r, Error **errp)
{
    QEMU_LOCK_GUARD(&r->lock);
    if (!sync_wait_come(r, errp)) {
        return false;
    }
    while (sync_possible(r, errp)) {
        if (r->synced == r->config.channels) {
            r->synced = 0;
            r->generation++;
            trace_multifd_recv_synced(r->generation);
            qatomic_store_release(&r->open, true);
            qemu_cond_broadcast(&r->cond);
            return true;
        }
        qemu_cond_wait(&r->cond, &r->lock);
    }
    return false;
}

bool multifd_recv_pin(MultiFDRecv *r, unsigned id, unsigned cpu)
{
    RecvChannel *c = id < r->config.channels ? &r->channel[id] : NULL;

    QEMU_LOCK_GUARD(&r->lock);
    return !c || !c->tid || near_pin(&c->pin, c->tid, cpu);
}

void multifd_recv_unpin(MultiFDRecv *r)
{
    QEMU_LOCK_GUARD(&r->lock);
    for (unsigned i = 0; i < r->config.channels; i++) {
        near_unpin(&r->channel[i].pin, r->channel[i].tid);
    }
}

void multifd_recv_quiet(MultiFDRecv *r)
{
    qatomic_store_release(&r->quiet, true);
}
