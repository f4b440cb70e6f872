/*
 * PBKDF2: checks, choice of the library, and calibration.
 *
 * The calibration runs the real function with growing numbers of rounds
 * until one run takes long enough to be measured by the thread's own CPU
 * clock, which does not count what other threads or a hypervisor take, and
 * scales that to a second.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/pbkdf.h"

#include "crypto/hash.h"
#include "util/error.h"

#include "backend-internal.h"
#include "pbkdf-internal.h"

#define PBKDF_NS_PER_S UINT64_C(1000000000)
/* A run this long gives a number good to about one part in a hundred. */
#define PBKDF_CALIBRATE_NS    (PBKDF_NS_PER_S / 8)
#define PBKDF_CALIBRATE_FIRST 1024

static const QCryptoPbkdfBackend *const pbkdf_backends[] = {
    [QCRYPTO_BACKEND_AUTO] = NULL,
#if CONFIG_NETTLE
    [QCRYPTO_BACKEND_NETTLE] = &qcrypto_pbkdf_nettle,
#endif
#if CONFIG_GCRYPT
    [QCRYPTO_BACKEND_GCRYPT] = &qcrypto_pbkdf_gcrypt,
#endif
    [QCRYPTO_BACKEND_GNUTLS] = &qcrypto_pbkdf_gnutls,
};

/* Measured; see docs/performance.md, "Choice of the crypto backend". */
static const QCryptoBackend pbkdf_fastest[QCRYPTO_HASH_ALG__MAX] = {
    [QCRYPTO_HASH_ALG_MD5] = QCRYPTO_BACKEND_NETTLE,
    [QCRYPTO_HASH_ALG_SHA1] = QCRYPTO_BACKEND_NETTLE,
    [QCRYPTO_HASH_ALG_SHA224] = QCRYPTO_BACKEND_NETTLE,
    [QCRYPTO_HASH_ALG_SHA256] = QCRYPTO_BACKEND_NETTLE,
    [QCRYPTO_HASH_ALG_SHA384] = QCRYPTO_BACKEND_GCRYPT,
    [QCRYPTO_HASH_ALG_SHA512] = QCRYPTO_BACKEND_GCRYPT,
    [QCRYPTO_HASH_ALG_RIPEMD160] = QCRYPTO_BACKEND_GCRYPT,
};

static unsigned pbkdf_backend_mask(QCryptoHashAlgorithm hash)
{
    unsigned mask = 0;

    for (size_t i = 0; i < ARRAY_SIZE(pbkdf_backends); i++) {
        if (pbkdf_backends[i] && pbkdf_backends[i]->supports(hash)) {
            mask |= 1U << i;
        }
    }
    return mask;
}

bool qcrypto_pbkdf2_supports(QCryptoHashAlgorithm hash)
{
    return pbkdf_backend_mask(hash);
}

bool qcrypto_pbkdf2_supports_with_backend(QCryptoBackend backend,
                                          QCryptoHashAlgorithm hash)
{
    unsigned mask = pbkdf_backend_mask(hash);

    assert(backend < QCRYPTO_BACKEND__MAX);
    return backend == QCRYPTO_BACKEND_AUTO ? mask : mask & (1U << backend);
}

QCryptoBackend qcrypto_pbkdf2_backend(QCryptoHashAlgorithm hash)
{
    unsigned mask = pbkdf_backend_mask(hash);

    return mask ? qcrypto_backend_choose(pbkdf_fastest[hash], mask)
                : QCRYPTO_BACKEND_AUTO;
}

static bool pbkdf_check(QCryptoBackend backend, QCryptoHashAlgorithm hash,
                        uint64_t iterations, size_t nout, Error **errp)
{
    if ((unsigned)hash >= QCRYPTO_HASH_ALG__MAX) {
        error_setg(errp, "unknown hash algorithm %d", (int)hash);
        return false;
    }
    if (!qcrypto_pbkdf2_supports_with_backend(backend, hash)) {
        error_setg(errp, "pbkdf2 with hash '%s' is not supported by '%s'",
                   QCryptoHashAlgorithm_str(hash),
                   qcrypto_backend_name(backend));
        return false;
    }
    if (iterations == 0 || iterations > UINT32_MAX) {
        error_setg(errp,
                   "pbkdf2 iterations %" PRIu64 " are not in 1 to %" PRIu32,
                   iterations, UINT32_MAX);
        return false;
    }
    /* RFC 8018 5.2 step 1: at most 2^32 - 1 blocks. */
    if (nout == 0 || nout / qcrypto_hash_digest_len(hash) >= UINT32_MAX) {
        error_setg(errp, "pbkdf2 cannot give %zu bytes", nout);
        return false;
    }
    return true;
}

static int pbkdf_run(QCryptoBackend backend, const QCryptoPbkdf2 *p,
                     uint64_t iterations, Error **errp)
{
    QCryptoPbkdf2 checked = *p;

    if (!pbkdf_check(backend, p->hash, iterations, p->nout, errp)) {
        return -1;
    }
    if (backend == QCRYPTO_BACKEND_AUTO) {
        backend = qcrypto_pbkdf2_backend(p->hash);
    }
    checked.iterations = iterations;
    return pbkdf_backends[backend]->pbkdf2(&checked, errp) ? 0 : -1;
}

int qcrypto_pbkdf2_with_backend(QCryptoBackend backend,
                                QCryptoHashAlgorithm hash, const uint8_t *key,
                                size_t nkey, const uint8_t *salt, size_t nsalt,
                                uint64_t iterations, uint8_t *out, size_t nout,
                                Error **errp)
{
    QCryptoPbkdf2 p = {
        .hash = hash,
        .key = key,
        .nkey = nkey,
        .salt = salt,
        .nsalt = nsalt,
        .out = out,
        .nout = nout,
    };

    return pbkdf_run(backend, &p, iterations, errp);
}

int qcrypto_pbkdf2_until(QCryptoHashAlgorithm hash, const uint8_t *key,
                         size_t nkey, const uint8_t *salt, size_t nsalt,
                         uint64_t iterations, uint8_t *out, size_t nout,
                         const bool *stop, Error **errp)
{
    bool nettle =
        stop &&
        qcrypto_pbkdf2_supports_with_backend(QCRYPTO_BACKEND_NETTLE, hash);
    QCryptoPbkdf2 p = {
        .hash = hash,
        .key = key,
        .nkey = nkey,
        .salt = salt,
        .nsalt = nsalt,
        .out = out,
        .nout = nout,
        .stop = stop,
    };

    return pbkdf_run(nettle ? QCRYPTO_BACKEND_NETTLE : QCRYPTO_BACKEND_AUTO, &p,
                     iterations, errp);
}

int qcrypto_pbkdf2(QCryptoHashAlgorithm hash, const uint8_t *key, size_t nkey,
                   const uint8_t *salt, size_t nsalt, uint64_t iterations,
                   uint8_t *out, size_t nout, Error **errp)
{
    return qcrypto_pbkdf2_with_backend(QCRYPTO_BACKEND_AUTO, hash, key, nkey,
                                       salt, nsalt, iterations, out, nout,
                                       errp);
}

static bool pbkdf_cpu_ns(uint64_t *ns, Error **errp)
{
    struct timespec ts;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) < 0) {
        error_setg_errno(errp, errno, "cannot read the thread's CPU clock");
        return false;
    }
    *ns = (uint64_t)ts.tv_sec * PBKDF_NS_PER_S + ts.tv_nsec;
    return true;
}

uint64_t qcrypto_pbkdf2_count_iters(QCryptoHashAlgorithm hash,
                                    const uint8_t *key, size_t nkey,
                                    const uint8_t *salt, size_t nsalt,
                                    size_t nout, Error **errp)
{
    g_autofree uint8_t *out = g_try_malloc(nout);

    if (nout && !out) {
        error_setg(errp, "no memory for %zu bytes of key", nout);
        return -1;
    }
    for (uint64_t iters = PBKDF_CALIBRATE_FIRST; iters <= UINT32_MAX;
         iters *= 2) {
        uint64_t start_ns, end_ns;

        if (!pbkdf_cpu_ns(&start_ns, errp) ||
            qcrypto_pbkdf2(hash, key, nkey, salt, nsalt, iters, out, nout,
                           errp) < 0 ||
            !pbkdf_cpu_ns(&end_ns, errp)) {
            return -1;
        }
        explicit_bzero(out, nout);
        if (end_ns - start_ns >= PBKDF_CALIBRATE_NS && end_ns > start_ns) {
            /* 2^32 rounds times 10^9 is below 2^62: no overflow. */
            uint64_t rate = iters * PBKDF_NS_PER_S / (end_ns - start_ns);

            return MAX(rate, 1);
        }
    }
    error_setg(errp, "the thread's CPU clock does not run");
    return -1;
}
