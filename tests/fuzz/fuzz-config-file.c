/*
 * Configuration files (-readconfig, rules of blkdebug): sections have a group
 * and text, or there is an error.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/config-file.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool section(const char *group, const char *id, json_t *opts,
                    void *opaque, Error **errp)
{
    unsigned *left = opaque;
    const char *key;
    json_t *value;

    g_assert(*group && json_is_object(opts));
    g_assert(!id ||
             g_str_equal(id, json_string_value(json_object_get(opts, "id"))));
    json_object_foreach(opts, key, value)
    {
        g_assert(*key && json_is_string(value));
    }
    if (--*left == 0) {
        error_setg(errp, "enough");
        return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned left = 16;
    Error *err = NULL;
    bool ok = config_file_parse("file", (const char *)data, size, section,
                                &left, &err);

    g_assert(ok == !err && (ok || left < 16 || *error_get_pretty(err)));
    error_free(err);
    return 0;
}
