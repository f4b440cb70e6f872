/*
 * What ferry-img and ferry-io share: command lines as tables, the life of the
 * program, opening images, and the progress line.
 *
 * Thread: main.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_TOOL_COMMON_H
#define TOOLS_TOOL_COMMON_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block/block-backend.h"
#include "block/node-snapshot.h"
#include "block/progress-rate.h"
#include "block/progress.h"
#include "util/thread.h"

/* -- command lines (tool-options.c); pure ---------------------------------- */

typedef enum ToolOptionKind {
    TOOL_FLAG,   /* bool */
    TOOL_STRING, /* const char *, borrowed; the last one counts */
    TOOL_LIST,   /* GPtrArray * of const char *, borrowed; NULL if not given */
    TOOL_SIZE,   /* ToolSize: bytes with a suffix */
    TOOL_NUMBER, /* ToolSize: plain number */
    TOOL_STEP,   /* GArray * of ToolStep: several options in their order; with
                    an argument if ToolOption.arg says so */
} ToolOptionKind;

typedef struct ToolStep {
    const char *name; /* of the option */
    const char *arg;  /* or NULL; borrowed */
} ToolStep;

typedef struct ToolSize {
    bool given;
    uint64_t value;
} ToolSize;

/* One option of a command; a table ends with kind FLAG, no letter, no name. */
typedef struct ToolOption {
    char letter;      /* 0: only the long name */
    const char *name; /* NULL: only the letter */
    ToolOptionKind kind;
    size_t offset;   /* in the struct that tool_options_parse() fills */
    const char *arg; /* for help: "FMT" */
    const char *help;
    uint64_t min; /* SIZE, NUMBER; */
    uint64_t max; /* 0: INT64_MAX */
} ToolOption;

/**
 * tool_options_parse:
 * @table: the options
 * @argc, @argv: (in) words after the command's name; borrowed while @args is
 *        in use
 * @args: (inout) struct of the table's offsets, zeroed or with defaults
 * @positional: (inout) array of const char *: what is no option
 * @ret_help: (out) -h or --help was there; then nothing else counts
 *
 * As getopt_long(): "-pq", "-fqcow2", "-f qcow2", "--output=json", "--".
 * A minus sign before a digit begins no option, so that "-1G" is a size.
 *
 * Errors: unknown option; missing, superfluous or malformed argument.
 */
bool tool_options_parse(const ToolOption *table, int argc, char **argv,
                        void *args, GPtrArray *positional, bool *ret_help,
                        Error **errp);
/** tool_options_free: what parsing allocated in @args. */
void tool_options_free(const ToolOption *table, void *args);
/** tool_options_help: a line for each option; g_free(). */
char *tool_options_help(const ToolOption *table);

/** tool_parse_size: "64k"; @what names it in messages: "image size". */
bool tool_parse_size(const char *text, const char *what, uint64_t max,
                     uint64_t *ret, Error **errp);

/* -- the progress line (tool-progress.c) ----------------------------------- */

/**
 * tool_progress_line:
 * @current, @total: bytes or whatever
 * @rate: (nullable) how fast it goes
 * @unit_is_bytes: rates make sense
 * @is_terminal: add rate and time left, pad with blanks
 *
 * "    (12.34/100%)", which is what programs look for. Pure.
 */
char *tool_progress_line(uint64_t current, uint64_t total,
                         const ProgressRate *rate, bool unit_is_bytes,
                         bool is_terminal);

/* -- the program (tool-main.c) --------------------------------------------- */

typedef struct ToolProgressBar ToolProgressBar;

typedef struct Tool {
    const char *name;
    AioContext *ctx;
    BlockProgress progress; /* of the one piece of work; SIGINT cancels it */
    ToolProgressBar *bar;   /* while it is shown */
    bool quiet;
    bool interrupted;
    bool print_wanted; /* SIGUSR1 came before there was a bar */
    QemuThread signal_thread;
    bool signal_heard; /* atomic: by the loop */
    bool signal_stop;  /* atomic: the thread ends */
} Tool;

/** tool_init: loop, classes, signals. False: a message was printed. */
bool tool_init(Tool *tool, const char *name);
/** tool_cleanup: close everything that is left. */
void tool_cleanup(Tool *tool);
/** tool_add_objects: --object. @list: (nullable) of const char *. */
bool tool_add_objects(const GPtrArray *list, Error **errp);
/** tool_report: print @err with the program's name before it, and free it. */
void tool_report(Error *err);
/** tool_printf: to stdout, but not with -q. */
void tool_printf(Tool *tool, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/** tool_trace: switch on trace events; "enable=" before it has no effect. */
void tool_trace(const char *pattern);
/** tool_trace_option: argv[*@i] is -T PATTERN or --trace=PATTERN; moves *@i to
 *  its last word. False: it is not, or is wrong; a message was printed. */
bool tool_trace_option(int argc, char **argv, int *i);

/** tool_progress_start: show tool->progress from now on if @show. */
void tool_progress_start(Tool *tool, bool show, bool unit_is_bytes);
/** tool_progress_end: a last line, of 100 % if @ok. */
void tool_progress_end(Tool *tool, bool ok);

/**
 * ToolCommand: one of several commands, `ferry-img info`.
 * @args_size: of the struct that @options fill
 * @run: exit status. What --object names exists by then
 */
typedef struct ToolCommand {
    const char *name;
    const char *synopsis; /* "[OPTION]... FILE" */
    const char *help;     /* one phrase */
    const char *more;     /* (nullable) paragraphs for --help */
    const ToolOption *options;
    size_t args_size;
    int min_positional;
    int max_positional; /* -1: any number */
    int (*run)(Tool *tool, void *args, int npos, const char **pos);
} ToolCommand;

/** tool_run_command: parse and run. Returns: exit status. */
int tool_run_command(Tool *tool, const ToolCommand *cmd, int argc, char **argv);

/* -- images (tool-open.c) -------------------------------------------------- */

/**
 * ToolImage: how to open an image.
 * @filename: file name, or options if @image_opts
 * @format: (nullable) NULL: by its contents
 * @cache: (nullable) "none", "writeback", "writethrough", "directsync",
 *         "unsafe"; NULL: writeback
 * @aio: (nullable) "threads", "native", "io_uring", of a file
 * @more: (nullable) further options of the node, JSON values
 * @flags: NodeOpenFlags
 */
typedef struct ToolImage {
    const char *filename;
    const char *format;
    const char *cache;
    const char *aio;
    const json_t *more;
    bool image_opts;
    bool writable;
    bool force_share; /* -U */
    bool discard;     /* unmap */
    bool temporary;   /* what is written is gone at the end: -s */
    bool copy_on_read;
    unsigned flags;
} ToolImage;

/* What a cache mode means. */
typedef struct ToolCacheMode {
    bool direct;
    bool no_flush;
    bool write_cache;
} ToolCacheMode;

/** tool_cache_mode: of the names that ToolImage.cache may have. */
bool tool_cache_mode(const char *name, ToolCacheMode *ret, Error **errp);

/** tool_open: (transfer full) a backend of its own, or NULL. */
BlockBackend *tool_open(Tool *tool, const ToolImage *image, Error **errp);
/** tool_format_name: driver of the topmost node that is no filter. */
const char *tool_format_name(BlockBackend *blk);

/* -- snapshots inside an image (tool-snapshot.c) ----------------------------- */

/** tool_can_snapshot: Errors: @node's format has none. */
bool tool_can_snapshot(BlockNode *node, Error **errp);
/** tool_find_snapshot: (transfer full) the one whose ID, else whose name, is
 *  @text. Errors: there is none; the format has none. */
SnapshotInfo *tool_find_snapshot(BlockNode *node, const char *text,
                                 Error **errp);
/** tool_load_snapshot: show what one has; @node is read-only. @text: what
 *  options -l take: as above, or "snapshot.id=ID,snapshot.name=NAME", or one of
 *  the two. */
bool tool_load_snapshot(BlockNode *node, const char *text, Error **errp);

/* -- JSON ------------------------------------------------------------------------ */

/** tool_print_json: @value, indented, as QEMU's tools do. */
void tool_print_json(const json_t *value);

/** tool_parse_create_options: -o given any number of times: "a=1,b.c=2".
 *  @ret_help: (out) `help` was among them. Returns: (transfer full). */
json_t *tool_parse_create_options(const GPtrArray *list, bool *ret_help,
                                  Error **errp);

#endif
