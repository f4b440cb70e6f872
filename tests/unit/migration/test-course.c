/*
 * Both sides of a migration in one process, over a connection that breaks:
 * whatever the moment, exactly one of the two guests runs afterwards.
 *
 * The machines are RAM blocks with a counter as device (fake-ram.h). A relay
 * stands between the two: it passes the first connection on until a number of
 * bytes has gone one way, then cuts it in both. Later connections (questions
 * after a cut) pass whole.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io/channel-socket.h"
#include "migration/incoming/incoming.h"
#include "migration/migration-internal.h"
#include "migration/source/source.h"
#include "migration/stream/savevm.h"
#include "migration/transport/channels.h"
#include "migration/transport/transport.h"
#include "util/fd.h"
#include "util/lockable.h"
#include "util/main-loop.h"

#include "fake-ram.h"

#define RAM_PAGES 64
#define NO_CUT    G_MAXSIZE

/* -- a machine ------------------------------------------------------------------ */

typedef struct Machine {
    FakeRAM *fr;
    RAMBlock *rb;
    SaveVMRegistry *reg;
    MigrationState *ms;
    QemuRecMutex lock;
    int state;   /* atomic, RunState */
    int started; /* atomic: times that the guest was let run here */
    bool disks;  /* has them */
    uint64_t counter;
} Machine;

static const VMStateDescription vmstate_counter = {
    .name = "counter",
    .version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT64(counter, Machine),
                                      VMSTATE_END_OF_LIST() },
};

static const char *h_machine_type(void *opaque)
{
    return "fake-1.0";
}

static bool h_uuid(void *opaque, uint8_t ret[16])
{
    return false;
}

static bool h_suppress(void *opaque)
{
    return false;
}

static SaveVMRegistry *h_registry(void *opaque)
{
    return ((Machine *)opaque)->reg;
}

static RunState h_run_state(void *opaque)
{
    return (RunState)qatomic_read(&((Machine *)opaque)->state);
}

static bool h_run_state_set(void *opaque, RunState state, Error **errp)
{
    qatomic_set(&((Machine *)opaque)->state, state);
    return true;
}

static bool h_stop(void *opaque, RunState state, int64_t *ret_ns, Error **errp)
{
    return h_run_state_set(opaque, state, errp);
}

static bool h_start(void *opaque, Error **errp)
{
    Machine *m = opaque;

    g_assert_true(m->disks);
    qatomic_inc(&m->started);
    return h_run_state_set(opaque, RUN_STATE_RUNNING, errp);
}

static void h_lock(void *opaque)
{
    qemu_rec_mutex_lock(&((Machine *)opaque)->lock);
}

static void h_unlock(void *opaque)
{
    qemu_rec_mutex_unlock(&((Machine *)opaque)->lock);
}

static const RAMBlockList *h_ram_blocks(void *opaque)
{
    return &((Machine *)opaque)->fr->list;
}

static void h_ram_written(void *opaque, RAMBlock *rb, uint64_t offset,
                          uint64_t len)
{
}

static bool h_log_start(void *opaque, Error **errp)
{
    FakeRAM *fr = ((Machine *)opaque)->fr;

    return fr->host.dirty_log_start(fr, errp);
}

static void h_log_stop(void *opaque)
{
    FakeRAM *fr = ((Machine *)opaque)->fr;

    fr->host.dirty_log_stop(fr);
}

static bool h_sync(void *opaque, RAMBlock *rb, uint64_t first, uint64_t n,
                   unsigned long *bitmap, uint64_t *ret_new, Error **errp)
{
    FakeRAM *fr = ((Machine *)opaque)->fr;

    return fr->host.dirty_sync(fr, rb, first, n, bitmap, ret_new, errp);
}

static void h_clear(void *opaque, RAMBlock *rb, uint64_t first, uint64_t n)
{
    FakeRAM *fr = ((Machine *)opaque)->fr;

    fr->host.dirty_clear(fr, rb, first, n);
}

static unsigned h_vcpu_count(void *opaque)
{
    return 1;
}

static int h_vcpu_thread_id(void *opaque, unsigned cpu)
{
    return 0;
}

static bool h_vcpu_dirty_pages(void *opaque, unsigned cpu, uint64_t *ret)
{
    return false;
}

static void h_throttle_set(void *opaque, unsigned percent)
{
}

static unsigned h_throttle_get(void *opaque)
{
    return 0;
}

static void h_vcpu_throttle_set(void *opaque, unsigned cpu, unsigned percent)
{
}

static uint64_t h_vcpu_throttled_ns(void *opaque, unsigned cpu)
{
    return 0;
}

static bool h_disks_inactivate(void *opaque, Error **errp)
{
    ((Machine *)opaque)->disks = false;
    return true;
}

static bool h_disks_activate(void *opaque, Error **errp)
{
    ((Machine *)opaque)->disks = true;
    return true;
}

static void h_announce(void *opaque, const MigrationAnnounce *how)
{
}

static const MigrationHost host = {
    .machine_type = h_machine_type,
    .uuid = h_uuid,
    .suppress_vmdesc = h_suppress,
    .registry = h_registry,
    .run_state = h_run_state,
    .run_state_set = h_run_state_set,
    .stop = h_stop,
    .start = h_start,
    .lock = h_lock,
    .unlock = h_unlock,
    .ram_blocks = h_ram_blocks,
    .ram_written = h_ram_written,
    .dirty_log_start = h_log_start,
    .dirty_log_stop = h_log_stop,
    .dirty_sync = h_sync,
    .dirty_clear = h_clear,
    .vcpu_count = h_vcpu_count,
    .vcpu_thread_id = h_vcpu_thread_id,
    .vcpu_dirty_pages = h_vcpu_dirty_pages,
    .throttle_set = h_throttle_set,
    .throttle_get = h_throttle_get,
    .vcpu_throttle_set = h_vcpu_throttle_set,
    .vcpu_throttled_ns = h_vcpu_throttled_ns,
    .disks_inactivate = h_disks_inactivate,
    .disks_activate = h_disks_activate,
    .announce = h_announce,
};

static void p_yank(void *opaque, void (*func)(void *), void *func_opaque)
{
}

static int p_fd_param(void *opaque, const char *name, Error **errp)
{
    error_setg(errp, "no descriptors here");
    return -1;
}

static void p_incoming_done(void *opaque, bool autostart)
{
    h_start(opaque, &error_abort);
}

static void p_incoming_failed(void *opaque, const Error *err)
{
}

static const MigrationProgram program = {
    .yank_add = p_yank,
    .yank_del = p_yank,
    .fd_param = p_fd_param,
    .incoming_done = p_incoming_done,
    .incoming_failed = p_incoming_failed,
};

static Machine *machine_new(bool incoming)
{
    Machine *m = g_new0(Machine, 1);

    m->fr = fake_ram_new();
    m->rb = fake_ram_add(m->fr, "ram0", RAM_PAGES * RAM_PAGE_SIZE, 4096, 0);
    m->reg = savevm_registry_new();
    qemu_rec_mutex_init(&m->lock);
    vmstate_register_with(m->reg, "counter", 0, &vmstate_counter, m,
                          MIG_PRI_DEFAULT, &error_abort);
    m->state = incoming ? RUN_STATE_INMIGRATE : RUN_STATE_RUNNING;
    m->disks = !incoming;
    m->ms = migration_new(&program, m, NULL, &error_abort);
    /* Two of them in one process: the tree has room for one. */
    object_ref(OBJECT(m->ms));
    object_unparent(OBJECT(m->ms));
    migration_init(m->ms, &host, m);
    return m;
}

static void machine_free(Machine *m)
{
    /* migration_shutdown() takes it out of the tree again. */
    object_property_add_child(object_get_root(), "migration", OBJECT(m->ms));
    migration_shutdown(m->ms);
    object_unref(OBJECT(m->ms));
    savevm_registry_free(m->reg);
    fake_ram_free(m->fr);
    qemu_rec_mutex_destroy(&m->lock);
    g_free(m);
}

/* -- the relay --------------------------------------------------------------------- */

typedef struct Relay {
    int listener;
    const char *to;
    size_t cut[2];    /* bytes to the destination, to the source */
    size_t passed[2]; /* of the first connection; atomic */
    bool is_cut;      /* atomic */
    bool mute;        /* the second connection is accepted and left alone */
    MigrationState *fails; /* told of a failure just before the cut */
    int stop; /* eventfd-like: a socket that is closed at the end */
    QemuThread thread;
} Relay;

static void unix_address(struct sockaddr_un *un, const char *path)
{
    *un = (struct sockaddr_un){ .sun_family = AF_UNIX };
    g_strlcpy(un->sun_path, path, sizeof(un->sun_path));
}

static int unix_connect_to(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un un;

    unix_address(&un, path);
    if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
        return fd_close(fd);
    }
    return fd;
}

/* Returns: false: this connection is over. */
static bool relay_pass(Relay *r, bool first, int way, int from, int to)
{
    uint8_t buf[4096];
    size_t room = sizeof(buf);
    ssize_t n;

    if (first) {
        room = MIN(room, r->cut[way] - r->passed[way]);
    }
    n = room ? recv(from, buf, room, 0) : 0;
    if (n <= 0) {
        return false;
    }
    for (ssize_t done = 0; done < n;) {
        ssize_t k = send(to, buf + done, (size_t)(n - done), MSG_NOSIGNAL);

        if (k <= 0) {
            return false;
        }
        done += k;
    }
    if (first) {
        qatomic_set(&r->passed[way], r->passed[way] + (size_t)n);
    }
    return !first || r->passed[way] < r->cut[way];
}

static void relay_connection(Relay *r, int source, bool first)
{
    int target = unix_connect_to(r->to);
    bool on = target >= 0;

    while (on) {
        struct pollfd p[] = { { source, POLLIN, 0 },
                              { target, POLLIN, 0 },
                              { r->stop, POLLIN, 0 } };

        poll(p, G_N_ELEMENTS(p), -1);
        if (p[2].revents) {
            break;
        }
        if (p[0].revents) {
            on = relay_pass(r, first, 0, source, target);
        }
        if (on && p[1].revents) {
            on = relay_pass(r, first, 1, target, source);
        }
    }
    qatomic_set(&r->is_cut, true);
    if (first && r->fails) {
        Error *err = NULL;

        error_setg(&err, "another channel broke");
        migration_fail(r->fails, err);
        migration_channels_interrupt(r->fails);
    }
    fd_close(source);
    if (target >= 0) {
        fd_close(target);
    }
}

static void *relay_thread(void *opaque)
{
    Relay *r = opaque;
    AUTO_FD muted = -1;

    for (bool first = true;; first = false) {
        struct pollfd p[] = { { r->listener, POLLIN, 0 },
                              { r->stop, POLLIN, 0 } };
        int fd;

        poll(p, G_N_ELEMENTS(p), -1);
        if (p[1].revents) {
            return NULL;
        }
        fd = accept(r->listener, NULL, NULL);
        if (fd >= 0 && !first && r->mute) {
            r->mute = false;
            muted = fd;
        } else if (fd >= 0) {
            relay_connection(r, fd, first);
        }
    }
}

/* -- a crossing ---------------------------------------------------------------------- */

typedef struct Crossing {
    char *dir, *at, *to;
    bool by_fd; /* the source is given a socket, not an address */
    Machine *source, *target;
    Relay relay;
    int stopper;
} Crossing;

static MigrationTarget *unix_target(MigrationState *ms, const char *path,
                                    bool outgoing)
{
    g_autofree char *uri = g_strdup_printf("unix:%s", path);

    return migration_target_new(ms, uri, NULL, outgoing, &error_abort);
}

/* A socket that somebody else has connected. */
static MigrationTarget *fd_target(const char *path)
{
    MigrationTarget *t = g_new0(MigrationTarget, 1);

    t->kind = TRANSPORT_FD_SOCKET;
    t->text = g_strdup("fd:test");
    t->opened = QIO_CHANNEL(
        qio_channel_socket_new_fd(unix_connect_to(path), &error_abort));
    return t;
}

static void crossing_init(Crossing *c, size_t cut_there, size_t cut_back)
{
    struct sockaddr_un un;
    int pair[2];

    *c = (Crossing){ .dir = g_dir_make_tmp("ferry-XXXXXX", NULL) };
    c->at = g_build_filename(c->dir, "relay", NULL);
    c->to = g_build_filename(c->dir, "target", NULL);
    c->source = machine_new(false);
    c->target = machine_new(true);
    c->source->counter = 42;
    fake_ram_fill(c->source->fr, c->source->rb, 0, RAM_PAGES / 2, 7);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                    ==, 0);
    c->stopper = pair[0];
    c->relay =
        (Relay){ .to = c->to, .cut = { cut_there, cut_back }, .stop = pair[1] };
    c->relay.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unix_address(&un, c->at);
    g_assert_cmpint(bind(c->relay.listener, (struct sockaddr *)&un, sizeof(un)),
                    ==, 0);
    g_assert_cmpint(listen(c->relay.listener, 8), ==, 0);
    qemu_thread_create(&c->relay.thread, "relay", relay_thread, &c->relay,
                       QEMU_THREAD_JOINABLE);
}

static void crossing_clear(Crossing *c)
{
    fd_close(c->stopper);
    qemu_thread_join(&c->relay.thread);
    fd_close(c->relay.stop);
    fd_close(c->relay.listener);
    machine_free(c->source);
    machine_free(c->target);
    g_unlink(c->at);
    g_unlink(c->to);
    g_rmdir(c->dir);
    g_free(c->at);
    g_free(c->to);
    g_free(c->dir);
}

static bool source_is_over(Crossing *c)
{
    return qatomic_load_acquire(&c->source->ms->run->done);
}

/* The destination has come to an end, or never heard of anybody. */
static bool target_is_over(Crossing *c)
{
    MigrationStatus s = migration_status(&c->target->ms->incoming->course);

    return migration_status_is_end(s) || s == MIGRATION_STATUS_SETUP;
}

static void serve_until(Crossing *c, bool (*done)(Crossing *))
{
    int64_t end = g_get_monotonic_time() + 30 * G_TIME_SPAN_SECOND;

    while (!done(c)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        main_loop_wait(true);
        g_usleep(200);
    }
}

static void cross(Crossing *c)
{
    migration_incoming_expect(c->target->ms);
    g_assert_true(migration_incoming_begin(
        c->target->ms, unix_target(c->target->ms, c->to, false), false,
        &error_abort));
    g_assert_true(migration_source_start(
        c->source->ms,
        c->by_fd ? fd_target(c->at) : unix_target(c->source->ms, c->at, true),
        &error_abort));
    serve_until(c, source_is_over);
    serve_until(c, target_is_over);
}

/* Returns: is it the destination that runs? */
static bool exactly_one_runs(Crossing *c, const char *when, size_t bytes)
{
    bool here = qatomic_read(&c->source->state) == RUN_STATE_RUNNING;
    bool there = qatomic_read(&c->target->state) == RUN_STATE_RUNNING;

    if (here == there) {
        const MigrationIncoming *mis = c->target->ms->incoming;

        g_error("%s %zu bytes: source %s (%s), destination %s, %s (%s)", when,
                bytes, here ? "runs" : "stands",
                c->source->ms->error ? error_get_pretty(c->source->ms->error)
                                     : "",
                there ? "runs" : "stands",
                MigrationStatus_str(migration_status(&mis->course)),
                mis->error ? error_get_pretty(mis->error) : "");
    }
    g_assert_true(here ? c->source->disks : c->target->disks);
    g_assert_cmpint(here, ==,
                    migration_status(&c->source->ms->course) !=
                        MIGRATION_STATUS_COMPLETED);
    if (there) {
        g_assert_cmpuint(c->target->counter, ==, 42);
        fake_ram_assert_equal(c->source->fr, c->target->fr);
    }
    return there;
}

/* Returns: bytes of a whole crossing one way. */
static size_t whole_crossing(int way)
{
    Crossing c;
    size_t bytes;

    crossing_init(&c, NO_CUT, NO_CUT);
    cross(&c);
    g_assert_true(exactly_one_runs(&c, "whole", 0));
    bytes = qatomic_read(&c.relay.passed[way]);
    crossing_clear(&c);
    return bytes;
}

static void test_whole(void)
{
    g_assert_cmpuint(whole_crossing(0), >, RAM_PAGES / 2 * RAM_PAGE_SIZE);
}

static bool cut_after(int way, size_t bytes)
{
    Crossing c;
    bool there;

    crossing_init(&c, way ? NO_CUT : bytes, way ? bytes : NO_CUT);
    cross(&c);
    there = exactly_one_runs(
        &c, way ? "cut on the way back after" : "cut after", bytes);
    crossing_clear(&c);
    return there;
}

/* Header, setup, pages, and every byte of the end. */
static void test_cut_there(void)
{
    size_t whole = whole_crossing(0);
    unsigned there = 0;

    for (size_t n = 1; n < 60; n += 7) {
        g_assert_false(cut_after(0, n));
    }
    for (size_t n = 1000; n < whole - 400; n += whole / 6) {
        g_assert_false(cut_after(0, n));
    }
    for (size_t n = whole - 60; n < whole; n++) {
        there += cut_after(0, n);
    }
    /* The commit itself takes the guest over. */
    g_assert_cmpuint(there, >, 0);
    g_assert_cmpuint(there, <, 30);
}

static void test_cut_back(void)
{
    size_t whole = whole_crossing(1);

    for (size_t n = 1; n < whole; n += 3) {
        cut_after(1, n);
    }
}

/* The socket's peer has a name, so it can be asked as well. */
static void test_cut_fd(void)
{
    size_t whole[] = { whole_crossing(0), whole_crossing(1) };
    unsigned there = 0;

    for (int way = 0; way < 2; way++) {
        for (size_t n = whole[way] - 24; n < whole[way]; n += 2) {
            Crossing c;

            crossing_init(&c, way ? NO_CUT : n, way ? n : NO_CUT);
            c.by_fd = true;
            cross(&c);
            there += exactly_one_runs(&c, "fd: cut after", n);
            crossing_clear(&c);
        }
    }
    g_assert_cmpuint(there, >, 0);
}

/* Cut between commit and its answer. */
static void lose_answer(bool mute, bool fail)
{
    Crossing c;

    crossing_init(&c, NO_CUT, whole_crossing(1) - 4);
    c.relay.mute = mute;
    c.relay.fails = fail ? c.source->ms : NULL;
    cross(&c);
    g_assert_true(exactly_one_runs(&c, "the answer was lost", 0));
    crossing_clear(&c);
}

/* A question that nobody answers is asked again. */
static void test_mute(void)
{
    lose_answer(true, false);
}

/* Other channels broke with the main one: the destination is asked all the
 * same. */
static void test_others_fail(void)
{
    lose_answer(false, true);
}

static void test_cancel(void)
{
    for (int wait_us = 0; wait_us < 20000; wait_us += 1500) {
        Crossing c;

        crossing_init(&c, NO_CUT, NO_CUT);
        migration_incoming_expect(c.target->ms);
        migration_incoming_begin(c.target->ms,
                                 unix_target(c.target->ms, c.to, false), false,
                                 &error_abort);
        migration_source_start(
            c.source->ms, unix_target(c.source->ms, c.at, true), &error_abort);
        for (int us = 0; us < wait_us; us += 500) {
            main_loop_wait(true);
            g_usleep(500);
        }
        g_assert_true(migration_source_cancel(c.source->ms, &error_abort));
        serve_until(&c, source_is_over);
        serve_until(&c, target_is_over);
        exactly_one_runs(&c, "cancelled after us", (size_t)wait_us);
        crossing_clear(&c);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    migration_register_types();
    qemu_init_main_loop(&error_abort);
    g_test_add_func("/migration/course/whole", test_whole);
    g_test_add_func("/migration/course/cut-there", test_cut_there);
    g_test_add_func("/migration/course/cut-back", test_cut_back);
    g_test_add_func("/migration/course/cut-fd", test_cut_fd);
    g_test_add_func("/migration/course/mute", test_mute);
    g_test_add_func("/migration/course/others-fail", test_others_fail);
    g_test_add_func("/migration/course/cancel", test_cancel);
    return g_test_run();
}
