/*
 * JSONWriter: JSON text as a stream of calls, for descriptions that are made
 * while device states are captured. A guest stands still meanwhile: so a call
 * notes what it is about and no more, and the text is made of the notes
 * when it is asked for, at any later time.
 *
 * Names and strings are program constants, or copied on request. They are
 * expected to be UTF-8; quotes and control characters are escaped.
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
/** json_writer_text: (transfer full) text of *@len bytes and a NUL. */
char *json_writer_text(const JSONWriter *w, size_t *len);

/* @name: of the member, a constant; NULL in arrays and outermost. */
void json_writer_start_object(JSONWriter *w, const char *name);
void json_writer_end_object(JSONWriter *w);
void json_writer_start_array(JSONWriter *w, const char *name);
void json_writer_end_array(JSONWriter *w);
void json_writer_str(JSONWriter *w, const char *name, const char *value);
/** json_writer_str_dup: @value need not stay. */
void json_writer_str_dup(JSONWriter *w, const char *name, const char *value);
void json_writer_int64(JSONWriter *w, const char *name, int64_t value);
void json_writer_bool(JSONWriter *w, const char *name, bool value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(JSONWriter, json_writer_free)

#endif
