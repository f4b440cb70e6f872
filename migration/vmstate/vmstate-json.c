/*
 * JSONWriter: see vmstate/vmstate-json.h. A note is a kind, a name and a value; the
 * text is made by one walk over the notes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/vmstate/vmstate-json.h"

#define NOTES_INITIAL 2048
#define NOTE_TEXT     16 /* guess of bytes of text a note */
#define INDENT        4

typedef enum NoteKind {
    NOTE_OBJECT,
    NOTE_ARRAY,
    NOTE_OBJECT_END,
    NOTE_ARRAY_END,
    NOTE_STR,
    NOTE_INT64,
    NOTE_BOOL,
} NoteKind;

typedef struct Note {
    NoteKind kind;
    const char *name; /* borrowed; NULL: none */
    union {
        const char *str; /* borrowed, or in @copies */
        int64_t num;
    };
} Note;

struct JSONWriter {
    Note *notes;
    size_t n;
    size_t room;
    GStringChunk *copies;
    bool pretty;
};

JSONWriter *json_writer_new(bool pretty)
{
    JSONWriter *w = g_new0(JSONWriter, 1);

    w->room = NOTES_INITIAL;
    w->notes = g_new(Note, w->room);
    w->copies = g_string_chunk_new(1024);
    w->pretty = pretty;
    return w;
}

void json_writer_free(JSONWriter *w)
{
    if (w) {
        g_string_chunk_free(w->copies);
        g_free(w->notes);
        g_free(w);
    }
}

/* -- notes ------------------------------------------------------------------- */

static Note *json_note(JSONWriter *w, NoteKind kind, const char *name)
{
    Note *note;

    if (w->n == w->room) {
        w->room *= 2;
        w->notes = g_renew(Note, w->notes, w->room);
    }
    note = &w->notes[w->n++];
    note->kind = kind;
    note->name = name;
    return note;
}

void json_writer_start_object(JSONWriter *w, const char *name)
{
    json_note(w, NOTE_OBJECT, name);
}

void json_writer_end_object(JSONWriter *w)
{
    json_note(w, NOTE_OBJECT_END, NULL);
}

void json_writer_start_array(JSONWriter *w, const char *name)
{
    json_note(w, NOTE_ARRAY, name);
}

void json_writer_end_array(JSONWriter *w)
{
    json_note(w, NOTE_ARRAY_END, NULL);
}

void json_writer_str(JSONWriter *w, const char *name, const char *value)
{
    json_note(w, NOTE_STR, name)->str = value;
}

void json_writer_str_dup(JSONWriter *w, const char *name, const char *value)
{
    json_note(w, NOTE_STR, name)->str = g_string_chunk_insert(w->copies, value);
}

void json_writer_int64(JSONWriter *w, const char *name, int64_t value)
{
    json_note(w, NOTE_INT64, name)->num = value;
}

void json_writer_bool(JSONWriter *w, const char *name, bool value)
{
    json_note(w, NOTE_BOOL, name)->num = value;
}

/* -- text -------------------------------------------------------------------- */

/* The text so far, and what the next value needs before it. */
typedef struct Text {
    GString *s;
    bool pretty;
    bool need_comma;
    int depth;
} Text;

static void put_string(Text *t, const char *s)
{
    g_string_append_c(t->s, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\') {
            g_string_append_c(t->s, '\\');
            g_string_append_c(t->s, (char)c);
        } else if (c < 0x20) {
            g_string_append_printf(t->s, "\\u%04x", c);
        } else {
            g_string_append_c(t->s, (char)c);
        }
    }
    g_string_append_c(t->s, '"');
}

static void new_line(Text *t)
{
    if (t->pretty) {
        g_string_append_printf(t->s, "\n%*s", t->depth * INDENT, "");
    }
}

/* What stands before a value: comma, line break, name. */
static void put_lead(Text *t, const char *name)
{
    if (t->need_comma) {
        g_string_append(t->s, t->pretty ? "," : ", ");
    }
    t->need_comma = true;
    if (t->depth > 0) {
        new_line(t);
    }
    if (name) {
        put_string(t, name);
        g_string_append(t->s, ": ");
    }
}

static void put_start(Text *t, const char *name, char bracket)
{
    put_lead(t, name);
    g_string_append_c(t->s, bracket);
    t->depth++;
    t->need_comma = false;
}

static void put_end(Text *t, char bracket)
{
    g_assert(t->depth > 0);
    t->depth--;
    if (t->need_comma) { /* not empty */
        new_line(t);
    }
    g_string_append_c(t->s, bracket);
    t->need_comma = true;
}

static void put_int64(Text *t, const Note *note)
{
    char digits[24];

    put_lead(t, note->name);
    g_snprintf(digits, sizeof(digits), "%" PRId64, note->num);
    g_string_append(t->s, digits);
}

static void put_note(Text *t, const Note *note)
{
    switch (note->kind) {
    case NOTE_OBJECT:
        put_start(t, note->name, '{');
        break;
    case NOTE_ARRAY:
        put_start(t, note->name, '[');
        break;
    case NOTE_OBJECT_END:
        put_end(t, '}');
        break;
    case NOTE_ARRAY_END:
        put_end(t, ']');
        break;
    case NOTE_STR:
        put_lead(t, note->name);
        put_string(t, note->str);
        break;
    case NOTE_INT64:
        put_int64(t, note);
        break;
    case NOTE_BOOL:
        put_lead(t, note->name);
        g_string_append(t->s, note->num ? "true" : "false");
        break;
    }
}

char *json_writer_text(const JSONWriter *w, size_t *len)
{
    Text t = { .s = g_string_sized_new(w->n * NOTE_TEXT + 1),
               .pretty = w->pretty };

    for (size_t i = 0; i < w->n; i++) {
        put_note(&t, &w->notes[i]);
    }
    *len = t.s->len;
    return g_string_free(t.s, FALSE);
}
