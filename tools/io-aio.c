/*
 * ferry-io: requests that run while further commands are read.
 *
 * Each is a coroutine that reports when it ends. close, reopen and the end of
 * the program wait for all of them, as does aio_flush unless a signal comes: one
 * that a break has stopped may never end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io.h"

#include <stdio.h>

#include "util/aio-wait.h"

#define FILL_READ  0xab
#define FILL_WRITE 0xcd

typedef struct AioArgs {
    bool machine;
    bool fua;
    bool invalid;
    bool quiet;
    bool unmap;
    bool dump;
    bool zeroes;
    ToolSize pattern;
} AioArgs;

#define T AioArgs
#define REPORT_OPTIONS                                                         \
    IO_FLAG(T, 'C', machine, "statistics for a program to read"),              \
        IO_FLAG(T, 'q', quiet, "no statistics"),                               \
        IO_FLAG(T, 'i', invalid, "one that is refused before it is sent")

static const ToolOption read_options[] = {
    IO_OPTION_PATTERN(T, "what must be there"),
    IO_FLAG(T, 'v', dump, "print what was read"),
    REPORT_OPTIONS,
    {},
};

static const ToolOption write_options[] = {
    IO_FLAG(T, 'f', fua, "on stable storage when it ends"),
    IO_FLAG(T, 'u', unmap, "with -z: give the space back"),
    IO_FLAG(T, 'z', zeroes, "zeroes, in the cheapest way"),
    IO_OPTION_PATTERN(T, "what to write (0xcd)"),
    REPORT_OPTIONS,
    {},
};
#undef T

typedef struct AioJob {
    IoRequest r;
    AioArgs args;
    QEMUIOVector qiov;
    uint8_t *buf;
    int64_t begin_ns;
} AioJob;

static void job_free(AioJob *job)
{
    if (job->buf) {
        qemu_iovec_destroy(&job->qiov);
    }
    g_aligned_free(job->buf);
    g_free(job);
}

static void check_read(AioJob *job)
{
    const AioArgs *a = &job->args;
    size_t len = job->qiov.size;

    if (a->pattern.given &&
        !io_has_pattern(job->buf, (uint8_t)a->pattern.value, len)) {
        printf("Pattern verification failed at offset %" PRId64 ", %zu bytes\n",
               job->r.offset, len);
    }
    if (a->dump && !a->quiet) {
        g_autofree char *text = io_dump(job->buf, job->r.offset, len);

        fputs(text, stdout);
    }
}

static void job_done(AioJob *job, int ret)
{
    const AioArgs *a = &job->args;
    bool is_read = job->r.op == IO_READ;
    int64_t bytes = job->buf ? (int64_t)job->qiov.size : job->r.bytes;
    int64_t ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - job->begin_ns;

    if (ret < 0) {
        printf("%s failed: %s\n", is_read ? "readv" : "aio_write",
               strerror(-ret));
        return;
    }
    if (is_read) {
        check_read(job);
    }
    if (!a->quiet) {
        g_autofree char *text =
            io_report(is_read ? "read" : "wrote", ns, job->r.offset, bytes,
                      bytes, 1, a->machine);

        fputs(text, stdout);
    }
}

static void coroutine_fn job_entry(void *opaque)
{
    AioJob *job = opaque;
    Io *io = job->r.io;

    job_done(job, io_request_co(&job->r));
    fflush(stdout); /* the next command may be long in coming */
    job_free(job);
    io->aio--;
}

static bool start(AioJob *job)
{
    job->begin_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    job->r.io->aio++;
    aio_co_enter(job->r.io->tool.ctx, qemu_coroutine_create(job_entry, job));
    return true;
}

/* What is parsed goes into *@job, which is freed on failure. */
static bool prepare(AioJob *job, int npos, const char **pos, int fill)
{
    const AioArgs *a = &job->args;
    int pattern =
        fill == FILL_WRITE && a->pattern.given ? (int)a->pattern.value : fill;

    if (io_parse_bytes(pos[0], "offset", &job->r.offset)) {
        job->buf = io_make_buffer(&job->qiov, npos - 1, pos + 1, pattern);
        job->r.qiov = &job->qiov;
    }
    if (!job->buf) {
        job_free(job);
        return false;
    }
    return true;
}

static AioJob *job_new(Io *io, const AioArgs *args, IoOp op)
{
    AioJob *job = g_new0(AioJob, 1);

    job->r.io = io;
    job->r.op = op;
    job->args = *args;
    return job;
}

static bool run_aio_read(Io *io, void *args, int npos, const char **pos)
{
    const AioArgs *a = args;
    AioJob *job;

    if (a->invalid) {
        printf("injecting invalid read request\n");
        return true;
    }
    job = job_new(io, a, IO_READ);
    return prepare(job, npos, pos, FILL_READ) && start(job);
}

static bool start_zeroes(Io *io, const AioArgs *a, int npos, const char **pos)
{
    AioJob *job = job_new(io, a, IO_ZEROES);

    if (npos > 2) {
        printf("-z supports only a single length parameter\n");
    } else if (a->pattern.given) {
        printf("-z and -P cannot be specified at the same time\n");
    } else if (io_parse_bytes(pos[0], "offset", &job->r.offset) &&
               io_parse_bytes(pos[1], "length", &job->r.bytes)) {
        job->r.flags =
            (a->fua ? BLK_REQ_FUA : 0) | (a->unmap ? BLK_REQ_MAY_UNMAP : 0);
        return start(job);
    }
    job_free(job);
    return false;
}

static bool run_aio_write(Io *io, void *args, int npos, const char **pos)
{
    const AioArgs *a = args;
    AioJob *job;

    if (a->invalid) {
        printf("injecting invalid write request\n");
        return true;
    }
    if (a->zeroes) {
        return start_zeroes(io, a, npos, pos);
    }
    if (a->unmap) {
        printf("-u requires -z to be specified\n");
        return false;
    }
    job = job_new(io, a, IO_WRITE);
    job->r.flags = a->fua ? BLK_REQ_FUA : 0;
    return prepare(job, npos, pos, FILL_WRITE) && start(job);
}

void io_wait_aio(Io *io)
{
    AIO_WAIT_WHILE_UNLOCKED(io->tool.ctx, io->aio > 0);
}

static bool run_aio_flush(Io *io, void *args, int npos, const char **pos)
{
    AIO_WAIT_WHILE_UNLOCKED(io->tool.ctx, io->aio > 0 && !io->tool.interrupted);
    return !io->tool.interrupted;
}

const IoCommand io_commands_aio[] = {
    { .name = "aio_read",
      .args = "[-Ciqv] [-P pattern] off len [len..]",
      .help = "asynchronously reads a number of bytes",
      .options = read_options,
      .args_size = sizeof(AioArgs),
      .min_positional = 2,
      .max_positional = -1,
      .run = run_aio_read },
    { .name = "aio_write",
      .args = "[-Cfiquz] [-P pattern] off len [len..]",
      .help = "asynchronously writes a number of bytes",
      .options = write_options,
      .args_size = sizeof(AioArgs),
      .min_positional = 2,
      .max_positional = -1,
      .run = run_aio_write },
    { .name = "aio_flush",
      .args = "",
      .help = "completes all outstanding aio requests",
      .run = run_aio_flush },
    {},
};
