/*
 * One back end shared by several front ends: a serial port and a monitor on
 * one terminal.
 *
 * All front ends write; one, the focus, gets the input. The escape key
 * (Ctrl-a) is looked for in the input, so the mux always reads, also while
 * the focused front end does not: what that front end cannot take is kept in
 * a buffer, and reading stops only when it is full.
 *
 * Input runs in the context. A front end that becomes ready (accept_input)
 * may be in any thread with its own locks held, so the buffer is handed over
 * by an idle call in the context.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qom/property.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/lockable.h"

#include "char-internal.h"

#define MUX_ESCAPE_DEFAULT 0x01 /* Ctrl-a */
/* Limit: input kept for a front end that does not read. */
#define MUX_INPUT_MAX 1024
/* Limit: front ends; the keys 1..9 reach the first nine. */
#define MUX_FRONT_ENDS_MAX 64

typedef struct MuxSlot {
    CharBackend *be; /* NULL: free */
    Buffer input;    /* the context's own */
} MuxSlot;

typedef struct MuxChardev {
    Chardev parent;
    char *base_id; /* option */
    CharBackend base;

    /* Guarded by fe_lock. */
    MuxSlot slots[MUX_FRONT_ENDS_MAX];
    int focus; /* -1: nobody */

    /* The context's own. */
    bool escaped;

    /* Guarded by chr_write_lock. */
    bool timestamps;
    bool line_start;
    int64_t timestamps_start; /* us */
} MuxChardev;

DECLARE_INSTANCE_CHECKER(MuxChardev, MUX_CHARDEV, TYPE_CHARDEV_MUX)

/* Between suspend_mux_open() and resume_mux_open(), at start-up only: front
 * ends are being attached one by one, and all shall see OPENED together. */
static int opens_suspended;

bool mux_chr_is_suspended(void)
{
    return qatomic_read(&opens_suspended);
}

/* -- front ends ------------------------------------------------------------------ */

static CharBackend *slot_get(MuxChardev *m, int tag)
{
    QEMU_LOCK_GUARD(&m->parent.fe_lock);
    return tag >= 0 && tag < MUX_FRONT_ENDS_MAX ? m->slots[tag].be : NULL;
}

static int get_focus(MuxChardev *m)
{
    QEMU_LOCK_GUARD(&m->parent.fe_lock);
    return m->focus;
}

bool mux_chr_attach(Chardev *mux, CharBackend *be, Error **errp)
{
    MuxChardev *m = MUX_CHARDEV(mux);

    QEMU_LOCK_GUARD(&mux->fe_lock);
    for (int i = 0; i < MUX_FRONT_ENDS_MAX; i++) {
        if (!m->slots[i].be) {
            m->slots[i].be = be;
            be->tag = i;
            return true;
        }
    }
    error_setg(errp, "mux chardev '%s' has %d front ends already", mux->label,
               MUX_FRONT_ENDS_MAX);
    return false;
}

void mux_chr_detach(Chardev *mux, CharBackend *be)
{
    MuxChardev *m = MUX_CHARDEV(mux);

    QEMU_LOCK_GUARD(&mux->fe_lock);
    m->slots[be->tag].be = NULL;
    buffer_free(&m->slots[be->tag].input);
    for (int i = 0; m->focus == be->tag && i < MUX_FRONT_ENDS_MAX; i++) {
        if (m->slots[i].be) {
            m->focus = i;
        }
    }
    if (m->focus == be->tag) {
        m->focus = -1;
    }
}

unsigned mux_chr_front_ends(Chardev *mux)
{
    MuxChardev *m = MUX_CHARDEV(mux);
    unsigned n = 0;

    QEMU_LOCK_GUARD(&mux->fe_lock);
    for (int i = 0; i < MUX_FRONT_ENDS_MAX; i++) {
        n += m->slots[i].be != NULL;
    }
    return n;
}

bool mux_chr_is_busy(Chardev *mux)
{
    return mux_chr_front_ends(mux) > 0;
}

void mux_chr_set_focus(Chardev *mux, int tag)
{
    MuxChardev *m = MUX_CHARDEV(mux);
    int old;

    WITH_QEMU_LOCK_GUARD(&mux->fe_lock)
    {
        old = m->focus;
        m->focus = tag;
    }
    if (old >= 0) {
        char_fe_event(mux, slot_get(m, old), CHR_EVENT_MUX_OUT);
    }
    char_fe_event(mux, slot_get(m, tag), CHR_EVENT_MUX_IN);
}

void mux_chr_set_context(Chardev *mux, GMainContext *context)
{
    MuxChardev *m = MUX_CHARDEV(mux);

    qemu_chr_be_update_read_handlers(mux, context);
    if (m->base.chr) {
        qemu_chr_be_update_read_handlers(m->base.chr, context);
    }
}

static void focus_next(MuxChardev *m)
{
    int focus = get_focus(m);

    for (int i = 1; i <= MUX_FRONT_ENDS_MAX; i++) {
        int tag = (focus + i) % MUX_FRONT_ENDS_MAX;

        if (slot_get(m, tag)) {
            mux_chr_set_focus(&m->parent, tag);
            return;
        }
    }
}

static void focus_number(MuxChardev *m, int number)
{
    if (slot_get(m, number - 1)) {
        mux_chr_set_focus(&m->parent, number - 1);
    }
}

/* -- events ----------------------------------------------------------------------- */

static void mux_be_event(Chardev *chr, QEMUChrEvent event)
{
    MuxChardev *m = MUX_CHARDEV(chr);

    if (event == CHR_EVENT_OPENED && mux_chr_is_suspended()) {
        return;
    }
    if (event == CHR_EVENT_BREAK) {
        char_fe_event(chr, slot_get(m, get_focus(m)), event);
        return;
    }
    for (int i = 0; i < MUX_FRONT_ENDS_MAX; i++) {
        char_fe_event(chr, slot_get(m, i), event);
    }
}

static void mux_base_event(void *opaque, QEMUChrEvent event)
{
    qemu_chr_be_event(opaque, event);
}

void suspend_mux_open(void)
{
    qatomic_set(&opens_suspended, true);
}

static int mux_resume(Chardev *chr, void *opaque)
{
    if (CHARDEV_IS_MUX(chr) && qatomic_read(&chr->be_open)) {
        qemu_chr_be_event(chr, CHR_EVENT_OPENED);
    }
    return 0;
}

void resume_mux_open(void)
{
    qatomic_set(&opens_suspended, false);
    qemu_chr_foreach(mux_resume, NULL);
}

/* -- output: chr_write_lock is held ---------------------------------------------------- */

/* "[00:00:12.345] " */
static int put_timestamp(MuxChardev *m)
{
    int64_t ms = (g_get_monotonic_time() - m->timestamps_start) / 1000;
    g_autofree char *text =
        g_strdup_printf("[%02d:%02d:%02d.%03d] ", (int)(ms / 3600000),
                        (int)(ms / 60000 % 60), (int)(ms / 1000 % 60),
                        (int)(ms % 1000));

    return qemu_chr_fe_write_all(&m->base, (uint8_t *)text, strlen(text));
}

static int write_stamped(MuxChardev *m, const uint8_t *buf, int len)
{
    int done = 0;

    while (done < len) {
        const uint8_t *nl = memchr(buf + done, '\n', len - done);
        int part = nl ? nl - (buf + done) + 1 : len - done;
        int n;

        if (m->line_start && put_timestamp(m) <= 0) {
            break;
        }
        m->line_start = false;
        n = qemu_chr_fe_write_all(&m->base, buf + done, part);
        if (n <= 0) {
            break;
        }
        done += n;
        m->line_start = nl && n == part;
    }
    if (done == 0) {
        errno = EAGAIN;
        return -1;
    }
    return done;
}

static int mux_write(Chardev *chr, const uint8_t *buf, int len)
{
    MuxChardev *m = MUX_CHARDEV(chr);

    return m->timestamps ? write_stamped(m, buf, len)
                         : qemu_chr_fe_write(&m->base, buf, len);
}

static GSource *mux_add_watch(Chardev *chr, GIOCondition cond)
{
    Chardev *base = MUX_CHARDEV(chr)->base.chr;

    if (!base || !CHARDEV_GET_CLASS(base)->chr_add_watch) {
        return NULL;
    }
    QEMU_LOCK_GUARD(&base->chr_write_lock);
    return CHARDEV_GET_CLASS(base)->chr_add_watch(base, cond);
}

/* -- keys ------------------------------------------------------------------------------- */

static void say(MuxChardev *m, const char *text)
{
    qemu_chr_fe_write_all(&m->base, (const uint8_t *)text, strlen(text));
}

static void toggle_timestamps(MuxChardev *m)
{
    QEMU_LOCK_GUARD(&m->parent.chr_write_lock);
    m->timestamps = !m->timestamps;
    m->timestamps_start = g_get_monotonic_time();
    m->line_start = false;
}

static void print_help(MuxChardev *m)
{
    say(m, "\r\n"
           "Ctrl-a h    this help\r\n"
           "Ctrl-a x    exit\r\n"
           "Ctrl-a s    write snapshots back to their disks\r\n"
           "Ctrl-a t    time stamps on or off\r\n"
           "Ctrl-a b    send a break\r\n"
           "Ctrl-a c    next front end (console, monitor)\r\n"
           "Ctrl-a 1..9 front end by number\r\n"
           "Ctrl-a Ctrl-a  send Ctrl-a\r\n");
}

/* The key after the escape. Returns: whether it is input after all. */
static bool escape_key(MuxChardev *m, uint8_t key)
{
    switch (key) {
    case MUX_ESCAPE_DEFAULT:
        return true;
    case '?':
    case 'h':
        print_help(m);
        break;
    case 'x':
        say(m, "Terminated\r\n");
        chardev_host_quit();
        break;
    case 's':
        say(m, chardev_host_commit() ? "Written back\r\n"
                                     : "There is nothing to write back\r\n");
        break;
    case 'b':
        qemu_chr_be_event(&m->parent, CHR_EVENT_BREAK);
        break;
    case 'c':
        focus_next(m);
        break;
    case 't':
        toggle_timestamps(m);
        break;
    default:
        if (key >= '1' && key <= '9') {
            focus_number(m, key - '0');
        }
        break;
    }
    return false;
}

/* -- input ------------------------------------------------------------------------------- */

/* Hands the focused front end what it takes of its buffer. */
static void mux_deliver(MuxChardev *m, int tag)
{
    Chardev *chr = &m->parent;

    for (;;) {
        uint8_t buf[MUX_INPUT_MAX];
        CharBackend *be = slot_get(m, tag);
        int n = char_fe_can_read(chr, be);

        WITH_QEMU_LOCK_GUARD(&chr->fe_lock)
        {
            Buffer *in = &m->slots[tag].input;

            n = MIN(n, (int)in->offset);
            if (n > 0) {
                memcpy(buf, in->buffer, n);
                buffer_advance(in, n);
            }
        }
        if (n <= 0) {
            return;
        }
        char_fe_read(chr, be, buf, n);
    }
}

static void mux_deliver_idle(Chardev *chr)
{
    MuxChardev *m = MUX_CHARDEV(chr);
    int focus = get_focus(m);

    if (focus >= 0) {
        mux_deliver(m, focus);
    }
}

static void mux_accept_input(Chardev *chr)
{
    char_idle_add(chr, mux_deliver_idle);
}

static int mux_base_can_read(void *opaque)
{
    MuxChardev *m = opaque;

    QEMU_LOCK_GUARD(&m->parent.fe_lock);
    /* Without a front end the escape key still has to work. */
    return m->focus < 0 ? MUX_INPUT_MAX
                        : MUX_INPUT_MAX - (int)m->slots[m->focus].input.offset;
}

static void mux_keep(MuxChardev *m, int tag, uint8_t byte)
{
    QEMU_LOCK_GUARD(&m->parent.fe_lock);
    if (m->slots[tag].be && m->slots[tag].input.offset < MUX_INPUT_MAX) {
        buffer_reserve(&m->slots[tag].input, 1);
        buffer_append(&m->slots[tag].input, &byte, 1);
    }
}

static void mux_base_read(void *opaque, const uint8_t *buf, int size)
{
    MuxChardev *m = opaque;
    Object *keep = object_ref(m);
    int focus = get_focus(m);

    for (int i = 0; i < size; i++) {
        bool input = true;

        if (m->escaped) {
            m->escaped = false;
            if (focus >= 0) {
                mux_deliver(m, focus); /* what was typed before the key */
            }
            input = escape_key(m, buf[i]);
            focus = get_focus(m);
        } else if (buf[i] == MUX_ESCAPE_DEFAULT) {
            m->escaped = true;
            input = false;
        }
        if (input && focus >= 0) {
            mux_keep(m, focus, buf[i]);
        }
    }
    if (focus >= 0) {
        mux_deliver(m, focus);
    }
    object_unref(keep);
}

/* -- class ---------------------------------------------------------------------------------- */

static void mux_set_echo(Chardev *chr, bool echo)
{
    qemu_chr_fe_set_echo(&MUX_CHARDEV(chr)->base, echo);
}

static void mux_disconnect(Chardev *chr)
{
    qemu_chr_fe_disconnect(&MUX_CHARDEV(chr)->base);
}

static int mux_wait_connected(Chardev *chr, Error **errp)
{
    return qemu_chr_fe_wait_connected(&MUX_CHARDEV(chr)->base, errp);
}

static bool mux_open(Chardev *chr, bool *be_opened, Error **errp)
{
    MuxChardev *m = MUX_CHARDEV(chr);
    Chardev *base = qemu_chr_find(m->base_id);

    if (!base) {
        error_setg(errp, "there is no chardev '%s'", m->base_id);
        return false;
    }
    if (CHARDEV_IS_MUX(base)) {
        error_setg(errp, "chardev '%s' is a mux itself", m->base_id);
        return false;
    }
    if (!qemu_chr_fe_init(&m->base, base, errp)) {
        return false;
    }
    *be_opened = qemu_chr_fe_backend_open(&m->base);
    qemu_chr_fe_set_handlers_full(&m->base, mux_base_can_read, mux_base_read,
                                  mux_base_event, NULL, m, chr->gcontext, true,
                                  false);
    return true;
}

static void mux_init(Object *obj)
{
    MUX_CHARDEV(obj)->focus = -1;
}

static void mux_finalize(Object *obj)
{
    MuxChardev *m = MUX_CHARDEV(obj);

    qemu_chr_fe_deinit(&m->base, false);
    for (int i = 0; i < MUX_FRONT_ENDS_MAX; i++) {
        buffer_free(&m->slots[i].input);
    }
}

static const Property mux_props[] = {
    { "chardev", PROP_STR, offsetof(MuxChardev, base_id),
      .flags = PROP_F_REQUIRED, .help = "id of the chardev to share",
      .since = "1.5" },
    {},
};

static void mux_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "one chardev shared by several front ends";
    cc->open = mux_open;
    cc->chr_write = mux_write;
    cc->chr_add_watch = mux_add_watch;
    cc->chr_accept_input = mux_accept_input;
    cc->chr_set_echo = mux_set_echo;
    cc->chr_disconnect = mux_disconnect;
    cc->chr_wait_connected = mux_wait_connected;
    cc->chr_be_event = mux_be_event;
}

const TypeInfo chardev_type_mux = {
    .name = TYPE_CHARDEV_MUX,
    .parent = TYPE_CHARDEV,
    .instance_size = sizeof(MuxChardev),
    .instance_init = mux_init,
    .instance_finalize = mux_finalize,
    .class_init = mux_class_init,
    .props = mux_props,
};
