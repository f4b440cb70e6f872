/*
 * Command lines of the tools: from a table of options to a struct.
 *
 * The table also prints --help, so that what is accepted and what is
 * documented are the same. No state but the caller's, no output: errors are
 * returned.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/cutils.h"
#include "util/error.h"

#include "tool-common.h"

#define HELP_COLUMN 28 /* where descriptions begin */

/* The words that are still to come. */
typedef struct Words {
    int argc;
    char **argv;
    int next;
} Words;

static bool is_end(const ToolOption *o)
{
    return !o->letter && !o->name;
}

static const ToolOption *find_letter(const ToolOption *table, char letter)
{
    for (; !is_end(table); table++) {
        if (table->letter == letter) {
            return table;
        }
    }
    return NULL;
}

/* An abbreviation will do where it fits one name only, as in getopt_long(). */
static const ToolOption *find_name(const ToolOption *table, const char *name,
                                   size_t len, bool *ret_ambiguous)
{
    const ToolOption *found = NULL;

    *ret_ambiguous = false;
    for (; !is_end(table); table++) {
        if (!table->name || strncmp(table->name, name, len) != 0) {
            continue;
        }
        if (!table->name[len]) {
            *ret_ambiguous = false;
            return table;
        }
        *ret_ambiguous = found != NULL;
        found = table;
    }
    return *ret_ambiguous ? NULL : found;
}

bool tool_parse_size(const char *text, const char *what, uint64_t max,
                     uint64_t *ret, Error **errp)
{
    uint64_t value;
    int err = qemu_strtosz(text, NULL, &value);

    if (err == -ERANGE || (err == 0 && value > max)) {
        error_setg(errp, "Invalid %s '%s': must not be more than %" PRIu64,
                   what, text, max);
        return false;
    }
    if (err) {
        error_setg(errp,
                   "Invalid %s '%s': a number is needed; suffixes k, M, G, T, "
                   "P and E stand for powers of 1024",
                   what, text);
        return false;
    }
    *ret = value;
    return true;
}

static bool parse_number(const ToolOption *o, const char *text,
                         const char *what, ToolSize *ret, Error **errp)
{
    uint64_t max = o->max ?: INT64_MAX;
    uint64_t value;

    if (o->kind == TOOL_SIZE) {
        if (!tool_parse_size(text, what, max, &value, errp)) {
            return false;
        }
    } else if (qemu_strtou64(text, NULL, 0, &value) < 0 || text[0] == '-' ||
               value > max) {
        error_setg(errp, "Invalid %s '%s'", what, text);
        return false;
    }
    if (value < o->min) {
        error_setg(errp, "Invalid %s '%s': must be at least %" PRIu64, what,
                   text, o->min);
        return false;
    }
    *ret = (ToolSize){ .given = true, .value = value };
    return true;
}

static bool store(const ToolOption *o, const char *spelling, const char *text,
                  void *args, Error **errp)
{
    void *field = (char *)args + o->offset;
    g_autofree char *what = NULL;

    switch (o->kind) {
    case TOOL_FLAG:
        *(bool *)field = true;
        return true;
    case TOOL_STRING:
        *(const char **)field = text;
        return true;
    case TOOL_LIST: {
        GPtrArray **list = field;

        *list = *list ?: g_ptr_array_new();
        g_ptr_array_add(*list, (char *)text);
        return true;
    }
    case TOOL_STEP: {
        GArray **steps = field;
        ToolStep step = { o->name, text };

        *steps = *steps ?: g_array_new(false, false, sizeof(ToolStep));
        g_array_append_val(*steps, step);
        return true;
    }
    case TOOL_SIZE:
    case TOOL_NUMBER:
        what = g_strdup_printf("value of %s", spelling);
        return parse_number(o, text, what, field, errp);
    }
    g_assert_not_reached();
}

static bool has_argument(const ToolOption *o)
{
    return o->kind == TOOL_STEP ? o->arg != NULL : o->kind != TOOL_FLAG;
}

static const char *argument(Words *w, const char *attached,
                            const char *spelling, Error **errp)
{
    if (attached) {
        return attached;
    }
    if (w->next >= w->argc) {
        error_setg(errp, "option '%s' needs an argument", spelling);
        return NULL;
    }
    return w->argv[w->next++];
}

static bool parse_long(const ToolOption *table, Words *w, const char *word,
                       void *args, Error **errp)
{
    const char *name = word + 2;
    size_t len = strcspn(name, "=");
    const char *attached = name[len] ? name + len + 1 : NULL;
    g_autofree char *spelling = g_strndup(word, len + 2);
    bool ambiguous;
    const ToolOption *o = find_name(table, name, len, &ambiguous);

    if (!o) {
        error_setg(errp,
                   ambiguous ? "option '%s' is ambiguous"
                             : "unrecognized option '%s'",
                   spelling);
        return false;
    }
    if (!has_argument(o)) {
        if (attached) {
            error_setg(errp, "option '%s' takes no argument", spelling);
            return false;
        }
        return store(o, spelling, NULL, args, errp);
    }
    attached = argument(w, attached, spelling, errp);
    return attached && store(o, spelling, attached, args, errp);
}

static bool parse_letters(const ToolOption *table, Words *w, const char *word,
                          void *args, Error **errp)
{
    for (const char *p = word + 1; *p; p++) {
        const ToolOption *o = find_letter(table, *p);
        const char spelling[] = { '-', *p, '\0' };
        const char *text;

        if (!o) {
            error_setg(errp, "unrecognized option '%s'", spelling);
            return false;
        }
        if (!has_argument(o)) {
            if (!store(o, spelling, NULL, args, errp)) {
                return false;
            }
            continue;
        }
        text = argument(w, p[1] ? p + 1 : NULL, spelling, errp);
        return text && store(o, spelling, text, args, errp);
    }
    return true;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] && !g_ascii_isdigit(word[1]);
}

bool tool_options_parse(const ToolOption *table, int argc, char **argv,
                        void *args, GPtrArray *positional, bool *ret_help,
                        Error **errp)
{
    Words w = { argc, argv, 0 };

    *ret_help = false;
    while (w.next < argc) {
        const char *word = argv[w.next++];
        bool ok;

        if (g_str_equal(word, "--")) {
            break;
        }
        if (!is_option(word)) {
            g_ptr_array_add(positional, (char *)word);
            continue;
        }
        if (g_str_equal(word, "--help") || g_str_equal(word, "-h")) {
            *ret_help = true;
            return true;
        }
        ok = word[1] == '-' ? parse_long(table, &w, word, args, errp)
                            : parse_letters(table, &w, word, args, errp);
        if (!ok) {
            return false;
        }
    }
    while (w.next < argc) {
        g_ptr_array_add(positional, argv[w.next++]);
    }
    return true;
}

void tool_options_free(const ToolOption *table, void *args)
{
    for (; !is_end(table); table++) {
        void *field = (char *)args + table->offset;

        if (table->kind == TOOL_LIST) {
            g_clear_pointer((GPtrArray **)field, g_ptr_array_unref);
        } else if (table->kind == TOOL_STEP) { /* one for several rows */
            g_clear_pointer((GArray **)field, g_array_unref);
        }
    }
}

char *tool_options_help(const ToolOption *table)
{
    GString *out = g_string_new(NULL);

    for (; !is_end(table); table++) {
        gsize start = out->len;

        g_string_append(out, "  ");
        if (table->letter) {
            g_string_append_printf(out, "-%c%s", table->letter,
                                   table->name ? ", " : "");
        }
        if (table->name) {
            g_string_append_printf(out, "--%s", table->name);
        }
        if (has_argument(table)) {
            g_string_append_printf(out, "%c%s", table->name ? '=' : ' ',
                                   table->arg);
        }
        if (out->len - start >= HELP_COLUMN) {
            g_string_append_c(out, '\n');
            start = out->len;
        }
        while (out->len - start < HELP_COLUMN) {
            g_string_append_c(out, ' ');
        }
        g_string_append_printf(out, "%s\n", table->help);
    }
    return g_string_free(out, FALSE);
}
