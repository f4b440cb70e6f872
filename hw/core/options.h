/*
 * Reading options that may come as text (from a command line) or typed (from
 * JSON).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_OPTIONS_H
#define HW_CORE_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/typedefs.h"

/** options_as_text: (transfer full) copy of @opts in which every number and
 *  boolean is text, as keyval options are. */
json_t *options_as_text(const json_t *opts);

/**
 * options_get_size / options_get_uint / options_get_string:
 * @opts: (nullable) object
 * @unit: factor of a size given as text without suffix
 * @ret: (out) unchanged if @key is not there
 *
 * Returns: false if the value cannot be read.
 */
bool options_get_size(const json_t *opts, const char *key, uint64_t unit,
                      uint64_t *ret, Error **errp);
bool options_get_uint(const json_t *opts, const char *key, unsigned *ret,
                      Error **errp);
bool options_get_string(const json_t *opts, const char *key, const char **ret,
                        Error **errp);

/** options_check_known: refuses a key of @opts that is not in @known (ends
 *  with NULL); @what names the option for the message ("-m"). */
bool options_check_known(const json_t *opts, const char *const *known,
                         const char *what, Error **errp);

#endif
