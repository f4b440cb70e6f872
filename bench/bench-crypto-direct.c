/*
 * What crypto/ costs over calling a library directly.
 *
 *     bench-crypto-direct [--quick]
 *
 * Blocks of 4 KiB, as a disk has them: a new vector and one pass for a cipher,
 * the digest of one buffer for a hash; by each library's own functions and by
 * qcrypto_*() with the default back end. All take turns in each round; MiB/s
 * of CPU time, medians. `ratio` is qcrypto over the fastest library, and must
 * reach BENCH_TARGET.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#if CONFIG_GCRYPT
#include <gcrypt.h>
#endif
#if CONFIG_NETTLE
#include <nettle/aes.h>
#include <nettle/cbc.h>
#include <nettle/sha2.h>
#include <nettle/xts.h>
#endif

#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "util/error.h"

#include "bench.h"

#define BENCH_TARGET 0.95
#define BENCH_ROUNDS 41
#define BENCH_CALLS  2000
#define BLOCK        4096

static const uint8_t key[64] = { 1, [32] = 2 };
static const uint8_t vector[16] = { 3 };
static uint8_t block[BLOCK];

/* A way to handle a block; made before the clock starts. */
typedef struct Way {
    const char *name;
    void *(*make)(void);
    void (*run)(void *state);
    void (*drop)(void *state);
} Way;

static void check(int ret)
{
    if (ret) {
        g_error("a library refused a call: %d", ret);
    }
}

/* -- GnuTLS -------------------------------------------------------------------- */

static void *gnutls_make(gnutls_cipher_algorithm_t alg, size_t nkey)
{
    gnutls_datum_t k = { (uint8_t *)key, nkey };
    gnutls_datum_t iv = { (uint8_t *)vector, sizeof(vector) };
    gnutls_cipher_hd_t h;

    check(gnutls_cipher_init(&h, alg, &k, &iv));
    return h;
}

static void *gnutls_xts_make(void)
{
    return gnutls_make(GNUTLS_CIPHER_AES_256_XTS, 64);
}

static void *gnutls_cbc_make(void)
{
    return gnutls_make(GNUTLS_CIPHER_AES_256_CBC, 32);
}

static void gnutls_run(void *state)
{
    gnutls_cipher_set_iv(state, (void *)vector, sizeof(vector));
    check(gnutls_cipher_encrypt2(state, block, BLOCK, block, BLOCK));
}

static void gnutls_drop(void *state)
{
    gnutls_cipher_deinit(state);
}

static void gnutls_sha256_run(void *unused)
{
    uint8_t out[32];

    check(gnutls_hash_fast(GNUTLS_DIG_SHA256, block, BLOCK, out));
}

/* -- libgcrypt ----------------------------------------------------------------- */

#if CONFIG_GCRYPT
static void *gcrypt_make(int mode, size_t nkey)
{
    gcry_cipher_hd_t h;

    check(gcry_cipher_open(&h, GCRY_CIPHER_AES256, mode, 0));
    check(gcry_cipher_setkey(h, key, nkey));
    return h;
}

static void *gcrypt_xts_make(void)
{
    return gcrypt_make(GCRY_CIPHER_MODE_XTS, 64);
}

static void *gcrypt_cbc_make(void)
{
    return gcrypt_make(GCRY_CIPHER_MODE_CBC, 32);
}

static void gcrypt_run(void *state)
{
    check(gcry_cipher_setiv(state, vector, sizeof(vector)));
    check(gcry_cipher_encrypt(state, block, BLOCK, NULL, 0));
}

static void gcrypt_drop(void *state)
{
    gcry_cipher_close(state);
}

static void gcrypt_sha256_run(void *unused)
{
    uint8_t out[32];

    gcry_md_hash_buffer(GCRY_MD_SHA256, out, block, BLOCK);
}
#endif

/* -- nettle -------------------------------------------------------------------- */

#if CONFIG_NETTLE
static void *nettle_xts_make(void)
{
    struct xts_aes256_key *k = g_new(struct xts_aes256_key, 1);

    xts_aes256_set_encrypt_key(k, key);
    return k;
}

static void nettle_xts_run(void *state)
{
    xts_aes256_encrypt_message(state, vector, BLOCK, block, block);
}

static void *nettle_cbc_make(void)
{
    struct aes256_ctx *k = g_new(struct aes256_ctx, 1);

    aes256_set_encrypt_key(k, key);
    return k;
}

static void nettle_cbc_run(void *state)
{
    uint8_t iv[16];

    memcpy(iv, vector, sizeof(iv));
    cbc_encrypt(state, (nettle_cipher_func *)aes256_encrypt, sizeof(iv), iv,
                BLOCK, block, block);
}

static void nettle_sha256_run(void *unused)
{
    struct sha256_ctx ctx;
    uint8_t out[32];

    sha256_init(&ctx);
    sha256_update(&ctx, BLOCK, block);
    sha256_digest(&ctx, sizeof(out), out);
}
#endif

/* -- crypto/ ------------------------------------------------------------------- */

static void *qcrypto_xts_make(void)
{
    return qcrypto_cipher_new(QCRYPTO_CIPHER_ALG_AES_256,
                              QCRYPTO_CIPHER_MODE_XTS, key, 64, &error_abort);
}

static void *qcrypto_cbc_make(void)
{
    return qcrypto_cipher_new(QCRYPTO_CIPHER_ALG_AES_256,
                              QCRYPTO_CIPHER_MODE_CBC, key, 32, &error_abort);
}

static void qcrypto_run(void *state)
{
    qcrypto_cipher_setiv(state, vector, sizeof(vector), &error_abort);
    qcrypto_cipher_encrypt(state, block, block, BLOCK, &error_abort);
}

static void qcrypto_drop(void *state)
{
    qcrypto_cipher_free(state);
}

static void qcrypto_sha256_run(void *unused)
{
    uint8_t out[32], *result = out;
    size_t len = sizeof(out);

    qcrypto_hash_bytes(QCRYPTO_HASH_ALG_SHA256, (char *)block, BLOCK, &result,
                       &len, &error_abort);
}

/* -- side by side -------------------------------------------------------------- */

static void *nothing_make(void)
{
    return NULL;
}

/* The first is qcrypto. */
static const Way xts[] = {
    { "qcrypto", qcrypto_xts_make, qcrypto_run, qcrypto_drop },
    { "gnutls", gnutls_xts_make, gnutls_run, gnutls_drop },
#if CONFIG_GCRYPT
    { "gcrypt", gcrypt_xts_make, gcrypt_run, gcrypt_drop },
#endif
#if CONFIG_NETTLE
    { "nettle", nettle_xts_make, nettle_xts_run, g_free },
#endif
};

static const Way cbc[] = {
    { "qcrypto", qcrypto_cbc_make, qcrypto_run, qcrypto_drop },
    { "gnutls", gnutls_cbc_make, gnutls_run, gnutls_drop },
#if CONFIG_GCRYPT
    { "gcrypt", gcrypt_cbc_make, gcrypt_run, gcrypt_drop },
#endif
#if CONFIG_NETTLE
    { "nettle", nettle_cbc_make, nettle_cbc_run, g_free },
#endif
};

static const Way sha256[] = {
    { "qcrypto", nothing_make, qcrypto_sha256_run, g_free },
    { "gnutls", nothing_make, gnutls_sha256_run, g_free },
#if CONFIG_GCRYPT
    { "gcrypt", nothing_make, gcrypt_sha256_run, g_free },
#endif
#if CONFIG_NETTLE
    { "nettle", nothing_make, nettle_sha256_run, g_free },
#endif
};

static double measure(const Way *w, void *state)
{
    BenchTime start = bench_now();

    for (int i = 0; i < BENCH_CALLS; i++) {
        w->run(state);
    }
    return (double)BENCH_CALLS * BLOCK * 1e9 / bench_since(start).cpu / 1048576;
}

static void compare(const char *name, const Way *ways, size_t n, int rounds,
                    int *missed)
{
    double v[4][BENCH_ROUNDS], best = 0, ours = 0;
    void *state[4];

    g_assert_cmpint(n, <=, G_N_ELEMENTS(v));
    for (size_t i = 0; i < n; i++) {
        state[i] = ways[i].make();
    }
    for (int r = 0; r < rounds; r++) {
        for (size_t i = 0; i < n; i++) {
            v[i][r] = measure(&ways[i], state[i]);
        }
    }
    printf("%-22s", name);
    for (size_t i = 0; i < n; i++) {
        double m = bench_median(v[i], rounds);

        *(i ? &best : &ours) = MAX(i ? best : 0, m);
        printf(" %8s %6.0f", ways[i].name, m);
        ways[i].drop(state[i]);
    }
    printf("  ratio %.3f%s\n", ours / best,
           bench_verdict(ours / best, BENCH_TARGET, missed));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && g_str_equal(argv[1], "--quick");
    int rounds = quick ? 5 : BENCH_ROUNDS;
    int missed = 0;

    qcrypto_init(&error_fatal);
    printf("4 KiB a call, MiB/s; ratio: qcrypto over the fastest library\n");
    compare("aes-256-xts encrypt", xts, G_N_ELEMENTS(xts), rounds, &missed);
    compare("aes-256-cbc encrypt", cbc, G_N_ELEMENTS(cbc), rounds, &missed);
    compare("sha256", sha256, G_N_ELEMENTS(sha256), rounds, &missed);
    return missed ? BENCH_MISSED : 0;
}
