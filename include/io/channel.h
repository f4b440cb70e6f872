/*
 * The channel: one interface to every byte stream that leaves the process.
 *
 * A channel is a QOM object. Concrete classes talk to the kernel (socket,
 * file, command), to memory (buffer, null) or to another channel (tls,
 * websock). A caller never asks which; it asks for features.
 *
 * Outcomes a caller must handle are return values: a byte count, 0 for the
 * peer's orderly end, QIO_CHANNEL_ERR_BLOCK where a non-blocking channel has
 * to wait. An Error is for failures only.
 *
 * Threads: one thread may read while another writes the same channel. Two
 * readers, or two writers, at once must be kept apart by their owner.
 * qio_channel_shutdown() may be called by any thread at any time; it is the
 * way to wake a thread that is blocked in a read or write.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_CHANNEL_H
#define IO_CHANNEL_H

#include <glib.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "qom/object.h"
#include "util/aio.h"

#define TYPE_QIO_CHANNEL "qio-channel"
OBJECT_DECLARE_TYPE(QIOChannel, QIOChannelClass, QIO_CHANNEL)

/* A non-blocking channel has nothing to read, or no room to write. */
#define QIO_CHANNEL_ERR_BLOCK -2

/*
 * The kernel may send straight from the caller's pages; they must not change
 * before qio_channel_flush() returns. Needs
 * QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY.
 */
#define QIO_CHANNEL_WRITE_FLAG_ZERO_COPY 0x1

/* Most file descriptors that one read or write carries. */
#define QIO_CHANNEL_MAX_FDS 16

typedef enum QIOChannelFeature {
    QIO_CHANNEL_FEATURE_FD_PASS,         /* reads and writes carry fds */
    QIO_CHANNEL_FEATURE_SHUTDOWN,        /* qio_channel_shutdown() works */
    QIO_CHANNEL_FEATURE_LISTEN,          /* a listening socket */
    QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY, /* WRITE_FLAG_ZERO_COPY works */
    QIO_CHANNEL_FEATURE_READ_MSG_PEEK,   /* qio_channel_peekv() works */
    QIO_CHANNEL_FEATURE_SEEKABLE,        /* preadv and pwritev work */
} QIOChannelFeature;

typedef enum QIOChannelShutdown {
    QIO_CHANNEL_SHUTDOWN_READ = 1,
    QIO_CHANNEL_SHUTDOWN_WRITE = 2,
    QIO_CHANNEL_SHUTDOWN_BOTH = 3,
} QIOChannelShutdown;

/**
 * QIOChannelFunc:
 * @ioc: (in) the watched channel
 * @condition: (in) what is true now, a subset of what was asked plus
 *             G_IO_ERR / G_IO_HUP
 * @data: (in) the caller's
 *
 * Returns: G_SOURCE_CONTINUE to be called again, G_SOURCE_REMOVE to end.
 */
typedef gboolean (*QIOChannelFunc)(QIOChannel *ioc, GIOCondition condition,
                                   gpointer data);

struct QIOChannel {
    Object parent;
    unsigned int features;      /* bit set of QIOChannelFeature */
    char *name;                 /* for watches and traces; owned, or NULL */
    bool nonblocking;           /* as qio_channel_set_blocking() left it */
    bool cold_reads;            /* qio_channel_set_cold_reads(); the reader's */
    AioContext *ctx;            /* set by attach_aio_context, else NULL */
    Coroutine *read_coroutine;  /* yielded in qio_channel_yield(G_IO_IN) */
    Coroutine *write_coroutine; /* yielded in qio_channel_yield(G_IO_OUT) */
    AioContext *read_ctx;       /* that resumes @read_coroutine */
    AioContext *write_ctx;      /* that resumes @write_coroutine */
};

/*
 * What a class implements. The wrappers below document each call; a member
 * is called only after the wrapper's checks (feature bits, fd count, state).
 */
struct QIOChannelClass {
    ObjectClass parent;

    /* mandatory: as qio_channel_writev_full() */
    ssize_t (*io_writev)(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                         int *fds, size_t nfds, int flags, Error **errp);
    /* mandatory: as qio_channel_readv_full() */
    ssize_t (*io_readv)(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                        int **fds, size_t *nfds, Error **errp);
    /* mandatory: as qio_channel_close(); a second call succeeds */
    int (*io_close)(QIOChannel *ioc, Error **errp);
    /* mandatory: as qio_channel_create_watch() */
    GSource *(*io_create_watch)(QIOChannel *ioc, GIOCondition condition);
    /* mandatory: as qio_channel_set_blocking() */
    int (*io_set_blocking)(QIOChannel *ioc, bool enabled, Error **errp);

    /* optional; default: fails, feature SHUTDOWN is absent */
    int (*io_shutdown)(QIOChannel *ioc, QIOChannelShutdown how, Error **errp);
    /* optional; default: nothing */
    void (*io_set_cork)(QIOChannel *ioc, bool enabled);
    /* optional; default: nothing */
    void (*io_set_delay)(QIOChannel *ioc, bool enabled);
    /* optional; default: fails */
    off_t (*io_seek)(QIOChannel *ioc, off_t offset, int whence, Error **errp);
    /* optional; default: fails, feature SEEKABLE is absent */
    ssize_t (*io_pwritev)(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                          off_t offset, Error **errp);
    /* optional; default: fails, feature SEEKABLE is absent */
    ssize_t (*io_preadv)(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                         off_t offset, Error **errp);
    /* optional; default: fails, feature READ_MSG_PEEK is absent */
    ssize_t (*io_peekv)(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                        Error **errp);
    /* optional; default: qio_channel_yield() is not possible */
    void (*io_set_aio_fd_handler)(QIOChannel *ioc, AioContext *ctx,
                                  IOHandler *io_read, IOHandler *io_write,
                                  void *opaque);
    /*
     * For layers: @condition, which is G_IO_IN, if this channel or one below
     * it holds something to read already, without asking the kernel; else 0.
     * Must not block. Thread: the reader's. Optional; default: nothing.
     */
    GIOCondition (*io_held)(QIOChannel *ioc, GIOCondition condition);
    /* optional; default: nothing to flush, returns 0 */
    int (*io_flush)(QIOChannel *ioc, Error **errp);
};

/** qio_channel_has_feature: whether @feature is set. Thread: any. */
bool qio_channel_has_feature(QIOChannel *ioc, QIOChannelFeature feature);

/** qio_channel_set_feature: for classes, while they construct @ioc. */
void qio_channel_set_feature(QIOChannel *ioc, QIOChannelFeature feature);

/** qio_channel_set_name: @name is copied; shown by watches and traces. */
void qio_channel_set_name(QIOChannel *ioc, const char *name);

/**
 * qio_channel_readv_full:
 * @ioc: (in) channel
 * @iov: (in) array of @niov buffers to fill in order; borrowed
 * @niov: number of buffers; zero-length ones are allowed
 * @fds: (out) NULL, or set to a g_malloc'ed array of received descriptors,
 *       owned by the caller; NULL where none came. Close-on-exec is set.
 * @nfds: (out) number in @fds; NULL exactly where @fds is
 * @errp: (out) error
 *
 * Read once, as readv() does: it may return fewer bytes than asked.
 *
 * Returns: bytes read; 0 = end of stream; QIO_CHANNEL_ERR_BLOCK = a
 * non-blocking channel has nothing now; -1 = error.
 * Errors: @fds given to a channel without QIO_CHANNEL_FEATURE_FD_PASS; the
 * connection failed; channel closed.
 */
ssize_t qio_channel_readv_full(QIOChannel *ioc, const struct iovec *iov,
                               size_t niov, int **fds, size_t *nfds,
                               Error **errp);

/**
 * qio_channel_writev_full:
 * @ioc: (in) channel
 * @iov: (in) array of @niov buffers; borrowed
 * @niov: number of buffers
 * @fds: (in) @nfds descriptors to pass, or NULL; stay the caller's
 * @nfds: 0..QIO_CHANNEL_MAX_FDS; with fds at least one byte must be written
 * @flags: 0 or QIO_CHANNEL_WRITE_FLAG_ZERO_COPY
 * @errp: (out) error
 *
 * Write once, as writev() does: it may take fewer bytes than given. The
 * descriptors went out with the first byte if the return is > 0. A broken
 * pipe is an Error here, never SIGPIPE.
 *
 * Returns: bytes taken; QIO_CHANNEL_ERR_BLOCK = no room now; -1 = error.
 * Errors: descriptors or zero copy without the feature; connection failed;
 * channel closed or shut down.
 */
ssize_t qio_channel_writev_full(QIOChannel *ioc, const struct iovec *iov,
                                size_t niov, int *fds, size_t nfds, int flags,
                                Error **errp);

/** qio_channel_readv: qio_channel_readv_full() without descriptors. */
ssize_t qio_channel_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                          Error **errp);

/** qio_channel_writev: qio_channel_writev_full() without descriptors. */
ssize_t qio_channel_writev(QIOChannel *ioc, const struct iovec *iov,
                           size_t niov, Error **errp);

/** qio_channel_read: qio_channel_readv() into one buffer. */
ssize_t qio_channel_read(QIOChannel *ioc, char *buf, size_t buflen,
                         Error **errp);

/** qio_channel_write: qio_channel_writev() from one buffer. */
ssize_t qio_channel_write(QIOChannel *ioc, const char *buf, size_t buflen,
                          Error **errp);

/**
 * qio_channel_readv_full_all_eof:
 * @ioc: (in) channel
 * @iov: (in) array of @niov buffers; borrowed, not changed
 * @niov: number of buffers
 * @fds: (out) as in qio_channel_readv_full(); collects what every read brought
 * @nfds: (out) number in @fds
 * @errp: (out) error
 *
 * Read until every buffer is full. Where the channel would block, wait: in a
 * coroutine by qio_channel_yield(), else by qio_channel_wait(). On failure
 * descriptors received so far are closed.
 *
 * Returns: 1 = all read; 0 = end of stream before the first byte and
 * descriptor; -1 = error.
 * Errors: end of stream after the first byte; as qio_channel_readv_full().
 */
int coroutine_fn qio_channel_readv_full_all_eof(QIOChannel *ioc,
                                                const struct iovec *iov,
                                                size_t niov, int **fds,
                                                size_t *nfds, Error **errp);

/**
 * qio_channel_readv_full_all:
 *
 * As qio_channel_readv_full_all_eof(), but end of stream is always an error.
 * Returns: 0 = all read; -1 = error.
 */
int qio_channel_readv_full_all(QIOChannel *ioc, const struct iovec *iov,
                               size_t niov, int **fds, size_t *nfds,
                               Error **errp);

/**
 * qio_channel_writev_full_all:
 * @ioc: (in) channel
 * @iov: (in) array of @niov buffers; borrowed, not changed
 * @niov: number of buffers
 * @fds: (in) @nfds descriptors that go with the first byte, or NULL
 * @nfds: number of descriptors
 * @flags: as in qio_channel_writev_full()
 * @errp: (out) error
 *
 * Write everything, waiting as qio_channel_readv_full_all_eof() does.
 *
 * Returns: 0 = all written; -1 = error, an unknown part went out.
 */
int qio_channel_writev_full_all(QIOChannel *ioc, const struct iovec *iov,
                                size_t niov, int *fds, size_t nfds, int flags,
                                Error **errp);

/** Without descriptors: 1 = all read, 0 = end of stream, -1 = error. */
int qio_channel_readv_all_eof(QIOChannel *ioc, const struct iovec *iov,
                              size_t niov, Error **errp);
/** Without descriptors: 0 = all read, -1 = error or early end. */
int qio_channel_readv_all(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                          Error **errp);
/** Without descriptors: 0 = all written, -1 = error. */
int qio_channel_writev_all(QIOChannel *ioc, const struct iovec *iov,
                           size_t niov, Error **errp);
/** One buffer: 1 = all read, 0 = end of stream, -1 = error. */
int qio_channel_read_all_eof(QIOChannel *ioc, char *buf, size_t buflen,
                             Error **errp);
/** One buffer: 0 = all read, -1 = error or early end. */
int qio_channel_read_all(QIOChannel *ioc, char *buf, size_t buflen,
                         Error **errp);
/** One buffer: 0 = all written, -1 = error. */
int qio_channel_write_all(QIOChannel *ioc, const char *buf, size_t buflen,
                          Error **errp);

/**
 * qio_channel_peekv:
 * @ioc: (in) channel with QIO_CHANNEL_FEATURE_READ_MSG_PEEK
 * @iov: (in) array of @niov buffers to fill; borrowed
 * @niov: number of buffers
 * @errp: (out) error
 *
 * Look at the next bytes without taking them; a later read returns them
 * again. It may return fewer bytes than asked, and the same ones each time.
 *
 * Returns: bytes seen; 0 = end of stream; QIO_CHANNEL_ERR_BLOCK; -1 = error.
 * Errors: feature absent; connection failed.
 */
ssize_t qio_channel_peekv(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                          Error **errp);

/**
 * qio_channel_set_cold_reads:
 * @on: what is read from now on is not looked at soon (pages of a guest)
 *
 * A channel that copies on its own then leaves the cache alone. Belongs to the
 * thread that reads.
 */
static inline void qio_channel_set_cold_reads(QIOChannel *ioc, bool on)
{
    ioc->cold_reads = on;
}

/**
 * qio_channel_set_blocking:
 * @ioc: (in) channel; layers pass the mode on to their master
 * @enabled: true = calls wait, false = they return QIO_CHANNEL_ERR_BLOCK.
 *           New channels wait, unless their descriptor is set otherwise.
 *
 * Returns: 0; -1 = error.
 */
int qio_channel_set_blocking(QIOChannel *ioc, bool enabled, Error **errp);

/**
 * qio_channel_close:
 *
 * Release the channel's resource; later reads and writes fail. Closing again
 * succeeds and does nothing. An asynchronous connect or handshake under way
 * ends with an error. The last unref closes too, and drops the error.
 *
 * Returns: 0; -1 = closed, but what was written may be lost (as close()).
 */
int qio_channel_close(QIOChannel *ioc, Error **errp);

/**
 * qio_channel_shutdown:
 * @how: which directions end
 *
 * End directions of a connection for good, without freeing it: the peer
 * reads an end of stream, blocked threads wake.
 *
 * Thread: any.
 * Returns: 0; -1 = error.
 * Errors: feature QIO_CHANNEL_FEATURE_SHUTDOWN absent.
 */
int qio_channel_shutdown(QIOChannel *ioc, QIOChannelShutdown how, Error **errp);

/** qio_channel_set_delay: false = TCP_NODELAY. No effect on other classes. */
void qio_channel_set_delay(QIOChannel *ioc, bool enabled);

/** qio_channel_set_cork: while true, TCP sends full segments only. */
void qio_channel_set_cork(QIOChannel *ioc, bool enabled);

/**
 * qio_channel_io_seek:
 * @offset: bytes, relative to @whence (SEEK_SET, SEEK_CUR, SEEK_END)
 *
 * Returns: the new position in bytes from the start; -1 = error.
 */
off_t qio_channel_io_seek(QIOChannel *ioc, off_t offset, int whence,
                          Error **errp);

/**
 * qio_channel_pwritev / pwrite / preadv / pread:
 * @offset: bytes from the start; the channel's own position stays
 *
 * Positioned I/O for a channel with QIO_CHANNEL_FEATURE_SEEKABLE.
 *
 * Thread: several may run side by side.
 * Returns: bytes moved, may be fewer than asked; 0 from a read = at or past
 * the end; QIO_CHANNEL_ERR_BLOCK; -1 = error.
 */
ssize_t qio_channel_pwritev(QIOChannel *ioc, const struct iovec *iov,
                            size_t niov, off_t offset, Error **errp);
ssize_t qio_channel_pwrite(QIOChannel *ioc, const char *buf, size_t buflen,
                           off_t offset, Error **errp);
ssize_t qio_channel_preadv(QIOChannel *ioc, const struct iovec *iov,
                           size_t niov, off_t offset, Error **errp);
ssize_t qio_channel_pread(QIOChannel *ioc, char *buf, size_t buflen,
                          off_t offset, Error **errp);

/**
 * qio_channel_create_watch:
 * @condition: (in) G_IO_IN, G_IO_OUT or both; ERR and HUP are implied
 *
 * A source that fires when a read (write) would not return
 * QIO_CHANNEL_ERR_BLOCK. It accounts for data that a layer holds already.
 * Give it a QIOChannelFunc by g_source_set_callback().
 *
 * Returns: (out) source holding a reference to @ioc; owned by the caller.
 */
GSource *qio_channel_create_watch(QIOChannel *ioc, GIOCondition condition);

/** qio_channel_add_watch: ..._full() on the default main context. */
guint qio_channel_add_watch(QIOChannel *ioc, GIOCondition condition,
                            QIOChannelFunc func, gpointer user_data,
                            GDestroyNotify notify);

/**
 * qio_channel_add_watch_full:
 * @condition: (in) G_IO_IN, G_IO_OUT or both
 * @func: (in) called in @context's thread
 * @user_data: (in) for @func
 * @notify: (in) frees @user_data when the source is gone; or NULL
 * @context: (in) NULL = the default one
 *
 * Returns: the source's id within @context.
 */
guint qio_channel_add_watch_full(QIOChannel *ioc, GIOCondition condition,
                                 QIOChannelFunc func, gpointer user_data,
                                 GDestroyNotify notify, GMainContext *context);

/**
 * qio_channel_add_watch_source:
 *
 * As qio_channel_add_watch_full().
 * Returns: the attached source; owned by the caller, who destroys and unrefs.
 */
GSource *qio_channel_add_watch_source(QIOChannel *ioc, GIOCondition condition,
                                      QIOChannelFunc func, gpointer user_data,
                                      GDestroyNotify notify,
                                      GMainContext *context);

/**
 * qio_channel_attach_aio_context:
 * @ctx: (in) where coroutines that yield on @ioc are resumed; borrowed, must
 *       outlive the attachment
 *
 * Without it qio_channel_yield() uses the context of the running coroutine.
 */
void qio_channel_attach_aio_context(QIOChannel *ioc, AioContext *ctx);

/** qio_channel_detach_aio_context: undo; no coroutine may be yielded. */
void qio_channel_detach_aio_context(QIOChannel *ioc);

/**
 * qio_channel_yield:
 * @condition: (in) G_IO_IN or G_IO_OUT, not both
 *
 * Leave the coroutine until @condition holds, or at once through the loop if a
 * layer holds data already. It may return early; callers
 * retry their call and yield again. At most one coroutine waits for each
 * direction.
 */
void coroutine_fn qio_channel_yield(QIOChannel *ioc, GIOCondition condition);

/**
 * qio_channel_wait:
 * @condition: (in) G_IO_IN, G_IO_OUT or both
 *
 * Block the calling thread until @condition, error or hang-up.
 */
void qio_channel_wait(QIOChannel *ioc, GIOCondition condition);

/**
 * qio_channel_set_aio_fd_handler:
 * @ctx: (in) where the handlers run
 * @io_read: (in) called when readable; NULL = not watched
 * @io_write: (in) called when writable; NULL = not watched
 * @opaque: (in) for both
 *
 * Watch the descriptor below @ioc. Data that a layer holds already is not
 * seen by it: read until QIO_CHANNEL_ERR_BLOCK before relying on it.
 */
void qio_channel_set_aio_fd_handler(QIOChannel *ioc, AioContext *ctx,
                                    IOHandler *io_read, IOHandler *io_write,
                                    void *opaque);

/**
 * qio_channel_flush:
 *
 * Wait until the kernel has done with every page that was written with
 * QIO_CHANNEL_WRITE_FLAG_ZERO_COPY.
 *
 * Returns: 0 = done; 1 = done, but the kernel had to copy every page, so zero
 * copy brought nothing; -1 = error.
 */
int qio_channel_flush(QIOChannel *ioc, Error **errp);

#endif
