/*
 * Records of TLS 1.3 that carry data, sealed and opened here.
 *
 * GnuTLS would copy each byte two times more in each direction. So once a
 * session is open, its keys are used here: the caller's pieces are encrypted
 * into the output buffer; a record is decrypted from the read-ahead
 * buffer, and its bytes are copied to the caller's pieces when the tag was
 * found right.
 *
 * Everything but data stays GnuTLS's: handshake messages, alerts, new keys, the
 * end, and whatever is wrong with a record. A record that is not plainly good
 * data goes to it untouched, so that there is one place that judges errors. Both
 * count the same records: before GnuTLS uses the keys of a direction it is told
 * the number (keys_lend), and afterwards keys and number are asked of it
 * (keys_back).
 *
 * Source: RFC 8446 5.2 (layout), 5.3 (nonce), 5.4 (padding).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bswap.h"
#include "util/bulk-copy.h"

#include "tlssession-internal.h"

#define TLS_CONTENT_DATA 23
#define TLS_VERSION_WIRE 0x0303

/* Text, type and tag. */
#define SEALED_MAX (QCRYPTO_TLS_MAX_RECORD + 1 + TLS_AEAD_TAG)

/* -- keys ----------------------------------------------------------------- */

static TLSKeys *keys_of(QCryptoTLSSession *sess, bool read)
{
    return read ? &sess->in_keys : &sess->out_keys;
}

static void keys_clear(TLSKeys *k)
{
    tls_aead_free(k->aead);
    explicit_bzero(k, sizeof(*k));
}

static void keys_load(QCryptoTLSSession *sess, bool read)
{
    TLSKeys *k = keys_of(sess, read);
    gnutls_datum_t iv, key;
    uint8_t seq[8];

    if (gnutls_record_get_state(sess->handle, read, NULL, &iv, &key, seq) < 0 ||
        iv.size != sizeof(k->iv) || key.size > sizeof(k->key)) {
        keys_clear(k);
        return;
    }
    k->seq = ldq_be_p(seq);
    if (k->aead && key.size == k->key_len &&
        !memcmp(k->key, key.data, key.size) &&
        !memcmp(k->iv, iv.data, iv.size)) {
        return;
    }
    tls_aead_free(k->aead);
    memcpy(k->iv, iv.data, iv.size);
    memcpy(k->key, key.data, key.size);
    k->key_len = key.size;
    k->aead = tls_aead_new(gnutls_cipher_get(sess->handle), key.data, key.size);
    if (!k->aead) {
        keys_clear(k); /* a cipher that only GnuTLS has */
    }
}

void tls_keys_start(QCryptoTLSSession *sess)
{
    /* What GnuTLS has decrypted already, it also hands out. */
    if (!sess->tls13 || gnutls_record_check_pending(sess->handle) > 0) {
        return;
    }
    keys_load(sess, true);
    keys_load(sess, false);
}

void tls_keys_end(QCryptoTLSSession *sess)
{
    keys_clear(&sess->in_keys);
    keys_clear(&sess->out_keys);
    if (sess->plain) {
        explicit_bzero(sess->plain, SEALED_MAX);
        g_clear_pointer(&sess->plain, g_free);
    }
}

void tls_keys_lend(QCryptoTLSSession *sess, bool read)
{
    TLSKeys *k = keys_of(sess, read);
    uint8_t seq[8];

    if (k->aead) {
        stq_be_p(seq, k->seq);
        gnutls_record_set_state(sess->handle, read, seq);
    }
}

void tls_keys_back(QCryptoTLSSession *sess, bool read)
{
    if (keys_of(sess, read)->aead) {
        keys_load(sess, read);
    }
}

static void keys_nonce(const TLSKeys *k, uint8_t nonce[TLS_AEAD_NONCE])
{
    memcpy(nonce, k->iv, TLS_AEAD_NONCE);
    stq_be_p(nonce + 4, ldq_be_p(nonce + 4) ^ k->seq);
}

/* -- sending -------------------------------------------------------------- */

size_t tls_seal(QCryptoTLSSession *sess, const struct iovec *iov, size_t offset,
                size_t len)
{
    TLSKeys *k = &sess->out_keys;
    uint8_t nonce[TLS_AEAD_NONCE];
    TLSAeadText text;
    uint8_t *record;
    size_t sealed;

    len = MIN(len, sess->record_max);
    sealed = len + 1 + TLS_AEAD_TAG;
    record = tls_fresh_reserve(sess, TLS_HEADER + sealed);
    record[0] = TLS_CONTENT_DATA;
    stw_be_p(record + 1, TLS_VERSION_WIRE);
    stw_be_p(record + 3, sealed);
    text = (TLSAeadText){ iov, offset, len, TLS_CONTENT_DATA };
    keys_nonce(k, nonce);
    if (!tls_aead_seal(k->aead, nonce, record, TLS_HEADER, &text,
                       record + TLS_HEADER)) {
        return 0;
    }
    k->seq++;
    tls_fresh_commit(sess, TLS_HEADER + sealed);
    return len;
}

/* -- receiving ------------------------------------------------------------ */

/* Text of the record at @p if it is data; else 0, and it is GnuTLS's. */
static size_t record_open(QCryptoTLSSession *sess, const uint8_t *p,
                          size_t sealed)
{
    TLSKeys *k = &sess->in_keys;
    uint8_t nonce[TLS_AEAD_NONCE];
    size_t n;

    if (p[0] != TLS_CONTENT_DATA || sealed > SEALED_MAX) {
        return 0;
    }
    if (!sess->plain) {
        sess->plain = g_malloc(SEALED_MAX);
    }
    keys_nonce(k, nonce);
    if (!tls_aead_open(k->aead, nonce, p, TLS_HEADER, p + TLS_HEADER, sealed,
                       sess->plain)) {
        return 0;
    }
    n = sealed - TLS_AEAD_TAG;
    while (n > 0 && sess->plain[n - 1] == 0) {
        n--;
    }
    return n > 0 && sess->plain[n - 1] == TLS_CONTENT_DATA ? n - 1 : 0;
}

size_t tls_plain_take(QCryptoTLSSession *sess, uint8_t *to, size_t max,
                      bool cold)
{
    const uint8_t *from = sess->plain + sess->plain_start;
    size_t n = MIN(max, sess->plain_end - sess->plain_start);

    if (cold) {
        bulk_copy_out(to, from, n);
    } else {
        memcpy(to, from, n);
    }
    sess->plain_start += n;
    return n;
}

bool tls_open(QCryptoTLSSession *sess)
{
    TLSBytes *b = &sess->ahead;
    const uint8_t *p = b->data + b->start;
    size_t have = b->end - b->start;
    size_t sealed, n;

    if (!sess->in_keys.aead || have < TLS_HEADER) {
        return false;
    }
    sealed = lduw_be_p(p + 3);
    if (have - TLS_HEADER < sealed) {
        return false;
    }
    n = record_open(sess, p, sealed);
    if (n == 0) {
        return false;
    }
    sess->in_keys.seq++;
    b->start += TLS_HEADER + sealed;
    sess->plain_start = 0;
    sess->plain_end = n;
    return true;
}
