/*
 * What a user gets who asked for nothing: a graphics card, and a console on
 * the terminal.
 *
 * Nothing shows the screen, so the first serial port and the human monitor
 * share the terminal when there is one (or when -nographic insists), and Ctrl-a c
 * switches between them. In the background or in a script's pipe they stay
 * silent. -nodefaults means nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "startup.h"

static bool mentions(GPtrArray *values, const char *what)
{
    for (guint i = 0; i < values->len; i++) {
        if (strstr(g_ptr_array_index(values, i), what)) {
            return true;
        }
    }
    return false;
}

static bool stdio_is_taken(const SystemConfig *c)
{
    for (guint i = 0; i < c->monitors->len; i++) {
        const MonitorConfig *m = g_ptr_array_index(c->monitors, i);

        if (m->device && strstr(m->device, "stdio")) {
            return true;
        }
    }
    return mentions(c->chardevs, "stdio") || mentions(c->parallels, "stdio") ||
           mentions(c->debugcons, "stdio") || mentions(c->serials, "stdio");
}

void default_devices_choose(SystemConfig *c)
{
    bool want_serial = !c->serials->len && !mentions(c->devices, "isa-serial");
    bool want_monitor = !c->no_monitor_default;
    bool terminal = c->nographic ||
                    (!c->no_display && !c->daemonize && isatty(STDIN_FILENO));
    const char *serial = "null";

    if (c->nodefaults) {
        return;
    }
    if (!c->vga && !mentions(c->devices, "VGA") &&
        !mentions(c->devices, "-vga")) {
        c->vga = g_strdup("std");
    }
    if (terminal && !stdio_is_taken(c)) {
        serial = want_monitor ? "mon:stdio" : "stdio";
        if (!want_serial && want_monitor) {
            MonitorConfig *m = g_new0(MonitorConfig, 1);

            m->device = g_strdup("stdio");
            g_ptr_array_add(c->monitors, m);
        }
    }
    if (want_serial) {
        g_ptr_array_add(c->serials, g_strdup(serial));
    }
}
