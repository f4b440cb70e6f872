/*
 * tls-creds-anon: nothing but parameters of the key exchange, which are
 * those of RFC 7919, so there is nothing to compute and nothing to read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/tlscredsanon.h"

#include "util/error.h"

#include "tlscreds-internal.h"

struct QCryptoTLSCredsAnon {
    QCryptoTLSCreds parent_obj;
};

static QCryptoTLSCredsBox *anon_load(QCryptoTLSCreds *creds, Error **errp)
{
    g_autoptr(QCryptoTLSCredsBox) box =
        tls_creds_box_new(creds, GNUTLS_CRD_ANON, errp);
    int ret;

    if (!box) {
        return NULL;
    }
    if (box->endpoint == QCRYPTO_TLS_CREDS_ENDPOINT_SERVER) {
        ret = gnutls_anon_set_server_known_dh_params(box->cred.anon_server,
                                                     GNUTLS_SEC_PARAM_MEDIUM);
        if (ret < 0) {
            error_setg(errp, "cannot set the Diffie-Hellman group: %s",
                       gnutls_strerror(ret));
            return NULL;
        }
    }
    return g_steal_pointer(&box);
}

static void anon_class_init(ObjectClass *oc, void *data)
{
    QCRYPTO_TLS_CREDS_CLASS(oc)->load = anon_load;
}

const TypeInfo crypto_type_tlscredsanon = {
    .name = TYPE_QCRYPTO_TLS_CREDS_ANON,
    .parent = TYPE_QCRYPTO_TLS_CREDS,
    .instance_size = sizeof(QCryptoTLSCredsAnon),
    .class_init = anon_class_init,
};
