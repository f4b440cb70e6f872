/*
 * One connection of a socket chardev, from accept() or connect() to its end.
 *
 *   CONNECTING -> TLS -> WEBSOCK -> TELNET -> READY -> DEAD
 *
 * The way to READY is in char-socket-handshake.c; every state may go to DEAD.
 * Layers are channels on top of each other; telnet is a codec beside the top
 * one, because it has to see single bytes of both directions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "chardev/yank.h"
#include "qapi/qapi-types-yank.h"
#include "util/error.h"
#include "util/lockable.h"
#include "util/sockets.h"

#include "char-socket-internal.h"

/* -- life --------------------------------------------------------------------- */

SocketConn *conn_ref(SocketConn *c)
{
    qatomic_inc(&c->refs);
    return c;
}

void conn_unref(void *opaque)
{
    SocketConn *c = opaque;

    if (qatomic_fetch_dec(&c->refs) > 1) {
        return;
    }
    object_unref(c->ioc);
    object_unref(c->sioc);
    buffer_free(&c->out);
    g_free(c->telnet);
    g_free(c);
}

void conn_yank_register(SocketConn *c)
{
    if (c->s->yank_registered && !c->yank) {
        yank_register_function(CHARDEV_YANK_INSTANCE(c->s->parent.label),
                               yank_generic_iochannel, c->sioc);
        c->yank = true;
    }
}

static void conn_yank_unregister(SocketConn *c, SocketChardev *s)
{
    if (c->yank) {
        yank_unregister_function(CHARDEV_YANK_INSTANCE(s->parent.label),
                                 yank_generic_iochannel, c->sioc);
        c->yank = false;
    }
}

SocketConn *conn_new(SocketChardev *s, QIOChannelSocket *sioc, ConnState state)
{
    SocketConn *c = g_new0(SocketConn, 1);

    c->refs = 1;
    c->s = s;
    c->sioc = QIO_CHANNEL_SOCKET(object_ref(sioc));
    c->state = state;
    WITH_QEMU_LOCK_GUARD(&s->parent.chr_write_lock)
    {
        g_ptr_array_add(s->conns, c);
    }
    return c;
}

void conn_set_state(SocketConn *c, ConnState state)
{
    QEMU_LOCK_GUARD(&c->s->parent.chr_write_lock);
    c->state = state;
}

/* Takes @c out of the lists. Returns: whether it was there. */
static bool conn_remove(SocketConn *c, bool *was_ready, bool *was_last)
{
    SocketChardev *s = c->s;

    QEMU_LOCK_GUARD(&s->parent.chr_write_lock);
    *was_ready = c->state == CONN_READY;
    if (!g_ptr_array_remove(s->conns, c)) {
        return false;
    }
    c->state = CONN_DEAD;
    s->ready -= *was_ready;
    *was_last = *was_ready && s->ready == 0;
    if (s->owner == c) {
        s->owner = NULL;
    }
    if (*was_last) {
        chardev_queue_reset(&s->parent);
        s->write_nfds = 0;
    }
    char_source_clear(&c->flush);
    return true;
}

/* Closing a TLS channel says goodbye to the peer, if that fits now. */
static void conn_shut(SocketConn *c)
{
    conn_detach(c);
    char_source_clear(&c->timer);
    if (c->ioc) {
        qio_channel_close(c->ioc, NULL);
    }
    qio_channel_close(QIO_CHANNEL(c->sioc), NULL);
}

void conn_drop(SocketConn *c, Error *err)
{
    SocketChardev *s = c->s;
    bool was_ready, was_last;

    if (!s || !conn_remove(c, &was_ready, &was_last)) {
        error_free(err);
        return;
    }
    object_ref(s);
    conn_yank_unregister(c, s);
    conn_shut(c);
    c->s = NULL;
    socket_update_filename(s);
    if (was_last) {
        qemu_chr_be_event(&s->parent, CHR_EVENT_CLOSED);
    }
    if (s->is_listen) {
        /* The client's fault, not ours: the listener goes on. */
        error_free(err);
        socket_server_update(s);
    } else if (was_ready) {
        error_free(err);
        socket_client_lost(s);
    } else {
        socket_client_failed(s, err);
    }
    conn_unref(c);
    object_unref(s);
}

void conn_abandon(SocketConn *c)
{
    SocketChardev *s = c->s;
    bool was_ready, was_last;

    if (conn_remove(c, &was_ready, &was_last)) {
        conn_yank_unregister(c, s);
        conn_shut(c);
        c->s = NULL;
        conn_unref(c);
    }
}

void conn_drop_all(SocketChardev *s, SocketConn *but)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(conn_unref);

    WITH_QEMU_LOCK_GUARD(&s->parent.chr_write_lock)
    {
        for (guint i = 0; i < s->conns->len; i++) {
            SocketConn *c = g_ptr_array_index(s->conns, i);

            if (c != but) {
                g_ptr_array_add(all, conn_ref(c));
            }
        }
    }
    for (guint i = 0; i < all->len; i++) {
        conn_drop(g_ptr_array_index(all, i), NULL);
    }
}

bool conn_peer_left(SocketConn *c)
{
    char byte;
    ssize_t n = recv(c->sioc->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    /* A peer that left without reading our last words shows as an error. */
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* -- output: chr_write_lock is held ------------------------------------------------ */

static void conn_broken(SocketConn *c)
{
    c->broken = true;
    buffer_reset(&c->out);
    socket_schedule_housekeeping(c->s);
}

/* Returns: whether c->out is empty now. */
static bool conn_flush(SocketConn *c)
{
    while (!buffer_empty(&c->out)) {
        int n = io_channel_send(c->ioc, c->out.buffer, c->out.offset);

        if (n < 0) {
            if (errno != EAGAIN) {
                conn_broken(c);
            }
            return false;
        }
        buffer_advance(&c->out, n);
    }
    return true;
}

static gboolean conn_flush_ready(QIOChannel *ioc, GIOCondition cond,
                                 gpointer opaque)
{
    SocketConn *c = opaque;
    SocketChardev *s = c->s;

    if (!s) {
        return G_SOURCE_REMOVE;
    }
    QEMU_LOCK_GUARD(&s->parent.chr_write_lock);
    if (c->state == CONN_DEAD ||
        g_source_is_destroyed(g_main_current_source())) {
        return G_SOURCE_REMOVE;
    }
    if (!conn_flush(c) && !c->broken) {
        return G_SOURCE_CONTINUE;
    }
    char_source_clear(&c->flush);
    return G_SOURCE_REMOVE;
}

static void conn_arm_flush(SocketConn *c)
{
    if (c->flush || buffer_empty(&c->out) || c->broken) {
        return;
    }
    c->flush = qio_channel_create_watch(c->ioc, G_IO_OUT);
    g_source_set_callback(c->flush, G_SOURCE_FUNC(conn_flush_ready),
                          conn_ref(c), conn_unref);
    g_source_attach(c->flush, c->s->parent.gcontext);
}

static void conn_queue_raw(SocketConn *c, const uint8_t *buf, size_t len)
{
    buffer_reserve(&c->out, len);
    buffer_append(&c->out, buf, len);
}

/* Sends @len bytes of @buf, or keeps them: they are encoded already. */
void conn_send_or_keep(SocketConn *c, const uint8_t *buf, size_t len)
{
    int n = 0;

    if (buffer_empty(&c->out)) {
        n = io_channel_send(c->ioc, buf, len);
        if (n < 0 && errno != EAGAIN) {
            conn_broken(c);
            return;
        }
        n = MAX(n, 0);
    }
    if (n < len) {
        conn_queue_raw(c, buf + n, len - n);
        conn_arm_flush(c);
    }
}

static int conn_send_telnet(SocketConn *c, const uint8_t *buf, int len)
{
    uint8_t wire[4096];
    size_t wire_len;
    int used =
        telnet_encode(c->telnet, buf, len, wire, sizeof(wire), &wire_len);

    conn_send_or_keep(c, wire, wire_len);
    return c->broken ? -1 : used;
}

int conn_send(SocketConn *c, const uint8_t *buf, int len, int *fds, size_t nfds)
{
    int n;

    if (c->broken) {
        return -1;
    }
    if (!conn_flush(c)) {
        conn_arm_flush(c);
        return c->broken ? -1 : 0;
    }
    if (c->telnet) {
        return conn_send_telnet(c, buf, len);
    }
    n = io_channel_send_full(c->ioc, buf, len, fds, nfds);
    if (n < 0 && errno == EAGAIN) {
        return 0;
    }
    if (n < 0) {
        conn_broken(c);
    }
    return n;
}

void conn_queue(SocketConn *c, const uint8_t *buf, size_t len)
{
    while (len > 0 && !c->broken) {
        uint8_t wire[1024];
        size_t used = MIN(len, sizeof(wire)), wire_len = used;

        if (c->telnet) {
            used = telnet_encode(c->telnet, buf, len, wire, sizeof(wire),
                                 &wire_len);
        } else {
            memcpy(wire, buf, used);
        }
        conn_send_or_keep(c, wire, wire_len);
        buf += used;
        len -= used;
    }
    if (c->out.offset > SOCKET_LAG_MAX) {
        conn_broken(c);
    }
}

/* -- input ---------------------------------------------------------------------------- */

static int conn_can_read(void *opaque)
{
    SocketConn *c = opaque;

    int room;

    if (!c->s) {
        return 0;
    }
    room = char_read_room(&c->s->parent);
    /* A record mark that was cut in two decodes to one byte more. */
    return c->s->is_tn3270 ? room - 1 : room;
}

/* Descriptors belong to the bytes they came with; unfetched ones are closed. */
static void conn_take_fds(SocketChardev *s, int *fds, size_t nfds)
{
    if (!nfds) {
        return;
    }
    for (size_t i = 0; i < s->read_nfds; i++) {
        fd_close(s->read_fds[i]);
    }
    g_free(s->read_fds);
    s->read_fds = fds;
    s->read_nfds = nfds;
    for (size_t i = 0; i < nfds; i++) {
        /* A descriptor's mode is its owner's affair; ours is to wait. */
        qemu_socket_set_block(fds[i]);
    }
}

/* Reads once. Returns: as qio_channel_readv(). */
ssize_t conn_read_some(SocketConn *c, uint8_t *buf, size_t size)
{
    struct iovec iov = { .iov_base = buf, .iov_len = size };
    bool passes = qio_channel_has_feature(c->ioc, QIO_CHANNEL_FEATURE_FD_PASS);
    int *fds = NULL;
    size_t nfds = 0;
    ssize_t n;

    n = qio_channel_readv_full(c->ioc, &iov, 1, passes ? &fds : NULL,
                               passes ? &nfds : NULL, NULL);
    conn_take_fds(c->s, fds, nfds);
    return n;
}

/* Decodes one step under the lock; replies go out at once. */
size_t conn_telnet_step(SocketConn *c, const uint8_t *in, size_t len,
                        uint8_t *out, size_t *out_len, TelnetEvent *event)
{
    uint8_t reply[TELNET_REPLY_MAX];
    size_t used, reply_len;

    QEMU_LOCK_GUARD(&c->s->parent.chr_write_lock);
    used = telnet_decode(c->telnet, in, len, out, out_len, event);
    reply_len = telnet_take_reply(c->telnet, reply);
    if (reply_len > 0 && !c->broken) {
        conn_send_or_keep(c, reply, reply_len);
        if (c->out.offset > SOCKET_LAG_MAX + SOCKET_REPLIES_MAX) {
            conn_broken(c);
        }
    }
    return used;
}

static void conn_deliver(SocketConn *c, const uint8_t *buf, size_t len)
{
    if (len > 0) {
        socket_claim(c);
        qemu_chr_be_write(&c->s->parent, buf, len);
    }
}

void conn_telnet_input(SocketConn *c, const uint8_t *in, size_t len)
{
    while (len > 0 && c->s) {
        uint8_t data[CHR_READ_BUF_LEN + 1];
        TelnetEvent event;
        size_t data_len;
        size_t used = conn_telnet_step(c, in, len, data, &data_len, &event);

        conn_deliver(c, data, data_len);
        if (event == TELNET_EVENT_BREAK && c->s) {
            socket_claim(c);
            qemu_chr_be_event(&c->s->parent, CHR_EVENT_BREAK);
        } else if (event == TELNET_EVENT_ERROR) {
            conn_drop(c, NULL);
        }
        in += used;
        len -= used;
    }
}

static gboolean conn_readable(QIOChannel *ioc, GIOCondition cond,
                              gpointer opaque)
{
    SocketConn *c = conn_ref(opaque);
    Object *keep = object_ref(c->s);
    int room = conn_can_read(c);
    uint8_t buf[CHR_READ_BUF_LEN];
    ssize_t n = QIO_CHANNEL_ERR_BLOCK;

    if (room > 0) {
        n = conn_read_some(c, buf, room);
    } else if (cond & (G_IO_HUP | G_IO_ERR)) {
        /* What the peer sent before it left waits for the front end; until
         * then the hang-up would fire for ever. */
        n = conn_peer_left(c) ? 0 : n;
        io_watch_poll_ignore_hup(c->in);
    }
    if (n > 0 && c->telnet) {
        conn_telnet_input(c, buf, n);
    } else if (n > 0) {
        conn_deliver(c, buf, n);
    } else if (n != QIO_CHANNEL_ERR_BLOCK) {
        conn_drop(c, NULL);
    }
    object_unref(keep);
    conn_unref(c);
    /* A dropped connection has removed the watch itself. */
    return G_SOURCE_CONTINUE;
}

void conn_attach(SocketConn *c)
{
    Chardev *chr = &c->s->parent;

    conn_detach(c);
    c->in =
        io_add_watch_poll_hup(chr, c->ioc, QIO_CHANNEL(c->sioc), conn_can_read,
                              conn_readable, c, chr->gcontext);
    QEMU_LOCK_GUARD(&chr->chr_write_lock);
    conn_arm_flush(c);
}

void conn_detach(SocketConn *c)
{
    remove_io_watch_poll(c->in);
    c->in = NULL;
    if (c->s) {
        QEMU_LOCK_GUARD(&c->s->parent.chr_write_lock);
        char_source_clear(&c->flush);
    }
}
