/*
 * tls-creds-psk: keys shared with the peer, from keys.psk.
 *
 * A server keeps all keys in memory and answers GnuTLS by a callback of the
 * session, so that a handshake never reads the file and a reload replaces all
 * keys at once. A client only keeps the key of its user.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/tlscredspsk.h"

#include "util/error-report.h"
#include "util/error.h"

#include "tlssession-internal.h"

struct QCryptoTLSCredsPSK {
    QCryptoTLSCreds parent_obj;

    char *username;
};

static bool psk_set_client(QCryptoTLSCredsPSK *p, QCryptoTLSCredsBox *box,
                           const TLSPskFile *file, const char *path,
                           Error **errp)
{
    const TLSPskKey *key = tls_psk_file_lookup(file, p->username);
    gnutls_datum_t datum;
    int ret;

    if (!key) {
        error_setg(errp, "file '%s' has no key of user '%s'", path,
                   p->username);
        return false;
    }
    datum.data = (unsigned char *)key->bytes;
    datum.size = key->len;
    ret = gnutls_psk_set_client_credentials(box->cred.psk_client, p->username,
                                            &datum, GNUTLS_PSK_KEY_RAW);
    if (ret < 0) {
        error_setg(errp, "cannot use the key of user '%s': %s", p->username,
                   gnutls_strerror(ret));
        return false;
    }
    return true;
}

static bool psk_set_server(QCryptoTLSCredsBox *box, TLSPskFile **file,
                           Error **errp)
{
    int ret = gnutls_psk_set_server_known_dh_params(box->cred.psk_server,
                                                    GNUTLS_SEC_PARAM_MEDIUM);

    if (ret < 0) {
        error_setg(errp, "cannot set the Diffie-Hellman group: %s",
                   gnutls_strerror(ret));
        return false;
    }
    box->psk = g_steal_pointer(file);
    gnutls_psk_set_server_credentials_function2(box->cred.psk_server,
                                                tls_session_psk_key);
    return true;
}

static QCryptoTLSCredsBox *psk_load(QCryptoTLSCreds *creds, Error **errp)
{
    ERRP_GUARD();
    QCryptoTLSCredsPSK *p = QCRYPTO_TLS_CREDS_PSK(creds);
    g_autoptr(QCryptoTLSCredsBox) box =
        tls_creds_box_new(creds, GNUTLS_CRD_PSK, errp);
    g_autoptr(TLSPskFile) file = NULL;
    g_auto(TLSFile) text = { 0 };
    bool ok;

    if (!box || !tls_creds_read_key_file(creds, QCRYPTO_TLS_CREDS_PSKFILE, true,
                                         &text, errp)) {
        return NULL;
    }
    file = tls_psk_file_parse(text.data, text.len, errp);
    if (!file) {
        error_prepend(errp, "file '%s': ", text.path);
        return NULL;
    }
    if (tls_psk_file_has_short_key(file)) {
        warn_report("TLS credentials '%s': '%s' has keys of less than %d "
                    "bytes, which can be guessed",
                    tls_creds_id(creds), text.path, TLS_PSK_SHORT_KEY);
    }
    ok = box->endpoint == QCRYPTO_TLS_CREDS_ENDPOINT_SERVER
             ? psk_set_server(box, &file, errp)
             : psk_set_client(p, box, file, text.path, errp);
    return ok ? g_steal_pointer(&box) : NULL;
}

static bool psk_check_username(Object *obj, const Property *prop,
                               const void *value, Error **errp)
{
    const char *name = *(char *const *)value;

    if (!*name || strlen(name) > TLS_PSK_MAX_USER) {
        error_setg(errp, "user name must have 1 to %d bytes", TLS_PSK_MAX_USER);
        return false;
    }
    return true;
}

static const Property psk_props[] = {
    { "dir", PROP_STR, offsetof(QCryptoTLSCreds, dir), .flags = PROP_F_REQUIRED,
      .help = "directory of " QCRYPTO_TLS_CREDS_PSKFILE, .since = "3.0" },
    { "username", PROP_STR, offsetof(QCryptoTLSCredsPSK, username),
      .def = QCRYPTO_TLS_CREDS_PSK_USERNAME,
      .help = "user whose key a client uses", .since = "3.0",
      .check = psk_check_username },
    {}
};

static void psk_class_init(ObjectClass *oc, void *data)
{
    QCRYPTO_TLS_CREDS_CLASS(oc)->load = psk_load;
}

const TypeInfo crypto_type_tlscredspsk = {
    .name = TYPE_QCRYPTO_TLS_CREDS_PSK,
    .parent = TYPE_QCRYPTO_TLS_CREDS,
    .instance_size = sizeof(QCryptoTLSCredsPSK),
    .class_init = psk_class_init,
    .props = psk_props,
};
