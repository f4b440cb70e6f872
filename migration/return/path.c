/*
 * The return path of an outgoing migration; see return/path.h.
 *
 * The reader's thread notes what came and wakes who waits; requests for pages
 * it serves itself. Waiting needs no limit in time: cancel, pause and yank
 * shut the channel down, the reader ends, and that ends every wait. But one
 * that has not said a word by the end has FIRST_ANSWER_MS.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/return/path.h"

#include "migration/migration-internal.h"
#include "migration/postcopy/source.h"
#include "migration/ram/near.h"
#include "migration/return/reader.h"
#include "migration/return/wire.h"
#include "migration/source/source.h"
#include "util/lockable.h"
#include "util/timer.h"

#define FIRST_ANSWER_MS 30000

struct ReturnPath {
    MigrationState *ms;
    ReturnReader *reader;

    QemuMutex lock; /* guards all below */
    QemuCond cond;
    uint32_t pongs; /* a bit for each value below 32 */
    bool commits;   /* the destination waits for the commit */
    bool known;     /* whether it does */
    bool near;      /* it is on this host, see ram/near.h */
    bool far;       /* but cannot go along */
    bool runs;      /* and has carried it out */
    bool
        urgent_answered; /* it has said whether urgent pages may have a channel */
    bool urgent_ok;      /* they may */
    bool urgent_there;   /* and it has come */
    unsigned bitmaps;
    bool resume_acked;
    bool shut;
    bool ended;
    Error *error; /* why it ended, or what SHUT said; owned */
    bool refused; /* @error is from a SHUT */
};

static void path_note(ReturnPath *rp, bool *flag)
{
    qemu_mutex_lock(&rp->lock);
    *flag = true;
    qemu_cond_broadcast(&rp->cond);
    qemu_mutex_unlock(&rp->lock);
}

/* -- what comes, in the reader's thread -------------------------------------- */

static bool path_pong(void *opaque, uint32_t value, Error **errp)
{
    ReturnPath *rp = (ReturnPath *)opaque;

    qemu_mutex_lock(&rp->lock);
    if (value < 32) {
        rp->pongs |= 1u << value;
    }
    rp->commits |= value == MIGRATION_PONG_COMMITS;
    rp->near |= value == NEAR_PONG;
    rp->far |= value == NEAR_PONG_FAR;
    rp->known |= value == MIGRATION_PING_WILL_COMMIT;
    rp->runs |= value == MIGRATION_PING_COMMIT;
    rp->urgent_ok |= value == MIGRATION_PONG_URGENT;
    rp->urgent_answered |= rp->urgent_ok || value == MIGRATION_PING_URGENT;
    rp->urgent_there |= value == MIGRATION_PONG_URGENT_THERE;
    qemu_cond_broadcast(&rp->cond);
    qemu_mutex_unlock(&rp->lock);
    qatomic_set(&rp->ms->last_pong, value);
    migration_wake(rp->ms);
    return true;
}

static bool path_shut(void *opaque, uint32_t error, const char *text,
                      Error **errp)
{
    ReturnPath *rp = (ReturnPath *)opaque;

    qemu_mutex_lock(&rp->lock);
    if (error == 0) {
        rp->shut = true;
    } else if (!rp->error) {
        rp->refused = true;
        if (text[0]) {
            error_setg(&rp->error, "destination: %s", text);
        } else {
            error_setg(&rp->error, "the destination failed with error %u",
                       error);
        }
    }
    qemu_mutex_unlock(&rp->lock);
    return true;
}

static bool path_req_pages(void *opaque, const char *name, uint64_t start,
                           uint32_t len, Error **errp)
{
    ReturnPath *rp = (ReturnPath *)opaque;

    return postcopy_source_request(rp->ms, name, start, len, errp);
}

static bool path_recv_bitmap(void *opaque, ReturnReader *r, const char *name,
                             Error **errp)
{
    ReturnPath *rp = (ReturnPath *)opaque;

    if (!recovery_bitmap(rp->ms, r, name, errp)) {
        return false;
    }
    qemu_mutex_lock(&rp->lock);
    rp->bitmaps++;
    qemu_cond_broadcast(&rp->cond);
    qemu_mutex_unlock(&rp->lock);
    return true;
}

static bool path_resume_ack(void *opaque, uint32_t value, Error **errp)
{
    ReturnPath *rp = (ReturnPath *)opaque;

    if (value != RETURN_RESUME_ACK) {
        error_setg(errp, "return path: RESUME_ACK with %u", value);
        return false;
    }
    path_note(rp, &rp->resume_acked);
    return true;
}

static bool path_switchover_ack(void *opaque, Error **errp)
{
    ReturnPath *rp = (ReturnPath *)opaque;

    qatomic_set(&rp->ms->switchover_acked, true);
    migration_wake(rp->ms);
    return true;
}

static bool path_in_postcopy(MigrationState *ms)
{
    return ms->postcopy && qatomic_load_acquire(&ms->postcopy->active);
}

static void path_ended(void *opaque, Error *err)
{
    ReturnPath *rp = (ReturnPath *)opaque;
    MigrationState *ms = rp->ms;
    Error *why = NULL;

    qemu_mutex_lock(&rp->lock);
    if (rp->error) {
        error_free(err);
    } else {
        rp->error = err;
    }
    if (rp->error) {
        why = error_copy(rp->error);
    }
    rp->ended = true;
    qemu_cond_broadcast(&rp->cond);
    qemu_mutex_unlock(&rp->lock);

    if (!why) {
        return;
    }
    /* Whoever is sending learns of it by his channel. */
    qio_channel_shutdown(ms->to_dst, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    if (path_in_postcopy(ms)) {
        error_free(why);
    } else {
        migration_fail(ms, why);
    }
}

static const ReturnReaderOps path_ops = {
    .pong = path_pong,
    .shut = path_shut,
    .req_pages = path_req_pages,
    .recv_bitmap = path_recv_bitmap,
    .resume_ack = path_resume_ack,
    .switchover_ack = path_switchover_ack,
    .ended = path_ended,
};

/* -- life -------------------------------------------------------------------------- */

bool return_path_start(MigrationState *ms, Error **errp)
{
    ReturnPath *rp;

    if (!qio_channel_has_feature(ms->to_dst, QIO_CHANNEL_FEATURE_SHUTDOWN)) {
        error_setg(errp, "the connection to the destination has no way back");
        return false;
    }
    return_path_stop(ms);
    rp = g_new0(ReturnPath, 1);
    rp->ms = ms;
    qemu_mutex_init(&rp->lock);
    qemu_cond_init(&rp->cond);
    ms->return_path = rp;
    rp->reader = return_reader_new(ms->to_dst, &path_ops, rp);
    return true;
}

void return_path_stop(MigrationState *ms)
{
    ReturnPath *rp = ms->return_path;

    if (!rp) {
        return;
    }
    return_reader_free(rp->reader);
    ms->return_path = NULL;
    qemu_cond_destroy(&rp->cond);
    qemu_mutex_destroy(&rp->lock);
    error_free(rp->error);
    g_free(rp);
}

/* -- waiting ------------------------------------------------------------------------ */

typedef bool PathCondition(const ReturnPath *rp, uint32_t value);

/* Until @done, the end of the reader, or @end_ms. */
static bool path_wait_until(MigrationState *ms, PathCondition *done,
                            uint32_t value, int64_t end_ms, Error **errp)
{
    ReturnPath *rp = ms->return_path;
    int64_t left = 1;
    bool ok;

    qemu_mutex_lock(&rp->lock);
    while (!done(rp, value) && !rp->ended && left > 0) {
        left = end_ms - get_clock() / SCALE_MS;
        qemu_cond_timedwait(&rp->cond, &rp->lock, (int)CLAMP(left, 0, INT_MAX));
    }
    ok = done(rp, value);
    if (!ok && rp->error) {
        error_propagate(errp, error_copy(rp->error));
    } else if (!ok && rp->ended) {
        error_setg(errp, "the destination closed the return path");
    } else if (!ok) {
        error_setg(errp, "the destination did not answer in time");
    }
    qemu_mutex_unlock(&rp->lock);
    return ok;
}

static bool path_wait(MigrationState *ms, PathCondition *done, uint32_t value,
                      Error **errp)
{
    return path_wait_until(ms, done, value, INT64_MAX, errp);
}

/* The thread has ended too: nothing it does comes later. */
static bool path_is_shut(const ReturnPath *rp, uint32_t value)
{
    return rp->shut && rp->ended;
}

static bool path_has_pong(const ReturnPath *rp, uint32_t value)
{
    return rp->pongs & (1u << value);
}

static bool path_is_known(const ReturnPath *rp, uint32_t value)
{
    return rp->known;
}

static bool path_has_bitmaps(const ReturnPath *rp, uint32_t value)
{
    return rp->bitmaps >= value;
}

static bool path_has_resume_ack(const ReturnPath *rp, uint32_t value)
{
    return rp->resume_acked;
}

static bool path_has_ended(const ReturnPath *rp, uint32_t value)
{
    return rp->ended;
}

static bool path_has_urgent_answer(const ReturnPath *rp, uint32_t value)
{
    return rp->urgent_answered;
}

static bool path_has_urgent(const ReturnPath *rp, uint32_t value)
{
    return rp->urgent_there;
}

bool return_path_wait_shut(MigrationState *ms, Error **errp)
{
    return !ms->return_path || path_wait(ms, path_is_shut, 0, errp);
}

bool return_path_wait_pong(MigrationState *ms, uint32_t value,
                           uint64_t limit_ms, Error **errp)
{
    return path_wait_until(ms, path_has_pong, value,
                           get_clock() / SCALE_MS + (int64_t)limit_ms, errp);
}

bool return_path_wait_bitmaps(MigrationState *ms, unsigned n, Error **errp)
{
    return path_wait(ms, path_has_bitmaps, n, errp);
}

bool return_path_wait_resume_ack(MigrationState *ms, Error **errp)
{
    return path_wait(ms, path_has_resume_ack, 0, errp);
}

bool return_path_wait_known(MigrationState *ms, Error **errp)
{
    return path_wait_until(ms, path_is_known, 0,
                           get_clock() / SCALE_MS + FIRST_ANSWER_MS, errp);
}

static bool path_wait_ms(MigrationState *ms, PathCondition *done,
                         uint64_t limit_ms)
{
    return path_wait_until(ms, done, 0,
                           get_clock() / SCALE_MS + (int64_t)limit_ms, NULL);
}

bool return_path_wait_urgent_ok(MigrationState *ms, uint64_t limit_ms)
{
    ReturnPath *rp = ms->return_path;

    if (!path_wait_ms(ms, path_has_urgent_answer, limit_ms)) {
        return false;
    }
    QEMU_LOCK_GUARD(&rp->lock);
    return rp->urgent_ok;
}

bool return_path_wait_urgent_there(MigrationState *ms, uint64_t limit_ms)
{
    return path_wait_ms(ms, path_has_urgent, limit_ms);
}

bool return_path_wait_ended(MigrationState *ms, uint64_t limit_ms)
{
    return path_wait_ms(ms, path_has_ended, limit_ms);
}

uint64_t return_path_reads(MigrationState *ms)
{
    return return_reader_reads(ms->return_path->reader);
}

bool return_path_commits(MigrationState *ms)
{
    ReturnPath *rp = ms->return_path;
    bool commits;

    qemu_mutex_lock(&rp->lock);
    commits = rp->commits;
    qemu_mutex_unlock(&rp->lock);
    return commits;
}

bool return_path_near(MigrationState *ms)
{
    ReturnPath *rp = ms->return_path;

    if (!rp) {
        return false;
    }
    QEMU_LOCK_GUARD(&rp->lock);
    return rp->near && !rp->far;
}

bool return_path_guest_runs(MigrationState *ms, bool commits)
{
    ReturnPath *rp = ms->return_path;
    bool runs;

    if (!rp) {
        return false;
    }
    qemu_mutex_lock(&rp->lock);
    runs = commits ? rp->runs : path_has_pong(rp, RETURN_PING_DEVICES);
    qemu_mutex_unlock(&rp->lock);
    return runs;
}

bool return_path_refused(MigrationState *ms, Error **errp)
{
    ReturnPath *rp = ms->return_path;
    bool refused;

    if (!rp) {
        return false;
    }
    qemu_mutex_lock(&rp->lock);
    refused = rp->refused;
    if (refused) {
        error_propagate(errp, error_copy(rp->error));
    }
    qemu_mutex_unlock(&rp->lock);
    return refused;
}
