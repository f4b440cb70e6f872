/*
 * Snapshots of the machine: how they are taken and loaded.
 *
 *     save     stop; state to the image's place for it; all images take their
 *              snapshot at one moment; go on
 *     load     stop; all images go back; reset; state from the image; go on
 *
 * A save that fails or is cancelled leaves images and guest as they were. A
 * load is not begun unless all images can go back; from that moment on it ends
 * with the guest of the snapshot or, if its state cannot be read, with one that
 * stands in state internal-error, which only a reset or another load leaves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "snapshot.h"

#include "block/block-backend.h"
#include "block/snapshot-set.h"
#include "hw/boards.h"
#include "io/channel.h"
#include "migration/snapshot.h"
#include "qapi/clone-visitor.h"
#include "qapi/qapi-builtin-visit.h"
#include "util/aio-wait.h"
#include "util/atomic.h"
#include "util/error-report.h"
#include "util/main-call.h"
#include "util/main-loop.h"
#include "util/thread.h"
#include "util/timer.h"

#include "migration.h"
#include "runstate.h"
#include "startup.h"

/* Longest name that is given; images take longer ones. */
#define SNAPSHOT_TAG_MAX 255

struct SnapshotWork {
    SnapshotVerb verb;
    char *tag;
    strList *devices;
    char *vmstate;
    bool replace;
    BlockProgress *progress;
    BlockProgress own_progress;

    /* main thread */
    System *s;
    SnapshotSet *set;
    bool begun;        /* migration_snapshot_begin() was called */
    bool held;         /* the guest was stopped for us */
    bool ran;          /* before that */
    bool run_after;    /* it is to run at the end */
    bool decided;      /* too late to cancel */
    bool changed;      /* load: the guest is no longer what it was */
    bool ending;       /* the program ends */
    uint64_t clock_ns; /* that is in the image */
    char *text;

    /* handed over with each call */
    int64_t state_bytes;
    Error *err;

    QemuThread thread;
    Coroutine *waiter; /* NULL: the loop is run */
    bool done;         /* atomic */
};

/* -- life -------------------------------------------------------------------------- */

static char *tag_of_now(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();

    return g_date_time_format(now, "vm-%Y%m%d%H%M%S");
}

static bool check_tag(const char *tag, Error **errp)
{
    if (!*tag || strlen(tag) > SNAPSHOT_TAG_MAX) {
        error_setg(errp, "the name of a snapshot has 1 to %d bytes, not %zu",
                   SNAPSHOT_TAG_MAX, strlen(tag));
        return false;
    }
    return true;
}

SnapshotWork *snapshot_work_new(const SnapshotRequest *r, Error **errp)
{
    SnapshotWork *w;

    if (r->tag && !check_tag(r->tag, errp)) {
        return NULL;
    }
    w = g_new0(SnapshotWork, 1);
    w->s = system_get();
    w->verb = r->verb;
    w->tag = r->tag ? g_strdup(r->tag) : tag_of_now();
    w->devices = QAPI_CLONE(strList, r->devices);
    w->vmstate = g_strdup(r->vmstate);
    w->replace = r->replace;
    w->progress = r->progress ? r->progress : &w->own_progress;
    return w;
}

void snapshot_work_free(SnapshotWork *w)
{
    if (w) {
        g_free(w->tag);
        g_free(w->vmstate);
        g_free(w->text);
        qapi_free_strList(w->devices);
        g_free(w);
    }
}

const char *snapshot_work_text(const SnapshotWork *w)
{
    return w->text;
}

bool snapshot_work_may_cancel(const SnapshotWork *w)
{
    return !w->decided;
}

/* -- the guest; main thread ----------------------------------------------------------- */

static bool begin(SnapshotWork *w, Error **errp)
{
    if (!w->s->machine) {
        error_setg(errp, "There is no machine yet");
        return false;
    }
    w->begun = migration_snapshot_begin(w->s->migration,
                                        w->verb == SNAPSHOT_LOAD, errp);
    return w->begun;
}

static void hold(SnapshotWork *w, RunState state)
{
    w->ran = run_state_is_running();
    w->run_after = w->ran;
    w->held = true;
    run_hold_reset(true);
    if (w->ran) {
        vm_stop(state);
    }
    blk_drain_all();
    w->clock_ns =
        (uint64_t)qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) - w->s->clock_origin_ns;
}

/* Whether it runs. What forbids `cont` forbids this. */
static bool try_start(void)
{
    Error *err = NULL;

    if (!run_state_can_move(RUN_STATE_RUNNING)) {
        return false;
    }
    if (!system_migration_cont(&err)) {
        if (err) {
            error_reportf_err(err, "the guest cannot go on: ");
        }
        return false;
    }
    vm_start();
    return true;
}

static void let_go(SnapshotWork *w)
{
    RunState now = run_state_get();
    bool ours = now == RUN_STATE_SAVE_VM || now == RUN_STATE_RESTORE_VM;

    if (!w->held) {
        return;
    }
    w->held = false;
    run_hold_reset(false);
    if (w->ending || run_end_requested()) {
        return;
    }
    /* Something else may have stopped it for good meanwhile. */
    if (w->run_after && (ours || !w->ran) && try_start()) {
        return;
    }
    if (ours) {
        run_state_move(RUN_STATE_PAUSED);
    }
}

bool snapshot_note_run(System *s, bool run)
{
    SnapshotWork *w = s->snapshot;

    if (!w || !w->held) {
        return false;
    }
    w->run_after = run;
    return true;
}

bool snapshot_will_run(const System *s)
{
    return s->snapshot && s->snapshot->held && s->snapshot->run_after;
}

/* -- saving ------------------------------------------------------------------------------ */

static bool save_begin(void *opaque, Error **errp)
{
    SnapshotWork *w = opaque;

    if (run_state_needs_reset()) {
        error_setg(errp,
                   "the machine is in state '%s': there is nothing to "
                   "save",
                   RunState_str(run_state_get()));
        return false;
    }
    w->set = snapshot_set_new(w->devices, w->vmstate, errp);
    if (!w->set ||
        (!w->replace && !snapshot_set_absent(w->set, w->tag, errp)) ||
        !begin(w, errp) ||
        !machine_note_run_state(w->s->machine, RunState_str(run_state_get()),
                                errp)) {
        return false;
    }
    hold(w, RUN_STATE_SAVE_VM);
    snapshot_set_forget(w->set);
    return true;
}

static bool report(void *opaque, uint64_t done, uint64_t total)
{
    SnapshotWork *w = opaque;
    uint64_t current, known;

    block_progress_get(w->progress, &current, &known);
    block_progress_add(w->progress, total - MIN(known, total));
    block_progress_done(w->progress, done - MIN(current, done));
    return !block_progress_is_cancelled(w->progress);
}

static bool save_state(SnapshotWork *w, Error **errp)
{
    QIOChannel *ioc = vmstate_channel_new(snapshot_set_vmstate(w->set), -1);
    bool ok = migration_snapshot_save(w->s->migration, ioc, report, w, errp) &&
              qio_channel_close(ioc, errp) == 0;

    w->state_bytes = vmstate_channel_length(ioc);
    object_unref(OBJECT(ioc));
    return ok;
}

static bool save_disks(void *opaque, Error **errp)
{
    SnapshotWork *w = opaque;

    if (block_progress_is_cancelled(w->progress)) {
        error_setg(errp, "it was cancelled");
        return false;
    }
    w->decided = true;
    return snapshot_set_create(w->set, w->tag, w->state_bytes, w->clock_ns,
                               w->replace, errp);
}

static bool do_save(SnapshotWork *w, Error **errp)
{
    return main_call(save_begin, w, errp) && save_state(w, errp) &&
           main_call(save_disks, w, errp);
}

/* -- loading ------------------------------------------------------------------------------ */

/* The guest as if it had just been switched on, and still. */
static bool clear_machine(SnapshotWork *w, Error **errp)
{
    if (!machine_reset(w->s->machine, errp)) {
        return false;
    }
    run_forget_reset();
    if (run_state_get() != RUN_STATE_RESTORE_VM) {
        run_state_move(RUN_STATE_PRELAUNCH);
        run_state_move(RUN_STATE_RESTORE_VM);
    }
    return true;
}

static bool load_begin(void *opaque, Error **errp)
{
    SnapshotWork *w = opaque;
    uint64_t loaded_clock_ns;

    w->set = snapshot_set_new(w->devices, w->vmstate, errp);
    if (!w->set ||
        !snapshot_set_loadable(w->set, w->tag, &w->state_bytes,
                               &loaded_clock_ns, errp) ||
        !begin(w, errp)) {
        return false;
    }
    if (block_progress_is_cancelled(w->progress)) {
        error_setg(errp, "it was cancelled");
        return false;
    }
    w->decided = true;
    block_progress_add(w->progress, 1);
    hold(w, RUN_STATE_RESTORE_VM);
    w->clock_ns = loaded_clock_ns;
    return snapshot_set_goto(w->set, w->tag, &w->changed, errp) &&
           clear_machine(w, errp);
}

static bool load_state(SnapshotWork *w, Error **errp)
{
    QIOChannel *ioc =
        vmstate_channel_new(snapshot_set_vmstate(w->set), w->state_bytes);
    bool ok = migration_snapshot_load(w->s->migration, ioc, errp);

    object_unref(OBJECT(ioc));
    return ok;
}

static bool do_load(SnapshotWork *w, Error **errp)
{
    if (!main_call(load_begin, w, errp) || !load_state(w, errp)) {
        return false;
    }
    block_progress_done(w->progress, 1);
    return true;
}

/* A guest that is half of the one and half of the other never runs. */
static void condemn(SnapshotWork *w)
{
    if (!run_state_can_move(RUN_STATE_INTERNAL_ERROR)) {
        run_state_move(RUN_STATE_PRELAUNCH); /* leads there, and all here */
    }
    run_state_move(RUN_STATE_INTERNAL_ERROR);
    w->run_after = false;
    error_prepend(&w->err, "Error while loading VM state: ");
    error_append_hint(&w->err, "The machine stays stopped until it is reset or "
                               "another snapshot is loaded.\n");
}

/* -- deleting, looking -------------------------------------------------------------------- */

static bool delete_call(void *opaque, Error **errp)
{
    SnapshotWork *w = opaque;

    w->decided = true;
    w->set = snapshot_set_new(w->devices, w->vmstate, errp);
    return w->set && snapshot_set_delete(w->set, w->tag, errp);
}

static bool list_call(void *opaque, Error **errp)
{
    SnapshotWork *w = opaque;

    w->set = snapshot_set_new(w->devices, w->vmstate, errp);
    if (w->set) {
        w->text = snapshot_set_describe(w->set, errp);
    }
    return w->text != NULL;
}

/* -- the thread ----------------------------------------------------------------------------- */

static bool end_call(void *opaque, Error **errp)
{
    SnapshotWork *w = opaque;

    if (w->set && (w->verb == SNAPSHOT_SAVE || w->verb == SNAPSHOT_LOAD) &&
        (w->held || w->changed)) {
        snapshot_set_forget(w->set);
    }
    if (w->err && w->changed) {
        condemn(w);
    } else if (w->changed) {
        w->s->clock_origin_ns =
            (uint64_t)qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) - w->clock_ns;
    }
    if (w->begun) {
        migration_snapshot_end(w->s->migration);
    }
    g_clear_pointer(&w->set, snapshot_set_free);
    let_go(w);
    w->s->snapshot = NULL;
    return true;
}

static bool work(SnapshotWork *w, Error **errp)
{
    switch (w->verb) {
    case SNAPSHOT_SAVE:
        return do_save(w, errp);
    case SNAPSHOT_LOAD:
        return do_load(w, errp);
    case SNAPSHOT_DELETE:
        return main_call(delete_call, w, errp);
    default:
        return main_call(list_call, w, errp);
    }
}

static void *work_thread(void *opaque)
{
    SnapshotWork *w = opaque;
    Coroutine *waiter = w->waiter;

    work(w, &w->err);
    main_call(end_call, w, NULL);
    qatomic_store_release(&w->done, true);
    aio_wait_kick();
    if (waiter) {
        aio_co_wake(waiter);
    }
    return NULL;
}

bool snapshot_work_run(SnapshotWork *w, Error **errp)
{
    if (w->s->snapshot) {
        error_setg(errp, "another snapshot is being worked on");
        return false;
    }
    w->s->snapshot = w;
    w->waiter = qemu_in_coroutine() ? qemu_coroutine_self() : NULL;
    qemu_thread_create(&w->thread, "snapshot", work_thread, w,
                       QEMU_THREAD_JOINABLE);
    if (w->waiter) {
        qemu_coroutine_yield();
    } else {
        AIO_WAIT_WHILE_UNLOCKED(NULL, !qatomic_load_acquire(&w->done));
    }
    qemu_thread_join(&w->thread);
    if (w->err) {
        error_propagate(errp, g_steal_pointer(&w->err));
        return false;
    }
    return true;
}

void snapshot_end(System *s)
{
    if (s->snapshot) {
        s->snapshot->ending = true;
        if (snapshot_work_may_cancel(s->snapshot)) {
            block_progress_cancel(s->snapshot->progress);
        }
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, s->snapshot);
}
