/*
 * From what firmware boots: the drive letters of -boot in the CMOS bytes, and
 * devices with a boot index in the file "bootorder", which comes first.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/options.h"
#include "hw/timer/mc146818rtc.h"
#include "hw/x86/pc.h"
#include "util/error.h"

#define CMOS_BOOT_1_2  0x3d /* first in the low half, second in the high */
#define CMOS_BOOT_3    0x38 /* third in the high half */
#define ORDER_MAX      3u
#define ORDER_DEFAULT  "cad"
#define BOOTORDER_FILE "bootorder"
#define HALT_ENTRY     "HALT"

/* -- drive letters -------------------------------------------------------------- */

/* Floppy, hard disk, CD, network: 1 to 4. */
static bool drive_code(char letter, uint8_t *ret, Error **errp)
{
    static const char letters[] = "acdn";
    const char *at = letter ? strchr(letters, letter) : NULL;

    if (!at) {
        error_setg(errp,
                   "-boot: '%c' is not one of a (floppy), c (hard disk), "
                   "d (CD), n (network)",
                   letter);
        return false;
    }
    *ret = (uint8_t)(at - letters + 1);
    return true;
}

static bool set_cmos(PCMachineState *pc, const char *order, Error **errp)
{
    uint8_t code[ORDER_MAX] = { 0 };

    if (strlen(order) > ORDER_MAX) {
        error_setg(errp, "-boot: '%s' names more than %u drives", order,
                   ORDER_MAX);
        return false;
    }
    for (unsigned i = 0; order[i]; i++) {
        if (!drive_code(order[i], &code[i], errp)) {
            return false;
        }
    }
    mc146818rtc_set_memory(pc->rtc, CMOS_BOOT_1_2,
                           (uint8_t)(code[1] << 4 | code[0]));
    mc146818rtc_set_memory(pc->rtc, CMOS_BOOT_3, (uint8_t)(code[2] << 4));
    return true;
}

static bool set_drives(PCMachineState *pc, Error **errp)
{
    const json_t *boot = MACHINE(pc)->boot;
    const char *order = ORDER_DEFAULT;
    const char *once = NULL;

    if (!options_get_string(boot, "order", &order, errp) ||
        !options_get_string(boot, "once", &once, errp) ||
        !set_cmos(pc, order, errp)) {
        return false;
    }
    return !once || pc->booted_once || set_cmos(pc, once, errp);
}

/* -- devices ---------------------------------------------------------------------- */

typedef struct BootDevice {
    int64_t index;
    DeviceState *dev;
} BootDevice;

static int find_device(Object *obj, void *opaque)
{
    BootDevice d = { .dev =
                         (DeviceState *)object_dynamic_cast(obj, TYPE_DEVICE) };

    if (d.dev && d.dev->realized && DEVICE_GET_CLASS(d.dev)->fw_path &&
        object_property_find(obj, "bootindex")) {
        d.index = object_property_get_int(obj, "bootindex", NULL);
        if (d.index >= 0) {
            g_array_append_val((GArray *)opaque, d);
        }
    }
    return 0;
}

static int by_index(const void *a, const void *b)
{
    int64_t x = ((const BootDevice *)a)->index;
    int64_t y = ((const BootDevice *)b)->index;

    return x < y ? -1 : x > y;
}

static bool check_unique(const GArray *list, Error **errp)
{
    for (guint i = 1; i < list->len; i++) {
        const BootDevice *d = &g_array_index(list, BootDevice, i);

        if (d[-1].index == d->index) {
            error_setg(errp,
                       "bootindex %" PRId64 " is that of a '%s' and of a '%s'",
                       d->index, object_get_typename(OBJECT(d[-1].dev)),
                       object_get_typename(OBJECT(d->dev)));
            return false;
        }
    }
    return true;
}

static void add_line(GString *text, const char *line)
{
    g_string_append_printf(text, "%s%s", text->len ? "\n" : "", line);
}

static bool add_bootorder(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(BootDevice));
    g_autoptr(GString) text = g_string_new(NULL);
    const char *strict = NULL;

    if (!options_get_string(m->boot, "strict", &strict, errp)) {
        return false;
    }
    object_child_foreach_recursive(OBJECT(m), find_device, list);
    g_array_sort(list, by_index);
    if (!check_unique(list, errp)) {
        return false;
    }
    if (pc->kernel_rom) {
        add_line(text, pc->kernel_rom);
    }
    for (guint i = 0; i < list->len; i++) {
        DeviceState *dev = g_array_index(list, BootDevice, i).dev;
        g_autofree char *path = DEVICE_GET_CLASS(dev)->fw_path(dev);

        add_line(text, path);
    }
    if (g_strcmp0(strict, "on") == 0) {
        add_line(text, HALT_ENTRY);
    }
    return fw_cfg_add_file(
        m->fw_cfg, BOOTORDER_FILE,
        g_bytes_new(text->str, text->len ? text->len + 1 : 0), errp);
}

bool pc_set_boot_order(PCMachineState *pc, Error **errp)
{
    bool ok = set_drives(pc, errp) && add_bootorder(pc, errp);

    pc->booted_once = true;
    return ok;
}
