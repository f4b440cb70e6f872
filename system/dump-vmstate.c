/*
 * -dump-vmstate: collects the tables of every device class there is, and what
 * the machine has registered beside devices (its clock, its CPUs).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "dump-vmstate.h"

#include "hw/machine-lock.h"
#include "hw/qdev-core.h"
#include "migration/vmstate-dump.h"
#include "util/error.h"

bool system_dump_vmstate(MachineState *machine, const char *path, Error **errp)
{
    g_autoptr(VMStateDump) dump =
        vmstate_dump_new(MACHINE_GET_CLASS(machine)->name);
    g_autoptr(GSList) classes =
        object_class_get_list_sorted(TYPE_DEVICE, false);
    g_autoptr(GError) gerr = NULL;
    g_autofree char *json = NULL, *text = NULL;

    for (GSList *l = classes; l; l = l->next) {
        DeviceClass *dc = DEVICE_CLASS(l->data);

        if (dc->vmsd) {
            vmstate_dump_add(dump, object_class_get_name(OBJECT_CLASS(dc)),
                             dc->vmsd);
        }
    }
    machine_lock();
    vmstate_dump_add_registry(dump, machine_savevm(machine));
    machine_unlock();
    json = vmstate_dump_text(dump);
    text = g_strconcat(json, "\n", NULL);
    if (!g_file_set_contents(path, text, -1, &gerr)) {
        error_setg(errp, "-dump-vmstate %s: %s", path, gerr->message);
        return false;
    }
    return true;
}
