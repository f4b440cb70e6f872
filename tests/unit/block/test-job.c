/*
 * Jobs: life, pausing, cancelling, transactions; mirror and backup while the
 * disk is being written.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "block/job/backup.h"
#include "block/job/mirror.h"
#include "util/aio-wait.h"
#include "util/fd.h"
#include "util/main-loop.h"

#define SIZE (8 * 1024 * 1024 + 4096)

/* -- a job that counts ------------------------------------------------------------ */

#define TYPE_COUNT_JOB "job-count"
OBJECT_DECLARE_SIMPLE_TYPE(CountJob, COUNT_JOB)

struct CountJob {
    Job parent_obj;

    int until; /* rounds; -1: ready at once, until complete */
    int fails; /* run() returns it */
    int fails_prepare;
    int rounds;
    bool complete;
    GString *trace; /* what was called; borrowed */
};

static int coroutine_fn count_run(Job *job, Error **errp)
{
    CountJob *c = COUNT_JOB(job);

    if (c->until < 0) {
        job_set_ready(job);
    }
    while (c->until < 0 ? !c->complete && !job_cancel_requested(job)
                        : c->rounds < c->until) {
        c->rounds++;
        job_sleep_ns(job, 1000 * 1000);
        if (job_is_cancelled(job)) {
            return -ECANCELED;
        }
    }
    return c->fails;
}

static bool count_complete(Job *job, Error **errp)
{
    COUNT_JOB(job)->complete = true;
    return true;
}

static bool count_cancel(Job *job, bool force)
{
    return force || !job_is_ready_status(job_status(job));
}

static int count_prepare(Job *job, Error **errp)
{
    g_string_append_printf(COUNT_JOB(job)->trace, "%s:prepare ", job->id);
    return COUNT_JOB(job)->fails_prepare;
}

static void count_commit(Job *job)
{
    g_string_append_printf(COUNT_JOB(job)->trace, "%s:commit ", job->id);
}

static void count_abort(Job *job)
{
    g_string_append_printf(COUNT_JOB(job)->trace, "%s:abort ", job->id);
}

static void count_clean(Job *job)
{
    g_string_append_printf(COUNT_JOB(job)->trace, "%s:clean ", job->id);
}

static void count_class_init(ObjectClass *oc, void *data)
{
    JobClass *jc = JOB_CLASS(oc);

    jc->type = JOB_TYPE_CREATE;
    jc->run = count_run;
    jc->complete = count_complete;
    jc->cancel = count_cancel;
    jc->prepare = count_prepare;
    jc->commit = count_commit;
    jc->abort = count_abort;
    jc->clean = count_clean;
}

static const TypeInfo count_job_info = {
    .name = TYPE_COUNT_JOB,
    .parent = TYPE_JOB,
    .instance_size = sizeof(CountJob),
    .class_init = count_class_init,
};

static CountJob *count_job(const char *id, int until, JobTxn *txn,
                           unsigned flags, GString *trace)
{
    Job *job = job_create(TYPE_COUNT_JOB, id, txn, qemu_get_aio_context(),
                          flags, &error_abort);
    CountJob *c = COUNT_JOB(job);

    c->until = until;
    c->trace = trace;
    return c;
}

static void run_until(Job *job, JobStatus status)
{
    AIO_WAIT_WHILE_UNLOCKED(NULL, job_status(job) != status);
}

static void test_life(void)
{
    g_autoptr(GString) trace = g_string_new(NULL);
    CountJob *c = count_job("a", 3, NULL,
                            JOB_MANUAL_FINALIZE | JOB_MANUAL_DISMISS, trace);
    Job *job = JOB(c);
    Error *err = NULL;

    g_assert_null(
        job_create(TYPE_COUNT_JOB, "a", NULL, qemu_get_aio_context(), 0, &err));
    error_free_or_abort(&err);
    g_assert_null(job_create(TYPE_COUNT_JOB, "1 2", NULL,
                             qemu_get_aio_context(), 0, &err));
    error_free_or_abort(&err);
    g_assert_true(job_find("a") == job);
    g_assert_cmpint(job_status(job), ==, JOB_STATUS_CREATED);
    job_start(job);
    g_assert_false(job_finalize(job, &err));
    error_free_or_abort(&err);
    run_until(job, JOB_STATUS_PENDING);
    g_assert_cmpstr(trace->str, ==, "");
    g_assert_true(job_finalize(job, &error_abort));
    g_assert_cmpint(job_status(job), ==, JOB_STATUS_CONCLUDED);
    g_assert_cmpstr(trace->str, ==, "a:prepare a:commit a:clean ");
    g_assert_false(job_cancel(job, true, &err));
    error_free_or_abort(&err);
    g_assert_true(job_dismiss(job, &error_abort));
    g_assert_null(job_find("a"));
}

static void test_pause(void)
{
    g_autoptr(GString) trace = g_string_new(NULL);
    CountJob *c = count_job("a", -1, NULL, 0, trace);
    Job *job = JOB(c);
    Error *err = NULL;
    int rounds;

    object_ref(job);
    g_assert_true(job_user_pause(job, &error_abort));
    g_assert_false(job_user_pause(job, &err));
    error_free_or_abort(&err);
    job_start(job);
    g_assert_true(job_is_quiet(job));
    g_assert_cmpint(job_status(job), ==, JOB_STATUS_PAUSED);
    job_pause(job);
    g_assert_true(job_user_resume(job, &error_abort));
    g_assert_cmpint(c->rounds, ==, 0);
    job_resume(job);
    run_until(job, JOB_STATUS_READY);
    AIO_WAIT_WHILE_UNLOCKED(NULL, c->rounds < 3);
    job_pause(job);
    AIO_WAIT_WHILE_UNLOCKED(NULL, !job_is_quiet(job));
    g_assert_cmpint(job_status(job), ==, JOB_STATUS_STANDBY);
    rounds = c->rounds;
    for (int i = 0; i < 20; i++) {
        g_usleep(500);
        aio_poll(qemu_get_aio_context(), false);
    }
    g_assert_cmpint(c->rounds, ==, rounds);
    g_assert_false(job_complete(job, &err)); /* not in standby */
    error_free_or_abort(&err);
    job_resume(job);
    g_assert_true(job_complete(job, &error_abort));
    g_assert_cmpint(job_wait(job), ==, 0);
    object_unref(job);
}

/* Soft: a ready job ends well; forced, or not ready: it has no result. */
static void test_cancel(void)
{
    static const struct {
        int until;
        bool force;
        int ret;
    } cases[] = { { -1, false, 0 },
                  { -1, true, -ECANCELED },
                  { 1000, false, -ECANCELED } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) trace = g_string_new(NULL);
        Job *job = JOB(count_job("a", cases[i].until, NULL, 0, trace));

        object_ref(job);
        job_start(job);
        g_assert_true(job_cancel(job, cases[i].force, &error_abort));
        g_assert_cmpint(job_wait(job), ==, cases[i].ret);
        g_assert_cmpstr(trace->str, ==,
                        cases[i].ret ? "a:abort a:clean "
                                     : "a:prepare a:commit a:clean ");
        object_unref(job);
    }
}

typedef struct TxnCase {
    int fails;
    int fails_prepare;
    bool cancel;
    const char *trace;
} TxnCase;

static void test_txn(void)
{
    static const TxnCase cases[] = {
        { 0, 0, false,
          "a:prepare b:prepare a:commit a:clean b:commit b:clean " },
        { -EIO, 0, false, "a:abort a:clean b:abort b:clean " },
        { 0, -EIO, false,
          "a:prepare b:prepare a:abort a:clean b:abort b:clean " },
        { 0, 0, true, "a:abort a:clean b:abort b:clean " },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) trace = g_string_new(NULL);
        JobTxn *txn = job_txn_new();
        CountJob *a = count_job("a", 20, txn, 0, trace);
        CountJob *b = count_job("b", 2, txn, 0, trace);

        job_txn_unref(txn);
        object_ref(a);
        object_ref(b);
        b->fails = cases[i].fails;
        b->fails_prepare = cases[i].fails_prepare;
        job_start(JOB(a));
        job_start(JOB(b));
        if (cases[i].cancel) {
            run_until(JOB(b), JOB_STATUS_WAITING);
            g_assert_true(job_cancel(JOB(b), true, &error_abort));
        }
        job_wait(JOB(a));
        job_wait(JOB(b));
        g_assert_cmpstr(trace->str, ==, cases[i].trace);
        g_assert_cmpint(JOB(a)->ret<0, ==, i> 0);
        object_unref(a);
        object_unref(b);
    }
}

/* -- on disks ----------------------------------------------------------------------- */

typedef struct Disk {
    char *path;
    BlockBackend *blk;
    GRand *rand;
    uint8_t *want; /* what the disk must have */
    QEMUIOVector qiov;
    uint8_t buf[65536];
    bool busy;
    bool stop;
    unsigned writes;
} Disk;

static BlockNode *open_node(const char *path)
{
    g_autoptr(json_t) opts = json_pack("{s:s, s:s, s:s}", "driver", "file",
                                       "filename", path, "discard", "unmap");

    return block_node_new(opts, false, qemu_get_aio_context(), &error_abort);
}

static char *make_file(uint8_t fill)
{
    g_autofree uint8_t *data = g_malloc(SIZE);
    char *path = NULL;
    int fd = g_file_open_tmp("job-XXXXXX", &path, NULL);

    memset(data, fill, SIZE);
    g_assert_cmpint(pwrite(fd, data, SIZE, 0), ==, SIZE);
    fd_close(fd);
    return path;
}

static void disk_open(Disk *d)
{
    BlockNode *node;

    memset(d, 0, sizeof(*d));
    d->path = make_file(0x11);
    d->want = g_malloc(SIZE);
    memset(d->want, 0x11, SIZE);
    d->rand = g_rand_new_with_seed(3);
    d->blk = blk_new(qemu_get_aio_context());
    node = open_node(d->path);
    blk_insert(d->blk, node, &error_abort);
    block_node_unref(node);
}

static void disk_close(Disk *d)
{
    blk_unref(d->blk);
    g_unlink(d->path);
    g_free(d->path);
    g_free(d->want);
    g_rand_free(d->rand);
}

static void write_next(void *opaque, int ret);

static void start_write(Disk *d)
{
    int64_t len = g_rand_int_range(d->rand, 1, sizeof(d->buf));
    int64_t at = g_rand_int_range(d->rand, 0, SIZE - (int32_t)len);

    memset(d->buf, g_rand_int_range(d->rand, 0, 256), (size_t)len);
    memcpy(d->want + at, d->buf, (size_t)len);
    qemu_iovec_init_buf(&d->qiov, d->buf, (size_t)len);
    d->busy = true;
    blk_aio_pwritev(d->blk, at, &d->qiov, 0, write_next, d);
}

static void write_next(void *opaque, int ret)
{
    Disk *d = opaque;

    g_assert_cmpint(ret, ==, 0);
    d->busy = false;
    d->writes++;
    if (!d->stop) {
        start_write(d);
    }
}

static void stop_writes(Disk *d)
{
    d->stop = true;
    AIO_WAIT_WHILE_UNLOCKED(NULL, d->busy);
}

static void assert_file(const char *path, const uint8_t *want)
{
    g_autofree char *data = NULL;
    gsize len;

    g_assert_true(g_file_get_contents(path, &data, &len, NULL));
    g_assert_cmpuint(len, ==, SIZE);
    for (gsize i = 0; i < len; i++) {
        if ((uint8_t)data[i] != want[i]) {
            g_error("%s differs at %zu: %02x, not %02x", path, i,
                    (uint8_t)data[i], want[i]);
        }
    }
}

static void test_mirror(gconstpointer data)
{
    Disk d;
    g_autofree char *path = make_file(0x22);
    BlockNode *target = open_node(path);
    MirrorOptions o = {
        .type = TYPE_MIRROR_JOB,
        .id = "m",
        .target = target,
        .sync = MIRROR_SYNC_MODE_FULL,
        .unmap = true,
        .copy_mode = (MirrorCopyMode)GPOINTER_TO_INT(data),
    };
    BlockJob *job;

    disk_open(&d);
    o.source = blk_node(d.blk);
    job = mirror_job_create(&o, &error_abort);
    object_ref(job);
    start_write(&d);
    job_start(JOB(job));
    run_until(JOB(job), JOB_STATUS_READY);
    AIO_WAIT_WHILE_UNLOCKED(NULL, d.writes < 50);
    g_assert_true(job_complete(JOB(job), &error_abort));
    g_assert_cmpint(job_wait(JOB(job)), ==, 0);
    /* From now on the writes go to the copy. */
    g_assert_true(blk_node(d.blk) == target);
    AIO_WAIT_WHILE_UNLOCKED(NULL, d.writes < 100);
    stop_writes(&d);
    assert_file(path, d.want);
    object_unref(job);
    block_node_unref(target);
    disk_close(&d);
    g_unlink(path);
}

/* A mirror that ends without a pivot is the disk of one moment. */
static void test_mirror_cancel(void)
{
    Disk d;
    g_autofree char *path = make_file(0x22);
    BlockNode *target = open_node(path);
    BlockNode *source;
    MirrorOptions o = { .type = TYPE_MIRROR_JOB,
                        .id = "m",
                        .target = target,
                        .sync = MIRROR_SYNC_MODE_FULL };
    BlockJob *job;

    disk_open(&d);
    source = o.source = blk_node(d.blk);
    job = mirror_job_create(&o, &error_abort);
    object_ref(job);
    start_write(&d);
    job_start(JOB(job));
    run_until(JOB(job), JOB_STATUS_READY);
    stop_writes(&d);
    g_assert_true(job_cancel(JOB(job), false, &error_abort));
    g_assert_cmpint(job_wait(JOB(job)), ==, 0);
    g_assert_true(blk_node(d.blk) == source);
    assert_file(path, d.want);
    object_unref(job);
    block_node_unref(target);
    disk_close(&d);
    g_unlink(path);
}

/* A backup is the disk as it was when it began. */
static void test_backup(void)
{
    Disk d;
    g_autofree char *path = make_file(0x22);
    g_autofree uint8_t *then = NULL;
    BlockNode *target = open_node(path);
    BackupOptions o = { .id = "b",
                        .target = target,
                        .sync = MIRROR_SYNC_MODE_FULL };
    BlockJob *job;

    disk_open(&d);
    start_write(&d);
    AIO_WAIT_WHILE_UNLOCKED(NULL, d.writes < 20);
    stop_writes(&d);
    then = g_memdup2(d.want, SIZE);
    d.stop = false;
    o.source = blk_node(d.blk);
    job = backup_job_create(&o, NULL, &error_abort);
    object_ref(job);
    start_write(&d);
    AIO_WAIT_WHILE_UNLOCKED(NULL, d.writes < 40);
    job_start(JOB(job));
    g_assert_cmpint(job_wait(JOB(job)), ==, 0);
    stop_writes(&d);
    assert_file(path, then);
    block_node_unref(target);
    object_unref(job);
    disk_close(&d);
    g_unlink(path);
}

static void test_bad_sizes(void)
{
    Disk d;
    g_autofree char *path = make_file(0);
    BlockNode *target;
    BackupOptions b = { .id = "b", .sync = MIRROR_SYNC_MODE_FULL };
    MirrorOptions m = { .type = TYPE_MIRROR_JOB,
                        .id = "m",
                        .sync = MIRROR_SYNC_MODE_FULL };
    Error *err = NULL;

    g_assert_cmpint(truncate(path, SIZE - 4096), ==, 0);
    target = open_node(path);
    disk_open(&d);
    m.source = b.source = blk_node(d.blk);
    m.target = b.target = target;
    g_assert_null(backup_job_create(&b, NULL, &err));
    error_free_or_abort(&err);
    g_assert_null(mirror_job_create(&m, &err));
    error_free_or_abort(&err);
    m.target = b.target = m.source;
    g_assert_null(backup_job_create(&b, NULL, &err));
    error_free_or_abort(&err);
    g_assert_null(mirror_job_create(&m, &err));
    error_free_or_abort(&err);
    block_node_unref(target);
    disk_close(&d);
    g_unlink(path);
}

/* -- how fast ------------------------------------------------------------------ */

#define SECOND 1000000000LL

static void test_rate(void)
{
    ProgressRate r = { 0 };
    uint64_t done = 0;
    int64_t now = 77;
    uint64_t eta;
    double rate;

    g_assert_false(progress_rate_get(&r, &rate));
    progress_rate_sample(&r, 0, now);
    progress_rate_sample(&r, 100, now + SECOND / 10);
    g_assert_false(progress_rate_get(&r, &rate));
    g_assert_false(progress_rate_eta(&r, 100, 1000, &eta));
    /* Its true rate from the first second on, however it is sampled. */
    while (now < 10 * SECOND) {
        now += SECOND / 20 * (1 + (int64_t)(done % 7));
        done = (uint64_t)now / (SECOND / 1000);
        progress_rate_sample(&r, done, now);
        if (now > SECOND) {
            g_assert_true(progress_rate_get(&r, &rate));
            g_assert_cmpfloat(rate, >, 950);
            g_assert_cmpfloat(rate, <, 1100);
        }
    }
    g_assert_true(progress_rate_eta(&r, done, done + 60000, &eta));
    g_assert_cmpuint(eta, >=, 57);
    g_assert_cmpuint(eta, <=, 63);
    /* What follows at once changes nothing; a pause does not count. */
    progress_rate_sample(&r, done + 500, now + 1000);
    progress_rate_skip(&r, done, now += 3600 * SECOND);
    g_assert_true(progress_rate_get(&r, &rate));
    g_assert_cmpfloat(rate, >, 950);
    /* It stands still: the rate goes to nothing, and there is no end. */
    for (int i = 0; i < 600; i++) {
        progress_rate_sample(&r, done, now += SECOND / 10);
    }
    g_assert_true(progress_rate_get(&r, &rate));
    g_assert_cmpfloat(rate, <, 1);
    g_assert_false(progress_rate_eta(&r, done, UINT64_MAX, &eta));
    /* One look after a long time is the average of that time. */
    progress_rate_sample(&r, done + 1000000, now += 10000 * SECOND);
    g_assert_true(progress_rate_get(&r, &rate));
    g_assert_cmpfloat(rate, >, 99);
    g_assert_cmpfloat(rate, <, 101);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    job_find("none"); /* types are there */
    type_register_static(&count_job_info);
    g_test_add_func("/job/life", test_life);
    g_test_add_func("/job/pause", test_pause);
    g_test_add_func("/job/cancel", test_cancel);
    g_test_add_func("/job/transaction", test_txn);
    g_test_add_data_func("/job/mirror/background",
                         GINT_TO_POINTER(MIRROR_COPY_MODE_BACKGROUND),
                         test_mirror);
    g_test_add_data_func("/job/mirror/write-blocking",
                         GINT_TO_POINTER(MIRROR_COPY_MODE_WRITE_BLOCKING),
                         test_mirror);
    g_test_add_func("/job/mirror/cancel", test_mirror_cancel);
    g_test_add_func("/job/backup", test_backup);
    g_test_add_func("/job/sizes", test_bad_sizes);
    g_test_add_func("/job/rate", test_rate);
    return g_test_run();
}
