/*
 * Line editing: what keys do to the line, and what a terminal then shows. A
 * minimal terminal interprets the output, so that line and screen are
 * compared after every key.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "monitor/readline.h"

#define PROMPT "> "

typedef struct Fixture {
    ReadLine *rl;
    GString *screen; /* the last line of the terminal */
    size_t column;   /* in bytes; texts here are ASCII but for one test */
    char *line;      /* last line entered */
} Fixture;

static void show(const char *text, size_t len, void *opaque)
{
    Fixture *f = opaque;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r') {
            f->column = 0;
        } else if (text[i] == '\n') {
            g_string_truncate(f->screen, 0);
            f->column = 0;
        } else if (text[i] == '\033') {
            g_assert_cmpint(text[++i], ==, '[');
            switch (text[++i]) {
            case 'D':
                g_assert_cmpuint(f->column, >, 0);
                f->column--;
                break;
            case 'K':
                g_string_truncate(f->screen, f->column);
                break;
            default:
                g_assert_not_reached();
            }
        } else {
            if (f->column < f->screen->len) {
                f->screen->str[f->column] = text[i];
            } else {
                g_string_append_c(f->screen, text[i]);
            }
            f->column++;
        }
    }
}

static void line(const char *text, void *opaque)
{
    Fixture *f = opaque;

    g_free(f->line);
    f->line = g_strdup(text);
    readline_prompt(f->rl, PROMPT);
}

static void complete(ReadLine *rl, const char *prefix, void *opaque)
{
    static const char *const words[] = { "status", "stop", "system_reset" };
    const char *last = strrchr(prefix, ' ');

    last = last ? last + 1 : prefix;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (g_str_has_prefix(words[i], last)) {
            readline_add_completion(rl, words[i]);
        }
    }
}

static const ReadLineOps ops = { show, line, complete };

static void set_up(Fixture *f, gconstpointer data)
{
    f->screen = g_string_new(NULL);
    f->rl = readline_new(&ops, f);
    readline_prompt(f->rl, PROMPT);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    readline_free(f->rl);
    g_string_free(f->screen, TRUE);
    g_free(f->line);
}

static void type(Fixture *f, const char *keys)
{
    readline_feed(f->rl, keys, strlen(keys));
}

static void test_editing(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *keys;
        const char *screen;
        size_t column;
    } steps[] = {
        { "hello", "> hello", 7 },
        { "\033[D\033[D", "> hello", 5 },
        { "X", "> helXlo", 6 },
        { "\x08", "> hello", 5 },
        { "\x01", "> hello", 2 },
        { "\x04", "> ello", 2 },
        { "\x05 world", "> ello world", 12 },
        { "\x17", "> ello ", 7 },
        { "\033[1~j", "> jello ", 3 },
        { "\033[4~\x7f", "> jello", 7 },
        { "\033b\x0b", "> ", 2 },
        { "ab\033[D\033[3~", "> a", 3 },
        { "\x15", "> ", 2 },
        { "\033[1;5C\033Oz\033q", "> ", 2 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        type(f, steps[i].keys);
        g_assert_cmpstr(f->screen->str, ==, steps[i].screen);
        g_assert_cmpuint(f->column, ==, steps[i].column);
    }
    type(f, "done\r");
    g_assert_cmpstr(f->line, ==, "done");
    g_assert_cmpstr(f->screen->str, ==, PROMPT);
}

static void test_history(Fixture *f, gconstpointer data)
{
    type(f, "one\rtwo\rtwo\r");
    g_assert_cmpstr(readline_history(f->rl, 0), ==, "one");
    g_assert_cmpstr(readline_history(f->rl, 1), ==, "two");
    g_assert_null(readline_history(f->rl, 2));
    type(f, "half\033[A");
    g_assert_cmpstr(f->screen->str, ==, "> two");
    type(f, "\x10\x10\x10");
    g_assert_cmpstr(f->screen->str, ==, "> one");
    type(f, "\033[B\x0e\x0e");
    g_assert_cmpstr(f->screen->str, ==, "> half");
    for (int i = 0; i < READLINE_HISTORY_MAX + 10; i++) {
        g_autofree char *text = g_strdup_printf("l%d\r", i);

        type(f, text);
    }
    g_assert_null(readline_history(f->rl, READLINE_HISTORY_MAX));
    g_assert_nonnull(readline_history(f->rl, READLINE_HISTORY_MAX - 1));
}

static void test_completion(Fixture *f, gconstpointer data)
{
    type(f, "sy\t");
    g_assert_cmpstr(f->screen->str, ==, "> system_reset ");
    type(f, "\x15st\t");
    g_assert_cmpstr(f->screen->str, ==, "> st");
    type(f, "a\t\r");
    g_assert_cmpstr(f->line, ==, "status ");
    type(f, "zz\t");
    g_assert_cmpstr(f->screen->str, ==, "> zz");
}

static void test_limits(Fixture *f, gconstpointer data)
{
    g_autofree char *text = g_strnfill(READLINE_LINE_MAX + 100, 'x');

    type(f, text);
    type(f, "\r");
    g_assert_cmpuint(strlen(f->line), ==, READLINE_LINE_MAX);
}

static void test_utf8(Fixture *f, gconstpointer data)
{
    type(f, "a\xc3\xa9\xe2\x82\xac\x08\x08z\r");
    g_assert_cmpstr(f->line, ==, "az");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name)                                                              \
    g_test_add("/monitor/readline/" #name, Fixture, NULL, set_up, test_##name, \
               tear_down)
    ADD(editing);
    ADD(history);
    ADD(completion);
    ADD(limits);
    ADD(utf8);
    return g_test_run();
}
