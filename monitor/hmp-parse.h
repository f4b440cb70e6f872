/*
 * Parsing of human monitor lines: words, and arguments by a command's table.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MONITOR_HMP_PARSE_H
#define MONITOR_HMP_PARSE_H

#include "qapi/hmp.h"

/**
 * hmp_command_find:
 * @tables: (in) tables, ends with NULL
 * @name: (in) name or alias
 *
 * Returns: (transfer none) the command, or NULL.
 */
const HMPCommand *hmp_command_find(const HMPCommand *const *tables,
                                   const char *name);

/**
 * hmp_word:
 * @p: (inout) cursor in a line; moved behind the word and the blanks
 * @errp: (out) set on failure
 *
 * Take one word, or a text in double quotes with \n \r \t \\ \" \'.
 *
 * Returns: (transfer full) the word; NULL at the end of the line without
 * @errp set, or on error with it set.
 */
char *hmp_word(const char **p, Error **errp);

/**
 * hmp_parse_args:
 * @cmd: (in) command
 * @p: (in) the line behind the command's name
 *
 * Returns: (transfer full) object with the arguments; NULL on error.
 * Errors: missing, superfluous or malformed argument.
 */
json_t *hmp_parse_args(const HMPCommand *cmd, const char *p, Error **errp);

#endif
