/*
 * QMP framing: where one JSON value of a byte stream ends.
 *
 * The decoder looks at every byte once and keeps just enough state to know
 * whether it is inside a string and how deep it is nested:
 *
 *            { [              "  '            \
 *   IDLE ----------> VALUE <--------> STRING <---> ESCAPE
 *    |  ^             |
 *    |  +-- depth 0 --+      (a string or a word may also stand alone:
 *    +----> WORD              then the value ends where it ends)
 *
 * Nothing is parsed here: brackets are only counted, and json_parse_text()
 * has the last word about the text between them.
 *
 * After an error inside a value the rest of that value is skipped by the
 * same rules, without being stored. The inner objects of a broken message
 * must never be taken for messages: that would let whoever can put data
 * into an argument run commands. Between values, an error skips to the end
 * of the line or to the next '{'. A control character or a byte 0xff, which
 * can stand in no JSON text, always leads back to IDLE; so does the end of
 * a line inside a string.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qmp-framing.h"

#include "util/error.h"

/* A buffer that grew beyond this is not kept for the next text. */
#define KEEP_BUFFER_BYTES (64 * 1024)

typedef enum FramingState {
    STATE_IDLE,    /* between values */
    STATE_VALUE,   /* inside an object or array, outside strings */
    STATE_STRING,  /* inside a string */
    STATE_ESCAPE,  /* behind a backslash inside a string */
    STATE_WORD,    /* in a number or word that stands alone */
    STATE_RECOVER, /* skipping what is no value */
} FramingState;

typedef enum Step {
    STEP_MORE,      /* go on */
    STEP_DONE,      /* the value ends with this byte */
    STEP_DONE_NEXT, /* the value ended before this byte: look at it again */
    STEP_ERROR,     /* d->error says why */
} Step;

struct QmpDecoder {
    QmpFramingLimits limits;
    FramingState state;
    GString *text; /* of the value so far, single quotes converted */
    size_t depth;
    size_t tokens;
    char quote;        /* of the string we are in */
    bool in_word;      /* the last byte belongs to a number or word */
    bool discard;      /* the value is broken: store nothing */
    bool after_reset;  /* the last byte was a reset byte */
    const char *error; /* static text, valid after STEP_ERROR */
};

QmpDecoder *qmp_decoder_new(const QmpFramingLimits *limits)
{
    static const QmpFramingLimits defaults = {
        .max_bytes = JSON_TEXT_MAX_BYTES,
        .max_tokens = JSON_TEXT_MAX_TOKENS,
        .max_depth = JSON_TEXT_MAX_DEPTH,
    };
    QmpDecoder *d = g_new0(QmpDecoder, 1);

    d->limits = limits ? *limits : defaults;
    d->text = g_string_new(NULL);
    return d;
}

void qmp_decoder_free(QmpDecoder *d)
{
    if (d) {
        g_string_free(d->text, true);
        g_free(d);
    }
}

/* Ready for a new value; what was collected is gone. */
static void start_over(QmpDecoder *d, FramingState state)
{
    d->state = state;
    d->depth = 0;
    d->tokens = 0;
    d->in_word = false;
    d->discard = false;
    if (d->text->allocated_len > KEEP_BUFFER_BYTES) {
        g_string_free(d->text, true);
        d->text = g_string_new(NULL);
    } else {
        g_string_truncate(d->text, 0);
    }
}

void qmp_decoder_reset(QmpDecoder *d)
{
    start_over(d, STATE_IDLE);
    d->after_reset = false;
}

size_t qmp_decoder_pending(const QmpDecoder *d)
{
    return d->text->len;
}

static Step fail(QmpDecoder *d, const char *error)
{
    d->error = error;
    return STEP_ERROR;
}

/* The value is broken; skip its rest if it has one. */
static Step fail_inside(QmpDecoder *d, const char *error)
{
    if (d->discard) {
        return STEP_MORE; /* said once is enough */
    }
    d->discard = true;
    g_string_truncate(d->text, 0);
    return fail(d, error);
}

static Step fail_between(QmpDecoder *d, const char *error)
{
    start_over(d, STATE_RECOVER);
    return fail(d, error);
}

/* Store @ch; it belongs to the value. */
static Step keep(QmpDecoder *d, char ch)
{
    if (d->discard) {
        return STEP_MORE;
    }
    if (d->text->len >= d->limits.max_bytes) {
        return fail_inside(d, "JSON text is too long");
    }
    g_string_append_c(d->text, ch);
    return STEP_MORE;
}

static Step count_token(QmpDecoder *d)
{
    if (d->discard || d->tokens++ < d->limits.max_tokens) {
        return STEP_MORE;
    }
    return fail_inside(d, "JSON text has too many tokens");
}

/* Count a token that begins with @ch, and store @ch. */
static Step keep_token(QmpDecoder *d, char ch)
{
    Step step = count_token(d);

    return step == STEP_MORE ? keep(d, ch) : step;
}

static bool is_word_byte(uint8_t ch)
{
    return g_ascii_isalnum(ch) || ch == '-' || ch == '+' || ch == '.' ||
           ch == '_';
}

static bool is_reset_byte(uint8_t ch)
{
    return ch == 0xff || (ch < ' ' && ch != '\t' && ch != '\r' && ch != '\n');
}

static bool is_blank(uint8_t ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

static Step step_reset(QmpDecoder *d)
{
    bool again = d->after_reset;

    start_over(d, STATE_IDLE);
    d->after_reset = true;
    return again ? STEP_MORE : fail(d, "JSON parse error, stray control byte");
}

static Step step_open(QmpDecoder *d, char ch)
{
    d->state = STATE_VALUE;
    d->depth++;
    if (d->depth > d->limits.max_depth) {
        return fail_inside(d, "JSON text is nested too deep");
    }
    return keep_token(d, ch);
}

static Step step_close(QmpDecoder *d, char ch)
{
    Step step = keep_token(d, ch);

    d->depth--;
    if (d->depth) {
        return step;
    }
    if (d->discard) {
        start_over(d, STATE_IDLE);
        return step;
    }
    return STEP_DONE;
}

static Step step_quote(QmpDecoder *d, char ch)
{
    d->state = STATE_STRING;
    d->quote = ch;
    return keep_token(d, '"');
}

static Step step_idle(QmpDecoder *d, uint8_t ch)
{
    if (is_blank(ch)) {
        return STEP_MORE;
    }
    if (ch == '{' || ch == '[') {
        return step_open(d, (char)ch);
    }
    if (ch == '"' || ch == '\'') {
        return step_quote(d, (char)ch);
    }
    if (is_word_byte(ch)) {
        d->state = STATE_WORD;
        return keep_token(d, (char)ch);
    }
    return fail_between(d, "JSON parse error, expecting a value");
}

static Step step_value(QmpDecoder *d, uint8_t ch)
{
    bool was_in_word = d->in_word;

    d->in_word = is_word_byte(ch);
    if (d->in_word) {
        return was_in_word ? keep(d, (char)ch) : keep_token(d, (char)ch);
    }
    switch (ch) {
    case '{':
    case '[':
        return step_open(d, (char)ch);
    case '}':
    case ']':
        return step_close(d, (char)ch);
    case '"':
    case '\'':
        return step_quote(d, (char)ch);
    case ',':
    case ':':
        return keep_token(d, (char)ch);
    default:
        if (is_blank(ch)) {
            return keep(d, (char)ch);
        }
        return fail_inside(d, "JSON parse error, stray character");
    }
}

/* The closing quote. */
static Step step_string_end(QmpDecoder *d)
{
    Step step = keep(d, '"');

    if (d->depth) {
        d->state = STATE_VALUE;
        return step;
    }
    if (d->discard) {
        start_over(d, STATE_IDLE);
        return step;
    }
    return STEP_DONE;
}

static Step step_string(QmpDecoder *d, uint8_t ch)
{
    bool said = d->discard;

    if (ch == (uint8_t)d->quote) {
        return step_string_end(d);
    }
    if (ch == '\\') {
        d->state = STATE_ESCAPE;
        return STEP_MORE; /* stored with the byte behind it */
    }
    if (ch == '\n') {
        /* No string has one: it was never closed. */
        start_over(d, STATE_IDLE);
        return said ? STEP_MORE
                    : fail(d, "JSON parse error, end of line in a string");
    }
    if (ch == '"' && keep(d, '\\') == STEP_ERROR) {
        return STEP_ERROR; /* a double quote inside single ones */
    }
    return keep(d, (char)ch);
}

static Step step_escape(QmpDecoder *d, uint8_t ch)
{
    d->state = STATE_STRING;
    if (ch == '\n') {
        return step_string(d, ch);
    }
    /* JSON has no \', QMP has. */
    if (ch != '\'' && keep(d, '\\') == STEP_ERROR) {
        return STEP_ERROR;
    }
    return keep(d, (char)ch);
}

static Step step_word(QmpDecoder *d, uint8_t ch)
{
    bool broken = d->discard;

    if (is_word_byte(ch)) {
        return keep(d, (char)ch);
    }
    if (broken) {
        start_over(d, STATE_RECOVER);
        return STEP_MORE;
    }
    return STEP_DONE_NEXT;
}

static Step step_recover(QmpDecoder *d, uint8_t ch)
{
    if (ch == '\n') {
        start_over(d, STATE_IDLE);
    } else if (ch == '{') {
        start_over(d, STATE_IDLE);
        return step_idle(d, ch);
    }
    return STEP_MORE;
}

static Step step_byte(QmpDecoder *d, uint8_t ch)
{
    if (is_reset_byte(ch)) {
        return step_reset(d);
    }
    d->after_reset = false;
    switch (d->state) {
    case STATE_IDLE:
        return step_idle(d, ch);
    case STATE_VALUE:
        return step_value(d, ch);
    case STATE_STRING:
        return step_string(d, ch);
    case STATE_ESCAPE:
        return step_escape(d, ch);
    case STATE_WORD:
        return step_word(d, ch);
    case STATE_RECOVER:
        return step_recover(d, ch);
    }
    g_assert_not_reached();
}

/* The value is complete: what is it? */
static QmpFrame finish_value(QmpDecoder *d, json_t **value, Error **errp)
{
    bool word = d->state == STATE_WORD;

    *value = json_parse_text(d->text->str, d->text->len, errp);
    /* A line of prose is one error, not one a word. */
    start_over(d, word && !*value ? STATE_RECOVER : STATE_IDLE);
    return *value ? QMP_FRAME_VALUE : QMP_FRAME_ERROR;
}

QmpFrame qmp_decoder_feed(QmpDecoder *d, const uint8_t **buf, size_t *len,
                          json_t **value, Error **errp)
{
    while (*len) {
        Step step = step_byte(d, **buf);

        if (step == STEP_DONE_NEXT) {
            return finish_value(d, value, errp);
        }
        (*buf)++;
        (*len)--;
        if (step == STEP_DONE) {
            return finish_value(d, value, errp);
        }
        if (step == STEP_ERROR) {
            error_setg(errp, "%s", d->error);
            return QMP_FRAME_ERROR;
        }
    }
    return QMP_FRAME_MORE;
}

QmpFrame qmp_decoder_finish(QmpDecoder *d, json_t **value, Error **errp)
{
    FramingState state = d->state;
    bool said = d->discard;

    if (state == STATE_WORD && !said) {
        return finish_value(d, value, errp);
    }
    qmp_decoder_reset(d);
    if (state == STATE_IDLE || state == STATE_RECOVER || said) {
        return QMP_FRAME_MORE;
    }
    error_setg(errp, "JSON parse error, unexpected end of input");
    return QMP_FRAME_ERROR;
}

GString *qmp_encode(const json_t *obj, bool pretty)
{
    return g_string_append(qobject_to_json_pretty(obj, pretty), "\r\n");
}
