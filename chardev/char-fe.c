/*
 * The front end's side. Every call accepts a handle without a back end: a
 * serial port with nothing plugged in.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-fe.h"

#include "qom/object.h"
#include "util/error.h"
#include "util/lockable.h"

#include "char-internal.h"

/* -- for back ends ---------------------------------------------------------- */

int char_fe_can_read(Chardev *chr, CharBackend *be)
{
    IOCanReadHandler *func = NULL;
    void *opaque = NULL;
    int room;

    if (!be) {
        return 0;
    }
    WITH_QEMU_LOCK_GUARD(&chr->fe_lock)
    {
        func = be->chr_can_read;
        opaque = be->opaque;
    }
    room = func ? func(opaque) : 0;
    return MAX(room, 0);
}

void char_fe_read(Chardev *chr, CharBackend *be, const uint8_t *buf, int len)
{
    IOReadHandler *func = NULL;
    void *opaque = NULL;

    if (!be) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&chr->fe_lock)
    {
        func = be->chr_read;
        opaque = be->opaque;
    }
    if (func) {
        func(opaque, buf, len);
    }
}

void char_fe_event(Chardev *chr, CharBackend *be, QEMUChrEvent event)
{
    IOEventHandler *func = NULL;
    void *opaque = NULL;

    if (!be) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&chr->fe_lock)
    {
        func = be->chr_event;
        opaque = be->opaque;
    }
    if (func) {
        func(opaque, event);
    }
}

/* -- life ---------------------------------------------------------------------- */

bool qemu_chr_fe_init(CharBackend *b, Chardev *s, Error **errp)
{
    memset(b, 0, sizeof(*b));
    if (!s) {
        return true;
    }
    if (CHARDEV_IS_MUX(s)) {
        if (!mux_chr_attach(s, b, errp)) {
            return false;
        }
    } else {
        QEMU_LOCK_GUARD(&s->fe_lock);
        if (s->be) {
            error_setg(errp, "chardev '%s' is in use", s->label);
            return false;
        }
        qatomic_set(&s->be, b);
    }
    b->chr = CHARDEV(object_ref(s));
    return true;
}

void qemu_chr_fe_deinit(CharBackend *b, bool del)
{
    Chardev *chr = b ? b->chr : NULL;

    if (!chr) {
        return;
    }
    qemu_chr_fe_set_handlers(b, NULL, NULL, NULL, NULL, NULL, NULL, true);
    if (CHARDEV_IS_MUX(chr)) {
        mux_chr_detach(chr, b);
    } else {
        QEMU_LOCK_GUARD(&chr->fe_lock);
        if (chr->be == b) {
            qatomic_set(&chr->be, NULL);
        }
    }
    b->chr = NULL;
    if (del) {
        WITH_QEMU_LOCK_GUARD(&chr->chr_write_lock)
        {
            chardev_queue_reset(chr);
        }
        object_unparent(OBJECT(chr));
    }
    object_unref(chr);
}

Chardev *qemu_chr_fe_get_driver(CharBackend *be)
{
    return be->chr;
}

bool qemu_chr_fe_backend_connected(CharBackend *be)
{
    return be->chr != NULL;
}

bool qemu_chr_fe_backend_open(CharBackend *be)
{
    return be->chr && qatomic_read(&be->chr->be_open);
}

/*
 * OPENED for a front end that came after the peer. When @context belongs to
 * another thread, the event must run there, and before the input that the
 * caller attaches next.
 */
static void sync_opened(CharBackend *b, GMainContext *context)
{
    Chardev *chr = b->chr;

    if (!qatomic_read(&chr->be_open)) {
        return;
    }
    if (CHARDEV_IS_MUX(chr)) {
        /* Only the newcomer; its neighbours have had theirs. */
        if (!mux_chr_is_suspended()) {
            char_fe_event(chr, b, CHR_EVENT_OPENED);
        }
    } else if (context && !g_main_context_is_owner(context)) {
        qemu_chr_be_event_idle(chr, CHR_EVENT_OPENED);
    } else {
        qemu_chr_be_event(chr, CHR_EVENT_OPENED);
    }
}

void qemu_chr_fe_set_handlers_full(
    CharBackend *b, IOCanReadHandler *fd_can_read, IOReadHandler *fd_read,
    IOEventHandler *fd_event, BackendChangeHandler *be_change, void *opaque,
    GMainContext *context, bool set_open, bool sync_state)
{
    Chardev *chr = b->chr;
    bool fe_open = opaque || fd_can_read || fd_read || fd_event;

    if (!chr) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&chr->fe_lock)
    {
        b->chr_can_read = fd_can_read;
        b->chr_read = fd_read;
        b->chr_event = fd_event;
        b->chr_be_change = be_change;
        b->opaque = opaque;
    }
    if (CHARDEV_IS_MUX(chr)) {
        mux_chr_set_context(chr, context);
    } else {
        qemu_chr_be_update_read_handlers(chr, context);
    }
    if (set_open) {
        qemu_chr_fe_set_open(b, fe_open);
    }
    if (fe_open) {
        qemu_chr_fe_take_focus(b);
        if (sync_state) {
            sync_opened(b, context);
        }
    }
}

void qemu_chr_fe_set_handlers(CharBackend *b, IOCanReadHandler *fd_can_read,
                              IOReadHandler *fd_read, IOEventHandler *fd_event,
                              BackendChangeHandler *be_change, void *opaque,
                              GMainContext *context, bool set_open)
{
    qemu_chr_fe_set_handlers_full(b, fd_can_read, fd_read, fd_event, be_change,
                                  opaque, context, set_open, true);
}

/* -- control ---------------------------------------------------------------------- */

void qemu_chr_fe_take_focus(CharBackend *b)
{
    if (b->chr && CHARDEV_IS_MUX(b->chr)) {
        mux_chr_set_focus(b->chr, b->tag);
    }
}

void qemu_chr_fe_accept_input(CharBackend *be)
{
    Chardev *s = be->chr;

    if (!s) {
        return;
    }
    if (CHARDEV_GET_CLASS(s)->chr_accept_input) {
        CHARDEV_GET_CLASS(s)->chr_accept_input(s);
    }
    /* The watches ask can_read before they poll. */
    g_main_context_wakeup(s->gcontext);
}

void qemu_chr_fe_disconnect(CharBackend *be)
{
    Chardev *s = be->chr;

    if (s && CHARDEV_GET_CLASS(s)->chr_disconnect) {
        CHARDEV_GET_CLASS(s)->chr_disconnect(s);
    }
}

int qemu_chr_fe_wait_connected(CharBackend *be, Error **errp)
{
    if (!be->chr) {
        error_setg(errp, "there is no chardev to wait for");
        return -1;
    }
    return qemu_chr_wait_connected(be->chr, errp);
}

void qemu_chr_fe_set_echo(CharBackend *be, bool echo)
{
    Chardev *s = be->chr;

    if (s && CHARDEV_GET_CLASS(s)->chr_set_echo) {
        CHARDEV_GET_CLASS(s)->chr_set_echo(s, echo);
    }
}

void qemu_chr_fe_set_open(CharBackend *be, int fe_open)
{
    Chardev *s = be->chr;

    if (!s || qatomic_read(&be->fe_open) == fe_open) {
        return;
    }
    qatomic_set(&be->fe_open, fe_open);
    if (CHARDEV_GET_CLASS(s)->chr_set_fe_open) {
        CHARDEV_GET_CLASS(s)->chr_set_fe_open(s, fe_open);
    }
}

/* -- output ------------------------------------------------------------------------ */

int qemu_chr_fe_write(CharBackend *be, const uint8_t *buf, int len)
{
    return be->chr ? qemu_chr_write(be->chr, buf, len, false) : len;
}

int qemu_chr_fe_write_all(CharBackend *be, const uint8_t *buf, int len)
{
    return be->chr ? qemu_chr_write(be->chr, buf, len, true) : len;
}

void qemu_chr_fe_printf(CharBackend *be, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    qemu_chr_fe_write_all(be, (uint8_t *)text, strlen(text));
}

guint qemu_chr_fe_add_watch(CharBackend *be, GIOCondition cond,
                            FEWatchFunc func, void *user_data)
{
    Chardev *s = be->chr;
    g_autoptr(GSource) source = NULL;

    if (!s || !CHARDEV_GET_CLASS(s)->chr_add_watch) {
        return 0;
    }
    QEMU_LOCK_GUARD(&s->chr_write_lock);
    source = CHARDEV_GET_CLASS(s)->chr_add_watch(s, cond);
    if (!source) {
        return 0;
    }
    g_source_set_callback(source, G_SOURCE_FUNC(func), user_data, NULL);
    return g_source_attach(source, s->gcontext);
}

void qemu_chr_fe_remove_watch(CharBackend *be, guint tag)
{
    GSource *source;

    if (!be->chr || tag == 0) {
        return;
    }
    source = g_main_context_find_source_by_id(be->chr->gcontext, tag);
    if (source) {
        g_source_destroy(source);
    }
}

/* -- the rest ------------------------------------------------------------------------ */

int qemu_chr_fe_read_all(CharBackend *be, uint8_t *buf, int len)
{
    Chardev *s = be->chr;
    int done = 0;

    if (!s || !CHARDEV_GET_CLASS(s)->chr_sync_read) {
        errno = ENOTSUP;
        return s ? -1 : 0;
    }
    while (done < len) {
        int n = CHARDEV_GET_CLASS(s)->chr_sync_read(s, buf + done, len - done);

        if (n == 0) {
            break;
        }
        if (n < 0) {
            return n;
        }
        done += n;
    }
    return done;
}

int qemu_chr_fe_ioctl(CharBackend *be, int cmd, void *arg)
{
    Chardev *s = be->chr;

    return s && CHARDEV_GET_CLASS(s)->chr_ioctl
               ? CHARDEV_GET_CLASS(s)->chr_ioctl(s, cmd, arg)
               : -ENOTSUP;
}

int qemu_chr_fe_get_msgfds(CharBackend *be, int *fds, int num)
{
    Chardev *s = be->chr;

    return s && CHARDEV_GET_CLASS(s)->get_msgfds
               ? CHARDEV_GET_CLASS(s)->get_msgfds(s, fds, num)
               : -1;
}

int qemu_chr_fe_get_msgfd(CharBackend *be)
{
    int fd;

    return qemu_chr_fe_get_msgfds(be, &fd, 1) == 1 ? fd : -1;
}

int qemu_chr_fe_set_msgfds(CharBackend *be, int *fds, int num)
{
    Chardev *s = be->chr;

    return s && CHARDEV_GET_CLASS(s)->set_msgfds
               ? CHARDEV_GET_CLASS(s)->set_msgfds(s, fds, num)
               : -1;
}
