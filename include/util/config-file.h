/*
 * Configuration files of -readconfig:
 *
 *     # comment
 *     [group "id"]        ("id" is optional)
 *       key = "value"
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_CONFIG_FILE_H
#define UTIL_CONFIG_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/typedefs.h"

#define CONFIG_FILE_MAX_BYTES (16 * 1024 * 1024)

/**
 * ConfigGroupFn:
 * @group: name of the section
 * @id: its id, or NULL
 * @opts: (in) JSON object, keys as written, values are strings; with @id as
 *        member "id"; keep it with json_incref()
 * @opaque: as given
 * @errp: (out) set when the return is false
 *
 * Called at the end of each section, in the file's order.
 * Returns: false to stop.
 */
typedef bool(ConfigGroupFn)(const char *group, const char *id, json_t *opts,
                            void *opaque, Error **errp);

/**
 * config_file_read:
 * @path: file to read
 *
 * Limit: CONFIG_FILE_MAX_BYTES.
 * Errors: reading; syntax (names file and line); whatever @fn says, with
 * file and line of the section before it.
 */
bool config_file_read(const char *path, ConfigGroupFn *fn, void *opaque,
                      Error **errp);

/** config_file_parse: the same from @len bytes of @text; @name for errors. */
bool config_file_parse(const char *name, const char *text, size_t len,
                       ConfigGroupFn *fn, void *opaque, Error **errp);

#endif
