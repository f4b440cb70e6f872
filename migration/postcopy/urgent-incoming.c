/*
 * The channel of urgent pages, on the destination; see postcopy/urgent.c.
 *
 * It has a thread of its own for each connection, from the moment it comes. That
 * tells the source so, which may block (a source that does not read), and waits
 * for there being something to listen for. Until the source says that pages will
 * come on it, its end is of no importance: the source may have given it up.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/incoming.h"
#include "migration/postcopy/postcopy.h"
#include "migration/postcopy/thread.h"
#include "migration/qemu-file.h"
#include "migration/return/sender.h"
#include "migration/source/source.h"
#include "migration/transport/transport.h"
#include "util/lockable.h"

static bool urgent_is_capability(const MigrationIncoming *mis)
{
    return migrate_cap(mis->ms, MIGRATION_CAPABILITY_POSTCOPY_PREEMPT);
}

bool postcopy_urgent_is_wanted(const PostcopyIncoming *pi)
{
    return pi->urgent_used || urgent_is_capability(pi->mis);
}

bool postcopy_urgent_awaited(const PostcopyIncoming *pi)
{
    return postcopy_urgent_is_wanted(pi) && !pi->quit && !pi->urgent_complete &&
           pi->urgent != URGENT_ENDED;
}

bool postcopy_urgent_is_over(const PostcopyIncoming *pi)
{
    return !pi->quit &&
           (!postcopy_urgent_is_wanted(pi) || pi->urgent == URGENT_NONE ||
            (pi->urgent == URGENT_ENDED && pi->urgent_complete));
}

/* -- reading ------------------------------------------------------------------ */

/* Returns: false: post-copy will not begin. */
static bool urgent_wait_listen(PostcopyIncoming *pi)
{
    QEMU_LOCK_GUARD(&pi->lock);
    while (!qatomic_read(&pi->listening) && !pi->over && !pi->quit) {
        qemu_cond_wait(&pi->cond, &pi->lock);
    }
    return qatomic_read(&pi->listening);
}

/* Pages, to the end. Returns: that came in order. */
static bool urgent_read(PostcopyIncoming *pi, Error **errp)
{
    g_autoptr(QEMUFile) f = qemu_file_new_input(pi->urgent_ioc);
    g_autoptr(RAMReader) reader = ram_reader_new(pi->mis->ram, f);
    Error *err = NULL;
    int ret;

    migration_socket_watch(pi->urgent_ioc);
    postcopy_thread_urgent();
    WITH_QEMU_LOCK_GUARD(&pi->lock)
    {
        pi->urgent_tid = qemu_get_thread_id();
        postcopy_thread_avoid(pi->urgent_tid, pi->bulk_cpu, NULL);
    }
    ret = ram_load_postcopy(reader, false, &err);
    if (ret < 0 && !err) {
        qemu_file_get_error_obj(f, &err);
    }
    error_propagate(errp, err);
    return ret == 1;
}

static void *urgent_thread(void *opaque)
{
    PostcopyIncoming *pi = (PostcopyIncoming *)opaque;
    bool listened, complete, broken;
    Error *err = NULL;

    if (!urgent_is_capability(pi->mis)) {
        /* If this is lost, so is the main channel. */
        return_sender_pong(pi->mis->to_src, MIGRATION_PONG_URGENT_THERE, NULL);
    }
    listened = urgent_wait_listen(pi);
    complete = listened && urgent_read(pi, &err);
    qemu_mutex_lock(&pi->lock);
    pi->urgent = URGENT_ENDED;
    pi->urgent_tid = 0;
    pi->urgent_complete = complete;
    error_free(pi->urgent_error);
    pi->urgent_error = err;
    broken = listened && !complete && postcopy_urgent_is_wanted(pi);
    qemu_cond_broadcast(&pi->cond);
    qemu_mutex_unlock(&pi->lock);
    if (broken) {
        /* Its end without a mark is a break like any other. */
        qio_channel_shutdown(pi->mis->from_src, QIO_CHANNEL_SHUTDOWN_BOTH,
                             NULL);
    }
    return NULL;
}

void postcopy_urgent_stop(PostcopyIncoming *pi)
{
    QIOChannel *ioc;
    bool join;

    qemu_mutex_lock(&pi->lock);
    ioc = pi->urgent_ioc;
    join = pi->urgent != URGENT_NONE;
    qemu_mutex_unlock(&pi->lock);
    if (ioc) {
        qio_channel_shutdown(ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    }
    if (join) {
        qemu_thread_join(&pi->urgent_thread);
    }
    qemu_mutex_lock(&pi->lock);
    pi->urgent = URGENT_NONE;
    pi->urgent_ioc = NULL;
    qemu_mutex_unlock(&pi->lock);
    migration_channel_close(pi->mis->ms, ioc);
}

void postcopy_incoming_close(MigrationIncoming *mis)
{
    PostcopyIncoming *pi = mis->postcopy;

    if (!pi) {
        return;
    }
    qemu_mutex_lock(&pi->lock);
    pi->over = true;
    qemu_cond_broadcast(&pi->cond);
    qemu_mutex_unlock(&pi->lock);
    postcopy_urgent_stop(pi);
}

/* -- how it comes --------------------------------------------------------------- */

/* With the lock held. Returns: there is room for it. */
static bool urgent_take(PostcopyIncoming *pi, QIOChannel *ioc)
{
    if (pi->urgent_ioc || pi->paused || pi->over || pi->quit) {
        return false;
    }
    pi->urgent_ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    migration_channel_track(pi->mis->ms, ioc);
    pi->urgent = URGENT_READING;
    pi->urgent_complete = false;
    qemu_thread_create(&pi->urgent_thread, "postcopy/urgent", urgent_thread, pi,
                       QEMU_THREAD_JOINABLE);
    qemu_cond_broadcast(&pi->cond);
    return true;
}

void postcopy_preempt_channel(MigrationIncoming *mis, QIOChannel *ioc)
{
    PostcopyIncoming *pi = mis->postcopy;
    bool taken;

    qemu_mutex_lock(&pi->lock);
    taken = urgent_take(pi, ioc);
    qemu_mutex_unlock(&pi->lock);
    if (!taken) {
        qio_channel_close(ioc, NULL);
    }
}

bool postcopy_urgent_channel(MigrationIncoming *mis, QIOChannel *ioc,
                             uint32_t word, Error **errp)
{
    PostcopyIncoming *pi = mis->postcopy;
    bool taken;

    qemu_mutex_lock(&pi->lock);
    taken = pi->urgent_word && word == pi->urgent_word && urgent_take(pi, ioc);
    qemu_mutex_unlock(&pi->lock);
    if (!taken) {
        error_setg(errp,
                   "no channel of urgent pages with the word 0x%08x is "
                   "awaited",
                   word);
    }
    return taken;
}

/* Has it an address to which the source can connect once more, and can it be told
 * that it has? */
static bool urgent_may_come(MigrationIncoming *mis)
{
    if (urgent_is_capability(mis) || !mis->to_src ||
        !migrate_cap(mis->ms, MIGRATION_CAPABILITY_POSTCOPY_RAM)) {
        return false;
    }
    QEMU_LOCK_GUARD(&mis->ms->lock);
    return mis->listener != NULL;
}

bool postcopy_incoming_urgent_ping(MigrationIncoming *mis, uint32_t value,
                                   uint32_t *ret_answer)
{
    PostcopyIncoming *pi = mis->postcopy;

    if (value == MIGRATION_PING_URGENT) {
        bool may = urgent_may_come(mis);

        QEMU_LOCK_GUARD(&pi->lock);
        pi->urgent_asked = may && !pi->urgent_word;
        *ret_answer = may ? MIGRATION_PONG_URGENT : value;
        return true;
    }
    QEMU_LOCK_GUARD(&pi->lock);
    if (pi->urgent_asked) {
        pi->urgent_asked = false;
        pi->urgent_word = value;
        *ret_answer = value;
        return true;
    }
    return false;
}

bool postcopy_incoming_urgent_used(MigrationIncoming *mis, Error **errp)
{
    PostcopyIncoming *pi = mis->postcopy;

    QEMU_LOCK_GUARD(&pi->lock);
    if (!pi->urgent_word) {
        return true; /* a PING as any other */
    }
    if (pi->urgent == URGENT_NONE ||
        (pi->urgent == URGENT_ENDED && !pi->urgent_complete)) {
        error_setg(errp,
                   "the source counts on the channel of urgent pages, which "
                   "has ended: %s",
                   pi->urgent_error ? error_get_pretty(pi->urgent_error)
                                    : "early");
        return false;
    }
    pi->urgent_used = true;
    return true;
}
