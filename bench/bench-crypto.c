/*
 * Speed of every algorithm of crypto/ in every library, side by side.
 *
 *     bench-crypto [--quick] [FILTER]
 *
 * A line is one algorithm at one block size. The libraries take turns within
 * each round, so that a change of clock speed hits all alike; the number is
 * the median of the rounds. `chosen` is what crypto/ uses by default and
 * `ratio` its speed over that of the fastest. The defaults in crypto/ come
 * from this program's output, kept in docs/performance.md.
 *
 * With FILTER, only lines that contain it are measured. A target is missed if
 * a default falls below BENCH_TOLERANCE of the fastest; messages shorter than
 * BENCH_JUDGED_LEN, where set-up is most of the time, are shown only.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/akcipher.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "crypto/init.h"
#include "crypto/pbkdf.h"
#include "crypto/random.h"
#include "crypto/tls-aead.h"
#include "tests/unit/crypto/hex.h"
#include "tests/unit/crypto/rsa-vectors.h"
#include "util/error.h"

#include "bench.h"

#define BENCH_ROUNDS_MAX 15
#define BENCH_BUF_MAX    65536
#define BENCH_TOLERANCE  0.90
#define BENCH_JUDGED_LEN 512
#define RECORD_TEXT      16384

typedef struct Bench {
    const char *filter;
    int rounds;
    int64_t slice_us; /* length of one measurement */
    int slow;         /* lines whose default is below the tolerance */
    bool shown_only;  /* the next lines do not count as slow */
    uint8_t buf[BENCH_BUF_MAX];
    uint8_t record[RECORD_TEXT + 1 + TLS_AEAD_TAG]; /* sealed */
    uint8_t opened[RECORD_TEXT + 1];
} Bench;

/* One algorithm in one library; run() is called until the slice is over. */
typedef struct Probe {
    void *state;
    void (*run)(Bench *b, struct Probe *p);
    void (*done)(void *state);
    size_t len; /* bytes that one run() handles, or 1 to count runs */
    int variant;
    double rates[BENCH_ROUNDS_MAX]; /* per second */
} Probe;

/* CPU time: what others do on the machine hardly counts. */
static int64_t bench_now_ns(void)
{
    return bench_now().cpu;
}

static double probe_measure(Bench *b, Probe *p)
{
    int64_t start = bench_now_ns(), now;
    uint64_t runs = 0, batch = 1;

    do {
        for (uint64_t i = 0; i < batch; i++) {
            p->run(b, p);
        }
        runs += batch;
        now = bench_now_ns();
        if (now - start < b->slice_us * 100) {
            batch *= 2;
        }
    } while (now - start < b->slice_us * 1000);
    return (double)runs * p->len * 1e9 / (now - start);
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void bench_header(const char *title, const char *unit)
{
    printf("\n%-34s %10s %10s %10s  %-7s %6s\n", title, "nettle", "gcrypt",
           "gnutls", "chosen", "ratio");
    printf("%-34s %10s %10s %10s\n", "", unit, unit, unit);
}

/*
 * Measure the probes of one line and print it. @probes is indexed by
 * backend; one without run() is not offered.
 */
static void bench_line(Bench *b, const char *name, Probe *probes, double scale,
                       QCryptoBackend chosen)
{
    double best = 0, rate[QCRYPTO_BACKEND__MAX] = { 0 };
    bool slow;

    for (int round = 0; round < b->rounds; round++) {
        for (int i = 0; i < QCRYPTO_BACKEND__MAX; i++) {
            if (probes[i].run) {
                probes[i].rates[round] = probe_measure(b, &probes[i]);
            }
        }
    }
    printf("%-34s", name);
    for (int i = QCRYPTO_BACKEND_NETTLE; i < QCRYPTO_BACKEND__MAX; i++) {
        if (!probes[i].run) {
            printf(" %10s", "-");
            continue;
        }
        qsort(probes[i].rates, b->rounds, sizeof(double), compare_double);
        rate[i] = probes[i].rates[b->rounds / 2] / scale;
        best = MAX(best, rate[i]);
        printf(" %10.*f", rate[i] < 100 ? 1 : 0, rate[i]);
    }
    slow = rate[chosen] < best * BENCH_TOLERANCE && !b->shown_only;
    printf("  %-7s %6.2f%s\n", qcrypto_backend_name(chosen),
           rate[chosen] / best, slow ? "  <-- slow" : "");
    fflush(stdout);
    b->slow += slow;
    for (int i = 0; i < QCRYPTO_BACKEND__MAX; i++) {
        if (probes[i].run) {
            probes[i].done(probes[i].state);
        }
    }
}

static bool bench_wanted(const Bench *b, const char *name)
{
    return !b->filter || strstr(name, b->filter);
}

/* -- ciphers -------------------------------------------------------------- */

static void cipher_run(Bench *b, Probe *p)
{
    static const uint8_t iv[16] = { 1 };
    QCryptoCipher *cipher = p->state;

    /* As a disk does it: each sector has its own vector. */
    if (cipher->mode != QCRYPTO_CIPHER_MODE_ECB) {
        qcrypto_cipher_setiv(
            cipher, iv, qcrypto_cipher_get_iv_len(cipher->alg, cipher->mode),
            &error_abort);
    }
    if (p->variant) {
        qcrypto_cipher_decrypt(cipher, b->buf, b->buf, p->len, &error_abort);
    } else {
        qcrypto_cipher_encrypt(cipher, b->buf, b->buf, p->len, &error_abort);
    }
}

static void cipher_done(void *state)
{
    qcrypto_cipher_free(state);
}

static void bench_cipher(Bench *b, QCryptoCipherAlgorithm alg,
                         QCryptoCipherMode mode, size_t len, bool decrypt)
{
    Probe probes[QCRYPTO_BACKEND__MAX] = { 0 };
    g_autofree char *name =
        g_strdup_printf("%s-%s %s %zu", QCryptoCipherAlgorithm_str(alg),
                        QCryptoCipherMode_str(mode),
                        decrypt ? "decrypt" : "encrypt", len);
    uint8_t key[64];
    size_t nkey = qcrypto_cipher_get_key_len(alg);

    if (!bench_wanted(b, name) || !qcrypto_cipher_supports(alg, mode)) {
        return;
    }
    qcrypto_random_bytes(key, sizeof(key), &error_abort);
    if (mode == QCRYPTO_CIPHER_MODE_XTS) {
        nkey *= 2;
    }
    for (int i = QCRYPTO_BACKEND_NETTLE; i < QCRYPTO_BACKEND__MAX; i++) {
        if (qcrypto_cipher_supports_with_backend(i, alg, mode)) {
            probes[i] = (Probe){
                .run = cipher_run,
                .done = cipher_done,
                .len = len,
                .variant = decrypt,
                .state = qcrypto_cipher_new_with_backend(i, alg, mode, key,
                                                         nkey, &error_abort),
            };
        }
    }
    bench_line(b, name, probes, 1 << 20, qcrypto_cipher_backend(alg, mode));
}

static void bench_ciphers(Bench *b)
{
    static const size_t lens[] = { 512, 4096, 65536 };

    bench_header("cipher, bytes a call", "MiB/s");
    for (int alg = 0; alg < QCRYPTO_CIPHER_ALG__MAX; alg++) {
        for (int mode = 0; mode < QCRYPTO_CIPHER_MODE__MAX; mode++) {
            for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
                if (alg > QCRYPTO_CIPHER_ALG_AES_256 && lens[i] != 4096) {
                    continue; /* the others are too slow for it to matter */
                }
                bench_cipher(b, alg, mode, lens[i], false);
                if (mode != QCRYPTO_CIPHER_MODE_CTR) {
                    bench_cipher(b, alg, mode, lens[i], true);
                }
            }
        }
    }
}

/* -- hashes and keyed hashes ---------------------------------------------- */

typedef struct HashProbe {
    QCryptoBackend backend;
    QCryptoHashAlgorithm alg;
} HashProbe;

static void hash_run(Bench *b, Probe *p)
{
    HashProbe *h = p->state;
    g_autoptr(QCryptoHash) hash =
        qcrypto_hash_new_with_backend(h->backend, h->alg, &error_abort);
    uint8_t out[QCRYPTO_HASH_DIGEST_LEN_MAX], *result = out;
    size_t len = qcrypto_hash_digest_len(h->alg);

    qcrypto_hash_update(hash, (char *)b->buf, p->len, &error_abort);
    qcrypto_hash_finalize_bytes(hash, &result, &len, &error_abort);
}

static void bench_hash(Bench *b, QCryptoHashAlgorithm alg, size_t len)
{
    Probe probes[QCRYPTO_BACKEND__MAX] = { 0 };
    g_autofree char *name =
        g_strdup_printf("%s %zu", QCryptoHashAlgorithm_str(alg), len);

    if (!bench_wanted(b, name)) {
        return;
    }
    for (int i = QCRYPTO_BACKEND_NETTLE; i < QCRYPTO_BACKEND__MAX; i++) {
        if (qcrypto_hash_supports_with_backend(i, alg)) {
            HashProbe *h = g_new(HashProbe, 1);

            *h = (HashProbe){ .backend = i, .alg = alg };
            probes[i] = (Probe){
                .run = hash_run, .done = g_free, .len = len, .state = h
            };
        }
    }
    bench_line(b, name, probes, 1 << 20, qcrypto_hash_backend(alg));
}

static void hmac_run(Bench *b, Probe *p)
{
    uint8_t out[QCRYPTO_HASH_DIGEST_LEN_MAX], *result = out;
    size_t len = p->variant;

    qcrypto_hmac_bytes(p->state, (char *)b->buf, p->len, &result, &len,
                       &error_abort);
}

static void hmac_done(void *state)
{
    qcrypto_hmac_free(state);
}

static void bench_hmac(Bench *b, QCryptoHashAlgorithm alg, size_t len)
{
    Probe probes[QCRYPTO_BACKEND__MAX] = { 0 };
    g_autofree char *name =
        g_strdup_printf("hmac-%s %zu", QCryptoHashAlgorithm_str(alg), len);
    uint8_t key[32] = { 1 };

    if (!bench_wanted(b, name)) {
        return;
    }
    for (int i = QCRYPTO_BACKEND_NETTLE; i < QCRYPTO_BACKEND__MAX; i++) {
        if (qcrypto_hmac_supports_with_backend(i, alg)) {
            probes[i] = (Probe){
                .run = hmac_run,
                .done = hmac_done,
                .len = len,
                .variant = qcrypto_hash_digest_len(alg),
                .state = qcrypto_hmac_new_with_backend(i, alg, key, sizeof(key),
                                                       &error_abort),
            };
        }
    }
    bench_line(b, name, probes, 1 << 20, qcrypto_hmac_backend(alg));
}

static void bench_hashes(Bench *b)
{
    static const size_t lens[] = { 64, 4096, 65536 };

    bench_header("hash, bytes of message", "MiB/s");
    for (int alg = 0; alg < QCRYPTO_HASH_ALG__MAX; alg++) {
        for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
            b->shown_only = lens[i] < BENCH_JUDGED_LEN;
            bench_hash(b, alg, lens[i]);
            b->shown_only = false;
        }
    }
    bench_header("hmac, bytes of message", "MiB/s");
    for (int alg = 0; alg < QCRYPTO_HASH_ALG__MAX; alg++) {
        bench_hmac(b, alg, 4096);
    }
}

/* -- key derivation ------------------------------------------------------- */

#define BENCH_PBKDF_ITERS 500

static void pbkdf_run(Bench *b, Probe *p)
{
    HashProbe *h = p->state;
    uint8_t out[32];

    qcrypto_pbkdf2_with_backend(h->backend, h->alg, b->buf, 16, b->buf, 32,
                                BENCH_PBKDF_ITERS, out, p->variant,
                                &error_abort);
}

static void bench_pbkdf(Bench *b)
{
    bench_header("pbkdf2, one block of output", "iters/ms");
    for (int alg = 0; alg < QCRYPTO_HASH_ALG__MAX; alg++) {
        Probe probes[QCRYPTO_BACKEND__MAX] = { 0 };
        g_autofree char *name =
            g_strdup_printf("pbkdf2-%s", QCryptoHashAlgorithm_str(alg));

        if (!bench_wanted(b, name)) {
            continue;
        }
        for (int i = QCRYPTO_BACKEND_NETTLE; i < QCRYPTO_BACKEND__MAX; i++) {
            if (qcrypto_pbkdf2_supports_with_backend(i, alg)) {
                HashProbe *h = g_new(HashProbe, 1);

                *h = (HashProbe){ .backend = i, .alg = alg };
                probes[i] = (Probe){
                    .run = pbkdf_run,
                    .done = g_free,
                    .len = BENCH_PBKDF_ITERS,
                    .variant = MIN(32, qcrypto_hash_digest_len(alg)),
                    .state = h,
                };
            }
        }
        bench_line(b, name, probes, 1000, qcrypto_pbkdf2_backend(alg));
    }
}

/* -- asymmetric ----------------------------------------------------------- */

static void rsa_run(Bench *b, Probe *p)
{
    uint8_t sig[256];

    if (p->variant) {
        qcrypto_akcipher_sign(p->state, b->buf, 32, sig, sizeof(sig),
                              &error_abort);
    } else {
        qcrypto_akcipher_encrypt(p->state, b->buf, 32, sig, sizeof(sig),
                                 &error_abort);
    }
}

static void rsa_done(void *state)
{
    qcrypto_akcipher_free(state);
}

static void bench_rsa(Bench *b, bool sign)
{
    QCryptoAkCipherOptions opts = {
        .alg = QCRYPTO_AKCIPHER_ALG_RSA,
        .u.rsa = { .hash_alg = QCRYPTO_HASH_ALG_SHA256,
                   .padding_alg = QCRYPTO_RSA_PADDING_ALG_PKCS1 },
    };
    Probe probes[QCRYPTO_BACKEND__MAX] = { 0 };
    const char *name = sign ? "rsa-2048 sign" : "rsa-2048 encrypt";
    size_t len;
    g_autofree uint8_t *der =
        hex_decode(sign ? RSA_PRIVATE_2048 : RSA_PUBLIC_2048, &len);

    if (!bench_wanted(b, name)) {
        return;
    }
    for (int i = QCRYPTO_BACKEND_NETTLE; i < QCRYPTO_BACKEND__MAX; i++) {
        if (qcrypto_akcipher_supports_with_backend(i, &opts)) {
            probes[i] = (Probe){
                .run = rsa_run,
                .done = rsa_done,
                .len = 1,
                .variant = sign,
                .state = qcrypto_akcipher_new_with_backend(
                    i, &opts,
                    sign ? QCRYPTO_AKCIPHER_KEY_TYPE_PRIVATE
                         : QCRYPTO_AKCIPHER_KEY_TYPE_PUBLIC,
                    der, len, &error_abort),
            };
        }
    }
    bench_line(b, name, probes, 1, qcrypto_akcipher_backend(&opts));
}

static void bench_asymmetric(Bench *b)
{
    bench_header("asymmetric", "per s");
    bench_rsa(b, true);
    bench_rsa(b, false);
}

/* -- records of TLS -------------------------------------------------------- */

static const uint8_t record_nonce[TLS_AEAD_NONCE], record_header[5];

static void record_run(Bench *b, Probe *p)
{
    struct iovec iov = { .iov_base = b->buf, .iov_len = RECORD_TEXT };
    TLSAeadText text = { &iov, 0, RECORD_TEXT, 23 };

    bool ok = p->variant
                  ? tls_aead_open(p->state, record_nonce, record_header,
                                  sizeof(record_header), b->record,
                                  sizeof(b->record), b->opened)
                  : tls_aead_seal(p->state, record_nonce, record_header,
                                  sizeof(record_header), &text, b->record);

    if (!ok) {
        g_error("a record of TLS cannot be %s",
                p->variant ? "opened" : "sealed");
    }
}

/* The first library of the list that there is, is the one that is taken. */
static void bench_record(Bench *b, gnutls_cipher_algorithm_t cipher, bool open)
{
    static const uint8_t key[32];
    g_autofree char *name = g_strdup_printf(
        "tls %s %s", gnutls_cipher_get_name(cipher), open ? "open" : "seal");
    double rate[TLS_AEAD_N_LIBRARIES] = { 0 }, best = 0;
    int chosen = -1;

    if (!bench_wanted(b, name)) {
        return;
    }
    printf("%-34s", name);
    for (int i = 0; i < TLS_AEAD_N_LIBRARIES; i++) {
        Probe p = { .run = record_run, .len = RECORD_TEXT, .variant = open };

        p.state = tls_aead_new_from(i, cipher, key,
                                    gnutls_cipher_get_key_size(cipher));
        if (!p.state) {
            printf(" %10s", "-");
            continue;
        }
        chosen = chosen < 0 ? i : chosen;
        p.variant = false;
        record_run(b, &p);
        p.variant = open;
        for (int round = 0; round < b->rounds; round++) {
            p.rates[round] = probe_measure(b, &p);
        }
        qsort(p.rates, b->rounds, sizeof(double), compare_double);
        rate[i] = p.rates[b->rounds / 2] / (1 << 20);
        best = MAX(best, rate[i]);
        printf(" %10.0f", rate[i]);
        tls_aead_free(p.state);
    }
    printf("  %-9s %6.2f%s\n", tls_aead_library_name(chosen),
           rate[chosen] / best,
           rate[chosen] < best * BENCH_TOLERANCE ? "  <-- slow" : "");
    b->slow += rate[chosen] < best * BENCH_TOLERANCE;
}

static void bench_records(Bench *b)
{
    static const gnutls_cipher_algorithm_t ciphers[] = {
        GNUTLS_CIPHER_AES_128_GCM, GNUTLS_CIPHER_AES_256_GCM,
        GNUTLS_CIPHER_CHACHA20_POLY1305
    };

    printf("\n%-34s %10s %10s %10s  %-9s %6s\n%-34s %10s %10s %10s\n",
           "record of TLS, 16 KiB", "ipsec-mb", "gcrypt", "gnutls", "chosen",
           "ratio", "", "MiB/s", "MiB/s", "MiB/s");
    for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++) {
        bench_record(b, ciphers[i], false);
        bench_record(b, ciphers[i], true);
    }
}

static void bench_parse(Bench *b, int argc, char **argv)
{
    b->rounds = 9;
    b->slice_us = 8000;
    for (int i = 1; i < argc; i++) {
        if (g_str_equal(argv[i], "--quick")) {
            b->rounds = 3;
            b->slice_us = 2000;
        } else {
            b->filter = argv[i];
        }
    }
}

int main(int argc, char **argv)
{
    g_autofree Bench *b = g_new0(Bench, 1);

    bench_parse(b, argc, argv);
    qcrypto_init(&error_fatal);
    bench_ciphers(b);
    bench_hashes(b);
    bench_pbkdf(b);
    bench_asymmetric(b);
    bench_records(b);
    if (b->slow) {
        printf("\n%d defaults are below %.2f of the fastest\n", b->slow,
               BENCH_TOLERANCE);
    }
    return b->slow ? BENCH_MISSED : 0;
}
