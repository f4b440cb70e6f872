/*
 * Socket back end: class and output. See char-socket-internal.h for
 * the parts, char-socket-server.c for who becomes the client.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-socket.h"

#include "chardev/yank.h"
#include "io/socket-address.h"
#include "qapi/qapi-types-yank.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/lockable.h"

#include "char-socket-internal.h"

static bool open_yank(SocketChardev *s, Error **errp)
{
    Chardev *chr = &s->parent;

    if (!chr->label) {
        return true;
    }
    if (!chr->handover_yank_instance &&
        !yank_register_instance(CHARDEV_YANK_INSTANCE(chr->label), errp)) {
        return false;
    }
    s->yank_registered = true;
    return true;
}

static bool socket_open(Chardev *chr, bool *be_opened, Error **errp)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);

    *be_opened = false; /* conn_ready() opens it */
    if (!socket_check_options(s, errp) || !open_yank(s, errp)) {
        return false;
    }
    if (socket_reconnect_ms(s)) {
        qemu_chr_set_feature(chr, QEMU_CHAR_FEATURE_RECONNECTABLE);
    }
    if (s->addr->type == SOCKET_ADDRESS_TYPE_UNIX && !s->tls_creds &&
        !s->is_websock) {
        qemu_chr_set_feature(chr, QEMU_CHAR_FEATURE_FD_PASS);
    }
    chr->wait_at_start = s->is_listen ? s->wait : !socket_reconnect_ms(s);
    socket_update_filename(s);
    return s->is_listen ? socket_server_open(s, errp)
                        : socket_client_open(s, errp);
}

/* -- output: chr_write_lock is held ------------------------------------------------- */

/* Keeps the start of the output for silent clients that come later. */
static void replay_append(SocketChardev *s, const uint8_t *buf, int len)
{
    if (s->owner || s->replay_full) {
        return;
    }
    if (s->replay.offset + len > SOCKET_REPLAY_MAX) {
        s->replay_full = true;
        buffer_free(&s->replay);
        return;
    }
    buffer_reserve(&s->replay, len);
    buffer_append(&s->replay, buf, len);
}

/* The only one to talk to: the owner, or a single connection. */
static SocketConn *sole_peer(SocketChardev *s)
{
    if (s->owner) {
        return s->owner;
    }
    for (guint i = 0; i < s->conns->len && s->ready == 1; i++) {
        SocketConn *c = g_ptr_array_index(s->conns, i);

        if (c->state == CONN_READY) {
            return c;
        }
    }
    return NULL;
}

/*
 * To all silent clients, at the pace of the fastest: a client that reads
 * must not be held up by one that does not. Who lags too far is dropped.
 */
static int write_to_all(SocketChardev *s, const uint8_t *buf, int len)
{
    g_autofree int *sent = g_new0(int, s->conns->len);
    int most = 0;

    for (guint i = 0; i < s->conns->len; i++) {
        SocketConn *c = g_ptr_array_index(s->conns, i);

        if (c->state == CONN_READY) {
            sent[i] = conn_send(c, buf, len, NULL, 0);
            most = MAX(most, sent[i]);
        }
    }
    for (guint i = 0; i < s->conns->len; i++) {
        SocketConn *c = g_ptr_array_index(s->conns, i);

        if (c->state == CONN_READY && sent[i] >= 0 && sent[i] < most) {
            conn_queue(c, buf + sent[i], most - sent[i]);
        }
    }
    return most;
}

static int socket_write(Chardev *chr, const uint8_t *buf, int len)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);
    SocketConn *c;
    int n;

    if (s->ready == 0) {
        return len;
    }
    c = sole_peer(s);
    if (s->write_nfds && !c) {
        /* Descriptors are for one peer: the first becomes the owner. */
        for (guint i = 0; !c; i++) {
            SocketConn *one = g_ptr_array_index(s->conns, i);

            c = one->state == CONN_READY ? one : NULL;
        }
        s->owner = c;
        socket_schedule_housekeeping(s);
    }
    n = c ? conn_send(c, buf, len, s->write_fds, s->write_nfds)
          : write_to_all(s, buf, len);
    if (n == 0) {
        errno = EAGAIN;
        return -1;
    }
    s->write_nfds = 0;
    if (n < 0) {
        return len; /* the line is dead; CLOSED is on its way */
    }
    replay_append(s, buf, n);
    return n;
}

static void housekeeping(Chardev *chr)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);
    g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(conn_unref);
    SocketConn *owner;

    if (chr->gcontext && !g_main_context_is_owner(chr->gcontext)) {
        char_idle_add(chr, housekeeping); /* moved meanwhile */
        return;
    }
    WITH_QEMU_LOCK_GUARD(&chr->chr_write_lock)
    {
        s->housekeeping = false;
        owner = s->owner;
        for (guint i = 0; i < s->conns->len; i++) {
            SocketConn *c = g_ptr_array_index(s->conns, i);

            if (c->broken || (owner && c != owner)) {
                g_ptr_array_add(gone, conn_ref(c));
            }
        }
    }
    for (guint i = 0; i < gone->len; i++) {
        conn_drop(g_ptr_array_index(gone, i), NULL);
    }
    socket_server_update(s);
}

void socket_schedule_housekeeping(SocketChardev *s)
{
    if (!s->housekeeping) {
        s->housekeeping = true;
        char_idle_add(&s->parent, housekeeping);
    }
}

static gboolean hup_now(gpointer unused)
{
    return TRUE;
}

/* Nobody is there: the watch fires at once and says so. */
typedef struct HupSource {
    GSource parent;
} HupSource;

static gboolean hup_prepare(GSource *source, gint *timeout)
{
    *timeout = 0;
    return hup_now(NULL);
}

static gboolean hup_dispatch(GSource *source, GSourceFunc func, gpointer data)
{
    return ((FEWatchFunc)(void (*)(void))func)(NULL, G_IO_HUP, data);
}

static GSourceFuncs hup_funcs = {
    .prepare = hup_prepare,
    .dispatch = hup_dispatch,
};

static GSource *socket_add_watch(Chardev *chr, GIOCondition cond)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);
    SocketConn *c = sole_peer(s);

    for (guint i = 0; i < s->conns->len && !c; i++) {
        SocketConn *one = g_ptr_array_index(s->conns, i);

        /* Of several, one that is not behind: it sets the pace. */
        if (one->state == CONN_READY && buffer_empty(&one->out)) {
            c = one;
        }
    }
    if (!c || c->broken) {
        return g_source_new(&hup_funcs, sizeof(HupSource));
    }
    return qio_channel_create_watch(c->ioc, cond);
}

/* -- descriptors --------------------------------------------------------------------- */

static int socket_set_msgfds(Chardev *chr, int *fds, int num)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);

    if (!qemu_chr_has_feature(chr, QEMU_CHAR_FEATURE_FD_PASS) || num < 0 ||
        num > QIO_CHANNEL_MAX_FDS) {
        return -1;
    }
    QEMU_LOCK_GUARD(&chr->chr_write_lock);
    if (s->ready == 0) {
        return -1;
    }
    g_free(s->write_fds);
    s->write_fds = g_memdup2(fds, num * sizeof(int));
    s->write_nfds = num;
    return 0;
}

static int socket_get_msgfds(Chardev *chr, int *fds, int num)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);
    size_t n = MIN(s->read_nfds, (size_t)num);

    if (num > QIO_CHANNEL_MAX_FDS) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        fds[i] = s->read_fds[i];
    }
    for (size_t i = n; i < s->read_nfds; i++) {
        fd_close(s->read_fds[i]);
    }
    g_clear_pointer(&s->read_fds, g_free);
    s->read_nfds = 0;
    return n;
}

/* Blocking read of what a vhost-user peer answers. */
static int socket_sync_read(Chardev *chr, uint8_t *buf, int len)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);
    SocketConn *c;
    ssize_t n;

    WITH_QEMU_LOCK_GUARD(&chr->chr_write_lock)
    {
        c = sole_peer(s);
        c = c ? conn_ref(c) : NULL;
    }
    if (!c) {
        return 0;
    }
    socket_claim(c);
    for (;;) {
        n = conn_read_some(c, buf, len);
        if (n != QIO_CHANNEL_ERR_BLOCK) {
            break;
        }
        qio_channel_wait(c->ioc, G_IO_IN);
    }
    if (n <= 0) {
        conn_drop(c, NULL);
        errno = EIO;
    }
    conn_unref(c);
    return n < 0 ? -1 : n;
}

static int socket_add_client(Chardev *chr, int fd)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);
    g_autoptr(QIOChannelSocket) sioc = NULL;

    if (s->owner || !s->is_listen) {
        return -1;
    }
    sioc = qio_channel_socket_new_fd(fd, NULL);
    if (!sioc) {
        return -1;
    }
    socket_accept(s, sioc);
    return 0;
}

/* -- waiting, moving, leaving ---------------------------------------------------------- */

/* Lock held. Returns: whether waiting is over. */
static bool wait_over(SocketChardev *s)
{
    return s->ready > 0 || s->failure;
}

static int socket_wait_connected(Chardev *chr, Error **errp)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);
    GMainContext *ctx =
        chr->gcontext ? chr->gcontext : g_main_context_default();
    g_autoptr(GSource) tick = NULL;

    if (s->is_listen && !qatomic_read(&chr->be_open)) {
        g_autofree char *text = socket_address_text(s);

        info_report("waiting for connection on: %s", text);
    }
    qemu_mutex_lock(&chr->chr_write_lock);
    while (!wait_over(s)) {
        if (chr->wait_interrupted && chr->wait_interrupted(chr->wait_opaque)) {
            qemu_mutex_unlock(&chr->chr_write_lock);
            error_setg(errp,
                       "waiting for a connection of chardev '%s' was "
                       "interrupted",
                       chr->label);
            return -1;
        }
        if (g_main_context_acquire(ctx)) {
            qemu_mutex_unlock(&chr->chr_write_lock);
            if (!tick) {
                tick = g_timeout_source_new(100);
                g_source_set_callback(tick, hup_now, NULL, NULL);
                g_source_attach(tick, ctx);
            }
            g_main_context_iteration(ctx, TRUE);
            g_main_context_release(ctx);
            qemu_mutex_lock(&chr->chr_write_lock);
        } else {
            qemu_cond_timedwait(&s->changed, &chr->chr_write_lock, 100);
        }
    }
    if (s->ready == 0) {
        error_propagate_prepend(
            errp, s->failure,
            "chardev '%s' could not connect: ", chr->label ? chr->label : "");
        s->failure = NULL;
        qemu_mutex_unlock(&chr->chr_write_lock);
        return -1;
    }
    qemu_mutex_unlock(&chr->chr_write_lock);
    if (tick) {
        g_source_destroy(tick);
    }
    return 0;
}

static void move_conns(SocketChardev *s)
{
    g_autoptr(GPtrArray) stay = g_ptr_array_new_with_free_func(conn_unref);
    g_autoptr(GPtrArray) drop = g_ptr_array_new_with_free_func(conn_unref);

    WITH_QEMU_LOCK_GUARD(&s->parent.chr_write_lock)
    {
        for (guint i = 0; i < s->conns->len; i++) {
            SocketConn *c = g_ptr_array_index(s->conns, i);

            g_ptr_array_add(c->state == CONN_READY ? stay : drop, conn_ref(c));
        }
    }
    for (guint i = 0; i < stay->len; i++) {
        conn_attach(g_ptr_array_index(stay, i));
    }
    /* Handshakes are tied to the old context; their clients come again. */
    for (guint i = 0; i < drop->len && s->is_listen; i++) {
        conn_drop(g_ptr_array_index(drop, i), NULL);
    }
}

static void socket_update_read_handler(Chardev *chr)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);

    if (s->where == chr->gcontext) {
        return;
    }
    move_conns(s);
    if (s->is_listen) {
        s->listening = false;
        socket_server_update(s);
    } else {
        socket_client_move(s);
    }
    s->where = chr->gcontext;
}

static void socket_disconnect(Chardev *chr)
{
    conn_drop_all(SOCKET_CHARDEV(chr), NULL);
}

static void socket_init(Object *obj)
{
    SocketChardev *s = SOCKET_CHARDEV(obj);

    s->conns = g_ptr_array_new();
    qemu_cond_init(&s->changed);
}

static void socket_finalize(Object *obj)
{
    SocketChardev *s = SOCKET_CHARDEV(obj);
    Chardev *chr = &s->parent;

    s->parent.opened = false;
    socket_client_close(s);
    socket_server_close(s);
    while (s->conns->len > 0) {
        conn_abandon(g_ptr_array_index(s->conns, 0));
    }
    g_ptr_array_unref(s->conns);
    for (size_t i = 0; i < s->read_nfds; i++) {
        fd_close(s->read_fds[i]);
    }
    g_free(s->read_fds);
    g_free(s->write_fds);
    buffer_free(&s->replay);
    if (s->yank_registered && !chr->handover_yank_instance) {
        yank_unregister_instance(CHARDEV_YANK_INSTANCE(chr->label));
    }
    object_unref(s->tls_creds);
    error_free(s->failure);
    qapi_free_SocketAddress(s->addr);
    qapi_free_SocketAddress(s->bound);
    qemu_cond_destroy(&s->changed);
}

static void socket_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "a TCP, UNIX or vsock socket, client or server";
    cc->supports_yank = true;
    cc->cli_options = socket_cli;
    cc->cli_complete = socket_cli_complete;
    cc->open = socket_open;
    cc->chr_write = socket_write;
    cc->chr_sync_read = socket_sync_read;
    cc->chr_add_watch = socket_add_watch;
    cc->chr_update_read_handler = socket_update_read_handler;
    cc->get_msgfds = socket_get_msgfds;
    cc->set_msgfds = socket_set_msgfds;
    cc->chr_add_client = socket_add_client;
    cc->chr_wait_connected = socket_wait_connected;
    cc->chr_disconnect = socket_disconnect;
}

const TypeInfo chardev_type_socket = {
    .name = TYPE_CHARDEV_SOCKET,
    .parent = TYPE_CHARDEV,
    .instance_size = sizeof(SocketChardev),
    .instance_init = socket_init,
    .instance_finalize = socket_finalize,
    .class_init = socket_class_init,
    .props = socket_props,
};
