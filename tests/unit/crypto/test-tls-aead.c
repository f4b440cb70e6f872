/*
 * The cipher under TLS records, by each library that is there: known answers,
 * beside GnuTLS's functions for every length and many ways of cutting a text
 * into pieces, forgeries, and text that changes while it is sealed.
 *
 * Vectors: McGrew and Viega, "The Galois/Counter Mode of Operation", cases 4 and
 * 16, which NIST took over; RFC 8439 2.8.2; RFC 8448 3 (a record of TLS 1.3).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/crypto.h>

#include "crypto/random.h"
#include "crypto/tls-aead-internal.h"
#include "util/atomic.h"
#include "util/buffer-zero.h"
#include "util/error.h"
#include "util/thread.h"

#include "hex.h"

#define TEXT_MAX   16500
#define SEALED_MAX (TEXT_MAX + 1 + TLS_AEAD_TAG)
#define PIECES_MAX 64

typedef struct Kind {
    TLSAeadLibrary library;
    gnutls_cipher_algorithm_t cipher;
} Kind;

typedef struct Fixture {
    gnutls_aead_cipher_hd_t yardstick;
    TLSAead *a;
    uint8_t nonce[TLS_AEAD_NONCE];
    uint8_t aad[200];
    uint8_t text[TEXT_MAX + 1];
    uint8_t want[SEALED_MAX];
    uint8_t got[SEALED_MAX + 1];
    uint8_t back[TEXT_MAX + 2];
} Fixture;

/* -- known answers --------------------------------------------------------- */

typedef struct Vector {
    gnutls_cipher_algorithm_t cipher;
    const char *key, *nonce, *aad, *text, *sealed;
} Vector;

static const Vector vectors[] = {
    { GNUTLS_CIPHER_AES_128_GCM, "feffe9928665731c6d6a8f9467308308",
      "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
      "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
      "5bc94fbc3221a5db94fae95ae7121a47" },
    { GNUTLS_CIPHER_AES_256_GCM,
      "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
      "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b" },
    { GNUTLS_CIPHER_CHACHA20_POLY1305,
      "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
      "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
      "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
      "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
      "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
      "637265656e20776f756c642062652069742e",
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
      "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
      "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
      "3ff4def08e4b7a9de576d26586cec64b6116"
      "1ae10b594f09e26a7e902ecbd0600691" },
    /* RFC 8448: the client's first application data, header and type with it */
    { GNUTLS_CIPHER_AES_128_GCM, "17422dda596ed5d9acd890e3c63f5051",
      "5b78923dee08579033e523d9", "1703030043",
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
      "202122232425262728292a2b2c2d2e2f303117",
      "a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5"
      "b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb2169"
      "4915e4" },
};

static void check_vector(TLSAeadLibrary library, const Vector *v)
{
    size_t key_len, nonce_len, aad_len, len, sealed_len;
    g_autofree uint8_t *key = hex_decode(v->key, &key_len);
    g_autofree uint8_t *nonce = hex_decode(v->nonce, &nonce_len);
    g_autofree uint8_t *aad = hex_decode(v->aad, &aad_len);
    g_autofree uint8_t *text = hex_decode(v->text, &len);
    g_autofree uint8_t *sealed = hex_decode(v->sealed, &sealed_len);
    g_autofree uint8_t *got = g_malloc(sealed_len);
    struct iovec iov = { .iov_base = text, .iov_len = len };
    TLSAeadText t = { &iov, 0, len - 1, text[len - 1] };
    TLSAead *a = tls_aead_new_from(library, v->cipher, key, key_len);

    g_assert_nonnull(a);
    g_assert_cmpuint(nonce_len, ==, TLS_AEAD_NONCE);
    g_assert_cmpuint(sealed_len, ==, len + TLS_AEAD_TAG);
    g_assert_true(tls_aead_seal(a, nonce, aad, aad_len, &t, got));
    g_assert_cmpmem(got, sealed_len, sealed, sealed_len);
    g_assert_true(
        tls_aead_open(a, nonce, aad, aad_len, sealed, sealed_len, got));
    g_assert_cmpmem(got, len, text, len);
    tls_aead_free(a);
}

static void test_vectors(const void *opaque)
{
    const Kind *kind = opaque;
    unsigned n = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(vectors); i++) {
        if (vectors[i].cipher == kind->cipher) {
            check_vector(kind->library, &vectors[i]);
            n++;
        }
    }
    g_assert_cmpuint(n, >, 0);
}

/* -- beside GnuTLS ----------------------------------------------------------- */

static void fixture_init(Fixture *f, const Kind *kind)
{
    uint8_t key[32];
    gnutls_datum_t datum = { .data = key,
                             .size = gnutls_cipher_get_key_size(kind->cipher) };

    qcrypto_random_bytes(key, sizeof(key), &error_abort);
    qcrypto_random_bytes(f->aad, sizeof(f->aad), &error_abort);
    qcrypto_random_bytes(f->text, sizeof(f->text), &error_abort);
    f->a = tls_aead_new_from(kind->library, kind->cipher, key, datum.size);
    g_assert_nonnull(f->a);
    g_assert_cmpint(
        gnutls_aead_cipher_init(&f->yardstick, kind->cipher, &datum), ==, 0);
}

static void fixture_end(Fixture *f)
{
    gnutls_aead_cipher_deinit(f->yardstick);
    tls_aead_free(f->a);
}

/* f->text as @iov from @offset on, @len bytes with the last one. */
static void check_pieces(Fixture *f, size_t aad_len, const struct iovec *iov,
                         size_t offset, size_t len)
{
    TLSAeadText text = { iov, offset, len - 1, f->text[len - 1] };
    size_t sealed = len + TLS_AEAD_TAG;
    size_t want_len = sizeof(f->want), back_len;

    f->nonce[0]++;
    g_assert_cmpint(gnutls_aead_cipher_encrypt(f->yardstick, f->nonce,
                                               sizeof(f->nonce), f->aad,
                                               aad_len, TLS_AEAD_TAG, f->text,
                                               len, f->want, &want_len),
                    ==, 0);
    f->got[sealed] = 0x55;
    g_assert_true(
        tls_aead_seal(f->a, f->nonce, f->aad, aad_len, &text, f->got));
    g_assert_cmpmem(f->got, sealed, f->want, want_len);
    g_assert_cmphex(f->got[sealed], ==, 0x55);
    memset(f->back, 0x55, sizeof(f->back));
    g_assert_true(tls_aead_open(f->a, f->nonce, f->aad, aad_len, f->got, sealed,
                                f->back));
    g_assert_cmpmem(f->back, len, f->text, len);
    g_assert_cmphex(f->back[len], ==, 0x55);
    back_len = sizeof(f->back);
    g_assert_cmpint(gnutls_aead_cipher_decrypt(f->yardstick, f->nonce,
                                               sizeof(f->nonce), f->aad,
                                               aad_len, TLS_AEAD_TAG, f->got,
                                               sealed, f->back, &back_len),
                    ==, 0);
    g_assert_cmpmem(f->back, back_len, f->text, len);
}

static void check_length(Fixture *f, size_t aad_len, size_t len)
{
    struct iovec iov = { .iov_base = f->text, .iov_len = len };

    check_pieces(f, aad_len, &iov, 0, len);
}

/* Each kind of forgery by one bit. */
static void check_forged(Fixture *f, size_t len)
{
    uint8_t *parts[] = { f->nonce,     f->aad,
                         f->got,       f->got + len / 2,
                         f->got + len, f->got + len + TLS_AEAD_TAG - 1 };
    size_t sealed = len + TLS_AEAD_TAG;

    check_length(f, 5, len);
    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        parts[i][0] ^= 0x80;
        memset(f->back, 0x55, sizeof(f->back));
        g_assert_false(
            tls_aead_open(f->a, f->nonce, f->aad, 5, f->got, sealed, f->back));
        g_assert_true(buffer_is_zero(f->back, len));
        parts[i][0] ^= 0x80;
    }
    for (unsigned bit = 0; bit < 8 * TLS_AEAD_TAG; bit++) {
        f->got[len + bit / 8] ^= 1u << (bit % 8);
        g_assert_false(
            tls_aead_open(f->a, f->nonce, f->aad, 5, f->got, sealed, f->back));
        f->got[len + bit / 8] ^= 1u << (bit % 8);
    }
    g_assert_false(
        tls_aead_open(f->a, f->nonce, f->aad, 4, f->got, sealed, f->back));
    g_assert_false(
        tls_aead_open(f->a, f->nonce, f->aad, 5, f->got, sealed - 1, f->back));
    g_assert_false(tls_aead_open(f->a, f->nonce, f->aad, 5, f->got,
                                 TLS_AEAD_TAG - 1, f->back));
    g_assert_true(
        tls_aead_open(f->a, f->nonce, f->aad, 5, f->got, sealed, f->back));
}

static void test_lengths(const void *opaque)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);

    fixture_init(f, opaque);
    for (size_t len = 1; len < 1200; len++) {
        check_length(f, 5, len);
    }
    for (size_t aad_len = 1; aad_len < sizeof(f->aad); aad_len++) {
        check_length(f, aad_len, 77);
    }
    check_length(f, 5, 16384 + 1);
    check_length(f, 5, TEXT_MAX);
    check_forged(f, 16385);
    check_forged(f, 33);
    check_forged(f, 1);
    fixture_end(f);
}

/* A length that is likely small, or a page. */
static size_t random_length(size_t max)
{
    static const size_t limits[] = { 2, 20, 200, 5000 };
    size_t n = g_test_rand_int_range(0, 5);

    n = n == 4 ? 4096 : (size_t)g_test_rand_int_range(0, limits[n]);
    return MIN(n, max);
}

static void test_pieces(const void *opaque)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);

    fixture_init(f, opaque);
    for (int round = 0; round < 400; round++) {
        uint8_t before[40] = { 0 };
        struct iovec iov[PIECES_MAX] = { { .iov_base = before } };
        size_t offset = g_test_rand_int_range(0, sizeof(before) + 1);
        size_t len = 0;

        iov[0].iov_len = offset; /* what was sent before */
        for (int i = 1; i < PIECES_MAX; i++) {
            iov[i].iov_base = f->text + len;
            iov[i].iov_len = random_length(TEXT_MAX - len);
            len += iov[i].iov_len;
        }
        check_pieces(f, 5, iov, offset, len + 1);
    }
    fixture_end(f);
}

/* -- text that changes meanwhile -------------------------------------------- */

typedef struct Scribble {
    uint8_t *text;
    int rounds; /* atomic */
    bool stop;  /* atomic */
} Scribble;

static void *scribble(void *opaque)
{
    Scribble *s = opaque;

    for (uint8_t n = 0; !qatomic_read(&s->stop); n++) {
        for (size_t i = 0; i < TEXT_MAX; i += 61) {
            qatomic_set(&s->text[i], n);
        }
        qatomic_inc(&s->rounds);
    }
    return NULL;
}

/* What a guest writes into its memory must not make a record wrong. */
static void test_changing(const void *opaque)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);
    Scribble s = { .text = f->text };
    struct iovec iov[] = { { .iov_base = f->text, .iov_len = 4096 },
                           { .iov_base = f->text + 4096, .iov_len = 4096 },
                           { .iov_base = f->text + 8192, .iov_len = 8 },
                           { .iov_base = f->text + 8200, .iov_len = 8100 } };
    TLSAeadText text = { iov, 0, 16300, 23 };
    QemuThread thread;

#ifdef __SANITIZE_THREAD__
    g_test_skip("it is a race, and meant to be one");
    return;
#endif
    fixture_init(f, opaque);
    qemu_thread_create(&thread, "scribble", scribble, &s, QEMU_THREAD_JOINABLE);
    for (int round = 0; round < 500 || qatomic_read(&s.rounds) < 500; round++) {
        f->nonce[round % 12]++;
        g_assert_true(tls_aead_seal(f->a, f->nonce, f->aad, 5, &text, f->got));
        g_assert_true(tls_aead_open(f->a, f->nonce, f->aad, 5, f->got,
                                    16301 + TLS_AEAD_TAG, f->back));
        g_assert_cmpint(f->back[16300], ==, 23);
    }
    qatomic_set(&s.stop, true);
    qemu_thread_join(&thread);
    fixture_end(f);
}

/* -- what there is not -------------------------------------------------------- */

static void test_unknown(void)
{
    uint8_t key[32] = { 0 };

    g_assert_null(tls_aead_new(GNUTLS_CIPHER_AES_128_CBC, key, 16));
    g_assert_null(tls_aead_new(GNUTLS_CIPHER_UNKNOWN, key, 16));
    g_assert_null(tls_aead_new(GNUTLS_CIPHER_AES_256_GCM, key, 16));
    g_assert_null(tls_aead_new(GNUTLS_CIPHER_CHACHA20_POLY1305, key, 16));
    tls_aead_free(NULL);
}

/* The order of preference is kept. */
static void test_choice(void)
{
    uint8_t key[32] = { 0 };
    TLSAead *a = tls_aead_new(GNUTLS_CIPHER_AES_256_GCM, key, 32);
    TLSAead *first = NULL;

    for (int i = 0; i < TLS_AEAD_N_LIBRARIES && !first; i++) {
        first = tls_aead_new_from(i, GNUTLS_CIPHER_AES_256_GCM, key, 32);
    }
    g_assert_nonnull(a);
    g_assert_nonnull(first);
    g_assert_true(a->ops == first->ops);
    tls_aead_free(a);
    tls_aead_free(first);
}

static void add(const char *test, const Kind *kind, GTestDataFunc func)
{
    g_autofree char *path =
        g_strdup_printf("/crypto/tls-aead/%s/%s/%s",
                        tls_aead_library_name(kind->library),
                        gnutls_cipher_get_name(kind->cipher), test);

    g_test_add_data_func(path, kind, func);
}

int main(int argc, char **argv)
{
    static const gnutls_cipher_algorithm_t ciphers[] = {
        GNUTLS_CIPHER_AES_128_GCM, GNUTLS_CIPHER_AES_256_GCM,
        GNUTLS_CIPHER_CHACHA20_POLY1305
    };
    static Kind kinds[TLS_AEAD_N_LIBRARIES * G_N_ELEMENTS(ciphers)];
    static const uint8_t key[32];
    unsigned n = 0;

    g_test_init(&argc, &argv, NULL);
    for (int lib = 0; lib < TLS_AEAD_N_LIBRARIES; lib++) {
        for (unsigned c = 0; c < G_N_ELEMENTS(ciphers); c++, n++) {
            TLSAead *a = tls_aead_new_from(
                lib, ciphers[c], key, gnutls_cipher_get_key_size(ciphers[c]));

            if (!a) {
                continue; /* the build or the CPU has it not */
            }
            tls_aead_free(a);
            kinds[n] = (Kind){ lib, ciphers[c] };
            add("vectors", &kinds[n], test_vectors);
            add("lengths", &kinds[n], test_lengths);
            add("pieces", &kinds[n], test_pieces);
            add("changing", &kinds[n], test_changing);
        }
    }
    g_test_add_func("/crypto/tls-aead/unknown", test_unknown);
    g_test_add_func("/crypto/tls-aead/choice", test_choice);
    return g_test_run();
}
