/*
 * The graph changes while two threads read and write through it.
 *
 * Each of a thread's coroutines writes to a part of the disk of its own and
 * reads it back. Meanwhile the main loop puts filters in and takes them out,
 * drains nodes, one inside the other, moves backends between the threads, and
 * opens and closes files: nothing is lost, nothing stands still. A third thread,
 * as a guest's CPU does, asks the backends what they are, without a request.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/iothread.h"
#include "io/types.h"
#include "util/aio-wait.h"
#include "util/error.h"

#include "graph-drivers.h"

#define THREADS    2
#define COROUTINES 8
#define PART       (MEM_BYTES / (THREADS * COROUTINES))
#define BLOCK      512
#define FILTERS    4
#define CHANGES    3000

typedef struct Load {
    IOThread *thread[THREADS];
    BlockBackend *blk[THREADS];
    BlockNode *mem;
    BlockNode *filter[FILTERS]; /* above each other; those that are in */
    unsigned filters;
    unsigned next_name;
    GRand *rnd;
    bool stop;         /* atomic */
    unsigned running;  /* atomic */
    uint64_t requests; /* atomic */
    uint64_t asked;    /* of the thread that asks, until it has ended */
} Load;

typedef struct Worker {
    Load *load;
    BlockBackend *blk;
    unsigned number;
    uint8_t seed;
} Worker;

static void coroutine_fn give_way(void)
{
    aio_co_schedule(qemu_get_current_aio_context(), qemu_coroutine_self());
    qemu_coroutine_yield();
}

static void coroutine_fn worker_entry(void *opaque)
{
    Worker *w = opaque;
    int64_t base = (int64_t)w->number * PART;
    uint8_t out[BLOCK], in[BLOCK];

    while (!qatomic_read(&w->load->stop)) {
        int64_t at = base + (w->seed * 7 % (PART / BLOCK)) * BLOCK;

        memset(out, ++w->seed, sizeof(out));
        g_assert_cmpint(blk_co_pwrite(w->blk, at, BLOCK, out,
                                      w->seed % 8 ? 0 : BLK_REQ_FUA),
                        ==, 0);
        give_way();
        g_assert_cmpint(blk_co_pread(w->blk, at, BLOCK, in, 0), ==, 0);
        g_assert_cmpmem(in, BLOCK, out, BLOCK);
        __atomic_fetch_add(&w->load->requests, 2, __ATOMIC_RELAXED);
    }
    qatomic_fetch_dec(&w->load->running);
    aio_wait_kick();
}

static void *ask(void *opaque)
{
    Load *l = opaque;

    while (!qatomic_read(&l->stop)) {
        BlockBackend *blk = l->blk[l->asked++ % THREADS];

        g_assert_cmpint(blk_getlength(blk), ==, MEM_BYTES);
        g_assert_true(blk_is_inserted(blk) && blk_is_writable(blk));
        g_assert_cmpuint(blk_get_request_alignment(blk), ==, 1);
        g_assert_cmpuint(blk_get_max_transfer(blk), ==, BLK_REQUEST_MAX_BYTES);
        g_assert_cmpuint(blk_get_physical_block_size(blk), ==, BLK_SECTOR_SIZE);
    }
    return NULL;
}

/* -- changes --------------------------------------------------------------------- */

static BlockNode *top(Load *l)
{
    return l->filters ? l->filter[l->filters - 1] : l->mem;
}

static void put_filter(Load *l)
{
    g_autofree char *name = g_strdup_printf("f%u", l->next_name++);
    /* Between any two, or on top of all. */
    unsigned at = (unsigned)g_rand_int_range(l->rnd, 0, (int)l->filters + 1);
    BlockNode *below = at ? l->filter[at - 1] : l->mem;

    if (l->filters == FILTERS) {
        return;
    }
    memmove(&l->filter[at + 1], &l->filter[at],
            (l->filters - at) * sizeof(l->filter[0]));
    l->filter[at] = open_over("pass", name, block_node_name(below), "");
    l->filters++;
    g_assert_true(node_insert_above(below, l->filter[at], &error_abort));
}

static void take_filter(Load *l)
{
    unsigned at;
    BlockNode *node;

    if (!l->filters) {
        return;
    }
    at = (unsigned)g_rand_int_range(l->rnd, 0, (int)l->filters);
    node = l->filter[at];
    g_assert_true(node_replace(
        node, node_child_of_role(node, NODE_ROLE_FILTERED), &error_abort));
    l->filters--;
    memmove(&l->filter[at], &l->filter[at + 1],
            (l->filters - at) * sizeof(l->filter[0]));
    block_node_unref(node);
}

static void drain(Load *l)
{
    BlockNode *a = g_rand_boolean(l->rnd) ? l->mem : top(l);
    BlockNode *b = g_rand_boolean(l->rnd) ? l->mem : top(l);
    uint64_t before;

    node_drained_begin(a);
    before = qatomic_read(&l->requests);
    node_drained_begin(b);
    node_drained_end(a);
    /* Nothing moves: both backends stand above all nodes. */
    g_assert_cmpuint(TEST_MEM(l->mem)->inside, ==, 0);
    g_assert_cmpuint(qatomic_read(&l->mem->in_flight) & ~NODE_WATCHED, ==, 0);
    node_drained_end(b);
    g_assert_cmpuint(qatomic_read(&l->requests), >=, before);
}

static void move_backend(Load *l)
{
    BlockBackend *blk = l->blk[g_rand_int_range(l->rnd, 0, THREADS)];
    IOThread *t = l->thread[g_rand_int_range(l->rnd, 0, THREADS)];

    g_assert_true(
        blk_set_aio_context(blk, iothread_get_aio_context(t), &error_abort));
}

/* One more user comes, reads, and goes. */
static void visitor(Load *l)
{
    BlockBackend *blk = backend_on(top(l), false, true);
    uint8_t buf[BLOCK];

    g_assert_cmpint(blk_pread(blk, 0, BLOCK, buf), ==, 0);
    blk_unref(blk);
}

static void change(Load *l)
{
    switch (g_rand_int_range(l->rnd, 0, 7)) {
    case 0:
    case 1:
        put_filter(l);
        break;
    case 2:
        take_filter(l);
        break;
    case 3:
        drain(l);
        break;
    case 4:
        node_drained_all_end(node_drained_all_begin());
        break;
    case 5:
        move_backend(l);
        break;
    default:
        visitor(l);
    }
}

static void start(Load *l, Worker *workers)
{
    for (unsigned i = 0; i < THREADS * COROUTINES; i++) {
        unsigned t = i % THREADS;

        workers[i] = (Worker){ .load = l, .blk = l->blk[t], .number = i };
        qatomic_fetch_inc(&l->running);
        aio_co_enter(iothread_get_aio_context(l->thread[t]),
                     qemu_coroutine_create(worker_entry, &workers[i]));
    }
}

static void test_load(void)
{
    Load l = { .mem = open_mem("mem"), .rnd = g_rand_new_with_seed(5) };
    Worker workers[THREADS * COROUTINES];
    int64_t end = g_get_monotonic_time() + 8 * G_USEC_PER_SEC;
    unsigned changes = 0;
    QemuThread asker;

    for (int i = 0; i < THREADS; i++) {
        g_autofree char *id = g_strdup_printf("t%d", i);

        l.thread[i] = iothread_create(id, &error_abort);
        l.blk[i] = backend_on(l.mem, true, true);
        blk_set_aio_context(l.blk[i], iothread_get_aio_context(l.thread[i]),
                            &error_abort);
    }
    start(&l, workers);
    qemu_thread_create(&asker, "asker", ask, &l, QEMU_THREAD_JOINABLE);
    while (changes < CHANGES && g_get_monotonic_time() < end) {
        change(&l);
        changes++;
        aio_poll(qemu_get_aio_context(), false);
    }
    qatomic_set(&l.stop, true);
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_mb_read(&l.running) > 0);
    qemu_thread_join(&asker);
    g_test_message("%u changes, %" PRIu64 " requests, asked %" PRIu64 " times",
                   changes, l.requests, l.asked);
    g_assert_cmpuint(l.asked, >, 0);
    g_assert_cmpuint(l.requests, >, changes);
    while (l.filters) {
        take_filter(&l);
    }
    for (int i = 0; i < THREADS; i++) {
        blk_unref(l.blk[i]);
    }
    g_assert_cmpuint(l.mem->refs, ==, 1);
    block_node_unref(l.mem);
    for (int i = 0; i < THREADS; i++) {
        iothread_destroy(l.thread[i]);
    }
    g_rand_free(l.rnd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    io_register_types();
    drivers_register();
    g_test_add_func("/graph-load/threads", test_load);
    return g_test_run();
}
