/*
 * The cipher under TLS records: which library does it, and what holds for all.
 *
 * The first library of the list that has the cipher is taken; the order is that
 * of their speed with records of 16 KiB (docs/performance.md). A cipher that
 * none has stays with GnuTLS's own records. Text that the tag does not vouch for
 * is wiped here, whatever the library leaves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "tls-aead.h"

#include "util/bulk-copy.h"

#include "tls-aead-internal.h"

static const TLSAeadOps *const libraries[TLS_AEAD_N_LIBRARIES] = {
#if CONFIG_IPSEC_MB
    [TLS_AEAD_IPSEC_MB] = &tls_aead_ipsec_mb,
#endif
#if CONFIG_GCRYPT
    [TLS_AEAD_GCRYPT] = &tls_aead_gcrypt,
#endif
    [TLS_AEAD_GNUTLS] = &tls_aead_gnutls,
};

/* Some libraries take a key of another cipher's length. */
static bool cipher_fits(gnutls_cipher_algorithm_t cipher, size_t key_len)
{
    return (cipher == GNUTLS_CIPHER_AES_128_GCM ||
            cipher == GNUTLS_CIPHER_AES_256_GCM ||
            cipher == GNUTLS_CIPHER_CHACHA20_POLY1305) &&
           key_len == gnutls_cipher_get_key_size(cipher);
}

TLSAead *tls_aead_new_from(TLSAeadLibrary library,
                           gnutls_cipher_algorithm_t cipher, const uint8_t *key,
                           size_t key_len)
{
    const TLSAeadOps *ops = libraries[library];
    TLSAead *a = ops && cipher_fits(cipher, key_len)
                     ? ops->create(cipher, key, key_len)
                     : NULL;

    if (a) {
        a->ops = ops;
    }
    return a;
}

TLSAead *tls_aead_new(gnutls_cipher_algorithm_t cipher, const uint8_t *key,
                      size_t key_len)
{
    for (int i = 0; i < TLS_AEAD_N_LIBRARIES; i++) {
        TLSAead *a = tls_aead_new_from(i, cipher, key, key_len);

        if (a) {
            return a;
        }
    }
    return NULL;
}

const char *tls_aead_library_name(TLSAeadLibrary library)
{
    return libraries[library] ? libraries[library]->name : "not built in";
}

void tls_aead_free(TLSAead *a)
{
    if (a) {
        a->ops->destroy(a);
    }
}

size_t tls_aead_gather(const TLSAeadText *text, uint8_t *to)
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
        bulk_copy_in(to, (const uint8_t *)iov->iov_base + offset, n);
        to += n;
        left -= n;
        offset = 0;
    }
    *to = text->last;
    return text->len + 1;
}

bool tls_aead_seal(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                   size_t aad_len, const TLSAeadText *text, uint8_t *out)
{
    return a->ops->seal(a, nonce, aad, aad_len, text, out);
}

bool tls_aead_open(TLSAead *a, const uint8_t *nonce, const uint8_t *aad,
                   size_t aad_len, const uint8_t *in, size_t len, uint8_t *out)
{
    bool ok;

    if (len < TLS_AEAD_TAG) {
        return false;
    }
    len -= TLS_AEAD_TAG;
    ok = a->ops->open(a, nonce, aad, aad_len, in, len, out);
    if (!ok) {
        explicit_bzero(out, len); /* nobody vouches for it */
    }
    return ok;
}
