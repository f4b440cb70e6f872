/*
 * ferry-io: opening and closing, waiting, help, the end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <signal.h>
#include <stdio.h>

#include "block/blkdebug.h"
#include "util/aio-wait.h"
#include "util/cutils.h"
#include "util/error-report.h"
#include "util/error.h"

#include "io.h"

/* -- open, close ------------------------------------------------------------------- */

bool io_open(Io *io, const ToolImage *image)
{
    Error *err = NULL;

    if (io->blk) {
        printf("file open already, try 'help close'\n");
        return false;
    }
    io->blk = tool_open(&io->tool, image, &err);
    if (!io->blk) {
        error_report_err(err);
    }
    return io->blk != NULL;
}

/* What a break stopped would never end. */
void io_end_requests(Io *io)
{
    if (io->blk) {
        blkdebug_remove_break(blk_node(io->blk), NULL);
    }
    io_wait_aio(io);
}

void io_close(Io *io)
{
    io_end_requests(io);
    if (io->blk) {
        blk_unref(io->blk);
        io->blk = NULL;
    }
}

typedef struct OpenArgs {
    bool read_only;
    bool temporary;
    bool copy_on_read;
    bool nocache;
    bool force_share;
    bool ignored;
    const char *cache;
    const char *discard;
    GPtrArray *options;
} OpenArgs;

#define T OpenArgs
static const ToolOption open_options[] = {
    IO_FLAG(T, 'r', read_only, "for reading only"),
    IO_FLAG(T, 's', temporary, "write to a temporary file"),
    IO_FLAG(T, 'C', copy_on_read, "keep what is read of a backing file"),
    IO_FLAG(T, 'n', nocache, "past the host's cache: -t none"),
    IO_FLAG(T, 'U', force_share, "even though another program writes to it"),
    IO_FLAG(T, 'k', ignored, "accepted, has no effect"),
    { 't', NULL, TOOL_STRING, offsetof(T, cache), "MODE", "cache mode", 0, 0 },
    { 'd', NULL, TOOL_STRING, offsetof(T, discard), "MODE",
      "discards: unmap (default) or ignore", 0, 0 },
    { 'o', NULL, TOOL_LIST, offsetof(T, options), "OPTIONS",
      "options: driver=...; then no file name is needed", 0, 0 },
    {},
};
#undef T

bool io_discard(const char *mode, bool *ret)
{
    *ret = !mode || g_str_equal(mode, "unmap") || g_str_equal(mode, "on");
    if (*ret || g_str_equal(mode, "ignore") || g_str_equal(mode, "off")) {
        return true;
    }
    error_report("Invalid discard option: %s", mode);
    return false;
}

static bool run_open(Io *io, void *args, int npos, const char **pos)
{
    const OpenArgs *a = args;
    ToolImage image = { .filename = npos ? pos[0] : NULL,
                        .cache = a->nocache ? "none" : a->cache,
                        .writable = !a->read_only && !io->read_only,
                        .force_share = a->force_share,
                        .copy_on_read = a->copy_on_read,
                        .temporary = a->temporary };
    g_autoptr(GString) opts = g_string_new(NULL);

    if (!io_discard(a->discard, &image.discard)) {
        return false;
    }
    for (guint i = 0; a->options && i < a->options->len; i++) {
        g_string_append_printf(opts, "%s%s", i ? "," : "",
                               (char *)a->options->pdata[i]);
    }
    if (opts->len && npos) {
        g_string_append_printf(opts, ",file.filename=%s", pos[0]);
    }
    if (opts->len) {
        image.filename = opts->str;
        image.image_opts = true;
    }
    if (!image.filename) {
        printf("open: a file name or options are needed\n");
        return false;
    }
    return io_open(io, &image);
}

static bool run_close(Io *io, void *args, int npos, const char **pos)
{
    io_close(io);
    return true;
}

/* -- sleep, sigraise, help, quit --------------------------------------------------------- */

static void sleep_done(void *opaque)
{
    bool *done = opaque;

    *done = true;
}

/* Requests in flight go on meanwhile. */
static bool run_sleep(Io *io, void *args, int npos, const char **pos)
{
    uint64_t ms;
    bool done = false;
    QEMUTimer *timer;

    if (qemu_strtou64(pos[0], NULL, 10, &ms) < 0 || ms > INT32_MAX) {
        printf("'%s' is not a valid argument\n", pos[0]);
        return false;
    }
    timer = aio_timer_new(io->tool.ctx, QEMU_CLOCK_REALTIME, SCALE_MS,
                          sleep_done, &done);
    timer_mod(timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + (int64_t)ms);
    AIO_WAIT_WHILE_UNLOCKED(io->tool.ctx, !done && !io->tool.interrupted);
    timer_free(timer);
    return !io->tool.interrupted;
}

static bool run_sigraise(Io *io, void *args, int npos, const char **pos)
{
    int number;

    if (qemu_strtoi(pos[0], NULL, 10, &number) < 0) {
        printf("'%s' is not a signal number\n", pos[0]);
        return false;
    }
    fflush(stdout);
    /* To the process: this thread has those blocked that another one takes. */
    if (kill(getpid(), number) < 0) {
        printf("sigraise: %s\n", strerror(errno));
        return false;
    }
    return true;
}

/* As a crash: nothing is written out. */
static bool run_abort(Io *io, void *args, int npos, const char **pos)
{
    fflush(stdout);
    abort();
}

static bool run_help(Io *io, void *args, int npos, const char **pos)
{
    return io_print_help(npos ? pos[0] : NULL);
}

static bool run_quit(Io *io, void *args, int npos, const char **pos)
{
    io->done = true;
    return true;
}

const IoCommand io_commands_session[] = {
    { .name = "abort",
      .args = "",
      .help = "simulate a program crash using abort(3)",
      .without_image = true,
      .run = run_abort },
    { .name = "close",
      .alias = "c",
      .args = "",
      .help = "close the current open file",
      .run = run_close },
    { .name = "help",
      .alias = "?",
      .args = "[command]",
      .help = "help for one or all commands",
      .max_positional = 1,
      .without_image = true,
      .run = run_help },
    { .name = "open",
      .alias = "o",
      .args = "[-rsCnkU] [-t cache] [-d discard] [-o options] [path]",
      .help = "open the file specified by path",
      .options = open_options,
      .args_size = sizeof(OpenArgs),
      .max_positional = 1,
      .without_image = true,
      .run = run_open },
    { .name = "quit",
      .alias = "q",
      .args = "",
      .help = "exit the program",
      .without_image = true,
      .run = run_quit },
    { .name = "sigraise",
      .args = "signal",
      .help = "raises a signal",
      .min_positional = 1,
      .max_positional = 1,
      .without_image = true,
      .run = run_sigraise },
    { .name = "sleep",
      .args = "ms",
      .help = "waits for the given value in milliseconds",
      .min_positional = 1,
      .max_positional = 1,
      .without_image = true,
      .run = run_sleep },
    {},
};
