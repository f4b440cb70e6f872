/*
 * Records of TLS 1.3 between a session of ours and one that is GnuTLS's alone:
 * what one seals the other opens; numbers and keys stay the same on both sides;
 * what is changed, cut, or longer than allowed never gives data.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <gnutls/gnutls.h>
#include <sys/socket.h>

#include "crypto/tlscredsx509.h"
#include "crypto/tlssession-internal.h"
#include "util/bswap.h"
#include "util/error.h"

#include "pki.h"
#include "tls-pair.h"

#define PRIO "NORMAL:-VERS-ALL:+VERS-TLS1.3"

static TestPki *pki;

typedef struct Duo {
    QCryptoTLSCreds *creds;
    TestTLSEnd ours; /* the server */
    gnutls_certificate_credentials_t cred;
    gnutls_session_t raw; /* the client */
    int raw_fd;
} Duo;

static void duo_clear(Duo *d)
{
    gnutls_deinit(d->raw);
    gnutls_certificate_free_credentials(d->cred);
    fd_close(d->raw_fd);
    test_tls_end_clear(&d->ours);
    object_unref(OBJECT(d->creds));
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Duo, duo_clear)

/* @cipher: of a priority string; @limit: of what the raw one takes, or 0. */
static void duo_init(Duo *d, const char *cipher, size_t limit)
{
    g_autofree char *prio = g_strdup_printf("%s:-CIPHER-ALL:+%s", PRIO, cipher);
    int ret = GNUTLS_E_AGAIN;
    int fds[2];

    d->creds =
        test_tls_creds_new(TYPE_QCRYPTO_TLS_CREDS_X509, "server",
                           test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD),
                           &error_abort, "priority", prio, "verify-peer", "off",
                           NULL);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    test_tls_end_init(&d->ours,
                      qcrypto_tls_session_new(d->creds, NULL, NULL,
                                              QCRYPTO_TLS_CREDS_ENDPOINT_SERVER,
                                              &error_abort),
                      fds[0]);
    d->raw_fd = fds[1];
    fcntl(d->raw_fd, F_SETFL, O_NONBLOCK);
    g_assert_cmpint(gnutls_certificate_allocate_credentials(&d->cred), ==, 0);
    g_assert_cmpint(gnutls_init(&d->raw, GNUTLS_CLIENT | GNUTLS_NONBLOCK), ==,
                    0);
    g_assert_cmpint(gnutls_priority_set_direct(d->raw, prio, NULL), ==, 0);
    gnutls_credentials_set(d->raw, GNUTLS_CRD_CERTIFICATE, d->cred);
    gnutls_transport_set_int(d->raw, d->raw_fd);
    if (limit) {
        g_assert_cmpint(gnutls_record_set_max_recv_size(d->raw, limit), ==, 0);
    }
    for (int i = 0; i < 1000 && (ret == GNUTLS_E_AGAIN || !d->ours.done); i++) {
        ret = ret ? gnutls_handshake(d->raw) : 0;
        test_tls_end_step(&d->ours);
    }
    g_assert_cmpint(ret, ==, 0);
    g_assert_true(d->ours.done);
    g_assert_nonnull(d->ours.sess->in_keys.aead);
    g_assert_nonnull(d->ours.sess->out_keys.aead);
}

/* Both sides are at the same record, with the same keys. */
static void check_same(const Duo *d)
{
    for (int read = 0; read < 2; read++) {
        const TLSKeys *k =
            read ? &d->ours.sess->in_keys : &d->ours.sess->out_keys;
        gnutls_datum_t iv, key;
        uint8_t seq[8];

        g_assert_cmpint(gnutls_record_get_state(d->raw, !read, NULL, &iv, &key,
                                                seq),
                        ==, 0);
        g_assert_cmpuint(ldq_be_p(seq), ==, k->seq);
        g_assert_cmpmem(iv.data, iv.size, k->iv, sizeof(k->iv));
        g_assert_cmpmem(key.data, key.size, k->key, k->key_len);
    }
}

static void raw_to_ours(Duo *d, const uint8_t *text, size_t len, size_t pad)
{
    g_autofree uint8_t *got = g_malloc(len);

    g_assert_cmpint(gnutls_record_send2(d->raw, text, len, pad, 0), ==, len);
    g_assert_cmpint(test_tls_read_all(&d->ours, got, len), ==, len);
    g_assert_cmpmem(got, len, text, len);
}

static void ours_to_raw(Duo *d, const uint8_t *text, size_t len)
{
    g_autofree uint8_t *got = g_malloc(len);

    g_assert_cmpint(test_tls_write_all(&d->ours, text, len), ==, len);
    for (size_t done = 0; done < len;) {
        ssize_t n = gnutls_record_recv(d->raw, got + done, len - done);

        if (n != GNUTLS_E_AGAIN) {
            g_assert_cmpint(n, >, 0);
            done += n;
        }
    }
    g_assert_cmpmem(got, len, text, len);
}

/* Every size, new keys from both sides in between. */
static void test_cipher(const void *opaque)
{
    static const size_t sizes[] = { 1, 2, 15, 16, 17, 255, 4096, 16383, 16384 };
    g_auto(Duo) d = { 0 };
    g_autofree uint8_t *text = g_malloc(QCRYPTO_TLS_MAX_RECORD);

    duo_init(&d, opaque, 0);
    for (size_t i = 0; i < QCRYPTO_TLS_MAX_RECORD; i++) {
        text[i] = i * 7 >> 2;
    }
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
            raw_to_ours(&d, text, sizes[i], 0);
            ours_to_raw(&d, text, sizes[i]);
            check_same(&d);
        }
        raw_to_ours(&d, text, 100, 300);
        if (round % 3 == 0) {
            qcrypto_tls_session_rekey(d.ours.sess, &error_abort);
        } else if (round % 3 == 1) {
            g_assert_cmpint(gnutls_session_key_update(d.raw, 0), ==, 0);
        } else {
            g_assert_cmpint(gnutls_session_key_update(d.raw, GNUTLS_KU_PEER),
                            ==, 0);
        }
    }
}

/* -- what is wrong ---------------------------------------------------------- */

#define TEXT "twenty four bytes of it."

/* One record of the raw peer, off the wire. Returns: its bytes. */
static size_t raw_record(Duo *d, uint8_t *record, size_t max)
{
    ssize_t n;

    g_assert_cmpint(gnutls_record_send(d->raw, TEXT, strlen(TEXT)), ==,
                    strlen(TEXT));
    n = recv(d->ours.fd, record, max, 0);
    g_assert_cmpint(n, ==, TLS_HEADER + strlen(TEXT) + 1 + TLS_AEAD_TAG);
    return n;
}

static void give(Duo *d, const uint8_t *record, size_t len)
{
    g_assert_cmpint(send(d->raw_fd, record, len, 0), ==, len);
}

static void must_refuse(Duo *d)
{
    Error *err = NULL;
    char buf[64] = "";

    shutdown(d->raw_fd, SHUT_WR);
    for (int i = 0; i < 2; i++) {
        ssize_t n =
            qcrypto_tls_session_recv(d->ours.sess, buf, sizeof(buf), &err);

        g_assert_true(n == -1 ||
                      n == QCRYPTO_TLS_SESSION_PREMATURE_TERMINATION);
        g_assert_cmpint(n == -1, ==, err != NULL);
        g_assert_cmpint(buf[0], ==, '\0');
        error_free(err);
        err = NULL;
    }
}

/*
 * Each byte in turn, header and tag too. GnuTLS is not particular about the
 * first three, which say nothing in TLS 1.3: then it is the text that was sent.
 */
static void test_tampered(void)
{
    size_t len = TLS_HEADER + strlen(TEXT) + 1 + TLS_AEAD_TAG;

    for (size_t i = 0; i < len; i++) {
        g_auto(Duo) d = { 0 };
        uint8_t record[256];

        duo_init(&d, "AES-256-GCM", 0);
        raw_record(&d, record, sizeof(record));
        record[i] ^= 0x01;
        give(&d, record, len);
        if (i < 3) {
            char buf[64];
            ssize_t n =
                qcrypto_tls_session_recv(d.ours.sess, buf, sizeof(buf), NULL);

            g_assert_true(n == -1 || n == strlen(TEXT));
            if (n > 0) {
                g_assert_cmpmem(buf, n, TEXT, strlen(TEXT));
                check_same(&d);
            }
        } else {
            must_refuse(&d);
        }
    }
}

/* A record that ends early, at each place: told at once, and told apart. */
static void test_cut(void)
{
    size_t len = TLS_HEADER + strlen(TEXT) + 1 + TLS_AEAD_TAG;

    for (size_t i = 0; i < len; i++) {
        g_auto(Duo) d = { 0 };
        uint8_t record[256];
        char byte;

        duo_init(&d, "AES-128-GCM", 0);
        raw_record(&d, record, sizeof(record));
        give(&d, record, i);
        g_assert_cmpint(qcrypto_tls_session_recv(d.ours.sess, &byte, 1,
                                                 &error_abort),
                        ==, QCRYPTO_TLS_SESSION_ERR_BLOCK);
        must_refuse(&d);
    }
}

/* A record that GnuTLS opened, and read in pieces, with one of ours behind. */
static void test_pieces(void)
{
    for (unsigned byte = 0; byte < 3; byte++) {
        g_auto(Duo) d = { 0 };
        uint8_t first[256], second[256];
        g_autoptr(GString) got = g_string_new(NULL);
        size_t len;
        char buf[7];
        ssize_t n;

        duo_init(&d, "AES-256-GCM", 0);
        len = raw_record(&d, first, sizeof(first));
        raw_record(&d, second, sizeof(second));
        first[byte] ^= 0x01;
        give(&d, first, len);
        give(&d, second, len);
        while ((n = qcrypto_tls_session_recv(d.ours.sess, buf, sizeof(buf),
                                             NULL)) > 0) {
            g_string_append_len(got, buf, n);
        }
        g_assert_cmpint(n, ==, got->len ? QCRYPTO_TLS_SESSION_ERR_BLOCK : -1);
        g_assert_cmpstr(got->str, ==, got->len ? TEXT TEXT : "");
    }
}

/* Who sent what was changed is told so, behind what was on its way to him. */
static void test_alert(void)
{
    g_auto(Duo) d = { 0 };
    uint8_t record[256];
    size_t len;
    char buf[64];

    duo_init(&d, "AES-256-GCM", 0);
    g_assert_cmpint(test_tls_write_all(&d.ours, "x", 1), ==, 1);
    len = raw_record(&d, record, sizeof(record));
    record[len - 1] ^= 0x01;
    give(&d, record, len);
    g_assert_cmpint(
        qcrypto_tls_session_recv(d.ours.sess, buf, sizeof(buf), NULL), ==, -1);
    g_assert_cmpint(qcrypto_tls_session_shutdown(d.ours.sess, &error_abort), ==,
                    QCRYPTO_TLS_BYE_COMPLETE);
    g_assert_cmpint(gnutls_record_recv(d.raw, buf, sizeof(buf)), ==, 1);
    g_assert_cmpint(gnutls_record_recv(d.raw, buf, sizeof(buf)), ==,
                    GNUTLS_E_FATAL_ALERT_RECEIVED);
    g_assert_cmpint(gnutls_alert_get(d.raw), ==, GNUTLS_A_BAD_RECORD_MAC);
}

/* The same record again, and one before its turn. */
static void test_order(void)
{
    for (int again = 0; again < 2; again++) {
        g_auto(Duo) d = { 0 };
        uint8_t first[256], second[256];
        char buf[64];
        size_t len;

        duo_init(&d, "AES-256-GCM", 0);
        len = raw_record(&d, first, sizeof(first));
        raw_record(&d, second, sizeof(second));
        if (again) {
            give(&d, first, len);
            g_assert_cmpint(qcrypto_tls_session_recv(d.ours.sess, buf,
                                                     sizeof(buf), &error_abort),
                            ==, strlen(TEXT));
            give(&d, first, len);
        } else {
            give(&d, second, len);
        }
        must_refuse(&d);
    }
}

/* Lengths that no record has. */
static void test_too_long(void)
{
    static const unsigned lengths[] = { TLS_RECORD_MAX - TLS_HEADER + 1, 20000,
                                        65535 };

    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_auto(Duo) d = { 0 };
        g_autofree uint8_t *record = g_malloc0(TLS_HEADER + lengths[i]);

        duo_init(&d, "AES-256-GCM", 0);
        record[0] = 23;
        stw_be_p(record + 1, 0x0303);
        stw_be_p(record + 3, lengths[i]);
        give(&d, record, TLS_HEADER + lengths[i]);
        must_refuse(&d);
    }
}

/* A peer that takes short records only (RFC 8449) gets no longer ones. */
static void test_limit(void)
{
    g_auto(Duo) d = { 0 };
    g_autofree uint8_t *text = g_malloc0(5000);

    duo_init(&d, "AES-256-GCM", 1024);
    ours_to_raw(&d, text, 5000);
    check_same(&d);
    g_assert_cmpuint(d.ours.sess->out_keys.seq, >=, 5);
}

/* A good-bye counts as a record; nothing follows it. */
static void test_bye(void)
{
    g_auto(Duo) d = { 0 };
    char byte;

    duo_init(&d, "AES-256-GCM", 0);
    raw_to_ours(&d, (const uint8_t *)"x", 1, 0);
    ours_to_raw(&d, (const uint8_t *)"y", 1);
    g_assert_cmpint(qcrypto_tls_session_shutdown(d.ours.sess, &error_abort), ==,
                    QCRYPTO_TLS_BYE_COMPLETE);
    g_assert_cmpint(gnutls_record_recv(d.raw, &byte, 1), ==, 0);
    g_assert_cmpint(gnutls_bye(d.raw, GNUTLS_SHUT_WR), ==, 0);
    g_assert_cmpint(
        qcrypto_tls_session_recv(d.ours.sess, &byte, 1, &error_abort), ==, 0);
    check_same(&d);
}

int main(int argc, char **argv)
{
    static const char *const ciphers[] = { "AES-128-GCM", "AES-256-GCM",
                                           "CHACHA20-POLY1305" };
    int ret;

    g_test_init(&argc, &argv, NULL);
    pki = test_pki_new();
    for (size_t i = 0; i < G_N_ELEMENTS(ciphers); i++) {
        g_autofree char *name =
            g_strdup_printf("/crypto/tlsrecord/%s", ciphers[i]);

        g_test_add_data_func(name, ciphers[i], test_cipher);
    }
    g_test_add_func("/crypto/tlsrecord/tampered", test_tampered);
    g_test_add_func("/crypto/tlsrecord/pieces", test_pieces);
    g_test_add_func("/crypto/tlsrecord/cut", test_cut);
    g_test_add_func("/crypto/tlsrecord/order", test_order);
    g_test_add_func("/crypto/tlsrecord/too-long", test_too_long);
    g_test_add_func("/crypto/tlsrecord/limit", test_limit);
    g_test_add_func("/crypto/tlsrecord/alert", test_alert);
    g_test_add_func("/crypto/tlsrecord/bye", test_bye);
    ret = g_test_run();
    test_pki_free(pki);
    return ret;
}
