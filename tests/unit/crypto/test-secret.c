/*
 * Secret objects: every way in, every rule, and what must not come out.
 *
 * Encrypted data is made by the real `openssl enc` where it is installed, and
 * by fixed vectors of it otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "crypto/cipher.h"
#include "crypto/init.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/types.h"
#include "qom/object_interfaces.h"
#include "util/base64.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/secret-mem.h"

#include "hex.h"

/* What no error message may contain. */
#define PASSWORD "s3kr1t-Pa55w0rd"

/*
 * Key 00 01 .. 1f, iv 0f 0e .. 00, of PASSWORD and of 80 letters 'x', by
 * openssl enc -aes-256-cbc -a -K ... -iv ...
 */
#define KEY_BASE64   "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define IV_BASE64    "Dw4NDAsKCQgHBgUEAwIBAA=="
#define CIPHER_SHORT "ViqoLDOmBYY/h52nWmjtRQ=="
#define CIPHER_LONG                                                            \
    "O9hIa+zn1V7kKEEoYP65nF8OO8nhD/hLxIMTOZEb29rqGi3sdzHj73KeZb5tBTAK\n"       \
    "yWne9GMUlsvMpra/N+B/WLIb98KVnMKwy4MX9b+oV3fdDRrtXoMopxyAMC7GWXKa\n"

static char *tmpdir;

static bool add(const char *id, Error **errp, ...) G_GNUC_NULL_TERMINATED;

/* Make secret @id from pairs of name and text, as -object's keyval does. */
static bool add(const char *id, Error **errp, ...)
{
    json_t *props = json_object();
    const char *name, *value;
    Object *obj;
    va_list ap;

    va_start(ap, errp);
    while ((name = va_arg(ap, const char *))) {
        value = va_arg(ap, const char *);
        json_object_set_new(props, name, json_string(value));
    }
    va_end(ap);
    obj = user_creatable_add_type(TYPE_QCRYPTO_SECRET, id, props, true, errp);
    json_decref(props);
    if (obj) {
        object_unref(obj);
    }
    return obj;
}

static void del(const char *id)
{
    user_creatable_del(id, &error_abort);
}

static void assert_utf8(const char *id, const char *want)
{
    char *got = qcrypto_secret_lookup_as_utf8(id, &error_abort);

    g_assert_cmpstr(got, ==, want);
    secret_str_free(got);
}

/* The failure names the object, and none of its bytes. */
static void assert_refused(Error **errp, const char *id, const char *words)
{
    g_assert_nonnull(*errp);
    g_test_message("%s", error_get_pretty(*errp));
    g_assert_nonnull(strstr(error_get_pretty(*errp), id));
    g_assert_nonnull(strstr(error_get_pretty(*errp), words));
    g_assert_null(strstr(error_get_pretty(*errp), PASSWORD));
    error_free_or_abort(errp);
    g_assert_null(object_resolve_path_component(object_get_objects_root(), id));
}

static char *file_with(const char *name, const void *data, size_t len)
{
    char *path = g_build_filename(tmpdir, name, NULL);

    g_assert_true(g_file_set_contents(path, data, len, NULL));
    return path;
}

static void test_data(void)
{
    uint8_t *data;
    size_t len;
    char *base64;

    add("sec0", &error_abort, "data", PASSWORD, NULL);
    assert_utf8("sec0", PASSWORD);
    qcrypto_secret_lookup("sec0", &data, &len, &error_abort);
    g_assert_cmpmem(data, len, PASSWORD, strlen(PASSWORD));
    g_assert_cmphex(data[len], ==, 0);
    secret_free(data, len);
    base64 = qcrypto_secret_lookup_as_base64("sec0", &error_abort);
    g_assert_cmpstr(base64, ==, "czNrcjF0LVBhNTV3MHJk");
    secret_str_free(base64);
    del("sec0");

    add("sec0", &error_abort, "data", "", NULL);
    assert_utf8("sec0", "");
    del("sec0");

    add("sec0", &error_abort, "data", "czNrcjF0LVBhNTV3MHJk", "format",
        "base64", NULL);
    assert_utf8("sec0", PASSWORD);
    del("sec0");

    /* The deprecated property, and an iv that nothing uses. */
    add("sec0", &error_abort, "data", PASSWORD, "loaded", "on", "iv", IV_BASE64,
        NULL);
    assert_utf8("sec0", PASSWORD);
    del("sec0");
}

static void test_base64_lines(void)
{
    static const char *const good[] = {
        "czNr\ncjF0\nLVBh\nNTV3\nMHJk\n",
        "czNrcjF0LVBh\r\nNTV3MHJk\r\n",
        "\nczNrcjF0LVBhNTV3MHJk",
    };
    static const char *const bad[] = {
        "czNrcjF0LVBhNTV3MHJ",
        "czNrcjF0LVBhNTV3MHJk=",
        "czNrcjF0LVBhNTV3MHJk!",
        "czNr=cjF0LVBhNTV3MHJk",
        "====",
        "c",
        "s3kr1t-Pa55w0rd=",
    };
    Error *err = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        g_autofree char *path = file_with("b64", good[i], strlen(good[i]));

        add("sec0", &error_abort, "data", good[i], "format", "base64", NULL);
        assert_utf8("sec0", PASSWORD);
        del("sec0");
        add("sec0", &error_abort, "file", path, "format", "base64", NULL);
        assert_utf8("sec0", PASSWORD);
        del("sec0");
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        add("sec0", &err, "data", bad[i], "format", "base64", NULL);
        assert_refused(&err, "sec0", "base64");
    }
}

static void test_file(void)
{
    g_autofree char *path =
        file_with("plain", PASSWORD "\n", strlen(PASSWORD) + 1);
    g_autofree char *none = g_build_filename(tmpdir, "none", NULL);
    uint8_t binary[256], *data;
    size_t len;
    Error *err = NULL;

    /* Raw is raw: the newline is part of it. */
    add("sec0", &error_abort, "file", path, NULL);
    assert_utf8("sec0", PASSWORD "\n");
    del("sec0");

    for (size_t i = 0; i < sizeof(binary); i++) {
        binary[i] = i;
    }
    g_autofree char *bin = file_with("binary", binary, sizeof(binary));

    add("sec0", &error_abort, "file", bin, NULL);
    qcrypto_secret_lookup("sec0", &data, &len, &error_abort);
    g_assert_cmpmem(data, len, binary, sizeof(binary));
    secret_free(data, len);
    g_assert_null(qcrypto_secret_lookup_as_utf8("sec0", &err));
    error_free_or_abort(&err);
    del("sec0");

    g_autofree char *empty = file_with("empty", "", 0);

    add("sec0", &error_abort, "file", empty, NULL);
    assert_utf8("sec0", "");
    del("sec0");

    add("sec0", &err, "file", none, NULL);
    assert_refused(&err, "sec0", "none");
    add("sec0", &err, "file", tmpdir, NULL);
    assert_refused(&err, "sec0", tmpdir);
    add("sec0", &err, "file", "", NULL);
    assert_refused(&err, "sec0", "''");
}

static void test_file_limit(void)
{
    size_t max = QCRYPTO_SECRET_MAX;
    g_autofree char *big = g_malloc0(max + 1);
    g_autofree char *path = file_with("big", big, max);
    uint8_t *data;
    size_t len;
    Error *err = NULL;

    add("sec0", &error_abort, "file", path, NULL);
    qcrypto_secret_lookup("sec0", &data, &len, &error_abort);
    g_assert_cmpuint(len, ==, max);
    secret_free(data, len);
    del("sec0");

    g_free(path);
    path = file_with("big", big, max + 1);
    add("sec0", &err, "file", path, NULL);
    assert_refused(&err, "sec0", "big");
    /* A device without end. */
    add("sec0", &err, "file", "/dev/zero", NULL);
    assert_refused(&err, "sec0", "/dev/zero");

    memset(big, 'x', max);
    add("sec0", &error_abort, "data", big, NULL);
    del("sec0");
    g_free(big);
    big = g_strnfill(max + 1, 'x');
    add("sec0", &err, "data", big, NULL);
    assert_refused(&err, "sec0", "limit");
}

/* An anonymous pipe under each name that a shell or a manager would use. */
static void check_pipe(const char *format)
{
    g_autofree char *path = NULL;
    int fds[2];

    g_assert_cmpint(pipe(fds), ==, 0);
    path = g_strdup_printf(format, fds[0]);
    g_assert_cmpint(write(fds[1], PASSWORD, strlen(PASSWORD)), ==,
                    strlen(PASSWORD));
    fd_close(fds[1]);
    add("sec0", &error_abort, "file", path, NULL);
    fd_close(fds[0]);
    assert_utf8("sec0", PASSWORD);
    del("sec0");
}

static void test_pipe(void)
{
    check_pipe("/dev/fd/%d");
    check_pipe("/proc/self/fd/%d");
}

static void test_fdset(void)
{
    g_autofree char *plain = file_with("plain", PASSWORD, strlen(PASSWORD));
    g_autofree char *path = NULL;
    int64_t set;
    int fds[2];
    Error *err = NULL;

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_cmpint(write(fds[1], PASSWORD, strlen(PASSWORD)), >, 0);
    fd_close(fds[1]);
    fdset_monitor_ref();
    fdset_add(fds[0], false, 0, NULL, &set, &error_abort);
    path = g_strdup_printf("/dev/fdset/%" PRId64, set);
    add("sec0", &error_abort, "file", path, NULL);
    assert_utf8("sec0", PASSWORD);
    del("sec0");
    fdset_remove(set, false, 0, &error_abort);
    fdset_monitor_unref();
    add("sec0", &err, "file", path, NULL);
    assert_refused(&err, "sec0", path);
}

static void test_choice(void)
{
    g_autofree char *path = file_with("plain", PASSWORD, strlen(PASSWORD));
    Error *err = NULL;

    add("sec0", &err, "data", PASSWORD, "file", path, NULL);
    assert_refused(&err, "sec0", "exclude");
    add("sec0", &err, "format", "raw", NULL);
    assert_refused(&err, "sec0", "needed");
    add("sec0", &err, "data", PASSWORD, "format", "hex", NULL);
    g_assert_nonnull(err);
    error_free_or_abort(&err);
    add("sec0", &err, "data", PASSWORD, "loaded", "off", NULL);
    g_assert_nonnull(err);
    error_free_or_abort(&err);
}

static void test_encrypted(void)
{
    g_autofree char *x80 = g_strnfill(80, 'x');
    g_autofree char *short_path =
        file_with("short", CIPHER_SHORT "\n", strlen(CIPHER_SHORT) + 1);
    g_autofree char *long_path =
        file_with("long", CIPHER_LONG, strlen(CIPHER_LONG));
    size_t raw_len;
    g_autofree uint8_t *raw =
        qbase64_decode(CIPHER_LONG, -1, &raw_len, &error_abort);
    g_autofree char *raw_path = file_with("raw", raw, raw_len);

    add("master", &error_abort, "data", KEY_BASE64, "format", "base64", NULL);
    add("sec0", &error_abort, "data", CIPHER_SHORT, "keyid", "master", "iv",
        IV_BASE64, "format", "base64", NULL);
    add("sec1", &error_abort, "file", short_path, "keyid", "master", "iv",
        IV_BASE64 "\n", "format", "base64", NULL);
    add("sec2", &error_abort, "file", long_path, "keyid", "master", "iv",
        IV_BASE64, "format", "base64", NULL);
    /* format describes the cipher text, which here is raw. */
    add("sec3", &error_abort, "file", raw_path, "keyid", "master", "iv",
        IV_BASE64, "format", "raw", NULL);
    /* The key is not needed afterwards. */
    del("master");
    assert_utf8("sec0", PASSWORD);
    assert_utf8("sec1", PASSWORD);
    assert_utf8("sec2", x80);
    assert_utf8("sec3", x80);
    for (int i = 0; i < 4; i++) {
        g_autofree char *id = g_strdup_printf("sec%d", i);

        del(id);
    }
}

static void test_encrypted_wrong(void)
{
    static const struct {
        const char *keyid, *iv, *data, *words;
    } cases[] = {
        { "none", IV_BASE64, CIPHER_SHORT, "'none'" },
        { "short", IV_BASE64, CIPHER_SHORT, "'short' must have 32 bytes" },
        /* The length of the key is looked at first. */
        { "short", NULL, CIPHER_SHORT, "'short' must have 32 bytes" },
        { "master", NULL, CIPHER_SHORT, "'iv' is needed" },
        { "master", "", CIPHER_SHORT, "must have 16 bytes" },
        { "master", "AAAA", CIPHER_SHORT, "must have 16 bytes" },
        { "master", KEY_BASE64, CIPHER_SHORT, "must have 16 bytes" },
        { "master", "*", CIPHER_SHORT, "'iv' is not base64" },
        { "master", IV_BASE64, "AAAA", "multiple of block length" },
        { "master", IV_BASE64, "", "no data" },
        { "master", IV_BASE64, "?", "not base64" },
        { "other", IV_BASE64, CIPHER_SHORT, "padding is wrong" },
        { "sec0", IV_BASE64, CIPHER_SHORT, "no secret with id 'sec0'" },
    };
    Error *err = NULL;

    add("master", &error_abort, "data", KEY_BASE64, "format", "base64", NULL);
    add("short", &error_abort, "data", "0123456789abcdef0123456789abcde", NULL);
    add("other", &error_abort, "data", "fedcba9876543210fedcba9876543210",
        NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (cases[i].iv) {
            add("sec0", &err, "format", "base64", "data", cases[i].data,
                "keyid", cases[i].keyid, "iv", cases[i].iv, NULL);
        } else {
            add("sec0", &err, "format", "base64", "data", cases[i].data,
                "keyid", cases[i].keyid, NULL);
        }
        assert_refused(&err, "sec0", cases[i].words);
    }
    del("master");
    del("short");
    del("other");
}

/* Last bytes 0, 17, 255 are no padding; 1 to 16 are, whatever stands before. */
static void test_padding(void)
{
    g_autofree uint8_t *key =
        qbase64_decode(KEY_BASE64, -1, &(size_t){ 0 }, &error_abort);
    g_autofree uint8_t *iv =
        qbase64_decode(IV_BASE64, -1, &(size_t){ 0 }, &error_abort);
    Error *err = NULL;

    add("master", &error_abort, "data", KEY_BASE64, "format", "base64", NULL);
    for (int pad = 0; pad < 256; pad++) {
        g_autoptr(QCryptoCipher) cipher =
            qcrypto_cipher_new(QCRYPTO_CIPHER_ALG_AES_256,
                               QCRYPTO_CIPHER_MODE_CBC, key, 32, &error_abort);
        uint8_t block[16];
        g_autofree char *base64 = NULL;

        memset(block, 'y', sizeof(block));
        block[15] = pad;
        qcrypto_cipher_setiv(cipher, iv, 16, &error_abort);
        qcrypto_cipher_encrypt(cipher, block, block, 16, &error_abort);
        base64 = g_base64_encode(block, 16);
        if (add("sec0", &err, "format", "base64", "data", base64, "keyid",
                "master", "iv", IV_BASE64, NULL)) {
            uint8_t *data;
            size_t len;

            g_assert_cmpint(pad, >=, 1);
            g_assert_cmpint(pad, <=, 16);
            qcrypto_secret_lookup("sec0", &data, &len, &error_abort);
            g_assert_cmpuint(len, ==, 16 - pad);
            secret_free(data, len);
            del("sec0");
        } else {
            g_assert_true(pad == 0 || pad > 16);
            assert_refused(&err, "sec0", "padding");
        }
    }
    del("master");
}

static void test_chain(void)
{
    /* The key of one is itself encrypted with another. */
    g_autofree uint8_t *key =
        qbase64_decode(KEY_BASE64, -1, &(size_t){ 0 }, &error_abort);
    g_autofree uint8_t *iv =
        qbase64_decode(IV_BASE64, -1, &(size_t){ 0 }, &error_abort);
    uint8_t inner[48];
    g_autofree char *inner64 = NULL;
    g_autoptr(QCryptoCipher) cipher =
        qcrypto_cipher_new(QCRYPTO_CIPHER_ALG_AES_256, QCRYPTO_CIPHER_MODE_CBC,
                           (const uint8_t *)"0123456789abcdef0123456789abcdef",
                           32, &error_abort);

    memcpy(inner, key, 32);
    memset(inner + 32, 16, 16);
    qcrypto_cipher_setiv(cipher, iv, 16, &error_abort);
    qcrypto_cipher_encrypt(cipher, inner, inner, sizeof(inner), &error_abort);
    inner64 = g_base64_encode(inner, sizeof(inner));

    add("outer", &error_abort, "data", "0123456789abcdef0123456789abcdef",
        NULL);
    add("inner", &error_abort, "data", inner64, "format", "base64", "keyid",
        "outer", "iv", IV_BASE64, NULL);
    add("sec0", &error_abort, "data", CIPHER_SHORT, "format", "base64", "keyid",
        "inner", "iv", IV_BASE64, NULL);
    assert_utf8("sec0", PASSWORD);
    del("sec0");
    del("inner");
    del("outer");
}

static void test_no_reading_back(void)
{
    g_autofree char *value = NULL;
    Object *obj;
    Error *err = NULL;

    add("sec0", &error_abort, "data", PASSWORD, NULL);
    obj = object_resolve_path_component(object_get_objects_root(), "sec0");
    g_assert_nonnull(obj);
    value = object_property_get_str(obj, "data", &err);
    g_assert_null(value);
    g_assert_null(strstr(error_get_pretty(err), PASSWORD));
    error_free_or_abort(&err);
    /* Nor changed after the fact; what is no secret can be read. */
    g_assert_false(object_property_set_str(obj, "data", "x", &err));
    error_free_or_abort(&err);
    g_assert_false(object_property_set_str(obj, "keyid", "x", &err));
    error_free_or_abort(&err);
    value = object_property_get_str(obj, "format", &error_abort);
    g_assert_cmpstr(value, ==, "raw");
    /* The text of the configuration is not kept. */
    g_assert_null(QCRYPTO_SECRET(obj)->data);
    del("sec0");
}

static void test_lookup_wrong(void)
{
    static const char *const ids[] = { "none", "",   "/",
                                       "a/b",  "..", "/objects/sec0" };
    uint8_t *data = NULL;
    size_t len = 7;
    Object *box;
    Error *err = NULL;

    add("sec0", &error_abort, "data", "ab", NULL);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        g_assert_cmpint(qcrypto_secret_lookup(ids[i], &data, &len, &err), ==,
                        -1);
        g_assert_nonnull(strstr(error_get_pretty(err), ids[i]));
        error_free_or_abort(&err);
        g_assert_null(data);
        g_assert_cmpuint(len, ==, 7);
        g_assert_null(qcrypto_secret_lookup_as_utf8(ids[i], &err));
        error_free_or_abort(&err);
        g_assert_null(qcrypto_secret_lookup_as_base64(ids[i], &err));
        error_free_or_abort(&err);
    }
    del("sec0");

    /* An object that is no secret. */
    box = object_new(TYPE_CONTAINER);
    object_property_add_child(object_get_objects_root(), "box", box);
    object_unref(box);
    g_assert_cmpint(qcrypto_secret_lookup("box", &data, &len, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "not a secret"));
    error_free_or_abort(&err);
    object_unparent(
        object_resolve_path_component(object_get_objects_root(), "box"));
}

static void test_utf8(void)
{
    static const char *const bad[] = {
        "/w==",     /* ff */
        "wIA=",     /* c0 80, overlong NUL */
        "7aCA",     /* ed a0 80, surrogate */
        "YQBi",     /* a NUL b */
        "9JCAgA==", /* f4 90 80 80, over U+10FFFF */
    };
    Error *err = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *base64;

        add("sec0", &error_abort, "data", bad[i], "format", "base64", NULL);
        g_assert_null(qcrypto_secret_lookup_as_utf8("sec0", &err));
        g_assert_nonnull(strstr(error_get_pretty(err), "sec0"));
        error_free_or_abort(&err);
        base64 = qcrypto_secret_lookup_as_base64("sec0", &error_abort);
        g_assert_cmpstr(base64, ==, bad[i]);
        secret_str_free(base64);
        del("sec0");
    }
    add("sec0", &error_abort, "data", "\xc3\xa4\xe2\x82\xac", NULL);
    assert_utf8("sec0", "\xc3\xa4\xe2\x82\xac");
    del("sec0");
}

/* A real peer: what `openssl enc` writes today is read back. */
static void test_openssl(void)
{
    g_autofree char *openssl = g_find_program_in_path("openssl");
    g_autofree char *key_hex = NULL, *iv_hex = NULL, *key64 = NULL,
                    *iv64 = NULL;
    uint8_t key[32], iv[16];
    g_autoptr(GString) hex = g_string_new(NULL);

    if (!openssl) {
        g_test_skip("no openssl program");
        return;
    }
    qcrypto_random_bytes(key, sizeof(key), &error_abort);
    qcrypto_random_bytes(iv, sizeof(iv), &error_abort);
    for (size_t i = 0; i < sizeof(key); i++) {
        g_string_append_printf(hex, "%02x", key[i]);
    }
    key_hex = g_strdup(hex->str);
    g_string_truncate(hex, 0);
    for (size_t i = 0; i < sizeof(iv); i++) {
        g_string_append_printf(hex, "%02x", iv[i]);
    }
    iv_hex = g_strdup(hex->str);
    key64 = g_base64_encode(key, sizeof(key));
    /* As `openssl base64` prints it. */
    g_autofree char *iv64_plain = g_base64_encode(iv, sizeof(iv));
    iv64 = g_strconcat(iv64_plain, "\n", NULL);
    add("master", &error_abort, "data", key64, "format", "base64", NULL);

    for (size_t len = 0; len < 200; len += 23) {
        g_autofree char *plain = g_strnfill(len, 'p');
        g_autofree char *in = file_with("in", plain, len);
        g_autofree char *out = g_build_filename(tmpdir, "out", NULL);
        const char *argv[] = { openssl, "enc",   "-aes-256-cbc", "-a",
                               "-K",    key_hex, "-iv",          iv_hex,
                               "-in",   in,      "-out",         out,
                               NULL };
        g_autofree char *text = NULL;
        int status;

        g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
                                   G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL,
                                   NULL, &status, NULL));
        g_assert_true(g_spawn_check_wait_status(status, NULL));
        add("sec0", &error_abort, "file", out, "format", "base64", "keyid",
            "master", "iv", iv64, NULL);
        assert_utf8("sec0", plain);
        del("sec0");
        g_assert_true(g_file_get_contents(out, &text, NULL, NULL));
        add("sec0", &error_abort, "data", text, "format", "base64", "keyid",
            "master", "iv", iv64, NULL);
        assert_utf8("sec0", plain);
        del("sec0");
    }
    del("master");
}

static gpointer lookup_thread(gpointer opaque)
{
    for (int i = 0; i < 2000; i++) {
        uint8_t *data;
        size_t len;
        g_autoptr(Error) err = NULL;

        if (qcrypto_secret_lookup("sec0", &data, &len, &err) == 0) {
            g_assert_cmpmem(data, len, PASSWORD, strlen(PASSWORD));
            secret_free(data, len);
        }
    }
    return NULL;
}

/* Other threads look up what the main one makes and removes. */
static void test_threads(void)
{
    GThread *threads[3];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        threads[i] = g_thread_new("lookup", lookup_thread, NULL);
    }
    for (int i = 0; i < 300; i++) {
        add("sec0", &error_abort, "data", PASSWORD, NULL);
        g_thread_yield();
        del("sec0");
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        g_thread_join(threads[i]);
    }
}

static void remove_tmpdir(void)
{
    static const char *const names[] = { "b64", "plain", "binary", "empty",
                                         "big", "short", "long",   "raw",
                                         "in",  "out" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        g_autofree char *path = g_build_filename(tmpdir, names[i], NULL);

        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(tmpdir), ==, 0);
    g_free(tmpdir);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    crypto_register_types();
    tmpdir = g_dir_make_tmp("ferry-secret-XXXXXX", NULL);
    g_test_add_func("/crypto/secret/data", test_data);
    g_test_add_func("/crypto/secret/base64-lines", test_base64_lines);
    g_test_add_func("/crypto/secret/file", test_file);
    g_test_add_func("/crypto/secret/file-limit", test_file_limit);
    g_test_add_func("/crypto/secret/pipe", test_pipe);
    g_test_add_func("/crypto/secret/fdset", test_fdset);
    g_test_add_func("/crypto/secret/choice", test_choice);
    g_test_add_func("/crypto/secret/encrypted", test_encrypted);
    g_test_add_func("/crypto/secret/encrypted-wrong", test_encrypted_wrong);
    g_test_add_func("/crypto/secret/padding", test_padding);
    g_test_add_func("/crypto/secret/chain", test_chain);
    g_test_add_func("/crypto/secret/no-reading-back", test_no_reading_back);
    g_test_add_func("/crypto/secret/lookup-wrong", test_lookup_wrong);
    g_test_add_func("/crypto/secret/utf8", test_utf8);
    g_test_add_func("/crypto/secret/openssl", test_openssl);
    g_test_add_func("/crypto/secret/threads", test_threads);
    ret = g_test_run();
    remove_tmpdir();
    return ret;
}
