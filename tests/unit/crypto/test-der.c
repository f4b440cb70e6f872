/*
 * DER: what is taken, what is refused, and RSA keys with one thing wrong.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/der.h"
#include "crypto/init.h"
#include "crypto/rsakey.h"
#include "util/error.h"

#include "hex.h"
#include "rsa-vectors.h"

static bool take(const char *hex, uint8_t tag, size_t *content, size_t *rest)
{
    size_t len;
    g_autofree uint8_t *der = hex_decode(hex, &len);
    DerSpan in = { .data = der, .len = len }, out = { 0 };
    Error *err = NULL;

    if (!der_take(&in, tag, &out, &err)) {
        error_free_or_abort(&err);
        /* Nothing was taken. */
        g_assert_true(in.data == der && in.len == len && out.data == NULL);
        return false;
    }
    g_assert_null(err);
    *content = out.len;
    *rest = in.len;
    return true;
}

static void test_take(void)
{
    size_t content, rest;

    g_assert_true(take("3000", 0x30, &content, &rest));
    g_assert_cmpuint(content, ==, 0);
    g_assert_true(take("0403aabbccdd", 0x04, &content, &rest));
    g_assert_cmpuint(content, ==, 3);
    g_assert_cmpuint(rest, ==, 1);
}

static void test_take_long(void)
{
    for (size_t len = 0; len < 70000; len += len < 300 ? 1 : 7777) {
        size_t head = der_header_len(len);
        g_autofree uint8_t *der = g_malloc0(head + len);
        DerSpan in = { .data = der, .len = head + len }, out;

        g_assert_true(der_put_header(der, DER_TAG_OCTET_STRING, len) ==
                      der + head);
        g_assert_true(der_take(&in, DER_TAG_OCTET_STRING, &out, &error_abort));
        g_assert_cmpuint(out.len, ==, len);
        g_assert_true(out.data == der + head);
        g_assert_true(der_end(&in, &error_abort));
    }
}

static void test_take_refused(void)
{
    static const char *const bad[] = {
        "",               /* nothing */
        "30",             /* no length */
        "3001",           /* content missing */
        "0400",           /* other tag */
        "3080",           /* indefinite length (BER) */
        "308000",         /*  */
        "308101",         /* length that fits the short form */
        "3081",           /* length cut off */
        "3082ff",         /*  */
        "308200ff",       /* leading zero in the length */
        "30850000000010", /* too many octets of length */
        "30840fffffff",   /* over the limit */
        "3084ffffffff",   /*  */
        "30ff",           /* reserved */
        "3088ffffffffffffffff",
    };
    size_t content, rest;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_false(take(bad[i], 0x30, &content, &rest));
    }
}

static void check_uint(const char *hex, const char *want)
{
    size_t len, want_len = 0;
    g_autofree uint8_t *der = hex_decode(hex, &len);
    g_autofree uint8_t *num = want ? hex_decode(want, &want_len) : NULL;
    DerSpan in = { .data = der, .len = len }, out;
    Error *err = NULL;
    bool ok = der_take_uint(&in, &out, &err);

    g_assert_true(ok == !!want);
    if (ok) {
        g_assert_cmpmem(out.data, out.len, num, want_len);
    } else {
        error_free_or_abort(&err);
        g_assert_true(in.data == der);
    }
}

static void test_uint(void)
{
    check_uint("020100", "");
    check_uint("020101", "01");
    check_uint("02017f", "7f");
    check_uint("02020080", "80");
    check_uint("0203010001", "010001");
    check_uint("0200", NULL);     /* empty */
    check_uint("020180", NULL);   /* negative */
    check_uint("0201ff", NULL);   /* negative */
    check_uint("02020001", NULL); /* zero that the sign does not need */
    check_uint("02020000", NULL); /*  */
    check_uint("020201", NULL);   /* cut off */
    check_uint("0301aa", NULL);   /* another type */
}

static void test_end(void)
{
    DerSpan in = { .data = (const uint8_t *)"x", .len = 1 };
    Error *err = NULL;

    g_assert_false(der_end(&in, &err));
    error_free_or_abort(&err);
}

static bool parse(QCryptoAkCipherKeyType type, const uint8_t *der, size_t len)
{
    QCryptoRsaKey key;
    Error *err = NULL;

    if (!qcrypto_rsakey_parse(type, der, len, &key, &err)) {
        error_free_or_abort(&err);
        return false;
    }
    g_assert_null(err);
    return true;
}

static void test_rsakey(void)
{
    size_t len;
    g_autofree uint8_t *der = hex_decode(RSA_PRIVATE_2048, &len);
    QCryptoRsaKey key;

    qcrypto_rsakey_parse(QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE, der, len, &key,
                         &error_abort);
    g_assert_cmpuint(key.n.len, ==, 256);
    g_assert_cmpuint(key.p.len, ==, 128);
    g_assert_cmpmem(key.e.data, key.e.len, "\1\0\1", 3);
    /* Of the other kind. */
    g_assert_false(parse(QCRYPTO_AKCIPHER_KEY_TYPE_PUBLIC, der, len));
    g_assert_false(parse(QCRYPTO_AKCIPHER_KEY_TYPE__MAX, der, len));

    /* Cut short anywhere, and with bytes behind. */
    for (size_t i = 0; i < len; i++) {
        g_assert_false(parse(QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE, der, i));
    }
    g_autofree uint8_t *more = g_malloc0(QCRYPTO_AKCIPHER_KEY_MAX + 1);

    memcpy(more, der, len);
    g_assert_false(parse(QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE, more, len + 1));
    g_assert_false(parse(QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE, more,
                         QCRYPTO_AKCIPHER_KEY_MAX + 1));
}

/* A SEQUENCE of n of @bits bits, ending in @n_last, and e. */
static bool parse_public(size_t bits, uint8_t n_last, const char *e_hex)
{
    size_t n_len = (bits + 7) / 8, e_len;
    g_autofree uint8_t *e = hex_decode(e_hex, &e_len);
    size_t n_der = der_header_len(n_len + 1) + n_len + 1, body = n_der + e_len;
    g_autofree uint8_t *der = g_malloc0(der_header_len(body) + body);
    uint8_t *at = der_put_header(der, DER_TAG_SEQUENCE, body);
    bool pad = bits % 8 == 0;

    if (!pad) {
        body--;
        at = der_put_header(der, DER_TAG_SEQUENCE, body);
    }
    at = der_put_header(at, DER_TAG_INTEGER, n_len + pad);
    at[pad] = 1 << (bits + 7) % 8;
    at[n_len + pad - 1] |= n_last;
    memcpy(at + n_len + pad, e, e_len);
    return parse(QCRYPTO_AKCIPHER_KEY_TYPE_PUBLIC, der,
                 at + n_len + pad + e_len - der);
}

static void test_rsakey_public(void)
{
    g_assert_true(parse_public(512, 1, "0203010001"));
    g_assert_true(parse_public(1024, 1, "020103"));
    g_assert_true(parse_public(1021, 1, "020103"));
    g_assert_true(parse_public(16384, 1, "020103"));
    g_assert_false(parse_public(511, 1, "020103"));
    g_assert_false(parse_public(16392, 1, "020103"));
    g_assert_false(parse_public(1024, 0, "020103")); /* even modulus */
    g_assert_false(parse_public(1024, 1, "020104")); /* even exponent */
    g_assert_false(parse_public(1024, 1, "020100"));
    g_assert_false(parse_public(1024, 1, "020101"));
    g_assert_false(parse_public(1024, 1, "0203010001020101"));
}

/* Whatever single byte changes, parsing does not crash, and what it accepts
 * keeps the rules that the libraries rely on. */
static void test_rsakey_flips(void)
{
    size_t len;
    g_autofree uint8_t *der = hex_decode(RSA_PRIVATE_1024, &len);

    for (size_t i = 0; i < len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            QCryptoRsaKey key;

            der[i] ^= 1 << bit;
            if (qcrypto_rsakey_parse(QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE, der,
                                     len, &key, NULL)) {
                g_assert_cmpuint(key.n.data[key.n.len - 1] & 1, ==, 1);
                g_assert_cmpuint(key.p.data[key.p.len - 1] & 1, ==, 1);
                g_assert_cmpuint(key.q.data[key.q.len - 1] & 1, ==, 1);
                g_assert_cmpuint(key.n.len, <=, 2048);
            }
            der[i] ^= 1 << bit;
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/crypto/der/take", test_take);
    g_test_add_func("/crypto/der/take-long", test_take_long);
    g_test_add_func("/crypto/der/take-refused", test_take_refused);
    g_test_add_func("/crypto/der/uint", test_uint);
    g_test_add_func("/crypto/der/end", test_end);
    g_test_add_func("/crypto/der/rsakey", test_rsakey);
    g_test_add_func("/crypto/der/rsakey-public", test_rsakey_public);
    g_test_add_func("/crypto/der/rsakey-flips", test_rsakey_flips);
    return g_test_run();
}
