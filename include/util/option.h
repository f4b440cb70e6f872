/*
 * Options with a list of allowed parameters, for command line options where
 * the key=value syntax (util/keyval.h) does not fit: legacy spellings with
 * bare flags ("server,nowait") and values of known types.
 *
 * A QemuOptsList is constant data; parsed values live in a QemuOpts, which
 * the caller owns. There is no global list of option groups.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_OPTION_H
#define UTIL_OPTION_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/typedefs.h"

typedef enum QemuOptType {
    QEMU_OPT_STRING,
    QEMU_OPT_BOOL,   /* on/off; as a bare word also "name" and "noname" */
    QEMU_OPT_NUMBER, /* uint64_t, decimal, hex or octal */
    QEMU_OPT_SIZE,   /* uint64_t with suffix */
} QemuOptType;

typedef struct QemuOptDesc {
    const char *name; /* NULL ends the list */
    QemuOptType type;
    const char *help;
    const char *def_value_str; /* for help and qemu_opt_get_*() */
} QemuOptDesc;

typedef struct QemuOptsList {
    const char *name;             /* of the group: "chardev" */
    const char *implied_opt_name; /* of a first value without '=', or NULL */
    const QemuOptDesc *desc;      /* NULL: anything is allowed */
} QemuOptsList;

typedef struct QemuOpts QemuOpts;

/* As TYPED in util/keyval.h; one option list is at most this long. */
#define OPTS_TEXT_MAX_BYTES (1024 * 1024)

/**
 * get_opt_value:
 * @p: text after a '='
 * @value: (out) value with ",," made ","; free with g_free()
 *
 * Returns: the ',' that ended the value, or the end of the text.
 */
const char *get_opt_value(const char *p, char **value);

/**
 * qemu_opts_parse:
 * @list: (in) what is allowed; borrowed for the life of the result
 * @params: (in) "k=v,k=v,flag,noflag,id=x"
 * @permit_abbrev: the first value may leave out list->implied_opt_name=
 * @errp: (out) set when the return is NULL
 *
 * Later values replace earlier ones for the getters; `id` is split off.
 * Returns: options, free with qemu_opts_free().
 * Errors: unknown parameter, bad value, malformed id, a limit.
 */
QemuOpts *qemu_opts_parse(const QemuOptsList *list, const char *params,
                          bool permit_abbrev, Error **errp);

/** qemu_opts_new: an empty set; @id may be NULL. */
QemuOpts *qemu_opts_new(const QemuOptsList *list, const char *id, Error **errp);
/** qemu_opts_free: accepts NULL. */
void qemu_opts_free(QemuOpts *opts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuOpts, qemu_opts_free)

/** qemu_opts_id: borrowed, or NULL. */
const char *qemu_opts_id(const QemuOpts *opts);

/** has_help_option: is "help" or "?" one of the comma separated words? */
bool has_help_option(const char *params);
/** is_help_option: is @s "help" or "?"? */
bool is_help_option(const char *s);

/** qemu_opt_set: checked against the list. */
bool qemu_opt_set(QemuOpts *opts, const char *name, const char *value,
                  Error **errp);
bool qemu_opt_unset(QemuOpts *opts, const char *name);

/* Getters: the value, or the list's default, or @defval. */
const char *qemu_opt_get(const QemuOpts *opts, const char *name);
bool qemu_opt_get_bool(const QemuOpts *opts, const char *name, bool defval);
uint64_t qemu_opt_get_number(const QemuOpts *opts, const char *name,
                             uint64_t defval);
uint64_t qemu_opt_get_size(const QemuOpts *opts, const char *name,
                           uint64_t defval);
/** qemu_opt_is_given: was it in the text (a default does not count)? */
bool qemu_opt_is_given(const QemuOpts *opts, const char *name);

/**
 * qemu_opt_foreach: each given value in order, also replaced ones; a false
 * return of @fn ends it and is returned.
 */
bool qemu_opt_foreach(const QemuOpts *opts,
                      bool (*fn)(void *opaque, const char *name,
                                 const char *value, Error **errp),
                      void *opaque, Error **errp);

/** qemu_opts_to_json: strings, plus "id" if there is one. */
json_t *qemu_opts_to_json(const QemuOpts *opts);
/** qemu_opts_help: text of "name=<type> - help" lines; g_free(). */
char *qemu_opts_help(const QemuOptsList *list);
/** qemu_opt_type_name: "string", "boolean", "number", "size". */
const char *qemu_opt_type_name(QemuOptType type);

/** parse_option_size: for messages "parameter 'NAME' expects a size". */
bool parse_option_size(const char *name, const char *value, uint64_t *ret,
                       Error **errp);
bool parse_option_number(const char *name, const char *value, uint64_t *ret,
                         Error **errp);

#endif
