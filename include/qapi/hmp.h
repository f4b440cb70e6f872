/*
 * The human monitor's commands: tables in the folders that implement them.
 *
 * Each folder exports `const HMPCommand <folder>_hmp_commands[]` and, for
 * "info", `<folder>_hmp_info[]`; system/ joins the tables. The monitor
 * parses the line by @args, checks types, prints help and completes names;
 * a handler gets a JSON object with one member for each parameter.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_HMP_H
#define QAPI_HMP_H

#include <stdarg.h>

#include "qapi/json.h"
#include "util/error.h"

typedef struct HMPContext HMPContext;
typedef struct HMPCommand HMPCommand;

/**
 * HMPHandler:
 * @ctx: (in) where output goes; borrowed
 * @args: (in) object with the parameters that were given; borrowed
 *
 * Thread: the main loop's, unless the command has HMP_COROUTINE.
 */
typedef void HMPHandler(HMPContext *ctx, json_t *args);

/**
 * HMPComplete:
 * @ctx: (in) use hmp_add_completion()
 * @arg_index: which argument is being typed, 0 = the first
 * @text: (in) what is there so far
 */
typedef void HMPComplete(HMPContext *ctx, int arg_index, const char *text);

typedef enum HMPFlags {
    HMP_NO_FLAGS = 0,
    HMP_PRECONFIG = 1u << 0, /* allowed before machine initialisation */
    HMP_COROUTINE = 1u << 1, /* runs in a coroutine of the main loop */
} HMPFlags;

/*
 * One command; a table ends with name NULL.
 *
 * @args is a list "name:type,...", type being
 *   s  a word or "quoted text"           S  the rest of the line
 *   F  a file name                       B  the name of a block device
 *   i  32-bit integer expression         l  64-bit integer expression
 *   o  size with suffix (M without)      M  size in MiB (integer)
 *   T  time in seconds with us/ms/s      b  on or off
 *   O  key=value,... list (the members join the object)
 *   -x a flag "-x" (boolean)             /  format "/nfmt"
 *   -xs a flag "-x" with a word behind it (text)
 * and '?' behind the type for an optional one.
 */
struct HMPCommand {
    const char *name;
    const char *aliases; /* "q|exit", or NULL */
    const char *args;    /* "" = none */
    const char *params;  /* how help shows the arguments */
    const char *help;    /* one line */
    HMPHandler *handler;
    HMPComplete *complete;       /* or NULL */
    const HMPCommand *sub_table; /* or NULL: "info" and its like */
    HMPFlags flags;
};

/*
 * Where a command's output goes. Embedded in the monitor's own struct; the
 * handler uses only the functions below.
 */
struct HMPContext {
    /* mandatory */
    void (*vprintf)(HMPContext *ctx, const char *fmt, va_list ap);
    /* optional: only while completing */
    void (*add_completion)(HMPContext *ctx, const char *text);
    void *opaque;
};

/** hmp_printf: print to the monitor; lines end with '\n'. */
void hmp_printf(HMPContext *ctx, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void hmp_vprintf(HMPContext *ctx, const char *fmt, va_list ap)
    G_GNUC_PRINTF(2, 0);

/**
 * hmp_handle_error:
 * @err: (in) owned by this call, or NULL for success
 *
 * Print "Error: ..." with the hint.
 *
 * Returns: true if there was an error.
 */
bool hmp_handle_error(HMPContext *ctx, Error *err);

/** hmp_add_completion: offer @text; does nothing outside completion. */
void hmp_add_completion(HMPContext *ctx, const char *text);

/* Arguments; the monitor has checked the types. NULL or @def if not given. */
const char *hmp_arg_str(json_t *args, const char *name);
int64_t hmp_arg_int(json_t *args, const char *name, int64_t def);
bool hmp_arg_bool(json_t *args, const char *name, bool def);

#endif
