/*
 * The thread pool, and file operations by it and by io_uring.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/aio-file.h"
#include "util/coroutine.h"
#include "util/thread-pool.h"
#include "util/thread.h"

static AioContext *ctx;

typedef struct Job {
    BlockAIOCB *acb;
    int value;
    int ret;
    bool done;
    QemuEvent *gate; /* wait for it */
    QemuSemaphore *began;
} Job;

static int job_run(void *opaque)
{
    Job *job = opaque;

    if (job->began) {
        qemu_sem_post(job->began);
    }
    if (job->gate) {
        qemu_event_wait(job->gate);
    }
    return ++job->value;
}

static void job_done(void *opaque, int ret)
{
    Job *job = opaque;

    g_assert_false(job->done);
    job->done = true;
    job->ret = ret;
}

static void wait_job(Job *job)
{
    while (!job->done) {
        aio_poll(ctx, true);
    }
}

static ThreadPool *pool(void)
{
    return aio_get_thread_pool(ctx);
}

static void test_submit(void)
{
    Job jobs[100] = { 0 };

    for (int i = 0; i < 100; i++) {
        jobs[i].value = i;
        thread_pool_submit_aio(pool(), job_run, &jobs[i], job_done, &jobs[i]);
    }
    for (int i = 0; i < 100; i++) {
        wait_job(&jobs[i]);
        g_assert_cmpint(jobs[i].ret, ==, i + 1);
    }
}

static void coroutine_fn pool_co(void *opaque)
{
    Job *job = opaque;

    for (int i = 1; i <= 10; i++) {
        g_assert_cmpint(thread_pool_submit_co(pool(), job_run, job), ==, i);
    }
    job->done = true;
}

static void test_co(void)
{
    Job job = { 0 };

    aio_co_enter(ctx, qemu_coroutine_create(pool_co, &job));
    wait_job(&job);
    g_assert_cmpint(job.value, ==, 10);
}

static void test_cancel(void)
{
    Job jobs[8] = { 0 };
    QemuSemaphore began;
    QemuEvent gate;

    qemu_sem_init(&began, 0);
    qemu_event_init(&gate, false);
    g_assert_true(aio_context_set_thread_pool_params(ctx, 0, 2, &error_abort));
    for (int i = 0; i < 8; i++) {
        jobs[i].gate = &gate;
        jobs[i].began = &began;
        jobs[i].acb = thread_pool_submit_aio(pool(), job_run, &jobs[i],
                                             job_done, &jobs[i]);
    }
    qemu_sem_wait(&began);
    qemu_sem_wait(&began);
    /* Two run, six wait. */
    for (int i = 0; i < 8; i++) {
        qemu_aio_cancel_async(jobs[i].acb);
    }
    qemu_event_set(&gate);
    for (int i = 0; i < 8; i++) {
        wait_job(&jobs[i]);
        g_assert_cmpint(jobs[i].ret, ==, i < 2 ? 1 : -ECANCELED);
        g_assert_cmpint(jobs[i].value, ==, i < 2);
    }
    g_assert_true(aio_context_set_thread_pool_params(ctx, 0, 64, &error_abort));
    qemu_sem_destroy(&began);
    qemu_event_destroy(&gate);
}

typedef struct Nested {
    Job inner;
    bool outer_done;
} Nested;

static void nested_done(void *opaque, int ret)
{
    Nested *n = opaque;

    wait_job(&n->inner);
    n->outer_done = true;
}

static int nop(void *opaque)
{
    return 0;
}

/* A completion that polls for another one. */
static void test_nested_completion(void)
{
    for (int i = 0; i < 50; i++) {
        Nested n = { 0 };

        thread_pool_submit_aio(pool(), nop, NULL, nested_done, &n);
        thread_pool_submit_aio(pool(), job_run, &n.inner, job_done, &n.inner);
        while (!n.outer_done) {
            aio_poll(ctx, true);
        }
        g_assert_true(n.inner.done);
    }
}

static void test_min_threads(void)
{
    AioContext *own = aio_context_new(&error_abort);

    g_assert_true(aio_context_set_thread_pool_params(own, 4, 4, &error_abort));
    aio_get_thread_pool(own);
    /* Fewer from now on: the surplus leaves, and free waits for the rest. */
    g_assert_true(aio_context_set_thread_pool_params(own, 0, 1, &error_abort));
    aio_context_unref(own);
}

/* -- files ----------------------------------------------------------------- */

typedef struct FileJob {
    int fd;
    bool done;
} FileJob;

static void coroutine_fn file_co(void *opaque)
{
    FileJob *job = opaque;
    char a[] = "hello ", b[] = "world", out[32] = { 0 };
    struct iovec w[2] = { { a, 6 }, { b, 5 } };
    struct iovec r[2] = { { out, 3 }, { out + 3, 20 } };
    struct iovec big;

    g_assert_cmpint(aio_co_pwritev(job->fd, w, 2, 4096), ==, 11);
    g_assert_cmpint(aio_co_fdatasync(job->fd), ==, 0);
    g_assert_cmpint(aio_co_fsync(job->fd), ==, 0);
    g_assert_cmpint(aio_co_preadv(job->fd, r, 2, 4096), ==, 11);
    g_assert_cmpstr(out, ==, "hello world");
    /* A short read at the end, and nothing behind it. */
    g_assert_cmpint(aio_co_preadv(job->fd, r, 1, 4106), ==, 1);
    g_assert_cmpint(aio_co_preadv(job->fd, r, 1, 1 << 20), ==, 0);
    /* Errors are negative errno. */
    g_assert_cmpint(aio_co_preadv(-1, r, 1, 0), ==, -EBADF);
    g_assert_cmpint(aio_co_fsync(-1), ==, -EBADF);
    big.iov_base = g_malloc0(1 << 20);
    big.iov_len = 1 << 20;
    g_assert_cmpint(aio_co_pwritev(job->fd, &big, 1, 0), ==, 1 << 20);
    memset(big.iov_base, 1, 1 << 20);
    g_assert_cmpint(aio_co_preadv(job->fd, &big, 1, 0), ==, 1 << 20);
    g_assert_cmpint(((char *)big.iov_base)[(1 << 20) - 1], ==, 0);
    g_free(big.iov_base);
    job->done = true;
}

#define N_PARALLEL 500 /* more than the ring holds */

typedef struct Parallel {
    uint32_t value;
    struct iovec iov;
    int ret;
    int *left;
} Parallel;

static void parallel_done(void *opaque, int ret)
{
    Parallel *p = opaque;

    p->ret = ret;
    --*p->left;
}

static void parallel_run(AioFileOp op, int fd, Parallel *p)
{
    int left = N_PARALLEL;

    for (int i = 0; i < N_PARALLEL; i++) {
        p[i].iov = (struct iovec){ &p[i].value, sizeof(p[i].value) };
        p[i].left = &left;
        aio_file_submit(ctx, op, fd, &p[i].iov, 1, i * sizeof(uint32_t),
                        parallel_done, &p[i]);
    }
    while (left) {
        aio_poll(ctx, true);
    }
    for (int i = 0; i < N_PARALLEL; i++) {
        g_assert_cmpint(p[i].ret, ==, sizeof(uint32_t));
    }
}

static void check_files(void)
{
    g_autofree char *name = NULL;
    AUTO_FD fd = g_file_open_tmp("ferry-XXXXXX", &name, NULL);
    FileJob job = { .fd = fd };
    g_autofree Parallel *p = g_new0(Parallel, N_PARALLEL);

    g_assert_cmpint(fd, >=, 0);
    aio_co_enter(ctx, qemu_coroutine_create(file_co, &job));
    g_assert_false(job.done);
    while (!job.done) {
        aio_poll(ctx, true);
    }
    for (int i = 0; i < N_PARALLEL; i++) {
        p[i].value = (uint32_t)i * 3 + 1;
    }
    parallel_run(AIO_FILE_WRITE, fd, p);
    for (int i = 0; i < N_PARALLEL; i++) {
        p[i].value = 0;
    }
    parallel_run(AIO_FILE_READ, fd, p);
    for (int i = 0; i < N_PARALLEL; i++) {
        g_assert_cmpuint(p[i].value, ==, (uint32_t)i * 3 + 1);
    }
    unlink(name);
}

static void test_file_uring(void)
{
    if (!aio_context_has_io_uring(ctx)) {
        g_test_skip("the kernel has or allows no io_uring");
        return;
    }
    check_files();
    /* One request to the kernel at a time. */
    g_assert_true(aio_context_set_aio_params(ctx, 1, &error_abort));
    check_files();
    g_assert_true(aio_context_set_aio_params(ctx, 0, &error_abort));
}

static void read_cancelled(void *opaque, int ret)
{
    *(int *)opaque = ret;
}

/* A read that would wait for ever ends when it is cancelled. */
static void test_uring_cancel(void)
{
    char c;
    struct iovec iov = { &c, 1 };
    BlockAIOCB *acb;
    int fd[2], ret = 1;

    if (!aio_context_has_io_uring(ctx)) {
        g_test_skip("the kernel has or allows no io_uring");
        return;
    }
    g_assert_cmpint(pipe2(fd, O_CLOEXEC), ==, 0);
    acb = aio_file_submit(ctx, AIO_FILE_READ, fd[0], &iov, 1, 0, read_cancelled,
                          &ret);
    while (aio_poll(ctx, false)) {
    }
    g_assert_cmpint(ret, ==, 1);
    qemu_aio_cancel_async(acb);
    while (ret == 1) {
        aio_poll(ctx, true);
    }
    g_assert_true(ret == -ECANCELED || ret == -EINTR);
    fd_close(fd[0]);
    fd_close(fd[1]);
}

static void test_file_threads(void)
{
    aio_context_set_io_uring(ctx, false);
    g_assert_false(aio_context_has_io_uring(ctx));
    check_files();
    aio_context_set_io_uring(ctx, true);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    ctx = aio_context_new(&error_abort);
    qemu_set_current_aio_context(ctx);
    g_test_add_func("/thread-pool/submit", test_submit);
    g_test_add_func("/thread-pool/co", test_co);
    g_test_add_func("/thread-pool/cancel", test_cancel);
    g_test_add_func("/thread-pool/nested-completion", test_nested_completion);
    g_test_add_func("/thread-pool/min-threads", test_min_threads);
    g_test_add_func("/aio-file/uring", test_file_uring);
    g_test_add_func("/aio-file/uring-cancel", test_uring_cancel);
    g_test_add_func("/aio-file/threads", test_file_threads);
    ret = g_test_run();
    aio_context_unref(ctx);
    return ret;
}
