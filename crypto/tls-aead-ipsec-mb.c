/*
 * TLS's ciphers by Intel's Multi-Buffer Crypto library, on CPUs with vectors of
 * 512 bits for AES and GHASH: twice as fast as the others there. On other CPUs
 * it is not loaded.
 *
 * Only its direct functions are used, which take a key and the state of one
 * message: pieces of the caller's memory are encrypted straight into the record.
 * They know nothing of the library's manager, which serves here to select them
 * for the CPU and to run the library's self test, and is freed then. So any
 * thread may use its own key at any time. The library does not compare tags: it
 * computes them, and they are compared here in constant time. Expanded key and
 * state lie in our memory and are wiped with it; what functions leave in
 * registers and on the stack the library clears (IMB_FEATURE_SAFE_DATA, without
 * which it is not taken).
 *
 * Source: intel-ipsec-mb.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/gnutls.h>
#include <intel-ipsec-mb.h>
#include <pthread.h>

#include "util/library.h"

#include "tls-aead-internal.h"

/* What is measured to be worth it. */
#define WANTED_CPU                                                             \
    (IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ)
#define WANTED                                                                 \
    (WANTED_CPU | IMB_FEATURE_SAFE_DATA | IMB_FEATURE_SELF_TEST |              \
     IMB_FEATURE_SELF_TEST_PASS)

#define CHACHA_KEY 32

#define PATCH_LEVEL 0xffu /* of a version of the library */
#define VECTOR      64    /* bytes; what the library would align a key to */

/* -- the library -------------------------------------------------------------- */

static __typeof__(imb_get_version) *p_imb_get_version;
static __typeof__(alloc_mb_mgr) *p_alloc_mb_mgr;
static __typeof__(free_mb_mgr) *p_free_mb_mgr;
static __typeof__(init_mb_mgr_auto) *p_init_mb_mgr_auto;
static __typeof__(imb_get_errno) *p_imb_get_errno;

static const LibrarySymbol ipsec_mb_symbols[] = {
    { "imb_get_version", &p_imb_get_version },
    { "alloc_mb_mgr", &p_alloc_mb_mgr },
    { "free_mb_mgr", &p_free_mb_mgr },
    { "init_mb_mgr_auto", &p_init_mb_mgr_auto },
    { "imb_get_errno", &p_imb_get_errno },
    {},
};

static Library ipsec_mb_library = { .soname = "libIPSec_MB.so.1",
                                    .symbols = ipsec_mb_symbols };

typedef struct GcmFunctions {
    gnutls_cipher_algorithm_t cipher;
    aes_gcm_pre_t pre;
    aes_gcm_init_t init;
    aes_gcm_enc_dec_update_t seal_update;
    aes_gcm_enc_dec_finalize_t seal_finalize;
    aes_gcm_enc_dec_t open;
} GcmFunctions;

typedef struct ChachaFunctions {
    chacha_poly_init_t init;
    chacha_poly_enc_dec_update_t seal_update, open_update;
    chacha_poly_finalize_t finalize;
} ChachaFunctions;

/* Set once; all NULL where the library is of no use. */
static GcmFunctions gcm128, gcm256;
static ChachaFunctions chacha;
static pthread_once_t functions_once = PTHREAD_ONCE_INIT;

static void functions_take(const IMB_MGR *m)
{
    gcm128 = (GcmFunctions){
        .cipher = GNUTLS_CIPHER_AES_128_GCM,
        .pre = m->gcm128_pre,
        .init = m->gcm128_init,
        .seal_update = m->gcm128_enc_update,
        .seal_finalize = m->gcm128_enc_finalize,
        .open = m->gcm128_dec,
    };
    gcm256 = (GcmFunctions){
        .cipher = GNUTLS_CIPHER_AES_256_GCM,
        .pre = m->gcm256_pre,
        .init = m->gcm256_init,
        .seal_update = m->gcm256_enc_update,
        .seal_finalize = m->gcm256_enc_finalize,
        .open = m->gcm256_dec,
    };
    chacha = (ChachaFunctions){
        .init = m->chacha20_poly1305_init,
        .seal_update = m->chacha20_poly1305_enc_update,
        .open_update = m->chacha20_poly1305_dec_update,
        .finalize = m->chacha20_poly1305_finalize,
    };
}

static void functions_find(void)
{
    IMB_MGR *m;

    if (!__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("vpclmulqdq") ||
        !library_load(&ipsec_mb_library, NULL)) {
        return;
    }
    /* The shape of keys and of the manager changes from one release to the next
     * under the same soname: 1.4 would write past a key of 1.3. */
    if ((p_imb_get_version() ^ IMB_VERSION_NUM) & ~PATCH_LEVEL) {
        return;
    }
    m = p_alloc_mb_mgr(0);
    if (!m) {
        return;
    }
    p_init_mb_mgr_auto(m, NULL);
    if (p_imb_get_errno(m) == 0 && (m->features & WANTED) == WANTED) {
        functions_take(m);
    }
    p_free_mb_mgr(m);
}

/* -- a key ----------------------------------------------------------------------- */

typedef struct ImbAead {
    TLSAead parent;
    const GcmFunctions *gcm; /* NULL = ChaCha20-Poly1305 */
    _Alignas(VECTOR) union {
        struct {
            struct gcm_key_data key;
            struct gcm_context_data message;
        } aes;
        struct {
            uint8_t key[CHACHA_KEY];
            struct chacha20_poly1305_context_data message;
        } chacha;
    };
} ImbAead;

static TLSAead *aead_create(gnutls_cipher_algorithm_t cipher,
                            const uint8_t *key, size_t key_len)
{
    const GcmFunctions *gcm = NULL;
    ImbAead *b;

    pthread_once(&functions_once, functions_find);
    if (cipher == gcm128.cipher) {
        gcm = &gcm128;
    } else if (cipher == gcm256.cipher) {
        gcm = &gcm256;
    }
    if (!gcm && (cipher != GNUTLS_CIPHER_CHACHA20_POLY1305 || !chacha.init)) {
        return NULL;
    }
    b = g_aligned_alloc0(1, sizeof(*b), _Alignof(ImbAead));
    b->gcm = gcm;
    if (gcm) {
        gcm->pre(key, &b->aes.key);
    } else {
        memcpy(b->chacha.key, key, CHACHA_KEY);
    }
    return &b->parent;
}

static void aead_destroy(TLSAead *a)
{
    ImbAead *b = container_of(a, ImbAead, parent);

    explicit_bzero(b, sizeof(*b));
    g_aligned_free(b);
}

/* -- records --------------------------------------------------------------------- */

static void seal_piece(ImbAead *b, uint8_t *out, const void *in, size_t len)
{
    if (b->gcm) {
        b->gcm->seal_update(&b->aes.key, &b->aes.message, out, in, len);
    } else {
        chacha.seal_update(b->chacha.key, &b->chacha.message, out, in, len);
    }
}

static void seal_text(ImbAead *b, const TLSAeadText *text, uint8_t *out)
{
    const struct iovec *iov = text->iov;
    size_t offset = text->offset;

    for (size_t left = text->len; left > 0; iov++) {
        size_t n;

        if (offset >= iov->iov_len) {
            offset -= iov->iov_len;
            continue;
        }
        n = MIN(iov->iov_len - offset, left);
        seal_piece(b, out, (const uint8_t *)iov->iov_base + offset, n);
        out += n;
        left -= n;
        offset = 0;
    }
    seal_piece(b, out, &text->last, 1);
}

static bool aead_seal(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                      size_t aad_len, const TLSAeadText *text, uint8_t *out)
{
    ImbAead *b = container_of(a, ImbAead, parent);
    uint8_t *tag = out + text->len + 1;

    if (b->gcm) {
        b->gcm->init(&b->aes.key, &b->aes.message, nonce, aad, aad_len);
        seal_text(b, text, out);
        b->gcm->seal_finalize(&b->aes.key, &b->aes.message, tag, TLS_AEAD_TAG);
    } else {
        chacha.init(b->chacha.key, &b->chacha.message, nonce, aad, aad_len);
        seal_text(b, text, out);
        chacha.finalize(&b->chacha.message, tag, TLS_AEAD_TAG);
    }
    return true;
}

static bool aead_open(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                      size_t aad_len, const uint8_t *in, size_t len,
                      uint8_t *out)
{
    ImbAead *b = container_of(a, ImbAead, parent);
    uint8_t tag[TLS_AEAD_TAG];

    if (b->gcm) {
        b->gcm->open(&b->aes.key, &b->aes.message, out, in, len, nonce, aad,
                     aad_len, tag, sizeof(tag));
    } else {
        chacha.init(b->chacha.key, &b->chacha.message, nonce, aad, aad_len);
        chacha.open_update(b->chacha.key, &b->chacha.message, out, in, len);
        chacha.finalize(&b->chacha.message, tag, sizeof(tag));
    }
    return gnutls_memcmp(tag, in + len, sizeof(tag)) == 0;
}

const TLSAeadOps tls_aead_ipsec_mb = {
    .name = "ipsec-mb",
    .create = aead_create,
    .destroy = aead_destroy,
    .seal = aead_seal,
    .open = aead_open,
};
