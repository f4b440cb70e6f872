/*
 * Channel helpers.
 *
 * The watch is a source without a descriptor of its own. Its prepare step
 * asks the front end how much it takes and hangs a child source, made by the
 * channel, below itself: for input when there is room, for a hang-up only
 * when there is none. The child is swapped only when the answer changes.
 *
 * GLib takes the descriptors of a source that must not recurse out of the poll
 * set while its callback runs, and wakes the loop both times: three system
 * calls for every input. So the child may recurse as far as GLib knows, and
 * goes away for the time of a nested loop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-io.h"

#include "util/atomic.h"
#include "util/error.h"

#include "char-internal.h"

typedef struct PollSource {
    GSource parent;
    QIOChannel *ioc;     /* owned */
    QIOChannel *hup_ioc; /* owned, or NULL */
    IOCanReadHandler *can_read;
    QIOChannelFunc read;
    gpointer opaque;
    GSource *child;
    bool child_reads;
    bool busy; /* the callback is running */
    int ready; /* atomic: hands all of it to the context's thread */
} PollSource;

static gboolean poll_child_fired(QIOChannel *ioc, GIOCondition cond,
                                 gpointer opaque)
{
    PollSource *p = opaque;
    GSource *source = &p->parent;
    gboolean keep;

    g_source_ref(source);
    p->busy = true;
    keep = !g_source_is_destroyed(source) && p->read(ioc, cond, p->opaque);
    p->busy = false;
    if (!keep) {
        g_source_destroy(source);
    }
    g_source_unref(source);
    return keep;
}

static void poll_drop_child(PollSource *p)
{
    if (p->child) {
        g_source_destroy(p->child);
        g_source_unref(p->child);
        p->child = NULL;
    }
}

static void poll_set_child(PollSource *p, QIOChannel *ioc, GIOCondition cond)
{
    p->child = qio_channel_create_watch(ioc, cond);
    g_source_set_priority(p->child, g_source_get_priority(&p->parent));
    g_source_set_can_recurse(p->child, TRUE);
    g_source_set_callback(p->child, G_SOURCE_FUNC(poll_child_fired), p, NULL);
    g_source_attach(p->child, g_source_get_context(&p->parent));
}

static gboolean poll_prepare(GSource *source, gint *timeout)
{
    PollSource *p = (PollSource *)source;
    bool reads;

    *timeout = -1;
    if (!qatomic_load_acquire(&p->ready)) {
        return FALSE;
    }
    if (p->busy) {
        poll_drop_child(p); /* the next turn of the outer loop makes another */
        return FALSE;
    }
    reads = p->can_read(p->opaque) > 0;
    /* can_read may have ended this watch. */
    if (g_source_is_destroyed(source) ||
        (p->child && reads == p->child_reads)) {
        return FALSE;
    }
    poll_drop_child(p);
    p->child_reads = reads;
    if (reads) {
        poll_set_child(p, p->ioc, G_IO_IN | G_IO_HUP | G_IO_ERR);
    } else if (p->hup_ioc) {
        poll_set_child(p, p->hup_ioc, G_IO_HUP | G_IO_ERR);
    }
    return FALSE;
}

static gboolean poll_check(GSource *source)
{
    return FALSE;
}

static gboolean poll_dispatch(GSource *source, GSourceFunc func, gpointer data)
{
    return G_SOURCE_CONTINUE;
}

static void poll_finalize(GSource *source)
{
    PollSource *p = (PollSource *)source;

    object_unref(p->ioc);
    object_unref(p->hup_ioc);
}

/* The child lives exactly as long as the parent is attached. */
static void poll_dispose(GSource *source)
{
    poll_drop_child((PollSource *)source);
}

static GSourceFuncs poll_funcs = {
    .prepare = poll_prepare,
    .check = poll_check,
    .dispatch = poll_dispatch,
    .finalize = poll_finalize,
};

GSource *io_add_watch_poll_hup(Chardev *chr, QIOChannel *ioc,
                               QIOChannel *hup_ioc,
                               IOCanReadHandler *fd_can_read,
                               QIOChannelFunc fd_read, gpointer user_data,
                               GMainContext *context)
{
    GSource *source = g_source_new(&poll_funcs, sizeof(PollSource));
    PollSource *p = (PollSource *)source;

    p->ioc = QIO_CHANNEL(object_ref(ioc));
    p->hup_ioc = hup_ioc ? QIO_CHANNEL(object_ref(hup_ioc)) : NULL;
    p->can_read = fd_can_read;
    p->read = fd_read;
    p->opaque = user_data;
    g_source_set_dispose_function(source, poll_dispose);
    if (chr->label) {
        g_autofree char *name = g_strdup_printf("chardev-%s", chr->label);

        g_source_set_name(source, name);
    }
    qatomic_store_release(&p->ready, true);
    g_source_attach(source, context);
    return source;
}

void io_watch_poll_ignore_hup(GSource *source)
{
    PollSource *p = (PollSource *)source;

    if (p->hup_ioc) {
        if (!p->child_reads) {
            poll_drop_child(p);
        }
        object_unref(p->hup_ioc);
        p->hup_ioc = NULL;
    }
}

GSource *io_add_watch_poll(Chardev *chr, QIOChannel *ioc,
                           IOCanReadHandler *fd_can_read,
                           QIOChannelFunc fd_read, gpointer user_data,
                           GMainContext *context)
{
    return io_add_watch_poll_hup(chr, ioc, NULL, fd_can_read, fd_read,
                                 user_data, context);
}

void remove_io_watch_poll(GSource *source)
{
    if (source) {
        PollSource *p = (PollSource *)source;

        g_source_destroy(source);
        poll_drop_child(p);
        g_source_unref(source);
    }
}

void remove_fd_in_watch(Chardev *chr)
{
    remove_io_watch_poll(chr->gsource);
    chr->gsource = NULL;
}

int io_channel_send_full(QIOChannel *ioc, const void *buf, size_t len, int *fds,
                         size_t nfds)
{
    struct iovec iov = { .iov_base = (char *)buf, .iov_len = len };
    g_autoptr(Error) err = NULL;
    ssize_t n;

    n = qio_channel_writev_full(ioc, &iov, 1, fds, nfds, 0, &err);
    if (n == QIO_CHANNEL_ERR_BLOCK) {
        errno = EAGAIN;
        return -1;
    }
    if (n < 0) {
        errno = EIO;
        return -1;
    }
    return n;
}

int io_channel_send(QIOChannel *ioc, const void *buf, size_t len)
{
    return io_channel_send_full(ioc, buf, len, NULL, 0);
}
