/*
 * JSONWriter: see vmstate-json.h. The state is one string and whether the
 * next value needs a comma before it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "vmstate-json.h"

#define JSON_INITIAL_BYTES (64 * 1024)
#define JSON_INDENT        4

struct JSONWriter {
    GString *text;
    bool pretty;
    bool need_comma;
    unsigned depth;
};

JSONWriter *json_writer_new(bool pretty)
{
    JSONWriter *w = g_new0(JSONWriter, 1);

    w->text = g_string_sized_new(JSON_INITIAL_BYTES);
    w->pretty = pretty;
    return w;
}

void json_writer_free(JSONWriter *w)
{
    if (w) {
        g_string_free(w->text, TRUE);
        g_free(w);
    }
}

const char *json_writer_get(const JSONWriter *w)
{
    return w->text->str;
}

size_t json_writer_len(const JSONWriter *w)
{
    return w->text->len;
}

char *json_writer_steal(JSONWriter *w, size_t *len)
{
    char *text;

    *len = w->text->len;
    text = g_string_free(w->text, FALSE);
    g_free(w);
    return text;
}

static void json_put_string(JSONWriter *w, const char *s)
{
    g_string_append_c(w->text, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\') {
            g_string_append_c(w->text, '\\');
            g_string_append_c(w->text, (char)c);
        } else if (c < 0x20) {
            g_string_append_printf(w->text, "\\u%04x", c);
        } else {
            g_string_append_c(w->text, (char)c);
        }
    }
    g_string_append_c(w->text, '"');
}

static void json_new_line(JSONWriter *w)
{
    if (w->pretty) {
        g_string_append_printf(w->text, "\n%*s", (int)(w->depth * JSON_INDENT),
                               "");
    }
}

/* What stands before a value: comma, line break, name. */
static void json_lead(JSONWriter *w, const char *name)
{
    if (w->need_comma) {
        g_string_append(w->text, w->pretty ? "," : ", ");
    }
    w->need_comma = true;
    if (w->depth > 0) {
        json_new_line(w);
    }
    if (name) {
        json_put_string(w, name);
        g_string_append(w->text, ": ");
    }
}

static void json_start(JSONWriter *w, const char *name, char bracket)
{
    json_lead(w, name);
    g_string_append_c(w->text, bracket);
    w->depth++;
    w->need_comma = false;
}

static void json_end(JSONWriter *w, char bracket)
{
    g_assert(w->depth > 0);
    w->depth--;
    if (w->need_comma) { /* not empty */
        json_new_line(w);
    }
    g_string_append_c(w->text, bracket);
    w->need_comma = true;
}

void json_writer_start_object(JSONWriter *w, const char *name)
{
    json_start(w, name, '{');
}

void json_writer_end_object(JSONWriter *w)
{
    json_end(w, '}');
}

void json_writer_start_array(JSONWriter *w, const char *name)
{
    json_start(w, name, '[');
}

void json_writer_end_array(JSONWriter *w)
{
    json_end(w, ']');
}

void json_writer_str(JSONWriter *w, const char *name, const char *value)
{
    json_lead(w, name);
    json_put_string(w, value);
}

void json_writer_int64(JSONWriter *w, const char *name, int64_t value)
{
    char digits[24];

    json_lead(w, name);
    g_snprintf(digits, sizeof(digits), "%" PRId64, value);
    g_string_append(w->text, digits);
}

void json_writer_bool(JSONWriter *w, const char *name, bool value)
{
    json_lead(w, name);
    g_string_append(w->text, value ? "true" : "false");
}
