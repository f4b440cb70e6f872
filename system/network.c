/*
 * -netdev makes a backend; -nic makes a backend and a card that are plugged
 * into each other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "network.h"

#include "hw/boards.h"
#include "hw/qdev-core.h"
#include "hw/types.h"
#include "net/net.h"
#include "qapi/json.h"
#include "qom/object-property.h"
#include "trace/trace-system.h"
#include "util/error.h"

#define DEFAULT_CARD "virtio-net-pci"
#define DEFAULT_NIC  "user,model=" DEFAULT_CARD

bool network_create_backends(SystemConfig *c, Error **errp)
{
    for (guint i = 0; i < c->netdevs->len; i++) {
        const char *text = g_ptr_array_index(c->netdevs, i);

        if (!netdev_add_str(text, errp)) {
            error_prepend(errp, "-netdev %s: ", text);
            return false;
        }
    }
    return true;
}

/* Takes member @key out of @options. */
static json_t *take(json_t *options, const char *key)
{
    json_t *value = json_incref(json_object_get(options, key));

    json_object_del(options, key);
    return value;
}

/* -- cards ------------------------------------------------------------------------- */

bool network_wants_card_help(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    return g_strv_contains((const char *const *)words, "model=help") ||
           g_strv_contains((const char *const *)words, "model=?");
}

/* What the user can make and plug into a backend. */
char *network_card_help(void)
{
    GString *text = g_string_new("Network cards:\n");
    GSList *list;

    hw_register_types();
    list = object_class_get_list_sorted(TYPE_DEVICE, false);
    for (GSList *l = list; l; l = l->next) {
        if (DEVICE_CLASS(l->data)->user_creatable &&
            object_class_property_find(l->data, "netdev")) {
            g_string_append_printf(text, "%s\n",
                                   object_class_get_name(l->data));
        }
    }
    g_slist_free(list);
    return g_string_free(text, FALSE);
}

/* Names as QEMU's users know them. */
static const char *card_type(const char *model)
{
    return g_str_equal(model, "virtio") ? DEFAULT_CARD : model;
}

static bool create_card(json_t *options, unsigned number, Error **errp)
{
    g_autofree char *name = g_strdup_printf("nic%u", number);
    g_autoptr(json_t) model = take(options, "model");
    g_autoptr(json_t) mac = take(options, "mac");
    g_autoptr(json_t) addr = take(options, "addr");
    g_autoptr(json_t) id = take(options, "id");
    const char *backend = json_is_string(id) ? json_string_value(id) : name;
    g_autoptr(json_t) device = json_object();

    if (model && !json_is_string(model)) {
        error_setg(errp, "parameter 'model' must be a string");
        return false;
    }
    json_object_set_new(options, "id", json_string(backend));
    if (!netdev_add(options, true, errp)) {
        return false;
    }
    json_object_set_new(device, "driver",
                        json_string(model ? card_type(json_string_value(model))
                                          : DEFAULT_CARD));
    json_object_set_new(device, "netdev", json_string(backend));
    if (mac) {
        json_object_set(device, "mac", mac);
    }
    if (addr) {
        json_object_set(device, "addr", addr);
    }
    return qdev_device_add_json(device, errp) != NULL;
}

static bool create_from_text(const char *text, unsigned number, Error **errp)
{
    g_autoptr(json_t) options = netdev_parse(text, errp);

    return options && create_card(options, number, errp);
}

/* Without the library for it, or without a card, there is no network. */
static void create_default(void)
{
    Error *err = NULL;

    if (!create_from_text(DEFAULT_NIC, 0, &err)) {
        trace_network_no_default(error_get_pretty(err));
        error_free(err);
        netdev_del("nic0", NULL);
    }
}

static bool names_netdev(const GPtrArray *devices)
{
    for (guint i = 0; i < devices->len; i++) {
        if (strstr(g_ptr_array_index(devices, i), "netdev")) {
            return true;
        }
    }
    return false;
}

bool network_create_cards(SystemConfig *c, MachineState *machine, Error **errp)
{
    unsigned number = 0;

    if (!c->nics->len && !c->netdevs->len && !c->nodefaults &&
        machine_has_devices(machine) && !names_netdev(c->devices)) {
        create_default();
    }
    for (guint i = 0; i < c->nics->len; i++) {
        const char *text = g_ptr_array_index(c->nics, i);

        if (g_str_equal(text, "none")) {
            continue;
        }
        if (!create_from_text(text, number++, errp)) {
            error_prepend(errp, "-nic %s: ", text);
            return false;
        }
    }
    return true;
}
