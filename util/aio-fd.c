/*
 * Descriptors of an AioContext: what is set for each, waiting, dispatch.
 *
 * Few descriptors are waited for with ppoll(), which costs nothing to set
 * up: a coroutine that waits for a socket sets and removes a handler each
 * time. With more than POLL_MAX, or as a GSource, the context moves to
 * epoll for good; then a change is a system call, and a wait costs the same
 * with 10 or 10,000 descriptors.
 *
 * Any thread may set handlers (fd_lock); only the home thread waits and
 * dispatches. A handler that is removed while the home thread holds
 * pointers ("walking") is marked and freed later. Callbacks are called
 * without the lock; before each call the handler is looked at again, since
 * an earlier callback may have removed or changed it, or a nested aio_poll()
 * may have served the event already.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <poll.h>
#include <sys/epoll.h>

#include "trace/trace-util.h"
#include "util/lockable.h"

#include "aio-internal.h"

#define POLL_MAX 16
QEMU_BUILD_BUG_ON(POLL_MAX > AIO_READY_MAX);

#define EVENTS_READ  (EPOLLIN | EPOLLHUP | EPOLLERR)
#define EVENTS_WRITE (EPOLLOUT | EPOLLHUP | EPOLLERR)

/* poll() and epoll have the same bits on every Linux. */
QEMU_BUILD_BUG_ON(POLLIN != EPOLLIN || POLLOUT != EPOLLOUT ||
                  POLLERR != EPOLLERR || POLLHUP != EPOLLHUP);

/* -- the set of handlers --------------------------------------------------- */

/* Events to wait for now; 0: none. Called with fd_lock. */
static uint32_t handler_events(AioContext *ctx, const AioHandler *h)
{
    if (h->deleted || (h->is_external && ctx->external_disable_cnt > 0)) {
        return 0;
    }
    return (h->io_read ? EPOLLIN : 0) | (h->io_write ? EPOLLOUT : 0);
}

static void handler_set_always(AioContext *ctx, AioHandler *h, bool always)
{
    if (h->always != always) {
        h->always = always;
        ctx->n_always += always ? 1 : -1;
    }
}

/* Brings epoll in line with what the handler wants. With fd_lock. */
static void handler_arm(AioContext *ctx, AioHandler *h)
{
    uint32_t want = handler_events(ctx, h);
    struct epoll_event ev = { .events = want, .data.ptr = h };
    int op;

    handler_set_always(ctx, h, h->always && want);
    if (!ctx->use_epoll || want == h->armed || h->always) {
        return;
    }
    op = !want ? EPOLL_CTL_DEL : h->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(ctx->epollfd, op, h->fd, &ev) < 0 && want) {
        int err = errno;

        /*
         * ENOENT: closed and opened again behind our back, with the
         * handler still set. EPERM: a file that is always ready.
         */
        if (err == ENOENT &&
            epoll_ctl(ctx->epollfd, EPOLL_CTL_ADD, h->fd, &ev) == 0) {
            err = 0;
        }
        if (err == EPERM) {
            handler_set_always(ctx, h, true);
            want = 0;
        } else if (err) {
            g_warning("could not watch descriptor %d: %s", h->fd,
                      g_strerror(err));
            want = 0;
        }
    }
    h->armed = want;
}

static AioHandler *handler_find(AioContext *ctx, int fd)
{
    return g_hash_table_lookup(ctx->by_fd, GINT_TO_POINTER(fd));
}

static void use_epoll_locked(AioContext *ctx)
{
    AioHandler *h;

    if (ctx->use_epoll) {
        return;
    }
    trace_aio_context_use_epoll(ctx, ctx->n_handlers);
    ctx->use_epoll = true;
    QLIST_FOREACH(h, &ctx->handlers, link) {
        handler_arm(ctx, h);
    }
}

void aio_fd_use_epoll(AioContext *ctx)
{
    QEMU_LOCK_GUARD(&ctx->fd_lock);

    use_epoll_locked(ctx);
}

static AioHandler *handler_add(AioContext *ctx, int fd)
{
    AioHandler *h = g_new0(AioHandler, 1);

    h->fd = fd;
    QLIST_INSERT_HEAD(&ctx->handlers, h, link);
    g_hash_table_insert(ctx->by_fd, GINT_TO_POINTER(fd), h);
    ctx->n_handlers++;
    ctx->n_no_poll++; /* it has no io_poll yet */
    return h;
}

static void handler_remove(AioContext *ctx, AioHandler *h)
{
    h->deleted = true;
    handler_arm(ctx, h);
    g_hash_table_remove(ctx->by_fd, GINT_TO_POINTER(h->fd));
    QLIST_REMOVE(h, link);
    ctx->n_handlers--;
    ctx->n_no_poll -= !h->io_poll;
    if (ctx->walking) {
        QLIST_INSERT_HEAD(&ctx->deleted, h, link);
    } else {
        g_free(h);
    }
}

void aio_set_fd_handler(AioContext *ctx, int fd, bool is_external,
                        IOHandler *io_read, IOHandler *io_write,
                        AioPollFn *io_poll, IOHandler *io_poll_ready,
                        void *opaque)
{
    /* io_poll without io_poll_ready would be a yes that nobody hears. */
    assert(!io_poll || io_poll_ready);
    WITH_QEMU_LOCK_GUARD(&ctx->fd_lock)
    {
        AioHandler *h = handler_find(ctx, fd);

        if (!io_read && !io_write && !io_poll) {
            if (!h) {
                return;
            }
            handler_remove(ctx, h);
            break;
        }
        if (!h) {
            h = handler_add(ctx, fd);
        }
        ctx->n_no_poll -= !h->io_poll;
        ctx->n_no_poll += !io_poll;
        h->is_external = is_external;
        h->io_read = io_read;
        h->io_write = io_write;
        h->io_poll = io_poll;
        h->io_poll_ready = io_poll_ready;
        h->opaque = opaque;
        if (ctx->n_handlers > POLL_MAX) {
            use_epoll_locked(ctx);
        }
        handler_arm(ctx, h);
    }
    aio_notify(ctx);
}

void aio_set_event_notifier(AioContext *ctx, EventNotifier *notifier,
                            bool is_external, EventNotifierHandler *io_read,
                            AioPollFn *io_poll,
                            EventNotifierHandler *io_poll_ready)
{
    aio_set_fd_handler(ctx, event_notifier_get_fd(notifier), is_external,
                       (IOHandler *)(void *)io_read, NULL, io_poll,
                       (IOHandler *)(void *)io_poll_ready, notifier);
}

static void rearm_external(AioContext *ctx)
{
    AioHandler *h;

    QLIST_FOREACH(h, &ctx->handlers, link) {
        if (h->is_external) {
            handler_arm(ctx, h);
        }
    }
}

void aio_disable_external(AioContext *ctx)
{
    QEMU_LOCK_GUARD(&ctx->fd_lock);

    if (ctx->external_disable_cnt++ == 0) {
        rearm_external(ctx);
    }
}

void aio_enable_external(AioContext *ctx)
{
    WITH_QEMU_LOCK_GUARD(&ctx->fd_lock)
    {
        assert(ctx->external_disable_cnt > 0);
        if (--ctx->external_disable_cnt == 0) {
            rearm_external(ctx);
        }
    }
    aio_notify(ctx);
}

bool aio_external_disabled(AioContext *ctx)
{
    QEMU_LOCK_GUARD(&ctx->fd_lock);

    return ctx->external_disable_cnt > 0;
}

bool aio_fd_setup(AioContext *ctx, Error **errp)
{
    qemu_mutex_init(&ctx->fd_lock);
    ctx->by_fd = g_hash_table_new(NULL, NULL);
    ctx->epollfd = epoll_create1(EPOLL_CLOEXEC);
    if (ctx->epollfd < 0) {
        error_setg_errno(errp, errno, "could not create an epoll descriptor");
        return false;
    }
    return true;
}

void aio_fd_set_internal(AioContext *ctx, int fd, IOHandler *io_read,
                         AioPollFn *io_poll)
{
    aio_set_fd_handler(ctx, fd, false, io_read, NULL, io_poll, io_read, ctx);
    WITH_QEMU_LOCK_GUARD(&ctx->fd_lock)
    {
        handler_find(ctx, fd)->internal = true;
    }
}

void aio_fd_cleanup(AioContext *ctx)
{
    AioHandler *h, *next;

    assert(!ctx->walking && QLIST_EMPTY(&ctx->deleted));
    QLIST_FOREACH_SAFE(h, &ctx->handlers, link, next) {
        g_free(h);
    }
    g_hash_table_destroy(ctx->by_fd);
    ctx->epollfd = fd_close(ctx->epollfd);
    qemu_mutex_destroy(&ctx->fd_lock);
}

/* -- waiting --------------------------------------------------------------- */

void aio_fd_walk_begin(AioContext *ctx)
{
    QEMU_LOCK_GUARD(&ctx->fd_lock);

    ctx->walking++;
}

void aio_fd_walk_end(AioContext *ctx)
{
    AioHandler *h, *next;
    QEMU_LOCK_GUARD(&ctx->fd_lock);

    if (--ctx->walking > 0) {
        return;
    }
    QLIST_FOREACH_SAFE(h, &ctx->deleted, link, next) {
        QLIST_REMOVE(h, link);
        g_free(h);
    }
}

bool aio_fd_always_ready(AioContext *ctx)
{
    return qatomic_read(&ctx->n_always) > 0;
}

static void ready_add(AioReadySet *ready, AioHandler *h, uint32_t events)
{
    ready->e[ready->n].handler = h;
    ready->e[ready->n].events = events;
    ready->n++;
}

/* Adds the files that epoll refuses. */
static void add_always_ready(AioContext *ctx, AioReadySet *ready)
{
    AioHandler *h;
    QEMU_LOCK_GUARD(&ctx->fd_lock);

    QLIST_FOREACH(h, &ctx->handlers, link) {
        if (h->always && ready->n < AIO_READY_MAX) {
            ready_add(ready, h, handler_events(ctx, h));
        }
    }
}

static void wait_epoll(AioContext *ctx, int64_t timeout, AioReadySet *ready)
{
    struct epoll_event events[AIO_READY_MAX];
    int n;

    /* epoll_wait() counts in milliseconds: sleep elsewhere, then look. */
    if (timeout > 0) {
        GPollFD pfd = { .fd = ctx->epollfd, .events = G_IO_IN };

        if (qemu_poll_ns(&pfd, 1, timeout) <= 0) {
            return;
        }
    }
    n = epoll_wait(ctx->epollfd, events, AIO_READY_MAX, timeout < 0 ? -1 : 0);
    for (int i = 0; i < n; i++) {
        ready_add(ready, events[i].data.ptr, events[i].events);
    }
    if (aio_fd_always_ready(ctx)) {
        add_always_ready(ctx, ready);
    }
}

static void wait_poll(AioContext *ctx, int64_t timeout, AioReadySet *ready)
{
    GPollFD pfds[POLL_MAX];
    AioHandler *handlers[POLL_MAX];
    AioHandler *h;
    guint count = 0;

    WITH_QEMU_LOCK_GUARD(&ctx->fd_lock)
    {
        QLIST_FOREACH(h, &ctx->handlers, link) {
            uint32_t events = handler_events(ctx, h);

            /* More than POLL_MAX: added since we chose, and announced. */
            if (events && count < POLL_MAX) {
                pfds[count] = (GPollFD){ .fd = h->fd, .events = events };
                handlers[count++] = h;
            }
        }
    }
    if (qemu_poll_ns(pfds, count, timeout) <= 0) {
        return;
    }
    for (guint i = 0; i < count; i++) {
        if (pfds[i].revents & ~POLLNVAL) {
            ready_add(ready, handlers[i], pfds[i].revents);
        }
    }
}

void aio_fd_wait(AioContext *ctx, int64_t timeout, AioReadySet *ready)
{
    bool use_epoll;

    WITH_QEMU_LOCK_GUARD(&ctx->fd_lock)
    {
        use_epoll = ctx->use_epoll;
    }
    ready->seq = ++ctx->wait_seq;
    ready->n = 0;
    if (use_epoll) {
        wait_epoll(ctx, timeout, ready);
    } else {
        wait_poll(ctx, timeout, ready);
    }
}

/* -- dispatch -------------------------------------------------------------- */

/* Calls what is set for EPOLLIN or EPOLLOUT, if it is still wanted. */
static bool handler_call(AioContext *ctx, AioHandler *h, uint32_t event)
{
    IOHandler *cb;
    bool internal;
    void *opaque;

    WITH_QEMU_LOCK_GUARD(&ctx->fd_lock)
    {
        if (!(handler_events(ctx, h) & event)) {
            return false;
        }
        cb = event == EPOLLIN ? h->io_read : h->io_write;
        opaque = h->opaque;
        internal = h->internal;
    }
    cb(opaque);
    return !internal;
}

bool aio_fd_dispatch(AioContext *ctx, const AioReadySet *ready)
{
    bool progress = false;

    for (int i = 0; i < ready->n; i++) {
        AioHandler *h = ready->e[i].handler;
        uint32_t events = ready->e[i].events;

        if (h->served > ready->seq) {
            continue; /* by a nested wait, which was later */
        }
        h->served = ready->seq;
        if (events & EVENTS_READ) {
            progress |= handler_call(ctx, h, EPOLLIN);
        }
        if ((events & EVENTS_WRITE) && h->served == ready->seq) {
            progress |= handler_call(ctx, h, EPOLLOUT);
        }
    }
    return progress;
}

/* -- busy waiting ---------------------------------------------------------- */

typedef struct PollHit {
    IOHandler *cb;
    void *opaque;
    bool internal;
} PollHit;

/* Asks every handler once. */
static bool poll_once(AioContext *ctx, PollHit *hit)
{
    AioHandler *h;
    QEMU_LOCK_GUARD(&ctx->fd_lock);

    QLIST_FOREACH(h, &ctx->handlers, link) {
        if (h->io_poll && !(h->is_external && ctx->external_disable_cnt) &&
            h->io_poll(h->opaque)) {
            hit->cb = h->io_poll_ready;
            hit->opaque = h->opaque;
            hit->internal = h->internal;
            return true;
        }
    }
    return false;
}

bool aio_fd_busy_wait(AioContext *ctx, int64_t ns, int64_t *timeout)
{
    int64_t start = get_clock(), elapsed;
    PollHit hit;
    bool found;

    WITH_QEMU_LOCK_GUARD(&ctx->fd_lock)
    {
        /* Something that can't be polled would be kept waiting; and with
         * nothing but our notifier there is nothing to poll for. */
        if (ctx->n_no_poll > 0 || ctx->n_handlers < 2) {
            return false;
        }
    }
    if (*timeout > 0) {
        ns = MIN(ns, *timeout);
    }
    do {
        found = poll_once(ctx, &hit);
        elapsed = get_clock() - start;
        cpu_relax();
    } while (!found && elapsed < ns && aio_bh_timeout(ctx) != 0);

    if (found) {
        *timeout = 0;
        hit.cb(hit.opaque);
        return !hit.internal;
    }
    if (*timeout > 0) {
        *timeout = MAX(*timeout - elapsed, 0);
    }
    return false;
}
