/*
 * JSON values: integers beyond jansson's range, and parsing with limits.
 *
 * json_parse_text() goes over the text once before jansson does. That pass
 * counts what the limits speak of, so that nothing is built from a text
 * that is refused, and finds integers above INT64_MAX. Those are overwritten
 * by "0" and blanks of the same length in a copy, so that positions in error
 * messages stay right; afterwards the tree is walked in document order (the
 * order in which jansson keeps members) and the n-th number gets its value
 * back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"

#include "qapi/qmp-framing.h"
#include "util/error.h"

/* First byte of the string that stands for a large integer. */
#define BIG_MARK '\xff'

bool json_is_uint64_big(const json_t *obj)
{
    return json_is_string(obj) && json_string_length(obj) > 0 &&
           json_string_value(obj)[0] == BIG_MARK;
}

json_t *json_uint64(uint64_t value)
{
    char text[24];

    if (value <= INT64_MAX) {
        return json_integer((json_int_t)value);
    }
    g_snprintf(text, sizeof(text), "%c%" PRIu64, BIG_MARK, value);
    return json_string_nocheck(text);
}

bool json_get_uint64(const json_t *obj, uint64_t *ret)
{
    if (json_is_uint64_big(obj)) {
        *ret = g_ascii_strtoull(json_string_value(obj) + 1, NULL, 10);
        return true;
    }
    if (!json_is_integer(obj) || json_integer_value(obj) < 0) {
        return false;
    }
    *ret = (uint64_t)json_integer_value(obj);
    return true;
}

bool json_string_has_nul(const json_t *obj)
{
    return strlen(json_string_value(obj)) != json_string_length(obj);
}

QType qobject_type(const json_t *obj)
{
    if (!obj) {
        return QTYPE_NONE;
    }
    switch (json_typeof(obj)) {
    case JSON_OBJECT:
        return QTYPE_QDICT;
    case JSON_ARRAY:
        return QTYPE_QLIST;
    case JSON_STRING:
        return json_is_uint64_big(obj) ? QTYPE_QNUM : QTYPE_QSTRING;
    case JSON_INTEGER:
    case JSON_REAL:
        return QTYPE_QNUM;
    case JSON_TRUE:
    case JSON_FALSE:
        return QTYPE_QBOOL;
    case JSON_NULL:
        return QTYPE_QNULL;
    }
    g_assert_not_reached();
}

const char *qtype_name(QType type)
{
    static const char *const names[QTYPE__MAX] = {
        [QTYPE_NONE] = "nothing",  [QTYPE_QNULL] = "null",
        [QTYPE_QNUM] = "number",   [QTYPE_QSTRING] = "string",
        [QTYPE_QDICT] = "object",  [QTYPE_QLIST] = "array",
        [QTYPE_QBOOL] = "boolean",
    };

    assert(type < QTYPE__MAX);
    return names[type];
}

/* An integer above INT64_MAX: where it stands and which number it is. */
typedef struct BigInt {
    size_t offset, len; /* in the text */
    size_t ordinal;     /* among the numbers of the text */
    uint64_t value;
} BigInt;

typedef struct Scan {
    const char *text;
    size_t len;
    size_t pos;
    size_t tokens, depth, numbers;
    GArray *bigs; /* of BigInt; NULL while there is none */
} Scan;

/* @s->pos stands on the opening quote; leave it behind the closing one. */
static void scan_string(Scan *s)
{
    for (s->pos++; s->pos < s->len; s->pos++) {
        if (s->text[s->pos] == '\\') {
            s->pos++;
        } else if (s->text[s->pos] == '"') {
            break;
        }
    }
    s->pos = MIN(s->pos + 1, s->len);
}

static void scan_note_big(Scan *s, size_t start, size_t len)
{
    char digits[24];
    BigInt big = { .offset = start, .len = len, .ordinal = s->numbers };

    /* INT64_MAX has 19 digits, UINT64_MAX 20. */
    if (len < 19 || len > 20 || s->text[start] == '0') {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        if (!g_ascii_isdigit(s->text[start + i])) {
            return;
        }
        digits[i] = s->text[start + i];
    }
    digits[len] = '\0';
    errno = 0;
    big.value = g_ascii_strtoull(digits, NULL, 10);
    if (errno || big.value <= INT64_MAX) {
        return;
    }
    if (!s->bigs) {
        s->bigs = g_array_new(false, false, sizeof(BigInt));
    }
    g_array_append_val(s->bigs, big);
}

static void scan_number(Scan *s)
{
    size_t start = s->pos;

    while (s->pos < s->len &&
           (g_ascii_isdigit(s->text[s->pos]) ||
            (s->text[s->pos] && strchr("+-.eE", s->text[s->pos])))) {
        s->pos++;
    }
    scan_note_big(s, start, s->pos - start);
    s->numbers++;
}

static void scan_word(Scan *s)
{
    while (s->pos < s->len && g_ascii_isalnum(s->text[s->pos])) {
        s->pos++;
    }
}

/* One token; false: a limit is exceeded. What is no JSON is jansson's. */
static bool scan_token(Scan *s, Error **errp)
{
    char ch = s->text[s->pos];

    s->tokens++;
    if (ch == '"') {
        scan_string(s);
    } else if (g_ascii_isdigit(ch) || ch == '-') {
        scan_number(s);
    } else if (g_ascii_isalnum(ch)) {
        scan_word(s);
    } else {
        s->pos++;
        if (ch == '{' || ch == '[') {
            s->depth++;
        } else if ((ch == '}' || ch == ']') && s->depth) {
            s->depth--;
        }
    }
    if (s->tokens > JSON_TEXT_MAX_TOKENS) {
        error_setg(errp, "JSON text has more than %d tokens",
                   JSON_TEXT_MAX_TOKENS);
        return false;
    }
    if (s->depth > JSON_TEXT_MAX_DEPTH) {
        error_setg(errp, "JSON text is nested deeper than %d levels",
                   JSON_TEXT_MAX_DEPTH);
        return false;
    }
    return true;
}

static bool scan_text(Scan *s, Error **errp)
{
    if (s->len > JSON_TEXT_MAX_BYTES) {
        error_setg(errp, "JSON text is longer than %d bytes",
                   JSON_TEXT_MAX_BYTES);
        return false;
    }
    while (s->pos < s->len) {
        if (g_ascii_isspace(s->text[s->pos])) {
            s->pos++;
        } else if (!scan_token(s, errp)) {
            return false;
        }
    }
    return true;
}

typedef struct Restore {
    const BigInt *bigs;
    size_t left;    /* entries at bigs */
    size_t ordinal; /* of the next number met */
} Restore;

static json_t *restore_value(Restore *r, json_t *value);

/* Put large integers back into the members and elements of @obj. */
static void restore_children(Restore *r, json_t *obj)
{
    const char *key;
    json_t *child;
    size_t i;

    if (json_is_object(obj)) {
        json_object_foreach(obj, key, child)
        {
            json_t *big = restore_value(r, child);

            if (big) {
                /* Replacing the value of a key is safe while iterating. */
                json_object_set_new_nocheck(obj, key, big);
            }
        }
    } else if (json_is_array(obj)) {
        json_array_foreach(obj, i, child)
        {
            json_t *big = restore_value(r, child);

            if (big) {
                json_array_set_new(obj, i, big);
            }
        }
    }
}

/* Returns: what @value must be replaced by, or NULL. */
static json_t *restore_value(Restore *r, json_t *value)
{
    if (!json_is_number(value)) {
        restore_children(r, value);
        return NULL;
    }
    if (!r->left || r->ordinal++ != r->bigs->ordinal) {
        return NULL;
    }
    r->left--;
    return json_uint64((r->bigs++)->value);
}

static json_t *load_text(const char *text, size_t len, Error **errp)
{
    json_error_t jerr;
    json_t *obj =
        json_loadb(text, len,
                   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL,
                   &jerr);

    if (!obj) {
        error_setg(errp, "JSON parse error, %s (line %d, column %d)", jerr.text,
                   jerr.line, jerr.column);
    }
    return obj;
}

static json_t *load_text_with_bigs(const char *text, size_t len,
                                   const GArray *bigs, Error **errp)
{
    g_autofree char *copy = g_memdup2(text, len);
    Restore r = { .bigs = (const BigInt *)bigs->data, .left = bigs->len };
    json_t *obj, *big;

    for (guint i = 0; i < bigs->len; i++) {
        memset(copy + r.bigs[i].offset, ' ', r.bigs[i].len);
        copy[r.bigs[i].offset] = '0';
    }
    obj = load_text(copy, len, errp);
    if (!obj) {
        return NULL;
    }
    big = restore_value(&r, obj);
    if (big) {
        json_decref(obj);
        obj = big;
    }
    return obj;
}

json_t *json_parse_text(const char *text, size_t len, Error **errp)
{
    Scan scan = { .text = text, .len = len };
    json_t *obj = NULL;

    if (scan_text(&scan, errp)) {
        obj = scan.bigs ? load_text_with_bigs(text, len, scan.bigs, errp)
                        : load_text(text, len, errp);
    }
    if (scan.bigs) {
        g_array_free(scan.bigs, true);
    }
    return obj;
}

json_t *qobject_from_json(const char *string, Error **errp)
{
    g_autoptr(QmpDecoder) d = qmp_decoder_new(NULL);
    const uint8_t *buf = (const uint8_t *)string;
    size_t len = strlen(string);
    g_autoptr(json_t) value = NULL, more = NULL;
    QmpFrame frame = qmp_decoder_feed(d, &buf, &len, &value, errp);

    if (frame == QMP_FRAME_MORE) {
        frame = qmp_decoder_finish(d, &value, errp);
    }
    if (frame == QMP_FRAME_ERROR) {
        return NULL;
    }
    if (frame == QMP_FRAME_MORE) {
        error_setg(errp, "expecting a JSON value");
        return NULL;
    }
    if (len && qmp_decoder_feed(d, &buf, &len, &more, NULL) != QMP_FRAME_MORE) {
        error_setg(errp, "stray text after the JSON value");
        return NULL;
    }
    if (qmp_decoder_finish(d, &more, NULL) != QMP_FRAME_MORE) {
        error_setg(errp, "stray text after the JSON value");
        return NULL;
    }
    return g_steal_pointer(&value);
}
