/*
 * Reader of -readconfig files: sections with a group, an id, and values.
 *
 * Line by line; a section is handed on when the next one begins or the file
 * ends, so its values are complete. Values are in double quotes without
 * escapes, as the format has always had it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/config-file.h"

#include "util/error.h"
#include "util/read-file.h"

#define NAME_MAX_BYTES 127 /* of a group or a key */

typedef struct ConfigReader {
    const char *name; /* of the file, for messages */
    int line;
    int section_line; /* where the open section began, 0: none is open */
    char *group;
    char *id;
    json_t *opts;
    ConfigGroupFn *fn;
    void *opaque;
} ConfigReader;

static bool syntax_error(const ConfigReader *r, const char *why, Error **errp)
{
    error_setg(errp, "%s:%d: %s", r->name, r->line, why);
    return false;
}

static void drop_section(ConfigReader *r)
{
    g_clear_pointer(&r->group, g_free);
    g_clear_pointer(&r->id, g_free);
    json_decref(r->opts);
    r->opts = NULL;
    r->section_line = 0;
}

static bool end_section(ConfigReader *r, Error **errp)
{
    ERRP_GUARD();
    bool ok = true;

    if (r->section_line) {
        ok = r->fn(r->group, r->id, r->opts, r->opaque, errp);
        if (!ok) {
            error_prepend(errp, "%s:%d: ", r->name, r->section_line);
        }
    }
    drop_section(r);
    return ok;
}

static size_t name_len(const char *s)
{
    size_t len = 0;

    while (g_ascii_isalnum(s[len]) || s[len] == '-' || s[len] == '_' ||
           s[len] == '.') {
        len++;
    }
    return len <= NAME_MAX_BYTES ? len : 0;
}

static const char *skip_blanks(const char *s)
{
    while (*s == ' ' || *s == '\t') {
        s++;
    }
    return s;
}

/* The text in quotes at *@s, which moves behind them; NULL if malformed. */
static char *read_quoted(const char **s)
{
    const char *start = *s + 1;
    const char *end = **s == '"' ? strchr(start, '"') : NULL;

    if (!end) {
        return NULL;
    }
    *s = end + 1;
    return g_strndup(start, (gsize)(end - start));
}

/* [group] or [group "id"] */
static bool read_section(ConfigReader *r, const char *s, Error **errp)
{
    if (!end_section(r, errp)) {
        return false;
    }
    s = skip_blanks(s + 1);
    size_t len = name_len(s);

    if (!len) {
        return syntax_error(r, "expected the name of a group", errp);
    }
    g_autofree char *group = g_strndup(s, len);
    g_autofree char *id = NULL;

    s = skip_blanks(s + len);
    if (*s == '"') {
        id = read_quoted(&s);
        if (!id) {
            return syntax_error(r, "expected '\"' after the id", errp);
        }
        s = skip_blanks(s);
    }
    if (*s != ']' || *skip_blanks(s + 1)) {
        return syntax_error(r, "expected ']' at the end of the line", errp);
    }
    r->section_line = r->line;
    r->opts = json_object();
    if (id && json_object_set_new(r->opts, "id", json_string(id)) < 0) {
        return syntax_error(r, "the id is not UTF-8", errp);
    }
    r->group = g_steal_pointer(&group);
    r->id = g_steal_pointer(&id);
    return true;
}

/* key = "value" */
static bool read_value(ConfigReader *r, const char *s, Error **errp)
{
    size_t len = name_len(s);

    if (!len) {
        return syntax_error(r, "expected 'key = \"value\"'", errp);
    }
    if (!r->section_line) {
        return syntax_error(r, "a value outside of any [group]", errp);
    }
    g_autofree char *key = g_strndup(s, len);
    g_autofree char *value = NULL;

    s = skip_blanks(s + len);
    if (*s == '=') {
        s = skip_blanks(s + 1);
        value = read_quoted(&s);
    }
    if (!value || *skip_blanks(s)) {
        return syntax_error(r, "expected 'key = \"value\"'", errp);
    }
    if (json_object_set_new(r->opts, key, json_string(value)) < 0) {
        return syntax_error(r, "the value is not UTF-8", errp);
    }
    return true;
}

static bool read_line(ConfigReader *r, const char *line, Error **errp)
{
    const char *s = skip_blanks(line);

    r->line++;
    if (!*s || *s == '#') {
        return true;
    }
    return *s == '[' ? read_section(r, s, errp) : read_value(r, s, errp);
}

bool config_file_parse(const char *name, const char *text, size_t len,
                       ConfigGroupFn *fn, void *opaque, Error **errp)
{
    ConfigReader r = { .name = name, .fn = fn, .opaque = opaque };
    const char *end = text + len;
    bool ok = true;

    if (len > CONFIG_FILE_MAX_BYTES) {
        error_setg(errp, "%s: longer than %d bytes", name,
                   CONFIG_FILE_MAX_BYTES);
        return false;
    }
    if (len > 0 && memchr(text, '\0', len)) {
        error_setg(errp, "%s: not a text file", name);
        return false;
    }
    while (ok && text < end) {
        const char *eol = memchr(text, '\n', (size_t)(end - text));
        const char *stop = eol ? eol : end;
        const char *trimmed = stop > text && stop[-1] == '\r' ? stop - 1 : stop;
        g_autofree char *line = g_strndup(text, (gsize)(trimmed - text));

        ok = read_line(&r, line, errp);
        text = eol ? eol + 1 : end;
    }
    ok = ok && end_section(&r, errp);
    drop_section(&r);
    return ok;
}

bool config_file_read(const char *path, ConfigGroupFn *fn, void *opaque,
                      Error **errp)
{
    size_t len = 0;
    g_autofree char *text =
        read_file_bounded(path, CONFIG_FILE_MAX_BYTES, &len, errp);

    return text && config_file_parse(path, text, len, fn, opaque, errp);
}
