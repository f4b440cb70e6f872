/*
 * A post-copy whose connection broke, on the source.
 *
 * Paused, the migration thread waits for `migrate resume=true` to bring another
 * connection. Then the destination says for each block what it holds. That is
 * the truth: exactly the rest is dirty from then on, whatever was under way.
 *
 *   source                          destination
 *   [the channel of urgent pages: postcopy/urgent.c]
 *   RECV_BITMAP block      ------>
 *                          <------  RECV_BITMAP, bitmap        each block
 *   POSTCOPY_RESUME        ------>
 *                          <------  RESUME_ACK; requests once more
 *   pages ...              ------>
 *
 * A failure at any point leads back to paused, and so does a destination that is
 * silent for too long (postcopy/limit.h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/limit.h"
#include "migration/postcopy/postcopy.h"
#include "migration/postcopy/source.h"
#include "migration/return/path.h"
#include "migration/return/reader.h"
#include "migration/source/source.h"
#include "trace/trace-migration.h"

bool recovery_bitmap(MigrationState *ms, ReturnReader *r, const char *name,
                     Error **errp)
{
    PostcopySource *ps = ms->postcopy;
    RAMBlock *rb = ram_block_find(ms->host->ram_blocks(ms->host_opaque), name);
    g_autofree unsigned long *received = NULL;

    if (migration_status(&ms->course) != MIGRATION_STATUS_POSTCOPY_RECOVER) {
        error_setg(errp, "return path: a bitmap of '%s' that nobody asked for",
                   name);
        return false;
    }
    if (!rb) {
        error_setg(errp, "return path: there is no RAM block '%s'", name);
        return false;
    }
    received = return_reader_get_bitmap(r, ram_block_pages(rb), errp);
    if (!received) {
        return false;
    }
    ram_reload_received(ps->ram, rb, received);
    return true;
}

/* Nothing of the old connection is left when this returns. */
static void recovery_break(PostcopySource *ps)
{
    MigrationState *ms = ps->ms;

    qatomic_store_release(&ps->active, false);
    qio_channel_shutdown(ms->to_dst, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    postcopy_urgent_shutdown(ps);
    return_path_stop(ms);
    postcopy_urgent_close(ps);
    /* This thread makes that of the next return path, which inherits. */
    postcopy_carrier_end(&ps->carrier);
    postcopy_send_apart(ps);
    ps->avoided_cpu = NEAR_ANYWHERE; /* of a thread that has ended */
}

/* Returns: (transfer full) the next connection; NULL: there will be none. */
static QIOChannel *recovery_next_channel(PostcopySource *ps)
{
    QIOChannel *ioc;

    qemu_mutex_lock(&ps->lock);
    while (!ps->resume_ioc && !ps->quit) {
        qemu_cond_wait(&ps->cond, &ps->lock);
    }
    ioc = ps->quit ? NULL : g_steal_pointer(&ps->resume_ioc);
    qemu_mutex_unlock(&ps->lock);
    return ioc;
}

/* @ioc is the main channel from now on; consumed. */
static void recovery_take_channel(PostcopySource *ps, QIOChannel *ioc)
{
    MigrationState *ms = ps->ms;

    qemu_file_free(ms->to_dst_file);
    migration_channel_close(ms, ms->to_dst);
    ms->to_dst = ioc;
    ms->to_dst_file = qemu_file_new_output(ioc);
    ram_source_reconnect(ps->ram, NULL);
}

/* What the destination holds. */
static bool recovery_ask(PostcopySource *ps, Error **errp)
{
    MigrationState *ms = ps->ms;
    const RAMBlockList *blocks = ms->host->ram_blocks(ms->host_opaque);
    QEMUFile *f = ms->to_dst_file;
    unsigned asked = 0;

    for (unsigned i = 0; ps->memory && i < blocks->n; i++) {
        if (blocks->block[i]->used_length > 0) {
            savevm_send_recv_bitmap(f, blocks->block[i]->idstr);
            asked++;
        }
    }
    qemu_fflush(f);
    return qemu_file_get_error_obj(f, errp) == 0 &&
           return_path_wait_bitmaps(ms, asked, errp);
}

static bool recovery_talk(PostcopySource *ps, Error **errp)
{
    MigrationState *ms = ps->ms;
    QEMUFile *f = ms->to_dst_file;

    source_near_offer(ms->run);
    postcopy_urgent_offer(ps);
    qemu_fflush(f);
    /* First: its answers have a time limit, and do not stand behind bitmaps. The
     * capability's is not asked for: it comes when the destination is known to
     * be on the new connection. */
    postcopy_urgent_try(ps);
    if (!recovery_ask(ps, errp) || !savevm_resume_prepare(ps->registry, errp) ||
        !postcopy_urgent_open(ps, errp) || !postcopy_urgent_attach(ps, errp)) {
        return false;
    }
    /* It repeats its requests as soon as it has this. */
    qatomic_store_release(&ps->active, true);
    savevm_send_postcopy_resume(f);
    qemu_fflush(f);
    return qemu_file_get_error_obj(f, errp) == 0 &&
           return_path_wait_resume_ack(ms, errp);
}

static uint64_t recovery_progress(void *opaque)
{
    return return_path_reads(opaque);
}

/* With a destination that gets on with it. */
static bool recovery_agree(PostcopySource *ps, Error **errp)
{
    MigrationState *ms = ps->ms;
    PostcopyLimit *limit;
    Error *silent;
    bool ok;

    if (!return_path_start(ms, errp)) {
        return false;
    }
    limit = postcopy_limit_new(ms->to_dst, "destination",
                               migrate_param(ms, recovery_limit),
                               recovery_progress, ms);
    ok = recovery_talk(ps, errp);
    silent = postcopy_limit_free(limit);
    if (!ok && silent) {
        /* What was in the way of who sent or waited says less. */
        error_free(g_steal_pointer(errp));
        error_propagate(errp, g_steal_pointer(&silent));
    }
    error_free(silent);
    return ok;
}

/* query-migrate says why it is paused, until it goes on. */
static void recovery_note(MigrationState *ms, Error *why)
{
    Error *old;

    qemu_mutex_lock(&ms->lock);
    old = ms->error;
    ms->error = why;
    qemu_mutex_unlock(&ms->lock);
    error_free(old);
}

/* From wherever a connection can break. */
static void recovery_pause(PostcopySource *ps, Error *why)
{
    MigrationCourse *c = &ps->ms->course;

    trace_postcopy_paused(why ? error_get_pretty(why) : "");
    recovery_note(ps->ms, why);
    if (!migration_move(c, MIGRATION_STATUS_POSTCOPY_ACTIVE,
                        MIGRATION_STATUS_POSTCOPY_PAUSED)) {
        migration_move(c, MIGRATION_STATUS_POSTCOPY_RECOVER,
                       MIGRATION_STATUS_POSTCOPY_PAUSED);
    }
}

bool recovery_wait(PostcopySource *ps, Error *why)
{
    MigrationState *ms = ps->ms;

    for (;;) {
        Error *err = NULL;
        QIOChannel *ioc;

        recovery_break(ps);
        recovery_pause(ps, why);
        ioc = recovery_next_channel(ps);
        if (!ioc) {
            return false;
        }
        recovery_take_channel(ps, ioc);
        migration_move(&ms->course, MIGRATION_STATUS_POSTCOPY_RECOVER_SETUP,
                       MIGRATION_STATUS_POSTCOPY_RECOVER);
        if (recovery_agree(ps, &err)) {
            migration_move(&ms->course, MIGRATION_STATUS_POSTCOPY_RECOVER,
                           MIGRATION_STATUS_POSTCOPY_ACTIVE);
            recovery_note(ms, NULL);
            postcopy_commit(ps);
            trace_postcopy_recovered(ms);
            return true;
        }
        why = err;
    }
}

void postcopy_source_resume(MigrationState *ms, QIOChannel *ioc)
{
    PostcopySource *ps = ms->postcopy;
    QIOChannel *old;

    object_ref(OBJECT(ioc));
    qemu_mutex_lock(&ps->lock);
    old = ps->resume_ioc;
    ps->resume_ioc = ioc;
    qemu_cond_signal(&ps->cond);
    qemu_mutex_unlock(&ps->lock);
    if (old) {
        object_unref(OBJECT(old));
    }
}

void postcopy_source_quit(MigrationState *ms)
{
    PostcopySource *ps = ms->postcopy;

    if (!ps) {
        return;
    }
    qemu_mutex_lock(&ps->lock);
    ps->quit = true;
    qemu_cond_signal(&ps->cond);
    qemu_mutex_unlock(&ps->lock);
}
