/*
 * ferry-io: single requests to an image, for tests and for looking into it.
 *
 *   ferry-io [OPTION]... [-c COMMAND]... [FILE]
 *
 * Commands come from -c or from standard input. Their names and what they
 * print are those that scripts know from qemu-io. Exit status: 1 if one of
 * them failed; what becomes of a request in the background is only printed.
 *
 * The loop runs while a line is awaited: requests in the background go on, and
 * a signal is heard, so that the image is closed whatever ends the program.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <poll.h>
#include <stdio.h>

#include "util/aio-wait.h"
#include "util/error-report.h"
#include "util/error.h"

#include "io.h"

typedef struct IoArgs {
    GPtrArray *objects;
    GPtrArray *commands;
    GPtrArray *trace;
    bool image_opts;
    bool read_only;
    bool temporary;
    bool copy_on_read;
    bool nocache;
    bool ignored;
    bool force_share;
    bool version;
    const char *format;
    const char *cache;
    const char *discard;
    const char *aio;
} IoArgs;

#define T IoArgs
static const ToolOption options[] = {
    { 'c', "cmd", TOOL_LIST, offsetof(T, commands), "COMMAND",
      "run it, instead of reading commands", 0, 0 },
    { 'f', "format", TOOL_STRING, offsetof(T, format), "FMT",
      "format of the image (default: look at it)", 0, 0 },
    { 'r', "read-only", TOOL_FLAG, offsetof(T, read_only), NULL, "do not write",
      0, 0 },
    { 's', "snapshot", TOOL_FLAG, offsetof(T, temporary), NULL,
      "write to a temporary file, not to the image", 0, 0 },
    { 'C', "copy-on-read", TOOL_FLAG, offsetof(T, copy_on_read), NULL,
      "keep what is read of a backing file", 0, 0 },
    { 'n', "nocache", TOOL_FLAG, offsetof(T, nocache), NULL,
      "past the host's cache: -t none", 0, 0 },
    { 't', "cache", TOOL_STRING, offsetof(T, cache), "MODE",
      "none, writeback, writethrough, directsync, unsafe", 0, 0 },
    { 'd', "discard", TOOL_STRING, offsetof(T, discard), "MODE",
      "discards: unmap (default) or ignore", 0, 0 },
    { 'i', "aio", TOOL_STRING, offsetof(T, aio), "MODE",
      "threads, native or io_uring", 0, 0 },
    { 'k', "native-aio", TOOL_FLAG, offsetof(T, ignored), NULL,
      "accepted, has no effect", 0, 0 },
    { 'U', "force-share", TOOL_FLAG, offsetof(T, force_share), NULL,
      "open it even though another program writes to it", 0, 0 },
    { 0, "object", TOOL_LIST, offsetof(T, objects), "OBJECT",
      "make an object first: secret,id=...", 0, 0 },
    { 0, "image-opts", TOOL_FLAG, offsetof(T, image_opts), NULL,
      "the file name is options: driver=nbd,host=...", 0, 0 },
    { 'T', "trace", TOOL_LIST, offsetof(T, trace), "PATTERN",
      "trace what the program does", 0, 0 },
    { 'V', "version", TOOL_FLAG, offsetof(T, version), NULL,
      "show the version and end", 0, 0 },
    {},
};
#undef T

static void print_help(void)
{
    g_autofree char *text = tool_options_help(options);

    printf("Usage: ferry-io [OPTION]... [-c COMMAND]... [FILE]\n\n"
           "Send single requests to a disk image.\n\n"
           "Options:\n%s"
           "  %-26s%s\n\n"
           "See 'ferry-io -c help' for the commands.\n",
           text, "-h, --help", "show this and end");
}

/* Lets requests that run in the background end and report. What was said is seen
 * before the next command, which may take long. */
static void poll_aio(Io *io)
{
    while (aio_poll(io->tool.ctx, false)) {
        ;
    }
    fflush(stdout);
}

/* -- standard input ------------------------------------------------------------- */

/* Longest command line. */
#define LINE_MAX_BYTES (64 * 1024)

typedef struct Input {
    Io *io;
    GString *text; /* read, and not yet taken */
    bool ready;    /* there is more, or the end */
    bool ended;
    bool failed;
} Input;

static void input_ready(void *opaque)
{
    Input *in = opaque;

    in->ready = true;
}

/* Until read() does not wait. False: a signal came first. */
static bool input_wait(Input *in)
{
    struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
    Tool *tool = &in->io->tool;

    in->ready = poll(&fd, 1, 0) > 0;
    if (!in->ready) {
        fflush(stdout);
        aio_set_fd_handler(tool->ctx, STDIN_FILENO, false, input_ready, NULL,
                           NULL, NULL, in);
        AIO_WAIT_WHILE_UNLOCKED(tool->ctx, !in->ready && !tool->interrupted);
        aio_set_fd_handler(tool->ctx, STDIN_FILENO, false, NULL, NULL, NULL,
                           NULL, NULL);
    }
    return !tool->interrupted;
}

static void input_read(Input *in)
{
    char buf[4096];
    ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

    if (n > 0) {
        g_string_append_len(in->text, buf, n);
    } else if (n == 0) {
        in->ended = true;
    } else if (errno != EINTR && errno != EAGAIN) {
        error_report("cannot read commands: %s", strerror(errno));
        in->ended = in->failed = true;
    }
    if (in->text->len > LINE_MAX_BYTES) {
        error_report("a command line has more than %d bytes", LINE_MAX_BYTES);
        g_string_truncate(in->text, 0);
        in->ended = in->failed = true;
    }
}

/* The next line; g_free(). NULL: there is none, or a signal came. */
static char *input_line(Input *in)
{
    const char *end = NULL;
    char *line;
    size_t len;

    while (!(end = memchr(in->text->str, '\n', in->text->len)) && !in->ended) {
        if (!input_wait(in)) {
            return NULL;
        }
        input_read(in);
    }
    if (!in->text->len) {
        return NULL;
    }
    len = end ? (size_t)(end - in->text->str) + 1 : in->text->len;
    line = g_strndup(in->text->str, len);
    g_string_erase(in->text, 0, (gssize)len);
    return line;
}

static bool run_lines(Io *io)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Input in = { .io = io, .text = text };
    bool prompt = isatty(STDIN_FILENO);
    bool ok = true;

    while (!io->done && !io->tool.interrupted) {
        g_autofree char *line = NULL;

        poll_aio(io);
        if (prompt) {
            printf("ferry-io> ");
            fflush(stdout);
        }
        line = input_line(&in);
        if (!line) {
            break;
        }
        ok &= io_run_line(io, line);
    }
    if (io->tool.interrupted) {
        error_report("interrupted");
        return false;
    }
    return ok && !in.failed;
}

/* -- the program ------------------------------------------------------------------ */

static bool run_commands(Io *io, const GPtrArray *commands)
{
    bool ok = true;

    for (guint i = 0; i < commands->len && !io->done; i++) {
        ok &= io_run_line(io, commands->pdata[i]);
        poll_aio(io);
        if (io->tool.interrupted) {
            error_report("interrupted");
            return false;
        }
    }
    return ok;
}

static bool open_first(Io *io, const IoArgs *a, const char *filename)
{
    ToolImage image = {
        .filename = filename,
        .format = a->format,
        .cache = a->nocache ? "none" : a->cache,
        .aio = a->aio,
        .image_opts = a->image_opts,
        .writable = !a->read_only,
        .temporary = a->temporary,
        .copy_on_read = a->copy_on_read,
        .force_share = a->force_share,
    };

    return io_discard(a->discard, &image.discard) && io_open(io, &image);
}

static int run_all(Io *io, const IoArgs *a, const GPtrArray *positional)
{
    Error *err = NULL;
    bool ok;

    if (positional->len > 1) {
        error_report("Unexpected argument '%s'", (char *)positional->pdata[1]);
        return EXIT_FAILURE;
    }
    if (!tool_add_objects(a->objects, &err)) {
        error_report_err(err);
        return EXIT_FAILURE;
    }
    io->read_only = a->read_only;
    if (positional->len && !open_first(io, a, positional->pdata[0])) {
        return EXIT_FAILURE;
    }
    ok = a->commands ? run_commands(io, a->commands) : run_lines(io);
    io_close(io);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run(Io *io, IoArgs *a, int argc, char **argv)
{
    g_autoptr(GPtrArray) positional = g_ptr_array_new();
    bool help;
    Error *err = NULL;

    if (!tool_options_parse(options, argc - 1, argv + 1, a, positional, &help,
                            &err)) {
        error_report_err(err);
        error_printf("Try 'ferry-io --help' for more information\n");
        return EXIT_FAILURE;
    }
    if (help) {
        print_help();
        return EXIT_SUCCESS;
    }
    if (a->version) {
        printf("ferry-io version %s\n", FERRY_VERSION);
        return EXIT_SUCCESS;
    }
    for (guint i = 0; a->trace && i < a->trace->len; i++) {
        tool_trace(a->trace->pdata[i]);
    }
    return run_all(io, a, positional);
}

int main(int argc, char **argv)
{
    IoArgs args = { 0 };
    Io io = { 0 };
    int status;

    if (!tool_init(&io.tool, "ferry-io")) {
        return EXIT_FAILURE;
    }
    status = run(&io, &args, argc, argv);
    tool_options_free(options, &args);
    io_close(&io);
    tool_cleanup(&io.tool);
    return status;
}
