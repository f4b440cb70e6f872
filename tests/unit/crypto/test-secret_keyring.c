/*
 * secret_keyring objects, where the kernel lets this process have keys.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <keyutils.h>

#include "crypto/init.h"
#include "crypto/secret_keyring.h"
#include "crypto/types.h"
#include "qom/object_interfaces.h"
#include "util/error.h"
#include "util/secret-mem.h"

#define PASSWORD "s3kr1t-Pa55w0rd"
#define KEY      "0123456789abcdef0123456789abcdef"

/* A key of this process, or skip the test. */
static key_serial_t make_key(const char *data)
{
    key_serial_t key = add_key("user", "ferry-test-secret", data, strlen(data),
                               KEY_SPEC_PROCESS_KEYRING);

    if (key < 0) {
        g_test_skip("the kernel gives no keys to this process");
    }
    return key;
}

static bool add(const char *id, json_t *props, Error **errp)
{
    Object *obj = user_creatable_add_type(TYPE_QCRYPTO_SECRET_KEYRING, id,
                                          props, false, errp);

    json_decref(props);
    if (obj) {
        object_unref(obj);
    }
    return obj;
}

static void assert_utf8(const char *id, const char *want)
{
    char *got = qcrypto_secret_lookup_as_utf8(id, &error_abort);

    g_assert_cmpstr(got, ==, want);
    secret_str_free(got);
}

static void test_read(void)
{
    key_serial_t key = make_key(PASSWORD);

    if (key < 0) {
        return;
    }
    add("sec0", json_pack("{s:i}", "serial", key), &error_abort);
    /* Not touched by what happens to the key later. */
    g_assert_cmpint(keyctl_unlink(key, KEY_SPEC_PROCESS_KEYRING), ==, 0);
    assert_utf8("sec0", PASSWORD);
    user_creatable_del("sec0", &error_abort);
}

static void test_base64(void)
{
    key_serial_t key = make_key("czNrcjF0LVBhNTV3MHJk\n");

    if (key < 0) {
        return;
    }
    add("sec0", json_pack("{s:i, s:s}", "serial", key, "format", "base64"),
        &error_abort);
    assert_utf8("sec0", PASSWORD);
    user_creatable_del("sec0", &error_abort);
    keyctl_unlink(key, KEY_SPEC_PROCESS_KEYRING);
}

/* A key of the keyring decrypts a secret, and is one of the same rules. */
static void test_as_key(void)
{
    key_serial_t key = make_key(KEY);
    Error *err = NULL;

    if (key < 0) {
        return;
    }
    add("master", json_pack("{s:i}", "serial", key), &error_abort);
    g_assert_false(add("sec0",
                       json_pack("{s:i, s:s, s:s}", "serial", key, "keyid",
                                 "master", "iv", "AAAA"),
                       &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "sec0"));
    g_assert_null(strstr(error_get_pretty(err), KEY));
    error_free_or_abort(&err);
    user_creatable_del("master", &error_abort);
    keyctl_unlink(key, KEY_SPEC_PROCESS_KEYRING);
}

static void test_wrong(void)
{
    static const int serials[] = { 0, -1000000, INT32_MAX };
    Error *err = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(serials); i++) {
        g_assert_false(
            add("sec0", json_pack("{s:i}", "serial", serials[i]), &err));
        g_assert_nonnull(strstr(error_get_pretty(err), "sec0"));
        error_free_or_abort(&err);
    }
    g_assert_false(add("sec0", json_object(), &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "serial"));
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    crypto_register_types();
    g_test_add_func("/crypto/secret-keyring/read", test_read);
    g_test_add_func("/crypto/secret-keyring/base64", test_base64);
    g_test_add_func("/crypto/secret-keyring/as-key", test_as_key);
    g_test_add_func("/crypto/secret-keyring/wrong", test_wrong);
    return g_test_run();
}
