/*
 * ferry-img: disk images from the command line.
 *
 *   ferry-img COMMAND [OPTION]... FILE...
 *
 * The commands, their options, their output and their exit status are those
 * that scripts know from qemu-img. Each is a file img-*.c; this one holds the
 * table, which comes from the list in meson.build, and the general options.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "block/block-node.h"
#include "qom/object.h"
#include "trace/control.h"
#include "util/error-report.h"
#include "util/error.h"

#include "img.h"

#define IMG_COMMAND(n) extern const ToolCommand img_command_##n;
#include "img-commands.inc"
#undef IMG_COMMAND

#define IMG_COMMAND(n) &img_command_##n,
static const ToolCommand *const commands[] = {
#include "img-commands.inc"
};
#undef IMG_COMMAND

bool img_output_is_json(const char *text, bool *ret_json, Error **errp)
{
    if (text && !g_str_equal(text, "human") && !g_str_equal(text, "json")) {
        error_setg(errp,
                   "--output must be used with human or json as argument, "
                   "not '%s'",
                   text);
        return false;
    }
    *ret_json = text && g_str_equal(text, "json");
    return true;
}

int img_fail(Error *err)
{
    error_report_err(err);
    return EXIT_FAILURE;
}

int img_errno(int ret, const char *fmt, ...)
{
    g_autofree char *what = NULL;
    va_list ap;

    va_start(ap, fmt);
    what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_report("%s: %s", what, strerror(-ret));
    return EXIT_FAILURE;
}

static void print_formats(void)
{
    g_autofree char *text = blockdev_help(NULL, NULL);

    printf("\n%s", text);
}

static void print_help(void)
{
    printf("Usage: ferry-img [OPTION]... COMMAND [ARGUMENT]...\n\n"
           "Make, show, convert and change disk images.\n\n"
           "Options:\n"
           "  -h, --help                show this and end\n"
           "  -V, --version             show the version and end\n"
           "  -T, --trace=PATTERN       trace what the program does\n\n"
           "Commands ('ferry-img COMMAND --help' tells more):\n");
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        printf("  %-10s  %s\n", commands[i]->name, commands[i]->help);
    }
    print_formats();
}

static const ToolCommand *find_command(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_str_equal(commands[i]->name, name)) {
            return commands[i];
        }
    }
    return NULL;
}

/* General options stand before the command's name. Returns: where that is;
 * 0: all is done; -1: a message was printed. */
static int general_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (word[0] != '-') {
            return i;
        }
        if (g_str_equal(word, "-h") || g_str_equal(word, "--help")) {
            print_help();
            return 0;
        }
        if (g_str_equal(word, "-V") || g_str_equal(word, "--version")) {
            printf("ferry-img version %s\n", FERRY_VERSION);
            return 0;
        }
        if (!tool_trace_option(argc, argv, &i)) {
            return -1;
        }
    }
    error_report("Not enough arguments");
    error_printf("Try 'ferry-img --help' for more information\n");
    return -1;
}

int main(int argc, char **argv)
{
    const ToolCommand *cmd;
    Tool tool;
    int at;
    int status;

    if (!tool_init(&tool, "ferry-img")) {
        return EXIT_FAILURE;
    }
    at = general_options(argc, argv);
    if (at <= 0) {
        tool_cleanup(&tool);
        return at < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    cmd = find_command(argv[at]);
    if (cmd) {
        status = tool_run_command(&tool, cmd, argc - at - 1, argv + at + 1);
    } else {
        error_report("Command not found: %s", argv[at]);
        error_printf("Try 'ferry-img --help' for more information\n");
        status = EXIT_FAILURE;
    }
    tool_cleanup(&tool);
    return status;
}
