/*
 * The recovery of a post-copy: a peer that is there and says nothing.
 *
 * Both sides wait for each other's answers there, in whichever thread reads the
 * channel. Bitmaps of a large guest take their time on a slow link, so what is
 * limited is silence, not the whole recovery.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/limit.h"

#include "util/lockable.h"
#include "util/thread.h"
#include "util/timer.h"

/* Times to look while the limit runs. */
#define LIMIT_LOOKS 16

struct PostcopyLimit {
    QIOChannel *ioc; /* reference */
    const char *peer;
    uint64_t limit_ms;
    uint64_t (*progress)(void *opaque);
    void *opaque;
    QemuThread thread;
    Error *why; /* the thread's, until it has ended */

    QemuMutex lock; /* guards what follows; a leaf */
    QemuCond cond;
    bool stop;
};

/* Returns: it was told to stop. */
static bool limit_sleep(PostcopyLimit *l)
{
    QEMU_LOCK_GUARD(&l->lock);
    if (!l->stop) {
        qemu_cond_timedwait(&l->cond, &l->lock,
                            (int)(l->limit_ms / LIMIT_LOOKS + 1));
    }
    return l->stop;
}

static void *limit_thread(void *opaque)
{
    PostcopyLimit *l = opaque;
    uint64_t seen = l->progress(l->opaque);
    int64_t since_ns = get_clock();

    while (!limit_sleep(l)) {
        uint64_t now = l->progress(l->opaque);

        if (now != seen) {
            seen = now;
            since_ns = get_clock();
        } else if (get_clock() - since_ns >= (int64_t)l->limit_ms * SCALE_MS) {
            error_setg(&l->why,
                       "the recovery was given up: the %s has said nothing for "
                       "%" PRIu64 " milliseconds (migration.x-recovery-limit)",
                       l->peer, l->limit_ms);
            qio_channel_shutdown(l->ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
            return NULL;
        }
    }
    return NULL;
}

PostcopyLimit *postcopy_limit_new(QIOChannel *ioc, const char *peer,
                                  uint64_t limit_ms,
                                  uint64_t (*progress)(void *opaque),
                                  void *opaque)
{
    PostcopyLimit *l;

    if (!limit_ms) {
        return NULL;
    }
    l = g_new0(PostcopyLimit, 1);
    l->ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    l->peer = peer;
    l->limit_ms = limit_ms;
    l->progress = progress;
    l->opaque = opaque;
    qemu_mutex_init(&l->lock);
    qemu_cond_init(&l->cond);
    qemu_thread_create(&l->thread, "postcopy/limit", limit_thread, l,
                       QEMU_THREAD_JOINABLE);
    return l;
}

Error *postcopy_limit_free(PostcopyLimit *l)
{
    Error *why;

    if (!l) {
        return NULL;
    }
    WITH_QEMU_LOCK_GUARD(&l->lock)
    {
        l->stop = true;
        qemu_cond_signal(&l->cond);
    }
    qemu_thread_join(&l->thread);
    why = l->why;
    qemu_cond_destroy(&l->cond);
    qemu_mutex_destroy(&l->lock);
    object_unref(OBJECT(l->ioc));
    g_free(l);
    return why;
}
