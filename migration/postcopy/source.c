/*
 * Post-copy's beginning on the source: what must be dirty there, and the
 * package by which the guest starts there.
 *
 * The package holds all device states and is one piece in the stream: the
 * destination has it whole before it looks inside, because from LISTEN on
 * another thread reads the pages that follow it. The guest cannot have run there
 * before the package was handed over to its last byte; nor, if the destination is
 * one that waits for our commit, before that; nor if the destination says that it
 * could not load it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/source.h"

#include <unistd.h>

#include "migration/multifd/multifd.h"
#include "migration/postcopy/postcopy.h"
#include "migration/ram/wire.h"
#include "migration/return/path.h"
#include "migration/source/source.h"
#include "trace/trace-migration.h"
#include "util/timer.h"

/* Ranges of dirty pages collected before they are sent. */
#define DISCARD_RANGES (STREAM_DISCARD_MAX * 64)
/* Loading the devices may take so much longer than the downtime limit. */
#define LOAD_SPARE_MS 10000

static void source_step(const char *step)
{
    trace_postcopy_step("source", step, get_clock());
}

static const RAMBlockList *source_blocks(const MigrationState *ms)
{
    return ms->host->ram_blocks(ms->host_opaque);
}

/* What the destination must be able to place. */
static void source_advise(PostcopySource *ps)
{
    const RAMBlockList *blocks = source_blocks(ps->ms);
    uint64_t sizes = 0;

    for (unsigned i = 0; i < blocks->n; i++) {
        sizes |=
            MAX(blocks->block[i]->page_size, (uint64_t)sysconf(_SC_PAGESIZE));
    }
    savevm_send_postcopy_advise(ps->ms->to_dst_file, ps->memory ? sizes : 0,
                                ps->memory ? RAM_PAGE_SIZE : 0);
}

bool postcopy_source_setup(MigrationState *ms, Error **errp)
{
    PostcopySource *ps = g_new0(PostcopySource, 1);

    ps->ms = ms;
    ps->memory = migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_RAM);
    qemu_mutex_init(&ps->send_lock);
    qemu_mutex_init(&ps->urgent_lock);
    qemu_mutex_init(&ps->lock);
    qemu_cond_init(&ps->cond);
    postcopy_carrier_init(&ps->carrier);
    ps->bulk_cpu = ps->avoided_cpu = NEAR_ANYWHERE;
    ms->postcopy = ps;

    ps->registry = ms->host->registry(ms->host_opaque);
    source_advise(ps);
    postcopy_urgent_offer(ps);
    qemu_fflush(ms->to_dst_file);
    return qemu_file_get_error_obj(ms->to_dst_file, errp) == 0 &&
           postcopy_urgent_open(ps, errp);
}

bool postcopy_source_check(MigrationState *ms, Error **errp)
{
    return postcopy_urgent_check(ms->postcopy, errp);
}

void postcopy_source_prepare(MigrationState *ms)
{
    postcopy_urgent_try(ms->postcopy);
}

void postcopy_source_cleanup(MigrationState *ms)
{
    PostcopySource *ps = ms->postcopy;

    if (!ps) {
        return;
    }
    /* The thread of the return path may be in here: end it first. */
    postcopy_urgent_shutdown(ps);
    if (ms->to_dst) {
        qio_channel_shutdown(ms->to_dst, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    }
    return_path_stop(ms);
    postcopy_urgent_close(ps);
    ms->postcopy = NULL;
    if (ps->resume_ioc) {
        object_unref(OBJECT(ps->resume_ioc));
    }
    postcopy_carrier_destroy(&ps->carrier);
    qemu_cond_destroy(&ps->cond);
    qemu_mutex_destroy(&ps->lock);
    qemu_mutex_destroy(&ps->urgent_lock);
    qemu_mutex_destroy(&ps->send_lock);
    g_free(ps);
}

/* -- discards ---------------------------------------------------------------- */

typedef struct Discards {
    QEMUFile *f;
    size_t n;
    StreamRange range[DISCARD_RANGES];
} Discards;

static void discards_flush(Discards *d, const RAMBlock *rb)
{
    if (d->n > 0) {
        savevm_send_postcopy_discard(d->f, rb->idstr, d->range, d->n);
        d->n = 0;
    }
}

static bool discards_add(RAMBlock *rb, uint64_t start, uint64_t len,
                         void *opaque)
{
    Discards *d = (Discards *)opaque;

    d->range[d->n++] = (StreamRange){ .start = start, .len = len };
    if (d->n == DISCARD_RANGES) {
        discards_flush(d, rb);
    }
    return true;
}

/* What is dirty there must be missing, or the guest would see what was. */
static void source_send_discards(PostcopySource *ps, QEMUFile *f)
{
    const RAMBlockList *blocks = source_blocks(ps->ms);
    g_autofree Discards *d = g_new0(Discards, 1);

    d->f = f;
    for (unsigned i = 0; i < blocks->n; i++) {
        ram_foreach_dirty_range(ps->ram, blocks->block[i], discards_add, d);
        discards_flush(d, blocks->block[i]);
    }
}

/* -- the package ---------------------------------------------------------------- */

static bool source_send_package(PostcopySource *ps, QEMUFile *f,
                                const SaveVMDevices *devices, Error **errp)
{
    QEMUFile *package = qemu_file_new_memory_output();
    g_autofree uint8_t *data = NULL;
    size_t len;

    savevm_send_postcopy_listen(package);
    savevm_send_devices(package, devices);
    savevm_send_ping(package, RETURN_PING_DEVICES);
    savevm_send_postcopy_run(package);
    data = qemu_file_memory_steal(package, &len, errp);
    qemu_file_free(package);
    if (!data || !savevm_send_packaged(f, data, len, errp)) {
        return false;
    }
    savevm_send_ping(f, RETURN_PING_PACKAGE);
    qemu_fflush(f);
    return qemu_file_get_error_obj(f, errp) == 0;
}

static bool source_capture(PostcopySource *ps, SaveVMDevices *ret, Error **errp)
{
    MigrationState *ms = ps->ms;
    bool ok;

    ms->host->lock(ms->host_opaque);
    ok = savevm_capture_devices(ps->registry, false, ret, errp);
    ms->host->unlock(ms->host_opaque);
    return ok;
}

/* Pages on their way through other channels must not come after discards. */
static bool source_sync_channels(PostcopySource *ps, QEMUFile *f, Error **errp)
{
    if (!ps->ms->multifd) {
        return true;
    }
    if (!multifd_send_sync(ps->ms->multifd, errp)) {
        return false;
    }
    savevm_part_begin(ps->registry, f, ps->entry);
    qemu_put_be64(f, RAM_WIRE_MULTIFD_FLUSH);
    ram_put_eos(f);
    savevm_part_end(ps->registry, f, ps->entry);
    return true;
}

/* A destination that waits for our commit: do not give the guest away before
 * all was loaded. */
static bool source_wait_loaded(PostcopySource *ps, Error **errp)
{
    MigrationState *ms = ps->ms;

    source_step("package sent");
    return !ps->commits ||
           return_path_wait_pong(
               ms, RETURN_PING_DEVICES,
               migrate_param(ms, downtime_limit) + LOAD_SPARE_MS, errp);
}

/* Up to here cancel and the budget of the pause may end it. Of a destination that
 * does not wait nobody can say from the package on whether it runs. */
static bool source_last_word(PostcopySource *ps)
{
    return source_decide(ps->ms->run, VERDICT_COMMIT);
}

static bool source_give_away(PostcopySource *ps, const SaveVMDevices *devices,
                             Error **errp)
{
    QEMUFile *f = ps->ms->to_dst_file;

    return (ps->commits || source_last_word(ps)) &&
           source_send_package(ps, f, devices, errp) &&
           source_wait_loaded(ps, errp) &&
           (!ps->commits || source_last_word(ps));
}

void postcopy_commit(PostcopySource *ps)
{
    QEMUFile *f = ps->ms->to_dst_file;

    if (ps->commits && !ps->runs) {
        qemu_mutex_lock(&ps->send_lock);
        savevm_send_ping(f, MIGRATION_PING_COMMIT);
        qemu_fflush(f);
        qemu_mutex_unlock(&ps->send_lock);
    }
}

/* What goes before the package: all that does not follow the guest, and what
 * becomes missing there of that which does. */
static bool source_send_before(PostcopySource *ps, Error **errp)
{
    QEMUFile *f = ps->ms->to_dst_file;

    if (!ps->memory) {
        return savevm_complete(ps->registry, f, true, errp);
    }
    if (!ram_postcopy_start(ps->ram, errp) ||
        !source_sync_channels(ps, f, errp) ||
        !savevm_complete(ps->registry, f, true, errp)) {
        return false;
    }
    source_step("memory synchronised");
    source_send_discards(ps, f);
    source_step("discards sent");
    savevm_send_ping(f, RETURN_PING_DISCARD);
    return true;
}

bool postcopy_start(MigrationState *ms, Error **errp)
{
    PostcopySource *ps = ms->postcopy;
    QEMUFile *f = ms->to_dst_file;
    g_auto(SaveVMDevices) devices = { 0 };

    ps->ram = ms->ram;
    ps->entry = savevm_find(ps->registry, "ram", 0);
    ps->commits = return_path_commits(ms);
    if (!postcopy_urgent_attach(ps, errp)) {
        return false;
    }
    /* Devices first: saving some of them writes guest memory. */
    source_step("start");
    if (!source_capture(ps, &devices, errp)) {
        return false;
    }
    source_step("devices captured");
    if (!source_send_before(ps, errp)) {
        return false;
    }
    qatomic_store_release(&ps->active, true);
    if (!source_give_away(ps, &devices, errp)) {
        qatomic_store_release(&ps->active, false);
        /* It listens already; if it does not hear this, it says that it waits. */
        savevm_send_ping(f, MIGRATION_PING_BACK);
        qemu_fflush(f);
        return false;
    }
    if (!migration_move(&ms->course, MIGRATION_STATUS_ACTIVE,
                        MIGRATION_STATUS_POSTCOPY_ACTIVE)) {
        migration_move(&ms->course, MIGRATION_STATUS_DEVICE,
                       MIGRATION_STATUS_POSTCOPY_ACTIVE);
    }
    postcopy_commit(ps);
    source_step("committed");
    return true;
}

/* To the destination's word that it has everything. */
static bool source_send_all(PostcopySource *ps, Error **errp)
{
    MigrationState *ms = ps->ms;
    Error *why;
    bool ok;

    ps->watch = postcopy_watch_new(ms->to_dst, ps->urgent_ioc);
    ok = postcopy_send_rest(ps, errp) && return_path_wait_shut(ms, errp);
    why = postcopy_watch_free(g_steal_pointer(&ps->watch));
    if (!ok && why) {
        /* What was in the way of who sent says less. */
        error_free(g_steal_pointer(errp));
        error_propagate(errp, g_steal_pointer(&why));
    }
    error_free(why);
    return ok;
}

static PostcopyResult source_run(MigrationState *ms, Error **errp)
{
    PostcopySource *ps = ms->postcopy;

    for (;;) {
        Error *err = NULL;

        if (source_send_all(ps, &err)) {
            return POSTCOPY_COMPLETED;
        }
        ps->runs |= return_path_guest_runs(ms, ps->commits);
        if (!ps->runs && return_path_refused(ms, NULL)) {
            error_free(err);
            return_path_refused(ms, errp);
            return POSTCOPY_ROLLBACK;
        }
        if (!recovery_wait(ps, err)) {
            error_setg(errp, "post-copy was given up while its connection was "
                             "broken");
            return POSTCOPY_LOST;
        }
    }
}

PostcopyResult postcopy_run(MigrationState *ms, Error **errp)
{
    PostcopyResult result = source_run(ms, errp);

    postcopy_carrier_end(&ms->postcopy->carrier);
    postcopy_send_apart(ms->postcopy);
    return result;
}
