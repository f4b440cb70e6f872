/*
 * The key=value,... syntax of the command line.
 *
 *     text   = [ pair *( "," pair ) [ "," ] ]
 *     pair   = key "=" value | value (first pair, with an implied key) | help
 *     key    = part *( "." part )
 *     part   = name or decimal index
 *
 * A comma in a value is written ",,". "a.b=1,a.c=2" is an object in an
 * object; "a.0=x,a.1=y" is an array, whose indexes must be 0 .. n-1. A later
 * pair with the same key replaces the earlier one. Leaves are strings.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_KEYVAL_H
#define UTIL_KEYVAL_H

#include <jansson.h>
#include <stdbool.h>

#include "util/typedefs.h"

#define KEYVAL_TEXT_MAX_BYTES (16 * 1024 * 1024)
#define KEYVAL_KEY_PART_MAX   127 /* bytes in one part of a key */
#define KEYVAL_DEPTH_MAX      32  /* parts in a key */
#define KEYVAL_ARRAY_MAX      65536

/**
 * keyval_parse:
 * @params: (in) text; borrowed
 * @implied_key: key of a first value that has no '='; NULL: none
 * @p_help: (out) set to whether "help" or "?" was among the pairs; NULL: help
 *          is an error
 * @errp: (out) set when the return is NULL
 *
 * Thread: any. Limit: see above.
 * Returns: JSON object, owned by the caller; NULL on error.
 * Errors: bad key, a key that is both leaf and object, array with a gap,
 * value that is not UTF-8, a limit.
 */
json_t *keyval_parse(const char *params, const char *implied_key, bool *p_help,
                     Error **errp);

/**
 * keyval_parse_into:
 * @qdict: (in) object with what was parsed before, from this function;
 *         changed even when the call fails
 *
 * As keyval_parse(), but add to @qdict. Arrays come out as objects with
 * numeric keys, until keyval_finish().
 *
 * Returns: @qdict, borrowed, or NULL.
 */
json_t *keyval_parse_into(json_t *qdict, const char *params,
                          const char *implied_key, bool *p_help, Error **errp);

/**
 * keyval_finish:
 * @qdict: (in) from keyval_parse_into(); taken
 *
 * Turn objects with numeric keys into arrays.
 * Returns: the new value, owned by the caller; NULL on error.
 */
json_t *keyval_finish(json_t *qdict, Error **errp);

/**
 * keyval_merge:
 * @dest: (in) JSON object, changed
 * @merged: (in) JSON object, borrowed
 *
 * Add the members of @merged to @dest: objects are merged, arrays appended,
 * strings replaced.
 * Returns: false when the two differ in kind; @dest is then half merged.
 */
bool keyval_merge(json_t *dest, const json_t *merged, Error **errp);

#endif
