/*
 * Enum tables, boolean words, names: what generated code and the visitors
 * share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/util.h"

#include "util/error.h"

const char *qapi_enum_lookup(const QEnumLookup *lookup, int val)
{
    assert(val >= 0 && val < lookup->size);
    return lookup->array[val];
}

int qapi_enum_parse(const QEnumLookup *lookup, const char *buf, int def,
                    Error **errp)
{
    if (!buf) {
        return def;
    }
    for (int i = 0; i < lookup->size; i++) {
        if (lookup->array[i] && strcmp(buf, lookup->array[i]) == 0) {
            return i;
        }
    }
    error_setg(errp, "invalid parameter value: %s", buf);
    return def;
}

bool qapi_bool_parse(const char *name, const char *value, bool *obj,
                     Error **errp)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {
        { "on", true },   { "yes", true }, { "true", true },   { "y", true },
        { "off", false }, { "no", false }, { "false", false }, { "n", false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(value, words[i].word) == 0) {
            *obj = words[i].value;
            return true;
        }
    }
    error_setg(errp, "parameter '%s' expects 'on' or 'off', not '%s'", name,
               value);
    return false;
}

/* "__RFQDN_" in front of vendor extensions; @p stays if there is none. */
static const char *skip_rfqdn(const char *p)
{
    const char *start = p;

    if (p[0] != '_' || p[1] != '_') {
        return start;
    }
    for (p += 2; g_ascii_isalnum(*p) || *p == '-' || *p == '.'; p++) {
    }
    return *p == '_' ? p + 1 : NULL;
}

int parse_qapi_name(const char *name, bool complete)
{
    const char *p = skip_rfqdn(name);

    if (!p || !g_ascii_isalpha(*p)) {
        return -1;
    }
    while (g_ascii_isalnum(*p) || *p == '-' || *p == '_') {
        p++;
    }
    if (complete && *p) {
        return -1;
    }
    return (int)(p - name);
}
