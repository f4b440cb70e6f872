/*
 * -drive's text, which is older than the key=value syntax of everything else,
 * made into that: a key without a value is "on", "file=NAME" beside "file.*"
 * is "file.filename=NAME", and some names and values have other spellings.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/drive-internal.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/keyval.h"

typedef struct Spelling {
    const char *key;
    const char *value; /* NULL: any */
    const char *now_key;
    const char *now_value; /* NULL: as it is */
} Spelling;

static const Spelling spellings[] = {
    { "group", NULL, "throttling.group", NULL },
    { "readonly", NULL, "read-only", NULL },
    { "discard", "on", "discard", "unmap" },
    { "discard", "off", "discard", "ignore" },
    {},
};

/* The end of the pair that begins at @text: ",," is a comma in it. */
static const char *pair_end(const char *text)
{
    while (*text && (*text != ',' || text[1] == ',')) {
        text += *text == ',' ? 2 : 1;
    }
    return text;
}

/* The end of the key of a pair: its '=', or @end. */
static const char *key_end(const char *pair, const char *end)
{
    const char *equals = memchr(pair, '=', (size_t)(end - pair));

    return equals ? equals : end;
}

/* Is there an option of the file beside its name? */
static bool has_file_options(const char *text)
{
    while (*text) {
        const char *end = pair_end(text);

        if (g_str_has_prefix(text, "file.") &&
            !g_str_has_prefix(text, "file.filename=")) {
            return true;
        }
        text = *end ? end + 1 : end;
    }
    return false;
}

static void add_pair(GString *out, const char *key, const char *value)
{
    for (const Spelling *s = spellings; s->key; s++) {
        if (g_str_equal(key, s->key) &&
            (!s->value || g_str_equal(value, s->value))) {
            key = s->now_key;
            value = s->now_value ? s->now_value : value;
            break;
        }
    }
    g_string_append_printf(out, "%s%s=%s", out->len ? "," : "", key, value);
}

json_t *drive_text_parse(const char *text, bool *help, Error **errp)
{
    g_autoptr(GString) out = g_string_new(NULL);
    bool has_options = has_file_options(text);

    while (*text) {
        const char *end = pair_end(text);
        const char *equals = key_end(text, end);
        g_autofree char *key = g_strndup(text, (gsize)(equals - text));
        g_autofree char *value =
            equals < end ? g_strndup(equals + 1, (gsize)(end - equals - 1))
                         : g_strdup("on");

        if (*key == '\0') {
            error_setg(errp, "-drive has an option without a name");
            return NULL;
        }
        if (equals == end &&
            (g_str_equal(key, "help") || g_str_equal(key, "?"))) {
            return keyval_parse(key, NULL, help, errp);
        }
        add_pair(out,
                 has_options && g_str_equal(key, "file") ? "file.filename"
                                                         : key,
                 value);
        text = *end ? end + 1 : end;
    }
    return keyval_parse(out->str, NULL, help, errp);
}
