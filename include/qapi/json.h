/*
 * JSON values: jansson's json_t, with what QMP needs beside it.
 *
 * Where the public QEMU interface says QObject, QDict or QList, Ferry says
 * json_t. Three things are added to jansson: automatic release, limits that
 * are checked before anything is allocated, and integers above INT64_MAX.
 *
 * Integers: jansson's are signed 64-bit, QAPI's 'uint64' and 'size' are not.
 * json_uint64() keeps a larger value as a string that begins with the byte
 * 0xff. No text can produce such a string, because invalid UTF-8 is refused;
 * qobject_to_json() prints it as the plain number. The value goes unharmed
 * through json_deep_copy() and json_equal().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_JSON_H
#define QAPI_JSON_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/typedefs.h"

/* The public interface's names of a JSON value and of JSON null. */
typedef json_t QObject;
typedef json_t QNull;

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* What kind of JSON value something is; alternates switch on it. */
typedef enum QType {
    QTYPE_NONE,
    QTYPE_QNULL,
    QTYPE_QNUM,
    QTYPE_QSTRING,
    QTYPE_QDICT,
    QTYPE_QLIST,
    QTYPE_QBOOL,
    QTYPE__MAX,
} QType;

/* Limits on JSON text from outside, as QMP documents them. */
#define JSON_TEXT_MAX_BYTES  (64 * 1024 * 1024)
#define JSON_TEXT_MAX_DEPTH  1024
#define JSON_TEXT_MAX_TOKENS (2 * 1024 * 1024)

/**
 * qobject_type:
 * @obj: (in) value, borrowed; NULL gives QTYPE_NONE
 *
 * A value made by json_uint64() is QTYPE_QNUM, whatever holds it.
 */
QType qobject_type(const json_t *obj);

/** qtype_name: "null", "number", "string", "object", "array", "boolean". */
const char *qtype_name(QType type);

/**
 * json_uint64:
 * @value: any value
 *
 * Returns: a new reference: a JSON integer up to INT64_MAX, above that the
 * form described at the top of this file.
 */
json_t *json_uint64(uint64_t value);

/**
 * json_get_uint64:
 * @obj: (in) value, borrowed
 * @ret: (out) set when the return is true
 *
 * Returns: true if @obj is an integer in [0, UINT64_MAX].
 */
bool json_get_uint64(const json_t *obj, uint64_t *ret);

/**
 * json_is_uint64_big: is @obj an integer above INT64_MAX?
 * @obj: (in) value, borrowed
 */
bool json_is_uint64_big(const json_t *obj);

/**
 * json_parse_text:
 * @text: (in) @len bytes of JSON, borrowed; any JSON value, not only objects
 * @len: length in bytes
 * @errp: (out) set when the return is NULL
 *
 * Parse strict JSON: a key may occur once in an object, strings are valid
 * UTF-8, U+0000 is allowed, nothing may follow the value. Integers up to
 * UINT64_MAX are exact.
 *
 * Limit: JSON_TEXT_MAX_BYTES, JSON_TEXT_MAX_DEPTH, JSON_TEXT_MAX_TOKENS.
 * Source: RFC 8259.
 * Returns: a new reference, or NULL.
 * Errors: syntax, a limit, a number out of range.
 */
json_t *json_parse_text(const char *text, size_t len, Error **errp);

/**
 * qobject_from_json:
 * @string: (in) JSON text, borrowed; single quotes serve as well as double
 * @errp: (out) set when the return is NULL
 *
 * As json_parse_text(), for text that a person wrote: strings may stand in
 * single quotes, as in QMP input.
 *
 * Returns: a new reference, or NULL.
 */
json_t *qobject_from_json(const char *string, Error **errp);

/**
 * qobject_to_json_pretty:
 * @obj: (in) value, borrowed
 * @pretty: indent by four blanks a level
 *
 * Print @obj in plain ASCII; other characters become \u escapes. Object
 * members keep their order.
 *
 * Returns: the text, owned by the caller.
 */
GString *qobject_to_json_pretty(const json_t *obj, bool pretty);

/** qobject_to_json: the same on one line. */
GString *qobject_to_json(const json_t *obj);

/**
 * json_string_has_nul: does the JSON string @obj contain U+0000?
 * @obj: (in) a JSON string, borrowed
 */
bool json_string_has_nul(const json_t *obj);

#endif
