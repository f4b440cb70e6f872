/*
 * Parsing of human monitor lines.
 *
 * A command's table names its arguments in order ("name:type?"); each type
 * has one small parser that takes text from the cursor and yields JSON.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hmp-parse.h"

#include "util/cutils.h"
#include "util/error.h"
#include "util/keyval.h"

#define MIB (1024 * 1024)

static bool name_matches(const char *name, const char *list)
{
    g_auto(GStrv) names = NULL;

    if (!list) {
        return false;
    }
    names = g_strsplit(list, "|", -1);
    return g_strv_contains((const char *const *)names, name);
}

const HMPCommand *hmp_command_find(const HMPCommand *const *tables,
                                   const char *name)
{
    for (; tables && *tables; tables++) {
        for (const HMPCommand *c = *tables; c->name; c++) {
            if (g_str_equal(c->name, name) || name_matches(name, c->aliases)) {
                return c;
            }
        }
    }
    return NULL;
}

static void skip_blanks(const char **p)
{
    while (g_ascii_isspace(**p)) {
        (*p)++;
    }
}

static bool quoted_char(const char **p, char *ret, Error **errp)
{
    static const char from[] = "nrt\\\"'";
    static const char to[] = "\n\r\t\\\"'";
    const char *found;

    if (**p != '\\') {
        *ret = *(*p)++;
        return true;
    }
    found = (*p)[1] ? strchr(from, (*p)[1]) : NULL;
    if (!found) {
        error_setg(errp, "unknown escape '\\%c' in a quoted word", (*p)[1]);
        return false;
    }
    *ret = to[found - from];
    *p += 2;
    return true;
}

char *hmp_word(const char **p, Error **errp)
{
    g_autoptr(GString) word = NULL;

    skip_blanks(p);
    if (!**p) {
        return NULL;
    }
    word = g_string_new(NULL);
    if (**p != '"') {
        while (**p && !g_ascii_isspace(**p)) {
            g_string_append_c(word, *(*p)++);
        }
    } else {
        (*p)++;
        while (**p != '"') {
            char c;

            if (!**p) {
                error_setg(errp, "quote is not closed");
                return NULL;
            }
            if (!quoted_char(p, &c, errp)) {
                return NULL;
            }
            g_string_append_c(word, c);
        }
        (*p)++;
    }
    skip_blanks(p);
    return g_string_free(g_steal_pointer(&word), FALSE);
}

static json_t *number_from(const char *word, char type, const char *name,
                           Error **errp)
{
    int64_t value;
    uint64_t size;
    int r;

    switch (type) {
    case 'i':
    case 'l':
    case 'M':
        r = qemu_strtoi64(word, NULL, 0, &value);
        if (r == -ERANGE && type == 'l' && *word != '-') {
            r = qemu_strtou64(word, NULL, 0, &size); /* an address */
            value = (int64_t)size;
        }
        if (r == 0 && type == 'i' && (value > UINT32_MAX || value < INT_MIN)) {
            r = -ERANGE;
        }
        if (r == 0 && type == 'M' && (value < 0 || value > INT64_MAX / MIB)) {
            r = -ERANGE;
        } else if (r == 0 && type == 'M') {
            value *= MIB;
        }
        break;
    case 'o':
        r = qemu_strtosz_MiB(word, NULL, &size);
        value = size;
        break;
    default:
        g_assert_not_reached();
    }
    if (r < 0) {
        error_setg(errp, "parameter '%s' expects a number, not '%s'%s", name,
                   word, r == -ERANGE ? " (out of range)" : "");
        return NULL;
    }
    return json_integer(value);
}

static json_t *time_from(const char *word, const char *name, Error **errp)
{
    char *end;
    double seconds = g_ascii_strtod(word, &end);

    if (end == word || !(seconds >= 0)) {
        goto bad;
    }
    if (g_str_equal(end, "us")) {
        seconds /= 1e6;
    } else if (g_str_equal(end, "ms")) {
        seconds /= 1e3;
    } else if (*end && !g_str_equal(end, "s")) {
        goto bad;
    }
    return json_real(seconds);
bad:
    error_setg(errp,
               "parameter '%s' expects a time such as 1s or 300ms, "
               "not '%s'",
               name, word);
    return NULL;
}

static json_t *bool_from(const char *word, const char *name, Error **errp)
{
    if (g_str_equal(word, "on")) {
        return json_true();
    }
    if (g_str_equal(word, "off")) {
        return json_false();
    }
    error_setg(errp, "parameter '%s' expects 'on' or 'off', not '%s'", name,
               word);
    return NULL;
}

/* "/4xw": count, format, size; any of them may be missing. */
static void take_format(const char **p, json_t *args)
{
    long count = 0;

    if (**p != '/') {
        return;
    }
    (*p)++;
    while (g_ascii_isdigit(**p)) {
        count = MIN(count * 10 + (**p - '0'), INT_MAX);
        (*p)++;
    }
    if (count) {
        json_object_set_new(args, "count", json_integer(count));
    }
    for (; **p && !g_ascii_isspace(**p); (*p)++) {
        char text[2] = { **p, '\0' };

        json_object_set_new(args, strchr("bhwg", **p) ? "size" : "format",
                            json_string(text));
    }
    skip_blanks(p);
}

static json_t *string_from(const char *word, const char *name, Error **errp)
{
    json_t *text = json_string(word);

    if (!text) {
        error_setg(errp, "parameter '%s' is not valid UTF-8", name);
    }
    return text;
}

static json_t *value_from(const char *word, char type, const char *name,
                          Error **errp)
{
    switch (type) {
    case 's':
    case 'F':
    case 'B':
        return string_from(word, name, errp);
    case 'T':
        return time_from(word, name, errp);
    case 'b':
        return bool_from(word, name, errp);
    default:
        return number_from(word, type, name, errp);
    }
}

/* One argument "name:type"; @p stands on a non-blank or the end. */
/* The word behind a flag "-xs". */
static bool take_flag_value(json_t *args, const char *name, const char *type,
                            const char **p, Error **errp)
{
    Error *err = NULL;
    g_autofree char *word = hmp_word(p, &err);

    if (err) {
        error_propagate(errp, err);
        return false;
    }
    if (!word) {
        error_setg(errp, "-%c needs a value", type[1]);
        return false;
    }
    json_object_set_new(args, name, json_string(word));
    return true;
}

static bool parse_arg(const char *name, const char *type, const char **p,
                      json_t *args, Error **errp)
{
    bool optional = g_str_has_suffix(type, "?");
    g_autoptr(Error) err = NULL;
    g_autofree char *word = NULL;
    json_t *value;

    if (type[0] == '-') {
        bool given = (*p)[0] == '-' && (*p)[1] == type[1] &&
                     (!(*p)[2] || g_ascii_isspace((*p)[2]));

        if (given) {
            *p += 2;
            skip_blanks(p);
            return type[2] == 's'
                       ? take_flag_value(args, name, type, p, errp)
                       : !json_object_set_new(args, name, json_true());
        }
        return true;
    }
    if (type[0] == '/') {
        take_format(p, args);
        return true;
    }
    if (type[0] == 'S') {
        word = g_strdup(*p);
        *p += strlen(*p);
        word = g_strchomp(word);
        if (!*word) {
            g_clear_pointer(&word, g_free);
        }
    } else {
        word = hmp_word(p, &err);
    }
    if (err) {
        error_propagate(errp, g_steal_pointer(&err));
        return false;
    }
    if (!word) {
        if (!optional) {
            error_setg(errp, "parameter '%s' is missing", name);
        }
        return optional;
    }
    if (type[0] == 'O') {
        g_autoptr(json_t) members = keyval_parse(word, name, NULL, errp);

        return members && json_object_update(args, members) == 0;
    }
    value = value_from(word, type[0] == 'S' ? 's' : type[0], name, errp);
    if (!value) {
        return false;
    }
    json_object_set_new(args, name, value);
    return true;
}

json_t *hmp_parse_args(const HMPCommand *cmd, const char *p, Error **errp)
{
    g_autoptr(json_t) args = json_object();
    g_auto(GStrv) specs = g_strsplit(cmd->args, ",", -1);

    skip_blanks(&p);
    for (char **spec = specs; *spec && **spec; spec++) {
        char *type = strchr(*spec, ':');

        assert(type);
        *type++ = '\0';
        if (!parse_arg(*spec, type, &p, args, errp)) {
            return NULL;
        }
    }
    if (*p) {
        error_setg(errp, "superfluous text '%s'", p);
        return NULL;
    }
    return g_steal_pointer(&args);
}
