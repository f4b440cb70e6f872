/*
 * Line editing for the human monitor.
 *
 * The screen is kept in step by three moves that work on every terminal
 * without asking for its width: print text, step back by "ESC [ D", erase to
 * the end by "ESC [ K". After each key, everything right of the first change
 * is printed again and the cursor is stepped back to its place.
 *
 * Keys are those of a shell: ^A ^E ^B ^F ^D ^H ^K ^U ^W ^L ^P ^N ^C, arrows,
 * Home, End, Delete, Alt-B, Alt-F, Tab. A cursor step is one UTF-8 character.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "readline.h"

#define KEY_ESC 27
#define CTRL(c) ((c)&0x1f)

typedef enum EscState {
    ESC_NONE,
    ESC_START,   /* after ESC */
    ESC_BRACKET, /* after ESC [ ; collecting a number */
    ESC_O,       /* after ESC O */
} EscState;

struct ReadLine {
    const ReadLineOps *ops;
    void *opaque;
    char *prompt;
    GString *line;
    size_t cursor; /* byte offset in line, on a character boundary */
    EscState esc;
    int esc_number;
    bool after_cr;      /* an LF now belongs to it */
    GPtrArray *history; /* of char *, oldest first */
    size_t history_pos; /* == history->len: the line being typed */
    char *saved;        /* that line while older ones are looked at */
    GPtrArray *completions;
};

static void show(ReadLine *rl, const char *text)
{
    rl->ops->show(text, strlen(text), rl->opaque);
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t count_chars(const char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        n += !is_continuation(s[i]);
    }
    return n;
}

static void step_back(ReadLine *rl, size_t chars)
{
    g_autoptr(GString) moves = g_string_new(NULL);

    while (chars--) {
        g_string_append(moves, "\033[D");
    }
    rl->ops->show(moves->str, moves->len, rl->opaque);
}

/* The cursor stands at byte @from; print the rest, end up at rl->cursor. */
static void redraw_from(ReadLine *rl, size_t from)
{
    rl->ops->show(rl->line->str + from, rl->line->len - from, rl->opaque);
    show(rl, "\033[K");
    step_back(rl, count_chars(rl->line->str + rl->cursor,
                              rl->line->len - rl->cursor));
}

static size_t previous_char(const ReadLine *rl, size_t pos)
{
    if (pos == 0) {
        return 0;
    }
    do {
        pos--;
    } while (pos > 0 && is_continuation(rl->line->str[pos]));
    return pos;
}

static size_t next_char(const ReadLine *rl, size_t pos)
{
    if (pos >= rl->line->len) {
        return rl->line->len;
    }
    do {
        pos++;
    } while (pos < rl->line->len && is_continuation(rl->line->str[pos]));
    return pos;
}

static size_t word_start(const ReadLine *rl)
{
    size_t pos = rl->cursor;

    while (pos > 0 && g_ascii_isspace(rl->line->str[pos - 1])) {
        pos--;
    }
    while (pos > 0 && !g_ascii_isspace(rl->line->str[pos - 1])) {
        pos--;
    }
    return pos;
}

static size_t word_end(const ReadLine *rl)
{
    size_t pos = rl->cursor;

    while (pos < rl->line->len && g_ascii_isspace(rl->line->str[pos])) {
        pos++;
    }
    while (pos < rl->line->len && !g_ascii_isspace(rl->line->str[pos])) {
        pos++;
    }
    return pos;
}

static void move_to(ReadLine *rl, size_t pos)
{
    if (pos < rl->cursor) {
        step_back(rl, count_chars(rl->line->str + pos, rl->cursor - pos));
    } else {
        rl->ops->show(rl->line->str + rl->cursor, pos - rl->cursor, rl->opaque);
    }
    rl->cursor = pos;
}

static void erase(ReadLine *rl, size_t from, size_t to)
{
    move_to(rl, from);
    g_string_erase(rl->line, from, to - from);
    redraw_from(rl, from);
}

static void insert(ReadLine *rl, const char *text, size_t len)
{
    size_t from = rl->cursor;

    if (rl->line->len + len > READLINE_LINE_MAX) {
        return;
    }
    g_string_insert_len(rl->line, from, text, len);
    rl->cursor += len;
    if (rl->cursor == rl->line->len) {
        rl->ops->show(text, len, rl->opaque);
    } else {
        redraw_from(rl, from);
    }
}

static void replace_line(ReadLine *rl, const char *text)
{
    move_to(rl, 0);
    g_string_assign(rl->line, text);
    rl->cursor = rl->line->len;
    redraw_from(rl, 0);
}

/* -- history ------------------------------------------------------------- */

static void history_add(ReadLine *rl)
{
    GPtrArray *h = rl->history;

    if (rl->line->len &&
        (h->len == 0 ||
         strcmp(g_ptr_array_index(h, h->len - 1), rl->line->str) != 0)) {
        if (h->len == READLINE_HISTORY_MAX) {
            g_ptr_array_remove_index(h, 0);
        }
        g_ptr_array_add(h, g_strdup(rl->line->str));
    }
    rl->history_pos = h->len;
    g_clear_pointer(&rl->saved, g_free);
}

static void history_move(ReadLine *rl, int step)
{
    GPtrArray *h = rl->history;

    if ((step < 0 && rl->history_pos == 0) ||
        (step > 0 && rl->history_pos == h->len)) {
        return;
    }
    if (rl->history_pos == h->len) {
        g_free(rl->saved);
        rl->saved = g_strdup(rl->line->str);
    }
    rl->history_pos += step;
    replace_line(rl, rl->history_pos == h->len
                         ? rl->saved
                         : g_ptr_array_index(h, rl->history_pos));
}

const char *readline_history(const ReadLine *rl, size_t index)
{
    return index < rl->history->len ? g_ptr_array_index(rl->history, index)
                                    : NULL;
}

/* -- completion ---------------------------------------------------------- */

void readline_add_completion(ReadLine *rl, const char *word)
{
    if (rl->completions->len < READLINE_COMPLETION_MAX) {
        g_ptr_array_add(rl->completions, g_strdup(word));
    }
}

static int compare_words(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t common_prefix(GPtrArray *words)
{
    const char *first = g_ptr_array_index(words, 0);
    size_t len = strlen(first);

    for (guint i = 1; i < words->len; i++) {
        const char *word = g_ptr_array_index(words, i);
        size_t n = 0;

        while (n < len && word[n] == first[n]) {
            n++;
        }
        len = n;
    }
    return len;
}

static void list_completions(ReadLine *rl)
{
    g_autoptr(GString) out = g_string_new("\r\n");

    g_ptr_array_sort(rl->completions, compare_words);
    for (guint i = 0; i < rl->completions->len; i++) {
        g_string_append_printf(out, "%s%s",
                               (char *)g_ptr_array_index(rl->completions, i),
                               i + 1 == rl->completions->len ? "\r\n" : "  ");
    }
    rl->ops->show(out->str, out->len, rl->opaque);
    readline_redisplay(rl);
}

static void complete(ReadLine *rl)
{
    g_autofree char *prefix = g_strndup(rl->line->str, rl->cursor);
    size_t start = rl->cursor;
    size_t typed;
    size_t common;

    if (!rl->ops->complete) {
        return;
    }
    g_ptr_array_set_size(rl->completions, 0);
    rl->ops->complete(rl, prefix, rl->opaque);
    if (rl->completions->len == 0) {
        return;
    }
    while (start > 0 && !g_ascii_isspace(rl->line->str[start - 1])) {
        start--;
    }
    typed = rl->cursor - start;
    common = common_prefix(rl->completions);
    if (common > typed) {
        const char *word = g_ptr_array_index(rl->completions, 0);

        insert(rl, word + typed, common - typed);
    }
    if (rl->completions->len == 1) {
        insert(rl, " ", 1);
    } else if (common <= typed) {
        list_completions(rl);
    }
}

/* -- keys ---------------------------------------------------------------- */

static void enter(ReadLine *rl)
{
    g_autofree char *text = g_strdup(rl->line->str);

    history_add(rl);
    g_string_truncate(rl->line, 0);
    rl->cursor = 0;
    show(rl, "\r\n");
    rl->ops->line(text, rl->opaque);
}

static void control_key(ReadLine *rl, unsigned char ch)
{
    switch (ch) {
    case '\r':
    case '\n':
        enter(rl);
        break;
    case '\t':
        complete(rl);
        break;
    case CTRL('A'):
        move_to(rl, 0);
        break;
    case CTRL('E'):
        move_to(rl, rl->line->len);
        break;
    case CTRL('B'):
        move_to(rl, previous_char(rl, rl->cursor));
        break;
    case CTRL('F'):
        move_to(rl, next_char(rl, rl->cursor));
        break;
    case CTRL('D'):
        erase(rl, rl->cursor, next_char(rl, rl->cursor));
        break;
    case CTRL('H'):
    case 127:
        erase(rl, previous_char(rl, rl->cursor), rl->cursor);
        break;
    case CTRL('K'):
        erase(rl, rl->cursor, rl->line->len);
        break;
    case CTRL('U'):
        erase(rl, 0, rl->cursor);
        break;
    case CTRL('W'):
        erase(rl, word_start(rl), rl->cursor);
        break;
    case CTRL('P'):
        history_move(rl, -1);
        break;
    case CTRL('N'):
        history_move(rl, 1);
        break;
    case CTRL('L'):
        show(rl, "\033[H\033[2J");
        readline_redisplay(rl);
        break;
    case CTRL('C'):
        show(rl, "^C\r\n");
        g_string_truncate(rl->line, 0);
        rl->cursor = 0;
        readline_redisplay(rl);
        break;
    case KEY_ESC:
        rl->esc = ESC_START;
        break;
    default:
        break;
    }
}

static void bracket_key(ReadLine *rl, unsigned char ch)
{
    switch (ch) {
    case 'A':
        history_move(rl, -1);
        break;
    case 'B':
        history_move(rl, 1);
        break;
    case 'C':
        move_to(rl, next_char(rl, rl->cursor));
        break;
    case 'D':
        move_to(rl, previous_char(rl, rl->cursor));
        break;
    case 'H':
        move_to(rl, 0);
        break;
    case 'F':
        move_to(rl, rl->line->len);
        break;
    case '~':
        if (rl->esc_number == 1 || rl->esc_number == 7) {
            move_to(rl, 0);
        } else if (rl->esc_number == 4 || rl->esc_number == 8) {
            move_to(rl, rl->line->len);
        } else if (rl->esc_number == 3) {
            erase(rl, rl->cursor, next_char(rl, rl->cursor));
        }
        break;
    default:
        break;
    }
}

static void escape_key(ReadLine *rl, unsigned char ch)
{
    EscState state = rl->esc;

    rl->esc = ESC_NONE;
    if (state == ESC_START) {
        if (ch == '[') {
            rl->esc = ESC_BRACKET;
            rl->esc_number = 0;
        } else if (ch == 'O') {
            rl->esc = ESC_O;
        } else if (ch == 'b' || ch == 'B') {
            move_to(rl, word_start(rl));
        } else if (ch == 'f' || ch == 'F') {
            move_to(rl, word_end(rl));
        }
    } else if (state == ESC_BRACKET && (g_ascii_isdigit(ch) || ch == ';')) {
        /* Of "1;5C" only the last number counts; a few digits are enough. */
        rl->esc = ESC_BRACKET;
        rl->esc_number =
            ch == ';' ? 0 : (rl->esc_number * 10 + ch - '0') % 1000;
    } else {
        bracket_key(rl, ch);
    }
}

void readline_reset(ReadLine *rl)
{
    g_string_truncate(rl->line, 0);
    rl->cursor = 0;
    rl->esc = ESC_NONE;
    rl->after_cr = false;
    rl->history_pos = rl->history->len;
    g_clear_pointer(&rl->saved, g_free);
}

void readline_feed(ReadLine *rl, const char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char ch = buf[i];
        bool second_half = rl->after_cr && ch == '\n';

        rl->after_cr = ch == '\r';
        if (second_half) {
            continue;
        }
        if (rl->esc != ESC_NONE) {
            escape_key(rl, ch);
        } else if (ch < 32 || ch == 127) {
            control_key(rl, ch);
        } else {
            insert(rl, &buf[i], 1);
        }
    }
}

void readline_prompt(ReadLine *rl, const char *prompt)
{
    char *copy = g_strdup(prompt);

    g_free(rl->prompt);
    rl->prompt = copy;
    g_string_truncate(rl->line, 0);
    rl->cursor = 0;
    rl->history_pos = rl->history->len;
    show(rl, rl->prompt);
}

void readline_redisplay(ReadLine *rl)
{
    show(rl, rl->prompt);
    redraw_from(rl, 0);
}

ReadLine *readline_new(const ReadLineOps *ops, void *opaque)
{
    ReadLine *rl = g_new0(ReadLine, 1);

    rl->ops = ops;
    rl->opaque = opaque;
    rl->prompt = g_strdup("");
    rl->line = g_string_new(NULL);
    rl->history = g_ptr_array_new_with_free_func(g_free);
    rl->completions = g_ptr_array_new_with_free_func(g_free);
    return rl;
}

void readline_free(ReadLine *rl)
{
    if (!rl) {
        return;
    }
    g_free(rl->prompt);
    g_string_free(rl->line, TRUE);
    g_ptr_array_unref(rl->history);
    g_ptr_array_unref(rl->completions);
    g_free(rl->saved);
    g_free(rl);
}
