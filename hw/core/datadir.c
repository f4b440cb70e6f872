/*
 * The search for firmware.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/datadir.h"

#include <unistd.h>

#include "hw/core/machine-internal.h"

/* Ours, then those of the packages seabios, qemu-system-data, ipxe-qemu and
 * ovmf. */
static const char *const dirs[] = {
    FERRY_DATADIR,        "/usr/share/seabios", "/usr/share/qemu",
    "/usr/lib/ipxe/qemu", "/usr/share/OVMF",
};

static bool readable(const char *path)
{
    return g_file_test(path, G_FILE_TEST_IS_REGULAR) && access(path, R_OK) == 0;
}

char *datadir_find(MachineState *machine, const char *name)
{
    char **own = machine ? machine->data_dirs : NULL;

    if (readable(name)) {
        return g_strdup(name);
    }
    for (; own && *own; own++) {
        g_autofree char *path = g_build_filename(*own, name, NULL);

        if (readable(path)) {
            return g_steal_pointer(&path);
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autofree char *path = g_build_filename(dirs[i], name, NULL);

        if (readable(path)) {
            return g_steal_pointer(&path);
        }
    }
    return NULL;
}

char *datadir_list(MachineState *machine)
{
    char **own = machine ? machine->data_dirs : NULL;
    GString *text = g_string_new(NULL);

    for (; own && *own; own++) {
        g_string_append_printf(text, "%s\n", *own);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_string_append_printf(text, "%s\n", dirs[i]);
    }
    return g_string_free(text, FALSE);
}
