/*
 * Loops that move everything: short transfers are continued, and where a
 * non-blocking channel has to wait, a coroutine yields and a thread sleeps.
 *
 * The caller's vector is not changed: the first transfer, which usually is
 * the only one, uses it as it is; a copy is made for what is left.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/iov.h"

/* Vectors up to this size need no allocation. */
#define STACK_IOV 8

/* What is left of a vector. */
typedef struct Rest {
    const struct iovec *orig;
    size_t norig;
    struct iovec stack[STACK_IOV];
    struct iovec *heap;
    struct iovec *cur; /* NULL = nothing is done yet */
    unsigned ncur;
    size_t left; /* bytes */
} Rest;

static void rest_init(Rest *r, const struct iovec *iov, size_t niov)
{
    r->orig = iov;
    r->norig = niov;
    r->heap = NULL;
    r->cur = NULL;
    r->ncur = 0;
    r->left = iov_size(iov, niov);
}

static void rest_clear(Rest *r)
{
    g_free(r->heap);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rest, rest_clear)

static const struct iovec *rest_iov(const Rest *r, size_t *niov)
{
    *niov = r->cur ? r->ncur : r->norig;
    return r->cur ? r->cur : r->orig;
}

static void rest_advance(Rest *r, size_t bytes)
{
    r->left -= bytes;
    if (r->left == 0) {
        return;
    }
    if (!r->cur) {
        r->cur = r->stack;
        if (r->norig > STACK_IOV) {
            r->cur = r->heap = g_new(struct iovec, r->norig);
        }
        memcpy(r->cur, r->orig, r->norig * sizeof(*r->cur));
        r->ncur = r->norig;
    }
    iov_discard_front(&r->cur, &r->ncur, bytes);
}

static void wait_for(QIOChannel *ioc, GIOCondition condition)
{
    if (qemu_in_coroutine()) {
        qio_channel_yield(ioc, condition);
    } else {
        qio_channel_wait(ioc, condition);
    }
}

/* Descriptors collected over several reads. */
typedef struct FdSet {
    int *fds;
    size_t nfds;
} FdSet;

static void fd_set_clear(FdSet *set)
{
    for (size_t i = 0; i < set->nfds; i++) {
        fd_close(set->fds[i]);
    }
    g_free(set->fds);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FdSet, fd_set_clear)

/* Move @more into @set. A peer must not fill our table, hence the limit. */
static bool fd_set_take(FdSet *set, FdSet *more, Error **errp)
{
    if (more->nfds == 0) {
        return true;
    }
    if (set->nfds + more->nfds > QIO_CHANNEL_MAX_FDS) {
        error_setg(errp, "peer sent more than %d file descriptors",
                   QIO_CHANNEL_MAX_FDS);
        return false;
    }
    set->fds = g_renew(int, set->fds, set->nfds + more->nfds);
    memcpy(set->fds + set->nfds, more->fds, more->nfds * sizeof(int));
    set->nfds += more->nfds;
    more->nfds = 0;
    return true;
}

/* One read. As qio_channel_readv_full_all_eof(), 2 = go on. */
static int read_step(QIOChannel *ioc, Rest *r, FdSet *set, bool want_fds,
                     size_t total, Error **errp)
{
    g_auto(FdSet) got = { NULL, 0 };
    const struct iovec *iov;
    size_t niov;
    ssize_t n;

    iov = rest_iov(r, &niov);
    n = qio_channel_readv_full(ioc, iov, niov, want_fds ? &got.fds : NULL,
                               want_fds ? &got.nfds : NULL, errp);
    if (n == QIO_CHANNEL_ERR_BLOCK) {
        wait_for(ioc, G_IO_IN);
        return 2;
    }
    if (n < 0 || !fd_set_take(set, &got, errp)) {
        return -1;
    }
    if (n == 0) {
        if (r->left == total && set->nfds == 0) {
            return 0;
        }
        error_setg(errp, "unexpected end of stream after %zu of %zu bytes",
                   total - r->left, total);
        return -1;
    }
    rest_advance(r, n);
    return r->left ? 2 : 1;
}

int coroutine_fn qio_channel_readv_full_all_eof(QIOChannel *ioc,
                                                const struct iovec *iov,
                                                size_t niov, int **fds,
                                                size_t *nfds, Error **errp)
{
    g_auto(FdSet) set = { NULL, 0 };
    g_auto(Rest) r;
    size_t total;
    int ret;

    rest_init(&r, iov, niov);
    total = r.left;
    if (fds) {
        *fds = NULL;
        *nfds = 0;
    }
    if (total == 0) {
        return 1;
    }
    do {
        ret = read_step(ioc, &r, &set, fds != NULL, total, errp);
    } while (ret == 2);
    if (ret == 1 && fds) {
        *fds = g_steal_pointer(&set.fds);
        *nfds = set.nfds;
        set.nfds = 0;
    }
    return ret;
}

int qio_channel_readv_full_all(QIOChannel *ioc, const struct iovec *iov,
                               size_t niov, int **fds, size_t *nfds,
                               Error **errp)
{
    int ret = qio_channel_readv_full_all_eof(ioc, iov, niov, fds, nfds, errp);

    if (ret == 0) {
        error_setg(errp, "unexpected end of stream");
        return -1;
    }
    return ret == 1 ? 0 : ret;
}

int qio_channel_writev_full_all(QIOChannel *ioc, const struct iovec *iov,
                                size_t niov, int *fds, size_t nfds, int flags,
                                Error **errp)
{
    g_auto(Rest) r;
    size_t n;

    rest_init(&r, iov, niov);
    while (r.left > 0) {
        const struct iovec *cur = rest_iov(&r, &n);
        ssize_t len =
            qio_channel_writev_full(ioc, cur, n, fds, nfds, flags, errp);

        if (len == QIO_CHANNEL_ERR_BLOCK) {
            wait_for(ioc, G_IO_OUT);
            continue;
        }
        if (len < 0) {
            return -1;
        }
        rest_advance(&r, len);
        if (len > 0) {
            /* They went out with the first byte. */
            fds = NULL;
            nfds = 0;
        }
    }
    return 0;
}

int qio_channel_readv_all_eof(QIOChannel *ioc, const struct iovec *iov,
                              size_t niov, Error **errp)
{
    return qio_channel_readv_full_all_eof(ioc, iov, niov, NULL, NULL, errp);
}

int qio_channel_readv_all(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                          Error **errp)
{
    return qio_channel_readv_full_all(ioc, iov, niov, NULL, NULL, errp);
}

int qio_channel_writev_all(QIOChannel *ioc, const struct iovec *iov,
                           size_t niov, Error **errp)
{
    return qio_channel_writev_full_all(ioc, iov, niov, NULL, 0, 0, errp);
}

int qio_channel_read_all_eof(QIOChannel *ioc, char *buf, size_t buflen,
                             Error **errp)
{
    struct iovec iov = { .iov_base = buf, .iov_len = buflen };

    return qio_channel_readv_all_eof(ioc, &iov, 1, errp);
}

int qio_channel_read_all(QIOChannel *ioc, char *buf, size_t buflen,
                         Error **errp)
{
    struct iovec iov = { .iov_base = buf, .iov_len = buflen };

    return qio_channel_readv_all(ioc, &iov, 1, errp);
}

int qio_channel_write_all(QIOChannel *ioc, const char *buf, size_t buflen,
                          Error **errp)
{
    struct iovec iov = { .iov_base = (char *)buf, .iov_len = buflen };

    return qio_channel_writev_all(ioc, &iov, 1, errp);
}
