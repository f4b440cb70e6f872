/*
 * The human commands that belong to the monitor itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/fdset.h"

#include "hmp-parse.h"
#include "monitor-internal.h"

static void print_help(HMPContext *ctx, const char *prefix,
                       const HMPCommand *cmd)
{
    hmp_printf(ctx, "%s%s", prefix, cmd->name);
    if (cmd->aliases) {
        hmp_printf(ctx, "|%s", cmd->aliases);
    }
    if (cmd->params && *cmd->params) {
        hmp_printf(ctx, " %s", cmd->params);
    }
    hmp_printf(ctx, " -- %s\n", cmd->help);
}

static gint compare_commands(gconstpointer a, gconstpointer b)
{
    const HMPCommand *const *x = a;
    const HMPCommand *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static void print_tables(HMPContext *ctx, const char *prefix,
                         const HMPCommand *const *tables)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    for (; tables && *tables; tables++) {
        for (const HMPCommand *c = *tables; c->name; c++) {
            g_ptr_array_add(all, (gpointer)c);
        }
    }
    g_ptr_array_sort(all, compare_commands);
    for (guint i = 0; i < all->len; i++) {
        print_help(ctx, prefix, g_ptr_array_index(all, i));
    }
}

static void hmp_help(HMPContext *ctx, json_t *args)
{
    const MonitorSetConfig *config = &hmp_set_of_context(ctx)->config;
    const char *name = hmp_arg_str(args, "name");
    const char *sub = hmp_arg_str(args, "subcommand");
    const HMPCommand *cmd;

    if (!name) {
        print_tables(ctx, "", config->hmp_tables);
        return;
    }
    if (g_str_equal(name, "info")) {
        cmd = sub ? hmp_command_find(config->hmp_info_tables, sub) : NULL;
        if (cmd) {
            print_help(ctx, "info ", cmd);
        } else if (sub) {
            hmp_printf(ctx, "unknown command: 'info %s'\n", sub);
        } else {
            print_tables(ctx, "info ", config->hmp_info_tables);
        }
        return;
    }
    cmd = hmp_command_find(config->hmp_tables, name);
    if (cmd) {
        print_help(ctx, "", cmd);
    } else {
        hmp_printf(ctx, "unknown command: '%s'\n", name);
    }
}

static void hmp_info(HMPContext *ctx, json_t *args)
{
    print_tables(ctx, "info ", hmp_set_of_context(ctx)->config.hmp_info_tables);
}

static void hmp_info_history(HMPContext *ctx, json_t *args)
{
    Monitor *mon = hmp_monitor_of_context(ctx);
    const char *line;

    for (size_t i = 0; mon && (line = hmp_session_history(mon, i)); i++) {
        hmp_printf(ctx, "%zu: '%s'\n", i, line);
    }
}

static void print_fd(int64_t fdset_id, int fd, const char *opaque, void *data)
{
    HMPContext *ctx = data;

    hmp_printf(ctx, "set %" PRId64 ": fd %d%s%s\n", fdset_id, fd,
               opaque ? ", " : "", opaque ?: "");
}

static void hmp_info_fdsets(HMPContext *ctx, json_t *args)
{
    fdset_foreach(print_fd, ctx);
}

const HMPCommand monitor_hmp_commands[] = {
    { .name = "help",
      .aliases = "?",
      .args = "name:s?,subcommand:s?",
      .params = "[command]",
      .help = "show what commands do",
      .handler = hmp_help,
      .flags = HMP_PRECONFIG },
    { .name = "info",
      .args = "",
      .params = "[subcommand]",
      .help = "show state; without a subcommand, the list of them",
      .handler = hmp_info,
      .sub_table = monitor_hmp_info,
      .flags = HMP_PRECONFIG },
    { NULL },
};

const HMPCommand monitor_hmp_info[] = {
    { .name = "history",
      .args = "",
      .help = "show the lines typed so far",
      .handler = hmp_info_history,
      .flags = HMP_PRECONFIG },
    { .name = "fdsets",
      .args = "",
      .help = "show descriptors handed in by -add-fd and add-fd",
      .handler = hmp_info_fdsets,
      .flags = HMP_PRECONFIG },
    { NULL },
};
