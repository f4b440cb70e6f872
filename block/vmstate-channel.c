/*
 * A channel over the machine's state in an image.
 *
 * Two buffers: while the image is at one, the channel's user is at the other.
 * So memory is scanned while pages before it are on their way, and pages are
 * put in place while the next are read. Requests run in the main loop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "block/snapshot-set.h"
#include "io/channel.h"
#include "util/iov.h"
#include "util/thread.h"

/* Of one buffer: whole clusters of any image. */
#define PIECE_BYTES (4 * 1024 * 1024)

#define TYPE_VMSTATE_CHANNEL "qio-channel-block"
OBJECT_DECLARE_SIMPLE_TYPE(VMStateChannel, VMSTATE_CHANNEL)

typedef struct Piece {
    VMStateChannel *owner;
    uint8_t *data;
    int64_t pos; /* in the state */
    size_t len;  /* bytes in it, or to be read */
    bool busy;   /* a request is under way */
    QEMUIOVector qiov;
    int ret;
    QemuSemaphore done;
} Piece;

struct VMStateChannel {
    QIOChannel parent;

    BlockNode *node; /* kept by the snapshot's set */
    bool writes;
    bool closed;
    int64_t end; /* read: length of the state; write: of what was given */
    Piece piece[2];
    unsigned now; /* the piece that the user is at */
    size_t used;  /* bytes of it */
    int64_t next; /* read: first byte that no piece has */
    int error;    /* the first one; -errno */
};

/* -- requests --------------------------------------------------------------------- */

static void coroutine_fn piece_entry(void *opaque)
{
    Piece *p = opaque;
    BlockNode *node = p->owner->node;
    const BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(node);

    p->ret = p->owner->writes ? nc->co_save_vmstate(node, &p->qiov, p->pos)
                              : nc->co_load_vmstate(node, &p->qiov, p->pos);
    qemu_sem_post(&p->done);
}

static void piece_start(Piece *p)
{
    p->busy = true;
    qemu_iovec_init_buf(&p->qiov, p->data, p->len);
    aio_co_enter(p->owner->node->ctx, qemu_coroutine_create(piece_entry, p));
}

static void piece_finish(Piece *p)
{
    VMStateChannel *c = p->owner;

    if (p->busy) {
        qemu_sem_wait(&p->done);
        p->busy = false;
        if (p->ret < 0 && !c->error) {
            c->error = p->ret;
        }
    }
}

/* -- writing ------------------------------------------------------------------------- */

static void write_piece(VMStateChannel *c)
{
    Piece *p = &c->piece[c->now];

    p->pos = c->end - (int64_t)c->used;
    p->len = c->used;
    piece_start(p);
    c->now ^= 1;
    c->used = 0;
    piece_finish(&c->piece[c->now]);
}

static int failed(VMStateChannel *c, Error **errp)
{
    error_setg_errno(errp, -c->error, "cannot %s the machine's state in '%s'",
                     c->writes ? "write" : "read", c->node->name);
    return -1;
}

static ssize_t vmstate_writev(QIOChannel *ioc, const struct iovec *iov,
                              size_t niov, int *fds, size_t nfds, int flags,
                              Error **errp)
{
    VMStateChannel *c = VMSTATE_CHANNEL(ioc);
    size_t total = iov_size(iov, niov), done = 0;

    if (!c->writes || c->closed) {
        error_setg(errp, "the machine's state is not being written");
        return -1;
    }
    if ((int64_t)total > SNAPSHOT_STATE_MAX - c->end) {
        c->error = -EFBIG;
    }
    while (done < total && !c->error) {
        size_t n = iov_to_buf(iov, (unsigned)niov, done,
                              c->piece[c->now].data + c->used,
                              MIN(PIECE_BYTES - c->used, total - done));

        done += n;
        c->used += n;
        c->end += (int64_t)n;
        if (c->used == PIECE_BYTES) {
            write_piece(c);
        }
    }
    return c->error ? failed(c, errp) : (ssize_t)total;
}

/* -- reading ---------------------------------------------------------------------------- */

static void read_ahead(VMStateChannel *c, Piece *p)
{
    p->pos = c->next;
    p->len = (size_t)MIN(PIECE_BYTES, c->end - c->next);
    c->next += (int64_t)p->len;
    if (p->len) {
        piece_start(p);
    }
}

/* Returns: is there something in the piece? */
static bool next_piece(VMStateChannel *c)
{
    Piece *p = &c->piece[c->now];

    if (c->next == 0) {
        read_ahead(c, &c->piece[0]);
        read_ahead(c, &c->piece[1]);
    } else if (c->used == p->len) {
        read_ahead(c, p);
        c->now ^= 1;
        c->used = 0;
    }
    p = &c->piece[c->now];
    piece_finish(p);
    return c->used < p->len && !c->error;
}

static ssize_t vmstate_readv(QIOChannel *ioc, const struct iovec *iov,
                             size_t niov, int **fds, size_t *nfds, Error **errp)
{
    VMStateChannel *c = VMSTATE_CHANNEL(ioc);
    size_t total = iov_size(iov, niov), done = 0;

    if (c->writes || c->closed) {
        error_setg(errp, "the machine's state is not being read");
        return -1;
    }
    while (done < total && !c->error && next_piece(c)) {
        const Piece *p = &c->piece[c->now];
        size_t n = iov_from_buf(iov, (unsigned)niov, done, p->data + c->used,
                                MIN(p->len - c->used, total - done));

        done += n;
        c->used += n;
    }
    return c->error ? failed(c, errp) : (ssize_t)done;
}

/* -- the rest ----------------------------------------------------------------------------- */

static int vmstate_close(QIOChannel *ioc, Error **errp)
{
    VMStateChannel *c = VMSTATE_CHANNEL(ioc);

    if (!c->closed && c->writes && !c->error && c->used) {
        write_piece(c);
    }
    c->closed = true;
    piece_finish(&c->piece[0]);
    piece_finish(&c->piece[1]);
    return c->error && c->writes ? failed(c, errp) : 0;
}

static int vmstate_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    if (!enabled) {
        error_setg(errp, "the machine's state can only be waited for");
    }
    return enabled ? 0 : -1;
}

static GSource *vmstate_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return g_idle_source_new(); /* always ready */
}

static void vmstate_instance_init(Object *obj)
{
    VMStateChannel *c = VMSTATE_CHANNEL(obj);

    for (int i = 0; i < 2; i++) {
        c->piece[i].owner = c;
        c->piece[i].data = g_malloc(PIECE_BYTES);
        qemu_sem_init(&c->piece[i].done, 0);
    }
}

static void vmstate_instance_finalize(Object *obj)
{
    VMStateChannel *c = VMSTATE_CHANNEL(obj);

    for (int i = 0; i < 2; i++) {
        piece_finish(&c->piece[i]);
        g_free(c->piece[i].data);
        qemu_sem_destroy(&c->piece[i].done);
    }
}

QIOChannel *vmstate_channel_new(BlockNode *node, int64_t bytes)
{
    VMStateChannel *c = VMSTATE_CHANNEL(object_new(TYPE_VMSTATE_CHANNEL));

    c->node = node;
    c->writes = bytes < 0;
    c->end = MAX(bytes, 0);
    qio_channel_set_name(QIO_CHANNEL(c), "vmstate");
    return QIO_CHANNEL(c);
}

int64_t vmstate_channel_length(QIOChannel *ioc)
{
    return VMSTATE_CHANNEL(ioc)->end;
}

static void vmstate_class_init(ObjectClass *oc, void *data)
{
    QIOChannelClass *ic = QIO_CHANNEL_CLASS(oc);

    ic->io_writev = vmstate_writev;
    ic->io_readv = vmstate_readv;
    ic->io_close = vmstate_close;
    ic->io_set_blocking = vmstate_set_blocking;
    ic->io_create_watch = vmstate_create_watch;
}

extern const TypeInfo block_type_vmstate_channel;
const TypeInfo block_type_vmstate_channel = {
    .name = TYPE_VMSTATE_CHANNEL,
    .parent = TYPE_QIO_CHANNEL,
    .instance_size = sizeof(VMStateChannel),
    .instance_init = vmstate_instance_init,
    .instance_finalize = vmstate_instance_finalize,
    .class_init = vmstate_class_init,
};
