/*
 * JSON values to text: plain ASCII, members in their order, shortest form of
 * a number that reads back as the same one.
 *
 * jansson's own printer is not used because it does not know integers above
 * INT64_MAX (see qapi/json.h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"

typedef struct Writer {
    GString *out;
    bool pretty;
    unsigned level;
} Writer;

static void write_value(Writer *w, const json_t *obj);

static void write_escaped(GString *out, gunichar ch)
{
    switch (ch) {
    case '"':
        g_string_append(out, "\\\"");
        return;
    case '\\':
        g_string_append(out, "\\\\");
        return;
    case '\b':
        g_string_append(out, "\\b");
        return;
    case '\f':
        g_string_append(out, "\\f");
        return;
    case '\n':
        g_string_append(out, "\\n");
        return;
    case '\r':
        g_string_append(out, "\\r");
        return;
    case '\t':
        g_string_append(out, "\\t");
        return;
    default:
        break;
    }
    if (ch >= 0x10000) {
        /* RFC 8259 7: a pair of UTF-16 surrogates */
        ch -= 0x10000;
        g_string_append_printf(out, "\\u%04X\\u%04X", 0xD800 + (ch >> 10),
                               0xDC00 + (ch & 0x3FF));
    } else {
        g_string_append_printf(out, "\\u%04X", ch);
    }
}

static void write_string(GString *out, const char *text, size_t len)
{
    const char *end = text + len;

    g_string_append_c(out, '"');
    while (text < end) {
        const char *start = text;
        gunichar ch;

        while (text < end && (unsigned char)*text >= ' ' &&
               (unsigned char)*text < 0x7f && *text != '"' && *text != '\\') {
            text++;
        }
        g_string_append_len(out, start, text - start);
        if (text == end) {
            break;
        }
        ch = *text ? g_utf8_get_char_validated(text, end - text) : 0;
        if (ch == (gunichar)-1 || ch == (gunichar)-2) {
            ch = 0xFFFD; /* replacement character, one for each bad byte */
            text++;
        } else {
            text += g_unichar_to_utf8(ch, NULL);
        }
        write_escaped(out, ch);
    }
    g_string_append_c(out, '"');
}

static void write_real(GString *out, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    for (int digits = 15; digits <= 17; digits++) {
        char format[8];

        g_snprintf(format, sizeof(format), "%%.%dg", digits);
        g_ascii_formatd(text, sizeof(text), format, value);
        if (g_ascii_strtod(text, NULL) == value) {
            break;
        }
    }
    g_string_append(out, text);
    if (!strpbrk(text, ".e")) {
        /* So that it reads back as a real, not as an integer. */
        g_string_append(out, ".0");
    }
}

static void write_newline(Writer *w)
{
    if (w->pretty) {
        g_string_append_printf(w->out, "\n%*s", (int)(4 * w->level), "");
    }
}

/* Before a member or element; @first: none has been written yet. */
static void write_separator(Writer *w, bool first)
{
    if (!first) {
        g_string_append(w->out, w->pretty ? "," : ", ");
    }
    write_newline(w);
}

static void write_object(Writer *w, json_t *obj)
{
    bool first = true;
    const char *key;
    json_t *child;

    g_string_append_c(w->out, '{');
    w->level++;
    json_object_foreach(obj, key, child)
    {
        write_separator(w, first);
        first = false;
        write_string(w->out, key, strlen(key));
        g_string_append(w->out, ": ");
        write_value(w, child);
    }
    w->level--;
    if (!first) {
        write_newline(w);
    }
    g_string_append_c(w->out, '}');
}

static void write_array(Writer *w, const json_t *obj)
{
    size_t n = json_array_size(obj);

    g_string_append_c(w->out, '[');
    w->level++;
    for (size_t i = 0; i < n; i++) {
        write_separator(w, i == 0);
        write_value(w, json_array_get(obj, i));
    }
    w->level--;
    if (n) {
        write_newline(w);
    }
    g_string_append_c(w->out, ']');
}

static void write_value(Writer *w, const json_t *obj)
{
    switch (json_typeof(obj)) {
    case JSON_OBJECT:
        write_object(w, (json_t *)obj);
        break;
    case JSON_ARRAY:
        write_array(w, obj);
        break;
    case JSON_STRING:
        if (json_is_uint64_big(obj)) {
            g_string_append(w->out, json_string_value(obj) + 1);
        } else {
            write_string(w->out, json_string_value(obj),
                         json_string_length(obj));
        }
        break;
    case JSON_INTEGER:
        g_string_append_printf(w->out, "%" JSON_INTEGER_FORMAT,
                               json_integer_value(obj));
        break;
    case JSON_REAL:
        write_real(w->out, json_real_value(obj));
        break;
    case JSON_TRUE:
        g_string_append(w->out, "true");
        break;
    case JSON_FALSE:
        g_string_append(w->out, "false");
        break;
    case JSON_NULL:
        g_string_append(w->out, "null");
        break;
    }
}

GString *qobject_to_json_pretty(const json_t *obj, bool pretty)
{
    Writer w = { .out = g_string_new(NULL), .pretty = pretty };

    write_value(&w, obj);
    return w.out;
}

GString *qobject_to_json(const json_t *obj)
{
    return qobject_to_json_pretty(obj, false);
}
