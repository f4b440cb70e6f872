/*
 * ferry-io: reading and writing, waiting.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "util/error-report.h"
#include "util/error.h"
#include "util/read-file.h"

#include "io.h"

#define FILL_READ  0xab
#define FILL_WRITE 0xcd

typedef struct RwArgs {
    bool vmstate;
    bool compressed;
    bool machine;
    bool fua;
    bool no_fallback;
    bool ignored;
    bool quiet;
    bool unmap;
    bool dump;
    bool zeroes;
    ToolSize pattern;
    ToolSize check_start;
    ToolSize check_length;
    const char *source_file;
} RwArgs;

#define T RwArgs

/* -- reports ----------------------------------------------------------------------- */

static int64_t now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
}

static void report(const RwArgs *a, const char *op, int64_t ns, int64_t offset,
                   int64_t bytes)
{
    if (!a->quiet) {
        g_autofree char *text =
            io_report(op, ns, offset, bytes, bytes, 1, a->machine);

        fputs(text, stdout);
    }
}

static bool verify(const RwArgs *a, const uint8_t *buf, int64_t offset,
                   int64_t bytes)
{
    int64_t start = (int64_t)a->check_start.value;
    int64_t length =
        a->check_length.given ? (int64_t)a->check_length.value : bytes - start;

    if (!a->pattern.given ||
        io_has_pattern(buf + start, (uint8_t)a->pattern.value,
                       (size_t)length)) {
        return true;
    }
    printf("Pattern verification failed at offset %" PRId64 ", %" PRId64
           " bytes\n",
           offset + start, length);
    return false;
}

static bool check_verify_range(const RwArgs *a, int64_t bytes)
{
    uint64_t start = a->check_start.value;

    if ((a->check_start.given || a->check_length.given) && !a->pattern.given) {
        printf("-s and -l need a pattern: -P\n");
        return false;
    }
    if (start > (uint64_t)bytes ||
        a->check_length.value > (uint64_t)bytes - start) {
        printf("pattern verification range exceeds end of read data\n");
        return false;
    }
    return true;
}

/* -- read, readv -------------------------------------------------------------------- */

static bool do_read(Io *io, const RwArgs *a, const char *name, int npos,
                    const char **pos)
{
    QEMUIOVector qiov;
    IoRequest r = { .io = io,
                    .op = a->vmstate ? IO_LOAD_VMSTATE : IO_READ,
                    .qiov = &qiov };
    uint8_t *buf;
    int64_t ns;
    int ret;
    bool ok;

    if (!io_parse_bytes(pos[0], "offset", &r.offset)) {
        return false;
    }
    buf = io_make_buffer(&qiov, npos - 1, pos + 1, FILL_READ);
    if (!buf) {
        return false;
    }
    ok = check_verify_range(a, (int64_t)qiov.size);
    ns = now();
    ret = ok ? io_request(&r) : 0;
    ns = now() - ns;
    if (ret < 0) {
        printf("%s failed: %s\n", name, strerror(-ret));
        ok = false;
    } else if (ok) {
        ok = verify(a, buf, r.offset, (int64_t)qiov.size);
        if (a->dump && !a->quiet) {
            g_autofree char *text = io_dump(buf, r.offset, qiov.size);

            fputs(text, stdout);
        }
        report(a, "read", ns, r.offset, (int64_t)qiov.size);
    }
    qemu_iovec_destroy(&qiov);
    g_aligned_free(buf);
    return ok;
}

static bool run_read(Io *io, void *args, int npos, const char **pos)
{
    return do_read(io, args, "read", npos, pos);
}

static bool run_readv(Io *io, void *args, int npos, const char **pos)
{
    return do_read(io, args, "readv", npos, pos);
}

/* -- write, writev, writez --------------------------------------------------------- */

static bool check_write(const RwArgs *a)
{
    const char *what = NULL;

    if (a->vmstate && a->zeroes) {
        what = "-b and -z cannot be specified at the same time";
    } else if (a->fua && (a->vmstate || a->compressed)) {
        what = "-f and -b or -c cannot be specified at the same time";
    } else if (a->compressed && (a->vmstate || a->zeroes)) {
        what = "-c and -b or -z cannot be specified at the same time";
    } else if (a->no_fallback && !a->zeroes) {
        what = "-n requires -z to be specified";
    } else if (a->unmap && !a->zeroes) {
        what = "-u requires -z to be specified";
    } else if (!!a->zeroes + !!a->pattern.given + !!a->source_file > 1) {
        what = "Only one of -z, -P, and -s can be specified at the same time";
    }
    if (what) {
        printf("%s\n", what);
    }
    return !what;
}

static BlkRequestFlags write_flags(const RwArgs *a)
{
    return (a->fua ? BLK_REQ_FUA : 0) | (a->unmap ? BLK_REQ_MAY_UNMAP : 0) |
           (a->no_fallback ? BLK_REQ_NO_FALLBACK : 0) |
           (a->compressed ? BLK_REQ_WRITE_COMPRESSED : 0);
}

/* -s: the file's bytes, over and over. */
static bool fill_from_file(const char *path, uint8_t *buf, size_t len)
{
    Error *err = NULL;
    size_t size;
    g_autofree char *text = read_file_bounded(path, IO_BYTES_MAX, &size, &err);

    if (text && !size) {
        error_setg(&err, "%s: file is empty", path);
    }
    if (err) {
        printf("%s\n", error_get_pretty(err));
        error_free(err);
        return false;
    }
    for (size_t at = 0; at < len; at += size) {
        memcpy(buf + at, text, MIN(size, len - at));
    }
    return true;
}

static bool finish_write(const RwArgs *a, const char *name, int ret, int64_t ns,
                         int64_t offset, int64_t bytes)
{
    if (ret < 0) {
        printf("%s failed: %s\n", name, strerror(-ret));
        return false;
    }
    report(a, "wrote", ns, offset, bytes);
    return true;
}

static bool write_zeroes(Io *io, const RwArgs *a, const char **pos)
{
    IoRequest r = { .io = io, .op = IO_ZEROES, .flags = write_flags(a) };
    int64_t ns;
    int ret;

    if (!io_parse_bytes(pos[0], "offset", &r.offset) ||
        !io_parse_bytes(pos[1], "length", &r.bytes)) {
        return false;
    }
    ns = now();
    ret = io_request(&r);
    return finish_write(a, "write", ret, now() - ns, r.offset, r.bytes);
}

static bool write_data(Io *io, const RwArgs *a, const char *name, int npos,
                       const char **pos)
{
    QEMUIOVector qiov;
    IoRequest r = { .io = io,
                    .op = a->vmstate ? IO_SAVE_VMSTATE : IO_WRITE,
                    .qiov = &qiov,
                    .flags = write_flags(a) };
    int pattern = a->pattern.given ? (int)a->pattern.value : FILL_WRITE;
    uint8_t *buf;
    int64_t ns;
    int ret;
    bool ok;

    if (!io_parse_bytes(pos[0], "offset", &r.offset)) {
        return false;
    }
    buf = io_make_buffer(&qiov, npos - 1, pos + 1, pattern);
    if (!buf) {
        return false;
    }
    ok = !a->source_file || fill_from_file(a->source_file, buf, qiov.size);
    if (ok) {
        ns = now();
        ret = io_request(&r);
        ok = finish_write(a, name, ret, now() - ns, r.offset,
                          (int64_t)qiov.size);
    }
    qemu_iovec_destroy(&qiov);
    g_aligned_free(buf);
    return ok;
}

static bool run_write(Io *io, void *args, int npos, const char **pos)
{
    const RwArgs *a = args;

    if (!check_write(a)) {
        return false;
    }
    return a->zeroes ? write_zeroes(io, a, pos)
                     : write_data(io, a, "write", npos, pos);
}

static bool run_writev(Io *io, void *args, int npos, const char **pos)
{
    return write_data(io, args, "writev", npos, pos);
}

static bool run_writez(Io *io, void *args, int npos, const char **pos)
{
    RwArgs *a = args;

    a->zeroes = true;
    return check_write(a) && write_zeroes(io, a, pos);
}

/* -- tables ------------------------------------------------------------------------- */

#define REPORT_OPTIONS                                                         \
    IO_FLAG(T, 'C', machine, "statistics for a program to read"),              \
        IO_FLAG(T, 'q', quiet, "no statistics"),                               \
        IO_FLAG(T, 'p', ignored, "accepted, has no effect")

static const ToolOption read_options[] = {
    IO_FLAG(T, 'b', vmstate, "the machine's state, not the disk"),
    IO_OPTION_PATTERN(T, "what must be there"),
    { 's', NULL, TOOL_SIZE, offsetof(T, check_start), "OFFSET",
      "look for the pattern from there on", 0, 0 },
    { 'l', NULL, TOOL_SIZE, offsetof(T, check_length), "LENGTH",
      "in so many bytes", 0, 0 },
    IO_FLAG(T, 'v', dump, "print what was read"),
    REPORT_OPTIONS,
    {},
};

static const ToolOption readv_options[] = {
    IO_OPTION_PATTERN(T, "what must be there"),
    IO_FLAG(T, 'v', dump, "print what was read"),
    REPORT_OPTIONS,
    {},
};

static const ToolOption write_options[] = {
    IO_FLAG(T, 'b', vmstate, "the machine's state, not the disk"),
    IO_FLAG(T, 'c', compressed, "compressed"),
    IO_FLAG(T, 'f', fua, "on stable storage when it ends"),
    IO_FLAG(T, 'n', no_fallback, "with -z: fail rather than write them out"),
    IO_FLAG(T, 'u', unmap, "with -z: give the space back"),
    IO_FLAG(T, 'z', zeroes, "zeroes, in the cheapest way"),
    IO_OPTION_PATTERN(T, "what to write (0xcd)"),
    { 's', NULL, TOOL_STRING, offsetof(T, source_file), "FILE",
      "write its contents, over and over", 0, 0 },
    REPORT_OPTIONS,
    {},
};

static const ToolOption writev_options[] = {
    IO_FLAG(T, 'f', fua, "on stable storage when it ends"),
    IO_OPTION_PATTERN(T, "what to write (0xcd)"),
    REPORT_OPTIONS,
    {},
};

static const ToolOption writez_options[] = {
    IO_FLAG(T, 'f', fua, "on stable storage when it ends"),
    IO_FLAG(T, 'n', no_fallback, "fail rather than write them out"),
    IO_FLAG(T, 'u', unmap, "give the space back"),
    REPORT_OPTIONS,
    {},
};
#undef T

const IoCommand io_commands_rw[] = {
    { .name = "read",
      .alias = "r",
      .args = "[-abCqv] [-P pattern [-s off] [-l len]] off len",
      .help = "reads a number of bytes at a specified offset",
      .options = read_options,
      .args_size = sizeof(RwArgs),
      .min_positional = 2,
      .max_positional = 2,
      .run = run_read },
    { .name = "readv",
      .args = "[-Cqv] [-P pattern] off len [len..]",
      .help = "reads a number of bytes at a specified offset",
      .more = "Each length is a buffer of its own.\n",
      .options = readv_options,
      .args_size = sizeof(RwArgs),
      .min_positional = 2,
      .max_positional = -1,
      .run = run_readv },
    { .name = "write",
      .alias = "w",
      .args = "[-bcCfnquz] [-P pattern | -s source_file] off len",
      .help = "writes a number of bytes at a specified offset",
      .options = write_options,
      .args_size = sizeof(RwArgs),
      .min_positional = 2,
      .max_positional = 2,
      .run = run_write },
    { .name = "writev",
      .args = "[-Cfq] [-P pattern] off len [len..]",
      .help = "writes a number of bytes at a specified offset",
      .more = "Each length is a buffer of its own.\n",
      .options = writev_options,
      .args_size = sizeof(RwArgs),
      .min_positional = 2,
      .max_positional = -1,
      .run = run_writev },
    { .name = "writez",
      .args = "[-Cfnqu] off len",
      .help = "writes zeroes at a specified offset, as write -z",
      .options = writez_options,
      .args_size = sizeof(RwArgs),
      .min_positional = 2,
      .max_positional = 2,
      .run = run_writez },
    {},
};
