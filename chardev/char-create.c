/*
 * Making, changing and removing character devices.
 *
 * One path for all: a kind, and a JSON object whose members are properties of
 * its class. QMP hands them over with JSON's types, the command line as text
 * (char-cli.c); the property table checks both.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char.h"
#include "chardev/types.h"
#include "qapi/introspect.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/id.h"

#include "char-internal.h"

#define TYPE_PREFIX "chardev-"

/* Old names of kinds, still understood. */
static const struct {
    const char *alias;
    const char *kind;
} kind_aliases[] = {
    { "memory", "ringbuf" },
    { "tty", "serial" },
    { "parport", "parallel" },
};

const char *chardev_kind(ObjectClass *klass)
{
    const char *name = object_class_get_name(klass);

    return g_str_has_prefix(name, TYPE_PREFIX) ? name + strlen(TYPE_PREFIX)
                                               : name;
}

static bool class_is_public(ObjectClass *klass)
{
    return klass && object_class_dynamic_cast(klass, TYPE_CHARDEV) &&
           !object_class_is_abstract(klass) && !CHARDEV_CLASS(klass)->internal;
}

ChardevClass *chardev_class_by_kind(const char *kind, Error **errp)
{
    g_autofree char *type_name = NULL;
    ObjectClass *klass;

    chardev_register_types();
    for (gsize i = 0; i < G_N_ELEMENTS(kind_aliases); i++) {
        if (g_str_equal(kind, kind_aliases[i].alias)) {
            kind = kind_aliases[i].kind;
        }
    }
    type_name = g_strconcat(TYPE_PREFIX, kind, NULL);
    klass = module_object_class_by_name(type_name);
    if (!class_is_public(klass)) {
        error_setg(errp, "'%s' is not a kind of character device", kind);
        return NULL;
    }
    return CHARDEV_CLASS(klass);
}

typedef struct KindList {
    ChardevKindFunc *func;
    void *opaque;
} KindList;

void qemu_chr_foreach_kind(ChardevKindFunc *func, void *opaque)
{
    GSList *list;

    chardev_register_types();
    list = object_class_get_list_sorted(TYPE_CHARDEV, false);
    for (GSList *l = list; l; l = l->next) {
        ObjectClass *klass = l->data;

        if (class_is_public(klass)) {
            func(chardev_kind(klass), CHARDEV_CLASS(klass), opaque);
        }
    }
    g_slist_free(list);
}

/* -- schema ------------------------------------------------------------------ */

static void fill_kind(const char *kind, ChardevClass *cc, void *opaque)
{
    QapiOpenVariant *variant = qapi_open_union_add(opaque, kind, "data");
    g_autoptr(GPtrArray) table = qom_property_table(OBJECT_CLASS(cc));

    for (guint i = 0; i < table->len; i++) {
        const Property *prop = g_ptr_array_index(table, i);
        unsigned features = 0;

        if (prop->flags & (PROP_F_HIDDEN | PROP_F_READ_ONLY)) {
            continue;
        }
        if (prop->flags & PROP_F_DEPRECATED) {
            features |= 1u << QAPI_DEPRECATED;
        }
        qapi_open_variant_member(variant, prop->name, property_qapi_type(prop),
                                 NULL, !(prop->flags & PROP_F_REQUIRED),
                                 features);
    }
}

void chardev_fill_open_union(QapiOpenUnion *u)
{
    qemu_chr_foreach_kind(fill_kind, u);
}

/* -- creation ------------------------------------------------------------------ */

static bool char_open_log(Chardev *chr, Error **errp)
{
    int flags = O_WRONLY | (chr->logappend ? O_APPEND : O_TRUNC);

    if (!chr->logfile) {
        return true;
    }
    chr->logfd = qemu_create(chr->logfile, flags, 0666, errp);
    return chr->logfd >= 0;
}

static bool char_open(Chardev *chr, Error **errp)
{
    bool be_opened = true;

    if (!object_check_required(OBJECT(chr), errp) ||
        !char_open_log(chr, errp) ||
        !CHARDEV_GET_CLASS(chr)->open(chr, &be_opened, errp)) {
        return false;
    }
    if (!chr->filename) {
        chr->filename = g_strdup(chardev_kind(object_get_class(OBJECT(chr))));
    }
    chr->opened = true;
    object_set_completed(OBJECT(chr), true);
    if (be_opened) {
        qemu_chr_be_event(chr, CHR_EVENT_OPENED);
    }
    return true;
}

/* Not yet in /chardevs, so that chardev-change can make the new one first. */
static Chardev *chardev_create(const char *id, const char *type_name,
                               json_t *data, bool keyval, bool handover,
                               GMainContext *context, Error **errp)
{
    g_autoptr(Chardev) chr = NULL;
    bool ok;

    chardev_register_types();
    chr = CHARDEV(object_new(type_name));
    chr->label = g_strdup(id);
    chr->handover_yank_instance = handover;
    if (context) {
        chr->gcontext = g_main_context_ref(context);
    }
    if (data) {
        ok = keyval ? object_set_properties_from_keyval(OBJECT(chr), data, errp)
                    : object_set_properties_from_json(OBJECT(chr), data, errp);
        if (!ok) {
            return NULL;
        }
    }
    if (!char_open(chr, errp)) {
        return NULL;
    }
    return g_steal_pointer(&chr);
}

static bool check_id(const char *id, Error **errp)
{
    if (!id_wellformed(id) || strlen(id) > CHR_ID_MAX) {
        error_setg(errp, "'%s' is not a valid id of a chardev", id);
        return false;
    }
    if (qemu_chr_find(id)) {
        error_setg(errp, "there is already a chardev '%s'", id);
        return false;
    }
    return true;
}

static Chardev *chardev_create_named(const char *id, const char *type_name,
                                     json_t *data, bool keyval,
                                     GMainContext *context, Error **errp)
{
    Chardev *chr;

    if (id && !check_id(id, errp)) {
        return NULL;
    }
    chr = chardev_create(id, type_name, data, keyval, false, context, errp);
    if (!chr || !id) {
        return chr;
    }
    if (!object_property_try_add_child(get_chardevs_root(), id, OBJECT(chr),
                                       errp)) {
        object_unref(chr);
        return NULL;
    }
    object_unref(chr);
    return chr;
}

Chardev *qemu_chardev_new(const char *id, const char *type_name, json_t *data,
                          GMainContext *context, Error **errp)
{
    return chardev_create_named(id, type_name, data, false, context, errp);
}

/* Splits {"type":, "data":, "keyval":} and checks its form. */
static bool backend_split(json_t *backend, ChardevClass **ret_class,
                          json_t **ret_data, bool *ret_keyval, Error **errp)
{
    json_t *type = json_object_get(backend, "type");
    json_t *data = json_object_get(backend, "data");

    if (!json_is_string(type) || (data && !json_is_object(data))) {
        error_setg(errp, "a chardev backend needs members 'type' and 'data'");
        return false;
    }
    *ret_class = chardev_class_by_kind(json_string_value(type), errp);
    if (!*ret_class) {
        return false;
    }
    *ret_data = data;
    *ret_keyval = json_is_true(json_object_get(backend, "keyval"));
    return true;
}

Chardev *qemu_chr_new_from_json(const char *id, json_t *backend,
                                GMainContext *context, Error **errp)
{
    ChardevClass *cc;
    json_t *data;
    bool keyval;

    if (!backend_split(backend, &cc, &data, &keyval, errp)) {
        return NULL;
    }
    return chardev_create_named(id, object_class_get_name(OBJECT_CLASS(cc)),
                                data, keyval, context, errp);
}

/* A mux with id @id over a new back end "@id-base". */
static Chardev *chr_new_with_mux(const char *id, json_t *backend,
                                 GMainContext *context, Error **errp)
{
    g_autofree char *base_id = g_strconcat(id, "-base", NULL);
    g_autoptr(json_t) data = json_pack("{s:s}", "chardev", base_id);
    Chardev *base, *mux;

    if (!check_id(id, errp)) {
        return NULL;
    }
    base = qemu_chr_new_from_json(base_id, backend, context, errp);
    if (!base) {
        return NULL;
    }
    mux = qemu_chardev_new(id, TYPE_CHARDEV_MUX, data, context, errp);
    if (!mux) {
        object_unparent(OBJECT(base));
    }
    return mux;
}

Chardev *qemu_chr_new_from_parsed(const char *id, json_t *backend,
                                  GMainContext *context, Error **errp)
{
    return json_is_true(json_object_get(backend, "mux"))
               ? chr_new_with_mux(id, backend, context, errp)
               : qemu_chr_new_from_json(id, backend, context, errp);
}

Chardev *qemu_chr_new_from_cli(const char *optarg, GMainContext *context,
                               Error **errp)
{
    g_autoptr(json_t) backend = NULL;
    g_autofree char *id = NULL;
    bool help = false;

    backend = qemu_chr_parse_cli(optarg, &id, &help, errp);
    if (!backend) {
        return NULL;
    }
    return qemu_chr_new_from_parsed(id, backend, context, errp);
}

/* -- change and removal ----------------------------------------------------------- */

static bool change_is_allowed(Chardev *chr, ChardevClass *to, Error **errp)
{
    const char *new_type = object_class_get_name(OBJECT_CLASS(to));

    if (CHARDEV_IS_MUX(chr) || g_str_equal(new_type, TYPE_CHARDEV_MUX)) {
        error_setg(errp, "a mux chardev cannot be changed");
        return false;
    }
    if (CHARDEV_IS_HUB(chr) || g_str_equal(new_type, TYPE_CHARDEV_HUB)) {
        error_setg(errp, "a hub chardev cannot be changed");
        return false;
    }
    if (chr->be && !chr->be->chr_be_change) {
        error_setg(errp,
                   "the front end of chardev '%s' does not support changing it",
                   chr->label);
        return false;
    }
    return true;
}

/* Moves the front end over. Returns: false when it could not follow; it is
 * back on @old then. */
static bool change_front_end(Chardev *old, Chardev *new_chr, Error **errp)
{
    CharBackend *be = old->be;
    int fe_open;

    if (!be) {
        return true;
    }
    fe_open = be->fe_open;
    qatomic_set(&old->be, NULL);
    qatomic_set(&new_chr->be, be);
    be->chr = CHARDEV(object_ref(new_chr));
    be->fe_open = 0;
    if (be->chr_be_change(be->opaque) < 0) {
        error_setg(errp, "the front end could not use the new chardev '%s'",
                   old->label);
        qatomic_set(&new_chr->be, NULL);
        qatomic_set(&old->be, be);
        be->chr = old;
        be->fe_open = fe_open;
        object_unref(new_chr);
        return false;
    }
    if (fe_open && !be->fe_open) {
        qemu_chr_fe_set_open(be, fe_open);
    }
    object_unref(old);
    return true;
}

/* Peer's view for the front end: the old one is gone. */
static void change_signal(Chardev *old, Chardev *new_chr)
{
    bool closed =
        qatomic_read(&old->be_open) && !qatomic_read(&new_chr->be_open);

    if (closed && new_chr->be) {
        char_fe_event(new_chr, new_chr->be, CHR_EVENT_CLOSED);
    }
}

Chardev *qemu_chr_change_json(const char *id, json_t *backend, Error **errp)
{
    Chardev *chr = qemu_chr_find(id);
    g_autoptr(Chardev) new_chr = NULL;
    ChardevClass *cc;
    json_t *data;
    bool keyval, handover;

    if (!chr) {
        error_setg(errp, "there is no chardev '%s'", id);
        return NULL;
    }
    if (!backend_split(backend, &cc, &data, &keyval, errp) ||
        !change_is_allowed(chr, cc, errp)) {
        return NULL;
    }
    /* The name in the yank registry passes from one to the other. */
    handover = CHARDEV_GET_CLASS(chr)->supports_yank && cc->supports_yank;
    new_chr = chardev_create(id, object_class_get_name(OBJECT_CLASS(cc)), data,
                             keyval, handover, chr->gcontext, errp);
    if (!new_chr || !change_front_end(chr, new_chr, errp)) {
        return NULL;
    }
    change_signal(chr, new_chr);
    chr->handover_yank_instance = handover;
    new_chr->handover_yank_instance = false;
    object_unparent(OBJECT(chr));
    object_property_add_child(get_chardevs_root(), id, OBJECT(new_chr));
    return new_chr; /* the registry's reference outlives ours */
}

Chardev *qemu_chr_change_cli(const char *id, const char *optarg, Error **errp)
{
    g_autoptr(json_t) backend = NULL;
    g_autofree char *new_id = NULL;
    g_autofree char *text = NULL;
    bool help = false;

    /* The id is given beside the options: add it for the parser. */
    text = *optarg == '{' ? g_strdup(optarg)
                          : g_strconcat(optarg, ",id=", id, NULL);
    backend = qemu_chr_parse_cli(text, &new_id, &help, errp);
    if (!backend) {
        if (help) {
            error_setg(errp, "no help here: see 'chardev-add KIND,help'");
        }
        return NULL;
    }
    return qemu_chr_change_json(id, backend, errp);
}

bool qemu_chr_remove(const char *id, Error **errp)
{
    Chardev *chr = qemu_chr_find(id);

    if (!chr) {
        error_setg(errp, "there is no chardev '%s'", id);
        return false;
    }
    if (qemu_chr_is_busy(chr)) {
        error_setg(errp, "chardev '%s' is in use", id);
        return false;
    }
    object_unparent(OBJECT(chr));
    return true;
}
