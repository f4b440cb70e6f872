/*
 * Names of images, as they stand in images: any text becomes options or an
 * error, and the nodes that options describe open or do not. What would touch
 * a file, a device or the net is replaced by nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block-opener.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* They know no world outside. */
static const char *const safe_drivers[] = {
    "blkdebug",          "blklogwrites", "blkverify", "compress",
    "copy-before-write", "copy-on-read", "luks",      "null-aio",
    "null-co",           "preallocate",  "qcow2",     "raw",
    "snapshot-access",   "throttle",
};

static bool is_safe(const char *driver)
{
    for (size_t i = 0; driver && i < G_N_ELEMENTS(safe_drivers); i++) {
        if (g_str_equal(driver, safe_drivers[i])) {
            return true;
        }
    }
    return false;
}

static void make_safe(json_t *value)
{
    json_t *driver, *one;
    const char *key;
    size_t i;

    json_array_foreach(value, i, one)
    {
        make_safe(one);
    }
    if (!json_is_object(value)) {
        return;
    }
    driver = json_object_get(value, "driver");
    if (json_object_get(value, "filename") ||
        (driver && !is_safe(json_string_value(driver)))) {
        json_object_clear(value);
        json_object_set_new(value, "driver", json_string("null-co"));
        json_object_set_new(value, "size", json_integer(65536));
    }
    json_object_del(value, "config");
    json_object_del(value, "latency-ns");
    json_object_foreach(value, key, one)
    {
        make_safe(one);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_malloc0(size + 1);
    g_autofree char *path = NULL;
    g_autoptr(json_t) opts = NULL;
    Error *err = NULL;

    if (size > NODE_FILENAME_MAX) {
        return 0;
    }
    if (size) {
        memcpy(text, data, size);
    }
    opener_init();
    path = block_resolve_filename("/folder/image", text, &err);
    g_assert(!path == (err != NULL));
    error_free(err);
    err = NULL;
    opts = block_filename_options(text, &err);
    g_assert(!opts == (err != NULL));
    error_free(err);
    if (opts) {
        g_autoptr(json_t) keyval = NULL;

        g_assert(json_is_object(opts));
        make_safe(opts);
        opener_run(opts, false);
        keyval = block_json_to_text(opts);
        opener_run(keyval, true);
    }
    return 0;
}
