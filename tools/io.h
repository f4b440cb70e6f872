/*
 * ferry-io: its commands, and what they share.
 *
 * Thread: main.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_IO_H
#define TOOLS_IO_H

#include "block/node-image.h"

#include "tool-common.h"

/* Longest buffer of a command. */
#define IO_BYTES_MAX (2 * INT64_C(1024) * 1024 * 1024 - 512)

typedef struct Io {
    Tool tool;
    BlockBackend *blk; /* NULL: nothing is open */
    bool read_only;    /* as given at the start, for `open` */
    bool done;         /* quit */
    unsigned aio;      /* asynchronous requests in flight */
} Io;

/**
 * IoCommand:
 * @options: (nullable) in a struct of @args_size
 * @run: @pos: words that are no options. False: it failed, and said so
 */
typedef struct IoCommand {
    const char *name;
    const char *alias;
    const char *args; /* for help */
    const char *help; /* one phrase */
    const char *more; /* (nullable) paragraphs */
    const ToolOption *options;
    size_t args_size;
    int min_positional;
    int max_positional; /* -1: any number */
    bool without_image;
    bool (*run)(Io *io, void *args, int npos, const char **pos);
} IoCommand;

/* The tables, each ended by an entry without a name. */
extern const IoCommand io_commands_rw[];
extern const IoCommand io_commands_aio[];
extern const IoCommand io_commands_space[];
extern const IoCommand io_commands_session[];
extern const IoCommand io_commands_break[];
extern const IoCommand io_commands_reopen[];

/** io_run_line: one command line. False: it failed. */
bool io_run_line(Io *io, const char *line);
/** io_print_help: of one command or, with NULL, of all. */
bool io_print_help(const char *name);
/** io_wait_aio: for all asynchronous requests. */
void io_wait_aio(Io *io);
/** io_end_requests: wait for them, and let go on what a break has stopped. */
void io_end_requests(Io *io);
/** io_close: the image, after requests in flight. */
void io_close(Io *io);
/** io_open: Errors are printed. */
bool io_open(Io *io, const ToolImage *image);

/** io_discard: what -d means: *@ret: are discards passed on? @mode: nullable.
 *  False: a message was printed. */
bool io_discard(const char *mode, bool *ret);

/* -- numbers and text (io-text.c); pure but for io_parse ---------------------- */

/** io_size_text: "1.938 MiB"; g_free(). */
char *io_size_text(double value);
/** io_parse_bytes: a size; prints a message that names it @what. */
bool io_parse_bytes(const char *text, const char *what, int64_t *ret);
/** io_dump: -v: lines of 16 bytes; g_free(). */
char *io_dump(const uint8_t *buf, int64_t offset, size_t len);
/**
 * io_report: what a request did, and how fast; g_free().
 * @op: "read", "wrote"
 * @machine: -C
 */
char *io_report(const char *op, int64_t ns, int64_t offset, int64_t count,
                int64_t total, int ops, bool machine);
/** io_has_pattern: are all @len bytes @pattern? */
bool io_has_pattern(const uint8_t *buf, uint8_t pattern, size_t len);

/* -- requests ----------------------------------------------------------------- */

typedef enum IoOp {
    IO_READ,
    IO_WRITE,
    IO_ZEROES,
    IO_DISCARD,
    IO_FLUSH,
    IO_LOAD_VMSTATE,
    IO_SAVE_VMSTATE,
} IoOp;

typedef struct IoRequest {
    Io *io;
    IoOp op;
    int64_t offset;
    int64_t bytes;
    QEMUIOVector *qiov;
    BlkRequestFlags flags;
} IoRequest;

/** io_run_co: run @entry(@opaque) as a coroutine and wait for its end. A signal
 *  lets it go on where a break has stopped it. Returns: what @entry does. */
int io_run_co(Io *io, int coroutine_fn (*entry)(void *opaque), void *opaque);

/** io_request_co: Returns: 0 or -errno. */
int coroutine_fn io_request_co(void *request);
/** io_request: the same, waiting. */
int io_request(IoRequest *request);

/**
 * io_make_buffer:
 * @lengths: words, one for each element
 * @pattern: what it is filled with
 *
 * Memory for readv and writev: @qiov's elements are parts of it.
 * Returns: g_aligned_free(); NULL: a message was printed.
 */
uint8_t *io_make_buffer(QEMUIOVector *qiov, int n, const char **lengths,
                        int pattern);

/* The pattern of -P; a number from 0 to 255. */
#define IO_OPTION_PATTERN(T, text)                                             \
    {                                                                          \
        'P', NULL, TOOL_NUMBER, offsetof(T, pattern), "PATTERN", text, 0, 255  \
    }
#define IO_FLAG(T, letter, field, text)                                        \
    {                                                                          \
        letter, NULL, TOOL_FLAG, offsetof(T, field), NULL, text, 0, 0          \
    }

#endif
