/*
 * Internal snapshots as a table for people. Programs read its columns, which
 * are therefore those of QEMU. Pure.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/snapshot-table.h"

#include "util/cutils.h"

static void print_row(GString *out, const SnapshotInfo *s)
{
    g_autofree char *size = size_to_str((uint64_t)s->vm_state_size);
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(s->date_sec);
    g_autoptr(GDateTime) date = utc ? g_date_time_to_local(utc) : NULL;
    g_autofree char *when =
        date ? g_date_time_format(date, "%Y-%m-%d %H:%M:%S") : g_strdup("?");
    g_autofree char *clock =
        g_strdup_printf("%02" PRId64 ":%02d:%02d.%03d", s->vm_clock_sec / 3600,
                        (int)(s->vm_clock_sec / 60 % 60),
                        (int)(s->vm_clock_sec % 60),
                        (int)(s->vm_clock_nsec / 1000000));
    g_autofree char *icount =
        s->has_icount ? g_strdup_printf("%" PRId64, s->icount) : g_strdup("");

    g_string_append_printf(out, "%-9s %-16s %8s%20s%13s%11s\n", s->id, s->name,
                           size, when, clock, icount);
}

void snapshot_table_print(GString *out, const SnapshotInfoList *list)
{
    g_string_append_printf(out, "%-9s %-16s %8s%20s%13s%11s\n", "ID", "TAG",
                           "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
    for (; list; list = list->next) {
        print_row(out, list->value);
    }
}
