/*
 * Backends: the abstract class, how -netdev and netdev_add make one, and
 * where they are found (/netdevs/ID).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "net/net.h"
#include "net/types.h"
#include "qapi/json.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/id.h"
#include "util/keyval.h"

#include "net-internal.h"

static Object *container(void)
{
    return container_get(object_get_root(), "/netdevs");
}

NetdevClass *netdev_class_find(const char *kind)
{
    g_autofree char *type = g_strconcat(NETDEV_CLASS_PREFIX, kind, NULL);
    ObjectClass *oc;

    net_register_types();
    oc = module_object_class_by_name(type);
    if (!oc || object_class_is_abstract(oc)) {
        return NULL;
    }
    return (NetdevClass *)object_class_dynamic_cast(oc, TYPE_NETDEV);
}

Netdev *netdev_find(const char *id)
{
    return (Netdev *)object_resolve_path_component(container(), id);
}

static char *list_kinds(void)
{
    GString *text = g_string_new("Network backends:\n");
    GSList *list = object_class_get_list_sorted(TYPE_NETDEV, false);

    for (GSList *l = list; l; l = l->next) {
        g_string_append_printf(text, "%s\n",
                               object_class_get_name(l->data) +
                                   strlen(NETDEV_CLASS_PREFIX));
    }
    g_slist_free(list);
    return g_string_free(text, FALSE);
}

char *netdev_help(const char *kind, Error **errp)
{
    g_autofree char *lines = NULL;
    NetdevClass *nc;

    net_register_types();
    if (!kind) {
        return list_kinds();
    }
    nc = netdev_class_find(kind);
    if (!nc) {
        error_setg(errp, "there is no network backend '%s'", kind);
        return NULL;
    }
    lines = object_class_help(OBJECT_CLASS(nc));
    return g_strdup_printf("Options of network backend '%s':\n%s", kind, lines);
}

/* -- text ------------------------------------------------------------------------ */

/* Keys that may be given again and again. */
static const char *const list_keys[] = { "hostfwd", "guestfwd", "dnssearch" };

static bool is_list_key(const char *pair, size_t len)
{
    for (size_t i = 0; i < G_N_ELEMENTS(list_keys); i++) {
        size_t n = strlen(list_keys[i]);

        if (len > n && pair[n] == '=' && !memcmp(pair, list_keys[i], n)) {
            return true;
        }
    }
    return false;
}

/* Value of a pair, its doubled commas single again. */
static char *pair_value(const char *pair, size_t len)
{
    const char *p = memchr(pair, '=', len);
    GString *value = g_string_new(NULL);

    for (p++; p < pair + len; p++) {
        g_string_append_c(value, *p);
        p += p[0] == ',';
    }
    return g_string_free(value, FALSE);
}

static void add_to_list(json_t *lists, const char *pair, size_t len)
{
    g_autofree char *key = g_strndup(pair, strcspn(pair, "="));
    g_autofree char *value = pair_value(pair, len);
    json_t *list = json_object_get(lists, key);

    if (!list) {
        list = json_array();
        json_object_set_new(lists, key, list);
    }
    json_array_append_new(list, json_string(value));
}

json_t *netdev_parse(const char *text, Error **errp)
{
    g_autoptr(GString) rest = g_string_new(NULL);
    g_autoptr(json_t) lists = json_object();
    json_t *options;

    if (text[0] == '{') {
        return qobject_from_json(text, errp);
    }
    while (*text) {
        size_t len = 0;

        while (text[len] && !(text[len] == ',' && text[len + 1] != ',')) {
            len += text[len] == ',' ? 2 : 1;
        }
        if (is_list_key(text, len)) {
            add_to_list(lists, text, len);
        } else {
            g_string_append_printf(rest, "%s%.*s", rest->len ? "," : "",
                                   (int)len, text);
        }
        text += len + (text[len] == ',');
    }
    options = keyval_parse(rest->str, "type", NULL, errp);
    if (options) {
        json_object_update(options, lists);
    }
    return options;
}

/* -- life ------------------------------------------------------------------------- */

static const char *get_string(const json_t *options, const char *key)
{
    return json_string_value(json_object_get(options, key));
}

/* Lists are JSON even when everything else is text. */
static bool set_properties(Netdev *n, json_t *props, bool keyval, Error **errp)
{
    g_autoptr(json_t) lists = json_object();

    for (size_t i = 0; keyval && i < G_N_ELEMENTS(list_keys); i++) {
        json_t *list = json_object_get(props, list_keys[i]);

        if (json_is_array(list)) {
            json_object_set(lists, list_keys[i], list);
            json_object_del(props, list_keys[i]);
        }
    }
    return (keyval ? object_set_properties_from_keyval(OBJECT(n), props, errp)
                   : object_set_properties_from_json(OBJECT(n), props, errp)) &&
           object_set_properties_from_json(OBJECT(n), lists, errp);
}

static Netdev *create(NetdevClass *nc, const char *id, json_t *props,
                      bool keyval, Error **errp)
{
    g_autoptr(Netdev) n = NETDEV(object_new_with_class(OBJECT_CLASS(nc)));

    n->id = g_strdup(id);
    net_client_init(&n->nc, NULL, n, id);
    if (!set_properties(n, props, keyval, errp) ||
        !object_check_required(OBJECT(n), errp) || !nc->open(n, errp) ||
        !object_property_try_add_child(container(), id, OBJECT(n), errp)) {
        return NULL;
    }
    return n; /* the tree holds it */
}

Netdev *netdev_add(const json_t *options, bool keyval, Error **errp)
{
    const char *kind = get_string(options, "type");
    const char *id = get_string(options, "id");
    g_autoptr(json_t) props = json_copy((json_t *)options);
    NetdevClass *nc;

    if (!kind) {
        error_setg(errp, "parameter 'type' is missing");
        return NULL;
    }
    nc = netdev_class_find(kind);
    if (!nc) {
        error_setg(errp, "there is no network backend '%s'", kind);
        return NULL;
    }
    if (!id || !id_wellformed(id)) {
        error_setg(errp, "network backend '%s' needs a well-formed id", kind);
        return NULL;
    }
    if (netdev_find(id)) {
        error_setg(errp, "network backend '%s' exists already", id);
        return NULL;
    }
    json_object_del(props, "type");
    json_object_del(props, "id");
    return create(nc, id, props, keyval, errp);
}

Netdev *netdev_add_str(const char *text, Error **errp)
{
    g_autoptr(json_t) options = netdev_parse(text, errp);

    return options ? netdev_add(options, text[0] != '{', errp) : NULL;
}

bool netdev_del(const char *id, Error **errp)
{
    Netdev *n = netdev_find(id);

    if (!n) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "network backend '%s' not found", id);
        return false;
    }
    if (n->nc.peer) {
        error_setg(errp, "network backend '%s' is used by '%s'", id,
                   n->nc.peer->name);
        return false;
    }
    object_unparent(OBJECT(n));
    return true;
}

typedef struct Visit {
    void (*func)(Netdev *netdev, void *opaque);
    void *opaque;
} Visit;

static int visit_child(Object *obj, void *opaque)
{
    Visit *v = opaque;

    v->func(NETDEV(obj), v->opaque);
    return 0;
}

void netdev_foreach(void (*func)(Netdev *netdev, void *opaque), void *opaque)
{
    Visit v = { func, opaque };

    object_child_foreach(container(), visit_child, &v);
}

static void collect(Netdev *netdev, void *opaque)
{
    g_ptr_array_add(opaque, netdev);
}

void netdev_cleanup(void)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    netdev_foreach(collect, all);
    for (guint i = 0; i < all->len; i++) {
        Netdev *n = g_ptr_array_index(all, i);

        net_disconnect(&n->nc);
        object_unparent(OBJECT(n));
    }
}

static void netdev_finalize(Object *obj)
{
    Netdev *n = NETDEV(obj);

    net_client_deinit(&n->nc);
    g_free(n->id);
}

extern const TypeInfo net_type_netdev;
const TypeInfo net_type_netdev = {
    .name = TYPE_NETDEV,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(Netdev),
    .instance_finalize = netdev_finalize,
    .class_size = sizeof(NetdevClass),
};
