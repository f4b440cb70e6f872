/*
 * Sources that channel classes return from io_create_watch: on descriptors,
 * on memory, and on layers.
 *
 * A layer's source has its master's source as a child: GLib dispatches the
 * child first, which notes what the master can do, and then the parent, which
 * adds what the layer holds itself and calls the user with the layer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-watch.h"

#define COND_ALWAYS (G_IO_ERR | G_IO_HUP | G_IO_NVAL)

static gboolean call_user(GSourceFunc callback, QIOChannel *ioc,
                          GIOCondition condition, gpointer user_data)
{
    QIOChannelFunc func = (QIOChannelFunc)(void (*)(void))callback;

    return func(ioc, condition, user_data);
}

/* -- descriptors ----------------------------------------------------------- */

typedef struct FdSource {
    GSource parent;
    QIOChannel *ioc; /* owned reference */
    GIOCondition condition;
    gpointer tag[2]; /* NULL = not polled */
} FdSource;

static gboolean fd_source_dispatch(GSource *source, GSourceFunc callback,
                                   gpointer user_data)
{
    FdSource *s = (FdSource *)source;
    GIOCondition ready = 0;

    for (int i = 0; i < 2; i++) {
        if (s->tag[i]) {
            ready |= g_source_query_unix_fd(source, s->tag[i]);
        }
    }
    ready &= s->condition | COND_ALWAYS;
    return ready ? call_user(callback, s->ioc, ready, user_data)
                 : G_SOURCE_CONTINUE;
}

static void fd_source_finalize(GSource *source)
{
    object_unref(OBJECT(((FdSource *)source)->ioc));
}

static GSourceFuncs fd_source_funcs = {
    .dispatch = fd_source_dispatch,
    .finalize = fd_source_finalize,
};

GSource *qio_channel_create_fd_pair_watch(QIOChannel *ioc, int fdread,
                                          int fdwrite, GIOCondition condition)
{
    GSource *source = g_source_new(&fd_source_funcs, sizeof(FdSource));
    FdSource *s = (FdSource *)source;

    s->ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    s->condition = condition;
    if (fdread == fdwrite) {
        if (fdread >= 0) {
            s->tag[0] = g_source_add_unix_fd(source, fdread,
                                             condition | G_IO_ERR | G_IO_HUP);
        }
        return source;
    }
    if (fdread >= 0 && (condition & G_IO_IN)) {
        s->tag[0] =
            g_source_add_unix_fd(source, fdread, G_IO_IN | G_IO_ERR | G_IO_HUP);
    }
    if (fdwrite >= 0 && (condition & G_IO_OUT)) {
        s->tag[1] = g_source_add_unix_fd(source, fdwrite,
                                         G_IO_OUT | G_IO_ERR | G_IO_HUP);
    }
    return source;
}

static GIOCondition closed_ready(QIOChannel *ioc, GIOCondition condition)
{
    return condition | G_IO_HUP;
}

GSource *qio_channel_create_fd_watch(QIOChannel *ioc, int fd,
                                     GIOCondition condition)
{
    if (fd < 0) {
        /* Closed: a read or write fails at once, so it does not wait. */
        return qio_channel_create_ready_watch(ioc, condition, closed_ready);
    }
    return qio_channel_create_fd_pair_watch(ioc, fd, fd, condition);
}

/* -- memory ---------------------------------------------------------------- */

typedef struct ReadySource {
    GSource parent;
    QIOChannel *ioc; /* owned reference */
    GIOCondition condition;
    QIOChannelReadyFunc ready;
} ReadySource;

static gboolean ready_source_check(GSource *source)
{
    ReadySource *s = (ReadySource *)source;

    return s->ready(s->ioc, s->condition) != 0;
}

static gboolean ready_source_prepare(GSource *source, gint *timeout)
{
    *timeout = -1;
    return ready_source_check(source);
}

static gboolean ready_source_dispatch(GSource *source, GSourceFunc callback,
                                      gpointer user_data)
{
    ReadySource *s = (ReadySource *)source;
    GIOCondition ready = s->ready(s->ioc, s->condition);

    return ready ? call_user(callback, s->ioc, ready, user_data)
                 : G_SOURCE_CONTINUE;
}

static void ready_source_finalize(GSource *source)
{
    object_unref(OBJECT(((ReadySource *)source)->ioc));
}

static GSourceFuncs ready_source_funcs = {
    .prepare = ready_source_prepare,
    .check = ready_source_check,
    .dispatch = ready_source_dispatch,
    .finalize = ready_source_finalize,
};

GSource *qio_channel_create_ready_watch(QIOChannel *ioc, GIOCondition condition,
                                        QIOChannelReadyFunc ready)
{
    GSource *source = g_source_new(&ready_source_funcs, sizeof(ReadySource));
    ReadySource *s = (ReadySource *)source;

    s->ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    s->condition = condition;
    s->ready = ready;
    return source;
}

GIOCondition qio_channel_held(QIOChannel *ioc, GIOCondition condition)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    /* Input only: the writer's thread must not look at the reader's state. */
    return klass->io_held && (condition & G_IO_IN)
               ? klass->io_held(ioc, G_IO_IN)
               : 0;
}

/* -- layers ---------------------------------------------------------------- */

typedef struct LayerSource {
    ReadySource base;          /* @ready tells what the layer holds */
    GIOCondition master_ready; /* noted by the child, for the next dispatch */
} LayerSource;

static gboolean layer_child_fired(QIOChannel *master, GIOCondition condition,
                                  gpointer opaque)
{
    LayerSource *s = opaque;

    s->master_ready |= condition;
    return G_SOURCE_CONTINUE;
}

static gboolean layer_source_dispatch(GSource *source, GSourceFunc callback,
                                      gpointer user_data)
{
    LayerSource *s = (LayerSource *)source;
    GIOCondition ready = s->master_ready;

    s->master_ready = 0;
    ready |= s->base.ready(s->base.ioc, s->base.condition);
    return ready ? call_user(callback, s->base.ioc, ready, user_data)
                 : G_SOURCE_CONTINUE;
}

static GSourceFuncs layer_source_funcs = {
    .prepare = ready_source_prepare,
    .check = ready_source_check,
    .dispatch = layer_source_dispatch,
    .finalize = ready_source_finalize,
};

GSource *qio_channel_create_layer_watch(QIOChannel *ioc, QIOChannel *master,
                                        GIOCondition condition)
{
    GSource *source = g_source_new(&layer_source_funcs, sizeof(LayerSource));
    g_autoptr(GSource) child = qio_channel_create_watch(master, condition);
    LayerSource *s = (LayerSource *)source;

    s->base.ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    s->base.condition = condition;
    s->base.ready = qio_channel_held;
    /* It takes a note and no more: GLib need not guard it, which costs three
     * system calls for every event. */
    g_source_set_can_recurse(child, TRUE);
    /* The child dies with its parent, so the bare pointer is safe. */
    g_source_set_callback(child, G_SOURCE_FUNC(layer_child_fired), s, NULL);
    g_source_add_child_source(source, child);
    return source;
}
