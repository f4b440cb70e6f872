/*
 * One front end with several back ends: input from any of them, output to
 * all. A back end without a peer is left out. Output goes at the pace of the
 * fastest; what a slower one cannot take at once waits in its own bounded
 * queue, so that none holds up the others.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qapi-builtin-visit.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/lockable.h"

#include "char-internal.h"

/* Limit: back ends of a hub. */
#define HUB_BACKENDS_MAX 16

typedef struct HubChardev HubChardev;

typedef struct HubMember {
    HubChardev *hub;
    CharBackend fe;
} HubMember;

struct HubChardev {
    Chardev parent;
    strList *ids; /* option */
    HubMember members[HUB_BACKENDS_MAX];
    unsigned count;
};

DECLARE_INSTANCE_CHECKER(HubChardev, HUB_CHARDEV, TYPE_CHARDEV_HUB)

static bool hub_any_open(HubChardev *h)
{
    for (unsigned i = 0; i < h->count; i++) {
        if (qemu_chr_fe_backend_open(&h->members[i].fe)) {
            return true;
        }
    }
    return false;
}

static int hub_can_read(void *opaque)
{
    HubMember *m = opaque;

    return qemu_chr_be_can_write(&m->hub->parent);
}

static void hub_read(void *opaque, const uint8_t *buf, int size)
{
    HubMember *m = opaque;

    qemu_chr_be_write(&m->hub->parent, buf, size);
}

/* The hub is open while one of its back ends is. */
static void hub_event(void *opaque, QEMUChrEvent event)
{
    HubMember *m = opaque;
    Chardev *chr = &m->hub->parent;
    bool was_open = qatomic_read(&chr->be_open);

    switch (event) {
    case CHR_EVENT_OPENED:
        if (!was_open) {
            qemu_chr_be_event(chr, CHR_EVENT_OPENED);
        }
        break;
    case CHR_EVENT_CLOSED:
        if (was_open && !hub_any_open(m->hub)) {
            qemu_chr_be_event(chr, CHR_EVENT_CLOSED);
        }
        break;
    default:
        qemu_chr_be_event(chr, event);
        break;
    }
}

static int hub_write(Chardev *chr, const uint8_t *buf, int len)
{
    HubChardev *h = HUB_CHARDEV(chr);
    int sent[HUB_BACKENDS_MAX];
    bool any = false;
    int most = 0;

    for (unsigned i = 0; i < h->count; i++) {
        CharBackend *fe = &h->members[i].fe;

        sent[i] = INT_MAX;
        if (qemu_chr_fe_backend_open(fe)) {
            any = true;
            sent[i] = qemu_chr_fe_write(fe, buf, len);
            sent[i] = MAX(sent[i], 0);
            most = MAX(most, sent[i]);
        }
    }
    if (!any) {
        return len;
    }
    if (most == 0) {
        errno = EAGAIN;
        return -1;
    }
    for (unsigned i = 0; i < h->count; i++) {
        if (sent[i] < most) {
            qemu_chr_fe_write_all(&h->members[i].fe, buf + sent[i],
                                  most - sent[i]);
        }
    }
    return most;
}

static GSource *hub_add_watch(Chardev *chr, GIOCondition cond)
{
    HubChardev *h = HUB_CHARDEV(chr);

    for (unsigned i = 0; i < h->count; i++) {
        Chardev *be = h->members[i].fe.chr;

        if (qatomic_read(&be->be_open) &&
            CHARDEV_GET_CLASS(be)->chr_add_watch) {
            QEMU_LOCK_GUARD(&be->chr_write_lock);
            return CHARDEV_GET_CLASS(be)->chr_add_watch(be, cond);
        }
    }
    return NULL;
}

static void hub_accept_input(Chardev *chr)
{
    HubChardev *h = HUB_CHARDEV(chr);

    for (unsigned i = 0; i < h->count; i++) {
        qemu_chr_fe_accept_input(&h->members[i].fe);
    }
}

static void hub_update_read_handler(Chardev *chr)
{
    HubChardev *h = HUB_CHARDEV(chr);

    for (unsigned i = 0; i < h->count; i++) {
        qemu_chr_be_update_read_handlers(h->members[i].fe.chr, chr->gcontext);
    }
}

static void hub_set_echo(Chardev *chr, bool echo)
{
    HubChardev *h = HUB_CHARDEV(chr);

    for (unsigned i = 0; i < h->count; i++) {
        qemu_chr_fe_set_echo(&h->members[i].fe, echo);
    }
}

static bool hub_add_member(HubChardev *h, const char *id, Error **errp)
{
    HubMember *m = &h->members[h->count];
    Chardev *chr;

    if (h->count == HUB_BACKENDS_MAX) {
        error_setg(errp, "a hub has at most %d chardevs", HUB_BACKENDS_MAX);
        return false;
    }
    chr = qemu_chr_find(id);
    if (!chr) {
        error_setg(errp, "there is no chardev '%s'", id);
        return false;
    }
    if (CHARDEV_IS_MUX(chr) || CHARDEV_IS_HUB(chr)) {
        error_setg(errp, "a mux or a hub cannot be part of a hub: '%s'",
                   chr->label);
        return false;
    }
    if (!qemu_chr_fe_init(&m->fe, chr, errp)) {
        return false;
    }
    m->hub = h;
    h->count++;
    qemu_chr_fe_set_handlers_full(&m->fe, hub_can_read, hub_read, hub_event,
                                  NULL, m, h->parent.gcontext, true, false);
    return true;
}

static bool hub_open(Chardev *chr, bool *be_opened, Error **errp)
{
    HubChardev *h = HUB_CHARDEV(chr);

    if (!h->ids) {
        error_setg(errp, "a hub needs at least one chardev");
        return false;
    }
    for (strList *l = h->ids; l; l = l->next) {
        if (!hub_add_member(h, l->value, errp)) {
            return false;
        }
    }
    *be_opened = hub_any_open(h);
    return true;
}

static void hub_finalize(Object *obj)
{
    HubChardev *h = HUB_CHARDEV(obj);

    for (unsigned i = 0; i < h->count; i++) {
        qemu_chr_fe_deinit(&h->members[i].fe, false);
    }
    qapi_free_strList(h->ids);
}

static void set_chardevs(Object *obj, Visitor *v, const char *name,
                         void *opaque, Error **errp)
{
    HubChardev *h = HUB_CHARDEV(obj);
    strList *ids = NULL;

    if (visit_type_strList(v, name, &ids, errp)) {
        qapi_free_strList(h->ids);
        h->ids = ids;
    }
}

static void get_chardevs(Object *obj, Visitor *v, const char *name,
                         void *opaque, Error **errp)
{
    visit_type_strList(v, name, &HUB_CHARDEV(obj)->ids, errp);
}

static const Property hub_props[] = {
    { "chardevs", PROP_CUSTOM, .qapi_type = "[str]", .get = get_chardevs,
      .set = set_chardevs, .flags = PROP_F_REQUIRED,
      .help = "ids of the back ends (chardevs.0=ID,chardevs.1=ID...)",
      .since = "10.0" },
    {},
};

static void hub_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "several chardevs under one front end";
    cc->open = hub_open;
    cc->chr_write = hub_write;
    cc->chr_add_watch = hub_add_watch;
    cc->chr_accept_input = hub_accept_input;
    cc->chr_update_read_handler = hub_update_read_handler;
    cc->chr_set_echo = hub_set_echo;
}

const TypeInfo chardev_type_hub = {
    .name = TYPE_CHARDEV_HUB,
    .parent = TYPE_CHARDEV,
    .instance_size = sizeof(HubChardev),
    .instance_finalize = hub_finalize,
    .class_init = hub_class_init,
    .props = hub_props,
};
