/*
 * key=value,... text to nested JSON objects.
 *
 * Pairs go one by one into a tree of objects, the parts of a key being the
 * way down; an array is an object with numeric keys at first. When all text
 * is read, keyval_finish() turns those into real arrays and refuses gaps, so
 * that the order of pairs does not matter, and -set can add to them.
 *
 * The text is the user's own, but scripts build it from what others chose
 * (file names), so every size has a limit and nothing is guessed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/keyval.h"

#include "util/cutils.h"
#include "util/error.h"
#include "util/option.h"

typedef struct KeyvalParser {
    json_t *root;
    const char *implied_key; /* for the pair being read */
    bool help;
} KeyvalParser;

static bool is_part_char(char c)
{
    return g_ascii_isalnum(c) || c == '-' || c == '_';
}

/*
 * Length of the part at @s, which ends before '.' or the key's end. A
 * downstream name begins with "__RFQDN_", whose dots do not separate parts.
 * Returns 0 for a malformed part.
 */
static size_t key_part_len(const char *s, size_t max, bool first)
{
    size_t len = 0;

    if (max > 2 && s[0] == '_' && s[1] == '_') {
        len = 2;
        while (len < max &&
               (g_ascii_isalnum(s[len]) || s[len] == '-' || s[len] == '.')) {
            len++;
        }
        if (len == max || s[len] != '_') {
            return 0;
        }
    } else if (first && max && !g_ascii_isalpha(s[0]) && s[0] != '_') {
        return 0;
    }
    while (len < max && is_part_char(s[len])) {
        len++;
    }
    return len == max || s[len] == '.' ? len : 0;
}

static bool part_is_index(const char *part)
{
    return g_ascii_isdigit(part[0]);
}

/* "0", "1", "10"; not "01", "1x". */
static bool parse_index(const char *part, uint64_t *index)
{
    return (part[0] != '0' || !part[1]) &&
           qemu_strtou64(part, NULL, 10, index) == 0 &&
           *index < KEYVAL_ARRAY_MAX;
}

static bool bad_key(const char *key, size_t len, Error **errp)
{
    g_autofree char *shown =
        g_utf8_make_valid(key, (gssize)MIN(len, KEYVAL_KEY_PART_MAX));

    error_setg(errp, "invalid parameter '%s'", shown);
    return false;
}

static bool mixed_use(const char *key, size_t len, Error **errp)
{
    error_setg(errp, "parameters '%.*s.*' are used inconsistently", (int)len,
               key);
    return false;
}

/* Go from @obj to the object @part of it, made if missing. Borrowed. */
static json_t *enter(json_t *obj, const char *part)
{
    json_t *child = json_object_get(obj, part);

    if (!child) {
        child = json_object();
        json_object_set_new(obj, part, child);
    }
    return json_is_object(child) ? child : NULL;
}

/* Store @value under the dotted key of @len bytes. */
static bool put(json_t *root, const char *key, size_t len, const char *value,
                size_t value_len, Error **errp)
{
    json_t *obj = root;
    size_t at = 0;

    for (unsigned depth = 0; depth < KEYVAL_DEPTH_MAX; depth++) {
        char part[KEYVAL_KEY_PART_MAX + 1];
        size_t n = key_part_len(key + at, len - at, depth == 0);
        uint64_t index;

        if (n == 0 || n > KEYVAL_KEY_PART_MAX) {
            return bad_key(key, len, errp);
        }
        memcpy(part, key + at, n);
        part[n] = '\0';
        if (part_is_index(part) && !parse_index(part, &index)) {
            return bad_key(key, len, errp);
        }
        at += n;
        if (at == len) {
            json_t *leaf = json_stringn(value, value_len);

            if (!leaf) {
                error_setg(errp, "value of parameter '%.*s' is not UTF-8",
                           (int)len, key);
                return false;
            }
            if (json_is_object(json_object_get(obj, part))) {
                json_decref(leaf);
                return mixed_use(key, at, errp);
            }
            json_object_set_new(obj, part, leaf);
            return true;
        }
        obj = enter(obj, part);
        if (!obj) {
            return mixed_use(key, at, errp);
        }
        at++; /* the '.' */
    }
    error_setg(errp, "parameter '%.*s' has more than %d parts", (int)len, key,
               KEYVAL_DEPTH_MAX);
    return false;
}

/* Read a value up to a ',' that is not doubled; @s moves behind it. */
static GString *read_value(const char **s)
{
    GString *value = g_string_new(NULL);
    const char *p = *s;

    while (*p) {
        size_t n = strcspn(p, ",");

        g_string_append_len(value, p, (gssize)n);
        p += n;
        if (*p == ',') {
            p++;
            if (*p != ',') {
                break;
            }
            g_string_append_c(value, *p++);
        }
    }
    *s = p;
    return value;
}

static bool parse_pair(KeyvalParser *parser, const char **s, Error **errp)
{
    const char *key = *s;
    size_t len = strcspn(key, "=,");
    const char *end = key + len;
    bool has_value = *end == '=';

    if (!has_value &&
        ((len == 4 && !memcmp(key, "help", 4)) || (len == 1 && *key == '?'))) {
        parser->help = true;
        *s = *end ? end + 1 : end;
        return true;
    }
    if (!has_value && len && parser->implied_key) {
        *s = *end ? end + 1 : end;
        return put(parser->root, parser->implied_key,
                   strlen(parser->implied_key), key, len, errp);
    }
    if (!has_value && len) {
        g_autofree char *shown =
            g_utf8_make_valid(key, (gssize)MIN(len, KEYVAL_KEY_PART_MAX));

        error_setg(errp, "expected '=' after parameter '%s'", shown);
        return false;
    }
    if (!len) {
        return bad_key(key, len, errp);
    }
    *s = end + 1;
    g_autoptr(GString) value = read_value(s);

    return put(parser->root, key, len, value->str, value->len, errp);
}

json_t *keyval_parse_into(json_t *qdict, const char *params,
                          const char *implied_key, bool *p_help, Error **errp)
{
    KeyvalParser parser = { .root = qdict, .implied_key = implied_key };
    const char *s = params;

    if (strnlen(params, KEYVAL_TEXT_MAX_BYTES) == KEYVAL_TEXT_MAX_BYTES) {
        error_setg(errp, "parameters are longer than %d bytes",
                   KEYVAL_TEXT_MAX_BYTES);
        return NULL;
    }
    while (*s) {
        if (!parse_pair(&parser, &s, errp)) {
            return NULL;
        }
        parser.implied_key = NULL;
    }
    if (p_help) {
        *p_help = parser.help;
    } else if (parser.help) {
        error_setg(errp, "help is not available for this option");
        return NULL;
    }
    return qdict;
}

/* -- arrays --------------------------------------------------------------- */

static json_t *finish_object(json_t *obj, const char *path, bool root,
                             Error **errp);

/* The finished value of one member, owned by the caller. */
static json_t *finish_member(json_t *value, const char *path, const char *key,
                             Error **errp)
{
    if (!json_is_object(value)) {
        return json_incref(value);
    }
    g_autofree char *sub = g_strconcat(path, *path ? "." : "", key, NULL);

    return finish_object(value, sub, false, errp);
}

static json_t *finish_array(json_t *obj, const char *path, Error **errp)
{
    json_t *array = json_array();
    size_t n = json_object_size(obj);

    for (size_t i = 0; i < n; i++) {
        g_autofree char *key = g_strdup_printf("%zu", i);
        json_t *value = json_object_get(obj, key);

        if (!value) {
            error_setg(errp, "parameter '%s.%s' is missing", path, key);
            json_decref(array);
            return NULL;
        }
        value = finish_member(value, path, key, errp);
        if (!value) {
            json_decref(array);
            return NULL;
        }
        json_array_append_new(array, value);
    }
    return array;
}

static json_t *finish_object(json_t *obj, const char *path, bool root,
                             Error **errp)
{
    size_t indexes = 0;
    const char *key;
    json_t *value;

    json_object_foreach(obj, key, value)
    {
        indexes += part_is_index(key);
    }
    if (indexes && (root || indexes != json_object_size(obj))) {
        mixed_use(path, strlen(path), errp);
        return NULL;
    }
    if (indexes) {
        return finish_array(obj, path, errp);
    }
    json_t *ret = json_object();

    json_object_foreach(obj, key, value)
    {
        json_t *member = finish_member(value, path, key, errp);

        if (!member) {
            json_decref(ret);
            return NULL;
        }
        json_object_set_new(ret, key, member);
    }
    return ret;
}

json_t *keyval_finish(json_t *qdict, Error **errp)
{
    json_t *ret = finish_object(qdict, "", true, errp);

    json_decref(qdict);
    return ret;
}

json_t *keyval_parse(const char *params, const char *implied_key, bool *p_help,
                     Error **errp)
{
    json_t *raw = json_object();

    if (!keyval_parse_into(raw, params, implied_key, p_help, errp)) {
        json_decref(raw);
        return NULL;
    }
    return keyval_finish(raw, errp);
}

/* -- merge ---------------------------------------------------------------- */

static bool merge(json_t *dest, const json_t *merged, const char *path,
                  unsigned depth, Error **errp)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)merged, key, value)
    {
        json_t *old = json_object_get(dest, key);
        g_autofree char *sub = g_strconcat(path, *path ? "." : "", key, NULL);

        if (old && (json_typeof(old) != json_typeof(value) ||
                    depth == KEYVAL_DEPTH_MAX)) {
            error_setg(errp, "parameter '%s' is used inconsistently", sub);
            return false;
        }
        if (json_is_object(old)) {
            if (!merge(old, value, sub, depth + 1, errp)) {
                return false;
            }
        } else if (json_is_array(old)) {
            json_array_extend(old, value);
        } else {
            json_object_set_new(dest, key, json_deep_copy(value));
        }
    }
    return true;
}

bool keyval_merge(json_t *dest, const json_t *merged, Error **errp)
{
    return merge(dest, merged, "", 0, errp);
}
