/*
 * Multifd on the source: channels as a whole.
 *
 * Ending: a failure or a cancel is stored in the queue, which wakes whoever
 * waits there, and all channels are shut down, which wakes whoever waits in
 * the kernel. A channel that is being connected at that moment is shut down
 * when it comes. What waits for the pacer is woken by pacer_stop(), which is
 * the business of whoever cancels the migration.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/multifd.h"
#include "migration/multifd/send-internal.h"
#include "migration/stats.h"
#include "trace/trace-migration.h"
#include "util/lockable.h"

/* -- ending -------------------------------------------------------------------- */

static void channels_shutdown(MultiFDSend *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    s->stopped = true;
    for (unsigned i = 0; i < s->config.channels; i++) {
        if (s->channel[i].ioc) {
            qio_channel_shutdown(s->channel[i].ioc, QIO_CHANNEL_SHUTDOWN_BOTH,
                                 NULL);
        }
    }
}

void multifd_send_fail(MultiFDSend *s, Error *err)
{
    g_autoptr(Error) copy = error_copy(err);
    bool first = multifd_queue_fail(&s->queue, err);

    trace_multifd_send_failed(error_get_pretty(copy));
    channels_shutdown(s);
    if (first && s->config.on_error) {
        s->config.on_error(s->config.opaque, g_steal_pointer(&copy));
    }
}

bool multifd_send_take_channel(MultiFDSendChannel *c, QIOChannel *ioc)
{
    QEMU_LOCK_GUARD(&c->s->lock);
    c->ioc = ioc;
    return !c->s->stopped;
}

void multifd_send_cancel(MultiFDSend *s, Error *err)
{
    if (!err) {
        error_setg(&err, "migration was cancelled");
    }
    multifd_queue_fail(&s->queue, err);
    channels_shutdown(s);
}

static void threads_join(MultiFDSend *s)
{
    for (unsigned i = 0; i < s->config.channels; i++) {
        MultiFDSendChannel *c = &s->channel[i];

        if (c->running) {
            qemu_thread_join(&c->thread);
            c->running = false;
        }
    }
}

bool multifd_send_finish(MultiFDSend *s, Error **errp)
{
    multifd_queue_end(&s->queue);
    threads_join(s);
    return multifd_queue_check(&s->queue, errp);
}

/*
 * What the peer has sent (TLS session tickets) must be read before the close,
 * or TCP would throw away what is not sent yet.
 */
static void channel_drain(QIOChannel *ioc)
{
    char buf[512];

    if (qio_channel_set_blocking(ioc, false, NULL) == 0) {
        while (qio_channel_read(ioc, buf, sizeof(buf), NULL) > 0) {
        }
    }
}

void multifd_send_free(MultiFDSend *s)
{
    bool orderly;

    if (!s) {
        return;
    }
    orderly = s->synced && multifd_send_finish(s, NULL);
    if (!orderly) {
        multifd_send_cancel(s, NULL);
        threads_join(s);
    }
    for (unsigned i = 0; i < s->config.channels && orderly; i++) {
        channel_drain(s->channel[i].ioc);
    }
    for (unsigned i = 0; i < s->config.channels; i++) {
        if (s->channel[i].ioc) {
            s->config.close(s->config.opaque, s->channel[i].ioc);
        }
    }
    multifd_queue_destroy(&s->queue);
    qemu_mutex_destroy(&s->lock);
    g_free(s->channel);
    g_free(s);
}

/* -- beginning ----------------------------------------------------------------- */

/* Can this method be had, at this level? */
static bool method_check(MultiFDMethod method, int level, Error **errp)
{
    const MultiFDCodec *codec = multifd_codec(method);
    MultiFDStream *probe;

    if (!codec) {
        return true;
    }
    if (level < codec->level_min || level > codec->level_max) {
        error_setg(errp, "multifd %s level %d is not in %d to %d", codec->name,
                   level, codec->level_min, codec->level_max);
        return false;
    }
    probe = codec->encoder(level, errp);
    multifd_stream_free(probe);
    return probe != NULL;
}

static bool threads_start(MultiFDSend *s, Error **errp)
{
    for (unsigned i = 0; i < s->config.channels; i++) {
        MultiFDSendChannel *c = &s->channel[i];
        g_autofree char *name = g_strdup_printf("mig/src/send_%u", i);
        int ret;

        c->s = s;
        c->id = i;
        ret = qemu_thread_try_create(&c->thread, name, multifd_send_thread, c,
                                     QEMU_THREAD_JOINABLE);
        if (ret < 0) {
            error_setg_errno(errp, -ret,
                             "cannot make the thread of multifd channel %u", i);
            return false;
        }
        c->running = true;
    }
    return true;
}

MultiFDSend *multifd_send_new(const MultiFDSendConfig *config, Error **errp)
{
    g_autoptr(MultiFDSend) s = NULL;

    if (config->channels < 1 || config->channels > MULTIFD_CHANNELS_MAX) {
        error_setg(errp, "%u multifd channels, not 1 to %u", config->channels,
                   MULTIFD_CHANNELS_MAX);
        return NULL;
    }
    if (config->zero_copy && config->method != MULTIFD_METHOD_NONE) {
        error_setg(errp, "zero copy does not go with multifd compression");
        return NULL;
    }
    if (!method_check(config->method, config->level, errp)) {
        return NULL;
    }
    s = g_new0(MultiFDSend, 1);
    s->config = *config;
    s->paced = true;
    s->channel = g_new0(MultiFDSendChannel, config->channels);
    qemu_mutex_init(&s->lock);
    multifd_queue_init(&s->queue, config->channels);
    if (!threads_start(s, errp)) {
        return NULL;
    }
    return g_steal_pointer(&s);
}

/* -- use ----------------------------------------------------------------------- */

bool multifd_send_run(MultiFDSend *s, RAMBlock *rb, uint64_t offset, uint64_t n,
                      Error **errp)
{
    s->synced = false;
    return multifd_queue_add(&s->queue, rb, offset, n, errp);
}

bool multifd_send_page(MultiFDSend *s, RAMBlock *rb, uint64_t offset,
                       Error **errp)
{
    return multifd_send_run(s, rb, offset, 1, errp);
}

bool multifd_send_sync(MultiFDSend *s, Error **errp)
{
    s->synced = multifd_queue_sync(&s->queue, errp);
    trace_multifd_send_synced(stats_get(&s->config.stats->packets),
                              stats_get(&s->config.stats->wire_bytes));
    return s->synced;
}

bool multifd_send_set_method(MultiFDSend *s, MultiFDMethod method, int level,
                             Error **errp)
{
    if (s->config.zero_copy && method != MULTIFD_METHOD_NONE) {
        error_setg(errp, "zero copy does not go with multifd compression");
        return false;
    }
    if (!method_check(method, level, errp)) {
        return false;
    }
    /* The threads see it with the next batch, which comes under a lock. */
    s->config.method = method;
    s->config.level = level;
    return true;
}

void multifd_send_set_paced(MultiFDSend *s, bool paced)
{
    qatomic_set(&s->paced, paced);
}

unsigned multifd_send_channels(const MultiFDSend *s)
{
    return s->config.channels;
}

bool multifd_send_pin(MultiFDSend *s, unsigned id, unsigned cpu)
{
    MultiFDSendChannel *c = &s->channel[id];

    QEMU_LOCK_GUARD(&s->lock);
    return near_pin(&c->pin, c->tid, cpu);
}

void multifd_send_unpin(MultiFDSend *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    for (unsigned i = 0; i < s->config.channels; i++) {
        near_unpin(&s->channel[i].pin, s->channel[i].tid);
    }
}

uint64_t multifd_send_pending(MultiFDSend *s)
{
    return multifd_queue_pending(&s->queue);
}
