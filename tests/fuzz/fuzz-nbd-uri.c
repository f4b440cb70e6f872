/*
 * Names of NBD exports, as they stand in images: any text becomes properties
 * or an error, and properties have an address.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/protocol/nbd-internal.h"
#include "qapi/json.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text =
        size ? g_strndup((const char *)data, size) : g_strdup("");
    g_autoptr(json_t) opts = json_object();
    Error *err = NULL;
    bool ok;

    if (!g_utf8_validate(text, -1, NULL)) {
        return 0;
    }
    ok = nbd_parse_filename(text, opts, &err);
    if (ok == (err != NULL) ||
        (ok && !json_is_object(json_object_get(opts, "server")))) {
        abort();
    }
    error_free(err);
    return 0;
}
