/*
 * keys.psk: any bytes give keys or an error.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/tls-psk-file.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_malloc(size ? size : 1); /* no NUL behind */
    g_autoptr(TLSPskFile) file = NULL;
    Error *err = NULL;

    if (size) {
        memcpy(text, data, size);
    }
    file = tls_psk_file_parse(text, size, &err);
    g_assert(!file == !!err);
    error_free(err);
    if (file) {
        const TLSPskKey *key = tls_psk_file_lookup(file, "alice");

        g_assert(!key || (key->len > 0 && key->len <= TLS_PSK_MAX_KEY));
    }
    return 0;
}
