/*
 * The fault-injecting channel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "fault-channel.h"

#include "io/channel-watch.h"
#include "io/types.h"
#include "qom/types.h"
#include "util/atomic.h"
#include "util/error.h"
#include "util/iov.h"

#define TYPE_FAULT_CHANNEL "test-fault-channel"
OBJECT_DECLARE_SIMPLE_TYPE(FaultChannel, FAULT_CHANNEL)

/* Each direction has its own thread in some tests, hence its own state. */
typedef struct FaultDirection {
    uint32_t seed;
    unsigned calls; /* atomic */
} FaultDirection;

struct FaultChannel {
    QIOChannel parent;
    QIOChannel *master; /* owned reference */
    FaultPlan plan;
    FaultDirection rd;
    FaultDirection wr;
};

static uint32_t fault_random(FaultDirection *d)
{
    d->seed = d->seed * 1664525u + 1013904223u;
    return d->seed >> 8;
}

static bool fault_blocks(FaultChannel *f, FaultDirection *d)
{
    return f->plan.block_one_in && QIO_CHANNEL(f)->nonblocking &&
           fault_random(d) % f->plan.block_one_in == 0;
}

/* The start of @iov that a call may move. Returns: elements in *ret. */
static size_t fault_cut(FaultChannel *f, FaultDirection *d,
                        const struct iovec *iov, size_t niov,
                        struct iovec **ret)
{
    size_t max = SIZE_MAX;

    if (f->plan.max_bytes) {
        max = 1 + fault_random(d) % f->plan.max_bytes;
    }
    *ret = g_new(struct iovec, niov ? niov : 1);
    return iov_copy(*ret, niov, iov, niov, 0, max);
}

static ssize_t fault_readv(QIOChannel *ioc, const struct iovec *iov,
                           size_t niov, int **fds, size_t *nfds, Error **errp)
{
    FaultChannel *f = FAULT_CHANNEL(ioc);
    unsigned call = qatomic_inc_fetch(&f->rd.calls);
    g_autofree struct iovec *cut = NULL;

    if (f->plan.fail_at_read && call >= f->plan.fail_at_read) {
        error_setg(errp, FAULT_ERROR);
        return -1;
    }
    if (f->plan.eof_at_read && call >= f->plan.eof_at_read) {
        return 0;
    }
    if (fault_blocks(f, &f->rd)) {
        return QIO_CHANNEL_ERR_BLOCK;
    }
    niov = fault_cut(f, &f->rd, iov, niov, &cut);
    return qio_channel_readv_full(f->master, cut, niov, fds, nfds, errp);
}

static ssize_t fault_writev(QIOChannel *ioc, const struct iovec *iov,
                            size_t niov, int *fds, size_t nfds, int flags,
                            Error **errp)
{
    FaultChannel *f = FAULT_CHANNEL(ioc);
    unsigned call = qatomic_inc_fetch(&f->wr.calls);
    g_autofree struct iovec *cut = NULL;

    if (f->plan.fail_at_write && call >= f->plan.fail_at_write) {
        error_setg(errp, FAULT_ERROR);
        return -1;
    }
    if (fault_blocks(f, &f->wr)) {
        return QIO_CHANNEL_ERR_BLOCK;
    }
    niov = fault_cut(f, &f->wr, iov, niov, &cut);
    return qio_channel_writev_full(f->master, cut, niov, fds, nfds, flags,
                                   errp);
}

static int fault_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    return qio_channel_set_blocking(FAULT_CHANNEL(ioc)->master, enabled, errp);
}

static int fault_shutdown(QIOChannel *ioc, QIOChannelShutdown how, Error **errp)
{
    return qio_channel_shutdown(FAULT_CHANNEL(ioc)->master, how, errp);
}

static int fault_close(QIOChannel *ioc, Error **errp)
{
    return qio_channel_close(FAULT_CHANNEL(ioc)->master, errp);
}

/* An injected fault is there at once, whatever the master does. */
static GIOCondition fault_held(QIOChannel *ioc, GIOCondition condition)
{
    FaultChannel *f = FAULT_CHANNEL(ioc);
    unsigned next = qatomic_read(&f->rd.calls) + 1;

    if ((f->plan.fail_at_read && next >= f->plan.fail_at_read) ||
        (f->plan.eof_at_read && next >= f->plan.eof_at_read)) {
        return condition;
    }
    return qio_channel_held(f->master, condition);
}

static GSource *fault_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return qio_channel_create_layer_watch(ioc, FAULT_CHANNEL(ioc)->master,
                                          condition);
}

static void fault_set_aio_fd_handler(QIOChannel *ioc, AioContext *ctx,
                                     IOHandler *io_read, IOHandler *io_write,
                                     void *opaque)
{
    qio_channel_set_aio_fd_handler(FAULT_CHANNEL(ioc)->master, ctx, io_read,
                                   io_write, opaque);
}

static void fault_finalize(Object *obj)
{
    object_unref(OBJECT(FAULT_CHANNEL(obj)->master));
}

static void fault_class_init(ObjectClass *oc, void *data)
{
    QIOChannelClass *klass = QIO_CHANNEL_CLASS(oc);

    klass->io_writev = fault_writev;
    klass->io_readv = fault_readv;
    klass->io_set_blocking = fault_set_blocking;
    klass->io_shutdown = fault_shutdown;
    klass->io_close = fault_close;
    klass->io_create_watch = fault_create_watch;
    klass->io_held = fault_held;
    klass->io_set_aio_fd_handler = fault_set_aio_fd_handler;
}

static const TypeInfo fault_channel_info = {
    .parent = TYPE_QIO_CHANNEL,
    .name = TYPE_FAULT_CHANNEL,
    .instance_size = sizeof(FaultChannel),
    .instance_finalize = fault_finalize,
    .class_init = fault_class_init,
};

void fault_channel_set_plan(QIOChannel *ioc, const FaultPlan *plan)
{
    FaultChannel *f = FAULT_CHANNEL(ioc);

    f->plan = *plan;
    f->rd = (FaultDirection){ .seed = plan->seed + 1 };
    f->wr = (FaultDirection){ .seed = plan->seed + 2 };
}

QIOChannel *fault_channel_new(QIOChannel *master, const FaultPlan *plan)
{
    static const TypeInfo *const types[] = { &fault_channel_info };
    static gsize once;
    FaultChannel *f;

    io_register_types();
    qom_register_type_table(&once, types, G_N_ELEMENTS(types));
    f = FAULT_CHANNEL(object_new(TYPE_FAULT_CHANNEL));
    f->master = QIO_CHANNEL(object_ref(OBJECT(master)));
    QIO_CHANNEL(f)->features = master->features;
    QIO_CHANNEL(f)->nonblocking = master->nonblocking;
    fault_channel_set_plan(QIO_CHANNEL(f), plan);
    return QIO_CHANNEL(f);
}

unsigned fault_channel_reads(QIOChannel *ioc)
{
    return qatomic_read(&FAULT_CHANNEL(ioc)->rd.calls);
}

unsigned fault_channel_writes(QIOChannel *ioc)
{
    return qatomic_read(&FAULT_CHANNEL(ioc)->wr.calls);
}
