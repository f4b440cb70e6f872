/*
 * Which machines there are, and the one without anything.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/boards.h"
#include "hw/types.h"
#include "util/error.h"

GPtrArray *machine_class_list(void)
{
    GPtrArray *list = g_ptr_array_new();
    GSList *classes;

    hw_register_types();
    classes = object_class_get_list_sorted(TYPE_MACHINE, false);
    for (GSList *l = classes; l; l = l->next) {
        g_ptr_array_add(list, MACHINE_CLASS(l->data));
    }
    g_slist_free(classes);
    return list;
}

MachineClass *machine_class_find(const char *name, Error **errp)
{
    g_autoptr(GPtrArray) list = machine_class_list();

    for (guint i = 0; i < list->len; i++) {
        MachineClass *mc = g_ptr_array_index(list, i);

        if (name
                ? g_str_equal(mc->name, name) || g_strcmp0(mc->alias, name) == 0
                : mc->is_default) {
            return mc;
        }
    }
    error_setg(errp, "unsupported machine type '%s'", name ? name : "");
    error_append_hint(errp, "Use -machine help to list supported machines\n");
    return NULL;
}

char *machine_help(void)
{
    g_autoptr(GPtrArray) list = machine_class_list();
    GString *text = g_string_new("Machines:\n");

    for (guint i = 0; i < list->len; i++) {
        MachineClass *mc = g_ptr_array_index(list, i);

        if (mc->alias) {
            g_string_append_printf(text, "%-20s %s (alias of %s)\n", mc->alias,
                                   mc->desc, mc->name);
        }
        g_string_append_printf(text, "%-20s %s%s\n", mc->name, mc->desc,
                               mc->is_default ? " (default)" : "");
    }
    return g_string_free(text, FALSE);
}

static bool none_check_kernel(MachineState *machine, Error **errp)
{
    g_autofree char *kernel =
        object_property_get_str(OBJECT(machine), "kernel", NULL);

    if (kernel && *kernel) {
        error_setg(errp, "machine 'none' has no CPU to run a kernel");
        return false;
    }
    return true;
}

static void none_class_init(ObjectClass *oc, void *data)
{
    MachineClass *mc = MACHINE_CLASS(oc);

    mc->name = "none";
    mc->desc = "empty machine";
    mc->max_cpus = 0;
    mc->init = none_check_kernel;
}

extern const TypeInfo hw_type_machine_none;
const TypeInfo hw_type_machine_none = {
    .name = MACHINE_TYPE_NAME("none"),
    .parent = TYPE_MACHINE,
    .class_init = none_class_init,
};
