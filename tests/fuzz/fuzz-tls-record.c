/*
 * Records that reach an open TLS session: a script says what the peer sends,
 * what happens to it on the way, and what follows. The reader gets a prefix of
 * what was sent, comes to an end, and never to bytes that were not sent.
 *
 *   byte & 7   what; byte >> 3 is its number n
 *   0, 1, 2    data: n bytes; 600 n; one short of n records
 *   3          the peer takes new keys; n odd: asks us for new ones
 *   4          the next n bytes of the script as they are, outside of TLS
 *   5          one bit of what is on its way is changed, n bytes from its end
 *   6          n bytes at the end of what is on its way are lost
 *   7          n odd: the peer says good-bye; even: we read now
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "../../crypto/tlssession-internal.h"
#include "crypto/init.h"
#include "crypto/tlscredspsk.h"
#include "crypto/types.h"
#include "qom/object_interfaces.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+PSK"
#define OPS_MAX  24

/* GnuTLS takes more of them in a second for an attack. */
#define KEYS_MAX 8

typedef struct End {
    QCryptoTLSSession *sess;
    GByteArray *in;
    GByteArray *out; /* the other's in */
    bool eof;        /* behind what is in @in */
} End;

static ssize_t end_push(const char *buf, size_t len, void *opaque, Error **errp)
{
    End *e = opaque;

    g_byte_array_append(e->out, (const uint8_t *)buf, len);
    return len;
}

static ssize_t end_pull(char *buf, size_t len, void *opaque, Error **errp)
{
    End *e = opaque;

    len = MIN(len, e->in->len);
    if (len == 0) {
        return e->eof ? 0 : QCRYPTO_TLS_SESSION_ERR_BLOCK;
    }
    memcpy(buf, e->in->data, len);
    g_byte_array_remove_range(e->in, 0, len);
    return len;
}

static QCryptoTLSCreds *creds_new(const char *endpoint, const char *dir)
{
    Object *obj = object_new(TYPE_QCRYPTO_TLS_CREDS_PSK);

    object_property_set_str(obj, "endpoint", endpoint, &error_abort);
    object_property_set_str(obj, "dir", dir, &error_abort);
    object_property_set_str(obj, "priority", PRIORITY, &error_abort);
    if (!strcmp(endpoint, "client")) {
        object_property_set_str(obj, "username", "fuzz", &error_abort);
    }
    user_creatable_complete(USER_CREATABLE(obj), &error_abort);
    return QCRYPTO_TLS_CREDS(obj);
}

/* Once for all inputs; the files are gone when it returns. */
static void creds_make(QCryptoTLSCreds *creds[2])
{
    g_autofree char *dir = g_dir_make_tmp("fuzz-tls-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "keys.psk", NULL);

    qcrypto_init(&error_abort);
    crypto_register_types();
    g_assert(g_file_set_contents(
        path, "fuzz:00112233445566778899aabbccddeeff\n", -1, NULL));
    g_assert(g_chmod(path, 0600) == 0);
    creds[0] = creds_new("server", dir);
    creds[1] = creds_new("client", dir);
    g_unlink(path);
    g_rmdir(dir);
}

static void ends_open(End *server, End *client, QCryptoTLSCreds *creds[2])
{
    End *ends[2] = { server, client };

    for (int i = 0; i < 2; i++) {
        End *e = ends[i];

        e->sess = qcrypto_tls_session_new(creds[i], NULL, NULL,
                                          i ? QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT
                                            : QCRYPTO_TLS_CREDS_ENDPOINT_SERVER,
                                          &error_abort);
        e->in = g_byte_array_new();
        qcrypto_tls_session_set_transport(e->sess, end_push, end_pull, e);
    }
    server->out = client->in;
    client->out = server->in;
    for (int i = 0; i < 8; i++) {
        qcrypto_tls_session_handshake(ends[i % 2 ^ 1]->sess, &error_abort);
    }
    for (int i = 0; i < 2; i++) {
        g_assert(qcrypto_tls_session_check_credentials(ends[i]->sess,
                                                       &error_abort) == 0);
    }
}

/* -- the script --------------------------------------------------------------- */

typedef struct Script {
    End server, client;
    size_t sent; /* bytes of text that the client sealed */
    size_t got;  /* that the server had */
    bool wrong;  /* something was changed on the way */
    unsigned new_keys;
    bool done; /* the server's reading has ended */
} Script;

static uint8_t text_byte(size_t at)
{
    return at * 131 >> 3;
}

static void say(Script *s, size_t len)
{
    g_autofree char *text = g_malloc(len + 1);

    for (size_t i = 0; i < len; i++) {
        text[i] = text_byte(s->sent + i);
    }
    for (size_t done = 0; done < len;) {
        ssize_t n = qcrypto_tls_session_send(s->client.sess, text + done,
                                             len - done, NULL);

        if (n <= 0) {
            return; /* after good-bye */
        }
        done += n;
        s->sent += n;
    }
}

/* Until it would wait, or has ended: that it comes so far is the test. */
static void hear(Script *s)
{
    char buf[5000];
    Error *err = NULL;
    ssize_t n;

    while (!s->done && (n = qcrypto_tls_session_recv(s->server.sess, buf,
                                                     sizeof(buf), &err)) !=
                           QCRYPTO_TLS_SESSION_ERR_BLOCK) {
        if (n <= 0) {
            g_assert((n == -1) == !!err);
            g_assert(s->wrong || n != -1);
            s->done = true;
            break;
        }
        for (ssize_t i = 0; i < n; i++) {
            g_assert((uint8_t)buf[i] == text_byte(s->got + i));
        }
        s->got += n;
        g_assert(s->got <= s->sent);
    }
    error_free(err);
}

static void new_keys(Script *s, bool ask)
{
    QCryptoTLSSession *c = s->client.sess;

    if (s->new_keys++ == KEYS_MAX) {
        s->wrong = true;
    }
    tls_keys_lend(c, true);
    tls_keys_lend(c, false);
    if (gnutls_session_key_update(c->handle, ask ? GNUTLS_KU_PEER : 0) < 0) {
        s->wrong = true;
    }
    tls_keys_back(c, true);
    tls_keys_back(c, false);
}

/* Returns: bytes of the script that were used beside the first. */
static size_t step(Script *s, uint8_t op, const uint8_t *rest, size_t left)
{
    GByteArray *way = s->server.in;
    size_t n = op >> 3;

    switch (op & 7) {
    case 0:
        say(s, n);
        break;
    case 1:
        say(s, n * 600);
        break;
    case 2:
        say(s, (n & 3) * QCRYPTO_TLS_MAX_RECORD + QCRYPTO_TLS_MAX_RECORD - 1);
        break;
    case 3:
        new_keys(s, n & 1);
        break;
    case 4:
        n = MIN(n, left);
        s->wrong |= n > 0;
        g_byte_array_append(way, rest, n);
        return n;
    case 5:
        if (n < way->len) {
            s->wrong = true;
            way->data[way->len - 1 - n] ^= 0x10;
        }
        break;
    case 6:
        n = MIN(n, way->len);
        s->wrong |= n > 0;
        g_byte_array_set_size(way, way->len - n);
        break;
    default:
        if (n & 1) {
            qcrypto_tls_session_shutdown(s->client.sess, NULL);
        } else {
            hear(s);
        }
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static QCryptoTLSCreds *creds[2];
    Script s = { 0 };
    size_t at = 0;

    if (!creds[0]) {
        creds_make(creds);
    }
    ends_open(&s.server, &s.client, creds);
    for (unsigned i = 0; i < OPS_MAX && at < size; i++) {
        uint8_t op = data[at++];

        at += step(&s, op, data + at, size - at);
    }
    s.server.eof = true;
    hear(&s);
    g_assert(s.done);
    g_assert(s.wrong || s.got == s.sent);
    qcrypto_tls_session_free(s.server.sess);
    qcrypto_tls_session_free(s.client.sess);
    g_byte_array_unref(s.server.in);
    g_byte_array_unref(s.client.in);
    return 0;
}
