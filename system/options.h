/*
 * What the option table shares inside this folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_OPTIONS_H
#define SYSTEM_OPTIONS_H

#include "config.h"

typedef enum OptionKind {
    OPT_FLAG,    /* bool at offset becomes true */
    OPT_STRING,  /* char * at offset; the last one wins */
    OPT_LIST,    /* GPtrArray * at offset gets the text */
    OPT_KEYVAL,  /* json_t * object at offset, merged */
    OPT_SECTION, /* headline of -help; no option */
    OPT_CUSTOM,  /* handle() */
} OptionKind;

/* A key of a key=value option, for help and query-command-line-options. */
typedef struct OptionKey {
    const char *name;
    const char *type; /* "string", "boolean", "number" or "size" */
    const char *help;
} OptionKey;

typedef struct OptionDef OptionDef;
struct OptionDef {
    const char *name;
    OptionKind kind;
    size_t offset;
    const char *params; /* NULL: the option takes no value */
    const char *help;
    const char *implied_key; /* OPT_KEYVAL */
    const OptionKey *keys;   /* or NULL */
    ParseResult (*handle)(SystemConfig *c, const OptionDef *def,
                          const char *value, Error **errp);
    char *(*text)(void); /* `help` as value prints this; or NULL */
};

/* option-table.c; ends with name NULL. */
extern const OptionDef option_table[];

/** options_print_help: what -help prints. */
void options_print_help(void);

/** options_print_keys: what `-NAME help` prints for a key=value option. */
void options_print_keys(const char *name);

/**
 * options_read_config:
 * @path: (in) ini file with sections such as [chardev "id"]
 *
 * Handle each section as one option (-readconfig).
 */
ParseResult options_read_config(SystemConfig *config, const char *path,
                                Error **errp);

#endif
