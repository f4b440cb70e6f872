/*
 * Reading options that may come as text or typed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/options.h"

#include "util/cutils.h"
#include "util/error.h"

json_t *options_as_text(const json_t *opts)
{
    json_t *copy;
    const char *key;
    json_t *value;
    size_t i;

    switch (json_typeof(opts)) {
    case JSON_OBJECT:
        copy = json_object();
        json_object_foreach((json_t *)opts, key, value)
        {
            json_object_set_new(copy, key, options_as_text(value));
        }
        return copy;
    case JSON_ARRAY:
        copy = json_array();
        json_array_foreach(opts, i, value)
        {
            json_array_append_new(copy, options_as_text(value));
        }
        return copy;
    case JSON_INTEGER:
        return json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(opts));
    case JSON_TRUE:
        return json_string("on");
    case JSON_FALSE:
        return json_string("off");
    default:
        return json_deep_copy(opts);
    }
}

bool options_get_size(const json_t *opts, const char *key, uint64_t unit,
                      uint64_t *ret, Error **errp)
{
    const json_t *value = json_object_get(opts, key);
    const char *text;
    const char *end;
    int err;

    if (!value) {
        return true;
    }
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = (uint64_t)json_integer_value(value);
        return true;
    }
    text = json_string_value(value);
    if (!text) {
        error_setg(errp, "parameter '%s' must be a size", key);
        return false;
    }
    err = unit == 1 ? qemu_strtosz(text, &end, ret)
                    : qemu_strtosz_MiB(text, &end, ret);
    if (err < 0 || *end) {
        error_setg(errp,
                   "parameter '%s' must be a size (with a suffix such as K, M "
                   "or G), not '%s'",
                   key, text);
        return false;
    }
    return true;
}

bool options_get_uint(const json_t *opts, const char *key, unsigned *ret,
                      Error **errp)
{
    const json_t *value = json_object_get(opts, key);
    const char *text;

    if (!value) {
        return true;
    }
    if (json_is_integer(value)) {
        json_int_t n = json_integer_value(value);
        if (n >= 0 && n <= INT_MAX) {
            *ret = (unsigned)n;
            return true;
        }
    }
    text = json_string_value(value);
    if (!text || !g_ascii_isdigit(*text) ||
        qemu_strtoui(text, NULL, 10, ret) < 0 || *ret > INT_MAX) {
        error_setg(errp, "parameter '%s' must be a number%s%s%s", key,
                   text ? ", not '" : "", text ? text : "", text ? "'" : "");
        return false;
    }
    return true;
}

bool options_get_string(const json_t *opts, const char *key, const char **ret,
                        Error **errp)
{
    const json_t *value = json_object_get(opts, key);

    if (!value) {
        return true;
    }
    if (!json_is_string(value)) {
        error_setg(errp, "parameter '%s' must be a string", key);
        return false;
    }
    *ret = json_string_value(value);
    return true;
}

bool options_check_known(const json_t *opts, const char *const *known,
                         const char *what, Error **errp)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)opts, key, value)
    {
        if (!g_strv_contains(known, key)) {
            error_setg(errp, "%s: parameter '%s' is unexpected", what, key);
            return false;
        }
    }
    return true;
}
