/*
 * Fuzz target: what a secret object makes of its data and iv, with and
 * without base64 and decryption.
 *
 * Input: one byte of choices (1: base64, 2: encrypted), one byte with the
 * length of the iv's text, that text, the data.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/secret.h"
#include "crypto/types.h"
#include "qom/object_interfaces.h"
#include "util/error.h"
#include "util/secret-mem.h"

#define KEY_ID "master"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool fuzz_add(const char *id, const char *data, const char *format,
                     const char *keyid, const char *iv)
{
    g_autoptr(Object) obj = NULL;
    g_autoptr(Error) err = NULL;
    json_t *props = json_object();

    json_object_set_new(props, "data", json_string_nocheck(data));
    json_object_set_new(props, "format", json_string(format));
    if (keyid) {
        json_object_set_new(props, "keyid", json_string(keyid));
        json_object_set_new(props, "iv", json_string_nocheck(iv));
    }
    obj = user_creatable_add_type(TYPE_QCRYPTO_SECRET, id, props, true, &err);
    json_decref(props);
    assert(!obj == !!err);
    return obj;
}

static void fuzz_lookup(const char *id)
{
    uint8_t *bytes;
    size_t len;

    if (qcrypto_secret_lookup(id, &bytes, &len, &error_abort) == 0) {
        assert(bytes[len] == 0);
        secret_free(bytes, len);
    }
    secret_str_free(qcrypto_secret_lookup_as_utf8(id, NULL));
    secret_str_free(qcrypto_secret_lookup_as_base64(id, &error_abort));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *iv = NULL, *text = NULL;
    static gsize once; /* the key, made by the first input */
    size_t niv;

    if (g_once_init_enter(&once)) {
        crypto_register_types();
        fuzz_add(KEY_ID, "0123456789abcdef0123456789abcdef", "raw", NULL, NULL);
        g_once_init_leave(&once, 1);
    }
    if (size < 2) {
        return 0;
    }
    niv = MIN(data[1], size - 2);
    iv = g_strndup((const char *)data + 2, niv);
    text = g_strndup((const char *)data + 2 + niv, size - 2 - niv);
    if (fuzz_add("sec0", text, data[0] & 1 ? "base64" : "raw",
                 data[0] & 2 ? KEY_ID : NULL, iv)) {
        fuzz_lookup("sec0");
        user_creatable_del("sec0", &error_abort);
    }
    return 0;
}
