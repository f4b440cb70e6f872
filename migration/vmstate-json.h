/*
 * JSONWriter: JSON text as a stream of calls, for descriptions that are
 * written while device states are captured. No tree is built; a pause is
 * being measured.
 *
 * Names and strings are program constants and section names: text that is
 * not valid UTF-8 is not expected; quotes and control characters are escaped.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_VMSTATE_JSON_H
#define MIGRATION_VMSTATE_JSON_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct JSONWriter JSONWriter;

/** json_writer_new: @pretty: with line breaks and indents. */
JSONWriter *json_writer_new(bool pretty);
/** json_writer_free: accepts NULL. */
void json_writer_free(JSONWriter *w);
/** json_writer_get: the text so far; borrowed. */
const char *json_writer_get(const JSONWriter *w);
/** json_writer_len: its bytes. */
size_t json_writer_len(const JSONWriter *w);
/** json_writer_steal: (transfer full) text of @len bytes; @w is freed. */
char *json_writer_steal(JSONWriter *w, size_t *len);

/* @name: of the member; NULL in arrays and outermost. */
void json_writer_start_object(JSONWriter *w, const char *name);
void json_writer_end_object(JSONWriter *w);
void json_writer_start_array(JSONWriter *w, const char *name);
void json_writer_end_array(JSONWriter *w);
void json_writer_str(JSONWriter *w, const char *name, const char *value);
void json_writer_int64(JSONWriter *w, const char *name, int64_t value);
void json_writer_bool(JSONWriter *w, const char *name, bool value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(JSONWriter, json_writer_free)

#endif
