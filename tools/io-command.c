/*
 * ferry-io: finding and running a command line.
 *
 * Words are separated by blanks; there are no quotes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "util/error-report.h"
#include "util/error.h"

#include "io.h"

static const ToolOption no_options[] = { {} };

static const IoCommand *const tables[] = {
    io_commands_rw,      io_commands_aio,   io_commands_space,
    io_commands_session, io_commands_break, io_commands_reopen
};

static const IoCommand *find(const char *name)
{
    for (size_t t = 0; t < G_N_ELEMENTS(tables); t++) {
        for (const IoCommand *c = tables[t]; c->name; c++) {
            if (g_str_equal(c->name, name) ||
                (c->alias && g_str_equal(c->alias, name))) {
                return c;
            }
        }
    }
    return NULL;
}

/* -- help ------------------------------------------------------------------------- */

static void print_line(const IoCommand *c)
{
    printf("%s %s%s-- %s\n", c->name, c->args, *c->args ? " " : "", c->help);
}

static void print_whole(const IoCommand *c)
{
    print_line(c);
    if (c->options) {
        g_autofree char *text = tool_options_help(c->options);

        fputs(text, stdout);
    }
    if (c->more) {
        fputs(c->more, stdout);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const IoCommand *const *)a)->name,
                  (*(const IoCommand *const *)b)->name);
}

static void print_all(void)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    for (size_t t = 0; t < G_N_ELEMENTS(tables); t++) {
        for (const IoCommand *c = tables[t]; c->name; c++) {
            g_ptr_array_add(all, (void *)c);
        }
    }
    qsort(all->pdata, all->len, sizeof(void *), by_name);
    for (guint i = 0; i < all->len; i++) {
        print_line(all->pdata[i]);
    }
    printf("\nUse 'help commandname' for extended help.\n");
}

bool io_print_help(const char *name)
{
    const IoCommand *c = name ? find(name) : NULL;

    if (name && !c) {
        printf("command %s not found\n", name);
        return false;
    }
    if (c) {
        print_whole(c);
    } else {
        print_all();
    }
    return true;
}

/* -- running ------------------------------------------------------------------------ */

static bool check_positional(const IoCommand *c, int n)
{
    if (n >= c->min_positional &&
        (c->max_positional < 0 || n <= c->max_positional)) {
        return true;
    }
    if (c->max_positional < 0) {
        printf("bad argument count %d to %s, expected at least %d arguments\n",
               n, c->name, c->min_positional);
    } else if (c->min_positional == c->max_positional) {
        printf("bad argument count %d to %s, expected %d arguments\n", n,
               c->name, c->min_positional);
    } else {
        printf("bad argument count %d to %s, expected between %d and %d "
               "arguments\n",
               n, c->name, c->min_positional, c->max_positional);
    }
    return false;
}

static bool run(Io *io, const IoCommand *c, int argc, char **argv)
{
    g_autofree void *args = g_malloc0(MAX(c->args_size, 1));
    const ToolOption *options = c->options ? c->options : no_options;
    g_autoptr(GPtrArray) positional = g_ptr_array_new();
    bool help;
    Error *err = NULL;
    bool ok = false;

    if (!tool_options_parse(options, argc, argv, args, positional, &help,
                            &err)) {
        printf("%s: %s\n", c->name, error_get_pretty(err));
        error_free(err);
    } else if (help) {
        print_whole(c);
        ok = true;
    } else if (check_positional(c, (int)positional->len)) {
        ok = c->run(io, args, (int)positional->len,
                    (const char **)positional->pdata);
    }
    tool_options_free(options, args);
    return ok;
}

bool io_run_line(Io *io, const char *line)
{
    g_auto(GStrv) parts = g_strsplit_set(line, " \t\n", -1);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    const IoCommand *c;

    for (char **p = parts; *p; p++) {
        if (**p) {
            g_ptr_array_add(words, *p);
        }
    }
    if (!words->len || *(char *)words->pdata[0] == '#') {
        return true;
    }
    c = find(words->pdata[0]);
    if (!c) {
        error_printf("command \"%s\" not found\n", (char *)words->pdata[0]);
        return false;
    }
    if (!c->without_image && !io->blk) {
        error_printf("no file open, try 'help open'\n");
        return false;
    }
    return run(io, c, (int)words->len - 1, (char **)words->pdata + 1);
}
