/*
 * The engine of ferry-img convert.
 *
 * Several threads, each with its own event loop, run coroutines that take a
 * range from the shared cursor, read it, look for zeroes and write it. A node
 * takes requests from any thread, so that reading, searching, compressing and
 * writing spread over the CPUs without a hand-over between threads.
 *
 * A thread begins with one coroutine and small pieces: what was read is then
 * still in the CPU's cache when it is searched and written. Where requests wait
 * (for a disk, a network), more coroutines are started; how many, and how long
 * pieces are, is what convert-pace.c finds out.
 *
 * Without -W writes start in the order of their offsets, so that files are
 * laid out in order; each waits for its turn by a ticket, but not for others
 * to end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "block/node-image.h"
#include "util/aio-file.h"
#include "util/aio-wait.h"
#include "util/atomic.h"
#include "util/error-report.h"
#include "util/error.h"

#include "convert.h"

/* --salvage gives up pieces of this size. */
#define SALVAGE_BYTES 512
/* Looks for the turn before a coroutine lets others run: some microseconds. */
#define TURN_SPINS 1000
/* Of buffers, for O_DIRECT. */
#define BUFFER_ALIGN 4096

typedef struct Worker {
    Convert *s;
    QemuThread thread;
    AioContext *ctx;
    unsigned running; /* coroutines in this thread */
    unsigned sleeps;  /* when the thread had nothing to do */
} Worker;

/* What a coroutine reads into. */
typedef struct Buffer {
    uint8_t *data; /* owned */
    size_t bytes;
} Buffer;

/* -- failures -------------------------------------------------------------------- */

static bool must_stop(const Convert *s)
{
    return qatomic_read(&s->ret) < 0 ||
           block_progress_is_cancelled(s->progress);
}

static void wake_all(Convert *s)
{
    Coroutine *co[CONVERT_COROUTINES_MAX];

    qemu_mutex_lock(&s->lock);
    memcpy(co, s->waiting, sizeof(co));
    memset(s->waiting, 0, sizeof(s->waiting));
    qemu_mutex_unlock(&s->lock);
    for (size_t i = 0; i < G_N_ELEMENTS(co); i++) {
        if (co[i]) {
            aio_co_wake(co[i]);
        }
    }
}

static void fail(Convert *s, int ret, const char *doing, int64_t offset)
{
    qemu_mutex_lock(&s->lock);
    if (s->ret == 0) {
        s->doing = doing;
        s->failed_at = offset;
        qatomic_set(&s->ret, ret);
    }
    qemu_mutex_unlock(&s->lock);
    wake_all(s);
}

/* -- turns ------------------------------------------------------------------------- */

/* At most CONVERT_COROUTINES_MAX tickets are out, so slots do not collide. */
static void coroutine_fn wait_for_turn(Worker *w, uint64_t ticket)
{
    Convert *s = w->s;

    if (s->out_of_order) {
        return;
    }
    /* Usually the other thread is about to write; with one there is none. */
    for (int i = 0;
         s->threads > 1 && i < TURN_SPINS && qatomic_read(&s->turn) != ticket &&
         !qatomic_read(&s->is_slow);
         i++) {
        cpu_relax();
    }
    qemu_mutex_lock(&s->lock);
    while (s->turn != ticket && !must_stop(s)) {
        s->waiting[ticket % CONVERT_COROUTINES_MAX] = qemu_coroutine_self();
        qemu_mutex_unlock(&s->lock);
        qemu_coroutine_yield();
        qemu_mutex_lock(&s->lock);
    }
    qemu_mutex_unlock(&s->lock);
}

static void pass_turn(Convert *s, uint64_t ticket)
{
    Coroutine *next;

    if (s->out_of_order) {
        return;
    }
    qemu_mutex_lock(&s->lock);
    qatomic_set(&s->turn, ticket + 1);
    next = g_steal_pointer(&s->waiting[s->turn % CONVERT_COROUTINES_MAX]);
    qemu_mutex_unlock(&s->lock);
    if (next) {
        aio_co_wake(next);
    }
}

/* -r: each write reserves the time that it takes at that rate. */
static void coroutine_fn keep_rate(Convert *s, int64_t bytes)
{
    int64_t now, start;

    if (!s->rate) {
        return;
    }
    now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    qemu_mutex_lock(&s->lock);
    start = MAX(s->rate_ns, now);
    s->rate_ns =
        start + (int64_t)((double)bytes / (double)s->rate * 1000000000.0);
    qemu_mutex_unlock(&s->lock);
    while (now < start && !must_stop(s)) {
        /* Short sleeps, so that cancelling is heard. */
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, MIN(start - now, 100000000));
        now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    }
}

/* -- reading ------------------------------------------------------------------------- */

static int64_t source_offset(const ConvertRange *r, int64_t offset)
{
    return offset - r->source->start + r->source->skip;
}

static int coroutine_fn read_piece(const ConvertRange *r, int64_t offset,
                                   int64_t bytes, uint8_t *buf)
{
    QEMUIOVector qiov;

    qemu_iovec_init_buf(&qiov, buf, (size_t)bytes);
    return blk_co_preadv(r->source->blk, source_offset(r, offset), &qiov, 0);
}

/* What cannot be read becomes zeroes; halves, until the bad pieces are left. */
static void coroutine_fn salvage(Convert *s, const ConvertRange *r,
                                 int64_t offset, int64_t bytes, uint8_t *buf)
{
    int64_t half = QEMU_ALIGN_UP(bytes / 2, SALVAGE_BYTES);
    int ret = read_piece(r, offset, bytes, buf);

    if (ret == 0 || must_stop(s)) {
        return;
    }
    if (bytes > SALVAGE_BYTES && half < bytes) {
        salvage(s, r, offset, half, buf);
        salvage(s, r, offset + half, bytes - half, buf + half);
        return;
    }
    warn_report("error while reading offset %" PRId64 ": %s", offset,
                strerror(-ret));
    memset(buf, 0, (size_t)bytes);
    qemu_mutex_lock(&s->lock);
    s->lost += (uint64_t)bytes;
    qemu_mutex_unlock(&s->lock);
}

static void read_done(Convert *s, int64_t bytes, int64_t begin, bool slept)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    QEMU_LOCK_GUARD(&s->lock);

    if (convert_pace_read(&s->pace, bytes, now - begin, now, slept)) {
        qatomic_set(&s->is_slow, true);
    }
}

static int coroutine_fn read_range(Worker *w, const ConvertRange *r,
                                   uint8_t *buf)
{
    Convert *s = w->s;
    int64_t begin = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    unsigned sleeps = w->sleeps;
    int ret = read_piece(r, r->offset, r->bytes, buf);
    if (ret < 0 && s->salvage) {
        salvage(s, r, r->offset, r->bytes, buf);
        ret = 0;
    }
    read_done(s, r->bytes, begin, w->sleeps != sleeps);
    return ret;
}

/* -- writing ------------------------------------------------------------------------- */

static int coroutine_fn write_piece(Convert *s, int64_t offset, uint8_t *buf,
                                    size_t bytes, BlkRequestFlags flags)
{
    QEMUIOVector qiov;

    qemu_iovec_init_buf(&qiov, buf, bytes);
    return blk_co_pwritev(s->target, offset, &qiov, flags);
}

static int coroutine_fn write_zeroes(Convert *s, int64_t offset, int64_t bytes)
{
    if (s->target_is_zero) {
        return 0;
    }
    return blk_co_pwrite_zeroes(s->target, offset, bytes,
                                s->keep_space ? 0 : BLK_REQ_MAY_UNMAP);
}

/* One cluster at a time, as a compressed one is one request. */
static int coroutine_fn write_compressed(Convert *s, int64_t offset,
                                         uint8_t *buf, int64_t bytes)
{
    int64_t length = blk_getlength(s->target);

    for (int64_t done = 0; done < bytes;) {
        int64_t at = offset + done;
        int64_t n = MIN(bytes - done, s->cluster_size - at % s->cluster_size);
        bool whole = at % s->cluster_size == 0 &&
                     (n == s->cluster_size || at + n == length);
        bool zero;
        int ret;

        convert_zero_run(buf + done, (size_t)n, (size_t)n, &zero);
        if (zero && s->min_sparse) {
            ret = write_zeroes(s, at, n);
        } else {
            ret = write_piece(s, at, buf + done, (size_t)n,
                              whole ? BLK_REQ_WRITE_COMPRESSED : 0);
        }
        if (ret < 0) {
            return ret;
        }
        done += n;
    }
    return 0;
}

static int coroutine_fn write_sparse(Convert *s, int64_t offset, uint8_t *buf,
                                     int64_t bytes)
{
    size_t granule = MAX(s->min_sparse, (size_t)s->align);

    while (bytes > 0) {
        bool zero;
        /* Runs end at multiples of the granule on the disk. */
        size_t head =
            (size_t)MIN(bytes, (int64_t)granule - offset % (int64_t)granule);
        size_t n = head < granule && head < (size_t)bytes
                       ? convert_zero_run(buf, head, head, &zero)
                       : convert_zero_run(buf, (size_t)bytes, granule, &zero);
        int ret = zero ? write_zeroes(s, offset, (int64_t)n)
                       : write_piece(s, offset, buf, n, 0);

        if (ret < 0) {
            return ret;
        }
        offset += (int64_t)n;
        buf += n;
        bytes -= (int64_t)n;
    }
    return 0;
}

static int coroutine_fn write_range(Convert *s, const ConvertRange *r,
                                    uint8_t *buf)
{
    if (s->compressed) {
        return write_compressed(s, r->offset, buf, r->bytes);
    }
    if (s->min_sparse) {
        return write_sparse(s, r->offset, buf, r->bytes);
    }
    return write_piece(s, r->offset, buf, (size_t)r->bytes, 0);
}

/* -- ranges ---------------------------------------------------------------------------- */

static int coroutine_fn offload(Convert *s, const ConvertRange *r)
{
    int ret = blk_co_copy_range(r->source->blk, source_offset(r, r->offset),
                                s->target, r->offset, r->bytes, 0);

    if (ret < 0) {
        qatomic_set(&s->copy_range, false); /* not between these two */
    }
    return ret;
}

static void buffer_free(Buffer *b)
{
    g_aligned_free(b->data);
}

/* Room for @bytes, and for what is now read at once. Long buffers are of huge
 * pages, so that the first use of many costs little. */
static uint8_t *buffer_get(Buffer *b, size_t bytes, int64_t chunk)
{
    if (b->bytes < bytes) {
        g_aligned_free(b->data);
        b->bytes = MAX(bytes, (size_t)chunk);
        b->data = g_aligned_alloc(
            1, b->bytes,
            b->bytes < CONVERT_CHUNK_MAX ? BUFFER_ALIGN : CONVERT_CHUNK_MAX);
        if (b->bytes >= CONVERT_CHUNK_MAX) {
            madvise(b->data, b->bytes, MADV_HUGEPAGE);
        }
    }
    return b->data;
}

static int coroutine_fn copy_data(Worker *w, const ConvertRange *r,
                                  Buffer *buffer)
{
    Convert *s = w->s;
    uint8_t *buf;
    int ret;

    if (qatomic_read(&s->copy_range)) {
        wait_for_turn(w, r->ticket);
        keep_rate(s, r->bytes);
        if (offload(s, r) == 0) {
            pass_turn(s, r->ticket);
            return 0;
        }
    }
    buf = buffer_get(buffer, (size_t)r->bytes, qatomic_read(&s->pace.chunk));
    ret = read_range(w, r, buf);
    if (ret < 0) {
        fail(s, ret, "reading", source_offset(r, r->offset));
        return ret;
    }
    wait_for_turn(w, r->ticket);
    keep_rate(s, r->bytes);
    pass_turn(s, r->ticket);
    if (must_stop(s)) {
        return -ECANCELED;
    }
    ret = write_range(s, r, buf);
    if (ret < 0) {
        fail(s, ret, "writing", r->offset);
    }
    return ret;
}

static int coroutine_fn copy_range(Worker *w, const ConvertRange *r,
                                   Buffer *buffer)
{
    Convert *s = w->s;
    int ret = 0;

    if (r->kind == CONVERT_DATA) {
        ret = copy_data(w, r, buffer);
    } else {
        wait_for_turn(w, r->ticket);
        pass_turn(s, r->ticket);
        if (r->kind == CONVERT_ZERO && !must_stop(s)) {
            ret = write_zeroes(s, r->offset, r->bytes);
            if (ret < 0) {
                fail(s, ret, "writing", r->offset);
            }
        }
    }
    if (ret == 0) {
        block_progress_done(s->progress, (uint64_t)r->bytes);
    }
    return ret;
}

/* -- coroutines and threads --------------------------------------------------------------- */

static void coroutine_fn copy_entry(void *opaque);

static void start_coroutine(Worker *w)
{
    w->running++;
    aio_co_enter(w->ctx, qemu_coroutine_create(copy_entry, w));
}

/* Are more coroutines wanted than run? Counts the new one. */
static bool take_slot(Convert *s)
{
    unsigned n = qatomic_read(&s->running);

    while (n < qatomic_read(&s->pace.coroutines)) {
        unsigned seen = qatomic_cmpxchg(&s->running, n, n + 1);

        if (seen == n) {
            return true;
        }
        n = seen;
    }
    return false;
}

/* Are fewer coroutines wanted than run? Then this one goes, but not a thread's
 * last. Its slot is given back. */
static bool is_surplus(Worker *w)
{
    Convert *s = w->s;
    unsigned n = qatomic_read(&s->running);

    while (w->running > 1 && n > qatomic_read(&s->pace.coroutines)) {
        unsigned seen = qatomic_cmpxchg(&s->running, n, n - 1);

        if (seen == n) {
            return true;
        }
        n = seen;
    }
    return false;
}

static void coroutine_fn copy_entry(void *opaque)
{
    Worker *w = opaque;
    Convert *s = w->s;
    Buffer buffer = { 0 };
    ConvertRange r;
    int ret = 1;

    while (ret >= 0 && !must_stop(s) && !is_surplus(w)) {
        ret = convert_cursor_next(&s->cursor, qatomic_read(&s->pace.chunk), &r);
        if (ret == 0) {
            break;
        }
        if (ret < 0) {
            fail(s, ret, "reading the block status of", r.offset);
            break;
        }
        ret = copy_range(w, &r, &buffer);
    }
    buffer_free(&buffer);
    w->running--;
}

/*
 * The thread has nothing to do: is it to start another coroutine? Not if all
 * that there are wait for their turn or for a lock: then it would be in the
 * way of those who hold them. What the files and servers work at, is more than
 * the other threads can be copying at this moment.
 */
static bool may_start(Worker *w)
{
    Convert *s = w->s;
    const ConvertSource *source = s->cursor.sources;

    if (must_stop(s) || qatomic_read(&s->cursor.done)) {
        return false;
    }
    source += MIN(qatomic_read(&s->cursor.index), s->cursor.n_sources - 1);
    return (qatomic_read(&s->is_slow) ||
            block_node_io_in_flight(blk_node(source->blk)) +
                    block_node_io_in_flight(blk_node(s->target)) >=
                s->threads) &&
           take_slot(s);
}

static void *worker_run(void *opaque)
{
    Worker *w = opaque;

    qemu_set_current_aio_context(w->ctx);
    start_coroutine(w);
    while (w->running) {
        if (aio_poll(w->ctx, false) || !w->running) {
            continue;
        }
        if (may_start(w)) {
            start_coroutine(w);
        } else {
            w->sleeps++;
            aio_poll(w->ctx, true);
        }
    }
    return NULL;
}

static unsigned count_threads(const Convert *s)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = (unsigned)CLAMP(cpus, 1, CONVERT_THREADS_MAX);

    return s->coroutines ? MIN(threads, s->coroutines) : threads;
}

static bool start_workers(Convert *s, Worker *workers, unsigned n, Error **errp)
{
    s->threads = n;
    s->running = n;
    for (unsigned i = 0; i < n; i++) {
        workers[i].s = s;
        workers[i].ctx = aio_context_new(errp);
        if (!workers[i].ctx) {
            return false;
        }
        aio_context_set_may_block(workers[i].ctx, true);
    }
    return true;
}

typedef struct Waiter {
    Worker *workers;
    unsigned n;
    bool done; /* atomic */
} Waiter;

/* Waits for the workers, so that the main loop's thread can show progress and
 * hear signals. */
static void *waiter_run(void *opaque)
{
    Waiter *w = opaque;

    for (unsigned i = 0; i < w->n; i++) {
        qemu_thread_join(&w->workers[i].thread);
    }
    qatomic_set(&w->done, true);
    aio_wait_kick();
    return NULL;
}

static void run_workers(Convert *s, Worker *workers, unsigned n)
{
    Waiter w = { workers, n, false };
    QemuThread waiter;

    for (unsigned i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("convert/%u", i);

        qemu_thread_create(&workers[i].thread, name, worker_run, &workers[i],
                           QEMU_THREAD_JOINABLE);
    }
    qemu_thread_create(&waiter, "convert/wait", waiter_run, &w,
                       QEMU_THREAD_JOINABLE);
    AIO_WAIT_WHILE_UNLOCKED(NULL,
                            !qatomic_read(&w.done) &&
                                !block_progress_is_cancelled(s->progress));
    if (block_progress_is_cancelled(s->progress)) {
        wake_all(s);
        AIO_WAIT_WHILE_UNLOCKED(NULL, !qatomic_read(&w.done));
    }
    qemu_thread_join(&waiter);
}

static void set_geometry(Convert *s)
{
    s->align = MAX(blk_get_request_alignment(s->target),
                   MAX(node_preferred_write(blk_node(s->target)),
                       (uint32_t)s->cluster_size));
    s->cursor.granule = MAX((int64_t)s->align, BLK_SECTOR_SIZE);
    for (unsigned i = 0; i < s->cursor.n_sources; i++) {
        s->cursor.granule =
            MAX(s->cursor.granule,
                (int64_t)blk_get_request_alignment(s->cursor.sources[i].blk));
    }
    convert_pace_init(&s->pace, s->coroutines, s->cursor.granule);
}

bool convert_run(Convert *s, Error **errp)
{
    unsigned n = count_threads(s);
    Worker workers[CONVERT_THREADS_MAX] = { 0 };
    bool ok;

    qemu_mutex_init(&s->lock);
    convert_cursor_init(&s->cursor);
    set_geometry(s);
    block_progress_add(s->progress, (uint64_t)s->cursor.end);
    qemu_coroutine_inc_pool_size(CONVERT_COROUTINES_MAX);
    ok = start_workers(s, workers, n, errp);
    if (ok) {
        run_workers(s, workers, n);
    }
    for (unsigned i = 0; i < n; i++) {
        g_clear_pointer(&workers[i].ctx, aio_context_unref);
    }
    qemu_coroutine_dec_pool_size(CONVERT_COROUTINES_MAX);
    qemu_mutex_destroy(&s->lock);
    if (ok && s->ret < 0) {
        error_setg_errno(errp, -s->ret, "error while %s offset %" PRId64,
                         s->doing, s->failed_at);
        return false;
    }
    if (ok && block_progress_is_cancelled(s->progress)) {
        error_setg(errp, "cancelled");
        return false;
    }
    return ok;
}
