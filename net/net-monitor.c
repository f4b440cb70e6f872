/*
 * The monitor's commands about networks, QMP and human.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "net/net-hmp.h"
#include "net/types.h"
#include "qapi/qapi-commands-net.h"
#include "qom/qom-introspect.h"
#include "util/error.h"

#include "net-internal.h"
#include "net-slirp.h"

void netdev_fill_open_union(QapiOpenUnion *u)
{
    GSList *list;

    net_register_types();
    list = object_class_get_list_sorted(TYPE_NETDEV, false);
    for (GSList *l = list; l; l = l->next) {
        const char *kind =
            object_class_get_name(l->data) + strlen(NETDEV_CLASS_PREFIX);

        qom_open_variant_fill(qapi_open_union_add(u, kind, NULL), l->data);
    }
    g_slist_free(list);
}

void qmp_netdev_add(NetdevOptions *arg, Error **errp)
{
    g_autoptr(json_t) opts =
        arg->open_members ? json_copy(arg->open_members) : json_object();

    json_object_set_new(opts, "type", json_string(arg->type));
    json_object_set_new(opts, "id", json_string(arg->id));
    netdev_add(opts, false, errp);
}

void qmp_netdev_del(const char *id, Error **errp)
{
    netdev_del(id, errp);
}

static NetClient *find_client(const char *name)
{
    Netdev *n = netdev_find(name);
    NetClient *nc = n ? &n->nc : NULL;

    for (unsigned i = 0; !nc && net_card_at(i); i++) {
        if (g_str_equal(net_card_at(i)->name, name)) {
            nc = net_card_at(i);
        }
    }
    return nc;
}

void qmp_set_link(const char *name, bool up, Error **errp)
{
    NetClient *nc = find_client(name);

    if (!nc) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "there is no network card or backend '%s'", name);
        return;
    }
    net_set_link(nc, up);
}

/* -- human ----------------------------------------------------------------------- */

static void hmp_netdev_add(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    netdev_add_str(hmp_arg_str(args, "netdev"), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_netdev_del(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    netdev_del(hmp_arg_str(args, "id"), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_set_link(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_set_link(hmp_arg_str(args, "name"), hmp_arg_bool(args, "up", true),
                 &err);
    hmp_handle_error(ctx, err);
}

static void print_client(HMPContext *ctx, const NetClient *nc, const char *kind)
{
    hmp_printf(ctx,
               "%s: %s%s%s%s, sent %" PRIu64 " frames %" PRIu64
               " bytes, dropped %" PRIu64 "\n",
               nc->name, kind, nc->info ? "," : "", nc->info ?: "",
               nc->link_down ? ", link down" : "", nc->frames_sent,
               nc->bytes_sent, nc->frames_dropped);
}

static void print_free_netdev(Netdev *n, void *opaque)
{
    if (!n->nc.peer) {
        print_client(opaque, &n->nc,
                     object_get_typename(OBJECT(n)) +
                         strlen(NETDEV_CLASS_PREFIX));
    }
}

static void hmp_info_network(HMPContext *ctx, json_t *args)
{
    for (unsigned i = 0; net_card_at(i); i++) {
        const NetClient *nc = net_card_at(i);

        print_client(ctx, nc, "card");
        if (nc->peer) {
            hmp_printf(ctx, " \\ ");
            print_client(ctx, nc->peer, "backend");
        }
    }
    netdev_foreach(print_free_netdev, ctx);
}

#if CONFIG_SLIRP
/* The only backend of type user, if its name is not given. */
static void find_only_user(Netdev *n, void *opaque)
{
    const char **id = opaque;

    if (g_str_equal(object_get_typename(OBJECT(n)), "netdev-user")) {
        *id = n->id;
    }
}

static void hostfwd(HMPContext *ctx, json_t *args, bool add)
{
    const char *first = hmp_arg_str(args, "arg1");
    const char *rule = hmp_arg_str(args, "arg2");
    const char *id = rule ? first : NULL;
    Error *err = NULL;

    if (!rule) {
        rule = first;
        netdev_foreach(find_only_user, &id);
    }
    if (!id) {
        error_setg(&err, "there is no network backend of type user");
    } else if (add) {
        net_user_hostfwd_add(id, rule, &err);
    } else {
        net_user_hostfwd_remove(id, rule, &err);
    }
    hmp_handle_error(ctx, err);
}

static void hmp_hostfwd_add(HMPContext *ctx, json_t *args)
{
    hostfwd(ctx, args, true);
}

static void hmp_hostfwd_remove(HMPContext *ctx, json_t *args)
{
    hostfwd(ctx, args, false);
}

static void hmp_info_usernet(HMPContext *ctx, json_t *args)
{
    g_autofree char *text = net_user_describe();

    hmp_printf(ctx, "%s", text);
}
#endif

const HMPCommand net_hmp_commands[] = {
    { .name = "netdev_add",
      .args = "netdev:S",
      .params = "user|tap,id=ID[,key=value...]",
      .help = "add a network backend",
      .handler = hmp_netdev_add },
    { .name = "netdev_del",
      .args = "id:s",
      .params = "id",
      .help = "remove a network backend",
      .handler = hmp_netdev_del },
    { .name = "set_link",
      .args = "name:s,up:b",
      .params = "name on|off",
      .help = "plug or pull the cable of a card or backend",
      .handler = hmp_set_link },
#if CONFIG_SLIRP
    { .name = "hostfwd_add",
      .args = "arg1:s,arg2:s?",
      .params = "[id] [tcp|udp]:[HOSTADDR]:PORT-[GUESTADDR]:PORT",
      .help = "lead a port of the host into the guest",
      .handler = hmp_hostfwd_add },
    { .name = "hostfwd_remove",
      .args = "arg1:s,arg2:s?",
      .params = "[id] [tcp|udp]:[HOSTADDR]:PORT",
      .help = "undo hostfwd_add",
      .handler = hmp_hostfwd_remove },
#endif
    { NULL },
};

const HMPCommand net_hmp_info[] = {
    { .name = "network",
      .args = "",
      .help = "show network cards and backends",
      .handler = hmp_info_network },
#if CONFIG_SLIRP
    { .name = "usernet",
      .args = "",
      .help = "show the connections of user networks",
      .handler = hmp_info_usernet },
#endif
    { NULL },
};
