/*
 * The base class of character devices: output, events and the registry
 * /chardevs.
 *
 * Output. qemu_chr_write() is the one way out, from any thread, under
 * chr_write_lock. A back end's chr_write() takes what the peer takes now;
 * with write_all the rest goes into a bounded queue (char-queue.c) that is
 * emptied by a watch. While the queue holds bytes, nothing overtakes them.
 *
 * Input and events run on the chardev's context. The front end's table is
 * copied under fe_lock and called without it, because front ends take the
 * machine lock inside.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char.h"

#include "chardev/types.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/lockable.h"

#include "char-internal.h"

Object *get_chardevs_root(void)
{
    return container_get(object_get_root(), "/chardevs");
}

/* -- output ---------------------------------------------------------------- */

/* A log that cannot be written must not stop the guest: errors are ignored. */
static void chr_log(Chardev *s, const uint8_t *buf, size_t len)
{
    while (s->logfd >= 0 && len > 0) {
        ssize_t n = write(s->logfd, buf, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        buf += n;
        len -= n;
    }
}

/* As much as the peer takes now; -1 with errno when that is nothing. */
static int write_now(Chardev *s, const uint8_t *buf, int len, bool all)
{
    ChardevClass *cc = CHARDEV_GET_CLASS(s);
    int done = 0;

    while (done < len) {
        int n = cc->chr_write(s, buf + done, len - done);

        if (n <= 0) {
            return done > 0 ? done : n;
        }
        done += n;
        if (!all) {
            break;
        }
    }
    return done;
}

static int write_locked(Chardev *s, const uint8_t *buf, int len, bool all)
{
    int done = 0;

    if (chardev_queue_flush(s)) {
        done = write_now(s, buf, len, all);
    } else {
        done = -1;
        errno = EAGAIN;
    }
    if (done == len || !all || (done < 0 && errno != EAGAIN)) {
        return done;
    }
    done = MAX(done, 0);
    done += chardev_queue_append(s, buf + done, len - done);
    if (done == 0) {
        errno = EAGAIN;
        return -1;
    }
    return done;
}

int qemu_chr_write(Chardev *s, const uint8_t *buf, int len, bool write_all)
{
    int ret;

    if (len <= 0) {
        return 0;
    }
    QEMU_LOCK_GUARD(&s->chr_write_lock);
    ret = write_locked(s, buf, len, write_all);
    if (ret > 0) {
        chr_log(s, buf, ret);
    }
    return ret;
}

/* -- back end to front end ---------------------------------------------------- */

int qemu_chr_be_can_write(Chardev *s)
{
    return char_fe_can_read(s, qatomic_read(&s->be));
}

int char_read_room(Chardev *s)
{
    int room = qemu_chr_be_can_write(s);

    return MIN(room, CHR_READ_BUF_LEN);
}

void qemu_chr_be_write_impl(Chardev *s, const uint8_t *buf, int len)
{
    char_fe_read(s, qatomic_read(&s->be), buf, len);
}

void qemu_chr_be_write(Chardev *s, const uint8_t *buf, int len)
{
    qemu_chr_be_write_impl(s, buf, len);
}

static void chr_be_event_default(Chardev *s, QEMUChrEvent event)
{
    char_fe_event(s, qatomic_read(&s->be), event);
}

void qemu_chr_be_event(Chardev *s, QEMUChrEvent event)
{
    if (event == CHR_EVENT_OPENED) {
        qatomic_set(&s->be_open, 1);
    } else if (event == CHR_EVENT_CLOSED) {
        qatomic_set(&s->be_open, 0);
    }
    CHARDEV_GET_CLASS(s)->chr_be_event(s, event);
}

void qemu_chr_be_update_read_handlers(Chardev *s, GMainContext *context)
{
    ChardevClass *cc = CHARDEV_GET_CLASS(s);

    assert(qemu_chr_has_feature(s, QEMU_CHAR_FEATURE_GCONTEXT) || !context);
    WITH_QEMU_LOCK_GUARD(&s->chr_write_lock)
    {
        if (s->gcontext != context) {
            GMainContext *old = s->gcontext;

            s->gcontext = context ? g_main_context_ref(context) : NULL;
            if (old) {
                g_main_context_unref(old);
            }
            chardev_queue_move(s);
        }
    }
    if (cc->chr_update_read_handler) {
        cc->chr_update_read_handler(s);
    }
}

typedef struct IdleCall {
    Chardev *chr;
    void (*func)(Chardev *chr);
    QEMUChrEvent event;
    int posted; /* hands the rest to the other thread, as its tools can see */
} IdleCall;

static gboolean idle_call_run(gpointer opaque)
{
    IdleCall *call = opaque;

    if (!qatomic_load_acquire(&call->posted)) {
        g_assert_not_reached();
    }
    if (call->func) {
        call->func(call->chr);
    } else {
        qemu_chr_be_event(call->chr, call->event);
    }
    return G_SOURCE_REMOVE;
}

static void idle_call_free(gpointer opaque)
{
    IdleCall *call = opaque;

    (void)qatomic_load_acquire(&call->posted);
    object_unref(call->chr);
    g_free(call);
}

static void idle_call_add(Chardev *chr, void (*func)(Chardev *),
                          QEMUChrEvent event)
{
    g_autoptr(GSource) source = g_idle_source_new();
    IdleCall *call = g_new0(IdleCall, 1);

    call->chr = CHARDEV(object_ref(chr));
    call->func = func;
    call->event = event;
    /* Before any input that is attached after it. */
    g_source_set_priority(source, G_PRIORITY_HIGH);
    g_source_set_callback(source, idle_call_run, call, idle_call_free);
    qatomic_store_release(&call->posted, true);
    g_source_attach(source, chr->gcontext);
}

void char_idle_add(Chardev *chr, void (*func)(Chardev *chr))
{
    idle_call_add(chr, func, CHR_EVENT_BREAK);
}

void qemu_chr_be_event_idle(Chardev *s, QEMUChrEvent event)
{
    idle_call_add(s, NULL, event);
}

/* -- calls that only dispatch ---------------------------------------------------- */

int qemu_chr_add_client(Chardev *s, int fd)
{
    ChardevClass *cc = CHARDEV_GET_CLASS(s);

    return cc->chr_add_client ? cc->chr_add_client(s, fd) : -1;
}

int qemu_chr_wait_connected(Chardev *chr, Error **errp)
{
    ChardevClass *cc = CHARDEV_GET_CLASS(chr);

    return cc->chr_wait_connected ? cc->chr_wait_connected(chr, errp) : 0;
}

bool qemu_chr_has_feature(Chardev *chr, ChardevFeature feature)
{
    return test_bit(feature, chr->features);
}

void qemu_chr_set_feature(Chardev *chr, ChardevFeature feature)
{
    set_bit(feature, chr->features);
}

GSource *qemu_chr_timeout_add_ms(Chardev *chr, guint ms, GSourceFunc func,
                                 void *private_data)
{
    GSource *source = g_timeout_source_new(ms);

    g_source_set_callback(source, func, private_data, NULL);
    g_source_attach(source, chr->gcontext);
    return source;
}

char *qemu_chr_get_filename(Chardev *chr)
{
    QEMU_LOCK_GUARD(&chr->chr_write_lock);
    return g_strdup(chr->filename);
}

void char_source_clear(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_source_unref(*source);
        *source = NULL;
    }
}

/* -- registry --------------------------------------------------------------------- */

Chardev *qemu_chr_find(const char *name)
{
    Object *obj = object_resolve_path_component(get_chardevs_root(), name);

    return obj ? CHARDEV(obj) : NULL;
}

typedef struct Foreach {
    int (*func)(Chardev *chr, void *opaque);
    void *opaque;
} Foreach;

static int foreach_child(Object *child, void *opaque)
{
    Foreach *f = opaque;

    return f->func(CHARDEV(child), f->opaque);
}

int qemu_chr_foreach(int (*func)(Chardev *chr, void *opaque), void *opaque)
{
    Foreach f = { func, opaque };

    return object_child_foreach(get_chardevs_root(), foreach_child, &f);
}

bool qemu_chr_is_busy(Chardev *chr)
{
    return CHARDEV_IS_MUX(chr) ? mux_chr_is_busy(chr)
                               : qatomic_read(&chr->be) != NULL;
}

void qemu_chr_cleanup(void)
{
    object_unparent(get_chardevs_root());
}

typedef struct WaitAll {
    ChardevInterrupted *interrupted;
    void *opaque;
    Error **errp;
} WaitAll;

static int wait_one(Chardev *chr, void *opaque)
{
    WaitAll *w = opaque;

    if (!chr->wait_at_start) {
        return 0;
    }
    chr->wait_interrupted = w->interrupted;
    chr->wait_opaque = w->opaque;
    if (qemu_chr_wait_connected(chr, w->errp) < 0) {
        return -1;
    }
    chr->wait_at_start = false;
    return 0;
}

bool qemu_chr_wait_connected_all(ChardevInterrupted *interrupted, void *opaque,
                                 Error **errp)
{
    WaitAll w = { interrupted, opaque, errp };

    return qemu_chr_foreach(wait_one, &w) == 0;
}

/* -- class ------------------------------------------------------------------------ */

static const Property char_props[] = {
    { "logfile", PROP_STR, offsetof(Chardev, logfile),
      .help = "file that gets a copy of all output", .since = "2.6" },
    { "logappend", PROP_BOOL, offsetof(Chardev, logappend), .def = "off",
      .help = "add to the log file instead of emptying it", .since = "2.6" },
    {},
};

static void char_init(Object *obj)
{
    Chardev *chr = CHARDEV(obj);

    chr->logfd = -1;
    qemu_mutex_init(&chr->fe_lock);
    qemu_mutex_init(&chr->chr_write_lock);
    chardev_queue_init(chr);
    /* All classes of this folder move; a class that cannot says so. */
    qemu_chr_set_feature(chr, QEMU_CHAR_FEATURE_GCONTEXT);
}

static void char_finalize(Object *obj)
{
    Chardev *chr = CHARDEV(obj);

    chardev_queue_deinit(chr);
    g_free(chr->filename);
    g_free(chr->label);
    if (chr->logfd >= 0) {
        qemu_close(chr->logfd);
    }
    if (chr->gcontext) {
        g_main_context_unref(chr->gcontext);
    }
    qemu_mutex_destroy(&chr->chr_write_lock);
    qemu_mutex_destroy(&chr->fe_lock);
}

/* Deleted: what waits for a slow peer is given up, or it would keep the
 * chardev alive. */
static void char_unparent(Object *obj)
{
    Chardev *chr = CHARDEV(obj);

    QEMU_LOCK_GUARD(&chr->chr_write_lock);
    chardev_queue_reset(chr);
}

static void char_class_init(ObjectClass *klass, void *data)
{
    CHARDEV_CLASS(klass)->chr_be_event = chr_be_event_default;
    klass->unparent = char_unparent;
}

const TypeInfo chardev_type_char = {
    .name = TYPE_CHARDEV,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(Chardev),
    .instance_init = char_init,
    .instance_finalize = char_finalize,
    .abstract = true,
    .class_size = sizeof(ChardevClass),
    .class_init = char_class_init,
    .props = char_props,
};
