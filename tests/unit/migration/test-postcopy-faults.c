/*
 * Missing pages in one process: threads that touch memory, a "source" that
 * answers requests late and out of order, over every kind of memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>
#include <unistd.h>

#include "migration/postcopy/faults.h"
#include "migration/postcopy/times.h"
#include "migration/postcopy/uffd.h"
#include "util/buffer-zero.h"
#include "util/fd.h"
#include "util/thread.h"
#include "util/timer.h"

#define PAGES    256
#define TOUCHERS 4

typedef enum Memory {
    MEMORY_ANONYMOUS,
    MEMORY_MEMFD,
    MEMORY_HUGETLB,
} Memory;

typedef struct Request {
    uint64_t offset;
    uint32_t len;
} Request;

typedef struct Fixture {
    RAMBlock rb;
    RAMBlock *list[1];
    RAMBlockList blocks;
    uint8_t *content; /* what the pages will hold */
    uint64_t pages;
    PostcopyTimes *times;
    PostcopyFaults *pf;

    QemuMutex lock; /* guards all below */
    QemuCond cond;
    GArray *requests;
    bool received[PAGES];
    unsigned asked[PAGES];
    bool hold; /* answer nothing */
    bool quit;
    unsigned failures;
} Fixture;

/* -- the source ---------------------------------------------------------------- */

static void op_request(void *opaque, RAMBlock *rb, uint64_t offset,
                       uint32_t len)
{
    Fixture *fx = opaque;
    Request r = { offset, len };

    g_assert_true(rb == &fx->rb);
    g_assert_cmpuint(len, ==, postcopy_page_size(rb));
    qemu_mutex_lock(&fx->lock);
    fx->asked[offset / len]++;
    g_array_append_val(fx->requests, r);
    qemu_cond_broadcast(&fx->cond);
    qemu_mutex_unlock(&fx->lock);
}

static bool op_received(void *opaque, RAMBlock *rb, uint64_t offset)
{
    Fixture *fx = opaque;
    bool ret;

    qemu_mutex_lock(&fx->lock);
    ret = fx->received[offset / postcopy_page_size(rb)];
    qemu_mutex_unlock(&fx->lock);
    return ret;
}

static void op_failed(void *opaque, Error *err)
{
    Fixture *fx = opaque;

    error_free(err);
    qemu_mutex_lock(&fx->lock);
    fx->failures++;
    qemu_mutex_unlock(&fx->lock);
}

static const PostcopyFaultsOps ops = {
    .request = op_request,
    .received = op_received,
    .failed = op_failed,
};

static void place(Fixture *fx, uint64_t page)
{
    size_t size = postcopy_page_size(&fx->rb);

    g_assert_true(postcopy_faults_place(
        fx->pf, &fx->rb, page * size, fx->content + page * size, &error_abort));
    qemu_mutex_lock(&fx->lock);
    fx->received[page] = true;
    qemu_mutex_unlock(&fx->lock);
}

/* Answers the newest request first. */
static void *server(void *opaque)
{
    Fixture *fx = opaque;

    qemu_mutex_lock(&fx->lock);
    while (!fx->quit) {
        Request r;

        if (fx->hold || fx->requests->len == 0) {
            qemu_cond_wait(&fx->cond, &fx->lock);
            continue;
        }
        r = g_array_index(fx->requests, Request, fx->requests->len - 1);
        g_array_set_size(fx->requests, fx->requests->len - 1);
        qemu_mutex_unlock(&fx->lock);
        place(fx, r.offset / r.len);
        qemu_mutex_lock(&fx->lock);
    }
    qemu_mutex_unlock(&fx->lock);
    return NULL;
}

/* -- memory -------------------------------------------------------------------- */

static bool fixture_map(Fixture *fx, Memory memory)
{
    size_t page = memory == MEMORY_HUGETLB ? 2 << 20 : sysconf(_SC_PAGESIZE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;

    fx->pages = memory == MEMORY_HUGETLB ? 2 : PAGES;
    fx->rb.fd = -1;
    fx->rb.page_size = page;
    fx->rb.used_length = fx->rb.max_length = fx->pages * page;
    if (memory != MEMORY_ANONYMOUS) {
        fx->rb.fd = memfd_create(
            "test", MFD_CLOEXEC | (memory == MEMORY_HUGETLB ? MFD_HUGETLB : 0));
        if (fx->rb.fd < 0 || ftruncate(fx->rb.fd, fx->rb.max_length) < 0) {
            return false;
        }
        fx->rb.flags = RAM_BLOCK_SHARED;
        flags = MAP_SHARED;
    }
    fx->rb.host = mmap(NULL, fx->rb.max_length, PROT_READ | PROT_WRITE, flags,
                       fx->rb.fd, 0);
    return fx->rb.host != MAP_FAILED;
}

static Fixture *fixture_new(Memory memory, const int *tids, unsigned vcpus)
{
    g_autofree Fixture *fx = g_new0(Fixture, 1);
    Error *err = NULL;

    g_strlcpy(fx->rb.idstr, "test.ram", sizeof(fx->rb.idstr));
    fx->list[0] = &fx->rb;
    fx->blocks = (RAMBlockList){ .n = 1, .block = fx->list };
    if (!fixture_map(fx, memory)) {
        fd_close(fx->rb.fd);
        g_test_skip("no memory of this kind");
        return NULL;
    }
    qemu_mutex_init(&fx->lock);
    qemu_cond_init(&fx->cond);
    fx->requests = g_array_new(false, false, sizeof(Request));
    fx->content = g_malloc(fx->rb.used_length);
    for (uint64_t i = 0; i < fx->rb.used_length / 8; i++) {
        ((uint64_t *)fx->content)[i] = i * 0x9e3779b97f4a7c15u + 1;
    }
    fx->times = postcopy_times_new(tids, vcpus);
    g_assert_true(postcopy_block_supported(&fx->rb, &error_abort));
    g_assert_true(postcopy_block_prepare(&fx->rb, &error_abort));
    fx->pf = postcopy_faults_new(&fx->blocks, &ops, fx, fx->times, &err);
    if (!fx->pf) {
        g_test_skip(error_get_pretty(err));
        error_free(err);
        munmap(fx->rb.host, fx->rb.max_length);
        fd_close(fx->rb.fd);
        g_free(fx->content);
        postcopy_times_free(fx->times);
        g_array_free(fx->requests, true);
        return NULL;
    }
    return g_steal_pointer(&fx);
}

static void fixture_free(Fixture *fx)
{
    g_assert_cmpuint(fx->failures, ==, 0);
    postcopy_faults_free(fx->pf);
    postcopy_block_restore(&fx->rb);
    munmap(fx->rb.host, fx->rb.max_length);
    fd_close(fx->rb.fd);
    postcopy_times_free(fx->times);
    g_array_free(fx->requests, true);
    g_free(fx->content);
    qemu_cond_destroy(&fx->cond);
    qemu_mutex_destroy(&fx->lock);
    g_free(fx);
}

static void server_stop(Fixture *fx, QemuThread *thread)
{
    qemu_mutex_lock(&fx->lock);
    fx->quit = true;
    qemu_cond_broadcast(&fx->cond);
    qemu_mutex_unlock(&fx->lock);
    qemu_thread_join(thread);
}

/* -- tests --------------------------------------------------------------------- */

typedef struct Toucher {
    Fixture *fx;
    unsigned seed;
    bool wrong;
} Toucher;

/* Read every page in an order of its own. */
static void *toucher(void *opaque)
{
    Toucher *t = opaque;
    Fixture *fx = t->fx;
    size_t size = postcopy_page_size(&fx->rb);

    for (uint64_t i = 0; i < fx->pages; i++) {
        uint64_t page = (i * (2 * t->seed + 1) + t->seed) % fx->pages;

        if (memcmp(fx->rb.host + page * size, fx->content + page * size,
                   size) != 0) {
            t->wrong = true;
        }
    }
    return NULL;
}

static void test_touch(gconstpointer data)
{
    Fixture *fx = fixture_new((Memory)GPOINTER_TO_INT(data), NULL, 0);
    QemuThread srv, thread[TOUCHERS];
    Toucher t[TOUCHERS];
    PostcopyTimesReport r;

    if (!fx) {
        return;
    }
    qemu_thread_create(&srv, "server", server, fx, QEMU_THREAD_JOINABLE);
    for (unsigned i = 0; i < TOUCHERS; i++) {
        t[i] = (Toucher){ .fx = fx, .seed = i };
        qemu_thread_create(&thread[i], "toucher", toucher, &t[i],
                           QEMU_THREAD_JOINABLE);
    }
    for (unsigned i = 0; i < TOUCHERS; i++) {
        qemu_thread_join(&thread[i]);
        g_assert_false(t[i].wrong);
    }
    server_stop(fx, &srv);
    for (uint64_t p = 0; p < fx->pages; p++) {
        g_assert_true(fx->received[p]);
        g_assert_cmpuint(fx->asked[p], ==, 1);
    }
    postcopy_times_report(fx->times, &r);
    g_assert_cmpuint(r.faults, >=, fx->pages);
    g_assert_cmpuint(r.median_ns, >, 0);
    g_assert_cmpuint(r.median_ns, <=, r.p99_ns);
    g_assert_cmpuint(r.p99_ns, <=, r.max_ns);
    g_test_message("median %" PRIu64 " ns, p99 %" PRIu64 " ns", r.median_ns,
                   r.p99_ns);
    fixture_free(fx);
}

/* A page that counts as received but is not there is zeros, without a request. */
static void test_received_zero(void)
{
    Fixture *fx = fixture_new(MEMORY_ANONYMOUS, NULL, 0);

    if (!fx) {
        return;
    }
    qemu_mutex_lock(&fx->lock);
    fx->received[3] = true;
    qemu_mutex_unlock(&fx->lock);
    g_assert_cmpuint(fx->rb.host[3 * fx->rb.page_size + 5], ==, 0);
    g_assert_cmpuint(fx->asked[3], ==, 0);
    fixture_free(fx);
}

/* What the guest has written stays, however often the page comes. */
static void test_place_twice(gconstpointer data)
{
    Fixture *fx = fixture_new((Memory)GPOINTER_TO_INT(data), NULL, 0);

    if (!fx) {
        return;
    }
    place(fx, 1);
    fx->rb.host[fx->rb.page_size] = 0x55;
    place(fx, 1);
    g_assert_true(postcopy_faults_place(fx->pf, &fx->rb, fx->rb.page_size, NULL,
                                        &error_abort));
    g_assert_cmpuint(fx->rb.host[fx->rb.page_size], ==, 0x55);
    g_assert_cmpuint(fx->rb.host[fx->rb.page_size + 1], ==,
                     fx->content[fx->rb.page_size + 1]);

    g_assert_true(
        postcopy_faults_place(fx->pf, &fx->rb, 0, NULL, &error_abort));
    g_assert_cmpuint(fx->rb.host[7], ==, 0);
    fixture_free(fx);
}

/* A row of zeros around a page that is there, which stays. */
static void test_place_zero_row(void)
{
    Fixture *fx = fixture_new(MEMORY_ANONYMOUS, NULL, 0);
    size_t size;

    if (!fx) {
        return;
    }
    size = fx->rb.page_size;
    place(fx, 2);
    g_assert_true(
        postcopy_faults_place_zeros(fx->pf, &fx->rb, size, 4, &error_abort));
    for (size_t i = 1; i < 5; i++) {
        const uint8_t *page = fx->rb.host + i * size;

        if (i == 2) {
            g_assert_cmpmem(page, size, fx->content + i * size, size);
        } else {
            g_assert_true(buffer_is_zero(page, size));
        }
    }
    g_assert_cmpuint(fx->requests->len, ==, 0);
    fixture_free(fx);
}

/* What is given up is missing again. */
static void test_discard(gconstpointer data)
{
    Fixture *fx = fixture_new((Memory)GPOINTER_TO_INT(data), NULL, 0);
    size_t size;

    if (!fx) {
        return;
    }
    size = fx->rb.page_size;
    place(fx, 0);
    place(fx, 1);
    fx->rb.host[0] = 1;
    fx->rb.host[size] = 1;
    g_assert_true(postcopy_block_discard(&fx->rb, size, size, &error_abort));
    g_assert_cmpuint(fx->rb.host[0], ==, 1);
    /* Received and missing: zeros. */
    g_assert_cmpuint(fx->rb.host[size], ==, 0);
    fixture_free(fx);
}

/* A system call on a missing page waits as a thread does. */
static void test_kernel_fault(gconstpointer data)
{
    Fixture *fx = fixture_new((Memory)GPOINTER_TO_INT(data), NULL, 0);
    g_autofree uint8_t *got = NULL;
    QemuThread srv;
    int fds[2];

    if (!fx) {
        return;
    }
    got = g_malloc(4096);
    g_assert_cmpint(pipe(fds), ==, 0);
    qemu_thread_create(&srv, "server", server, fx, QEMU_THREAD_JOINABLE);
    g_assert_cmpint(write(fds[1], fx->rb.host + fx->rb.page_size, 4096), ==,
                    4096);
    g_assert_cmpint(read(fds[0], got, 4096), ==, 4096);
    g_assert_cmpmem(got, 4096, fx->content + fx->rb.page_size, 4096);
    server_stop(fx, &srv);
    close(fds[0]);
    close(fds[1]);
    fixture_free(fx);
}

static void wait_requests(Fixture *fx, unsigned n)
{
    qemu_mutex_lock(&fx->lock);
    while (fx->requests->len < n) {
        qemu_cond_wait(&fx->cond, &fx->lock);
    }
    qemu_mutex_unlock(&fx->lock);
}

/* Requests lost with a connection are made once more, and only those. */
static void test_ask_again(void)
{
    Fixture *fx = fixture_new(MEMORY_ANONYMOUS, NULL, 0);
    QemuThread srv, thread[TOUCHERS];
    Toucher t[TOUCHERS];

    if (!fx) {
        return;
    }
    place(fx, 200);
    fx->hold = true;
    for (unsigned i = 0; i < TOUCHERS; i++) {
        t[i] = (Toucher){ .fx = fx, .seed = i + 10 };
        qemu_thread_create(&thread[i], "toucher", toucher, &t[i],
                           QEMU_THREAD_JOINABLE);
    }
    wait_requests(fx, TOUCHERS);
    g_array_set_size(fx->requests, 0); /* lost */
    g_assert_cmpuint(postcopy_faults_ask_again(fx->pf), ==, TOUCHERS);
    wait_requests(fx, TOUCHERS);

    fx->hold = false;
    qemu_thread_create(&srv, "server", server, fx, QEMU_THREAD_JOINABLE);
    for (unsigned i = 0; i < TOUCHERS; i++) {
        qemu_thread_join(&thread[i]);
        g_assert_false(t[i].wrong);
    }
    server_stop(fx, &srv);
    g_assert_cmpuint(postcopy_faults_ask_again(fx->pf), ==, 0);
    g_assert_cmpuint(fx->asked[200], ==, 0);
    fixture_free(fx);
}

/* Threads that wait when the watch ends get zeros and run. */
static void test_free_wakes(void)
{
    Fixture *fx = fixture_new(MEMORY_ANONYMOUS, NULL, 0);
    QemuThread thread;
    Toucher t;

    if (!fx) {
        return;
    }
    fx->hold = true;
    t = (Toucher){ .fx = fx };
    qemu_thread_create(&thread, "toucher", toucher, &t, QEMU_THREAD_JOINABLE);
    wait_requests(fx, 1);
    postcopy_faults_free(g_steal_pointer(&fx->pf));
    qemu_thread_join(&thread);
    g_assert_true(t.wrong);
    fixture_free(fx);
}

static void test_unsupported(void)
{
    RAMBlock rb = { .idstr = "x",
                    .host = (uint8_t *)0x10000000,
                    .page_size = 4096,
                    .used_length = 4096,
                    .max_length = 4096,
                    .fd = 5 };
    Error *err = NULL;

    g_assert_false(postcopy_block_supported(&rb, &err));
    error_free_or_abort(&err);
    rb.flags = RAM_BLOCK_SHARED;
    g_assert_true(postcopy_block_supported(&rb, &error_abort));
    rb.host += 8;
    g_assert_false(postcopy_block_supported(&rb, &err));
    error_free_or_abort(&err);
}

static void add(const char *name, Memory memory, GTestDataFunc func)
{
    static const char *const kind[] = { "anonymous", "memfd", "hugetlb" };
    g_autofree char *path =
        g_strdup_printf("/postcopy-faults/%s/%s", name, kind[memory]);

    g_test_add_data_func(path, GINT_TO_POINTER(memory), func);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int m = MEMORY_ANONYMOUS; m <= MEMORY_HUGETLB; m++) {
        add("touch", (Memory)m, test_touch);
        add("place-twice", (Memory)m, test_place_twice);
        add("discard", (Memory)m, test_discard);
        add("kernel-fault", (Memory)m, test_kernel_fault);
    }
    g_test_add_func("/postcopy-faults/place-zero-row", test_place_zero_row);
    g_test_add_func("/postcopy-faults/received-zero", test_received_zero);
    g_test_add_func("/postcopy-faults/ask-again", test_ask_again);
    g_test_add_func("/postcopy-faults/free-wakes", test_free_wakes);
    g_test_add_func("/postcopy-faults/unsupported", test_unsupported);
    return g_test_run();
}
